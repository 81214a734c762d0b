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

#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "content/choose.h"
#include "facts/vocabulary.h"
#include "gate/gate.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* days within which engagement with a topic is looked at for depth */
#define DEPTH_WINDOW_DAYS 90

/* by the lead and what was merged into it, as the gate counts */
static KeptPlan families_used =
KEPT_PLAN("WITH RECURSIVE who AS (SELECT $1 AS lead_id UNION "
		  "SELECT l.lead_id FROM who "
		  "JOIN nurture.lead l ON l.merged_into = who.lead_id) "
		  "SELECT family, count(*) "
		  "FROM who JOIN nurture.message m USING (lead_id) "
		  "WHERE status IN ('queued', 'held', 'taken', 'sent', "
		  "'delivered') "
		  "AND coalesce(sent_at, greatest(not_before, decided_at), "
		  "decided_at) > $2 GROUP BY family",
		  INT8OID, TIMESTAMPTZOID);

/*
 * Events carry the tags their asset had when they came, so topic and depth of
 * one event belong together.
 */
static KeptPlan engagements =
KEPT_PLAN("SELECT e.event_type, e.tags, a.family, max(e.occurred_at) "
		  "FROM nurture.event e "
		  "LEFT JOIN nurture.asset a ON a.asset_id = e.asset_id "
		  "WHERE e.lead_id = $1 AND e.occurred_at <= $2 "
		  "AND (e.tags IS NOT NULL OR e.asset_id IS NOT NULL) "
		  "GROUP BY 1, 2, 3",
		  INT8OID, TIMESTAMPTZOID);

static const char *const filter_codes[CONTENT_FILTERS] = {
	"not_in_force", "block_not_in_force", "market", "audience", "language",
	"channel", "message_class", "role", "reading_level", "step", "seen",
	"depth", "prerequisite", "consent"
};

