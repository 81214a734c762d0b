/*
 * json_test.c
 *	  What the strict reader takes, what it refuses and where it points.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "json_text.h"

static int	passed;
static int	failed;
static void *blocks[70000];
static int	nblocks;

#define CHECK(cond) \
	((cond) ? (void) passed++ : \
	 (void) (failed++, printf("line %d: %s\n", __LINE__, #cond)))

/* What is valid, and what it says when written again. */
static const char *const valid[][2] = {
	{"null", "null"}, {"true", "true"}, {" \t\r\n false \n", "false"},
	{"0", "0"}, {"-0", "-0"}, {"-0.0e-00", "-0.0e-00"}, {"12.5E+10", "12.5E+10"},
	{"[]", "[]"}, {"{}", "{}"}, {"[ ]", "[]"}, {"{ }", "{}"},
	{"[1,[2,[]],{}]", "[1,[2,[]],{}]"},
	{"{\"a\":1,\"A\":{\"a\":2},\"\":3}", "{a:1,A:{a:2},:3}"},
	{"\"\"", "''"}, {"\"a\\\"\\\\\\/\\b\\f\\n\\r\\tz\"", "'a\"\\/\b\f\n\r\tz'"},
	{"\"\\u0041\\u00e9\\u20AC\\uD83D\\uDE00\"", "'A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80'"},
	{"\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\x7f\"", "'\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\x7f'"},
	{"\"\xf4\x8f\xbf\xbf\xed\x9f\xbf\xee\x80\x80\"", "'\xf4\x8f\xbf\xbf\xed\x9f\xbf\xee\x80\x80'"},
	{"\"\\uFFFF\\u0001\"", "'\xef\xbf\xbf\x01'"},
	{"[\"a\\u0062\"]", "['ab']"},
};

/* What is not: text, path, byte, message. */
static const struct
{
	const char *json;
	const char *path;
	size_t		offset;
	const char *message;
}			invalid[] =

{
	{"", "", 0, "the document ends where a value is expected"},
	{"  ", "", 2, "the document ends where a value is expected"},
	{"\xef\xbb\xbf{}", "", 0, "expected a value: object, array, string, number, true, false or null"},
	{"nul", "", 0, "expected a value: object, array, string, number, true, false or null"},
	{"True", "", 0, "expected a value: object, array, string, number, true, false or null"},
	{"NaN", "", 0, "expected a value: object, array, string, number, true, false or null"},
	{"'a'", "", 0, "expected a value: object, array, string, number, true, false or null"},
	{"1 2", "", 2, "there is more text after the document"},
	{"{}}", "", 2, "there is more text after the document"},
	{"nullx", "", 4, "there is more text after the document"},
	{"01", "", 1, "a number must not begin with a zero"},
	{"-01", "", 2, "a number must not begin with a zero"},
	{"-", "", 1, "a number needs a digit here"},
	{"-a", "", 1, "a number needs a digit here"},
	{"1.", "", 2, "a number needs a digit after its point"},
	{"1.e5", "", 2, "a number needs a digit after its point"},
	{"1e", "", 2, "a number needs a digit in its exponent"},
	{"1e+", "", 3, "a number needs a digit in its exponent"},
	{"+1", "", 0, "expected a value: object, array, string, number, true, false or null"},
	{".5", "", 0, "expected a value: object, array, string, number, true, false or null"},
	{"0x1", "", 1, "there is more text after the document"},
	{"[1,]", "/1", 3, "expected a value: object, array, string, number, true, false or null"},
	{"[1 2]", "", 3, "expected a comma or a closing bracket"},
	{"[1", "", 2, "expected a comma or a closing bracket"},
	{"[", "/0", 1, "the document ends where a value is expected"},
	{"[,1]", "/0", 1, "expected a value: object, array, string, number, true, false or null"},
	{"{\"a\":1,}", "", 7, "expected a member name in double quotes"},
	{"{a:1}", "", 1, "expected a member name in double quotes"},
	{"{\"a\" 1}", "/a", 5, "expected a colon after the member name"},
	{"{\"a\":1 \"b\":2}", "", 7, "expected a comma or a closing brace"},
	{"{\"a\":[{\"b/~c\":x}]}", "/a/0/b~1~0c", 14, "expected a value: object, array, string, number, true, false or null"},
	{"{\"a\":1,\"\\u0061\":2}", "/a", 15, "the member is given twice"},
	{"\"a", "", 2, "a string is not closed"},
	{"\"a\\", "", 3, "a string is not closed"},
	{"\"a\\\"", "", 4, "a string is not closed"},
	{"\"\n\"", "", 1, "a control character must be written as an escape"},
	{"\"\\x\"", "", 2, "unknown escape in a string"},
	{"\"\\u12\"", "", 3, "\\u must be followed by four hexadecimal digits"},
	{"\"\\u00g0\"", "", 3, "\\u must be followed by four hexadecimal digits"},
	{"\"\\u0000\"", "", 3, "\\u0000 is not allowed in text"},
	{"\"\\uD800\"", "", 7, "a \\u surrogate stands without its other half"},
	{"\"\\uDC00\"", "", 7, "a \\u surrogate stands without its other half"},
	{"\"\\uD800\\u0041\"", "", 7, "a \\u surrogate stands without its other half"},
	{"\"\\uDC00\\uD800\"", "", 7, "a \\u surrogate stands without its other half"},
	{"\"\x80\"", "", 1, "text is not valid UTF-8"},
	{"\"\xc0\xaf\"", "", 1, "text is not valid UTF-8"},
	{"\"\xc1\xbf\"", "", 1, "text is not valid UTF-8"},
	{"\"\xe0\x9f\xbf\"", "", 1, "text is not valid UTF-8"},
	{"\"\xed\xa0\x80\"", "", 1, "text is not valid UTF-8"},
	{"\"\xf0\x8f\xbf\xbf\"", "", 1, "text is not valid UTF-8"},
	{"\"\xf4\x90\x80\x80\"", "", 1, "text is not valid UTF-8"},
	{"\"\xf5\x80\x80\x80\"", "", 1, "text is not valid UTF-8"},
	{"\"a\xe2\x82\"", "", 2, "text is not valid UTF-8"},
	{"[\"\xff\"]", "/0", 2, "text is not valid UTF-8"},
};

