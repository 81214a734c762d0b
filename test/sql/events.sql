-- Events become activity: matching, repetitions, corrections, deletions.
BEGIN;
SELECT plan(59);
SET LOCAL timezone = 'UTC';
SET LOCAL nurture.clock = '2026-06-15 12:00:00+00';
INSERT INTO nurture.event_type (event_type, class, sensitive) VALUES ('ev_viewed', 'content', false), ('ev_form', 'intent', false), ('ev_secret', 'safety', true);
INSERT INTO nurture.tag (dimension, value, tag_id, parent, sensitive) VALUES ('ev', 'area', 65001, NULL, false), ('ev', 'part', 65002, 'area', false),
    ('ev', 'secret', 65003, NULL, true), ('ev', 'below_secret', 65004, 'secret', false);
INSERT INTO nurture.signal (signal, signal_id, event_type, tags, condition, retired_at) VALUES
    ('ev_viewed', 30001, 'ev_viewed', '{}', NULL, NULL),
    ('ev_area', 30002, 'ev_viewed', '{ev:area}', NULL, NULL),
    ('ev_long', 30003, 'ev_viewed', '{}', '$.seconds >= 60', NULL),
    ('ev_both', 30004, 'ev_viewed', '{ev:area,free:tag}', '$.seconds >= 60', NULL),
    ('ev_secret', 30005, 'ev_secret', '{}', NULL, NULL),
    ('ev_hidden', 30006, 'ev_viewed', '{ev:secret}', NULL, NULL),
    ('ev_retired', 30007, 'ev_viewed', '{}', NULL, '2026-06-01 00:00+00'),
    ('ev_dated', 30008, 'ev_form', '{}', '$.day.datetime() > "2026-01-01T00:00:00+00".datetime()', NULL);
INSERT INTO nurture.lead (lead_id) SELECT generate_series(9001, 9020);
CREATE FUNCTION pg_temp.signals(lead bigint) RETURNS text LANGUAGE sql AS
$$ SELECT string_agg(s.signal || ' ' || u.count || coalesce(' on ' || to_char(u.day, 'MM-DD'), ' ever'), ', ' ORDER BY s.signal_id, u.day NULLS FIRST)
   FROM nurture.activity a, nurture_tally_unnest(a.signals) u JOIN nurture.signal s ON s.signal_id = u.signal WHERE a.lead_id = lead $$;
CREATE FUNCTION pg_temp.topics(lead bigint) RETURNS text LANGUAGE sql AS
$$ SELECT topics::text FROM nurture.activity WHERE lead_id = lead $$;

-- matching
INSERT INTO nurture.event (lead_id, event_type, occurred_at) VALUES (9001, 'ev_viewed', '2026-06-02 23:59:59+00');
SELECT is(pg_temp.signals(9001), 'ev_viewed 1 on 06-02', 'by type');
SELECT is(last_event_at, '2026-06-02 23:59:59+00', 'with its time') FROM nurture.activity WHERE lead_id = 9001;
INSERT INTO nurture.event (lead_id, event_type, occurred_at, tags) VALUES (9001, 'ev_viewed', '2026-06-03', '{ev:area}');
SELECT is(pg_temp.signals(9001), 'ev_viewed 1 on 06-02, ev_viewed 1 on 06-03, ev_area 1 on 06-03', 'by tag');
INSERT INTO nurture.event (lead_id, event_type, occurred_at, tags) VALUES (9001, 'ev_viewed', '2026-06-04', '{ev:part,ev:part,un:known,NULL}');
SELECT is(pg_temp.signals(9001), 'ev_viewed 1 on 06-02, ev_viewed 1 on 06-03, ev_viewed 1 on 06-04, ev_area 1 on 06-03, ev_area 1 on 06-04', 'a tag below counts for the one above');
SELECT is(pg_temp.topics(9001), '{65001@2026-06-03:1, 65002@2026-06-04:1}', 'topics are the known tags of the event itself, once each');
INSERT INTO nurture.event (lead_id, event_type, occurred_at, tags, properties) VALUES
    (9002, 'ev_viewed', '2026-06-03', NULL, '{"seconds": 60}'), (9002, 'ev_viewed', '2026-06-03', NULL, '{"seconds": 59}'), (9002, 'ev_viewed', '2026-06-03', NULL, '{"seconds": "many"}'),
    (9002, 'ev_viewed', '2026-06-03', NULL, '{}'), (9002, 'ev_viewed', '2026-06-03', NULL, '[]'), (9002, 'ev_viewed', '2026-06-03', NULL, 'null');
SELECT is(pg_temp.signals(9002), 'ev_viewed 6 on 06-03, ev_long 1 on 06-03', 'by predicate; what cannot be compared does not match');
INSERT INTO nurture.event (lead_id, event_type, occurred_at, tags, properties) VALUES
    (9003, 'ev_viewed', '2026-06-03', '{ev:part,free:tag}', '{"seconds": 61}'), (9003, 'ev_viewed', '2026-06-03', '{ev:part}', '{"seconds": 61}');
