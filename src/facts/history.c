/*
 * history.c
 *	  Keeps every version of a lead's and an account's facts, and of an event,
 *	  that an UPDATE replaced.
 *
 * The present version is the row itself, so an INSERT writes nothing; a
 * history row holds the version before with the moment that ended it.  Rows
 * come straight from the transition tables, which hold old and new versions
 * in the same order.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "base/author.h"
#include "base/clock.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/settings.h"
#include "base/trigger.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "facts/event_past.h"
#include "facts/history.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/typcache.h"

NURTURE_FUNCTION(nurture_keep_history);

#define HISTORY_BATCH	1000	/* rows written by one statement */
#define MAX_COLUMNS		32

/* What is kept of a table, and where. */
typedef struct HistoryKind
{
	const char *of;				/* table in schema nurture */
	const char *into;			/* likewise */
	const char *key;			/* its key, never changed */
	const char *valid_from;		/* when the writer says the new version came
								 * to hold; NULL = nobody says */
	bool		explained;		/* with changed, event_id, reason and actor */
	bool		keeps_deleted;	/* a DELETE ends a version too */
	const char *by_day;			/* an instant of which rules read the day: a
								 * change within it is none; NULL = none */
	const char *columns[MAX_COLUMNS];	/* copied; ends at NULL */
	const char *named[MAX_COLUMNS]; /* only named when they change */
	KeptPlan	write;
} HistoryKind;

/*
 * Contact points and names are no facts of any rule, and their old values
 * nobody needs: history tells that they changed, not what they were.
 */
static HistoryKind kinds[] = {
	{
		.of = "lead",.into = "lead_history",.key = "lead_id",
		.valid_from = "updated_at",.explained = true,
		.columns = {"account_id", "external_ref", "audience_type", "audience_verified_at",
			"role", "specialty", "therapeutic_area", "country", "region", "postal_code",
			"organization_type", "source", "campaign", "language", "time_zone", "owner",
			"is_test", "attributes", "created_at", "updated_at", "recorded_at", "merged_into",
		"email_known", "phone_known", NULL},
		.named = {"email", "phone", "full_name", NULL},
		.write = {"INSERT INTO nurture.lead_history (lead_id, replaced_at, held_until, changed, event_id, reason, actor,"
			" account_id, external_ref, audience_type, audience_verified_at, role, specialty, therapeutic_area,"
			" country, region, postal_code, organization_type, source, campaign, language, time_zone, owner,"
			" is_test, attributes, created_at, updated_at, recorded_at, merged_into, email_known, phone_known)"
			" SELECT lead_id, replaced_at, held_until, changed, event_id, reason, actor,"
			" account_id, external_ref, audience_type, audience_verified_at, role, specialty, therapeutic_area,"
			" country, region, postal_code, organization_type, source, campaign, language, time_zone, owner,"
			" is_test, attributes, created_at, updated_at, recorded_at, merged_into, email_known, phone_known"
		" FROM unnest($1)", {0}, NULL, false}
	},
	{
		.of = "account",.into = "account_history",.key = "account_id",
		.explained = true,.keeps_deleted = true,
		.columns = {"external_ref", "name", "organization_type", "country", "region",
		"domain", "owner", "attributes", "recorded_at", NULL},
		.write = {"INSERT INTO nurture.account_history (account_id, replaced_at, changed, event_id, reason, actor,"
			" external_ref, name, organization_type, country, region, domain, owner, attributes, recorded_at)"
			" SELECT account_id, replaced_at, changed, event_id, reason, actor,"
			" external_ref, name, organization_type, country, region, domain, owner, attributes, recorded_at"
		" FROM unnest($1)", {0}, NULL, false}
	},
	{
		.of = "account",.into = "account_figure_history",.key = "account_id",
		.keeps_deleted = true,
		.columns = {"activity_score", "spike", "active_leads", "as_of", "recorded_at", NULL},
		.by_day = "as_of",
		.write = {"INSERT INTO nurture.account_figure_history (account_id, replaced_at, activity_score, spike, active_leads, as_of, recorded_at)"
			" SELECT account_id, replaced_at, activity_score, spike, active_leads, as_of, recorded_at"
		" FROM unnest($1)", {0}, NULL, false}
	},

	/* of leads only that are there: a deletion of theirs may come first */
	{
		.of = "event",.into = "event_history",.key = "lead_id",
		.explained = true,.keeps_deleted = true,
		.columns = {"event_id", "recorded_at", "event_type", "occurred_at", "source", "source_key",
		"channel", "campaign", "asset_id", "version", "message_id", "tags", "properties", NULL},
		.write = {"INSERT INTO nurture.event_history (lead_id, replaced_at, changed, reason, actor, event_id, recorded_at,"
			" event_type, occurred_at, source, source_key, channel, campaign, asset_id, version, message_id, tags, properties)"
			" SELECT u.lead_id, u.replaced_at, u.changed, u.reason, u.actor, u.event_id, u.recorded_at,"
			" u.event_type, u.occurred_at, u.source, u.source_key, u.channel, u.campaign, u.asset_id, u.version,"
			" u.message_id, u.tags, u.properties FROM unnest($1) u"
		" WHERE (SELECT l.erased_at IS NULL FROM nurture.lead l WHERE l.lead_id = u.lead_id)", {0}, NULL, false}
	},
};

