-- The lattice of consent case by case: what beats what, in which order of
-- arrival, and what does not. Random histories are in test/t/090_consent_lattice.pl.
BEGIN;
SELECT plan(44);
SET LOCAL client_min_messages = warning;
-- an objection is a stop as well (stop_rules.sql); here consent speaks alone
DELETE FROM nurture.stop_rule WHERE rule = 'objected';
SET LOCAL nurture.clock = '2026-03-02T09:00:00Z';

-- approved content, as a restore would bring it
SELECT set_config('search_path', '', true) \g /dev/null
SET LOCAL row_security = off;
SET LOCAL check_function_bodies = off;
INSERT INTO nurture.asset (asset_id, family, title, format, purpose) VALUES ('la_a', 'la_a', 'a', 'email', 'marketing'), ('la_moa', 'la_moa', 'a', 'email', 'marketing'),
    ('la_drug', 'la_drug', 'a', 'email', 'marketing'), ('la_news', 'la_news', 'a', 'email', 'newsletter'), ('la_mi', 'la_mi', 'a', 'email', 'medical_information'), ('la_ad', 'la_ad', 'a', 'email', 'marketing');
INSERT INTO nurture.asset_version (asset_id, version, status, message_class, channels, languages, markets, audience_types, approved_at, content_hash)
    SELECT asset_id, 1, 'approved', CASE asset_id WHEN 'la_mi' THEN 'medical_information' ELSE 'promotional' END, '{*}', '{*}', '{*}', '{*}', '2026-01-01', '\x01' FROM nurture.asset WHERE asset_id LIKE 'la\_%';
INSERT INTO nurture.tag (dimension, value, title, reason) VALUES ('product', 'drug', 'a drug', 'test') ON CONFLICT DO NOTHING;
INSERT INTO nurture.asset_tag (asset_id, version, dimension, value) VALUES ('la_moa', 1, 'topic', 'moa'), ('la_moa', 1, 'topic', 'safety'), ('la_drug', 1, 'product', 'drug');
SELECT set_config('search_path', 'public', true) \g /dev/null
SET LOCAL row_security = on;
SET LOCAL check_function_bodies = on;
INSERT INTO nurture.lead (lead_id, email, phone, country, audience_type, language) SELECT i, 'lead' || i || '@example.com', '+33123' || lpad(i::text, 6, '0'), 'FR', 'hcp', 'fr' FROM generate_series(1, 60) AS i;
CREATE FUNCTION pg_temp.may(lead bigint, channel text DEFAULT 'email', asset text DEFAULT 'la_a', purpose text DEFAULT NULL) RETURNS text LANGUAGE sql AS
$$SELECT concat_ws(' ', verdict, nullif(array_to_string(reasons, ' '), '')) FROM nurture_may_contact(lead, channel, purpose, asset)$$;
-- what a lead said, as 'kind channel purpose topic product day basis'; words left out are the defaults
CREATE FUNCTION pg_temp.said(lead bigint, VARIADIC words text[]) RETURNS void LANGUAGE sql AS
$$SELECT nurture_consent(lead, w[1], coalesce(w[2], 'email'), coalesce(w[3], 'marketing'), coalesce(w[4], '*'), product => coalesce(w[5], '*'),
    occurred_at => ('2026-01-' || w[6])::date::timestamp AT TIME ZONE 'UTC', legal_basis => w[7]) FROM unnest(words) AS u (word), string_to_array(word, ' ') AS w $$;

-- kinds
SELECT pg_temp.said(1, 'requested'), pg_temp.said(2, 'given'), pg_temp.said(3, 'confirmed'), pg_temp.said(4, 'renewed'), pg_temp.said(5, 'refused'), pg_temp.said(6, 'withdrawn'), pg_temp.said(7, 'objected'), pg_temp.said(8, 'expired') \g /dev/null
SELECT is((SELECT string_agg(pg_temp.may(i), ', ' ORDER BY i) FROM generate_series(1, 8) i),
    'review consent_missing, allow, allow, allow, refuse consent_denied consent_missing, refuse consent_denied consent_missing, refuse consent_denied consent_missing, review consent_expired', 'only given, confirmed and renewed permit');

