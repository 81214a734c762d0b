/*
 * person.c
 *	  Whose data it is, and the queries that the map stands for.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/trigger.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "privacy/map.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

NURTURE_FUNCTION(nurture_erase_map);

/*
 * The survivor, then all that were merged into it, and into those.  UNION
 * ends at what is known already.
 */
static KeptPlan find_family =
KEPT_PLAN("WITH RECURSIVE up AS (SELECT lead_id, merged_into FROM nurture.lead WHERE lead_id = $1"
		  " UNION SELECT l.lead_id, l.merged_into FROM up JOIN nurture.lead l ON l.lead_id = up.merged_into),"
		  " down AS (SELECT lead_id FROM up"
		  " UNION SELECT l.lead_id FROM down JOIN nurture.lead l ON l.merged_into = down.lead_id)"
		  " SELECT lead_id FROM down ORDER BY lead_id", INT8OID);

/* addresses as they are written and in normal form */
static KeptPlan find_names =
KEPT_PLAN("WITH a(address) AS (SELECT lower(l.email) FROM nurture.lead l WHERE l.lead_id = ANY ($1)"
		  " UNION SELECT @extschema@.nurture_normal_email(l.email) FROM nurture.lead l WHERE l.lead_id = ANY ($1)"
		  " UNION SELECT l.phone FROM nurture.lead l WHERE l.lead_id = ANY ($1)"
		  " UNION SELECT @extschema@.nurture_normal_phone(l.phone, l.country) FROM nurture.lead l WHERE l.lead_id = ANY ($1)"
		  " UNION SELECT lower(i.value) FROM nurture.identity i WHERE i.lead_id = ANY ($1) AND i.kind IN ('email', 'phone')),"
		  " r(reference) AS (SELECT l.external_ref FROM nurture.lead l WHERE l.lead_id = ANY ($1)"
		  " UNION SELECT i.value FROM nurture.identity i WHERE i.lead_id = ANY ($1))"
		  " SELECT (SELECT '(?<![a-z0-9._%+-])(' || string_agg(regexp_replace(a.address, '([].+*?(){}|^$\\\\[])', '\\\\\\1', 'g'), '|' ORDER BY a.address)"
		  "  || ')(?![a-z0-9_%+-]|\\.[a-z0-9])' FROM a WHERE length(a.address) >= 6),"
		  " (SELECT coalesce(array_agg(r.reference ORDER BY r.reference), '{}') FROM r WHERE r.reference <> '')",
		  INT8ARRAYOID);

static const char *const act_names[] = {
	[PRIVACY_DELETE] = "delete",[PRIVACY_CLEAR] = "clear",
	[PRIVACY_KEEP] = "keep",[PRIVACY_NONE] = "none"
};

/* Plans by place in the map, made when they are first needed. */
static KeptPlan *counts = NULL;
static KeptPlan *acts = NULL;
static KeptPlan *residuals = NULL;

/* Returns the word for an act. */
const char *
nurture_privacy_act_name(PrivacyAct act)
{
	return act_names[act];
}

