-- Channels.

INSERT INTO nurture.channel (channel, kind, contact_point, consent_channel, title) VALUES
    ('email', 'message', 'email', 'email', 'e-mail'),
    ('sms', 'message', 'phone', 'sms', 'text message'),
    ('phone', 'human', 'phone', 'phone', 'phone call'),
    ('post', 'message', 'postal', 'post', 'letter'),
    ('portal', 'message', 'none', 'portal', 'message in a portal'),
    ('rep', 'human', 'none', 'rep', 'visit or call by a representative'),
    ('ad_audience', 'audience', 'email', 'advertising', 'advertising audience')
ON CONFLICT DO NOTHING;
