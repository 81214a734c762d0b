/*
 * attribute.c
 *	  The registry of attributes, and the trigger that keeps leads and
 *	  accounts to it.
 */
#include "base/compat.h"

#include "base/errors.h"
#include "base/plans.h"
#include "base/rulecache.h"
#include "base/trigger.h"
#include "core/day.h"
#include "facts/attribute.h"
#include "facts/vocabulary.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_facts_check);
NURTURE_FUNCTION(nurture_attribute_problem);

#define MAX_SHOWN	12			/* allowed values that a message lists */

typedef struct Registry
{
	int			n;
	Attribute  *items;			/* ascending by key, bytewise */
	int			naudiences;
	const char **audiences;		/* ascending bytewise */
} Registry;

static void *load_registry(Snapshot snapshot);

static RuleCache registry_cache = {
	.name = "attributes",
	.tables = {"attribute", "tag", "audience_type"},
	.load = load_registry
};

static KeptPlan read_attributes =
KEPT_PLAN_SCAN("SELECT a.attribute, a.type, ARRAY(SELECT w.v FROM"
			   " (SELECT unnest(a.allowed) AS v UNION"
			   " SELECT t.value FROM nurture.tag AS t WHERE t.dimension = a.tag_dimension) AS w"
			   " ORDER BY w.v COLLATE \"C\"), a.tag_dimension, a.required_for,"
			   " a.stale_after, a.personal, a.title"
			   " FROM nurture.attribute AS a ORDER BY a.attribute COLLATE \"C\"", 0);
static KeptPlan read_audiences =
KEPT_PLAN_SCAN("SELECT array_agg(audience_type ORDER BY audience_type COLLATE \"C\")"
			   " FROM nurture.audience_type", 0);

static const char *const type_names[] = {"text", "number", "boolean", "date", "list"};

/* Registers the cache. */
void
nurture_attribute_init(void)
{
	nurture_rulecache_register(&registry_cache);
}

/* Returns the name of a type. */
const char *
nurture_attribute_type_name(AttributeType type)
{
	return type_names[type];
}

static AttributeType
type_of_name(const char *name)
{
	for (int i = 0; i < lengthof(type_names); i++)
	{
		if (strcmp(type_names[i], name) == 0)
			return (AttributeType) i;
	}
	elog(ERROR, "unknown type of attribute \"%s\"", name);
}

static void *
load_registry(Snapshot snapshot)
{
	Registry   *registry = palloc0(sizeof(Registry));

	(void) nurture_execute_snapshot(&read_attributes, NULL, NULL, snapshot);
	registry->n = SPI_processed;
	registry->items = palloc0(sizeof(Attribute) * Max(registry->n, 1));
	for (int i = 0; i < registry->n; i++)
	{
		Attribute  *a = &registry->items[i];
		bool		isnull;
		Datum		value;

		a->attribute = nurture_cell_text(i, 1);
		a->type = type_of_name(nurture_cell_text(i, 2));
		a->allowed = nurture_cell_strings(i, 3, &a->nallowed);
		a->tag_dimension = nurture_cell_text(i, 4);
		a->required_for = nurture_cell_strings(i, 5, &a->nrequired);
		value = nurture_cell(i, 6, &isnull);
		a->has_stale_after = !isnull;
		if (!isnull)
			a->stale_after = *DatumGetIntervalP(value);
		a->personal = DatumGetBool(nurture_cell(i, 7, &isnull));
		a->title = nurture_cell_text(i, 8);
	}
	(void) nurture_execute_snapshot(&read_audiences, NULL, NULL, snapshot);
	registry->audiences = nurture_cell_strings(0, 1, &registry->naudiences);
	return registry;
}

static const Registry *
registry_now(void)
{
	return nurture_rulecache_get(&registry_cache);
}

/* Returns the order of a name that need not end in NUL and one that does. */
static int
compare_name(const char *name, size_t len, const char *other)
{
	int			order = strncmp(name, other, len);

	return order == 0 && other[len] != '\0' ? -1 : order;
}

