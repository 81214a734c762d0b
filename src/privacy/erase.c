/*
 * erase.c
 *	  nurture_erase: what is held about a person goes, in one transaction.
 *
 * A lead and all that were merged with it are one person and go together.
 * Rows are locked in the lock order: activity, lead, addresses and gates;
 * behind them nothing about the person can be decided any more.  An event
 * waits for the row of activity and then finds the lead erased, a message and
 * a consent wait for the gate row, a label and its like for the lead
 * (nurture_erased_guard).  What another transaction still writes beside all of
 * these, such as words in a row that stays, is found afterwards (status.c).
 *
 * The last entry of the audit trail about the person is that it was erased;
 * then the key of its pseudonym goes.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "audit/audit.h"
#include "base/author.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/trigger.h"
#include "catalog/pg_type.h"
#include "facts/lead.h"
#include "gate/gate.h"
#include "lib/stringinfo.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "privacy/map.h"
#include "privacy/privacy.h"
#include "routing/routing.h"
#include "scoring/activity.h"
#include "tracks/tracks.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/xid8.h"

#define REASON_MAX 500			/* bytes */
#define HOLD_LEADS 1024			/* leads that a guard holds at a time */

NURTURE_FUNCTION(nurture_erase);
NURTURE_FUNCTION(nurture_erased_guard);
NURTURE_FUNCTION(nurture_erasure_guard);

static KeptPlan find_basis =
KEPT_PLAN("SELECT b.suppress FROM nurture.erasure_basis b WHERE b.basis = $1", TEXTOID);
static KeptPlan lock_leads =
KEPT_PLAN("SELECT FROM nurture.lead WHERE lead_id = ANY ($1) ORDER BY lead_id FOR UPDATE", INT8ARRAYOID);

/* as a foreign key does: nobody but an erasure waits for it, or makes it wait */
static KeptPlan hold_leads =
KEPT_PLAN("SELECT lead_id, erased_at IS NOT NULL FROM nurture.lead WHERE lead_id = ANY ($1)"
		  " ORDER BY lead_id FOR KEY SHARE", INT8ARRAYOID);

/* words that would outlive what they tell */
static KeptPlan find_personal =
KEPT_PLAN("SELECT 1 FROM nurture.lead l WHERE l.lead_id = ANY ($1) AND ("
		  "($2 <> '' AND lower($5) ~ $2) OR (length(l.full_name) >= 4 AND position(lower(l.full_name) IN lower($5)) > 0))"
		  " AND $3 IS NOT NULL AND $4 IS NOT NULL LIMIT 1",
		  INT8ARRAYOID, TEXTOID, TEXTARRAYOID, TIMESTAMPTZOID, TEXTOID);
static KeptPlan add_certificate =
KEPT_PLAN("INSERT INTO nurture.erasure (lead_id, leads, at, basis, reason, actor)"
		  " VALUES ($1, $2, $3, $4, $5, $6) RETURNING erasure_id",
		  INT8OID, INT8ARRAYOID, TIMESTAMPTZOID, TEXTOID, TEXTOID, TEXTOID);
static KeptPlan end_certificate =
KEPT_PLAN("UPDATE nurture.erasure SET suppressed = $3, counts = $4::jsonb,"
		  " status = CASE WHEN EXISTS (SELECT FROM nurture.erasure_relation r WHERE r.lead_id = $1 AND r.erasure_id = $2)"
		  " THEN 'pending' ELSE 'complete' END,"
		  " completed_at = CASE WHEN EXISTS (SELECT FROM nurture.erasure_relation r WHERE r.lead_id = $1 AND r.erasure_id = $2)"
		  " THEN NULL ELSE at END"
		  ", xid_to = $5"
		  " WHERE lead_id = $1 AND erasure_id = $2", INT8OID, INT8OID, INT4OID, TEXTOID, XID8OID);
static KeptPlan add_left =
KEPT_PLAN("UPDATE nurture.erasure SET found_later = found_later + $3, xid_to = $4"
		  " WHERE lead_id = $1 AND erasure_id = $2", INT8OID, INT8OID, INT8OID, XID8OID);
