-- Preset pharma: what forms bring. The names of the fields are a convention:
-- give yours these names, or put rows with your paths in their place.
-- What a form says of the person fills what is unknown; where it contradicts
-- what is known, a person looks at it. What ages is replaced.

INSERT INTO nurture.fact_map (event_type, target, place, path, mode, translate, title, reason)
SELECT e.event_type, m.target, m.place, m.path::jsonpath, m.mode, m.translate::jsonb, m.title, m.reason
FROM (VALUES
    ('form_submitted'), ('webinar_registered'), ('event_registered'), ('demo_requested'), ('meeting_requested'),
    ('sample_requested'), ('literature_requested'), ('information_requested'), ('evidence_requested'), ('pricing_requested'),
    ('feasibility_requested'), ('trial_match_requested'), ('investigator_material_requested'), ('rfi_received'),
    ('coverage_question'), ('trial_signed_up'), ('program_enrolled')
) AS e (event_type)
CROSS JOIN (VALUES
    ('lead.full_name', 1, '$.full_name', 'fill', '{}', 'name', 'Asked once.'),
    ('lead.phone', 1, '$.phone', 'fill', '{}', 'phone', 'A form never overwrites a contact point.'),
    ('lead.audience_type', 1, '$.audience_type', 'fill', '{"doctor": "hcp", "physician": "hcp", "nurse": "hcp"}', 'audience', 'Decides what may be said: no form changes it once it is known.'),
    ('lead.role', 1, '$.role', 'review', '{"physician": "prescriber", "doctor": "prescriber", "pi": "principal_investigator"}', 'role', 'A lead that changes its role is worth a look.'),
    ('lead.role', 2, '$.job_title', 'fill', '{"physician": "prescriber", "doctor": "prescriber", "pi": "principal_investigator"}', 'job title, where no role is asked for', 'Job titles are vaguer than roles.'),
    ('lead.specialty', 1, '$.specialty', 'review', '{}', 'specialty', 'A specialty rarely changes: more likely another person fills in.'),
    ('lead.therapeutic_area', 1, '$.therapeutic_area', 'review', '{"oncology": "neoplasms", "cardiology": "cardiovascular_diseases", "neurology": "nervous_system_diseases"}', 'therapeutic area', 'A value of nurture.tag.'),
    ('lead.country', 1, '$.country', 'review', '{"Germany": "DE", "France": "FR", "United States": "US", "USA": "US", "United Kingdom": "GB", "UK": "GB", "Spain": "ES", "Italy": "IT"}', 'country', 'Says which law applies.'),
    ('lead.region', 1, '$.region', 'fill', '{}', 'region', 'ISO 3166-2.'),
    ('lead.postal_code', 1, '$.postal_code', 'replace', '{}', 'postal code', 'People move.'),
    ('lead.organization_type', 1, '$.organization_type', 'review', '{}', 'kind of organisation', 'A change of the organisation is worth a look.'),
    ('lead.language', 1, '$.language', 'replace', '{}', 'language', 'The lead''s own choice.'),
    ('lead.time_zone', 1, '$.time_zone', 'replace', '{}', 'time zone', 'Browsers tell it.'),
    ('lead.campaign', 1, '$.campaign', 'fill', '{}', 'first campaign', 'The first one is kept.'),
    ('attributes.decision_role', 1, '$.decision_role', 'replace', '{}', 'role in the decision', 'Changes with the matter.'),
    ('attributes.job_function', 1, '$.job_function', 'replace', '{}', 'function', 'Changes with the job.'),
    ('attributes.modality', 1, '$.modality', 'replace', '{}', 'modalities', 'The latest answer counts.'),
    ('attributes.program_stage', 1, '$.program_stage', 'replace', '{}', 'stage of the programme', 'Programmes move on.'),
    ('attributes.capability', 1, '$.capability', 'replace', '{}', 'capabilities of the site', 'The latest answer counts.'),
    ('attributes.site_type', 1, '$.site_type', 'review', '{}', 'kind of site', 'A site rarely changes its kind.'),
    ('attributes.study_history', 1, '$.study_history', 'replace', '{}', 'studies', 'The latest answer counts.'),
    ('attributes.study_start', 1, '$.study_start', 'replace', '{}', 'planned start', 'Start dates slip.'),
    ('attributes.formulary_cycle', 1, '$.formulary_cycle', 'replace', '{}', 'next formulary decision', 'The latest answer counts.'),
    ('attributes.patient_population', 1, '$.patient_population', 'replace', '{}', 'patients treated or covered', 'The latest answer counts.'),
    ('attributes.interest_type', 1, '$.interest_type', 'replace', '{}', 'interest', 'Interests change.'),
    ('attributes.company_size', 1, '$.company_size', 'fill', '{}', 'employees', 'The CRM knows better.'),
    ('attributes.practice_type', 1, '$.practice_type', 'replace', '{}', 'kind of practice', 'The latest answer counts.'),
    ('attributes.timeline', 1, '$.timeline', 'replace', '{"now": "immediate", "asap": "immediate", "0-3 months": "within_3_months", "3-6 months": "within_6_months", "6-12 months": "within_12_months", "no plans": "none"}', 'timeline', 'Plans age fast.'),
    ('consent.email.marketing', 1, '$.consent.email', 'review', '{}', 'consent for e-mail', 'A no binds at once; a yes after an opt-out is looked at, since anybody can tick a box.'),
    ('consent.phone.marketing', 1, '$.consent.phone', 'review', '{}', 'consent for phone', 'A no binds at once; a yes after an opt-out is looked at, since anybody can tick a box.'),
    ('consent.sms.marketing', 1, '$.consent.sms', 'review', '{}', 'consent for SMS', 'A no binds at once; a yes after an opt-out is looked at, since anybody can tick a box.'),
    ('preference.*.max_per_month', 1, '$.preference.max_per_month', 'replace', '{}', 'messages a month', 'The lead''s own choice.'),
    ('preference.*.topics', 1, '$.preference.topics', 'replace', '{}', 'topics', 'The lead''s own choice.'),
    ('preference.*.format', 1, '$.preference.format', 'replace', '{}', 'format', 'The lead''s own choice.'),
    ('preference.*.language', 1, '$.preference.language', 'replace', '{}', 'language of messages', 'The lead''s own choice.'),
    ('preference.email.max_per_month', 1, '$.preference.email.max_per_month', 'replace', '{}', 'e-mails a month', 'The lead''s own choice.')
) AS m (target, place, path, mode, translate, title, reason)
ON CONFLICT DO NOTHING;
