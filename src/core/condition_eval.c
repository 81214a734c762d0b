/*
 * condition_eval.c
 *	  Whether a condition holds for a lead, in Kleene's three values.
 *
 * Nothing is allocated; recursion is as deep as the condition, at most
 * NURTURE_COND_MAX_DEPTH.
 */
#include "condition_private.h"

typedef struct Explain
{
	void		(*visit) (void *arg, const CondTerm *term, NurtureTruth truth);
	void	   *arg;
} Explain;

/* Answers a AND b. */
NurtureTruth
nurture_truth_and(NurtureTruth a, NurtureTruth b)
{
	if (a == NURTURE_FALSE || b == NURTURE_FALSE)
		return NURTURE_FALSE;
	if (a == NURTURE_UNKNOWN || b == NURTURE_UNKNOWN)
		return NURTURE_UNKNOWN;
	return NURTURE_TRUE;
}

/* Answers a OR b. */
NurtureTruth
nurture_truth_or(NurtureTruth a, NurtureTruth b)
{
	if (a == NURTURE_TRUE || b == NURTURE_TRUE)
		return NURTURE_TRUE;
	if (a == NURTURE_UNKNOWN || b == NURTURE_UNKNOWN)
		return NURTURE_UNKNOWN;
	return NURTURE_FALSE;
}

/* Answers NOT a. */
NurtureTruth
nurture_truth_not(NurtureTruth a)
{
	if (a == NURTURE_UNKNOWN)
		return NURTURE_UNKNOWN;
	return a == NURTURE_TRUE ? NURTURE_FALSE : NURTURE_TRUE;
}

/* Answers the truth value of b. */
static NurtureTruth
truth_of(bool b)
{
	return b ? NURTURE_TRUE : NURTURE_FALSE;
}

/* Fetches a fact; answers whether it is known. */
static bool
fetch(const CondSource *source, int fact, CondValue *value)
{
	memset(value, 0, sizeof(*value));
	if (source->fact == NULL)
		return false;
	source->fact(source->ctx, fact, value);
	return nurture_cond_normal(value);
}

