-- Views on content: what is due, what is there for whom, where nothing is.
SET client_min_messages = warning;
BEGIN;
SELECT plan(15);
SET LOCAL nurture.clock = '2026-03-01 10:00+00';
SET LOCAL nurture.two_person_rule = off;

CREATE FUNCTION pg_temp.approved(id text, extra jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS
$$ SELECT nurture_add_asset(jsonb_build_object('asset_id', id, 'title', 'Title of ' || id, 'format', 'article', 'message_class', 'promotional', 'uri', 'https://content.example/' || id,
    'channels', '["email"]'::jsonb, 'languages', '["en"]'::jsonb, 'markets', '["*"]'::jsonb, 'audience_types', '["hcp"]'::jsonb) || extra);
   SELECT nurture_set_asset_status(id, (SELECT max(version) FROM nurture.asset_version WHERE asset_id = id), 'in_review', 'test');
   SELECT nurture_approve('asset', id, (SELECT max(version) FROM nurture.asset_version WHERE asset_id = id), 'medical', 'approved', 'test') $$;

-- due
SELECT pg_temp.approved('cv_expired', '{"valid_until": "2026-02-01 00:00+00", "owner": "marketing"}'), pg_temp.approved('cv_soon', '{"valid_until": "2026-03-20 00:00+00"}'), pg_temp.approved('cv_overdue', '{"review_due": "2026-02-27"}'),
    pg_temp.approved('cv_due', '{"review_due": "2026-03-31", "valid_until": "2027-01-01 00:00+00"}'), pg_temp.approved('cv_later', '{"review_due": "2026-04-01"}'), pg_temp.approved('cv_fine');
INSERT INTO nurture.claim (claim, version, text, valid_during) VALUES ('cv_claim', 1, 'It works.', '[2026-01-01 00:00+00,2026-03-15 00:00+00)');
SELECT nurture_set_claim_status('cv_claim', 1, 'in_review', 'test'), nurture_approve('claim', 'cv_claim', 1, 'medical', 'approved', 'shown') \g /dev/null
SELECT results_eq($$SELECT kind, code, title, format, state, days_left FROM nurture_bi.content_review_due ORDER BY days_left$$,
    $$VALUES ('asset'::text, 'cv_expired'::text, 'Title of cv_expired'::text, 'article'::text, 'expired'::text, -28), ('asset', 'cv_overdue', 'Title of cv_overdue', 'article', 'overdue', -2),
        ('claim', 'cv_claim', 'It works.', 'claim', 'expires_soon', 14), ('asset', 'cv_soon', 'Title of cv_soon', 'article', 'expires_soon', 19), ('asset', 'cv_due', 'Title of cv_due', 'article', 'due_soon', 30)$$, 'assets and claims that are due');
SELECT results_eq($$SELECT owner, expires_at, review_due FROM nurture_bi.content_review_due WHERE code = 'cv_expired'$$, $$VALUES ('marketing'::text, '2026-02-01 00:00+00'::timestamptz, NULL::date)$$, 'with who answers for them');
SELECT nurture_set_asset_status('cv_expired', 1, 'withdrawn', 'out of date') AS cancelled;
SELECT is_empty($$SELECT code FROM nurture_bi.content_review_due WHERE code = 'cv_expired'$$, 'what is withdrawn is due no more');

-- for whom
INSERT INTO nurture.tag (dimension, value, parent) VALUES ('topic', 'cv_receptors', 'moa');
INSERT INTO nurture.track (track, title, audience_types) VALUES ('cv_track', 'Views', '{hcp,pharmacist}');
INSERT INTO nurture.track_version (track, version) VALUES ('cv_track', 1);
INSERT INTO nurture.track_step (track, version, step_no, action, required_tags, channels) VALUES ('cv_track', 1, 1, 'message', '{topic:moa}', '{email}'), ('cv_track', 1, 2, 'message', '{topic:moa}', '{sms}'), ('cv_track', 1, 3, 'wait', NULL, NULL);
INSERT INTO nurture.track_entry (track, version, entry, condition) VALUES ('cv_track', 1, 'all', '{"fact": "country", "op": "known"}');
SELECT nurture_publish('track', 'cv_track', 1, 'test') AS published;
SELECT pg_temp.approved('cv_part', '{"format": "block", "audience_types": ["*"], "valid_until": "2026-03-20 00:00+00"}') AS approved;
SELECT pg_temp.approved('cv_moa', '{"tags": ["topic:cv_receptors"]}'), pg_temp.approved('cv_video', '{"tags": ["topic:moa"], "format": "video", "valid_until": "2026-03-20 00:00+00"}'), pg_temp.approved('cv_next', '{"tags": ["topic:moa"], "format": "video", "valid_from": "2026-03-10 00:00+00"}'),
    pg_temp.approved('cv_claims', '{"tags": ["topic:moa"], "claims": ["cv_claim"], "blocks": {"footer": "cv_part"}}'), pg_temp.approved('cv_medical', '{"tags": ["topic:moa"], "message_class": "medical_information", "audience_types": ["*"]}');
SELECT results_eq($$SELECT step_no, format, assets_now, assets_in_30_days FROM nurture_bi.content_map WHERE track = 'cv_track' AND segment = 'hcp' AND stage = 'nurturing' ORDER BY step_no, format$$,
    $$VALUES (1, 'article'::text, 3::bigint, 2::bigint), (1, 'video', 1, 1), (2, NULL, 0, 0)$$, 'what can be sent now and in 30 days, by format');
SELECT results_eq($$SELECT format, assets_now, assets_in_30_days FROM nurture_bi.content_map WHERE track = 'cv_track' AND step_no = 1 AND segment = 'pharmacist' AND stage = 'nurturing'$$,
    $$VALUES ('article'::text, 1::bigint, 1::bigint)$$, 'for another segment');
SELECT results_eq($$SELECT format, assets_now FROM nurture_bi.content_map WHERE track = 'cv_track' AND step_no = 1 AND segment = 'hcp' AND stage = 'converted'$$, $$VALUES ('article'::text, 1::bigint)$$, 'and in a stage that has fewer classes');
SELECT is_empty($$SELECT FROM nurture_bi.content_map WHERE track = 'cv_track' AND (segment = 'patient' OR step_no = 3)$$, 'not for those that the track does not take, nor for a wait');
SELECT is((SELECT count(DISTINCT stage) FROM nurture_bi.content_map WHERE track = 'cv_track' AND segment = 'hcp'), 13::bigint, 'each stage once');

SELECT results_eq($$SELECT asset_id FROM nurture_sendable_assets('2026-03-25 00:00+00') WHERE asset_id IN ('cv_claims', 'cv_next', 'cv_video', 'cv_part') ORDER BY 1$$, $$VALUES ('cv_next'::text)$$, 'what could be sent at an instant');

-- where nothing is
SELECT nurture_set_asset_status(asset_id, version, 'withdrawn', 'test') FROM nurture.asset_version WHERE status = 'approved' AND asset_id LIKE 'cv\_%' AND asset_id <> 'cv_moa' \g /dev/null
INSERT INTO nurture.lead (lead_id, email, audience_type, country, language, is_test) VALUES (1, 'cv1@example.org', 'hcp', 'FR', 'en', false), (2, 'cv2@example.org', 'hcp', 'FR', 'fr', false), (3, 'cv3@example.org', 'hcp', 'FR', 'fr', false),
    (4, 'cv4@example.org', 'pharmacist', 'FR', 'en', false), (5, 'cv5@example.org', 'hcp', 'FR', 'fr', true);
SELECT count(nurture_opt_in(n, 'email', 'test')) AS opted_in FROM unnest('{1,2,3,4,5}'::bigint[]) n;
SELECT count(nurture_enroll(n, 'cv_track', 'test')) AS enrolled FROM unnest('{1,2,3,4,5}'::bigint[]) n;
SELECT done FROM nurture_tick() WHERE kind = 'enrollment';
SELECT results_eq($$SELECT segment, market, language, stage, track, step_no, removed_by, leads, times FROM nurture_bi.content_gap WHERE track = 'cv_track' ORDER BY segment$$,
    $$VALUES ('hcp'::text, 'FR'::text, 'fr'::text, 'new'::text, 'cv_track'::text, 1, 'language'::text, 2::bigint, 2::bigint), ('pharmacist', 'FR', 'en', 'new', 'cv_track', 1, 'audience', 1, 1)$$, 'the filter that removed the last candidate, by segment, without test leads');
SET LOCAL nurture.clock = '2026-03-02 11:00+00';
SELECT done > 0 AS again FROM nurture_tick() WHERE kind = 'enrollment';
SELECT results_eq($$SELECT removed_by, leads, times, first_at::date, last_at::date FROM nurture_bi.content_gap WHERE track = 'cv_track' AND segment = 'hcp' AND step_no = 1$$,
    $$VALUES ('language'::text, 2::bigint, 4::bigint, '2026-03-01'::date, '2026-03-02'::date)$$, 'how often, since when');
SET LOCAL nurture.clock = '2026-07-01 10:00+00';
SELECT is_empty($$SELECT FROM nurture_bi.content_gap WHERE track = 'cv_track'$$, 'for 90 days');

-- as BI tools want them
SELECT is_empty($$SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 WHERE c.relnamespace = 'nurture_bi'::regnamespace AND c.relname LIKE 'content\_%'
    AND (a.attndims > 0 OR col_description(c.oid, a.attnum) IS NULL)$$, 'no arrays, and every column has words');
SELECT is_empty($$SELECT rule, object FROM nurture_lint() WHERE rule = 'policy_unmet'$$, 'no policy, nothing unmet');
INSERT INTO nurture.content_policy (market, unsubscribe_required) VALUES ('FR', true);
SELECT results_eq($$SELECT severity, finding FROM nurture_lint() WHERE rule = 'policy_unmet' AND object = 'asset:cv_moa:1'$$,
    $$VALUES ('error'::text, 'version 1 of asset "cv_moa" lacks a block in slot unsubscribe, which content policy asks for in market FR'::text)$$, 'what does not keep a policy is told');

SELECT * FROM finish();
ROLLBACK;
