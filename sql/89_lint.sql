-- What in the configuration is allowed and still not meant.

CREATE FUNCTION nurture_lint(OUT finding text, OUT severity text, OUT remedy text, OUT rule text, OUT object text) RETURNS SETOF record
    LANGUAGE c STABLE STRICT PARALLEL RESTRICTED ROWS 20
    AS 'MODULE_PATHNAME', 'nurture_lint';
COMMENT ON FUNCTION nurture_lint() IS 'What in the configuration is allowed and still not meant, such as steps that no asset can fill or content about to expire: what was found, severity (error, warning, info), what to do, the code of the check and what it is about. No row when there is nothing to tell.';
