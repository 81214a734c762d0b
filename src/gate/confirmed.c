/*
 * confirmed.c
 *	  Which addresses a confirmation is about.
 *
 * Who confirmed proved that the address is the lead's.  Where the law asks for
 * that, another address needs a confirmation of its own, so each keeps the
 * keyed hashes of what it was confirmed for: the address it names, else those
 * the lead has when it is recorded.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/trigger.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "gate/contact_point.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/rel.h"

NURTURE_FUNCTION(nurture_consent_confirmed);

static KeptPlan read_addresses =
KEPT_PLAN("SELECT l.email, l.phone, l.country FROM nurture.lead AS l"
		  " WHERE l.lead_id = $1", INT8OID);

/* Adds the hash of a contact point, when there is one. */
static void
add_hash(ContactKind kind, char *const *texts, Datum *hashes, int *n)
{
	ContactPoint point;
	uint8		hash[GATE_HASH_LEN];

	nurture_contact_read(kind, texts[0], texts[1], texts[2], &point);
	if (point.address == NULL)
		return;
	nurture_gate_hash(nurture_gate_rules(), "contact_point", point.address,
					  hash);
	hashes[(*n)++] = nurture_gate_hash_datum(hash);
}

/* Returns hashes as the column that keeps them. */
Datum
nurture_confirmed_hashes(Datum *hashes, int n)
{
	return PointerGetDatum(construct_array(hashes, n, BYTEAOID, -1, false,
										   TYPALIGN_INT));
}

/* Tells whether a confirmation is about an address; see gate_private.h. */
bool
nurture_confirmed_for(const GateConsent *consent, const uint8 *hash)
{
	if (!consent->bound)
		return true;
	for (int i = 0; hash != NULL && i < consent->nconfirmed; i++)
	{
		if (memcmp(consent->confirmed + i * GATE_HASH_LEN, hash,
				   GATE_HASH_LEN) == 0)
			return true;
	}
	return false;
}

/* Takes over the hashes of a confirmation, in the current memory context. */
void
nurture_confirmed_read(GateConsent *consent, Datum value)
{
	Datum	   *items;
	bool	   *nulls;
	int			n;

	deconstruct_array(DatumGetArrayTypeP(value), BYTEAOID, -1, false,
					  TYPALIGN_INT, &items, &nulls, &n);
	consent->bound = true;
	consent->nconfirmed = 0;
	consent->confirmed = palloc(GATE_HASH_LEN * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		bytea	   *hash = nulls[i] ? NULL : DatumGetByteaPP(items[i]);

		if (hash != NULL && VARSIZE_ANY_EXHDR(hash) == GATE_HASH_LEN)
			memcpy(consent->confirmed + GATE_HASH_LEN * consent->nconfirmed++,
				   VARDATA_ANY(hash), GATE_HASH_LEN);
	}
}

static char *
row_text(TriggerData *data, const char *column)
{
	TupleDesc	desc = RelationGetDescr(data->tg_relation);

	return SPI_getvalue(data->tg_trigtuple, desc, SPI_fnumber(desc, column));
}

/*
 * Trigger of nurture.consent_event, before a confirmation that does not tell:
 * notes the addresses it is about.  A channel without addresses has none to
 * note; of all channels it is every address of the lead.
 */
Datum
nurture_consent_confirmed(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_consent_confirmed");
	HeapTuple	row = nurture_trigger_before_row(data, "nurture_consent_confirmed");
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	MemoryContext context = CurrentMemoryContext;
	OwnerSwitch owner;
	char	   *channel;
	char	   *told;
	char	   *texts[3] = {NULL, NULL, NULL};
	Datum		hashes[2];
	Datum		value;
	ContactKind kind;
	bool		no = false;
	bool		null;
	int			column = SPI_fnumber(desc, "contact_point_hashes");
	int			level;
	int			n = 0;

	if (!nurture_deriving())
		return PointerGetDatum(row);
	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	MemoryContextSwitchTo(context);
	channel = row_text(data, "channel");
	value = SPI_getbinval(row, desc, SPI_fnumber(desc, "lead_id"), &null);
	told = row_text(data, "contact_point");
	/* without a channel or a lead the table refuses it */
	kind = channel == NULL ? CONTACT_NONE : nurture_contact_kind(channel);
	if (!null && channel != NULL &&
		(kind != CONTACT_NONE || strcmp(channel, "*") == 0))
	{
		(void) nurture_execute(&read_addresses, &value, NULL, false);
		for (int i = 0; i < 3 && SPI_processed > 0; i++)
			texts[i] = nurture_cell_text(0, i + 1);
		if (told != NULL)
		{
			if (kind == CONTACT_NONE)
				kind = strchr(told, '@') != NULL ? CONTACT_EMAIL : CONTACT_PHONE;
			texts[kind == CONTACT_EMAIL ? 0 : 1] = told;
		}
		if (kind != CONTACT_PHONE)
			add_hash(CONTACT_EMAIL, texts, hashes, &n);
		if (kind != CONTACT_EMAIL)
			add_hash(CONTACT_PHONE, texts, hashes, &n);
		value = nurture_confirmed_hashes(hashes, n);
		row = heap_modify_tuple_by_cols(row, desc, 1, &column, &value, &no);
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
	MemoryContextSwitchTo(context);
	return PointerGetDatum(row);
}
