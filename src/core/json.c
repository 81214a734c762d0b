/*
 * json.c
 *	  The strict JSON reader: one pass, recursion bounded by
 *	  NURTURE_JSON_MAX_DEPTH, memory from the caller's arena.
 */
#include "json.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "json_text.h"

typedef struct Reader
{
	const unsigned char *in;	/* the document */
	size_t		len;			/* its bytes */
	size_t		pos;			/* next byte to read */
	int			values;			/* values made so far */
	const CoreArena *arena;
	CoreJsonError *error;
} Reader;

static bool read_value(Reader *r, CoreJson *v, int depth);

/* Answers the member of an object with this name, or NULL. */
const CoreJson *
nurture_json_member(const CoreJson *object, const char *key)
{
	size_t		len = strlen(key);

	if (object->kind != CORE_JSON_OBJECT)
		return NULL;
	for (const CoreJson *m = object->first; m != NULL; m = m->next)
	{
		if (m->key_len == len && memcmp(m->key, key, len) == 0)
			return m;
	}
	return NULL;
}

/* Writes the JSON pointer of a value. */
size_t
nurture_json_path(const CoreJson *value, char *buf, size_t size)
{
	const CoreJson *way[NURTURE_JSON_MAX_DEPTH + 2];
	int			n = 0;
	CoreText	out;

	core_text_start(&out, buf, size);
	for (; value->parent != NULL && n < NURTURE_JSON_MAX_DEPTH + 2;
		 value = value->parent)
		way[n++] = value;
	while (n-- > 0)
	{
		core_text_str(&out, "/");
		if (way[n]->key == NULL)
		{
			core_text_int(&out, way[n]->index);
			continue;
		}
		for (size_t i = 0, from = 0; i <= way[n]->key_len; i++)
		{
			char		c = i < way[n]->key_len ? way[n]->key[i] : '\0';

			if (i == way[n]->key_len || c == '~' || c == '/')
			{
				core_text_add(&out, way[n]->key + from, i - from);
				from = i + 1;
				if (i < way[n]->key_len)
					core_text_str(&out, c == '~' ? "~0" : "~1");
			}
		}
	}
	return out.len;
}

/* Fills the error, blaming value v at the present place; answers false. */
static bool
fail(Reader *r, const CoreJson *v, const char *message)
{
	CoreText	out;

	nurture_json_path(v, r->error->path, sizeof(r->error->path));
	core_text_start(&out, r->error->message, sizeof(r->error->message));
	core_text_str(&out, message);
	r->error->offset = r->pos;
	return false;
}

/* Steps over the four blanks JSON knows. */
static void
skip_blanks(Reader *r)
{
	while (r->pos < r->len &&
		   (r->in[r->pos] == ' ' || r->in[r->pos] == '\t' ||
			r->in[r->pos] == '\n' || r->in[r->pos] == '\r'))
		r->pos++;
}

/* Says whether the next byte is c, and steps over it if so. */
static bool
take(Reader *r, char c)
{
	if (r->pos < r->len && r->in[r->pos] == (unsigned char) c)
	{
		r->pos++;
		return true;
	}
	return false;
}

/*
 * Answers the length of the well-formed UTF-8 character at s, 0 if there is
 * none: no overlong forms, no surrogates, nothing above U+10FFFF (Unicode,
 * table 3-7).
 */
static size_t
utf8_length(const unsigned char *s, size_t left)
{
	unsigned char low = 0x80;
	unsigned char high = 0xBF;
	size_t		n;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xC2 && s[0] <= 0xDF)
		n = 2;
	else if (s[0] >= 0xE0 && s[0] <= 0xEF)
	{
		n = 3;
		if (s[0] == 0xE0)
			low = 0xA0;
		else if (s[0] == 0xED)
			high = 0x9F;
	}
	else if (s[0] >= 0xF0 && s[0] <= 0xF4)
	{
		n = 4;
		if (s[0] == 0xF0)
			low = 0x90;
		else if (s[0] == 0xF4)
			high = 0x8F;
	}
	else
		return 0;
	if (left < n || s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
	{
		if ((s[i] & 0xC0) != 0x80)
			return 0;
	}
	return n;
}

/* Reads four hexadecimal digits at p, -1 if they are not. */
static int
hex4(const unsigned char *p)
{
	int			n = 0;

	for (int i = 0; i < 4; i++)
	{
		unsigned char c = p[i];

		if (c >= '0' && c <= '9')
			n = n * 16 + (c - '0');
		else if (c >= 'a' && c <= 'f')
			n = n * 16 + (c - 'a' + 10);
		else if (c >= 'A' && c <= 'F')
			n = n * 16 + (c - 'A' + 10);
		else
			return -1;
	}
	return n;
}

