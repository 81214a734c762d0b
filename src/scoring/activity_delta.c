/*
 * activity_delta.c
 *	  Gathers counts of many leads and builds their tallies.
 *
 * A statement may bring millions of events in any order of leads.  Each count
 * is appended as (place of the lead, key, day), and placed by a counting sort
 * when all are there, or when so many are there that combining them frees
 * memory; so a COPY needs little more room than the tallies it makes.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "miscadmin.h"
#include "scoring/activity.h"
#include "scoring/tally_type.h"
#include "utils/memutils.h"

#define SIGNALS 0
#define TOPICS 1
#define KINDS 2

/* counts that are gathered before they are combined: 64 MB */
#define DELTA_FOLD_AT (8 * 1024 * 1024)

typedef struct DeltaCount
{
	uint32		place;			/* of the lead */
	uint16		key;
	uint16		day;
} DeltaCount;

typedef struct CountList
{
	DeltaCount *counts;
	size_t		n;
	size_t		room;
} CountList;

typedef struct PlaceEntry
{
	int64		lead_id;
	uint32		place;
	char		status;
} PlaceEntry;

/* Ids are often consecutive: mixes them as splitmix64 does. */
static inline uint32
hash_lead(int64 lead_id)
{
	uint64		h = (uint64) lead_id;

	h ^= h >> 33;
	h *= UINT64CONST(0xff51afd7ed558ccd);
	h ^= h >> 33;
	return (uint32) (h >> 16) ^ (uint32) h;
}

#define SH_PREFIX places
#define SH_ELEMENT_TYPE PlaceEntry
#define SH_KEY_TYPE int64
#define SH_KEY lead_id
#define SH_HASH_KEY(tb, key) hash_lead(key)
#define SH_EQUAL(tb, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
/* the server's own header shadows a variable of itself */
#pragma GCC diagnostic push
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wshadow=compatible-local"
#endif
#include "lib/simplehash.h"
#pragma GCC diagnostic pop

struct ActivityDelta
{
	MemoryContext context;
	places_hash *places;
	DeltaLead  *leads;			/* by place */
	uint32		nleads;
	uint32		room;
	int64		last_lead;		/* lead of the last call */
	uint32		last_place;
	CountList	lists[KINDS];
	struct ActivityDelta *guarded;	/* counts that ask for consent, or NULL */
};

/* Makes an empty delta in the current memory context. */
ActivityDelta *
nurture_delta_create(void)
{
	ActivityDelta *delta = palloc0(sizeof(ActivityDelta));

	delta->context = CurrentMemoryContext;
	delta->room = 4;
	delta->leads = palloc(delta->room * sizeof(DeltaLead));
	return delta;
}

static uint32
find_place(ActivityDelta *delta, int64 lead_id)
{
	DeltaLead  *lead;
	uint32		place = delta->nleads;

	if (delta->nleads > 0)
	{
		if (delta->last_lead == lead_id)
			return delta->last_place;

		/* statements about one lead do without the hash table */
		if (delta->places == NULL)
		{
			bool		found;

			delta->places = places_create(delta->context, 64, NULL);
			places_insert(delta->places, delta->last_lead, &found)->place = 0;
		}
	}
	delta->last_lead = lead_id;
	if (delta->places != NULL)
	{
		bool		found;
		PlaceEntry *entry = places_insert(delta->places, lead_id, &found);

		if (found)
		{
			delta->last_place = entry->place;
			return entry->place;
		}
		entry->place = place;
	}
	delta->last_place = place;
	if (delta->nleads == delta->room)
	{
		if (delta->room > PG_UINT32_MAX / 2)
			nurture_tally_raise(TALLY_TOO_LARGE);
		delta->room *= 2;
		delta->leads = repalloc_huge(delta->leads,
									 delta->room * sizeof(DeltaLead));
	}
	lead = &delta->leads[delta->nleads++];
	lead->lead_id = lead_id;
	lead->last_event_at = DT_NOBEGIN;
	lead->first_day = PG_INT32_MAX;
	lead->signals = (Datum) 0;
	lead->topics = (Datum) 0;
	return place;
}

/* Makes a lead part of the delta, with or without counts. */
void
nurture_delta_lead(ActivityDelta *delta, int64 lead_id)
{
	(void) find_place(delta, lead_id);
}

static inline void
list_put(ActivityDelta *delta, CountList *list, uint32 place, uint16 key,
		 uint16 day)
{
	DeltaCount *count;

	if (unlikely(list->n == list->room))
	{
		list->room = Max(list->room * 2, 16);
		if (list->counts == NULL)
			list->counts = MemoryContextAlloc(delta->context,
											  list->room * sizeof(DeltaCount));
		else
			list->counts = repalloc_huge(list->counts,
										 list->room * sizeof(DeltaCount));
	}
	count = &list->counts[list->n++];
	count->place = place;
	count->key = key;
	count->day = day;
}

/*
 * Turns a list into tallies: counting sort by place, then one build per lead,
 * added to what the lead had before.
 */
