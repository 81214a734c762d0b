/*
 * step.c
 *	  One step of one enrollment: the next asset, its message, the next date.
 *
 * The caller holds the lead's gate row.  The message is inserted before the
 * enrollment is updated, as the lock order wants; when the enrollment turns
 * out to have changed meanwhile, the error undoes the message.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/errors.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "content/content.h"
#include "content/experiment.h"
#include "facts/vocabulary.h"
#include "gate/gate.h"
#include "lib/stringinfo.h"
#include "routing/routing.h"
#include "tracks/step.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/json.h"
#include "utils/timestamp.h"

/* a held or refused step is tried again after its wait, at least after this */
#define RETRY_AFTER USECS_PER_DAY
/* refusals in a row after which an enrollment ends */
#define MAX_REFUSALS 3

/* The gate fills the rest and decides. */
static KeptPlan insert_message =
KEPT_PLAN("INSERT INTO nurture.message (lead_id, channel, asset_id, "
		  "version, track, enrollment_no, step_no, trigger_kind, "
		  "experiment, arm, propensity, not_before) "
		  "VALUES ($1, $2, $3, $4, $5, $6, $7, 'step', $8, $9, "
		  "$10 / 1000000.0, $11) "
		  "RETURNING message_id, status, reasons",
		  INT8OID, TEXTOID, TEXTOID, INT4OID, TEXTOID, INT8OID, INT4OID,
		  TEXTOID, TEXTOID, INT4OID, TIMESTAMPTZOID);

/* Reasons that end nurturing, not only this message; a pause passes. */
static KeptPlan ending_reason =
KEPT_PLAN("SELECT reason "
		  "FROM nurture.reason "
		  "WHERE reason = ANY ($1) AND reason <> 'paused' "
		  "AND class IN ('consent', 'suppression', 'stop', 'lead') "
		  "ORDER BY reason LIMIT 1",
		  TEXTARRAYOID);

typedef struct StepRun
{
	const TrackRules *rules;
	const Track *track;
	const TrackVersion *version;
	const TrackStep *step;
	Subject    *subject;
	Enrollment *e;
	CadenceLevel level;
	Cadence		cadence;		/* of that level, for this lead */
	int32		pace;			/* of the lead, hundredths */
	const ContentDraw *draw;	/* NULL = in no experiment */
	int32		propensity;		/* of the asset, millionths; 0 = no lot */
	StringInfoData passed_over; /* channels without an asset, as JSON members */
} StepRun;

static void changed_meanwhile(void) pg_attribute_noreturn();

/* Raises what makes the tick try the lead another time. */
static void
changed_meanwhile(void)
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

/* Appends the entry of what became of a step. */
static void
record(const StepRun *run, int32 step_no, const char *outcome,
	   const char *const *reasons, int nreasons, int64 message_id,
	   const ContentChoice *choice)
{
	AuditEntry	entry = {0};
	StringInfoData inputs;

	entry.has_lead = true;
	entry.lead_id = run->e->lead_id;
	entry.kind = "step";
	entry.object = psprintf("enrollment:" INT64_FORMAT, run->e->enrollment_no);
	entry.outcome = outcome;
	entry.reasons = reasons;
	entry.nreasons = nreasons;
	entry.trigger_json = "{\"by\": \"tick\"}";
	entry.versions_json = psprintf("{\"track\": \"%s\", \"version\": %d, \"content_hash\": \"%s\", \"selection\": \"%s\", \"selection_version\": %d%s}",
								   run->track->code, run->version->version,
								   run->version->hash ? run->version->hash : "",
								   choice && choice->selection ? choice->selection : "",
								   choice ? choice->selection_version : 0,
								   run->draw == NULL ? "" :
								   psprintf(", \"experiment\": \"%s\", \"experiment_version\": %d, \"arm\": \"%s\"",
											run->draw->experiment, run->draw->version,
											run->draw->arms[run->draw->chosen].arm));
	initStringInfo(&inputs);
	appendStringInfo(&inputs, "{\"step\": %d, \"level\": %d, \"action\": \"%s\"", step_no, run->level, run->step->action);
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
	entry.inputs = inputs.data;
	nurture_audit_append(&entry, 1);
}

