-- Standing and routes: where a lead stands, who takes over, with exact
-- outcomes under a set clock. 2026-03-02 is a Monday.
BEGIN;
SELECT plan(77);
SET LOCAL nurture.clock = '2026-03-02 10:00:00+00';
SET LOCAL nurture.app_user = 'ana';
SET LOCAL timezone = 'UTC';

CREATE FUNCTION pg_temp.happened(lead bigint, types text[]) RETURNS void LANGUAGE sql AS
$$ INSERT INTO nurture.event (lead_id, event_type) SELECT lead, t FROM unnest(types) t $$;
CREATE FUNCTION pg_temp.standing(lead bigint) RETURNS text LANGUAGE sql AS
$$ SELECT concat_ws(' ', stage, tier, grade) FROM nurture.lead_stage WHERE lead_id = lead AND product = '*' $$;
CREATE FUNCTION pg_temp.offers(lead bigint) RETURNS text LANGUAGE sql AS
$$ SELECT string_agg(concat_ws(' ', route, team, state), ', ' ORDER BY handoff_id) FROM nurture.handoff WHERE lead_id = lead $$;

-- a lead climbs by bands
INSERT INTO nurture.lead (lead_id, email, audience_type, role, country) VALUES (7001, 'one@example.org', 'hcp', 'prescriber', 'DE');
SELECT is(pg_temp.standing(7001), NULL, 'nothing is known of a new lead');
SELECT results_eq('SELECT tier, status, reasons FROM nurture_qualify(7001)', $$VALUES (2, 'fit', '{intent_short}'::text[])$$, 'fit without intent');
INSERT INTO nurture.lead (lead_id, audience_type, country) VALUES (7051, 'hcp', 'DE'), (7052, 'hcp', 'DE');
INSERT INTO nurture.event (lead_id, event_type, occurred_at, properties) VALUES (7051, 'page_viewed', '2026-02-01', NULL), (7052, 'page_viewed', '2026-03-02', '{"history": true}');
SELECT pg_temp.happened(7001, '{page_viewed}');
SELECT is(pg_temp.standing(7001), NULL, 'a page view decides nothing by itself');
SELECT is((SELECT done FROM nurture_tick() WHERE kind = 'standing'), 1::bigint, 'the tick looks at who was active, not at history');
SELECT is(pg_temp.standing(7001), 'engaged 2 B4', 'the first sign of interest');
SELECT is((SELECT done FROM nurture_tick() WHERE kind = 'standing'), 0::bigint, 'once an hour');
SELECT pg_temp.happened(7001, '{technical_document_downloaded}');
SELECT is(pg_temp.standing(7001), 'nurturing 2 B3', 'intent of band 3');
SELECT is(pg_temp.offers(7001), NULL, 'no offer yet');
SELECT pg_temp.happened(7001, '{technical_document_downloaded,technical_document_downloaded}');
SELECT is(pg_temp.standing(7001), 'mql 3 B2', 'intent of band 2: MQL');
SELECT is(pg_temp.offers(7001), 'mql sales_development offered', 'and its offer');
SELECT results_eq($$SELECT old_stage, new_stage, old_grade, new_grade, old_tier::int, new_tier::int, cause FROM nurture.stage_history WHERE lead_id = 7001 ORDER BY history_no$$,
    $$VALUES (NULL, 'engaged', NULL, 'B4', 0, 2, 'activity'), ('engaged', 'nurturing', 'B4', 'B3', 2, 2, 'technical_document_downloaded'),
             ('nurturing', 'mql', 'B3', 'B2', 2, 3, 'technical_document_downloaded')$$, 'every change has its history');
SELECT results_eq($$SELECT kind, outcome, reasons FROM nurture.audit WHERE lead_ref = 7001 ORDER BY audit_id$$,
    $$VALUES ('stage', 'engaged', '{intent_short}'::text[]), ('stage', 'nurturing', '{intent_short}'), ('stage', 'mql', '{readiness_short}'), ('handoff', 'offered', '{mql}')$$, 'and is on record');
SELECT pg_temp.happened(7001, '{page_viewed,page_viewed}');
SELECT is((SELECT count(*) FROM nurture.handoff_cause WHERE lead_id = 7001), 1::bigint, 'more of the same adds nothing');

