/*
 * verify_table.c
 *	  Compares tables that no leaf covers with the entries about them: the
 *	  change log, messages, and the incarnations.
 *
 * A verification of everything reads each entry once and gathers what it says
 * of another table (a claim).  When every claim holds, there is nothing to
 * say.  Queries say what is wrong when one does not; they also ask when only
 * some blocks are read, or the claims outgrow maintenance_work_mem.
 */
#include "base/compat.h"

#include "audit/finding.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define ROWS_FETCH	1000

/* what an entry says of a message */
typedef struct MessageClaim
{
	int64		message_id;
	int64		audit_id;
	bool		has_lead;
	bool		refused;
} MessageClaim;

/* what an entry says of a row of the change log */
typedef struct ChangeClaim
{
	int64		change_id;
	int64		audit_id;
	MerkleHash	content;		/* of table and rows, see change_content */
} ChangeClaim;

/* a message as it is */
typedef struct MessageRow
{
	int64		message_id;
	bool		refused;
} MessageRow;

typedef struct Claims
{
	MessageClaim *messages;
	int64		nmessages;
	int64		message_room;
	ChangeClaim *changes;
	int64		nchanges;
	int64		change_room;
	MessageRow *rows;
	int64		nrows;
	int64		row_room;
} Claims;

static int
compare_message_claims(const MessageClaim *a, const MessageClaim *b)
{
	if (a->message_id != b->message_id)
		return a->message_id < b->message_id ? -1 : 1;
	return a->audit_id < b->audit_id ? -1 : a->audit_id > b->audit_id;
}

static int
compare_change_claims(const ChangeClaim *a, const ChangeClaim *b)
{
	if (a->change_id != b->change_id)
		return a->change_id < b->change_id ? -1 : 1;
	return a->audit_id < b->audit_id ? -1 : a->audit_id > b->audit_id;
}

static int
compare_message_rows(const MessageRow *a, const MessageRow *b)
{
	return a->message_id < b->message_id ? -1 : a->message_id > b->message_id;
}

#define ST_SORT sort_message_claims
#define ST_ELEMENT_TYPE MessageClaim
#define ST_COMPARE compare_message_claims
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

#define ST_SORT sort_change_claims
#define ST_ELEMENT_TYPE ChangeClaim
#define ST_COMPARE compare_change_claims
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

#define ST_SORT sort_message_rows
#define ST_ELEMENT_TYPE MessageRow
#define ST_COMPARE compare_message_rows
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

static KeptPlan check_incarnations =
KEPT_PLAN("SELECT i.incarnation FROM nurture.incarnation i"
		  " LEFT JOIN nurture.seal s"
		  "  ON s.block OPERATOR(pg_catalog.=) i.head_block"
		  " WHERE i.head_block IS NOT NULL AND i.incarnation OPERATOR(pg_catalog.>=) $1"
		  " AND s.hash IS DISTINCT FROM i.head_hash"
		  " ORDER BY i.incarnation", INT4OID);

static KeptPlan check_changes =
KEPT_PLAN_SCAN("SELECT a.audit_id, c.change_id,"
			   " CASE WHEN a.audit_id IS NULL THEN 'has no audit entry'"
			   " WHEN c.change_id IS NULL THEN 'is not in the change log'"
			   " ELSE 'is not the one on record' END"
			   " FROM nurture.change_log c FULL JOIN"
			   " (SELECT e.audit_id, e.object, e.outcome, e.inputs"
			   "  FROM nurture.audit e WHERE e.kind = 'change') a"
			   " ON a.object = 'change:' || c.change_id"
			   " WHERE $1 AND (a.audit_id IS NULL OR c.change_id IS NULL"
			   " OR a.outcome IS DISTINCT FROM c.table_name"
			   " OR a.inputs IS DISTINCT FROM pg_catalog.jsonb_strip_nulls("
			   "  pg_catalog.jsonb_build_object('old', c.old_row, 'new', c.new_row))::text)"
			   " ORDER BY 2, 1", BOOLOID);

