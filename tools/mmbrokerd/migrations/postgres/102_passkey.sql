-- Passkeys. `data` is the public key with its sign counter, as JSON.
CREATE TABLE passkey (
  -- The SHA-256 of the ID that the authenticator chose.
  sha256 BYTEA PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES person (user_id),
  name TEXT NOT NULL,
  at BIGINT NOT NULL,
  used_at BIGINT,
  data TEXT NOT NULL
);
CREATE INDEX passkey_of_person ON passkey (user_id);

-- Challenges for passkeys. A row goes when it is used. Only the SHA-256 of a token is kept.
CREATE TABLE passkey_challenge (
  sha256 BYTEA PRIMARY KEY,
  -- Who adds a passkey; empty for a login.
  user_id TEXT NOT NULL,
  expires_at BIGINT NOT NULL,
  data TEXT NOT NULL
);
CREATE INDEX passkey_challenge_end ON passkey_challenge (expires_at);
