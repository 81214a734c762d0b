/*
 * decision.h
 *	  Private to the gate room: a decision as it is kept with a message.
 */
#ifndef NURTURE_DECISION_H
#define NURTURE_DECISION_H

#include "base/compat.h"
#include "gate/gate_private.h"
#include "utils/jsonb.h"

#define SAME_TEXTS		64		/* decisions kept to be told again */

/* A decision as text and as jsonb: in a campaign most are alike. */
typedef struct SameText
{
	char	   *text;			/* NULL = none yet */
	Jsonb	   *json;
} SameText;

typedef struct SameTexts
{
	MemoryContext context;		/* where they are kept */
	SameText	slots[SAME_TEXTS];	/* by the hash of what is looked for */
} SameTexts;

extern Datum nurture_gate_same_jsonb(SameTexts *same, const char *text);
extern const char *nurture_gate_same_text(SameTexts *same, Jsonb *json);

#endif							/* NURTURE_DECISION_H */
