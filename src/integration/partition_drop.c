/*
 * partition_drop.c
 *	  nurture_partition_drop: lets old events go and keeps what they gave.
 *
 * One transaction per call.  Storing events is blocked from the beginning,
 * reading only at the end of each partition, when it goes: whoever stores
 * events holds a lock on nurture.event while waiting for rows of
 * nurture.activity, so the table has to be ours before the first row.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/author.h"
#include "base/clock.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "scoring/activity.h"
#include "scoring/activity_private.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

NURTURE_FUNCTION(nurture_partition_drop);

#define LOCK_TIMEOUT "3s"		/* what we wait for waits for nobody long */

/*
 * Partitions whose upper bound is a value; the bound is read back with the
 * settings it was written with.  The default partition comes last.
 */
static KeptPlan find_partitions = KEPT_PLAN(
											"SELECT name, is_default FROM ("
											" SELECT format('%I.%I', n.nspname, c.relname) AS name,"
											" pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT' AS is_default,"
											" (regexp_match(pg_get_expr(c.relpartbound, c.oid), ' TO \\(''([^'']*)''\\)'))[1]::timestamptz AS upper"
											" FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
											" JOIN pg_namespace n ON n.oid = c.relnamespace"
											" WHERE i.inhparent = $1 AND NOT i.inhdetachpending) p"
											" WHERE upper <= $2 OR is_default ORDER BY is_default, upper",
											OIDOID, TIMESTAMPTZOID);

/* What a call is asked to do. */
typedef struct PartitionDrop
{
	TimestampTz before;
	bool		detach;
	bool		forget_keys;
	const char *reason;
	const char *actor;
	LeadList	again;			/* leads to be counted again */
	ReturnSetInfo *rsinfo;
} PartitionDrop;

/* Counts the events of a partition into the bases of their leads. */
static int64
keep_counts(PartitionDrop *drop, const char *name, const char *where,
			int64 *nevents)
{
	EventCounter *counter = nurture_event_counter();
	KeptPlan	events = {
		psprintf("SELECT lead_id, event_type, occurred_at, tags, properties FROM %s%s", name, where),
		{0}, NULL, true
	};
	int64		nleads;

	nurture_count_events(counter, &events, NULL);
	SPI_freeplan(events.plan);
	nleads = nurture_activity_add_base(counter->delta, &drop->again);
	*nevents = counter->rows;
	return nleads;
}

/*
 * Forgets what events were before they were corrected that go now: what they
 * gave in the end stays in the base, which knows no time.  Deleted events gave
 * it nothing; what they were stays.
 */
static void
forget_versions(const char *name, const char *where)
{
	nurture_execute_text(psprintf("DELETE FROM nurture.event_history h USING (SELECT lead_id, event_id, recorded_at FROM %s%s) e"
								  " WHERE h.lead_id = e.lead_id AND h.event_id = e.event_id AND h.recorded_at = e.recorded_at",
								  name, where));
}

static void
record(PartitionDrop *drop, const char *name, bool is_default, int64 nevents,
	   int64 nleads)
{
	AuditEntry	entry = {0};
	Datum		values[3];
	bool		nulls[3] = {false, false, false};

	entry.kind = "retention";
	entry.object = psprintf("partition:%s", name);
	entry.outcome = is_default ? "deleted" : drop->detach ? "detached" : "dropped";
	entry.inputs = psprintf("events " INT64_FORMAT ", leads " INT64_FORMAT ", before %s%s",
							nevents, nleads, timestamptz_to_str(drop->before),
							drop->forget_keys ? ", keys forgotten" : "");
	entry.reason = drop->reason;
	entry.actor = drop->actor;
	nurture_audit_append(&entry, 1);

	values[0] = CStringGetTextDatum(name);
	values[1] = Int64GetDatum(nevents);
	values[2] = Int64GetDatum(nleads);
	tuplestore_putvalues(drop->rsinfo->setResult, drop->rsinfo->setDesc, values, nulls);
}

/*
 * Lets one partition go; of the default partition, which takes what has no
 * month of its own, the old rows.
 */
