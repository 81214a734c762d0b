/*
 * choose.c
 *	  Which asset fits a lead best: hard filters, then a rank that is a sum of
 *	  integers.
 *
 * Filters are never traded against rank.  What costs a query (what was sent,
 * what the lead engaged with, consent) is asked once per lead, and only when
 * a candidate gets that far.  The result may be stale by the time it is used;
 * the gate reads the chosen version again.
 */
#include "base/compat.h"

#include "access/table.h"
#include "access/xact.h"
#include "base/owner.h"
#include "base/part.h"
#include "base/plans.h"
#include "base/read.h"
#include "catalog/pg_type.h"
#include "content/choose.h"
#include "content/requested.h"
#include "facts/event_past.h"
#include "facts/past.h"
#include "facts/vocabulary.h"
#include "gate/gate.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* days within which engagement with a topic is looked at for depth */
#define DEPTH_WINDOW_DAYS 90

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

static const char *const filter_codes[CONTENT_FILTERS] = {
	"not_in_force", "block_not_in_force", "market", "audience", "language",
	"channel", "message_class", "claim", "content_policy", "requested", "role", "reading_level", "step", "seen",
	"depth", "prerequisite", "consent"
};

static const char *const term_codes[CONTENT_TERMS] = {
	"interest", "general", "stage", "preferred", "depth", "freshness",
	"format", "priority", "performance"
};

/* Returns the code of a filter. */
const char *
nurture_content_filter_code(ContentFilter filter)
{
	return filter_codes[filter];
}

/* Returns the code of a term of the rank. */
const char *
nurture_content_term_code(ContentTerm term)
{
	return term_codes[term];
}

/* Highest depth at which a lead engaged with a topic. */
typedef struct EngagedTopic
{
	int			tag_id;
	int			depth;
} EngagedTopic;

#define MAX_ANSWERS		64		/* of the gate that are kept for a choice */

/* What the gate said about a channel and purpose. */
typedef struct ChannelAnswer
{
	int			channel;
	const char *purpose;
	bool		refused;
} ChannelAnswer;

/* What a tag is worth for the lead. */
typedef struct TagPoints
{
	int16		depth;			/* engaged with this topic; once events are
								 * read */
	int32		general;
	int32		stage;
	int64		share;			/* of the lead's interest, in millionths */
} TagPoints;

/* The entries that pass a filter: all, or those in one set or the other. */
typedef struct FilterSet
{
	bool		all;
	const Bits *a;				/* NULL = none */
	const Bits *b;
} FilterSet;

/* filters that are sets of entries come first, then those that look closer */
#define SET_FILTERS		(FILTER_REQUESTED + 1)

typedef struct Choice
{
	const ContentIndex *index;
	const ContentRequest *request;
	Subject    *subject;
	MemoryContext context;
	const char *audience;
	int			performer;		/* the audience as such; -1 = none is */
	const char *country;
	const char *language;
	const char *role;
	const char *stage;
	FilterSet	sets[SET_FILTERS];
	int			nrequired;
	int		   *required;		/* tag ids */
	int			npreferred;
	int		   *preferred;
	TagPoints  *points;			/* per tag slot */
	bool		families_read;
	int			nfamilies;
	char	  **families;		/* sent within the no-repeat window */
	int			nown_families;
	char	  **own_families;	/* taken by the lead within it */
	int			nformats;		/* engagements with assets */
	int		   *formats;		/* of these, by format */
	bool		events_read;
	int			ntopics;
	EngagedTopic *topics;
	int			engaged_depth;	/* with any topic */
	int			nanswers;
	ChannelAnswer answers[MAX_ANSWERS];
	int			nrefusals;		/* reasons of the gate's last refusal */
	const char **refusals;
} Choice;

