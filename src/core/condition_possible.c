/*
 * condition_possible.c
 *	  Whether any lead could make a condition true.
 *
 * What the terms ask about become variables with a few values each: for a
 * fact the operands and what lies right before and after them, for a signal
 * the counts around its bounds.  Truth changes at no other value, so trying
 * these settles it.  A term whose values hang together with others in ways
 * that are not followed here (lists, days from today, other facts, "after")
 * may be either by itself: a condition that cannot be true may then be called
 * possible, never the other way round.
 */
#include "condition_private.h"

#include <string.h>

#define MAX_TERMS		200		/* of a condition that is tried */
#define MAX_STEPS		20000	/* evaluations before giving up */

typedef enum VariableKind
{
	VARIABLE_FREE,				/* either */
	VARIABLE_FACT,
	VARIABLE_RANGE,				/* tier, score, share of interest */
	VARIABLE_COUNT,				/* of a signal within days */
	VARIABLE_WORD				/* stage, grade, campaign, consent */
} VariableKind;

typedef struct Variable
{
	VariableKind kind;
	const CondTerm *first;		/* the term that brought it in */
	CondValue  *values;
	int			nvalues;
	int			chosen;			/* index, -1 = none yet */
} Variable;

typedef struct Search
{
	const Condition *condition;
	CoreArena  *arena;
	const CondNarrow *only;
	Variable   *variables;
	int			nvariables;
	int		   *variable_of;	/* by term number */
	NurtureTruth *truths;		/* by term number; unknown: not chosen yet */
	int			steps;
} Search;

static bool
is_followed(const CondTerm *term)
{
	switch (term->op)
	{
		case COND_OP_EQ:
		case COND_OP_NE:
		case COND_OP_IN:
		case COND_OP_NOT_IN:
		case COND_OP_BETWEEN:
		case COND_OP_GE:
		case COND_OP_LE:
		case COND_OP_PREFIX:
		case COND_OP_KNOWN:
		case COND_OP_UNKNOWN:
			return true;
		default:
			return false;
	}
}

static bool
same_word(const CondWord *a, const CondWord *b)
{
	return a->id == b->id && a->name.len == b->name.len &&
		(a->name.len == 0 || memcmp(a->name.ptr, b->name.ptr, a->name.len) == 0);
}

/*
 * Says whether the terms about a fact can be followed: all by plain operators,
 * with operands of one type.
 */
static bool
fact_is_followed(const Condition *condition, int fact)
{
	const CondOperand *seen = NULL;

	for (int i = 0; i < condition->nterms; i++)
	{
		const CondTerm *term = &condition->terms[i];

		if (term->kind != COND_TERM_FACT)
			continue;
		if ((term->op == COND_OP_SAME_AS || term->op == COND_OP_DIFFERS_FROM) &&
			term->other.id == fact)
			return false;
		if (term->subject.id != fact)
			continue;
		if (!is_followed(term))
			return false;
		for (int v = 0; v < term->nvalues; v++)
		{
			if (seen != NULL && seen->kind != term->values[v].kind)
				return false;
			seen = &term->values[v];
		}
	}
	return true;
}

/* Says what variable a term is about. */
static VariableKind
kind_of(const Search *s, const CondTerm *term)
{
	switch (term->kind)
	{
		case COND_TERM_FACT:
			return fact_is_followed(s->condition, term->subject.id) ?
				VARIABLE_FACT : VARIABLE_FREE;
		case COND_TERM_SIGNAL:
			return term->other.id >= 0 ? VARIABLE_FREE : VARIABLE_COUNT;
		case COND_TERM_TIER:
		case COND_TERM_SCORE:
		case COND_TERM_INTEREST:
			return VARIABLE_RANGE;
		case COND_TERM_STAGE:
		case COND_TERM_GRADE:
		case COND_TERM_CONSENT:
			return VARIABLE_WORD;
		case COND_TERM_CAMPAIGN:
			/* the lead has one, the event at hand another */
			return term->latest ? VARIABLE_WORD : VARIABLE_FREE;
		default:
			return VARIABLE_FREE;
	}
}

