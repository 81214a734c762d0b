-- Import of leads: found or made, changed or left alone, and what is wrong kept.
BEGIN;
SELECT plan(17);
SET LOCAL client_min_messages = warning;
SET LOCAL nurture.app_user = 'tester';
INSERT INTO nurture.account (account_id, external_ref, name) VALUES (4801, 'IM-ACC', 'A');
INSERT INTO nurture.lead (lead_id, external_ref, email, role, country, attributes) VALUES (4801, 'IM-1', 'im1@example.org', 'nurse', 'FR', '{"beds": 3, "note": "x"}'), (4802, 'IM-2', NULL, NULL, NULL, '{}'), (4803, 'IM-2', NULL, NULL, NULL, '{}'), (4804, 'IM-4', NULL, NULL, NULL, '{}');
INSERT INTO nurture.identity (kind, value, lead_id) VALUES ('professional_number', 'IM 99', 4804);
SELECT is((SELECT i::text FROM nurture_import_leads('[
    {"external_ref": "IM-1", "role": null, "country": "DE", "account_ref": "IM-ACC", "attributes": {"beds": 4, "note": null}},
    {"external_ref": "IM-9", "email": "im9@example.org", "audience_type": "hcp", "identities": [{"kind": "cookie", "value": "im-c"}]},
    {"lead_id": 4810, "full_name": "Numbered"},
    {"identity": {"kind": "professional_number", "value": "im-99"}, "specialty": "oncology"},
    {"external_ref": "IM-2", "role": "x"},
    {"external_ref": "IM-8", "account_ref": "nobody"},
    {"external_ref": "IM-8", "colour": "red"},
    {"external_ref": "IM-8", "audience_verified_at": "yesterday or so"},
    {"external_ref": "IM-8", "audience_type": "No Code"},
    7]', 'nightly') i), '(2,2,0,6)', 'counts');
SELECT is((SELECT (email, role, country, account_id, attributes)::text FROM nurture.lead WHERE lead_id = 4801), '(im1@example.org,,DE,4801,"{""beds"": 4}")', 'told facts change, null is unknown, the others stay');
SELECT is((SELECT reason || ' ' || actor FROM nurture.lead_history WHERE lead_id = 4801 ORDER BY history_no DESC LIMIT 1), 'nightly tester', 'history says why and who');
SELECT is((SELECT (email, audience_type, is_test, attributes)::text FROM nurture.lead WHERE external_ref = 'IM-9'), '(im9@example.org,hcp,f,{})', 'a new lead');
SELECT is(nurture_resolve('cookie', 'im-c'), nurture_lead_id('IM-9'), 'with its identities');
SELECT is((SELECT full_name FROM nurture.lead WHERE lead_id = 4810), 'Numbered', 'one with its number');
SELECT is((SELECT specialty FROM nurture.lead WHERE lead_id = 4804), 'oncology', 'one found by an identity');
SELECT results_eq($$SELECT reason FROM nurture.lead_quarantine ORDER BY quarantine_id$$, $$VALUES ('ambiguous'), ('unknown_account'), ('bad_value'), ('bad_value'), ('refused'), ('bad_value')$$, 'what is wrong is kept with its reason');
SELECT is((SELECT payload ->> 'colour' FROM nurture.lead_quarantine WHERE detail = 'unknown key "colour"'), 'red', 'as it came');
SELECT is(nurture_lead_id('IM-8'), NULL::bigint, 'and nothing of it was taken');
SELECT is((SELECT i::text FROM nurture_import_leads('[{"external_ref": "IM-1", "country": "DE"}, {"lead_id": 4810, "full_name": "Numbered"}]') i), '(0,0,2,0)', 'what is the same changes nothing');
SELECT nurture_merge(4801, 4804, 'same person') > 0 AS merged;
SELECT is((SELECT i::text FROM nurture_import_leads('[{"external_ref": "IM-4", "country": "US"}]') i), '(0,1,0,0)', 'a merged lead');
SELECT is((SELECT string_agg(country, ' ' ORDER BY lead_id) FROM nurture.lead WHERE lead_id IN (4801, 4804)), 'DE US', 'keeps its own row');
SELECT is((SELECT i::text FROM nurture_import_leads('[]') i), '(0,0,0,0)', 'nothing is nothing');
SELECT throws_ok($$SELECT nurture_import_leads('{"external_ref": "IM-1"}')$$, '22023', 'leads to import are an array of objects', 'an array');
SELECT throws_ok($$SELECT nurture_import_leads(NULL)$$, '22023', 'leads to import are an array of objects', 'not NULL');
CREATE ROLE nurture_test_importer;
GRANT USAGE ON SCHEMA nurture TO nurture_test_importer;
SET LOCAL ROLE nurture_test_importer;
SELECT throws_ok($$SELECT nurture_import_leads('[{"external_ref": "IM-1", "country": "US"}]')$$, '42501', NULL, 'with the rights of the caller');
RESET ROLE;
SELECT * FROM finish();
ROLLBACK;