SELECT is(pg_temp.signals(9003), 'ev_viewed 2 on 06-03, ev_area 2 on 06-03, ev_long 2 on 06-03, ev_both 1 on 06-03', 'all tags and the predicate; a tag outside the vocabulary by its text');
INSERT INTO nurture.event (lead_id, event_type, occurred_at) VALUES (9004, 'ev_viewed', '2026-05-31 23:59+00'), (9004, 'ev_viewed', '2026-06-01 00:00+00');
SELECT is(pg_temp.signals(9004), 'ev_viewed 1 on 05-31, ev_viewed 1 on 06-01, ev_retired 1 on 05-31', 'a retired signal counts what occurred before');
INSERT INTO nurture.event (lead_id, event_type, properties) VALUES (9005, 'ev_form', '{"day": "2026-05-01"}'), (9005, 'ev_form', '{"day": "2026-05-01T00:00:00+00"}'), (9005, 'ev_form', '{"day": "soon"}');
SELECT is(pg_temp.signals(9005), 'ev_dated 1 on 06-15', 'an error of a predicate is no match');

-- what must not be guessed
INSERT INTO nurture.event (lead_id, event_type, tags) VALUES (9006, 'ev_secret', '{ev:area}'), (9006, 'ev_viewed', '{ev:secret,ev:below_secret}');
SELECT is(pg_temp.signals(9006), 'ev_viewed 1 on 06-15', 'sensitive types, tags and signals on them are not counted');
SELECT is(pg_temp.topics(9006), '{}', 'nor are their topics');
SELECT is((SELECT count(*) FROM nurture.event WHERE lead_id = 9006), 2::bigint, 'but the events are kept');

-- statements
INSERT INTO nurture.event (lead_id, event_type) SELECT 9001, 'ev_viewed' WHERE false;
SELECT is((SELECT count(*) FROM nurture.activity WHERE lead_id BETWEEN 9001 AND 9020), 6::bigint, 'no rows, nothing done');
INSERT INTO nurture.event (lead_id, event_type, occurred_at) SELECT 9007 + i % 3, 'ev_viewed', '2026-06-10' FROM generate_series(1, 30) i;
SELECT is((SELECT array_agg(nurture_tally_count(signals, 'ev_viewed') ORDER BY lead_id) FROM nurture.activity WHERE lead_id BETWEEN 9007 AND 9009), '{10,10,10}'::bigint[], 'many leads in one statement');
WITH l AS (INSERT INTO nurture.lead (lead_id) VALUES (9030) RETURNING lead_id) INSERT INTO nurture.event (lead_id, event_type) SELECT lead_id, 'ev_viewed' FROM l;
SELECT is(pg_temp.signals(9030), 'ev_viewed 1 on 06-15', 'a lead made by the same statement');
INSERT INTO nurture.event (lead_id, event_type) VALUES (9030, 'ev_form');
SELECT is(pg_temp.signals(9030), 'ev_viewed 1 on 06-15', 'an event without signal changes no count');
MERGE INTO nurture.event e USING (VALUES (9030::bigint, 'ev_viewed')) v(lead, type) ON e.lead_id = v.lead AND e.event_type = 'none' WHEN NOT MATCHED THEN INSERT (lead_id, event_type) VALUES (v.lead, v.type);
SELECT is(pg_temp.signals(9030), 'ev_viewed 2 on 06-15', 'MERGE takes the same path');

-- repetitions
INSERT INTO nurture.event (lead_id, event_type, source, source_key) VALUES (9010, 'ev_viewed', 'web', 'a');
INSERT INTO nurture.event (lead_id, event_type, source, source_key) VALUES (9010, 'ev_viewed', 'web', 'a');
SELECT is(pg_temp.signals(9010), 'ev_viewed 1 on 06-15', 'a repetition is not counted');
SELECT is((SELECT count(*) FROM nurture.event WHERE lead_id = 9010), 1::bigint, 'nor kept');
INSERT INTO nurture.event (lead_id, event_type, source, source_key, channel) VALUES (9010, 'ev_viewed', 'web', 'b', 'first'), (9010, 'ev_viewed', 'web', 'b', 'second'),
    (9010, 'ev_viewed', 'web', 'a', NULL), (9010, 'ev_viewed', NULL, 'a', NULL), (9010, 'ev_viewed', '', 'a', NULL), (9011, 'ev_viewed', 'web', 'a', NULL), (9010, 'ev_viewed', 'app', 'a', NULL), (9010, 'ev_viewed', 'web', NULL, NULL);
