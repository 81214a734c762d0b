-- Accounts: the score over what all leads did, spikes, and what the tick
-- writes to nurture.account.
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL nurture.clock = '2026-06-30T12:00:00Z';
SELECT plan(70);
INSERT INTO nurture.event_type (event_type, class) VALUES ('k_page', 'content'), ('k_bounce', 'negative');
INSERT INTO nurture.signal (signal, signal_id, event_type, title) VALUES ('k_page', 32101, 'k_page', 'page viewed'), ('k_bounce', 32102, 'k_bounce', 'bounced');
INSERT INTO nurture.tag (dimension, value, tag_id) VALUES ('topic', 'k_one', 60001), ('topic', 'k_two', 60002), ('topic', 'k_three', 60003), ('offer', 'k_offer', 60004);
INSERT INTO nurture.account (account_id, name, organization_type, country) VALUES
    (910001, 'Clinic', 'hospital', 'DE'), (910002, 'Quiet', NULL, NULL), (910003, 'Nobody', NULL, NULL);
INSERT INTO nurture.lead (lead_id, account_id, role, country, audience_type, created_at) SELECT 910000 + i, 910001, 'physician', 'DE', 'hcp', '2026-01-01' FROM generate_series(1, 7) i;
INSERT INTO nurture.lead (lead_id, account_id, created_at) VALUES (910011, 910002, '2026-01-01');
INSERT INTO nurture.model (model, audience_types) VALUES ('k_model', '{k_none}');
SELECT nurture_draft('model', 'k_model');
INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points) VALUES
    ('k_model', 1, 'role', 'role', 'known', NULL, 1000),
    ('k_model', 1, 'clinic', 'account.organization_type', '=', '"hospital"', 7),
    ('k_model', 1, 'market', 'account.country', 'in', '["DE", "FR"]', 3),
    ('k_model', 1, 'busy', 'account.activity_score', '>=', '0', 500),
    ('k_model', 1, 'stale', 'account.as_of', 'older_than', '3', 250);
INSERT INTO nurture.signal_rule (model, version, rule, signal, points, curve, curve_days) VALUES ('k_model', 1, 'pages', 'k_page', 2, 'half_life', 30);
INSERT INTO nurture.pattern (model, version, pattern, condition, points) VALUES
    ('k_model', 1, 'three', '{"signal": "k_page", "at_least": 3}', 4),
    ('k_model', 1, 'stage', '{"stage": ["new"]}', 2000),
    ('k_model', 1, 'consent', '{"not": {"consent": {"channel": "email", "purpose": "marketing", "is": "given"}}}', 4000);
INSERT INTO nurture.model_limit (model, version, dimension, cap) VALUES ('k_model', 1, 'intent', 20);
SELECT nurture_publish('model', 'k_model', 1, 'test') <> '' AS published;

-- nothing
SELECT is(nurture_account_score(910009), NULL, 'an unknown account has no score');
SELECT is(nurture_account_score(NULL), NULL, 'null in, null out');
SELECT is(nurture_account_score(910001, NULL), NULL, 'null model, null out');
SELECT throws_ok($$SELECT nurture_account_score(910001, 'k_modell')$$, 'NU003', 'unknown model "k_modell"', 'an unknown model is named');
SELECT throws_ok($$SELECT * FROM nurture_account_explain(910001, 'k_modell')$$, 'NU003', NULL, 'by the explanation too');
SELECT is((SELECT count(*) FROM nurture_account_explain(910009)), 0::bigint, 'nothing to explain about an unknown account');
SELECT is((SELECT count(*) FROM nurture_account_spike(910009)), 0::bigint, 'nor a spike');
SELECT is((SELECT count(*) FROM nurture_account_spike(NULL)), 0::bigint, 'nor of nothing');
SELECT is(nurture_account_score(910003, 'k_model'), 0.00, 'an account without leads');
SELECT results_eq($$SELECT * FROM nurture_account_spike(910003)$$, $$VALUES (NULL::numeric, 0::bigint, 0::bigint, false, NULL::numeric, NULL::float8, 7, 0)$$, 'has no history');