static KeptPlan add_relation =
KEPT_PLAN("INSERT INTO nurture.erasure_relation AS r (lead_id, erasure_id, relation, relid, filenode)"
		  " SELECT $1, $2, c.oid::regclass::text, c.oid, pg_relation_filenode(c.oid) FROM pg_class c WHERE c.oid = $3"
		  " ON CONFLICT (lead_id, erasure_id, relation) DO UPDATE SET relid = EXCLUDED.relid, filenode = EXCLUDED.filenode,"
		  " rewritten_at = NULL", INT8OID, INT8OID, OIDOID);
static KeptPlan add_outbox =
KEPT_PLAN("INSERT INTO nurture.outbox (lead_id, topic, payload)"
		  " SELECT u.lead_id, 'lead.erased', jsonb_build_object('lead_id', u.lead_id, 'erasure_id', $2)"
		  " FROM unnest($1) u(lead_id)", INT8ARRAYOID, INT8OID);

/* Runs a statement on certificates past their guard. */
void
nurture_privacy_write(KeptPlan *plan, Datum *values, const char *nulls)
{
	bool		before = nurture_erasing_open();

	PG_TRY();
	{
		(void) nurture_execute_latest(plan, values, nulls, true);
	}
	PG_FINALLY();
	{
		nurture_erasing_close(before);
	}
	PG_END_TRY();
}

/* Appends one entry for each lead of a person. */
static void
record(const PrivacyPerson *person, int64 erasure_id, const char *outcome,
	   const char *basis, const char *inputs, const char *reason, const char *actor)
{
	AuditEntry *entries = palloc0(sizeof(AuditEntry) * person->n);
	const char **reasons = palloc(sizeof(char *));

	reasons[0] = basis;
	for (int i = 0; i < person->n; i++)
	{
		entries[i].has_lead = true;
		entries[i].lead_id = person->leads[i];
		entries[i].kind = "erasure";
		entries[i].object = psprintf("erasure:" INT64_FORMAT, erasure_id);
		entries[i].outcome = outcome;
		entries[i].reasons = basis ? reasons : NULL;
		entries[i].nreasons = basis ? 1 : 0;
		entries[i].inputs = inputs;
		entries[i].reason = reason;
		entries[i].actor = actor;
	}
	nurture_audit_append(entries, person->n);
}

/* Locks all of a person, whoever merges meanwhile. */
static void
lock_person(int64 lead_id, PrivacyPerson *person)
{
	PrivacyPerson before = {0};

	for (;;)
	{
		if (!nurture_privacy_family(lead_id, person))
			ereport(ERROR,
					(errcode(NURTURE_ERRCODE_UNKNOWN_LEAD),
					 errmsg("there is no lead " INT64_FORMAT, lead_id),
					 errhint("Or you may not see it; nurture.lead lists those you may.")));
		if (before.n == person->n &&
			memcmp(before.leads, person->leads, sizeof(int64) * person->n) == 0)
			break;
		nurture_activity_lock(person->leads, person->n);
		(void) nurture_execute_latest(&lock_leads, person->parameters, NULL, true);
		nurture_gate_erase_lock(person->leads, person->n);
		before = *person;
	}
	nurture_privacy_describe(person);
}

/* What an erasure has found, by place in the map. */
typedef struct Found
{
	int64	   *rows;
	Oid		   *relations;		/* tables and partitions with such rows */
	int			nrelations;
	int			room;
} Found;

static void
note_relation(Found *found, Oid relation)
{
	for (int i = 0; i < found->nrelations; i++)
	{
		if (found->relations[i] == relation)
			return;
	}
	if (found->nrelations == found->room)
	{
		found->room = Max(found->room * 2, 64);
		found->relations = found->relations == NULL ?
			palloc(sizeof(Oid) * found->room) :
			repalloc(found->relations, sizeof(Oid) * found->room);
	}
	found->relations[found->nrelations++] = relation;
}

/* Counts what a table holds, unless it stays as it is. */
static void
count_table(int i, PrivacyPerson *person, Found *found)
{
	int64		rows = 0;

	if (nurture_privacy_map[i].act != PRIVACY_DELETE &&
		nurture_privacy_map[i].act != PRIVACY_CLEAR)
		return;
	(void) nurture_privacy_count(i, person);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		isnull;

		note_relation(found, DatumGetObjectId(nurture_cell(row, 1, &isnull)));
		rows += DatumGetInt64(nurture_cell(row, 2, &isnull));
	}
	found->rows[i] = Max(found->rows[i], rows);
}