static KeptPlan forget_leads = KEPT_PLAN("DELETE FROM nurture.lead_history WHERE lead_id = ANY ($1)", INT8ARRAYOID);
static KeptPlan forget_events = KEPT_PLAN("DELETE FROM nurture.event_history WHERE lead_id = ANY ($1)", INT8ARRAYOID);

static KeptPlan find_touched =
KEPT_PLAN("SELECT 1 FROM nurture.event_history WHERE lead_id = ANY ($1) AND replaced_at > $2 LIMIT 1",
		  INT8ARRAYOID, TIMESTAMPTZOID);

/* waits for a tick that is at work on scores, of which it sees none yet */
static KeptPlan wait_for_scores = KEPT_PLAN0("SELECT FROM nurture.score_sweep FOR SHARE");
static KeptPlan forget_scores = KEPT_PLAN("DELETE FROM nurture.score_history WHERE lead_id = ANY ($1)", INT8ARRAYOID);

static const FactCauses *because = NULL;

/* A statement's rows on their way into a table of history. */
typedef struct HistoryRun
{
	HistoryKind *kind;
	TupleDesc	from;			/* of the table */
	TupleDesc	to;				/* of its history */
	Oid			row_type;		/* of the history */
	AttrNumber	key;			/* in the table */
	AttrNumber	valid_from;		/* likewise, 0 = none */
	AttrNumber	erased_at;		/* likewise */
	int			ncolumns;
	AttrNumber	columns[MAX_COLUMNS];	/* in the table */
	AttrNumber	places[MAX_COLUMNS];	/* in the history */
	AttrNumber	by_day;			/* among them, 0 = none */
	int			nnamed;
	AttrNumber	named[MAX_COLUMNS]; /* in the table */
	AttrNumber	at_key;			/* in the history, like the rest */
	AttrNumber	at_replaced;
	AttrNumber	at_held;
	AttrNumber	at_changed;
	AttrNumber	at_event;
	AttrNumber	at_reason;
	AttrNumber	at_actor;
	TimestampTz now;
	Datum		actor;
	MemoryContext batch;		/* reset when a batch was written */
	int			nrows;
	Datum		rows[HISTORY_BATCH];
	int			nforgotten;
	Datum		forgotten[HISTORY_BATCH];	/* leads whose history goes */
} HistoryRun;

static void
forget_causes(XactEvent event, void *arg)
{
	because = NULL;
}

static void
forget_causes_sub(SubXactEvent event, SubTransactionId mine,
				  SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		because = NULL;
}

/* Registers what forgets the causes after an error; once per backend. */
void
nurture_history_init(void)
{
	RegisterXactCallback(forget_causes, NULL);
	RegisterSubXactCallback(forget_causes_sub, NULL);
}

