/*
 * stop.c
 *	  What stop rules and pauses do to enrollments: end, pause, slow down,
 *	  switch to another track, and let go on.
 *
 * Called by the gate with its row locked, after the messages, as the lock
 * order wants.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/clock.h"
#include "facts/subject.h"
#include "gate/gate.h"
#include "tracks/rules.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/timestamp.h"

/* Appends the entry of what became of an enrollment that goes on. */
static void
record(const Enrollment *e, const GateTrackEffect *effect, const char *outcome)
{
	AuditEntry	entry = {0};
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoString(&json, "{\"stop_rule\": ");
	escape_json(&json, effect->rule);
	if (effect->event_id != 0)
		appendStringInfo(&json, ", \"event\": " INT64_FORMAT, effect->event_id);
	appendStringInfoChar(&json, '}');
	entry.has_lead = true;
	entry.lead_id = e->lead_id;
	entry.kind = "enrollment";
	entry.object = psprintf("enrollment:" INT64_FORMAT, e->enrollment_no);
	entry.outcome = outcome;
	entry.trigger_json = json.data;
	entry.inputs = psprintf("{\"step\": %d}", e->step_no);
	entry.reason = effect->words;
	nurture_audit_append(&entry, 1);
}

static void
pause_one(Enrollment *e, const GateTrackEffect *effect)
{
	if (strcmp(e->state, "paused") != 0 &&
		nurture_enrollment_move(e, "paused", e->step_no, e->due_from, e->next_due_at, e->refusals))
		record(e, effect, "paused");
}

/* Goes on where the pause began, at the earliest now. */
static void
release_one(Enrollment *e, const Track *track, const GateTrackEffect *effect, TimestampTz now)
{
	GateHold	hold;

	if (strcmp(e->state, "paused") != 0)
		return;
	hold = nurture_gate_hold(e->lead_id, track->code, track->purpose, track->product, now);
	if (!hold.paused &&
		nurture_enrollment_move(e, "active", e->step_no, e->due_from, Max(e->next_due_at, now), e->refusals))
		record(e, effect, "resumed");
}

/* Puts off the step that is waiting; the ones after it are when their time comes. */
static void
slow_one(Enrollment *e, const Track *track, Subject *subject,
		 const GateTrackEffect *effect)
{
	const TrackVersion *version = nurture_track_version(track, e->version);
	const TrackStep *step = version ? nurture_track_step(version, e->step_no) : NULL;
	GateHold	hold;
	TimestampTz due;

	if (step == NULL)
		return;
	hold = nurture_gate_hold(e->lead_id, track->code, track->purpose, track->product, subject->now);
	due = nurture_track_due(nurture_track_rules(), track, step, subject, e->due_from,
							e->entered_at, hold.pace);
	if ((hold.pace > 100 ? due > e->next_due_at : due < e->next_due_at) &&
		nurture_enrollment_move(e, e->state, e->step_no, e->due_from, Max(due, subject->now), e->refusals))
		record(e, effect, hold.pace > 100 ? "slowed_down" : "brought_forward");
}

/* Enters the track that a lead is switched to. */
static void
enter(Subject *subject, const GateTrackEffect *effect)
{
	const TrackRules *rules = nurture_track_rules();
	const Track *to = nurture_track_find(rules, effect->to_track);
	char	   *by = psprintf("stop_rule:%s", effect->rule);

	if (to == NULL || to->published == NULL || to->published->nsteps == 0 ||
		!nurture_track_takes_audience(to, subject))
		return;
	(void) nurture_enrollment_enter(rules, subject, to->published, 0,
									nurture_enrollment_next(subject->lead_id), by,
									effect->event_id, effect->words);
}

/* Does to the enrollments of a lead what an effect says; see gate.h. */
static void
apply(const GateTrackEffect *effect)
{
	const TrackRules *rules = nurture_track_rules();
	TimestampTz now = nurture_now_wall();
	Subject    *subject = NULL;
	Enrollment *rows;
	bool		ended = false;
	int			n = nurture_enrollment_read(&effect->lead_id, 1, true, &rows);

	for (int i = 0; i < n; i++)
	{
		const Track *track;

		if (!rows[i].open)
			continue;
		track = nurture_track_find(rules, rows[i].track);
		if (track == NULL ||
			(effect->act != GATE_TRACKS_RELEASE &&
			 !effect->covers(effect->scope, track->code, track->purpose, track->product)))
			continue;
		if (subject == NULL &&
			(effect->act == GATE_TRACKS_SLOW || effect->act == GATE_TRACKS_SWITCH))
		{
			subject = nurture_subject_load(effect->lead_id, nurture_now_statement(), true);
			if (subject == NULL || subject->lead_id != effect->lead_id)
				return;
		}
		switch (effect->act)
		{
			case GATE_TRACKS_END:
			case GATE_TRACKS_SWITCH:
				ended = nurture_enrollment_end(&rows[i], "exited", effect->exit_reason,
											   psprintf("stop_rule:%s", effect->rule),
											   effect->words, now) || ended;
				break;
			case GATE_TRACKS_PAUSE:
				pause_one(&rows[i], effect);
				break;
			case GATE_TRACKS_SLOW:
				slow_one(&rows[i], track, subject, effect);
				break;
			case GATE_TRACKS_RELEASE:
				release_one(&rows[i], track, effect, now);
				break;
		}
	}
	if (ended && effect->act == GATE_TRACKS_SWITCH)
		enter(subject, effect);
}

/* Offers the gate what it needs of tracks. */
void
nurture_track_stop_init(void)
{
	static const GateTracks offered = {.apply = apply,.denied = nurture_track_denied};

	nurture_gate_tracks = &offered;
}
