-- Vocabulary: attributes that conditions, forms and hand-offs name. Lists of
-- allowed values are defaults; where there is none, the owner sets it.

INSERT INTO nurture.attribute (attribute, type, allowed, tag_dimension, required_for, source_of_truth, stale_after, personal, title, reason) VALUES
    ('decision_role', 'text', '{decision_maker,recommender,influencer,evaluator,user,gatekeeper}', NULL, '{*/4}', 'form or sales', '1 year', false, 'role in the decision', 'Says whom a hand-off reaches.'),
    ('job_function', 'text', '{clinical_care,pharmacy,research,clinical_operations,medical_affairs,market_access,procurement,business_development,regulatory,quality,information_technology,finance,administration}', NULL, '{}', 'form', '2 years', false, 'function in the organisation', 'Changes with the job.'),
    ('modality', 'list', '{small_molecule,biologic,vaccine,cell_therapy,gene_therapy,radiopharmaceutical,device,diagnostic,digital}', NULL, '{partner/3}', 'form or sales', '1 year', false, 'modalities worked on', 'Matches programmes and partnerships.'),
    ('program_stage', 'text', '{discovery,preclinical,phase_1,phase_2,phase_3,registration,marketed}', NULL, '{partner/3}', 'sales', '6 months', false, 'stage of the lead''s own programme', 'Programmes move on.'),
    ('capability', 'list', NULL, NULL, '{investigator/3}', 'feasibility questionnaire', '1 year', false, 'what the site can do', 'Free words until the owner lists them.'),
    ('site_type', 'text', '{academic,hospital,private_practice,research_site,site_network}', NULL, '{investigator/3,site_staff/3}', 'feasibility questionnaire', '2 years', false, 'kind of study site', 'Matches programmes.'),
    ('study_history', 'list', NULL, NULL, '{}', 'feasibility questionnaire', '1 year', false, 'studies the site took part in', 'Registry numbers or names.'),
    ('study_start', 'date', NULL, NULL, '{}', 'sales', '3 months', false, 'planned start of the study', 'Start dates slip.'),
    ('meeting_on', 'date', NULL, NULL, '{}', 'sales', '3 months', false, 'date of the next meeting', 'What prepares a meeting comes before it.'),
    ('formulary_cycle', 'date', NULL, NULL, '{payer/3}', 'market access', '1 year', false, 'next formulary decision', 'The time to bring evidence is before it.'),
    ('patient_population', 'list', NULL, NULL, '{}', 'form', '1 year', false, 'patients treated or covered', 'Groups of patients, never one.'),
    ('interest_type', 'list', '{product_information,clinical_evidence,trial_participation,investigator_role,partnership,reimbursement,implementation,training,patient_support}', NULL, '{}', 'form', '6 months', true, 'what the lead is interested in', 'In a patient it may tell of their health.'),
    ('company_size', 'number', NULL, NULL, '{partner/2}', 'CRM', '1 year', false, 'employees of the organisation', 'A number, so that ranges can be scored.'),
    ('practice_type', 'text', '{solo,group,hospital_based,academic,community,telehealth}', NULL, '{}', 'form', '2 years', false, 'kind of practice', 'Says who decides and in what language to speak.'),
    ('timeline', 'text', '{immediate,within_3_months,within_6_months,within_12_months,later,none}', NULL, '{}', 'form or sales', '3 months', false, 'when a decision is planned', 'Plans age fast.')
ON CONFLICT DO NOTHING;
