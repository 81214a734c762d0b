/*
 * step_send.c
 *	  What becomes of a step: the entry, the message at the gate, the next date.
 *
 * The caller holds the gate rows.  Messages are inserted before enrollments
 * are updated, as the lock order wants; when an enrollment turns out to have
 * changed meanwhile, the error undoes them.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/errors.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "tracks/step.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

/* refusals in a row after which an enrollment ends */
#define MAX_REFUSALS 3
#define MESSAGE_COLUMNS 11

/* The gate fills the rest and decides. */
static KeptPlan insert_messages =
KEPT_PLAN("INSERT INTO nurture.message (lead_id, channel, asset_id, "
		  "version, track, enrollment_no, step_no, trigger_kind, "
		  "experiment, arm, propensity, not_before) "
		  "SELECT u.lead_id, u.channel, u.asset_id, u.version, u.track, "
		  "u.enrollment_no, u.step_no, 'step', u.experiment, u.arm, "
		  "u.propensity / 1000000.0, u.not_before "
		  "FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) AS "
		  "u(lead_id, channel, asset_id, version, track, enrollment_no, "
		  "step_no, experiment, arm, propensity, not_before) "
		  "RETURNING lead_id, message_id, status, reasons",
		  INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, INT4ARRAYOID,
		  TEXTARRAYOID, INT8ARRAYOID, INT4ARRAYOID, TEXTARRAYOID,
		  TEXTARRAYOID, INT4ARRAYOID, TIMESTAMPTZARRAYOID);

/* Reasons that end nurturing, not only this message; a pause passes. */
static KeptPlan ending_reason =
KEPT_PLAN("SELECT reason "
		  "FROM nurture.reason "
		  "WHERE reason = ANY ($1) AND reason <> 'paused' "
		  "AND class IN ('consent', 'suppression', 'stop', 'lead') "
		  "ORDER BY reason LIMIT 1",
		  TEXTARRAYOID);

/* What the gate says to a message. */
typedef struct GateAnswer
{
	int64		message_id;
	char	   *status;
	const char **reasons;		/* NULL = none given */
	int			nreasons;
} GateAnswer;

/* Raises what makes the tick try the lead another time. */
void
nurture_step_changed(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("the enrollment changed while its step was worked off")));
}

/* Returns a moment as no setting changes it, for who decides again later. */
static char *
moment_text(TimestampTz at)
{
	char	   *text = palloc(MAXDATELEN + 1);
	int			utc = 0;

	return JsonEncodeDateTime(text, TimestampTzGetDatum(at), TIMESTAMPTZOID, &utc);
}

/* Fills the entry of what became of a step; message_id 0: nothing was sent. */
static void
fill_entry(AuditEntry *entry, const StepRun *run, const char *outcome,
		   const char *const *reasons, int nreasons, int64 message_id,
		   const ContentChoice *choice)
{
	StringInfoData inputs;

	memset(entry, 0, sizeof(AuditEntry));
	entry->has_lead = true;
	entry->lead_id = run->e->lead_id;
	entry->kind = "step";
	entry->object = psprintf("enrollment:" INT64_FORMAT, run->e->enrollment_no);
	entry->outcome = outcome;
	entry->reasons = reasons;
	entry->nreasons = nreasons;
	entry->trigger_json = "{\"by\": \"tick\"}";
	entry->versions_json = psprintf("{\"track\": \"%s\", \"version\": %d, \"content_hash\": \"%s\", \"selection\": \"%s\", \"selection_version\": %d%s}",
									run->track->code, run->version->version,
									run->version->hash ? run->version->hash : "",
									choice && choice->selection ? choice->selection : "",
									choice ? choice->selection_version : 0,
									run->draw == NULL ? "" :
									psprintf(", \"experiment\": \"%s\", \"experiment_version\": %d, \"arm\": \"%s\"",
											 run->draw->experiment, run->draw->version,
											 run->draw->arms[run->draw->chosen].arm));
	initStringInfo(&inputs);
	appendStringInfo(&inputs, "{\"step\": %d, \"level\": %d, \"action\": \"%s\"", run->step->step_no, run->level, run->step->action);
	if (message_id != 0)
		appendStringInfo(&inputs, ", \"message\": " INT64_FORMAT ", \"asset\": \"%s:%d\", \"rank\": %d, \"terms\": \"%s\", \"channel\": \"%s\", \"at\": \"%s\"",
						 message_id, choice->chosen->asset_id,
						 choice->chosen->version, choice->chosen->rank, choice->reason,
						 choice->chosen->channel, moment_text(run->subject->now));
	if (run->passed_over.data != NULL && run->passed_over.len > 0)
		appendStringInfo(&inputs, ", \"passed_over\": {%s}", run->passed_over.data);
	if (run->step->target != NULL)
	{
		appendStringInfoString(&inputs, ", \"target\": ");
		escape_json(&inputs, run->step->target);
	}
	appendStringInfoChar(&inputs, '}');
	entry->inputs = inputs.data;
}

