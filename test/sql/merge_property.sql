-- Leads are merged into each other and parted again, in chains too, while their
-- events are stored, corrected, deleted, rolled, dropped and granted: activity
-- holds the bytes that counting the kept events of whole groups gives, naive
-- counts in plain SQL agree, and what the leads did is where it counts, once.
-- NURTURE_SEED (a number from -1 to 1) draws another history; which one a seed
-- gives depends on the plans that the server happens to choose.
\getenv seed NURTURE_SEED
\if :{?seed}
\else
\set seed 0.20260615
\endif
BEGIN;
SELECT plan(10);
SET LOCAL timezone = 'UTC';
SET LOCAL nurture.clock = '2026-06-15 12:00:00+00';
SET LOCAL nurture.horizon_days = 90;
SET LOCAL client_min_messages = error;
SELECT setseed(:seed) \g /dev/null
INSERT INTO nurture.event_type (event_type, class) SELECT 'mp_type' || i, 'content' FROM generate_series(0, 4) i;
INSERT INTO nurture.event_type (event_type, class, sensitive) VALUES ('mp_type5', 'safety', true);
INSERT INTO nurture.tag (dimension, value, tag_id, parent) VALUES ('mp', 't0', 65200, NULL), ('mp', 't1', 65201, 't0'), ('mp', 't2', 65202, 't1'), ('mp', 't3', 65203, NULL);
INSERT INTO nurture.signal (signal, signal_id, event_type, tags, condition) SELECT 'mp_plain' || i, 31400 + i, 'mp_type' || i, '{}', NULL FROM generate_series(0, 5) i;
INSERT INTO nurture.signal (signal, signal_id, event_type, tags, condition) SELECT 'mp_tag' || i, 31410 + i, 'mp_type' || i, ARRAY['mp:t' || i], NULL FROM generate_series(0, 3) i;
INSERT INTO nurture.signal (signal, signal_id, event_type, tags, condition) SELECT 'mp_cond' || i, 31420 + i, 'mp_type' || i, '{}', ('$.x > ' || i)::jsonpath FROM generate_series(0, 4) i;
INSERT INTO nurture.lead (lead_id, email) SELECT i, 'mp' || i || '@example.org' FROM generate_series(8501, 8540) i;
-- months of the events' recording, so that there is something to drop
CREATE TABLE nurture_part.event_mp_04 PARTITION OF nurture.event FOR VALUES FROM ('2026-04-01 00:00+00') TO ('2026-05-01 00:00+00');
CREATE TABLE nurture_part.event_mp_05 PARTITION OF nurture.event FOR VALUES FROM ('2026-05-01 00:00+00') TO ('2026-06-01 00:00+00');
-- events that were dropped, and merges
CREATE TEMP TABLE dropped (LIKE nurture.event, forgotten boolean);
CREATE TEMP TABLE merged (step integer, survivor bigint, absorbed bigint, chain integer);

-- what a random event is made of; x is null, a number or a text
CREATE FUNCTION pg_temp.tags() RETURNS text[] LANGUAGE sql VOLATILE AS
$$ SELECT CASE WHEN random() < 0.4 THEN NULL ELSE ARRAY(SELECT 'mp:t' || floor(random() * 5)::int FROM generate_series(1, floor(random() * 4)::int)) END $$;
CREATE FUNCTION pg_temp.properties() RETURNS jsonb LANGUAGE sql VOLATILE AS
$$ SELECT CASE floor(random() * 4)::int WHEN 0 THEN NULL WHEN 1 THEN '{"x": "text"}' ELSE jsonb_build_object('x', floor(random() * 6)) END $$;

-- which signals an event matches, by plain SQL
CREATE FUNCTION pg_temp.matched(event_type text, tags text[], properties jsonb) RETURNS SETOF smallint LANGUAGE sql STABLE AS
$$ SELECT s.signal_id FROM nurture.signal s WHERE s.event_type = $1 AND s.signal LIKE 'mp\_%'
   AND (s.condition IS NULL OR coalesce(jsonb_path_match($3, s.condition, '{}', true), false))
   AND (s.tags = '{}' OR $2 && CASE s.tags WHEN '{mp:t0}' THEN '{mp:t0,mp:t1,mp:t2}' WHEN '{mp:t1}' THEN '{mp:t1,mp:t2}' ELSE s.tags END) $$;
