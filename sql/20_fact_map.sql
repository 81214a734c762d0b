-- Forms: answers in events become facts, consent and preferences in the
-- statement that stores the events.

CREATE FUNCTION nurture_fact_map_check() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_fact_map_check';
COMMENT ON FUNCTION nurture_fact_map_check() IS 'Trigger: refuses rows of the fact map that could not work when an event comes.';