SELECT is(pg_temp.signals(9010), 'ev_viewed 5 on 06-15', 'within one statement either; no source is a source of its own');
SELECT is((SELECT string_agg(channel, ',') FROM nurture.event WHERE lead_id = 9010 AND source_key = 'b'), 'first', 'the first of them stays');
SELECT is(pg_temp.signals(9011), 'ev_viewed 1 on 06-15', 'keys belong to a lead');
SELECT is((SELECT count(*) FROM nurture.event_key WHERE lead_id = 9010), 4::bigint, 'keys are kept once');
INSERT INTO nurture.event (lead_id, event_type, source_key) SELECT 9012 + i % 2, 'ev_viewed', 'k' || i / 4 FROM generate_series(0, 39999) i;
SELECT is((SELECT array_agg(nurture_tally_count(signals, 'ev_viewed') ORDER BY lead_id) FROM nurture.activity WHERE lead_id IN (9012, 9013)), '{10000,10000}'::bigint[], 'twenty thousand repetitions in one statement');
SELECT is((SELECT count(*) FROM nurture.event WHERE lead_id IN (9012, 9013)), 20000::bigint, 'are gone');

-- deletions and corrections
DELETE FROM nurture.event WHERE lead_id = 9010 AND source = 'web' AND source_key = 'a';
SELECT is(pg_temp.signals(9010), 'ev_viewed 4 on 06-15', 'a deleted event is taken away');
INSERT INTO nurture.event (lead_id, event_type, source, source_key) VALUES (9010, 'ev_viewed', 'web', 'a');
SELECT is(pg_temp.signals(9010), 'ev_viewed 5 on 06-15', 'and its key may be used again');
UPDATE nurture.event SET source_key = 'z' WHERE lead_id = 9010 AND source = 'web' AND source_key = 'a';
INSERT INTO nurture.event (lead_id, event_type, source, source_key) VALUES (9010, 'ev_viewed', 'web', 'a'), (9010, 'ev_viewed', 'web', 'z');
SELECT is(pg_temp.signals(9010), 'ev_viewed 6 on 06-15', 'a changed key is another key');
SELECT throws_ok($$UPDATE nurture.event SET source_key = 'z' WHERE lead_id = 9010 AND source = 'web' AND source_key = 'a'$$, '23505', 'another event of lead 9010 has this source and source_key', 'a key cannot be taken from another event');
UPDATE nurture.event SET occurred_at = '2026-06-05', tags = '{ev:area}' WHERE lead_id = 9001 AND occurred_at = '2026-06-04';
SELECT is(pg_temp.signals(9001), 'ev_viewed 1 on 06-02, ev_viewed 1 on 06-03, ev_viewed 1 on 06-05, ev_area 1 on 06-03, ev_area 1 on 06-05', 'a corrected event is counted as it is now');
SELECT is(pg_temp.topics(9001), '{65001@2026-06-03:1, 65001@2026-06-05:1}', 'topics too');
SELECT is(last_event_at, '2026-06-05 00:00+00', 'and the latest event') FROM nurture.activity WHERE lead_id = 9001;
UPDATE nurture.event SET channel = 'email' WHERE lead_id = 9001;
SELECT is(pg_temp.topics(9001), '{65001@2026-06-03:1, 65001@2026-06-05:1}', 'what is not counted changes nothing');
DELETE FROM nurture.event WHERE lead_id = 9001 AND occurred_at = '2026-06-05';
SELECT is(last_event_at, '2026-06-03 00:00+00', 'without the latest event the one before is the latest') FROM nurture.activity WHERE lead_id = 9001;
DELETE FROM nurture.event WHERE lead_id = 9001;
SELECT is((signals, topics, last_event_at)::text, '({},{},)', 'without events nothing is left') FROM nurture.activity WHERE lead_id = 9001;

-- folded days
INSERT INTO nurture.event (lead_id, event_type, occurred_at) VALUES (9014, 'ev_viewed', '2026-01-01 01:00+00'), (9014, 'ev_viewed', '2026-01-01 02:00+00'), (9014, 'ev_viewed', '2026-01-02'), (9014, 'ev_viewed', '2026-06-01');
UPDATE nurture.activity SET signals = nurture_tally_roll(signals, '2026-03-01') WHERE lead_id = 9014;
SELECT is(signals::text, '{30001@ever:3/2, 30001@2026-06-01:1, 30007@ever:3/2; rolled 2026-03-01}', 'rolled') FROM nurture.activity WHERE lead_id = 9014;
INSERT INTO nurture.event (lead_id, event_type, occurred_at) VALUES (9014, 'ev_viewed', '2026-01-02 05:00+00');
SELECT is(signals::text, '{30001@ever:4/2, 30001@2026-06-01:1, 30007@ever:4/2; rolled 2026-03-01}', 'a late event on a folded day adds no day that was there') FROM nurture.activity WHERE lead_id = 9014;
DELETE FROM nurture.event WHERE lead_id = 9014 AND occurred_at >= '2026-01-02' AND occurred_at < '2026-01-03';
SELECT is(signals::text, '{30001@ever:2/1, 30001@2026-06-01:1, 30007@ever:2/1; rolled 2026-03-01}', 'deletions on folded days are exact') FROM nurture.activity WHERE lead_id = 9014;
UPDATE nurture.activity SET base = '{30001@2020-01-01:5}' WHERE lead_id = 9014;
SELECT is(nurture_rebuild(9014), 1::bigint, 'a lead is counted again');
SELECT is(signals::text, '{30001@ever:7/2, 30001@2026-06-01:1, 30007@ever:2/1; rolled 2026-03-01}', 'from its events and what dropped partitions gave') FROM nurture.activity WHERE lead_id = 9014;

