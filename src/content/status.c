/*
 * status.c
 *	  The status graph of asset versions, and signatures.
 *
 * Whoever takes a version out of use locks it first and then cancels the
 * messages that use it, both with the latest snapshot: a message decided
 * before holds a share lock on the version until its transaction ends, one
 * decided afterwards reads the new status.  No gate row is touched.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/author.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/settings.h"
#include "catalog/pg_type.h"
#include "content/content_private.h"
#include "content/index.h"
#include "control/control.h"
#include "funcapi.h"
#include "gate/gate.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

NURTURE_FUNCTION(nurture_set_asset_status);
NURTURE_FUNCTION(nurture_approve);
NURTURE_FUNCTION(nurture_asset_recipients);

/* The moves nurture_set_asset_status makes. */
static const struct
{
	const char *from;
	const char *to[5];
}			moves[] = {
	{"draft", {"in_review"}},
	{"in_review", {"draft"}},
	{"approved", {"suspended", "expired", "withdrawn"}},
	{"suspended", {"approved", "expired", "withdrawn"}},
	{"expired", {NULL}},
	{"withdrawn", {NULL}},
	{"superseded", {NULL}},
};

static KeptPlan lock_version =
KEPT_PLAN("SELECT v.status FROM nurture.asset_version v "
		  "WHERE v.asset_id = $1 AND v.version = $2 "
		  "FOR NO KEY UPDATE OF v",
		  TEXTOID, INT4OID);

/*
 * The versions that are made with a block.  They are not locked: a message
 * shares the locks of its own version and of the blocks of that, in this
 * order, so whoever held the block and asked for the version would wait for a
 * message that waits for the block.
 */
static KeptPlan find_users =
KEPT_PLAN("SELECT v.asset_id, v.version, v.status "
		  "FROM nurture.asset_version v "
		  "WHERE v.status = 'approved' AND v.asset_id <> $1 "
		  "AND (v.safety_block = $1 OR EXISTS (SELECT FROM "
		  "nurture.asset_block b WHERE b.asset_id = v.asset_id AND "
		  "b.version = v.version AND b.block_asset = $1)) "
		  "ORDER BY v.asset_id, v.version",
		  TEXTOID);
static KeptPlan lock_all_versions =
KEPT_PLAN("SELECT version, status "
		  "FROM nurture.asset_version "
		  "WHERE asset_id = $1 "
		  "ORDER BY version FOR NO KEY UPDATE",
		  TEXTOID);
static KeptPlan move_status =
KEPT_PLAN("UPDATE nurture.asset_version "
		  "SET status = $3, status_reason = $4 "
		  "WHERE asset_id = $1 AND version = $2",
		  TEXTOID, INT4OID, TEXTOID, TEXTOID);

/* jsonb of texts and numbers only: its text does not change with settings. */
static KeptPlan set_hash =
KEPT_PLAN("UPDATE nurture.asset_version v "
		  "SET content_hash = "
		  "sha256(convert_to(jsonb_build_array(v.asset_id, v.version, "
		  "a.family, a.format, a.purpose, v.message_class, v.channels, "
		  "v.languages, v.markets, v.audience_types, v.claims, "
		  "v.safety_block, v.merge_fields, v.approval_ref, CASE WHEN "
		  "lower_inf(v.valid_during) THEN NULL ELSE extract(epoch FROM "
		  "lower(v.valid_during)) END, lower_inc(v.valid_during), CASE "
		  "WHEN upper_inf(v.valid_during) THEN NULL ELSE extract(epoch "
		  "FROM upper(v.valid_during)) END, upper_inc(v.valid_during), "
		  "v.review_due - DATE '2000-01-01', encode(v.document_hash, "
		  "'hex'), v.uri, (SELECT "
		  "jsonb_agg(jsonb_build_array(t.dimension, t.value) ORDER BY "
		  "t.dimension COLLATE \"C\", t.value COLLATE \"C\") FROM "
		  "nurture.asset_tag t WHERE t.asset_id = v.asset_id AND "
		  "t.version = v.version), (SELECT "
		  "jsonb_agg(jsonb_build_array(b.slot, b.block_asset) ORDER BY "
		  "b.slot COLLATE \"C\") FROM nurture.asset_block b WHERE "
		  "b.asset_id = v.asset_id AND b.version = v.version))::text, "
		  "'UTF8')) "
		  "FROM nurture.asset a "
		  "WHERE v.asset_id = $1 AND v.version = $2 "
		  "AND a.asset_id = v.asset_id",
		  TEXTOID, INT4OID);
