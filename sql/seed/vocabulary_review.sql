-- Vocabulary of reviews, which every preset has.

INSERT INTO nurture.reason (reason, class, text, remedy) VALUES
    ('ruled_out', 'consent', 'A person ruled that the message is not sent.', 'nurture_decisions tells who ruled and why.')
ON CONFLICT DO NOTHING;
