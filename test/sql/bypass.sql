-- Ways around what nurture forbids, one after the other, by a role that has
-- every right on every table and by a superuser. Each is refused, has no
-- effect, or is reported by nurture_selfcheck() or nurture_audit_verify(). What
-- each does is undone before the next. gate_bypass.sql has those that go
-- through the functions, 051_prepared.pl prepared transactions,
-- 010_dump_restore.pl and 090_logical.pl what restores and replication bring.
BEGIN;
SET LOCAL client_min_messages = error;
SELECT plan(151);

-- a lead that opted out and has a refused message, and one that may be sent to
SELECT set_config('search_path', '', true) \g /dev/null
SET LOCAL row_security = off;
SET LOCAL check_function_bodies = off;
INSERT INTO nurture.asset (asset_id, family, title, format) VALUES ('way', 'way', 'way', 'email'), ('way_2', 'way_2', 'way', 'email');
INSERT INTO nurture.asset_version (asset_id, version, status, message_class, channels, languages, markets, audience_types, approved_at, content_hash) VALUES
    ('way', 1, 'approved', 'promotional', '{email}', '{en}', '{*}', '{hcp}', '2026-01-01', '\x01'), ('way_2', 1, 'draft', 'promotional', '{email}', '{en}', '{*}', '{hcp}', NULL, '\x01');
SELECT set_config('search_path', 'public', true) \g /dev/null
SET LOCAL row_security = on;
SET LOCAL check_function_bodies = on;
INSERT INTO nurture.lead (lead_id, email, country, audience_type, language, source)
    SELECT i, 'way' || i || '@example.com', 'FR', 'hcp', 'en', 'way' FROM generate_series(990001, 990002) AS i;
INSERT INTO nurture.event (lead_id, event_type, source, source_key) VALUES (990001, 'page_viewed', 'way', '1');
SELECT count(nurture_opt_in(i, 'email')) FROM generate_series(990001, 990002) AS i \g /dev/null
SELECT nurture_opt_out(990001, '*') \g /dev/null
SELECT nurture_suppress('lead', '990001', 'asked') \g /dev/null
INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) VALUES (990001, 'email', 'way', 'first'), (990002, 'email', 'way', 'first');
INSERT INTO nurture.team (team, title, calendar) VALUES ('way', 'Test team', 'office');
INSERT INTO nurture.route (route, title) VALUES ('way', 'all');
INSERT INTO nurture.route_version (route, version, priority, condition, team, sla_accept, sla_first_response, offer_expires, attempts_max)
    VALUES ('way', 1, 0, '{"fact": "source", "op": "=", "value": "way"}', 'way', '8 hours', '16 hours', '24 hours', 3);
SELECT nurture_publish('route', 'way', 1, 'test') \g /dev/null
SELECT nurture_route(990002) IS NOT NULL AS routed \g /dev/null
SELECT nurture_enroll(990002, 'education', 'test') IS NOT NULL AS enrolled \g /dev/null
SELECT nurture_audit_seal() \g /dev/null
CREATE ROLE bypass_writer;
CREATE ROLE bypass_other;
CREATE SCHEMA bypass_other;
GRANT USAGE ON SCHEMA nurture, nurture_bi TO bypass_writer;
GRANT ALL ON ALL TABLES IN SCHEMA nurture TO bypass_writer;
GRANT CREATE ON SCHEMA public TO bypass_writer;
-- a trigger of its own is a way that a right of its own gives
REVOKE TRIGGER ON ALL TABLES IN SCHEMA nurture FROM bypass_writer;

CREATE TEMP TABLE known (finding text);
-- what is found beside what is known; the trail is asked when the self-check has nothing to say
CREATE FUNCTION pg_temp.findings() RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY SELECT finding || ' ' || detail FROM public.nurture_selfcheck() WHERE finding || ' ' || detail NOT IN (SELECT k.finding FROM known k);
    IF FOUND THEN RETURN; END IF;
    BEGIN
        RETURN QUERY SELECT class || ' ' || coalesce(detail, '') || coalesce(audit_id::text, '') FROM public.nurture_audit_verify() WHERE severity = 'error';
    EXCEPTION WHEN undefined_column OR undefined_table THEN
        RETURN NEXT 'unverifiable ' || SQLERRM;
    END;
END $$;
INSERT INTO known SELECT pg_temp.findings();
SELECT is_empty('SELECT finding FROM known WHERE finding !~ ''(fsync|full_page_writes) is off|^rule_unlogged .* nurture.asset|^sequence_behind nurture.lead_lead_id_seq''', 'nothing is found before, but the content that came as a restore brings it');
-- what was written to be sent in spite of all that the lead said
CREATE FUNCTION pg_temp.got_through() RETURNS boolean LANGUAGE sql AS
$$SELECT EXISTS (SELECT FROM nurture.message m WHERE m.lead_id = 990001 AND m.status NOT IN ('refused', 'cancelled'))$$;
CREATE TEMP TABLE ways (n integer GENERATED ALWAYS AS IDENTITY, what text, ended text);
GRANT ALL ON ways TO bypass_writer;

