-- What follows when nobody answers, when a lead is not what it seemed, and when
-- figures cross a line. 2026-03-02 is a Monday.
BEGIN;
SELECT plan(48);
SET LOCAL nurture.clock = '2026-03-02 10:00:00+00';
SET LOCAL nurture.app_user = 'ana';
SET LOCAL timezone = 'UTC';
CREATE FUNCTION pg_temp.at(t text) RETURNS text LANGUAGE sql AS $$ SELECT set_config('nurture.clock', t, true) $$;
CREATE FUNCTION pg_temp.happened(lead bigint, types text[]) RETURNS void LANGUAGE sql AS
$$ INSERT INTO nurture.event (lead_id, event_type) SELECT lead, t FROM unnest(types) t $$;
CREATE FUNCTION pg_temp.offers(lead bigint) RETURNS text LANGUAGE sql AS
$$ SELECT string_agg(concat_ws(' ', route, team, state, reason), ', ' ORDER BY handoff_id) FROM nurture.handoff WHERE lead_id = lead $$;
CREATE FUNCTION pg_temp.h(lead bigint) RETURNS bigint LANGUAGE sql AS $$ SELECT max(handoff_id) FROM nurture.handoff WHERE lead_id = lead $$;
DELETE FROM nurture.outbox;

INSERT INTO nurture.team (team, title, calendar, escalate_to, owner, never_audiences) VALUES ('c_team', 'Test team', 'office', 'boss', NULL, '{patient}'), ('c_owned', 'Owned team', 'office', NULL, 'head', '{}'), ('c_two', 'Everybody', 'office', NULL, NULL, '{}');
INSERT INTO nurture.team_member (team, member) VALUES ('c_team', 'ana'), ('c_team', 'bob'), ('c_owned', 'cy'), ('c_two', 'dan');
INSERT INTO nurture.route (route, title) VALUES ('c_all', 'all'), ('c_owned', 'owned'), ('c_two', 'two');
INSERT INTO nurture.route_version (route, version, priority, condition, team, sla_accept, sla_first_response, offer_expires, attempts_max, return_track) VALUES
    ('c_all', 1, 2, '{"fact": "source", "op": "=", "value": "c"}', 'c_team', '8 hours', '16 hours', '40 hours', 2, 're_nurture'),
    ('c_owned', 1, 2, '{"fact": "source", "op": "=", "value": "o"}', 'c_owned', '8 hours', '16 hours', NULL, NULL, NULL),
    ('c_two', 1, 3, '{"all": [{"fact": "source", "op": "=", "value": "c"}, {"any": [{"signal": "demo_requested"}, {"stage": ["mql", "sql"]}]}]}', 'c_two', '8 hours', '16 hours', NULL, NULL, NULL);
SELECT count(nurture_publish('route', r, 1, 'test')) FROM unnest('{c_all,c_owned,c_two}'::text[]) r;

-- clocks that are up are told once
INSERT INTO nurture.lead (lead_id, source, country) VALUES (7401, 'c', 'DE'), (7402, 'o', 'DE'), (7403, 'c', 'DE');
SELECT count(nurture_route(g)) FROM generate_series(7401, 7403) g;
SELECT nurture_accept(7403, pg_temp.h(7403));
SELECT pg_temp.at('2026-03-03 10:00+00');
SELECT is((SELECT done FROM nurture_tick() WHERE kind = 'handoff'), 2::bigint, 'the tick names members while the clock runs');
SELECT is_empty($$SELECT * FROM nurture.outbox WHERE topic = 'handoff.overdue'$$, 'at the very instant nothing is late');
SELECT pg_temp.at('2026-03-03 10:00:01+00');
SELECT is((SELECT done FROM nurture_tick() WHERE kind = 'handoff'), 2::bigint, 'a second later two are');
SELECT results_eq($$SELECT lead_id, payload ->> 'team', payload ->> 'clock', payload ->> 'escalate_to', payload ->> 'state', (payload ->> 'due_at')::timestamptz FROM nurture.outbox WHERE topic = 'handoff.overdue' ORDER BY lead_id$$,
    $$VALUES (7401::bigint, 'c_team', 'accept', 'boss', 'offered', '2026-03-03 10:00+00'::timestamptz), (7402, 'c_owned', 'accept', 'head', 'offered', '2026-03-03 10:00+00')$$, 'told to whom the team names, else to its owner');
SELECT results_eq($$SELECT lead_id, task_kind, member, state, due_at FROM nurture.task WHERE task_kind = 'escalate' ORDER BY 1$$,
    $$VALUES (7401::bigint, 'escalate', 'boss', 'open', '2026-03-03 10:00+00'::timestamptz), (7402, 'escalate', 'head', 'open', '2026-03-03 10:00+00')$$, 'with a task');
