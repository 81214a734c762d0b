-- nurture_selfcheck: silent when all is well; each way to weaken what forbids
-- a message shows, and what can be put right is.
BEGIN;
SELECT plan(66);
SET LOCAL client_min_messages = error;

-- the test cluster may run with fsync off, which is a finding of its own
CREATE FUNCTION pg_temp.said() RETURNS SETOF text LANGUAGE sql AS
$$SELECT format('%s %s: %s', severity, finding, detail) FROM nurture_selfcheck() WHERE detail NOT LIKE '% is off: a crash can%' ORDER BY 1$$;
CREATE FUNCTION pg_temp.repaired() RETURNS SETOF text LANGUAGE sql AS
$$SELECT format('%s %s: %s', severity, finding, detail) FROM nurture_selfcheck(true) WHERE detail NOT LIKE '% is off: a crash can%' ORDER BY 1$$;
-- what, how it shows, whether it can be repaired
CREATE FUNCTION pg_temp.shows(statement text, shown text, repairs boolean DEFAULT true) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN NEXT results_eq('SELECT * FROM pg_temp.said()', ARRAY[shown], statement);
    IF repairs THEN
        RETURN NEXT results_eq('SELECT * FROM pg_temp.repaired()', ARRAY[shown || ' (repaired)'], 'is repaired');
        RETURN NEXT is_empty('SELECT * FROM pg_temp.said()', 'and then all is well');
    END IF;
END $$;

SELECT is_empty('SELECT * FROM pg_temp.said()', 'nothing to say about what nurture_install made');

-- triggers
SELECT pg_temp.shows('ALTER TABLE nurture.message DISABLE TRIGGER "~nurture_gate"', 'error trigger_disabled: trigger "~nurture_gate" on nurture.message is disabled');
SELECT pg_temp.shows('ALTER TABLE nurture.message ENABLE TRIGGER nurture_guard', 'warning trigger_disabled: trigger "nurture_guard" on nurture.message is enabled, but not ALWAYS');
SELECT pg_temp.shows('ALTER TABLE nurture.event ENABLE REPLICA TRIGGER nurture_annotate', 'warning trigger_disabled: trigger "nurture_annotate" on nurture.event is enabled otherwise than nurture_install does');
SELECT pg_temp.shows('DROP TRIGGER "~nurture_gate" ON nurture.message', 'error trigger_missing: trigger "~nurture_gate" on nurture.message is not there');
SELECT pg_temp.shows('DROP TRIGGER nurture_change_log ON nurture.stop_rule', 'error trigger_missing: trigger "nurture_change_log" on nurture.stop_rule is not there');
SELECT pg_temp.shows('DROP TRIGGER nurture_guard ON nurture.signal_rule', 'error trigger_missing: trigger "nurture_guard" on nurture.signal_rule is not there');
SELECT pg_temp.shows('CREATE OR REPLACE TRIGGER "~nurture_gate" BEFORE INSERT ON nurture.message FOR EACH ROW WHEN (NEW.lead_id > 0) EXECUTE FUNCTION nurture_gate_message()',
                     'error trigger_changed: trigger "~nurture_gate" on nurture.message is not the one nurture_install makes');
CREATE FUNCTION pg_temp.mine() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
SELECT pg_temp.shows('CREATE TRIGGER "~zzz" BEFORE INSERT ON nurture.message FOR EACH ROW EXECUTE FUNCTION pg_temp.mine()',
                     'error trigger_foreign: trigger "~zzz" on nurture.message calls mine and is not nurture''s; it fires after the gate', false);
DROP TRIGGER "~zzz" ON nurture.message;
SELECT pg_temp.shows('CREATE TRIGGER crm BEFORE INSERT ON nurture.lead FOR EACH ROW EXECUTE FUNCTION pg_temp.mine()',
                     'warning trigger_foreign: trigger "crm" on nurture.lead calls mine and is not nurture''s', false);
DROP TRIGGER crm ON nurture.lead;

-- tables
SELECT pg_temp.shows('CREATE RULE quiet AS ON INSERT TO nurture.consent_event DO INSTEAD NOTHING', 'error rule_foreign: rule quiet on nurture.consent_event');
SELECT pg_temp.shows('CREATE TABLE public.mine () INHERITS (nurture.message)', 'error partition_foreign: public.mine is a child of nurture.message', false);
DROP TABLE public.mine;
SELECT pg_temp.shows('CREATE TABLE public.mine PARTITION OF nurture.event FOR VALUES FROM (''1990-01-01'') TO (''1990-02-01'')',
                     'error partition_foreign: public.mine is a partition of nurture.event', false);
DROP TABLE public.mine;
SELECT pg_temp.shows('ALTER TABLE nurture.suppression SET UNLOGGED', 'error not_logged: nurture.suppression is unlogged: a crash empties it');
ALTER TABLE nurture.suppression DROP CONSTRAINT suppression_scope_check;
SELECT results_eq('SELECT regexp_replace(said, ''[0-9]+'', ''n'', ''g'') FROM pg_temp.said()',
                  ARRAY['error constraint_missing: nurture.suppression has n valid checks and n keys; nurture_install makes n and n'], 'a check is dropped');
ALTER TABLE nurture.suppression ADD CONSTRAINT suppression_scope_check CHECK (scope IN ('contact_point', 'domain', 'lead', 'account', 'lead_address'));
SELECT pg_temp.shows('DROP INDEX nurture.message_once', 'error index_missing: nurture.message_once is not there or not valid', false);
CREATE UNIQUE INDEX message_once ON nurture.message (lead_id, family, occurrence_key) WHERE status <> 'refused' AND status <> 'cancelled' AND status <> 'failed';
SELECT pg_temp.shows('ALTER TABLE nurture.document ALTER title TYPE varchar', 'error column_changed: column "title" of nurture.document has another type than nurture_install gives it', false);
ALTER TABLE nurture.document ALTER title TYPE text;

