/*
 * subject.c
 *	  Reads a lead with its account and activity in one query.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "facts/program.h"
#include "facts/subject.h"
#include "facts/subject_private.h"
#include "facts/subject_quality.h"
#include "lib/stringinfo.h"
#include "port/pg_bitutils.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

typedef enum ColumnType
{
	COLUMN_TEXT,
	COLUMN_INSTANT,				/* a fact as its UTC day */
	COLUMN_BOOL,
	COLUMN_BIGINT,
	COLUMN_INT,
	COLUMN_NUMERIC,
	COLUMN_JSONB				/* not a fact itself, holds some */
} ColumnType;

/* In the order of SubjectColumn; l is the lead, c its account. */
static const struct
{
	const char *fact;			/* name in conditions */
	const char *expression;
	ColumnType	type;
}			subject_columns[SUBJECT_COLUMNS] = {
	{"audience_type", "l.audience_type", COLUMN_TEXT},
	{"audience_verified_at", "l.audience_verified_at", COLUMN_INSTANT},
	{"role", "l.role", COLUMN_TEXT},
	{"specialty", "l.specialty", COLUMN_TEXT},
	{"therapeutic_area", "l.therapeutic_area", COLUMN_TEXT},
	{"country", "l.country", COLUMN_TEXT},
	{"region", "l.region", COLUMN_TEXT},
	{"postal_code", "l.postal_code", COLUMN_TEXT},
	{"organization_type", "l.organization_type", COLUMN_TEXT},
	{"source", "l.source", COLUMN_TEXT},
	{"campaign", "l.campaign", COLUMN_TEXT},
	{"language", "l.language", COLUMN_TEXT},
	{"time_zone", "l.time_zone", COLUMN_TEXT},
	{"owner", "l.owner", COLUMN_TEXT},
	{"is_test", "l.is_test", COLUMN_BOOL},
	{"created_at", "l.created_at", COLUMN_INSTANT},
	{"updated_at", "l.updated_at", COLUMN_INSTANT},
	{"email_known", "l.email_known", COLUMN_BOOL},
	{"phone_known", "l.phone_known", COLUMN_BOOL},
	{"account_id", "l.account_id", COLUMN_BIGINT},
	{"attributes", "l.attributes", COLUMN_JSONB},
	{"account.name", "c.name", COLUMN_TEXT},
	{"account.organization_type", "c.organization_type", COLUMN_TEXT},
	{"account.country", "c.country", COLUMN_TEXT},
	{"account.region", "c.region", COLUMN_TEXT},
	{"account.domain", "c.domain", COLUMN_TEXT},
	{"account.owner", "c.owner", COLUMN_TEXT},
	{"account.activity_score", "c.activity_score", COLUMN_NUMERIC},
	{"account.spike", "c.spike", COLUMN_NUMERIC},
	{"account.active_leads", "c.active_leads", COLUMN_INT},
	{"account.as_of", "c.as_of", COLUMN_INSTANT},
	{"account.attributes", "c.attributes", COLUMN_JSONB},
};

#define FIRST_ACCOUNT_COLUMN SUBJECT_ACCOUNT_NAME
#define QUALITY_BASE 500		/* fact numbers from here on are of
								 * subject_quality.c */
#define ATTRIBUTE_BASE 1000		/* fact numbers from here on are keys */

/* Keys of attributes that conditions have named, for the backend's life. */
typedef struct AttributeKey
{
	char	   *name;
	int			length;
	bool		of_account;
} AttributeKey;

static AttributeKey *attribute_keys = NULL;
static int	n_attribute_keys = 0;
static int	max_attribute_keys = 0;

bool		(*nurture_subject_points) (Subject *subject, int dimension,
									   int64 *points) = NULL;

