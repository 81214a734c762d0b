-- Routing: what a lead is qualified for, who takes over, and by when.
-- A hand-off moves along its state graph through functions only.

CREATE FUNCTION nurture_handoff_guard() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_handoff_guard';
COMMENT ON FUNCTION nurture_handoff_guard() IS 'Trigger: hand-offs are made, moved and erased by functions only.';

CREATE FUNCTION nurture_routing_check() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_routing_check';
COMMENT ON FUNCTION nurture_routing_check() IS 'Trigger: refuses conditions of routes and stage transitions that cannot be understood.';

CREATE FUNCTION nurture_standing_decide_trigger() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_standing_decide_trigger';
COMMENT ON FUNCTION nurture_standing_decide_trigger() IS 'Trigger: decides grade, tier, stage and routes of the leads whose rows changed.';

CREATE FUNCTION nurture_qualify(lead_id bigint, product text DEFAULT '*', OUT tier integer, OUT status text, OUT reasons text[], OUT unknown text[])
    RETURNS record
    LANGUAGE c STABLE STRICT PARALLEL SAFE COST 1000
    AS 'MODULE_PATHNAME', 'nurture_qualify';
COMMENT ON FUNCTION nurture_qualify(bigint, text) IS 'The tier a lead has passed (1 identity, 2 fit, 3 intent, 4 readiness); status unidentified, identified, fit, mql, sql or disqualified; why it is not further, and which facts are not known.';

CREATE FUNCTION nurture_route(lead_id bigint, product text DEFAULT '*', reason text DEFAULT NULL, actor text DEFAULT NULL) RETURNS bigint
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_route';
COMMENT ON FUNCTION nurture_route(bigint, text, text, text) IS 'Hands a lead over as the routes say and returns the hand-off; joins the one that is open. NULL when no route applies.';

CREATE FUNCTION nurture_assign(max integer DEFAULT 1000) RETURNS integer
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_assign';
COMMENT ON FUNCTION nurture_assign(integer) IS 'Names members for hand-offs that wait for one and returns how many. Call it in a transaction of its own: teams are locked one after the other.';

CREATE FUNCTION nurture_routing_due(max integer DEFAULT 1000) RETURNS integer
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_routing_due';
COMMENT ON FUNCTION nurture_routing_due(integer) IS 'Ends offers whose time is over and returns how many; the tick calls it.';

CREATE FUNCTION nurture_accept(lead_id bigint, handoff_id bigint, reason text DEFAULT NULL, actor text DEFAULT NULL) RETURNS text
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_accept';
COMMENT ON FUNCTION nurture_accept(bigint, bigint, text, text) IS 'Accepts an offered hand-off: an MQL becomes SAL, promotional nurturing rests while it is open. Returns the state.';

CREATE FUNCTION nurture_reject(lead_id bigint, handoff_id bigint, reason text, actor text DEFAULT NULL) RETURNS text
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_reject';
COMMENT ON FUNCTION nurture_reject(bigint, bigint, text, text) IS 'Rejects an offered hand-off: the lead goes back to nurture with a cool-down. Returns the state.';

CREATE FUNCTION nurture_attempt(lead_id bigint, handoff_id bigint, outcome text, note text DEFAULT NULL, actor text DEFAULT NULL) RETURNS text
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_attempt';
COMMENT ON FUNCTION nurture_attempt(bigint, bigint, text, text, text) IS 'Logs an attempt to reach the lead: no_answer, left_message, wrong_contact, meeting_no_show, reached, replied, meeting_booked or meeting_held. The last attempt the route allows without an answer returns the lead. Returns the state.';

CREATE FUNCTION nurture_convert(lead_id bigint, handoff_id bigint, reason text DEFAULT NULL, actor text DEFAULT NULL) RETURNS text
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_convert';
COMMENT ON FUNCTION nurture_convert(bigint, bigint, text, text) IS 'Ends a hand-off with success. Returns the state.';

CREATE FUNCTION nurture_return(lead_id bigint, handoff_id bigint, reason text, actor text DEFAULT NULL) RETURNS text
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_return';
COMMENT ON FUNCTION nurture_return(bigint, bigint, text, text) IS 'Returns an accepted lead to nurture with a cool-down. Returns the state.';

CREATE FUNCTION nurture_reassign(lead_id bigint, handoff_id bigint, member text, reason text DEFAULT NULL, actor text DEFAULT NULL) RETURNS text
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_reassign';
COMMENT ON FUNCTION nurture_reassign(bigint, bigint, text, text, text) IS 'Gives an open hand-off to another member of its team. Returns the state.';

CREATE FUNCTION nurture_fulfil(lead_id bigint, request_no bigint, state text DEFAULT 'fulfilled', reason text DEFAULT NULL, actor text DEFAULT NULL) RETURNS text
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_fulfil';
COMMENT ON FUNCTION nurture_fulfil(bigint, bigint, text, text, text) IS 'Answers a request: fulfilled, or declined with a reason. Returns the state.';

CREATE FUNCTION nurture_task_done(lead_id bigint, task_id bigint, state text DEFAULT 'done', reason text DEFAULT NULL, actor text DEFAULT NULL) RETURNS text
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_task_done';
COMMENT ON FUNCTION nurture_task_done(bigint, bigint, text, text, text) IS 'Ends a task that a step of a track gave to a team: done, or cancelled with a reason. Returns the state.';

CREATE FUNCTION nurture_working_due(calendar text, from_at timestamptz, amount interval) RETURNS timestamptz
    LANGUAGE c STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_working_due';
COMMENT ON FUNCTION nurture_working_due(text, timestamptz, interval) IS 'The instant at which an amount of a calendar''s working time has passed; round the clock when the calendar never works.';

CREATE FUNCTION nurture_working_time(calendar text, from_at timestamptz, to_at timestamptz) RETURNS interval
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_working_time';
COMMENT ON FUNCTION nurture_working_time(text, timestamptz, timestamptz) IS 'The working time between two instants, negative when they are the other way round; round the clock when the calendar is NULL.';

CREATE FUNCTION nurture_standing_restart() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_standing_restart';
COMMENT ON FUNCTION nurture_standing_restart() IS 'Trigger: rules changed that standings depend on; the next ticks decide all of them again.';