static void
finish(StepRun *run, const char *state, const char *reason)
{
	if (!nurture_enrollment_end(run->e, state, reason, "tick", NULL, run->subject->now))
		changed_meanwhile();
}

/* Goes on to the next step, or completes the track. */
static void
advance(StepRun *run)
{
	const TrackStep *next = nurture_track_step(run->version, run->step->step_no + 1);

	if (next == NULL)
	{
		finish(run, "completed", "last_step");
		return;
	}
	if (!nurture_enrollment_move(run->e, "active", next->step_no, run->subject->now,
								 nurture_track_due(run->rules, run->track, next, run->subject,
												   run->subject->now, run->e->entered_at, run->pace), 0))
		changed_meanwhile();
}

/* Leaves the step where it is, to be tried again. */
static void
hold(StepRun *run, int32 refusals)
{
	int64		wait = Max(run->step->wait, RETRY_AFTER) / 100 *
	run->cadence.factor / 100 * run->pace;

	if (!nurture_enrollment_move(run->e, "waiting", run->e->step_no,
								 run->subject->now,
								 run->subject->now + Max(wait, RETRY_AFTER),
								 refusals))
		changed_meanwhile();
}

/* Notes why nothing goes by a channel. */
static void
pass_over(StepRun *run, const char *channel, const ContentChoice *choice)
{
	StringInfo	json = &run->passed_over;

	if (json->data == NULL)
		initStringInfo(json);
	appendStringInfo(json, "%s\"%s\": [", json->len > 0 ? ", " : "", channel);
	for (int i = 0; i < choice->nrefusals; i++)
		appendStringInfo(json, "%s\"%s\"", i > 0 ? ", " : "", choice->refusals[i]);
	if (choice->nrefusals == 0)
		appendStringInfo(json, "\"%s\"", choice->reason);
	appendStringInfoChar(json, ']');
}

/* Returns two arrays of texts as one; NULL when both are. */
static ArrayType *
both(ArrayType *a, ArrayType *b)
{
	if (a == NULL || b == NULL)
		return a ? a : b;
	return DatumGetArrayTypeP(OidFunctionCall2(F_ARRAY_CAT, PointerGetDatum(a), PointerGetDatum(b)));
}

/* Returns the tag of the therapeutic area that the lead named, if it is one. */
static ArrayType *
stated_area(const Subject *subject)
{
	char	   *area = nurture_subject_text(subject, SUBJECT_THERAPEUTIC_AREA);
	char	   *tag;
	Datum		item;

	if (area == NULL)
		return NULL;
	tag = psprintf("therapeutic_area:%s", area);
	if (nurture_tag_id(tag, strlen(tag)) < 0)
		return NULL;
	item = CStringGetTextDatum(tag);
	return construct_array(&item, 1, TEXTOID, -1, false, TYPALIGN_INT);
}

/*
 * Chooses for each channel of the step in order until there is an asset, as an
 * experiment says if there is one.  How likely an experiment was to choose it
 * is a matter of all channels at once.
 */
static ContentChoice
choose(StepRun *run)
{
	ContentRequest request = {0};
	ContentChoice choice = {0};
	const TrackStep *step = run->step;

	request.family = step->family;
	request.required_tags = step->required_tags;
	request.preferred_tags = both(both(step->preferred_tags, run->cadence.preferred_tags),
								  stated_area(run->subject));
	request.at = run->subject->now;
	if (step->nchannels == 0 || (run->draw != NULL && run->draw->chooses))
		return nurture_content_choose_step(run->subject, &request, step->channels,
										   step->nchannels, run->draw, &run->propensity);
	for (int i = 0; i < step->nchannels && choice.chosen == NULL; i++)
	{
		choice = nurture_content_choose_step(run->subject, &request, &step->channels[i], 1,
											 run->draw, &run->propensity);
		if (choice.chosen == NULL)
			pass_over(run, step->channels[i], &choice);
	}
	return choice;
}

