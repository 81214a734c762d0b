/*
 * trial.c
 *	  Arms of experiments, intervals of shares, off-policy values; see trial.h.
 */
#include "trial.h"

#include <math.h>

/*
 * Answers which arm a lot falls on: the first whose running sum of shares, in
 * millionths, is beyond the lot; -1 when the shares leave it over.
 */
int
nurture_trial_arm(uint64_t lot, const int32_t *shares, int n)
{
	int64_t		place = (int64_t) (lot % NURTURE_TRIAL_UNITS);

	for (int i = 0; i < n; i++)
	{
		if (place < shares[i])
			return i;
		place -= shares[i];
	}
	return -1;
}

/* Answers a polynomial, highest power first. */
static double
polynomial(const double *c, int n, double x)
{
	double		sum = c[0];

	for (int i = 1; i < n; i++)
		sum = sum * x + c[i];
	return sum;
}

/*
 * Answers the quantile of the standard normal distribution for 0 < p < 1, to
 * about 16 digits: Wichura, Algorithm AS 241 (PPND16), Applied Statistics 37
 * (1988).
 */
double
nurture_trial_quantile(double p)
{
	static const double a[] = {
		2.5090809287301226727e3, 3.3430575583588128105e4,
		6.7265770927008700853e4, 4.5921953931549871457e4,
		1.3731693765509461125e4, 1.9715909503065514427e3,
		1.3314166789178437745e2, 3.3871328727963666080e0
	};
	static const double b[] = {
		5.2264952788528545610e3, 2.8729085735721942674e4,
		3.9307895800092710610e4, 2.1213794301586595867e4,
		5.3941960214247511077e3, 6.8718700749205790830e2,
		4.2313330701600911252e1, 1.0
	};
	static const double c[] = {
		7.74545014278341407640e-4, 2.27238449892691845833e-2,
		2.41780725177450611770e-1, 1.27045825245236838258e0,
		3.64784832476320460504e0, 5.76949722146069140550e0,
		4.63033784615654529590e0, 1.42343711074968357734e0
	};
	static const double d[] = {
		1.05075007164441684324e-9, 5.47593808499534494600e-4,
		1.51986665636164571966e-2, 1.48103976427480074590e-1,
		6.89767334985100004550e-1, 1.67638483018380384940e0,
		2.05319162663775882187e0, 1.0
	};
	static const double e[] = {
		2.01033439929228813265e-7, 2.71155556874348757815e-5,
		1.24266094738807843860e-3, 2.65321895265761230930e-2,
		2.96560571828504891230e-1, 1.78482653991729133580e0,
		5.46378491116411436990e0, 6.65790464350110377720e0
	};
	static const double f[] = {
		2.04426310338993978564e-15, 1.42151175831644588870e-7,
		1.84631831751005468180e-5, 7.86869131145613259100e-4,
		1.48753612908506148525e-2, 1.36929880922735805310e-1,
		5.99832206555887937690e-1, 1.0
	};
	double		q = p - 0.5;
	double		r;
	double		z;

	if (fabs(q) <= 0.425)
	{
		r = 0.180625 - q * q;
		return q * polynomial(a, 8, r) / polynomial(b, 8, r);
	}
	r = sqrt(-log(q < 0 ? p : 1 - p));
	if (r <= 5)
		z = polynomial(c, 8, r - 1.6) / polynomial(d, 8, r - 1.6);
	else
		z = polynomial(e, 8, r - 5) / polynomial(f, 8, r - 5);
	return q < 0 ? -z : z;
}

/*
 * Answers Wilson's score interval of a share: with p = successes / trials and
 * z the quantile, (p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n).
 * Wilson, Journal of the American Statistical Association 22 (1927).  Without
 * trials it is 0 to 1.
 */
