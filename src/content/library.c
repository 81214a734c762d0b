/*
 * library.c
 *	  nurture_add_asset: a document becomes a draft of an asset version.
 *
 * Written with the caller's rights: who may insert into the library is a
 * matter of ordinary grants.  What is in the document is checked word by word,
 * and every refusal names the nearest thing that is known.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/author.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/settings.h"
#include "catalog/pg_type.h"
#include "content/content_private.h"
#include "facts/vocabulary.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

NURTURE_FUNCTION(nurture_add_asset);

static const char *const known_keys[] = {
	"approval_ref", "asset_id", "audience_types", "blocks", "channels",
	"claims", "document_hash", "family", "format", "languages", "markets",
	"merge_fields", "message_class", "owner", "prerequisites", "priority",
	"purpose", "reason", "review_due", "safety_block", "tags", "title", "uri",
	"valid_from", "valid_until"
};

static KeptPlan add_asset =
KEPT_PLAN("INSERT INTO nurture.asset (asset_id, family, title, format, "
		  "purpose, priority, owner, reason) "
		  "VALUES ($1, coalesce($2, $1), $3, $4, coalesce($5, "
		  "'marketing'), coalesce($6, 0), $7, $8) "
		  "ON CONFLICT (asset_id) DO NOTHING",
		  TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, INT2OID, TEXTOID,
		  TEXTOID);

/*
 * Locks the asset, so that two versions added at once get two numbers, and
 * tells which of its fixed columns the document contradicts.
 */
static KeptPlan lock_asset =
KEPT_PLAN("SELECT "
		  "CASE WHEN family <> $2 THEN 'family' WHEN format <> $3 THEN "
		  "'format' WHEN purpose <> $4 THEN 'purpose' END, "
		  "CASE WHEN family <> $2 THEN family WHEN format <> $3 THEN "
		  "format ELSE purpose END "
		  "FROM nurture.asset "
		  "WHERE asset_id = $1 FOR NO KEY UPDATE",
		  TEXTOID, TEXTOID, TEXTOID, TEXTOID);
static KeptPlan update_asset =
KEPT_PLAN("UPDATE nurture.asset "
		  "SET title = coalesce($2, title), priority = coalesce($3, "
		  "priority), owner = coalesce($4, owner) "
		  "WHERE asset_id = $1 "
		  "AND (title, priority, owner) IS DISTINCT FROM (coalesce($2, "
		  "title), coalesce($3, priority), coalesce($4, owner))",
		  TEXTOID, TEXTOID, INT2OID, TEXTOID);
static KeptPlan add_version =
KEPT_PLAN("INSERT INTO nurture.asset_version (asset_id, version, "
		  "message_class, channels, languages, markets, audience_types, "
		  "claims, safety_block, merge_fields, approval_ref, "
		  "valid_during, review_due, document_hash, uri, author) "
		  "VALUES ($1, (SELECT coalesce(max(version), 0) + 1 FROM "
		  "nurture.asset_version WHERE asset_id = $1), $2, $3, "
		  "coalesce($4, '{*}'::text[]), $5, $6, coalesce($7, "
		  "'{}'::text[]), $8, coalesce($9, '{}'::text[]), $10, "
		  "tstzrange($11::timestamptz, $12::timestamptz), $13::date, "
		  "decode($14, 'hex'), $15, $16) "
		  "RETURNING version",
		  TEXTOID, TEXTOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID,
		  TEXTARRAYOID, TEXTARRAYOID, TEXTOID, TEXTARRAYOID, TEXTOID,
		  TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID);
static KeptPlan add_tags =
KEPT_PLAN("INSERT INTO nurture.asset_tag (asset_id, version, dimension, "
		  "value) SELECT DISTINCT $1, $2, split_part(t, ':', 1), "
		  "substr(t, strpos(t, ':') + 1) "
		  "FROM unnest($3) t",
		  TEXTOID, INT4OID, TEXTARRAYOID);
