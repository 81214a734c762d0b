/*
 * calendar.c
 *	  Working calendars of teams: when a clock that runs on working time is up.
 *
 * The arithmetic is in core/window.c; here are the rows and the time zones.
 * A calendar without any working time within ten years counts round the clock,
 * so that a hand-off becomes overdue rather than forgotten.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/plans.h"
#include "base/rulecache.h"
#include "base/zone.h"
#include "core/window.h"
#include "fmgr.h"
#include "routing/routing_private.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_working_due);
NURTURE_FUNCTION(nurture_working_time);

typedef struct TeamCalendar
{
	const char *calendar;
	Zone	   *zone;
	WindowPeriod *periods;
	int			nperiods;
	int32	   *holidays;
	int			nholidays;
} TeamCalendar;

typedef struct Calendars
{
	int			n;
	TeamCalendar *items;
} Calendars;

static KeptPlan read_calendars =
KEPT_PLAN0("SELECT c.calendar, c.time_zone,"
		   " (SELECT pg_catalog.count(*) FROM nurture.calendar_hours h WHERE h.calendar = c.calendar),"
		   " (SELECT pg_catalog.count(*) FROM nurture.calendar_holiday d WHERE d.calendar = c.calendar)"
		   " FROM nurture.calendar c ORDER BY c.calendar");
static KeptPlan read_hours =
KEPT_PLAN0("SELECT weekday::int4, extract(epoch FROM from_time)::int4, extract(epoch FROM to_time)::int4"
		   " FROM nurture.calendar_hours ORDER BY calendar, weekday, from_time");
static KeptPlan read_holidays =
KEPT_PLAN0("SELECT day - date '1970-01-01' FROM nurture.calendar_holiday ORDER BY calendar, day");

static void *load_calendars(Snapshot snapshot);

static RuleCache calendars_cache = {
	"calendars",
	{"calendar", "calendar_hours", "calendar_holiday"},
	load_calendars
};

static int32
cell_int(uint64 row, int column)
{
	bool		isnull;

	return DatumGetInt32(nurture_cell(row, column, &isnull));
}

static int64
cell_bigint(uint64 row, int column)
{
	bool		isnull;

	return DatumGetInt64(nurture_cell(row, column, &isnull));
}

/* Reads all calendars; hours and holidays come in the calendars' order. */
static void *
load_calendars(Snapshot snapshot)
{
	MemoryContext context = CurrentMemoryContext;
	Calendars  *result = palloc0(sizeof(Calendars));
	uint64		row = 0;

	nurture_execute_snapshot(&read_calendars, NULL, NULL, snapshot);
	result->n = (int) SPI_processed;
	result->items = MemoryContextAllocZero(context, sizeof(TeamCalendar) * Max(result->n, 1));
	for (int i = 0; i < result->n; i++)
	{
		TeamCalendar *item = &result->items[i];

		item->calendar = MemoryContextStrdup(context, nurture_cell_text(i, 1));
		item->zone = MemoryContextAlloc(context, sizeof(Zone));
		nurture_zone_set(item->zone, pg_tzset(nurture_cell_text(i, 2)));
		item->nperiods = (int) cell_bigint(i, 3);
		item->nholidays = (int) cell_bigint(i, 4);
		item->periods = MemoryContextAlloc(context, sizeof(WindowPeriod) * Max(item->nperiods, 1));
		item->holidays = MemoryContextAlloc(context, sizeof(int32) * Max(item->nholidays, 1));
	}

	nurture_execute_snapshot(&read_hours, NULL, NULL, snapshot);
	for (int i = 0; i < result->n; i++)
	{
		TeamCalendar *item = &result->items[i];

		for (int j = 0; j < item->nperiods; j++, row++)
		{
			item->periods[j].weekday = cell_int(row, 1);
			item->periods[j].from = cell_int(row, 2);
			item->periods[j].to = cell_int(row, 3);
		}
		item->nperiods = nurture_window_normalize(item->periods, item->nperiods);
	}

	row = 0;
	nurture_execute_snapshot(&read_holidays, NULL, NULL, snapshot);
	for (int i = 0; i < result->n; i++)
	{
		for (int j = 0; j < result->items[i].nholidays; j++)
			result->items[i].holidays[j] = cell_int(row++, 1);
	}
	return result;
}

