-- Consent: from what leads said to what may be sent; and what stops nurturing.
BEGIN;
SELECT plan(48);
SET LOCAL client_min_messages = warning;
SET LOCAL nurture.clock = '2026-03-02T09:00:00Z';

-- approved content, as a restore would bring it
SELECT set_config('search_path', '', true) \g /dev/null
SET LOCAL row_security = off;
SET LOCAL check_function_bodies = off;
INSERT INTO nurture.asset (asset_id, family, title, format, purpose)
    SELECT id, 'family_' || id, id, 'email', CASE id WHEN 'ct_op' THEN 'service' WHEN 'ct_mi' THEN 'medical_information' ELSE 'marketing' END FROM unnest(ARRAY['ct_a', 'ct_b', 'ct_mi', 'ct_op', 'ct_moa']) AS id;
INSERT INTO nurture.asset_version (asset_id, version, status, message_class, channels, languages, markets, audience_types, approved_at, content_hash)
    SELECT id, 1, 'approved', CASE id WHEN 'ct_op' THEN 'operational' WHEN 'ct_mi' THEN 'medical_information' ELSE 'promotional' END,
           '{email,phone}', '{*}', '{*}', '{*}', '2026-01-01', '\x01'
    FROM unnest(ARRAY['ct_a', 'ct_b', 'ct_mi', 'ct_op', 'ct_moa']) AS id;
INSERT INTO nurture.asset_tag (asset_id, version, dimension, value) VALUES ('ct_moa', 1, 'topic', 'moa');
SELECT set_config('search_path', 'public', true) \g /dev/null
SET LOCAL row_security = on;
SET LOCAL check_function_bodies = on;

INSERT INTO nurture.lead (lead_id, email, phone, country, audience_type, language)
    SELECT i, 'lead' || i || '@example.com', '+33 1 23 45 67 ' || i, CASE WHEN i = 2 THEN 'DE' ELSE 'FR' END, 'hcp', 'fr' FROM generate_series(1, 20) AS i;

CREATE FUNCTION pg_temp.may(lead bigint, channel text DEFAULT 'email', asset text DEFAULT 'ct_a') RETURNS text LANGUAGE sql AS
$$SELECT concat_ws(' ', verdict, nullif(reasons, '{}')::text) FROM nurture_may_contact(lead, channel, NULL, asset)$$;

-- who said nothing, yes, and no
SELECT is(pg_temp.may(1), 'review {consent_missing}', 'silence is not consent');
SELECT nurture_consent(1, 'requested', 'email') \g /dev/null
SELECT is(pg_temp.may(1), 'review {consent_missing}', 'nor is a request for it');
SELECT nurture_opt_in(1, 'email', 'form', '{"form": 7}') \g /dev/null
SELECT is(pg_temp.may(1), 'allow', 'a grant is');
SELECT is(pg_temp.may(1, 'phone'), 'review {consent_missing}', 'for its channel');
SELECT nurture_consent(1, 'requested', 'email') \g /dev/null
SELECT is(pg_temp.may(1), 'allow', 'asking again takes nothing back');
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (1, 'email', 'ct_a'), (1, 'email', 'ct_b'), (1, 'email', 'ct_op');
SELECT is(nurture_opt_out(1), 2::bigint, 'an opt-out says how many messages it cancelled');
SELECT is((SELECT string_agg(asset_id || ' ' || status, ', ' ORDER BY message_id) FROM nurture.message WHERE lead_id = 1), 'ct_a cancelled, ct_b cancelled, ct_op queued', 'those for marketing');
SELECT is(nurture_opt_out(1), 0::bigint, 'and may be repeated');
SELECT is(pg_temp.may(1), 'refuse {consent_denied}', 'it binds');
SELECT nurture_opt_in(1, 'email') \g /dev/null
SELECT is(pg_temp.may(1), 'refuse {consent_denied}', 'a refusal of all beats a later grant of one channel');
SELECT nurture_opt_in(1, '*') \g /dev/null
SELECT is(pg_temp.may(1), 'allow', 'a grant of the same scope lifts it');
SELECT is((SELECT denied FROM nurture.gate WHERE lead_id = 1), 0, 'the gate row says so');
SELECT nurture_opt_out(1, 'email') \g /dev/null
SELECT is((SELECT denied FROM nurture.gate WHERE lead_id = 1), 2, 'and names the channel that is refused');
SELECT is(pg_temp.may(1, 'phone'), 'allow', 'another channel stays open');
SELECT nurture_consent(1, 'objected', 'email') \g /dev/null
SELECT is(pg_temp.may(1, 'phone'), 'refuse {consent_denied,stopped}', 'an objection covers every channel');
SELECT is(pg_temp.may(1, 'email', 'ct_mi'), 'allow', 'but not the answer to a question');

