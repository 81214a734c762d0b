/*
 * tally.c
 *	  Reading, comparing and making tallies; see tally.h for the format.
 */
#include "tally.h"

_Static_assert(sizeof(TallyEntry) == NURTURE_TALLY_ENTRY_SIZE,
			   "a tally entry is its own stored form");

/* Entries of a tally in order, folded to a roll day on the way. */
typedef struct Cursor
{
	Tally		t;
	uint32_t	i;				/* next entry to read */
	uint16_t	roll;			/* days before it are folded */
	bool		folding;		/* roll is later than the tally's own */
	bool		pending;		/* an ever count went out, its days follow */
	uint32_t	pending_days;
	bool		valid;			/* entry holds something */
	bool		mixed;			/* entry is an ever count with single days */
	TallyEntry	entry;
} Cursor;

/* Where a new tally is written. */
typedef struct Writer
{
	unsigned char *out;
	size_t		n;				/* entries written */
} Writer;

/*
 * Answers the place of an entry in the order of a tally.
 */
static inline uint32_t
sort_key(TallyEntry e)
{
	return (uint32_t) e.key << 16 | e.day;
}

/*
 * Adds two counts; the sum saturates.
 */
static inline uint32_t
add_counts(uint32_t a, uint32_t b)
{
	return a > UINT32_MAX - b ? NURTURE_TALLY_SATURATED : a + b;
}

/*
 * Takes a large number as a count.
 */
static inline uint32_t
clamp_count(uint64_t n)
{
	return n > UINT32_MAX ? NURTURE_TALLY_SATURATED : (uint32_t) n;
}

/*
 * Moves to the next entry; the ever pair of a key leaves as two entries.
 */
static inline void
cursor_next(Cursor *c)
{
	uint64_t	ever = 0;
	uint64_t	days = 0;
	TallyEntry	e;

	c->mixed = false;
	if (c->pending)
	{
		c->pending = false;
		c->entry.day = NURTURE_TALLY_FOLDED_DAYS;
		c->entry.count = c->pending_days;
		return;
	}
	if (c->i == c->t.n)
	{
		c->valid = false;
		return;
	}
	e = nurture_tally_entry(&c->t, c->i);
	if (!c->folding || e.day >= c->roll)
	{
		c->i++;
		c->entry = e;
		return;
	}
	c->entry.key = e.key;
	do
	{
		if (e.day == NURTURE_TALLY_EVER)
			ever += e.count;
		else if (e.day == NURTURE_TALLY_FOLDED_DAYS)
			days += e.count;
		else
		{
			ever += e.count;
			days++;
			c->mixed = true;
		}
		if (++c->i == c->t.n)
			break;
		e = nurture_tally_entry(&c->t, c->i);
	} while (e.key == c->entry.key && e.day < c->roll);
	c->entry.day = NURTURE_TALLY_EVER;
	c->entry.count = clamp_count(ever);
	c->pending = true;
	c->pending_days = clamp_count(days);
}

/*
 * Starts a cursor on the first entry.
 */
static inline void
cursor_start(Cursor *c, const Tally *t, uint16_t roll)
{
	memset(c, 0, sizeof(*c));
	c->t = *t;
	c->roll = roll;
	c->folding = roll > t->roll_day;
	c->valid = true;
	cursor_next(c);
}

/*
 * Appends an entry.
 */
static inline void
put(Writer *w, TallyEntry e)
{
	memcpy(w->out + NURTURE_TALLY_HEADER_SIZE +
		   w->n * NURTURE_TALLY_ENTRY_SIZE, &e, sizeof(e));
	w->n++;
}

/*
 * Writes the header over the entries and answers how it went.
 */
static TallyStatus
finish(Writer *w, uint16_t roll, size_t *outlen)
{
	if (w->n > NURTURE_TALLY_MAX_ENTRIES)
		return TALLY_TOO_LARGE;
	w->out[0] = NURTURE_TALLY_VERSION;
	w->out[1] = 0;
	memcpy(w->out + 2, &roll, sizeof(roll));
	*outlen = NURTURE_TALLY_HEADER_SIZE + w->n * NURTURE_TALLY_ENTRY_SIZE;
	return TALLY_OK;
}

/*
 * Answers the later of two roll days, taking those before any day as never.
 */
static inline uint16_t
later_roll(uint16_t a, uint16_t b)
{
	uint16_t	roll = a > b ? a : b;

	return roll < NURTURE_TALLY_FIRST_DAY ? 0 : roll;
}

