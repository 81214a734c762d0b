/*
 * merge.h
 *	  Merging leads, for rooms that rule about duplicates.
 */
#ifndef NURTURE_MERGE_H
#define NURTURE_MERGE_H

#include "base/compat.h"

/*
 * As nurture_merge: merges a lead into another and returns the merge_id.  The
 * caller has been asked for its rights.  Locks activity, lead and gate rows of
 * both, so nothing that comes later in the lock order may be locked before.
 */
extern int64 nurture_merge_leads(int64 survivor, int64 absorbed,
								 const char *reason, const char *actor);

/* merge_facts.c */
extern char *nurture_facts_merged(int64 survivor, int64 absorbed,
								  int64 merge_id, const char *reason,
								  const char *actor);
extern void nurture_facts_unmerged(int64 survivor, int64 absorbed,
								   int64 merge_id, const char *changed,
								   const char *reason, const char *actor);

#endif							/* NURTURE_MERGE_H */
