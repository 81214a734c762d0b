/*
 * mark.c
 *	  Labels and lists: who has them, and the triggers of their tables.
 *
 * A pass over all leads asks about a different lead each time, and a query
 * for each costs more than the rest of its score.  So the third lead that one
 * snapshot is asked about makes this backend read all the leads of a label,
 * ascending, for as long as that snapshot is asked.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "base/author.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/trigger.h"
#include "catalog/pg_type.h"
#include "facts/lead.h"
#include "facts/mark.h"
#include "facts/vocabulary.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_mark_write);
NURTURE_FUNCTION(nurture_label);
NURTURE_FUNCTION(nurture_unlabel);

/* leads of one snapshot that are looked up one by one */
#define MARKS_ONE_BY_ONE 3

#define IN_FORCE \
	" AND since OPERATOR(pg_catalog.<=) $2 AND (until IS NULL OR until OPERATOR(pg_catalog.>) $2)"

/* $1 the lead, $2 the moment, $3 what was recorded by then */
static KeptPlan read_marks = KEPT_PLAN("SELECT 'b'::pg_catalog.\"char\", label FROM nurture.label"
									   " WHERE lead_id OPERATOR(pg_catalog.=) $1" IN_FORCE
									   " AND recorded_at OPERATOR(pg_catalog.<=) $3"
									   " UNION ALL SELECT 'i'::pg_catalog.\"char\", list FROM nurture.list_member"
									   " WHERE lead_id OPERATOR(pg_catalog.=) $1" IN_FORCE
									   " AND recorded_at OPERATOR(pg_catalog.<=) $3",
									   INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID);
static KeptPlan read_labelled = KEPT_PLAN("SELECT DISTINCT lead_id FROM nurture.label"
										  " WHERE label OPERATOR(pg_catalog.=) $1" IN_FORCE
										  " ORDER BY lead_id", TEXTOID, TIMESTAMPTZOID);
static KeptPlan read_listed = KEPT_PLAN("SELECT DISTINCT lead_id FROM nurture.list_member"
										" WHERE list OPERATOR(pg_catalog.=) $1" IN_FORCE
										" ORDER BY lead_id", TEXTOID, TIMESTAMPTZOID);
static KeptPlan extend_label = KEPT_PLAN("UPDATE nurture.label SET until = $3"
										 " WHERE lead_id = $1 AND label = $2 AND since <= $4 AND (until IS NULL OR until > $4)",
										 INT8OID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID);
static KeptPlan insert_label = KEPT_PLAN("INSERT INTO nurture.label (lead_id, label, since, until, by, reason)"
										 " VALUES ($1, $2, $4, $3, $5, $6) ON CONFLICT DO NOTHING",
										 INT8OID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID, TEXTOID);
static KeptPlan end_label = KEPT_PLAN("UPDATE nurture.label SET until = $3, ended_by = $4, ended_reason = $5"
									  " WHERE lead_id = $1 AND label = $2 AND since <= $3 AND (until IS NULL OR until > $3)",
									  INT8OID, TEXTOID, TIMESTAMPTZOID, TEXTOID, TEXTOID);

static KeptPlan read_next = KEPT_PLAN("SELECT min(at) FROM"
									  " (SELECT since AS at FROM nurture.label WHERE lead_id = $1"
									  " UNION ALL SELECT until FROM nurture.label WHERE lead_id = $1"
									  " UNION ALL SELECT since FROM nurture.list_member WHERE lead_id = $1"
									  " UNION ALL SELECT until FROM nurture.list_member WHERE lead_id = $1) m WHERE at > $2",
									  INT8OID, TIMESTAMPTZOID);

/* what a person took off, no rule puts on again */
static KeptPlan give_labels = KEPT_PLAN("INSERT INTO nurture.label (lead_id, label, since, by)"
										" SELECT DISTINCT ON (u.lead_id, u.label) u.lead_id, u.label, $4, u.by"
										" FROM unnest($1, $2, $3) AS u(lead_id, label, by)"
										" WHERE NOT EXISTS (SELECT FROM nurture.label b WHERE b.lead_id = u.lead_id AND b.label = u.label"
										"  AND (b.until IS NULL OR b.until > $4 OR b.ended_by IS NOT NULL))"
										" ORDER BY u.lead_id, u.label ON CONFLICT DO NOTHING",
										INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZOID);

