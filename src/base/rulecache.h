/*
 * rulecache.h
 *	  Caches of configuration tables, one per backend and subject.
 */
#ifndef NURTURE_RULECACHE_H
#define NURTURE_RULECACHE_H

#include "base/compat.h"
#include "utils/palloc.h"
#include "utils/snapshot.h"

#define RULECACHE_MAX_TABLES 16

typedef struct RuleCache
{
	const char *name;			/* for memory context and errors */
	const char *tables[RULECACHE_MAX_TABLES];	/* in schema nurture, ends at
												 * NULL */

	/*
	 * Builds the cache in the current memory context and returns its root.
	 * Connected to SPI, running as the owner; every query must go through
	 * nurture_execute_snapshot with this snapshot, so that all tables are
	 * seen at one moment.
	 */
	void	   *(*load) (Snapshot snapshot);

	/* private to rulecache.c */
	void	   *root;
	MemoryContext context;
	bool		valid;
	bool		provisional;	/* loaded with an old snapshot */
	uint64		generation;		/* grows at every load */
	Oid			relids[RULECACHE_MAX_TABLES];
	struct RuleCache *next;
} RuleCache;

/*
 * Another one whenever some cache is loaded or has become stale: what was
 * derived from rules alone is good while it stays.
 */
extern uint64 nurture_rules_epoch;

extern void nurture_rulecache_init(void);
extern void nurture_rulecache_register(RuleCache *cache);
extern void *nurture_rulecache_get(RuleCache *cache);
extern void nurture_rulecache_forget(RuleCache *cache);

#endif							/* NURTURE_RULECACHE_H */
