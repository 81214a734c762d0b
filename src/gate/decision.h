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

/* A decision in full as text, and in short as jsonb, as the message has it. */
typedef struct SaidText
{
	const char *text;
	Datum		json;
} SaidText;

/* The decisions of a statement; freed with its context. */
typedef struct GateSaid
{
	dlist_node	node;			/* among those of statements that run */
	MemoryContext context;
	HTAB	   *texts;			/* by hash: in a campaign most are alike */
	HTAB	   *rows;			/* which one was said of a row, by its mark */
	MemoryContextCallback forget;
} GateSaid;

extern void nurture_said_open(GateSaid *said, MemoryContext context);
extern const SaidText *nurture_said_text(GateSaid *said,
										 const GateDecision *decision,
										 const GateLead *lead);
extern void nurture_said_keep(GateSaid *said, int64 mark, const SaidText *text);
extern const char *nurture_said_find(int64 mark);

#endif							/* NURTURE_DECISION_H */
