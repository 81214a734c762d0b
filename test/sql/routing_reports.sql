-- Reports about standing and hand-offs, with exact figures. 2026-03-02 is a
-- Monday; the team works 9 to 17 UTC, Monday to Friday.
BEGIN;
SELECT plan(30);
SET LOCAL nurture.clock = '2026-03-02 10:00:00+00';
SET LOCAL nurture.app_user = 'ana';
SET LOCAL timezone = 'UTC';

INSERT INTO nurture.account (account_id, name, country) VALUES (9501, 'Klinikum', 'DE'), (9502, 'Nobody', 'FR');
INSERT INTO nurture.team (team, title, calendar) VALUES ('r_team', 'Test team', 'office'), ('r_other', 'Other team', 'office');
INSERT INTO nurture.team_member (team, member) VALUES ('r_team', 'ana'), ('r_other', 'bob');
INSERT INTO nurture.route (route, title) VALUES ('r_all', 'all'), ('r_two', 'others');
INSERT INTO nurture.route_version (route, version, priority, condition, team, sla_accept, sla_first_response, offer_expires) VALUES
    ('r_all', 1, 2, '{"fact": "source", "op": "=", "value": "r"}', 'r_team', '8 hours', '16 hours', '24 hours'),
    ('r_two', 1, 3, '{"fact": "source", "op": "=", "value": "o"}', 'r_other', '8 hours', '16 hours', NULL);
SELECT count(nurture_publish('route', r, 1, 'test')) FROM unnest('{r_all,r_two}'::text[]) r;
-- eight leads: 1 converts, 2 is late, 3 is rejected and goes to another team, 4 expires, 5 waits, 6 is overdue, 7 is a test lead, 8 was merged
INSERT INTO nurture.lead (lead_id, source, email, audience_type, role, country, region, account_id, is_test, created_at) SELECT 9500 + g, 'r', 'r' || g || '@r.example.org', 'hcp',
    CASE WHEN g = 2 THEN 'nurse' ELSE 'prescriber' END, CASE WHEN g > 4 THEN 'FR' ELSE 'DE' END, NULL, CASE WHEN g < 4 OR g = 7 THEN 9501 END, g = 7, '2026-02-20' FROM generate_series(1, 8) g;
CREATE FUNCTION pg_temp.h(lead bigint) RETURNS bigint LANGUAGE sql AS $$ SELECT max(handoff_id) FROM nurture.handoff WHERE lead_id = lead $$;
CREATE FUNCTION pg_temp.at(t text) RETURNS text LANGUAGE sql AS $$ SELECT set_config('nurture.clock', t, true) $$;
SELECT count(nurture_route(g)) FROM generate_series(9501, 9504) g;
SELECT nurture_route(9507) IS NOT NULL AS test_lead;
SELECT pg_temp.at('2026-03-02 12:00+00');
SELECT nurture_accept(9501, pg_temp.h(9501)), nurture_accept(9507, pg_temp.h(9507)), nurture_reject(9503, pg_temp.h(9503), 'wrong_region');
UPDATE nurture.lead SET source = 'o' WHERE lead_id = 9503;
SELECT nurture_route(9503, reason => 'theirs') IS NOT NULL AS rerouted;
SELECT pg_temp.at('2026-03-02 14:00+00');
SELECT nurture_attempt(9501, pg_temp.h(9501), 'meeting_booked');
SELECT pg_temp.at('2026-03-03 09:30+00');
SELECT nurture_attempt(9501, pg_temp.h(9501), 'meeting_held');
SELECT pg_temp.at('2026-03-03 16:00+00');
SELECT nurture_accept(9502, pg_temp.h(9502));
SELECT pg_temp.at('2026-03-05 10:00+00');
SELECT nurture_routing_due() AS ended;
SELECT nurture_convert(9501, pg_temp.h(9501));
SELECT nurture_attempt(9502, pg_temp.h(9502), 'no_answer');
SELECT nurture_route(9505) IS NOT NULL AS waits, nurture_route(9506) IS NOT NULL AS late;
SELECT pg_temp.at('2026-03-05 11:00+00');
SELECT nurture_accept(9506, pg_temp.h(9506));