static KeptPlan add_blocks =
KEPT_PLAN("INSERT INTO nurture.asset_block (asset_id, version, slot, "
		  "block_asset) SELECT $1, $2, key, value "
		  "FROM jsonb_each_text($3)",
		  TEXTOID, INT4OID, JSONBOID);
static KeptPlan add_prerequisite =
KEPT_PLAN("INSERT INTO nurture.asset_prerequisite (asset_id, "
		  "prerequisite, condition) SELECT $1, key, value "
		  "FROM jsonb_each($2) "
		  "ON CONFLICT (asset_id, prerequisite) DO UPDATE "
		  "SET condition = excluded.condition",
		  TEXTOID, JSONBOID);

/* Raises what is wrong with one key of the document. */
static void bad_key(const char *key, const char *what, const char *hint) pg_attribute_noreturn();

static void
bad_key(const char *key, const char *what, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("key \"%s\" of the asset %s", key, what),
			 errhint("%s", hint)));
}

static JsonbValue *
find_key(Jsonb *document, const char *key)
{
	JsonbValue *value = getKeyJsonValueFromContainer(&document->root, key,
													 strlen(key), NULL);

	return value == NULL || value->type == jbvNull ? NULL : value;
}

static char *
string_of(const JsonbValue *value)
{
	return pnstrdup(value->val.string.val, value->val.string.len);
}

/* Returns a text of the document, NULL when it is not there. */
static char *
get_text(Jsonb *document, const char *key, bool required)
{
	JsonbValue *value = find_key(document, key);

	if (value == NULL)
	{
		if (required)
			bad_key(key, "is missing", "Keys asset_id, title, format, message_class, channels, markets and audience_types are needed.");
		return NULL;
	}
	if (value->type != jbvString)
		bad_key(key, "is not a text", "Write it as a JSON string.");
	if (value->val.string.len == 0)
		bad_key(key, "is empty", "Leave it out, or give it a value.");
	return string_of(value);
}

/* Returns the strings of a list; NULL when the key is not there. */
static List *
get_list(Jsonb *document, const char *key, bool required)
{
	JsonbValue *value = find_key(document, key);
	JsonbIterator *it;
	JsonbValue	item;
	JsonbIteratorToken token;
	List	   *result = NIL;

	if (value == NULL)
	{
		if (required)
			bad_key(key, "is missing", "Keys asset_id, title, format, message_class, channels, markets and audience_types are needed.");
		return NIL;
	}
	if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data))
		bad_key(key, "is not a list", "Write it as a JSON array of strings.");
	it = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		if (item.type != jbvString || item.val.string.len == 0)
			bad_key(key, "holds something that is not a text", "Write it as a JSON array of strings.");
		result = lappend(result, string_of(&item));
	}
	if (result == NIL && required)
		bad_key(key, "is empty", "Name at least one; \"*\" stands for all where it is allowed.");
	return result;
}

/* Returns an object of the document, NULL when it is not there. */
static Jsonb *
get_object(Jsonb *document, const char *key)
{
	JsonbValue *value = find_key(document, key);

	if (value == NULL)
		return NULL;
	if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data))
		bad_key(key, "is not an object", "Write it as a JSON object.");
	return JsonbValueToJsonb(value);
}

static Datum
list_datum(List *list, char *null)
{
	Datum	   *items;
	int			n = 0;
	ListCell   *cell;

	*null = list == NIL ? 'n' : ' ';
	if (list == NIL)
		return (Datum) 0;
	items = palloc(list_length(list) * sizeof(Datum));
	foreach(cell, list)
		items[n++] = CStringGetTextDatum(lfirst(cell));
	return PointerGetDatum(construct_array(items, n, TEXTOID, -1, false,
										   TYPALIGN_INT));
}

static Datum
text_datum(const char *value, char *null)
{
	*null = value == NULL ? 'n' : ' ';
	return value == NULL ? (Datum) 0 : CStringGetTextDatum(value);
}

