/*
 * rules.h
 *	  Private to the tracks room: tracks compiled, and enrollments written.
 */
#ifndef NURTURE_TRACKS_RULES_H
#define NURTURE_TRACKS_RULES_H

#include "base/compat.h"
#include "core/condition.h"
#include "datatype/timestamp.h"
#include "facts/subject.h"
#include "utils/array.h"

typedef enum CadenceLevel
{
	LEVEL_ACTIVE,
	LEVEL_WARM,
	LEVEL_QUIET,
	LEVEL_COLD,
	CADENCE_LEVELS
} CadenceLevel;

typedef enum StepKind
{
	STEP_SEND,					/* message, invitation, question */
	STEP_WAIT,
	STEP_TASK,
	STEP_HANDOFF,
	STEP_STAGE
} StepKind;

typedef struct TrackStep
{
	int32		step_no;
	StepKind	kind;
	const char *action;
	const char *target;			/* team, route, stage or fact; NULL = none */
	int64		due_within;		/* of a task: microseconds of work, 0 = none */
	Condition  *known;			/* of a question: it is answered; NULL = ask */
	const char *family;			/* NULL = any */
	ArrayType  *required_tags;	/* NULL = none */
	ArrayType  *preferred_tags;
	int64		wait;			/* microseconds */
	bool		from_enrollment;
	const char *date_key;		/* attribute the wait counts from, or NULL */
	bool		date_of_account;	/* of the account, else of the lead */
	int			nchannels;		/* 0 = any */
	const char **channels;
	Condition  *condition;		/* NULL = always */
	char		on_none;		/* s, h, e: skip, hold, exit */
} TrackStep;

typedef struct TrackRule
{
	const char *code;
	Condition  *condition;		/* NULL: by inactivity */
	int			nsignals;		/* that the condition names */
	int		   *signals;
	bool		any_signal;		/* names none: asked at every event */
	int32		from_step;		/* entry: begin; branch: 0 = any */
	bool		once_goal_unmet;	/* entry */
	int			segment;		/* entry: place in segments, -1 = any lead */
	int32		inactivity_days;	/* branch, 0 = by condition */
	const char *to_track;		/* branch, NULL = out */
	int32		to_step;		/* branch, 0 = the first */
	bool		resume;			/* branch: where the lead left the track */
	const char *label;			/* branch: that leads get, NULL = none */
} TrackRule;

typedef struct TrackVersion
{
	int32		version;
	bool		published;
	const char *hash;			/* hex */
	int			nsteps;
	TrackStep  *steps;			/* ascending */
	int			nentries;
	TrackRule  *entries;
	int			nbranches;
	TrackRule  *branches;		/* highest priority first */
	const struct Track *track;
} TrackVersion;

typedef struct Track
{
	const char *code;
	const char *purpose;
	const char *product;
	int32		priority;
	int			goal_signal;	/* -1 = none */
	int			naudiences;
	const char **audiences;
	char		re_entry;		/* n, a, A: never, after, always */
	int64		re_entry_after; /* microseconds */
	int			nwake;
	int		   *wake;			/* signal ids */
	int			nversions;		/* published and retired ones */
	TrackVersion *versions;
	TrackVersion *published;	/* NULL = none */
} Track;

typedef struct TrackSegment
{
	const char *code;
	Condition  *condition;
} TrackSegment;

/* How a level of engagement stretches waits, and what suits it. */
typedef struct Cadence
{
	int64		factor;			/* hundredths */
	bool		sends;
	ArrayType  *preferred_tags; /* of its formats; NULL = none */
} Cadence;

typedef struct CadenceRule
{
	const Track *track;			/* NULL = all */
	int			segment;		/* -1 = all */
	const char *stage;			/* NULL = all */
	CadenceLevel level;
	Cadence		cadence;
} CadenceRule;

typedef struct TrackRules
{
	int			ncadence;
	CadenceRule *cadence;		/* most specific first */
	int			nsegments;
	TrackSegment *segments;
	int			ntracks;
	Track	   *tracks;			/* highest priority first, then by code */
	int32		within_days[CADENCE_LEVELS];
	int			max_signal;
	bool	   *wanted;			/* by signal id, [0] = tags */
	bool		all_wanted;
	bool		labels;			/* some branch gives one */
	bool	   *engagement;		/* by signal id: counts as activity */
} TrackRules;

