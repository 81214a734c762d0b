/*
 * condition.h
 *	  The one notation in which every rule says when: compile, evaluate, print.
 *
 * A condition is a JSON document: {"all": [...]}, {"any": [...]},
 * {"not": ...} or one term.  It is compiled once, against the names its owner
 * knows, into a flat form that is evaluated without allocation.
 *
 *	{"fact": f, "op": o, "value": v}
 *	{"signal": s, "at_least": n, "at_most": n, "within_days": n, "after": s2}
 *	{"tag": t, "present": bool} or {"tag": t, "interest_at_least": share}
 *	{"interest": {"dimension": d, "value": v, "at_least": share}}
 *	{"stage": [...]}  {"grade": [...]}  {"campaign": [...]}	one may stand bare
 *	{"campaign": {"latest": [...]}}
 *	{"tier": {"at_least": n, "at_most": n}}  {"tier": n}
 *	{"score": {"dimension": d, "at_least": x, "at_most": x}}
 *	{"consent": {"channel": c, "purpose": p, "is": state or [...]}}
 *	{"label": l}  {"list": l}  {"handoff": {"state": state or [...]}}
 *	{"program": {"kind": k, "on": [fields]}}
 *
 * Truth is three-valued (Kleene).  Empty "all" is true, and the way to write
 * "always"; empty "any" and empty lists are errors.
 *
 * Facts.  A text fact is taken without blanks at its ends.  Nothing, JSON
 * null, a text of blanks only and a list without items are all "not known":
 * "known" and "unknown" tell the two apart and are never unknown themselves;
 * any other operator on a fact that is not known is unknown.  So is a
 * comparison of types that do not compare:
 *
 *	operand		number fact	text fact				day fact	bool fact
 *	number		as numbers	read as number or "?"	?			?
 *	"text"		?			bytes					?			?
 *	"2026-01-31" ?			read as day or "?"		as days		?
 *	true/false	?			?						?			as bools
 *
 * (? = unknown.)  A text operand that is a calendar day YYYY-MM-DD (day.h)
 * is a day; a list of operands is of days only when every one is, otherwise of
 * texts; numbers, bools and texts do not mix in one list.  List facts compare
 * through any_of, all_of, under, same_as and differs_from only (elsewhere
 * unknown), for which one value is a list of one.
 *
 *	= != in not_in	the opposite of unknown is unknown
 *	>= <= between	numbers, days, or texts by their bytes; both ends belong
 *	prefix			the text begins with these bytes
 *	any_of all_of	some, every operand is among the items
 *	under			some item is the tag or below it in the tag tree
 *	due_within [a,b]	the day lies a to b days from today, both included;
 *						negative numbers are days past
 *	older_than n	the day lies more than n days before today
 *	same_as			another fact has the same value; lists compare as sets
 *
 * Signals.  Occurrences on days from..to are counted, both included, and
 * compared with at_least and at_most (neither given: at least once).  Days
 * after today never count.  within_days n counts ages 0 to n.  "after" counts
 * the days on or after the last day of the other signal, and makes the term
 * false when that never occurred, or when its last day lies after today.
 *
 * All other terms are answered by the room that evaluates (CondSource.other).
 */
#ifndef NURTURE_CORE_CONDITION_H
#define NURTURE_CORE_CONDITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"

#define NURTURE_COND_MAX_DEPTH	32	/* all, any and not inside each other */
#define NURTURE_COND_MAX_TERMS	1000	/* terms of one condition */
#define NURTURE_COND_MAX_NODES	4000	/* terms, all, any and not together */
#define NURTURE_COND_MAX_VALUES 1000	/* values of one list */
#define NURTURE_COND_MAX_WORD	512 /* bytes of one name or text value */
#define NURTURE_COND_MAX_DAYS	1000000 /* in within_days, due_within, ... */
#define NURTURE_COND_MAX_COUNT	1000000000	/* in at_least, at_most */
#define NURTURE_COND_EVER		INT32_MIN	/* from ever; last: never */
#define NURTURE_COND_OPEN_LOW	INT64_MIN	/* at_least not given */
#define NURTURE_COND_OPEN_HIGH	INT64_MAX	/* at_most not given */

