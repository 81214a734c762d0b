/*
 * decide_when.c
 *	  When: caps, quiet hours, blackouts and rest together say from which
 *	  instant on the message may go out.
 *
 * The instant is computed (core/contact.c), never tried for: a message that is
 * put off says until when.
 */
#include "base/compat.h"

#include "gate/decide_when.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

const LeadClocks *
nurture_when_where(When *when)
{
	if (!when->where_known)
		nurture_lead_clocks(when->rules->contact, when->lead->time_zone,
							when->lead->country, &when->where);
	when->where_known = true;
	if (when->where.n == 0)
		when->zone_missing = true;
	return &when->where;
}

/* Tells quiet hours and where: "20:00-08:00 in Europe/Paris". */
static char *
said_in(const char *text, const char *where)
{
	int			len = strlen(text);
	int			where_len = strlen(where);
	char	   *said = palloc(len + where_len + 5);

	memcpy(said, text, len);
	memcpy(said + len, " in ", 4);
	memcpy(said + len + 4, where, where_len + 1);
	return said;
}

static void
ask_quiet(When *when, GateDecision *decision)
{
	ContactRule *rule = &when->asked[when->n];
	WhenRule   *told = &when->told[when->n];
	const char *text;

	/* the clocks are looked up only when a row binds */
	if (!nurture_quiet_rule(when->rules->contact, when->lead->country,
							when->ask->channel, when->class, &when->where,
							rule, &text))
		return;
	(void) nurture_when_where(when);
	rule->nclocks = when->where.n;
	rule->clocks = when->where.clocks;
	if (rule->nclocks == 0)
		return;
	told->rule = "quiet_hours";
	told->reason = "quiet_hours";
	told->cap = NULL;
	told->fact = said_in(text, when->where.text);
	when->n++;
}

/* Of a lead whose country is not known any blackout may be meant. */
static void
ask_blackouts(When *when, GateDecision *decision)
{
	const ContactPolicy *policy = when->rules->contact;
	const char *country = when->lead->country;
	int			before = when->n;

	for (int i = 0; i < policy->nblackouts; i++)
	{
		const BlackoutRow *row = &policy->blackouts[i];
		ContactRule *rule = &when->asked[when->n];
		WhenRule   *told = &when->told[when->n];

		if ((row->classes & when->class) == 0 ||
			row->end <= when->start || row->begin > when->limit ||
			(row->market[0] != '*' && country != NULL &&
			 strcmp(row->market, country) != 0) ||
			(row->channel[0] != '*' &&
			 strcmp(row->channel, when->ask->channel) != 0))
			continue;
		memset(rule, 0, sizeof(*rule));
		rule->kind = CONTACT_BARRED;
		rule->begin = row->begin;
		rule->end = row->end;
		told->rule = row->rule;
		told->reason = "blackout";
		told->cap = NULL;
		told->fact = row->market;
		when->n++;
	}
	if (when->n == before && policy->nblackouts > 0)
		(void) nurture_gate_found(decision, "blackout", true, GATE_DEFER, NULL,
								  "none ahead");
}

static void
ask_rests(When *when, GateDecision *decision)
{
	const ContactPolicy *policy = when->rules->contact;
	bool		any = false;
	int			before = when->n;

	for (int i = 0; i < policy->nrests && !any; i++)
		any = (policy->rests[i].classes & when->class) != 0 &&
			nurture_contact_listed(policy->rests[i].channels,
								   policy->rests[i].nchannels,
								   when->ask->channel);
	for (int i = 0; any && i < when->lead->nrests; i++)
	{
		const GateRest *rest = &when->lead->rests[i];
		const RestRow *row = &policy->rests[rest->row];
		ContactRule *rule = &when->asked[when->n];
		WhenRule   *told = &when->told[when->n];

		if ((row->classes & when->class) == 0 ||
			!nurture_contact_listed(row->channels, row->nchannels,
									when->ask->channel))
			continue;
		memset(rule, 0, sizeof(*rule));
		rule->kind = CONTACT_BARRED;
		rule->begin = PG_INT64_MIN;
		rule->end = contact_instant(rest->at) + row->length;
		told->rule = row->rule;
		told->reason = "rest_period";
		told->cap = NULL;
		told->fact = psprintf("%s from %s", row->period_text,
							  nurture_gate_when(rest->at));
		when->n++;
	}
	if (any && when->n == before)
		(void) nurture_gate_found(decision, "rest", true, GATE_DEFER, NULL,
								  "nothing lately");
}