/* Works through the map; the first table of it is nurture.lead. */
static void
work_off(PrivacyPerson *person, Found *found)
{
	for (int i = 0; i < nurture_privacy_tables; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (i > 0)
			count_table(i, person, found);
		(void) nurture_privacy_act(i, person);
	}
}

static char *
counts_json(const Found *found, int64 *rows, int *tables)
{
	StringInfoData json;

	*rows = 0;
	*tables = 0;
	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	for (int i = 0; i < nurture_privacy_tables; i++)
	{
		if (found->rows[i] == 0)
			continue;
		appendStringInfo(&json, "%s\"%s\": " INT64_FORMAT, *tables > 0 ? ", " : "",
						 nurture_privacy_map[i].table, found->rows[i]);
		*rows += found->rows[i];
		(*tables)++;
	}
	appendStringInfoChar(&json, '}');
	return json.data;
}

/*
 * Erases all that the person of a lead is held by; returns the certificate.
 * Connected to SPI, as the owner.
 */
int64
nurture_privacy_erase(int64 lead_id, const char *basis, const char *reason,
					  bool suppress, const char *actor)
{
	PrivacyPerson person;
	Found		found = {0};
	Datum		values[6];
	int64		erasure_id;
	int64		rows;
	int			tables;
	int			suppressed;
	bool		isnull;

	values[0] = CStringGetTextDatum(basis);
	(void) nurture_execute_latest(&find_basis, values, NULL, false);
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("unknown legal basis \"%.64s\"", basis),
				 errhint("Legal bases of erasures are rows of nurture.erasure_basis.")));
	suppress = DatumGetBool(nurture_cell(0, 1, &isnull)) || suppress;
	lock_person(lead_id, &person);

	memcpy(values, person.parameters, sizeof(Datum) * PRIVACY_PARAMETERS);
	values[PRIVACY_PARAMETERS] = CStringGetTextDatum(reason);
	(void) nurture_execute_latest(&find_personal, values, NULL, false);
	if (SPI_processed > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the reason names the person who is to be erased"),
				 errhint("It stays on record; name a ticket instead.")));

	values[0] = Int64GetDatum(lead_id);
	values[1] = person.parameters[0];
	values[2] = person.parameters[3];
	values[3] = CStringGetTextDatum(basis);
	values[4] = CStringGetTextDatum(reason);
	values[5] = CStringGetTextDatum(actor);
	nurture_privacy_write(&add_certificate, values, NULL);
	erasure_id = DatumGetInt64(nurture_cell(0, 1, &isnull));

	suppressed = nurture_gate_keep_denials(person.leads, person.n, suppress);
	found.rows = palloc0(sizeof(int64) * nurture_privacy_tables);
	for (int i = 0; i < nurture_privacy_tables; i++)
		count_table(i, &person, &found);

	/* the triggers of nurture.lead close the gate and cancel messages */
	(void) nurture_privacy_act(0, &person);
	for (int i = 0; i < person.n; i++)
		(void) nurture_tracks_exit_lead(person.leads[i], "lead_erased", "erasure");
	for (int i = 0; i < person.n; i++)
		nurture_routing_erase(person.leads[i], actor);
	(void) counts_json(&found, &rows, &tables);
	record(&person, erasure_id, "erased", basis,
		   psprintf("leads %d, rows " INT64_FORMAT ", tables %d, addresses suppressed %d",
					person.n, rows, tables, suppressed),
		   reason, actor);
	work_off(&person, &found);
	values[0] = person.parameters[0];
	values[1] = Int64GetDatum(erasure_id);
	(void) nurture_execute_latest(&add_outbox, values, NULL, true);

	values[0] = Int64GetDatum(lead_id);
	for (int i = 0; i < found.nrelations; i++)
	{
		values[2] = ObjectIdGetDatum(found.relations[i]);
		nurture_privacy_write(&add_relation, values, NULL);
	}
	values[2] = Int32GetDatum(suppressed);
	values[3] = CStringGetTextDatum(counts_json(&found, &rows, &tables));
	values[4] = FullTransactionIdGetDatum(ReadNextFullTransactionId());
	nurture_privacy_write(&end_certificate, values, NULL);
	return erasure_id;
}

