/*
 * bits.h
 *	  Private to the content room: sets of library entries, one bit each.
 */
#ifndef NURTURE_CONTENT_BITS_H
#define NURTURE_CONTENT_BITS_H

#include "base/compat.h"
#include "port/pg_bitutils.h"

typedef uint64 Bits;

#define BITS_WORDS(n)	(((n) + 63) / 64)

static inline Bits *
bits_make(int n)
{
	return palloc0(Max(BITS_WORDS(n), 1) * sizeof(Bits));
}

static inline void
bits_add(Bits *set, int i)
{
	set[i / 64] |= UINT64CONST(1) << (i % 64);
}

/* A set that is NULL has no member. */
static inline bool
bits_has(const Bits *set, int i)
{
	return set != NULL && (set[i / 64] >> (i % 64) & 1) != 0;
}

static inline void
bits_join(Bits *set, const Bits *other, int n)
{
	for (int w = 0; w < BITS_WORDS(n); w++)
		set[w] |= other[w];
}

/* Keeps of a set what is in a or b (NULL = nothing); tells whether any is. */
static inline bool
bits_keep(Bits *set, const Bits *a, const Bits *b, int n)
{
	Bits		any = 0;

	if (a == NULL)
	{
		a = b;
		b = NULL;
	}
	for (int w = 0; w < BITS_WORDS(n); w++)
	{
		set[w] &= a == NULL ? 0 : b == NULL ? a[w] : a[w] | b[w];
		any |= set[w];
	}
	return any != 0;
}

/* Returns the first member from i on, -1 when there is none. */
static inline int
bits_next(const Bits *set, int i, int n)
{
	int			w = i / 64;
	Bits		word;

	if (i >= n)
		return -1;
	word = set[w] & (~UINT64CONST(0) << (i % 64));
	while (word == 0)
	{
		if (++w >= BITS_WORDS(n))
			return -1;
		word = set[w];
	}
	return w * 64 + pg_rightmost_one_pos64(word);
}

#endif							/* NURTURE_CONTENT_BITS_H */
