-- Change control: the configuration as one document, its way back in through
-- drafts and proposals, and who signed what. Functions; the tables are in
-- 83_control.tables.sql.

CREATE FUNCTION nurture_canonical(document jsonb) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_canonical';
COMMENT ON FUNCTION nurture_canonical(jsonb) IS 'The canonical text of a document (RFC 8785): one text, whatever the order and the white space it was written in. A number becomes what ECMAScript writes for the nearest double; one beyond their range is an error.';

CREATE FUNCTION nurture_export_config() RETURNS jsonb
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'nurture_export_config';
COMMENT ON FUNCTION nurture_export_config() IS 'The whole configuration that is in force as one document, without personal data; nurture_canonical makes it the text to keep under version control. Its form is nurture_config_schema().';

CREATE FUNCTION nurture_config_schema() RETURNS jsonb
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'nurture_config_schema';
COMMENT ON FUNCTION nurture_config_schema() IS 'The JSON Schema (draft 2020-12) of the document of nurture_export_config; the file nurture_config.schema.json holds the same.';

CREATE FUNCTION nurture_import_config(document jsonb, reason text DEFAULT NULL, actor text DEFAULT NULL)
    RETURNS TABLE (kind text, object text, change text, version integer, old jsonb, new jsonb, proposal bigint)
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_import_config';
COMMENT ON FUNCTION nurture_import_config(jsonb, text, text) IS 'Takes a document in without changing what is in force: versions that differ become drafts, settings that differ a proposal, which another person applies with nurture_approve(''config'', ''import'', proposal, ...). Returns what differs; change is added, changed or removed, drafted before (a draft says the same), waits (needs settings that are proposed only: import again then), kept (in force, not in the document). Errors name the place in the document.';

CREATE FUNCTION nurture_check_version(kind text, code text, version integer)
    RETURNS TABLE (finding text, severity text, path text)
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_check_version';
COMMENT ON FUNCTION nurture_check_version(text, text, integer) IS 'Checks a draft and runs it dry: of a model, how many leads change grade; of tracks and routes, for how many of the 1,000 latest leads their conditions hold; of selections, for how many of them another asset is chosen. Findings (error, warning) and dry run are kept in nurture.version_check.';

CREATE FUNCTION nurture_cancel_publish(kind text, code text, version integer, reason text) RETURNS text
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_cancel_publish';
COMMENT ON FUNCTION nurture_cancel_publish(text, text, integer, text) IS 'Takes back a publication that nurture_publish has scheduled.';

CREATE FUNCTION nurture_definition(audience_type text DEFAULT NULL) RETURNS text
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'nurture_definition';
COMMENT ON FUNCTION nurture_definition(text) IS 'The live configuration as a document in Markdown that marketing, sales, medical and QA can sign: audiences, required fields, sources, signals, tracks and goals, thresholds, tiers, exclusions, stops, caps, destinations and SLAs, with versions, approvers, dates, owners and review dates. With an audience type, what concerns it. Ends with the SHA-256 of what it says.';
