/*
 * score.c
 *	  Points from a tally; see score.h for the order of the steps.
 */
#include "score.h"

#include "curve.h"

/*
 * Reads the entry at a place of a tally.
 */
static inline TallyEntry
entry_at(const unsigned char *p)
{
	TallyEntry	e;

	memcpy(&e, p, sizeof(e));
	return e;
}

/*
 * Reads the key of the entry at a place of a tally.
 */
static inline uint16_t
key_at(const unsigned char *p)
{
	uint16_t	key;

	memcpy(&key, p + offsetof(TallyEntry, key), sizeof(key));
	return key;
}

/*
 * Answers points within a floor and a cap.
 */
static inline int64_t
clamp(int64_t points, int64_t floor, int64_t cap)
{
	return points < floor ? floor : points > cap ? cap : points;
}

const char *
nurture_score_status_text(ScoreStatus status)
{
	switch (status)
	{
		case SCORE_OK:
			return "no error";
		case SCORE_OVERFLOW:
			return "points are out of range";
		case SCORE_BAD_ORDER:
			return "rules are not in order of their signals";
		case SCORE_BAD_POINTS:
			return "points of a rule are out of range";
		case SCORE_BAD_FACTOR:
			return "a decay factor is out of range";
		case SCORE_BAD_POLICY:
			return "without decay, at most one occurrence a day can be limited";
		case SCORE_BAD_LIMIT:
			return "a floor is above its cap";
		case SCORE_BAD_GROUP:
			return "a rule names a group or dimension that does not exist";
	}
	return "unknown score status";
}

/*
 * Answers whether a rule may be scored with.
 */
static ScoreStatus
check_rule(const ScoreSignalRule *rule, int ngroups)
{
	if (rule->points < -NURTURE_SCORE_MAX_POINTS ||
		rule->points > NURTURE_SCORE_MAX_POINTS)
		return SCORE_BAD_POINTS;
	if (rule->nfactor < 0)
		return SCORE_BAD_FACTOR;
	for (int age = 0; age < rule->nfactor; age++)
		if (rule->factor[age] < 0 ||
			rule->factor[age] > NURTURE_CURVE_MAX_FACTOR)
			return SCORE_BAD_FACTOR;
	if (rule->ever && rule->per_day_max > 1)
		return SCORE_BAD_POLICY;
	if (rule->floor > rule->cap)
		return SCORE_BAD_LIMIT;
	if (rule->group < NURTURE_SCORE_NO_GROUP || rule->group >= ngroups)
		return SCORE_BAD_GROUP;
	return SCORE_OK;
}

ScoreStatus
nurture_score_check(const ScoreModel *model, int *where)
{
	int			unused;

	if (!where)
		where = &unused;
	for (int i = 0; i < model->nrules; i++)
	{
		ScoreStatus status = check_rule(&model->rules[i], model->ngroups);

		*where = i;
		if (i > 0 && model->rules[i].signal < model->rules[i - 1].signal)
			return SCORE_BAD_ORDER;
		if (status != SCORE_OK)
			return status;
	}
	for (int i = 0; i < model->ngroups; i++)
	{
		*where = i;
		if (model->groups[i].dimension != SCORE_FIT &&
			model->groups[i].dimension != SCORE_INTENT)
			return SCORE_BAD_GROUP;
		if (model->groups[i].limit.floor > model->groups[i].limit.cap)
			return SCORE_BAD_LIMIT;
	}
	*where = -1;
	for (int i = 0; i < NURTURE_SCORE_DIMENSIONS; i++)
		if (model->limits[i].floor > model->limits[i].cap)
			return SCORE_BAD_LIMIT;
	return SCORE_OK;
}

/*
 * Adds points to a sum, which is left alone when the result does not fit.
 */
static inline bool
add_points(int64_t *sum, int64_t points)
{
	int64_t		result;

	if (__builtin_add_overflow(*sum, points, &result))
		return false;
	*sum = result;
	return true;
}

/*
 * Answers points x weight (in millionths), rounded half away from zero.
 *
 * The whole occurrences in the weight are multiplied apart from the rest, so
 * that the product is exact in 64 bits: the rest stays below 10^6 x
 * NURTURE_SCORE_MAX_POINTS, and both parts have the sign of the points.
 */
static inline bool
multiply(int64_t points, uint64_t weight, int64_t *product)
{
	int64_t		whole = (int64_t) (weight / NURTURE_CURVE_ONE);
	int64_t		rest = points * (int64_t) (weight % NURTURE_CURVE_ONE);

	rest += points < 0 ? -NURTURE_CURVE_ONE / 2 : NURTURE_CURVE_ONE / 2;
	rest /= NURTURE_CURVE_ONE;
	return !__builtin_mul_overflow(points, whole, product) &&
		!__builtin_add_overflow(*product, rest, product);
}

