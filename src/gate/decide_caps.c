/*
 * decide_caps.c
 *	  How often: frequency caps, the lead's own among them, and the occasion
 *	  that is used once.
 */
#include "base/compat.h"

#include "gate/decide.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

static bool
same_text(const char *a, const char *b)
{
	return a != NULL && b != NULL && strcmp(a, b) == 0;
}

static bool
cap_asks(const GateCap *cap, const char *channel, int class,
		 const char *purpose, const char *track)
{
	bool		listed = cap->any_channel;

	if ((cap->classes & class) == 0)
		return false;
	for (int i = 0; !listed && i < cap->nchannels; i++)
		listed = strcmp(cap->channels[i], channel) == 0;
	return listed &&
		(cap->purpose == NULL || same_text(cap->purpose, purpose)) &&
		(cap->track == NULL || same_text(cap->track, track));
}

static int
compare_times(const void *a, const void *b)
{
	TimestampTz x = *(const TimestampTz *) a;
	TimestampTz y = *(const TimestampTz *) b;

	return x < y ? -1 : x > y;
}

/* The times that a cap counts, ascending. */
typedef struct CapTimes
{
	const GateCap *cap;
	int			n;
	TimestampTz *times;
} CapTimes;

/*
 * Returns the first instant from t on at which one more message keeps every
 * window of the cap at n: n messages in a row that lie within one period
 * forbid what is less than a period from the first and from the last of them.
 */
static TimestampTz
cap_next(const CapTimes *times, TimestampTz t)
{
	const GateCap *cap = times->cap;

	for (int i = 0; i + cap->n <= times->n; i++)
	{
		TimestampTz first = times->times[i];
		TimestampTz last = times->times[i + cap->n - 1];

		if (last - first < cap->length &&
			t > last - cap->length && t < first + cap->length)
			t = first + cap->length;
	}
	return t;
}

/* Returns how many messages a cap counts in the period that ends at t. */
static int
cap_used(const CapTimes *times, TimestampTz t)
{
	int			used = 0;

	for (int i = 0; i < times->n; i++)
	{
		if (times->times[i] > t - times->cap->length)
			used++;
	}
	return used;
}

/*
 * Asks the frequency caps from start on; returns the first instant at which
 * all of them allow one more.  It is put off by at most the longest of their
 * periods, what would have to wait longer is refused.
 */
TimestampTz
nurture_gate_decide_caps(const GateRules *rules, const GateLead *lead,
						 const GateAsset *asset, const GateAsk *ask, int class,
						 TimestampTz start, GateDecision *decision)
{
	int			ncaps = rules->ncaps + lead->npreferences;
	CapTimes   *asked = palloc(sizeof(CapTimes) * Max(ncaps, 1));
	int			nasked = 0;
	int64		longest = 0;
	TimestampTz t = start;
	bool		moved = true;
	GateFinding *finding;

	for (int i = 0; i < ncaps; i++)
	{
		const GateCap *cap = i < rules->ncaps ? &rules->caps[i] :
		&lead->preferences[i - rules->ncaps];
		CapTimes   *times = &asked[nasked];

		if (!cap_asks(cap, ask->channel, class, decision->purpose, ask->track))
			continue;
		if (cap->same_family && (ask->no_asset || ask->occurrence_key != NULL))
			continue;
		if (cap->n == 0)
		{
			finding = nurture_gate_found(decision, cap->rule, false, GATE_REFUSE, "preference",
										 "the lead wants none");
			if (ask->remedies)
				finding->remedy = "Only the lead can change it, in nurture.preference.";
			continue;
		}
		times->cap = cap;
		times->n = 0;
		times->times = palloc(sizeof(TimestampTz) * Max(lead->nlive, 1));
		for (int j = 0; j < lead->nlive; j++)
		{
			const GateLive *live = &lead->live[j];

			if (cap_asks(cap, live->channel, live->class, live->purpose,
						 live->track) &&
				(cap->same_family ? same_text(live->family, asset->family) :
				 live->counts))
				times->times[times->n++] = live->at;
		}
		qsort(times->times, times->n, sizeof(TimestampTz), compare_times);
		nasked++;
		if (!cap->same_family)
			longest = Max(longest, cap->length);
	}

	/* caps push each other on until none does */
	while (moved && t <= start + longest)
	{
		moved = false;
		for (int i = 0; i < nasked; i++)
		{
			TimestampTz next;

			if (asked[i].cap->same_family)
				continue;
			next = cap_next(&asked[i], t);
			if (next != t)
			{
				t = next;
				moved = true;
			}
		}
	}
	for (int i = 0; i < nasked; i++)
	{
		const GateCap *cap = asked[i].cap;
		TimestampTz next = cap_next(&asked[i], start);
		bool		late = t > start + longest;

		finding = nurture_gate_found(decision, cap->rule, next == start,
									 cap->same_family || late ? GATE_REFUSE : GATE_DEFER,
									 cap->same_family ? "duplicate" :
									 cap->preference ? "preference" : "frequency_cap",
									 psprintf("%d of %d in %s", cap_used(&asked[i], start),
											  cap->n, cap->period_text));
		if (next != start)
			finding->passes_from = cap->same_family ? next : t;
		if (ask->remedies && next != start)
			finding->remedy = cap->same_family ?
				"Choose an asset of another family." :
				psprintf("Allowed from %s on.", nurture_gate_when(t));
	}
	return t;
}

/* Asks whether the occasion was used. */
void
nurture_gate_decide_occurrence(const GateLead *lead, const GateAsset *asset,
							   const GateAsk *ask, GateDecision *decision)
{
	uint32		hash;
	bool		used = false;
	GateFinding *finding;

	if (ask->occurrence_key == NULL || asset->family == NULL)
		return;
	hash = nurture_gate_text_hash(ask->occurrence_key);
	for (int i = 0; !used && i < lead->nlive; i++)
		used = lead->live[i].occurrence_hash == hash &&
			same_text(lead->live[i].occurrence_key, ask->occurrence_key) &&
			same_text(lead->live[i].family, asset->family);
	finding = nurture_gate_found(decision, "uniqueness", !used, GATE_REFUSE, "duplicate",
								 used ? "used" : "not used");
	if (ask->remedies && used)
		finding->remedy = "Give another occurrence_key, when it is another occasion.";
}
