/*
 * until_test.c
 *	  The next day on which the bands change, against a score of every day.
 */
#include <string.h>

#include "curve.h"
#include "property.h"
#include "until.h"

#define TODAY		20000
#define HORIZON		60
#define DAYS		90
#define SIGNALS		5
#define MAX_ENTRIES 24
#define MAX_RULES	10
#define MAX_GROUPS	3
#define ROUNDS		6000

static int32_t tables[6][HORIZON];
static const CurveStep falling[2] = {{3, 12550}, {25, 3333}};
static const CurveStep rising[3] = {{2, 1000}, {10, 10000}, {30, 2500}};

static unsigned char bytes[4096];

static int64_t
between(int64_t low, int64_t high)
{
	return low + (int64_t) (random_bits() % (uint64_t) (high - low + 1));
}

static void
compile_tables(void)
{
	const CurveSpec specs[6] = {
		{CURVE_NONE, 0, NULL, 0}, {CURVE_HALF_LIFE, 9, NULL, 0},
		{CURVE_LINEAR, 30, NULL, 0}, {CURVE_STEP, 0, falling, 2},
		{CURVE_WINDOW, 14, NULL, 0}, {CURVE_STEP, 0, rising, 3}
	};

	for (int i = 0; i < 6; i++)
		CHECK(nurture_curve_compile(&specs[i], tables[i], HORIZON, NULL) == CURVE_OK);
}

static void
random_limit(int64_t *floor, int64_t *cap, int64_t size)
{
	*floor = random_below(2) ? NURTURE_SCORE_NO_FLOOR : between(-size, size);
	*cap = random_below(2) ? NURTURE_SCORE_NO_CAP :
		between(*floor == NURTURE_SCORE_NO_FLOOR ? -size : *floor, 2 * size);
}

static ScoreSignalRule
random_rule(uint16_t signal, int ngroups)
{
	ScoreSignalRule rule;
	int			curve = (int) random_below(6);

	memset(&rule, 0, sizeof(rule));
	rule.signal = signal;
	rule.ever = curve == 0;
	rule.group = (int16_t) ((int) random_below((uint32_t) ngroups + 1) - 1);
	rule.per_day_max = random_below(2) ? 0 : rule.ever ? 1 : 1 + random_below(3);
	rule.count_max = random_below(2) ? 0 : 1 + random_below(6);
	rule.nfactor = HORIZON;
	rule.factor = tables[curve];
	rule.points = between(-999, 3000);
	random_limit(&rule.floor, &rule.cap, 2000);
	return rule;
}

static Tally
random_tally(void)
{
	TallyEntry	entries[MAX_ENTRIES];
	int			n = (int) random_below(MAX_ENTRIES);
	uint16_t	roll_day = (uint16_t) (random_below(3) ? 0 : TODAY - 70);
	size_t		len = 0;

	for (int i = 0; i < n; i++)
		entries[i] = (TallyEntry)
	{
		(uint16_t) (1 + random_below(SIGNALS)),
			(uint16_t) between(TODAY - 100, TODAY + 3), 1 + random_below(4)
	};
	CHECK(nurture_tally_build(entries, (size_t) n, roll_day, bytes, &len) == TALLY_OK);
	return nurture_tally_view(bytes, len);
}

/*
 * The bands of one day, by the score itself.
 */
static void
bands_of(const UntilStretch *s, int32_t day, int bands[2])
{
	int64_t		group_sums[MAX_GROUPS];
	ScoreTotals totals;

	nurture_score_begin(s->model, &totals, group_sums);
	for (int i = 0; i < s->model->ngroups; i++)
		group_sums[i] = s->group_sums[i];
	totals.sums[SCORE_FIT] = s->sums[0];
	totals.sums[SCORE_INTENT] = s->sums[1];
	CHECK(nurture_score_signals(s->model, s->tally, day, &totals, NULL) == SCORE_OK);
	CHECK(nurture_score_finish(s->model, &totals) == SCORE_OK);
	for (int d = 0; d < 2; d++)
		bands[d] = nurture_score_band(s->bands[d].min_points, s->bands[d].n, totals.points[d]);
}

/*
 * Random models and tallies: stretch by stretch the first change is that of a
 * score of each day, and no stretch hides one.
 */
