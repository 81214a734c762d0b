/*
 * condition_print.c
 *	  A condition as part of an English sentence.
 *
 * Parts of "all" and "any" are joined by ", and " and ", or "; inside another
 * they stand in parentheses.  A negated term has its own words where English
 * has short ones that mean exactly the opposite, else "not (...)".
 */
#include "condition_private.h"

typedef struct Printer
{
	CoreText	out;
	const CondVocabulary *vocabulary;	/* may be NULL */
} Printer;

/* Writes a code with blanks for underscores. */
static void
put_code(Printer *p, const char *s, size_t len)
{
	size_t		from = 0;

	for (size_t i = 0; i <= len; i++)
	{
		if (i < len && s[i] != '_')
			continue;
		core_text_add(&p->out, s + from, i - from);
		if (i < len)
			core_text_str(&p->out, " ");
		from = i + 1;
	}
}

/* Writes the words for a name: the vocabulary's, else those of its code. */
static void
put_word(Printer *p, CondNameKind kind, const CondWord *word)
{
	const CondVocabulary *v = p->vocabulary;
	const char *label = NULL;
	CondText	code = word->name;

	if (v != NULL && v->label != NULL)
		label = v->label(v->ctx, kind, word->id);
	if (label != NULL)
	{
		core_text_str(&p->out, label);
		return;
	}
	if (kind == COND_NAME_FACT && code.len > 11 &&
		memcmp(code.ptr, "attributes.", 11) == 0)
	{
		code.ptr += 11;
		code.len -= 11;
	}
	else if (kind == COND_NAME_FACT && code.len > 8 &&
			 memcmp(code.ptr, "account.", 8) == 0)
	{
		core_text_str(&p->out, "account ");
		code.ptr += 8;
		code.len -= 8;
	}
	put_code(p, code.ptr, code.len);
}

/* Writes what joins element i of n to the one before it: "a, b or c". */
static void
put_joint(Printer *p, int i, int n, const char *last)
{
	if (i == 0)
		return;
	core_text_str(&p->out, i == n - 1 ? last : ", ");
}

/* Writes the term's words, joined. */
static void
put_words(Printer *p, const CondTerm *term, const char *last)
{
	for (int i = 0; i < term->nwords; i++)
	{
		put_joint(p, i, term->nwords, last);
		put_word(p, term->word_kind, &term->words[i]);
	}
}

/* Writes number / 10^digits without closing zeros. */
static void
put_decimal(Printer *p, int64_t number, int digits)
{
	uint64_t	size = number < 0 ? 0 - (uint64_t) number : (uint64_t) number;
	uint64_t	unit = 1;
	char		decimal[32];
	size_t		len;

	for (int i = 0; i < digits; i++)
		unit *= 10;
	len = (size_t) snprintf(decimal, sizeof(decimal), "%s%" PRIu64 ".%0*" PRIu64,
							number < 0 ? "-" : "", size / unit, digits,
							size % unit);
	while (decimal[len - 1] == '0')
		len--;
	if (decimal[len - 1] == '.')
		len--;
	core_text_add(&p->out, decimal, len);
}

/* Writes a share in millionths as percent. */
static void
put_share(Printer *p, int64_t millionths)
{
	put_decimal(p, millionths, 4);
	core_text_str(&p->out, " %");
}

/* Writes an operand. */
static void
put_operand(Printer *p, const CondOperand *operand)
{
	switch (operand->kind)
	{
		case COND_OPERAND_NUMBER:
			put_decimal(p, operand->number / 2, 6);
			break;
		case COND_OPERAND_BOOL:
			core_text_str(&p->out, operand->truth ? "true" : "false");
			break;
		default:
			core_text_add(&p->out, operand->text.ptr, operand->text.len);
	}
}

/* Writes the term's operands, joined. */
static void
put_operands(Printer *p, const CondTerm *term, const char *last)
{
	for (int i = 0; i < term->nvalues; i++)
	{
		put_joint(p, i, term->nvalues, last);
		put_operand(p, &term->values[i]);
	}
}

