/*
 * tally_test.c
 *	  Tallies against a plain table of counts: every small pair, random ones,
 *	  text and wire both ways, and bytes that are no tally.
 */
#include <string.h>

#include "day.h"
#include "property.h"
#include "tally.h"

#define KEYS		4
#define DAYS		14			/* day numbers 0..DAYS-1, real from 2 */
#define MAX_BYTES	4096
#define ROUNDS		20000

/* What a tally says, as a table: rows 0 and 1 are the ever pair. */
typedef struct Table
{
	uint16_t	roll;
	uint64_t	count[KEYS][DAYS];
} Table;

/* Bytes of a tally and the view on them. */
typedef struct Bytes
{
	unsigned char data[MAX_BYTES];
	size_t		len;
	Tally		view;
} Bytes;

static uint32_t
saturate(uint64_t n)
{
	return n > UINT32_MAX ? UINT32_MAX : (uint32_t) n;
}

static void
set_view(Bytes *b)
{
	b->view = nurture_tally_view(b->data, b->len);
}

/*
 * Encodes a table straight from the description of the format.
 */
static void
encode(const Table *t, Bytes *b)
{
	unsigned char *p = b->data;

	*p++ = 1;
	*p++ = 0;
	memcpy(p, &t->roll, 2);
	p += 2;
	for (int k = 0; k < KEYS; k++)
		for (int d = 0; d < DAYS; d++)
		{
			uint16_t	key = (uint16_t) (k * 7);
			uint16_t	day = (uint16_t) d;
			uint32_t	count = saturate(t->count[k][d]);

			if (count == 0)
				continue;
			memcpy(p, &key, 2);
			memcpy(p + 2, &day, 2);
			memcpy(p + 4, &count, 4);
			p += 8;
		}
	b->len = (size_t) (p - b->data);
	set_view(b);
}

static void
fold(Table *t, uint16_t roll)
{
	if (roll <= t->roll || roll < 2)
		return;
	t->roll = roll;
	for (int k = 0; k < KEYS; k++)
		for (int d = 2; d < DAYS && d < roll; d++)
			if (t->count[k][d] > 0)
			{
				t->count[k][0] = saturate(t->count[k][0] + t->count[k][d]);
				t->count[k][1] = saturate(t->count[k][1] + 1);
				t->count[k][d] = 0;
			}
}

static Table
sum_of(Table a, Table b)
{
	fold(&a, b.roll);
	fold(&b, a.roll);
	for (int k = 0; k < KEYS; k++)
		for (int d = 0; d < DAYS; d++)
			a.count[k][d] = saturate(a.count[k][d] + b.count[k][d]);
	return a;
}

