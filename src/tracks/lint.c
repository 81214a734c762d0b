/*
 * lint.c
 *	  What nurture_lint asks about tracks.
 */
#include "base/compat.h"

#include "integration/lint.h"
#include "tracks/rules.h"

/* published versions with their track */
#define IN_FORCE "nurture.track k JOIN nurture.track_version v ON v.track = k.track AND v.status = 'published'"

/* conditions and branches beyond which nobody knows why a lead moved */
#define MANY_TRIGGERS "12"

static const LintCheck checks[] = {
	{"track_unreachable", "warning",
		"Add an entry or a branch of another track that leads here, or retire it; by hand nurture_enroll still works.",
		"SELECT 'track:' || k.track, format('nothing brings a lead onto track \"%s\"', k.track)"
		" FROM " IN_FORCE " WHERE NOT EXISTS (SELECT FROM nurture.track_entry e WHERE e.track = k.track AND e.version = v.version)"
		" AND NOT EXISTS (SELECT FROM nurture.track_branch b JOIN nurture.track_version o USING (track, version)"
		"  WHERE b.to_track = k.track AND b.track <> k.track AND o.status = 'published')"
		" AND NOT EXISTS (SELECT FROM nurture.stop_rule s WHERE s.to_track = k.track)"
	" ORDER BY k.track COLLATE \"C\""},
	{"step_unreachable", "warning",
		"Let an entry or branch begin before it, or leave the step out in a new version.",
		"SELECT 'track:' || s.track || ':' || s.step_no, format('no lead comes to step %s of track \"%s\": every way in begins after it', s.step_no, s.track)"
		" FROM " IN_FORCE " JOIN nurture.track_step s ON s.track = k.track AND s.version = v.version"
		" WHERE s.step_no < (SELECT min(x.n) FROM (SELECT e.from_step FROM nurture.track_entry e WHERE e.track = k.track AND e.version = v.version"
		"  UNION ALL SELECT coalesce(b.to_step, 1) FROM nurture.track_branch b JOIN nurture.track_version o USING (track, version)"
		"  WHERE b.to_track = k.track AND o.status = 'published') x (n))"
	" ORDER BY s.track COLLATE \"C\", s.step_no"},
	{"track_without_exit", "warning",
		"Add a branch of a direct request, or of days without engagement, or a goal.",
		"SELECT 'track:' || k.track, format('only its last step ends track \"%s\": it has neither goal nor branch', k.track)"
		" FROM " IN_FORCE " WHERE k.goal_signal IS NULL AND k.purpose = 'marketing' AND NOT k.reactivates"
		" AND NOT EXISTS (SELECT FROM nurture.track_branch b WHERE b.track = k.track AND b.version = v.version)"
	" ORDER BY k.track COLLATE \"C\""},
	{"track_endless", "warning",
		"Let one of them be walked again only after a while, or end with a branch out.",
		"WITH RECURSIVE leads_to (track, to_track) AS (SELECT b.track, b.to_track FROM nurture.track_branch b"
		"  JOIN nurture.track_version v USING (track, version) JOIN nurture.track t ON t.track = b.to_track"
		"  WHERE v.status = 'published' AND b.to_track <> b.track AND t.re_entry = 'always' AND NOT b.resume"
		"  UNION SELECT l.track, n.to_track FROM leads_to l JOIN (SELECT b.track, b.to_track FROM nurture.track_branch b"
		"  JOIN nurture.track_version v USING (track, version) JOIN nurture.track t ON t.track = b.to_track"
		"  WHERE v.status = 'published' AND b.to_track <> b.track AND t.re_entry = 'always' AND NOT b.resume) n ON n.track = l.to_track)"
		"SELECT 'track:' || track, format('branches lead from track \"%s\" back to it without end', track)"
	" FROM leads_to WHERE track = to_track ORDER BY track COLLATE \"C\""},
	{"track_hold_without_end", "info",
		"Set on_none to skip or exit, add a branch of days without engagement, or have content approved in time.",
		"SELECT 'track:' || s.track || ':' || s.step_no, format('step %s of track \"%s\" waits for content without end', s.step_no, s.track)"
		" FROM " IN_FORCE " JOIN nurture.track_step s ON s.track = k.track AND s.version = v.version"
		" WHERE s.on_none = 'hold' AND s.action IN ('message', 'invitation', 'question') AND NOT EXISTS (SELECT FROM nurture.track_branch b"
		"  WHERE b.track = k.track AND b.version = v.version AND b.inactivity_days IS NOT NULL AND coalesce(b.from_step, s.step_no) = s.step_no)"
	" ORDER BY s.track COLLATE \"C\", s.step_no"},
	{"track_many_triggers", "warning",
		"Let segments, labels or another track say some of it.",
		"SELECT 'track:' || k.track, format('%s entries and branches move leads on track \"%s\"', n, k.track)"
		" FROM " IN_FORCE " CROSS JOIN LATERAL (SELECT (SELECT count(*) FROM nurture.track_entry e WHERE e.track = k.track AND e.version = v.version)"
		"  + (SELECT count(*) FROM nurture.track_branch b WHERE b.track = k.track AND b.version = v.version)) c (n)"
	" WHERE n > " MANY_TRIGGERS " ORDER BY k.track COLLATE \"C\""},
	{"handoff_threshold", "warning",
		"Use {\"tier\": {\"at_least\": 3}} or {\"stage\": [\"mql\"]}, so that one rule says who is qualified.",
		"SELECT 'track:' || c.track || ':' || c.part, format('%s of track \"%s\" hands over from %s points on, the rule of an MQL says otherwise', c.part, c.track, c.points)"
		" FROM (SELECT s.track, s.version, 'step ' || s.step_no, jsonb_path_query(s.condition, 'strict $.**.score')"
		"  FROM nurture.track_step s WHERE s.action = 'handoff' AND s.condition IS NOT NULL"
		"  UNION ALL SELECT b.track, b.version, 'branch ' || b.branch, jsonb_path_query(b.condition, 'strict $.**.score')"
		"  FROM nurture.track_branch b JOIN nurture.track_step s ON s.track = b.to_track AND s.version = b.version AND s.step_no = b.to_step AND s.action = 'handoff'"
		"  WHERE b.condition IS NOT NULL) x (track, version, part, score)"
		" JOIN nurture.track_version v USING (track, version) CROSS JOIN LATERAL (SELECT x.track, x.part, x.score ->> 'at_least') c (track, part, points)"
		" WHERE v.status = 'published' AND c.points IS NOT NULL AND NOT EXISTS (SELECT FROM nurture.tier_rule t JOIN nurture.model_version m USING (model, version)"
		"  WHERE m.status = 'published' AND t.tier = 3 AND t.condition @? 'strict $.**.score' AND jsonb_path_exists(t.condition, 'strict $.**.score ? (@.at_least == $p)',"
		"  jsonb_build_object('p', c.points::numeric)))"
	" ORDER BY 1"},
	{"segment_empty", "info",
		"Look at its condition; nurture_segment_preview lists who is in it.",
		"SELECT 'segment:' || g.segment, format('nobody is in segment \"%s\", which is used', g.segment) FROM nurture.segment g"
		" WHERE (EXISTS (SELECT FROM nurture.track_entry e JOIN nurture.track_version v USING (track, version) WHERE e.segment = g.segment AND v.status = 'published')"
		"  OR EXISTS (SELECT FROM nurture.cadence c WHERE c.segment = g.segment))"
	" AND NOT EXISTS (SELECT FROM @extschema@.nurture_segment_preview(g.segment)) ORDER BY 1"},
	{"cadence_unused", "warning",
		"Correct the code, or delete the row.",
		"SELECT 'cadence:' || c.track || ':' || c.segment || ':' || c.stage || ':' || c.level, 'a row of nurture.cadence names a track, segment or stage that does not exist'"
		" FROM nurture.cadence c WHERE (c.track <> '*' AND NOT EXISTS (SELECT FROM nurture.track t WHERE t.track = c.track))"
		" OR (c.segment <> '*' AND NOT EXISTS (SELECT FROM nurture.segment g WHERE g.segment = c.segment))"
	" OR (c.stage <> '*' AND NOT EXISTS (SELECT FROM nurture.stage s WHERE s.stage = c.stage)) ORDER BY 1"},
	{NULL}
};

/* Registers the checks. */
void
nurture_track_lint_init(void)
{
	nurture_lint_register(checks);
}
