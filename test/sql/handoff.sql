-- Hand-offs: every state and every call, who gets them, and what follows.
BEGIN;
SELECT plan(56);
SET LOCAL nurture.clock = '2026-03-02 10:00:00+00';
SET LOCAL nurture.app_user = 'ana';
SET LOCAL timezone = 'UTC';

-- a team of three, a route that always applies, and one that waits
INSERT INTO nurture.team (team, title, calendar) VALUES ('h_team', 'Test team', 'office'), ('h_lonely', 'Nobody', 'office');
INSERT INTO nurture.team_member (team, member) VALUES ('h_team', 'ana'), ('h_team', 'bob'), ('h_team', 'cy');
INSERT INTO nurture.route (route, title) VALUES ('h_all', 'all'), ('h_wait', 'waits');
INSERT INTO nurture.route_version (route, version, priority, condition, team, sla_accept, sla_first_response, offer_expires, attempts_max, hold_until) VALUES
    ('h_all', 1, 2, '{"fact": "source", "op": "=", "value": "h"}', 'h_team', '8 hours', '16 hours', '24 hours', 3, NULL),
    ('h_wait', 1, 1, '{"fact": "source", "op": "=", "value": "w"}', 'h_team', '8 hours', '16 hours', '24 hours', 3, '{"signal": "webinar_attended"}');
SELECT is(nurture_publish('route', 'h_all', 1, 'test'), 'route h_all version 1 is published', 'a route is published');
SELECT is(nurture_publish('route', 'h_wait', 1, 'test'), 'route h_wait version 1 is published', 'and another');

