/*
 * zone.c
 *	  Time zones of the server as the clocks that src/core asks.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/zone.h"
#include "pgtime.h"

#define MAX_ZONE_NAME	64

/*
 * Returns a zone of the tz database by its name, NULL when it is none.
 * pg_tzset also takes rules such as "UTC+2", which POSIX reads as two hours
 * west: a name that is no file of the database is nothing anybody meant.
 */
pg_tz	   *
nurture_zone_named(const char *name)
{
	if (name == NULL || strlen(name) > MAX_ZONE_NAME ||
		strpbrk(name, ",<") != NULL || strstr(name, "..") != NULL ||
		(strchr(name, '/') == NULL && strcmp(name, "UTC") != 0))
		return NULL;
	return pg_tzset(name);
}

void
nurture_zone_set(Zone *zone, pg_tz *tz)
{
	zone->tz = tz;
	zone->from = zone->until = 0;
	zone->offset = 0;
}

/* The offset of a zone at an instant, and until when it stays. */
static int32_t
zone_offset(void *ctx, int64_t instant, int64_t *until)
{
	Zone	   *zone = ctx;
	pg_time_t	asked = (pg_time_t) instant;
	pg_time_t	boundary;
	long		before;
	long		after;
	int			before_dst;
	int			after_dst;
	int			found = -1;

	if (instant < zone->from || instant >= zone->until)
	{
		if (zone->tz != NULL)
			found = pg_next_dst_boundary(&asked, &before, &before_dst,
										 &boundary, &after, &after_dst,
										 zone->tz);
		zone->from = instant;
		zone->until = found > 0 ? (int64) boundary : NURTURE_WALL_FOREVER;
		zone->offset = found >= 0 ? (int32) before : 0;
	}
	*until = zone->until;
	return zone->offset;
}

WallClock
nurture_zone_clock(Zone *zone)
{
	WallClock	clock = {zone, zone_offset};

	return clock;
}

int64
nurture_unix_seconds(TimestampTz instant)
{
	int64		seconds = instant / USECS_PER_SEC;

	if (instant % USECS_PER_SEC < 0)
		seconds--;
	return seconds + (int64) NURTURE_EPOCH_OFFSET_DAYS * SECS_PER_DAY;
}

TimestampTz
nurture_from_unix(int64 seconds)
{
	return (seconds - (int64) NURTURE_EPOCH_OFFSET_DAYS * SECS_PER_DAY) *
		USECS_PER_SEC;
}
