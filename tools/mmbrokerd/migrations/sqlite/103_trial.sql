-- Accounts of the kind `promotion`, which pay free trial sets: minus what was given away. SQLite
-- changes no CHECK, so the table is made again. Its rows are put into a table of the same name, which
-- settles the references that wait for the end of the transaction.
PRAGMA defer_foreign_keys = ON;
CREATE TABLE account_before AS SELECT id, kind, owner, currency FROM account;
DROP TABLE account;
CREATE TABLE account (
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL
    CHECK (kind IN ('outside', 'client', 'vendor', 'coins', 'disputed', 'lapsed', 'payout',
      'fees', 'promotion')),
  owner TEXT NOT NULL,
  currency TEXT NOT NULL,
  UNIQUE (kind, owner, currency)
) STRICT;
INSERT INTO account (id, kind, owner, currency)
  SELECT id, kind, owner, currency FROM account_before;
DROP TABLE account_before;

-- Whether a sale is a free trial.
ALTER TABLE sale ADD COLUMN free INTEGER NOT NULL DEFAULT 0 CHECK (free IN (0, 1));
-- The mail address that a free trial counts for, as a hash under the broker's secret.
ALTER TABLE sale ADD COLUMN free_for BLOB;
CREATE INDEX sale_free ON sale (period) WHERE free = 1;
