-- Confidence and the next question: how much of a lead's fit rests on facts
-- that are known, and which missing fact would change most.

CREATE FUNCTION nurture_confidence(lead_id bigint) RETURNS numeric
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE COST 200
    AS 'MODULE_PATHNAME', 'nurture_confidence';
COMMENT ON FUNCTION nurture_confidence(bigint) IS 'Share of fit points decided by known facts, 0 to 1, by the default model of the lead''s audience; the column confidence of nurture_scores. NULL for an unknown lead; a merged lead gives its survivor''s.';

CREATE FUNCTION nurture_confidence(lead_id bigint, model text) RETURNS numeric
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE COST 200
    AS 'MODULE_PATHNAME', 'nurture_confidence';
COMMENT ON FUNCTION nurture_confidence(bigint, text) IS 'Share of fit points decided by known facts, 0 to 1, by the published version of a model. NULL for an unknown lead; a merged lead gives its survivor''s.';

CREATE FUNCTION nurture_confidence_detail(lead_id bigint, model text DEFAULT NULL)
    RETURNS TABLE (rule text, attribute text, points numeric, state text, since timestamptz)
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE COST 1000 ROWS 20
    AS 'MODULE_PATHNAME', 'nurture_confidence_detail';
COMMENT ON FUNCTION nurture_confidence_detail(bigint, text) IS 'Every fit rule with the points it decides about and what they rest on: known, unknown, contradicted or stale, with the fact that makes it so and since when that fact is as it is. The points of the rows that are not unknown, of all points, are nurture_confidence.';

CREATE FUNCTION nurture_next_question(lead_id bigint, model text DEFAULT NULL)
    RETURNS TABLE (attribute text, effect numeric, answer text, total numeric, grade text,
                   lowest numeric, highest numeric, together text, question text)
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE COST 10000 ROWS 5
    AS 'MODULE_PATHNAME', 'nurture_next_question';
COMMENT ON FUNCTION nurture_next_question(bigint, text) IS 'Missing facts by how much they could change the total: the largest change, the answer that makes it, total and grade with it, and the range of totals. together names facts that have to be known as well. Contact points and personal attributes that nothing requires are never asked. No row when nothing that is missing changes anything.';
