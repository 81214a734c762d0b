/*
 * event_trigger.c
 *	  Counts stored, corrected and deleted events, once per statement, and
 *	  hands what they may start to the rooms that want to know.
 *
 * The transition tables are read straight from their tuplestores.  Nothing is
 * queried between two rows: first the keys (event_key.c), then the counts
 * (activity.c), then the reactions.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/rulecache.h"
#include "base/settings.h"
#include "base/trigger.h"
#include "executor/executor.h"
#include "facts/history.h"
#include "facts/lead.h"
#include "facts/reaction.h"
#include "facts/vocabulary.h"
#include "miscadmin.h"
#include "scoring/activity.h"
#include "scoring/event_row.h"
#include "scoring/signal_match.h"
#include "scoring/tally_type.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_event_count);

/* whether some reactor wants events of a signal; remembered by signal id, of
 * which 0 is events with tags, while the rules stay the same */
#define WANT_ASKED		0x01
#define WANT_NEW		0x02
#define WANT_HISTORY	0x04

/* the same of event types, a few at a time */
#define TYPE_SLOTS		64

typedef struct TypeWant
{
	const MatchType *type;
	uint8		want;
} TypeWant;

static uint8 *signal_wants = NULL;
static TypeWant type_wants[TYPE_SLOTS]; /* by address */
static uint64 wants_epoch = 0;

typedef struct EventRun
{
	Relation	rel;
	EventLayout layout;
	const MatchRules *rules;
	EventMatch *match;
	MemoryContext context;		/* of the statement */
	MemoryContext row;			/* reset now and then */
	int64		row_no;			/* of the row at hand, from 1 */
	TupleTableSlot *slot;		/* that row */
	TimestampTz latest;			/* events later than this are in the future */
	TimestampTz history_before; /* events before this start nothing */
	SubjectEvent **events;		/* for the reactors */
	int			nevents;
	int			room;
} EventRun;

/* Names the row an error is about by what the sender knows of it. */
static void
row_error_context(void *arg)
{
	EventRun   *run = arg;
	bool		isnull;
	Datum		lead_id;
	Datum		key;

	if (run->slot == NULL || TTS_EMPTY(run->slot))
		return;
	lead_id = event_value(&run->layout, run->slot, EVENT_LEAD_ID, &isnull);
	key = event_value(&run->layout, run->slot, EVENT_SOURCE_KEY, &isnull);
	if (isnull || VARATT_IS_EXTERNAL(DatumGetPointer(key)) ||
		VARSIZE_ANY_EXHDR(DatumGetPointer(key)) > 100)
		errcontext("event %lld of the statement, of lead %lld",
				   (long long) run->row_no, (long long) DatumGetInt64(lead_id));
	else
		errcontext("event %lld of the statement, of lead %lld, source_key \"%s\"",
				   (long long) run->row_no, (long long) DatumGetInt64(lead_id),
				   TextDatumGetCString(key));
}

static EventRun *
start_run(TriggerData *data)
{
	EventRun   *run;
	MemoryContext context;

	context = AllocSetContextCreate(CurrentMemoryContext, "nurture events",
									ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	run = palloc0(sizeof(EventRun));
	run->context = context;
	run->row = AllocSetContextCreate(context, "nurture event",
									 ALLOCSET_DEFAULT_SIZES);
	run->rel = data->tg_relation;
	nurture_event_layout(RelationGetDescr(run->rel), &run->layout);
	run->rules = nurture_match_rules();
	run->match = nurture_match_create(run->rules);
	run->latest = nurture_now_wall() + EVENT_MAX_AHEAD;
	run->history_before = nurture_now_statement() -
		(TimestampTz) nurture_react_within * USECS_PER_SEC;
	run->slot = MakeSingleTupleTableSlot(RelationGetDescr(run->rel),
										 &TTSOpsMinimalTuple);
	return run;
}

static void
rewind_rows(EventRun *run, Tuplestorestate *rows)
{
	tuplestore_select_read_pointer(rows, 0);
	tuplestore_rescan(rows);
	run->row_no = 0;
}

static bool
next_row(EventRun *run, Tuplestorestate *rows)
{
	if ((run->row_no & 255) == 0)
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(run->row);
	}
	run->row_no++;
	return tuplestore_gettupleslot(rows, true, false, run->slot);
}

static inline Datum
value_of(EventRun *run, EventColumn column, bool *isnull)
{
	return event_value(&run->layout, run->slot, column, isnull);
}

