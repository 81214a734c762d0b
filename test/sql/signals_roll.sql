-- Folding what is older than the horizon changes no score; old partitions go
-- and what they gave stays; counts that are full are counted again.
-- NURTURE_SEED (a number from -1 to 1) repeats a run.
\getenv seed NURTURE_SEED
\if :{?seed}
\else
\set seed 0.20260630
\endif
BEGIN;
SELECT plan(63);
SET LOCAL timezone = 'UTC';
SET LOCAL client_min_messages = warning;
SET LOCAL nurture.clock = '2026-06-15T12:00:00Z';
SELECT setseed(:seed) \g /dev/null
SET LOCAL nurture.horizon_days = 200;
INSERT INTO nurture.event_type (event_type, class) SELECT 'ro_' || i, 'content' FROM generate_series(1, 12) i;
INSERT INTO nurture.signal (signal, signal_id, event_type) SELECT 'ro_' || i, 27000 + i, 'ro_' || i FROM generate_series(1, 12) i;
INSERT INTO nurture.tag (dimension, value, tag_id) VALUES ('ro', 'a', 65401), ('ro', 'b', 65402);
INSERT INTO nurture.lead (lead_id, audience_type) SELECT generate_series(9601, 9700), 'hcp';

-- models with every curve and occurrence policy, limits and patterns
INSERT INTO nurture.model (model, audience_types) SELECT 'ro_' || m, '{ro_none}' FROM generate_series(1, 8) m;
SELECT nurture_draft('model', 'ro_' || m) FROM generate_series(1, 8) m \g /dev/null
INSERT INTO nurture.signal_rule (model, version, rule, signal, points, curve, curve_days, curve_steps, per_day_max, count_max, floor, cap)
SELECT 'ro_' || m, 1, 's_' || i, 'ro_' || i, floor(random() * 4000 - 1000) / 100, curve,
       CASE WHEN curve IN ('half_life', 'linear') THEN 1 + floor(random() * 200)::int WHEN curve = 'window' THEN 1 + floor(random() * 199)::int END,
       CASE WHEN curve = 'step' THEN '[[3, 100], [30, 33.33], [199, 12.5]]'::jsonb END,
       CASE WHEN random() < 0.5 THEN CASE WHEN curve = 'none' THEN 1 ELSE 1 + floor(random() * 3)::int END END, CASE WHEN random() < 0.3 THEN 1 + floor(random() * 30)::int END,
       CASE WHEN random() < 0.2 THEN -7.5 END, CASE WHEN random() < 0.2 THEN floor(random() * 20000) / 100 END
FROM (SELECT m, i, (ARRAY['none', 'half_life', 'linear', 'step', 'window'])[1 + (m + i) % 5] AS curve FROM generate_series(1, 8) m, generate_series(1, 12) i) r;
INSERT INTO nurture.pattern (model, version, pattern, condition, points)
SELECT 'ro_' || m, 1, 'p_' || i, condition, i * 3.5
FROM generate_series(1, 8) m, (VALUES (1, '{"signal": "ro_1", "at_least": 12}'::jsonb), (2, '{"signal": "ro_2", "within_days": 100, "at_least": 3}'), (3, '{"signal": "ro_3", "within_days": 5000, "at_most": 4}'),
    (4, '{"signal": "ro_4", "after": "ro_5", "at_least": 2}'), (5, '{"not": {"signal": "ro_6", "after": "ro_7", "within_days": 400}}'), (6, '{"interest": {"dimension": "ro", "value": "a", "at_least": 0.5}}')) p (i, condition);
SELECT nurture_publish('model', 'ro_' || m, 1, 'test', true) FROM generate_series(1, 8) m \g /dev/null
CREATE FUNCTION pg_temp.scores() RETURNS text LANGUAGE sql AS
$$ SELECT md5(string_agg(m.model || ' ' || s.lead_id || ' ' || s.fit || ' ' || s.intent || ' ' || s.total || ' ' || coalesce(s.grade, ''), ';' ORDER BY m.model, s.lead_id))
   FROM nurture.model m, nurture_scores(m.model) s WHERE m.model LIKE 'ro\_%' AND s.lead_id BETWEEN 9601 AND 9700 $$;
CREATE FUNCTION pg_temp.rebuilt() RETURNS bigint LANGUAGE plpgsql AS
$$
DECLARE
    differ bigint;
