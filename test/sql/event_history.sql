-- Events that were corrected or deleted: what is kept of them, and that scores
-- are told as they were known; what goes with partitions, leads and persons.
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL timezone = 'UTC';
SELECT plan(46);

SET LOCAL nurture.clock = '2025-11-01T00:00:00Z';
INSERT INTO nurture.audience_type (audience_type, title) VALUES ('eh_aud', 'A');
INSERT INTO nurture.tag (dimension, value, tag_id) VALUES ('eh', 'a', 65301);
INSERT INTO nurture.event_type (event_type, class, sensitive) VALUES ('eh_view', 'content', false), ('eh_ask', 'intent', false), ('eh_ill', 'content', true);
INSERT INTO nurture.signal (signal, signal_id, event_type, tags, condition) VALUES ('eh_view', 31931, 'eh_view', '{}', NULL), ('eh_ask', 31932, 'eh_ask', '{}', NULL),
    ('eh_ill', 31933, 'eh_ill', '{}', NULL), ('eh_long', 31934, 'eh_view', '{}', '$.seconds >= 60'), ('eh_tag', 31935, 'eh_view', '{eh:a}', NULL);
UPDATE nurture.model SET is_default = false WHERE model = 'default';
INSERT INTO nurture.model (model, audience_types, is_default) VALUES ('eh_model', '{}', true);
SELECT nurture_draft('model', 'eh_model');
INSERT INTO nurture.signal_rule (model, version, rule, signal, points, curve) VALUES ('eh_model', 1, 'view', 'eh_view', 1, 'none'), ('eh_model', 1, 'ask', 'eh_ask', 10, 'none'),
    ('eh_model', 1, 'long', 'eh_long', 100, 'none'), ('eh_model', 1, 'tag', 'eh_tag', 1000, 'none'), ('eh_model', 1, 'ill', 'eh_ill', 0.5, 'none');
INSERT INTO nurture.pattern (model, version, pattern, condition, points) VALUES ('eh_model', 1, 'campaign', '{"campaign": {"latest": ["eh_spring"]}}', 0.25);
SELECT nurture_publish('model', 'eh_model', 1, 'test', true);
INSERT INTO nurture.lead (lead_id, audience_type) SELECT 981000 + i, 'eh_aud' FROM generate_series(1, 20) i;

-- the score at a moment, as known then
CREATE FUNCTION pg_temp.then(lead_id bigint, at timestamptz) RETURNS numeric LANGUAGE sql AS 'SELECT nurture_score_at(lead_id, at, known_at => at)';

-- what is written, and what is not
SET LOCAL nurture.clock = '2026-01-01T00:00:00Z';
INSERT INTO nurture.event (lead_id, event_type, occurred_at, properties) VALUES (981001, 'eh_view', '2025-12-31', '{"seconds": 10}');
SELECT is((SELECT count(*) FROM nurture.event_history), 0::bigint, 'an event that is stored has no history');
UPDATE nurture.event SET event_type = event_type, properties = properties WHERE lead_id = 981001;
UPDATE nurture.event SET event_type = 'eh_ask' WHERE lead_id = 981001 AND false;
SELECT is((SELECT count(*) FROM nurture.event_history), 0::bigint, 'nor one that stays as it is');
SET LOCAL nurture.clock = '2026-01-10T00:00:00Z';
SET LOCAL nurture.change_reason = 'a robot';
SET LOCAL nurture.app_user = 'web team';
UPDATE nurture.event SET event_type = 'eh_ask', tags = '{eh:a}' WHERE lead_id = 981001;
SELECT results_eq($$SELECT h.replaced_at, h.changed, h.reason, h.actor, h.event_type, h.tags, h.properties, h.occurred_at, h.recorded_at FROM nurture.event_history h JOIN nurture.event e USING (lead_id, event_id, recorded_at)$$,
    $$VALUES ('2026-01-10 00:00Z'::timestamptz, '{event_type,tags}'::text[], 'a robot', 'web team', 'eh_view', NULL::text[], '{"seconds": 10}'::jsonb, '2025-12-31 00:00Z'::timestamptz, '2026-01-01 00:00Z'::timestamptz)$$,
    'a corrected one has what it was, until when, and why');
