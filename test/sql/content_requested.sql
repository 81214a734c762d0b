-- A request stops its own offer: content that asks for what the lead has asked
-- for is not chosen, while the request is open and after it was fulfilled.
BEGIN;
SELECT plan(16);
SET LOCAL nurture.clock = '2026-03-01 10:00:00+00';
SET LOCAL timezone = 'UTC';
SET LOCAL nurture.two_person_rule = off;

INSERT INTO nurture.tag (dimension, value, title) VALUES ('offer', 'site_visit', 'visit');
SELECT count(nurture_add_asset(jsonb_build_object('asset_id', a, 'title', a, 'format', 'email', 'message_class', 'medical_information', 'channels', '["email"]'::jsonb, 'languages', '["en"]'::jsonb,
    'markets', '["*"]'::jsonb, 'audience_types', '["*"]'::jsonb, 'tags', jsonb_build_array(t), 'uri', 'https://x.example/' || a))) AS added
    FROM (VALUES ('rq_talk', 'offer:request_meeting'), ('rq_visit', 'offer:site_visit'), ('rq_read', 'offer:library')) v (a, t);
SELECT count(nurture_set_asset_status(a, 1, 'in_review', 'test')) AS in_review FROM unnest('{rq_talk,rq_visit,rq_read}'::text[]) a;
SELECT count(nurture_approve('asset', a, 1, 'medical', 'approved', 'test')) AS approved FROM unnest('{rq_talk,rq_visit,rq_read}'::text[]) a;
INSERT INTO nurture.lead (lead_id, email, audience_type, country, language) SELECT 9650 + g, 'rq' || g || '@x.example.org', 'hcp', 'DE', 'en' FROM generate_series(0, 3) g;
SELECT count(nurture_opt_in(9650 + g, 'email', 'form')) AS opted_in FROM generate_series(0, 3) g;
CREATE FUNCTION pg_temp.stopped(lead bigint, moment timestamptz DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(asset_id, ',' ORDER BY asset_id) FILTER (WHERE 'requested' = ANY (failed)), 'none') FROM nurture_candidates(lead, 20, at => moment) WHERE asset_id ~ '^rq_'
$$;
SELECT is((SELECT count(*) FROM nurture_candidates(9650, 20) WHERE asset_id ~ '^rq_'), 3::bigint, 'three assets');
SELECT is(pg_temp.stopped(9650), 'none', 'who has asked for nothing may be offered everything');

SET LOCAL nurture.clock = '2026-03-02 10:00:00+00';
INSERT INTO nurture.event (lead_id, event_type, occurred_at) VALUES (9650, 'meeting_requested', '2026-03-02 09:00+00'), (9651, 'literature_requested', '2026-03-02 09:00+00');
SELECT is(pg_temp.stopped(9650), 'rq_talk', 'an open request stops its own offer and no other');
SELECT is(pg_temp.stopped(9651), 'none', 'a kind without offers stops nothing');
SELECT is((SELECT verdict FROM nurture_candidates(9650, 20) WHERE asset_id = 'rq_talk'), 'filtered', 'it is filtered');
SELECT isnt((SELECT asset_id FROM nurture_next_asset(9650)), 'rq_talk', 'and not chosen');
SET LOCAL nurture.clock = '2026-03-03 10:00:00+00';
SELECT nurture_fulfil(9650, (SELECT request_no FROM nurture.request WHERE lead_id = 9650), 'fulfilled', 'met');
SELECT is(pg_temp.stopped(9650), 'rq_talk', 'a fulfilled request does, too');
INSERT INTO nurture.event (lead_id, event_type, occurred_at) VALUES (9652, 'demo_requested', '2026-03-03 09:30+00');
SELECT is(pg_temp.stopped(9652), 'rq_talk', 'a demo is a meeting');
SELECT nurture_fulfil(9652, (SELECT request_no FROM nurture.request WHERE lead_id = 9652), 'declined', 'not_licensed');
SELECT is(pg_temp.stopped(9652), 'none', 'a declined one does not');
SET LOCAL nurture.clock = '2026-03-04 10:00:00+00';
SELECT is(pg_temp.stopped(9652, '2026-03-03 09:45+00'), 'rq_talk', 'but did before');
SELECT is(pg_temp.stopped(9650, '2026-03-02 08:00+00'), 'none', 'and nothing did before it was asked for');

-- configuration
UPDATE nurture.request_kind SET offers = '{site_visit,library}' WHERE request_kind = 'literature';
SELECT is(pg_temp.stopped(9651), 'rq_read,rq_visit', 'what a kind stops is a row');
UPDATE nurture.request_kind SET offers = '{}' WHERE request_kind IN ('literature', 'meeting');
SELECT is(pg_temp.stopped(9650) || pg_temp.stopped(9651), 'nonenone', 'and taken out again');
UPDATE nurture.request_kind SET offers = '{request_meeting,no_such_offer}' WHERE request_kind = 'meeting';
SELECT results_eq($$SELECT finding, severity FROM nurture_lint() WHERE rule = 'offer_unknown'$$, $$VALUES ('request kind "meeting" answers offer "no_such_offer", which is no tag', 'warning')$$, 'what is no tag is told');

-- merged leads
SELECT nurture_merge(9653, 9650, 'same person') IS NOT NULL AS merged;
SELECT is(pg_temp.stopped(9653), 'rq_talk', 'what a merged lead asked for counts for the survivor');
SELECT isnt_empty($$SELECT FROM nurture.reason WHERE reason = 'requested'$$, 'the verdict has its words');

SELECT * FROM finish();
ROLLBACK;