static const char *const term_codes[CONTENT_TERMS] = {
	"interest", "general", "stage", "preferred", "depth", "freshness",
	"priority"
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

/* What the gate said about a channel and purpose. */
typedef struct ChannelAnswer
{
	int			channel;
	const char *purpose;
	bool		refused;
} ChannelAnswer;

typedef struct Choice
{
	const ContentIndex *index;
	const ContentRequest *request;
	Subject    *subject;
	MemoryContext context;
	const char *audience;
	const char *country;
	const char *language;
	const char *role;
	const char *stage;
	uint64		audience_bit;
	uint64		channel_bits;	/* asked for */
	int			nrequired;
	int		   *required;		/* tag ids */
	int			npreferred;
	int		   *preferred;
	int64	   *shares;			/* per tag slot; -1 = not asked yet */
	bool		families_read;
	int			nfamilies;
	char	  **families;		/* sent within the no-repeat window */
	int			nown_families;
	char	  **own_families;	/* taken by the lead within it */
	bool		events_read;
	int			ntopics;
	EngagedTopic *topics;
	int			engaged_depth;	/* with any topic */
	int			nanswers;
	ChannelAnswer answers[INDEX_MAX_CODES];
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
has_tag_under(const IndexEntry *entry, int tag_id)
{
	for (int i = 0; i < entry->ntags; i++)
	{
		if (nurture_tag_under(entry->tags[i].tag_id, tag_id))
			return true;
	}
	return false;
}

static bool
in_force(const IndexEntry *entry, TimestampTz at)
{
	return entry->approved && entry->valid.from <= at && at < entry->valid.until;
}

static bool
blocks_in_force(const Choice *c, const IndexEntry *entry)
{
	for (int i = 0; i < entry->nblocks; i++)
	{
		if (entry->blocks[i] < 0 ||
			!in_force(&c->index->entries[entry->blocks[i]], c->request->at))
			return false;
	}
	return true;
}

/* A language that is not known is none, as the gate sees it. */
static bool
speaks(const Choice *c, const IndexEntry *entry)
{
	size_t		primary;

	if (nurture_content_code(entry->languages, entry->nlanguages, "*") >= 0)
		return true;
	if (c->language == NULL)
		return false;
	primary = strcspn(c->language, "-_");
	for (int i = 0; i < entry->nlanguages; i++)
	{
		const char *l = entry->languages[i];

		if (strcmp(l, c->language) == 0 ||
			(strlen(l) == primary && strncmp(l, c->language, primary) == 0))
			return true;
	}
	return false;
}

static bool
class_allowed(const Choice *c, const IndexEntry *entry)
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
	return found == NULL ||
		nurture_content_code(found->classes, found->nclasses, entry->message_class) >= 0;
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

	for (int i = 0; promotional && i < c->nanswers; i++)
	{
		if (c->answers[i].channel == channel &&
			strcmp(c->answers[i].purpose, entry->purpose) == 0)
			return c->answers[i].refused;
	}
	answer = nurture_gate_may_contact(c->subject->lead_id,
									  c->index->channels[channel], entry->purpose,
									  promotional ? NULL : entry->asset_id,
									  promotional ? 0 : entry->version,
									  c->request->at);
	if (promotional && answer.particular && answer.verdict != GATE_REFUSE)
	{
		promotional = false;
		answer = nurture_gate_may_contact(c->subject->lead_id,
										  c->index->channels[channel],
										  entry->purpose, entry->asset_id,
										  entry->version, c->request->at);
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
	for (int i = 0; i < entry->nchannels; i++)
	{
		int			channel = entry->channel_order[i];

		if ((c->channel_bits & (UINT64CONST(1) << channel)) != 0 &&
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
		const IndexTag *tag = &entry->tags[i];

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
	for (int i = 0; i < c->nrequired; i++)
	{
		if (c->required[i] < 0 || !has_tag_under(entry, c->required[i]))
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
	else if (c->ntopics % 16 == 0)
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

/* Reads what the lead engaged with: topics with their depth, and families. */
static void
read_events(Choice *c)
{
	TimestampTz since = c->request->at - c->index->repeat_window;
	Datum		values[2];
	OwnerSwitch save;
	int			level;

	c->events_read = true;
	values[0] = Int64GetDatum(c->subject->lead_id);
	values[1] = TimestampTzGetDatum(c->request->at);
	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	nurture_execute(&engagements, values, NULL, !c->subject->fresh);
	c->own_families = MemoryContextAlloc(c->context, Max(SPI_processed, 1) * sizeof(char *));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		Datum		tags = nurture_cell(i, 2, &isnull);
		char	   *family = nurture_cell_text(i, 3);
		bool		ignored;

		if (!is_engagement(nurture_cell_text(i, 1)))
			continue;
		if (!isnull)
			engage_event(c, tags);
		if (family != NULL && c->index->repeat_limit > 0 &&
			DatumGetTimestampTz(nurture_cell(i, 4, &ignored)) > since)
			c->own_families[c->nown_families++] = MemoryContextStrdup(c->context, family);
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
}

/* Reads the families that messages used within the no-repeat window. */
static void
read_families(Choice *c)
{
	Datum		values[2];
	OwnerSwitch save;
	int			level;

	c->families_read = true;
	if (c->index->repeat_limit <= 0)
		return;
	values[0] = Int64GetDatum(c->subject->lead_id);
	values[1] = TimestampTzGetDatum(c->request->at - c->index->repeat_window);
	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	nurture_execute(&families_used, values, NULL, !c->subject->fresh);
	c->families = MemoryContextAlloc(c->context, Max(SPI_processed, 1) * sizeof(char *));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		char	   *family = nurture_cell_text(i, 1);

		if (family != NULL &&
			DatumGetInt64(nurture_cell(i, 2, &isnull)) >= c->index->repeat_limit)
			c->families[c->nfamilies++] = MemoryContextStrdup(c->context, family);
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
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

/* Returns the highest depth at which the lead engaged with a topic. */
static int
topic_depth(Choice *c, int tag_id)
{
	int			depth = 0;

	if (!c->events_read)
		read_events(c);
	for (int i = 0; i < c->ntopics; i++)
	{
		if (nurture_tag_under(c->topics[i].tag_id, tag_id))
			depth = Max(depth, c->topics[i].depth);
	}
	return depth;
}

/* Tells whether an entry is at most one deeper than the lead has gone. */
static bool
depth_fits(Choice *c, const IndexEntry *entry)
{
	bool		has_topic = false;

	if (entry->depth <= 1)
		return true;
	for (int i = 0; i < entry->ntags; i++)
	{
		if (entry->tags[i].dimension != c->index->topic)
			continue;
		has_topic = true;
		if (entry->depth > topic_depth(c, entry->tags[i].tag_id) + 1)
			return false;
	}
	if (has_topic)
		return true;
	if (!c->events_read)
		read_events(c);
	return entry->depth <= c->engaged_depth + 1;
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
	switch (filter)
	{
		case FILTER_NOT_IN_FORCE:
			return in_force(entry, c->request->at);
		case FILTER_BLOCK:
			return entry->nblocks == 0 || blocks_in_force(c, entry);
		case FILTER_MARKET:
			return entry->nmarkets == 0 ||
				(c->country != NULL &&
				 nurture_content_code(entry->markets, entry->nmarkets, c->country) >= 0);
		case FILTER_AUDIENCE:
			return (entry->audiences & c->audience_bit) != 0;
		case FILTER_LANGUAGE:
			return speaks(c, entry);
		case FILTER_CHANNEL:
			return (entry->channels & c->channel_bits) != 0;
		case FILTER_MESSAGE_CLASS:
			return class_allowed(c, entry);
		case FILTER_CONSENT:
			*channel = permitted_channel(c, entry);
			return *channel >= 0;
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
		case CONTENT_FILTERS:
			break;
	}
	return true;
}

/* Returns the lead's share of interest in a tag, in millionths. */
static int64
share_of(Choice *c, const IndexTag *tag)
{
	if (c->shares[tag->slot] < 0)
		c->shares[tag->slot] = nurture_subject_interest(c->subject, tag->tag_id);
	return c->shares[tag->slot];
}

/* Returns points of one weight row for an entry's depth. */
static int32
depth_points(Choice *c, const IndexEntry *entry, const IndexWeight *w,
			 bool next)
{
	int32		points = 0;

	if (entry->depth == 0)
		return 0;
	for (int i = 0; i < entry->ntags; i++)
	{
		const IndexTag *tag = &entry->tags[i];
		int			engaged;

		if (tag->dimension != c->index->topic)
			continue;
		engaged = topic_depth(c, tag->tag_id);
		if (!next)
		{
			if (engaged > 0 && entry->depth == engaged)
				points += w->weight;
		}
		else if (engaged > 0 && entry->depth == engaged + 1 &&
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
	bool		no_interest = c->subject->topics.n == 0;
	int64		interest = 0;

	for (int i = 0; i < entry->ntags; i++)
	{
		int32		weight = index->dimension_weights[entry->tags[i].dimension];

		if (weight != 0)
			interest += weight * share_of(c, &entry->tags[i]);
	}
	candidate->terms[TERM_INTEREST] = (int32) (interest / 1000000);

	for (int i = 0; i < index->nweights; i++)
	{
		const IndexWeight *w = &index->weights[i];

		if (strcmp(w->term, "general") == 0)
		{
			for (int t = 0; no_interest && t < entry->ntags; t++)
			{
				if (strcmp(index->dimensions[entry->tags[t].dimension], w->subject) == 0 &&
					strcmp(entry->tags[t].value, w->value) == 0)
					candidate->terms[TERM_GENERAL] += w->weight;
			}
		}
		else if (strcmp(w->term, "stage") == 0)
		{
			for (int t = 0; strcmp(w->subject, c->stage) == 0 && t < entry->ntags; t++)
			{
				if (strcmp(index->dimensions[entry->tags[t].dimension], "funnel_stage") == 0 &&
					strcmp(entry->tags[t].value, w->value) == 0)
					candidate->terms[TERM_STAGE] += w->weight;
			}
		}
		else if (strcmp(w->term, "preferred") == 0)
		{
			for (int p = 0; p < c->npreferred; p++)
			{
				if (c->preferred[p] >= 0 && has_tag_under(entry, c->preferred[p]))
					candidate->terms[TERM_PREFERRED] += w->weight;
			}
		}
		else if (strcmp(w->term, "depth_next") == 0)
			candidate->terms[TERM_DEPTH] += depth_points(c, entry, w, true);
		else if (strcmp(w->term, "depth_same") == 0)
			candidate->terms[TERM_DEPTH] += depth_points(c, entry, w, false);
		else if (strcmp(w->term, "freshness") == 0)
		{
			int64		window = Max(w->parameter, 1) * USECS_PER_DAY;
			int64		age = c->request->at - entry->approved_at;

			if (!TIMESTAMP_NOT_FINITE(entry->approved_at) && age >= 0 && age < window)
				candidate->terms[TERM_FRESHNESS] +=
					(int32) (w->weight * ((window - age) / USECS_PER_SEC) / (window / USECS_PER_SEC));
		}
		else if (strcmp(w->term, "priority") == 0)
			candidate->terms[TERM_PRIORITY] += w->weight * entry->priority;
	}
	for (int t = 0; t < CONTENT_TERMS; t++)
		candidate->rank += candidate->terms[t];
}

/* Looks up once what every candidate is compared with. */
static void
prepare(Choice *c, Subject *subject, const ContentRequest *request)
{
	int			audience;

	memset(c, 0, sizeof(*c));
	c->index = nurture_content_index();
	c->request = request;
	c->subject = subject;
	c->context = CurrentMemoryContext;
	c->audience = nurture_subject_text(subject, SUBJECT_AUDIENCE_TYPE);
	if (c->audience == NULL)
		c->audience = "unknown";
	c->country = nurture_subject_text(subject, SUBJECT_COUNTRY);
	c->language = nurture_subject_text(subject, SUBJECT_LANGUAGE);
	c->role = nurture_subject_text(subject, SUBJECT_ROLE);
	nurture_subject_standing(subject);
	c->stage = subject->stage;
	audience = nurture_content_code(c->index->audiences, c->index->naudiences, c->audience);

	/*
	 * An audience that no asset names still fits those that name all.
	 */
	c->audience_bit = audience >= 0 ? UINT64CONST(1) << audience :
		c->index->naudiences < INDEX_MAX_CODES ?
		UINT64CONST(1) << c->index->naudiences : 0;
	c->channel_bits = INDEX_ALL;
	if (request->channel != NULL)
	{
		int			channel = nurture_content_code(c->index->channels, c->index->nchannels, request->channel);

		c->channel_bits = channel >= 0 ? UINT64CONST(1) << channel : 0;
	}
	c->required = tag_ids(request->required_tags, &c->nrequired);
	c->preferred = tag_ids(request->preferred_tags, &c->npreferred);
	c->shares = palloc(Max(c->index->nslots, 1) * sizeof(int64));
	memset(c->shares, 0xff, Max(c->index->nslots, 1) * sizeof(int64));
}

/* Fills the candidate of an entry; all: asks every filter, else up to the
 * first that fails. */
static void
judge(Choice *c, const IndexEntry *entry, bool all, ContentCandidate *candidate)
{
	int			channel = -1;

	memset(candidate, 0, sizeof(*candidate));
	candidate->asset_id = entry->asset_id;
	candidate->version = entry->version;
	candidate->family = entry->family;
	candidate->purpose = entry->purpose;
	candidate->message_class = entry->message_class;
	candidate->priority = entry->priority;
	for (int f = 0; f < CONTENT_FILTERS; f++)
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
	candidate->channel = channel >= 0 ? c->index->channels[channel] : NULL;
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
	int			last = -1;

	prepare(&c, subject, request);
	choice.selection = c.index->selection;
	choice.selection_version = c.index->selection_version;
	for (int i = 0; i < c.index->nentries; i++)
	{
		judge(&c, &c.index->entries[i], false, &candidate);
		if (candidate.failed != 0)
		{
			int			filter = 0;

			while ((candidate.failed & (1u << filter)) == 0)
				filter++;
			last = Max(last, filter);
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
	for (int i = 0; i < *n; i++)
		judge(&c, &c.index->entries[i], true, &result[i]);
	qsort(result, *n, sizeof(ContentCandidate), compare_candidates);
	return result;
}