/*
 * The last decision about each message against the message.  A refused one
 * may never be taken; an erased lead's entries may outlive its messages.
 */
static KeptPlan check_messages =
KEPT_PLAN_SCAN("SELECT d.audit_id, m.message_id,"
			   " CASE WHEN d.audit_id IS NULL THEN 'has no decision on record'"
			   " WHEN m.message_id IS NULL THEN 'is not there'"
			   " ELSE 'was refused and is ' || m.status END"
			   " FROM nurture.message m FULL JOIN"
			   " (SELECT DISTINCT ON (e.object) e.audit_id, e.object, e.lead_ref, e.outcome"
			   "  FROM nurture.audit e WHERE e.kind = 'message'"
			   "  ORDER BY e.object, e.audit_id DESC) d"
			   " ON d.object = 'message:' || m.message_id"
			   " WHERE $1 AND (d.audit_id IS NULL"
			   " OR (m.message_id IS NULL AND d.lead_ref IS NOT NULL)"
			   " OR (d.outcome = 'refused' AND m.status <> 'refused'))"
			   " ORDER BY 2, 1", BOOLOID);

static KeptPlan read_messages =
KEPT_PLAN_SCAN("SELECT m.message_id, m.status = 'refused'"
			   " FROM nurture.message m WHERE $1", BOOLOID);

static KeptPlan read_changes =
KEPT_PLAN("SELECT c.change_id, c.table_name,"
		  " pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object("
		  "  'old', c.old_row, 'new', c.new_row))::text"
		  " FROM nurture.change_log c"
		  " WHERE c.change_id >= $1 ORDER BY c.change_id", INT8OID);

/* Notes rows of (audit_id, number of the row compared, what is wrong). */
static void
note_rows(Verify *v, const char *class, const char *what)
{
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		no_entry;
		bool		no_row;
		Datum		entry = nurture_cell(row, 1, &no_entry);
		Datum		number = nurture_cell(row, 2, &no_row);
		char	   *wrong = nurture_cell_text(row, 3);

		if (no_row)
			nurture_finding(v, class, 0, DatumGetInt64(entry),
							"the %s of this entry %s", what, wrong);
		else
			nurture_finding(v, class, 0,
							no_entry ? 0 : DatumGetInt64(entry),
							"%s " INT64_FORMAT " %s", what,
							DatumGetInt64(number), wrong);
	}
}

/* Begins to gather claims: every entry is going to be read. */
void
nurture_verify_gather(Verify *v)
{
	v->claims = MemoryContextAllocZero(v->context, sizeof(Claims));
}

/* Gives the claims up: queries will ask instead. */
static void
stop_gathering(Verify *v)
{
	Claims	   *c = v->claims;

	v->claims = NULL;
	if (c->messages != NULL)
		pfree(c->messages);
	if (c->changes != NULL)
		pfree(c->changes);
	if (c->rows != NULL)
		pfree(c->rows);
	pfree(c);
}

/* Makes room for one more; false when that was too much. */
static bool
make_room(Verify *v, void **list, int64 n, int64 *room, Size size)
{
	Claims	   *c = v->claims;

	if (n < *room)
		return true;
	if (c->message_room * sizeof(MessageClaim) +
		c->change_room * sizeof(ChangeClaim) +
		c->row_room * sizeof(MessageRow) + Max(*room, 1024) * size >
		(Size) maintenance_work_mem * 1024)
	{
		stop_gathering(v);
		return false;
	}
	*room = *room > 0 ? *room * 2 : 1024;
	*list = *list == NULL ? MemoryContextAllocHuge(v->context, *room * size) :
		repalloc_huge(*list, *room * size);
	return true;
}

