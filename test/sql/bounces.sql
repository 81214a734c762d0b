-- Bounces and complaints: what events tell of addresses, the policy, and the
-- views of deliverability and of what suppression refuses.
BEGIN;
SELECT plan(45);
SET LOCAL client_min_messages = error;
SET LOCAL nurture.clock = '2026-03-02T09:00:00Z';
DO $$BEGIN PERFORM set_config(name, 'on', true) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query'); END$$;

-- approved content, as a restore would bring it
SELECT set_config('search_path', '', true) \g /dev/null
SET LOCAL row_security = off;
SET LOCAL check_function_bodies = off;
INSERT INTO nurture.asset (asset_id, family, title, format) SELECT id, id, id, 'email' FROM unnest(ARRAY['bo_op', 'bo_pr']) AS id;
INSERT INTO nurture.asset_version (asset_id, version, status, message_class, channels, languages, markets, audience_types, approved_at, content_hash)
    SELECT id, 1, 'approved', CASE id WHEN 'bo_op' THEN 'operational' ELSE 'promotional' END, '{email,sms}', '{en}', '{*}', '{hcp}', '2026-01-01', '\x01' FROM unnest(ARRAY['bo_op', 'bo_pr']) AS id;
SELECT set_config('search_path', 'public', true) \g /dev/null
SET LOCAL row_security = on;
SET LOCAL check_function_bodies = on;
INSERT INTO nurture.lead (lead_id, email, phone, country, audience_type, language, is_test, created_at)
    SELECT i, 'lead' || i || '@bounce.example', '+1 212 555 ' || 1000 + i, 'US', 'hcp', 'en', i = 59, '2026-01-01' FROM generate_series(1, 60) i;
UPDATE nurture.lead SET email = 'LEAD1@bounce.example' WHERE lead_id = 2;

CREATE FUNCTION pg_temp.send(lead bigint, channel text DEFAULT 'email', asset text DEFAULT 'bo_op') RETURNS text LANGUAGE sql AS
$$INSERT INTO nurture.message (lead_id, channel, asset_id, purpose, occurrence_key) VALUES (lead, channel, asset, CASE asset WHEN 'bo_op' THEN 'operations' END, gen_random_uuid()::text) RETURNING concat_ws(' ', status, reasons::text)$$;
CREATE FUNCTION pg_temp.tell(lead bigint, event_type text, at timestamptz, status text DEFAULT NULL, channel text DEFAULT 'email', message bigint DEFAULT NULL) RETURNS void LANGUAGE sql AS
$$INSERT INTO nurture.event (lead_id, event_type, occurred_at, channel, message_id, properties)
  VALUES (lead, event_type, at, channel, message, CASE WHEN status IS NOT NULL THEN jsonb_build_object('status', status) END)$$;
CREATE FUNCTION pg_temp.bounces(lead bigint) RETURNS text LANGUAGE sql AS
$$SELECT string_agg(concat_ws(' ', kind, nullif(status, ''), rule), ', ' ORDER BY bounce_id) FROM nurture.bounce WHERE lead_id = lead$$;

-- no such mailbox: the contact point, whoever has it
SELECT is(pg_temp.send(1) || ' ' || pg_temp.send(2), 'queued queued', 'before');
SELECT pg_temp.tell(1, 'email_hard_bounced', '2026-03-02T08:00:00Z', '5.1.1') \g /dev/null
SELECT is(pg_temp.bounces(1), 'hard_bounce 5.1.1 no_such_mailbox', 'the bounce is kept, with the row that acted');
SELECT is((SELECT array_agg(lead_id ORDER BY lead_id) FROM nurture.message WHERE status = 'cancelled' AND reasons = '{suppressed}'), '{1,2}', 'what is queued for whoever has the address is cancelled in the event statement');
SELECT is(pg_temp.send(1) || ' ' || pg_temp.send(2) || ' ' || pg_temp.send(1, 'sms'), 'refused {suppressed} refused {suppressed} queued', 'and nothing more goes there');
SELECT is((SELECT concat_ws(' ', scope, reason, until, source) FROM nurture.suppression), 'contact_point hard_bounce infinity bounce_policy:no_such_mailbox', 'the suppression names its reason and rule');
SELECT is((SELECT count(*) FROM nurture.audit a WHERE a.kind = 'suppression' AND a.lead_ref IN (1, 2) AND a.inputs LIKE '%bounce_policy:no_such_mailbox'), 2::bigint, 'and is on record');