/*
 * Scores a rule over the entries of its signal, from the latest to the
 * earliest, because count_max keeps the most recent occurrences.
 */
static inline ScoreStatus
score_entries(const ScoreSignalRule *rule, const unsigned char *first,
			  const unsigned char *end, int64_t today,
			  ScoreRuleResult *result)
{
	uint64_t	left = rule->count_max ? rule->count_max : UINT64_MAX;
	uint64_t	per_day = rule->per_day_max ? rule->per_day_max : UINT32_MAX;
	uint64_t	occurrences = 0;
	uint64_t	weight = 0;
	int32_t		last_day = NURTURE_TALLY_NO_DAY;

	for (const unsigned char *p = end; p > first && left > 0;)
	{
		TallyEntry	e;
		uint64_t	n;
		uint64_t	factor = NURTURE_CURVE_ONE;

		p -= NURTURE_TALLY_ENTRY_SIZE;
		e = entry_at(p);
		n = e.count;
		if (e.day >= NURTURE_TALLY_FIRST_DAY)
		{
			int64_t		age = today - e.day;

			if (age < 0)
				continue;
			if (age < rule->nfactor)
				factor = (uint64_t) rule->factor[age];
			else if (!rule->ever)
				break;
			n = n < per_day ? n : per_day;
		}
		else
		{
			/* the days of an ever pair, behind its count */
			uint64_t	most = n * per_day;

			if (!rule->ever)
				break;
			p -= NURTURE_TALLY_ENTRY_SIZE;
			e = entry_at(p);
			n = e.count;
			if (rule->per_day_max && n > most)
				n = most;
		}
		n = n < left ? n : left;
		left -= n;
		if (occurrences == 0)
			last_day = e.day;
		occurrences += n;
		if (__builtin_add_overflow(weight, n * factor, &weight))
			return SCORE_OVERFLOW;
	}
	result->occurrences = occurrences;
	result->last_day = last_day;
	if (__builtin_mul_overflow(rule->points, (int64_t) occurrences,
							   &result->raw_points) ||
		!multiply(rule->points, weight, &result->decayed))
		return SCORE_OVERFLOW;
	result->points = weight == 0 ? 0 :
		clamp(result->decayed, rule->floor, rule->cap);
	return SCORE_OK;
}

ScoreStatus
nurture_score_rule(const ScoreSignalRule *rule, const Tally *tally,
				   int32_t today, ScoreRuleResult *result)
{
	const unsigned char *end = tally->entries +
	(size_t) tally->n * NURTURE_TALLY_ENTRY_SIZE;
	const unsigned char *first = tally->entries + (size_t)
	nurture_tally_search(tally, rule->signal, 0) *
	NURTURE_TALLY_ENTRY_SIZE;
	const unsigned char *p = first;

	while (p < end && key_at(p) == rule->signal)
		p += NURTURE_TALLY_ENTRY_SIZE;
	return score_entries(rule, first, p, today, result);
}

void
nurture_score_begin(const ScoreModel *model, ScoreTotals *totals,
					int64_t *group_sums)
{
	memset(totals, 0, sizeof(*totals));
	totals->group_sums = group_sums;
	for (int i = 0; i < model->ngroups; i++)
		group_sums[i] = 0;
}

ScoreStatus
nurture_score_add(const ScoreModel *model, ScoreTotals *totals,
				  ScoreDimension dimension, int group, int64_t points)
{
	int64_t    *sum;

	if (group >= 0 && group < model->ngroups)
		sum = &totals->group_sums[group];
	else if (group == NURTURE_SCORE_NO_GROUP &&
			 (dimension == SCORE_FIT || dimension == SCORE_INTENT))
		sum = &totals->sums[dimension];
	else
		return SCORE_BAD_GROUP;
	return add_points(sum, points) ? SCORE_OK : SCORE_OVERFLOW;
}

/*
 * Answers whether a rule may have a slot: whatever has no factor counts
 * nothing, and the order of occurrences does not matter.
 */
static bool
is_slot(const ScoreModel *model, int at)
{
	const ScoreSignalRule *rule = &model->rules[at];

	return !rule->ever && rule->count_max == 0 && rule->nfactor > 0 &&
		rule->signal < NURTURE_SCORE_MAX_INDEXED &&
		rule->points < NURTURE_SCORE_SLOT_POINTS &&
		rule->points > -NURTURE_SCORE_SLOT_POINTS &&
		(at == 0 || rule[-1].signal != rule->signal) &&
		(at + 1 == model->nrules || rule[1].signal != rule->signal);
}

