/*
 * pass.h
 *	  One pass over all leads, and points as numeric for many rows.
 */
#ifndef NURTURE_PASS_H
#define NURTURE_PASS_H

#include "base/compat.h"
#include "facts/subject.h"
#include "scoring/model.h"

/*
 * Called once per lead, in a memory context that is reset after it.  What the
 * subject holds is good until the call returns.
 */
typedef void (*PassVisit) (void *arg, Subject *subject);

/*
 * Reads every lead that is neither merged nor erased nor a test, by lead_id,
 * with the rights of the current user, and visits each as the executor makes
 * its row: nothing is copied or kept.  mask has the columns that are read;
 * condition, NULL or SQL beginning with AND, may name the lead as l.
 */
extern void nurture_score_pass(uint64 mask, const char *condition,
							   PassVisit visit, void *arg);

/*
 * The same without the executor, for all leads; false, and nothing was
 * visited, when a query has to do it.
 */
extern bool nurture_score_pass_direct(uint64 mask, PassVisit visit, void *arg);

/* Where a column's value is made, and values that rows repeat. */
typedef struct PointsCache PointsCache;
typedef struct GradeCache GradeCache;

extern PointsCache *nurture_points_cache(void);
extern Datum nurture_points_cached(PointsCache *cache, int64 points);
extern Datum nurture_share_cached(PointsCache *cache, int share);
extern GradeCache *nurture_grade_cache(void);
extern Datum nurture_grade_cached(const GradeCache *cache, const char *grade,
								  bool *isnull);

#endif							/* NURTURE_PASS_H */