/* The leads of one label or list, as of the pass. */
typedef struct MarkSet
{
	CondTermKind kind;
	char	   *name;
	size_t		len;
	int64	   *leads;			/* ascending */
	uint64		n;
	struct MarkSet *next;
} MarkSet;

/* What one snapshot was asked. */
static struct
{
	bool		valid;
	TransactionId xmin;			/* of the snapshot ... */
	TransactionId xmax;
	uint32		xcnt;
	int32		subxcnt;
	CommandId	curcid;
	TimestampTz now;			/* ... and the moment asked about */
	int64		last_lead;
	int			asked;			/* leads so far */
	MemoryContext context;
	MarkSet    *sets;
}			pass;

static void
forget_pass(void)
{
	if (pass.context != NULL)
		MemoryContextDelete(pass.context);
	memset(&pass, 0, sizeof(pass));
}

static void
end_of_transaction(XactEvent event, void *arg)
{
	forget_pass();
}

static void
end_of_subtransaction(SubXactEvent event, SubTransactionId my,
					  SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		forget_pass();
}

/* Registers the callbacks; once per backend. */
void
nurture_mark_init(void)
{
	RegisterXactCallback(end_of_transaction, NULL);
	RegisterSubXactCallback(end_of_subtransaction, NULL);
}

/*
 * Tells whether enough leads were asked about with the active snapshot.  Two
 * snapshots with the same bounds, as many transactions between them and the
 * same command see the same: with equal bounds transactions only finish.
 */
static bool
in_pass(Subject *subject)
{
	Snapshot	snapshot;

	if (!ActiveSnapshotSet())
		return false;
	snapshot = GetActiveSnapshot();
	if (!pass.valid || pass.xmin != snapshot->xmin || pass.xmax != snapshot->xmax ||
		pass.xcnt != snapshot->xcnt || pass.subxcnt != snapshot->subxcnt ||
		pass.curcid != snapshot->curcid || pass.now != subject->now)
	{
		forget_pass();
		pass.valid = true;
		pass.xmin = snapshot->xmin;
		pass.xmax = snapshot->xmax;
		pass.xcnt = snapshot->xcnt;
		pass.subxcnt = snapshot->subxcnt;
		pass.curcid = snapshot->curcid;
		pass.now = subject->now;
		pass.last_lead = subject->lead_id;
		pass.asked = 1;
		return false;
	}
	if (pass.last_lead != subject->lead_id)
	{
		pass.last_lead = subject->lead_id;
		pass.asked = Min(pass.asked + 1, MARKS_ONE_BY_ONE + 1);
	}
	return pass.asked > MARKS_ONE_BY_ONE;
}

static void
begin_query(OwnerSwitch *save)
{
	nurture_owner_enter(save);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
}

static void
end_query(OwnerSwitch *save)
{
	SPI_finish();
	nurture_owner_leave(save);
}

/* Returns the leads of the label or list that a term names. */
static const MarkSet *
set_of(const CondTerm *term)
{
	KeptPlan   *plan = term->kind == COND_TERM_LABEL ? &read_labelled : &read_listed;
	const CondText *name = &term->subject.name;
	MarkSet    *set;
	Datum		values[2];
	OwnerSwitch save;

	for (set = pass.sets; set != NULL; set = set->next)
	{
		if (set->kind == term->kind && set->len == name->len &&
			memcmp(set->name, name->ptr, name->len) == 0)
			return set;
	}
	if (pass.context == NULL)
		pass.context = AllocSetContextCreate(TopTransactionContext,
											 "nurture labels",
											 ALLOCSET_DEFAULT_SIZES);
	values[0] = PointerGetDatum(cstring_to_text_with_len(name->ptr, name->len));
	values[1] = TimestampTzGetDatum(pass.now);
	begin_query(&save);
	nurture_execute(plan, values, NULL, true);
	set = MemoryContextAllocZero(pass.context, sizeof(MarkSet));
	set->kind = term->kind;
	set->len = name->len;
	set->name = MemoryContextAlloc(pass.context, name->len + 1);
	memcpy(set->name, name->ptr, name->len);
	set->n = SPI_processed;
	set->leads = MemoryContextAllocHuge(pass.context, Max(set->n, 1) * sizeof(int64));
	for (uint64 i = 0; i < set->n; i++)
	{
		bool		isnull;

		set->leads[i] = DatumGetInt64(nurture_cell(i, 1, &isnull));
	}
	end_query(&save);
	set->next = pass.sets;
	pass.sets = set;
	return set;
}