const char *
nurture_tally_status_text(TallyStatus status)
{
	switch (status)
	{
		case TALLY_OK:
			return "no error";
		case TALLY_TRUNCATED:
			return "tally is truncated";
		case TALLY_BAD_VERSION:
			return "tally has an unknown version or unknown flags";
		case TALLY_BAD_ORDER:
			return "tally entries are not in ascending order";
		case TALLY_BAD_COUNT:
			return "tally holds an impossible count";
		case TALLY_BAD_DAY:
			return "tally holds an impossible day";
		case TALLY_BAD_TEXT:
			return "tally text is not understood";
		case TALLY_UNDERFLOW:
			return "tally does not contain what is subtracted from it";
		case TALLY_NEEDS_REBUILD:
			return "saturated or folded counts cannot be subtracted from";
		case TALLY_TOO_LARGE:
			return "tally has too many entries";
	}
	return "unknown tally status";
}

/*
 * Answers a view of bytes that are known to be a tally.
 */
Tally
nurture_tally_view(const unsigned char *bytes, size_t len)
{
	Tally		t = {bytes, 0, 0};

	if (len < NURTURE_TALLY_HEADER_SIZE)
		return t;
	t.entries = bytes + NURTURE_TALLY_HEADER_SIZE;
	t.n = (uint32_t) ((len - NURTURE_TALLY_HEADER_SIZE) /
					  NURTURE_TALLY_ENTRY_SIZE);
	memcpy(&t.roll_day, bytes + 2, sizeof(t.roll_day));
	return t;
}

/*
 * Answers whether bytes are a tally in its one canonical form.
 */
TallyStatus
nurture_tally_check(const unsigned char *bytes, size_t len, Tally *view)
{
	Tally		t;
	TallyEntry	before = {0, 0, 0};
	bool		half = false;	/* the entry before opened an ever pair */

	if (len < NURTURE_TALLY_HEADER_SIZE ||
		(len - NURTURE_TALLY_HEADER_SIZE) % NURTURE_TALLY_ENTRY_SIZE != 0)
		return TALLY_TRUNCATED;
	if (bytes[0] != NURTURE_TALLY_VERSION || bytes[1] != 0)
		return TALLY_BAD_VERSION;
	if ((len - NURTURE_TALLY_HEADER_SIZE) / NURTURE_TALLY_ENTRY_SIZE >
		NURTURE_TALLY_MAX_ENTRIES)
		return TALLY_TOO_LARGE;
	t = nurture_tally_view(bytes, len);
	if (t.roll_day != 0 && t.roll_day < NURTURE_TALLY_FIRST_DAY)
		return TALLY_BAD_DAY;
	for (uint32_t i = 0; i < t.n; i++)
	{
		TallyEntry	e = nurture_tally_entry(&t, i);
		bool		closes;

		if (i > 0 && sort_key(e) <= sort_key(before))
			return TALLY_BAD_ORDER;
		if (e.count == 0)
			return TALLY_BAD_COUNT;
		closes = e.day == NURTURE_TALLY_FOLDED_DAYS;
		if (closes ? !half || e.key != before.key : half)
			return TALLY_BAD_DAY;
		if (closes && e.count > before.count)
			return TALLY_BAD_COUNT;
		if (e.day >= NURTURE_TALLY_FIRST_DAY && e.day < t.roll_day)
			return TALLY_BAD_DAY;
		half = e.day == NURTURE_TALLY_EVER;
		before = e;
	}
	if (half)
		return TALLY_BAD_DAY;
	*view = t;
	return TALLY_OK;
}

/*
 * Answers how often a key occurred from one day to another.
 */
uint64_t
nurture_tally_count(const Tally *t, uint16_t key, int32_t from_day,
					int32_t to_day)
{
	uint64_t	sum = 0;
	uint16_t	from;

	if (from_day > NURTURE_TALLY_LAST_DAY)
		return 0;
	from = from_day == INT32_MIN ? NURTURE_TALLY_EVER :
		from_day < NURTURE_TALLY_FIRST_DAY ? NURTURE_TALLY_FIRST_DAY :
		(uint16_t) from_day;
	for (uint32_t i = nurture_tally_search(t, key, from); i < t->n; i++)
	{
		TallyEntry	e = nurture_tally_entry(t, i);

		if (e.key != key)
			break;
		if (e.day == NURTURE_TALLY_FOLDED_DAYS)
			continue;
		if (e.day != NURTURE_TALLY_EVER && e.day > to_day)
			break;
		sum += e.count;
	}
	return sum;
}

