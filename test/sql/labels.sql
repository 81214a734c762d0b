-- Labels, lists and campaigns: what is said about a lead, and rules that read it.
BEGIN;
SELECT plan(67);
SET LOCAL nurture.clock = '2026-06-15 12:00:00+00';
SET LOCAL timezone = 'UTC';
SET LOCAL nurture.app_user = 'clara';
INSERT INTO nurture.lead (lead_id, audience_type, campaign) SELECT 9400 + i, 'hcp', CASE WHEN i = 1 THEN 'spring' END FROM generate_series(1, 20) i;
INSERT INTO nurture.list (list, title) VALUES ('lb_congress', 'Delegates of the congress'), ('lb_partner', 'Upload of a partner');

-- by function
SELECT is(nurture_label(9401, 'lb_key_opinion', reason => 'speaker'), true, 'a label is set');
SELECT results_eq($$SELECT label, since, until, by, reason FROM nurture.label WHERE lead_id = 9401$$,
    $$VALUES ('lb_key_opinion', '2026-06-15 12:00:00+00'::timestamptz, NULL::timestamptz, 'clara', 'speaker')$$, 'by whom, since when and why');
SELECT is(nurture_label(9401, 'lb_key_opinion', '2026-07-01'), false, 'the lead has it already');
SELECT is((SELECT until FROM nurture.label WHERE lead_id = 9401), '2026-07-01 00:00:00+00'::timestamptz, 'but now until July');
SELECT is(nurture_unlabel(9401, 'lb_key_opinion', 'retired', 'dora'), true, 'it is taken off');
SELECT results_eq($$SELECT until, ended_by, ended_reason FROM nurture.label WHERE lead_id = 9401$$,
    $$VALUES ('2026-06-15 12:00:00+00'::timestamptz, 'dora', 'retired')$$, 'and stays as history');
SELECT is(nurture_unlabel(9401, 'lb_key_opinion'), false, 'what is not there cannot be taken off');
SET LOCAL nurture.clock = '2026-06-16 12:00:00+00';
SELECT is(nurture_label(9401, 'lb_key_opinion', actor => 'emil'), true, 'and set again');
SELECT is((SELECT string_agg(by, ',' ORDER BY since) FROM nurture.label WHERE lead_id = 9401), 'clara,emil', 'in a row of its own');

-- by hand
INSERT INTO nurture.label (lead_id, label) VALUES (9402, 'lb_key_opinion');
SELECT is((SELECT by FROM nurture.label WHERE lead_id = 9402), 'clara', 'a plain INSERT does as well');
SELECT throws_ok($$INSERT INTO nurture.label (lead_id, label, since) VALUES (9402, 'lb_key_opinion', '2026-06-01')$$, '23505', NULL, 'one open at a time');
INSERT INTO nurture.list_member (lead_id, list, origin, source, consent_source, consent_at, consent_evidence) VALUES
    (9402, 'lb_partner', 'partner', 'upload-17.csv', 'partner''s form', '2026-05-01', '{"box": "ticked"}'), (9403, 'lb_congress', NULL, NULL, NULL, NULL, NULL);
SELECT is((SELECT count(*) FROM nurture.consent WHERE lead_id = 9402), 0::bigint, 'the consent behind a list is no permission');
SELECT throws_ok($$INSERT INTO nurture.list_member (lead_id, list) VALUES (9402, 'lb_congres')$$, 'NU003', 'unknown list "lb_congres"', 'an unknown list');
SELECT throws_ok($$INSERT INTO nurture.label (lead_id, label) VALUES (9499, 'lb_x')$$, 'NU004', 'there is no lead 9499', 'an unknown lead');
SELECT throws_ok($$SELECT nurture_label(9499, 'lb_x')$$, 'NU004', 'there is no lead 9499', 'by function too');
SELECT throws_ok($$SELECT nurture_label(9401, 'Key Opinion')$$, '23514', NULL, 'a label is a code');
SELECT throws_ok($$SELECT nurture_label(9401, repeat('x', 64))$$, '23514', NULL, 'of at most 63 letters');
SELECT throws_ok($$SELECT nurture_label(9401, NULL)$$, '22004', 'nurture_label needs a lead and a label', 'NULL is none');
SELECT throws_ok($$SELECT nurture_unlabel(NULL, 'x')$$, '22004', 'nurture_unlabel needs a lead and a label', 'nor a lead');
SELECT throws_ok($$SELECT nurture_label(9401, 'lb_x', '2026-06-16 12:00:00+00')$$, '22023', 'a label cannot end before it begins', 'an end in the past');
SELECT throws_ok($$UPDATE nurture.label SET until = '2026-01-01' WHERE lead_id = 9402$$, '23514', NULL, 'by hand too');

