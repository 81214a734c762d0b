/*
 * score_pass.c
 *	  Times the core of a score: one pass of 20 signal rules over the tally
 *	  of a lead, 20 entries on average: 1000 different leads in turn, where
 *	  wrongly predicted branches cost most, and 1 lead again and again.
 *
 *	  cc -std=c11 -O2 -Isrc/core -o build/score_pass test/bench/score_pass.c \
 *		 src/core/tally.c src/core/score.c src/core/curve.c
 *	  build/score_pass [PASSES]		1000 of them unless told
 */
#define _POSIX_C_SOURCE 199309L

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "curve.h"
#include "score.h"

#define LEADS		1000
#define RULES		20
#define HORIZON		800
#define TODAY		20000

static unsigned char bytes[LEADS][512];
static Tally leads[LEADS];
static int32_t tables[3][HORIZON];
static ScoreSignalRule rules[RULES];
static ScoreRuleResult results[RULES];
static int	passes = 1000;
static uint64_t state = 1;

static uint32_t
random_below(uint32_t n)
{
	state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t) (state >> 33) % n;
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec * 1e9 + (double) t.tv_nsec;
}

/*
 * Prints the time of a pass over one lead, with or without a row per rule.
 */
static void
time_passes(const ScoreModel *model, int nleads, ScoreRuleResult *rows,
			const char *what)
{
	double		best = 1e18;
	int64_t		sum = 0;

	for (int pass = 0; pass < passes; pass++)
	{
		double		start = now();
		double		taken;

		for (int i = 0; i < LEADS; i++)
		{
			ScoreTotals totals;

			nurture_score_begin(model, &totals, NULL);
			nurture_score_signals(model, &leads[i % nleads], TODAY, &totals, rows);
			nurture_score_finish(model, &totals);
			sum += totals.points[SCORE_TOTAL];
		}
		taken = (now() - start) / LEADS;
		best = taken < best ? taken : best;
	}
	printf("%s: %.0f ns per lead (sum %lld)\n", what, best,
		   (long long) sum);
}

int
main(int argc, char **argv)
{
	CurveSpec	specs[3] = {
		{CURVE_HALF_LIFE, 30, NULL, 0}, {CURVE_HALF_LIFE, 90, NULL, 0},
		{CURVE_LINEAR, 60, NULL, 0}
	};
	ScoreModel	model = {rules, RULES, NULL, 0,
	{{INT64_MIN, INT64_MAX}, {0, 10000}, {INT64_MIN, INT64_MAX}}};
	uint64_t	entries = 0;
	static ScoreIndex index;
	static int	others[RULES];
	static uint8_t slot_of[NURTURE_SCORE_MAX_INDEXED];

	if (argc > 1)
		passes = atoi(argv[1]);
	for (int i = 0; i < 3; i++)
		nurture_curve_compile(&specs[i], tables[i], HORIZON, NULL);
	for (int i = 0; i < RULES; i++)
	{
		rules[i].signal = (uint16_t) (i + 1);
		rules[i].group = NURTURE_SCORE_NO_GROUP;
		rules[i].factor = tables[i % 3];
		rules[i].nfactor = HORIZON;
		rules[i].per_day_max = i % 4 == 0 ? 3 : 0;
		rules[i].points = 100 * (i + 1);
		rules[i].floor = NURTURE_SCORE_NO_FLOOR;
		rules[i].cap = i % 5 == 0 ? 2000 : NURTURE_SCORE_NO_CAP;
	}
	for (int i = 0; i < LEADS; i++)
	{
		TallyEntry	e[40];
		size_t		n = 10 + random_below(21);
		size_t		len = 0;

		for (size_t j = 0; j < n; j++)
		{
			e[j].key = (uint16_t) (1 + random_below(RULES));
			e[j].day = (uint16_t) (TODAY - random_below(200));
			e[j].count = 1 + random_below(3);
		}
		nurture_tally_build(e, n, 0, bytes[i], &len);
		leads[i] = nurture_tally_view(bytes[i], len);
		entries += leads[i].n;
	}
	printf("%.1f entries x %d rules\n", (double) entries / LEADS, RULES);
	nurture_score_index(&model, &index, others, slot_of);
	model.index = &index;
	time_passes(&model, LEADS, NULL, "different leads");
	time_passes(&model, LEADS, results, "different leads, a row per rule");
	time_passes(&model, 1, NULL, "one lead");
	return 0;
}
