-- One event in a statement is written without a query where the tables are
-- plain; with triggers or columns of the user's own the query does the same.
BEGIN;
SELECT plan(20);
SET LOCAL timezone = 'UTC';
SET LOCAL nurture.clock = '2026-06-15 12:00:00+00';
INSERT INTO nurture.event_type (event_type, class) VALUES ('es_viewed', 'content');
INSERT INTO nurture.signal (signal, signal_id, event_type) VALUES ('es_viewed', 30101, 'es_viewed');
INSERT INTO nurture.lead (lead_id) SELECT generate_series(9101, 9110);
CREATE FUNCTION pg_temp.counted(lead bigint) RETURNS bigint LANGUAGE sql AS
$$ SELECT nurture_tally_count(signals, 'es_viewed') FROM nurture.activity WHERE lead_id = lead $$;
CREATE FUNCTION pg_temp.one(lead bigint, key text) RETURNS void LANGUAGE sql AS
$$ INSERT INTO nurture.event (lead_id, event_type, source, source_key) VALUES (lead, 'es_viewed', 'web', key) $$;

SELECT pg_temp.one(9101, 'a');
SELECT is(pg_temp.counted(9101), 1::bigint, 'the first event of a lead');
SELECT pg_temp.one(9101, 'b');
SELECT is(pg_temp.counted(9101), 2::bigint, 'the next one');
SELECT pg_temp.one(9101, 'b');
SELECT is(pg_temp.counted(9101), 2::bigint, 'a repetition in the same transaction');
SELECT is((SELECT count(*) FROM nurture.event WHERE lead_id = 9101), 2::bigint, 'is not kept');
SAVEPOINT before;
SELECT pg_temp.one(9101, 'c');
ROLLBACK TO before;
SELECT is(pg_temp.counted(9101), 2::bigint, 'what is rolled back is not counted');
SELECT pg_temp.one(9101, 'c');
SELECT is(pg_temp.counted(9101), 3::bigint, 'and its key is free');
SELECT throws_ok('SELECT pg_temp.one(1234567, $$a$$)', 'NU004', NULL, 'an unknown lead');
SELECT is((SELECT count(*) FROM nurture.event_key WHERE lead_id = 1234567), 0::bigint, 'leaves no key');
DO $$ BEGIN FOR i IN 1..100 LOOP INSERT INTO nurture.event (lead_id, event_type, source, source_key) VALUES (9102, 'es_viewed', 'web', i / 2); END LOOP; END $$;
SELECT is(pg_temp.counted(9102), 51::bigint, 'a hundred statements with repetitions');
UPDATE nurture.activity SET signals = nurture_tally_roll(signals, '2026-06-20') WHERE lead_id = 9102;
SELECT pg_temp.one(9102, 'late');
SELECT is((SELECT signals::text FROM nurture.activity WHERE lead_id = 9102), '{30101@ever:52/1; rolled 2026-06-20}', 'a late event on a folded day');

-- columns of the user's own
ALTER TABLE nurture.event_key ADD COLUMN noted text DEFAULT 'by default';
ALTER TABLE nurture.activity ADD COLUMN noted text DEFAULT 'kept';
UPDATE nurture.activity SET noted = 'mine' WHERE lead_id = 9101;
SELECT pg_temp.one(9101, 'd'), pg_temp.one(9101, 'd');
SELECT is(pg_temp.counted(9101), 4::bigint, 'a user''s column');
SELECT is((SELECT noted FROM nurture.event_key WHERE lead_id = 9101 AND source_key = 'd'), 'by default', 'gets its default');
SELECT is((SELECT noted FROM nurture.activity WHERE lead_id = 9101), 'mine', 'or keeps its value');
ALTER TABLE nurture.event_key DROP COLUMN noted;
ALTER TABLE nurture.activity DROP COLUMN noted;
SELECT pg_temp.one(9101, 'e'), pg_temp.one(9101, 'e');
SELECT is(pg_temp.counted(9101), 5::bigint, 'a column that was dropped');

-- triggers of the user's own
CREATE TEMP TABLE seen (what text);
CREATE FUNCTION pg_temp.seen() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO seen VALUES (TG_OP || ' ' || TG_TABLE_NAME); RETURN NEW; END $$;
CREATE TRIGGER seen AFTER UPDATE ON nurture.activity FOR EACH ROW EXECUTE FUNCTION pg_temp.seen();
CREATE TRIGGER seen AFTER INSERT ON nurture.event_key FOR EACH ROW EXECUTE FUNCTION pg_temp.seen();
SELECT pg_temp.one(9101, 'f');
SELECT results_eq('SELECT what FROM seen ORDER BY what', ARRAY['INSERT event_key', 'UPDATE activity'], 'a user''s triggers fire');
SELECT is(pg_temp.counted(9101), 6::bigint, 'and the event is counted');
DROP TRIGGER seen ON nurture.activity;
DROP TRIGGER seen ON nurture.event_key;

-- a constraint of the user's own
ALTER TABLE nurture.event_key ADD CONSTRAINT no_x CHECK (source_key <> 'x');
SELECT throws_ok('SELECT pg_temp.one(9101, $$x$$)', '23514', NULL, 'a user''s constraint holds');
ALTER TABLE nurture.event_key DROP CONSTRAINT no_x;
CREATE UNIQUE INDEX once ON nurture.event_key (source_key) WHERE source = 'web' AND source_key LIKE 'once%';
SELECT pg_temp.one(9103, 'once'), pg_temp.one(9104, 'once');
SELECT is((SELECT array_agg(lead_id) FROM nurture.event WHERE source_key = 'once'), '{9103}', 'a user''s unique index makes repetitions too');
CREATE INDEX by_time ON nurture.activity (last_event_at);
SELECT pg_temp.one(9101, 'g');
SET LOCAL enable_seqscan = off;
SELECT is((SELECT count(*) FROM nurture.activity WHERE last_event_at = '2026-06-15 12:00:00+00' AND lead_id = 9101), 1::bigint, 'a user''s index finds the row');

CREATE TEMP TABLE before AS SELECT lead_id, signals::text, topics::text, last_event_at FROM nurture.activity WHERE lead_id BETWEEN 9101 AND 9110;
SELECT count(nurture_rebuild(lead_id)) > 0 AS counted FROM before;
SELECT is((SELECT count(*) FROM before b JOIN nurture.activity a USING (lead_id)
    WHERE (b.signals, b.topics, b.last_event_at) IS DISTINCT FROM (a.signals::text, a.topics::text, a.last_event_at)), 0::bigint, 'a rebuild gives the same');
SELECT * FROM finish();
ROLLBACK;