/* Writes code point c as UTF-8, answers the bytes written. */
static size_t
put_utf8(char *to, uint32_t c)
{
	if (c < 0x80)
	{
		to[0] = (char) c;
		return 1;
	}
	if (c < 0x800)
	{
		to[0] = (char) (0xC0 | (c >> 6));
		to[1] = (char) (0x80 | (c & 0x3F));
		return 2;
	}
	if (c < 0x10000)
	{
		to[0] = (char) (0xE0 | (c >> 12));
		to[1] = (char) (0x80 | ((c >> 6) & 0x3F));
		to[2] = (char) (0x80 | (c & 0x3F));
		return 3;
	}
	to[0] = (char) (0xF0 | (c >> 18));
	to[1] = (char) (0x80 | ((c >> 12) & 0x3F));
	to[2] = (char) (0x80 | ((c >> 6) & 0x3F));
	to[3] = (char) (0x80 | (c & 0x3F));
	return 4;
}

/* Decodes the \u escape whose digits begin at r->pos into *c. */
static bool
read_unicode(Reader *r, const CoreJson *v, uint32_t *c)
{
	int			high = r->len - r->pos >= 4 ? hex4(r->in + r->pos) : -1;
	int			low;

	if (high < 0)
		return fail(r, v, "\\u must be followed by four hexadecimal digits");
	if (high == 0)
		return fail(r, v, "\\u0000 is not allowed in text");
	r->pos += 4;
	*c = (uint32_t) high;
	if (high < 0xD800 || high > 0xDFFF)
		return true;
	low = high < 0xDC00 && r->len - r->pos >= 6 && r->in[r->pos] == '\\' &&
		r->in[r->pos + 1] == 'u' ? hex4(r->in + r->pos + 2) : -1;
	if (low < 0xDC00 || low > 0xDFFF)
		return fail(r, v, "a \\u surrogate stands without its other half");
	r->pos += 6;
	*c = 0x10000 + (((uint32_t) high - 0xD800) << 10) +
		((uint32_t) low - 0xDC00);
	return true;
}

/*
 * Reads the string whose opening quote has been taken.  A first pass finds
 * the closing quote, because what a string decodes to is never longer than
 * what stands between its quotes.
 */
static bool
read_string(Reader *r, const CoreJson *v, const char **text, size_t *len)
{
	size_t		end = r->pos;
	size_t		n = 0;
	char	   *to;

	while (end < r->len && r->in[end] != '"')
		end += r->in[end] == '\\' ? 2 : 1;
	if (end >= r->len)
	{
		r->pos = r->len;
		return fail(r, v, "a string is not closed");
	}
	to = r->arena->alloc(r->arena->ctx, end - r->pos + 1);
	while (r->pos < end)
	{
		unsigned char c = r->in[r->pos];
		size_t		bytes;

		if (c < 0x20)
			return fail(r, v, "a control character must be written as an escape");
		if (c != '\\')
		{
			bytes = utf8_length(r->in + r->pos, end - r->pos);
			if (bytes == 0)
				return fail(r, v, "text is not valid UTF-8");
			memcpy(to + n, r->in + r->pos, bytes);
			n += bytes;
			r->pos += bytes;
			continue;
		}
		c = r->in[r->pos + 1];
		r->pos += 2;
		switch (c)
		{
			case '"':
			case '\\':
			case '/':
				to[n++] = (char) c;
				break;
			case 'b':
				to[n++] = '\b';
				break;
			case 'f':
				to[n++] = '\f';
				break;
			case 'n':
				to[n++] = '\n';
				break;
			case 'r':
				to[n++] = '\r';
				break;
			case 't':
				to[n++] = '\t';
				break;
			case 'u':
				{
					uint32_t	code = 0;

					if (!read_unicode(r, v, &code))
						return false;
					n += put_utf8(to + n, code);
					break;
				}
			default:
				r->pos--;
				return fail(r, v, "unknown escape in a string");
		}
	}
	r->pos = end + 1;
	to[n] = '\0';
	*text = to;
	*len = n;
	return true;
}

/* Steps over decimal digits, answers how many. */
static size_t
skip_digits(Reader *r)
{
	size_t		from = r->pos;

	while (r->pos < r->len && r->in[r->pos] >= '0' && r->in[r->pos] <= '9')
		r->pos++;
	return r->pos - from;
}

/* Reads a number, keeping its text. */
static bool
read_number(Reader *r, CoreJson *v)
{
	size_t		from = r->pos;
	char	   *to;

	take(r, '-');
	if (!take(r, '0') && skip_digits(r) == 0)
		return fail(r, v, "a number needs a digit here");
	if (r->pos < r->len && r->in[r->pos] >= '0' && r->in[r->pos] <= '9')
		return fail(r, v, "a number must not begin with a zero");
	if (take(r, '.') && skip_digits(r) == 0)
		return fail(r, v, "a number needs a digit after its point");
	if (take(r, 'e') || take(r, 'E'))
	{
		if (!take(r, '+'))
			take(r, '-');
		if (skip_digits(r) == 0)
			return fail(r, v, "a number needs a digit in its exponent");
	}
	v->kind = CORE_JSON_NUMBER;
	v->len = r->pos - from;
	to = r->arena->alloc(r->arena->ctx, v->len + 1);
	memcpy(to, r->in + from, v->len);
	to[v->len] = '\0';
	v->text = to;
	return true;
}

