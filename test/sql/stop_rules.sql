-- Stop rules: effects, scopes, shadow, what lifts them, and what cannot be
-- written.
BEGIN;
SELECT plan(74);
SET LOCAL client_min_messages = warning;
SET LOCAL nurture.clock = '2026-03-02T09:00:00Z';
SET LOCAL TimeZone = 'UTC';
INSERT INTO nurture.tag (dimension, value, title) VALUES ('product', 'sr_one', 'One'), ('product', 'sr_two', 'Two');
SELECT count(nurture_add_asset(jsonb_build_object('asset_id', id, 'title', id, 'format', 'article', 'message_class', class, 'channels', '["email", "phone"]'::jsonb,
    'markets', '["*"]'::jsonb, 'languages', '["*"]'::jsonb, 'audience_types', '["*"]'::jsonb, 'tags', to_jsonb(tags::text[])))) > 0
FROM (VALUES ('sr_a', 'promotional', '{"offer:overview","funnel_stage:awareness","product:sr_one"}'), ('sr_b', 'promotional', '{"product:sr_two"}'),
             ('sr_mi', 'medical_information', '{}'), ('sr_op', 'operational', '{}')) v (id, class, tags) \g /dev/null
SELECT nurture_set_asset_status(id, 1, 'in_review', 'test data'), nurture_approve('asset', id, 1, 'medical', 'approved', 'test data')
FROM unnest(ARRAY['sr_a', 'sr_b', 'sr_mi', 'sr_op']) id \g /dev/null
INSERT INTO nurture.lead (lead_id, email, phone, country, audience_type, language, created_at, time_zone)
    SELECT 970000 + i, 'sr' || i || '@example.com', '+1202555' || (1000 + i), 'US', 'hcp', 'en', '2026-01-01', 'UTC' FROM generate_series(1, 40) i;
SELECT nurture_opt_in(lead_id, '*') FROM nurture.lead WHERE lead_id BETWEEN 970001 AND 970040 \g /dev/null
-- only the rules of this test speak
UPDATE nurture.stop_rule SET mode = 'shadow' WHERE rule IN ('demo_requested', 'meeting_requested', 'meeting_booked', 'clicks_without_form') \g /dev/null
DELETE FROM nurture.stop_rule WHERE mode = 'shadow' \g /dev/null
DELETE FROM nurture.frequency_cap \g /dev/null

CREATE FUNCTION pg_temp.send(lead int, asset text, channel text DEFAULT 'email', track text DEFAULT NULL) RETURNS text LANGUAGE sql AS
$$INSERT INTO nurture.message (lead_id, channel, asset_id, track, occurrence_key) VALUES (970000 + lead, channel, asset, track, gen_random_uuid()::text)
  RETURNING concat_ws(' ', status, reasons::text)$$;
CREATE FUNCTION pg_temp.event(lead int, type text) RETURNS void LANGUAGE sql AS
$$INSERT INTO nurture.event (lead_id, event_type) VALUES (970000 + lead, type)$$;
CREATE FUNCTION pg_temp.effects(lead int) RETURNS text LANGUAGE sql AS
$$SELECT string_agg(concat_ws(' ', rule, effect, CASE WHEN mode = 'shadow' THEN mode END, 'until', CASE WHEN until = 'infinity' THEN 'lifted' ELSE to_char(until AT TIME ZONE 'UTC', 'YYYY-MM-DD') END, lifted_because), '; ' ORDER BY effect_no)
  FROM nurture.stop_effect WHERE lead_id = 970000 + lead$$;
CREATE FUNCTION pg_temp.walk(lead int) RETURNS text LANGUAGE sql AS
$$SELECT string_agg(concat_ws(' ', track, state, exit_reason, exited_by), '; ' ORDER BY enrollment_no) FROM nurture.enrollment WHERE lead_id = 970000 + lead$$;
CREATE FUNCTION pg_temp.rule(code text, effect text, duration interval DEFAULT NULL, scope jsonb DEFAULT '{}', lifted_by text[] DEFAULT '{}', factor numeric DEFAULT NULL,
    to_track text DEFAULT NULL, condition jsonb DEFAULT '{"signal": "pricing_requested"}', mode text DEFAULT 'enforced') RETURNS void LANGUAGE sql AS
