/*
 * model_reach.c
 *	  How many points the rules of a version can give, and with that: bands
 *	  that no lead can have, and limits that leave nothing of a rule.
 *
 * Ranges are outer ones: rules count as if all of them could fire together.
 * So what is said to be out of reach is.
 */
#include "base/compat.h"

#include "core/curve.h"
#include "scoring/model_life.h"
#include "scoring/model_private.h"

#define UNBOUNDED 1e15			/* hundredths; more than a rule may give */

/* Hundredths from least to most. */
typedef struct Reach
{
	double		least;
	double		most;
} Reach;

static const char *const dimension_names[] = {"fit", "intent", "total"};

static Reach
within(Reach reach, double floor, double cap)
{
	reach.least = Min(Max(reach.least, floor), cap);
	reach.most = Min(Max(reach.most, floor), cap);
	return reach;
}

static double
floor_of(int64 floor)
{
	return floor == NURTURE_SCORE_NO_FLOOR ? -UNBOUNDED : (double) floor;
}

static double
cap_of(int64 cap)
{
	return cap == NURTURE_SCORE_NO_CAP ? UNBOUNDED : (double) cap;
}

/* Most occurrences at full weight that a signal rule can count. */
static double
most_weight(const ScoreSignalRule *rule)
{
	double		weight = UNBOUNDED;
	double		decayed = 0;

	if (rule->count_max > 0)
		weight = rule->count_max;
	if (rule->ever || rule->per_day_max == 0)
		return weight;
	for (int age = 0; age < rule->nfactor; age++)
		decayed += rule->factor[age];
	return Min(weight, rule->per_day_max * decayed / NURTURE_CURVE_ONE);
}

/* Points that a signal rule gives when it fires, or 0. */
static Reach
reach_of_signal_rule(const ScoreSignalRule *rule)
{
	double		points = Min(Max(most_weight(rule) * rule->points, -UNBOUNDED), UNBOUNDED);
	Reach		fired = {Min(points, 0), Max(points, 0)};

	fired = within(fired, floor_of(rule->floor), cap_of(rule->cap));
	fired.least = Min(fired.least, 0);
	fired.most = Max(fired.most, 0);
	return fired;
}

/* Adds up the rules of a group, or with NO_GROUP those outside of groups. */
static Reach
reach_of_rules(const CompiledModel *m, int group, ScoreDimension dimension)
{
	Reach		sum = {0, 0};

	for (int i = 0; i < m->n_point_rules; i++)
	{
		const PointRule *rule = &m->point_rules[i];

		if (rule->group != group ||
			(group < 0 && (rule->is_pattern ? SCORE_INTENT : SCORE_FIT) != dimension))
			continue;
		sum.least += Min(rule->points, 0);
		sum.most += Max(rule->points, 0);
	}
	for (int i = 0; i < m->core.nrules; i++)
	{
		Reach		one;

		if (m->core.rules[i].group != group || (group < 0 && dimension != SCORE_INTENT))
			continue;
		one = reach_of_signal_rule(&m->core.rules[i]);
		sum.least += one.least;
		sum.most += one.most;
	}
	return sum;
}

/* Visits what a floor and cap leave nothing of. */
static void
check_limit(const ScoreLimit *limit, Reach rules, const char *what,
			const char *path, FindingVisit visit, void *arg)
{
	if (limit->floor == limit->cap)
		visit(arg, psprintf("floor and cap are the same: the %s is the same for every lead", what), "warning", path);
	else if (limit->cap != NURTURE_SCORE_NO_CAP && limit->cap <= 0 && rules.most > 0)
		visit(arg, psprintf("the cap leaves nothing of the points of the %s", what), "warning", path);
	else if (limit->floor != NURTURE_SCORE_NO_FLOOR && limit->floor >= 0 &&
			 rules.least < 0 && rules.most <= 0)
		visit(arg, psprintf("the floor leaves nothing of the points of the %s", what), "warning", path);
}

static void
check_bands(const CompiledModel *m, ScoreDimension d, Reach reach,
			FindingVisit visit, void *arg)
{
	const ModelBands *bands = &m->bands[d];

	if (bands->n == 0 && d != SCORE_TOTAL)
		visit(arg, psprintf("dimension %s has no bands", dimension_names[d]),
			  "warning", psprintf("band/%s", dimension_names[d]));
	for (int i = 0; i < bands->n; i++)
	{
		char	   *path = psprintf("band/%s/%c", dimension_names[d], bands->band[i]);

		if (bands->min_points[i] > reach.most)
			visit(arg, psprintf("band %c cannot be reached", bands->band[i]), "error", path);
		else if (i > 0 && bands->min_points[i - 1] <= reach.least)
			visit(arg, psprintf("band %c cannot be reached: every lead has more points", bands->band[i]),
				  "error", path);
		if (i > 0 && bands->band[i] < bands->band[i - 1])
			visit(arg, psprintf("band %c needs more points than band %c", bands->band[i - 1], bands->band[i]),
				  "error", path);
	}
}

/* Visits the bands and limits of a version that its rules cannot reach. */
void
nurture_model_check_reach(const CompiledModel *m, FindingVisit visit, void *arg)
{
	Reach		dimensions[NURTURE_SCORE_DIMENSIONS];
	bool	   *used = palloc0(sizeof(bool) * Max(m->core.ngroups, 1));

	for (int i = 0; i < m->n_point_rules; i++)
	{
		if (m->point_rules[i].group >= 0)
			used[m->point_rules[i].group] = true;
	}
	for (int i = 0; i < m->core.nrules; i++)
	{
		const ScoreSignalRule *rule = &m->core.rules[i];
		char	   *path = psprintf("signal_rule/%s", m->signal_names[i].rule);

		if (rule->group >= 0)
			used[rule->group] = true;
		if (rule->points > 0 && rule->cap <= 0)
			visit(arg, "the cap leaves nothing of the points of the rule", "warning", path);
		if (rule->points < 0 && rule->floor >= 0)
			visit(arg, "the floor leaves nothing of the points of the rule", "warning", path);
	}
	for (int d = SCORE_FIT; d <= SCORE_INTENT; d++)
		dimensions[d] = reach_of_rules(m, NURTURE_SCORE_NO_GROUP, d);
	for (int g = 0; g < m->core.ngroups; g++)
	{
		const ScoreGroup *group = &m->core.groups[g];
		char	   *path = psprintf("rule_group/%s", m->group_names[g]);
		Reach		rules = reach_of_rules(m, g, group->dimension);

		if (!used[g])
			visit(arg, "no rule is in the group", "warning", path);
		check_limit(&group->limit, rules, "group", path, visit, arg);
		rules = within(rules, floor_of(group->limit.floor), cap_of(group->limit.cap));
		dimensions[group->dimension].least += rules.least;
		dimensions[group->dimension].most += rules.most;
	}
	for (int d = SCORE_FIT; d <= SCORE_TOTAL; d++)
	{
		const ScoreLimit *limit = &m->core.limits[d];

		if (d == SCORE_TOTAL)
		{
			dimensions[d].least = dimensions[SCORE_FIT].least + dimensions[SCORE_INTENT].least;
			dimensions[d].most = dimensions[SCORE_FIT].most + dimensions[SCORE_INTENT].most;
		}
		check_limit(limit, dimensions[d], "dimension", psprintf("model_limit/%s", dimension_names[d]), visit, arg);
		dimensions[d] = within(dimensions[d], floor_of(limit->floor), cap_of(limit->cap));
		check_bands(m, d, dimensions[d], visit, arg);
	}
}