/*
 * Tries one way. wanted begins with refused and a SQLSTATE, with reported and a
 * finding, or is nothing: then the way ran without effect, and harmless says so
 * beside that no message got through.
 */
CREATE FUNCTION pg_temp.way(as_role text, what text, statements text, wanted text, harmless text DEFAULT 'true') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    ended text;
    found text[];
    fine boolean;
BEGIN
    BEGIN
        IF as_role <> '' THEN EXECUTE format('SET LOCAL ROLE %I', as_role); END IF;
        EXECUTE statements;
        RESET ROLE;
        SET LOCAL search_path = public;
        SET CONSTRAINTS ALL IMMEDIATE;
        IF wanted <> 'nothing' THEN
            SELECT array_agg(DISTINCT split_part(f, ' ', 1)) INTO found FROM pg_temp.findings() f;
        END IF;
        EXECUTE 'SELECT (' || harmless || ') AND NOT pg_temp.got_through()' INTO fine;
        RAISE EXCEPTION USING ERRCODE = 'BY001';
    EXCEPTION WHEN OTHERS THEN
        ended := CASE WHEN SQLSTATE <> 'BY001' THEN 'refused ' || SQLSTATE
                      WHEN found IS NOT NULL THEN 'reported ' || array_to_string(found, ' ')
                      WHEN fine THEN 'nothing' ELSE 'GOT THROUGH' END;
    END;
    RESET ROLE;
    INSERT INTO ways (what, ended) VALUES (what, ended);
    RETURN ok(ended = wanted OR ended LIKE 'reported %' AND split_part(wanted, ' ', 1) = 'reported' AND split_part(wanted, ' ', 2) = ANY (string_to_array(ended, ' ')),
              format('%s. %s: %s', (SELECT max(n) FROM ways), what, wanted))
        || CASE WHEN ended <> wanted AND NOT (wanted LIKE 'reported %' AND split_part(wanted, ' ', 2) = ANY (string_to_array(ended, ' '))) THEN ' [' || ended || ']' ELSE '' END;
END $$;
CREATE FUNCTION pg_temp.writer(what text, statements text, wanted text, harmless text DEFAULT 'true') RETURNS text LANGUAGE sql AS $$SELECT pg_temp.way('bypass_writer', what, statements, wanted, harmless)$$;
CREATE FUNCTION pg_temp.super(what text, statements text, wanted text, harmless text DEFAULT 'true') RETURNS text LANGUAGE sql AS $$SELECT pg_temp.way('', what, statements, wanted, harmless)$$;
SELECT ok(NOT pg_temp.got_through(), 'the lead has opted out and was refused');

