\echo
\echo '-- Story 3: a demo is requested: nurturing stops, a team takes over.'
\set ECHO queries
INSERT INTO nurture.event (lead_id, event_type, asset_id, tags, source)
VALUES (30003, 'product_page_viewed', 'moa-video', '{topic:moa}', 'web'),
       (30003, 'clinical_evidence_downloaded', 'efficacy-phase3', '{topic:efficacy}', 'web');
CALL demo.live(3);
INSERT INTO nurture.message (lead_id, channel, asset_id, not_before)
VALUES (30003, 'email', 'safety-profile', nurture_now() + interval '2 days') RETURNING asset_id, status, not_before;

INSERT INTO nurture.event (lead_id, event_type, source) VALUES (30003, 'demo_requested', 'web');

SELECT asset_id, status, reasons FROM nurture.message WHERE lead_id = 30003 ORDER BY message_id;
SELECT track, state, exit_reason FROM nurture.enrollment WHERE lead_id = 30003;
SELECT stage, tier, grade, cause FROM nurture.lead_stage WHERE lead_id = 30003;

SELECT handoff_id, team, state, accept_due, first_response_due FROM nurture.handoff WHERE lead_id = 30003;
SELECT jsonb_pretty(package) AS package FROM nurture.handoff WHERE lead_id = 30003;
\set ECHO none