static Datum
reason_array(const char *const *reasons, int n)
{
	Datum	   *items = palloc(Max(n, 1) * sizeof(Datum));

	for (int i = 0; i < n; i++)
		items[i] = CStringGetTextDatum(reasons[i]);
	return PointerGetDatum(construct_array(items, n, TEXTOID, -1, false,
										   TYPALIGN_INT));
}

static const char **
reason_list(Datum array, int *n)
{
	Datum	   *items;
	bool	   *nulls;
	const char **result;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false,
					  TYPALIGN_INT, &items, &nulls, n);
	result = palloc(Max(*n, 1) * sizeof(char *));
	for (int i = 0; i < *n; i++)
		result[i] = nulls[i] ? "" : TextDatumGetCString(items[i]);
	return result;
}

/* The gate said no: an end when it is the lead who may not be contacted. */
static void
refused(StepRun *run, Datum reasons)
{
	char	   *ending = NULL;

	nurture_execute(&ending_reason, &reasons, NULL, false);
	if (SPI_processed > 0)
		ending = nurture_cell_text(0, 1);
	if (ending != NULL)
		finish(run, "exited", ending);
	else if (run->e->refusals + 1 >= MAX_REFUSALS)
		finish(run, "exited", "refused");
	else
		hold(run, run->e->refusals + 1);
}

/* What the step says for when it cannot do what it is there for. */
static void
without(StepRun *run, const char *reason)
{
	if (run->step->on_none == 's')
		advance(run);
	else if (run->step->on_none == 'e')
		finish(run, "exited", reason);
	else
		hold(run, run->e->refusals);
}

/*
 * Waits for the date that the step counts from; true when it has not come, or
 * the step is over without it.
 */
static bool
waits_for_date(StepRun *run)
{
	TimestampTz now = run->subject->now;
	TimestampTz date;
	const char *reason;

	if (run->step->date_key == NULL)
		return false;
	date = nurture_track_date(run->step, run->subject);
	if (TIMESTAMP_IS_NOBEGIN(date))
	{
		reason = "date_unknown";
		if (run->step->on_none != 'h' || strcmp(run->e->state, "waiting") != 0)
			record(run, run->step->step_no, run->step->on_none == 's' ? "skipped" : "held_back", &reason, 1, 0, NULL);
		without(run, reason);
		return true;
	}
	if (date + run->step->wait > now)
	{
		if (!nurture_enrollment_move(run->e, "active", run->e->step_no, run->e->due_from,
									 Min(date + run->step->wait, now + RETRY_AFTER), run->e->refusals))
			changed_meanwhile();
		return true;
	}
	if (run->step->wait < 0 && date <= now)
	{
		/* too late to remind anybody */
		reason = "date_passed";
		record(run, run->step->step_no, "skipped", &reason, 1, 0, NULL);
		advance(run);
		return true;
	}
	return false;
}

/* Gives a team a task; after the enrollment, as the lock order wants. */
static void
give_task(StepRun *run)
{
	const char *reason = "team_not_permitted";
	const TrackStep *step = run->step;
	char	   *title = psprintf("Step %d of track %s", step->step_no, run->track->code);
	int64		task_id;

	advance(run);
	task_id = nurture_routing_step_task(run->subject, step->target, title, step->due_within);
	record(run, step->step_no, task_id != 0 ? "task" : "no_task", task_id != 0 ? NULL : &reason,
		   task_id != 0 ? 0 : 1, 0, NULL);
}

/* Hands the lead over, when a route takes it. */
static void
hand_over(StepRun *run)
{
	const char *reason = "no_route";

	if (!nurture_routing_takes(run->subject, run->step->target))
	{
		record(run, run->step->step_no, "held_back", &reason, 1, 0, NULL);
		without(run, reason);
		return;
	}
	run->subject->product = run->track->product;
	run->subject->standing_read = false;
	record(run, run->step->step_no, "handed_over", NULL, 0, 0, NULL);
	advance(run);
	(void) nurture_routing_hand_over(run->subject, run->step->target,
									 psprintf("step %d of track %s", run->step->step_no, run->track->code));
}