void
nurture_score_index(const ScoreModel *model, ScoreIndex *index, int *others,
					uint8_t *slot_of)
{
	static const int32_t nothing = 0;

	memset(index->slots, 0, sizeof(index->slots));
	index->slots[0].factor = &nothing;
	index->nslots = 1;
	index->longest = 0;
	index->nothers = 0;
	index->others = others;
	index->nsignals = 0;
	index->slot_of = slot_of;
	memset(slot_of, 0, NURTURE_SCORE_MAX_INDEXED);
	for (int i = 0; i < model->nrules; i++)
	{
		const ScoreSignalRule *rule = &model->rules[i];

		if (!is_slot(model, i) || index->nslots == NURTURE_SCORE_MAX_SLOTS)
		{
			others[index->nothers++] = i;
			continue;
		}
		slot_of[rule->signal] = (uint8_t) index->nslots;
		index->nsignals = rule->signal + 1;
		if (rule->nfactor > index->longest)
			index->longest = rule->nfactor;
		index->slots[index->nslots++] = (ScoreSlot)
		{
			rule->factor, (uint32_t) rule->nfactor, rule->per_day_max - 1,
				rule->group, rule->points, rule->floor, rule->cap
		};
	}
}

/*
 * What a lead counts is below this in all but absurd tallies.  Then no step
 * leaves 64 bits: factors are below 2^24, points of a slot below 2^26.
 */
#define FEW_OCCURRENCES	((uint64_t) 1 << 12)

/*
 * Scores the rules that have a slot; false, and nothing was added, when the
 * numbers are too large for that.  *ok is false when a sum does not fit.
 *
 * Which signals a lead has, and how often, no processor can foresee: a branch
 * on it costs more than the arithmetic.  So each entry adds to the weight of
 * its slot, and then every slot has points, mostly 0.
 */
static bool
score_slots(const ScoreIndex *index, const Tally *tally, int32_t today,
			ScoreTotals *totals, bool *ok)
{
	int64_t		weights[NURTURE_SCORE_MAX_SLOTS];
	const unsigned char *end = tally->entries +
	(size_t) tally->n * NURTURE_TALLY_ENTRY_SIZE;
	uint64_t	occurrences = 0;
	int64_t		ungrouped = 0;

	for (int i = 0; i < index->nslots; i++)
		weights[i] = 0;
	for (const unsigned char *p = tally->entries; p < end;
		 p += NURTURE_TALLY_ENTRY_SIZE)
	{
		TallyEntry	e = entry_at(p);
		int			at = e.key < index->nsignals ? index->slot_of[e.key] : 0;
		const ScoreSlot *slot = &index->slots[at];
		uint32_t	age = (uint32_t) today - e.day;
		bool		counts = age < slot->nfactor;
		int32_t		factor = slot->factor[counts ? age : 0];
		uint32_t	less_1 = e.count - 1;
		uint64_t	n = (uint64_t) (less_1 < slot->per_day_less_1 ?
									less_1 : slot->per_day_less_1) + 1;

		occurrences += n;
		weights[at] += (int64_t) (n * (uint32_t) (counts ? factor : 0));
	}
	if (occurrences >= FEW_OCCURRENCES)
		return false;
	for (int i = 1; i < index->nslots; i++)
	{
		const ScoreSlot *slot = &index->slots[i];
		int64_t		half = slot->points < 0 ? -NURTURE_CURVE_ONE / 2 :
		NURTURE_CURVE_ONE / 2;
		int64_t		points = (slot->points * weights[i] + half) / NURTURE_CURVE_ONE;

		points = clamp(points, slot->floor, slot->cap) &
			-(int64_t) (weights[i] != 0);
		if (slot->group < 0)
			ungrouped += points;
		else
			*ok &= add_points(&totals->group_sums[slot->group], points);
	}
	*ok &= add_points(&totals->sums[SCORE_INTENT], ungrouped);
	return true;
}

/*
 * Scores by the index; false, and nothing was added, when the rules have to
 * be gone through one by one.
 */
static bool
score_by_index(const ScoreModel *model, const Tally *tally, int32_t today,
			   ScoreTotals *totals, ScoreStatus *status)
{
	const ScoreIndex *index = model->index;
	bool		ok = true;

	/* folded entries have a day of 1970, which has to be too old to count */
	if (today <= index->longest ||
		!score_slots(index, tally, today, totals, &ok))
		return false;
	for (int i = 0; i < index->nothers && ok; i++)
	{
		const ScoreSignalRule *rule = &model->rules[index->others[i]];
		ScoreRuleResult result;

		ok = nurture_score_rule(rule, tally, today, &result) == SCORE_OK &&
			add_points(rule->group >= 0 ? &totals->group_sums[rule->group] :
					   &totals->sums[SCORE_INTENT], result.points);
	}
	*status = ok ? SCORE_OK : SCORE_OVERFLOW;
	return true;
}

