-- Content: hard filters, rank, and what a withdrawal takes with it.
SET client_min_messages = warning;
BEGIN;
SELECT plan(39);
SET LOCAL nurture.clock = '2026-03-01 10:00+00';

INSERT INTO nurture.lead (lead_id, email, audience_type, country, language, role) VALUES
    (1, 'one@example.org', 'hcp', 'FR', 'fr', 'prescriber'),
    (2, 'two@example.org', 'hcp', 'FR', 'fr', NULL),
    (3, 'three@example.org', 'patient', 'FR', 'fr', NULL),
    (4, 'four@example.org', 'hcp', 'JP', 'ja', NULL),
    (5, 'five@example.org', 'hcp', 'FR', NULL, NULL),
    (6, 'six@example.org', 'hcp', 'FR', 'fr', NULL);
SELECT count(nurture_opt_in(n, 'email', 'test')) AS opted_in FROM unnest('{1,2,3,4,5}'::bigint[]) n;
SELECT nurture_opt_out(6, 'email', 'test') AS cancelled;

CREATE TEMP TABLE library AS SELECT * FROM (VALUES
    ('overview', 'promotional', '{FR,DE}', '{fr}', '{hcp}', '{"offer:overview","funnel_stage:awareness","depth:1","topic:disease"}', '{}'),
    ('moa_1', 'promotional', '{FR}', '{fr}', '{hcp}', '{"topic:moa","depth:1","funnel_stage:awareness"}', '{}'),
    ('moa_2', 'promotional', '{FR}', '{fr}', '{hcp}', '{"topic:moa","depth:2","funnel_stage:consideration"}', '{}'),
    ('moa_3', 'promotional', '{FR}', '{fr}', '{hcp}', '{"topic:moa","depth:3","funnel_stage:consideration"}', '{}'),
    ('for_nurses', 'promotional', '{FR}', '{fr}', '{hcp}', '{"role:nurse"}', '{}'),
    ('start', 'promotional', '{FR}', '{fr}', '{hcp}', '{"topic:implementation"}', '{"prerequisites": {"asked": {"signal": "pricing_requested"}}}'),
    ('disease_plain', 'disease_awareness', '{FR}', '{fr}', '{patient,caregiver}', '{"reading_level:plain","topic:disease"}', '{}'),
    ('disease_science', 'disease_awareness', '{FR}', '{fr}', '{patient,caregiver}', '{"reading_level:scientific","topic:disease"}', '{"priority": 50}'),
    ('promo_patient', 'promotional', '{FR}', '{fr}', '{patient}', '{"offer:overview"}', '{"priority": 60}'),
    ('later', 'promotional', '{FR}', '{fr}', '{hcp}', '{"offer:overview"}', '{"valid_from": "2026-04-01 00:00+00", "priority": 90}')
) AS v (id, class, markets, languages, audiences, tags, extra);
SELECT count(*) AS added FROM library, nurture_add_asset(jsonb_build_object('asset_id', id, 'title', id, 'format', 'article', 'message_class', class, 'channels', '["email"]'::jsonb,
    'markets', to_jsonb(markets::text[]), 'languages', to_jsonb(languages::text[]), 'audience_types', to_jsonb(audiences::text[]), 'tags', to_jsonb(tags::text[])) || extra::jsonb);
SELECT is((SELECT asset_id IS NULL AND reason = 'not_in_force' FROM nurture_next_asset(1)), true, 'a library of drafts has nothing to send');
SELECT count(nurture_set_asset_status(id, 1, 'in_review', 'test')) AS submitted FROM library;
SELECT count(nurture_approve('asset', id, 1, 'medical', 'approved', 'test')) AS approved FROM library;

-- nothing known of the lead: general education
SELECT results_eq($$SELECT * FROM nurture_next_asset(2)$$, $$VALUES ('overview'::text, 1, 60, 'general 40, stage 15, freshness 5'::text)$$, 'no interest known: an overview');
SAVEPOINT wishes;
INSERT INTO nurture.preference (lead_id, channel, topics) VALUES (2, '*', '{moa}');
SELECT matches((SELECT asset_id FROM nurture_next_asset(2)), '^moa_', 'none about a topic that the lead does not want');
UPDATE nurture.preference SET topics = NULL, format = 'video';
SELECT is((SELECT asset_id FROM nurture_next_asset(2)), NULL, 'nor in a format that it does not want');
ROLLBACK TO wishes;
SELECT results_eq($$SELECT asset_id, verdict, failed FROM nurture_candidates(2, 20) ORDER BY asset_id COLLATE "C"$$,
    $$VALUES ('disease_plain'::text, 'filtered'::text, '{audience}'::text[]),
        ('disease_science', 'filtered', '{audience}'),
        ('for_nurses', 'filtered', '{role}'),
        ('later', 'filtered', '{not_in_force}'),
        ('moa_1', 'eligible', '{}'),
        ('moa_2', 'filtered', '{depth}'),
        ('moa_3', 'filtered', '{depth}'),
        ('overview', 'eligible', '{}'),
        ('promo_patient', 'filtered', '{audience}'),
        ('start', 'filtered', '{prerequisite}')$$, 'the ledger tells every filter');
