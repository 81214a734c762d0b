-- A message that is taken later than it was due keeps its place: what was put
-- off because of it does not put it off in turn, and is put off once more.
BEGIN;
SELECT plan(10);
SET LOCAL client_min_messages = warning;
SET LOCAL nurture.clock = '2026-03-02T09:00:00Z';

SELECT set_config('search_path', '', true) \g /dev/null
SET LOCAL row_security = off;
SET LOCAL check_function_bodies = off;
INSERT INTO nurture.asset (asset_id, family, title, format)
    SELECT 'tl_' || i, 'tl_' || i, 'asset', 'email' FROM generate_series(1, 4) AS i;
INSERT INTO nurture.asset_version (asset_id, version, status, message_class, channels, languages, markets, audience_types, approved_at, content_hash)
    SELECT 'tl_' || i, 1, 'approved', 'promotional', '{email}', '{en}', '{US}', '{hcp}', '2026-01-01', '\x01' FROM generate_series(1, 4) AS i;
SELECT set_config('search_path', 'public', true) \g /dev/null
SET LOCAL row_security = on;
SET LOCAL check_function_bodies = on;
DELETE FROM nurture.frequency_cap;
DELETE FROM nurture.quiet_hours;
INSERT INTO nurture.frequency_cap (cap, n, period) VALUES ('late', 1, '48 hours');
INSERT INTO nurture.lead (lead_id, email, country, audience_type, language) VALUES (1, 'lead1@example.com', 'US', 'hcp', 'en'), (2, 'lead2@example.com', 'US', 'hcp', 'en');
SELECT count(nurture_opt_in(i, 'email')) FROM generate_series(1, 2) AS i \g /dev/null
INSERT INTO nurture.message (lead_id, channel, asset_id) SELECT lead_id, 'email', 'tl_' || i FROM generate_series(1, 3) AS i, generate_series(1, 2) AS lead_id;
SELECT results_eq($$SELECT asset_id, not_before FROM nurture.message WHERE lead_id = 1 ORDER BY 1$$,
    $$VALUES ('tl_1', '2026-03-02T09:00:00Z'::timestamptz), ('tl_2', '2026-03-04T09:00:00Z'), ('tl_3', '2026-03-06T09:00:00Z')$$, 'one goes out at once, others one after the other');

-- a second later
SET LOCAL nurture.clock = '2026-03-02T09:00:01Z';
SELECT results_eq($$SELECT lead_id, asset_id FROM nurture_take('email', 10, 'w') ORDER BY 1$$, $$VALUES (1::bigint, 'tl_1'), (2, 'tl_1')$$, 'the one that was due goes out');
SELECT is(nurture_still_allowed(1, message_id, 'w'), true, 'and may still') FROM nurture.message WHERE lead_id = 1 AND asset_id = 'tl_1';
SELECT is(nurture_ack(lead_id, message_id, 'sent'), 'sent', 'and is sent') FROM nurture.message WHERE asset_id = 'tl_1' ORDER BY lead_id;

-- the next was planned for 48 hours after the first was due, and has to wait for what it was
SET LOCAL nurture.clock = '2026-03-04T09:00:00Z';
SELECT is_empty($$SELECT * FROM nurture_take('email', 10, 'w')$$, 'the next waits as long after what was sent');
SELECT results_eq($$SELECT asset_id, not_before FROM nurture.message WHERE lead_id = 1 AND status = 'queued' ORDER BY 1$$,
    $$VALUES ('tl_2', '2026-03-04T09:00:01Z'::timestamptz), ('tl_3', '2026-03-06T09:00:00Z')$$, 'to the second');

-- nobody takes for days: two are due, and one goes out
SET LOCAL nurture.clock = '2026-03-09T09:00:00Z';
SELECT results_eq($$SELECT asset_id FROM nurture_take('email', 10, 'w') WHERE lead_id = 1$$, $$VALUES ('tl_2')$$, 'of two that are late the first goes out');
SELECT results_eq($$SELECT not_before FROM nurture.message WHERE lead_id = 1 AND status = 'queued'$$, $$VALUES ('2026-03-11T09:00:00Z'::timestamptz)$$, 'and the second waits');
SET LOCAL nurture.clock = '2026-03-11T09:00:00Z';
SELECT results_eq($$SELECT asset_id FROM nurture_take('email', 10, 'w') WHERE lead_id = 1$$, $$VALUES ('tl_3')$$, 'for its turn');
SELECT * FROM finish();
ROLLBACK;