static KeptPlan read_version =
KEPT_PLAN("SELECT v.status, encode(v.content_hash, 'hex'), v.author, "
		  "a.format, v.author_login "
		  "FROM nurture.asset_version v "
		  "JOIN nurture.asset a USING (asset_id) "
		  "WHERE v.asset_id = $1 AND v.version = $2",
		  TEXTOID, INT4OID);
static KeptPlan sign =
KEPT_PLAN("INSERT INTO nurture.approval (kind, code, version, role, "
		  "decision, signed_by, signed_at, meaning, content_hash, "
		  "signer_login) SELECT "
		  "'asset', $1, $2, $3, $4, $5, $6, $7, content_hash, $8 "
		  "FROM nurture.asset_version "
		  "WHERE asset_id = $1 AND version = $2",
		  TEXTOID, INT4OID, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID,
		  TEXTOID, TEXTOID);

/* Who has approved this content, in which role. */
static KeptPlan signed_before =
KEPT_PLAN("SELECT p.role, p.signed_by, p.signer_login "
		  "FROM nurture.approval p "
		  "JOIN nurture.asset_version v ON v.asset_id = p.code "
		  "AND v.version = p.version AND v.content_hash = p.content_hash "
		  "WHERE p.kind = 'asset' AND p.code = $1 AND p.version = $2 "
		  "AND p.decision = 'approved' ORDER BY p.approval_id",
		  TEXTOID, INT4OID);

/* Roles that policy asks for and that have not signed this content yet. */
static KeptPlan missing_roles =
KEPT_PLAN("SELECT string_agg(DISTINCT r.role, ', ' ORDER BY r.role) "
		  "FROM nurture.asset_version v "
		  "JOIN nurture.approval_policy p ON p.kind = 'asset' "
		  "AND p.message_class IN ('*', v.message_class) "
		  "AND (p.market = '*' OR p.market = ANY (v.markets) OR '*' = "
		  "ANY (v.markets)), unnest(p.roles) AS r(role) "
		  "WHERE v.asset_id = $1 AND v.version = $2 "
		  "AND NOT EXISTS (SELECT FROM nurture.approval a WHERE a.kind = "
		  "'asset' AND a.code = v.asset_id AND a.version = v.version AND "
		  "a.role = r.role AND a.decision = 'approved' AND "
		  "a.content_hash = v.content_hash)",
		  TEXTOID, INT4OID);
static KeptPlan approve_version =
KEPT_PLAN("UPDATE nurture.asset_version "
		  "SET status = 'approved', approved_by = $3, approved_at = $4, "
		  "status_reason = $5 "
		  "WHERE asset_id = $1 AND version = $2",
		  TEXTOID, INT4OID, TEXTOID, TIMESTAMPTZOID, TEXTOID);
static KeptPlan find_recipients =
KEPT_PLAN("SELECT lead_id, message_id, version, channel, status, sent_at "
		  "FROM nurture.message "
		  "WHERE asset_id = $1 AND ($2 IS NULL OR version = $2) "
		  "AND status IN ('taken', 'sent', 'delivered', 'bounced', "
		  "'complained') "
		  "AND ($3 IS NULL OR coalesce(sent_at, taken_at, decided_at) >= "
		  "$3) "
		  "ORDER BY lead_id, message_id",
		  TEXTOID, INT4OID, TIMESTAMPTZOID);

static void unknown_version(const char *asset_id, int32 version) pg_attribute_noreturn();

static void
unknown_version(const char *asset_id, int32 version)
{
	ereport(ERROR,
			(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
			 errmsg("there is no version %d of asset \"%.120s\"", version, asset_id),
			 errhint("nurture.asset_version lists what there is; nurture_add_asset adds a version.")));
}

/* Returns the moves out of a status as words. */
static char *
moves_from(const char *status)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < lengthof(moves); i++)
	{
		if (strcmp(moves[i].from, status) != 0)
			continue;
		for (int j = 0; j < lengthof(moves[i].to) && moves[i].to[j]; j++)
			appendStringInfo(&buf, "%s%s", j == 0 ? "" : ", ", moves[i].to[j]);
	}
	return buf.data;
}

