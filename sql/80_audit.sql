-- Audit: every decision and change on record, in a form that shows tampering.
-- Functions; the tables are in 80_audit.tables.sql.

CREATE FUNCTION nurture_append_only() RETURNS trigger
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'nurture_append_only';
COMMENT ON FUNCTION nurture_append_only() IS 'Trigger: refuses UPDATE, DELETE and TRUNCATE; put on INSERT, every row that nurture does not write itself.';

CREATE FUNCTION nurture_log_change() RETURNS trigger
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'nurture_log_change';
COMMENT ON FUNCTION nurture_log_change() IS 'Trigger of configuration tables: writes who changed what, when and why to nurture.change_log, and an audit entry.';

CREATE FUNCTION nurture_audit_seal() RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_audit_seal';
COMMENT ON FUNCTION nurture_audit_seal() IS 'Closes the blocks of audit entries that no running transaction can add to, and returns how many entries they hold; 0 when there are none or another session is at it. Asks for SELECT on nurture.seal.';

CREATE FUNCTION nurture_audit_verify("from" timestamptz DEFAULT NULL, "to" timestamptz DEFAULT NULL, digests jsonb DEFAULT NULL)
    RETURNS TABLE (severity text, class text, block bigint, audit_id bigint, detail text)
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_audit_verify';
COMMENT ON FUNCTION nurture_audit_verify(timestamptz, timestamptz, jsonb) IS 'What is wrong with the audit trail; no row when it is as it was written. Classes: changed, retimed, leaf, missing, added, moved, forged, subject, forged_seal, missing_seal, incarnation, change_log, truncated, digest. The time range chooses the blocks whose entries are compared; digests are what nurture_audit_digest() returned earlier, kept elsewhere. Asks for SELECT on nurture.audit.';
