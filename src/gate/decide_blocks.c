/*
 * decide_blocks.c
 *	  What blocks the lead or its address: no contact point, suppressions,
 *	  stops and pauses.
 */
#include "base/compat.h"

#include "gate/contact_point.h"
#include "gate/decide.h"
#include "gate/stop.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* Asks whether there is an address that the message may go to. */
static void
decide_address(const GateLead *lead, const GateAsk *ask, int class,
			   GateDecision *decision)
{
	GateFinding *finding;
	bool		sound = ask->contact_known && ask->contact_fault == NULL;
	const char *kind;
	GateVerdict verdict;

	finding = nurture_gate_found(decision, "contact_point",
								 sound || !ask->contact_needed, GATE_REFUSE,
								 ask->contact_known ? "contact_point_invalid" :
								 "no_contact_point",
								 !ask->contact_needed ? "none asked for" :
								 sound ? "known" :
								 ask->contact_known ? ask->contact_fault :
								 "unknown");
	if (ask->remedies && finding->reason)
		finding->remedy = psprintf("UPDATE nurture.lead SET %s = '...' WHERE lead_id = " INT64_FORMAT,
								   ask->contact_email ? "email" : "phone",
								   lead->lead_id);
	verdict = nurture_address_verdict(ask->address_kinds, class, &kind);
	finding = nurture_gate_found(decision, "address_kind",
								 verdict == GATE_ALLOW, verdict,
								 kind && strcmp(kind, "role") == 0 ?
								 "role_address" : "disposable_address",
								 kind ? kind : "personal");
	if (ask->remedies && finding->reason)
		finding->remedy = psprintf("Ask the lead for an address of its own, or change the row %s of nurture.address_policy.",
								   kind);
}

/* Returns what lifts a stop, as a call where there is one. */
static char *
stop_remedy(const GateLead *lead, const GateStop *stop)
{
	if (strstr(stop->lifted_by, "resume"))
		return psprintf("SELECT nurture_resume(" INT64_FORMAT ", '<reason>')",
						lead->lead_id);
	if (strstr(stop->lifted_by, "explicit_grant"))
		return psprintf("SELECT nurture_opt_in(" INT64_FORMAT ", '*')",
						lead->lead_id);
	if (strstr(stop->lifted_by, "new_address"))
		return psprintf("UPDATE nurture.lead SET %s = '...' WHERE lead_id = " INT64_FORMAT,
						stop->scope.channels == NULL ||
						nurture_gate_listed(stop->scope.channels, "email") ? "email" : "phone",
						lead->lead_id);
	if (strstr(stop->lifted_by, "handoff_returned"))
		return psprintf("SELECT nurture_return(lead_id, handoff_id, '<reason>') FROM nurture.handoff"
						" WHERE lead_id = " INT64_FORMAT " AND state IN ('accepted', 'working', 'met')",
						lead->lead_id);
	if (strcmp(stop->lifted_by, "{}") == 0)
		return TIMESTAMP_IS_NOEND(stop->until) ?
			psprintf("Nothing lifts it; stop rule %s has no lifted_by.", stop->rule) :
			psprintf("Passes from %s on.", nurture_gate_when(stop->until));
	return psprintf("Lifted by %s.", stop->lifted_by);
}

/* Asks the stops and pauses in force; shadow rules only say what they would. */
static void
decide_stops(const GateLead *lead, const GateAsset *asset, const GateAsk *ask,
			 int class, GateDecision *decision)
{
	int			stops = 0;
	int			pauses = 0;

	for (int i = 0; i < lead->nstops; i++)
	{
		const GateStop *stop = &lead->stops[i];
		bool		pause = stop->kind == STOP_PAUSE;
		GateFinding *finding;

		if (stop->until <= ask->now ||
			!nurture_stop_covers(&stop->scope, class, ask->channel,
								 decision->purpose, ask->track, asset->products))
			continue;
		if (stop->kind == STOP_SLOW)
		{
			if (!stop->shadow)
			{
				finding = nurture_gate_found(decision, "slow_down", true, GATE_ALLOW, NULL,
											 psprintf("%s: times %d.%02d, until %s", stop->rule,
													  stop->factor / 100, stop->factor % 100,
													  nurture_gate_when(stop->until)));
				finding->version = stop->rule;
			}
			continue;
		}
		if (stop->shadow)
		{
			finding = nurture_gate_found(decision, "stop_shadow", true, GATE_ALLOW, NULL,
										 psprintf("%s would refuse, until %s", stop->rule,
												  nurture_gate_when(stop->until)));
			finding->version = stop->rule;
			continue;
		}
		finding = nurture_gate_found(decision, pause ? "pause" : "stop", false, GATE_REFUSE,
									 pause ? "paused" : "stopped",
									 psprintf("%s, until %s", stop->rule,
											  nurture_gate_when(stop->until)));
		finding->version = stop->rule;
		finding->passes_from = stop->until;
		if (pause)
			pauses++;
		else
			stops++;
		if (ask->remedies)
			finding->remedy = stop_remedy(lead, stop);
	}
	if (stops == 0)
		(void) nurture_gate_found(decision, "stop", true, GATE_REFUSE, NULL, "none");
	if (pauses == 0)
		(void) nurture_gate_found(decision, "pause", true, GATE_REFUSE, NULL, "none");
}

/* Asks what blocks the lead or its address. */
void
nurture_gate_decide_blocks(const GateLead *lead, const GateAsset *asset,
						   const GateAsk *ask, int class,
						   GateDecision *decision)
{
	GateFinding *finding;

	decide_address(lead, ask, class, decision);
	for (int i = 0; i < ask->nsuppressions; i++)
	{
		const GateSuppression *block = &ask->suppressions[i];

		finding = nurture_gate_found(decision, "suppression", false, GATE_REFUSE,
									 "suppressed",
									 psprintf("%s: %s, until %s", block->scope,
											  block->reason, nurture_gate_when(block->until)));
		finding->version = psprintf("%s:%s", block->scope, block->reason);
		finding->passes_from = block->until;
		if (ask->remedies)
			finding->remedy =
				strcmp(block->scope, "lead_address") == 0 ?
				psprintf("A new address lifts it: UPDATE nurture.lead SET %s = '...' WHERE lead_id = " INT64_FORMAT,
						 ask->contact_email ? "email" : "phone",
						 lead->lead_id) :
				strcmp(block->scope, "lead") == 0 ?
				psprintf("SELECT nurture_unsuppress('lead', '" INT64_FORMAT "', '<reason>')",
						 lead->lead_id) :
				strcmp(block->scope, "account") == 0 ?
				psprintf("SELECT nurture_unsuppress('account', '" INT64_FORMAT "', '<reason>')",
						 lead->account_id) :
				strcmp(block->scope, "domain") == 0 ?
				"SELECT nurture_unsuppress('domain', '<domain>', '<reason>')" :
				psprintf("SELECT nurture_unsuppress('contact_point', (SELECT %s FROM nurture.lead WHERE lead_id = " INT64_FORMAT "), '<reason>')",
						 ask->contact_email ? "email" :
						 "nurture_normal_phone(phone, country)",
						 lead->lead_id);
	}
	if (ask->nsuppressions == 0)
		(void) nurture_gate_found(decision, "suppression", true, GATE_REFUSE, NULL, "none");
	decide_stops(lead, asset, ask, class, decision);
}