-- clocks
SELECT results_eq($$SELECT team, route, audience_type, month, handoffs, accepted_in_time, accepted_late, not_accepted, acceptance_overdue, accepted_in_time_share, median_accept_hours,
        responded_in_time, responded_late, response_overdue, responded_in_time_share, median_response_hours, escalated FROM nurture_bi.sla WHERE route LIKE 'r\_%' ORDER BY route$$,
    $$VALUES ('r_team', 'r_all', 'hcp', '2026-03-01 00:00+00'::timestamptz, 6::bigint, 2::bigint, 1::bigint, 2::bigint, 0::bigint, 0.5000, 2.00, 1::bigint, 1::bigint, 0::bigint, 0.5000, 14.00, 0::bigint),
             ('r_other', 'r_two', 'hcp', '2026-03-01 00:00+00', 1, 0, 0, 0, 1, 0.0000, NULL, 0, 0, 0, NULL, NULL, 0)$$, 'what was in time, late and overdue, in working hours');
SELECT results_eq($$SELECT action, handoffs, median_hours, median_working_hours FROM nurture_bi.time_to_next_action WHERE route = 'r_all' ORDER BY action_no$$,
    $$VALUES ('accept', 3::bigint, 2.00, 2.00), ('first_attempt', 2, 22.00, 6.00), ('next_attempt', 1, 19.50, 3.50), ('meeting', 1, 19.50, 3.50), ('close', 1, 70.00, 22.00)$$,
    'how long each next action took');
SELECT pg_temp.at('2026-03-10 11:00+00');
SELECT results_eq($$SELECT handoffs, acceptance_overdue, response_overdue, responded_in_time_share FROM nurture_bi.sla WHERE route = 'r_all'$$, $$VALUES (6::bigint, 1::bigint, 1::bigint, 0.3333)$$, 'overdue is told by the clock, though no job ran');
SELECT pg_temp.at('2026-03-05 11:00+00');

-- what became of them
SELECT results_eq($$SELECT lane, grade, handoffs, accepted, met, converted, rejected, returned, expired, open, acceptance_rate, meeting_rate, conversion_rate FROM nurture_bi.outcome_by_grade ORDER BY grade$$,
    $$VALUES ('business', 'B4', 7::bigint, 3::bigint, 1::bigint, 1::bigint, 1::bigint, 0::bigint, 1::bigint, 4::bigint, 0.6000, 0.3333, 1.0000)$$, 'by grade');
SELECT results_eq($$SELECT tier::int, handoffs, accepted, open FROM nurture_bi.outcome_by_tier ORDER BY tier$$, $$VALUES (2, 7::bigint, 3::bigint, 4::bigint)$$, 'by tier');
SELECT results_eq($$SELECT month, team, handoffs, accepted, booked, held, no_shows, booked_rate, meeting_rate FROM nurture_bi.meeting_rate WHERE audience_type = 'hcp' ORDER BY team DESC$$,
    $$VALUES ('2026-03-01 00:00+00'::timestamptz, 'r_team', 6::bigint, 3::bigint, 1::bigint, 1::bigint, 0::bigint, 0.3333, 0.3333), ('2026-03-01 00:00+00', 'r_other', 1, 0, 0, 0, 0, NULL, NULL)$$, 'meetings');
SELECT results_eq($$SELECT team, state, reason, handoffs, accepted, rerouted FROM nurture_bi.handoff_quality ORDER BY team DESC, state$$,
    $$VALUES ('r_team', 'accepted', NULL, 1::bigint, 1::bigint, 0::bigint), ('r_team', 'converted', NULL, 1, 1, 0), ('r_team', 'expired', 'offer_expired', 1, 0, 0),
             ('r_team', 'offered', NULL, 1, 0, 0), ('r_team', 'rejected', 'wrong_region', 1, 0, 1), ('r_team', 'working', NULL, 1, 1, 0), ('r_other', 'offered', NULL, 1, 0, 0)$$, 'quality by state and reason; what was handed to another team');
SELECT nurture_return(9506, pg_temp.h(9506), 'She has left the hospital.');
SELECT is((SELECT reason FROM nurture_bi.handoff_quality WHERE state = 'returned'), 'in_words', 'words of people are not told');

