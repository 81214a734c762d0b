/*
 * choose_lead.c
 *	  What the choice of an asset reads of its lead: what it engaged with, and
 *	  which families of assets it had.
 *
 * Both are read once for a choice, and only when a candidate gets that far.
 */
#include "base/compat.h"

#include "access/table.h"
#include "access/xact.h"
#include "base/owner.h"
#include "base/part.h"
#include "base/plans.h"
#include "base/read.h"
#include "catalog/pg_type.h"
#include "content/choose_private.h"
#include "facts/event_past.h"
#include "facts/vocabulary.h"
#include "gate/gate.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

enum
{
	MESSAGE_FAMILY, MESSAGE_STATUS, MESSAGE_SENT_AT, MESSAGE_NOT_BEFORE,
	MESSAGE_DECIDED_AT
};

static KeptRead read_message = {
	"message", {{"lead_id", INT8OID}}, {
		[MESSAGE_FAMILY] = {"family", TEXTOID},
		[MESSAGE_STATUS] = {"status", TEXTOID},
		[MESSAGE_SENT_AT] = {"sent_at", TIMESTAMPTZOID},
		[MESSAGE_NOT_BEFORE] = {"not_before", TIMESTAMPTZOID},
		[MESSAGE_DECIDED_AT] = {"decided_at", TIMESTAMPTZOID}
	}
};

enum
{
	GATE_ABSORBS
};

static KeptRead read_gate = {
	"gate", {{"lead_id", INT8OID}}, {[GATE_ABSORBS] = {"absorbs", BOOLOID}}
};

enum
{
	EVENT_TYPE, EVENT_TAGS, EVENT_ASSET_ID, EVENT_OCCURRED_AT
};

/* one partition's events of a lead */
static KeptRead read_event = {
	"event", {{"lead_id", INT8OID}}, {
		[EVENT_TYPE] = {"event_type", TEXTOID},
		[EVENT_TAGS] = {"tags", TEXTARRAYOID},
		[EVENT_ASSET_ID] = {"asset_id", TEXTOID},
		[EVENT_OCCURRED_AT] = {"occurred_at", TIMESTAMPTZOID}
	}
};

#define MAX_PARTS		60		/* partitions read one by one */

/* the same, when there are too many partitions, or the table is not plain */
#define ENGAGEMENTS(known) \
	"SELECT e.event_type, e.tags, e.asset_id, max(e.occurred_at)," \
	" count(*)::int4 FROM nurture.event e" \
	" WHERE e.lead_id = $1 AND e.occurred_at <= $2" known \
	" AND (e.tags IS NOT NULL OR e.asset_id IS NOT NULL)" \
	" GROUP BY 1, 2, 3"

static KeptPlan engagements =
KEPT_PLAN(ENGAGEMENTS(""), INT8OID, TIMESTAMPTZOID);

/* of the past: what was known before */
static KeptPlan engagements_past =
KEPT_PLAN(ENGAGEMENTS(" AND e.recorded_at < $2"), INT8OID, TIMESTAMPTZOID);

/* the same where some of them were corrected or deleted since */
static KeptPlan engagements_known =
KEPT_PLAN(EVENTS_KNOWN "SELECT event_type, tags, asset_id, max(occurred_at), count(*)::int4"
		  " FROM known WHERE occurred_at <= $2 AND (tags IS NOT NULL OR asset_id IS NOT NULL)"
		  " GROUP BY 1, 2, 3", INT8ARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID);

/*
 * Families of messages that were asked for before a moment and had not been
 * refused or cancelled by then, with the time at which they went out or were
 * to go out; $3 is the beginning of the window.
 */
static KeptPlan families_past =
KEPT_PLAN("SELECT m.family FROM nurture.message m"
		  " WHERE m.lead_id = ANY ($1) AND m.requested_at < $2"
		  " AND m.family IS NOT NULL AND m.status <> 'refused'"
		  " AND coalesce(m.sent_at, greatest(m.not_before, m.decided_at)) > $3"
		  " AND (m.status IN ('queued', 'held', 'taken', 'sent', 'delivered')"
		  " OR EXISTS (SELECT FROM nurture.audit a WHERE a.lead_ref = m.lead_id"
		  " AND a.at >= $2 AND a.kind IN ('cancel', 'delivery')"
		  " AND a.object = 'message:' || m.message_id))"
		  " ORDER BY m.message_id",
		  INT8ARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID);

/*
 * Tells whether an event is engagement with its content: a delivery or an
 * opening, which machines cause as well, is not.
 */
