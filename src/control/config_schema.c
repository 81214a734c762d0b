/*
 * config_schema.c
 *	  nurture_config_schema: the JSON Schema of the configuration's document,
 *	  and documents held against it.
 *
 * The schema uses draft 2020-12: type, properties, required,
 * additionalProperties, items, enum, const, pattern, minimum and maximum.
 * Beside them stands "decimals", which validators that do not know it pass
 * over: how many places after the point a number may have.  (multipleOf says
 * this too, but validators that calculate in doubles refuse 0.07 by it.)
 */
#include "base/compat.h"

#include "base/errors.h"
#include "base/plans.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "control/config.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "regex/regex.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/numeric.h"

NURTURE_FUNCTION(nurture_config_schema);

/* Writes what a value of a type is. */
static void
put_type(StringInfo buf, const ConfigColumn *column)
{
	switch (column->type)
	{
		case BOOLOID:
			appendStringInfoString(buf, "\"type\": \"boolean\"");
			break;
		case INT2OID:
			appendStringInfoString(buf, "\"type\": \"integer\", \"minimum\": -32768, \"maximum\": 32767");
			break;
		case INT4OID:
			appendStringInfoString(buf, "\"type\": \"integer\", \"minimum\": -2147483648, \"maximum\": 2147483647");
			break;
		case INT8OID:
			/* doubles hold no others */
			appendStringInfoString(buf, "\"type\": \"integer\", \"minimum\": -9007199254740991, \"maximum\": 9007199254740991");
			break;
		case NUMERICOID:
			appendStringInfoString(buf, "\"type\": \"number\"");
			if (column->typmod >= (int) VARHDRSZ)
				appendStringInfo(buf, ", \"decimals\": %d", (column->typmod - (int) VARHDRSZ) & 0x7FF);
			break;
		case TEXTARRAYOID:
			appendStringInfoString(buf, "\"type\": \"array\", \"items\": {\"type\": \"string\"}");
			break;
		case INT2ARRAYOID:
			appendStringInfoString(buf, "\"type\": \"array\", \"items\": {\"type\": \"integer\"}");
			break;
		case JSONBOID:
			return;				/* any */
		default:
			appendStringInfo(buf, "\"type\": \"string\"");
			break;
	}
}

/* Writes the schema of a row. */
static void
put_row(StringInfo buf, const ConfigTable *table)
{
	const char *separator = "";

	appendStringInfoString(buf, "{\"type\": \"object\", \"additionalProperties\": false, \"required\": [");
	for (int i = 0; i < table->ncolumns; i++)
	{
		const ConfigColumn *column = &table->columns[i];

		if (!column->exported || !column->required)
			continue;
		appendStringInfoString(buf, separator);
		escape_json(buf, column->name);
		separator = ", ";
	}
	appendStringInfoString(buf, "], \"properties\": {");
	separator = "";
	for (int i = 0; i < table->ncolumns; i++)
	{
		const ConfigColumn *column = &table->columns[i];
		StringInfoData type;

		if (!column->exported)
			continue;
		initStringInfo(&type);
		put_type(&type, column);
		appendStringInfoString(buf, separator);
		escape_json(buf, column->name);
		appendStringInfoString(buf, ": {\"description\": ");
		escape_json(buf, psprintf("%s (%s)", column->comment ? column->comment : column->name, column->type_name));
		if (type.len > 0)
			appendStringInfo(buf, ", %s", type.data);
		if (column->values)
			appendStringInfo(buf, ", \"enum\": %s", column->values);
		if (column->pattern)
		{
			appendStringInfoString(buf, ", \"pattern\": ");
			escape_json(buf, column->pattern);
		}
		appendStringInfoChar(buf, '}');
		separator = ", ";
	}
	appendStringInfoString(buf, "}}");
}

