-- A decision on record is made again later, from what the record says, when
-- facts, activity, messages and weights have become others.
SET client_min_messages = warning;
BEGIN;
SELECT plan(12);
SET LOCAL nurture.clock = '2026-03-01 10:00+00';
SELECT nurture_publish('selection', 'default', nurture_draft('selection', 'default', 1), 'as before') IS NOT NULL AS published;
SET LOCAL nurture.clock = '2026-03-02 10:00+00';
INSERT INTO nurture.lead (lead_id, email, audience_type, country, language, time_zone, role)
    SELECT n, 'lead' || n || '@example.org', CASE WHEN n % 3 = 0 THEN 'payer' ELSE 'hcp' END, 'FR', 'fr', 'Europe/Paris', CASE WHEN n % 4 = 0 THEN 'nurse' END FROM generate_series(1, 24) n;
SELECT count(nurture_opt_in(n, 'email', 'test')) AS opted_in FROM generate_series(1, 24) n;
CREATE TEMP TABLE library AS SELECT * FROM (VALUES
    ('ca_overview', 'article', '{hcp,payer}', '{"offer:overview","funnel_stage:awareness","depth:1","topic:disease"}', 0),
    ('ca_moa_1', 'article', '{hcp,payer}', '{"topic:moa","depth:1","funnel_stage:awareness"}', 0),
    ('ca_moa_2', 'video', '{hcp,payer}', '{"topic:moa","depth:2","funnel_stage:consideration"}', 0),
    ('ca_safety_1', 'video', '{hcp}', '{"topic:safety","depth:1","funnel_stage:awareness"}', 1),
    ('ca_access_1', 'article', '{payer}', '{"topic:access","depth:1","funnel_stage:awareness"}', 2),
    ('ca_nurses', 'article', '{hcp,payer}', '{"role:nurse","topic:safety"}', 3),
    ('ca_deep', 'article', '{hcp,payer}', '{"topic:safety","depth:2"}', 0)
) AS v (id, format, audiences, tags, priority);
SELECT count(*) AS added FROM library, nurture_add_asset(jsonb_build_object('asset_id', id, 'title', id, 'format', format, 'priority', priority, 'message_class', 'promotional', 'channels', '["email"]'::jsonb, 'markets', '["*"]'::jsonb,
    'languages', '["*"]'::jsonb, 'audience_types', to_jsonb(audiences::text[]), 'tags', to_jsonb(tags::text[])));
SELECT count(nurture_set_asset_status(id, 1, 'in_review', 'test')) AS submitted FROM library;
SELECT count(nurture_approve('asset', id, 1, 'medical', 'approved', 'test')) AS approved FROM library;
INSERT INTO nurture.track (track, title) VALUES ('ca', 'A track');
SELECT nurture_draft('track', 'ca') AS draft;
INSERT INTO nurture.track_step (track, version, step_no, preferred_tags, required_tags, wait) VALUES ('ca', 1, 1, '{topic:moa}', NULL, '0'), ('ca', 1, 2, NULL, '{depth:1}', '5 days'), ('ca', 1, 3, NULL, NULL, '5 days'), ('ca', 1, 4, NULL, NULL, '90 days');
SELECT nurture_publish('track', 'ca', 1, 'test') AS published;

-- leads read, are sent something, read on, are sent something else
INSERT INTO nurture.event (lead_id, event_type, tags) SELECT n, 'mechanism_page_viewed', CASE WHEN n % 2 = 0 THEN '{topic:moa}' ELSE '{topic:safety,depth:1}' END::text[] FROM generate_series(1, 20) n, generate_series(1, 4) k WHERE k <= n % 5;
SELECT count(nurture_enroll(n, 'ca', 'test')) AS enrolled FROM generate_series(1, 24) n;
SET LOCAL nurture.clock = '2026-03-03 10:00+00';
SELECT done FROM nurture_tick(200, '1 min') WHERE kind = 'enrollment';
SET LOCAL nurture.clock = '2026-03-03 11:00+00';
SELECT count(nurture_ack(lead_id, message_id, CASE WHEN lead_id % 2 = 0 THEN 'clicked' ELSE 'delivered' END)) AS sent FROM nurture_take('email', 100, 'test');
SET LOCAL nurture.clock = '2026-03-05 10:00+00';
INSERT INTO nurture.event (lead_id, event_type, tags, asset_id, version) SELECT n, 'white_paper_downloaded', '{topic:moa,depth:1}', 'ca_moa_1', 1 FROM generate_series(1, 24, 4) n;
INSERT INTO nurture.event (lead_id, event_type, tags) SELECT n, 'page_viewed', '{topic:access}' FROM generate_series(3, 24, 3) n, generate_series(1, 2);
SET LOCAL nurture.clock = '2026-03-20 10:00+00';
SELECT done FROM nurture_tick(200, '1 min') WHERE kind = 'enrollment';
SET LOCAL nurture.clock = '2026-03-20 10:00:01+00';
SELECT nurture_opt_out(5, 'email', 'test') > 0 AS cancelled;
SET LOCAL nurture.clock = '2026-04-10 10:00+00';
SELECT done FROM nurture_tick(200, '1 min') WHERE kind = 'enrollment';

