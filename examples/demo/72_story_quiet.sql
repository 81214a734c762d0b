\echo
\echo '-- Story 2: registered but quiet: general education, fewer messages,'
\echo '-- resumed on a click.'
\set ECHO queries
INSERT INTO nurture.event (lead_id, event_type, source) VALUES (30002, 'webinar_registered', 'web');

SELECT track, state, step_no AS step, next_due_at FROM nurture.enrollment WHERE lead_id = 30002;

CALL demo.live(75);

SELECT decided_at::date AS day, decided_at::date - lag(decided_at::date) OVER (ORDER BY message_id) AS days_since_last,
       track, asset_id, status
FROM nurture.message WHERE lead_id = 30002 ORDER BY message_id;

SELECT nurture_intent(30002) AS intent, track, state, next_due_at FROM nurture.enrollment WHERE lead_id = 30002 AND state IN ('active', 'waiting', 'paused');

INSERT INTO nurture.event (lead_id, event_type, source) VALUES (30002, 'email_clicked', 'mail');

SELECT nurture_intent(30002) AS intent, track, state, next_due_at FROM nurture.enrollment WHERE lead_id = 30002 AND state IN ('active', 'waiting', 'paused');
\set ECHO none
