-- Consent in reports: the funnel, late opt-outs, and what was sent after one.
BEGIN;
SELECT plan(13);
SET LOCAL client_min_messages = warning;
SET LOCAL nurture.clock = '2026-03-02T09:00:00Z';

-- approved content, as a restore would bring it
SELECT set_config('search_path', '', true) \g /dev/null
SET LOCAL row_security = off;
SET LOCAL check_function_bodies = off;
INSERT INTO nurture.asset (asset_id, family, title, format, purpose) VALUES ('cr_a', 'cr_a', 'a', 'email', 'marketing'), ('cr_moa', 'cr_moa', 'a', 'email', 'marketing'), ('cr_op', 'cr_op', 'a', 'email', 'service');
INSERT INTO nurture.asset_version (asset_id, version, status, message_class, channels, languages, markets, audience_types, approved_at, content_hash)
    SELECT asset_id, 1, 'approved', CASE asset_id WHEN 'cr_op' THEN 'operational' ELSE 'promotional' END, '{*}', '{*}', '{*}', '{*}', '2026-01-01', '\x01' FROM nurture.asset WHERE asset_id LIKE 'cr\_%';
INSERT INTO nurture.asset_tag (asset_id, version, dimension, value) VALUES ('cr_moa', 1, 'topic', 'moa');
SELECT set_config('search_path', 'public', true) \g /dev/null
SET LOCAL row_security = on;
SET LOCAL check_function_bodies = on;
INSERT INTO nurture.lead (lead_id, email, country, audience_type, language, is_test) SELECT i, 'lead' || i || '@example.com', CASE WHEN i < 10 THEN 'FR' ELSE 'IE' END, 'hcp', 'fr', i = 9 FROM generate_series(1, 20) AS i;

-- the funnel
SELECT nurture_consent(i, 'requested', 'email', occurred_at => '2026-01-31T23:59:00Z') FROM generate_series(1, 9) i \g /dev/null
SELECT nurture_consent(i, 'given', 'email', occurred_at => '2026-02-01T00:01:00Z') FROM generate_series(1, 5) i \g /dev/null
SELECT nurture_consent(1, 'confirmed', 'email', occurred_at => '2026-02-02'), nurture_consent(1, 'confirmed', 'email', occurred_at => '2026-02-03'), nurture_consent(2, 'withdrawn', 'email', occurred_at => '2026-02-02'),
    nurture_consent(3, 'refused', '*', occurred_at => '2026-02-02'), nurture_consent(4, 'withdrawn', 'email', occurred_at => '2026-02-02') \g /dev/null
SELECT nurture_consent(4, 'entered_in_error', 'email', evidence => jsonb_build_object('consent_event_id', max(consent_event_id))) FROM nurture.consent_event WHERE lead_id = 4 \g /dev/null
SELECT results_eq('SELECT month, channel, requested, given, confirmed, refused, withdrawn FROM nurture_bi.consent_funnel WHERE country = ''FR'' AND purpose = ''marketing'' AND audience_type = ''hcp'' ORDER BY month, channel',
    $$VALUES ('2026-01-01'::date, 'email', 8::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint), ('2026-02-01', '*', 0, 0, 0, 1, 0), ('2026-02-01', 'email', 0, 5, 1, 0, 1)$$,
    'leads by month in UTC, whatever often they said it; without test leads and what was entered in error');
SET LOCAL TimeZone = 'Pacific/Kiritimati';
SELECT is((SELECT sum(requested) FROM nurture_bi.consent_funnel WHERE month = '2026-01-01'), 8::numeric, 'in every session');
SET LOCAL TimeZone = 'UTC';
UPDATE nurture.lead SET merged_into = 11 WHERE lead_id = 2;
SELECT is((SELECT sum(withdrawn) FROM nurture_bi.consent_funnel), 1::numeric, 'what a merge hands on was said once');

