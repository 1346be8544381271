-- One row: the state of the broker as a whole.
CREATE TABLE broker (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  -- Rises when the broker is restored from a backup; owners files carry it.
  generation INTEGER NOT NULL CHECK (generation >= 1),
  -- Derives from the broker's secret, so that another secret is noticed at the start.
  secret_tag BLOB NOT NULL
) STRICT;

CREATE TABLE period (
  name TEXT PRIMARY KEY,
  params TEXT NOT NULL,
  coin_file TEXT NOT NULL,
  superbins INTEGER NOT NULL,
  -- The first superbin that is not sold. The row is locked from its reading to the commit of the
  -- sale, so sales are consecutive, whatever the number of processes.
  next_superbin INTEGER NOT NULL CHECK (next_superbin BETWEEN 0 AND superbins),
  -- Superbins below are settled.
  settled_to INTEGER NOT NULL CHECK (settled_to BETWEEN 0 AND superbins),
  settled_at INTEGER
) STRICT;

-- Money, in units of 10^-8 of a currency. An amount is what the broker owes to the account.
CREATE TABLE account (
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL
    CHECK (kind IN ('outside', 'client', 'vendor', 'coins', 'disputed', 'lapsed', 'payout',
      'fees')),
  owner TEXT NOT NULL,
  currency TEXT NOT NULL,
  UNIQUE (kind, owner, currency)
) STRICT;

CREATE TABLE balance (
  account INTEGER PRIMARY KEY REFERENCES account (id),
  floor INTEGER NOT NULL,
  amount INTEGER NOT NULL,
  CHECK (amount >= floor)
) STRICT;

