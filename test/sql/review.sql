-- Reviews: what waits for a person, and what follows from each ruling.
BEGIN;
SELECT plan(44);
SET LOCAL client_min_messages = warning;
SET LOCAL nurture.clock = '2026-03-02T11:00:00Z';
SET LOCAL TimeZone = 'UTC';
DELETE FROM nurture.frequency_cap;
SELECT count(nurture_add_asset(jsonb_build_object('asset_id', id, 'title', id, 'format', 'article', 'message_class', 'promotional', 'channels', '["email"]'::jsonb,
    'markets', '["*"]'::jsonb, 'languages', '["*"]'::jsonb, 'audience_types', '["*"]'::jsonb))) > 0
FROM unnest(ARRAY['rv_a', 'rv_b']) id \g /dev/null
SELECT nurture_set_asset_status(id, 1, 'in_review', 'test data'), nurture_approve('asset', id, 1, 'medical', 'approved', 'test data') FROM unnest(ARRAY['rv_a', 'rv_b']) id \g /dev/null
INSERT INTO nurture.lead (lead_id, email, country, audience_type, audience_verified_at, language, created_at, time_zone, role)
    SELECT 971000 + i, 'rv' || i || '@rv.example.com', 'IT', 'hcp', '2026-01-01', 'en', '2026-01-01', 'UTC', 'prescriber' FROM generate_series(1, 17) i;

CREATE FUNCTION pg_temp.send(lead int, asset text) RETURNS text LANGUAGE sql AS
$$INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (971000 + lead, 'email', asset) RETURNING concat_ws(' ', status, reasons::text)$$;
CREATE FUNCTION pg_temp.messages(lead int) RETURNS text LANGUAGE sql AS
$$SELECT string_agg(concat_ws(' ', status, reasons::text), ', ' ORDER BY message_id) FROM nurture.message WHERE lead_id = 971000 + lead$$;
CREATE FUNCTION pg_temp.rule(lead int, word text, which text DEFAULT 'consent') RETURNS bigint LANGUAGE sql AS
$$SELECT nurture_rule((SELECT max(review_id) FROM nurture.review WHERE lead_id = 971000 + lead AND bucket = which AND state = 'open'), word, 'because', 'berta')$$;
CREATE FUNCTION pg_temp.form(lead int, answers jsonb) RETURNS void LANGUAGE sql AS
$$INSERT INTO nurture.event (lead_id, event_type, occurred_at, properties) VALUES (971000 + lead, 'form_submitted', '2026-03-02 10:59Z', answers)$$;

-- allow: these messages, and no others
SELECT is(pg_temp.send(1, 'rv_a') || ', ' || pg_temp.send(1, 'rv_b'), 'held {consent_missing}, held {consent_missing}', 'two wait');
SELECT results_eq('SELECT bucket, scope, messages_held, rulings FROM nurture_bi.review_queue WHERE lead_id = 971001', $$VALUES ('consent', 'email:marketing', 2::bigint, 'allow, grant, deny, refuse')$$, 'in the queue with what may be ruled');
SELECT is((SELECT string_agg(outcome || ': ' || inputs, ', ') FROM nurture.audit WHERE lead_ref = 971001 AND kind = 'review'), 'opened: bucket consent, scope email:marketing', 'that it was opened is on record');
SELECT is(pg_temp.rule(1, 'allow'), 2::bigint, 'allowed');
SELECT is(pg_temp.messages(1), 'queued, queued', 'both are decided again');
SELECT is((SELECT concat_ws(' ', state, ruling, reason, closed_by) FROM nurture.review WHERE lead_id = 971001), 'closed allow because berta', 'the case is closed');
SELECT is((SELECT string_agg(concat_ws(' ', outcome, reasons::text, reason, app_user), ', ' ORDER BY audit_id) FROM nurture.audit WHERE lead_ref = 971001 AND kind = 'review'), 'opened, closed {allow} because berta', 'and that on record');
SELECT is((SELECT string_agg(DISTINCT w.trigger ->> 'kind', ', ') FROM nurture.message m, nurture_why(m.lead_id, m.message_id) w WHERE m.lead_id = 971001), 'manual, ruling', 'nurture_why tells both decisions');
SELECT is((SELECT fact FROM nurture.message m, nurture_why(m.lead_id, m.message_id) w WHERE m.lead_id = 971001 AND w.rule = 'consent' AND w.trigger ->> 'kind' = 'ruling' LIMIT 1), 'no consent; a person allowed it', 'and by what it passed');
SELECT is((SELECT count(*) FROM nurture_take('email', 10, 'w') WHERE lead_id = 971001), 2::bigint, 'taking them decides again, and the ruling stands');
SELECT is((SELECT count(*) FROM nurture.review WHERE lead_id = 971001 AND state = 'open'), 0::bigint, 'without asking again');
UPDATE nurture.asset SET family = 'rv_more' WHERE asset_id = 'rv_a' \g /dev/null
SELECT is(pg_temp.send(1, 'rv_a'), 'held {consent_missing}', 'another message is another question');

