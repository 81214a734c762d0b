-- Scoring at other moments than now: the same pure function over the facts,
-- events and model version of then.

CREATE FUNCTION nurture_score_at(lead_id bigint, at timestamptz, model text DEFAULT NULL, version integer DEFAULT NULL, known_at timestamptz DEFAULT NULL)
    RETURNS numeric
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE COST 5000
    AS 'MODULE_PATHNAME', 'nurture_score_at';
COMMENT ON FUNCTION nurture_score_at(bigint, timestamptz, text, integer, timestamptz) IS 'Score of a lead at a moment, by the version in force then unless one is named; known_at leaves out what was recorded later. NULL when there was no such lead, or no version. With known_at = at it is what nurture_score returned then, also where events were corrected or deleted since.';

CREATE FUNCTION nurture_scores_at(lead_id bigint, at timestamptz, model text DEFAULT NULL, version integer DEFAULT NULL, known_at timestamptz DEFAULT NULL,
                                  OUT model_used text, OUT version_used integer, OUT fit numeric, OUT intent numeric, OUT total numeric, OUT grade text, OUT confidence numeric)
    RETURNS record
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE COST 5000
    AS 'MODULE_PATHNAME', 'nurture_scores_at';
COMMENT ON FUNCTION nurture_scores_at(bigint, timestamptz, text, integer, timestamptz) IS 'nurture_score_at with its parts: the version that scored, fit, intent, total, grade and confidence. One row, of NULLs when there is no score.';

CREATE FUNCTION nurture_score_until(lead_id bigint, model text DEFAULT NULL, OUT on_date date, OUT grade text) RETURNS record
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE COST 1000
    AS 'MODULE_PATHNAME', 'nurture_score_until';
COMMENT ON FUNCTION nurture_score_until(bigint, text) IS 'The first day (UTC) whose end finds the lead with another grade if nothing happens, and that grade; NULLs when there is none within nurture.horizon_days.';