/* Compares role words: "Principal Investigator" is principal_investigator. */
static bool
same_word(const char *a, const char *b)
{
	for (; *a && *b; a++, b++)
	{
		char		x = *a == ' ' || *a == '-' ? '_' : pg_ascii_tolower((unsigned char) *a);
		char		y = *b == ' ' || *b == '-' ? '_' : pg_ascii_tolower((unsigned char) *b);

		if (x != y)
			return false;
	}
	return *a == *b;
}

/* Returns the tag ids of a text[] of tags; unknown ones as -1. */
static int *
tag_ids(ArrayType *tags, int *n)
{
	Datum	   *items;
	bool	   *nulls;
	int		   *ids;

	*n = 0;
	if (tags == NULL)
		return NULL;
	deconstruct_array(tags, TEXTOID, -1, false, TYPALIGN_INT, &items, &nulls, n);
	ids = palloc(Max(*n, 1) * sizeof(int));
	for (int i = 0; i < *n; i++)
	{
		ids[i] = nulls[i] ? -1 :
			nurture_tag_id(VARDATA_ANY(DatumGetPointer(items[i])),
						   VARSIZE_ANY_EXHDR(DatumGetPointer(items[i])));
	}
	return ids;
}

/* Readers who get plain language only. */
static bool
reads_plain_only(const char *audience)
{
	return strcmp(audience, "patient") == 0 ||
		strcmp(audience, "caregiver") == 0 ||
		strcmp(audience, "office_staff") == 0 ||
		strcmp(audience, "unknown") == 0;
}

static bool
has_tag_under(const ContentIndex *index, const IndexEntry *entry, int tag_id)
{
	for (int i = 0; i < entry->ntags; i++)
	{
		if (nurture_tag_under(index->tags[entry->tags[i]].tag_id, tag_id))
			return true;
	}
	return false;
}

/* Returns the message classes allowed in the lead's stage, NULL = all. */
static const IndexStage *
stage_classes(const Choice *c)
{
	const IndexStage *found = NULL;

	for (int i = 0; i < c->index->nstages; i++)
	{
		const IndexStage *s = &c->index->stages[i];

		if (strcmp(s->stage, c->stage) != 0)
			continue;
		if (strcmp(s->audience_type, c->audience) == 0)
		{
			found = s;
			break;
		}
		if (strcmp(s->audience_type, "*") == 0)
			found = s;
	}
	return found;
}

/*
 * Tells whether the lead had said no to a channel at a moment of the past.
 * The other rules of the gate have no history that is asked here.
 */
static bool
denied_then(Choice *c, const char *purpose, const char *channel)
{
	Datum		states[3];

	states[0] = CStringGetTextDatum("refused");
	states[1] = CStringGetTextDatum("withdrawn");
	states[2] = CStringGetTextDatum("objected");
	return nurture_past_consent(c->subject, CStringGetTextDatum(channel),
								CStringGetTextDatum(purpose),
								PointerGetDatum(construct_array(states, 3, TEXTOID, -1, false,
																TYPALIGN_INT))) == NURTURE_TRUE;
}

/*
 * Tells whether the gate would refuse the channel.  For promotional messages
 * its answer is the same for every asset of a purpose, unless the lead said
 * what it wants; else, and for other classes, the gate is asked about the asset
 * itself.
 */
