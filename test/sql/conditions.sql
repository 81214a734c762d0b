-- Conditions in the server: every term whose table exists, evaluated through
-- the patterns of a draft, and the errors, which name the path.
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL nurture.clock = '2026-06-30T12:00:00Z';
SELECT no_plan();

INSERT INTO nurture.event_type (event_type, class) VALUES ('c_click', 'engagement'), ('c_form', 'intent');
INSERT INTO nurture.signal (signal, signal_id, event_type) VALUES ('c_click', 32101, 'c_click'), ('c_form', 32102, 'c_form');
INSERT INTO nurture.tag (dimension, value, tag_id, parent) VALUES ('c_dim', 'broad', 64001, NULL), ('c_dim', 'narrow', 64002, 'broad'), ('c_dim', 'other', 64003, NULL);
INSERT INTO nurture.account (account_id, name, attributes, spike) VALUES (930001, 'Clinic', '{"beds": 400}', 2.5);
INSERT INTO nurture.lead (lead_id, account_id, audience_type, role, specialty, country, campaign, audience_verified_at, attributes) VALUES
    (930001, 930001, 'hcp', 'physician', 'oncology', 'DE', 'spring', '2026-01-10', '{"area": "narrow", "areas": ["other", "narrow"], "due": "2026-07-10", "role2": "nurse", "n": 5.000001, "empty": "", "null": null}');
INSERT INTO nurture.activity (lead_id, signals, topics) VALUES
    (930001, '{32101@2026-06-01:3, 32101@2026-06-30:2, 32102@2026-06-15:1}', '{64002@2026-06-30:3, 64003@2026-06-30:1}')
    ON CONFLICT (lead_id) DO UPDATE SET signals = EXCLUDED.signals, topics = EXCLUDED.topics;
INSERT INTO nurture.lead_stage (lead_id, stage, stage_no, since, tier, grade) VALUES (930001, 'engaged', 2, '2026-06-01', 2, 'B2')
    ON CONFLICT (lead_id, product) DO UPDATE SET stage = EXCLUDED.stage, stage_no = EXCLUDED.stage_no, tier = EXCLUDED.tier, grade = EXCLUDED.grade;
INSERT INTO nurture.model (model, audience_types) VALUES ('c_model', '{c_none}');
SELECT nurture_draft('model', 'c_model');

