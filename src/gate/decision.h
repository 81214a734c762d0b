/*
 * decision.h
 *	  Private to the gate room: what a statement that inserts messages keeps of
 *	  its decisions until their audit entries are written.
 */
#ifndef NURTURE_DECISION_H
#define NURTURE_DECISION_H

#include "base/compat.h"
#include "gate/gate_private.h"
#include "lib/ilist.h"
#include "utils/hsearch.h"

#define SAID_FEW		8		/* texts that are looked through one by one */
#define SAID_MAX_TEXTS	1000	/* kept when no statement runs */

/*
 * A decision in full as text, and in short as jsonb, as the message has it.
 * words is what the text is made of, by which the same decision is known
 * without making it again; NULL as long as it was made once only.
 */
typedef struct SaidText
{
	uint64		hash;			/* of text */
	const char *text;
	int			passed;			/* where in it the rules that passed begin */
	uint64		passed_hash;	/* of text from there on */
	Datum		json;
	int			nwords;
	const char **words;
} SaidText;

/* What was said of a row. */
typedef struct SaidRow
{
	int64		mark;
	const SaidText *said;
	bool		has_subject;	/* of the lead, as its gate row has it */
	uint8		subject[GATE_HASH_LEN];
} SaidRow;

/*
 * The decisions of a statement; freed with its context.  Rows are asked for in
 * the order in which they were decided, but for rare statements: those sort
 * them.
 */
typedef struct GateSaid
{
	dlist_node	node;			/* among those of statements that run */
	MemoryContext context;
	MemoryContextCallback forget;
	SaidRow    *rows;
	uint64		nrows;
	uint64		maxrows;
	uint64		next;			/* the row to be asked for next */
	bool		sorted;			/* by mark */
} GateSaid;

extern void nurture_said_open(GateSaid *said, MemoryContext context);
extern const SaidText *nurture_said_text(const GateDecision *decision,
										 const GateLead *lead);
extern void nurture_said_keep(GateSaid *said, int64 mark, const SaidText *text,
							  const GateLead *lead);
extern const SaidRow *nurture_said_find(int64 mark);

#endif							/* NURTURE_DECISION_H */
