-- Mints of next periods: what was wanted, and how far it is. What they made is in coin files.
CREATE TABLE mint (
  period TEXT PRIMARY KEY,
  at INTEGER NOT NULL,
  by_whom TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('planned', 'running', 'cluster', 'stopped', 'done')),
  stage TEXT NOT NULL CHECK (stage IN ('none', 'tossing', 'counting', 'shards', 'complete')),
  done INTEGER NOT NULL,
  total INTEGER NOT NULL,
  -- When this stage was first seen, and how much of it was done then.
  since_at INTEGER NOT NULL,
  since_done INTEGER NOT NULL,
  seen_at INTEGER NOT NULL,
  -- Why the last try failed; empty if it did not.
  fault TEXT NOT NULL
) STRICT;