/* Raises when a move is not in the graph. */
static void
check_move(const char *asset_id, int32 version, const char *from,
		   const char *to)
{
	bool		known = false;
	char	   *allowed = moves_from(from);

	for (int i = 0; i < lengthof(moves); i++)
	{
		if (strcmp(moves[i].from, to) == 0)
			known = true;
		if (strcmp(moves[i].from, from) != 0)
			continue;
		for (int j = 0; j < lengthof(moves[i].to) && moves[i].to[j]; j++)
		{
			if (strcmp(moves[i].to[j], to) == 0)
				return;
		}
	}
	if (!known)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("unknown asset status \"%.64s\"", to),
				 errhint("Statuses are draft, in_review, approved, suspended, expired, withdrawn and superseded.")));
	ereport(ERROR,
			(errcode(NURTURE_ERRCODE_BAD_STATE),
			 errmsg("version %d of asset \"%s\" cannot move from %s to %s",
					version, asset_id, from, to),
			 strcmp(from, "in_review") == 0 && strcmp(to, "approved") == 0 ?
			 errhint("Approval is a signature: nurture_approve('asset', '%s', %d, role, 'approved', meaning).", asset_id, version) :
			 allowed[0] == '\0' ?
			 errhint("%s is final; add a new version with nurture_add_asset.", from) :
			 errhint("From %s it can move to %s%s.", from, allowed,
					 strcmp(from, "in_review") == 0 ? ", and to approved by nurture_approve" : "")));
}

/* Appends the entry of a new status. */
static void
record_status(const char *asset_id, int32 version, const char *status,
			  const char *from, const char *hash, const char *reason,
			  int64 cancelled)
{
	AuditEntry	entry = {0};

	entry.kind = "asset";
	entry.object = psprintf("asset:%s:%d", asset_id, version);
	entry.outcome = status;
	entry.trigger_json = psprintf("{\"from\": \"%s\"}", from);
	if (hash != NULL)
		entry.versions_json = psprintf("{\"content_hash\": \"%s\"}", hash);
	entry.inputs = psprintf("{\"messages_cancelled\": " INT64_FORMAT "}", cancelled);
	entry.reason = reason;
	nurture_audit_append(&entry, 1);
}

/* One version that was locked. */
typedef struct LockedVersion
{
	char	   *asset_id;
	int32		version;
	char	   *status;
} LockedVersion;

/*
 * Cancels what is queued with a version that went out of use, and with what is
 * made with it.
 */
static int64
cancel_uses(const char *asset_id, int32 version, const char *status)
{
	Datum		value = CStringGetTextDatum(asset_id);
	int64		cancelled;
	LockedVersion *users;
	int			n;

	cancelled = nurture_gate_cancel_for_asset(asset_id, version,
											  psprintf("asset_%s", status));
	nurture_execute_latest(&find_users, &value, NULL, false);
	n = SPI_processed;
	users = palloc(Max(n, 1) * sizeof(LockedVersion));
	for (int i = 0; i < n; i++)
	{
		bool		isnull;

		users[i].asset_id = nurture_cell_text(i, 1);
		users[i].version = DatumGetInt32(nurture_cell(i, 2, &isnull));
	}
	for (int i = 0; i < n; i++)
		cancelled += nurture_gate_cancel_for_asset(users[i].asset_id,
												   users[i].version,
												   "block_not_in_force");
	return cancelled;
}

/*
 * nurture_set_asset_status(asset_id text, version integer, status text,
 * reason text) returns bigint
 *
 * Moves a version along the status graph; answers how many messages were
 * cancelled with it.
 */
Datum
nurture_set_asset_status(PG_FUNCTION_ARGS)
{
	char	   *asset_id = text_to_cstring(PG_GETARG_TEXT_PP(0));
	int32		version = PG_GETARG_INT32(1);
	char	   *status = text_to_cstring(PG_GETARG_TEXT_PP(2));
	char	   *reason = text_to_cstring(PG_GETARG_TEXT_PP(3));
	Datum		values[4];
	char	   *from;
	char	   *hash;
	int64		cancelled = 0;
	int			level;

	(void) nurture_schema_oid(false);
	if (reason[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a change of status needs a reason"),
				 errhint("Say in a few words why; it goes on record.")));
	level = nurture_spi_connect();
	values[0] = CStringGetTextDatum(asset_id);
	values[1] = Int32GetDatum(version);
	values[2] = CStringGetTextDatum(status);
	values[3] = CStringGetTextDatum(reason);

	nurture_execute_latest(&lock_version, values, NULL, true);
	if (SPI_processed == 0)
		unknown_version(asset_id, version);
	from = nurture_cell_text(0, 1);
	check_move(asset_id, version, from, status);

	nurture_versions_write(&move_status, values, NULL);
	if (strcmp(status, "in_review") == 0)
		nurture_versions_write(&set_hash, values, NULL);
	if (strcmp(from, "approved") == 0)
		cancelled = cancel_uses(asset_id, version, status);
	nurture_execute_latest(&read_version, values, NULL, false);
	hash = nurture_cell_text(0, 2);
	record_status(asset_id, version, status, from, hash, reason, cancelled);
	nurture_spi_finish(level);
	PG_RETURN_INT64(cancelled);
}

