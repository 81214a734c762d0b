-- The configuration as a document: what is in it, what is not, and how it
-- comes back in.
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL nurture.clock = '2026-06-30T12:00:00Z';
SELECT plan(63);
CREATE FUNCTION pg_temp.refused(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE d text; h text;
BEGIN
    EXECUTE statement;
    RETURN 'not refused';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
    RETURN concat_ws(' | ', SQLSTATE, SQLERRM, nullif(d, ''), nullif(h, ''));
END $$;
CREATE FUNCTION pg_temp.document(settings jsonb, versioned jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS
$$SELECT jsonb_build_object('format', 'nurture.config', 'format_version', 1, 'settings', settings, 'versioned', versioned)$$;
CREATE FUNCTION pg_temp.import(document jsonb) RETURNS text LANGUAGE sql AS
$$SELECT string_agg(concat_ws(' ', kind, object, change, version, CASE WHEN proposal IS NOT NULL THEN 'proposed' END), '; ' ORDER BY kind, object) FROM nurture_import_config($1) WHERE change <> 'kept'$$;
CREATE FUNCTION pg_temp.refused_import(document jsonb) RETURNS text LANGUAGE sql AS $$SELECT pg_temp.refused(format('SELECT * FROM nurture_import_config(%L)', document))$$;
CREATE TEMP VIEW export AS WITH x AS MATERIALIZED (SELECT nurture_export_config() AS d) SELECT d FROM x;
CREATE TEMP VIEW configuration AS
    SELECT c.oid, c.relname::text AS name FROM pg_class c JOIN pg_trigger t ON t.tgrelid = c.oid AND t.tgname = 'nurture_change_log' WHERE c.relnamespace = 'nurture'::regnamespace;

-- all of it
INSERT INTO nurture.approval_policy (kind, roles) VALUES ('config', '{qa,marketing}');
INSERT INTO nurture.asset (asset_id, family, title, format) VALUES ('cc_brief', 'cc_brief', 'a brief', 'email');
INSERT INTO nurture.asset_version (asset_id, version, message_class, channels, languages, markets, audience_types, valid_during, review_due, document_hash) VALUES
    ('cc_brief', 1, 'promotional', '{email}', '{en}', '{DE,*}', '{hcp}', '[2026-01-01 00:00+01,2027-01-01 00:00+01)', '2026-12-31', '\xCAFE');
INSERT INTO nurture.asset_tag (asset_id, version, dimension, value) SELECT 'cc_brief', 1, dimension, value FROM nurture.tag ORDER BY dimension COLLATE "C", value COLLATE "C" LIMIT 1;
INSERT INTO nurture.claim (claim, version, text, markets, reference, valid_during) VALUES ('cc_claim', 1, 'It works.', '{FR}', 'Doe 2025', '[2026-01-01 00:00+00,2027-01-01 00:00+00)');
SELECT nurture_set_claim_status('cc_claim', 1, 'in_review', 'test'), nurture_approve('claim', 'cc_claim', 1, 'medical', 'approved', 'shown') \g /dev/null
SELECT nurture_set_asset_status('cc_brief', 1, 'in_review', 'test'), nurture_approve('asset', 'cc_brief', 1, 'medical', 'approved', 'medically right') \g /dev/null
INSERT INTO nurture.experiment (experiment, variable, hypothesis, success_signal, ends_at, salt) VALUES ('cc_pace', 'cadence', 'slower is better', 'demo_requested', '2026-12-31 00:00+00', 'cc-of-pace');
INSERT INTO nurture.experiment_arm (experiment, arm, share, cadence_factor) VALUES ('cc_pace', 'usual', 0.333333, NULL), ('cc_pace', 'slow', 0.666667, 2);
SELECT nurture_publish('experiment', 'cc_pace', 1, 'test') \g /dev/null
SELECT is_empty($$SELECT name FROM configuration, export WHERE NOT d -> 'settings' ? name
    AND NOT EXISTS (SELECT FROM jsonb_each(d -> 'versioned') k, jsonb_each(k.value) o WHERE name IN (k.key || '_version', k.key) OR o.value ? name) AND name NOT IN ('access', 'access_owner', 'controller', 'team_member')$$,
    'every configuration table is in it, but those that name persons');
SELECT is_empty($$SELECT key FROM export, jsonb_object_keys(d -> 'settings') key WHERE key NOT IN (SELECT name FROM configuration)$$, 'and nothing else');
SELECT results_eq($$SELECT s.key, jsonb_array_length(s.value)::bigint FROM export, jsonb_each(d -> 'settings') s WHERE s.key IN ('reason', 'tag', 'consent_policy', 'stop_rule', 'frequency_cap') ORDER BY 1$$,
    $$SELECT 'consent_policy'::text, count(*) FROM nurture.consent_policy UNION ALL SELECT 'frequency_cap', count(*) FROM nurture.frequency_cap UNION ALL SELECT 'reason', count(*) FROM nurture.reason
    UNION ALL SELECT 'stop_rule', count(*) FROM nurture.stop_rule UNION ALL SELECT 'tag', count(*) FROM nurture.tag$$, 'with all its rows');
SELECT results_eq($$SELECT k.key, count(*) FROM export, jsonb_each(d -> 'versioned') k, jsonb_object_keys(k.value) GROUP BY 1 ORDER BY 1$$,
    $$SELECT 'asset', 1::bigint UNION ALL SELECT 'claim', 1 UNION ALL SELECT 'experiment', 1 UNION ALL SELECT 'model', count(*) FROM nurture.model_version WHERE status = 'published' UNION ALL SELECT 'route', count(*) FROM nurture.route_version WHERE status = 'published'
    UNION ALL SELECT 'selection', 1 UNION ALL SELECT 'track', count(*) FROM nurture.track_version WHERE status = 'published'$$, 'and every version in force');
SELECT is((SELECT jsonb_array_length(d #> '{versioned,model,default,signal_rule}') FROM export), (SELECT count(*)::int FROM nurture.signal_rule WHERE model = 'default' AND version = 1), 'with all its rules');
SELECT is((SELECT d #> '{versioned,asset,cc_brief,version}' FROM export), '{"message_class": "promotional", "channels": ["email"], "languages": ["en"], "markets": ["DE", "*"], "audience_types": ["hcp"],
    "claims": [], "merge_fields": [], "valid_during": "[\"2025-12-31 23:00:00+00\",\"2026-12-31 23:00:00+00\")", "review_due": "2026-12-31", "document_hash": "\\xcafe"}', 'a version without its life');
SELECT is((SELECT nurture_canonical(d) FROM export), (SELECT nurture_canonical(nurture_canonical(d)::jsonb) FROM export), 'canonical text is stable');
CREATE TEMP TABLE first_text AS SELECT nurture_canonical(d) AS t FROM export;
SET LOCAL TimeZone = 'Asia/Tokyo'; SET LOCAL DateStyle = 'German'; SET LOCAL IntervalStyle = 'sql_standard'; SET LOCAL bytea_output = 'escape'; SET LOCAL extra_float_digits = -5;
SELECT is((SELECT nurture_canonical(d) FROM export), (SELECT t FROM first_text), 'no setting of a session changes it');
RESET TimeZone; RESET DateStyle; RESET IntervalStyle; RESET bytea_output; RESET extra_float_digits;
CREATE TEMP TABLE shuffled AS SELECT * FROM nurture.frequency_cap;
SELECT set_config('nurture.change_reason', 'test', true) \g /dev/null
DELETE FROM nurture.frequency_cap;
INSERT INTO nurture.frequency_cap SELECT * FROM shuffled ORDER BY cap DESC;
SELECT is((SELECT nurture_canonical(d) FROM export), (SELECT t FROM first_text), 'nor does the order of rows');

-- and nothing of persons
INSERT INTO nurture.account (account_id, name, domain) VALUES (948001, 'qqpersonal account', 'qqpersonal.example');
INSERT INTO nurture.lead (lead_id, account_id, email, phone, full_name, external_ref, country, attributes) VALUES
    (948001, 948001, 'qqpersonal@example.org', '+4915112345678', 'qqpersonal name', 'qqpersonal ref', 'DE', '{"note": "qqpersonal"}');
INSERT INTO nurture.controller (name, contact, dpo_contact) VALUES ('qqpersonal', 'qqpersonal', 'qqpersonal');
INSERT INTO nurture.team_member (team, member, title, external_ref) VALUES ('sales_development', 'qqpersonal', 'qqpersonal', 'qqpersonal');
SET LOCAL client_min_messages = error;
SELECT nurture_label(948001, 'qqpersonal') \g /dev/null
SELECT nurture_suppress('contact_point', 'qqpersonal@example.org', 'complained') \g /dev/null
SET LOCAL client_min_messages = warning;
INSERT INTO nurture.event (lead_id, event_type, properties) VALUES (948001, 'page_viewed', '{"x": "qqpersonal"}');
SELECT ok((SELECT position('qqpersonal' IN nurture_canonical(d)) = 0 FROM export), 'leads, accounts, members of teams: nothing of them is in the document');
SELECT ok((SELECT d::text !~ '"(email|phone|full_name|member|lead_id|account_id|author|approver|author_login|approved_by|signed_by)":' FROM export), 'no name of a column of theirs');

-- numbers
SELECT is((SELECT count(*) FROM export, nurture_import_config(d)), 0::bigint, 'an export brought back in changes nothing');
SAVEPOINT many;
UPDATE nurture.fact_map SET translate = '{"many": 9007199254740993}' WHERE ctid = (SELECT min(ctid) FROM nurture.fact_map);
SELECT ok(pg_temp.refused('SELECT nurture_export_config()') ~ '^22003 \| a number at /settings/fact_map/\d+/translate/many would become 9007199254740992 in double precision \| Round it to 15 digits, or write it as a text.$',
    'a number that doubles do not hold is refused with its place, not rounded');
ROLLBACK TO many;
SELECT nurture_draft('model', 'default', 1) AS draft \gset
SELECT nurture_publish('model', 'default', :draft, 'test', true) \g /dev/null
SELECT is((SELECT nurture_canonical(d) FROM export), (SELECT t FROM first_text), 'the same rules in another version are the same text');

-- what is not understood
SELECT is(pg_temp.refused($$SELECT * FROM nurture_import_config(NULL)$$), '22004 | the document must not be null', 'nothing');
SELECT is(pg_temp.refused_import('7'), '22023 | the document is not a configuration: a single value at its top | Give the object that nurture_export_config() returns.', 'a number');
SELECT is(pg_temp.refused_import('[]'), '22023 | the document is not a configuration: array where object is expected at its top | A column without a value is left out; nurture_config_schema() tells what each is.', 'an array');
SELECT is(pg_temp.refused_import('{}'), '22023 | the document is not a configuration: there is no "format" at its top | Add it; nurture_config_schema() tells what it is.', 'no format');
SELECT is(pg_temp.refused_import('{"format": "nurture.config", "format_version": 2}'), '22023 | the document is not a configuration: another format than this version reads at /format_version | It reads format "nurture.config", format_version 1.', 'another format');
SELECT is(pg_temp.refused_import(pg_temp.document('{"frequncy_cap": []}')), '22023 | the document is not a configuration: something unknown at /settings/frequncy_cap | Remove it, or write its name as nurture_config_schema() has it.', 'an unknown table');
SELECT is(pg_temp.refused_import(pg_temp.document('{"team_member": []}')), '22023 | the document is not a configuration: something unknown at /settings/team_member | Remove it, or write its name as nurture_config_schema() has it.', 'a table that is in no document');
SELECT is(pg_temp.refused_import(pg_temp.document('{"reason": [{"reason": "x", "class": "consent", "text": "t", "colour": 1}]}')), '22023 | the document is not a configuration: something unknown at /settings/reason/0/colour | Remove it, or write its name as nurture_config_schema() has it.', 'an unknown column');
SELECT is(pg_temp.refused_import(pg_temp.document('{"event_type": [{"event_type": "x"}]}')), '22023 | the document is not a configuration: there is no "class" at /settings/event_type/0 | Add it; nurture_config_schema() tells what it is.', 'a column that must be there');
SELECT is(pg_temp.refused_import(pg_temp.document('{"event_type": [{"event_type": "x", "class": "contents", "sensitive": false}]}')),
    '22023 | the document is not a configuration: a value that it cannot have at /settings/event_type/0/class | It can be content, engagement, intent, account, communication, lifecycle, negative, outcome, safety.', 'a value that is none');
SELECT is(pg_temp.refused_import(pg_temp.document('{"event_type": [{"event_type": "X Y", "class": "content", "sensitive": false}]}')),
    '22023 | the document is not a configuration: a text that does not have the form it must have at /settings/event_type/0/event_type | It must match ^[a-z][a-z0-9_]*$.', 'a text of another form');
SELECT is(pg_temp.refused_import(pg_temp.document('{"event_type": [{"event_type": "x", "class": "content", "sensitive": null}]}')),
    '22023 | the document is not a configuration: null where boolean is expected at /settings/event_type/0/sensitive | A column without a value is left out; nurture_config_schema() tells what each is.', 'null');
SELECT is(pg_temp.refused_import(pg_temp.document('{"cadence": [{"track": "*", "segment": "*", "stage": "*", "level": "warm", "within_days": 30, "factor": 1.005, "sends": true}]}')),
    '22023 | the document is not a configuration: a number with more than 2 places after the point at /settings/cadence/0/factor | Round it: what is kept would be another number.', 'a number that would be rounded');
SELECT is(pg_temp.refused_import(pg_temp.document('{"cadence": [{"track": "*", "segment": "*", "stage": "*", "level": "warm", "within_days": 1e10, "factor": 1, "sends": true}]}')),
    '22023 | the document is not a configuration: a number that is too large at /settings/cadence/0/within_days | See nurture_config_schema() for its range.', 'a number that is too large');
SELECT is(pg_temp.refused_import(pg_temp.document('{"cadence": [{"track": "*", "segment": "*", "stage": "*", "level": "warm", "within_days": 3.5, "factor": 1, "sends": true}]}')),
    '22023 | the document is not a configuration: number where integer is expected at /settings/cadence/0/within_days | A column without a value is left out; nurture_config_schema() tells what each is.', 'half a day');
SELECT is(pg_temp.refused_import(pg_temp.document('{}', '{"model": {"default": {}}}')), '22023 | the document is not a configuration: there is no "version" at /versioned/model/default | Add it; nurture_config_schema() tells what it is.', 'a version without itself');

-- what cannot be
SELECT is(pg_temp.refused_import(pg_temp.document('{"frequency_cap": [{"cap": "a", "channels": ["email"], "clock": "rolling", "message_classes": ["promotional"], "n": 1, "period": "P1D", "same_family": false},
    {"cap": "b", "channels": ["email"], "clock": "rolling", "message_classes": ["promotional"], "n": 1, "period": "a while", "same_family": false}]}')),
    '22007 | the configuration cannot become what the document says at /settings/frequency_cap/1: invalid input syntax for type interval: "a while" | Correct the document there and import it again.', 'a value of another kind');
SELECT is(pg_temp.refused_import(pg_temp.document('{"event_type": [{"event_type": "x", "class": "content", "sensitive": false}, {"event_type": "y", "class": "content", "sensitive": false}, {"event_type": "x", "class": "intent", "sensitive": false}]}')),
    '23505 | the configuration cannot become what the document says at /settings/event_type: row 2 has the key of another row | Rows are counted from 0. Leave one of the two out.', 'a key twice');
SELECT alike(pg_temp.refused_import(pg_temp.document('{"calendar": []}')), '23503 | the configuration cannot become what the document says at /settings/calendar, where the row {"title": "office hours",%} is left out: % | Key (calendar)=(office) is still referenced from table "team". | %', 'a row that others need');
SELECT is(pg_temp.refused_import(pg_temp.document('{}', '{"model": {"default": {"version": {}, "fit_rule": [{"rule": "x", "attribute": "rol", "operator": "=", "operand": "a", "points": 1}]}}}')),
    'NU005 | the configuration cannot become what the document says at /versioned/model/default/fit_rule/0: condition of fit rule "x": unknown fact "rol" | At "/fact" in the document. | The nearest known are "role", "quality.role" and "region".', 'a rule that is not understood');
SELECT is(pg_temp.refused_import(pg_temp.document('{}', '{"model": {"nowhere": {"version": {}}}}')),
    '23503 | the configuration cannot become what the document says at /versioned/model/nowhere/version: insert or update on table "model_version" violates foreign key constraint "model_version_model_fkey" | Key (model)=(nowhere) is not present in table "model". | Correct the document there and import it again.', 'a version of what there is not');
SELECT is((SELECT nurture_canonical(d) FROM export), (SELECT t FROM first_text), 'whatever was refused left nothing behind');
SELECT is((SELECT count(*) FROM nurture.config_proposal), 0::bigint, 'nor a proposal');

-- drafts and a proposal
CREATE TEMP TABLE changed AS SELECT jsonb_set(jsonb_set(jsonb_set(d, '{settings,frequency_cap}', jsonb_path_query_array(d, '$.settings.frequency_cap[*] ? (@.cap != "email_month")') ||
    '[{"cap": "cc_cap", "channels": ["email"], "clock": "rolling", "message_classes": ["promotional"], "n": 9, "period": "30 days", "same_family": false}]'),
    '{settings,tag}', d #> '{settings,tag}' || '[{"dimension": "topic", "value": "aa_child", "parent": "zz_parent", "sensitive": false}, {"dimension": "topic", "value": "zz_parent", "sensitive": false}]'),
    '{versioned,route,mql,version,attempts_max}', '7') AS d FROM export;
SELECT is((SELECT pg_temp.import(d) FROM changed), 'route mql changed 2; setting frequency_cap:cc_cap added proposed; setting frequency_cap:email_month removed proposed; setting tag:topic/aa_child added proposed; setting tag:topic/zz_parent added proposed',
    'rules become a draft, settings a proposal');
SELECT is((SELECT nurture_canonical(d) FROM export), (SELECT t FROM first_text), 'nothing in force has changed');
SELECT results_eq($$SELECT status, author, attempts_max FROM nurture.route_version WHERE route = 'mql' AND version = 2$$, $$VALUES ('draft', current_user::text COLLATE "default", 7::smallint)$$, 'the draft says what the document says');
SELECT results_eq($$SELECT author, author_login, reason, jsonb_array_length(difference), content_hash = sha256(convert_to(nurture_canonical(difference), 'UTF8')) FROM nurture.config_proposal$$,
    $$VALUES (current_user::text COLLATE "default", session_user::text COLLATE "default", 'test', 4, true)$$, 'the proposal tells who, why and what');
SELECT is((SELECT pg_temp.import(d) FROM changed), 'route mql drafted before 2; setting frequency_cap:cc_cap added proposed; setting frequency_cap:email_month removed proposed; setting tag:topic/aa_child added proposed; setting tag:topic/zz_parent added proposed',
    'once more: the same draft');
SELECT is((SELECT count(*) FROM nurture.config_proposal), 1::bigint, 'and the same proposal');
SELECT throws_ok($$UPDATE nurture.config_proposal SET difference = '[]'$$, 'NU008', 'rows of "nurture.config_proposal" are written by functions only', 'it cannot be changed');
SELECT set_eq($$SELECT kind, object ~ '^(route:mql:2|config:import:\d+)$', outcome FROM nurture.audit WHERE kind = 'import'$$, $$VALUES ('import', true, 'draft'), ('import', true, 'proposed')$$, 'both are on record');

-- another person applies it
SELECT proposal_id AS p FROM nurture.config_proposal \gset
SET LOCAL nurture.two_person_rule = on;
SELECT is(pg_temp.refused(format($$SELECT nurture_approve('config', 'import', %s, 'qa', 'approved', 'checked')$$, :p)), format('42501 | the author of proposal %s cannot sign it | Another person signs, or nurture.two_person_rule is off.', :p), 'not who imported it');
SET LOCAL nurture.app_user = 'berta';
SELECT is(pg_temp.refused(format($$SELECT nurture_approve('config', 'import', %s, 'qa', 'approved', 'checked')$$, :p)), format('42501 | the author of proposal %s cannot sign it | Another person signs, or nurture.two_person_rule is off.', :p), 'nor under another name');
SET LOCAL nurture.pooled_logins = on;
SELECT is(nurture_approve('config', 'import', :p, 'qa', 'approved', 'checked'), 'open', 'one role of two');
SELECT is(pg_temp.refused(format($$SELECT nurture_approve('config', 'import', %s, 'marketing', 'approved', 'checked')$$, :p)), format('NU007 | this content of proposal %s was signed before in role qa | Each role signs once, each by another person.', :p), 'each another person');
SET LOCAL nurture.app_user = 'carl';
UPDATE nurture.frequency_cap SET n = 5 WHERE cap = 'email_month';
SELECT is(pg_temp.refused(format($$SELECT nurture_approve('config', 'import', %s, 'marketing', 'approved', 'agreed')$$, :p)),
    format('NU007 | the configuration has changed since proposal %s was made | Applying it would do something else than what was proposed and signed. | Import the document again and approve the new proposal.', :p), 'not when what it replaces has changed');
UPDATE nurture.frequency_cap SET n = 6 WHERE cap = 'email_month';
SELECT is(nurture_approve('config', 'import', :p, 'marketing', 'approved', 'agreed'), 'applied', 'the last role applies it');
SELECT results_eq($$SELECT cap, n, period FROM nurture.frequency_cap WHERE cap IN ('cc_cap', 'email_month')$$, $$VALUES ('cc_cap', 9, '30 days'::interval)$$, 'rows are added and removed');
SELECT is((SELECT parent FROM nurture.tag WHERE value = 'aa_child'), 'zz_parent', 'a row finds the one it needs behind it');
SELECT set_eq(format($$SELECT DISTINCT reason, app_user FROM nurture.change_log WHERE new_row ->> 'cap' = 'cc_cap' OR old_row ->> 'value' = 'zz_parent'$$), format($$VALUES ('proposal %s: agreed', 'carl')$$, :p), 'the change log says why');
SELECT is(pg_temp.refused(format($$SELECT nurture_approve('config', 'import', %s, 'legal', 'approved', 'late')$$, :p)), format('NU007 | proposal %s is applied already | Import the document again where it still differs.', :p), 'once');
SELECT results_eq(format($$SELECT role, decision, signed_by, meaning, length(content_hash) FROM nurture_bi.signature WHERE kind = 'config' AND version = %s ORDER BY role$$, :p),
    $$VALUES ('marketing', 'approved', 'carl', 'agreed', 64), ('qa', 'approved', 'berta', 'checked', 64)$$, 'signatures are shown with name and meaning');
SELECT is((SELECT count(*) FROM nurture_audit_verify() WHERE severity = 'error'), 0::bigint, 'the trail is whole');

-- sent back
SELECT is((SELECT pg_temp.import(pg_temp.document('{"list": [{"list": "cc_list", "origin": "import", "title": "a list"}]}'))), 'setting list:cc_list added proposed', 'another proposal');
SELECT max(proposal_id) AS p FROM nurture.config_proposal \gset
SET LOCAL nurture.app_user = 'berta';
SELECT is(nurture_approve('config', 'import', :p, 'qa', 'rejected', 'no source named'), 'rejected', 'is rejected');
SELECT is(pg_temp.refused(format($$SELECT nurture_approve('config', 'import', %s, 'qa', 'approved', 'after all')$$, :p)), format('NU007 | proposal %s is rejected already | Import the document again where it still differs.', :p), 'for good');
SELECT is(pg_temp.refused($$SELECT nurture_approve('config', 'import', 2147483647, 'qa', 'approved', 'x')$$), 'NU003 | there is no proposal 2147483647 | Proposals are rows of nurture.config_proposal; nurture_import_config makes them.', 'one that is not there');
SELECT is(pg_temp.refused($$SELECT nurture_approve('config', 'export', 1, 'qa', 'approved', 'x')$$), 'NU003 | "export" is no configuration that is signed | Sign nurture_approve(''config'', ''import'', proposal, ...).', 'or is something else');

-- the schema
SELECT ok(nurture_config_schema() = pg_read_file(setting || '/extension/nurture_config.schema.json')::jsonb, 'the file that is shipped is the schema; tools/config-schema writes it') FROM pg_config WHERE name = 'SHAREDIR';
SELECT * FROM finish();
ROLLBACK;
