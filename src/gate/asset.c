/*
 * asset.c
 *	  The asset version a message is to use.
 *
 * Its row is locked FOR SHARE, once per statement and version, so that a
 * withdrawal either comes first and is seen, or finds the message.  What other
 * tables say holds when it is known after the lock is ours: it is read then, or
 * was kept by this backend and no invalidation says that it has changed.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "base/plans.h"
#include "base/read.h"
#include "base/rulecache.h"
#include "catalog/pg_type.h"
#include "gate/gate_private.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/rangetypes.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"

enum
{
	VERSION_VERSION, VERSION_STATUS, VERSION_CLASS, VERSION_CHANNELS,
	VERSION_LANGUAGES, VERSION_MARKETS, VERSION_AUDIENCE_TYPES,
	VERSION_VALID_DURING, VERSION_CONTENT_HASH, VERSION_SAFETY_BLOCK
};

#define VERSION_COLUMNS { \
		[VERSION_VERSION] = {"version", INT4OID}, \
		[VERSION_STATUS] = {"status", TEXTOID}, \
		[VERSION_CLASS] = {"message_class", TEXTOID}, \
		[VERSION_CHANNELS] = {"channels", TEXTARRAYOID}, \
		[VERSION_LANGUAGES] = {"languages", TEXTARRAYOID}, \
		[VERSION_MARKETS] = {"markets", TEXTARRAYOID}, \
		[VERSION_AUDIENCE_TYPES] = {"audience_types", TEXTARRAYOID}, \
		[VERSION_VALID_DURING] = {"valid_during", TSTZRANGEOID}, \
		[VERSION_CONTENT_HASH] = {"content_hash", BYTEAOID}, \
		[VERSION_SAFETY_BLOCK] = {"safety_block", TEXTOID} \
	}

static KeptRead lock_version = {
	"asset_version", {{"asset_id", TEXTOID}, {"version", INT4OID}},
	VERSION_COLUMNS, true
};

static KeptRead read_version = {
	"asset_version", {{"asset_id", TEXTOID}, {"version", INT4OID}},
	VERSION_COLUMNS
};

static KeptRead read_versions = {
	"asset_version", {{"asset_id", TEXTOID}}, {
		[VERSION_VERSION] = {"version", INT4OID},
		[VERSION_STATUS] = {"status", TEXTOID}
	}
};

enum
{
	ASSET_FAMILY, ASSET_PURPOSE, ASSET_FORMAT
};

static KeptRead read_asset = {
	"asset", {{"asset_id", TEXTOID}}, {
		[ASSET_FAMILY] = {"family", TEXTOID},
		[ASSET_PURPOSE] = {"purpose", TEXTOID},
		[ASSET_FORMAT] = {"format", TEXTOID}
	}
};

enum
{
	TAG_DIMENSION, TAG_VALUE
};

static KeptRead read_tags = {
	"asset_tag", {{"asset_id", TEXTOID}, {"version", INT4OID}}, {
		[TAG_DIMENSION] = {"dimension", TEXTOID},
		[TAG_VALUE] = {"value", TEXTOID}
	}
};

enum
{
	BLOCK_SLOT
};

static KeptRead find_blocks = {
	"asset_block", {{"asset_id", TEXTOID}, {"version", INT4OID}}, {
		[BLOCK_SLOT] = {"slot", TEXTOID}
	}
};

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

#define PARTS_ASSET_ID	124		/* longer ones do not exist */
#define MAX_PARTS		1000	/* kept at a time */

/* What is kept of an asset, or of one version of it. */
typedef struct PartsKey
{
	char		asset_id[PARTS_ASSET_ID];
	int32		version;		/* 0 = of the asset: which one is in force */
} PartsKey;

typedef struct KnownParts
{
	PartsKey	key;
	int32		in_force;		/* of an asset */
	const char *family;
	const char *purpose;
	ArrayType  *topics;
	ArrayType  *products;
	ArrayType  *formats;
	bool		made_with;		/* blocks */
} KnownParts;

typedef struct PartsCache
{
	MemoryContext context;
	HTAB	   *parts;
} PartsCache;

static void *begin_parts(Snapshot snapshot);

static RuleCache parts_cache = {
	.name = "assets of messages",
	.tables = {"asset", "asset_version", "asset_tag", "asset_block"},
	.load = begin_parts
};

