-- Superbins of a period below are reserved for sale: the end of the last block.
ALTER TABLE period ADD COLUMN reserved INTEGER NOT NULL DEFAULT 0;
-- Rises when a skipped set gets its owner, so that indexes are made again.
ALTER TABLE period ADD COLUMN rebooked INTEGER NOT NULL DEFAULT 0;
-- Nothing is paid out before a person has compared the last payout with the bank.
ALTER TABLE broker ADD COLUMN payouts_blocked INTEGER NOT NULL DEFAULT 0;

-- Superbins from `first` to below `past` may have been sold before a restore. They belong to nobody,
-- unless there is a sale.
CREATE TABLE skipped (
  period TEXT NOT NULL REFERENCES period (name),
  generation INTEGER NOT NULL,
  first INTEGER NOT NULL,
  past INTEGER NOT NULL CHECK (past >= first),
  PRIMARY KEY (period, generation)
) STRICT, WITHOUT ROWID;

-- What vendors' witnesses know and this database does not.
CREATE TABLE told (
  generation INTEGER NOT NULL,
  name TEXT NOT NULL,
  number INTEGER NOT NULL,
  PRIMARY KEY (generation, name)
) STRICT, WITHOUT ROWID;

-- Numbers of the witness beside those of periods: of the last payout run, the last voucher batch.
CREATE TABLE counter (
  name TEXT PRIMARY KEY,
  number INTEGER NOT NULL CHECK (number >= 0)
) STRICT, WITHOUT ROWID;
