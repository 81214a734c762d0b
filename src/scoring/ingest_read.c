/*
 * ingest_read.c
 *	  Reads one event of nurture_ingest without ever raising an error about
 *	  what it says: whatever is wrong becomes a reason and words.
 */
#include "base/compat.h"

#include "facts/identity.h"
#include "facts/vocabulary.h"
#include "pgtime.h"
#include "scoring/ingest.h"
#include "scoring/tally_type.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

/* longest text of a column that holds a code or a name */
#define MAX_CODE EVENT_MAX_SOURCE

typedef enum KeyKind
{
	KEY_TEXT,
	KEY_SOURCE_KEY,
	KEY_BIGINT,
	KEY_INTEGER,
	KEY_INSTANT,
	KEY_TAGS,
	KEY_PROPERTIES,
	KEY_REF,
	KEY_IDENTITY,
	KEY_ACCOUNT_ID,
	KEY_ACCOUNT_REF,
	KEY_REFUSED
} KeyKind;

static const struct
{
	const char *key;
	KeyKind		kind;
	EventColumn column;
}			keys[] = {
	{"lead_id", KEY_BIGINT, EVENT_LEAD_ID},
	{"external_ref", KEY_REF, EVENT_LEAD_ID},
	{"identity", KEY_IDENTITY, EVENT_LEAD_ID},
	{"account_id", KEY_ACCOUNT_ID, EVENT_LEAD_ID},
	{"account_ref", KEY_ACCOUNT_REF, EVENT_LEAD_ID},
	{"event_id", KEY_REFUSED, EVENT_EVENT_ID},
	{"recorded_at", KEY_INSTANT, EVENT_RECORDED_AT},
	{"event_type", KEY_TEXT, EVENT_EVENT_TYPE},
	{"occurred_at", KEY_INSTANT, EVENT_OCCURRED_AT},
	{"source", KEY_TEXT, EVENT_SOURCE},
	{"source_key", KEY_SOURCE_KEY, EVENT_SOURCE_KEY},
	{"channel", KEY_TEXT, EVENT_CHANNEL},
	{"campaign", KEY_TEXT, EVENT_CAMPAIGN},
	{"asset_id", KEY_TEXT, EVENT_ASSET_ID},
	{"version", KEY_INTEGER, EVENT_VERSION},
	{"message_id", KEY_BIGINT, EVENT_MESSAGE_ID},
	{"tags", KEY_TAGS, EVENT_TAGS},
	{"properties", KEY_PROPERTIES, EVENT_PROPERTIES},
};

/* Notes what is wrong with an event; the first finding stands. */
static void
			refuse(IngestEvent *event, const char *reason, const char *format,...) pg_attribute_printf(3, 4);

static void
refuse(IngestEvent *event, const char *reason, const char *format,...)
{
	StringInfoData detail;

	if (event->reason != NULL)
		return;
	initStringInfo(&detail);
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, format);
		needed = appendStringInfoVA(&detail, format, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&detail, needed);
	}
	event->reason = reason;
	event->detail = detail.data;
}

static bool
read_text(IngestEvent *event, const char *key, const JsonbValue *value,
		  int limit, Datum *result)
{
	if (value->type != jbvString)
		refuse(event, "bad_value", "%s must be a text", key);
	else if (value->val.string.len == 0)
		refuse(event, "bad_value", "%s is empty", key);
	else if (value->val.string.len > limit)
		refuse(event, "bad_value", "%s is longer than %d bytes", key, limit);
	else
	{
		*result = PointerGetDatum(cstring_to_text_with_len(value->val.string.val,
														   value->val.string.len));
		return true;
	}
	return false;
}

/* Reads a whole number, given as a number or as a text of digits. */
static bool
read_integer(IngestEvent *event, const char *key, const JsonbValue *value,
			 int64 low, int64 high, Datum *result)
{
	char	   *text;
	char	   *end;
	long long	number;

	if (value->type == jbvNumeric)
		text = DatumGetCString(DirectFunctionCall1(numeric_out,
												   NumericGetDatum(value->val.numeric)));

	else if (value->type == jbvString && value->val.string.len > 0 &&
			 value->val.string.len <= 20)
		text = pnstrdup(value->val.string.val, value->val.string.len);

	else
	{
		refuse(event, "bad_value", "%s must be a whole number", key);
		return false;
	}
	if (strspn(text, "-0123456789") != strlen(text))
	{
		refuse(event, "bad_value", "%s must be a whole number", key);
		return false;
	}
	errno = 0;
	number = strtoll(text, &end, 10);
	if (errno != 0 || end == text ||*end != '\0' || number < low || number > high)
	{
		refuse(event, "bad_value", "%s is out of range", key);
		return false;
	}
	*result = Int64GetDatum(number);
	return true;
}

