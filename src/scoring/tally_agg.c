/*
 * tally_agg.c
 *	  Aggregates that make a tally: of occurrences, and of tallies.
 *
 * nurture_tally_agg gathers entries and combines equal ones whenever the room
 * is used up, so its state is never larger than twice its result.
 * nurture_tally_sum keeps partial sums of 1, 2, 4 ... tallies, like the digits
 * of a binary counter: adding n of them costs n log n, not n times the size
 * of the growing sum.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "scoring/tally_type.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_tally_agg_step);
NURTURE_FUNCTION(nurture_tally_agg_combine);
NURTURE_FUNCTION(nurture_tally_agg_serial);
NURTURE_FUNCTION(nurture_tally_agg_deserial);
NURTURE_FUNCTION(nurture_tally_agg_final);
NURTURE_FUNCTION(nurture_tally_sum_step);
NURTURE_FUNCTION(nurture_tally_sum_combine);
NURTURE_FUNCTION(nurture_tally_sum_serial);
NURTURE_FUNCTION(nurture_tally_sum_deserial);
NURTURE_FUNCTION(nurture_tally_sum_final);

typedef struct AggState
{
	TallyEntry *entries;
	size_t		n;
	size_t		room;
} AggState;

#define SUM_LEVELS 40

typedef struct SumState
{
	struct varlena *levels[SUM_LEVELS]; /* level k: sum of 2^k, or NULL */
} SumState;

static MemoryContext
aggregate_context(FunctionCallInfo fcinfo, const char *name)
{
	MemoryContext context;

	if (!AggCheckCallContext(fcinfo, &context))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("function \"%s\" was not called as part of an aggregate",
						name)));
	return context;
}

static AggState *
agg_start(MemoryContext context)
{
	AggState   *state = MemoryContextAlloc(context, sizeof(AggState));

	state->room = 16;
	state->n = 0;
	state->entries = MemoryContextAlloc(context,
										state->room * sizeof(TallyEntry));
	return state;
}

/* Combines entries of the same key and day. */
static void
agg_compact(AggState *state)
{
	size_t		kept = 0;

	nurture_tally_sort(state->entries, state->n);
	for (size_t i = 0; i < state->n; i++)
	{
		TallyEntry	e = state->entries[i];
		TallyEntry *last = kept > 0 ? &state->entries[kept - 1] : NULL;

		if (last != NULL && last->key == e.key && last->day == e.day)
			last->count = last->count > PG_UINT32_MAX - e.count ?
				NURTURE_TALLY_SATURATED : last->count + e.count;
		else
			state->entries[kept++] = e;
	}
	state->n = kept;
}

static void
agg_put(AggState *state, TallyEntry e)
{
	if (state->n == state->room)
	{
		agg_compact(state);
		if (state->n > state->room / 2)
		{
			if (state->n > NURTURE_TALLY_MAX_ENTRIES)
				nurture_tally_raise(TALLY_TOO_LARGE);
			state->room *= 2;
			state->entries = repalloc_huge(state->entries,
										   state->room * sizeof(TallyEntry));
		}
	}
	state->entries[state->n++] = e;
}

/* nurture_tally_agg_step(internal, integer, timestamptz) returns internal */
Datum
nurture_tally_agg_step(PG_FUNCTION_ARGS)
{
	MemoryContext context = aggregate_context(fcinfo, "nurture_tally_agg_step");
	AggState   *state;
	TallyEntry	e;
	int32		number;
	TimestampTz at;

	state = PG_ARGISNULL(0) ? agg_start(context) :
		(AggState *) PG_GETARG_POINTER(0);
	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_POINTER(state);
	number = PG_GETARG_INT32(1);
	at = PG_GETARG_TIMESTAMPTZ(2);
	if (number < 0 || number > PG_UINT16_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("signal number %d is out of range", number),
				 errhint("Numbers of signals and topics are 0 to 65535.")));
	if (at < NURTURE_TALLY_MIN_INSTANT || at >= NURTURE_TALLY_END_INSTANT)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("occurrence is out of the range of a tally"),
				 errhint("Days from 1970-01-03 to 2149-06-06 can be counted.")));
	e.key = (uint16) number;
	e.day = (uint16) nurture_day_of(at);
	e.count = 1;
	agg_put(state, e);
	PG_RETURN_POINTER(state);
}

/* nurture_tally_agg_combine(internal, internal) returns internal */
Datum
nurture_tally_agg_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context = aggregate_context(fcinfo, "nurture_tally_agg_combine");
	AggState   *state;

	state = PG_ARGISNULL(0) ? NULL : (AggState *) PG_GETARG_POINTER(0);
	if (!PG_ARGISNULL(1))
	{
		AggState   *other = (AggState *) PG_GETARG_POINTER(1);

		if (state == NULL)
			state = agg_start(context);
		for (size_t i = 0; i < other->n; i++)
			agg_put(state, other->entries[i]);
	}
	if (state == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(state);
}

/* nurture_tally_agg_serial(internal) returns bytea: the entries so far */
Datum
nurture_tally_agg_serial(PG_FUNCTION_ARGS)
{
	AggState   *state;
	struct varlena *result;

	(void) aggregate_context(fcinfo, "nurture_tally_agg_serial");
	state = (AggState *) PG_GETARG_POINTER(0);
	agg_compact(state);
	result = nurture_tally_alloc(state->n * sizeof(TallyEntry));
	memcpy(VARDATA(result), state->entries, state->n * sizeof(TallyEntry));
	return nurture_tally_close(result, state->n * sizeof(TallyEntry));
}

