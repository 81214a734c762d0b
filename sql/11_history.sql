-- History of facts: every version of a lead or account that was replaced.

CREATE FUNCTION nurture_keep_history() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_keep_history';
COMMENT ON FUNCTION nurture_keep_history() IS 'Trigger: keeps the versions of leads and accounts that a statement replaced, with who did it and why.';