/* Writes the schema of the rows of a table, as a property. */
static void
put_rows(StringInfo buf, const ConfigTable *table)
{
	escape_json(buf, table->name);
	appendStringInfoString(buf, ": {\"type\": \"array\", \"description\": ");
	escape_json(buf, table->comment ? table->comment : table->name);
	appendStringInfoString(buf, ", \"items\": ");
	put_row(buf, table);
	appendStringInfoChar(buf, '}');
}

/* Writes the schema of the versions of a kind, as a property. */
static void
put_kind(StringInfo buf, List *tables, const VersionedKind *kind)
{
	ConfigTable *versions = nurture_config_table_named(tables, kind->versions);

	escape_json(buf, kind->kind);
	appendStringInfoString(buf, ": {\"type\": \"object\", \"description\": ");
	escape_json(buf, psprintf("What is in force, by %s.", kind->code));
	appendStringInfoString(buf, ", \"additionalProperties\": {\"type\": \"object\", \"additionalProperties\": false, \"required\": [\"version\"], "
						   "\"properties\": {\"version\": ");
	put_row(buf, versions);
	for (int i = 0; i < MAX_RULE_FAMILIES && kind->families[i].table; i++)
	{
		if (strcmp(kind->families[i].table, kind->versions) == 0)
			continue;
		appendStringInfoString(buf, ", ");
		put_rows(buf, nurture_config_table_named(tables, kind->families[i].table));
	}
	appendStringInfoString(buf, "}}}");
}

Jsonb	   *
nurture_config_schema_of(List *tables)
{
	const VersionedKind *kinds;
	const char *separator = "";
	StringInfoData buf;
	ListCell   *cell;
	int			n;

	initStringInfo(&buf);
	appendStringInfo(&buf, "{\"$schema\": \"https://json-schema.org/draft/2020-12/schema\", "
					 "\"title\": \"Configuration of nurture\", "
					 "\"description\": \"What nurture_export_config() returns and nurture_import_config() takes. A column without a value is left out. "
					 "decimals: places after the point.\", "
					 "\"type\": \"object\", \"additionalProperties\": false, \"required\": [\"format\", \"format_version\"], \"properties\": {"
					 "\"format\": {\"const\": \"%s\"}, \"format_version\": {\"const\": %d}, "
					 "\"settings\": {\"type\": \"object\", \"description\": \"Tables whose rows are in force as they stand. A table that is left out stays as it is; "
					 "a row that is left out of its table is proposed to be removed.\", "
					 "\"additionalProperties\": false, \"properties\": {",
					 CONFIG_FORMAT, CONFIG_FORMAT_VERSION);
	foreach(cell, tables)
	{
		ConfigTable *table = lfirst(cell);

		if (table->kind != NULL || table->left_out)
			continue;
		appendStringInfoString(&buf, separator);
		put_rows(&buf, table);
		separator = ", ";
	}
	appendStringInfoString(&buf, "}}, \"versioned\": {\"type\": \"object\", \"description\": \"Rules that are kept in versions: what is in force. "
						   "What differs becomes a draft.\", \"additionalProperties\": false, \"properties\": {");
	kinds = nurture_config_kinds(&n);
	for (int i = 0; i < n; i++)
	{
		appendStringInfoString(&buf, i > 0 ? ", " : "");
		put_kind(&buf, tables, &kinds[i]);
	}
	appendStringInfoString(&buf, "}}}}");
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(buf.data)));
}

/* nurture_config_schema() returns jsonb: the JSON Schema of the document. */
Datum
nurture_config_schema(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	int			level = nurture_spi_connect();
	Jsonb	   *schema = nurture_config_schema_of(nurture_config_tables());
	Jsonb	   *result = MemoryContextAlloc(context, VARSIZE(schema));

	memcpy(result, schema, VARSIZE(schema));
	nurture_spi_finish(level);
	PG_RETURN_JSONB_P(result);
}

static void check_value(const JsonbValue *value, JsonbContainer *schema, const char *path);

static void wrong(const char *path, const char *what, const char *hint) pg_attribute_noreturn();

