-- Worked examples: six kinds of leads on their way to the right people, each
-- with the rows a team would add to the preset. 2026-03-02 is a Monday.
BEGIN;
SELECT plan(39);
SET LOCAL nurture.clock = '2026-03-02 10:00:00+00';
SET LOCAL nurture.app_user = 'ana';
SET LOCAL timezone = 'UTC';
CREATE FUNCTION pg_temp.happened(lead bigint, types text[]) RETURNS void LANGUAGE sql AS
$$ INSERT INTO nurture.event (lead_id, event_type) SELECT lead, t FROM unnest(types) t $$;
CREATE FUNCTION pg_temp.standing(lead bigint) RETURNS text LANGUAGE sql AS
$$ SELECT concat_ws(' ', stage, tier, grade) FROM nurture.lead_stage WHERE lead_id = lead AND product = '*' $$;
CREATE FUNCTION pg_temp.offers(lead bigint) RETURNS text LANGUAGE sql AS
$$ SELECT string_agg(concat_ws(' ', route, team, member, state), ', ' ORDER BY handoff_id) FROM nurture.handoff WHERE lead_id = lead $$;
CREATE FUNCTION pg_temp.reviews(lead bigint) RETURNS text LANGUAGE sql AS
$$ SELECT string_agg(concat_ws(' ', bucket, scope, state), ', ' ORDER BY review_id) FROM nurture.review WHERE lead_id = lead $$;
INSERT INTO nurture.team_member (team, member, territories) VALUES ('clinical_operations', 'cleo', '{}'), ('medical_affairs', 'mia', '{}'), ('sales_development', 'sue', '{}'),
    ('business_development', 'ben', '{}'), ('market_access', 'cal', '{US-CA}'), ('market_access', 'nyla', '{US-NY}');

-- the programmes, the model and the routes of this company
INSERT INTO nurture.program (program, kind, title, therapeutic_areas, phases, modalities, countries, status, open_during) VALUES
    ('NCT900001', 'study', 'Phase 2 in lung cancer', '{neoplasms}', '{phase_2}', '{}', '{DE,FR}', 'open', '[2026-01-01,2027-01-01)'),
    ('NCT900002', 'study', 'Phase 3 in heart failure', '{cardiovascular_diseases}', '{phase_3}', '{}', '{DE}', 'closed', '(,)'),
    ('BIO900001', 'partnership', 'Cell therapy platform', '{}', '{}', '{cell_therapy,gene_therapy}', '{}', 'open', '(,)');
SELECT nurture_draft('model', 'default', 1) AS version \gset
INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points, reason) VALUES
    ('default', :version, 'site_capability', 'attributes.capability', 'any_of', '["pk_sampling", "infusion", "biopsy"]', 15, 'what the site can do'),
    ('default', :version, 'site_experience', 'attributes.study_history', 'known', NULL, 10, 'it has taken part in studies');
INSERT INTO nurture.signal_rule (model, version, rule, signal, points, curve, curve_days, reason) VALUES ('default', :version, 'reply_fast', 'reply_fast', 12, 'half_life', 30, 'a site that answers fast enrols fast');
INSERT INTO nurture.tier_rule (model, version, tier, requirement, condition, fails_with, reason) VALUES
    ('default', :version, 2, 'active_study', '{"any": [{"not": {"fact": "audience_type", "op": "=", "value": "investigator"}}, {"program": {"kind": "study", "on": ["therapeutic_area", "country"]}}]}', 'no_active_study', 'A site fits when a study is open for it.'),
    ('default', :version, 4, 'study_phase', '{"any": [{"not": {"fact": "audience_type", "op": "=", "value": "investigator"}}, {"program": {"kind": "study", "on": ["therapeutic_area", "country", "phase"]}}]}', 'phase_unknown', 'And ready when it wants the phase.');
