-- Selection sentence by sentence: filters and terms that content_next leaves
-- out, the order of equals, and what is left when nothing is known.
SET client_min_messages = warning;
BEGIN;
SELECT plan(29);
SET LOCAL nurture.clock = '2026-03-01 10:00+00';
INSERT INTO nurture.account (account_id, name, organization_type) VALUES (1, 'Clinic', 'hospital'), (2, 'Other', 'hospital');
INSERT INTO nurture.lead (lead_id, account_id, email, audience_type, country, language) SELECT n, CASE WHEN n < 9 THEN 1 ELSE 2 END, 'lead' || n || '@example.org', 'hcp', 'FR', 'fr' FROM generate_series(1, 12) n;
SELECT count(nurture_opt_in(n, 'email', 'test')) AS opted_in FROM generate_series(1, 12) n;
CREATE FUNCTION pg_temp.library(id text, tags text, extra jsonb DEFAULT '{}') RETURNS void LANGUAGE sql AS $$
    SELECT nurture_add_asset(jsonb_build_object('asset_id', id, 'title', id, 'format', 'article', 'message_class', 'promotional', 'channels', '["email"]'::jsonb, 'markets', '["*"]'::jsonb, 'languages', '["*"]'::jsonb, 'audience_types', '["*"]'::jsonb, 'tags', to_jsonb(tags::text[])) || extra);
    SELECT nurture_set_asset_status(id, 1, 'in_review', 'test');
    SELECT nurture_approve('asset', id, 1, 'medical', 'approved', 'test') $$;
CREATE FUNCTION pg_temp.term(lead bigint, asset text, term text) RETURNS int LANGUAGE sql AS $$ SELECT (terms ->> term)::int FROM nurture_candidates(lead, 100) WHERE asset_id = asset $$;
CREATE FUNCTION pg_temp.failed(lead bigint, asset text, track text DEFAULT NULL) RETURNS text[] LANGUAGE sql AS $$ SELECT failed FROM nurture_candidates(lead, 100, track => $3) WHERE asset_id = asset $$;

-- nothing known: general education, then the question, then nothing
SELECT pg_temp.library('cr_overview', '{offer:overview,funnel_stage:awareness,depth:1}'), pg_temp.library('cr_ask', '{offer:preference}'), pg_temp.library('cr_other', '{offer:qa}', '{"priority": 5}') \g /dev/null
SELECT is((SELECT asset_id || ': ' || reason FROM nurture_next_asset(1)), 'cr_overview: general 40, stage 15, freshness 5', 'no interest known: general education');
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (1, 'email', 'cr_overview');
SELECT is((SELECT asset_id || ': ' || reason FROM nurture_next_asset(1, at => '2026-03-10 10:00+00')), 'cr_ask: general 20, freshness 4', 'then the asset that asks for a preference');
SELECT nurture_opt_out(2, 'email', 'test') AS cancelled;
SELECT results_eq($$SELECT asset_id, version, rank, reason FROM nurture_next_asset(2)$$, $$VALUES (NULL::text, NULL::int, NULL::int, 'consent'::text)$$, 'none sendable: one row, and the filter that removed the last');

-- interest: of a parent counts what is below it, by share; of a child what is its own
SELECT pg_temp.library('cr_onco', '{therapeutic_area:neoplasms}'), pg_temp.library('cr_lung', '{therapeutic_area:cysts}'), pg_temp.library('cr_heart', '{therapeutic_area:heart_diseases}') \g /dev/null
INSERT INTO nurture.event (lead_id, event_type, tags) SELECT 3, 'page_viewed', '{therapeutic_area:cysts}' FROM generate_series(1, 3);
INSERT INTO nurture.event (lead_id, event_type, tags) VALUES (3, 'page_viewed', '{therapeutic_area:heart_diseases}');
SELECT is(pg_temp.term(3, 'cr_lung', 'interest'), 22, 'three quarters of 30');
SELECT is(pg_temp.term(3, 'cr_onco', 'interest'), 22, 'what is above it counts by its share');
SELECT is(pg_temp.term(3, 'cr_heart', 'interest'), 7, 'a quarter of 30');
INSERT INTO nurture.event (lead_id, event_type, tags) VALUES (4, 'page_viewed', '{therapeutic_area:neoplasms}');
SELECT is(pg_temp.term(4, 'cr_onco', 'interest'), 30, 'who reads about all of it');
SELECT is(pg_temp.term(4, 'cr_lung', 'interest'), 0, 'reads about no part in particular');

-- the step of a track: required tags and family exclude, preferred ones add
INSERT INTO nurture.track (track, title) VALUES ('cr', 'A track'), ('cr_family', 'One of a family');
SELECT nurture_draft('track', 'cr') AS a, nurture_draft('track', 'cr_family') AS b;
INSERT INTO nurture.track_step (track, version, step_no, family, required_tags, preferred_tags) VALUES ('cr', 1, 1, NULL, '{therapeutic_area:neoplasms}', '{offer:qa,therapeutic_area:cysts}'), ('cr_family', 1, 1, 'cr_ask', NULL, NULL);
SELECT nurture_publish('track', 'cr', 1, 'test') AS a, nurture_publish('track', 'cr_family', 1, 'test') AS b;
SELECT is(pg_temp.failed(5, 'cr_lung', 'cr'), '{}', 'a tag below the required one will do');
SELECT is(pg_temp.failed(5, 'cr_heart', 'cr'), '{step}', 'another will not');
SELECT is(pg_temp.failed(5, 'cr_overview', 'cr_family'), '{step}', 'nor will another family');
SELECT results_eq($$SELECT asset_id, terms ->> 'preferred' FROM nurture_candidates(5, 2, track => 'cr') ORDER BY 1$$, $$VALUES ('cr_lung'::text, '20'::text), ('cr_onco', '0')$$, 'points for each preferred tag');