-- the sum of what its leads did
SELECT is(nurture_account_score(910001, 'k_model'), 10.00, 'facts of the account; those of its leads, its standing and what the tick writes are unknown');
INSERT INTO nurture.event (lead_id, event_type, occurred_at, tags) VALUES
    (910001, 'k_page', '2026-06-30 08:00Z', '{topic:k_one}'),
    (910002, 'k_page', '2026-05-31 08:00Z', '{topic:k_two}'),
    (910003, 'k_page', '2026-04-01 00:30Z', '{topic:k_three,offer:k_offer}'),
    (910004, 'k_bounce', '2026-06-30 08:00Z', NULL);
-- 10 + 2 + 1 + 0.25 (2 x 2^-3) + 4 for three pages of three leads = 17.25; 2 of 4 leads active, topics 1 and 2 have weight
SELECT is((SELECT sum(points) FROM nurture_explain(910001, 'k_model') WHERE kind = 'pattern'), 6000.00, 'standing and consent are those of a lead');
SELECT results_eq($$SELECT dimension, kind, rule, label, occurrences, raw_points, points FROM nurture_account_explain(910001, 'k_model') ORDER BY 1, 2, 3$$,
    $$VALUES ('account', 'account', 'active_leads', '2 of 7 leads active within 90 days', 2::bigint, 5.00, 5.00),
             ('account', 'account', 'topics', '2 topics of interest', 2, 2.00, 2.00),
             ('fit', 'fit_rule', 'clinic', 'account organization type is hospital', NULL, 7.00, 7.00),
             ('fit', 'fit_rule', 'market', 'account country is DE or FR', NULL, 3.00, 3.00),
             ('intent', 'pattern', 'three', 'page viewed at least 3 times', NULL, 4.00, 4.00),
             ('intent', 'signal_rule', 'pages', 'page viewed 3 times, last on 2026-06-30', 3, 6.00, 3.25)$$, 'the account row by row');
SELECT is(nurture_account_score(910001, 'k_model'), 24.25, 'which add up to its score');
UPDATE nurture.account_policy SET active_days = 91;
SELECT is((SELECT occurrences FROM nurture_account_explain(910001, 'k_model') WHERE rule = 'active_leads'), 3::bigint, 'active within so many days up to today');
UPDATE nurture.account_policy SET topic_dimensions = '{topic,offer}', topic_weight = 0.12, topic_points = 0.5, topic_max = 2, lead_points = -1, lead_max = 1;
SELECT results_eq($$SELECT rule, occurrences, raw_points, points FROM nurture_account_explain(910001, 'k_model') WHERE kind = 'account' ORDER BY rule$$,
    $$VALUES ('active_leads', 3::bigint, -2.00, -1.00), ('topics', 4, 1.50, 1.00)$$, 'as the policy says');
UPDATE nurture.account_policy SET passive_event_types = '{k_page}';
SELECT is((SELECT occurrences FROM nurture_account_explain(910001, 'k_model') WHERE rule = 'active_leads'), 0::bigint, 'what is no activity');
UPDATE nurture.account_policy SET classes = '{negative}', passive_event_types = '{}';
SELECT is((SELECT occurrences FROM nurture_account_explain(910001, 'k_model') WHERE rule = 'active_leads'), 1::bigint, 'and what is');
SAVEPOINT s;
DELETE FROM nurture.account_policy;
SELECT is(nurture_account_score(910001, 'k_model'), 17.25, 'without a policy the rules alone');
SELECT is((SELECT is_spike FROM nurture_account_spike(910001)), false, 'and no spike');
ROLLBACK TO s;
UPDATE nurture.account_policy SET (classes, passive_event_types, active_days, lead_points, lead_max, topic_dimensions, topic_weight, topic_points, topic_max) =
    ('{content,engagement,intent,account}', '{email_delivered,email_opened}', 90, 5, 5, '{topic}', 0.5, 2, 5);

-- limits of the model bound the rules, not the breadth
INSERT INTO nurture.event (lead_id, event_type, occurred_at) SELECT 910000 + i, 'k_page', '2026-06-30 08:00Z' FROM generate_series(1, 7) i;
SELECT is(nurture_account_score(910001, 'k_model'), 10 + 17.25 - 10 + 14 - (3.25 + 14 + 4 - 20) + 5 * 5 + 2.00, 'intent is capped, five further leads and a further topic come on top');

