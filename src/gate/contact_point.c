/*
 * contact_point.c
 *	  What is known about the address a message would go to: whether it is
 *	  suppressed, whether anything may be sent to it, whether it is one of a
 *	  role or of a service for disposable addresses.
 */
#include "base/compat.h"

#include "base/plans.h"
#include "base/read.h"
#include "base/rulecache.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "gate/contact_point.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define MAX_HASHES	(CONTACT_MAX_DOMAINS + 4)	/* keys of one message */
#define CLASSES		5			/* message classes */

/* kinds of addresses, as bits and by place */
static const char *const kind_names[] = {"role", "disposable"};

#define KINDS		((int) lengthof(kind_names))
#define KIND_ROLE		0
#define KIND_DISPOSABLE 1

enum
{
	SUPPRESSION_SCOPE, SUPPRESSION_REASON, SUPPRESSION_UNTIL
};

static KeptRead read_suppression = {
	"suppression", {{"key_hash", BYTEAOID}}, {
		[SUPPRESSION_SCOPE] = {"scope", TEXTOID},
		[SUPPRESSION_REASON] = {"reason", TEXTOID},
		[SUPPRESSION_UNTIL] = {"until", TIMESTAMPTZOID}
	}
};

static KeptPlan read_channels =
KEPT_PLAN_SCAN("SELECT channel, contact_point FROM nurture.channel"
			   " WHERE contact_point IN ('email', 'phone')", 0);

static KeptPlan read_names =
KEPT_PLAN_SCAN("SELECT a.names FROM nurture.address_list AS a WHERE a.kind = $1",
			   TEXTOID);

static KeptPlan read_verdicts =
KEPT_PLAN_SCAN("SELECT kind, message_class, verdict FROM nurture.address_policy",
			   0);

/* Channels and kinds of addresses, compiled. */
typedef struct ContactRules
{
	int			nchannels;
	char	  **channels;
	ContactKind *kinds;			/* that the channels need */
	ArrayType  *of_kind[CONTACT_PHONE + 1]; /* the channels again */
	int			nnames[KINDS];
	char	  **names[KINDS];	/* ascending by bytes */
	GateVerdict verdicts[KINDS][CLASSES];
	bool		asked;			/* some verdict is not allow */
} ContactRules;

static void *load_contacts(Snapshot snapshot);

static RuleCache contact_cache = {
	.name = "contact points",
	.tables = {"channel", "address_list", "address_policy"},
	.load = load_contacts
};

static void
load_channels(ContactRules *rules, Snapshot snapshot)
{
	Datum	   *names;

	(void) nurture_execute_snapshot(&read_channels, NULL, NULL, snapshot);
	rules->nchannels = SPI_processed;
	rules->channels = palloc(sizeof(char *) * Max(SPI_processed, 1));
	rules->kinds = palloc(sizeof(ContactKind) * Max(SPI_processed, 1));
	names = palloc(sizeof(Datum) * Max(SPI_processed, 1));
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		rules->channels[row] = pstrdup(nurture_cell_text(row, 1));
		rules->kinds[row] = strcmp(nurture_cell_text(row, 2), "email") == 0 ?
			CONTACT_EMAIL : CONTACT_PHONE;
	}
	for (ContactKind kind = CONTACT_EMAIL; kind <= CONTACT_PHONE; kind++)
	{
		int			n = 0;

		for (int i = 0; i < rules->nchannels; i++)
		{
			if (rules->kinds[i] == kind)
				names[n++] = CStringGetTextDatum(rules->channels[i]);
		}
		rules->of_kind[kind] = construct_array(names, n, TEXTOID, -1, false,
											   TYPALIGN_INT);
	}
}

