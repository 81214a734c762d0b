-- How rules come into force: checked, run dry, signed by others, published now
-- or later.
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL nurture.clock = '2026-06-30T12:00:00Z';
SELECT plan(73);
CREATE FUNCTION pg_temp.refused(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE d text; h text;
BEGIN
    EXECUTE statement;
    RETURN 'not refused';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
    RETURN concat_ws(' | ', SQLSTATE, SQLERRM, nullif(d, ''), nullif(h, ''));
END $$;
INSERT INTO nurture.audience_type (audience_type, title) VALUES ('cp_aud', 'of this test');
INSERT INTO nurture.event_type (event_type, class) VALUES ('cp_ask', 'intent');
INSERT INTO nurture.signal (signal, event_type) VALUES ('cp_ask', 'cp_ask');
INSERT INTO nurture.lead (lead_id, audience_type, role, country) SELECT 949000 + i, 'cp_aud', CASE WHEN i <= 3 THEN 'nurse' END, 'DE' FROM generate_series(1, 8) i;
INSERT INTO nurture.model (model, audience_types, is_default, title) VALUES ('cp_model', '{cp_aud}', true, 'control');
SELECT nurture_draft('model', 'cp_model') \g /dev/null
INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points) VALUES ('cp_model', 1, 'nurse', 'role', '=', '"nurse"', 30);
INSERT INTO nurture.signal_rule (model, version, rule, signal, points) VALUES ('cp_model', 1, 'ask', 'cp_ask', 20);
INSERT INTO nurture.band (model, version, dimension, band, min_points) VALUES ('cp_model', 1, 'fit', 'A', 30), ('cp_model', 1, 'intent', '1', 20);

-- check and dry run, kept with the version
SELECT results_eq($$SELECT finding, severity, path FROM nurture_check_version('model', 'cp_model', 1)$$, $$SELECT finding, severity, path FROM nurture_check_model('cp_model', 1)$$, 'a model: what its own check finds');
SELECT results_eq($$SELECT kind, code, version, errors, checked_by = current_user, checked_at FROM nurture.version_check WHERE code = 'cp_model'$$, $$VALUES ('model', 'cp_model', 1, 0, true, '2026-06-30 12:00:00+00'::timestamptz)$$, 'it is kept');
SELECT is((SELECT dry_run FROM nurture.version_check WHERE code = 'cp_model'), '{"leads": 8, "changed": 3, "moves": [{"from": "C4", "to": "A4", "leads": 3}]}', 'with how many leads change grade');
SELECT throws_ok($$DELETE FROM nurture.version_check$$, 'NU008', 'rows of "nurture.version_check" are written by functions only', 'nobody takes it away');
SELECT nurture_draft('route', 'mql', 1) AS r \gset
UPDATE nurture.route_version SET condition = '{"fact": "audience_type", "op": "=", "value": "cp_aud"}', team = 'catch_all', offer_expires = '1 hour', priority = 900 WHERE route = 'mql' AND version = :r;
SELECT set_eq(format($$SELECT * FROM nurture_check_version('route', 'mql', %s)$$, :r), $$VALUES ('no active member in team catch_all', 'warning', 'route_version/team'),
    ('route catch_all has the same priority; of the two the one with the lower code is asked first', 'warning', 'route_version/priority'),
    ('the offer expires before it has to be accepted', 'warning', 'route_version/offer_expires'),
    ('more than one variable changes at once: priority, condition, team, offer_expires', 'warning', NULL)$$, 'a route: what is hardly meant');
