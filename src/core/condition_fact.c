/*
 * condition_fact.c
 *	  The fact term: operators and the operands each takes.
 */
#include "condition_private.h"
#include "day.h"

#define SORT_FROM	9			/* values of a list worth sorting */

/* What stands under "value". */
typedef enum Shape
{
	SHAPE_NOTHING,
	SHAPE_ONE,					/* text, number or bool */
	SHAPE_ORDERED,				/* text or number */
	SHAPE_LIST,					/* of texts, numbers or bools */
	SHAPE_RANGE,				/* two of texts or numbers */
	SHAPE_PREFIX,				/* text */
	SHAPE_TAG,					/* name of a tag */
	SHAPE_DAY_RANGE,			/* two whole numbers */
	SHAPE_DAYS,					/* a whole number from 0 */
	SHAPE_FACT					/* name of another fact */
} Shape;

static const char *const operator_words[] = {
	"=", "!=", "in", "not_in", "between", ">=", "<=", "prefix", "known",
	"unknown", "any_of", "all_of", "under", "due_within", "older_than",
	"same_as", "differs_from", NULL
};

static const struct
{
	CondOperator op;
	Shape		shape;
}			operators[] =

{
	{COND_OP_EQ, SHAPE_ONE},
	{COND_OP_NE, SHAPE_ONE},
	{COND_OP_IN, SHAPE_LIST},
	{COND_OP_NOT_IN, SHAPE_LIST},
	{COND_OP_BETWEEN, SHAPE_RANGE},
	{COND_OP_GE, SHAPE_ORDERED},
	{COND_OP_LE, SHAPE_ORDERED},
	{COND_OP_PREFIX, SHAPE_PREFIX},
	{COND_OP_KNOWN, SHAPE_NOTHING},
	{COND_OP_UNKNOWN, SHAPE_NOTHING},
	{COND_OP_ANY_OF, SHAPE_LIST},
	{COND_OP_ALL_OF, SHAPE_LIST},
	{COND_OP_UNDER, SHAPE_TAG},
	{COND_OP_DUE_WITHIN, SHAPE_DAY_RANGE},
	{COND_OP_OLDER_THAN, SHAPE_DAYS},
	{COND_OP_SAME_AS, SHAPE_FACT},
	{COND_OP_DIFFERS_FROM, SHAPE_FACT},
};

/* Reads one value as text, number or bool; days are told from texts later. */
static bool
read_operand(CondCompiler *c, const CoreJson *json, CondOperand *operand)
{
	int64_t		millionths;

	memset(operand, 0, sizeof(*operand));
	switch (json->kind)
	{
		case CORE_JSON_STRING:
			operand->kind = COND_OPERAND_TEXT;
			if (!nurture_cond_text(c, json, &operand->text))
			{
				if (json->len == 0)
					nurture_cond_hint(c, "An empty text is not known: use the "
									  "operator \"unknown\".");
				return false;
			}
			if (nurture_cond_trim(operand->text).len == operand->text.len)
				return true;
			nurture_cond_fail(c, json, "the text ", json->text, json->len,
							  " has blanks at an end, which no fact has");
			return nurture_cond_hint(c, "Remove the blanks.");
		case CORE_JSON_NUMBER:
			operand->kind = COND_OPERAND_NUMBER;
			operand->text.ptr = json->text;
			operand->text.len = json->len;
			if (!nurture_cond_decimal(c, json, 6, &millionths))
				return false;
			operand->number = 2 * millionths;
			return true;
		case CORE_JSON_BOOL:
			operand->kind = COND_OPERAND_BOOL;
			operand->truth = json->truth;
			return true;
		case CORE_JSON_NULL:
			nurture_cond_fail(c, json, "a fact is never equal to null", NULL,
							  0, "");
			return nurture_cond_hint(c, "Use the operator \"unknown\".");
		default:
			return nurture_cond_fail(c, json, "expected a text, a number, "
									 "true or false", NULL, 0, "");
	}
}