-- messages, by whoever may write the table
SELECT pg_temp.writer('a message that says it is queued', $$INSERT INTO nurture.message (lead_id, channel, asset_id, status, occurrence_key) VALUES (990001, 'email', 'way', 'queued', 'x')$$, 'nothing');
SELECT pg_temp.writer('one that says it was taken', $$INSERT INTO nurture.message (lead_id, channel, asset_id, status, taken_at, taken_by, occurrence_key) VALUES (990001, 'email', 'way', 'taken', now(), 'w', 'x')$$, 'refused NU009');
SELECT pg_temp.writer('one with a decision of its own', $$INSERT INTO nurture.message (lead_id, channel, asset_id, decision, decided_at, occurrence_key) VALUES (990001, 'email', 'way', '{"verdict": "allow"}', now(), 'x')$$, 'refused NU009');
SELECT pg_temp.writer('a message_id and gate_seq of its own', $$INSERT INTO nurture.message (lead_id, message_id, gate_seq, channel, asset_id, occurrence_key) OVERRIDING SYSTEM VALUE VALUES (990001, -7, 1, 'email', 'way', 'x')$$, 'refused NU009', 'NOT EXISTS (SELECT FROM nurture.message WHERE message_id = -7)');
SELECT pg_temp.writer('a message class of its own', $$INSERT INTO nurture.message (lead_id, channel, asset_id, message_class, occurrence_key) VALUES (990001, 'email', 'way', 'operational', 'x')$$, 'refused NU009');
SELECT pg_temp.writer('a purpose of its own', $$INSERT INTO nurture.message (lead_id, channel, asset_id, purpose, occurrence_key) VALUES (990001, 'email', 'way', 'service', 'x')$$, 'nothing');
SELECT pg_temp.writer('a version that is not approved', $$INSERT INTO nurture.message (lead_id, channel, asset_id, version, occurrence_key) VALUES (990002, 'email', 'way_2', 1, 'x')$$, 'nothing', $$NOT EXISTS (SELECT FROM nurture.message WHERE asset_id = 'way_2' AND status <> 'refused')$$);
SELECT pg_temp.writer('the same message twice', $$INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) VALUES (990002, 'email', 'way', 'first')$$, 'nothing', $$(SELECT count(*) FROM nurture.message WHERE lead_id = 990002 AND occurrence_key = 'first' AND status = 'queued') = 1$$);
SELECT pg_temp.writer('MERGE that inserts', $$MERGE INTO nurture.message m USING (VALUES (990001::bigint)) v (id) ON m.lead_id = v.id AND m.status = 'sent' WHEN NOT MATCHED THEN INSERT (lead_id, channel, asset_id, status, occurrence_key) VALUES (v.id, 'email', 'way', 'queued', 'x')$$, 'nothing');
SELECT pg_temp.writer('MERGE that updates', $$MERGE INTO nurture.message m USING (VALUES (990001::bigint)) v (id) ON m.lead_id = v.id WHEN MATCHED THEN UPDATE SET status = 'queued'$$, 'refused NU008');
SELECT pg_temp.writer('an upsert', $$INSERT INTO nurture.message (lead_id, message_id, channel, asset_id, occurrence_key) OVERRIDING SYSTEM VALUE SELECT lead_id, message_id, channel, asset_id, 'x' FROM nurture.message WHERE lead_id = 990001 ON CONFLICT (lead_id, message_id) DO UPDATE SET status = 'queued'$$, 'refused NU008');
SELECT pg_temp.writer('an update in WITH', $$WITH m AS (INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) VALUES (990001, 'email', 'way', 'x') RETURNING message_id) UPDATE nurture.message SET status = 'queued' WHERE lead_id = 990001 AND status = 'refused'$$, 'refused NU008');
SELECT pg_temp.writer('UPDATE of the status', $$UPDATE nurture.message SET status = 'queued' WHERE lead_id = 990001$$, 'refused NU008');
SELECT pg_temp.writer('UPDATE of the lead', $$UPDATE nurture.message SET lead_id = 990001 WHERE lead_id = 990002$$, 'refused NU008');
SELECT pg_temp.writer('UPDATE of the asset', $$UPDATE nurture.message SET asset_id = 'way_2' WHERE lead_id = 990002$$, 'refused NU008');
SELECT pg_temp.writer('UPDATE of the decision', $$UPDATE nurture.message SET decision = '{}', reasons = '{}' WHERE lead_id = 990001$$, 'refused NU008');
SELECT pg_temp.writer('DELETE of a refusal', $$DELETE FROM nurture.message WHERE lead_id = 990001$$, 'refused NU008');
SELECT pg_temp.writer('TRUNCATE of messages', $$TRUNCATE nurture.message$$, 'refused NU008');
SELECT pg_temp.writer('an insert through a view', $$INSERT INTO nurture_bi.message_log (lead_id, status) VALUES (990001, 'queued')$$, 'refused 55000');
SELECT pg_temp.writer('half of what a dump begins with', $$SELECT set_config('search_path', '', true); SET LOCAL row_security = off; SET LOCAL check_function_bodies = off; INSERT INTO nurture.message (lead_id, channel, asset_id, status, decision, decided_at, occurrence_key) VALUES (990001, 'email', 'way', 'queued', '{}', now(), 'x'); SELECT set_config('search_path', 'public', true)$$, 'refused NU009');
SELECT pg_temp.writer('session_replication_role', $$SET LOCAL session_replication_role = replica$$, 'refused 42501');
SELECT pg_temp.super('session_replication_role by a superuser', $$SET LOCAL session_replication_role = replica; INSERT INTO nurture.message (lead_id, channel, asset_id, status, occurrence_key) VALUES (990001, 'email', 'way', 'queued', 'x')$$, 'nothing');

