/*
 * window.c
 *	  Working time on calendars with weekly hours, holidays and a wall clock.
 *
 * Time is walked in the pieces of wall.h, in each of which a period is one
 * interval of instants.
 */
#include "window.h"

#include <stddef.h>

static bool
is_holiday(const WindowCalendar *calendar, int64_t day)
{
	int			low = 0;
	int			high = calendar->nholidays;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (calendar->holidays[middle] < day)
			low = middle + 1;
		else
			high = middle;
	}
	return low < calendar->nholidays && calendar->holidays[low] == day;
}

/*
 * Finds the next working stretch of a piece from *at on; false when there is
 * none.  *at becomes its begin.
 */
static bool
next_stretch(const WindowCalendar *calendar, const WallPiece *piece, int64_t *at,
			 int64_t *end)
{
	int			weekday;

	if (is_holiday(calendar, piece->day))
		return false;
	weekday = nurture_wall_weekday(piece->day);
	for (int i = 0; i < calendar->nperiods; i++)
	{
		const WindowPeriod *period = &calendar->periods[i];
		int64_t		from = piece->midnight + period->from;
		int64_t		to = piece->midnight + period->to;

		if (period->weekday != weekday)
			continue;
		if (from < *at)
			from = *at;
		if (to > piece->to)
			to = piece->to;
		if (from < to)
		{
			*at = from;
			*end = to;
			return true;
		}
	}
	return false;
}

/*
 * Sorts periods by weekday and begin and joins those that overlap or touch;
 * answers how many are left.
 */
int
nurture_window_normalize(WindowPeriod *periods, int n)
{
	int			left = 0;

	for (int i = 1; i < n; i++)
	{
		WindowPeriod moving = periods[i];
		int			j = i;

		while (j > 0 && (periods[j - 1].weekday > moving.weekday ||
						 (periods[j - 1].weekday == moving.weekday &&
						  periods[j - 1].from > moving.from)))
		{
			periods[j] = periods[j - 1];
			j--;
		}
		periods[j] = moving;
	}
	for (int i = 0; i < n; i++)
	{
		WindowPeriod *last = left > 0 ? &periods[left - 1] : NULL;

		if (periods[i].from >= periods[i].to)
			continue;
		if (last != NULL && last->weekday == periods[i].weekday &&
			periods[i].from <= last->to)
		{
			if (periods[i].to > last->to)
				last->to = periods[i].to;
		}
		else
			periods[left++] = periods[i];
	}
	return left;
}

/* Tells whether an instant is working time. */
bool
nurture_window_works(const WindowCalendar *calendar, int64_t instant)
{
	WallPiece	piece = nurture_wall_piece(&calendar->clock, instant);
	int64_t		at = instant;
	int64_t		end;

	return next_stretch(calendar, &piece, &at, &end) && at == instant;
}

/*
 * Finds the instant at which an amount of working seconds has passed since
 * start: the end of a working stretch rather than the begin of the next.
 * False when the calendar does not work that much within
 * NURTURE_WINDOW_MAX_DAYS.
 */
bool
nurture_window_add(const WindowCalendar *calendar, int64_t start,
				   int64_t amount, int64_t *due)
{
	int64_t		instant = start;
	int64_t		limit = start +
	(int64_t) NURTURE_WINDOW_MAX_DAYS * NURTURE_WALL_DAY;

	if (amount <= 0)
	{
		*due = start;
		return true;
	}
	while (instant < limit)
	{
		WallPiece	piece = nurture_wall_piece(&calendar->clock, instant);
		int64_t		end;

		while (next_stretch(calendar, &piece, &instant, &end))
		{
			if (end - instant >= amount)
			{
				*due = instant + amount;
				return true;
			}
			amount -= end - instant;
			instant = end;
		}
		instant = piece.to;
	}
	return false;
}

/*
 * Answers the working seconds from one instant to another, negative when they
 * are the other way round.
 */
int64_t
nurture_window_between(const WindowCalendar *calendar, int64_t from,
					   int64_t to)
{
	int64_t		sum = 0;
	int64_t		instant = from;

	if (from > to)
		return -nurture_window_between(calendar, to, from);
	while (instant < to)
	{
		WallPiece	piece = nurture_wall_piece(&calendar->clock, instant);
		int64_t		end;

		if (piece.to > to)
			piece.to = to;
		while (next_stretch(calendar, &piece, &instant, &end))
		{
			sum += end - instant;
			instant = end;
		}
		instant = piece.to;
	}
	return sum;
}