static void
drop_partition(PartitionDrop *drop, const char *name, bool is_default)
{
	const char *where = "";
	int64		nevents;
	int64		nleads;

	if (is_default)
	{
		where = psprintf(" WHERE recorded_at < '%s'", DatumGetCString(DirectFunctionCall1(timestamptz_out, TimestampTzGetDatum(drop->before))));
		nurture_execute_text(psprintf("SELECT FROM %s%s LIMIT 1", name, where));
		if (SPI_processed == 0)
			return;
	}
	nleads = keep_counts(drop, name, where, &nevents);
	forget_versions(name, where);
	if (drop->forget_keys)
		nurture_execute_text(psprintf("DELETE FROM nurture.event_key k USING (SELECT lead_id, coalesce(source, '') AS source,"
									  " source_key, event_id, recorded_at FROM %s%s) e"
									  " WHERE k.lead_id = e.lead_id AND k.source = e.source AND k.source_key = e.source_key"
									  " AND k.event_id = e.event_id AND k.recorded_at = e.recorded_at", name, where));
	if (is_default)
		nurture_execute_text(psprintf("DELETE FROM %s%s", name, where));
	else if (drop->detach)
		nurture_execute_text(psprintf("ALTER TABLE nurture.event DETACH PARTITION %s", name));
	else
		nurture_execute_text(psprintf("DROP TABLE %s", name));
	record(drop, name, is_default, nevents, nleads);
}

static void
check_before(TimestampTz before)
{
	if (TIMESTAMP_NOT_FINITE(before) || before > nurture_now_wall())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("events can only be dropped before a past instant"),
				 errhint("Give the first instant whose events are to be kept, such as now() - interval '3 years'.")));
	if (!has_privs_of_role(GetUserId(), nurture_owner_oid()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to drop partitions"),
				 errhint("Only the owner of schema nurture may call nurture_partition_drop.")));
}

/* Drops all there is to drop; connected to SPI, as the owner. */
static void
drop_all(PartitionDrop *drop)
{
	Oid			table = nurture_table_oid("event", false);
	Datum		values[2];
	char	  **names;
	bool	   *defaults;
	int			n;
	bool		isnull;

	nurture_execute_text("LOCK TABLE nurture.event IN SHARE ROW EXCLUSIVE MODE");
	values[0] = ObjectIdGetDatum(table);
	values[1] = TimestampTzGetDatum(drop->before);
	(void) nurture_execute_latest(&find_partitions, values, NULL, false);
	n = (int) SPI_processed;
	names = palloc(Max(n, 1) * sizeof(char *));
	defaults = palloc(Max(n, 1) * sizeof(bool));
	for (int i = 0; i < n; i++)
	{
		names[i] = nurture_cell_text(i, 1);
		defaults[i] = DatumGetBool(nurture_cell(i, 2, &isnull));
	}
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!defaults[i] || !drop->detach)
			drop_partition(drop, names[i], defaults[i]);
	}
	nurture_rebuild_listed(&drop->again);
}

/*
 * nurture_partition_drop(before timestamptz, detach boolean, forget_keys
 * boolean, reason text, actor text) returns setof (partition text, events
 * bigint, leads bigint)
 *
 * Drops the partitions of nurture.event that end before an instant and keeps
 * their counts as the base of their leads.
 */
Datum
nurture_partition_drop(PG_FUNCTION_ARGS)
{
	PartitionDrop drop = {0};
	OwnerSwitch save;
	MemoryContext context = CurrentMemoryContext;
	int			gucs;
	int			level;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the instant before which events are dropped must be given")));
	drop.before = PG_GETARG_TIMESTAMPTZ(0);
	check_before(drop.before);
	drop.detach = !PG_ARGISNULL(1) && PG_GETARG_BOOL(1);
	drop.forget_keys = !PG_ARGISNULL(2) && PG_GETARG_BOOL(2);
	drop.reason = PG_ARGISNULL(3) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(3));
	drop.actor = nurture_actor(PG_ARGISNULL(4) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(4)));
	drop.again.context = context;
	drop.rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	InitMaterializedSRF(fcinfo, 0);

	gucs = NewGUCNestLevel();
	(void) set_config_option("lock_timeout", LOCK_TIMEOUT,
							 PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("client_min_messages", "warning",
							 PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	MemoryContextSwitchTo(context);
	drop_all(&drop);
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	AtEOXact_GUC(true, gucs);
	return (Datum) 0;
}
