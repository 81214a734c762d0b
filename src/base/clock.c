/*
 * clock.c
 *	  The one place that asks for the time.
 *
 * Score functions use the statement's start, so that one scan has one date;
 * the gate uses the wall clock, read after the gate row is ours.  The setting
 * nurture.clock overrides both.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "base/clock.h"
#include "base/settings.h"
#include "fmgr.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_now);

/* Returns the statement's time. */
TimestampTz
nurture_now_statement(void)
{
	return nurture_clock_is_set ? nurture_clock_value :
		GetCurrentStatementStartTimestamp();
}

/* Returns the wall clock's time. */
TimestampTz
nurture_now_wall(void)
{
	return nurture_clock_is_set ? nurture_clock_value : GetCurrentTimestamp();
}

/* Tells whether the time is simulated. */
bool
nurture_now_simulated(void)
{
	return nurture_clock_is_set;
}

/* Returns the UTC day of an instant, counted from 1970-01-01. */
int32
nurture_day_of(TimestampTz instant)
{
	int64		day;

	if (TIMESTAMP_IS_NOBEGIN(instant))
		return PG_INT32_MIN;
	if (TIMESTAMP_IS_NOEND(instant))
		return PG_INT32_MAX;
	day = instant / USECS_PER_DAY;
	if (instant % USECS_PER_DAY < 0)
		day--;
	return (int32) day + NURTURE_EPOCH_OFFSET_DAYS;
}

/* Returns the UTC day of the statement. */
int32
nurture_today(void)
{
	return nurture_day_of(nurture_now_statement());
}

/* Returns the first instant of a UTC day. */
TimestampTz
nurture_instant_of_day(int32 day)
{
	return ((int64) day - NURTURE_EPOCH_OFFSET_DAYS) * USECS_PER_DAY;
}

/* nurture_now() returns timestamptz: the statement's time or nurture.clock. */
Datum
nurture_now(PG_FUNCTION_ARGS)
{
	PG_RETURN_TIMESTAMPTZ(nurture_now_statement());
}
