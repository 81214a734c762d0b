-- nurture_bi.health: each item turns when what it watches goes wrong, and
-- nurture_bi.decision_log: all that is on record, in words.
-- an index that was made and rolled back leaves its count of rows in pg_class
VACUUM nurture_part.event_default, nurture_part.audit_default;
BEGIN;
SET LOCAL client_min_messages = error;
SELECT plan(33);
CREATE FUNCTION pg_temp.turned() RETURNS SETOF text LANGUAGE sql AS $$SELECT item || ' ' || status FROM nurture_bi.health WHERE status <> 'ok' AND item NOT IN ('seal_lag', 'seal_silent') ORDER BY item$$;
CREATE FUNCTION pg_temp.status(of_item text) RETURNS text LANGUAGE sql AS $$SELECT status FROM nurture_bi.health WHERE item = of_item$$;

-- as it is after an install
SELECT is_empty($$SELECT a.attname FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid IN ('nurture_bi.health'::regclass, 'nurture_bi.decision_log'::regclass) AND (t.typcategory = 'A' OR t.typname = 'jsonb')$$, 'plain columns');
SELECT is_empty($$SELECT item FROM nurture_bi.health WHERE title IS NULL OR remedy IS NULL OR unit IS NULL OR warn IS NULL OR bad IS NULL OR status NOT IN ('ok', 'warn', 'bad')$$, 'each item has words, thresholds and a remedy');
SELECT is((SELECT count(*) FROM nurture_bi.health), (SELECT count(DISTINCT item) FROM nurture_bi.health), 'and is there once');
DELETE FROM nurture.meta WHERE key ~ '^(selfcheck|canary)';
SELECT results_eq('SELECT pg_temp.turned()', ARRAY['canary_age warn', 'selfcheck_age warn'], 'after an install nobody has looked yet');

-- self-check and canary
SELECT count(*) FROM nurture_canary() \g /dev/null
SELECT count(*) FROM nurture_selfcheck() \g /dev/null
SELECT is(pg_temp.status('canary_age') || pg_temp.status('canary_failed') || pg_temp.status('selfcheck_age'), 'okokok', 'both have run');
UPDATE nurture.meta SET value = '0' WHERE key = 'selfcheck_errors';
SELECT is_empty('SELECT pg_temp.turned()', 'and all is well');
ALTER TABLE nurture.suppression SET UNLOGGED;
SELECT count(*) FROM nurture_selfcheck() \g /dev/null
SELECT is(pg_temp.status('selfcheck_errors'), 'bad', 'what it found shows');
SELECT count(*) FROM nurture_selfcheck(true) \g /dev/null
SELECT is((SELECT value FROM nurture.meta WHERE key = 'selfcheck_errors'), (SELECT count(*)::text FROM nurture_selfcheck() WHERE severity = 'error'), 'until it is repaired');
UPDATE nurture.meta SET value = '0' WHERE key = 'selfcheck_errors';
UPDATE nurture.meta SET value = 'failed' WHERE key = 'canary';
UPDATE nurture.meta SET value = '2020-01-01T00:00:00Z' WHERE key IN ('canary_at', 'selfcheck_at');
SELECT results_eq('SELECT pg_temp.turned()', ARRAY['canary_age bad', 'canary_failed bad', 'selfcheck_age bad'], 'long ago, and failed');
UPDATE nurture.meta SET value = 'passed' WHERE key = 'canary';
UPDATE nurture.meta SET value = nurture_now()::text WHERE key IN ('canary_at', 'selfcheck_at');
SELECT is_empty('SELECT pg_temp.turned()', 'all is well again');

