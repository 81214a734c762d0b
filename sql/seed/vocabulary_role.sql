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

-- What tiers fail with, and what to do about it.
INSERT INTO nurture.reason (reason, class, text, remedy) VALUES
    ('missing_contact_point', 'lead', 'Neither an address nor a number of the lead is known.', 'Ask for one; see nurture_next_question.'),
    ('missing_audience', 'lead', 'The audience of the lead is not known.', 'Find out who the lead is and set audience_type.'),
    ('missing_country', 'lead', 'The country of the lead is not known.', 'Ask for it; rules of markets depend on it.'),
    ('invalid_address', 'lead', 'No address or number of the lead is one.', 'Correct email or phone; see nurture_email_kind and nurture_normal_phone.'),
    ('invalid_country', 'lead', 'The country of the lead is no code of ISO 3166-1.', 'Write the two letters of the country, such as GB.'),
    ('invalid_region', 'lead', 'The region of the lead is no code of ISO 3166-2, or of another country.', 'Write country, hyphen and part, such as DE-BY; see nurture_place_problem.'),
    ('role_contradicts', 'lead', 'The role of the lead does not go with its audience or specialty.', 'Correct the one that is wrong; nurture.role says what goes together.'),
    ('duplicate_of', 'lead', 'The lead may be one person with another.', 'Rule the review in bucket identity, which names the other: same or different.')
ON CONFLICT DO NOTHING;