-- what the law asks for
SELECT nurture_opt_in(2, 'email') \g /dev/null
SELECT is(pg_temp.may(2), 'refuse {consent_missing}', 'Germany: given is not enough');
SELECT is((SELECT remedy FROM nurture_explain_contact(2, 'email', NULL, 'ct_a') WHERE rule = 'consent'), 'SELECT nurture_request_consent(2, ''email'', ''marketing'')', 'the remedy says what is');
SELECT nurture_consent(2, 'confirmed', 'email') \g /dev/null
SELECT is(pg_temp.may(2), 'allow', 'confirmed is');
SELECT nurture_consent(2, 'renewed', 'email') \g /dev/null
SELECT is(pg_temp.may(2), 'allow', 'and stays so when it is renewed');
UPDATE nurture.lead SET audience_type = 'patient' WHERE lead_id = 2;
SELECT is(pg_temp.may(2), 'refuse {class_prohibited}', 'no promotion to patients, whatever the country asks for');
UPDATE nurture.lead SET country = 'US' WHERE lead_id = 2;
SELECT is(pg_temp.may(2), 'allow', 'unless a rule for both country and audience says otherwise');
SELECT nurture_consent(3, 'given', 'email', legal_basis => 'soft_opt_in') \g /dev/null
SELECT is(pg_temp.may(3), 'review {consent_missing}', 'a soft opt-in is no opt-in');

-- time: expiry, late news, errors
SELECT nurture_consent(4, 'given', 'email', expires_at => '2026-03-02T09:00:00Z') \g /dev/null
SELECT is(pg_temp.may(4), 'review {consent_expired}', 'consent runs out at its instant');
SELECT nurture_consent(5, 'given', 'email', occurred_at => '2026-02-01T00:00:00Z') \g /dev/null
SELECT nurture_consent(5, 'withdrawn', 'email', source => 'paper', occurred_at => '2026-01-15T00:00:00Z') \g /dev/null
SELECT is(pg_temp.may(5), 'allow', 'a withdrawal learned late does not undo a later grant');
SELECT nurture_consent(5, 'withdrawn', 'email', source => 'paper', occurred_at => '2026-02-15T00:00:00Z') \g /dev/null
SELECT is(pg_temp.may(5), 'refuse {consent_denied,consent_missing}', 'one after it does');
SELECT is((SELECT state FROM nurture_consent_at(5, '2026-02-10T00:00:00Z')), 'given', 'consent at a date');
SELECT is((SELECT state FROM nurture_consent_at(5, '2026-01-20T00:00:00Z')), 'withdrawn', 'and at another');
SELECT is((SELECT count(*) FROM nurture_consent_at(5, '2026-02-10T00:00:00Z', '2026-02-20T00:00:00Z')), 0::bigint, 'as known then: nothing was');
SELECT is((SELECT state FROM nurture_consent_at(4, '2026-03-03T00:00:00Z')), 'expired', 'expiry is computed');
SELECT nurture_consent(5, 'entered_in_error', 'email', evidence => jsonb_build_object('consent_event_id',
    (SELECT max(consent_event_id) FROM nurture.consent_event WHERE lead_id = 5))) \g /dev/null
SELECT is(pg_temp.may(5), 'allow', 'what was entered in error does not count');