-- who does not count
SAVEPOINT s;
UPDATE nurture.lead SET merged_into = 910001 WHERE lead_id = 910002;
UPDATE nurture.lead SET erased_at = '2026-06-01' WHERE lead_id = 910003;
UPDATE nurture.lead SET is_test = true WHERE lead_id = 910004;
UPDATE nurture.lead SET account_id = NULL WHERE lead_id = 910005;
SELECT is((SELECT label FROM nurture_account_explain(910001, 'k_model') WHERE rule = 'active_leads'), '3 of 3 leads active within 90 days', 'merged, erased and test leads are left out');
SELECT is((SELECT occurrences FROM nurture_account_explain(910001, 'k_model') WHERE rule = 'pages'), 6::bigint, 'with all they did; what a merged lead did counts for its survivor');
SELECT is((SELECT recent FROM nurture_account_spike(910001)), 3::bigint, 'also of spikes');
ROLLBACK TO s;
INSERT INTO nurture.account_activity (account_id, signals, topics) VALUES (910001, '{32101@2026-06-29:2}', '{60003@2026-06-29:1}');
SELECT results_eq($$SELECT rule, occurrences FROM nurture_account_explain(910001, 'k_model') WHERE rule IN ('pages', 'active_leads', 'topics') ORDER BY rule$$,
    $$VALUES ('active_leads', 7::bigint), ('pages', 12), ('topics', 3)$$, 'events of the organisation itself count, for no lead');
SELECT is((SELECT recent FROM nurture_account_spike(910001)), 8::bigint, 'and as one active day');

-- spikes: one lead, one day in eight weeks
INSERT INTO nurture.event (lead_id, event_type, occurred_at) VALUES (910011, 'k_page', '2026-05-01 08:00Z'), (910011, 'k_page', '2026-05-01 09:00Z');
SELECT results_eq($$SELECT ratio, recent, baseline, is_spike, expected, recent_days, baseline_days FROM nurture_account_spike(910002)$$,
    $$VALUES (0.80, 0::bigint, 1::bigint, false, 0.13, 7, 56)$$, 'silence after one visit');
INSERT INTO nurture.event (lead_id, event_type, occurred_at) SELECT 910011, 'k_page', '2026-06-30 08:00Z'::timestamptz - i * interval '1 minute' FROM generate_series(1, 50) i;
SELECT results_eq($$SELECT ratio, recent, is_spike, round(chance::numeric, 6) FROM nurture_account_spike(910002)$$,
    $$VALUES (2.40, 1::bigint, false, 0.209877)$$, 'fifty clicks in one visit are one active day');
INSERT INTO nurture.event (lead_id, event_type, occurred_at) SELECT 910011, 'k_page', '2026-06-24 00:00Z'::timestamptz + i * interval '1 day' FROM generate_series(0, 2) i;
SELECT results_eq($$SELECT ratio, recent, is_spike, round(chance::numeric, 6) FROM nurture_account_spike(910002)$$,
    $$VALUES (7.20, 4::bigint, true, 0.000694)$$, 'four days in a week are more than usual');
SELECT is((SELECT round(chance::numeric, 6) FROM nurture_account_spike(910002)), round((5 * (1 / 9.0) ^ 4 * (8 / 9.0) + (1 / 9.0) ^ 5), 6), 'the chance is the binomial tail');
UPDATE nurture.account_policy SET max_chance = 0.0006;
SELECT is((SELECT is_spike FROM nurture_account_spike(910002)), false, 'unless less chance is asked for');
UPDATE nurture.account_policy SET max_chance = 0.01, min_ratio = 7.21;
SELECT is((SELECT is_spike FROM nurture_account_spike(910002)), false, 'or a higher ratio');
UPDATE nurture.account_policy SET min_ratio = 2, min_recent = 5;
SELECT is((SELECT is_spike FROM nurture_account_spike(910002)), false, 'or more days');
UPDATE nurture.account_policy SET min_recent = 3, recent_days = 1;
SELECT results_eq($$SELECT recent, baseline FROM nurture_account_spike(910002)$$, $$VALUES (1::bigint, 3::bigint)$$, 'the windows are of the policy');
UPDATE nurture.account_policy SET recent_days = 7;
UPDATE nurture.lead SET created_at = '2026-06-20' WHERE lead_id = 910011;
SELECT results_eq($$SELECT ratio, baseline_days FROM nurture_account_spike(910002)$$, $$VALUES (7.15, 54)$$, 'the baseline begins with what is known first');
UPDATE nurture.activity SET signals = nurture_tally_roll(signals, '2026-06-10') WHERE lead_id = 910011;
SELECT results_eq($$SELECT ratio, baseline, baseline_days, is_spike FROM nurture_account_spike(910002)$$, $$VALUES (9.00, 0::bigint, 14, false)$$, 'and not before days that are folded');
UPDATE nurture.activity SET signals = nurture_tally_roll(signals, '2026-06-11') WHERE lead_id = 910011;
SELECT results_eq($$SELECT ratio, recent, baseline, baseline_days, is_spike FROM nurture_account_spike(910002)$$, $$VALUES (NULL::numeric, 4::bigint, 0::bigint, 13, false)$$, 'too little history is no baseline');
SET LOCAL nurture.clock = '2026-05-01T12:00:00Z';
SELECT is((SELECT recent FROM nurture_account_spike(910001)), 0::bigint, 'what comes after today does not count');
SET LOCAL nurture.clock = '2026-06-30T12:00:00Z';

