/*
 * model_life.h
 *	  What checking and publishing a model version share.
 */
#ifndef NURTURE_MODEL_LIFE_H
#define NURTURE_MODEL_LIFE_H

#include "base/compat.h"

/* severity is error or warning; path, such as band/fit/A, may be NULL */
typedef void (*FindingVisit) (void *arg, const char *text,
							  const char *severity, const char *path);

/* Visits what is wrong with a version, errors first. */
extern void nurture_model_check(const char *model, int version,
								FindingVisit visit, void *arg);

#endif							/* NURTURE_MODEL_LIFE_H */