SELECT is((SELECT done FROM nurture_tick() WHERE kind = 'handoff'), 0::bigint, 'once');
SELECT results_eq($$SELECT outcome, reasons, inputs FROM nurture.audit WHERE lead_ref = 7401 AND outcome = 'escalated'$$, $$VALUES ('escalated', '{accept_overdue}'::text[], 'told boss')$$, 'on record');
SELECT is((SELECT escalated FROM nurture_bi.sla WHERE route = 'c_all'), 1::bigint, 'and in the report');
SELECT nurture_accept(7401, pg_temp.h(7401));
SELECT is((SELECT state FROM nurture.task WHERE lead_id = 7401 AND task_kind = 'escalate'), 'done', 'accepted: nobody has to see to it');
SELECT pg_temp.at('2026-03-04 10:00:01+00');
SELECT is((SELECT done FROM nurture_tick() WHERE kind = 'handoff'), 2::bigint, 'no attempt in time is told too');
SELECT results_eq($$SELECT lead_id, payload ->> 'clock' FROM nurture.outbox WHERE topic = 'handoff.overdue' AND payload ->> 'clock' = 'first_response' ORDER BY lead_id DESC$$, $$VALUES (7403::bigint, 'first_response'), (7401, 'first_response')$$, 'by its own clock');
SELECT nurture_attempt(7403, pg_temp.h(7403), 'reached');
SELECT is((SELECT state FROM nurture.task WHERE lead_id = 7403 AND task_kind = 'escalate'), 'done', 'reached');

-- back to nurture on another track
SELECT nurture_attempt(7401, pg_temp.h(7401), 'no_answer'), nurture_attempt(7401, pg_temp.h(7401), 'no_answer');
SELECT results_eq($$SELECT state, reason, cool_down_until FROM nurture.handoff WHERE lead_id = 7401$$, $$VALUES ('returned', 'no_answer', '2026-04-03 10:00:01+00'::timestamptz)$$, 'returned after two attempts');
SELECT results_eq($$SELECT track, state, entered_by FROM nurture.enrollment WHERE lead_id = 7401$$, $$VALUES ('re_nurture', 'active', 'handoff')$$, 'on the track the route names');
SELECT nurture_return(7403, pg_temp.h(7403), 'not_now');
SELECT nurture_enroll(7402, 'education', 'test') > 0 AS walks;
SELECT is((SELECT count(*) FROM nurture.enrollment WHERE lead_id = 7403), 1::bigint, 'the same for one that was accepted and returned');

-- audience: what a team may not have, it does not keep
INSERT INTO nurture.lead (lead_id, source, email, audience_type, role, country) VALUES (7411, 'c', 'a@c.example.org', 'hcp', 'prescriber', 'DE'), (7412, 'c', 'b@c.example.org', 'hcp', 'prescriber', 'DE'), (7413, 'c', 'c@c.example.org', 'hcp', NULL, 'DE');
SELECT pg_temp.happened(7411, '{demo_requested}');
SELECT is(pg_temp.offers(7411), 'c_all c_team offered', 'offered on a request');
SELECT count(nurture_route(g)) FROM generate_series(7412, 7413) g;
SELECT nurture_accept(7413, pg_temp.h(7413));
SELECT is(pg_temp.offers(7412), 'c_all c_team offered', 'offered to a team that has no patients');
UPDATE nurture.lead SET audience_type = 'patient', role = NULL WHERE lead_id BETWEEN 7411 AND 7413;
SELECT is(pg_temp.offers(7412), 'c_all c_team rejected audience_changed', 'between offer and acceptance the lead turns out to be a patient: taken back');
SELECT is(pg_temp.offers(7413), 'c_all c_team returned audience_changed', 'after the acceptance too');
SELECT is(pg_temp.offers(7411), 'c_all c_team rejected audience_changed, c_two c_two offered', 'a request goes on with a team that may have patients');
SELECT throws_ok(format('SELECT nurture_accept(7412, %s)', pg_temp.h(7412)), 'NU007', NULL, 'it cannot be accepted any more');
SELECT is((SELECT cool_down_until FROM nurture.handoff WHERE lead_id = 7412), NULL, 'nobody cools down for that');
INSERT INTO nurture.lead (lead_id, email, audience_type, role, country) VALUES (7414, 'd@c.example.org', 'hcp', 'prescriber', 'DE');
SELECT pg_temp.happened(7414, '{information_requested}');
SELECT is(pg_temp.offers(7414), 'material sales_development offered', 'a request of a professional');
UPDATE nurture.lead SET audience_type = 'patient', role = NULL WHERE lead_id = 7414;
SELECT is(pg_temp.offers(7414), 'material sales_development rejected audience_changed, patient patient_support offered', 'of a patient: the request goes on with another team');
SELECT results_eq($$SELECT r.state, h.team, t.state, t.team FROM nurture.request r JOIN nurture.handoff h USING (lead_id, handoff_id) JOIN nurture.task t USING (lead_id, request_no) WHERE r.lead_id = 7414 ORDER BY task_id$$,
    $$VALUES ('open', 'patient_support', 'cancelled', 'sales_development'), ('open', 'patient_support', 'open', 'patient_support')$$, 'with its task');