/* CoreArena.alloc. */
static void *
take_block(void *ctx, size_t size)
{
	void	   *p = malloc(size);

	(void) ctx;
	if (p == NULL)
		abort();
	if (nblocks == 70000)
	{
		printf("the arena is full\n");
		exit(1);
	}
	blocks[nblocks++] = p;
	return p;
}

static const CoreArena arena = {take_block, NULL};

/* Frees everything. */
static void
drop_blocks(void)
{
	while (nblocks > 0)
		free(blocks[--nblocks]);
}

/* Writes a tree in a short form. */
static void
write_tree(CoreText *out, const CoreJson *v)
{
	switch (v->kind)
	{
		case CORE_JSON_NULL:
			core_text_str(out, "null");
			break;
		case CORE_JSON_BOOL:
			core_text_str(out, v->truth ? "true" : "false");
			break;
		case CORE_JSON_NUMBER:
			core_text_add(out, v->text, v->len);
			break;
		case CORE_JSON_STRING:
			core_text_str(out, "'");
			core_text_add(out, v->text, v->len);
			core_text_str(out, "'");
			break;
		case CORE_JSON_ARRAY:
		case CORE_JSON_OBJECT:
			core_text_str(out, v->kind == CORE_JSON_ARRAY ? "[" : "{");
			for (const CoreJson *e = v->first; e != NULL; e = e->next)
			{
				CHECK(e->parent == v);
				if (e != v->first)
					core_text_str(out, ",");
				if (e->key != NULL)
				{
					core_text_add(out, e->key, e->key_len);
					core_text_str(out, ":");
				}
				write_tree(out, e);
			}
			core_text_str(out, v->kind == CORE_JSON_ARRAY ? "]" : "}");
			break;
	}
}

/* Parses a copy of exactly len bytes, so that sanitizers see every overrun. */
static CoreJson *
parse(const char *json, size_t len, CoreJsonError *error)
{
	char	   *copy = malloc(len > 0 ? len : 1);
	CoreJson   *v;

	if (copy == NULL)
		abort();
	memcpy(copy, json, len);
	v = nurture_json_parse(copy, len, &arena, error);
	free(copy);
	return v;
}

