-- Preset pharma: the default model, drafted and published. The numbers are
-- defaults that a team agrees on and then changes in a version of its own:
-- SELECT nurture_draft('model', 'default', 1). An e-mail that was opened gives no points,
-- because mail programs open messages by themselves.
-- A second run adds nothing: rows go into version 1 only while it is a draft.

INSERT INTO nurture.model (model, audience_types, is_default, title, reason) VALUES
    ('default', '{}', true, 'default model', 'Used for every audience that has no model of its own.')
ON CONFLICT DO NOTHING;

INSERT INTO nurture.model_version (model, version, title, reason)
SELECT 'default', 1, 'fit and intent from 0 to 100', 'Starting point of the preset.'
WHERE NOT EXISTS (SELECT FROM nurture.model_version WHERE model = 'default')
ON CONFLICT DO NOTHING;

INSERT INTO nurture.rule_group (model, version, rule_group, dimension, cap, title)
SELECT 'default', 1, v.rule_group, v.dimension, v.cap, v.title
FROM (VALUES
    ('audience', 'fit', 30, 'audience'),
    ('role', 'fit', 20, 'role'),
    ('area', 'fit', 20, 'therapeutic area'),
    ('specialty', 'fit', 10, 'specialty'),
    ('market', 'fit', 10, 'market'),
    ('organization', 'fit', 10, 'organisation')
) v (rule_group, dimension, cap, title)
WHERE EXISTS (SELECT FROM nurture.model_version WHERE model = 'default' AND version = 1 AND status = 'draft')
ON CONFLICT DO NOTHING;

INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points, rule_group, title, reason)
SELECT 'default', 1, v.rule, v.attribute, v.operator, v.operand, v.points, v.rule_group, v.title, v.reason
FROM (VALUES
    ('audience_investigator', 'audience_type', '=', '"investigator"'::jsonb, 30, 'audience', 'is an investigator', 'How directly this audience decides or recommends.'),
    ('audience_hcp', 'audience_type', '=', '"hcp"'::jsonb, 25, 'audience', 'is a healthcare professional', 'Patients and caregivers get no points: they are not sold to.'),
    ('audience_researcher', 'audience_type', '=', '"researcher"'::jsonb, 20, 'audience', 'is a researcher', 'How directly this audience decides or recommends.'),
    ('audience_payer', 'audience_type', '=', '"payer"'::jsonb, 20, 'audience', 'is a payer', 'How directly this audience decides or recommends.'),
    ('audience_pharmacist', 'audience_type', '=', '"pharmacist"'::jsonb, 20, 'audience', 'is a pharmacist', 'How directly this audience decides or recommends.'),
    ('audience_partner', 'audience_type', '=', '"partner"'::jsonb, 20, 'audience', 'is a partner', 'How directly this audience decides or recommends.'),
    ('audience_procurement', 'audience_type', '=', '"procurement"'::jsonb, 20, 'audience', 'works in procurement', 'How directly this audience decides or recommends.'),
    ('audience_site_staff', 'audience_type', '=', '"site_staff"'::jsonb, 15, 'audience', 'is study site staff', 'How directly this audience decides or recommends.'),
    ('audience_office_staff', 'audience_type', '=', '"office_staff"'::jsonb, 10, 'audience', 'is office staff', 'How directly this audience decides or recommends.'),
    ('role_decides', 'role', 'in', '["prescriber", "principal_investigator", "medical_director", "formulary_committee", "business_development", "executive"]'::jsonb, 20, 'role', 'decides in their role', 'These roles decide.'),
    ('role_takes_part', 'role', 'in', '["pharmacist", "nurse", "study_coordinator", "researcher", "procurement", "office_manager"]'::jsonb, 12, 'role', 'takes part in the decision', 'These roles prepare decisions.'),
    ('area_neoplasms', 'therapeutic_area', 'under', '"therapeutic_area:neoplasms"'::jsonb, 20, 'area', 'works on cancer', 'Areas of focus of the preset; put your own in their place.'),
    ('area_cardiovascular_diseases', 'therapeutic_area', 'under', '"therapeutic_area:cardiovascular_diseases"'::jsonb, 20, 'area', 'works on heart and vessels', 'Areas of focus of the preset; put your own in their place.'),
    ('area_nervous_system_diseases', 'therapeutic_area', 'under', '"therapeutic_area:nervous_system_diseases"'::jsonb, 20, 'area', 'works on the nervous system', 'Areas of focus of the preset; put your own in their place.'),
    ('area_immune_system_diseases', 'therapeutic_area', 'under', '"therapeutic_area:immune_system_diseases"'::jsonb, 20, 'area', 'works on the immune system', 'Areas of focus of the preset; put your own in their place.'),
    ('area_nutritional_and_metabolic_diseases', 'therapeutic_area', 'under', '"therapeutic_area:nutritional_and_metabolic_diseases"'::jsonb, 20, 'area', 'works on metabolism', 'Areas of focus of the preset; put your own in their place.'),
    ('area_respiratory_tract_diseases', 'therapeutic_area', 'under', '"therapeutic_area:respiratory_tract_diseases"'::jsonb, 20, 'area', 'works on the airways', 'Areas of focus of the preset; put your own in their place.'),
    ('area_skin_and_connective_tissue_diseases', 'therapeutic_area', 'under', '"therapeutic_area:skin_and_connective_tissue_diseases"'::jsonb, 20, 'area', 'works on skin and connective tissue', 'Areas of focus of the preset; put your own in their place.'),
    ('specialty_in_focus', 'specialty', 'in', '["oncology", "hematology", "cardiology", "neurology", "immunology", "rheumatology", "endocrinology", "pulmonology", "dermatology", "clinical_research"]'::jsonb, 10, 'specialty', 'specialty in focus', 'Specialties that belong to the areas of focus.'),
    ('market_served', 'country', 'in', '["AT", "AU", "BE", "BG", "CA", "CH", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GB", "GR", "HR", "HU", "IE", "IS", "IT", "JP", "LI", "LT", "LU", "LV", "MT", "NL", "NO", "NZ", "PL", "PT", "RO", "SE", "SI", "SK", "US"]'::jsonb, 10, 'market', 'in a market that is served', 'EEA, Switzerland, United Kingdom, United States, Canada, Australia, New Zealand and Japan.'),
    ('organization_core', 'organization_type', 'in', '["hospital", "academic", "research_site", "cro", "sponsor", "health_system"]'::jsonb, 10, 'organization', 'core organisation', 'Organisations that run studies or treat many patients.'),
    ('organization_other', 'organization_type', 'in', '["practice", "clinic", "pharmacy", "payer", "group_purchasing", "biotech"]'::jsonb, 6, 'organization', 'relevant organisation', 'Organisations that buy, reimburse or treat.')
) v (rule, attribute, operator, operand, points, rule_group, title, reason)
WHERE EXISTS (SELECT FROM nurture.model_version WHERE model = 'default' AND version = 1 AND status = 'draft')
ON CONFLICT DO NOTHING;

INSERT INTO nurture.fit_rule (model, version, rule, condition, points, rule_group, title, reason)
SELECT 'default', 1, v.rule, v.condition, v.points, v.rule_group, v.title, v.reason
FROM (VALUES
    ('area_other', '{"all": [{"fact": "therapeutic_area", "op": "known"}, {"not": {"any": [{"fact": "therapeutic_area", "op": "under", "value": "therapeutic_area:neoplasms"}, {"fact": "therapeutic_area", "op": "under", "value": "therapeutic_area:cardiovascular_diseases"}, {"fact": "therapeutic_area", "op": "under", "value": "therapeutic_area:nervous_system_diseases"}, {"fact": "therapeutic_area", "op": "under", "value": "therapeutic_area:immune_system_diseases"}, {"fact": "therapeutic_area", "op": "under", "value": "therapeutic_area:nutritional_and_metabolic_diseases"}, {"fact": "therapeutic_area", "op": "under", "value": "therapeutic_area:respiratory_tract_diseases"}, {"fact": "therapeutic_area", "op": "under", "value": "therapeutic_area:skin_and_connective_tissue_diseases"}]}}]}'::jsonb, 8, 'area', 'works on another therapeutic area', 'An area outside the focus still says what to talk about.')
) v (rule, condition, points, rule_group, title, reason)
WHERE EXISTS (SELECT FROM nurture.model_version WHERE model = 'default' AND version = 1 AND status = 'draft')
ON CONFLICT DO NOTHING;

