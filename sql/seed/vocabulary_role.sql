-- Vocabulary: roles of the preset, and what contradicts them.

INSERT INTO nurture.role (role, audience_types, specialties, title, reason) VALUES
    ('prescriber', '{hcp,investigator}', NULL, 'prescribes', 'Only healthcare professionals prescribe.'),
    ('principal_investigator', '{investigator,hcp,researcher}', NULL, 'leads a study at a site', NULL),
    ('medical_director', '{hcp,investigator,payer,partner,researcher,site_staff}', NULL, 'medical director', NULL),
    ('formulary_committee', '{payer,pharmacist,hcp,procurement}', NULL, 'decides about a formulary', NULL),
    ('pharmacist', '{pharmacist,payer,hcp,site_staff}', '{pharmacy,clinical_pharmacy,hospital_pharmacy,oncology_pharmacy}', 'pharmacist', 'A pharmacist with a physician''s specialty is one of two persons.'),
    ('nurse', '{hcp,site_staff,office_staff}', NULL, 'nurse', NULL),
    ('study_coordinator', '{site_staff,investigator,office_staff}', NULL, 'coordinates studies at a site', NULL),
    ('researcher', '{researcher,investigator,hcp,partner}', NULL, 'researcher', NULL),
    ('procurement', '{procurement,payer,pharmacist,office_staff}', '{}', 'buys', 'Who buys has no medical specialty.'),
    ('office_manager', '{office_staff,site_staff}', '{}', 'manages an office', 'No medical specialty.'),
    ('business_development', '{partner}', '{}', 'business development', 'No medical specialty.'),
    ('executive', '{*}', NULL, 'executive', NULL)
ON CONFLICT DO NOTHING;
