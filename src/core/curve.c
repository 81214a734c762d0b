/*
 * curve.c
 *	  Compiles decay curves; see curve.h.
 */
#include "curve.h"

#include <string.h>

/* ln 2 as a fraction of 2^64, and 1 as a fraction of 2^63 */
#define LN2_Q64		UINT64_C(0xB17217F7D1CF79AB)
#define ONE_Q63		(UINT64_C(1) << 63)

/*
 * Terms of the series of exp(-z) for z < ln 2: the first one left out is
 * below 2^-86, under the last bit of a Q63 number.
 */
#define EXP_TERMS	24

/* Half-lives after which a factor rounds to 0: 10^6 / 2^21 < 1/2 */
#define MAX_HALVINGS 20

static const char *const kind_names[] =
{
	[CURVE_NONE] = "none",
	[CURVE_HALF_LIFE] = "half_life",
	[CURVE_LINEAR] = "linear",
	[CURVE_STEP] = "step",
	[CURVE_WINDOW] = "window",
};

#define NKINDS	((int) (sizeof(kind_names) / sizeof(kind_names[0])))

const char *
nurture_curve_status_text(CurveStatus status)
{
	switch (status)
	{
		case CURVE_OK:
			return "no error";
		case CURVE_BAD_KIND:
			return "unknown kind of curve";
		case CURVE_BAD_HORIZON:
			return "horizon must be 1 to 3660 days";
		case CURVE_DAYS_NOT_POSITIVE:
			return "days must be positive";
		case CURVE_DAYS_BEYOND_HORIZON:
			return "days reach beyond the horizon";
		case CURVE_NO_STEPS:
			return "a step curve needs at least one step";
		case CURVE_STEP_DAYS_NEGATIVE:
			return "days of a step must not be negative";
		case CURVE_STEPS_NOT_INCREASING:
			return "days of the steps must increase";
		case CURVE_STEP_BEYOND_HORIZON:
			return "days of a step reach beyond the horizon";
		case CURVE_BAD_PERCENT:
			return "percent of a step must be 0 to 1000";
	}
	return "unknown curve status";
}

/*
 * Answers the name of a kind as it stands in signal_rule.curve.
 */
const char *
nurture_curve_kind_name(CurveKind kind)
{
	return (int) kind >= 0 && (int) kind < NKINDS ? kind_names[kind] : NULL;
}

/*
 * Answers the kind of a name; false when there is none.
 */
bool
nurture_curve_kind_from_name(const char *name, size_t len, CurveKind *kind)
{
	for (int i = 0; i < NKINDS; i++)
	{
		if (strlen(kind_names[i]) == len &&
			memcmp(kind_names[i], name, len) == 0)
		{
			*kind = (CurveKind) i;
			return true;
		}
	}
	return false;
}

/*
 * Answers the upper 64 bits of a product, without needing a 128-bit type.
 */
static uint64_t
multiply_high(uint64_t a, uint64_t b)
{
	uint64_t	al = a & UINT32_MAX;
	uint64_t	ah = a >> 32;
	uint64_t	bl = b & UINT32_MAX;
	uint64_t	bh = b >> 32;
	uint64_t	mid = ah * bl + (al * bl >> 32);
	uint64_t	mid2 = al * bh + (mid & UINT32_MAX);

	return ah * bh + (mid >> 32) + (mid2 >> 32);
}

/*
 * Answers 2^(-part/days) in Q63 for part below days.
 *
 * exp(-z) with z = ln 2 * part / days by its series, from the last term
 * inward: 1 - z (1 - z/2 (1 - z/3 (...))).  The error is a few units of the
 * last bit; no factor comes nearer than 1e-8 to a rounding boundary, so every
 * factor is the correctly rounded one.
 */
static uint64_t
fraction_of_half(int32_t part, int32_t days)
{
	uint64_t	p = (uint64_t) part;
	uint64_t	d = (uint64_t) days;
	uint64_t	z = LN2_Q64 / d * p + LN2_Q64 % d * p / d;
	uint64_t	sum = ONE_Q63;

	for (uint64_t k = EXP_TERMS; k >= 1; k--)
		sum = ONE_Q63 - multiply_high(z, sum) / k;
	return sum;
}

