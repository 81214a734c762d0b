-- Preset pharma: contact policy. Numbers are defaults, to be agreed on and
-- changed by who answers for them.

INSERT INTO nurture.frequency_cap (cap, channels, message_classes, n, period, same_family, title, reason) VALUES
    ('promotional_gap', '{*}', '{promotional}', 1, '48 hours', false, 'minimum gap', 'two messages within two days read as pressure'),
    ('email_week', '{email}', '{promotional}', 2, '7 days', false, 'e-mail in a week', 'two a week are read, more are skipped; to be agreed with the brand team'),
    ('email_month', '{email}', '{promotional}', 6, '30 days', false, 'e-mail in a month', 'keeps bursts of two a week from going on'),
    ('promotional_week', '{*}', '{promotional}', 3, '7 days', false, 'any channel in a week', 'the lead counts touches, not channels'),
    ('no_repeat', '{*}', '{promotional,disease_awareness,medical_information,patient_support}', 1, '180 days', true, 'no repeat of a family', 'the same content twice in half a year is noise')
ON CONFLICT DO NOTHING;

INSERT INTO nurture.quiet_hours (market, channel, from_time, to_time, title, reason) VALUES
    ('*', '*', '20:00', '08:00', 'the night', 'nobody wants to be woken by us; also within what e-mail and phone rules of most countries ask for'),
    ('US', 'phone', '21:00', '08:00', 'United States: phone', '47 CFR 64.1200(c)(1): no telephone solicitation before 8 a.m. or after 9 p.m. at the called party''s location'),
    ('US', 'sms', '21:00', '08:00', 'United States: text messages', '47 CFR 64.1200(c)(1), which the FCC applies to text messages')
ON CONFLICT DO NOTHING;

INSERT INTO nurture.rest_period (event_type, period, title, reason)
    SELECT event_type, '3 days', 'rest after a download', 'time to read it before the next message'
    FROM unnest(ARRAY['brochure_downloaded', 'white_paper_downloaded', 'clinical_evidence_downloaded', 'study_summary_downloaded', 'slide_deck_downloaded',
                      'manual_downloaded', 'guideline_downloaded', 'product_overview_downloaded', 'technical_document_downloaded', 'partner_overview_downloaded']) AS event_type
ON CONFLICT DO NOTHING;
INSERT INTO nurture.rest_period (event_type, period, title, reason) VALUES
    ('meeting_requested', '7 days', 'rest after a meeting request', 'a person has the word first')
ON CONFLICT DO NOTHING;