-- another hard bounce: this lead, until it has another address
SELECT pg_temp.tell(3, 'email_hard_bounced', '2026-03-02T08:00:00Z', 'smtp; 550 5.2.1 mailbox disabled') \g /dev/null
SELECT is(pg_temp.bounces(3) || ' ' || pg_temp.send(3) || ' ' || pg_temp.send(3, asset => 'bo_pr'), 'hard_bounce 5.2.1 queued refused {stopped}', 'another code stops nurturing by e-mail, as the stop rule says');
SELECT pg_temp.tell(3, 'email_hard_bounced', '2026-03-02T08:10:00Z', 'smtp; 550 5.2.1 mailbox disabled') \g /dev/null
SELECT is(pg_temp.bounces(3) || ' ' || pg_temp.send(3), 'hard_bounce 5.2.1, hard_bounce 5.2.1 hard_bounce refused {suppressed}', 'the second stops the address');
SELECT is((SELECT remedy FROM nurture_explain_contact(3, 'email') WHERE rule = 'suppression'), 'A new address lifts it: UPDATE nurture.lead SET email = ''...'' WHERE lead_id = 3', 'which a new one lifts');
UPDATE nurture.lead SET email = 'new3@bounce.example' WHERE lead_id = 3;
SELECT is(pg_temp.send(3), 'queued', 'it does');
SELECT pg_temp.tell(4, 'email_hard_bounced', '2026-03-02T08:00:00Z') FROM generate_series(1, 2) \g /dev/null
SELECT is(pg_temp.bounces(4) || ' ' || pg_temp.send(4), 'hard_bounce, hard_bounce hard_bounce refused {suppressed}', 'without a code the row for all applies');
INSERT INTO nurture.event (lead_id, event_type, occurred_at, properties) VALUES (5, 'email_hard_bounced', '2026-03-02T08:00:00Z', '{"status": 550, "diagnostic": "5.1.2 x"}'), (6, 'email_hard_bounced', '2026-03-02T08:00:00Z', '{"diagnostic": "550 5.1.10 null MX"}');
SELECT is(pg_temp.bounces(5) || '; ' || pg_temp.bounces(6), 'hard_bounce 5; hard_bounce 5.1.10 null_mx', 'a reply code is a class; 5.1.10 is not 5.1.1');

-- refused by policy three times, and soft bounces five times within a month
SELECT pg_temp.tell(7, 'email_hard_bounced', '2026-03-02T08:00:00Z'::timestamptz - i * interval '20 days', '5.7.1') FROM generate_series(2, 0, -1) i \g /dev/null
SELECT is(pg_temp.send(7), 'queued', 'three in 40 days are too few');
SELECT pg_temp.tell(7, 'email_hard_bounced', '2026-03-02T08:30:00Z', '5.7.26') \g /dev/null
SELECT is(pg_temp.send(7), 'refused {suppressed}', 'three in 30 days are not');
SELECT is((SELECT passes_from FROM nurture_explain_contact(7, 'email') WHERE rule = 'suppression'), '2026-05-31T08:30:00Z'::timestamptz, 'for as long as the row says');
SELECT pg_temp.tell(8, 'email_soft_bounced', '2026-03-02T08:00:00Z'::timestamptz + i * interval '1 minute', CASE WHEN i < 3 THEN '4.2.2' ELSE '4.4.1' END) FROM generate_series(1, 4) i \g /dev/null
SELECT is(pg_temp.send(8), 'queued', 'four soft bounces are too few');
SELECT pg_temp.tell(8, 'email_soft_bounced', '2026-03-02T08:05:00Z', '4.2.2') \g /dev/null
SELECT is(pg_temp.send(8) || ' ' || (SELECT count(*) FROM nurture.message WHERE lead_id = 8 AND status = 'cancelled'), 'refused {suppressed} 1', 'the fifth stops');
SELECT is((SELECT count(*) FROM nurture.bounce WHERE lead_id = 8 AND rule = 'soft_bounce'), 1::bigint, 'once');
INSERT INTO nurture.bounce_policy (rule, kind, status, count, within, action) VALUES ('full', 'soft_bounce', '4.2.2', 2, '7 days', 'stop_address');
SELECT pg_temp.tell(9, 'email_soft_bounced', '2026-03-02T08:00:00Z', '4.4.1') \g /dev/null
SELECT pg_temp.tell(9, 'email_soft_bounced', '2026-03-02T08:01:00Z', '4.2.2') \g /dev/null
SELECT is(pg_temp.send(9), 'queued', 'a narrower row counts its class only');
SELECT pg_temp.tell(9, 'email_soft_bounced', '2026-03-02T08:02:00Z', '4.2.2') \g /dev/null
SELECT is(pg_temp.send(9), 'refused {suppressed}', 'and acts at its own count');
UPDATE nurture.bounce_policy SET action = 'none' WHERE rule = 'no_such_mailbox';
SELECT pg_temp.tell(10, 'email_hard_bounced', '2026-03-02T08:00:00Z', '5.1.1') \g /dev/null
SELECT is(pg_temp.bounces(10) || ' ' || pg_temp.send(10), 'hard_bounce 5.1.1 queued', 'none does nothing');
UPDATE nurture.bounce_policy SET action = 'suppress' WHERE rule = 'no_such_mailbox';