SELECT is((SELECT dry_run -> 'conditions' FROM nurture.version_check WHERE code = 'mql' ORDER BY check_id DESC LIMIT 1), '[{"path": "route_version/condition", "true": 8, "unknown": 0}]', 'and for how many leads its condition holds');
SELECT nurture_draft('track', 'education') AS t \gset
SELECT results_eq(format($$SELECT finding, severity FROM nurture_check_version('track', 'education', %s) WHERE severity = 'error'$$, :t), $$VALUES ('there are no steps', 'error')$$, 'a track without steps');
INSERT INTO nurture.track_step (track, version, step_no, channels) VALUES ('education', :t, 1, '{email,pigeon}');
INSERT INTO nurture.track_entry (track, version, entry, condition, from_step) VALUES ('education', :t, 'all', '{"fact": "role", "op": "=", "value": "nurse"}', 5);
SELECT set_eq(format($$SELECT finding, path FROM nurture_check_version('track', 'education', %s) WHERE severity = 'error'$$, :t), $$VALUES ('unknown channel pigeon', 'track_step/1'), ('there is no step 5', 'track_entry/all')$$, 'steps and channels that there are not');
SELECT is((SELECT dry_run -> 'conditions' FROM nurture.version_check WHERE code = 'education' ORDER BY check_id DESC LIMIT 1), '[{"path": "track_entry/all", "true": 3, "unknown": 5}]', 'unknown is told apart');
UPDATE nurture.track_step SET channels = NULL WHERE track = 'education' AND version = :t;
SELECT is(pg_temp.refused(format($$SELECT nurture_publish('track', 'education', %s, 'x')$$, :t)), format('NU010 | version %s of track "education" has errors and cannot be published | See nurture_check_version(''track'', ''education'', %1$s).', :t),
    'an error of the check alone keeps it back');
SELECT nurture_draft('selection', 'default') AS s \gset
SELECT results_eq(format($$SELECT finding, severity FROM nurture_check_version('selection', 'default', %s)$$, :s), $$VALUES ('there are no weights', 'error')$$, 'a selection without weights');
SELECT is(pg_temp.refused($$SELECT * FROM nurture_check_version('model', 'cp_model', 9)$$), 'NU003 | model "cp_model" has no version 9 | Versions are rows of nurture.model_version.', 'no such version');
SELECT is(pg_temp.refused($$SELECT * FROM nurture_check_version('model', 'default', 1)$$), 'NU007 | version 1 of model "default" is published; only a draft is checked | What the check found of it is in nurture.version_check.', 'what is published is not checked');
SELECT is(pg_temp.refused($$SELECT * FROM nurture_check_version('policy', 'default', 1)$$), 'NU003 | unknown kind "policy" | Kinds are: model, track, route, selection, experiment.', 'an unknown kind');

-- one variable
SET LOCAL client_min_messages = error;
SELECT results_eq(format($$SELECT "column", old, new FROM nurture_diff('route', 'mql', 1, %s) WHERE "column" IN ('priority', 'team')$$, :r), $$VALUES ('priority', '140', '900'), ('team', 'sales_development', 'catch_all')$$, 'a route: column by column');
SET LOCAL client_min_messages = warning;
SELECT nurture_draft('route', 'sql', 1) AS r2 \gset
UPDATE nurture.route_version SET attempts_max = 9 WHERE route = 'sql' AND version = :r2;
SELECT is_empty(format($$SELECT * FROM nurture_check_version('route', 'sql', %s) WHERE finding LIKE 'more than one%%'$$, :r2), 'one column is one variable');
SELECT nurture_draft('model', 'default', 1) AS d \gset
SELECT is_empty(format($$SELECT * FROM nurture_check_version('model', 'default', %s) WHERE finding LIKE 'more than one%%'$$, :d), 'nothing changed');
UPDATE nurture.signal_rule SET points = points + 1 WHERE model = 'default' AND version = :d;
SELECT is_empty(format($$SELECT * FROM nurture_check_version('model', 'default', %s) WHERE finding LIKE 'more than one%%'$$, :d), 'one family of rules');
UPDATE nurture.band SET min_points = min_points + 1 WHERE model = 'default' AND version = :d AND dimension = 'fit' AND band = 'A';
SELECT results_eq(format($$SELECT finding, severity FROM nurture_check_version('model', 'default', %s) WHERE finding LIKE 'more than one%%'$$, :d), $$VALUES ('more than one variable changes at once: signal_rule, band', 'warning')$$, 'two families are told');

