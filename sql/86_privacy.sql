-- Privacy: erasure with its certificate, access and portability, retention.

CREATE FUNCTION nurture_erase_map()
    RETURNS TABLE (table_name text, act text, cleared text[], kept text[], exported boolean, why text)
    LANGUAGE c STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_erase_map';
COMMENT ON FUNCTION nurture_erase_map() IS 'Where something about a lead is held and what an erasure does to it: delete, clear (the columns named; kept are all others), keep, or none where nothing is. Read by erasure, export and retention, and held against the catalog by nurture_selfcheck.';

CREATE FUNCTION nurture_erase(lead_id bigint, legal_basis text, reason text, suppress boolean DEFAULT false, actor text DEFAULT NULL) RETURNS bigint
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_erase';
COMMENT ON FUNCTION nurture_erase(bigint, text, text, boolean, text) IS 'Erases what is held about a person: the lead and all that were merged with it. Returns the number of the certificate in nurture.erasure, which is pending until the tables it names were rewritten (nurture_erase_status). legal_basis is a row of nurture.erasure_basis. Addresses the person did not want to be written to stay suppressed as keyed hashes; with suppress, all of them. Asks for INSERT on nurture.erasure.';
REVOKE ALL ON FUNCTION nurture_erase(bigint, text, text, boolean, text) FROM PUBLIC;

CREATE FUNCTION nurture_erase_status(erasure_id bigint DEFAULT NULL)
    RETURNS TABLE (erasure_id bigint, lead_id bigint, status text, relation text, detail text)
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_erase_status';
COMMENT ON FUNCTION nurture_erase_status(bigint) IS 'What is left to do until an erasure, or each that is pending, is complete: one row per table whose files still hold what was erased, with the statement that rewrites it. Takes what a transaction beside the erasure left, and completes the certificate when there is nothing more. Asks for SELECT on nurture.erasure.';
REVOKE ALL ON FUNCTION nurture_erase_status(bigint) FROM PUBLIC;

CREATE FUNCTION nurture_subject_export(lead_id bigint) RETURNS jsonb
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_subject_export';
COMMENT ON FUNCTION nurture_subject_export(bigint) IS 'Everything that is held about a person, table by table, with what it is for, how long it is kept, who received it, and the scores with their explanation (GDPR Art. 15 and 20). The same rows give the same bytes. An export is an entry of the audit trail. Asks for INSERT on nurture.erasure, as nurture_erase does.';
REVOKE ALL ON FUNCTION nurture_subject_export(bigint) FROM PUBLIC;

CREATE FUNCTION nurture_retain(retention text DEFAULT NULL, max_rows integer DEFAULT 10000)
    RETURNS TABLE (retention text, done bigint, more boolean)
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_retain';
COMMENT ON FUNCTION nurture_retain(text, integer) IS 'Carries out one rule of nurture.retention, or all that are enabled, for at most so many rows each; the tick does the same once an hour. Only the owner of schema nurture may call it.';
REVOKE ALL ON FUNCTION nurture_retain(text, integer) FROM PUBLIC;

CREATE FUNCTION nurture_retention_check() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_retention_check';
COMMENT ON FUNCTION nurture_retention_check() IS 'Trigger of nurture.retention: refuses what no rule can do, and periods below what proof of consent, suppression and scores need.';

CREATE FUNCTION nurture_erased_guard() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_erased_guard';
COMMENT ON FUNCTION nurture_erased_guard() IS 'Trigger: nothing is written again about a lead that was erased. What an UPDATE of it tells is not kept; a row about it in another table is refused.';

CREATE FUNCTION nurture_erasure_guard() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_erasure_guard';
COMMENT ON FUNCTION nurture_erasure_guard() IS 'Trigger: certificates of erasures are written by nurture only.';
