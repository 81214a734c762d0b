/*
 * event_annotate.c
 *	  Writes the tags of an event's asset version into the event, so that
 *	  later re-tagging changes no history.
 *
 * Only annotates: an event about an asset nobody knows is stored as it comes.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "base/clock.h"
#include "base/plans.h"
#include "base/rulecache.h"
#include "base/trigger.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "port/pg_bitutils.h"
#include "scoring/event_row.h"
#include "scoring/signal_match.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_event_annotate);

typedef struct AssetVersion
{
	char	   *asset_id;
	uint32		len;
	uint32		hash;
	int32		version;
	bool		approved;
	TimestampTz from;			/* in force from, including */
	TimestampTz until;			/* to, excluding */
	int			ntags;
	Datum	   *tags;			/* texts "dimension:value" */
	struct AssetVersion *next;	/* of the same asset, newest first */
} AssetVersion;

typedef struct AssetTags
{
	uint32		mask;
	AssetVersion **slots;		/* newest version of an asset */
} AssetTags;

static void *load_assets(Snapshot snapshot);

static RuleCache assets_cache = {
	.name = "asset tags",
	.tables = {"asset_version", "asset_tag"},
	.load = load_assets,
};

static KeptPlan read_versions = KEPT_PLAN0(
										   "SELECT v.asset_id, v.version, v.status = 'approved',"
										   " CASE WHEN lower_inf(v.valid_during) THEN '-infinity' ELSE lower(v.valid_during) END,"
										   " CASE WHEN upper_inf(v.valid_during) THEN 'infinity' ELSE upper(v.valid_during) END,"
										   " ARRAY(SELECT t.dimension || ':' || t.value FROM nurture.asset_tag t"
										   " WHERE t.asset_id = v.asset_id AND t.version = v.version"
										   " ORDER BY t.dimension, t.value)"
										   " FROM nurture.asset_version v ORDER BY v.asset_id, v.version");

/* Registers the cache. */
void
nurture_event_annotate_init(void)
{
	nurture_rulecache_register(&assets_cache);
}

static uint32
find_slot(const AssetTags *assets, const char *asset_id, uint32 len,
		  uint32 hash)
{
	uint32		i = hash & assets->mask;

	while (assets->slots[i] != NULL &&
		   (assets->slots[i]->hash != hash || assets->slots[i]->len != len ||
			memcmp(assets->slots[i]->asset_id, asset_id, len) != 0))
		i = (i + 1) & assets->mask;
	return i;
}