INSERT INTO nurture.signal_rule (model, version, rule, signal, points, curve, curve_days, per_day_max, reason)
SELECT 'default', 1, v.rule, v.signal, v.points, v.curve, v.curve_days, v.per_day_max, v.reason
FROM (VALUES
    ('demo_requested', 'demo_requested', 40, 'half_life', 30, 1, 'A form that is sent twice on a day is one request.'),
    ('meeting_requested', 'meeting_requested', 40, 'half_life', 30, 1, 'A form that is sent twice on a day is one request.'),
    ('trial_match_requested', 'trial_match_requested', 35, 'half_life', 30, 1, 'A form that is sent twice on a day is one request.'),
    ('feasibility_requested', 'feasibility_requested', 35, 'half_life', 30, 1, 'A form that is sent twice on a day is one request.'),
    ('pricing_requested', 'pricing_requested', 30, 'half_life', 30, 1, 'A form that is sent twice on a day is one request.'),
    ('evidence_requested', 'evidence_requested', 20, 'half_life', 30, 1, 'A form that is sent twice on a day is one request.'),
    ('literature_requested', 'literature_requested', 20, 'half_life', 30, 1, 'A form that is sent twice on a day is one request.'),
    ('sample_requested', 'sample_requested', 20, 'half_life', 30, 1, 'A form that is sent twice on a day is one request.'),
    ('webinar_attended', 'webinar_attended', 15, 'half_life', 90, 1, 'An hour of attention lasts longer than a click.'),
    ('clinical_evidence_downloaded', 'clinical_evidence_downloaded', 10, 'half_life', 30, 3, 'Material for those who evaluate.'),
    ('technical_document_downloaded', 'technical_document_downloaded', 10, 'half_life', 30, 3, 'Material for those who evaluate.'),
    ('webinar_registered', 'webinar_registered', 5, 'half_life', 30, 1, 'A wish to attend; attendance counts on its own.'),
    ('email_clicked', 'email_clicked', 3, 'half_life', 30, 2, 'Repeated clicks of one day say little more.'),
    ('product_page_viewed', 'product_page_viewed', 2, 'half_life', 30, 3, 'Interest in the product; browsing beyond three pages a day says little more.'),
    ('page_viewed', 'page_viewed', 1, 'half_life', 30, 3, 'Interest; browsing beyond three pages a day says little more.'),
    ('mechanism_page_viewed', 'mechanism_page_viewed', 1, 'half_life', 30, 3, 'Interest; browsing beyond three pages a day says little more.'),
    ('implementation_page_viewed', 'implementation_page_viewed', 1, 'half_life', 30, 3, 'Interest; browsing beyond three pages a day says little more.'),
    ('trial_page_viewed', 'trial_page_viewed', 1, 'half_life', 30, 3, 'Interest; browsing beyond three pages a day says little more.'),
    ('pricing_page_viewed', 'pricing_page_viewed', 1, 'half_life', 30, 3, 'Interest; browsing beyond three pages a day says little more.'),
    ('disease_page_viewed', 'disease_page_viewed', 1, 'half_life', 30, 3, 'Interest; browsing beyond three pages a day says little more.'),
    ('meeting_no_show', 'meeting_no_show', -5, 'half_life', 30, NULL::integer, 'A missed meeting lowers intent for a while.'),
    ('reply_vague', 'reply_vague', -3, 'half_life', 30, NULL::integer, 'A reply without substance lowers intent for a while.')
) v (rule, signal, points, curve, curve_days, per_day_max, reason)
WHERE EXISTS (SELECT FROM nurture.model_version WHERE model = 'default' AND version = 1 AND status = 'draft')
ON CONFLICT DO NOTHING;

