/*
 * status.c
 *	  The status graph of asset versions and claims.
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
#include "content/reviewed.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

NURTURE_FUNCTION(nurture_set_asset_status);
NURTURE_FUNCTION(nurture_set_claim_status);
NURTURE_FUNCTION(nurture_asset_recipients);

/* The moves these functions make. */
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

/* Raises that there is no such version. */
void
nurture_unknown_version(const ReviewedKind *kind, const char *code,
						int32 version)
{
	ereport(ERROR,
			(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
			 errmsg("there is no version %d of %s \"%s\"", version, kind->kind,
					nurture_clipped(code)),
			 errhint("%s lists what there is; to have another, %s.", kind->table,
					 kind->add)));
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
check_move(const ReviewedKind *kind, const char *code, int32 version,
		   const char *from, const char *to)
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
				 errmsg("unknown %s status \"%s\"", kind->kind, nurture_clipped(to)),
				 errhint("Statuses are draft, in_review, approved, suspended, expired, withdrawn and superseded.")));
	ereport(ERROR,
			(errcode(NURTURE_ERRCODE_BAD_STATE),
			 errmsg("version %d of %s \"%s\" cannot move from %s to %s",
					version, kind->kind, code, from, to),
			 strcmp(from, "in_review") == 0 && strcmp(to, "approved") == 0 ?
			 errhint("Approval is a signature: nurture_approve('%s', '%s', %d, role, 'approved', meaning).", kind->kind, code, version) :
			 allowed[0] == '\0' ?
			 errhint("%s is final; %s.", from, kind->add) :
			 errhint("From %s it can move to %s%s.", from, allowed,
					 strcmp(from, "in_review") == 0 ? ", and to approved by nurture_approve" : "")));
}

/* Appends the entry of a new status; inputs is a JSON object of what followed. */
void
nurture_record_status(const ReviewedKind *kind, const char *code,
					  int32 version, const char *status, const char *from,
					  const char *hash, const char *reason, const char *inputs)
{
	AuditEntry	entry = {0};

	entry.kind = "asset";
	if (kind == &nurture_reviewed_claim)
		entry.kind = "claim";
	entry.object = psprintf("%s:%s:%d", kind->kind, code, version);
	entry.outcome = status;
	entry.trigger_json = psprintf("{\"from\": \"%s\"}", from);
	if (hash != NULL)
		entry.versions_json = psprintf("{\"content_hash\": \"%s\"}", hash);
	entry.inputs = inputs;
	entry.reason = reason;
	nurture_audit_append(&entry, 1);
}

/* Moves a version along the graph; returns how many messages went with it. */
static int64
set_status(ReviewedKind *kind, FunctionCallInfo fcinfo)
{
	char	   *code = text_to_cstring(PG_GETARG_TEXT_PP(0));
	int32		version = PG_GETARG_INT32(1);
	char	   *status = text_to_cstring(PG_GETARG_TEXT_PP(2));
	char	   *reason = text_to_cstring(PG_GETARG_TEXT_PP(3));
	Datum		values[4];
	char	   *from;
	int64		cancelled = 0;
	int			level;

	(void) nurture_schema_oid(false);
	if (reason[strspn(reason, " \t\r\n")] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a change of status needs a reason"),
				 errhint("Say in a few words why; it goes on record.")));
	level = nurture_spi_connect();
	values[0] = CStringGetTextDatum(code);
	values[1] = Int32GetDatum(version);
	values[2] = CStringGetTextDatum(status);
	values[3] = CStringGetTextDatum(reason);

	nurture_execute_latest(&kind->lock_version, values, NULL, true);
	if (SPI_processed == 0)
		nurture_unknown_version(kind, code, version);
	from = nurture_cell_text(0, 1);
	check_move(kind, code, version, from, status);
	if (kind == &nurture_reviewed_asset &&
		(strcmp(status, "in_review") == 0 || strcmp(status, "approved") == 0))
		nurture_require_content_policy(code, version);

	nurture_versions_write(&kind->move_status, values, NULL);
	if (strcmp(status, "in_review") == 0)
		nurture_versions_write(&kind->set_hash, values, NULL);
	if (strcmp(from, "approved") == 0)
		cancelled = nurture_cancel_uses(kind, code, version, status);
	values[2] = TimestampTzGetDatum(nurture_now_wall());
	nurture_execute_latest(&kind->read_version, values, NULL, false);
	nurture_record_status(kind, code, version, status, from, nurture_cell_text(0, 2), reason,
						  psprintf("{\"messages_cancelled\": " INT64_FORMAT "}", cancelled));
	nurture_spi_finish(level);
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
	PG_RETURN_INT64(set_status(&nurture_reviewed_asset, fcinfo));
}

/* nurture_set_claim_status(claim, version, status, reason): the same of a claim. */
Datum
nurture_set_claim_status(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(set_status(&nurture_reviewed_claim, fcinfo));
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
