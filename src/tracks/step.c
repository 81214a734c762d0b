/*
 * step.c
 *	  One step of one enrollment: what there is to do, and the next asset.
 *
 * The caller holds the lead's gate row; see step_send.c for what follows.
 */
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "facts/vocabulary.h"
#include "gate/gate.h"
#include "routing/routing.h"
#include "tracks/step.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/timestamp.h"

/* what nothing slows down, as nurture_gate_hold says it */
#define USUAL_PACE 100

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

/* What the step says for when it cannot do what it is there for. */
static void
without(StepRun *run, const char *reason)
{
	if (run->step->on_none == 's')
		nurture_step_advance(run);
	else if (run->step->on_none == 'e')
		nurture_step_finish(run, "exited", reason);
	else
		nurture_step_hold(run, run->e->refusals);
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
			nurture_step_record(run, run->step->on_none == 's' ? "skipped" : "held_back", &reason, 1, NULL);
		without(run, reason);
		return true;
	}
	if (date + run->step->wait > now)
	{
		if (!nurture_enrollment_move(run->e, "active", run->e->step_no, run->e->due_from,
									 Min(date + run->step->wait, now + RETRY_AFTER), run->e->refusals))
			nurture_step_changed();
		return true;
	}
	if (run->step->wait < 0 && date <= now)
	{
		/* too late to remind anybody */
		reason = "date_passed";
		nurture_step_record(run, "skipped", &reason, 1, NULL);
		nurture_step_advance(run);
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

	nurture_step_advance(run);
	task_id = nurture_routing_step_task(run->subject, step->target, title, step->due_within);
	nurture_step_record(run, task_id != 0 ? "task" : "no_task", task_id != 0 ? NULL : &reason,
						task_id != 0 ? 0 : 1, NULL);
}

/* Hands the lead over, when a route takes it. */
static void
hand_over(StepRun *run)
{
	const char *reason = "no_route";

	if (!nurture_routing_takes(run->subject, run->step->target))
	{
		nurture_step_record(run, "held_back", &reason, 1, NULL);
		without(run, reason);
		return;
	}
	run->subject->product = run->track->product;
	run->subject->standing_read = false;
	nurture_step_record(run, "handed_over", NULL, 0, NULL);
	nurture_step_advance(run);
	(void) nurture_routing_hand_over(run->subject, run->step->target,
									 psprintf("step %d of track %s", run->step->step_no, run->track->code));
}

/* Moves the lead to a lifecycle stage, where tracks may. */
static void
move_stage(StepRun *run)
{
	const char *reason = "no_transition";
	bool		moved = nurture_routing_step_stage(run->subject, run->step->target);

	nurture_step_record(run, moved ? "stage_moved" : "stage_kept", moved ? NULL : &reason,
						moved ? 0 : 1, NULL);
	nurture_step_advance(run);
}

/* Nothing can be sent: what the step says then. */
static void
without_asset(StepRun *run, const ContentChoice *choice)
{
	bool		used_up = strcmp(choice->reason, "seen") == 0;

	if (choice->nrefusals > 0)
	{
		nurture_step_record(run, "not_permitted", choice->refusals,
							choice->nrefusals, choice);
		nurture_step_refused(run, choice->refusals, choice->nrefusals);
		return;
	}
	nurture_step_record(run, "no_asset", &choice->reason, 1, choice);
	if (run->step->on_none == 's')
	{
		if (used_up && nurture_track_step(run->version, run->step->step_no + 1) == NULL)
			nurture_step_finish(run, "exhausted", "all_content_used");
		else
			nurture_step_advance(run);
	}
	else if (used_up)
		nurture_step_finish(run, "exhausted", "all_content_used");
	else
		without(run, "no_asset");
}

/*
 * Leaves for another track, or altogether, after days without engagement; not
 * in a batch, because a label may lead to a hand-off.
 */
static bool
branch_by_inactivity(StepRun *run, StepBatch *batch)
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
		if (batch != NULL)
		{
			batch->later = true;
			return true;
		}
		nurture_step_finish(run, "exited", branch->code);
		nurture_track_label(run->e->lead_id, run->track, branch, run->subject->now);
		if (to != NULL &&
			!nurture_enrollment_enter(run->rules, run->subject, to->published,
									  to_step,
									  nurture_enrollment_next(run->e->lead_id),
									  psprintf("branch:%s", branch->code), 0, NULL))
			nurture_step_changed();
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
	nurture_step_record(run, "skipped", &reason, 1, NULL);
	nurture_step_advance(run);
	return true;
}

/* Works off one step; sent says whether something goes to the gate. */
static void
run_step(const TrackRules *rules, Subject *subject, Enrollment *e, bool held,
		 StepBatch *batch, bool *sent)
{
	StepRun		run = {0};

	run.rules = rules;
	run.subject = subject;
	run.e = e;
	run.track = nurture_track_find(rules, e->track);
	run.version = nurture_track_version(run.track, e->version);
	if (run.version == NULL)
	{
		nurture_step_finish(&run, "exited", "track_gone");
		return;
	}
	if (!TIMESTAMP_IS_NOBEGIN(subject->erased_at))
	{
		nurture_step_finish(&run, "exited", "erased");
		return;
	}
	subject->product = run.track->product;
	run.level = nurture_track_level(rules, subject);
	run.cadence = nurture_track_cadence(rules, run.track, subject, run.level);
	run.pace = !held ? USUAL_PACE :
		nurture_gate_hold(e->lead_id, run.track->code, run.track->purpose,
						  run.track->product, subject->now).pace;
	run.draw = nurture_experiment_draw(subject, run.track->code);
	if (run.draw != NULL)
		run.pace = (int32) ((int64) run.pace * run.draw->arms[run.draw->chosen].pace / 100);
	run.step = nurture_track_step(run.version, e->step_no);
	if (run.step == NULL)
	{
		nurture_step_finish(&run, "completed", "last_step");
		return;
	}
	if (branch_by_inactivity(&run, batch))
		return;
	if (waits_for_date(&run) || passed_by(&run))
		return;
	if (batch != NULL && run.step->kind != STEP_WAIT && run.step->kind != STEP_SEND)
	{
		batch->later = true;
		return;
	}
	switch (run.step->kind)
	{
		case STEP_WAIT:
			nurture_step_record(&run, "waited", NULL, 0, NULL);
			nurture_step_advance(&run);
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

		nurture_step_record(&run, "held_back", &reason, 1, NULL);
		nurture_step_hold(&run, e->refusals);
		return;
	}
	run.choice = choose(&run);
	*sent = run.choice.chosen != NULL;
	if (!*sent)
		without_asset(&run, &run.choice);
	else if (batch != NULL)
		batch->runs[batch->n++] = run;
	else
		nurture_step_send(&run, 1);
}

/*
 * Works off what is due of one enrollment.  Steps that send nothing follow
 * each other; after a message the next one waits for its own date.
 */
void
nurture_track_run_step(const TrackRules *rules, Subject *subject, Enrollment *e,
					   bool held, StepBatch *batch)
{
	int32		step_no;
	bool		sent = false;

	do
	{
		step_no = e->step_no;
		subject->standing_read = false;
		run_step(rules, subject, e, held, batch, &sent);
	} while (!sent && e->open && e->step_no > step_no && e->next_due_at <= subject->now);
}
