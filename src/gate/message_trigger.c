/*
 * message_trigger.c
 *	  The one place where an outgoing message is born: INSERT INTO
 *	  nurture.message.
 *
 * The BEFORE ROW trigger "~nurture_gate", last by name, decides for every
 * writer alike.  The AFTER STATEMENT trigger writes the audit entries and
 * checks that each row still says what was decided.  Rows that ON CONFLICT
 * drops were decided but never recorded: what is kept about a row outside of it
 * (decision.h) is asked for by the row that is there.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "audit/audit.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/settings.h"
#include "base/trigger.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "gate/decision.h"
#include "gate/gate_private.h"
#include "gate/message_row.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

#define AUDIT_BATCH		100		/* audit entries appended at a time */
#define SEQ_RESERVE		32		/* numbers taken ahead for a lead's second
								 * message in a statement; doubles */
#define SEQ_RESERVE_MAX 4096
#define MAX_ASSET_ID	124		/* longer ones do not exist */

NURTURE_FUNCTION(nurture_gate_message);
NURTURE_FUNCTION(nurture_gate_record);

typedef struct AssetKey
{
	char		asset_id[MAX_ASSET_ID];
	int32		version;
} AssetKey;

typedef struct AssetEntry
{
	AssetKey	key;
	uint64		epoch;			/* nurture_gate_asset_epoch when it was read */
	GateAsset	asset;
} AssetEntry;

/*
 * What one statement remembers.  It hangs on the trigger's call information,
 * which the executor makes for each statement.
 */
typedef struct GateStatement
{
	MemoryContext context;
	int			column[MESSAGE_COLUMNS];
	GateLead	lead;			/* the last one */
	bool		lead_valid;
	uint64		epoch;			/* nurture_gate_epoch when it was read */
	int64		seq_left;		/* numbers reserved and not used */
	int64		reserve;		/* how many to reserve next */
	HTAB	   *assets;
	Oid			role;			/* caller, and its name */
	char	   *role_name;
	GateSaid	said;			/* decisions */
} GateStatement;

static const char *const status_names[] = {
	[GATE_ALLOW] = "queued",[GATE_DEFER] = "queued",
	[GATE_REVIEW] = "held",[GATE_REFUSE] = "refused"
};

static uint64 mark_seed = 0;	/* of this backend, random */

static KeptPlan open_review =
KEPT_PLAN("INSERT INTO nurture.review (lead_id, bucket, scope, evidence)"
		  " VALUES ($1, 'consent'::pg_catalog.text, $2,"
		  " pg_catalog.jsonb_build_object('message_id'::pg_catalog.text, $3))"
		  " ON CONFLICT (lead_id, bucket, scope)"
		  " WHERE state OPERATOR(pg_catalog.=) 'open'::pg_catalog.text"
		  " DO NOTHING", INT8OID, TEXTOID, INT8OID);

/* Makes the statement's memory. */
static GateStatement *
begin_statement(FmgrInfo *info, TupleDesc desc)
{
	MemoryContext context = AllocSetContextCreate(info->fn_mcxt,
												  "nurture gate",
												  ALLOCSET_DEFAULT_SIZES);
	GateStatement *statement = MemoryContextAllocZero(context,
													  sizeof(GateStatement));
	HASHCTL		control = {
		.keysize = sizeof(AssetKey),.entrysize = sizeof(AssetEntry),
		.hcxt = context
	};

	statement->context = context;
	nurture_said_open(&statement->said, context);
	statement->lead.context = AllocSetContextCreate(context,
													"nurture gate lead",
													ALLOCSET_DEFAULT_SIZES);
	statement->assets = hash_create("nurture gate assets", 16, &control,
									HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	nurture_message_columns(desc, statement->column);
	info->fn_extra = statement;
	return statement;
}

/* Refuses rows that bring what only the gate may say. */
static void
check_brought(const GateStatement *statement, const Datum *values,
			  const bool *nulls)
{
	static const MessageColumn ours[] = {MESSAGE_FAMILY, MESSAGE_REASONS,
		MESSAGE_REQUESTED_AT, MESSAGE_DECIDED_AT, MESSAGE_GATE_SEQ,
		MESSAGE_DECISION, MESSAGE_MARK,
		MESSAGE_CONTACT_POINT_HASH, MESSAGE_CLASS, MESSAGE_TAKEN_AT,
		MESSAGE_TAKEN_BY, MESSAGE_LEASE_UNTIL, MESSAGE_SENT_AT,
		MESSAGE_DELIVERED_AT, MESSAGE_OUTCOME, MESSAGE_OUTCOME_AT,
	MESSAGE_PROVIDER_ID};

	for (int i = 0; i < lengthof(ours); i++)
	{
		if (!nulls[statement->column[ours[i]] - 1])
			ereport(ERROR,
					(errcode(NURTURE_ERRCODE_BYPASS),
					 errmsg("column \"%s\" of a message is set by the gate",
							nurture_message_column_name(ours[i])),
					 errhint("Insert lead_id, channel and asset_id, and what belongs to the request; the gate decides the rest.")));
	}
	if (strcmp(TextDatumGetCString(values[statement->column[MESSAGE_STATUS] - 1]),
			   "queued") != 0 ||
		DatumGetBool(values[statement->column[MESSAGE_CANCEL_REQUESTED] - 1]) ||
		DatumGetInt16(values[statement->column[MESSAGE_TAKES] - 1]) != 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BYPASS),
				 errmsg("the status of a message is decided by the gate"),
				 errhint("Leave status out of the INSERT.")));
}