$$DELETE FROM nurture.stop_rule WHERE rule LIKE 'sr\_%';
  INSERT INTO nurture.stop_rule (rule, condition, effect, duration, scope, lifted_by, factor, to_track, mode, reason) VALUES (code, condition, effect, duration, scope, lifted_by, factor, to_track, mode, 'test')$$;

-- stop, in the statement that stores the event
SELECT pg_temp.rule('sr_stop', 'stop', '10 days', lifted_by => '{resume}') \g /dev/null
SELECT is(pg_temp.send(1, 'sr_a') || ', ' || pg_temp.send(1, 'sr_op'), 'queued, queued', 'two messages wait');
SELECT nurture_enroll(970001, 'education', 'test') \g /dev/null
SELECT pg_temp.event(1, 'pricing_requested') \g /dev/null
SELECT is(pg_temp.effects(1), 'sr_stop stop until 2026-03-12', 'an event puts a stop in force');
SELECT is((SELECT string_agg(asset_id || ' ' || status || coalesce(' ' || reasons::text, ''), ', ' ORDER BY message_id) FROM nurture.message WHERE lead_id = 970001), 'sr_a cancelled {stopped}, sr_op queued', 'what it covers is cancelled');
SELECT is(pg_temp.walk(1), 'education exited stopped stop_rule:sr_stop', 'enrollments end');
SELECT is(pg_temp.send(1, 'sr_mi') || ', ' || pg_temp.send(1, 'sr_op'), 'refused {stopped}, queued', 'later messages are refused, operational ones not');
SELECT is((SELECT string_agg(kind || ' ' || outcome, ', ' ORDER BY audit_id) FROM nurture.audit WHERE lead_ref = 970001 AND kind IN ('stop', 'cancel') OR (lead_ref = 970001 AND kind = 'enrollment' AND outcome = 'exited')),
          'cancel cancelled, stop stop, enrollment exited', 'each effect is on record');
SELECT is((SELECT cancelled FROM nurture.stop_effect WHERE lead_id = 970001), 1::bigint, 'how many it cancelled is kept');
SELECT pg_temp.event(21, 'pricing_requested'), pg_temp.event(21, 'form_submitted') \g /dev/null
SELECT is((SELECT string_agg(a.outcome || ' ' || a.reasons::text, ', ') FROM nurture.audit a WHERE a.lead_ref = 970021 AND a.kind = 'enrollment' AND a.outcome = 'not_entered'), 'not_entered {stopped}', 'a stopped lead enters no track by events');
SELECT pg_temp.event(1, 'pricing_requested') \g /dev/null
SELECT is((SELECT fired || ' ' || count(*) OVER () FROM nurture.stop_effect WHERE lead_id = 970001), '2 1', 'firing again extends');
SELECT is((SELECT remedy FROM nurture_explain_contact(970001, 'email', NULL, 'sr_mi') WHERE rule = 'stop'), 'SELECT nurture_resume(970001, ''<reason>'')', 'explained with its remedy');
SELECT is(nurture_resume(970001, 'they called'), 1, 'lifted by resume');
SELECT is(pg_temp.effects(1), 'sr_stop stop until 2026-03-12 resume', 'with its cause');
SELECT is(pg_temp.send(1, 'sr_mi'), 'queued', 'and binds no more');
SELECT pg_temp.event(2, 'pricing_requested') \g /dev/null
SET LOCAL nurture.clock = '2026-03-12T08:59:59Z';
SELECT is(pg_temp.send(2, 'sr_a'), 'refused {stopped}', 'to the last second');
SET LOCAL nurture.clock = '2026-03-12T09:00:00Z';
SELECT is(pg_temp.send(2, 'sr_a'), 'queued', 'and not beyond');
SELECT is((SELECT done FROM nurture_tick() WHERE kind = 'stop'), 2::bigint, 'the tick ends what is over');
SELECT is(pg_temp.effects(2), 'sr_stop stop until 2026-03-12 expired', 'and says so');
SELECT is((SELECT done FROM nurture_tick() WHERE kind = 'stop'), 0::bigint, 'once');
SET LOCAL nurture.clock = '2026-03-02T09:00:00Z';