static int
attribute_fact(const char *key, size_t len, bool of_account)
{
	if (len == 0)
		return COND_LOOKUP_UNKNOWN;
	for (int i = 0; i < n_attribute_keys; i++)
	{
		if (attribute_keys[i].of_account == of_account &&
			attribute_keys[i].length == (int) len &&
			memcmp(attribute_keys[i].name, key, len) == 0)
			return ATTRIBUTE_BASE + i;
	}
	if (n_attribute_keys == max_attribute_keys)
	{
		int			size = Max(64, 2 * max_attribute_keys);

		if (attribute_keys == NULL)
			attribute_keys = MemoryContextAlloc(TopMemoryContext, size * sizeof(AttributeKey));
		else
			attribute_keys = repalloc(attribute_keys, size * sizeof(AttributeKey));
		max_attribute_keys = size;
	}
	attribute_keys[n_attribute_keys].name = MemoryContextAlloc(TopMemoryContext, len + 1);
	memcpy(attribute_keys[n_attribute_keys].name, key, len);
	attribute_keys[n_attribute_keys].name[len] = '\0';
	attribute_keys[n_attribute_keys].length = len;
	attribute_keys[n_attribute_keys].of_account = of_account;
	return ATTRIBUTE_BASE + n_attribute_keys++;
}

/* Returns the number of a fact: a column, or a key of attributes. */
int
nurture_subject_fact(const char *name, size_t len)
{
	static const char prefix[] = "attributes.";
	static const char account_prefix[] = "account.attributes.";
	int			quality = nurture_subject_quality_fact(name, len);

	if (quality >= 0)
		return QUALITY_BASE + quality;
	for (int i = 0; i < SUBJECT_COLUMNS; i++)
	{
		if (strlen(subject_columns[i].fact) == len &&
			memcmp(subject_columns[i].fact, name, len) == 0)
			return subject_columns[i].type == COLUMN_JSONB ? COND_LOOKUP_UNKNOWN : i;
	}
	if (len > sizeof(prefix) - 1 && memcmp(name, prefix, sizeof(prefix) - 1) == 0)
		return attribute_fact(name + sizeof(prefix) - 1,
							  len - (sizeof(prefix) - 1), false);
	if (len > sizeof(account_prefix) - 1 &&
		memcmp(name, account_prefix, sizeof(account_prefix) - 1) == 0)
		return attribute_fact(name + sizeof(account_prefix) - 1,
							  len - (sizeof(account_prefix) - 1), true);
	return COND_LOOKUP_UNKNOWN;
}

/* Visits every fact that is a column. */
void
nurture_subject_each_fact(CondNameVisit visit, void *arg)
{
	for (int i = 0; i < SUBJECT_COLUMNS; i++)
	{
		if (subject_columns[i].type != COLUMN_JSONB)
			visit(arg, subject_columns[i].fact, strlen(subject_columns[i].fact));
	}
	nurture_subject_each_quality(visit, arg);
}

/* Returns the columns that a fact is read from. */
static uint64
columns_of_fact(int fact)
{
	if (fact >= QUALITY_BASE && fact < ATTRIBUTE_BASE)
		return nurture_subject_quality_mask(fact - QUALITY_BASE);
	if (fact >= ATTRIBUTE_BASE)
		fact = attribute_keys[fact - ATTRIBUTE_BASE].of_account ?
			SUBJECT_ACCOUNT_ATTRIBUTES : SUBJECT_ATTRIBUTES;
	return UINT64CONST(1) << fact;
}

/* Returns the expression of a column; l is the lead, c its account. */
const char *
nurture_subject_expression(SubjectColumn column)
{
	return subject_columns[column].expression;
}

static void
add_to_mask(void *arg, const CondTerm *term)
{
	uint64	   *mask = arg;

	if (term->kind == COND_TERM_FACT)
	{
		*mask |= columns_of_fact(term->subject.id);
		if (term->op == COND_OP_SAME_AS || term->op == COND_OP_DIFFERS_FROM)
			*mask |= columns_of_fact(term->other.id);
	}
	else if (term->kind == COND_TERM_CAMPAIGN)
		*mask |= UINT64CONST(1) << SUBJECT_CAMPAIGN;
	else if (term->kind == COND_TERM_PROGRAM)
	{
		for (int field = 0; field < NURTURE_PROGRAM_FIELDS; field++)
		{
			if (term->fields & (UINT32_C(1) << field))
				*mask |= columns_of_fact(nurture_program_fact(field));
		}
	}
}

