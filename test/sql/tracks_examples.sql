-- The worked examples of the guides, with exact outcomes.
SET client_min_messages = warning;
BEGIN;
SELECT plan(45);
SET LOCAL nurture.clock = '2026-03-02 10:00+00';

INSERT INTO nurture.lead (lead_id, email, audience_type, country, language, specialty)
    SELECT n, 'lead' || n || '@example.org', CASE WHEN n IN (61, 62) THEN 'patient' ELSE 'hcp' END, 'FR', 'fr', CASE WHEN n = 51 THEN 'neurology' END
    FROM unnest('{11,12,21,22,31,32,33,41,42,51,61,62}'::bigint[]) n;
SELECT count(nurture_opt_in(n, 'email', 'test')) AS opted_in FROM unnest('{11,12,21,22,31,32,33,41,42,51}'::bigint[]) n;
CREATE TEMP TABLE library AS SELECT * FROM (VALUES
    ('overview', 'promotional', '{"offer:overview","funnel_stage:awareness","depth:1"}'),
    ('disease', 'promotional', '{"funnel_stage:awareness","depth:1","topic:disease"}'),
    ('heart', 'promotional', '{"funnel_stage:awareness","depth:1","therapeutic_area:cardiovascular_diseases"}'),
    ('nerves', 'promotional', '{"funnel_stage:awareness","depth:1","therapeutic_area:nervous_system_diseases"}'),
    ('thank_you', 'promotional', '{"offer:webinar","topic:efficacy"}'),
    ('brief', 'promotional', '{"offer:clinical_evidence","topic:efficacy"}'),
    ('ask_more', 'promotional', '{"offer:request_meeting"}'),
    ('choose', 'promotional', '{"offer:preference"}'),
    ('plain_words', 'disease_awareness', '{"reading_level:plain","topic:disease"}'),
    ('plain_ad', 'promotional', '{"reading_level:plain","topic:disease"}')
) AS v (id, class, tags);
SELECT count(*) AS added FROM library, nurture_add_asset(jsonb_build_object('asset_id', id, 'title', id, 'format', 'article', 'message_class', class, 'channels', '["email"]'::jsonb,
    'markets', '["*"]'::jsonb, 'languages', '["*"]'::jsonb, 'audience_types', '["*"]'::jsonb, 'tags', to_jsonb(tags::text[])));
SELECT count(nurture_set_asset_status(id, 1, 'in_review', 'test')) AS submitted FROM library;
SELECT count(nurture_approve('asset', id, 1, 'medical', 'approved', 'test')) AS approved FROM library;

CREATE FUNCTION pg_temp.walk(lead bigint) RETURNS text LANGUAGE sql AS
$$ SELECT string_agg(track || ' ' || step_no || ' ' || state || coalesce(' ' || exit_reason, ''), ', ' ORDER BY enrollment_no) FROM nurture.enrollment WHERE lead_id = lead $$;
CREATE FUNCTION pg_temp.due(lead bigint) RETURNS timestamptz LANGUAGE sql AS
$$ SELECT next_due_at FROM nurture.enrollment WHERE lead_id = lead AND state IN ('active', 'waiting') $$;
CREATE FUNCTION pg_temp.sent(lead bigint) RETURNS text LANGUAGE sql AS
$$ SELECT string_agg(asset_id || ' ' || status, ', ' ORDER BY message_id) FROM nurture.message WHERE lead_id = lead $$;
CREATE FUNCTION pg_temp.at(at timestamptz) RETURNS text LANGUAGE sql AS
$$ SELECT set_config('nurture.clock', to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), true) $$;
-- one tick at an hour
CREATE FUNCTION pg_temp.tick(at timestamptz) RETURNS boolean LANGUAGE sql AS
$$ SELECT pg_temp.at(at); SELECT done > 0 FROM nurture_tick(1000, '1 min') WHERE kind = 'enrollment' $$;

