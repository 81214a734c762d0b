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

#include "catalog/pg_type.h"
#include "content/choose.h"
#include "content/choose_private.h"
#include "content/requested.h"
#include "facts/past.h"
#include "facts/vocabulary.h"
#include "gate/gate.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"

/* days within which engagement with a topic is looked at for depth */
#define DEPTH_WINDOW_DAYS 90

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
has_tag_under(const ContentIndex *index, const IndexLook *look, int tag_id)
{
	const uint16 *slots = &index->runs[look->tags];

	for (int i = 0; i < look->ntags; i++)
	{
		if (nurture_tag_under(index->tags[slots[i]].tag_id, tag_id))
			return true;
	}
	return false;
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
dimension_fits(const Choice *c, const IndexLook *look, int dimension)
{
	const uint16 *slots = &c->index->runs[look->tags];

	for (int i = 0; i < look->ntags; i++)
	{
		const IndexTag *tag = &c->index->tags[slots[i]];

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

/* Tells whether an entry offers what the lead has asked for. */
static bool
has_requested(const Choice *c, const IndexLook *look)
{
	const uint16 *slots = &c->index->runs[look->tags];

	for (int i = 0; i < look->ntags; i++)
	{
		if (c->requested[slots[i]])
			return true;
	}
	return false;
}

static bool
fits_step(const Choice *c, int i)
{
	const IndexLook *look = &c->index->looks[i];

	if (c->request->family != NULL &&
		strcmp(c->request->family, c->index->entries[i].family) != 0)
		return false;
	if (c->request->format != NULL &&
		strcmp(c->request->format, c->index->formats.codes[look->format]) != 0)
		return false;
	for (int r = 0; r < c->nrequired; r++)
	{
		if (c->required[r] < 0 || !has_tag_under(c->index, look, c->required[r]))
			return false;
	}
	return true;
}

/* Tells whether an entry is at most one deeper than the lead has gone. */
static inline bool
depth_fits(Choice *c, const IndexLook *look)
{
	const uint16 *slots = &c->index->runs[look->tags];
	bool		has_topic = false;

	if (look->depth <= 1)
		return true;
	nurture_choice_events(c);
	for (int i = 0; i < look->ntags; i++)
	{
		const TagPoints *points = &c->points[slots[i]];

		if (!points->topic)
			continue;
		has_topic = true;
		if (look->depth > points->depth + 1)
			return false;
	}
	return has_topic || look->depth <= c->engaged_depth + 1;
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

/* Asks one filter about an entry; *channel is filled by the last. */
static inline bool
passes(Choice *c, int i, ContentFilter filter, int *channel)
{
	const IndexLook *look = &c->index->looks[i];

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
			return nurture_choice_in_sets(c, filter, i);
		case FILTER_REQUESTED:
			return c->requested == NULL || !has_requested(c, look);
		case FILTER_ROLE:
			return !look->has_role || dimension_fits(c, look, c->index->role);
		case FILTER_READING_LEVEL:
			return !look->has_reading_level ||
				dimension_fits(c, look, c->index->reading_level);
		case FILTER_STEP:
			return !c->of_step || fits_step(c, i);
		case FILTER_SEEN:
			return !nurture_choice_family_used(c, i);
		case FILTER_DEPTH:
			return depth_fits(c, look);
		case FILTER_PREREQUISITE:
			return !look->has_prerequisites ||
				prerequisites_met(c, &c->index->entries[i]);
		case FILTER_CONSENT:
			*channel = permitted_channel(c, &c->index->entries[i]);
			return *channel >= 0;
		case CONTENT_FILTERS:
			break;
	}
	return true;
}

/*
 * Returns the first filter behind those that are sets and before the gate that
 * an entry fails, FILTER_CONSENT when it is none.
 */
static inline ContentFilter
first_failed(Choice *c, int i)
{
	/* a loop would have the processor guess which filter is next */
	if (!passes(c, i, FILTER_REQUESTED, NULL))
		return FILTER_REQUESTED;
	if (!passes(c, i, FILTER_ROLE, NULL))
		return FILTER_ROLE;
	if (!passes(c, i, FILTER_READING_LEVEL, NULL))
		return FILTER_READING_LEVEL;
	if (!passes(c, i, FILTER_STEP, NULL))
		return FILTER_STEP;
	if (!passes(c, i, FILTER_SEEN, NULL))
		return FILTER_SEEN;
	if (!passes(c, i, FILTER_DEPTH, NULL))
		return FILTER_DEPTH;
	if (!passes(c, i, FILTER_PREREQUISITE, NULL))
		return FILTER_PREREQUISITE;
	return FILTER_CONSENT;
}

StaticAssertDecl(SET_FILTERS == FILTER_REQUESTED &&
				 FILTER_CONSENT == FILTER_REQUESTED + 7 &&
				 CONTENT_FILTERS == FILTER_CONSENT + 1,
				 "first_failed asks every filter");

/* Returns points of one weight row for an entry's depth. */
static int32
depth_points(Choice *c, const IndexLook *look, const IndexWeight *w)
{
	const uint16 *slots = &c->index->runs[look->tags];
	int32		points = 0;

	for (int i = 0; i < look->ntags; i++)
	{
		int			engaged = c->points[slots[i]].topic ? c->points[slots[i]].depth : 0;

		if (engaged == 0)
			continue;
		if (w->term == WEIGHT_DEPTH_SAME)
		{
			if (look->depth == engaged)
				points += w->weight;
		}
		else if (look->depth == engaged + 1 &&
				 nurture_tally_count(&c->subject->topics,
									 (uint16) c->index->tags[slots[i]].tag_id,
									 c->subject->today - DEPTH_WINDOW_DAYS,
									 c->subject->today) >= Max(w->parameter, 1))
			points += w->weight;
	}
	return points;
}

/* Returns what a weight row gives a version for how new it is. */
static int32
freshness_points(const Choice *c, const IndexLook *look, const IndexWeight *w)
{
	int64		window = Max(w->parameter, 1) * USECS_PER_DAY;
	int64		age = c->request->at - look->approved_at;

	if (TIMESTAMP_NOT_FINITE(look->approved_at) || age < 0 || age >= window)
		return 0;
	return (int32) (w->weight * ((window - age) / USECS_PER_SEC) / (window / USECS_PER_SEC));
}

/* Fills the terms of an entry's rank, and returns their sum. */
static int32
rank_entry(Choice *c, int entry, int32 terms[CONTENT_TERMS])
{
	const ContentIndex *index = c->index;
	const IndexLook *look = &index->looks[entry];
	const uint16 *slots = &index->runs[look->tags];
	int64		interest = 0;
	bool		engaged = false;
	int32		rank = 0;

	memset(terms, 0, sizeof(int32) * CONTENT_TERMS);
	nurture_choice_events(c);
	for (int i = 0; i < look->ntags; i++)
	{
		const TagPoints *points = &c->points[slots[i]];

		interest += points->interest;
		terms[TERM_GENERAL] += points->general;
		terms[TERM_STAGE] += points->stage;
		engaged |= points->topic && points->depth > 0;
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
						has_tag_under(index, look, c->preferred[p]))
						terms[TERM_PREFERRED] += w->weight;
				}
				break;
			case WEIGHT_DEPTH_NEXT:
			case WEIGHT_DEPTH_SAME:
				if (engaged && look->depth > 0)
					terms[TERM_DEPTH] += depth_points(c, look, w);
				break;
			case WEIGHT_FRESHNESS:
				terms[TERM_FRESHNESS] += freshness_points(c, look, w);
				break;
			case WEIGHT_FORMAT:
				if (c->nformats > 0)
					terms[TERM_FORMAT] += w->weight * c->formats[look->format] / c->nformats;
				break;
			case WEIGHT_PRIORITY:
				terms[TERM_PRIORITY] += w->weight * look->priority;
				break;
		}
	}
	for (int i = 0; look->has_performance && i < index->entries[entry].nperformance; i++)
	{
		const IndexPerformance *row = &index->entries[entry].performance[i];

		if (row->audience < 0 || row->audience == c->performer)
			terms[TERM_PERFORMANCE] += row->points;
	}
	for (int t = 0; t < CONTENT_TERMS; t++)
		rank += terms[t];
	return rank;
}

