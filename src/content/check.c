/*
 * check.c
 *	  Trigger nurture_library_check: what a row of the library names has to be
 *	  there, whoever writes the row.
 *
 * Foreign keys would say the same of some of it, but neither of the members of
 * a list nor in words that help.  Rows of a restore come as they are.
 */
#include "base/compat.h"

#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/trigger.h"
#include "catalog/pg_type.h"
#include "content/content_private.h"
#include "executor/spi.h"
#include "facts/vocabulary.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/rel.h"

NURTURE_FUNCTION(nurture_library_check);

/*
 * The first member of each list that is not known, '' for NULL.  Languages
 * may name a region, as pt-BR does.
 */
static KeptPlan unknown_among =
KEPT_PLAN("SELECT (SELECT coalesce(c, '') FROM unnest($1) c WHERE c IS DISTINCT FROM '*' AND NOT EXISTS"
		  "  (SELECT FROM nurture.country k WHERE k.country = c) LIMIT 1),"
		  " (SELECT coalesce(c, '') FROM unnest($2) c WHERE c IS DISTINCT FROM '*' AND NOT EXISTS"
		  "  (SELECT FROM nurture.audience_type k WHERE k.audience_type = c) LIMIT 1),"
		  " (SELECT coalesce(c, '') FROM unnest($3) c WHERE c IS DISTINCT FROM '*' AND (c !~ '^[a-z]{2}([-_][A-Za-z0-9]{2,8})*$'"
		  "  OR NOT EXISTS (SELECT FROM nurture.language k WHERE k.language = substr(c, 1, 2))) LIMIT 1),"
		  " (SELECT coalesce(c, '') FROM unnest($4) c WHERE NOT EXISTS"
		  "  (SELECT FROM nurture.channel k WHERE k.channel = c) LIMIT 1),"
		  " (SELECT coalesce(c, '') FROM unnest($5) c WHERE NOT EXISTS"
		  "  (SELECT FROM nurture.claim k WHERE k.claim = c) LIMIT 1)",
		  TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID);

/* What is known, for hints. */
static KeptPlan known_audiences =
KEPT_PLAN0("SELECT string_agg(audience_type, ', ' ORDER BY audience_type) FROM nurture.audience_type");
static KeptPlan known_channels =
KEPT_PLAN0("SELECT string_agg(channel, ', ' ORDER BY channel) FROM nurture.channel");
static KeptPlan known_claims =
KEPT_PLAN0("SELECT string_agg(claim, ', ' ORDER BY claim COLLATE \"C\") FROM (SELECT DISTINCT claim FROM nurture.claim ORDER BY claim LIMIT 20) c");
static KeptPlan country_named =
KEPT_PLAN("SELECT country FROM nurture.country WHERE lower(title) = lower($1) OR country = upper($1)", TEXTOID);
static KeptPlan language_named =
KEPT_PLAN("SELECT language FROM nurture.language WHERE lower(title) = lower($1) OR language = lower($1)", TEXTOID);

static KeptPlan last_version =
KEPT_PLAN("SELECT coalesce(max(version), 0) FROM nurture.asset_version WHERE asset_id = $1", TEXTOID);
static KeptPlan last_claim =
KEPT_PLAN("SELECT coalesce(max(version), 0) FROM nurture.claim WHERE claim = $1", TEXTOID);

static KeptPlan format_of =
KEPT_PLAN("SELECT format FROM nurture.asset WHERE asset_id = $1", TEXTOID);

/*
 * The way from a block back to the asset it is to be part of, over versions
 * that are in use or may come to be.
 */
static KeptPlan find_circle =
KEPT_PLAN("WITH RECURSIVE made (block, path) AS (SELECT $2, ARRAY[$1, $2]"
		  " UNION ALL SELECT b.block, m.path || b.block FROM made m JOIN ("
		  "  SELECT k.asset_id, k.version, k.block_asset FROM nurture.asset_block k"
		  "  UNION SELECT v.asset_id, v.version, v.safety_block FROM nurture.asset_version v WHERE v.safety_block IS NOT NULL"
		  " ) b (asset_id, version, block) ON b.asset_id = m.block"
		  " JOIN nurture.asset_version u ON u.asset_id = b.asset_id AND u.version = b.version"
		  " WHERE u.status IN ('draft', 'in_review', 'approved', 'suspended') AND m.block <> $1"
		  " AND (b.block = $1 OR b.block <> ALL (m.path)))"
		  " SELECT array_to_string(path, ' -> ') FROM made WHERE block = $1 LIMIT 1", TEXTOID, TEXTOID);

