/*
 * jcs_test.c
 *	  RFC 8785 against the test data of its authors: documents, and 100,000
 *	  doubles whose texts have a known hash.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "es6_numbers.h"
#include "jcs.h"
#include "sha256.h"

static int	passed;
static int	failed;
static void *blocks[1000];
static int	nblocks;

#define CHECK(cond) \
	((cond) ? (void) passed++ : \
	 (void) (failed++, printf("line %d: %s\n", __LINE__, #cond)))

static void *
take_block(void *ctx, size_t size)
{
	(void) ctx;
	if (nblocks == 1000)
		abort();
	return blocks[nblocks++] = calloc(1, size);
}

static const CoreArena arena = {take_block, NULL};

static void
free_blocks(void)
{
	while (nblocks > 0)
		free(blocks[--nblocks]);
}

/* Writes a document canonically; false when it cannot be. */
static bool
canonical(const char *json, size_t len, char *out, size_t size)
{
	CoreJsonError error;
	CoreText	text;
	CoreJson   *tree = nurture_json_parse(json, len, &arena, &error);
	bool		written;

	core_text_start(&text, out, size);
	written = tree != NULL && nurture_jcs_write(tree, &text);
	free_blocks();
	return written && text.len < size;
}

static size_t
read_file(const char *directory, const char *name, char *buf, size_t size)
{
	char		path[120];
	FILE	   *file;
	size_t		len;

	snprintf(path, sizeof(path), "test/fixtures/jcs/%s/%s.json", directory, name);
	file = fopen(path, "rb");
	if (file == NULL)
	{
		printf("cannot open %s\n", path);
		exit(1);
	}
	len = fread(buf, 1, size - 1, file);
	buf[len] = '\0';
	fclose(file);
	return len;
}

static void
test_documents(void)
{
	static const char *const names[] = {"arrays", "french", "structures", "unicode", "values", "weird"};
	char		input[1000];
	char		output[1000];
	char		written[1000];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
	{
		size_t		len = read_file("input", names[i], input, sizeof(input));

		(void) read_file("output", names[i], output, sizeof(output));
		CHECK(canonical(input, len, written, sizeof(written)));
		CHECK(strcmp(written, output) == 0);
		/* what is canonical stays as it is */
		CHECK(canonical(output, strlen(output), written, sizeof(written)));
		CHECK(strcmp(written, output) == 0);
	}
	CHECK(!canonical("1e400", 5, written, sizeof(written)));
	CHECK(!canonical("{\"a\":[-1e400]}", 14, written, sizeof(written)));
	CHECK(canonical("[1e-400]", 8, written, sizeof(written)));
	CHECK(strcmp(written, "[0]") == 0);
}

static void
test_escapes(void)
{
	char		out[400];
	CoreText	text;
	char		all[0x22];

	for (int i = 0; i < 0x22; i++)
		all[i] = (char) (i + 1);
	core_text_start(&text, out, sizeof(out));
	nurture_jcs_string(&text, all, 0x22);
	CHECK(strcmp(out, "\"\\u0001\\u0002\\u0003\\u0004\\u0005\\u0006\\u0007\\b\\t\\n\\u000b\\f\\r\\u000e\\u000f"
				 "\\u0010\\u0011\\u0012\\u0013\\u0014\\u0015\\u0016\\u0017\\u0018\\u0019\\u001a\\u001b\\u001c\\u001d\\u001e\\u001f"
				 " !\\\"\"") == 0);
	core_text_start(&text, out, sizeof(out));
	nurture_jcs_string(&text, "a\\/\x7f", 4);
	CHECK(strcmp(out, "\"a\\\\/\x7f\"") == 0);
}

/* Encodes a code point as UTF-8 and UTF-16; answers the lengths. */
static void
encode(unsigned c, char *utf8, size_t *len, unsigned short *utf16, int *units)
{
	*units = 1;
	utf16[0] = (unsigned short) c;
	if (c < 0x80)
		utf8[(*len)++] = (char) c;
	else if (c < 0x800)
	{
		utf8[(*len)++] = (char) (0xC0 | c >> 6);
		utf8[(*len)++] = (char) (0x80 | (c & 0x3F));
	}
	else if (c < 0x10000)
	{
		utf8[(*len)++] = (char) (0xE0 | c >> 12);
		utf8[(*len)++] = (char) (0x80 | (c >> 6 & 0x3F));
		utf8[(*len)++] = (char) (0x80 | (c & 0x3F));
	}
	else
	{
		utf8[(*len)++] = (char) (0xF0 | c >> 18);
		utf8[(*len)++] = (char) (0x80 | (c >> 12 & 0x3F));
		utf8[(*len)++] = (char) (0x80 | (c >> 6 & 0x3F));
		utf8[(*len)++] = (char) (0x80 | (c & 0x3F));
		utf16[0] = (unsigned short) (0xD800 + ((c - 0x10000) >> 10));
		utf16[1] = (unsigned short) (0xDC00 + ((c - 0x10000) & 0x3FF));
		*units = 2;
	}
}