SELECT is((SELECT count(*) FROM nurture.stop_effect WHERE lead_id = 7413 AND rule = 'handoff_open' AND lifted_at IS NULL), 0::bigint, 'what rested goes on');

-- too little is known: a person looks first
INSERT INTO nurture.team_member (team, member) VALUES ('sales_development', 'sue');
SELECT nurture_draft('route', 'mql') AS version \gset
UPDATE nurture.route_version SET min_confidence = 0.9 WHERE route = 'mql' AND version = :version;
SELECT nurture_publish('route', 'mql', :version, 'test');
INSERT INTO nurture.lead (lead_id, email, audience_type, role, country) SELECT g, 'l' || g || '@c.example.org', 'hcp', 'prescriber', 'DE' FROM generate_series(7421, 7423) g;
SELECT pg_temp.happened(g, '{technical_document_downloaded,technical_document_downloaded,technical_document_downloaded}') FROM generate_series(7421, 7423) g;
SELECT is((SELECT string_agg(stage, ' ') FROM nurture.lead_stage WHERE lead_id BETWEEN 7421 AND 7423), 'mql mql mql', 'qualified');
SELECT is(pg_temp.offers(7421), NULL, 'and not handed over');
SELECT results_eq($$SELECT bucket, scope, state, evidence ->> 'route', (evidence ->> 'confidence')::numeric FROM nurture.review WHERE lead_id = 7421$$,
    $$SELECT 'manual_research', 'route:mql', 'open', 'mql', nurture_confidence(7421)$$, 'a review says what it waits for');
SELECT pg_temp.happened(7421, '{technical_document_downloaded}');
SELECT is((SELECT count(*) FROM nurture.review WHERE lead_id = 7421), 1::bigint, 'one is open');
SELECT nurture_rule((SELECT review_id FROM nurture.review WHERE lead_id = 7421), 'done', 'a leading expert');
SELECT is(pg_temp.offers(7421), 'mql sales_development offered', 'done: it goes on');
SELECT nurture_rule((SELECT review_id FROM nurture.review WHERE lead_id = 7422), 'dismiss', 'a student');
SELECT pg_temp.happened(7422, '{technical_document_downloaded}');
SELECT results_eq($$SELECT pg_temp.offers(7422), count(*) FROM nurture.review WHERE lead_id = 7422$$, $$VALUES (NULL::text, 1::bigint)$$, 'dismissed: it stays, and nobody is asked again');
UPDATE nurture.lead SET specialty = 'oncology', therapeutic_area = 'neoplasms', organization_type = 'hospital' WHERE lead_id = 7423;
SELECT ok(nurture_confidence(7423) >= 0.9, 'more is known');
SELECT is(pg_temp.offers(7423), 'mql sales_development offered', 'it goes by itself');

-- what only time changes
INSERT INTO nurture.lead (lead_id, email, audience_type, role, country) SELECT g, 't' || g || '@c.example.org', 'hcp', 'prescriber', 'DE' FROM generate_series(7431, 7432) g;
SELECT pg_temp.happened(g, '{technical_document_downloaded,technical_document_downloaded,technical_document_downloaded}') FROM generate_series(7431, 7432) g;
SELECT nurture_rule(review_id, 'dismiss', 'test') FROM nurture.review WHERE lead_id = 7431;
SELECT nurture_rule(review_id, 'done', 'test') FROM nurture.review WHERE lead_id = 7432;
SELECT nurture_accept(7432, pg_temp.h(7432));
INSERT INTO nurture.disqualification (lead_id, reason, valid_during) VALUES (7421, 'debarred', tstzrange('2026-03-01', '2026-03-10'));
SELECT is((SELECT stage FROM nurture.lead_stage WHERE lead_id = 7421), 'disqualified', 'a disqualifier with an end');
SELECT pg_temp.at('2026-03-10 00:30+00');
SELECT nurture_tick(1000, '1 min') IS NOT NULL AS ticked LIMIT 1;
SELECT is((SELECT stage FROM nurture.lead_stage WHERE lead_id = 7421), 'recycled', 'the tick sees it end');
SELECT pg_temp.at('2026-04-20 00:30+00');
SELECT nurture_tick(1000, '1 min') IS NOT NULL AS ticked LIMIT 1;
SELECT is((SELECT stage FROM nurture.lead_stage WHERE lead_id = 7431), 'recycled', 'an MQL nobody took whose interest has gone is back after the cool-down');
SELECT is((SELECT stage FROM nurture.lead_stage WHERE lead_id = 7432), 'sal', 'one that somebody works on is not');

