-- Feedback: what those who were handed a lead think of it, and the daily list
-- of what waits for them.

CREATE FUNCTION nurture_feedback(lead_id bigint, about text, id bigint, verdict text, note text DEFAULT NULL, actor text DEFAULT NULL) RETURNS bigint
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_feedback';
COMMENT ON FUNCTION nurture_feedback(bigint, text, bigint, text, text, text) IS 'Says of a handoff, request or message whether it was useful, not_actionable, too_early, wrong_team, wrong_depth or inaccurate; the note shows in the lead''s next hand-off package. Returns its number; saying the same again adds nothing.';

CREATE FUNCTION nurture_triage(day date DEFAULT NULL,
    OUT part text, OUT place bigint, OUT lead_id bigint, OUT external_ref text, OUT handoff_id bigint, OUT review_id bigint, OUT product text, OUT team text, OUT member text, OUT state text,
    OUT tier integer, OUT grade text, OUT total numeric, OUT confidence numeric, OUT cause text, OUT since timestamptz, OUT due_at timestamptz)
    RETURNS SETOF record
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED ROWS 100
    AS 'MODULE_PATHNAME', 'nurture_triage';
COMMENT ON FUNCTION nurture_triage(date) IS 'What waits for a person now, or waited at the end of a day (UTC), in working order: new hand-offs with the highest scores first, then those decided on few facts, then reviews, the oldest first. Test leads are left out.';
