-- Preset pharma: segments, and the tracks besides education, evidence and
-- re_nurture. Waits and conditions are defaults; make versions of your own.

INSERT INTO nurture.segment (segment, title, condition, reason) VALUES
    ('wants_evidence', 'want clinical evidence', '{"fact": "attributes.interest_type", "op": "any_of", "value": ["clinical_evidence"]}', 'Said so when asked.'),
    ('wants_implementation', 'want to know how it is done', '{"fact": "attributes.interest_type", "op": "any_of", "value": ["implementation", "training"]}', 'Said so when asked.'),
    ('patients', 'patients and caregivers', '{"fact": "audience_type", "op": "in", "value": ["patient", "caregiver"]}', 'Plain language, never promotional.'),
    ('sites', 'investigators and site staff', '{"fact": "audience_type", "op": "in", "value": ["investigator", "site_staff"]}', 'Studies.')
ON CONFLICT DO NOTHING;

INSERT INTO nurture.track (track, title, goal_signal, purpose, priority, audience_types, re_entry, re_entry_after, wake_signals, reason) VALUES
    ('baseline', 'Baseline', NULL, 'marketing', 1, '{*}', 'after', '180 days', '{email_clicked,link_clicked}', 'A light rhythm for those who only look around.'),
    ('solution_fit', 'Solution fit', 'demo_requested', 'marketing', 25, '{hcp,pharmacist,office_staff,payer,procurement,partner,unknown}', 'after', '90 days', '{email_clicked,link_clicked,manual_downloaded,technical_document_downloaded}', 'For those who ask how it would work for them.'),
    ('event_follow_up', 'Event follow-up', NULL, 'marketing', 20, '{*}', 'always', NULL, '{email_clicked,link_clicked}', 'After a congress or a webinar, while it is remembered.'),
    ('clinical_trial', 'Clinical trial', 'trial_signed_up', 'marketing', 40, '{hcp,investigator,site_staff,researcher}', 'after', '90 days', '{email_clicked,link_clicked,trial_page_viewed}', 'For sites and those who refer patients.'),
    ('partnership', 'Partnership', 'rfi_received', 'marketing', 40, '{partner,researcher}', 'after', '180 days', '{email_clicked,link_clicked}', 'For companies and institutes.'),
    ('sales', 'Sales', 'meeting_booked', 'sales', 50, '{hcp,pharmacist,office_staff,payer,procurement}', 'after', '90 days', '{}', 'A person speaks with those who look at prices.'),
    ('meeting_preparation', 'Before a meeting', 'meeting_held', 'meeting', 60, '{*}', 'always', NULL, '{}', 'What helps to have read before.'),
    ('meeting_follow_up', 'After a meeting', NULL, 'meeting', 50, '{*}', 'always', NULL, '{}', 'Nothing promised is forgotten.'),
    ('patient_support', 'Patient support', NULL, 'marketing', 60, '{patient,caregiver}', 'after', '180 days', '{email_clicked,link_clicked}', 'Plain language, support and disease awareness only.')
ON CONFLICT DO NOTHING;

INSERT INTO nurture.track_version (track, version, reason, author)
SELECT t, 1, 'preset', 'preset'
FROM unnest('{baseline,solution_fit,event_follow_up,clinical_trial,partnership,sales,meeting_preparation,meeting_follow_up,patient_support}'::text[]) t
ON CONFLICT DO NOTHING;

INSERT INTO nurture.track_step (track, version, step_no, action, target, due_within, required_tags, preferred_tags, wait, wait_from, channels, on_none, title)
SELECT s.track, 1, s.step_no, s.action, s.target, s.due_within::interval, s.required_tags::text[], s.preferred_tags::text[], s.wait::interval, s.wait_from,
    CASE WHEN s.action IN ('message', 'invitation', 'question') THEN '{email}'::text[] END, s.on_none, s.title
