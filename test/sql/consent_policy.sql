-- What the law asks for, by country, audience, channel and class of message: the
-- preset's rows against verdicts that were worked out by hand.
BEGIN;
SELECT plan(88);
SET LOCAL client_min_messages = warning;
-- an objection is a stop as well (stop_rules.sql); here consent speaks alone
DELETE FROM nurture.stop_rule WHERE rule = 'objected';
SET LOCAL nurture.clock = '2026-03-02T09:00:00Z';

-- approved content, as a restore would bring it
SELECT set_config('search_path', '', true) \g /dev/null
SET LOCAL row_security = off;
SET LOCAL check_function_bodies = off;
INSERT INTO nurture.asset (asset_id, family, title, format, purpose)
    SELECT 'po_' || class, 'po_' || class, class, 'email', CASE WHEN class IN ('promotional', 'disease_awareness') THEN 'marketing' ELSE class END
    FROM unnest(ARRAY['promotional', 'disease_awareness', 'medical_information', 'patient_support', 'operational']) AS class;
INSERT INTO nurture.asset_version (asset_id, version, status, message_class, channels, languages, markets, audience_types, approved_at, content_hash)
    SELECT asset_id, 1, 'approved', substr(asset_id, 4), '{*}', '{*}', '{*}', '{*}', '2026-01-01', '\x01' FROM nurture.asset WHERE asset_id LIKE 'po\_%';
SELECT set_config('search_path', 'public', true) \g /dev/null
SET LOCAL row_security = on;
SET LOCAL check_function_bodies = on;
-- what a class needs beyond consent is another test's
UPDATE nurture.stage SET message_classes = '{promotional,disease_awareness,medical_information,patient_support,operational}';