static void
test_against_days(void)
{
	uint64_t	changes = 0;

	for (int round = 0; round < ROUNDS; round++)
	{
		ScoreSignalRule rules[MAX_RULES];
		ScoreGroup	groups[MAX_GROUPS];
		int64_t		group_sums[MAX_GROUPS];
		int64_t		scratch[2 * MAX_GROUPS];
		int64_t		minima[2][3];
		bool		marks[DAYS] = {false};
		ScoreModel	model;
		UntilStretch s;
		Tally		tally = random_tally();
		uint16_t	signal = 0;
		bool		found = false;
		int32_t		day = 0;
		int			bands[2] = {0, 0};
		int32_t		expected_day = 0;
		int			expected[2] = {0, 0};

		memset(&model, 0, sizeof(model));
		memset(&s, 0, sizeof(s));
		model.rules = rules;
		model.nrules = (int) random_below(MAX_RULES + 1);
		model.groups = groups;
		model.ngroups = (int) random_below(MAX_GROUPS + 1);
		for (int i = 0; i < model.nrules; i++)
		{
			signal = (uint16_t) (signal + random_below(2));
			rules[i] = random_rule(signal, model.ngroups);
		}
		for (int i = 0; i < model.ngroups; i++)
		{
			groups[i].dimension = random_below(2) ? SCORE_FIT : SCORE_INTENT;
			random_limit(&groups[i].limit.floor, &groups[i].limit.cap, 4000);
			group_sums[i] = between(-500, 1500);
		}
		for (int i = 0; i < 3; i++)
			random_limit(&model.limits[i].floor, &model.limits[i].cap, 8000);
		CHECK(nurture_score_check(&model, NULL) == SCORE_OK);
		s.model = &model;
		s.tally = &tally;
		s.group_sums = group_sums;
		s.scratch = scratch;
		for (int d = 0; d < 2; d++)
		{
			s.sums[d] = between(-1000, 3000);
			minima[d][0] = between(1000, 6000);
			minima[d][1] = minima[d][0] - between(1, 2000);
			minima[d][2] = minima[d][1] - between(1, 2000);
			s.bands[d].n = (int) random_below(4);
			s.bands[d].min_points = minima[d];
		}
		bands_of(&s, TODAY, s.now);

		for (int32_t d = TODAY + 1; d <= TODAY + DAYS && expected_day == 0; d++)
		{
			bands_of(&s, d, expected);
			if (expected[0] != s.now[0] || expected[1] != s.now[1])
				expected_day = d;
		}
		nurture_until_breaks(&model, &tally, TODAY, DAYS, marks);
		for (int from = 0; from < DAYS && !found;)
		{
			int			to = from + 1;

			while (to < DAYS && !marks[to])
				to++;
			CHECK(nurture_until_find(&s, TODAY + 1 + from, TODAY + to, &found, &day, bands) == SCORE_OK);
			from = to;
		}
		CHECK(found == (expected_day != 0));
		if (found && expected_day != 0)
		{
			changes++;
			CHECK(day == expected_day);
			CHECK(bands[0] == expected[0] && bands[1] == expected[1]);
		}
	}
	CHECK(changes > ROUNDS / 10);
}

/*
 * Sums that do not fit are told, not wrapped.
 */
static void
test_overflow(void)
{
	ScoreSignalRule rule;
	ScoreModel	model;
	UntilStretch s;
	int64_t		scratch[1];
	TallyEntry	entry = {1, TODAY - 1, UINT32_MAX};
	size_t		len = 0;
	Tally		tally;
	bool		found;
	int32_t		day;
	int			bands[2];

	memset(&rule, 0, sizeof(rule));
	memset(&model, 0, sizeof(model));
	memset(&s, 0, sizeof(s));
	CHECK(nurture_tally_build(&entry, 1, 0, bytes, &len) == TALLY_OK);
	tally = nurture_tally_view(bytes, len);
	rule.signal = 1;
	rule.group = NURTURE_SCORE_NO_GROUP;
	rule.nfactor = HORIZON;
	rule.factor = tables[4];
	rule.points = NURTURE_SCORE_MAX_POINTS;
	rule.floor = NURTURE_SCORE_NO_FLOOR;
	rule.cap = NURTURE_SCORE_NO_CAP;
	model.rules = &rule;
	model.nrules = 1;
	s.model = &model;
	s.tally = &tally;
	s.scratch = scratch;
	CHECK(nurture_until_find(&s, TODAY, TODAY + 5, &found, &day, bands) == SCORE_OVERFLOW);
}

int
main(void)
{
	property_start();
	compile_tables();
	test_against_days();
	test_overflow();
	return property_finish();
}