/* Returns a registered attribute, NULL when there is none of this key. */
const Attribute *
nurture_attribute(const char *key, size_t len)
{
	const Registry *registry = registry_now();
	int			low = 0;
	int			high = registry->n - 1;

	/* a key with a NUL inside does not reach us: jsonb holds none */
	while (low <= high)
	{
		int			mid = low + (high - low) / 2;
		int			order = compare_name(key, len, registry->items[mid].attribute);

		if (order == 0)
			return &registry->items[mid];
		if (order < 0)
			high = mid - 1;
		else
			low = mid + 1;
	}
	return NULL;
}

/* Returns all attributes, ascending by key. */
const Attribute *
nurture_attributes(int *n)
{
	const Registry *registry = registry_now();

	*n = registry->n;
	return registry->items;
}

static bool
listed(const char *const *names, int n, const char *name, size_t len)
{
	int			low = 0;
	int			high = n - 1;

	while (low <= high)
	{
		int			mid = low + (high - low) / 2;
		int			order = compare_name(name, len, names[mid]);

		if (order == 0)
			return true;
		if (order < 0)
			high = mid - 1;
		else
			low = mid + 1;
	}
	return false;
}

/* Tells whether there is an audience type of this code. */
bool
nurture_audience_known(const char *code, size_t len)
{
	const Registry *registry = registry_now();

	return listed(registry->audiences, registry->naudiences, code, len);
}

/* Raises that an audience type is not known. */
void
nurture_unknown_audience(const char *code)
{
	const Registry *registry = registry_now();

	ereport(ERROR,
			(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
			 errmsg("unknown audience type \"%.64s\"", code),
			 registry->naudiences > 0 ?
			 errhint("The nearest known ones are %s; new ones are rows of nurture.audience_type.",
					 nurture_nearest_names(code, registry->audiences, registry->naudiences)) :
			 errhint("Audience types are rows of nurture.audience_type; there is none yet.")));
}

/* Says what may stand under a key. */
char	   *
nurture_attribute_allowed(const Attribute *attribute)
{
	StringInfoData buf;

	switch (attribute->type)
	{
		case ATTRIBUTE_NUMBER:
			return pstrdup("a number");
		case ATTRIBUTE_BOOLEAN:
			return pstrdup("true or false");
		case ATTRIBUTE_DATE:
			return pstrdup("a date as \"YYYY-MM-DD\"");
		case ATTRIBUTE_TEXT:
		case ATTRIBUTE_LIST:
			break;
	}
	initStringInfo(&buf);
	if (attribute->nallowed == 0 && attribute->tag_dimension == NULL)
	{
		appendStringInfo(&buf, "%s of at most %d bytes",
						 attribute->type == ATTRIBUTE_LIST ? "a list of texts" : "text",
						 ATTRIBUTE_MAX_TEXT);
		return buf.data;
	}
	if (attribute->type == ATTRIBUTE_LIST)
		appendStringInfoString(&buf, "a list of ");
	if (attribute->tag_dimension != NULL)
	{
		appendStringInfo(&buf, "values of nurture.tag in dimension \"%s\"",
						 attribute->tag_dimension);
		return buf.data;
	}
	for (int i = 0; i < Min(attribute->nallowed, MAX_SHOWN); i++)
		appendStringInfo(&buf, "%s\"%s\"",
						 i == 0 ? "" : i == attribute->nallowed - 1 ? " or " : ", ",
						 attribute->allowed[i]);
	if (attribute->nallowed > MAX_SHOWN)
		appendStringInfo(&buf, " and %d more", attribute->nallowed - MAX_SHOWN);
	return buf.data;
}

static bool
blank(const char *text, int len)
{
	for (int i = 0; i < len; i++)
	{
		if (text[i] != ' ' && (text[i] < '\t' || text[i] > '\r'))
			return false;
	}
	return true;
}

/* Says what is wrong with one text, NULL when nothing. */
static char *
text_problem(const Attribute *attribute, const char *text, int len)
{
	if (blank(text, len))
		return NULL;
	if (len > ATTRIBUTE_MAX_TEXT)
		return psprintf("it is longer than %d bytes", ATTRIBUTE_MAX_TEXT);
	if ((attribute->nallowed > 0 || attribute->tag_dimension != NULL) &&
		!listed(attribute->allowed, attribute->nallowed, text, len))
		return pstrdup("it is not among the allowed values");
	return NULL;
}

static const char *
kind_of(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvString:
			return "text";
		case jbvNumeric:
			return "a number";
		case jbvBool:
			return "true or false";
		case jbvArray:
			return "a list";
		case jbvBinary:
			return JsonContainerIsArray(value->val.binary.data) ? "a list" : "an object";
		default:
			return "an object";
	}
}

