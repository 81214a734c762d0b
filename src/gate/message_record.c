/*
 * message_record.c
 *	  What is put on record about messages when the statement that inserted
 *	  them ends.
 *
 * The AFTER STATEMENT trigger writes the audit entries and checks that each
 * row still says what was decided.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/trigger.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/tuptable.h"
#include "gate/decision.h"
#include "gate/gate_private.h"
#include "gate/message_row.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

#define AUDIT_BATCH		320		/* audit entries appended at a time */
#define MESSAGE_OBJECT	"message:"	/* before the number, in entries */
#define MESSAGE_DIGITS	20		/* of a number */

NURTURE_FUNCTION(nurture_gate_record);

static uint64 mark_seed = 0;	/* of this backend, random */

static KeptPlan open_review =
KEPT_PLAN("INSERT INTO nurture.review (lead_id, bucket, scope, evidence)"
		  " VALUES ($1, 'consent'::pg_catalog.text, $2,"
		  " pg_catalog.jsonb_build_object('message_id'::pg_catalog.text, $3))"
		  " ON CONFLICT (lead_id, bucket, scope)"
		  " WHERE state OPERATOR(pg_catalog.=) 'open'::pg_catalog.text"
		  " DO NOTHING", INT8OID, TEXTOID, INT8OID);

/* Takes a value into a hash; both steps can be undone, so nothing is lost. */
static uint64
mix(uint64 hash, uint64 value)
{
	hash = (hash ^ value) * UINT64CONST(0x9E3779B97F4A7C15);
	return hash ^ (hash >> 32);
}

/* Hashes a row, all columns but the mark, with this backend's key. */
int64
nurture_message_mark(const int *column, TupleDesc desc, const Datum *values,
					 const bool *nulls)
{
	uint64		hash;

	while (mark_seed == 0)
	{
		if (!pg_strong_random(&mark_seed, sizeof(mark_seed)))
			elog(ERROR, "could not generate a random key");
	}
	hash = mark_seed;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (i == column[MESSAGE_MARK] - 1 || att->attisdropped)
			continue;
		if (nulls[i])
			hash = mix(hash, i + 1);
		else if (att->attbyval)
			hash = mix(hash + i, (uint64) values[i]);
		else
		{
			struct varlena *value =
			PG_DETOAST_DATUM_PACKED(values[i]);

			hash = hash_bytes_extended((unsigned char *) VARDATA_ANY(value),
									   VARSIZE_ANY_EXHDR(value), hash + i);
		}
	}
	return (int64) hash;
}

/* Returns a text column of a row, NULL when null. */
char	   *
nurture_message_text(const int *column, MessageColumn which,
					 const Datum *values, const bool *nulls)
{
	int			i = column[which] - 1;

	return nulls[i] ? NULL : TextDatumGetCString(values[i]);
}

/* Texts of an entry that those of a statement mostly have in common. */
typedef struct EntryTexts
{
	Datum		kind;			/* what they were made of */
	Datum		asset_id;
	int32		version;		/* -1 = none */
	const char *trigger_json;	/* NULL = none made yet */
	const char *versions_json;
} EntryTexts;

static bool
same_text(Datum a, Datum b)
{
	return datumIsEqual(a, b, false, -1);
}

/* Tells what led to a message as JSON. */
static const char *
trigger_json(const int *column, const Datum *values,
			 const bool *nulls)
{
	int			i = column[MESSAGE_TRIGGER_EVENT_ID] - 1;
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoString(&json, "{\"kind\":");
	escape_json(&json, nurture_message_text(column, MESSAGE_TRIGGER_KIND, values, nulls));
	if (!nulls[i])
		appendStringInfo(&json, ",\"event_id\":" INT64_FORMAT,
						 DatumGetInt64(values[i]));
	if (!nulls[column[MESSAGE_TRACK] - 1])
	{
		appendStringInfoString(&json, ",\"track\":");
		escape_json(&json, nurture_message_text(column, MESSAGE_TRACK, values, nulls));
	}
	appendStringInfoChar(&json, '}');
	return json.data;
}

/* Tells which asset version it is of as JSON. */
static const char *
versions_json(const int *column, const Datum *values,
			  const bool *nulls)
{
	int			i = column[MESSAGE_VERSION] - 1;
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoString(&json, "{\"asset\":");
	escape_json(&json, nurture_message_text(column, MESSAGE_ASSET_ID, values, nulls));
	if (!nulls[i])
		appendStringInfo(&json, ",\"version\":%d", DatumGetInt32(values[i]));
	appendStringInfoChar(&json, '}');
	return json.data;
}

/* Gives an entry its JSON texts, those of the last one when they are the same. */
static void
entry_texts(const int *column, const Datum *values,
			const bool *nulls, EntryTexts *last, AuditEntry *entry)
{
	Datum		kind = values[column[MESSAGE_TRIGGER_KIND] - 1];
	Datum		asset_id = values[column[MESSAGE_ASSET_ID] - 1];
	int			i = column[MESSAGE_VERSION] - 1;
	int32		version = nulls[i] ? -1 : DatumGetInt32(values[i]);

	if (!nulls[column[MESSAGE_TRIGGER_EVENT_ID] - 1] ||
		!nulls[column[MESSAGE_TRACK] - 1])
		entry->trigger_json = trigger_json(column, values, nulls);
	else
	{
		if (last->trigger_json == NULL || !same_text(last->kind, kind))
		{
			last->kind = datumCopy(kind, false, -1);
			last->trigger_json = trigger_json(column, values, nulls);
		}
		entry->trigger_json = last->trigger_json;
	}
	if (last->versions_json == NULL || last->version != version ||
		!same_text(last->asset_id, asset_id))
	{
		last->asset_id = datumCopy(asset_id, false, -1);
		last->version = version;
		last->versions_json = versions_json(column, values, nulls);
	}
	entry->versions_json = last->versions_json;
}

