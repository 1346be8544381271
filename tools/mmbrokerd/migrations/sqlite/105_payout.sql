-- Payments of a run that the bank made and the balance could not pay when the run was booked. Nothing
-- else is paid to their owners until they are booked.
CREATE TABLE payout_short (
  run INTEGER NOT NULL REFERENCES payout_run (id),
  kind TEXT NOT NULL CHECK (kind IN ('client', 'vendor')),
  owner TEXT NOT NULL,
  iban TEXT NOT NULL,
  name TEXT NOT NULL,
  -- What was sent, and the fee, in units.
  units INTEGER NOT NULL CHECK (units >= 1),
  fee INTEGER NOT NULL CHECK (fee >= 0),
  PRIMARY KEY (run, kind, owner)
) STRICT, WITHOUT ROWID;
