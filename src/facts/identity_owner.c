/*
 * identity_owner.c
 *	  Who owns which identifier: kept in step with nurture.lead, and told to
 *	  the events that wait.
 *
 * E-mail address and phone number of a lead are identifiers by themselves:
 * the first lead that has one owns it.  A second lead with the same is no
 * error, but a candidate for a person to look at.  When the owner gives one
 * up, it passes to the next lead that has it.  external_ref needs no row: it
 * has an index of its own, and two leads with one reference own it neither.
 *
 * Everything reads with the latest snapshot, at any isolation level.
 */
#include "base/compat.h"

#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/trigger.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "facts/identity.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/rel.h"

NURTURE_FUNCTION(nurture_identity_lead);
NURTURE_FUNCTION(nurture_identity_appear);
NURTURE_FUNCTION(nurture_account_appear);

static KeptPlan drop_derived = KEPT_PLAN(
										 "DELETE FROM nurture.identity i USING unnest($1, $2, $3) AS u(kind, value, lead_id)"
										 " WHERE i.kind = u.kind AND i.value = u.value AND i.lead_id = u.lead_id"
										 " AND i.origin = 'lead' RETURNING i.kind, i.value",
										 TEXTARRAYOID, TEXTARRAYOID, INT8ARRAYOID);
static KeptPlan drop_leads = KEPT_PLAN(
									   "DELETE FROM nurture.identity WHERE lead_id = ANY ($1) RETURNING kind, value",
									   INT8ARRAYOID);
static KeptPlan next_owners = KEPT_PLAN(
										"SELECT u.kind, u.value, CASE u.kind"
										" WHEN 'email' THEN (SELECT min(l.lead_id) FROM nurture.lead l WHERE l.email IS NOT NULL"
										"  AND @extschema@.nurture_normal_email(l.email) = u.value"
										"  AND l.merged_into IS NULL AND l.erased_at IS NULL)"
										" WHEN 'phone' THEN (SELECT min(l.lead_id) FROM nurture.lead l WHERE l.phone IS NOT NULL"
										"  AND @extschema@.nurture_normal_phone(l.phone, l.country) = u.value"
										"  AND @extschema@.nurture_normal_phone(l.phone) = u.value"
										"  AND l.merged_into IS NULL AND l.erased_at IS NULL) END"
										" FROM unnest($1, $2) AS u(kind, value)",
										TEXTARRAYOID, TEXTARRAYOID);
static KeptPlan add_derived = KEPT_PLAN(
										"INSERT INTO nurture.identity (kind, value, lead_id, origin)"
										" SELECT u.kind, u.value, u.lead_id, 'lead'"
										" FROM unnest($1, $2, $3) AS u(kind, value, lead_id)"
										" ORDER BY u.kind, u.value, u.lead_id ON CONFLICT DO NOTHING",
										TEXTARRAYOID, TEXTARRAYOID, INT8ARRAYOID);

/*
 * A lead that has what another owns.  The value itself is no evidence: it is
 * on both leads, and a case may live longer than they do.
 */
static KeptPlan add_candidates = KEPT_PLAN(
										   "INSERT INTO nurture.review (lead_id, bucket, scope, evidence)"
										   " SELECT DISTINCT u.lead_id, 'identity', u.kind,"
										   " jsonb_build_object('same', u.kind, 'lead_id', o.lead_id)"
										   " FROM unnest($1, $2, $3) AS u(kind, value, lead_id)"
										   " JOIN nurture.lead l ON l.lead_id = u.lead_id AND NOT l.is_test"
										   " AND l.merged_into IS NULL AND l.erased_at IS NULL,"
										   " LATERAL (SELECT i.lead_id FROM nurture.identity i WHERE i.kind = u.kind AND i.value = u.value"
										   "  UNION ALL (SELECT x.lead_id FROM nurture.lead x WHERE u.kind = 'crm_id'"
										   "   AND x.external_ref = u.value AND x.lead_id <> u.lead_id"
										   "   AND x.merged_into IS NULL AND x.erased_at IS NULL ORDER BY x.lead_id LIMIT 1) LIMIT 1) o"
										   " WHERE o.lead_id <> u.lead_id"
										   " AND (SELECT x.merged_into IS NULL FROM nurture.lead x WHERE x.lead_id = o.lead_id)"
										   " ON CONFLICT DO NOTHING",
										   TEXTARRAYOID, TEXTARRAYOID, INT8ARRAYOID);