/* Raises when the document has a key that means nothing here. */
static void
check_keys(Jsonb *document)
{
	JsonbIterator *it = JsonbIteratorInit(&document->root);
	JsonbValue	item;
	JsonbIteratorToken token;

	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		bool		known = false;

		if (token != WJB_KEY)
			continue;
		for (int i = 0; i < lengthof(known_keys) && !known; i++)
			known = strlen(known_keys[i]) == item.val.string.len &&
				memcmp(known_keys[i], item.val.string.val,
					   item.val.string.len) == 0;
		if (!known)
		{
			StringInfoData buf;

			initStringInfo(&buf);
			for (int i = 0; i < lengthof(known_keys); i++)
				appendStringInfo(&buf, "%s%s", i == 0 ? "" : ", ", known_keys[i]);
			ereport(ERROR,
					(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
					 errmsg("unknown key \"%.64s\" of the asset", string_of(&item)),
					 errhint("Known keys are %s.", buf.data)));
		}
	}
}

static void
check_tags(List *tags)
{
	ListCell   *cell;

	foreach(cell, tags)
	{
		const char *tag = lfirst(cell);

		if (nurture_tag_id(tag, strlen(tag)) < 0)
			nurture_unknown_code(COND_NAME_TAG, "tag", tag);
	}
}

/* Compiles every prerequisite, so that a mistake is told now. */
static void
check_prerequisites(Jsonb *prerequisites)
{
	JsonbIterator *it = JsonbIteratorInit(&prerequisites->root);
	JsonbValue	item;
	JsonbIteratorToken token;
	char	   *code = NULL;

	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			code = string_of(&item);
		else if (token == WJB_VALUE)
		{
			Jsonb	   *condition = JsonbValueToJsonb(&item);

			nurture_condition_accept(JsonbToCString(NULL, &condition->root,
													VARSIZE(condition)),
									 psprintf("prerequisite \"%s\"", code));
		}
	}
}

static int16
get_priority(Jsonb *document, char *null)
{
	JsonbValue *value = find_key(document, "priority");
	Numeric		number;

	*null = value == NULL ? 'n' : ' ';
	if (value == NULL)
		return 0;
	if (value->type != jbvNumeric)
		bad_key("priority", "is not a number", "Write a whole number from -100 to 100.");
	number = value->val.numeric;
	return DatumGetInt16(DirectFunctionCall1(numeric_int2, NumericGetDatum(number)));
}

/*
 * nurture_add_asset(asset jsonb) returns (asset_id text, version integer)
 *
 * Adds an asset, or the next version of one, as a draft.
 */