BEGIN
    CREATE TEMP TABLE kept ON COMMIT DROP AS SELECT * FROM nurture.activity WHERE lead_id BETWEEN 9601 AND 9700;
    PERFORM nurture_rebuild();
    SELECT count(*) INTO differ FROM kept k JOIN nurture.activity a USING (lead_id) WHERE (k.signals, k.topics, k.last_event_at) IS DISTINCT FROM (a.signals, a.topics, a.last_event_at);
    DROP TABLE kept;
    RETURN differ;
END
$$;
-- most of it around the horizon, recorded when it happened or some time later
CREATE FUNCTION pg_temp.store(n integer) RETURNS void LANGUAGE sql AS
$$ INSERT INTO nurture.event (lead_id, event_type, occurred_at, recorded_at, tags)
   SELECT 9601 + floor(random() * 100)::int, 'ro_' || 1 + floor(random() * 12)::int, at, least(nurture_now(), at + random() * random() * interval '90 days'), (ARRAY[NULL, '{ro:a}', '{ro:b}', '{ro:a,ro:b}'])[1 + floor(random() * 4)::int]::text[]
   FROM (SELECT nurture_now() - interval '1 day' * floor(CASE WHEN random() < 0.3 THEN 190 + random() * 20 ELSE random() * 500 END) AS at FROM generate_series(1, n)) x $$;
SELECT pg_temp.store(6000) \g /dev/null

-- rolling
SELECT pg_temp.scores() AS before \gset
SELECT nurture_roll() > 0 AS ok;
SELECT is(pg_temp.scores(), :'before', 'folding what is older than the horizon changes no score');
SELECT ok((SELECT count(*) FROM nurture.activity WHERE nurture_tally_rolled(signals) = '2026-06-15'::date - 199) > 90, 'and it was folded');
SELECT is((SELECT count(*) FROM nurture.activity, nurture_tally_unnest(signals) u WHERE u.day < '2026-06-15'::date - 199), 0::bigint, 'all of it');
SELECT is((SELECT rolled = (SELECT count(*) FROM nurture.activity WHERE nurture_tally_rolled(signals) IS NOT NULL) AND done = total AND finished_at IS NOT NULL FROM nurture.roll WHERE roll_day = '2026-06-15'::date - 199), true, 'the pass is on record');
SELECT is(nurture_roll(), 0::bigint, 'there is nothing left to do');
SELECT is(pg_temp.rebuilt(), 0::bigint, 'counting again gives the same bytes');
SET LOCAL nurture.clock = '2026-06-20T12:00:00Z';
SELECT pg_temp.store(300) \g /dev/null
SELECT is(pg_temp.rebuilt(), 0::bigint, 'with late events too');
SELECT pg_temp.scores() AS before \gset
SELECT nurture_roll(7) AS done;
SELECT is(pg_temp.scores(), :'before', 'nor does folding a part');
SELECT is((SELECT finished_at IS NULL AND done = 7 FROM nurture.roll WHERE roll_day = '2026-06-20'::date - 199), true, 'of the leads');
SET LOCAL nurture.clock = '2026-07-20T12:00:00Z';
SELECT nurture_roll(5) AS done;
SELECT is((SELECT array_agg(done || coalesce(' finished', '') ORDER BY roll_day) FROM nurture.roll WHERE finished_at IS NULL), '{"12 finished"}', 'a pass goes on before another begins');
SELECT nurture_roll() > 0 AS ok;
SELECT pg_temp.scores() AS before \gset
SELECT nurture_roll() > 0 AS ok;
SELECT is(pg_temp.scores(), :'before', 'later the same');
SELECT is(pg_temp.rebuilt(), 0::bigint, 'counting again gives the same bytes');
SET LOCAL nurture.horizon_days = 300;
SELECT is(nurture_roll(), 0::bigint, 'a horizon further back unfolds nothing');
SET LOCAL nurture.horizon_days = 200;

-- by the tick, a pass a month
SELECT is((SELECT done FROM nurture_tick() WHERE kind = 'roll'), 0::bigint, 'the tick leaves a pass of today alone');
SET LOCAL nurture.clock = '2026-08-10T12:00:00Z';
SELECT is((SELECT done FROM nurture_tick() WHERE kind = 'roll'), 0::bigint, 'one of this month too');
SET LOCAL nurture.clock = '2026-08-25T12:00:00Z';
SELECT pg_temp.scores() AS before \gset
SELECT is((SELECT done FROM nurture_tick(1, '1 min') WHERE kind = 'roll'), 10::bigint, 'then it begins one');
SELECT is((SELECT "left" FROM nurture_tick(2, '1 min') WHERE kind = 'roll'), 1::bigint, 'and goes on with it');
SELECT is((SELECT "left" FROM nurture_tick(200, '1 min') WHERE kind = 'roll'), 0::bigint, 'to the end');
SELECT is(pg_temp.scores(), :'before', 'which changes no score');

