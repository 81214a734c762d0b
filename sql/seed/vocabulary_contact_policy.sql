-- Every preset: contact policy as a whole. Set company_zone to the house's own.

INSERT INTO nurture.contact_policy (policy, company_zone, horizon, title, reason) VALUES
    ('default', 'UTC', '90 days', 'clock of the house', 'a message that has to wait for a quarter says what is no longer so')
ON CONFLICT DO NOTHING;