-- rows as they come while something stands still
CREATE FUNCTION pg_temp.turns(item text, statement text, wanted text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    said text;
BEGIN
    BEGIN
        EXECUTE statement;
        said := pg_temp.status(item);
        RAISE EXCEPTION USING ERRCODE = 'GO001';
    EXCEPTION WHEN SQLSTATE 'GO001' THEN NULL;
    END;
    RETURN NEXT is(said, wanted, item || ' turns ' || wanted);
    RETURN NEXT is(pg_temp.status(item), 'ok', 'and back');
END $$;
SET LOCAL nurture.clock = '2026-06-02T10:00:00Z';
INSERT INTO nurture.lead (lead_id, email, country, audience_type, language) VALUES (995001, 'g@example.com', 'FR', 'hcp', 'en');
SELECT nurture_opt_in(995001, 'email') \g /dev/null
SELECT nurture_add_asset('{"asset_id": "gov", "title": "T", "format": "email", "message_class": "promotional", "channels": ["email"], "markets": ["*"], "audience_types": ["*"]}') \g /dev/null
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (995001, 'email', 'gov');
UPDATE nurture.meta SET value = nurture_now()::text WHERE key IN ('canary_at', 'selfcheck_at');
SELECT pg_temp.turns('tick_error', $$INSERT INTO nurture.tick_error (lead_id, kind, at, sqlstate, message) VALUES (995001, 'enrollment', nurture_now(), 'XX000', 'test')$$, 'warn');
SELECT pg_temp.turns('event_quarantine', $$SELECT nurture_ingest('[{"external_ref": "nobody", "event_type": "page_viewed"}]')$$, 'warn');
SELECT pg_temp.turns('lead_quarantine', $$SELECT nurture_import_leads('[{"colour": "red"}]')$$, 'warn');
SELECT pg_temp.turns('review_open', $$INSERT INTO nurture.review (lead_id, bucket, scope, opened_at) VALUES (995001, 'manual_research', 'x', nurture_now() - interval '5 days')$$, 'warn');
SELECT pg_temp.turns('content_expired', $$ALTER TABLE nurture.asset_version DISABLE TRIGGER USER; UPDATE nurture.asset_version SET status = 'approved', approved_at = '2020-01-01', content_hash = '\x01', valid_during = '[2020-01-01,2021-01-01)' WHERE asset_id = 'gov'$$, 'warn');
SELECT pg_temp.turns('message_held', $$ALTER TABLE nurture.message DISABLE TRIGGER USER; UPDATE nurture.message SET status = 'held', decided_at = nurture_now() - interval '20 days' WHERE lead_id = 995001$$, 'bad');
SELECT pg_temp.turns('message_due', $$ALTER TABLE nurture.message DISABLE TRIGGER USER; UPDATE nurture.message SET status = 'queued', not_before = nurture_now() - interval '2 days' WHERE lead_id = 995001$$, 'bad');
SELECT pg_temp.turns('lease_expired', $$ALTER TABLE nurture.message DISABLE TRIGGER USER; UPDATE nurture.message SET status = 'taken', lease_until = nurture_now() - interval '2 days' WHERE lead_id = 995001$$, 'warn');
SELECT pg_temp.turns('partitions_ahead', $$SELECT set_config('nurture.clock', '2027-06-02T10:00:00Z', true); UPDATE nurture.meta SET value = nurture_now()::text WHERE key IN ('canary_at', 'selfcheck_at')$$, 'bad');

-- the log of decisions
SELECT is((SELECT count(*) FROM nurture_bi.decision_log WHERE lead_id = 995001 AND kind = 'consent'), 1::bigint, 'what a lead said');
SELECT ok((SELECT explanation ~ '[a-z]+ [a-z]+' AND reasons !~ '[{}]' FROM nurture_bi.decision_log WHERE lead_id = 995001 AND kind = 'message'), 'what was decided, with reasons in words');
SELECT ok((SELECT bool_and(simulated AND login = session_user) FROM nurture_bi.decision_log WHERE lead_id = 995001), 'under which clock, by whom');
SELECT is((SELECT count(*) FROM nurture_bi.decision_log WHERE lead_id IS NULL AND kind = 'change'), (SELECT count(*) FROM nurture.audit WHERE kind = 'change'), 'and every change of rules');
UPDATE nurture.lead SET is_test = true WHERE lead_id = 995001;
SELECT is((SELECT count(*) FROM nurture_bi.decision_log WHERE lead_id = 995001), 0::bigint, 'test leads are left out');
SELECT * FROM finish();
ROLLBACK;
