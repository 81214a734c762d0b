/*
 * tally_text.c
 *	  The text and wire forms of a tally; see tally.h for both.
 */
#include "day.h"
#include "tally.h"

/* "65535@2026-11-03:4294967295, " is 29, an ever pair less than twice that */
#define MAX_ENTRY_TEXT	29
#define MAX_FRAME_TEXT	24		/* "{; rolled 2024-09-01}" is 21 */

/* A text being read. */
typedef struct Reader
{
	const char *text;
	size_t		len;
	size_t		at;				/* next byte */
	TallyTextError *error;
} Reader;

/* One entry as it stands in the text. */
typedef struct TextEntry
{
	size_t		start;			/* where its key begins */
	uint16_t	key;
	uint16_t	day;			/* NURTURE_TALLY_EVER or a real day */
	uint32_t	count;
	uint32_t	days;			/* with NURTURE_TALLY_EVER */
} TextEntry;

/*
 * Appends characters and answers where the next ones go.
 */
static char *
append(char *out, const char *text, size_t len)
{
	memcpy(out, text, len);
	return out + len;
}

/*
 * Appends a number in decimal.
 */
static char *
append_number(char *out, uint32_t n)
{
	char		digits[10];
	size_t		i = sizeof(digits);

	do
		digits[--i] = (char) ('0' + n % 10);
	while ((n /= 10) > 0);
	return append(out, digits + i, sizeof(digits) - i);
}

/*
 * Appends a count, which may be saturated.
 */
static char *
append_count(char *out, uint32_t n)
{
	return n == NURTURE_TALLY_SATURATED ? append(out, "max", 3) :
		append_number(out, n);
}

/*
 * Appends a day, which is in the range of a tally.
 */
static char *
append_day(char *out, uint16_t day)
{
	char		iso[NURTURE_DAY_ISO_LEN + 1];

	(void) nurture_day_to_iso(day, iso);
	return append(out, iso, NURTURE_DAY_ISO_LEN);
}

size_t
nurture_tally_to_text_bound(const Tally *t)
{
	return (size_t) t->n * MAX_ENTRY_TEXT + MAX_FRAME_TEXT;
}

/*
 * Writes the canonical text of a tally and answers its length.
 */
size_t
nurture_tally_to_text(const Tally *t, char *out)
{
	char	   *p = out;

	*p++ = '{';
	for (uint32_t i = 0; i < t->n; i++)
	{
		TallyEntry	e = nurture_tally_entry(t, i);

		if (e.day == NURTURE_TALLY_FOLDED_DAYS)
		{
			*p++ = '/';
			p = append_count(p, e.count);
			continue;
		}
		if (i > 0)
			p = append(p, ", ", 2);
		p = append_number(p, e.key);
		*p++ = '@';
		p = e.day == NURTURE_TALLY_EVER ? append(p, "ever", 4) :
			append_day(p, e.day);
		*p++ = ':';
		p = append_count(p, e.count);
	}
	if (t->roll_day > 0)
	{
		if (t->n > 0)
			p = append(p, "; ", 2);
		p = append(p, "rolled ", 7);
		p = append_day(p, t->roll_day);
	}
	*p++ = '}';
	return (size_t) (p - out);
}

/*
 * Notes what is wrong at a place of the text; always false.
 */
static bool
fail(Reader *r, size_t at, const char *message)
{
	r->error->offset = at;
	r->error->message = message;
	return false;
}

/*
 * Moves behind white space.
 */
static void
skip_space(Reader *r)
{
	while (r->at < r->len &&
		   (r->text[r->at] == ' ' ||
			(r->text[r->at] >= '\t' && r->text[r->at] <= '\r')))
		r->at++;
}

/*
 * Answers whether a word comes next, and moves behind it if so.
 */
static bool
accept(Reader *r, const char *word)
{
	size_t		len = strlen(word);

	skip_space(r);
	if (r->len - r->at < len || memcmp(r->text + r->at, word, len) != 0)
		return false;
	r->at += len;
	return true;
}

/*
 * Reads a decimal number up to max.
 */
static bool
read_number(Reader *r, uint32_t max, uint32_t *value, const char *message)
{
	uint64_t	n = 0;
	size_t		start;

	skip_space(r);
	start = r->at;
	for (; r->at < r->len && r->text[r->at] >= '0' && r->text[r->at] <= '9';
		 r->at++)
	{
		n = n * 10 + (uint64_t) (r->text[r->at] - '0');
		if (n > max)
			return fail(r, start, message);
	}
	if (r->at == start)
		return fail(r, start, message);
	*value = (uint32_t) n;
	return true;
}