/* Reads an instant the way timestamptz does, but without raising errors. */
static bool
read_instant(IngestEvent *event, const char *key, const JsonbValue *value,
			 TimestampTz latest, Datum *result)
{
	char		buffer[MAXDATELEN + MAXDATEFIELDS];
	char	   *fields[MAXDATEFIELDS];
	int			types[MAXDATEFIELDS];
	int			nfields;
	int			kind;
	int			zone;
	struct pg_tm tm;
	fsec_t		fraction;
	TimestampTz instant;
	char	   *text;

	if (value->type != jbvString)
	{
		refuse(event, "bad_value", "%s must be a text such as 2026-11-03T10:00:00Z", key);
		return false;
	}
	text = pnstrdup(value->val.string.val, Min(value->val.string.len, MAXDATELEN));

	if (value->val.string.len > MAXDATELEN ||
		ParseDateTime(text, buffer, sizeof(buffer), fields, types,
					  MAXDATEFIELDS, &nfields) != 0 ||
		nurture_decode_datetime(fields, types, nfields, &kind, &tm, &fraction, &zone) != 0)
	{
		refuse(event, "bad_value", "%s is not a date and time", key);
		return false;
	}
	if (kind == DTK_LATE || kind == DTK_EARLY)
	{
		refuse(event, "bad_value", "%s is infinite", key);
		return false;
	}
	if (kind != DTK_DATE || tm2timestamp(&tm, fraction, &zone, &instant) != 0 ||
		instant < NURTURE_TALLY_MIN_INSTANT)
	{
		refuse(event, "bad_value", "%s is out of range", key);
		return false;
	}
	if (instant > latest)
	{
		refuse(event, "future", "%s lies more than 5 minutes in the future", key);
		return false;
	}
	*result = TimestampTzGetDatum(instant);
	return true;
}

static bool
is_tag(const char *text, int len)
{
	const char *colon = memchr(text, ':', len);

	return colon != NULL && colon > text &&colon < text +len - 1 &&
				len <= MAX_CODE;
}

static bool
read_tags(IngestEvent *event, const JsonbValue *value, Datum *result)
{
	JsonbContainer *array;
	uint32		n;

	if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data) ||
		JsonContainerIsScalar(value->val.binary.data))
	{
		refuse(event, "bad_value", "tags must be an array of texts");
		return false;
	}
	array = value->val.binary.data;
	n = JsonContainerSize(array);
	if (n > INGEST_MAX_TAGS)
	{
		refuse(event, "bad_value", "there are more than %d tags", INGEST_MAX_TAGS);
		return false;
	}
	for (uint32 i = 0; i < n; i++)
	{
		JsonbValue *tag = getIthJsonbValueFromContainer(array, i);

		if (tag == NULL || tag->type != jbvString ||
			!is_tag(tag->val.string.val, tag->val.string.len))
		{
			refuse(event, "bad_value", "tag %u is not of the form dimension:value, or longer than %d bytes",
				   i + 1, MAX_CODE);
			return false;
		}
	}
	*result = JsonbPGetDatum(JsonbValueToJsonb(unconstify(JsonbValue *, value)));
	return true;
}

static bool
read_properties(IngestEvent *event, const JsonbValue *value, Datum *result)
{
	if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data))
	{
		refuse(event, "bad_value", "properties must be an object");
		return false;
	}
	*result = JsonbPGetDatum(JsonbValueToJsonb(unconstify(JsonbValue *, value)));
	return true;
}

/* Remembers by what an event says who it is about. */
static void
set_identity(IngestEvent *event, const char *kind, const char *key,
			 const char *value)
{
	const char *problem;

	event->kind = kind;
	event->value = nurture_identity_normal(kind, value, &problem);
	if (event->value == NULL)
		refuse(event, "bad_value", "%s %s", key, problem);
}

/* Reads {"kind": ..., "value": ...}. */
static void
read_identity(IngestEvent *event, const JsonbValue *value)
{
	JsonbContainer *object;
	JsonbValue	kind;
	JsonbValue	given;
	const char *code;

	if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data))
	{
		refuse(event, "bad_value", "identity must be an object with kind and value");
		return;
	}
	object = value->val.binary.data;
	if (getKeyJsonValueFromContainer(object, "kind", strlen("kind"), &kind) == NULL ||
		getKeyJsonValueFromContainer(object, "value", strlen("value"), &given) == NULL ||
		kind.type != jbvString || given.type != jbvString)
	{
		refuse(event, "bad_value", "identity must be an object with kind and value, both texts");
		return;
	}
	code = nurture_identity_kind(kind.val.string.val, kind.val.string.len);
	if (code == NULL)
		refuse(event, "bad_value", "kinds of identity are %s", IDENTITY_KINDS_TEXT);
	else
		set_identity(event, code, "identity.value",
					 pnstrdup(given.val.string.val, given.val.string.len));
}