static bool
in_set(const MarkSet *set, int64 lead_id)
{
	uint64		low = 0;
	uint64		high = set->n;

	while (low < high)
	{
		uint64		middle = low + (high - low) / 2;

		if (set->leads[middle] == lead_id)
			return true;
		if (set->leads[middle] < lead_id)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

/* Reads all labels and lists of one lead. */
static void
read_own(Subject *subject)
{
	Datum		values[3];
	OwnerSwitch save;

	values[0] = Int64GetDatum(subject->lead_id);
	values[1] = TimestampTzGetDatum(subject->now);
	values[2] = TimestampTzGetDatum(subject->past ? subject->known_at : DT_NOEND);
	begin_query(&save);
	nurture_execute(&read_marks, values, NULL, !subject->fresh);
	subject->nmarks = SPI_processed;
	subject->marks = MemoryContextAlloc(subject->context,
										Max(subject->nmarks, 1) * sizeof(SubjectMark));
	for (int i = 0; i < subject->nmarks; i++)
	{
		bool		isnull;

		subject->marks[i].is_list = DatumGetChar(nurture_cell(i, 1, &isnull)) == 'i';
		subject->marks[i].name = MemoryContextStrdup(subject->context, nurture_cell_text(i, 2));
	}
	end_query(&save);
	subject->marks_read = true;
}

/* Tells whether a subject has a label or is on a list. */
NurtureTruth
nurture_mark_truth(Subject *subject, const CondTerm *term)
{
	const CondText *name = &term->subject.name;

	if (!subject->marks_read && !subject->fresh && !subject->past && in_pass(subject))
		return in_set(set_of(term), subject->lead_id) ? NURTURE_TRUE : NURTURE_FALSE;
	if (!subject->marks_read)
		read_own(subject);
	for (int i = 0; i < subject->nmarks; i++)
	{
		if (subject->marks[i].is_list == (term->kind == COND_TERM_LIST) &&
			strlen(subject->marks[i].name) == name->len &&
			memcmp(subject->marks[i].name, name->ptr, name->len) == 0)
			return NURTURE_TRUE;
	}
	return NURTURE_FALSE;
}

/* Returns when a label or a place on a list begins or ends next. */
TimestampTz
nurture_mark_next(int64 lead_id, TimestampTz now)
{
	Datum		values[2];
	Datum		next;
	bool		isnull;

	values[0] = Int64GetDatum(lead_id);
	values[1] = TimestampTzGetDatum(now);
	(void) nurture_execute_latest(&read_next, values, NULL, false);
	next = nurture_cell(0, 1, &isnull);
	return isnull ? DT_NOEND : DatumGetTimestampTz(next);
}

/* Labels leads that a rule gives a label. */
void
nurture_mark_give(const MarkGiven *given, int n, TimestampTz now)
{
	Datum	   *leads = palloc(Max(n, 1) * sizeof(Datum));
	Datum	   *labels = palloc(Max(n, 1) * sizeof(Datum));
	Datum	   *by = palloc(Max(n, 1) * sizeof(Datum));
	Datum		values[4];

	for (int i = 0; i < n; i++)
	{
		leads[i] = Int64GetDatum(given[i].lead_id);
		labels[i] = CStringGetTextDatum(given[i].label);
		by[i] = CStringGetTextDatum(given[i].by);
	}
	values[0] = PointerGetDatum(construct_array(leads, n, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[1] = PointerGetDatum(construct_array(labels, n, TEXTOID, -1, false, TYPALIGN_INT));
	values[2] = PointerGetDatum(construct_array(by, n, TEXTOID, -1, false, TYPALIGN_INT));
	values[3] = TimestampTzGetDatum(now);
	(void) nurture_execute_latest(&give_labels, values, NULL, true);
}

/*
 * nurture_mark_write() returns trigger
 *
 * Before each row of nurture.label, nurture.list_member and nurture.document:
 * a lead and a list that are there, and who wrote the row.
 */
Datum
nurture_mark_write(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_mark_write");
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	int			list_column = SPI_fnumber(desc, "list");
	int			by_column = SPI_fnumber(desc, "by");
	HeapTuple	row;
	OwnerSwitch save;
	int64		lead_id;
	bool		known;
	bool		isnull;
	int			level;

	row = nurture_trigger_before_row(data, "nurture_mark_write");
	if (!nurture_deriving())
		return PointerGetDatum(row);
	lead_id = DatumGetInt64(SPI_getbinval(row, desc, SPI_fnumber(desc, "lead_id"), &isnull));
	if (isnull)
		return PointerGetDatum(row);	/* the table refuses it */
	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	known = nurture_lead_exists(lead_id);
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	if (!known)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_LEAD),
				 errmsg("there is no lead %lld", (long long) lead_id),
				 errhint("Or you may not see it; nurture.lead lists those you may.")));
	if (list_column > 0)
	{
		char	   *list = SPI_getvalue(row, desc, list_column);

		if (list != NULL && nurture_list_id(list, strlen(list)) < 0)
			nurture_unknown_code(COND_NAME_LIST, "list", list);
	}
	isnull = false;
	if (by_column > 0)
		(void) SPI_getbinval(row, desc, by_column, &isnull);
	if (isnull && TRIGGER_FIRED_BY_INSERT(data->tg_event))
	{
		Datum		by = CStringGetTextDatum(nurture_actor(NULL));
		bool		no = false;

		row = heap_modify_tuple_by_cols(row, desc, 1, &by_column, &by, &no);
	}
	return PointerGetDatum(row);
}

static Datum
text_argument(FunctionCallInfo fcinfo, int i, char *null)
{
	*null = PG_ARGISNULL(i) ? 'n' : ' ';
	return PG_ARGISNULL(i) ? (Datum) 0 : PG_GETARG_DATUM(i);
}

/* Raises when the lead or the label is missing. */
static void
need_lead_and_label(FunctionCallInfo fcinfo, const char *function)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s needs a lead and a label", function)));
}