-- who counts for whom, and whether it and all it was merged into granted sensitive inference
CREATE TEMP VIEW up AS
    WITH RECURSIVE up AS (SELECT lead_id, lead_id AS survivor, merged_into, 0 AS depth FROM nurture.lead WHERE lead_id BETWEEN 8501 AND 8540
        UNION ALL SELECT up.lead_id, l.lead_id, l.merged_into, depth + 1 FROM up JOIN nurture.lead l ON l.lead_id = up.merged_into)
    SELECT * FROM up;
CREATE TEMP TABLE counted_for (lead_id bigint PRIMARY KEY, survivor bigint);
CREATE TEMP VIEW granting_now AS
    SELECT lead_id FROM up GROUP BY 1 HAVING bool_and(
        EXISTS (SELECT FROM nurture.consent c WHERE c.lead_id = survivor AND c.purpose = 'sensitive_inference' AND c.topic = '*' AND c.state IN ('given', 'confirmed', 'renewed'))
        AND NOT EXISTS (SELECT FROM nurture.consent c WHERE c.lead_id = survivor AND (c.state = 'objected' OR c.purpose = 'sensitive_inference' AND c.state IN ('withdrawn', 'refused'))));
CREATE TEMP TABLE granting (lead_id bigint PRIMARY KEY);
-- what counts: kept events, of sensitive type where it was granted, and dropped ones of other types
CREATE TEMP TABLE counting (lead_id bigint, event_id bigint, event_type text, occurred_at timestamptz, tags text[], properties jsonb, signals smallint[]);
CREATE INDEX ON counting (lead_id);
CREATE TEMP VIEW counting_now AS
    SELECT f.survivor AS lead_id, e.event_id, e.event_type, e.occurred_at, e.tags, e.properties FROM nurture.event e JOIN counted_for f USING (lead_id)
    WHERE e.event_type <> 'mp_type5' OR e.lead_id IN (SELECT lead_id FROM granting)
    UNION ALL SELECT f.survivor, d.event_id, d.event_type, d.occurred_at, d.tags, d.properties FROM dropped d JOIN counted_for f USING (lead_id) WHERE d.event_type <> 'mp_type5';

-- what unmerging has to give back: bytes of activity, states of consent, what is in force at the gate, facts
CREATE TEMP TABLE was (lead_id bigint, what text, now_so text);
CREATE TEMP VIEW now_is AS
    SELECT lead_id, 'signals' AS what, nurture_tally_send(signals)::text AS so FROM nurture.activity WHERE lead_id BETWEEN 8501 AND 8540
        AND (last_event_at IS NOT NULL OR merged_into IS NOT NULL)
    UNION ALL SELECT lead_id, 'topics', nurture_tally_send(topics)::text FROM nurture.activity WHERE lead_id BETWEEN 8501 AND 8540 AND (last_event_at IS NOT NULL OR merged_into IS NOT NULL)
    UNION ALL SELECT lead_id, 'last', (last_event_at, base_last_event_at, base::text, merged_into)::text FROM nurture.activity WHERE lead_id BETWEEN 8501 AND 8540 AND (last_event_at IS NOT NULL OR merged_into IS NOT NULL)
    UNION ALL SELECT lead_id, 'consent ' || (channel, purpose, topic, product)::text, state FROM nurture.consent WHERE lead_id BETWEEN 8501 AND 8540
    UNION ALL SELECT lead_id, 'stop ' || rule, (effect, mode, scope, until, lifted_by, reason)::text FROM nurture.stop_effect WHERE lifted_at IS NULL AND lead_id BETWEEN 8501 AND 8540
    UNION ALL SELECT lead_id, 'gate', (denied, stopped_until, paused_until, merged_into, preferences)::text FROM nurture.gate WHERE lead_id BETWEEN 8501 AND 8540
    UNION ALL SELECT lead_id, 'verdict', m::text FROM nurture.gate, nurture_may_contact(lead_id, 'email') m WHERE lead_id BETWEEN 8501 AND 8540
    UNION ALL SELECT lead_id, 'preference ' || channel, max_per_month::text FROM nurture.preference WHERE lead_id BETWEEN 8501 AND 8540
    UNION ALL SELECT lead_id, 'label', label FROM nurture.label WHERE until IS NULL AND lead_id BETWEEN 8501 AND 8540
    UNION ALL SELECT lead_id, 'facts', (role, attributes, merged_into)::text FROM nurture.lead WHERE lead_id BETWEEN 8501 AND 8540;
