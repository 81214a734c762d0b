/*
 * decide.c
 *	  The verdict about one message, from what was read under the gate row.
 *
 * Every rule is asked and every reason kept, not only the first.  A fact that
 * is missing never allows anything.  Nothing here reads or writes: the same
 * code decides for INSERT, for nurture_may_contact and for the explanation.
 */
#include "base/compat.h"

#include "gate/gate_private.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* Adds the answer of a rule; returns it to be filled further. */
static GateFinding *
found(GateDecision *decision, const char *rule, bool passed,
	  GateVerdict verdict, const char *reason, const char *fact)
{
	GateFinding *finding;

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

static char *
when(TimestampTz at)
{
	if (TIMESTAMP_IS_NOEND(at))
		return "it is lifted";
	return pstrdup(timestamptz_to_str(at));
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

	finding = found(decision, "asset_known", asset->found, GATE_REFUSE,
					"asset_unknown",
					asset->found ? asset->content_hash : "no such version");
	if (!asset->found)
	{
		if (ask->remedies)
			finding->remedy = "Name an asset and version of nurture.asset_version.";
		return;
	}
	finding = found(decision, "asset_approved", asset->in_force, GATE_REFUSE,
					"asset_not_approved", asset->status);
	if (ask->remedies && !asset->in_force)
		finding->remedy =
			psprintf("SELECT nurture_approve('asset', %s, %d, 'medical', 'approved', 'fit for use')",
					 quote_literal_cstr(asset->asset_id), asset->version);

	begun = asset->from_excluded ? ask->now > asset->valid_from :
		ask->now >= asset->valid_from;
	open = asset->until_included ? last <= asset->valid_until :
		last < asset->valid_until;
	finding = found(decision, "asset_in_force", begun && open, GATE_REFUSE,
					"asset_not_in_force",
					!begun ? "not yet valid" : open ? "valid" : "expired");
	if (!begun)
		finding->passes_from = asset->valid_from;
	finding = found(decision, "asset_blocks", asset->blocks, GATE_REFUSE,
					"block_not_in_force",
					asset->blocks ? "in force" : asset->missing_block);
	if (ask->remedies && !asset->blocks)
		finding->remedy = psprintf("Have a version of block %s approved.",
								   asset->missing_block);
	finding = found(decision, "asset_channel",
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

/* Asks whether the asset version is made for this lead. */
static void
decide_fit(const GateLead *lead, const GateAsset *asset, const GateAsk *ask,
		   GateDecision *decision)
{
	GateFinding *finding;

	finding = found(decision, "market",
					nurture_gate_listed(asset->markets, lead->country),
					GATE_REFUSE, "market", lead->country ? lead->country :
					"country unknown");
	if (ask->remedies && lead->country == NULL)
		finding->remedy = psprintf("UPDATE nurture.lead SET country = '..' WHERE lead_id = " INT64_FORMAT,
								   lead->lead_id);
	finding = found(decision, "audience",
					nurture_gate_listed(asset->audience_types,
										lead->audience_type),
					GATE_REFUSE, "audience", lead->audience_type);
	finding = found(decision, "language",
					language_listed(asset->languages, lead->language),
					GATE_REFUSE, "language", lead->language ? lead->language :
					"language unknown");
	if (ask->remedies && lead->language == NULL)
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
	(void) found(decision, "stage", classes > 0 && (classes & class) != 0,
				 GATE_REFUSE, "class_not_allowed_in_stage", lead->stage);
}

static bool
policy_matches(const GatePolicy *policy, const GateLead *lead,
			   const char *channel, int class)
{
	return (policy->classes & class) != 0 &&
		(policy->country[0] == '*' ||
		 (lead->country != NULL &&
		  strcmp(policy->country, lead->country) == 0)) &&
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
	int			strictest = lengthof(order);
	const GatePolicy *chosen = NULL;

	*verified = false;
	for (int i = 0; i < rules->npolicies; i++)
	{
		const GatePolicy *policy = &rules->policies[i];
		bool		gives_way = false;
		int			strictness = 0;

		if (!policy_matches(policy, lead, channel, class))
			continue;
		for (int j = 0; j < i && !gives_way; j++)
		{
			const GatePolicy *other = &rules->policies[j];

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

static bool
scope_covers(const GateConsent *consent, const char *channel,
			 const char *purpose, ArrayType *topics, ArrayType *products)
{
	return in_scope(consent->channel, channel) &&
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
nurture_gate_denies(const GateConsent *consent, const char *channel,
					const char *purpose, ArrayType *topics,
					ArrayType *products)
{
	if (!nurture_consent_forbids(consent->state))
		return false;
	if (consent->state == CONSENT_OBJECTED)
		return in_scope(consent->purpose, purpose);
	return scope_covers(consent, channel, purpose, topics, products);
}

/* Adds calendar months to an instant. */
static TimestampTz
plus_months(TimestampTz at, int months)
{
	Interval	span = {.month = months};

	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
												   TimestampTzGetDatum(at),
												   IntervalPGetDatum(&span)));
}

/* Tells whether a row of consent gives what the policy asks for at an instant. */
static bool
grants(const GatePolicy *policy, const GateConsent *consent, TimestampTz at,
	   bool *expired)
{
	bool		tacit;

	if (!nurture_consent_permits(consent->state))
	{
		if (consent->state == CONSENT_EXPIRED)
			*expired = true;
		return false;
	}
	tacit = consent->legal_basis != NULL &&
		(strcmp(consent->legal_basis, "implied") == 0 ||
		 strcmp(consent->legal_basis, "soft_opt_in") == 0);
	if (policy->rule == CONSENT_DOUBLE_OPT_IN &&
		consent->state != CONSENT_CONFIRMED)
		return false;
	if (tacit)
	{
		if (policy->rule == CONSENT_OPT_IN ||
			policy->rule == CONSENT_DOUBLE_OPT_IN ||
			(policy->rule == CONSENT_SOFT_OPT_IN &&
			 strcmp(consent->legal_basis, "implied") == 0))
			return false;
		if (policy->implied_months > 0 &&
			plus_months(consent->since, policy->implied_months) <= at)
		{
			*expired = true;
			return false;
		}
	}
	if (consent->expires_at <= at)
	{
		*expired = true;
		return false;
	}
	return true;
}

/* Asks what the law and the lead say about the channel and the purposes. */
static void
decide_consent(const GateRules *rules, const GateLead *lead,
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

	finding = found(decision, "policy",
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

		finding = found(decision, "audience_verified", verified, GATE_REFUSE,
						"audience_not_verified",
						verified ? "verified" : "not verified");
		if (ask->remedies && !verified)
			finding->remedy = psprintf("UPDATE nurture.lead SET audience_verified_at = now() WHERE lead_id = " INT64_FORMAT,
									   lead->lead_id);
	}

	for (int i = 0; i < lead->nconsents; i++)
	{
		const GateConsent *consent = &lead->consents[i];

		for (int j = 0; j < npurposes; j++)
		{
			if (denied == NULL &&
				nurture_gate_denies(consent, ask->channel, purposes[j],
									asset->topics, asset->products))
				denied = consent;
		}
		if (!scope_covers(consent, ask->channel, purposes[0], asset->topics,
						  asset->products))
			continue;
		if (policy != NULL && grants(policy, consent, at, &expired))
			granted = consent;
		else if (strcmp(best, "no consent") == 0)
			best = nurture_consent_state_name(consent->state);
	}
	finding = found(decision, "consent_denied", denied == NULL, GATE_REFUSE,
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
	finding = found(decision, "consent",
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
			finding->remedy = psprintf("SELECT nurture_consent(" INT64_FORMAT ", 'confirmed', %s, %s)",
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

/* Asks what blocks the lead or its address. */
static void
decide_blocks(const GateLead *lead, const GateAsk *ask, int class,
			  GateDecision *decision)
{
	GateFinding *finding;
	bool		email = strcmp(ask->channel, "email") == 0;
	bool		phone = strcmp(ask->channel, "phone") == 0 ||
	strcmp(ask->channel, "sms") == 0;
	int			stops = 0;
	int			pauses = 0;

	finding = found(decision, "contact_point",
					ask->contact_hash != NULL || (!email && !phone),
					GATE_REFUSE, "no_contact_point",
					ask->contact_hash != NULL ? "known" :
					email || phone ? "unknown" : "none asked for");
	if (ask->remedies && finding->reason)
		finding->remedy = psprintf("UPDATE nurture.lead SET %s = '...' WHERE lead_id = " INT64_FORMAT,
								   email ? "email" : "phone", lead->lead_id);

	for (int i = 0; i < ask->nsuppressions; i++)
	{
		const GateSuppression *block = &ask->suppressions[i];

		finding = found(decision, "suppression", false, GATE_REFUSE,
						"suppressed",
						psprintf("%s: %s, until %s", block->scope,
								 block->reason, when(block->until)));
		finding->passes_from = block->until;
		if (ask->remedies)
			finding->remedy =
				strcmp(block->scope, "lead") == 0 ?
				psprintf("SELECT nurture_unsuppress('lead', '" INT64_FORMAT "', '<reason>')",
						 lead->lead_id) :
				strcmp(block->scope, "account") == 0 ?
				psprintf("SELECT nurture_unsuppress('account', '" INT64_FORMAT "', '<reason>')",
						 lead->account_id) :
				psprintf("SELECT nurture_unsuppress('%s', (SELECT %s FROM nurture.lead WHERE lead_id = " INT64_FORMAT "), '<reason>')",
						 block->scope, email ? "email" : "phone",
						 lead->lead_id);
	}
	if (ask->nsuppressions == 0)
		(void) found(decision, "suppression", true, GATE_REFUSE, NULL, "none");

	for (int i = 0; i < lead->nstops; i++)
	{
		const GateStop *stop = &lead->stops[i];
		bool		pause = strcmp(stop->effect, "pause") == 0;

		if (stop->until <= ask->now || (stop->classes & class) == 0 ||
			(stop->channel_list != NULL &&
			 !nurture_gate_listed(stop->channel_list, ask->channel)))
			continue;
		finding = found(decision, pause ? "pause" : "stop", false, GATE_REFUSE,
						pause ? "paused" : "stopped",
						psprintf("%s, until %s", stop->rule,
								 when(stop->until)));
		finding->version = stop->rule;
		finding->passes_from = stop->until;
		if (pause)
			pauses++;
		else
			stops++;
		if (!ask->remedies)
			continue;
		if (strstr(stop->lifted_by, "resume"))
			finding->remedy = psprintf("SELECT nurture_resume(" INT64_FORMAT ", '<reason>')",
									   lead->lead_id);
		else if (strstr(stop->lifted_by, "explicit_grant"))
			finding->remedy = psprintf("SELECT nurture_opt_in(" INT64_FORMAT ", '*')",
									   lead->lead_id);
		else
			finding->remedy = psprintf("Lifted by %s.", stop->lifted_by);
	}
	if (stops == 0)
		(void) found(decision, "stop", true, GATE_REFUSE, NULL, "none");
	if (pauses == 0)
		(void) found(decision, "pause", true, GATE_REFUSE, NULL, "none");
}

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
static TimestampTz
decide_caps(const GateRules *rules, const GateLead *lead,
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
			finding = found(decision, cap->rule, false, GATE_REFUSE, "preference",
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

		finding = found(decision, cap->rule, next == start,
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
				psprintf("Allowed from %s on.", when(t));
	}
	return t;
}

/* Asks whether the occasion was used. */
static void
decide_occurrence(const GateLead *lead, const GateAsset *asset,
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
	finding = found(decision, "uniqueness", !used, GATE_REFUSE, "duplicate",
					used ? "used" : "not used");
	if (ask->remedies && used)
		finding->remedy = "Give another occurrence_key, when it is another occasion.";
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

	decision->verdict = GATE_ALLOW;
	decision->nfindings = 0;
	decision->not_before = start;
	decision->purpose = ask->purpose ? ask->purpose :
		asset->purpose ? asset->purpose : "marketing";
	decision->review_scope = NULL;

	(void) found(decision, "lead_known", lead->found, GATE_REFUSE,
				 "lead_unknown", lead->found ? "known" : "no such lead");
	if (!ask->no_asset)
		decide_asset(asset, ask, decision);
	if (!lead->found)
		return;
	(void) found(decision, "lead_not_erased", !lead->erased, GATE_REFUSE,
				 "lead_erased", lead->erased ? "erased" : "not erased");
	if (ask->no_asset || asset->found)
	{
		disqualified = strcmp(lead->stage, "disqualified") == 0 &&
			class != CLASS_OPERATIONAL;
		(void) found(decision, "lead_not_disqualified", !disqualified,
					 GATE_REFUSE, "lead_disqualified", lead->stage);
		if (!ask->no_asset)
			decide_fit(lead, asset, ask, decision);
		decide_stage(rules, lead, class, decision);
		at = decide_caps(rules, lead, asset, ask, class, start, decision);
		decide_consent(rules, lead, asset, ask, class, at, decision);
		decide_occurrence(lead, asset, ask, decision);
	}
	else
		class = CLASS_ALL & ~CLASS_OPERATIONAL;
	decide_blocks(lead, ask, class, decision);

	decision->not_before = at;
	if (decision->verdict == GATE_REVIEW)
		decision->review_scope = psprintf("%s:%s", ask->channel,
										  class & CLASS_MARKETING ?
										  "marketing" : decision->purpose);
}