SELECT is(pg_temp.then(981001, '2026-01-09 23:59:59Z'), 1.00, 'a score before counts what was known');
SELECT is(pg_temp.then(981001, '2026-01-10 00:00Z'), 10.00, 'from its moment on what was corrected');
SELECT is(nurture_score_at(981001, '2026-01-09'), 10.00, 'what is known now says the same of before');
SELECT is((SELECT sum(points) FROM nurture_explain(981001, at => '2026-01-09', known_at => '2026-01-09')), 1.00, 'the explanation knows as much');
SELECT is((SELECT sum(points) FROM nurture_explain(981001, known_at => '2026-01-09')), 1.00, 'also of now');
DELETE FROM nurture.event WHERE lead_id = 981001;
SELECT results_eq($$SELECT changed, event_type FROM nurture.event_history WHERE lead_id = 981001 ORDER BY history_no$$, $$VALUES ('{event_type,tags}'::text[], 'eh_view'), ('{}', 'eh_ask')$$, 'a deleted one too');
SELECT is((pg_temp.then(981001, '2026-01-09'), pg_temp.then(981001, '2026-01-10'), nurture_score(981001)), (1.00, 0.00, 0.00), 'of one instant only the end was ever known');

-- many versions of one event
SET LOCAL nurture.change_reason = '';
INSERT INTO nurture.event (lead_id, event_type, occurred_at, source, source_key) VALUES (981002, 'eh_view', '2026-01-09', 'web', 'k'), (981002, 'eh_view', '2026-01-09', 'web', 'other');
SET LOCAL nurture.clock = '2026-01-11T00:00:00Z';
UPDATE nurture.event SET properties = '{"seconds": 90}' WHERE source_key = 'k' AND lead_id = 981002;
SET LOCAL nurture.clock = '2026-01-12T00:00:00Z';
UPDATE nurture.event SET tags = '{eh:a}' WHERE source_key = 'k' AND lead_id = 981002;
SET LOCAL nurture.clock = '2026-01-13T00:00:00Z';
UPDATE nurture.event SET properties = NULL, campaign = 'eh_spring' WHERE source_key = 'k' AND lead_id = 981002;
SET LOCAL nurture.clock = '2026-01-14T00:00:00Z';
DELETE FROM nurture.event WHERE source_key = 'k' AND lead_id = 981002;
SET LOCAL nurture.clock = '2026-01-15T00:00:00Z';
INSERT INTO nurture.event (lead_id, event_type, occurred_at, source, source_key) VALUES (981002, 'eh_ask', '2026-01-09', 'web', 'k');
SELECT results_eq($$SELECT pg_temp.then(981002, '2026-01-09 12:00Z'::timestamptz + i * interval '1 day') FROM generate_series(0, 6) i$$,
    ARRAY[0.00, 2.00, 102.00, 1102.00, 1002.25, 1.00, 11.00], 'each version counts from its moment to the next, and again when it comes back with the same key');
SELECT results_eq($$SELECT nurture_score_at(981002, '2026-01-20', known_at => '2026-01-09 12:00Z'::timestamptz + i * interval '1 day') FROM generate_series(0, 6) i$$,
    ARRAY[0.00, 2.00, 102.00, 1102.00, 1002.25, 1.00, 11.00], 'what was known then may be asked of a later moment');
SELECT is((SELECT count(*) FROM nurture.event_history WHERE lead_id = 981002), 4::bigint, 'a version each');

-- when it happened is corrected
INSERT INTO nurture.event (lead_id, event_type, occurred_at) VALUES (981003, 'eh_view', '2026-01-02');
SET LOCAL nurture.clock = '2026-01-16T00:00:00Z';
UPDATE nurture.event SET occurred_at = '2026-01-15 12:00Z' WHERE lead_id = 981003;
SELECT is((nurture_score_at(981003, '2026-01-15 01:00Z'), pg_temp.then(981003, '2026-01-15 01:00Z')), (0.00, 1.00), 'what turns out to have been later was not yet, but was known');
SELECT is((nurture_score_at(981003, '2026-01-15 13:00Z'), nurture_score(981003)), (1.00, 1.00), 'and is from then on');

