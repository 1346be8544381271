-- The numbers of the vendor keys that were replaced. A vendor without a row has the number 0.
CREATE TABLE vendor_key (
  vendor TEXT NOT NULL PRIMARY KEY,
  number INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
