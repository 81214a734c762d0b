/*
 * reviewed.c
 *	  The queries by which asset versions and claims are reviewed: the same of
 *	  both, over their own tables.
 */
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "content/reviewed.h"

#define KEY	TEXTOID, INT4OID

/* What differs is the table, the column of the code and what is hashed. */
#define LOCK_VERSION(table, code) \
	KEPT_PLAN("SELECT v.status FROM " table " v WHERE v." code " = $1 AND v.version = $2 FOR NO KEY UPDATE OF v", KEY)

#define LOCK_ALL_VERSIONS(table, code) \
	KEPT_PLAN("SELECT version, status FROM " table " WHERE " code " = $1 ORDER BY version FOR NO KEY UPDATE", TEXTOID)

#define READ_VERSION(table, code) \
	KEPT_PLAN("SELECT v.status, encode(v.content_hash, 'hex'), v.author, v.author_login," \
			  " CASE WHEN lower(v.valid_during) > $3 THEN lower(v.valid_during) END" \
			  " FROM " table " v WHERE v." code " = $1 AND v.version = $2", KEY, TIMESTAMPTZOID)

#define MOVE_STATUS(table, code) \
	KEPT_PLAN("UPDATE " table " SET status = $3, status_reason = $4 WHERE " code " = $1 AND version = $2", \
			  KEY, TEXTOID, TEXTOID)

#define SIGN(kind, table, code) \
	KEPT_PLAN("INSERT INTO nurture.approval (kind, code, version, role, decision, signed_by, signed_at, meaning, content_hash, signer_login)" \
			  " SELECT '" kind "', $1, $2, $3, $4, $5, $6, $7, content_hash, $8 FROM " table \
			  " WHERE " code " = $1 AND version = $2", KEY, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TEXTOID, TEXTOID)

/* Who has approved this content, in which role. */
#define SIGNED_BEFORE(kind, table, code) \
	KEPT_PLAN("SELECT p.role, p.signed_by, p.signer_login FROM nurture.approval p JOIN " table " v" \
			  " ON v." code " = p.code AND v.version = p.version AND v.content_hash = p.content_hash" \
			  " WHERE p.kind = '" kind "' AND p.code = $1 AND p.version = $2 AND p.decision = 'approved'" \
			  " ORDER BY p.approval_id", KEY)

/* Roles that policy asks for and that have not signed this content yet. */
#define MISSING_ROLES(kind, table, code, message_class) \
	KEPT_PLAN("SELECT string_agg(DISTINCT r.role, ', ' ORDER BY r.role) FROM " table " v" \
			  " JOIN nurture.approval_policy p ON p.kind = '" kind "' AND p.message_class IN ('*', " message_class ")" \
			  " AND (p.market = '*' OR p.market = ANY (v.markets) OR '*' = ANY (v.markets)), unnest(p.roles) AS r(role)" \
			  " WHERE v." code " = $1 AND v.version = $2" \
			  " AND NOT EXISTS (SELECT FROM nurture.approval a WHERE a.kind = '" kind "' AND a.code = v." code \
			  "  AND a.version = v.version AND a.role = r.role AND a.decision = 'approved' AND a.content_hash = v.content_hash)", KEY)

#define APPROVE_VERSION(table, code) \
	KEPT_PLAN("UPDATE " table " SET status = 'approved', approved_by = $3, approved_at = $4, status_reason = $5" \
			  " WHERE " code " = $1 AND version = $2", KEY, TEXTOID, TIMESTAMPTZOID, TEXTOID)

/* The validity as numbers, which no setting changes. */
#define VALIDITY \
	"CASE WHEN lower_inf(v.valid_during) THEN NULL ELSE extract(epoch FROM lower(v.valid_during)) END," \
	" lower_inc(v.valid_during)," \
	" CASE WHEN upper_inf(v.valid_during) THEN NULL ELSE extract(epoch FROM upper(v.valid_during)) END," \
	" upper_inc(v.valid_during), v.review_due - DATE '2000-01-01'"

/* jsonb of texts and numbers only: its text does not change with settings. */
#define HASH(items) \
	"sha256(convert_to(jsonb_build_array(" items ")::text, 'UTF8'))"

ReviewedKind nurture_reviewed_asset = {
	.kind = "asset",
	.table = "nurture.asset_version",
	.add = "add a new version with nurture_add_asset",
	.lock_version = LOCK_VERSION("nurture.asset_version", "asset_id"),
	.lock_all_versions = LOCK_ALL_VERSIONS("nurture.asset_version", "asset_id"),
	.read_version = READ_VERSION("nurture.asset_version", "asset_id"),
	.move_status = MOVE_STATUS("nurture.asset_version", "asset_id"),
	.set_hash =
	KEPT_PLAN("UPDATE nurture.asset_version v SET content_hash = "
			  HASH("v.asset_id, v.version, a.family, a.format, a.purpose, v.message_class, v.channels, v.languages,"
				   " v.markets, v.audience_types, v.claims, v.safety_block, v.merge_fields, v.approval_ref, " VALIDITY ","
				   " encode(v.document_hash, 'hex'), v.uri,"
				   " (SELECT jsonb_agg(jsonb_build_array(t.dimension, t.value) ORDER BY t.dimension COLLATE \"C\", t.value COLLATE \"C\")"
				   "  FROM nurture.asset_tag t WHERE t.asset_id = v.asset_id AND t.version = v.version),"
				   " (SELECT jsonb_agg(jsonb_build_array(b.slot, b.block_asset) ORDER BY b.slot COLLATE \"C\")"
				   "  FROM nurture.asset_block b WHERE b.asset_id = v.asset_id AND b.version = v.version)")
			  " FROM nurture.asset a WHERE v.asset_id = $1 AND v.version = $2 AND a.asset_id = v.asset_id", KEY),
	.sign = SIGN("asset", "nurture.asset_version", "asset_id"),
	.signed_before = SIGNED_BEFORE("asset", "nurture.asset_version", "asset_id"),
	.missing_roles = MISSING_ROLES("asset", "nurture.asset_version", "asset_id", "v.message_class"),
	.approve_version = APPROVE_VERSION("nurture.asset_version", "asset_id")
};

ReviewedKind nurture_reviewed_claim = {
	.kind = "claim",
	.table = "nurture.claim",
	.add = "add the next version to nurture.claim",
	.lock_version = LOCK_VERSION("nurture.claim", "claim"),
	.lock_all_versions = LOCK_ALL_VERSIONS("nurture.claim", "claim"),
	.read_version = READ_VERSION("nurture.claim", "claim"),
	.move_status = MOVE_STATUS("nurture.claim", "claim"),
	.set_hash =
	KEPT_PLAN("UPDATE nurture.claim v SET content_hash = "
			  HASH("v.claim, v.version, v.text, v.markets, v.audience_types, v.reference, " VALIDITY)
			  " WHERE v.claim = $1 AND v.version = $2", KEY),
	.sign = SIGN("claim", "nurture.claim", "claim"),
	.signed_before = SIGNED_BEFORE("claim", "nurture.claim", "claim"),
	.missing_roles = MISSING_ROLES("claim", "nurture.claim", "claim", "'*'"),
	.approve_version = APPROVE_VERSION("nurture.claim", "claim")
};