INSERT INTO nurture.pattern (model, version, pattern, condition, points, title, reason)
SELECT 'default', 1, v.pattern, v.condition, v.points, v.title, v.reason
FROM (VALUES
    ('engaged_researcher', '{"all": [{"signal": "clinical_evidence_downloaded", "at_least": 1, "within_days": 30}, {"any": [{"signal": "webinar_attended", "at_least": 1, "within_days": 90}, {"signal": "mechanism_page_viewed", "at_least": 3, "within_days": 30}, {"signal": "clinical_evidence_downloaded", "at_least": 3, "within_days": 30}]}]}'::jsonb, 10, 'engaged researcher', 'Evidence taken and worked with: more than the sum of its parts.'),
    ('solution_evaluator', '{"all": [{"signal": "implementation_page_viewed", "at_least": 2, "within_days": 30}, {"any": [{"signal": "technical_document_downloaded", "at_least": 1, "within_days": 60}, {"signal": "product_overview_downloaded", "at_least": 1, "within_days": 60}, {"signal": "pricing_page_viewed", "at_least": 1, "within_days": 30}]}]}'::jsonb, 10, 'evaluates the solution', 'Looks at how it would be put to use and at its documents.'),
    ('high_intent', '{"any": [{"signal": "demo_requested", "at_least": 1, "within_days": 30}, {"signal": "meeting_requested", "at_least": 1, "within_days": 30}, {"signal": "feasibility_requested", "at_least": 1, "within_days": 30}, {"signal": "trial_match_requested", "at_least": 1, "within_days": 30}, {"signal": "pricing_requested", "at_least": 1, "within_days": 30}]}'::jsonb, 10, 'asked for a next step', 'A direct request is the clearest statement of intent.'),
    ('clicks_without_form', '{"all": [{"signal": "email_clicked", "at_least": 5, "within_days": 14}, {"signal": "form_submitted", "at_most": 0, "within_days": 14}]}'::jsonb, -5, 'five clicks without a form', 'Many clicks in 14 days that lead to nothing tire the lead; slow down.')
) v (pattern, condition, points, title, reason)
WHERE EXISTS (SELECT FROM nurture.model_version WHERE model = 'default' AND version = 1 AND status = 'draft')
ON CONFLICT DO NOTHING;

INSERT INTO nurture.model_limit (model, version, dimension, floor, cap, reason)
SELECT 'default', 1, v.dimension, v.floor, v.cap, v.reason
FROM (VALUES
    ('fit', 0, 100, 'Fit is read as a percentage.'),
    ('intent', 0, 100, 'Intent is read as a percentage.')
) v (dimension, floor, cap, reason)
WHERE EXISTS (SELECT FROM nurture.model_version WHERE model = 'default' AND version = 1 AND status = 'draft')
ON CONFLICT DO NOTHING;

INSERT INTO nurture.band (model, version, dimension, band, min_points)
SELECT 'default', 1, v.dimension, v.band, v.min_points
FROM (VALUES
    ('fit', 'A', 60),
    ('fit', 'B', 40),
    ('fit', 'C', 20),
    ('fit', 'D', 0),
    ('intent', '1', 50),
    ('intent', '2', 30),
    ('intent', '3', 10),
    ('intent', '4', 0)
) v (dimension, band, min_points)
WHERE EXISTS (SELECT FROM nurture.model_version WHERE model = 'default' AND version = 1 AND status = 'draft')
ON CONFLICT DO NOTHING;

