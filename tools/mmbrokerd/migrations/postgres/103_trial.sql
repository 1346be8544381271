-- Accounts of the kind `promotion`, which pay free trial sets: minus what was given away.
ALTER TABLE account DROP CONSTRAINT account_kind_check;
ALTER TABLE account ADD CONSTRAINT account_kind_check
  CHECK (kind IN ('outside', 'client', 'vendor', 'coins', 'disputed', 'lapsed', 'payout',
    'fees', 'promotion'));

-- Whether a sale is a free trial.
ALTER TABLE sale ADD COLUMN free BIGINT NOT NULL DEFAULT 0 CHECK (free IN (0, 1));
-- The mail address that a free trial counts for, as a hash under the broker's secret.
ALTER TABLE sale ADD COLUMN free_for BYTEA;
CREATE INDEX sale_free ON sale (period) WHERE free = 1;