CREATE FUNCTION pg_temp.act(call text, lead bigint, id bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN CASE call
        WHEN 'accept' THEN nurture_accept(lead, id)
        WHEN 'reject' THEN nurture_reject(lead, id, 'too early')
        WHEN 'attempt' THEN nurture_attempt(lead, id, 'reached')
        WHEN 'held' THEN nurture_attempt(lead, id, 'meeting_held')
        WHEN 'convert' THEN nurture_convert(lead, id)
        WHEN 'return' THEN nurture_return(lead, id, 'not ready')
        WHEN 'reassign' THEN nurture_reassign(lead, id, 'cy')
        WHEN 'assign' THEN nurture_assign()::text
    END;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END $$;
CREATE FUNCTION pg_temp.make(lead bigint, wanted text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    id bigint;
BEGIN
    INSERT INTO nurture.lead (lead_id, source) VALUES (lead, CASE WHEN wanted = 'pending' THEN 'w' ELSE 'h' END);
    id := nurture_route(lead);
    IF wanted NOT IN ('pending', 'offered', 'rejected', 'expired') THEN PERFORM nurture_accept(lead, id); END IF;
    IF wanted IN ('working', 'met') THEN PERFORM nurture_attempt(lead, id, 'reached'); END IF;
    IF wanted = 'met' THEN PERFORM nurture_attempt(lead, id, 'meeting_held'); END IF;
    IF wanted = 'converted' THEN PERFORM nurture_convert(lead, id); END IF;
    IF wanted = 'rejected' THEN PERFORM nurture_reject(lead, id, 'no'); END IF;
    IF wanted = 'returned' THEN PERFORM nurture_return(lead, id, 'no'); END IF;
    IF wanted = 'expired' THEN
        PERFORM set_config('nurture.clock', '2026-03-09 10:00:00+00', true);
        PERFORM nurture_routing_due();
        PERFORM set_config('nurture.clock', '2026-03-02 10:00:00+00', true);
    END IF;
    RETURN id;
END $$;

CREATE TEMP TABLE matrix ON COMMIT DROP AS
SELECT s.state, c.call, s.n AS state_no, c.n AS call_no, 800000 + s.n * 100 + c.n AS lead_id, NULL::bigint AS handoff_id, NULL::text AS result
FROM unnest('{pending,offered,accepted,working,met,converted,rejected,expired,returned}'::text[]) WITH ORDINALITY s (state, n),
     unnest('{accept,reject,attempt,held,convert,return,reassign}'::text[]) WITH ORDINALITY c (call, n);
-- expired ones first: at their time every offer would end
UPDATE matrix SET handoff_id = pg_temp.make(lead_id, state) WHERE state = 'expired';
UPDATE matrix SET handoff_id = pg_temp.make(lead_id, state) WHERE state <> 'expired';
SELECT is((SELECT count(*) FROM matrix JOIN nurture.handoff h USING (lead_id, handoff_id) WHERE h.state = matrix.state), 63::bigint, 'each state is reached');
UPDATE matrix SET result = pg_temp.act(call, lead_id, handoff_id);
SELECT state, string_agg(call || '=' || result, ' ' ORDER BY call_no) AS calls FROM matrix GROUP BY state, state_no ORDER BY state_no;
SELECT is_empty($$SELECT * FROM matrix m JOIN nurture.handoff h USING (lead_id, handoff_id)
    WHERE h.state <> CASE WHEN m.result = 'NU007' THEN m.state ELSE m.result END$$, 'what a call returns is what is written, and a refused one changes nothing');

-- what the errors say
SELECT throws_ok(format('SELECT nurture_convert(%s, %s)', lead_id, handoff_id), 'NU007',
    format('hand-off %s is rejected: nurture_convert needs accepted, working, met', handoff_id), 'the error names the states that allow the call')
FROM matrix WHERE state = 'offered' AND call = 'reject';
SELECT throws_ok('SELECT nurture_accept(800101, -1)', 'NU003', 'lead 800101 has no hand-off -1', 'an unknown hand-off');
SELECT throws_ok(format('SELECT nurture_return(%s, %s, %L)', lead_id, handoff_id, ''), '22023', 'nurture_return needs a reason', 'a return needs a reason') FROM matrix WHERE state = 'offered' AND call = 'accept';
SELECT throws_ok(format('SELECT nurture_attempt(%s, %s, %L)', lead_id, handoff_id, 'shouted'), 'NU003', 'unknown outcome "shouted" of an attempt', 'an unknown outcome') FROM matrix WHERE state = 'offered' AND call = 'accept';
SELECT throws_ok(format('SELECT nurture_reassign(%s, %s, %L)', lead_id, handoff_id, 'zoe'), 'NU003', '"zoe" is no active member of team "h_team"', 'a stranger') FROM matrix WHERE state = 'offered' AND call = 'accept';
SELECT throws_ok('SELECT nurture_accept(NULL, 1)', '22004', NULL, 'no lead');

-- rows are changed by functions only
SELECT throws_ok($$UPDATE nurture.handoff SET state = 'converted'$$, 'NU008', 'hand-offs are changed by functions only', 'no UPDATE by hand');
SELECT throws_ok($$DELETE FROM nurture.handoff$$, 'NU008', NULL, 'no DELETE');
SELECT throws_ok($$INSERT INTO nurture.handoff (lead_id, lane, team, state, method, priority, created_at, package) VALUES (1, 'business', 'h_team', 'offered', 'queue', 1, now(), '{}')$$, 'NU008', NULL, 'no INSERT');
SET LOCAL session_replication_role = replica;
SELECT throws_ok($$UPDATE nurture.handoff SET state = 'converted'$$, 'NU008', NULL, 'in replica mode neither');
SET LOCAL session_replication_role = origin;

-- the story of one: clocks, tasks, outbox, audit
INSERT INTO nurture.lead (lead_id, source) VALUES (810001, 'h');
CREATE TEMP TABLE story ON COMMIT DROP AS SELECT nurture_route(810001) AS id;
SELECT results_eq($$SELECT state, team, member, accept_due, first_response_due, expires_at FROM nurture.handoff WHERE lead_id = 810001$$,
    $$VALUES ('offered', 'h_team', NULL, '2026-03-03 10:00+00'::timestamptz, '2026-03-04 10:00+00'::timestamptz, '2026-03-05 10:00+00'::timestamptz)$$, 'clocks run on working time');
SELECT is((SELECT nurture_route(810001)), (SELECT id FROM story), 'a second call joins the open one');
SELECT is((SELECT count(*) FROM nurture.handoff_cause WHERE lead_id = 810001), 2::bigint, 'as an addendum');
SET LOCAL nurture.clock = '2026-03-02 12:00:00+00';
SELECT is(nurture_accept(810001, (SELECT id FROM story)), 'accepted', 'accepted');
SELECT is(nurture_accept(810001, (SELECT id FROM story)), 'accepted', 'once more: nothing happens');
SELECT results_eq($$SELECT member, accepted_by, accepted_at FROM nurture.handoff WHERE lead_id = 810001$$,
    $$VALUES ('ana', 'ana', '2026-03-02 12:00+00'::timestamptz)$$, 'who accepts has it');
SELECT results_eq($$SELECT task_kind, state, member, due_at FROM nurture.task WHERE lead_id = 810001 ORDER BY task_id$$,
    $$VALUES ('accept', 'done', NULL, '2026-03-03 10:00+00'::timestamptz), ('contact', 'open', 'ana', '2026-03-04 10:00+00')$$, 'tasks follow');
SELECT is(nurture_attempt(810001, (SELECT id FROM story), 'no_answer'), 'working', 'first attempt');
SELECT is(nurture_attempt(810001, (SELECT id FROM story), 'left_message'), 'working', 'second');
SELECT is(nurture_attempt(810001, (SELECT id FROM story), 'replied'), 'working', 'an answer begins the count again');
SELECT is(nurture_attempt(810001, (SELECT id FROM story), 'no_answer'), 'working', 'one');
SELECT is(nurture_attempt(810001, (SELECT id FROM story), 'no_answer'), 'working', 'two');
SELECT is(nurture_attempt(810001, (SELECT id FROM story), 'no_answer', 'mailbox full'), 'returned', 'the third without an answer returns the lead');
SELECT results_eq($$SELECT state, attempts, unanswered, reason, first_response_at, cool_down_until FROM nurture.handoff WHERE lead_id = 810001$$,
    $$VALUES ('returned', 6, 3, 'no_answer', '2026-03-02 12:00+00'::timestamptz, '2026-04-01 12:00+00'::timestamptz)$$, 'with a cool-down');
SELECT results_eq($$SELECT topic FROM nurture.outbox WHERE lead_id = 810001 ORDER BY outbox_id$$,
    $$VALUES ('handoff.offered'), ('handoff.joined'), ('handoff.accepted'), ('handoff.returned')$$, 'other systems learn it');
SELECT results_eq($$SELECT outcome, app_user FROM nurture.audit WHERE lead_ref = 810001 AND kind = 'handoff' ORDER BY audit_id$$,
    $$VALUES ('offered', 'ana'), ('joined', 'ana'), ('accepted', 'ana'), ('attempted', 'ana'), ('attempted', 'ana'), ('attempted', 'ana'),
      ('attempted', 'ana'), ('attempted', 'ana'), ('attempted', 'ana'), ('returned', 'ana')$$, 'everything is on record, a repetition is not');
SELECT is_empty($$SELECT * FROM nurture.task WHERE lead_id = 810001 AND state = 'open'$$, 'nothing is left to do');

-- a pending hand-off is offered when what it waits for has come
SELECT is((SELECT state FROM nurture.handoff WHERE lead_id = 800101 AND accept_due IS NULL), 'pending', 'held back');
INSERT INTO nurture.event (lead_id, event_type) VALUES (800101, 'webinar_attended');
SELECT results_eq($$SELECT state, offered_at, accept_due FROM nurture.handoff WHERE lead_id = 800101$$,
    $$VALUES ('offered', '2026-03-02 12:00+00'::timestamptz, '2026-03-03 12:00+00'::timestamptz)$$, 'released by the event, the clock begins');

-- offers expire
SET LOCAL nurture.clock = '2026-03-05 11:59:59+00';
INSERT INTO nurture.lead (lead_id, source) VALUES (810002, 'h');
SELECT isnt(nurture_route(810002), NULL, 'an offer');
SELECT is((SELECT state FROM nurture.handoff WHERE lead_id = 800101), 'offered', 'one second before');
SET LOCAL nurture.clock = '2026-03-05 12:00:00+00';
SELECT nurture_routing_due() >= 1 AS ended;
SELECT results_eq($$SELECT lead_id, state, reason, closed_by FROM nurture.handoff WHERE lead_id IN (800101, 810002) ORDER BY 1$$,
    $$VALUES (800101::bigint, 'expired', 'offer_expired', NULL), (810002, 'offered', NULL, NULL)$$, 'it ends when its time is over');

-- exactly fair
SELECT nurture_assign(100000) >= 0 AS rest;
INSERT INTO nurture.team_member (team, member, active, absence, capacity) VALUES
    ('h_team', 'dan', false, '{}', NULL), ('h_team', 'eve', true, ARRAY[tstzrange('2026-03-01', '2026-03-20')], NULL), ('h_team', 'fay', true, '{}', 0);
CREATE TEMP TABLE before ON COMMIT DROP AS SELECT member, assigned FROM nurture.team_turn WHERE team = 'h_team';
INSERT INTO nurture.lead (lead_id, source) SELECT g, 'h' FROM generate_series(820001, 820032) g;
SELECT count(nurture_route(g)) FROM generate_series(820001, 820032) g;
SELECT is(nurture_assign(7), 7, 'some get a member');
SAVEPOINT turn;
SELECT is(nurture_assign(), 25, 'all others too');
ROLLBACK TO turn;
SELECT is(nurture_assign(), 25, 'a rollback gives the turns back');
SELECT results_eq($$SELECT array_agg(member ORDER BY member), min(n), max(n) FROM
    (SELECT member, count(*) AS n FROM nurture.handoff WHERE lead_id BETWEEN 820001 AND 820032 GROUP BY member) x$$,
    $$VALUES ('{ana,bob,cy}'::text[], 10::bigint, 11::bigint)$$,
    'counts differ by one at most; inactive, absent and full members get none');
SET LOCAL nurture.clock = '2026-03-20 10:00:00+00';
INSERT INTO nurture.lead (lead_id, source) SELECT g, 'h' FROM generate_series(820101, 820108) g;
SELECT count(nurture_route(g)) FROM generate_series(820101, 820108) g;
SELECT is(nurture_assign(), 8, 'eve is back');
SELECT results_eq($$SELECT count(*) FROM nurture.handoff WHERE lead_id BETWEEN 820101 AND 820108 AND member = 'eve'$$, 'VALUES (2::bigint)', 'and makes up for nothing');

-- weights, load and owners
INSERT INTO nurture.team (team, title) VALUES ('h_weight', 'weights'), ('h_load', 'loads'), ('h_owner', 'owners');
INSERT INTO nurture.team_member (team, member, weight, capacity) VALUES ('h_weight', 'one', 1, NULL), ('h_weight', 'three', 3, NULL),
    ('h_load', 'few', 1, 2), ('h_load', 'many', 1, NULL), ('h_owner', 'olga', 1, NULL);
UPDATE nurture.team_member SET external_ref = 'crm-77' WHERE member = 'olga';
INSERT INTO nurture.route (route, title) VALUES ('h_weight', 'x'), ('h_load', 'x'), ('h_owner', 'x'), ('h_lonely', 'x');
INSERT INTO nurture.route_version (route, version, priority, condition, team, method, sla_accept, sla_first_response)
SELECT 'h_' || m, 1, 3, jsonb_build_object('fact', 'source', 'op', '=', 'value', m), 'h_' || m, method, '1 hour', '1 hour'
FROM (VALUES ('weight', 'weighted'), ('load', 'least_loaded'), ('lonely', 'round_robin')) v (m, method);
INSERT INTO nurture.route_version (route, version, priority, condition, team, method, sla_accept, sla_first_response)
VALUES ('h_owner', 1, 3, '{"fact": "source", "op": "=", "value": "owner"}', 'h_team', 'owner_affinity', '1 hour', '1 hour');
SELECT is(nurture_publish('route', 'h_lonely', 1, 'test'), 'route h_lonely version 1 is published; no active member in team h_lonely', 'a team without members is told');
SELECT count(nurture_publish('route', r, 1, 'test')) FROM unnest('{h_weight,h_load,h_owner}'::text[]) r;
INSERT INTO nurture.lead (lead_id, source, owner) SELECT 830000 + g, (ARRAY['weight', 'load', 'lonely', 'owner'])[1 + g / 100], CASE WHEN g >= 300 THEN 'crm-77' END
FROM generate_series(0, 399) g WHERE g % 100 < 8;
SELECT count(nurture_route(lead_id)) FROM nurture.lead WHERE lead_id BETWEEN 830000 AND 830399;
SELECT nurture_assign(100000) > 0 AS some;
SELECT results_eq($$SELECT team, member, count(*) FROM nurture.handoff WHERE lead_id BETWEEN 830000 AND 830399 GROUP BY 1, 2 ORDER BY 1, 2$$,
    $$VALUES ('h_load', 'few', 2::bigint), ('h_load', 'many', 6), ('h_lonely', NULL, 8), ('h_owner', 'olga', 8), ('h_weight', 'one', 2), ('h_weight', 'three', 6)$$,
    'by weight, by load up to capacity, to the owner with the own team at once; without members they wait');

-- territory
INSERT INTO nurture.team (team, title) VALUES ('h_land', 'lands');
INSERT INTO nurture.team_member (team, member, territories) VALUES ('h_land', 'north', '{DK,SE}'), ('h_land', 'bavaria', '{DE-BY}'), ('h_land', 'germany', '{DE}');
INSERT INTO nurture.route (route, title) VALUES ('h_land', 'x');
INSERT INTO nurture.route_version (route, version, priority, condition, team, method, sla_accept, sla_first_response)
VALUES ('h_land', 1, 3, '{"fact": "source", "op": "=", "value": "land"}', 'h_land', 'territory', '1 hour', '1 hour');
SELECT is(nurture_publish('route', 'h_land', 1, 'test'), 'route h_land version 1 is published', 'a route by territory');
INSERT INTO nurture.lead (lead_id, source, country, region) VALUES (840001, 'land', 'SE', NULL), (840002, 'land', 'DE', 'DE-BE'), (840003, 'land', 'DE', 'DE-BY'), (840004, 'land', 'FR', NULL);
SELECT count(nurture_route(lead_id)) FROM nurture.lead WHERE lead_id BETWEEN 840001 AND 840004;
SELECT results_eq($$SELECT lead_id, member FROM nurture.handoff WHERE lead_id BETWEEN 840001 AND 840004 ORDER BY 1$$,
    $$VALUES (840001::bigint, 'north'), (840002, 'germany'), (840003, NULL), (840004, NULL)$$, 'the only one for the territory at once');
SELECT nurture_assign(100000) > 0 AS some;
SELECT results_eq($$SELECT lead_id, member FROM nurture.handoff WHERE lead_id BETWEEN 840003 AND 840004 ORDER BY 1$$,
    $$VALUES (840003::bigint, 'bavaria'), (840004, NULL)$$, 'one of several in turn, nobody where nobody covers it');

-- who has no right to hand-offs moves none, though it may read everything
CREATE ROLE nurture_h_reader;
GRANT USAGE ON SCHEMA nurture TO nurture_h_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA nurture TO nurture_h_reader;
GRANT nurture_h_reader TO CURRENT_USER;
CREATE FUNCTION pg_temp.as_reader(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text := 'done';
BEGIN
    SET LOCAL ROLE nurture_h_reader;
    BEGIN
        EXECUTE call;
    EXCEPTION WHEN OTHERS THEN
        result := SQLSTATE || ' ' || SQLERRM;
    END;
    RESET ROLE;
    RETURN result;
END $$;
SELECT results_eq($$SELECT call, pg_temp.as_reader('SELECT ' || call) FROM unnest(ARRAY[
        'nurture_accept(840001, 1)', 'nurture_reject(840001, 1, ''x'')', 'nurture_attempt(840001, 1, ''reached'')', 'nurture_convert(840001, 1)',
        'nurture_return(840001, 1, ''x'')', 'nurture_reassign(840001, 1, ''cy'')', 'nurture_route(840001)', 'nurture_assign()', 'nurture_routing_due()']) call$$,
    $$SELECT call, '42501 permission denied for table handoff' FROM unnest(ARRAY[
        'nurture_accept(840001, 1)', 'nurture_reject(840001, 1, ''x'')', 'nurture_attempt(840001, 1, ''reached'')', 'nurture_convert(840001, 1)',
        'nurture_return(840001, 1, ''x'')', 'nurture_reassign(840001, 1, ''cy'')', 'nurture_route(840001)', 'nurture_assign()', 'nurture_routing_due()']) call$$,
    'calls on hand-offs ask for UPDATE on them');
SELECT is(pg_temp.as_reader('SELECT nurture_fulfil(840001, 1)'), '42501 permission denied for table request', 'answers for UPDATE on requests');
SELECT is(pg_temp.as_reader($$SELECT nurture_draft('route', 'h_all')$$), '42501 permission denied for table route_version', 'drafts of routes for UPDATE on their versions');
SELECT is(pg_temp.as_reader($$SELECT nurture_publish('route', 'h_all', 1, 'x')$$), '42501 permission denied for table route_version', 'and so does publishing');
GRANT UPDATE ON nurture.handoff TO nurture_h_reader;
SELECT is(pg_temp.as_reader('SELECT nurture_assign()'), 'done', 'with it they go');

-- what the registry of attributes requires is told to be missing
INSERT INTO nurture.attribute (attribute, type, required_for, title) VALUES
    ('h_on_route', 'text', '{route:h_all}', 'x'), ('h_elsewhere', 'text', '{route:h_wait}', 'x'),
    ('h_of_audience', 'text', '{h_aud/0}', 'x'), ('h_of_others', 'text', '{payer/0}', 'x'), ('h_of_all', 'text', '{*/0}', 'x'), ('h_higher', 'text', '{*/4}', 'x');
INSERT INTO nurture.audience_type (audience_type, title) VALUES ('h_aud', 'A');
INSERT INTO nurture.lead (lead_id, audience_type, source, attributes) VALUES (829001, 'h_aud', 'h', '{}'), (829002, 'h_aud', 'h', '{"h_on_route": "a", "h_of_audience": " ", "h_of_all": "b"}'), (829003, 'unknown', 'h', '{"h_other": 1}');
SELECT count(nurture_route(i)) FROM generate_series(829001, 829003) i;
SELECT results_eq($$SELECT lead_id, (SELECT string_agg(m, ' ' ORDER BY m COLLATE "C") FROM jsonb_array_elements_text(package->'missing') m WHERE m LIKE '%.h\_%')
    FROM nurture.handoff WHERE lead_id BETWEEN 829001 AND 829003 ORDER BY lead_id$$,
    $$VALUES (829001::bigint, 'attributes.h_of_all attributes.h_of_audience attributes.h_on_route'), (829002, 'attributes.h_of_audience'), (829003, 'attributes.h_of_all attributes.h_on_route')$$,
    'attributes that the route, or the audience and tier, require and that are not known');

-- bad input
SELECT throws_ok('SELECT nurture_assign(-1)', '22023', NULL, 'a negative number');
SELECT throws_ok('SELECT nurture_route(-5)', 'NU004', 'there is no lead -5', 'an unknown lead');
SELECT throws_ok('SELECT nurture_route(NULL)', '22004', NULL, 'no lead');

SELECT * FROM finish();
ROLLBACK;
