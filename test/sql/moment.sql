-- Scores at moments: the two clocks, versions in force, what is gone, whose
-- rights decide, and bad input.
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL timezone = 'UTC';
SELECT plan(45);

CREATE FUNCTION pg_temp.raised(statement text) RETURNS text LANGUAGE plpgsql AS $f$
DECLARE
    message text;
    hint text;
BEGIN
    EXECUTE statement;
    RETURN 'nothing';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(' / ', SQLSTATE, left(message, 200), nullif(left(hint, 200), ''));
END
$f$;

SET LOCAL nurture.clock = '2026-01-01T00:00:00Z';
INSERT INTO nurture.audience_type (audience_type, title) VALUES ('mo_aud', 'A'), ('mo_other', 'B');
INSERT INTO nurture.event_type (event_type, class) VALUES ('mo_view', 'content');
INSERT INTO nurture.signal (signal, signal_id, event_type) VALUES ('mo_view', 31911, 'mo_view');
UPDATE nurture.model SET is_default = false WHERE model = 'default';
INSERT INTO nurture.model (model, audience_types, is_default) VALUES ('mo_model', '{mo_aud}', true), ('mo_rest', '{}', true);
SELECT nurture_draft('model', m) FROM unnest(ARRAY['mo_model', 'mo_rest']) m;
INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points) VALUES
    ('mo_model', 1, 'nurse', 'role', '=', '"nurse"', 100), ('mo_model', 1, 'account', 'account.country', '=', '"DE"', 1000),
    ('mo_rest', 1, 'nurse', 'role', '=', '"nurse"', 7);
INSERT INTO nurture.signal_rule (model, version, rule, signal, points, curve, curve_days) VALUES ('mo_model', 1, 'view', 'mo_view', 8, 'half_life', 1);
SELECT nurture_publish('model', m, 1, 'test', true) FROM unnest(ARRAY['mo_model', 'mo_rest']) m;
INSERT INTO nurture.account (account_id, country) VALUES (931000, 'DE');
INSERT INTO nurture.lead (lead_id, audience_type, role, account_id) SELECT 931000 + i, 'mo_aud', 'physician', 931000 FROM generate_series(1, 9) i;

-- facts, in two clocks
SET LOCAL nurture.clock = '2026-01-10T00:00:00Z';
UPDATE nurture.lead SET role = 'nurse' WHERE lead_id = 931001;
UPDATE nurture.lead SET role = 'nurse', updated_at = '2026-01-05T00:00:00Z' WHERE lead_id = 931002;
SELECT is(nurture_score_at(931001, '2026-01-09 23:59:59Z'), 1000.00, 'before a change the version before it counts');
SELECT is(nurture_score_at(931001, '2026-01-10 00:00Z'), 1100.00, 'from its moment on the next one');
SELECT is(nurture_score_at(931002, '2026-01-06 00:00Z'), 1100.00, 'a change told late holds from when the CRM says');
SELECT is(nurture_score_at(931002, '2026-01-06 00:00Z', known_at => '2026-01-06 00:00Z'), 1000.00, 'but was not known then');
SELECT is(nurture_score_at(931002, '2026-01-04 23:00Z'), 1000.00, 'and not before that either');
SELECT is(nurture_score_at(931001, '2026-01-12 00:00Z', known_at => '2026-01-06 00:00Z'), 1000.00, 'what was known before may be asked for a later moment');
SELECT is(nurture_score_at(931001, '2025-12-31 23:59:59Z'), NULL, 'before the lead was there, there is no score');
SET LOCAL nurture.clock = '2026-01-12T00:00:00Z';
INSERT INTO nurture.lead (lead_id, audience_type, role, created_at) VALUES (931010, 'mo_aud', 'nurse', '2026-01-02 00:00Z');
SELECT is(nurture_score_at(931010, '2026-01-03 00:00Z'), 100.00, 'a lead exists from when its writer says');
SELECT is(nurture_score_at(931010, '2026-01-03 00:00Z', known_at => '2026-01-11 00:00Z'), NULL, 'and is known from when it was stored');