/* Returns the row's event type, NULL when it is not known. */
static const MatchType *
type_of(EventRun *run)
{
	bool		isnull;
	text	   *code = DatumGetTextPP(value_of(run, EVENT_EVENT_TYPE, &isnull));

	return nurture_match_type(run->rules, VARDATA_ANY(code),
							  VARSIZE_ANY_EXHDR(code));
}

/* Refuses events of unknown type or impossible time; returns the type. */
static const MatchType *
checked_type(EventRun *run)
{
	const MatchType *type = type_of(run);
	bool		isnull;
	TimestampTz occurred_at;
	TimestampTz recorded_at;

	if (unlikely(type == NULL))
		nurture_unknown_event_type(TextDatumGetCString(value_of(run, EVENT_EVENT_TYPE, &isnull)));
	occurred_at = DatumGetTimestampTz(value_of(run, EVENT_OCCURRED_AT, &isnull));
	if (unlikely(occurred_at > run->latest))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_FIELD_OVERFLOW),
				 errmsg("event %lld of the statement lies in the future",
						(long long) run->row_no),
				 errdetail("occurred_at may be at most 5 minutes ahead of the server's clock."),
				 errhint("nurture_ingest() keeps such events in nurture.event_quarantine.")));
	if (unlikely(occurred_at < NURTURE_TALLY_MIN_INSTANT))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_FIELD_OVERFLOW),
				 errmsg("event %lld of the statement is out of range",
						(long long) run->row_no),
				 errdetail("occurred_at may be from 1970-01-03 on.")));
	recorded_at = DatumGetTimestampTz(value_of(run, EVENT_RECORDED_AT, &isnull));
	if (unlikely(recorded_at > run->latest ||
				 recorded_at < NURTURE_TALLY_MIN_INSTANT))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_FIELD_OVERFLOW),
				 errmsg("recorded_at of event %lld of the statement is out of range",
						(long long) run->row_no),
				 errdetail("recorded_at may be from 1970-01-03 on and at most 5 minutes ahead of the server's clock."),
				 errhint("Leave recorded_at out: it is when the event is stored.")));
	return type;
}

/* Fills run->match for the row at hand. */
static void
match_row(EventRun *run, const MatchType *type)
{
	bool		tags_null;
	bool		properties_null = true;
	bool		isnull;
	Datum		tags = value_of(run, EVENT_TAGS, &tags_null);
	Datum		properties = (Datum) 0;
	MemoryContext old;

	if (nurture_match_reads_properties(type))
		properties = value_of(run, EVENT_PROPERTIES, &properties_null);
	old = MemoryContextSwitchTo(run->row);
	nurture_match_event(run->rules, type, tags, tags_null,
						properties, properties_null,
						DatumGetTimestampTz(value_of(run, EVENT_OCCURRED_AT, &isnull)),
						run->match);
	MemoryContextSwitchTo(old);
}

static void
count_row(EventRun *run, ActivityDelta *delta)
{
	bool		isnull;

	nurture_delta_count(delta,
						DatumGetInt64(value_of(run, EVENT_LEAD_ID, &isnull)),
						DatumGetTimestampTz(value_of(run, EVENT_OCCURRED_AT, &isnull)),
						run->match);
}

/* Forgets what was remembered by other rules than those in force. */
static void
refresh_wants(void)
{
	if (likely(wants_epoch == nurture_rules_epoch))
		return;
	if (signal_wants == NULL)
		signal_wants = MemoryContextAlloc(TopMemoryContext, PG_INT16_MAX + 1);
	memset(signal_wants, 0, PG_INT16_MAX + 1);
	memset(type_wants, 0, sizeof(type_wants));
	wants_epoch = nurture_rules_epoch;
}

static bool
wanted(int signal_id, bool history)
{
	uint8		want;

	refresh_wants();
	want = signal_wants[signal_id];
	if (unlikely(want == 0))
	{
		want = WANT_ASKED;
		if (nurture_reactors_want(signal_id, false))
			want |= WANT_NEW;
		if (nurture_reactors_want(signal_id, true))
			want |= WANT_HISTORY;
		/* asking may have loaded rules */
		if (wants_epoch == nurture_rules_epoch)
			signal_wants[signal_id] = want;
	}
	return (want & (history ? WANT_HISTORY : WANT_NEW)) != 0;
}