/* Returns which columns a condition reads. */
uint64
nurture_subject_mask(const Condition *condition)
{
	uint64		mask = 0;

	nurture_cond_visit_terms(condition, add_to_mask, &mask);
	return mask;
}

/*
 * Returns the query that reads subjects, with qualified operators, for hot
 * paths that do not pin search_path.  where is appended; it may name l.
 */
char	   *
nurture_subject_query(uint64 mask, const char *where)
{
	StringInfoData buf;
	bool		account = (mask >> FIRST_ACCOUNT_COLUMN) != 0;

	initStringInfo(&buf);
	appendStringInfoString(&buf, "SELECT l.lead_id, l.merged_into, l.erased_at, a.signals, a.topics, a.last_event_at");
	for (int i = 0; i < SUBJECT_COLUMNS; i++)
	{
		if (mask & (UINT64CONST(1) << i))
			appendStringInfo(&buf, ", %s", subject_columns[i].expression);
	}
	appendStringInfoString(&buf, " FROM nurture.lead l LEFT JOIN nurture.activity a ON a.lead_id OPERATOR(pg_catalog.=) l.lead_id");
	if (account)
		appendStringInfoString(&buf, " LEFT JOIN nurture.account c ON c.account_id OPERATOR(pg_catalog.=) l.account_id");
	appendStringInfo(&buf, " %s", where);
	return buf.data;
}

/*
 * Returns the table and column of a fact, for who reads it without a query:
 * of the account, else of the lead.
 */
const char *
nurture_subject_column(SubjectColumn column, Oid *type, bool *of_account)
{
	static const Oid types[] = {
		[COLUMN_TEXT] = TEXTOID,
		[COLUMN_INSTANT] = TIMESTAMPTZOID,
		[COLUMN_BOOL] = BOOLOID,
		[COLUMN_BIGINT] = INT8OID,
		[COLUMN_INT] = INT4OID,
		[COLUMN_NUMERIC] = NUMERICOID,
		[COLUMN_JSONB] = JSONBOID
	};

	*type = types[subject_columns[column].type];
	*of_account = column >= FIRST_ACCOUNT_COLUMN;
	/* behind the table's letter and a dot */
	return subject_columns[column].expression + 2;
}

/* Returns a view of a tally value; it points into the value. */
Tally
nurture_tally_datum(Datum tally)
{
	struct varlena *bytes = PG_DETOAST_DATUM_PACKED(tally);

	return nurture_tally_view((const unsigned char *) VARDATA_ANY(bytes),
							  VARSIZE_ANY_EXHDR(bytes));
}

/* Starts a subject; context is where lazily read things go. */
void
nurture_subject_begin(Subject *subject, TimestampTz now, MemoryContext context)
{
	memset(subject, 0, sizeof(Subject));
	subject->now = now;
	subject->today = nurture_day_of(now);
	subject->product = "*";
	subject->context = context;
}

/*
 * Fills a subject from a row of nurture_subject_query; values of the row must
 * outlive it.
 */
void
nurture_subject_fill(Subject *subject, const Datum *values, const bool *nulls,
					 uint64 mask)
{
	static const unsigned char empty[NURTURE_TALLY_HEADER_SIZE] = {NURTURE_TALLY_VERSION};
	int			place = QUERY_FIRST_FACT - 1;

	subject->lead_id = DatumGetInt64(values[QUERY_LEAD_ID - 1]);
	subject->erased_at = nulls[QUERY_ERASED_AT - 1] ? DT_NOBEGIN :
		DatumGetTimestampTz(values[QUERY_ERASED_AT - 1]);
	subject->signals = nulls[QUERY_SIGNALS - 1] ? nurture_tally_view(empty, sizeof(empty)) :
		nurture_tally_datum(values[QUERY_SIGNALS - 1]);
	subject->topics = nulls[QUERY_TOPICS - 1] ? nurture_tally_view(empty, sizeof(empty)) :
		nurture_tally_datum(values[QUERY_TOPICS - 1]);
	subject->last_event_at = nulls[QUERY_LAST_EVENT_AT - 1] ? DT_NOBEGIN :
		DatumGetTimestampTz(values[QUERY_LAST_EVENT_AT - 1]);
	memset(subject->nulls, true, sizeof(subject->nulls));
	for (; mask != 0; mask &= mask - 1, place++)
	{
		int			i = pg_rightmost_one_pos64(mask);

		subject->values[i] = values[place];
		subject->nulls[i] = nulls[place];
	}
	subject->standing_read = false;
	subject->marks_read = false;
}