-- the funnel
UPDATE nurture.lead SET merged_into = 9501 WHERE lead_id = 9508;
UPDATE nurture.lead SET source = 'fair' WHERE lead_id IN (9501, 9502, 9507);
UPDATE nurture.lead SET attributes = '{"decision_role": "decision_maker", "job_function": "clinical_care"}' WHERE lead_id = 9502;
DELETE FROM nurture.stage_history;
DELETE FROM nurture.lead_stage;
INSERT INTO nurture.lead_stage (lead_id, stage, stage_no, since, tier, tier_since, fails_with) VALUES
    (9501, 'sql', 6, '2026-03-05', 4, '2026-03-05', '{}'), (9502, 'nurturing', 3, '2026-02-01', 2, '2026-01-20', '{intent_short}'),
    (9503, 'engaged', 2, '2026-02-01', 0, '2026-02-01', '{missing_country,missing_role}'), (9505, 'recycled', 0, '2026-03-01', 3, '2026-03-01', '{readiness_short}'),
    (9507, 'sql', 6, '2026-03-05', 4, '2026-03-05', '{}'), (9508, 'sql', 6, '2026-03-05', 4, '2026-03-05', '{}');
INSERT INTO nurture.stage_history (lead_id, product, old_stage, new_stage, cause, at) VALUES
    (9501, '*', NULL, 'engaged', 'x', '2026-02-01'), (9501, '*', 'engaged', 'engaged', 'grade only', '2026-02-02'), (9501, '*', 'engaged', 'nurturing', 'x', '2026-02-11'), (9501, '*', 'nurturing', 'sql', 'x', '2026-03-03'),
    (9502, '*', NULL, 'engaged', 'x', '2026-02-01'), (9502, '*', 'engaged', 'nurturing', 'x', '2026-02-05'), (9503, '*', NULL, 'engaged', 'x', '2026-02-01'),
    (9505, '*', NULL, 'mql', 'x', '2026-02-10'), (9505, '*', 'mql', 'recycled', 'x', '2026-03-01'), (9505, '*', 'recycled', 'nurturing', 'x', '2026-03-02'), (9505, '*', 'nurturing', 'recycled', 'x', '2026-03-04'),
    (9507, '*', NULL, 'sql', 'x', '2026-02-01'), (9508, '*', NULL, 'sql', 'x', '2026-02-01');
SELECT results_eq($$SELECT product, stage, stage_no::int, reached, moved_on, conversion, median_days_to_next, leads_now FROM nurture_bi.funnel ORDER BY stage_no, stage$$,
    $$VALUES ('*', 'recycled', 0, 1::bigint, 1::bigint, 1.0000, 1.00, 1::bigint), ('*', 'new', 1, 6, 4, 0.6667, NULL, 2), ('*', 'engaged', 2, 3, 2, 0.6667, 7.00, 1),
             ('*', 'nurturing', 3, 3, 1, 0.3333, 20.00, 1), ('*', 'mql', 4, 1, 0, 0.0000, NULL, 0), ('*', 'sql', 6, 1, 0, 0.0000, NULL, 1)$$,
    'what was reached, what went on, how long it took; neither test leads nor merged ones');
SELECT results_eq($$SELECT source, stage, reached, moved_on, leads_now FROM nurture_bi.funnel_by_source WHERE source = 'fair' ORDER BY stage_no$$,
    $$VALUES ('fair', 'new', 2::bigint, 2::bigint, 0::bigint), ('fair', 'engaged', 2, 2, 0), ('fair', 'nurturing', 2, 1, 1), ('fair', 'sql', 1, 0, 1)$$, 'by source');
SELECT results_eq($$SELECT f.stage, sum(f.reached), sum(f.moved_on), sum(f.leads_now) FROM nurture_bi.funnel_by_source f GROUP BY 1 ORDER BY 1$$,
    $$SELECT stage, reached::numeric, moved_on::numeric, leads_now::numeric FROM nurture_bi.funnel ORDER BY 1$$, 'all sources together are the funnel');
SELECT results_eq($$SELECT f.stage, sum(f.reached), sum(f.moved_on), sum(f.leads_now) FROM nurture_bi.funnel_by_segment f GROUP BY 1 ORDER BY 1$$,
    $$SELECT stage, reached::numeric, moved_on::numeric, leads_now::numeric FROM nurture_bi.funnel ORDER BY 1$$, 'and so are all segments');
SELECT results_eq($$SELECT country, reached, leads_now FROM nurture_bi.funnel_by_segment WHERE stage = 'new' AND audience_type = 'hcp' ORDER BY 1$$, $$VALUES ('DE', 4::bigint, 1::bigint), ('FR', 2, 1)$$, 'by audience and country');
SELECT results_eq($$SELECT stage, reached_at, next_at FROM nurture_bi.stage_step WHERE lead_id = 9505 ORDER BY reached_at$$,
    $$VALUES ('mql', '2026-02-10 00:00+00'::timestamptz, NULL::timestamptz), ('recycled', '2026-03-01 00:00+00', '2026-03-02 00:00+00'), ('nurturing', '2026-03-02 00:00+00', NULL)$$, 'when each stage was reached first');

