/*
 * spike.h
 *	  Is what happened lately more than what happens usually?
 *
 * Two counts of a Poisson process are compared, of recent_days days and of
 * the baseline_days before them.
 *
 * Ratio: (recent + 1/2) / (expected + 1/2) with expected = baseline x
 * recent_days / baseline_days.  The halves shrink the ratio of small counts
 * towards 1 and keep it finite after silence (Noren, Hopstadius, Bate:
 * Shrinkage observed-to-expected ratios for robust and transparent
 * large-scale pattern discovery, Stat Methods Med Res 22, 2013, 57-69).
 *
 * Chance: how probable at least so many recent ones are when the rate has not
 * changed.  Given the sum n of both counts the recent one is then binomial
 * (n, recent_days / (recent_days + baseline_days)), whatever the rate was
 * (Przyborowski, Wilenski: Homogeneity of results in testing samples from
 * Poisson series, Biometrika 31, 1940, 313-323).  The chance is that upper
 * tail, exact up to rounding also for counts of 0, 1 and 2.
 */
#ifndef NURTURE_CORE_SPIKE_H
#define NURTURE_CORE_SPIKE_H

#include <stdbool.h>
#include <stdint.h>

#include "tally.h"

#define NURTURE_SPIKE_MAX_COUNT INT64_C(1000000000) /* counts are cut here */
#define NURTURE_SPIKE_MAX_DAYS	4000	/* of either window */

/* Answers the ratio in hundredths, rounded half up; days are at least 1. */
extern int64_t nurture_spike_ratio(int64_t recent, int recent_days,
								   int64_t baseline, int baseline_days);

/* Answers the chance, 0 to 1; days are at least 1. */
extern double nurture_spike_chance(int64_t recent, int recent_days,
								   int64_t baseline, int baseline_days);

/*
 * Marks in days the days from..to on which a key that is wanted occurred:
 * days[d - from] becomes true.  wanted has a bit per key, nkeys in all.
 * Answers the first day that any wanted key occurred, marked or not;
 * NURTURE_TALLY_NO_DAY when none did, NURTURE_TALLY_EVER when one did on
 * folded days.
 */
extern int32_t nurture_spike_days(const Tally *tally, const uint8_t *wanted,
								  int nkeys, int32_t from, int32_t to,
								  bool *days);

#endif							/* NURTURE_CORE_SPIKE_H */
