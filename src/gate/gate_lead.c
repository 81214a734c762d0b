/*
 * gate_lead.c
 *	  What the gate has to know of nurture.lead: new leads get their gate row,
 *	  a changed fact updates it, and messages that the change forbids are
 *	  cancelled or called back.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/trigger.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "gate/contact_point.h"
#include "gate/gate_private.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

#define GATE_BATCH	2000		/* gate rows made by one statement */

NURTURE_FUNCTION(nurture_gate_lead);

static KeptPlan find_waiting =
KEPT_PLAN("SELECT 1 FROM nurture.message AS m"
		  " WHERE m.lead_id OPERATOR(pg_catalog.=) $1"
		  " AND m.status OPERATOR(pg_catalog.=) ANY"
		  " ('{queued,held}'::pg_catalog.text[]) LIMIT 1", INT8OID);

static KeptPlan make_gates =
KEPT_PLAN("INSERT INTO nurture.gate (lead_id)"
		  " SELECT pg_catalog.unnest($1) ON CONFLICT DO NOTHING"
		  " RETURNING lead_id", INT8ARRAYOID);

static KeptPlan update_facts =
KEPT_PLAN("UPDATE nurture.gate AS g SET seq = g.seq OPERATOR(pg_catalog.+) 1,"
		  " merged_into = $2, erased = $3,"
		  " subject = CASE WHEN NOT $3 THEN g.subject END"
		  " WHERE g.lead_id OPERATOR(pg_catalog.=) $1",
		  INT8OID, INT8OID, BOOLOID);

static KeptPlan mark_survivor =
KEPT_PLAN("UPDATE nurture.gate AS g SET seq = g.seq OPERATOR(pg_catalog.+) 1,"
		  " absorbs = true WHERE g.lead_id OPERATOR(pg_catalog.=) $1",
		  INT8OID);

/* Writes what of a lead's row is kept on the gate row. */
static void
write_facts(int64 lead_id, Datum merged_into, bool merged_null, bool erased)
{
	Datum		values[3];
	char		nulls[3] = {' ', ' ', ' '};

	nurture_gate_epoch++;
	values[0] = Int64GetDatum(lead_id);
	values[1] = merged_into;
	values[2] = BoolGetDatum(erased);
	if (merged_null)
		nulls[1] = 'n';
	(void) nurture_execute(&update_facts, values, nulls, false);
	if (SPI_processed == 0)
		nurture_gate_make(lead_id);
}

/*
 * Tells the gate row of a survivor that others are merged into it, so that
 * what they were sent counts from the next message on.
 */
static void
write_survivor(int64 lead_id)
{
	Datum		value = Int64GetDatum(lead_id);

	nurture_gate_epoch++;
	(void) nurture_execute(&mark_survivor, &value, NULL, false);
}

static int
compare_ids(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return x < y ? -1 : x > y;
}

/* Treats those of new leads whose gate rows were there before they came. */
static void
meet_again(const Datum *ids, int n)
{
	int			nmade = (int) SPI_processed;
	int64	   *made = palloc(sizeof(int64) * Max(nmade, 1));
	int64	   *known = palloc(sizeof(int64) * n);
	int			nknown = 0;

	for (int i = 0; i < nmade; i++)
	{
		bool		null;

		made[i] = DatumGetInt64(nurture_cell(i, 1, &null));
	}
	qsort(made, nmade, sizeof(int64), compare_ids);
	for (int i = 0; i < n; i++)
	{
		int64		id = DatumGetInt64(ids[i]);

		if (bsearch(&id, made, nmade, sizeof(int64), compare_ids) == NULL)
			known[nknown++] = id;
	}
	qsort(known, nknown, sizeof(int64), compare_ids);
	nurture_gate_known(known, nknown);
	pfree(made);
	pfree(known);
}

static void
make_batch(Datum *ids, int n)
{
	Datum		values[1];

	if (n == 0)
		return;
	values[0] = PointerGetDatum(construct_array(ids, n, INT8OID, 8, true,
												TYPALIGN_DOUBLE));
	(void) nurture_execute(&make_gates, values, NULL, false);
	if (SPI_processed < n)
		meet_again(ids, n);
	pfree(DatumGetPointer(values[0]));
}

/* Shares the locks of what a new lead has. */
static void
share_contact(TupleTableSlot *slot, const int *columns)
{
	Datum		values[4];
	bool		nulls[4];
	char	   *texts[3];

	for (int i = 0; i < 4; i++)
	{
		values[i] = slot_getattr(slot, columns[i], &nulls[i]);
		if (i < 3)
			texts[i] = nulls[i] ? NULL : TextDatumGetCString(values[i]);
	}
	nurture_contact_share(texts[0], texts[1], texts[2], !nulls[3],
						  nulls[3] ? 0 : DatumGetInt64(values[3]));
	for (int i = 0; i < 3; i++)
	{
		if (texts[i] != NULL)
			pfree(texts[i]);
	}
}

