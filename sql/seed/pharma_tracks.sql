-- Preset pharma: cadence, and the tracks education, evidence and re_nurture.

INSERT INTO nurture.cadence (track, level, within_days, factor, sends, reason) VALUES
    ('*', 'active', 7, 0.5, true, 'Who reads now gets the next piece sooner.'),
    ('*', 'warm', 30, 1, true, NULL),
    ('*', 'quiet', 90, 2, true, 'Fewer messages for those who do not answer.'),
    ('*', 'cold', NULL, 4, false, 'Nothing but re_nurture.'),
    ('re_nurture', 'cold', NULL, 1, true, 'Made for cold leads.')
ON CONFLICT DO NOTHING;

INSERT INTO nurture.track (track, title, goal_signal, priority, re_entry, re_entry_after, wake_signals, reactivates, reason) VALUES
    ('education', 'Education', NULL, 10, 'after', '90 days', '{email_clicked,link_clicked,email_replied,webinar_attended,video_watched,white_paper_downloaded}', false, 'For everybody who has shown first interest.'),
    ('evidence', 'Clinical evidence', 'webinar_attended', 30, 'after', '90 days', '{email_clicked,link_clicked,email_replied,clinical_evidence_downloaded,study_summary_downloaded}', false, 'For those who ask for data.'),
    ('re_nurture', 'Re-nurture', NULL, 5, 'after', '180 days', '{email_clicked,link_clicked,email_replied}', true, 'For quiet leads.')
ON CONFLICT DO NOTHING;

INSERT INTO nurture.track_version (track, version, reason, author) VALUES
    ('education', 1, 'preset', 'preset'),
    ('evidence', 1, 'preset', 'preset'),
    ('re_nurture', 1, 'preset', 'preset')
ON CONFLICT DO NOTHING;

INSERT INTO nurture.track_step (track, version, step_no, action, required_tags, preferred_tags, wait, channels, on_none, title)
SELECT s.track, 1, s.step_no, s.action, s.required_tags::text[], s.preferred_tags::text[], s.wait::interval, '{email}', s.on_none, s.title
FROM (VALUES
    ('education', 1, 'message', NULL, '{offer:overview,funnel_stage:awareness}', '3 days', 'hold', 'what it is about'),
    ('education', 2, 'message', NULL, '{funnel_stage:awareness,funnel_stage:consideration}', '7 days', 'skip', 'the next piece'),
    ('education', 3, 'message', NULL, '{funnel_stage:awareness,funnel_stage:consideration}', '7 days', 'skip', 'one more'),
    ('education', 4, 'question', '{offer:preference}', NULL, '3 days', 'skip', 'what would you like to read'),
    ('education', 5, 'message', NULL, '{funnel_stage:consideration}', '14 days', 'skip', 'deeper'),
    ('education', 6, 'message', NULL, '{funnel_stage:consideration}', '14 days', 'skip', 'deeper again'),
    ('education', 7, 'message', NULL, '{funnel_stage:consideration,offer:library}', '21 days', 'skip', 'to look things up'),
    ('education', 8, 'invitation', '{offer:webinar}', NULL, '21 days', 'skip', 'invitation to a webinar'),
    ('evidence', 1, 'message', '{offer:clinical_evidence}', '{topic:efficacy,topic:outcomes}', '3 days', 'skip', 'evidence follow-up'),
    ('evidence', 2, 'invitation', '{offer:webinar}', NULL, '7 days', 'skip', 'invitation to a webinar'),
    ('evidence', 3, 'message', NULL, '{offer:qa,topic:safety}', '14 days', 'skip', 'answers to questions'),
    ('evidence', 11, 'message', '{offer:webinar}', '{format:webinar}', '0 days', 'skip', 'thank you for coming'),
    ('evidence', 12, 'message', '{offer:clinical_evidence}', '{topic:efficacy,topic:outcomes}', '4 days', 'skip', 'the evidence in brief'),
    ('evidence', 13, 'message', '{offer:request_meeting}', NULL, '10 days', 'skip', 'where to ask for more'),
    ('evidence', 21, 'handoff', NULL, NULL, '0 days', 'skip', 'medical affairs answers'),
    ('evidence', 22, 'handoff', NULL, NULL, '0 days', 'skip', 'sales takes over'),
    ('re_nurture', 1, 'message', NULL, '{offer:preference,offer:overview}', '0 days', 'exit', 'what would you like to read'),
    ('re_nurture', 2, 'message', NULL, '{funnel_stage:awareness}', '21 days', 'exit', 'one more piece')
) AS s (track, step_no, action, required_tags, preferred_tags, wait, on_none, title)
JOIN nurture.track_version v ON v.track = s.track AND v.version = 1 AND v.status = 'draft' AND v.author = 'preset'
ON CONFLICT DO NOTHING;

-- who took the slides of a webinar walks steps 11 to 13; a technical click of theirs leads to a person
UPDATE nurture.track_step s SET condition = c.condition::jsonb, target = c.target
FROM (VALUES
    ('education', 4, '{"signal": "email_clicked", "at_least": 3, "within_days": 60}', 'attributes.interest_type'),
    ('evidence', 11, '{"all": [{"signal": "webinar_registered", "within_days": 60}, {"signal": "slide_deck_downloaded", "within_days": 60}]}', NULL),
    ('evidence', 12, '{"all": [{"signal": "webinar_registered", "within_days": 60}, {"signal": "slide_deck_downloaded", "within_days": 60}]}', NULL),
    ('evidence', 13, '{"all": [{"signal": "webinar_registered", "within_days": 60}, {"signal": "slide_deck_downloaded", "within_days": 60}]}', NULL),
    ('evidence', 21, '{"all": [{"signal": "technical_document_downloaded", "within_days": 7}, {"signal": "question_asked", "within_days": 60}]}', 'medical_question'),
    ('evidence', 22, '{"all": [{"signal": "technical_document_downloaded", "within_days": 7}, {"not": {"signal": "question_asked", "within_days": 60}}]}', 'mql')
) AS c (track, step_no, condition, target), nurture.track_version v
WHERE s.track = c.track AND s.version = 1 AND s.step_no = c.step_no AND v.track = s.track AND v.version = 1 AND v.status = 'draft' AND v.author = 'preset';