static bool
is_engagement(const char *event_type)
{
	const char *class = nurture_event_class(event_type, strlen(event_type));

	return class != NULL &&
		(strcmp(class, "content") == 0 || strcmp(class, "intent") == 0 ||
		 (strcmp(class, "engagement") == 0 &&
		  strcmp(event_type, "email_delivered") != 0 &&
		  strcmp(event_type, "email_opened") != 0));
}

static void
add_family(Choice *c, UsedFamily **families, int *n, const char *family)
{
	if (*families == NULL)
		*families = MemoryContextAlloc(c->context, 16 * sizeof(UsedFamily));
	else if (*n % 16 == 0 && *n > 0)
		*families = repalloc(*families, (*n + 16) * sizeof(UsedFamily));
	(*families)[*n].hash = nurture_content_family(family);
	(*families)[(*n)++].name = MemoryContextStrdup(c->context, family);
}

static void
engage(Choice *c, int tag_id, int depth)
{
	for (int i = 0; i < c->ntopics; i++)
	{
		if (c->topics[i].tag_id == tag_id)
		{
			c->topics[i].depth = Max(c->topics[i].depth, depth);
			return;
		}
	}
	if (c->topics == NULL)
		c->topics = MemoryContextAlloc(c->context, 16 * sizeof(EngagedTopic));
	else if (c->ntopics % 16 == 0 && c->ntopics > 0)
		c->topics = repalloc(c->topics, (c->ntopics + 16) * sizeof(EngagedTopic));
	c->topics[c->ntopics].tag_id = tag_id;
	c->topics[c->ntopics++].depth = depth;
}

/* Tells whether a tag is of a dimension, given with its colon. */
static bool
tag_begins(const char *tag, int len, const char *dimension, int dimension_len)
{
	return len > dimension_len && memcmp(tag, dimension, dimension_len) == 0;
}

/* Notes the topics of one event; without a depth tag it counts as depth 1. */
static void
engage_event(Choice *c, Datum array)
{
	ArrayType  *tags = DatumGetArrayTypeP(array);
	Datum	   *items;
	bool	   *nulls;
	int			n;
	int			depth = 1;

	deconstruct_array(tags, TEXTOID, -1, false, TYPALIGN_INT, &items, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		struct varlena *tag = (struct varlena *) DatumGetPointer(items[i]);

		if (!nulls[i] && tag_begins(VARDATA_ANY(tag), VARSIZE_ANY_EXHDR(tag), "depth:", 6))
			depth = Max(depth, Min(atoi(text_to_cstring(tag) + 6), 100));
	}
	c->engaged_depth = Max(c->engaged_depth, depth);
	for (int i = 0; i < n; i++)
	{
		struct varlena *tag = (struct varlena *) DatumGetPointer(items[i]);

		if (!nulls[i] && tag_begins(VARDATA_ANY(tag), VARSIZE_ANY_EXHDR(tag), "topic:", 6))
		{
			int			tag_id = nurture_tag_id(VARDATA_ANY(tag), VARSIZE_ANY_EXHDR(tag));

			if (tag_id >= 0)
				engage(c, tag_id, depth);
		}
	}
	pfree(items);
	pfree(nulls);
}

/*
 * Notes what an event tells.  Events carry the tags their asset had when they
 * came, so topic and depth of one event belong together.
 */
static void
take_event(Choice *c, const char *event_type, Datum tags, bool no_tags,
		   const char *asset_id, TimestampTz at, int times)
{
	const IndexEntry *asset;

	if ((no_tags && asset_id == NULL) || !is_engagement(event_type))
		return;
	if (!no_tags)
		engage_event(c, tags);
	if (asset_id == NULL)
		return;
	asset = nurture_content_asset(c->index, asset_id, strlen(asset_id));
	if (asset == NULL)
		return;
	c->formats[c->index->looks[asset - c->index->entries].format] += times;
	c->nformats += times;
	if (c->index->repeat_limit > 0 &&
		at > c->request->at - c->index->repeat_window)
		add_family(c, &c->own_families, &c->nown_families, asset->family);
}