/* Says whether two terms of one kind are about the same variable. */
static bool
shares(const CondTerm *a, const CondTerm *b)
{
	if (a->kind != b->kind)
		return false;
	switch (a->kind)
	{
		case COND_TERM_SIGNAL:
			return a->other.id < 0 && b->other.id < 0 &&
				a->subject.id == b->subject.id &&
				a->within_days == b->within_days;
		case COND_TERM_CONSENT:
			return same_word(&a->subject, &b->subject) &&
				same_word(&a->other, &b->other);
		case COND_TERM_FACT:
		case COND_TERM_TAG:
		case COND_TERM_INTEREST:
		case COND_TERM_LABEL:
		case COND_TERM_LIST:
		case COND_TERM_SCORE:
			return same_word(&a->subject, &b->subject);
		case COND_TERM_TIER:
		case COND_TERM_STAGE:
		case COND_TERM_GRADE:
			return true;
		case COND_TERM_CAMPAIGN:
			return a->latest && b->latest;
		default:
			return false;
	}
}

static void
add_value(Variable *v, const CondValue *value)
{
	for (int i = 0; i < v->nvalues; i++)
	{
		const CondValue *old = &v->values[i];

		if (old->kind == value->kind && old->number == value->number &&
			old->day == value->day && old->truth == value->truth &&
			old->text.len == value->text.len &&
			(value->text.len == 0 ||
			 memcmp(old->text.ptr, value->text.ptr, value->text.len) == 0))
			return;
	}
	v->values[v->nvalues++] = *value;
}

static void
add_text(Variable *v, const char *ptr, size_t len)
{
	CondValue	value;

	memset(&value, 0, sizeof(value));
	value.kind = COND_VALUE_TEXT;
	value.text.ptr = ptr;
	value.text.len = len;
	add_value(v, &value);
}

static void
add_number(Variable *v, CondValueKind kind, int64_t number)
{
	CondValue	value;

	memset(&value, 0, sizeof(value));
	value.kind = kind;
	if (kind == COND_VALUE_DAY)
		value.day = (int32_t) number;
	else if (kind == COND_VALUE_BOOL)
		value.truth = number != 0;
	else
		value.number = number;
	add_value(v, &value);
}

/*
 * Adds a text, the first text behind it, and the first two that do not begin
 * with it: between these neither order nor prefix changes.
 */
static void
add_texts_around(Search *s, Variable *v, CondText text)
{
	char	   *copy = s->arena->alloc(s->arena->ctx, 2 * text.len + 2);

	add_text(v, text.ptr, text.len);
	memcpy(copy, text.ptr, text.len);
	copy[text.len] = '\001';
	add_text(v, copy, text.len + 1);
	copy += text.len + 1;
	if (text.len > 0 && (unsigned char) text.ptr[text.len - 1] < 255)
	{
		memcpy(copy, text.ptr, text.len);
		copy[text.len - 1]++;
		copy[text.len] = '\001';
		add_text(v, copy, text.len);
		add_text(v, copy, text.len + 1);
	}
}

static void
add_fact_values(Search *s, Variable *v, const CondTerm *term)
{
	for (int i = 0; i < term->nvalues; i++)
	{
		const CondOperand *operand = &term->values[i];

		switch (operand->kind)
		{
			case COND_OPERAND_TEXT:
				add_texts_around(s, v, operand->text);
				break;
			case COND_OPERAND_NUMBER:
				for (int d = -1; d <= 1; d++)
					add_number(v, COND_VALUE_NUMBER, operand->number + d);
				break;
			case COND_OPERAND_DAY:
				for (int d = -1; d <= 1; d++)
					add_number(v, COND_VALUE_DAY, (int64_t) operand->day + d);
				break;
			case COND_OPERAND_BOOL:
				add_number(v, COND_VALUE_BOOL, 0);
				add_number(v, COND_VALUE_BOOL, 1);
				break;
		}
	}
}

static void
add_bounds(Variable *v, const CondTerm *term, int64_t least)
{
	for (int d = -1; d <= 1; d++)
	{
		if (term->low != NURTURE_COND_OPEN_LOW && term->low + d >= least)
			add_number(v, COND_VALUE_NUMBER, term->low + d);
		if (term->high != NURTURE_COND_OPEN_HIGH && term->high + d >= least)
			add_number(v, COND_VALUE_NUMBER, term->high + d);
	}
}