/* Makes the gate rows of new leads. */
static void
leads_inserted(TriggerData *data)
{
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	int			id = SPI_fnumber(desc, "lead_id");
	int			merged = SPI_fnumber(desc, "merged_into");
	int			erased = SPI_fnumber(desc, "erased_at");
	int			contact[4] = {SPI_fnumber(desc, "email"),
		SPI_fnumber(desc, "phone"), SPI_fnumber(desc, "country"),
	SPI_fnumber(desc, "account_id")};
	Datum	   *ids = palloc(sizeof(Datum) * GATE_BATCH);
	int			n = 0;

	tuplestore_rescan(data->tg_newtable);
	while (tuplestore_gettupleslot(data->tg_newtable, true, false, slot))
		share_contact(slot, contact);
	tuplestore_rescan(data->tg_newtable);
	while (tuplestore_gettupleslot(data->tg_newtable, true, false, slot))
	{
		bool		null;
		Datum		lead_id = slot_getattr(slot, id, &null);
		Datum		into = slot_getattr(slot, merged, &null);
		bool		gone;

		(void) slot_getattr(slot, erased, &gone);
		ids[n++] = lead_id;
		if (n == GATE_BATCH || !null || !gone)
		{
			make_batch(ids, n);
			n = 0;
		}
		if (!null || !gone)
			write_facts(DatumGetInt64(lead_id), into, null, !gone);
		if (!null)
			write_survivor(DatumGetInt64(into));
	}
	make_batch(ids, n);
	pfree(ids);
	ExecDropSingleTupleTableSlot(slot);
}

/*
 * Hands what forbids messages to a lead on to the one it was merged into: it
 * is the same person, and a merge must not loosen anything.
 */
static void
inherit_denials(int64 lead_id, int64 survivor)
{
	int64		next = survivor;

	for (int merges = 0; next != 0; merges++)
	{
		if (next == lead_id || merges == GATE_MAX_MERGES)
			ereport(ERROR,
					(errcode(NURTURE_ERRCODE_BAD_STATE),
					 errmsg("a lead cannot be merged into one that was merged into it"),
					 errhint("Set merged_into to the lead that is to be kept.")));
		next = nurture_gate_survivor(next);
	}
	nurture_consent_inherit(lead_id, survivor);
	nurture_stop_inherit(lead_id, survivor);
	nurture_suppress_inherit(lead_id, survivor);
	nurture_preference_inherit(lead_id, survivor);
}

/* A lead whose change the gate has to know. */
typedef struct ChangedLead
{
	int64		lead_id;
	Datum		merged_into;
	bool		merged_null;
	bool		erased;
	bool		closed;			/* was merged or erased by this statement */
	bool		merged;			/* was merged, into another than before */
	bool		moved;			/* has another address or account now: */
	bool		left[CONTACT_PHONE + 1];	/* by kind: left the one it had */
	bool		new_email;		/* has one that is new */
	bool		new_phone;		/* likewise */
	char	   *email;
	char	   *phone;
	char	   *country;
	bool		has_account;
	int64		account_id;
} ChangedLead;

static int
compare_changed(const void *a, const void *b)
{
	int64		x = ((const ChangedLead *) a)->lead_id;
	int64		y = ((const ChangedLead *) b)->lead_id;

	return x < y ? -1 : x > y;
}

/* Notes which addresses a lead has left: one is the same in any spelling. */
static void
note_left(ChangedLead *changed, const char *email, const char *phone,
		  const char *country)
{
	for (ContactKind kind = CONTACT_EMAIL; kind <= CONTACT_PHONE; kind++)
	{
		ContactPoint before;
		ContactPoint after;

		nurture_contact_read(kind, email, phone, country, &before);
		nurture_contact_read(kind, changed->email, changed->phone,
							 changed->country, &after);
		changed->left[kind] = before.address != NULL &&
			(after.address == NULL ||
			 strcmp(before.address, after.address) != 0);
	}
}

/*
 * Calls back what workers have in hand to an address that its lead has left.
 * Nothing taken and not called back goes to another address than the lead's
 * then: whoever suppresses an address finds all messages to it by the leads
 * that have it.
 */
static void
recall_left(const ChangedLead *changed)
{
	for (ContactKind kind = CONTACT_EMAIL; kind <= CONTACT_PHONE; kind++)
	{
		CancelScope scope = {
			.lead_id = changed->lead_id,.classes = CLASS_ALL,.channel = "*",
			.topic = "*",.product = "*",.reason = "address_changed",
			.taken_only = true
		};

		if (!changed->left[kind])
			continue;
		scope.channels = nurture_contact_channels(kind);
		(void) nurture_gate_cancel(&scope);
	}
}

