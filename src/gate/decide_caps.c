/*
 * decide_caps.c
 *	  How often: frequency caps, the lead's own among them, and the occasion
 *	  that is used once.
 */
#include "base/compat.h"

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

/* Fills the rule of a cap with the messages that it counts. */
static void
cap_rule(const GateCap *cap, const When *when, int32 pace, ContactRule *rule)
{
	const GateLead *lead = when->lead;
	int64	   *times = palloc(sizeof(int64) * Max(lead->nlive, 1));

	memset(rule, 0, sizeof(*rule));
	rule->n = cap->n;
	rule->times = times;
	for (int i = 0; i < lead->nlive; i++)
	{
		const GateLive *live = &lead->live[i];

		if (cap_asks(cap, live->channel, live->class, live->purpose,
					 live->track) &&
			(cap->same_family ? same_text(live->family, when->asset->family) :
			 live->counts))
			times[rule->ntimes++] = contact_instant(live->at);
	}
	if (rule->ntimes > 1)
		qsort(times, rule->ntimes, sizeof(int64), compare_times);
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

	cap_rule(cap, when, NORMAL_PACE, &rule);
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
		cap_rule(cap, when,
				 cap->preference ? NORMAL_PACE : pace,
				 rule);
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