-- facts of the organisation
INSERT INTO nurture.account (account_id, name) VALUES (7440, 'Klinikum');
INSERT INTO nurture.lead (lead_id, account_id, email, audience_type, role, country) VALUES (7440, 7440, 'x@c.example.org', 'hcp', NULL, 'DE');
SELECT pg_temp.happened(7440, '{technical_document_downloaded}');
SELECT count(*) AS before FROM nurture.audit WHERE lead_ref = 7440 \gset
SELECT lives_ok($$UPDATE nurture.account SET country = 'DE' WHERE account_id = 7440$$, 'a fact of the organisation decides its leads again');

-- figures that cross a line
DELETE FROM nurture.alert_rule;
INSERT INTO nurture.alert_rule (alert, view, figure, value, among, every, severity, team, title) VALUES
    ('c_country', 'data_quality', 'amount', 1, '{"check_name": "invalid_country"}', '10 minutes', 'error', 'c_team', 'countries that are none'),
    ('c_rows', 'stop_rule_effect', NULL, 100000, '{}', '10 minutes', 'info', NULL, 'many rules');
DELETE FROM nurture.outbox;
UPDATE nurture.lead SET country = 'XX' WHERE lead_id = 7401;
SELECT is((SELECT done FROM nurture_tick() WHERE kind = 'alert'), 2::bigint, 'looked at');
SELECT is_empty($$SELECT * FROM nurture.outbox WHERE topic LIKE 'alert.%'$$, 'one is no more than one');
UPDATE nurture.lead SET country = 'XX' WHERE lead_id IN (7402, 7403);
SELECT pg_temp.at('2026-04-20 00:39+00');
SELECT is((SELECT done FROM nurture_tick() WHERE kind = 'alert'), 0::bigint, 'not yet again');
SELECT pg_temp.at('2026-04-20 00:40+00');
SELECT nurture_tick() IS NOT NULL AS ticked LIMIT 1;
SELECT results_eq($$SELECT lead_id, topic, payload FROM nurture.outbox WHERE topic LIKE 'alert.%'$$,
    $$VALUES (0::bigint, 'alert.c_country', '{"alert": "c_country", "state": "raised", "severity": "error", "team": "c_team", "title": "countries that are none", "amount": 3}'::jsonb)$$, 'it crossed the line');
SELECT pg_temp.at('2026-04-20 01:00+00');
SELECT nurture_tick() IS NOT NULL AS ticked LIMIT 1;
UPDATE nurture.lead SET country = 'DE' WHERE lead_id BETWEEN 7401 AND 7403;
SELECT pg_temp.at('2026-04-20 02:00+00');
SELECT nurture_tick() IS NOT NULL AS ticked LIMIT 1;
SELECT results_eq($$SELECT payload ->> 'state' FROM nurture.outbox WHERE topic = 'alert.c_country' ORDER BY outbox_id$$, $$VALUES ('raised'), ('cleared')$$, 'told once, and when it is back');
SELECT results_eq($$SELECT outcome, inputs FROM nurture.audit WHERE kind = 'alert' ORDER BY audit_id$$, $$VALUES ('raised', 'data_quality.amount > 1'), ('cleared', 'data_quality.amount > 1')$$, 'on record');
SELECT throws_ok($$INSERT INTO nurture.alert_rule (alert, view, value, title) VALUES ('c_x', 'no_such', 1, 'x')$$, 'NU003', 'alert rule "c_x": there is no view nurture_bi.no_such', 'no view');
SELECT throws_ok($$INSERT INTO nurture.alert_rule (alert, view, figure, value, title) VALUES ('c_x', 'data_quality', 'title', 1, 'x')$$, 'NU003', 'alert rule "c_x": view nurture_bi.data_quality has no number "title"', 'no number');
SELECT throws_ok($$INSERT INTO nurture.alert_rule (alert, view, figure, op, value, title) VALUES ('c_x', 'data_quality', 'amount', '> 0 OR 1 >', 1, 'x')$$, '23514', NULL, 'no operator');

SELECT * FROM finish();
ROLLBACK;