-- late opt-outs
SELECT nurture_consent(i, 'given', 'email', occurred_at => '2026-01-01') FROM generate_series(12, 19) i \g /dev/null
INSERT INTO nurture.message (lead_id, channel, asset_id) SELECT i, 'email', 'cr_a' FROM generate_series(12, 18) i;
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (12, 'email', 'cr_op'), (19, 'email', 'cr_moa');
SELECT is((SELECT count(*) FROM nurture_take('email', 100, 'w')), 9::bigint, 'nine messages are taken');
SELECT nurture_ack(lead_id, message_id, 'sent') FROM nurture.message WHERE status = 'taken' AND lead_id <> 18 \g /dev/null
SET LOCAL nurture.clock = '2026-03-10T09:00:00Z';
SELECT nurture_consent(12, 'withdrawn', '*', source => 'letter', occurred_at => '2026-02-20T00:00:00Z'),
    nurture_consent(13, 'withdrawn', '*', source => 'letter', occurred_at => '2026-03-05T00:00:00Z'),
    nurture_consent(14, 'withdrawn', 'email', occurred_at => '2026-02-20T00:00:00Z'), nurture_consent(14, 'given', 'email', occurred_at => '2026-02-25T00:00:00Z'),
    nurture_consent(15, 'withdrawn', 'sms', occurred_at => '2026-02-20T00:00:00Z'), nurture_consent(15, 'refused', 'email', topic => 'moa', occurred_at => '2026-02-20T00:00:00Z'),
    nurture_consent(16, 'objected', 'sms', occurred_at => '2026-02-20T00:00:00Z'),
    nurture_consent(17, 'withdrawn', 'email', occurred_at => '2026-02-20T00:00:00Z'),
    nurture_consent(19, 'refused', 'email', topic => 'moa', occurred_at => '2026-02-20T00:00:00Z') \g /dev/null
SELECT results_eq('SELECT lead_id, asset_id, state, learned_after, source FROM nurture_bi.sent_before_known ORDER BY 1',
    $$VALUES (12::bigint, 'cr_a', 'withdrawn', interval '18 days 9 hours', 'letter'), (16, 'cr_a', 'objected', '18 days 9 hours', NULL), (17, 'cr_a', 'withdrawn', '18 days 9 hours', NULL), (19, 'cr_moa', 'refused', '18 days 9 hours', NULL)$$,
    'what was sent between a no and our learning of it; not before it, after a new yes, by another channel, of another topic or class');
SELECT nurture_consent(17, 'entered_in_error', 'email', evidence => jsonb_build_object('consent_event_id', max(consent_event_id))) FROM nurture.consent_event WHERE lead_id = 17 \g /dev/null
SELECT is((SELECT count(*) FROM nurture_bi.sent_before_known WHERE lead_id = 17), 0::bigint, 'a no that was entered in error was none');
SELECT is((SELECT count(*) FROM nurture_bi.sent_after_opt_out), 0::bigint, 'none of that is a fault of the gate');

-- sent after an opt-out that we knew
SELECT is((SELECT count(*) FROM nurture.outbox WHERE topic LIKE 'alert.%'), 0::bigint, 'no alert so far');
SET LOCAL nurture.clock = '2026-03-02T09:00:01Z';
SELECT nurture_opt_out(18) \g /dev/null
SET LOCAL nurture.clock = '2026-03-02T09:00:02Z';
SELECT nurture_ack(18, message_id, 'sent') FROM nurture.message WHERE lead_id = 18 \g /dev/null
SELECT results_eq('SELECT lead_id, channel, asset_id, status, taken_by FROM nurture_bi.sent_after_opt_out', $$VALUES (18::bigint, 'email', 'cr_a', 'sent', 'w')$$, 'what a worker sent all the same');
SELECT results_eq('SELECT lead_id, topic, payload ->> ''channel'', payload ->> ''asset_id'', (payload ->> ''sent_at'')::timestamptz FROM nurture.outbox WHERE topic LIKE ''alert.%''',
    $$VALUES (18::bigint, 'alert.sent_after_opt_out', 'email', 'cr_a', '2026-03-02T09:00:02Z'::timestamptz)$$, 'puts an alert into the outbox');
SELECT nurture_ack(18, message_id, 'delivered') FROM nurture.message WHERE lead_id = 18 \g /dev/null
SELECT is((SELECT count(*) FROM nurture.outbox WHERE topic LIKE 'alert.%'), 1::bigint, 'once');
SELECT is((SELECT array_agg(outcome) FROM nurture.audit WHERE lead_ref = 18 AND 'sent_after_opt_out' = ANY (reasons)), '{sent}', 'and is on record');
SELECT is((SELECT count(*) FROM nurture_bi.sent_before_known WHERE lead_id = 18), 0::bigint, 'we knew');

SELECT * FROM finish();
ROLLBACK;
