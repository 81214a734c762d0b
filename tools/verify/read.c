/*
 * read.c
 *	  Reads the lines of an export.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "canon.h"
#include "verify.h"

#define MAX_FIELDS 24

/* what each hashed field of an entry is, in the order of the leaf */
static const CanonTag tags[LEAF_FIELDS] = {
	CANON_INT, CANON_INSTANT, CANON_INT, CANON_UINT, CANON_BYTES, CANON_TEXT,
	CANON_TEXT, CANON_TEXT, CANON_LIST, CANON_JSON, CANON_JSON, CANON_TEXT,
	CANON_TEXT, CANON_TEXT, CANON_TEXT, CANON_TEXT, CANON_BOOL
};

/* where the line at hand stands, for messages */
static const char *file_name;
static long line_number;

static void
bad(const char *what)
{
	fail(what, file_name, line_number);
}

/* Takes out the escapes of COPY's text format, in place. */
static void
unescape(Field *field)
{
	static const char from[] = "bfnrtv";
	static const char to[] = "\b\f\n\r\t\v";
	char	   *out = field->data;

	if (strcmp(field->data, "\\N") == 0)
	{
		field->data = NULL;
		field->len = 0;
		return;
	}
	for (char *in = field->data; *in != '\0'; in++)
	{
		if (*in == '\\')
		{
			const char *known = in[1] ? strchr(from, in[1]) : NULL;

			if (in[1] == '\0')
				bad("a backslash ends a field");
			in++;
			*out++ = known ? to[known - from] : *in;
		}
		else
			*out++ = *in;
	}
	*out = '\0';
	field->len = (size_t) (out - field->data);
}

/* Parts a line into fields; returns their number. */
static int
split(char *line, Field *fields)
{
	int			n = 0;

	for (char *at = line; at != NULL;)
	{
		char	   *tab = strchr(at, '\t');

		if (n >= MAX_FIELDS)
			bad("too many fields");
		if (tab != NULL)
			*tab++ = '\0';
		fields[n].data = at;
		unescape(&fields[n++]);
		at = tab;
	}
	return n;
}

/* Reads a number; NULL is 0, as the server reads one where none may be. */
static int64_t
number(const Field *field)
{
	char	   *end;
	long long	value;

	if (field->data == NULL)
		return 0;
	errno = 0;
	value = strtoll(field->data, &end, 10);
	if (errno != 0 || end == field->data || *end != '\0')
		bad("a field is no number");
	return value;
}

static uint64_t
unsigned_number(const Field *field)
{
	char	   *end;
	unsigned long long value;

	if (field->data == NULL)
		return 0;
	errno = 0;
	value = strtoull(field->data, &end, 10);
	if (errno != 0 || end == field->data || *end != '\0' ||
		field->data[0] == '-')
		bad("a field is no transaction id");
	return value;
}

static int
hex_digit(char c)
{
	const char *digits = "0123456789abcdef";
	const char *at = c ? strchr(digits, c) : NULL;

	if (at == NULL)
		bad("a field is not hexadecimal");
	return (int) (at - digits);
}

static Bytes
bytes(const Field *field)
{
	Bytes		result = {.null = field->data == NULL,.len = field->len / 2};

	if (field->len % 2 != 0)
		bad("a field is not hexadecimal");
	result.data = malloc(result.len + 1);
	if (result.data == NULL)
		fail("out of memory", NULL, 0);
	for (size_t i = 0; i < result.len; i++)
		result.data[i] = (unsigned char) (hex_digit(field->data[2 * i]) << 4 |
										  hex_digit(field->data[2 * i + 1]));
	return result;
}

/* Reads an instant: the 8 bytes that the server sends, in hexadecimal. */
static int64_t
instant(const Field *field)
{
	Bytes		sent = bytes(field);
	uint64_t	value = 0;

	if (!sent.null && sent.len != 8)
		bad("an instant has not 8 bytes");
	for (size_t i = 0; i < sent.len; i++)
		value = value << 8 | sent.data[i];
	free(sent.data);
	return (int64_t) value;
}

static char *
keep(const Field *field)
{
	char	   *copy = malloc(field->len + 1);

	if (copy == NULL)
		fail("out of memory", NULL, 0);
	memcpy(copy, field->data ? field->data : "", field->len + 1);
	return copy;
}

static char *
object_of(const char *kind, const Field *id)
{
	size_t		len = strlen(kind) + id->len + 2;
	char	   *object = malloc(len);

	if (object == NULL)
		fail("out of memory", NULL, 0);
	snprintf(object, len, "%s:%s", kind, id->data ? id->data : "");
	return object;
}

