-- Preset pharma: the weights by which assets are ranked.

INSERT INTO nurture.selection_version (selection, version, reason, author, title) VALUES
    ('default', 1, 'preset', 'preset', 'Ranking of assets')
ON CONFLICT DO NOTHING;

INSERT INTO nurture.selection_weight (selection, version, term, subject, value, weight, parameter, reason)
SELECT 'default', 1, w.term, w.subject, w.value, w.weight, w.parameter, w.reason
FROM (VALUES
    ('interest', 'topic', '*', 40, NULL, 'What the lead reads about tells most.'),
    ('interest', 'therapeutic_area', '*', 30, NULL, 'Then the disease it is about.'),
    ('interest', 'product', '*', 20, NULL, NULL),
    ('interest', 'offer', '*', 10, NULL, 'The kind of offer that was taken before.'),
    ('interest', 'format', '*', 5, NULL, NULL),
    ('general', 'offer', 'overview', 30, NULL, 'Nothing is known of the lead''s interest: begin with an overview.'),
    ('general', 'offer', 'preference', 20, NULL, 'Then ask.'),
    ('general', 'funnel_stage', 'awareness', 10, NULL, NULL),
    ('stage', 'new', 'awareness', 15, NULL, NULL),
    ('stage', 'engaged', 'awareness', 10, NULL, NULL),
    ('stage', 'engaged', 'consideration', 10, NULL, NULL),
    ('stage', 'nurturing', 'consideration', 15, NULL, NULL),
    ('stage', 'mql', 'consideration', 5, NULL, NULL),
    ('stage', 'mql', 'evaluation', 15, NULL, NULL),
    ('stage', 'sal', 'evaluation', 15, NULL, NULL),
    ('stage', 'sql', 'evaluation', 10, NULL, NULL),
    ('stage', 'sql', 'decision', 10, NULL, NULL),
    ('stage', 'recycled', 'awareness', 10, NULL, 'Begin again gently.'),
    ('preferred', '*', '*', 20, NULL, 'Per preferred tag of the track step.'),
    ('depth_next', '*', '*', 45, 3, 'Three engagements with a topic in 90 days: one deeper.'),
    ('depth_same', '*', '*', 8, NULL, 'Else as deep as before.'),
    ('freshness', '*', '*', 5, 180, NULL),
    ('format', '*', '*', 10, NULL, 'In the form that this lead opens.'),
    ('priority', '*', '*', 1, NULL, NULL)
) AS w (term, subject, value, weight, parameter, reason)
WHERE EXISTS (SELECT FROM nurture.selection_version WHERE selection = 'default' AND version = 1 AND status = 'draft')
ON CONFLICT DO NOTHING;

SELECT @extschema@.nurture_publish('selection', selection, version, 'preset')
FROM nurture.selection_version WHERE selection = 'default' AND version = 1 AND status = 'draft' AND author = 'preset';
