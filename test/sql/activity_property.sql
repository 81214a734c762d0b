-- Whatever is done to events in whatever order, activity holds the bytes that
-- counting what is left again gives. A second, naive count in plain SQL, made
-- without any code of the trigger, has to agree as well.
\set seed 0.20260615
BEGIN;
SELECT plan(5);
SET LOCAL timezone = 'UTC';
SET LOCAL nurture.clock = '2026-06-15 12:00:00+00';
SELECT 'seed ' || :'seed' AS seed, setseed(:seed) IS NOT NULL AS set;
INSERT INTO nurture.event_type (event_type, class) SELECT 'pr_type' || i, 'content' FROM generate_series(0, 4) i;
INSERT INTO nurture.event_type (event_type, class, sensitive) VALUES ('pr_type5', 'safety', true);
INSERT INTO nurture.tag (dimension, value, tag_id, parent) VALUES ('pr', 't0', 65100, NULL), ('pr', 't1', 65101, 't0'), ('pr', 't2', 65102, 't1'), ('pr', 't3', 65103, NULL);
INSERT INTO nurture.signal (signal, signal_id, event_type, tags, condition) SELECT 'pr_plain' || i, 31000 + i, 'pr_type' || i, '{}', NULL FROM generate_series(0, 5) i;
INSERT INTO nurture.signal (signal, signal_id, event_type, tags, condition) SELECT 'pr_tag' || i, 31010 + i, 'pr_type' || i, ARRAY['pr:t' || i], NULL FROM generate_series(0, 3) i;
INSERT INTO nurture.signal (signal, signal_id, event_type, tags, condition) SELECT 'pr_cond' || i, 31020 + i, 'pr_type' || i, '{}', ('$.x > ' || i)::jsonpath FROM generate_series(0, 4) i;
INSERT INTO nurture.lead (lead_id) SELECT generate_series(8001, 8040);

-- what a random event is made of; x is null, a number or a text
CREATE FUNCTION pg_temp.tags() RETURNS text[] LANGUAGE sql VOLATILE AS
$$ SELECT CASE WHEN random() < 0.4 THEN NULL ELSE ARRAY(SELECT 'pr:t' || floor(random() * 5)::int FROM generate_series(1, floor(random() * 4)::int)) END $$;
CREATE FUNCTION pg_temp.properties() RETURNS jsonb LANGUAGE sql VOLATILE AS
$$ SELECT CASE floor(random() * 4)::int WHEN 0 THEN NULL WHEN 1 THEN '{"x": "text"}' ELSE jsonb_build_object('x', floor(random() * 6)) END $$;

CREATE TEMP TABLE finding (step integer, what text, lead_id bigint);
CREATE FUNCTION pg_temp.check_step(step integer) RETURNS void LANGUAGE plpgsql AS
$$
BEGIN
    CREATE TEMP TABLE kept ON COMMIT DROP AS SELECT lead_id, signals::text AS s, topics::text AS t, nurture_tally_send(signals) AS sb, nurture_tally_send(topics) AS tb, last_event_at, pg_column_size(signals) AS size FROM nurture.activity WHERE lead_id BETWEEN 8001 AND 8040;
    -- half the leads one by one, then all at once
    PERFORM nurture_rebuild(lead_id) FROM kept WHERE lead_id % 2 = step % 2;
    PERFORM nurture_rebuild();
    INSERT INTO finding SELECT step, 'rebuild', lead_id FROM kept FULL JOIN (SELECT * FROM nurture.activity WHERE lead_id BETWEEN 8001 AND 8040) a USING (lead_id)
        WHERE (s, t, sb, tb, kept.last_event_at, size) IS DISTINCT FROM (a.signals::text, a.topics::text, nurture_tally_send(a.signals), nurture_tally_send(a.topics), a.last_event_at, pg_column_size(a.signals));
    INSERT INTO finding SELECT step, 'naive signals', lead_id FROM nurture.activity a WHERE lead_id BETWEEN 8001 AND 8040 AND nurture_tally_rolled(signals) IS NULL AND signals IS DISTINCT FROM
        (SELECT nurture_tally_agg(s.signal_id, e.occurred_at) FROM nurture.event e JOIN nurture.signal s USING (event_type)
         WHERE e.lead_id = a.lead_id AND s.signal LIKE 'pr\_%' AND e.event_type <> 'pr_type5'
           AND (s.condition IS NULL OR coalesce(jsonb_path_match(e.properties, s.condition, '{}', true), false))
           AND (s.tags = '{}' OR e.tags && CASE s.tags WHEN '{pr:t0}' THEN '{pr:t0,pr:t1,pr:t2}' WHEN '{pr:t1}' THEN '{pr:t1,pr:t2}' ELSE s.tags END));
    INSERT INTO finding SELECT step, 'naive topics', lead_id FROM nurture.activity a WHERE lead_id BETWEEN 8001 AND 8040 AND nurture_tally_rolled(topics) IS NULL AND topics IS DISTINCT FROM
        (SELECT nurture_tally_agg(tag_id, occurred_at) FROM (SELECT DISTINCT e.event_id, e.occurred_at, t.tag_id FROM nurture.event e, unnest(e.tags) u JOIN nurture.tag t ON t.dimension || ':' || t.value = u
         WHERE e.lead_id = a.lead_id AND e.event_type <> 'pr_type5') d);
    INSERT INTO finding SELECT step, 'naive keys', lead_id FROM nurture.event_key k FULL JOIN
        (SELECT lead_id, coalesce(source, '') AS source, source_key, event_id, recorded_at FROM nurture.event WHERE source_key IS NOT NULL) e USING (lead_id, source, source_key, event_id, recorded_at)
        WHERE lead_id BETWEEN 8001 AND 8040 AND (k.lead_id IS NULL OR e.lead_id IS NULL);
    DROP TABLE kept;