-- signatures: who, in which role, for which content
SELECT is(pg_temp.refused($$SELECT nurture_approve('policy', 'cp_model', 1, 'medical', 'approved', 'x')$$), 'NU003 | "policy" is nothing that is signed | The kinds that are signed are asset, claim, model, track, route, selection, experiment and config.', 'not everything is signed');
SELECT is(pg_temp.refused($$SELECT nurture_approve('model', 'cp_model', 9, 'medical', 'approved', 'x')$$), 'NU003 | model "cp_model" has no version 9 | Versions are rows of nurture.model_version.', 'no such version');
SELECT is(pg_temp.refused($$SELECT nurture_approve('model', 'default', 1, 'medical', 'approved', 'x')$$), 'NU007 | version 1 of model "default" is published; only a draft is signed | Make a new version with nurture_draft(''model'', ''default'', 1).', 'what is in force is not signed');
SELECT is(pg_temp.refused($$SELECT nurture_approve('model', 'cp_model', 1, 'medical', 'approved', ' ')$$), '22023 | a signature needs its meaning | Say in a few words what it stands for, such as ''medically correct'' (21 CFR 11.50).', 'a signature means something');
SELECT is(pg_temp.refused(format($$SELECT nurture_approve('track', 'education', %s, 'marketing', 'approved', 'x')$$, :t)),
    format('NU010 | version %s of track "education" has errors and cannot be approved | See nurture_check_version(''track'', ''education'', %1$s).', :t), 'what cannot be published is not approved');
INSERT INTO nurture.approval_policy (kind, roles) VALUES ('model', '{marketing,sales}');
SELECT is(pg_temp.refused($$SELECT nurture_publish('model', 'cp_model', 1, 'first', true)$$),
    'NU007 | version 1 of model "cp_model" is not approved in role marketing, sales | nurture.approval_policy asks for it: nurture_approve(''model'', ''cp_model'', 1, role, ''approved'', meaning), by somebody who has not written it.', 'roles that the policy asks for');
SET LOCAL nurture.two_person_rule = on;
SELECT is(pg_temp.refused($$SELECT nurture_approve('model', 'cp_model', 1, 'marketing', 'approved', 'agreed')$$), '42501 | who wrote version 1 of model "cp_model" cannot sign it | Another person signs, or nurture.two_person_rule is off.', 'not the author');
SET LOCAL nurture.app_user = 'berta';
SELECT is(pg_temp.refused($$SELECT nurture_approve('model', 'cp_model', 1, 'marketing', 'approved', 'agreed')$$), '42501 | who wrote version 1 of model "cp_model" cannot sign it | Another person signs, or nurture.two_person_rule is off.', 'nor the same login under another name');
SET LOCAL nurture.pooled_logins = on;
SET LOCAL nurture.app_user = 'emil';
UPDATE nurture.fit_rule SET points = 31 WHERE model = 'cp_model' AND version = 1;
SELECT is(pg_temp.refused($$SELECT nurture_approve('model', 'cp_model', 1, 'marketing', 'approved', 'agreed')$$), '42501 | who wrote version 1 of model "cp_model" cannot sign it | Another person signs, or nurture.two_person_rule is off.', 'nor who edited the draft of another');
SET LOCAL nurture.app_user = 'berta';
SELECT is(nurture_approve('model', 'cp_model', 1, 'marketing', 'approved', 'what we agreed'), 'draft', 'the first of two roles');
SELECT is(pg_temp.refused($$SELECT nurture_approve('model', 'cp_model', 1, 'sales', 'approved', 'me too')$$), 'NU007 | this content of version 1 of model "cp_model" was signed before in role marketing | Each role signs once, each by another person.', 'the same person signs once');
SET LOCAL nurture.app_user = 'carl';
SELECT is(pg_temp.refused($$SELECT nurture_approve('model', 'cp_model', 1, 'marketing', 'approved', 'again')$$), 'NU007 | this content of version 1 of model "cp_model" was signed before in role marketing | Each role signs once, each by another person.', 'each role signs once');
SELECT is(nurture_approve('model', 'cp_model', 1, 'sales', 'approved', 'leads we can use'), 'approved', 'then it may be published');
SET LOCAL nurture.app_user = 'emil';
UPDATE nurture.fit_rule SET points = 32 WHERE model = 'cp_model' AND version = 1;
SELECT is(pg_temp.refused($$SELECT nurture_publish('model', 'cp_model', 1, 'first', true)$$),
    'NU007 | version 1 of model "cp_model" is not approved in role marketing, sales | nurture.approval_policy asks for it: nurture_approve(''model'', ''cp_model'', 1, role, ''approved'', meaning), by somebody who has not written it.', 'signatures are for what it said');