static KeptPlan unknown_leads = KEPT_PLAN(
										  "SELECT u.lead_id FROM unnest($1) AS u(lead_id)"
										  " WHERE NOT EXISTS (SELECT FROM nurture.lead l WHERE l.lead_id = u.lead_id) LIMIT 1",
										  INT8ARRAYOID);

/* identifiers with their leads, growing */
typedef struct OwnerList
{
	int			n;
	int			room;
	const char **kinds;
	char	  **values;			/* in their normal form */
	int64	   *leads;
} OwnerList;

/* rows that the lead trigger writes are of leads that exist */
static bool writing_derived = false;

static void
put_owner(OwnerList *list, const char *kind, char *value, int64 lead_id)
{
	if (list->n == list->room)
	{
		list->room = Max(list->room * 2, 16);
		list->kinds = list->n == 0 ? palloc(list->room * sizeof(char *)) :
			repalloc_huge(list->kinds, list->room * sizeof(char *));
		list->values = list->n == 0 ? palloc(list->room * sizeof(char *)) :
			repalloc_huge(list->values, list->room * sizeof(char *));
		list->leads = list->n == 0 ? palloc(list->room * sizeof(int64)) :
			repalloc_huge(list->leads, list->room * sizeof(int64));
	}
	list->kinds[list->n] = kind;
	list->values[list->n] = value;
	list->leads[list->n++] = lead_id;
}

