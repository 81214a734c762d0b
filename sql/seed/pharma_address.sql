-- Preset pharma: what the gate says to addresses that are of no person.

INSERT INTO nurture.address_policy (kind, message_class, verdict, title, reason) VALUES
    ('role', '*', 'allow', 'addresses of a role', 'a practice or a site is often reached at one; consent is asked for as for any address. Set review where marketing must reach persons only'),
    ('disposable', '*', 'allow', 'disposable addresses', 'what was asked for is sent'),
    ('disposable', 'promotional', 'refuse', 'no promotion to disposable addresses', 'nobody reads them for long, and such mail harms the sender''s reputation'),
    ('disposable', 'disease_awareness', 'refuse', 'no campaigns to disposable addresses', 'nobody reads them for long, and such mail harms the sender''s reputation')
ON CONFLICT DO NOTHING;
