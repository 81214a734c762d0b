/*
 * canonical.c
 *	  nurture_canonical: the RFC 8785 text of a jsonb value.
 */
#include "base/compat.h"

#include "base/errors.h"
#include "control/control.h"
#include "core/jcs.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/numeric.h"

NURTURE_FUNCTION(nurture_canonical);

/* A member of an object, its name as UTF-8. */
typedef struct Member
{
	const char *name;
	int			length;
	JsonbValue	value;
} Member;

/* Where the writer is, for errors: the names and indexes on the way. */
typedef struct Place
{
	const struct Place *parent;
	const Member *member;		/* NULL: an element of an array */
	int			index;
} Place;

typedef struct Writer
{
	StringInfoData out;
	bool		exact;
} Writer;

static void write_container(Writer *w, JsonbContainer *container, const Place *place);

/* Answers the JSON pointer (RFC 6901) of a place. */
static char *
pointer(const Place *place)
{
	StringInfoData buf;

	if (place == NULL)
		return "";
	initStringInfo(&buf);
	appendStringInfoString(&buf, pointer(place->parent));
	appendStringInfoChar(&buf, '/');
	if (place->member == NULL)
		appendStringInfo(&buf, "%d", place->index);
	for (int i = 0; place->member && i < Min(place->member->length, 60); i++)
	{
		char		c = place->member->name[i];

		if (c == '~' || c == '/')
			appendStringInfoString(&buf, c == '~' ? "~0" : "~1");
		else
			appendStringInfoChar(&buf, (unsigned char) c < 0x20 ? '?' : c);
	}
	return pg_any_to_server(buf.data, buf.len, PG_UTF8);
}

static char *
place_words(const Place *place)
{
	return place ? psprintf(" at %s", pointer(place)) : "";
}

static void
write_string(Writer *w, const char *utf8, int length)
{
	CoreText text;

	core_text_start(&text, NULL, 0);
	nurture_jcs_string(&text, utf8, length);
	enlargeStringInfo(&w->out, text.len + 1);
	core_text_start(&text, w->out.data + w->out.len, w->out.maxlen - w->out.len);
	nurture_jcs_string(&text, utf8, length);
	w->out.len += text.len;
}

static void
write_number(Writer *w, Numeric number, const Place *place)
{
	char	   *decimal = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(number)));
	char text[	NURTURE_JCS_NUMBER_SIZE];
	double		value;

	if (!nurture_jcs_read(decimal, &value))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("a number%s is beyond the range of double precision", place_words(place)),
				 errhint("RFC 8785 knows doubles only; write such a number as a text.")));
	nurture_jcs_number(value, text);
	if (w->exact && !nurture_jcs_same(decimal, text))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("a number%s would become %s in double precision", place_words(place), text),
				 errhint("Round it to 15 digits, or write it as a text.")));
	appendStringInfoString(&w->out, text);
}

static void
write_value(Writer *w, const JsonbValue *value, const Place *place)
{
	char	   *utf8;

	switch (value->type)
	{
		case jbvNull:
			appendStringInfoString(&w->out, "null");
			break;
		case jbvBool:
			appendStringInfoString(&w->out, value->val.boolean ? "true" : "false");
			break;
		case jbvNumeric:
			write_number(w, value->val.numeric, place);
			break;
		case jbvString:
			utf8 = pg_server_to_any(value->val.string.val, value->val.string.len, PG_UTF8);
			write_string(w, utf8, utf8 == value->val.string.val ? value->val.string.len : strlen(utf8));
			break;
		case jbvBinary:
			write_container(w, value->val.binary.data, place);
			break;
		default:
			elog(ERROR, "unexpected jsonb value of type %d", (int) value->type);
	}
}

static int
compare_members(const void *a, const void *b)
{
	const Member *x = a;
	const Member *y = b;

	return nurture_jcs_compare(x->name, x->length, y->name, y->length);
}

static void
write_object(Writer *w, JsonbContainer *container, const Place *place)
{
	JsonbIterator *it = JsonbIteratorInit(container);
	int			n = 0;
	Member	   *members = palloc(sizeof(Member) * Max(JsonContainerSize(container), 1));
	JsonbValue	value;
	JsonbIteratorToken token;

	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
		{
			char	   *utf8 = pg_server_to_any(value.val.string.val, value.val.string.len, PG_UTF8);

			members[n].name = utf8;
			members[n].length = utf8 == value.val.string.val ? value.val.string.len : strlen(utf8);
		}
		else if (token == WJB_VALUE)
			members[n++].value = value;
	}
	qsort(members, n, sizeof(Member), compare_members);
	appendStringInfoChar(&w->out, '{');
	for (int i = 0; i < n; i++)
	{
		Place		here = {place, &members[i], 0};

		if (i > 0)
			appendStringInfoChar(&w->out, ',');
		write_string(w, members[i].name, members[i].length);
		appendStringInfoChar(&w->out, ':');
		write_value(w, &members[i].value, &here);
	}
	appendStringInfoChar(&w->out, '}');
	pfree(members);
}

static void
write_array(Writer *w, JsonbContainer *container, const Place *place)
{
	JsonbIterator *it = JsonbIteratorInit(container);
	bool		scalar = JsonContainerIsScalar(container);
	Place		here = {place, NULL, 0};
	JsonbValue	value;
	JsonbIteratorToken token;

	if (!scalar)
		appendStringInfoChar(&w->out, '[');
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		if (here.index > 0)
			appendStringInfoChar(&w->out, ',');
		write_value(w, &value, scalar ? place : &here);
		here.index++;
	}
	if (!scalar)
		appendStringInfoChar(&w->out, ']');
}

static void
write_container(Writer *w, JsonbContainer *container, const Place *place)
{
	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	if (JsonContainerIsObject(container))
		write_object(w, container, place);
	else
		write_array(w, container, place);
}

char	   *
nurture_jsonb_canonical(Jsonb *document, bool exact)
{
	Writer		w;

	initStringInfo(&w.out);
	w.exact = exact;
	write_container(&w, &document->root, NULL);
	return pg_any_to_server(w.out.data, w.out.len, PG_UTF8);
}

/*
 * nurture_canonical(document jsonb) returns text
 *
 * The RFC 8785 text of a document.  In a database whose encoding is not
 * UTF-8 these are its characters; convert_to(text, 'UTF8') gives the bytes.
 */
Datum
nurture_canonical(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(nurture_jsonb_canonical(PG_GETARG_JSONB_P(0), false)));
}