/*
 * nurture_label(lead_id bigint, label text, until timestamptz, reason text,
 * actor text) returns boolean
 *
 * With the caller's rights on nurture.label.
 */
Datum
nurture_label(PG_FUNCTION_ARGS)
{
	TimestampTz now = nurture_now_statement();
	Datum		values[6];
	char		nulls[7] = "      ";
	bool		added = false;
	int			level;

	need_lead_and_label(fcinfo, "nurture_label");
	if (!PG_ARGISNULL(2) && PG_GETARG_TIMESTAMPTZ(2) <= now)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a label cannot end before it begins"),
				 errhint("nurture_unlabel takes a label off.")));
	nurture_lead_require_seen(PG_GETARG_INT64(0));
	values[0] = PG_GETARG_DATUM(0);
	values[1] = PG_GETARG_DATUM(1);
	values[2] = text_argument(fcinfo, 2, &nulls[2]);
	values[3] = TimestampTzGetDatum(now);
	values[4] = PG_ARGISNULL(4) ? CStringGetTextDatum(nurture_actor(NULL)) : PG_GETARG_DATUM(4);
	values[5] = text_argument(fcinfo, 3, &nulls[5]);
	level = nurture_spi_connect();
	nurture_execute(&extend_label, values, nulls, false);
	if (SPI_processed == 0)
	{
		nurture_execute(&insert_label, values, nulls, false);
		added = SPI_processed > 0;
	}
	nurture_spi_finish(level);
	PG_RETURN_BOOL(added);
}

/*
 * nurture_unlabel(lead_id bigint, label text, reason text, actor text)
 * returns boolean
 */
Datum
nurture_unlabel(PG_FUNCTION_ARGS)
{
	Datum		values[5];
	char		nulls[6] = "     ";
	bool		ended;
	int			level;

	need_lead_and_label(fcinfo, "nurture_unlabel");
	values[0] = PG_GETARG_DATUM(0);
	values[1] = PG_GETARG_DATUM(1);
	values[2] = TimestampTzGetDatum(nurture_now_statement());
	values[3] = PG_ARGISNULL(3) ? CStringGetTextDatum(nurture_actor(NULL)) : PG_GETARG_DATUM(3);
	values[4] = text_argument(fcinfo, 2, &nulls[4]);
	level = nurture_spi_connect();
	nurture_execute(&end_label, values, nulls, false);
	ended = SPI_processed > 0;
	nurture_spi_finish(level);
	PG_RETURN_BOOL(ended);
}
