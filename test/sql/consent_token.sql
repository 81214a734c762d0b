-- Consent by link: double opt-in with a token, and leaving a list with one click.
BEGIN;
SELECT plan(43);
SET LOCAL client_min_messages = warning;
SET LOCAL nurture.clock = '2026-01-31T12:00:00Z';

-- approved content, as a restore would bring it
SELECT set_config('search_path', '', true) \g /dev/null
SET LOCAL row_security = off;
SET LOCAL check_function_bodies = off;
INSERT INTO nurture.asset (asset_id, family, title, format) SELECT id, id, id, 'email' FROM unnest(ARRAY['tk_a', 'tk_b', 'tk_c']) AS id;
INSERT INTO nurture.asset_version (asset_id, version, status, message_class, channels, languages, markets, audience_types, approved_at, content_hash)
    SELECT id, 1, 'approved', 'promotional', '{email,sms}', '{*}', '{*}', '{*}', '2026-01-01', '\x01' FROM unnest(ARRAY['tk_a', 'tk_b', 'tk_c']) AS id;
SELECT set_config('search_path', 'public', true) \g /dev/null
SET LOCAL row_security = on;
SET LOCAL check_function_bodies = on;
INSERT INTO nurture.lead (lead_id, email, phone, country, audience_type, language)
    SELECT i, 'lead' || i || '@example.com', '+49 30 1234 ' || i, 'DE', 'hcp', 'de' FROM generate_series(1, 20) AS i;
CREATE FUNCTION pg_temp.may(lead bigint, channel text DEFAULT 'email') RETURNS text LANGUAGE sql AS
$$SELECT concat_ws(' ', verdict, nullif(reasons, '{}')::text) FROM nurture_may_contact(lead, channel, NULL, 'tk_a')$$;
CREATE TEMP TABLE token (name text PRIMARY KEY, token text);

-- asking
INSERT INTO token SELECT 'one', nurture_request_consent(1, 'email', source => 'web form', evidence => '{"form": 7}', notice_id => 'privacy', notice_version => '3');
SELECT results_eq('SELECT kind, channel, purpose, source, evidence ->> ''form'', notice_id, notice_version FROM nurture.consent_event WHERE lead_id = 1',
    $$VALUES ('requested', 'email', 'marketing', 'web form', '7', 'privacy', '3')$$, 'a request is on record');
SELECT is(pg_temp.may(1), 'refuse {consent_missing}', 'and permits nothing');
SELECT matches((SELECT token FROM token WHERE name = 'one'), '^[A-Za-z0-9_-]{43}$', 'a token needs no escaping in a URL');
SELECT is_empty($$SELECT 1 FROM nurture.consent_token t, token WHERE t::text LIKE '%' || token || '%' OR encode(t.token_hash, 'base64') LIKE '%' || left(token, 20) || '%'
    OR t.token_hash IN (sha256(token::bytea), token::bytea)$$, 'what is kept does not give it away');
SELECT is_empty($$SELECT 1 FROM nurture.audit a, token WHERE a::text LIKE '%' || token || '%'$$, 'nor does the audit trail');
SELECT isnt(nurture_request_consent(1, 'email'), (SELECT token FROM token WHERE name = 'one'), 'each request has its own');

-- confirming
CREATE ROLE tk_visitor;
GRANT SELECT ON token TO tk_visitor;
SET LOCAL ROLE tk_visitor;
SELECT cmp_ok(nurture_confirm((SELECT token FROM token WHERE name = 'one'), '{"ip": "hashed"}'), '>', 0::bigint, 'a role without any right on tables confirms');
SELECT throws_ok('SELECT count(*) FROM nurture.consent_token', '42501', NULL, 'and cannot read a thing');
RESET ROLE;
SELECT is(pg_temp.may(1), 'allow', 'then it is confirmed');
SELECT results_eq('SELECT kind, source, evidence -> ''given'' ->> ''ip'', (evidence ->> ''requested_consent_event_id'')::bigint = (SELECT min(consent_event_id) FROM nurture.consent_event WHERE lead_id = 1) FROM nurture.consent_event WHERE lead_id = 1 AND kind = ''confirmed''',
    $$VALUES ('confirmed', 'double_opt_in', 'hashed', true)$$, 'by an event that names the request');