-- complaints bind however old; old bounces are kept only
SELECT is(pg_temp.send(11, asset => 'bo_pr') || ' ' || pg_temp.send(11), 'queued queued', 'before');
SELECT pg_temp.tell(11, 'complained', '2025-12-24T08:00:00Z') \g /dev/null
SELECT is((SELECT array_agg(status) FROM nurture.message WHERE lead_id = 11), '{cancelled,cancelled}', 'a complaint cancels everything to the address, however old it is');
SELECT is((SELECT string_agg(DISTINCT state || ' ' || channel || ' ' || purpose, ', ') FROM nurture.consent WHERE lead_id = 11), 'objected * marketing', 'and objects to marketing');
SELECT is(pg_temp.send(11) || ' ' || pg_temp.send(11, 'sms', 'bo_pr') || ' ' || pg_temp.send(11, 'sms'), 'refused {suppressed} refused {consent_denied,consent_missing,stopped} queued', 'of every channel; what is no marketing may go elsewhere');
SELECT pg_temp.tell(12, 'complained', '2026-03-02T08:00:00Z', channel => 'sms') \g /dev/null
SELECT is(pg_temp.send(12, 'sms') || ' ' || pg_temp.send(12), 'refused {suppressed} queued', 'a complaint about a text message is about the number');
INSERT INTO nurture.event (lead_id, event_type, occurred_at, properties) VALUES (13, 'complained', '2026-03-02T08:00:00Z', '{"history": true}');
SELECT is(pg_temp.send(13), 'refused {suppressed}', 'also when it is marked as history');
SELECT pg_temp.tell(14, 'email_hard_bounced', '2026-01-02T08:00:00Z', '5.1.1') \g /dev/null
SELECT is(pg_temp.bounces(14) || ' ' || pg_temp.send(14), 'hard_bounce 5.1.1 queued', 'a bounce of long ago starts nothing');
SELECT pg_temp.tell(15, 'unsubscribed', '2025-12-24T08:00:00Z') \g /dev/null
SELECT is(pg_temp.send(15, asset => 'bo_pr') || ' ' || pg_temp.send(15), 'refused {consent_denied} queued', 'to unsubscribe withdraws consent and suppresses nothing');

-- which address is meant
SELECT is(pg_temp.send(16), 'queued', 'a message to the old address');
UPDATE nurture.lead SET email = 'other16@bounce.example' WHERE lead_id = 16;
SELECT pg_temp.tell(16, 'email_hard_bounced', '2026-03-02T08:00:00Z', '5.1.1', message => (SELECT message_id FROM nurture.message WHERE lead_id = 16)) \g /dev/null
SELECT is(pg_temp.send(16), 'queued', 'the new address is not blamed');
INSERT INTO nurture.lead (lead_id, email, country, audience_type, language) VALUES (61, 'Lead16@bounce.example', 'US', 'hcp', 'en');
SELECT is(pg_temp.send(61), 'refused {suppressed}', 'whoever has the old one is');
INSERT INTO nurture.event (lead_id, event_type, occurred_at, properties) VALUES (17, 'email_hard_bounced', '2026-03-02T08:00:00Z', '{"status": "5.1.1", "contact_point": "LEAD18@bounce.example"}');
SELECT is(pg_temp.send(17) || ' ' || pg_temp.send(18), 'queued refused {suppressed}', 'an address that the event names is the one that is meant');
INSERT INTO nurture.event (lead_id, event_type, occurred_at, properties) VALUES (19, 'email_hard_bounced', '2026-03-02T08:00:00Z', '{"status": "5.1.1", "contact_point": "none"}'), (20, 'email_hard_bounced', '2026-03-02T08:00:00Z', '{"status": {"a": 1}}');
SELECT is((SELECT array_agg(lead_id || ' ' || (key_hash IS NULL) ORDER BY lead_id) FROM nurture.bounce WHERE lead_id IN (19, 20)), '{"19 true","20 false"}', 'what names none is kept and does nothing');

