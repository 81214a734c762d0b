-- Events about assets carry the tags the asset version had when they came.
BEGIN;
SELECT plan(9);
SET LOCAL nurture.clock = '2026-06-15 12:00:00+00';
INSERT INTO nurture.event_type (event_type, class) VALUES ('as_read', 'content');
INSERT INTO nurture.tag (dimension, value, tag_id, parent) VALUES ('asd', 'wide', 65201, NULL), ('asd', 'narrow', 65202, 'wide'), ('asd', 'other', 65203, NULL);
INSERT INTO nurture.signal (signal, signal_id, event_type, tags) VALUES ('as_wide', 31501, 'as_read', '{asd:wide}');
INSERT INTO nurture.lead (lead_id) SELECT generate_series(9401, 9409);

-- three versions, the second of them approved, as a restore would bring them
SELECT set_config('search_path', '', true) \g /dev/null
SET LOCAL row_security = off;
SET LOCAL check_function_bodies = off;
INSERT INTO nurture.asset (asset_id, family, title, format, purpose) VALUES ('as_a', 'as_a', 'a', 'page', 'marketing'), ('as_late', 'as_late', 'late', 'page', 'marketing');
INSERT INTO nurture.asset_version (asset_id, version, status, message_class, channels, languages, markets, audience_types, approved_at, content_hash, valid_during)
    SELECT 'as_a', v, (ARRAY['superseded', 'approved', 'draft'])[v], 'promotional', '{email}', '{*}', '{*}', '{*}', '2026-01-01', '\x01', tstzrange('2026-01-01', '2027-01-01') FROM generate_series(1, 3) v;
INSERT INTO nurture.asset_version (asset_id, version, status, message_class, channels, languages, markets, audience_types, approved_at, content_hash, valid_during)
    VALUES ('as_late', 1, 'approved', 'promotional', '{email}', '{*}', '{*}', '{*}', '2026-01-01', '\x01', tstzrange('2026-07-01', NULL));
INSERT INTO nurture.asset_tag (asset_id, version, dimension, value) VALUES ('as_a', 1, 'asd', 'other'), ('as_a', 2, 'asd', 'narrow'), ('as_a', 3, 'asd', 'wide'), ('as_late', 1, 'asd', 'wide');
SELECT set_config('search_path', 'public', true) \g /dev/null
SET LOCAL row_security = on;
SET LOCAL check_function_bodies = on;

INSERT INTO nurture.event (lead_id, event_type, asset_id, version, tags) VALUES
    (9401, 'as_read', 'as_a', NULL, NULL), (9402, 'as_read', 'as_a', 1, '{free:one,asd:other}'), (9403, 'as_read', 'as_a', NULL, '{asd:other,asd:narrow}'),
    (9404, 'as_read', 'as_nobody', NULL, '{free:one}'), (9405, 'as_read', 'as_late', NULL, NULL), (9406, 'as_read', 'as_a', 9, NULL);
SELECT is((version, tags)::text, '(2,{asd:narrow})', 'the version in force and its tags') FROM nurture.event WHERE lead_id = 9401;
SELECT is(nurture_tally_count(signals, 'as_wide'), 1::bigint, 'which count for signals') FROM nurture.activity WHERE lead_id = 9401;
SELECT is(topics::text, '{65202@2026-06-15:1}', 'and topics') FROM nurture.activity WHERE lead_id = 9401;
SELECT is((version, tags)::text, '(1,"{free:one,asd:other}")', 'a version that was named stays; tags are not doubled') FROM nurture.event WHERE lead_id = 9402;
SELECT is((version, tags)::text, '(2,"{asd:other,asd:narrow}")', 'the event''s own tags come first') FROM nurture.event WHERE lead_id = 9403;
SELECT is((version, tags)::text, '(,{free:one})', 'an unknown asset changes nothing') FROM nurture.event WHERE lead_id = 9404;
SELECT is((version, tags)::text, '(,)', 'a version not yet in force is none') FROM nurture.event WHERE lead_id = 9405;
SELECT is((version, tags)::text, '(9,)', 'an unknown version changes nothing') FROM nurture.event WHERE lead_id = 9406;
SELECT is((SELECT nurture_tally_count(signals, 'as_wide') FROM nurture.activity WHERE lead_id = 9402), 0::bigint, 'tags of other versions do not count');
SELECT * FROM finish();
ROLLBACK;
