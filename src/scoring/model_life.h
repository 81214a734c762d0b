/*
 * model_life.h
 *	  What the files that check and publish a model version share.
 */
#ifndef NURTURE_MODEL_LIFE_H
#define NURTURE_MODEL_LIFE_H

#include "base/compat.h"
#include "scoring/model.h"

/* severity is error or warning; path, such as band/fit/A, may be NULL */
typedef void (*FindingVisit) (void *arg, const char *text,
							  const char *severity, const char *path);

/* Visits what is wrong with a version. */
extern void nurture_model_check(const char *model, int version,
								FindingVisit visit, void *arg);

/* Visits the bands and limits of a version that its rules cannot reach. */
extern void nurture_model_check_reach(const CompiledModel *m,
									  FindingVisit visit, void *arg);

#endif							/* NURTURE_MODEL_LIFE_H */
