/*
 * signal_match.c
 *	  Which signals and topics an event counts for.
 */
#include "base/compat.h"

#include "access/tupmacs.h"
#include "access/xact.h"
#include "base/plans.h"
#include "base/rulecache.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "port/pg_bitutils.h"
#include "scoring/signal_match.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

/* A code or tag that is looked up; first field of what it leads to. */
typedef struct MatchCode
{
	const char *text;
	uint32		len;
	uint32		hash;
} MatchCode;

typedef struct CodeTable
{
	uint32		mask;			/* number of slots - 1, a power of two */
	MatchCode **slots;
} CodeTable;

typedef struct MatchTag
{
	MatchCode	code;			/* "dimension:value" */
	int			index;			/* place in EventMatch.marks */
	int			tag_id;			/* 0 = not in the vocabulary */
	bool		sensitive;		/* itself or a tag above it */
	struct MatchTag *parent;
} MatchTag;

typedef struct MatchSignal
{
	int16		signal_id;
	bool		counted;		/* nothing sensitive about it */
	bool		guarded;		/* its predicate may raise errors */
	int			ntags;
	MatchTag  **tags;			/* all of these */
	Datum		condition;		/* jsonpath, 0 = none */
	TimestampTz retired_at;		/* DT_NOEND = not */
} MatchSignal;

struct MatchType
{
	MatchCode	code;
	bool		sensitive;
	bool		has_condition;	/* some signal has one */
	int			nsignals;
	MatchSignal *signals;
};

struct MatchRules
{
	CodeTable	types;
	CodeTable	tags;
	int			ntags;
};

static void *load_rules(Snapshot snapshot);

static RuleCache rules_cache = {
	.name = "signals",
	.tables = {"event_type", "signal", "tag"},
	.load = load_rules,
};

static KeptPlan read_types = KEPT_PLAN0(
										"SELECT event_type, sensitive FROM nurture.event_type");
static KeptPlan read_tags = KEPT_PLAN0(
									   "SELECT dimension || ':' || value, tag_id, sensitive,"
									   " dimension || ':' || parent FROM nurture.tag");
static KeptPlan read_signals = KEPT_PLAN0(
										  "SELECT event_type, signal_id, tags, condition, retired_at,"
										  " coalesce(condition::text ~ '(date|time)', false)"
										  " FROM nurture.signal ORDER BY event_type, signal_id");

/* Registers the cache. */
void
nurture_signal_match_init(void)
{
	nurture_rulecache_register(&rules_cache);
}

/* Returns the rules in force, good until the end of the transaction. */
const MatchRules *
nurture_match_rules(void)
{
	return nurture_rulecache_get(&rules_cache);
}

