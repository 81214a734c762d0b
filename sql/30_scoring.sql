-- Scoring: the score is a pure function of facts, activity, model version and
-- date, in integers of hundredths; nothing has to be refreshed.

CREATE FUNCTION nurture_score_part(
    part integer,
    mask bigint,
    lead_id bigint,
    merged_into bigint,
    erased_at timestamptz,
    signals nurture_tally,
    topics nurture_tally,
    audience_type text,
    audience_verified_at timestamptz,
    role text,
    specialty text,
    therapeutic_area text,
    country text,
    region text,
    postal_code text,
    organization_type text,
    source text,
    campaign text,
    language text,
    time_zone text,
    owner text,
    is_test boolean,
    created_at timestamptz,
    updated_at timestamptz,
    email_known boolean,
    phone_known boolean,
    account_id bigint,
    attributes jsonb,
    account_name text,
    account_organization_type text,
    account_country text,
    account_region text,
    account_domain text,
    account_owner text,
    account_activity_score numeric,
    account_spike numeric,
    account_active_leads integer,
    account_as_of timestamptz,
    account_attributes jsonb
) RETURNS numeric
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE COST 100
    AS 'MODULE_PATHNAME', 'nurture_score_part';
COMMENT ON FUNCTION nurture_score_part(integer, bigint, bigint, bigint, timestamptz, nurture_tally, nurture_tally, text, timestamptz, text, text, text, text, text, text, text, text, text, text, text, text, boolean, timestamptz, timestamptz, boolean, boolean, bigint, jsonb, text, text, text, text, text, text, numeric, numeric, integer, timestamptz, jsonb) IS 'Fit (0), intent (1) or total (2) of a lead whose columns the query has read; what nurture_score_support puts in the place of nurture_score.';

CREATE FUNCTION nurture_score_support(internal) RETURNS internal
    LANGUAGE c STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_score_support';
COMMENT ON FUNCTION nurture_score_support(internal) IS 'Planner support: plans the query behind nurture_score with the query that calls it, and reads for nurture_score_row only what published models ask for.';

CREATE FUNCTION nurture_score(lead_id bigint) RETURNS numeric
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE COST 200 SUPPORT nurture_score_support
    AS 'MODULE_PATHNAME', 'nurture_score';
COMMENT ON FUNCTION nurture_score(bigint) IS 'Score of a lead now, fit + intent, by the default model of its audience. NULL for an unknown lead; a merged lead gives its survivor''s.';

CREATE FUNCTION nurture_score(lead_id bigint, model text) RETURNS numeric
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE COST 200
    AS 'MODULE_PATHNAME', 'nurture_score';
COMMENT ON FUNCTION nurture_score(bigint, text) IS 'Score of a lead now, fit + intent, by the published version of a model. NULL for an unknown lead; a merged lead gives its survivor''s.';

CREATE FUNCTION nurture_fit(lead_id bigint) RETURNS numeric
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE COST 200 SUPPORT nurture_score_support
    AS 'MODULE_PATHNAME', 'nurture_fit';
COMMENT ON FUNCTION nurture_fit(bigint) IS 'Points of a lead for who it is, by the default model of its audience. NULL for an unknown lead; a merged lead gives its survivor''s.';

CREATE FUNCTION nurture_fit(lead_id bigint, model text) RETURNS numeric
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE COST 200
    AS 'MODULE_PATHNAME', 'nurture_fit';
COMMENT ON FUNCTION nurture_fit(bigint, text) IS 'Points of a lead for who it is, by the published version of a model. NULL for an unknown lead; a merged lead gives its survivor''s.';

CREATE FUNCTION nurture_intent(lead_id bigint) RETURNS numeric
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE COST 200 SUPPORT nurture_score_support
    AS 'MODULE_PATHNAME', 'nurture_intent';
COMMENT ON FUNCTION nurture_intent(bigint) IS 'Points of a lead for what it does, by the default model of its audience. NULL for an unknown lead; a merged lead gives its survivor''s.';

CREATE FUNCTION nurture_intent(lead_id bigint, model text) RETURNS numeric
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE COST 200
    AS 'MODULE_PATHNAME', 'nurture_intent';
COMMENT ON FUNCTION nurture_intent(bigint, text) IS 'Points of a lead for what it does, by the published version of a model. NULL for an unknown lead; a merged lead gives its survivor''s.';

CREATE FUNCTION nurture_grade(lead_id bigint) RETURNS text
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE COST 200
    AS 'MODULE_PATHNAME', 'nurture_grade';
COMMENT ON FUNCTION nurture_grade(bigint) IS 'Grade of a lead now, such as A2, by the default model of its audience. NULL for an unknown lead; a merged lead gives its survivor''s.';

CREATE FUNCTION nurture_grade(lead_id bigint, model text) RETURNS text
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE COST 200
    AS 'MODULE_PATHNAME', 'nurture_grade';
COMMENT ON FUNCTION nurture_grade(bigint, text) IS 'Grade of a lead now, such as A2, by the published version of a model. NULL for an unknown lead; a merged lead gives its survivor''s.';

