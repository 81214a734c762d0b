/*
 * message_trigger.c
 *	  The one place where an outgoing message is born: INSERT INTO
 *	  nurture.message.
 *
 * The BEFORE ROW trigger "~nurture_gate", last by name, decides for every
 * writer alike; message_record.c puts it on record.  Rows that ON CONFLICT
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
#include "utils/datum.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

#define SEQ_RESERVE		32		/* numbers taken ahead for a lead's second
								 * message in a statement; doubles */
#define SEQ_RESERVE_MAX 4096
#define MAX_ASSET_ID	124		/* longer ones do not exist */

NURTURE_FUNCTION(nurture_gate_message);

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
	AssetEntry	asset;			/* the last one; no name: none yet */
	HTAB	   *assets;			/* the others, NULL until there are some */
	int			nrows;			/* decided so far, up to 2 */
	Oid			role;			/* caller, and its name */
	char	   *role_name;
	GateSaid	said;			/* decisions */
} GateStatement;

static const char *const status_names[] = {
	[GATE_ALLOW] = "queued",[GATE_DEFER] = "queued",
	[GATE_REVIEW] = "held",[GATE_REFUSE] = "refused"
};

/* Makes the statement's memory. */
static GateStatement *
begin_statement(FmgrInfo *info, TupleDesc desc)
{
	MemoryContext context = AllocSetContextCreate(info->fn_mcxt,
												  "nurture gate",
												  ALLOCSET_DEFAULT_SIZES);
	GateStatement *statement = MemoryContextAllocZero(context,
													  sizeof(GateStatement));

	statement->context = context;
	nurture_said_open(&statement->said, context);
	statement->lead.context = AllocSetContextCreate(context,
													"nurture gate lead",
													ALLOCSET_DEFAULT_SIZES);
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
			if (!nurture_gate_update(lead->lead_id, statement->reserve, false,
									 lead->hold, &fresh))
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

/* Returns the place of another asset version than the last. */
static AssetEntry *
other_asset(GateStatement *statement, const AssetKey *key)
{
	AssetEntry *entry;
	bool		known;

	if (statement->assets == NULL)
	{
		HASHCTL		control = {
			.keysize = sizeof(AssetKey),.entrysize = sizeof(AssetEntry),
			.hcxt = statement->context
		};

		statement->assets = hash_create("nurture gate assets", 16, &control,
										HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	entry = hash_search(statement->assets, &statement->asset.key, HASH_ENTER,
						&known);
	*entry = statement->asset;
	entry = hash_search(statement->assets, key, HASH_FIND, NULL);
	if (entry != NULL)
		statement->asset = *entry;
	else
	{
		memset(&statement->asset, 0, sizeof(AssetEntry));
		statement->asset.key = *key;
	}
	return &statement->asset;
}

/* Returns the asset version, locked once per statement. */
static const GateAsset *
statement_asset(GateStatement *statement, const char *asset_id, int32 version,
				TimestampTz now)
{
	AssetKey	key;
	AssetEntry *entry = &statement->asset;

	if (strlen(asset_id) >= MAX_ASSET_ID)
		return palloc0(sizeof(GateAsset));
	memset(&key, 0, sizeof(key));
	strcpy(key.asset_id, asset_id);
	key.version = version;
	if (entry->epoch == 0)
		entry->key = key;
	else if (memcmp(&entry->key, &key, sizeof(key)) != 0)
		entry = other_asset(statement, &key);
	/* this transaction may take it out of use while the statement runs */
	if (entry->epoch != nurture_gate_asset_epoch)
	{
		MemoryContext old = MemoryContextSwitchTo(statement->context);
		uint64		epoch = nurture_gate_asset_epoch;

		entry->epoch = 0;
		nurture_gate_asset(asset_id, version, true, now, &entry->asset);
		MemoryContextSwitchTo(old);
		entry->epoch = epoch;
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

	ask.channel = nurture_message_text(column, MESSAGE_CHANNEL, values, nulls);
	ask.purpose = nurture_message_text(column, MESSAGE_PURPOSE, values, nulls);
	ask.track = nurture_message_text(column, MESSAGE_TRACK, values, nulls);
	ask.occurrence_key = nurture_message_text(column, MESSAGE_OCCURRENCE_KEY, values,
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
							nurture_message_text(column, MESSAGE_ASSET_ID, values, nulls),
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
	said = nurture_said_text(decision, lead);
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
	/* for one row alone it is as well to close everything at once */
	if (statement->nrows < 2 && ++statement->nrows == 2)
		statement->lead.hold = nurture_hold_make(fcinfo->flinfo->fn_mcxt);
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
	mark = nurture_message_mark(statement->column, desc, values, nulls);
	nurture_said_keep(&statement->said, mark, said, &statement->lead);
	values[statement->column[MESSAGE_MARK] - 1] = Int64GetDatum(mark);
	nulls[statement->column[MESSAGE_MARK] - 1] = false;
	return PointerGetDatum(heap_form_tuple(desc, values, nulls));
}
