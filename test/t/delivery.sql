-- Two channels, one for each policy, and a message for each of 240 leads in
-- each of them; at any hour.
DELETE FROM nurture.quiet_hours;
INSERT INTO nurture.channel (channel, kind, contact_point, consent_channel, delivery) VALUES
    ('once', 'message', 'none', 'once', 'at_most_once'), ('least', 'message', 'none', 'least', 'at_least_once');
BEGIN;
SELECT set_config('search_path', '', true);
SET LOCAL row_security = off;
SET LOCAL check_function_bodies = off;
INSERT INTO nurture.asset (asset_id, family, title, format) VALUES ('dl_once', 'dl_once', 'A', 'email'), ('dl_least', 'dl_least', 'B', 'email');
INSERT INTO nurture.asset_version (asset_id, version, status, message_class, channels, languages, markets, audience_types, approved_at, content_hash)
    SELECT 'dl_' || c, 1, 'approved', 'promotional', ARRAY[c], ARRAY['en'], ARRAY['*'], ARRAY['hcp'], now(), '\x01' FROM unnest(ARRAY['once', 'least']) AS c;
COMMIT;
INSERT INTO nurture.lead (lead_id, country, audience_type, language, time_zone) SELECT i, 'FR', 'hcp', 'en', 'Europe/Paris' FROM generate_series(1, 480) AS i;
SELECT count(nurture_opt_in(i, '*')) FROM generate_series(1, 480) AS i;
INSERT INTO nurture.message (lead_id, channel, asset_id) SELECT i, c, 'dl_' || c FROM generate_series(1, 480) AS i, LATERAL (SELECT CASE WHEN i % 2 = 0 THEN 'once' ELSE 'least' END AS c) AS s;
