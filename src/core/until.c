/*
 * until.c
 *	  The next day on which a score leaves its bands; see until.h.
 */
#include "until.h"

/* The bands that the points of some days lie in. */
typedef struct Bounds
{
	int			low[2];
	int			high[2];
} Bounds;

/*
 * Answers the factor of an age as the score counts it.
 */
static int32_t
factor_at(const ScoreSignalRule *rule, int age)
{
	if (age < rule->nfactor)
		return rule->factor[age];
	return rule->ever ? 1000000 : 0;
}

/*
 * Answers whether a rule's factors never rise with age.
 */
static bool
only_fades(const ScoreSignalRule *rule)
{
	for (int age = 1; age <= rule->nfactor; age++)
		if (factor_at(rule, age) > factor_at(rule, age - 1))
			return false;
	return true;
}

static void
mark(bool *marks, int ndays, int64_t day)
{
	if (day >= 1 && day <= ndays)
		marks[day - 1] = true;
}

void
nurture_until_breaks(const ScoreModel *model, const Tally *tally, int32_t from,
					 int ndays, bool *marks)
{
	for (int i = 0; i < model->nrules; i++)
	{
		const ScoreSignalRule *rule = &model->rules[i];
		bool		fades = only_fades(rule);

		for (uint32_t j = nurture_tally_search(tally, rule->signal, NURTURE_TALLY_FIRST_DAY);
			 j < tally->n; j++)
		{
			TallyEntry	e = nurture_tally_entry(tally, j);
			int64_t		since = (int64_t) e.day - from;

			if (e.key != rule->signal)
				break;
			if (since > 0)
				mark(marks, ndays, since);
			if (fades)
				continue;
			for (int age = 1; age <= rule->nfactor; age++)
				if (factor_at(rule, age) != factor_at(rule, age - 1))
					mark(marks, ndays, since + age);
		}
	}
}

/*
 * Adds the points of all rules on two days to the lower and the upper sums of
 * their groups and dimensions.
 */
static ScoreStatus
add_rules(const UntilStretch *s, int32_t first, int32_t last,
		  ScoreTotals *low, ScoreTotals *high)
{
	for (int i = 0; i < s->model->nrules; i++)
	{
		const ScoreSignalRule *rule = &s->model->rules[i];
		ScoreRuleResult a;
		ScoreRuleResult b;

		if (nurture_score_rule(rule, s->tally, first, &a) != SCORE_OK)
			return SCORE_OVERFLOW;
		b = a;
		if (last != first && nurture_score_rule(rule, s->tally, last, &b) != SCORE_OK)
			return SCORE_OVERFLOW;
		if (nurture_score_add(s->model, low, SCORE_INTENT, rule->group,
							  a.points < b.points ? a.points : b.points) != SCORE_OK ||
			nurture_score_add(s->model, high, SCORE_INTENT, rule->group,
							  a.points < b.points ? b.points : a.points) != SCORE_OK)
			return SCORE_OVERFLOW;
	}
	return SCORE_OK;
}

/*
 * Starts the sums of a score with what conditions gave.
 */
static void
begin(const UntilStretch *s, ScoreTotals *totals, int64_t *group_sums)
{
	nurture_score_begin(s->model, totals, group_sums);
	for (int i = 0; i < s->model->ngroups; i++)
		group_sums[i] = s->group_sums[i];
	totals->sums[SCORE_FIT] = s->sums[0];
	totals->sums[SCORE_INTENT] = s->sums[1];
}

/*
 * Answers the bands between which those of all days from first to last lie.
 */
static ScoreStatus
bound(const UntilStretch *s, int32_t first, int32_t last, Bounds *out)
{
	ScoreTotals low;
	ScoreTotals high;

	begin(s, &low, s->scratch);
	begin(s, &high, s->scratch + s->model->ngroups);
	if (add_rules(s, first, last, &low, &high) != SCORE_OK ||
		nurture_score_finish(s->model, &low) != SCORE_OK ||
		nurture_score_finish(s->model, &high) != SCORE_OK)
		return SCORE_OVERFLOW;
	for (int d = 0; d < 2; d++)
	{
		out->low[d] = nurture_score_band(s->bands[d].min_points, s->bands[d].n, low.points[d]);
		out->high[d] = nurture_score_band(s->bands[d].min_points, s->bands[d].n, high.points[d]);
	}
	return SCORE_OK;
}

ScoreStatus
nurture_until_find(const UntilStretch *stretch, int32_t first, int32_t last,
				   bool *found, int32_t *day, int bands[2])
{
	int32_t		end = last;

	*found = false;
	while (first <= last)
	{
		Bounds		b;
		bool		same = true;

		if (bound(stretch, first, end, &b) != SCORE_OK)
			return SCORE_OVERFLOW;
		for (int d = 0; d < 2; d++)
			same = same && b.low[d] == stretch->now[d] && b.high[d] == stretch->now[d];
		if (same)
		{
			/* go on behind, with all that is left */
			first = end + 1;
			end = last;
		}
		else if (first == end)
		{
			*found = true;
			*day = first;
			bands[0] = b.low[0];
			bands[1] = b.low[1];
			return SCORE_OK;
		}
		else
			end = first + (end - first) / 2;
	}
	return SCORE_OK;
}
