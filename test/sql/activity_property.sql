-- Whatever is done in whatever order - storing, correcting, deleting, repeating,
-- rolling, dropping old partitions, granting and withdrawing sensitive
-- inference, filling a signal - activity holds the bytes that counting the kept
-- events on their base gives. Naive counts in plain SQL, made without any code
-- of the trigger, have to agree as well.
-- NURTURE_SEED (a number from -1 to 1) repeats a run.
\getenv seed NURTURE_SEED
\if :{?seed}
\else
\set seed 0.20260615
\endif
BEGIN;
SELECT plan(8);
SET LOCAL timezone = 'UTC';
SET LOCAL nurture.clock = '2026-06-15 12:00:00+00';
SET LOCAL nurture.horizon_days = 90;
SET LOCAL client_min_messages = warning;
SELECT setseed(:seed) \g /dev/null
INSERT INTO nurture.event_type (event_type, class) SELECT 'pr_type' || i, 'content' FROM generate_series(0, 4) i;
INSERT INTO nurture.event_type (event_type, class, sensitive) VALUES ('pr_type5', 'safety', true);
INSERT INTO nurture.tag (dimension, value, tag_id, parent) VALUES ('pr', 't0', 65100, NULL), ('pr', 't1', 65101, 't0'), ('pr', 't2', 65102, 't1'), ('pr', 't3', 65103, NULL);
INSERT INTO nurture.signal (signal, signal_id, event_type, tags, condition) SELECT 'pr_plain' || i, 31000 + i, 'pr_type' || i, '{}', NULL FROM generate_series(0, 5) i;
INSERT INTO nurture.signal (signal, signal_id, event_type, tags, condition) SELECT 'pr_tag' || i, 31010 + i, 'pr_type' || i, ARRAY['pr:t' || i], NULL FROM generate_series(0, 3) i;
INSERT INTO nurture.signal (signal, signal_id, event_type, tags, condition) SELECT 'pr_cond' || i, 31020 + i, 'pr_type' || i, '{}', ('$.x > ' || i)::jsonpath FROM generate_series(0, 4) i;
INSERT INTO nurture.lead (lead_id) SELECT generate_series(8001, 8040);
-- months of the events' recording, so that there is something to drop
CREATE TABLE nurture_part.event_pr_04 PARTITION OF nurture.event FOR VALUES FROM ('2026-04-01 00:00+00') TO ('2026-05-01 00:00+00');
CREATE TABLE nurture_part.event_pr_05 PARTITION OF nurture.event FOR VALUES FROM ('2026-05-01 00:00+00') TO ('2026-06-01 00:00+00');
-- events that were dropped, and leads that granted sensitive inference
CREATE TEMP TABLE dropped (LIKE nurture.event, forgotten boolean);
CREATE TEMP TABLE granted (lead_id bigint PRIMARY KEY);

-- what a random event is made of; x is null, a number or a text
CREATE FUNCTION pg_temp.tags() RETURNS text[] LANGUAGE sql VOLATILE AS
$$ SELECT CASE WHEN random() < 0.4 THEN NULL ELSE ARRAY(SELECT 'pr:t' || floor(random() * 5)::int FROM generate_series(1, floor(random() * 4)::int)) END $$;
CREATE FUNCTION pg_temp.properties() RETURNS jsonb LANGUAGE sql VOLATILE AS
$$ SELECT CASE floor(random() * 4)::int WHEN 0 THEN NULL WHEN 1 THEN '{"x": "text"}' ELSE jsonb_build_object('x', floor(random() * 6)) END $$;

-- which signals an event matches, by plain SQL
CREATE FUNCTION pg_temp.matched(event_type text, tags text[], properties jsonb) RETURNS SETOF smallint LANGUAGE sql STABLE AS
$$ SELECT s.signal_id FROM nurture.signal s WHERE s.event_type = $1 AND s.signal LIKE 'pr\_%'
   AND (s.condition IS NULL OR coalesce(jsonb_path_match($3, s.condition, '{}', true), false))
   AND (s.tags = '{}' OR $2 && CASE s.tags WHEN '{pr:t0}' THEN '{pr:t0,pr:t1,pr:t2}' WHEN '{pr:t1}' THEN '{pr:t1,pr:t2}' ELSE s.tags END) $$;
