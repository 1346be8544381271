-- The last payout run up to which a person has compared the books with the bank.
ALTER TABLE broker ADD COLUMN payouts_compared BIGINT NOT NULL DEFAULT 0;

-- The verdicts on the claims of a vendor that waited.
CREATE INDEX doubtful_of_vendor ON doubtful (vendor, period, verdict);
