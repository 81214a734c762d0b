/*
 * score_test.c
 *	  Scores against an independent sum over the raw events in 128 bits:
 *	  count policies, every order of limits, rolled tallies, overflow, and
 *	  the identity of the explanation.
 */
#include <string.h>

#include "curve.h"
#include "property.h"
#include "score.h"

#define TODAY		20000
#define HORIZON		40
#define SIGNALS		6
#define MAX_EVENTS	160
#define MAX_RULES	14
#define MAX_GROUPS	4
#define ROUNDS		20000

__extension__ typedef __int128 Wide;

typedef struct Event
{
	uint16_t	signal;
	int32_t		day;
} Event;

/* What the naive scorer says about a rule. */
typedef struct Naive
{
	Wide		occurrences;
	int32_t		last_day;
	Wide		raw;
	Wide		decayed;
	Wide		points;
} Naive;

static unsigned char bytes[8192];
static uint8_t slot_of[NURTURE_SCORE_MAX_INDEXED];

static Tally
tally_of(const Event *events, int n, uint16_t roll_day)
{
	TallyEntry	entries[MAX_EVENTS];
	size_t		len = 0;

	for (int i = 0; i < n; i++)
		entries[i] = (TallyEntry)
	{
		events[i].signal, (uint16_t) events[i].day, 1
	};
	CHECK(nurture_tally_build(entries, (size_t) n, roll_day, bytes, &len) ==
		  TALLY_OK);
	return nurture_tally_view(bytes, len);
}

static Wide
wide_clamp(Wide x, int64_t floor, int64_t cap)
{
	if (floor != INT64_MIN && x < floor)
		x = floor;
	if (cap != INT64_MAX && x > cap)
		x = cap;
	return x;
}

static Wide
round_half_away(Wide x, Wide unit)
{
	bool		negative = x < 0;
	Wide		magnitude = negative ? -x : x;

	magnitude = (2 * magnitude + unit) / (2 * unit);
	return negative ? -magnitude : magnitude;
}

/*
 * Scores one rule event by event, latest day first.
 */
static Naive
naive_rule(const ScoreSignalRule *rule, const Event *events, int n,
		   uint16_t roll_day)
{
	Naive		result = {0, NURTURE_TALLY_NO_DAY, 0, 0, 0};
	Wide		weight = 0;

	for (int32_t day = TODAY; day >= 2; day--)
	{
		int32_t		age = TODAY - day;
		uint32_t	of_day = 0;

		if (age > 3 * HORIZON)
			break;
		if (age >= rule->nfactor && !rule->ever)
			break;
		for (int i = 0; i < n; i++)
		{
			if (events[i].signal != rule->signal || events[i].day != day)
				continue;
			if (rule->per_day_max > 0 && of_day == rule->per_day_max)
				break;
			if (rule->count_max > 0 &&
				result.occurrences == rule->count_max)
				break;
			of_day++;
			result.occurrences++;
			weight += age < rule->nfactor ? rule->factor[age] : 1000000;
			if (result.last_day == NURTURE_TALLY_NO_DAY)
				result.last_day = day < roll_day ? 0 : day;
		}
	}
	result.raw = result.occurrences * rule->points;
	result.decayed = round_half_away(weight * rule->points, 1000000);
	result.points = weight == 0 ? 0 :
		wide_clamp(result.decayed, rule->floor, rule->cap);
	return result;
}

static int64_t
random_between(int64_t low, int64_t high)
{
	return low + (int64_t) (random_bits() % (uint64_t) (high - low + 1));
}

static void
random_limit(int64_t *floor, int64_t *cap, int64_t size)
{
	*floor = random_below(2) ? NURTURE_SCORE_NO_FLOOR :
		random_between(-size, size);
	*cap = random_below(2) ? NURTURE_SCORE_NO_CAP :
		random_between(*floor == NURTURE_SCORE_NO_FLOOR ? -size : *floor,
					   2 * size);
}

static int32_t tables[5][HORIZON];
static const CurveStep steps[2] = {{3, 12550}, {25, 3333}};

