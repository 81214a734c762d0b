-- nurture_canary: a test lead opts out and is not sent to.
BEGIN;
SELECT plan(11);
SET LOCAL client_min_messages = error;

SELECT results_eq('SELECT step, passed FROM nurture_canary()',
    $$VALUES ('opt_in', true), ('allowed', true), ('one_click', true), ('denied', true), ('refused', true)$$, 'without anything to send');
SELECT nurture_add_asset('{"asset_id": "canary_asset", "title": "canary", "format": "article", "message_class": "promotional", "channels": ["email"],
    "markets": ["*"], "languages": ["*"], "audience_types": ["*"]}') \g /dev/null
SELECT nurture_set_asset_status('canary_asset', 1, 'in_review', 'test') \g /dev/null
SELECT nurture_approve('asset', 'canary_asset', 1, 'medical', 'approved', 'test') \g /dev/null
SELECT bag_eq('SELECT passed FROM nurture_canary()', 'VALUES (true), (true), (true), (true), (true)', 'again, with an asset');
SELECT is((SELECT count(*) FROM nurture.lead WHERE external_ref = 'nurture:canary' AND is_test), 1::bigint, 'there is one canary');
SELECT results_eq($$SELECT m.status, 'consent_denied' = ANY (m.reasons) FROM nurture.message m JOIN nurture.lead l USING (lead_id) WHERE l.external_ref = 'nurture:canary'$$,
    $$VALUES ('refused', true)$$, 'what was refused is kept');
SELECT results_eq($$SELECT outcome FROM nurture.audit WHERE kind = 'canary' ORDER BY audit_id$$, ARRAY['passed', 'passed'], 'both times are on record');
SELECT is((SELECT count(*) FROM nurture_bi.refusals r JOIN nurture.lead l USING (lead_id) WHERE l.external_ref = 'nurture:canary'), 0::bigint, 'reports leave it out');

SET LOCAL nurture.refuse_with_error = on;
SELECT lives_ok('SELECT * FROM nurture_canary()', 'a refusal is no error to it');
RESET nurture.refuse_with_error;

-- a gate that was switched off
ALTER TABLE nurture.consent_event DISABLE TRIGGER nurture_consent_changed;
SELECT bag_has('SELECT step, passed FROM nurture_canary()', $$VALUES ('allowed', false)$$, 'an opt-in that has no effect shows');
ALTER TABLE nurture.consent_event ENABLE ALWAYS TRIGGER nurture_consent_changed;
ALTER TABLE nurture.message DISABLE TRIGGER "~nurture_gate", DISABLE TRIGGER nurture_gate_record;
SELECT bag_has('SELECT step, passed FROM nurture_canary()', $$VALUES ('refused', false)$$, 'so does a message that nothing stopped');
SELECT is((SELECT outcome FROM nurture.audit WHERE kind = 'canary' ORDER BY audit_id DESC LIMIT 1), 'failed', 'and is on record');

CREATE ROLE canary_role;
GRANT USAGE ON SCHEMA nurture TO canary_role;
SET LOCAL ROLE canary_role;
SELECT throws_ok('SELECT * FROM nurture_canary()', '42501', 'permission denied to run the canary', 'for the owner alone');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
