/*
 * contact.c
 *	  The first instant at which every rule of contact policy allows.
 *
 * Each rule answers, for an instant t, the least instant u >= t at which it
 * allows by itself.  So u is t where it allows, and t <= v implies u(t) <= u(v).
 * nurture_contact_next asks the rules in turn until none puts t off:
 *
 * It ends.  t only grows, and each time it does it becomes the end of a window
 * or bar, the begin of a wall day or a change of a wall clock; of those there
 * are finitely many up to the limit, past which the search stops.
 *
 * It is exact.  Let v >= start be any instant at which all rules allow.  t <= v
 * at the begin, and stays so: u(t) <= u(v) = v.  So the instant at which it
 * ends, where all rules allow, is the first of them.
 */
#include "contact.h"

#define WEEK_BEGIN	3			/* 1970-01-01 was a Thursday */

/* Answers when the bar is over. */
static int64_t
barred_next(const ContactRule *rule, int64_t t)
{
	return t >= rule->begin && t < rule->end ? rule->end : t;
}

/*
 * Answers the first instant from t on at which one more message keeps every
 * window at n: n messages in a row that lie within one length forbid what is
 * less than a length from the first and from the last of them.
 */
static int64_t
rolling_next(const ContactRule *rule, int64_t t)
{
	for (int i = 0; i + rule->n <= rule->ntimes; i++)
	{
		int64_t		first = rule->times[i];
		int64_t		last = rule->times[i + rule->n - 1];

		if (last - first < rule->length && t > last - rule->length &&
			t < first + rule->length)
			t = first + rule->length;
	}
	return t;
}

static WallPiece
piece_at(const WallClock *clock, int64_t t)
{
	return nurture_wall_piece(clock, nurture_wall_floor(t, NURTURE_CONTACT_SECOND));
}

/* Answers the number of the wall day, or of its ISO week. */
static int64_t
bucket_of(int64_t day, int days)
{
	return days == 7 ? nurture_wall_floor(day + WEEK_BEGIN, 7) : day;
}

/* Answers how many messages lie in the same wall day or week as t. */
static int
calendar_used(const ContactRule *rule, const WallClock *clock, int64_t t)
{
	/* a wall day or week and what daylight saving may add to it */
	int64_t		reach = (rule->days + 2) * NURTURE_WALL_DAY * NURTURE_CONTACT_SECOND;
	int64_t		bucket = bucket_of(piece_at(clock, t).day, rule->days);
	int			used = 0;

	for (int i = 0; i < rule->ntimes; i++)
	{
		if (rule->times[i] > t - reach && rule->times[i] < t + reach &&
			bucket_of(piece_at(clock, rule->times[i]).day, rule->days) == bucket)
			used++;
	}
	return used;
}

/* Answers the first instant at which another wall day or week shows. */
static int64_t
next_bucket(const ContactRule *rule, const WallClock *clock, int64_t t)
{
	WallPiece	piece = piece_at(clock, t);
	int64_t		bucket = bucket_of(piece.day, rule->days);

	do
		piece = nurture_wall_piece(clock, piece.to);
	while (bucket_of(piece.day, rule->days) == bucket);
	return piece.from * NURTURE_CONTACT_SECOND;
}

static int64_t
calendar_next(const ContactRule *rule, int64_t t, int64_t limit)
{
	bool		moved = true;

	while (moved)
	{
		moved = false;
		for (int i = 0; i < rule->nclocks; i++)
		{
			while (t <= limit && calendar_used(rule, &rule->clocks[i], t) >= rule->n)
			{
				t = next_bucket(rule, &rule->clocks[i], t);
				moved = true;
			}
		}
	}
	return t;
}

static bool
begins_on(const ContactSpan *span, int64_t day)
{
	return (span->weekdays >> (nurture_wall_weekday(day) - 1) & 1) != 0;
}

/*
 * Answers the first instant after t that no span which lasts at t makes quiet,
 * or at which the clock changes; t when none lasts.
 */