/*
 * Answers the last day of a key.
 */
int32_t
nurture_tally_last(const Tally *t, uint16_t key)
{
	uint32_t	i = nurture_tally_search(t, key, NURTURE_TALLY_LAST_DAY);
	TallyEntry	e;

	if (i < t->n)
	{
		e = nurture_tally_entry(t, i);
		if (e.key == key && e.day == NURTURE_TALLY_LAST_DAY)
			return e.day;
	}
	if (i == 0)
		return NURTURE_TALLY_NO_DAY;
	e = nurture_tally_entry(t, i - 1);
	if (e.key != key)
		return NURTURE_TALLY_NO_DAY;
	return e.day < NURTURE_TALLY_FIRST_DAY ? NURTURE_TALLY_EVER : e.day;
}

/*
 * Answers how many occurrences a tally holds, all keys and days together.
 */
uint64_t
nurture_tally_total(const Tally *t)
{
	uint64_t	sum = 0;

	for (uint32_t i = 0; i < t->n; i++)
	{
		TallyEntry	e = nurture_tally_entry(t, i);

		if (e.day != NURTURE_TALLY_FOLDED_DAYS)
			sum += e.count;
	}
	return sum;
}

/*
 * Answers the earliest day that is kept singly.
 */
int32_t
nurture_tally_first(const Tally *t)
{
	int32_t		first = NURTURE_TALLY_NO_DAY;

	for (uint32_t i = 0; i < t->n; i++)
	{
		TallyEntry	e = nurture_tally_entry(t, i);

		if (e.day >= NURTURE_TALLY_FIRST_DAY &&
			(first == NURTURE_TALLY_NO_DAY || e.day < first))
			first = e.day;
	}
	return first;
}

/*
 * Answers the order of two tallies: negative, zero or positive.
 */
int
nurture_tally_compare(const Tally *a, const Tally *b)
{
	uint32_t	n = a->n < b->n ? a->n : b->n;

	for (uint32_t i = 0; i < n; i++)
	{
		TallyEntry	x = nurture_tally_entry(a, i);
		TallyEntry	y = nurture_tally_entry(b, i);

		if (sort_key(x) != sort_key(y))
			return sort_key(x) < sort_key(y) ? -1 : 1;
		if (x.count != y.count)
			return x.count < y.count ? -1 : 1;
	}
	if (a->n != b->n)
		return a->n < b->n ? -1 : 1;
	return (a->roll_day > b->roll_day) - (a->roll_day < b->roll_day);
}

/*
 * Answers whether two tallies are the same bytes.
 */
bool
nurture_tally_equal(const Tally *a, const Tally *b)
{
	return a->n == b->n && a->roll_day == b->roll_day &&
		(a->n == 0 ||
		 memcmp(a->entries, b->entries,
				(size_t) a->n * NURTURE_TALLY_ENTRY_SIZE) == 0);
}

/*
 * Answers how many bytes a tally of this view has.
 */
size_t
nurture_tally_size(const Tally *t)
{
	return NURTURE_TALLY_HEADER_SIZE +
		(size_t) t->n * NURTURE_TALLY_ENTRY_SIZE;
}

/*
 * Answers the bytes a tally may need folded to a day: each key may gain one
 * entry, when its only folded day becomes a pair.
 */
static size_t
folded_bound(const Tally *t, uint16_t roll)
{
	return (size_t) t->n * NURTURE_TALLY_ENTRY_SIZE *
		(roll > t->roll_day ? 2 : 1);
}

size_t
nurture_tally_add_bound(const Tally *a, const Tally *b)
{
	uint16_t	roll = later_roll(a->roll_day, b->roll_day);

	return NURTURE_TALLY_HEADER_SIZE + folded_bound(a, roll) +
		folded_bound(b, roll);
}

/*
 * Writes the sum of two tallies.
 */
TallyStatus
nurture_tally_add(const Tally *a, const Tally *b, unsigned char *out,
				  size_t *outlen)
{
	uint16_t	roll = later_roll(a->roll_day, b->roll_day);
	Writer		w = {out, 0};
	Cursor		x;
	Cursor		y;

	cursor_start(&x, a, roll);
	cursor_start(&y, b, roll);
	while (x.valid && y.valid)
	{
		uint32_t	kx = sort_key(x.entry);
		uint32_t	ky = sort_key(y.entry);

		if (kx < ky)
		{
			put(&w, x.entry);
			cursor_next(&x);
		}
		else if (ky < kx)
		{
			put(&w, y.entry);
			cursor_next(&y);
		}
		else
		{
			TallyEntry	e = x.entry;

			e.count = add_counts(e.count, y.entry.count);
			put(&w, e);
			cursor_next(&x);
			cursor_next(&y);
		}
	}
	for (; x.valid; cursor_next(&x))
		put(&w, x.entry);
	for (; y.valid; cursor_next(&y))
		put(&w, y.entry);
	return finish(&w, roll, outlen);
}

