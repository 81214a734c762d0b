-- New signals and topics are filled from stored events: exactly, in parts, and
-- as often as one likes. What a signal measures stays what it was.
BEGIN;
SELECT plan(61);
SET LOCAL timezone = 'UTC';
SET LOCAL nurture.clock = '2026-06-15 12:00:00+00';
INSERT INTO nurture.event_type (event_type, class) VALUES ('bf_viewed', 'content'), ('bf_form', 'intent');
INSERT INTO nurture.tag (dimension, value, tag_id, parent) VALUES ('bf', 'area', 65301, NULL);
INSERT INTO nurture.signal (signal, signal_id, event_type) VALUES ('bf_viewed', 28001, 'bf_viewed');
INSERT INTO nurture.lead (lead_id) SELECT generate_series(9501, 9540);
INSERT INTO nurture.event (lead_id, event_type, occurred_at, tags, properties)
    SELECT 9501 + i % 30, CASE WHEN i % 3 = 0 THEN 'bf_form' ELSE 'bf_viewed' END, '2026-06-10'::timestamptz - i * interval '7 hours',
        CASE WHEN i % 4 = 0 THEN ARRAY['bf:area', 'bf:new', 'bf:new'] WHEN i % 5 = 0 THEN ARRAY['bf:new'] END, jsonb_build_object('n', i % 10) FROM generate_series(1, 600) i;
CREATE FUNCTION pg_temp.rebuilt() RETURNS bigint LANGUAGE plpgsql AS
$$
DECLARE
    differ bigint;
BEGIN
    CREATE TEMP TABLE kept ON COMMIT DROP AS SELECT * FROM nurture.activity;
    PERFORM nurture_rebuild();
    SELECT count(*) INTO differ FROM kept k FULL JOIN nurture.activity a USING (lead_id) WHERE (k.signals, k.topics, k.last_event_at) IS DISTINCT FROM (a.signals, a.topics, a.last_event_at);
    DROP TABLE kept;
    RETURN differ;
END
$$;
CREATE FUNCTION pg_temp.total(signal integer) RETURNS bigint LANGUAGE sql AS $$ SELECT sum(nurture_tally_count(signals, signal)) FROM nurture.activity WHERE lead_id BETWEEN 9501 AND 9540 $$;
SELECT count(*) AS leads FROM nurture.activity \gset

-- a signal
INSERT INTO nurture.signal (signal, signal_id, event_type, tags, condition) VALUES ('bf_new', 28002, 'bf_form', '{bf:area}', '$.n > 2');
SELECT is(pg_temp.total(28002), 0::numeric::bigint, 'a new signal has nothing');
SELECT is(nurture_backfill('bf_new'), :leads::bigint, 'every lead is gone through');
SELECT is(pg_temp.total(28002), (SELECT count(*) FROM nurture.event WHERE event_type = 'bf_form' AND 'bf:area' = ANY (tags) AND (properties ->> 'n')::int > 2), 'every event that matches is counted');
SELECT is(pg_temp.rebuilt(), 0::bigint, 'the bytes are those of counting all again');
SELECT is(nurture_backfill('bf_new'), 0::bigint, 'finished, there is nothing to do');
SELECT is(nurture_backfill('bf_new', again => true), :leads::bigint, 'unless it is to be done again');
SELECT is(pg_temp.rebuilt(), 0::bigint, 'which changes nothing');
INSERT INTO nurture.event (lead_id, event_type, tags, properties) VALUES (9501, 'bf_form', '{bf:area}', '{"n": 3}');
SELECT is(nurture_backfill('bf_new', again => true), :leads::bigint, 'what the trigger has counted');
SELECT is(pg_temp.rebuilt(), 0::bigint, 'is not counted twice');