ScoreStatus
nurture_score_signals(const ScoreModel *model, const Tally *tally,
					  int32_t today, ScoreTotals *totals,
					  ScoreRuleResult *results)
{
	static const ScoreRuleResult nothing = {0, NURTURE_TALLY_NO_DAY, 0, 0, 0};
	const unsigned char *first = tally->entries;
	const unsigned char *p = first;
	const unsigned char *end = first +
	(size_t) tally->n * NURTURE_TALLY_ENTRY_SIZE;
	const ScoreSignalRule *rule = model->rules;
	const ScoreSignalRule *last = rule + model->nrules;
	ScoreStatus status;

	if (model->index && !results &&
		score_by_index(model, tally, today, totals, &status))
		return status;
	for (; rule < last; rule++)
	{
		ScoreRuleResult local;
		ScoreRuleResult *result;
		int64_t    *sum;

		/* rules of one signal share its entries, first up to p */
		if (rule == model->rules || rule->signal != rule[-1].signal)
		{
			while (p < end && key_at(p) < rule->signal)
				p += NURTURE_TALLY_ENTRY_SIZE;
			first = p;
			while (p < end && key_at(p) == rule->signal)
				p += NURTURE_TALLY_ENTRY_SIZE;
			if (first == end && !results)
				break;
		}
		if (first == p)
		{
			if (results)
				results[rule - model->rules] = nothing;
			continue;
		}
		result = results ? &results[rule - model->rules] : &local;
		if (score_entries(rule, first, p, today, result) != SCORE_OK)
			return SCORE_OVERFLOW;
		sum = rule->group >= 0 ? &totals->group_sums[rule->group] :
			&totals->sums[SCORE_INTENT];
		if (!add_points(sum, result->points))
			return SCORE_OVERFLOW;
	}
	return SCORE_OK;
}

/*
 * Brings a sum within a limit; false when what that adds or takes away, which
 * an explanation shows as a row, does not fit.
 */
static inline bool
apply_limit(const ScoreLimit *limit, int64_t sum, int64_t *points)
{
	int64_t		adjustment;

	*points = clamp(sum, limit->floor, limit->cap);
	return !__builtin_sub_overflow(*points, sum, &adjustment);
}

ScoreStatus
nurture_score_finish(const ScoreModel *model, ScoreTotals *totals)
{
	for (int i = 0; i < model->ngroups; i++)
	{
		const ScoreGroup *group = &model->groups[i];
		int64_t    *sum = &totals->sums[group->dimension];
		int64_t		points;

		if (!apply_limit(&group->limit, totals->group_sums[i], &points) ||
			!add_points(sum, points))
			return SCORE_OVERFLOW;
	}
	for (int i = SCORE_FIT; i <= SCORE_INTENT; i++)
		if (!apply_limit(&model->limits[i], totals->sums[i],
						 &totals->points[i]))
			return SCORE_OVERFLOW;
	if (__builtin_add_overflow(totals->points[SCORE_FIT],
							   totals->points[SCORE_INTENT],
							   &totals->sums[SCORE_TOTAL]) ||
		!apply_limit(&model->limits[SCORE_TOTAL], totals->sums[SCORE_TOTAL],
					 &totals->points[SCORE_TOTAL]))
		return SCORE_OVERFLOW;
	return SCORE_OK;
}

int64_t
nurture_score_group_adjustment(const ScoreModel *model,
							   const ScoreTotals *totals, int group)
{
	const ScoreLimit *limit = &model->groups[group].limit;
	int64_t		sum = totals->group_sums[group];

	return clamp(sum, limit->floor, limit->cap) - sum;
}

int64_t
nurture_score_adjustment(const ScoreTotals *totals, ScoreDimension dimension)
{
	return totals->points[dimension] - totals->sums[dimension];
}

int
nurture_score_band(const int64_t *min_points_desc, int n, int64_t points)
{
	for (int i = 0; i < n; i++)
		if (points >= min_points_desc[i])
			return i;
	return -1;
}

uint64_t
nurture_score_weight(const Tally *tally, uint16_t key, const int32_t *factor,
					 int nfactor, int32_t today)
{
	uint64_t	weight = 0;

	for (uint32_t i = nurture_tally_search(tally, key,
										   NURTURE_TALLY_FIRST_DAY);
		 i < tally->n; i++)
	{
		TallyEntry	e = nurture_tally_entry(tally, i);
		int64_t		age = (int64_t) today - e.day;

		if (e.key != key || age < 0)
			break;
		if (age < nfactor &&
			__builtin_add_overflow(weight, e.count * (uint64_t) factor[age],
								   &weight))
			return UINT64_MAX;
	}
	return weight;
}