extern void nurture_track_rules_init(void);
extern const TrackRules *nurture_track_rules(void);
extern const Track *nurture_track_find(const TrackRules *rules, const char *code);
extern const TrackVersion *nurture_track_version(const Track *track, int32 version);
extern const TrackStep *nurture_track_step(const TrackVersion *version, int32 step_no);

/* Gives a lead the label of a branch that it takes, if there is one. */
extern void nurture_track_label(int64 lead_id, const Track *track,
								const TrackRule *branch, TimestampTz at);

/* A lead's walk, as read. */
typedef struct Enrollment
{
	int64		lead_id;
	int64		enrollment_no;
	const char *track;
	int32		version;
	const char *purpose;
	int32		step_no;
	const char *state;
	bool		open;			/* active, waiting or paused */
	TimestampTz due_from;
	TimestampTz next_due_at;
	TimestampTz entered_at;
	TimestampTz exited_at;		/* DT_NOBEGIN = not */
	int32		refusals;
} Enrollment;

extern CadenceLevel nurture_track_level(const TrackRules *rules,
										const Subject *subject);
extern int32 nurture_track_quiet_days(const TrackRules *rules,
									  const Subject *subject);
extern Cadence nurture_track_cadence(const TrackRules *rules, const Track *track,
									 Subject *subject, CadenceLevel level);
extern bool nurture_track_in_segment(const TrackRules *rules, int segment,
									 Subject *subject);
extern TimestampTz nurture_track_date(const TrackStep *step,
									  const Subject *subject);
extern TimestampTz nurture_track_due(const TrackRules *rules, const Track *track,
									 const TrackStep *step, Subject *subject,
									 TimestampTz from, TimestampTz entered_at,
									 int32 pace);

/* The condition, as JSON, that a fact is known. */
extern char *nurture_track_known(const char *fact);

extern int32 nurture_track_left_at(const Track *track,
								   const struct Enrollment *rows, int n);

/* What another enrollment of a track would be: may it begin? */
extern bool nurture_track_again(const Track *track, const struct Enrollment *rows,
								int n, TimestampTz now);

extern int	nurture_enrollment_read(const int64 *leads, int nleads, bool lock,
									Enrollment **result);
extern int	nurture_enrollment_take(const int64 *leads, int nleads,
									Enrollment **result);
extern int64 nurture_enrollment_next(int64 lead_id);
extern bool nurture_enrollment_enter(const TrackRules *rules, Subject *subject,
									 const TrackVersion *version,
									 int32 from_step, int64 enrollment_no,
									 const char *by, int64 event_id,
									 const char *reason);
extern bool nurture_enrollment_end(Enrollment *e, const char *state,
								   const char *exit_reason, const char *by,
								   const char *words, TimestampTz at);
extern bool nurture_enrollment_move(Enrollment *e, const char *state,
									int32 step_no, TimestampTz due_from,
									TimestampTz next_due_at, int32 refusals);

/* Where an enrollment goes. */
typedef struct EnrollmentMove
{
	Enrollment *e;
	const char *state;
	int32		step_no;
	TimestampTz due_from;
	TimestampTz next_due_at;
	int32		refusals;
} EnrollmentMove;

extern bool nurture_enrollment_move_all(const EnrollmentMove *moves, int n);
extern void nurture_enrollment_lost(int64 lead_id, const TrackVersion *version,
									const char *code, const char *winner);

extern void nurture_enrollment_not_again(int64 lead_id,
										 const TrackVersion *version,
										 const char *branch);
extern void nurture_enrollment_moved(const Enrollment *e,
									 const TrackVersion *version,
									 const char *outcome, const char *branch,
									 int64 event_id);
extern void nurture_enrollment_barred(int64 lead_id,
									  const TrackVersion *version,
									  const char *code, const char *rule);

extern bool nurture_track_takes_audience(const Track *track,
										 const Subject *subject);
extern void nurture_track_react_init(void);
extern void nurture_track_stop_init(void);
extern void nurture_track_denied(int64 lead_id, const char *reason,
								 const char *by);
extern void nurture_tick_init(void);
extern void nurture_track_lint_init(void);
extern void nurture_tick_enrollments(const int64 *leads, int nleads,
									 TimestampTz now);
extern void nurture_tick_due(const int64 *leads, int nleads, TimestampTz now);

#endif							/* NURTURE_TRACKS_RULES_H */
