-- Preset pharma: the graph of stages, teams with their calendar, kinds of
-- requests, and routes. Numbers are defaults: set the zone, hours and holidays
-- of your teams, add members, and change routes in versions of your own.

INSERT INTO nurture.stage_transition (audience_type, from_stage, to_stage, by, condition, after, title, reason)
SELECT '*', f.stage, t.to_stage, 'rule', t.condition::jsonb, t.after, t.title, t.reason
FROM (VALUES
    ('{new}', 'engaged', '{"score": {"dimension": "intent", "at_least": 0.01}}', interval '0', 'did something that counts', 'The first sign of interest.'),
    ('{new,engaged}', 'nurturing', '{"grade": ["A1", "A2", "A3", "B1", "B2", "B3", "C1", "C2", "C3", "D1", "D2", "D3"]}', interval '0', 'intent of band 3', 'Enough interest to teach in the order of depth.'),
    ('{recycled}', 'nurturing', '{"grade": ["A1", "A2", "A3", "B1", "B2", "B3", "C1", "C2", "C3", "D1", "D2", "D3"]}', interval '30 days', 'interest after the cool-down', 'The cool-down of the preset.'),
    ('{new,engaged,nurturing}', 'mql', '{"tier": {"at_least": 3}}', interval '0', 'tier 3 passed', 'MQL is tier 3 under the model that applies.'),
    ('{new,engaged,nurturing,mql,sal}', 'sql', '{"tier": {"at_least": 4}}', interval '0', 'tier 4 passed', 'SQL is tier 4 under the model that applies.'),
    ('{recycled}', 'mql', '{"all": [{"tier": {"at_least": 3}}, {"any": [{"signal": "demo_requested", "within_days": 0}, {"signal": "meeting_requested", "within_days": 0}, {"signal": "pricing_requested", "within_days": 0}, {"signal": "feasibility_requested", "within_days": 0}, {"signal": "trial_match_requested", "within_days": 0}]}]}', interval '0', 'new high intent', 'New high intent during a cool-down counts at once.'),
    ('{recycled}', 'sql', '{"all": [{"tier": {"at_least": 4}}, {"any": [{"signal": "demo_requested", "within_days": 0}, {"signal": "meeting_requested", "within_days": 0}, {"signal": "pricing_requested", "within_days": 0}, {"signal": "feasibility_requested", "within_days": 0}, {"signal": "trial_match_requested", "within_days": 0}]}]}', interval '0', 'new high intent', 'New high intent during a cool-down counts at once.'),
    ('{engaged,nurturing,mql,sal,sql,recycled}', 'meeting_set', '{"signal": "meeting_booked", "within_days": 0}', interval '0', 'meeting booked', 'Told by an event.'),
    ('{engaged,nurturing,mql,sal,sql,recycled,meeting_set}', 'meeting_held', '{"signal": "meeting_held", "within_days": 0}', interval '0', 'meeting held', 'Told by an event.'),
    ('{meeting_held}', 'evaluated', '{"any": [{"signal": "demo_attended", "within_days": 0}, {"signal": "reply_with_requirements", "within_days": 0}]}', interval '0', 'evaluated', 'Told by an event.'),
    ('{meeting_held,evaluated}', 'customer_qualified', '{"any": [{"signal": "rfp_submitted", "within_days": 0}, {"signal": "feasibility_approved", "within_days": 0}]}', interval '0', 'ready for a named step', 'Told by an event.'),
    ('{mql,sal,sql,meeting_set,meeting_held,evaluated,customer_qualified}', 'converted', '{"any": [{"signal": "contract_signed", "within_days": 0}, {"signal": "site_activated", "within_days": 0}, {"signal": "formulary_listed", "within_days": 0}]}', interval '0', 'outcome reached', 'Told by an event.'),
    ('{mql}', 'recycled', '{"not": {"tier": {"at_least": 3}}}', interval '30 days', 'interest has gone', 'An MQL that nobody took and that qualifies no more goes back to nurture after the cool-down.'),
    ('{disqualified}', 'recycled', '{"all": []}', interval '0', 'no disqualifier holds any more', 'Disqualifiers have a validity.')
) t (from_stages, to_stage, condition, after, title, reason),
unnest(t.from_stages::text[]) f (stage)
ON CONFLICT DO NOTHING;

