/*
 * zone.h
 *	  Time zones of the server as the clocks that src/core asks.
 */
#ifndef NURTURE_ZONE_H
#define NURTURE_ZONE_H

#include "base/compat.h"
#include "core/wall.h"
#include "datatype/timestamp.h"
#include "pgtime.h"

/* A zone, and the offset it answered last: most questions are about now. */
typedef struct Zone
{
	pg_tz	   *tz;				/* NULL = UTC */
	int64		from;			/* UTC seconds since 1970 */
	int64		until;			/* end of the stretch, not included */
	int32		offset;			/* seconds east of UTC in it */
} Zone;

/* Returns a zone of the tz database by its name, NULL when it is none. */
extern pg_tz *nurture_zone_named(const char *name);

extern void nurture_zone_set(Zone *zone, pg_tz *tz);

/* Returns the zone as a clock, good as long as *zone. */
extern WallClock nurture_zone_clock(Zone *zone);

/* Instants as whole UTC seconds since 1970, rounded down, and back. */
extern int64 nurture_unix_seconds(TimestampTz instant);
extern TimestampTz nurture_from_unix(int64 seconds);

#endif							/* NURTURE_ZONE_H */