/* Tells the first instant that a rule allows by the clock of the lead. */
static char *
opens(const When *when, TimestampTz at)
{
	struct pg_tm tm;
	fsec_t		fsec;
	int			offset;

	if (when->where.clocks != &when->where.own_clock ||
		timestamp2tm(at, &offset, &tm, &fsec, NULL, when->where.own.tz) != 0)
		return psprintf("Opens %s.", nurture_gate_when(at));
	return psprintf("Opens %04d-%02d-%02d %02d:%02d:%02d %s.", tm.tm_year,
					tm.tm_mon, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
					when->where.text);
}

/* Adds what the rules said; next is the instant at which all allow. */
static void
tell(const When *when, int64 next, GateDecision *decision)
{
	bool		never = next == NURTURE_CONTACT_NEVER;

	for (int i = 0; i < when->n; i++)
	{
		const WhenRule *told = &when->told[i];
		const ContactRule *rule = &when->asked[i];
		bool		late = rule->passes_from == NURTURE_CONTACT_NEVER;
		const char *fact = told->fact;
		GateFinding *finding;

		if (told->cap != NULL)
			fact = nurture_gate_used(told->cap,
									 nurture_contact_used(rule, when->start),
									 rule->n);
		finding = nurture_gate_found(decision, told->rule, rule->passes,
									 never ? GATE_REFUSE : GATE_DEFER,
									 told->reason, fact);
		if (rule->passes)
			continue;
		if (!late)
			finding->passes_from = contact_timestamp(rule->passes_from);
		if (!when->ask->remedies)
			continue;
		finding->remedy = never ?
			"It would have to wait longer than nurture.contact_policy.horizon." :
			strcmp(told->rule, "quiet_hours") == 0 ?
			opens(when, finding->passes_from) :
			psprintf("Allowed from %s on.", nurture_gate_when(contact_timestamp(next)));
	}
}

/*
 * Asks everything that may put the message off, from start on; returns the
 * first instant at which all of it allows.  What would have to wait longer than
 * the horizon is refused.
 */
TimestampTz
nurture_gate_decide_when(const GateRules *rules, const GateLead *lead,
						 const GateAsset *asset, const GateAsk *ask, int class,
						 TimestampTz start, GateDecision *decision)
{
	const ContactPolicy *policy = rules->contact;
	int			room = rules->ncaps + lead->npreferences + policy->nblackouts +
	lead->nrests + 1;
	When		when = {
		.rules = rules,.lead = lead,.asset = asset,.ask = ask,.class = class
	};
	int64		next;

	when.start = contact_instant(start);
	when.limit = when.start + policy->horizon;
	when.told = palloc(sizeof(WhenRule) * room);
	when.asked = palloc(sizeof(ContactRule) * room);
	nurture_gate_ask_caps(&when, decision);
	ask_quiet(&when, decision);
	ask_blackouts(&when, decision);
	ask_rests(&when, decision);
	if (when.zone_missing)
	{
		GateFinding *finding = nurture_gate_found(decision, "time_zone", false,
												  GATE_REFUSE, "zone_unknown",
												  lead->country == NULL ?
												  "country unknown" :
												  "no zone of the country known");

		if (ask->remedies)
			finding->remedy = psprintf("UPDATE nurture.lead SET time_zone = '..' WHERE lead_id = " INT64_FORMAT,
									   lead->lead_id);
	}
	next = nurture_contact_next(when.asked, when.n, when.start, when.limit);
	tell(&when, next, decision);
	return next == NURTURE_CONTACT_NEVER ? start : contact_timestamp(next);
}

/* Asks whether the lead is held out at the instant at which it would be sent. */
void
nurture_gate_decide_holdout(const GateRules *rules, const GateLead *lead,
							int class, TimestampTz at, GateDecision *decision)
{
	const ContactPolicy *policy = rules->contact;

	for (int i = 0; i < policy->nholdouts; i++)
	{
		const HoldoutRow *row = &policy->holdouts[i];
		bool		chosen;

		if ((row->classes & class) == 0 || at < row->from || at >= row->until)
			continue;
		chosen = nurture_holdout_chooses(row, lead->lead_id);
		(void) nurture_gate_found(decision, row->rule, !chosen, GATE_REFUSE,
								  "holdout", chosen ? "held out" : "not held out");
	}
}