-- a ruling lifts no refusal
SELECT pg_temp.send(2, 'rv_a') \g /dev/null
SELECT nurture_pause(971002, '2026-04-01', 'test') \g /dev/null
SELECT is(pg_temp.messages(2), 'cancelled {consent_missing,paused}', 'a pause cancels what waits');
SELECT is(pg_temp.rule(2, 'allow'), 0::bigint, 'nothing is left to allow');
SELECT pg_temp.send(3, 'rv_a') \g /dev/null
UPDATE nurture.lead SET email = NULL WHERE lead_id = 971003 \g /dev/null
SELECT is(pg_temp.rule(3, 'allow') || ' ' || pg_temp.messages(3), '1 refused {consent_missing,no_contact_point}', 'what is refused meanwhile stays refused');

-- grant, deny, refuse
SELECT pg_temp.send(4, 'rv_a') \g /dev/null
SELECT is(pg_temp.rule(4, 'grant') || ' ' || pg_temp.messages(4), '1 queued', 'grant records consent');
SELECT is((SELECT concat_ws(' ', kind, channel, purpose, source, actor, evidence ? 'review_id') FROM nurture.consent_event WHERE lead_id = 971004), 'given email marketing review berta t', 'with where it came from');
SELECT is(pg_temp.send(4, 'rv_b'), 'queued', 'so that later messages pass');
SELECT pg_temp.send(5, 'rv_a') \g /dev/null
SELECT is(pg_temp.rule(5, 'deny') || ' ' || pg_temp.messages(5), '1 cancelled {consent_missing,consent_denied}', 'deny records that the lead does not want it');
SELECT is(pg_temp.send(5, 'rv_b'), 'refused {consent_denied,consent_missing}', 'so that later messages are refused');
SELECT pg_temp.send(6, 'rv_a') \g /dev/null
SELECT is(pg_temp.rule(6, 'refuse') || ' ' || pg_temp.messages(6), '1 refused {consent_missing,ruled_out}', 'refuse is about these messages');
SELECT is(pg_temp.send(6, 'rv_a'), 'held {consent_missing}', 'the next is another question');