-- freshness falls to nothing
SELECT results_eq($$SELECT (SELECT terms ->> 'freshness' FROM nurture_candidates(5, 100, at => '2026-03-01 10:00+00'::timestamptz + d * interval '1 day') WHERE asset_id = 'cr_heart') FROM unnest('{0,90,180,400}'::int[]) d$$,
    $$VALUES ('5'), ('2'), ('0'), ('0')$$, 'over 180 days');

-- the form in which a lead takes things
SELECT pg_temp.library('cr_film', '{offer:qa}', '{"format": "video"}'), pg_temp.library('cr_film_2', '{offer:qa}', '{"format": "video"}') \g /dev/null
SELECT is(pg_temp.term(6, 'cr_film', 'format'), 0, 'of who took nothing yet nothing is known');
INSERT INTO nurture.event (lead_id, event_type, asset_id, version) VALUES (6, 'video_watched', 'cr_film', 1), (6, 'video_watched', 'cr_film', 1), (6, 'white_paper_downloaded', 'cr_heart', 1);
INSERT INTO nurture.event (lead_id, event_type, asset_id, version) SELECT 6, 'email_opened', 'cr_lung', 1 FROM generate_series(1, 5);
SELECT is(pg_temp.term(6, 'cr_film_2', 'format'), 6, 'two thirds of 10');
SELECT is(pg_temp.term(6, 'cr_onco', 'format'), 3, 'and one; machines open mail');

-- priority: points, then the order of equals, then the name
SELECT pg_temp.library('cr_z', '{}', '{"priority": 7}'), pg_temp.library('cr_y', '{}', '{"priority": 7}'), pg_temp.library('cr_x', '{}', '{"priority": 6}') \g /dev/null
SELECT is(pg_temp.term(5, 'cr_z', 'priority'), 7, 'editorial priority is a term');
SELECT nurture_draft('selection', 'default', 1) AS draft \gset
UPDATE nurture.selection_weight SET weight = 0 WHERE selection = 'default' AND version = :draft;
SELECT results_eq(format($$SELECT asset_id FROM nurture_candidates(5, 5, selection_version => %s)$$, :draft), $$VALUES ('cr_y'::text), ('cr_z'), ('cr_x'), ('cr_other'), ('cr_ask')$$, 'of equal rank the higher priority, then the name');
SELECT results_eq($$SELECT string_agg(asset_id, ',') FROM (SELECT asset_id FROM nurture_candidates(5, 100)) x$$, $$SELECT string_agg(asset_id, ',') FROM (SELECT asset_id FROM nurture_candidates(5, 100)) x$$, 'always the same');

-- not for this lead, or this account
INSERT INTO nurture.list (list, title, origin) VALUES ('cr_embargo', 'Not to be told about it', 'test');
INSERT INTO nurture.list_member (lead_id, list, source) VALUES (7, 'cr_embargo', 'test');
SELECT pg_temp.library('cr_secret', '{}', '{"prerequisites": {"no_embargo": {"not": {"list": "cr_embargo"}}, "not_there": {"fact": "account.name", "op": "!=", "value": "Other"}}}') \g /dev/null
SELECT is(pg_temp.failed(7, 'cr_secret'), '{prerequisite}', 'restricted for a lead');
SELECT is(pg_temp.failed(9, 'cr_secret'), '{prerequisite}', 'and for an account');
SELECT is(pg_temp.failed(8, 'cr_secret'), '{}', 'not for others');
SELECT nurture_suppress('account', '2', 'asked by the house') AS suppressed;
SELECT is((SELECT reason FROM nurture_next_asset(9)), 'consent', 'nothing for a suppressed account');
SELECT nurture_suppress('lead', '10', 'asked by phone') AS suppressed;
SELECT is((SELECT reason FROM nurture_next_asset(10)), 'consent', 'nor for a suppressed lead');

-- the class that consent permits, the class that the stage permits
SELECT pg_temp.library('cr_events', '{}', '{"message_class": "medical_information"}') \g /dev/null
UPDATE nurture.stage SET message_classes = '{medical_information}' WHERE stage = 'new';
SELECT is(pg_temp.failed(3, 'cr_onco'), '{message_class,consent}', 'nothing promotional at a stage that has none');
SELECT is(pg_temp.failed(3, 'cr_events'), '{}', 'what the stage has');

UPDATE nurture.stage SET message_classes = '{promotional,medical_information}' WHERE stage = 'new';

-- depth: per topic, one more than the highest the lead has engaged with
SELECT pg_temp.library('cr_moa_2', '{topic:moa,depth:2}'), pg_temp.library('cr_both_2', '{topic:moa,topic:safety,depth:2}'), pg_temp.library('cr_any_2', '{depth:2}') \g /dev/null
INSERT INTO nurture.event (lead_id, event_type, tags) VALUES (8, 'page_viewed', '{topic:moa,depth:1}');
SELECT is(pg_temp.failed(8, 'cr_moa_2'), '{}', 'one deeper in its topic');
SELECT is(pg_temp.failed(8, 'cr_both_2'), '{depth}', 'in each of its topics');
SELECT is(pg_temp.failed(8, 'cr_any_2'), '{}', 'without a topic, than with anything');

SELECT * FROM finish();
ROLLBACK;
