-- Feedback of teams, and the list of what waits for them. 2026-03-02 is a Monday.
BEGIN;
SELECT plan(33);
SET LOCAL nurture.clock = '2026-03-02 10:00:00+00';
SET LOCAL nurture.app_user = 'ana';
SET LOCAL timezone = 'UTC';

INSERT INTO nurture.team (team, title, calendar) VALUES ('f_team', 'Test team', 'office');
INSERT INTO nurture.team_member (team, member) VALUES ('f_team', 'ana');
INSERT INTO nurture.route (route, title) VALUES ('f_all', 'all');
INSERT INTO nurture.route_version (route, version, priority, condition, team, sla_accept, sla_first_response)
VALUES ('f_all', 1, 2, '{"fact": "source", "op": "=", "value": "f"}', 'f_team', '8 hours', '16 hours');
SELECT nurture_publish('route', 'f_all', 1, 'test');
INSERT INTO nurture.lead (lead_id, external_ref, source, email, audience_type, role, specialty, therapeutic_area, country, organization_type, is_test) VALUES
    (7301, 'crm-7301', 'f', 'a@f.example.org', 'hcp', 'prescriber', 'oncology', 'neoplasms', 'DE', 'hospital', false),
    (7302, NULL, 'f', NULL, 'hcp', 'prescriber', NULL, NULL, 'DE', NULL, false),
    (7303, NULL, 'f', NULL, 'unknown', NULL, NULL, NULL, NULL, NULL, false),
    (7304, NULL, 'f', NULL, 'hcp', 'prescriber', NULL, NULL, 'DE', NULL, true);
SELECT count(nurture_route(g)) FROM generate_series(7301, 7304) g;
CREATE FUNCTION pg_temp.h(lead bigint) RETURNS bigint LANGUAGE sql AS $$ SELECT max(handoff_id) FROM nurture.handoff WHERE lead_id = lead $$;

-- said once, said again, said otherwise
SELECT isnt(nurture_feedback(7301, 'handoff', pg_temp.h(7301), 'too_early', 'call in autumn'), NULL, 'said');
SELECT results_eq($$SELECT about, about_id, team, verdict, note, at, actor FROM nurture.feedback WHERE lead_id = 7301$$,
    $$SELECT 'handoff', pg_temp.h(7301), 'f_team', 'too_early', 'call in autumn', '2026-03-02 10:00+00'::timestamptz, 'ana'$$, 'with team, time and person');
SELECT is(nurture_feedback(7301, 'handoff', pg_temp.h(7301), 'too_early', 'call in autumn'), (SELECT feedback_no FROM nurture.feedback WHERE lead_id = 7301), 'said again: the same');
SELECT isnt(nurture_feedback(7301, 'handoff', pg_temp.h(7301), 'useful', ''), (SELECT feedback_no FROM nurture.feedback WHERE lead_id = 7301), 'changed: another');
SELECT nurture_feedback(7301, 'handoff', pg_temp.h(7301), 'wrong_team', NULL, 'bob') IS NOT NULL AS bob;
SELECT results_eq($$SELECT verdict, note, actor, is_latest FROM nurture_bi.feedback WHERE lead_id = 7301 ORDER BY feedback_no$$,
    $$VALUES ('too_early', 'call in autumn', 'ana', false), ('useful', NULL, 'ana', true), ('wrong_team', NULL, 'bob', true)$$, 'the latest of each person counts');
SELECT results_eq($$SELECT feedback, useful, too_early, wrong_team, actionable_share FROM nurture_bi.handoff_quality WHERE route = 'f_all' AND state = 'offered'$$,
    $$VALUES (2::bigint, 1::bigint, 0::bigint, 1::bigint, 0.5000)$$, 'in the report too');
SELECT results_eq($$SELECT object = 'handoff:' || pg_temp.h(7301), outcome, inputs, reason, app_user FROM nurture.audit WHERE lead_ref = 7301 AND kind = 'feedback' ORDER BY audit_id$$,
    $$VALUES (true, 'too_early', 'team f_team', NULL, 'ana'), (true, 'useful', 'team f_team', NULL, 'ana'), (true, 'wrong_team', 'team f_team', NULL, 'bob')$$, 'on record without the words');