/*
 * Looks once more for what a transaction that ran beside an erasure has left,
 * and takes it; returns how many rows.  The certificate asks for the tables
 * again where there was any.
 */
int64
nurture_privacy_sweep(int64 lead_id, int64 erasure_id)
{
	PrivacyPerson person;
	Found		found = {0};
	Datum		values[4];
	int64		left = 0;

	if (!nurture_privacy_family(lead_id, &person))
		return 0;
	found.rows = palloc0(sizeof(int64) * nurture_privacy_tables);
	for (int i = 0; i < nurture_privacy_tables; i++)
	{
		if (!nurture_privacy_residual(i, &person))
			continue;
		if (left == 0)
			lock_person(lead_id, &person);
		count_table(i, &person, &found);
		left += nurture_privacy_act(i, &person);
	}
	values[0] = Int64GetDatum(lead_id);
	values[1] = Int64GetDatum(erasure_id);
	for (int i = 0; i < found.nrelations; i++)
	{
		values[2] = ObjectIdGetDatum(found.relations[i]);
		nurture_privacy_write(&add_relation, values, NULL);
	}
	if (left > 0)
	{
		values[2] = Int64GetDatum(left);
		values[3] = FullTransactionIdGetDatum(ReadNextFullTransactionId());
		nurture_privacy_write(&add_left, values, NULL);
	}
	return left;
}

static char *
needed_text(FunctionCallInfo fcinfo, int n, const char *what)
{
	char	   *words = PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));

	if (words == NULL || words[strspn(words, " \t\r\n")] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("an erasure needs a %s", what),
				 errhint("It stays on record; say why in words that an auditor understands, without naming the person.")));
	if (strlen(words) > REASON_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
				 errmsg("the %s of an erasure is longer than %d bytes", what, REASON_MAX),
				 errhint("Name a ticket.")));
	return words;
}

/*
 * nurture_erase(lead_id bigint, legal_basis text, reason text, suppress
 * boolean, actor text) returns bigint: the erasure_id
 */
Datum
nurture_erase(PG_FUNCTION_ARGS)
{
	char	   *basis;
	char	   *reason;
	const char *actor;
	int64		erasure_id;
	OwnerSwitch owner;
	int			level;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the lead to erase must be given")));
	basis = needed_text(fcinfo, 1, "legal basis");
	reason = needed_text(fcinfo, 2, "reason");
	actor = nurture_actor(PG_ARGISNULL(4) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(4)));
	nurture_privacy_right(ACL_INSERT, "erase leads");
	if (nurture_lead_hidden(PG_GETARG_INT64(0)))
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_LEAD),
				 errmsg("there is no lead " INT64_FORMAT, PG_GETARG_INT64(0)),
				 errhint("Or you may not see it; nurture.lead lists those you may.")));
	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	erasure_id = nurture_privacy_erase(PG_GETARG_INT64(0), basis, reason,
									   !PG_ARGISNULL(3) && PG_GETARG_BOOL(3), actor);
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
	PG_RETURN_INT64(erasure_id);
}

static void
pg_attribute_noreturn()
raise_erased(int64 lead_id)
{
	ereport(ERROR,
			(errcode(NURTURE_ERRCODE_BAD_STATE),
			 errmsg("lead " INT64_FORMAT " was erased", lead_id),
			 errhint("Nothing more is kept about it; insert the person as a new lead.")));
}

/*
 * Returns the row of an UPDATE with what was erased left as it was.  An error
 * would stop whoever keeps leads in step with a CRM because of one of them.
 */
static HeapTuple
keep_erased(TriggerData *data)
{
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	const char *columns = psprintf("erased_at, %s", nurture_privacy_map[0].cleared);
	int			numbers[64];
	Datum		values[64];
	bool		nulls[64];
	int			n = 0;

	while (*columns != '\0' && n < lengthof(numbers))
	{
		int			len = (int) strcspn(columns, ", ");
		int			column = SPI_fnumber(desc, pnstrdup(columns, len));

		columns += len;
		columns += strspn(columns, ", ");
		if (column <= 0)
			continue;
		numbers[n] = column;
		values[n] = SPI_getbinval(data->tg_trigtuple, desc, column, &nulls[n]);
		n++;
	}
	return heap_modify_tuple_by_cols(data->tg_newtuple, desc, n, numbers, values, nulls);
}

