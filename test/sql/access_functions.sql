-- Every profile with every function: who has it by nurture_access_matrix() gets
-- an answer or an error about the data, everybody else 42501. Functions are
-- found in the catalogue: a new one needs a line in src/access/matrix.c and a
-- call here.
BEGIN;
SET LOCAL client_min_messages = error;
SELECT plan(7);

-- a role for each profile, and one without any
SELECT format('CREATE ROLE access_%s', p) FROM (SELECT DISTINCT profile FROM nurture_access_matrix() WHERE profile IS NOT NULL UNION SELECT 'nobody') AS x (p) \gexec
GRANT USAGE ON SCHEMA nurture, nurture_bi TO access_nobody;
SELECT count(*) AS granted FROM (SELECT DISTINCT profile FROM nurture_access_matrix() WHERE profile IS NOT NULL) x WHERE nurture_grant_access('access_' || profile, profile, 'test');

-- something of everything, of which sales owns all
INSERT INTO nurture.account (account_id, name) VALUES (960001, 'Clinic');
INSERT INTO nurture.lead (lead_id, account_id, external_ref, email, audience_type, role, country, language, owner)
    SELECT 960000 + i, 960001, 'access-' || i, 'access' || i || '@example.org', 'hcp', 'prescriber', 'FR', 'en', 'access_sales' FROM generate_series(1, 4) i;
INSERT INTO nurture.event (lead_id, event_type) SELECT 960000 + i, 'page_viewed' FROM generate_series(1, 4) i;
SELECT nurture_opt_in(960001, 'email') > 0 AS consented;
SELECT nurture_add_asset('{"asset_id": "access", "title": "T", "format": "email", "message_class": "promotional", "channels": ["email"], "markets": ["*"], "audience_types": ["*"]}') IS NOT NULL AS added;
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (960001, 'email', 'access') RETURNING message_id \gset
INSERT INTO nurture.model (model) VALUES ('access');
INSERT INTO nurture.segment (segment, title, condition) VALUES ('access', 'access', '{"all": []}');
SELECT nurture_draft('model', 'access') AS version \gset
SELECT nurture_label(960004, 'key_opinion_leader') AS labelled;
SELECT nurture_merge(960002, 960003, 'same person') AS merge_id \gset
INSERT INTO nurture.review (lead_id, bucket, scope) VALUES (960001, 'manual_research', 'test') RETURNING review_id \gset
SELECT nurture_set_asset_status('access', 1, 'in_review', 'ready') IS NOT NULL AS in_review;
SELECT nurture_audit_seal() > 0 AS sealed;

