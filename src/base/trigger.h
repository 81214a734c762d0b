/*
 * trigger.h
 *	  What every trigger function of nurture asks first.
 */
#ifndef NURTURE_TRIGGER_H
#define NURTURE_TRIGGER_H

#include "base/compat.h"
#include "commands/trigger.h"

extern TriggerData *nurture_trigger_data(FunctionCallInfo fcinfo,
										 const char *name);
extern HeapTuple nurture_trigger_before_row(TriggerData *data, const char *name);
extern void nurture_trigger_after_statement(TriggerData *data, const char *name);
extern bool nurture_restoring(void);
extern bool nurture_deriving(void);

/*
 * Between these two rows are copied as they are: triggers derive and decide
 * nothing.  The second takes what the first returned, and belongs into
 * PG_FINALLY.
 */
extern bool nurture_copying_open(void);
extern void nurture_copying_close(bool before);

/*
 * Between these two the guards let the statement of an erasure through: what
 * may otherwise never be changed loses what it says about a person.  The
 * second takes what the first returned, and belongs into PG_FINALLY.
 */
extern bool nurture_erasing_open(void);
extern void nurture_erasing_close(bool before);
extern bool nurture_erasing(void);

#endif							/* NURTURE_TRIGGER_H */