-- scopes
SELECT pg_temp.rule('sr_scope', 'stop', scope => '{"channels": ["phone"]}') \g /dev/null
SELECT nurture_enroll(970003, 'education', 'test') \g /dev/null
SELECT pg_temp.event(3, 'pricing_requested') \g /dev/null
SELECT is(pg_temp.send(3, 'sr_a') || ', ' || pg_temp.send(3, 'sr_a', 'phone'), 'queued, refused {stopped}', 'scope channels');
SELECT is(pg_temp.walk(3), 'education active', 'a track that may use other channels goes on');
SELECT pg_temp.rule('sr_scope', 'stop', scope => '{"purposes": ["marketing"]}') \g /dev/null
SELECT pg_temp.event(4, 'pricing_requested') \g /dev/null
UPDATE nurture.asset SET purpose = 'answers' WHERE asset_id = 'sr_mi' \g /dev/null
SELECT is(pg_temp.send(4, 'sr_a') || ', ' || pg_temp.send(4, 'sr_mi'), 'refused {stopped}, queued', 'scope purposes');
SELECT pg_temp.rule('sr_scope', 'stop', scope => '{"products": ["sr_one"]}') \g /dev/null
SELECT is(pg_temp.send(5, 'sr_a') || ', ' || pg_temp.send(5, 'sr_b'), 'queued, queued', 'two products wait');
SELECT pg_temp.event(5, 'pricing_requested') \g /dev/null
SELECT is((SELECT string_agg(asset_id || ' ' || status, ', ' ORDER BY message_id) FROM nurture.message WHERE lead_id = 970005), 'sr_a cancelled, sr_b queued', 'scope products cancels its own');
SELECT is(pg_temp.send(5, 'sr_a') || ', ' || pg_temp.send(5, 'sr_b'), 'refused {stopped}, queued', 'and refuses its own');
SELECT pg_temp.rule('sr_scope', 'stop', scope => '{"tracks": ["education"]}') \g /dev/null
SELECT is(pg_temp.send(6, 'sr_a', track => 'education') || ', ' || pg_temp.send(6, 'sr_a'), 'queued, queued', 'with and without a track');
SELECT pg_temp.event(6, 'pricing_requested') \g /dev/null
SELECT is((SELECT string_agg(coalesce(track, 'none') || ' ' || status, ', ' ORDER BY message_id) FROM nurture.message WHERE lead_id = 970006), 'education cancelled, none queued', 'scope tracks cancels its own');
SELECT is(pg_temp.send(6, 'sr_a', track => 'education') || ', ' || pg_temp.send(6, 'sr_a', track => 'evidence') || ', ' || pg_temp.send(6, 'sr_a'), 'refused {stopped}, queued, queued', 'and refuses its own');
SELECT pg_temp.rule('sr_scope', 'stop', scope => '{"message_classes": ["medical_information"]}') \g /dev/null
SELECT pg_temp.event(7, 'pricing_requested') \g /dev/null
SELECT is(pg_temp.send(7, 'sr_a') || ', ' || pg_temp.send(7, 'sr_mi'), 'queued, refused {stopped}', 'scope message classes');

