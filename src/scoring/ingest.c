/*
 * ingest.c
 *	  nurture_ingest: stores what can be stored, keeps the rest with a reason.
 *
 * Everything is checked before, so that all good events go in by one INSERT.
 * Should a constraint or trigger of the user's own refuse one of them after
 * all, they are stored one by one, each in its own subtransaction.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "scoring/ingest.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_ingest);

static KeptPlan resolve_refs = KEPT_PLAN(
										 "SELECT u.i, @extschema@.nurture_lead_id(u.ref)"
										 " FROM unnest($1) WITH ORDINALITY AS u(ref, i)", TEXTARRAYOID);
static KeptPlan missing_leads = KEPT_PLAN(
										  "SELECT u.i FROM unnest($1) WITH ORDINALITY AS u(lead_id, i)"
										  " WHERE NOT EXISTS (SELECT FROM nurture.lead l WHERE l.lead_id = u.lead_id)",
										  INT8ARRAYOID);
static KeptPlan store_events = KEPT_PLAN(
										 "INSERT INTO nurture.event (lead_id, recorded_at, event_type, occurred_at, source,"
										 " source_key, channel, campaign, asset_id, version, message_id, tags, properties)"
										 " SELECT u.lead_id, coalesce(u.recorded_at, @extschema@.nurture_now()), u.event_type,"
										 " coalesce(u.occurred_at, @extschema@.nurture_now()), u.source, u.source_key,"
										 " u.channel, u.campaign, u.asset_id, u.version, u.message_id,"
										 " CASE WHEN u.tags IS NOT NULL THEN ARRAY(SELECT jsonb_array_elements_text(u.tags)) END,"
										 " u.properties"
										 " FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
										 " AS u(lead_id, recorded_at, event_type, occurred_at, source, source_key,"
										 " channel, campaign, asset_id, version, message_id, tags, properties)",
										 INT8ARRAYOID, TIMESTAMPTZARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID,
										 TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID,
										 INT4ARRAYOID, INT8ARRAYOID, JSONBARRAYOID, JSONBARRAYOID);
static KeptPlan keep_events = KEPT_PLAN(
										"INSERT INTO nurture.event_quarantine (payload, reason, detail)"
										" SELECT * FROM unnest($1, $2, $3)",
										JSONBARRAYOID, TEXTARRAYOID, TEXTARRAYOID);

/* columns of store_events with their types */
static const struct
{
	EventColumn column;
	Oid			type;
}			stored[] = {
	{EVENT_LEAD_ID, INT8OID},
	{EVENT_RECORDED_AT, TIMESTAMPTZOID},
	{EVENT_EVENT_TYPE, TEXTOID},
	{EVENT_OCCURRED_AT, TIMESTAMPTZOID},
	{EVENT_SOURCE, TEXTOID},
	{EVENT_SOURCE_KEY, TEXTOID},
	{EVENT_CHANNEL, TEXTOID},
	{EVENT_CAMPAIGN, TEXTOID},
	{EVENT_ASSET_ID, TEXTOID},
	{EVENT_VERSION, INT4OID},
	{EVENT_MESSAGE_ID, INT8OID},
	{EVENT_TAGS, JSONBOID},
	{EVENT_PROPERTIES, JSONBOID},
};