-- said: nothing; given, confirmed: for the class's purpose by the channel; soft, implied: such a basis; 7 months, 25 months: so long ago;
-- verified: given by a verified person; no: refused; objected: to all
CREATE TEMP TABLE spec (n integer GENERATED ALWAYS AS IDENTITY, country text, audience text, channel text, class text, said text, expected text);
INSERT INTO spec (country, audience, channel, class, said, expected) VALUES
    -- EU general
    ('FR', 'hcp', 'email', 'promotional', 'nothing', 'review consent_missing'),
    ('FR', 'hcp', 'email', 'promotional', 'given', 'allow'),
    ('FR', 'hcp', 'email', 'promotional', 'soft', 'review consent_missing'),
    ('FR', 'hcp', 'email', 'promotional', 'implied', 'review consent_missing'),
    ('FR', 'hcp', 'email', 'promotional', 'no', 'refuse consent_denied consent_missing'),
    ('FR', 'hcp', 'sms', 'promotional', 'nothing', 'review consent_missing'),
    ('FR', 'hcp', 'email', 'disease_awareness', 'nothing', 'review consent_missing'),
    ('FR', 'hcp', 'email', 'medical_information', 'nothing', 'allow'),
    ('FR', 'hcp', 'email', 'medical_information', 'objected', 'refuse consent_denied'),
    ('FR', 'hcp', 'email', 'operational', 'nothing', 'allow'),
    ('NL', 'investigator', 'email', 'promotional', 'given', 'allow'),
    ('PL', 'pharmacist', 'email', 'promotional', 'legitimate', 'review consent_missing'),
    ('IE', 'researcher', 'sms', 'promotional', 'given', 'allow'),
    ('NO', 'hcp', 'email', 'promotional', 'nothing', 'review consent_missing'),
    ('FR', 'patient', 'email', 'promotional', 'given', 'refuse class_prohibited'),
    ('FR', 'caregiver', 'sms', 'promotional', 'confirmed', 'refuse class_prohibited'),
    ('FR', 'patient', 'email', 'disease_awareness', 'nothing', 'review consent_missing'),
    ('FR', 'patient', 'email', 'disease_awareness', 'given', 'allow'),
    ('FR', 'patient', 'email', 'patient_support', 'nothing', 'review consent_missing'),
    ('FR', 'patient', 'email', 'patient_support', 'given', 'allow'),
    ('FR', 'payer', 'email', 'promotional', 'nothing', 'allow'),
    ('FR', 'procurement', 'email', 'promotional', 'no', 'refuse consent_denied'),
    ('FR', 'payer', 'sms', 'promotional', 'nothing', 'review consent_missing'),
    ('BE', 'procurement', 'email', 'promotional', 'nothing', 'review consent_missing'),
    ('SE', 'procurement', 'email', 'promotional', 'nothing', 'allow'),
    ('SE', 'hcp', 'email', 'promotional', 'nothing', 'review consent_missing'),
    -- verified where it is asked for
    ('IT', 'hcp', 'email', 'promotional', 'given', 'refuse audience_not_verified'),
    ('IT', 'hcp', 'email', 'promotional', 'verified', 'allow'),
    ('ES', 'pharmacist', 'email', 'promotional', 'given', 'refuse audience_not_verified'),
    ('ES', 'pharmacist', 'sms', 'promotional', 'verified', 'allow'),
    ('PT', 'hcp', 'email', 'promotional', 'nothing', 'refuse audience_not_verified consent_missing'),
    ('IT', 'hcp', 'email', 'medical_information', 'nothing', 'allow'),
    ('IT', 'researcher', 'email', 'promotional', 'given', 'allow'),
    -- Germany
    ('DE', 'hcp', 'email', 'promotional', 'given', 'refuse consent_missing'),
    ('DE', 'hcp', 'email', 'promotional', 'confirmed', 'allow'),
    ('DE', 'hcp', 'email', 'disease_awareness', 'given', 'refuse consent_missing'),
    ('DE', 'procurement', 'email', 'promotional', 'given', 'refuse consent_missing'),
    ('DE', 'procurement', 'email', 'promotional', 'confirmed', 'allow'),
    ('DE', 'hcp', 'phone', 'promotional', 'given', 'allow'),
    ('DE', 'hcp', 'phone', 'promotional', 'nothing', 'refuse consent_missing'),
    ('DE', 'partner', 'sms', 'promotional', 'nothing', 'refuse consent_missing'),
    ('DE', 'patient', 'email', 'promotional', 'confirmed', 'refuse class_prohibited'),
    ('DE', 'patient', 'email', 'patient_support', 'given', 'allow'),
    ('DE', 'hcp', 'email', 'medical_information', 'nothing', 'allow'),
    -- United Kingdom
    ('GB', 'hcp', 'email', 'promotional', 'nothing', 'review consent_missing'),
    ('GB', 'hcp', 'email', 'promotional', 'soft', 'allow'),
    ('GB', 'hcp', 'email', 'promotional', 'implied', 'review consent_missing'),
    ('GB', 'hcp', 'sms', 'promotional', 'soft', 'review consent_missing'),
    ('GB', 'hcp', 'email', 'disease_awareness', 'soft', 'review consent_missing'),
    ('GB', 'procurement', 'email', 'promotional', 'nothing', 'allow'),
    ('GB', 'procurement', 'email', 'promotional', 'objected', 'refuse consent_denied'),
    ('GB', 'hcp', 'post', 'promotional', 'nothing', 'allow'),
    ('GB', 'patient', 'email', 'promotional', 'soft', 'refuse class_prohibited'),
    ('GB', 'patient', 'post', 'promotional', 'given', 'refuse class_prohibited'),
    -- United States
    ('US', 'hcp', 'email', 'promotional', 'nothing', 'allow'),
    ('US', 'hcp', 'email', 'promotional', 'no', 'refuse consent_denied'),
    ('US', 'hcp', 'sms', 'promotional', 'nothing', 'refuse consent_missing'),
    ('US', 'hcp', 'sms', 'promotional', 'given', 'allow'),
    ('US', 'hcp', 'phone', 'promotional', 'implied', 'refuse consent_missing'),
    ('US', 'hcp', 'sms', 'disease_awareness', 'nothing', 'refuse consent_missing'),
    ('US', 'procurement', 'email', 'disease_awareness', 'nothing', 'allow'),
    ('US', 'patient', 'email', 'promotional', 'nothing', 'refuse consent_missing'),
    ('US', 'patient', 'email', 'promotional', 'given', 'allow'),
    ('US', 'patient', 'sms', 'promotional', 'given', 'refuse class_prohibited'),
    ('US', 'caregiver', 'email', 'disease_awareness', 'nothing', 'refuse consent_missing'),
    -- Canada
    ('CA', 'hcp', 'email', 'promotional', 'nothing', 'review consent_missing'),
    ('CA', 'hcp', 'email', 'promotional', 'implied', 'allow'),
    ('CA', 'hcp', 'email', 'promotional', 'soft', 'allow'),
    ('CA', 'hcp', 'email', 'promotional', 'implied 7 months', 'allow'),
    ('CA', 'hcp', 'email', 'promotional', 'implied 25 months', 'review consent_expired'),
    ('CA', 'hcp', 'email', 'promotional', 'inquiry', 'allow'),
    ('CA', 'hcp', 'email', 'promotional', 'inquiry 7 months', 'review consent_expired'),
    ('CA', 'hcp', 'email', 'promotional', 'given 25 months', 'allow'),
    ('CA', 'hcp', 'sms', 'promotional', 'implied', 'refuse consent_missing'),
    ('CA', 'patient', 'email', 'promotional', 'given', 'refuse class_prohibited'),
    ('CA', 'partner', 'email', 'disease_awareness', 'inquiry', 'allow'),
    -- where no law is named, and where the country is unknown
    ('BR', 'hcp', 'email', 'promotional', 'nothing', 'review consent_missing'),
    ('BR', 'hcp', 'email', 'promotional', 'implied', 'review consent_missing'),
    ('BR', 'patient', 'email', 'promotional', 'given', 'refuse class_prohibited'),
    (NULL, 'hcp', 'email', 'promotional', 'nothing', 'review consent_missing'),
    (NULL, 'unknown', 'email', 'promotional', 'given', 'allow'),
    (NULL, 'hcp', 'email', 'operational', 'nothing', 'allow');

