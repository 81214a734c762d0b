/*
 * trial.h
 *	  Experiments: which arm a lot falls on, intervals around observed shares,
 *	  and what another policy would have earned by what a random one logged.
 *
 * Floating point, because these are figures of reports; only the arm is
 * decided here, in integers.
 */
#ifndef NURTURE_CORE_TRIAL_H
#define NURTURE_CORE_TRIAL_H

#include <stdbool.h>
#include <stdint.h>

#define NURTURE_TRIAL_UNITS		1000000 /* shares are counted in millionths */
#define NURTURE_TRIAL_MAX_ARMS	20

/* An interval that holds a share, or a difference of shares. */
typedef struct TrialInterval
{
	double		low;
	double		high;
} TrialInterval;

/* Sums over logged choices, one per lead. */
typedef struct TrialLog
{
	int64_t		n;				/* choices */
	int64_t		agreed;			/* the policy would have chosen the same */
	int64_t		clipped;		/* of these, with a weight that was cut */
	double		reward;			/* sum of what was earned */
	double		weight;			/* sum of weights, 0 where they disagree */
	double		weight_square;
	double		earned;			/* sum of weight x reward */
	double		earned_square;
	double		missed;			/* sum of weight x (1 - reward) */
	double		missed_square;
} TrialLog;

/* What a policy would have earned per choice. */
typedef struct TrialValue
{
	double		value;			/* mean of weight x reward */
	TrialInterval interval;
	double		support;		/* mean weight: 1 when the log could show all
								 * that the policy would choose */
	double		effective;		/* choices that weigh as much as these, if all
								 * weighed the same */
	double		logged;			/* mean reward of what was really chosen */
} TrialValue;

extern int	nurture_trial_arm(uint64_t lot, const int32_t *shares, int n);
extern double nurture_trial_quantile(double p);
extern TrialInterval nurture_trial_share(int64_t successes, int64_t trials,
										 double confidence);
extern TrialInterval nurture_trial_difference(int64_t successes,
											  int64_t trials,
											  int64_t other_successes,
											  int64_t other_trials,
											  double confidence);
extern void nurture_trial_log(TrialLog *log, double propensity, bool agrees,
							  double reward, double clip);
extern TrialValue nurture_trial_value(const TrialLog *log, double confidence);

#endif							/* NURTURE_CORE_TRIAL_H */