static void
compile_tables(void)
{
	const CurveSpec specs[5] = {
		{CURVE_NONE, 0, NULL, 0}, {CURVE_HALF_LIFE, 9, NULL, 0},
		{CURVE_LINEAR, 30, NULL, 0}, {CURVE_STEP, 0, steps, 2},
		{CURVE_WINDOW, 14, NULL, 0}
	};

	for (int i = 0; i < 5; i++)
		CHECK(nurture_curve_compile(&specs[i], tables[i], HORIZON, NULL) ==
			  CURVE_OK);
}

static ScoreSignalRule
random_rule(uint16_t signal, int ngroups)
{
	ScoreSignalRule rule;
	int			curve = (int) random_below(5);

	memset(&rule, 0, sizeof(rule));
	rule.signal = signal;
	rule.ever = curve == CURVE_NONE;
	rule.group = (int16_t) ((int) random_below((uint32_t) ngroups + 1) - 1);
	rule.per_day_max = random_below(2) ? 0 :
		rule.ever ? 1 : 1 + random_below(3);
	rule.count_max = random_below(2) ? 0 : 1 + random_below(6);
	rule.nfactor = rule.ever && random_below(2) ? 0 : HORIZON;
	rule.factor = rule.nfactor ? tables[curve] : NULL;
	rule.points = random_between(-999, 4000);
	random_limit(&rule.floor, &rule.cap, 3000);
	return rule;
}

/*
 * Random models over random events, rolled and not.
 */