INSERT INTO nurture.lead (lead_id, email, phone, country, audience_type, audience_verified_at, language)
    SELECT n, 'lead' || n || '@example.com', '+33123' || lpad(n::text, 6, '0'), country, audience, CASE WHEN said = 'verified' THEN '2026-01-01'::timestamptz END, 'en' FROM spec;
SELECT count(nurture_consent(n, CASE WHEN said = 'confirmed' THEN 'confirmed' WHEN said = 'no' THEN 'refused' WHEN said = 'objected' THEN 'objected' ELSE 'given' END,
        CASE WHEN said = 'objected' THEN '*' ELSE channel END,
        CASE WHEN said = 'objected' THEN '*' WHEN class IN ('promotional', 'disease_awareness') THEN 'marketing' ELSE class END,
        legal_basis => CASE split_part(said, ' ', 1) WHEN 'soft' THEN 'soft_opt_in' WHEN 'implied' THEN 'implied' WHEN 'inquiry' THEN 'implied_inquiry' WHEN 'legitimate' THEN 'legitimate_interest' END,
        occurred_at => CASE WHEN said ~ '[0-9]' THEN timestamptz '2026-03-02T09:00:00Z' - substring(said, '[0-9].*')::interval END))
    FROM spec WHERE said <> 'nothing' \g /dev/null
SELECT is(concat_ws(' ', m.verdict, nullif(array_to_string(m.reasons, ' '), '')), expected, concat_ws(', ', coalesce(country, 'unknown country'), audience, channel, class, said))
    FROM spec, nurture_may_contact(spec.n, spec.channel, NULL, 'po_' || spec.class) AS m ORDER BY spec.n;

