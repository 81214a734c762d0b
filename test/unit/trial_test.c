/*
 * trial_test.c
 *	  Arms by known answers and by their shares, the normal quantile against
 *	  erfc, intervals against published figures, and the coverage of the
 *	  off-policy interval over many simulated logs whose truth is known.
 */
#include "property.h"
#include "sha256.h"
#include "trial.h"

#include <math.h>
#include <string.h>

static bool
near(double a, double b, double tolerance)
{
	return fabs(a - b) <= tolerance;
}

/* The first 60 bits of SHA-256 of "salt:experiment:lead", as the product. */
static uint64_t
lot(const char *salt, const char *experiment, int lead)
{
	char		text[100];
	unsigned char digest[32];
	uint64_t	bits = 0;
	int			len = snprintf(text, sizeof(text), "%s:%s:%d", salt, experiment, lead);

	sha256(NULL, text, (size_t) len, digest);
	for (int i = 0; i < 8; i++)
		bits = bits << 8 | digest[i];
	return bits >> 4;
}

static void
test_arms(void)
{
	static const int32_t halves[] = {500000, 500000};
	static const int32_t thirds[] = {333334, 333333, 333333};
	static const int32_t some[] = {0, 250000, 700000};
	int			counts[3] = {0};

	CHECK(nurture_trial_arm(0, halves, 2) == 0);
	CHECK(nurture_trial_arm(499999, halves, 2) == 0);
	CHECK(nurture_trial_arm(500000, halves, 2) == 1);
	CHECK(nurture_trial_arm(999999, halves, 2) == 1);
	CHECK(nurture_trial_arm(1000000, halves, 2) == 0);
	CHECK(nurture_trial_arm(0, some, 3) == 1);
	CHECK(nurture_trial_arm(949999, some, 3) == 2);
	CHECK(nurture_trial_arm(950000, some, 3) == -1);
	CHECK(nurture_trial_arm(UINT64_MAX, halves, 2) == 1);
	CHECK(nurture_trial_arm(7, halves, 0) == -1);

	/* sha256sum of "pepper:subject_test:1" begins with these digits */
	CHECK(lot("pepper", "subject_test", 1) == UINT64_C(0x35c28a70cb20cc4));
	CHECK(lot("pepper", "subject_test", 2) == UINT64_C(0xd7278e290a82f75));
	for (int lead = 1; lead <= 30000; lead++)
		counts[nurture_trial_arm(lot("pepper", "subject_test", lead), thirds, 3)]++;
	/* five standard deviations of a binomial with 30,000 and 1/3 are 408 */
	for (int i = 0; i < 3; i++)
		CHECK(abs(counts[i] - 10000) < 408);

	/* another salt is another draw: a third stays by chance */
	int			same = 0;

	for (int lead = 1; lead <= 30000; lead++)
		same += nurture_trial_arm(lot("pepper", "subject_test", lead), thirds, 3) ==
			nurture_trial_arm(lot("salt", "subject_test", lead), thirds, 3);
	CHECK(abs(same - 10000) < 408);
}

static void
test_intervals(void)
{
	TrialInterval i;

	CHECK(near(nurture_trial_quantile(0.975), 1.959963984540054, 1e-14));
	CHECK(near(nurture_trial_quantile(0.5), 0, 1e-16));
	CHECK(near(nurture_trial_quantile(0.25), -0.6744897501960817, 1e-14));
	CHECK(near(nurture_trial_quantile(0.001), -3.090232306167813, 1e-13));
	CHECK(near(nurture_trial_quantile(1e-20), -9.262340089798408, 1e-12));
	for (double p = 0.0005; p < 1; p += 0.0005)
		CHECK(near(0.5 * erfc(-nurture_trial_quantile(p) / sqrt(2)), p, 1e-14));

	/* Newcombe, Statistics in Medicine 17 (1998) 857, table I, method 3 */
	i = nurture_trial_share(81, 263, 0.95);
	CHECK(near(i.low, 0.2553, 5e-5) && near(i.high, 0.3662, 5e-5));
	i = nurture_trial_share(15, 148, 0.95);
	CHECK(near(i.low, 0.0624, 5e-5) && near(i.high, 0.1605, 5e-5));
	i = nurture_trial_share(0, 20, 0.95);
	CHECK(i.low == 0 && near(i.high, 0.1611, 5e-5));
	i = nurture_trial_share(1, 29, 0.95);
	CHECK(near(i.low, 0.0061, 5e-5) && near(i.high, 0.1718, 5e-5));
	i = nurture_trial_share(20, 20, 0.95);
	CHECK(near(i.low, 0.8389, 5e-5) && i.high == 1);
	i = nurture_trial_share(0, 0, 0.95);
	CHECK(i.low == 0 && i.high == 1);

	/* the same, page 873, table II, method 10 */
	i = nurture_trial_difference(56, 70, 48, 80, 0.95);
	CHECK(near(i.low, 0.0524, 5e-5) && near(i.high, 0.3339, 5e-5));
	i = nurture_trial_difference(9, 10, 3, 10, 0.95);
	CHECK(near(i.low, 0.1705, 5e-5) && near(i.high, 0.8090, 5e-5));
	i = nurture_trial_difference(10, 10, 0, 20, 0.95);
	CHECK(near(i.low, 0.6791, 5e-5) && i.high == 1);
	i = nurture_trial_difference(0, 10, 0, 0, 0.95);
	CHECK(i.low == -1 && i.high == 1);
}

