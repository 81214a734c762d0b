/*
 * past.c
 *	  A lead as it was at a moment: facts from nurture.lead_history and
 *	  nurture.account_history, standing from nurture.stage_history, consent
 *	  from its events, hand-offs from their times.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "facts/past.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define FIRST_ACCOUNT_COLUMN SUBJECT_ACCOUNT_NAME

/* columns of a version in front of its facts */
#define VERSION_MERGED_INTO 1
#define VERSION_RECORDED_AT 2
#define VERSION_CREATED_AT	3
#define VERSION_FIRST_FACT	4

/* $1 the key, $2 known_at, $3 at */
#define REPLACED_BEFORE(history, key, held) \
	" > coalesce((SELECT max(b.history_no) FROM " history " b WHERE b." key " = $1" \
	" AND b.replaced_at <= $2 AND " held " <= $3), 0)"

/* Where the versions of some facts are; version by version, then the row. */
typedef struct VersionSource
{
	const char *replaced;		/* FROM ... of the version in history */
	const char *present;		/* FROM ... of the row itself */
	const char *head;			/* the columns in front of the facts */
	bool		(*has) (int column);	/* which facts these are */
	KeptPlan	plans[2];
} VersionSource;

static bool
of_lead(int column)
{
	return column < FIRST_ACCOUNT_COLUMN;
}

static bool
is_figure(int column)
{
	return column == SUBJECT_ACCOUNT_ACTIVITY_SCORE || column == SUBJECT_ACCOUNT_SPIKE ||
		column == SUBJECT_ACCOUNT_ACTIVE_LEADS || column == SUBJECT_ACCOUNT_AS_OF;
}

static bool
of_account(int column)
{
	return column >= FIRST_ACCOUNT_COLUMN && !is_figure(column);
}

/* where the versions of a lead are */
#define LEAD_VERSIONS \
	.head = "l.merged_into, l.recorded_at, l.created_at", \
	.replaced = "nurture.lead_history l JOIN nurture.lead p ON p.lead_id = l.lead_id WHERE p.erased_at IS NULL" \
	" AND l.lead_id = $1 AND l.history_no" REPLACED_BEFORE("nurture.lead_history", "lead_id", "b.held_until") \
	" ORDER BY l.history_no LIMIT 1", \
	.present = "nurture.lead l WHERE l.lead_id = $1 AND l.erased_at IS NULL"

static VersionSource lead_versions = {
	LEAD_VERSIONS,
	.has = of_lead
};

static bool
of_nothing(int column)
{
	return false;
}

/* of a lead nothing but what it was merged into */
static VersionSource merge_versions = {
	LEAD_VERSIONS,
	.has = of_nothing
};

/* whoever is or was merged into a lead */
static KeptPlan find_merged =
KEPT_PLAN("SELECT lead_id FROM nurture.lead WHERE merged_into = $1"
		  " UNION SELECT lead_id FROM nurture.lead_history WHERE merged_into = $1"
		  " ORDER BY lead_id", INT8OID);

static VersionSource account_versions = {
	.head = "NULL::bigint, c.recorded_at, c.recorded_at",
	.replaced = "nurture.account_history c WHERE c.account_id = $1"
	" AND c.history_no" REPLACED_BEFORE("nurture.account_history", "account_id", "b.replaced_at")
	" ORDER BY c.history_no LIMIT 1",
	.present = "nurture.account c WHERE c.account_id = $1",
	.has = of_account
};

static VersionSource figure_versions = {
	.head = "NULL::bigint, c.recorded_at, c.recorded_at",
	.replaced = "nurture.account_figure_history c WHERE c.account_id = $1"
	" AND c.history_no" REPLACED_BEFORE("nurture.account_figure_history", "account_id", "b.replaced_at")
	" ORDER BY c.history_no LIMIT 1",
	.present = "nurture.account c WHERE c.account_id = $1",
	.has = is_figure
};

static KeptPlan read_standing =
KEPT_PLAN("SELECT new_stage, new_grade, new_tier::int4 FROM nurture.stage_history"
		  " WHERE lead_id = $1 AND product = $2 AND at <= $3 ORDER BY history_no DESC LIMIT 1",
		  INT8OID, TEXTOID, TIMESTAMPTZOID);

/* as has_consent of subject_terms.c, over the state at the moment */
static KeptPlan has_consent =
KEPT_PLAN("WITH c AS (SELECT state, expires_at FROM @extschema@.nurture_consent_at($1, $5, $6)"
		  " WHERE channel = ANY (ARRAY[$2, '*']) AND purpose = ANY (ARRAY[$3, '*']) AND topic = '*')"
		  " SELECT 1 FROM c WHERE state = ANY ($4) AND (expires_at IS NULL OR expires_at > $5)"
		  " AND (state <> ALL (ARRAY['given', 'confirmed', 'renewed']) OR NOT EXISTS"
		  " (SELECT FROM c d WHERE d.state = ANY (ARRAY['withdrawn', 'objected', 'refused']))) LIMIT 1",
		  INT8OID, TEXTOID, TEXTOID, TEXTARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID);