TrialInterval
nurture_trial_share(int64_t successes, int64_t trials, double confidence)
{
	TrialInterval result = {0, 1};
	double		z = nurture_trial_quantile((1 + confidence) / 2);
	double		n = (double) trials;
	double		p;
	double		centre;
	double		half;
	double		scale;

	if (trials <= 0)
		return result;
	p = (double) successes / n;
	centre = p + z * z / (2 * n);
	half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n));
	scale = 1 + z * z / n;
	/* at the ends rounding would leave a trace */
	result.low = successes <= 0 ? 0 : (centre - half) / scale;
	result.high = successes >= trials ? 1 : (centre + half) / scale;
	return result;
}

/*
 * Answers an interval of the difference of two shares, the first less the
 * other, made of the two Wilson intervals: Newcombe, Statistics in Medicine 17
 * (1998) 873, method 10.
 */
TrialInterval
nurture_trial_difference(int64_t successes, int64_t trials,
						 int64_t other_successes, int64_t other_trials,
						 double confidence)
{
	TrialInterval result = {-1, 1};
	TrialInterval a = nurture_trial_share(successes, trials, confidence);
	TrialInterval b = nurture_trial_share(other_successes, other_trials,
										  confidence);
	double		p;
	double		q;

	if (trials <= 0 || other_trials <= 0)
		return result;
	p = (double) successes / (double) trials;
	q = (double) other_successes / (double) other_trials;
	result.low = p - q - sqrt((p - a.low) * (p - a.low) +
							  (b.high - q) * (b.high - q));
	result.high = p - q + sqrt((a.high - p) * (a.high - p) +
							   (q - b.low) * (q - b.low));
	return result;
}

/*
 * Adds one logged choice.  propensity is the probability with which the log
 * made it, above 0; agrees says whether the policy would have made it too;
 * reward is 0 to 1; weights are cut at clip.
 */
void
nurture_trial_log(TrialLog *log, double propensity, bool agrees,
				  double reward, double clip)
{
	double		weight = agrees ? 1 / propensity : 0;

	log->n++;
	log->reward += reward;
	if (!agrees)
		return;
	log->agreed++;
	if (weight > clip)
	{
		log->clipped++;
		weight = clip;
	}
	log->weight += weight;
	log->weight_square += weight * weight;
	log->earned += weight * reward;
	log->earned_square += weight * reward * weight * reward;
	log->missed += weight * (1 - reward);
	log->missed_square += weight * (1 - reward) * weight * (1 - reward);
}

/* Answers the standard error of a mean over n, from sum and sum of squares. */
static double
standard_error(double sum, double square, double n)
{
	double		variance;

	if (n < 2)
		return INFINITY;
	variance = (square - sum * sum / n) / (n - 1);
	return variance > 0 ? sqrt(variance / n) : 0;
}

/*
 * Answers what the policy would have earned per choice.  With w = min(1 / p,
 * clip) where the policy agrees and 0 where it does not (Horvitz and Thompson,
 * JASA 47 (1952); cut as in Ionides, JCGS 17 (2008)):
 *
 *		value = mean(w r)
 *
 * Cut weights, and choices that the log could not show, can only make that
 * too small, by at most 1 - mean(w) for rewards of 0 to 1.  The interval says
 * so (Bottou et al., JMLR 14 (2013), section 4.4, inner and outer interval in
 * one): from mean(w r) - z se(w r) to 1 - mean(w (1 - r)) + z se(w (1 - r)),
 * within 0 and 1.
 */
TrialValue
nurture_trial_value(const TrialLog *log, double confidence)
{
	TrialValue	out = {0};
	double		n = (double) log->n;
	double		z = nurture_trial_quantile((1 + confidence) / 2);
	double		low;
	double		high;

	out.interval.high = 1;
	if (log->n <= 0)
		return out;
	out.logged = log->reward / n;
	out.value = log->earned / n;
	out.support = log->weight / n;
	out.effective = log->weight_square > 0 ?
		log->weight * log->weight / log->weight_square : 0;
	low = out.value - z * standard_error(log->earned, log->earned_square, n);
	high = 1 - log->missed / n +
		z * standard_error(log->missed, log->missed_square, n);
	out.interval.low = low > 0 ? low : 0;
	out.interval.high = high < 1 ? high : 1;
	if (out.interval.high < out.interval.low)
		out.interval.high = out.interval.low;
	return out;
}
