-- The score against what these visitors really did.
CREATE TABLE demo.judged AS
SELECT o.lead_id, o.data, o.part, o.good, s.fit, s.intent, s.total, s.grade
FROM demo.outcome o
JOIN nurture_scores('shoppers') s USING (lead_id)
WHERE o.data = 'shoppers';

\echo
\echo '-- One visitor, explained: the points add up to the score.'
SELECT min(lead_id) AS visitor
FROM demo.judged
WHERE total = (SELECT percentile_disc(0.8) WITHIN GROUP (ORDER BY total) FROM demo.judged) \gset
\set ECHO queries
SELECT kind, label, occurrences, points
FROM nurture_explain(:visitor, 'shoppers') ORDER BY points DESC, rule;

SELECT nurture_score(:visitor, 'shoppers') AS score,
       (SELECT sum(points) FROM nurture_explain(:visitor, 'shoppers')) AS sum_of_points,
       nurture_grade(:visitor, 'shoppers') AS grade;
\set ECHO none
SELECT demo.check('the explanation adds up to the score for every 25th visitor', bool_and(nurture_score(j.lead_id, 'shoppers') = e.points))
FROM demo.judged j, LATERAL (SELECT coalesce(sum(points), 0) AS points FROM nurture_explain(j.lead_id, 'shoppers')) e
WHERE j.lead_id % 25 = 0 \gset
\echo :check

-- The same points by plain arithmetic over the file: every visitor agrees.
SELECT demo.check('all ' || count(*) || ' scores are what plain SQL over the file gives', bool_and(j.total = expected))
FROM demo.judged j
JOIN (SELECT session_no AS lead_id,
             CASE visitor_type WHEN 'New_Visitor' THEN 10 ELSE 0 END
             + least(50, CASE WHEN administrative > 0 THEN 10 ELSE 0 END
                       + CASE WHEN informational > 0 THEN 4 ELSE 0 END
                       + 0.5 * least(product, 20)
                       + CASE WHEN round(product_seconds) >= 60 THEN 4 ELSE 0 END
                       + CASE WHEN round(product_seconds) >= 300 THEN 8 ELSE 0 END
                       + CASE WHEN round(product_seconds) >= 600 THEN 4 ELSE 0 END
                       + CASE WHEN round(product_seconds / greatest(product, 1)) >= 15 THEN 6 ELSE 0 END
                       + CASE WHEN round(product_seconds / greatest(product, 1)) >= 30 THEN 4 ELSE 0 END) AS expected
      FROM demo.session) plain USING (lead_id) \gset
\echo :check

CREATE TABLE demo.counted AS SELECT lead_id, signals FROM nurture.activity;
SELECT nurture_rebuild() AS rebuilt \gset
SELECT demo.check('counting all ' || (SELECT count(*) FROM nurture.event) || ' events anew for ' || :rebuilt || ' leads gives the same activity',
    count(*) = :rebuilt AND bool_and(a.signals = c.signals))
FROM nurture.activity a JOIN demo.counted c USING (lead_id) \gset
\echo :check
DROP TABLE demo.counted;

\echo
\echo '-- Deciles of the score in November and December, months that were not'
\echo '-- used to set the points, and the share that really bought.'
\set ECHO queries
WITH judged AS (
    SELECT *, ntile(10) OVER (ORDER BY total DESC, lead_id) AS decile
    FROM demo.judged WHERE part = 'Nov to Dec'
)
SELECT decile, count(*) AS visitors, min(total) AS from_score, max(total) AS to_score,
       count(*) FILTER (WHERE good) AS bought,
       round(100 * avg(good::int), 1) AS percent,
       repeat('#', round(100 * avg(good::int))::int) AS share
FROM judged GROUP BY decile ORDER BY decile;

SELECT part, count(*) AS visitors, count(*) FILTER (WHERE good) AS bought,
       demo.auc(array_agg(total), array_agg(good)) AS auc_of_score,
       demo.auc(array_agg(intent), array_agg(good)) AS auc_of_intent,
       demo.auc(array_agg(pages::numeric), array_agg(good)) AS auc_of_page_count
FROM demo.judged JOIN (SELECT session_no AS lead_id, administrative + informational + product AS pages FROM demo.session) p USING (lead_id)
GROUP BY part ORDER BY part;
\set ECHO none

SELECT demo.auc(array_agg(total), array_agg(good)) AS later_auc
FROM demo.judged WHERE part = 'Nov to Dec' \gset
SELECT demo.check('on later months the score ranks buyers better than chance by far (AUC ' || :later_auc || ' > 0.65)', :later_auc > 0.65) \gset
\echo :check
SELECT count(*) = 0 AS untouched FROM nurture.fit_rule WHERE model = 'shoppers' AND (attribute ~* 'revenue|page_?values') \gset
SELECT demo.check('neither the outcome nor what leaks it is in any lead, event or rule',
    :'untouched' AND NOT EXISTS (SELECT FROM nurture.lead, jsonb_object_keys(attributes) k WHERE k ~* 'revenue|values|rates')
    AND NOT EXISTS (SELECT FROM nurture.event, jsonb_object_keys(properties) k WHERE k ~* 'revenue|values|rates')) \gset
\echo :check
INSERT INTO demo.finding (what, said)
SELECT '12,330 real web sessions',
       format('%s leads, %s events; AUC %s on months not used to set the points; top fifth %s %% buyers, bottom fifth %s %%',
              (SELECT count(*) FROM demo.judged), (SELECT count(*) FROM nurture.event e WHERE e.source = 'online_shop'), :later_auc,
              round(100 * avg(good::int) FILTER (WHERE place >= 0.8)), round(100 * avg(good::int) FILTER (WHERE place < 0.2)))
FROM (SELECT good, percent_rank() OVER (ORDER BY total, lead_id) AS place, part FROM demo.judged WHERE part = 'Nov to Dec') x;
