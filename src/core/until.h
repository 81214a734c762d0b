/*
 * until.h
 *	  The next day on which a score leaves its bands if nothing happens.
 *
 * What fades only falls: within a stretch of days in which no condition
 * changes and no factor rises, the points of each rule move one way, so that
 * the points at both ends bound all days between.  A stretch whose bounds lie
 * in the same bands is passed over whole; any other is halved.  Days on which
 * something else may happen are the caller's breaks and those that
 * nurture_until_breaks adds: factors that rise, and days still to come.
 */
#ifndef NURTURE_CORE_UNTIL_H
#define NURTURE_CORE_UNTIL_H

#include <stdbool.h>
#include <stdint.h>

#include "score.h"

typedef struct UntilBands
{
	int			n;
	const int64_t *min_points;	/* descending */
} UntilBands;

/* What does not change within a stretch. */
typedef struct UntilStretch
{
	const ScoreModel *model;
	const Tally *tally;
	const int64_t *group_sums;	/* of conditions, per group */
	int64_t		sums[2];		/* of conditions without a group: fit, intent */
	UntilBands	bands[2];		/* fit, intent */
	int			now[2];			/* bands to leave, as nurture_score_band */
	int64_t    *scratch;		/* room for 2 x model->ngroups, not NULL */
} UntilStretch;

/*
 * Marks the days after from, up to from + ndays, on which points of the
 * signal rules may rise, or change otherwise than by fading: marks[0] is the
 * day after from.
 */
extern void nurture_until_breaks(const ScoreModel *model, const Tally *tally,
								 int32_t from, int ndays, bool *marks);

/*
 * Answers the first day of a stretch (both ends included) on which the bands
 * are others, and which: *found is false when there is none.
 */
extern ScoreStatus nurture_until_find(const UntilStretch *stretch,
									  int32_t first, int32_t last,
									  bool *found, int32_t *day, int bands[2]);

#endif							/* NURTURE_CORE_UNTIL_H */