-- conditions
INSERT INTO nurture.model (model, title) VALUES ('lb_model', 'Labels');
SELECT nurture_draft('model', 'lb_model') AS version \gset
CREATE FUNCTION pg_temp.who(condition jsonb) RETURNS text LANGUAGE plpgsql AS
$$
BEGIN
    DELETE FROM nurture.pattern WHERE model = 'lb_model';
    INSERT INTO nurture.pattern (model, version, pattern, condition, points) VALUES ('lb_model', 1, 'asked', condition, 1);
    RETURN (SELECT string_agg((lead_id - 9400)::text, ',' ORDER BY lead_id) FROM nurture_scores('lb_model', 1) WHERE total = 1 AND lead_id BETWEEN 9401 AND 9420);
END
$$;
SELECT is(pg_temp.who('{"label": "lb_key_opinion"}'), '1,2', 'who has a label');
SELECT is(pg_temp.who('{"not": {"label": "lb_key_opinion"}}'), '3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20', 'who has not');
SELECT is(pg_temp.who('{"label": "lb_nobody"}'), NULL, 'a label that nobody has is a label');
SELECT is(pg_temp.who('{"list": "lb_congress"}'), '3', 'who is on a list');
SELECT is(pg_temp.who('{"any": [{"list": "lb_partner"}, {"list": "lb_congress"}]}'), '2,3', 'on one of two');
SELECT is(pg_temp.who('{"campaign": "spring"}'), '1', 'who came by a campaign');
INSERT INTO nurture.event (lead_id, event_type, occurred_at, campaign) VALUES
    (9401, 'page_viewed', nurture_now() - interval '3 days', 'autumn'), (9401, 'page_viewed', nurture_now() - interval '5 days', 'winter'), (9401, 'page_viewed', nurture_now(), NULL),
    (9402, 'page_viewed', nurture_now() - interval '1 day', 'spring');
SELECT is(pg_temp.who('{"campaign": {"latest": "spring"}}'), '2', 'whom it brought last');
SELECT is(pg_temp.who('{"campaign": {"latest": ["autumn", "winter"]}}'), '1', 'by when it occurred, whichever way events came');
SELECT is(pg_temp.who('{"all": [{"campaign": "spring"}, {"campaign": {"latest": "autumn"}}]}'), '1', 'the first campaign stays');
SELECT is((SELECT array_agg(nurture_latest_campaign(i)) FROM unnest(ARRAY[9401, 9402, 9403, 9999, NULL]) i), '{autumn,spring,NULL,NULL,NULL}', 'to ask for');
UPDATE nurture.lead SET campaign = 'congress' WHERE lead_id = 9403;
SELECT is(nurture_latest_campaign(9403), 'congress', 'the only one is the latest too');
UPDATE nurture.lead SET merged_into = 9401 WHERE lead_id = 9402;
SELECT is(nurture_latest_campaign(9402), 'autumn', 'a merged lead has that of its survivor');
UPDATE nurture.lead SET merged_into = NULL, campaign = NULL WHERE lead_id IN (9402, 9403);
SELECT throws_ok($$SELECT pg_temp.who('{"campaign": {"last": "a"}}')$$, 'NU005', 'condition of pattern "asked": term "campaign" does not know "last"', 'what is asked of a campaign');
SELECT throws_ok($$SELECT pg_temp.who('{"list": "lb_congres"}')$$, 'NU005', 'condition of pattern "asked": unknown list "lb_congres"', 'an unknown list is named');
SELECT throws_ok($$SELECT pg_temp.who('{"label": "No Code"}')$$, 'NU005', 'condition of pattern "asked": unknown label "No Code"', 'what is no code is no label');
SELECT throws_ok($$SELECT pg_temp.who('{"label": ["a"]}')$$, 'NU005', NULL, 'one label at a time');

-- ends are seen when they come, in whatever way it is asked
DELETE FROM nurture.pattern WHERE model = 'lb_model';
INSERT INTO nurture.pattern (model, version, pattern, condition, points) VALUES
    ('lb_model', :version, 'labelled', '{"label": "lb_key_opinion"}', 1), ('lb_model', :version, 'listed', '{"list": "lb_partner"}', 10);
INSERT INTO nurture.band (model, version, dimension, band, min_points) VALUES ('lb_model', :version, 'intent', '1', 10);
SELECT nurture_publish('model', 'lb_model', :version, 'tested', true) IS NOT NULL AS published;
CREATE TEMP VIEW one_by_one AS SELECT lead_id, nurture_score(lead_id, 'lb_model') AS total FROM nurture.lead WHERE lead_id BETWEEN 9401 AND 9420;
CREATE TEMP VIEW all_at_once AS SELECT lead_id, total FROM nurture_scores('lb_model') WHERE lead_id BETWEEN 9401 AND 9420;
CREATE TEMP VIEW expected AS SELECT l.lead_id,
        EXISTS (SELECT FROM nurture.label b WHERE b.lead_id = l.lead_id AND b.label = 'lb_key_opinion' AND tstzrange(since, until) @> nurture_now())::int
        + 10.00 * EXISTS (SELECT FROM nurture.list_member m WHERE m.lead_id = l.lead_id AND m.list = 'lb_partner' AND tstzrange(since, until) @> nurture_now())::int AS total
    FROM nurture.lead l WHERE lead_id BETWEEN 9401 AND 9420;