/*
 * Reads the lead, its gate row being updated first; what was read for the
 * statement's last message still holds when it was about the same lead and
 * nothing of ours touched a gate row or message since.
 */
static GateLead *
statement_lead(GateStatement *statement, const GateRules *rules,
			   int64 lead_id)
{
	GateLead   *lead = &statement->lead;

	if (statement->lead_valid && lead->asked == lead_id && lead->found &&
		statement->epoch == nurture_gate_epoch)
	{
		if (statement->seq_left == 0)
		{
			GateLead	fresh;

			/* the row is ours already; this only takes numbers ahead */
			if (!nurture_gate_update(lead->lead_id, statement->reserve, &fresh))
				elog(ERROR, "gate row of lead " INT64_FORMAT " is gone",
					 lead->lead_id);
			lead->seq = fresh.seq;
			statement->seq_left = statement->reserve;
			statement->reserve = Min(statement->reserve * 2, SEQ_RESERVE_MAX);
		}
		else
			lead->seq++;
		statement->seq_left--;
	}
	else
	{
		statement->lead_valid = false;
		MemoryContextReset(lead->context);
		lead->asked = lead_id;
		nurture_gate_read(lead, rules, true, nurture_now_wall());
		statement->lead_valid = true;
		statement->seq_left = 0;
		statement->reserve = SEQ_RESERVE;
	}
	/* a statement within this one must not go on with what it read before */
	statement->epoch = ++nurture_gate_epoch;
	return lead;
}

/* Returns the asset version, locked once per statement. */
static const GateAsset *
statement_asset(GateStatement *statement, const char *asset_id, int32 version,
				TimestampTz now)
{
	AssetKey	key;
	AssetEntry *entry;
	bool		known;

	if (strlen(asset_id) >= MAX_ASSET_ID)
		return palloc0(sizeof(GateAsset));
	memset(&key, 0, sizeof(key));
	strcpy(key.asset_id, asset_id);
	key.version = version;
	entry = hash_search(statement->assets, &key, HASH_FIND, NULL);
	/* this transaction may take it out of use while the statement runs */
	if (entry == NULL || entry->epoch != nurture_gate_asset_epoch)
	{
		MemoryContext old = MemoryContextSwitchTo(statement->context);
		GateAsset	asset;

		nurture_gate_asset(asset_id, version, true, now, &asset);
		MemoryContextSwitchTo(old);
		entry = hash_search(statement->assets, &key, HASH_ENTER, &known);
		entry->asset = asset;
		entry->epoch = nurture_gate_asset_epoch;
	}
	return &entry->asset;
}

/* Tells whether a verdict may have come from rows that were dropped since. */
static bool
counts_failed(const GateDecision *decision)
{
	for (int i = 0; i < decision->nfindings; i++)
	{
		const char *reason = decision->findings[i].reason;

		if (reason != NULL && (strcmp(reason, "frequency_cap") == 0 ||
							   strcmp(reason, "duplicate") == 0))
			return true;
	}
	return false;
}