-- notes show in the next package
SELECT nurture_reject(7301, pg_temp.h(7301), 'too_early');
SELECT nurture_route(7301, reason => 'again') IS NOT NULL AS again;
SELECT is((SELECT jsonb_path_query_array(package, '$.feedback[*].verdict') FROM nurture.handoff WHERE lead_id = 7301 AND is_open), '["wrong_team", "useful", "too_early"]', 'what was said before is in the next package');
SELECT is((SELECT package #>> '{feedback,2,note}' FROM nurture.handoff WHERE lead_id = 7301 AND is_open), 'call in autumn', 'with the note');
SELECT is((SELECT (package #>> '{standing,confidence}')::numeric FROM nurture.handoff WHERE lead_id = 7301 AND is_open), nurture_confidence(7301), 'and so is how much is known');

-- about a request and a message
INSERT INTO nurture.event (lead_id, event_type) VALUES (7302, 'sample_requested');
SELECT isnt(nurture_feedback(7302, 'request', (SELECT request_no FROM nurture.request WHERE lead_id = 7302), 'inaccurate'), NULL, 'about a request');
SELECT is((SELECT team FROM nurture.feedback WHERE lead_id = 7302), 'f_team', 'whose hand-off works on it');
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (7303, 'email', 'none_such');
SELECT isnt(nurture_feedback(7303, 'message', (SELECT message_id FROM nurture.message WHERE lead_id = 7303), 'wrong_depth'), NULL, 'about a message');

-- bad input
SELECT throws_ok($$SELECT nurture_feedback(7301, 'handoff', -1, 'useful')$$, 'NU003', 'lead 7301 has no handoff -1', 'an unknown hand-off');
SELECT throws_ok(format($$SELECT nurture_feedback(7302, 'handoff', %s, 'useful')$$, pg_temp.h(7301)), 'NU003', NULL, 'one of another lead');
SELECT throws_ok(format($$SELECT nurture_feedback(7301, 'handoff', %s, 'great')$$, pg_temp.h(7301)), 'NU003', 'unknown verdict "great"', 'an unknown verdict');
SELECT throws_ok($$SELECT nurture_feedback(7301, 'asset', 1, 'useful')$$, 'NU003', 'feedback is about a handoff, request or message, not "asset"', 'about what it is not');
SELECT throws_ok($$SELECT nurture_feedback(7301, 'handoff', NULL, 'useful')$$, '22004', 'argument 3 of nurture_feedback cannot be null', 'about nothing');
SELECT throws_ok($$SELECT nurture_feedback(-7, 'handoff', 1, 'useful')$$, 'NU003', NULL, 'an unknown lead');

-- the list of the day
UPDATE nurture.lead SET email = NULL WHERE lead_id = 7302;
INSERT INTO nurture.review (lead_id, bucket, scope) VALUES (7303, 'discovery', 'x'), (7304, 'discovery', 'x');
SELECT results_eq($$SELECT part, place, lead_id, external_ref, state, team, tier, grade, total, confidence, cause, due_at FROM nurture_triage()$$,
    $$VALUES ('new', 1::bigint, 7301::bigint, 'crm-7301', 'offered', 'f_team', 2, 'A4', 95.00, 1.0000, 'f_all', '2026-03-03 10:00+00'::timestamptz),
             ('new', 2, 7302, NULL, 'offered', 'f_team', 0, 'B4', 55.00, nurture_confidence(7302), 'f_all', '2026-03-03 10:00+00'),
             ('low_confidence', 1, 7303, NULL, 'offered', 'f_team', 0, 'D4', 0.00, nurture_confidence(7303), 'f_all', '2026-03-03 10:00+00'),
             ('review', 1, 7303, NULL, 'discovery', NULL, NULL, NULL, NULL, NULL, 'x', NULL)$$,
    'new ones by score, those of whom little is known apart, reviews; test leads are left out');
SELECT results_eq('SELECT * FROM nurture_bi.triage_today', 'SELECT * FROM nurture_triage()', 'the view is the list of today');
SELECT is_empty($$SELECT * FROM nurture_triage('2026-03-01')$$, 'the day before there was nothing');
SET LOCAL nurture.clock = '2026-03-03 09:00:00+00';
SELECT nurture_accept(7302, pg_temp.h(7302));
SELECT is((SELECT string_agg(part || ' ' || lead_id, ', ' ORDER BY part DESC, place) FROM nurture_triage('2026-03-03')), 'review 7303, new 7301, low_confidence 7303', 'what was accepted waits no more');
SET LOCAL nurture.clock = '2026-03-04 09:00:00+00';
SELECT is((SELECT string_agg(part || ' ' || lead_id, ', ' ORDER BY part DESC, place) FROM nurture_triage()), 'review 7303, new 7301, low_confidence 7303', 'nor on the next day');
SELECT is((SELECT count(*) FROM nurture_triage('2026-03-02') WHERE lead_id = 7302), 1::bigint, 'a past day is as it was');
SELECT throws_ok($$SELECT * FROM nurture_triage('infinity')$$, '22008', NULL, 'no day');
SELECT lives_ok($$SELECT * FROM nurture_triage('4713-01-01 BC')$$, 'long ago');
SELECT throws_ok($$SELECT * FROM nurture_triage('294277-01-01')$$, '22008', NULL, 'after the end of time');

-- rights: who works leads says what it thinks; who may not read reviews gets the offers
CREATE ROLE nurture_f_sales;
CREATE ROLE nurture_f_analyst;
SELECT nurture_grant_access('nurture_f_sales', 'sales') \g /dev/null
SELECT nurture_grant_access('nurture_f_analyst', 'analyst') \g /dev/null
UPDATE nurture.lead SET owner = 'nurture_f_sales' WHERE lead_id = 7301;
SELECT format('GRANT nurture_f_sales, nurture_f_analyst TO %I', current_user) \gexec
SELECT pg_temp.h(7301) AS h1, pg_temp.h(7303) AS h3 \gset
SET LOCAL ROLE nurture_f_sales;
SELECT is((SELECT string_agg(part || ' ' || lead_id, ', ' ORDER BY place) FROM nurture_bi.triage_today), 'new 7301', 'sales sees the own');
SELECT isnt(nurture_feedback(7301, 'handoff', :h1, 'useful', 'thanks'), NULL, 'and says what it thinks of it');
SELECT throws_ok(format($$SELECT nurture_feedback(7303, 'handoff', %s, 'useful')$$, :h3), 'NU004', NULL, 'not of others');
SELECT throws_ok($$INSERT INTO nurture.feedback (lead_id, about, about_id, verdict, at) VALUES (7301, 'handoff', 1, 'useful', now())$$, '42501', NULL, 'by the function only');
RESET ROLE;
SET LOCAL ROLE nurture_f_analyst;
SELECT throws_ok(format($$SELECT nurture_feedback(7301, 'handoff', %s, 'useful')$$, :h1), '42501', NULL, 'an analyst only reads');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