static void
test_against_naive(void)
{
	long		slots = 0;

	for (int round = 0; round < ROUNDS; round++)
	{
		Event		events[MAX_EVENTS];
		int			nevents = (int) random_below(MAX_EVENTS);
		ScoreSignalRule rules[MAX_RULES];
		ScoreGroup	groups[MAX_GROUPS];
		ScoreRuleResult results[MAX_RULES];
		int64_t		group_sums[MAX_GROUPS];
		Wide		naive_groups[MAX_GROUPS] = {0};
		Wide		naive_sums[3] = {0};
		Wide		naive_points[3];
		Wide		explained = 0;
		ScoreModel	model;
		ScoreTotals totals;
		ScoreTotals without;
		ScoreTotals indexed;
		int64_t		indexed_groups[MAX_GROUPS];
		ScoreIndex	index;
		int			others[MAX_RULES];
		Tally		tally;
		uint16_t	roll_day = (uint16_t) (random_below(2) ? 0 :
										   TODAY - HORIZON + 1 -
										   (int) random_below(HORIZON));
		int			where = 77;
		uint16_t	signal = 0;

		memset(&model, 0, sizeof(model));
		model.rules = rules;
		model.nrules = (int) random_below(MAX_RULES + 1);
		model.groups = groups;
		model.ngroups = (int) random_below(MAX_GROUPS + 1);
		for (int i = 0; i < nevents; i++)
		{
			events[i].signal = (uint16_t) (1 + random_below(SIGNALS));
			events[i].day = random_below(3) ?
				TODAY - (int32_t) random_below(HORIZON) :
				TODAY + 5 - (int32_t) random_below(3 * HORIZON);
		}
		for (int i = 0; i < model.nrules; i++)
		{
			signal = (uint16_t) (signal + random_below(2));
			rules[i] = random_rule(signal, model.ngroups);
		}
		for (int i = 0; i < model.ngroups; i++)
		{
			groups[i].dimension = random_below(2) ? SCORE_FIT : SCORE_INTENT;
			random_limit(&groups[i].limit.floor, &groups[i].limit.cap, 6000);
		}
		for (int i = 0; i < 3; i++)
			random_limit(&model.limits[i].floor, &model.limits[i].cap,
						 10000);
		CHECK(nurture_score_check(&model, &where) == SCORE_OK);
		CHECK(where == -1);
		tally = tally_of(events, nevents, roll_day);

		nurture_score_begin(&model, &totals, group_sums);
		for (int i = (int) random_below(4); i > 0; i--)
		{
			ScoreDimension dimension = random_below(2) ? SCORE_FIT :
			SCORE_INTENT;
			int			group = (int) random_below((uint32_t) model.ngroups +
												   1) - 1;
			int64_t		points = random_between(-2000, 4000);

			CHECK(nurture_score_add(&model, &totals, dimension, group,
									points) == SCORE_OK);
			*(group >= 0 ? &naive_groups[group] :
			  &naive_sums[dimension]) += points;
			explained += points;
		}
		without = totals;

		CHECK(nurture_score_signals(&model, &tally, TODAY, &totals,
									results) == SCORE_OK);
		for (int i = 0; i < model.nrules; i++)
		{
			Naive		naive = naive_rule(&rules[i], events, nevents,
										   roll_day);
			ScoreRuleResult one;

			CHECK(results[i].occurrences == naive.occurrences);
			CHECK(results[i].last_day == naive.last_day);
			CHECK(results[i].raw_points == naive.raw);
			CHECK(results[i].decayed == naive.decayed);
			CHECK(results[i].points == naive.points);
			CHECK(nurture_score_rule(&rules[i], &tally, TODAY, &one) ==
				  SCORE_OK);
			CHECK(one.occurrences == results[i].occurrences &&
				  one.last_day == results[i].last_day &&
				  one.raw_points == results[i].raw_points &&
				  one.decayed == results[i].decayed &&
				  one.points == results[i].points);
			*(rules[i].group >= 0 ? &naive_groups[rules[i].group] :
			  &naive_sums[SCORE_INTENT]) += naive.points;
			explained += results[i].points;
		}
		CHECK(nurture_score_finish(&model, &totals) == SCORE_OK);

		for (int i = 0; i < model.ngroups; i++)
		{
			Wide		limited = wide_clamp(naive_groups[i],
											 groups[i].limit.floor,
											 groups[i].limit.cap);

			CHECK(totals.group_sums[i] == naive_groups[i]);
			CHECK(nurture_score_group_adjustment(&model, &totals, i) ==
				  limited - naive_groups[i]);
			naive_sums[groups[i].dimension] += limited;
			explained += nurture_score_group_adjustment(&model, &totals, i);
		}
		for (int i = 0; i < 3; i++)
		{
			if (i == SCORE_TOTAL)
				naive_sums[i] = naive_points[0] + naive_points[1];
			naive_points[i] = wide_clamp(naive_sums[i],
										 model.limits[i].floor,
										 model.limits[i].cap);
			CHECK(totals.sums[i] == naive_sums[i]);
			CHECK(totals.points[i] == naive_points[i]);
			explained += nurture_score_adjustment(&totals,
												  (ScoreDimension) i);
		}
		CHECK(explained == totals.points[SCORE_TOTAL]);

		/* without results the same sums come out */
		for (int i = 0; i < model.ngroups; i++)
			group_sums[i] = indexed_groups[i] = 0;
		indexed = without;
		indexed.group_sums = indexed_groups;
		CHECK(nurture_score_signals(&model, &tally, TODAY, &without,
									NULL) == SCORE_OK);

		/* nor does it matter whether there is an index */
		model.index = &index;
		nurture_score_index(&model, &index, others, slot_of);
		slots += index.nslots - 1;
		CHECK(index.nslots - 1 + index.nothers == model.nrules);
		CHECK(nurture_score_signals(&model, &tally, TODAY, &indexed,
									NULL) == SCORE_OK);
		model.index = NULL;
		for (int i = 0; i < model.ngroups; i++)
			CHECK(indexed_groups[i] == group_sums[i]);
		for (int i = 0; i < NURTURE_SCORE_DIMENSIONS; i++)
			CHECK(indexed.sums[i] == without.sums[i]);

		for (int i = 0; i < model.nrules; i++)
			if (rules[i].group < 0)
				without.sums[SCORE_INTENT] -= results[i].points;
			else
				group_sums[rules[i].group] -= results[i].points;
		for (int i = 0; i < model.ngroups; i++)
			CHECK(group_sums[i] == 0);
	}
	CHECK(slots > ROUNDS / 10);
}

