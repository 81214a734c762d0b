-- Accounts: the same rules over what all leads of an organisation did, and
-- whether that is more than usual. Read with the caller's rights: who may see
-- some leads only gets figures of those.

CREATE FUNCTION nurture_account_score(account_id bigint) RETURNS numeric
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE COST 1000
    AS 'MODULE_PATHNAME', 'nurture_account_score';
COMMENT ON FUNCTION nurture_account_score(bigint) IS 'Score of an account now, by the default model of audience unknown, over the sum of its leads'' activity, with points for several active leads and several topics. NULL for an unknown account.';

CREATE FUNCTION nurture_account_score(account_id bigint, model text) RETURNS numeric
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE COST 1000
    AS 'MODULE_PATHNAME', 'nurture_account_score';
COMMENT ON FUNCTION nurture_account_score(bigint, text) IS 'Score of an account now, by the published version of a model, over the sum of its leads'' activity, with points for several active leads and several topics. NULL for an unknown account.';

CREATE FUNCTION nurture_account_explain(account_id bigint, model text DEFAULT NULL)
    RETURNS TABLE (dimension text, kind text, rule text, label text, subject text, occurrences bigint, last_day date,
                   raw_points numeric, decayed_points numeric, points numeric)
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE COST 1000 ROWS 15
    AS 'MODULE_PATHNAME', 'nurture_account_explain';
COMMENT ON FUNCTION nurture_account_explain(bigint, text) IS 'The score of an account row by row, as nurture_explain does for a lead; the rows of kind account tell how many leads are active and how many topics they looked at. The column points adds up to the score exactly.';

CREATE FUNCTION nurture_account_spike(account_id bigint)
    RETURNS TABLE (ratio numeric, recent bigint, baseline bigint, is_spike boolean,
                   expected numeric, chance double precision, recent_days integer, baseline_days integer)
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE COST 1000 ROWS 1
    AS 'MODULE_PATHNAME', 'nurture_account_spike';
COMMENT ON FUNCTION nurture_account_spike(bigint) IS 'Whether an account does more than it usually does: days on which its leads were active (recent) against the same count before (baseline). ratio is (recent + 1/2) / (expected + 1/2), chance how probable so many are at the old rate. No row for an unknown account; ratio NULL while there is too little history.';