-- the package is frozen
SELECT results_eq($$SELECT package #>> '{trigger,event_type}', package #>> '{standing,grade}', package #>> '{standing,stage}', package -> 'missing', jsonb_array_length(package -> 'recent'),
        (SELECT sum((e ->> 'points')::numeric) FROM jsonb_array_elements(package -> 'explanation') e) FROM nurture.handoff WHERE lead_id = 7001$$,
    $$SELECT 'technical_document_downloaded', 'B2', 'mql', '[]'::jsonb, 4, 55.00 + 31.00$$, 'trigger, standing, explanation that adds up');
SELECT is((SELECT package::text ~ 'example\.org' FROM nurture.handoff WHERE lead_id = 7001), false, 'no contact points in it');
SELECT is((SELECT encode(sha256(convert_to(package::text, 'UTF8')), 'hex') FROM nurture.handoff WHERE lead_id = 7001),
    (SELECT substring(inputs FROM 'package sha256 (\w+)') FROM nurture.audit WHERE lead_ref = 7001 AND kind = 'handoff'), 'its hash is on record');

-- a stage never falls by decay
SET LOCAL nurture.clock = '2026-08-31 10:00:00+00';
SELECT pg_temp.happened(7001, '{webinar_registered}');
SELECT is(pg_temp.standing(7001), 'mql 2 B4', 'grade and tier say what is true, the stage stays');
SET LOCAL nurture.clock = '2026-03-02 10:00:00+00';

-- accepted: SAL, and promotional nurturing rests
SELECT is(nurture_accept(7001, (SELECT handoff_id FROM nurture.handoff WHERE lead_id = 7001)), 'accepted', 'an MQL is accepted');
SELECT is((SELECT stage FROM nurture.lead_stage WHERE lead_id = 7001), 'sal', 'SAL');
SELECT is((SELECT accepted_at FROM nurture.lead_stage WHERE lead_id = 7001), '2026-03-02 10:00+00'::timestamptz, 'since when');
SELECT results_eq($$SELECT rule, effect, lifted_at FROM nurture.stop_effect WHERE lead_id = 7001$$, $$VALUES ('handoff_open', 'suppress_promotional', NULL::timestamptz)$$, 'promotional nurturing rests');
SELECT is(nurture_return(7001, (SELECT handoff_id FROM nurture.handoff WHERE lead_id = 7001), 'not_now'), 'returned', 'returned');
SELECT is((SELECT stage FROM nurture.lead_stage WHERE lead_id = 7001), 'recycled', 'recycled');
SELECT is((SELECT lifted_because FROM nurture.stop_effect WHERE lead_id = 7001), 'handoff_returned', 'the rest is over');