static char *
list_problem(const Attribute *attribute, JsonbContainer *list)
{
	JsonbIterator *iterator = JsonbIteratorInit(list);
	JsonbValue	item;
	JsonbIteratorToken token;
	char	   *problem = NULL;
	int			n = 0;

	(void) JsonbIteratorNext(&iterator, &item, true);	/* WJB_BEGIN_ARRAY */
	while (problem == NULL &&
		   (token = JsonbIteratorNext(&iterator, &item, true)) == WJB_ELEM)
	{
		if (++n > ATTRIBUTE_MAX_ITEMS)
			problem = psprintf("it has more than %d items", ATTRIBUTE_MAX_ITEMS);
		else if (item.type != jbvString)
			problem = psprintf("item %d is not a text", n);
		else
		{
			problem = text_problem(attribute, item.val.string.val,
								   item.val.string.len);
			if (problem != NULL)
				problem = psprintf("item %d: %s", n, problem);
		}
	}
	return problem;
}

/* Says what is wrong with a value, without it; NULL when it fits. */
char	   *
nurture_attribute_misfit(const Attribute *attribute, const JsonbValue *value)
{
	int32		day;

	if (value->type == jbvNull ||
		(value->type == jbvString && blank(value->val.string.val, value->val.string.len)))
		return NULL;
	switch (attribute->type)
	{
		case ATTRIBUTE_TEXT:
			if (value->type == jbvString)
				return text_problem(attribute, value->val.string.val,
									value->val.string.len);
			break;
		case ATTRIBUTE_NUMBER:
			if (value->type == jbvNumeric)
				return NULL;
			break;
		case ATTRIBUTE_BOOLEAN:
			if (value->type == jbvBool)
				return NULL;
			break;
		case ATTRIBUTE_DATE:
			if (value->type != jbvString)
				break;
			return nurture_day_from_iso(value->val.string.val, value->val.string.len, &day) ?
				NULL : pstrdup("it is not a date");
		case ATTRIBUTE_LIST:
			if (value->type == jbvBinary && JsonContainerIsArray(value->val.binary.data))
				return list_problem(attribute, value->val.binary.data);
			break;
	}
	return psprintf("it is %s", kind_of(value));
}

/* Returns a value of a jsonb document for a message, cut when it is long. */
static char *
value_text(JsonbValue *value)
{
	Jsonb	   *jsonb = JsonbValueToJsonb(value);
	char	   *text = JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
	int			len = strlen(text);

	if (len > 64)
	{
		len = pg_mbcliplen(text, len, 64);
		strcpy(text +len, "...");
	}
	return text;
}

/* Refuses values under registered keys that the document before had not. */
static void
check_attributes(const char *table, Datum before, bool before_null, Datum after)
{
	Jsonb	   *document = DatumGetJsonbP(after);
	Jsonb	   *old = before_null ? NULL : DatumGetJsonbP(before);
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	key;
	JsonbValue	value;

	/* the table's own CHECK says better what is wrong with no object */
	if (!JB_ROOT_IS_OBJECT(document) || JB_ROOT_COUNT(document) == 0)
		return;
	iterator = JsonbIteratorInit(&document->root);
	(void) JsonbIteratorNext(&iterator, &key, true);	/* WJB_BEGIN_OBJECT */
	while ((token = JsonbIteratorNext(&iterator, &key, true)) == WJB_KEY)
	{
		const Attribute *attribute = nurture_attribute(key.val.string.val,
													   key.val.string.len);
		char	   *problem;

		(void) JsonbIteratorNext(&iterator, &value, true);	/* WJB_VALUE */
		if (attribute == NULL)
			continue;
		problem = nurture_attribute_misfit(attribute, &value);
		if (problem == NULL)
			continue;
		if (old != NULL && JB_ROOT_IS_OBJECT(old))
		{
			JsonbValue *same = findJsonbValueFromContainer(&old->root, JB_FOBJECT, &key);

			/*
			 * the registry may have become stricter; who writes is not to
			 * blame
			 */
			if (same != NULL &&
				compareJsonbContainers(&JsonbValueToJsonb(same)->root,
									   &JsonbValueToJsonb(&value)->root) == 0)
				continue;
		}
		ereport(ERROR,
				(errcode(ERRCODE_CHECK_VIOLATION),
				 attribute->personal ?
				 errmsg("value of attribute \"%s\" of the %s does not fit: %s",
						attribute->attribute, table, problem) :
				 errmsg("value %s of attribute \"%s\" of the %s does not fit: %s",
						value_text(&value), attribute->attribute, table, problem),
				 errdetail("Attribute \"%s\" is %s.", attribute->attribute,
						   nurture_attribute_allowed(attribute)),
				 errhint("Attributes and what they may be are rows of nurture.attribute.")));
	}
}