static int64_t
quiet_step(const ContactRule *rule, const WallClock *clock, int64_t t)
{
	int64_t		second = nurture_wall_floor(t, NURTURE_CONTACT_SECOND);
	WallPiece	piece = nurture_wall_piece(clock, second);
	int64_t		wall = second - piece.midnight;
	int64_t		end = 0;		/* of wall seconds; 0 = not quiet */

	for (int i = 0; i < rule->nspans; i++)
	{
		const ContactSpan *span = &rule->spans[i];
		int64_t		until = 0;

		if (span->from < span->to)
		{
			if (wall >= span->from && wall < span->to &&
				begins_on(span, piece.day))
				until = span->to;
		}
		else if (wall >= span->from && begins_on(span, piece.day))
			until = NURTURE_WALL_DAY;
		else if (wall < span->to && begins_on(span, piece.day - 1))
			until = span->to;
		if (until > end)
			end = until;
	}
	if (end == 0)
		return t;
	end += piece.midnight;
	return (end < piece.to ? end : piece.to) * NURTURE_CONTACT_SECOND;
}

static int32_t
offset_at(const WallClock *clock, int64_t t)
{
	int64_t		until;

	return clock->offset(clock->ctx,
						 nurture_wall_floor(t, NURTURE_CONTACT_SECOND), &until);
}

static int64_t
quiet_next(const ContactRule *rule, int64_t t, int64_t limit)
{
	bool		moved = true;

	while (moved)
	{
		int32_t		open = 0;	/* offset of a clock that is open at t */

		moved = false;
		for (int i = 0; i < rule->nclocks; i++)
		{
			const WallClock *clock = &rule->clocks[i];
			int64_t		next;

			/* clocks of a country mostly show the same: ask one of them */
			if (i > 0 && offset_at(clock, t) == open)
				continue;
			while (t <= limit && (next = quiet_step(rule, clock, t)) != t)
			{
				t = next;
				moved = true;
			}
			open = offset_at(clock, t);
		}
	}
	return t;
}

/*
 * Answers the first instant from t on at which a rule allows by itself,
 * NURTURE_CONTACT_NEVER when there is none up to the limit.
 */
int64_t
nurture_contact_rule_next(const ContactRule *rule, int64_t t, int64_t limit)
{
	int64_t		next = t;

	switch (rule->kind)
	{
		case CONTACT_ROLLING:
			next = rolling_next(rule, t);
			break;
		case CONTACT_CALENDAR:
			next = calendar_next(rule, t, limit);
			break;
		case CONTACT_BARRED:
			next = barred_next(rule, t);
			break;
		case CONTACT_QUIET:
			next = quiet_next(rule, t, limit);
			break;
	}
	return next > limit ? NURTURE_CONTACT_NEVER : next;
}

/*
 * Answers the first instant from start on at which all rules allow,
 * NURTURE_CONTACT_NEVER when there is none up to the limit, and notes in each
 * rule whether it put anything off and until when.
 */
int64_t
nurture_contact_next(ContactRule *rules, int n, int64_t start, int64_t limit)
{
	int64_t		t = start;
	bool		moved = true;

	for (int i = 0; i < n; i++)
	{
		rules[i].passes_from = nurture_contact_rule_next(&rules[i], start,
														 limit);
		rules[i].passes = rules[i].passes_from == start;
	}
	while (moved && t != NURTURE_CONTACT_NEVER)
	{
		moved = false;
		for (int i = 0; i < n && t != NURTURE_CONTACT_NEVER; i++)
		{
			int64_t		next = nurture_contact_rule_next(&rules[i], t, limit);

			if (next == t)
				continue;
			rules[i].passes = false;
			rules[i].passes_from = next;
			t = next;
			moved = true;
		}
	}
	return t;
}

/*
 * Answers how many messages a cap counts at an instant: in the stretch that
 * ends there, or on the wall day or week; the most of all clocks.
 */
int
nurture_contact_used(const ContactRule *rule, int64_t t)
{
	int			most = 0;

	if (rule->kind == CONTACT_ROLLING)
	{
		int			low = 0;
		int			high = rule->ntimes;

		/* the first of those that are later */
		while (low < high)
		{
			int			middle = low + (high - low) / 2;

			if (rule->times[middle] > t - rule->length)
				high = middle;
			else
				low = middle + 1;
		}
		return rule->ntimes - low;
	}
	for (int i = 0; i < rule->nclocks; i++)
	{
		int			used = calendar_used(rule, &rule->clocks[i], t);

		if (used > most)
			most = used;
	}
	return most;
}