CREATE TEMP TABLE finding (step integer, what text, lead_id bigint);
CREATE FUNCTION pg_temp.check_step(step integer) RETURNS void LANGUAGE plpgsql AS
$$
BEGIN
    DELETE FROM counted_for;
    INSERT INTO counted_for SELECT lead_id, survivor FROM up WHERE merged_into IS NULL;
    DELETE FROM granting;
    INSERT INTO granting SELECT * FROM granting_now;
    DELETE FROM counting;
    INSERT INTO counting SELECT c.*, ARRAY(SELECT pg_temp.matched(c.event_type, c.tags, c.properties)) FROM counting_now c;
    CREATE TEMP TABLE kept ON COMMIT DROP AS SELECT lead_id, signals::text AS s, topics::text AS t, nurture_tally_send(signals) AS sb, nurture_tally_send(topics) AS tb, last_event_at, pg_column_size(signals) AS size FROM nurture.activity WHERE lead_id BETWEEN 8501 AND 8540;
    -- half the leads one by one, then all at once
    PERFORM nurture_rebuild(lead_id) FROM kept WHERE lead_id % 2 = step % 2;
    PERFORM nurture_rebuild();
    INSERT INTO finding SELECT step, 'rebuild', lead_id FROM kept FULL JOIN (SELECT * FROM nurture.activity WHERE lead_id BETWEEN 8501 AND 8540) a USING (lead_id)
        WHERE (s, t, sb, tb, kept.last_event_at, size) IS DISTINCT FROM (a.signals::text, a.topics::text, nurture_tally_send(a.signals), nurture_tally_send(a.topics), a.last_event_at, pg_column_size(a.signals));
    DROP TABLE kept;
    -- by day, where nothing is folded
    INSERT INTO finding SELECT step, 'naive signals', lead_id FROM nurture.activity a WHERE lead_id BETWEEN 8501 AND 8540 AND nurture_tally_rolled(signals) IS NULL AND signals IS DISTINCT FROM
        (SELECT nurture_tally_agg(m, c.occurred_at) FROM counting c, unnest(c.signals) m WHERE c.lead_id = a.lead_id);
    INSERT INTO finding SELECT step, 'naive topics', lead_id FROM nurture.activity a WHERE lead_id BETWEEN 8501 AND 8540 AND nurture_tally_rolled(topics) IS NULL AND topics IS DISTINCT FROM
        (SELECT nurture_tally_agg(tag_id, occurred_at) FROM (SELECT DISTINCT c.event_id, c.occurred_at, t.tag_id FROM counting c, unnest(c.tags) u JOIN nurture.tag t ON t.dimension || ':' || t.value = u WHERE c.lead_id = a.lead_id) d);
    -- folded or not, as many occurrences, and as many days where no late event met a folded one
    INSERT INTO finding SELECT step, 'naive totals', lead_id FROM nurture.activity a WHERE lead_id BETWEEN 8501 AND 8540 AND
        (SELECT jsonb_object_agg(signal, n) FROM (SELECT signal, sum(count) AS n FROM nurture_tally_unnest(signals) GROUP BY 1) x) IS DISTINCT FROM
        (SELECT jsonb_object_agg(m, n) FROM (SELECT m, count(*) AS n FROM counting c, unnest(c.signals) m WHERE c.lead_id = a.lead_id GROUP BY 1) x);
    INSERT INTO finding SELECT step, 'naive days', lead_id FROM nurture.activity a WHERE lead_id BETWEEN 8501 AND 8540 AND NOT EXISTS (SELECT FROM counted_for f JOIN nurture.activity b USING (lead_id) WHERE f.survivor = a.lead_id AND nurture_tally_rolled(b.base) IS NOT NULL) AND
        (SELECT jsonb_object_agg(signal, n) FROM (SELECT signal, sum(coalesce(days, 1)) AS n FROM nurture_tally_unnest(signals) GROUP BY 1) x) IS DISTINCT FROM
        (SELECT jsonb_object_agg(m, n) FROM (SELECT m, count(DISTINCT (c.occurred_at AT TIME ZONE 'UTC')::date) AS n FROM counting c, unnest(c.signals) m WHERE c.lead_id = a.lead_id GROUP BY 1) x);
    INSERT INTO finding SELECT step, 'naive keys', lead_id FROM nurture.event_key k FULL JOIN
        (SELECT lead_id, coalesce(source, '') AS source, source_key, event_id, recorded_at FROM nurture.event WHERE source_key IS NOT NULL
         UNION ALL SELECT lead_id, coalesce(source, ''), source_key, event_id, recorded_at FROM dropped WHERE source_key IS NOT NULL AND NOT forgotten) e USING (lead_id, source, source_key, event_id, recorded_at)
        WHERE lead_id BETWEEN 8501 AND 8540 AND (k.lead_id IS NULL OR e.lead_id IS NULL);
    INSERT INTO finding SELECT step, 'naive last', lead_id FROM nurture.activity a WHERE lead_id BETWEEN 8501 AND 8540 AND last_event_at IS DISTINCT FROM
        (SELECT max(occurred_at) FROM (SELECT occurred_at FROM nurture.event e JOIN counted_for f USING (lead_id) WHERE f.survivor = a.lead_id UNION ALL SELECT occurred_at FROM dropped d JOIN counted_for f USING (lead_id) WHERE f.survivor = a.lead_id) x);
