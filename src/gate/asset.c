/*
 * asset.c
 *	  The asset version a message is to use.
 *
 * Its row is locked FOR SHARE, once per statement and version, so that a
 * withdrawal either comes first and is seen, or finds the message.  What other
 * tables say is read by statements of their own after the lock is ours.
 */
#include "base/compat.h"

#include "base/plans.h"
#include "catalog/pg_type.h"
#include "gate/gate_private.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/rangetypes.h"
#include "utils/typcache.h"

#define VERSION_COLUMNS \
	"SELECT v.version, v.status, v.message_class, v.channels, v.languages," \
	" v.markets, v.audience_types, v.valid_during," \
	" pg_catalog.encode(v.content_hash, 'hex'::pg_catalog.text)," \
	" v.safety_block FROM nurture.asset_version AS v"
#define VERSION_BY_KEY \
	" WHERE v.asset_id OPERATOR(pg_catalog.=) $1" \
	" AND v.version OPERATOR(pg_catalog.=) $2"

static KeptPlan lock_version =
KEPT_PLAN(VERSION_COLUMNS VERSION_BY_KEY " FOR SHARE OF v", TEXTOID, INT4OID);

static KeptPlan read_version =
KEPT_PLAN(VERSION_COLUMNS VERSION_BY_KEY, TEXTOID, INT4OID);

/* approved ones first, then the latest */
static KeptPlan choose_version =
KEPT_PLAN("SELECT v.version FROM nurture.asset_version AS v"
		  " WHERE v.asset_id OPERATOR(pg_catalog.=) $1"
		  " ORDER BY (v.status OPERATOR(pg_catalog.=) 'approved'::pg_catalog.text) DESC,"
		  " v.version DESC LIMIT 1", TEXTOID);

static KeptPlan read_asset =
KEPT_PLAN("SELECT a.family, a.purpose,"
		  " (SELECT pg_catalog.array_agg(t.value) FROM nurture.asset_tag AS t"
		  "  WHERE t.asset_id OPERATOR(pg_catalog.=) $1"
		  "  AND t.version OPERATOR(pg_catalog.=) $2"
		  "  AND t.dimension OPERATOR(pg_catalog.=) 'topic'::pg_catalog.text),"
		  " (SELECT pg_catalog.array_agg(t.value) FROM nurture.asset_tag AS t"
		  "  WHERE t.asset_id OPERATOR(pg_catalog.=) $1"
		  "  AND t.version OPERATOR(pg_catalog.=) $2"
		  "  AND t.dimension OPERATOR(pg_catalog.=) 'product'::pg_catalog.text),"
		  " ARRAY(SELECT t.value FROM nurture.asset_tag AS t"
		  "  WHERE t.asset_id OPERATOR(pg_catalog.=) $1"
		  "  AND t.version OPERATOR(pg_catalog.=) $2"
		  "  AND t.dimension OPERATOR(pg_catalog.=) 'format'::pg_catalog.text)"
		  " OPERATOR(pg_catalog.||) a.format"
		  " FROM nurture.asset AS a"
		  " WHERE a.asset_id OPERATOR(pg_catalog.=) $1", TEXTOID, INT4OID);

static KeptPlan read_blocks =
KEPT_PLAN("SELECT b.block_asset FROM nurture.asset_block AS b"
		  " WHERE b.asset_id OPERATOR(pg_catalog.=) $1"
		  " AND b.version OPERATOR(pg_catalog.=) $2"
		  " UNION SELECT v.safety_block FROM nurture.asset_version AS v"
		  " WHERE v.asset_id OPERATOR(pg_catalog.=) $1"
		  " AND v.version OPERATOR(pg_catalog.=) $2"
		  " AND v.safety_block IS NOT NULL ORDER BY 1", TEXTOID, INT4OID);

static KeptPlan lock_block =
KEPT_PLAN("SELECT v.version FROM nurture.asset_version AS v"
		  " WHERE v.asset_id OPERATOR(pg_catalog.=) $1"
		  " AND v.status OPERATOR(pg_catalog.=) 'approved'::pg_catalog.text"
		  " AND v.valid_during OPERATOR(pg_catalog.@>) $2 FOR SHARE OF v",
		  TEXTOID, TIMESTAMPTZOID);

static KeptPlan read_block =
KEPT_PLAN("SELECT v.version FROM nurture.asset_version AS v"
		  " WHERE v.asset_id OPERATOR(pg_catalog.=) $1"
		  " AND v.status OPERATOR(pg_catalog.=) 'approved'::pg_catalog.text"
		  " AND v.valid_during OPERATOR(pg_catalog.@>) $2",
		  TEXTOID, TIMESTAMPTZOID);

