-- Preset pharma: stop rules. Each row can be read and changed by who answers
-- for it. Which consent the law asks for is in pharma_consent_policy.sql.

INSERT INTO nurture.stop_rule (rule, condition, effect, duration, scope, lifted_by, title, reason) VALUES
    ('opted_out', '{"any": [{"signal": "opted_out"}]}', 'suppress_promotional', NULL, '{}', '{explicit_grant}', 'the lead opted out', 'all marketing ends'),
    ('complained', '{"any": [{"signal": "complained"}]}', 'suppress_promotional', NULL, '{}', '{explicit_grant}', 'the lead complained', 'all marketing ends'),
    ('meeting_booked', '{"signal": "meeting_booked"}', 'suppress_promotional', '30 days', '{}', '{handoff_returned,resume}', 'a meeting is booked', 'sales has the word'),
    ('demo_requested', '{"signal": "demo_requested"}', 'suppress_promotional', '30 days', '{}', '{handoff_returned,resume}', 'a demo was requested', 'sales has the word'),
    ('meeting_requested', '{"signal": "meeting_requested"}', 'suppress_promotional', '30 days', '{}', '{handoff_returned,resume}', 'a meeting was requested', 'sales has the word'),
    ('adverse_event', '{"signal": "adverse_event_reported"}', 'stop', NULL, '{}', '{resume}', 'an adverse event was reported', 'pharmacovigilance comes first'),
    ('product_complaint', '{"signal": "product_complaint_reported"}', 'stop', NULL, '{}', '{resume}', 'a product complaint was reported', 'pharmacovigilance comes first')
ON CONFLICT DO NOTHING;
