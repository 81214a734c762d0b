-- Content: the library, its status graph, signatures and guards.
SET client_min_messages = warning;
BEGIN;
SELECT plan(44);
SET LOCAL nurture.clock = '2026-03-01 10:00+00';

CREATE FUNCTION pg_temp.asset(id text, extra jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS
$$ SELECT jsonb_build_object('asset_id', id, 'title', 'Title of ' || id, 'format', 'article', 'message_class', 'promotional',
    'channels', '["email"]'::jsonb, 'languages', '["en"]'::jsonb, 'markets', '["FR"]'::jsonb, 'audience_types', '["hcp"]'::jsonb) || extra $$;
CREATE FUNCTION pg_temp.status(id text) RETURNS text LANGUAGE sql AS
$$ SELECT string_agg(version || ' ' || status, ', ' ORDER BY version) FROM nurture.asset_version WHERE asset_id = id $$;

-- adding
SELECT results_eq($$SELECT * FROM nurture_add_asset(pg_temp.asset('brief', '{"tags": ["topic:moa", "depth:1"], "valid_from": "2026-01-01 00:00+00"}'))$$,
    $$VALUES ('brief'::text, 1)$$, 'an asset is added as version 1');
SELECT results_eq($$SELECT a.family, a.purpose, v.status, v.languages, v.valid_during::text FROM nurture.asset a JOIN nurture.asset_version v USING (asset_id)$$,
    $$VALUES ('brief'::text, 'marketing'::text, 'draft'::text, '{en}'::text[], tstzrange('2026-01-01 00:00+00', NULL)::text)$$, 'with the defaults for what was not said');
SELECT results_eq($$SELECT dimension, value FROM nurture.asset_tag ORDER BY 1$$, $$VALUES ('depth'::text, '1'::text), ('topic', 'moa')$$, 'and its tags');
SELECT throws_ok($$SELECT nurture_add_asset(pg_temp.asset('x', '{"tags": ["topic:mao"]}'))$$, 'NU003', 'unknown tag "topic:mao"', 'an unknown tag is named');
SELECT throws_ok($$SELECT nurture_add_asset(pg_temp.asset('x', '{"markets": ["Germany"]}'))$$, '22023', 'market "Germany" is no country code', 'a market is a country code');
SELECT throws_ok($$SELECT nurture_add_asset(pg_temp.asset('x', '{"audience_types": []}'))$$, '22023', 'key "audience_types" of the asset is empty', 'an empty audience is refused');
SELECT throws_ok($$SELECT nurture_add_asset(pg_temp.asset('x', '{"audience_types": ["doctor"]}'))$$, 'NU003', 'unknown audience type "doctor"', 'an unknown audience is named');
SELECT throws_ok($$SELECT nurture_add_asset(pg_temp.asset('x', '{"channels": ["emial"]}'))$$, 'NU003', 'unknown channel "emial"', 'an unknown channel is named');
SELECT throws_ok($$SELECT nurture_add_asset(pg_temp.asset('x', '{"titel": "?"}'))$$, 'NU003', 'unknown key "titel" of the asset', 'an unknown key is named');
SELECT throws_ok($$SELECT nurture_add_asset(pg_temp.asset('x') - 'title')$$, '22023', 'key "title" of the asset is missing', 'a missing key is named');
SELECT throws_ok($$SELECT nurture_add_asset('[]')$$, '22023', 'an asset is a JSON object', 'an asset is an object');
SELECT throws_ok($$SELECT nurture_add_asset(pg_temp.asset('x', '{"valid_from": "2026-02-01", "valid_until": "2026-01-01"}'))$$, '22000', NULL, 'a range that ends before it begins is refused');
SELECT throws_ok($$SELECT nurture_add_asset(pg_temp.asset('x', '{"prerequisites": {"known": {"fact": "contry", "op": "known"}}}'))$$, 'NU005', NULL, 'a prerequisite is compiled at once');
SELECT throws_ok($$SELECT nurture_add_asset(pg_temp.asset('brief', '{"format": "video"}'))$$, '22023', 'asset "brief" exists with format "article"', 'a new version keeps the format');

-- the status graph
SELECT throws_ok($$SELECT nurture_approve('asset', 'brief', 1, 'medical', 'approved', 'fine')$$, 'NU007', 'version 1 of asset "brief" is draft; only what is in review is signed', 'a draft is not signed');
SELECT throws_ok($$SELECT nurture_set_asset_status('brief', 1, 'approved', 'hurry')$$, 'NU007', 'version 1 of asset "brief" cannot move from draft to approved', 'nor approved by setting it');
SELECT throws_ok($$SELECT nurture_set_asset_status('brief', 1, 'aproved', 'hurry')$$, 'NU003', 'unknown asset status "aproved"', 'an unknown status is named');
SELECT throws_ok($$SELECT nurture_set_asset_status('brief', 7, 'in_review', 'hurry')$$, 'NU003', 'there is no version 7 of asset "brief"', 'an unknown version is named');
SELECT throws_ok($$SELECT nurture_set_asset_status('brief', 1, 'in_review', '')$$, '22023', 'a change of status needs a reason', 'a reason is asked for');
SELECT lives_ok($$UPDATE nurture.asset_version SET uri = 'https://example.org/brief' WHERE asset_id = 'brief'$$, 'a draft can be edited');
SELECT is(nurture_set_asset_status('brief', 1, 'in_review', 'ready'), 0::bigint, 'it goes into review');
SELECT throws_ok($$UPDATE nurture.asset_version SET uri = 'other' WHERE asset_id = 'brief'$$, 'NU006', 'version 1 of asset "brief" is in_review and cannot be changed', 'and is not edited there');
SELECT throws_ok($$UPDATE nurture.asset_version SET status = 'approved' WHERE asset_id = 'brief'$$, 'NU006', NULL, 'not even its status');
SELECT throws_ok($$DELETE FROM nurture.asset_tag$$, 'NU006', NULL, 'nor its tags');
SELECT throws_ok($$TRUNCATE nurture.asset_version CASCADE$$, 'NU008', NULL, 'versions are not truncated');
SELECT is(nurture_approve('asset', 'brief', 1, 'medical', 'changes_requested', 'one claim too many'), 'draft', 'changes requested put it back');
SELECT isnt((SELECT content_hash FROM nurture.asset_version WHERE asset_id = 'brief'), NULL, 'the signature was for a content hash');

-- signatures: two roles, two people, exactly this content
INSERT INTO nurture.approval_policy (message_class, market, roles, reason) VALUES ('promotional', 'FR', '{medical,legal}', 'test');
UPDATE nurture.asset_version SET uri = 'https://example.org/brief2' WHERE asset_id = 'brief';
SELECT nurture_set_asset_status('brief', 1, 'in_review', 'corrected');
SET LOCAL nurture.app_user = 'ada';
SELECT is(nurture_approve('asset', 'brief', 1, 'medical', 'approved', 'medically right'), 'in_review', 'one signature of two');
SELECT throws_ok($$SELECT nurture_approve('asset', 'brief', 1, 'legal', 'approved', 'legal too')$$, 'NU007', 'this content of version 1 of asset "brief" was signed before in role medical', 'the same person does not sign twice');
SET LOCAL nurture.app_user = 'bob';
SELECT throws_ok($$SELECT nurture_approve('asset', 'brief', 1, 'boss', 'approved', 'ok')$$, 'NU003', 'unknown role "boss" of a signature', 'an unknown role is named');
SELECT is(nurture_approve('asset', 'brief', 1, 'legal', 'approved', 'legally right'), 'approved', 'the second one approves');
SELECT results_eq($$SELECT approved_by, approved_at FROM nurture.asset_version WHERE asset_id = 'brief'$$, $$VALUES ('bob'::text, '2026-03-01 10:00+00'::timestamptz)$$, 'who and when is on the row');
SELECT throws_ok($$DELETE FROM nurture.approval$$, 'NU008', NULL, 'signatures stay');
SET LOCAL nurture.app_user = '';
DELETE FROM nurture.approval_policy;

-- versions follow each other
SELECT results_eq($$SELECT * FROM nurture_add_asset(pg_temp.asset('brief', '{"tags": ["topic:moa", "depth:1"], "title": "Better", "priority": 3}'))$$,
    $$VALUES ('brief'::text, 2)$$, 'the next version');
SELECT results_eq($$SELECT title, priority::int FROM nurture.asset WHERE asset_id = 'brief'$$, $$VALUES ('Better'::text, 3)$$, 'may bring a better title');
SELECT is(pg_temp.status('brief'), '1 approved, 2 draft', 'approval of one says nothing about the next');
SELECT nurture_set_asset_status('brief', 2, 'in_review', 'ready');
SELECT is(nurture_approve('asset', 'brief', 2, 'qa', 'approved', 'fine'), 'approved', 'without policy one signature is enough');
SELECT is(pg_temp.status('brief'), '1 superseded, 2 approved', 'and supersedes the one before');
SELECT throws_ok($$SELECT nurture_set_asset_status('brief', 1, 'approved', 'back')$$, 'NU007', 'version 1 of asset "brief" cannot move from superseded to approved', 'which does not come back');
SELECT nurture_set_asset_status('brief', 2, 'suspended', 'a question came up');
SELECT nurture_set_asset_status('brief', 2, 'approved', 'answered');
SELECT is(pg_temp.status('brief'), '1 superseded, 2 approved', 'suspended and approved again');
SELECT results_eq($$SELECT outcome, reason FROM nurture.audit WHERE kind = 'asset' AND object = 'asset:brief:2' ORDER BY audit_id$$,
    $$VALUES ('draft'::text, NULL::text), ('in_review', 'ready'), ('approved', 'fine'), ('suspended', 'a question came up'), ('approved', 'answered')$$, 'every move is on record');
SELECT throws_ok($$INSERT INTO nurture.asset_version (asset_id, version, status, message_class, channels, languages, markets, audience_types, approved_at, content_hash)
    VALUES ('brief', 9, 'approved', 'promotional', '{email}', '{en}', '{FR}', '{hcp}', now(), '\x00')$$, 'NU007', 'a row of "nurture.asset_version" begins as draft, not as "approved"', 'no version begins approved');
SELECT throws_ok($$UPDATE nurture.selection_weight SET weight = 99$$, 'NU006', NULL, 'published weights do not change');
SELECT throws_ok($$SELECT nurture_publish('selection', 'default', 1, 'again')$$, 'NU007', 'version 1 of selection "default" is published', 'nor are they published twice');

SELECT * FROM finish();
ROLLBACK;