/*
 * Fills a half-life table.
 */
static void
compile_half_life(int32_t days, int32_t *factors, int horizon)
{
	for (int32_t part = 0; part < days && part < horizon; part++)
	{
		/* the factor before halving, in Q42 */
		uint64_t	whole = multiply_high(fraction_of_half(part, days),
										  (uint64_t) NURTURE_CURVE_ONE << 43);
		int			halvings = 0;

		for (int age = part; age < horizon; age += days, halvings++)
			factors[age] = halvings > MAX_HALVINGS ? 0 : (int32_t)
				((whole + (UINT64_C(1) << (41 + halvings))) >>
				 (42 + halvings));
	}
}

/*
 * Fills a step table; the steps were checked.
 */
static void
compile_steps(const CurveStep *steps, int nsteps, int32_t *factors,
			  int horizon)
{
	int			step = 0;

	for (int age = 0; age < horizon; age++)
	{
		while (step < nsteps && age > steps[step].days)
			step++;
		factors[age] = step < nsteps ? steps[step].percent * 100 : 0;
	}
}

/*
 * Answers what is wrong with the steps of a curve.
 */
static CurveStatus
check_steps(const CurveStep *steps, int nsteps, int horizon, int *where)
{
	if (nsteps < 1)
		return CURVE_NO_STEPS;
	for (int i = 0; i < nsteps; i++)
	{
		*where = i;
		if (steps[i].days < 0)
			return CURVE_STEP_DAYS_NEGATIVE;
		if (i > 0 && steps[i].days <= steps[i - 1].days)
			return CURVE_STEPS_NOT_INCREASING;
		if (steps[i].days >= horizon)
			return CURVE_STEP_BEYOND_HORIZON;
		if (steps[i].percent < 0 ||
			steps[i].percent > NURTURE_CURVE_MAX_PERCENT)
			return CURVE_BAD_PERCENT;
	}
	*where = -1;
	return CURVE_OK;
}

/*
 * Answers what is wrong with a curve under a horizon.
 */
static CurveStatus
check_curve(const CurveSpec *spec, int horizon, int *where)
{
	if (horizon < 1 || horizon > NURTURE_CURVE_MAX_HORIZON)
		return CURVE_BAD_HORIZON;
	if ((int) spec->kind < 0 || (int) spec->kind >= NKINDS)
		return CURVE_BAD_KIND;
	if (spec->kind == CURVE_NONE)
		return CURVE_OK;
	if (spec->kind == CURVE_STEP)
		return check_steps(spec->steps, spec->nsteps, horizon, where);
	if (spec->days < 1)
		return CURVE_DAYS_NOT_POSITIVE;
	if (spec->days > horizon - (spec->kind == CURVE_WINDOW ? 1 : 0))
		return CURVE_DAYS_BEYOND_HORIZON;
	return CURVE_OK;
}

/*
 * Fills the factors of a curve, or answers what is wrong with it.
 */
CurveStatus
nurture_curve_compile(const CurveSpec *spec, int32_t *factors, int horizon,
					  CurveError *error)
{
	int			where = -1;
	CurveStatus status = check_curve(spec, horizon, &where);
	int64_t		d = spec->days;

	if (error)
	{
		error->status = status;
		error->step = where;
	}
	if (status != CURVE_OK)
		return status;
	switch (spec->kind)
	{
		case CURVE_NONE:
			for (int age = 0; age < horizon; age++)
				factors[age] = NURTURE_CURVE_ONE;
			break;
		case CURVE_HALF_LIFE:
			compile_half_life(spec->days, factors, horizon);
			break;
		case CURVE_LINEAR:
			for (int age = 0; age < horizon; age++)
				factors[age] = age >= d ? 0 : (int32_t)
					((2 * NURTURE_CURVE_ONE * (d - age) + d) / (2 * d));
			break;
		case CURVE_STEP:
			compile_steps(spec->steps, spec->nsteps, factors, horizon);
			break;
		case CURVE_WINDOW:
			for (int age = 0; age < horizon; age++)
				factors[age] = age <= d ? NURTURE_CURVE_ONE : 0;
			break;
	}
	return CURVE_OK;
}
