/*
 * decide_caps.c
 *	  How often: frequency caps, the lead's own among them, and the occasion
 *	  that is used once.
 */
#include "base/compat.h"

#include "base/rulecache.h"
#include "gate/decide_when.h"
#include "utils/builtins.h"

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
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return x < y ? -1 : x > y;
}

/*
 * Tells whether a cap counts a message; one of a family asks for the asset's
 * and counts what was held or bounced, too.
 */
static bool
cap_counts(const GateCap *cap, const GateAsset *asset, const GateLive *live)
{
	return cap_asks(cap, live->channel, live->class, live->purpose, live->track) &&
		(cap->same_family ? same_text(live->family, asset->family) : live->counts);
}

/* Lists the times of the messages of the asset's family. */
static void
count_family(const GateCap *cap, const When *when, ContactRule *rule)
{
	const GateLead *lead = when->lead;
	int64	   *times = palloc(sizeof(int64) * Max(lead->nlive, 1));

	rule->times = times;
	for (int i = 0; i < lead->nlive; i++)
	{
		if (cap_counts(cap, when->asset, &lead->live[i]))
			times[rule->ntimes++] = contact_instant(lead->live[i].at);
	}
	if (rule->ntimes > 1)
		qsort(times, rule->ntimes, sizeof(int64), compare_times);
}

/* Takes a time into its place; most come in their order. */
static void
add_time(GateCounted *counted, int64 time, MemoryContext context)
{
	int			place = counted->ntimes;

	if (counted->ntimes == counted->maxtimes)
	{
		counted->maxtimes = Max(counted->maxtimes * 2, 8);
		counted->times = counted->times == NULL ?
			MemoryContextAlloc(context, sizeof(int64) * counted->maxtimes) :
			repalloc_huge(counted->times, sizeof(int64) * counted->maxtimes);
	}
	while (place > 0 && counted->times[place - 1] > time)
		place--;
	memmove(&counted->times[place + 1], &counted->times[place],
			sizeof(int64) * (counted->ntimes - place));
	counted->times[place] = time;
	counted->ntimes++;
}

/*
 * Lists the times of the messages that a cap counts, whatever the asset: those
 * that a statement adds to a lead's are looked at once.
 */
static void
count_all(const GateCap *cap, int place, const When *when, ContactRule *rule)
{
	const GateLead *lead = when->lead;
	GateCapped *capped = lead->capped;
	GateCounted *counted;

	if (capped->n == 0 || capped->epoch != nurture_rules_epoch)
	{
		capped->n = 0;
		capped->epoch = nurture_rules_epoch;
		capped->counted = MemoryContextAllocZero(lead->context, sizeof(GateCounted) *
												 (when->rules->ncaps + lead->npreferences));
		capped->n = when->rules->ncaps + lead->npreferences;
	}
	counted = &capped->counted[place];
	for (; counted->seen < lead->nlive; counted->seen++)
	{
		const GateLive *live = &lead->live[counted->seen];

		if (cap_counts(cap, NULL, live))
			add_time(counted, contact_instant(live->at), lead->context);
	}
	rule->times = counted->times;
	rule->ntimes = counted->ntimes;
}

/* Fills the rule of the cap at a place with the messages that it counts. */
static void
cap_rule(const GateCap *cap, int place, const When *when, int32 pace,
		 ContactRule *rule)
{
	memset(rule, 0, sizeof(*rule));
	rule->n = cap->n;
	if (cap->same_family)
		count_family(cap, when, rule);
	else
		count_all(cap, place, when, rule);
	if (cap->days > 0)
	{
		rule->kind = CONTACT_CALENDAR;
		rule->days = cap->days;
		rule->n = Max(cap->n * NORMAL_PACE / pace, 1);
		return;
	}
	rule->kind = CONTACT_ROLLING;
	rule->length = cap->length / NORMAL_PACE * pace +
		cap->length % NORMAL_PACE * pace / NORMAL_PACE;
}

/* Asks whether the lead had the asset's family already. */
static void
ask_family(const GateCap *cap, const When *when, GateDecision *decision)
{
	ContactRule rule;
	int64		next;
	GateFinding *finding;

	cap_rule(cap, 0, when, NORMAL_PACE, &rule);
	next = nurture_contact_rule_next(&rule, when->start,
									 NURTURE_CONTACT_NEVER - 1);
	finding = nurture_gate_found(decision, cap->rule, next == when->start,
								 GATE_REFUSE, "duplicate",
								 nurture_gate_used(cap,
												   nurture_contact_used(&rule, when->start),
												   cap->n));
	if (next == when->start)
		return;
	finding->passes_from = contact_timestamp(next);
	if (when->ask->remedies)
		finding->remedy = "Choose an asset of another family.";
}

/*
 * Adds the caps that a message has to keep.  What a lead wants none of and
 * what repeats a family is refused here: neither is put off.  Slowing a lead
 * down stretches rolling periods and takes from calendar counts, those of the
 * company: what the lead said stays as said.
 */
void
nurture_gate_ask_caps(When *when, GateDecision *decision)
{
	const GateRules *rules = when->rules;
	const GateLead *lead = when->lead;
	const GateAsk *ask = when->ask;
	int32		pace = Max(nurture_gate_pace(lead, when->class, ask->channel,
											 decision->purpose, ask->track,
											 when->asset->products, ask->now),
						   NORMAL_PACE);

	for (int i = 0; i < rules->ncaps + lead->npreferences; i++)
	{
		const GateCap *cap = i < rules->ncaps ? &rules->caps[i] :
		&lead->preferences[i - rules->ncaps];
		ContactRule *rule = &when->asked[when->n];
		WhenRule   *told = &when->told[when->n];

		if (!cap_asks(cap, ask->channel, when->class, decision->purpose, ask->track))
			continue;
		if (cap->same_family)
		{
			if (!ask->no_asset && ask->occurrence_key == NULL)
				ask_family(cap, when, decision);
			continue;
		}
		if (cap->n == 0)
		{
			GateFinding *finding = nurture_gate_found(decision, cap->rule, false,
													  GATE_REFUSE, "preference",
													  "the lead wants none");

			if (ask->remedies)
				finding->remedy = "Only the lead can change it, in nurture.preference.";
			continue;
		}
		cap_rule(cap, i, when, cap->preference ? NORMAL_PACE : pace, rule);
		if (cap->days > 0)
		{
			rule->nclocks = 1;
			rule->clocks = &rules->contact->company_clock;
			if (!cap->company)
			{
				rule->nclocks = nurture_when_where(when)->n;
				rule->clocks = when->where.clocks;
			}
			if (rule->nclocks == 0)
				continue;
		}
		told->rule = cap->rule;
		told->reason = cap->preference ? "preference" : "frequency_cap";
		told->cap = cap;
		told->fact = NULL;
		when->n++;
	}
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