static void
table_create(CodeTable *table, uint64 items)
{
	uint32		slots = pg_nextpower2_32(Max(items * 2, 8));

	table->mask = slots - 1;
	table->slots = MemoryContextAllocExtended(CurrentMemoryContext,
											  slots * sizeof(MatchCode *),
											  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

static inline uint32
hash_code(const char *text, size_t len)
{
	return hash_bytes((const unsigned char *) text, (int) len);
}

static void *
table_find(const CodeTable *table, const char *text, size_t len)
{
	uint32		hash = hash_code(text, len);

	for (uint32 i = hash & table->mask; table->slots[i]; i = (i + 1) & table->mask)
	{
		MatchCode  *code = table->slots[i];

		if (code->hash == hash && code->len == len &&
			memcmp(code->text, text, len) == 0)
			return code;
	}
	return NULL;
}

static void
table_insert(CodeTable *table, MatchCode *code, char *text)
{
	uint32		i;

	code->text = text;

	code->len = strlen(text);
	code->hash = hash_code(text, code->len);
	i = code->hash & table->mask;
	while (table->slots[i] != NULL)
		i = (i + 1) & table->mask;
	table->slots[i] = code;
}

static void
load_types(MatchRules *rules, Snapshot snapshot)
{
	bool		isnull;

	(void) nurture_execute_snapshot(&read_types, NULL, NULL, snapshot);
	table_create(&rules->types, SPI_processed);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		MatchType  *type = palloc0(sizeof(MatchType));

		type->sensitive = DatumGetBool(nurture_cell(i, 2, &isnull));
		table_insert(&rules->types, &type->code, nurture_cell_text(i, 1));
	}
	SPI_freetuptable(SPI_tuptable);
}

/* The table of tags has room for extra ones that only signals name. */
static void
load_tags(MatchRules *rules, Snapshot snapshot, uint64 extra)
{
	MatchTag   *tags;
	uint64		n;
	bool		isnull;

	(void) nurture_execute_snapshot(&read_tags, NULL, NULL, snapshot);
	n = SPI_processed;
	table_create(&rules->tags, n + extra);
	tags = palloc0(Max(n, 1) * sizeof(MatchTag));
	rules->ntags = (int) n;
	for (uint64 i = 0; i < n; i++)
	{
		tags[i].index = (int) i;
		tags[i].tag_id = DatumGetInt32(nurture_cell(i, 2, &isnull));
		tags[i].sensitive = DatumGetBool(nurture_cell(i, 3, &isnull));
		table_insert(&rules->tags, &tags[i].code, nurture_cell_text(i, 1));
	}
	for (uint64 i = 0; i < n; i++)
	{
		char	   *parent = nurture_cell_text(i, 4);

		if (parent != NULL)
			tags[i].parent = table_find(&rules->tags, parent, strlen(parent));
	}
	SPI_freetuptable(SPI_tuptable);

	/* the tree may hold a circle; no walk is longer than the number of tags */
	for (uint64 i = 0; i < n; i++)
	{
		MatchTag   *above = tags[i].parent;

		for (uint64 steps = 0; above != NULL; above = above->parent)
		{
			if (above->sensitive)
				tags[i].sensitive = true;
			if (above == &tags[i] || ++steps > n)
			{
				tags[i].parent = NULL;
				break;
			}
		}
	}
}

/* Returns a tag that a signal names; one outside the vocabulary is made. */
static MatchTag *
named_tag(MatchRules *rules, char *text)
{
	MatchTag   *tag = table_find(&rules->tags, text, strlen(text));

	if (tag == NULL)
	{
		tag = palloc0(sizeof(MatchTag));
		tag->index = rules->ntags++;
		table_insert(&rules->tags, &tag->code, text);
	}
	return tag;
}

static void
load_signals(MatchRules *rules, Snapshot snapshot)
{
	uint64		nsignals;
	uint64		nnamed = 0;
	SPITupleTable *rows;
	bool		isnull;

	(void) nurture_execute_snapshot(&read_signals, NULL, NULL, snapshot);
	rows = SPI_tuptable;
	nsignals = SPI_processed;
	for (uint64 i = 0; i < nsignals; i++)
	{
		Datum		tags = SPI_getbinval(rows->vals[i], rows->tupdesc, 3, &isnull);

		nnamed += ArrayGetNItems(ARR_NDIM(DatumGetArrayTypeP(tags)),
								 ARR_DIMS(DatumGetArrayTypeP(tags)));
	}
	load_tags(rules, snapshot, nnamed);

	for (uint64 i = 0; i < nsignals; i++)
	{
		char	   *code = SPI_getvalue(rows->vals[i], rows->tupdesc, 1);
		MatchType  *type = table_find(&rules->types, code, strlen(code));
		MatchSignal *signal;
		Datum	   *tags;
		bool	   *nulls;
		int			ntags;
		Datum		value;

		if (type == NULL)
			continue;			/* the foreign key does not allow it */
		if (type->signals == NULL)
		{
			uint64		n = 1;

			while (i + n < nsignals &&
				   strcmp(SPI_getvalue(rows->vals[i + n], rows->tupdesc, 1), code) == 0)
				n++;
			type->signals = palloc0(n * sizeof(MatchSignal));
		}
		signal = &type->signals[type->nsignals++];
		signal->signal_id = DatumGetInt16(SPI_getbinval(rows->vals[i], rows->tupdesc, 2, &isnull));
		signal->counted = !type->sensitive;

		value = SPI_getbinval(rows->vals[i], rows->tupdesc, 3, &isnull);
		deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false,
						  TYPALIGN_INT, &tags, &nulls, &ntags);
		signal->tags = palloc(Max(ntags, 1) * sizeof(MatchTag *));
		for (int j = 0; j < ntags; j++)
		{
			MatchTag   *tag;

			if (nulls[j])
				continue;
			tag = named_tag(rules, TextDatumGetCString(tags[j]));
			signal->tags[signal->ntags++] = tag;
			if (tag->sensitive)
				signal->counted = false;
		}

		value = SPI_getbinval(rows->vals[i], rows->tupdesc, 4, &isnull);
		if (!isnull)
		{
			signal->condition = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
			type->has_condition = true;
		}
		value = SPI_getbinval(rows->vals[i], rows->tupdesc, 5, &isnull);
		signal->retired_at = isnull ? DT_NOEND : DatumGetTimestampTz(value);
		signal->guarded = DatumGetBool(SPI_getbinval(rows->vals[i], rows->tupdesc, 6, &isnull));
	}
	SPI_freetuptable(rows);
}

