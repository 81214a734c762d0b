/*
 * wall.h
 *	  Clocks on walls: what an instant is called in a time zone.
 *
 * Instants are UTC seconds since 1970-01-01.  The zone is the caller's: for an
 * instant it tells the offset from UTC and until when that stays.  Time is
 * walked in pieces, stretches of one wall day with one offset: within a piece
 * wall time and real time run alike, so that gaps and overlaps of daylight
 * saving need no case of their own.
 */
#ifndef NURTURE_CORE_WALL_H
#define NURTURE_CORE_WALL_H

#include <stdint.h>

#define NURTURE_WALL_DAY		86400	/* seconds of a wall day */
#define NURTURE_WALL_FOREVER	INT64_MAX	/* an offset that stays for good */

typedef struct WallClock
{
	void	   *ctx;			/* handed to offset */
	/* seconds east of UTC at an instant, and the first instant with others */
	int32_t		(*offset) (void *ctx, int64_t instant, int64_t *until);
} WallClock;

/* A stretch of instants on one wall day, with one offset. */
typedef struct WallPiece
{
	int64_t		from;			/* first instant, the one asked for */
	int64_t		to;				/* end, not included */
	int64_t		midnight;		/* instant at which the wall showed 00:00, as
								 * this offset has it */
	int64_t		day;			/* wall day since 1970-01-01 */
} WallPiece;

extern WallPiece nurture_wall_piece(const WallClock *clock, int64_t instant);
extern int	nurture_wall_weekday(int64_t day);
extern int64_t nurture_wall_floor(int64_t a, int64_t b);

#endif							/* NURTURE_CORE_WALL_H */
