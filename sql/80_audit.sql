-- Audit: every decision and change on record, in a form that shows tampering.
-- Functions; the tables are in 80_audit.tables.sql.

CREATE FUNCTION nurture_append_only() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_append_only';
COMMENT ON FUNCTION nurture_append_only() IS 'Trigger: refuses UPDATE, DELETE and TRUNCATE; put on INSERT, every row that nurture does not write itself.';

CREATE FUNCTION nurture_log_change() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_log_change';
COMMENT ON FUNCTION nurture_log_change() IS 'Trigger of configuration tables: writes who changed what, when and why to nurture.change_log, and an audit entry.';

CREATE FUNCTION nurture_audit_seal() RETURNS bigint
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_audit_seal';
COMMENT ON FUNCTION nurture_audit_seal() IS 'Closes the blocks of audit entries that no running transaction can add to, and returns how many entries they hold; 0 when there are none or another session is at it. Asks for SELECT on nurture.seal.';

CREATE FUNCTION nurture_audit_verify("from" timestamptz DEFAULT NULL, "to" timestamptz DEFAULT NULL, digests jsonb DEFAULT NULL)
    RETURNS TABLE (severity text, class text, block bigint, audit_id bigint, detail text)
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_audit_verify';
COMMENT ON FUNCTION nurture_audit_verify(timestamptz, timestamptz, jsonb) IS 'What is wrong with the audit trail; no row when it is as it was written. Classes: changed, retimed, leaf, missing, added, moved, forged, subject, forged_seal, missing_seal, incarnation, change_log, message, truncated, digest. The time range chooses the blocks whose entries are compared; digests are what nurture_audit_digest() returned earlier, kept elsewhere. Asks for SELECT on nurture.audit.';

CREATE FUNCTION nurture_audit_digest() RETURNS jsonb
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_audit_digest';
COMMENT ON FUNCTION nurture_audit_digest() IS 'The head of the sealed log: block, tree size, root and hash. Kept where the database''s superuser cannot reach it, it shows later that the log was rewritten or cut off (nurture_audit_verify).';

CREATE FUNCTION nurture_audit_proof(audit_id bigint)
    RETURNS TABLE (block bigint, leaf_index bigint, tree_size bigint, leaf bytea, root bytea, proof bytea[])
    LANGUAGE c STABLE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_audit_proof';
COMMENT ON FUNCTION nurture_audit_proof(bigint) IS 'Proves that an entry is in the sealed log (RFC 6962, section 2.1.1): its place, the size and root of the log, and the path between them. No row while the entry is not sealed.';

CREATE FUNCTION nurture_audit_consistency(size1 bigint, size2 bigint)
    RETURNS TABLE (root1 bytea, root2 bytea, proof bytea[])
    LANGUAGE c STABLE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_audit_consistency';
COMMENT ON FUNCTION nurture_audit_consistency(bigint, bigint) IS 'Proves that the log of size1 entries is the beginning of the one of size2 (RFC 6962, section 2.1.2).';

CREATE FUNCTION nurture_audit_inputs(inputs text)
    RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_audit_inputs';
COMMENT ON FUNCTION nurture_audit_inputs(text) IS 'The inputs of an audit entry in full: what it has in common with an earlier entry, and is stored as that one''s number, in its words.';

CREATE FUNCTION nurture_why(lead_id bigint, message_id bigint)
    RETURNS TABLE (at timestamptz, trigger jsonb, rule text, version text, passed boolean, fact text)
    LANGUAGE c STABLE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_why';
COMMENT ON FUNCTION nurture_why(bigint, bigint) IS 'Why a message was decided as it was: every rule that was asked, with the fact it was asked about, as the audit trail holds it; then what became of it.';

CREATE FUNCTION nurture_decisions(lead_id bigint, "from" timestamptz DEFAULT NULL, "to" timestamptz DEFAULT NULL)
    RETURNS TABLE (audit_id bigint, at timestamptz, kind text, object text, outcome text, reasons text[], trigger jsonb, versions jsonb, inputs text,
        reason text, "session_user" text, effective_role text, app_user text, simulated boolean)
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_decisions';
COMMENT ON FUNCTION nurture_decisions(bigint, timestamptz, timestamptz) IS 'Every entry of the audit trail about a lead, in order.';