-- a late event of a folded day
INSERT INTO nurture.lead (lead_id) VALUES (9701), (9702), (9703), (9704), (9705), (9706);
INSERT INTO nurture.event (lead_id, event_type, occurred_at, tags) VALUES (9701, 'ro_1', '2026-01-01', '{ro:a}'), (9701, 'ro_1', '2026-08-20', NULL);
UPDATE nurture.activity SET signals = nurture_tally_roll(signals, '2026-03-01'), topics = nurture_tally_roll(topics, '2026-03-01') WHERE lead_id = 9701;
INSERT INTO nurture.event (lead_id, event_type, occurred_at, tags) VALUES (9701, 'ro_1', '2026-01-01 20:00', '{ro:b}'), (9701, 'ro_1', '2026-02-01', NULL);
SELECT is((SELECT signals::text || topics::text FROM nurture.activity WHERE lead_id = 9701), '{27001@ever:3/2, 27001@2026-08-20:1; rolled 2026-03-01}{65401@ever:1/1, 65402@ever:1/1; rolled 2026-03-01}', 'a late event goes to what is folded, by its own day');
DELETE FROM nurture.event WHERE lead_id = 9701 AND occurred_at = '2026-01-01 20:00';
SELECT is((SELECT signals FROM nurture.activity WHERE lead_id = 9701), '{27001@ever:2/2, 27001@2026-08-20:1; rolled 2026-03-01}', 'and is taken from it');

-- counts that are full
INSERT INTO nurture.event (lead_id, event_type, occurred_at) SELECT 9702, 'ro_1', '2026-08-20 10:00' FROM generate_series(1, 3);
UPDATE nurture.activity SET signals = '{27001@2026-08-20:4294967294}' WHERE lead_id = 9702;
INSERT INTO nurture.event (lead_id, event_type, occurred_at) VALUES (9702, 'ro_1', '2026-08-20 11:00');
SELECT is((SELECT signals FROM nurture.activity WHERE lead_id = 9702), '{27001@2026-08-20:max}', 'a count that reaches its limit is marked');
INSERT INTO nurture.event (lead_id, event_type, occurred_at) SELECT 9702, 'ro_1', '2026-08-20 12:00' FROM generate_series(1, 2);
SELECT is((SELECT signals FROM nurture.activity WHERE lead_id = 9702), '{27001@2026-08-20:max}', 'and never wraps');
SELECT is((SELECT nurture_tally_merge('{1@2026-01-01:4294967294, 2@ever:max/4294967290; rolled 2025-01-01}', '{1@2026-01-01:4294967294, 2@ever:9/9; rolled 2025-01-01}')), '{1@2026-01-01:max, 2@ever:max/max; rolled 2025-01-01}', 'nor does adding, folded or not');
DELETE FROM nurture.event WHERE lead_id = 9702 AND occurred_at = '2026-08-20 11:00';
SELECT is((SELECT signals FROM nurture.activity WHERE lead_id = 9702), '{27001@2026-08-20:5}', 'taking from it counts the lead again');
UPDATE nurture.activity SET signals = '{27001@ever:max/max; rolled 2026-08-22}' WHERE lead_id = 9702;
UPDATE nurture.event SET event_type = 'ro_2' WHERE lead_id = 9702 AND occurred_at = '2026-08-20 12:00';
SELECT is((SELECT signals FROM nurture.activity WHERE lead_id = 9702), '{27001@ever:3/1, 27002@ever:2/1; rolled 2026-08-22}', 'correcting too, what is folded stays folded');
SELECT throws_ok($$INSERT INTO nurture.signal_rule (model, version, rule, signal, points, curve, per_day_max) SELECT 'ro_1', nurture_draft('model', 'ro_1'), 'bad', 'ro_1', 1, 'none', 2$$, '22023', NULL, 'per_day_max above 1 is for curves that fade');

-- old partitions
SET LOCAL nurture.clock = '2026-08-25T12:00:00Z';
DO $$
DECLARE
    month date;
