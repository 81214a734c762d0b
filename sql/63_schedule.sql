-- Jobs: what has to be called how often.

CREATE FUNCTION nurture_schedule()
    RETURNS TABLE (job text, schedule text, command text, state text)
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_schedule';
COMMENT ON FUNCTION nurture_schedule() IS 'Sets up the jobs of nurture with pg_cron where it is installed in this database (state scheduled, changed or unchanged), as the caller; elsewhere it tells them, to be put into any cron with psql (state by_hand). Calling it again repeats nothing.';