-- what counts: kept events, of sensitive type where it was granted, and dropped ones of other types
CREATE TEMP VIEW counting AS
    SELECT e.lead_id, e.event_id, e.event_type, e.occurred_at, e.tags, e.properties FROM nurture.event e
    WHERE e.lead_id BETWEEN 8001 AND 8040 AND (e.event_type <> 'pr_type5' OR e.lead_id IN (SELECT lead_id FROM granted))
    UNION ALL SELECT d.lead_id, d.event_id, d.event_type, d.occurred_at, d.tags, d.properties FROM dropped d WHERE d.event_type <> 'pr_type5';

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
    DROP TABLE kept;
    -- by day, where nothing is folded
    INSERT INTO finding SELECT step, 'naive signals', lead_id FROM nurture.activity a WHERE lead_id BETWEEN 8001 AND 8040 AND nurture_tally_rolled(signals) IS NULL AND signals IS DISTINCT FROM
        (SELECT nurture_tally_agg(m, c.occurred_at) FROM counting c, pg_temp.matched(c.event_type, c.tags, c.properties) m WHERE c.lead_id = a.lead_id);
    INSERT INTO finding SELECT step, 'naive topics', lead_id FROM nurture.activity a WHERE lead_id BETWEEN 8001 AND 8040 AND nurture_tally_rolled(topics) IS NULL AND topics IS DISTINCT FROM
        (SELECT nurture_tally_agg(tag_id, occurred_at) FROM (SELECT DISTINCT c.event_id, c.occurred_at, t.tag_id FROM counting c, unnest(c.tags) u JOIN nurture.tag t ON t.dimension || ':' || t.value = u WHERE c.lead_id = a.lead_id) d);
    -- folded or not, as many occurrences, and as many days where no late event met a folded one
    INSERT INTO finding SELECT step, 'naive totals', lead_id FROM nurture.activity a WHERE lead_id BETWEEN 8001 AND 8040 AND
        (SELECT jsonb_object_agg(signal, n) FROM (SELECT signal, sum(count) AS n FROM nurture_tally_unnest(signals) GROUP BY 1) x) IS DISTINCT FROM
        (SELECT jsonb_object_agg(m, n) FROM (SELECT m, count(*) AS n FROM counting c, pg_temp.matched(c.event_type, c.tags, c.properties) m WHERE c.lead_id = a.lead_id GROUP BY 1) x);
    INSERT INTO finding SELECT step, 'naive days', lead_id FROM nurture.activity a WHERE lead_id BETWEEN 8001 AND 8040 AND nurture_tally_rolled(base) IS NULL AND
        (SELECT jsonb_object_agg(signal, n) FROM (SELECT signal, sum(coalesce(days, 1)) AS n FROM nurture_tally_unnest(signals) GROUP BY 1) x) IS DISTINCT FROM
        (SELECT jsonb_object_agg(m, n) FROM (SELECT m, count(DISTINCT (c.occurred_at AT TIME ZONE 'UTC')::date) AS n FROM counting c, pg_temp.matched(c.event_type, c.tags, c.properties) m WHERE c.lead_id = a.lead_id GROUP BY 1) x);
    INSERT INTO finding SELECT step, 'naive keys', lead_id FROM nurture.event_key k FULL JOIN
        (SELECT lead_id, coalesce(source, '') AS source, source_key, event_id, recorded_at FROM nurture.event WHERE source_key IS NOT NULL
         UNION ALL SELECT lead_id, coalesce(source, ''), source_key, event_id, recorded_at FROM dropped WHERE source_key IS NOT NULL AND NOT forgotten) e USING (lead_id, source, source_key, event_id, recorded_at)
        WHERE lead_id BETWEEN 8001 AND 8040 AND (k.lead_id IS NULL OR e.lead_id IS NULL);
    INSERT INTO finding SELECT step, 'naive last', lead_id FROM nurture.activity a WHERE lead_id BETWEEN 8001 AND 8040 AND last_event_at IS DISTINCT FROM
        (SELECT max(occurred_at) FROM (SELECT occurred_at FROM nurture.event e WHERE e.lead_id = a.lead_id UNION ALL SELECT occurred_at FROM dropped d WHERE d.lead_id = a.lead_id) x);
END
$$;

CREATE FUNCTION pg_temp.insert_events(n integer, newest date) RETURNS void LANGUAGE sql VOLATILE AS
$$ INSERT INTO nurture.event (lead_id, event_type, occurred_at, recorded_at, source, source_key, tags, properties)
   SELECT 8001 + floor(random() * 40)::int, 'pr_type' || floor(random() * 6)::int, newest - random() * interval '150 days',
          '2026-06-15 12:00+00'::timestamptz - floor(random() * 3) * interval '30 days',
          (ARRAY['web', 'app', NULL])[1 + floor(random() * 3)::int], CASE WHEN random() < 0.6 THEN 'k' || floor(random() * 60)::int END, pg_temp.tags(), pg_temp.properties()
   FROM generate_series(1, n) $$;

DO $$
DECLARE
    step integer;
    choice integer;
    until timestamptz;
    forget boolean;
    who bigint;