static bool
type_wanted(const MatchType *type, bool history)
{
	TypeWant	found;
	TypeWant   *slot = &type_wants[((uintptr_t) type >> 5) % TYPE_SLOTS];

	refresh_wants();
	found = *slot;
	if (unlikely(found.type != type))
	{
		const char *code = nurture_match_type_code(type);

		found.type = type;
		found.want = 0;
		if (nurture_reactors_want_type(code, false))
			found.want |= WANT_NEW;
		if (nurture_reactors_want_type(code, true))
			found.want |= WANT_HISTORY;
		if (wants_epoch == nurture_rules_epoch)
			*slot = found;
	}
	return (found.want & (history ? WANT_HISTORY : WANT_NEW)) != 0;
}

static bool
event_wanted(EventRun *run, const MatchType *type, bool history)
{
	bool		isnull;

	(void) value_of(run, EVENT_PROPERTIES, &isnull);
	if (!isnull && type_wanted(type, history))
		return true;
	for (int i = 0; i < run->match->nsignals; i++)
	{
		if (wanted(run->match->signals[i], history))
			return true;
	}
	(void) value_of(run, EVENT_TAGS, &isnull);
	return !isnull && wanted(0, history);
}

/* Tells whether the sender marked the event as one that starts nothing. */
static bool
marked_history(EventRun *run)
{
	bool		isnull;
	Datum		value = value_of(run, EVENT_PROPERTIES, &isnull);
	Jsonb	   *properties;
	JsonbValue	found;

	if (isnull)
		return false;
	properties = DatumGetJsonbP(value);
	return JB_ROOT_IS_OBJECT(properties) &&
		getKeyJsonValueFromContainer(&properties->root, "history",
									 strlen("history"), &found) != NULL &&
		found.type == jbvBool && found.val.boolean;
}

static const char *
text_or_null(EventRun *run, EventColumn column)
{
	bool		isnull;
	Datum		value = value_of(run, column, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

/* Remembers the row at hand for the reactors, if any of them wants it. */
static void
remember_row(EventRun *run, const MatchType *type)
{
	bool		isnull;
	Datum		value;
	TimestampTz occurred_at;
	bool		history;
	SubjectEvent *event;
	int16	   *signals;
	MemoryContext old;

	value = value_of(run, EVENT_OCCURRED_AT, &isnull);
	occurred_at = DatumGetTimestampTz(value);
	history = occurred_at < run->history_before;
	if (!event_wanted(run, type, history))
		return;
	old = MemoryContextSwitchTo(run->row);
	if (!history && marked_history(run))
	{
		history = true;
		if (!event_wanted(run, type, history))
		{
			MemoryContextSwitchTo(old);
			return;
		}
	}

	MemoryContextSwitchTo(run->context);
	event = palloc0(sizeof(SubjectEvent));
	event->lead_id = DatumGetInt64(value_of(run, EVENT_LEAD_ID, &isnull));
	event->came_for = event->lead_id;
	event->event_id = DatumGetInt64(value_of(run, EVENT_EVENT_ID, &isnull));
	event->event_type = text_or_null(run, EVENT_EVENT_TYPE);
	event->occurred_at = occurred_at;
	event->recorded_at = DatumGetTimestampTz(value_of(run, EVENT_RECORDED_AT, &isnull));
	value = value_of(run, EVENT_TAGS, &isnull);
	if (!isnull)
		event->tags = DatumGetArrayTypePCopy(value);
	value = value_of(run, EVENT_PROPERTIES, &isnull);
	if (!isnull)
		event->properties = DatumGetJsonbPCopy(value);
	event->asset_id = text_or_null(run, EVENT_ASSET_ID);
	value = value_of(run, EVENT_VERSION, &isnull);
	event->version = isnull ? 0 : DatumGetInt32(value);
	event->channel = text_or_null(run, EVENT_CHANNEL);
	event->campaign = text_or_null(run, EVENT_CAMPAIGN);
	value = value_of(run, EVENT_MESSAGE_ID, &isnull);
	event->message_id = isnull ? 0 : DatumGetInt64(value);
	event->history = history;
	event->nsignals = run->match->nsignals;
	signals = palloc(Max(event->nsignals, 1) * sizeof(int16));
	memcpy(signals, run->match->signals, event->nsignals * sizeof(int16));
	event->signals = signals;

	if (run->nevents == run->room)
	{
		run->room = Max(run->room * 2, 16);
		run->events = run->events == NULL ?
			palloc(run->room * sizeof(SubjectEvent *)) :
			repalloc_huge(run->events, run->room * sizeof(SubjectEvent *));
	}
	run->events[run->nevents++] = event;
	MemoryContextSwitchTo(old);
}

/* Raises that a lead does not exist, naming its first event. */
static void
raise_unknown_lead(EventRun *run, Tuplestorestate *rows, int64 lead_id)
{
	bool		isnull;

	rewind_rows(run, rows);
	while (next_row(run, rows))
	{
		if (DatumGetInt64(value_of(run, EVENT_LEAD_ID, &isnull)) == lead_id)
			break;
	}
	(void) nurture_spi_connect();
	if (nurture_lead_exists(lead_id))
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_LEAD),
				 errmsg("lead %lld, named in event %lld of the statement, was erased",
						(long long) lead_id, (long long) run->row_no),
				 errhint("Leave out what concerns it, or use nurture_ingest(), which notes in nurture.event_quarantine that it came.")));
	ereport(ERROR,
			(errcode(NURTURE_ERRCODE_UNKNOWN_LEAD),
			 errmsg("there is no lead %lld, named in event %lld of the statement",
					(long long) lead_id, (long long) run->row_no),
			 errhint("Insert the lead first, or use nurture_ingest(), which keeps such events in nurture.event_quarantine.")));
}

