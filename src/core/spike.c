/*
 * spike.c
 *	  Is what happened lately more than what happens usually?  See spike.h.
 */
#include "spike.h"

/*
 * Answers a count within what is computed with.
 */
static inline int64_t
count_within(int64_t count)
{
	return count < 0 ? 0 : count > NURTURE_SPIKE_MAX_COUNT ?
		NURTURE_SPIKE_MAX_COUNT : count;
}

int64_t
nurture_spike_ratio(int64_t recent, int recent_days, int64_t baseline,
					int baseline_days)
{
	/* both sides times 2 x baseline_days, so that all is whole */
	int64_t		above = (2 * count_within(recent) + 1) * baseline_days;
	int64_t		below = 2 * count_within(baseline) * recent_days +
	baseline_days;

	return (200 * above + below) / (2 * below);
}

double
nurture_spike_chance(int64_t recent, int recent_days, int64_t baseline,
					 int baseline_days)
{
	int64_t		n;
	int64_t		mode;
	double		odds = (double) recent_days / baseline_days;
	double		weight = 1;
	double		tail = 0;
	double		rest = 0;

	recent = count_within(recent);
	n = recent + count_within(baseline);
	mode = (n + 1) * recent_days / (recent_days + baseline_days);
	if (mode > n)
		mode = n;

	/*
	 * Probabilities relative to that of the mode, from it upwards and
	 * downwards until they vanish, so that nothing can underflow before it is
	 * negligible: the sum of all is at least 1.
	 */
	for (int64_t k = mode; weight > 0; k++)
	{
		if (k >= recent)
			tail += weight;
		else
			rest += weight;
		if (k == n)
			break;
		weight *= (double) (n - k) / (double) (k + 1) * odds;
	}
	weight = 1;
	for (int64_t k = mode; k > 0; k--)
	{
		weight *= (double) k / (double) (n - k + 1) / odds;
		if (weight < 1e-20)
			break;
		if (k - 1 >= recent)
			tail += weight;
		else
			rest += weight;
	}
	return tail / (tail + rest);
}

int32_t
nurture_spike_days(const Tally *tally, const uint8_t *wanted, int nkeys,
				   int32_t from, int32_t to, bool *days)
{
	int32_t		first = NURTURE_TALLY_NO_DAY;

	for (uint32_t i = 0; i < tally->n; i++)
	{
		TallyEntry	e = nurture_tally_entry(tally, i);

		if (e.key >= nkeys || !(wanted[e.key / 8] & (1 << e.key % 8)) ||
			e.day == NURTURE_TALLY_FOLDED_DAYS)
			continue;
		/* NURTURE_TALLY_EVER is before every real day */
		if (first == NURTURE_TALLY_NO_DAY || e.day < first)
			first = e.day;
		if (e.day >= NURTURE_TALLY_FIRST_DAY && e.day >= from && e.day <= to)
			days[e.day - from] = true;
	}
	return first;
}
