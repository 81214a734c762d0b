-- Life of models: what a version would change, what changed between two, and
-- taking one out of force.

CREATE FUNCTION nurture_what_if(model text, version integer, against_version integer DEFAULT NULL)
    RETURNS TABLE (lead_id bigint, old_total numeric, new_total numeric, old_grade text, new_grade text)
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE COST 100000 ROWS 100000
    AS 'MODULE_PATHNAME', 'nurture_what_if';
COMMENT ON FUNCTION nurture_what_if(text, integer, integer) IS 'Score and grade that every lead the model is for has now, and would have under a version, drafts too; compared with against_version, or with what is in force. Test, merged and erased leads are left out. Writes nothing.';

CREATE FUNCTION nurture_what_if_matrix(model text, version integer, against_version integer DEFAULT NULL)
    RETURNS TABLE (old_grade text, new_grade text, leads bigint)
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE COST 100000 ROWS 50
    AS 'MODULE_PATHNAME', 'nurture_what_if_matrix';
COMMENT ON FUNCTION nurture_what_if_matrix(text, integer, integer) IS 'How many leads a version would move from which grade to which; those that stay are on the diagonal.';

CREATE FUNCTION nurture_diff(kind text, code text, v1 integer, v2 integer)
    RETURNS TABLE (family text, key text, change text, "column" text, old text, new text)
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_diff';
COMMENT ON FUNCTION nurture_diff(text, text, integer, integer) IS 'What changed between two versions of a model, track, route or selection: per table of rules, row and column, the old and the new value; change is added, removed or changed. Warns when more than one family of rules changed at once.';

CREATE FUNCTION nurture_retire(kind text, code text, reason text, actor text DEFAULT NULL) RETURNS text
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_retire';
COMMENT ON FUNCTION nurture_retire(text, text, text, text) IS 'Takes the version of a model, track, route or selection that is in force out of it, without another in its place. Leads of a retired model fall to the default that names no audience.';

CREATE FUNCTION nurture_model_for(lead_id bigint, product text DEFAULT '*')
    RETURNS TABLE (model text, version integer, why text)
    LANGUAGE c STABLE STRICT PARALLEL SAFE COST 200 ROWS 1
    AS 'MODULE_PATHNAME', 'nurture_model_for';
COMMENT ON FUNCTION nurture_model_for(bigint, text) IS 'The model and version that a lead is scored by for a product, and why; * is no product in particular. No row when no model applies.';

CREATE FUNCTION nurture_guard_default() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_guard_default';
COMMENT ON FUNCTION nurture_guard_default() IS 'Trigger: a product has at most one default model per audience.';
