/*
 * decide.c
 *	  The verdict about one message, from what was read under the gate row.
 *
 * Every rule is asked and every reason kept, not only the first.  A fact that
 * is missing never allows anything.  Nothing here reads or writes: the same
 * code decides for INSERT, for nurture_may_contact and for the explanation.
 */
#include "base/compat.h"

#include "gate/decide.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#define CAP_DIGITS	12			/* of a number */

/* Adds the answer of a rule; returns it to be filled further. */
GateFinding *
nurture_gate_found(GateDecision *decision, const char *rule, bool passed,
				   GateVerdict verdict, const char *reason, const char *fact)
{
	GateFinding *finding;

	if (!passed && verdict == GATE_REVIEW && decision->ruled)
	{
		passed = true;
		fact = psprintf("%s; a person allowed it", fact);
	}
	if (decision->nfindings == GATE_MAX_RULES)
	{
		/* too many caps to tell of each: what fails must still count */
		if (!passed && verdict > decision->verdict)
			decision->verdict = verdict;
		finding = &decision->findings[GATE_MAX_RULES - 1];
		if (passed)
			return finding;
	}
	else
		finding = &decision->findings[decision->nfindings++];
	finding->rule = rule;
	finding->reason = passed ? NULL : reason;
	finding->verdict = passed ? GATE_ALLOW : verdict;
	finding->fact = fact;
	finding->version = NULL;
	finding->passes_from = DT_NOBEGIN;
	finding->remedy = NULL;
	if (finding->verdict > decision->verdict)
		decision->verdict = finding->verdict;
	return finding;
}

/* Tells an instant, for people. */
char	   *
nurture_gate_when(TimestampTz at)
{
	if (TIMESTAMP_IS_NOEND(at))
		return "it is lifted";
	return pstrdup(timestamptz_to_str(at));
}

/* Tells how much of a cap is used: "0 of 2 in 7 days, lead_week". */
char	   *
nurture_gate_used(const GateCap *cap, int used, int n)
{
	int			period = strlen(cap->period_text);
	int			clock = cap->clock ? strlen(cap->clock) : 0;
	char	   *said = palloc(2 * CAP_DIGITS + period + clock + 16);
	char	   *end = said + pg_ltoa(used, said);

	/* every message asks each cap: the server's printf takes a while */
	memcpy(end, " of ", 4);
	end += 4;
	end += pg_ltoa(n, end);
	memcpy(end, " in ", 4);
	memcpy(end + 4, cap->period_text, period);
	end += 4 + period;
	if (clock > 0)
	{
		memcpy(end, ", ", 2);
		memcpy(end + 2, cap->clock, clock);
		end += 2 + clock;
	}
	*end = '\0';
	return said;
}

/* Asks what needs the asset version alone. */
static void
decide_asset(const GateAsset *asset, const GateAsk *ask,
			 GateDecision *decision)
{
	GateFinding *finding;
	TimestampTz last = Max(ask->now, ask->not_before);
	bool		begun;
	bool		open;

	finding = nurture_gate_found(decision, "asset_known", asset->found, GATE_REFUSE,
								 "asset_unknown",
								 asset->found ? asset->content_hash : "no such version");
	if (!asset->found)
	{
		if (ask->remedies)
			finding->remedy = "Name an asset and version of nurture.asset_version.";
		return;
	}
	finding = nurture_gate_found(decision, "asset_approved", asset->in_force, GATE_REFUSE,
								 "asset_not_approved", asset->status);
	if (ask->remedies && !asset->in_force)
		finding->remedy =
			psprintf("SELECT nurture_approve('asset', %s, %d, 'medical', 'approved', 'fit for use')",
					 quote_literal_cstr(asset->asset_id), asset->version);

	begun = asset->from_excluded ? ask->now > asset->valid_from :
		ask->now >= asset->valid_from;
	open = asset->until_included ? last <= asset->valid_until :
		last < asset->valid_until;
	finding = nurture_gate_found(decision, "asset_in_force", begun && open, GATE_REFUSE,
								 "asset_not_in_force",
								 !begun ? "not yet valid" : open ? "valid" : "expired");
	if (!begun)
		finding->passes_from = asset->valid_from;
	finding = nurture_gate_found(decision, "asset_blocks", asset->blocks, GATE_REFUSE,
								 "block_not_in_force",
								 asset->blocks ? "in force" : asset->missing_block);
	if (ask->remedies && !asset->blocks)
		finding->remedy = psprintf("Have a version of block %s approved.",
								   asset->missing_block);
	if (asset->nclaims > 0 || !asset->claims_in_force)
	{
		finding = nurture_gate_found(decision, "asset_claims", asset->claims_in_force,
									 GATE_REFUSE, "claim_not_in_force",
									 asset->claims_in_force ? "in force" : asset->missing_claim);
		if (ask->remedies && !asset->claims_in_force)
			finding->remedy = psprintf("Have a version of claim %s approved.",
									   asset->missing_claim);
	}
	finding = nurture_gate_found(decision, "asset_channel",
								 nurture_gate_listed(asset->channels, ask->channel),
								 GATE_REFUSE, "channel_not_supported", ask->channel);
}