END
$$;

CREATE FUNCTION pg_temp.insert_events(n integer, newest date) RETURNS void LANGUAGE sql VOLATILE AS
$$ INSERT INTO nurture.event (lead_id, event_type, occurred_at, recorded_at, source, source_key, tags, properties)
   SELECT 8001 + floor(random() * 40)::int, 'pr_type' || floor(random() * 6)::int, newest - random() * interval '90 days',
          '2026-06-15 12:00+00'::timestamptz - floor(random() * 3) * interval '30 days',
          (ARRAY['web', 'app', NULL])[1 + floor(random() * 3)::int], CASE WHEN random() < 0.6 THEN 'k' || floor(random() * 60)::int END, pg_temp.tags(), pg_temp.properties()
   FROM generate_series(1, n) $$;

DO $$
DECLARE
    step integer;
    choice integer;
BEGIN
    PERFORM nurture_partition_ahead(1);
    FOR step IN 1..60 LOOP
        choice := floor(random() * 10)::int;
        IF choice < 4 THEN
            PERFORM pg_temp.insert_events(1 + floor(random() * 200)::int, '2026-06-15');
        ELSIF choice = 4 THEN
            FOR i IN 1..20 LOOP
                PERFORM pg_temp.insert_events(1, '2026-06-15');
            END LOOP;
        ELSIF choice = 5 THEN
            DELETE FROM nurture.event WHERE lead_id BETWEEN 8001 AND 8040 AND random() < 0.2;
        ELSIF choice = 6 THEN
            UPDATE nurture.event SET occurred_at = occurred_at - random() * interval '5 days', tags = CASE WHEN random() < 0.5 THEN tags ELSE pg_temp.tags() END,
                properties = pg_temp.properties(), event_type = 'pr_type' || floor(random() * 6)::int WHERE lead_id BETWEEN 8001 AND 8040 AND random() < 0.1;
        ELSIF choice = 7 THEN
            -- keys move, are given up and taken
            UPDATE nurture.event SET source_key = CASE WHEN random() < 0.5 THEN 'u' || event_id END, source = 'moved' WHERE lead_id BETWEEN 8001 AND 8040 AND random() < 0.1;
        ELSIF choice = 8 THEN
            BEGIN
                PERFORM pg_temp.insert_events(30, '2026-06-15');
                DELETE FROM nurture.event WHERE lead_id BETWEEN 8001 AND 8020;
                RAISE EXCEPTION USING ERRCODE = 'P0999';
            EXCEPTION WHEN SQLSTATE 'P0999' THEN
                NULL;
            END;
        ELSE
            UPDATE nurture.event SET event_type = event_type WHERE lead_id BETWEEN 8001 AND 8040;
            DELETE FROM nurture.event WHERE lead_id = 8001 + floor(random() * 40)::int;
        END IF;
        -- from the middle on some leads are rolled, so late events meet folded days
        IF step > 30 AND random() < 0.4 THEN
            UPDATE nurture.activity SET signals = nurture_tally_roll(signals, '2026-06-15'::date - floor(random() * 100)::int),
                topics = nurture_tally_roll(topics, '2026-06-15'::date - floor(random() * 100)::int) WHERE lead_id BETWEEN 8001 AND 8040 AND random() < 0.3;
        END IF;
        PERFORM pg_temp.check_step(step);
    END LOOP;
END
$$;
SELECT ok((SELECT count(*) FROM nurture.event WHERE lead_id BETWEEN 8001 AND 8040) > 500, 'the history is not small');
SELECT is((SELECT string_agg(DISTINCT what || ' in step ' || step, ', ') FROM finding WHERE what = 'rebuild'), NULL, 'counting again gives the same bytes after every step');
SELECT is((SELECT string_agg(DISTINCT what || ' in step ' || step, ', ') FROM finding WHERE what = 'naive signals'), NULL, 'signals are what plain SQL counts');
SELECT is((SELECT string_agg(DISTINCT what || ' in step ' || step, ', ') FROM finding WHERE what = 'naive topics'), NULL, 'so are topics');
SELECT is((SELECT string_agg(DISTINCT what || ' in step ' || step, ', ') FROM finding WHERE what = 'naive keys'), NULL, 'keys are those of the events that are kept');
SELECT * FROM finish();
ROLLBACK;
