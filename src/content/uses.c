/*
 * uses.c
 *	  What is made with a version: whose messages go when it goes out of use,
 *	  and what content policy wants it to be made with.
 */
#include "base/compat.h"

#include "base/errors.h"
#include "catalog/pg_type.h"
#include "content/reviewed.h"
#include "gate/gate.h"
#include "utils/builtins.h"

/* Versions that messages may wait with. */
#define HAS_MESSAGES	"IN ('approved', 'suspended', 'superseded')"

/* What is made with what was found so far. */
#define MADE_WITH \
	" UNION SELECT v.asset_id, v.version FROM used u JOIN nurture.asset_version v" \
	" ON v.status " HAS_MESSAGES " AND (v.safety_block = u.asset_id OR EXISTS (SELECT FROM nurture.asset_block b" \
	"  WHERE b.asset_id = v.asset_id AND b.version = v.version AND b.block_asset = u.asset_id))"

/*
 * The versions that are made with a block, directly or through other blocks.
 * They are not locked: a message shares the locks of its own version and of
 * the blocks of that, in this order, so whoever held the block and asked for
 * the version would wait for a message that waits for the block.
 */
static KeptPlan block_users =
KEPT_PLAN("WITH RECURSIVE used (asset_id, version) AS (SELECT $1, 0" MADE_WITH ")"
		  " SELECT asset_id, version FROM used WHERE version > 0 AND asset_id <> $1 ORDER BY 1, 2",
		  TEXTOID);

/* Likewise those that make a claim. */
static KeptPlan claim_users =
KEPT_PLAN("WITH RECURSIVE used (asset_id, version) AS (SELECT v.asset_id, v.version FROM nurture.asset_version v"
		  "  WHERE v.status " HAS_MESSAGES " AND v.claims @> ARRAY[$1]" MADE_WITH ")"
		  " SELECT asset_id, version FROM used ORDER BY 1, 2",
		  TEXTOID);

/* What the policies that apply ask for and the version lacks. */
static KeptPlan missing_parts =
KEPT_PLAN("SELECT q.words, concat_ws(', ', 'market ' || p.market, p.message_class, p.audience_type)"
		  " FROM nurture.asset_version v JOIN nurture.asset a USING (asset_id)"
		  " JOIN nurture.content_policy p ON p.message_class IN ('*', v.message_class)"
		  " AND (p.market = '*' OR '*' = ANY (v.markets) OR p.market = ANY (v.markets))"
		  " AND (p.audience_type = '*' OR '*' = ANY (v.audience_types) OR p.audience_type = ANY (v.audience_types))"
		  " CROSS JOIN LATERAL (VALUES ('safety block \"' || p.safety_block || '\"', p.safety_block, NULL),"
		  "  ('disclaimer \"' || p.disclaimer || '\"', p.disclaimer, NULL),"
		  "  ('a block in slot unsubscribe', NULL, CASE WHEN p.unsubscribe_required THEN 'unsubscribe' END)) q (words, block, slot)"
		  " WHERE v.asset_id = $1 AND v.version = $2 AND a.format NOT IN ('block', 'landing_page')"
		  " AND (q.block IS NOT NULL OR q.slot IS NOT NULL) AND (q.block IS NULL OR q.block IS DISTINCT FROM v.safety_block)"
		  " AND NOT EXISTS (SELECT FROM nurture.asset_block b WHERE b.asset_id = v.asset_id AND b.version = v.version"
		  "  AND (b.block_asset = q.block OR b.slot = q.slot))"
		  " ORDER BY p.market, p.message_class, p.audience_type, q.words LIMIT 1",
		  TEXTOID, INT4OID);

int64
nurture_cancel_uses(const ReviewedKind *kind, const char *code,
					int32 version, const char *status)
{
	bool		claim = kind == &nurture_reviewed_claim;
	Datum		value = CStringGetTextDatum(code);
	int64		cancelled = 0;
	char	  **assets;
	int32	   *versions;
	int			n;

	if (!claim)
		cancelled = nurture_gate_cancel_for_asset(code, version,
												  psprintf("asset_%s", status));
	(void) nurture_execute_latest(claim ? &claim_users : &block_users, &value, NULL, false);
	n = SPI_processed;
	assets = palloc(Max(n, 1) * sizeof(char *));
	versions = palloc(Max(n, 1) * sizeof(int32));
	for (int i = 0; i < n; i++)
	{
		bool		isnull;

		assets[i] = nurture_cell_text(i, 1);
		versions[i] = DatumGetInt32(nurture_cell(i, 2, &isnull));
	}
	for (int i = 0; i < n; i++)
		cancelled += nurture_gate_cancel_for_asset(assets[i], versions[i],
												   claim ? "claim_not_in_force" : "block_not_in_force");
	return cancelled;
}

void
nurture_require_content_policy(const char *asset_id, int32 version)
{
	Datum		values[2] = {CStringGetTextDatum(asset_id), Int32GetDatum(version)};

	(void) nurture_execute_latest(&missing_parts, values, NULL, false);
	if (SPI_processed > 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_MODEL_CHECK),
				 errmsg("version %d of asset \"%s\" lacks %s", version, asset_id, nurture_cell_text(0, 1)),
				 errhint("The content policy for %s asks for it: add it to the draft.", nurture_cell_text(0, 2))));
}