-- pause and resume
SELECT nurture_enroll(970008, 'education', 'test') \g /dev/null
SELECT is(pg_temp.send(8, 'sr_a'), 'queued', 'a message waits');
SELECT is(nurture_pause(970008, '2026-03-20', 'holiday', 'anna'), 1::bigint, 'a pause cancels');
SELECT is(pg_temp.walk(8), 'education paused', 'and pauses the track');
SELECT is(pg_temp.send(8, 'sr_a'), 'refused {paused}', 'and binds');
SELECT is((SELECT app_user || ' ' || reason FROM nurture.audit WHERE lead_ref = 970008 AND kind = 'stop'), 'anna holiday', 'by whom and why is on record');
SELECT is((SELECT concat_ws(' ', blocked_by, blocked_how, (blocked_until AT TIME ZONE 'UTC')::date, lifted_by) FROM nurture_bi.lead_overview WHERE lead_id = 970008), 'manual pause 03-20-2026 resume', 'lead_overview: blocked by what, until when, lifted by what');
SELECT is(nurture_resume(970008, 'back'), 1, 'resumed');
SELECT is(pg_temp.walk(8), 'education active', 'the track goes on');
SELECT nurture_pause(970008, '2026-03-05', 'again') \g /dev/null
SET LOCAL nurture.clock = '2026-03-05T00:00:01Z';
SELECT is((SELECT done FROM nurture_tick() WHERE kind = 'stop'), 1::bigint, 'a pause that is over');
SELECT is(pg_temp.walk(8), 'education active', 'lets the track go on');
SET LOCAL nurture.clock = '2026-03-02T09:00:00Z';
SELECT is(nurture_pause(970009, 'infinity', 'unknown') || ' ' || pg_temp.send(9, 'sr_a'), '0 refused {paused}', 'a pause until it is lifted');
SELECT throws_ok('SELECT nurture_pause(970009, ''2026-01-01'', ''x'')', '22023', 'the end of the pause lies in the past', 'no pause in the past');
SELECT throws_ok('SELECT nurture_pause(970009, NULL, ''x'')', '22004', NULL, 'nor without an end');
SELECT throws_ok('SELECT nurture_pause(979999, ''infinity'', ''x'')', 'NU004', 'there is no lead 979999', 'nor of nobody');

-- slow down
SELECT pg_temp.rule('sr_slow', 'slow_down', '30 days', factor => 2) \g /dev/null
SELECT pg_temp.event(10, 'email_clicked') \g /dev/null
SELECT nurture_enroll(970010, 'education', 'test') \g /dev/null
SELECT is((SELECT next_due_at - due_from FROM nurture.enrollment WHERE lead_id = 970010), (SELECT (s.wait * c.factor) FROM nurture.track_step s, nurture.cadence c WHERE s.track = 'education' AND s.version = 1 AND s.step_no = 1 AND c.track = '*' AND c.level = 'active'), 'the first wait');
SELECT pg_temp.event(10, 'pricing_requested') \g /dev/null
SELECT is((SELECT next_due_at - due_from FROM nurture.enrollment WHERE lead_id = 970010), (SELECT (s.wait * c.factor * 2) FROM nurture.track_step s, nurture.cadence c WHERE s.track = 'education' AND s.version = 1 AND s.step_no = 1 AND c.track = '*' AND c.level = 'active'), 'slowed down doubles the wait of its level');
SELECT is(pg_temp.send(10, 'sr_a'), 'queued', 'and refuses nothing');
SELECT is((SELECT fact FROM nurture_explain_contact(970010, 'email', NULL, 'sr_a') WHERE rule = 'slow_down'), 'sr_slow: times 2.00, until 2026-04-01 09:00:00+00', 'it is told');

