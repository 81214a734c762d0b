/*
 * condition_naive.h
 *	  A second evaluator of conditions, which shares nothing with the first.
 *
 * It walks the tree its caller made, knows numbers as whole ten-millionths
 * and texts by what they were made from, and never reads JSON.  Truth is 0, 1
 * or, if unknown, 2.
 */
#ifndef NURTURE_TEST_CONDITION_NAIVE_H
#define NURTURE_TEST_CONDITION_NAIVE_H

#include "condition_fixture.h"
#include "program.h"

#define FACTS			17		/* as in the fixture */
#define SIGNALS			6
#define MAX_NODES		64
#define MAX_VALUES		12
#define MAX_DAYS		6
#define MAX_ITEMS		4
#define PROGRAMS		6
#define PROGRAM_VALUES	3		/* that programmes and leads draw from */

typedef enum TextKind
{
	TEXT_BLANK,
	TEXT_WORD,
	TEXT_NUMBER,
	TEXT_DAY
} TextKind;

/* A text and what it says. */
typedef struct Text
{
	TextKind	kind;
	char		s[48];			/* as the fact or operand has it */
	char		bare[40];		/* without blanks at its ends */
	int64_t		tiny;			/* of a NUMBER: ten-millionths */
	int			day;			/* of a DAY: from 2026-01-01 */
} Text;

typedef enum FactKind
{
	FACT_UNKNOWN,
	FACT_TEXT,
	FACT_NUMBER,
	FACT_BOOL,
	FACT_DAY,
	FACT_LIST
} FactKind;

typedef struct Fact
{
	FactKind	kind;
	Text		text;
	int64_t		tiny;			/* of a NUMBER: ten-millionths */
	bool		truth;
	int			day;
	int			nitems;
	Text		items[MAX_ITEMS];
	CondText	views[MAX_ITEMS];	/* what the source hands out */
} Fact;

typedef struct Lead
{
	Fact		facts[FACTS];
	int			ndays[SIGNALS];
	int			days[SIGNALS][MAX_DAYS];	/* from 2026-01-01 */
	NurtureTruth labels[2];
	NurtureTruth tags[4];
	bool		listed;
	unsigned	fits[NURTURE_PROGRAM_FIELDS];	/* values it has, as bits; 0 =
												 * not known */
} Lead;

/* A programme: values it names as bits, the highest one stands for *. */
typedef struct Program
{
	int			kind;
	unsigned	names[NURTURE_PROGRAM_FIELDS];
	bool		open;
} Program;

typedef enum NodeKind
{
	NODE_ALL,
	NODE_ANY,
	NODE_NOT,
	NODE_FACT,
	NODE_SIGNAL,
	NODE_LABEL,
	NODE_TAG,
	NODE_LIST,
	NODE_PROGRAM
} NodeKind;

/* A value in the condition: a text, a number or a bool. */
typedef struct Value
{
	char		type;			/* 't', 'n', 'b' */
	Text		text;
	int64_t		tiny;			/* of a number: ten-millionths, times 10 */
	bool		truth;
} Value;

typedef struct Node
{
	NodeKind	kind;
	int			nchildren;
	int			children[4];
	int			id;				/* fact, signal, label, tag, kind */
	const char *op;
	int			nvalues;
	Value		values[MAX_VALUES];
	int			other;			/* second fact or signal, -1 if none */
	int			from;
	int			to;
	int			low;			/* -1 if not given */
	int			high;
	int			within;
	bool		present;
	unsigned	fields;			/* of a program, as bits */
} Node;

static Node nodes[MAX_NODES];	/* the condition at hand; [0] is the whole */
static Lead lead;				/* the lead at hand */
static Program programs[PROGRAMS];	/* the programmes at hand */
static int64_t today;			/* days from 2026-01-01 */

/* Answers the order of two values of one type, as days if asked. */
static int
naive_order(const Value *a, const Value *b, bool days)
{
	if (a->type == 'n')
		return a->tiny < b->tiny ? -1 : a->tiny > b->tiny;
	if (days)
		return a->text.day < b->text.day ? -1 : a->text.day > b->text.day;
	return strcmp(a->text.bare, b->text.bare);
}

/* Says whether every value of a node is a day. */
static bool
all_days(const Node *n)
{
	for (int i = 0; i < n->nvalues; i++)
	{
		if (n->values[i].type != 't' || n->values[i].text.kind != TEXT_DAY)
			return false;
	}
	return true;
}

/* A single value as the naive evaluator sees it. */
typedef struct Single
{
	FactKind	kind;
	const Text *text;
	int64_t		tiny;
	bool		truth;
	int			day;
} Single;

