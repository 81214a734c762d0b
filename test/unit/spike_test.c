/*
 * spike_test.c
 *	  The ratio against its formula, the chance against sums of binomial
 *	  probabilities in long double, and days against a naive look.
 */
#include <math.h>
#include <string.h>

#include "property.h"
#include "spike.h"

static long double
binomial(int64_t n, int64_t k, long double p)
{
	return expl(lgammal(n + 1) - lgammal(k + 1) - lgammal(n - k + 1) +
				k * logl(p) + (n - k) * log1pl(-p));
}

static long double
chance(int64_t recent, int recent_days, int64_t baseline, int baseline_days)
{
	long double p = (long double) recent_days / (recent_days + baseline_days);
	long double sum = 0;

	for (int64_t k = recent; k <= recent + baseline; k++)
		sum += binomial(recent + baseline, k, p);
	return sum;
}

static bool
near(double value, long double wanted)
{
	return fabsl(value - wanted) <= 1e-9L * wanted + 1e-15L;
}

static void
test_known(void)
{
	/* by hand: (1/9)^3, and 15 (1/9)^4 (8/9)^2 + 6 (1/9)^5 8/9 + (1/9)^6 */
	CHECK(near(nurture_spike_chance(3, 7, 0, 56), 1.0L / 729));
	CHECK(near(nurture_spike_chance(4, 7, 2, 56), (15.0L * 64 + 6 * 8 + 1) / 531441));
	CHECK(nurture_spike_chance(0, 7, 0, 56) == 1);
	CHECK(nurture_spike_chance(0, 7, 40, 56) == 1);
	CHECK(near(nurture_spike_chance(1, 1, 1, 1), 0.75L));

	CHECK(nurture_spike_ratio(0, 7, 0, 56) == 100);
	CHECK(nurture_spike_ratio(1, 7, 0, 56) == 300);
	CHECK(nurture_spike_ratio(3, 7, 0, 56) == 700);
	CHECK(nurture_spike_ratio(4, 7, 2, 56) == 600);
	CHECK(nurture_spike_ratio(10, 7, 40, 56) == 191);
	CHECK(nurture_spike_ratio(0, 7, 8, 56) == 33);
}

static void
test_random(void)
{
	for (int i = 0; i < 3000; i++)
	{
		int64_t		recent = random_below(i % 2 ? 8 : 200);
		int64_t		baseline = random_below(i % 3 ? 12 : 900);
		int			recent_days = 1 + random_below(30);
		int			baseline_days = 1 + random_below(200);
		long double expected = (long double) baseline * recent_days / baseline_days;
		long double ratio = 100 * (recent + 0.5L) / (expected + 0.5L);

		CHECK(near(nurture_spike_chance(recent, recent_days, baseline, baseline_days),
				   chance(recent, recent_days, baseline, baseline_days)));
		CHECK(fabsl(nurture_spike_ratio(recent, recent_days, baseline, baseline_days) - ratio) <= 0.5L + 1e-9L);
		/* one more never makes a spike less likely */
		CHECK(nurture_spike_chance(recent + 1, recent_days, baseline, baseline_days) <=
			  nurture_spike_chance(recent, recent_days, baseline, baseline_days));
	}
}

static void
test_large(void)
{
	double		even = nurture_spike_chance(1000000, 7, 8000000, 56);
	double		most = nurture_spike_chance(INT64_MAX, 1, INT64_MAX, NURTURE_SPIKE_MAX_DAYS);

	CHECK(even > 0.49 && even < 0.51);
	CHECK(most >= 0 && most < 1e-100);
	CHECK(nurture_spike_chance(0, NURTURE_SPIKE_MAX_DAYS, INT64_MAX, 1) == 1);
	CHECK(nurture_spike_chance(-5, 7, -5, 56) == 1);
	CHECK(nurture_spike_ratio(INT64_MAX, NURTURE_SPIKE_MAX_DAYS, INT64_MAX, 1) >= 0);
	CHECK(nurture_spike_ratio(INT64_MAX, 1, 0, NURTURE_SPIKE_MAX_DAYS) > 0);
}

static void
test_days(void)
{
	TallyEntry	entries[40];
	TallyEntry	unsorted[40];
	unsigned char bytes[4096];

	for (int round = 0; round < 2000; round++)
	{
		int			n = random_below(40);
		uint16_t	roll = round % 2 ? 0 : 20010;
		uint8_t		wanted[2] = {(uint8_t) random_below(256), (uint8_t) random_below(4)};
		bool		days[20] = {false};
		bool		naive[20] = {false};
		int32_t		first = NURTURE_TALLY_NO_DAY;
		size_t		length;
		Tally		tally;

		for (int i = 0; i < n; i++)
		{
			TallyEntry	e = {(uint16_t) random_below(12), (uint16_t) (20000 + random_below(40)), 1 + random_below(3)};

			entries[i] = unsorted[i] = e;
		}
		CHECK(nurture_tally_build_bound(n, roll) <= sizeof(bytes));
		CHECK(nurture_tally_build(entries, n, roll, bytes, &length) == TALLY_OK);
		tally = nurture_tally_view(bytes, length);
		for (int i = 0; i < n; i++)
		{
			TallyEntry	e = unsorted[i];
			int32_t		day = e.day < roll ? NURTURE_TALLY_EVER : e.day;

			if (e.key >= 10 || !(wanted[e.key / 8] >> e.key % 8 & 1))
				continue;
			if (first == NURTURE_TALLY_NO_DAY || day < first)
				first = day;
			if (day >= 20008 && day <= 20027)
				naive[day - 20008] = true;
		}
		CHECK(nurture_spike_days(&tally, wanted, 10, 20008, 20027, days) == first);
		CHECK(memcmp(days, naive, sizeof(days)) == 0);
	}
}

int
main(void)
{
	property_start();
	test_known();
	test_random();
	test_large();
	test_days();
	return property_finish();
}
