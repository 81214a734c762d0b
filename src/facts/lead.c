/*
 * lead.c
 *	  Finding leads by their identifiers.
 */
#include "base/compat.h"

#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "facts/lead.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"

NURTURE_FUNCTION(nurture_lead_id);

static KeptPlan lead_by_id = KEPT_PLAN(
									   "SELECT true FROM nurture.lead WHERE lead_id = $1", INT8OID);

static KeptPlan lead_living = KEPT_PLAN(
										"SELECT true FROM nurture.lead WHERE lead_id = $1 AND erased_at IS NULL", INT8OID);

static KeptPlan lead_seen = KEPT_PLAN(
									  "SELECT true FROM nurture.lead WHERE lead_id = $1", INT8OID);

/* merged leads lead to their survivor, however often it was merged itself */
static KeptPlan lead_by_ref = KEPT_PLAN(
										"WITH RECURSIVE up AS ("
										" SELECT lead_id, merged_into, 0 AS depth FROM nurture.lead WHERE external_ref = $1"
										" UNION ALL"
										" SELECT l.lead_id, l.merged_into, up.depth + 1"
										" FROM up JOIN nurture.lead l ON l.lead_id = up.merged_into WHERE up.depth < 64)"
										" SELECT DISTINCT lead_id FROM up WHERE merged_into IS NULL LIMIT 2", TEXTOID);

/* Tells whether there is such a lead. */
bool
nurture_lead_exists(int64 lead_id)
{
	Datum		parameter = Int64GetDatum(lead_id);

	(void) nurture_execute_latest(&lead_by_id, &parameter, NULL, false);
	return SPI_processed > 0;
}

/* Tells whether there is such a lead, which was not erased. */
bool
nurture_lead_living(int64 lead_id)
{
	Datum		parameter = Int64GetDatum(lead_id);

	(void) nurture_execute_latest(&lead_living, &parameter, NULL, false);
	return SPI_processed > 0;
}

/* Tells whether row-level security hides a lead that is there. */
bool
nurture_lead_hidden(int64 lead_id)
{
	Datum		parameter = Int64GetDatum(lead_id);
	OwnerSwitch save;
	bool		hidden;
	int			level;

	if (check_enable_rls(nurture_table_oid("lead", false), InvalidOid, true) != RLS_ENABLED)
		return false;
	level = nurture_spi_connect();
	(void) nurture_execute(&lead_seen, &parameter, NULL, true);
	hidden = SPI_processed == 0;
	if (hidden)
	{
		nurture_owner_enter(&save);
		(void) nurture_execute(&lead_by_id, &parameter, NULL, true);
		hidden = SPI_processed > 0;
		nurture_owner_leave(&save);
	}
	nurture_spi_finish(level);
	return hidden;
}

static bool
may_read(Oid table, const char *column)
{
	return pg_class_aclcheck(table, GetUserId(), ACL_SELECT) == ACLCHECK_OK ||
		pg_attribute_aclcheck(table, get_attnum(table, column), GetUserId(),
							  ACL_SELECT) == ACLCHECK_OK;
}

/*
 * Tells whether the caller may not see every lead that it might name.  Raises
 * when it may not read what leads did: no query has handed that over.
 */
bool
nurture_leads_doubted(void)
{
	Oid			lead = nurture_table_oid("lead", false);

	if (!may_read(nurture_table_oid("activity", false), "signals"))
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, "activity");
	return check_enable_rls(lead, InvalidOid, true) == RLS_ENABLED ||
		!may_read(lead, "lead_id");
}

/* Tells whether the caller sees a lead; its rights decide. */
bool
nurture_lead_seen(int64 lead_id)
{
	Datum		parameter = Int64GetDatum(lead_id);
	int			level = nurture_spi_connect();
	bool		seen;

	(void) nurture_execute(&lead_seen, &parameter, NULL, true);
	seen = SPI_processed > 0;
	nurture_spi_finish(level);
	return seen;
}

/* Raises when row-level security hides a lead that is there. */
void
nurture_lead_require_seen(int64 lead_id)
{
	if (nurture_lead_hidden(lead_id))
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_LEAD),
				 errmsg("there is no lead " INT64_FORMAT, lead_id),
				 errhint("Or you may not see it; nurture.lead lists those you may.")));
}

/* Ends a function that answers with the lead of the last result. */
Datum
nurture_lead_answer(FunctionCallInfo fcinfo, int level)
{
	bool		isnull = true;
	int64		lead_id = 0;

	if (SPI_processed == 1)
		lead_id = DatumGetInt64(nurture_cell(0, 1, &isnull));
	nurture_spi_finish(level);
	if (isnull)
		PG_RETURN_NULL();
	PG_RETURN_INT64(lead_id);
}

/*
 * nurture_lead_id(external_ref text) returns bigint
 *
 * The lead with this identifier of the CRM, its survivor when it was merged;
 * NULL when there is none, or more than one: nothing is guessed.
 */
Datum
nurture_lead_id(PG_FUNCTION_ARGS)
{
	Datum		parameter = PG_GETARG_DATUM(0);
	int			level = nurture_spi_connect();

	(void) nurture_execute(&lead_by_ref, &parameter, NULL, true);
	return nurture_lead_answer(fcinfo, level);
}