-- true when the pattern fires; false and unknown are told apart by negating
CREATE FUNCTION pg_temp.truth(condition jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE yes boolean; no boolean;
BEGIN
    DELETE FROM nurture.pattern WHERE model = 'c_model';
    INSERT INTO nurture.pattern (model, version, pattern, condition, points) VALUES ('c_model', 1, 'yes', condition, 1), ('c_model', 1, 'no', jsonb_build_object('not', condition), 1);
    SELECT coalesce(bool_or(rule = 'yes'), false), coalesce(bool_or(rule = 'no'), false) INTO yes, no FROM nurture_explain(930001, 'c_model', 1);
    RETURN CASE WHEN yes AND NOT no THEN 'true' WHEN no AND NOT yes THEN 'false' WHEN NOT yes THEN 'unknown' ELSE 'both' END;
END $$;

SELECT is(pg_temp.truth(c), expected, coalesce(c::text)) FROM (VALUES
    ('{"fact": "role", "op": "=", "value": "physician"}'::jsonb, 'true'),
    ('{"fact": "role", "op": "!=", "value": "physician"}', 'false'),
    ('{"fact": "region", "op": "=", "value": "x"}', 'unknown'),
    ('{"fact": "region", "op": "unknown"}', 'true'),
    ('{"fact": "attributes.empty", "op": "known"}', 'false'),
    ('{"fact": "attributes.null", "op": "known"}', 'false'),
    ('{"fact": "attributes.nothing", "op": "=", "value": 1}', 'unknown'),
    ('{"fact": "attributes.n", "op": ">=", "value": 5.000001}', 'true'),
    ('{"fact": "attributes.n", "op": "<=", "value": 5}', 'false'),
    ('{"fact": "account.spike", "op": "between", "value": [2.5, 3]}', 'true'),
    ('{"fact": "account.attributes.beds", "op": ">=", "value": 400}', 'true'),
    ('{"fact": "audience_verified_at", "op": "older_than", "value": 100}', 'true'),
    ('{"fact": "attributes.due", "op": "due_within", "value": [0, 10]}', 'true'),
    ('{"fact": "attributes.due", "op": "due_within", "value": [0, 9]}', 'false'),
    ('{"fact": "role", "op": "differs_from", "value": "attributes.role2"}', 'true'),
    ('{"fact": "attributes.area", "op": "under", "value": "c_dim:broad"}', 'true'),
    ('{"fact": "attributes.areas", "op": "under", "value": "c_dim:broad"}', 'true'),
    ('{"fact": "attributes.area", "op": "under", "value": "c_dim:other"}', 'false'),
    ('{"fact": "attributes.areas", "op": "all_of", "value": ["narrow", "other"]}', 'true'),
    ('{"signal": "c_click"}', 'true'),
    ('{"signal": "c_click", "at_least": 5}', 'true'),
    ('{"signal": "c_click", "at_least": 3, "within_days": 28}', 'false'),
    ('{"signal": "c_click", "at_least": 5, "within_days": 29}', 'true'),
    ('{"signal": "c_click", "at_most": 2, "after": "c_form"}', 'true'),
    ('{"interest": {"dimension": "c_dim", "value": "broad", "at_least": 0.75}}', 'true'),
    ('{"interest": {"dimension": "c_dim", "value": "broad", "at_least": 0.76}}', 'false'),
    ('{"tag": "c_dim:narrow", "interest_at_least": 0.5}', 'true'),
    ('{"tag": "c_dim:narrow", "present": true}', 'false'),
    ('{"stage": ["engaged", "mql"]}', 'true'),
    ('{"stage": ["mql"]}', 'false'),
    ('{"tier": {"at_least": 2}}', 'true'),
    ('{"tier": {"at_least": 3}}', 'false'),
    ('{"grade": ["A1", "B2"]}', 'true'),
    ('{"campaign": "spring"}', 'true'),
    ('{"campaign": "autumn"}', 'false'),
    ('{"handoff": {"state": "open"}}', 'false'),
    ('{"consent": {"channel": "email", "purpose": "marketing", "is": "given"}}', 'false'),
    ('{"all": []}', 'true'),
    ('{"any": [{"fact": "region", "op": "=", "value": "x"}, {"signal": "c_form"}]}', 'true'),
    ('{"all": [{"fact": "region", "op": "=", "value": "x"}, {"signal": "c_form"}]}', 'unknown')
) AS t(c, expected);

-- errors name the path, the word and the nearest known ones
CREATE FUNCTION pg_temp.error_of(condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE detail text; hint text;
BEGIN
    INSERT INTO nurture.pattern (model, version, pattern, condition, points) VALUES ('c_model', 1, 'bad', condition::jsonb, 1);
    RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(' | ', SQLSTATE, SQLERRM, nullif(detail, ''), nullif(hint, ''));
END $$;
SELECT pg_temp.error_of(c) FROM (VALUES
    ('{"all": [{"fact": "role", "op": "=", "value": "x"}, {"signal": "c_clik"}]}'),
    ('{"fact": "rolle", "op": "=", "value": "x"}'),
    ('{"fact": "email", "op": "known"}'),
    ('{"fact": "role", "op": "equals", "value": "x"}'),
    ('{"stage": ["engagd"]}'),
    ('{"tag": "c_dim:narow", "present": true}'),
    ('{"label": "X"}'),
    ('{"list": "x"}'),
    ('{"program": {"kind": "trial", "on": ["country"]}}'),
    ('{"any": []}'),
    ('{"fact": "attributes.n", "op": "between", "value": [2, 1]}'),
    ('{"signal": "c_click", "at_least": 3, "at_most": 2}'),
    ('[]'),
    ('"x"'),
    ('{}')
) AS t(c);
SELECT pg_temp.error_of(repeat('{"not": ', 33) || '{"all": []}' || repeat('}', 33));
SELECT is(pg_temp.error_of(repeat('{"not": ', 31) || '{"all": []}' || repeat('}', 31)), 'accepted', 'depth 32 is accepted');
SELECT * FROM finish();
ROLLBACK;
