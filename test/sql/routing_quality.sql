-- What is wrong with the facts of a lead keeps it from tier 1, by name.
BEGIN;
SELECT plan(19);
SET LOCAL nurture.clock = '2026-03-02 10:00:00+00';
SET LOCAL timezone = 'UTC';
CREATE FUNCTION pg_temp.fails(lead bigint) RETURNS text LANGUAGE sql AS $$ SELECT tier || ' ' || array_to_string(ARRAY(SELECT r FROM unnest(reasons) r ORDER BY 1), ',') FROM nurture_qualify(lead) $$;

INSERT INTO nurture.lead (lead_id, email, phone, audience_type, role, specialty, country, region) VALUES
    (9801, 'a@q.example.org', NULL, 'hcp', 'prescriber', 'oncology', 'DE', 'DE-BY'),
    (9802, 'a@q.example.org@', NULL, 'hcp', 'prescriber', NULL, 'DE', NULL), (9803, 'nobody', '+49 30 123456', 'hcp', 'prescriber', NULL, 'DE', NULL),
    (9804, NULL, '12', 'hcp', 'prescriber', NULL, 'DE', NULL), (9805, NULL, '030 123456', 'hcp', 'prescriber', NULL, NULL, NULL),
    (9806, 'f@q.example.org', NULL, 'hcp', 'prescriber', NULL, 'UK', NULL), (9807, 'g@q.example.org', NULL, 'hcp', 'prescriber', NULL, 'DE', 'DE-XX'), (9808, 'h@q.example.org', NULL, 'hcp', 'prescriber', NULL, 'DE', 'FR-IDF'),
    (9809, 'i@q.example.org', NULL, 'patient', 'prescriber', NULL, 'DE', NULL), (9810, 'j@q.example.org', NULL, 'procurement', 'procurement', 'oncology', 'DE', NULL),
    (9811, 'k@q.example.org', NULL, 'unknown', 'prescriber', NULL, 'DE', NULL), (9812, 'l@q.example.org', NULL, 'hcp', 'astronaut', NULL, 'DE', NULL),
    (9813, 'twice@q.example.org', NULL, 'hcp', 'prescriber', NULL, 'DE', NULL);
SELECT results_eq($$SELECT lead_id, pg_temp.fails(lead_id) FROM generate_series(9801, 9812::bigint) lead_id WHERE pg_temp.fails(lead_id) ~ '^0' ORDER BY 1$$,
    $$VALUES (9802::bigint, '0 invalid_address'), (9804, '0 invalid_address'), (9805, '0 missing_country'), (9806, '0 invalid_country'), (9807, '0 invalid_region'), (9808, '0 invalid_region'),
             (9809, '0 role_contradicts'), (9810, '0 role_contradicts'), (9811, '0 missing_audience')$$, 'each fault by its name; one number that is one makes up for an address that is none');
SELECT ok((SELECT tier >= 1 FROM nurture_qualify(l)), 'lead ' || l || ' has none') FROM unnest('{9801,9803,9812}'::bigint[]) l;
SELECT is_empty($$SELECT f FROM unnest('{missing_contact_point,missing_audience,missing_country,invalid_address,invalid_country,invalid_region,role_contradicts,duplicate_of}'::text[]) f
    WHERE NOT EXISTS (SELECT FROM nurture.reason WHERE reason = f AND remedy <> '')$$, 'with what to do about it');

-- put right, the standing is decided again
INSERT INTO nurture.event (lead_id, event_type, occurred_at) SELECT l, 'demo_requested', '2026-03-02 09:00+00' FROM unnest('{9806,9813}'::bigint[]) l;
SELECT is((SELECT tier::int FROM nurture.lead_stage WHERE lead_id = 9806 AND product = '*'), 0, 'an event does not help');
UPDATE nurture.lead SET country = 'GB' WHERE lead_id = 9806;
SELECT ok((SELECT tier >= 1 FROM nurture.lead_stage WHERE lead_id = 9806 AND product = '*'), 'the right code does, at once');

-- duplicates
SELECT ok((SELECT tier >= 1 FROM nurture.lead_stage WHERE lead_id = 9813 AND product = '*'), 'one of its kind');
INSERT INTO nurture.review (lead_id, bucket, scope, evidence) VALUES (9813, 'identity', 'email', '{"same": "email", "lead_id": 9801}') RETURNING review_id \gset
SELECT is(pg_temp.fails(9813), '0 duplicate_of', 'that may be another lead');
SELECT is((SELECT tier::int FROM nurture.lead_stage WHERE lead_id = 9813 AND product = '*'), 0, 'its standing is decided with the review');
SELECT nurture_rule(:review_id, 'different', 'two persons') IS NOT NULL AS ruled;
SELECT ok((SELECT tier >= 1 FROM nurture.lead_stage WHERE lead_id = 9813 AND product = '*'), 'and with the ruling');
INSERT INTO nurture.review (lead_id, bucket, scope) VALUES (9813, 'consent', 'email');
SELECT ok((SELECT tier >= 1 FROM nurture_qualify(9813)), 'a review about something else is none');

-- roles are rows
UPDATE nurture.role SET specialties = '{oncology}' WHERE role = 'procurement';
SELECT ok((SELECT tier >= 1 FROM nurture_qualify(9810)), 'what goes with a role is a row');
DELETE FROM nurture.role WHERE role = 'prescriber';
SELECT ok((SELECT tier >= 1 FROM nurture_qualify(9809)), 'a role without one contradicts nothing');

-- rules of one's own
SELECT nurture_draft('model', 'default', 1) AS version \gset
DELETE FROM nurture.tier_rule WHERE model = 'default' AND version = :version AND requirement = 'region_valid';
INSERT INTO nurture.tier_rule (model, version, tier, requirement, condition, fails_with) VALUES ('default', :version, 1, 'role_known', '{"fact": "role", "op": "known"}', 'missing_role'),
    ('default', :version, 1, 'place', '{"fact": "quality.region", "op": "!=", "value": "elsewhere"}', 'region_elsewhere');
SELECT nurture_publish('model', 'default', :version, 'test') IS NOT NULL AS published;
SELECT is(pg_temp.fails(9808), '0 region_elsewhere', 'what is asked is a row');
SELECT ok((SELECT tier >= 1 FROM nurture_qualify(9807)), 'and what is not');
UPDATE nurture.lead SET role = NULL WHERE lead_id = 9801;
SELECT is(pg_temp.fails(9801), '0 missing_role', 'so are required attributes');
SELECT throws_ok($$INSERT INTO nurture.tier_rule (model, version, tier, requirement, condition, fails_with) VALUES ('default', 99, 1, 'x', '{"fact": "quality.adress", "op": "=", "value": "ok"}', 'x')$$, 'NU005', NULL, 'unknown ones are refused');
SELECT is((SELECT count(*) FROM nurture_qualify(9804, 'p')), 1::bigint, 'a product asks the same');

SELECT * FROM finish();
ROLLBACK;