static bool
channel_refused(Choice *c, const IndexEntry *entry, int channel)
{
	bool		promotional = strcmp(entry->message_class, "promotional") == 0;
	GateAnswer	answer;

	if (c->request->past)
		return denied_then(c, entry->purpose, c->index->channels.codes[channel]);
	for (int i = 0; promotional && i < c->nanswers; i++)
	{
		if (c->answers[i].channel == channel &&
			strcmp(c->answers[i].purpose, entry->purpose) == 0)
			return c->answers[i].refused;
	}
	answer = nurture_gate_may_contact(c->subject->lead_id,
									  c->index->channels.codes[channel], entry->purpose,
									  promotional ? NULL : entry->asset_id,
									  promotional ? 0 : entry->version,
									  c->request->at, c->subject->hold);
	if (promotional && answer.particular && answer.verdict != GATE_REFUSE)
	{
		promotional = false;
		answer = nurture_gate_may_contact(c->subject->lead_id,
										  c->index->channels.codes[channel],
										  entry->purpose, entry->asset_id,
										  entry->version, c->request->at,
										  c->subject->hold);
	}
	if (answer.verdict == GATE_REFUSE)
	{
		c->nrefusals = answer.nreasons;
		c->refusals = answer.reasons;
	}
	if (promotional && c->nanswers < lengthof(c->answers))
	{
		c->answers[c->nanswers].channel = channel;
		c->answers[c->nanswers].purpose = entry->purpose;
		c->answers[c->nanswers++].refused = answer.verdict == GATE_REFUSE;
	}
	return answer.verdict == GATE_REFUSE;
}

/* Returns the first asked channel of an entry that the gate permits. */
static int
permitted_channel(Choice *c, const IndexEntry *entry)
{
	for (int i = 0; i < entry->channels->n; i++)
	{
		int			channel = entry->channels->places[i];

		if ((c->request->channel == NULL ||
			 strcmp(c->request->channel, entry->channels->codes[i]) == 0) &&
			!channel_refused(c, entry, channel))
			return channel;
	}
	return -1;
}

/*
 * Role and reading level: a dimension without a tag fits all; a lead whose
 * role is not known gets nothing made for particular roles.
 */
static bool
dimension_fits(const Choice *c, const IndexEntry *entry, int dimension)
{
	for (int i = 0; i < entry->ntags; i++)
	{
		const IndexTag *tag = &c->index->tags[entry->tags[i]];

		if (tag->dimension != dimension)
			continue;
		if (dimension == c->index->role)
		{
			if (c->role != NULL && same_word(tag->value, c->role))
				return true;
		}
		else if (!reads_plain_only(c->audience) ||
				 strcmp(tag->value, "plain") == 0)
			return true;
	}
	return false;
}

