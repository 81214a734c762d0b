/*
 * decide_consent.c
 *	  What the law and the lead say about a message: the policy that applies,
 *	  the consent it asks for, and what denies it.
 */
#include "base/compat.h"

#include "gate/decide.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* Tells whether a policy of the lead's country is about this. */
static bool
policy_matches(const GatePolicy *policy, const GateLead *lead,
			   const char *channel, int class)
{
	return (policy->classes & class) != 0 &&
		(policy->audience_type[0] == '*' ||
		 strcmp(policy->audience_type, lead->audience_type) == 0) &&
		(policy->channel[0] == '*' || strcmp(policy->channel, channel) == 0);
}

/*
 * Finds the policy that applies.  A row gives way to one that names all it
 * names and more; of those that are left, being specific in different ways,
 * the strictest applies, and each may ask for a verified role.
 */
static const GatePolicy *
find_policy(const GateRules *rules, const GateLead *lead, const char *channel,
			int class, bool *verified)
{
	/* strictest first */
	static const ConsentRule order[] = {CONSENT_PROHIBITED,
		CONSENT_DOUBLE_OPT_IN, CONSENT_OPT_IN, CONSENT_SOFT_OPT_IN,
	CONSENT_IMPLIED, CONSENT_OPT_OUT};
	const GatePolicies *list = nurture_gate_policies(rules, lead->country);
	int			strictest = lengthof(order);
	const GatePolicy *chosen = NULL;

	*verified = false;
	for (int i = 0; i < list->n; i++)
	{
		const GatePolicy *policy = list->policies[i];
		bool		gives_way = false;
		int			strictness = 0;

		if (!policy_matches(policy, lead, channel, class))
			continue;
		for (int j = 0; j < i && !gives_way; j++)
		{
			const GatePolicy *other = list->policies[j];

			/* both match: what both name is the same */
			gives_way = (other->names & policy->names) == policy->names &&
				other->names != policy->names &&
				policy_matches(other, lead, channel, class);
		}
		if (gives_way)
			continue;
		*verified = *verified || policy->verified_audience;
		while (order[strictness] != policy->rule)
			strictness++;
		if (strictness < strictest)
		{
			strictest = strictness;
			chosen = policy;
		}
	}
	return chosen;
}

static bool
in_scope(const char *scope, const char *word)
{
	return (scope[0] == '*' && scope[1] == '\0') || strcmp(scope, word) == 0;
}

/*
 * Tells whether a row of consent is about a message of this channel, purpose,
 * topics and products.  A channel's consent may be kept under another name.
 */
static bool
scope_covers(const GateRules *rules, const GateConsent *consent,
			 const char *channel, const char *purpose, ArrayType *topics,
			 ArrayType *products)
{
	return (in_scope(consent->channel, channel) ||
			strcmp(consent->channel,
				   nurture_gate_consent_channel(rules, channel)) == 0) &&
		in_scope(consent->purpose, purpose) &&
		(strcmp(consent->topic, "*") == 0 ||
		 nurture_gate_listed(topics, consent->topic)) &&
		(strcmp(consent->product, "*") == 0 ||
		 nurture_gate_listed(products, consent->product));
}

/*
 * Tells whether a row of consent forbids a message of this channel, purpose,
 * topics and products.  An objection covers every channel, topic and product.
 */
bool
nurture_gate_denies(const GateRules *rules, const GateConsent *consent,
					const char *channel, const char *purpose,
					ArrayType *topics, ArrayType *products)
{
	if (!nurture_consent_forbids(consent->state))
		return false;
	if (consent->state == CONSENT_OBJECTED)
		return in_scope(consent->purpose, purpose);
	return scope_covers(rules, consent, channel, purpose, topics, products);
}

/*
 * Tells whether so many calendar months from an instant are over at another;
 * none never are.  The calendar is that of UTC, whatever the session's time
 * zone: a month from 31 January ends on the last of February.
 */
static bool
months_over(TimestampTz since, int months, TimestampTz at)
{
	Interval	span = {.month = months};

	return months > 0 &&
		DatumGetTimestamp(DirectFunctionCall2(timestamp_pl_interval,
											  TimestampGetDatum(since),
											  IntervalPGetDatum(&span))) <= at;
}

/* Tells whether what a grant rests on is enough for a policy. */
static bool
basis_suffices(const GatePolicy *policy, ConsentBasis basis)
{
	switch (basis)
	{
		case BASIS_CONSENT:
			return true;
		case BASIS_SOFT:
			return policy->rule == CONSENT_SOFT_OPT_IN ||
				policy->rule == CONSENT_IMPLIED;
		case BASIS_IMPLIED:
		case BASIS_INQUIRY:
			return policy->rule == CONSENT_IMPLIED;
		case BASIS_OTHER:
			break;
	}
	return false;
}

/*
 * Tells whether a row of consent gives what the policy asks for at an instant,
 * to the address of a hash.  What another address was confirmed for is given
 * for this one, and not confirmed.
 */
static bool
grants(const GatePolicy *policy, const GateConsent *consent, TimestampTz at,
	   const uint8 *address, bool *expired)
{
	ConsentBasis basis = nurture_consent_basis(consent->legal_basis);
	int			months = 0;

	if (consent->state == CONSENT_EXPIRED)
		*expired = true;
	if (!nurture_consent_permits(consent->state) ||
		(policy->rule == CONSENT_DOUBLE_OPT_IN &&
		 (consent->state != CONSENT_CONFIRMED ||
		  !nurture_confirmed_for(consent, address))) ||
		!basis_suffices(policy, basis))
		return false;
	if (basis == BASIS_INQUIRY && policy->inquiry_months > 0)
		months = policy->inquiry_months;
	else if (basis != BASIS_CONSENT)
		months = policy->implied_months;
	if (consent->expires_at <= at || months_over(consent->since, months, at) ||
		months_over(consent->since, policy->valid_months, at))
	{
		*expired = true;
		return false;
	}
	return true;
}