/* Moves the lead to a lifecycle stage, where tracks may. */
static void
move_stage(StepRun *run)
{
	const char *reason = "no_transition";
	bool		moved = nurture_routing_step_stage(run->subject, run->step->target);

	record(run, run->step->step_no, moved ? "stage_moved" : "stage_kept", moved ? NULL : &reason,
		   moved ? 0 : 1, 0, NULL);
	advance(run);
}

/* Nothing can be sent: what the step says then. */
static void
without_asset(StepRun *run, const ContentChoice *choice)
{
	bool		used_up = strcmp(choice->reason, "seen") == 0;

	if (choice->nrefusals > 0)
	{
		record(run, run->step->step_no, "not_permitted", choice->refusals,
			   choice->nrefusals, 0, choice);
		refused(run, reason_array(choice->refusals, choice->nrefusals));
		return;
	}
	record(run, run->step->step_no, "no_asset", &choice->reason, 1, 0, choice);
	if (run->step->on_none == 's')
	{
		if (used_up && nurture_track_step(run->version, run->step->step_no + 1) == NULL)
			finish(run, "exhausted", "all_content_used");
		else
			advance(run);
	}
	else if (used_up)
		finish(run, "exhausted", "all_content_used");
	else
		without(run, "no_asset");
}

/* Hands an asset to the gate and goes on as it decides. */
static void
send(StepRun *run, const ContentChoice *choice)
{
	Datum		values[11];
	char		nulls[12] = "           ";
	int64		message_id;
	char	   *status;
	Datum		reasons;
	bool		isnull;
	bool		no_reasons;
	const char **codes = NULL;
	int			ncodes = 0;

	values[0] = Int64GetDatum(run->e->lead_id);
	values[1] = CStringGetTextDatum(choice->chosen->channel);
	values[2] = CStringGetTextDatum(choice->chosen->asset_id);
	values[3] = Int32GetDatum(choice->chosen->version);
	values[4] = CStringGetTextDatum(run->track->code);
	values[5] = Int64GetDatum(run->e->enrollment_no);
	values[6] = Int32GetDatum(run->step->step_no);
	memset(&nulls[7], 'n', 4);
	if (run->draw != NULL)
	{
		values[7] = CStringGetTextDatum(run->draw->experiment);
		values[8] = CStringGetTextDatum(run->draw->arms[run->draw->chosen].arm);
		nulls[7] = nulls[8] = ' ';
		values[9] = Int32GetDatum(run->propensity);
		nulls[9] = run->propensity > 0 ? ' ' : 'n';
		values[10] = TimestampTzGetDatum(run->draw->not_before);
		nulls[10] = TIMESTAMP_IS_NOBEGIN(run->draw->not_before) ? 'n' : ' ';
	}
	nurture_execute(&insert_message, values, nulls, false);
	if (SPI_processed == 0)
		elog(ERROR, "a message of a track step was dropped");
	message_id = DatumGetInt64(nurture_cell(0, 1, &isnull));
	status = nurture_cell_text(0, 2);
	reasons = nurture_cell(0, 3, &no_reasons);
	if (!no_reasons)
	{
		reasons = datumCopy(reasons, false, -1);
		codes = reason_list(reasons, &ncodes);
	}
	record(run, run->step->step_no, status, codes, ncodes, message_id, choice);
	if (strcmp(status, "refused") != 0)
		advance(run);
	else if (no_reasons)
		hold(run, run->e->refusals + 1);
	else
		refused(run, reasons);
}

