-- When the vendors of the period before were registered for this one.
ALTER TABLE period ADD COLUMN vendors_carried_at INTEGER;
