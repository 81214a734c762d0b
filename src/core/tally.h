/*
 * tally.h
 *	  How often each key (a signal, a topic) occurred on each UTC day.
 *
 * A tally is a run of bytes, the content of a varlena after its length:
 *
 *	  offset 0	uint8	version, 1
 *	  offset 1	uint8	flags, 0
 *	  offset 2	uint16	roll day, 0 = never rolled
 *	  offset 4	entries of 8 bytes: uint16 key, uint16 day, uint32 count
 *
 * in native byte order, strictly ascending by (key, day), at any alignment:
 * entries are read through memcpy.  Equal tallies are equal bytes, so bytes
 * can be compared for equality and hashed.
 *
 * Days 2..65535 are UTC days since 1970-01-01.  Two day numbers are kept for
 * what has been folded away: day 0 holds the "ever" count of the key, day 1
 * the number of distinct days that went into it.  A key has both or neither,
 * and never more days than occurrences.  No real day is before the roll day.
 *
 * A count is at least 1.  UINT32_MAX means saturated: that many or more.
 * It never wraps, stays when added to, and cannot be subtracted from.
 *
 * Folding.  Adding, subtracting and rolling take both sides to the later roll
 * day, which only moves forward.  Folding moves the days before the roll day
 * into the ever pair: their counts are added, and each entry is one distinct
 * day.  An event that arrives late, on a day already folded, therefore adds
 * its count and one day, even when another event of that day was there
 * before: what was folded has forgotten its days.
 *
 * Addition is commutative.  It is associative in every count, and in the
 * number of folded days too when the roll days are equal; with different roll
 * days the same late day may be folded once (after it was combined) or twice
 * (before), and only that number of folded days depends on the grouping.
 * Whoever needs it independent of order rolls to one day first.
 */
#ifndef NURTURE_CORE_TALLY_H
#define NURTURE_CORE_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define NURTURE_TALLY_VERSION		1
#define NURTURE_TALLY_HEADER_SIZE	4
#define NURTURE_TALLY_ENTRY_SIZE	8
#define NURTURE_TALLY_MAX_ENTRIES	0xFFFFFFu	/* 128 MB of entries */
#define NURTURE_TALLY_SATURATED		UINT32_MAX

/* what the field day of an entry may hold */
#define NURTURE_TALLY_EVER			0	/* count before the roll day */
#define NURTURE_TALLY_FOLDED_DAYS	1	/* distinct days in that count */
#define NURTURE_TALLY_FIRST_DAY		2	/* 1970-01-03, first real day */
#define NURTURE_TALLY_LAST_DAY		UINT16_MAX	/* 2149-06-06 */

/* what a last day is when there is none */
#define NURTURE_TALLY_NO_DAY		(-1)

typedef struct TallyEntry
{
	uint16_t	key;			/* signal or topic number */
	uint16_t	day;			/* UTC day, or one of the two above */
	uint32_t	count;			/* 1..UINT32_MAX, the last = saturated */
} TallyEntry;

typedef struct Tally
{
	const unsigned char *entries;	/* n entries, unaligned; not owned */
	uint32_t	n;				/* entries, ever pairs included */
	uint16_t	roll_day;		/* first day kept singly, 0 = never rolled */
} Tally;

typedef enum TallyStatus
{
	TALLY_OK,
	TALLY_TRUNCATED,			/* not a header and whole entries */
	TALLY_BAD_VERSION,			/* version or flags of another program */
	TALLY_BAD_ORDER,			/* entries not strictly ascending */
	TALLY_BAD_COUNT,			/* zero, or more days than occurrences */
	TALLY_BAD_DAY,				/* before the roll day, half an ever pair */
	TALLY_BAD_TEXT,				/* text form not understood */
	TALLY_UNDERFLOW,			/* subtracting what is not contained */
	TALLY_NEEDS_REBUILD,		/* saturated or folded: only events know */
	TALLY_TOO_LARGE				/* more than NURTURE_TALLY_MAX_ENTRIES */
} TallyStatus;

/* Where and why a text form was refused. */
typedef struct TallyTextError
{
	size_t		offset;			/* byte at which reading stopped */
	const char *message;		/* lower case, no period, static */
} TallyTextError;

extern const char *nurture_tally_status_text(TallyStatus status);

/*
 * Reading.  view trusts its bytes (they come from our own column); check
 * validates foreign ones completely and fills the view only on TALLY_OK.
 */
extern Tally nurture_tally_view(const unsigned char *bytes, size_t len);
extern TallyStatus nurture_tally_check(const unsigned char *bytes, size_t len,
									   Tally *view);

/*
 * Counting.  Days are inclusive; from_day INT32_MIN includes the ever count.
 * last answers the last real day, NURTURE_TALLY_EVER when the key occurred
 * on folded days only, NURTURE_TALLY_NO_DAY when it never occurred.
 */
extern uint64_t nurture_tally_count(const Tally *t, uint16_t key,
									int32_t from_day, int32_t to_day);