-- how each function is called; what is in the matrix for all is not asked
CREATE TEMP TABLE calls (name text, call text);
INSERT INTO calls VALUES
    ('score', '(960001)'), ('fit', '(960001)'), ('intent', '(960001)'), ('grade', '(960001)'), ('scores', '()'),
    ('score_at', '(960001, clock_timestamp() + interval ''1 second'')'), ('scores_at', '(960001, clock_timestamp() + interval ''1 second'')'), ('score_until', '(960001)'), ('score_change', '(960001, now(), clock_timestamp() + interval ''1 second'')'),
    ('rank_change', '(960001, now(), clock_timestamp() + interval ''1 second'')'), ('explain', '(960001)'), ('confidence', '(960001)'), ('confidence_detail', '(960001)'),
    ('next_question', '(960001)'), ('model_for', '(960001)'), ('account_score', '(960001)'), ('account_explain', '(960001)'),
    ('account_spike', '(960001)'), ('latest_campaign', '(960001)'), ('programs', '(960001)'), ('lint', '()'), ('sendable_assets', '()'), ('lead_id', '(''access-1'')'),
    ('what_if', '(''default'', 1)'), ('what_if_matrix', '(''default'', 1)'), ('diff', '(''model'', ''default'', 1, 1)'),
    ('may_contact', '(960001, ''email'')'), ('explain_contact', '(960001, ''email'')'),
    ('consent_at', '(960001, now())'), ('next_asset', '(960001)'), ('candidates', '(960001)'), ('first_signal', '(960001, ''page_viewed'', now(), now())'), ('selection_value', '(''page_viewed'')'), ('draft_performance', '(1, ''page_viewed'')'), ('qualify', '(960001)'),
    ('asset_recipients', '(''access'', 1, now())'), ('resolve', '(''email'', ''access1@example.org'')'),
    ('ingest', '(''[{"lead_id": 960001, "event_type": "page_viewed"}]'')'), ('replay', '(''{1}'')'),
    ('import_leads', '(''[{"external_ref": "access-9"}]'')'), ('merge', '(960001, 960004, ''same person'')'),
    ('unmerge', format('(%s, ''not the same'')', :merge_id)), ('find_duplicates', '(false)'),
    ('label', '(960001, ''key_opinion_leader'')'), ('unlabel', '(960004, ''key_opinion_leader'')'), ('rule', format('(%s, ''done'', ''test'')', :review_id)),
    ('consent', '(960001, ''given'', ''phone'')'), ('opt_in', '(960001, ''phone'')'), ('opt_out', '(960001)'), ('request_consent', '(960001, ''email'')'),
    ('unsubscribe_token', '(960001, ''email'')'), ('suppress', '(''lead'', ''960001'', ''asked'')'), ('unsuppress', '(''lead'', ''960001'', ''asked'')'),
    ('pause', '(960001, now() + interval ''1 day'', ''holiday'')'), ('resume', '(960001, ''back'')'), ('take', '(''email'', 10, ''w'')'),
    ('ack', format('(960001, %s, ''sent'')', :message_id)), ('still_allowed', format('(960001, %s)', :message_id)),
    ('enroll', '(960001, ''education'', ''test'')'), ('exit', '(960001, ''education'', ''test'')'), ('tick', '(1)'), ('dry_run', '(''[]'')'), ('segment_preview', '(''access'')'), ('reactivation', '(960001)'), ('simulate_days', '(1, 1)'), ('schedule', '()'),
    ('draft', '(''model'', ''access'', 1)'), ('publish', format('(''model'', ''access'', %s, ''test'', true)', :version)), ('retire', '(''model'', ''default'', ''test'')'),
    ('add_asset', '(''{"asset_id": "access_2", "title": "T", "format": "email", "message_class": "promotional", "channels": ["email"], "markets": ["*"], "audience_types": ["*"]}'')'),
    ('set_asset_status', '(''access'', 1, ''withdrawn'', ''test'')'), ('set_claim_status', '(''access'', 1, ''withdrawn'', ''test'')'), ('approve', '(''asset'', ''access'', 1, ''medical'', ''approved'', ''fit to use'')'),
    ('route', '(960001, ''*'', ''test'')'), ('assign', '(1)'), ('routing_due', '(1)'), ('accept', '(960001, 1)'), ('reject', '(960001, 1, ''busy'')'),
    ('attempt', '(960001, 1, ''no_answer'')'), ('convert', '(960001, 1)'), ('return', '(960001, 1, ''busy'')'), ('reassign', '(960001, 1, ''x'')'),
    ('fulfil', '(960001, 1, ''fulfilled'')'), ('task_done', '(960001, 1)'), ('feedback', '(960001, ''handoff'', 1, ''useful'')'), ('triage', '()'),
    ('outbox_take', '(1, ''access'')'), ('outbox_done', '(''access'', ''{1}'')'), ('why', format('(960001, %s)', :message_id)), ('decisions', '(960001)'),
    ('audit_verify', '()'), ('audit_seal', '()'), ('audit_digest', '()'), ('audit_proof', '(1)'), ('audit_inputs', '(''{"passed":1}'')'), ('audit_consistency', '(1, 2)'),
    ('export_config', '()'), ('definition', '()'), ('import_config', '(''{"format": "nurture.config", "format_version": 1}'')'),
    ('check_version', format('(''model'', ''access'', %s)', :version)), ('cancel_publish', format('(''model'', ''access'', %s, ''test'')', :version)),
    ('account_rebuild', '(960001)'), ('backfill', '(''page_viewed'')'), ('canary', '()'),
    ('config_table', '(''nurture.label'')'), ('versioned_table', '(''nurture.label'')'), ('unseed', '(''demo'')'), ('seed', '(''minimal'')'),
    ('partition_ahead', '(3)'), ('partition_drop', '(now() - interval ''9 years'')'), ('rebuild', '(960001)'), ('roll', '(1)'), ('selfcheck', '()'),
    ('erase', '(960004, ''objection'', ''ticket 1'')'), ('erase_status', '()'), ('subject_export', '(960001)'), ('retain', '()'),
    ('grant_access', '(''access_nobody'', ''admin'')'), ('revoke_access', '(''access_admin'', ''admin'')');
-- what the planner and a view make of nurture_score takes the columns of a lead: here that of its number alone
INSERT INTO calls SELECT substr(p.proname, 9), '(' || string_agg(CASE WHEN a.n = CASE p.proname WHEN 'nurture_score_part' THEN 3 ELSE 1 END THEN '960001' WHEN a.n = 1 THEN '2' ELSE 'NULL::' || format_type(a.type, NULL) END, ', ' ORDER BY a.n) || ')'
    FROM pg_proc p, unnest(p.proargtypes) WITH ORDINALITY a (type, n) WHERE p.proname IN ('nurture_score_part', 'nurture_score_row') GROUP BY p.oid, p.proname;
