/*
 * json_text.h
 *	  Writing into a buffer that may be too small.
 *
 * Works like snprintf: counts everything, stores what fits, and always ends
 * the text.  Text cut short is cut between characters, never inside one.
 */
#ifndef NURTURE_CORE_JSON_TEXT_H
#define NURTURE_CORE_JSON_TEXT_H

#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef struct CoreText
{
	char	   *buf;			/* may be NULL when size is 0 */
	size_t		size;			/* bytes in buf, with the closing NUL */
	size_t		len;			/* bytes wanted so far, without the NUL */
} CoreText;

/* Starts an empty text in buf. */
static inline void
core_text_start(CoreText *t, char *buf, size_t size)
{
	t->buf = buf;
	t->size = size;
	t->len = 0;
	if (size > 0)
		buf[0] = '\0';
}

/* Appends len bytes. */
static inline void
core_text_add(CoreText *t, const char *s, size_t len)
{
	if (t->len + 1 < t->size && len > 0)
	{
		size_t		room = t->size - 1 - t->len;
		size_t		n = len < room ? len : room;

		if (n < len)
		{
			while (n > 0 && ((unsigned char) s[n] & 0xC0) == 0x80)
				n--;
		}
		memcpy(t->buf + t->len, s, n);
		t->buf[t->len + n] = '\0';
		if (n < len)
			t->size = t->len + n + 1;	/* nothing after a cut */
	}
	t->len += len;
}

/* Appends a C string. */
static inline void
core_text_str(CoreText *t, const char *s)
{
	core_text_add(t, s, strlen(s));
}

/* Appends a whole number. */
static inline void
core_text_int(CoreText *t, int64_t n)
{
	char		digits[24];

	snprintf(digits, sizeof(digits), "%" PRId64, n);
	core_text_str(t, digits);
}

/*
 * Appends a word in double quotes as messages show it: at most 60 bytes, with
 * control characters replaced, since it may come from anywhere.
 */
static inline void
core_text_quote(CoreText *t, const char *s, size_t len)
{
	size_t		n = len < 60 ? len : 60;

	while (n < len && n > 0 && ((unsigned char) s[n] & 0xC0) == 0x80)
		n--;
	core_text_str(t, "\"");
	for (size_t i = 0, from = 0; i <= n; i++)
	{
		if (i < n && (unsigned char) s[i] >= 0x20 && s[i] != 0x7F)
			continue;
		core_text_add(t, s + from, i - from);
		if (i < n)
			core_text_str(t, "?");
		from = i + 1;
	}
	core_text_str(t, n < len ? "...\"" : "\"");
}

#endif							/* NURTURE_CORE_JSON_TEXT_H */
