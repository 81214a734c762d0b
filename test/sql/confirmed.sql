-- Double opt-in is of an address: what one was confirmed for does not hold for
-- another, where the law asks for a confirmation.
BEGIN;
SELECT plan(28);
SET LOCAL client_min_messages = warning;
SET LOCAL timezone = 'UTC';
SET LOCAL nurture.clock = '2026-03-02T09:00:00Z';

SELECT set_config('search_path', '', true) \g /dev/null
SET LOCAL row_security = off;
SET LOCAL check_function_bodies = off;
INSERT INTO nurture.asset (asset_id, family, title, format) VALUES ('cf_a', 'cf_a', 'A', 'email');
INSERT INTO nurture.asset_version (asset_id, version, status, message_class, channels, languages, markets, audience_types, valid_during, approved_at, content_hash)
    VALUES ('cf_a', 1, 'approved', 'promotional', '{email,phone,sms,post}', '{en}', '{*}', '{hcp}', tstzrange('2000-01-01', NULL), '2000-01-01', '\x01');
SELECT set_config('search_path', 'public', true) \g /dev/null
SET LOCAL row_security = on;
SET LOCAL check_function_bodies = on;
DELETE FROM nurture.frequency_cap;
INSERT INTO nurture.lead (lead_id, email, phone, country, audience_type, language)
    SELECT i, 'cf' || i || '@example.com', '+49 30 1234 ' || i, CASE WHEN i = 6803 THEN 'FR' ELSE 'DE' END, 'hcp', 'en' FROM generate_series(6801, 6820) AS i;
CREATE FUNCTION pg_temp.may(lead bigint, channel text DEFAULT 'email') RETURNS text LANGUAGE sql AS
$$SELECT concat_ws(' ', verdict, nullif(reasons, '{}'), (SELECT fact FROM nurture_explain_contact(lead, channel, NULL, 'cf_a') WHERE rule = 'consent')) FROM nurture_may_contact(lead, channel, NULL, 'cf_a')$$;
CREATE FUNCTION pg_temp.move(id bigint, to_email text) RETURNS void LANGUAGE sql AS 'UPDATE nurture.lead SET email = to_email WHERE lead_id = id';

-- by token
SELECT is(pg_temp.may(6801), 'refuse {consent_missing} no consent', 'Germany asks for a confirmation');
SELECT nurture_confirm(nurture_request_consent(6801, 'email')) AS id \gset
SELECT is(pg_temp.may(6801), 'allow confirmed', 'it is given');
SELECT is((SELECT cardinality(contact_point_hashes) FROM nurture.consent_event WHERE consent_event_id = :id), 1, 'and says for which address');
SELECT is((SELECT contact_point_hashes FROM nurture.consent_event WHERE consent_event_id = :id), (SELECT ARRAY[contact_point_hash] FROM nurture.consent_token WHERE lead_id = 6801), 'the one that was asked');
INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) VALUES (6801, 'email', 'cf_a', 'before');
SELECT pg_temp.move(6801, 'elsewhere@example.com') \g /dev/null
SELECT is(pg_temp.may(6801), 'refuse {consent_missing} confirmed for another address', 'another address was not confirmed');
SELECT is((SELECT remedy FROM nurture_explain_contact(6801, 'email', NULL, 'cf_a') WHERE rule = 'consent'), 'SELECT nurture_request_consent(6801, ''email'', ''marketing'')', 'what to do about it is told');
INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) VALUES (6801, 'email', 'cf_a', 'after');
SELECT is_empty($$SELECT * FROM nurture_take('email', 10, 'w')$$, 'no worker gets what was queued for the old one');
SELECT results_eq($$SELECT status, reasons FROM nurture.message WHERE lead_id = 6801 ORDER BY message_id$$, $$VALUES ('cancelled', '{consent_missing}'::text[]), ('refused', '{consent_missing}')$$, 'nor anything later');
SELECT pg_temp.move(6801, 'CF6801@Example.com') \g /dev/null
SELECT is(pg_temp.may(6801), 'allow confirmed', 'back at the old one, however it is written, it holds');
SELECT pg_temp.move(6801, 'elsewhere@example.com'), nurture_confirm(nurture_request_consent(6801, 'email')) \g /dev/null
SELECT is(pg_temp.may(6801), 'allow confirmed', 'the new one can be confirmed like the old one');