/* A row that is being written. */
typedef struct CheckRow
{
	const char *table;
	HeapTuple	tuple;
	TupleDesc	desc;
} CheckRow;

static char *
text_of(const CheckRow *row, const char *column)
{
	return SPI_getvalue(row->tuple, row->desc, SPI_fnumber(row->desc, column));
}

/* Takes a list of the row as a parameter; an empty one is an error. */
static void
take_list(const CheckRow *row, const char *column, const char *words,
		  Datum *value, char *null)
{
	bool		isnull;

	*value = SPI_getbinval(row->tuple, row->desc, SPI_fnumber(row->desc, column), &isnull);
	*null = isnull ? 'n' : ' ';
	if (!isnull && words != NULL &&
		ArrayGetNItems(ARR_NDIM(DatumGetArrayTypeP(*value)), ARR_DIMS(DatumGetArrayTypeP(*value))) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("column \"%s\" of \"nurture.%s\" is empty", column, row->table),
				 errhint("Name at least one %s%s.", words,
						 strcmp(column, "channels") == 0 ? "" : "; \"*\" stands for all")));
}

/* Returns the only cell of a query about one word, NULL when there is none. */
static char *
ask_word(KeptPlan *plan, const char *word)
{
	Datum		value = word ? CStringGetTextDatum(word) : (Datum) 0;

	(void) nurture_execute(plan, word ? &value : NULL, NULL, false);
	return SPI_processed > 0 ? nurture_cell_text(0, 1) : NULL;
}

static void
refuse_market(const char *market)
{
	char	   *meant = ask_word(&country_named, market);

	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("market \"%s\" is no country code", nurture_clipped(market)),
			 meant ? errhint("Its code is %s.", meant) :
			 errhint("Write ISO 3166-1 alpha-2 codes in capitals, such as DE, or \"*\" for every market; nurture.country has them.")));
}

static void
refuse_language(const char *language)
{
	char	   *meant = ask_word(&language_named, language);

	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("\"%s\" is no language code", nurture_clipped(language)),
			 meant ? errhint("Its code is %s.", meant) :
			 errhint("Write ISO 639-1 codes, such as fr, with a region where it matters, such as pt-BR, or \"*\" for every language; nurture.language has them.")));
}

static void
refuse_code(const char *what, const char *code, KeptPlan *known, const char *more)
{
	char	   *there = ask_word(known, NULL);

	ereport(ERROR,
			(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
			 errmsg("unknown %s \"%s\"", what, nurture_clipped(code)),
			 there ? errhint("Known ones are %s%s.", there, more) :
			 errhint("There is none yet; add it first.")));
}

/* Raises when a member of the row's lists is not known. */
static void
check_lists(const CheckRow *row)
{
	bool		version = strcmp(row->table, "asset_version") == 0;
	Datum		values[5] = {0};
	char		nulls[6] = "nnnnn";
	char	   *unknown;

	take_list(row, "markets", "market", &values[0], &nulls[0]);
	take_list(row, "audience_types", "audience type", &values[1], &nulls[1]);
	if (version)
	{
		take_list(row, "languages", "language", &values[2], &nulls[2]);
		take_list(row, "channels", "channel", &values[3], &nulls[3]);
		take_list(row, "claims", NULL, &values[4], &nulls[4]);
	}
	(void) nurture_execute(&unknown_among, values, nulls, false);
	for (int i = 1; i <= 5; i++)
	{
		if ((unknown = nurture_cell_text(0, i)) == NULL)
			continue;
		switch (i)
		{
			case 1:
				refuse_market(unknown);
				break;
			case 2:
				refuse_code("audience type", unknown, &known_audiences, "; \"*\" stands for all");
				break;
			case 3:
				refuse_language(unknown);
				break;
			case 4:
				refuse_code("channel", unknown, &known_channels, "");
				break;
			case 5:
				refuse_code("claim", unknown, &known_claims, "; a new one is a row of nurture.claim");
				break;
		}
	}
}

/* Raises when the market or audience type of a policy is not known. */
static void
check_policy(const CheckRow *row)
{
	static const char *const columns[] = {"market", "audience_type"};
	Datum		values[5] = {0};
	char		nulls[6] = "nnnnn";
	char	   *unknown;

	for (int i = 0; i < lengthof(columns); i++)
	{
		char	   *word = text_of(row, columns[i]);
		Datum		item;

		if (word == NULL)
			continue;
		item = CStringGetTextDatum(word);
		nulls[i] = ' ';
		values[i] = PointerGetDatum(construct_array(&item, 1, TEXTOID, -1, false, TYPALIGN_INT));
	}
	(void) nurture_execute(&unknown_among, values, nulls, false);
	if ((unknown = nurture_cell_text(0, 1)) != NULL)
		refuse_market(unknown);
	if ((unknown = nurture_cell_text(0, 2)) != NULL)
		refuse_code("audience type", unknown, &known_audiences, "; \"*\" stands for all");
}