/* Reads one of the three literal words. */
static bool
read_word(Reader *r, CoreJson *v, const char *word, CoreJsonKind kind)
{
	size_t		len = strlen(word);

	if (r->len - r->pos < len || memcmp(r->in + r->pos, word, len) != 0)
		return fail(r, v, "expected a value: object, array, string, number, "
					"true, false or null");
	r->pos += len;
	v->kind = kind;
	v->truth = word[0] == 't';
	return true;
}

/* Makes the next child of parent and links it behind *tail. */
static CoreJson *
add_child(Reader *r, CoreJson *parent, CoreJson **tail)
{
	CoreJson   *v;

	if (r->values >= NURTURE_JSON_MAX_VALUES)
	{
		fail(r, parent, "the document has more than 65536 values");
		return NULL;
	}
	r->values++;
	v = r->arena->alloc(r->arena->ctx, sizeof(CoreJson));
	memset(v, 0, sizeof(*v));
	v->parent = parent;
	v->index = parent->count++;
	if (*tail == NULL)
		parent->first = v;
	else
		(*tail)->next = v;
	*tail = v;
	return v;
}

/* Reads name and colon of a member, refusing a name seen before. */
static bool
read_name(Reader *r, CoreJson *object, CoreJson *member)
{
	skip_blanks(r);
	if (!take(r, '"'))
		return fail(r, object, "expected a member name in double quotes");
	if (!read_string(r, object, &member->key, &member->key_len))
		return false;
	if (object->count > NURTURE_JSON_MAX_MEMBERS)
		return fail(r, object, "the object has more than 1024 members");
	for (const CoreJson *m = object->first; m != member; m = m->next)
	{
		if (m->key_len == member->key_len &&
			memcmp(m->key, member->key, m->key_len) == 0)
			return fail(r, member, "the member is given twice");
	}
	skip_blanks(r);
	if (!take(r, ':'))
		return fail(r, member, "expected a colon after the member name");
	return true;
}

/* Reads the elements or members after the opening bracket. */
static bool
read_children(Reader *r, CoreJson *v, int depth)
{
	bool		object = v->kind == CORE_JSON_OBJECT;
	char		close = object ? '}' : ']';
	CoreJson   *tail = NULL;

	if (depth >= NURTURE_JSON_MAX_DEPTH)
		return fail(r, v, "the document is nested more than 128 deep");
	skip_blanks(r);
	if (take(r, close))
		return true;
	for (;;)
	{
		CoreJson   *child = add_child(r, v, &tail);

		if (child == NULL || (object && !read_name(r, v, child)) ||
			!read_value(r, child, depth + 1))
			return false;
		skip_blanks(r);
		if (take(r, close))
			return true;
		if (!take(r, ','))
			return fail(r, v, object ? "expected a comma or a closing brace" :
						"expected a comma or a closing bracket");
	}
}

/* Reads any value into v. */
static bool
read_value(Reader *r, CoreJson *v, int depth)
{
	skip_blanks(r);
	if (r->pos >= r->len)
		return fail(r, v, "the document ends where a value is expected");
	switch (r->in[r->pos])
	{
		case '{':
		case '[':
			v->kind = r->in[r->pos] == '{' ? CORE_JSON_OBJECT : CORE_JSON_ARRAY;
			r->pos++;
			return read_children(r, v, depth);
		case '"':
			v->kind = CORE_JSON_STRING;
			r->pos++;
			return read_string(r, v, &v->text, &v->len);
		case 't':
			return read_word(r, v, "true", CORE_JSON_BOOL);
		case 'f':
			return read_word(r, v, "false", CORE_JSON_BOOL);
		case '-':
		case '0':
		case '1':
		case '2':
		case '3':
		case '4':
		case '5':
		case '6':
		case '7':
		case '8':
		case '9':
			return read_number(r, v);
		default:
			return read_word(r, v, "null", CORE_JSON_NULL);
	}
}

/* Reads a document; NULL with *error filled when it is not valid. */
CoreJson   *
nurture_json_parse(const char *json, size_t len, const CoreArena *arena,
				   CoreJsonError *error)
{
	Reader		r = {.in = (const unsigned char *) json,.len = len,
	.arena = arena,.error = error};
	CoreJson   *v = arena->alloc(arena->ctx, sizeof(CoreJson));

	memset(error, 0, sizeof(*error));
	memset(v, 0, sizeof(*v));
	r.values = 1;
	if (len > NURTURE_JSON_MAX_BYTES)
	{
		fail(&r, v, "the document is longer than 16 MiB");
		return NULL;
	}
	if (!read_value(&r, v, 0))
		return NULL;
	skip_blanks(&r);
	if (r.pos < r.len)
	{
		fail(&r, v, "there is more text after the document");
		return NULL;
	}
	return v;
}