-- events, in two clocks
INSERT INTO nurture.event (lead_id, event_type, occurred_at) VALUES (931003, 'mo_view', '2026-01-08 12:00Z'), (931003, 'mo_view', '2026-01-11 23:00Z');
SELECT is(nurture_score_at(931003, '2026-01-08 11:00Z'), 1000.00, 'an event that comes later does not count');
SELECT is(nurture_score_at(931003, '2026-01-08 12:00Z'), 1008.00, 'at its moment it does');
SELECT is(nurture_score_at(931003, '2026-01-10 00:00Z'), 1002.00, 'and fades');
SELECT is(nurture_score_at(931003, '2026-01-10 00:00Z', known_at => '2026-01-10 00:00Z'), 1000.00, 'it was not known before it was recorded');
SELECT is(nurture_score_at(931003, '2026-01-12 00:00Z'), nurture_score(931003), 'now is a moment');
SELECT is(nurture_score_at(931003, '2026-02-12 00:00Z'), 1000.00, 'the future is what fades');
SELECT is((SELECT last_day FROM nurture_explain(931003, at => '2026-01-10 00:00Z') WHERE rule = 'view'), '2026-01-08', 'explained as of then');
SELECT is((SELECT sum(points) FROM nurture_explain(931003, at => '2026-01-11 23:30Z')), nurture_score_at(931003, '2026-01-11 23:30Z'), 'which adds up');

-- what is known now of what was corrected or deleted (test/sql/event_history.sql has what was known before)
UPDATE nurture.event SET occurred_at = '2026-01-07 12:00Z' WHERE lead_id = 931003 AND occurred_at < '2026-01-09';
SELECT is(nurture_score_at(931003, '2026-01-10 00:00Z'), 1001.00, 'a corrected event counts as corrected');
DELETE FROM nurture.event WHERE lead_id = 931003 AND occurred_at < '2026-01-09';
SELECT is(nurture_score_at(931003, '2026-01-10 00:00Z'), 1000.00, 'a deleted one never was');
INSERT INTO nurture.activity (lead_id, base) VALUES (931004, '{31911@2026-01-08:1}');
SELECT is(nurture_score_at(931004, '2026-01-10 00:00Z'), 1002.00, 'what dropped partitions left counts');

-- accounts
UPDATE nurture.account SET country = 'FR' WHERE account_id = 931000;
SELECT is(nurture_score_at(931004, '2026-01-11 00:00Z'), 1001.00, 'the account is that of then');
DELETE FROM nurture.account WHERE account_id = 931000;
SELECT is(nurture_score_at(931005, '2026-01-11 00:00Z'), 1000.00, 'also when it is gone');
SELECT is(nurture_score_at(931005, '2026-01-12 00:00Z'), 0.00, 'from then on it is unknown');

-- versions
SET LOCAL nurture.clock = '2026-01-20T00:00:00Z';
SELECT nurture_draft('model', 'mo_model', 1);
UPDATE nurture.fit_rule SET points = 300 WHERE model = 'mo_model' AND version = 2 AND rule = 'nurse';
SELECT is((nurture_scores_at(931001, '2026-01-25 00:00Z', 'mo_model', 2)).total, 300.00, 'a draft may be asked for');
SELECT nurture_publish('model', 'mo_model', 2, 'test', true);
SELECT is((nurture_scores_at(931001, '2026-01-19 23:59Z')).version_used, 1, 'the version in force then');
SELECT is((nurture_scores_at(931001, '2026-01-20 00:00Z')).version_used, 2, 'is the next from the moment it was published');
SELECT results_eq($$SELECT model_used, version_used, fit, intent, total, grade FROM nurture_scores_at(931001, '2026-01-20 00:00Z')$$,
    $$VALUES ('mo_model', 2, 300.00, 0.00, 300.00, NULL::text)$$, 'with its parts');
SELECT is(nurture_score_at(931001, '2026-01-19 00:00Z', 'mo_model', 2), 300.00, 'a later version may be asked what it would have said');
SELECT is(nurture_score_at(931001, '2025-12-31 00:00Z', 'mo_model'), NULL, 'no version, no score');
SELECT is((SELECT sum(points) FROM nurture_explain(931001, 'mo_model', 1, '2026-01-20 00:00Z')), 100.00, 'an explanation takes both, version and moment');
UPDATE nurture.lead SET audience_type = 'mo_other' WHERE lead_id = 931001;
SELECT is((nurture_scores_at(931001, '2026-01-20 00:00Z')).model_used, 'mo_rest', 'the model of the audience');
SELECT is((nurture_scores_at(931001, '2026-01-19 00:00Z')).model_used, 'mo_model', 'that the lead had then');

