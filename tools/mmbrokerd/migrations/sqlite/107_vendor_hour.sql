-- What a vendor sent in the current hour.
CREATE INDEX batch_of_vendor ON batch (vendor, kind, at);

-- The coins of a vendor's batches that were refused, by hours since 1970.
CREATE TABLE refused_coin (
  vendor TEXT NOT NULL,
  hour INTEGER NOT NULL,
  coins INTEGER NOT NULL,
  PRIMARY KEY (vendor, hour)
) STRICT, WITHOUT ROWID;
