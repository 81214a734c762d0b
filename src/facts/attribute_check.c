/*
 * attribute_check.c
 *	  What the registry of attributes knows about a condition: operands that
 *	  no lead can have, keys that nobody registered.
 */
#include "base/compat.h"

#include "facts/attribute.h"
#include "facts/vocabulary.h"

typedef struct CheckRun
{
	AttributeFinding visit;
	void	   *arg;
} CheckRun;

static void
report(CheckRun *run, const char *severity, char *text)
{
	run->visit(run->arg, text, severity);
}

static char *
word_text(CondText text)
{
	return pnstrdup(text.ptr, Min(text.len, 64));
}

/* Returns the key of a fact that is an attribute, false for other facts. */
static bool
attribute_key(CondText fact, CondText *key)
{
	static const char *const prefixes[] = {"attributes.", "account.attributes."};

	for (int i = 0; i < lengthof(prefixes); i++)
	{
		size_t		len = strlen(prefixes[i]);

		if (fact.len > len && memcmp(fact.ptr, prefixes[i], len) == 0)
		{
			key->ptr = fact.ptr + len;
			key->len = fact.len - len;
			return true;
		}
	}
	return false;
}

/* Finds the attribute a fact names; one that is not registered is reported. */
static const Attribute *
named_attribute(CheckRun *run, const CondWord *fact)
{
	CondText	key;
	const Attribute *attribute;

	if (!attribute_key(fact->name, &key))
		return NULL;
	attribute = nurture_attribute(key.ptr, key.len);
	if (attribute == NULL)
		report(run, "warning",
			   psprintf("attribute \"%s\" is not registered in nurture.attribute",
						word_text(key)));
	return attribute;
}

static const char *
operand_kind(CondOperandKind kind)
{
	static const char *const names[] = {"text", "a number", "true or false", "a date"};

	return names[kind];
}

/* Tells whether an operand is of a type; a text may look like a date. */
static bool
operand_fits(const Attribute *attribute, const CondOperand *operand)
{
	switch (attribute->type)
	{
		case ATTRIBUTE_TEXT:
		case ATTRIBUTE_LIST:
			return operand->kind == COND_OPERAND_TEXT || operand->kind == COND_OPERAND_DAY;
		case ATTRIBUTE_NUMBER:
			return operand->kind == COND_OPERAND_NUMBER;
		case ATTRIBUTE_BOOLEAN:
			return operand->kind == COND_OPERAND_BOOL;
		case ATTRIBUTE_DATE:
			return operand->kind == COND_OPERAND_DAY;
	}
	return false;
}

/* Tells whether some allowed value equals the operand, or begins with it. */
static bool
operand_allowed(const Attribute *attribute, const CondOperand *operand, bool prefix)
{
	if (attribute->nallowed == 0 && attribute->tag_dimension == NULL)
		return true;
	for (int i = 0; i < attribute->nallowed; i++)
	{
		const char *allowed = attribute->allowed[i];

		if (strncmp(allowed, operand->text.ptr, operand->text.len) == 0 &&
			(prefix || allowed[operand->text.len] == '\0'))
			return true;
	}
	return false;
}

static void
check_operands(CheckRun *run, const CondTerm *term, const Attribute *attribute, bool allowed)
{
	for (int i = 0; i < term->nvalues; i++)
	{
		const CondOperand *operand = &term->values[i];

		if (!operand_fits(attribute, operand))
		{
			report(run, "error",
				   psprintf("attribute \"%s\" is %s, and is compared with %s",
							attribute->attribute,
							nurture_attribute_allowed(attribute),
							operand_kind(operand->kind)));
			return;
		}
		if (allowed && (attribute->type == ATTRIBUTE_TEXT || attribute->type == ATTRIBUTE_LIST) &&
			!operand_allowed(attribute, operand, term->op == COND_OP_PREFIX))
		{
			report(run, "error",
				   psprintf("attribute \"%s\" is never \"%s\": it is %s",
							attribute->attribute, word_text(operand->text),
							nurture_attribute_allowed(attribute)));
			return;
		}
	}
}

static void
wrong_operator(CheckRun *run, const Attribute *attribute, const char *what)
{
	report(run, "error",
		   psprintf("attribute \"%s\" is of type %s, which is never %s",
					attribute->attribute, nurture_attribute_type_name(attribute->type), what));
}