-- in parts
INSERT INTO nurture.signal (signal, signal_id, event_type) VALUES ('bf_parts', 28003, 'bf_form');
SELECT is(nurture_backfill('bf_parts', 7), least(7, :leads)::bigint, 'seven leads');
SELECT is((SELECT done || '/' || total || ' ' || state FROM nurture_bi.backfill_progress WHERE signal = 'bf_parts'), '7/' || :leads || ' unfinished', 'are shown as progress');
SELECT is((SELECT percent FROM nurture_bi.backfill_progress WHERE signal = 'bf_parts'), round(700.0 / :leads, 1), 'in percent too');
SELECT is((SELECT count(*) FROM nurture.activity WHERE nurture_tally_count(signals, 28003) > 0), (SELECT filled FROM nurture.backfill WHERE signal = 'bf_parts'), 'and are those that have it');
SAVEPOINT interrupted;
SELECT nurture_backfill('bf_parts', 11) AS done;
ROLLBACK TO interrupted;
INSERT INTO nurture.event (lead_id, event_type) VALUES (9501, 'bf_form'), (9530, 'bf_form'), (9540, 'bf_form');
DELETE FROM nurture.event WHERE event_id IN (SELECT max(event_id) FROM nurture.event WHERE event_type = 'bf_form' AND lead_id IN (9510, 9520) GROUP BY lead_id);
SELECT is((SELECT done FROM nurture.backfill WHERE signal = 'bf_parts'), 7::bigint, 'an interrupted call has done nothing');
SELECT is(nurture_backfill('bf_parts', 10), 10::bigint, 'the next goes on');
SELECT is(nurture_backfill('bf_parts'), (SELECT count(*) FROM nurture.activity) - 17, 'to the end');
SELECT is((SELECT state || ' ' || percent FROM nurture_bi.backfill_progress WHERE signal = 'bf_parts'), 'finished 100.0', 'and is finished');
SELECT is(pg_temp.total(28003), (SELECT count(*) FROM nurture.event WHERE event_type = 'bf_form'), 'all is counted once');
SELECT is(pg_temp.rebuilt(), 0::bigint, 'the bytes are those of counting all again');

-- rolled leads, a base, saturated counts
UPDATE nurture.activity SET signals = nurture_tally_roll(signals, '2026-03-01'), topics = nurture_tally_roll(topics, '2026-03-01') WHERE lead_id % 2 = 0 AND lead_id BETWEEN 9501 AND 9540;
INSERT INTO nurture.signal (signal, signal_id, event_type) VALUES ('bf_rolled', 28004, 'bf_viewed');
UPDATE nurture.activity SET base = '{28004@2026-01-01:2, 28001@2026-01-01:1}' WHERE lead_id IN (9504, 9505);
SELECT nurture_rebuild(9504) + nurture_rebuild(9505) AS rebuilt;
UPDATE nurture.activity SET signals = nurture_tally_merge(signals, '{28004@2026-05-01:max}') WHERE lead_id = 9506;
SELECT nurture_backfill('bf_rolled') > 0 AS ok;
SELECT is(pg_temp.rebuilt(), 0::bigint, 'folded days, the base and saturated counts come out as counting again makes them');
SELECT is((SELECT nurture_tally_count(signals, 28004) - nurture_tally_count(signals, 28001) FROM nurture.activity WHERE lead_id = 9504), 1::bigint, 'the base is part of it');