/* Reads a lead, following merges; NULL when it is not there or not visible. */
Subject    *
nurture_subject_load(int64 lead_id, TimestampTz now, bool as_owner)
{
	static KeptPlan find = {NULL, {INT8OID}, NULL, false};
	MemoryContext context = CurrentMemoryContext;
	Subject    *subject = NULL;
	OwnerSwitch save;

	if (find.query == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		find.query = nurture_subject_query(SUBJECT_ALL_COLUMNS,
										   "WHERE l.lead_id OPERATOR(pg_catalog.=) $1");
		MemoryContextSwitchTo(old);
	}
	if (as_owner)
		nurture_owner_enter(&save);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	for (int hop = 0; hop < SUBJECT_MAX_MERGE_CHAIN; hop++)
	{
		Datum		argument = Int64GetDatum(lead_id);
		bool		isnull;
		Datum		merged;

		/* own changes are seen where the caller may write, else as asked */
		nurture_execute(&find, &argument, NULL, !as_owner);
		if (SPI_processed == 0)
			break;
		merged = nurture_cell(0, QUERY_MERGED_INTO, &isnull);
		if (isnull)
		{
			MemoryContext old = MemoryContextSwitchTo(context);
			HeapTuple	tuple = heap_copytuple(SPI_tuptable->vals[0]);
			TupleDesc	desc = SPI_tuptable->tupdesc;
			Datum		values[QUERY_FIRST_FACT - 1 + SUBJECT_COLUMNS];
			bool		nulls[QUERY_FIRST_FACT - 1 + SUBJECT_COLUMNS];

			heap_deform_tuple(tuple, desc, values, nulls);
			subject = palloc(sizeof(Subject));
			nurture_subject_begin(subject, now, context);
			subject->fresh = as_owner;
			nurture_subject_fill(subject, values, nulls, SUBJECT_ALL_COLUMNS);
			MemoryContextSwitchTo(old);
			break;
		}
		lead_id = DatumGetInt64(merged);
	}
	SPI_finish();
	if (as_owner)
		nurture_owner_leave(&save);
	return subject;
}

/* Returns a column fact as text, NULL when unknown. */
char	   *
nurture_subject_text(const Subject *subject, SubjectColumn column)
{
	Datum		value = subject->values[column];

	if (subject->nulls[column])
		return NULL;
	switch (subject_columns[column].type)
	{
		case COLUMN_TEXT:
			return TextDatumGetCString(value);
		case COLUMN_INSTANT:
			return pstrdup(timestamptz_to_str(DatumGetTimestampTz(value)));
		case COLUMN_BOOL:
			return pstrdup(DatumGetBool(value) ? "true" : "false");
		case COLUMN_BIGINT:
			return psprintf(INT64_FORMAT, DatumGetInt64(value));
		case COLUMN_INT:
			return psprintf("%d", DatumGetInt32(value));
		case COLUMN_NUMERIC:
			return DatumGetCString(DirectFunctionCall1(numeric_out, value));
		case COLUMN_JSONB:
			{
				Jsonb	   *json = DatumGetJsonbP(value);

				return JsonbToCString(NULL, &json->root, VARSIZE(json));
			}
	}
	return NULL;
}