/* Writes words, then the first operand, if there is one. */
static void
put_with_operand(Printer *p, const char *words, const CondTerm *term)
{
	core_text_str(&p->out, words);
	put_operand(p, &term->values[0]);
}

/* Writes membership in a list: "is DE or FR", "is neither DE nor FR". */
static void
put_membership(Printer *p, const CondTerm *term, bool negated,
			   const char *is, const char *is_not, const char *neither,
			   const char *none)
{
	const char *lead = is;
	const char *last = " or ";

	if (negated && term->nvalues == 1)
		lead = is_not;
	else if (negated && term->nvalues == 2)
	{
		lead = neither;
		last = " nor ";
	}
	else if (negated)
	{
		lead = none;
		last = " and ";
	}
	core_text_str(&p->out, lead);
	put_operands(p, term, last);
}

/* Writes a number of days with its noun. */
static void
put_days(Printer *p, int64_t n)
{
	core_text_int(&p->out, n);
	core_text_str(&p->out, n == 1 ? " day" : " days");
}

/* Writes a distance from today: "3 days ago", "today", "in 2 days". */
static void
put_distance(Printer *p, int64_t n)
{
	if (n == 0)
	{
		core_text_str(&p->out, "today");
		return;
	}
	if (n > 0)
		core_text_str(&p->out, "in ");
	put_days(p, n < 0 ? -n : n);
	if (n < 0)
		core_text_str(&p->out, " ago");
}

/* Writes a fact term; each operator has its own opposite. */
static void
put_fact(Printer *p, const CondTerm *term, bool negated)
{
	bool		is = !negated;

	put_word(p, COND_NAME_FACT, &term->subject);
	switch (term->op)
	{
		case COND_OP_EQ:
			put_with_operand(p, is ? " is " : " is not ", term);
			break;
		case COND_OP_NE:
			put_with_operand(p, is ? " is not " : " is ", term);
			break;
		case COND_OP_IN:
		case COND_OP_NOT_IN:
			put_membership(p, term, is == (term->op == COND_OP_NOT_IN),
						   " is ", " is not ", " is neither ",
						   " is none of ");
			break;
		case COND_OP_BETWEEN:
			core_text_str(&p->out, is ? " is between " : " is not between ");
			put_operands(p, term, " and ");
			break;
		case COND_OP_GE:
			put_with_operand(p, is ? " is at least " : " is below ", term);
			break;
		case COND_OP_LE:
			put_with_operand(p, is ? " is at most " : " is above ", term);
			break;
		case COND_OP_PREFIX:
			put_with_operand(p, is ? " begins with " : " does not begin with ",
							 term);
			break;
		case COND_OP_KNOWN:
		case COND_OP_UNKNOWN:
			core_text_str(&p->out, is == (term->op == COND_OP_KNOWN) ?
						  " is known" : " is not known");
			break;
		case COND_OP_ANY_OF:
			put_membership(p, term, negated, " includes ",
						   " does not include ", " includes neither ",
						   " includes none of ");
			break;
		case COND_OP_ALL_OF:
			core_text_str(&p->out, is ? " includes " : term->nvalues == 1 ?
						  " does not include " : " does not include all of ");
			put_operands(p, term, " and ");
			break;
		case COND_OP_UNDER:
			core_text_str(&p->out, is ? " falls under " :
						  " does not fall under ");
			put_word(p, COND_NAME_TAG, &term->other);
			break;
		case COND_OP_DUE_WITHIN:
			core_text_str(&p->out, is ? " lies between " :
						  " does not lie between ");
			put_distance(p, term->from_day);
			core_text_str(&p->out, " and ");
			put_distance(p, term->to_day);
			break;
		case COND_OP_OLDER_THAN:
			core_text_str(&p->out, is ? " lies more than " :
						  " does not lie more than ");
			put_days(p, term->from_day);
			core_text_str(&p->out, " back");
			break;
		case COND_OP_SAME_AS:
		case COND_OP_DIFFERS_FROM:
			core_text_str(&p->out, is == (term->op == COND_OP_SAME_AS) ?
						  " is the same as " : " differs from ");
			put_word(p, COND_NAME_FACT, &term->other);
			break;
		case COND_OP_NONE:
			break;
	}
}