/*
 * Reads a count, which may be saturated but not zero.
 */
static bool
read_count(Reader *r, uint32_t *count)
{
	size_t		start;

	skip_space(r);
	start = r->at;
	if (accept(r, "max"))
	{
		*count = NURTURE_TALLY_SATURATED;
		return true;
	}
	if (!read_number(r, UINT32_MAX, count,
					 "expected a count from 1 to 4294967295, or max"))
		return false;
	if (*count == 0)
		return fail(r, start, "a count of zero is not kept");
	return true;
}

/*
 * Reads a date that a tally can hold.
 */
static bool
read_day(Reader *r, uint16_t *day)
{
	int32_t		d;

	skip_space(r);
	if (r->len - r->at < NURTURE_DAY_ISO_LEN ||
		!nurture_day_from_iso(r->text + r->at, NURTURE_DAY_ISO_LEN, &d))
		return fail(r, r->at, "expected a date such as 2026-11-03");
	if (d < NURTURE_TALLY_FIRST_DAY || d > NURTURE_TALLY_LAST_DAY)
		return fail(r, r->at,
					"date is outside 1970-01-03 to 2149-06-06");
	r->at += NURTURE_DAY_ISO_LEN;
	*day = (uint16_t) d;
	return true;
}

/*
 * Reads one key@day:count or key@ever:count/days.
 */
static bool
read_entry(Reader *r, TextEntry *e)
{
	uint32_t	key;

	skip_space(r);
	e->start = r->at;
	if (!read_number(r, UINT16_MAX, &key,
					 "expected a key from 0 to 65535"))
		return false;
	e->key = (uint16_t) key;
	e->day = NURTURE_TALLY_EVER;
	e->days = 0;
	if (!accept(r, "@"))
		return fail(r, r->at, "expected @ after the key");
	if (accept(r, "ever"))
	{
		if (!accept(r, ":"))
			return fail(r, r->at, "expected : after the day");
		if (!read_count(r, &e->count))
			return false;
		if (!accept(r, "/"))
			return fail(r, r->at,
						"expected / and the number of distinct days");
		if (!read_count(r, &e->days))
			return false;
		if (e->days > e->count)
			return fail(r, e->start, "more days than occurrences");
		return true;
	}
	if (!read_day(r, &e->day))
		return false;
	if (!accept(r, ":"))
		return fail(r, r->at, "expected : after the day");
	return read_count(r, &e->count);
}

/*
 * Reads a whole text up to its last entry or, with stop_at, up to the second
 * one that has its key and day; *n counts what went to entries.
 */
static bool
read_text(Reader *r, TallyEntry *entries, size_t *n, uint16_t *roll_day,
		  const TallyEntry *stop_at)
{
	TextEntry	earliest = {0, 0, UINT16_MAX, 0, 0};
	bool		any = false;
	bool		seen = false;
	bool		rolled;

	*n = 0;
	*roll_day = 0;
	if (!accept(r, "{"))
		return fail(r, r->at, "expected {");
	if (accept(r, "}"))
		return true;
	rolled = accept(r, "rolled");
	if (!rolled)
	{
		do
		{
			TextEntry	e;

			if (!read_entry(r, &e))
				return false;
			any = true;
			if (stop_at && stop_at->key == e.key && stop_at->day == e.day)
			{
				if (seen)
					return fail(r, e.start,
								"this key has this day already");
				seen = true;
			}
			if (e.day != NURTURE_TALLY_EVER && e.day < earliest.day)
				earliest = e;
			if (entries)
			{
				entries[(*n)++] = (TallyEntry)
				{
					e.key, e.day, e.count
				};
				if (e.day == NURTURE_TALLY_EVER)
					entries[(*n)++] = (TallyEntry)
				{
					e.key, NURTURE_TALLY_FOLDED_DAYS, e.days
				};
			}
		} while (accept(r, ","));
		if (accept(r, ";"))
		{
			rolled = accept(r, "rolled");
			if (!rolled)
				return fail(r, r->at, "expected rolled");
		}
	}
	if (rolled && !read_day(r, roll_day))
		return false;
	if (!accept(r, "}"))
		return fail(r, r->at, rolled ? "expected }" :
					"expected a comma, a semicolon or }");
	if (any && earliest.day < *roll_day)
		return fail(r, earliest.start,
					"a day before the roll day must stand under ever");
	return true;
}

