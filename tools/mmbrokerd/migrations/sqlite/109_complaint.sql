-- The vendor of the payment.
ALTER TABLE complaint ADD COLUMN vendor TEXT NOT NULL DEFAULT '';
CREATE INDEX complaint_of_vendor ON complaint (vendor, id);
CREATE INDEX complaint_of_user ON complaint (user_id, id);
