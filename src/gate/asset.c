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
#include "nodes/pg_list.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/json.h"
#include "utils/rangetypes.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"

enum
{
	VERSION_VERSION, VERSION_STATUS, VERSION_CLASS, VERSION_CHANNELS,
	VERSION_LANGUAGES, VERSION_MARKETS, VERSION_AUDIENCE_TYPES,
	VERSION_VALID_DURING, VERSION_CONTENT_HASH, VERSION_SAFETY_BLOCK,
	VERSION_CLAIMS
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
		[VERSION_SAFETY_BLOCK] = {"safety_block", TEXTOID}, \
		[VERSION_CLAIMS] = {"claims", TEXTARRAYOID} \
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
KEPT_PLAN("SELECT b.block_asset, b.slot FROM nurture.asset_block AS b"
		  " WHERE b.asset_id OPERATOR(pg_catalog.=) $1"
		  " AND b.version OPERATOR(pg_catalog.=) $2"
		  " UNION SELECT v.safety_block, 'safety_block'::pg_catalog.text"
		  " FROM nurture.asset_version AS v"
		  " WHERE v.asset_id OPERATOR(pg_catalog.=) $1"
		  " AND v.version OPERATOR(pg_catalog.=) $2"
		  " AND v.safety_block IS NOT NULL ORDER BY 1, 2", TEXTOID, INT4OID);

#define BLOCK_IN_FORCE \
	"SELECT v.version, v.content_hash, v.claims FROM nurture.asset_version AS v" \
	" WHERE v.asset_id OPERATOR(pg_catalog.=) $1" \
	" AND v.status OPERATOR(pg_catalog.=) 'approved'::pg_catalog.text" \
	" AND v.valid_during OPERATOR(pg_catalog.@>) $2"

static KeptPlan lock_block =
KEPT_PLAN(BLOCK_IN_FORCE " FOR SHARE OF v", TEXTOID, TIMESTAMPTZOID);

static KeptPlan read_block = KEPT_PLAN(BLOCK_IN_FORCE, TEXTOID, TIMESTAMPTZOID);

#define CLAIMS_IN_FORCE \
	"SELECT c.claim, c.version, c.content_hash, c.markets, c.audience_types" \
	" FROM nurture.claim AS c WHERE c.claim OPERATOR(pg_catalog.=) ANY ($1)" \
	" AND c.status OPERATOR(pg_catalog.=) 'approved'::pg_catalog.text" \
	" AND c.valid_during OPERATOR(pg_catalog.@>) $2 ORDER BY c.claim"

static KeptPlan lock_claims =
KEPT_PLAN(CLAIMS_IN_FORCE " FOR SHARE OF c", TEXTARRAYOID, TIMESTAMPTZOID);

static KeptPlan read_claims =
KEPT_PLAN(CLAIMS_IN_FORCE, TEXTARRAYOID, TIMESTAMPTZOID);

/* What a version is made with, while it is found out. */
typedef struct Parts
{
	GateAsset  *asset;
	MemoryContext context;		/* of the asset */
	bool		lock;
	TimestampTz now;
	List	   *blocks;			/* BlockPart, in the order in which they were
								 * found */
	List	   *claims;			/* codes */
} Parts;

/* A block, and where in the asset it is. */
typedef struct BlockPart
{
	char	   *block;
	char	   *slot;
	int32		version;
	char	   *hash;			/* hex */
} BlockPart;

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

static char *
hex_of(bytea *bytes)
{
	char	   *hex = palloc(VARSIZE_ANY_EXHDR(bytes) * 2 + 1);

	hex[hex_encode(VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes), hex)] = '\0';
	return hex;
}