static void
load_verdicts(ContactRules *rules, Snapshot snapshot)
{
	(void) nurture_execute_snapshot(&read_verdicts, NULL, NULL, snapshot);
	/* what names a class wins over what says * */
	for (int pass = 0; pass < 2; pass++)
	{
		for (uint64 row = 0; row < SPI_processed; row++)
		{
			char	   *kind = nurture_cell_text(row, 1);
			char	   *class = nurture_cell_text(row, 2);
			char	   *verdict = nurture_cell_text(row, 3);

			if ((strcmp(class, "*") != 0) != (pass == 1))
				continue;
			for (int i = 0; i < KINDS * CLASSES; i++)
			{
				if (strcmp(kind_names[i / CLASSES], kind) == 0 &&
					(nurture_gate_class(class) & 1 << i % CLASSES) != 0)
					rules->verdicts[i / CLASSES][i % CLASSES] =
						strcmp(verdict, "refuse") == 0 ? GATE_REFUSE :
						strcmp(verdict, "review") == 0 ? GATE_REVIEW :
						GATE_ALLOW;
			}
		}
	}
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Returns a copy of a name as names are compared, in the case of lower(). */
static char *
lower_name(const char *name, int len)
{
	for (int i = 0; i < len; i++)
	{
		/* what is left as it is in every locale needs none */
		if (IS_HIGHBIT_SET(name[i]) || (name[i] >= 'A' && name[i] <= 'Z'))
			return str_tolower(name, len, DEFAULT_COLLATION_OID);
	}
	return pnstrdup(name, len);
}

/* Adds the names of a row of nurture.address_list. */
static void
add_names(ContactRules *rules, int kind, uint64 row)
{
	bool		isnull;
	Datum		value = nurture_cell(row, 1, &isnull);
	ArrayType  *array = DatumGetArrayTypeP(value);
	int			known = rules->nnames[kind];
	Datum	   *names;
	bool	   *nulls;
	int			n;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls, &n);
	rules->names[kind] = known == 0 ? palloc(sizeof(char *) * Max(n, 1)) :
		repalloc(rules->names[kind], sizeof(char *) * (known + n));
	for (int i = 0; i < n; i++)
		rules->names[kind][known + i] = lower_name(VARDATA_ANY(DatumGetPointer(names[i])),
												   VARSIZE_ANY_EXHDR(DatumGetPointer(names[i])));
	rules->nnames[kind] = known + n;
	pfree(names);
	pfree(nulls);
	if ((Pointer) array != DatumGetPointer(value))
		pfree(array);
}

/* Puts them in order, each once. */
static void
sort_names(ContactRules *rules, int kind)
{
	char	  **names = rules->names[kind];
	int			n = rules->nnames[kind];
	int			kept = 0;

	if (n == 0)
		return;
	qsort(names, n, sizeof(char *), compare_names);
	for (int i = 0; i < n; i++)
	{
		if (kept == 0 || strcmp(names[kept - 1], names[i]) != 0)
			names[kept++] = names[i];
	}
	rules->nnames[kind] = kept;
}

static void *
load_contacts(Snapshot snapshot)
{
	ContactRules *rules = palloc0(sizeof(ContactRules));

	load_channels(rules, snapshot);
	load_verdicts(rules, snapshot);
	for (int kind = 0; kind < KINDS; kind++)
	{
		Datum		value = CStringGetTextDatum(kind_names[kind]);
		bool		asked = false;

		for (int i = 0; i < CLASSES; i++)
			asked = asked || rules->verdicts[kind][i] != GATE_ALLOW;
		if (!asked)
			continue;
		(void) nurture_execute_snapshot(&read_names, &value, NULL, snapshot);
		for (uint64 row = 0; row < SPI_processed; row++)
			add_names(rules, kind, row);
		sort_names(rules, kind);
	}
	return rules;
}

/* Registers the cache. */
void
nurture_contact_init(void)
{
	nurture_rulecache_register(&contact_cache);
}

/* Returns what a channel needs to know of a lead. */
ContactKind
nurture_contact_kind(const char *channel)
{
	const ContactRules *rules = nurture_rulecache_get(&contact_cache);

	for (int i = 0; i < rules->nchannels; i++)
	{
		if (strcmp(rules->channels[i], channel) == 0)
			return rules->kinds[i];
	}
	return CONTACT_NONE;
}