-- sensitive events: by the consent of then, whatever they are now
INSERT INTO nurture.event (lead_id, event_type, occurred_at) SELECT l, 'eh_ill', '2026-01-15' FROM unnest(ARRAY[981004, 981005]) l;
SELECT count(nurture_consent(981005, 'given', '*', 'sensitive_inference', source => 'form'));
SET LOCAL nurture.clock = '2026-01-17T00:00:00Z';
UPDATE nurture.event SET event_type = 'eh_view' WHERE lead_id IN (981004, 981005);
SELECT is((pg_temp.then(981004, '2026-01-16'), pg_temp.then(981004, '2026-01-17')), (0.00, 1.00), 'a version of a sensitive kind does not count without consent');
SELECT is((pg_temp.then(981005, '2026-01-16'), pg_temp.then(981005, '2026-01-17')), (0.50, 1.00), 'with it, it does');

-- merged leads: the history stays with whom the event came for
INSERT INTO nurture.event (lead_id, event_type, occurred_at) SELECT l, 'eh_view', '2026-01-16' FROM unnest(ARRAY[981006, 981007, 981008]) l;
SET LOCAL nurture.clock = '2026-01-18T00:00:00Z';
SELECT nurture_merge(981007, 981008, 'test') IS NOT NULL AS merged;
SELECT nurture_merge(981006, 981007, 'test') IS NOT NULL AS merged;
SET LOCAL nurture.clock = '2026-01-19T00:00:00Z';
UPDATE nurture.event SET event_type = 'eh_ask' WHERE lead_id = 981008;
SET LOCAL nurture.clock = '2026-01-20T00:00:00Z';
SELECT nurture_unmerge(merge_id, 'test') IS NOT NULL AS unmerged FROM nurture.merge WHERE absorbed = 981007 AND undone_at IS NULL;
DELETE FROM nurture.event WHERE lead_id = 981008;
SELECT results_eq($$SELECT d, array_agg(pg_temp.then(l, ('2026-01-' || d)::timestamptz) ORDER BY l) FROM generate_series(17, 20) d, generate_series(981006, 981008) l GROUP BY d ORDER BY d$$,
    $$VALUES (17, ARRAY[1.00, 1.00, 1.00]), (18, ARRAY[3.00, 3.00, 3.00]), (19, ARRAY[12.00, 12.00, 12.00]), (20, ARRAY[1.00, 1.00, 1.00])$$, 'versions count where their lead counted');
SELECT results_eq($$SELECT lead_id, event_type FROM nurture.event_history WHERE lead_id BETWEEN 981006 AND 981008 ORDER BY history_no$$, $$VALUES (981008::bigint, 'eh_view'), (981008, 'eh_ask')$$, 'and stay with it');
SELECT is((SELECT array_agg(nurture_score(l) ORDER BY l) FROM generate_series(981006, 981008) l), ARRAY[1.00, 1.00, 1.00], 'now');