/*
 * What a hand-off was follows from when it came to be so; one that went on as
 * a survivor's was not the survivor's before that merge.
 */
static KeptPlan has_handoff =
KEPT_PLAN("SELECT 1 FROM (SELECT CASE WHEN closed_at <= $4 THEN state WHEN met_at <= $4 THEN 'met'"
		  " WHEN first_response_at <= $4 THEN 'working' WHEN accepted_at <= $4 THEN 'accepted'"
		  " WHEN offered_at <= $4 THEN 'offered' ELSE 'pending' END AS state FROM nurture.handoff t"
		  " WHERE lead_id = $1 AND (product = $2 OR $2 = '*') AND created_at <= $4"
		  " AND NOT EXISTS (SELECT FROM nurture.merge m, jsonb_array_elements(m.changed #> '{routing,handoffs}') x"
		  " WHERE m.survivor = $1 AND m.at > $4 AND (x ->> 'as')::bigint = t.handoff_id)) h"
		  " WHERE h.state = ANY ($3) OR 'open' = ANY ($3)"
		  " AND h.state = ANY (ARRAY['pending', 'offered', 'accepted', 'working', 'met']) LIMIT 1",
		  INT8OID, TEXTOID, TEXTARRAYOID, TIMESTAMPTZOID);

static void
make_plan(KeptPlan *plan, const VersionSource *source, const char *from)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "SELECT %s", source->head);
	for (int i = 0; i < SUBJECT_COLUMNS; i++)
	{
		if (source->has(i))
			appendStringInfo(&buf, ", %s", nurture_subject_expression(i));
	}
	appendStringInfo(&buf, " FROM %s", from);
	plan->argtypes[0] = INT8OID;
	if (from == source->replaced)
		plan->argtypes[1] = plan->argtypes[2] = TIMESTAMPTZOID;
	plan->query = buf.data;
	MemoryContextSwitchTo(old);
}

/*
 * Reads the version of some facts into a subject; false when there was none.
 * merged_into is 0 when it was not.
 */
static bool
read_version(VersionSource *source, int64 key, Subject *subject, int64 *merged_into)
{
	Datum		values[3];
	MemoryContext old;
	HeapTuple	tuple;
	TupleDesc	desc;
	TimestampTz recorded_at;
	TimestampTz created_at;
	Datum		value;
	bool		isnull;
	int			place = VERSION_FIRST_FACT;

	if (source->plans[0].query == NULL)
	{
		make_plan(&source->plans[0], source, source->replaced);
		make_plan(&source->plans[1], source, source->present);
	}
	values[0] = Int64GetDatum(key);
	values[1] = TimestampTzGetDatum(subject->known_at);
	values[2] = TimestampTzGetDatum(subject->now);
	nurture_execute(&source->plans[0], values, NULL, true);
	if (SPI_processed == 0)
		nurture_execute(&source->plans[1], values, NULL, true);
	if (SPI_processed == 0)
		return false;
	recorded_at = DatumGetTimestampTz(nurture_cell(0, VERSION_RECORDED_AT, &isnull));
	created_at = DatumGetTimestampTz(nurture_cell(0, VERSION_CREATED_AT, &isnull));
	if (recorded_at > subject->known_at || (recorded_at > subject->now && created_at > subject->now))
		return false;

	old = MemoryContextSwitchTo(subject->context);
	tuple = heap_copytuple(SPI_tuptable->vals[0]);
	MemoryContextSwitchTo(old);
	desc = SPI_tuptable->tupdesc;
	value = SPI_getbinval(tuple, desc, VERSION_MERGED_INTO, &isnull);
	*merged_into = isnull ? 0 : DatumGetInt64(value);
	for (int i = 0; i < SUBJECT_COLUMNS; i++)
	{
		if (source->has(i))
		{
			subject->values[i] = SPI_getbinval(tuple, desc, place, &subject->nulls[i]);
			place++;
		}
	}
	return true;
}

/* Forgets the account's facts. */
void
nurture_subject_hide_account(Subject *subject)
{
	for (int i = FIRST_ACCOUNT_COLUMN; i < SUBJECT_COLUMNS; i++)
		subject->nulls[i] = true;
}