static void
fold_list(ActivityDelta *delta, int kind)
{
	CountList  *list = &delta->lists[kind];
	TallyEntry *entries;
	size_t	   *ends;
	MemoryContext old;

	if (list->n == 0)
		return;
	old = MemoryContextSwitchTo(delta->context);
	entries = MemoryContextAllocHuge(delta->context,
									 list->n * sizeof(TallyEntry));
	ends = MemoryContextAllocExtended(delta->context,
									  (delta->nleads + (size_t) 1) * sizeof(size_t),
									  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (size_t i = 0; i < list->n; i++)
		ends[list->counts[i].place + 1]++;
	for (uint32 place = 0; place < delta->nleads; place++)
		ends[place + 1] += ends[place];

	/* after this ends[place] is where the lead's entries end */
	for (size_t i = 0; i < list->n; i++)
	{
		DeltaCount *count = &list->counts[i];
		TallyEntry *e = &entries[ends[count->place]++];

		e->key = count->key;
		e->day = count->day;
		e->count = 1;
	}
	for (uint32 place = 0; place < delta->nleads; place++)
	{
		DeltaLead  *lead = &delta->leads[place];
		Datum	   *tally = kind == SIGNALS ? &lead->signals : &lead->topics;
		size_t		begin = place > 0 ? ends[place - 1] : 0;
		Datum		made;

		if (ends[place] == begin)
			continue;
		if ((place & 0xFFFF) == 0)
			CHECK_FOR_INTERRUPTS();
		made = nurture_tally_from_entries(entries + begin,
										  ends[place] - begin, 0);
		if (*tally == (Datum) 0)
			*tally = made;
		else
		{
			Datum		sum = nurture_tally_plus(*tally, made);

			pfree(DatumGetPointer(*tally));
			pfree(DatumGetPointer(made));
			*tally = sum;
		}
	}
	pfree(entries);
	pfree(ends);
	list->n = 0;
	MemoryContextSwitchTo(old);
}

/* Adds what of an event asks for consent. */
static void
count_guarded(ActivityDelta *delta, int64 lead_id, TimestampTz occurred_at,
			  const EventMatch *match)
{
	EventMatch	guarded = {
		.nsignals = match->nsignals - match->ncounted,
		.ncounted = match->nsignals - match->ncounted,
		.signals = match->signals + match->ncounted,
		.ntopics = match->nguarded,
		.topics = match->guarded
	};

	if (delta->guarded == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(delta->context);

		delta->guarded = nurture_delta_create();
		MemoryContextSwitchTo(old);
	}
	nurture_delta_count(delta->guarded, lead_id, occurred_at, &guarded);
}

/* Adds one event: one for each counted signal and topic it matched. */
void
nurture_delta_count(ActivityDelta *delta, int64 lead_id,
					TimestampTz occurred_at, const EventMatch *match)
{
	uint32		place = find_place(delta, lead_id);
	DeltaLead  *lead = &delta->leads[place];

	if (occurred_at > lead->last_event_at)
		lead->last_event_at = occurred_at;
	if (match->ncounted > 0 || match->ntopics > 0)
	{
		int32		day = nurture_day_of(occurred_at);

		if (day < lead->first_day)
			lead->first_day = day;
		for (int i = 0; i < match->ncounted; i++)
			list_put(delta, &delta->lists[SIGNALS], place,
					 (uint16) match->signals[i], (uint16) day);
		for (int i = 0; i < match->ntopics; i++)
			list_put(delta, &delta->lists[TOPICS], place,
					 match->topics[i], (uint16) day);
	}
	for (int kind = 0; kind < KINDS; kind++)
	{
		if (unlikely(delta->lists[kind].n >= DELTA_FOLD_AT))
			fold_list(delta, kind);
	}
	if (unlikely(match->nsignals > match->ncounted || match->nguarded > 0))
		count_guarded(delta, lead_id, occurred_at, match);
}

/* Returns what was gathered apart, NULL when nothing was. */
ActivityDelta *
nurture_delta_guarded(ActivityDelta *delta)
{
	return delta->guarded;
}

static int
compare_leads(const void *a, const void *b)
{
	int64		x = (*(DeltaLead *const *) a)->lead_id;
	int64		y = (*(DeltaLead *const *) b)->lead_id;

	return (x > y) - (x < y);
}

/* Builds what is left and returns the leads in order. */
DeltaLead **
nurture_delta_finish(ActivityDelta *delta, uint32 *nleads)
{
	MemoryContext old = MemoryContextSwitchTo(delta->context);
	DeltaLead **sorted;
	TallyEntry	nothing;
	Datum		empty;
	bool		in_order = true;

	for (int kind = 0; kind < KINDS; kind++)
		fold_list(delta, kind);
	empty = nurture_tally_from_entries(&nothing, 0, 0);
	sorted = MemoryContextAllocHuge(delta->context,
									Max(delta->nleads, 1) * sizeof(DeltaLead *));
	for (uint32 i = 0; i < delta->nleads; i++)
	{
		DeltaLead  *lead = &delta->leads[i];

		sorted[i] = lead;
		if (lead->signals == (Datum) 0)
			lead->signals = empty;
		if (lead->topics == (Datum) 0)
			lead->topics = empty;
		if (i > 0 && lead[-1].lead_id > lead->lead_id)
			in_order = false;
	}
	if (!in_order)
		qsort(sorted, delta->nleads, sizeof(DeltaLead *), compare_leads);
	MemoryContextSwitchTo(old);
	*nleads = delta->nleads;
	return sorted;
}
