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

#endif							/* NURTURE_TRIGGER_H */
