/*
 * rulecache.c
 *	  Caches of configuration tables, one per backend and subject.
 *
 * A trigger on each configuration table (nurture_invalidate) sends a relcache
 * invalidation for the table; it reaches every backend at commit, this one at
 * the end of the command, and again at rollback.  The callback here only
 * marks; the next nurture_rulecache_get loads.
 *
 * A load reads all its tables with one latest snapshot: the active snapshot
 * of a REPEATABLE READ transaction would put old rules into a cache that
 * outlives the transaction.  In parallel mode taking one is an error, so the
 * active snapshot serves and the cache is dropped at the end of the
 * transaction.
 *
 * A caller may hold pointers into a cache while it runs queries, and those
 * may cause a reload.  So contexts that were replaced live on until the
 * transaction ends.
 */
#include "base/compat.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/rulecache.h"
#include "nodes/pg_list.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

static RuleCache *caches = NULL;
static MemoryContext retired = NULL;	/* parent of replaced contexts */
static bool any_provisional = false;

uint64		nurture_rules_epoch = 1;

static void
make_stale(RuleCache *cache)
{
	cache->valid = false;
	nurture_rules_epoch++;
}

static void
mark_stale(Datum arg, Oid relid)
{
	for (RuleCache *cache = caches; cache != NULL; cache = cache->next)
	{
		if (!cache->valid)
			continue;
		if (!OidIsValid(relid))
		{
			make_stale(cache);
			continue;
		}
		for (int i = 0; i < RULECACHE_MAX_TABLES && cache->tables[i]; i++)
		{
			if (cache->relids[i] == relid)
			{
				make_stale(cache);
				break;
			}
		}
	}
}

static void
end_of_transaction(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT &&
		event != XACT_EVENT_PREPARE && event != XACT_EVENT_PARALLEL_COMMIT &&
		event != XACT_EVENT_PARALLEL_ABORT)
		return;
	if (retired != NULL)
	{
		MemoryContextDelete(retired);
		retired = NULL;
	}
	/* there are many, and this is for every transaction */
	if (!any_provisional)
		return;
	any_provisional = false;
	for (RuleCache *cache = caches; cache != NULL; cache = cache->next)
	{
		if (cache->provisional)
		{
			cache->provisional = false;
			make_stale(cache);
		}
	}
}

/* Registers the callbacks; once per backend. */
void
nurture_rulecache_init(void)
{
	CacheRegisterRelcacheCallback(mark_stale, (Datum) 0);
	RegisterXactCallback(end_of_transaction, NULL);
}

/* Makes a cache known, so that invalidations reach it. */
void
nurture_rulecache_register(RuleCache *cache)
{
	cache->next = caches;
	caches = cache;
}

static void
load_cache(RuleCache *cache)
{
	MemoryContext context;
	MemoryContext old;
	Snapshot	snapshot;
	OwnerSwitch save;
	bool		provisional = IsInParallelMode();
	void	   *root = NULL;
	int			level;

	context = AllocSetContextCreate(CurrentMemoryContext, "nurture rules",
									ALLOCSET_DEFAULT_SIZES);
	MemoryContextSetIdentifier(context, cache->name);
	for (int i = 0; i < RULECACHE_MAX_TABLES && cache->tables[i]; i++)
		cache->relids[i] = nurture_table_oid(cache->tables[i], false);

	/*
	 * From here on an invalidation, which the queries below may receive,
	 * makes the result stale again.
	 */
	cache->valid = true;
	cache->provisional = false;
	nurture_rules_epoch++;

	if (!provisional)
		snapshot = RegisterSnapshot(GetLatestSnapshot());
	else if (ActiveSnapshotSet())
		snapshot = RegisterSnapshot(GetActiveSnapshot());
	else
		snapshot = RegisterSnapshot(GetTransactionSnapshot());

	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	PG_TRY();
	{
		old = MemoryContextSwitchTo(context);
		root = cache->load(snapshot);
		MemoryContextSwitchTo(old);
	}
	PG_CATCH();
	{
		cache->valid = false;
		PG_RE_THROW();
	}
	PG_END_TRY();
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	UnregisterSnapshot(snapshot);

	if (cache->context != NULL)
	{
		if (retired == NULL)
			retired = AllocSetContextCreate(CacheMemoryContext,
											"nurture retired rules",
											ALLOCSET_SMALL_SIZES);
		MemoryContextSetParent(cache->context, retired);
	}
	MemoryContextSetParent(context, CacheMemoryContext);
	cache->context = context;
	cache->root = root;
	cache->generation++;
	cache->provisional = provisional;
	any_provisional |= provisional;
}

/*
 * Returns the root of a cache, loaded when it was stale.  The pointer is good
 * until the end of the transaction.
 */
void	   *
nurture_rulecache_get(RuleCache *cache)
{
	if (likely(cache->valid && (!cache->provisional || IsInParallelMode())))
		return cache->root;

	/*
	 * A second try follows when the tables changed while they were read; a
	 * third change is left to the next call.
	 */
	load_cache(cache);
	if (!cache->valid)
	{
		load_cache(cache);
		/* what was read is consistent: one snapshot; it may serve once */
	}
	return cache->root;
}

/* Makes the next nurture_rulecache_get load, for what no trigger announces. */
void
nurture_rulecache_forget(RuleCache *cache)
{
	make_stale(cache);
}