static Datum
column_of(HeapTuple row, TupleDesc desc, const char *column, bool *isnull)
{
	int			number = SPI_fnumber(desc, column);

	if (number <= 0)
	{
		*isnull = true;
		return (Datum) 0;
	}
	return heap_getattr(row, number, desc, isnull);
}

/*
 * Trigger before rows of nurture.lead and nurture.account: audience types
 * are known, registered attributes are what the registry says.  What was
 * there before is let be.
 */
Datum
nurture_facts_check(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_facts_check");
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	bool		update = TRIGGER_FIRED_BY_UPDATE(data->tg_event);
	HeapTuple	after = update ? data->tg_newtuple : data->tg_trigtuple;
	bool		isnull;
	bool		before_null = true;
	Datum		before = (Datum) 0;
	Datum		value;

	if (!nurture_deriving())
		return PointerGetDatum(after);
	value = column_of(after, desc, "attributes", &isnull);
	if (!isnull)
	{
		if (update)
			before = column_of(data->tg_trigtuple, desc, "attributes", &before_null);
		check_attributes(RelationGetRelationName(data->tg_relation), before,
						 before_null, value);
	}
	value = column_of(after, desc, "audience_type", &isnull);
	if (!isnull)
	{
		text	   *code = DatumGetTextPP(value);

		if (!nurture_audience_known(VARDATA_ANY(code), VARSIZE_ANY_EXHDR(code)))
		{
			if (update)
				before = column_of(data->tg_trigtuple, desc, "audience_type", &before_null);
			if (!update || before_null ||
				strcmp(TextDatumGetCString(before), text_to_cstring(code)) != 0)
				nurture_unknown_audience(text_to_cstring(code));
		}
	}
	return PointerGetDatum(after);
}

/*
 * nurture_attribute_misfit(attribute text, value jsonb) returns text: what
 * is wrong with a value, NULL when it fits or the key is not registered.
 */
Datum
nurture_attribute_problem(PG_FUNCTION_ARGS)
{
	text	   *key = PG_GETARG_TEXT_PP(0);
	Jsonb	   *document = PG_GETARG_JSONB_P(1);
	const Attribute *attribute = nurture_attribute(VARDATA_ANY(key),
												   VARSIZE_ANY_EXHDR(key));
	JsonbValue	value;
	char	   *problem;

	if (attribute == NULL)
		PG_RETURN_NULL();
	if (JB_ROOT_IS_SCALAR(document))
		(void) JsonbExtractScalar(&document->root, &value);
	else
	{
		value.type = jbvBinary;
		value.val.binary.data = &document->root;
		value.val.binary.len = VARSIZE(document) - VARHDRSZ;
	}
	problem = nurture_attribute_misfit(attribute, &value);
	if (problem == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("%s; attribute \"%s\" is %s", problem,
											  attribute->attribute,
											  nurture_attribute_allowed(attribute))));
}

/*
 * Tells whether an attribute has to be known of leads of an audience that are
 * of a tier, or on a route.
 */
bool
nurture_attribute_required(const Attribute *attribute, const char *audience,
						   int tier, const char *route)
{
	size_t		length = strlen(audience);

	for (int i = 0; i < attribute->nrequired; i++)
	{
		const char *required = attribute->required_for[i];
		const char *slash = strchr(required, '/');

		if (slash == NULL)
		{
			if (route != NULL && strcmp(required + strlen("route:"), route) == 0)
				return true;
		}
		else if (((slash == required + 1 && *required == '*') ||
				  (slash == required + length && strncmp(required, audience, length) == 0)) &&
				 slash[1] - '0' <= tier)
			return true;
	}
	return false;
}