typedef enum NurtureTruth
{
	NURTURE_FALSE = 0,
	NURTURE_TRUE = 1,
	NURTURE_UNKNOWN = 2
} NurtureTruth;

/* What a name in a condition names. */
typedef enum CondNameKind
{
	COND_NAME_FACT,				/* lead column, account.<c>, attributes.<k> */
	COND_NAME_SIGNAL,
	COND_NAME_TAG,				/* dimension:value */
	COND_NAME_STAGE,
	COND_NAME_GRADE,			/* closed: A1 to D4 */
	COND_NAME_LABEL,
	COND_NAME_CHANNEL,
	COND_NAME_PURPOSE,
	COND_NAME_CONSENT_STATE,	/* closed */
	COND_NAME_LIST,
	COND_NAME_CAMPAIGN,			/* no table: lookup may answer 0 to any name */
	COND_NAME_PROGRAM_KIND,		/* closed */
	COND_NAME_PROGRAM_FIELD,	/* closed; ids below 32, they become bits */
	COND_NAME_DIMENSION,		/* of a score; closed */
	COND_NAME_HANDOFF_STATE		/* closed, with "open" */
} CondNameKind;

#define COND_NAME_KINDS (COND_NAME_HANDOFF_STATE + 1)

#define COND_LOOKUP_UNKNOWN (-1)	/* no such name */
#define COND_LOOKUP_NO_TABLE (-2)	/* this kind of name does not exist yet */

typedef void (*CondNameVisit) (void *arg, const char *name, size_t len);

/* The names a condition may use, and the words for them. */
typedef struct CondVocabulary
{
	void	   *ctx;			/* handed to each callback */
	/* number of a name, >= 0, or one of COND_LOOKUP_... */
	int			(*lookup) (void *ctx, CondNameKind kind, const char *name,
						   size_t len);
	/* visits every known name, for "nearest known"; may be NULL */
	void		(*each) (void *ctx, CondNameKind kind, CondNameVisit visit,
						 void *arg);

	/*
	 * words for the printer; may be NULL or answer NULL: the code is used,
	 * with blanks for underscores
	 */
	const char *(*label) (void *ctx, CondNameKind kind, int id);
} CondVocabulary;

/*
 * The closed vocabularies, for callbacks to fall back on.  Ids are the order
 * in condition_words.c and do not change.  Lookup answers
 * COND_LOOKUP_NO_TABLE for kinds that are not closed.
 */
extern int	nurture_cond_standard_lookup(CondNameKind kind, const char *name,
										 size_t len);
extern void nurture_cond_standard_each(CondNameKind kind, CondNameVisit visit,
									   void *arg);

/* The code of a closed name, NULL if there is none with this id. */
extern const char *nurture_cond_standard_name(CondNameKind kind, int id);

typedef struct CondError
{
	char		path[256];		/* JSON pointer, "" = the whole */
	char		message[320];	/* lower case, no period, names in quotes */
	char		hint[320];		/* a sentence, or "" */
} CondError;

typedef enum CondTermKind
{
	COND_TERM_FACT,				/* subject fact; op; values or other */
	COND_TERM_SIGNAL,			/* subject signal; low..high; within_days;
								 * other = after */
	COND_TERM_TAG,				/* subject tag: at the event at hand */
	COND_TERM_INTEREST,			/* subject tag; low = share in millionths */
	COND_TERM_STAGE,			/* words: any of these stages */
	COND_TERM_TIER,				/* low..high */
	COND_TERM_GRADE,			/* words: any of these cells */
	COND_TERM_SCORE,			/* subject dimension; low..high in hundredths */
	COND_TERM_CONSENT,			/* subject channel, other purpose, words */
	COND_TERM_LABEL,			/* subject label */
	COND_TERM_HANDOFF,			/* words: any of these states */
	COND_TERM_CAMPAIGN,			/* words: any of these campaigns, by name */
	COND_TERM_LIST,				/* subject list */
	COND_TERM_PROGRAM			/* subject kind; words = fields, fields = bits */
} CondTermKind;