/* Finds the leads of a person. */
bool
nurture_privacy_family(int64 lead_id, PrivacyPerson *person)
{
	Datum		value = Int64GetDatum(lead_id);
	Datum	   *items;

	(void) nurture_execute_latest(&find_family, &value, NULL, false);
	person->n = (int) SPI_processed;
	person->leads = palloc(sizeof(int64) * Max(person->n, 1));
	items = palloc(sizeof(Datum) * Max(person->n, 1));
	for (int i = 0; i < person->n; i++)
	{
		bool		isnull;

		items[i] = nurture_cell(i, 1, &isnull);
		person->leads[i] = DatumGetInt64(items[i]);
		items[i] = Int64GetDatum(person->leads[i]);
	}
	person->parameters[0] = PointerGetDatum(construct_array(items, person->n, INT8OID, 8,
															FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	person->parameters[1] = CStringGetTextDatum("");
	person->parameters[2] = PointerGetDatum(construct_empty_array(TEXTOID));
	person->parameters[3] = TimestampTzGetDatum(nurture_now_wall());
	return person->n > 0;
}

/* Reads how else its leads are named, before that is gone. */
void
nurture_privacy_describe(PrivacyPerson *person)
{
	char	   *pattern;
	bool		isnull;
	Datum		references;

	(void) nurture_execute_latest(&find_names, person->parameters, NULL, false);
	pattern = nurture_cell_text(0, 1);
	person->parameters[1] = CStringGetTextDatum(pattern ? pattern : "");
	references = nurture_cell(0, 2, &isnull);
	person->parameters[2] = PointerGetDatum(DatumGetArrayTypePCopy(references));
}

/* Returns the plan of a query, which lives as long as the backend. */
static KeptPlan *
plan_of(KeptPlan **plans, int i, const char *query)
{
	KeptPlan   *plan;

	if (*plans == NULL)
		*plans = MemoryContextAllocZero(TopMemoryContext,
										nurture_privacy_tables * sizeof(KeptPlan));
	plan = &(*plans)[i];
	if (plan->query == NULL)
	{
		plan->argtypes[0] = INT8ARRAYOID;
		plan->argtypes[1] = TEXTOID;
		plan->argtypes[2] = TEXTARRAYOID;
		plan->argtypes[3] = TIMESTAMPTZOID;

		/* no index knows what a payload names */
		plan->seqscan = strstr(query, "t.payload") != NULL || strstr(query, "t.evidence") != NULL;
		plan->query = MemoryContextStrdup(TopMemoryContext, query);
	}
	return plan;
}

/* Counts a table's rows about a person, a row of the result for each partition. */
uint64
nurture_privacy_count(int i, PrivacyPerson *person)
{
	const PrivacyTable *table = &nurture_privacy_map[i];

	if (table->of == NULL)
		return 0;
	(void) nurture_execute_latest(plan_of(&counts, i,
										  psprintf("SELECT t.tableoid, count(*) FROM nurture.%s t WHERE %s GROUP BY 1 ORDER BY 1",
												   table->table, table->of)),
								  person->parameters, NULL, false);
	return SPI_processed;
}

/* Does to a table what the map says; answers how many rows. */
uint64
nurture_privacy_act(int i, PrivacyPerson *person)
{
	const PrivacyTable *table = &nurture_privacy_map[i];
	const char *query;
	bool		before;

	if (table->act != PRIVACY_DELETE && table->act != PRIVACY_CLEAR)
		return 0;
	query = table->act == PRIVACY_DELETE ?
		psprintf("DELETE FROM nurture.%s t WHERE %s", table->table, table->of) :
		psprintf("UPDATE nurture.%s t SET %s WHERE %s", table->table, table->set, table->of);
	before = nurture_erasing_open();
	PG_TRY();
	{
		(void) nurture_execute_latest(plan_of(&acts, i, query), person->parameters, NULL, true);
	}
	PG_FINALLY();
	{
		nurture_erasing_close(before);
	}
	PG_END_TRY();
	return SPI_processed;
}

/* Tells whether a table still says what an erasure takes. */
bool
nurture_privacy_residual(int i, PrivacyPerson *person)
{
	const PrivacyTable *table = &nurture_privacy_map[i];

	if (table->act != PRIVACY_DELETE && table->act != PRIVACY_CLEAR)
		return false;
	(void) nurture_execute_latest(plan_of(&residuals, i,
										  psprintf("SELECT 1 FROM nurture.%s t WHERE %s AND %s LIMIT 1",
												   table->table, table->of, table->left ? table->left : "true")),
								  person->parameters, NULL, false);
	return SPI_processed > 0;
}

/* Raises unless the caller may do what erasures and exports do. */
void
nurture_privacy_right(AclMode mode, const char *what)
{
	if (pg_class_aclcheck(nurture_table_oid("erasure", false), GetUserId(), mode) != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to %s", what),
				 errhint("It needs the right to %s nurture.erasure.",
						 mode == ACL_INSERT ? "INSERT into" : "SELECT from")));
}

/* Splits "a, b" into a text[]; NULL when there is nothing. */
static Datum
column_array(const char *list, bool *isnull)
{
	Datum		items[64];
	int			n = 0;

	*isnull = list == NULL;
	while (list != NULL && *list != '\0' && n < lengthof(items))
	{
		int			len = (int) strcspn(list, ", ");

		items[n++] = PointerGetDatum(cstring_to_text_with_len(list, len));
		list += len;
		list += strspn(list, ", ");
	}
	return PointerGetDatum(construct_array(items, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/*
 * nurture_erase_map() returns setof (table_name text, act text, cleared
 * text[], kept text[], exported boolean, why text)
 */
Datum
nurture_erase_map(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < nurture_privacy_tables; i++)
	{
		const PrivacyTable *table = &nurture_privacy_map[i];
		Datum		values[6];
		bool		nulls[6] = {0};

		values[0] = CStringGetTextDatum(table->table);
		values[1] = CStringGetTextDatum(nurture_privacy_act_name(table->act));
		values[2] = column_array(table->cleared, &nulls[2]);
		values[3] = column_array(table->kept, &nulls[3]);
		values[4] = BoolGetDatum(table->order != NULL);
		values[5] = CStringGetTextDatum(table->why);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
