/*
 * what_if.h
 *	  Which leads a version would move.
 */
#ifndef NURTURE_WHAT_IF_H
#define NURTURE_WHAT_IF_H

#include "base/compat.h"
#include "scoring/model.h"

/* grades A1 to D4, and none */
#define WHAT_IF_GRADES 17
#define WHAT_IF_NO_GRADE 16

/* How many leads go from which grade to which. */
typedef struct WhatIfMatrix
{
	int64		leads;			/* all of them */
	int64		compared;		/* that a model applies to now */
	int64		moved;			/* of those, whose grade changes */
	int64		cells[WHAT_IF_GRADES][WHAT_IF_GRADES];	/* old, new */
} WhatIfMatrix;

/*
 * Counts in one pass, with the rights of the current user, what leads a
 * version is for have now and would have under it.  against is the version to
 * compare with, 0 = what is in force.  condition is as of nurture_score_pass.
 */
extern void nurture_what_if_count(const char *model, int version, int against,
								  const char *condition, WhatIfMatrix *matrix);

/* Returns the most frequent moves in words, such as "A2 to B2: 12, ...". */
extern char *nurture_what_if_moves(const WhatIfMatrix *matrix, int most);

#endif							/* NURTURE_WHAT_IF_H */