/* Writes how often: "once", "twice", "3 times". */
static void
put_times(Printer *p, int64_t n)
{
	if (n == 1)
		core_text_str(&p->out, "once");
	else if (n == 2)
		core_text_str(&p->out, "twice");
	else
	{
		core_text_int(&p->out, n);
		core_text_str(&p->out, " times");
	}
}

/* Writes a signal term, which is not negated here. */
static void
put_signal(Printer *p, const CondTerm *term)
{
	bool		least = term->low != NURTURE_COND_OPEN_LOW && term->low > 0;
	bool		most = term->high != NURTURE_COND_OPEN_HIGH;

	put_word(p, COND_NAME_SIGNAL, &term->subject);
	core_text_str(&p->out, " ");
	if (most && term->high == 0)
		core_text_str(&p->out, "not at all");
	else if (least && most && term->low == term->high)
	{
		core_text_str(&p->out, "exactly ");
		put_times(p, term->low);
	}
	else if (least && most)
	{
		core_text_str(&p->out, "between ");
		core_text_int(&p->out, term->low);
		core_text_str(&p->out, " and ");
		put_times(p, term->high);
	}
	else
	{
		core_text_str(&p->out, least ? "at least " : "at most ");
		put_times(p, least ? term->low : term->high);
	}
	if (term->within_days == 0)
		core_text_str(&p->out, " today");
	else if (term->within_days > 0)
	{
		core_text_str(&p->out, " within ");
		put_days(p, term->within_days);
	}
	if (term->other.id >= 0)
	{
		core_text_str(&p->out, " since the last ");
		put_word(p, COND_NAME_SIGNAL, &term->other);
	}
}

/* Writes bounds: "is at least 3", "is between 2 and 4". */
static void
put_bounds(Printer *p, const CondTerm *term, int digits, bool negated)
{
	bool		least = term->low != NURTURE_COND_OPEN_LOW;
	bool		most = term->high != NURTURE_COND_OPEN_HIGH;

	if (least && most && term->low == term->high)
		core_text_str(&p->out, negated ? " is not " : " is ");
	else if (least && most)
		core_text_str(&p->out, negated ? " is not between " : " is between ");
	else if (least)
		core_text_str(&p->out, negated ? " is below " : " is at least ");
	else
		core_text_str(&p->out, negated ? " is above " : " is at most ");
	if (least)
		put_decimal(p, term->low, digits);
	if (least && most && term->low != term->high)
		core_text_str(&p->out, " and ");
	if (most && (!least || term->low != term->high))
		put_decimal(p, term->high, digits);
}

/* Writes "is a or b" or "is none of a and b" for the term's words. */
static void
put_is_words(Printer *p, const CondTerm *term, bool negated)
{
	core_text_str(&p->out, !negated ? " is " : term->nwords == 1 ? " is not " :
				  term->nwords == 2 ? " is neither " : " is none of ");
	put_words(p, term, !negated ? " or " : term->nwords == 2 ? " nor " :
			  " and ");
}