-- partitions that are dropped: what counts stays as it was in the end, what was deleted is known to have been
INSERT INTO nurture.event (lead_id, event_type, occurred_at, recorded_at) SELECT l, 'eh_view', '2025-11-10', '2025-11-10' FROM unnest(ARRAY[981009, 981010, 981010, 981011]) l;
SET LOCAL nurture.clock = '2026-01-21T00:00:00Z';
UPDATE nurture.event SET event_type = 'eh_ask' WHERE lead_id = 981009;
UPDATE nurture.event SET event_type = 'eh_ask' WHERE lead_id = 981010;
SET LOCAL nurture.clock = '2026-01-22T00:00:00Z';
DELETE FROM nurture.event WHERE event_id = (SELECT min(event_id) FROM nurture.event WHERE lead_id = 981010);
CREATE TEMP TABLE was AS SELECT l, d, pg_temp.then(l, ('2026-01-' || d)::timestamptz) AS score FROM generate_series(981009, 981011) l, generate_series(20, 23) d;
SELECT results_eq($$SELECT array_agg(score ORDER BY d) FROM was GROUP BY l ORDER BY l$$, $$VALUES (ARRAY[1.00, 10.00, 10.00, 10.00]), (ARRAY[2.00, 20.00, 10.00, 10.00]), (ARRAY[1.00, 1.00, 1.00, 1.00])$$, 'before');
SET LOCAL nurture.clock = '2026-01-24T00:00:00Z';
SELECT is((SELECT sum(events) FROM nurture_partition_drop('2025-12-01')), 3::numeric, 'a partition is dropped');
SELECT results_eq($$SELECT lead_id, event_type, changed FROM nurture.event_history WHERE lead_id BETWEEN 981009 AND 981011 ORDER BY history_no$$,
    $$VALUES (981010::bigint, 'eh_view', '{event_type}'::text[]), (981010, 'eh_ask', '{}')$$, 'of events in it no earlier version stays, of those deleted before they do');
SELECT results_eq($$SELECT array_agg(pg_temp.then(l, ('2026-01-' || d)::timestamptz) ORDER BY d) FROM was GROUP BY l ORDER BY l$$,
    $$VALUES (ARRAY[10.00, 10.00, 10.00, 10.00]), (ARRAY[11.00, 20.00, 10.00, 10.00]), (ARRAY[1.00, 1.00, 1.00, 1.00])$$, 'what it held counts as corrected, once; what was deleted neither comes back nor is lost');
SELECT is((SELECT array_agg(nurture_score(l) ORDER BY l) FROM generate_series(981009, 981011) l), ARRAY[10.00, 10.00, 1.00], 'scores stay');
SELECT is((SELECT nurture_rebuild(981010)), 1::bigint, 'counting again');
SELECT is(nurture_score(981010), 10.00, 'says the same');

-- a day that dropped events and a deleted one share is one day, also when it is folded
INSERT INTO nurture.event (lead_id, event_type, occurred_at, recorded_at) VALUES (981012, 'eh_view', '2025-11-11 08:00Z', '2025-11-11');
INSERT INTO nurture.event (lead_id, event_type, occurred_at) VALUES (981012, 'eh_view', '2025-11-11 09:00Z');
SELECT count(*) FROM nurture_partition_drop('2025-12-01');
SET LOCAL nurture.clock = '2026-03-20T00:00:00Z';
DELETE FROM nurture.event WHERE lead_id = 981012;
SET LOCAL nurture.horizon_days = 90;
SELECT nurture_roll() > 0 AS rolled;
SELECT is((SELECT base::text FROM nurture.activity WHERE lead_id = 981012), '{31931@2025-11-11:1}', 'the base is folded no further than the first event that is known to have been');
SELECT is((pg_temp.then(981012, '2026-03-19'), nurture_score(981012)), (2.00, 1.00), 'both counted');
RESET nurture.horizon_days;

-- whoever may correct events need not be allowed to write their history
CREATE ROLE nurture_test_corrects;
GRANT USAGE ON SCHEMA nurture TO nurture_test_corrects;
GRANT SELECT, UPDATE, DELETE ON nurture.event TO nurture_test_corrects;
INSERT INTO nurture.event (lead_id, event_type) SELECT 981013, 'eh_view' FROM generate_series(1, 3);
SET LOCAL ROLE nurture_test_corrects;
UPDATE nurture.event SET channel = 'web' WHERE lead_id = 981013;
DELETE FROM nurture.event WHERE lead_id = 981013;
SELECT throws_ok($$SELECT 1 FROM nurture.event_history$$, '42501', NULL, 'nor to read it');
RESET ROLE;
SELECT is((SELECT count(*) FROM nurture.event_history WHERE lead_id = 981013), 6::bigint, 'it is written all the same');