/* Cancels what is queued for a lead whose new address is suppressed. */
static void
cancel_suppressed(const ChangedLead *changed)
{
	Datum		value = Int64GetDatum(changed->lead_id);
	GateLead	lead = {
		.found = true,.suppressed = true,.lead_id = changed->lead_id,
		.email = changed->email,
		.phone = changed->phone,.country = changed->country,
		.has_account = changed->has_account,.account_id = changed->account_id
	};

	(void) nurture_execute_latest(&find_waiting, &value, NULL, false);
	if (SPI_processed == 0)
		return;
	for (ContactKind kind = CONTACT_NONE; kind <= CONTACT_PHONE; kind++)
	{
		GateAsk		ask = {.now = nurture_now_wall()};
		CancelScope scope = {
			.lead_id = changed->lead_id,.classes = CLASS_ALL,.channel = "*",
			.topic = "*",.product = "*",.reason = "suppressed"
		};

		/* without an address: the account */
		if (kind != CONTACT_NONE)
			scope.channels = nurture_contact_channels(kind);
		nurture_contact_suppressions(&lead, nurture_gate_rules(), kind, &ask);
		if (ask.nsuppressions > 0)
			(void) nurture_gate_cancel(&scope);
	}
}

/*
 * Updates the gate rows of changed leads, and of those that some of them were
 * merged into, ascending by lead.
 */
static void
write_changed(const ChangedLead *leads, int n)
{
	int64	   *survivors = palloc(sizeof(int64) * Max(n, 1));
	int			nsurvivors = 0;
	int			next = 0;

	for (int i = 0; i < n; i++)
	{
		if (leads[i].merged)
			survivors[nsurvivors++] = DatumGetInt64(leads[i].merged_into);
	}
	if (nsurvivors > 1)
		qsort(survivors, nsurvivors, sizeof(int64), compare_ids);
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		while (next < nsurvivors && survivors[next] < leads[i].lead_id)
			write_survivor(survivors[next++]);
		write_facts(leads[i].lead_id, leads[i].merged_into,
					leads[i].merged_null, leads[i].erased);
	}
	while (next < nsurvivors)
		write_survivor(survivors[next++]);
	pfree(survivors);
}

/*
 * Updates the gate rows of leads of which a fact changed that the gate reads,
 * in lead order, and cancels what is queued for those that were merged or
 * erased.
 */
