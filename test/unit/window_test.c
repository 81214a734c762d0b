/*
 * window_test.c
 *	  Working time against a count minute by minute, over daylight saving,
 *	  holidays, nights and calendars that never work.
 */
#include "day.h"
#include "property.h"
#include "window.h"

#define HOUR	INT64_C(3600)

/* A wall clock: offsets[i] holds from changes[i] on; changes[0] is never. */
typedef struct Wall
{
	int			n;
	int64_t		changes[8];
	int32_t		offsets[8];
} Wall;

static int32_t
wall_offset(void *ctx, int64_t instant, int64_t *until)
{
	const Wall *wall = ctx;
	int			i = wall->n - 1;

	while (i > 0 && wall->changes[i] > instant)
		i--;
	*until = i + 1 < wall->n ? wall->changes[i + 1] : NURTURE_WALL_FOREVER;
	return wall->offsets[i];
}

static int64_t
utc(int year, int month, int dom, int hour, int minute)
{
	return nurture_day_from_civil(year, month, dom) *
		INT64_C(86400) + hour * HOUR + minute * 60;
}

/* Berlin 2026: summer time from March 29 to October 25, each at 01:00 UTC */
static Wall berlin = {3, {INT64_MIN, 0, 0}, {3600, 7200, 3600}};
static Wall greenwich = {1, {INT64_MIN}, {0}};

static const WindowPeriod office[] = {
	{1, 9 * 3600, 17 * 3600}, {2, 9 * 3600, 17 * 3600},
	{3, 9 * 3600, 17 * 3600}, {4, 9 * 3600, 17 * 3600},
	{5, 9 * 3600, 17 * 3600}
};
static const WindowPeriod always[] = {
	{1, 0, 86400}, {2, 0, 86400}, {3, 0, 86400}, {4, 0, 86400},
	{5, 0, 86400}, {6, 0, 86400}, {7, 0, 86400}
};

static WindowCalendar
make(const WindowPeriod *periods, int nperiods, Wall *wall)
{
	WindowCalendar calendar = {0};

	calendar.periods = periods;
	calendar.nperiods = nperiods;
	calendar.clock.ctx = wall;
	calendar.clock.offset = wall_offset;
	return calendar;
}

static int64_t
due(const WindowCalendar *calendar, int64_t start, int64_t amount)
{
	int64_t		result = -1;

	return nurture_window_add(calendar, start, amount, &result) ? result : -1;
}

static void
test_office(void)
{
	WindowCalendar calendar = make(office, 5, &greenwich);
	int32_t		holidays[] = {
		nurture_day_from_civil(2026, 1, 1), nurture_day_from_civil(2026, 1, 6)
	};
	int64_t		monday = utc(2026, 1, 5, 0, 0);

	/* within a day, to its end and over the night */
	CHECK(due(&calendar, monday + 10 * HOUR, 4 * HOUR) == monday + 14 * HOUR);
	CHECK(due(&calendar, monday + 9 * HOUR, 8 * HOUR) == monday + 17 * HOUR);
	CHECK(due(&calendar, monday + 9 * HOUR, 8 * HOUR + 1) ==
		  monday + 33 * HOUR + 1);
	CHECK(due(&calendar, monday + 16 * HOUR, 2 * HOUR) == monday + 34 * HOUR);
	/* from before and after hours */
	CHECK(due(&calendar, monday, HOUR) == monday + 10 * HOUR);
	CHECK(due(&calendar, monday + 20 * HOUR, HOUR) == monday + 34 * HOUR);
	/* nothing to wait for */
	CHECK(due(&calendar, monday, 0) == monday);
	CHECK(due(&calendar, monday, -5) == monday);
	/* a week is forty hours; Friday evening goes to Monday */
	CHECK(due(&calendar, monday, 40 * HOUR) == utc(2026, 1, 9, 17, 0));
	CHECK(due(&calendar, utc(2026, 1, 9, 16, 30), HOUR) ==
		  utc(2026, 1, 12, 9, 30));
	CHECK(due(&calendar, utc(2026, 1, 10, 12, 0), HOUR) ==
		  utc(2026, 1, 12, 10, 0));
	CHECK(nurture_window_between(&calendar, monday, monday + 7 * 24 * HOUR) ==
		  40 * HOUR);
	CHECK(nurture_window_between(&calendar, monday + 16 * HOUR,
								 monday + 34 * HOUR) == 2 * HOUR);
	CHECK(nurture_window_between(&calendar, monday + 34 * HOUR,
								 monday + 16 * HOUR) == -2 * HOUR);
	CHECK(nurture_window_between(&calendar, monday, monday) == 0);
	/* holidays */
	calendar.holidays = holidays;
	calendar.nholidays = 2;
	CHECK(due(&calendar, monday + 16 * HOUR, 2 * HOUR) ==
		  utc(2026, 1, 7, 10, 0));
	CHECK(due(&calendar, utc(2025, 12, 31, 16, 0), 2 * HOUR) ==
		  utc(2026, 1, 2, 10, 0));
	CHECK(nurture_window_between(&calendar, monday, monday + 7 * 24 * HOUR) ==
		  32 * HOUR);
	/* edges belong to the begin, not to the end */
	CHECK(!nurture_window_works(&calendar, monday + 9 * HOUR - 1));
	CHECK(nurture_window_works(&calendar, monday + 9 * HOUR));
	CHECK(nurture_window_works(&calendar, monday + 17 * HOUR - 1));
	CHECK(!nurture_window_works(&calendar, monday + 17 * HOUR));
	CHECK(!nurture_window_works(&calendar, utc(2026, 1, 6, 12, 0)));
	/* before 1970 */
	CHECK(due(&calendar, utc(1969, 12, 26, 16, 0), 2 * HOUR) ==
		  utc(1969, 12, 29, 10, 0));
}