/* Adds the audit entry of a message. */
static void
message_entry(const int *column, const Datum *values,
			  const bool *nulls, EntryTexts *last, AuditEntry *entry)
{
	const SaidRow *said;
	char	   *object;
	int			i;

	memset(entry, 0, sizeof(*entry));
	entry->has_lead = true;
	entry->lead_id = DatumGetInt64(values[column[MESSAGE_LEAD_ID] - 1]);
	entry->kind = "message";
	object = palloc(sizeof(MESSAGE_OBJECT) + MESSAGE_DIGITS);
	memcpy(object, MESSAGE_OBJECT, sizeof(MESSAGE_OBJECT) - 1);
	(void) pg_lltoa(DatumGetInt64(values[column[MESSAGE_MESSAGE_ID] - 1]),
					object + sizeof(MESSAGE_OBJECT) - 1);
	entry->object = object;
	entry->outcome = nurture_message_text(column, MESSAGE_STATUS, values, nulls);
	i = column[MESSAGE_REASONS] - 1;
	if (!nulls[i])
	{
		Datum	   *items;
		bool	   *item_nulls;
		const char **codes;

		deconstruct_array(DatumGetArrayTypeP(values[i]), TEXTOID, -1, false,
						  TYPALIGN_INT, &items, &item_nulls, &entry->nreasons);
		codes = palloc(sizeof(char *) * entry->nreasons);
		for (int j = 0; j < entry->nreasons; j++)
			codes[j] = TextDatumGetCString(items[j]);
		entry->reasons = codes;
	}

	entry_texts(column, values, nulls, last, entry);
	said = nurture_said_find(DatumGetInt64(values[column[MESSAGE_MARK] - 1]));
	if (said->has_subject)
		entry->subject = said->subject;
	entry->inputs = said->said->text;
	entry->inputs_common = said->said->passed;
	entry->inputs_hash = said->said->passed_hash;
}

/* Opens a review of consent, unless one is open; lead, scope and message. */
void
nurture_gate_open_review(Datum lead_id, Datum scope, Datum message_id)
{
	Datum		args[3] = {lead_id, scope, message_id};
	int			level = nurture_spi_connect_here();

	(void) nurture_execute(&open_review, args, NULL, false);
	nurture_spi_finish(level);
}

/* Opens the review that a held message asks for. */
static void
ask_review(const int *column, const Datum *values)
{
	Jsonb	   *decision =
	DatumGetJsonbP(values[column[MESSAGE_DECISION] - 1]);
	JsonbValue	found;
	Datum		scope = CStringGetTextDatum("*");

	if (getKeyJsonValueFromContainer(&decision->root, "review",
									 strlen("review"), &found) != NULL &&
		found.type == jbvString)
		scope = PointerGetDatum(cstring_to_text_with_len(found.val.string.val,
														 found.val.string.len));
	nurture_gate_open_review(values[column[MESSAGE_LEAD_ID] - 1],
							 scope,
							 values[column[MESSAGE_MESSAGE_ID] - 1]);
}

/*
 * Trigger of nurture.message, after each INSERT statement: checks that the
 * rows say what the gate decided, opens reviews and writes the audit.
 */
Datum
nurture_gate_record(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_gate_record");
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	int			column[MESSAGE_COLUMNS];
	TupleTableSlot *slot;
	MemoryContext batch_context;
	MemoryContext old;
	AuditEntry *entries;
	EntryTexts	last = {0};
	OwnerSwitch owner;
	int			n = 0;

	if (!nurture_deriving())
		return PointerGetDatum(NULL);
	nurture_message_columns(desc, column);
	batch_context = AllocSetContextCreate(CurrentMemoryContext,
										  "nurture gate audit",
										  ALLOCSET_DEFAULT_SIZES);
	entries = palloc(sizeof(AuditEntry) *
					 Min(AUDIT_BATCH,
						 tuplestore_tuple_count(data->tg_newtable) + 1));
	slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	nurture_owner_enter(&owner);
	old = MemoryContextSwitchTo(batch_context);
	tuplestore_rescan(data->tg_newtable);
	while (tuplestore_gettupleslot(data->tg_newtable, true, true, slot))
	{
		int			mark = column[MESSAGE_MARK] - 1;
		char	   *status;

		slot_getallattrs(slot);
		if (slot->tts_isnull[mark] ||
			DatumGetInt64(slot->tts_values[mark]) !=
			nurture_message_mark(column, desc, slot->tts_values, slot->tts_isnull))
			ereport(ERROR,
					(errcode(NURTURE_ERRCODE_BYPASS),
					 errmsg("a message was changed after the gate had decided about it"),
					 errhint("Look for triggers on nurture.message that are not nurture's, and for disabled ones that are.")));
		status = nurture_message_text(column, MESSAGE_STATUS, slot->tts_values,
									  slot->tts_isnull);
		if (strcmp(status, "held") == 0)
			ask_review(column, slot->tts_values);
		message_entry(column, slot->tts_values, slot->tts_isnull,
					  &last, &entries[n++]);
		if (n == AUDIT_BATCH)
		{
			CHECK_FOR_INTERRUPTS();
			nurture_audit_append(entries, n);
			n = 0;
			ExecClearTuple(slot);	/* its tuple lies in the context */
			MemoryContextReset(batch_context);
			memset(&last, 0, sizeof(last));
		}
	}
	nurture_audit_append(entries, n);
	MemoryContextSwitchTo(old);
	ExecDropSingleTupleTableSlot(slot);
	nurture_owner_leave(&owner);
	MemoryContextDelete(batch_context);
	return PointerGetDatum(NULL);
}
