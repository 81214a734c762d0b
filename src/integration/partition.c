/*
 * partition.c
 *	  Makes the monthly partitions of nurture.event and nurture.audit.
 *
 * Rows of a month that went to the default partition before its own was made
 * are moved first, partition to partition, which fires no trigger that
 * counts: they were counted when they came.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "core/day.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

NURTURE_FUNCTION(nurture_partition_ahead);

#define MAX_MONTHS_AHEAD 120
#define LOCK_TIMEOUT "3s"		/* attaching waits for all who use the table */

/* Partitioned tables and what they are partitioned by. */
static const struct
{
	const char *table;
	const char *column;
	bool		movable;		/* rows may leave the default partition; those
								 * of the audit trail stay where they are */
}			partitioned[] = {
	{"event", "recorded_at", true},
	{"audit", "at", false},
};

/* Returns the columns of a table as a list for SQL. */
static char *
column_list(Oid table)
{
	nurture_execute_text(psprintf("SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum)"
								  " FROM pg_catalog.pg_attribute"
								  " WHERE attrelid = %u AND attnum > 0 AND NOT attisdropped",
								  table));
	return nurture_cell_text(0, 1);
}

/* Gives a new partition the triggers that the default partition has for itself. */
static void
copy_triggers(const char *default_name, const char *name)
{
	char	   *commands;

	nurture_execute_text(psprintf("SELECT string_agg(replace(pg_get_triggerdef(oid), ' ON nurture_part.%s ', ' ON nurture_part.%s ')"
								  " || CASE tgenabled WHEN 'A' THEN format('; ALTER TABLE nurture_part.%s ENABLE ALWAYS TRIGGER %%I', tgname)"
								  " ELSE '' END, '; ' ORDER BY tgname)"
								  " FROM pg_catalog.pg_trigger WHERE tgrelid = 'nurture_part.%s'::regclass"
								  " AND tgparentid = 0 AND NOT tgisinternal",
								  default_name, name, name, default_name));
	commands = nurture_cell_text(0, 1);
	if (commands != NULL)
		nurture_execute_text(commands);
}

/* Leaves out of a partition's statistics what its table leaves out. */
static void
copy_statistics(const char *table, const char *name)
{
	char	   *columns;

	nurture_execute_text(psprintf("SELECT string_agg(format('ALTER %%I SET STATISTICS 0', attname), ', ' ORDER BY attnum)"
								  " FROM pg_catalog.pg_attribute WHERE attrelid = 'nurture.%s'::regclass"
								  " AND attnum > 0 AND NOT attisdropped AND attstattarget = 0", table));
	columns = nurture_cell_text(0, 1);
	if (columns != NULL)
		nurture_execute_text(psprintf("ALTER TABLE nurture_part.%s %s", name, columns));
}

/* Makes the partition of one month, unless it is there; false when not. */
static bool
make_partition(int which, int year, int month)
{
	const char *table = partitioned[which].table;
	const char *column = partitioned[which].column;
	Oid			schema = get_namespace_oid("nurture_part", false);
	char	   *name = psprintf("%s_%04d_%02d", table, year, month);
	char	   *default_name = psprintf("%s_default", table);
	char	   *from = psprintf("%04d-%02d-01 00:00:00+00", year, month);
	char	   *to = psprintf("%04d-%02d-01 00:00:00+00",
							  month == 12 ? year + 1 : year, month % 12 + 1);
	char	   *of_month = psprintf("%s >= '%s' AND %s < '%s'",
									column, from, column, to);
	bool		has_default = OidIsValid(get_relname_relid(default_name, schema));

	if (OidIsValid(get_relname_relid(name, schema)))
		return false;
	if (has_default)
	{
		/* nothing may arrive between moving and attaching */
		nurture_execute_text(psprintf("LOCK TABLE nurture_part.%s IN ACCESS EXCLUSIVE MODE",
									  default_name));
		if (!partitioned[which].movable)
		{
			nurture_execute_text(psprintf("SELECT 1 FROM nurture_part.%s WHERE %s LIMIT 1",
										  default_name, of_month));
			if (SPI_processed > 0)
				return false;
		}
	}
	nurture_execute_text(psprintf("CREATE TABLE nurture_part.%s (LIKE nurture.%s INCLUDING DEFAULTS INCLUDING CONSTRAINTS,"
								  " CONSTRAINT %s_month CHECK (%s))",
								  name, table, name, of_month));
	nurture_execute_text(psprintf("COMMENT ON TABLE nurture_part.%s IS 'nurture.%s from %s until before %s.'",
								  name, table, from, to));
	copy_statistics(table, name);
	if (has_default && partitioned[which].movable)
	{
		char	   *columns = column_list(nurture_table_oid(table, false));

		nurture_execute_text(psprintf("WITH moved AS (DELETE FROM nurture_part.%s WHERE %s RETURNING *)"
									  " INSERT INTO nurture_part.%s (%s) SELECT %s FROM moved",
									  default_name, of_month, name, columns, columns));
	}
	nurture_execute_text(psprintf("ALTER TABLE nurture.%s ATTACH PARTITION nurture_part.%s FOR VALUES FROM ('%s') TO ('%s')",
								  table, name, from, to));
	nurture_execute_text(psprintf("ALTER TABLE nurture_part.%s DROP CONSTRAINT %s_month", name, name));
	if (has_default)
		copy_triggers(default_name, name);
	return true;
}

/*
 * nurture_partition_ahead(months integer) returns integer
 *
 * Makes what is missing from this month to so many months ahead, and returns
 * how many partitions that were.
 */
Datum
nurture_partition_ahead(PG_FUNCTION_ARGS)
{
	int			months = PG_GETARG_INT32(0);
	int			made = 0;
	int			year;
	int			month;
	int			dom;
	int			gucs;
	int			level;
	OwnerSwitch save;

	if (months < 0 || months > MAX_MONTHS_AHEAD)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("months must be between 0 and %d", MAX_MONTHS_AHEAD)));
	if (!has_privs_of_role(GetUserId(), nurture_owner_oid()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to make partitions"),
				 errhint("Only the owner of schema nurture may call nurture_partition_ahead.")));

	gucs = NewGUCNestLevel();
	(void) set_config_option("client_min_messages", "warning",
							 PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("lock_timeout", LOCK_TIMEOUT,
							 PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	nurture_day_to_civil(nurture_today(), &year, &month, &dom);
	for (int i = 0; i <= months; i++)
	{
		for (int j = 0; j < lengthof(partitioned); j++)
		{
			Oid			table = nurture_table_oid(partitioned[j].table, true);

			CHECK_FOR_INTERRUPTS();
			if (OidIsValid(table) &&
				get_rel_relkind(table) == RELKIND_PARTITIONED_TABLE &&
				make_partition(j, year, month))
				made++;
		}
		if (++month > 12)
		{
			month = 1;
			year++;
		}
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	AtEOXact_GUC(true, gucs);
	PG_RETURN_INT32(made);
}