-- (a) a webinar registrant takes the slide deck within two days
INSERT INTO nurture.event (lead_id, event_type, campaign) VALUES (11, 'webinar_registered', 'spring'), (12, 'webinar_registered', 'spring');
SELECT is(pg_temp.walk(11), 'education 1 active', 'a registrant learns');
SELECT is(pg_temp.at('2026-03-03 16:00+00') <> '', true, 'the next day');
INSERT INTO nurture.event (lead_id, event_type) VALUES (11, 'slide_deck_downloaded');
SELECT is(pg_temp.walk(11), 'education 1 exited took_slides, evidence 11 active', 'the slide deck leads to the evidence track, to the thank-you');
SELECT is(pg_temp.tick('2026-03-03 16:01+00'), true, 'which goes out');
SELECT is(pg_temp.sent(11), 'thank_you queued', 'at once');
SELECT is((SELECT not_before FROM nurture.message WHERE lead_id = 11), '2026-03-06 16:00+00'::timestamptz, 'or when the rest after a download is over');
SELECT is(pg_temp.tick('2026-03-07 10:00+00'), true, 'then');
SELECT is(pg_temp.sent(11), 'thank_you queued, brief queued', 'the evidence in brief');
SELECT is(pg_temp.tick('2026-03-15 10:00+00'), true, 'then');
SELECT is(pg_temp.sent(11), 'thank_you queued, brief queued, ask_more queued', 'the link to ask for more');
INSERT INTO nurture.event (lead_id, event_type) VALUES (11, 'technical_document_downloaded');
SELECT is(pg_temp.walk(11), 'education 1 exited took_slides, evidence 21 active', 'a technical click leads to the hand-off');
SELECT is(pg_temp.tick('2026-03-15 10:05+00'), true, 'at the next tick');
SELECT results_eq($$SELECT team, state FROM nurture.handoff WHERE lead_id = 11 AND lane = 'business'$$, $$VALUES ('sales_development', 'offered')$$, 'sales has the lead');
SELECT is(pg_temp.walk(11), 'education 1 exited took_slides, evidence 22 completed last_step', 'and the track is over');
INSERT INTO nurture.event (lead_id, event_type) VALUES (12, 'slide_deck_downloaded');
SELECT is(pg_temp.walk(12) ~ '^education . active$', true, 'who takes the deck after more than two days goes on learning');

-- the same with a question: to medical affairs
SELECT is(pg_temp.at('2026-03-16 10:00+00') <> '', true, 'another one');
INSERT INTO nurture.event (lead_id, event_type) VALUES (21, 'webinar_registered');
INSERT INTO nurture.event (lead_id, event_type) VALUES (21, 'slide_deck_downloaded');
INSERT INTO nurture.event (lead_id, event_type) VALUES (21, 'question_asked');
INSERT INTO nurture.event (lead_id, event_type) VALUES (21, 'technical_document_downloaded');
SELECT is(pg_temp.tick('2026-03-16 10:01+00'), true, 'who has asked a question');
SELECT set_eq($$SELECT team FROM nurture.handoff WHERE lead_id = 21$$, ARRAY['medical_affairs'], 'goes to medical affairs, and to them alone');

-- (b) product overview, no technical click: education, then a question that narrows
INSERT INTO nurture.event (lead_id, event_type) VALUES (22, 'product_overview_downloaded');
SELECT is(pg_temp.walk(22), 'education 1 active', 'an overview leads to education');
SELECT is(pg_temp.tick('2026-03-20 10:00+00') AND pg_temp.tick('2026-03-24 10:00+00') AND pg_temp.tick('2026-04-01 10:00+00'), true, 'three steps');
SELECT is(pg_temp.sent(22), 'overview queued, disease queued, heart queued', 'of general education');
INSERT INTO nurture.event (lead_id, event_type) SELECT 22, 'email_clicked' FROM generate_series(1, 3);
SELECT is(pg_temp.tick('2026-04-03 10:05+00'), true, 'after three clicks');
SELECT is(pg_temp.sent(22), 'overview queued, disease queued, heart queued, choose queued', 'the lead is asked what it wants');
SELECT is((SELECT inputs::jsonb ->> 'target' FROM nurture.audit WHERE lead_ref = 22 AND kind = 'step' ORDER BY audit_id DESC LIMIT 1), 'attributes.interest_type', 'and the record says what for');
INSERT INTO nurture.event (lead_id, event_type, properties) VALUES (22, 'form_submitted', '{"interest_type": ["clinical_evidence"]}');
SELECT set_has($$SELECT nurture_segment_preview('wants_evidence')$$, $$VALUES (22::bigint)$$, 'the answer puts it into a segment');
SELECT is(pg_temp.walk(22), 'education 5 exited answered_evidence, evidence 1 active', 'and onto the track that fits');