/* Takes the versions before the approved one out of use. */
static void
supersede_others(Datum *key, const char *asset_id, int32 version,
				 const LockedVersion *others, int n)
{
	for (int i = 0; i < n; i++)
	{
		Datum		values[4];
		int64		cancelled;

		if (others[i].version == version ||
			(strcmp(others[i].status, "approved") != 0 &&
			 strcmp(others[i].status, "suspended") != 0))
			continue;
		values[0] = key[0];
		values[1] = Int32GetDatum(others[i].version);
		values[2] = CStringGetTextDatum("superseded");
		values[3] = CStringGetTextDatum(psprintf("version %d was approved", version));
		nurture_versions_write(&move_status, values, NULL);
		cancelled = nurture_gate_cancel_for_asset(asset_id, others[i].version,
												  "asset_superseded");
		record_status(asset_id, others[i].version, "superseded",
					  others[i].status, NULL,
					  TextDatumGetCString(values[3]), cancelled);
	}
}

/* Appends the entry of a signature for a version with this content. */
void
nurture_signature_record(const char *kind, const char *code, int version,
						 const char *role, const char *decision,
						 const char *hash, const char *meaning)
{
	AuditEntry	entry = {0};

	entry.kind = "approval";
	entry.object = psprintf("%s:%s:%d", kind, code, version);
	entry.outcome = decision;
	entry.reasons = &role;
	entry.nreasons = 1;
	entry.versions_json = psprintf("{\"content_hash\": \"%s\"}", hash);
	entry.reason = meaning;
	nurture_audit_append(&entry, 1);
}

/*
 * nurture_approve(kind text, code text, version integer, role text,
 * decision text, meaning text) returns text
 *
 * Signs a version for exactly its present content; answers its status
 * afterwards.
 */