UPDATE nurture.fit_rule SET points = 31 WHERE model = 'cp_model' AND version = 1;
SELECT is(nurture_publish('model', 'cp_model', 1, 'first', true), 'model cp_model: version 1 published; 3 of 8 open leads change grade (C4 to A4: 3)', 'what it said again counts again; others have approved, so its author may publish it');
SELECT results_eq($$SELECT role, signed_by, meaning, signed_at FROM nurture_bi.signature WHERE kind = 'model' AND code = 'cp_model' ORDER BY role$$,
    $$VALUES ('marketing', 'berta', 'what we agreed', '2026-06-30 12:00:00+00'::timestamptz), ('sales', 'carl', 'leads we can use', '2026-06-30 12:00:00+00'::timestamptz)$$, 'name, meaning and time are shown');
SELECT results_eq($$SELECT outcome, reasons, reason, app_user FROM nurture.audit WHERE kind = 'approval' AND object = 'model:cp_model:1' ORDER BY audit_id$$,
    $$VALUES ('approved', '{marketing}'::text[], 'what we agreed', 'berta'), ('approved', '{sales}', 'leads we can use', 'carl')$$, 'and on record');
SELECT throws_ok($$UPDATE nurture.approval SET signed_by = 'x'$$, 'NU008', 'rows of "nurture.approval" are written by functions only', 'signatures stay');
SELECT is((SELECT signer_login FROM nurture.approval WHERE code = 'cp_model' AND role = 'sales'), current_setting('session_authorization'), 'with the login that the server knows');

-- sent back
SELECT is(nurture_draft('model', 'cp_model', 1), 2, 'another draft');
UPDATE nurture.fit_rule SET points = 40 WHERE model = 'cp_model' AND version = 2;
SET LOCAL nurture.app_user = 'berta';
SELECT is(nurture_approve('model', 'cp_model', 2, 'marketing', 'changes_requested', 'too much'), 'draft', 'is sent back');
SET LOCAL nurture.app_user = 'carl';
SELECT is(pg_temp.refused($$SELECT nurture_approve('model', 'cp_model', 2, 'sales', 'approved', 'fine')$$), 'NU007 | version 2 of model "cp_model" was sent back in role marketing | Change it; signatures are for what it says, so they begin anew.', 'nobody approves it as it is');
SELECT is(pg_temp.refused($$SELECT nurture_publish('model', 'cp_model', 2, 'second', true)$$), 'NU007 | version 2 of model "cp_model" was sent back in role marketing | Change it; signatures are for what it says, so they begin anew.', 'or publishes it');
DELETE FROM nurture.approval_policy WHERE kind = 'model';
SELECT is(pg_temp.refused($$SELECT nurture_publish('model', 'cp_model', 2, 'second', true)$$), 'NU007 | version 2 of model "cp_model" was sent back in role marketing | Change it; signatures are for what it says, so they begin anew.', 'without a policy too');
SET LOCAL nurture.app_user = 'emil';
UPDATE nurture.fit_rule SET points = 33 WHERE model = 'cp_model' AND version = 2;
SELECT is(pg_temp.refused($$SELECT nurture_publish('model', 'cp_model', 2, 'second', true)$$), '42501 | the author of version 2 of model "cp_model" cannot publish it | nurture.two_person_rule is on: another person publishes, with a login of their own; nurture.pooled_logins is for people who share one.', 'without a policy the second person is who publishes');
SET LOCAL nurture.app_user = 'carl';
UPDATE nurture.band SET reason = 'carl was here' WHERE model = 'cp_model' AND version = 2 AND band = 'A';
SELECT is(pg_temp.refused($$SELECT nurture_publish('model', 'cp_model', 2, 'second', true)$$), '42501 | who edited version 2 of model "cp_model" cannot publish it | nurture.two_person_rule is on: somebody signs or publishes who has written none of it.', 'and has written none of it');
SET LOCAL nurture.app_user = 'berta';
SELECT is(nurture_approve('model', 'cp_model', 2, 'qa', 'approved', 'checked'), 'approved', 'or has signed');
SET LOCAL nurture.app_user = 'emil';
SELECT is(nurture_publish('model', 'cp_model', 2, 'second'), 'model cp_model: version 2 published, version 1 retired; 0 of 8 open leads change grade', 'the author publishes what another person approved');
SELECT is((SELECT count(*) FROM nurture.version_check c JOIN nurture.approval a USING (kind, code, version, content_hash) WHERE a.code = 'cp_model' AND a.role = 'qa' AND c.errors = 0), 1::bigint, 'what was signed had been checked');