SELECT is((SELECT count(*) FROM nurture_candidates(2, 3)), 3::bigint, 'and as many rows as asked for');

-- what other weights would choose: a dry run, kept with the check
SAVEPOINT weights;
SELECT nurture_draft('selection', 'default', 1) AS draft \gset
SELECT count(*) FROM nurture_check_version('selection', 'default', :draft) \g /dev/null
SELECT is((SELECT dry_run FROM nurture.version_check ORDER BY check_id DESC LIMIT 1), '{"leads": 6, "changed": 0, "moves": []}', 'the same weights choose the same');
UPDATE nurture.selection_weight SET weight = 0 WHERE selection = 'default' AND version = :draft AND term = 'general';
SELECT count(*) FROM nurture_check_version('selection', 'default', :draft) \g /dev/null
SELECT is((SELECT dry_run FROM nurture.version_check ORDER BY check_id DESC LIMIT 1), '{"leads": 6, "changed": 2, "moves": [{"from": "overview", "to": "moa_1", "leads": 2}]}', 'others would be another asset to some leads');
SELECT is((SELECT asset_id FROM nurture_next_asset(2)), 'overview', 'which nobody gets before they are published');
SELECT nurture_publish('selection', 'default', :draft, 'test') \g /dev/null
SELECT is((SELECT asset_id FROM nurture_next_asset(2)), 'moa_1', 'but then');
ROLLBACK TO weights;

-- market, audience, language, role, consent
SELECT results_eq($$SELECT asset_id, reason FROM nurture_next_asset(4)$$, $$VALUES (NULL::text, 'market'::text)$$, 'no asset for the market');
SELECT results_eq($$SELECT asset_id, reason FROM nurture_next_asset(5)$$, $$VALUES (NULL::text, 'language'::text)$$, 'an unknown language is none');
SELECT results_eq($$SELECT asset_id, reason FROM nurture_next_asset(6)$$, $$VALUES (NULL::text, 'consent'::text)$$, 'nothing for who opted out');
SELECT results_eq($$SELECT asset_id, failed FROM nurture_candidates(3, 20) WHERE NOT failed && '{audience}' ORDER BY asset_id COLLATE "C"$$,
    $$VALUES ('disease_plain'::text, '{}'::text[]), ('disease_science', '{reading_level}'), ('promo_patient', '{consent}')$$, 'patients: plain language, no promotion, whatever the priority');
SELECT is((SELECT asset_id FROM nurture_next_asset(3)), 'disease_plain', 'and something is left for them');
UPDATE nurture.lead SET role = 'Nurse' WHERE lead_id = 2;
SELECT is((SELECT failed FROM nurture_candidates(2, 20) WHERE asset_id = 'for_nurses'), '{}'::text[], 'a role fits whatever way it is written');
UPDATE nurture.lead SET role = NULL WHERE lead_id = 2;
SELECT is((SELECT asset_id FROM nurture_next_asset(2, at => '2026-04-02 10:00+00')), 'later', 'at another moment another asset is in force');
SELECT is((SELECT asset_id FROM nurture_next_asset(2, 'email')), 'overview', 'by a channel the assets have');
SELECT results_eq($$SELECT asset_id, reason FROM nurture_next_asset(2, 'sms')$$, $$VALUES (NULL::text, 'channel'::text)$$, 'by one they do not have');

