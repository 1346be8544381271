-- One row: the state of the broker as a whole.
CREATE TABLE broker (
  one BIGINT PRIMARY KEY CHECK (one = 1),
  -- Rises when the broker is restored from a backup; owners files carry it.
  generation BIGINT NOT NULL CHECK (generation >= 1),
  -- Derives from the broker's secret, so that another secret is noticed at the start.
  secret_tag BYTEA NOT NULL
);

CREATE TABLE period (
  name TEXT PRIMARY KEY,
  params TEXT NOT NULL,
  coin_file TEXT NOT NULL,
  superbins BIGINT NOT NULL,
  -- The first superbin that is not sold. The row is locked from its reading to the commit of the
  -- sale, so sales are consecutive, whatever the number of processes.
  next_superbin BIGINT NOT NULL CHECK (next_superbin BETWEEN 0 AND superbins),
  -- Superbins below are settled.
  settled_to BIGINT NOT NULL CHECK (settled_to BETWEEN 0 AND superbins),
  settled_at BIGINT
);

-- Money, in units of 10^-8 of a currency. An amount is what the broker owes to the account.
CREATE TABLE account (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind TEXT NOT NULL
    CHECK (kind IN ('outside', 'client', 'vendor', 'coins', 'disputed', 'lapsed', 'payout',
      'fees')),
  owner TEXT NOT NULL,
  currency TEXT NOT NULL,
  UNIQUE (kind, owner, currency)
);

CREATE TABLE balance (
  account BIGINT PRIMARY KEY REFERENCES account (id),
  floor BIGINT NOT NULL,
  amount BIGINT NOT NULL,
  CHECK (amount >= floor)
);

CREATE TABLE transfer (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at BIGINT NOT NULL,
  kind TEXT NOT NULL,
  -- What it is for. No two transfers are for the same.
  reference TEXT NOT NULL UNIQUE
);

CREATE TABLE entry (
  transfer BIGINT NOT NULL REFERENCES transfer (id),
  account BIGINT NOT NULL REFERENCES account (id),
  amount BIGINT NOT NULL CHECK (amount <> 0),
  PRIMARY KEY (transfer, account)
);
CREATE INDEX entry_of_account ON entry (account);

CREATE TABLE sale (
  period TEXT NOT NULL REFERENCES period (name),
  first BIGINT NOT NULL CHECK (first >= 0 AND first % 2 = 0),
  sets BIGINT NOT NULL CHECK (sets >= 1),
  coins BIGINT NOT NULL CHECK (coins >= 0),
  user_id TEXT NOT NULL,
  transaction_id BIGINT NOT NULL UNIQUE,
  at BIGINT NOT NULL,
  -- When the buyer acknowledged the coins; they are not delivered again after that.
  received_at BIGINT,
  PRIMARY KEY (period, first)
);
CREATE INDEX sale_of_user ON sale (user_id, period);

-- Orders that were refused for good, so that the same order is always answered alike.
CREATE TABLE refused_sale (
  transaction_id BIGINT PRIMARY KEY,
  user_id TEXT NOT NULL,
  period TEXT NOT NULL,
  sets BIGINT NOT NULL,
  at BIGINT NOT NULL,
  reason TEXT NOT NULL,
  body TEXT NOT NULL
);

CREATE TABLE vendor (
  period TEXT NOT NULL REFERENCES period (name),
  name TEXT NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (period, name)
);

CREATE TABLE revoked (
  user_id TEXT PRIMARY KEY,
  at BIGINT NOT NULL
);

CREATE TABLE compromised (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  period TEXT NOT NULL REFERENCES period (name),
  superbin BIGINT NOT NULL,
  first BIGINT NOT NULL,
  count BIGINT NOT NULL CHECK (count >= 1),
  -- The next superbin to sell at that time: sets from that one on are sold without these bins.
  next_superbin BIGINT NOT NULL,
  at BIGINT NOT NULL
);

-- What vendors sent: batches for redemption, and payments shown to the watch.
CREATE TABLE batch (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  period TEXT NOT NULL REFERENCES period (name),
  vendor TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('redemption', 'watch')),
  name TEXT NOT NULL,
  sha256 BYTEA NOT NULL,
  at BIGINT NOT NULL,
  payments BIGINT NOT NULL,
  -- The payments that are judged; the batch is complete when all are.
  judged BIGINT NOT NULL CHECK (judged BETWEEN 0 AND payments),
  coins BIGINT NOT NULL,
  accepted BIGINT NOT NULL,
  waiting BIGINT NOT NULL,
  forged BIGINT NOT NULL,
  not_from_owner BIGINT NOT NULL,
  invented BIGINT NOT NULL,
  UNIQUE (period, vendor, kind, name)
);

