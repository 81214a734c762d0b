/*
 * curve.h
 *	  Decay curves, compiled to one table of factors by age.
 *
 * The age of an occurrence is the number of whole UTC days since its day; a
 * factor is in millionths (1000000 = full points).  Whatever its kind, a
 * curve becomes factor[age] for ages 0..horizon-1 and is 0 from the horizon
 * on, except "none", which is 1000000 at every age and for what was folded.
 *
 *	  none			1
 *	  half_life(d)	2^(-age/d)
 *	  linear(d)		max(0, 1 - age/d)
 *	  step(...)		percent of the first step whose day is not below the age
 *					(days are inclusive), 0 after the last step
 *	  window(d)		1 for ages 0..d inclusive, 0 after
 *
 * rounded half up, in integers only: a table is the same on every platform.
 */
#ifndef NURTURE_CORE_CURVE_H
#define NURTURE_CORE_CURVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NURTURE_CURVE_ONE			1000000 /* factor of full points */
#define NURTURE_CURVE_MAX_HORIZON	3660	/* days, ten years */
#define NURTURE_CURVE_MAX_PERCENT	100000	/* 1000 %, in hundredths */
#define NURTURE_CURVE_MAX_FACTOR	(10 * NURTURE_CURVE_ONE)

typedef enum CurveKind
{
	CURVE_NONE,
	CURVE_HALF_LIFE,
	CURVE_LINEAR,
	CURVE_STEP,
	CURVE_WINDOW
} CurveKind;

typedef struct CurveStep
{
	int32_t		days;			/* last age of this step, from 0 */
	int32_t		percent;		/* in hundredths: 100 % is 10000 */
} CurveStep;

typedef struct CurveSpec
{
	CurveKind	kind;
	int32_t		days;			/* of half_life, linear and window */
	const CurveStep *steps;		/* of step */
	int			nsteps;
} CurveSpec;

typedef enum CurveStatus
{
	CURVE_OK,
	CURVE_BAD_KIND,				/* not a CurveKind */
	CURVE_BAD_HORIZON,			/* not 1..NURTURE_CURVE_MAX_HORIZON */
	CURVE_DAYS_NOT_POSITIVE,	/* days below 1 */
	CURVE_DAYS_BEYOND_HORIZON,	/* the horizon would cut the curve off */
	CURVE_NO_STEPS,				/* step curve without a step */
	CURVE_STEP_DAYS_NEGATIVE,	/* a step that ends before age 0 */
	CURVE_STEPS_NOT_INCREASING, /* a step that ends before the last one */
	CURVE_STEP_BEYOND_HORIZON,	/* a step that ends at or after the horizon */
	CURVE_BAD_PERCENT			/* not 0..NURTURE_CURVE_MAX_PERCENT */
} CurveStatus;

typedef struct CurveError
{
	CurveStatus status;
	int			step;			/* index of the step at fault, -1 if none */
} CurveError;

extern const char *nurture_curve_status_text(CurveStatus status);
extern const char *nurture_curve_kind_name(CurveKind kind);
extern bool nurture_curve_kind_from_name(const char *name, size_t len,
										 CurveKind *kind);

/*
 * Fills factors[0..horizon-1]; on an error they are untouched and *error (may
 * be NULL) says where.  half_life and linear take days up to the horizon,
 * window and the steps up to the day before it.
 */
extern CurveStatus nurture_curve_compile(const CurveSpec *spec,
										 int32_t *factors, int horizon,
										 CurveError *error);

#endif							/* NURTURE_CORE_CURVE_H */