CREATE FUNCTION nurture_explain(lead_id bigint, model text DEFAULT NULL, version integer DEFAULT NULL, at timestamptz DEFAULT NULL, known_at timestamptz DEFAULT NULL)
    RETURNS TABLE (dimension text, kind text, rule text, label text, subject text, occurrences bigint, last_day date,
                   raw_points numeric, decayed_points numeric, points numeric)
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE COST 1000 ROWS 15
    AS 'MODULE_PATHNAME', 'nurture_explain';
COMMENT ON FUNCTION nurture_explain(bigint, text, integer, timestamptz, timestamptz) IS 'The score row by row: one per rule that fired and one per limit that changed points. The column points adds up to the score exactly: to nurture_score, or with at or known_at to nurture_score_at.';

CREATE FUNCTION nurture_scores(model text DEFAULT NULL, version integer DEFAULT NULL)
    RETURNS TABLE (lead_id bigint, model text, fit numeric, intent numeric, total numeric, grade text, confidence numeric)
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE COST 100000 ROWS 100000
    AS 'MODULE_PATHNAME', 'nurture_scores';
COMMENT ON FUNCTION nurture_scores(text, integer) IS 'The score of every lead that is neither merged nor erased nor a test, in order of lead_id; by its default model, by a model, or by any version of one, drafts too.';

CREATE TYPE nurture_score_result AS (
    model text,
    fit numeric,
    intent numeric,
    total numeric,
    grade text,
    confidence numeric
);
COMMENT ON TYPE nurture_score_result IS 'What scoring one lead gives; confidence is the share of fit points decided by known facts, 0 to 1.';

-- VOLATILE keeps the planner from flattening the view that calls it, which
-- would score each lead once per column.
CREATE FUNCTION nurture_score_row(
    lead_id bigint,
    signals nurture_tally,
    topics nurture_tally,
    model text,
    audience_type text,
    audience_verified_at timestamptz,
    role text,
    specialty text,
    therapeutic_area text,
    country text,
    region text,
    postal_code text,
    organization_type text,
    source text,
    campaign text,
    language text,
    time_zone text,
    owner text,
    is_test boolean,
    created_at timestamptz,
    updated_at timestamptz,
    email_known boolean,
    phone_known boolean,
    account_id bigint,
    attributes jsonb,
    account_name text,
    account_organization_type text,
    account_country text,
    account_region text,
    account_domain text,
    account_owner text,
    account_activity_score numeric,
    account_spike numeric,
    account_active_leads integer,
    account_as_of timestamptz,
    account_attributes jsonb,
    columns bigint DEFAULT NULL
) RETURNS nurture_score_result
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL SAFE COST 100 SUPPORT nurture_score_support
    AS 'MODULE_PATHNAME', 'nurture_score_row';
COMMENT ON FUNCTION nurture_score_row(bigint, nurture_tally, nurture_tally, text, text, timestamptz, text, text, text, text, text, text, text, text, text, text, text, text, boolean, timestamptz, timestamptz, boolean, boolean, bigint, jsonb, text, text, text, text, text, text, numeric, numeric, integer, timestamptz, jsonb, bigint) IS 'Scores a lead whose columns the caller has read; for views. The planner drops the facts that no published model reads and says in columns which are left.';

CREATE FUNCTION nurture_check_model(model text, version integer)
    RETURNS TABLE (finding text, severity text, path text)
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_check_model';
COMMENT ON FUNCTION nurture_check_model(text, integer) IS 'What is wrong with a version of a model: severity error or warning, and where.';

CREATE FUNCTION nurture_draft(kind text, code text, from_version integer DEFAULT NULL) RETURNS integer
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_draft';
COMMENT ON FUNCTION nurture_draft(text, text, integer) IS 'Makes a draft version of a model, track or route, with the rules of from_version when it is given, and returns its number.';

CREATE FUNCTION nurture_publish(kind text, code text, version integer, reason text, confirm boolean DEFAULT false, actor text DEFAULT NULL,
        publish_at timestamptz DEFAULT NULL) RETURNS text
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_publish';
COMMENT ON FUNCTION nurture_publish(text, text, integer, text, boolean, text, timestamptz) IS 'Publishes a draft, retires the version before it, and says what changed. The reason is kept; published rules cannot be changed. Check and dry run are kept in nurture.version_check; approvals that nurture.approval_policy asks for must be there. With publish_at in the future the tick publishes it then, unless it was edited meanwhile.';

CREATE FUNCTION nurture_guard_versioned() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_guard_versioned';
COMMENT ON FUNCTION nurture_guard_versioned() IS 'Trigger: rows of published model versions cannot be changed, and rules that make no sense are refused.';

CREATE FUNCTION nurture_guard_version() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_guard_version';
COMMENT ON FUNCTION nurture_guard_version() IS 'Trigger: the status of a model version moves through nurture_publish only.';

CREATE FUNCTION nurture_version_author() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_version_author';
COMMENT ON FUNCTION nurture_version_author() IS 'Trigger: a version keeps its author, and who was logged in when it was made.';

CREATE FUNCTION nurture_versioned_table(rules regclass) RETURNS void
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_versioned_table';
COMMENT ON FUNCTION nurture_versioned_table(regclass) IS 'Attaches the guards of a table of versioned rules; used by nurture_install. The caller needs the rights that CREATE TRIGGER asks for.';