typedef enum CondOperator
{
	COND_OP_NONE,				/* not a fact term */
	COND_OP_EQ,
	COND_OP_NE,
	COND_OP_IN,
	COND_OP_NOT_IN,
	COND_OP_BETWEEN,			/* values[0] to values[1] */
	COND_OP_GE,
	COND_OP_LE,
	COND_OP_PREFIX,
	COND_OP_KNOWN,
	COND_OP_UNKNOWN,
	COND_OP_ANY_OF,
	COND_OP_ALL_OF,
	COND_OP_UNDER,				/* other = tag */
	COND_OP_DUE_WITHIN,			/* from_day..to_day, days from today */
	COND_OP_OLDER_THAN,			/* from_day = days before today */
	COND_OP_SAME_AS,			/* other = fact */
	COND_OP_DIFFERS_FROM		/* other = fact */
} CondOperator;

typedef struct CondText
{
	const char *ptr;			/* UTF-8, not NUL-terminated */
	size_t		len;			/* bytes */
} CondText;

/* A name as written and what the vocabulary calls it; id -1: not given. */
typedef struct CondWord
{
	int			id;
	CondText	name;
} CondWord;

typedef enum CondOperandKind
{
	COND_OPERAND_TEXT,
	COND_OPERAND_NUMBER,
	COND_OPERAND_BOOL,
	COND_OPERAND_DAY
} CondOperandKind;

/* A value in the document. */
typedef struct CondOperand
{
	CondOperandKind kind;
	bool		truth;			/* of a BOOL */
	int32_t		day;			/* of a DAY, since 1970-01-01 */
	int64_t		number;			/* of a NUMBER, as nurture_cond_number */
	CondText	text;			/* of a TEXT or DAY; NUMBER: as written */
} CondOperand;

/* One term, with everything the document says about it. */
typedef struct CondTerm
{
	CondTermKind kind;
	CondOperator op;			/* of a fact term */
	int			number;			/* place in the document, from 0 */
	CondWord	subject;		/* what CondTermKind says */
	CondWord	other;			/* what CondTermKind or CondOperator says */
	CondNameKind word_kind;		/* of words */
	int			nwords;
	const CondWord *words;		/* in document order */
	bool		absent;			/* {"tag": t, "present": false}: applied by
								 * the evaluator, "other" answers for presence */
	int			nvalues;
	const CondOperand *values;	/* in document order */
	const CondOperand *sorted;	/* the same, for searching; NULL if few */
	int64_t		low;			/* at_least or NURTURE_COND_OPEN_LOW */
	int64_t		high;			/* at_most or NURTURE_COND_OPEN_HIGH */
	int32_t		within_days;	/* of a signal, -1 if not given */
	int32_t		from_day;		/* what CondOperator says */
	int32_t		to_day;
	uint32_t	fields;			/* of a program: bits by field */
	bool		latest;			/* of a campaign: the latest, not the first or
								 * that of the event at hand */
} CondTerm;

typedef struct Condition Condition;

/*
 * Compiles a document; NULL with *error filled if it is not a condition.
 * The result lives in the arena and needs neither the document nor, until it
 * is printed, the vocabulary.
 */
extern Condition *nurture_cond_compile(const char *json, size_t len,
									   const CondVocabulary *vocabulary,
									   CoreArena *arena, CondError *error);

/*
 * Compiles the short form of a fit rule: attribute, operator, operand.  The
 * operand is JSON text, NULL for known and unknown.  Paths in errors begin
 * with /fact, /op or /value.
 */
extern Condition *nurture_cond_compile_fact(const char *fact, size_t fact_len,
											const char *op, size_t op_len,
											const char *operand_json,
											size_t operand_len,
											const CondVocabulary *vocabulary,
											CoreArena *arena,
											CondError *error);

typedef enum CondValueKind
{
	COND_VALUE_UNKNOWN,
	COND_VALUE_TEXT,
	COND_VALUE_NUMBER,
	COND_VALUE_BOOL,
	COND_VALUE_DAY,
	COND_VALUE_LIST
} CondValueKind;

/* What a lead's fact is. */
typedef struct CondValue
{
	CondValueKind kind;
	CondText	text;			/* of TEXT */
	int64_t		number;			/* of NUMBER, as nurture_cond_number makes it */
	bool		truth;			/* of BOOL */
	int32_t		day;			/* of DAY, since 1970-01-01 */
	const CondText *items;		/* of LIST; NULL if nitems is 0 */
	int			nitems;
} CondValue;