END
$$;

CREATE FUNCTION pg_temp.insert_events(n integer, newest date) RETURNS void LANGUAGE sql VOLATILE AS
$$ INSERT INTO nurture.event (lead_id, event_type, occurred_at, recorded_at, source, source_key, tags, properties)
   SELECT 8501 + floor(random() * 30)::int, 'mp_type' || floor(random() * 6)::int, newest - random() * interval '150 days',
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
    other bigint;
    merge_no bigint;
    added nurture_tally;
BEGIN
    PERFORM nurture_partition_ahead(1);
    FOR step IN 1..44 LOOP
        choice := CASE WHEN step IN (30, 40) THEN 13 WHEN step = 28 THEN 12 ELSE floor(random() * 15)::int END;
        IF choice < 4 THEN
            PERFORM pg_temp.insert_events(1 + floor(random() * 200)::int, '2026-06-15');
        ELSIF choice = 4 THEN
            FOR i IN 1..20 LOOP
                PERFORM pg_temp.insert_events(1, '2026-06-15');
            END LOOP;
        ELSIF choice = 5 THEN
            DELETE FROM nurture.event WHERE lead_id BETWEEN 8501 AND 8540 AND random() < 0.2;
        ELSIF choice = 6 THEN
            UPDATE nurture.event SET occurred_at = occurred_at - random() * interval '5 days', tags = CASE WHEN random() < 0.5 THEN tags ELSE pg_temp.tags() END,
                properties = pg_temp.properties(), event_type = 'mp_type' || floor(random() * 6)::int WHERE lead_id BETWEEN 8501 AND 8540 AND random() < 0.1;
        ELSIF choice = 7 THEN
            -- keys move, are given up and taken
            UPDATE nurture.event SET source_key = CASE WHEN random() < 0.5 THEN 'u' || event_id END, source = 'moved' WHERE lead_id BETWEEN 8501 AND 8540 AND random() < 0.1;
        ELSIF choice = 8 THEN
            BEGIN
                PERFORM pg_temp.insert_events(30, '2026-06-15');
                DELETE FROM nurture.event WHERE lead_id BETWEEN 8501 AND 8520;
                RAISE EXCEPTION USING ERRCODE = 'P0999';
            EXCEPTION WHEN SQLSTATE 'P0999' THEN
                NULL;
            END;
        ELSIF choice = 9 THEN
            UPDATE nurture.event SET event_type = event_type WHERE lead_id BETWEEN 8501 AND 8540;
            DELETE FROM nurture.event WHERE lead_id = 8501 + floor(random() * 30)::int;
        ELSIF choice IN (10, 11) THEN
            -- some leads grant sensitive inference, others withdraw it
            FOR i IN 1..5 LOOP
                who := 8501 + floor(random() * 30)::int;
                IF random() < 0.6 THEN
                    PERFORM nurture_consent(who, 'given', '*', 'sensitive_inference');
                ELSE
                    PERFORM nurture_consent(who, 'withdrawn', '*', 'sensitive_inference');
                END IF;
            END LOOP;
        ELSIF choice = 12 AND step > 15 THEN
            -- old partitions go, and what has none of its own
            until := CASE WHEN random() < 0.5 THEN '2026-05-01 00:00+00' ELSE '2026-06-01 00:00+00' END;
            forget := random() < 0.3;
            INSERT INTO dropped SELECT *, forget FROM nurture.event WHERE recorded_at < until AND lead_id BETWEEN 8501 AND 8540;
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
                FROM nurture.activity, nurture_tally_unnest(signals) u WHERE u.signal = 31402 AND u.count = 1 AND u.day IS NOT NULL GROUP BY 1) x WHERE lead_id = lead AND lead_id BETWEEN 8501 AND 8540;
            PERFORM nurture_backfill('mp_plain2', 10, true);
            WHILE nurture_backfill('mp_plain2', 1 + floor(random() * 100)::int) > 0 LOOP
                NULL;
            END LOOP;
            PERFORM nurture_backfill('mp:t' || floor(random() * 4)::int, again => true);
        END IF;
        -- leads meet, and part; some are merged by hand
        FOR i IN 1..floor(random() * 5)::int LOOP
            who := 8501 + floor(random() * 30)::int;
            other := 8501 + floor(random() * 30)::int;
            IF random() < 0.4 THEN
                who := (SELECT lead_id FROM nurture.lead l WHERE lead_id BETWEEN 8501 AND 8540 AND merged_into IS NOT NULL
                        AND (SELECT s.merged_into IS NULL FROM nurture.lead s WHERE s.lead_id = l.merged_into) ORDER BY random() LIMIT 1);
                IF EXISTS (SELECT FROM nurture.merge WHERE absorbed = who AND undone_at IS NULL) THEN
                    PERFORM nurture_unmerge(merge_id, 'test') FROM nurture.merge WHERE absorbed = who AND undone_at IS NULL;
                ELSE
                    UPDATE nurture.lead SET merged_into = NULL WHERE lead_id = who;
                END IF;
            ELSIF (SELECT survivor FROM up WHERE up.lead_id = other AND merged_into IS NULL) <> who AND (SELECT merged_into IS NULL FROM nurture.lead WHERE lead_id = who) THEN
                IF random() < 0.2 THEN
                    UPDATE nurture.lead SET merged_into = other WHERE lead_id = who;
                ELSE
                    PERFORM nurture_merge(other, who, 'test');
                END IF;
                INSERT INTO merged SELECT step, other, who, max(depth) FROM up;
            END IF;
        END LOOP;
        -- a merge that is taken back at once has never been
        who := (SELECT lead_id FROM nurture.lead WHERE lead_id BETWEEN 8501 AND 8530 AND merged_into IS NULL ORDER BY random() LIMIT 1);
        other := (SELECT lead_id FROM nurture.lead WHERE lead_id BETWEEN 8501 AND 8530 AND merged_into IS NULL AND lead_id <> who ORDER BY random() LIMIT 1);
        DELETE FROM was;
        INSERT INTO was SELECT * FROM now_is;
        added := (SELECT a.signals + b.signals FROM nurture.activity a, nurture.activity b WHERE a.lead_id = who AND b.lead_id = other);
        merge_no := nurture_merge(who, other, 'test');
        -- nothing is lost or gained, but for what one of both did not grant
        INSERT INTO finding SELECT step, 'not conserved', who FROM nurture.activity WHERE lead_id = who AND added IS NOT NULL AND
            (nurture_tally_rolled(signals) IS DISTINCT FROM nurture_tally_rolled(added)
            OR (SELECT jsonb_object_agg(signal, n) FROM (SELECT signal, sum(count) AS n FROM nurture_tally_unnest(signals) WHERE signal <> 31405 GROUP BY 1) x) IS DISTINCT FROM
               (SELECT jsonb_object_agg(signal, n) FROM (SELECT signal, sum(count) AS n FROM nurture_tally_unnest(added) WHERE signal <> 31405 GROUP BY 1) x)
            OR nurture_tally_rolled(added) IS NULL AND signals <> added AND NOT EXISTS (SELECT FROM nurture_tally_unnest(added) WHERE signal = 31405));
        PERFORM nurture_unmerge(merge_no, 'a mistake');
        INSERT INTO finding SELECT DISTINCT step, 'taken back' || x.what, lead_id FROM (SELECT * FROM was FULL JOIN now_is USING (lead_id, what)) x (lead_id, what, before, after) WHERE before IS DISTINCT FROM after;
        -- what both are denied, in one way or another
        IF random() < 0.7 THEN
            FOR i IN 1..3 LOOP
                who := (SELECT lead_id FROM nurture.lead WHERE lead_id BETWEEN 8501 AND 8530 ORDER BY random() LIMIT 1);
                CASE floor(random() * 6)::int
                    WHEN 0 THEN PERFORM nurture_pause(who, nurture_now() + random() * interval '900 days', 'test');
                    WHEN 1 THEN PERFORM nurture_suppress('lead', who::text, 'test');
                    WHEN 2 THEN INSERT INTO nurture.preference (lead_id, channel, max_per_month) VALUES (who, 'email', floor(random() * 5)::int) ON CONFLICT (lead_id, channel) DO UPDATE SET max_per_month = EXCLUDED.max_per_month;
                    WHEN 3 THEN PERFORM nurture_label(who, 'mp_label');
                    WHEN 4 THEN UPDATE nurture.lead SET role = 'nurse', attributes = '{"beds": 4}' WHERE lead_id = who;
                    ELSE PERFORM nurture_consent(who, (ARRAY['given', 'withdrawn', 'objected', 'confirmed'])[1 + floor(random() * 4)::int], (ARRAY['*', 'email', 'sms'])[1 + floor(random() * 3)::int]);
                END CASE;
            END LOOP;
        END IF;
        -- from the middle on some leads are rolled further, so late events meet folded days
        IF step > 50 AND random() < 0.3 THEN
            UPDATE nurture.activity SET signals = nurture_tally_roll(signals, '2026-06-15'::date - floor(random() * 100)::int),
                topics = nurture_tally_roll(topics, '2026-06-15'::date - floor(random() * 100)::int) WHERE merged_into IS NULL AND lead_id BETWEEN 8501 AND 8540 AND random() < 0.3;
        END IF;
        PERFORM pg_temp.check_step(step);
    END LOOP;