size_t
nurture_tally_subtract_bound(const Tally *a, const Tally *b)
{
	return NURTURE_TALLY_HEADER_SIZE +
		folded_bound(a, later_roll(a->roll_day, b->roll_day));
}

/*
 * Subtracts the ever pair y stands on from the one x stands on, and leaves
 * both cursors behind it.
 */
static TallyStatus
subtract_ever(Cursor *x, Cursor *y, Writer *w)
{
	TallyEntry	ever = x->entry;
	TallyEntry	days;
	uint32_t	minus_ever = y->entry.count;
	uint32_t	minus_days;
	bool		mixed = y->mixed;

	cursor_next(x);
	cursor_next(y);
	days = x->entry;
	minus_days = y->entry.count;
	cursor_next(x);
	cursor_next(y);

	if (ever.count == NURTURE_TALLY_SATURATED ||
		minus_ever == NURTURE_TALLY_SATURATED)
		return TALLY_NEEDS_REBUILD;
	if (minus_ever > ever.count)
		return TALLY_UNDERFLOW;
	ever.count -= minus_ever;
	if (ever.count == 0)
		return mixed || minus_days == days.count ? TALLY_OK :
			TALLY_UNDERFLOW;
	if (mixed)
		return TALLY_NEEDS_REBUILD;
	if (minus_days >= days.count ||
		days.count - minus_days > ever.count)
		return TALLY_UNDERFLOW;
	days.count -= minus_days;
	put(w, ever);
	put(w, days);
	return TALLY_OK;
}

/*
 * Writes a without b.
 */
TallyStatus
nurture_tally_subtract(const Tally *a, const Tally *b, unsigned char *out,
					   size_t *outlen)
{
	uint16_t	roll = later_roll(a->roll_day, b->roll_day);
	Writer		w = {out, 0};
	Cursor		x;
	Cursor		y;

	cursor_start(&x, a, roll);
	cursor_start(&y, b, roll);
	while (y.valid)
	{
		for (; x.valid && sort_key(x.entry) < sort_key(y.entry);
			 cursor_next(&x))
			put(&w, x.entry);
		if (!x.valid || sort_key(x.entry) != sort_key(y.entry))
			return TALLY_UNDERFLOW;
		if (y.entry.day == NURTURE_TALLY_EVER)
		{
			TallyStatus status = subtract_ever(&x, &y, &w);

			if (status != TALLY_OK)
				return status;
			continue;
		}
		if (x.entry.count == NURTURE_TALLY_SATURATED ||
			y.entry.count == NURTURE_TALLY_SATURATED)
			return TALLY_NEEDS_REBUILD;
		if (x.entry.count < y.entry.count)
			return TALLY_UNDERFLOW;
		if (x.entry.count > y.entry.count)
		{
			TallyEntry	e = x.entry;

			e.count -= y.entry.count;
			put(&w, e);
		}
		cursor_next(&x);
		cursor_next(&y);
	}
	for (; x.valid; cursor_next(&x))
		put(&w, x.entry);
	return finish(&w, roll, outlen);
}

size_t
nurture_tally_roll_bound(const Tally *t)
{
	return NURTURE_TALLY_HEADER_SIZE + folded_bound(t, UINT16_MAX);
}

/*
 * Writes a tally with its days before a day folded.
 */
TallyStatus
nurture_tally_roll(const Tally *t, uint16_t day, unsigned char *out,
				   size_t *outlen)
{
	uint16_t	roll = later_roll(t->roll_day, day);
	Writer		w = {out, 0};
	Cursor		c;

	for (cursor_start(&c, t, roll); c.valid; cursor_next(&c))
		put(&w, c.entry);
	return finish(&w, roll, outlen);
}

/*
 * Writes the entries from one place to before another, or all others.
 */
static TallyStatus
write_part(const Tally *t, uint32_t from, uint32_t to, bool inside,
		   unsigned char *out, size_t *outlen)
{
	Writer		w = {out, 0};

	for (uint32_t i = 0; i < t->n; i++)
	{
		if ((i >= from && i < to) == inside)
			put(&w, nurture_tally_entry(t, i));
	}
	return finish(&w, t->roll_day, outlen);
}

