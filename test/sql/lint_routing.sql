-- nurture_lint about teams and routes.
BEGIN;
SELECT plan(9);
SET LOCAL nurture.clock = '2026-03-02 10:00:00+00';
CREATE TEMP VIEW found AS SELECT rule, object, severity, finding, remedy FROM nurture_lint() WHERE rule IN
    ('route_without_members', 'team_absent', 'route_same_priority', 'route_shadowed', 'no_catch_all', 'calendar_never_works', 'calendar_without_holidays', 'return_track_unknown', 'route_asks_more_than_mql');
SELECT is((SELECT count(*) FROM found WHERE rule = 'route_without_members'), 15::bigint, 'the preset has teams and no members, but for the queue');
INSERT INTO nurture.team_member (team, member) SELECT team, 'm_' || team FROM nurture.team;
INSERT INTO nurture.calendar_holiday (calendar, day, title) VALUES ('office', '2026-12-25', 'Christmas');
SELECT is_empty('SELECT * FROM found', 'with members and holidays there is nothing to say');

UPDATE nurture.team_member SET active = false WHERE team = 'pharmacovigilance';
UPDATE nurture.team_member SET absence = '{"[2026-03-01,2026-03-10)"}' WHERE team = 'medical_affairs';
UPDATE nurture.team_member SET capacity = 0 WHERE team = 'market_access';
SELECT results_eq($$SELECT rule, object, severity FROM found ORDER BY 1, 2$$,
    $$VALUES ('route_without_members', 'safety', 'warning'), ('team_absent', 'market_access', 'warning'), ('team_absent', 'medical_affairs', 'warning')$$, 'no members, all absent, no room');
SELECT is((SELECT finding FROM found WHERE object = 'safety'), 'route "safety" goes to team "pharmacovigilance", which has no active member', 'in words');
UPDATE nurture.team_member SET active = true, absence = '{}', capacity = NULL;

SELECT nurture_draft('route', 'sql', 1) AS version \gset
UPDATE nurture.route_version SET priority = 140, return_track = 'no_such_track', condition = '{"score": {"dimension": "total", "at_least": 90}}' WHERE route = 'sql' AND version = :version;
SELECT nurture_publish('route', 'sql', :version, 'test');
SELECT results_eq($$SELECT rule, object, severity FROM found ORDER BY 1, 2$$,
    $$VALUES ('return_track_unknown', 'sql', 'warning'), ('route_asks_more_than_mql', 'sql', 'info'), ('route_same_priority', 'mql, sql', 'warning')$$, 'equal priorities, a track that is not there, a threshold of its own');
INSERT INTO nurture.route (route, title) VALUES ('l_all', 'all');
INSERT INTO nurture.route_version (route, version, priority, condition, team, method, sla_accept, sla_first_response) VALUES ('l_all', 1, 500, '{"all": []}', 'catch_all', 'queue', '1 hour', '1 hour');
SELECT nurture_publish('route', 'l_all', 1, 'test');
SELECT is((SELECT finding FROM found WHERE rule = 'route_shadowed'), 'route "catch_all" is never asked for requests: "l_all" before it takes all', 'one that another takes all from');
SELECT is_empty($$SELECT * FROM found WHERE rule = 'no_catch_all'$$, 'somebody takes the rest');
SELECT nurture_retire('route', r, 'test') FROM unnest('{l_all,catch_all}'::text[]) r;
SELECT results_eq($$SELECT severity, finding FROM found WHERE rule = 'no_catch_all'$$, $$VALUES ('error', 'requests that no route takes go to nobody')$$, 'nobody does');
DELETE FROM nurture.calendar_hours WHERE calendar = 'office';
SELECT is((SELECT object FROM found WHERE rule = 'calendar_never_works'), 'office', 'a calendar without hours');
SELECT * FROM finish();
ROLLBACK;