-- a denial of more beats a grant of less, in any order
SELECT pg_temp.said(10, 'given email', 'refused *'), pg_temp.said(11, 'refused *', 'given email'), pg_temp.said(12, 'given email marketing * * 10', 'refused * marketing * * 05'), pg_temp.said(13, 'refused * *', 'given email marketing') \g /dev/null
SELECT is((SELECT string_agg(DISTINCT pg_temp.may(i), ', ') FROM generate_series(10, 13) i), 'refuse consent_denied', 'a refusal of all channels beats a grant of one, whatever came first');
SELECT pg_temp.said(14, 'given *', 'refused email') \g /dev/null
SELECT is(pg_temp.may(14) || ' / ' || pg_temp.may(14, 'sms'), 'refuse consent_denied / allow', 'a refusal of one channel beats a grant of all');
SELECT pg_temp.said(11, 'given *'), pg_temp.said(13, 'given * *') \g /dev/null
SELECT is(pg_temp.may(11) || ' / ' || pg_temp.may(13), 'allow / allow', 'an explicit grant of the same scope lifts it');
SELECT pg_temp.said(15, 'refused * marketing * * 10', 'given * marketing * * 05', 'given email') \g /dev/null
SELECT is(pg_temp.may(15), 'refuse consent_denied', 'not one that was said before and learned later');
SELECT pg_temp.said(16, 'refused email * *', 'given * marketing') \g /dev/null
SELECT is(pg_temp.may(16) || ' / ' || pg_temp.may(16, 'sms'), 'refuse consent_denied / allow', 'scopes that cross each other: the denial wins where both hold');

-- topics and products
SELECT pg_temp.said(17, 'given', 'refused email marketing moa'), pg_temp.said(18, 'given email marketing moa'), pg_temp.said(19, 'given', 'refused email marketing * drug'), pg_temp.said(20, 'given email marketing * drug') \g /dev/null
SELECT is(pg_temp.may(17) || ' / ' || pg_temp.may(17, 'email', 'la_moa'), 'allow / refuse consent_denied', 'a refused topic');
SELECT is(pg_temp.may(18) || ' / ' || pg_temp.may(18, 'email', 'la_moa'), 'review consent_missing / allow', 'a granted topic');
SELECT is(pg_temp.may(19) || ' / ' || pg_temp.may(19, 'email', 'la_drug'), 'allow / refuse consent_denied', 'a refused product');
SELECT is(pg_temp.may(20) || ' / ' || pg_temp.may(20, 'email', 'la_drug'), 'review consent_missing / allow', 'a granted product');

-- an objection
SELECT pg_temp.said(21, 'given *', 'objected sms marketing moa drug'), pg_temp.said(22, 'objected email * *', 'given *', 'given email') \g /dev/null
SELECT is(pg_temp.may(21) || ' / ' || pg_temp.may(21, 'email', 'la_mi'), 'refuse consent_denied / allow', 'an objection beats every channel, topic and product of its purpose');
SELECT is(pg_temp.may(22) || ' / ' || pg_temp.may(22, 'email', 'la_mi'), 'refuse consent_denied / refuse consent_denied', 'one to all purposes beats all');
SELECT pg_temp.said(23, 'given *', 'objected email', 'withdrawn email') \g /dev/null
SELECT is(pg_temp.may(23, 'sms'), 'refuse consent_denied', 'a withdrawal after it does not make it smaller');
SELECT is((SELECT state FROM nurture.consent WHERE lead_id = 23 AND channel = 'email'), 'objected', 'it stays an objection');
SELECT pg_temp.said(23, 'given email') \g /dev/null
SELECT is(pg_temp.may(23, 'sms'), 'allow', 'an explicit grant of the same scope lifts it');

-- what rests on something else than consent
SELECT pg_temp.said(24, 'withdrawn', 'given email marketing * * 20 implied'), pg_temp.said(25, 'given email marketing * * 10', 'given email marketing * * 20 implied'),
    pg_temp.said(26, 'given email marketing * * 10 implied', 'given email marketing * * 20') \g /dev/null
SELECT is(pg_temp.may(24), 'refuse consent_denied consent_missing', 'implied consent lifts no denial');
SELECT is(pg_temp.may(25), 'allow', 'and does not take the place of an explicit grant');
SELECT is(pg_temp.may(26), 'allow', 'an explicit grant takes its place');
UPDATE nurture.lead SET country = 'US', audience_type = 'procurement' WHERE lead_id IN (24, 6);
SELECT is(pg_temp.may(24) || ' / ' || pg_temp.may(6), 'refuse consent_denied / refuse consent_denied', 'a denial binds where no consent is needed');