SELECT nurture_publish('model', 'default', :version, 'sites', true) ~ 'published' AS published;
SELECT nurture_draft('route', 'clinical', 1) AS version \gset
UPDATE nurture.route_version SET condition = '{"all": [{"tier": {"at_least": 4}}, {"any": [{"signal": "trial_match_requested", "within_days": 7}, {"signal": "feasibility_requested", "within_days": 7}]}]}' WHERE route = 'clinical' AND version = :version;
SELECT nurture_publish('route', 'clinical', :version, 'after four tiers');
SELECT nurture_draft('route', 'partnership', 1) AS version \gset
UPDATE nurture.route_version SET condition = jsonb_build_object('all', jsonb_build_array('{"tier": {"at_least": 2}}'::jsonb, condition)) WHERE route = 'partnership' AND version = :version;
SELECT nurture_publish('route', 'partnership', :version, 'who fits');
SELECT nurture_draft('route', 'partner_mql', 1) AS version \gset
UPDATE nurture.route_version SET review_when = '{"not": {"program": {"kind": "partnership", "on": ["modality"]}}}', review_bucket = 'discovery' WHERE route = 'partner_mql' AND version = :version;
SELECT nurture_publish('route', 'partner_mql', :version, 'modality first');
SELECT nurture_draft('route', 'access', 1) AS version \gset
UPDATE nurture.route_version SET method = 'territory', required_fields = '{country,region,organization_type,attributes.formulary_cycle}',
    condition = '{"all": [{"signal": "coverage_question", "within_days": 7}, {"fact": "organization_type", "op": "in", "value": ["payer", "health_system", "hospital"]}]}' WHERE route = 'access' AND version = :version;
SELECT nurture_publish('route', 'access', :version, 'by region and setting of care');

-- 1. a request for a trial match: four tiers against the studies that are open
INSERT INTO nurture.lead (lead_id, email, audience_type, role, therapeutic_area, country, region, attributes) VALUES
    (7501, 'pi1@w.example.org', 'investigator', 'principal_investigator', 'neoplasms', 'DE', 'DE-BE', '{"phase": "phase_2"}'),
    (7502, 'pi2@w.example.org', 'investigator', 'principal_investigator', 'cardiovascular_diseases', 'DE', 'DE-BE', '{"phase": "phase_3"}'),
    (7503, 'pi3@w.example.org', 'investigator', 'principal_investigator', 'neoplasms', 'DE', NULL, '{}');
SELECT pg_temp.happened(g, '{trial_match_requested}') FROM generate_series(7501, 7503) g;
SELECT results_eq('SELECT tier, status, reasons FROM nurture_qualify(7501)', $$VALUES (4, 'sql', '{program:NCT900001}'::text[])$$, 'four tiers, by a study that is open');
SELECT is(pg_temp.offers(7501), 'clinical clinical_operations offered', 'to clinical operations');
SELECT is(nurture_assign() > 0, true, 'who names a member');
SELECT is(pg_temp.offers(7501), 'clinical clinical_operations cleo offered', 'the one there is');
SELECT results_eq($$SELECT package #>> '{programs,0,title}', package #>> '{trigger,event_type}', package -> 'missing', package #>> '{requests,0,kind}' FROM nurture.handoff WHERE lead_id = 7501$$,
    $$VALUES ('Phase 2 in lung cancer', 'trial_match_requested', '["attributes.capability", "attributes.decision_role", "attributes.site_type"]'::jsonb, 'trial_match')$$, 'the package names the study, the request and what to ask');
SELECT results_eq('SELECT tier, status, reasons FROM nurture_qualify(7502)', $$VALUES (1, 'identified', '{no_active_study}'::text[])$$, 'a study that is closed fits nobody');
SELECT is(pg_temp.offers(7502), 'catch_all catch_all offered', 'the request is answered by those who watch the rest');
SELECT results_eq('SELECT tier, status, reasons, unknown FROM nurture_qualify(7503)', $$VALUES (3, 'mql', '{phase_unknown,program:NCT900001}'::text[], '{"an open study matches on therapeutic area, country and phase"}'::text[])$$, 'what is not known is named, not guessed');
SELECT ok(pg_temp.offers(7503) !~ '^clinical ', 'three tiers are not four');
UPDATE nurture.lead SET attributes = '{"phase": "phase_2"}' WHERE lead_id = 7503;
SELECT is((SELECT tier FROM nurture_qualify(7503)), 4, 'the answer makes it four');