-- leave a track, switch tracks
SELECT pg_temp.rule('sr_exit', 'exit_track', scope => '{"tracks": ["education"]}') \g /dev/null
SELECT nurture_enroll(970011, 'education', 'test'), nurture_enroll(970012, 'evidence', 'test') \g /dev/null
SELECT is(pg_temp.send(11, 'sr_a', track => 'education') || ', ' || pg_temp.send(11, 'sr_b'), 'queued, queued', 'two wait');
SELECT pg_temp.event(11, 'pricing_requested'), pg_temp.event(12, 'pricing_requested') \g /dev/null
SELECT is(pg_temp.walk(11) || ', ' || pg_temp.walk(12), 'education exited exit_track stop_rule:sr_exit, evidence active', 'exit_track ends the tracks it names');
SELECT is((SELECT string_agg(asset_id || ' ' || status, ', ' ORDER BY message_id) FROM nurture.message WHERE lead_id = 970011), 'sr_a cancelled, sr_b queued', 'with their messages');
SELECT is(pg_temp.effects(11) || ' ' || pg_temp.send(11, 'sr_a', track => 'education'), 'sr_exit exit_track until 2026-03-02 done queued', 'without a duration at that moment only');
SELECT pg_temp.rule('sr_exit', 'exit_track', '5 days') \g /dev/null
SELECT pg_temp.event(13, 'pricing_requested') \g /dev/null
SELECT is(pg_temp.send(13, 'sr_a', track => 'education') || ', ' || pg_temp.send(13, 'sr_a'), 'refused {stopped}, queued', 'with one it keeps the tracks shut');
SELECT pg_temp.rule('sr_switch', 'switch_track', scope => '{"tracks": ["education"]}', to_track => 'evidence') \g /dev/null
SELECT nurture_enroll(970014, 'education', 'test') \g /dev/null
SELECT pg_temp.event(14, 'pricing_requested'), pg_temp.event(15, 'pricing_requested') \g /dev/null
SELECT is(pg_temp.walk(14), 'education exited switch_track stop_rule:sr_switch; evidence active', 'switch_track leads on');
SELECT is(pg_temp.walk(15), NULL, 'only those who were on a track it leaves');

-- shadow
SELECT pg_temp.rule('sr_shadow', 'stop', mode => 'shadow') \g /dev/null
SELECT nurture_enroll(970016, 'education', 'test') \g /dev/null
SELECT is(pg_temp.send(16, 'sr_a'), 'queued', 'one waits');
SELECT pg_temp.event(16, 'pricing_requested') \g /dev/null
SELECT is(pg_temp.send(16, 'sr_a') || ', ' || pg_temp.walk(16) || ', ' || pg_temp.effects(16), 'queued, education active, sr_shadow stop shadow until lifted', 'a shadow rule is logged only');
SELECT is((SELECT fired || ' ' || shadow || ' ' || blocked || ' ' || would_have_blocked || ' ' || leaked FROM nurture_bi.stop_rule_effect WHERE rule = 'sr_shadow'), '0 1 0 2 0', 'and counts what it would have done');
SELECT pg_temp.rule('sr_shadow', 'stop') \g /dev/null
SELECT pg_temp.event(16, 'pricing_requested') \g /dev/null
SELECT is(pg_temp.effects(16), 'sr_shadow stop shadow until lifted changed; sr_shadow stop until lifted', 'a rule that was changed acts as it is now');

