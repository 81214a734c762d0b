/*
 * canon.c
 *	  Writes canonical bytes (canon.h says what they are).
 */
#include "canon.h"

#include <string.h>

/* Sends bytes to the caller's buffer, or past it to flush. */
static void
canon_put(CanonWriter *w, const void *bytes, size_t len)
{
	w->total += len;
	if (len == 0)
		return;
	if (len > w->cap - w->used)
	{
		if (w->flush == NULL)
		{
			/* keep what fits: used is then cap, and end says it was too small */
			memcpy(w->buf + w->used, bytes, w->cap - w->used);
			w->used = w->cap;
			return;
		}
		if (w->used > 0)
			w->flush(w->ctx, w->buf, w->used);
		w->used = 0;
		if (len > w->cap)
		{
			w->flush(w->ctx, bytes, len);
			return;
		}
	}
	memcpy(w->buf + w->used, bytes, len);
	w->used += len;
}

/* Writes a 32-bit number into four bytes, most significant first. */
static void
canon_store32(unsigned char *out, uint32_t value)
{
	out[0] = (unsigned char) (value >> 24);
	out[1] = (unsigned char) (value >> 16);
	out[2] = (unsigned char) (value >> 8);
	out[3] = (unsigned char) value;
}

/* Writes what stands before a field's value. */
static void
canon_head(CanonWriter *w, uint8_t ordinal, CanonTag tag, uint32_t length)
{
	unsigned char head[6];

	head[0] = ordinal;
	head[1] = (unsigned char) tag;
	canon_store32(head + 2, length);
	canon_put(w, head, sizeof(head));
}

/* Writes a field of eight bytes in one piece: most of an entry is these. */
static void
canon_fixed64(CanonWriter *w, uint8_t ordinal, CanonTag tag, uint64_t value)
{
	unsigned char field[14];

	field[0] = ordinal;
	field[1] = (unsigned char) tag;
	canon_store32(field + 2, 8);
	canon_store32(field + 6, (uint32_t) (value >> 32));
	canon_store32(field + 10, (uint32_t) value);
	canon_put(w, field, sizeof(field));
}

/* Starts an entry: prefix and version. */
void
nurture_canon_begin(CanonWriter *w, unsigned char prefix)
{
	unsigned char head[2];

	w->used = 0;
	w->total = 0;
	head[0] = prefix;
	head[1] = NURTURE_CANON_VERSION;
	canon_put(w, head, sizeof(head));
}

/* Writes a field that has no value. */
void
nurture_canon_null(CanonWriter *w, uint8_t ordinal, CanonTag tag)
{
	canon_head(w, ordinal, tag, NURTURE_CANON_NULL);
}

/* Writes a signed number. */
void
nurture_canon_int(CanonWriter *w, uint8_t ordinal, int64_t value)
{
	canon_fixed64(w, ordinal, CANON_INT, (uint64_t) value);
}

/* Writes an unsigned number. */
void
nurture_canon_uint(CanonWriter *w, uint8_t ordinal, uint64_t value)
{
	canon_fixed64(w, ordinal, CANON_UINT, value);
}

/* Writes a truth value. */
void
nurture_canon_bool(CanonWriter *w, uint8_t ordinal, bool value)
{
	unsigned char byte = value ? 1 : 0;

	canon_head(w, ordinal, CANON_BOOL, 1);
	canon_put(w, &byte, 1);
}

/* Writes an instant as microseconds since 2000-01-01 00:00 UTC. */
void
nurture_canon_instant(CanonWriter *w, uint8_t ordinal, int64_t microseconds)
{
	canon_fixed64(w, ordinal, CANON_INSTANT, (uint64_t) microseconds);
}

/* Writes a text, JSON or byte string; data NULL is NULL. */
void
nurture_canon_value(CanonWriter *w, uint8_t ordinal, CanonTag tag,
					const void *data, uint32_t len)
{
	if (data == NULL)
	{
		nurture_canon_null(w, ordinal, tag);
		return;
	}
	canon_head(w, ordinal, tag, len);
	canon_put(w, data, len);
}

/* Writes a list of texts; items NULL is NULL, no items is the empty list. */
void
nurture_canon_list(CanonWriter *w, uint8_t ordinal,
				   const CanonItem *items, uint32_t nitems)
{
	uint32_t	length = 4;
	unsigned char number[4];

	if (items == NULL)
	{
		nurture_canon_null(w, ordinal, CANON_LIST);
		return;
	}
	for (uint32_t i = 0; i < nitems; i++)
		length += 4 + (items[i].data == NULL ? 0 : items[i].len);
	canon_head(w, ordinal, CANON_LIST, length);
	canon_store32(number, nitems);
	canon_put(w, number, 4);
	for (uint32_t i = 0; i < nitems; i++)
	{
		if (items[i].data == NULL)
		{
			canon_store32(number, NURTURE_CANON_NULL);
			canon_put(w, number, 4);
			continue;
		}
		canon_store32(number, items[i].len);
		canon_put(w, number, 4);
		canon_put(w, items[i].data, items[i].len);
	}
}

/* Ends an entry; false when the buffer was too small to hold it. */
bool
nurture_canon_end(CanonWriter *w)
{
	if (w->flush == NULL)
		return w->total <= w->cap;
	if (w->used > 0)
		w->flush(w->ctx, w->buf, w->used);
	w->used = 0;
	return true;
}
