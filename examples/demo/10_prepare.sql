-- What the demo needs beside nurture: a schema of its own for the data as it
-- came, the outcomes nobody scores, and a check that stops the run.
CREATE SCHEMA demo;

CREATE FUNCTION demo.check(claim text, holds boolean) RETURNS text
    LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    IF holds IS NOT TRUE THEN
        RAISE EXCEPTION 'the demo claims: %, and that is not so', claim;
    END IF;
    RETURN 'checked: ' || claim;
END
$$;

-- What became of a lead, and in which part of the data it lies. Only the
-- judging queries read it.
CREATE TABLE demo.outcome (
    lead_id bigint PRIMARY KEY,
    data text NOT NULL,
    part text NOT NULL,
    good boolean NOT NULL
);

-- What the summary at the end says, noted where it was computed.
CREATE TABLE demo.finding (
    place int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    what text NOT NULL,
    said text NOT NULL
);

-- Area under the ROC curve by ranks (Mann and Whitney): the probability that
-- a lead with a good outcome has the higher score, ties counting half.
CREATE FUNCTION demo.auc(scores numeric[], outcomes boolean[]) RETURNS numeric
    LANGUAGE sql IMMUTABLE
AS $$
    WITH ranked AS (
        SELECT good,
               rank() OVER (ORDER BY score)
                   + (count(*) OVER (PARTITION BY score) - 1) / 2.0 AS mid_rank
        FROM unnest(scores, outcomes) AS lead (score, good)
    ), summed AS (
        SELECT sum(mid_rank) FILTER (WHERE good) AS ranks,
               count(*) FILTER (WHERE good) AS good,
               count(*) FILTER (WHERE NOT good) AS other
        FROM ranked
    )
    SELECT round((ranks - good * (good + 1) / 2.0) / nullif(good * other, 0), 3)
    FROM summed
$$;

-- How far the demo's clock went.
CREATE TABLE demo.clock AS SELECT current_setting('nurture.clock') AS at;