/* Turns texts into days if every one of them is a day. */
static void
read_days(CondOperand *values, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (values[i].kind != COND_OPERAND_TEXT ||
			!nurture_day_from_iso(values[i].text.ptr, values[i].text.len,
								  &values[i].day))
			return;
	}
	for (int i = 0; i < n; i++)
		values[i].kind = COND_OPERAND_DAY;
}

/*
 * Answers a copy of the values in the order of nurture_cond_compare_sorted.
 * Shell sort with Ciura's gaps: short, in place, and fast enough for 1000.
 */
static const CondOperand *
sort_values(CondCompiler *c, const CondOperand *values, int n)
{
	static const int gaps[] = {701, 301, 132, 57, 23, 10, 4, 1};
	CondOperand *v = c->arena->alloc(c->arena->ctx,
									 sizeof(CondOperand) * (size_t) n);

	memcpy(v, values, sizeof(CondOperand) * (size_t) n);
	for (size_t g = 0; g < sizeof(gaps) / sizeof(gaps[0]); g++)
	{
		int			gap = gaps[g];

		for (int i = gap; i < n; i++)
		{
			CondOperand x = v[i];
			int			j = i;

			for (; j >= gap && nurture_cond_compare_sorted(&x, &v[j - gap]) < 0;
				 j -= gap)
				v[j] = v[j - gap];
			v[j] = x;
		}
	}
	return v;
}

/* Reads a list of values of one type. */
static bool
read_list(CondCompiler *c, const CoreJson *json, CondTerm *term)
{
	CondOperand *values;
	int			n = 0;

	if (json->kind != CORE_JSON_ARRAY)
		return nurture_cond_fail(c, json, "expected a list", NULL, 0, "");
	if (json->count == 0)
		return nurture_cond_fail(c, json, "the list is empty", NULL, 0, "");
	if (json->count > NURTURE_COND_MAX_VALUES)
		return nurture_cond_fail(c, json, "the list has more than 1000 values",
								 NULL, 0, "");
	values = c->arena->alloc(c->arena->ctx,
							 sizeof(CondOperand) * (size_t) json->count);
	for (const CoreJson *e = json->first; e != NULL; e = e->next)
	{
		if (!read_operand(c, e, &values[n]))
			return false;
		if (values[n].kind != values[0].kind)
			return nurture_cond_fail(c, e, "the value is not of the same type "
									 "as the first of the list", NULL, 0, "");
		n++;
	}
	read_days(values, n);
	term->values = values;
	term->nvalues = n;
	if (n >= SORT_FROM && values[0].kind != COND_OPERAND_BOOL)
		term->sorted = sort_values(c, values, n);
	return true;
}

/* Reads one value, refusing a bool where there is an order. */
static bool
read_one(CondCompiler *c, const CoreJson *json, bool ordered, CondTerm *term)
{
	CondOperand *value = c->arena->alloc(c->arena->ctx, sizeof(CondOperand));

	if (json->kind == CORE_JSON_ARRAY)
	{
		nurture_cond_fail(c, json, "expected one value, not a list", NULL, 0,
						  "");
		return ordered ? false : nurture_cond_hint(c, "Use the operator "
												   "\"in\" or \"any_of\".");
	}
	if (!read_operand(c, json, value))
		return false;
	if (ordered && value->kind == COND_OPERAND_BOOL)
		return nurture_cond_fail(c, json, "true and false have no order", NULL,
								 0, "");
	read_days(value, 1);
	term->values = value;
	term->nvalues = 1;
	return true;
}

/* Reads the two ends of "between". */
static bool
read_range(CondCompiler *c, const CoreJson *json, CondTerm *term)
{
	if (json->kind != CORE_JSON_ARRAY || json->count != 2)
		return nurture_cond_fail(c, json, "expected a list of two values, "
								 "from and to", NULL, 0, "");
	if (!read_list(c, json, term))
		return false;
	if (term->values[0].kind == COND_OPERAND_BOOL)
		return nurture_cond_fail(c, json, "true and false have no order", NULL,
								 0, "");
	if (nurture_cond_compare(&term->values[0], &term->values[1]) > 0)
		return nurture_cond_fail(c, json, "the range is empty: it ends before "
								 "it begins", NULL, 0, "");
	return true;
}