-- tracks, routes and selections alike; assets too
SET LOCAL nurture.app_user = 'anna';
SELECT nurture_draft('track', 'evidence', 1) AS e \gset
SELECT nurture_draft('selection', 'default', 1) AS s2 \gset
SET LOCAL nurture.app_user = 'emil';
UPDATE nurture.track_step SET title = 'emil was here' WHERE track = 'evidence' AND version = :e AND step_no = 1;
UPDATE nurture.selection_weight SET weight = weight + 1 WHERE selection = 'default' AND version = :s2 AND term = 'priority';
UPDATE nurture.route_version SET attempts_max = 8 WHERE route = 'sql' AND version = :r2;
SELECT is(pg_temp.refused(format('SELECT nurture_publish(%L, %L, %s, %L)', kind, code, v, 'x')),
    format('42501 | who edited version %s of %s "%s" cannot publish it | nurture.two_person_rule is on: somebody signs or publishes who has written none of it.', v, kind, code), 'who edited it does not publish: ' || kind)
FROM (VALUES ('track', 'evidence', :e), ('selection', 'default', :s2), ('route', 'sql', :r2)) x (kind, code, v);
SET LOCAL nurture.app_user = 'berta';
SELECT is(nurture_approve(kind, code, v, 'qa', 'approved', 'checked'), 'approved', 'another signs: ' || kind) FROM (VALUES ('track', 'evidence', :e), ('selection', 'default', :s2), ('route', 'sql', :r2)) x (kind, code, v);
SET LOCAL nurture.app_user = 'anna';
SELECT nurture_add_asset('{"asset_id": "cp_asset", "title": "x", "format": "email", "message_class": "promotional", "channels": ["email"], "languages": ["en"], "markets": ["DE"], "audience_types": ["hcp"]}') \g /dev/null
SET LOCAL nurture.app_user = 'emil';
UPDATE nurture.asset_version SET uri = 'https://example.org/x' WHERE asset_id = 'cp_asset';
SELECT nurture_set_asset_status('cp_asset', 1, 'in_review', 'please') \g /dev/null
SELECT is(pg_temp.refused($$SELECT nurture_approve('asset', 'cp_asset', 1, 'medical', 'approved', 'right')$$), '42501 | who edited version 1 of asset "cp_asset" cannot sign it | Another person signs, or nurture.two_person_rule is off.', 'nor does who edited an asset sign it');
SET LOCAL nurture.app_user = 'fred';
INSERT INTO nurture.approval_policy (kind, roles) VALUES ('asset', '{medical,legal}');
SELECT is(nurture_approve('asset', 'cp_asset', 1, 'medical', 'approved', 'right'), 'in_review', 'somebody else does');
SET LOCAL nurture.pooled_logins = off;
UPDATE nurture.approval_policy SET reason = 'x' WHERE kind = 'asset';
SET LOCAL nurture.app_user = 'gerd';
SELECT is(pg_temp.refused($$SELECT nurture_approve('asset', 'cp_asset', 1, 'legal', 'approved', 'right')$$), '42501 | the author of version 1 of asset "cp_asset" cannot sign it | Another person signs, or nurture.two_person_rule is off.', 'logins tell persons apart unless they are pooled');

