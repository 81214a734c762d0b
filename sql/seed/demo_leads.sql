-- Preset demo: 20 organisations, 200 leads with 90 days of behaviour behind them,
-- and what some of them did today. Everything follows from the lead's number.

INSERT INTO nurture.account (account_id, external_ref, name, organization_type, country, domain)
SELECT 9200000000 + i, 'nurture-demo-account-' || i, 'Demo organisation ' || i,
    (ARRAY['hospital', 'academic', 'research_site', 'payer'])[1 + i % 4], (ARRAY['FR', 'BE', 'NL', 'ES', 'IT', 'US'])[1 + i % 6], 'demo' || i || '.example'
FROM generate_series(1, 20) AS i
ON CONFLICT DO NOTHING;

INSERT INTO nurture.lead (external_ref, account_id, email, phone, full_name, audience_type, audience_verified_at, role, specialty, therapeutic_area, country, organization_type, source, campaign, language, time_zone, created_at)
SELECT 'nurture-demo-' || i, 9200000000 + 1 + i % 20, 'lead' || i || '@demo' || 1 + i % 20 || '.example', NULL, 'Demo Lead ' || i,
    a.audience, CASE WHEN i % 5 < 4 THEN @extschema@.nurture_now() - interval '100 days' END,
    CASE WHEN i % 7 = 2 THEN NULL ELSE CASE a.audience WHEN 'hcp' THEN (ARRAY['prescriber', 'nurse', 'medical_director'])[1 + i % 3] WHEN 'investigator' THEN (ARRAY['principal_investigator', 'study_coordinator'])[1 + i % 2] ELSE 'formulary_committee' END END,
    CASE WHEN a.audience <> 'payer' AND i % 5 <> 1 THEN (ARRAY['oncology', 'hematology', 'cardiology', 'general_practice'])[1 + i % 4] END,
    CASE WHEN i % 4 <> 3 THEN (ARRAY['neoplasms', 'neoplasms', 'cardiovascular_diseases'])[1 + i % 3] END,
    c.country, CASE WHEN i % 6 = 1 THEN NULL WHEN a.audience = 'payer' THEN 'payer' ELSE (ARRAY['hospital', 'academic', 'practice'])[1 + i % 3] END,
    'nurture demo', CASE WHEN i % 4 = 0 THEN 'demo_congress' END, CASE WHEN c.country IN ('FR', 'BE') THEN 'fr' ELSE 'en' END,
    CASE c.country WHEN 'FR' THEN 'Europe/Paris' WHEN 'BE' THEN 'Europe/Brussels' WHEN 'NL' THEN 'Europe/Amsterdam' WHEN 'ES' THEN 'Europe/Madrid' WHEN 'IT' THEN 'Europe/Rome' ELSE 'America/New_York' END,
    @extschema@.nurture_now() - interval '95 days'
FROM generate_series(1, 200) AS i
CROSS JOIN LATERAL (SELECT CASE WHEN i % 10 < 6 THEN 'hcp' WHEN i % 10 < 8 THEN 'investigator' ELSE 'payer' END AS audience) AS a
CROSS JOIN LATERAL (SELECT (ARRAY['FR', 'BE', 'NL', 'ES', 'IT', 'US'])[1 + i * 7 % 6] AS country) AS c
WHERE NOT EXISTS (SELECT FROM nurture.lead AS l WHERE l.source = 'nurture demo' AND l.external_ref LIKE 'nurture-demo-%');

-- four of five said yes, some of them no again
INSERT INTO nurture.consent_event (lead_id, channel, purpose, kind, occurred_at, source, legal_basis, evidence)
SELECT l.lead_id, 'email', 'marketing', 'given', @extschema@.nurture_now() - interval '94 days', 'nurture demo', 'consent', '{"form": "demo"}'
FROM nurture.lead AS l CROSS JOIN LATERAL (SELECT substr(l.external_ref, 14)::integer AS i) AS n
WHERE l.source = 'nurture demo' AND l.external_ref LIKE 'nurture-demo-%' AND n.i % 5 <> 3
    AND NOT EXISTS (SELECT FROM nurture.consent_event AS e WHERE e.lead_id = l.lead_id)
ORDER BY l.lead_id;