/*
 * Where evaluation gets a lead from.  A callback that is NULL makes what
 * would need it unknown.
 */
typedef struct CondSource
{
	void	   *ctx;			/* handed to each callback */
	int32_t		today;			/* UTC day since 1970-01-01 */

	/*
	 * fills *out, which begins as unknown; what it points to must live until
	 * the next but one call
	 */
	void		(*fact) (void *ctx, int fact, CondValue *out);
	/* occurrences on days from..to, both included; negative: not known */
	int64_t		(*signal_count) (void *ctx, int signal, int32_t from_day,
								 int32_t to_day);
	/* last day on which it occurred, NURTURE_COND_EVER: never */
	int32_t		(*signal_last) (void *ctx, int signal);
	/* any term but a fact or signal */
	NurtureTruth (*other) (void *ctx, const CondTerm *term);
	/* whether value, with or without its dimension, is the tag or below it */
	bool		(*under) (void *ctx, const char *value, size_t len, int tag);
} CondSource;

/* Answers whether the condition holds; stops as soon as that is settled. */
extern NurtureTruth nurture_cond_eval(const Condition *condition,
									  const CondSource *source);

/*
 * The same answer, evaluating every term and calling visit for each in
 * document order, whatever it was; the unknown ones are what a question to
 * the lead could settle.
 */
extern NurtureTruth nurture_cond_eval_explain(const Condition *condition,
											  const CondSource *source,
											  void (*visit) (void *arg,
															 const CondTerm *term,
															 NurtureTruth truth),
											  void *arg);

/* Answers one term, as evaluation does. */
extern NurtureTruth nurture_cond_eval_term(const CondTerm *term,
										   const CondSource *source);

/* One fact held to some texts, when asking what is possible. */
typedef struct CondNarrow
{
	int			fact;			/* as the vocabulary numbers it */
	const CondText *texts;
	int			ntexts;
} CondNarrow;

/*
 * Answers whether some lead could make the condition true: false when none
 * can; unknown when finding out takes too long (many terms).  only may be
 * NULL.  For checks of rules, not for scoring.
 */
extern NurtureTruth nurture_cond_possible(const Condition *condition,
										  const CondNarrow *only,
										  CoreArena *arena);

/*
 * Writes the condition as part of an English sentence ("country is DE or FR,
 * and demo requested at least twice within 30 days"); vocabulary may be NULL.
 * Answers the length needed without the closing NUL, as snprintf does.
 */
extern size_t nurture_cond_print(const Condition *condition,
								 const CondVocabulary *vocabulary, char *buf,
								 size_t size);

/* Writes one term in the same way. */
extern size_t nurture_cond_print_term(const CondTerm *term,
									  const CondVocabulary *vocabulary,
									  char *buf, size_t size);

/* Calls visit for each term in document order: what the condition reads. */
extern void nurture_cond_visit_terms(const Condition *condition,
									 void (*visit) (void *arg,
													const CondTerm *term),
									 void *arg);

/* Answers how many terms there are; they are numbered from 0. */
extern int	nurture_cond_term_count(const Condition *condition);

/* Kleene's three tables. */
extern NurtureTruth nurture_truth_and(NurtureTruth a, NurtureTruth b);
extern NurtureTruth nurture_truth_or(NurtureTruth a, NurtureTruth b);
extern NurtureTruth nurture_truth_not(NurtureTruth a);

/*
 * Numbers are compared exactly: x becomes 2 * floor(x * 1000000), plus 1 if
 * that lost a fraction.  Operands lose none (the compiler refuses more than
 * six decimals, and numbers beyond 4e12), so any two of operand and fact
 * compare as their codes do; facts beyond 4e12 become one of the two codes
 * just outside.  Only two facts that both lost something may have the same
 * code and yet differ: same_as is unknown then.
 */
#define NURTURE_COND_NUMBER_MAX INT64_C(8000000000000000000)

/*
 * Reads decimal text, with sign, point, exponent and blanks around it as the
 * server's numeric and JSON write it; false if it is no number (also NaN and
 * infinities).
 */
extern bool nurture_cond_number(const char *text, size_t len, int64_t *out);

/* Makes the code of a whole number. */
extern int64_t nurture_cond_number_of_int(int64_t n);

#endif							/* NURTURE_CORE_CONDITION_H */