-- recorded otherwise: for the address that is named, or that the lead has
SELECT nurture_consent(6802, 'confirmed', 'email') \g /dev/null
SELECT is(pg_temp.may(6802), 'allow confirmed', 'recorded without an address it is about the one the lead has');
SELECT pg_temp.move(6802, 'elsewhere2@example.com') \g /dev/null
SELECT is(pg_temp.may(6802), 'refuse {consent_missing} confirmed for another address', 'and no other');
SELECT nurture_consent(6802, 'renewed', 'email') \g /dev/null
SELECT is(pg_temp.may(6802), 'refuse {consent_missing} confirmed for another address', 'nor when it is renewed');
SELECT nurture_consent(6802, 'confirmed', 'email', contact_point => 'Elsewhere2@example.com') \g /dev/null
SELECT is(pg_temp.may(6802), 'allow confirmed', 'one that names the address is about that');
INSERT INTO nurture.consent_event (lead_id, channel, kind, contact_point) VALUES (6804, 'email', 'confirmed', 'other@example.com');
SELECT is(pg_temp.may(6804), 'refuse {consent_missing} confirmed for another address', 'also when the lead has another, and whoever writes it');
SELECT pg_temp.move(6804, 'other@example.com') \g /dev/null
SELECT is(pg_temp.may(6804), 'allow confirmed', 'until it has that');
SELECT nurture_consent(6804, 'withdrawn', 'email'), nurture_consent(6804, 'given', 'email') \g /dev/null
SELECT is((SELECT state || coalesce(contact_point_hashes::text, ' -') FROM nurture.consent WHERE lead_id = 6804), 'given -', 'a withdrawal ends it');
UPDATE nurture.lead SET email = NULL WHERE lead_id = 6805;
SELECT nurture_consent(6805, 'confirmed', 'email') \g /dev/null
SELECT pg_temp.move(6805, 'cf6805@example.com') \g /dev/null
SELECT is(pg_temp.may(6805), 'refuse {consent_missing} confirmed for another address', 'who had no address confirmed none');

-- other channels, and all of them
INSERT INTO nurture.consent_policy (country, audience_type, channel, message_class, rule, unclear, legal_source) VALUES ('DE', 'hcp', 'sms', 'promotional', 'double_opt_in', 'refuse', 'test');
SELECT nurture_consent(6806, 'confirmed', 'sms') \g /dev/null
SELECT is(pg_temp.may(6806, 'sms'), 'allow confirmed', 'a number is confirmed like an address');
SELECT pg_temp.move(6806, 'elsewhere6@example.com') \g /dev/null
SELECT is(pg_temp.may(6806, 'sms'), 'allow confirmed', 'an address is no number');
UPDATE nurture.lead SET phone = '+49 30 999999' WHERE lead_id = 6806;
SELECT is(pg_temp.may(6806, 'sms'), 'refuse {consent_missing} confirmed for another address', 'another number has not been confirmed');
SELECT nurture_consent(6807, 'confirmed', '*') \g /dev/null
SELECT is(pg_temp.may(6807) || ', ' || pg_temp.may(6807, 'sms'), 'allow confirmed, allow confirmed', 'for all channels it is about every address');
UPDATE nurture.lead SET phone = '+49 30 999999' WHERE lead_id = 6807;
SELECT is(pg_temp.may(6807) || ', ' || pg_temp.may(6807, 'sms'), 'allow confirmed, refuse {consent_missing} confirmed for another address', 'each for itself');
SELECT nurture_consent(6808, 'confirmed', 'post') \g /dev/null
SELECT is((SELECT contact_point_hashes FROM nurture.consent WHERE lead_id = 6808), NULL, 'a channel without addresses has none');

-- where no confirmation is asked for it is consent
SELECT nurture_consent(6803, 'confirmed', 'email'), pg_temp.move(6803, 'elsewhere3@example.com') \g /dev/null
SELECT is(pg_temp.may(6803), 'allow confirmed', 'in France consent is the lead''s, whatever its address');

-- what the table refuses
SELECT throws_ok($$INSERT INTO nurture.consent_event (channel, kind) VALUES ('email', 'confirmed')$$, '23502', NULL, 'without a lead it is refused');
SELECT throws_ok($$INSERT INTO nurture.consent_event (lead_id, kind) VALUES (6801, 'confirmed')$$, '23502', NULL, 'or without a channel');
SELECT throws_ok($$INSERT INTO nurture.consent_event (lead_id, channel, kind) VALUES (6899, 'email', 'confirmed')$$, 'NU004', NULL, 'or for nobody');

SELECT * FROM finish();
ROLLBACK;