/* Makes the cache known; once per backend. */
void
nurture_calendar_init(void)
{
	nurture_rulecache_register(&calendars_cache);
}

static const TeamCalendar *
find_calendar(const char *calendar)
{
	const Calendars *all = nurture_rulecache_get(&calendars_cache);

	for (int i = 0; i < all->n; i++)
	{
		if (strcmp(all->items[i].calendar, calendar) == 0)
			return &all->items[i];
	}
	ereport(ERROR,
			(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
			 errmsg("unknown calendar \"%s\"", calendar),
			 errhint("Calendars are rows of nurture.calendar.")));
	return NULL;				/* not reached */
}

static void
fill_window(const TeamCalendar *calendar, WindowCalendar *window)
{
	window->nperiods = calendar->nperiods;
	window->periods = calendar->periods;
	window->nholidays = calendar->nholidays;
	window->holidays = calendar->holidays;
	window->clock = nurture_zone_clock(calendar->zone);
}

/*
 * Returns the instant at which an amount of working time, in microseconds, has
 * passed since another; calendar NULL works round the clock.
 */
TimestampTz
nurture_calendar_due(const char *calendar, TimestampTz from, int64 amount)
{
	WindowCalendar window;
	int64		start = nurture_unix_seconds(from);
	int64		due;

	if (calendar == NULL)
		return from + amount;
	fill_window(find_calendar(calendar), &window);
	/* whole seconds: a begun one counts as passed */
	if (!nurture_window_add(&window, start, (amount + USECS_PER_SEC - 1) / USECS_PER_SEC, &due))
		return from + amount;
	return amount <= 0 ? from : nurture_from_unix(due);
}

static int64
interval_microseconds(const Interval *amount)
{
	int64		days = (int64) amount->month * DAYS_PER_MONTH + amount->day;

	return days * USECS_PER_DAY + amount->time;
}

static void
check_instant(TimestampTz instant)
{
	if (TIMESTAMP_NOT_FINITE(instant))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("working time has no infinite instants")));
}

/*
 * nurture_working_due(calendar text, from timestamptz, amount interval)
 * returns timestamptz
 */
Datum
nurture_working_due(PG_FUNCTION_ARGS)
{
	char	   *calendar = text_to_cstring(PG_GETARG_TEXT_PP(0));
	TimestampTz from = PG_GETARG_TIMESTAMPTZ(1);
	Interval   *amount = PG_GETARG_INTERVAL_P(2);

	check_instant(from);
	if (amount->month != 0 || amount->day != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("working time is given in hours, minutes and seconds"),
				 errhint("Write interval '8 hours' for a working day of eight hours.")));
	if (amount->time > (int64) NURTURE_WINDOW_MAX_DAYS * USECS_PER_DAY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("working time is at most %d days", NURTURE_WINDOW_MAX_DAYS)));
	PG_RETURN_TIMESTAMPTZ(nurture_calendar_due(calendar, from,
											   interval_microseconds(amount)));
}

/*
 * nurture_working_time(calendar text, from timestamptz, to timestamptz)
 * returns interval: the working time between two instants, round the clock
 * when the calendar is NULL.
 */
Datum
nurture_working_time(PG_FUNCTION_ARGS)
{
	WindowCalendar window;
	TimestampTz from;
	TimestampTz to;
	Interval   *result;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	from = PG_GETARG_TIMESTAMPTZ(1);
	to = PG_GETARG_TIMESTAMPTZ(2);
	check_instant(from);
	check_instant(to);
	result = palloc0(sizeof(Interval));
	if (PG_ARGISNULL(0))
		result->time = to - from;
	else
	{
		fill_window(find_calendar(text_to_cstring(PG_GETARG_TEXT_PP(0))), &window);
		if (Abs(to - from) > 100 * (int64) DAYS_PER_YEAR * USECS_PER_DAY)
			ereport(ERROR,
					(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
					 errmsg("working time is counted over a hundred years at most")));
		result->time = nurture_window_between(&window, nurture_unix_seconds(from), nurture_unix_seconds(to)) *
			USECS_PER_SEC;
	}
	PG_RETURN_INTERVAL_P(result);
}