FROM (VALUES
    ('baseline', 1, 'message', NULL, NULL, NULL, '{funnel_stage:awareness}', '7 days', 'previous', 'skip', 'an introduction'),
    ('baseline', 2, 'message', NULL, NULL, NULL, '{funnel_stage:awareness}', '21 days', 'previous', 'skip', 'one piece more'),
    ('baseline', 3, 'question', 'attributes.interest_type', NULL, '{offer:preference}', NULL, '21 days', 'previous', 'skip', 'what would you like to read'),
    ('solution_fit', 1, 'message', NULL, NULL, '{offer:implementation}', NULL, '3 days', 'previous', 'skip', 'how it is done'),
    ('solution_fit', 2, 'message', NULL, NULL, NULL, '{topic:implementation,topic:access}', '7 days', 'previous', 'skip', 'what it needs'),
    ('solution_fit', 3, 'message', NULL, NULL, '{offer:qa}', NULL, '14 days', 'previous', 'skip', 'answers to questions'),
    ('solution_fit', 4, 'message', NULL, NULL, '{offer:request_meeting}', NULL, '14 days', 'previous', 'skip', 'an offer to talk'),
    ('event_follow_up', 1, 'message', NULL, NULL, '{offer:webinar}', '{format:webinar}', '1 day', 'previous', 'skip', 'thank you, and the recording'),
    ('event_follow_up', 2, 'message', NULL, NULL, NULL, '{funnel_stage:consideration}', '7 days', 'previous', 'skip', 'what was spoken about'),
    ('event_follow_up', 3, 'message', NULL, NULL, '{offer:request_meeting}', NULL, '14 days', 'previous', 'skip', 'an offer to talk'),
    ('clinical_trial', 1, 'invitation', NULL, NULL, '{offer:webinar}', '{topic:study_design}', '0 days', 'previous', 'skip', 'invitation to a webinar on the study'),
    ('clinical_trial', 2, 'message', NULL, NULL, NULL, '{topic:study_design,topic:outcomes}', '7 days', 'previous', 'skip', 'the study in brief'),
    ('clinical_trial', 3, 'message', NULL, NULL, '{offer:request_meeting}', NULL, '14 days', 'previous', 'skip', 'an offer to talk about the site'),
    ('clinical_trial', 4, 'message', NULL, NULL, NULL, '{topic:study_design}', '-30 days', 'attributes.study_start', 'exit', 'a month before the planned start'),
    ('partnership', 1, 'message', NULL, NULL, '{offer:overview}', NULL, '3 days', 'previous', 'skip', 'what working together means'),
    ('partnership', 2, 'message', NULL, NULL, NULL, '{topic:moa}', '14 days', 'previous', 'skip', 'the science'),
    ('partnership', 3, 'task', 'business_development', '16 hours', NULL, NULL, '14 days', 'previous', 'hold', 'a call'),
    ('sales', 1, 'task', 'sales_development', '16 hours', NULL, NULL, '0 days', 'previous', 'hold', 'a call about prices'),
    ('sales', 2, 'wait', NULL, NULL, NULL, NULL, '14 days', 'previous', 'hold', 'time to answer'),
    ('meeting_preparation', 1, 'message', NULL, NULL, '{offer:overview}', '{format:brochure}', '-2 days', 'attributes.meeting_on', 'skip', 'what to have read'),
    ('meeting_follow_up', 1, 'task', 'account_executive', '8 hours', NULL, NULL, '1 day', 'previous', 'hold', 'send what was promised'),
    ('meeting_follow_up', 2, 'wait', NULL, NULL, NULL, NULL, '14 days', 'previous', 'hold', 'time to think'),
    ('meeting_follow_up', 3, 'task', 'account_executive', '16 hours', NULL, NULL, '0 days', 'previous', 'hold', 'ask how it stands'),
    ('patient_support', 1, 'message', NULL, NULL, '{reading_level:plain}', '{topic:disease}', '1 day', 'previous', 'skip', 'welcome, in plain words'),
    ('patient_support', 2, 'message', NULL, NULL, '{reading_level:plain}', '{topic:access}', '14 days', 'previous', 'skip', 'what support there is'),
    ('patient_support', 3, 'message', NULL, NULL, '{reading_level:plain}', NULL, '21 days', 'previous', 'skip', 'one piece more')
) AS s (track, step_no, action, target, due_within, required_tags, preferred_tags, wait, wait_from, on_none, title)
JOIN nurture.track_version v ON v.track = s.track AND v.version = 1 AND v.status = 'draft' AND v.author = 'preset'
ON CONFLICT DO NOTHING;