static char *
copy_text(MemoryContext context, int column)
{
	char	   *text = nurture_cell_text(0, column);

	return text ? MemoryContextStrdup(context, text) : NULL;
}

static ArrayType *
copy_array(MemoryContext context, int column)
{
	bool		null;
	Datum		value = nurture_cell(0, column, &null);
	MemoryContext old;
	ArrayType  *copy;

	if (null)
		return NULL;
	old = MemoryContextSwitchTo(context);
	copy = DatumGetArrayTypePCopy(value);
	MemoryContextSwitchTo(old);
	return copy;
}

/* Takes the bounds of valid_during. */
static void
read_validity(GateAsset *asset, Datum value)
{
	RangeType  *range = DatumGetRangeTypeP(value);
	RangeBound	lower;
	RangeBound	upper;
	bool		empty;

	range_deserialize(lookup_type_cache(RangeTypeGetOid(range),
										TYPECACHE_RANGE_INFO),
					  range, &lower, &upper, &empty);
	asset->valid_from = lower.infinite ? DT_NOBEGIN :
		DatumGetTimestampTz(lower.val);
	asset->from_excluded = !lower.infinite && !lower.inclusive;
	asset->valid_until = upper.infinite ? DT_NOEND :
		DatumGetTimestampTz(upper.val);
	asset->until_included = !upper.infinite && upper.inclusive;
	if (empty)
		asset->valid_until = DT_NOBEGIN;
}

/*
 * Looks at the blocks the version is made with, in order; each must have an
 * approved version in force now.
 */
static void
read_block_state(GateAsset *asset, MemoryContext context, Datum *key,
				 bool lock, TimestampTz now)
{
	SPITupleTable *blocks;
	uint64		n;

	asset->blocks = true;
	(void) nurture_execute(&read_blocks, key, NULL, false);
	blocks = SPI_tuptable;
	n = SPI_processed;
	for (uint64 i = 0; i < n && asset->blocks; i++)
	{
		bool		null;
		Datum		values[2];

		values[0] = SPI_getbinval(blocks->vals[i], blocks->tupdesc, 1, &null);
		values[1] = TimestampTzGetDatum(now);
		(void) nurture_execute(lock ? &lock_block : &read_block, values, NULL,
							   false);
		if (SPI_processed == 0)
		{
			asset->blocks = false;
			asset->missing_block =
				MemoryContextStrdup(context, TextDatumGetCString(values[0]));
		}
	}
}

/*
 * Reads an asset version into *asset, in the current memory context; version
 * 0 takes the approved one.  With lock, it stays as it is until the
 * transaction ends.  Connected to SPI, as the owner.
 */
void
nurture_gate_asset(const char *asset_id, int32 version, bool lock,
				   TimestampTz now, GateAsset *asset)
{
	MemoryContext context = CurrentMemoryContext;
	Datum		key[2];
	bool		null;
	int			level = nurture_spi_connect();

	memset(asset, 0, sizeof(*asset));
	asset->asset_id = MemoryContextStrdup(context, asset_id);
	key[0] = CStringGetTextDatum(asset_id);

	/*
	 * The version that was chosen may have been superseded while its lock was
	 * waited for: then choose once more.
	 */
	for (int try = 0; try < 2; try++)
	{
		asset->version = version;
		if (version == 0)
		{
			(void) nurture_execute(&choose_version, key, NULL, false);
			if (SPI_processed == 1)
				asset->version = DatumGetInt32(nurture_cell(0, 1, &null));
		}
		key[1] = Int32GetDatum(asset->version);
		(void) nurture_execute(lock ? &lock_version : &read_version, key, NULL,
							   false);
		if (version != 0 || SPI_processed == 0 ||
			strcmp(nurture_cell_text(0, 2), "approved") == 0)
			break;
	}
	if (SPI_processed == 1)
	{
		char	   *class = nurture_cell_text(0, 3);

		asset->found = true;
		asset->status = copy_text(context, 2);
		asset->in_force = strcmp(asset->status, "approved") == 0;
		asset->class = nurture_gate_class(class);
		asset->class_name = nurture_gate_class_name(asset->class);
		asset->channels = copy_array(context, 4);
		asset->languages = copy_array(context, 5);
		asset->markets = copy_array(context, 6);
		asset->audience_types = copy_array(context, 7);
		read_validity(asset, nurture_cell(0, 8, &null));
		asset->content_hash = copy_text(context, 9);
		(void) nurture_execute(&read_asset, key, NULL, false);
		asset->family = copy_text(context, 1);
		asset->purpose = copy_text(context, 2);
		asset->topics = copy_array(context, 3);
		asset->products = copy_array(context, 4);
		asset->formats = copy_array(context, 5);
		read_block_state(asset, context, key, lock, now);
	}
	nurture_spi_finish(level);
}
