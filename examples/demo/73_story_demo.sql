\echo
\echo '-- Story 3: a demo is requested: nurturing stops, a team takes over.'
\set ECHO queries
INSERT INTO nurture.event (lead_id, event_type, asset_id, source)
VALUES (30003, 'product_page_viewed', 'moa-video', 'web'),
       (30003, 'clinical_evidence_downloaded', 'efficacy-phase3', 'web');
CALL demo.live(3);
INSERT INTO nurture.message (lead_id, channel, asset_id, not_before)
VALUES (30003, 'email', 'safety-profile', nurture_now() + interval '2 days');
SELECT asset_id, track, status, not_before FROM nurture.message WHERE lead_id = 30003 ORDER BY message_id;

INSERT INTO nurture.event (lead_id, event_type, source) VALUES (30003, 'demo_requested', 'web');

SELECT asset_id, track, status, reasons FROM nurture.message WHERE lead_id = 30003 ORDER BY message_id;
SELECT track, state, exit_reason FROM nurture.enrollment WHERE lead_id = 30003;
SELECT stage, tier, grade, cause FROM nurture.lead_stage WHERE lead_id = 30003;
SELECT handoff_id, team, state, accept_due, first_response_due FROM nurture.handoff WHERE lead_id = 30003;

SELECT package -> 'trigger' ->> 'title' AS trigger, package -> 'standing' ->> 'grade' AS grade, package -> 'requests' -> 0 ->> 'kind' AS request,
       package -> 'consent' -> 0 ->> 'state' AS email_consent, (SELECT string_agg(part, ', ') FROM jsonb_object_keys(package) part) AS parts
FROM nurture.handoff WHERE lead_id = 30003;
SELECT recent.* FROM nurture.handoff, jsonb_to_recordset(package -> 'recent') AS recent (at timestamptz, title text, asset text) WHERE lead_id = 30003;
SELECT why.* FROM nurture.handoff, jsonb_to_recordset(package -> 'explanation') AS why (dimension text, label text, points numeric)
WHERE lead_id = 30003 ORDER BY points DESC LIMIT 5;

INSERT INTO nurture.team_member (team, member) VALUES ('account_executive', 'm.keane'), ('account_executive', 'p.rossi');
SELECT nurture_assign() AS assigned;
SELECT nurture_accept(30003, handoff_id, actor => member) AS state FROM nurture.handoff WHERE lead_id = 30003;
SELECT h.team, h.member, h.state, l.stage, l.accepted_at FROM nurture.handoff h JOIN nurture.lead_stage l USING (lead_id) WHERE lead_id = 30003;
\set ECHO none
SELECT demo.check('the demo request left nothing queued, ended the track and made one hand-off with its package',
    NOT EXISTS (SELECT FROM nurture.message WHERE lead_id = 30003 AND status IN ('queued', 'held'))
    AND (SELECT bool_and(state = 'exited') FROM nurture.enrollment WHERE lead_id = 30003)
    AND (SELECT count(*) = 1 AND bool_and(state = 'accepted' AND package -> 'trigger' ->> 'event_type' = 'demo_requested') FROM nurture.handoff WHERE lead_id = 30003)) \gset
\echo :check
INSERT INTO demo.finding (what, said)
SELECT 'Demo requested', format('%s messages cancelled, track ended, handed to %s, accepted by %s',
    (SELECT count(*) FROM nurture.message WHERE lead_id = 30003 AND status = 'cancelled'), team, accepted_by)
FROM nurture.handoff WHERE lead_id = 30003;