/* Reads the value of one key. */
static void
read_key(IngestEvent *event, const JsonbValue *key, const JsonbValue *value,
		 TimestampTz latest, bool *identified)
{
	const char *name = NULL;
	KeyKind		kind = KEY_REFUSED;
	EventColumn column = EVENT_LEAD_ID;
	Datum		datum = (Datum) 0;
	bool		given = false;

	for (int i = 0; i < lengthof(keys); i++)
	{
		if (strlen(keys[i].key) == key->val.string.len &&
			memcmp(keys[i].key, key->val.string.val, key->val.string.len) == 0)
		{
			name = keys[i].key;
			kind = keys[i].kind;
			column = keys[i].column;
		}
	}
	if (name == NULL)
	{
		/* an error text is no place for what may be personal */
		refuse(event, "bad_value", "there is a key that is no column of nurture.event; put such values into properties");
		return;
	}
	if (value->type == jbvNull)
		return;

	switch (kind)
	{
		case KEY_TEXT:
			given = read_text(event, name, value, MAX_CODE, &datum);
			break;
		case KEY_SOURCE_KEY:
			given = read_text(event, name, value, EVENT_MAX_SOURCE_KEY, &datum);
			break;
		case KEY_BIGINT:
			given = read_integer(event, name, value, PG_INT64_MIN, PG_INT64_MAX, &datum);
			break;
		case KEY_INTEGER:
			given = read_integer(event, name, value, 1, PG_INT32_MAX, &datum);
			datum = Int32GetDatum((int32) DatumGetInt64(datum));
			break;
		case KEY_INSTANT:
			given = read_instant(event, name, value, latest, &datum);
			break;
		case KEY_TAGS:
			given = read_tags(event, value, &datum);
			break;
		case KEY_PROPERTIES:
			given = read_properties(event, value, &datum);
			break;
		case KEY_REF:
			if (read_text(event, name, value, MAX_CODE, &datum))
				set_identity(event, "crm_id", name, TextDatumGetCString(datum));
			break;
		case KEY_IDENTITY:
			read_identity(event, value);
			break;
		case KEY_ACCOUNT_ID:
			event->of_account = true;
			given = read_integer(event, name, value, PG_INT64_MIN, PG_INT64_MAX, &datum);
			break;
		case KEY_ACCOUNT_REF:
			event->of_account = true;
			if (read_text(event, name, value, MAX_CODE, &datum))
				set_identity(event, "account", name, TextDatumGetCString(datum));
			break;
		case KEY_REFUSED:
			refuse(event, "bad_value", "%s is given by nurture", name);
			break;
	}
	if (column == EVENT_LEAD_ID)
	{
		if (*identified)
			refuse(event, "bad_value", "give one of lead_id, external_ref, identity, account_id and account_ref");
		*identified = true;
	}
	if (given)
	{
		event->values[column] = datum;
		event->nulls[column] = false;
	}
}

/* Reads one element of the array given to nurture_ingest. */
void
nurture_ingest_read(IngestEvent *event, const JsonbValue *value,
					const MatchRules *rules, TimestampTz latest)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	part;
	JsonbValue	key = {0};
	bool		identified = false;
	text	   *code;

	memset(event, 0, sizeof(*event));
	memset(event->nulls, true, sizeof(event->nulls));
	event->payload = JsonbValueToJsonb(unconstify(JsonbValue *, value));
	if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data))
	{
		refuse(event, "bad_value", "an event must be an object");
		return;
	}
	iterator = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &part, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			key = part;
		else if (token == WJB_VALUE)
			read_key(event, &key, &part, latest, &identified);
	}
	if (event->nulls[EVENT_EVENT_TYPE])
		refuse(event, "bad_value", "there is no event_type");
	if (event->reason != NULL)
		return;
	code = DatumGetTextPP(event->values[EVENT_EVENT_TYPE]);
	if (nurture_match_type(rules, VARDATA_ANY(code), VARSIZE_ANY_EXHDR(code)) == NULL)
		refuse(event, "unknown_event_type", "the nearest known event types are %s",
			   nurture_nearest_event_types(text_to_cstring(code)));
	else if (!identified)
		refuse(event, "bad_value", "there is no lead_id, external_ref, identity, account_id or account_ref");
	else if (event->of_account && !event->nulls[EVENT_MESSAGE_ID])
		refuse(event, "bad_value", "a message_id belongs to a lead, not to an organisation");
}