-- (c) demo or meeting request: stop, task, hand-off
INSERT INTO nurture.event (lead_id, event_type) SELECT n, 'brochure_downloaded' FROM unnest('{31,32,33}'::bigint[]) n;
SELECT is(pg_temp.tick('2026-04-05 10:00+00'), true, 'three leads learn');
INSERT INTO nurture.event (lead_id, event_type, asset_id, version) VALUES (31, 'demo_requested', 'overview', 1), (32, 'meeting_requested', 'brief', 1), (33, 'question_asked', 'brief', 1);
SELECT results_eq($$SELECT lead_id, pg_temp.walk(lead_id), pg_temp.sent(lead_id) FROM nurture.lead WHERE lead_id IN (31, 32) ORDER BY 1$$,
    $$VALUES (31::bigint, 'education 2 exited direct_request', 'overview cancelled'), (32, 'education 2 exited direct_request', 'overview cancelled')$$, 'nurturing stops and what is queued is cancelled');
SELECT results_eq($$SELECT h.lead_id, h.team, h.package #>> '{trigger,asset}' AS asset, t.task_kind FROM nurture.handoff h JOIN nurture.task t USING (lead_id, handoff_id) WHERE lead_id IN (31, 32) AND t.task_kind = 'accept' ORDER BY 1$$,
    $$VALUES (31::bigint, 'sales_development', 'overview', 'accept'), (32, 'sales_development', 'brief', 'accept')$$, 'sales has a task and a hand-off that names the asset');
SELECT results_eq($$SELECT team, package #>> '{trigger,asset}' FROM nurture.handoff WHERE lead_id = 33$$, $$VALUES ('medical_affairs', 'brief')$$, 'a medical question goes to medical affairs');

-- (d) an HCP who has named one therapeutic area
INSERT INTO nurture.event (lead_id, event_type, properties) VALUES (41, 'form_submitted', '{"therapeutic_area": "cardiology"}'), (42, 'form_submitted', '{}');
SELECT is((SELECT therapeutic_area FROM nurture.lead WHERE lead_id = 41), 'cardiovascular_diseases', 'the form says which');
SELECT is(pg_temp.tick('2026-04-07 10:00+00') AND pg_temp.tick('2026-04-11 10:00+00'), true, 'two steps');
SELECT is(pg_temp.sent(41), 'overview queued, heart queued', 'after the overview its area comes first');
SELECT is(pg_temp.sent(42), 'overview queued, disease queued', 'who has named none gets the general pieces');
SELECT is((SELECT count(*) FROM nurture.message WHERE lead_id = 41 AND asset_id = 'nerves'), 0::bigint, 'and not another area');

-- (e) a specialty lead who opened several e-mails
INSERT INTO nurture.event (lead_id, event_type) VALUES (51, 'brochure_downloaded');
SELECT is(pg_temp.tick('2026-04-14 10:00+00'), true, 'its first piece');
SELECT pg_temp.due(51) AS due, nurture_intent(51) AS intent \gset
INSERT INTO nurture.event (lead_id, event_type) SELECT 51, 'email_opened' FROM generate_series(1, 5);
SELECT results_eq($$SELECT pg_temp.due(51), nurture_intent(51)$$, format('VALUES (%L::timestamptz, %L::numeric)', :'due', :'intent'), 'openings move nothing: machines open mail');
SELECT is((SELECT count(*) FROM nurture.handoff WHERE lead_id = 51), 0::bigint, 'and hand nobody over');
INSERT INTO nurture.event (lead_id, event_type) VALUES (51, 'email_clicked');
SELECT is(nurture_intent(51) > :intent, true, 'a click counts');

-- (f) a consented patient: plain language, never promotional
SELECT nurture_consent(61, 'given', 'email', 'marketing') > 0 AS given, nurture_consent(61, 'given', 'email', 'patient_support') > 0 AS given_support;
INSERT INTO nurture.event (lead_id, event_type) VALUES (61, 'program_enrolled'), (62, 'program_enrolled');
SELECT is(pg_temp.walk(61), 'patient_support 1 active', 'a patient who enrolled walks the patients'' track');
SELECT is(pg_temp.tick('2026-04-16 10:00+00'), true, 'its first step');
SELECT is(pg_temp.sent(61), 'plain_words queued', 'is in plain words and not promotional');
SELECT is((SELECT count(*) FROM nurture.message WHERE lead_id = 62 AND status = 'queued'), 0::bigint, 'without consent nothing goes out');
SELECT is(pg_temp.tick('2026-05-14 10:00+00'), true, 'what comes later');
SELECT is((SELECT count(*) FROM nurture.message m WHERE m.lead_id IN (61, 62) AND m.message_class = 'promotional' AND m.status <> 'refused'), 0::bigint, 'is never promotional either');
SELECT is((SELECT count(*) FROM nurture.tick_error), 0::bigint, 'no tick failed');

SELECT * FROM finish();
ROLLBACK;