/* Every pair of characters from all parts of Unicode against their UTF-16. */
static void
test_order(void)
{
	static const unsigned points[] = {
		1, 'A', 'a', 0x7F, 0x80, 0x7FF, 0x800, 0xCFFF, 0xD000, 0xD7FF, 0xE000, 0xEFFF, 0xF000, 0xFB33,
		0xFFFD, 0xFFFF, 0x10000, 0x1F602, 0x3FFFF, 0x40000, 0x10FFFF
	};
	const int	n = sizeof(points) / sizeof(*points);

	for (int i = 0; i < n * n; i++)
	{
		char		a[16] = "z";
		char		b[16] = "z";
		size_t		alen = 1;
		size_t		blen = 1;
		unsigned short x[2];
		unsigned short y[2];
		int			nx;
		int			ny;
		int			expected;

		encode(points[i / n], a, &alen, x, &nx);
		encode(points[i % n], b, &blen, y, &ny);
		expected = x[0] != y[0] ? x[0] - y[0] : nx == 2 && ny == 2 ? x[1] - y[1] : 0;
		CHECK((nurture_jcs_compare(a, alen, b, blen) > 0) == (expected > 0));
		CHECK((nurture_jcs_compare(a, alen, b, blen) < 0) == (expected < 0));
	}
	CHECK(nurture_jcs_compare("a", 1, "ab", 2) < 0);
	CHECK(nurture_jcs_compare("ab", 2, "a", 1) > 0);
	CHECK(nurture_jcs_compare("", 0, "", 0) == 0);
}

static double
of_bits(uint64_t bits)
{
	double		value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

/*
 * The sequence of the ES6 number test: fixed doubles, 2,000 from the smallest
 * normal one on, then what hashing the hash before over and over gives.
 */
static void
test_numbers(void)
{
	const int	fixed = sizeof(es6_numbers) / sizeof(*es6_numbers);
	const int	last = es6_hashes[2].lines;
	char	   *lines = malloc((size_t) last * 48);
	size_t		used = 0;
	unsigned char block[32] = {0};
	int			at = 4;
	int			hashed = 0;

	for (int i = 0; i < last; i++)
	{
		uint64_t	bits = i < fixed ? es6_numbers[i] :
		UINT64_C(0x0010000000000000) + (uint64_t) (i - fixed);
		char		number[NURTURE_JCS_NUMBER_SIZE];

		while (i >= fixed + 2000)
		{
			if (at == 4)
			{
				unsigned char next[32];

				sha256(NULL, block, sizeof(block), next);
				memcpy(block, next, sizeof(block));
				at = 0;
			}
			bits = 0;
			for (int k = 7; k >= 0; k--)
				bits = bits << 8 | block[at * 8 + k];
			at++;
			if (isfinite(of_bits(bits)) && of_bits(bits) != 0)
				break;
		}
		if (nurture_jcs_number(of_bits(bits), number) == 0)
			failed++;
		used += (size_t) sprintf(lines + used, "%llx,%s\n", (unsigned long long) bits, number);
		if (i + 1 == es6_hashes[hashed].lines)
		{
			unsigned char digest[32];
			char		hex[65];

			sha256(NULL, lines, used, digest);
			for (int k = 0; k < 32; k++)
				sprintf(hex + 2 * k, "%02x", digest[k]);
			CHECK(strcmp(hex, es6_hashes[hashed].sha256) == 0);
			hashed++;
		}
	}
	free(lines);
}

static void
test_edges(void)
{
	static const struct
	{
		double		value;
		const char *text;
	}			cases[] = {
		{0.0, "0"}, {-0.0, "0"}, {1, "1"}, {-1, "-1"}, {100, "100"}, {0.5, "0.5"}, {1e21, "1e+21"}, {1e20, "100000000000000000000"},
		{1e23, "1e+23"}, {1e-6, "0.000001"}, {1e-7, "1e-7"}, {5e-324, "5e-324"}, {1.7976931348623157e308, "1.7976931348623157e+308"},
		{9007199254740993.0, "9007199254740992"}, {2.2250738585072014e-308, "2.2250738585072014e-308"}, {9999999.99, "9999999.99"},
	};
	char		number[NURTURE_JCS_NUMBER_SIZE];
	double		value;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
	{
		CHECK(nurture_jcs_number(cases[i].value, number) == strlen(cases[i].text));
		CHECK(strcmp(number, cases[i].text) == 0);
	}
	CHECK(nurture_jcs_number(HUGE_VAL, number) == 0);
	CHECK(nurture_jcs_number(-HUGE_VAL, number) == 0);
	CHECK(nurture_jcs_number(NAN, number) == 0);
	CHECK(nurture_jcs_read("1.5e3", &value) && value == 1500);
	CHECK(!nurture_jcs_read("1e309", &value));

	CHECK(nurture_jcs_same("12.50", "12.5"));
	CHECK(nurture_jcs_same("1e3", "1000"));
	CHECK(nurture_jcs_same("0.001", "1e-3"));
	CHECK(nurture_jcs_same("-0", "0.000e5"));
	CHECK(nurture_jcs_same("100200", "1.002E+5"));
	CHECK(nurture_jcs_same("0.0102", "102e-4"));
	CHECK(!nurture_jcs_same("1", "-1"));
	CHECK(!nurture_jcs_same("1", "10"));
	CHECK(!nurture_jcs_same("0.1", "0.01"));
	CHECK(!nurture_jcs_same("12", "13"));
	CHECK(!nurture_jcs_same("0", "1"));
	CHECK(!nurture_jcs_same("9007199254740993", "9007199254740992"));
}

int
main(void)
{
	test_documents();
	test_escapes();
	test_order();
	test_numbers();
	test_edges();
	printf("%d passed, %d failed\n", passed, failed);
	return failed > 0;
}
