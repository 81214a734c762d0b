/*
 * enrollment.c
 *	  Reading and writing of enrollments, each change with its audit entry.
 *
 * Callers run as the owner and are connected to SPI.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/plans.h"
#include "base/trigger.h"
#include "catalog/pg_type.h"
#include "content/content.h"
#include "facts/mark.h"
#include "gate/gate.h"
#include "tracks/rules.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_enrollment_guard);

static KeptPlan read_rows =
KEPT_PLAN("SELECT lead_id, enrollment_no, track, version, purpose, "
		  "step_no, state, due_from, next_due_at, entered_at, exited_at, "
		  "refusals::int4 "
		  "FROM nurture.enrollment "
		  "WHERE lead_id = ANY ($1) "
		  "ORDER BY lead_id, enrollment_no",
		  INT8ARRAYOID);
static KeptPlan lock_rows =
KEPT_PLAN("SELECT lead_id, enrollment_no, track, version, purpose, "
		  "step_no, state, due_from, next_due_at, entered_at, exited_at, "
		  "refusals::int4 "
		  "FROM nurture.enrollment "
		  "WHERE lead_id = ANY ($1) "
		  "ORDER BY lead_id, enrollment_no FOR NO KEY UPDATE",
		  INT8ARRAYOID);

/* For the tick: open ones that nobody else is working on. */
static KeptPlan take_rows =
KEPT_PLAN("SELECT lead_id, enrollment_no, track, version, purpose, "
		  "step_no, state, due_from, next_due_at, entered_at, exited_at, "
		  "refusals::int4 "
		  "FROM nurture.enrollment "
		  "WHERE lead_id = ANY ($1) AND state IN ('active', 'waiting', "
		  "'paused') "
		  "ORDER BY lead_id, enrollment_no FOR NO KEY UPDATE SKIP LOCKED",
		  INT8ARRAYOID);
static KeptPlan insert_row =
KEPT_PLAN("INSERT INTO nurture.enrollment (lead_id, enrollment_no, "
		  "track, version, purpose, step_no, state, due_from, "
		  "next_due_at, entered_at, entered_by, trigger_event_id, campaign) "
		  "VALUES ($1, $2, $3, $4, $5, $6, $12, $7, $8, $7, $9, "
		  "$10, $11) "
		  "ON CONFLICT DO NOTHING",
		  INT8OID, INT8OID, TEXTOID, INT4OID, TEXTOID, INT4OID,
		  TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID, INT8OID, TEXTOID, TEXTOID);

/* Only what is as it was read: another transaction may have ended it. */
static KeptPlan end_row =
KEPT_PLAN("UPDATE nurture.enrollment "
		  "SET state = $3, exit_reason = $4, exited_by = $5, exited_at = "
		  "$6, next_due_at = NULL "
		  "WHERE lead_id = $1 AND enrollment_no = $2 "
		  "AND state IN ('active', 'waiting', 'paused') AND step_no = $7",
		  INT8OID, INT8OID, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID,
		  INT4OID);
static KeptPlan move_row =
KEPT_PLAN("UPDATE nurture.enrollment "
		  "SET state = $3, step_no = $4, due_from = $5, next_due_at = "
		  "$6, refusals = $7 "
		  "WHERE lead_id = $1 AND enrollment_no = $2 "
		  "AND state IN ('active', 'waiting', 'paused') AND step_no = $8",
		  INT8OID, INT8OID, TEXTOID, INT4OID, TIMESTAMPTZOID,
		  TIMESTAMPTZOID, INT2OID, INT4OID);

/* The condition on leads bounds what is read, however the rows are joined. */
static KeptPlan move_rows =
KEPT_PLAN("UPDATE nurture.enrollment AS e "
		  "SET state = u.state, step_no = u.step_no, due_from = "
		  "u.due_from, next_due_at = u.next_due_at, refusals = u.refusals "
		  "FROM unnest($1, $2, $3, $4, $5, $6, $7, $8) AS u(lead_id, "
		  "enrollment_no, state, step_no, due_from, next_due_at, refusals, "
		  "was) "
		  "WHERE e.lead_id = ANY ($1) AND e.lead_id = u.lead_id AND "
		  "e.enrollment_no = u.enrollment_no "
		  "AND e.state IN ('active', 'waiting', 'paused') AND e.step_no = "
		  "u.was",
		  INT8ARRAYOID, INT8ARRAYOID, TEXTARRAYOID, INT4ARRAYOID,
		  TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, INT2ARRAYOID,
		  INT4ARRAYOID);