/*
 * Writes a list of codes, which is printed as {one,NULL,"thr,ee"}.  Another
 * shape is hashed as the server does: as no list at all.
 */
static void
put_list(CanonWriter *w, uint8_t ordinal, const Field *field)
{
	CanonItem  *items;
	char	   *copy;
	char	   *out;
	const char *in = field->data;
	uint32_t	n = 0;

	if (in[0] != '{' || in[1] == '{')
	{
		nurture_canon_null(w, ordinal, CANON_BYTES);
		return;
	}
	items = malloc(sizeof(CanonItem) * (field->len + 1));
	copy = out = malloc(field->len + 1);
	if (items == NULL || copy == NULL)
		fail("out of memory", NULL, 0);
	for (in++; *in != '}' && *in != '\0';)
	{
		bool		quoted = *in == '"';
		char	   *start = out;

		if (quoted)
			in++;
		while (*in != '\0' && (quoted ? *in != '"' : *in != ',' && *in != '}'))
		{
			if (*in == '\\' && in[1] != '\0')
				in++;
			*out++ = *in++;
		}
		if (quoted && *in == '"')
			in++;
		items[n].len = (uint32_t) (out - start);
		items[n].data = !quoted && out - start == 4 &&
			memcmp(start, "NULL", 4) == 0 ? NULL : start;
		if (items[n].data == NULL)
			items[n].len = 0;
		n++;
		if (*in == ',')
			in++;
	}
	if (strcmp(in, "}") != 0)
		bad("a list does not end");
	nurture_canon_list(w, ordinal, items, n);
	free(items);
	free(copy);
}

/* Computes the leaf of an entry from its fields. */
static void
hash_entry(const Log * log, const Field *fields, MerkleHash *leaf)
{
	static unsigned char *buffer = NULL;
	static size_t cap = 0;
	size_t		need = 1024;
	CanonWriter w = {0};

	/* a list takes up to four bytes more for each of its items */
	for (int i = 0; i < LEAF_FIELDS; i++)
		need += fields[i].len * 5;
	if (need > cap)
	{
		free(buffer);
		buffer = malloc(cap = need);
		if (buffer == NULL)
			fail("out of memory", NULL, 0);
	}
	w.buf = buffer;
	w.cap = cap;
	nurture_canon_begin(&w, NURTURE_CANON_LEAF);
	for (int i = 0; i < LEAF_FIELDS; i++)
	{
		const Field *field = &fields[i];
		uint8_t		ordinal = (uint8_t) (i + 1);

		if (field->data == NULL)
		{
			nurture_canon_null(&w, ordinal, tags[i]);
			continue;
		}
		switch (tags[i])
		{
			case CANON_INT:
				nurture_canon_int(&w, ordinal, number(field));
				break;
			case CANON_UINT:
				nurture_canon_uint(&w, ordinal, unsigned_number(field));
				break;
			case CANON_INSTANT:
				nurture_canon_instant(&w, ordinal, instant(field));
				break;
			case CANON_BOOL:
				nurture_canon_bool(&w, ordinal, field->data[0] == 't');
				break;
			case CANON_LIST:
				put_list(&w, ordinal, field);
				break;
			case CANON_BYTES:
				{
					Bytes		value = bytes(field);

					nurture_canon_value(&w, ordinal, CANON_BYTES, value.data,
										(uint32_t) value.len);
					free(value.data);
					break;
				}
			default:
				nurture_canon_value(&w, ordinal, tags[i], field->data,
									(uint32_t) field->len);
		}
	}
	if (!nurture_canon_end(&w))
		bad("an entry is too long");
	log->hasher.sha256(log->hasher.ctx, buffer, w.used, leaf->byte);
}

/* Hashes the table and rows of a change. */
static void
hash_change(const Log * log, const Field *table, const Field *rows,
			MerkleHash *out)
{
	size_t		len = table->len + rows->len + 4;
	unsigned char *both = calloc(1, len);

	if (both == NULL)
		fail("out of memory", NULL, 0);
	both[0] = table->data != NULL;
	both[1] = rows->data != NULL;
	if (table->data != NULL)
		memcpy(both + 2, table->data, table->len);
	if (rows->data != NULL)
		memcpy(both + 3 + table->len, rows->data, rows->len);
	log->hasher.sha256(log->hasher.ctx, both, len, out->byte);
	free(both);
}

static bool
is_word(const Field *field, const char *word)
{
	return field->data != NULL && strcmp(field->data, word) == 0;
}