Datum
nurture_add_asset(PG_FUNCTION_ARGS)
{
	Jsonb	   *document = PG_GETARG_JSONB_P(0);
	char	   *asset_id;
	char	   *format;
	List	   *channels;
	List	   *markets;
	List	   *audiences;
	List	   *tags;
	Jsonb	   *blocks;
	Jsonb	   *prerequisites;
	Datum		values[16];
	char		nulls[17];
	bool		isnull;
	int32		version;
	int			level;
	TupleDesc	desc;
	Datum		result[2];
	bool		result_nulls[2] = {false, false};
	AuditEntry	entry = {0};

	(void) nurture_schema_oid(false);
	if (!JB_ROOT_IS_OBJECT(document))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("an asset is a JSON object"),
				 errhint("Such as {\"asset_id\": \"moa_brief\", \"title\": \"...\", \"format\": \"article\", ...}.")));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");

	check_keys(document);
	asset_id = get_text(document, "asset_id", true);
	format = get_text(document, "format", true);
	channels = get_list(document, "channels", true);
	markets = get_list(document, "markets", true);
	audiences = get_list(document, "audience_types", true);
	tags = get_list(document, "tags", false);
	blocks = get_object(document, "blocks");
	prerequisites = get_object(document, "prerequisites");
	check_tags(tags);
	if (prerequisites != NULL)
		check_prerequisites(prerequisites);

	level = nurture_spi_connect();
	memset(nulls, ' ', sizeof(nulls));
	values[0] = CStringGetTextDatum(asset_id);
	values[1] = text_datum(get_text(document, "family", false), &nulls[1]);
	values[2] = CStringGetTextDatum(get_text(document, "title", true));
	values[3] = CStringGetTextDatum(format);
	values[4] = text_datum(get_text(document, "purpose", false), &nulls[4]);
	values[5] = Int16GetDatum(get_priority(document, &nulls[5]));
	values[6] = text_datum(get_text(document, "owner", false), &nulls[6]);
	values[7] = text_datum(get_text(document, "reason", false), &nulls[7]);
	nurture_execute(&add_asset, values, nulls, false);
	if (SPI_processed == 0)
	{
		Datum		fixed[4] = {values[0], values[1], values[3], values[4]};
		char		fixed_nulls[4] = {' ', nulls[1], ' ', nulls[4]};
		Datum		live[4] = {values[0], values[2], values[5], values[6]};
		char		live_nulls[4] = {' ', ' ', nulls[5], nulls[6]};
		char	   *column;

		nurture_execute(&lock_asset, fixed, fixed_nulls, false);
		if (SPI_processed > 0 && (column = nurture_cell_text(0, 1)) != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("asset \"%s\" exists with %s \"%s\"", asset_id, column,
							nurture_cell_text(0, 2)),
					 errhint("A new version keeps it; another %s is another asset.", column)));
		nurture_execute(&update_asset, live, live_nulls, false);
	}

	memset(nulls, ' ', sizeof(nulls));
	values[1] = CStringGetTextDatum(get_text(document, "message_class", true));
	values[2] = list_datum(channels, &nulls[2]);
	values[3] = list_datum(get_list(document, "languages", false), &nulls[3]);
	values[4] = list_datum(markets, &nulls[4]);
	values[5] = list_datum(audiences, &nulls[5]);
	values[6] = list_datum(get_list(document, "claims", false), &nulls[6]);
	values[7] = text_datum(get_text(document, "safety_block", false), &nulls[7]);
	values[8] = list_datum(get_list(document, "merge_fields", false), &nulls[8]);
	values[9] = text_datum(get_text(document, "approval_ref", false), &nulls[9]);
	values[10] = text_datum(get_text(document, "valid_from", false), &nulls[10]);
	values[11] = text_datum(get_text(document, "valid_until", false), &nulls[11]);
	values[12] = text_datum(get_text(document, "review_due", false), &nulls[12]);
	values[13] = text_datum(get_text(document, "document_hash", false), &nulls[13]);
	values[14] = text_datum(get_text(document, "uri", false), &nulls[14]);
	values[15] = CStringGetTextDatum(nurture_actor(NULL));
	nurture_execute(&add_version, values, nulls, false);
	version = DatumGetInt32(nurture_cell(0, 1, &isnull));

	values[1] = Int32GetDatum(version);
	if (tags != NIL)
	{
		values[2] = list_datum(tags, &nulls[2]);
		nurture_execute(&add_tags, values, NULL, false);
	}
	if (blocks != NULL)
	{
		values[2] = JsonbPGetDatum(blocks);
		nurture_execute(&add_blocks, values, NULL, false);
	}
	if (prerequisites != NULL)
	{
		values[1] = JsonbPGetDatum(prerequisites);
		nurture_execute(&add_prerequisite, values, NULL, false);
	}
	nurture_spi_finish(level);

	entry.kind = "asset";
	entry.object = psprintf("asset:%s:%d", asset_id, version);
	entry.outcome = "draft";
	entry.reason = get_text(document, "reason", false);
	nurture_audit_append(&entry, 1);

	result[0] = CStringGetTextDatum(asset_id);
	result[1] = Int32GetDatum(version);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc),
													  result, result_nulls)));
}
