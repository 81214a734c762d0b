/*
 * contact_test.c
 *	  The first instant at which contact policy allows, against a model that
 *	  tries every minute and reads each rule as it is written.
 */
#include <string.h>

#include "contact.h"
#include "day.h"
#include "property.h"

#define MINUTE	(60 * NURTURE_CONTACT_SECOND)
#define HOUR	(60 * MINUTE)
#define DAY		(24 * HOUR)
#define ROUNDS	4000
#define DAYS	24				/* how far the model looks */

/* A wall clock: offsets[i] holds from changes[i] on; changes[0] is never. */
typedef struct Wall
{
	int			n;
	int64_t		changes[6];
	int32_t		offsets[6];
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
	return nurture_day_from_civil(year, month, dom) * DAY + hour * HOUR +
		minute * MINUTE;
}

/* The model: seconds of the wall since 1970, then what each rule says. */
static int64_t
model_wall(const WallClock *clock, int64_t t)
{
	int64_t		until;
	int64_t		second = t / NURTURE_CONTACT_SECOND;

	return second + clock->offset(clock->ctx, second, &until);
}

static bool
model_quiet(const ContactSpan *span, int64_t wall)
{
	int64_t		day = wall / 86400;
	int64_t		second = wall % 86400;
	bool		today = span->weekdays >> (day + 3) % 7 & 1;
	bool		yesterday = span->weekdays >> (day + 2) % 7 & 1;

	if (span->from < span->to)
		return today && second >= span->from && second < span->to;
	return (today && second >= span->from) || (yesterday && second < span->to);
}

static bool
model_rolling(const ContactRule *rule, int64_t t)
{
	int64_t		times[64];

	memcpy(times, rule->times, sizeof(int64_t) * rule->ntimes);
	times[rule->ntimes] = t;
	/* a window is fullest where it begins with a message; ask those with t */
	for (int i = 0; i <= rule->ntimes; i++)
	{
		int			inside = 0;
		bool		has_t = t >= times[i] && t < times[i] + rule->length;

		for (int j = 0; j <= rule->ntimes; j++)
			inside += times[j] >= times[i] && times[j] < times[i] + rule->length;
		if (has_t && inside > rule->n)
			return false;
	}
	return true;
}

static bool
model_calendar(const ContactRule *rule, const WallClock *clock, int64_t t)
{
	int64_t		day = model_wall(clock, t) / 86400;
	int			same = 0;

	for (int i = 0; i < rule->ntimes; i++)
	{
		int64_t		other = model_wall(clock, rule->times[i]) / 86400;

		same += rule->days == 1 ? other == day : (other + 3) / 7 == (day + 3) / 7;
	}
	return same < rule->n;
}

static bool
model_allows(const ContactRule *rule, int64_t t)
{
	bool		allows = true;

	switch (rule->kind)
	{
		case CONTACT_ROLLING:
			return model_rolling(rule, t);
		case CONTACT_BARRED:
			return t < rule->begin || t >= rule->end;
		case CONTACT_CALENDAR:
			for (int i = 0; i < rule->nclocks; i++)
				allows = allows && model_calendar(rule, &rule->clocks[i], t);
			return allows;
		case CONTACT_QUIET:
			for (int i = 0; i < rule->nclocks; i++)
			{
				for (int j = 0; j < rule->nspans; j++)
					allows = allows &&
						!model_quiet(&rule->spans[j], model_wall(&rule->clocks[i], t));
			}
			return allows;
	}
	return false;
}

static int
compare_times(const void *a, const void *b)
{
	int64_t		x = *(const int64_t *) a;
	int64_t		y = *(const int64_t *) b;

	return x < y ? -1 : x > y;
}

static Wall walls[3];
static WallClock clocks[3];
static int64_t times[6][40];
static ContactSpan spans[6][3];

/* Makes clocks with changes in the days looked at, of an hour or of a day. */
static void
random_clocks(int64_t start)
{
	for (int i = 0; i < 3; i++)
	{
		Wall	   *wall = &walls[i];

		wall->n = 1 + (int) random_below(4);
		wall->offsets[0] = ((int) random_below(53) - 24) * 1800;
		for (int j = 1; j < wall->n; j++)
		{
			static const int32_t steps[] = {3600, -3600, 1800, -1800, 7200, -86400, 86400};
			int64_t		gap = 60 * (int64_t) (1 + random_below(DAYS * 1440 / 4));

			wall->changes[j] = gap + (j == 1 ? start / NURTURE_CONTACT_SECOND : wall->changes[j - 1]);
			wall->offsets[j] = wall->offsets[j - 1] + steps[random_below(random_below(8) ? 4 : 7)];
		}
		/* some clocks show the same */
		clocks[i].ctx = i > 0 && random_below(4) == 0 ? &walls[i - 1] : wall;
		clocks[i].offset = wall_offset;
	}
}

