/*
 * tally_read.c
 *	  Tallies read from SQL: counts, last days, rows, rolling.
 *
 * Signals are given by number, so that topics can be read as well, or by
 * code.  A folded count belongs to no day: it is read by asking from
 * -infinity on, and nurture_tally_unnest gives it a row without a day.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "facts/vocabulary.h"
#include "funcapi.h"
#include "scoring/tally_type.h"
#include "utils/builtins.h"

NURTURE_FUNCTION(nurture_tally_count_number);
NURTURE_FUNCTION(nurture_tally_count_code);
NURTURE_FUNCTION(nurture_tally_last_number);
NURTURE_FUNCTION(nurture_tally_last_code);
NURTURE_FUNCTION(nurture_tally_roll_to);
NURTURE_FUNCTION(nurture_tally_rolled);
NURTURE_FUNCTION(nurture_tally_unnest);

/* Returns a date as a UTC day; infinities stay the ends of the range. */
static int32
day_of_date(DateADT date)
{
	if (DATE_IS_NOBEGIN(date))
		return PG_INT32_MIN;
	if (DATE_IS_NOEND(date))
		return PG_INT32_MAX;
	return date + NURTURE_EPOCH_OFFSET_DAYS;
}

static uint16
key_of_number(int32 number)
{
	if (number < 0 || number > PG_UINT16_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("signal number %d is out of range", number),
				 errhint("Numbers of signals and topics are 0 to 65535.")));
	return (uint16) number;
}

static uint16
key_of_code(text *code)
{
	int			number = nurture_signal_id(VARDATA_ANY(code),
										   VARSIZE_ANY_EXHDR(code));

	if (number < 0)
		nurture_unknown_code(COND_NAME_SIGNAL, "signal",
							 text_to_cstring(code));
	return (uint16) number;
}

static Datum
count_days(FunctionCallInfo fcinfo, uint16 key)
{
	Tally		t = nurture_tally_of(PG_GETARG_DATUM(0), NULL);

	return Int64GetDatum((int64) nurture_tally_count(&t, key,
													 day_of_date(PG_GETARG_DATEADT(2)),
													 day_of_date(PG_GETARG_DATEADT(3))));
}

/* nurture_tally_count(tally, signal integer, from_day, to_day) returns bigint */
Datum
nurture_tally_count_number(PG_FUNCTION_ARGS)
{
	return count_days(fcinfo, key_of_number(PG_GETARG_INT32(1)));
}

/* nurture_tally_count(tally, signal text, from_day, to_day) returns bigint */
Datum
nurture_tally_count_code(PG_FUNCTION_ARGS)
{
	return count_days(fcinfo, key_of_code(PG_GETARG_TEXT_PP(1)));
}

static Datum
last_day(FunctionCallInfo fcinfo, uint16 key)
{
	Tally		t = nurture_tally_of(PG_GETARG_DATUM(0), NULL);
	int32		day = nurture_tally_last(&t, key);

	if (day == NURTURE_TALLY_NO_DAY)
		PG_RETURN_NULL();
	if (day == NURTURE_TALLY_EVER)
		PG_RETURN_DATEADT(DATEVAL_NOBEGIN);
	PG_RETURN_DATEADT(day - NURTURE_EPOCH_OFFSET_DAYS);
}

/* nurture_tally_last(tally, signal integer) returns date */
Datum
nurture_tally_last_number(PG_FUNCTION_ARGS)
{
	return last_day(fcinfo, key_of_number(PG_GETARG_INT32(1)));
}

/* nurture_tally_last(tally, signal text) returns date */
Datum
nurture_tally_last_code(PG_FUNCTION_ARGS)
{
	return last_day(fcinfo, key_of_code(PG_GETARG_TEXT_PP(1)));
}

/* nurture_tally_roll(tally, day date): folds the days before that day */
Datum
nurture_tally_roll_to(PG_FUNCTION_ARGS)
{
	Tally		t = nurture_tally_of(PG_GETARG_DATUM(0), NULL);
	int32		day = day_of_date(PG_GETARG_DATEADT(1));
	struct varlena *result;
	TallyStatus status;
	size_t		length;

	if (day > NURTURE_TALLY_LAST_DAY)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("roll day is out of range"),
				 errhint("The last day a tally can hold is 2149-06-06.")));
	if (day <= t.roll_day || day < NURTURE_TALLY_FIRST_DAY)
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	result = nurture_tally_alloc(nurture_tally_roll_bound(&t));
	status = nurture_tally_roll(&t, (uint16) day,
								(unsigned char *) VARDATA(result), &length);
	if (status != TALLY_OK)
		nurture_tally_raise(status);
	PG_RETURN_DATUM(nurture_tally_close(result, length));
}

/* nurture_tally_rolled(tally): the day before which days are folded */
Datum
nurture_tally_rolled(PG_FUNCTION_ARGS)
{
	Tally		t = nurture_tally_of(PG_GETARG_DATUM(0), NULL);

	if (t.roll_day == 0)
		PG_RETURN_NULL();
	PG_RETURN_DATEADT(t.roll_day - NURTURE_EPOCH_OFFSET_DAYS);
}

/* nurture_tally_unnest(tally): rows of signal, day, count and days */
Datum
nurture_tally_unnest(PG_FUNCTION_ARGS)
{
	typedef struct
	{
		Tally		t;
		uint32		i;
	}			Walk;
	FuncCallContext *call;
	Walk	   *walk;
	TallyEntry	e;
	Datum		values[4];
	bool		nulls[4] = {false};
	HeapTuple	tuple;

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext old;
		TupleDesc	desc;

		call = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo(call->multi_call_memory_ctx);
		if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "return type must be a row type");
		call->tuple_desc = BlessTupleDesc(desc);
		walk = palloc0(sizeof(Walk));
		walk->t = nurture_tally_of(PointerGetDatum(PG_DETOAST_DATUM_COPY(PG_GETARG_DATUM(0))), NULL);
		call->user_fctx = walk;
		MemoryContextSwitchTo(old);
	}
	call = SRF_PERCALL_SETUP();
	walk = call->user_fctx;
	if (walk->i >= walk->t.n)
		SRF_RETURN_DONE(call);

	e = nurture_tally_entry(&walk->t, walk->i++);
	values[0] = Int32GetDatum(e.key);
	values[1] = DateADTGetDatum(e.day - NURTURE_EPOCH_OFFSET_DAYS);
	values[2] = Int64GetDatum((int64) e.count);
	values[3] = Int64GetDatum(1);
	if (e.day == NURTURE_TALLY_EVER)
	{
		nulls[1] = true;
		if (walk->i < walk->t.n)
			values[3] = Int64GetDatum((int64) nurture_tally_entry(&walk->t, walk->i++).count);
	}
	tuple = heap_form_tuple(call->tuple_desc, values, nulls);
	SRF_RETURN_NEXT(call, HeapTupleGetDatum(tuple));
}
