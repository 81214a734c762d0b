-- What caps count while one statement brings many messages of a lead: each is
-- counted for those behind it, whatever came between.
SET client_min_messages = error;
BEGIN;
SELECT plan(14);
SELECT set_config('nurture.clock', '2026-03-10 10:00:00+00', true) \g /dev/null
INSERT INTO nurture.asset (asset_id, family, title, format) SELECT 'gc_' || i, 'gc_' || i, 'asset', 'email' FROM generate_series(1, 2) i;
SELECT set_config('search_path', '', true), set_config('row_security', 'off', true), set_config('check_function_bodies', 'off', true) \g /dev/null
INSERT INTO nurture.asset_version (asset_id, version, status, message_class, channels, languages, markets, audience_types, approved_at, content_hash)
    SELECT 'gc_' || i, 1, 'approved', CASE i WHEN 1 THEN 'promotional' ELSE 'disease_awareness' END, '{email}', '{en}', '{*}', '{hcp}', '2026-01-01', '\x01' FROM generate_series(1, 2) i;
SELECT set_config('search_path', 'public', true), set_config('row_security', 'on', true), set_config('check_function_bodies', 'on', true) \g /dev/null
INSERT INTO nurture.lead (lead_id, email, country, audience_type, language) SELECT 75000 + i, 'gc' || i || '@example.com', 'FR', 'hcp', 'en' FROM generate_series(1, 20) i;
SELECT count(nurture_opt_in(75000 + i, 'email')) FROM generate_series(1, 20) i \g /dev/null
DELETE FROM nurture.frequency_cap;
INSERT INTO nurture.frequency_cap (cap, channels, message_classes, n, period, reason) VALUES ('gc_all', '{email}', '{*}', 100000, '30 days', 'test'), ('gc_promotional', '{email}', '{promotional}', 100000, '7 days', 'test');
-- how many each message was told that there were, in the order of decisions
CREATE FUNCTION pg_temp.told(lead bigint, cap text) RETURNS integer[] LANGUAGE sql AS $$
    SELECT array_agg(split_part(w.fact, ' ', 1)::integer ORDER BY m.message_id) FROM nurture.message m, nurture_why(m.lead_id, m.message_id) w
    WHERE m.lead_id = lead AND w.rule = 'cap:' || cap $$;
CREATE FUNCTION pg_temp.up_to(n integer) RETURNS integer[] LANGUAGE sql AS $$ SELECT array_agg(i ORDER BY i) FROM generate_series(0, n) i $$;

INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) SELECT 75001, 'email', 'gc_1', i::text FROM generate_series(1, 300) i;
SELECT is(pg_temp.told(75001, 'gc_all'), pg_temp.up_to(299), 'each of 300 messages counts those before it');
SELECT is(pg_temp.told(75001, 'gc_promotional'), pg_temp.up_to(299), 'for every cap');
INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) SELECT 75001, 'email', 'gc_1', 'more' || i FROM generate_series(1, 5) i;
SELECT is(pg_temp.told(75001, 'gc_all'), pg_temp.up_to(304), 'and the next statement goes on');

-- two assets of two classes, two leads in turns
INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) SELECT 75002 + i % 2, 'email', 'gc_' || 1 + i / 2 % 2, i::text FROM generate_series(0, 39) i;
SELECT is(pg_temp.told(75002, 'gc_all'), pg_temp.up_to(19), 'leads that take turns keep their own');
SELECT is(pg_temp.told(75003, 'gc_promotional'), pg_temp.up_to(9), 'a cap of one class counts that class');
SELECT is(cardinality(pg_temp.told(75003, 'gc_promotional')), 10, 'and is asked of that class');

-- rows that are dropped after they were decided
INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) SELECT 75004, 'email', 'gc_1', (i % 4)::text FROM generate_series(0, 11) i ON CONFLICT DO NOTHING;
SELECT is((SELECT count(*) FROM nurture.message WHERE lead_id = 75004 AND status = 'queued'), 4::bigint, 'an occasion is used once');
INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) VALUES (75004, 'email', 'gc_1', 'then');
SELECT is((pg_temp.told(75004, 'gc_all'))[cardinality(pg_temp.told(75004, 'gc_all'))], 4, 'what was dropped is not counted');

-- caps that are reached: where they are, in one statement as in many
UPDATE nurture.frequency_cap SET n = 3, period = '1 day' WHERE cap = 'gc_all';
INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) SELECT 75005, 'email', 'gc_1', i::text FROM generate_series(1, 8) i;
DO $$BEGIN FOR i IN 1 .. 8 LOOP INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) VALUES (75006, 'email', 'gc_1', i::text); END LOOP; END$$;
CREATE FUNCTION pg_temp.outcomes(lead bigint) RETURNS text[] LANGUAGE sql AS $$
    SELECT array_agg(status || coalesce(reasons::text, '') || ' ' || coalesce((extract(epoch FROM not_before - '2026-03-10 10:00:00+00') / 3600)::integer::text, '') ORDER BY message_id) FROM nurture.message WHERE lead_id = lead $$;
SELECT is(pg_temp.outcomes(75005), pg_temp.outcomes(75006), 'eight at once are decided as eight one by one');
SELECT is((pg_temp.outcomes(75005))[1:4], '{queued 0,queued 0,queued 0,"queued{frequency_cap} 24"}', 'three go out, the fourth a day later');

-- a cap that somebody changes between two rows of a statement
CREATE FUNCTION pg_temp.looser() RETURNS text LANGUAGE plpgsql AS $$ BEGIN UPDATE nurture.frequency_cap SET n = 5 WHERE cap = 'gc_all'; RETURN 'email'; END $$;
INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) SELECT 75007, CASE i WHEN 4 THEN pg_temp.looser() ELSE 'email' END, 'gc_1', i::text FROM generate_series(1, 6) i;
SELECT is((pg_temp.outcomes(75007))[6], 'queued{frequency_cap} 24', 'a cap that is changed by the statement itself holds for the rest of it');
SELECT is((pg_temp.outcomes(75007))[5], 'queued 0', 'for what counts as well');

-- what is taken out of the queue is counted anew
INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) SELECT 75008, 'email', 'gc_1', i::text FROM generate_series(1, 5) i;
SELECT is((SELECT count(*) FROM nurture_take('email', 1000, 'gc') t WHERE t.lead_id = 75008), 5::bigint, 'five of one lead are handed out where five are allowed');
SELECT nurture_ack(lead_id, message_id, 'failed') FROM (SELECT lead_id, message_id FROM nurture.message WHERE lead_id = 75008 ORDER BY message_id LIMIT 2) m \g /dev/null
INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) SELECT 75008, 'email', 'gc_1', 'again' || i FROM generate_series(1, 3) i;
SELECT is((pg_temp.outcomes(75008))[6:8], '{queued 0,queued 0,"queued{frequency_cap} 24"}', 'what failed is not counted');
SELECT * FROM finish();
ROLLBACK;