/* Returns a bytea column as hexadecimal digits. */
static char *
copy_hex(const RowRead *read, int column)
{
	bool		null;
	Datum		value = nurture_read_cell(read, column, &null);

	return null ? NULL : hex_of(DatumGetByteaPP(value));
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

/* Returns a bytea of the last result as hexadecimal digits. */
static char *
cell_hex(uint64 row, int column)
{
	bool		null;
	Datum		value = nurture_cell(row, column, &null);

	return null ? pstrdup("") : hex_of(DatumGetByteaPP(value));
}

/* Notes the codes of claims that are not noted yet. */
static void
add_claims(Parts *parts, Datum array)
{
	Datum	   *items;
	int			n;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false,
					  TYPALIGN_INT, &items, NULL, &n);
	for (int i = 0; i < n; i++)
	{
		char	   *code = TextDatumGetCString(items[i]);
		ListCell   *cell;
		bool		known = false;

		foreach(cell, parts->claims)
			known = known || strcmp(lfirst(cell), code) == 0;
		if (!known)
			parts->claims = lappend(parts->claims, code);
	}
}

/* Notes the blocks of a version, below the slot that it has itself. */
static void
add_blocks(Parts *parts, Datum *key, const char *below)
{
	(void) nurture_execute(&read_blocks, key, NULL, false);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		char	   *block = nurture_cell_text(i, 1);
		char	   *slot = nurture_cell_text(i, 2);
		BlockPart  *part;
		ListCell   *cell;
		bool		known = false;

		if (below == NULL && strcmp(slot, "unsubscribe") == 0)
			parts->asset->unsubscribe = true;
		foreach(cell, parts->blocks)
			known = known || strcmp(((BlockPart *) lfirst(cell))->block, block) == 0;
		if (known && below != NULL)
			continue;			/* once is enough, and a circle ends here */
		part = palloc0(sizeof(BlockPart));
		part->block = block;
		part->slot = below == NULL ? slot : psprintf("%s/%s", below, slot);
		parts->blocks = lappend(parts->blocks, part);
	}
}

/*
 * Looks at a block: it must have an approved version in force now.  One that
 * was superseded while its lock was waited for is looked for once more.
 */
static bool
take_block(Parts *parts, BlockPart *part)
{
	Datum		values[2] = {CStringGetTextDatum(part->block),
	TimestampTzGetDatum(parts->now)};
	Datum		claims;
	bool		null;

	for (int try = 0; try < 2; try++)
	{
		(void) nurture_execute(parts->lock ? &lock_block : &read_block, values,
							   NULL, false);
		if (SPI_processed > 0 || !parts->lock)
			break;
	}
	if (SPI_processed == 0)
		return false;
	part->version = DatumGetInt32(nurture_cell(0, 1, &null));
	part->hash = cell_hex(0, 2);
	claims = nurture_cell(0, 3, &null);
	if (!null)
		add_claims(parts, claims);
	values[1] = Int32GetDatum(part->version);
	add_blocks(parts, values, part->slot);
	return true;
}

static ArrayType *
cell_array(uint64 row, int column, MemoryContext context)
{
	bool		null;
	Datum		value = nurture_cell(row, column, &null);
	MemoryContext old = MemoryContextSwitchTo(context);
	ArrayType  *array = DatumGetArrayTypePCopy(value);

	MemoryContextSwitchTo(old);
	return array;
}

static ArrayType *
list_array(List *list)
{
	Datum	   *items = palloc(sizeof(Datum) * Max(list_length(list), 1));
	ListCell   *cell;
	int			n = 0;

	foreach(cell, list)
		items[n++] = CStringGetTextDatum(lfirst(cell));
	return construct_array(items, n, TEXTOID, -1, false, TYPALIGN_INT);
}