/* Answers how many values a term may add to its variable. */
static int
values_of_term(const CondTerm *term)
{
	return 8 + 4 * term->nvalues + term->nwords;
}

/* Gives a variable the values to try. */
static void
fill_variable(Search *s, Variable *v)
{
	const Condition *condition = s->condition;
	const CondTerm *first = v->first;
	bool		narrowed = v->kind == VARIABLE_FACT && s->only != NULL &&
	s->only->fact == first->subject.id;
	size_t		room = 8;

	for (int i = 0; i < condition->nterms; i++)
		room += (size_t) values_of_term(&condition->terms[i]);
	if (narrowed)
		room += (size_t) s->only->ntexts;
	v->values = s->arena->alloc(s->arena->ctx, room * sizeof(CondValue));
	v->nvalues = 0;
	v->chosen = -1;
	if (narrowed)
	{
		for (int i = 0; i < s->only->ntexts; i++)
			add_text(v, s->only->texts[i].ptr, s->only->texts[i].len);
		return;
	}
	switch (v->kind)
	{
		case VARIABLE_FREE:
			add_number(v, COND_VALUE_NUMBER, 0);
			add_number(v, COND_VALUE_NUMBER, 1);
			return;
		case VARIABLE_FACT:
			{
				CondValue	unknown;

				memset(&unknown, 0, sizeof(unknown));
				add_value(v, &unknown);
				add_text(v, "\001", 1);
				break;
			}
		case VARIABLE_COUNT:
			add_number(v, COND_VALUE_NUMBER, 0);
			break;
		case VARIABLE_RANGE:
			break;
		case VARIABLE_WORD:
			add_text(v, "", 0); /* another word than the conditions name */
			break;
	}
	for (int i = 0; i < condition->nterms; i++)
	{
		const CondTerm *term = &condition->terms[i];

		if (v->kind == VARIABLE_COUNT)
		{
			/* windows hang together, so all counts are tried in each */
			if (term->kind == COND_TERM_SIGNAL && term->other.id < 0 &&
				term->subject.id == first->subject.id)
				add_bounds(v, term, 0);
			continue;
		}
		if (!shares(first, term))
			continue;
		if (v->kind == VARIABLE_FACT)
			add_fact_values(s, v, term);
		else if (v->kind == VARIABLE_RANGE)
			add_bounds(v, term, INT64_MIN + 2);
		for (int w = 0; v->kind == VARIABLE_WORD && w < term->nwords; w++)
			add_text(v, term->words[w].name.ptr, term->words[w].name.len);
	}
}

/* Finds the variables of all terms. */
static void
find_variables(Search *s)
{
	const Condition *condition = s->condition;

	for (int i = 0; i < condition->nterms; i++)
	{
		const CondTerm *term = &condition->terms[i];
		VariableKind kind = kind_of(s, term);
		int			found = -1;

		for (int v = 0; v < s->nvariables && found < 0; v++)
		{
			if (s->variables[v].kind == kind && shares(s->variables[v].first, term) &&
				(kind != VARIABLE_FREE || term->kind != COND_TERM_FACT))
				found = v;
		}
		if (found < 0)
		{
			found = s->nvariables++;
			s->variables[found].kind = kind;
			s->variables[found].first = term;
			fill_variable(s, &s->variables[found]);
		}
		s->variable_of[i] = found;
		s->truths[i] = NURTURE_UNKNOWN;
	}
}

/* CondSource.fact: the chosen value is all there is. */
static void
chosen_fact(void *ctx, int fact, CondValue *out)
{
	(void) fact;
	*out = *(const CondValue *) ctx;
}

static NurtureTruth
term_truth(const CondTerm *term, VariableKind kind, CondValue *value)
{
	CondSource	source;
	bool		is = false;

	switch (kind)
	{
		case VARIABLE_FACT:
			memset(&source, 0, sizeof(source));
			source.ctx = value;
			source.fact = chosen_fact;
			return nurture_cond_eval_term(term, &source);
		case VARIABLE_COUNT:
		case VARIABLE_RANGE:
			is = value->number >= term->low && value->number <= term->high;
			break;
		case VARIABLE_WORD:
			for (int i = 0; i < term->nwords && !is; i++)
				is = term->words[i].name.len == value->text.len &&
					memcmp(term->words[i].name.ptr, value->text.ptr, value->text.len) == 0;
			break;
		case VARIABLE_FREE:
			is = (value->number != 0) != term->absent;
			break;
	}
	return is ? NURTURE_TRUE : NURTURE_FALSE;
}