-- interest and depth
INSERT INTO nurture.event (lead_id, event_type, tags) VALUES (1, 'mechanism_page_viewed', '{topic:moa}');
SELECT results_eq($$SELECT * FROM nurture_next_asset(1)$$, $$VALUES ('moa_1'::text, 1, 63, 'interest 40, stage 10, depth 8, freshness 5'::text)$$, 'interest in a topic: its first level');
INSERT INTO nurture.event (lead_id, event_type, tags) SELECT 1, 'mechanism_page_viewed', '{topic:moa}' FROM generate_series(1, 2);
SELECT results_eq($$SELECT * FROM nurture_next_asset(1)$$, $$VALUES ('moa_2'::text, 1, 100, 'interest 40, stage 10, depth 45, freshness 5'::text)$$, 'repeated interest: the next level');
SELECT is((SELECT failed FROM nurture_candidates(1, 20) WHERE asset_id = 'moa_3'), '{depth}'::text[], 'never two levels at once');
INSERT INTO nurture.event (lead_id, event_type, asset_id, version) VALUES (1, 'email_opened', 'moa_2', 1);
SELECT is((SELECT failed FROM nurture_candidates(1, 20) WHERE asset_id = 'moa_3'), '{depth}'::text[], 'opening an e-mail is no engagement with its content');
INSERT INTO nurture.event (lead_id, event_type, asset_id, version) VALUES (1, 'white_paper_downloaded', 'moa_2', 1);
SELECT is((SELECT asset_id FROM nurture_next_asset(1)), 'moa_3', 'reading it is');
SELECT is((SELECT failed FROM nurture_candidates(1, 20) WHERE asset_id = 'moa_2'), '{seen}'::text[], 'and what the lead took itself is not sent');
SELECT is((SELECT rank = (SELECT sum(value::int) FROM jsonb_each_text(terms)) FROM nurture_candidates(1, 1)), true, 'the terms add up to the rank');

-- prerequisites
INSERT INTO nurture.event (lead_id, event_type) VALUES (2, 'pricing_requested');
SELECT is((SELECT failed FROM nurture_candidates(2, 20) WHERE asset_id = 'start'), '{}'::text[], 'a prerequisite is met by what the lead does');

-- what was sent is not chosen again; a withdrawal takes the queue with it
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (2, 'email', 'overview'), (1, 'email', 'moa_3');
SELECT is((SELECT failed FROM nurture_candidates(2, 20) WHERE asset_id = 'overview'), '{seen}'::text[], 'a family is not used twice within its window');
SELECT is((SELECT asset_id FROM nurture_next_asset(2, at => '2026-09-15 10:00+00')), 'later', 'outside the window it competes again');
SELECT is((SELECT failed FROM nurture_candidates(2, 20, at => '2026-09-15 10:00+00') WHERE asset_id = 'overview'), '{}'::text[], 'as eligible');
SELECT is(nurture_set_asset_status('moa_3', 1, 'withdrawn', 'safety update'), 1::bigint, 'a withdrawal says what it cancelled');
SELECT results_eq($$SELECT status, reasons FROM nurture.message WHERE asset_id = 'moa_3'$$, $$VALUES ('cancelled'::text, '{rest_period,asset_withdrawn}'::text[])$$, 'and it is cancelled');
SELECT results_ne($$SELECT asset_id FROM nurture_next_asset(1)$$, $$VALUES ('moa_3'::text)$$, 'it is chosen no more');
SELECT is((SELECT status FROM nurture.message WHERE asset_id = 'overview'), 'queued', 'others stay');

-- blocks
SELECT count(*) AS block FROM nurture_add_asset('{"asset_id": "isi", "title": "Safety information", "format": "block", "message_class": "operational", "channels": ["portal"], "markets": ["*"], "audience_types": ["hcp"]}');
SELECT nurture_set_asset_status('isi', 1, 'in_review', 'test');
SELECT nurture_approve('asset', 'isi', 1, 'regulatory', 'approved', 'test');
SELECT count(*) AS with_block FROM nurture_add_asset('{"asset_id": "safe", "title": "With safety information", "format": "article", "message_class": "promotional", "channels": ["email"], "markets": ["FR"], "audience_types": ["hcp"], "tags": ["offer:library"], "priority": 100, "blocks": {"footer": "isi"}}');
SELECT nurture_set_asset_status('safe', 1, 'in_review', 'test');
SELECT nurture_approve('asset', 'safe', 1, 'medical', 'approved', 'test');
SELECT is((SELECT asset_id FROM nurture_next_asset(2)), 'safe', 'an asset with its block in force');
SELECT nurture_set_asset_status('isi', 1, 'suspended', 'new wording');
SELECT is((SELECT failed FROM nurture_candidates(2, 20) WHERE asset_id = 'safe'), '{block_not_in_force}'::text[], 'is not sendable without it');

-- who got it, and bad input
SELECT is((SELECT count(*) FROM nurture_asset_recipients('overview')), 0::bigint, 'what is only queued reached nobody');
SELECT throws_ok($$SELECT nurture_next_asset(999)$$, 'NU004', 'there is no lead 999', 'an unknown lead is named');
SELECT throws_ok($$SELECT nurture_next_asset(1, 'carrier_pigeon')$$, 'NU003', 'unknown channel "carrier_pigeon"', 'an unknown channel is named');

SELECT * FROM finish();
ROLLBACK;
