/*
 * feedback.c
 *	  What teams think of what they were given: nurture_feedback, and the list
 *	  of what waits for them: nurture_triage.
 *
 * Feedback is kept as it was said, one row each; reports count the latest of
 * each person about each thing.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/author.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "facts/lead.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "routing/routing_private.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

NURTURE_FUNCTION(nurture_feedback);
NURTURE_FUNCTION(nurture_triage);

static const char *const verdicts[] = {
	"useful", "not_actionable", "too_early", "wrong_team", "wrong_depth", "inaccurate"
};

static KeptPlan find_about =
KEPT_PLAN("SELECT h.team FROM nurture.handoff h WHERE $2 = 'handoff' AND h.lead_id = $1 AND h.handoff_id = $3"
		  " UNION ALL SELECT h.team FROM nurture.request r LEFT JOIN nurture.handoff h ON h.lead_id = r.lead_id"
		  " AND h.handoff_id = r.handoff_id WHERE $2 = 'request' AND r.lead_id = $1 AND r.request_no = $3"
		  " UNION ALL SELECT NULL FROM nurture.message m WHERE $2 = 'message' AND m.lead_id = $1 AND m.message_id = $3",
		  INT8OID, TEXTOID, INT8OID);
static KeptPlan find_latest =
KEPT_PLAN("SELECT f.feedback_no FROM nurture.feedback f WHERE f.lead_id = $1 AND f.about = $2 AND f.about_id = $3"
		  " AND f.verdict = $4 AND f.note IS NOT DISTINCT FROM $5 AND f.actor = $6 AND NOT EXISTS ("
		  " SELECT FROM nurture.feedback g WHERE g.lead_id = $1 AND g.about = $2 AND g.about_id = $3"
		  " AND g.actor = $6 AND g.feedback_no > f.feedback_no)",
		  INT8OID, TEXTOID, INT8OID, TEXTOID, TEXTOID, TEXTOID);
static KeptPlan add_feedback =
KEPT_PLAN("INSERT INTO nurture.feedback (lead_id, about, about_id, verdict, note, actor, team, at)"
		  " VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING feedback_no",
		  INT8OID, TEXTOID, INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID);

/* what waited at an instant, in working order */
#define OFFERS \
	" SELECT CASE WHEN h.confidence < 0.5 THEN 'low_confidence' ELSE 'new' END AS part, h.lead_id, h.handoff_id," \
	"  NULL::bigint AS review_id, h.product, h.team, h.member," \
	"  CASE WHEN h.offered_at <= $1 THEN 'offered' ELSE 'pending' END AS state, h.tier::integer AS tier, h.grade," \
	"  h.total, h.confidence, coalesce(h.package #>> '{trigger,event_type}', h.route) AS cause, h.created_at AS since," \
	"  h.accept_due AS due_at FROM nurture.handoff h WHERE h.created_at <= $1" \
	"  AND (h.accepted_at > $1 OR h.accepted_at IS NULL) AND (h.closed_at > $1 OR h.closed_at IS NULL)"
#define REVIEWS \
	" UNION ALL SELECT 'review', r.lead_id, NULL, r.review_id, NULL, NULL, NULL, r.bucket, NULL, NULL, NULL," \
	"  NULL, r.scope, r.opened_at, NULL FROM nurture.review r" \
	"  WHERE r.opened_at <= $1 AND (r.closed_at > $1 OR r.closed_at IS NULL)"
#define IN_WORKING_ORDER(of) \
	"SELECT w.part, pg_catalog.row_number() OVER (PARTITION BY w.part ORDER BY w.total DESC NULLS LAST, w.due_at, w.since," \
	" w.handoff_id, w.review_id), w.lead_id, l.external_ref, w.handoff_id, w.review_id, w.product, w.team, w.member," \
	" w.state, w.tier, w.grade, w.total, w.confidence, w.cause, w.since, w.due_at FROM (" of ") w" \
	" JOIN nurture.lead l ON l.lead_id = w.lead_id WHERE NOT l.is_test AND l.merged_into IS NULL AND l.erased_at IS NULL" \
	" ORDER BY pg_catalog.array_position('{new,low_confidence,review}'::text[], w.part), 2"

static KeptPlan find_waiting =
KEPT_PLAN(IN_WORKING_ORDER(OFFERS REVIEWS), TIMESTAMPTZOID);
static KeptPlan find_offers =	/* for those who may not read reviews */
KEPT_PLAN(IN_WORKING_ORDER(OFFERS), TIMESTAMPTZOID);

static Datum
text_or_null(const char *text, char *null)
{
	*null = text == NULL ? 'n' : ' ';
	return text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
}