static void
check_attribute(CheckRun *run, const CondTerm *term, const Attribute *attribute)
{
	AttributeType type = attribute->type;

	switch (term->op)
	{
		case COND_OP_NONE:
		case COND_OP_KNOWN:
		case COND_OP_UNKNOWN:
		case COND_OP_SAME_AS:
		case COND_OP_DIFFERS_FROM:
			break;
		case COND_OP_EQ:
		case COND_OP_NE:
		case COND_OP_IN:
		case COND_OP_NOT_IN:
			if (type == ATTRIBUTE_LIST)
				wrong_operator(run, attribute, "equal to one value (use any_of or all_of)");
			else
				check_operands(run, term, attribute, true);
			break;
		case COND_OP_BETWEEN:
		case COND_OP_GE:
		case COND_OP_LE:
			if (type == ATTRIBUTE_LIST || type == ATTRIBUTE_BOOLEAN)
				wrong_operator(run, attribute, "more or less than a value");
			else
				check_operands(run, term, attribute, false);
			break;
		case COND_OP_PREFIX:
			if (type != ATTRIBUTE_TEXT)
				wrong_operator(run, attribute, "compared by how it begins");
			else
				check_operands(run, term, attribute, true);
			break;
		case COND_OP_ANY_OF:
		case COND_OP_ALL_OF:
			check_operands(run, term, attribute, true);
			break;
		case COND_OP_UNDER:
			{
				const char *dimension = attribute->tag_dimension;

				if (type != ATTRIBUTE_TEXT && type != ATTRIBUTE_LIST)
					wrong_operator(run, attribute, "under a tag");
				else if (dimension != NULL &&
						 (strlen(dimension) >= term->other.name.len ||
						  memcmp(term->other.name.ptr, dimension, strlen(dimension)) != 0 ||
						  term->other.name.ptr[strlen(dimension)] != ':'))
					report(run, "error",
						   psprintf("attribute \"%s\" is never under \"%s\": it is %s",
									attribute->attribute, word_text(term->other.name),
									nurture_attribute_allowed(attribute)));
				break;
			}
		case COND_OP_DUE_WITHIN:
		case COND_OP_OLDER_THAN:
			if (type != ATTRIBUTE_DATE)
				wrong_operator(run, attribute, "a date");
			break;
	}
}

/* Audience types are a vocabulary of their own. */
static void
check_audience(CheckRun *run, const CondTerm *term)
{
	if (term->op != COND_OP_EQ && term->op != COND_OP_NE &&
		term->op != COND_OP_IN && term->op != COND_OP_NOT_IN)
		return;
	for (int i = 0; i < term->nvalues; i++)
	{
		const CondOperand *operand = &term->values[i];

		if (operand->kind != COND_OPERAND_TEXT ||
			!nurture_audience_known(operand->text.ptr, operand->text.len))
			report(run, "error",
				   psprintf("audience_type is never %s%s%s",
							operand->kind == COND_OPERAND_TEXT ? "\"" : "",
							operand->kind == COND_OPERAND_TEXT ? word_text(operand->text) :
							operand_kind(operand->kind),
							operand->kind == COND_OPERAND_TEXT ?
							"\": it is no row of nurture.audience_type" : ""));
	}
}

static void
check_term(void *arg, const CondTerm *term)
{
	CheckRun   *run = arg;
	const Attribute *attribute;

	if (term->kind != COND_TERM_FACT)
		return;
	if (term->subject.name.len == strlen("audience_type") &&
		memcmp(term->subject.name.ptr, "audience_type", term->subject.name.len) == 0)
		check_audience(run, term);
	attribute = named_attribute(run, &term->subject);
	if (attribute != NULL)
		check_attribute(run, term, attribute);
	if (term->op == COND_OP_SAME_AS || term->op == COND_OP_DIFFERS_FROM)
		(void) named_attribute(run, &term->other);
}

/* Reports what the registry knows better than a condition. */
void
nurture_attribute_check(const Condition *condition, AttributeFinding visit, void *arg)
{
	CheckRun	run = {visit, arg};

	nurture_cond_visit_terms(condition, check_term, &run);
}