CREATE TEMP TABLE decision AS
SELECT a.audit_id, a.lead_ref AS lead_id, (a.inputs::jsonb ->> 'step')::int AS step, split_part(a.inputs::jsonb ->> 'asset', ':', 1) AS asset_id, (a.inputs::jsonb ->> 'rank')::int AS rank, a.inputs::jsonb ->> 'terms' AS terms,
    a.inputs::jsonb ->> 'channel' AS channel, (a.inputs::jsonb ->> 'at')::timestamptz AS at, a.versions ->> 'track' AS track, (a.versions ->> 'selection_version')::int AS selection_version
FROM nurture.audit a WHERE a.kind = 'step' AND a.inputs::jsonb ? 'asset' AND a.lead_ref <= 24;
SELECT cmp_ok((SELECT count(*) FROM decision), '>=', 60::bigint, 'many decisions are on record');
SELECT cmp_ok((SELECT count(DISTINCT asset_id) FROM decision), '>=', 5::bigint, 'for different assets');
SELECT cmp_ok((SELECT count(DISTINCT terms) FROM decision), '>=', 12::bigint, 'by different terms');

-- everything moves on
SET LOCAL nurture.clock = '2026-04-10 12:00+00';
UPDATE nurture.lead SET country = 'DE', language = 'de', role = CASE WHEN role IS NULL THEN 'nurse' END, audience_type = CASE audience_type WHEN 'hcp' THEN 'payer' ELSE 'hcp' END WHERE lead_id <= 24;
INSERT INTO nurture.event (lead_id, event_type, tags) SELECT n, 'page_viewed', '{topic:dosing}' FROM generate_series(1, 24) n, generate_series(1, 5);
INSERT INTO nurture.event (lead_id, event_type, tags, occurred_at) SELECT n, 'white_paper_downloaded', '{topic:safety,depth:3}', '2026-03-02 09:00+00' FROM generate_series(1, 24) n;
UPDATE nurture.event SET tags = '{topic:dosing,depth:4}', occurred_at = occurred_at + interval '1 hour' WHERE lead_id IN (2, 3, 4) AND event_type = 'mechanism_page_viewed';
DELETE FROM nurture.event WHERE lead_id IN (6, 7, 8, 13) AND event_type IN ('mechanism_page_viewed', 'white_paper_downloaded') AND recorded_at < '2026-04-01 00:00+00';
SELECT count(nurture_opt_out(n, 'email', 'test')) AS opted_out FROM generate_series(1, 24, 5) n;
SELECT nurture_draft('selection', 'default', 1) AS draft \gset
UPDATE nurture.selection_weight SET weight = weight * 3 WHERE selection = 'default' AND version = :draft AND term IN ('interest', 'depth_next');
SET LOCAL nurture.clock = '2026-04-11 10:00+00';
SELECT nurture_publish('selection', 'default', :draft, 'test') IS NOT NULL AS published;

SELECT is_empty($$SELECT d.lead_id, d.step, d.asset_id, c.asset_id, d.rank, c.rank, d.terms, c.terms FROM decision d
    LEFT JOIN LATERAL nurture_candidates(d.lead_id, 1, d.channel, d.track, d.at, d.selection_version) c ON true
    WHERE (d.asset_id, d.rank) IS DISTINCT FROM (c.asset_id, c.rank)$$, 'each is made again as it was, from what the record says');
SELECT is_empty($$SELECT d.audit_id, d.terms, c.terms FROM decision d, nurture_candidates(d.lead_id, 1, d.channel, d.track, d.at, d.selection_version) c,
    LATERAL (SELECT string_agg(t.term || ' ' || (c.terms ->> t.term), ', ' ORDER BY n) FILTER (WHERE c.terms ->> t.term <> '0') AS again
             FROM unnest('{interest,general,stage,preferred,depth,freshness,format,priority,performance}'::text[]) WITH ORDINALITY t (term, n)) w
    WHERE coalesce(w.again, 'no term speaks for or against it') <> d.terms$$, 'term by term');
SELECT is((SELECT count(*) FROM decision d, nurture_next_asset(d.lead_id, d.channel, d.track, d.at) c WHERE c.asset_id = d.asset_id AND c.reason = d.terms),
    (SELECT count(*) FROM decision), 'nurture_next_asset finds the weights that were in force then by itself');
SELECT cmp_ok((SELECT count(*) FROM decision d, nurture_next_asset(d.lead_id, d.channel, d.track) c WHERE c.asset_id IS DISTINCT FROM d.asset_id), '>', 50::bigint, 'today most would be others');
SELECT cmp_ok((SELECT count(*) FROM decision d, nurture_candidates(d.lead_id, 1, d.channel, d.track, d.at, :draft) c WHERE c.rank <> d.rank), '>', 30::bigint, 'and with other weights');
SELECT throws_ok($$SELECT nurture_next_asset(1, at => '2026-03-02 09:00+00')$$, 'NU004', 'there was no lead 1 at that moment', 'before the lead there was nothing');
SELECT is((SELECT failed FROM nurture_candidates(5, 20, at => '2026-03-21 10:00+00') WHERE asset_id = 'ca_nurses'), '{role,consent}'::text[], 'who had opted out then, had');
SELECT is((SELECT 'consent' = ANY (failed) FROM nurture_candidates(5, 20, at => '2026-03-19 10:00+00') WHERE asset_id = 'ca_nurses'), false, 'and before, had not');
SELECT throws_ok($$SELECT * FROM nurture_candidates(1, selection_version => 99)$$, 'NU003', 'there is no version 99 of selection "default" with weights', 'weights that are not there');

SELECT * FROM finish();
ROLLBACK;
