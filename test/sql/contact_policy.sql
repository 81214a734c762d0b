-- Contact policy: from which instant on a message may go out, and who gets
-- none. Instants are exact, over daylight saving, the turn of the year and the
-- begin of ISO weeks.
BEGIN;
SELECT plan(101);
SET LOCAL client_min_messages = warning;
SET LOCAL nurture.clock = '2026-03-02T09:00:00Z';
SET LOCAL timezone = 'UTC';
SET LOCAL datestyle = 'ISO';

-- the presets
SELECT nurture_seed('pharma') \g /dev/null
SELECT results_eq($$SELECT market, channel, from_time::text, to_time::text, cardinality(weekdays), 'operational' = ANY (message_classes) FROM nurture.quiet_hours ORDER BY market, channel$$,
    $$VALUES ('*', '*', '20:00:00', '08:00:00', 7, false), ('US', 'phone', '21:00:00', '08:00:00', 7, false), ('US', 'sms', '21:00:00', '08:00:00', 7, false)$$, 'quiet hours as agreed');
SELECT results_eq($$SELECT period, count(*)::int FROM nurture.rest_period GROUP BY 1 ORDER BY 1$$, $$VALUES (interval '3 days', 10), ('7 days', 1)$$, 'rest after downloads and a meeting request');
SELECT is_empty($$SELECT cap FROM nurture.frequency_cap WHERE reason IS NULL UNION ALL SELECT channel FROM nurture.quiet_hours WHERE reason IS NULL UNION ALL SELECT event_type FROM nurture.rest_period WHERE reason IS NULL
    UNION ALL SELECT policy FROM nurture.contact_policy WHERE reason IS NULL UNION ALL SELECT country FROM nurture.country_zone WHERE reason IS NULL$$, 'each with its reason');
SELECT is_empty($$SELECT code FROM unnest(ARRAY['quiet_hours', 'zone_unknown', 'blackout', 'rest_period', 'holdout', 'preference', 'frequency_cap']) AS code WHERE NOT EXISTS (SELECT FROM nurture.reason WHERE reason = code)$$, 'every reason is a row');
SELECT results_eq($$SELECT time_zone FROM nurture.country_zone WHERE country = 'ES' ORDER BY 1$$, $$VALUES ('Africa/Ceuta'), ('Atlantic/Canary'), ('Europe/Madrid')$$, 'zones of countries');
SELECT cmp_ok((SELECT count(DISTINCT country) FROM nurture.country_zone), '>=', 240::bigint, 'of all of them');

-- approved content, as a restore would bring it
SELECT set_config('search_path', '', true) \g /dev/null
SET LOCAL row_security = off;
SET LOCAL check_function_bodies = off;
INSERT INTO nurture.asset (asset_id, family, title, format) SELECT id, id, id, 'article' FROM unnest(ARRAY['cp_a', 'cp_b', 'cp_c', 'cp_d', 'cp_mi', 'cp_op']) AS id;
INSERT INTO nurture.asset_version (asset_id, version, status, message_class, channels, languages, markets, audience_types, valid_during, approved_at, content_hash)
    SELECT id, 1, 'approved', CASE id WHEN 'cp_op' THEN 'operational' WHEN 'cp_mi' THEN 'medical_information' ELSE 'promotional' END,
           '{email,phone,sms}', '{en}', '{*}', '{hcp}', tstzrange('2000-01-01', NULL), '2000-01-01', '\x01'
    FROM unnest(ARRAY['cp_a', 'cp_b', 'cp_c', 'cp_d', 'cp_mi', 'cp_op']) AS id;
INSERT INTO nurture.asset_tag (asset_id, version, dimension, value) VALUES ('cp_a', 1, 'topic', 'moa'), ('cp_a', 1, 'topic', 'safety'), ('cp_b', 1, 'topic', 'dosing'), ('cp_d', 1, 'format', 'video');
SELECT set_config('search_path', 'public', true) \g /dev/null
SET LOCAL row_security = on;
SET LOCAL check_function_bodies = on;

