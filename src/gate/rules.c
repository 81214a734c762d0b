/*
 * rules.c
 *	  The configuration of the gate, compiled and kept per backend.
 */
#include "base/compat.h"

#include "access/tupmacs.h"
#include "base/plans.h"
#include "base/rulecache.h"
#include "catalog/pg_type.h"
#include "gate/contact_policy.h"
#include "gate/pepper.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

static const struct
{
	const char *name;
	int			bit;
}			class_names[] = {
	{"promotional", CLASS_PROMOTIONAL},
	{"disease_awareness", CLASS_DISEASE_AWARENESS},
	{"medical_information", CLASS_MEDICAL},
	{"patient_support", CLASS_PATIENT_SUPPORT},
	{"operational", CLASS_OPERATIONAL},
};

static KeptPlan read_policies =
KEPT_PLAN_SCAN("SELECT country, audience_type, channel, message_class, rule,"
			   " unclear, COALESCE(implied_months, 0), verified_audience,"
			   " COALESCE(inquiry_months, 0), COALESCE(valid_months, 0)"
			   " FROM nurture.consent_policy", 0);

static KeptPlan read_channels =
KEPT_PLAN_SCAN("SELECT channel, consent_channel FROM nurture.channel"
			   " WHERE channel <> consent_channel", 0);

static KeptPlan read_caps =
KEPT_PLAN_SCAN("SELECT cap, channels, message_classes, purpose, track, n,"
			   " period, same_family, clock FROM nurture.frequency_cap"
			   " ORDER BY cap COLLATE \"C\"", 0);

static KeptPlan read_stages =
KEPT_PLAN_SCAN("SELECT audience_type, stage, message_classes"
			   " FROM nurture.stage", 0);

static KeptPlan read_content =
KEPT_PLAN_SCAN("SELECT market, message_class, audience_type, safety_block,"
			   " disclaimer, unsubscribe_required FROM nurture.content_policy"
			   " ORDER BY market, message_class, audience_type", 0);

static KeptPlan read_reasons =
KEPT_PLAN_SCAN("SELECT reason, text, remedy FROM nurture.reason", 0);


static void *load_rules(Snapshot snapshot);

static RuleCache gate_cache = {
	.name = "gate",
	.tables = {"consent_policy", "channel", "frequency_cap", "stage", "reason",
		"contact_policy", "quiet_hours", "blackout", "rest_period", "holdout",
	"country_zone", "content_policy", "secret"},
	.load = load_rules
};

/* Returns the bit of a message class, all bits for "*", 0 for anything else. */
int
nurture_gate_class(const char *message_class)
{
	if (message_class == NULL)
		return 0;
	for (int i = 0; i < lengthof(class_names); i++)
	{
		if (strcmp(class_names[i].name, message_class) == 0)
			return class_names[i].bit;
	}
	return strcmp(message_class, "*") == 0 ? CLASS_ALL : 0;
}

/* Returns the name of a message class. */
const char *
nurture_gate_class_name(int bit)
{
	for (int i = 0; i < lengthof(class_names); i++)
	{
		if (class_names[i].bit == bit)
			return class_names[i].name;
	}
	return NULL;
}

/* Tells whether a text[] holds the item or "*". */
bool
nurture_gate_listed(ArrayType *list, const char *item)
{
	int			item_len = item ? strlen(item) : -1;
	const char *at;
	bits8	   *present;
	int			n;

	if (list == NULL)
		return false;
	n = ArrayGetNItems(ARR_NDIM(list), ARR_DIMS(list));
	at = ARR_DATA_PTR(list);
	present = ARR_NULLBITMAP(list);
	for (int i = 0; i < n; i++)
	{
		int			len;

		if (present != NULL && (present[i / 8] & 1 << i % 8) == 0)
			continue;
		/* what is in an array is neither compressed nor elsewhere */
		len = VARSIZE_ANY_EXHDR(at);
		if ((len == 1 && *VARDATA_ANY(at) == '*') ||
			(len == item_len && memcmp(VARDATA_ANY(at), item, len) == 0))
			return true;
		at = att_addlength_pointer(at, -1, at);
		at = (const char *) att_align_nominal(at, TYPALIGN_INT);
	}
	return false;
}

/* Returns the bits of the message classes in a text[]. */
static int
classes_of(Datum list)
{
	Datum	   *items;
	bool	   *nulls;
	int			n;
	int			classes = 0;

	deconstruct_array(DatumGetArrayTypeP(list), TEXTOID, -1, false,
					  TYPALIGN_INT, &items, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		if (!nulls[i])
			classes |= nurture_gate_class(TextDatumGetCString(items[i]));
	}
	return classes;
}

/*
 * What a row names as bits, largest first: a row that names all another names
 * and more comes before it.
 */
static int
compare_policies(const void *a, const void *b)
{
	const GatePolicy *x = a;
	const GatePolicy *y = b;

	if (x->names != y->names)
		return x->names > y->names ? -1 : 1;
	return strcmp(x->name, y->name);
}

