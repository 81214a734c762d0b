-- Preset pharma: what the gate says to addresses that are of no person.

INSERT INTO nurture.address_policy (kind, message_class, verdict, title, reason) VALUES
    ('role', '*', 'allow', 'addresses of a role', 'a practice or a site is often reached at one; consent is asked for as for any address. Set review where marketing must reach persons only'),
    ('disposable', '*', 'allow', 'disposable addresses', 'what was asked for is sent'),
    ('disposable', 'promotional', 'refuse', 'no promotion to disposable addresses', 'nobody reads them for long, and such mail harms the sender''s reputation'),
    ('disposable', 'disease_awareness', 'refuse', 'no campaigns to disposable addresses', 'nobody reads them for long, and such mail harms the sender''s reputation')
ON CONFLICT DO NOTHING;

INSERT INTO nurture.bounce_policy (rule, kind, status, count, within, action, duration, title, reason) VALUES
    ('hard_bounce', 'hard_bounce', '', 2, '1 year', 'stop_address', NULL, 'an address that takes no mail', 'at the first the stop rule hard_bounce ends nurturing by e-mail, at the second all mail ends; a new address lifts both'),
    ('no_such_mailbox', 'hard_bounce', '5.1.1', 1, NULL, 'suppress', NULL, 'no such mailbox', 'RFC 3463, X.1.1: writing to it again harms the sender''s reputation, under whatever lead'),
    ('no_such_system', 'hard_bounce', '5.1.2', 1, NULL, 'suppress', NULL, 'no such domain', 'RFC 3463, X.1.2: no mail server for the domain'),
    ('null_mx', 'hard_bounce', '5.1.10', 1, NULL, 'suppress', NULL, 'a domain that takes no mail', 'RFC 7505: the domain says that it takes no mail'),
    ('refused_by_policy', 'hard_bounce', '5.7', 3, '30 days', 'stop_address', '90 days', 'refused by policy', 'RFC 3463, X.7: more often about the sender or the content than about the address'),
    ('soft_bounce', 'soft_bounce', '', 5, '30 days', 'stop_address', '90 days', 'soft bounces', 'five within a month: the mailbox is left or full'),
    ('complaint', 'complaint', '', 1, NULL, 'suppress', NULL, 'a complaint', 'the reader called it spam; beside this all marketing ends, until the lead asks for it again')
ON CONFLICT DO NOTHING;