/* Notes what tags are worth: the lead's interest in them, and the weights. */
static void
prepare_points(Choice *c)
{
	const ContentIndex *index = c->index;
	const Tally *topics = &c->subject->topics;

	c->points = palloc0(Max(index->nslots, 1) * sizeof(TagPoints));
	for (int slot = 0; slot < index->nslots; slot++)
		c->points[slot].topic = index->tags[slot].dimension == index->topic;
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
				c->points[slot].interest == 0)
				c->points[slot].interest = index->tags[slot].interest *
					nurture_subject_interest(c->subject, tag_id);
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
	c->of_step = request->family != NULL || request->format != NULL || c->nrequired > 0;
	nurture_choice_sets(c);
	c->requested = nurture_content_requested(c->index, subject, request->at);
	prepare_points(c);
}

/* Fills a candidate with what its entry is. */
static void
describe(const Choice *c, int i, ContentCandidate *candidate)
{
	const IndexEntry *entry = &c->index->entries[i];

	candidate->asset_id = entry->asset_id;
	candidate->version = entry->version;
	candidate->family = entry->family;
	candidate->purpose = entry->purpose;
	candidate->message_class = entry->message_class;
	candidate->priority = c->index->looks[i].priority;
	candidate->channel = NULL;
	candidate->failed = 0;
}

