/*
 * erase.c
 *	  What outlives the erasure of a lead: that its addresses are not to be
 *	  written to, by whatever lead they come back with; and what a person is
 *	  told of suppressions, which name nobody but by a keyed hash.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "gate/contact_point.h"
#include "gate/gate.h"
#include "scoring/sensitive.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* the lead's own, and those that somebody said are its */
static KeptPlan read_addresses =
KEPT_PLAN("SELECT DISTINCT x.kind, x.address, x.country, x.lead_id FROM ("
		  "SELECT 'email' AS kind, l.email AS address, l.country, l.lead_id FROM nurture.lead l"
		  " WHERE l.lead_id = ANY ($1) AND l.email IS NOT NULL UNION ALL"
		  " SELECT 'phone', l.phone, l.country, l.lead_id FROM nurture.lead l"
		  " WHERE l.lead_id = ANY ($1) AND l.phone IS NOT NULL UNION ALL"
		  " SELECT i.kind, i.value, NULL, i.lead_id FROM nurture.identity i"
		  " WHERE i.lead_id = ANY ($1) AND i.kind IN ('email', 'phone')) x"
		  " ORDER BY x.kind, x.address, x.lead_id", INT8ARRAYOID);

/* a refusal to be profiled is none to be written to */
static KeptPlan read_denials =
KEPT_PLAN("SELECT DISTINCT CASE WHEN c.state = 'objected' THEN '*' ELSE c.channel END"
		  " FROM nurture.consent c WHERE c.lead_id = ANY ($1)"
		  " AND c.state IN ('refused', 'withdrawn', 'objected')"
		  " AND c.purpose <> '" NURTURE_INFERENCE_PURPOSE "'", INT8ARRAYOID);

static KeptPlan read_accounts =
KEPT_PLAN("SELECT DISTINCT l.account_id FROM nurture.lead l"
		  " WHERE l.lead_id = ANY ($1) AND l.account_id IS NOT NULL", INT8ARRAYOID);

static KeptPlan read_suppressions =
KEPT_PLAN("SELECT coalesce(jsonb_agg(x.told ORDER BY x.scope COLLATE \"C\", x.value COLLATE \"C\"), '[]')::text"
		  " FROM (SELECT DISTINCT s.scope, k.value, jsonb_strip_nulls(jsonb_build_object('scope', s.scope,"
		  "  'of', k.value, 'reason', s.reason, 'since', s.since, 'until', s.until, 'source', s.source)) AS told"
		  "  FROM unnest($1, $2, $3) AS k (key_hash, scope, value)"
		  "  JOIN nurture.suppression s ON s.key_hash = k.key_hash AND s.scope = k.scope) x",
		  BYTEAARRAYOID, TEXTARRAYOID, TEXTARRAYOID);

/* An address of one of the leads, in normal form. */
typedef struct OwnAddress
{
	int64		lead_id;
	ContactKind kind;
	char	   *address;
} OwnAddress;