/* Fills the three array parameters of the queries above. */
static void
owner_parameters(const OwnerList *list, Datum *parameters)
{
	Datum	   *kinds = palloc(Max(list->n, 1) * sizeof(Datum));
	Datum	   *values = palloc(Max(list->n, 1) * sizeof(Datum));
	Datum	   *leads = palloc(Max(list->n, 1) * sizeof(Datum));

	for (int i = 0; i < list->n; i++)
	{
		kinds[i] = CStringGetTextDatum(list->kinds[i]);
		values[i] = CStringGetTextDatum(list->values[i]);
		leads[i] = Int64GetDatum(list->leads[i]);
	}
	parameters[0] = PointerGetDatum(construct_array(kinds, list->n, TEXTOID, -1, false, TYPALIGN_INT));
	parameters[1] = PointerGetDatum(construct_array(values, list->n, TEXTOID, -1, false, TYPALIGN_INT));
	parameters[2] = PointerGetDatum(construct_array(leads, list->n, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* Adds what a query returned, kind and value, to a list without leads. */
static void
collect_freed(OwnerList *freed)
{
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		char	   *kind = nurture_cell_text(row, 1);

		put_owner(freed, nurture_identity_kind(kind, strlen(kind)),
				  nurture_cell_text(row, 2), 0);
	}
	SPI_freetuptable(SPI_tuptable);
}

/* Tells events that wait for the keys, which are locked first. */
static void
announce(const char *const *keys, int n)
{
	if (n == 0 || nurture_identity_appeared == NULL)
		return;
	nurture_identity_lock(keys, n, false);
	nurture_identity_appeared(keys, n);
}

/*
 * Takes identifiers that leads gave up, and all of dead leads; gives them to
 * the next lead that has them; then those that leads came to have.
 */
static void
change_owners(OwnerList *gone, OwnerList *come, const int64 *dead, int ndead)
{
	MemoryContext context = CurrentMemoryContext;
	OwnerList	freed = {0};
	OwnerList	derived = {0};
	OwnerList	references = {0};
	Datum		parameters[3];

	if (ndead > 0)
	{
		OwnerList	of_dead = {0};

		for (int i = 0; i < ndead; i++)
			put_owner(&of_dead, "", "", dead[i]);
		owner_parameters(&of_dead, parameters);
		(void) nurture_execute_latest(&drop_leads, &parameters[2], NULL, true);
		MemoryContextSwitchTo(context);
		collect_freed(&freed);
	}
	if (gone->n > 0)
	{
		owner_parameters(gone, parameters);
		(void) nurture_execute_latest(&drop_derived, parameters, NULL, true);
		MemoryContextSwitchTo(context);
		collect_freed(&freed);
	}
	if (freed.n > 0)
	{
		owner_parameters(&freed, parameters);
		(void) nurture_execute_latest(&next_owners, parameters, NULL, false);
		for (uint64 row = 0; row < SPI_processed; row++)
		{
			char	   *kind = nurture_cell_text(row, 1);
			bool		isnull;
			Datum		lead_id = nurture_cell(row, 3, &isnull);

			if (!isnull)
				put_owner(&derived, nurture_identity_kind(kind, strlen(kind)),
						  nurture_cell_text(row, 2), DatumGetInt64(lead_id));
		}
		SPI_freetuptable(SPI_tuptable);
	}
	for (int i = 0; i < come->n; i++)
		put_owner(strcmp(come->kinds[i], "crm_id") == 0 ? &references : &derived,
				  come->kinds[i], come->values[i], come->leads[i]);

	if (derived.n > 0)
	{
		bool		before = writing_derived;

		owner_parameters(&derived, parameters);
		writing_derived = true;
		PG_TRY();
		{
			(void) nurture_execute_latest(&add_derived, parameters, NULL, true);
		}
		PG_FINALLY();
		{
			writing_derived = before;
		}
		PG_END_TRY();
		if (SPI_processed < derived.n)
			(void) nurture_execute_latest(&add_candidates, parameters, NULL, true);
	}
	if (references.n > 0)
	{
		const char **keys = palloc(references.n * sizeof(char *));

		for (int i = 0; i < references.n; i++)
			keys[i] = nurture_identity_key("crm_id", references.values[i]);
		announce(keys, references.n);
		owner_parameters(&references, parameters);
		(void) nurture_execute_latest(&add_candidates, parameters, NULL, true);
	}
}

/* A row of nurture.lead as far as it identifies. */
typedef struct LeadRow
{
	int64		lead_id;
	bool		erased;
	char	   *email;			/* normal forms, NULL = none */
	char	   *phone;
	char	   *external_ref;
} LeadRow;

typedef struct LeadColumns
{
	int			lead_id;
	int			email;
	int			phone;
	int			external_ref;
	int			erased_at;
} LeadColumns;

static char *
normal_of(TupleTableSlot *slot, int column, const char *kind)
{
	const char *problem;
	bool		isnull;
	Datum		value = slot_getattr(slot, column, &isnull);

	return isnull ? NULL :
		nurture_identity_normal(kind, TextDatumGetCString(value), &problem);
}

static void
read_lead(TupleTableSlot *slot, const LeadColumns *columns, LeadRow *row)
{
	bool		isnull;

	row->lead_id = DatumGetInt64(slot_getattr(slot, columns->lead_id, &isnull));
	(void) slot_getattr(slot, columns->erased_at, &isnull);
	row->erased = !isnull;
	row->email = normal_of(slot, columns->email, "email");
	row->phone = normal_of(slot, columns->phone, "phone");
	row->external_ref = normal_of(slot, columns->external_ref, "crm_id");
}

static bool
same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* Notes what one lead gave up and came to have; before may be NULL. */
static void
compare_lead(const LeadRow *before, const LeadRow *after, OwnerList *gone,
			 OwnerList *come)
{
	static const LeadRow nothing = {0};

	if (before == NULL)
		before = &nothing;
	if (!same(before->email, after->email))
	{
		if (before->email)
			put_owner(gone, "email", before->email, after->lead_id);
		if (after->email)
			put_owner(come, "email", after->email, after->lead_id);
	}
	if (!same(before->phone, after->phone))
	{
		if (before->phone)
			put_owner(gone, "phone", before->phone, after->lead_id);
		if (after->phone)
			put_owner(come, "phone", after->phone, after->lead_id);
	}
	if (after->external_ref && !same(before->external_ref, after->external_ref))
		put_owner(come, "crm_id", after->external_ref, after->lead_id);
}

static bool
next_row(Tuplestorestate *rows, TupleTableSlot *slot)
{
	CHECK_FOR_INTERRUPTS();
	return tuplestore_gettupleslot(rows, true, false, slot);
}

static Tuplestorestate *
rewound(Tuplestorestate *rows)
{
	if (rows != NULL)
	{
		tuplestore_select_read_pointer(rows, 0);
		tuplestore_rescan(rows);
	}
	return rows;
}

static int
column_of(Relation rel, const char *name)
{
	int			number = SPI_fnumber(RelationGetDescr(rel), name);

	if (number <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of table \"nurture.%s\" does not exist",
						name, RelationGetRelationName(rel))));
	return number;
}