-- what every row says
SELECT is_empty($$SELECT country, audience_type, channel, message_class FROM nurture.consent_policy WHERE length(legal_source) < 10 OR title IS NULL OR reason IS NULL$$, 'every row names its source, its title and its reason');
SELECT is((SELECT count(DISTINCT country) FROM nurture.consent_policy WHERE message_class = 'promotional' AND country IN ('AT', 'BE', 'BG', 'CY', 'CZ', 'DE', 'DK', 'EE', 'ES', 'FI', 'FR', 'GR', 'HR', 'HU', 'IE', 'IS', 'IT', 'LI',
    'LT', 'LU', 'LV', 'MT', 'NL', 'NO', 'PL', 'PT', 'RO', 'SE', 'SI', 'SK')), 30::bigint, 'all 27 countries of the EU and the 3 others of the EEA have theirs');
-- nothing is looser in the EEA than a consent of its own, but what is listed here
SELECT results_eq($$SELECT DISTINCT country, audience_type FROM nurture.consent_policy WHERE message_class IN ('promotional', 'disease_awareness') AND rule IN ('opt_out', 'implied', 'soft_opt_in')
    AND country NOT IN ('GB', 'US', 'CA') ORDER BY 1, 2$$, $$VALUES ('FR', 'partner'), ('FR', 'payer'), ('FR', 'procurement'), ('SE', 'procurement')$$, 'and ask for less than consent of business audiences alone');

-- calendar months, in UTC, whatever the session's time zone
UPDATE nurture.consent_policy SET valid_months = 1, reason = 'test' WHERE country = 'FR' AND audience_type = '*' AND channel = '*' AND message_class = 'promotional';
INSERT INTO nurture.lead (lead_id, email, country, audience_type, language) VALUES (900, 'lead900@example.com', 'FR', 'hcp', 'fr'), (901, 'lead901@example.com', 'CA', 'hcp', 'fr');
SELECT nurture_consent(900, 'given', 'email', occurred_at => '2024-01-31T10:00:00Z'), nurture_consent(901, 'given', 'email', legal_basis => 'implied', occurred_at => '2024-02-29T10:00:00Z') \g /dev/null
SELECT is((SELECT string_agg(concat_ws(' ', m.verdict, m.reasons[1]), ', ' ORDER BY z, t) FROM unnest(ARRAY['UTC', 'Pacific/Kiritimati', 'America/Adak']) AS z,
        unnest(ARRAY['2024-02-29T09:59:59Z', '2024-02-29T10:00:00Z']::timestamptz[]) AS t,
        LATERAL (SELECT set_config('TimeZone', z, true)) AS s (zone), LATERAL nurture_may_contact(900, 'email', NULL, 'po_promotional', CASE WHEN zone IS NOT NULL THEN t END) AS m),
    'allow, review consent_expired, allow, review consent_expired, allow, review consent_expired', 'a month from 31 January ends on 29 February of a leap year');
SET LOCAL TimeZone = 'UTC';
SELECT is((SELECT string_agg(concat_ws(' ', m.verdict, m.reasons[1]), ', ' ORDER BY t) FROM unnest(ARRAY['2026-02-28T09:59:59Z', '2026-02-28T10:00:00Z']::timestamptz[]) AS t,
        nurture_may_contact(901, 'email', NULL, 'po_promotional', t) AS m), 'allow, review consent_expired', '24 months from 29 February end on 28 February');
SELECT nurture_consent(900, 'renewed', 'email', occurred_at => '2024-02-20T00:00:00Z') \g /dev/null
SELECT is((SELECT verdict FROM nurture_may_contact(900, 'email', NULL, 'po_promotional', '2024-03-15T00:00:00Z')), 'allow', 'a renewal makes it last another');

SELECT * FROM finish();
ROLLBACK;