/* Parses n times open, middle, and n times close; answers the message. */
static const char *
parse_many(const char *open, int n, const char *middle, const char *close)
{
	static CoreJsonError error;
	size_t		pair = strlen(open) + strlen(close);
	size_t		size = pair * (size_t) n + strlen(middle);
	char	   *json = malloc(size + 1);
	char	   *to = json;
	CoreJson   *v;

	if (json == NULL)
		abort();
	for (int i = 0; i < n; i++)
		to += sprintf(to, "%s", open);
	to += sprintf(to, "%s", middle);
	for (int i = 0; i < n; i++)
		to += sprintf(to, "%s", close);
	v = parse(json, size, &error);
	free(json);
	drop_blocks();
	return v != NULL ? "" : error.message;
}

int
main(void)
{
	CoreJsonError error;
	char		words[256];
	char	   *many = malloc(20 * 1024 * 1024);
	char	   *to;
	CoreText	out;
	CoreJson   *v;

	for (size_t i = 0; i < sizeof(valid) / sizeof(valid[0]); i++)
	{
		v = parse(valid[i][0], strlen(valid[i][0]), &error);
		core_text_start(&out, words, sizeof(words));
		if (v != NULL)
			write_tree(&out, v);
		if (strcmp(words, valid[i][1]) != 0)
			printf("%s became %s\n", valid[i][0], words);
		CHECK(strcmp(words, valid[i][1]) == 0);

		/* cut anywhere, it is refused or a shorter number */
		for (size_t n = 0; n < strlen(valid[i][0]); n++)
		{
			v = parse(valid[i][0], n, &error);
			CHECK(v != NULL || error.message[0] != '\0');
		}
		drop_blocks();
	}
	for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++)
	{
		v = parse(invalid[i].json, strlen(invalid[i].json), &error);
		CHECK(v == NULL);
		if (strcmp(error.path, invalid[i].path) != 0 ||
			error.offset != invalid[i].offset ||
			strcmp(error.message, invalid[i].message) != 0)
		{
			printf("%s: at %s, byte %zu: %s\n", invalid[i].json, error.path,
				   error.offset, error.message);
			failed++;
		}
		else
			passed++;
		drop_blocks();
	}
	v = parse("\"a\0b\"", 5, &error);
	CHECK(v == NULL && error.offset == 2);
	v = parse("{\"a\":1,\"b\":2}", 13, &error);
	CHECK(v != NULL && nurture_json_member(v, "b")->text[0] == '2');
	CHECK(nurture_json_member(v, "c") == NULL);
	CHECK(nurture_json_member(v->first, "a") == NULL);

	/* limits */
	CHECK(strcmp(parse_many("[", 128, "", "]"), "") == 0);
	CHECK(strcmp(parse_many("[", 129, "", "]"),
				 "the document is nested more than 128 deep") == 0);
	CHECK(strcmp(parse_many("{\"a\":", 100000, "", "}"),
				 "the document is nested more than 128 deep") == 0);
	CHECK(strcmp(parse_many("", 1, "[", "1]"), "") == 0);
	if (many == NULL)
		abort();
	for (int n = 65535; n <= 65536; n++)
	{
		many[0] = '[';
		for (int i = 0; i < n; i++)
			memcpy(many + 1 + 3 * i, "[],", 3);
		many[3 * n] = ']';
		v = parse(many, (size_t) (3 * n + 1), &error);
		CHECK((v != NULL) == (n == 65535));
		drop_blocks();
	}
	CHECK(strcmp(error.message, "the document has more than 65536 values") == 0);
	for (int n = 1024; n <= 1025; n++)
	{
		to = many;
		for (int i = 0; i < n; i++)
			to += sprintf(to, "%s\"%d\":0", i == 0 ? "{" : ",", i);
		to += sprintf(to, "}");
		v = parse(many, (size_t) (to - many), &error);
		CHECK((v != NULL) == (n == 1024));
		drop_blocks();
	}
	CHECK(strcmp(error.message, "the object has more than 1024 members") == 0);
	memset(many, ' ', 20 * 1024 * 1024);
	v = parse(many, 16 * 1024 * 1024 + 1, &error);
	CHECK(v == NULL && strcmp(error.message, "the document is longer than 16 MiB") == 0);
	drop_blocks();
	free(many);
	printf("%d passed, %d failed\n", passed, failed);
	return failed != 0;
}