CREATE TEMP TABLE ours AS
    SELECT DISTINCT p.proname::text AS name, p.prokind FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
    WHERE d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'nurture') AND p.prorettype <> 'trigger'::regtype;
CREATE TEMP VIEW matrix AS SELECT object AS name, profile FROM nurture_access_matrix() WHERE kind = 'function';
CREATE TEMP VIEW everybody AS SELECT name FROM matrix GROUP BY name HAVING count(profile) = 10;

-- the matrix is complete
SELECT is_empty('SELECT name FROM ours EXCEPT SELECT name FROM matrix', 'every function is given to somebody, or written down as nobody''s');
SELECT is_empty('SELECT name FROM matrix EXCEPT SELECT name FROM ours', 'and the matrix names no other');
SELECT set_eq('SELECT name FROM matrix WHERE name NOT IN (SELECT name FROM everybody) EXCEPT SELECT ''nurture_'' || name FROM calls',
    ARRAY['nurture_run', 'nurture_backfill_run', 'nurture_score_support'],
    'each is called here, but procedures, which are called below, and what only the planner can call');
SELECT set_eq('SELECT name FROM everybody WHERE name !~ ''^nurture_tally_'' EXCEPT SELECT ''nurture_'' || name FROM calls',
    ARRAY['nurture_access_matrix', 'nurture_attribute_problem', 'nurture_canonical', 'nurture_check_model', 'nurture_config_schema', 'nurture_confirm', 'nurture_email_kind', 'nurture_erase_map', 'nurture_experiment_arm', 'nurture_handed_leads', 'nurture_held_out', 'nurture_install',
          'nurture_lead_owners', 'nurture_median', 'nurture_median_final', 'nurture_median_step', 'nurture_normal_email', 'nurture_normal_phone', 'nurture_now', 'nurture_one_click', 'nurture_place_problem', 'nurture_quiet_until', 'nurture_share_difference', 'nurture_share_interval', 'nurture_working_due', 'nurture_working_time'],
    'those that ask for no right say nothing about a lead, work for whoever holds a token, or make what is the caller''s own');

CREATE FUNCTION pg_temp.state(as_role text, call text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('SET LOCAL ROLE %I', as_role);
    BEGIN
        EXECUTE call;
        RAISE EXCEPTION USING ERRCODE = 'AC001';
    EXCEPTION WHEN OTHERS THEN
        IF SQLSTATE = 'AC001' THEN RETURN 'ran'; END IF;
        RETURN SQLSTATE || ' ' || SQLERRM;
    END;
END $$;
CREATE TEMP TABLE ended AS
    SELECT p.profile, c.name, NULL::text AS state, CASE WHEN o.prokind = 'p' THEN 'CALL nurture_' ELSE 'SELECT * FROM nurture_' END || c.name || c.call AS call,
        EXISTS (SELECT FROM matrix m WHERE m.name = 'nurture_' || c.name AND m.profile = p.profile) AS permitted
    FROM calls c JOIN ours o ON o.name = 'nurture_' || c.name CROSS JOIN (SELECT DISTINCT profile FROM matrix WHERE profile IS NOT NULL UNION SELECT 'nobody') p;
DO $$
DECLARE
    e record;
    said text;
BEGIN
    FOR e IN SELECT * FROM ended ORDER BY profile, name LOOP
        said := pg_temp.state('access_' || e.profile, e.call);
        RESET ROLE;
        UPDATE ended SET state = said WHERE profile = e.profile AND name = e.name;
    END LOOP;
END $$;
SELECT is_empty('SELECT profile, name, state FROM ended WHERE permitted AND state LIKE ''42501%'' ORDER BY 1, 2', 'who has a function can use it');
SELECT is_empty('SELECT profile, name, state FROM ended WHERE NOT permitted AND state NOT LIKE ''42501%'' ORDER BY 1, 2', 'who does not have it is refused with 42501');
SELECT cmp_ok((SELECT count(*) FROM ended), '>', 870::bigint, 'that many calls');
SELECT * FROM finish();
ROLLBACK;

-- procedures commit, so they are not called in a transaction
CREATE ROLE access_nobody;
GRANT USAGE ON SCHEMA nurture TO access_nobody;
SET ROLE access_nobody;
\set VERBOSITY sqlstate
CALL nurture_run('1 ms');
CALL nurture_backfill_run('page_viewed');
RESET ROLE;
DROP OWNED BY access_nobody;
DROP ROLE access_nobody;
