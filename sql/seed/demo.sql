-- Preset demo: 24 approved assets in 4 depths for 3 audiences, and members of 3
-- teams. nurture_unseed('demo') takes all of it away, told by its names.

INSERT INTO nurture.asset (asset_id, family, title, format, purpose, priority, owner, reason)
SELECT 'demo_' || a.audience || '_' || l.topic || '_' || d.depth, 'demo_' || a.audience || '_' || l.topic || '_' || d.depth,
    initcap(l.title) || ': ' || d.title || ' for ' || a.title, d.format, 'marketing', 0, 'nurture demo', 'demo'
FROM (VALUES
    ('hcp', 'prescribers'),
    ('investigator', 'investigators'),
    ('payer', 'payers')
) AS a (audience, title)
JOIN (VALUES
    ('hcp', 'moa', 'how it works'),
    ('hcp', 'efficacy', 'what it achieves'),
    ('investigator', 'study_design', 'how it is studied'),
    ('investigator', 'safety', 'what is known of safety'),
    ('payer', 'outcomes', 'what it changes for patients'),
    ('payer', 'access', 'how patients get it')
) AS l (audience, topic, title) ON l.audience = a.audience
CROSS JOIN (VALUES
    (1, 'overview', 'article'),
    (2, 'in practice', 'brochure'),
    (3, 'the data', 'study_summary'),
    (4, 'methods and full reports', 'white_paper')
) AS d (depth, title, format)
ON CONFLICT DO NOTHING;

INSERT INTO nurture.asset_version (asset_id, version, message_class, channels, languages, markets, audience_types, approval_ref, review_due, uri, author, owner, reason)
SELECT a.asset_id, 1, CASE WHEN a.asset_id LIKE 'demo_investigator_%' THEN 'medical_information' ELSE 'promotional' END,
    '{email,portal}', '{en,fr}', '{FR,BE,NL,ES,IT,US}', ARRAY[split_part(a.asset_id, '_', 2)], 'DEMO-' || a.asset_id,
    (@extschema@.nurture_now() AT TIME ZONE 'UTC')::date + 330, 'https://content.example/demo/' || a.asset_id, 'preset', 'nurture demo', 'demo'
FROM nurture.asset AS a
WHERE a.owner = 'nurture demo' AND a.asset_id LIKE 'demo\_%'
ON CONFLICT DO NOTHING;

INSERT INTO nurture.asset_tag (asset_id, version, dimension, value)
SELECT v.asset_id, v.version, t.dimension, t.value
FROM nurture.asset_version AS v
CROSS JOIN LATERAL (SELECT substring(v.asset_id FROM '^demo_[a-z]+_(.*)_[1-4]$') AS topic, right(v.asset_id, 1)::integer AS depth) AS n
CROSS JOIN LATERAL (VALUES
    ('topic', n.topic),
    ('depth', n.depth::text),
    ('funnel_stage', (ARRAY['awareness', 'consideration', 'evaluation', 'decision'])[n.depth]),
    ('offer', CASE
        WHEN n.topic IN ('moa', 'study_design', 'outcomes') THEN (ARRAY['overview', 'library', 'clinical_evidence', 'webinar'])[n.depth]
        ELSE (ARRAY['preference', 'qa', 'clinical_evidence', 'implementation'])[n.depth]
    END),
    ('therapeutic_area', 'neoplasms'),
    ('reading_level', CASE WHEN n.depth >= 3 THEN 'scientific' ELSE 'professional' END),
    ('format', (ARRAY['article', 'brochure', 'study_summary', 'white_paper'])[n.depth])
) AS t (dimension, value)
WHERE v.owner = 'nurture demo' AND v.asset_id LIKE 'demo\_%' AND v.status = 'draft'
ON CONFLICT DO NOTHING;

SELECT @extschema@.nurture_set_asset_status(asset_id, version, 'in_review', 'demo')
FROM nurture.asset_version WHERE owner = 'nurture demo' AND asset_id LIKE 'demo\_%' AND status = 'draft' ORDER BY asset_id;

SELECT @extschema@.nurture_approve('asset', asset_id, version, 'medical', 'approved', 'demo: nobody has read it')
FROM nurture.asset_version WHERE owner = 'nurture demo' AND asset_id LIKE 'demo\_%' AND status = 'in_review' ORDER BY asset_id;

INSERT INTO nurture.team_member (team, member, external_ref, title, capacity, weight, languages, owner, reason) VALUES
    ('account_executive', 'demo_anna', 'nurture-demo-anna', 'Anna', 20, 1, '{}', 'nurture demo', 'demo'),
    ('account_executive', 'demo_bruno', 'nurture-demo-bruno', 'Bruno', 20, 2, '{}', 'nurture demo', 'demo'),
    ('account_executive', 'demo_clara', 'nurture-demo-clara', 'Clara', 10, 1, '{fr}', 'nurture demo', 'demo'),
    ('medical_affairs', 'demo_dario', 'nurture-demo-dario', 'Dario', NULL, 1, '{}', 'nurture demo', 'demo'),
    ('medical_affairs', 'demo_elena', 'nurture-demo-elena', 'Elena', NULL, 1, '{}', 'nurture demo', 'demo'),
    ('clinical_operations', 'demo_femke', 'nurture-demo-femke', 'Femke', 15, 1, '{}', 'nurture demo', 'demo'),
    ('clinical_operations', 'demo_georg', 'nurture-demo-georg', 'Georg', 15, 1, '{}', 'nurture demo', 'demo')
ON CONFLICT DO NOTHING;
