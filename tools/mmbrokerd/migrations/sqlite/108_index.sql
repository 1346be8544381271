-- How many sets of a period are sold, and how many of these were free trials: kept, since a sum over
-- its sales costs more with each of them.
ALTER TABLE period ADD COLUMN sets_sold INTEGER NOT NULL DEFAULT 0 CHECK (sets_sold >= 0);
ALTER TABLE period ADD COLUMN sets_free INTEGER NOT NULL DEFAULT 0 CHECK (sets_free >= 0);
UPDATE period SET
  sets_sold = (SELECT COALESCE(SUM(sale.sets), 0) FROM sale WHERE sale.period = period.name),
  sets_free = (SELECT COALESCE(SUM(sale.sets), 0) FROM sale
    WHERE sale.period = period.name AND sale.free = 1);

-- The purchases of a client: in order, by time, and those that are not acknowledged. With the sets,
-- so that SQLite does not prefer the whole period.
DROP INDEX sale_of_user;
CREATE INDEX sale_of_user ON sale (user_id, period, first, sets);
CREATE INDEX sale_of_user_at ON sale (user_id, at, first);
CREATE INDEX sale_open ON sale (user_id, period, first) WHERE received_at IS NULL;
-- Free trials: by superbin, of a user, and for a mail address.
DROP INDEX sale_free;
CREATE INDEX sale_free ON sale (period, first, sets) WHERE free = 1;
CREATE INDEX sale_free_of ON sale (user_id, period, first, sets, free) WHERE free = 1;
CREATE INDEX sale_free_for ON sale (free_for, period, first, sets, free) WHERE free = 1;
-- The transfers of an account in order.
DROP INDEX entry_of_account;
CREATE INDEX entry_of_account ON entry (account, transfer);

-- What a person has.
CREATE INDEX give_back_of_user ON give_back (user_id, id);
CREATE INDEX link_of_person ON link (user_id);
CREATE INDEX api_key_of_user ON api_key (user_id);
CREATE INDEX vendor_owner_of_user ON vendor_owner (user_id);
CREATE INDEX payout_of_owner ON payout (kind, owner);
CREATE INDEX payout_short_of_owner ON payout_short (kind, owner);

-- What is removed some time after its end.
CREATE INDEX session_end ON session (expires_at);
CREATE INDEX session_ended ON session (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX link_end ON link (expires_at);
CREATE INDEX attempt_of_span ON attempt (what, span);

-- What operators see: the last 30 days, and lists of few rows among many.
CREATE INDEX sale_at ON sale (at, coins);
CREATE INDEX batch_redeemed ON batch (at, accepted) WHERE kind = 'redemption';
CREATE INDEX batch_forged ON batch (forged) WHERE forged > 0;
CREATE INDEX conduct_failing ON conduct (hour, buyer) WHERE failing > 0;
CREATE INDEX offender_at ON offender (at);
-- 31 is the verdict of a disputed claim.
CREATE INDEX doubtful_disputed
  ON doubtful (period, superbin, subbin, part, position, vendor, verdict)
  WHERE verdict = 31;