static void *
load_assets(Snapshot snapshot)
{
	AssetTags  *assets = palloc0(sizeof(AssetTags));
	SPITupleTable *rows;
	uint64		n;
	bool		isnull;

	(void) nurture_execute_snapshot(&read_versions, NULL, NULL, snapshot);
	rows = SPI_tuptable;
	n = SPI_processed;
	assets->mask = pg_nextpower2_32(Max(n * 2, 8)) - 1;
	assets->slots = MemoryContextAllocExtended(CurrentMemoryContext,
											   (assets->mask + (size_t) 1) * sizeof(AssetVersion *),
											   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (uint64 i = 0; i < n; i++)
	{
		AssetVersion *version = palloc0(sizeof(AssetVersion));
		ArrayType  *tags;
		bool	   *nulls;
		uint32		slot;

		version->asset_id = nurture_cell_text(i, 1);
		version->len = strlen(version->asset_id);
		version->hash = hash_bytes((unsigned char *) version->asset_id,
								   version->len);
		version->version = DatumGetInt32(nurture_cell(i, 2, &isnull));
		version->approved = DatumGetBool(nurture_cell(i, 3, &isnull));
		version->from = DatumGetTimestampTz(nurture_cell(i, 4, &isnull));
		version->until = DatumGetTimestampTz(nurture_cell(i, 5, &isnull));
		tags = DatumGetArrayTypePCopy(nurture_cell(i, 6, &isnull));
		deconstruct_array(tags, TEXTOID, -1, false, TYPALIGN_INT,
						  &version->tags, &nulls, &version->ntags);
		slot = find_slot(assets, version->asset_id, version->len,
						 version->hash);
		version->next = assets->slots[slot];
		assets->slots[slot] = version;
	}
	SPI_freetuptable(rows);
	return assets;
}

/* Returns the version an event is about, NULL when it is not known. */
static AssetVersion *
find_version(const AssetTags *assets, text *asset_id, int32 number,
			 TimestampTz at)
{
	uint32		len = VARSIZE_ANY_EXHDR(asset_id);
	uint32		hash = hash_bytes((unsigned char *) VARDATA_ANY(asset_id), len);
	AssetVersion *version;

	version = assets->slots[find_slot(assets, VARDATA_ANY(asset_id), len, hash)];
	for (; version != NULL; version = version->next)
	{
		if (number > 0 ? version->version == number :
			version->approved && version->from <= at && at < version->until)
			return version;
	}
	return NULL;
}

static bool
same_text(Datum a, Datum b)
{
	return VARSIZE_ANY_EXHDR(DatumGetPointer(a)) == VARSIZE_ANY_EXHDR(DatumGetPointer(b)) &&
		memcmp(VARDATA_ANY(DatumGetPointer(a)), VARDATA_ANY(DatumGetPointer(b)),
			   VARSIZE_ANY_EXHDR(DatumGetPointer(a))) == 0;
}

/* Returns the event's own tags and behind them the asset's that it lacks. */
static Datum
joined_tags(Datum own, bool own_null, const AssetVersion *version)
{
	Datum	   *tags;
	bool	   *nulls;
	Datum	   *all;
	int			nown = 0;
	int			n;

	if (!own_null)
		deconstruct_array(DatumGetArrayTypeP(own), TEXTOID, -1, false,
						  TYPALIGN_INT, &tags, &nulls, &nown);
	all = palloc((nown + version->ntags) * sizeof(Datum));
	n = 0;
	for (int i = 0; i < nown; i++)
	{
		if (!nulls[i])
			all[n++] = tags[i];
	}
	nown = n;
	for (int j = 0; j < version->ntags; j++)
	{
		int			i = 0;

		while (i < nown && !same_text(all[i], version->tags[j]))
			i++;
		if (i == nown)
			all[n++] = version->tags[j];
	}
	return PointerGetDatum(construct_array(all, n, TEXTOID, -1, false,
										   TYPALIGN_INT));
}

/* Finds a column; place is where nurture.event has it as installed. */
static int
column_number(TupleDesc desc, EventColumn place, const char *name)
{
	if (place < desc->natts && !TupleDescAttr(desc, place)->attisdropped &&
		strcmp(NameStr(TupleDescAttr(desc, place)->attname), name) == 0)
		return place + 1;
	return SPI_fnumber(desc, name);
}

/*
 * nurture_event_annotate() returns trigger
 *
 * Before each row with an asset.  A row without version gets the one that is
 * approved and in force.
 */
Datum
nurture_event_annotate(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_event_annotate");
	TupleDesc	desc;
	HeapTuple	row;
	int			asset_column;
	int			version_column;
	int			tags_column;
	Datum		asset_id;
	Datum		number;
	Datum		tags;
	AssetVersion *version;
	int			columns[2];
	Datum		values[2];
	bool		nulls[2] = {false, false};
	bool		isnull;
	bool		number_null;
	bool		tags_null;
	int			n = 0;

	if (!TRIGGER_FIRED_BEFORE(data->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(data->tg_event) ||
		!TRIGGER_FIRED_BY_INSERT(data->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be fired BEFORE INSERT, FOR EACH ROW",
						"nurture_event_annotate")));
	row = data->tg_trigtuple;
	if (!nurture_deriving())
		return PointerGetDatum(row);
	desc = RelationGetDescr(data->tg_relation);
	/* nurture.account_event has these as well, at other places */
	asset_column = column_number(desc, EVENT_ASSET_ID, "asset_id");
	version_column = column_number(desc, EVENT_VERSION, "version");
	tags_column = column_number(desc, EVENT_TAGS, "tags");
	if (asset_column <= 0 || version_column <= 0 || tags_column <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("asset_id, version or tags of table \"%s\" does not exist",
						RelationGetRelationName(data->tg_relation))));
	asset_id = heap_getattr(row, asset_column, desc, &isnull);
	if (isnull)
		return PointerGetDatum(row);
	number = heap_getattr(row, version_column, desc, &number_null);
	version = find_version(nurture_rulecache_get(&assets_cache),
						   DatumGetTextPP(asset_id),
						   number_null ? 0 : DatumGetInt32(number),
						   nurture_now_statement());
	if (version == NULL)
		return PointerGetDatum(row);
	if (number_null)
	{
		columns[n] = version_column;
		values[n++] = Int32GetDatum(version->version);
	}
	if (version->ntags > 0)
	{
		tags = heap_getattr(row, tags_column, desc, &tags_null);
		columns[n] = tags_column;
		values[n++] = joined_tags(tags, tags_null, version);
	}
	if (n > 0)
		row = heap_modify_tuple_by_cols(row, desc, n, columns, values, nulls);
	return PointerGetDatum(row);
}