INSERT INTO nurture.stage_transition (audience_type, from_stage, to_stage, by, condition, title, reason)
SELECT a.audience_type, f.stage, t.stage, 'rule', '{"not": {"all": []}}', 'never', 'Patients and caregivers are never leads of sales.'
FROM unnest('{patient,caregiver}'::text[]) a (audience_type),
     unnest('{new,engaged,nurturing,mql,sal,recycled}'::text[]) f (stage),
     unnest('{mql,sql}'::text[]) t (stage)
WHERE f.stage <> t.stage AND (f.stage, t.stage) <> ('sal', 'mql')
ON CONFLICT DO NOTHING;

INSERT INTO nurture.stage_transition (audience_type, from_stage, to_stage, by, title, reason)
SELECT '*', f.stage, t.to_stage, t.by, t.title, t.reason
FROM (VALUES
    ('{mql}', 'sal', 'hand_off', 'accepted', 'SAL is reached from MQL by acceptance only; an accepted SQL stays SQL.'),
    ('{mql,sal,sql}', 'meeting_set', 'hand_off', 'meeting booked', 'Logged as an attempt.'),
    ('{mql,sal,sql,meeting_set}', 'meeting_held', 'hand_off', 'meeting held', 'Logged as an attempt.'),
    ('{mql,sal,sql,meeting_set,meeting_held,evaluated,customer_qualified}', 'converted', 'hand_off', 'converted', 'Told by the team.'),
    ('{mql,sal,sql,meeting_set,meeting_held,evaluated,customer_qualified}', 'recycled', 'hand_off', 'back to nurture', 'Rejected, expired or returned.'),
    ('{new,engaged,recycled}', 'nurturing', 'track', 'on a track', 'A step of a track may say that nurturing has begun.'),
    ('{new,engaged,nurturing,mql,sal,sql,meeting_set,meeting_held,evaluated,customer_qualified,recycled}', 'disqualified', 'person', 'disqualified', 'A disqualifier that excludes holds.')
) t (from_stages, to_stage, by, title, reason),
unnest(t.from_stages::text[]) f (stage)
ON CONFLICT DO NOTHING;

INSERT INTO nurture.calendar (calendar, title, time_zone, reason) VALUES
    ('office', 'office hours', 'UTC', 'Set the zone and the holidays of your teams.')
ON CONFLICT DO NOTHING;

INSERT INTO nurture.calendar_hours (calendar, weekday, from_time, to_time, reason)
SELECT 'office', d, time '09:00', time '17:00', 'Eight hours a day, Monday to Friday.'
FROM generate_series(1, 5) d
ON CONFLICT DO NOTHING;

INSERT INTO nurture.team (team, title, lane, calendar, never_audiences, never_requests, reason) VALUES
    ('sales_development', 'sales development', 'business', 'office', '{patient,caregiver}', '{medical_question,adverse_event,product_complaint}', 'Reviews leads of middle intent.'),
    ('account_executive', 'account executives', 'business', 'office', '{patient,caregiver}', '{medical_question,adverse_event,product_complaint}', 'Take leads that are ready.'),
    ('business_development', 'business development', 'business', 'office', '{patient,caregiver}', '{medical_question,adverse_event,product_complaint}', 'Partnerships.'),
    ('market_access', 'market access', 'business', 'office', '{patient,caregiver}', '{medical_question,adverse_event,product_complaint}', 'Payers and procurement.'),
    ('clinical_operations', 'clinical operations', 'business', 'office', '{patient,caregiver}', '{medical_question,adverse_event,product_complaint}', 'Sites and investigators.'),
    ('research_partnerships', 'research partnerships', 'business', 'office', '{patient,caregiver}', '{medical_question,adverse_event,product_complaint}', 'Researchers.'),
    ('patient_support', 'patient support', 'business', 'office', '{}', '{medical_question,adverse_event,product_complaint}', 'Patients and caregivers.'),
    ('catch_all', 'everything else', 'business', 'office', '{}', '{medical_question,adverse_event,product_complaint}', 'Watched every day, so that nothing is lost.'),
    ('medical_affairs', 'medical affairs', 'medical', 'office', '{}', '{adverse_event,product_complaint}', 'Answers medical questions.'),
    ('pharmacovigilance', 'pharmacovigilance', 'safety', 'office', '{}', '{}', 'Takes safety reports.')
ON CONFLICT DO NOTHING;

INSERT INTO nurture.request_kind (request_kind, event_type, title, offers) VALUES
    ('demo', 'demo_requested', 'demo', '{request_meeting}'),
    ('meeting', 'meeting_requested', 'meeting', '{request_meeting}')
