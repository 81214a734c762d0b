-- Stop rules: events and states that end, pause or slow nurturing, and what
-- lifts that again.

CREATE FUNCTION nurture_stop_rule_check() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_stop_rule_check';
COMMENT ON FUNCTION nurture_stop_rule_check() IS 'Trigger: refuses stop rules that cannot be meant: conditions that nobody asks, unknown tracks and channels, durations and factors that are not positive, tracks that would be switched in a circle.';

CREATE FUNCTION nurture_pause(lead_id bigint, until timestamptz, reason text, actor text DEFAULT NULL) RETURNS bigint
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_pause';
COMMENT ON FUNCTION nurture_pause(bigint, timestamptz, text, text) IS 'Pauses a lead and its tracks until an instant, or until nurture_resume when that is infinity; returns how many messages that cancelled.';

CREATE FUNCTION nurture_resume(lead_id bigint, reason text, actor text DEFAULT NULL) RETURNS integer
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_resume';
COMMENT ON FUNCTION nurture_resume(bigint, text, text) IS 'Lifts pauses, and stops whose rule names resume; returns how many. What only the lead can lift stays.';