/*
 * Where numbers are too large for slots, and where folded days could pass for
 * recent ones, an index changes nothing either.
 */
static void
test_index_limits(void)
{
	static const uint32_t counts[] = {1, 1 << 19, 1 << 20, UINT32_MAX};
	static const int64_t points[] = {1, -1, 5000, NURTURE_SCORE_MAX_POINTS,
	-NURTURE_SCORE_MAX_POINTS};
	static const int32_t days[] = {INT32_MIN, -1, 0, 1, 2, HORIZON - 1, HORIZON,
	HORIZON + 1, HORIZON + 2, 65535, INT32_MAX};

	for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++)
		for (size_t p = 0; p < sizeof(points) / sizeof(points[0]); p++)
			for (size_t d = 0; d < sizeof(days) / sizeof(days[0]); d++)
			{
				TallyEntry	entries[4] = {
					{1, NURTURE_TALLY_FIRST_DAY, counts[c]},
					{1, HORIZON, 2}, {2, 3, 5}, {3, HORIZON, counts[c]}
				};
				ScoreSignalRule rules[3];
				ScoreModel	model = {rules, 3, NULL, 0,
					{{INT64_MIN, INT64_MAX}, {INT64_MIN, INT64_MAX}, {INT64_MIN, INT64_MAX}},
				NULL};
				ScoreIndex	index;
				ScoreTotals plain;
				ScoreTotals indexed;
				ScoreStatus status;
				int			others[3];
				size_t		len = 0;
				Tally		tally;

				for (int i = 0; i < 3; i++)
				{
					rules[i] = random_rule((uint16_t) (i + 1), 0);
					rules[i].ever = false;
					rules[i].nfactor = HORIZON;
					rules[i].factor = tables[1];
					rules[i].count_max = 0;
					rules[i].points = points[p];
				}
				CHECK(nurture_tally_build(entries, 4,
										  (uint16_t) (d % 2 ? HORIZON - 1 : 0),
										  bytes, &len) == TALLY_OK);
				tally = nurture_tally_view(bytes, len);
				nurture_score_begin(&model, &plain, NULL);
				nurture_score_begin(&model, &indexed, NULL);
				status = nurture_score_signals(&model, &tally, days[d], &plain,
											   NULL);
				nurture_score_index(&model, &index, others, slot_of);
				CHECK(index.nslots == (p < 3 ? 4 : 1));
				model.index = &index;
				CHECK(nurture_score_signals(&model, &tally, days[d], &indexed,
											NULL) == status);
				CHECK(status != SCORE_OK ||
					  indexed.sums[SCORE_INTENT] == plain.sums[SCORE_INTENT]);
			}
}

/*
 * Rolling at or before the horizon changes no score.
 */
static void
test_rolling(void)
{
	for (int round = 0; round < ROUNDS / 3; round++)
	{
		Event		events[MAX_EVENTS];
		int			nevents = (int) random_below(MAX_EVENTS);
		ScoreSignalRule rule = random_rule(1, 0);
		ScoreRuleResult before;
		ScoreRuleResult after;
		unsigned char rolled[8192];
		size_t		len = 0;
		Tally		t;

		for (int i = 0; i < nevents; i++)
		{
			events[i].signal = (uint16_t) (1 + random_below(2));
			events[i].day = TODAY - (int32_t) random_below(3 * HORIZON);
		}
		t = tally_of(events, nevents, 0);
		CHECK(nurture_score_rule(&rule, &t, TODAY, &before) == SCORE_OK);
		CHECK(nurture_tally_roll(&t, (uint16_t) (TODAY - HORIZON + 1 -
												 (int) random_below(30)),
								 rolled, &len) == TALLY_OK);
		t = nurture_tally_view(rolled, len);
		CHECK(nurture_score_rule(&rule, &t, TODAY, &after) == SCORE_OK);
		CHECK(before.occurrences == after.occurrences);
		CHECK(before.raw_points == after.raw_points);
		CHECK(before.decayed == after.decayed);
		CHECK(before.points == after.points);
	}
}