-- rights
CREATE ROLE selfcheck_role;
SELECT pg_temp.shows('GRANT INSERT, UPDATE ON nurture.message TO PUBLIC', 'error rights_public: everybody has INSERT, UPDATE on nurture.message');
SELECT pg_temp.shows('GRANT INSERT ON nurture_part.event_default TO selfcheck_role',
                     'warning rights_partition: selfcheck_role has INSERT on partition nurture_part.event_default, where no trigger of a statement fires');
SELECT pg_temp.shows('GRANT TRIGGER ON nurture.lead TO selfcheck_role',
                     'warning rights_trigger: selfcheck_role may make triggers on nurture.lead, which run with the rights of whoever writes there');
SELECT pg_temp.shows('ALTER TABLE nurture.label OWNER TO selfcheck_role', format('error owner_differs: nurture.label belongs to selfcheck_role, schema nurture to %s', current_user::text COLLATE "default"));

-- functions
SELECT pg_temp.shows('ALTER FUNCTION nurture_may_contact(bigint, text, text, text, timestamptz) SECURITY DEFINER',
                     'error function_changed: function public.nurture_may_contact(bigint,text,text,text,timestamp with time zone) is not as the extension makes it', false);
ALTER FUNCTION nurture_may_contact(bigint, text, text, text, timestamptz) SECURITY INVOKER;
CREATE SCHEMA other;
SELECT pg_temp.shows('CREATE FUNCTION other.nurture_now() RETURNS timestamptz LANGUAGE sql AS ''SELECT now()''',
                     'warning function_shadow: other.nurture_now() has the name of a function of nurture and could be called in its place', false);
DROP SCHEMA other CASCADE;

-- settings
SELECT pg_temp.shows('ALTER ROLE selfcheck_role SET session_replication_role = replica', 'warning setting_unsafe: session_replication_role=replica is set for selfcheck_role', false);
ALTER ROLE selfcheck_role RESET ALL;

-- sequences
SELECT setval('nurture.lead_lead_id_seq', 7000000) \g /dev/null
INSERT INTO nurture.lead (lead_id) VALUES (7000009);
SELECT pg_temp.shows('SELECT 2', 'error sequence_behind: nurture.lead_lead_id_seq is at 7000000, nurture.lead.lead_id at 7000009');
SELECT is(nextval('nurture.lead_lead_id_seq'), 7000010::bigint, 'goes on from there');
SELECT setval('nurture.lead_lead_id_seq', 1, false) \g /dev/null
SELECT is_empty('SELECT * FROM pg_temp.said()', 'a CRM may give all numbers of leads');

-- traces
INSERT INTO nurture.lead (lead_id) VALUES (980001), (980002);
INSERT INTO nurture.event (lead_id, event_type) VALUES (980001, 'page_viewed');
SELECT is_empty('SELECT * FROM pg_temp.said()', 'leads and events change nothing');
ALTER TABLE nurture.gate DISABLE TRIGGER USER;
DELETE FROM nurture.gate WHERE lead_id = 980002;
ALTER TABLE nurture.gate ENABLE ALWAYS TRIGGER nurture_gate_keep, ENABLE ALWAYS TRIGGER nurture_gate_keep_all;
SELECT pg_temp.shows('SELECT 1', 'error gate_missing: 1 leads have no gate row');
ALTER TABLE nurture.lead DISABLE TRIGGER USER;
DELETE FROM nurture.lead WHERE lead_id = 980001;
SELECT results_eq('SELECT * FROM pg_temp.repaired() WHERE position(''lead_seen_gone'' IN repaired) > 0',
                  ARRAY['error lead_seen_gone: activity of lead 980001 says that the lead was seen, but it is gone (repaired)'], 'a lead deleted with triggers off');
SELECT is_empty('SELECT * FROM pg_temp.said()', 'the triggers are on again, too');
INSERT INTO nurture.lead (lead_id, merged_into) VALUES (980003, 980002);
UPDATE nurture.gate SET absorbs = false WHERE lead_id = 980002;
SELECT results_eq('SELECT * FROM pg_temp.repaired() WHERE position(''gate_absorbs'' IN repaired) > 0',
                  ARRAY['error gate_absorbs: the gate row of lead 980002 does not say that others were merged into it (repaired)'], 'a gate row that does not know for whom it stands');
DELETE FROM nurture.lead WHERE lead_id = 980003;
SELECT format('INSERT INTO %s (lead_id, event_id, event_type, source, source_key) VALUES (980002, -1, ''page_viewed'', ''direct'', ''1'')', (SELECT tableoid::regclass FROM nurture.event WHERE lead_id = 980001)) AS direct \gset
:direct;
SELECT results_eq('SELECT left(said, 41) FROM pg_temp.said()', ARRAY['error event_unclaimed: 1 events with a so', 'error event_uncounted: lead 980002 has an'], 'an event written into a partition');
SELECT count(*) FROM nurture_selfcheck(true) \g /dev/null
SELECT is((SELECT nurture_tally_count(signals, 'page_viewed') FROM nurture.activity WHERE lead_id = 980002), 1::bigint, 'is counted');
SELECT cmp_ok((SELECT count(*) FROM nurture.audit WHERE kind = 'selfcheck'), '>', 10::bigint, 'repairs are on record');

-- who may
GRANT USAGE ON SCHEMA nurture TO selfcheck_role;
SET LOCAL ROLE selfcheck_role;
SELECT throws_ok('SELECT * FROM nurture_selfcheck()', '42501', 'permission denied to check nurture', 'for the owner alone');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
