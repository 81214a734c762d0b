-- Tracks: who gets what next, and when. Entry, goals and branches happen in
-- the statement that stores the event; sending is the tick's, and every
-- message passes the gate.

CREATE FUNCTION nurture_enrollment_guard() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_enrollment_guard';
COMMENT ON FUNCTION nurture_enrollment_guard() IS 'Trigger: enrollments are written by functions only.';

CREATE FUNCTION nurture_enroll(lead_id bigint, track text, reason text DEFAULT '') RETURNS bigint
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_enroll';
COMMENT ON FUNCTION nurture_enroll(bigint, text, text) IS 'Puts a lead on the published version of a track, ending another one of the same purpose; returns the number of the enrollment. Needs the right to update nurture.enrollment.';

CREATE FUNCTION nurture_exit(lead_id bigint, track text, reason text DEFAULT '') RETURNS boolean
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_exit';
COMMENT ON FUNCTION nurture_exit(bigint, text, text) IS 'Ends a lead''s enrollment on a track; false when there is none open. Needs the right to update nurture.enrollment.';

CREATE FUNCTION nurture_tick(max_leads integer DEFAULT 200, budget interval DEFAULT '250 ms')
    RETURNS TABLE (kind text, done bigint, "left" bigint, oldest_due timestamptz)
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE ROWS 5
    AS 'MODULE_PATHNAME', 'nurture_tick';
COMMENT ON FUNCTION nurture_tick(integer, interval) IS 'Works off what is due, one lead per subtransaction, and closes blocks of the audit trail; one row per kind of work, whose left counts to 10000. Several may run at once. Needs the right to update nurture.enrollment.';

CREATE PROCEDURE nurture_run(budget interval DEFAULT '1 minute')
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'nurture_run';
COMMENT ON PROCEDURE nurture_run(interval) IS 'Ticks until nothing is due or the budget is spent, and commits between ticks.';