static void
random_rule(ContactRule *rule, int which, int64_t start)
{
	memset(rule, 0, sizeof(*rule));
	rule->kind = (ContactKind) random_below(4);
	rule->n = 1 + (int) random_below(4);
	rule->length = MINUTE * (1 + random_below(4 * 1440));
	rule->days = random_below(2) ? 1 : 7;
	rule->ntimes = (int) random_below(20);
	for (int i = 0; i < rule->ntimes; i++)
		times[which][i] = start + MINUTE * ((int64_t) random_below(16 * 1440) - 6 * 1440);
	qsort(times[which], rule->ntimes, sizeof(int64_t), compare_times);
	rule->times = times[which];
	rule->begin = start + MINUTE * ((int64_t) random_below(8 * 1440) - 3 * 1440);
	rule->end = random_below(40) == 0 ? NURTURE_CONTACT_NEVER :
		rule->begin + MINUTE * (1 + random_below(4 * 1440));
	rule->nclocks = 1 + (int) random_below(3);
	rule->clocks = clocks;
	rule->nspans = 1 + (int) random_below(3);
	for (int i = 0; i < rule->nspans; i++)
	{
		ContactSpan *span = &spans[which][i];

		span->from = 900 * (int32_t) random_below(96);
		span->to = 900 * (int32_t) (1 + random_below(96));
		if (span->from == span->to)
			span->to = span->from % 86400 + 900;
		span->weekdays = random_below(2) ? NURTURE_CONTACT_EVERY_DAY : (uint8_t) random_below(128);
	}
	rule->spans = spans[which];
}

static int64_t
model_next(const ContactRule *rules, int n, int64_t start, int64_t limit)
{
	for (int64_t t = start; t <= limit; t += MINUTE)
	{
		bool		allows = true;

		for (int i = 0; i < n && allows; i++)
			allows = model_allows(&rules[i], t);
		if (allows)
			return t;
	}
	return NURTURE_CONTACT_NEVER;
}

static void
test_model(void)
{
	int			found = 0;
	int			put_off = 0;

	for (int round = 0; round < ROUNDS; round++)
	{
		int64_t		start = utc(2026, 1 + (int) random_below(12), 1 + (int) random_below(28),
								(int) random_below(24), (int) random_below(60));
		int64_t		limit = start + DAYS * DAY;
		ContactRule rules[6];
		int			n = (int) random_below(7);
		int64_t		expected;
		int64_t		got;

		random_clocks(start);
		for (int i = 0; i < n; i++)
			random_rule(&rules[i], i, start);
		expected = model_next(rules, n, start, limit);
		got = nurture_contact_next(rules, n, start, limit);
		CHECK(got == expected);
		found += got != NURTURE_CONTACT_NEVER;
		put_off += got != start && got != NURTURE_CONTACT_NEVER;
		for (int i = 0; i < n; i++)
		{
			if (rules[i].passes)
				CHECK(model_allows(&rules[i], start));
			CHECK(rules[i].passes_from >= start);
			CHECK(rules[i].passes_from == NURTURE_CONTACT_NEVER ||
				  model_allows(&rules[i], rules[i].passes_from));
			CHECK(nurture_contact_rule_next(&rules[i], start, limit) ==
				  model_next(&rules[i], 1, start, limit));
		}
	}
	/* the rounds are worth something */
	CHECK(found > ROUNDS / 2);
	CHECK(put_off > ROUNDS / 4);
}

/* Berlin 2026: summer time from March 29 to October 25, each at 01:00 UTC */
static Wall berlin = {3, {INT64_MIN, 0, 0}, {3600, 7200, 3600}};
static Wall greenwich = {1, {INT64_MIN}, {0}};

/* St. John's 2009: to and from summer time one minute after midnight */
static Wall stjohns = {2, {INT64_MIN, 0}, {-9000, -12600}};

static int64_t
quiet_until(Wall *wall, int from, int to, uint8_t weekdays, int64_t t)
{
	WallClock	clock = {wall, wall_offset};
	ContactSpan span = {from * 60, to * 60, weekdays};
	ContactRule rule = {.kind = CONTACT_QUIET,.nclocks = 1,.clocks = &clock,.nspans = 1,.spans = &span};

	return nurture_contact_rule_next(&rule, t, t + 40 * DAY);
}