SELECT throws_ok(format('SELECT nurture_confirm(%L)', (SELECT token FROM token WHERE name = 'one')), 'NU012', 'this token was used before', 'once');
SELECT is((SELECT count(*) FROM nurture.consent_event WHERE lead_id = 1 AND kind = 'confirmed'), 1::bigint, 'a second try leaves nothing behind');
SELECT throws_ok('SELECT nurture_confirm(''x'')', 'NU012', 'this is no token of consent', 'what is none is refused');
SELECT throws_ok('SELECT nurture_confirm('''')', 'NU012', NULL, 'nothing, too');
SELECT throws_ok(format('SELECT nurture_confirm(%L)', (SELECT token || 'AAAA' FROM token WHERE name = 'one')), 'NU012', NULL, 'and one with something behind it');
SELECT throws_ok(format('SELECT nurture_confirm(%L)', (SELECT substr(token, 1, 20) || translate(substr(token, 21, 1), 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_', 'BCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_A') || substr(token, 22) FROM token WHERE name = 'one')),
    'NU012', 'this is no token of consent', 'and one that was changed');

-- time: the calendar in UTC
INSERT INTO token SELECT 'month', nurture_request_consent(2, 'email', valid => '1 month');
INSERT INTO token SELECT 'month 2', nurture_request_consent(3, 'email', valid => '1 month');
SELECT is((SELECT expires_at FROM nurture.consent_token WHERE lead_id = 2), '2026-02-28T12:00:00Z', 'a month from 31 January is 28 February');
SET LOCAL nurture.clock = '2026-02-28T11:59:59Z';
SELECT lives_ok(format('SELECT nurture_confirm(%L)', (SELECT token FROM token WHERE name = 'month')), 'a token holds until then');
SET LOCAL nurture.clock = '2026-02-28T12:00:00Z';
SELECT throws_ok(format('SELECT nurture_confirm(%L)', (SELECT token FROM token WHERE name = 'month 2')), 'NU012', 'this token has expired', 'and no longer');
SELECT throws_ok('SELECT nurture_request_consent(2, ''email'', valid => ''0'')', '22023', 'a token must be valid for some time, and not for ever', 'it must hold for some time');
SELECT throws_ok('SELECT nurture_request_consent(999, ''email'')', 'NU004', NULL, 'a lead must be known');
SELECT throws_ok('SELECT nurture_request_consent(2, ''pigeon'')', 'NU003', NULL, 'and the channel');

-- what makes a token void
INSERT INTO token SELECT 'moved', nurture_request_consent(4, 'email');
INSERT INTO token SELECT 'said no', nurture_request_consent(5, 'email');
INSERT INTO token SELECT 'objected', nurture_request_consent(6, 'email', topic => 'moa');
INSERT INTO token SELECT 'other no', nurture_request_consent(7, 'email');
INSERT INTO token SELECT 'merged', nurture_request_consent(8, 'email');
UPDATE nurture.lead SET email = 'new@example.com' WHERE lead_id = 4;
SELECT throws_ok(format('SELECT nurture_confirm(%L)', (SELECT token FROM token WHERE name = 'moved')), 'NU012', 'this token was issued for another address of the lead', 'another address');
SELECT nurture_opt_out(5) \g /dev/null
SELECT throws_ok(format('SELECT nurture_confirm(%L)', (SELECT token FROM token WHERE name = 'said no')), 'NU012', 'the lead said no after this token had been issued', 'a refusal that came after it');
SELECT nurture_consent(6, 'objected', 'phone') \g /dev/null
SELECT throws_ok(format('SELECT nurture_confirm(%L)', (SELECT token FROM token WHERE name = 'objected')), 'NU012', NULL, 'an objection, whatever its channel');
SELECT nurture_opt_out(7, 'phone') \g /dev/null
SELECT lives_ok(format('SELECT nurture_confirm(%L)', (SELECT token FROM token WHERE name = 'other no')), 'not a refusal of something else');
UPDATE nurture.lead SET email = 'lead8@example.com' WHERE lead_id = 9;
UPDATE nurture.lead SET merged_into = 9 WHERE lead_id = 8;
SELECT nurture_confirm((SELECT token FROM token WHERE name = 'merged')) \g /dev/null
SELECT is(pg_temp.may(9), 'allow', 'who was merged confirms for the survivor');

-- one click
SELECT nurture_consent(i, 'confirmed', c) FROM generate_series(10, 14) AS i, unnest(ARRAY['email', 'sms']) AS c \g /dev/null
INSERT INTO token SELECT 'list', nurture_unsubscribe_token(10, 'email', message_id => 77);
INSERT INTO token SELECT 'topic', nurture_unsubscribe_token(11, 'email', topic => 'moa');
INSERT INTO token SELECT 'all', nurture_unsubscribe_token(12, '*', '*');
SELECT is(nurture_unsubscribe_token(10, 'email', message_id => 77), (SELECT token FROM token WHERE name = 'list'), 'a token of unsubscription is the same each time: nothing is stored');
SELECT isnt(nurture_unsubscribe_token(10, 'email', message_id => 78), (SELECT token FROM token WHERE name = 'list'), 'for the same lead, list and message');
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (10, 'email', 'tk_a'), (10, 'email', 'tk_b'), (10, 'sms', 'tk_c'), (12, 'email', 'tk_a');
SET LOCAL ROLE tk_visitor;
SELECT is(nurture_one_click((SELECT token FROM token WHERE name = 'list')), 2::bigint, 'a click cancels what the list would send');
SELECT is(nurture_one_click((SELECT token FROM token WHERE name = 'list')), 0::bigint, 'and may be repeated');
SELECT is(nurture_one_click((SELECT token FROM token WHERE name = 'all')), 1::bigint, 'a list may be everything');
SELECT is(nurture_one_click((SELECT token FROM token WHERE name = 'topic')), 0::bigint, 'or something nothing was sent of');
SELECT throws_ok('SELECT nurture_unsubscribe_token(10, ''email'')', '42501', NULL, 'who may not record consent may not issue tokens');
RESET ROLE;
SELECT results_eq('SELECT lead_id, kind, channel, purpose, topic, source, evidence ->> ''message_id'' FROM nurture.consent_event WHERE source = ''one_click'' ORDER BY 1',
    $$VALUES (10::bigint, 'withdrawn', 'email', 'marketing', '*', 'one_click', '77'), (11, 'withdrawn', 'email', 'marketing', 'moa', 'one_click', NULL), (12, 'withdrawn', '*', '*', '*', 'one_click', NULL)$$,
    'each is on record once');
SELECT is(pg_temp.may(10) || ' / ' || pg_temp.may(10, 'sms'), 'refuse {consent_denied,consent_missing} / allow', 'it concerns its list alone');
SELECT nurture_consent(10, 'confirmed', 'email') \g /dev/null
SELECT is(nurture_one_click((SELECT token FROM token WHERE name = 'list')), 0::bigint, 'after a new grant the token still works');
SELECT is(pg_temp.may(10), 'refuse {consent_denied,consent_missing}', 'and takes it back');
SELECT throws_ok(format('SELECT nurture_one_click(%L)', (SELECT overlay(token placing translate(substr(token, 12, 1), 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_', 'BCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_A') from 12 for 1) FROM token WHERE name = 'list')),
    'NU012', 'this is no token of unsubscription', 'a token of another lead cannot be made up');
SELECT throws_ok(format('SELECT nurture_one_click(%L)', (SELECT split_part(a.token, '.', 1) || '.' || split_part(b.token, '.', 2) FROM token a, token b WHERE a.name = 'all' AND b.name = 'list')), 'NU012', NULL, 'nor put together');
SELECT throws_ok(format('SELECT nurture_one_click(%L)', (SELECT token FROM token WHERE name = 'one')), 'NU012', NULL, 'nor is a token of consent one');
UPDATE nurture.lead SET merged_into = 14 WHERE lead_id = 13;
SELECT nurture_one_click(nurture_unsubscribe_token(13, 'email')) \g /dev/null
SELECT is(pg_temp.may(14), 'refuse {consent_denied,consent_missing}', 'a click of who was merged binds the survivor');
UPDATE nurture.lead SET erased_at = now() WHERE lead_id = 11;
SELECT is(nurture_one_click(nurture_unsubscribe_token(11, 'sms')), 0::bigint, 'of who was erased nothing is recorded');

SELECT * FROM finish();
ROLLBACK;