/*
 * nurture_identity_lead() returns trigger
 *
 * After every statement that inserts, updates or deletes leads.
 */
Datum
nurture_identity_lead(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_identity_lead");
	Relation	rel = data->tg_relation;
	Tuplestorestate *old_rows = rewound(data->tg_oldtable);
	Tuplestorestate *new_rows = rewound(data->tg_newtable);
	MemoryContext context;
	MemoryContext old;
	LeadColumns columns;
	TupleTableSlot *before;
	TupleTableSlot *after;
	OwnerList	gone = {0};
	OwnerList	come = {0};
	OwnerList	dead = {0};

	nurture_trigger_after_statement(data, "nurture_identity_lead");
	if (!nurture_deriving())
		return PointerGetDatum(NULL);
	context = AllocSetContextCreate(CurrentMemoryContext, "nurture identities",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	columns.lead_id = column_of(rel, "lead_id");
	columns.email = column_of(rel, "email");
	columns.phone = column_of(rel, "phone");
	columns.external_ref = column_of(rel, "external_ref");
	columns.erased_at = column_of(rel, "erased_at");
	before = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsMinimalTuple);
	after = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsMinimalTuple);

	if (new_rows == NULL)
	{
		while (next_row(old_rows, before))
		{
			LeadRow		row;

			read_lead(before, &columns, &row);
			put_owner(&dead, "", "", row.lead_id);
		}
	}
	else
	{
		while (next_row(new_rows, after))
		{
			LeadRow		is;
			LeadRow		was;

			read_lead(after, &columns, &is);
			/* both tables hold the rows in the order they were updated in */
			if (old_rows != NULL)
			{
				if (!next_row(old_rows, before))
					elog(ERROR, "transition tables of an update differ in length");
				read_lead(before, &columns, &was);
				if (is.erased)
				{
					if (!was.erased)
						put_owner(&dead, "", "", is.lead_id);
					continue;
				}
			}
			compare_lead(old_rows ? &was : NULL, &is, &gone, &come);
		}
	}
	ExecDropSingleTupleTableSlot(before);
	ExecDropSingleTupleTableSlot(after);
	if (gone.n > 0 || come.n > 0 || dead.n > 0)
	{
		OwnerSwitch save;
		int			level;

		nurture_owner_enter(&save);
		level = nurture_spi_connect();
		MemoryContextSwitchTo(context);
		change_owners(&gone, &come, dead.leads, dead.n);
		nurture_spi_finish(level);
		nurture_owner_leave(&save);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return PointerGetDatum(NULL);
}