static void
numeric_value(Numeric number, CondValue *out)
{
	char	   *text = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(number)));

	if (nurture_cond_number(text, strlen(text), &out->number))
		out->kind = COND_VALUE_NUMBER;
	pfree(text);
}

static void
list_value(JsonbContainer *container, CondValue *out)
{
	int			size = JsonContainerSize(container);
	CondText   *items = palloc(sizeof(CondText) * Max(size, 1));
	int			n = 0;

	for (int i = 0; i < size; i++)
	{
		JsonbValue *item = getIthJsonbValueFromContainer(container, i);

		if (item->type == jbvString)
		{
			items[n].ptr = item->val.string.val;
			items[n++].len = item->val.string.len;
		}
		else if (item->type == jbvNumeric)
		{
			items[n].ptr = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(item->val.numeric)));
			items[n].len = strlen(items[n].ptr);
			n++;
		}
	}
	out->kind = COND_VALUE_LIST;
	out->items = items;
	out->nitems = n;
}

static void
attribute_value(Subject *subject, const AttributeKey *key, CondValue *out)
{
	SubjectColumn column = key->of_account ? SUBJECT_ACCOUNT_ATTRIBUTES : SUBJECT_ATTRIBUTES;
	Jsonb	   *json;
	JsonbValue	value;

	if (subject->nulls[column])
		return;
	json = DatumGetJsonbP(subject->values[column]);
	subject->values[column] = JsonbPGetDatum(json); /* detoast once */
	if (getKeyJsonValueFromContainer(&json->root, key->name, key->length, &value) == NULL)
		return;
	switch (value.type)
	{
		case jbvString:
			out->kind = COND_VALUE_TEXT;
			out->text.ptr = value.val.string.val;
			out->text.len = value.val.string.len;
			break;
		case jbvNumeric:
			numeric_value(value.val.numeric, out);
			break;
		case jbvBool:
			out->kind = COND_VALUE_BOOL;
			out->truth = value.val.boolean;
			break;
		case jbvBinary:
			if (JsonContainerIsArray(value.val.binary.data))
				list_value(value.val.binary.data, out);
			break;
		default:
			break;
	}
}

/* Fills *out, which begins as unknown, with a fact. */
void
nurture_subject_value(Subject *subject, int fact, CondValue *out)
{
	Datum		value;
	struct varlena *text;

	if (fact >= QUALITY_BASE && fact < ATTRIBUTE_BASE)
	{
		nurture_subject_quality(subject, fact - QUALITY_BASE, out);
		return;
	}
	if (fact >= ATTRIBUTE_BASE)
	{
		MemoryContext old = MemoryContextSwitchTo(subject->context);

		attribute_value(subject, &attribute_keys[fact - ATTRIBUTE_BASE], out);
		MemoryContextSwitchTo(old);
		return;
	}
	if (subject->nulls[fact])
		return;
	value = subject->values[fact];
	switch (subject_columns[fact].type)
	{
		case COLUMN_TEXT:
			text = PG_DETOAST_DATUM_PACKED(value);

			out->kind = COND_VALUE_TEXT;
			out->text.ptr = VARDATA_ANY(text);
			out->text.len = VARSIZE_ANY_EXHDR(text);
			break;
		case COLUMN_INSTANT:
			out->kind = COND_VALUE_DAY;
			out->day = nurture_day_of(DatumGetTimestampTz(value));
			break;
		case COLUMN_BOOL:
			out->kind = COND_VALUE_BOOL;
			out->truth = DatumGetBool(value);
			break;
		case COLUMN_BIGINT:
			out->kind = COND_VALUE_NUMBER;
			out->number = nurture_cond_number_of_int(DatumGetInt64(value));
			break;
		case COLUMN_INT:
			out->kind = COND_VALUE_NUMBER;
			out->number = nurture_cond_number_of_int(DatumGetInt32(value));
			break;
		case COLUMN_NUMERIC:
			numeric_value(DatumGetNumeric(value), out);
			break;
		case COLUMN_JSONB:
			break;
	}
}