static bool
is_text(const EntryScan *scan, AuditColumn column, const char *word)
{
	text	   *value;
	size_t		len = strlen(word);

	if (scan->nulls[column])
		return false;
	value = DatumGetTextPP(scan->values[column]);
	return VARSIZE_ANY_EXHDR(value) == len &&
		memcmp(VARDATA_ANY(value), word, len) == 0;
}

/* Reads the number of an object such as message:7; false when it is none. */
static bool
object_number(const EntryScan *scan, const char *kind, int64 *number)
{
	text	   *object;
	const char *at;
	const char *end;
	size_t		len = strlen(kind);

	if (scan->nulls[AUDIT_OBJECT])
		return false;
	object = DatumGetTextPP(scan->values[AUDIT_OBJECT]);
	at = VARDATA_ANY(object);
	end = at + VARSIZE_ANY_EXHDR(object);
	if (end - at < len + 2 || end - at > len + 1 + 18 ||
		memcmp(at, kind, len) != 0 || at[len] != ':')
		return false;
	at += len + 1;
	*number = 0;
	if (*at == '0')
		return false;
	for (; at < end; at++)
	{
		if (*at < '0' || *at > '9')
			return false;
		*number = *number * 10 + (*at - '0');
	}
	return true;
}

/* Hashes what the change log and the entry about it both say. */
static void
change_content(Verify *v, const char *table, const char *rows, MerkleHash *out)
{
	StringInfoData both;

	initStringInfo(&both);
	appendStringInfo(&both, "%c%s%c%c%s", table ? 't' : 'n', table ? table : "",
					 '\0', rows ? 't' : 'n', rows ? rows : "");
	v->hasher.merkle.sha256(v->hasher.merkle.ctx, both.data, both.len,
							out->byte);
	pfree(both.data);
}

static char *
text_of(const EntryScan *scan, AuditColumn column)
{
	return scan->nulls[column] ? NULL :
		TextDatumGetCString(scan->values[column]);
}

/* Gathers what the entry at hand says of other tables. */
void
nurture_verify_claim(Verify *v, const EntryScan *scan)
{
	Claims	   *c = v->claims;
	int64		number;

	if (c == NULL)
		return;
	if (is_text(scan, AUDIT_KIND, "message"))
	{
		bool		has_lead = !scan->nulls[AUDIT_LEAD_REF];
		MessageClaim *claim;

		if (!object_number(scan, "message", &number))
		{
			stop_gathering(v);
			return;
		}
		if (!make_room(v, (void **) &c->messages, c->nmessages,
					   &c->message_room, sizeof(MessageClaim)))
			return;
		claim = &c->messages[c->nmessages++];
		claim->message_id = number;
		claim->audit_id = scan->audit_id;
		claim->has_lead = has_lead;
		claim->refused = is_text(scan, AUDIT_OUTCOME, "refused");
	}
	else if (is_text(scan, AUDIT_KIND, "change"))
	{
		MemoryContext old = MemoryContextSwitchTo(scan->context);
		ChangeClaim *claim;

		if (!object_number(scan, "change", &number))
			stop_gathering(v);
		else if (make_room(v, (void **) &c->changes, c->nchanges,
						   &c->change_room, sizeof(ChangeClaim)))
		{
			claim = &c->changes[c->nchanges++];
			claim->change_id = number;
			claim->audit_id = scan->audit_id;
			change_content(v, text_of(scan, AUDIT_OUTCOME),
						   text_of(scan, AUDIT_INPUTS), &claim->content);
		}
		MemoryContextSwitchTo(old);
	}
}

static Portal
open_rows(Verify *v, KeptPlan *kept, Datum value)
{
	Datum		values[1] = {value};
	Portal		portal;

	PushActiveSnapshot(v->snapshot);
	portal = SPI_cursor_open(NULL, nurture_plan(kept), values, NULL, true);
	PopActiveSnapshot();
	return portal;
}

