\echo
\echo '-- Any day, any version, any answer: what the score was, will be and could be.'
\set ECHO queries
SELECT at::date AS day, nurture_score_at(30001, at) AS score, nurture_score_at(30001, at, known_at => at) AS as_known_then
FROM generate_series('2026-01-05 12:00+00', '2026-01-26 12:00+00', interval '3 days') AS at;

SELECT kind, label, occurrences, last_day, points
FROM nurture_explain(30001, at => '2026-01-09 12:00+00') ORDER BY points DESC, rule;

SELECT l.lead_id, nurture_grade(l.lead_id) AS grade, u.on_date AS until, u.grade AS then_grade
FROM nurture.lead l CROSS JOIN LATERAL nurture_score_until(l.lead_id) u
WHERE l.lead_id BETWEEN 30001 AND 30006 ORDER BY l.lead_id;

SELECT lead_id, q.attribute, q.effect, q.answer, q.grade, q.question
FROM nurture.lead CROSS JOIN LATERAL (SELECT * FROM nurture_next_question(lead_id) LIMIT 1) q
WHERE lead_id BETWEEN 30001 AND 30006 ORDER BY lead_id;

-- A draft: first visits count twice as much. Nobody's score moves, but we see.
SELECT nurture_draft('model', 'shoppers', 1) AS draft;
UPDATE nurture.fit_rule SET points = 20 WHERE model = 'shoppers' AND version = 2 AND rule = 'new_visitor';
UPDATE nurture.band SET min_points = 20 WHERE model = 'shoppers' AND version = 2 AND dimension = 'fit' AND band = 'A';
UPDATE nurture.signal_rule SET points = 10 WHERE model = 'shoppers' AND version = 2 AND rule = 'five_minutes';

SELECT * FROM nurture_diff('model', 'shoppers', 1, 2);

SELECT * FROM nurture_what_if_matrix('shoppers', 2) WHERE old_grade <> new_grade;
\set ECHO none
SELECT demo.check('the score of this moment is the score at this moment',
    bool_and(nurture_score(lead_id) = nurture_score_at(lead_id, nurture_now()))) FROM nurture.lead WHERE lead_id BETWEEN 30001 AND 30006 \gset
\echo :check
SELECT demo.check('a draft that is looked at changes no score', count(*) > 0 AND bool_and(nurture_score(w.lead_id, 'shoppers') = w.old_total))
FROM (SELECT * FROM nurture_what_if('shoppers', 2) LIMIT 1000) w \gset
\echo :check
