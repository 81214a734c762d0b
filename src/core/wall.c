/*
 * wall.c
 *	  Pieces of time on the clock of a time zone.
 */
#include "wall.h"

/* Answers a / b, rounded down. */
int64_t
nurture_wall_floor(int64_t a, int64_t b)
{
	int64_t		q = a / b;

	return a % b < 0 ? q - 1 : q;
}

/* Answers the piece that begins at an instant. */
WallPiece
nurture_wall_piece(const WallClock *clock, int64_t instant)
{
	WallPiece	piece;
	int64_t		until = NURTURE_WALL_FOREVER;
	int32_t		offset = clock->offset(clock->ctx, instant, &until);

	piece.from = instant;
	piece.day = nurture_wall_floor(instant + offset, NURTURE_WALL_DAY);
	piece.midnight = piece.day * NURTURE_WALL_DAY - offset;
	piece.to = piece.midnight + NURTURE_WALL_DAY;
	if (until > instant && until < piece.to)
		piece.to = until;
	return piece;
}

/* Answers 1 Monday to 7 Sunday; 1970-01-01 was a Thursday. */
int
nurture_wall_weekday(int64_t day)
{
	return (int) (day + 3 - nurture_wall_floor(day + 3, 7) * 7) + 1;
}