-- retired
INSERT INTO nurture.signal (signal, signal_id, event_type, retired_at) VALUES ('bf_retired', 28005, 'bf_viewed', '2026-03-01 00:00+00');
SELECT nurture_backfill('bf_retired') > 0 AS ok;
SELECT is(pg_temp.total(28005), (SELECT count(*) FROM nurture.event WHERE event_type = 'bf_viewed' AND occurred_at < '2026-03-01'), 'a retired signal is filled up to when it was retired');
SELECT is(pg_temp.rebuilt(), 0::bigint, 'as counting again does');
UPDATE nurture.signal SET retired_at = '2026-02-01' WHERE signal = 'bf_retired';
SELECT is((SELECT count(*) FROM nurture.backfill WHERE signal = 'bf_retired'), 0::bigint, 'retired earlier, it can be filled again');
SELECT nurture_backfill('bf_retired') > 0 AS ok;
SELECT is(pg_temp.total(28005), (SELECT count(*) FROM nurture.event WHERE event_type = 'bf_viewed' AND occurred_at < '2026-02-01'), 'which takes counts out');
UPDATE nurture.signal SET retired_at = NULL WHERE signal = 'bf_retired';
SELECT nurture_backfill('bf_retired') > 0 AS ok;
SELECT is(pg_temp.total(28005), (SELECT count(*) FROM nurture.event WHERE event_type = 'bf_viewed'), 'and no longer retired, puts them in');
UPDATE nurture.signal SET retired_at = '2026-07-01' WHERE signal = 'bf_retired';
SELECT is(pg_temp.rebuilt(), 0::bigint, 'counting again gives the same bytes');

-- topics
INSERT INTO nurture.tag (dimension, value, tag_id, parent) VALUES ('bf', 'new', 65302, NULL);
SELECT is((SELECT count(*) FROM nurture.activity WHERE nurture_tally_last(topics, 65302) IS NOT NULL), 0::bigint, 'a new tag has no interest');
SELECT nurture_backfill('bf:new') > 0 AS ok;
SELECT is((SELECT sum(nurture_tally_count(topics, 65302)) FROM nurture.activity)::bigint, (SELECT count(*) FROM nurture.event WHERE 'bf:new' = ANY (tags)), 'until it is filled, each event once');
SELECT is(pg_temp.rebuilt(), 0::bigint, 'as counting again does');
SELECT is((SELECT state FROM nurture_bi.backfill_progress WHERE signal = 'bf:new'), 'finished', 'with progress of its own');

-- re-tagging an asset changes no history, filling neither
SELECT count(nurture_add_asset(jsonb_build_object('asset_id', 'bf_asset', 'title', 'x', 'format', 'article', 'message_class', 'promotional', 'channels', '["email"]'::jsonb,
    'markets', '["*"]'::jsonb, 'languages', '["*"]'::jsonb, 'audience_types', '["*"]'::jsonb, 'tags', '["bf:area"]'::jsonb))) AS added;
INSERT INTO nurture.event (lead_id, event_type, occurred_at, asset_id, version) VALUES (9539, 'bf_viewed', '2026-06-11', 'bf_asset', 1);
SELECT is((SELECT topics FROM nurture.activity WHERE lead_id = 9539), '{65301@2026-06-11:1}', 'an event has the tags of its asset');
UPDATE nurture.asset_tag SET value = 'new' WHERE asset_id = 'bf_asset';
INSERT INTO nurture.event (lead_id, event_type, occurred_at, asset_id, version) VALUES (9539, 'bf_viewed', '2026-06-12', 'bf_asset', 1);
INSERT INTO nurture.signal (signal, signal_id, event_type, tags) VALUES ('bf_tagged', 28006, 'bf_viewed', '{bf:area}');
SELECT nurture_backfill('bf_tagged') + nurture_backfill('bf:area') + nurture_backfill('bf:new', again => true) > 0 AS ok;
SELECT is((SELECT topics FROM nurture.activity WHERE lead_id = 9539), '{65301@2026-06-11:1, 65302@2026-06-12:1}', 'tagged otherwise, its earlier events keep theirs');
SELECT is((SELECT nurture_tally_unnest(signals)::text FROM nurture.activity WHERE lead_id = 9539 AND nurture_tally_count(signals, 28006) = 1 LIMIT 1) IS NOT NULL, true, 'for signals too');
SELECT is(pg_temp.rebuilt(), 0::bigint, 'counting again gives the same bytes');

