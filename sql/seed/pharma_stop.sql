-- Preset pharma: stop rules. Each row can be read and changed by who answers
-- for it. A meeting that is never held must not stop a lead for ever, so the
-- rules about meetings end by themselves after 90 days.

INSERT INTO nurture.stop_rule (rule, condition, effect, factor, duration, scope, lifted_by, title, reason) VALUES
    ('opted_out', '{"any": [{"signal": "opted_out"}]}', 'suppress_promotional', NULL, NULL, '{}', '{explicit_grant}', 'the lead opted out', 'All marketing ends until the lead says yes again.'),
    ('objected', '{"any": [{"consent": {"channel": "email", "purpose": "marketing", "is": "objected"}}, {"consent": {"channel": "phone", "purpose": "marketing", "is": "objected"}}, {"consent": {"channel": "sms", "purpose": "marketing", "is": "objected"}}]}', 'suppress_promotional', NULL, NULL, '{}', '{explicit_grant}', 'the lead objected to direct marketing', 'GDPR art. 21(3): data are no longer processed for direct marketing.'),
    ('complained', '{"any": [{"signal": "complained"}]}', 'suppress_promotional', NULL, NULL, '{}', '{explicit_grant}', 'the lead complained', 'All marketing ends until the lead says yes again.'),
    ('hard_bounce', '{"signal": "email_hard_bounced"}', 'stop', NULL, NULL, '{"channels": ["email"]}', '{new_address}', 'the e-mail address does not exist', 'Sending on to a dead address harms deliverability; other channels stay open.'),
    ('meeting_booked', '{"signal": "meeting_booked"}', 'suppress_promotional', NULL, '90 days', '{}', '{handoff_returned,resume,meeting_held + 30 days}', 'a meeting is booked', 'Sales has the word, and 30 days after the meeting.'),
    ('demo_requested', '{"signal": "demo_requested"}', 'suppress_promotional', NULL, '90 days', '{}', '{handoff_returned,resume,meeting_held + 30 days}', 'a demo was requested', 'Sales has the word, and 30 days after the meeting.'),
    ('meeting_requested', '{"signal": "meeting_requested"}', 'suppress_promotional', NULL, '90 days', '{}', '{handoff_returned,resume,meeting_held + 30 days}', 'a meeting or a call of a representative was requested', 'Sales has the word, and 30 days after the meeting.'),
    ('handoff_open', '{"handoff": {"state": ["accepted", "working", "met"]}}', 'suppress_promotional', NULL, NULL, '{}', '{handoff_returned}', 'a hand-off was accepted', 'While a person works on the lead, campaigns are silent. nurture_accept puts it in force.'),
    ('decision_stage', '{"stage": ["evaluated", "customer_qualified"]}', 'stop', NULL, NULL, '{}', '{stage_left,resume}', 'the lead is deciding', 'Nurturing has done its work: a person speaks with the lead, and operational messages still go out.'),
    ('clicks_without_form', '{"all": [{"signal": "email_clicked", "at_least": 5, "within_days": 14}, {"not": {"signal": "form_submitted", "within_days": 14}}]}', 'slow_down', 2, '30 days', '{}', '{form_submitted,resume}', 'five clicks without a form in 14 days', 'Somebody reads and does not want to talk yet: half the pace.'),
    ('no_answer', '{"handoff": {"state": "returned"}}', 'suppress_promotional', NULL, '30 days', '{"channels": ["phone", "sms"]}', '{resume,explicit_grant}', 'attempts without an answer', 'Calls that nobody takes cool down for 30 days; the hand-off is returned, and e-mail goes on. nurture_attempt puts it in force.'),
    ('adverse_event', '{"signal": "adverse_event_reported"}', 'stop', NULL, NULL, '{}', '{resume}', 'an adverse event was reported', 'Pharmacovigilance comes first.'),
    ('product_complaint', '{"signal": "product_complaint_reported"}', 'stop', NULL, NULL, '{}', '{resume}', 'a product complaint was reported', 'Pharmacovigilance comes first.')
ON CONFLICT DO NOTHING;