/* Raises when a lead does not exist; connected to SPI, as the owner. */
static void
check_leads(const OwnerList *list)
{
	Datum		parameters[3];
	bool		isnull;

	owner_parameters(list, parameters);
	(void) nurture_execute_latest(&unknown_leads, &parameters[2], NULL, false);
	if (SPI_processed > 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_LEAD),
				 errmsg("there is no lead %lld",
						(long long) DatumGetInt64(nurture_cell(0, 1, &isnull))),
				 errhint("Insert the lead first.")));
}

/*
 * Reads the rows of a statement whose value is new; a kind of NULL reads
 * column "kind".
 */
static void
read_keys(TriggerData *data, const char *kind, const char *value_name,
		  const char *lead_name, OwnerList *list)
{
	Relation	rel = data->tg_relation;
	Tuplestorestate *rows = rewound(data->tg_newtable);
	int			kind_column = kind == NULL ? column_of(rel, "kind") : 0;
	int			value_column = column_of(rel, value_name);
	int			lead_column = column_of(rel, lead_name);
	Tuplestorestate *old_rows = rewound(data->tg_oldtable);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(rel),
													&TTSOpsMinimalTuple);
	TupleTableSlot *before = MakeSingleTupleTableSlot(RelationGetDescr(rel),
													  &TTSOpsMinimalTuple);

	while (next_row(rows, slot))
	{
		bool		isnull;
		bool		was_null = true;
		Datum		value = slot_getattr(slot, value_column, &isnull);
		Datum		was = (Datum) 0;
		const char *code = kind;

		if (old_rows != NULL && next_row(old_rows, before))
			was = slot_getattr(before, value_column, &was_null);
		/* a changed kind or lead without a new value is as good as new */
		if (isnull || (kind != NULL && !was_null &&
					   datum_image_eq(was, value, false, -1)))
			continue;
		if (code == NULL)
			code = TextDatumGetCString(slot_getattr(slot, kind_column, &isnull));
		put_owner(list, code, TextDatumGetCString(value),
				  DatumGetInt64(slot_getattr(slot, lead_column, &isnull)));
	}
	ExecDropSingleTupleTableSlot(before);
	ExecDropSingleTupleTableSlot(slot);
}

/* Replays what waits for the keys of the rows that a statement wrote. */
static void
appear(TriggerData *data, const char *kind, const char *value_name,
	   const char *lead_name, bool check)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "nurture identities",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	OwnerList	list = {0};

	read_keys(data, kind, value_name, lead_name, &list);
	if (list.n > 0)
	{
		const char **keys = palloc(list.n * sizeof(char *));
		OwnerSwitch save;
		int			level;

		for (int i = 0; i < list.n; i++)
			keys[i] = nurture_identity_key(list.kinds[i], list.values[i]);
		nurture_owner_enter(&save);
		level = nurture_spi_connect();
		MemoryContextSwitchTo(context);
		if (check)
			check_leads(&list);
		announce(keys, list.n);
		nurture_spi_finish(level);
		nurture_owner_leave(&save);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/*
 * nurture_identity_appear() returns trigger
 *
 * After every statement that inserts or updates identities.
 */
Datum
nurture_identity_appear(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_identity_appear");

	nurture_trigger_after_statement(data, "nurture_identity_appear");
	if (nurture_deriving() && data->tg_newtable != NULL)
		appear(data, NULL, "value", "lead_id", !writing_derived);
	return PointerGetDatum(NULL);
}

/*
 * nurture_account_appear() returns trigger
 *
 * After every statement that inserts or updates organisations: their
 * external_ref may be waited for.
 */
Datum
nurture_account_appear(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_account_appear");

	nurture_trigger_after_statement(data, "nurture_account_appear");
	if (nurture_deriving() && data->tg_newtable != NULL)
		appear(data, "account", "external_ref", "account_id", false);
	return PointerGetDatum(NULL);
}