-- what the gate decides by
SELECT pg_temp.writer('UPDATE of a withdrawal', $$UPDATE nurture.consent_event SET kind = 'given' WHERE lead_id = 990001$$, 'refused NU008');
SELECT pg_temp.writer('DELETE of a withdrawal', $$DELETE FROM nurture.consent_event WHERE lead_id = 990001$$, 'refused NU008');
SELECT pg_temp.writer('TRUNCATE of consent', $$TRUNCATE nurture.consent_event CASCADE$$, 'refused NU008');
SELECT pg_temp.writer('a grant dated before the withdrawal', $$INSERT INTO nurture.consent_event (lead_id, channel, kind, occurred_at) VALUES (990001, 'email', 'given', '2020-01-01'); INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) VALUES (990001, 'email', 'way', 'x')$$, 'nothing');
SELECT pg_temp.writer('UPDATE of the state of consent', $$UPDATE nurture.consent SET state = 'given' WHERE lead_id = 990001$$, 'refused NU008');
SELECT pg_temp.writer('a state of consent without an event', $$INSERT INTO nurture.consent (lead_id, channel, purpose, state, since, consent_event_id) VALUES (990001, 'sms', 'marketing', 'given', now(), 1)$$, 'refused NU008');
SELECT pg_temp.writer('DELETE of a state of consent', $$DELETE FROM nurture.consent WHERE lead_id = 990001$$, 'refused NU008');
SELECT pg_temp.writer('DELETE of the gate row', $$DELETE FROM nurture.gate WHERE lead_id = 990001$$, 'refused NU008');
SELECT pg_temp.writer('TRUNCATE of gate rows', $$TRUNCATE nurture.gate$$, 'refused NU008');
SELECT pg_temp.writer('a gate row that says nothing any more', $$UPDATE nurture.gate SET denied = 0, suppressed = false, stopped_until = NULL WHERE lead_id = 990001; INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) VALUES (990001, 'email', 'way', 'x')$$, 'nothing');
SELECT pg_temp.writer('TRUNCATE of leads', $$TRUNCATE nurture.lead CASCADE$$, 'refused NU008');
SELECT pg_temp.writer('the lead deleted and made again', $$DELETE FROM nurture.lead WHERE lead_id = 990001; INSERT INTO nurture.lead (lead_id, email, country, audience_type, language) VALUES (990001, 'way990001@example.com', 'FR', 'hcp', 'en'); INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) VALUES (990001, 'email', 'way', 'x')$$, 'nothing');
SELECT pg_temp.writer('approval by UPDATE', $$UPDATE nurture.asset_version SET status = 'approved' WHERE asset_id = 'way_2'$$, 'refused NU007');
SELECT pg_temp.writer('other content under an approval', $$UPDATE nurture.asset_version SET uri = 'https://example.com/other' WHERE asset_id = 'way'$$, 'refused NU006');
SELECT pg_temp.writer('a published rule changed', $$UPDATE nurture.signal_rule SET points = points + 1 WHERE version = 1$$, 'refused NU006');
SELECT pg_temp.writer('a published version taken away', $$DELETE FROM nurture.model_version WHERE version = 1$$, 'refused NU006');
SELECT pg_temp.writer('another author for a version', $$UPDATE nurture.model_version SET author = 'somebody' WHERE version = 1$$, 'refused NU007');
SELECT pg_temp.writer('a hand-off moved by UPDATE', $$UPDATE nurture.handoff SET state = 'converted' WHERE lead_id = 990002$$, 'refused NU008');
SELECT pg_temp.writer('a hand-off made by INSERT', $$INSERT INTO nurture.handoff (lead_id, product, lane, route, version, team, state, method, priority, created_at) SELECT 990001, product, lane, route, version, team, state, method, priority, created_at FROM nurture.handoff WHERE lead_id = 990002$$, 'refused NU008');
SELECT pg_temp.writer('an enrolment moved by UPDATE', $$UPDATE nurture.enrollment SET step_no = 1, next_due_at = now() WHERE lead_id = 990002$$, 'refused NU009');

-- what is on record
SELECT pg_temp.writer(format('UPDATE of %s', t), format('UPDATE nurture.%I SET %I = %2$I', t, c), 'refused NU008') FROM (VALUES ('audit', 'outcome'), ('seal', 'entries'), ('change_log', 'reason'), ('incarnation', 'timeline')) AS x (t, c);
SELECT pg_temp.writer(format('DELETE from %s', t), format('DELETE FROM nurture.%I', t), 'refused NU008') FROM unnest('{audit,seal,change_log,incarnation}'::text[]) AS t;
SELECT pg_temp.writer(format('TRUNCATE of %s', t), format('TRUNCATE nurture.%I', t), 'refused NU008') FROM unnest('{audit,seal,change_log,incarnation}'::text[]) AS t;
SELECT pg_temp.writer('an entry written by hand', $$INSERT INTO nurture.audit SELECT * FROM nurture.audit LIMIT 1$$, 'refused NU008');
SELECT pg_temp.writer('a seal written by hand', $$INSERT INTO nurture.seal SELECT * FROM nurture.seal LIMIT 1$$, 'refused NU008');
SELECT pg_temp.writer('a change log entry written by hand', $$INSERT INTO nurture.change_log (table_name, operation, at, simulated) VALUES ('model', 'UPDATE', now(), false)$$, 'refused NU008');
SELECT pg_temp.writer('a partition of the trail', $$SELECT 1 FROM nurture_part.audit_default$$, 'refused 42501');
SELECT pg_temp.super('UPDATE of an entry with triggers off', $$ALTER TABLE nurture.audit DISABLE TRIGGER USER; UPDATE nurture.audit SET outcome = 'queued' WHERE lead_ref = 990001 AND kind = 'message'; ALTER TABLE nurture.audit ENABLE ALWAYS TRIGGER nurture_append_only, ENABLE ALWAYS TRIGGER nurture_append_only_all$$, 'reported forged');
SELECT pg_temp.super('DELETE of an entry in its partition, as a replica', $$ALTER TABLE nurture.audit DISABLE TRIGGER ALL; DELETE FROM nurture.audit WHERE lead_ref = 990001 AND kind = 'message'$$, 'reported trigger_disabled');
SELECT pg_temp.super('session_replication_role for the trail', $$SET LOCAL session_replication_role = replica; DELETE FROM nurture.audit WHERE lead_ref = 990001$$, 'refused NU008');
SELECT pg_temp.super('an entry put into a partition', $$INSERT INTO nurture_part.audit_default SELECT a.* FROM nurture.audit a LIMIT 1$$, 'refused 23514');
SELECT pg_temp.super('a partition of the trail detached', $way$DO $d$DECLARE p regclass; BEGIN SELECT tableoid INTO p FROM nurture.audit LIMIT 1; EXECUTE format('ALTER TABLE nurture.audit DETACH PARTITION %s', p); END $d$ $way$, 'reported partition_detached');