-- topics
SELECT nurture_opt_in(6, 'email') \g /dev/null
SELECT nurture_consent(6, 'refused', 'email', topic => 'moa') \g /dev/null
SELECT is(pg_temp.may(6, 'email', 'ct_moa') || ' / ' || pg_temp.may(6, 'email', 'ct_a'), 'refuse {consent_denied} / allow', 'a refused topic concerns its content alone');

-- the history stays
SELECT throws_ok('DELETE FROM nurture.consent_event WHERE lead_id = 1', 'NU008', NULL, 'events cannot be deleted');
SELECT throws_ok('UPDATE nurture.consent_event SET kind = ''given'' WHERE lead_id = 1', 'NU008', NULL, 'nor changed');
SELECT throws_ok('TRUNCATE nurture.consent_event', 'NU008', NULL, 'nor truncated');
SELECT throws_ok('SELECT nurture_opt_out(777)', 'NU004', 'there is no lead 777', 'an unknown lead is named');
SELECT throws_ok('SELECT nurture_consent(1, ''maybe'', ''email'')', 'NU003', 'unknown kind of consent "maybe"', 'and an unknown kind');
SELECT is((SELECT count(*) FROM nurture.audit WHERE kind = 'consent' AND lead_ref = 5), 4::bigint, 'each event has its audit entry');

-- events that say something about consent, old ones too
SELECT nurture_opt_in(i, 'email') FROM generate_series(10, 16) AS i \g /dev/null
INSERT INTO nurture.message (lead_id, channel, asset_id) SELECT i, 'email', 'ct_a' FROM generate_series(10, 16) AS i;
INSERT INTO nurture.event (lead_id, event_type, occurred_at, channel) VALUES
    (10, 'unsubscribed', '2026-03-02T08:00:00Z', 'email'), (11, 'opted_out', '2026-03-02T08:00:00Z', NULL), (12, 'complained', '2026-02-01T08:00:00Z', 'email'),
    (13, 'demo_requested', '2026-03-02T08:00:00Z', NULL), (14, 'meeting_booked', '2026-03-02T08:00:00Z', NULL), (15, 'demo_requested', '2026-01-05T08:00:00Z', NULL);
SELECT is((SELECT string_agg(lead_id || ' ' || status, ', ' ORDER BY lead_id) FROM nurture.message WHERE lead_id BETWEEN 13 AND 16),
          '13 cancelled, 14 cancelled, 15 queued, 16 queued', 'a demo request and a booked meeting stop promotion; history starts nothing');
SELECT is((SELECT string_agg(lead_id || ' ' || status, ', ' ORDER BY lead_id) FROM nurture.message WHERE lead_id BETWEEN 10 AND 12),
          '10 queued, 11 cancelled, 12 cancelled', 'opt-outs and complaints cancel, complaints however old');
SELECT is(pg_temp.may(13, 'email', 'ct_b') || ' / ' || pg_temp.may(13, 'email', 'ct_mi'), 'refuse {stopped} / allow', 'a stop of promotion is one of promotion');
SELECT is((SELECT string_agg(rule || ' ' || (until AT TIME ZONE 'UTC')::date, ', ') FROM nurture.stop_effect WHERE lead_id = 13), 'demo_requested ' || '2026-05-31'::date, 'for 90 days');
SELECT is((SELECT verdict FROM nurture_may_contact(13, 'email', NULL, 'ct_b', '2026-06-01T00:00:00Z')), 'allow', 'then it ends');
SELECT is(nurture_resume(13, 'call went well'), 1, 'a person may lift it');
SELECT is(pg_temp.may(13, 'email', 'ct_b'), 'allow', 'and it is lifted');
SELECT is(nurture_resume(11, 'wish of sales'), 0, 'an opt-out only the lead can lift');
SELECT nurture_opt_in(11, '*') \g /dev/null
SELECT is(pg_temp.may(11, 'email', 'ct_b'), 'allow', 'by an explicit grant');
SELECT is((SELECT string_agg(outcome, ', ' ORDER BY audit_id) FROM nurture.audit WHERE kind = 'stop' AND lead_ref = 13), 'suppress_promotional, lifted', 'effects are on record');

SELECT * FROM finish();
ROLLBACK;