-- a feed of many in one statement
INSERT INTO nurture.event (lead_id, event_type, occurred_at, properties)
    SELECT 50 - i, CASE WHEN i % 2 = 0 THEN 'email_hard_bounced' ELSE 'complained' END, '2026-03-02T08:00:00Z', '{"status": "5.1.1"}' FROM generate_series(0, 19) i;
SELECT is((SELECT count(*) FROM generate_series(31, 50) i, nurture_may_contact(i, 'email') m WHERE m.reasons @> '{suppressed}'), 20::bigint, 'a feed of many');

-- deliverability
SELECT count(pg_temp.send(i)) FROM generate_series(51, 59) i \g /dev/null
SELECT count(nurture_ack(t.lead_id, t.message_id, 'sent')) FROM nurture_take('email', 100, 'w') t WHERE t.lead_id BETWEEN 51 AND 58 \g /dev/null
SELECT count(nurture_ack(lead_id, message_id, CASE WHEN lead_id < 56 THEN 'delivered' WHEN lead_id = 56 THEN 'soft_bounce' ELSE 'hard_bounce' END, detail => '{"status": "5.2.1"}'))
    FROM nurture.message WHERE lead_id BETWEEN 51 AND 57 AND status = 'sent' \g /dev/null
SELECT is(nurture_ack(51, (SELECT message_id FROM nurture.message WHERE lead_id = 51), 'complaint'), 'complained', 'one complains');
UPDATE nurture.lead SET email = 'lead' || lead_id || '@Sub.bounce.example' WHERE lead_id BETWEEN 51 AND 59;
SELECT results_eq($$SELECT domain, month, sent::int, delivered::int, soft_bounces::int, hard_bounces::int, complaints::int, delivery_rate, soft_bounce_rate, hard_bounce_rate, complaint_rate
    FROM nurture_bi.deliverability WHERE domain = 'sub.bounce.example'$$,
    $$VALUES ('sub.bounce.example', '2026-03-01'::date, 8, 5, 1, 1, 1, 0.6250, 0.1250, 0.1250, 0.2000)$$, 'deliverability of a domain in a month');
SELECT is((SELECT sum(complaints) FROM nurture_bi.deliverability WHERE month = '2025-12-01'), 1::numeric, 'in the month in which it happened');
SELECT is((SELECT complaint_rate FROM nurture_bi.deliverability WHERE month = '2025-12-01'), NULL, 'no rate of nothing');
UPDATE nurture.lead SET is_test = true WHERE lead_id BETWEEN 51 AND 59;
SELECT is_empty($$SELECT FROM nurture_bi.deliverability WHERE domain = 'sub.bounce.example'$$, 'test leads are left out');

-- what suppression refuses
SELECT results_eq($$SELECT scope, reason, in_force::int, messages_refused::int, leads_concerned::int, last_refused_at = '2026-03-02T09:00:00Z' FROM nurture_bi.suppression_effect WHERE reason = 'soft_bounce'$$,
    $$VALUES ('lead_address', 'soft_bounce', 2, 2, 2, true)$$, 'refusals by scope and reason');
SELECT is((SELECT sum(in_force) FROM nurture_bi.suppression_effect), (SELECT count(*)::numeric FROM nurture.suppression), 'every suppression is counted');
SET LOCAL nurture.clock = '2026-07-01T00:00:00Z';
SELECT is((SELECT in_force || ' ' || ended FROM nurture_bi.suppression_effect WHERE reason = 'soft_bounce'), '1 1', 'and those whose time is over');

-- what is no policy
SELECT throws_ok($$INSERT INTO nurture.bounce_policy (rule, kind, status, action) VALUES ('x', 'soft_bounce', '3.1.1', 'none')$$, '23514', NULL, 'a status code begins with 2, 4 or 5');
SELECT throws_ok($$INSERT INTO nurture.bounce_policy (rule, kind, status, count, action) VALUES ('x', 'soft_bounce', '4.4', 2, 'none')$$, '23514', NULL, 'a count needs its time');

SELECT * FROM finish();
ROLLBACK;