/* Says whether the operand is among the values of the term. */
static bool
among(const CondTerm *term, const CondOperand *x)
{
	int			low = 0;
	int			high = term->nvalues;

	if (term->sorted == NULL)
	{
		for (int i = 0; i < term->nvalues; i++)
		{
			if (nurture_cond_compare_sorted(x, &term->values[i]) == 0)
				return true;
		}
		return false;
	}
	while (low < high)
	{
		int			mid = (low + high) / 2;
		int			order = nurture_cond_compare_sorted(x, &term->sorted[mid]);

		if (order == 0)
			return true;
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return false;
}

/* Answers item i of a value, of which a single one has one. */
static void
get_item(const CondValue *value, int i, CondValue *item)
{
	*item = *value;
	if (value->kind == COND_VALUE_LIST)
	{
		item->kind = COND_VALUE_TEXT;
		item->text = nurture_cond_trim(value->items[i]);
	}
}

/* Answers whether some item of the value is among the operands. */
static NurtureTruth
eval_any_of(const CondTerm *term, const CondValue *value)
{
	int			n = value->kind == COND_VALUE_LIST ? value->nitems : 1;
	NurtureTruth result = NURTURE_FALSE;

	for (int i = 0; i < n; i++)
	{
		CondValue	item;
		CondOperand x;

		get_item(value, i, &item);
		if (!nurture_cond_value_as(&item, term->values[0].kind, &x))
			result = NURTURE_UNKNOWN;
		else if (among(term, &x))
			return NURTURE_TRUE;
	}
	return result;
}

/* Answers whether every operand is among the items of the value. */
static NurtureTruth
eval_all_of(const CondTerm *term, const CondValue *value)
{
	int			n = value->kind == COND_VALUE_LIST ? value->nitems : 1;
	NurtureTruth result = NURTURE_TRUE;

	for (int i = 0; i < term->nvalues && result != NURTURE_FALSE; i++)
	{
		NurtureTruth found = NURTURE_FALSE;

		for (int j = 0; j < n && found != NURTURE_TRUE; j++)
		{
			CondValue	item;
			CondOperand x;

			get_item(value, j, &item);
			if (!nurture_cond_value_as(&item, term->values[0].kind, &x))
				found = NURTURE_UNKNOWN;
			else if (nurture_cond_compare_sorted(&x, &term->values[i]) == 0)
				found = NURTURE_TRUE;
		}
		result = nurture_truth_and(result, found);
	}
	return result;
}

/* Answers whether some item is the tag or below it. */
static NurtureTruth
eval_under(const CondTerm *term, const CondSource *source,
		   const CondValue *value)
{
	int			n = value->kind == COND_VALUE_LIST ? value->nitems : 1;

	if (source->under == NULL ||
		(value->kind != COND_VALUE_TEXT && value->kind != COND_VALUE_LIST))
		return NURTURE_UNKNOWN;
	for (int i = 0; i < n; i++)
	{
		CondValue	item;

		get_item(value, i, &item);
		if (source->under(source->ctx, item.text.ptr, item.text.len,
						  term->other.id))
			return NURTURE_TRUE;
	}
	return NURTURE_FALSE;
}

/* Answers an operator that asks for the value's distance from today. */
static NurtureTruth
eval_distance(const CondTerm *term, const CondSource *source,
			  const CondValue *value)
{
	CondOperand x;
	int64_t		ahead;

	if (!nurture_cond_value_as(value, COND_OPERAND_DAY, &x))
		return NURTURE_UNKNOWN;
	ahead = (int64_t) x.day - source->today;
	if (term->op == COND_OP_OLDER_THAN)
		return truth_of(-ahead > term->from_day);
	return truth_of(ahead >= term->from_day && ahead <= term->to_day);
}

/* Answers an operator that compares with operands of one kind. */
static NurtureTruth
eval_compare(const CondTerm *term, const CondValue *value)
{
	const CondOperand *v = term->values;
	CondOperand x;

	if (!nurture_cond_value_as(value, v[0].kind, &x))
		return NURTURE_UNKNOWN;
	switch (term->op)
	{
		case COND_OP_EQ:
			return truth_of(nurture_cond_compare_sorted(&x, v) == 0);
		case COND_OP_NE:
			return truth_of(nurture_cond_compare_sorted(&x, v) != 0);
		case COND_OP_IN:
			return truth_of(among(term, &x));
		case COND_OP_NOT_IN:
			return truth_of(!among(term, &x));
		case COND_OP_BETWEEN:
			return truth_of(nurture_cond_compare(&x, &v[0]) >= 0 &&
							nurture_cond_compare(&x, &v[1]) <= 0);
		case COND_OP_GE:
			return truth_of(nurture_cond_compare(&x, v) >= 0);
		case COND_OP_LE:
			return truth_of(nurture_cond_compare(&x, v) <= 0);
		case COND_OP_PREFIX:
			return truth_of(value->text.len >= v->text.len &&
							memcmp(value->text.ptr, v->text.ptr,
								   v->text.len) == 0);
		default:
			return NURTURE_UNKNOWN;
	}
}

/* Answers a fact term. */
static NurtureTruth
eval_fact(const CondTerm *term, const CondSource *source)
{
	CondValue	value;
	CondValue	second;
	NurtureTruth same;
	bool		known = fetch(source, term->subject.id, &value);

	if (term->op == COND_OP_KNOWN || term->op == COND_OP_UNKNOWN)
		return truth_of(known == (term->op == COND_OP_KNOWN));
	if (!known)
		return NURTURE_UNKNOWN;
	switch (term->op)
	{
		case COND_OP_ANY_OF:
			return eval_any_of(term, &value);
		case COND_OP_ALL_OF:
			return eval_all_of(term, &value);
		case COND_OP_UNDER:
			return eval_under(term, source, &value);
		case COND_OP_DUE_WITHIN:
		case COND_OP_OLDER_THAN:
			return eval_distance(term, source, &value);
		case COND_OP_SAME_AS:
		case COND_OP_DIFFERS_FROM:
			if (!fetch(source, term->other.id, &second))
				return NURTURE_UNKNOWN;
			same = nurture_cond_same(&value, &second);
			return term->op == COND_OP_SAME_AS ? same :
				nurture_truth_not(same);
		default:
			return eval_compare(term, &value);
	}
}

/* Answers a signal term. */
static NurtureTruth
eval_signal(const CondTerm *term, const CondSource *source)
{
	int64_t		from = NURTURE_COND_EVER;
	int64_t		count;

	if (source->signal_count == NULL)
		return NURTURE_UNKNOWN;
	if (term->within_days >= 0)
		from = (int64_t) source->today - term->within_days;
	if (term->other.id >= 0)
	{
		int32_t		last;

		if (source->signal_last == NULL)
			return NURTURE_UNKNOWN;
		last = source->signal_last(source->ctx, term->other.id);
		if (last == NURTURE_COND_EVER || last > source->today)
			return NURTURE_FALSE;
		if (last > from)
			from = last;
	}
	if (from < NURTURE_COND_EVER)
		from = NURTURE_COND_EVER;
	count = source->signal_count(source->ctx, term->subject.id,
								 (int32_t) from, source->today);
	if (count < 0)
		return NURTURE_UNKNOWN;
	return truth_of(count >= term->low && count <= term->high);
}

/* Answers one term, as evaluation does. */
NurtureTruth
nurture_cond_eval_term(const CondTerm *term, const CondSource *source)
{
	NurtureTruth truth;

	if (term->kind == COND_TERM_FACT)
		return eval_fact(term, source);
	if (term->kind == COND_TERM_SIGNAL)
		return eval_signal(term, source);
	if (source->other == NULL)
		return NURTURE_UNKNOWN;
	truth = source->other(source->ctx, term);
	return term->absent ? nurture_truth_not(truth) : truth;
}

/* Answers the node at this place; with explain, skips nothing. */
static NurtureTruth
eval_node(const Condition *condition, int at, const CondSource *source,
		  const Explain *explain)
{
	const CondNode *node = &condition->nodes[at];
	NurtureTruth settles;
	NurtureTruth result;

	if (node->kind == COND_NODE_TERM)
	{
		const CondTerm *term = &condition->terms[node->term];

		result = nurture_cond_eval_term(term, source);
		if (explain != NULL)
			explain->visit(explain->arg, term, result);
		return result;
	}
	if (node->kind == COND_NODE_NOT)
		return nurture_truth_not(eval_node(condition, at + 1, source,
										   explain));
	settles = node->kind == COND_NODE_ALL ? NURTURE_FALSE : NURTURE_TRUE;
	result = nurture_truth_not(settles);
	for (int child = at + 1; child < node->end;
		 child = condition->nodes[child].end)
	{
		NurtureTruth truth = eval_node(condition, child, source, explain);

		result = node->kind == COND_NODE_ALL ?
			nurture_truth_and(result, truth) : nurture_truth_or(result, truth);
		if (result == settles && explain == NULL)
			break;
	}
	return result;
}

/* Answers whether the condition holds; stops as soon as that is settled. */
NurtureTruth
nurture_cond_eval(const Condition *condition, const CondSource *source)
{
	return eval_node(condition, 0, source, NULL);
}

/* The same answer, showing every term. */
NurtureTruth
nurture_cond_eval_explain(const Condition *condition, const CondSource *source,
						  void (*visit) (void *arg, const CondTerm *term,
										 NurtureTruth truth),
						  void *arg)
{
	Explain		explain = {visit, arg};

	return eval_node(condition, 0, source, &explain);
}

/* Calls visit for each term in document order. */
void
nurture_cond_visit_terms(const Condition *condition,
						 void (*visit) (void *arg, const CondTerm *term),
						 void *arg)
{
	for (int i = 0; i < condition->nterms; i++)
		visit(arg, &condition->terms[i]);
}

/* Answers how many terms there are. */
int
nurture_cond_term_count(const Condition *condition)
{
	return condition->nterms;
}