static bool
same(const Bytes *a, const Bytes *b)
{
	return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

static bool
is_valid(const Bytes *b)
{
	Tally		v;

	return nurture_tally_check(b->data, b->len, &v) == TALLY_OK;
}

static void
add(const Bytes *a, const Bytes *b, Bytes *out)
{
	CHECK(nurture_tally_add(&a->view, &b->view, out->data,
							&out->len) == TALLY_OK);
	CHECK(out->len <= nurture_tally_add_bound(&a->view, &b->view));
	set_view(out);
	CHECK(is_valid(out));
}

static TallyStatus
subtract(const Bytes *a, const Bytes *b, Bytes *out)
{
	TallyStatus status = nurture_tally_subtract(&a->view, &b->view,
												out->data, &out->len);

	if (status == TALLY_OK)
	{
		CHECK(out->len <= nurture_tally_subtract_bound(&a->view, &b->view));
		set_view(out);
		CHECK(is_valid(out));
	}
	return status;
}

static void
roll(const Bytes *a, uint16_t day, Bytes *out)
{
	CHECK(nurture_tally_roll(&a->view, day, out->data, &out->len) ==
		  TALLY_OK);
	CHECK(out->len <= nurture_tally_roll_bound(&a->view));
	set_view(out);
	CHECK(is_valid(out));
}

static Table
random_table(void)
{
	Table		t;
	uint32_t	density = 1 + random_below(4);
	bool		huge = random_below(8) == 0;

	memset(&t, 0, sizeof(t));
	t.roll = (uint16_t) (random_below(2) ? 0 : 2 + random_below(DAYS));
	for (int k = 0; k < KEYS; k++)
	{
		for (int d = t.roll > 2 ? t.roll : 2; d < DAYS; d++)
			if (random_below(4) < density)
				t.count[k][d] = huge && random_below(3) == 0 ?
					UINT32_MAX - random_below(3) : 1 + random_below(5);
		if (t.roll > 2 && random_below(4) < density)
		{
			t.count[k][1] = 1 + random_below(4);
			t.count[k][0] = t.count[k][1] + random_below(4);
			if (huge && random_below(3) == 0)
				t.count[k][0] = UINT32_MAX - random_below(3);
		}
	}
	return t;
}

/*
 * All pairs of tallies of one key, two days, counts 0..2 and two roll days.
 */
static void
test_small_pairs(void)
{
	static const uint16_t rolls[] = {0, 4, 5, 6};
	Table		tables[4 * 9 * 4];
	int			n = 0;

	for (int r = 0; r < 4; r++)
		for (int c = 0; c < 9; c++)
			for (int e = 0; e < 4; e++)
			{
				Table		t;

				memset(&t, 0, sizeof(t));
				t.roll = rolls[r];
				t.count[1][4] = rolls[r] <= 4 ? (uint64_t) (c % 3) : 0;
				t.count[1][5] = rolls[r] <= 5 ? (uint64_t) (c / 3) : 0;
				t.count[1][0] = (uint64_t) e;
				t.count[1][1] = (uint64_t) (e > 1 ? e - 1 : e);
				tables[n++] = t;
			}
	for (int i = 0; i < n; i++)
		for (int j = 0; j < n; j++)
		{
			Table		expected = sum_of(tables[i], tables[j]);
			Bytes		a;
			Bytes		b;
			Bytes		ab;
			Bytes		ba;
			Bytes		want;
			Bytes		back;
			TallyStatus status;

			encode(&tables[i], &a);
			encode(&tables[j], &b);
			encode(&expected, &want);
			add(&a, &b, &ab);
			add(&b, &a, &ba);
			CHECK(same(&ab, &want));
			CHECK(same(&ab, &ba));

			/* what was added can be taken away again */
			status = subtract(&ab, &b, &back);
			if (a.view.roll_day >= b.view.roll_day ||
				ab.view.roll_day == b.view.roll_day)
			{
				Bytes		folded;

				roll(&a, ab.view.roll_day, &folded);
				if (status == TALLY_OK)
					CHECK(same(&back, &folded));
				else
					CHECK(status == TALLY_NEEDS_REBUILD &&
						  b.view.roll_day < ab.view.roll_day);
			}

			/* whatever comes out of a - b, adding b counts as a again */
			status = subtract(&a, &b, &back);
			if (status == TALLY_OK)
			{
				add(&back, &b, &ba);
				CHECK(nurture_tally_total(&ba.view) ==
					  nurture_tally_total(&a.view));
			}
			else
				CHECK(status == TALLY_UNDERFLOW ||
					  status == TALLY_NEEDS_REBUILD);
		}
}

/*
 * Random tables: sums, order, rolls, counts.
 */
static void
test_algebra(void)
{
	for (int round = 0; round < ROUNDS; round++)
	{
		Table		tables[3];
		Table		expected;
		Bytes		b[3];
		Bytes		ab;
		Bytes		bc;
		Bytes		left;
		Bytes		right;
		Bytes		want;
		uint16_t	day = (uint16_t) random_below(DAYS + 2);

		for (int i = 0; i < 3; i++)
			tables[i] = random_table();
		if (random_below(2))
			for (int i = 1; i < 3; i++)
				fold(&tables[0], tables[i].roll);
		for (int i = 0; i < 3; i++)
			encode(&tables[i], &b[i]);
		expected = sum_of(tables[0], tables[1]);
		encode(&expected, &want);
		add(&b[0], &b[1], &ab);
		CHECK(same(&ab, &want));
		add(&b[1], &b[0], &bc);
		CHECK(same(&ab, &bc));

		/* grouping matters to the number of folded days only */
		add(&b[1], &b[2], &bc);
		add(&ab, &b[2], &left);
		add(&b[0], &bc, &right);
		for (int i = 0; i < KEYS; i++)
			for (int d = 2; d < DAYS; d++)
				CHECK(nurture_tally_count(&left.view, (uint16_t) (i * 7), d,
										  d) ==
					  nurture_tally_count(&right.view, (uint16_t) (i * 7), d,
										  d));
		CHECK(nurture_tally_total(&left.view) ==
			  nurture_tally_total(&right.view));
		if (b[0].view.roll_day == b[1].view.roll_day &&
			b[1].view.roll_day == b[2].view.roll_day)
			CHECK(same(&left, &right));

		/* rolling folds, and only forward */
		for (int i = 0; i < 3; i++)
		{
			Bytes		rolled;

			roll(&b[i], DAYS - 3, &rolled);
			if (rolled.view.roll_day > DAYS - 3)
				roll(&b[i], DAYS + 1, &rolled);
			expected = tables[i];
			fold(&expected, rolled.view.roll_day);
			encode(&expected, &want);
			CHECK(same(&rolled, &want));
			roll(&rolled, day, &want);
			if (day <= rolled.view.roll_day)
				CHECK(same(&rolled, &want));
		}
	}
}

/*
 * Rolling everything to one day first makes addition associative.
 */
static void
test_rolled_first(void)
{
	for (int round = 0; round < ROUNDS / 4; round++)
	{
		Bytes		b[3];
		Bytes		x;
		Bytes		y;
		Bytes		left;
		Bytes		right;

		for (int i = 0; i < 3; i++)
		{
			Table		t = random_table();
			Bytes		raw;

			encode(&t, &raw);
			roll(&raw, DAYS + 2, &b[i]);
			CHECK(b[i].view.roll_day == DAYS + 2);
		}
		add(&b[0], &b[1], &x);
		add(&x, &b[2], &left);
		add(&b[1], &b[2], &y);
		add(&b[0], &y, &right);
		CHECK(same(&left, &right));
	}
}

/*
 * Reading functions against the table.
 */
static void
test_reading(void)
{
	for (int round = 0; round < ROUNDS; round++)
	{
		Table		t = random_table();
		Table		other = random_table();
		Bytes		b;
		Bytes		o;
		Bytes		shifted;
		Tally		unaligned;
		int			k = (int) random_below(KEYS);
		uint16_t	key = (uint16_t) (k * 7);
		int32_t		from = (int32_t) random_below(DAYS + 4) - 2;
		int32_t		to = (int32_t) random_below(DAYS + 4) - 2;
		uint64_t	sum = 0;
		uint64_t	total = 0;
		int32_t		last = NURTURE_TALLY_NO_DAY;

		encode(&t, &b);
		encode(&other, &o);
		CHECK(is_valid(&b));
		for (int d = 0; d < DAYS; d++)
		{
			if (t.count[k][d] > 0 && d != 1)
				last = d;
			if (d >= 2 && d >= from && d <= to)
				sum += saturate(t.count[k][d]);
			for (int i = 0; i < KEYS; i++)
				total += d == 1 ? 0 : saturate(t.count[i][d]);
		}
		memcpy(shifted.data + 1, b.data, b.len);
		unaligned = nurture_tally_view(shifted.data + 1, b.len);
		CHECK(nurture_tally_equal(&unaligned, &b.view));
		CHECK(nurture_tally_size(&unaligned) == b.len);
		CHECK(nurture_tally_count(&unaligned, key, from, to) == sum);
		if (to >= 2)
		{
			sum = saturate(t.count[k][0]);
			for (int d = 2; d < DAYS && d <= to; d++)
				sum += saturate(t.count[k][d]);
			CHECK(nurture_tally_count(&b.view, key, INT32_MIN, to) == sum);
		}
		CHECK(nurture_tally_count(&b.view, 3, INT32_MIN, INT32_MAX) == 0);
		CHECK(nurture_tally_count(&b.view, key, 70000, INT32_MAX) == 0);
		CHECK(nurture_tally_last(&unaligned, key) == last);
		CHECK(nurture_tally_last(&b.view, 3) == NURTURE_TALLY_NO_DAY);
		CHECK(nurture_tally_total(&unaligned) == total);
		CHECK(nurture_tally_compare(&b.view, &unaligned) == 0);
		CHECK((nurture_tally_compare(&b.view, &o.view) == 0) ==
			  same(&b, &o));
		CHECK(nurture_tally_equal(&b.view, &o.view) == same(&b, &o));
		CHECK(nurture_tally_compare(&b.view, &o.view) ==
			  -nurture_tally_compare(&o.view, &b.view));
	}
}

/*
 * One key and all others are the whole again; the first day is the earliest.
 */
static void
test_parts(void)
{
	for (int round = 0; round < ROUNDS; round++)
	{
		Table		t = random_table();
		Table		one = t;
		Table		others = t;
		Bytes		b;
		Bytes		want;
		Bytes		only;
		Bytes		without;
		Bytes		whole;
		int			k = (int) random_below(KEYS);
		uint16_t	key = (uint16_t) (k * 7);
		int32_t		first = NURTURE_TALLY_NO_DAY;

		encode(&t, &b);
		for (int i = 0; i < KEYS; i++)
			for (int d = 0; d < DAYS; d++)
			{
				if (i == k)
					others.count[i][d] = 0;
				else
					one.count[i][d] = 0;
				if (d >= 2 && t.count[i][d] > 0 &&
					(first == NURTURE_TALLY_NO_DAY || d < first))
					first = d;
			}
		CHECK(nurture_tally_first(&b.view) == first);
		CHECK(nurture_tally_only(&b.view, key, only.data, &only.len) ==
			  TALLY_OK);
		encode(&one, &want);
		CHECK(same(&only, &want));
		CHECK(nurture_tally_without(&b.view, key, without.data,
									&without.len) == TALLY_OK);
		encode(&others, &want);
		CHECK(same(&without, &want));
		set_view(&only);
		set_view(&without);
		add(&without, &only, &whole);
		CHECK(same(&whole, &b));
		CHECK(nurture_tally_only(&b.view, UINT16_MAX, only.data,
								 &only.len) == TALLY_OK);
		CHECK(only.len == NURTURE_TALLY_HEADER_SIZE);
		CHECK(nurture_tally_without(&b.view, UINT16_MAX, without.data,
									&without.len) == TALLY_OK);
		CHECK(same(&without, &b));
	}
}

/*
 * Kept events on a base are the same bytes wherever the line between them is
 * drawn, and however far the base is folded before the first kept event.
 */
static void
test_base(void)
{
	for (int round = 0; round < ROUNDS; round++)
	{
		Table		kept = random_table();
		Table		dropped = random_table();
		Bytes		k;
		Bytes		d;
		Bytes		sum;
		Bytes		want;
		Bytes		folded;
		Bytes		got;
		uint16_t	day = (uint16_t) (2 + random_below(DAYS));
		int32_t		first;

		kept.roll = dropped.roll = 0;
		for (int i = 0; i < KEYS; i++)
			kept.count[i][0] = kept.count[i][1] =
				dropped.count[i][0] = dropped.count[i][1] = 0;
		encode(&kept, &k);
		encode(&dropped, &d);
		add(&k, &d, &sum);
		roll(&sum, day, &want);
		first = nurture_tally_first(&k.view);
		if (first == NURTURE_TALLY_NO_DAY || first > day)
			first = day;
		roll(&d, (uint16_t) first, &folded);
		add(&k, &folded, &sum);
		roll(&sum, day, &got);
		CHECK(same(&got, &want));
	}
}

/*
 * Events come and go in any order; what is left is the tally of the rest.
 */
static void
test_events(void)
{
	for (int round = 0; round < ROUNDS; round++)
	{
		uint16_t	roll_day = (uint16_t) (random_below(2) ? 0 : 5);
		TallyEntry	events[24];
		bool		alive[24] = {false};
		TallyEntry	rest[24];
		size_t		nrest = 0;
		Bytes		t;
		Bytes		next;
		Bytes		one;

		CHECK(nurture_tally_build(rest, 0, roll_day, t.data, &t.len) ==
			  TALLY_OK);
		set_view(&t);
		for (int i = 0; i < 24; i++)
			events[i] = (TallyEntry)
		{
			(uint16_t) random_below(3), (uint16_t) (5 + random_below(4)),
				1 + random_below(3)
		};
		for (int step = 0; step < 40; step++)
		{
			int			i = (int) random_below(24);
			TallyEntry	e = events[i];

			CHECK(nurture_tally_build(&e, 1, 0, one.data, &one.len) ==
				  TALLY_OK);
			set_view(&one);
			if (alive[i])
				CHECK(subtract(&t, &one, &next) == TALLY_OK);
			else
				add(&t, &one, &next);
			alive[i] = !alive[i];
			memcpy(t.data, next.data, next.len);
			t.len = next.len;
			set_view(&t);
		}
		for (int i = 0; i < 24; i++)
			if (alive[i])
				rest[nrest++] = events[i];
		CHECK(nurture_tally_build(rest, nrest, roll_day, next.data,
								  &next.len) == TALLY_OK);
		CHECK(same(&t, &next));
	}
}

/*
 * Building from many events in random order, with and without a roll day.
 */
static void
test_build(void)
{
	static TallyEntry entries[3000];

	for (int round = 0; round < 400; round++)
	{
		size_t		n = random_below(round < 300 ? 40 : 3000);
		uint16_t	roll_day = (uint16_t) random_below(DAYS + 1);
		bool		sorted = random_below(3) == 0;
		Table		t;
		Bytes		b;
		Bytes		want;

		memset(&t, 0, sizeof(t));
		for (size_t i = 0; i < n; i++)
		{
			uint32_t	k = random_below(KEYS);
			uint32_t	d = 2 + random_below(DAYS - 2);
			uint32_t	count = random_below(500) ? 1 + random_below(9) :
			UINT32_MAX - random_below(5);

			entries[i] = (TallyEntry)
			{
				(uint16_t) (k * 7), (uint16_t) d, count
			};
			t.count[k][d] += count;
		}
		for (int k = 0; k < KEYS; k++)
			for (int d = 0; d < DAYS; d++)
				t.count[k][d] = saturate(t.count[k][d]);
		fold(&t, roll_day);
		encode(&t, &want);
		if (sorted)
			nurture_tally_sort(entries, n);
		CHECK(nurture_tally_build(entries, n, roll_day, b.data, &b.len) ==
			  TALLY_OK);
		CHECK(b.len <= nurture_tally_build_bound(n, roll_day));
		CHECK(same(&b, &want));
	}
	for (size_t i = 0; i < 3000; i++)
		entries[i] = (TallyEntry)
	{
		(uint16_t) (3000 - i), 9, 1
	};
	nurture_tally_sort(entries, 3000);
	for (size_t i = 0; i < 3000; i++)
		CHECK(entries[i].key == i + 1);
}

static TallyStatus
read_text(const char *text, Bytes *b, TallyTextError *error)
{
	static TallyEntry entries[2 * MAX_BYTES];
	size_t		len = strlen(text);
	TallyStatus status;

	status = nurture_tally_from_text(text, len, entries, b->data, &b->len,
									 error);
	if (status == TALLY_OK)
	{
		CHECK(b->len <= nurture_tally_text_bound(text, len));
		set_view(b);
	}
	return status;
}

static void
expect_text(const char *text, const char *canonical)
{
	Bytes		b;
	TallyTextError error;
	char		back[MAX_BYTES];

	CHECK(read_text(text, &b, &error) == TALLY_OK);
	CHECK(is_valid(&b));
	back[nurture_tally_to_text(&b.view, back)] = '\0';
	CHECK(strlen(back) <= nurture_tally_to_text_bound(&b.view));
	if (strcmp(back, canonical) != 0)
		printf("# %s became %s\n", text, back);
	CHECK(strcmp(back, canonical) == 0);
}

static void
expect_refusal(const char *text, size_t offset, const char *message)
{
	Bytes		b;
	TallyTextError error;

	CHECK(read_text(text, &b, &error) == TALLY_BAD_TEXT);
	if (error.offset != offset || strcmp(error.message, message) != 0)
		printf("# %s: %zu %s\n", text, error.offset, error.message);
	CHECK(error.offset == offset && strcmp(error.message, message) == 0);
}

static void
test_text(void)
{
	expect_text("{}", "{}");
	expect_text(" { } ", "{}");
	expect_text("{rolled 2024-09-01}", "{rolled 2024-09-01}");
	expect_text("{12@2026-11-03:2, 12@2026-11-04:1, "
				"15@ever:7/5; rolled 2024-09-01}",
				"{12@2026-11-03:2, 12@2026-11-04:1, "
				"15@ever:7/5; rolled 2024-09-01}");
	expect_text("\n{ 15 @ ever : 7 / 5 ,12@2026-11-04:1,\t"
				"12@2026-11-03:4294967295;rolled 2024-09-01 }\n",
				"{12@2026-11-03:max, 12@2026-11-04:1, "
				"15@ever:7/5; rolled 2024-09-01}");
	expect_text("{0@1970-01-03:1,65535@2149-06-06:max}",
				"{0@1970-01-03:1, 65535@2149-06-06:max}");
	expect_text("{3@ever:max/max}", "{3@ever:max/max}");

	expect_refusal("", 0, "expected {");
	expect_refusal("{", 1, "expected a key from 0 to 65535");
	expect_refusal("{}x", 2, "unexpected text after the tally");
	expect_refusal("{65536@2026-11-03:1}", 1,
				   "expected a key from 0 to 65535");
	expect_refusal("{-1@2026-11-03:1}", 1, "expected a key from 0 to 65535");
	expect_refusal("{1:1}", 2, "expected @ after the key");
	expect_refusal("{1@2026-13-03:1}", 3,
				   "expected a date such as 2026-11-03");
	expect_refusal("{1@2026-11-0", 3, "expected a date such as 2026-11-03");
	expect_refusal("{1@1970-01-02:1}", 3,
				   "date is outside 1970-01-03 to 2149-06-06");
	expect_refusal("{1@2149-06-07:1}", 3,
				   "date is outside 1970-01-03 to 2149-06-06");
	expect_refusal("{1@2026-11-03}", 13, "expected : after the day");
	expect_refusal("{1@2026-11-03:0}", 14, "a count of zero is not kept");
	expect_refusal("{1@2026-11-03:4294967296}", 14,
				   "expected a count from 1 to 4294967295, or max");
	expect_refusal("{1@ever:7}", 9,
				   "expected / and the number of distinct days");
	expect_refusal("{1@ever:7/8}", 1, "more days than occurrences");
	expect_refusal("{1@2026-11-03:1 2@2026-11-03:1}", 16,
				   "expected a comma, a semicolon or }");
	expect_refusal("{1@2026-11-03:1;}", 16, "expected rolled");
	expect_refusal("{1@2026-11-03:1,}", 16, "expected a key from 0 to 65535");
	expect_refusal("{; rolled 2026-11-03}", 1,
				   "expected a key from 0 to 65535");
	expect_refusal("{rolled 2026-11-03", 18, "expected }");
	expect_refusal("{1@2026-11-03:1, 2@2026-11-03:1, 1@2026-11-03:2}", 33,
				   "this key has this day already");
	expect_refusal("{1@ever:1/1, 1@ever:1/1}", 13,
				   "this key has this day already");
	expect_refusal("{2@2026-11-03:1, 1@2026-11-01:1; rolled 2026-11-02}", 17,
				   "a day before the roll day must stand under ever");
}

/*
 * Text and wire of random tallies, and what a changed byte does to them.
 */
static void
test_forms(void)
{
	static const char letters[] = "{}@:;,/ 0123456789-ever rolled max";

	for (int round = 0; round < ROUNDS; round++)
	{
		Table		t = random_table();
		Bytes		b;
		Bytes		back;
		char		text[MAX_BYTES];
		unsigned char wire[MAX_BYTES];
		size_t		len;
		TallyTextError error;

		encode(&t, &b);
		len = nurture_tally_to_text(&b.view, text);
		text[len] = '\0';
		CHECK(len <= nurture_tally_to_text_bound(&b.view));
		CHECK(read_text(text, &back, &error) == TALLY_OK);
		CHECK(same(&b, &back));
		text[random_below((uint32_t) len)] =
			letters[random_below(sizeof(letters) - 1)];
		if (read_text(text, &back, &error) == TALLY_OK)
			CHECK(is_valid(&back));
		else
			CHECK(error.offset <= len && error.message != NULL);

		nurture_tally_to_wire(&b.view, wire);
		CHECK(nurture_tally_from_wire(wire, b.len, back.data, &back.len) ==
			  TALLY_OK);
		CHECK(same(&b, &back));
		wire[random_below((uint32_t) b.len)] ^=
			(unsigned char) (1 << random_below(8));
		len = random_below(4) ? b.len : random_below((uint32_t) b.len + 1);
		if (nurture_tally_from_wire(wire, len, back.data, &back.len) ==
			TALLY_OK)
			CHECK(is_valid(&back));
	}
}

/*
 * One refusal of every kind, and the edges of saturation and subtraction.
 */
static void
test_refusals(void)
{
	Table		t;
	Bytes		a;
	Bytes		b;
	Bytes		out;
	Tally		v;
	TallyEntry	e[2];
	static const unsigned char wire[] = {
		1, 0, 0x10, 0x20, 0x00, 0x0c, 0x4e, 0x20, 0, 0, 1, 2
	};

	memset(&t, 0, sizeof(t));
	t.count[1][5] = UINT32_MAX;
	t.count[1][6] = 4;
	encode(&t, &a);
	t.count[1][5] = 1;
	encode(&t, &b);
	CHECK(subtract(&a, &b, &out) == TALLY_NEEDS_REBUILD);
	CHECK(subtract(&b, &a, &out) == TALLY_NEEDS_REBUILD);
	add(&a, &b, &out);
	CHECK(nurture_tally_count(&out.view, 7, 5, 5) == UINT32_MAX);
	t.count[1][5] = 0;
	encode(&t, &b);
	CHECK(subtract(&a, &b, &out) == TALLY_OK);
	CHECK(out.view.n == 1);
	t.count[1][6] = 5;
	encode(&t, &b);
	CHECK(subtract(&a, &b, &out) == TALLY_UNDERFLOW);

	/* a single day off a folded count is not known, all of it is */
	memset(&t, 0, sizeof(t));
	t.roll = 9;
	t.count[1][0] = 5;
	t.count[1][1] = 2;
	encode(&t, &a);
	memset(&t, 0, sizeof(t));
	t.count[1][5] = 2;
	encode(&t, &b);
	CHECK(subtract(&a, &b, &out) == TALLY_NEEDS_REBUILD);
	t.count[1][5] = 5;
	encode(&t, &b);
	CHECK(subtract(&a, &b, &out) == TALLY_OK && out.view.n == 0 &&
		  out.view.roll_day == 9);
	t.count[1][5] = 6;
	encode(&t, &b);
	CHECK(subtract(&a, &b, &out) == TALLY_UNDERFLOW);
	add(&a, &b, &out);
	CHECK(out.view.n == 2 && nurture_tally_entry(&out.view, 0).count == 11 &&
		  nurture_tally_entry(&out.view, 1).count == 3);

	CHECK(nurture_tally_check(a.data, 3, &v) == TALLY_TRUNCATED);
	CHECK(nurture_tally_check(a.data, a.len - 1, &v) == TALLY_TRUNCATED);
	CHECK(nurture_tally_check(a.data, a.len - 8, &v) == TALLY_BAD_DAY);
	a.data[0] = 2;
	CHECK(nurture_tally_check(a.data, a.len, &v) == TALLY_BAD_VERSION);
	a.data[0] = 1;
	a.data[1] = 1;
	CHECK(nurture_tally_check(a.data, a.len, &v) == TALLY_BAD_VERSION);
	memset(&t, 0, sizeof(t));
	t.roll = 1;
	encode(&t, &a);
	CHECK(nurture_tally_check(a.data, a.len, &v) == TALLY_BAD_DAY);
	t.roll = 5;
	t.count[0][4] = 1;
	encode(&t, &a);
	CHECK(nurture_tally_check(a.data, a.len, &v) == TALLY_BAD_DAY);
	t.count[0][4] = 0;
	t.count[0][1] = 1;
	encode(&t, &a);
	CHECK(nurture_tally_check(a.data, a.len, &v) == TALLY_BAD_DAY);
	t.count[0][0] = 1;
	t.count[0][1] = 2;
	encode(&t, &a);
	CHECK(nurture_tally_check(a.data, a.len, &v) == TALLY_BAD_COUNT);
	t.count[0][1] = 1;
	encode(&t, &a);
	memset(a.data + 8, 0, 4);
	CHECK(nurture_tally_check(a.data, a.len, &v) == TALLY_BAD_COUNT);
	memcpy(a.data + 4, a.data + 12, 8);
	CHECK(nurture_tally_check(a.data, a.len, &v) != TALLY_OK);
	memset(&t, 0, sizeof(t));
	t.count[0][4] = 1;
	t.count[1][4] = 1;
	encode(&t, &a);
	memcpy(a.data + 4, a.data + 12, 8);
	CHECK(nurture_tally_check(a.data, a.len, &v) == TALLY_BAD_ORDER);

	e[0] = (TallyEntry)
	{
		1, 5, 0
	};
	CHECK(nurture_tally_build(e, 1, 0, out.data, &out.len) ==
		  TALLY_BAD_COUNT);
	e[0] = (TallyEntry)
	{
		1, NURTURE_TALLY_EVER, 1
	};
	CHECK(nurture_tally_build(e, 1, 0, out.data, &out.len) == TALLY_BAD_DAY);
	e[1] = (TallyEntry)
	{
		2, NURTURE_TALLY_FOLDED_DAYS, 1
	};
	CHECK(nurture_tally_build(e, 2, 0, out.data, &out.len) == TALLY_BAD_DAY);
	e[1].key = 1;
	CHECK(nurture_tally_build(e, 2, 0, out.data, &out.len) == TALLY_OK);
	e[1].count = 2;
	CHECK(nurture_tally_build(e, 2, 0, out.data, &out.len) ==
		  TALLY_BAD_COUNT);

	/* the wire form is big-endian on every machine */
	CHECK(nurture_tally_from_wire(wire, sizeof(wire), out.data, &out.len) ==
		  TALLY_OK);
	set_view(&out);
	CHECK(out.view.roll_day == 0x1020 && out.view.n == 1 &&
		  nurture_tally_entry(&out.view, 0).key == 12 &&
		  nurture_tally_entry(&out.view, 0).day == 0x4e20 &&
		  nurture_tally_entry(&out.view, 0).count == 0x102);
	for (TallyStatus s = TALLY_OK; s <= TALLY_TOO_LARGE; s++)
		CHECK(strcmp(nurture_tally_status_text(s),
					 "unknown tally status") != 0);
}

int
main(void)
{
	property_start();
	test_small_pairs();
	test_algebra();
	test_rolled_first();
	test_reading();
	test_parts();
	test_base();
	test_events();
	test_build();
	test_text();
	test_forms();
	test_refusals();
	return property_finish();
}