static Datum
make_array(Datum *values, bool *nulls, int n, Oid type)
{
	int			lower = 1;
	ArrayType  *array;

	if (n == 0)
		array = construct_empty_array(type);
	else if (type == TEXTOID || type == JSONBOID)
		array = construct_md_array(values, nulls, 1, &n, &lower, type, -1,
								   false, TYPALIGN_INT);
	else if (type == INT4OID)
		array = construct_md_array(values, nulls, 1, &n, &lower, type, 4,
								   true, TYPALIGN_INT);
	else
		array = construct_md_array(values, nulls, 1, &n, &lower, type, 8,
								   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
	return PointerGetDatum(array);
}

static void
set_reason(IngestEvent *event, const char *reason, const char *detail)
{
	event->reason = reason;
	event->detail = pstrdup(detail);
}

/* Finds the leads of events that name one; as the owner. */
static void
resolve_leads(IngestEvent *events, int n)
{
	IngestEvent **asked = palloc(Max(n, 1) * sizeof(IngestEvent *));
	Datum	   *values = palloc(Max(n, 1) * sizeof(Datum));
	Datum		parameter;
	int			nasked = 0;
	bool		isnull;

	for (int i = 0; i < n; i++)
	{
		if (events[i].reason == NULL && events[i].external_ref != NULL)
		{
			values[nasked] = PointerGetDatum(events[i].external_ref);
			asked[nasked++] = &events[i];
		}
	}
	if (nasked > 0)
	{
		parameter = make_array(values, NULL, nasked, TEXTOID);
		(void) nurture_execute_latest(&resolve_refs, &parameter, NULL, false);
		for (uint64 row = 0; row < SPI_processed; row++)
		{
			IngestEvent *event = asked[DatumGetInt64(nurture_cell(row, 1, &isnull)) - 1];
			Datum		lead_id = nurture_cell(row, 2, &isnull);

			if (isnull)
				set_reason(event, "unidentified",
						   "external_ref belongs to no lead, or to more than one");
			else
			{
				event->values[EVENT_LEAD_ID] = lead_id;
				event->nulls[EVENT_LEAD_ID] = false;
			}
		}
		SPI_freetuptable(SPI_tuptable);
	}

	nasked = 0;
	for (int i = 0; i < n; i++)
	{
		if (events[i].reason == NULL)
		{
			values[nasked] = events[i].values[EVENT_LEAD_ID];
			asked[nasked++] = &events[i];
		}
	}
	if (nasked > 0)
	{
		parameter = make_array(values, NULL, nasked, INT8OID);
		(void) nurture_execute_latest(&missing_leads, &parameter, NULL, false);
		for (uint64 row = 0; row < SPI_processed; row++)
			set_reason(asked[DatumGetInt64(nurture_cell(row, 1, &isnull)) - 1],
					   "unknown_lead", "there is no lead with this lead_id");
		SPI_freetuptable(SPI_tuptable);
	}
}

/* Stores events by one INSERT with the caller's rights. */
static void
store(IngestEvent **events, int n)
{
	Datum		parameters[lengthof(stored)];
	Datum	   *values = palloc(n * sizeof(Datum));
	bool	   *nulls = palloc(n * sizeof(bool));

	for (int i = 0; i < lengthof(stored); i++)
	{
		for (int j = 0; j < n; j++)
		{
			values[j] = events[j]->values[stored[i].column];
			nulls[j] = events[j]->nulls[stored[i].column];
		}
		parameters[i] = make_array(values, nulls, n, stored[i].type);
	}
	(void) nurture_execute(&store_events, parameters, NULL, false);
}

/* Tells whether an error is about the data, not about rights or the server. */
static bool
about_the_event(int sqlstate)
{
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case ERRCODE_DATA_EXCEPTION:
		case ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION:
		case ERRCODE_WITH_CHECK_OPTION_VIOLATION:
		case ERRCODE_PLPGSQL_ERROR:
		case ERRCODE_PROGRAM_LIMIT_EXCEEDED:
			return true;
		default:
			return sqlstate == NURTURE_ERRCODE_UNKNOWN_LEAD ||
				sqlstate == NURTURE_ERRCODE_UNKNOWN_CODE ||
				sqlstate == NURTURE_ERRCODE_REFUSED;
	}
}

/*
 * Stores events in a subtransaction; false with the error when that failed
 * because of them.
 */
static bool
try_store(IngestEvent **events, int n, ErrorData **failure)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool done = false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		store(events, n);
		ReleaseCurrentSubTransaction();
		done = true;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (!about_the_event(error->sqlerrcode))
			PG_RE_THROW();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		*failure = error;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return done;
}

/* Stores the events that have no reason against it; returns how many. */
static int64
store_all(IngestEvent *events, int n, int64 *repeats)
{
	IngestEvent **good = palloc(Max(n, 1) * sizeof(IngestEvent *));
	ErrorData  *failure;
	uint64		before = nurture_event_repeats;
	int			ngood = 0;
	int64		nstored = 0;

	*repeats = 0;
	for (int i = 0; i < n; i++)
	{
		if (events[i].reason == NULL)
			good[ngood++] = &events[i];
	}
	if (ngood == 0)
		return 0;
	if (try_store(good, ngood, &failure))
	{
		*repeats = nurture_event_repeats - before;
		return ngood - *repeats;
	}
	for (int i = 0; i < ngood; i++)
	{
		CHECK_FOR_INTERRUPTS();
		before = nurture_event_repeats;
		if (!try_store(&good[i], 1, &failure))
		{
			set_reason(good[i], "refused", failure->message);
			continue;
		}
		if (nurture_event_repeats > before)
			(*repeats)++;
		else
			nstored++;
	}
	return nstored;
}