BEGIN
    FOR month IN SELECT generate_series('2025-01-01'::date, '2026-03-01', '1 month') LOOP
        EXECUTE format('CREATE TABLE nurture_part.event_ro_%s (LIKE nurture.event INCLUDING DEFAULTS)', to_char(month, 'YYYY_MM'));
        EXECUTE format('WITH moved AS (DELETE FROM nurture_part.event_default WHERE recorded_at >= %L AND recorded_at < %L RETURNING *) INSERT INTO nurture_part.event_ro_%s SELECT * FROM moved',
            month::text || ' 00:00+00', (month + interval '1 month')::date::text || ' 00:00+00', to_char(month, 'YYYY_MM'));
        EXECUTE format('ALTER TABLE nurture.event ATTACH PARTITION nurture_part.event_ro_%s FOR VALUES FROM (%L) TO (%L)', to_char(month, 'YYYY_MM'), month::text || ' 00:00+00', (month + interval '1 month')::date::text || ' 00:00+00');
    END LOOP;
END
$$;
SELECT is(pg_temp.rebuilt(), 0::bigint, 'in partitions events count as before');
CREATE TEMP TABLE was AS SELECT * FROM nurture.activity WHERE lead_id BETWEEN 9601 AND 9700;
SELECT count(*) AS old FROM nurture.event WHERE recorded_at < '2025-07-01' \gset
SELECT pg_temp.scores() AS before \gset
CREATE TEMP TABLE went AS SELECT * FROM nurture_partition_drop('2025-07-15', reason => 'older than we keep', actor => 'tests');
SELECT is((SELECT array_agg(partition ORDER BY partition) FROM went WHERE partition LIKE '%\_ro\_%'), (SELECT array_agg('nurture_part.event_ro_2025_0' || i ORDER BY i) FROM generate_series(1, 6) i), 'partitions that end before go, the one around it stays');
SELECT is((SELECT sum(events)::bigint FROM went WHERE partition LIKE '%\_ro\_%'), (SELECT :old::bigint - (SELECT coalesce(sum(events), 0) FROM went WHERE partition NOT LIKE '%\_ro\_%'))::bigint, 'with their events');
SELECT is((SELECT count(*) FROM nurture.event WHERE recorded_at < '2025-07-01'), 0::bigint, 'which are gone');
SELECT is(pg_temp.scores(), :'before', 'no score has changed');
SELECT is_empty($$SELECT lead_id FROM was FULL JOIN nurture.activity a USING (lead_id) WHERE lead_id BETWEEN 9601 AND 9700 AND (was.signals, was.topics, was.last_event_at) IS DISTINCT FROM (a.signals, a.topics, a.last_event_at)$$, 'nor any tally');
SELECT is(pg_temp.rebuilt(), 0::bigint, 'counting again on the base gives the same bytes');
SELECT ok((SELECT count(*) FROM nurture.activity WHERE base <> '{}' AND base_topics <> '{}' AND base_last_event_at IS NOT NULL) > 80, 'the bases hold what went');
SELECT is((SELECT count(*) FROM nurture.audit WHERE kind = 'retention' AND outcome = 'dropped' AND object = 'partition:nurture_part.event_ro_2025_01' AND reason = 'older than we keep' AND app_user = 'tests'), 1::bigint, 'and it is on record');
SELECT is((SELECT count(*) FROM nurture_partition_drop('2025-07-15')), 0::bigint, 'there is nothing left to drop');

-- rolled on their base, then more goes
SET LOCAL nurture.clock = '2026-10-01T12:00:00Z';
SELECT pg_temp.scores() AS before \gset
SELECT nurture_roll() > 0 AS ok;
SELECT is(pg_temp.scores(), :'before', 'rolling changes no score of leads with a base');
SELECT ok((SELECT count(*) FROM nurture.activity WHERE nurture_tally_rolled(base) IS NOT NULL) > 50, 'which is folded too');
SELECT is_empty($$SELECT lead_id FROM nurture.activity WHERE nurture_tally_rolled(base) > nurture_tally_rolled(signals) OR nurture_tally_rolled(base_topics) > nurture_tally_rolled(topics)
    OR (nurture_tally_rolled(base) IS NOT NULL AND nurture_tally_rolled(signals) IS NULL)$$, 'no further than its tally');
