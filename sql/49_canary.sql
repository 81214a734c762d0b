-- The canary: one opt-out a day that must hold.

CREATE FUNCTION nurture_canary(OUT step text, OUT passed boolean, OUT detail text) RETURNS SETOF record
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_canary';
COMMENT ON FUNCTION nurture_canary() IS 'Opts a test lead in, then out with the token of one click, tries to send it something, and tells whether that was refused; a WARNING when not. To be run daily, by the owner of schema nurture; recorded in the audit trail.';