-- settings
SELECT pg_temp.writer(format('setting nurture.%s', s), format('SET LOCAL nurture.%s = %L', s, v), 'refused 42501') FROM (VALUES ('clock', '2020-01-01T00:00:00Z'), ('two_person_rule', 'off'), ('pooled_logins', 'on'), ('horizon_days', '3650'), ('react_within', '0')) AS x (s, v);
SELECT pg_temp.writer('setting nurture.pepper_file', $$SET LOCAL nurture.pepper_file = '/dev/null'$$, 'refused 55P02');
SELECT pg_temp.writer('a setting nobody made', $$SET LOCAL nurture.gate = off$$, 'refused 42602');
SELECT pg_temp.writer('a profile for itself', $$SELECT public.nurture_grant_access('bypass_writer', 'admin')$$, 'refused 42501');
SELECT pg_temp.super('session_replication_role for a role', $$ALTER ROLE bypass_other SET session_replication_role = replica$$, 'reported setting_unsafe');
SELECT pg_temp.super('a clock for a role', $$ALTER ROLE bypass_other SET nurture.clock = '2020-01-01T00:00:00Z'$$, 'reported setting_unsafe');
SELECT pg_temp.super('commits that a crash may take back', $$ALTER ROLE bypass_other SET synchronous_commit = off$$, 'reported setting_unsafe');

-- triggers and rules
CREATE FUNCTION pg_temp.queue_it() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.status := 'queued'; NEW.reasons := '{}'; RETURN NEW; END$$;
CREATE FUNCTION pg_temp.drop_it() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$;
SELECT pg_temp.writer('a trigger without the right', $$CREATE TRIGGER mine BEFORE INSERT ON nurture.message FOR EACH ROW EXECUTE FUNCTION pg_temp.queue_it()$$, 'refused 42501');
SELECT pg_temp.writer('a rule without the right', $$CREATE RULE mine AS ON INSERT TO nurture.consent_event DO INSTEAD NOTHING$$, 'refused 42501');
SELECT pg_temp.writer('a trigger of nurture on a table of its own', $$CREATE TEMP TABLE mine (lead_id bigint); CREATE TRIGGER mine AFTER INSERT ON mine REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.nurture_gate_lead(); INSERT INTO mine VALUES (990001)$$, 'refused 42501');
SELECT pg_temp.super('a trigger that is later by name', $$CREATE TRIGGER "~zzz" BEFORE INSERT ON nurture.message FOR EACH ROW EXECUTE FUNCTION pg_temp.queue_it(); INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) VALUES (990001, 'email', 'way', 'x')$$, 'refused NU009');
SELECT pg_temp.super('that trigger, kept for later', $$CREATE TRIGGER "~zzz" BEFORE INSERT ON nurture.message FOR EACH ROW EXECUTE FUNCTION pg_temp.queue_it()$$, 'reported trigger_foreign');
SELECT pg_temp.super('a trigger on a partition', $$CREATE TRIGGER mine BEFORE INSERT ON nurture_part.event_default FOR EACH ROW EXECUTE FUNCTION pg_temp.drop_it()$$, 'reported trigger_foreign');
SELECT pg_temp.super('the gate disabled', $$ALTER TABLE nurture.message DISABLE TRIGGER "~nurture_gate"$$, 'reported trigger_disabled');
SELECT pg_temp.super('the gate disabled in the catalog', $$SET LOCAL allow_system_table_mods = on; UPDATE pg_trigger SET tgenabled = 'D' WHERE tgname = '~nurture_gate'$$, 'reported trigger_disabled');
SELECT pg_temp.super('a message while the gate was off', $$ALTER TABLE nurture.message DISABLE TRIGGER USER; INSERT INTO nurture.message (lead_id, channel, asset_id, status, requested_at, not_before) VALUES (990001, 'email', 'way', 'queued', now(), now()); ALTER TABLE nurture.message ENABLE ALWAYS TRIGGER "~nurture_gate"$$, 'reported message_undecided');
SELECT pg_temp.super('the gate dropped', $$DROP TRIGGER "~nurture_gate" ON nurture.message$$, 'reported trigger_missing');
SELECT pg_temp.super('the gate renamed', $$ALTER TRIGGER "~nurture_gate" ON nurture.message RENAME TO aaa$$, 'reported trigger_missing');
SELECT pg_temp.super('the gate for some leads', $$CREATE OR REPLACE TRIGGER "~nurture_gate" BEFORE INSERT ON nurture.message FOR EACH ROW WHEN (NEW.lead_id > 990001) EXECUTE FUNCTION public.nurture_gate_message()$$, 'reported trigger_changed');
SELECT pg_temp.super('guards that a replica skips', $$ALTER TABLE nurture.message ENABLE TRIGGER nurture_guard$$, 'reported trigger_disabled');
SELECT pg_temp.super('a rule that swallows opt-outs', $$CREATE RULE quiet AS ON INSERT TO nurture.consent_event DO INSTEAD NOTHING$$, 'reported rule_foreign');
SELECT pg_temp.super('a rule on a partition', $$CREATE RULE quiet AS ON INSERT TO nurture_part.event_default DO INSTEAD NOTHING$$, 'reported rule_foreign');
CREATE FUNCTION pg_temp.at_end() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN END$$;
SELECT pg_temp.super('a rule on a view', $$CREATE RULE also AS ON INSERT TO nurture_bi.message_log DO INSTEAD UPDATE nurture.message SET channel = 'email' WHERE false$$, 'reported rule_foreign');
SELECT pg_temp.super('a trigger instead of a view', $$CREATE TRIGGER mine INSTEAD OF INSERT ON nurture_bi.message_log FOR EACH ROW EXECUTE FUNCTION pg_temp.drop_it()$$, 'reported trigger_foreign');
SELECT pg_temp.super('a rule with a condition', $$CREATE RULE sometimes AS ON UPDATE TO nurture.gate WHERE OLD.lead_id = 990001 DO INSTEAD NOTHING$$, 'reported rule_foreign');
SELECT pg_temp.super('a rule that does more', $$CREATE RULE more AS ON INSERT TO nurture.suppression DO ALSO DELETE FROM nurture.suppression$$, 'reported rule_foreign');
SELECT pg_temp.super('a rule that a replica has', $$CREATE RULE quiet AS ON INSERT TO nurture.consent_event DO INSTEAD NOTHING; ALTER TABLE nurture.consent_event ENABLE REPLICA RULE quiet$$, 'reported rule_foreign');
SELECT pg_temp.writer('an event trigger without the right', $$CREATE EVENT TRIGGER mine ON ddl_command_end EXECUTE FUNCTION pg_temp.at_end()$$, 'refused 42501');
SELECT pg_temp.super('an event trigger that is always on', $$CREATE EVENT TRIGGER mine ON sql_drop EXECUTE FUNCTION pg_temp.at_end(); ALTER EVENT TRIGGER mine ENABLE ALWAYS$$, 'reported event_trigger');
SELECT pg_temp.super('an event trigger', $$CREATE EVENT TRIGGER mine ON ddl_command_end EXECUTE FUNCTION pg_temp.at_end()$$, 'reported event_trigger');
SELECT pg_temp.super('a rule changed while its log was off', $$ALTER TABLE nurture.consent_policy DISABLE TRIGGER USER; UPDATE nurture.consent_policy SET rule = 'opt_out'; ALTER TABLE nurture.consent_policy ENABLE ALWAYS TRIGGER nurture_invalidate, ENABLE ALWAYS TRIGGER nurture_invalidate_row, ENABLE TRIGGER nurture_change_log$$, 'reported rule_unlogged');