/*
 * Answers an upper bound of the entries a text may hold.
 */
size_t
nurture_tally_text_entries(const char *text, size_t len)
{
	size_t		n = 0;

	for (size_t i = 0; i < len; i++)
		n += text[i] == '@';
	return 2 * n;
}

size_t
nurture_tally_text_bound(const char *text, size_t len)
{
	return nurture_tally_build_bound(nurture_tally_text_entries(text, len), 0);
}

/*
 * Writes the tally of a text, or says in *error where it stops being one.
 */
TallyStatus
nurture_tally_from_text(const char *text, size_t len, TallyEntry *entries,
						unsigned char *out, size_t *outlen,
						TallyTextError *error)
{
	Reader		r = {text, len, 0, error};
	size_t		n;
	uint16_t	roll_day;
	TallyStatus status;

	error->offset = 0;
	error->message = NULL;
	if (!read_text(&r, entries, &n, &roll_day, NULL))
		return TALLY_BAD_TEXT;
	skip_space(&r);
	if (r.at < len)
	{
		fail(&r, r.at, "unexpected text after the tally");
		return TALLY_BAD_TEXT;
	}
	nurture_tally_sort(entries, n);
	for (size_t i = 1; i < n; i++)
	{
		TallyEntry	twice = entries[i];

		if (twice.key == entries[i - 1].key &&
			twice.day == entries[i - 1].day)
		{
			r.at = 0;
			read_text(&r, NULL, &n, &roll_day, &twice);
			return TALLY_BAD_TEXT;
		}
	}
	status = nurture_tally_build(entries, n, roll_day, out, outlen);
	if (status != TALLY_OK)
		error->message = nurture_tally_status_text(status);
	return status;
}

/*
 * Writes a number of 16 bits, most significant byte first.
 */
static void
put16(unsigned char *out, uint16_t n)
{
	out[0] = (unsigned char) (n >> 8);
	out[1] = (unsigned char) (n & 0xff);
}

/*
 * Reads a number of 16 bits, most significant byte first.
 */
static uint16_t
get16(const unsigned char *in)
{
	return (uint16_t) ((uint16_t) in[0] << 8 | in[1]);
}

/*
 * Writes the wire form, nurture_tally_size() bytes.
 */
void
nurture_tally_to_wire(const Tally *t, unsigned char *out)
{
	out[0] = NURTURE_TALLY_VERSION;
	out[1] = 0;
	put16(out + 2, t->roll_day);
	out += NURTURE_TALLY_HEADER_SIZE;
	for (uint32_t i = 0; i < t->n; i++, out += NURTURE_TALLY_ENTRY_SIZE)
	{
		TallyEntry	e = nurture_tally_entry(t, i);

		put16(out, e.key);
		put16(out + 2, e.day);
		put16(out + 4, (uint16_t) (e.count >> 16));
		put16(out + 6, (uint16_t) (e.count & 0xffff));
	}
}

/*
 * Writes the tally of a wire form, of which out takes len bytes, and answers
 * whether it is one.
 */
TallyStatus
nurture_tally_from_wire(const unsigned char *wire, size_t len,
						unsigned char *out, size_t *outlen)
{
	uint16_t	roll_day;
	Tally		view;
	TallyStatus status;

	if (len < NURTURE_TALLY_HEADER_SIZE ||
		(len - NURTURE_TALLY_HEADER_SIZE) % NURTURE_TALLY_ENTRY_SIZE != 0)
		return TALLY_TRUNCATED;
	out[0] = wire[0];
	out[1] = wire[1];
	roll_day = get16(wire + 2);
	memcpy(out + 2, &roll_day, sizeof(roll_day));
	for (size_t at = NURTURE_TALLY_HEADER_SIZE; at < len;
		 at += NURTURE_TALLY_ENTRY_SIZE)
	{
		TallyEntry	e;

		e.key = get16(wire + at);
		e.day = get16(wire + at + 2);
		e.count = (uint32_t) get16(wire + at + 4) << 16 | get16(wire + at + 6);
		memcpy(out + at, &e, sizeof(e));
	}
	status = nurture_tally_check(out, len, &view);
	if (status == TALLY_OK)
		*outlen = len;
	return status;
}
