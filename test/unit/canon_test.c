/*
 * canon_test.c
 *	  Canonical bytes: known answers, the same bytes through every size of
 *	  buffer, and an independent reader that gets random entries back, which
 *	  shows that two entries never share their bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "canon.h"
#include "sha256.h"

#define MAX_FIELDS	12
#define MAX_ITEMS	4
#define MAX_BYTES	4096

static int	passed;
static int	failed;
static uint64_t seed = 20260101;

static void
check(bool ok, const char *what, unsigned long long at)
{
	if (ok)
		passed++;
	else
	{
		failed++;
		if (failed < 20)
			printf("not ok - %s (%llu)\n", what, at);
	}
}

/* a value of any tag, as the test keeps it */
typedef struct Field
{
	CanonTag	tag;
	bool		null;
	uint64_t	number;
	char		chars[40];
	uint32_t	len;
	uint32_t	nitems;
	bool		item_null[MAX_ITEMS];
	char		item[MAX_ITEMS][8];
	uint32_t	item_len[MAX_ITEMS];
} Field;

typedef struct Entry
{
	int			nfields;
	Field		field[MAX_FIELDS];
} Entry;

static uint64_t
random_below(uint64_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % n;
}

/* Few and short values, so that near misses are common. */
static uint32_t
random_text(char *out, uint32_t max)
{
	uint32_t	len = (uint32_t) random_below(max + 1);

	for (uint32_t i = 0; i < len; i++)
		out[i] = "\0\1\xff" "ab"[random_below(5)];
	return len;
}

static void
random_entry(Entry *e)
{
	memset(e, 0, sizeof(*e));
	e->nfields = 1 + (int) random_below(MAX_FIELDS);
	for (int i = 0; i < e->nfields; i++)
	{
		Field	   *f = &e->field[i];

		f->tag = (CanonTag) (CANON_INT + random_below(8));
		f->null = random_below(5) == 0;
		if (f->null)
			continue;
		switch (f->tag)
		{
			case CANON_INT:
			case CANON_UINT:
			case CANON_INSTANT:
				f->number = random_below(3) == 0 ? seed : random_below(3);
				break;
			case CANON_BOOL:
				f->number = random_below(2);
				break;
			case CANON_LIST:
				f->nitems = (uint32_t) random_below(MAX_ITEMS + 1);
				for (uint32_t k = 0; k < f->nitems; k++)
				{
					f->item_null[k] = random_below(4) == 0;
					if (!f->item_null[k])
						f->item_len[k] = random_text(f->item[k], 8);
				}
				break;
			default:
				f->len = random_text(f->chars, 40);
		}
	}
}

static void
write_entry(CanonWriter *w, const Entry *e)
{
	nurture_canon_begin(w, NURTURE_CANON_LEAF);
	for (int i = 0; i < e->nfields; i++)
	{
		const Field *f = &e->field[i];
		uint8_t		ordinal = (uint8_t) (i + 1);
		CanonItem	items[MAX_ITEMS];

		if (f->null && f->tag != CANON_LIST)
		{
			if (f->tag >= CANON_TEXT)
				nurture_canon_value(w, ordinal, f->tag, NULL, 0);
			else
				nurture_canon_null(w, ordinal, f->tag);
			continue;
		}
		switch (f->tag)
		{
			case CANON_INT:
				nurture_canon_int(w, ordinal, (int64_t) f->number);
				break;
			case CANON_UINT:
				nurture_canon_uint(w, ordinal, f->number);
				break;
			case CANON_INSTANT:
				nurture_canon_instant(w, ordinal, (int64_t) f->number);
				break;
			case CANON_BOOL:
				nurture_canon_bool(w, ordinal, f->number != 0);
				break;
			case CANON_LIST:
				for (uint32_t k = 0; k < f->nitems; k++)
				{
					items[k].data = f->item_null[k] ? NULL : f->item[k];
					items[k].len = f->item_len[k];
				}
				nurture_canon_list(w, ordinal, f->null ? NULL : items,
								   f->nitems);
				break;
			default:
				nurture_canon_value(w, ordinal, f->tag, f->chars, f->len);
		}
	}
}

/* what flush gathers */
typedef struct Gathered
{
	unsigned char bytes[MAX_BYTES];
	size_t		len;
} Gathered;

static void
gather(void *ctx, const void *bytes, size_t len)
{
	Gathered   *g = ctx;

	memcpy(g->bytes + g->len, bytes, len);
	g->len += len;
}

static uint64_t
read_number(const unsigned char **p, int n)
{
	uint64_t	value = 0;

	while (n-- > 0)
		value = value << 8 | *(*p)++;
	return value;
}