-- functions, and what stands before them
SELECT pg_temp.super('the gate function replaced', $$CREATE OR REPLACE FUNCTION public.nurture_gate_message() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'$$, 'reported function_changed');
SELECT pg_temp.super('a function that runs another', $$CREATE OR REPLACE FUNCTION public.nurture_gate_message() RETURNS trigger LANGUAGE c AS 'nurture', 'nurture_invalidate'$$, 'reported function_changed');
SELECT pg_temp.super('a function with its owner''s rights', $$ALTER FUNCTION public.nurture_score(bigint) SECURITY DEFINER$$, 'reported function_changed');
SELECT pg_temp.super('a function with a search path', $$ALTER FUNCTION public.nurture_score(bigint) SET search_path = bypass_other$$, 'reported function_changed');
SELECT pg_temp.super('a function of that name earlier in the path', $$CREATE FUNCTION bypass_other.nurture_now() RETURNS timestamptz LANGUAGE sql AS 'SELECT now()'$$, 'reported function_shadow');
SELECT pg_temp.writer('a function that fits better', $$CREATE FUNCTION public.nurture_score(integer) RETURNS numeric LANGUAGE sql AS 'SELECT 1000.0'$$, 'reported function_shadow');
SELECT pg_temp.writer('temporary tables of those names', $$CREATE TEMP TABLE consent (lead_id bigint); CREATE TEMP TABLE message (lead_id bigint); CREATE TEMP TABLE suppression (scope text); INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) VALUES (990001, 'email', 'way', 'x')$$, 'nothing');
SELECT pg_temp.writer('operators earlier in the path', $$CREATE FUNCTION public.never(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT false'; CREATE OPERATOR public.= (LEFTARG = text, RIGHTARG = text, FUNCTION = public.never); SET LOCAL search_path = public, pg_catalog; INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) VALUES (990001, 'email', 'way', 'x')$$, 'nothing');
SELECT pg_temp.super('functions of the server earlier in the path', $$CREATE FUNCTION bypass_other.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT ''2000-01-01''::timestamptz'; CREATE FUNCTION bypass_other.count(anyelement) RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint'; SET LOCAL search_path = bypass_other, public, pg_catalog; INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) VALUES (990001, 'email', 'way', 'x')$$, 'nothing');
SELECT pg_temp.super('a cast of its own', $$CREATE FUNCTION bypass_other.yes(text) RETURNS boolean LANGUAGE sql AS 'SELECT true'; CREATE CAST (text AS boolean) WITH FUNCTION bypass_other.yes(text) AS IMPLICIT; INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) VALUES (990001, 'email', 'way', 'x')$$, 'nothing');
SELECT pg_temp.writer('a session setting that makes queries fail', $$SET LOCAL enable_indexscan = off; SET LOCAL enable_seqscan = off; SET LOCAL work_mem = '64kB'; SET LOCAL jit = on; INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) VALUES (990001, 'email', 'way', 'x')$$, 'nothing');

