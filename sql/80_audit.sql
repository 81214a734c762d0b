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