/* Sets the causes of the UPDATEs that follow; returns those set before. */
const FactCauses *
nurture_history_because(const FactCauses *causes)
{
	const FactCauses *before = because;

	because = causes;
	return before;
}

static const FactCause *
cause_of(int64 lead_id)
{
	int			low = 0;
	int			high = because == NULL ? 0 : because->n;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (because->causes[middle].lead_id < lead_id)
			low = middle + 1;
		else
			high = middle;
	}
	return because != NULL && low < because->n && because->causes[low].lead_id == lead_id ?
		&because->causes[low] : NULL;
}

static AttrNumber
column(TupleDesc desc, const char *name)
{
	int			number = SPI_fnumber(desc, name);

	if (number <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("a table of facts or its history has no column \"%s\"", name),
				 errhint("Columns of nurture's own tables may be added to, not dropped or renamed.")));
	return number;
}

static HistoryRun *
start_run(TriggerData *data, HistoryKind *kind)
{
	HistoryRun *run = palloc0(sizeof(HistoryRun));
	Oid			type;

	run->kind = kind;
	run->from = RelationGetDescr(data->tg_relation);
	run->row_type = get_rel_type_id(nurture_table_oid(kind->into, false));
	run->to = lookup_rowtype_tupdesc_copy(run->row_type, -1);
	type = get_array_type(run->row_type);
	if (kind->write.argtypes[0] != type)
	{
		if (kind->write.plan != NULL)
			SPI_freeplan(kind->write.plan);
		kind->write.plan = NULL;
		kind->write.argtypes[0] = type;
	}
	run->key = column(run->from, kind->key);
	run->at_key = column(run->to, kind->key);
	run->at_replaced = column(run->to, "replaced_at");
	if (kind->valid_from != NULL)
	{
		run->valid_from = column(run->from, kind->valid_from);
		run->at_held = column(run->to, "held_until");
		run->erased_at = column(run->from, "erased_at");
	}
	if (kind->explained)
	{
		run->at_changed = column(run->to, "changed");
		run->at_event = column(run->to, "event_id");
		run->at_reason = column(run->to, "reason");
		run->at_actor = column(run->to, "actor");
	}
	for (; kind->columns[run->ncolumns] != NULL; run->ncolumns++)
	{
		run->columns[run->ncolumns] = column(run->from, kind->columns[run->ncolumns]);
		run->places[run->ncolumns] = column(run->to, kind->columns[run->ncolumns]);
	}
	if (kind->by_day != NULL)
		run->by_day = column(run->from, kind->by_day);
	for (; kind->named[run->nnamed] != NULL; run->nnamed++)
		run->named[run->nnamed] = column(run->from, kind->named[run->nnamed]);
	run->now = nurture_now_statement();
	run->batch = AllocSetContextCreate(CurrentMemoryContext, "nurture history",
									   ALLOCSET_DEFAULT_SIZES);
	return run;
}

static void
write_batch(HistoryRun *run)
{
	Datum		rows;

	if (run->nrows > 0)
	{
		MemoryContext old = MemoryContextSwitchTo(run->batch);

		rows = PointerGetDatum(construct_array(run->rows, run->nrows, run->row_type, -1,
											   false, TYPALIGN_DOUBLE));
		nurture_execute(&run->kind->write, &rows, NULL, false);
		MemoryContextSwitchTo(old);
	}
	if (run->nforgotten > 0)
	{
		rows = PointerGetDatum(construct_array(run->forgotten, run->nforgotten, INT8OID, 8,
											   true, TYPALIGN_DOUBLE));
		nurture_execute(&forget_leads, &rows, NULL, false);
		nurture_execute(&forget_events, &rows, NULL, false);
		nurture_execute_latest(&wait_for_scores, NULL, NULL, true);
		nurture_execute_latest(&forget_scores, &rows, NULL, true);
	}
	run->nrows = run->nforgotten = 0;
	run->actor = (Datum) 0;
	MemoryContextReset(run->batch);
}

