/*
 * step.h
 *	  Private to the tracks room: a step of an enrollment.
 */
#ifndef NURTURE_TRACKS_STEP_H
#define NURTURE_TRACKS_STEP_H

#include "content/content.h"
#include "content/experiment.h"
#include "lib/stringinfo.h"
#include "tracks/rules.h"

/* a held or refused step is tried again after its wait, at least after this */
#define RETRY_AFTER USECS_PER_DAY

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
	ContentChoice choice;		/* what is sent */
} StepRun;

/*
 * Steps of several leads, ascending, whose messages go to the gate in one
 * statement: a statement for one row costs three times its share of one for
 * many.  Nothing else in it takes locks behind those of enrollments.
 */
typedef struct StepBatch
{
	int			n;
	StepRun    *runs;			/* with room for one of each lead */
	bool		later;			/* out: this lead is to be run by itself too */
} StepBatch;

/*
 * Works off what is due of one enrollment; batch NULL: all of it, at once.
 * held: the gate row says that stops or pauses may be in force.
 */
extern void nurture_track_run_step(const TrackRules *rules, Subject *subject,
								   Enrollment *e, bool held, StepBatch *batch);

/* Hands what was chosen to the gate; enrollments go on as it decides. */
extern void nurture_step_send(StepRun *runs, int n);

extern void nurture_step_changed(void) pg_attribute_noreturn();
extern void nurture_step_record(const StepRun *run, const char *outcome,
								const char *const *reasons, int nreasons,
								const ContentChoice *choice);
extern void nurture_step_finish(StepRun *run, const char *state,
								const char *reason);
extern void nurture_step_advance(StepRun *run);
extern void nurture_step_hold(StepRun *run, int32 refusals);
extern void nurture_step_refused(StepRun *run, const char *const *reasons,
								 int nreasons);

#endif							/* NURTURE_TRACKS_STEP_H */