INSERT INTO nurture.tier_rule (model, version, tier, requirement, condition, fails_with, reason)
SELECT 'default', 1, v.tier, v.requirement, v.condition, v.fails_with, v.reason
FROM (VALUES
    (1, 'contact_point', '{"any": [{"fact": "email_known", "op": "=", "value": true}, {"fact": "phone_known", "op": "=", "value": true}]}'::jsonb, 'missing_contact_point', 'An address or a number is known.'),
    (1, 'audience_known', '{"fact": "audience_type", "op": "!=", "value": "unknown"}'::jsonb, 'missing_audience', 'Rules of markets depend on the audience.'),
    (1, 'country_known', '{"fact": "country", "op": "known"}'::jsonb, 'missing_country', 'Rules of markets depend on the country.'),
    (1, 'address_valid', '{"fact": "quality.address", "op": "!=", "value": "invalid"}'::jsonb, 'invalid_address', 'One address or number that can be used.'),
    (1, 'country_valid', '{"fact": "quality.country", "op": "=", "value": "ok"}'::jsonb, 'invalid_country', 'A code of ISO 3166-1.'),
    (1, 'region_valid', '{"fact": "quality.region", "op": "=", "value": "ok"}'::jsonb, 'invalid_region', 'A code of ISO 3166-2, of the lead''s country.'),
    (1, 'role_consistent', '{"fact": "quality.role", "op": "=", "value": "ok"}'::jsonb, 'role_contradicts', 'The role goes with audience and specialty: nurture.role.'),
    (1, 'no_duplicate', '{"fact": "quality.duplicate", "op": "=", "value": "ok"}'::jsonb, 'duplicate_of', 'Nobody has to say yet whether this is another lead.'),
    (2, 'audience_served', '{"fact": "audience_type", "op": "not_in", "value": ["patient", "caregiver"]}'::jsonb, 'audience_not_for_sales', 'Patients and caregivers never reach sales.'),
    (2, 'fit_band', '{"score": {"dimension": "fit", "at_least": 20}}'::jsonb, 'fit_short', 'Fit of band C or better.'),
    (3, 'interest', '{"any": [{"all": [{"score": {"dimension": "fit", "at_least": 40}}, {"score": {"dimension": "intent", "at_least": 30}}]}, {"all": [{"score": {"dimension": "fit", "at_least": 20}}, {"any": [{"all": [{"signal": "clinical_evidence_downloaded", "at_least": 1, "within_days": 30}, {"any": [{"signal": "webinar_attended", "at_least": 1, "within_days": 90}, {"signal": "mechanism_page_viewed", "at_least": 3, "within_days": 30}, {"signal": "clinical_evidence_downloaded", "at_least": 3, "within_days": 30}]}]}, {"all": [{"signal": "implementation_page_viewed", "at_least": 2, "within_days": 30}, {"any": [{"signal": "technical_document_downloaded", "at_least": 1, "within_days": 60}, {"signal": "product_overview_downloaded", "at_least": 1, "within_days": 60}, {"signal": "pricing_page_viewed", "at_least": 1, "within_days": 30}]}]}, {"any": [{"signal": "demo_requested", "at_least": 1, "within_days": 30}, {"signal": "meeting_requested", "at_least": 1, "within_days": 30}, {"signal": "feasibility_requested", "at_least": 1, "within_days": 30}, {"signal": "trial_match_requested", "at_least": 1, "within_days": 30}, {"signal": "pricing_requested", "at_least": 1, "within_days": 30}]}]}]}]}'::jsonb, 'intent_short', 'MQL: fit of band B and intent of band 2, or a pattern with fit of band C.'),
    (4, 'readiness', '{"all": [{"score": {"dimension": "fit", "at_least": 40}}, {"any": [{"score": {"dimension": "intent", "at_least": 50}}, {"any": [{"signal": "demo_requested", "at_least": 1, "within_days": 30}, {"signal": "meeting_requested", "at_least": 1, "within_days": 30}, {"signal": "feasibility_requested", "at_least": 1, "within_days": 30}, {"signal": "trial_match_requested", "at_least": 1, "within_days": 30}, {"signal": "pricing_requested", "at_least": 1, "within_days": 30}]}]}]}'::jsonb, 'readiness_short', 'SQL: fit of band B and intent of band 1 or a direct request.')
) v (tier, requirement, condition, fails_with, reason)
WHERE EXISTS (SELECT FROM nurture.model_version WHERE model = 'default' AND version = 1 AND status = 'draft')
ON CONFLICT DO NOTHING;

SELECT @extschema@.nurture_publish('model', 'default', 1, 'preset')
FROM nurture.model_version
WHERE model = 'default' AND version = 1 AND status = 'draft';