/* Makes a cache in which nothing is known yet. */
static void *
begin_parts(Snapshot snapshot)
{
	PartsCache *cache = palloc(sizeof(PartsCache));
	HASHCTL		control = {
		.keysize = sizeof(PartsKey),.entrysize = sizeof(KnownParts),
		.hcxt = CurrentMemoryContext
	};

	cache->context = CurrentMemoryContext;
	cache->parts = hash_create("nurture assets", 64, &control,
							   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	return cache;
}

/* Registers the cache. */
void
nurture_gate_asset_init(void)
{
	nurture_rulecache_register(&parts_cache);
}

/*
 * Returns the cache; NULL where what is read has to be as old as the
 * transaction's snapshot.
 */
static PartsCache *
known_parts(void)
{
	return IsolationUsesXactSnapshot() ? NULL :
		nurture_rulecache_get(&parts_cache);
}

/* Finds what is kept, or adds an entry for it; NULL when there is none. */
static KnownParts *
find_parts(PartsCache *cache, const char *asset_id, int32 version, bool add)
{
	PartsKey	key;

	if (cache == NULL || strlen(asset_id) >= sizeof(key.asset_id) ||
		(add && hash_get_num_entries(cache->parts) >= MAX_PARTS))
		return NULL;
	memset(&key, 0, sizeof(key));
	strcpy(key.asset_id, asset_id);
	key.version = version;
	return hash_search(cache->parts, &key, add ? HASH_ENTER : HASH_FIND, NULL);
}

static ArrayType *
keep_array(MemoryContext context, const ArrayType *array)
{
	return array == NULL ? NULL :
		memcpy(MemoryContextAlloc(context, VARSIZE(array)), array,
			   VARSIZE(array));
}

static char *
keep_text(MemoryContext context, const char *text)
{
	return text == NULL ? NULL : MemoryContextStrdup(context, text);
}

static ArrayType *
copy_array(const RowRead *read, int column)
{
	bool		null;
	Datum		value = nurture_read_cell(read, column, &null);

	return null ? NULL : DatumGetArrayTypePCopy(value);
}

/* Returns a bytea column as hexadecimal digits. */
static char *
copy_hex(const RowRead *read, int column)
{
	bool		null;
	Datum		value = nurture_read_cell(read, column, &null);
	bytea	   *bytes;
	char	   *hex;

	if (null)
		return NULL;
	bytes = DatumGetByteaPP(value);
	hex = palloc(VARSIZE_ANY_EXHDR(bytes) * 2 + 1);
	hex[hex_encode(VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes), hex)] = '\0';
	return hex;
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

/* Takes a snapshot that shows what this transaction has written. */
static Snapshot
new_snapshot(void)
{
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	return GetActiveSnapshot();
}

/* Returns the approved version, else the latest; 0 when there is none. */
static int32
choose_version(Datum asset_id)
{
	RowRead		read;
	int32		chosen = 0;
	bool		approved = false;

	nurture_read_open(&read, &read_versions, new_snapshot());
	nurture_read_find(&read, &asset_id);
	while (nurture_read_next(&read))
	{
		bool		null;
		int32		version = DatumGetInt32(nurture_read_cell(&read, VERSION_VERSION,
															  &null));
		bool		better = nurture_read_is(&read, VERSION_STATUS, "approved");

		if (better < approved || (better == approved && version < chosen))
			continue;
		chosen = version;
		approved = better;
	}
	nurture_read_close(&read);
	PopActiveSnapshot();
	return chosen;
}

/* Reads the version's row; tells whether there is one. */
static bool
take_version(GateAsset *asset, const Datum *key, bool lock, bool *made_with)
{
	RowRead		read;
	bool		null;

	nurture_read_open(&read, lock ? &lock_version : &read_version,
					  new_snapshot());
	nurture_read_find(&read, key);
	asset->found = nurture_read_next(&read);
	if (asset->found)
	{
		char	   *class = nurture_read_text(&read, VERSION_CLASS);

		asset->status = nurture_read_text(&read, VERSION_STATUS);
		asset->in_force = strcmp(asset->status, "approved") == 0;
		asset->class = nurture_gate_class(class);
		asset->class_name = nurture_gate_class_name(asset->class);
		asset->channels = copy_array(&read, VERSION_CHANNELS);
		asset->languages = copy_array(&read, VERSION_LANGUAGES);
		asset->markets = copy_array(&read, VERSION_MARKETS);
		asset->audience_types = copy_array(&read, VERSION_AUDIENCE_TYPES);
		read_validity(asset, nurture_read_cell(&read, VERSION_VALID_DURING,
											   &null));
		asset->content_hash = copy_hex(&read, VERSION_CONTENT_HASH);
		(void) nurture_read_cell(&read, VERSION_SAFETY_BLOCK, &null);
		*made_with = !null;
	}
	nurture_read_close(&read);
	PopActiveSnapshot();
	return asset->found;
}

/* Adds a column's word to a text[], NULL while it has none. */
static void
add_value(ArrayType **values, const RowRead *read, int column)
{
	bool		null;
	Datum		value = nurture_read_cell(read, column, &null);
	int			place;

	if (null)
		return;
	if (*values == NULL)
	{
		*values = construct_array(&value, 1, TEXTOID, -1, false, TYPALIGN_INT);
		return;
	}
	place = ARR_DIMS(*values)[0] + 1;
	*values = DatumGetArrayTypeP(array_set_element(PointerGetDatum(*values), 1,
												   &place, value, false, -1, -1,
												   false, TYPALIGN_INT));
}

/* Reads what other tables say about the version, after its lock is ours. */
static void
take_parts(GateAsset *asset, const Datum *key, bool *made_with)
{
	Snapshot	snapshot = new_snapshot();
	RowRead		read;

	nurture_read_open(&read, &read_asset, snapshot);
	nurture_read_find(&read, key);
	if (nurture_read_next(&read))
	{
		asset->family = nurture_read_text(&read, ASSET_FAMILY);
		asset->purpose = nurture_read_text(&read, ASSET_PURPOSE);
		add_value(&asset->formats, &read, ASSET_FORMAT);
	}
	nurture_read_close(&read);

	nurture_read_open(&read, &read_tags, snapshot);
	nurture_read_find(&read, key);
	while (nurture_read_next(&read))
	{
		if (nurture_read_is(&read, TAG_DIMENSION, "topic"))
			add_value(&asset->topics, &read, TAG_VALUE);
		else if (nurture_read_is(&read, TAG_DIMENSION, "product"))
			add_value(&asset->products, &read, TAG_VALUE);
		else if (nurture_read_is(&read, TAG_DIMENSION, "format"))
			add_value(&asset->formats, &read, TAG_VALUE);
	}
	nurture_read_close(&read);

	if (!*made_with)
	{
		nurture_read_open(&read, &find_blocks, snapshot);
		nurture_read_find(&read, key);
		*made_with = nurture_read_next(&read);
		nurture_read_close(&read);
	}
	PopActiveSnapshot();
}

/* Does so, or takes what is kept of it. */
static void
take_known_parts(GateAsset *asset, const Datum *key, bool *made_with)
{
	PartsCache *cache;
	KnownParts *parts;

	/* what was committed before the lock was ours has told us by now */
	AcceptInvalidationMessages();
	cache = known_parts();
	parts = find_parts(cache, asset->asset_id, asset->version, false);
	if (parts == NULL)
	{
		take_parts(asset, key, made_with);
		parts = find_parts(cache, asset->asset_id, asset->version, true);
		if (parts == NULL)
			return;
		parts->family = keep_text(cache->context, asset->family);
		parts->purpose = keep_text(cache->context, asset->purpose);
		parts->topics = keep_array(cache->context, asset->topics);
		parts->products = keep_array(cache->context, asset->products);
		parts->formats = keep_array(cache->context, asset->formats);
		parts->made_with = *made_with;
		return;
	}
	asset->family = parts->family;
	asset->purpose = parts->purpose;
	asset->topics = parts->topics;
	asset->products = parts->products;
	asset->formats = parts->formats;
	*made_with = parts->made_with;
}

/* Returns the version to use, as it is kept or read. */
static int32
known_version(const char *asset_id, Datum id)
{
	PartsCache *cache = known_parts();
	KnownParts *parts = find_parts(cache, asset_id, 0, false);
	int32		version;

	if (parts != NULL)
		return parts->in_force;
	version = choose_version(id);
	parts = version != 0 ? find_parts(cache, asset_id, 0, true) : NULL;
	if (parts != NULL)
		parts->in_force = version;
	return version;
}

/*
 * Reads an asset version into *asset, in the current memory context; version
 * 0 takes the approved one.  With lock, it stays as it is until the
 * transaction ends.  As the owner.
 */
void
nurture_gate_asset(const char *asset_id, int32 version, bool lock,
				   TimestampTz now, GateAsset *asset)
{
	Datum		key[2];
	bool		made_with = false;

	memset(asset, 0, sizeof(*asset));
	asset->asset_id = pstrdup(asset_id);
	key[0] = CStringGetTextDatum(asset_id);

	/*
	 * The version that was chosen may have been superseded while its lock was
	 * waited for: then choose once more.
	 */
	for (int try = 0; try < 2; try++)
	{
		asset->version = version != 0 ? version :
			try == 0 ? known_version(asset_id, key[0]) : choose_version(key[0]);
		key[1] = Int32GetDatum(asset->version);
		if (!take_version(asset, key, lock, &made_with) || version != 0 ||
			asset->in_force)
			break;
	}
	if (!asset->found)
		return;
	take_known_parts(asset, key, &made_with);
	asset->blocks = true;
	if (made_with)
	{
		MemoryContext context = CurrentMemoryContext;
		int			level = nurture_spi_connect_here();

		read_block_state(asset, context, key, lock, now);
		nurture_spi_finish(level);
		MemoryContextSwitchTo(context);
	}
}
