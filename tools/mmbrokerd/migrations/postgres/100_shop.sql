-- The accounts of people. The name of an account is its User-ID.
CREATE TABLE person (
  user_id TEXT PRIMARY KEY,
  -- Argon2id, as a PHC string.
  password TEXT NOT NULL,
  role TEXT NOT NULL CHECK (role IN ('none', 'support', 'money', 'admin')),
  at BIGINT NOT NULL,
  closed_at BIGINT
);

-- Logins. Only the SHA-256 of a token is kept.
CREATE TABLE session (
  sha256 BYTEA PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES person (user_id),
  at BIGINT NOT NULL,
  seen_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  ended_at BIGINT,
  -- The program that logged in, as it calls itself.
  agent TEXT NOT NULL
);
CREATE INDEX session_of_person ON session (user_id);

-- Addresses that people have confirmed. `compared` is the address in lower case.
CREATE TABLE mail_address (
  user_id TEXT PRIMARY KEY REFERENCES person (user_id),
  address TEXT NOT NULL,
  compared TEXT NOT NULL,
  confirmed_at BIGINT NOT NULL
);
CREATE INDEX mail_address_compared ON mail_address (compared);

-- Links that are good once. Only the SHA-256 of a token is kept.
CREATE TABLE link (
  sha256 BYTEA PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES person (user_id),
  purpose TEXT NOT NULL CHECK (purpose IN ('confirm', 'reset')),
  address TEXT NOT NULL,
  at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  used_at BIGINT
);

-- Mail to send. A row goes when it is sent; one that was given up has no text.
CREATE TABLE mail (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at BIGINT NOT NULL,
  address TEXT NOT NULL,
  subject TEXT NOT NULL,
  text TEXT NOT NULL,
  tries BIGINT NOT NULL,
  next_at BIGINT NOT NULL,
  fault TEXT NOT NULL
);

-- How often something was tried within a span of time, so that a restart forgets nothing.
CREATE TABLE attempt (
  what TEXT NOT NULL,
  who TEXT NOT NULL,
  span BIGINT NOT NULL,
  count BIGINT NOT NULL,
  PRIMARY KEY (what, who, span)
);

-- Orders under the limit of a period, recorded before they are made.
CREATE TABLE wish (
  transaction_id BIGINT PRIMARY KEY,
  user_id TEXT NOT NULL,
  period TEXT NOT NULL,
  sets BIGINT NOT NULL CHECK (sets >= 1),
  at BIGINT NOT NULL
);
CREATE INDEX wish_of_user ON wish (user_id, period);

CREATE TABLE voucher_batch (
  name TEXT PRIMARY KEY,
  at BIGINT NOT NULL,
  by_whom TEXT NOT NULL,
  units BIGINT NOT NULL CHECK (units >= 1),
  currency TEXT NOT NULL,
  count BIGINT NOT NULL CHECK (count >= 1),
  expires_at BIGINT NOT NULL,
  -- The codes derive from it and the broker's secret.
  salt BYTEA NOT NULL,
  -- The generation of the broker in which it was made. A later one holds its codes.
  generation BIGINT NOT NULL,
  void_at BIGINT
);

-- Only the SHA-256 of a code is kept.
CREATE TABLE voucher (
  sha256 BYTEA PRIMARY KEY,
  batch TEXT NOT NULL REFERENCES voucher_batch (name),
  used_at BIGINT,
  used_by TEXT,
  -- The generation in which a held code was released.
  released BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX voucher_of_batch ON voucher (batch);

-- Messages of outside billing, each taken once.
CREATE TABLE hook (
  source TEXT NOT NULL,
  id TEXT NOT NULL,
  sha256 BYTEA NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (source, id)
);

-- Where money is paid to. A change counts after a while; the last row that counts is used.
CREATE TABLE bank_account (
  kind TEXT NOT NULL CHECK (kind IN ('client', 'vendor')),
  owner TEXT NOT NULL,
  at BIGINT NOT NULL,
  counts_from BIGINT NOT NULL,
  iban TEXT NOT NULL,
  name TEXT NOT NULL,
  PRIMARY KEY (kind, owner, at)
);

CREATE TABLE payout_run (
  -- The counter of the witness, so that no number comes twice after a restore.
  id BIGINT PRIMARY KEY,
  at BIGINT NOT NULL,
  by_whom TEXT NOT NULL,
  currency TEXT NOT NULL,
  -- Drawn at random for a form, so that a form that is sent twice makes one run.
  token TEXT NOT NULL UNIQUE,
  paid_at BIGINT
);

CREATE TABLE payout (
  run BIGINT NOT NULL REFERENCES payout_run (id),
  kind TEXT NOT NULL CHECK (kind IN ('client', 'vendor')),
  owner TEXT NOT NULL,
  iban TEXT NOT NULL,
  name TEXT NOT NULL,
  -- What is sent, and the fee, in units.
  units BIGINT NOT NULL CHECK (units >= 1),
  fee BIGINT NOT NULL CHECK (fee >= 0),
  state TEXT NOT NULL CHECK (state IN ('open', 'paid', 'failed')),
  PRIMARY KEY (run, kind, owner)
);

-- Clients who want their balance back.
CREATE TABLE refund_wish (
  user_id TEXT PRIMARY KEY,
  at BIGINT NOT NULL
);

-- Which person acts for a vendor.
CREATE TABLE vendor_owner (
  vendor TEXT PRIMARY KEY,
  user_id TEXT NOT NULL,
  at BIGINT NOT NULL
);

-- What a host must show before a person acts for it.
CREATE TABLE host_proof (
  user_id TEXT NOT NULL,
  vendor TEXT NOT NULL,
  token TEXT NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (user_id, vendor)
);

-- Vendors whose coins are refused from then on.
CREATE TABLE disabled_vendor (
  vendor TEXT PRIMARY KEY,
  at BIGINT NOT NULL,
  why TEXT NOT NULL
);

CREATE TABLE complaint_answer (
  complaint BIGINT NOT NULL REFERENCES complaint (id),
  at BIGINT NOT NULL,
  by_whom TEXT NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (complaint, at, by_whom)
);

-- What people did who may change money or others' accounts: a chain of SHA-256.
CREATE TABLE audit (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at BIGINT NOT NULL,
  by_whom TEXT NOT NULL,
  what TEXT NOT NULL,
  detail TEXT NOT NULL,
  previous BYTEA NOT NULL UNIQUE,
  sha256 BYTEA NOT NULL
);

CREATE TRIGGER audit_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