-- tables
SELECT pg_temp.super('rows put into a partition of events', $way$DO $d$DECLARE p regclass; BEGIN SELECT tableoid INTO p FROM nurture.event WHERE lead_id = 990001; EXECUTE format('INSERT INTO %s (lead_id, event_id, event_type, source, source_key) VALUES (990001, -1, ''page_viewed'', ''direct'', ''1'')', p); END $d$ $way$, 'reported event_unclaimed');
SELECT pg_temp.super('a partition of its own', $$CREATE TABLE bypass_other.mine PARTITION OF nurture.event FOR VALUES FROM ('1990-01-01') TO ('1990-02-01')$$, 'reported partition_foreign');
SELECT pg_temp.super('a table attached to the trail', $$CREATE TABLE bypass_other.mine (LIKE nurture.audit INCLUDING ALL EXCLUDING IDENTITY); INSERT INTO bypass_other.mine SELECT * FROM nurture.audit LIMIT 1; UPDATE bypass_other.mine SET at = '1990-01-15', audit_id = -5; ALTER TABLE nurture.audit ATTACH PARTITION bypass_other.mine FOR VALUES FROM ('1990-01-01') TO ('1990-02-01')$$, 'reported partition_foreign');
SELECT pg_temp.super('a child of messages', $$CREATE TABLE bypass_other.mine () INHERITS (nurture.message)$$, 'reported partition_foreign');
SELECT pg_temp.super('ALTER TYPE USING', $$ALTER TABLE nurture.message DROP CONSTRAINT message_status_check; ALTER TABLE nurture.message ALTER status TYPE varchar USING 'queued'$$, 'refused 0A000');
SELECT pg_temp.super('ALTER TYPE to the same type USING', $$ALTER TABLE nurture.message ALTER outcome TYPE text USING 'delivered', ALTER reasons TYPE text[] USING '{}'$$, 'refused 0A000');
SELECT pg_temp.super('a column dropped', $$ALTER TABLE nurture.message DROP COLUMN decision CASCADE$$, 'reported column_missing');
SELECT pg_temp.super('a check dropped', $$ALTER TABLE nurture.suppression DROP CONSTRAINT suppression_scope_check$$, 'reported constraint_missing');
SELECT pg_temp.super('a check that lets everything through', $$ALTER TABLE nurture.suppression DROP CONSTRAINT suppression_scope_check, ADD CONSTRAINT suppression_scope_check CHECK (true)$$, 'reported constraint_changed');
SELECT pg_temp.super('a column that may be null', $$ALTER TABLE nurture.message ALTER status DROP NOT NULL$$, 'reported column_changed');
SELECT pg_temp.super('another default', $$ALTER TABLE nurture.consent_event ALTER channel SET DEFAULT 'fax'$$, 'reported default_changed');
SELECT pg_temp.super('a default with a function of its own', $$CREATE FUNCTION bypass_other.mine() RETURNS timestamptz LANGUAGE sql AS 'SELECT ''2000-01-01''::timestamptz'; ALTER TABLE nurture.consent_event ALTER recorded_at SET DEFAULT bypass_other.mine()$$, 'reported default_changed');
SELECT pg_temp.super('a generated column that is not', $$ALTER TABLE nurture.lead ALTER email_known DROP EXPRESSION$$, 'reported column_changed');
SELECT pg_temp.super('an identity that is not', $$ALTER TABLE nurture.message ALTER message_id DROP IDENTITY$$, 'reported column_changed');
SELECT pg_temp.super('numbers that come again', $$ALTER TABLE nurture.message ALTER message_id RESTART WITH 1$$, 'reported sequence_behind');
SELECT pg_temp.super('the index against doubles dropped', $$DROP INDEX nurture.message_once$$, 'reported index_missing');
SELECT pg_temp.super('a table that a crash empties', $$ALTER TABLE nurture.suppression SET UNLOGGED$$, 'reported not_logged');
SELECT pg_temp.super('a table renamed', $$ALTER TABLE nurture.tick_error RENAME TO other$$, 'reported table_missing');
SELECT pg_temp.super('another owner', $$ALTER TABLE nurture.suppression OWNER TO bypass_other$$, 'reported owner_differs');
SELECT pg_temp.super('rights for everybody', $$GRANT DELETE ON nurture.suppression TO PUBLIC$$, 'reported rights_public');
SELECT pg_temp.super('rights on a partition', $$GRANT INSERT ON nurture_part.event_default TO bypass_other$$, 'reported rights_partition');
SELECT pg_temp.super('the right to make triggers', $$GRANT TRIGGER ON nurture.message TO bypass_other$$, 'reported rights_trigger');
SELECT pg_temp.super('opt-outs hidden from the owner', $$ALTER TABLE nurture.suppression ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; CREATE POLICY none ON nurture.suppression USING (false)$$, 'reported rows_forced');
SELECT pg_temp.super('a view with its owner''s rights', $$ALTER VIEW nurture_bi.lead_overview SET (security_invoker = false)$$, 'reported view_changed');
SELECT pg_temp.super('a view that shows more', $$DO $do$BEGIN EXECUTE format('CREATE OR REPLACE VIEW nurture_bi.audit_lag WITH (security_invoker) AS SELECT * FROM (%s) AS v LIMIT 1', rtrim(pg_get_viewdef('nurture_bi.audit_lag'::regclass), ';')); END$do$ $$, 'reported view_changed');
SELECT pg_temp.super('a security label', $$SECURITY LABEL ON TABLE nurture.message IS 'open'$$, 'refused 22023');
SELECT pg_temp.super('a security label that was there before its module', $$SET LOCAL allow_system_table_mods = on; INSERT INTO pg_seclabel (objoid, classoid, objsubid, provider, label) VALUES ('nurture.message'::regclass, 'pg_class'::regclass, 0, 'selinux', 'open')$$, 'reported security_label');
SELECT pg_temp.super('one on a function', $$SET LOCAL allow_system_table_mods = on; INSERT INTO pg_seclabel (objoid, classoid, objsubid, provider, label) VALUES ('public.nurture_gate_message()'::regprocedure, 'pg_proc'::regclass, 0, 'selinux', 'open')$$, 'reported security_label');