ON CONFLICT DO NOTHING;
INSERT INTO nurture.request_kind (request_kind, event_type, title) VALUES
    ('sample', 'sample_requested', 'sample'),
    ('literature', 'literature_requested', 'literature'),
    ('information', 'information_requested', 'information'),
    ('evidence', 'evidence_requested', 'evidence'),
    ('pricing', 'pricing_requested', 'pricing'),
    ('feasibility', 'feasibility_requested', 'feasibility check'),
    ('trial_match', 'trial_match_requested', 'trial match'),
    ('investigator_material', 'investigator_material_requested', 'investigator material'),
    ('medical_question', 'question_asked', 'answer to a medical question'),
    ('rfi', 'rfi_received', 'answer to a request for information'),
    ('coverage', 'coverage_question', 'answer about coverage'),
    ('adverse_event', 'adverse_event_reported', 'adverse event report'),
    ('product_complaint', 'product_complaint_reported', 'product complaint')
ON CONFLICT DO NOTHING;

INSERT INTO nurture.route (route, title, reason) VALUES
    ('safety', 'safety reports', 'Handed over at once, whatever else is known about the lead.'),
    ('medical_question', 'medical questions', 'To medical affairs whatever the score.'),
    ('patient', 'patients and caregivers', 'Never to sales.'),
    ('clinical', 'studies', 'Trial matches, feasibility, investigator material.'),
    ('access', 'coverage and procurement', 'Market access answers.'),
    ('partnership', 'partnerships', 'Inquiries of partners.'),
    ('research', 'research', 'Inquiries of researchers.'),
    ('ready', 'ready for a meeting', 'A direct request at tier 4.'),
    ('request', 'demo or meeting', 'A direct request.'),
    ('material', 'samples and information', 'Requests that sales development answers.'),
    ('clinical_mql', 'qualified sites', 'Qualified by behaviour.'),
    ('access_mql', 'qualified payers', 'Qualified by behaviour.'),
    ('partner_mql', 'qualified partners', 'Qualified by behaviour.'),
    ('sql', 'sales qualified', 'High score.'),
    ('mql', 'marketing qualified', 'Middle score: a person looks.'),
    ('catch_all', 'everything else', 'Requests that no other route takes.')
ON CONFLICT DO NOTHING;

INSERT INTO nurture.route_version (route, version, priority, condition, team, method, sla_accept, sla_first_response, offer_expires, cool_down, attempts_max, required_fields, min_confidence, return_track, author, reason)
SELECT v.route, 1, v.priority, v.condition::jsonb, v.team, v.method, v.sla_accept, v.sla_first_response, v.offer_expires, interval '30 days', v.attempts_max::smallint, v.required_fields::text[],
    CASE WHEN v.route LIKE '%mql' THEN 0.5 END, CASE WHEN v.offer_expires IS NOT NULL THEN 're_nurture' END, 'preset', 'preset'