/*
 * Counts and points of any size: the exact result or an overflow.
 */
static void
test_large(void)
{
	int			overflows = 0;
	int			fits = 0;

	for (int round = 0; round < ROUNDS; round++)
	{
		TallyEntry	entries[HORIZON];
		int			n = 1 + (int) random_below(HORIZON - 1);
		int			bits = (int) random_below(33);
		int32_t		table[HORIZON];
		ScoreSignalRule rule;
		ScoreRuleResult result;
		ScoreStatus status;
		Wide		weight = 0;
		Wide		occurrences = 0;
		Wide		decayed;
		bool		expected;
		size_t		len = 0;
		Tally		t;

		memset(&rule, 0, sizeof(rule));
		rule.signal = 1;
		rule.group = NURTURE_SCORE_NO_GROUP;
		rule.factor = table;
		rule.nfactor = HORIZON;
		rule.floor = NURTURE_SCORE_NO_FLOOR;
		rule.cap = NURTURE_SCORE_NO_CAP;
		rule.points = random_between(-NURTURE_SCORE_MAX_POINTS,
									 NURTURE_SCORE_MAX_POINTS);
		rule.points /= INT64_C(1) << random_below(40);
		for (int i = 0; i < n; i++)
		{
			uint32_t	count = 1 + (uint32_t)
			((random_bits() >> 32 >> (32 - bits)) % UINT32_MAX);

			table[i] = (int32_t) random_below(NURTURE_CURVE_MAX_FACTOR + 1);
			entries[i] = (TallyEntry)
			{
				1, (uint16_t) (TODAY - i), count
			};
			occurrences += count;
			weight += (Wide) count * table[i];
		}
		CHECK(nurture_tally_build(entries, (size_t) n, 0, bytes, &len) ==
			  TALLY_OK);
		t = nurture_tally_view(bytes, len);
		for (int i = n; i < HORIZON; i++)
			table[i] = 0;
		decayed = round_half_away(weight * rule.points, 1000000);
		expected = decayed <= INT64_MAX && decayed >= INT64_MIN &&
			occurrences * rule.points <= INT64_MAX &&
			occurrences * rule.points >= INT64_MIN;
		status = nurture_score_rule(&rule, &t, TODAY, &result);
		CHECK(status == (expected ? SCORE_OK : SCORE_OVERFLOW));
		if (expected)
		{
			CHECK(result.decayed == decayed);
			CHECK(result.raw_points == occurrences * rule.points);
			fits++;
		}
		else
			overflows++;
	}
	CHECK(fits > ROUNDS / 10 && overflows > ROUNDS / 100);
}

/*
 * Halves go away from zero, and once.
 */
static void
test_rounding(void)
{
	int32_t		half[2] = {500000, 500000};
	ScoreSignalRule rule = {
		.signal = 1,.group = NURTURE_SCORE_NO_GROUP,.factor = half,
		.nfactor = 2,.floor = NURTURE_SCORE_NO_FLOOR,
		.cap = NURTURE_SCORE_NO_CAP
	};
	Event		events[2] = {{1, TODAY}, {1, TODAY - 1}};
	ScoreRuleResult r;
	Tally		one = tally_of(events, 1, 0);

	rule.points = 5;
	CHECK(nurture_score_rule(&rule, &one, TODAY, &r) == SCORE_OK);
	CHECK(r.points == 3);
	rule.points = -5;
	CHECK(nurture_score_rule(&rule, &one, TODAY, &r) == SCORE_OK);
	CHECK(r.points == -3);
	one = tally_of(events, 2, 0);
	CHECK(nurture_score_rule(&rule, &one, TODAY, &r) == SCORE_OK);
	CHECK(r.points == -5 && r.occurrences == 2 && r.last_day == TODAY);

	/* a rule's floor bounds points that exist, not those that do not */
	rule.floor = 700;
	CHECK(nurture_score_rule(&rule, &one, TODAY, &r) == SCORE_OK);
	CHECK(r.points == 700 && r.decayed == -5);
	CHECK(nurture_score_rule(&rule, &one, TODAY + 2, &r) == SCORE_OK);
	CHECK(r.points == 0 && r.occurrences == 0);
	CHECK(nurture_score_rule(&rule, &one, TODAY - 2, &r) == SCORE_OK);
	CHECK(r.points == 0 && r.last_day == NURTURE_TALLY_NO_DAY);
	CHECK(nurture_score_rule(&rule, &one, INT32_MIN, &r) == SCORE_OK);
	CHECK(r.points == 0);
	CHECK(nurture_score_rule(&rule, &one, INT32_MAX, &r) == SCORE_OK);
	CHECK(r.points == 0);
	half[0] = half[1] = 0;
	CHECK(nurture_score_rule(&rule, &one, TODAY, &r) == SCORE_OK);
	CHECK(r.points == 0 && r.occurrences == 2 && r.raw_points == -10);
}

