-- An order under the limit of a period is one of a person, for a number of sets: two people may have
-- drawn the same Transaction-ID.
CREATE TABLE wish_of_order (
  transaction_id BIGINT NOT NULL,
  user_id TEXT NOT NULL,
  period TEXT NOT NULL,
  sets BIGINT NOT NULL CHECK (sets >= 1),
  at BIGINT NOT NULL,
  PRIMARY KEY (transaction_id, user_id, period, sets)
);
INSERT INTO wish_of_order (transaction_id, user_id, period, sets, at)
  SELECT transaction_id, user_id, period, sets, at FROM wish;
DROP TABLE wish;
ALTER TABLE wish_of_order RENAME TO wish;
CREATE INDEX wish_of_user ON wish (user_id, period);