SELECT is(pg_temp.rebuilt(), 0::bigint, 'counting again gives the same bytes');
SELECT pg_temp.scores() AS before \gset
SELECT sum(events) > 0 AS ok FROM nurture_partition_drop('2026-02-01');
SELECT is(pg_temp.rebuilt(), 0::bigint, 'and after more partitions went');
SELECT nurture_rebuild(lead_id) FROM nurture.lead WHERE lead_id BETWEEN 9601 AND 9610 \g /dev/null
SELECT is(pg_temp.rebuilt(), 0::bigint, 'lead by lead too');
DELETE FROM nurture.event WHERE lead_id BETWEEN 9601 AND 9630;
SELECT is(pg_temp.rebuilt(), 0::bigint, 'what is deleted then is taken from what is kept');
SELECT is_empty($$SELECT lead_id FROM nurture.activity WHERE lead_id BETWEEN 9601 AND 9630 AND (nurture_tally_roll(base, nurture_tally_rolled(signals)), last_event_at) IS DISTINCT FROM (signals, base_last_event_at)$$, 'down to the base');

-- keys of dropped events
SET LOCAL nurture.clock = '2026-10-01T12:00:00Z';
INSERT INTO nurture.event (lead_id, event_type, source, source_key, recorded_at, occurred_at) SELECT 9703, 'ro_1', 'web', 'k' || i, '2024-02-01', '2024-02-01' FROM generate_series(1, 3) i;
SELECT is((SELECT array_agg(partition || ' ' || events || ' ' || leads) FROM nurture_partition_drop('2024-03-01')), '{"nurture_part.event_default 3 1"}', 'old rows of the default partition go too');
INSERT INTO nurture.event (lead_id, event_type, source, source_key, occurred_at) VALUES (9703, 'ro_1', 'web', 'k1', '2024-02-01');
SELECT is((SELECT signals FROM nurture.activity WHERE lead_id = 9703), '{27001@2024-02-01:3}', 'a dropped event that comes again is a repetition');
INSERT INTO nurture.event (lead_id, event_type, source, source_key, recorded_at, occurred_at) VALUES (9704, 'ro_1', 'web', 'k1', '2024-02-01', '2024-02-01'), (9704, 'ro_1', NULL, 'k2', '2024-02-01', '2024-02-01');
SELECT count(*) FROM nurture_partition_drop('2024-03-01', forget_keys => true);
SELECT is((SELECT count(*) FROM nurture.event_key WHERE lead_id = 9704), 0::bigint, 'unless its key was forgotten');
SELECT is((SELECT count(*) FROM nurture.event_key WHERE lead_id = 9703), 3::bigint, 'which is asked for each time');

-- detached
SELECT is((SELECT array_agg(partition) FROM nurture_partition_drop('2026-03-01', detach => true)), '{nurture_part.event_ro_2026_02}', 'partitions can be detached instead');
SELECT ok((SELECT count(*) FROM nurture_part.event_ro_2026_02) > 0, 'and keep their rows');
SELECT is((SELECT count(*) FROM nurture.event WHERE recorded_at < '2026-03-01'), 0::bigint, 'which are no events any more');
SELECT is(pg_temp.rebuilt(), 0::bigint, 'counting again gives the same bytes');

-- bad input
SELECT throws_ok($$SELECT * FROM nurture_partition_drop(NULL)$$, '22004', NULL, 'no instant');
SELECT throws_ok($$SELECT * FROM nurture_partition_drop('infinity')$$, '22023', NULL, 'forever');
SELECT throws_ok($$SELECT * FROM nurture_partition_drop('-infinity')$$, '22023', NULL, 'never');
SELECT throws_ok($$SELECT * FROM nurture_partition_drop('2026-10-02')$$, '22023', NULL, 'the future');
SELECT throws_ok($$SELECT nurture_roll(0)$$, '22023', NULL, 'no leads');
SELECT throws_ok($$INSERT INTO nurture.event (lead_id, event_type, recorded_at) VALUES (9705, 'ro_1', 'infinity')$$, '22008', 'recorded_at of event 1 of the statement is out of range', 'recorded at no time');
SELECT throws_ok($$INSERT INTO nurture.event (lead_id, event_type, recorded_at) VALUES (9705, 'ro_1', '-infinity')$$, '22008', NULL, 'or before all time');
SELECT throws_ok($$INSERT INTO nurture.event (lead_id, event_type, recorded_at) VALUES (9705, 'ro_1', nurture_now() + interval '6 minutes')$$, '22008', NULL, 'in the future');
SELECT throws_ok($$INSERT INTO nurture.event (lead_id, event_type, recorded_at) VALUES (9705, 'ro_1', '1969-01-01')$$, '22008', NULL, 'before computers');
SELECT lives_ok($$INSERT INTO nurture.event (lead_id, event_type, recorded_at) VALUES (9705, 'ro_1', nurture_now() + interval '4 minutes')$$, 'clocks differ a little');
SELECT * FROM finish();
ROLLBACK;