-- confirmation
UPDATE nurture.lead SET country = 'DE' WHERE lead_id BETWEEN 30 AND 36;
SELECT pg_temp.said(30, 'given', 'confirmed', 'given'), pg_temp.said(31, 'confirmed', 'withdrawn', 'given'), pg_temp.said(32, 'requested', 'given', 'renewed'), pg_temp.said(33, 'confirmed', 'expired', 'given'), pg_temp.said(34, 'requested', 'confirmed', 'requested') \g /dev/null
SELECT nurture_consent(35, 'confirmed', 'email', occurred_at => '2026-01-01', expires_at => '2026-01-10'), nurture_consent(35, 'given', 'email', occurred_at => '2026-01-11'),
    nurture_consent(36, 'confirmed', 'email', occurred_at => '2026-01-01', expires_at => '2026-01-10'), nurture_consent(36, 'renewed', 'email', occurred_at => '2026-01-09') \g /dev/null
SELECT is((SELECT string_agg(split_part(pg_temp.may(i), ' ', 1), ', ' ORDER BY i) FROM generate_series(30, 36) i), 'allow, refuse, refuse, refuse, allow, refuse, allow', 'a confirmation is kept by further grants while it stands, and not beyond');

-- corrections
SELECT pg_temp.said(40, 'given', 'withdrawn') \g /dev/null
SELECT nurture_consent(40, 'entered_in_error', 'email', evidence => jsonb_build_object('consent_event_id', max(consent_event_id))) FROM nurture.consent_event WHERE lead_id = 40 \g /dev/null
SELECT is(pg_temp.may(40), 'allow', 'what was entered in error does not count');
SELECT nurture_consent(40, 'entered_in_error', 'email', evidence => jsonb_build_object('consent_event_id', max(consent_event_id))) FROM nurture.consent_event WHERE lead_id = 40 \g /dev/null
SELECT is(pg_temp.may(40), 'refuse consent_denied consent_missing', 'unless that was entered in error');
SELECT is((SELECT state FROM nurture_consent_at(40, '2026-03-02T09:00:00Z')), 'withdrawn', 'consent at a date says the same');
SELECT throws_ok('SELECT nurture_consent(40, ''entered_in_error'', ''email'')', '23514', NULL, 'a correction names what was wrong');
SELECT throws_ok(format('SELECT nurture_consent(40, ''entered_in_error'', ''email'', evidence => %L)', jsonb_build_object('consent_event_id', (SELECT min(consent_event_id) FROM nurture.consent_event WHERE lead_id = 10))),
    'NU007', 'lead 40 has no earlier consent event of this number', 'of the same lead');
SET LOCAL nurture.clock = '2026-04-01T09:00:00Z';
SELECT pg_temp.said(41, 'withdrawn') \g /dev/null
SET LOCAL nurture.clock = '2026-04-20T09:00:00Z';
SELECT nurture_consent(41, 'entered_in_error', 'email', evidence => jsonb_build_object('consent_event_id', max(consent_event_id))) FROM nurture.consent_event WHERE lead_id = 41 \g /dev/null
SELECT is((SELECT count(*) FROM nurture_consent_at(41, '2026-04-10T00:00:00Z')), 0::bigint, 'as we know now, it was never said');
SELECT is((SELECT state FROM nurture_consent_at(41, '2026-04-10T00:00:00Z', '2026-04-15T00:00:00Z')), 'withdrawn', 'as we knew then, it was');
SET LOCAL nurture.clock = '2026-03-02T09:00:00Z';

-- clocks
SELECT throws_ok('INSERT INTO nurture.consent_event (lead_id, channel, kind, recorded_at) VALUES (42, ''email'', ''given'', ''2026-03-02T09:00:01Z'')', '22023', 'a consent event cannot have been recorded in the future', 'nothing is recorded in the future');
SELECT nurture_consent(42, 'given', 'email', occurred_at => '2030-01-01'), nurture_consent(42, 'withdrawn', 'email') \g /dev/null
SELECT is(pg_temp.may(42), 'refuse consent_denied consent_missing', 'a grant dated ahead does not win over what is said after it was recorded');
SELECT is((SELECT string_agg(state || ' ' || coalesce((SELECT pg_temp.may(42)), ''), ', ') FROM nurture_consent_at(42, '2026-03-02T09:00:00Z')), 'withdrawn refuse consent_denied consent_missing', 'nor at a date');
INSERT INTO nurture.consent_event (lead_id, channel, kind, occurred_at, recorded_at) VALUES (43, 'email', 'given', '2026-01-01', '2026-01-02'), (43, 'email', 'withdrawn', '2026-01-10', '2026-02-10'), (43, 'email', 'given', '2026-01-20', '2026-01-21');
SELECT is((SELECT string_agg(coalesce((SELECT state FROM nurture_consent_at(43, at, known)), 'none'), ', ' ORDER BY at, known)
    FROM unnest(ARRAY['2025-12-31', '2026-01-05', '2026-01-15', '2026-01-25']::timestamptz[]) AS at, unnest(ARRAY['2026-01-01', '2026-01-15', '2026-02-01', '2026-02-10']::timestamptz[]) AS known),
    'none, none, none, none, none, given, given, given, none, given, given, withdrawn, none, given, given, given', 'consent at every instant, as known at every instant');