/* Returns the channels that need it, a text[]. */
ArrayType  *
nurture_contact_channels(ContactKind kind)
{
	const ContactRules *rules = nurture_rulecache_get(&contact_cache);

	return rules->of_kind[kind];
}

static bool
name_listed(const ContactRules *rules, int kind, const char *name)
{
	return rules->nnames[kind] > 0 &&
		bsearch(&name, rules->names[kind], rules->nnames[kind],
				sizeof(char *), compare_names) != NULL;
}

/* Returns the kinds of an e-mail address as bits. */
static int
address_kinds(const ContactPoint *point)
{
	const ContactRules *rules = nurture_rulecache_get(&contact_cache);
	int			kinds = 0;

	if (rules->nnames[KIND_ROLE] > 0)
	{
		/* without the tag that some mailboxes let people add */
		char	   *local = pnstrdup(point->address,
									 strcspn(point->address, "+@"));

		if (name_listed(rules, KIND_ROLE, local))
			kinds |= 1 << KIND_ROLE;
		pfree(local);
	}
	if (rules->nnames[KIND_DISPOSABLE] > 0)
	{
		const char *domains[CONTACT_MAX_DOMAINS];
		int			n = nurture_contact_domains(point->domain, domains);

		for (int i = 0; i < n; i++)
		{
			if (name_listed(rules, KIND_DISPOSABLE, domains[i]))
				kinds |= 1 << KIND_DISPOSABLE;
		}
	}
	return kinds;
}

/*
 * Returns what nurture.address_policy says to a message of a class for an
 * address of these kinds, the strictest when it has several, and in *kind the
 * one that says so.
 */
GateVerdict
nurture_address_verdict(int kinds, int class, const char **kind)
{
	const ContactRules *rules = nurture_rulecache_get(&contact_cache);
	GateVerdict verdict = GATE_ALLOW;

	*kind = NULL;
	for (int i = 0; i < KINDS; i++)
	{
		if ((kinds & 1 << i) == 0)
			continue;
		if (*kind == NULL)
			*kind = kind_names[i];
		for (int j = 0; j < CLASSES; j++)
		{
			if ((class & 1 << j) != 0 && rules->verdicts[i][j] > verdict)
			{
				verdict = rules->verdicts[i][j];
				*kind = kind_names[i];
			}
		}
	}
	return verdict;
}

/* Hashes of domains made before: most addresses are of a few. */
typedef struct KnownDomain
{
	uint64		epoch;			/* of the rules; 0 = none */
	char		domain[64];
	uint8		hash[GATE_HASH_LEN];
} KnownDomain;

#define KNOWN_DOMAINS	64

/* Adds the hash of a domain, made before or now. */
static void
add_domain(const GateRules *rules, const char *domain, Datum *hashes, int *n)
{
	static KnownDomain known[KNOWN_DOMAINS];
	KnownDomain *place =
	&known[nurture_gate_text_hash(domain) % KNOWN_DOMAINS];

	/* another pepper comes with another epoch */
	if (place->epoch != nurture_rules_epoch ||
		strcmp(place->domain, domain) != 0)
	{
		place->epoch = 0;
		nurture_gate_hash(rules, "domain", domain, place->hash);
		if (strlcpy(place->domain, domain, sizeof(place->domain)) <
			sizeof(place->domain))
			place->epoch = nurture_rules_epoch;
	}
	hashes[(*n)++] = nurture_gate_hash_datum(place->hash);
}

/* Adds the hash of a value to those to be looked up. */
static void
add_hash(const GateRules *rules, const char *scope, const char *value,
		 Datum *hashes, int *n)
{
	uint8		hash[GATE_HASH_LEN];

	nurture_gate_hash(rules, scope, value, hash);
	hashes[(*n)++] = nurture_gate_hash_datum(hash);
}