/* Tells whether the change log is what the claims about it say. */
static bool
changes_hold(Verify *v)
{
	Claims	   *c = v->claims;
	Portal		portal = open_rows(v, &read_changes, Int64GetDatum(PG_INT64_MIN));
	bool		hold = true;
	int64		n = 0;

	if (c->nchanges > 0)
		sort_change_claims(c->changes, c->nchanges);
	while (hold && (SPI_cursor_fetch(portal, true, ROWS_FETCH), SPI_processed > 0))
	{
		CHECK_FOR_INTERRUPTS();
		for (uint64 row = 0; hold && row < SPI_processed; row++)
		{
			bool		null;
			MerkleHash	content;

			change_content(v, nurture_cell_text(row, 2),
						   nurture_cell_text(row, 3), &content);
			hold = n < c->nchanges &&
				c->changes[n].change_id == DatumGetInt64(nurture_cell(row, 1, &null)) &&
				nurture_merkle_equal(&c->changes[n].content, &content);
			n++;
		}
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(portal);
	return hold && n == c->nchanges;
}

/* Reads all messages; false when they are too many. */
static bool
load_messages(Verify *v)
{
	Portal		portal = open_rows(v, &read_messages, BoolGetDatum(true));
	bool		fits = true;

	while (fits && (SPI_cursor_fetch(portal, true, ROWS_FETCH), SPI_processed > 0))
	{
		CHECK_FOR_INTERRUPTS();
		for (uint64 row = 0; row < SPI_processed; row++)
		{
			Claims	   *c = v->claims;
			bool		null;

			fits = make_room(v, (void **) &c->rows, c->nrows, &c->row_room,
							 sizeof(MessageRow));
			if (!fits)
				break;
			c->rows[c->nrows].message_id =
				DatumGetInt64(nurture_cell(row, 1, &null));
			c->rows[c->nrows++].refused =
				DatumGetBool(nurture_cell(row, 2, &null));
		}
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(portal);
	return fits;
}

/* Tells whether each message is what the last claim about it says. */
static bool
messages_hold(Verify *v)
{
	Claims	   *c;
	int64		row = 0;

	if (!load_messages(v))
		return false;
	c = v->claims;
	if (c->nmessages > 0)
		sort_message_claims(c->messages, c->nmessages);
	if (c->nrows > 0)
		sort_message_rows(c->rows, c->nrows);
	for (int64 n = 0; n < c->nmessages; n++)
	{
		const MessageClaim *claim = &c->messages[n];

		if (n + 1 < c->nmessages && claim[1].message_id == claim->message_id)
			continue;			/* not the last about it */
		if (row < c->nrows && c->rows[row].message_id == claim->message_id)
		{
			if (claim->refused && !c->rows[row].refused)
				return false;
			row++;
		}
		else if (claim->has_lead)
			return false;
	}
	return row == c->nrows;
}

/* Runs the comparisons. */
void
nurture_verify_tables(Verify *v)
{
	Datum		values[1];

	bool		has_messages = OidIsValid(nurture_table_oid("message", true));

	values[0] = BoolGetDatum(true);
	/* after a finding, not every entry may have been read, or once */
	if (v->claims == NULL || v->nfindings > 0 || !changes_hold(v) ||
		(has_messages && !messages_hold(v)))
	{
		(void) nurture_execute_snapshot(&check_changes, values, NULL,
										v->snapshot);
		note_rows(v, "change_log", "change");
		if (has_messages)
		{
			(void) nurture_execute_snapshot(&check_messages, values, NULL,
											v->snapshot);
			note_rows(v, "message", "message");
		}
	}
	values[0] = Int32GetDatum(1);
	(void) nurture_execute_snapshot(&check_incarnations, values, NULL,
									v->snapshot);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		null;

		nurture_finding(v, "incarnation", 0, 0,
						"the seal that incarnation %d began with is not there",
						DatumGetInt32(nurture_cell(row, 1, &null)));
	}
}