-- contradictions in forms
SELECT pg_temp.form(7, '{"role": "nurse"}'), pg_temp.form(8, '{"role": "nurse"}') \g /dev/null
SELECT results_eq('SELECT scope, answer, present, rulings FROM nurture_bi.review_queue WHERE lead_id = 971007', $$VALUES ('lead.role', 'nurse', 'prescriber', 'accept, keep')$$, 'shows both values');
SELECT is(pg_temp.rule(7, 'accept', 'contradiction'), 1::bigint, 'accept');
SELECT is((SELECT role FROM nurture.lead WHERE lead_id = 971007), 'nurse', 'writes the fact');
SELECT is((SELECT concat_ws(' ', h.role, h.actor, h.reason) FROM nurture.lead_history h WHERE lead_id = 971007 ORDER BY history_no DESC LIMIT 1), 'prescriber berta because', 'history says who and why');
SELECT is((SELECT said_at FROM nurture.fact_source WHERE lead_id = 971007 AND target = 'lead.role'), '2026-03-02 10:59Z'::timestamptz, 'and when it was said');
SELECT is(pg_temp.rule(8, 'keep', 'contradiction'), 0::bigint, 'keep');
SELECT is((SELECT role FROM nurture.lead WHERE lead_id = 971008), 'prescriber', 'leaves it');
SELECT nurture_opt_out(971009, 'email') \g /dev/null
SET LOCAL nurture.clock = '2026-03-02T11:30:00Z';
UPDATE nurture.fact_map SET mode = 'review' WHERE target = 'consent.email.marketing' AND event_type = 'form_submitted' \g /dev/null
INSERT INTO nurture.event (lead_id, event_type, occurred_at, properties) VALUES (971009, 'form_submitted', '2026-03-02 11:20Z', '{"consent": {"email": true}}') \g /dev/null
SELECT is((SELECT string_agg(scope, ',') FROM nurture_bi.review_queue WHERE lead_id = 971009), 'consent.email.marketing', 'a yes after a no waits');
SELECT is(pg_temp.rule(9, 'accept', 'contradiction'), 1::bigint, 'accept');
SELECT is((SELECT state FROM nurture.consent WHERE lead_id = 971009 AND channel = 'email'), 'given', 'records it');

-- two leads, one person
INSERT INTO nurture.lead (lead_id, email) VALUES (971018, 'rv11@rv.example.com'), (971019, 'rv12@rv.example.com');
SELECT results_eq('SELECT bucket, scope, other_lead_id, rulings FROM nurture_bi.review_queue WHERE lead_id = 971018', $$VALUES ('identity', 'email', 971011::bigint, 'same, different')$$, 'a candidate');
SELECT is(pg_temp.rule(18, 'same', 'identity'), 1::bigint, 'same');
SELECT is((SELECT merged_into FROM nurture.lead WHERE lead_id = 971018), 971011::bigint, 'merges them');
SELECT is(pg_temp.rule(19, 'different', 'identity'), 0::bigint, 'different');
SELECT is((SELECT merged_into FROM nurture.lead WHERE lead_id = 971019), NULL, 'does not');

-- what cannot be ruled
SELECT throws_ok('SELECT nurture_rule(-1, ''allow'', ''x'')', 'NU003', 'there is no review -1', 'no such review');
SELECT pg_temp.send(12, 'rv_a') \g /dev/null
SELECT throws_ok('SELECT pg_temp.rule(12, ''maybe'')', 'NU003', 'unknown ruling "maybe" for a review of bucket consent', 'no such ruling');
SELECT throws_ok('SELECT pg_temp.rule(12, ''same'')', 'NU003', NULL, 'nor one of another bucket');
SELECT throws_ok('SELECT nurture_rule(1, ''allow'', NULL)', '22004', NULL, 'nor without a reason');
SELECT throws_like('SELECT nurture_rule(review_id, ''allow'', ''x'') FROM nurture.review WHERE lead_id = 971004', 'review % is closed', 'nor twice');
SELECT throws_ok('SELECT nurture_rule(review_id, ''allow'', ''x'') FROM nurture.review WHERE lead_id = 971004', 'NU007', NULL, 'with its code');
CREATE ROLE rv_reader;
GRANT USAGE ON SCHEMA nurture TO rv_reader;
GRANT SELECT ON nurture.review TO rv_reader;
SET LOCAL ROLE rv_reader;
SELECT throws_ok('SELECT nurture_rule(1, ''allow'', ''x'')', '42501', NULL, 'nor without the right to');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
