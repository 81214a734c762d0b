/*
 * dry_run.h
 *	  Private to the tracks room: the real code under another clock, undone.
 */
#ifndef NURTURE_TRACKS_DRY_RUN_H
#define NURTURE_TRACKS_DRY_RUN_H

#include "base/compat.h"
#include "audit/audit.h"
#include "datatype/timestamp.h"
#include "utils/jsonb.h"

/*
 * Runs work as the owner, connected to SPI, in a subtransaction that is rolled
 * back, with the clock at an instant and drafts (NULL: none) in force.  Every
 * audit entry goes to listen, NULL: nowhere; what work and listen keep belongs
 * into the context that was current when this was called.  Raises what work
 * raises.
 */
extern void nurture_run_undone(void (*work) (void *arg), void *arg,
							   TimestampTz at, Jsonb *drafts,
							   void (*listen) (const AuditEntry *entries, int n));

/* Sets the clock until the dry run ends. */
extern void nurture_dry_clock(TimestampTz at);

/* Raises unless the caller may do dry runs and the server may write. */
extern void nurture_dry_run_right(const char *function);

#endif							/* NURTURE_TRACKS_DRY_RUN_H */