-- cool-down: old interest offers nothing, new high intent at once
SET LOCAL nurture.clock = '2026-03-09 10:00:00+00';
SELECT pg_temp.happened(7001, '{technical_document_downloaded,technical_document_downloaded,technical_document_downloaded}');
SELECT results_eq($$SELECT (SELECT stage FROM nurture.lead_stage WHERE lead_id = 7001), pg_temp.offers(7001)$$, $$VALUES ('recycled', 'mql sales_development returned')$$, 'cooling down');
SELECT pg_temp.happened(7001, '{meeting_requested}');
SELECT is((SELECT stage FROM nurture.lead_stage WHERE lead_id = 7001), 'sql', 'a direct request counts at once');
SELECT is(pg_temp.offers(7001), 'mql sales_development returned, ready account_executive offered', 'and is offered at once');
SELECT is((SELECT package #>> '{earlier,0,reason}' FROM nurture.handoff WHERE lead_id = 7001 AND route = 'ready'), 'not_now', 'the package says what happened before');
SELECT nurture_accept(7001, (SELECT handoff_id FROM nurture.handoff WHERE lead_id = 7001 AND is_open));
SELECT is((SELECT stage FROM nurture.lead_stage WHERE lead_id = 7001), 'sql', 'an accepted SQL stays SQL');
SELECT nurture_attempt(7001, (SELECT handoff_id FROM nurture.handoff WHERE lead_id = 7001 AND is_open), 'meeting_booked');
SELECT is((SELECT stage FROM nurture.lead_stage WHERE lead_id = 7001), 'meeting_set', 'meeting set');
SELECT nurture_attempt(7001, (SELECT handoff_id FROM nurture.handoff WHERE lead_id = 7001 AND is_open), 'meeting_held');
SELECT is((SELECT stage FROM nurture.lead_stage WHERE lead_id = 7001), 'meeting_held', 'meeting held');
SELECT nurture_convert(7001, (SELECT handoff_id FROM nurture.handoff WHERE lead_id = 7001 AND is_open));
SELECT is((SELECT stage FROM nurture.lead_stage WHERE lead_id = 7001), 'converted', 'converted');
SET LOCAL nurture.clock = '2026-03-02 10:00:00+00';

-- requests: by score, joined, with the stricter clock
INSERT INTO nurture.lead (lead_id, email, audience_type, role, country) VALUES
    (7010, 'ten@example.org', 'hcp', 'prescriber', 'DE'), (7011, NULL, 'hcp', NULL, 'DE'), (7012, 'e@example.org', 'hcp', NULL, 'DE');
SELECT pg_temp.happened(7010, '{demo_requested}');
SELECT is(pg_temp.standing(7010) || ': ' || pg_temp.offers(7010), 'sql 4 B1: ready account_executive offered', 'a demo request of a good fit');
SELECT results_eq($$SELECT accept_due, first_response_due, expires_at FROM nurture.handoff WHERE lead_id = 7010$$,
    $$VALUES ('2026-03-03 10:00+00'::timestamptz, '2026-03-02 14:00+00'::timestamptz, '2026-03-05 10:00+00'::timestamptz)$$, 'clocks of a demo');
SELECT pg_temp.happened(7011, '{demo_requested}');
SELECT is(pg_temp.standing(7011) || ': ' || pg_temp.offers(7011), 'nurturing 0 C1: request sales_development offered', 'one that nobody can reach yet');
SELECT is((SELECT package -> 'missing' FROM nurture.handoff WHERE lead_id = 7011), '["email", "role"]'::jsonb, 'what is missing is asked for');
SELECT results_eq($$SELECT r.request_kind, r.state, t.title, t.due_at FROM nurture.request r JOIN nurture.task t USING (lead_id, request_no) WHERE r.lead_id = 7011$$,
    $$VALUES ('demo', 'open', 'Fulfil: demo', '2026-03-02 14:00+00'::timestamptz)$$, 'the request is open, with a task');
SELECT pg_temp.happened(7012, '{sample_requested}');
SELECT results_eq($$SELECT route, priority, first_response_due FROM nurture.handoff WHERE lead_id = 7012$$, $$VALUES ('material', 90, '2026-03-04 10:00+00'::timestamptz)$$, 'samples');
SELECT pg_temp.happened(7012, '{demo_requested}');
SELECT results_eq($$SELECT route, priority, state, first_response_due FROM nurture.handoff WHERE lead_id = 7012$$, $$VALUES ('material', 80, 'offered', '2026-03-02 14:00+00'::timestamptz)$$, 'a demo request joins: one open, the stricter clock');
SELECT results_eq($$SELECT route, event_type FROM nurture.handoff_cause WHERE lead_id = 7012 ORDER BY cause_no$$, $$VALUES ('material', 'sample_requested'), ('request', 'demo_requested')$$, 'with its addendum');
SELECT pg_temp.happened(7012, '{demo_requested}');
SELECT is((SELECT count(*) FROM nurture.request WHERE lead_id = 7012), 2::bigint, 'a request that is open is not opened again');
SELECT is(nurture_fulfil(7012, (SELECT request_no FROM nurture.request WHERE lead_id = 7012 AND request_kind = 'sample'), 'declined', 'not licensed'), 'declined', 'a request is declined');
SELECT is(nurture_fulfil(7012, (SELECT request_no FROM nurture.request WHERE lead_id = 7012 AND request_kind = 'sample'), 'declined', 'not licensed'), 'declined', 'once');
SELECT throws_like($$SELECT nurture_fulfil(7012, (SELECT request_no FROM nurture.request WHERE lead_id = 7012 AND request_kind = 'sample'))$$, 'request % is declined: nurture_fulfil needs open', 'and stays so');
SELECT is((SELECT state FROM nurture.task WHERE lead_id = 7012 AND task_kind = 'request' AND title = 'Fulfil: sample'), 'done', 'its task ends');

-- medical questions, patients, safety
SELECT pg_temp.happened(7010, '{question_asked}');
SELECT is(pg_temp.offers(7010), 'ready account_executive offered, medical_question medical_affairs offered', 'a medical question opens a second one');
INSERT INTO nurture.lead (lead_id, email, audience_type, country) VALUES (7020, 'p@example.org', 'patient', 'DE'), (7021, 'q@example.org', 'patient', 'DE');
SELECT pg_temp.happened(7020, '{information_requested}');
SELECT is(pg_temp.offers(7020), 'patient patient_support offered', 'patients get support');
SELECT pg_temp.happened(7021, '{demo_requested,pricing_requested,webinar_attended,technical_document_downloaded,technical_document_downloaded}');
SELECT is(pg_temp.standing(7021) || ': ' || pg_temp.offers(7021), 'nurturing 1 D1: catch_all catch_all offered', 'and never reach sales');
SELECT pg_temp.happened(7021, '{adverse_event_reported}');
SELECT results_eq($$SELECT team, state, accept_due, first_response_due, expires_at FROM nurture.handoff WHERE lead_id = 7021 AND lane = 'safety'$$,
    $$VALUES ('pharmacovigilance', 'offered', '2026-03-02 14:00+00'::timestamptz, '2026-03-03 10:00+00'::timestamptz, NULL::timestamptz)$$, 'a safety report goes to pharmacovigilance at once and does not expire');
SELECT is_empty($$SELECT * FROM nurture_explain(7021) WHERE rule ~ 'adverse'$$, 'and is never scored');

-- every audience with every event: patients and medical questions never reach sales
INSERT INTO nurture.lead (lead_id, email, audience_type, role, country, therapeutic_area, owner)
SELECT 71000 + 100 * a.n + e.n, 'x@example.org', a.audience_type, 'prescriber', 'DE', 'neoplasms', 'olaf'
FROM (SELECT audience_type, row_number() OVER (ORDER BY audience_type) AS n FROM nurture.audience_type) a,
     (SELECT event_type, row_number() OVER (ORDER BY event_type) AS n FROM nurture.event_type) e;
INSERT INTO nurture.team_member (team, member) VALUES ('account_executive', 'olaf');
INSERT INTO nurture.event (lead_id, event_type) SELECT 71000 + 100 * a.n + e.n, t
FROM (SELECT row_number() OVER (ORDER BY audience_type) AS n FROM nurture.audience_type) a,
     (SELECT event_type, row_number() OVER (ORDER BY event_type) AS n FROM nurture.event_type) e, unnest(ARRAY[e.event_type, 'question_asked']) t;
SELECT cmp_ok((SELECT count(*) FROM nurture.handoff WHERE lead_id > 71000), '>', 900::bigint, 'many hand-offs');
SELECT is_empty($$SELECT h.lead_id, h.team FROM nurture.handoff h JOIN nurture.lead USING (lead_id) JOIN nurture.team t USING (team) WHERE audience_type = ANY (t.never_audiences)$$, 'no team has a lead it may not have');
SELECT is_empty($$SELECT c.lead_id, h.team FROM nurture.handoff_cause c JOIN nurture.handoff h USING (lead_id, handoff_id) JOIN nurture.request_kind k USING (event_type) JOIN nurture.team t USING (team) WHERE k.request_kind = ANY (t.never_requests)$$, 'nor a request it may not have');
SELECT is((SELECT count(DISTINCT lead_id) FROM nurture.handoff WHERE lead_id > 71000 AND team = 'medical_affairs'), (SELECT count(*) FROM nurture.lead WHERE lead_id > 71000), 'every question reaches medical affairs');
SELECT is_empty($$SELECT lead_id FROM nurture.handoff WHERE is_open GROUP BY lead_id, product, lane HAVING count(*) > 1$$, 'one open per lead, product and lane');
SELECT is((SELECT count(*) FROM nurture.handoff WHERE lead_id > 71000 AND route IN ('ready', 'request', 'sql', 'mql') AND member IS DISTINCT FROM 'olaf'), 0::bigint, 'the owner gets the lead with the own team');

-- history starts nothing
INSERT INTO nurture.lead (lead_id, email, audience_type, role, country) VALUES (7030, 'h@example.org', 'hcp', 'prescriber', 'DE');
INSERT INTO nurture.event (lead_id, event_type, occurred_at) VALUES (7030, 'demo_requested', '2026-02-20 10:00+00');
SELECT is(pg_temp.offers(7030), NULL, 'an old event starts nothing');
SELECT is(pg_temp.standing(7030), NULL, 'and decides no standing');

-- facts and disqualifiers
INSERT INTO nurture.lead (lead_id, email, country) VALUES (7040, 'f@example.org', 'DE');
SELECT pg_temp.happened(7040, '{technical_document_downloaded,technical_document_downloaded,technical_document_downloaded}');
SELECT is(pg_temp.standing(7040), 'nurturing 0 D2', 'intent without identity');
SELECT results_eq('SELECT tier, status, reasons, unknown FROM nurture_qualify(7040)', $$VALUES (0, 'unidentified', '{missing_audience}'::text[], '{}'::text[])$$, 'what is missing');
UPDATE nurture.lead SET audience_type = 'investigator', role = 'principal_investigator', updated_at = nurture_now() WHERE lead_id = 7040;
SELECT is(pg_temp.standing(7040) || ': ' || pg_temp.offers(7040), 'mql 3 A2: clinical_mql clinical_operations offered', 'facts decide the standing again');
UPDATE nurture.lead SET full_name = 'F' WHERE lead_id = 7040;
SELECT is((SELECT count(*) FROM nurture.stage_history WHERE lead_id = 7040), 2::bigint, 'a name does not');
INSERT INTO nurture.disqualification (lead_id, reason, valid_during) VALUES (7040, 'debarred', tstzrange('2026-03-01', '2026-04-01'));
SELECT is(pg_temp.standing(7040), 'disqualified 1 A2', 'a disqualifier takes the lead out');
SELECT results_eq('SELECT tier, status, reasons FROM nurture_qualify(7040)', $$VALUES (1, 'disqualified', '{debarred}'::text[])$$, 'and says why');
SELECT is(nurture_qualify.status, 'disqualified', 'it binds') FROM nurture_qualify(7040);
UPDATE nurture.disqualification SET valid_during = tstzrange('2026-03-01', '2026-03-02') WHERE lead_id = 7040;
SELECT is(pg_temp.standing(7040), 'recycled 3 A2', 'over: recycled');

-- routes by hand, versions, what cannot be understood
SELECT isnt(nurture_route(7030, reason => 'met at a congress'), NULL, 'a person hands a lead over');
SELECT results_eq($$SELECT route, reason, actor FROM nurture.handoff_cause WHERE lead_id = 7030$$, $$VALUES ('catch_all', 'met at a congress', 'ana')$$, 'the reason is kept');
SELECT throws_ok($$UPDATE nurture.route_version SET priority = 1 WHERE route = 'mql'$$, 'NU006', 'version 1 of "mql" is published and cannot be changed', 'a published version does not change');
SELECT is(nurture_draft('route', 'mql'), 2, 'a new version is drafted');
UPDATE nurture.route_version SET sla_accept = '2 hours' WHERE route = 'mql' AND version = 2;
SELECT is(nurture_publish('route', 'mql', 2, 'faster'), 'route mql version 2 is published, version 1 is retired; no active member in team sales_development', 'and published');
SELECT throws_ok($$SELECT nurture_publish('route', 'mql', 1, 'again')$$, 'NU006', 'version 1 of route "mql" is retired', 'a retired one is not');
SELECT throws_ok($$INSERT INTO nurture.route_version (route, version, priority, condition, team, sla_accept, sla_first_response) VALUES ('mql', 3, 1, '{"signal": "demo_requestd"}', 'catch_all', '1 hour', '1 hour')$$, 'NU005', NULL, 'a misspelt signal is refused when it is written');
SELECT throws_ok($$INSERT INTO nurture.route_version (route, version, priority, condition, team, sla_accept, sla_first_response) VALUES ('mql', 3, 1, '{"all": []}', 'nobody', '1 hour', '1 hour')$$, '23503', NULL, 'an unknown team');
SELECT throws_ok($$INSERT INTO nurture.route_version (route, version, priority, condition, team, sla_accept, sla_first_response) VALUES ('mql', 3, 1, '{"all": []}', 'catch_all', '1 day', '1 hour')$$, '23514', NULL, 'days are no working time');
SELECT throws_ok($$INSERT INTO nurture.route_version (route, version, priority, condition, team, sla_accept, sla_first_response, required_fields) VALUES ('mql', 3, 1, '{"all": []}', 'catch_all', '1 hour', '1 hour', '{shoe_size}')$$, 'NU005', NULL, 'an unknown field');
SELECT throws_ok($$INSERT INTO nurture.stage_transition (from_stage, to_stage, by, condition) VALUES ('new', 'mql', 'rule', '{"tier": 9, "x": 1}')$$, 'NU005', NULL, 'a transition that cannot be understood');

SELECT * FROM finish();
ROLLBACK;