/* Tells whether two language codes have the same primary language. */
static bool
language_listed(ArrayType *languages, const char *language)
{
	const char *dash;

	if (nurture_gate_listed(languages, language))
		return true;
	if (language == NULL)
		return false;
	dash = strpbrk(language, "-_");
	return dash != NULL &&
		nurture_gate_listed(languages, pnstrdup(language, dash - language));
}

/* Asks whether what the version claims may be said to this lead. */
static void
decide_claims(const GateLead *lead, const GateAsset *asset,
			  GateDecision *decision)
{
	const char *market = NULL;
	const char *audience = NULL;

	if (asset->nclaims == 0)
		return;
	for (int i = 0; i < asset->nclaims; i++)
	{
		const GateClaim *claim = &asset->claims[i];

		if (market == NULL && !nurture_gate_listed(claim->markets, lead->country))
			market = claim->claim;
		if (audience == NULL &&
			!nurture_gate_listed(claim->audience_types, lead->audience_type))
			audience = claim->claim;
	}
	(void) nurture_gate_found(decision, "claim_market", market == NULL, GATE_REFUSE,
							  "claim_not_allowed", market ? market : "allowed");
	(void) nurture_gate_found(decision, "claim_audience", audience == NULL, GATE_REFUSE,
							  "claim_not_allowed", audience ? audience : "allowed");
}

/* Asks for what a policy wants the version to be made with. */
static void
decide_part(const GateContentPolicy *policy, const GateAsset *asset,
			const char *rule, const char *block, const char *reason,
			const GateAsk *ask, GateDecision *decision)
{
	GateFinding *finding =
	nurture_gate_found(decision, psprintf("content:%s:%s", policy->name, rule),
					   block == NULL ? asset->unsubscribe :
					   asset->made_with != NULL &&
					   nurture_gate_listed(asset->made_with, block),
					   GATE_REFUSE, reason, block ? block : "slot unsubscribe");

	finding->version = policy->name;
	if (ask->remedies && finding->reason != NULL)
		finding->remedy = block ? psprintf("Add a version that is made with block %s.", block) :
			"Add a version with a block in slot unsubscribe.";
}

/* Asks what the content policies that apply to the lead want. */
static void
decide_content(const GateRules *rules, const GateLead *lead,
			   const GateAsset *asset, const GateAsk *ask,
			   GateDecision *decision)
{
	for (int i = 0; i < rules->ncontent; i++)
	{
		const GateContentPolicy *policy = &rules->content[i];

		if ((policy->classes & asset->class) == 0 ||
			(strcmp(policy->market, "*") != 0 &&
			 (lead->country == NULL || strcmp(policy->market, lead->country) != 0)) ||
			(strcmp(policy->audience_type, "*") != 0 &&
			 strcmp(policy->audience_type, lead->audience_type) != 0))
			continue;
		if (policy->safety_block != NULL)
			decide_part(policy, asset, "safety_block", policy->safety_block,
						"safety_block_missing", ask, decision);
		if (policy->disclaimer != NULL)
			decide_part(policy, asset, "disclaimer", policy->disclaimer,
						"disclaimer_missing", ask, decision);
		if (policy->unsubscribe)
			decide_part(policy, asset, "unsubscribe", NULL,
						"unsubscribe_missing", ask, decision);
	}
}

