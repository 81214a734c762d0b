-- Tables that stay open for the rows of a statement: closed when it ends,
-- however it ends, so that nothing leaks and they can be altered afterwards.
-- And what is kept of assets, as long as they are as they were.
BEGIN;
SELECT plan(18);
SET LOCAL client_min_messages = warning;

INSERT INTO nurture.lead (lead_id, email, audience_type, audience_verified_at, country, language, time_zone)
    SELECT 880000 + i, 'hold' || i || '@example.org', 'hcp', now(), 'DE', 'en', 'Europe/Berlin' FROM generate_series(1, 40) i;
INSERT INTO nurture.consent_event (lead_id, channel, kind, source) SELECT 880000 + i, 'email', 'given', 'test' FROM generate_series(1, 40) i;
SELECT nurture_add_asset('{"asset_id": "hold_a", "title": "a", "format": "article", "message_class": "operational", "channels": ["email"], "markets": ["*"], "languages": ["*"], "audience_types": ["*"]}') \g /dev/null
SELECT nurture_set_asset_status('hold_a', 1, 'in_review', 'test') \g /dev/null
SELECT nurture_approve('asset', 'hold_a', 1, 'medical', 'approved', 'test') \g /dev/null

CREATE FUNCTION pg_temp.many(key text, n integer DEFAULT 40) RETURNS bigint LANGUAGE sql AS $$
    WITH i AS (INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key)
               SELECT 880000 + i, 'email', 'hold_a', key FROM generate_series(1, n) i RETURNING status)
    SELECT count(*) FROM i WHERE status = 'queued' $$;
-- raises after some rows of a statement were decided
CREATE FUNCTION pg_temp.bad(i integer) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    IF i = 20 THEN RAISE division_by_zero; END IF;
    RETURN 880000 + i;
END $$;
CREATE FUNCTION pg_temp.failing(key text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) SELECT pg_temp.bad(i), 'email', 'hold_a', key FROM generate_series(1, 40) i;
    RETURN 'inserted';
EXCEPTION WHEN division_by_zero THEN
    RETURN 'failed';
END $$;
-- a subtransaction between the rows of a statement
CREATE FUNCTION pg_temp.tried(i integer) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 / (i % 2);
    RETURN 880000 + i;
EXCEPTION WHEN division_by_zero THEN
    PERFORM m.verdict FROM nurture_may_contact(880000 + i, 'email') m;
    RETURN 880000 + i;
END $$;
CREATE FUNCTION pg_temp.alterable() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    ALTER TABLE nurture.lead ADD COLUMN hold_test integer;
    ALTER TABLE nurture.lead DROP COLUMN hold_test;
    ALTER TABLE nurture.gate ADD COLUMN hold_test integer;
    ALTER TABLE nurture.gate DROP COLUMN hold_test;
    RETURN 'altered';
END $$;

SELECT is(pg_temp.many('one'), 40::bigint, 'a statement of many rows');
SELECT is(pg_temp.alterable(), 'altered', 'its tables can be altered after it');
SELECT is(pg_temp.many('two'), 40::bigint, 'a statement after they were');
SELECT is(pg_temp.failing('three'), 'failed', 'a statement that fails midway');
SELECT is(pg_temp.alterable(), 'altered', 'altered after that');
SELECT is(pg_temp.many('three'), 40::bigint, 'nothing of it was left');

WITH i AS (INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key)
           SELECT pg_temp.tried(i), 'email', 'hold_a', 'four' FROM generate_series(1, 40) i RETURNING status)
SELECT is(count(*), 40::bigint, 'subtransactions between its rows') FROM i WHERE status = 'queued';

-- two statements in one, and one within another
WITH a AS (INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key)
           SELECT 880000 + i, 'email', 'hold_a', 'five' FROM generate_series(1, 40) i RETURNING status),
     b AS (INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key)
           SELECT 880000 + i, 'email', 'hold_a', 'six' || pg_temp.many('nest' || i, 3) FROM generate_series(1, 40) i RETURNING status)
SELECT is((SELECT count(*) FROM a WHERE status = 'queued') + (SELECT count(*) FROM b WHERE status = 'queued'), 80::bigint, 'statements within a statement');
SELECT is(count(*), 120::bigint, 'and what these inserted') FROM nurture.message WHERE lead_id BETWEEN 880001 AND 880003 AND occurrence_key LIKE 'nest%' AND status = 'queued';

-- a cursor that outlives a savepoint in which it was read
DECLARE held CURSOR FOR SELECT m.verdict FROM nurture.lead l, nurture_may_contact(l.lead_id, 'email') m WHERE l.lead_id BETWEEN 880001 AND 880040;
FETCH 3 FROM held \g /dev/null
SAVEPOINT s;
FETCH 3 FROM held \g /dev/null
ROLLBACK TO s;
FETCH 3 FROM held \g /dev/null
SAVEPOINT s;
MOVE FORWARD ALL IN held;
ROLLBACK TO s;
CLOSE held;
SELECT is(pg_temp.alterable(), 'altered', 'altered after a cursor was read across savepoints');

-- what is asked in an expression lives until the transaction ends
CREATE FUNCTION pg_temp.expression() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    verdict text;
BEGIN
    FOR i IN 1 .. 5 LOOP
        verdict := (nurture_may_contact(880000 + i, 'email')).verdict;
    END LOOP;
    RETURN pg_temp.alterable();
END $$;
SELECT is(pg_temp.expression(), 'altered', 'altered after it was asked in an expression');
SELECT is(count(*), 40::bigint, 'asked in the list of a SELECT')
FROM (SELECT (nurture_may_contact(l.lead_id, 'email')).verdict FROM nurture.lead l WHERE l.lead_id BETWEEN 880001 AND 880040) s WHERE verdict IS NOT NULL;

-- COPY has no executor
COPY nurture.message (lead_id, channel, asset_id, occurrence_key) FROM stdin;
880001	email	hold_a	copied
880002	email	hold_a	copied
880003	email	hold_a	copied
\.
SELECT is(count(*), 3::bigint, 'copied') FROM nurture.message WHERE occurrence_key = 'copied' AND status = 'queued';
SELECT is(pg_temp.alterable(), 'altered', 'altered after a COPY');

-- what is kept of an asset follows its changes, and their rolling back
CREATE FUNCTION pg_temp.family(key text) RETURNS text LANGUAGE sql AS $$
    INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) VALUES (880040, 'email', 'hold_a', key) RETURNING family $$;
SELECT is(pg_temp.family('seven'), 'hold_a', 'the family of an asset');
SAVEPOINT s;
UPDATE nurture.asset SET family = 'hold_b', reason = 'test' WHERE asset_id = 'hold_a';
SELECT is(pg_temp.family('eight'), 'hold_b', 'changed');
ROLLBACK TO s;
SELECT is(pg_temp.family('nine'), 'hold_a', 'rolled back');
SELECT nurture_add_asset('{"asset_id": "hold_a", "title": "a", "format": "article", "message_class": "operational", "channels": ["email"], "markets": ["*"], "languages": ["*"], "audience_types": ["*"]}') \g /dev/null
SELECT nurture_set_asset_status('hold_a', 2, 'in_review', 'test') \g /dev/null
SELECT nurture_approve('asset', 'hold_a', 2, 'medical', 'approved', 'test') \g /dev/null
INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) VALUES (880040, 'email', 'hold_a', 'ten');
SELECT is(version, 2, 'the version in force now') FROM nurture.message WHERE lead_id = 880040 AND occurrence_key = 'ten';
SELECT * FROM finish();
ROLLBACK;
