-- Identity: who an event is about. A person is known by e-mail address, phone
-- number, professional number, identifier of the CRM or cookie, an organisation
-- by its row in nurture.account. Functions; the tables are in
-- 15_identity.tables.sql.

CREATE FUNCTION nurture_account_event_count() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_account_event_count';
COMMENT ON FUNCTION nurture_account_event_count() IS 'Trigger: counts events of organisations into nurture.account_activity, one upsert per statement; after a correction or deletion the organisations concerned are counted again.';

CREATE FUNCTION nurture_account_rebuild(account_id bigint DEFAULT NULL) RETURNS bigint
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_account_rebuild';
COMMENT ON FUNCTION nurture_account_rebuild(bigint) IS 'Counts the kept events of one organisation, or of all, again; returns how many organisations have events of their own.';