INSERT INTO nurture.label (lead_id, label, since, until) SELECT 9410 + i, 'lb_key_opinion', '2026-06-10', '2026-06-12'::timestamptz + i * interval '1 day' FROM generate_series(1, 10) i;
SELECT results_eq('TABLE one_by_one ORDER BY 1', 'TABLE expected ORDER BY 1', 'one by one in one statement');
SELECT results_eq('TABLE all_at_once ORDER BY 1', 'TABLE expected ORDER BY 1', 'all at once');
SELECT is((SELECT count(*) FROM expected WHERE total = 1), 7::bigint, 'six of the ten are not over yet, one has both');
SET LOCAL nurture.clock = '2026-06-19 12:00:00+00';
SELECT results_eq('TABLE one_by_one ORDER BY 1', 'TABLE expected ORDER BY 1', 'three days later');
SELECT results_eq('TABLE all_at_once ORDER BY 1', 'TABLE expected ORDER BY 1', 'all at once');
SELECT is((SELECT count(*) FROM expected WHERE total = 1), 4::bigint, 'only three are left');
SAVEPOINT before;
DELETE FROM nurture.label WHERE lead_id > 9410;
SELECT is((SELECT sum(total) FROM one_by_one), 12.00, 'own changes are seen');
ROLLBACK TO before;
SELECT is((SELECT sum(total) FROM one_by_one), 15.00, 'and their undoing');
SELECT is(nurture_score(9411, 'lb_model'), 0.00, 'a single lead');
SELECT is(nurture_score(9402, 'lb_model'), 11.00, 'of two marks');
DO $$BEGIN PERFORM set_config(name, 'on', true) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query'); END$$;
SELECT results_eq('TABLE one_by_one ORDER BY 1', 'TABLE expected ORDER BY 1', 'in a parallel worker');
DO $$BEGIN PERFORM set_config(name, 'off', true) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query'); END$$;
SELECT is(nurture_score_at(9412, '2026-06-14 11:00:00+00', 'lb_model', 1, '2026-06-19 12:00:00+00'), NULL, 'a lead that was not there had none');
SELECT is(nurture_score_at(9413, '2026-06-17 11:00:00+00', 'lb_model', 1), 0.00, 'a past that had ended');
SELECT is(nurture_score_at(9416, '2026-06-17 11:00:00+00', 'lb_model', 1), 1.00, 'and one that had not');
SELECT results_eq($$SELECT rule, label FROM nurture_explain(9402, 'lb_model') ORDER BY 1$$,
    $$VALUES ('labelled', 'labelled lb key opinion'), ('listed', 'on list lb partner')$$, 'in words');

-- a label can settle a standing
INSERT INTO nurture.model (model, title, product) VALUES ('lb_tiers', 'Chosen by hand', 'lb');
SELECT nurture_draft('model', 'lb_tiers') AS version \gset
INSERT INTO nurture.tier_rule (model, version, tier, requirement, condition, fails_with) VALUES ('lb_tiers', :version, 1, 'chosen', '{"label": "lb_chosen"}', 'no_fit');
INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points) VALUES ('lb_tiers', :version, 'hcp', 'audience_type', '=', '"hcp"', 10);
INSERT INTO nurture.band (model, version, dimension, band, min_points) VALUES ('lb_tiers', :version, 'fit', 'A', 10);
INSERT INTO nurture.pattern (model, version, pattern, condition, points, label) VALUES ('lb_tiers', :version, 'asked_twice', '{"signal": "demo_requested", "at_least": 2}', 5, 'lb_chosen');
SELECT nurture_publish('model', 'lb_tiers', :version, 'tested', true) IS NOT NULL AS published;
SELECT is((SELECT tier FROM nurture.lead_stage WHERE lead_id = 9405 AND product = 'lb'), NULL, 'no standing yet');
SELECT nurture_label(9405, 'lb_chosen');
SELECT results_eq($$SELECT tier::int, cause FROM nurture.lead_stage WHERE lead_id = 9405 AND product = 'lb'$$, $$VALUES (1, 'label')$$, 'a label decides a tier, at once');
SELECT nurture_unlabel(9405, 'lb_chosen');
SELECT is((SELECT tier::int FROM nurture.lead_stage WHERE lead_id = 9405 AND product = 'lb'), 0, 'and taking it off');