/* Finds the leads that the subject stood for then; connected, as the owner. */
static void
find_members(SubjectPast *past)
{
	int			room = 8;

	past->members = palloc(room * sizeof(int64));
	past->into = palloc(room * sizeof(int));
	past->members[0] = past->subject->lead_id;
	past->into[0] = -1;
	past->nmembers = 1;
	for (int place = 0; place < past->nmembers; place++)
	{
		Datum		survivor = Int64GetDatum(past->members[place]);
		int64	   *found;
		int			n;

		nurture_execute(&find_merged, &survivor, NULL, true);
		n = (int) SPI_processed;
		if (n == 0)
			continue;
		found = palloc(n * sizeof(int64));
		for (int i = 0; i < n; i++)
		{
			bool		isnull;

			found[i] = DatumGetInt64(nurture_cell(i, 1, &isnull));
		}
		for (int i = 0; i < n; i++)
		{
			int64		merged_into;

			if (!read_version(&merge_versions, found[i], past->subject, &merged_into) ||
				merged_into != past->members[place])
				continue;
			if (past->nmembers == room)
			{
				room *= 2;
				past->members = repalloc(past->members, room * sizeof(int64));
				past->into = repalloc(past->into, room * sizeof(int));
			}
			past->members[past->nmembers] = found[i];
			past->into[past->nmembers++] = place;
		}
	}
}

/* Reads a lead as it was, following the merges of then. */
SubjectPast *
nurture_subject_past(int64 lead_id, TimestampTz at, TimestampTz known_at)
{
	SubjectPast *past = palloc0(sizeof(SubjectPast));
	Subject    *subject = palloc(sizeof(Subject));
	OwnerSwitch owner;
	int			level;

	nurture_subject_begin(subject, at, CurrentMemoryContext);
	subject->past = true;
	subject->known_at = known_at;
	memset(subject->nulls, true, sizeof(subject->nulls));
	subject->erased_at = DT_NOBEGIN;
	subject->last_event_at = DT_NOBEGIN;

	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	MemoryContextSwitchTo(subject->context);
	while (past->nchain < SUBJECT_MAX_MERGE_CHAIN)
	{
		int64		merged_into;

		past->chain[past->nchain++] = lead_id;
		if (!read_version(&lead_versions, lead_id, subject, &merged_into))
			break;
		if (merged_into == 0)
		{
			int64		none;

			subject->lead_id = lead_id;
			past->subject = subject;
			if (!subject->nulls[SUBJECT_ACCOUNT_ID])
			{
				int64		account_id = DatumGetInt64(subject->values[SUBJECT_ACCOUNT_ID]);

				if (read_version(&account_versions, account_id, subject, &none))
					(void) read_version(&figure_versions, account_id, subject, &none);
			}
			find_members(past);
			break;
		}
		lead_id = merged_into;
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
	MemoryContextSwitchTo(subject->context);
	return past;
}

/* The moment up to which standing, which has one clock, is read. */
static Datum
standing_until(const Subject *subject)
{
	return TimestampTzGetDatum(Min(subject->now, subject->known_at));
}

/* Reads stage, grade and tier of then; false when there was no change yet. */
bool
nurture_past_standing(Subject *subject)
{
	Datum		values[3];
	OwnerSwitch owner;
	bool		found;
	int			level;

	values[0] = Int64GetDatum(subject->lead_id);
	values[1] = CStringGetTextDatum(subject->product);
	values[2] = standing_until(subject);
	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	nurture_execute(&read_standing, values, NULL, true);
	found = SPI_processed > 0;
	if (found)
	{
		char	   *grade = nurture_cell_text(0, 2);
		bool		isnull;
		Datum		tier = nurture_cell(0, 3, &isnull);

		subject->stage = MemoryContextStrdup(subject->context, nurture_cell_text(0, 1));
		subject->grade = grade ? MemoryContextStrdup(subject->context, grade) : NULL;
		subject->tier = isnull ? 0 : DatumGetInt32(tier);
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
	return found;
}

static NurtureTruth
any_row(KeptPlan *plan, Datum *values, const char *nulls)
{
	OwnerSwitch owner;
	bool		found;
	int			level;

	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	nurture_execute(plan, values, nulls, true);
	found = SPI_processed > 0;
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
	return found ? NURTURE_TRUE : NURTURE_FALSE;
}

/* Tells whether consent had one of these states then. */
NurtureTruth
nurture_past_consent(Subject *subject, Datum channel, Datum purpose, Datum states)
{
	Datum		values[6];

	values[0] = Int64GetDatum(subject->lead_id);
	values[1] = channel;
	values[2] = purpose;
	values[3] = states;
	values[4] = TimestampTzGetDatum(subject->now);
	values[5] = TimestampTzGetDatum(subject->known_at);
	return any_row(&has_consent, values, NULL);
}

/* Tells whether a hand-off had one of these states then. */
NurtureTruth
nurture_past_handoff(Subject *subject, Datum states)
{
	Datum		values[4];

	values[0] = Int64GetDatum(subject->lead_id);
	values[1] = CStringGetTextDatum(subject->product);
	values[2] = states;
	values[3] = standing_until(subject);
	return any_row(&has_handoff, values, NULL);
}