/* Asks whether the asset version is made for this lead. */
static void
decide_fit(const GateLead *lead, const GateAsset *asset, const GateAsk *ask,
		   GateDecision *decision)
{
	GateFinding *finding;
	const char *language;

	finding = nurture_gate_found(decision, "market",
								 nurture_gate_listed(asset->markets, lead->country),
								 GATE_REFUSE, "market", lead->country ? lead->country :
								 "country unknown");
	if (ask->remedies && lead->country == NULL)
		finding->remedy = psprintf("UPDATE nurture.lead SET country = '..' WHERE lead_id = " INT64_FORMAT,
								   lead->lead_id);
	finding = nurture_gate_found(decision, "audience",
								 nurture_gate_listed(asset->audience_types,
													 lead->audience_type),
								 GATE_REFUSE, "audience", lead->audience_type);
	/* the language the lead asked for comes before the one it was found with */
	language = nurture_gate_wish(lead, ask->channel, GATE_WISH_LANGUAGE);
	if (language == NULL)
		language = lead->language;
	finding = nurture_gate_found(decision, "language",
								 language_listed(asset->languages, language),
								 GATE_REFUSE, "language",
								 language ? language : "language unknown");
	if (ask->remedies && language == NULL)
		finding->remedy = psprintf("UPDATE nurture.lead SET language = '..' WHERE lead_id = " INT64_FORMAT,
								   lead->lead_id);
}

static void
decide_stage(const GateRules *rules, const GateLead *lead, int class,
			 GateDecision *decision)
{
	int			classes = -1;

	for (int i = 0; i < rules->nstages; i++)
	{
		const GateStage *stage = &rules->stages[i];
		bool		own = strcmp(stage->audience_type, lead->audience_type) == 0;

		if (strcmp(stage->stage, lead->stage) == 0 &&
			(own || (classes < 0 && strcmp(stage->audience_type, "*") == 0)))
		{
			classes = stage->classes;
			if (own)
				break;
		}
	}
	(void) nurture_gate_found(decision, "stage", classes > 0 && (classes & class) != 0,
							  GATE_REFUSE, "class_not_allowed_in_stage", lead->stage);
}

/* Decides about one message. */
void
nurture_gate_decide(const GateRules *rules, const GateLead *lead,
					const GateAsset *asset, const GateAsk *ask,
					GateDecision *decision)
{
	TimestampTz start = Max(ask->now, ask->not_before);
	TimestampTz at = start;
	int			class = ask->no_asset ? CLASS_PROMOTIONAL : asset->class;
	bool		disqualified;

	decision->ruled = ask->ruled;
	decision->verdict = GATE_ALLOW;
	decision->nfindings = 0;
	decision->not_before = start;
	decision->purpose = ask->purpose ? ask->purpose :
		asset->purpose ? asset->purpose : "marketing";
	decision->parts = ask->no_asset ? NULL : asset->parts;
	decision->review_scope = NULL;
	decision->particular = lead->found && lead->nwishes > 0;

	(void) nurture_gate_found(decision, "lead_known", lead->found, GATE_REFUSE,
							  "lead_unknown", lead->found ? "known" : "no such lead");
	if (!ask->no_asset)
		decide_asset(asset, ask, decision);
	if (!lead->found)
		return;
	(void) nurture_gate_found(decision, "lead_not_erased", !lead->erased, GATE_REFUSE,
							  "lead_erased", lead->erased ? "erased" : "not erased");
	if (ask->no_asset || asset->found)
	{
		disqualified = strcmp(lead->stage, "disqualified") == 0 &&
			class != CLASS_OPERATIONAL;
		(void) nurture_gate_found(decision, "lead_not_disqualified", !disqualified,
								  GATE_REFUSE, "lead_disqualified", lead->stage);
		if (!ask->no_asset)
		{
			decide_fit(lead, asset, ask, decision);
			decide_claims(lead, asset, decision);
			decide_content(rules, lead, asset, ask, decision);
		}
		decide_stage(rules, lead, class, decision);
		at = nurture_gate_decide_when(rules, lead, asset, ask, class, start, decision);
		if (!ask->no_asset)
			nurture_gate_decide_wishes(lead, asset, ask, class, decision);
		nurture_gate_decide_holdout(rules, lead, class, at, decision);
		nurture_gate_decide_consent(rules, lead, asset, ask, class, at, decision);
		nurture_gate_decide_occurrence(lead, asset, ask, decision);
	}
	else
		class = CLASS_ALL & ~CLASS_OPERATIONAL;
	nurture_gate_decide_blocks(lead, asset, ask, class, decision);

	decision->not_before = at;
	if (decision->verdict == GATE_REVIEW)
		decision->review_scope = psprintf("%s:%s", ask->channel,
										  class & CLASS_MARKETING ?
										  "marketing" : decision->purpose);
}