/* Fills the candidate of an entry, asking every filter. */
static void
judge(Choice *c, int i, ContentCandidate *candidate)
{
	int			channel = -1;

	describe(c, i, candidate);
	for (int f = 0; f < CONTENT_FILTERS; f++)
	{
		/* asked about the asset, the gate would repeat what failed before */
		if (f == FILTER_CONSENT && candidate->failed != 0 &&
			strcmp(candidate->message_class, "promotional") != 0)
			continue;
		if (!passes(c, i, f, &channel))
			candidate->failed |= 1u << f;
	}
	if (channel >= 0)
		candidate->channel = c->index->channels.codes[channel];
	candidate->rank = rank_entry(c, i, candidate->terms);
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
 * filter that the last of them reached is the one to tell.  The gate is asked
 * about those only that would be better than what was found.
 */
ContentChoice
nurture_content_choose(Subject *subject, const ContentRequest *request)
{
	Choice		c;
	ContentChoice choice = {0};
	ContentCandidate *best = NULL;
	ContentCandidate candidate;
	Bits	   *alive;
	int			last = -1;

	prepare(&c, subject, request);
	choice.selection = c.index->selection;
	choice.selection_version = c.index->selection_version;
	alive = nurture_choice_alive(&c);
	if (alive == NULL)
		last = nurture_choice_last_set(&c);
	for (int i = alive ? bits_next(alive, 0, c.index->nentries) : -1; i >= 0;
		 i = bits_next(alive, i + 1, c.index->nentries))
	{
		ContentFilter failed = first_failed(&c, i);
		int			channel;

		if (failed != FILTER_CONSENT)
		{
			last = Max(last, (int) failed);
			continue;
		}
		candidate.rank = rank_entry(&c, i, candidate.terms);
		if (best != NULL && candidate.rank < best->rank)
			continue;
		describe(&c, i, &candidate);
		if (best != NULL && compare_candidates(&candidate, best) >= 0)
			continue;
		if (!passes(&c, i, FILTER_CONSENT, &channel))
		{
			last = FILTER_CONSENT;
			continue;
		}
		candidate.channel = c.index->channels.codes[channel];
		if (best == NULL)
			best = palloc(sizeof(ContentCandidate));
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
			judge(&c, i, &result[(*n)++]);
	}
	qsort(result, *n, sizeof(ContentCandidate), compare_candidates);
	return result;
}