extern int32_t nurture_tally_last(const Tally *t, uint16_t key);
extern uint64_t nurture_tally_total(const Tally *t);

/* first answers the earliest day kept singly, of any key, or NO_DAY. */
extern int32_t nurture_tally_first(const Tally *t);

/*
 * Comparing: by key, day and count of the first entry that differs, then the
 * shorter one, then the roll day.  equal is the same as equal bytes.
 */
extern int	nurture_tally_compare(const Tally *a, const Tally *b);
extern bool nurture_tally_equal(const Tally *a, const Tally *b);

/*
 * Making.  out receives header and entries at any alignment and must not
 * overlap an input; *outlen is set on TALLY_OK only.  The bounds are in bytes
 * and hold for every outcome.
 *
 * subtract takes b from a exactly, an entry that reaches zero disappears.
 * From an ever pair it takes either a pair (both numbers), or all there is;
 * taking part of it by single days is TALLY_NEEDS_REBUILD, because nobody
 * knows which distinct days remain.  The first obstacle in order of (key,
 * day) is the one reported.
 *
 * roll folds the days before day.  only and without write the entries of one
 * key or of all others; they need as many bytes as t has.  build makes a tally of n entries in any
 * order with repeats; entries is sorted and combined in place.  Days before
 * roll_day are folded, here with their exact number of distinct days.  Either
 * takes a roll day before the first real day as 0.
 */
extern size_t nurture_tally_add_bound(const Tally *a, const Tally *b);
extern TallyStatus nurture_tally_add(const Tally *a, const Tally *b,
									 unsigned char *out, size_t *outlen);
extern size_t nurture_tally_subtract_bound(const Tally *a, const Tally *b);
extern TallyStatus nurture_tally_subtract(const Tally *a, const Tally *b,
										  unsigned char *out, size_t *outlen);
extern size_t nurture_tally_roll_bound(const Tally *t);
extern TallyStatus nurture_tally_roll(const Tally *t, uint16_t day,
									  unsigned char *out, size_t *outlen);
extern TallyStatus nurture_tally_only(const Tally *t, uint16_t key,
									  unsigned char *out, size_t *outlen);
extern TallyStatus nurture_tally_without(const Tally *t, uint16_t key,
										 unsigned char *out, size_t *outlen);
extern void nurture_tally_sort(TallyEntry *entries, size_t n);
extern size_t nurture_tally_build_bound(size_t n, uint16_t roll_day);
extern TallyStatus nurture_tally_build(TallyEntry *entries, size_t n,
									   uint16_t roll_day, unsigned char *out,
									   size_t *outlen);

/*
 * Text form (tally_text.c), which round-trips:
 *
 *	  {}
 *	  {12@2026-11-03:2, 12@2026-11-04:max, 15@ever:7/5; rolled 2024-09-01}
 *	  {rolled 2024-09-01}
 *
 * that is key@day:count, with key@ever:count/days for what was folded, "max"
 * for a saturated count, and the roll day at the end when there is one.  The
 * reader takes white space between any two words, and entries in any order;
 * the same key and day twice is an error, and so is a day before the roll
 * day.  to_text writes no terminating zero.
 *
 * from_text needs room for nurture_tally_text_entries() entries and a result
 * of nurture_tally_text_bound() bytes.
 */
extern size_t nurture_tally_to_text_bound(const Tally *t);
extern size_t nurture_tally_to_text(const Tally *t, char *out);
extern size_t nurture_tally_text_entries(const char *text, size_t len);
extern size_t nurture_tally_text_bound(const char *text, size_t len);
extern TallyStatus nurture_tally_from_text(const char *text, size_t len,
										   TallyEntry *entries,
										   unsigned char *out, size_t *outlen,
										   TallyTextError *error);

/*
 * Wire form: the same layout in big-endian byte order.  Both directions need
 * as many bytes as the other form has; from_wire validates completely.
 */
extern size_t nurture_tally_size(const Tally *t);
extern void nurture_tally_to_wire(const Tally *t, unsigned char *out);
extern TallyStatus nurture_tally_from_wire(const unsigned char *wire,
										   size_t len, unsigned char *out,
										   size_t *outlen);

/*
 * Reads entry i, which must be below n.
 */
static inline TallyEntry
nurture_tally_entry(const Tally *t, uint32_t i)
{
	TallyEntry	e;

	memcpy(&e, t->entries + (size_t) i * NURTURE_TALLY_ENTRY_SIZE, sizeof(e));
	return e;
}

/*
 * Answers the index of the first entry at or after (key, day), n if none.
 */
static inline uint32_t
nurture_tally_search(const Tally *t, uint16_t key, uint16_t day)
{
	uint32_t	lo = 0;
	uint32_t	hi = t->n;

	while (lo < hi)
	{
		uint32_t	mid = lo + (hi - lo) / 2;
		TallyEntry	e = nurture_tally_entry(t, mid);

		if (e.key < key || (e.key == key && e.day < day))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

#endif							/* NURTURE_CORE_TALLY_H */
