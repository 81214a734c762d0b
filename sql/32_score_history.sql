-- What moved a score: the same function over what was known at two moments,
-- one part exchanged at a time.

CREATE FUNCTION nurture_score_change(lead_id bigint, "from" timestamptz, "to" timestamptz, model text DEFAULT NULL,
                                     OUT old_at timestamptz, OUT new_at timestamptz, OUT model_used text, OUT old_version integer, OUT new_version integer,
                                     OUT old_total numeric, OUT new_total numeric, OUT old_grade text, OUT new_grade text,
                                     OUT by_time numeric, OUT by_activity numeric, OUT by_fact numeric, OUT by_version numeric)
    RETURNS record
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE COST 10000
    AS 'MODULE_PATHNAME', 'nurture_score_change';
COMMENT ON FUNCTION nurture_score_change(bigint, timestamptz, timestamptz, text) IS 'How the score of a lead, as it was known, changed between two moments, and by what: the passing of time, activity, facts, and the version. The four add up to the change exactly; NULL where there was no score at one of them.';

CREATE FUNCTION nurture_rank_change(lead_id bigint, "from" timestamptz, "to" timestamptz,
                                    OUT old_rank bigint, OUT new_rank bigint, OUT old_leads bigint, OUT new_leads bigint, OUT old_total numeric, OUT new_total numeric)
    RETURNS record
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE COST 1000000
    AS 'MODULE_PATHNAME', 'nurture_rank_change';
COMMENT ON FUNCTION nurture_rank_change(bigint, timestamptz, timestamptz) IS 'The place of a lead by score among those of its audience at two moments, as known then, and among how many; equal scores share a place; a merged lead has that of its survivor. Scores all of them twice.';