/* nurture_tally_agg_deserial(bytea, internal) returns internal */
Datum
nurture_tally_agg_deserial(PG_FUNCTION_ARGS)
{
	struct varlena *bytes = PG_GETARG_VARLENA_PP(0);
	AggState   *state;
	size_t		n = VARSIZE_ANY_EXHDR(bytes) / sizeof(TallyEntry);

	(void) aggregate_context(fcinfo, "nurture_tally_agg_deserial");
	state = palloc(sizeof(AggState));
	state->n = n;
	state->room = Max(n, 16);
	state->entries = palloc(state->room * sizeof(TallyEntry));
	memcpy(state->entries, VARDATA_ANY(bytes), n * sizeof(TallyEntry));
	PG_RETURN_POINTER(state);
}

/* nurture_tally_agg_final(internal) returns nurture_tally */
Datum
nurture_tally_agg_final(PG_FUNCTION_ARGS)
{
	AggState   *state;
	TallyEntry	none;

	(void) aggregate_context(fcinfo, "nurture_tally_agg_final");
	if (PG_ARGISNULL(0))
		PG_RETURN_DATUM(nurture_tally_from_entries(&none, 0, 0));
	state = (AggState *) PG_GETARG_POINTER(0);
	agg_compact(state);			/* building sorts anyway; finals may repeat */
	PG_RETURN_DATUM(nurture_tally_from_entries(state->entries, state->n, 0));
}

/* Adds a tally to the counter, which takes a copy. */
static void
sum_put(SumState *state, Datum tally, MemoryContext context)
{
	Datum		carry = tally;
	bool		ours = false;	/* carry is a sum made here */
	struct varlena *value;
	MemoryContext old;
	int			k;

	for (k = 0; k < SUM_LEVELS && state->levels[k] != NULL; k++)
	{
		Datum		level = PointerGetDatum(state->levels[k]);
		Datum		sum = nurture_tally_plus(level, carry);

		if (sum == level)
			return;				/* carry counts nothing */
		if (sum != carry)
		{
			if (ours)
				pfree(DatumGetPointer(carry));
			carry = sum;
			ours = true;
		}
		pfree(state->levels[k]);
		state->levels[k] = NULL;
	}
	if (k == SUM_LEVELS)
		elog(ERROR, "too many tallies to add");
	old = MemoryContextSwitchTo(context);
	value = PG_DETOAST_DATUM_COPY(carry);
	MemoryContextSwitchTo(old);
	state->levels[k] = value;
	if (ours)
		pfree(DatumGetPointer(carry));
}

/* nurture_tally_sum_step(internal, nurture_tally) returns internal */
Datum
nurture_tally_sum_step(PG_FUNCTION_ARGS)
{
	MemoryContext context = aggregate_context(fcinfo, "nurture_tally_sum_step");
	SumState   *state;

	state = PG_ARGISNULL(0) ?
		MemoryContextAllocZero(context, sizeof(SumState)) :
		(SumState *) PG_GETARG_POINTER(0);
	if (!PG_ARGISNULL(1))
		sum_put(state, PG_GETARG_DATUM(1), context);
	PG_RETURN_POINTER(state);
}

/* Returns the sum of all levels. */
static Datum
sum_total(SumState *state)
{
	TallyEntry	none;
	Datum		total = nurture_tally_from_entries(&none, 0, 0);

	for (int k = 0; k < SUM_LEVELS; k++)
	{
		if (state->levels[k] != NULL)
			total = nurture_tally_plus(total,
									   PointerGetDatum(state->levels[k]));
	}
	return total;
}

/* nurture_tally_sum_combine(internal, internal) returns internal */
Datum
nurture_tally_sum_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context = aggregate_context(fcinfo, "nurture_tally_sum_combine");
	SumState   *state;

	state = PG_ARGISNULL(0) ? NULL : (SumState *) PG_GETARG_POINTER(0);
	if (!PG_ARGISNULL(1))
	{
		if (state == NULL)
			state = MemoryContextAllocZero(context, sizeof(SumState));
		sum_put(state, sum_total((SumState *) PG_GETARG_POINTER(1)), context);
	}
	if (state == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(state);
}

/* nurture_tally_sum_serial(internal) returns bytea: the tally so far */
Datum
nurture_tally_sum_serial(PG_FUNCTION_ARGS)
{
	(void) aggregate_context(fcinfo, "nurture_tally_sum_serial");
	PG_RETURN_DATUM(PointerGetDatum(PG_DETOAST_DATUM_COPY(sum_total((SumState *) PG_GETARG_POINTER(0)))));
}

/* nurture_tally_sum_deserial(bytea, internal) returns internal */
Datum
nurture_tally_sum_deserial(PG_FUNCTION_ARGS)
{
	SumState   *state;

	(void) aggregate_context(fcinfo, "nurture_tally_sum_deserial");
	state = palloc0(sizeof(SumState));
	state->levels[0] = PG_DETOAST_DATUM_COPY(PG_GETARG_DATUM(0));
	PG_RETURN_POINTER(state);
}

/* nurture_tally_sum_final(internal) returns nurture_tally */
Datum
nurture_tally_sum_final(PG_FUNCTION_ARGS)
{
	(void) aggregate_context(fcinfo, "nurture_tally_sum_final");
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(PointerGetDatum(PG_DETOAST_DATUM_COPY(sum_total((SumState *) PG_GETARG_POINTER(0)))));
}
