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
SELECT team, state, accept_due, first_response_due FROM nurture.handoff WHERE lead_id = 30003;
\set ECHO none
\pset tuples_only on
\pset format unaligned
\echo
\echo 'SELECT jsonb_pretty(package) FROM nurture.handoff WHERE lead_id = 30003;'
SELECT jsonb_pretty(package) FROM nurture.handoff WHERE lead_id = 30003;
\pset tuples_only off
\pset format aligned
SELECT demo.check('the demo request left nothing queued, ended the track and made one hand-off with a package',
    NOT EXISTS (SELECT FROM nurture.message WHERE lead_id = 30003 AND status IN ('queued', 'held'))
    AND (SELECT bool_and(state = 'exited') FROM nurture.enrollment WHERE lead_id = 30003)
    AND (SELECT count(*) = 1 AND bool_and(package <> '{}') FROM nurture.handoff WHERE lead_id = 30003)) \gset
\echo :check
INSERT INTO demo.finding (what, said)
SELECT 'Demo requested', format('%s messages cancelled, track ended, handed to %s, accept by %s',
    (SELECT count(*) FROM nurture.message WHERE lead_id = 30003 AND status = 'cancelled'), team, to_char(accept_due, 'FMDay HH24:MI'))
FROM nurture.handoff WHERE lead_id = 30003;