-- what models were for
SET LOCAL nurture.clock = '2026-01-21T00:00:00Z';
UPDATE nurture.model SET audience_types = '{mo_other}' WHERE model = 'mo_model';
SET LOCAL nurture.clock = '2026-01-22T00:00:00Z';
UPDATE nurture.model SET is_default = false WHERE model = 'mo_model';
SELECT is((SELECT array_agg((nurture_scores_at(931001, at)).model_used ORDER BY at) FROM unnest(ARRAY['2026-01-20 23:59Z', '2026-01-21 00:00Z', '2026-01-21 23:59Z', '2026-01-22 00:00Z']::timestamptz[]) at),
    ARRAY['mo_rest', 'mo_model', 'mo_model', 'mo_rest'], 'a model is the default of an audience from when it is made that until it is another');
SET LOCAL nurture.clock = '2026-01-23T00:00:00Z';
UPDATE nurture.model SET audience_types = '{mo_aud}', is_default = true WHERE model = 'mo_model';
SET LOCAL nurture.clock = '2026-01-20T00:00:00Z';

-- merged, erased, gone
UPDATE nurture.lead SET merged_into = 931002 WHERE lead_id = 931005;
SELECT is(nurture_score_at(931005, '2026-01-20 00:00Z'), nurture_score(931002), 'a merged lead gives its survivor''s');
SELECT is(nurture_score_at(931005, '2026-01-06 00:00Z'), 1000.00, 'and its own from before');
UPDATE nurture.lead SET erased_at = nurture_now() WHERE lead_id = 931006;
SELECT is(nurture_score_at(931006, '2026-01-06 00:00Z'), NULL, 'an erased lead has no past');
DELETE FROM nurture.lead WHERE lead_id = 931007;
SELECT is(nurture_score_at(931007, '2026-01-06 00:00Z'), NULL, 'nor has a deleted one');
SELECT is(nurture_score_at(NULL, nurture_now()), NULL, 'NULL in, NULL out');

-- whose rights
CREATE ROLE nurture_test_past;
GRANT USAGE ON SCHEMA nurture TO nurture_test_past;
GRANT SELECT ON nurture.activity, nurture.account TO nurture_test_past;
GRANT SELECT (lead_id, audience_type, account_id, merged_into, erased_at, owner) ON nurture.lead TO nurture_test_past;
SET LOCAL ROLE nurture_test_past;
SELECT throws_ok($$SELECT nurture_score_at(931001, '2026-01-19 00:00Z')$$, '42501', NULL, 'a column that the caller may not read now is not read in the past');
RESET ROLE;
GRANT SELECT (role) ON nurture.lead TO nurture_test_past;
SET LOCAL ROLE nurture_test_past;
SELECT is(nurture_score_at(931001, '2026-01-19 00:00Z'), 100.00, 'with the columns of the model there is a score');
RESET ROLE;
ALTER TABLE nurture.lead ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON nurture.lead TO nurture_test_past USING (lead_id <> 931002);
SET LOCAL ROLE nurture_test_past;
SELECT is((SELECT array_agg(nurture_score_at(i, '2026-01-19 00:00Z') ORDER BY i) FROM generate_series(931001, 931002) i), ARRAY[100.00, NULL], 'a hidden lead has no past');
SELECT is(nurture_score_at(931005, '2026-01-20 00:00Z'), NULL, 'also as a survivor');
RESET ROLE;

-- bad input
SELECT is(pg_temp.raised($$SELECT nurture_score_at(931001, 'infinity')$$), '22008 / a score at "infinity" cannot be computed / Give a moment; known_at may be infinity.', 'a moment is finite');
SELECT is(pg_temp.raised($$SELECT nurture_score_at(931001, nurture_now(), version => 1)$$), '22023 / a version needs the name of its model / Name the model too.', 'a version needs its model');
SELECT is(pg_temp.raised($$SELECT nurture_score_at(931001, nurture_now(), 'mo_model', 9)$$), 'NU003 / model "mo_model" has no version 9 / Versions are rows of nurture.model_version.', 'of which it must be one');

SELECT * FROM finish();
ROLLBACK;
