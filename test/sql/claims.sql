-- Claims and content policies: what content may say, and must carry.
SET client_min_messages = warning;
BEGIN;
SELECT plan(48);
SET LOCAL nurture.clock = '2026-03-01 10:00+00';
SET LOCAL nurture.two_person_rule = off;

CREATE FUNCTION pg_temp.asset(id text, extra jsonb DEFAULT '{}') RETURNS void LANGUAGE sql AS
$$ SELECT nurture_add_asset(jsonb_build_object('asset_id', id, 'title', 'Title of ' || id, 'format', 'article', 'message_class', 'promotional', 'uri', 'https://content.example/' || id,
    'channels', '["email"]'::jsonb, 'languages', '["en"]'::jsonb, 'markets', '["*"]'::jsonb, 'audience_types', '["*"]'::jsonb) || extra) $$;
CREATE FUNCTION pg_temp.approved(id text, extra jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS
$$ SELECT pg_temp.asset(id, extra);
   SELECT nurture_set_asset_status(id, (SELECT max(version) FROM nurture.asset_version WHERE asset_id = id), 'in_review', 'test');
   SELECT nurture_approve('asset', id, (SELECT max(version) FROM nurture.asset_version WHERE asset_id = id), 'medical', 'approved', 'test') $$;
CREATE FUNCTION pg_temp.send(lead bigint, asset text) RETURNS text LANGUAGE sql AS
$$ INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (lead, 'email', asset) RETURNING status || coalesce(' ' || array_to_string(reasons, ','), '') $$;
CREATE FUNCTION pg_temp.failed(lead bigint, asset text) RETURNS text[] LANGUAGE sql AS
$$ SELECT failed FROM nurture_candidates(lead, 100) WHERE asset_id = asset $$;

INSERT INTO nurture.lead (lead_id, email, audience_type, country, language) VALUES
    (1, 'c1@example.org', 'hcp', 'FR', 'en'), (2, 'c2@example.org', 'hcp', 'BE', 'en'), (3, 'c3@example.org', 'pharmacist', 'FR', 'en');
SELECT count(nurture_opt_in(n, 'email', 'test')) AS opted_in FROM unnest('{1,2,3}'::bigint[]) n;
DELETE FROM nurture.frequency_cap;
DELETE FROM nurture.contact_policy;

-- a claim, its graph and its signatures
SELECT throws_ok($$SELECT pg_temp.asset('x', '{"claims": ["fast"]}')$$, 'NU003', 'unknown claim "fast"', 'a version names claims that are there');
INSERT INTO nurture.claim (claim, version, text, markets, audience_types, reference, valid_during) VALUES
    ('fast', 1, 'Works within 2 hours.', '{FR}', '{hcp}', 'Doe 2025', tstzrange('2026-01-01 00:00+00', '2026-06-01 00:00+00')), ('mild', 1, 'Well tolerated.', '{*}', '{*}', 'Roe 2024', tstzrange(NULL, NULL));
SELECT lives_ok($$SELECT pg_temp.asset('x', '{"claims": ["fast"]}')$$, 'a draft of it will do');
SELECT throws_ok($$INSERT INTO nurture.claim (claim, version, text, status, approved_at, content_hash) VALUES ('z', 1, 'z', 'approved', now(), '\x00')$$, 'NU007', 'a row of "nurture.claim" begins as draft, not as "approved"', 'no claim begins approved');
SELECT throws_ok($$INSERT INTO nurture.claim (claim, version, text) VALUES ('fast', 3, 'z')$$, 'NU007', 'version 3 of claim "fast" would leave a gap after version 1', 'versions of a claim follow each other');
SELECT throws_ok($$INSERT INTO nurture.claim (claim, version, text, markets) VALUES ('z', 1, 'z', '{Germany}')$$, '22023', 'market "Germany" is no country code', 'a claim is for countries');
SELECT throws_ok($$INSERT INTO nurture.claim (claim, version, text, audience_types) VALUES ('z', 1, 'z', '{doctor}')$$, 'NU003', 'unknown audience type "doctor"', 'and for known audiences');
SELECT throws_ok($$SELECT nurture_approve('claim', 'fast', 1, 'medical', 'approved', 'shown')$$, 'NU007', 'version 1 of claim "fast" is draft; only what is in review is signed', 'a draft of a claim is not signed');
SELECT throws_ok($$SELECT nurture_set_claim_status('fast', 1, 'approved', 'hurry')$$, 'NU007', 'version 1 of claim "fast" cannot move from draft to approved', 'nor approved by setting it');
SELECT throws_ok($$SELECT nurture_set_claim_status('fast', 7, 'in_review', 'x')$$, 'NU003', 'there is no version 7 of claim "fast"', 'an unknown version is named');
SELECT throws_ok($$SELECT nurture_set_claim_status('fast', 1, 'in_review', ' ')$$, '22023', 'a change of status needs a reason', 'a reason is asked for');
INSERT INTO nurture.approval_policy (kind, market, roles, reason) VALUES ('claim', 'FR', '{medical,legal}', 'test');
SELECT is(nurture_set_claim_status('fast', 1, 'in_review', 'ready'), 0::bigint, 'it goes into review');
SELECT throws_ok($$UPDATE nurture.claim SET text = 'Works at once.' WHERE claim = 'fast'$$, 'NU006', 'version 1 of claim "fast" is in_review and cannot be changed', 'and is not edited there');
SET LOCAL nurture.app_user = 'ada';
SELECT is(nurture_approve('claim', 'fast', 1, 'medical', 'approved', 'shown by Doe'), 'in_review', 'one signature of two');
SET LOCAL nurture.app_user = 'bob';
SELECT is(nurture_approve('claim', 'fast', 1, 'legal', 'approved', 'may be said'), 'approved', 'the second one approves');
SET LOCAL nurture.app_user = '';
DELETE FROM nurture.approval_policy;
SELECT results_eq($$SELECT kind, role, signed_by, meaning FROM nurture.approval WHERE code = 'fast' ORDER BY approval_id$$,
    $$VALUES ('claim'::text, 'medical'::text, 'ada'::text, 'shown by Doe'::text), ('claim', 'legal', 'bob', 'may be said')$$, 'both are on record');
SELECT results_eq($$SELECT outcome, reason FROM nurture.audit WHERE kind = 'claim' AND object = 'claim:fast:1' ORDER BY audit_id$$,
    $$VALUES ('in_review'::text, 'ready'::text), ('approved', 'may be said')$$, 'and every move');

-- what may be sent with it
SELECT pg_temp.approved('fast_a', '{"claims": ["fast"]}'), pg_temp.approved('mild_a', '{"claims": ["mild", "fast"], "markets": ["FR"]}'), pg_temp.approved('plain_a');
SELECT is(pg_temp.failed(1, 'fast_a'), '{}', 'a claim that is approved for market and audience');
SELECT is(pg_temp.failed(2, 'fast_a'), '{claim}', 'not for another market');
SELECT is(pg_temp.failed(3, 'fast_a'), '{claim}', 'nor for another audience');
SELECT is(pg_temp.failed(1, 'mild_a'), '{claim}', 'all its claims must be approved');
SELECT is(pg_temp.failed(2, 'plain_a'), '{}', 'what claims nothing is free');
SELECT is(pg_temp.send(1, 'fast_a'), 'queued', 'the gate says the same');
SELECT is(pg_temp.send(2, 'fast_a'), 'refused claim_not_allowed', 'of the market');
SELECT is(pg_temp.send(3, 'fast_a'), 'refused claim_not_allowed', 'of the audience');
SELECT is(pg_temp.send(1, 'mild_a'), 'refused claim_not_in_force', 'and of what is not approved');
SELECT results_eq($$SELECT rule, fact, remedy FROM nurture_explain_contact(1, 'email', asset_id => 'mild_a') WHERE rule = 'asset_claims'$$,
    $$VALUES ('asset_claims'::text, 'mild'::text, 'Have a version of claim mild approved.'::text)$$, 'and what would help');
SELECT is((SELECT decision #>> '{claims,fast,version}' || (decision #>> '{claims,fast,content_hash}' = encode(c.content_hash, 'hex'))::text FROM nurture.message m, nurture.claim c WHERE c.claim = 'fast' AND m.asset_id = 'fast_a' AND m.lead_id = 1),
    '1true', 'the message keeps which version with which content');
SELECT is((SELECT inputs::jsonb #>> '{claims,fast,version}' FROM nurture.audit WHERE kind = 'message' AND lead_ref = 1 AND outcome = 'queued' LIMIT 1), '1', 'and so does its entry');
SET LOCAL nurture.clock = '2026-07-01 10:00+00';
SELECT is(pg_temp.failed(1, 'fast_a'), '{claim}', 'a claim expires by itself');
SELECT is(pg_temp.send(1, 'fast_a'), 'refused claim_not_in_force', 'at the gate too');
SET LOCAL nurture.clock = '2026-03-01 10:00+00';

-- a claim within a block, and what its withdrawal takes
SELECT pg_temp.approved('claim_block', '{"format": "block", "claims": ["fast"]}'), pg_temp.approved('outer_block', '{"format": "block", "blocks": {"inner": "claim_block"}}'), pg_temp.approved('with_block', '{"blocks": {"footer": "outer_block"}}');
SELECT is(pg_temp.failed(2, 'with_block'), '{claim}', 'the claims of a block of a block count');
SELECT is(pg_temp.send(3, 'with_block'), 'refused claim_not_allowed', 'at the gate too');
SELECT is(pg_temp.send(1, 'with_block'), 'queued', 'where it is approved it is sent');
SELECT is(pg_temp.failed(1, 'outer_block'), NULL, 'a block itself is no candidate');
SELECT is((SELECT (SELECT string_agg(key || '=' || (value ->> 'asset_id'), ' ' ORDER BY key) FROM jsonb_each(decision -> 'blocks')) FROM nurture.message WHERE asset_id = 'with_block' AND lead_id = 1),
    'footer=outer_block footer/inner=claim_block', 'and all blocks are kept with it');
SAVEPOINT take;
SELECT is((SELECT string_agg(key || '=' || (value ->> 'asset_id'), ' ' ORDER BY key) FROM nurture_take('email', 9, 'test') t, jsonb_each(t.blocks) WHERE t.asset_id = 'with_block'), 'footer=outer_block footer/inner=claim_block', 'who sends it is told all of them');
ROLLBACK TO take;
SELECT is(nurture_set_claim_status('fast', 1, 'suspended', 'new data'), 2::bigint, 'a claim out of use takes what is queued with it');
SELECT results_eq($$SELECT asset_id, status, reasons FROM nurture.message WHERE lead_id = 1 AND status <> 'refused' ORDER BY 1$$,
    $$VALUES ('fast_a'::text, 'cancelled'::text, '{claim_not_in_force}'::text[]), ('with_block', 'cancelled', '{claim_not_in_force}')$$, 'wherever it is made');
SELECT nurture_set_claim_status('fast', 1, 'approved', 'data looked at') AS cancelled;
INSERT INTO nurture.claim (claim, version, text) VALUES ('fast', 2, 'Works within 90 minutes.');
SELECT nurture_set_claim_status('fast', 2, 'in_review', 'new data') AS cancelled;
SELECT is(nurture_approve('claim', 'fast', 2, 'medical', 'approved', 'shown'), 'approved', 'the next version');
SELECT is((SELECT string_agg(version || ' ' || status, ', ' ORDER BY version) FROM nurture.claim WHERE claim = 'fast'), '1 superseded, 2 approved', 'takes the place of the one before');
SELECT is(pg_temp.failed(2, 'fast_a'), '{}', 'with its own markets');

-- what content must carry
SELECT pg_temp.approved('isi', '{"format": "block"}'), pg_temp.approved('legal', '{"format": "block"}'), pg_temp.approved('leave', '{"format": "block"}');
SELECT throws_ok($$INSERT INTO nurture.content_policy (market, safety_block) VALUES ('FR', 'plain_a')$$, '22023', 'asset "plain_a" has format "article" and cannot be a block of another', 'a policy asks for blocks');
INSERT INTO nurture.content_policy (market, message_class, audience_type, safety_block, disclaimer, unsubscribe_required, reason) VALUES ('FR', 'promotional', 'hcp', 'isi', NULL, false, 'test'), ('FR', '*', '*', NULL, 'legal', true, 'test');
SELECT is(pg_temp.failed(1, 'plain_a'), '{content_policy}', 'what was approved before is not chosen without it');
SELECT is(pg_temp.failed(2, 'plain_a'), '{}', 'but where no policy applies');
SELECT is(pg_temp.send(1, 'plain_a'), 'refused disclaimer_missing,unsubscribe_missing,safety_block_missing', 'nor does it pass the gate');
SELECT pg_temp.asset('bare'), pg_temp.asset('whole', '{"safety_block": "isi", "blocks": {"legal": "legal", "unsubscribe": "leave"}}');
SELECT throws_ok($$SELECT nurture_set_asset_status('bare', 1, 'in_review', 'ready')$$, 'NU010', 'version 1 of asset "bare" lacks a block in slot unsubscribe', 'and what lacks it is not reviewed');
SELECT nurture_set_asset_status('whole', 1, 'in_review', 'ready'), nurture_approve('asset', 'whole', 1, 'legal', 'approved', 'complete') \g /dev/null
SELECT is(pg_temp.send(1, 'whole'), 'queued', 'with all parts it passes');
SELECT is(nurture_set_asset_status('isi', 1, 'withdrawn', 'label change'), 1::bigint, 'and goes with its safety block');

SELECT * FROM finish();
ROLLBACK;