BEGIN
    PERFORM nurture_partition_ahead(1);
    FOR step IN 1..80 LOOP
        choice := CASE WHEN step IN (30, 60) THEN 13 WHEN step = 28 THEN 12 ELSE floor(random() * 15)::int END;
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
        ELSIF choice = 9 THEN
            UPDATE nurture.event SET event_type = event_type WHERE lead_id BETWEEN 8001 AND 8040;
            DELETE FROM nurture.event WHERE lead_id = 8001 + floor(random() * 40)::int;
        ELSIF choice IN (10, 11) THEN
            -- some leads grant sensitive inference, others withdraw it
            FOR i IN 1..5 LOOP
                who := 8001 + floor(random() * 40)::int;
                IF random() < 0.6 THEN
                    PERFORM nurture_consent(who, 'given', '*', 'sensitive_inference');
                    INSERT INTO granted VALUES (who) ON CONFLICT DO NOTHING;
                ELSE
                    PERFORM nurture_consent(who, 'withdrawn', '*', 'sensitive_inference');
                    DELETE FROM granted WHERE lead_id = who;
                END IF;
            END LOOP;
        ELSIF choice = 12 AND step > 15 THEN
            -- old partitions go, and what has none of its own
            until := CASE WHEN random() < 0.5 THEN '2026-05-01 00:00+00' ELSE '2026-06-01 00:00+00' END;
            forget := random() < 0.3;
            INSERT INTO dropped SELECT *, forget FROM nurture.event WHERE recorded_at < until AND lead_id BETWEEN 8001 AND 8040;
            PERFORM nurture_partition_drop(until, forget_keys => forget);
        ELSIF choice = 13 AND step > 25 THEN
            -- the horizon moves on
            PERFORM set_config('nurture.clock', to_char(current_setting('nurture.clock')::timestamptz + floor(random() * 20) * interval '1 day', 'YYYY-MM-DD') || 'T12:00:00Z', true);
            WHILE nurture_roll(1 + floor(random() * 100)::int) > 0 LOOP
                NULL;
            END LOOP;
        ELSE
            -- a signal is emptied, and filled again in parts
            UPDATE nurture.activity SET signals = nurture_tally_take(signals, nurture_tally_agg) FROM (SELECT lead_id AS lead, nurture_tally_agg(u.signal, u.day::timestamp AT TIME ZONE 'UTC')
                FROM nurture.activity, nurture_tally_unnest(signals) u WHERE u.signal = 31002 AND u.count = 1 AND u.day IS NOT NULL GROUP BY 1) x WHERE lead_id = lead AND lead_id BETWEEN 8001 AND 8040;
            PERFORM nurture_backfill('pr_plain2', 10, true);
            WHILE nurture_backfill('pr_plain2', 1 + floor(random() * 100)::int) > 0 LOOP
                NULL;
            END LOOP;
            PERFORM nurture_backfill('pr:t' || floor(random() * 4)::int, again => true);
        END IF;
        -- from the middle on some leads are rolled further, so late events meet folded days
        IF step > 50 AND random() < 0.3 THEN
            UPDATE nurture.activity SET signals = nurture_tally_roll(signals, '2026-06-15'::date - floor(random() * 100)::int),
                topics = nurture_tally_roll(topics, '2026-06-15'::date - floor(random() * 100)::int) WHERE lead_id BETWEEN 8001 AND 8040 AND random() < 0.3;
        END IF;
        PERFORM pg_temp.check_step(step);
    END LOOP;
END
$$;
SELECT ok((SELECT count(*) FROM nurture.event WHERE lead_id BETWEEN 8001 AND 8040) + (SELECT count(*) FROM dropped) > 500 AND (SELECT count(*) FROM nurture.roll WHERE rolled > 0) > 1
    AND EXISTS (SELECT FROM nurture.activity WHERE nurture_tally_rolled(base) IS NOT NULL) AND EXISTS (SELECT FROM granted), 'the history is not small');
SELECT is((SELECT string_agg(DISTINCT what || ' in step ' || step, ', ') FROM finding WHERE what = 'rebuild'), NULL, 'counting again gives the same bytes after every step');
SELECT is((SELECT string_agg(DISTINCT what || ' in step ' || step, ', ') FROM finding WHERE what = 'naive signals'), NULL, 'signals are what plain SQL counts');
SELECT is((SELECT string_agg(DISTINCT what || ' in step ' || step, ', ') FROM finding WHERE what = 'naive topics'), NULL, 'so are topics');
SELECT is((SELECT string_agg(DISTINCT what || ' in step ' || step, ', ') FROM finding WHERE what = 'naive totals'), NULL, 'what is folded or dropped is still counted');
SELECT is((SELECT string_agg(DISTINCT what || ' in step ' || step, ', ') FROM finding WHERE what = 'naive days'), NULL, 'on as many days');
SELECT is((SELECT string_agg(DISTINCT what || ' in step ' || step, ', ') FROM finding WHERE what = 'naive keys'), NULL, 'keys are those of the events that were not forgotten');
SELECT is((SELECT string_agg(DISTINCT what || ' in step ' || step, ', ') FROM finding WHERE what = 'naive last'), NULL, 'and so is the latest occurrence');
SELECT * FROM finish();
ROLLBACK;