/* Raises NU001, naming the reason codes. */
static void
raise_refused(const GateDecision *decision)
{
	StringInfoData codes;

	initStringInfo(&codes);
	for (int i = 0; i < decision->nfindings; i++)
	{
		const char *reason = decision->findings[i].reason;

		if (reason != NULL)
			appendStringInfo(&codes, "%s%s", codes.len ? ", " : "", reason);
	}
	ereport(ERROR,
			(errcode(NURTURE_ERRCODE_REFUSED),
			 errmsg("message refused: %s", codes.data),
			 errhint("nurture_explain_contact tells what would lift each of them; with nurture.refuse_with_error off the refused message is kept as evidence.")));
}

/* Hashes a row, all columns but the mark, with this backend's key. */
static int64
row_mark(const GateStatement *statement, TupleDesc desc, const Datum *values,
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

		if (i == statement->column[MESSAGE_MARK] - 1 || att->attisdropped)
			continue;
		if (nulls[i])
			hash = hash_combine64(hash, i + 1);
		else if (att->attbyval)
			hash = hash_bytes_extended((const unsigned char *) &values[i],
									   sizeof(Datum), hash + i);
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

/* Returns the name of the calling role. */
static char *
caller_name(GateStatement *statement)
{
	Oid			role = nurture_caller_role();

	if (statement->role != role)
	{
		statement->role_name =
			MemoryContextStrdup(statement->context,
								GetUserNameFromId(role, true));
		statement->role = role;
	}
	return statement->role_name;
}

static char *
text_of(const GateStatement *statement, MessageColumn column,
		const Datum *values, const bool *nulls)
{
	int			i = statement->column[column] - 1;

	return nulls[i] ? NULL : TextDatumGetCString(values[i]);
}

/*
 * Decides about the row in values and nulls, and writes the decision there;
 * returns what is to be recorded of it.
 */
static const SaidText *
decide_row(GateStatement *statement, Datum *values, bool *nulls)
{
	const int  *column = statement->column;
	const GateRules *rules = nurture_gate_rules();
	GateAsk		ask = {0};
	GateDecision *decision = palloc(sizeof(GateDecision));
	GateLead   *lead;
	const GateAsset *asset;
	const SaidText *said;
	ArrayType  *reasons;
	OwnerSwitch owner;
	int			i;

#define PUT(which, value) \
	(i = column[which] - 1, values[i] = (value), nulls[i] = false)
#define PUT_TEXT(which, text) \
	do { \
		if ((text) != NULL) \
			PUT(which, CStringGetTextDatum(text)); \
	} while (0)

	ask.channel = text_of(statement, MESSAGE_CHANNEL, values, nulls);
	ask.purpose = text_of(statement, MESSAGE_PURPOSE, values, nulls);
	ask.track = text_of(statement, MESSAGE_TRACK, values, nulls);
	ask.occurrence_key = text_of(statement, MESSAGE_OCCURRENCE_KEY, values,
								 nulls);
	i = column[MESSAGE_NOT_BEFORE] - 1;
	ask.not_before = nulls[i] ? DT_NOBEGIN : DatumGetTimestampTz(values[i]);

	(void) caller_name(statement);
	nurture_owner_enter(&owner);

	lead = statement_lead(statement, rules,
						  DatumGetInt64(values[column[MESSAGE_LEAD_ID] - 1]));
	/* the gate row is ours: only now is now now */
	ask.now = nurture_now_wall();
	i = column[MESSAGE_VERSION] - 1;
	asset = statement_asset(statement,
							text_of(statement, MESSAGE_ASSET_ID, values, nulls),
							nulls[i] ? 0 : DatumGetInt32(values[i]), ask.now);
	nurture_gate_suppressions(lead, rules, &ask);
	nurture_gate_decide(rules, lead, asset, &ask, decision);
	if (lead->nadded > 0 && decision->verdict != GATE_ALLOW &&
		counts_failed(decision))
	{
		/*
		 * What this statement added is an upper bound: ON CONFLICT or another
		 * trigger may have dropped rows after they were decided.
		 */
		nurture_gate_read_live(lead, rules, ask.now);
		nurture_gate_decide(rules, lead, asset, &ask, decision);
	}
	if (decision->verdict == GATE_REFUSE && nurture_refuse_with_error)
		raise_refused(decision);
	if (decision->verdict != GATE_REFUSE)
	{
		GateLive	live = {
			.channel = ask.channel,.class = asset->class,
			.purpose = decision->purpose,.family = asset->family,
			.track = ask.track,.occurrence_key = ask.occurrence_key,
			.counts = decision->verdict != GATE_REVIEW,
			.at = decision->not_before
		};

		nurture_gate_add_live(lead, &live);
	}

	PUT(MESSAGE_LEAD_ID, Int64GetDatum(lead->lead_id));
	PUT_TEXT(MESSAGE_STATUS, status_names[decision->verdict]);
	PUT_TEXT(MESSAGE_PURPOSE, decision->purpose);
	if (decision->verdict != GATE_REFUSE)
		PUT(MESSAGE_NOT_BEFORE, TimestampTzGetDatum(decision->not_before));
	PUT(MESSAGE_REQUESTED_AT, TimestampTzGetDatum(ask.now));
	PUT(MESSAGE_DECIDED_AT, TimestampTzGetDatum(ask.now));
	if (lead->found)
		PUT(MESSAGE_GATE_SEQ, Int64GetDatum(lead->seq));
	if (asset->found)
	{
		PUT(MESSAGE_VERSION, Int32GetDatum(asset->version));
		PUT_TEXT(MESSAGE_FAMILY, asset->family);
		PUT_TEXT(MESSAGE_CLASS, asset->class_name);
	}
	reasons = nurture_gate_reasons(decision);
	if (reasons != NULL)
		PUT(MESSAGE_REASONS, PointerGetDatum(reasons));
	if (ask.contact_hash != NULL)
		PUT(MESSAGE_CONTACT_POINT_HASH,
			nurture_gate_hash_datum(ask.contact_hash));
	if (nulls[column[MESSAGE_REQUESTED_BY] - 1])
		PUT_TEXT(MESSAGE_REQUESTED_BY, statement->role_name);
	said = nurture_said_text(&statement->said, decision, lead);
	PUT(MESSAGE_DECISION, said->json);
#undef PUT_TEXT
#undef PUT
	nurture_owner_leave(&owner);
	return said;
}

/*
 * Trigger of nurture.message, before each inserted row: the gate.
 */
Datum
nurture_gate_message(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_gate_message");
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	GateStatement *statement = fcinfo->flinfo->fn_extra;
	const SaidText *said;
	Datum	   *values;
	bool	   *nulls;
	int64		mark;

	if (!TRIGGER_FIRED_BY_INSERT(data->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(data->tg_event))
		elog(ERROR, "the gate was not called before INSERT of a row");
	if (!nurture_deriving())
		return PointerGetDatum(data->tg_trigtuple);

	if (statement == NULL)
		statement = begin_statement(fcinfo->flinfo, desc);
	values = palloc(sizeof(Datum) * desc->natts);
	nulls = palloc(sizeof(bool) * desc->natts);
	heap_deform_tuple(data->tg_trigtuple, desc, values, nulls);
	if (nulls[statement->column[MESSAGE_LEAD_ID] - 1] ||
		nulls[statement->column[MESSAGE_CHANNEL] - 1] ||
		nulls[statement->column[MESSAGE_ASSET_ID] - 1] ||
		nulls[statement->column[MESSAGE_STATUS] - 1] ||
		nulls[statement->column[MESSAGE_TAKES] - 1] ||
		nulls[statement->column[MESSAGE_CANCEL_REQUESTED] - 1])
		return PointerGetDatum(data->tg_trigtuple); /* NOT NULL raises */
	check_brought(statement, values, nulls);
	said = decide_row(statement, values, nulls);
	mark = row_mark(statement, desc, values, nulls);
	nurture_said_keep(&statement->said, mark, said);
	values[statement->column[MESSAGE_MARK] - 1] = Int64GetDatum(mark);
	nulls[statement->column[MESSAGE_MARK] - 1] = false;
	return PointerGetDatum(heap_form_tuple(desc, values, nulls));
}

/* Adds the audit entry of a message. */
static void
message_entry(GateStatement *statement, const Datum *values,
			  const bool *nulls, AuditEntry *entry)
{
	const int  *column = statement->column;
	StringInfoData json;
	int			i;

	memset(entry, 0, sizeof(*entry));
	entry->has_lead = true;
	entry->lead_id = DatumGetInt64(values[column[MESSAGE_LEAD_ID] - 1]);
	entry->kind = "message";
	entry->object = psprintf("message:" INT64_FORMAT,
							 DatumGetInt64(values[column[MESSAGE_MESSAGE_ID] - 1]));
	entry->outcome = text_of(statement, MESSAGE_STATUS, values, nulls);
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

	initStringInfo(&json);
	appendStringInfoString(&json, "{\"kind\":");
	escape_json(&json, text_of(statement, MESSAGE_TRIGGER_KIND, values, nulls));
	i = column[MESSAGE_TRIGGER_EVENT_ID] - 1;
	if (!nulls[i])
		appendStringInfo(&json, ",\"event_id\":" INT64_FORMAT,
						 DatumGetInt64(values[i]));
	if (!nulls[column[MESSAGE_TRACK] - 1])
	{
		appendStringInfoString(&json, ",\"track\":");
		escape_json(&json, text_of(statement, MESSAGE_TRACK, values, nulls));
	}
	appendStringInfoChar(&json, '}');
	entry->trigger_json = json.data;

	initStringInfo(&json);
	appendStringInfoString(&json, "{\"asset\":");
	escape_json(&json, text_of(statement, MESSAGE_ASSET_ID, values, nulls));
	i = column[MESSAGE_VERSION] - 1;
	if (!nulls[i])
		appendStringInfo(&json, ",\"version\":%d", DatumGetInt32(values[i]));
	appendStringInfoChar(&json, '}');
	entry->versions_json = json.data;
	entry->inputs =
		nurture_said_find(DatumGetInt64(values[column[MESSAGE_MARK] - 1]));
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
ask_review(const GateStatement *statement, const Datum *values)
{
	Jsonb	   *decision =
	DatumGetJsonbP(values[statement->column[MESSAGE_DECISION] - 1]);
	JsonbValue	found;
	Datum		scope = CStringGetTextDatum("*");

	if (getKeyJsonValueFromContainer(&decision->root, "review",
									 strlen("review"), &found) != NULL &&
		found.type == jbvString)
		scope = PointerGetDatum(cstring_to_text_with_len(found.val.string.val,
														 found.val.string.len));
	nurture_gate_open_review(values[statement->column[MESSAGE_LEAD_ID] - 1],
							 scope,
							 values[statement->column[MESSAGE_MESSAGE_ID] - 1]);
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
	GateStatement statement = {0};
	TupleTableSlot *slot;
	MemoryContext batch_context;
	MemoryContext old;
	AuditEntry *entries;
	OwnerSwitch owner;
	int			n = 0;

	if (!nurture_deriving())
		return PointerGetDatum(NULL);
	nurture_message_columns(desc, statement.column);
	batch_context = AllocSetContextCreate(CurrentMemoryContext,
										  "nurture gate audit",
										  ALLOCSET_DEFAULT_SIZES);
	entries = palloc(sizeof(AuditEntry) * AUDIT_BATCH);
	slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	nurture_owner_enter(&owner);
	old = MemoryContextSwitchTo(batch_context);
	tuplestore_rescan(data->tg_newtable);
	while (tuplestore_gettupleslot(data->tg_newtable, true, true, slot))
	{
		int			mark = statement.column[MESSAGE_MARK] - 1;
		char	   *status;

		slot_getallattrs(slot);
		if (slot->tts_isnull[mark] ||
			DatumGetInt64(slot->tts_values[mark]) !=
			row_mark(&statement, desc, slot->tts_values, slot->tts_isnull))
			ereport(ERROR,
					(errcode(NURTURE_ERRCODE_BYPASS),
					 errmsg("a message was changed after the gate had decided about it"),
					 errhint("Look for triggers on nurture.message that are not nurture's, and for disabled ones that are.")));
		status = text_of(&statement, MESSAGE_STATUS, slot->tts_values,
						 slot->tts_isnull);
		if (strcmp(status, "held") == 0)
			ask_review(&statement, slot->tts_values);
		message_entry(&statement, slot->tts_values, slot->tts_isnull,
					  &entries[n++]);
		if (n == AUDIT_BATCH)
		{
			CHECK_FOR_INTERRUPTS();
			nurture_audit_append(entries, n);
			n = 0;
			ExecClearTuple(slot);	/* its tuple lies in the context */
			MemoryContextReset(batch_context);
		}
	}
	nurture_audit_append(entries, n);
	MemoryContextSwitchTo(old);
	ExecDropSingleTupleTableSlot(slot);
	nurture_owner_leave(&owner);
	MemoryContextDelete(batch_context);
	return PointerGetDatum(NULL);
}