static void *
load_rules(Snapshot snapshot)
{
	MatchRules *rules = palloc0(sizeof(MatchRules));

	load_types(rules, snapshot);
	load_signals(rules, snapshot);
	return rules;
}

/* Makes the buffers that matching with these rules fills. */
EventMatch *
nurture_match_create(const MatchRules *rules)
{
	EventMatch *match = palloc0(sizeof(EventMatch));

	match->signal_room = 16;
	match->signals = palloc(match->signal_room * sizeof(int16));
	match->topic_room = 16;
	match->topics = palloc(match->topic_room * sizeof(uint16));
	match->guarded_room = 4;
	match->guarded = palloc(match->guarded_room * sizeof(uint16));
	match->ntags = rules->ntags;
	match->marks = palloc0(Max(rules->ntags, 1) * 2 * sizeof(uint32));
	return match;
}

/* Returns an event type, NULL when it is not known. */
const MatchType *
nurture_match_type(const MatchRules *rules, const char *code, size_t len)
{
	return table_find(&rules->types, code, len);
}

/* Returns the code of an event type. */
const char *
nurture_match_type_code(const MatchType *type)
{
	return type->code.text;
}

/* Tells whether matching events of this type looks at their properties. */
bool
nurture_match_reads_properties(const MatchType *type)
{
	return type->has_condition;
}

static void
put_signal(EventMatch *match, int16 signal_id)
{
	if (match->nsignals == match->signal_room)
	{
		match->signal_room *= 2;
		match->signals = repalloc(match->signals,
								  match->signal_room * sizeof(int16));
	}
	match->signals[match->nsignals++] = signal_id;
}

static void
put_topic(uint16 **topics, int *n, int *room, uint16 tag_id)
{
	if (*n == *room)
	{
		*room *= 2;
		*topics = repalloc(*topics, *room * sizeof(uint16));
	}
	(*topics)[(*n)++] = tag_id;
}