-- retention, rectification by hand, access
SELECT is((SELECT done FROM nurture_retain('event_history')), 0::bigint, 'what is young is kept');
UPDATE nurture.retention SET period = '90 days' WHERE retention = 'event_history';
SET LOCAL nurture.clock = '2026-04-11T12:00:00Z';
SELECT results_eq($$SELECT done FROM nurture_retain('event_history')$$, $$VALUES (3::bigint)$$, 'then it goes');
SELECT is((pg_temp.then(981002, '2026-01-10 12:00Z'), pg_temp.then(981002, '2026-01-12 12:00Z')), (102.00, 1102.00), 'what was known before is then told by the first version that is left');
SELECT throws_ok($$UPDATE nurture.retention SET period = '30 days' WHERE retention = 'event_history'$$, '22023', NULL, 'not too soon');
SELECT is(jsonb_array_length(nurture_subject_export(981002) -> 'held' -> 'event_history' -> 'rows'), 3, 'the person is told of it');

-- leads that go, and persons
SELECT nurture_erase(981002, 'objection', 'ticket 1') IS NOT NULL AS erased;
SELECT is_empty($$SELECT 1 FROM nurture.event_history WHERE lead_id = 981002$$, 'an erased lead has no history of events');
SELECT is((SELECT counts -> 'event_history' FROM nurture.erasure WHERE lead_id = 981002), '3'::jsonb, 'its certificate counts what there was');
SELECT is(pg_temp.then(981002, '2026-01-12 12:00Z'), NULL, 'and it has no past');
UPDATE nurture.lead SET erased_at = nurture_now() WHERE lead_id = 981005;
SELECT is_empty($$SELECT 1 FROM nurture.event_history WHERE lead_id = 981005$$, 'nor has one that is marked as erased');
DELETE FROM nurture.event WHERE lead_id = 981005;
SELECT is_empty($$SELECT 1 FROM nurture.event_history WHERE lead_id = 981005$$, 'and nothing is kept of what goes afterwards');
INSERT INTO nurture.event (lead_id, event_type) VALUES (981003, 'eh_view');
DELETE FROM nurture.lead WHERE lead_id IN (981003, 981004);
SELECT is_empty($$SELECT 1 FROM nurture.event_history WHERE lead_id IN (981003, 981004)$$, 'a deleted lead has none');
DELETE FROM nurture.event WHERE lead_id IN (981003, 981004);
SELECT is_empty($$SELECT 1 FROM nurture.event_history WHERE lead_id IN (981003, 981004)$$, 'whose events go after it');

-- restored rows come back as they were: nothing is kept anew
SET LOCAL check_function_bodies = off;
SET LOCAL row_security = off;
SELECT pg_catalog.set_config('search_path', '', true);
UPDATE nurture.event SET channel = 'phone' WHERE lead_id = 981006;
RESET search_path;
RESET row_security;
RESET check_function_bodies;
SELECT is_empty($$SELECT 1 FROM nurture.event_history WHERE lead_id = 981006$$, 'a restore writes no history');

-- a bulk of them
INSERT INTO nurture.event (lead_id, event_type, occurred_at) SELECT 981014 + i % 5, 'eh_view', nurture_now() - i * interval '1 minute' FROM generate_series(1, 2500) i;
UPDATE nurture.event SET event_type = CASE WHEN lead_id = 981014 THEN event_type ELSE 'eh_ask' END WHERE lead_id BETWEEN 981014 AND 981018;
SELECT is((SELECT count(*) FROM nurture.event_history WHERE lead_id BETWEEN 981014 AND 981018), 2000::bigint, 'of a bulk those that change');
DELETE FROM nurture.event WHERE lead_id BETWEEN 981014 AND 981018;
SELECT results_eq($$SELECT lead_id, count(*) FILTER (WHERE event_type = 'eh_view'), count(*) FILTER (WHERE event_type = 'eh_ask') FROM nurture.event_history WHERE lead_id BETWEEN 981014 AND 981018 GROUP BY 1 ORDER BY 1$$,
    $$SELECT 981014::bigint + i, 500::bigint, CASE i WHEN 0 THEN 0 ELSE 500 END::bigint FROM generate_series(0, 4) i$$, 'and all that are deleted');

SELECT * FROM finish();
ROLLBACK;