/* Evaluates the tree over what is chosen so far. */
static NurtureTruth
evaluate(const Search *s, int at)
{
	const CondNode *node = &s->condition->nodes[at];
	NurtureTruth truth;

	switch (node->kind)
	{
		case COND_NODE_TERM:
			return s->truths[node->term];
		case COND_NODE_NOT:
			return nurture_truth_not(evaluate(s, at + 1));
		default:
			truth = node->kind == COND_NODE_ALL ? NURTURE_TRUE : NURTURE_FALSE;
			for (int child = at + 1; child < node->end;
				 child = s->condition->nodes[child].end)
			{
				NurtureTruth one = evaluate(s, child);

				truth = node->kind == COND_NODE_ALL ? nurture_truth_and(truth, one) :
					nurture_truth_or(truth, one);
			}
			return truth;
	}
}

/* Says whether a count agrees with those of other windows of its signal. */
static bool
agrees(const Search *s, int at)
{
	const Variable *v = &s->variables[at];
	int64_t		count = v->values[v->chosen].number;
	int32_t		days = v->first->within_days;

	for (int i = 0; i < at; i++)
	{
		const Variable *other = &s->variables[i];
		int64_t		its = other->values[other->chosen].number;
		int32_t		its_days = other->first->within_days;

		if (other->kind != VARIABLE_COUNT ||
			other->first->subject.id != v->first->subject.id)
			continue;
		/* -1 days is ever, the widest */
		if (its_days < 0 || (days >= 0 && days < its_days) ? count > its : count < its)
			return false;
	}
	return true;
}

/* Tries the values of the variables from one on. */
static NurtureTruth
try_from(Search *s, int at)
{
	NurtureTruth truth = evaluate(s, 0);
	Variable   *v = &s->variables[at];
	bool		tired = false;

	if (truth == NURTURE_TRUE)
		return NURTURE_TRUE;
	if (truth == NURTURE_FALSE || at == s->nvariables)
		return NURTURE_FALSE;
	if (++s->steps > MAX_STEPS)
		return NURTURE_UNKNOWN;
	for (v->chosen = 0; v->chosen < v->nvalues; v->chosen++)
	{
		if (v->kind == VARIABLE_COUNT && !agrees(s, at))
			continue;
		for (int i = 0; i < s->condition->nterms; i++)
		{
			if (s->variable_of[i] == at)
				s->truths[i] = term_truth(&s->condition->terms[i], v->kind,
										  &v->values[v->chosen]);
		}
		truth = try_from(s, at + 1);
		if (truth == NURTURE_TRUE)
			return NURTURE_TRUE;
		tired |= truth == NURTURE_UNKNOWN;
		if (s->steps > MAX_STEPS)
			break;
	}
	v->chosen = -1;
	for (int i = 0; i < s->condition->nterms; i++)
	{
		if (s->variable_of[i] == at)
			s->truths[i] = NURTURE_UNKNOWN;
	}
	return tired ? NURTURE_UNKNOWN : NURTURE_FALSE;
}

/* Answers whether some lead could make the condition true. */
NurtureTruth
nurture_cond_possible(const Condition *condition, const CondNarrow *only,
					  CoreArena *arena)
{
	Search		search;
	size_t		n = (size_t) condition->nterms;

	if (condition->nterms > MAX_TERMS)
		return NURTURE_UNKNOWN;
	memset(&search, 0, sizeof(search));
	search.condition = condition;
	search.arena = arena;
	search.only = only;
	/* one more, which nothing is chosen for */
	search.variables = arena->alloc(arena->ctx, (n + 1) * sizeof(Variable));
	search.variable_of = arena->alloc(arena->ctx, (n + 1) * sizeof(int));
	search.truths = arena->alloc(arena->ctx, (n + 1) * sizeof(NurtureTruth));
	find_variables(&search);
	return try_from(&search, 0);
}