/* Puts the others into quarantine; as the owner. */
static void
keep_refused(IngestEvent *events, int n, int64 *quarantined,
			 int64 *unidentified)
{
	Datum	   *columns[3];
	Datum		parameters[3];
	int			kept = 0;

	for (int i = 0; i < 3; i++)
		columns[i] = palloc(Max(n, 1) * sizeof(Datum));
	*quarantined = *unidentified = 0;
	for (int i = 0; i < n; i++)
	{
		if (events[i].reason == NULL)
			continue;
		if (strcmp(events[i].reason, "unidentified") == 0)
			(*unidentified)++;
		else
			(*quarantined)++;
		columns[0][kept] = JsonbPGetDatum(events[i].payload);
		columns[1][kept] = CStringGetTextDatum(events[i].reason);
		columns[2][kept] = CStringGetTextDatum(events[i].detail);
		kept++;
	}
	if (kept == 0)
		return;
	parameters[0] = make_array(columns[0], NULL, kept, JSONBOID);
	parameters[1] = make_array(columns[1], NULL, kept, TEXTOID);
	parameters[2] = make_array(columns[2], NULL, kept, TEXTOID);
	(void) nurture_execute(&keep_events, parameters, NULL, false);
}

/* Reads the argument: an array of events, or one event. */
static IngestEvent *
read_all(Jsonb *input, int *n)
{
	const MatchRules *rules = nurture_match_rules();
	TimestampTz latest = nurture_now_wall() + EVENT_MAX_AHEAD;
	IngestEvent *events;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;

	if (!JB_ROOT_IS_ARRAY(input))
	{
		events = palloc(sizeof(IngestEvent));
		value.type = jbvBinary;
		value.val.binary.data = &input->root;
		value.val.binary.len = VARSIZE(input) - VARHDRSZ;
		nurture_ingest_read(events, &value, rules, latest);
		*n = 1;
		return events;
	}
	events = MemoryContextAllocHuge(CurrentMemoryContext,
									Max(JB_ROOT_COUNT(input), 1) * sizeof(IngestEvent));
	*n = 0;
	iterator = JsonbIteratorInit(&input->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_ELEM)
			nurture_ingest_read(&events[(*n)++], &value, rules, latest);
	}
	return events;
}

/*
 * nurture_ingest(events jsonb, OUT inserted, OUT duplicates, OUT quarantined,
 * OUT unidentified)
 */
Datum
nurture_ingest(PG_FUNCTION_ARGS)
{
	Oid			table = nurture_table_oid("event", false);
	OwnerSwitch save;
	TupleDesc	desc;
	IngestEvent *events;
	int64		counts[4];
	int64		repeats;
	Datum		values[4];
	bool		nulls[4] = {false};
	int			n;
	int			level;
	MemoryContext context = CurrentMemoryContext;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (pg_class_aclcheck(table, GetUserId(), ACL_INSERT) != ACLCHECK_OK &&
		pg_attribute_aclcheck_all(table, GetUserId(), ACL_INSERT, ACLMASK_ANY) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, "event");

	events = read_all(PG_GETARG_JSONB_P(0), &n);
	level = nurture_spi_connect();
	MemoryContextSwitchTo(context);
	nurture_owner_enter(&save);
	resolve_leads(events, n);
	nurture_owner_leave(&save);
	counts[0] = store_all(events, n, &repeats);
	counts[1] = repeats;
	nurture_owner_enter(&save);
	keep_refused(events, n, &counts[2], &counts[3]);
	nurture_owner_leave(&save);
	nurture_spi_finish(level);
	MemoryContextSwitchTo(context);
	for (int i = 0; i < 4; i++)
		values[i] = Int64GetDatum(counts[i]);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc),
													  values, nulls)));
}
