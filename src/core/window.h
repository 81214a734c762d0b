/*
 * window.h
 *	  Working time: which instants belong to a working calendar, how much of
 *	  it lies between two instants, and when an amount of it has passed.
 *
 * Instants are UTC seconds since 1970-01-01.  An instant works when, by the
 * clock on the calendar's wall, it lies on a day that is no holiday and within
 * one of the weekday's periods.  Working time is real time: a period that
 * loses an hour to daylight saving is an hour shorter, one that gains it is an
 * hour longer, and a piece of wall time that comes twice works twice.
 *
 * The wall clock is the caller's, see wall.h.
 */
#ifndef NURTURE_CORE_WINDOW_H
#define NURTURE_CORE_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "wall.h"

#define NURTURE_WINDOW_MAX_DAYS 3660	/* how far a search for time goes */

/* A part of a weekday, in seconds of the wall clock since midnight. */
typedef struct WindowPeriod
{
	int			weekday;		/* 1 Monday to 7 Sunday */
	int32_t		from;			/* first second */
	int32_t		to;				/* end, not included; at most a day */
} WindowPeriod;

typedef struct WindowCalendar
{
	int			nperiods;
	const WindowPeriod *periods;	/* ascending by weekday and from; none
									 * overlap or touch */
	int			nholidays;
	const int32_t *holidays;	/* days since 1970-01-01, ascending */
	WallClock	clock;
} WindowCalendar;

extern int	nurture_window_normalize(WindowPeriod *periods, int n);
extern bool nurture_window_works(const WindowCalendar *calendar,
								 int64_t instant);
extern bool nurture_window_add(const WindowCalendar *calendar,
							   int64_t start, int64_t amount, int64_t *due);
extern int64_t nurture_window_between(const WindowCalendar *calendar,
									  int64_t from, int64_t to);

#endif							/* NURTURE_CORE_WINDOW_H */
