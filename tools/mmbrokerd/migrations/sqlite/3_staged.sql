-- Batches that are being received, or wait to be judged. One without a digest is not complete.
CREATE TABLE staged (
  id INTEGER PRIMARY KEY,
  period TEXT NOT NULL REFERENCES period (name),
  vendor TEXT NOT NULL,
  name TEXT NOT NULL,
  payments INTEGER NOT NULL,
  sha256 BLOB,
  at INTEGER NOT NULL
) STRICT;

CREATE TABLE staged_piece (
  staged INTEGER NOT NULL REFERENCES staged (id),
  piece INTEGER NOT NULL,
  data BLOB NOT NULL,
  PRIMARY KEY (staged, piece)
) STRICT;
