-- Facts: who the lead is. Functions; the tables are in 10_facts.tables.sql.

\echo Use "CREATE EXTENSION nurture" to load this file. \quit

CREATE FUNCTION nurture_now() RETURNS timestamptz
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_now';
COMMENT ON FUNCTION nurture_now() IS 'The statement''s time, or the setting nurture.clock.';

CREATE FUNCTION nurture_invalidate() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_invalidate';
COMMENT ON FUNCTION nurture_invalidate() IS 'Trigger: announces a change of a configuration table to the rule caches of every backend.';


CREATE FUNCTION nurture_lead_id(external_ref text) RETURNS bigint
    LANGUAGE c STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_lead_id';
COMMENT ON FUNCTION nurture_lead_id(text) IS 'The lead with this identifier of the CRM, its survivor when it was merged; NULL when there is none or more than one.';

CREATE FUNCTION nurture_condition_check() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_condition_check';
COMMENT ON FUNCTION nurture_condition_check() IS 'Trigger: refuses a condition that cannot be understood.';