static void
leads_updated(TriggerData *data)
{
	static const char *const facts[] = {"email", "phone", "country",
		"audience_type", "audience_verified_at", "language", "time_zone",
	"account_id", "merged_into", "erased_at"};
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	TupleTableSlot *before = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	TupleTableSlot *after = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	int			columns[lengthof(facts)];
	int			id = SPI_fnumber(desc, "lead_id");
	ChangedLead *leads = NULL;
	int			n = 0;
	int			max = 0;

	for (int i = 0; i < lengthof(facts); i++)
		columns[i] = SPI_fnumber(desc, facts[i]);
	tuplestore_rescan(data->tg_oldtable);
	tuplestore_rescan(data->tg_newtable);
	while (tuplestore_gettupleslot(data->tg_oldtable, true, false, before) &&
		   tuplestore_gettupleslot(data->tg_newtable, true, false, after))
	{
		bool		changed = false;
		bool		null;
		int64		lead_id = DatumGetInt64(slot_getattr(after, id, &null));
		Datum		old[lengthof(facts)];
		Datum		new[lengthof(facts)];
		bool		oldnull[lengthof(facts)];
		bool		newnull[lengthof(facts)];
		bool		same[lengthof(facts)];

		if (lead_id != DatumGetInt64(slot_getattr(before, id, &null)))
			ereport(ERROR,
					(errcode(NURTURE_ERRCODE_BAD_STATE),
					 errmsg("the id of a lead cannot be changed"),
					 errhint("Everything that concerns a lead carries its lead_id; make a new lead and merge the old one into it.")));
		for (int i = 0; i < lengthof(facts); i++)
		{
			Form_pg_attribute att = TupleDescAttr(desc, columns[i] - 1);

			old[i] = slot_getattr(before, columns[i], &oldnull[i]);
			new[i] = slot_getattr(after, columns[i], &newnull[i]);
			same[i] = oldnull[i] == newnull[i] &&
				(newnull[i] || datum_image_eq(old[i], new[i], att->attbyval,
											  att->attlen));
			changed = changed || !same[i];
		}
		if (!changed)
			continue;
		if (n == max)
		{
			max = max ? max * 2 : 16;
			leads = leads ? repalloc(leads, sizeof(ChangedLead) * max) :
				palloc(sizeof(ChangedLead) * max);
		}
		leads[n].lead_id = lead_id;
		leads[n].merged_into = new[8];
		leads[n].merged_null = newnull[8];
		leads[n].erased = !newnull[9];
		leads[n].merged = !newnull[8] &&
			(oldnull[8] || DatumGetInt64(old[8]) != DatumGetInt64(new[8]));
		leads[n].closed = (oldnull[8] && !newnull[8]) ||
			(oldnull[9] && !newnull[9]);
		leads[n].moved = !same[0] || !same[1] || !same[2] || !same[7];
		memset(leads[n].left, 0, sizeof(leads[n].left));
		leads[n].new_email = !same[0] && !newnull[0];
		leads[n].new_phone = !same[1] && !newnull[1];
		leads[n].email = newnull[0] ? NULL : TextDatumGetCString(new[0]);
		leads[n].phone = newnull[1] ? NULL : TextDatumGetCString(new[1]);
		leads[n].country = newnull[2] ? NULL : TextDatumGetCString(new[2]);
		leads[n].has_account = !newnull[7];
		leads[n].account_id = newnull[7] ? 0 : DatumGetInt64(new[7]);
		if (leads[n].moved)
			note_left(&leads[n],
					  oldnull[0] ? NULL : TextDatumGetCString(old[0]),
					  oldnull[1] ? NULL : TextDatumGetCString(old[1]),
					  oldnull[2] ? NULL : TextDatumGetCString(old[2]));
		n++;
	}
	ExecDropSingleTupleTableSlot(before);
	ExecDropSingleTupleTableSlot(after);

	if (n > 1)
		qsort(leads, n, sizeof(ChangedLead), compare_changed);
	/* before the gates, as whoever suppresses does */
	for (int i = 0; i < n; i++)
	{
		if (leads[i].moved)
			nurture_contact_share(leads[i].email, leads[i].phone,
								  leads[i].country, leads[i].has_account,
								  leads[i].account_id);
	}
	write_changed(leads, n);
	for (int i = 0; i < n; i++)
	{
		CancelScope scope = {
			.lead_id = leads[i].lead_id,.classes = CLASS_ALL,.channel = "*",
			.topic = "*",.product = "*"
		};

		if (!leads[i].closed)
			continue;
		scope.reason = leads[i].erased ? "lead_erased" : "lead_merged";
		(void) nurture_gate_cancel(&scope);
	}
	for (int i = 0; i < n; i++)
	{
		if (leads[i].moved && !leads[i].closed)
		{
			recall_left(&leads[i]);
			cancel_suppressed(&leads[i]);
			nurture_stop_new_address(leads[i].lead_id, leads[i].new_email, leads[i].new_phone);
		}
		if (leads[i].merged)
			inherit_denials(leads[i].lead_id,
							DatumGetInt64(leads[i].merged_into));
	}
	if (leads != NULL)
		pfree(leads);
}

/* Cancels what is queued for leads that were deleted, in lead order. */
static void
leads_deleted(TriggerData *data)
{
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	int			id = SPI_fnumber(desc, "lead_id");
	ChangedLead *leads = NULL;
	int			n = 0;
	int			max = 0;

	tuplestore_rescan(data->tg_oldtable);
	while (tuplestore_gettupleslot(data->tg_oldtable, true, false, slot))
	{
		bool		null;

		if (n == max)
		{
			max = max ? max * 2 : 16;
			leads = leads ?
				repalloc_huge(leads, sizeof(ChangedLead) * max) :
				palloc(sizeof(ChangedLead) * max);
		}
		leads[n++].lead_id = DatumGetInt64(slot_getattr(slot, id, &null));
	}
	ExecDropSingleTupleTableSlot(slot);
	if (n > 1)
		qsort(leads, n, sizeof(ChangedLead), compare_changed);
	for (int i = 0; i < n; i++)
	{
		GateLead	lead;

		CHECK_FOR_INTERRUPTS();
		(void) nurture_gate_update(leads[i].lead_id, 1, false, NULL, &lead);
	}
	for (int i = 0; i < n; i++)
	{
		CancelScope scope = {
			.lead_id = leads[i].lead_id,.classes = CLASS_ALL,.channel = "*",
			.topic = "*",.product = "*",.reason = "lead_unknown"
		};

		(void) nurture_gate_cancel(&scope);
	}
}

/*
 * Trigger of nurture.lead, after each statement: gives new leads their gate
 * row, and tells the gate of changed facts and of leads that are gone.
 */
Datum
nurture_gate_lead(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_gate_lead");
	OwnerSwitch owner;
	int			level;

	if (!nurture_deriving())
		return PointerGetDatum(NULL);
	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	if (TRIGGER_FIRED_BY_INSERT(data->tg_event))
		leads_inserted(data);
	else if (TRIGGER_FIRED_BY_UPDATE(data->tg_event))
		leads_updated(data);
	else if (TRIGGER_FIRED_BY_DELETE(data->tg_event))
		leads_deleted(data);
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
	return PointerGetDatum(NULL);
}
