/*
 * canon.h
 *	  Canonical bytes: the one byte string that an audit entry hashes to.
 *
 * A row's text changes with session settings (DateStyle, TimeZone,
 * extra_float_digits, bytea_output), so nothing that is hashed may go through
 * it.  The form here depends on the values alone:
 *
 *		prefix (1)  version (1)  field*
 *		field  =  ordinal (1)  tag (1)  length (4)  value (length bytes)
 *		length =  0xFFFFFFFF for NULL, then no value follows
 *		list   =  count (4)  { length (4)  bytes }*	 as the value of a field
 *
 * Numbers are in network order.  Every field of an entry is written, NULL or
 * not, in ascending order of its ordinal; with the explicit lengths this makes
 * the encoding one-to-one: two entries have the same bytes only when all their
 * fields are the same.
 *
 * The prefix separates what is hashed: RFC 6962 gives 0x00 to leaves and 0x01
 * to inner nodes (section 2.1); seals take 0x02.
 */
#ifndef NURTURE_CORE_CANON_H
#define NURTURE_CORE_CANON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NURTURE_CANON_VERSION		1
#define NURTURE_CANON_NULL			UINT32_C(0xFFFFFFFF)

/* first byte of everything that is hashed */
#define NURTURE_CANON_LEAF			0x00
#define NURTURE_CANON_NODE			0x01
#define NURTURE_CANON_SEAL			0x02

/* what a field holds; stored in hashed bytes, so numbers never change */
typedef enum CanonTag
{
	CANON_INT = 1,				/* 8 bytes, two's complement */
	CANON_UINT = 2,				/* 8 bytes */
	CANON_BOOL = 3,				/* 1 byte, 0 or 1 */
	CANON_INSTANT = 4,			/* 8 bytes, microseconds since 2000-01-01 UTC */
	CANON_TEXT = 5,				/* UTF-8 bytes as kept */
	CANON_BYTES = 6,			/* bytes */
	CANON_JSON = 7,				/* UTF-8 text of a jsonb value */
	CANON_LIST = 8				/* list of texts */
} CanonTag;

/* one element of a list */
typedef struct CanonItem
{
	const char *data;			/* NULL is the NULL element */
	uint32_t	len;
} CanonItem;

/*
 * Where the bytes go.  They are gathered in buf, and flush gets them whenever
 * it is full and at the end; a value larger than buf is handed over as it is.
 * Without flush, buf must hold everything: bytes past its end are counted in
 * total but dropped.
 */
typedef struct CanonWriter
{
	unsigned char *buf;
	size_t		cap;			/* bytes in buf */
	size_t		used;			/* bytes waiting in buf */
	uint64_t	total;			/* bytes written so far, dropped ones too */
	void		(*flush) (void *ctx, const void *bytes, size_t len);
	void	   *ctx;			/* handed to flush */
} CanonWriter;

extern void nurture_canon_begin(CanonWriter *w, unsigned char prefix);
extern void nurture_canon_null(CanonWriter *w, uint8_t ordinal, CanonTag tag);
extern void nurture_canon_int(CanonWriter *w, uint8_t ordinal, int64_t value);
extern void nurture_canon_uint(CanonWriter *w, uint8_t ordinal,
							   uint64_t value);
extern void nurture_canon_bool(CanonWriter *w, uint8_t ordinal, bool value);
extern void nurture_canon_instant(CanonWriter *w, uint8_t ordinal,
								  int64_t microseconds);
extern void nurture_canon_value(CanonWriter *w, uint8_t ordinal, CanonTag tag,
								const void *data, uint32_t len);
extern void nurture_canon_list(CanonWriter *w, uint8_t ordinal,
							   const CanonItem *items, uint32_t nitems);
extern bool nurture_canon_end(CanonWriter *w);

#endif							/* NURTURE_CORE_CANON_H */