FROM (VALUES
    ('safety', 10, '{"any": [{"signal": "adverse_event_reported", "within_days": 7}, {"signal": "product_complaint_reported", "within_days": 7}]}', 'pharmacovigilance', 'round_robin', interval '4 hours', interval '8 hours', NULL::interval, NULL::int, '{}'),
    ('medical_question', 20, '{"any": [{"signal": "question_asked", "within_days": 7}, {"signal": "literature_requested", "within_days": 7}, {"signal": "evidence_requested", "within_days": 7}]}', 'medical_affairs', 'round_robin', interval '8 hours', interval '8 hours', NULL, NULL, '{audience_type,country}'),
    ('patient', 30, '{"all": [{"fact": "audience_type", "op": "in", "value": ["patient", "caregiver"]}, {"any": [{"signal": "trial_match_requested", "within_days": 7}, {"signal": "information_requested", "within_days": 7}, {"signal": "program_enrolled", "within_days": 7}, {"signal": "coverage_question", "within_days": 7}, {"signal": "sample_requested", "within_days": 7}, {"signal": "meeting_requested", "within_days": 7}]}]}', 'patient_support', 'round_robin', interval '8 hours', interval '16 hours', NULL, NULL, '{country,language}'),
    ('clinical', 40, '{"any": [{"signal": "trial_match_requested", "within_days": 7}, {"signal": "feasibility_requested", "within_days": 7}, {"signal": "investigator_material_requested", "within_days": 7}, {"signal": "trial_signed_up", "within_days": 7}]}', 'clinical_operations', 'round_robin', interval '8 hours', interval '16 hours', interval '24 hours', 3, '{therapeutic_area,country,region}'),
    ('access', 50, '{"any": [{"signal": "coverage_question", "within_days": 7}, {"all": [{"fact": "audience_type", "op": "in", "value": ["payer", "procurement"]}, {"any": [{"signal": "pricing_requested", "within_days": 7}, {"signal": "rfi_received", "within_days": 7}]}]}]}', 'market_access', 'round_robin', interval '8 hours', interval '16 hours', interval '24 hours', 3, '{country,organization_type}'),
    ('partnership', 60, '{"all": [{"fact": "audience_type", "op": "=", "value": "partner"}, {"any": [{"signal": "rfi_received", "within_days": 7}, {"signal": "partner_overview_downloaded", "within_days": 7}, {"signal": "meeting_requested", "within_days": 7}, {"signal": "demo_requested", "within_days": 7}]}]}', 'business_development', 'round_robin', interval '8 hours', interval '16 hours', interval '24 hours', 3, '{organization_type,country}'),
    ('research', 65, '{"all": [{"fact": "audience_type", "op": "=", "value": "researcher"}, {"any": [{"signal": "rfi_received", "within_days": 7}, {"signal": "meeting_requested", "within_days": 7}]}]}', 'research_partnerships', 'round_robin', interval '8 hours', interval '16 hours', interval '24 hours', 3, '{therapeutic_area,country}'),
    ('ready', 70, '{"all": [{"tier": {"at_least": 4}}, {"any": [{"signal": "demo_requested", "within_days": 7}, {"signal": "meeting_requested", "within_days": 7}, {"signal": "pricing_requested", "within_days": 7}]}]}', 'account_executive', 'owner_affinity', interval '8 hours', interval '4 hours', interval '24 hours', 3, '{email,country,role}'),
    ('request', 80, '{"any": [{"signal": "demo_requested", "within_days": 7}, {"signal": "meeting_requested", "within_days": 7}, {"signal": "pricing_requested", "within_days": 7}]}', 'sales_development', 'owner_affinity', interval '8 hours', interval '4 hours', interval '24 hours', 3, '{email,country,role}'),
    ('material', 90, '{"any": [{"signal": "sample_requested", "within_days": 7}, {"signal": "information_requested", "within_days": 7}]}', 'sales_development', 'owner_affinity', interval '8 hours', interval '16 hours', interval '24 hours', 3, '{email,country}'),
    ('clinical_mql', 100, '{"all": [{"stage": ["mql", "sql"]}, {"fact": "audience_type", "op": "in", "value": ["investigator", "site_staff"]}]}', 'clinical_operations', 'round_robin', interval '8 hours', interval '16 hours', interval '24 hours', 3, '{therapeutic_area,country,region}'),
    ('access_mql', 110, '{"all": [{"stage": ["mql", "sql"]}, {"fact": "audience_type", "op": "in", "value": ["payer", "procurement"]}]}', 'market_access', 'round_robin', interval '8 hours', interval '16 hours', interval '24 hours', 3, '{country,organization_type}'),
    ('partner_mql', 120, '{"all": [{"stage": ["mql", "sql"]}, {"fact": "audience_type", "op": "=", "value": "partner"}]}', 'business_development', 'round_robin', interval '8 hours', interval '16 hours', interval '24 hours', 3, '{organization_type,country}'),
    ('sql', 130, '{"stage": ["sql"]}', 'account_executive', 'owner_affinity', interval '8 hours', interval '16 hours', interval '24 hours', 3, '{email,country,role}'),
    ('mql', 140, '{"stage": ["mql"]}', 'sales_development', 'owner_affinity', interval '8 hours', interval '16 hours', interval '24 hours', 3, '{email,country,role}'),
    ('catch_all', 900, '{"all": []}', 'catch_all', 'queue', interval '8 hours', interval '16 hours', NULL, NULL, '{}')
) v (route, priority, condition, team, method, sla_accept, sla_first_response, offer_expires, attempts_max, required_fields)
WHERE NOT EXISTS (SELECT FROM nurture.route_version w WHERE w.route = v.route)
ON CONFLICT DO NOTHING;

SELECT @extschema@.nurture_publish('route', v.route, v.version, 'preset')
FROM nurture.route_version v
WHERE v.author = 'preset' AND v.version = 1 AND v.status = 'draft'
ORDER BY v.priority;