-- the policy
SELECT throws_ok($$UPDATE nurture.account_policy SET max_chance = 1.5$$, '23514', NULL, 'a chance is at most 1');
SELECT throws_ok($$UPDATE nurture.account_policy SET min_baseline_days = 57$$, '23514', NULL, 'a baseline can be long enough');
SELECT throws_ok($$UPDATE nurture.account_policy SET lead_points = 'NaN'$$, '23514', NULL, 'points are numbers');
SELECT throws_ok($$UPDATE nurture.account_policy SET classes = '{NULL}'$$, '23514', NULL, 'classes are codes');
SELECT throws_ok($$INSERT INTO nurture.account_policy (policy) VALUES ('second')$$, '23514', NULL, 'there is one');

-- the tick
SET LOCAL nurture.clock = '2026-06-30T12:30:00Z';
CREATE FUNCTION pg_temp.tick() RETURNS bigint LANGUAGE sql AS $$ SELECT done FROM nurture_tick(1000, '1 minute') WHERE kind = 'account' $$;
SELECT ok(pg_temp.tick() >= 3, 'accounts without figures are due');
SELECT results_eq($$SELECT account_id, activity_score, spike, active_leads, as_of FROM nurture.account WHERE account_id > 910000 ORDER BY 1$$,
    $$SELECT a, nurture_account_score(a), CASE WHEN s.is_spike THEN s.ratio WHEN s.ratio IS NOT NULL THEN 0 END,
             (SELECT e.occurrences::integer FROM nurture_account_explain(a) e WHERE e.rule = 'active_leads'), nurture_now()
      FROM generate_series(910001, 910003::bigint) a, nurture_account_spike(a) s ORDER BY 1$$, 'the figures are those of the functions');
SELECT is((SELECT spike FROM nurture.account WHERE account_id = 910001), (SELECT ratio FROM nurture_account_spike(910001)), 'a spike');
SELECT is(pg_temp.tick(), 0::bigint, 'then nothing is due');
SELECT is(nurture_account_score(910001, 'k_model'), nurture_account_score(910001, 'k_model'), 'scores do not feed on themselves');
SET LOCAL nurture.clock = '2026-06-30T12:45:00Z';
INSERT INTO nurture.event (lead_id, event_type) VALUES (910011, 'k_page');
SELECT is(pg_temp.tick(), 0::bigint, 'a sweep is made once an hour');
SET LOCAL nurture.clock = '2026-06-30T13:30:00Z';
SELECT is(pg_temp.tick(), 1::bigint, 'and finds the account whose lead did something');
SELECT is((SELECT as_of FROM nurture.account WHERE account_id = 910002), nurture_now(), 'whose figures are of now');
SET LOCAL nurture.clock = '2026-06-30T15:00:00Z';
SELECT is(pg_temp.tick(), 0::bigint, 'once');
INSERT INTO nurture.event (lead_id, event_type, occurred_at) VALUES (910001, 'k_page', '2026-06-01 08:00Z');
SET LOCAL nurture.clock = '2026-06-30T16:00:00Z';
SELECT is(pg_temp.tick(), 1::bigint, 'an event that came late shows in the same way when the lead was active lately');
SET LOCAL nurture.clock = '2026-07-01T12:30:00Z';
SELECT ok(pg_temp.tick() >= 1, 'figures of yesterday are due');
SELECT is((SELECT as_of FROM nurture.account WHERE account_id = 910003), nurture_now(), 'of every account');
SELECT is((SELECT count(*) FROM nurture_tick(1, '0') WHERE kind = 'account' AND done <= 1), 1::bigint, 'so many at a time');