/* Looks at all claims; each must have an approved version in force now. */
static void
take_claims(Parts *parts, StringInfo json)
{
	GateAsset  *asset = parts->asset;
	GateClaim  *claims = MemoryContextAlloc(parts->context,
											sizeof(GateClaim) * list_length(parts->claims));
	Datum		values[2] = {PointerGetDatum(list_array(parts->claims)),
	TimestampTzGetDatum(parts->now)};
	ListCell   *cell;
	bool		null;

	for (int try = 0; try < 2; try++)
	{
		(void) nurture_execute(parts->lock ? &lock_claims : &read_claims, values,
							   NULL, false);
		if (SPI_processed == list_length(parts->claims) || !parts->lock)
			break;
	}
	asset->claims_in_force = SPI_processed == list_length(parts->claims);
	asset->claims = claims;
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		claims[i].claim = MemoryContextStrdup(parts->context, nurture_cell_text(i, 1));
		claims[i].markets = cell_array(i, 4, parts->context);
		claims[i].audience_types = cell_array(i, 5, parts->context);
		asset->nclaims++;
		appendStringInfoString(json, i == 0 ? json->len > 0 ? ",\"claims\":{" : "\"claims\":{" : ",");
		escape_json(json, claims[i].claim);
		appendStringInfo(json, ":{\"version\":%d,\"content_hash\":\"%s\"}",
						 DatumGetInt32(nurture_cell(i, 2, &null)), cell_hex(i, 3));
	}
	if (SPI_processed > 0)
		appendStringInfoChar(json, '}');
	foreach(cell, parts->claims)
	{
		bool		found = false;

		for (int i = 0; i < asset->nclaims; i++)
			found = found || strcmp(claims[i].claim, lfirst(cell)) == 0;
		if (!found && asset->missing_claim == NULL)
			asset->missing_claim = MemoryContextStrdup(parts->context, lfirst(cell));
	}
}

/*
 * Looks at the blocks the version is made with, those of blocks too, and then
 * at all claims they make.
 */
static void
read_parts(Parts *parts, Datum *key)
{
	GateAsset  *asset = parts->asset;
	StringInfoData json;
	List	   *own = NIL;
	MemoryContext old;

	initStringInfo(&json);
	add_blocks(parts, key, NULL);
	for (int i = 0; i < list_length(parts->blocks); i++)
	{
		BlockPart  *part = list_nth(parts->blocks, i);

		if (strchr(part->slot, '/') == NULL)
			own = lappend(own, part->block);
		if (!take_block(parts, part))
		{
			asset->blocks = false;
			if (asset->missing_block == NULL)
				asset->missing_block = MemoryContextStrdup(parts->context, part->block);
			continue;
		}
		appendStringInfoString(&json, json.len == 0 ? "\"blocks\":{" : ",");
		escape_json(&json, part->slot);
		appendStringInfoString(&json, ":{\"asset_id\":");
		escape_json(&json, part->block);
		appendStringInfo(&json, ",\"version\":%d,\"content_hash\":\"%s\"}",
						 part->version, part->hash);
	}
	if (json.len > 0)
		appendStringInfoChar(&json, '}');
	if (parts->claims != NIL)
		take_claims(parts, &json);
	old = MemoryContextSwitchTo(parts->context);
	if (own != NIL)
		asset->made_with = list_array(own);
	if (json.len > 0)
		asset->parts = pstrdup(json.data);
	MemoryContextSwitchTo(old);
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
take_version(GateAsset *asset, const Datum *key, bool lock, bool *made_with,
			 ArrayType **claims)
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
		*claims = copy_array(&read, VERSION_CLAIMS);
		if (*claims != NULL && ARR_NDIM(*claims) == 0)
			*claims = NULL;
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
	ArrayType  *claims = NULL;

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
		if (!take_version(asset, key, lock, &made_with, &claims) || version != 0 ||
			asset->in_force)
			break;
	}
	if (!asset->found)
		return;
	take_known_parts(asset, key, &made_with);
	asset->blocks = true;
	asset->claims_in_force = true;
	if (made_with || claims != NULL)
	{
		MemoryContext context = CurrentMemoryContext;
		int			level = nurture_spi_connect_here();
		Parts		parts = {
			.asset = asset,.context = context,.lock = lock,.now = now
		};

		if (claims != NULL)
			add_claims(&parts, PointerGetDatum(claims));
		read_parts(&parts, key);
		nurture_spi_finish(level);
		MemoryContextSwitchTo(context);
	}
}
