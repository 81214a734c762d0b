-- Consent decides standings and routes; languages and owners of other teams in
-- assignment and package.
BEGIN;
SELECT plan(18);
SET LOCAL nurture.clock = '2026-03-02 10:00:00+00';
SET LOCAL timezone = 'UTC';
CREATE FUNCTION pg_temp.at(t text) RETURNS text LANGUAGE sql AS $$ SELECT set_config('nurture.clock', t, true) $$;
CREATE FUNCTION pg_temp.stage(lead bigint) RETURNS text LANGUAGE sql AS $$ SELECT stage || ' ' || cause FROM nurture.lead_stage WHERE lead_id = lead AND product = '*' $$;

-- consent: nobody asks while no rule reads it
INSERT INTO nurture.team (team, title, calendar, lane, never_requests) VALUES ('p_team', 'Test team', 'office', 'business', '{}'), ('p_owners', 'Owners', 'office', 'business', '{pricing}');
INSERT INTO nurture.lead (lead_id, source, email, audience_type, role, country, language) SELECT 9700 + g, 'p', 'p' || g || '@p.example.org', 'hcp', 'prescriber', 'DE', 'de-AT' FROM generate_series(1, 9) g;
INSERT INTO nurture.lead_stage (lead_id, stage, stage_no, since, tier) SELECT 9700 + g, 'nurturing', 3, '2026-03-01', 2 FROM generate_series(1, 9) g;
SELECT nurture_opt_in(9701, 'email', 'form') > 0 AS opted_in;
INSERT INTO nurture.stage_transition (audience_type, from_stage, to_stage, by, condition) VALUES ('hcp', 'nurturing', 'mql', 'rule', '{"consent": {"channel": "phone", "purpose": "marketing", "is": "given"}}')
    ON CONFLICT (audience_type, from_stage, to_stage, by) DO UPDATE SET condition = EXCLUDED.condition;
SELECT nurture_opt_in(9702, 'email', 'form') > 0 AS opted_in;
SELECT is((SELECT stage FROM nurture.lead_stage WHERE lead_id = 9702 AND product = '*'), 'nurturing', 'a yes to another channel moves nobody');
SELECT nurture_opt_in(9702, 'phone', 'form') > 0 AS opted_in;
SELECT is(pg_temp.stage(9702), 'mql consent', 'the yes that a rule asks for does, at once');
SELECT results_eq($$SELECT new_stage, cause FROM nurture.stage_history WHERE lead_id = 9702 AND new_stage = 'mql'$$, $$VALUES ('mql', 'consent')$$, 'with its cause');
SELECT results_eq($$SELECT outcome, trigger ->> 'cause' FROM nurture.audit WHERE lead_ref = 9702 AND kind = 'stage' AND outcome = 'mql'$$, $$VALUES ('mql', 'consent')$$, 'on record');
-- several leads of one statement
INSERT INTO nurture.consent_event (lead_id, channel, purpose, kind, occurred_at, source, legal_basis) SELECT l, 'phone', 'marketing', 'given', nurture_now(), 'form', 'consent' FROM unnest('{9704,9703,9704}'::bigint[]) l;
SELECT is((SELECT count(*) FROM nurture.lead_stage WHERE lead_id IN (9703, 9704) AND stage = 'mql'), 2::bigint, 'and for all leads of a statement');
-- one that ends
UPDATE nurture.stage_transition SET condition = '{"not": {"consent": {"channel": "phone", "purpose": "marketing", "is": "given"}}}' WHERE (audience_type, from_stage, to_stage, by) = ('hcp', 'nurturing', 'mql', 'rule');
INSERT INTO nurture.consent_event (lead_id, channel, purpose, kind, occurred_at, source, legal_basis, expires_at) VALUES (9705, 'phone', 'marketing', 'given', nurture_now(), 'form', 'consent', '2026-03-05 12:00+00');
SELECT is((SELECT stage FROM nurture.lead_stage WHERE lead_id = 9705 AND product = '*'), 'nurturing', 'while it holds the lead stays');
SELECT is((SELECT due_at FROM nurture.gate WHERE lead_id = 9705), '2026-03-05 12:00+00'::timestamptz, 'the tick comes when it ends');
SELECT pg_temp.at('2026-03-05 12:00:01+00');
SELECT count(*) > 0 AS ticked FROM nurture_tick(1000, '1 minute');
SELECT is((SELECT stage FROM nurture.lead_stage WHERE lead_id = 9705 AND product = '*'), 'mql', 'and then it goes on');
-- a route that waits for consent
INSERT INTO nurture.team_member (team, member) VALUES ('p_team', 'ana');
INSERT INTO nurture.route (route, title) VALUES ('p_hold', 'hold'), ('p_turn', 'turn'), ('p_owner', 'owner');
INSERT INTO nurture.route_version (route, version, priority, condition, team, method, sla_accept, sla_first_response, hold_until) VALUES
    ('p_hold', 1, 2, '{"fact": "source", "op": "=", "value": "p"}', 'p_team', 'round_robin', '8 hours', '16 hours', '{"consent": {"channel": "phone", "purpose": "marketing", "is": "given"}}');