INSERT INTO nurture.track_entry (track, version, entry, condition, title)
SELECT e.track, 1, e.entry, e.condition::jsonb, e.title
FROM (VALUES
    ('education', 'first_interest', '{"all": [{"any": [{"signal": "form_submitted"}, {"signal": "webinar_registered"}, {"signal": "event_registered"}, {"signal": "information_requested"}, {"signal": "product_overview_downloaded"}, {"signal": "white_paper_downloaded"}, {"signal": "brochure_downloaded"}]}, {"not": {"any": [{"signal": "demo_requested", "within_days": 30}, {"signal": "meeting_requested", "within_days": 30}, {"signal": "meeting_booked", "within_days": 30}]}}]}', 'registered or took a first piece'),
    ('education', 'repeated_reading', '{"all": [{"any": [{"signal": "mechanism_page_viewed", "at_least": 3, "within_days": 30}, {"signal": "product_page_viewed", "at_least": 3, "within_days": 30}, {"signal": "disease_page_viewed", "at_least": 3, "within_days": 30}]}, {"not": {"any": [{"signal": "demo_requested", "within_days": 30}, {"signal": "meeting_requested", "within_days": 30}, {"signal": "meeting_booked", "within_days": 30}]}}]}', 'came back to a page three times in a month'),
    ('evidence', 'asked_for_data', '{"all": [{"any": [{"signal": "clinical_evidence_downloaded", "within_days": 30}, {"signal": "study_summary_downloaded", "within_days": 30}, {"signal": "evidence_requested", "within_days": 30}]}, {"not": {"any": [{"signal": "demo_requested", "within_days": 30}, {"signal": "meeting_requested", "within_days": 30}, {"signal": "meeting_booked", "within_days": 30}]}}]}', 'took clinical evidence')
) AS e (track, entry, condition, title)
JOIN nurture.track_version v ON v.track = e.track AND v.version = 1 AND v.status = 'draft' AND v.author = 'preset'
ON CONFLICT DO NOTHING;

INSERT INTO nurture.track_branch (track, version, branch, condition, inactivity_days, to_track, to_step, priority, title)
SELECT b.track, 1, b.branch, b.condition::jsonb, b.inactivity_days, b.to_track, b.to_step, b.priority, b.title
FROM (VALUES
    ('education', 'direct_request', '{"any": [{"signal": "demo_requested", "within_days": 1}, {"signal": "meeting_requested", "within_days": 1}, {"signal": "meeting_booked", "within_days": 1}]}', NULL::integer, NULL, NULL::integer, 100, 'a person takes over'),
    ('evidence', 'direct_request', '{"any": [{"signal": "demo_requested", "within_days": 1}, {"signal": "meeting_requested", "within_days": 1}, {"signal": "meeting_booked", "within_days": 1}]}', NULL, NULL, NULL, 100, 'a person takes over'),
    ('re_nurture', 'direct_request', '{"any": [{"signal": "demo_requested", "within_days": 1}, {"signal": "meeting_requested", "within_days": 1}, {"signal": "meeting_booked", "within_days": 1}]}', NULL, NULL, NULL, 100, 'a person takes over'),
    ('education', 'evidence_taken', '{"any": [{"signal": "clinical_evidence_downloaded", "within_days": 1}, {"signal": "study_summary_downloaded", "within_days": 1}]}', NULL, 'evidence', NULL, 50, 'took clinical evidence'),
    ('re_nurture', 'evidence_taken', '{"any": [{"signal": "clinical_evidence_downloaded", "within_days": 1}, {"signal": "study_summary_downloaded", "within_days": 1}]}', NULL, 'evidence', NULL, 50, 'took clinical evidence'),
    ('education', 'took_slides', '{"all": [{"signal": "slide_deck_downloaded", "within_days": 0}, {"signal": "webinar_registered", "within_days": 2}]}', NULL, 'evidence', 11, 60, 'took the slides within two days of the webinar'),
    ('education', 'answered_evidence', '{"all": [{"signal": "form_submitted", "within_days": 0}, {"fact": "attributes.interest_type", "op": "any_of", "value": ["clinical_evidence"]}]}', NULL, 'evidence', NULL, 40, 'asked for evidence when asked'),
    ('evidence', 'technical_click', '{"all": [{"signal": "technical_document_downloaded", "within_days": 0}, {"signal": "slide_deck_downloaded", "within_days": 60}]}', NULL, 'evidence', 21, 60, 'looks at technical matters'),
    ('education', 'went_cold', NULL, 91, 're_nurture', NULL, 10, 'more than 90 days without engagement'),
    ('evidence', 'went_cold', NULL, 91, 're_nurture', NULL, 10, 'more than 90 days without engagement')
) AS b (track, branch, condition, inactivity_days, to_track, to_step, priority, title)
JOIN nurture.track_version v ON v.track = b.track AND v.version = 1 AND v.status = 'draft' AND v.author = 'preset'
ON CONFLICT DO NOTHING;

SELECT @extschema@.nurture_publish('track', track, version, 'preset')
FROM nurture.track_version WHERE version = 1 AND status = 'draft' AND author = 'preset' ORDER BY track;