-- what a signal measures does not change
SELECT throws_ok($$UPDATE nurture.signal SET condition = '$.n > 3' WHERE signal = 'bf_new'$$, 'NU006', 'signal "bf_new" has activity and its definition cannot be changed', 'with activity its predicate stays');
SELECT throws_ok($$UPDATE nurture.signal SET tags = '{}' WHERE signal = 'bf_new'$$, 'NU006', NULL, 'its tags too');
SELECT throws_ok($$UPDATE nurture.signal SET event_type = 'bf_viewed' WHERE signal = 'bf_new'$$, 'NU006', NULL, 'its event type too');
SELECT throws_ok($$UPDATE nurture.signal SET signal_id = 28050 WHERE signal = 'bf_new'$$, 'NU006', NULL, 'and its number');
SELECT throws_ok($$DELETE FROM nurture.signal WHERE signal = 'bf_new'$$, 'NU006', 'signal "bf_new" has activity and cannot be deleted', 'it is not deleted');
SELECT throws_ok($$INSERT INTO nurture.signal (signal, event_type, tags) VALUES ('bf_new', 'bf_form', '{}') ON CONFLICT (signal) DO UPDATE SET tags = EXCLUDED.tags$$, 'NU006', NULL, 'nor changed by an upsert');
SELECT lives_ok($$UPDATE nurture.signal SET title = 'Words', owner = 'x', reason = 'y' WHERE signal = 'bf_new'$$, 'words may change');
SELECT lives_ok($$UPDATE nurture.signal SET condition = condition, tags = tags WHERE signal = 'bf_new'$$, 'and nothing may');
INSERT INTO nurture.signal (signal, signal_id, event_type, condition) VALUES ('bf_unused', 28007, 'bf_form', '$.n > 100');
SELECT nurture_backfill('bf_unused') > 0 AS ok;
SELECT lives_ok($$UPDATE nurture.signal SET condition = '$.n > 8' WHERE signal = 'bf_unused'$$, 'without activity all may');
SELECT is((SELECT count(*) FROM nurture.backfill WHERE signal = 'bf_unused'), 0::bigint, 'and it is to be filled anew');
SELECT lives_ok($$DELETE FROM nurture.signal WHERE signal = 'bf_unused'$$, 'or deleted');
UPDATE nurture.activity SET signals = '{}', base = '{28008@ever:3/2; rolled 2026-01-01}' WHERE lead_id = 9540;
INSERT INTO nurture.signal (signal, signal_id, event_type) VALUES ('bf_base', 28008, 'bf_form');
SELECT throws_ok($$UPDATE nurture.signal SET tags = '{bf:area}' WHERE signal = 'bf_base'$$, 'NU006', NULL, 'what only the base knows is activity too');

-- organisations have events of their own
INSERT INTO nurture.account (account_id, name) VALUES (9501, 'bf');
INSERT INTO nurture.account_event (account_id, event_type, occurred_at, tags) SELECT 9501, 'bf_form', '2026-06-01'::timestamptz + i * interval '1 hour', '{bf:later}' FROM generate_series(1, 5) i;
INSERT INTO nurture.signal (signal, signal_id, event_type, tags) VALUES ('bf_account', 28009, 'bf_form', '{bf:later}');
INSERT INTO nurture.tag (dimension, value, tag_id) VALUES ('bf', 'later', 65303);
SELECT nurture_backfill('bf_account', 5) AS done;
SELECT is((SELECT nurture_tally_count(signals, 28009) FROM nurture.account_activity WHERE account_id = 9501), 0::bigint, 'organisations wait for the end');
SELECT nurture_backfill('bf_account') + nurture_backfill('bf:later') > 0 AS ok;
SELECT is((SELECT nurture_tally_count(signals, 28009) + nurture_tally_count(topics, 65303) FROM nurture.account_activity WHERE account_id = 9501), 10::bigint, 'and are filled then');
SELECT throws_ok($$UPDATE nurture.signal SET tags = '{bf:area}' WHERE signal = 'bf_account'$$, 'NU006', NULL, 'what an organisation did is activity too');

