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

CREATE FUNCTION nurture_resolve(kind text, value text) RETURNS bigint
    LANGUAGE c STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_resolve';
COMMENT ON FUNCTION nurture_resolve(text, text) IS 'The lead that owns an identifier (email, phone, professional_number, crm_id, cookie), its survivor when it was merged; NULL when there is none. A crm_id without a row is looked up as external_ref.';

CREATE FUNCTION nurture_identity_write() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_identity_write';
COMMENT ON FUNCTION nurture_identity_write() IS 'Trigger: writes the value of an identity in its normal form, or refuses what is no value of its kind.';

CREATE FUNCTION nurture_identity_appear() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_identity_appear';
COMMENT ON FUNCTION nurture_identity_appear() IS 'Trigger: stores the events that waited for the identities a statement wrote.';

CREATE FUNCTION nurture_identity_lead() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_identity_lead';
COMMENT ON FUNCTION nurture_identity_lead() IS 'Trigger: keeps identities in step with e-mail address, phone number and external_ref of leads, and opens a review for leads that share one.';

CREATE FUNCTION nurture_account_appear() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_account_appear';
COMMENT ON FUNCTION nurture_account_appear() IS 'Trigger: stores the events that waited for the external_ref of an organisation.';

CREATE FUNCTION nurture_replay(quarantine_ids bigint[] DEFAULT NULL, OUT inserted bigint, OUT duplicates bigint, OUT quarantined bigint, OUT unidentified bigint)
    RETURNS record
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_replay';
COMMENT ON FUNCTION nurture_replay(bigint[]) IS 'Tries again to store unresolved events of nurture.event_quarantine, corrected or not; all of them when no numbers are given. What still cannot be stored stays with its new reason.';