/* Marks the tags an event carries and those above them, and lists topics. */
static void
mark_tags(const MatchRules *rules, Datum tags, bool sensitive,
		  EventMatch *match)
{
	ArrayType  *array = DatumGetArrayTypeP(tags);
	int			n = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	bits8	   *nulls = ARR_NULLBITMAP(array);
	char	   *at = ARR_DATA_PTR(array);
	uint32	   *carried = match->marks; /* tags of the event itself */
	uint32	   *covered = match->marks + match->ntags;	/* and above */

	if (ARR_ELEMTYPE(array) != TEXTOID)
		elog(ERROR, "tags of an event are not of type text[]");
	for (int i = 0; i < n; i++)
	{
		MatchTag   *tag;

		if (nulls != NULL && (nulls[i / 8] & (1 << (i % 8))) == 0)
			continue;
		tag = table_find(&rules->tags, VARDATA_ANY(at), VARSIZE_ANY_EXHDR(at));
		at = (char *) att_align_nominal(at + VARSIZE_ANY(at), TYPALIGN_INT);
		if (tag == NULL || carried[tag->index] == match->serial)
			continue;
		carried[tag->index] = match->serial;
		if (tag->tag_id > 0 && (sensitive || tag->sensitive))
			put_topic(&match->guarded, &match->nguarded, &match->guarded_room,
					  (uint16) tag->tag_id);
		else if (tag->tag_id > 0)
			put_topic(&match->topics, &match->ntopics, &match->topic_room,
					  (uint16) tag->tag_id);
		for (; tag != NULL && covered[tag->index] != match->serial; tag = tag->parent)
			covered[tag->index] = match->serial;
	}
}

/* Evaluates a predicate: anything but true is no match. */
static bool
predicate_holds(Datum condition, Datum properties)
{
	LOCAL_FCINFO(call, 2);
	Datum		result;

	InitFunctionCallInfoData(*call, NULL, 2, InvalidOid, NULL, NULL);
	call->args[0].value = properties;
	call->args[0].isnull = false;
	call->args[1].value = condition;
	call->args[1].isnull = false;
	result = jsonb_path_match(call);	/* silent when called with two */
	return !call->isnull && DatumGetBool(result);
}

/*
 * The same for a predicate on dates and times, some comparisons of which
 * raise an error however silent the call is.
 */
static bool
predicate_holds_guarded(Datum condition, Datum properties)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool holds = false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		holds = predicate_holds(condition, properties);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_DATA_EXCEPTION &&
			ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_FEATURE_NOT_SUPPORTED)
			PG_RE_THROW();
		FlushErrorState();
		FreeErrorData(error);
		RollbackAndReleaseCurrentSubTransaction();
		holds = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return holds;
}

static bool
signal_matches(const MatchSignal *signal, const EventMatch *match,
			   Datum properties, bool properties_null, TimestampTz occurred_at)
{
	const uint32 *covered = match->marks + match->ntags;

	if (occurred_at >= signal->retired_at)
		return false;
	for (int i = 0; i < signal->ntags; i++)
	{
		if (covered[signal->tags[i]->index] != match->serial)
			return false;
	}
	if (signal->condition == (Datum) 0)
		return true;
	if (properties_null)
		return false;
	return signal->guarded ?
		predicate_holds_guarded(signal->condition, properties) :
		predicate_holds(signal->condition, properties);
}

/*
 * Fills match with what an event counts for.  Allocates in the current memory
 * context, which the caller resets now and then; match must not live there.
 */
void
nurture_match_event(const MatchRules *rules, const MatchType *type,
					Datum tags, bool tags_null,
					Datum properties, bool properties_null,
					TimestampTz occurred_at, EventMatch *match)
{
	nurture_match_nothing(match);
	match->serial++;
	if (!tags_null)
		mark_tags(rules, tags, type->sensitive, match);
	if (type->has_condition && !properties_null)
		properties = PointerGetDatum(PG_DETOAST_DATUM(properties));

	/* those that count go first */
	for (int pass = 0; pass < 2; pass++)
	{
		for (int i = 0; i < type->nsignals; i++)
		{
			const MatchSignal *signal = &type->signals[i];

			if (signal->counted == (pass == 0) &&
				signal_matches(signal, match, properties, properties_null,
							   occurred_at))
				put_signal(match, signal->signal_id);
		}
		if (pass == 0)
			match->ncounted = match->nsignals;
	}
}