-- a signal defined later
INSERT INTO nurture.signal (signal, signal_id, event_type) VALUES ('ev_form', 30009, 'ev_form');
INSERT INTO nurture.event (lead_id, event_type) VALUES (9005, 'ev_form');
SELECT is(pg_temp.signals(9005), 'ev_dated 1 on 06-15, ev_form 1 on 06-15', 'counts from then on');
SELECT is(nurture_rebuild(9005), 1::bigint, 'and after a rebuild');
SELECT is(pg_temp.signals(9005), 'ev_dated 1 on 06-15, ev_form 4 on 06-15', 'from the beginning');
SELECT ok(nurture_rebuild() >= 14, 'all leads are counted again');
SELECT is(pg_temp.signals(9003), 'ev_viewed 2 on 06-03, ev_area 2 on 06-03, ev_long 2 on 06-03, ev_both 1 on 06-03', 'to the same');
UPDATE nurture.activity SET signals = '{30001@2026-01-01:99}', last_event_at = NULL WHERE lead_id = 9003;
SELECT isnt(nurture_rebuild(), 0::bigint, 'damage');
SELECT is(pg_temp.signals(9003), 'ev_viewed 2 on 06-03, ev_area 2 on 06-03, ev_long 2 on 06-03, ev_both 1 on 06-03', 'is repaired');
SELECT throws_ok('SELECT nurture_rebuild(1234567)', 'NU004', 'there is no lead 1234567', 'a lead that does not exist');

-- bad input
SELECT throws_ok($$INSERT INTO nurture.event (lead_id, event_type) VALUES (9001, 'ev_viewed'), (1234567, 'ev_viewed')$$, 'NU004', 'there is no lead 1234567, named in event 2 of the statement', 'unknown lead');
SELECT throws_ok($$INSERT INTO nurture.event (lead_id, event_type) VALUES (9001, 'ev_veiwed')$$, 'NU003', 'unknown event type "ev_veiwed"', 'unknown event type');
SELECT throws_ok($$INSERT INTO nurture.event (lead_id, event_type, occurred_at) VALUES (9001, 'ev_viewed', '2026-06-15 12:05:01+00')$$, '22008', 'event 1 of the statement lies in the future', 'future');
SELECT throws_ok($$INSERT INTO nurture.event (lead_id, event_type, occurred_at) VALUES (9001, 'ev_viewed', 'infinity')$$, '22008', 'event 1 of the statement lies in the future', 'infinity');
SELECT throws_ok($$INSERT INTO nurture.event (lead_id, event_type, occurred_at) VALUES (9001, 'ev_viewed', '2026-06-15'), (9001, 'ev_viewed', '-infinity')$$, '22008', 'event 2 of the statement is out of range', '-infinity');
SELECT throws_ok($$INSERT INTO nurture.event (lead_id, event_type, source_key) VALUES (9001, 'ev_viewed', repeat('x', 1048576))$$, '22001', 'source_key of an event is longer than 1024 bytes', '1 MB of key');
SELECT throws_ok($$UPDATE nurture.event SET lead_id = 9002 WHERE lead_id = 9003$$, '55000', NULL, 'events do not change their lead');
SELECT throws_ok($$UPDATE nurture.event SET recorded_at = recorded_at - interval '60 days' WHERE lead_id = 9003$$, '55000', NULL, 'nor when they were recorded');
SELECT lives_ok($$INSERT INTO nurture.event (lead_id, event_type, properties) VALUES (9001, 'ev_viewed', jsonb_build_object('text', repeat('x', 1048576)))$$, '1 MB of properties is fine');
SELECT is(nurture_partition_ahead(0), 1, 'a month without partition gets one');
SELECT is((SELECT count(*) FROM nurture_part.event_2026_06), (SELECT count(*) FROM nurture.event WHERE recorded_at >= '2026-06-01' AND recorded_at < '2026-07-01'), 'and its rows');
SELECT * FROM finish();
ROLLBACK;