static void
wrong(const char *path, const char *what, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("the document is not a configuration: %s at %s", what, path[0] ? path : "its top"),
			 errhint("%s", hint)));
}

static JsonbValue *
member(JsonbContainer *object, const char *name)
{
	return getKeyJsonValueFromContainer(object, name, strlen(name), NULL);
}

static char *
string_of(const JsonbValue *value)
{
	return pnstrdup(value->val.string.val, value->val.string.len);
}

static const char *
type_of(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvNull:
			return "null";
		case jbvBool:
			return "boolean";
		case jbvNumeric:
			return "number";
		case jbvString:
			return "string";
		default:
			return JsonContainerIsObject(value->val.binary.data) ? "object" : "array";
	}
}

/* Answers a number with so many places after the point. */
static Numeric
rounded(Numeric number, int places)
{
	return DatumGetNumeric(DirectFunctionCall2(numeric_round, NumericGetDatum(number), Int32GetDatum(places)));
}

static bool
same_number(Numeric a, Numeric b)
{
	return DatumGetBool(DirectFunctionCall2(numeric_eq, NumericGetDatum(a), NumericGetDatum(b)));
}

static bool
less(Numeric a, Numeric b)
{
	return DatumGetBool(DirectFunctionCall2(numeric_lt, NumericGetDatum(a), NumericGetDatum(b)));
}

static void
check_number(const JsonbValue *value, JsonbContainer *schema, const char *path)
{
	JsonbValue *limit;

	limit = member(schema, "decimals");
	if (limit)
	{
		int			places = DatumGetInt32(DirectFunctionCall1(numeric_int4, NumericGetDatum(limit->val.numeric)));

		if (!same_number(value->val.numeric, rounded(value->val.numeric, places)))
			wrong(path, psprintf("a number with more than %d places after the point", places),
				  "Round it: what is kept would be another number.");
	}
	limit = member(schema, "minimum");
	if (limit && less(value->val.numeric, limit->val.numeric))
		wrong(path, "a number that is too small", "See nurture_config_schema() for its range.");
	limit = member(schema, "maximum");
	if (limit && less(limit->val.numeric, value->val.numeric))
		wrong(path, "a number that is too large", "See nurture_config_schema() for its range.");
}

static bool
same_scalar(const JsonbValue *a, const JsonbValue *b)
{
	if (a->type != b->type)
		return false;
	if (a->type == jbvString)
		return a->val.string.len == b->val.string.len &&
			memcmp(a->val.string.val, b->val.string.val, a->val.string.len) == 0;
	return a->type == jbvNumeric && same_number(a->val.numeric, b->val.numeric);
}

static void
check_text(const JsonbValue *value, JsonbContainer *schema, const char *path)
{
	JsonbValue *pattern = member(schema, "pattern");

	if (pattern &&
		!RE_compile_and_execute(cstring_to_text_with_len(pattern->val.string.val, pattern->val.string.len),
								value->val.string.val, value->val.string.len,
								REG_ADVANCED, C_COLLATION_OID, 0, NULL))
		wrong(path, "a text that does not have the form it must have",
			  psprintf("It must match %s.", string_of(pattern)));
}

/* Refuses a value that is none of a list. */
static void
check_enum(const JsonbValue *value, JsonbContainer *schema, const char *path)
{
	JsonbValue *list = member(schema, "enum");
	JsonbIterator *it;
	JsonbValue	allowed;
	JsonbIteratorToken token;
	StringInfoData words;

	if (list == NULL)
		return;
	initStringInfo(&words);
	it = JsonbIteratorInit(list->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &allowed, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		if (same_scalar(value, &allowed))
			return;
		appendStringInfo(&words, "%s%s", words.len > 0 ? ", " : "", string_of(&allowed));
	}
	wrong(path, "a value that it cannot have", psprintf("It can be %s.", words.data));
}