/* Reads the lead's events from their partitions; false when that needs a query. */
static bool
read_event_parts(Choice *c, Snapshot snapshot)
{
	Relation	events = table_open(nurture_table_oid("event", false),
									AccessShareLock);
	Datum		key = Int64GetDatum(c->subject->lead_id);
	Oid			parts[MAX_PARTS];
	int			n = -1;

	if (!events->rd_rel->relforcerowsecurity &&
		nurture_part_by(events, "recorded_at"))
		n = nurture_part_between(events, DT_NOBEGIN, DT_NOEND, parts, MAX_PARTS);
	for (int i = 0; i < n; i++)
	{
		RowRead		read;

		if (!nurture_read_open_part(&read, &read_event, parts[i],
									c->subject->hold, snapshot))
		{
			c->ntopics = c->nown_families = c->engaged_depth = 0;
			c->nformats = 0;
			memset(c->formats, 0, c->index->formats.n * sizeof(int));
			n = -1;
			break;
		}
		nurture_read_find(&read, &key);
		while (nurture_read_next(&read))
		{
			bool		null;
			bool		no_tags;
			Datum		tags = nurture_read_cell(&read, EVENT_TAGS, &no_tags);
			TimestampTz at = DatumGetTimestampTz(nurture_read_cell(&read, EVENT_OCCURRED_AT,
																   &null));

			if (at <= c->request->at)
				take_event(c, nurture_read_text(&read, EVENT_TYPE), tags, no_tags,
						   nurture_read_text(&read, EVENT_ASSET_ID), at, 1);
		}
		nurture_read_close(&read);
	}
	table_close(events, NoLock);
	return n >= 0;
}

/* Takes the snapshot that what is read about the lead is read with. */
static Snapshot
push_snapshot(const Choice *c)
{
	if (c->subject->fresh)
	{
		CommandCounterIncrement();
		PushActiveSnapshot(GetTransactionSnapshot());
	}
	else
		PushActiveSnapshot(GetActiveSnapshot());
	return GetActiveSnapshot();
}