/* Reads an entry back, by the description in canon.h and nothing else. */
static bool
read_entry(const unsigned char *p, size_t len, Entry *e)
{
	const unsigned char *end = p + len;

	memset(e, 0, sizeof(*e));
	if (len < 2 || read_number(&p, 1) != 0x00 || read_number(&p, 1) != 1)
		return false;
	while (p < end)
	{
		Field	   *f = &e->field[e->nfields++];
		const unsigned char *stop;
		uint32_t	length;

		if (e->nfields > MAX_FIELDS || end - p < 6 ||
			read_number(&p, 1) != (uint64_t) e->nfields)
			return false;
		f->tag = (CanonTag) read_number(&p, 1);
		length = (uint32_t) read_number(&p, 4);
		f->null = length == UINT32_MAX;
		if (f->null)
			continue;
		if (length > (size_t) (end - p))
			return false;
		stop = p + length;
		switch (f->tag)
		{
			case CANON_INT:
			case CANON_UINT:
			case CANON_INSTANT:
			case CANON_BOOL:
				f->number = read_number(&p, (int) length);
				break;
			case CANON_LIST:
				f->nitems = (uint32_t) read_number(&p, 4);
				for (uint32_t k = 0; k < f->nitems; k++)
				{
					uint32_t	n = (uint32_t) read_number(&p, 4);

					f->item_null[k] = n == UINT32_MAX;
					if (f->item_null[k])
						continue;
					f->item_len[k] = n;
					memcpy(f->item[k], p, n);
					p += n;
				}
				break;
			default:
				f->len = length;
				memcpy(f->chars, p, length);
				p += length;
		}
		if (p != stop)
			return false;
	}
	return true;
}

static void
test_known_answer(void)
{
	static const char *hex =
	"0001010100000008fffffffffffffffe020200000008ffffffffffffffff0303"
	"00000001010404000000080002ea32ed1100010505000000075ac3bc72696368"
	"0606ffffffff0707000000087b2261223a20317d08080000001f000000030000"
	"000f636f6e73656e745f6d697373696e67ffffffff0000000009080000000400"
	"0000000a08ffffffff0b0500000000";
	static const char *hash =
	"806be156ed0d0678df5c14a533b24c2061eeb5506ab15e07b7215bccb4eca5a7";
	static const CanonItem reasons[] = {
		{"consent_missing", 15}, {NULL, 0}, {"", 0}
	};
	unsigned char buf[512];
	unsigned char digest[32];
	char		got[1025];
	CanonWriter w = {.buf = buf,.cap = sizeof(buf)};

	nurture_canon_begin(&w, NURTURE_CANON_LEAF);
	nurture_canon_int(&w, 1, -2);
	nurture_canon_uint(&w, 2, UINT64_MAX);
	nurture_canon_bool(&w, 3, true);
	nurture_canon_instant(&w, 4, INT64_C(820454400000001));
	nurture_canon_value(&w, 5, CANON_TEXT, "Z\xc3\xbcrich", 7);
	nurture_canon_value(&w, 6, CANON_BYTES, NULL, 0);
	nurture_canon_value(&w, 7, CANON_JSON, "{\"a\": 1}", 8);
	nurture_canon_list(&w, 8, reasons, 3);
	nurture_canon_list(&w, 9, reasons, 0);
	nurture_canon_list(&w, 10, NULL, 0);
	nurture_canon_value(&w, 11, CANON_TEXT, "", 0);
	check(nurture_canon_end(&w), "fits", w.total);

	for (size_t i = 0; i < w.used; i++)
		snprintf(got + 2 * i, 3, "%02x", buf[i]);
	check(strcmp(got, hex) == 0, "known bytes", w.total);
	sha256(NULL, buf, w.used, digest);
	for (size_t i = 0; i < 32; i++)
		snprintf(got + 2 * i, 3, "%02x", digest[i]);
	check(strcmp(got, hash) == 0, "known hash", 0);

	w.cap = 4;
	nurture_canon_begin(&w, NURTURE_CANON_SEAL);
	check(nurture_canon_end(&w) && w.used == 2 && buf[0] == 0x02 &&
		  buf[1] == 1, "seal prefix", w.used);
}

static void
test_buffers(void)
{
	for (int round = 0; round < 200; round++)
	{
		static unsigned char whole[MAX_BYTES];
		Entry		e;
		CanonWriter one = {.buf = whole,.cap = sizeof(whole)};

		random_entry(&e);
		write_entry(&one, &e);
		check(nurture_canon_end(&one), "fits", one.total);
		for (size_t cap = 0; cap <= one.total + 1; cap++)
		{
			static Gathered g;
			unsigned char *buf = malloc(cap + 1);
			CanonWriter w = {.buf = buf,.cap = cap,.flush = gather,.ctx = &g};

			g.len = 0;
			write_entry(&w, &e);
			check(nurture_canon_end(&w) && g.len == one.total &&
				  memcmp(g.bytes, whole, g.len) == 0, "through flush", cap);

			w.flush = NULL;
			write_entry(&w, &e);
			check(nurture_canon_end(&w) == (cap >= one.total) &&
				  w.total == one.total && w.used <= cap &&
				  memcmp(buf, whole, w.used) == 0, "too small", cap);
			free(buf);
		}
	}
}

static void
test_round_trip(void)
{
	for (int round = 0; round < 100000; round++)
	{
		static unsigned char bytes[MAX_BYTES];
		static Entry e;
		static Entry back;
		CanonWriter w = {.buf = bytes,.cap = sizeof(bytes)};

		random_entry(&e);
		write_entry(&w, &e);
		nurture_canon_end(&w);
		check(read_entry(bytes, w.used, &back) &&
			  memcmp(&e, &back, sizeof(e)) == 0, "reads back",
			  (unsigned) round);
	}
}

int
main(void)
{
	printf("# seed %llu\n", (unsigned long long) seed);
	test_known_answer();
	test_buffers();
	test_round_trip();
	printf("canon: %d passed, %d failed\n", passed, failed);
	return failed == 0 ? 0 : 1;
}
