-- The next version of an asset: what waits with the one before is held, and
-- goes on with the new one where it still fits.
SET client_min_messages = warning;
BEGIN;
SELECT plan(19);
SET LOCAL nurture.clock = '2026-03-02 10:00+00';
SET LOCAL nurture.two_person_rule = off;
DELETE FROM nurture.frequency_cap;
DELETE FROM nurture.contact_policy;

CREATE FUNCTION pg_temp.next(markets text, audiences text DEFAULT '{hcp}', channels text DEFAULT '{email,portal}') RETURNS text LANGUAGE sql AS
$$ SELECT nurture_add_asset(jsonb_build_object('asset_id', 'up', 'title', 'Up', 'format', 'article', 'message_class', 'promotional', 'uri', 'https://content.example/up',
    'channels', to_jsonb(channels::text[]), 'languages', '["en"]'::jsonb, 'markets', to_jsonb(markets::text[]), 'audience_types', to_jsonb(audiences::text[])));
   SELECT nurture_set_asset_status('up', (SELECT max(version) FROM nurture.asset_version WHERE asset_id = 'up'), 'in_review', 'test');
   SELECT nurture_approve('asset', 'up', (SELECT max(version) FROM nurture.asset_version WHERE asset_id = 'up'), 'medical', 'approved', 'test') $$;
CREATE FUNCTION pg_temp.messages() RETURNS TABLE (lead bigint, version int, status text, reasons text) LANGUAGE sql AS
$$ SELECT lead_id, version, status, array_to_string(reasons, ',') FROM nurture.message ORDER BY lead_id, message_id $$;
CREATE FUNCTION pg_temp.tick() RETURNS bigint LANGUAGE sql AS $$ SELECT done FROM nurture_tick() WHERE kind = 'superseded' $$;

INSERT INTO nurture.lead (lead_id, email, audience_type, country, language, time_zone) VALUES
    (1, 'up1@example.org', 'hcp', 'FR', 'en', 'Europe/Paris'), (2, 'up2@example.org', 'hcp', 'BE', 'en', 'Europe/Brussels'), (3, 'up3@example.org', 'hcp', 'FR', 'en', 'Europe/Paris'),
    (4, 'up4@example.org', 'hcp', 'FR', 'en', 'Europe/Paris'), (5, 'up5@example.org', 'hcp', 'FR', 'en', 'Europe/Paris');
SELECT count(nurture_opt_in(n, 'email', 'test')) AS opted_in FROM unnest('{1,2,3,4,5}'::bigint[]) n;
SELECT pg_temp.next('{FR,BE}');
INSERT INTO nurture.message (lead_id, channel, asset_id, not_before) VALUES (1, 'email', 'up', '2026-03-05 10:00+00'), (2, 'email', 'up', NULL), (3, 'email', 'up', NULL), (4, 'email', 'up', NULL), (5, 'email', 'up', '2026-03-05 10:00+00');
SELECT results_eq('SELECT lead, version, status FROM pg_temp.messages()', $$VALUES (1::bigint, 1, 'queued'::text), (2, 1, 'queued'), (3, 1, 'queued'), (4, 1, 'queued'), (5, 1, 'queued')$$, 'queued with the first version');
SELECT is((SELECT count(*) FROM nurture_take('email', 1, 'worker')), 1::bigint, 'one is with a worker');
SELECT pg_temp.next('{FR}');
SELECT results_eq('SELECT * FROM pg_temp.messages()', $$VALUES (1::bigint, 1, 'held'::text, 'asset_superseded'::text), (2, 1, 'taken', 'asset_superseded'), (3, 1, 'held', 'asset_superseded'), (4, 1, 'held', 'asset_superseded'), (5, 1, 'held', 'asset_superseded')$$,
    'approval of the next one holds them');
SELECT is((SELECT cancel_requested FROM nurture.message WHERE lead_id = 2), true, 'and asks the worker to stop');
SELECT is(nurture_still_allowed(2, (SELECT message_id FROM nurture.message WHERE lead_id = 2)), false, 'who is told so');
SELECT is((SELECT count(*) FROM nurture_take('email', 10, 'worker')), 0::bigint, 'nothing held is taken');
SELECT is((SELECT inputs FROM nurture.audit WHERE kind = 'asset' AND object = 'asset:up:1' AND outcome = 'superseded'), '{"messages_held": 5}', 'how many is on record');
SELECT results_eq($$SELECT outcome, reasons FROM nurture.audit WHERE kind = 'cancel' AND lead_ref = 1$$, $$VALUES ('held'::text, '{asset_superseded}'::text[])$$, 'and each of them');

-- an opt-out meanwhile binds
SELECT nurture_opt_out(4, 'email', 'link') AS cancelled;
UPDATE nurture.lead SET country = 'BE' WHERE lead_id = 5;
SELECT is(pg_temp.tick(), 3::bigint, 'the tick moves them');
SELECT results_eq('SELECT * FROM pg_temp.messages()', $$VALUES (1::bigint, 2, 'queued'::text, NULL::text), (2, 1, 'taken', 'asset_superseded'), (3, 2, 'queued', NULL), (4, 1, 'cancelled', 'asset_superseded,consent_denied'), (5, 1, 'held', 'market,next_version_differs')$$,
    'to the new version where it fits, else they stay');
SELECT is((SELECT not_before FROM nurture.message WHERE lead_id = 1), '2026-03-05 10:00+00', 'at the time they were to go');
SELECT results_eq($$SELECT outcome, trigger ->> 'kind', versions ->> 'version' FROM nurture.audit WHERE kind = 'message' AND lead_ref = 1 ORDER BY audit_id DESC LIMIT 1$$, $$VALUES ('queued'::text, 'superseded'::text, '2'::text)$$, 'with an entry that says why');
SELECT is(pg_temp.tick(), 0::bigint, 'once');
SELECT pg_temp.next('{FR,BE}');
SELECT is(pg_temp.tick(), 3::bigint, 'a version that fits takes them all');
SELECT results_eq('SELECT * FROM pg_temp.messages() WHERE lead IN (1, 3, 5)', $$VALUES (1::bigint, 3, 'queued'::text, NULL::text), (3, 3, 'queued', NULL), (5, 3, 'queued', NULL)$$, 'those held as well');

-- what never fits is not held for ever
SELECT pg_temp.next('{FR}', '{pharmacist}');
SELECT is(pg_temp.tick(), 3::bigint, 'for another audience');
SELECT results_eq('SELECT lead, status, reasons FROM pg_temp.messages() WHERE lead IN (1, 5)', $$VALUES (1::bigint, 'held'::text, 'audience,next_version_differs'::text), (5, 'held', 'market,audience,next_version_differs')$$, 'they are held');
SET LOCAL nurture.clock = '2026-04-02 10:00+00';
SELECT pg_temp.tick() AS ended;
SELECT results_eq('SELECT lead, status, reasons FROM pg_temp.messages() WHERE lead IN (1, 5)', $$VALUES (1::bigint, 'refused'::text, 'audience'::text), (5, 'refused', 'market,audience')$$, 'for 30 days');
SELECT is((SELECT count(*) FROM nurture_audit_verify() WHERE severity = 'error'), 0::bigint, 'and the trail is sound');

SELECT * FROM finish();
ROLLBACK;
