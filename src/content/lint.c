/*
 * lint.c
 *	  What nurture_lint asks about content.
 */
#include "base/compat.h"

#include "content/content_private.h"
#include "integration/lint.h"

/* A month is what a new version takes to be written and signed. */
#define SOON "'30 days'::interval"

#define NOW "@extschema@.nurture_now()"

/* versions that may be sent by themselves, blocks and pages apart */
#define LIVE_FROM	"nurture.asset a JOIN nurture.asset_version v USING (asset_id)"
#define LIVE_WHERE	"v.status = 'approved' AND a.format NOT IN ('block', 'landing_page')"
#define LIVE		LIVE_FROM " WHERE " LIVE_WHERE

/* each tag with itself and all that is above it */
#define TAG_TREE \
	"WITH RECURSIVE up (tag, dimension, above) AS (" \
	"SELECT dimension || ':' || value, dimension, value FROM nurture.tag" \
	" UNION SELECT up.tag, up.dimension, t.parent FROM up JOIN nurture.tag t" \
	"  ON t.dimension = up.dimension AND t.value = up.above WHERE t.parent IS NOT NULL)"

static const LintCheck checks[] = {
	{"step_without_asset", "error",
		"Add an asset that fits with nurture_add_asset and have it approved, or ask for less in a new version of the track.",
		TAG_TREE
		"SELECT 'track:' || s.track || ':' || s.step_no,"
		" format('no approved asset in force fits step %s of track \"%s\" (%s)', s.step_no, s.track, concat_ws(', ',"
		"  'family ' || s.family, 'tags ' || NULLIF(array_to_string(s.required_tags, ' '), ''),"
		"  'channel ' || NULLIF(array_to_string(s.channels, ' or '), ''),"
		"  'for ' || array_to_string(k.audience_types, ', ')))"
		" FROM nurture.track_step s JOIN nurture.track_version w USING (track, version) JOIN nurture.track k USING (track)"
		" WHERE w.status = 'published' AND s.action IN ('message', 'invitation', 'question') AND NOT EXISTS (SELECT FROM " LIVE
		"  AND v.valid_during @> " NOW
		"  AND (s.family IS NULL OR a.family = s.family)"
		"  AND (coalesce(cardinality(s.channels), 0) = 0 OR v.channels && s.channels)"
		"  AND ('*' = ANY (k.audience_types) OR '*' = ANY (v.audience_types) OR v.audience_types && k.audience_types)"
		"  AND NOT EXISTS (SELECT FROM unnest(s.required_tags) r (tag) WHERE NOT EXISTS (SELECT FROM nurture.asset_tag t"
		"   JOIN up ON up.tag = t.dimension || ':' || t.value AND up.dimension || ':' || up.above = r.tag"
		"   WHERE t.asset_id = v.asset_id AND t.version = v.version)))"
	" ORDER BY s.track, s.step_no"},
	{"content_expired", "warning",
		"It is not sent any more: have a new version approved, or withdraw it with nurture_set_asset_status.",
		"SELECT 'asset:' || asset_id || ':' || version,"
		" format('version %s of asset \"%s\" is approved, and expired on %s', version, asset_id, (upper(valid_during) AT TIME ZONE 'UTC')::date)"
		" FROM nurture.asset_version WHERE status = 'approved' AND upper(valid_during) <= " NOW
	" ORDER BY asset_id COLLATE \"C\""},
	{"content_expiring", "warning",
		"Have a new version approved before; until then it is sent.",
		"SELECT 'asset:' || asset_id || ':' || version,"
		" format('version %s of asset \"%s\" expires on %s', version, asset_id, (upper(valid_during) AT TIME ZONE 'UTC')::date)"
		" FROM nurture.asset_version WHERE status = 'approved'"
		" AND upper(valid_during) > " NOW " AND upper(valid_during) <= " NOW " + " SOON
	" ORDER BY asset_id COLLATE \"C\""},
	{"content_review_overdue", "warning",
		"Review it: nurture_add_asset makes the next version, with a new review date.",
		"SELECT 'asset:' || asset_id || ':' || version,"
		" format('version %s of asset \"%s\" was to be reviewed by %s', version, asset_id, review_due)"
		" FROM nurture.asset_version WHERE status IN ('approved', 'suspended')"
		" AND review_due < (" NOW " AT TIME ZONE 'UTC')::date"
	" ORDER BY asset_id COLLATE \"C\""},
	{"uri_missing", "warning",
		"Add a version with a uri; the sender gets nothing to send.",
		"SELECT 'asset:' || asset_id || ':' || version, format('version %s of asset \"%s\" has no uri', version, asset_id)"
		" FROM " LIVE " AND btrim(coalesce(v.uri, '')) = ''"
	" ORDER BY asset_id COLLATE \"C\""},
	{"uri_bad", "warning",
		"Add a version with an absolute uri, such as https://content.example/brief.",
		"SELECT 'asset:' || asset_id || ':' || version,"
		" format('the uri of version %s of asset \"%s\" is not absolute', version, asset_id)"
		" FROM " LIVE " AND btrim(v.uri) <> '' AND v.uri !~* '^[a-z][a-z0-9+.-]*:(//)?[^[:space:]/][^[:space:]]*$'"
	" ORDER BY asset_id COLLATE \"C\""},
	{"uri_dead", "error",
		"Withdraw it with nurture_set_asset_status, or add a version with a uri that still stands.",
		"SELECT DISTINCT ON (v.asset_id COLLATE \"C\") 'asset:' || v.asset_id || ':' || v.version,"
		" format('the uri of version %s of asset \"%s\" is that of version %s of asset \"%s\", which is %s',"
		"  v.version, v.asset_id, o.version, o.asset_id, o.status)"
		" FROM nurture.asset_version v JOIN nurture.asset_version o ON o.uri = v.uri AND o.asset_id <> v.asset_id"
		" WHERE v.status = 'approved' AND o.status IN ('withdrawn', 'expired') AND v.uri <> ''"
	" ORDER BY v.asset_id COLLATE \"C\", o.asset_id COLLATE \"C\", o.version"},
	{"block_out", "error",
		"Have a version of the block approved, or the asset's next version without it; until then the asset is not sent.",
		"SELECT DISTINCT 'asset:' || v.asset_id || ':' || v.version,"
		" format('version %s of asset \"%s\" is made with \"%s\", which has no version in force', v.version, v.asset_id, b.block)"
		" FROM nurture.asset_version v JOIN (SELECT asset_id, version, block_asset FROM nurture.asset_block"
		"  UNION SELECT asset_id, version, safety_block FROM nurture.asset_version WHERE safety_block IS NOT NULL"
		" ) b (asset_id, version, block) USING (asset_id, version)"
		" WHERE v.status = 'approved' AND NOT EXISTS (SELECT FROM nurture.asset_version w"
		"  WHERE w.asset_id = b.block AND w.status = 'approved' AND w.valid_during @> " NOW ")"
	" ORDER BY 1, 2"},
	{"claim_out", "error",
		"Have a version of the claim approved, or the asset's next version without it; until then the asset is not sent.",
		"SELECT 'asset:' || v.asset_id || ':' || v.version,"
		" format('version %s of asset \"%s\" makes claim \"%s\", which has no version in force', v.version, v.asset_id, c)"
		" FROM nurture.asset_version v CROSS JOIN LATERAL unnest(v.claims) c"
		" WHERE v.status = 'approved' AND NOT EXISTS (SELECT FROM nurture.claim k"
		"  WHERE k.claim = c AND k.status = 'approved' AND k.valid_during @> " NOW ")"
	" ORDER BY 1, 2"},
	{"claim_expiring", "warning",
		"Have a new version of the claim approved before; else what makes it is not sent any more.",
		"SELECT 'claim:' || k.claim || ':' || k.version,"
		" format('version %s of claim \"%s\" expires on %s; %s approved assets make it', k.version, k.claim,"
		"  (upper(k.valid_during) AT TIME ZONE 'UTC')::date, (SELECT count(*) FROM nurture.asset_version v"
		"   WHERE v.status = 'approved' AND v.claims @> ARRAY[k.claim]))"
		" FROM nurture.claim k WHERE k.status = 'approved'"
		" AND upper(k.valid_during) > " NOW " AND upper(k.valid_during) <= " NOW " + " SOON
	" ORDER BY k.claim COLLATE \"C\""},
	{"claim_changed", "warning",
		"Look whether the asset says what the claim says now; if not, add its next version.",
		"SELECT 'asset:' || v.asset_id || ':' || v.version,"
		" format('version %s of asset \"%s\" was approved before version %s of its claim \"%s\"', v.version, v.asset_id, k.version, k.claim)"
		" FROM nurture.asset_version v CROSS JOIN LATERAL unnest(v.claims) c"
		" JOIN nurture.claim k ON k.claim = c AND k.status = 'approved' AND k.version > 1"
		" WHERE v.status = 'approved' AND v.approved_at < k.approved_at"
	" ORDER BY 1, 2"},
	{"policy_unmet", "error",
		"Add a version that is made with it; until then the asset is not sent there.",
		"SELECT 'asset:' || v.asset_id || ':' || v.version,"
		" format('version %s of asset \"%s\" lacks %s, which content policy asks for in market %s', v.version, v.asset_id, q.words, p.market)"
		" FROM " LIVE_FROM " JOIN nurture.content_policy p ON p.message_class IN ('*', v.message_class)"
		" AND (p.market = '*' OR '*' = ANY (v.markets) OR p.market = ANY (v.markets))"
		" AND (p.audience_type = '*' OR '*' = ANY (v.audience_types) OR p.audience_type = ANY (v.audience_types))"
		" CROSS JOIN LATERAL (VALUES ('safety block ' || p.safety_block, p.safety_block, NULL),"
		"  ('disclaimer ' || p.disclaimer, p.disclaimer, NULL),"
		"  ('a block in slot unsubscribe', NULL, CASE WHEN p.unsubscribe_required THEN 'unsubscribe' END)) q (words, block, slot)"
		" WHERE " LIVE_WHERE " AND coalesce(q.block, q.slot) IS NOT NULL AND (q.block IS NULL OR q.block IS DISTINCT FROM v.safety_block)"
		" AND NOT EXISTS (SELECT FROM nurture.asset_block b WHERE b.asset_id = v.asset_id AND b.version = v.version"
		"  AND (b.block_asset = q.block OR b.slot = q.slot))"
	" ORDER BY 1, 2"},
	{"tag_without_asset", "warning",
		"Tag an asset with it, or take it out of the rule.",
		TAG_TREE
		"SELECT 'tag:' || r.tag, format('%s asks for tag %s, which no approved asset has', min(r.rule), r.tag)"
		" FROM (SELECT 'step ' || s.step_no || ' of track ' || s.track, u.tag FROM nurture.track_step s"
		"  JOIN nurture.track_version w USING (track, version)"
		"  CROSS JOIN LATERAL unnest(coalesce(s.required_tags, '{}') || coalesce(s.preferred_tags, '{}')) u (tag) WHERE w.status = 'published'"
		"  UNION ALL SELECT 'weight ' || g.term || ' of selection ' || g.selection,"
		"   CASE g.term WHEN 'general' THEN g.subject ELSE 'funnel_stage' END || ':' || g.value"
		"  FROM nurture.selection_weight g JOIN nurture.selection_version w USING (selection, version)"
		"  WHERE w.status = 'published' AND g.term IN ('general', 'stage')) r (rule, tag)"
		" WHERE NOT EXISTS (SELECT FROM " LIVE " AND EXISTS (SELECT FROM nurture.asset_tag t"
		"  JOIN up ON up.tag = t.dimension || ':' || t.value AND up.dimension || ':' || up.above = r.tag"
		"  WHERE t.asset_id = v.asset_id AND t.version = v.version))"
	" GROUP BY r.tag ORDER BY r.tag COLLATE \"C\""},
	{"tag_unused", "info",
		"Leads with this interest get something else; add content where it is wanted.",
		"SELECT 'tag:' || dimension, format('%s of %s tags of dimension %s are on no approved asset, such as %s',"
		"  count(*), max(n), dimension, array_to_string((array_agg(value ORDER BY tag_id))[1:3], ', '))"
		" FROM (SELECT t.dimension, t.value, t.tag_id, count(*) OVER (PARTITION BY t.dimension) AS n,"
		"  EXISTS (SELECT FROM nurture.asset_tag x JOIN nurture.asset_version v USING (asset_id, version)"
		"   WHERE x.dimension = t.dimension AND x.value = t.value AND v.status = 'approved') AS used FROM nurture.tag t) u"
		" WHERE NOT used AND dimension NOT IN ('format', 'role', 'reading_level')"
	" GROUP BY dimension ORDER BY dimension"},
	{"review_overdue", "warning",
		"Look at it again, then UPDATE nurture.review_date SET reviewed_on = current_date.",
		"SELECT object || ':' || code, format('%s%s was to be looked at again by %s, by %s', object,"
		"  CASE WHEN code = '*' THEN '' ELSE ' ' || code END, (reviewed_on + review_every)::date, owner)"
		" FROM nurture.review_date WHERE (reviewed_on + review_every)::date < (" NOW " AT TIME ZONE 'UTC')::date"
	" ORDER BY object, code"},
	{NULL}
};

/* Registers what nurture_lint asks about content. */
void
nurture_content_lint_init(void)
{
	nurture_lint_register(checks);
}