-- later
SET LOCAL nurture.pooled_logins = on;
SET LOCAL nurture.app_user = 'berta';
SELECT nurture_draft('model', 'cp_model', 2) AS m3 \gset
SELECT is(pg_temp.refused($$SELECT nurture_publish('model', 'cp_model', 3, 'third', publish_at => '2026-07-01 08:00Z')$$), '42501 | the author of version 3 of model "cp_model" cannot publish it | nurture.two_person_rule is on: another person publishes, with a login of their own; nurture.pooled_logins is for people who share one.', 'who may not publish now may not later');
SET LOCAL nurture.app_user = 'carl';
SET LOCAL TimeZone = 'UTC';
SELECT is(nurture_publish('model', 'cp_model', 3, 'third', publish_at => '2026-07-01 08:00Z'), 'model cp_model: version 3 will be published from 2026-07-01 08:00:00+00 on', 'scheduled');
SELECT throws_ok($$SELECT nurture_publish('model', 'cp_model', 3, 'third', publish_at => '2026-07-02 08:00Z')$$, '23505', NULL, 'once');
SELECT is((SELECT status FROM nurture.model_version WHERE model = 'cp_model' AND version = 3), 'draft', 'nothing happens now');
SET LOCAL nurture.app_user = 'ticker';
SELECT is((SELECT done FROM nurture_tick(100, '1 min') WHERE kind = 'publish'), 0::bigint, 'nor before its time');
SET LOCAL nurture.clock = '2026-07-01T08:00:00Z';
SELECT is((SELECT done FROM nurture_tick(100, '1 min') WHERE kind = 'publish'), 1::bigint, 'then the tick does it');
SELECT results_eq($$SELECT status, approver, reason, published_at FROM nurture.model_version WHERE model = 'cp_model' AND version = 3$$, $$VALUES ('published', 'carl', 'third', '2026-07-01 08:00:00+00'::timestamptz)$$, 'for who asked for it');
SELECT results_eq($$SELECT outcome, app_user, reason FROM nurture.audit WHERE kind = 'publish' AND object = 'model:cp_model:3' ORDER BY audit_id$$, $$VALUES ('scheduled', 'carl', 'third'), ('published', 'carl', 'third')$$, 'both are on record');
SELECT is(nurture_publish('route', 'sql', :r2, 'nine attempts', publish_at => '2026-07-01 09:00Z'), format('route sql: version %s will be published from 2026-07-01 09:00:00+00 on', :r2), 'a route, which another person has signed');
UPDATE nurture.route_version SET attempts_max = 2 WHERE route = 'sql' AND version = :r2;
SET LOCAL nurture.clock = '2026-07-01T10:00:00Z';
SELECT is((SELECT done FROM nurture_tick(100, '1 min') WHERE kind = 'publish'), 1::bigint, 'is edited meanwhile');
SELECT results_eq($$SELECT state, detail LIKE 'version % of route "sql" has changed since its publication was scheduled' FROM nurture.publish_schedule WHERE kind = 'route'$$, $$VALUES ('failed', true)$$, 'it is not published, and that is said');
SELECT is((SELECT inputs LIKE 'version % of route "sql" has changed since %' FROM nurture.audit WHERE kind = 'publish' AND outcome = 'failed'), true, 'on record too');
SELECT nurture_publish('track', 'evidence', :e, 'next month', publish_at => '2026-08-01 09:00Z') \g /dev/null
SELECT is(nurture_cancel_publish('track', 'evidence', :e, 'not yet'), format('track evidence: version %s will not be published', :e), 'taken back');
SELECT is(pg_temp.refused(format($$SELECT nurture_cancel_publish('track', 'evidence', %s, 'not yet')$$, :e)), format('NU007 | no publication of version %s of track "evidence" is scheduled | What is scheduled are rows of nurture.publish_schedule in state scheduled.', :e), 'once');
SELECT is(pg_temp.refused(format($$SELECT nurture_publish('track', 'education', %s, 'x', publish_at => '2026-08-01 09:00Z')$$, :t)),
    format('NU010 | version %s of track "education" has errors and cannot be published | See nurture_check_version(''track'', ''education'', %1$s).', :t), 'errors are said now, not then');
SELECT is((SELECT count(*) FROM nurture_audit_verify() WHERE severity = 'error'), 0::bigint, 'the trail is whole');
SELECT * FROM finish();
ROLLBACK;