static int
compare_ids(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return (x > y) - (x < y);
}

/* Lists the leads of the rows that a statement wrote, each once, ascending. */
static int64 *
written_leads(TriggerData *data, int *n)
{
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	int			column = SPI_fnumber(desc, "lead_id");
	TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	int64	   *leads = palloc(sizeof(int64) * HOLD_LEADS);
	int64		room = HOLD_LEADS;
	int			unique = 0;

	*n = 0;
	tuplestore_select_read_pointer(data->tg_newtable, 0);
	tuplestore_rescan(data->tg_newtable);
	while (tuplestore_gettupleslot(data->tg_newtable, true, false, slot))
	{
		bool		isnull;
		Datum		lead = slot_getattr(slot, column, &isnull);

		if (*n >= room)
			leads = repalloc_huge(leads, sizeof(int64) * (room *= 2));
		if (!isnull)
			leads[(*n)++] = DatumGetInt64(lead);
	}
	ExecDropSingleTupleTableSlot(slot);
	qsort(leads, *n, sizeof(int64), compare_ids);
	for (int i = 0; i < *n; i++)
	{
		if (i == 0 || leads[i] != leads[i - 1])
			leads[unique++] = leads[i];
	}
	*n = unique;
	return leads;
}

/* Keeps leads from being erased; raises when one was. */
static void
hold_living(const int64 *leads, int n)
{
	for (int first = 0; first < n; first += HOLD_LEADS)
	{
		int			count = Min(n - first, HOLD_LEADS);
		Datum		items[HOLD_LEADS];
		Datum		value;

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < count; i++)
			items[i] = Int64GetDatum(leads[first + i]);
		value = PointerGetDatum(construct_array(items, count, INT8OID, 8,
												FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
		(void) nurture_execute_latest(&hold_leads, &value, NULL, true);
		for (uint64 row = 0; row < SPI_processed; row++)
		{
			bool		isnull;

			if (DatumGetBool(nurture_cell(row, 2, &isnull)))
				raise_erased(DatumGetInt64(nurture_cell(row, 1, &isnull)));
		}
		SPI_freetuptable(SPI_tuptable);
	}
}

/*
 * nurture_erased_guard() returns trigger
 *
 * Of nurture.lead, before rows that were erased are updated: what that tells is
 * not kept.  Of tables about leads, after a statement that writes rows:
 * refused, once an erasure beside it has ended.  One that comes later waits for
 * this transaction, and then sees its rows.
 */
Datum
nurture_erased_guard(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_erased_guard");
	OwnerSwitch owner;
	int64	   *leads;
	int			n;
	int			level;

	if (TRIGGER_FIRED_FOR_ROW(data->tg_event))
		return PointerGetDatum(nurture_deriving() && !nurture_erasing() ?
							   keep_erased(data) : data->tg_newtuple);
	nurture_trigger_after_statement(data, "nurture_erased_guard");
	if (!nurture_deriving() || nurture_erasing())
		return PointerGetDatum(NULL);
	leads = written_leads(data, &n);
	if (n == 0)
		return PointerGetDatum(NULL);
	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	hold_living(leads, n);
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
	return PointerGetDatum(NULL);
}

/* nurture_erasure_guard() returns trigger: certificates are written by nurture only. */
Datum
nurture_erasure_guard(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_erasure_guard");

	if (!nurture_erasing() && nurture_deriving())
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_APPEND_ONLY),
				 errmsg("table \"%s\" is written by nurture only",
						RelationGetRelationName(data->tg_relation)),
				 errhint("Certificates come with nurture_erase and stay.")));
	return PointerGetDatum(TRIGGER_FIRED_FOR_ROW(data->tg_event) ?
						   TRIGGER_FIRED_BY_UPDATE(data->tg_event) ? data->tg_newtuple : data->tg_trigtuple :
						   NULL);
}
