/*
 * tally_fuzz.c
 *	  Foreign bytes as a tally: stored bytes, wire and text.  What is accepted
 *	  must be canonical, round-trip, and stay valid through every operation.
 */
#include <stdlib.h>

#include "curve.h"
#include "score.h"
#include "tally.h"

#define MAX_INPUT	4096

static unsigned char first[MAX_INPUT * 8];
static unsigned char second[MAX_INPUT * 8];
static unsigned char out[MAX_INPUT * 32];
static unsigned char again[MAX_INPUT * 32];
static TallyEntry entries[MAX_INPUT * 4];
static char text[MAX_INPUT * 32];
static int32_t factors[800];

extern int	LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void
require(bool ok)
{
	if (!ok)
		abort();
}

/*
 * Validates bytes the library made.
 */
static Tally
made(const unsigned char *bytes, size_t len, size_t bound)
{
	Tally		t;

	require(len <= bound);
	require(nurture_tally_check(bytes, len, &t) == TALLY_OK);
	return t;
}

/*
 * Writes a tally as text and as wire and reads both back.
 */
static void
round_trip(const Tally *t)
{
	TallyTextError error;
	Tally		back;
	size_t		n = nurture_tally_to_text(t, text);
	size_t		len = 0;

	require(n <= nurture_tally_to_text_bound(t));
	require(n <= sizeof(text));
	require(nurture_tally_from_text(text, n, entries, again, &len,
									&error) == TALLY_OK);
	back = made(again, len, nurture_tally_text_bound(text, n));
	require(nurture_tally_equal(t, &back));
	nurture_tally_to_wire(t, out);
	require(nurture_tally_from_wire(out, nurture_tally_size(t), again,
									&len) == TALLY_OK);
	back = made(again, len, nurture_tally_size(t));
	require(nurture_tally_equal(t, &back));
}

/*
 * Scores with a rule for each of the first keys.
 */
static void
score(const Tally *t, int32_t today)
{
	static const CurveSpec spec = {CURVE_HALF_LIFE, 30, NULL, 0};
	ScoreSignalRule rules[8];
	ScoreModel	model = {rules, 8, NULL, 0,
	{{INT64_MIN, INT64_MAX}, {INT64_MIN, INT64_MAX}, {INT64_MIN, INT64_MAX}}, NULL};
	ScoreTotals totals;
	ScoreRuleResult results[8];
	int64_t		sum = 0;

	if (factors[0] == 0)
		require(nurture_curve_compile(&spec, factors, 800, NULL) == CURVE_OK);
	for (int i = 0; i < 8; i++)
	{
		uint16_t	key = (uint16_t) (i / 2);

		if (t->n > 0)
			key = (uint16_t) (key + nurture_tally_entry(t, 0).key);
		if (i > 0 && key < rules[i - 1].signal)
			key = UINT16_MAX;
		rules[i] = (ScoreSignalRule)
		{
			.signal = key,.ever = i % 3 == 0,.group = -1,
				.per_day_max = (uint32_t) (i % 2),.count_max =
				(uint32_t) (i % 4),.nfactor = 800,.factor = factors,
				.points = 100 - 50 * i,.floor = INT64_MIN,.cap = 90000
		};
	}
	require(nurture_score_check(&model, NULL) == SCORE_OK);
	nurture_score_begin(&model, &totals, NULL);
	if (nurture_score_signals(&model, t, today, &totals, results) != SCORE_OK)
		return;
	for (int i = 0; i < 8; i++)
		sum += results[i].points;
	require(totals.sums[SCORE_INTENT] == sum);
	(void) nurture_score_weight(t, rules[0].signal, factors, 800, today);
}

/*
 * Adds, subtracts and rolls two tallies.
 */
static void
combine(const Tally *a, const Tally *b, uint16_t day)
{
	size_t		len = 0;
	size_t		len2 = 0;
	Tally		t;
	Tally		u;

	require(nurture_tally_add(a, b, out, &len) == TALLY_OK);
	t = made(out, len, nurture_tally_add_bound(a, b));
	require(nurture_tally_add(b, a, again, &len2) == TALLY_OK);
	u = made(again, len2, nurture_tally_add_bound(b, a));
	require(nurture_tally_equal(&t, &u));
	if (nurture_tally_subtract(a, b, out, &len) == TALLY_OK)
	{
		t = made(out, len, nurture_tally_subtract_bound(a, b));
		require(nurture_tally_total(&t) + nurture_tally_total(b) ==
				nurture_tally_total(a) || a->roll_day < t.roll_day);
	}
	require(nurture_tally_roll(a, day, out, &len) == TALLY_OK);
	(void) made(out, len, nurture_tally_roll_bound(a));
	require((nurture_tally_compare(a, b) == 0) == nurture_tally_equal(a, b));
}

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	unsigned char how;
	size_t		half;
	size_t		len = 0;
	size_t		len2 = 0;
	Tally		a;
	Tally		b;
	TallyTextError error;
	uint16_t	day;

	if (size < 3 || size > MAX_INPUT)
		return 0;
	how = data[0];
	day = (uint16_t) (data[1] << 8 | data[2]);
	data += 3;
	size -= 3;
	half = how & 1 ? size / 2 / 8 * 8 + 4 : size;
	half = half < size ? half : size;

	if (how & 2)
	{
		if (nurture_tally_from_text((const char *) data, size, entries, first,
									&len, &error) != TALLY_OK)
		{
			require(error.message != NULL && error.offset <= size);
			return 0;
		}
		a = made(first, len, nurture_tally_text_bound((const char *) data,
													  size));
		b = a;
	}
	else if (how & 4)
	{
		if (nurture_tally_check(data, half, &a) != TALLY_OK ||
			nurture_tally_check(data + half, size - half, &b) != TALLY_OK)
			return 0;
	}
	else
	{
		if (nurture_tally_from_wire(data, half, first, &len) != TALLY_OK)
			return 0;
		a = made(first, len, half);
		b = a;
		if (nurture_tally_from_wire(data + half, size - half, second,
									&len2) == TALLY_OK)
			b = made(second, len2, size - half);
	}
	round_trip(&a);
	combine(&a, &b, day);
	score(&a, day);
	if (a.n > 0)
	{
		TallyEntry	e = nurture_tally_entry(&a, a.n / 2);

		require(nurture_tally_count(&a, e.key, INT32_MIN, INT32_MAX) > 0);
		require(nurture_tally_last(&a, e.key) != NURTURE_TALLY_NO_DAY);
	}
	return 0;
}