-- what goes to other servers, and comes from them
SELECT pg_temp.writer('a publication without the right', $$CREATE PUBLICATION mine FOR TABLE nurture.suppression$$, 'refused 42501');
SELECT pg_temp.super('a publication that leaves rows out', $$CREATE PUBLICATION mine FOR TABLE nurture.suppression WHERE (scope = 'none') WITH (publish = 'insert')$$, 'reported publication_partial', $$(SELECT count(*) FROM nurture.suppression) > 0$$);
SELECT pg_temp.super('one that leaves columns out', $$CREATE PUBLICATION mine FOR TABLE nurture.consent_event (lead_id, consent_event_id)$$, 'reported publication_partial');
SELECT pg_temp.super('one that tells of no deletion', $$CREATE PUBLICATION mine FOR TABLE nurture.lead WITH (publish = 'insert, update')$$, 'reported publication_partial');
SELECT pg_temp.super('one of everything, which is none', $$CREATE PUBLICATION mine FOR TABLES IN SCHEMA nurture$$, 'nothing');
SELECT pg_temp.writer('a subscription without the right', $$CREATE SUBSCRIPTION mine CONNECTION 'dbname=nowhere' PUBLICATION other WITH (connect = false)$$, 'refused 42501');
SELECT pg_temp.super('a subscription that brings what it likes', $$CREATE SUBSCRIPTION mine CONNECTION 'dbname=nowhere' PUBLICATION other WITH (connect = false, slot_name = NONE)$$, 'reported subscription');
SELECT pg_temp.super('one that is known to write messages', $$CREATE SUBSCRIPTION mine CONNECTION 'dbname=nowhere' PUBLICATION other WITH (connect = false, slot_name = NONE); SET LOCAL allow_system_table_mods = on; INSERT INTO pg_subscription_rel (srsubid, srrelid, srsubstate, srsublsn) SELECT oid, 'nurture.message'::regclass, 'r', NULL FROM pg_subscription WHERE subname = 'mine'$$, 'reported subscription');

-- COPY is no statement of a function
SAVEPOINT copying;
SET LOCAL ROLE bypass_writer;
COPY nurture.message (lead_id, channel, asset_id, status, occurrence_key) FROM STDIN;
990001	email	way	queued	copied
\.
RESET ROLE;
INSERT INTO ways (what, ended) SELECT 'COPY', string_agg(status, ' ') FROM nurture.message WHERE occurrence_key = 'copied';
SELECT is((SELECT ended FROM ways ORDER BY n DESC LIMIT 1), 'refused', format('%s. COPY of a message that says it is queued: nothing', (SELECT max(n) FROM ways)));

SELECT is_empty($$SELECT what FROM ways WHERE ended = 'GOT THROUGH'$$, 'none got through');
SELECT is_empty($$SELECT pg_temp.findings()$$, 'and all is as it was');
SELECT cmp_ok((SELECT count(*) FROM ways), '>=', 40::bigint, format('%s ways', (SELECT count(*) FROM ways)));
SELECT * FROM finish();
ROLLBACK;