static void
test_totals(void)
{
	ScoreGroup	groups[1] = {{SCORE_FIT, {100, 200}}};
	ScoreModel	model = {NULL, 0, groups, 1,
		{{INT64_MIN, INT64_MAX}, {INT64_MIN, INT64_MAX}, {INT64_MIN, INT64_MAX}},
	NULL};
	ScoreTotals totals;
	int64_t		sums[1];
	Tally		empty = tally_of(NULL, 0, 0);

	/* the floor of a group stands under a lead that did nothing */
	nurture_score_begin(&model, &totals, sums);
	CHECK(nurture_score_signals(&model, &empty, TODAY, &totals, NULL) ==
		  SCORE_OK);
	CHECK(nurture_score_finish(&model, &totals) == SCORE_OK);
	CHECK(totals.points[SCORE_FIT] == 100 &&
		  totals.points[SCORE_TOTAL] == 100);
	CHECK(nurture_score_group_adjustment(&model, &totals, 0) == 100);

	nurture_score_begin(&model, &totals, sums);
	CHECK(nurture_score_add(&model, &totals, SCORE_TOTAL, -1, 1) ==
		  SCORE_BAD_GROUP);
	CHECK(nurture_score_add(&model, &totals, SCORE_FIT, 1, 1) ==
		  SCORE_BAD_GROUP);
	CHECK(nurture_score_add(&model, &totals, SCORE_FIT, -2, 1) ==
		  SCORE_BAD_GROUP);
	CHECK(nurture_score_add(&model, &totals, SCORE_INTENT, 0, 300) ==
		  SCORE_OK);
	CHECK(sums[0] == 300);
	CHECK(nurture_score_add(&model, &totals, SCORE_FIT, -1, INT64_MAX) ==
		  SCORE_OK);
	CHECK(nurture_score_add(&model, &totals, SCORE_FIT, -1, 1) ==
		  SCORE_OVERFLOW);
	CHECK(nurture_score_finish(&model, &totals) == SCORE_OVERFLOW);

	nurture_score_begin(&model, &totals, sums);
	CHECK(nurture_score_add(&model, &totals, SCORE_FIT, 0, INT64_MIN) ==
		  SCORE_OK);
	CHECK(nurture_score_finish(&model, &totals) == SCORE_OVERFLOW);
}