static int
compare_countries(const void *a, const void *b)
{
	return strcmp(((const GatePolicies *) a)->country,
				  ((const GatePolicies *) b)->country);
}

static ConsentRule
consent_rule(const char *rule)
{
	static const char *const names[] = {"opt_in", "double_opt_in",
	"soft_opt_in", "implied", "opt_out", "prohibited"};

	for (int i = 0; i < lengthof(names); i++)
	{
		if (strcmp(names[i], rule) == 0)
			return (ConsentRule) i;
	}
	return CONSENT_PROHIBITED;
}

/* Sorts policies into one list per country, those of every country in each. */
static void
sort_policies(GateRules *rules, const GatePolicy *policies, int n)
{
	rules->countries = palloc0(sizeof(GatePolicies) * (n + 1));
	rules->countries[rules->ncountries++].country = "*";
	for (int i = 0; i < n; i++)
	{
		bool		known = false;

		for (int j = 0; !known && j < rules->ncountries; j++)
			known = strcmp(rules->countries[j].country, policies[i].country) == 0;
		if (!known)
			rules->countries[rules->ncountries++].country = policies[i].country;
	}
	/* "*" is less than any letter */
	qsort(rules->countries, rules->ncountries, sizeof(GatePolicies),
		  compare_countries);
	for (int j = 0; j < rules->ncountries; j++)
	{
		GatePolicies *list = &rules->countries[j];

		list->policies = palloc(sizeof(GatePolicy *) * Max(n, 1));
		for (int i = 0; i < n; i++)
		{
			if (policies[i].country[0] == '*' ||
				strcmp(policies[i].country, list->country) == 0)
				list->policies[list->n++] = &policies[i];
		}
	}
}

/* Returns the policies that may apply in a country, NULL: unknown. */
const GatePolicies *
nurture_gate_policies(const GateRules *rules, const char *country)
{
	int			low = 1;
	int			high = rules->ncountries;

	while (country != NULL && low < high)
	{
		int			middle = (low + high) / 2;
		int			order = strcmp(country, rules->countries[middle].country);

		if (order == 0)
			return &rules->countries[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return &rules->countries[0];
}

/* Returns the channel under which consent for a channel is kept. */
const char *
nurture_gate_consent_channel(const GateRules *rules, const char *channel)
{
	for (int i = 0; i < rules->nchannels; i++)
	{
		if (strcmp(rules->channels[i][0], channel) == 0)
			return rules->channels[i][1];
	}
	return channel;
}

static void
load_channels(GateRules *rules, Snapshot snapshot)
{
	(void) nurture_execute_snapshot(&read_channels, NULL, NULL, snapshot);
	rules->nchannels = SPI_processed;
	rules->channels = palloc(sizeof(*rules->channels) * Max(SPI_processed, 1));
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		rules->channels[row][0] = pstrdup(nurture_cell_text(row, 1));
		rules->channels[row][1] = pstrdup(nurture_cell_text(row, 2));
	}
}

static void
load_policies(GateRules *rules, Snapshot snapshot)
{
	GatePolicy *policies;
	int			n;

	(void) nurture_execute_snapshot(&read_policies, NULL, NULL, snapshot);
	n = SPI_processed;
	policies = palloc0(sizeof(GatePolicy) * Max(n, 1));
	for (uint64 row = 0; row < n; row++)
	{
		GatePolicy *policy = &policies[row];
		char	   *class = nurture_cell_text(row, 4);
		char	   *rule = nurture_cell_text(row, 5);
		bool		null;

		policy->country = pstrdup(nurture_cell_text(row, 1));
		policy->audience_type = pstrdup(nurture_cell_text(row, 2));
		policy->channel = pstrdup(nurture_cell_text(row, 3));
		policy->classes = nurture_gate_class(class);
		policy->rule = consent_rule(rule);
		policy->unclear_review = strcmp(nurture_cell_text(row, 6), "review") == 0;
		policy->implied_months = DatumGetInt32(nurture_cell(row, 7, &null));
		policy->verified_audience = DatumGetBool(nurture_cell(row, 8, &null));
		policy->inquiry_months = DatumGetInt32(nurture_cell(row, 9, &null));
		policy->valid_months = DatumGetInt32(nurture_cell(row, 10, &null));
		policy->names = 8 * (policy->country[0] != '*') +
			4 * (policy->audience_type[0] != '*') +
			2 * (policy->channel[0] != '*') + (class[0] != '*');
		policy->name = psprintf("%s/%s/%s/%s: %s", policy->country,
								policy->audience_type, policy->channel, class,
								rule);
	}
	qsort(policies, n, sizeof(GatePolicy), compare_policies);
	sort_policies(rules, policies, n);
}

static void
load_caps(GateRules *rules, Snapshot snapshot)
{
	(void) nurture_execute_snapshot(&read_caps, NULL, NULL, snapshot);
	rules->ncaps = SPI_processed;
	rules->caps = palloc0(sizeof(GateCap) * Max(SPI_processed, 1));
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		GateCap    *cap = &rules->caps[row];
		Interval   *period;
		Datum	   *items;
		bool	   *nulls;
		bool		null;
		char	   *word;

		cap->cap = pstrdup(nurture_cell_text(row, 1));
		cap->rule = psprintf("cap:%s", cap->cap);
		deconstruct_array(DatumGetArrayTypePCopy(nurture_cell(row, 2, &null)),
						  TEXTOID, -1, false, TYPALIGN_INT,
						  &items, &nulls, &cap->nchannels);
		cap->channels = palloc(sizeof(char *) * cap->nchannels);
		for (int i = 0; i < cap->nchannels; i++)
		{
			cap->channels[i] = nulls[i] ? "" : TextDatumGetCString(items[i]);
			if (strcmp(cap->channels[i], "*") == 0)
				cap->any_channel = true;
		}
		cap->classes = classes_of(nurture_cell(row, 3, &null));
		word = nurture_cell_text(row, 4);
		cap->purpose = word ? pstrdup(word) : NULL;
		word = nurture_cell_text(row, 5);
		cap->track = word ? pstrdup(word) : NULL;
		cap->n = DatumGetInt32(nurture_cell(row, 6, &null));
		period = DatumGetIntervalP(nurture_cell(row, 7, &null));
		cap->length = period->time +
			(period->day + period->month * INT64CONST(30)) * USECS_PER_DAY;
		cap->same_family = DatumGetBool(nurture_cell(row, 8, &null));
		cap->period_text = nurture_period_text(row, 7);
		word = nurture_cell_text(row, 9);
		if (strcmp(word, "rolling") != 0)
		{
			cap->clock = pstrdup(word);
			cap->days = strstr(word, "week") != NULL ? 7 : 1;
			cap->company = strncmp(word, "company", strlen("company")) == 0;
		}
		rules->longest = Max(rules->longest, cap->length);
		if (!cap->same_family)
			rules->longest_paced = Max(rules->longest_paced, cap->length);
	}
}