/* Reads the two ends of "due_within", in days from today. */
static bool
read_day_range(CondCompiler *c, const CoreJson *json, CondTerm *term)
{
	int64_t		from;
	int64_t		to;

	if (json->kind != CORE_JSON_ARRAY || json->count != 2)
		return nurture_cond_fail(c, json, "expected a list of two whole "
								 "numbers, days from today", NULL, 0, "");
	if (!nurture_cond_int(c, json->first, -NURTURE_COND_MAX_DAYS,
						  NURTURE_COND_MAX_DAYS, &from) ||
		!nurture_cond_int(c, json->first->next, -NURTURE_COND_MAX_DAYS,
						  NURTURE_COND_MAX_DAYS, &to))
		return false;
	if (from > to)
		return nurture_cond_fail(c, json, "the range is empty: it ends before "
								 "it begins", NULL, 0, "");
	term->from_day = (int32_t) from;
	term->to_day = (int32_t) to;
	return true;
}

/* Reads what the operator takes under "value". */
static bool
read_value(CondCompiler *c, const CoreJson *json, Shape shape, CondTerm *term)
{
	CondOperand *value;
	int64_t		days;

	switch (shape)
	{
		case SHAPE_NOTHING:
			return true;
		case SHAPE_ONE:
		case SHAPE_ORDERED:
			return read_one(c, json, shape == SHAPE_ORDERED, term);
		case SHAPE_LIST:
			return read_list(c, json, term);
		case SHAPE_RANGE:
			return read_range(c, json, term);
		case SHAPE_PREFIX:
			value = c->arena->alloc(c->arena->ctx, sizeof(CondOperand));
			memset(value, 0, sizeof(*value));
			value->kind = COND_OPERAND_TEXT;
			term->values = value;
			term->nvalues = 1;
			return nurture_cond_text(c, json, &value->text);
		case SHAPE_TAG:
			return nurture_cond_word(c, json, COND_NAME_TAG, &term->other);
		case SHAPE_DAY_RANGE:
			return read_day_range(c, json, term);
		case SHAPE_DAYS:
			if (!nurture_cond_int(c, json, 0, NURTURE_COND_MAX_DAYS, &days))
				return false;
			term->from_day = (int32_t) days;
			return true;
		case SHAPE_FACT:
			if (!nurture_cond_word(c, json, COND_NAME_FACT, &term->other))
				return false;
			if (term->other.id != term->subject.id)
				return true;
			return nurture_cond_fail(c, json, "fact ", json->text, json->len,
									 " is compared with itself");
	}
	return false;
}

/* Compiles {"fact": ..., "op": ..., "value": ...}. */
bool
nurture_cond_fact_term(CondCompiler *c, const CoreJson *object, CondTerm *term)
{
	static const char *const keys[] = {"fact", "op", "value", NULL};
	const CoreJson *fact = nurture_json_member(object, "fact");
	const CoreJson *value = nurture_json_member(object, "value");
	const CoreJson *op;
	CondText	word;
	int			place;

	term->kind = COND_TERM_FACT;
	if (!nurture_cond_keys(c, object, keys) ||
		!nurture_cond_word(c, fact, COND_NAME_FACT, &term->subject))
		return false;
	op = nurture_cond_need(c, object, "op");
	if (op == NULL || !nurture_cond_text(c, op, &word))
		return false;
	place = nurture_cond_find(operator_words, word.ptr, word.len);
	if (place < 0)
	{
		nurture_cond_fail(c, op, "unknown operator ", word.ptr, word.len, "");
		return nurture_cond_hint_list(c, word.ptr, word.len, operator_words);
	}
	term->op = operators[place].op;
	if (operators[place].shape == SHAPE_NOTHING)
	{
		if (value == NULL || value->kind == CORE_JSON_NULL)
			return true;
		return nurture_cond_fail(c, value, "operator ", word.ptr, word.len,
								 " takes no value");
	}
	if (value == NULL)
		return nurture_cond_fail(c, object, "operator ", word.ptr, word.len,
								 " needs a \"value\"");
	return read_value(c, value, operators[place].shape, term);
}
