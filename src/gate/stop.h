/*
 * stop.h
 *	  Private to the gate room: stop rules compiled, and what they put in
 *	  force.
 */
#ifndef NURTURE_GATE_STOP_H
#define NURTURE_GATE_STOP_H

#include "core/condition.h"
#include "gate/gate_private.h"

typedef enum StopEffectKind
{
	STOP_STOP,
	STOP_SUPPRESS,				/* promotional and disease awareness */
	STOP_PAUSE,
	STOP_SLOW,
	STOP_EXIT_TRACK,
	STOP_SWITCH_TRACK
} StopEffectKind;

/* What an effect is about; NULL = all. */
typedef struct StopScope
{
	int			classes;		/* bits */
	ArrayType  *channels;
	ArrayType  *purposes;
	ArrayType  *products;
	ArrayType  *tracks;
	const char *but_track;		/* that a switch leads to; NULL = none */
} StopScope;

typedef struct StopRule
{
	const char *rule;
	const Condition *condition;
	const char *effect;
	const char *mode;
	const char *scope;			/* JSON */
	int32		factor;			/* hundredths */
	const char *to_track;		/* NULL = none */
	bool		has_duration;
	Interval	duration;
	Datum		lifted_by;		/* text[] */
	int			nsignals;
	const int  *signals;		/* ids the condition names */
	bool		tags;			/* the condition names a tag */
	int			states;			/* bits GATE_STATE_*: asked when one changes */
} StopRule;

/* A signal that lifts effects. */
typedef struct StopLifter
{
	int			signal;
	const char *text;			/* as in lifted_by */
	int32		days;			/* the end is so long after it; -1 = at once */
} StopLifter;

typedef struct StopRules
{
	int			n;
	StopRule   *rules;			/* by code */
	int			nlifters;
	StopLifter *lifters;
	int			states;			/* of all rules */
} StopRules;

/* What is in force for a lead. */
typedef struct GateStop
{
	const char *rule;
	StopEffectKind kind;
	bool		shadow;
	StopScope	scope;
	int32		factor;			/* of STOP_SLOW, hundredths */
	TimestampTz until;
	const char *lifted_by;		/* "{...}" */
} GateStop;

/* What is to be put in force. */
typedef struct StopEffect
{
	int64		lead_id;
	const char *rule;
	const char *effect;
	const char *mode;
	const char *scope;			/* JSON */
	int32		factor;			/* hundredths, 0 = none */
	const char *to_track;		/* NULL = none */
	TimestampTz since;
	TimestampTz until;
	bool		at_once;		/* acts at this moment only */
	int64		event_id;		/* 0 = none */
	Datum		lifted_by;		/* text[] */
	const char *reason;			/* NULL = none */
	const char *actor;			/* NULL = as the session says */
} StopEffect;

/* stop_rules.c */
extern void nurture_stop_rules_init(void);
extern const StopRules *nurture_stop_rules(void);
extern const StopRule *nurture_stop_rule_find(const char *code);
extern bool nurture_stop_parse_lifter(const char *text, char **code,
									  int32 *days);

/* stop_scope.c */
extern StopEffectKind nurture_stop_kind(const char *effect);
extern void nurture_stop_scope(const char *effect, const char *json,
							   const char *to_track, StopScope *scope);
extern bool nurture_stop_covers(const StopScope *scope, int class,
								const char *channel, const char *purpose,
								const char *track, ArrayType *products);
extern bool nurture_stop_covers_track(const StopScope *scope,
									  const char *track, const char *purpose,
									  const char *product);

/* stop.c */
extern bool nurture_stop_of_rule(const StopRule *rule, StopEffect *effect);
extern void nurture_stop_put(const StopEffect *effect);
extern void nurture_stop_apply_tracks(const StopEffect *effect);
extern bool nurture_stop_is_open(int64 lead_id, const char *rule,
								 TimestampTz now);
extern int	nurture_stop_lift_rule(int64 lead_id, const char *rule,
								   const char *cause);
extern void nurture_stop_end_after(int64 lead_id, const StopLifter *lifter,
								   TimestampTz at);

/* stop_react.c */
extern void nurture_stop_react_init(void);

#endif							/* NURTURE_GATE_STOP_H */