static bool
fits_step(const Choice *c, const IndexEntry *entry)
{
	if (c->request->family != NULL &&
		strcmp(c->request->family, entry->family) != 0)
		return false;
	if (c->request->format != NULL &&
		strcmp(c->request->format, c->index->formats.codes[entry->format]) != 0)
		return false;
	for (int i = 0; i < c->nrequired; i++)
	{
		if (c->required[i] < 0 || !has_tag_under(c->index, entry, c->required[i]))
			return false;
	}
	return true;
}

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
add_family(Choice *c, char ***families, int *n, const char *family)
{
	if (*families == NULL)
		*families = MemoryContextAlloc(c->context, 16 * sizeof(char *));
	else if (*n % 16 == 0 && *n > 0)
		*families = repalloc(*families, (*n + 16) * sizeof(char *));
	(*families)[(*n)++] = MemoryContextStrdup(c->context, family);
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

/* Notes the topics of one event; without a depth tag it counts as depth 1. */
static void
engage_event(Choice *c, Datum array)
{
	Datum	   *items;
	bool	   *nulls;
	int			n;
	int			depth = 1;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false,
					  TYPALIGN_INT, &items, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		char	   *tag;

		if (nulls[i])
			continue;
		tag = TextDatumGetCString(items[i]);
		if (strncmp(tag, "depth:", 6) == 0)
			depth = Max(depth, Min(atoi(tag + 6), 100));
	}
	c->engaged_depth = Max(c->engaged_depth, depth);
	for (int i = 0; i < n; i++)
	{
		char	   *tag;

		if (nulls[i])
			continue;
		tag = TextDatumGetCString(items[i]);
		if (strncmp(tag, "topic:", 6) == 0)
		{
			int			tag_id = nurture_tag_id(tag, strlen(tag));

			if (tag_id >= 0)
				engage(c, tag_id, depth);
		}
	}
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
	c->formats[asset->format] += times;
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
static void
read_events(Choice *c)
{
	Datum		values[2];
	OwnerSwitch save;
	bool		done;
	int			level;

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
count_family(Choice *c, char ***seen, int *nseen, const char *family)
{
	int			times = 1;

	for (int i = 0; i < *nseen; i++)
		times += strcmp((*seen)[i], family) == 0;
	add_family(c, seen, nseen, family);
	if (times == c->index->repeat_limit)
		add_family(c, &c->families, &c->nfamilies, family);
}

/* Reads the families that messages had used at a moment of the past. */
static void
read_families_past(Choice *c, const Datum *leads, int nleads)
{
	char	  **seen = NULL;
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
	char	  **seen = NULL;
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

/* Tells whether the lead was sent a family, or took one of it by itself. */
static bool
family_used(Choice *c, const char *family)
{
	if (!c->families_read)
		read_families(c);
	if (!c->events_read)
		read_events(c);
	return nurture_content_code((const char *const *) c->families, c->nfamilies, family) >= 0 ||
		nurture_content_code((const char *const *) c->own_families, c->nown_families, family) >= 0;
}

/* Tells whether an entry is at most one deeper than the lead has gone. */
static bool
depth_fits(Choice *c, const IndexEntry *entry)
{
	bool		has_topic = false;

	if (entry->depth <= 1)
		return true;
	if (!c->events_read)
		read_events(c);
	for (int i = 0; i < entry->ntags; i++)
	{
		int			slot = entry->tags[i];

		if (c->index->tags[slot].dimension != c->index->topic)
			continue;
		has_topic = true;
		if (entry->depth > c->points[slot].depth + 1)
			return false;
	}
	return has_topic || entry->depth <= c->engaged_depth + 1;
}

static bool
prerequisites_met(Choice *c, const IndexEntry *entry)
{
	for (int i = 0; i < entry->nprerequisites; i++)
	{
		if (nurture_subject_eval(c->subject, entry->prerequisites[i]) != NURTURE_TRUE)
			return false;
	}
	return true;
}

static bool
passes(Choice *c, const IndexEntry *entry, ContentFilter filter, int *channel)
{
	int			i = entry - c->index->entries;

	switch (filter)
	{
		case FILTER_NOT_IN_FORCE:
		case FILTER_BLOCK:
		case FILTER_MARKET:
		case FILTER_AUDIENCE:
		case FILTER_LANGUAGE:
		case FILTER_CHANNEL:
		case FILTER_MESSAGE_CLASS:
		case FILTER_CLAIM:
		case FILTER_POLICY:
		case FILTER_REQUESTED:
			return c->sets[filter].all ||
				bits_has(c->sets[filter].a, i) || bits_has(c->sets[filter].b, i);
		case FILTER_ROLE:
			return !entry->has_role || dimension_fits(c, entry, c->index->role);
		case FILTER_READING_LEVEL:
			return !entry->has_reading_level ||
				dimension_fits(c, entry, c->index->reading_level);
		case FILTER_STEP:
			return fits_step(c, entry);
		case FILTER_SEEN:
			return !family_used(c, entry->family);
		case FILTER_DEPTH:
			return depth_fits(c, entry);
		case FILTER_PREREQUISITE:
			return entry->nprerequisites == 0 || prerequisites_met(c, entry);
		case FILTER_CONSENT:
			*channel = permitted_channel(c, entry);
			return *channel >= 0;
		case CONTENT_FILTERS:
			break;
	}
	return true;
}

/* Returns points of one weight row for an entry's depth. */
static int32
depth_points(Choice *c, const IndexEntry *entry, const IndexWeight *w)
{
	int32		points = 0;

	if (entry->depth == 0)
		return 0;
	if (!c->events_read)
		read_events(c);
	for (int i = 0; i < entry->ntags; i++)
	{
		const IndexTag *tag = &c->index->tags[entry->tags[i]];
		int			engaged;

		if (tag->dimension != c->index->topic)
			continue;
		engaged = c->points[entry->tags[i]].depth;
		if (engaged == 0)
			continue;
		if (w->term == WEIGHT_DEPTH_SAME)
		{
			if (entry->depth == engaged)
				points += w->weight;
		}
		else if (entry->depth == engaged + 1 &&
				 nurture_tally_count(&c->subject->topics, (uint16) tag->tag_id,
									 c->subject->today - DEPTH_WINDOW_DAYS,
									 c->subject->today) >= Max(w->parameter, 1))
			points += w->weight;
	}
	return points;
}

/* Adds up the terms of the rank. */
static void
rank_entry(Choice *c, const IndexEntry *entry, ContentCandidate *candidate)
{
	const ContentIndex *index = c->index;
	int32	   *terms = candidate->terms;
	int64		interest = 0;

	for (int i = 0; i < entry->ntags; i++)
	{
		const TagPoints *points = &c->points[entry->tags[i]];

		interest += index->tags[entry->tags[i]].interest * points->share;
		terms[TERM_GENERAL] += points->general;
		terms[TERM_STAGE] += points->stage;
	}
	terms[TERM_INTEREST] = (int32) (interest / 1000000);

	for (int i = 0; i < index->nweights; i++)
	{
		const IndexWeight *w = &index->weights[i];

		switch (w->term)
		{
			case WEIGHT_GENERAL:
			case WEIGHT_STAGE:
				break;			/* the tags have them */
			case WEIGHT_PREFERRED:
				for (int p = 0; p < c->npreferred; p++)
				{
					if (c->preferred[p] >= 0 &&
						has_tag_under(index, entry, c->preferred[p]))
						terms[TERM_PREFERRED] += w->weight;
				}
				break;
			case WEIGHT_DEPTH_NEXT:
			case WEIGHT_DEPTH_SAME:
				terms[TERM_DEPTH] += depth_points(c, entry, w);
				break;
			case WEIGHT_FRESHNESS:
				{
					int64		window = Max(w->parameter, 1) * USECS_PER_DAY;
					int64		age = c->request->at - entry->approved_at;

					if (!TIMESTAMP_NOT_FINITE(entry->approved_at) && age >= 0 && age < window)
						terms[TERM_FRESHNESS] +=
							(int32) (w->weight * ((window - age) / USECS_PER_SEC) / (window / USECS_PER_SEC));
					break;
				}
			case WEIGHT_FORMAT:
				if (!c->events_read)
					read_events(c);
				if (c->nformats > 0)
					terms[TERM_FORMAT] += w->weight * c->formats[entry->format] / c->nformats;
				break;
			case WEIGHT_PRIORITY:
				terms[TERM_PRIORITY] += w->weight * entry->priority;
				break;
		}
	}
	for (int i = 0; i < entry->nperformance; i++)
	{
		if (entry->performance[i].audience < 0 ||
			entry->performance[i].audience == c->performer)
			terms[TERM_PERFORMANCE] += entry->performance[i].points;
	}
	for (int t = 0; t < CONTENT_TERMS; t++)
		candidate->rank += terms[t];
}

/* Returns the entries that have a code, NULL when none has. */
static const Bits *
entries_of(const IndexCodes *codes, const char *code)
{
	int			place = code == NULL ? -1 :
	nurture_content_code(codes->codes, codes->n, code);

	return place < 0 ? NULL : codes->entries[place];
}

/*
 * Returns the entries in a language, for "de-AT" also those in "de".  One that
 * is not known is none, as the gate sees it.
 */
static const Bits *
entries_in(const Choice *c, const char *language)
{
	const IndexCodes *codes = &c->index->languages;
	size_t		primary;
	const Bits *exact;
	const Bits *broad;
	Bits	   *both;

	if (language == NULL)
		return NULL;
	primary = strcspn(language, "-_");
	exact = entries_of(codes, language);
	broad = language[primary] == '\0' ? NULL :
		entries_of(codes, pnstrdup(language, primary));
	if (exact == NULL || broad == NULL)
		return exact != NULL ? exact : broad;
	both = bits_make(c->index->nentries);
	bits_join(both, exact, c->index->nentries);
	bits_join(both, broad, c->index->nentries);
	return both;
}

/* Finds which entries may say to the lead what they claim. */
static void
prepare_claims(Choice *c, const IndexForce *force)
{
	const ContentIndex *index = c->index;
	FilterSet  *set = &c->sets[FILTER_CLAIM];
	Bits	   *allowed;

	set->all = index->claim_codes.n == 0;
	if (set->all)
		return;
	allowed = bits_make(index->nentries);
	bits_join(allowed, force->claims, index->nentries);
	(void) bits_keep(allowed, index->claim_markets.any,
					 entries_of(&index->claim_markets, c->country), index->nentries);
	(void) bits_keep(allowed, index->claim_audiences.any,
					 entries_of(&index->claim_audiences, c->audience), index->nentries);
	set->a = allowed;
}

/* Finds which entries have what the policies for the lead ask for. */
static void
prepare_policies(Choice *c)
{
	const ContentIndex *index = c->index;
	FilterSet  *set = &c->sets[FILTER_POLICY];
	Bits	   *kept = NULL;

	for (int i = 0; i < index->npolicies; i++)
	{
		const IndexPolicy *policy = &index->policies[i];

		if ((strcmp(policy->market, "*") != 0 &&
			 (c->country == NULL || strcmp(policy->market, c->country) != 0)) ||
			(strcmp(policy->audience, "*") != 0 && strcmp(policy->audience, c->audience) != 0))
			continue;
		if (kept == NULL)
		{
			kept = bits_make(index->nentries);
			bits_join(kept, policy->kept, index->nentries);
		}
		else
			(void) bits_keep(kept, policy->kept, NULL, index->nentries);
	}
	set->all = kept == NULL;
	set->a = kept;
}

/* Returns those of the entries in force that had been approved by then. */
static const Bits *
approved_then(const Choice *c, const Bits *entries)
{
	Bits	   *then = bits_make(c->index->nentries);

	for (int i = 0; i < c->index->nentries; i++)
	{
		if (bits_has(entries, i) && c->index->entries[i].approved_at <= c->request->at)
			bits_add(then, i);
	}
	return then;
}

/* Finds which entries pass the filters that are sets. */
static void
prepare_sets(Choice *c)
{
	const ContentIndex *index = c->index;
	const IndexForce *force = nurture_content_force(index, c->request->at);
	const IndexStage *stage = stage_classes(c);

	c->sets[FILTER_NOT_IN_FORCE].a = c->request->past ?
		approved_then(c, force->entries) : force->entries;
	c->sets[FILTER_BLOCK].a = force->blocks;
	c->sets[FILTER_MARKET].a = index->markets.any;
	c->sets[FILTER_MARKET].b = entries_of(&index->markets, c->country);
	c->sets[FILTER_AUDIENCE].a = index->audiences.any;
	c->sets[FILTER_AUDIENCE].b = entries_of(&index->audiences, c->audience);
	c->sets[FILTER_LANGUAGE].a = index->languages.any;
	c->sets[FILTER_LANGUAGE].b = entries_in(c, c->language);
	c->sets[FILTER_CHANNEL].all = c->request->channel == NULL;
	c->sets[FILTER_CHANNEL].a = entries_of(&index->channels, c->request->channel);
	prepare_claims(c, force);
	prepare_policies(c);
	c->sets[FILTER_REQUESTED].a = nurture_content_unrequested(index, c->subject, c->request->at);
	c->sets[FILTER_REQUESTED].all = c->sets[FILTER_REQUESTED].a == NULL;
	c->sets[FILTER_MESSAGE_CLASS].all = stage == NULL;
	if (stage != NULL)
	{
		Bits	   *allowed = bits_make(index->nentries);

		for (int i = 0; i < stage->nclasses; i++)
		{
			const Bits *entries = entries_of(&index->classes, stage->classes[i]);

			if (entries != NULL)
				bits_join(allowed, entries, index->nentries);
		}
		c->sets[FILTER_MESSAGE_CLASS].a = allowed;
	}
}

/* Notes what tags are worth: the lead's interest in them, and the weights. */
static void
prepare_points(Choice *c)
{
	const ContentIndex *index = c->index;
	const Tally *topics = &c->subject->topics;

	c->points = palloc0(Max(index->nslots, 1) * sizeof(TagPoints));
	for (int i = 0; i < index->nweights; i++)
	{
		const IndexWeight *w = &index->weights[i];

		if (w->slot < 0)
			continue;
		if (w->term == WEIGHT_STAGE)
		{
			if (strcmp(w->stage, c->stage) == 0)
				c->points[w->slot].stage += w->weight;
		}
		else if (topics->n == 0)
			c->points[w->slot].general += w->weight;
	}
	for (uint32 i = 0; i < topics->n;)
	{
		uint16		key = nurture_tally_entry(topics, i).key;

		/* of a tag no event had, none of those below it either */
		for (int tag_id = key; tag_id >= 0; tag_id = nurture_tag_parent(tag_id))
		{
			int			slot = nurture_content_slot(index, tag_id);

			if (slot >= 0 && index->tags[slot].interest != 0 &&
				c->points[slot].share == 0)
				c->points[slot].share = nurture_subject_interest(c->subject, tag_id);
		}
		while (i < topics->n && nurture_tally_entry(topics, i).key == key)
			i++;
	}
}

/* Looks up once what every candidate is compared with. */
static void
prepare(Choice *c, Subject *subject, const ContentRequest *request)
{
	memset(c, 0, sizeof(*c));
	c->index = request->index ? request->index : nurture_content_index();
	c->request = request;
	c->subject = subject;
	c->context = CurrentMemoryContext;
	c->audience = nurture_subject_text(subject, SUBJECT_AUDIENCE_TYPE);
	if (c->audience == NULL)
		c->audience = "unknown";
	c->performer = nurture_content_code(c->index->performers.codes,
										c->index->performers.n, c->audience);
	c->country = nurture_subject_text(subject, SUBJECT_COUNTRY);
	c->language = nurture_subject_text(subject, SUBJECT_LANGUAGE);
	c->role = nurture_subject_text(subject, SUBJECT_ROLE);
	nurture_subject_standing(subject);
	c->stage = subject->stage;
	c->required = tag_ids(request->required_tags, &c->nrequired);
	c->preferred = tag_ids(request->preferred_tags, &c->npreferred);
	prepare_sets(c);
	prepare_points(c);
}

/*
 * Fills the candidate of an entry, asking the filters from one on; all: every
 * one, else up to the first that fails.
 */
static void
judge(Choice *c, const IndexEntry *entry, ContentFilter from, bool all,
	  ContentCandidate *candidate)
{
	int			channel = -1;

	memset(candidate, 0, sizeof(*candidate));
	candidate->asset_id = entry->asset_id;
	candidate->version = entry->version;
	candidate->family = entry->family;
	candidate->purpose = entry->purpose;
	candidate->message_class = entry->message_class;
	candidate->priority = entry->priority;
	for (int f = from; f < CONTENT_FILTERS; f++)
	{
		/* asked about the asset, the gate would repeat what failed before */
		if (f == FILTER_CONSENT && candidate->failed != 0 &&
			strcmp(entry->message_class, "promotional") != 0)
			continue;
		if (!passes(c, entry, f, &channel))
		{
			candidate->failed |= 1u << f;
			if (!all)
				return;
		}
	}
	candidate->channel = channel >= 0 ? c->index->channels.codes[channel] : NULL;
	rank_entry(c, entry, candidate);
}

/* Orders by rank, editorial priority and asset; refused ones last. */
static int
compare_candidates(const void *a, const void *b)
{
	const ContentCandidate *x = a;
	const ContentCandidate *y = b;

	if ((x->failed == 0) != (y->failed == 0))
		return x->failed == 0 ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank > y->rank ? -1 : 1;
	if (x->priority != y->priority)
		return x->priority > y->priority ? -1 : 1;
	return strcmp(x->asset_id, y->asset_id);
}

static const char *
explain_rank(const ContentCandidate *chosen)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int t = 0; t < CONTENT_TERMS; t++)
	{
		if (chosen->terms[t] != 0)
			appendStringInfo(&buf, "%s%s %d", buf.len > 0 ? ", " : "",
							 term_codes[t], chosen->terms[t]);
	}
	if (buf.len == 0)
		appendStringInfoString(&buf, "no term speaks for or against it");
	return buf.data;
}

/*
 * Answers which asset fits a lead best.  Of the candidates that fail, the
 * filter that the last of them reached is the one to tell.
 */
ContentChoice
nurture_content_choose(Subject *subject, const ContentRequest *request)
{
	Choice		c;
	ContentChoice choice = {0};
	ContentCandidate *best = NULL;
	ContentCandidate candidate;
	Bits	   *alive;
	bool		some;
	int			last = -1;

	prepare(&c, subject, request);
	choice.selection = c.index->selection;
	choice.selection_version = c.index->selection_version;
	alive = bits_make(c.index->nentries);
	some = false;
	for (int w = 0; w < BITS_WORDS(c.index->nentries); w++)
	{
		alive[w] = ~c.index->components[w];
		some = some || alive[w] != 0;
	}
	for (int f = 0; some && f < SET_FILTERS; f++)
	{
		if (c.sets[f].all)
			continue;
		some = bits_keep(alive, c.sets[f].a, c.sets[f].b, c.index->nentries);
		last = f;
	}
	for (int i = some ? bits_next(alive, 0, c.index->nentries) : -1; i >= 0;
		 i = bits_next(alive, i + 1, c.index->nentries))
	{
		judge(&c, &c.index->entries[i], SET_FILTERS, false, &candidate);
		if (candidate.failed != 0)
		{
			last = Max(last, pg_rightmost_one_pos32(candidate.failed));
			continue;
		}
		if (best == NULL)
		{
			best = palloc(sizeof(ContentCandidate));
			*best = candidate;
		}
		else if (compare_candidates(&candidate, best) < 0)
			*best = candidate;
	}
	choice.chosen = best;
	if (best == NULL && last == FILTER_CONSENT)
	{
		choice.nrefusals = c.nrefusals;
		choice.refusals = c.refusals;
	}
	choice.reason = best != NULL ? explain_rank(best) :
		last >= 0 ? filter_codes[last] : "empty_library";
	return choice;
}

/* Returns every candidate with all its verdicts, the best first. */
ContentCandidate *
nurture_content_ledger(Subject *subject, const ContentRequest *request, int *n)
{
	Choice		c;
	ContentCandidate *result;

	prepare(&c, subject, request);
	*n = c.index->nentries;
	result = MemoryContextAllocHuge(CurrentMemoryContext,
									Max(*n, 1) * sizeof(ContentCandidate));
	*n = 0;
	for (int i = 0; i < c.index->nentries; i++)
	{
		if (!c.index->entries[i].component)
			judge(&c, &c.index->entries[i], 0, true, &result[(*n)++]);
	}
	qsort(result, *n, sizeof(ContentCandidate), compare_candidates);
	return result;
}
