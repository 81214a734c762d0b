-- Facts: who the lead is. Functions; the tables are in 10_facts.tables.sql.

\echo Use "CREATE EXTENSION nurture" to load this file. \quit

CREATE FUNCTION nurture_now() RETURNS timestamptz
    LANGUAGE c STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_now';
COMMENT ON FUNCTION nurture_now() IS 'The statement''s time, or the setting nurture.clock.';

CREATE FUNCTION nurture_invalidate() RETURNS trigger
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'nurture_invalidate';
COMMENT ON FUNCTION nurture_invalidate() IS 'Trigger: announces a change of a configuration table to the rule caches of every backend.';

