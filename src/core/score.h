/*
 * score.h
 *	  Points from a tally: a pure function in integers.
 *
 * Points are hundredths in int64; whatever does not fit is SCORE_OVERFLOW,
 * never a wrapped number.  The order is fixed:
 *
 *	  1. count policy: at most per_day_max occurrences of a day count; of what
 *		 is left, the count_max most recent ones;
 *	  2. points x factor: the sum over the days of count x factor is exact,
 *		 then multiplied by the points and rounded once, half away from zero;
 *	  3. rule floor and cap;
 *	  4. group floor and cap on the sum of the group;
 *	  5. dimension floor and cap on its groups and its ungrouped rules;
 *	  6. total floor and cap on fit + intent.
 *
 * What counts.  Ages 0..nfactor-1 count; days after today never do.  Older
 * ones and the ever count of a tally count only under a rule with ever set
 * (curve "none"), in full: rolling a tally at or before the horizon changes
 * no score.  The ever count is the oldest; under per_day_max it is bounded by
 * folded days x per_day_max, which is exact for 1, and nurture_score_check
 * refuses more than 1 there.
 *
 * Limits.  A rule without a counted occurrence that still has weight gives
 * exactly 0, whatever its floor: rule limits bound points that exist.  Group,
 * dimension and total limits bound sums and always apply, also to the sum 0
 * of a lead that did nothing.
 *
 * Explanation.  The points of all rules plus nurture_score_group_adjustment
 * of every group plus nurture_score_adjustment of every dimension is the
 * total, exactly; without that of the total it is fit + intent.
 */
#ifndef NURTURE_CORE_SCORE_H
#define NURTURE_CORE_SCORE_H

#include <stdbool.h>
#include <stdint.h>

#include "tally.h"

#define NURTURE_SCORE_MAX_POINTS	INT64_C(1000000000000)	/* of one rule */
#define NURTURE_SCORE_NO_FLOOR		INT64_MIN
#define NURTURE_SCORE_NO_CAP		INT64_MAX
#define NURTURE_SCORE_NO_GROUP		(-1)

typedef enum ScoreStatus
{
	SCORE_OK,
	SCORE_OVERFLOW,				/* points do not fit 64 bits */
	SCORE_BAD_ORDER,			/* rules not ascending by signal */
	SCORE_BAD_POINTS,			/* beyond NURTURE_SCORE_MAX_POINTS */
	SCORE_BAD_FACTOR,			/* below 0 or beyond ten times */
	SCORE_BAD_POLICY,			/* per_day_max above 1 on ever counts */
	SCORE_BAD_LIMIT,			/* floor above cap */
	SCORE_BAD_GROUP				/* group or dimension does not exist */
} ScoreStatus;

typedef enum ScoreDimension
{
	SCORE_FIT,
	SCORE_INTENT,
	SCORE_TOTAL
} ScoreDimension;

#define NURTURE_SCORE_DIMENSIONS	3

typedef struct ScoreSignalRule
{
	uint16_t	signal;			/* key in the tally */
	bool		ever;			/* folded and older days count in full */
	int16_t		group;			/* index, or none: then dimension intent */
	uint32_t	per_day_max;	/* 0 = no limit */
	uint32_t	count_max;		/* 0 = no limit */
	int			nfactor;		/* ages the table covers */
	const int32_t *factor;		/* millionths by age, see curve.h */
	int64_t		points;			/* hundredths for one occurrence */
	int64_t		floor;			/* NURTURE_SCORE_NO_FLOOR = none */
	int64_t		cap;			/* NURTURE_SCORE_NO_CAP = none */
} ScoreSignalRule;

typedef struct ScoreRuleResult
{
	uint64_t	occurrences;	/* counted after the count policy */
	int32_t		last_day;		/* latest counted; else as in tally_last */
	int64_t		raw_points;		/* occurrences x points, before decay */
	int64_t		decayed;		/* after decay, before the rule's limits */
	int64_t		points;			/* after the rule's limits */
} ScoreRuleResult;

typedef struct ScoreLimit
{
	int64_t		floor;			/* NURTURE_SCORE_NO_FLOOR = none */
	int64_t		cap;			/* NURTURE_SCORE_NO_CAP = none */
} ScoreLimit;

typedef struct ScoreGroup
{
	ScoreDimension dimension;	/* SCORE_FIT or SCORE_INTENT */
	ScoreLimit	limit;
} ScoreGroup;