-- 2. who attended a webinar reads evidence, and is called only after asking for material
SELECT nurture_draft('track', 'evidence', 1) AS version \gset
UPDATE nurture.track SET goal_signal = 'evidence_requested' WHERE track = 'evidence';
INSERT INTO nurture.track_entry (track, version, entry, condition, title) VALUES ('evidence', :version, 'attended', '{"signal": "webinar_attended", "within_days": 30}', 'attended a webinar');
SELECT nurture_publish('track', 'evidence', :version, 'webinars lead to evidence') ~ 'published' AS published;
INSERT INTO nurture.lead (lead_id, email, audience_type, role, country) VALUES (7511, 'w@w.example.org', 'hcp', 'prescriber', 'DE');
SELECT pg_temp.happened(7511, '{webinar_attended,page_viewed}');
SELECT is(pg_temp.standing(7511), 'nurturing 2 B3', 'interested');
SELECT is((SELECT string_agg(track || ' ' || state, ', ') FROM nurture.enrollment WHERE lead_id = 7511), 'evidence active', 'on the evidence track');
SELECT is(pg_temp.offers(7511), NULL, 'nobody calls');
SELECT pg_temp.happened(7511, '{page_viewed,email_clicked}');
SELECT nurture_tick() IS NOT NULL AS ticked LIMIT 1;
SELECT is(pg_temp.offers(7511), NULL, 'nor after some reading');
SELECT pg_temp.happened(7511, '{information_requested}');
SELECT is(pg_temp.offers(7511), 'material sales_development offered', 'the request for material is what brings a person');
SELECT is((SELECT package #>> '{trigger,title}' FROM nurture.handoff WHERE lead_id = 7511), (SELECT title FROM nurture.event_type WHERE event_type = 'information_requested'), 'and the person knows why');

-- 3. an inquiry about a partnership, with each disqualifier
INSERT INTO nurture.lead (lead_id, email, audience_type, role, country, organization_type, attributes)
SELECT 7520 + g, 'p' || g || '@w.example.org', 'partner', 'business_development', 'US', 'biotech', '{"modality": ["cell_therapy"]}' FROM generate_series(0, 12) g;
CREATE TEMP TABLE tried ON COMMIT DROP AS
SELECT 7520 + row_number() OVER (ORDER BY excludes, reason)::int AS lead_id, reason, excludes FROM unnest('{competitor,debarred,no_rights,out_of_region,out_of_scope,too_early_stage}'::text[]) reason, unnest('{f,t}'::boolean[]) excludes;
INSERT INTO nurture.disqualification (lead_id, reason, excludes) SELECT lead_id, reason, excludes FROM tried;
SELECT pg_temp.happened(g, '{rfi_received}') FROM generate_series(7520, 7532) g;
SELECT is(pg_temp.offers(7520), 'partnership business_development offered', 'to business development');
SELECT is_empty($$SELECT t.* FROM tried t WHERE excludes AND (pg_temp.offers(lead_id) <> 'catch_all catch_all offered' OR (SELECT status FROM nurture_qualify(lead_id)) <> 'disqualified'
    OR (SELECT reasons FROM nurture_qualify(lead_id)) <> ARRAY[reason])$$, 'one that excludes: not to them, with its reason');
SELECT is_empty($$SELECT t.* FROM tried t WHERE NOT excludes AND (pg_temp.offers(lead_id) <> 'partnership business_development offered' OR NOT (SELECT reason = ANY (reasons) FROM nurture_qualify(lead_id))
    OR (SELECT package -> 'disqualifiers' FROM nurture.handoff h WHERE h.lead_id = t.lead_id) <> to_jsonb(ARRAY[reason]))$$, 'one that only lowers: to them, and they are told');
SELECT is((SELECT sum(leads) FROM nurture_bi.qualification WHERE outcome IN ('disqualified', 'lowered')), 12::numeric, 'all of them are counted');

-- 4. a site, by what it can do, what it has done and how fast it answers; little known: research
INSERT INTO nurture.lead (lead_id, email, audience_type, role, specialty, therapeutic_area, country, region, organization_type, attributes) VALUES
    (7541, 's1@w.example.org', 'site_staff', 'study_coordinator', 'oncology', 'neoplasms', 'DE', 'DE-BE', 'research_site', '{"capability": ["pk_sampling", "mri"], "study_history": ["NCT1"], "site_type": "academic"}'),
    (7542, 's2@w.example.org', 'site_staff', NULL, NULL, NULL, 'DE', NULL, NULL, '{}');
SELECT results_eq($$SELECT rule, points FROM nurture_explain(7541) WHERE rule LIKE 'site%' ORDER BY 1$$, $$VALUES ('site_capability', 15.00), ('site_experience', 10.00)$$, 'capability and experience');
SELECT pg_temp.happened(g, '{feasibility_requested,reply_fast}') FROM generate_series(7541, 7541) g;
SELECT is(pg_temp.standing(7541), 'sql 4 A1', 'asked, and answered fast');
SELECT is(pg_temp.offers(7541), 'clinical clinical_operations offered', 'to clinical operations');
SELECT is((SELECT points FROM nurture_explain(7541) WHERE rule = 'reply_fast'), 12.00, 'fast replies count');
UPDATE nurture.lead SET country = 'US' WHERE lead_id = 7542;
SELECT pg_temp.happened(7542, '{reply_fast,reply_fast,technical_document_downloaded,clinical_evidence_downloaded,webinar_attended}');
SELECT is(pg_temp.standing(7542), 'mql 3 C1', 'much interest');
SELECT is(pg_temp.offers(7542), NULL, 'and little known: nobody calls yet');
SELECT is(pg_temp.reviews(7542), 'manual_research route:clinical_mql open', 'somebody looks it up');
SELECT is((SELECT string_agg(part, ' ') FROM nurture_triage() WHERE lead_id = 7542), 'review', 'it is on the list of the day');
UPDATE nurture.lead SET role = 'study_coordinator', therapeutic_area = 'neoplasms', specialty = 'oncology', organization_type = 'hospital' WHERE lead_id = 7542;
SELECT is(pg_temp.offers(7542), 'clinical_mql clinical_operations offered', 'what was found is enough');

-- 5. market access: the region of the formulary, the setting of care, a question about coverage
INSERT INTO nurture.lead (lead_id, email, audience_type, role, country, region, organization_type, attributes) VALUES
    (7551, 'm1@w.example.org', 'payer', 'formulary_committee', 'US', 'US-CA', 'payer', '{"formulary_cycle": "2026-09-01"}'),
    (7552, 'm2@w.example.org', 'payer', 'formulary_committee', 'US', 'US-NY', 'health_system', '{}'),
    (7553, 'm3@w.example.org', 'payer', 'formulary_committee', 'US', NULL, 'hospital', '{}'),
    (7554, 'm4@w.example.org', 'office_staff', 'office_manager', 'US', 'US-CA', 'practice', '{}');
SELECT pg_temp.happened(g, '{coverage_question}') FROM generate_series(7551, 7554) g;
SELECT is(pg_temp.offers(7551), 'access market_access cal offered', 'to who has the region of the formulary');
SELECT is(pg_temp.offers(7552), 'access market_access nyla offered', 'another region, another person');
SELECT results_eq($$SELECT member, package -> 'missing' FROM nurture.handoff WHERE lead_id = 7553$$, $$VALUES (NULL::text, '["region", "attributes.formulary_cycle"]'::jsonb)$$, 'no region: nobody is guessed, the package asks for it');
SELECT is(pg_temp.offers(7554), 'catch_all catch_all offered', 'a practice is another setting of care');
SELECT is((SELECT package -> 'missing' FROM nurture.handoff WHERE lead_id = 7551), '[]', 'what is known is not asked for');

-- 6. a partner who reads deep, and a mismatch
INSERT INTO nurture.lead (lead_id, email, audience_type, role, therapeutic_area, country, organization_type, attributes) VALUES
    (7561, 'b1@w.example.org', 'partner', 'business_development', 'neoplasms', 'US', 'biotech', '{"modality": ["gene_therapy"]}'), (7562, 'b2@w.example.org', 'partner', 'business_development', 'neoplasms', 'US', 'biotech', '{"modality": ["vaccine"]}');
SELECT pg_temp.happened(g, '{technical_document_downloaded,technical_document_downloaded,technical_document_downloaded}') FROM generate_series(7561, 7562) g;
SELECT is(pg_temp.standing(7561) || ', ' || pg_temp.standing(7562), 'mql 3 A2, mql 3 A2', 'both qualify');
SELECT is(pg_temp.offers(7561), 'partner_mql business_development offered', 'the modality matches: to business development');
SELECT is(pg_temp.offers(7562), NULL, 'it does not: to nobody');
SELECT is(pg_temp.reviews(7562), 'discovery route:partner_mql open', 'but to a review');
SELECT nurture_rule((SELECT review_id FROM nurture.review WHERE lead_id = 7562), 'done', 'a platform we may want');
SELECT is(pg_temp.offers(7562), 'partner_mql business_development offered', 'where a person decides');

SELECT * FROM finish();
ROLLBACK;
