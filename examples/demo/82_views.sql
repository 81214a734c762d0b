\echo
\echo '-- What BI tools and sales see.'
\set ECHO queries
SELECT lead_id, stage, tier, grade, fit, intent, total, track, team, handoff_state, blocked_by
FROM nurture_bi.lead_overview WHERE lead_id BETWEEN 30001 AND 30006 ORDER BY lead_id;

SELECT lead_id, team, member, state, trigger, grade, due_at, overdue FROM nurture_bi.routing_queue ORDER BY priority DESC;

SELECT reason, text, count(*) AS messages FROM nurture_bi.refusals GROUP BY reason, text ORDER BY messages DESC, reason;
\set ECHO none
SELECT demo.check('the view says what the function says', bool_and(total = nurture_score(lead_id) AND grade = nurture_grade(lead_id)) AND count(*) = 6)
FROM nurture_bi.lead_overview WHERE lead_id BETWEEN 30001 AND 30006 \gset
\echo :check