INSERT INTO nurture.track_entry (track, version, entry, condition, title)
SELECT e.track, 1, e.entry, e.condition::jsonb, e.title
FROM (VALUES
    ('baseline', 'stayed_a_while', '{"signal": "time_on_page", "at_least": 2, "within_days": 30}', 'stayed on two pages for a minute'),
    ('solution_fit', 'asked_how', '{"any": [{"signal": "implementation_page_viewed", "at_least": 2, "within_days": 30}, {"signal": "manual_downloaded", "within_days": 0}]}', 'looked at how it is done'),
    ('event_follow_up', 'was_there', '{"any": [{"signal": "webinar_attended", "within_days": 0}, {"signal": "event_checked_in", "within_days": 0}]}', 'came to a webinar or event'),
    ('clinical_trial', 'studies', '{"signal": "trial_page_viewed", "at_least": 3, "within_days": 30}', 'came back to the pages of a study'),
    ('partnership', 'overview', '{"signal": "partner_overview_downloaded", "within_days": 0}', 'took the overview for partners'),
    ('sales', 'prices', '{"signal": "pricing_page_viewed", "at_least": 3, "within_days": 14}', 'looked at prices three times'),
    ('meeting_preparation', 'booked', '{"all": [{"signal": "meeting_booked", "within_days": 0}, {"fact": "attributes.meeting_on", "op": "known"}]}', 'a meeting has a date'),
    ('meeting_follow_up', 'held', '{"signal": "meeting_held", "within_days": 0}', 'a meeting was held'),
    ('patient_support', 'asked', '{"any": [{"signal": "program_enrolled", "within_days": 0}, {"signal": "information_requested", "within_days": 0}]}', 'asked for support or information')
) AS e (track, entry, condition, title)
JOIN nurture.track_version v ON v.track = e.track AND v.version = 1 AND v.status = 'draft' AND v.author = 'preset'
ON CONFLICT DO NOTHING;

INSERT INTO nurture.track_branch (track, version, branch, condition, inactivity_days, to_track, resume, priority, title)
SELECT t.track, 1, b.branch, b.condition::jsonb, b.inactivity_days, b.to_track, b.resume, b.priority, b.title
FROM (VALUES
    ('direct_request', '{"any": [{"signal": "demo_requested", "within_days": 1}, {"signal": "meeting_requested", "within_days": 1}, {"signal": "meeting_booked", "within_days": 1}]}', NULL::integer, NULL, false, 100, 'a person takes over',
        '{baseline,event_follow_up,clinical_trial,partnership}'),
    ('went_cold', NULL, 91, 're_nurture', false, 10, 'more than 90 days without engagement', '{baseline,solution_fit,event_follow_up,clinical_trial,partnership}'),
    ('went_quiet', NULL, 91, NULL, false, 10, 'more than 90 days without engagement', '{patient_support}'),
    ('evidence_taken', '{"any": [{"signal": "clinical_evidence_downloaded", "within_days": 1}, {"signal": "study_summary_downloaded", "within_days": 1}]}', NULL, 'evidence', false, 50, 'took clinical evidence', '{baseline,event_follow_up}'),
    ('back_to_education', '{"signal": "white_paper_downloaded", "within_days": 0}', NULL, 'education', true, 20, 'reads on where it stopped', '{event_follow_up}')
) AS b (branch, condition, inactivity_days, to_track, resume, priority, title, tracks),
unnest(b.tracks::text[]) AS t (track)
JOIN nurture.track_version v ON v.track = t.track AND v.version = 1 AND v.status = 'draft' AND v.author = 'preset'
ON CONFLICT DO NOTHING;

SELECT @extschema@.nurture_publish('track', track, version, 'preset')
FROM nurture.track_version WHERE version = 1 AND status = 'draft' AND author = 'preset' ORDER BY track;
