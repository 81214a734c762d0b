-- Vocabulary that every preset has: codes without numbers.

INSERT INTO nurture.audience_type (audience_type, title) VALUES
    ('hcp', 'healthcare professional'),
    ('pharmacist', 'pharmacist'),
    ('office_staff', 'office staff'),
    ('investigator', 'clinical investigator'),
    ('site_staff', 'study site staff'),
    ('researcher', 'researcher'),
    ('payer', 'payer'),
    ('procurement', 'procurement'),
    ('partner', 'partner'),
    ('patient', 'patient'),
    ('caregiver', 'caregiver'),
    ('unknown', 'unknown')
ON CONFLICT DO NOTHING;