static void
count_inserted(EventRun *run, Tuplestorestate *rows)
{
	ActivityDelta *plus = NULL;
	EventKeys	keys;
	OwnerSwitch save;
	int64		unknown_lead = 0;
	uint64		merged_before = nurture_merged_counted;
	bool		isnull;

	rewind_rows(run, rows);
	if (!next_row(run, rows))
		return;
	nurture_event_keys_start(&keys);
	do
	{
		(void) nurture_event_keys_put(&keys, &run->layout, run->slot);
		(void) checked_type(run);
	} while (next_row(run, rows));
	ExecClearTuple(run->slot);

	nurture_owner_enter(&save);
	nurture_event_keys_claim(&keys, false);

	plus = nurture_delta_create();
	rewind_rows(run, rows);
	while (next_row(run, rows))
	{
		const MatchType *type;

		if (keys.dropped > 0 &&
			nurture_event_dropped(&keys,
								  DatumGetInt64(value_of(run, EVENT_LEAD_ID, &isnull)),
								  DatumGetInt64(value_of(run, EVENT_EVENT_ID, &isnull)),
								  DatumGetTimestampTz(value_of(run, EVENT_RECORDED_AT, &isnull))))
			continue;
		type = type_of(run);
		match_row(run, type);
		count_row(run, plus);
		remember_row(run, type);
	}
	ExecClearTuple(run->slot);
	if (!nurture_activity_add(plus, &unknown_lead))
		raise_unknown_lead(run, rows, unknown_lead);
	MemoryContextSwitchTo(run->context);
	if (unlikely(nurture_merged_counted != merged_before) && run->nevents > 0)
		nurture_merged_events(run->events, run->nevents);
	nurture_owner_leave(&save);
	MemoryContextSwitchTo(run->context);
	if (run->nevents > 0)
		nurture_react((const SubjectEvent *const *) run->events, run->nevents);
}

static void
count_deleted(EventRun *run, Tuplestorestate *rows)
{
	ActivityDelta *minus;
	EventKeys	keys;
	OwnerSwitch save;
	int			level;

	rewind_rows(run, rows);
	if (!next_row(run, rows))
		return;
	nurture_event_keys_start(&keys);
	minus = nurture_delta_create();
	do
	{
		const MatchType *type = type_of(run);

		(void) nurture_event_keys_put(&keys, &run->layout, run->slot);
		if (type != NULL)
			match_row(run, type);
		else
			nurture_match_nothing(run->match);
		count_row(run, minus);
	} while (next_row(run, rows));
	ExecClearTuple(run->slot);

	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	MemoryContextSwitchTo(run->context);
	nurture_event_keys_release(&keys);
	nurture_activity_change(NULL, minus);
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
}

/* Tells whether a column is the same in both rows. */
static bool
same_value(EventRun *run, TupleTableSlot *before, EventColumn column)
{
	AttrNumber	number = run->layout.numbers[column];
	Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(run->rel), number - 1);
	bool		old_null;
	bool		new_null;
	Datum		old_value = event_value(&run->layout, before, column, &old_null);
	Datum		new_value = value_of(run, column, &new_null);

	if (old_null || new_null)
		return old_null && new_null;
	return datum_image_eq(old_value, new_value, attribute->attbyval,
						  attribute->attlen);
}

