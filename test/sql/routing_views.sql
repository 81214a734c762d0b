-- Views of leads and hand-offs for BI tools.
BEGIN;
SELECT plan(13);
SET LOCAL nurture.clock = '2026-03-02 10:00:00+00';
SET LOCAL timezone = 'UTC';
INSERT INTO nurture.lead (lead_id, email, audience_type, role, country, is_test) VALUES
    (7201, 'v@example.org', 'hcp', 'prescriber', 'DE', false), (7202, 'w@example.org', 'hcp', NULL, 'DE', false), (7203, 'x@example.org', 'hcp', NULL, 'DE', true);
INSERT INTO nurture.event (lead_id, event_type) VALUES (7201, 'demo_requested'), (7203, 'demo_requested');

SELECT results_eq($$SELECT lead_id, stage, stage_no::int, tier::int, grade, team, handoff_state FROM nurture_bi.lead_overview WHERE lead_id BETWEEN 7201 AND 7203 ORDER BY 1$$,
    $$VALUES (7201::bigint, 'sql', 6, 4, 'B1', 'account_executive', 'offered'), (7202, 'new', 1, 0, 'C4', NULL, NULL)$$, 'one row per lead, none for test leads');
SELECT is((SELECT total FROM nurture_bi.lead_overview WHERE lead_id = 7201), nurture_score(7201), 'the score is the score');
SELECT nurture_pause(7202, '2026-03-05 10:00+00', 'on leave');
SELECT results_eq($$SELECT blocked_by, blocked_how, blocked_until FROM nurture_bi.lead_overview WHERE lead_id = 7202$$, $$VALUES ('manual', 'pause', '2026-03-05 10:00+00'::timestamptz)$$, 'what blocks it and until when');

SELECT results_eq($$SELECT lead_id, team, state, due_at, overdue, addenda, grade, trigger, missing FROM nurture_bi.routing_queue WHERE lead_id BETWEEN 7201 AND 7203$$,
    $$VALUES (7201::bigint, 'account_executive', 'offered', '2026-03-03 10:00+00'::timestamptz, false, 0::bigint, 'B1', 'demo requested', 'attributes.decision_role')$$, 'the queue');
SET LOCAL nurture.clock = '2026-03-03 10:00:01+00';
SELECT is((SELECT overdue FROM nurture_bi.routing_queue WHERE lead_id = 7201), true, 'overdue without any job');
SELECT nurture_accept(7201, (SELECT handoff_id FROM nurture.handoff WHERE lead_id = 7201));
SELECT results_eq($$SELECT state, due_at, overdue FROM nurture_bi.routing_queue WHERE lead_id = 7201$$, $$VALUES ('accepted', '2026-03-02 14:00+00'::timestamptz, true)$$, 'the first attempt was due even before');
SELECT nurture_attempt(7201, (SELECT handoff_id FROM nurture.handoff WHERE lead_id = 7201), 'reached');
SELECT is((SELECT overdue FROM nurture_bi.routing_queue WHERE lead_id = 7201), false, 'it was made');
SELECT nurture_return(7201, (SELECT handoff_id FROM nurture.handoff WHERE lead_id = 7201), 'not_now');
SELECT is_empty('SELECT * FROM nurture_bi.routing_queue WHERE lead_id = 7201', 'ended: gone');

-- rules of every view
SELECT is_empty($$SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'nurture_bi'::regnamespace AND (c.relkind <> 'v' OR obj_description(c.oid) IS NULL)$$, 'only views, each with a comment');
SELECT is_empty($$SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
    WHERE c.relnamespace = 'nurture_bi'::regnamespace AND col_description(c.oid, a.attnum) IS NULL$$, 'a comment on every column');
SELECT is_empty($$SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 JOIN pg_type t ON t.oid = a.atttypid
    WHERE c.relnamespace = 'nurture_bi'::regnamespace AND (t.typcategory IN ('A', 'C') OR t.typtype = 'd' OR t.typname = 'timestamp')$$, 'no arrays, composites, domains, local times');
SELECT is_empty($$SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'nurture_bi'::regnamespace AND NOT coalesce(c.reloptions::text ~ 'security_invoker(=true|=on|=1)?', false)$$, 'with the reader''s rights');
SELECT is_empty($$SELECT column_name FROM information_schema.columns WHERE table_schema = 'nurture_bi' AND column_name IN ('email', 'phone', 'full_name', 'contact_point')$$, 'no contact points');

SELECT * FROM finish();
ROLLBACK;