static void
test_daylight_saving(void)
{
	static const WindowPeriod night[] = {
		{6, 22 * 3600, 86400}, {7, 0, 6 * 3600}
	};
	WindowCalendar calendar = make(office, 5, &berlin);
	WindowCalendar nights = make(night, 2, &berlin);
	WindowCalendar all = make(always, 7, &berlin);

	/* nine o'clock is 8:00 UTC in winter, 7:00 in summer */
	CHECK(due(&calendar, utc(2026, 3, 27, 15, 0), 2 * HOUR) ==
		  utc(2026, 3, 30, 8, 0));
	CHECK(due(&calendar, utc(2026, 10, 23, 14, 0), 2 * HOUR) ==
		  utc(2026, 10, 26, 9, 0));
	CHECK(nurture_window_between(&calendar, utc(2026, 3, 23, 0, 0),
								 utc(2026, 4, 6, 0, 0)) == 80 * HOUR);
	/* the night that loses an hour has seven, the one that gains it nine */
	CHECK(nurture_window_between(&nights, utc(2026, 3, 28, 12, 0),
								 utc(2026, 3, 29, 12, 0)) == 7 * HOUR);
	CHECK(nurture_window_between(&nights, utc(2026, 10, 24, 12, 0),
								 utc(2026, 10, 25, 12, 0)) == 9 * HOUR);
	CHECK(nurture_window_between(&nights, utc(2026, 10, 17, 12, 0),
								 utc(2026, 10, 18, 12, 0)) == 8 * HOUR);
	/* round the clock the wall does not matter */
	CHECK(nurture_window_between(&all, utc(2026, 1, 1, 0, 0),
								 utc(2027, 1, 1, 0, 0)) == 365 * 24 * HOUR);
	CHECK(due(&all, utc(2026, 3, 28, 23, 30), 5 * HOUR) ==
		  utc(2026, 3, 29, 4, 30));
}

static void
test_never(void)
{
	WindowCalendar empty = make(NULL, 0, &greenwich);
	WindowCalendar holidays = make(office, 5, &greenwich);
	static int32_t days[NURTURE_WINDOW_MAX_DAYS + 10];
	int64_t		start = utc(2026, 1, 5, 0, 0);
	int64_t		result = 77;

	CHECK(!nurture_window_add(&empty, start, 1, &result));
	CHECK(result == 77);
	CHECK(nurture_window_between(&empty, start, start + 1000 * HOUR) == 0);
	CHECK(!nurture_window_works(&empty, start));
	for (int i = 0; i < NURTURE_WINDOW_MAX_DAYS + 10; i++)
		days[i] = nurture_day_from_civil(2026, 1, 4) + i;
	holidays.holidays = days;
	holidays.nholidays = NURTURE_WINDOW_MAX_DAYS + 10;
	CHECK(!nurture_window_add(&holidays, start, 1, &result));
	holidays.nholidays = 300;
	CHECK(nurture_window_add(&holidays, start, 1, &result));
}