-- an end, or a beginning, that comes by itself
SELECT nurture_label(9408, 'lb_chosen', nurture_now() + interval '5 days 3 hours');
INSERT INTO nurture.label (lead_id, label, since) VALUES (9409, 'lb_chosen', nurture_now() + interval '4 days');
SELECT results_eq($$SELECT g.lead_id, g.due_at - nurture_now() FROM nurture.gate g WHERE g.lead_id IN (9408, 9409) ORDER BY 1$$, $$VALUES (9408::bigint, interval '5 days 3 hours'), (9409, interval '4 days')$$, 'the tick knows when');
SELECT is((SELECT string_agg(lead_id || ':' || tier, ' ' ORDER BY lead_id) FROM nurture.lead_stage WHERE lead_id IN (9408, 9409) AND product = 'lb'), '9408:1 9409:0', 'until then');
SELECT nurture_now() AS before_end \gset
SELECT set_config('nurture.clock', to_char((:'before_end'::timestamptz + interval '5 days') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), true) <> '' AS later;
SELECT count(*) > 0 AS ticked FROM nurture_tick(1000, '1 min');
SELECT is((SELECT string_agg(lead_id || ':' || tier, ' ' ORDER BY lead_id) FROM nurture.lead_stage WHERE lead_id IN (9408, 9409) AND product = 'lb'), '9408:1 9409:1', 'one has begun');
SELECT set_config('nurture.clock', to_char((:'before_end'::timestamptz + interval '5 days 3 hours') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), true) <> '' AS later;
SELECT count(*) > 0 AS ticked FROM nurture_tick(1000, '1 min');
SELECT is((SELECT string_agg(lead_id || ':' || tier, ' ' ORDER BY lead_id) FROM nurture.lead_stage WHERE lead_id IN (9408, 9409) AND product = 'lb'), '9408:0 9409:1', 'and one has ended');
SELECT is((SELECT cause FROM nurture.lead_stage WHERE lead_id = 9408 AND product = 'lb'), 'due', 'because it was due');

-- and a pattern sets one
INSERT INTO nurture.event (lead_id, event_type) VALUES (9406, 'demo_requested'), (9407, 'demo_requested');
SELECT is_empty($$SELECT FROM nurture.label WHERE lead_id IN (9406, 9407)$$, 'a pattern that is not true sets no label');
INSERT INTO nurture.event (lead_id, event_type) VALUES (9406, 'demo_requested');
SELECT results_eq($$SELECT lead_id, label, by FROM nurture.label WHERE lead_id IN (9406, 9407)$$, $$VALUES (9406::bigint, 'lb_chosen', 'pattern:asked_twice')$$, 'one that is does, with the event');
SELECT is((SELECT tier::int FROM nurture.lead_stage WHERE lead_id = 9406 AND product = 'lb'), 1, 'which decides the tier in turn');
INSERT INTO nurture.event (lead_id, event_type) VALUES (9406, 'demo_requested');
SELECT is((SELECT count(*) FROM nurture.label WHERE lead_id = 9406), 1::bigint, 'once');
SELECT nurture_unlabel(9406, 'lb_chosen', 'a student');
INSERT INTO nurture.event (lead_id, event_type) VALUES (9406, 'demo_requested');
SELECT is_empty($$SELECT FROM nurture.label WHERE lead_id = 9406 AND until IS NULL$$, 'what a person took off is not set again');
SELECT throws_ok($$INSERT INTO nurture.pattern (model, version, pattern, condition, points, label) VALUES ('lb_model', 2, 'x', '{"all": []}', 1, 'No Code')$$, '23514', NULL, 'a label of a pattern is a code');

-- an erased or deleted lead has no labels and is on no list
SELECT nurture_label(i, 'lb_chosen') FROM unnest(ARRAY[9405, 9407, 9408]) i;
INSERT INTO nurture.list_member (lead_id, list) VALUES (9405, 'lb_partner'), (9407, 'lb_partner'), (9408, 'lb_partner') ON CONFLICT DO NOTHING;
UPDATE nurture.lead SET erased_at = nurture_now() WHERE lead_id = 9405;
DELETE FROM nurture.lead WHERE lead_id = 9407;
SELECT results_eq($$SELECT lead_id, 'label' FROM nurture.label WHERE lead_id IN (9405, 9407, 9408) AND label = 'lb_chosen' UNION SELECT lead_id, 'list' FROM nurture.list_member WHERE lead_id IN (9405, 9407, 9408) ORDER BY 1, 2$$,
    $$VALUES (9408::bigint, 'label'), (9408, 'list')$$, 'what an erased or deleted lead was called goes');
SELECT * FROM finish();
ROLLBACK;