SELECT nurture_publish('route', 'p_hold', 1, 'test') IS NOT NULL AS published;
INSERT INTO nurture.lead (lead_id, source, audience_type, country) VALUES (9710, 'p', 'hcp', 'DE');
SELECT nurture_route(9710) IS NOT NULL AS routed;
SELECT is((SELECT state FROM nurture.handoff WHERE lead_id = 9710), 'pending', 'a hand-off waits for consent');
SELECT nurture_opt_in(9710, 'phone', 'form') > 0 AS opted_in;
SELECT is((SELECT state FROM nurture.handoff WHERE lead_id = 9710), 'offered', 'and is offered with it');
SELECT nurture_retire('route', 'p_hold', 'test') IS NOT NULL AS retired;

-- languages
INSERT INTO nurture.team_member (team, member, languages, capacity) VALUES ('p_owners', 'l_de', '{DE}', 3), ('p_owners', 'l_fr', '{fr}', NULL), ('p_owners', 'l_en', '{en-GB}', NULL);
INSERT INTO nurture.route_version (route, version, priority, condition, team, method, sla_accept, sla_first_response) VALUES
    ('p_turn', 1, 2, '{"fact": "source", "op": "=", "value": "q"}', 'p_owners', 'round_robin', '8 hours', '16 hours');
SELECT nurture_publish('route', 'p_turn', 1, 'test') IS NOT NULL AS published;
INSERT INTO nurture.lead (lead_id, source, audience_type, country, language) SELECT 9720 + g, 'q', 'hcp', 'DE', (ARRAY['de', 'de-AT', 'de_CH', 'de', 'en', 'fr-BE', NULL, 'it'])[g] FROM generate_series(1, 8) g;
SELECT count(nurture_route(9720 + g)) AS routed FROM generate_series(1, 3) g;
SELECT nurture_assign(1000) >= 3 AS assigned;
SELECT is((SELECT string_agg(member, ',' ORDER BY lead_id) FROM nurture.handoff WHERE lead_id BETWEEN 9721 AND 9723), 'l_de,l_de,l_de', 'who speaks the lead''s language is named, whosever turn it is');
SELECT count(nurture_route(9720 + g)) AS routed FROM generate_series(4, 6) g;
SELECT nurture_assign(1000) >= 3 AS assigned;
SELECT is((SELECT string_agg(member, ',' ORDER BY lead_id) FROM nurture.handoff WHERE lead_id BETWEEN 9725 AND 9726), 'l_en,l_fr', 'each by language');
SELECT ok((SELECT member IN ('l_en', 'l_fr') FROM nurture.handoff WHERE lead_id = 9724), 'when nobody who speaks it has room, another takes it');
SELECT count(nurture_route(9720 + g)) AS routed FROM generate_series(7, 8) g;
SELECT nurture_assign(1000) >= 2 AS assigned;
SELECT is((SELECT count(DISTINCT member) FROM nurture.handoff WHERE lead_id BETWEEN 9727 AND 9728 AND member IN ('l_en', 'l_fr')), 2::bigint, 'a language that is not known, or nobody speaks, goes in turn');
UPDATE nurture.team_member SET languages = '{}', capacity = NULL WHERE team = 'p_owners';
INSERT INTO nurture.lead (lead_id, source, audience_type, country, language) SELECT 9740 + g, 'q', 'hcp', 'DE', 'de' FROM generate_series(1, 18) g;
SELECT count(nurture_route(9740 + g)) AS routed FROM generate_series(1, 9) g;
SELECT nurture_assign(1000) >= 9 AS assigned;
SELECT count(nurture_route(9740 + g)) AS routed FROM generate_series(10, 18) g;
SELECT nurture_assign(1000) >= 9 AS assigned;
SELECT is((SELECT array_agg(n ORDER BY n) FROM (SELECT count(*) AS n FROM nurture.handoff WHERE lead_id BETWEEN 9750 AND 9758 GROUP BY member) x), '{3,3,3}', 'once all turns are level, languages that are not told keep nobody from one');

-- owner affinity: the package is for the owner's team
INSERT INTO nurture.route_version (route, version, priority, condition, team, method, sla_accept, sla_first_response) VALUES
    ('p_owner', 1, 2, '{"fact": "source", "op": "=", "value": "o"}', 'p_team', 'owner_affinity', '8 hours', '16 hours');
SELECT nurture_publish('route', 'p_owner', 1, 'test') IS NOT NULL AS published;
INSERT INTO nurture.team_member (team, member) VALUES ('p_owners', 'olga');
INSERT INTO nurture.lead (lead_id, source, audience_type, country, owner) VALUES (9761, 'o', 'hcp', 'DE', 'olga'), (9762, 'o', 'hcp', 'DE', 'ana');
INSERT INTO nurture.request (lead_id, request_kind, opened_at) SELECT l, k, nurture_now() FROM unnest('{9761,9762}'::bigint[]) l, unnest('{pricing,literature}'::text[]) k;
SELECT count(nurture_route(l)) AS routed FROM unnest('{9761,9762}'::bigint[]) l;
SELECT results_eq($$SELECT team, member FROM nurture.handoff WHERE lead_id IN (9761, 9762) ORDER BY lead_id$$, $$VALUES ('p_owners', 'olga'), ('p_team', 'ana')$$, 'the owner takes it with the own team');
SELECT ok((SELECT package::text ~ 'literature' AND package::text !~ 'pricing' FROM nurture.handoff WHERE lead_id = 9761), 'which is not told of what may never go there');
SELECT ok((SELECT package::text ~ 'literature' AND package::text ~ 'pricing' FROM nurture.handoff WHERE lead_id = 9762), 'as the route''s is');

SELECT * FROM finish();
ROLLBACK;