INSERT INTO nurture.lead (lead_id, email, phone, country, time_zone, audience_type, language)
    SELECT i, 'cp' || i || '@example.com', '+1 202 555 01' || i, country, zone, 'hcp', 'en'
    FROM (VALUES (11, 'FR', 'Europe/Paris'), (12, 'US', 'America/New_York'), (13, 'US', NULL), (14, 'FR', 'Mars/Base'), (15, NULL, 'Europe/Paris'), (16, NULL, NULL), (17, 'AQ', NULL),
                 (18, 'AU', 'Australia/Lord_Howe'), (19, 'NO', 'UTC+2'), (20, 'FR', 'UTC'), (21, 'FR', 'UTC'), (22, 'FR', 'UTC'), (23, 'CA', 'America/St_Johns'), (24, 'WS', 'Pacific/Apia')) AS v (i, country, zone);
SELECT count(nurture_opt_in(i, channel)) FROM generate_series(11, 24) AS i, unnest('{email,phone,sms}'::text[]) AS channel \g /dev/null

CREATE FUNCTION pg_temp.may(lead bigint, at timestamptz, channel text DEFAULT 'email', asset text DEFAULT 'cp_c') RETURNS text LANGUAGE sql AS
$$SELECT concat_ws(' ', verdict, to_char(nullif(not_before, at) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'), nullif(reasons, '{}')) FROM nurture_may_contact(lead, channel, NULL, asset, at)$$;
CREATE FUNCTION pg_temp.send(lead bigint, asset text, at timestamptz DEFAULT NULL) RETURNS text LANGUAGE sql AS
$$INSERT INTO nurture.message (lead_id, channel, asset_id, not_before) VALUES (lead, 'email', asset, at)
  RETURNING concat_ws(' ', status, CASE WHEN not_before > decided_at THEN to_char(not_before AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') END, reasons::text)$$;
CREATE FUNCTION pg_temp.raises(statement text, state text, message text, hint text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS
$$DECLARE got_state text; got_message text; got_hint text;
BEGIN
    EXECUTE statement;
    RETURN fail('no error: ' || statement);
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS got_state = RETURNED_SQLSTATE, got_message = MESSAGE_TEXT, got_hint = PG_EXCEPTION_HINT;
    RETURN ok(got_state = state AND got_message ~ message AND got_hint ~ coalesce(hint, ''), concat_ws(' ', state, message)) ||
        CASE WHEN got_state = state AND got_message ~ message AND got_hint ~ coalesce(hint, '') THEN '' ELSE E'\n' || diag(concat_ws(' | ', got_state, got_message, got_hint)) END;
END$$;

-- quiet hours: a night in the lead's zone
SELECT is(pg_temp.may(11, '2026-03-02T09:00Z'), 'allow', 'by day');
SELECT is(pg_temp.may(11, '2026-03-02T18:59:59.999999Z'), 'allow', 'until the last microsecond before eight in the evening');
SELECT is(pg_temp.may(11, '2026-03-02T19:00Z'), 'defer 2026-03-03 07:00:00 {quiet_hours}', 'from eight on until eight in the morning');
SELECT is(pg_temp.may(11, '2026-03-03T06:59:59.999999Z'), 'defer 2026-03-03 07:00:00 {quiet_hours}', 'to the last microsecond');
SELECT is(pg_temp.may(11, '2026-03-03T07:00Z'), 'allow', 'when it ends');
SELECT is(pg_temp.may(11, '2026-12-31T22:30Z'), 'defer 2027-01-01 07:00:00 {quiet_hours}', 'over the turn of the year');
SELECT is(pg_temp.may(11, '2026-03-28T23:00Z'), 'defer 2026-03-29 06:00:00 {quiet_hours}', 'the short night of March');
SELECT is(pg_temp.may(11, '2026-10-24T20:00Z'), 'defer 2026-10-25 07:00:00 {quiet_hours}', 'the long night of October');
SELECT is(pg_temp.may(18, '2026-04-04T13:00Z'), 'defer 2026-04-04 21:30:00 {quiet_hours}', 'half an hour back on Lord Howe Island');
SELECT is(pg_temp.may(24, '2011-12-30T09:30Z'), 'defer 2011-12-30 18:00:00 {quiet_hours}', 'a day that Samoa left out');
SELECT is(pg_temp.may(11, '2026-03-02T19:00Z', 'email', 'cp_mi'), 'defer 2026-03-03 07:00:00 {quiet_hours}', 'answers wait, too');
SELECT is(pg_temp.may(11, '2026-03-02T19:00Z', 'email', 'cp_op'), 'allow', 'operational messages do not');
SELECT is(pg_temp.may(12, '2026-03-03T01:30Z'), 'defer 2026-03-03 13:00:00 {quiet_hours}', 'half past eight in New York is quiet for e-mail');
SELECT is(pg_temp.may(12, '2026-03-03T01:30Z', 'phone'), 'allow', 'not for the phone');
SELECT is(pg_temp.may(12, '2026-03-03T02:00Z', 'sms'), 'defer 2026-03-03 13:00:00 {quiet_hours}', 'nine is');
SELECT is((SELECT concat_ws(' | ', passed, fact, passes_from, remedy) FROM nurture_explain_contact(12, 'phone', NULL, 'cp_c', '2026-03-03T02:00Z') WHERE rule = 'quiet_hours'),
          'f | 21:00-08:00 in America/New_York | 2026-03-03 13:00:00+00 | Opens 2026-03-03 08:00:00 America/New_York.', 'explained by the clock of the lead');

-- a zone that is not known: allowed in every zone of the country, or not at all
SELECT is(pg_temp.may(13, '2026-03-02T15:00Z'), 'defer 2026-03-02 18:00:00 {quiet_hours}', 'in the United States not before it is eight on Hawaii');
SELECT is(pg_temp.may(13, '2026-03-03T00:59:59Z'), 'allow', 'nor when it is eight in New York');
SELECT is(pg_temp.may(13, '2026-03-03T01:00Z'), 'defer 2026-03-03 18:00:00 {quiet_hours}', 'which it is now');
SELECT is((SELECT fact FROM nurture_explain_contact(13, 'email', NULL, 'cp_c', '2026-03-02T15:00Z') WHERE rule = 'quiet_hours'), '20:00-08:00 in 29 zones of US', 'explained');
SELECT is(pg_temp.may(14, '2026-03-02T19:00Z'), 'defer 2026-03-03 07:00:00 {quiet_hours}', 'a zone that is none counts as unknown');
SELECT is(pg_temp.may(19, '2026-03-02T19:00Z'), 'defer 2026-03-03 07:00:00 {quiet_hours}', 'and one that POSIX reads the other way round');
SELECT is(pg_temp.may(15, '2026-03-02T19:00Z', 'phone'), 'defer 2026-03-03 07:00:00 {quiet_hours}', 'of a country that is not known the strictest row binds');
SELECT is(pg_temp.may(16, '2026-03-02T12:00Z'), 'refuse {zone_unknown}', 'neither known: not at all');
SELECT is((SELECT remedy FROM nurture_explain_contact(16, 'email', NULL, 'cp_c') WHERE rule = 'time_zone'), 'UPDATE nurture.lead SET time_zone = ''..'' WHERE lead_id = 16', 'with what can be done');
SELECT is(pg_temp.may(16, '2026-03-02T12:00Z', 'email', 'cp_op'), 'allow', 'but what asks for no hour');
SELECT is(pg_temp.may(17, '2026-03-02T12:00Z'), 'refuse {quiet_hours}', 'a country in which it is night somewhere always');

-- rows give way to those that name more; those that name the same hold together
INSERT INTO nurture.quiet_hours (market, channel, from_time, to_time, weekdays, reason) VALUES
    ('FR', '*', '19:00', '09:00', '{1,2,3,4,5,6,7}', 'test'), ('FR', '*', '00:00', '24:00', '{7}', 'no mail on Sundays'), ('FR', 'sms', '12:00', '14:00', '{1,2,3,4,5}', 'lunch');
SELECT is(pg_temp.may(11, '2026-03-02T18:30Z'), 'defer 2026-03-03 08:00:00 {quiet_hours}', 'a row for the market takes the place of the one for all');
SELECT is(pg_temp.may(11, '2026-03-07T18:30Z'), 'defer 2026-03-09 08:00:00 {quiet_hours}', 'Saturday night, Sunday and its night');
SELECT is(pg_temp.may(11, '2026-03-03T11:00Z', 'sms'), 'defer 2026-03-03 13:00:00 {quiet_hours}', 'one for market and channel of both');
SELECT is(pg_temp.may(11, '2026-03-03T20:00Z', 'sms'), 'allow', 'and what it does not say is not quiet');
SELECT is(nurture_quiet_until('FR', 'email', 'Europe/Paris', '2026-03-07T18:30Z'), '2026-03-09T08:00Z'::timestamptz, 'asked without a lead');
SELECT is(nurture_quiet_until('US', 'email', NULL, '2026-03-02T15:00Z'), '2026-03-02T18:00Z'::timestamptz, 'in every zone of the market');
SELECT is(nurture_quiet_until('AQ', 'email', NULL, '2026-03-02T15:00Z'), NULL, 'never');
SELECT is(nurture_quiet_until(NULL, 'email', NULL, '2026-03-02T15:00Z'), NULL, 'no zone known');
SELECT is(nurture_quiet_until('FR', 'email', 'Europe/Paris', '2026-03-07T18:30Z', 'operational'), '2026-03-07T18:30Z'::timestamptz, 'not for operational messages');
DELETE FROM nurture.quiet_hours WHERE market = 'FR';

-- blackouts
INSERT INTO nurture.blackout (blackout, market, channel, during, reason) VALUES
    ('year_end', 'FR', '*', '[2026-12-24 00:00+01,2027-01-02 00:00+01)', 'nobody reads'), ('recall', '*', 'sms', '[2026-03-02 09:00+00,2026-03-02 10:00+00]', 'test');
SELECT is(pg_temp.may(11, '2026-12-24T10:00Z'), 'defer 2027-01-02 07:00:00 {quiet_hours,blackout}', 'a blackout ends at midnight, the night at eight');
SELECT is(pg_temp.may(12, '2026-12-24T14:00Z'), 'allow', 'other markets go on');
SELECT is(pg_temp.may(15, '2026-12-24T10:00Z'), 'defer 2027-01-02 07:00:00 {quiet_hours,blackout}', 'a lead without a country may be meant');
SELECT is(pg_temp.may(11, '2026-03-02T10:00Z', 'sms'), 'defer 2026-03-02 10:00:00 {blackout}', 'an end that is included');
SELECT is((SELECT not_before FROM nurture_may_contact(11, 'sms', NULL, 'cp_c', '2026-03-02T10:00Z')), '2026-03-02T10:00:00.000001Z'::timestamptz, 'is left a microsecond later');
SELECT is((SELECT concat_ws(' | ', passed, passes_from) FROM nurture_explain_contact(11, 'email', NULL, 'cp_c', '2026-12-24T10:00Z') WHERE rule = 'blackout:year_end'), 'f | 2027-01-01 23:00:00+00', 'each rule tells its own end');
UPDATE nurture.blackout SET during = '[2026-03-02,)' WHERE blackout = 'recall';
SELECT is(pg_temp.may(11, '2026-03-02T10:00Z', 'sms'), 'refuse {blackout}', 'one without an end refuses');
UPDATE nurture.contact_policy SET horizon = '5 days';
SELECT is(pg_temp.may(11, '2026-12-24T10:00Z'), 'refuse {blackout}', 'and so does what ends behind the horizon');
UPDATE nurture.contact_policy SET horizon = '90 days';
DELETE FROM nurture.blackout;

-- caps: rolling ones, days and weeks
SELECT is(pg_temp.send(11, 'cp_a'), 'queued', 'the first of the week');
SELECT is(pg_temp.send(11, 'cp_b'), 'queued 2026-03-04 09:00:00 {frequency_cap}', 'the minimum gap of 48 hours');
SELECT is(pg_temp.may(11, '2026-03-02T19:00Z'), 'defer 2026-03-09 09:00:00 {frequency_cap,quiet_hours}', 'both the caps and the night');
SELECT is((SELECT string_agg(rule || ' ' || coalesce(passes_from::text, 'never'), ', ' ORDER BY rule) FROM nurture_explain_contact(11, 'email', NULL, 'cp_c', '2026-03-02T19:00Z') WHERE NOT passed),
          'cap:email_week 2026-03-09 09:00:00+00, cap:promotional_gap 2026-03-06 09:00:00+00, quiet_hours 2026-03-03 07:00:00+00', 'each passes at its own time');
DELETE FROM nurture.frequency_cap;
INSERT INTO nurture.frequency_cap (cap, n, period, clock) VALUES ('a_day', 1, '1 day', 'lead_day');
SELECT is(pg_temp.may(11, '2026-03-02T18:00Z'), 'defer 2026-03-03 07:00:00 {frequency_cap,quiet_hours}', 'one on a day where the lead is');
SELECT is(pg_temp.may(11, '2026-03-01T18:00Z'), 'allow', 'the day before is another');
DELETE FROM nurture.quiet_hours;
SELECT is(pg_temp.may(11, '2026-03-02T18:00Z'), 'defer 2026-03-02 23:00:00 {frequency_cap}', 'it ends at midnight in Paris');
UPDATE nurture.frequency_cap SET clock = 'company_day';
SELECT is(pg_temp.may(11, '2026-03-02T18:00Z'), 'defer 2026-03-03 00:00:00 {frequency_cap}', 'or in the house''s zone');
UPDATE nurture.contact_policy SET company_zone = 'America/New_York';
SELECT is(pg_temp.may(11, '2026-03-02T18:00Z'), 'defer 2026-03-03 05:00:00 {frequency_cap}', 'wherever that is');
UPDATE nurture.frequency_cap SET clock = 'lead_week', period = '7 days', n = 2;
SELECT is(pg_temp.may(11, '2026-03-05T18:00Z'), 'defer 2026-03-08 23:00:00 {frequency_cap}', 'two in a week from Monday to Sunday');
SELECT is((SELECT fact FROM nurture_explain_contact(11, 'email', NULL, 'cp_c', '2026-03-05T18:00Z') WHERE rule = 'cap:a_day'), '2 of 2 in 7 days, lead_week', 'explained');
UPDATE nurture.frequency_cap SET clock = 'company_week';
SELECT is(pg_temp.may(11, '2026-03-05T18:00Z'), 'defer 2026-03-09 04:00:00 {frequency_cap}', 'by the house''s clock, an hour earlier since Sunday');
SET LOCAL nurture.clock = '2026-12-30T12:00:00Z';
UPDATE nurture.frequency_cap SET clock = 'lead_week', n = 1;
SELECT is(pg_temp.send(20, 'cp_a'), 'queued', 'on the Wednesday of ISO week 53');
SELECT is(pg_temp.may(20, '2027-01-03T23:59:59Z'), 'defer 2027-01-04 00:00:00 {frequency_cap}', 'the Sunday after New Year is of the same week');
UPDATE nurture.frequency_cap SET channels = '{sms,phone}';
SELECT is(pg_temp.may(20, '2027-01-03T12:00:00Z'), 'allow', 'e-mail is not of this set of channels');
SELECT is(pg_temp.may(20, '2027-01-03T12:00:00Z', 'phone'), 'allow', 'nor counts in it');
UPDATE nurture.frequency_cap SET channels = '{email,phone}';
SELECT is(pg_temp.may(20, '2027-01-03T12:00:00Z', 'phone'), 'defer 2027-01-04 00:00:00 {frequency_cap}', 'those of one set count together');
SELECT is(pg_temp.may(16, '2027-01-03T12:00:00Z'), 'refuse {zone_unknown}', 'a lead''s week that nobody can tell');
-- at one minute after midnight St John's went back to winter time: the first of November showed for a minute, and an hour later for good
UPDATE nurture.frequency_cap SET clock = 'lead_day', period = '1 day';
SET LOCAL nurture.clock = '2009-10-31T20:00:00Z';
SELECT is(pg_temp.send(23, 'cp_a'), 'queued', 'on the last of October');
SELECT is(pg_temp.may(23, '2009-11-01T01:00Z'), 'defer 2009-11-01 02:30:00 {frequency_cap}', 'the next day begins');
SELECT is(pg_temp.may(23, '2009-11-01T02:31Z'), 'defer 2009-11-01 03:30:00 {frequency_cap}', 'ends after a minute, and begins once more');
DELETE FROM nurture.frequency_cap;

-- rest: from when it happened, known by the time of the question
SET LOCAL nurture.clock = '2026-03-10T12:00:00Z';
INSERT INTO nurture.event (lead_id, event_type, occurred_at) VALUES (21, 'white_paper_downloaded', '2026-03-09T10:00Z'), (21, 'brochure_downloaded', '2026-03-08T10:00Z'), (21, 'page_viewed', '2026-03-10T11:00Z'),
    (22, 'white_paper_downloaded', '2026-03-01T10:00Z'), (22, 'page_viewed', '2026-03-10T11:00Z');
SELECT is(pg_temp.may(21, '2026-03-10T12:00Z'), 'defer 2026-03-12 10:00:00 {rest_period}', 'three days from the download');
SELECT is(pg_temp.may(21, '2026-03-12T10:00Z'), 'allow', 'then on');
SELECT is(pg_temp.may(21, '2026-03-10T12:00Z', 'email', 'cp_mi'), 'allow', 'an answer is not kept back');
SELECT is(pg_temp.may(22, '2026-03-10T12:00Z'), 'allow', 'an old download is over');
SELECT is(pg_temp.may(21, '2026-03-10T11:00Z'), 'allow', 'what was not known then did not bind');
SELECT is((SELECT string_agg(rule || ' ' || fact || ' ' || passes_from, ', ' ORDER BY rule) FROM nurture_explain_contact(21, 'email', NULL, 'cp_c', '2026-03-10T12:00Z') WHERE rule LIKE 'rest:%'),
          'rest:brochure_downloaded 3 days from 2026-03-08 10:00:00+00 2026-03-11 10:00:00+00, rest:white_paper_downloaded 3 days from 2026-03-09 10:00:00+00 2026-03-12 10:00:00+00', 'each event tells its rest');
UPDATE nurture.rest_period SET channels = '{phone}' WHERE event_type = 'white_paper_downloaded';
SELECT is(pg_temp.may(21, '2026-03-10T12:00Z'), 'defer 2026-03-11 10:00:00 {rest_period}', 'on the channels that rest');
DELETE FROM nurture.rest_period;

-- what the lead wants
INSERT INTO nurture.preference (lead_id, channel, topics) VALUES (20, '*', '{moa,outcomes}');
SELECT is(pg_temp.may(20, '2026-03-10T12:00Z', 'email', 'cp_a'), 'allow', 'one of its topics is wanted');
SELECT is(pg_temp.may(20, '2026-03-10T12:00Z', 'email', 'cp_b'), 'refuse {preference}', 'none is');
SELECT is(pg_temp.may(20, '2026-03-10T12:00Z', 'email', 'cp_c'), 'allow', 'none is named');
INSERT INTO nurture.preference (lead_id, channel, topics, format, language) VALUES (20, 'email', '{dosing}', 'video', 'de');
SELECT is(pg_temp.may(20, '2026-03-10T12:00Z', 'email', 'cp_b'), 'refuse {language,preference}', 'what is said about a channel comes first');
UPDATE nurture.preference SET language = NULL WHERE channel = 'email';
SELECT is(pg_temp.may(20, '2026-03-10T12:00Z', 'email', 'cp_d'), 'allow', 'a format by tag');
SELECT is((SELECT fact || ' | ' || remedy FROM nurture_explain_contact(20, 'email', NULL, 'cp_c') WHERE rule = 'preference:format'), 'article | Choose an asset of format video, as the lead wants it.', 'explained');

-- the holdout
INSERT INTO nurture.holdout (holdout, per_mille, salt, valid_during, reason) VALUES ('global', 100, 'salt-of-the-test', '[2026-01-01,2027-01-01)', 'test');
SELECT is_empty($$SELECT i FROM generate_series(1, 3000) AS i WHERE nurture_held_out(i, 'global') <>
    (('x' || substr(encode(sha256(convert_to('salt-of-the-test:global:' || i, 'UTF8')), 'hex'), 1, 15))::bit(60)::bigint % 1000 < 100)$$, 'chosen by a hash that anybody can make again');
SELECT ok(count(*) BETWEEN 250 AND 350, 'about the share that was asked for') FROM generate_series(1, 3000) AS i WHERE nurture_held_out(i, 'global');
UPDATE nurture.holdout SET per_mille = 1000;
SELECT is(pg_temp.may(22, '2026-03-10T12:00Z'), 'refuse {holdout}', 'held out');
SELECT is(pg_temp.may(22, '2026-03-10T12:00Z', 'email', 'cp_mi') || pg_temp.may(22, '2027-01-01T12:00Z'), 'allowallow', 'not from answers, and not for ever');
SELECT pg_temp.raises($$UPDATE nurture.holdout SET salt = 'another-salt'$$, 'NU007', 'code and salt of a holdout do not change', 'add another');

-- input that is wrong
SELECT pg_temp.raises($$INSERT INTO nurture.quiet_hours (from_time, to_time) VALUES ('20:00', '20:00')$$, '23514', 'quiet_hours');
SELECT pg_temp.raises($$INSERT INTO nurture.quiet_hours (market, from_time, to_time) VALUES ('XX', '20:00', '08:00')$$, 'NU003', 'unknown market "XX"', 'such as FR');
SELECT pg_temp.raises($$INSERT INTO nurture.quiet_hours (channel, from_time, to_time) VALUES ('mail', '20:00', '08:00')$$, 'NU003', 'unknown channel "mail"');
SELECT pg_temp.raises($$INSERT INTO nurture.quiet_hours (from_time, to_time, weekdays) VALUES ('20:00', '08:00', '{0}')$$, '23514', 'weekdays');
SELECT pg_temp.raises($$INSERT INTO nurture.quiet_hours (from_time, to_time, message_classes) VALUES ('20:00', '08:00', '{promotion}')$$, 'NU003', 'unknown message class "promotion"', 'promotional');
SELECT pg_temp.raises($$INSERT INTO nurture.blackout (blackout, during) VALUES ('none', 'empty')$$, '23514', 'during');
SELECT pg_temp.raises($$INSERT INTO nurture.rest_period (event_type, period) VALUES ('white_paper_download', '3 days')$$, 'NU003', 'unknown event type', 'white_paper_downloaded');
SELECT pg_temp.raises($$INSERT INTO nurture.frequency_cap (cap, n, period, clock) VALUES ('month', 1, '30 days', 'lead_week')$$, '23514', 'frequency_cap');
SELECT pg_temp.raises($$UPDATE nurture.contact_policy SET company_zone = 'Mars/Base'$$, 'NU003', 'unknown time zone "Mars/Base"', 'Europe/Paris');
SELECT pg_temp.raises($$SELECT nurture_quiet_until('FR', 'email', 'Mars/Base')$$, 'NU003', 'unknown time zone', 'NULL asks');
SELECT pg_temp.raises($$SELECT nurture_quiet_until('FR', NULL)$$, '22004', 'a channel must be given');
SELECT pg_temp.raises($$SELECT nurture_held_out(1, 'nowhere')$$, 'NU003', 'unknown holdout "nowhere"');

SELECT * FROM finish();
ROLLBACK;