-- what lifts
SELECT pg_temp.rule('sr_lift', 'stop', lifted_by => '{meeting_held + 30 days}') \g /dev/null
SELECT pg_temp.event(17, 'pricing_requested'), pg_temp.event(17, 'meeting_held') \g /dev/null
SELECT is(pg_temp.effects(17), 'sr_lift stop until 2026-04-01', 'a meeting sets the end');
SELECT pg_temp.rule('sr_lift', 'stop', lifted_by => '{form_submitted}') \g /dev/null
SELECT pg_temp.event(18, 'pricing_requested'), pg_temp.event(18, 'form_submitted') \g /dev/null
SELECT is(pg_temp.effects(18), 'sr_lift stop until lifted form_submitted', 'a signal lifts');
SELECT pg_temp.event(19, 'email_hard_bounced') \g /dev/null
SELECT is(pg_temp.send(19, 'sr_a') || ', ' || pg_temp.send(19, 'sr_a', 'phone'), 'refused {stopped}, queued', 'a hard bounce stops the address');
UPDATE nurture.lead SET phone = '+12025559999' WHERE lead_id = 970019 \g /dev/null
SELECT is(pg_temp.send(19, 'sr_a'), 'refused {stopped}', 'another number does not lift it');
SELECT is((SELECT remedy FROM nurture_explain_contact(970019, 'email', NULL, 'sr_a') WHERE rule = 'stop'), 'UPDATE nurture.lead SET email = ''...'' WHERE lead_id = 970019', 'a new address does');
UPDATE nurture.lead SET email = 'sr19new@example.com' WHERE lead_id = 970019 \g /dev/null
SELECT is(pg_temp.send(19, 'sr_a') || ', ' || pg_temp.effects(19), 'queued, hard_bounce stop until lifted new_address', 'indeed');
SELECT nurture_consent(970020, 'objected', 'email') \g /dev/null
SELECT is(pg_temp.effects(20), 'objected suppress_promotional until lifted', 'an objection is a stop');
SELECT nurture_consent(970020, 'given', 'email') \g /dev/null
SELECT is(pg_temp.effects(20), 'objected suppress_promotional until lifted explicit_grant', 'that an explicit grant lifts');
INSERT INTO nurture.lead (lead_id, email, country, audience_type) VALUES (970041, 'sr41@example.com', 'US', 'hcp');
UPDATE nurture.lead SET merged_into = 970022 WHERE lead_id = 970041 \g /dev/null
SELECT nurture_pause(970041, '2026-03-10', 'same person') \g /dev/null
SELECT is(pg_temp.send(22, 'sr_mi'), 'refused {paused}', 'a stop of a merged lead binds the survivor');

-- nothing leaked, whatever the rule
SELECT is((SELECT sum(leaked) || ' ' || (sum(blocked) > 10) FROM nurture_bi.stop_rule_effect), '0 true', 'stop_rule_effect: nothing leaked');

-- what cannot be written
SELECT throws_ok($$SELECT pg_temp.rule('sr_bad', 'stop', '-1 day')$$, '22023', 'the duration of stop rule "sr_bad" is not between 0 and 36500 days', 'a negative duration');
SELECT throws_ok($$SELECT pg_temp.rule('sr_bad', 'slow_down', '1 day', factor => 0)$$, '22023', 'the factor of stop rule "sr_bad" is not between 0 and 100', 'a factor of nothing');
SELECT throws_ok($$SELECT pg_temp.rule('sr_bad', 'stop', scope => '{"channels": ["emial"]}')$$, 'NU003', 'unknown channel "emial"', 'an unknown channel');
SELECT throws_ok($$SELECT pg_temp.rule('sr_bad', 'switch_track', to_track => 'educaton')$$, 'NU003', 'unknown track "educaton" in stop rule "sr_bad"', 'an unknown track');
SELECT throws_ok($$SELECT pg_temp.rule('sr_bad', 'switch_track', scope => '{"tracks": ["education"]}', to_track => 'education')$$, '22023', 'stop rule "sr_bad" switches from track "education" to itself', 'to itself');
SELECT pg_temp.rule('sr_switch', 'switch_track', scope => '{"tracks": ["education"]}', to_track => 'evidence') \g /dev/null
SELECT throws_ok($$INSERT INTO nurture.stop_rule (rule, condition, effect, scope, to_track) VALUES ('sr_back', '{"signal": "email_clicked"}', 'switch_track', '{"tracks": ["evidence"]}', 'education')$$, '22023', 'stop rule "sr_back" would switch leads in a circle', 'in a circle');
SELECT throws_ok($$SELECT pg_temp.rule('sr_bad', 'stop', condition => '{"fact": "country", "op": "=", "value": "DE"}')$$, 'NU005', 'stop rule "sr_bad" would never be asked', 'a rule nobody asks');

SELECT * FROM finish();
ROLLBACK;
