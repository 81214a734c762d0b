/*
 * task.c
 *	  nurture_task_done: ends a task that a step of a track gave to a team.
 *
 * Tasks of hand-offs and requests end with what is done about those.
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
#include "routing/routing_private.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_task_done);

static KeptPlan end_task =
KEPT_PLAN("UPDATE nurture.task SET state = $3, done_at = $4"
		  " WHERE lead_id = $1 AND task_id = $2 AND task_kind = 'step' AND state = 'open' RETURNING title",
		  INT8OID, INT8OID, TEXTOID, TIMESTAMPTZOID);
static KeptPlan find_task =
KEPT_PLAN("SELECT state, task_kind FROM nurture.task WHERE lead_id = $1 AND task_id = $2",
		  INT8OID, INT8OID);

/* Raises unless the task is one of a step that has ended in this way. */
static void
check_ended(Datum *values, bool hidden, const char *state)
{
	char	   *was = NULL;
	char	   *kind = NULL;

	if (!hidden)
	{
		nurture_execute_latest(&find_task, values, NULL, false);
		if (SPI_processed > 0)
		{
			was = nurture_cell_text(0, 1);
			kind = nurture_cell_text(0, 2);
		}
	}
	if (was == NULL)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("lead %lld has no task %lld",
						(long long) DatumGetInt64(values[0]), (long long) DatumGetInt64(values[1])),
				 errhint("Or you may not see the lead; nurture.task lists the tasks of those you may.")));
	if (strcmp(kind, "step") != 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BAD_STATE),
				 errmsg("task %lld is no step of a track but \"%s\"", (long long) DatumGetInt64(values[1]), kind),
				 errhint("It ends with what is done about the hand-off or request: nurture_accept, nurture_attempt, nurture_fulfil and their like.")));
	if (strcmp(was, state) != 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BAD_STATE),
				 errmsg("task %lld is %s already", (long long) DatumGetInt64(values[1]), was)));
}

/*
 * nurture_task_done(lead_id, task_id, state, reason, actor) returns text: the
 * state, done or cancelled; cancelling wants a reason
 */
Datum
nurture_task_done(PG_FUNCTION_ARGS)
{
	char	   *state;
	char	   *reason;
	const char *actor;
	AuditEntry	entry = {0};
	OwnerSwitch save;
	Datum		values[4];
	bool		hidden;
	int			level;

	for (int i = 0; i < 3; i++)
	{
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument %d of %s cannot be null", i + 1, "nurture_task_done")));
	}
	nurture_routing_right("handoff");
	hidden = nurture_lead_hidden(PG_GETARG_INT64(0));
	state = text_to_cstring(PG_GETARG_TEXT_PP(2));
	reason = PG_ARGISNULL(3) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(3));
	actor = nurture_actor(PG_ARGISNULL(4) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(4)));
	if (strcmp(state, "done") != 0 && strcmp(state, "cancelled") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a task is done or cancelled, not \"%s\"", state)));
	if (strcmp(state, "cancelled") == 0 && (reason == NULL || reason[0] == '\0'))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cancelling a task needs a reason"),
				 errhint("Say why, as a code or in words.")));
	values[0] = PG_GETARG_DATUM(0);
	values[1] = PG_GETARG_DATUM(1);
	values[2] = CStringGetTextDatum(state);
	values[3] = TimestampTzGetDatum(nurture_now_wall());
	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	if (!hidden)
		nurture_execute_latest(&end_task, values, NULL, true);
	if (!hidden && SPI_processed > 0)
	{
		entry.inputs = nurture_cell_text(0, 1);
		entry.has_lead = true;
		entry.lead_id = PG_GETARG_INT64(0);
		entry.kind = "step";
		entry.object = psprintf("task:" INT64_FORMAT, PG_GETARG_INT64(1));
		entry.outcome = strcmp(state, "done") == 0 ? "task_done" : "task_cancelled";
		entry.reason = reason;
		entry.actor = actor;
		nurture_audit_append(&entry, 1);
	}
	else
		check_ended(values, hidden, state);
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	PG_RETURN_TEXT_P(cstring_to_text(state));
}
