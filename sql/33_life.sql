-- Life of models: what a version would change, what changed between two, and
-- taking one out of force.

CREATE FUNCTION nurture_what_if(model text, version integer, against_version integer DEFAULT NULL)
    RETURNS TABLE (lead_id bigint, old_total numeric, new_total numeric, old_grade text, new_grade text)
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE COST 100000 ROWS 100000
    AS 'MODULE_PATHNAME', 'nurture_what_if';
COMMENT ON FUNCTION nurture_what_if(text, integer, integer) IS 'Score and grade that every lead the model is for has now, and would have under a version, drafts too; compared with against_version, or with what is in force. Merged and erased leads are left out. Writes nothing.';

CREATE FUNCTION nurture_what_if_matrix(model text, version integer, against_version integer DEFAULT NULL)
    RETURNS TABLE (old_grade text, new_grade text, leads bigint)
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE COST 100000 ROWS 50
    AS 'MODULE_PATHNAME', 'nurture_what_if_matrix';
COMMENT ON FUNCTION nurture_what_if_matrix(text, integer, integer) IS 'How many leads a version would move from which grade to which; those that stay are on the diagonal.';