static void
test_sums(void)
{
	TrialLog	log = {0};
	TrialValue	v = nurture_trial_value(&log, 0.95);

	CHECK(v.value == 0 && v.interval.low == 0 && v.interval.high == 1);
	nurture_trial_log(&log, 0.5, true, 1, 10);
	v = nurture_trial_value(&log, 0.95);
	CHECK(v.value == 2 && v.interval.low == 0 && v.interval.high == 1);
	nurture_trial_log(&log, 0.5, false, 1, 10);
	nurture_trial_log(&log, 0.5, true, 0, 10);
	nurture_trial_log(&log, 0.5, false, 0, 10);
	v = nurture_trial_value(&log, 0.95);
	CHECK(log.n == 4 && log.agreed == 2 && log.clipped == 0);
	CHECK(near(v.value, 0.5, 1e-15) && near(v.support, 1, 1e-15));
	CHECK(near(v.effective, 2, 1e-15) && near(v.logged, 0.5, 1e-15));

	/* a weight of 100 is cut at 10 */
	log = (TrialLog)
	{
		0
	};
	nurture_trial_log(&log, 0.01, true, 1, 10);
	CHECK(log.clipped == 1 && log.weight == 10);
}

/*
 * Logs of a random policy over 3 assets for 2 kinds of leads, in which the
 * policy in question prefers asset 0 for the one and asset 2 for the other.
 */
static void
simulate(int n, const double propensity[3], double clip, bool unsupported,
		 int logs, double least, double most)
{
	static const double reward[2][3] = {{0.10, 0.03, 0.05}, {0.02, 0.08, 0.20}};
	static const int choice[2] = {0, 2};
	double		truth = 0.5 * reward[0][0] + 0.5 * reward[1][2];
	double		sum = 0;
	int			covered = 0;

	for (int i = 0; i < logs; i++)
	{
		TrialLog	log = {0};
		TrialValue	v;

		for (int k = 0; k < n; k++)
		{
			int			kind = (int) random_below(2);
			double		u = random_below(1000000) / 1e6;
			int			asset = u < propensity[0] ? 0 : u < propensity[0] + propensity[1] ? 1 : 2;
			bool		won = random_below(1000000) / 1e6 < reward[kind][asset];

			/* what the log never shows counts as disagreement */
			nurture_trial_log(&log, propensity[asset],
							  choice[kind] == asset && !(unsupported && kind == 1),
							  won, clip);
		}
		v = nurture_trial_value(&log, 0.95);
		covered += v.interval.low <= truth && truth <= v.interval.high;
		sum += v.value;
	}
	printf("n %d, clip %g%s: covered %d of %d, mean %.4f, truth %.4f\n", n, clip,
		   unsupported ? ", half unsupported" : "", covered, logs, sum / logs, truth);
	CHECK(covered >= 0.94 * logs);
	CHECK(sum / logs >= least && sum / logs <= most);
}

int
main(void)
{
	static const double even[3] = {0.34, 0.33, 0.33};
	static const double uneven[3] = {0.02, 0.08, 0.90};

	property_start();
	test_arms();
	test_intervals();
	test_sums();
	simulate(2000, even, 100, false, 2000, 0.148, 0.152);
	simulate(500, even, 100, false, 2000, 0.147, 0.153);
	simulate(4000, uneven, 100, false, 1000, 0.147, 0.153);

	/* cut weights make it too small, and the interval says so */
	simulate(4000, uneven, 10, false, 1000, 0.105, 0.115);
	simulate(2000, even, 100, true, 500, 0.048, 0.052);
	return property_finish();
}
