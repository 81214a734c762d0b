-- The outbox: taken with a lease, in order per lead, confirmed by who has it.
BEGIN;
SELECT plan(28);
SET LOCAL nurture.clock = '2026-03-02 10:00:00+00';
DELETE FROM nurture.outbox;
INSERT INTO nurture.outbox (lead_id, outbox_id, topic, payload) VALUES
    (9101, 9000001, 'handoff.offered', '{"handoff_id": 1}'), (9102, 9000002, 'handoff.offered', '{}'), (9101, 9000003, 'handoff.accepted', '{}'),
    (9103, 9000004, 'alert.x', '{}'), (9102, 9000005, 'handoff.rejected', '{}'), (9103, 9000006, 'handoff.offered', '{}');

SELECT results_eq($$SELECT * FROM nurture_outbox_take(2, 'crm_1')$$,
    $$VALUES (9000001::bigint, 9101::bigint, 'handoff.offered', '{"handoff_id": 1}'::jsonb, '2026-03-02 10:00+00'::timestamptz, 1, '2026-03-02 10:05+00'::timestamptz),
             (9000002, 9102, 'handoff.offered', '{}', '2026-03-02 10:00+00', 1, '2026-03-02 10:05+00')$$, 'the oldest first, with a lease');
SELECT results_eq($$SELECT outbox_id FROM nurture_outbox_take(10, 'crm_2')$$, $$VALUES (9000004::bigint), (9000006)$$, 'another consumer gets other leads: nothing of a lead before what came first is done');
SELECT is_empty($$SELECT * FROM nurture_outbox_take(10, 'crm_1')$$, 'nothing is left');
SELECT is(nurture_outbox_done('crm_2', '{9000001}'), 0, 'who has not taken it does not confirm it');
SELECT is(nurture_outbox_done('crm_1', '{9000001}'), 1, 'who has, does');
SELECT is(nurture_outbox_done('crm_1', '{9000001}'), 0, 'once');
SELECT results_eq($$SELECT done_at, lease_until, taken_by FROM nurture.outbox WHERE outbox_id = 9000001$$, $$VALUES ('2026-03-02 10:00+00'::timestamptz, NULL::timestamptz, 'crm_1')$$, 'it says when and by whom');
SELECT results_eq($$SELECT outbox_id FROM nurture_outbox_take(10, 'crm_2')$$, $$VALUES (9000003::bigint)$$, 'the next of that lead follows');

-- a lease that ends
SET LOCAL nurture.clock = '2026-03-02 10:05:00+00';
SELECT results_eq($$SELECT outbox_id, attempts FROM nurture_outbox_take(10, 'crm_3', '10 minutes')$$,
    $$VALUES (9000002::bigint, 2), (9000003, 2), (9000004, 2), (9000005, 1), (9000006, 2)$$, 'what is not done in time is given again, in order');
SELECT is(nurture_outbox_done('crm_2', '{9000003,9000004}'), 0, 'who was too late does not confirm what another has now');
SELECT is((SELECT lease_until FROM nurture.outbox WHERE outbox_id = 9000002), '2026-03-02 10:15+00'::timestamptz, 'a lease of its own length');
SET LOCAL nurture.clock = '2026-03-02 10:20:00+00';
SELECT is(nurture_outbox_done('crm_3', '{9000002,9000003,9000004,9000005,9000006,-1}'), 5, 'after the lease too, while nobody else has them');
SELECT is((SELECT count(*) FROM nurture.outbox WHERE done_at IS NULL), 0::bigint, 'all done');

-- part of a lead's rows
INSERT INTO nurture.outbox (lead_id, outbox_id, topic, payload) SELECT 9104, 9000010 + g, 'handoff.x', '{}' FROM generate_series(1, 5) g;
SELECT results_eq($$SELECT outbox_id FROM nurture_outbox_take(2, 'a')$$, $$VALUES (9000011::bigint), (9000012)$$, 'two of five');
SELECT is_empty($$SELECT outbox_id FROM nurture_outbox_take(2, 'b')$$, 'the rest waits for them');
SELECT nurture_outbox_done('a', '{9000011}');
SELECT is_empty($$SELECT outbox_id FROM nurture_outbox_take(2, 'b')$$, 'for both');

-- topics
INSERT INTO nurture.outbox (lead_id, outbox_id, topic, payload) VALUES (9105, 9000021, 'handoff.offered', '{}'), (9105, 9000022, 'alert.leak', '{}');
SELECT results_eq($$SELECT outbox_id FROM nurture_outbox_take(10, 'pager', topics => 'alert.%')$$, $$VALUES (9000022::bigint)$$, 'a consumer of alerts gets alerts');
SELECT results_eq($$SELECT outbox_id FROM nurture_outbox_take(10, 'crm_1')$$, $$VALUES (9000021::bigint)$$, 'and another the rest');

-- what hand-offs write, from start to end
SELECT nurture_outbox_done('pager', '{9000022}');
INSERT INTO nurture.lead (lead_id, email, audience_type, role, country) VALUES (9110, 'o@o.example.org', 'hcp', 'prescriber', 'DE');
INSERT INTO nurture.event (lead_id, event_type) VALUES (9110, 'demo_requested');
SELECT nurture_accept(lead_id, handoff_id) FROM nurture.handoff WHERE lead_id = 9110;
SELECT nurture_return(lead_id, handoff_id, 'not_now') FROM nurture.handoff WHERE lead_id = 9110;
SELECT results_eq($$SELECT topic, payload ->> 'state' FROM nurture_outbox_take(10, 'crm_1') WHERE lead_id = 9110$$,
    $$VALUES ('handoff.offered', 'offered'), ('handoff.accepted', 'accepted'), ('handoff.returned', 'returned')$$, 'a hand-off is told in its order');

-- bad input
SELECT throws_ok($$SELECT nurture_outbox_take(0, 'x')$$, '22023', 'nurture_outbox_take gives 1 to 10000 rows at once, not 0', 'none');
SELECT throws_ok($$SELECT nurture_outbox_take(10001, 'x')$$, '22023', NULL, 'too many');
SELECT throws_ok($$SELECT nurture_outbox_take(1, '')$$, '22023', 'a consumer of the outbox needs a name', 'nobody');
SELECT throws_ok($$SELECT nurture_outbox_done('', '{1}')$$, '22023', NULL, 'nobody has it done');
SELECT throws_ok($$SELECT nurture_outbox_take(1, 'x', '0')$$, '22023', 'a lease is longer than nothing and at most a day', 'no lease');
SELECT throws_ok($$SELECT nurture_outbox_take(1, 'x', '25 hours')$$, '22023', NULL, 'too long a lease');
SELECT is_empty($$SELECT * FROM nurture_outbox_take(NULL, 'x')$$, 'strict');
SELECT is(nurture_outbox_done('x', '{}'), 0, 'nothing is done');

-- rights
CREATE ROLE nurture_o_reader;
GRANT USAGE ON SCHEMA nurture TO nurture_o_reader;
GRANT SELECT ON nurture.outbox TO nurture_o_reader;
SELECT format('GRANT nurture_o_reader TO %I', current_user) \gexec
SET LOCAL ROLE nurture_o_reader;
SELECT throws_ok($$SELECT nurture_outbox_take(1, 'x')$$, '42501', 'permission denied for table outbox', 'it takes UPDATE on the outbox');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
