/*
 * stage_step.h
 *	  The query that nurture.stage_step answers, for who keeps it and who
 *	  checks it.
 */
#ifndef NURTURE_STAGE_STEP_H
#define NURTURE_STAGE_STEP_H

/* What the steps are, of the leads that a condition on t picks. */
#define NURTURE_STAGE_STEPS(condition) \
	"SELECT lead_id, product, stage, w.reached_at, w.next_at, n.lead_id IS NOT NULL AS is_now," \
	" l.source, l.audience_type, l.country" \
	" FROM (SELECT s.lead_id, s.product, s.stage, s.reached_at," \
	"  CASE WHEN lead(s.reached_at) OVER w >= s.reached_at THEN lead(s.reached_at) OVER w END AS next_at" \
	"  FROM (SELECT t.lead_id, t.product, t.new_stage AS stage, min(t.at) AS reached_at FROM nurture.stage_history t" \
	"   WHERE t.new_stage IS DISTINCT FROM t.old_stage" condition " GROUP BY t.lead_id, t.product, t.new_stage) s" \
	"  JOIN (SELECT g.stage, max(g.stage_no) AS stage_no FROM nurture.stage g GROUP BY g.stage) o ON o.stage = s.stage" \
	"  WINDOW w AS (PARTITION BY s.lead_id, s.product ORDER BY o.stage_no, s.stage)) w" \
	" FULL JOIN (SELECT t.lead_id, t.product, t.stage FROM nurture.lead_stage t WHERE true" condition ") n" \
	"  USING (lead_id, product, stage)" \
	" JOIN nurture.lead l USING (lead_id) WHERE NOT l.is_test AND l.merged_into IS NULL"

/* Makes the table say so. */
#define NURTURE_STAGE_STEPS_KEEP(condition) \
	"WITH steps AS MATERIALIZED (" NURTURE_STAGE_STEPS(condition) ")," \
	" gone AS (DELETE FROM nurture.stage_step t WHERE true" condition \
	"  AND NOT EXISTS (SELECT FROM steps s WHERE s.lead_id = t.lead_id AND s.product = t.product AND s.stage = t.stage))" \
	" INSERT INTO nurture.stage_step AS t (lead_id, product, stage, reached_at, next_at, is_now, source, audience_type, country)" \
	" SELECT * FROM steps" \
	" ON CONFLICT (lead_id, product, stage) DO UPDATE SET (reached_at, next_at, is_now, source, audience_type, country)" \
	"  = (EXCLUDED.reached_at, EXCLUDED.next_at, EXCLUDED.is_now, EXCLUDED.source, EXCLUDED.audience_type, EXCLUDED.country)" \
	" WHERE (t.reached_at, t.next_at, t.is_now, t.source, t.audience_type, t.country) IS DISTINCT FROM" \
	"  (EXCLUDED.reached_at, EXCLUDED.next_at, EXCLUDED.is_now, EXCLUDED.source, EXCLUDED.audience_type, EXCLUDED.country)"

#endif							/* NURTURE_STAGE_STEP_H */
