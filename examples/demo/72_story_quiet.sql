\echo
\echo '-- Story 2: registered but quiet: general education, fewer messages,'
\echo '-- resumed on a click.'
\set ECHO queries
INSERT INTO nurture.event (lead_id, event_type, source) VALUES (30002, 'webinar_registered', 'web');

CALL demo.live(50);

SELECT decided_at::date AS day, decided_at::date - lag(decided_at::date) OVER (ORDER BY message_id) AS days_since_last,
       track, asset_id, status
FROM nurture.message WHERE lead_id = 30002 ORDER BY message_id;

SELECT nurture_now()::date AS today, nurture_intent(30002) AS intent, track, state, next_due_at::date AS next_due
FROM nurture.enrollment WHERE lead_id = 30002;

INSERT INTO nurture.event (lead_id, event_type, source) VALUES (30002, 'email_clicked', 'mail');

SELECT nurture_now()::date AS today, nurture_intent(30002) AS intent, track, state, next_due_at::date AS next_due
FROM nurture.enrollment WHERE lead_id = 30002;

CALL demo.live(2);

SELECT decided_at::date AS day, track, asset_id, status
FROM nurture.message WHERE lead_id = 30002 ORDER BY message_id DESC LIMIT 1;
\set ECHO none
SELECT demo.check('the longer the lead is quiet, the longer the wait; a click shortens it',
    (array_agg(gap ORDER BY message_id))[2] < (array_agg(gap ORDER BY message_id DESC))[2]
    AND (array_agg(decided_at ORDER BY message_id DESC))[1]::date = nurture_now()::date)
FROM (SELECT message_id, decided_at, decided_at - lag(decided_at) OVER (ORDER BY message_id) AS gap
      FROM nurture.message WHERE lead_id = 30002 AND status <> 'refused') sent \gset
\echo :check
INSERT INTO demo.finding (what, said)
SELECT 'Quiet lead', format('%s messages in 50 days, waits of %s days; the click brought the next one two days after', count(*) - 1,
    string_agg(gap::text, ', ' ORDER BY message_id) FILTER (WHERE gap IS NOT NULL AND decided_at::date < nurture_now()::date))
FROM (SELECT message_id, decided_at, decided_at::date - lag(decided_at::date) OVER (ORDER BY message_id) AS gap
      FROM nurture.message WHERE lead_id = 30002 AND status <> 'refused') sent;