-- what they did: the more active, the more, and about the topics of their audience
INSERT INTO nurture.event (lead_id, event_type, occurred_at, source, source_key, channel, tags, properties)
SELECT l.lead_id, e.event_type, @extschema@.nurture_now() - make_interval(days => 3 + (j * 13 + n.i * 7) % 87, hours => (n.i + j * 5) % 24), 'nurture demo', n.i || ':' || j,
    CASE WHEN e.event_type LIKE 'email%' THEN 'email' ELSE 'web' END,
    ARRAY['topic:' || CASE l.audience_type WHEN 'hcp' THEN (ARRAY['moa', 'efficacy'])[1 + (n.i + j) % 2] WHEN 'investigator' THEN (ARRAY['study_design', 'safety'])[1 + (n.i + j) % 2] ELSE (ARRAY['outcomes', 'access'])[1 + (n.i + j) % 2] END,
        'depth:' || 1 + (n.i % 3 + j % 7 / 5), 'therapeutic_area:neoplasms'], '{"demo": true}'
FROM nurture.lead AS l CROSS JOIN LATERAL (SELECT substr(l.external_ref, 14)::integer AS i) AS n
CROSS JOIN LATERAL generate_series(1, 2 * (n.i * 17 % 12)) AS j
CROSS JOIN LATERAL (SELECT (ARRAY['page_viewed', 'product_page_viewed', 'email_opened', 'mechanism_page_viewed', 'email_clicked', 'page_viewed', 'brochure_downloaded', 'email_opened', 'webinar_attended', 'product_page_viewed', 'clinical_evidence_downloaded'])[1 + (n.i * 3 + j) % 11] AS event_type) AS e
WHERE l.source = 'nurture demo' AND l.external_ref LIKE 'nurture-demo-%'
    AND NOT EXISTS (SELECT FROM nurture.event AS o WHERE o.lead_id = l.lead_id)
ORDER BY l.lead_id, j;

-- and today: what tracks begin with, and what people have to answer
INSERT INTO nurture.event (lead_id, event_type, occurred_at, source, source_key, channel, tags, properties)
SELECT l.lead_id, t.event_type, @extschema@.nurture_now() - make_interval(hours => 1 + n.i % 20), 'nurture demo', n.i || ':today', 'web', t.tags, '{"demo": true}'
FROM nurture.lead AS l CROSS JOIN LATERAL (SELECT substr(l.external_ref, 14)::integer AS i) AS n
JOIN (VALUES
    (8, 0, 'webinar_registered', '{topic:efficacy}'::text[]),
    (8, 4, 'product_overview_downloaded', '{topic:moa,depth:1}'),
    (12, 5, 'clinical_evidence_downloaded', '{topic:efficacy,depth:3}'),
    (12, 11, 'evidence_requested', '{topic:safety}'),
    (25, 1, 'demo_requested', NULL),
    (25, 14, 'meeting_requested', NULL),
    (40, 7, 'question_asked', '{topic:dosing}'),
    (40, 26, 'feasibility_requested', '{topic:study_design}')
) AS t (every, rest, event_type, tags) ON n.i % t.every = t.rest
WHERE l.source = 'nurture demo' AND l.external_ref LIKE 'nurture-demo-%'
    AND NOT EXISTS (SELECT FROM nurture.event AS o WHERE o.lead_id = l.lead_id AND o.source_key = n.i || ':today')
ORDER BY l.lead_id, t.event_type
ON CONFLICT DO NOTHING;

INSERT INTO nurture.consent_event (lead_id, channel, purpose, kind, occurred_at, source, evidence)
SELECT l.lead_id, '*', 'marketing', 'withdrawn', @extschema@.nurture_now() - interval '1 hour', 'nurture demo', '{"link": "demo"}'
FROM nurture.lead AS l CROSS JOIN LATERAL (SELECT substr(l.external_ref, 14)::integer AS i) AS n
WHERE l.source = 'nurture demo' AND l.external_ref LIKE 'nurture-demo-%' AND n.i % 50 = 12
    AND NOT EXISTS (SELECT FROM nurture.consent_event AS e WHERE e.lead_id = l.lead_id AND e.kind = 'withdrawn')
ORDER BY l.lead_id;

-- standings, and members for the hand-offs
SELECT count(*) FROM @extschema@.nurture_tick(1000, interval '1 minute');