static void
check_verdict(const char *verdict)
{
	for (int i = 0; i < lengthof(verdicts); i++)
	{
		if (strcmp(verdicts[i], verdict) == 0)
			return;
	}
	ereport(ERROR,
			(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
			 errmsg("unknown verdict \"%s\"", verdict),
			 errhint("Verdicts are useful, not_actionable, too_early, wrong_team, wrong_depth and inaccurate.")));
}

/* Puts feedback on record; words of people stay in the table. */
static void
record(int64 lead_id, const char *about, int64 id, const char *verdict,
	   const char *team, const char *actor)
{
	AuditEntry	entry = {0};

	entry.has_lead = true;
	entry.lead_id = lead_id;
	entry.kind = "feedback";
	entry.object = psprintf("%s:" INT64_FORMAT, about, id);
	entry.outcome = verdict;
	entry.inputs = team ? psprintf("team %s", team) : NULL;
	entry.actor = actor;
	nurture_audit_append(&entry, 1);
}

/*
 * nurture_feedback(lead_id bigint, about text, id bigint, verdict text, note
 * text, actor text) returns bigint: its number
 */
Datum
nurture_feedback(PG_FUNCTION_ARGS)
{
	Datum		values[8];
	char		nulls[9] = "        ";
	const char *actor;
	char	   *about;
	char	   *verdict;
	char	   *note;
	char	   *team;
	OwnerSwitch save;
	int64		number;
	bool		isnull;
	int			level;

	for (int i = 0; i < 4; i++)
	{
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument %d of nurture_feedback cannot be null", i + 1)));
	}
	about = text_to_cstring(PG_GETARG_TEXT_PP(1));
	verdict = text_to_cstring(PG_GETARG_TEXT_PP(3));
	note = PG_ARGISNULL(4) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(4));
	actor = nurture_actor(PG_ARGISNULL(5) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(5)));
	if (note != NULL && note[0] == '\0')
		note = NULL;
	check_verdict(verdict);
	if (strcmp(about, "handoff") != 0 && strcmp(about, "request") != 0 &&
		strcmp(about, "message") != 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("feedback is about a handoff, request or message, not \"%s\"", about)));
	nurture_routing_right("handoff");
	nurture_lead_require_seen(PG_GETARG_INT64(0));

	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	values[0] = PG_GETARG_DATUM(0);
	values[1] = CStringGetTextDatum(about);
	values[2] = PG_GETARG_DATUM(2);
	nurture_execute_latest(&find_about, values, NULL, false);
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("lead %lld has no %s %lld", (long long) PG_GETARG_INT64(0),
						about, (long long) PG_GETARG_INT64(2)),
				 errhint("Numbers are handoff_id, request_no and message_id; a merged lead keeps its own.")));
	team = nurture_cell_text(0, 1);
	values[3] = CStringGetTextDatum(verdict);
	values[4] = text_or_null(note, &nulls[4]);
	values[5] = CStringGetTextDatum(actor);
	nurture_execute_latest(&find_latest, values, nulls, false);
	if (SPI_processed > 0)
		number = DatumGetInt64(nurture_cell(0, 1, &isnull));
	else
	{
		values[6] = text_or_null(team, &nulls[6]);
		values[7] = TimestampTzGetDatum(nurture_now_wall());
		nurture_execute_latest(&add_feedback, values, nulls, true);
		number = DatumGetInt64(nurture_cell(0, 1, &isnull));
		record(PG_GETARG_INT64(0), about, PG_GETARG_INT64(2), verdict, team, actor);
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	PG_RETURN_INT64(number);
}

/*
 * nurture_triage(day date) returns setof (part, place, ...): what waits for a
 * person now, or waited at the end of a day; read with the caller's rights
 */
Datum
nurture_triage(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result;
	TimestampTz at = nurture_now_statement();
	Datum		value;
	bool		with_reviews;
	int			level;

	if (!PG_ARGISNULL(0))
	{
		DateADT		day = PG_GETARG_DATEADT(0);
		TimestampTz end = ((int64) day + 1) * USECS_PER_DAY - 1;

		if (DATE_NOT_FINITE(day) || !IS_VALID_TIMESTAMP(end))
			ereport(ERROR,
					(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
					 errmsg("nurture_triage is asked for a day")));
		at = Min(at, end);
	}
	value = TimestampTzGetDatum(at);
	InitMaterializedSRF(fcinfo, 0);
	result = (ReturnSetInfo *) fcinfo->resultinfo;
	level = nurture_spi_connect();
	with_reviews = pg_class_aclcheck(nurture_table_oid("review", false),
									 GetUserId(), ACL_SELECT) == ACLCHECK_OK;
	(void) nurture_execute(with_reviews ? &find_waiting : &find_offers, &value, NULL, true);
	for (uint64 row = 0; row < SPI_processed; row++)
		tuplestore_puttuple(result->setResult, SPI_tuptable->vals[row]);
	nurture_spi_finish(level);
	return (Datum) 0;
}