/* Raises when a new version does not follow the last one. */
static void
check_follows(const CheckRow *row)
{
	bool		asset = strcmp(row->table, "asset_version") == 0;
	char	   *code = SPI_getvalue(row->tuple, row->desc, 1);
	bool		isnull;
	int32		version = DatumGetInt32(SPI_getbinval(row->tuple, row->desc, SPI_fnumber(row->desc, "version"), &isnull));
	int32		last;
	Datum		value;

	if (code == NULL || isnull)
		return;					/* NOT NULL says it better */
	value = CStringGetTextDatum(code);
	(void) nurture_execute(asset ? &last_version : &last_claim, &value, NULL, false);
	last = DatumGetInt32(nurture_cell(0, 1, &isnull));
	if (version > last + 1)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BAD_STATE),
				 errmsg("version %d of %s \"%s\" would leave a gap after version %d",
						version, asset ? "asset" : "claim", nurture_clipped(code), last),
				 errhint("The next one is version %d%s.", last + 1,
						 asset ? "; nurture_add_asset finds it by itself" : "")));
}

/* Raises when an asset cannot be a block of another. */
static void
check_block(const char *asset_id, const char *slot, const char *block)
{
	bool		page = slot != NULL && strcmp(slot, "landing_page") == 0;
	const char *wanted = page ? "landing_page" : "block";
	char	   *format;
	char	   *path;
	Datum		values[2];

	if (asset_id == NULL || block == NULL)
		return;
	format = ask_word(&format_of, block);
	if (format == NULL)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("there is no asset \"%s\" to be a %s", nurture_clipped(block), wanted),
				 errhint("Add it first, with format %s.", wanted)));
	if (strcmp(asset_id, block) != 0 && strcmp(format, wanted) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("asset \"%s\" has format \"%s\" and cannot be a %s of another", block, format, wanted),
				 errhint("Reusable text is an asset of format block; slot landing_page takes one of format landing_page.")));
	values[0] = CStringGetTextDatum(asset_id);
	values[1] = CStringGetTextDatum(block);
	path = NULL;
	(void) nurture_execute(&find_circle, values, NULL, false);
	if (SPI_processed > 0)
		path = nurture_cell_text(0, 1);
	if (path != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("blocks would go in a circle: %s", path),
				 errhint("Take one of them out of a draft of the other.")));
}

static void
check_tag(const CheckRow *row)
{
	char	   *dimension = text_of(row, "dimension");
	char	   *value = text_of(row, "value");
	char	   *tag;

	if (dimension == NULL || value == NULL)
		return;
	tag = psprintf("%s:%s", dimension, value);
	if (nurture_tag_id(tag, strlen(tag)) < 0)
		nurture_unknown_code(COND_NAME_TAG, "tag", tag);
}

/*
 * Trigger on asset_version, claim, content_policy, asset_tag and asset_block:
 * names what is not known, or cannot be.
 */
Datum
nurture_library_check(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_library_check");
	HeapTuple	result = TRIGGER_FIRED_BY_UPDATE(data->tg_event) ?
	data->tg_newtuple : data->tg_trigtuple;
	CheckRow	row = {
		.table = RelationGetRelationName(data->tg_relation),
		.tuple = result,.desc = RelationGetDescr(data->tg_relation)
	};
	OwnerSwitch save;
	int			level;

	if (nurture_versions_writing() || !nurture_deriving())
		return PointerGetDatum(result);
	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	if (strcmp(row.table, "asset_tag") == 0)
		check_tag(&row);
	else if (strcmp(row.table, "asset_block") == 0)
		check_block(text_of(&row, "asset_id"), text_of(&row, "slot"), text_of(&row, "block_asset"));
	else if (strcmp(row.table, "content_policy") == 0)
	{
		check_policy(&row);
		check_block("", NULL, text_of(&row, "safety_block"));
		check_block("", NULL, text_of(&row, "disclaimer"));
	}
	else
	{
		check_lists(&row);
		if (TRIGGER_FIRED_BY_INSERT(data->tg_event))
			check_follows(&row);
		if (strcmp(row.table, "asset_version") == 0)
			check_block(text_of(&row, "asset_id"), NULL, text_of(&row, "safety_block"));
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	return PointerGetDatum(result);
}
