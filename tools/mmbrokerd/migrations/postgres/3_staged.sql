-- Batches that are being received, or wait to be judged. One without a digest is not complete.
CREATE TABLE staged (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  period TEXT NOT NULL REFERENCES period (name),
  vendor TEXT NOT NULL,
  name TEXT NOT NULL,
  payments BIGINT NOT NULL,
  sha256 BYTEA,
  at BIGINT NOT NULL
);

CREATE TABLE staged_piece (
  staged BIGINT NOT NULL REFERENCES staged (id),
  piece BIGINT NOT NULL,
  data BYTEA NOT NULL,
  PRIMARY KEY (staged, piece)
);