static bool
same_value(TupleDesc desc, AttrNumber number, TupleTableSlot *a, TupleTableSlot *b)
{
	Form_pg_attribute attribute = TupleDescAttr(desc, number - 1);
	bool		a_null;
	bool		b_null;
	Datum		x = slot_getattr(a, number, &a_null);
	Datum		y = slot_getattr(b, number, &b_null);

	if (a_null || b_null)
		return a_null && b_null;
	return datum_image_eq(x, y, attribute->attbyval, attribute->attlen);
}

static bool
same_day(AttrNumber number, TupleTableSlot *a, TupleTableSlot *b)
{
	bool		a_null;
	bool		b_null;
	Datum		x = slot_getattr(a, number, &a_null);
	Datum		y = slot_getattr(b, number, &b_null);

	return !a_null && !b_null &&
		nurture_day_of(DatumGetTimestampTz(x)) == nurture_day_of(DatumGetTimestampTz(y));
}

/* Puts the version in a slot, which another or nothing replaced, into the batch. */
static void
put_version(HistoryRun *run, TupleTableSlot *before, TupleTableSlot *after,
			Datum *changed, int nchanged)
{
	Datum	   *values = palloc0(sizeof(Datum) * run->to->natts);
	bool	   *nulls = palloc(sizeof(bool) * run->to->natts);
	bool		isnull;
	int64		key = DatumGetInt64(slot_getattr(before, run->key, &isnull));

	memset(nulls, true, run->to->natts);
	values[run->at_key - 1] = Int64GetDatum(key);
	nulls[run->at_key - 1] = false;
	values[run->at_replaced - 1] = TimestampTzGetDatum(run->now);
	nulls[run->at_replaced - 1] = false;
	if (run->at_held > 0)
	{
		TimestampTz from = run->now;

		if (!same_value(run->from, run->valid_from, before, after))
			from = Min(from, DatumGetTimestampTz(slot_getattr(after, run->valid_from, &isnull)));
		values[run->at_held - 1] = TimestampTzGetDatum(from);
		nulls[run->at_held - 1] = false;
	}
	if (run->kind->explained)
	{
		const FactCause *cause = run->at_held > 0 ? cause_of(key) : NULL;
		const char *reason = cause && cause->reason ? cause->reason : nurture_change_reason;

		values[run->at_changed - 1] = PointerGetDatum(construct_array(changed, nchanged, TEXTOID, -1,
																	  false, TYPALIGN_INT));
		nulls[run->at_changed - 1] = false;
		if (cause && cause->event_id != 0)
		{
			values[run->at_event - 1] = Int64GetDatum(cause->event_id);
			nulls[run->at_event - 1] = false;
		}
		if (reason != NULL && reason[0] != '\0')
		{
			values[run->at_reason - 1] = CStringGetTextDatum(reason);
			nulls[run->at_reason - 1] = false;
		}
		if (run->actor == (Datum) 0)
			run->actor = CStringGetTextDatum(nurture_actor(NULL));
		values[run->at_actor - 1] = cause && cause->actor ? CStringGetTextDatum(cause->actor) : run->actor;
		nulls[run->at_actor - 1] = false;
	}
	for (int i = 0; i < run->ncolumns; i++)
		values[run->places[i] - 1] = slot_getattr(before, run->columns[i], &nulls[run->places[i] - 1]);

	/* inlines what is stored out of line, which the old version may lose */
	run->rows[run->nrows++] = heap_copy_tuple_as_datum(heap_form_tuple(run->to, values, nulls), run->to);
}

static void
updated_row(HistoryRun *run, TupleTableSlot *before, TupleTableSlot *after)
{
	Datum		changed[2 * MAX_COLUMNS];
	int			nchanged = 0;
	bool		isnull;

	if (run->erased_at > 0)
	{
		(void) slot_getattr(after, run->erased_at, &isnull);
		if (!isnull)
		{
			/* what is erased has no history */
			run->forgotten[run->nforgotten++] = slot_getattr(after, run->key, &isnull);
			return;
		}
	}
	for (int i = 0; i < run->ncolumns; i++)
	{
		if (!same_value(run->from, run->columns[i], before, after) &&
			(run->columns[i] != run->by_day || !same_day(run->by_day, before, after)))
			changed[nchanged++] = CStringGetTextDatum(run->kind->columns[i]);
	}
	for (int i = 0; i < run->nnamed; i++)
	{
		if (!same_value(run->from, run->named[i], before, after))
			changed[nchanged++] = CStringGetTextDatum(run->kind->named[i]);
	}
	if (nchanged > 0)
		put_version(run, before, after, changed, nchanged);
}