/*
 * Which rule counts which signal, for scoring without a search: made once for
 * a model by nurture_score_index.  A slot is a rule that is the only one of
 * its signal, fades in the end, knows no count_max and has points within
 * reason; the first slot takes the signals of all others, and counts nothing.
 */
#define NURTURE_SCORE_MAX_SLOTS		64
#define NURTURE_SCORE_MAX_INDEXED	4096	/* signals from here on have none */
#define NURTURE_SCORE_SLOT_POINTS	(INT64_C(1) << 26)

typedef struct ScoreSlot
{
	const int32_t *factor;
	uint32_t	nfactor;
	uint32_t	per_day_less_1; /* most that count of a day */
	int			group;			/* index, or none */
	int64_t		points;
	int64_t		floor;
	int64_t		cap;
} ScoreSlot;

typedef struct ScoreIndex
{
	ScoreSlot	slots[NURTURE_SCORE_MAX_SLOTS];
	int			nslots;
	int			longest;		/* ages that the longest table covers */
	int			nothers;
	int		   *others;			/* rules without a slot, ascending */
	int			nsignals;
	uint8_t    *slot_of;		/* of a signal below nsignals */
} ScoreIndex;

typedef struct ScoreModel
{
	const ScoreSignalRule *rules;	/* ascending by signal, repeats allowed */
	int			nrules;
	const ScoreGroup *groups;
	int			ngroups;
	ScoreLimit	limits[NURTURE_SCORE_DIMENSIONS];	/* by ScoreDimension */
	const ScoreIndex *index;	/* NULL = none, same points */
} ScoreModel;

typedef struct ScoreTotals
{
	int64_t		points[NURTURE_SCORE_DIMENSIONS];	/* the score; by finish */
	int64_t		sums[NURTURE_SCORE_DIMENSIONS]; /* before that limit */
	int64_t    *group_sums;		/* per group before its limit; not owned */
} ScoreTotals;

extern const char *nurture_score_status_text(ScoreStatus status);

/*
 * Answers whether a model may be scored with; the functions below trust it.
 * *where (may be NULL) is the rule or group at fault, -1 for a dimension.
 */
extern ScoreStatus nurture_score_check(const ScoreModel *model, int *where);

/*
 * Makes the index of a model that was checked.  others has room for
 * model->nrules numbers, slot_of for NURTURE_SCORE_MAX_INDEXED.
 */
extern void nurture_score_index(const ScoreModel *model, ScoreIndex *index,
								int *others, uint8_t *slot_of);

/* Scores one rule. */
extern ScoreStatus nurture_score_rule(const ScoreSignalRule *rule,
									  const Tally *tally, int32_t today,
									  ScoreRuleResult *result);

/*
 * Scoring a lead: begin, then in any order add for each fit rule and pattern
 * and signals for the tally, then finish.  group_sums is the caller's array
 * of model->ngroups numbers (NULL if there are none).  A group decides its
 * points' dimension, so add's dimension matters without a group only.
 * signals makes one pass over rules and entries; results, unless NULL, gets
 * one result per rule in the order of the rules.
 */
extern void nurture_score_begin(const ScoreModel *model, ScoreTotals *totals,
								int64_t *group_sums);
extern ScoreStatus nurture_score_add(const ScoreModel *model,
									 ScoreTotals *totals,
									 ScoreDimension dimension, int group,
									 int64_t points);
extern ScoreStatus nurture_score_signals(const ScoreModel *model,
										 const Tally *tally, int32_t today,
										 ScoreTotals *totals,
										 ScoreRuleResult *results);
extern ScoreStatus nurture_score_finish(const ScoreModel *model,
										ScoreTotals *totals);

/*
 * What a limit added (positive) or took away (negative), after finish.
 */
extern int64_t nurture_score_group_adjustment(const ScoreModel *model,
											  const ScoreTotals *totals,
											  int group);
extern int64_t nurture_score_adjustment(const ScoreTotals *totals,
										ScoreDimension dimension);

/*
 * Answers the index of the first band whose minimum the points reach, with
 * the minima in descending order; -1 when they reach none.
 */
extern int	nurture_score_band(const int64_t *min_points_desc, int n,
							   int64_t points);

/*
 * Answers the decayed weight of one key in millionths of an occurrence
 * (UINT64_MAX when it is that or more): what a lead's interest is made of.
 */
extern uint64_t nurture_score_weight(const Tally *tally, uint16_t key,
									 const int32_t *factor, int nfactor,
									 int32_t today);

#endif							/* NURTURE_CORE_SCORE_H */