static void *
load_rules(Snapshot snapshot)
{
	GateRules  *rules = palloc0(sizeof(GateRules));
	bool		null;


	load_policies(rules, snapshot);
	load_channels(rules, snapshot);
	load_caps(rules, snapshot);

	(void) nurture_execute_snapshot(&read_stages, NULL, NULL, snapshot);
	rules->nstages = SPI_processed;
	rules->stages = palloc0(sizeof(GateStage) * Max(SPI_processed, 1));
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		rules->stages[row].audience_type = pstrdup(nurture_cell_text(row, 1));
		rules->stages[row].stage = pstrdup(nurture_cell_text(row, 2));
		rules->stages[row].classes = classes_of(nurture_cell(row, 3, &null));
	}

	(void) nurture_execute_snapshot(&read_content, NULL, NULL, snapshot);
	rules->ncontent = SPI_processed;
	rules->content = palloc0(sizeof(GateContentPolicy) * Max(SPI_processed, 1));
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		GateContentPolicy *policy = &rules->content[row];
		char	   *class = nurture_cell_text(row, 2);

		policy->market = nurture_cell_text(row, 1);
		policy->classes = nurture_gate_class(class);
		policy->audience_type = nurture_cell_text(row, 3);
		policy->safety_block = nurture_cell_text(row, 4);
		policy->disclaimer = nurture_cell_text(row, 5);
		policy->unsubscribe = DatumGetBool(nurture_cell(row, 6, &null));
		policy->name = psprintf("%s/%s/%s", policy->market, class, policy->audience_type);
	}

	(void) nurture_execute_snapshot(&read_reasons, NULL, NULL, snapshot);
	rules->nreasons = SPI_processed;
	rules->reasons = palloc0(sizeof(GateReason) * Max(SPI_processed, 1));
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		char	   *remedy = nurture_cell_text(row, 3);

		rules->reasons[row].reason = pstrdup(nurture_cell_text(row, 1));
		rules->reasons[row].text = pstrdup(nurture_cell_text(row, 2));
		rules->reasons[row].remedy = remedy ? pstrdup(remedy) : NULL;
	}
	rules->contact = nurture_contact_policy_load(snapshot);
	nurture_pepper_load(rules, snapshot);
	return rules;
}

/* Registers the cache. */
void
nurture_gate_rules_init(void)
{
	nurture_rulecache_register(&gate_cache);
}

/* Returns the rules of the gate, good until the end of the transaction. */
const GateRules *
nurture_gate_rules(void)
{
	const GateRules *rules = nurture_rulecache_get(&gate_cache);

	if (!nurture_pepper_is_current(rules))
	{
		nurture_rulecache_forget(&gate_cache);
		rules = nurture_rulecache_get(&gate_cache);
	}
	return rules;
}

/* Returns what is known about a reason, NULL when it is not in the table. */
const GateReason *
nurture_gate_reason(const GateRules *rules, const char *reason)
{
	for (int i = 0; i < rules->nreasons; i++)
	{
		if (strcmp(rules->reasons[i].reason, reason) == 0)
			return &rules->reasons[i];
	}
	return NULL;
}