CREATE TABLE transfer (
  id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  kind TEXT NOT NULL,
  -- What it is for. No two transfers are for the same.
  reference TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE entry (
  transfer INTEGER NOT NULL REFERENCES transfer (id),
  account INTEGER NOT NULL REFERENCES account (id),
  amount INTEGER NOT NULL CHECK (amount <> 0),
  PRIMARY KEY (transfer, account)
) STRICT, WITHOUT ROWID;
CREATE INDEX entry_of_account ON entry (account);

CREATE TABLE sale (
  period TEXT NOT NULL REFERENCES period (name),
  first INTEGER NOT NULL CHECK (first >= 0 AND first % 2 = 0),
  sets INTEGER NOT NULL CHECK (sets >= 1),
  coins INTEGER NOT NULL CHECK (coins >= 0),
  user_id TEXT NOT NULL,
  transaction_id INTEGER NOT NULL UNIQUE,
  at INTEGER NOT NULL,
  -- When the buyer acknowledged the coins; they are not delivered again after that.
  received_at INTEGER,
  PRIMARY KEY (period, first)
) STRICT, WITHOUT ROWID;
CREATE INDEX sale_of_user ON sale (user_id, period);

-- Orders that were refused for good, so that the same order is always answered alike.
CREATE TABLE refused_sale (
  transaction_id INTEGER PRIMARY KEY,
  user_id TEXT NOT NULL,
  period TEXT NOT NULL,
  sets INTEGER NOT NULL,
  at INTEGER NOT NULL,
  reason TEXT NOT NULL,
  body TEXT NOT NULL
) STRICT;

CREATE TABLE vendor (
  period TEXT NOT NULL REFERENCES period (name),
  name TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (period, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE revoked (
  user_id TEXT PRIMARY KEY,
  at INTEGER NOT NULL
) STRICT;

CREATE TABLE compromised (
  id INTEGER PRIMARY KEY,
  period TEXT NOT NULL REFERENCES period (name),
  superbin INTEGER NOT NULL,
  first INTEGER NOT NULL,
  count INTEGER NOT NULL CHECK (count >= 1),
  -- The next superbin to sell at that time: sets from that one on are sold without these bins.
  next_superbin INTEGER NOT NULL,
  at INTEGER NOT NULL
) STRICT;

-- What vendors sent: batches for redemption, and payments shown to the watch.
CREATE TABLE batch (
  id INTEGER PRIMARY KEY,
  period TEXT NOT NULL REFERENCES period (name),
  vendor TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('redemption', 'watch')),
  name TEXT NOT NULL,
  sha256 BLOB NOT NULL,
  at INTEGER NOT NULL,
  payments INTEGER NOT NULL,
  -- The payments that are judged; the batch is complete when all are.
  judged INTEGER NOT NULL CHECK (judged BETWEEN 0 AND payments),
  coins INTEGER NOT NULL,
  accepted INTEGER NOT NULL,
  waiting INTEGER NOT NULL,
  forged INTEGER NOT NULL,
  not_from_owner INTEGER NOT NULL,
  invented INTEGER NOT NULL,
  UNIQUE (period, vendor, kind, name)
) STRICT;

-- The claims of consecutive payments of a batch that were judged in one transaction: 32 bytes for
-- each coin, in order.
CREATE TABLE part (
  id INTEGER PRIMARY KEY,
  batch INTEGER NOT NULL REFERENCES batch (id),
  first_payment INTEGER NOT NULL,
  payments INTEGER NOT NULL,
  coins INTEGER NOT NULL,
  claims BLOB NOT NULL,
  UNIQUE (batch, first_payment)
) STRICT;

CREATE TABLE give_back (
  id INTEGER PRIMARY KEY,
  period TEXT NOT NULL REFERENCES period (name),
  user_id TEXT NOT NULL,
  name TEXT NOT NULL,
  sha256 BLOB NOT NULL,
  transaction_id INTEGER NOT NULL,
  at INTEGER NOT NULL,
  waiting INTEGER NOT NULL,
  forged INTEGER NOT NULL,
  not_from_owner INTEGER NOT NULL,
  claims BLOB NOT NULL,
  UNIQUE (period, user_id, name)
) STRICT;

-- The state of a sold superbin, one bit for each sub-bin, the first in the highest bit of the first
-- byte. A superbin without a row has no claims.
CREATE TABLE superbin (
  period TEXT NOT NULL,
  superbin INTEGER NOT NULL,
  paid BLOB NOT NULL,
  returned BLOB NOT NULL,
  credited BLOB NOT NULL,
  disputed BLOB NOT NULL,
  PRIMARY KEY (period, superbin)
) STRICT, WITHOUT ROWID;

-- The claims of rank 2, which wait. The verdict is that of the settlement or of a person.
CREATE TABLE doubtful (
  period TEXT NOT NULL,
  superbin INTEGER NOT NULL,
  subbin INTEGER NOT NULL,
  part INTEGER NOT NULL,
  position INTEGER NOT NULL,
  vendor TEXT NOT NULL,
  verdict INTEGER NOT NULL,
  PRIMARY KEY (period, superbin, subbin, part, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX doubtful_of_part ON doubtful (part);

-- Which vendor first showed a coin that is proved to be its owner's: 6 bytes for each bin, its
-- sub-bin (2 bytes) and the id of vendor_number (4 bytes), big-endian.
CREATE TABLE seen (
  period TEXT NOT NULL,
  superbin INTEGER NOT NULL,
  vendors BLOB NOT NULL,
  PRIMARY KEY (period, superbin)
) STRICT, WITHOUT ROWID;

CREATE TABLE vendor_number (
  id INTEGER PRIMARY KEY,
  vendor TEXT NOT NULL UNIQUE
) STRICT;

-- Users who are proved to have cheated.
CREATE TABLE offender (
  period TEXT NOT NULL REFERENCES period (name),
  user_id TEXT NOT NULL,
  at INTEGER NOT NULL,
  superbin INTEGER NOT NULL,
  subbin INTEGER NOT NULL,
  why TEXT NOT NULL,
  PRIMARY KEY (period, user_id)
) STRICT, WITHOUT ROWID;

-- What payments say about the users of a vendor within an hour.
CREATE TABLE conduct (
  period TEXT NOT NULL,
  vendor TEXT NOT NULL,
  hour INTEGER NOT NULL,
  buyer INTEGER NOT NULL,
  failing INTEGER NOT NULL,
  PRIMARY KEY (period, vendor, hour, buyer)
) STRICT, WITHOUT ROWID;

CREATE TABLE complaint (
  id INTEGER PRIMARY KEY,
  user_id TEXT NOT NULL,
  name TEXT NOT NULL,
  at INTEGER NOT NULL,
  sha256 BLOB NOT NULL,
  text TEXT NOT NULL,
  payment BLOB NOT NULL,
  UNIQUE (user_id, name)
) STRICT;

-- Keys of programs that act for a client. Only their SHA-256 is kept.
CREATE TABLE api_key (
  sha256 BLOB PRIMARY KEY,
  user_id TEXT NOT NULL,
  at INTEGER NOT NULL,
  ended_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TRIGGER transfer_is_kept BEFORE UPDATE ON transfer
BEGIN SELECT RAISE(ABORT, 'transfers are append-only'); END;
CREATE TRIGGER transfer_is_not_deleted BEFORE DELETE ON transfer
BEGIN SELECT RAISE(ABORT, 'transfers are append-only'); END;
CREATE TRIGGER entry_is_kept BEFORE UPDATE ON entry
BEGIN SELECT RAISE(ABORT, 'entries are append-only'); END;
CREATE TRIGGER entry_is_not_deleted BEFORE DELETE ON entry
BEGIN SELECT RAISE(ABORT, 'entries are append-only'); END;
CREATE TRIGGER part_is_kept BEFORE UPDATE ON part
BEGIN SELECT RAISE(ABORT, 'parts are append-only'); END;
CREATE TRIGGER part_is_not_deleted BEFORE DELETE ON part
BEGIN SELECT RAISE(ABORT, 'parts are append-only'); END;
