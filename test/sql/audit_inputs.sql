-- Facts that entries about messages have in common are stored once and told in
-- full, whatever was rolled back in between.
SET client_min_messages = error;
CREATE FUNCTION pg_temp.make() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('nurture.clock', '2026-03-10 10:00:00+00', true);
    PERFORM set_config('search_path', '', true), set_config('row_security', 'off', true), set_config('check_function_bodies', 'off', true);
    INSERT INTO nurture.asset (asset_id, family, title, format) VALUES ('in_1', 'in_1', 'asset', 'email');
    INSERT INTO nurture.asset_version (asset_id, version, status, message_class, channels, languages, markets, audience_types, approved_at, content_hash)
        VALUES ('in_1', 1, 'approved', 'promotional', '{email}', '{en}', '{*}', '{hcp}', '2026-01-01', '\x01');
    PERFORM set_config('search_path', 'public', true), set_config('row_security', 'on', true), set_config('check_function_bodies', 'on', true);
    INSERT INTO nurture.lead (lead_id, email, country, audience_type, language)
        SELECT 73000 + i, 'in' || i || '@example.com', CASE WHEN i = 5 THEN 'DE' ELSE 'FR' END, 'hcp', 'en' FROM generate_series(1, 9) i;
    PERFORM nurture_opt_in(73000 + i, 'email') FROM generate_series(1, 9) i;
END $$;
-- the entry of a lead's message
CREATE FUNCTION pg_temp.entry(lead bigint) RETURNS nurture.audit LANGUAGE sql AS $$
    SELECT a FROM nurture.audit a WHERE a.lead_ref = lead AND a.kind = 'message' ORDER BY a.audit_id DESC LIMIT 1 $$;
CREATE FUNCTION pg_temp.passed(lead bigint) RETURNS text LANGUAGE sql AS $$
    SELECT (pg_temp.entry(lead)).inputs::jsonb ->> 'passed' $$;
CREATE FUNCTION pg_temp.whole(lead bigint) RETURNS boolean LANGUAGE sql AS $$ SELECT pg_temp.passed(lead) LIKE '{%' $$;

BEGIN;
SELECT pg_temp.make() \g /dev/null
INSERT INTO nurture.message (lead_id, channel, asset_id) SELECT 73000 + i, 'email', 'in_1' FROM generate_series(1, 5) i;
ROLLBACK;

BEGIN;
SELECT plan(24);
SELECT pg_temp.make() \g /dev/null
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (73001, 'email', 'in_1');
SELECT is(pg_temp.whole(73001), true, 'what a transaction that was rolled back had in full is told again');
SAVEPOINT a;
INSERT INTO nurture.message (lead_id, channel, asset_id) SELECT 73000 + i, 'email', 'in_1' FROM generate_series(2, 5) i;
SELECT is(pg_temp.passed(73000 + i), (pg_temp.entry(73001)).audit_id::text, 'the same facts are that entry''s') FROM generate_series(2, 4) i;
SELECT is(pg_temp.whole(73005), true, 'others are told');
SELECT is(nurture_audit_inputs((pg_temp.entry(73002)).inputs), (pg_temp.entry(73001)).inputs, 'in full it says the same');
SELECT is(nurture_audit_inputs((pg_temp.entry(73005)).inputs), (pg_temp.entry(73005)).inputs, 'what is told in full is that');
SELECT results_eq($$SELECT w.rule, w.version, w.passed, w.fact FROM nurture.message m, nurture_why(m.lead_id, m.message_id) w WHERE m.lead_id = 73002$$,
    $$SELECT w.rule, w.version, w.passed, w.fact FROM nurture.message m, nurture_why(m.lead_id, m.message_id) w WHERE m.lead_id = 73001$$, 'nurture_why tells every rule of both');
SELECT cmp_ok((SELECT count(*) FROM nurture.message m, nurture_why(m.lead_id, m.message_id) w WHERE m.lead_id = 73002), '>', 15::bigint, 'which are many');
SELECT is((SELECT d.inputs FROM nurture_decisions(73003) d WHERE d.kind = 'message'), (pg_temp.entry(73001)).inputs, 'so does nurture_decisions');
SELECT is((SELECT d.inputs FROM nurture_bi.decision_log d WHERE d.lead_id = 73003 AND d.kind = 'message'), (pg_temp.entry(73001)).inputs, 'and the log');
SELECT is((SELECT jsonb_path_query_first(nurture_subject_export(73004), '$.held.audit.rows[*] ? (@.kind == "message").inputs') #>> '{}'), (pg_temp.entry(73001)).inputs, 'and the export of a person');
SELECT is_empty($$SELECT * FROM nurture_audit_verify() WHERE severity = 'error'$$, 'each is hashed as it is stored');

-- what was rolled back is nobody's
ROLLBACK TO a;
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (73005, 'email', 'in_1');
SELECT is(pg_temp.whole(73005), true, 'what a savepoint that was rolled back had in full is told again');
SAVEPOINT b;
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (73006, 'email', 'in_1');
RELEASE b;
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (73007, 'email', 'in_1');
SELECT is(nurture_audit_inputs((pg_temp.entry(73007)).inputs), (pg_temp.entry(73001)).inputs, 'the next has what it needs');

-- what failed is told by each
INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) VALUES (73008, 'email', 'in_1', '1'), (73008, 'email', 'in_1', '2'), (73009, 'email', 'in_1', '1'), (73009, 'email', 'in_1', '2');
SELECT is((pg_temp.entry(73009)).inputs::jsonb -> 'failed', (pg_temp.entry(73008)).inputs::jsonb -> 'failed', 'what failed is told by each');
SELECT is(jsonb_array_length((pg_temp.entry(73009)).inputs::jsonb -> 'failed') > 0, true, 'for something did');
SELECT is(nurture_audit_inputs((pg_temp.entry(73009)).inputs)::jsonb, nurture_audit_inputs((pg_temp.entry(73008)).inputs)::jsonb, 'and the rest is the same');

-- what is no entry's number is left as it is
SELECT is(nurture_audit_inputs(t), t, 'as it is: ' || t) FROM unnest(ARRAY['', 'team a', '{"passed":9223372036854775807}', '{"passed":99999999999999999999}', '{"passed":1,"x":2}']) t;
SELECT is(nurture_audit_inputs(NULL), NULL, 'of nothing nothing');
SELECT * FROM finish();
ROLLBACK;