/* Writes a term, or the opposite of it. */
static void
put_term(Printer *p, const CondTerm *term, bool negated)
{
	switch (term->kind)
	{
		case COND_TERM_FACT:
			put_fact(p, term, negated);
			break;
		case COND_TERM_SIGNAL:
			core_text_str(&p->out, negated ? "not (" : "");
			put_signal(p, term);
			core_text_str(&p->out, negated ? ")" : "");
			break;
		case COND_TERM_TAG:
			core_text_str(&p->out, negated != term->absent ? "not tagged " :
						  "tagged ");
			put_word(p, COND_NAME_TAG, &term->subject);
			break;
		case COND_TERM_INTEREST:
			core_text_str(&p->out, "interest in ");
			put_word(p, COND_NAME_TAG, &term->subject);
			core_text_str(&p->out, negated ? " is below " : " is at least ");
			put_share(p, term->low);
			break;
		case COND_TERM_STAGE:
			core_text_str(&p->out, "stage");
			put_is_words(p, term, negated);
			break;
		case COND_TERM_TIER:
			core_text_str(&p->out, "tier");
			put_bounds(p, term, 0, negated);
			break;
		case COND_TERM_GRADE:
			core_text_str(&p->out, "grade");
			put_is_words(p, term, negated);
			break;
		case COND_TERM_SCORE:
			put_word(p, COND_NAME_DIMENSION, &term->subject);
			core_text_str(&p->out, " score");
			put_bounds(p, term, 2, negated);
			break;
		case COND_TERM_CONSENT:
			core_text_str(&p->out, "consent to ");
			put_word(p, COND_NAME_CHANNEL, &term->subject);
			core_text_str(&p->out, " for ");
			put_word(p, COND_NAME_PURPOSE, &term->other);
			put_is_words(p, term, negated);
			break;
		case COND_TERM_LABEL:
			core_text_str(&p->out, negated ? "not labelled " : "labelled ");
			put_word(p, COND_NAME_LABEL, &term->subject);
			break;
		case COND_TERM_HANDOFF:
			core_text_str(&p->out, "hand-off");
			put_is_words(p, term, negated);
			break;
		case COND_TERM_CAMPAIGN:
			core_text_str(&p->out, term->latest ? "latest campaign" : "campaign");
			put_is_words(p, term, negated);
			break;
		case COND_TERM_LIST:
			core_text_str(&p->out, negated ? "not on list " : "on list ");
			put_word(p, COND_NAME_LIST, &term->subject);
			break;
		case COND_TERM_PROGRAM:
			core_text_str(&p->out, negated ? "no open " : "an open ");
			put_word(p, COND_NAME_PROGRAM_KIND, &term->subject);
			core_text_str(&p->out, " matches on ");
			put_words(p, term, " and ");
			break;
	}
}

/* Writes the node at this place, inside depth others. */
static void
put_node(Printer *p, const Condition *condition, int at, int depth,
		 bool negated)
{
	const CondNode *node = &condition->nodes[at];
	const char *joint = node->kind == COND_NODE_ALL ? ", and " : ", or ";
	bool		single;
	bool		parentheses;

	if (node->kind == COND_NODE_TERM)
	{
		put_term(p, &condition->terms[node->term], negated);
		return;
	}
	if (node->kind == COND_NODE_NOT)
	{
		put_node(p, condition, at + 1, depth, !negated);
		return;
	}
	single = node->end > at + 1 &&
		condition->nodes[at + 1].end == node->end;
	if (single)
	{
		put_node(p, condition, at + 1, depth, negated);
		return;
	}
	if (node->end == at + 1)
	{
		core_text_str(&p->out, negated ? "never" : "always");
		return;
	}
	parentheses = negated || depth > 0;
	core_text_str(&p->out, negated ? "not (" : parentheses ? "(" : "");
	for (int child = at + 1; child < node->end;
		 child = condition->nodes[child].end)
	{
		if (child > at + 1)
			core_text_str(&p->out, joint);
		put_node(p, condition, child, depth + 1, false);
	}
	core_text_str(&p->out, parentheses ? ")" : "");
}

/* Writes the condition as part of an English sentence. */
size_t
nurture_cond_print(const Condition *condition,
				   const CondVocabulary *vocabulary, char *buf, size_t size)
{
	Printer		p = {.vocabulary = vocabulary};

	core_text_start(&p.out, buf, size);
	put_node(&p, condition, 0, 0, false);
	return p.out.len;
}

/* Writes one term in the same way. */
size_t
nurture_cond_print_term(const CondTerm *term, const CondVocabulary *vocabulary,
						char *buf, size_t size)
{
	Printer		p = {.vocabulary = vocabulary};

	core_text_start(&p.out, buf, size);
	put_term(&p, term, false);
	return p.out.len;
}