static void
keep(TriggerData *data, HistoryKind *kind)
{
	HistoryRun *run = start_run(data, kind);
	TupleTableSlot *before = MakeSingleTupleTableSlot(run->from, &TTSOpsMinimalTuple);
	TupleTableSlot *after = MakeSingleTupleTableSlot(run->from, &TTSOpsMinimalTuple);
	bool		deleted = TRIGGER_FIRED_BY_DELETE(data->tg_event);
	bool		isnull;

	tuplestore_select_read_pointer(data->tg_oldtable, 0);
	tuplestore_rescan(data->tg_oldtable);
	if (!deleted)
	{
		tuplestore_select_read_pointer(data->tg_newtable, 0);
		tuplestore_rescan(data->tg_newtable);
	}
	while (tuplestore_gettupleslot(data->tg_oldtable, true, false, before))
	{
		MemoryContext old;

		/* a slot may own its row: it is fetched outside of the batch */
		if (!deleted && !tuplestore_gettupleslot(data->tg_newtable, true, false, after))
			elog(ERROR, "transition tables of an update differ in length");
		old = MemoryContextSwitchTo(run->batch);
		if (!deleted)
			updated_row(run, before, after);
		else if (kind->keeps_deleted)
			put_version(run, before, NULL, NULL, 0);
		else
			run->forgotten[run->nforgotten++] = slot_getattr(before, run->key, &isnull);
		MemoryContextSwitchTo(old);
		if (run->nrows == HISTORY_BATCH || run->nforgotten == HISTORY_BATCH)
		{
			CHECK_FOR_INTERRUPTS();
			write_batch(run);
		}
	}
	write_batch(run);
	ExecDropSingleTupleTableSlot(before);
	ExecDropSingleTupleTableSlot(after);
	MemoryContextDelete(run->batch);
}

/* Keeps what a statement replaced in one table. */
static void
keep_table(TriggerData *data, const char *table)
{
	MemoryContext context;
	MemoryContext old;
	OwnerSwitch owner;
	int			level;

	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	context = AllocSetContextCreate(CurrentMemoryContext, "nurture history statement",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	for (int i = 0; i < lengthof(kinds); i++)
	{
		if (strcmp(kinds[i].of, table) == 0)
			keep(data, &kinds[i]);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
}

/* Keeps events that a statement corrected or deleted; not of an erasure. */
void
nurture_history_events(TriggerData *data)
{
	MemoryContext context = CurrentMemoryContext;

	if (!nurture_erasing() && tuplestore_tuple_count(data->tg_oldtable) > 0)
		keep_table(data, "event");
	MemoryContextSwitchTo(context);
}

/* Tells whether events of some leads are not what they were at a moment. */
bool
nurture_events_touched(Datum leads, TimestampTz since)
{
	Datum		values[2] = {leads, TimestampTzGetDatum(since)};

	nurture_execute(&find_touched, values, NULL, true);
	return SPI_processed > 0;
}

/*
 * Trigger of nurture.lead and nurture.account, after each statement that
 * updates or deletes: keeps the versions that it replaced.
 */
Datum
nurture_keep_history(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_keep_history");

	if (!TRIGGER_FIRED_AFTER(data->tg_event) || !TRIGGER_FIRED_FOR_STATEMENT(data->tg_event) ||
		data->tg_oldtable == NULL || (data->tg_newtable == NULL && !TRIGGER_FIRED_BY_DELETE(data->tg_event)))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be fired AFTER UPDATE or DELETE, FOR EACH STATEMENT, with its transition tables",
						"nurture_keep_history")));
	if (nurture_deriving() && tuplestore_tuple_count(data->tg_oldtable) > 0)
		keep_table(data, RelationGetRelationName(data->tg_relation));
	return PointerGetDatum(NULL);
}