/* Appends the entry of what became of a step that sends nothing. */
void
nurture_step_record(const StepRun *run, const char *outcome,
					const char *const *reasons, int nreasons,
					const ContentChoice *choice)
{
	AuditEntry	entry;

	fill_entry(&entry, run, outcome, reasons, nreasons, 0, choice);
	nurture_audit_append(&entry, 1);
}

void
nurture_step_finish(StepRun *run, const char *state, const char *reason)
{
	if (!nurture_enrollment_end(run->e, state, reason, "tick", NULL, run->subject->now))
		nurture_step_changed();
}

/* Returns the next step of a track, or NULL, and where the lead goes then. */
static const TrackStep *
next_step(StepRun *run, EnrollmentMove *move)
{
	const TrackStep *next = nurture_track_step(run->version, run->step->step_no + 1);

	if (next == NULL)
		return NULL;
	move->e = run->e;
	move->state = "active";
	move->step_no = next->step_no;
	move->due_from = run->subject->now;
	move->next_due_at = nurture_track_due(run->rules, run->track, next, run->subject,
										  run->subject->now, run->e->entered_at, run->pace);
	move->refusals = 0;
	return next;
}

/* Returns where a lead is when its step is to be tried again. */
static EnrollmentMove
held_back(const StepRun *run, int32 refusals)
{
	int64		wait = Max(run->step->wait, RETRY_AFTER) / 100 *
	run->cadence.factor / 100 * run->pace;
	EnrollmentMove move;

	move.e = run->e;
	move.state = "waiting";
	move.step_no = run->e->step_no;
	move.due_from = run->subject->now;
	move.next_due_at = run->subject->now + Max(wait, RETRY_AFTER);
	move.refusals = refusals;
	return move;
}

static void
move_all(EnrollmentMove *moves, int n)
{
	if (n > 0 && !nurture_enrollment_move_all(moves, n))
		nurture_step_changed();
}

/* Goes on to the next step, or completes the track. */
void
nurture_step_advance(StepRun *run)
{
	EnrollmentMove move;

	if (next_step(run, &move) != NULL)
		move_all(&move, 1);
	else
		nurture_step_finish(run, "completed", "last_step");
}

/* Leaves the step where it is, to be tried again. */
void
nurture_step_hold(StepRun *run, int32 refusals)
{
	EnrollmentMove move = held_back(run, refusals);

	move_all(&move, 1);
}

/* The gate said no: an end when it is the lead who may not be contacted. */
void
nurture_step_refused(StepRun *run, const char *const *reasons, int nreasons)
{
	Datum		list = nurture_strings_array(reasons, nreasons);
	char	   *ending = NULL;

	nurture_execute(&ending_reason, &list, NULL, false);
	if (SPI_processed > 0)
		ending = nurture_cell_text(0, 1);
	if (ending != NULL)
		nurture_step_finish(run, "exited", ending);
	else if (run->e->refusals + 1 >= MAX_REFUSALS)
		nurture_step_finish(run, "exited", "refused");
	else
		nurture_step_hold(run, run->e->refusals + 1);
}

/* Sets a value of a row of arrays. */
static void
put(Datum *values, bool *nulls, int row, Datum value)
{
	values[row] = value;
	nulls[row] = false;
}

static void
put_text(Datum *values, bool *nulls, int row, const char *value)
{
	put(values, nulls, row, CStringGetTextDatum(value));
}

