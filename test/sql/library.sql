-- The library against bad input: every mistake has a name, and a hint.
SET client_min_messages = warning;
BEGIN;
SELECT plan(41);
SET LOCAL nurture.clock = '2026-03-01 10:00+00';
SET LOCAL nurture.two_person_rule = off;

CREATE FUNCTION pg_temp.asset(id text, extra jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS
$$ SELECT nurture_add_asset(jsonb_build_object('asset_id', id, 'title', 'Title of ' || id, 'format', 'article', 'message_class', 'promotional', 'uri', 'https://content.example/' || id,
    'channels', '["email"]'::jsonb, 'languages', '["en"]'::jsonb, 'markets', '["FR"]'::jsonb, 'audience_types', '["hcp"]'::jsonb) || extra)::text $$;
CREATE FUNCTION pg_temp.hint(query text) RETURNS text LANGUAGE plpgsql AS
$$ DECLARE words text; BEGIN EXECUTE query; RETURN 'no error'; EXCEPTION WHEN OTHERS THEN GET STACKED DIAGNOSTICS words = PG_EXCEPTION_HINT; RETURN words; END $$;

-- markets are countries
SELECT is((SELECT count(*) FROM nurture.country), 249::bigint, 'the countries of ISO 3166-1');
SELECT is((SELECT count(*) FROM nurture.language), 184::bigint, 'the languages of ISO 639-1');
SELECT throws_ok($$SELECT pg_temp.asset('m', '{"markets": ["XX"]}')$$, '22023', 'market "XX" is no country code', 'two letters are not enough');
SELECT throws_ok($$SELECT pg_temp.asset('m', '{"markets": ["FR", "UK"]}')$$, '22023', 'market "UK" is no country code', 'nor is what people say');
SELECT is(pg_temp.hint($$SELECT pg_temp.asset('m', '{"markets": ["united kingdom"]}')$$), 'Its code is GB.', 'a name is told its code');
SELECT is(pg_temp.hint($$SELECT pg_temp.asset('m', '{"markets": ["fr"]}')$$), 'Its code is FR.', 'small letters too');
SELECT is(pg_temp.hint($$SELECT pg_temp.asset('m', '{"markets": ["Utopia"]}')$$), 'Write ISO 3166-1 alpha-2 codes in capitals, such as DE, or "*" for every market; nurture.country has them.', 'else where they are');
SELECT lives_ok($$SELECT pg_temp.asset('m', '{"markets": ["FR", "*"]}')$$, 'the star stands for all');
SELECT throws_ok($$UPDATE nurture.asset_version SET markets = '{}' WHERE asset_id = 'm'$$, '22023', 'column "markets" of "nurture.asset_version" is empty', 'no markets, however written');
SELECT throws_ok($$UPDATE nurture.asset_version SET markets = ARRAY['FR', NULL] WHERE asset_id = 'm'$$, '22023', 'market "" is no country code', 'nor one that is NULL');

-- languages
SELECT throws_ok($$SELECT pg_temp.asset('l', '{"languages": ["xx"]}')$$, '22023', '"xx" is no language code', 'an unknown language');
SELECT throws_ok($$SELECT pg_temp.asset('l', '{"languages": ["eng"]}')$$, '22023', '"eng" is no language code', 'three letters');
SELECT is(pg_temp.hint($$SELECT pg_temp.asset('l', '{"languages": ["French"]}')$$), 'Its code is fr.', 'a name is told its code');
SELECT lives_ok($$SELECT pg_temp.asset('l', '{"languages": ["pt-BR", "de"]}')$$, 'a region where it matters');

-- audiences and channels
SELECT throws_ok($$UPDATE nurture.asset_version SET audience_types = '{}' WHERE asset_id = 'l'$$, '22023', 'column "audience_types" of "nurture.asset_version" is empty', 'an empty audience');
SELECT is(pg_temp.hint($$UPDATE nurture.asset_version SET audience_types = '{}' WHERE asset_id = 'l'$$), 'Name at least one audience type; "*" stands for all.', 'is told what to do');
SELECT throws_ok($$UPDATE nurture.asset_version SET audience_types = '{hcps}' WHERE asset_id = 'l'$$, 'NU003', 'unknown audience type "hcps"', 'an unknown one, however written');
SELECT throws_ok($$UPDATE nurture.asset_version SET channels = '{fax}' WHERE asset_id = 'l'$$, 'NU003', 'unknown channel "fax"', 'an unknown channel');
SELECT throws_ok($$UPDATE nurture.asset_version SET channels = '{}' WHERE asset_id = 'l'$$, '22023', 'column "channels" of "nurture.asset_version" is empty', 'no channel');

-- tags
SELECT throws_ok($$SELECT pg_temp.asset('t', '{"tags": ["topic:efficasy"]}')$$, 'NU003', 'unknown tag "topic:efficasy"', 'an unknown tag');
SELECT matches(pg_temp.hint($$SELECT pg_temp.asset('t', '{"tags": ["topic:efficasy"]}')$$), '^The nearest known ones are "topic:efficacy"', 'the nearest are named');
SELECT throws_ok($$INSERT INTO nurture.asset_tag (asset_id, version, dimension, value) VALUES ('l', 1, 'topic', 'efficasy')$$, 'NU003', 'unknown tag "topic:efficasy"', 'by whatever way it comes');
INSERT INTO nurture.tag (dimension, value) VALUES ('topic', 'it''s a "quoted" one'), ('topic', repeat('é', 31) || 'x'), ('topic', repeat('深', 21));
SELECT is((SELECT string_agg(octet_length(value)::text, ' ' ORDER BY tag_id) FROM nurture.tag WHERE value ~ '^(é|深)'), '63 63', 'names of 63 bytes');
SELECT lives_ok($$SELECT pg_temp.asset('t', jsonb_build_object('tags', jsonb_build_array('topic:it''s a "quoted" one', 'topic:' || repeat('é', 31) || 'x', 'topic:' || repeat('深', 21))))$$, 'tags with quotes and long ones');
SELECT throws_ok(format('SELECT pg_temp.asset(%L, %L)', 't', jsonb_build_object('tags', jsonb_build_array('topic:' || repeat('深', 30)))), 'NU003', 'unknown tag "topic:' || repeat('深', 19) || '"', 'a longer one is told in whole characters');
SELECT nurture_set_asset_status('t', 1, 'in_review', 'test'), nurture_approve('asset', 't', 1, 'medical', 'approved', 'test') \g /dev/null
INSERT INTO nurture.lead (lead_id, email, audience_type, country, language) VALUES (1, 'lib1@example.org', 'hcp', 'FR', 'en');
SELECT nurture_opt_in(1, 'email', 'test') > 0 AS opted_in;
INSERT INTO nurture.event (lead_id, event_type, tags) VALUES (1, 'page_viewed', ARRAY['topic:it''s a "quoted" one']);
SELECT matches((SELECT asset_id || ' ' || reason FROM nurture_next_asset(1)), '^t interest 40, ', 'and count as interest');
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (1, 'email', 't');
SELECT is((SELECT status FROM nurture.message WHERE asset_id = 't'), 'queued', 'and pass the gate');

-- versions
SELECT throws_ok($$INSERT INTO nurture.asset_version (asset_id, version, message_class, channels, languages, markets, audience_types) VALUES ('l', 3, 'promotional', '{email}', '{en}', '{FR}', '{hcp}')$$,
    'NU007', 'version 3 of asset "l" would leave a gap after version 1', 'a gap between versions');
SELECT throws_ok($$INSERT INTO nurture.asset_version (asset_id, version, message_class, channels, languages, markets, audience_types) VALUES ('l', 1, 'promotional', '{email}', '{en}', '{FR}', '{hcp}')$$,
    '23505', NULL, 'a version twice');
SELECT throws_ok($$SELECT pg_temp.asset('l', '{"valid_from": "2026-02-01", "valid_until": "2026-02-01"}')$$, '23514', NULL, 'validity of no time at all');
SELECT pg_temp.asset('t', '{"valid_from": "2026-04-01 00:00+00"}') AS added, nurture_set_asset_status('t', 2, 'in_review', 'early') AS cancelled;
SELECT throws_ok($$SELECT nurture_approve('asset', 't', 2, 'medical', 'approved', 'early')$$, 'NU007',
    'validity of version 2 of asset "t" begins later, and overlaps that of version 1, which is in use until then', 'overlapping validity: approval would leave nothing in use');
SELECT matches(pg_temp.hint($$SELECT nurture_approve('asset', 't', 2, 'medical', 'approved', 'early')$$), '^Approve it when it begins, at ', 'says when');

-- blocks
SELECT pg_temp.asset('b1', '{"format": "block"}'), pg_temp.asset('b2', '{"format": "block"}'), pg_temp.asset('b3', '{"format": "block"}'), pg_temp.asset('page', '{"format": "landing_page"}');
SELECT throws_ok($$SELECT pg_temp.asset('u', '{"blocks": {"footer": "b9"}}')$$, 'NU003', 'there is no asset "b9" to be a block', 'a block that is not there');
SELECT throws_ok($$SELECT pg_temp.asset('u', '{"blocks": {"footer": "l"}}')$$, '22023', 'asset "l" has format "article" and cannot be a block of another', 'what is no block');
SELECT throws_ok($$SELECT pg_temp.asset('u', '{"blocks": {"landing_page": "b1"}}')$$, '22023', 'asset "b1" has format "block" and cannot be a landing_page of another', 'nor a landing page');
SELECT lives_ok($$SELECT pg_temp.asset('u', '{"blocks": {"landing_page": "page", "footer": "b1"}}')$$, 'each in its slot');
SELECT throws_ok($$INSERT INTO nurture.asset_block (asset_id, version, slot, block_asset) VALUES ('b1', 1, 'x', 'b1')$$, '22023', 'blocks would go in a circle: b1 -> b1', 'a block of itself');
INSERT INTO nurture.asset_block (asset_id, version, slot, block_asset) VALUES ('b1', 1, 'x', 'b2'), ('b2', 1, 'x', 'b3');
SELECT throws_ok($$INSERT INTO nurture.asset_block (asset_id, version, slot, block_asset) VALUES ('b3', 1, 'x', 'b1')$$, '22023', 'blocks would go in a circle: b3 -> b1 -> b2 -> b3', 'a circle of three');
SELECT throws_ok($$UPDATE nurture.asset_version SET safety_block = 'b1' WHERE asset_id = 'b3'$$, '22023', 'blocks would go in a circle: b3 -> b1 -> b2 -> b3', 'by the safety block as well');
SELECT is(pg_temp.hint($$UPDATE nurture.asset_version SET safety_block = 'b1' WHERE asset_id = 'b3'$$), 'Take one of them out of a draft of the other.', 'says how to end it');

-- a landing page goes, and with it what leads there
SELECT nurture_set_asset_status(id, 1, 'in_review', 'test'), nurture_approve('asset', id, 1, 'medical', 'approved', 'test') FROM unnest('{page,b3,b2,b1,u}'::text[]) id \g /dev/null
DELETE FROM nurture.frequency_cap;
DELETE FROM nurture.contact_policy;
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (1, 'email', 'u') RETURNING status;
SELECT nurture_set_asset_status('page', 1, 'withdrawn', 'the page is gone') AS cancelled;
SELECT is((SELECT status || ' ' || array_to_string(reasons, ',') FROM nurture.message WHERE asset_id = 'u'), 'cancelled block_not_in_force', 'a landing page that is withdrawn cancels what is queued');

SELECT * FROM finish();
ROLLBACK;