-- bad input
SELECT throws_ok($$SELECT nurture_backfill('bf_nwe')$$, 'NU003', NULL, 'an unknown signal');
SELECT throws_ok($$SELECT nurture_backfill('bf:nowhere')$$, 'NU003', NULL, 'an unknown tag');
SELECT throws_ok($$SELECT nurture_backfill('bf_new', 0)$$, '22023', '0 is no number of leads for a batch', 'no batch');
SELECT throws_ok($$CALL nurture_backfill_run('bf_new')$$, '2D000', NULL, 'the procedure commits');
SELECT is(nurture_backfill(NULL), NULL, 'nothing to fill');
-- tags that are counted stay
INSERT INTO nurture.tag (dimension, value, title) VALUES ('topic', 'bf_kept', 'kept'), ('topic', 'bf_unused', 'unused'), ('topic', 'bf_above', 'above');
INSERT INTO nurture.lead (lead_id) VALUES (936900) ON CONFLICT DO NOTHING;
INSERT INTO nurture.event (lead_id, event_type, tags) VALUES (936900, 'page_viewed', '{topic:bf_kept}');
SELECT throws_ok($$DELETE FROM nurture.tag WHERE value = 'bf_kept'$$, 'NU006', 'tag "topic:bf_kept" has activity and cannot be deleted', 'a tag with activity is not deleted');
SELECT throws_ok($$UPDATE nurture.tag SET value = 'bf_other' WHERE value = 'bf_kept'$$, 'NU006', 'tag "topic:bf_kept" has activity and keeps its name and number', 'nor renamed');
SELECT throws_ok($$UPDATE nurture.tag SET tag_id = 65001 WHERE value = 'bf_kept'$$, 'NU006', NULL, 'nor renumbered');
SELECT lives_ok($$UPDATE nurture.tag SET parent = 'bf_above', title = 'moved' WHERE value = 'bf_kept'$$, 'what is above it, and its words, may change');
SELECT lives_ok($$DELETE FROM nurture.tag WHERE value = 'bf_unused'$$, 'what was never counted may go');
DELETE FROM nurture.event WHERE lead_id = 936900;
SELECT lives_ok($$DELETE FROM nurture.tag WHERE value = 'bf_kept'$$, 'or is counted no more');

SELECT * FROM finish();
ROLLBACK;

-- by the procedure, over commits
BEGIN;
INSERT INTO nurture.event_type (event_type, class) VALUES ('bf_run', 'content');
INSERT INTO nurture.lead (lead_id) SELECT generate_series(9541, 9560);
INSERT INTO nurture.event (lead_id, event_type) SELECT 9541 + i % 20, 'bf_run' FROM generate_series(1, 100) i;
INSERT INTO nurture.signal (signal, event_type) VALUES ('bf_run', 'bf_run');
COMMIT;
CALL nurture_backfill_run('bf_run', 6);
SELECT filled, done = total AS all, finished_at IS NOT NULL AS finished FROM nurture.backfill WHERE signal = 'bf_run';
CALL nurture_backfill_run('bf_run', 6, true);
SELECT sum(nurture_tally_count(signals, 'bf_run')) AS counted FROM nurture.activity;
CALL nurture_backfill_run(NULL);
CALL nurture_backfill_run('bf_run', -1);
CREATE ROLE bf_somebody;
SET ROLE bf_somebody;
SELECT nurture_backfill('bf_run');
CALL nurture_backfill_run('bf_run');
SELECT nurture_roll();
SELECT nurture_partition_drop('2020-01-01');
RESET ROLE;
DROP ROLE bf_somebody;
-- the signal's definition is free again once its activity is gone
DELETE FROM nurture.event WHERE event_type = 'bf_run';
DELETE FROM nurture.signal WHERE signal = 'bf_run';
DELETE FROM nurture.event_type WHERE event_type = 'bf_run';
SELECT count(*) FROM nurture.backfill;
DELETE FROM nurture.activity WHERE lead_id BETWEEN 9541 AND 9560;
DELETE FROM nurture.lead WHERE lead_id BETWEEN 9541 AND 9560;