static void
test_check(void)
{
	int32_t		table[2] = {0, NURTURE_CURVE_MAX_FACTOR};
	ScoreSignalRule rules[2];
	ScoreGroup	groups[1] = {{SCORE_FIT, {0, 0}}};
	ScoreModel	model = {rules, 2, groups, 1,
		{{INT64_MIN, INT64_MAX}, {INT64_MIN, INT64_MAX}, {INT64_MIN, INT64_MAX}},
	NULL};
	int			where;

#define REFUSED(change, undo, status, at) \
	do { \
		change; \
		CHECK(nurture_score_check(&model, &where) == (status)); \
		CHECK(where == (at)); \
		CHECK(nurture_score_check(&model, NULL) == (status)); \
		undo; \
		CHECK(nurture_score_check(&model, &where) == SCORE_OK); \
	} while (0)

	memset(rules, 0, sizeof(rules));
	rules[0].signal = rules[1].signal = 4;
	rules[1].factor = table;
	rules[1].nfactor = 2;
	CHECK(nurture_score_check(&model, &where) == SCORE_OK);
	REFUSED(rules[1].signal = 3, rules[1].signal = 4, SCORE_BAD_ORDER, 1);
	REFUSED(rules[0].points = NURTURE_SCORE_MAX_POINTS + 1,
			rules[0].points = 0, SCORE_BAD_POINTS, 0);
	REFUSED(rules[0].points = INT64_MIN, rules[0].points = 0,
			SCORE_BAD_POINTS, 0);
	REFUSED(rules[1].nfactor = -1, rules[1].nfactor = 2, SCORE_BAD_FACTOR, 1);
	REFUSED(table[0] = -1, table[0] = 0, SCORE_BAD_FACTOR, 1);
	REFUSED(table[1]++, table[1]--, SCORE_BAD_FACTOR, 1);
	REFUSED((rules[0].ever = true, rules[0].per_day_max = 2),
			rules[0].per_day_max = 1, SCORE_BAD_POLICY, 0);
	REFUSED(rules[1].floor = 1, rules[1].floor = 0, SCORE_BAD_LIMIT, 1);
	REFUSED(rules[1].group = 1, rules[1].group = 0, SCORE_BAD_GROUP, 1);
	REFUSED(rules[1].group = -2, rules[1].group = -1, SCORE_BAD_GROUP, 1);
	REFUSED(groups[0].dimension = SCORE_TOTAL,
			groups[0].dimension = SCORE_INTENT, SCORE_BAD_GROUP, 0);
	REFUSED(groups[0].limit.cap = -1, groups[0].limit.cap = 0,
			SCORE_BAD_LIMIT, 0);
	REFUSED((model.limits[2].floor = 2, model.limits[2].cap = 1),
			model.limits[2].cap = 2, SCORE_BAD_LIMIT, -1);
	for (ScoreStatus s = SCORE_OK; s <= SCORE_BAD_GROUP; s++)
		CHECK(strcmp(nurture_score_status_text(s),
					 "unknown score status") != 0);
}

static void
test_bands_and_weight(void)
{
	static const int64_t bands[] = {6000, 4000, 2000, -100};
	Event		events[3] = {{1, TODAY}, {1, TODAY - 9}, {2, TODAY}};
	Tally		t = tally_of(events, 3, 0);

	CHECK(nurture_score_band(bands, 4, 6000) == 0);
	CHECK(nurture_score_band(bands, 4, INT64_MAX) == 0);
	CHECK(nurture_score_band(bands, 4, 5999) == 1);
	CHECK(nurture_score_band(bands, 4, 2000) == 2);
	CHECK(nurture_score_band(bands, 4, 0) == 3);
	CHECK(nurture_score_band(bands, 4, -101) == -1);
	CHECK(nurture_score_band(NULL, 0, 5) == -1);

	CHECK(nurture_score_weight(&t, 1, tables[CURVE_HALF_LIFE], HORIZON,
							   TODAY) == 1500000);
	CHECK(nurture_score_weight(&t, 1, tables[CURVE_HALF_LIFE], HORIZON,
							   TODAY - 1) ==
		  (uint64_t) tables[CURVE_HALF_LIFE][8]);
	CHECK(nurture_score_weight(&t, 3, tables[CURVE_HALF_LIFE], HORIZON,
							   TODAY) == 0);
	CHECK(nurture_score_weight(&t, 1, tables[CURVE_HALF_LIFE], 9,
							   TODAY) == 1000000);
}

int
main(void)
{
	property_start();
	compile_tables();
	test_against_naive();
	test_index_limits();
	test_rolling();
	test_large();
	test_rounding();
	test_totals();
	test_check();
	test_bands_and_weight();
	return property_finish();
}
