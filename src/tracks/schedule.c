/*
 * schedule.c
 *	  nurture_schedule: the jobs, set up with pg_cron where it is installed.
 *
 * A job is known by its name, so calling it again changes what has changed and
 * repeats nothing.
 */
#include "base/compat.h"

#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

NURTURE_FUNCTION(nurture_schedule);

#define SCHEDULE_COLUMNS 4

/* What is called how often; %s is the schema of the functions. */
static const struct
{
	const char *job;
	const char *schedule;
	const char *command;
}			jobs[] = {
	{"nurture_run", "* * * * *", "CALL %s.nurture_run('50 seconds')"},
	{"nurture_partitions", "15 2 * * *", "SELECT %s.nurture_partition_ahead(3)"},
	{"nurture_canary", "30 4 * * *", "SELECT * FROM %s.nurture_canary()"},
	{"nurture_retention", "45 3 * * *", "SELECT * FROM %s.nurture_retain()"},
	{"nurture_selfcheck", "0 5 * * *", "SELECT * FROM %s.nurture_selfcheck()"}
};

/* Runs a query of pg_cron's with texts; answers whether it gave a row. */
static bool
ask(const char *query, int n, const char *const *texts)
{
	Oid			types[3] = {TEXTOID, TEXTOID, TEXTOID};
	Datum		values[3];

	for (int i = 0; i < n; i++)
		values[i] = CStringGetTextDatum(texts[i]);
	if (SPI_execute_with_args(query, n, types, values, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not ask pg_cron");
	return SPI_processed > 0;
}

/* Puts one job into pg_cron; answers what became of it. */
static const char *
schedule_job(const char *const *texts)
{
	bool		known = ask("SELECT schedule, command FROM cron.job WHERE jobname = $1 AND database = current_database() "
							"AND username = CURRENT_USER AND active", 1, texts);

	if (known && strcmp(nurture_cell_text(0, 1), texts[1]) == 0 &&
		strcmp(nurture_cell_text(0, 2), texts[2]) == 0)
		return "unchanged";
	(void) ask("SELECT cron.schedule($1, $2, $3)", 3, texts);
	return known ? "changed" : "scheduled";
}

/*
 * nurture_schedule() returns setof (job text, schedule text, command text,
 * state text)
 */
Datum
nurture_schedule(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	bool		has_cron = OidIsValid(get_extension_oid("pg_cron", true));
	int			level;

	if (!has_privs_of_role(nurture_caller_role(), nurture_owner_oid()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be the owner of schema nurture to schedule its jobs")));
	InitMaterializedSRF(fcinfo, 0);
	level = nurture_spi_connect();
	for (int i = 0; i < lengthof(jobs); i++)
	{
		const char *texts[3] = {jobs[i].job, jobs[i].schedule,
		psprintf(jobs[i].command, nurture_extension_schema())};
		Datum		values[SCHEDULE_COLUMNS];
		bool		nulls[SCHEDULE_COLUMNS] = {false};

		values[3] = CStringGetTextDatum(has_cron ? schedule_job(texts) : "by_hand");
		for (int t = 0; t < 3; t++)
			values[t] = CStringGetTextDatum(texts[t]);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	nurture_spi_finish(level);
	return (Datum) 0;
}
