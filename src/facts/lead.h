/*
 * lead.h
 *	  Finding leads by their identifiers.
 */
#ifndef NURTURE_LEAD_H
#define NURTURE_LEAD_H

#include "base/compat.h"

/* Tells whether there is such a lead; connected to SPI, as the owner. */
extern bool nurture_lead_exists(int64 lead_id);

/* The same of one that was not erased. */
extern bool nurture_lead_living(int64 lead_id);

/*
 * Tells whether row-level security on nurture.lead hides a lead that is there
 * from the caller: for functions that read other tables of a lead.
 */
extern bool nurture_lead_hidden(int64 lead_id);

/*
 * For functions that are handed a lead's columns, which the query around them
 * has read: whether the caller might name a lead that it may not see, asked
 * once in a query; then whether it may see this one.  They raise 42501 when it
 * may read no lead, or nothing of what leads did.
 */
extern bool nurture_leads_doubted(void);
extern bool nurture_lead_seen(int64 lead_id);

/*
 * Raises NU004 when a lead is hidden, in the words for one that is not there:
 * for functions that write as the owner about the lead they are given.
 */
extern void nurture_lead_require_seen(int64 lead_id);

/*
 * Ends a function that answers with the lead in the one row of the last
 * result: NULL when there is none, or more than one.
 */
extern Datum nurture_lead_answer(FunctionCallInfo fcinfo, int level);

#endif							/* NURTURE_LEAD_H */