/*
 * Answers the index behind the last entry of a key.
 */
static uint32_t
end_of_key(const Tally *t, uint16_t key)
{
	return key == UINT16_MAX ? t->n :
		nurture_tally_search(t, (uint16_t) (key + 1), 0);
}

/*
 * Writes what a tally holds of one key.
 */
TallyStatus
nurture_tally_only(const Tally *t, uint16_t key, unsigned char *out,
				   size_t *outlen)
{
	return write_part(t, nurture_tally_search(t, key, 0), end_of_key(t, key),
					  true, out, outlen);
}

/*
 * Writes what a tally holds of all keys but one.
 */
TallyStatus
nurture_tally_without(const Tally *t, uint16_t key, unsigned char *out,
					  size_t *outlen)
{
	return write_part(t, nurture_tally_search(t, key, 0), end_of_key(t, key),
					  false, out, outlen);
}

/*
 * Lets an entry sink to its place in a heap with the largest on top.
 */
static void
sift_down(TallyEntry *heap, size_t at, size_t n)
{
	TallyEntry	e = heap[at];

	for (size_t child; (child = 2 * at + 1) < n; at = child)
	{
		if (child + 1 < n &&
			sort_key(heap[child]) < sort_key(heap[child + 1]))
			child++;
		if (sort_key(e) >= sort_key(heap[child]))
			break;
		heap[at] = heap[child];
	}
	heap[at] = e;
}

/*
 * Sorts entries by (key, day).
 *
 * Not qsort(): the C library's may allocate.  Entries mostly come in order
 * already, or nearly so, or there are few of them: then insertion is fast.
 */
void
nurture_tally_sort(TallyEntry *entries, size_t n)
{
	size_t		moves = 0;
	size_t		i;

	for (i = 1; i < n && moves <= 8 * n; i++)
	{
		TallyEntry	e = entries[i];
		size_t		j = i;

		for (; j > 0 && sort_key(entries[j - 1]) > sort_key(e); j--)
			entries[j] = entries[j - 1];
		entries[j] = e;
		moves += i - j;
	}
	if (i >= n)
		return;
	for (i = n / 2; i-- > 0;)
		sift_down(entries, i, n);
	for (i = n - 1; i > 0; i--)
	{
		TallyEntry	e = entries[i];

		entries[i] = entries[0];
		entries[0] = e;
		sift_down(entries, 0, i);
	}
}

size_t
nurture_tally_build_bound(size_t n, uint16_t roll_day)
{
	return NURTURE_TALLY_HEADER_SIZE + n * NURTURE_TALLY_ENTRY_SIZE *
		(roll_day > 0 ? 2 : 1);
}

/*
 * Writes the tally of entries that come in any order.
 */
TallyStatus
nurture_tally_build(TallyEntry *entries, size_t n, uint16_t roll_day,
					unsigned char *out, size_t *outlen)
{
	uint16_t	roll = later_roll(roll_day, 0);
	size_t		kept = 0;
	Tally		t;
	Cursor		c;
	Writer		w = {out, 0};

	nurture_tally_sort(entries, n);
	for (size_t i = 0; i < n; i++)
	{
		if (entries[i].count == 0)
			return TALLY_BAD_COUNT;
		if (kept > 0 && sort_key(entries[kept - 1]) == sort_key(entries[i]))
			entries[kept - 1].count =
				add_counts(entries[kept - 1].count, entries[i].count);
		else
			entries[kept++] = entries[i];
	}
	for (size_t i = 0; i < kept; i++)
	{
		if (entries[i].day == NURTURE_TALLY_FOLDED_DAYS)
			return TALLY_BAD_DAY;
		if (entries[i].day != NURTURE_TALLY_EVER)
			continue;
		if (i + 1 == kept || entries[i + 1].key != entries[i].key ||
			entries[i + 1].day != NURTURE_TALLY_FOLDED_DAYS)
			return TALLY_BAD_DAY;
		if (entries[i + 1].count > entries[i].count)
			return TALLY_BAD_COUNT;
		i++;
	}
	if (kept > NURTURE_TALLY_MAX_ENTRIES)
		return TALLY_TOO_LARGE;
	t.entries = (const unsigned char *) entries;
	t.n = (uint32_t) kept;
	t.roll_day = 0;
	for (cursor_start(&c, &t, roll); c.valid; cursor_next(&c))
		put(&w, c.entry);
	return finish(&w, roll, outlen);
}