/* Trigger: enrollments are written by functions only. */
Datum
nurture_enrollment_guard(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_enrollment_guard");

	if (!nurture_versions_writing() && !nurture_erasing() && nurture_deriving())
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BYPASS),
				 errmsg("enrollments are written by functions only"),
				 errhint("Use nurture_enroll(lead_id, track, reason) and nurture_exit(lead_id, track, reason).")));
	return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(data->tg_event) ?
						   data->tg_newtuple : data->tg_trigtuple);
}

/* Executes a write while the guard is open; answers the rows. */
static uint64
write_row(KeptPlan *plan, Datum *values, const char *nulls)
{
	nurture_versions_open();
	PG_TRY();
	{
		nurture_execute(plan, values, nulls, false);
	}
	PG_FINALLY();
	{
		nurture_versions_close();
	}
	PG_END_TRY();
	return SPI_processed;
}

static TimestampTz
cell_instant(uint64 row, int column)
{
	bool		isnull;
	Datum		value = nurture_cell(row, column, &isnull);

	return isnull ? DT_NOBEGIN : DatumGetTimestampTz(value);
}

static int
read_by(KeptPlan *plan, const int64 *leads, int nleads, Enrollment **result)
{
	Datum	   *items = palloc(Max(nleads, 1) * sizeof(Datum));
	Datum		argument;
	int			n;

	for (int i = 0; i < nleads; i++)
		items[i] = Int64GetDatum(leads[i]);
	argument = PointerGetDatum(construct_array(items, nleads, INT8OID, 8,
											   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	nurture_execute(plan, &argument, NULL, false);
	n = SPI_processed;
	*result = palloc(Max(n, 1) * sizeof(Enrollment));
	for (int i = 0; i < n; i++)
	{
		Enrollment *e = &(*result)[i];
		bool		isnull;

		e->lead_id = DatumGetInt64(nurture_cell(i, 1, &isnull));
		e->enrollment_no = DatumGetInt64(nurture_cell(i, 2, &isnull));
		e->track = nurture_cell_text(i, 3);
		e->version = DatumGetInt32(nurture_cell(i, 4, &isnull));
		e->purpose = nurture_cell_text(i, 5);
		e->step_no = DatumGetInt32(nurture_cell(i, 6, &isnull));
		e->state = nurture_cell_text(i, 7);
		e->open = strcmp(e->state, "active") == 0 ||
			strcmp(e->state, "waiting") == 0 || strcmp(e->state, "paused") == 0;
		e->due_from = cell_instant(i, 8);
		e->next_due_at = cell_instant(i, 9);
		e->entered_at = cell_instant(i, 10);
		e->exited_at = cell_instant(i, 11);
		e->refusals = DatumGetInt32(nurture_cell(i, 12, &isnull));
	}
	SPI_freetuptable(SPI_tuptable);
	return n;
}

/* Reads all enrollments of some leads; answers how many. */
int
nurture_enrollment_read(const int64 *leads, int nleads, bool lock,
						Enrollment **result)
{
	return read_by(lock ? &lock_rows : &read_rows, leads, nleads, result);
}

/*
 * Locks the open enrollments of some leads but those that others have, so that
 * nothing waits for them here; answers how many.
 */
int
nurture_enrollment_take(const int64 *leads, int nleads, Enrollment **result)
{
	return read_by(&take_rows, leads, nleads, result);
}

/* Tells whether a lead with these enrollments may walk a track again. */
bool
nurture_track_again(const Track *track, const Enrollment *rows, int n,
					TimestampTz now)
{
	for (int i = 0; i < n; i++)
	{
		if (strcmp(rows[i].track, track->code) != 0)
			continue;
		if (rows[i].open || track->re_entry == 'n')
			return false;
		if (track->re_entry == 'a' &&
			rows[i].exited_at + track->re_entry_after > now)
			return false;
	}
	return true;
}

/* Returns the step at which a lead left a track last, 0 = it never walked it. */
int32
nurture_track_left_at(const Track *track, const Enrollment *rows, int n)
{
	int64		last = 0;
	int32		step_no = 0;

	for (int i = 0; i < n; i++)
	{
		if (strcmp(rows[i].track, track->code) != 0 || rows[i].enrollment_no < last)
			continue;
		last = rows[i].enrollment_no;
		step_no = rows[i].step_no;
	}
	return step_no;
}

/* Returns the number of a lead's next enrollment. */
int64
nurture_enrollment_next(int64 lead_id)
{
	Enrollment *rows;
	int			n = nurture_enrollment_read(&lead_id, 1, false, &rows);
	int64		last = 0;

	for (int i = 0; i < n; i++)
		last = Max(last, rows[i].enrollment_no);
	return last + 1;
}

static const char *
versions_json(const char *track, int32 version, const char *hash)
{
	return psprintf("{\"track\": \"%s\", \"version\": %d, \"content_hash\": \"%s\"}",
					track, version, hash ? hash : "");
}

/*
 * Enrolls a lead; false when another enrollment of the purpose came first.
 */
bool
nurture_enrollment_enter(const TrackRules *rules, Subject *subject,
						 const TrackVersion *version, int32 from_step,
						 int64 enrollment_no, const char *by, int64 event_id,
						 const char *reason)
{
	const Track *track = version->track;
	const TrackStep *step = nurture_track_step(version, from_step);
	CadenceLevel level = nurture_track_level(rules, subject);
	AuditEntry	entry = {0};
	GateHold	hold = nurture_gate_hold(subject->lead_id, track->code,
										 track->purpose, track->product, subject->now);
	Datum		values[12];
	char		nulls[13] = "            ";
	const char *campaign;

	if (step == NULL)
		step = nurture_track_step(version, 0);
	values[0] = Int64GetDatum(subject->lead_id);
	values[1] = Int64GetDatum(enrollment_no);
	values[2] = CStringGetTextDatum(track->code);
	values[3] = Int32GetDatum(version->version);
	values[4] = CStringGetTextDatum(track->purpose);
	values[5] = Int32GetDatum(step->step_no);
	values[6] = TimestampTzGetDatum(subject->now);
	values[7] = TimestampTzGetDatum(nurture_track_due(rules, track, step, subject, subject->now,
													  subject->now, hold.pace));
	values[8] = CStringGetTextDatum(by);
	values[9] = Int64GetDatum(event_id);
	nulls[9] = event_id == 0 ? 'n' : ' ';

	/* of the event that led here, else the one the lead came by */
	if (subject->event != NULL && subject->event->campaign != NULL)
		campaign = subject->event->campaign;
	else
		campaign = nurture_subject_text(subject, SUBJECT_CAMPAIGN);
	nulls[10] = campaign == NULL ? 'n' : ' ';
	values[10] = campaign == NULL ? (Datum) 0 : CStringGetTextDatum(campaign);
	values[11] = CStringGetTextDatum(hold.paused ? "paused" : "active");
	if (write_row(&insert_row, values, nulls) == 0)
		return false;

	entry.has_lead = true;
	entry.lead_id = subject->lead_id;
	entry.kind = "enrollment";
	entry.object = psprintf("enrollment:" INT64_FORMAT, enrollment_no);
	entry.outcome = "entered";
	entry.reasons = &by;
	entry.nreasons = 1;
	if (event_id != 0)
		entry.trigger_json = psprintf("{\"event\": " INT64_FORMAT "}", event_id);
	entry.versions_json = versions_json(track->code, version->version, version->hash);
	entry.inputs = psprintf("{\"step\": %d, \"level\": %d, \"pace\": %d%s}", step->step_no, level,
							hold.pace, hold.paused ? ", \"paused\": true" : "");
	entry.reason = reason;
	nurture_audit_append(&entry, 1);
	return true;
}

/*
 * Ends an enrollment for a reason that is a code, with the words of a person
 * if there are any; false when it is no longer as it was read.
 */
bool
nurture_enrollment_end(Enrollment *e, const char *state,
					   const char *exit_reason, const char *by,
					   const char *words, TimestampTz at)
{
	const TrackVersion *version =
	nurture_track_version(nurture_track_find(nurture_track_rules(), e->track), e->version);
	AuditEntry	entry = {0};
	Datum		values[7];

	values[0] = Int64GetDatum(e->lead_id);
	values[1] = Int64GetDatum(e->enrollment_no);
	values[2] = CStringGetTextDatum(state);
	values[3] = CStringGetTextDatum(exit_reason);
	values[4] = CStringGetTextDatum(by);
	values[5] = TimestampTzGetDatum(at);
	values[6] = Int32GetDatum(e->step_no);
	if (write_row(&end_row, values, NULL) == 0)
		return false;
	e->open = false;
	e->state = state;
	e->exited_at = at;

	entry.has_lead = true;
	entry.lead_id = e->lead_id;
	entry.kind = "enrollment";
	entry.object = psprintf("enrollment:" INT64_FORMAT, e->enrollment_no);
	entry.outcome = state;
	entry.reasons = &exit_reason;
	entry.nreasons = 1;
	entry.trigger_json = psprintf("{\"by\": \"%s\"}", by);
	entry.versions_json = versions_json(e->track, e->version, version ? version->hash : NULL);
	entry.reason = words;
	nurture_audit_append(&entry, 1);
	return true;
}

/*
 * Takes an enrollment to a step and an instant; false when it is no longer as
 * it was read.  The audit entry is the caller's, who knows why.
 */
bool
nurture_enrollment_move(Enrollment *e, const char *state, int32 step_no,
						TimestampTz due_from, TimestampTz next_due_at,
						int32 refusals)
{
	Datum		values[8];

	values[0] = Int64GetDatum(e->lead_id);
	values[1] = Int64GetDatum(e->enrollment_no);
	values[2] = CStringGetTextDatum(state);
	values[3] = Int32GetDatum(step_no);
	values[4] = TimestampTzGetDatum(due_from);
	values[5] = TimestampTzGetDatum(next_due_at);
	values[6] = Int16GetDatum(refusals);
	values[7] = Int32GetDatum(e->step_no);
	if (write_row(&move_row, values, NULL) == 0)
		return false;
	e->state = state;
	e->step_no = step_no;
	e->due_from = due_from;
	e->next_due_at = next_due_at;
	e->refusals = refusals;
	return true;
}

static Datum
array_of(Datum *items, int n, Oid type, int length, char align)
{
	return PointerGetDatum(construct_array(items, n, type, length,
										   length > 0 && (length <= 4 || FLOAT8PASSBYVAL), align));
}

/* The same for many; false when one of them is no longer as it was read. */
bool
nurture_enrollment_move_all(const EnrollmentMove *moves, int n)
{
	enum
	{
		COLUMNS = 8
	};
	Datum	   *items[COLUMNS];
	Datum		values[COLUMNS];

	if (n == 1)
		return nurture_enrollment_move(moves->e, moves->state, moves->step_no, moves->due_from,
									   moves->next_due_at, moves->refusals);
	for (int c = 0; c < COLUMNS; c++)
		items[c] = palloc(n * sizeof(Datum));
	for (int i = 0; i < n; i++)
	{
		const EnrollmentMove *move = &moves[i];

		items[0][i] = Int64GetDatum(move->e->lead_id);
		items[1][i] = Int64GetDatum(move->e->enrollment_no);
		items[2][i] = CStringGetTextDatum(move->state);
		items[3][i] = Int32GetDatum(move->step_no);
		items[4][i] = TimestampTzGetDatum(move->due_from);
		items[5][i] = TimestampTzGetDatum(move->next_due_at);
		items[6][i] = Int16GetDatum(move->refusals);
		items[7][i] = Int32GetDatum(move->e->step_no);
	}
	values[0] = array_of(items[0], n, INT8OID, 8, TYPALIGN_DOUBLE);
	values[1] = array_of(items[1], n, INT8OID, 8, TYPALIGN_DOUBLE);
	values[2] = array_of(items[2], n, TEXTOID, -1, TYPALIGN_INT);
	values[3] = array_of(items[3], n, INT4OID, 4, TYPALIGN_INT);
	values[4] = array_of(items[4], n, TIMESTAMPTZOID, 8, TYPALIGN_DOUBLE);
	values[5] = array_of(items[5], n, TIMESTAMPTZOID, 8, TYPALIGN_DOUBLE);
	values[6] = array_of(items[6], n, INT2OID, 2, TYPALIGN_SHORT);
	values[7] = array_of(items[7], n, INT4OID, 4, TYPALIGN_INT);
	if (write_row(&move_rows, values, NULL) != n)
		return false;
	for (int i = 0; i < n; i++)
	{
		Enrollment *e = moves[i].e;

		e->state = moves[i].state;
		e->step_no = moves[i].step_no;
		e->due_from = moves[i].due_from;
		e->next_due_at = moves[i].next_due_at;
		e->refusals = moves[i].refusals;
	}
	return true;
}

static void
record_not_entered(int64 lead_id, const TrackVersion *version,
				   const char *reason, char *inputs)
{
	AuditEntry	entry = {0};

	entry.has_lead = true;
	entry.lead_id = lead_id;
	entry.kind = "enrollment";
	entry.outcome = "not_entered";
	entry.reasons = &reason;
	entry.nreasons = 1;
	entry.versions_json = versions_json(version->track->code, version->version, version->hash);
	entry.inputs = inputs;
	nurture_audit_append(&entry, 1);
}

/* Records that a track wanted a lead and another one has it. */
void
nurture_enrollment_lost(int64 lead_id, const TrackVersion *version,
						const char *code, const char *winner)
{
	record_not_entered(lead_id, version, "lower_priority",
					   psprintf("{\"entry\": \"%s\", \"on_track\": \"%s\"}", code, winner));
}

/* Records that a branch leads to a track that the lead may not walk again. */
void
nurture_enrollment_not_again(int64 lead_id, const TrackVersion *version,
							 const char *branch)
{
	record_not_entered(lead_id, version, "re_entry",
					   psprintf("{\"branch\": \"%s\"}", branch));
}

/* Records that a lead goes on at another step of its track. */
void
nurture_enrollment_moved(const Enrollment *e, const TrackVersion *version,
						 const char *outcome, const char *branch,
						 int64 event_id)
{
	AuditEntry	entry = {0};

	entry.has_lead = true;
	entry.lead_id = e->lead_id;
	entry.kind = "enrollment";
	entry.object = psprintf("enrollment:" INT64_FORMAT, e->enrollment_no);
	entry.outcome = outcome;
	if (branch != NULL)
	{
		entry.reasons = &branch;
		entry.nreasons = 1;
	}
	if (event_id != 0)
		entry.trigger_json = psprintf("{\"event\": " INT64_FORMAT "}", event_id);
	entry.versions_json = versions_json(e->track, e->version, version ? version->hash : NULL);
	entry.inputs = psprintf("{\"step\": %d}", e->step_no);
	nurture_audit_append(&entry, 1);
}

/* Records that a track wanted a lead and a stop rule kept it out. */
void
nurture_enrollment_barred(int64 lead_id, const TrackVersion *version,
						  const char *code, const char *rule)
{
	record_not_entered(lead_id, version, "stopped",
					   psprintf("{\"entry\": \"%s\", \"stop_rule\": \"%s\"}", code, rule));
}

/*
 * Gives a lead the label of a branch.  Where rules read labels its standing is
 * decided, so the caller has its gate row.
 */
void
nurture_track_label(int64 lead_id, const Track *track, const TrackRule *branch,
					TimestampTz at)
{
	MarkGiven	given = {lead_id, branch->label};

	if (branch->label == NULL)
		return;
	given.by = psprintf("branch:%s/%s", track->code, branch->code);
	nurture_mark_give(&given, 1, at);
}