Datum
nurture_approve(PG_FUNCTION_ARGS)
{
	static const char *const kinds[] = {"asset", "model", "track", "route", "selection", "experiment", "config"};
	static const char *const roles[] = {"medical", "legal", "regulatory", "marketing", "sales", "qa"};
	static const char *const decisions[] = {"approved", "changes_requested", "rejected"};
	char	   *kind = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *asset_id = text_to_cstring(PG_GETARG_TEXT_PP(1));
	int32		version = PG_GETARG_INT32(2);
	char	   *role = text_to_cstring(PG_GETARG_TEXT_PP(3));
	char	   *decision = text_to_cstring(PG_GETARG_TEXT_PP(4));
	char	   *meaning = text_to_cstring(PG_GETARG_TEXT_PP(5));
	const char *signer;
	char	   *status = NULL;
	char	   *hash;
	char	   *author;
	char	   *missing;
	LockedVersion *versions;
	int			n;
	char	   *author_login;
	char	   *login;
	Datum		values[8];
	Datum		move[5];
	int			level;

	(void) nurture_schema_oid(false);
	if (nurture_content_code(kinds, lengthof(kinds), kind) < 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("\"%.64s\" is nothing that is signed", kind),
				 errhint("The kinds that are signed are asset, model, track, route, selection, experiment and config.")));
	if (nurture_content_code(roles, lengthof(roles), role) < 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("unknown role \"%.64s\" of a signature", role),
				 errhint("Roles are medical, legal, regulatory, marketing, sales and qa.")));
	if (nurture_content_code(decisions, lengthof(decisions), decision) < 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("unknown decision \"%.64s\"", decision),
				 errhint("Decisions are approved, changes_requested and rejected.")));

	if (meaning[strspn(meaning, " \t\r\n")] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a signature needs its meaning"),
				 errhint("Say in a few words what it stands for, such as 'medically correct' (21 CFR 11.50).")));

	level = nurture_spi_connect();
	if (strcmp(kind, "asset") != 0)
	{
		text	   *state = cstring_to_text(nurture_control_sign(kind, asset_id, version, role, decision, meaning));

		state = (text *) DatumGetPointer(SPI_datumTransfer(PointerGetDatum(state), false, -1));
		nurture_spi_finish(level);
		PG_RETURN_TEXT_P(state);
	}
	signer = nurture_actor(NULL);
	values[0] = CStringGetTextDatum(asset_id);
	values[1] = Int32GetDatum(version);

	nurture_execute_latest(&lock_all_versions, values, NULL, true);
	n = SPI_processed;
	versions = palloc(Max(n, 1) * sizeof(LockedVersion));
	for (int i = 0; i < n; i++)
	{
		bool		isnull;

		versions[i].asset_id = asset_id;
		versions[i].version = DatumGetInt32(nurture_cell(i, 1, &isnull));
		versions[i].status = nurture_cell_text(i, 2);
		if (versions[i].version == version)
			status = versions[i].status;
	}
	if (status == NULL)
		unknown_version(asset_id, version);
	if (strcmp(status, "in_review") != 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BAD_STATE),
				 errmsg("version %d of asset \"%s\" is %s; only what is in review is signed",
						version, asset_id, status),
				 strcmp(status, "draft") == 0 ?
				 errhint("Submit it with nurture_set_asset_status('%s', %d, 'in_review', reason).", asset_id, version) :
				 errhint("Add a new version with nurture_add_asset.")));

	nurture_execute_latest(&read_version, values, NULL, false);
	hash = nurture_cell_text(0, 2);
	author = nurture_cell_text(0, 3);
	author_login = nurture_cell_text(0, 5);
	if (nurture_two_person_rule && nurture_same_person(author, author_login, signer))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("the author of version %d of asset \"%s\" cannot sign it",
						version, asset_id),
				 errhint("Another person signs, or nurture.two_person_rule is off.")));
	if (nurture_two_person_rule &&
		nurture_had_a_hand("asset", asset_id, version, author, author_login, signer))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("who edited version %d of asset \"%s\" cannot sign it",
						version, asset_id),
				 errhint("Another person signs, or nurture.two_person_rule is off.")));
	if (strcmp(decision, "approved") == 0)
	{
		nurture_execute_latest(&signed_before, values, NULL, false);
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			char	   *name = nurture_cell_text(i, 2);

			if (strcmp(nurture_cell_text(i, 1), role) == 0 || strcmp(name, signer) == 0 ||
				(nurture_two_person_rule &&
				 nurture_same_person(name, nurture_cell_text(i, 3), signer)))
				ereport(ERROR,
						(errcode(NURTURE_ERRCODE_BAD_STATE),
						 errmsg("this content of version %d of asset \"%s\" was signed before in role %s",
								version, asset_id, nurture_cell_text(i, 1)),
						 errhint("Each role signs once, each by another person.")));
		}
	}

	values[2] = CStringGetTextDatum(role);
	values[3] = CStringGetTextDatum(decision);
	values[4] = CStringGetTextDatum(signer);
	values[5] = TimestampTzGetDatum(nurture_now_wall());
	values[6] = CStringGetTextDatum(meaning);
	login = nurture_login();
	values[7] = login ? CStringGetTextDatum(login) : (Datum) 0;
	nurture_versions_write(&sign, values, login ? NULL : "       n");
	nurture_signature_record("asset", asset_id, version, role, decision, hash,
							 meaning);

	move[0] = values[0];
	move[1] = values[1];
	if (strcmp(decision, "approved") != 0)
	{
		move[2] = CStringGetTextDatum("draft");
		move[3] = values[6];
		nurture_versions_write(&move_status, move, NULL);
		record_status(asset_id, version, "draft", "in_review", hash, meaning, 0);
		status = "draft";
	}
	else
	{
		nurture_execute_latest(&missing_roles, values, NULL, false);
		missing = nurture_cell_text(0, 1);
		if (missing == NULL)
		{
			supersede_others(values, asset_id, version, versions, n);
			move[2] = values[4];
			move[3] = values[5];
			move[4] = values[6];
			nurture_versions_write(&approve_version, move, NULL);
			record_status(asset_id, version, "approved", "in_review", hash,
						  meaning, 0);
			status = "approved";
		}
	}
	nurture_spi_finish(level);
	PG_RETURN_TEXT_P(cstring_to_text(status));
}

/*
 * nurture_asset_recipients(asset_id text, version integer, since timestamptz)
 * returns setof (lead_id, message_id, version, channel, status, sent_at)
 *
 * Who was sent an asset; NULL version: any, NULL since: ever.
 */
Datum
nurture_asset_recipients(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum		values[3];
	char		nulls[4] = "   ";
	int			level;

	(void) nurture_schema_oid(false);
	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	for (int i = 0; i < 3; i++)
	{
		values[i] = PG_ARGISNULL(i) ? (Datum) 0 : PG_GETARG_DATUM(i);
		nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
	}
	level = nurture_spi_connect();
	nurture_execute(&find_recipients, values, nulls, true);
	for (uint64 i = 0; i < SPI_processed; i++)
		tuplestore_puttuple(rsinfo->setResult, SPI_tuptable->vals[i]);
	nurture_spi_finish(level);
	return (Datum) 0;
}
