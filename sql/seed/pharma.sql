-- Preset pharma: the codes of the vocabulary with default numbers.

INSERT INTO nurture.event_type (event_type, class) VALUES
    ('page_viewed', 'content')
ON CONFLICT DO NOTHING;
