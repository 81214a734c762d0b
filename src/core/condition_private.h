/*
 * condition_private.h
 *	  What the files of the condition core share and nobody else sees.
 */
#ifndef NURTURE_CORE_CONDITION_PRIVATE_H
#define NURTURE_CORE_CONDITION_PRIVATE_H

#include "condition.h"
#include "json.h"
#include "json_text.h"

typedef enum CondNodeKind
{
	COND_NODE_TERM,
	COND_NODE_ALL,
	COND_NODE_ANY,
	COND_NODE_NOT
} CondNodeKind;

/* The tree in prefix order: children follow their parent up to its end. */
typedef struct CondNode
{
	CondNodeKind kind;
	int			end;			/* first node after this one's children */
	int			term;			/* of a TERM: its number */
} CondNode;

struct Condition
{
	int			nnodes;
	int			nterms;
	const CondNode *nodes;		/* nodes[0] is the whole */
	const CondTerm *terms;
};

/* State of one compilation. */
typedef struct CondCompiler
{
	const CondVocabulary *vocabulary;
	CoreArena  *arena;
	CondError  *error;
	const char *keyword;		/* of the term being compiled */
	CondNode   *nodes;
	CondTerm   *terms;
	int			nnodes;
	int			nterms;
	int			max_nodes;		/* slots in nodes */
	int			max_terms;		/* slots in terms */
} CondCompiler;

/* A fixed list of words, ended by NULL; ids are places in it. */
typedef const char *const *CondWordList;

/* condition_words.c: errors and the words in them */
extern bool nurture_cond_fail(CondCompiler *c, const CoreJson *at,
							  const char *before, const char *word,
							  size_t len, const char *after);
extern bool nurture_cond_hint(CondCompiler *c, const char *hint);
extern bool nurture_cond_hint_list(CondCompiler *c, const char *word,
								   size_t len, CondWordList known);
extern bool nurture_cond_hint_names(CondCompiler *c, const char *word,
									size_t len, CondNameKind kind);
extern int	nurture_cond_find(CondWordList known, const char *word,
							  size_t len);

/* condition_read.c: typed reading of members */
extern bool nurture_cond_keys(CondCompiler *c, const CoreJson *object,
							  CondWordList known);
extern bool nurture_cond_text(CondCompiler *c, const CoreJson *json,
							  CondText *out);
extern bool nurture_cond_word(CondCompiler *c, const CoreJson *json,
							  CondNameKind kind, CondWord *word);
extern bool nurture_cond_words(CondCompiler *c, const CoreJson *json,
							   CondNameKind kind, CondTerm *term);
extern bool nurture_cond_int(CondCompiler *c, const CoreJson *json,
							 int64_t low, int64_t high, int64_t *out);
extern bool nurture_cond_decimal(CondCompiler *c, const CoreJson *json,
								 int digits, int64_t *out);
extern const CoreJson *nurture_cond_need(CondCompiler *c,
										 const CoreJson *object,
										 const char *key);

/* condition_fact.c: the fact term */
extern bool nurture_cond_fact_term(CondCompiler *c, const CoreJson *object,
								   CondTerm *term);

/* condition_value.c: comparing values */
extern CondText nurture_cond_trim(CondText all);
extern bool nurture_cond_normal(CondValue *value);
extern bool nurture_cond_value_as(const CondValue *value,
								  CondOperandKind kind, CondOperand *out);
extern int	nurture_cond_compare(const CondOperand *a, const CondOperand *b);
extern int	nurture_cond_compare_sorted(const CondOperand *a,
										const CondOperand *b);
extern NurtureTruth nurture_cond_same(const CondValue *a, const CondValue *b);

#endif							/* NURTURE_CORE_CONDITION_PRIVATE_H */