/* Reads the suppressions of some hashes that are in force. */
static void
read_suppressions(const Datum *hashes, int n, Hold *hold, GateAsk *ask)
{
	GateSuppression *found = NULL;
	int			max = 0;
	RowRead		read;

	/* one that did not concern the lead before has not touched its gate row */
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	nurture_read_open_held(&read, &read_suppression, hold,
						   GetActiveSnapshot());
	for (int i = 0; i < n; i++)
	{
		nurture_read_find(&read, &hashes[i]);
		while (nurture_read_next(&read))
		{
			bool		null;
			Datum		value = nurture_read_cell(&read, SUPPRESSION_UNTIL,
												  &null);
			TimestampTz until = null ? DT_NOEND : DatumGetTimestampTz(value);

			if (until <= ask->now)
				continue;
			if (ask->nsuppressions == max)
			{
				max = max ? max * 2 : 4;
				found = found ? repalloc(found, sizeof(GateSuppression) * max) :
					palloc(sizeof(GateSuppression) * max);
			}
			found[ask->nsuppressions].scope =
				nurture_read_text(&read, SUPPRESSION_SCOPE);
			found[ask->nsuppressions].reason =
				nurture_read_text(&read, SUPPRESSION_REASON);
			found[ask->nsuppressions++].until = until;
		}
	}
	nurture_read_close(&read);
	PopActiveSnapshot();
	ask->suppressions = found;
}

/*
 * Reads a contact point of the lead and looks up what is suppressed: the lead,
 * its account, the address, its domain and those that lies in.  Fills what of
 * the ask is about the address.
 */
void
nurture_contact_suppressions(const GateLead *lead, const GateRules *rules,
							 ContactKind kind, GateAsk *ask)
{
	Datum		hashes[MAX_HASHES];
	ContactPoint point;
	char		id[24];
	int			n = 0;

	ask->contact_hash = NULL;
	ask->contact_needed = kind != CONTACT_NONE;
	ask->contact_email = kind == CONTACT_EMAIL;
	ask->contact_known = false;
	ask->contact_fault = NULL;
	ask->address_kinds = 0;
	ask->nsuppressions = 0;
	if (!lead->found)
		return;
	nurture_contact_read(kind, lead->email, lead->phone, lead->country,
						 &point);
	ask->contact_known = point.known;
	ask->contact_fault = point.fault;
	if (point.address != NULL)
	{
		uint8	   *kept = palloc(GATE_HASH_LEN);

		nurture_gate_hash(rules, "contact_point", point.address, kept);
		ask->contact_hash = kept;
		hashes[n++] = nurture_gate_hash_datum(kept);
		if (lead->suppressed)
			add_hash(rules, "lead_address",
					 psprintf(INT64_FORMAT ":%s", lead->lead_id, point.address),
					 hashes, &n);
	}
	if (point.domain != NULL)
	{
		const char *domains[CONTACT_MAX_DOMAINS];
		int			ndomains = nurture_contact_domains(point.domain, domains);

		for (int i = 0; i < ndomains; i++)
			add_domain(rules, domains[i], hashes, &n);
		ask->address_kinds = address_kinds(&point);
	}
	if (lead->suppressed)
	{
		snprintf(id, sizeof(id), INT64_FORMAT, lead->lead_id);
		add_hash(rules, "lead", id, hashes, &n);
	}
	if (lead->has_account)
	{
		snprintf(id, sizeof(id), INT64_FORMAT, lead->account_id);
		add_hash(rules, "account", id, hashes, &n);
	}
	if (n > 0)
		read_suppressions(hashes, n, lead->hold, ask);
}

/* Does so for the contact point that the ask's channel needs. */
void
nurture_gate_suppressions(const GateLead *lead, const GateRules *rules,
						  GateAsk *ask)
{
	nurture_contact_suppressions(lead, rules,
								 nurture_contact_kind(ask->channel), ask);
}
