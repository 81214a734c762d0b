-- Every remedy that nurture_explain_contact tells as a call is carried out, and
-- its rule passes then.
BEGIN;
SELECT plan(6);
SET LOCAL client_min_messages = warning;
SET LOCAL nurture.clock = '2026-03-02T11:00:00Z';
SET LOCAL TimeZone = 'UTC';
SELECT count(nurture_add_asset(jsonb_build_object('asset_id', id, 'title', id, 'format', 'article', 'message_class', class, 'channels', '["email"]'::jsonb,
    'markets', '["FR", "US", "DE", "IT"]'::jsonb, 'languages', '["en"]'::jsonb, 'audience_types', '["hcp"]'::jsonb))) > 0
FROM (VALUES ('rm_a', 'promotional'), ('rm_draft', 'promotional')) v (id, class) \g /dev/null
SELECT nurture_set_asset_status(id, 1, 'in_review', 'test data') FROM unnest(ARRAY['rm_a', 'rm_draft']) id \g /dev/null
SELECT nurture_approve('asset', 'rm_a', 1, 'medical', 'approved', 'test data') \g /dev/null
INSERT INTO nurture.account (account_id, name) VALUES (973000, 'rm');
INSERT INTO nurture.lead (lead_id, email, country, audience_type, audience_verified_at, language, time_zone, account_id, created_at)
    SELECT 973000 + i, 'rm' || i || '@rm.example.com', 'US', 'hcp', '2026-01-01', 'en', 'UTC', 973000, '2026-01-01' FROM generate_series(1, 20) i;

-- one lead per thing that is wrong
UPDATE nurture.lead SET country = NULL WHERE lead_id = 973001;
UPDATE nurture.lead SET language = NULL WHERE lead_id = 973002;
UPDATE nurture.lead SET email = NULL WHERE lead_id = 973003;
UPDATE nurture.lead SET email = 'not an address' WHERE lead_id = 973004;
UPDATE nurture.lead SET audience_verified_at = NULL, country = 'IT' WHERE lead_id = 973005;
SELECT nurture_opt_out(973006), nurture_opt_out(973007, 'email'), nurture_consent(973008, 'objected', '*') \g /dev/null
UPDATE nurture.lead SET country = 'FR' WHERE lead_id = 973009;
UPDATE nurture.lead SET country = 'DE' WHERE lead_id = 973010;
SELECT nurture_suppress('lead', '973011', 'test'), nurture_suppress('contact_point', 'rm12@rm.example.com', 'test') \g /dev/null
SELECT nurture_pause(973013, '2026-05-01', 'test') \g /dev/null
INSERT INTO nurture.event (lead_id, event_type) VALUES (973014, 'demo_requested'), (973015, 'opted_out'), (973016, 'email_hard_bounced'), (973017, 'adverse_event_reported');
UPDATE nurture.lead SET time_zone = NULL WHERE lead_id = 973018;
SELECT nurture_opt_in(973009, 'phone') \g /dev/null

CREATE TABLE remedy AS
    SELECT l.lead_id, x.rule, x.fact, x.remedy, a.asset, false AS carried_out, NULL::boolean AS passes, NULL::text AS problem
    FROM nurture.lead l, unnest(CASE WHEN l.lead_id = 973019 THEN ARRAY['rm_draft'] ELSE ARRAY['rm_a'] END) a (asset), nurture_explain_contact(l.lead_id, 'email', NULL, a.asset) x
    WHERE l.lead_id BETWEEN 973001 AND 973020 AND NOT x.passed;
DO $$
DECLARE
    r remedy;
    told text;
    done boolean;
BEGIN
    FOR r IN SELECT * FROM remedy ORDER BY lead_id, rule LOOP
        CONTINUE WHEN r.remedy !~ '^(SELECT|UPDATE|A new address lifts it: UPDATE)';
        told := replace(replace(regexp_replace(r.remedy, '^A new address lifts it: ', ''), '<reason>', 'test'), '<domain>', 'rm.example.com');
        told := CASE WHEN told ~ 'SET email' THEN replace(told, '...', 'new' || r.lead_id || '@rm.example.com') ELSE told END;
        told := replace(told, '''..''', CASE WHEN told ~ 'country' THEN '''US''' WHEN told ~ 'language' THEN '''en''' ELSE '''UTC''' END);
        BEGIN
            EXECUTE told;
            SELECT bool_and(passed) INTO done FROM nurture_explain_contact(r.lead_id, 'email', NULL, r.asset) WHERE rule = r.rule;
            UPDATE remedy m SET carried_out = true, passes = coalesce(done, true) WHERE m.lead_id = r.lead_id AND m.rule = r.rule AND m.fact = r.fact;
        EXCEPTION WHEN OTHERS THEN
            UPDATE remedy m SET problem = SQLERRM WHERE m.lead_id = r.lead_id AND m.rule = r.rule AND m.fact = r.fact;
        END;
    END LOOP;
END $$;
SELECT is_empty('SELECT lead_id, rule, remedy FROM remedy WHERE remedy IS NULL', 'every rule that fails tells a remedy');
SELECT is_empty('SELECT lead_id, rule, remedy, problem FROM remedy WHERE problem IS NOT NULL', 'every call works');
SELECT is_empty('SELECT lead_id, rule, remedy FROM remedy WHERE carried_out AND NOT passes AND rule <> ''consent''', 'and its rule passes then');
SELECT is((SELECT string_agg(DISTINCT rule, ', ' ORDER BY rule) FROM remedy WHERE carried_out AND passes), 'asset_approved, audience_verified, consent, consent_denied, contact_point, language, market, pause, stop, suppression', 'of these rules');
SELECT is((SELECT string_agg(DISTINCT remedy, '; ') FROM remedy WHERE NOT carried_out), NULL, 'none is words only');
INSERT INTO nurture.quiet_hours (market, channel, from_time, to_time, title, reason) VALUES ('*', '*', '20:00', '08:00', 'night', 'test') ON CONFLICT DO NOTHING;
SELECT is((SELECT passes_from FROM nurture_explain_contact(973020, 'email', NULL, 'rm_a', '2026-03-02T23:00:00Z') WHERE rule = 'quiet_hours'), '2026-03-03T08:00:00Z'::timestamptz, 'what passes by itself tells when');
SELECT * FROM finish();
ROLLBACK;