/* Answers a name as part of a JSON pointer. */
char	   *
nurture_pointer_escape(const char *name)
{
	StringInfoData buf;
	int			length = pg_mbcliplen(name, strlen(name), 60);

	initStringInfo(&buf);
	for (int i = 0; i < length; i++)
	{
		if (name[i] == '~' || name[i] == '/')
			appendStringInfoString(&buf, name[i] == '~' ? "~0" : "~1");
		else
			appendStringInfoChar(&buf, (unsigned char) name[i] < 0x20 ? '?' : name[i]);
	}
	return buf.data;
}

static void
check_object(JsonbContainer *object, JsonbContainer *schema, const char *path)
{
	JsonbValue *properties = member(schema, "properties");
	JsonbValue *others = member(schema, "additionalProperties");
	JsonbValue *required = member(schema, "required");
	JsonbIterator *it;
	JsonbValue	value;
	JsonbIteratorToken token;
	char	   *name = NULL;

	if (required)
	{
		it = JsonbIteratorInit(required->val.binary.data);
		while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
		{
			if (token == WJB_ELEM && member(object, string_of(&value)) == NULL)
				wrong(path, psprintf("there is no \"%s\"", string_of(&value)),
					  "Add it; nurture_config_schema() tells what it is.");
		}
	}
	it = JsonbIteratorInit(object);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		JsonbValue *of = NULL;
		char	   *here;

		if (token == WJB_KEY)
			name = string_of(&value);
		if (token != WJB_VALUE)
			continue;
		here = psprintf("%s/%s", path, nurture_pointer_escape(name));
		if (properties)
			of = member(properties->val.binary.data, name);
		if (of == NULL && others && others->type == jbvBinary)
			of = others;
		if (of == NULL)
			wrong(here, "something unknown",
				  "Remove it, or write its name as nurture_config_schema() has it.");
		check_value(&value, of->val.binary.data, here);
	}
}

static void
check_array(JsonbContainer *array, JsonbContainer *schema, const char *path)
{
	JsonbValue *items = member(schema, "items");
	JsonbIterator *it = JsonbIteratorInit(array);
	JsonbValue	value;
	JsonbIteratorToken token;
	int			i = 0;

	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_ELEM && items)
			check_value(&value, items->val.binary.data, psprintf("%s/%d", path, i++));
	}
}

static void
check_value(const JsonbValue *value, JsonbContainer *schema, const char *path)
{
	JsonbValue *type = member(schema, "type");
	JsonbValue *constant = member(schema, "const");

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	if (constant && !same_scalar(value, constant))
		wrong(path, "another format than this version reads",
			  psprintf("It reads format \"%s\", format_version %d.", CONFIG_FORMAT, CONFIG_FORMAT_VERSION));
	if (type)
	{
		char	   *expected = string_of(type);
		bool		integer = strcmp(expected, "integer") == 0;

		if (strcmp(integer ? "number" : expected, type_of(value)) != 0 ||
			(integer && !same_number(value->val.numeric, rounded(value->val.numeric, 0))))
			wrong(path, psprintf("%s where %s is expected", type_of(value), expected),
				  "A column without a value is left out; nurture_config_schema() tells what each is.");
	}
	check_enum(value, schema, path);
	if (value->type == jbvNumeric)
		check_number(value, schema, path);
	else if (value->type == jbvString)
		check_text(value, schema, path);
	else if (value->type == jbvBinary && type)
	{
		if (JsonContainerIsObject(value->val.binary.data))
			check_object(value->val.binary.data, schema, path);
		else
			check_array(value->val.binary.data, schema, path);
	}
}

void
nurture_schema_require(Jsonb *document, Jsonb *schema)
{
	JsonbValue	value;

	if (JB_ROOT_IS_SCALAR(document))
		wrong("", "a single value", "Give the object that nurture_export_config() returns.");
	value.type = jbvBinary;
	value.val.binary.data = &document->root;
	value.val.binary.len = VARSIZE(document) - VARHDRSZ;
	check_value(&value, &schema->root, "");
}