/* Asks what the law and the lead say about the channel and the purposes. */
void
nurture_gate_decide_consent(const GateRules *rules, const GateLead *lead,
							const GateAsset *asset, const GateAsk *ask, int class,
							TimestampTz at, GateDecision *decision)
{
	bool		verify;
	const GatePolicy *policy = find_policy(rules, lead, ask->channel, class,
										   &verify);
	const char *purposes[2];
	int			npurposes = 0;
	const GateConsent *denied = NULL;
	const GateConsent *granted = NULL;
	const char *best = "no consent";
	bool		expired = false;
	GateFinding *finding;
	bool		needed;

	/* what is promotional needs consent for marketing, whatever it is called */
	if (class & CLASS_MARKETING)
		purposes[npurposes++] = "marketing";
	if (npurposes == 0 || strcmp(decision->purpose, "marketing") != 0)
		purposes[npurposes++] = decision->purpose;

	finding = nurture_gate_found(decision, "policy",
								 policy != NULL && policy->rule != CONSENT_PROHIBITED,
								 GATE_REFUSE,
								 policy == NULL ? "no_consent_policy" : "class_prohibited",
								 policy == NULL ? "no row of nurture.consent_policy applies" :
								 policy->name);
	if (ask->remedies && policy == NULL)
		finding->remedy = "Add the row of nurture.consent_policy that the law asks for.";

	if (verify)
	{
		bool		verified = !TIMESTAMP_IS_NOBEGIN(lead->verified_at) &&
		lead->verified_at <= at;

		finding = nurture_gate_found(decision, "audience_verified", verified, GATE_REFUSE,
									 "audience_not_verified",
									 verified ? "verified" : "not verified");
		if (ask->remedies && !verified)
			finding->remedy = psprintf("UPDATE nurture.lead SET audience_verified_at = nurture_now() WHERE lead_id = " INT64_FORMAT,
									   lead->lead_id);
	}

	for (int i = 0; i < lead->nconsents; i++)
	{
		const GateConsent *consent = &lead->consents[i];

		for (int j = 0; j < npurposes; j++)
		{
			if (denied == NULL &&
				nurture_gate_denies(rules, consent, ask->channel, purposes[j],
									asset->topics, asset->products))
				denied = consent;
		}
		if (!scope_covers(rules, consent, ask->channel, purposes[0], asset->topics,
						  asset->products))
			continue;
		if (policy != NULL && grants(policy, consent, at,
									 ask->contact_hash, &expired))
			granted = consent;
		else if (strcmp(best, "no consent") == 0)
			best = nurture_confirmed_for(consent, ask->contact_hash) ?
				nurture_consent_state_name(consent->state) :
				"confirmed for another address";
	}
	finding = nurture_gate_found(decision, "consent_denied", denied == NULL, GATE_REFUSE,
								 "consent_denied",
								 denied == NULL ? "not denied" :
								 psprintf("%s for %s, %s",
										  nurture_consent_state_name(denied->state),
										  strcmp(denied->channel, "*") == 0 ?
										  "all channels" : denied->channel,
										  denied->purpose));
	if (ask->remedies && denied != NULL)
		finding->remedy =
			psprintf("SELECT nurture_consent(" INT64_FORMAT ", 'given', %s, %s, %s), when the lead says so",
					 lead->lead_id, quote_literal_cstr(denied->channel),
					 quote_literal_cstr(denied->purpose),
					 quote_literal_cstr(denied->topic));
	if (ask->remedies && denied != NULL &&
		strcmp(denied->purpose, "marketing") == 0 &&
		strcmp(denied->topic, "*") == 0 && strcmp(denied->product, "*") == 0)
		finding->remedy = psprintf("SELECT nurture_opt_in(" INT64_FORMAT ", %s)",
								   lead->lead_id,
								   quote_literal_cstr(denied->channel));

	needed = policy != NULL && policy->rule != CONSENT_OPT_OUT &&
		policy->rule != CONSENT_PROHIBITED;
	finding = nurture_gate_found(decision, "consent",
								 policy != NULL && (granted != NULL || !needed),
								 policy != NULL && policy->unclear_review &&
								 policy->rule != CONSENT_PROHIBITED ?
								 GATE_REVIEW : GATE_REFUSE,
								 expired ? "consent_expired" : "consent_missing",
								 granted ? nurture_consent_state_name(granted->state) :
								 !needed && policy != NULL ? "not needed" : best);
	if (finding->reason != NULL && policy != NULL)
		finding->version = policy->name;
	if (ask->remedies && finding->reason != NULL && policy != NULL)
	{
		if (policy->rule == CONSENT_DOUBLE_OPT_IN)
			finding->remedy = psprintf("SELECT nurture_request_consent(" INT64_FORMAT ", %s, %s)",
									   lead->lead_id,
									   quote_literal_cstr(ask->channel),
									   quote_literal_cstr(purposes[0]));
		else if (strcmp(purposes[0], "marketing") == 0)
			finding->remedy = psprintf("SELECT nurture_opt_in(" INT64_FORMAT ", %s)",
									   lead->lead_id,
									   quote_literal_cstr(ask->channel));
		else
			finding->remedy = psprintf("SELECT nurture_consent(" INT64_FORMAT ", 'given', %s, %s)",
									   lead->lead_id,
									   quote_literal_cstr(ask->channel),
									   quote_literal_cstr(purposes[0]));
	}
}