-- a channel whose consent is kept under another name
SELECT pg_temp.said(44, 'given advertising') \g /dev/null
SELECT is(pg_temp.may(44, 'ad_audience', 'la_ad'), 'allow', 'consent for advertising covers the channel ad_audience');
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (44, 'ad_audience', 'la_ad');
SELECT is(nurture_opt_out(44, 'advertising'), 1::bigint, 'its withdrawal cancels what was queued there');
SELECT is(pg_temp.may(44, 'ad_audience', 'la_ad'), 'refuse consent_denied consent_missing', 'and denies it');

-- withdrawal: one call, always
SELECT is(nurture_opt_out(50) + nurture_opt_out(50) + nurture_opt_out(50, 'email'), 0::bigint, 'works where nothing is known, and again');
SELECT is(pg_temp.may(50, 'sms'), 'refuse consent_denied consent_missing', 'and denies');
SELECT pg_temp.said(51, 'given', 'given email newsletter') \g /dev/null
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (51, 'email', 'la_a'), (51, 'email', 'la_news'), (51, 'email', 'la_mi'), (51, 'email', 'la_moa');
-- as a worker would have taken one
SELECT set_config('search_path', '', true) \g /dev/null
SET LOCAL row_security = off;
SET LOCAL check_function_bodies = off;
UPDATE nurture.message SET status = 'taken', taken_by = 'worker', taken_at = '2026-03-02T08:59:00Z' WHERE lead_id = 51 AND asset_id = 'la_moa';
SELECT set_config('search_path', 'public', true) \g /dev/null
SET LOCAL row_security = on;
SET LOCAL check_function_bodies = on;
SELECT is(nurture_opt_out(51), 3::bigint, 'counts the messages that it reached');
SELECT is((SELECT string_agg(asset_id || ' ' || status || CASE WHEN cancel_requested THEN ' cancel_requested' ELSE '' END, ', ' ORDER BY message_id) FROM nurture.message WHERE lead_id = 51),
    'la_a cancelled, la_news cancelled, la_mi queued, la_moa taken cancel_requested', 'asks back what a worker has, and leaves what marketing does not mean');
SELECT is(nurture_opt_out(51), 0::bigint, 'once');
SELECT is((SELECT string_agg(outcome, ', ' ORDER BY outcome) FROM nurture.audit WHERE kind = 'cancel' AND lead_ref = 51), 'cancel_requested, cancelled, cancelled', 'each is on record');

-- stops that a grant lifts
INSERT INTO nurture.event (lead_id, event_type, occurred_at) VALUES (52, 'opted_out', '2026-03-01'), (53, 'opted_out', '2026-03-01'), (54, 'opted_out', '2026-03-01');
SELECT pg_temp.said(52, 'given * marketing * * 10'), nurture_consent(53, 'given', '*', occurred_at => '2026-03-01 12:00Z'), nurture_consent(54, 'given', '*', occurred_at => '2026-03-01 12:00Z', legal_basis => 'implied') \g /dev/null
SELECT is((SELECT string_agg(lead_id || ' ' || coalesce(lifted_because, 'in force'), ', ' ORDER BY lead_id) FROM nurture.stop_effect WHERE lead_id BETWEEN 52 AND 54), '52 in force, 53 explicit_grant, 54 in force', 'not one from before it, nor one that is implied');

-- who writes many at once, and who writes as the owner of a table
COPY nurture.consent_event (lead_id, channel, kind, occurred_at) FROM stdin;
55	*	withdrawn	2026-01-05T00:00:00Z
55	email	given	2026-01-04T00:00:00Z
56	email	given	2026-01-04T00:00:00Z
\.
SELECT is(pg_temp.may(55) || ' / ' || pg_temp.may(56), 'refuse consent_denied / allow', 'COPY is no other way');
SELECT throws_ok('UPDATE nurture.consent SET state = ''given'' WHERE lead_id = 55', 'NU008', NULL, 'the state follows from the events alone');
SELECT throws_ok('DELETE FROM nurture.consent WHERE lead_id = 55', 'NU008', NULL, 'and cannot be taken away');

SELECT * FROM finish();
ROLLBACK;
