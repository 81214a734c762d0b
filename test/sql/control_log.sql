-- Change log: every configuration table is covered, by the catalogue.
BEGIN;
SET LOCAL client_min_messages = warning;
SELECT plan(13);
CREATE TEMP VIEW ours AS
    SELECT c.oid, c.relname::text AS name, EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = 'nurture_change_log'
        AND t.tgfoid = 'nurture_log_change'::regproc AND t.tgenabled = 'O' AND t.tgtype = 29) AS logged
    FROM pg_class c WHERE c.relnamespace = 'nurture'::regnamespace AND c.relkind IN ('r', 'p');

-- what keeps no change log is about leads and accounts, or is a record itself
SELECT set_eq($$SELECT name FROM ours WHERE NOT logged AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = ours.oid AND a.attname IN ('lead_id', 'account_id', 'absorbed') AND a.attnum > 0)$$,
    ARRAY['account_sweep', 'alert', 'approval', 'audit', 'backfill', 'change_log', 'config_proposal', 'event_quarantine', 'incarnation', 'lead_quarantine', 'meta', 'publish_schedule', 'retention_run', 'roll',
        'score_sweep', 'seal', 'secret', 'standing_sweep', 'suppression', 'team_turn', 'version_check'],
    'every table is configuration with a change log, about a lead or account, or named here as a record or a cursor');
SELECT is_empty($$SELECT name FROM ours WHERE logged AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = ours.oid AND a.attname IN ('lead_id', 'account_id'))$$, 'no configuration is about a lead');
SELECT is_empty($$SELECT name FROM ours, unnest(ARRAY['title', 'owner', 'reason']) c WHERE logged AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = ours.oid AND a.attname = c)$$,
    'every configuration row has words, an owner and a reason');
SELECT is_empty($$SELECT name FROM ours WHERE logged AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = ours.oid AND i.indisprimary)$$, 'and a key');
SELECT is_empty($$SELECT name FROM ours WHERE logged AND NOT EXISTS (SELECT FROM nurture.review_date r WHERE r.object = ours.name AND r.code = '*')$$, 'each has an owner and a review date');
SELECT is_empty($$SELECT object FROM nurture.review_date WHERE object NOT IN (SELECT name FROM ours WHERE logged UNION ALL SELECT 'selection')$$, 'and no other has');

-- walk: a change of any row is logged with who, why, old and new
CREATE TEMP TABLE walk (name text, found text);
DO $$
DECLARE t text; before bigint; n bigint;
BEGIN
    PERFORM set_config('nurture.change_reason', 'walked by', true), set_config('nurture.app_user', 'walker', true);
    FOR t IN SELECT name FROM ours WHERE logged ORDER BY 1 LOOP
        SELECT coalesce(max(change_id), 0) INTO before FROM nurture.change_log;
        BEGIN
            EXECUTE format('UPDATE nurture.%I SET title = ''walked'' WHERE ctid = (SELECT min(ctid) FROM nurture.%1$I)', t);
            GET DIAGNOSTICS n = ROW_COUNT;
            INSERT INTO walk SELECT t, CASE WHEN n = 0 THEN 'empty' WHEN EXISTS (SELECT FROM nurture.change_log l WHERE l.change_id > before AND l.table_name = t AND l.operation = 'UPDATE'
                AND l.reason = 'walked by' AND l.app_user = 'walker' AND l."session_user" = session_user AND l.effective_role = current_user
                AND l.old_row ->> 'title' IS DISTINCT FROM 'walked' AND l.new_row ->> 'title' = 'walked' AND l.at IS NOT NULL
                AND EXISTS (SELECT FROM nurture.audit a WHERE a.kind = 'change' AND a.object = 'change:' || l.change_id AND a.reason = 'walked by')) THEN 'logged' ELSE 'not logged' END;
        EXCEPTION WHEN SQLSTATE 'NU006' THEN
            INSERT INTO walk VALUES (t, 'published');
        END;
    END LOOP;
END $$;
SELECT is_empty($$SELECT * FROM walk WHERE found = 'not logged'$$, 'every change is logged, and audited');
SELECT set_eq($$SELECT name FROM walk WHERE found = 'published'$$, ARRAY['model_version', 'fit_rule', 'signal_rule', 'pattern', 'model_limit', 'band', 'tier_rule', 'rule_group', 'track_version', 'track_step',
    'track_entry', 'track_branch', 'route_version', 'selection_version', 'selection_weight'], 'what is published cannot be changed');
SELECT cmp_ok((SELECT count(*) FROM walk WHERE found = 'logged'), '>=', 25::bigint, 'most tables of the preset have rows');

-- a version moves on with a reason only
ALTER TABLE nurture.track_version DISABLE TRIGGER nurture_track_guard;
SELECT set_config('nurture.change_reason', '', true) \g /dev/null
SELECT throws_ok($$UPDATE nurture.track_version SET status = 'retired', reason = NULL WHERE track = 'education'$$, '22023',
    'a version of "nurture.track_version" does not change its status without a reason', 'not even without its guard');
SET LOCAL nurture.change_reason = 'no longer used';
SELECT lives_ok($$UPDATE nurture.track_version SET status = 'retired' WHERE track = 'education'$$, 'a setting gives one');
SELECT is((SELECT reason FROM nurture.change_log ORDER BY change_id DESC LIMIT 1), 'no longer used', 'it is in the log');
SET LOCAL nurture.change_reason = '';
SELECT nurture_publish('track', 'evidence', nurture_draft('track', 'evidence', 1), 'a second version') \g /dev/null
SELECT set_eq($$SELECT DISTINCT reason FROM nurture.change_log WHERE table_name = 'track_version' AND operation = 'UPDATE' AND new_row ->> 'track' = 'evidence' AND new_row ->> 'status' <> 'draft' AND change_id > (SELECT max(change_id) FROM nurture.change_log WHERE reason = 'no longer used')$$,
    ARRAY['a second version'], 'what publishing changes has its reason');
SELECT * FROM finish();
ROLLBACK;