-- tiers and disqualifiers
INSERT INTO nurture.disqualification (lead_id, reason, excludes, valid_during, recorded_at) VALUES
    (9504, 'debarred', true, '[2026-01-01,)', '2026-03-01'), (9506, 'small_site', false, '[2026-01-01,)', '2026-01-20'), (9502, 'debarred', true, '[2026-01-01,2026-02-01)', '2026-01-05'), (9507, 'debarred', true, '[2026-01-01,)', '2026-03-01');
DELETE FROM nurture.lead_stage WHERE lead_id IN (9504, 9506, 9507);
UPDATE nurture.lead_stage SET tier = 2, tier_since = '2026-01-20', fails_with = '{intent_short}', stage = 'nurturing' WHERE lead_id = 9502;
SELECT results_eq($$SELECT tier, outcome, reason, leads, leads_30_days, leads_30_days_before FROM nurture_bi.qualification WHERE product = '*' AND audience_type = 'hcp' ORDER BY tier, outcome DESC, reason$$,
    $$VALUES (1, 'passed', NULL, 3::bigint, 2::bigint, 1::bigint), (1, 'failed', 'missing_country', 1, 0, 1), (1, 'failed', 'missing_role', 1, 0, 1), (2, 'passed', NULL, 3, 2, 1),
             (3, 'passed', NULL, 2, 2, 0), (3, 'failed', 'intent_short', 1, 0, 1), (4, 'passed', NULL, 1, 1, 0), (4, 'failed', 'readiness_short', 1, 1, 0),
             (NULL, 'lowered', 'small_site', 1, 0, 1), (NULL, 'disqualified', 'debarred', 1, 1, 0)$$, 'passed and failed tiers, disqualifiers that hold, their trend');

-- requests
INSERT INTO nurture.event (lead_id, event_type, occurred_at) VALUES (9505, 'sample_requested', '2026-03-05 10:30+00');
SELECT results_eq($$SELECT request_kind, title, state, due_at, overdue, working_hours, team FROM nurture_bi.requests WHERE lead_id = 9505$$,
    $$VALUES ('sample', 'sample', 'open', '2026-03-09 11:00+00'::timestamptz, false, 0.50, 'r_team')$$, 'a request that is open');
SELECT pg_temp.at('2026-03-10 11:00+00');
SELECT results_eq($$SELECT overdue, working_hours FROM nurture_bi.requests WHERE lead_id = 9505$$, $$VALUES (true, 24.50)$$, 'and overdue');
SELECT nurture_fulfil(9505, (SELECT request_no FROM nurture.request WHERE lead_id = 9505), 'declined', 'not_licensed');
SELECT pg_temp.at('2026-03-20 11:00+00');
SELECT results_eq($$SELECT state, overdue, working_hours, closed_by, reason FROM nurture_bi.requests WHERE lead_id = 9505$$, $$VALUES ('declined', false, 24.50, 'ana', 'not_licensed')$$, 'answered: the clock stands');

-- organisations
SELECT results_eq($$SELECT account_id, name, leads, breadth, open_handoffs, last_handoff_at FROM nurture_bi.account_activity WHERE account_id IN (9501, 9502) ORDER BY 1$$,
    $$VALUES (9501::bigint, 'Klinikum', 3::bigint, 2::bigint, 2::bigint, '2026-03-02 12:00+00'::timestamptz), (9502, 'Nobody', 0, 0, 0, NULL)$$, 'organisations: leads, roles, hand-offs');
SELECT results_eq($$SELECT lead_id, account, role, decision_role, job_function, stage, tier::int, team, member FROM nurture_bi.account_stakeholders WHERE account_id = 9501 ORDER BY 1$$,
    $$VALUES (9501::bigint, 'Klinikum', 'prescriber', NULL, NULL, 'sql', 4, NULL, NULL), (9502, 'Klinikum', 'nurse', 'decision_maker', 'clinical_care', 'nurturing', 2, 'r_team', 'ana'),
             (9503, 'Klinikum', 'prescriber', NULL, NULL, 'engaged', 0, 'r_other', NULL)$$, 'who is known there and who has them');