-- The claims of consecutive payments of a batch that were judged in one transaction: 32 bytes for
-- each coin, in order.
CREATE TABLE part (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  batch BIGINT NOT NULL REFERENCES batch (id),
  first_payment BIGINT NOT NULL,
  payments BIGINT NOT NULL,
  coins BIGINT NOT NULL,
  claims BYTEA NOT NULL,
  UNIQUE (batch, first_payment)
);

CREATE TABLE give_back (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  period TEXT NOT NULL REFERENCES period (name),
  user_id TEXT NOT NULL,
  name TEXT NOT NULL,
  sha256 BYTEA NOT NULL,
  transaction_id BIGINT NOT NULL,
  at BIGINT NOT NULL,
  waiting BIGINT NOT NULL,
  forged BIGINT NOT NULL,
  not_from_owner BIGINT NOT NULL,
  claims BYTEA NOT NULL,
  UNIQUE (period, user_id, name)
);

-- The state of a sold superbin, one bit for each sub-bin, the first in the highest bit of the first
-- byte. A superbin without a row has no claims.
CREATE TABLE superbin (
  period TEXT NOT NULL,
  superbin BIGINT NOT NULL,
  paid BYTEA NOT NULL,
  returned BYTEA NOT NULL,
  credited BYTEA NOT NULL,
  disputed BYTEA NOT NULL,
  PRIMARY KEY (period, superbin)
);

-- The claims of rank 2, which wait. The verdict is that of the settlement or of a person.
CREATE TABLE doubtful (
  period TEXT NOT NULL,
  superbin BIGINT NOT NULL,
  subbin BIGINT NOT NULL,
  part BIGINT NOT NULL,
  position BIGINT NOT NULL,
  vendor TEXT NOT NULL,
  verdict BIGINT NOT NULL,
  PRIMARY KEY (period, superbin, subbin, part, position)
);
CREATE INDEX doubtful_of_part ON doubtful (part);

-- Which vendor first showed a coin that is proved to be its owner's: 6 bytes for each bin, its
-- sub-bin (2 bytes) and the id of vendor_number (4 bytes), big-endian.
CREATE TABLE seen (
  period TEXT NOT NULL,
  superbin BIGINT NOT NULL,
  vendors BYTEA NOT NULL,
  PRIMARY KEY (period, superbin)
);

CREATE TABLE vendor_number (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  vendor TEXT NOT NULL UNIQUE
);

-- Users who are proved to have cheated.
CREATE TABLE offender (
  period TEXT NOT NULL REFERENCES period (name),
  user_id TEXT NOT NULL,
  at BIGINT NOT NULL,
  superbin BIGINT NOT NULL,
  subbin BIGINT NOT NULL,
  why TEXT NOT NULL,
  PRIMARY KEY (period, user_id)
);

-- What payments say about the users of a vendor within an hour.
CREATE TABLE conduct (
  period TEXT NOT NULL,
  vendor TEXT NOT NULL,
  hour BIGINT NOT NULL,
  buyer BIGINT NOT NULL,
  failing BIGINT NOT NULL,
  PRIMARY KEY (period, vendor, hour, buyer)
);

CREATE TABLE complaint (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  user_id TEXT NOT NULL,
  name TEXT NOT NULL,
  at BIGINT NOT NULL,
  sha256 BYTEA NOT NULL,
  text TEXT NOT NULL,
  payment BYTEA NOT NULL,
  UNIQUE (user_id, name)
);

-- Keys of programs that act for a client. Only their SHA-256 is kept.
CREATE TABLE api_key (
  sha256 BYTEA PRIMARY KEY,
  user_id TEXT NOT NULL,
  at BIGINT NOT NULL,
  ended_at BIGINT
);

-- Functions that SQLite has, so that the statements are the same for both databases.
CREATE FUNCTION json_each(list TEXT) RETURNS TABLE (key BIGINT, value JSON)
LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT position - 1, element FROM json_array_elements(list::json)
  WITH ORDINALITY AS elements (element, position)
$$;

CREATE FUNCTION unhex(digits TEXT) RETURNS BYTEA
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT decode(digits, 'hex') $$;

CREATE FUNCTION refuse_change() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END
$$;

CREATE TRIGGER transfer_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON transfer
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER entry_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON entry
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER part_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON part
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
