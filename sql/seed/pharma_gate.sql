-- Preset pharma: consent and stop rules. Each row can be read
-- and changed by who answers for it; nurture supports the law, it certifies
-- nothing.

INSERT INTO nurture.consent_policy (country, audience_type, channel, message_class, rule, unclear, verified_audience, legal_source, title) VALUES
    ('*', '*', '*', 'promotional', 'opt_in', 'review', false, 'strict default: Directive 2002/58/EC art. 13(1) and GDPR art. 6(1)(a)', 'promotion needs consent'),
    ('*', '*', '*', 'disease_awareness', 'opt_in', 'review', false, 'strict default: Directive 2002/58/EC art. 13(1) and GDPR art. 6(1)(a)', 'disease awareness needs consent'),
    ('*', '*', '*', 'medical_information', 'opt_out', 'review', false, 'Directive 2001/83/EC art. 86(2): answers to questions are not advertising', 'answers to questions'),
    ('*', '*', '*', 'patient_support', 'opt_in', 'review', false, 'GDPR art. 9(2)(a): data concerning health', 'patient support needs consent'),
    ('*', '*', '*', 'operational', 'opt_out', 'review', false, 'GDPR art. 6(1)(b): performance of what was asked for', 'operational messages'),
    ('*', 'patient', '*', 'promotional', 'prohibited', 'refuse', false, 'Directive 2001/83/EC art. 88(1): no advertising of prescription medicines to the public', 'no promotion to patients'),
    ('*', 'caregiver', '*', 'promotional', 'prohibited', 'refuse', false, 'Directive 2001/83/EC art. 88(1): no advertising of prescription medicines to the public', 'no promotion to caregivers'),
    ('DE', '*', 'email', 'promotional', 'double_opt_in', 'refuse', false, 'UWG s. 7(2); BGH I ZR 164/09: proof by double opt-in', 'Germany: double opt-in'),
    ('US', '*', 'email', 'promotional', 'opt_out', 'review', false, 'CAN-SPAM Act, 15 U.S.C. s. 7704', 'United States: e-mail'),
    ('US', 'patient', 'email', 'promotional', 'opt_in', 'refuse', false, 'CAN-SPAM Act with consent as company policy', 'United States: patients'),
    ('US', 'caregiver', 'email', 'promotional', 'opt_in', 'refuse', false, 'CAN-SPAM Act with consent as company policy', 'United States: caregivers'),
    ('US', '*', 'phone', 'promotional', 'opt_in', 'refuse', false, 'TCPA, 47 U.S.C. s. 227', 'United States: phone'),
    ('US', '*', 'sms', 'promotional', 'opt_in', 'refuse', false, 'TCPA, 47 U.S.C. s. 227', 'United States: SMS')
ON CONFLICT DO NOTHING;

INSERT INTO nurture.stop_rule (rule, condition, effect, duration, scope, lifted_by, title, reason) VALUES
    ('opted_out', '{"any": [{"signal": "opted_out"}]}', 'suppress_promotional', NULL, '{}', '{explicit_grant}', 'the lead opted out', 'all marketing ends'),
    ('complained', '{"any": [{"signal": "complained"}]}', 'suppress_promotional', NULL, '{}', '{explicit_grant}', 'the lead complained', 'all marketing ends'),
    ('meeting_booked', '{"signal": "meeting_booked"}', 'suppress_promotional', '30 days', '{}', '{handoff_returned,resume}', 'a meeting is booked', 'sales has the word'),
    ('demo_requested', '{"signal": "demo_requested"}', 'suppress_promotional', '30 days', '{}', '{handoff_returned,resume}', 'a demo was requested', 'sales has the word'),
    ('meeting_requested', '{"signal": "meeting_requested"}', 'suppress_promotional', '30 days', '{}', '{handoff_returned,resume}', 'a meeting was requested', 'sales has the word'),
    ('adverse_event', '{"signal": "adverse_event_reported"}', 'stop', NULL, '{}', '{resume}', 'an adverse event was reported', 'pharmacovigilance comes first'),
    ('product_complaint', '{"signal": "product_complaint_reported"}', 'stop', NULL, '{}', '{resume}', 'a product complaint was reported', 'pharmacovigilance comes first')
ON CONFLICT DO NOTHING;