static void
test_normalize(void)
{
	WindowPeriod periods[] = {
		{5, 100, 200}, {1, 500, 600}, {1, 100, 300}, {1, 250, 400},
		{1, 400, 450}, {5, 300, 300}, {1, 120, 130}, {5, 150, 300}
	};

	CHECK(nurture_window_normalize(periods, 8) == 3);
	CHECK(periods[0].weekday == 1 && periods[0].from == 100 &&
		  periods[0].to == 450);
	CHECK(periods[1].weekday == 1 && periods[1].from == 500 &&
		  periods[1].to == 600);
	CHECK(periods[2].weekday == 5 && periods[2].from == 100 &&
		  periods[2].to == 300);
	CHECK(nurture_window_normalize(periods, 0) == 0);
}

/* Tells the same as nurture_window_works, by looking at the wall. */
static bool
oracle_works(const WindowCalendar *calendar, int64_t instant)
{
	int64_t		until;
	int64_t		wall = instant +
	calendar->clock.offset(calendar->clock.ctx, instant, &until);
	int64_t		day = 0;
	int64_t		second;
	int			weekday = 4;

	/* from 1970-01-01, a Thursday, day by day; instants here are after it */
	day = wall / 86400;
	second = wall - day * 86400;
	weekday = (int) ((day + 3) % 7) + 1;
	for (int i = 0; i < calendar->nholidays; i++)
	{
		if (calendar->holidays[i] == day)
			return false;
	}
	for (int i = 0; i < calendar->nperiods; i++)
	{
		if (calendar->periods[i].weekday == weekday &&
			calendar->periods[i].from <= second &&
			second < calendar->periods[i].to)
			return true;
	}
	return false;
}

/* Random calendars and clocks, counted minute by minute. */
static void
test_random(void)
{
	int			wrong = 0;

	for (int round = 0; round < 300; round++)
	{
		WindowPeriod periods[12];
		int			nperiods = (int) random_below(12);
		int32_t		holidays[4];
		Wall		wall = {1, {INT64_MIN}, {0}};
		WindowCalendar calendar;
		int64_t		start = utc(2026, 1, 1, 0, 0) +
		60 * (int64_t) random_below(20 * 1440);
		int64_t		span = 60 * (int64_t) random_below(12 * 1440);
		int64_t		count = 0;

		for (int i = 0; i < nperiods; i++)
		{
			periods[i].weekday = 1 + (int) random_below(7);
			periods[i].from = 60 * (int32_t) random_below(1440);
			periods[i].to = periods[i].from +
				60 * (1 + (int32_t) random_below(600));
			if (periods[i].to > 86400)
				periods[i].to = 86400;
		}
		for (int i = 0; i < 4; i++)
			holidays[i] = nurture_day_from_civil(2026, 1, 1) + 8 * i +
				(int32_t) random_below(8);
		wall.n = 1 + (int) random_below(4);
		for (int i = 0; i < wall.n; i++)
		{
			wall.offsets[i] = 900 * ((int32_t) random_below(110) - 52);
			wall.changes[i] = i == 0 ? INT64_MIN :
				utc(2026, 1, 8 * i, 0, 0) +
				60 * (int64_t) random_below(4000);
		}
		nperiods = nurture_window_normalize(periods, nperiods);
		calendar = make(periods, nperiods, &wall);
		calendar.holidays = holidays;
		calendar.nholidays = 4;
		for (int64_t instant = start; instant < start + span; instant += 60)
		{
			bool		works = oracle_works(&calendar, instant);

			if (works != nurture_window_works(&calendar, instant))
				wrong++;
			if (works)
			{
				count += 60;
				/* the end of this working minute */
				if (random_below(200) == 0 &&
					due(&calendar, start, count) != instant + 60)
					wrong++;
			}
		}
		if (nurture_window_between(&calendar, start, start + span) != count)
			wrong++;
	}
	CHECK(wrong == 0);
}

int
main(void)
{
	berlin.changes[1] = utc(2026, 3, 29, 1, 0);
	berlin.changes[2] = utc(2026, 10, 25, 1, 0);
	property_start();
	test_office();
	test_daylight_saving();
	test_never();
	test_normalize();
	test_random();
	return property_finish();
}