static void
read_entry(Log * log, const Field *f)
{
	Entry	   *entry = &ADD(log->entries);
	Bytes		stored = bytes(&f[LEAF_FIELDS + 1]);

	entry->audit_id = number(&f[0]);
	entry->at = instant(&f[1]);
	entry->incarnation = number(&f[2]);
	entry->xid = unsigned_number(&f[3]);
	entry->is_change = is_word(&f[5], "change");
	entry->refused = is_word(&f[7], "refused");
	entry->has_lead = is_word(&f[LEAF_FIELDS], "t");
	hash_entry(log, f, &entry->leaf);
	entry->leaf_fits = !stored.null && stored.len == NURTURE_HASH_LEN &&
		memcmp(stored.data, entry->leaf.byte, NURTURE_HASH_LEN) == 0;
	free(stored.data);
	if (entry->is_change || is_word(&f[5], "message"))
		entry->object = keep(&f[6]);
	if (entry->is_change)
		hash_change(log, &f[7], &f[11], &entry->content);
}

static void
read_seal(Log * log, const Field *f)
{
	Seal	   *seal = &ADD(log->seals);

	seal->block = number(&f[0]);
	seal->incarnation = number(&f[1]);
	seal->xid_from = unsigned_number(&f[2]);
	seal->xid_to = unsigned_number(&f[3]);
	seal->entries = number(&f[4]);
	seal->has_at = f[5].data != NULL && f[6].data != NULL;
	seal->first_at = seal->has_at ? instant(&f[5]) : 0;
	seal->last_at = seal->has_at ? instant(&f[6]) : 0;
	seal->block_root = bytes(&f[7]);
	seal->tree_size = number(&f[8]);
	seal->root = bytes(&f[9]);
	seal->frontier = bytes(&f[10]);
	seal->previous = bytes(&f[11]);
	seal->closed_at = instant(&f[12]);
	seal->hash = bytes(&f[13]);
	seal->leaves = bytes(&f[14]);
	seal->nodes = bytes(&f[15]);
}

static void
read_proof(Log * log, const Field *f, bool inclusion)
{
	Proof	   *proof = &ADD(log->proofs);

	proof->inclusion = inclusion;
	if (inclusion)
		proof->audit_id = number(f++);
	proof->index = number(&f[0]);
	proof->size = number(&f[1]);
	proof->first = bytes(&f[2]);
	proof->root = bytes(&f[3]);
	proof->path = bytes(&f[4]);
}

/* Reads one line. */
static void
read_line(Log * log, char *line)
{
	static const struct
	{
		const char *word;
		int			fields;
	}			kinds[] = {
		{"nurture-export", 3}, {"incarnation", 3}, {"seal", 16},
		{"entry", LEAF_FIELDS + 2}, {"change", 3}, {"message", 2},
		{"proof", 6}, {"consistency", 5}
	};
	Field		fields[MAX_FIELDS];
	const Field *f = fields + 1;
	int			n = split(line, fields) - 1;
	int			kind = 0;

	while (kind < 8 && !is_word(&fields[0], kinds[kind].word))
		kind++;
	if (kind == 8)
		bad("the line begins with no word of an export");
	if (n != kinds[kind].fields)
		bad("the line has another number of fields");
	switch (kind)
	{
		case 0:
			if (number(&f[0]) != 1)
				bad("the export is of a later format");
			log->whole = true;
			log->incarnations = number(&f[1]);
			log->next_xid = unsigned_number(&f[2]);
			break;
		case 1:
			{
				Incarnation *life = &ADD(log->lives);

				life->incarnation = number(&f[0]);
				life->has_head = f[1].data != NULL;
				life->head_block = number(&f[1]);
				life->head_hash = bytes(&f[2]);
				break;
			}
		case 2:
			read_seal(log, f);
			break;
		case 3:
			read_entry(log, f);
			break;
		case 4:
			{
				Change	   *change = &ADD(log->changes);

				change->object = object_of("change", &f[0]);
				hash_change(log, &f[1], &f[2], &change->content);
				break;
			}
		case 5:
			{
				Message    *message = &ADD(log->messages);

				message->object = object_of("message", &f[0]);
				message->refused = is_word(&f[1], "refused");
				break;
			}
		default:
			read_proof(log, f, kind == 6);
	}
}

/* Reads an export, or proofs. */
void
read_export(Log * log, FILE *file, const char *name)
{
	char	   *line = NULL;
	size_t		room = 0;
	ssize_t		len;

	file_name = name;
	line_number = 0;
	while ((len = getline(&line, &room, file)) > 0)
	{
		line_number++;
		if (line[len - 1] == '\n')
			line[--len] = '\0';
		if (memchr(line, '\0', (size_t) len) != NULL)
			bad("the line holds a zero byte");
		if (len > 0)
			read_line(log, line);
	}
	if (ferror(file))
		fail("cannot be read", name, 0);
	free(line);
}
