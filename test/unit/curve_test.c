/*
 * curve_test.c
 *	  Every table of every curve against its formula; half-lives against the
 *	  exact powers of two and against long double at every age.
 */
#include <math.h>
#include <string.h>

#include "curve.h"
#include "property.h"

#define MAX_HORIZON	NURTURE_CURVE_MAX_HORIZON

static int32_t factors[MAX_HORIZON];

static CurveStatus
compile(CurveKind kind, int32_t days, int horizon)
{
	CurveSpec	spec = {kind, days, NULL, 0};

	return nurture_curve_compile(&spec, factors, horizon, NULL);
}

static CurveStatus
compile_steps(const CurveStep *steps, int nsteps, int horizon, int *where)
{
	CurveSpec	spec = {CURVE_STEP, 0, steps, nsteps};
	CurveError	error;
	CurveStatus status = nurture_curve_compile(&spec, factors, horizon,
											   &error);

	CHECK(error.status == status);
	*where = error.step;
	return status;
}

static void
test_half_life(void)
{
	long double nearest = 1;

	for (int32_t d = 1; d <= MAX_HORIZON; d += d < 120 ? 1 : 59)
	{
		bool		exact = true;
		bool		monotone = true;

		CHECK(compile(CURVE_HALF_LIFE, d, MAX_HORIZON) == CURVE_OK);
		for (int age = 0; age < MAX_HORIZON; age++)
		{
			int			k = age / d;
			long double value = 1e6L * powl(0.5L, (long double) age / d);

			if (age % d == 0)
			{
				/* 10^6 / 2^k rounded half up, in integers */
				int64_t		half = k < 22 ? 2000000 >> k : 0;

				if (factors[age] != (int32_t) ((half + 1) / 2))
					exact = false;
			}
			else
			{
				long double edge = fabsl(value - floorl(value) - 0.5L);

				if (edge < nearest)
					nearest = edge;
			}
			if (factors[age] != (int32_t) floorl(value + 0.5L))
				exact = false;
			if (age > 0 && factors[age] > factors[age - 1])
				monotone = false;
		}
		CHECK(exact);
		CHECK(monotone);
		CHECK(factors[0] == 1000000);
		if (d < MAX_HORIZON)
			CHECK(factors[d] == 500000);
		if (7 * d < MAX_HORIZON)
			CHECK(factors[7 * d] == 7813);	/* 7812.5, half up */
	}
	printf("# nearest to a rounding boundary: %Lg\n", nearest);
	CHECK(nearest > 1e-10L);
}

static void
test_others(void)
{
	CurveStep	steps[3] = {{7, 10000}, {30, 5000}, {40, 1}};
	int			where;

	CHECK(compile(CURVE_NONE, 0, 800) == CURVE_OK);
	for (int age = 0; age < 800; age++)
		CHECK(factors[age] == 1000000);

	for (int32_t d = 1; d <= 800; d++)
	{
		bool		right = true;

		CHECK(compile(CURVE_LINEAR, d, 800) == CURVE_OK);
		for (int age = 0; age < 800; age++)
		{
			/* the nearest integer f to 10^6 (d - age) / d, half up */
			int64_t		twice = 2 * INT64_C(1000000) * (d - age);
			int64_t		f = factors[age];

			if (age >= d ? f != 0 :
				(2 * f - 1) * d > twice || (2 * f + 1) * d <= twice)
				right = false;
		}
		CHECK(right);
		if (d == 800)
			continue;
		right = true;
		CHECK(compile(CURVE_WINDOW, d, 800) == CURVE_OK);
		for (int age = 0; age < 800; age++)
			right = right && factors[age] == (age <= d ? 1000000 : 0);
		CHECK(right);
	}

	CHECK(compile_steps(steps, 3, 50, &where) == CURVE_OK && where == -1);
	for (int age = 0; age < 50; age++)
		CHECK(factors[age] == (age <= 7 ? 1000000 : age <= 30 ? 500000 :
							   age <= 40 ? 100 : 0));
	steps[0] = (CurveStep)
	{
		0, NURTURE_CURVE_MAX_PERCENT
	};
	CHECK(compile_steps(steps, 1, 1, &where) == CURVE_OK);
	CHECK(factors[0] == NURTURE_CURVE_MAX_FACTOR);
}

static void
test_errors(void)
{
	CurveStep	steps[2] = {{7, 10000}, {30, 5000}};
	int			where;
	CurveKind	kind;

	CHECK(compile(CURVE_NONE, 0, 0) == CURVE_BAD_HORIZON);
	CHECK(compile(CURVE_NONE, 0, MAX_HORIZON + 1) == CURVE_BAD_HORIZON);
	CHECK(compile((CurveKind) 9, 5, 10) == CURVE_BAD_KIND);
	for (kind = CURVE_HALF_LIFE; kind <= CURVE_WINDOW; kind++)
	{
		if (kind == CURVE_STEP)
			continue;
		factors[0] = 42;
		CHECK(compile(kind, 0, 10) == CURVE_DAYS_NOT_POSITIVE);
		CHECK(compile(kind, INT32_MIN, 10) == CURVE_DAYS_NOT_POSITIVE);
		CHECK(compile(kind, 11, 10) == CURVE_DAYS_BEYOND_HORIZON);
		CHECK(compile(kind, INT32_MAX, 10) == CURVE_DAYS_BEYOND_HORIZON);
		CHECK(factors[0] == 42);
		CHECK(compile(kind, 10, 10) ==
			  (kind == CURVE_WINDOW ? CURVE_DAYS_BEYOND_HORIZON : CURVE_OK));
	}
	CHECK(compile_steps(NULL, 0, 10, &where) == CURVE_NO_STEPS);
	CHECK(where == -1);
	CHECK(compile_steps(steps, 2, 30, &where) == CURVE_STEP_BEYOND_HORIZON);
	CHECK(where == 1);
	steps[1].days = 7;
	CHECK(compile_steps(steps, 2, 30, &where) == CURVE_STEPS_NOT_INCREASING);
	CHECK(where == 1);
	steps[0].days = -1;
	CHECK(compile_steps(steps, 2, 30, &where) == CURVE_STEP_DAYS_NEGATIVE);
	CHECK(where == 0);
	steps[0] = (CurveStep)
	{
		3, -1
	};
	CHECK(compile_steps(steps, 2, 30, &where) == CURVE_BAD_PERCENT);
	steps[0].percent = NURTURE_CURVE_MAX_PERCENT + 1;
	CHECK(compile_steps(steps, 2, 30, &where) == CURVE_BAD_PERCENT);
	CHECK(where == 0);

	for (kind = CURVE_NONE; kind <= CURVE_WINDOW; kind++)
	{
		const char *name = nurture_curve_kind_name(kind);
		CurveKind	back = (CurveKind) 9;

		CHECK(nurture_curve_kind_from_name(name, strlen(name), &back));
		CHECK(back == kind);
		CHECK(!nurture_curve_kind_from_name(name, strlen(name) - 1, &back));
	}
	CHECK(nurture_curve_kind_name((CurveKind) 5) == NULL);
	for (CurveStatus s = CURVE_OK; s <= CURVE_BAD_PERCENT; s++)
		CHECK(strcmp(nurture_curve_status_text(s),
					 "unknown curve status") != 0);
}

int
main(void)
{
	property_start();
	test_half_life();
	test_others();
	test_errors();
	return property_finish();
}
