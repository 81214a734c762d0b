/*
 * sensitive_change.c
 *	  What follows when a kind of event or a tag becomes sensitive, or is no
 *	  longer, or a tag moves in its tree: the leads with such events are
 *	  counted again in the same transaction.
 *
 * What dropped events gave is taken from the bases as far as it can be told
 * apart: by signal, and by topic when a tag becomes sensitive.
 */
#include "base/compat.h"

#include "base/owner.h"
#include "base/plans.h"
#include "base/trigger.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "scoring/activity.h"
#include "scoring/activity_private.h"
#include "utils/builtins.h"
#include "utils/rel.h"

NURTURE_FUNCTION(nurture_sensitive_changed);

/* a tag and those below it, as texts; a circle ends with its last new tag */
#define BELOW \
	"WITH RECURSIVE below(value) AS (SELECT $2 UNION SELECT t.value FROM nurture.tag t" \
	" JOIN below b ON t.dimension = $1 AND t.parent = b.value)"

static KeptPlan leads_of_type = KEPT_PLAN_SCAN(
											   "SELECT DISTINCT lead_id FROM nurture.event WHERE event_type = $1",
											   TEXTOID);
static KeptPlan leads_of_tag = KEPT_PLAN_SCAN(
											  BELOW " SELECT DISTINCT e.lead_id FROM nurture.event e"
											  " WHERE e.tags && ARRAY(SELECT $1 || ':' || value FROM below)",
											  TEXTOID, TEXTOID);
static KeptPlan signals_of_type = KEPT_PLAN(
											"SELECT signal_id::integer FROM nurture.signal s JOIN nurture.event_type e USING (event_type)"
											" WHERE event_type = $1 AND e.sensitive", TEXTOID);
static KeptPlan signals_of_tag = KEPT_PLAN(
										   BELOW ", above(value, parent, sensitive) AS (SELECT t.value, t.parent, t.sensitive FROM nurture.tag t"
										   " WHERE t.dimension = $1 AND t.value = $2 UNION SELECT t.value, t.parent, t.sensitive"
										   " FROM nurture.tag t JOIN above a ON t.dimension = $1 AND t.value = a.parent)"
										   " SELECT s.signal_id::integer, false FROM nurture.signal s"
										   " WHERE s.tags && ARRAY(SELECT $1 || ':' || value FROM below)"
										   " AND (SELECT bool_or(sensitive) FROM above)"
										   " UNION ALL SELECT t.tag_id, true FROM nurture.tag t JOIN below b ON t.dimension = $1 AND t.value = b.value"
										   " WHERE (SELECT bool_or(sensitive) FROM above)",
										   TEXTOID, TEXTOID);
static KeptPlan fill_accounts = KEPT_PLAN0(
										   "SELECT @extschema@.nurture_account_rebuild()");

/* Lists the leads of the last result. */
static void
list_found(LeadList *leads)
{
	bool		isnull;

	for (uint64 row = 0; row < SPI_processed; row++)
		nurture_list_lead(leads, DatumGetInt64(nurture_cell(row, 1, &isnull)));
	SPI_freetuptable(SPI_tuptable);
}

/* Takes what is sensitive now from the bases. */
static void
strip_bases(bool of_tag, Datum *values, LeadList *again)
{
	int32	   *keys[2];
	int			n[2] = {0, 0};
	bool		isnull;

	(void) nurture_execute_latest(of_tag ? &signals_of_tag : &signals_of_type,
								  values, NULL, false);
	keys[0] = palloc(Max(SPI_processed, 1) * sizeof(int32));
	keys[1] = palloc(Max(SPI_processed, 1) * sizeof(int32));
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		int			kind = of_tag && DatumGetBool(nurture_cell(row, 2, &isnull)) ? 1 : 0;

		keys[kind][n[kind]++] = DatumGetInt32(nurture_cell(row, 1, &isnull));
	}
	SPI_freetuptable(SPI_tuptable);
	nurture_activity_strip_bases(keys[0], n[0], keys[1], n[1], again);
}

/*
 * nurture_sensitive_changed() returns trigger
 *
 * After a row of nurture.event_type or nurture.tag that was updated in what
 * decides about sensitivity.
 */
Datum
nurture_sensitive_changed(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_sensitive_changed");
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	bool		of_tag = strcmp(RelationGetRelationName(data->tg_relation), "tag") == 0;
	LeadList	leads = {CurrentMemoryContext, NULL, 0, 0};
	MemoryContext context = CurrentMemoryContext;
	OwnerSwitch save;
	Datum		values[2];
	bool		isnull;
	int			level;

	if (!nurture_deriving() || !TRIGGER_FIRED_BY_UPDATE(data->tg_event))
		return PointerGetDatum(NULL);
	values[0] = SPI_getbinval(data->tg_newtuple, desc,
							  SPI_fnumber(desc, of_tag ? "dimension" : "event_type"), &isnull);
	values[1] = of_tag ? SPI_getbinval(data->tg_newtuple, desc, SPI_fnumber(desc, "value"), &isnull) :
		(Datum) 0;
	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	MemoryContextSwitchTo(context);

	/* whoever stores events by the old rules has to be done */
	if (SPI_execute("LOCK TABLE nurture.event, nurture.account_event IN SHARE MODE", false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not lock nurture.event");
	(void) nurture_execute_latest(of_tag ? &leads_of_tag : &leads_of_type,
								  values, NULL, false);
	list_found(&leads);
	strip_bases(of_tag, values, &leads);
	nurture_rebuild_listed(&leads);
	(void) nurture_execute_latest(&fill_accounts, NULL, NULL, true);
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	return PointerGetDatum(NULL);
}