/* Lists a fact's values: one, or its items; 0 if it is not known. */
static int
singles(const Fact *f, Single *out)
{
	if (f->kind == FACT_UNKNOWN ||
		(f->kind == FACT_TEXT && f->text.kind == TEXT_BLANK))
		return 0;
	if (f->kind != FACT_LIST)
	{
		out->kind = f->kind;
		out->text = &f->text;
		out->tiny = f->tiny;
		out->truth = f->truth;
		out->day = f->day;
		return 1;
	}
	for (int i = 0; i < f->nitems; i++)
	{
		out[i].kind = FACT_TEXT;
		out[i].text = &f->items[i];
	}
	return f->nitems;
}

/* Compares a value with an operand: -1, 0, 1; 2 if that says nothing. */
static int
naive_compare(const Single *s, const Value *v, bool days)
{
	int64_t		left;
	int64_t		right;

	if (v->type == 'b')
	{
		if (s->kind != FACT_BOOL)
			return 2;
		left = s->truth;
		right = v->truth;
	}
	else if (v->type == 'n')
	{
		if (s->kind == FACT_NUMBER)
			left = s->tiny;
		else if (s->kind == FACT_TEXT && s->text->kind == TEXT_NUMBER)
			left = s->text->tiny;
		else
			return 2;
		right = v->tiny;
	}
	else if (days)
	{
		if (s->kind == FACT_DAY)
			left = s->day;
		else if (s->kind == FACT_TEXT && s->text->kind == TEXT_DAY)
			left = s->text->day;
		else
			return 2;
		right = v->text.day;
	}
	else
	{
		if (s->kind != FACT_TEXT)
			return 2;
		left = strcmp(s->text->bare, v->text.bare);
		right = 0;
	}
	return left < right ? -1 : left > right;
}

/* Says whether two singles are the same: 1, 0; 2 if unknown. */
static int
naive_same(const Single *a, const Single *b)
{
	Value		v = {0};

	if (a->kind == FACT_TEXT && b->kind == FACT_TEXT)
		return strcmp(a->text->bare, b->text->bare) == 0;
	if (a->kind == FACT_TEXT)
		return naive_same(b, a);
	if (b->kind == FACT_TEXT)
		v.text = *b->text;
	if (a->kind == FACT_NUMBER)
	{
		if (b->kind == FACT_NUMBER)
			v.tiny = b->tiny;
		else if (b->kind == FACT_TEXT && b->text->kind == TEXT_NUMBER)
			v.tiny = b->text->tiny;
		else
			return 2;
		/* what lies between two millionths is not told apart */
		if (a->tiny % 10 != 0 && v.tiny % 10 != 0)
		{
			int64_t		x = a->tiny + 100000000;
			int64_t		y = v.tiny + 100000000;

			return x / 10 == y / 10 ? 2 : 0;
		}
		return a->tiny == v.tiny;
	}
	if (a->kind == FACT_DAY)
	{
		if (b->kind == FACT_DAY)
			return a->day == b->day;
		if (b->kind == FACT_TEXT && b->text->kind == TEXT_DAY)
			return a->day == b->text->day;
		return 2;
	}
	return b->kind == FACT_BOOL ? a->truth == b->truth : 2;
}

/* Says whether each of a is in b: 1, 0; 2 if unknown. */
static int
naive_subset(const Single *a, int na, const Single *b, int nb)
{
	int			unsure = 0;

	for (int i = 0; i < na; i++)
	{
		int			yes = 0;
		int			maybe = 0;

		for (int j = 0; j < nb; j++)
		{
			int			same = naive_same(&a[i], &b[j]);

			yes += same == 1;
			maybe += same == 2;
		}
		if (!yes && !maybe)
			return 0;
		unsure += !yes;
	}
	return unsure ? 2 : 1;
}