/* Inserts the messages of some steps; answers what the gate says to each. */
static GateAnswer *
insert_all(const StepRun *runs, int n)
{
	static const Oid types[MESSAGE_COLUMNS] = {INT8OID, TEXTOID, TEXTOID, INT4OID, TEXTOID, INT8OID,
	INT4OID, TEXTOID, TEXTOID, INT4OID, TIMESTAMPTZOID};
	GateAnswer *answers = palloc0(n * sizeof(GateAnswer));
	Datum	   *values[MESSAGE_COLUMNS];
	bool	   *nulls[MESSAGE_COLUMNS];
	Datum		arrays[MESSAGE_COLUMNS];

	for (int c = 0; c < MESSAGE_COLUMNS; c++)
	{
		values[c] = palloc0(n * sizeof(Datum));
		nulls[c] = palloc(n * sizeof(bool));
		memset(nulls[c], true, n * sizeof(bool));
	}
	for (int i = 0; i < n; i++)
	{
		const StepRun *run = &runs[i];
		const ContentDraw *draw = run->draw;

		put(values[0], nulls[0], i, Int64GetDatum(run->e->lead_id));
		put_text(values[1], nulls[1], i, run->choice.chosen->channel);
		put_text(values[2], nulls[2], i, run->choice.chosen->asset_id);
		put(values[3], nulls[3], i, Int32GetDatum(run->choice.chosen->version));
		put_text(values[4], nulls[4], i, run->track->code);
		put(values[5], nulls[5], i, Int64GetDatum(run->e->enrollment_no));
		put(values[6], nulls[6], i, Int32GetDatum(run->step->step_no));
		if (draw == NULL)
			continue;
		put_text(values[7], nulls[7], i, draw->experiment);
		put_text(values[8], nulls[8], i, draw->arms[draw->chosen].arm);
		if (run->propensity > 0)
			put(values[9], nulls[9], i, Int32GetDatum(run->propensity));
		if (!TIMESTAMP_IS_NOBEGIN(draw->not_before))
			put(values[10], nulls[10], i, TimestampTzGetDatum(draw->not_before));
	}
	for (int c = 0; c < MESSAGE_COLUMNS; c++)
	{
		int16		length;
		bool		by_value;
		char		align;
		int			lower = 1;

		get_typlenbyvalalign(types[c], &length, &by_value, &align);
		arrays[c] = PointerGetDatum(construct_md_array(values[c], nulls[c], 1, &n, &lower, types[c],
													   length, by_value, align));
	}
	nurture_execute(&insert_messages, arrays, NULL, false);
	if (SPI_processed != n)
		elog(ERROR, "a message of a track step was dropped");
	for (int i = 0; i < n; i++)
	{
		GateAnswer *answer = &answers[i];
		bool		isnull;
		int			row = 0;

		/* in the order of the rows, as a rule */
		while (DatumGetInt64(nurture_cell((i + row) % n, 1, &isnull)) != runs[i].e->lead_id)
		{
			if (++row == n)
				elog(ERROR, "a message of a track step was given to another lead");
		}
		row = (i + row) % n;
		answer->message_id = DatumGetInt64(nurture_cell(row, 2, &isnull));
		answer->status = nurture_cell_text(row, 3);
		(void) nurture_cell(row, 4, &isnull);
		if (!isnull)
			answer->reasons = nurture_cell_strings(row, 4, &answer->nreasons);
	}
	SPI_freetuptable(SPI_tuptable);
	return answers;
}

/* Hands messages to the gate, and enrollments go on as it decides. */
void
nurture_step_send(StepRun *runs, int n)
{
	GateAnswer *answers = insert_all(runs, n);
	AuditEntry *entries = palloc(n * sizeof(AuditEntry));
	EnrollmentMove *moves = palloc(n * sizeof(EnrollmentMove));
	int			nmoves = 0;

	for (int i = 0; i < n; i++)
		fill_entry(&entries[i], &runs[i], answers[i].status, answers[i].reasons,
				   answers[i].nreasons, answers[i].message_id, &runs[i].choice);
	nurture_audit_append(entries, n);
	for (int i = 0; i < n; i++)
	{
		StepRun    *run = &runs[i];
		const GateAnswer *answer = &answers[i];
		bool		refused = strcmp(answer->status, "refused") == 0;

		if (!refused && next_step(run, &moves[nmoves]) != NULL)
			nmoves++;
		else if (refused && answer->reasons == NULL)
			moves[nmoves++] = held_back(run, run->e->refusals + 1);
		else
		{
			/* whatever is written is in the order of leads */
			move_all(moves, nmoves);
			nmoves = 0;
			if (refused)
				nurture_step_refused(run, answer->reasons, answer->nreasons);
			else
				nurture_step_finish(run, "completed", "last_step");
		}
	}
	move_all(moves, nmoves);
}
