/*
 * inputs.h
 *	  Private to the audit room: what the inputs of entries have in common.
 */
#ifndef NURTURE_AUDIT_INPUTS_H
#define NURTURE_AUDIT_INPUTS_H

#include "base/compat.h"

#include "audit/audit.h"
#include "utils/relcache.h"

/*
 * Returns the inputs as they are stored in the partition by the entry with
 * this number: whole, or with the number of an earlier entry of the partition
 * in place of what that one has in full.  In the current memory context.
 */
extern const char *nurture_inputs_store(const AuditEntry *entry,
										int64 audit_id, Relation partition);

extern void nurture_inputs_init(void);

#endif							/* NURTURE_AUDIT_INPUTS_H */