-- as facts of its leads
SELECT is((SELECT raw_points FROM nurture_explain(910001, 'k_model') WHERE rule = 'busy'), 500.00, 'the figures are facts');
SELECT is((SELECT count(*) FROM nurture_explain(910001, 'k_model') WHERE rule = 'stale'), 0::bigint, 'of today');
SET LOCAL nurture.clock = '2026-07-05T12:00:00Z';
SELECT is((SELECT count(*) FROM nurture_explain(910001, 'k_model') WHERE rule = 'stale'), 1::bigint, 'which grow old');
SELECT is((SELECT (total - nurture_score(910001, 'k_model'))::text FROM nurture_scores('k_model') WHERE lead_id = 910001), '0.00', 'in all forms of the score');

-- an account whose figures cannot be made stands in nobody's way
SAVEPOINT s;
INSERT INTO nurture.model (model) VALUES ('k_over');
SELECT nurture_draft('model', 'k_over');
INSERT INTO nurture.signal_rule (model, version, rule, signal, points) SELECT 'k_over', 1, 'r' || i, 'k_page', 9999999.99 FROM generate_series(1, 3) i;
SELECT nurture_publish('model', 'k_over', 1, 'test') <> '' AS published;
UPDATE nurture.model SET is_default = false WHERE model = 'default';
UPDATE nurture.model SET is_default = true WHERE model = 'k_over';
UPDATE nurture.activity SET signals = '{32101@2026-07-01:max}' WHERE lead_id = 910001;
SET LOCAL nurture.clock = '2026-07-07T12:00:00Z';
SELECT throws_ok('SELECT nurture_account_score(910001)', '22003', 'points of model "k_over" version 1 are out of range', 'points that cannot be added up are an error');
SELECT ok(pg_temp.tick() >= 3, 'but not of the tick');
SELECT results_eq($$SELECT activity_score IS NULL, spike IS NULL, active_leads IS NULL, as_of = nurture_now() FROM nurture.account WHERE account_id BETWEEN 910001 AND 910002 ORDER BY account_id$$,
    $$VALUES (true, true, true, true), (false, false, false, true)$$, 'such an account has no figures until it is tried again');
SELECT results_eq('SELECT lead_id, kind, sqlstate FROM nurture.tick_error WHERE kind = ''account''', $$VALUES (910001::bigint, 'account', '22003')$$, 'and is listed');
SELECT is(pg_temp.tick(), 0::bigint, 'not at once');
ROLLBACK TO s;

-- rights: over what the reader may see
CREATE ROLE nurture_test_rep;
GRANT USAGE ON SCHEMA nurture TO nurture_test_rep;
GRANT SELECT (account_id, name) ON nurture.account TO nurture_test_rep;
GRANT SELECT ON nurture.activity, nurture.lead TO nurture_test_rep;
SET LOCAL ROLE nurture_test_rep;
SELECT throws_ok('SELECT * FROM nurture_account_spike(910001)', '42501', NULL, 'who may not read events of organisations gets no spike');
RESET ROLE;
GRANT SELECT ON nurture.account_activity TO nurture_test_rep;
ALTER TABLE nurture.lead ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON nurture.lead TO nurture_test_rep USING (lead_id <= 910002);
SET LOCAL ROLE nurture_test_rep;
SELECT throws_ok('SELECT nurture_account_score(910001)', '42501', NULL, 'who may not read facts of accounts gets no score');
SELECT is((SELECT recent FROM nurture_account_spike(910001)), 3::bigint, 'activity of hidden leads is not told');
RESET ROLE;
GRANT SELECT ON nurture.account TO nurture_test_rep;
SET LOCAL ROLE nurture_test_rep;
SELECT is((SELECT label FROM nurture_account_explain(910001) WHERE rule = 'active_leads'), '2 of 2 leads active within 90 days', 'the score is over the leads that the reader sees');
RESET ROLE;
ALTER TABLE nurture.account ENABLE ROW LEVEL SECURITY;
SET LOCAL ROLE nurture_test_rep;
SELECT is(nurture_account_score(910001), NULL, 'a hidden account has none');
RESET ROLE;
SELECT * FROM finish();
ROLLBACK;