END
$$;
SELECT ok((SELECT count(*) FROM nurture.event WHERE lead_id BETWEEN 8501 AND 8540) + (SELECT count(*) FROM dropped) > 150 AND (SELECT count(*) FROM nurture.roll WHERE rolled > 0) > 1
    AND EXISTS (SELECT FROM nurture.activity WHERE nurture_tally_rolled(base) IS NOT NULL) AND EXISTS (SELECT FROM nurture.consent_event WHERE kind = 'given' AND purpose = 'sensitive_inference') AND (SELECT count(*) FROM merged) > 20 AND (SELECT max(chain) FROM merged) > 1, 'the history is not small');
SELECT is((SELECT string_agg(DISTINCT what || ' in step ' || step, ', ') FROM finding WHERE what = 'rebuild'), NULL, 'counting again gives the same bytes after every step');
SELECT is((SELECT string_agg(DISTINCT what || ' in step ' || step, ', ') FROM finding WHERE what = 'naive signals'), NULL, 'signals are what plain SQL counts');
SELECT is((SELECT string_agg(DISTINCT what || ' in step ' || step, ', ') FROM finding WHERE what = 'naive topics'), NULL, 'so are topics');
SELECT is((SELECT string_agg(DISTINCT what || ' in step ' || step, ', ') FROM finding WHERE what = 'naive totals'), NULL, 'what is folded or dropped is still counted');
SELECT is((SELECT string_agg(DISTINCT what || ' in step ' || step, ', ') FROM finding WHERE what = 'naive days'), NULL, 'on as many days');
SELECT is((SELECT string_agg(DISTINCT what || ' in step ' || step, ', ') FROM finding WHERE what = 'naive keys'), NULL, 'keys are those of the events that were not forgotten');
SELECT is((SELECT string_agg(DISTINCT what || ' in step ' || step, ', ') FROM finding WHERE what = 'naive last'), NULL, 'and so is the latest occurrence');
SELECT is((SELECT string_agg(DISTINCT what || ' in step ' || step, ', ') FROM finding WHERE what LIKE 'taken back%'), NULL, 'a merge that is taken back leaves nothing');
SELECT is((SELECT string_agg(DISTINCT what || ' in step ' || step, ', ') FROM finding WHERE what = 'not conserved'), NULL, 'and the survivor has the sum of both');
SELECT * FROM finish();
ROLLBACK;