static void
test_edges(void)
{
	WallClock	two[2] = {{&berlin, wall_offset}, {&greenwich, wall_offset}};
	ContactSpan night = {20 * 3600, 8 * 3600, NURTURE_CONTACT_EVERY_DAY};
	ContactRule rule = {.kind = CONTACT_QUIET,.nclocks = 2,.clocks = two,.nspans = 1,.spans = &night};
	ContactRule week = {.kind = CONTACT_CALENDAR,.n = 1,.days = 7,.nclocks = 1,.clocks = &two[1],.ntimes = 1};
	int64_t		monday = utc(2026, 12, 28, 9, 0);

	berlin.changes[1] = utc(2026, 3, 29, 1, 0) / NURTURE_CONTACT_SECOND;
	berlin.changes[2] = utc(2026, 10, 25, 1, 0) / NURTURE_CONTACT_SECOND;
	stjohns.changes[1] = utc(2009, 11, 1, 2, 31) / NURTURE_CONTACT_SECOND;

	/* a night, the first and last microsecond of it */
	CHECK(quiet_until(&greenwich, 20 * 60, 8 * 60, 0x7F, utc(2026, 5, 1, 20, 0) - 1) == utc(2026, 5, 1, 20, 0) - 1);
	CHECK(quiet_until(&greenwich, 20 * 60, 8 * 60, 0x7F, utc(2026, 5, 1, 20, 0)) == utc(2026, 5, 2, 8, 0));
	CHECK(quiet_until(&greenwich, 20 * 60, 8 * 60, 0x7F, utc(2026, 5, 2, 8, 0) - 1) == utc(2026, 5, 2, 8, 0));
	CHECK(quiet_until(&greenwich, 20 * 60, 8 * 60, 0x7F, utc(2026, 12, 31, 23, 0)) == utc(2027, 1, 1, 8, 0));
	/* the short and the long night */
	CHECK(quiet_until(&berlin, 20 * 60, 8 * 60, 0x7F, utc(2026, 3, 28, 20, 0)) == utc(2026, 3, 29, 6, 0));
	CHECK(quiet_until(&berlin, 20 * 60, 8 * 60, 0x7F, utc(2026, 10, 24, 20, 0)) == utc(2026, 10, 25, 7, 0));

	/*
	 * an end within the gap is where the clock goes on; one within the
	 * overlap comes twice
	 */
	CHECK(quiet_until(&berlin, 60, 150, 0x7F, utc(2026, 3, 29, 0, 30)) == utc(2026, 3, 29, 1, 0));
	CHECK(quiet_until(&berlin, 60, 150, 0x7F, utc(2026, 10, 25, 0, 0)) == utc(2026, 10, 25, 0, 30));
	CHECK(quiet_until(&berlin, 60, 150, 0x7F, utc(2026, 10, 25, 0, 59)) == utc(2026, 10, 25, 0, 59));
	CHECK(quiet_until(&berlin, 60, 150, 0x7F, utc(2026, 10, 25, 1, 0)) == utc(2026, 10, 25, 1, 30));
	/* Saturday night: into Sunday, not into Saturday */
	CHECK(quiet_until(&greenwich, 22 * 60, 8 * 60, 1 << 5, utc(2026, 5, 2, 23, 0)) == utc(2026, 5, 3, 8, 0));
	CHECK(quiet_until(&greenwich, 22 * 60, 8 * 60, 1 << 5, utc(2026, 5, 2, 7, 0)) == utc(2026, 5, 2, 7, 0));
	/* all day, every day: never; on one weekday until the next */
	CHECK(quiet_until(&greenwich, 0, 1440, 0x7F, monday) == NURTURE_CONTACT_NEVER);
	CHECK(quiet_until(&greenwich, 0, 1440, 1, monday) == utc(2026, 12, 29, 0, 0));
	/* two zones: open where both are */
	CHECK(nurture_contact_rule_next(&rule, utc(2026, 6, 1, 6, 0), INT64_MAX - 1) == utc(2026, 6, 1, 8, 0));
	CHECK(nurture_contact_rule_next(&rule, utc(2026, 6, 1, 18, 0), INT64_MAX - 1) == utc(2026, 6, 2, 8, 0));
	/* the ISO week over the turn of the year; Monday to Sunday */
	week.times = &monday;
	CHECK(nurture_contact_rule_next(&week, utc(2027, 1, 3, 23, 59), INT64_MAX - 1) == utc(2027, 1, 4, 0, 0));
	CHECK(nurture_contact_rule_next(&week, utc(2026, 12, 27, 23, 59), INT64_MAX - 1) == utc(2026, 12, 27, 23, 59));
	CHECK(nurture_contact_used(&week, utc(2027, 1, 3, 23, 59)) == 1);
	/* a day that shows for one minute, and again an hour later */
	week.days = 1;
	two[1].ctx = &stjohns;
	monday = utc(2009, 10, 31, 20, 0);
	CHECK(nurture_contact_rule_next(&week, utc(2009, 11, 1, 1, 0), INT64_MAX - 1) == utc(2009, 11, 1, 2, 30));
	CHECK(nurture_contact_rule_next(&week, utc(2009, 11, 1, 2, 31), INT64_MAX - 1) == utc(2009, 11, 1, 3, 30));
	/* nothing to ask */
	CHECK(nurture_contact_next(NULL, 0, monday, monday) == monday);
}

int
main(void)
{
	property_start();
	test_edges();
	test_model();
	return property_finish();
}