static void
count_updated(EventRun *run, Tuplestorestate *old_rows,
			  Tuplestorestate *new_rows)
{
	TupleTableSlot *before;
	TupleTableSlot *after = run->slot;
	ActivityDelta *plus;
	ActivityDelta *minus;
	EventKeys	old_keys;
	EventKeys	new_keys;
	OwnerSwitch save;
	int			level;
	bool		counts_differ = false;

	rewind_rows(run, old_rows);
	rewind_rows(run, new_rows);
	if (!next_row(run, new_rows))
		return;
	before = MakeSingleTupleTableSlot(RelationGetDescr(run->rel),
									  &TTSOpsMinimalTuple);
	nurture_event_keys_start(&old_keys);
	nurture_event_keys_start(&new_keys);
	plus = nurture_delta_create();
	minus = nurture_delta_create();
	do
	{
		const MatchType *type;
		bool		same_type;

		/* both tables hold the rows in the order they were updated in */
		if (!tuplestore_gettupleslot(old_rows, true, false, before))
			elog(ERROR, "transition tables of an update differ in length");
		if (!same_value(run, before, EVENT_LEAD_ID) ||
			!same_value(run, before, EVENT_EVENT_ID) ||
			!same_value(run, before, EVENT_RECORDED_AT))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("lead_id, event_id and recorded_at of an event cannot be changed"),
					 errhint("Delete the event and insert it again.")));
		if (!same_value(run, before, EVENT_SOURCE) ||
			!same_value(run, before, EVENT_SOURCE_KEY))
		{
			(void) nurture_event_keys_put(&old_keys, &run->layout, before);
			(void) nurture_event_keys_put(&new_keys, &run->layout, after);
		}
		same_type = same_value(run, before, EVENT_EVENT_TYPE);
		if (same_type &&
			same_value(run, before, EVENT_OCCURRED_AT) &&
			same_value(run, before, EVENT_TAGS) &&
			same_value(run, before, EVENT_PROPERTIES))
			continue;

		counts_differ = true;
		type = checked_type(run);
		match_row(run, type);
		count_row(run, plus);
		run->slot = before;
		type = type_of(run);
		if (type != NULL)
			match_row(run, type);
		else
			nurture_match_nothing(run->match);
		count_row(run, minus);
		run->slot = after;
	} while (next_row(run, new_rows));
	ExecClearTuple(after);
	ExecDropSingleTupleTableSlot(before);

	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	MemoryContextSwitchTo(run->context);
	nurture_event_keys_release(&old_keys);
	nurture_event_keys_claim(&new_keys, true);
	if (counts_differ)
		nurture_activity_change(plus, minus);
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
}

/*
 * nurture_event_count() returns trigger
 *
 * After every statement that inserts, updates or deletes events.
 */
Datum
nurture_event_count(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_event_count");
	MemoryContext old = CurrentMemoryContext;
	ErrorContextCallback callback;
	EventRun   *run;

	if (!TRIGGER_FIRED_AFTER(data->tg_event) ||
		!TRIGGER_FIRED_FOR_STATEMENT(data->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be fired AFTER, FOR EACH STATEMENT",
						"nurture_event_count")));
	if (nurture_event_dropping() || !nurture_deriving())
		return PointerGetDatum(NULL);

	run = start_run(data);
	callback.callback = row_error_context;
	callback.arg = run;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	if (TRIGGER_FIRED_BY_INSERT(data->tg_event) && data->tg_newtable)
		count_inserted(run, data->tg_newtable);
	else if (TRIGGER_FIRED_BY_DELETE(data->tg_event) && data->tg_oldtable)
		count_deleted(run, data->tg_oldtable);
	else if (TRIGGER_FIRED_BY_UPDATE(data->tg_event) &&
			 data->tg_oldtable && data->tg_newtable)
		count_updated(run, data->tg_oldtable, data->tg_newtable);
	else
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be fired with its transition tables",
						"nurture_event_count")));
	error_context_stack = callback.previous;
	if (data->tg_oldtable)
		nurture_history_events(data);

	ExecDropSingleTupleTableSlot(run->slot);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(run->context);
	return PointerGetDatum(NULL);
}