static Datum
lead_array(const int64 *leads, int n)
{
	Datum	   *items = palloc(sizeof(Datum) * Max(n, 1));

	for (int i = 0; i < n; i++)
		items[i] = Int64GetDatum(leads[i]);
	return PointerGetDatum(construct_array(items, n, INT8OID, 8,
										   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* Lists the addresses that can be written to, by kind and address. */
static OwnAddress *
own_addresses(const int64 *leads, int n, int *count)
{
	Datum		value = lead_array(leads, n);
	OwnAddress *result;
	int			rows;

	(void) nurture_execute_latest(&read_addresses, &value, NULL, false);
	rows = (int) SPI_processed;
	result = palloc(sizeof(OwnAddress) * Max(rows, 1));
	*count = 0;
	for (int row = 0; row < rows; row++)
	{
		bool		email = strcmp(nurture_cell_text(row, 1), "email") == 0;
		ContactKind kind = email ? CONTACT_EMAIL : CONTACT_PHONE;
		char	   *address = nurture_cell_text(row, 2);
		OwnAddress *own = &result[*count];
		ContactPoint point;
		bool		null;

		nurture_contact_read(kind, email ? address : NULL, email ? NULL : address,
							 nurture_cell_text(row, 3), &point);
		if (point.address == NULL || point.fault != NULL)
			continue;			/* nobody could be reached by it */
		own->lead_id = DatumGetInt64(nurture_cell(row, 4, &null));
		own->kind = kind;
		own->address = point.address;
		(*count)++;
	}
	return result;
}

static int
compare_ids(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return (x > y) - (x < y);
}

/* Locks addresses, then gates, those of other leads with one of them too. */
void
nurture_gate_erase_lock(const int64 *leads, int n)
{
	int			naddresses;
	OwnAddress *addresses = own_addresses(leads, n, &naddresses);
	int64	   *all = palloc(sizeof(int64) * Max(n, 1));
	int			nall = n;

	memcpy(all, leads, sizeof(int64) * n);
	for (int i = 0; i < naddresses; i++)
		nurture_contact_lock("contact_point", addresses[i].address, true);
	for (int i = 0; i < naddresses; i++)
	{
		int64	   *holders;
		int			nholders = nurture_suppress_holders(addresses[i].address, &holders);

		all = repalloc(all, sizeof(int64) * Max(nall + nholders, 1));
		memcpy(all + nall, holders, sizeof(int64) * nholders);
		nall += nholders;
	}
	qsort(all, nall, sizeof(int64), compare_ids);
	for (int i = 0; i < nall; i++)
	{
		if (i == 0 || all[i] != all[i - 1])
			nurture_gate_lock(all[i]);
	}
}

/* Suppresses the addresses that are not to be written to; returns how many. */
int
nurture_gate_keep_denials(const int64 *leads, int n, bool all)
{
	int			naddresses;
	OwnAddress *addresses = own_addresses(leads, n, &naddresses);
	bool		denied[CONTACT_PHONE + 1] = {false, all, all};
	Datum		value = lead_array(leads, n);
	const char *last = NULL;
	int			kept = 0;

	(void) nurture_execute_latest(&read_denials, &value, NULL, false);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		char	   *channel = nurture_cell_text(row, 1);

		if (strcmp(channel, "*") == 0)
			denied[CONTACT_EMAIL] = denied[CONTACT_PHONE] = true;
		else
			denied[nurture_contact_kind(channel)] = true;
	}
	for (int i = 0; i < naddresses; i++)
	{
		bool		held = false;

		/* what holds for one of the leads holds for the person */
		for (int j = 0; j < n; j++)
			held = nurture_suppress_keep(leads[j], addresses[i].address) || held;
		if (denied[addresses[i].kind])
		{
			ContactBlock block = {
				.lead_id = addresses[i].lead_id,.kind = addresses[i].kind,
				.address = addresses[i].address,.reason = "asked_not_to_be_contacted",
				.source = "nurture_erase",.until = DT_NOEND
			};

			nurture_suppress_contact(&block);
			held = true;
		}
		if (held && (last == NULL || strcmp(last, addresses[i].address) != 0))
			kept++;
		last = addresses[i].address;
	}
	return kept;
}

/* What may be suppressed of a person: the keys that a suppression would have. */
typedef struct PersonKeys
{
	const GateRules *rules;
	Datum	   *hashes;
	Datum	   *scopes;
	Datum	   *values;
	int			n;
	int			room;
} PersonKeys;

static void
add_key(PersonKeys *keys, const char *scope, const char *value)
{
	uint8		hash[GATE_HASH_LEN];

	if (keys->n == keys->room)
	{
		Size		size = sizeof(Datum) * (keys->room = Max(keys->room * 2, 32));

		keys->hashes = keys->n ? repalloc(keys->hashes, size) : palloc(size);
		keys->scopes = keys->n ? repalloc(keys->scopes, size) : palloc(size);
		keys->values = keys->n ? repalloc(keys->values, size) : palloc(size);
	}
	nurture_gate_hash(keys->rules, scope, value, hash);
	keys->hashes[keys->n] = nurture_gate_hash_datum(hash);
	keys->scopes[keys->n] = CStringGetTextDatum(scope);
	keys->values[keys->n++] = CStringGetTextDatum(value);
}

static Datum
array_of(Datum *items, int n, Oid type)
{
	return PointerGetDatum(construct_array(items, n, type, -1, false, TYPALIGN_INT));
}

/*
 * Lists, as a JSON array, the suppressions whose key is that of something the
 * leads have: scope, what of theirs it is, reason, since, until, source.
 */
char	   *
nurture_gate_tell_suppressions(const int64 *leads, int n)
{
	int			naddresses;
	OwnAddress *addresses = own_addresses(leads, n, &naddresses);
	PersonKeys	keys = {.rules = nurture_gate_rules()};
	Datum		values[3] = {lead_array(leads, n)};

	for (int i = 0; i < n; i++)
	{
		add_key(&keys, "lead", psprintf(INT64_FORMAT, leads[i]));
		for (int j = 0; j < naddresses; j++)
			add_key(&keys, "lead_address", psprintf(INT64_FORMAT ":%s", leads[i], addresses[j].address));
	}
	for (int i = 0; i < naddresses; i++)
	{
		const char *at = addresses[i].kind == CONTACT_EMAIL ? strrchr(addresses[i].address, '@') : NULL;
		const char *domains[CONTACT_MAX_DOMAINS];
		int			ndomains = at ? nurture_contact_domains(at + 1, domains) : 0;

		add_key(&keys, "contact_point", addresses[i].address);
		for (int j = 0; j < ndomains; j++)
			add_key(&keys, "domain", domains[j]);
	}
	(void) nurture_execute_latest(&read_accounts, values, NULL, false);
	for (uint64 row = 0, rows = SPI_processed; row < rows; row++)
		add_key(&keys, "account", nurture_cell_text(row, 1));

	values[0] = array_of(keys.hashes, keys.n, BYTEAOID);
	values[1] = array_of(keys.scopes, keys.n, TEXTOID);
	values[2] = array_of(keys.values, keys.n, TEXTOID);
	(void) nurture_execute_latest(&read_suppressions, values, NULL, false);
	return nurture_cell_text(0, 1);
}