/* Answers a fact term. */
static int
naive_fact(const Node *n)
{
	const Fact *f = &lead.facts[n->id];
	bool		list = f->kind == FACT_LIST;
	bool		days = all_days(n);
	bool		negative = n->op[0] == '!' || strncmp(n->op, "not", 3) == 0;
	Single		s[MAX_ITEMS];
	int			ns = singles(f, s);
	int			hits = 0;
	int			unclear = 0;
	int			order;

	if (strcmp(n->op, "known") == 0)
		return ns > 0;
	if (strcmp(n->op, "unknown") == 0)
		return ns == 0;
	if (ns == 0)
		return 2;
	if (strcmp(n->op, "same_as") == 0 || strcmp(n->op, "differs_from") == 0)
	{
		Single		o[MAX_ITEMS];
		int			no = singles(&lead.facts[n->other], o);
		int			there;
		int			back;
		int			same;

		if (no == 0)
			return 2;
		there = naive_subset(s, ns, o, no);
		back = naive_subset(o, no, s, ns);
		same = there == 0 || back == 0 ? 0 : there == 2 || back == 2 ? 2 : 1;
		return same == 2 ? 2 : n->op[0] == 's' ? same : !same;
	}
	if (strcmp(n->op, "under") == 0)
	{
		for (int i = 0; i < ns; i++)
		{
			if (s[i].kind != FACT_TEXT)
				return 2;
			hits += strcmp(s[i].text->bare, "DE") == 0;
		}
		return hits > 0;
	}
	if (strcmp(n->op, "any_of") == 0)
	{
		for (int i = 0; i < ns; i++)
			for (int j = 0; j < n->nvalues; j++)
			{
				order = naive_compare(&s[i], &n->values[j], days);
				hits += order == 0;
				unclear += order == 2;
			}
		return hits ? 1 : unclear ? 2 : 0;
	}
	if (strcmp(n->op, "all_of") == 0)
	{
		int			missing = 0;

		for (int j = 0; j < n->nvalues; j++)
		{
			int			yes = 0;
			int			maybe = 0;

			for (int i = 0; i < ns; i++)
			{
				order = naive_compare(&s[i], &n->values[j], days);
				yes += order == 0;
				maybe += order == 2;
			}
			missing += !yes && !maybe;
			unclear += !yes && maybe;
		}
		return missing ? 0 : unclear ? 2 : 1;
	}
	if (list)
		return 2;
	if (strcmp(n->op, "due_within") == 0 || strcmp(n->op, "older_than") == 0)
	{
		int64_t		day = 9999;

		if (s->kind == FACT_DAY)
			day = s->day;
		else if (s->kind == FACT_TEXT && s->text->kind == TEXT_DAY)
			day = s->text->day;
		if (day == 9999)
			return 2;
		if (n->op[0] == 'o')
			return day < today - n->from;
		return day >= today + n->from && day <= today + n->to;
	}
	if (strcmp(n->op, "prefix") == 0)
		return s->kind != FACT_TEXT ? 2 :
			strncmp(s->text->bare, n->values[0].text.bare,
					strlen(n->values[0].text.bare)) == 0;
	order = naive_compare(s, &n->values[0], days);
	if (order == 2)
		return 2;
	if (strcmp(n->op, ">=") == 0)
		return order >= 0;
	if (strcmp(n->op, "<=") == 0)
		return order <= 0;
	if (strcmp(n->op, "between") == 0)
		return order >= 0 && naive_compare(s, &n->values[1], days) <= 0;
	for (int j = 0; j < n->nvalues; j++)
		hits += naive_compare(s, &n->values[j], days) == 0;
	return (hits > 0) != negative;
}

/* Answers a signal term, looking at each occurrence by itself. */
static int
naive_signal(const Node *n)
{
	int			count = 0;
	int			last = -9999;

	if (n->other >= 0)
	{
		for (int i = 0; i < lead.ndays[n->other]; i++)
		{
			if (lead.days[n->other][i] > last)
				last = lead.days[n->other][i];
		}
		if (last == -9999 || last > today)
			return 0;
	}
	for (int i = 0; i < lead.ndays[n->id]; i++)
	{
		int64_t		age = today - lead.days[n->id][i];

		if (age >= 0 && (n->within < 0 || age <= n->within) &&
			lead.days[n->id][i] >= last)
			count++;
	}
	if (n->low < 0 && n->high < 0)
		return count > 0;
	return count >= n->low && (n->high < 0 || count <= n->high);
}

/* Answers a program term, one programme and one field after the other. */
static int
naive_program(const Node *n)
{
	int			best = 0;

	for (int i = 0; i < PROGRAMS; i++)
	{
		int			truth = programs[i].open && programs[i].kind == n->id;

		for (int f = 0; f < NURTURE_PROGRAM_FIELDS && truth != 0; f++)
		{
			unsigned	names = programs[i].names[f];

			if (!(n->fields >> f & 1) || names >> PROGRAM_VALUES & 1 ||
				(names & lead.fits[f]) != 0)
				continue;
			truth = lead.fits[f] == 0 && names != 0 ? 2 : 0;
		}
		if (truth == 1)
			return 1;
		if (truth == 2)
			best = 2;
	}
	return best;
}

/* Answers a node: 1, 0; 2 if unknown. */
static int
naive(int at)
{
	const Node *n = &nodes[at];
	int			seen[3] = {0, 0, 0};

	for (int i = 0; i < n->nchildren; i++)
		seen[naive(n->children[i])]++;
	switch (n->kind)
	{
		case NODE_ALL:
			return seen[0] ? 0 : seen[2] ? 2 : 1;
		case NODE_ANY:
			return seen[1] ? 1 : seen[2] ? 2 : 0;
		case NODE_NOT:
			return seen[2] ? 2 : seen[0];
		case NODE_FACT:
			return naive_fact(n);
		case NODE_SIGNAL:
			return naive_signal(n);
		case NODE_LABEL:
			return (int) lead.labels[n->id];
		case NODE_TAG:
			return lead.tags[n->id] == NURTURE_UNKNOWN ? 2 :
				(lead.tags[n->id] == NURTURE_TRUE) == n->present;
		case NODE_LIST:
			return lead.listed;
		case NODE_PROGRAM:
			return naive_program(n);
	}
	return 2;
}

#endif							/* NURTURE_TEST_CONDITION_NAIVE_H */
