-- What one person did, for the export of the account; and decisions of disputes, by their details.
CREATE INDEX audit_of_whom ON audit (by_whom, id);
CREATE INDEX audit_of_detail ON audit (what, detail, id);