/* Leaves for another track, or altogether, after days without engagement. */
static bool
branch_by_inactivity(StepRun *run)
{
	int32		quiet = nurture_track_quiet_days(run->rules, run->subject);
	Enrollment *rows;
	int			n;

	for (int i = 0; i < run->version->nbranches; i++)
	{
		const TrackRule *branch = &run->version->branches[i];
		const Track *to = NULL;
		int32		to_step = branch->to_step;

		if (branch->inactivity_days == 0 || quiet < branch->inactivity_days ||
			(branch->from_step != 0 && branch->from_step != run->e->step_no))
			continue;
		if (branch->to_track != NULL)
		{
			to = nurture_track_find(run->rules, branch->to_track);
			if (to == NULL || to->published == NULL || to == run->track ||
				!nurture_track_takes_audience(to, run->subject))
				continue;
			n = nurture_enrollment_read(&run->e->lead_id, 1, false, &rows);
			if (branch->resume)
				to_step = nurture_track_left_at(to, rows, n);
			else if (!nurture_track_again(to, rows, n, run->subject->now))
				continue;
		}
		finish(run, "exited", branch->code);
		nurture_track_label(run->e->lead_id, run->track, branch, run->subject->now);
		if (to != NULL &&
			!nurture_enrollment_enter(run->rules, run->subject, to->published,
									  to_step,
									  nurture_enrollment_next(run->e->lead_id),
									  psprintf("branch:%s", branch->code), 0, NULL))
			changed_meanwhile();
		return true;
	}
	return false;
}

/* Skips a step that is not for the lead, or asks what is known. */
static bool
passed_by(StepRun *run)
{
	const char *reason;

	if (run->step->condition != NULL &&
		nurture_subject_eval(run->subject, run->step->condition) != NURTURE_TRUE)
		reason = "condition";
	else if (run->step->known != NULL &&
			 nurture_subject_eval(run->subject, run->step->known) == NURTURE_TRUE)
		reason = "known";
	else
		return false;
	record(run, run->step->step_no, "skipped", &reason, 1, 0, NULL);
	advance(run);
	return true;
}

/* Works off one step; sent says whether something was handed to the gate. */
static void
run_step(const TrackRules *rules, Subject *subject, Enrollment *e, bool *sent)
{
	StepRun		run = {0};
	ContentChoice choice;

	run.rules = rules;
	run.subject = subject;
	run.e = e;
	run.track = nurture_track_find(rules, e->track);
	run.version = nurture_track_version(run.track, e->version);
	if (run.version == NULL)
	{
		finish(&run, "exited", "track_gone");
		return;
	}
	if (!TIMESTAMP_IS_NOBEGIN(subject->erased_at))
	{
		finish(&run, "exited", "erased");
		return;
	}
	subject->product = run.track->product;
	run.level = nurture_track_level(rules, subject);
	run.cadence = nurture_track_cadence(rules, run.track, subject, run.level);
	run.pace = nurture_gate_hold(e->lead_id, run.track->code, run.track->purpose,
								 run.track->product, subject->now).pace;
	run.draw = nurture_experiment_draw(subject, run.track->code);
	if (run.draw != NULL)
		run.pace = (int32) ((int64) run.pace * run.draw->arms[run.draw->chosen].pace / 100);
	run.step = nurture_track_step(run.version, e->step_no);
	if (run.step == NULL)
	{
		finish(&run, "completed", "last_step");
		return;
	}
	if (branch_by_inactivity(&run))
		return;
	if (waits_for_date(&run) || passed_by(&run))
		return;
	switch (run.step->kind)
	{
		case STEP_WAIT:
			record(&run, run.step->step_no, "waited", NULL, 0, 0, NULL);
			advance(&run);
			return;
		case STEP_TASK:
			give_task(&run);
			return;
		case STEP_HANDOFF:
			hand_over(&run);
			return;
		case STEP_STAGE:
			move_stage(&run);
			return;
		case STEP_SEND:
			break;
	}
	if (!run.cadence.sends)
	{
		const char *reason = "cadence";

		record(&run, run.step->step_no, "held_back", &reason, 1, 0, NULL);
		hold(&run, e->refusals);
		return;
	}
	choice = choose(&run);
	*sent = choice.chosen != NULL;
	if (*sent)
		send(&run, &choice);
	else
		without_asset(&run, &choice);
}

/*
 * Works off what is due of one enrollment.  Steps that send nothing follow
 * each other; after a message the next one waits for its own date.
 */
void
nurture_track_run_step(const TrackRules *rules, Subject *subject, Enrollment *e)
{
	int32		step_no;
	bool		sent = false;

	do
	{
		step_no = e->step_no;
		subject->standing_read = false;
		run_step(rules, subject, e, &sent);
	} while (!sent && e->open && e->step_no > step_no && e->next_due_at <= subject->now);
}