-- data quality
UPDATE nurture.lead SET merged_into = NULL WHERE lead_id = 9508;
DELETE FROM nurture.review;
INSERT INTO nurture.lead (lead_id, email, audience_type, role, specialty, therapeutic_area, country, region, is_test, created_at) VALUES
    (9521, 'q1@r.example.org', 'patient', 'prescriber', NULL, 'neoplasms', 'DE', 'DE-BY', false, '2026-01-01'), (9522, 'q2@r.example.org', 'procurement', 'procurement', 'oncology', 'neoplasms', 'UK', NULL, false, '2026-01-02'),
    (9523, 'q3@r.example.org', 'hcp', 'prescriber', 'oncology', 'neoplasms', 'DE', 'FR-IDF', false, '2026-01-03'), (9524, 'q4@r.example.org', 'hcp', 'nurse', NULL, 'neoplasms', 'DE', 'Bavaria', false, '2026-01-04'),
    (9525, NULL, 'unknown', NULL, NULL, NULL, NULL, NULL, false, '2026-01-05'), (9526, NULL, 'unknown', NULL, NULL, NULL, 'UK', NULL, true, '2026-01-06');
SELECT results_eq($$SELECT check_name, amount, example, oldest_at FROM nurture_bi.data_quality WHERE amount > 0 ORDER BY check_name$$,
    $$VALUES ('invalid_country', 1::bigint, 'lead 9522', '2026-01-02'::timestamptz), ('invalid_region', 1, 'lead 9524', '2026-01-04'), ('missing_audience', 1, 'lead 9525', '2026-01-05'),
             ('missing_contact_point', 1, 'lead 9525', '2026-01-05'), ('missing_country', 1, 'lead 9525', '2026-01-05'), ('missing_role', 1, 'lead 9525', '2026-01-05'),
             ('missing_therapeutic_area', 8, 'lead 9501', '2026-01-05'), ('region_elsewhere', 1, 'lead 9523', '2026-01-03'),
             ('role_contradicts_audience', 1, 'lead 9521', '2026-01-01'), ('role_contradicts_specialty', 1, 'lead 9522', '2026-01-02')$$, 'what is missing or wrong, with an example and since when');
INSERT INTO nurture.review (lead_id, bucket, scope, opened_at) VALUES (9501, 'identity', 'email', '2026-03-01'), (9507, 'identity', 'email', '2026-02-01');
SELECT nurture_ingest('[{"identity": {"kind": "cookie", "value": "nobody"}, "event_type": "page_viewed"}, {"lead_id": 9501, "event_type": "page_viewd"}]') IS NOT NULL AS ingested;
INSERT INTO nurture.tick_error (lead_id, kind, at, sqlstate, message) VALUES (9501, 'enrollment', '2026-03-19', 'XX000', 'x'), (9502, 'enrollment', '2026-01-19', 'XX000', 'x');
SELECT results_eq($$SELECT check_name, amount, age FROM nurture_bi.data_quality WHERE example !~ '^lead' OR check_name ~ '^failing' ORDER BY 1$$,
    $$VALUES ('failing_enrollment', 1::bigint, interval '1 day 11 hours'), ('probable_duplicate', 1, '19 days 11 hours'), ('quarantine_unknown_event_type', 1, '0'), ('unmatched_identifier', 1, '0')$$,
    'what waits, and what fails');

-- codes of places, roles
SELECT is(nurture_place_problem('DE', 'DE-BY'), NULL, 'a region');
SELECT is(nurture_place_problem('UK', 'DE-BY'), 'invalid_country', 'no country');
SELECT is(nurture_place_problem('DE', 'DE-XX'), 'invalid_region', 'no region');
SELECT is(nurture_place_problem('DE', 'FR-IDF'), 'region_elsewhere', 'of another country');
SELECT is(nurture_place_problem(NULL, NULL), NULL, 'nothing is known, nothing is wrong');
SELECT is_empty($$SELECT country FROM nurture.country_zone WHERE nurture_place_problem(country, NULL) IS NOT NULL$$, 'every country of the zones is one');
SELECT throws_ok($$INSERT INTO nurture.role (role, title, audience_types) VALUES ('x', 'x', '{}')$$, '23514', NULL, 'a role of no audience');

-- no report counts the test lead
SELECT is((SELECT count(*) FROM nurture_bi.requests WHERE lead_id = 9507) + (SELECT count(*) FROM nurture_bi.account_stakeholders WHERE lead_id = 9507) + (SELECT count(*) FROM nurture_bi.stage_step WHERE lead_id = 9507)
    + (SELECT count(*) FROM nurture_triage() WHERE lead_id = 9507), 0::bigint, 'test leads are in none');

SELECT * FROM finish();
ROLLBACK;
