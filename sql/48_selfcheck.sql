-- The product looks after itself.

CREATE FUNCTION nurture_selfcheck(repair boolean DEFAULT false, OUT finding text, OUT severity text, OUT detail text) RETURNS SETOF record
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_selfcheck';
COMMENT ON FUNCTION nurture_selfcheck(boolean) IS 'What is otherwise than nurture_install made it and could let something pass, and traces of what came around the triggers; no row when all is well. With repair it puts right what can be put right without a choice; each repair is in the audit trail. For the owner of schema nurture.';