/* Finds what the lead had engaged with at a moment of the past. */
static void
find_engagements_past(Choice *c, Datum *values)
{
	Datum		lead = values[0];
	Datum		known[3];

	known[0] = PointerGetDatum(construct_array(&lead, 1, INT8OID, sizeof(int64),
											   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	known[1] = values[1];
	known[2] = TimestampTzGetDatum(c->request->at - 1);
	if (nurture_events_touched(known[0], c->request->at - 1))
		nurture_execute(&engagements_known, known, NULL, true);
	else
		nurture_execute(&engagements_past, values, NULL, true);
}

/* Reads what the lead engaged with: topics with their depth, and families. */
void
nurture_choice_events(Choice *c)
{
	Datum		values[2];
	OwnerSwitch save;
	bool		done;
	int			level;

	if (c->events_read)
		return;
	c->events_read = true;
	c->formats = MemoryContextAllocZero(c->context, Max(c->index->formats.n, 1) * sizeof(int));
	nurture_owner_enter(&save);
	done = !c->request->past && read_event_parts(c, push_snapshot(c));
	if (!c->request->past)
		PopActiveSnapshot();
	if (!done)
	{
		values[0] = Int64GetDatum(c->subject->lead_id);
		values[1] = TimestampTzGetDatum(c->request->at);
		level = nurture_spi_connect();
		if (c->request->past)
			find_engagements_past(c, values);
		else
			nurture_execute(&engagements, values, NULL, !c->subject->fresh);
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			bool		null;
			bool		no_tags;
			Datum		tags = nurture_cell(i, 2, &no_tags);

			take_event(c, nurture_cell_text(i, 1), tags, no_tags,
					   nurture_cell_text(i, 3),
					   DatumGetTimestampTz(nurture_cell(i, 4, &null)),
					   DatumGetInt32(nurture_cell(i, 5, &null)));
		}
		nurture_spi_finish(level);
	}
	nurture_owner_leave(&save);
	for (int i = 0; i < c->ntopics; i++)
	{
		for (int tag_id = c->topics[i].tag_id; tag_id >= 0;
			 tag_id = nurture_tag_parent(tag_id))
		{
			int			slot = nurture_content_slot(c->index, tag_id);

			if (slot >= 0)
				c->points[slot].depth = Max(c->points[slot].depth,
											c->topics[i].depth);
		}
	}
}

/* Tells whether a message went out, or waits to. */
static bool
is_live(const RowRead *read)
{
	static const char *const live[] = {
		"queued", "held", "taken", "sent", "delivered"
	};

	for (int i = 0; i < lengthof(live); i++)
	{
		if (nurture_read_is(read, MESSAGE_STATUS, live[i]))
			return true;
	}
	return false;
}

/* Returns when a message goes out, or went. */
static TimestampTz
message_time(const RowRead *read)
{
	bool		unsent;
	bool		undecided;
	bool		null;
	TimestampTz sent = DatumGetTimestampTz(nurture_read_cell(read, MESSAGE_SENT_AT, &unsent));
	TimestampTz decided = DatumGetTimestampTz(nurture_read_cell(read, MESSAGE_DECIDED_AT, &undecided));
	TimestampTz before = DatumGetTimestampTz(nurture_read_cell(read, MESSAGE_NOT_BEFORE, &null));

	if (!unsent)
		return sent;
	if (undecided)
		return null ? DT_NOBEGIN : before;
	return null ? decided : Max(before, decided);
}

/*
 * Lists the leads whose messages count: the lead and what was merged into it,
 * as the gate counts.
 */
static Datum *
counted_leads(Choice *c, Snapshot snapshot, int *n)
{
	Datum		key = Int64GetDatum(c->subject->lead_id);
	Datum	   *leads;
	RowRead		read;
	bool		absorbs = false;
	bool		null;
	int64	   *absorbed;
	int			nabsorbed;
	int			level;

	nurture_read_open_held(&read, &read_gate, c->subject->hold, snapshot);
	nurture_read_find(&read, &key);
	if (nurture_read_next(&read))
		absorbs = DatumGetBool(nurture_read_cell(&read, GATE_ABSORBS, &null));
	nurture_read_close(&read);
	*n = 1;
	if (!absorbs)
	{
		leads = palloc(sizeof(Datum));
		leads[0] = key;
		return leads;
	}
	level = nurture_spi_connect();
	absorbed = nurture_gate_absorbed(c->subject->lead_id, true, c->context,
									 &nabsorbed);
	nurture_spi_finish(level);
	leads = palloc((nabsorbed + 1) * sizeof(Datum));
	leads[0] = key;
	for (int i = 0; i < nabsorbed; i++)
		leads[(*n)++] = Int64GetDatum(absorbed[i]);
	return leads;
}

/* Notes one more message of a family; it is used when it reached the limit. */
static void
count_family(Choice *c, UsedFamily **seen, int *nseen, const char *family)
{
	int			times = 1;

	for (int i = 0; i < *nseen; i++)
		times += strcmp((*seen)[i].name, family) == 0;
	add_family(c, seen, nseen, family);
	if (times == c->index->repeat_limit)
		add_family(c, &c->families, &c->nfamilies, family);
}

/* Reads the families that messages had used at a moment of the past. */
static void
read_families_past(Choice *c, const Datum *leads, int nleads)
{
	UsedFamily *seen = NULL;
	int			nseen = 0;
	Datum		values[3];
	int			level = nurture_spi_connect();

	values[0] = PointerGetDatum(construct_array(unconstify(Datum *, leads), nleads, INT8OID, sizeof(int64),
												FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[1] = TimestampTzGetDatum(c->request->at);
	values[2] = TimestampTzGetDatum(c->request->at - c->index->repeat_window);
	nurture_execute(&families_past, values, NULL, true);
	for (uint64 i = 0; i < SPI_processed; i++)
		count_family(c, &seen, &nseen, nurture_cell_text(i, 1));
	nurture_spi_finish(level);
}

/* Reads the families that messages used within the no-repeat window. */
static void
read_families(Choice *c)
{
	TimestampTz since = c->request->at - c->index->repeat_window;
	MemoryContext old = MemoryContextSwitchTo(c->context);
	UsedFamily *seen = NULL;
	int			nseen = 0;
	int			nleads;
	Datum	   *leads;
	OwnerSwitch save;
	RowRead		read;

	c->families_read = true;
	if (c->index->repeat_limit <= 0)
	{
		MemoryContextSwitchTo(old);
		return;
	}
	nurture_owner_enter(&save);
	(void) push_snapshot(c);
	leads = counted_leads(c, GetActiveSnapshot(), &nleads);
	if (c->request->past)
	{
		read_families_past(c, leads, nleads);
		nleads = 0;
	}
	nurture_read_open_held(&read, &read_message, c->subject->hold, GetActiveSnapshot());
	for (int l = 0; l < nleads; l++)
	{
		nurture_read_find(&read, &leads[l]);
		while (nurture_read_next(&read))
		{
			char	   *family;

			if (!is_live(&read) || message_time(&read) <= since)
				continue;
			family = nurture_read_text(&read, MESSAGE_FAMILY);
			if (family != NULL)
				count_family(c, &seen, &nseen, family);
		}
	}
	nurture_read_close(&read);
	PopActiveSnapshot();
	nurture_owner_leave(&save);
	MemoryContextSwitchTo(old);
}

static bool
family_among(const UsedFamily *families, int n, uint32 hash, const char *family)
{
	for (int i = 0; i < n; i++)
	{
		if (families[i].hash == hash && strcmp(families[i].name, family) == 0)
			return true;
	}
	return false;
}

/* Tells whether the lead had the family of an entry; see choose_private.h. */
bool
nurture_choice_family_used(Choice *c, int entry)
{
	uint32		hash = c->index->looks[entry].family;
	const char *family;

	if (!c->families_read)
		read_families(c);
	nurture_choice_events(c);
	if (c->nfamilies + c->nown_families == 0)
		return false;
	family = c->index->entries[entry].family;
	return family_among(c->families, c->nfamilies, hash, family) ||
		family_among(c->own_families, c->nown_families, hash, family);
}
