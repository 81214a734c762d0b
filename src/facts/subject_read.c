/*
 * subject_read.c
 *	  A lead with its account and activity, read by their keys without a plan.
 *
 * For functions that a query calls for lead after lead.  What the caller may
 * see decides: who may read all rows of the three tables gets them so, everyone
 * else, and every table that is not plain, has nurture_subject_load's query.
 */
#include "base/compat.h"

#include "base/owner.h"
#include "base/read.h"
#include "catalog/pg_type.h"
#include "facts/subject.h"
#include "facts/subject_private.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/datum.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

/* columns of the lead in front of the facts */
enum
{
	LEAD_LEAD_ID, LEAD_MERGED_INTO, LEAD_ERASED_AT, LEAD_FIRST_FACT
};

enum
{
	ACTIVITY_SIGNALS, ACTIVITY_TOPICS, ACTIVITY_LAST_EVENT_AT
};

/* facts are put behind them, by name_facts */
static KeptRead read_lead = {
	"lead", {{"lead_id", INT8OID}}, {
		[LEAD_LEAD_ID] = {"lead_id", INT8OID},
		[LEAD_MERGED_INTO] = {"merged_into", INT8OID},
		[LEAD_ERASED_AT] = {"erased_at", TIMESTAMPTZOID}
	}
};
static KeptRead read_account = {
	"account", {{"account_id", INT8OID}}
};
static KeptRead read_activity = {
	"activity", {{"lead_id", INT8OID}}, {
		[ACTIVITY_SIGNALS] = {"signals", READ_ANY_TYPE},
		[ACTIVITY_TOPICS] = {"topics", READ_ANY_TYPE},
		[ACTIVITY_LAST_EVENT_AT] = {"last_event_at", TIMESTAMPTZOID}
	}
};

StaticAssertDecl(LEAD_FIRST_FACT + SUBJECT_ACCOUNT_NAME <= KEPT_READ_MAX_COLUMNS &&
				 SUBJECT_COLUMNS - SUBJECT_ACCOUNT_NAME <= KEPT_READ_MAX_COLUMNS,
				 "a read has room for all facts of a table");

static void
name_facts(void)
{
	if (read_account.columns[0].name != NULL)
		return;
	for (int i = 0; i < SUBJECT_COLUMNS; i++)
	{
		bool		of_account;
		Oid			type;
		const char *name = nurture_subject_column(i, &type, &of_account);
		ReadColumn *column = of_account ?
		&read_account.columns[i - SUBJECT_ACCOUNT_NAME] :
		&read_lead.columns[LEAD_FIRST_FACT + i];

		column->name = name;
		column->type = type;
	}
}

/* Tells whether a role may see every row and column of a table. */
static bool
sees_table(const char *name, Oid role)
{
	Oid			table = nurture_table_oid(name, false);

	return pg_class_aclcheck(table, role, ACL_SELECT) == ACLCHECK_OK &&
		check_enable_rls(table, InvalidOid, true) != RLS_ENABLED;
}

/* Tells so of what is read; in FROM that is looked at once for each role. */
static bool
sees_all(SubjectReader *reader)
{
	Oid			role = GetUserId();

	if (reader->hold == NULL || reader->role != role)
	{
		reader->sees_all = sees_table("lead", role) &&
			sees_table("activity", role) && sees_table("account", role);
		reader->role = role;
	}
	return reader->sees_all;
}

/*
 * Opens a read and finds the row of a key; false when it has to be a query.
 * *found tells whether there is one.
 */
static bool
find_row(RowRead *read, KeptRead *kept, int64 key, const SubjectReader *reader,
		 bool *found)
{
	Datum		value = Int64GetDatum(key);

	nurture_read_open_held(read, kept, reader->hold, GetActiveSnapshot());
	if (read->rel == NULL)
	{
		nurture_read_close(read);
		return false;
	}
	nurture_read_find(read, &value);
	*found = nurture_read_next(read);
	return true;
}

/* Copies cells of the row at hand into the current memory context. */
static void
copy_cells(const RowRead *read, int from, int n, Datum *values, bool *nulls)
{
	TupleDesc	desc = RelationGetDescr(read->rel);

	for (int i = 0; i < n; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, read->kept->place[from + i] - 1);

		values[i] = nurture_read_cell(read, from + i, &nulls[i]);
		if (!nulls[i] && !att->attbyval)
			values[i] = datumCopy(values[i], false, att->attlen);
	}
}

/* Reads n cells of the row of a key, nulls when there is none. */
static bool
read_cells(KeptRead *kept, int64 key, const SubjectReader *reader, int n,
		   Datum *values, bool *nulls)
{
	RowRead		read;
	bool		found;

	if (!find_row(&read, kept, key, reader, &found))
		return false;
	if (found)
		copy_cells(&read, 0, n, values, nulls);
	else
		memset(nulls, true, n);
	nurture_read_close(&read);
	return true;
}

/*
 * Reads a row as nurture_subject_query selects it; false when that query has
 * to be asked.  *found tells whether there is the lead.
 */
static bool
read_row(int64 lead_id, const SubjectReader *reader, Datum *values,
		 bool *nulls, bool *found)
{
	RowRead		read;

	for (int hop = 0;; hop++)
	{
		*found = false;
		if (hop == SUBJECT_MAX_MERGE_CHAIN)
			return true;
		if (!find_row(&read, &read_lead, lead_id, reader, found))
			return false;
		if (*found)
		{
			copy_cells(&read, 0, LEAD_FIRST_FACT, values, nulls);
			copy_cells(&read, LEAD_FIRST_FACT, SUBJECT_ACCOUNT_NAME,
					   &values[QUERY_FIRST_FACT - 1], &nulls[QUERY_FIRST_FACT - 1]);
		}
		nurture_read_close(&read);
		if (!*found)
			return true;
		if (nulls[LEAD_MERGED_INTO])
			break;
		lead_id = DatumGetInt64(values[LEAD_MERGED_INTO]);
	}
	if (!read_cells(&read_activity, lead_id, reader, ACTIVITY_LAST_EVENT_AT + 1,
					&values[QUERY_SIGNALS - 1], &nulls[QUERY_SIGNALS - 1]))
		return false;
	values += QUERY_FIRST_FACT - 1;
	nulls += QUERY_FIRST_FACT - 1;
	if (!nulls[SUBJECT_ACCOUNT_ID])
		return read_cells(&read_account, DatumGetInt64(values[SUBJECT_ACCOUNT_ID]),
						  reader, SUBJECT_COLUMNS - SUBJECT_ACCOUNT_NAME,
						  &values[SUBJECT_ACCOUNT_NAME], &nulls[SUBJECT_ACCOUNT_NAME]);
	memset(&nulls[SUBJECT_ACCOUNT_NAME], true, SUBJECT_COLUMNS - SUBJECT_ACCOUNT_NAME);
	return true;
}

/* Reads a lead as the caller may see it; see subject.h. */
Subject    *
nurture_subject_load_by(SubjectReader *reader, int64 lead_id, TimestampTz now)
{
	Datum		values[QUERY_FIRST_FACT - 1 + SUBJECT_COLUMNS];
	bool		nulls[QUERY_FIRST_FACT - 1 + SUBJECT_COLUMNS];
	Subject    *subject = NULL;
	OwnerSwitch save;
	bool		direct;
	bool		found;

	name_facts();
	direct = sees_all(reader);
	if (direct)
	{
		nurture_owner_enter(&save);
		direct = read_row(lead_id, reader, values, nulls, &found);
		nurture_owner_leave(&save);
	}
	if (!direct)
	{
		subject = nurture_subject_load(lead_id, now, false);
		if (subject != NULL)
			subject->hold = reader->hold;
		return subject;
	}
	if (!found)
		return NULL;
	subject = palloc(sizeof(Subject));
	nurture_subject_begin(subject, now, CurrentMemoryContext);
	subject->hold = reader->hold;
	nurture_subject_fill(subject, values, nulls, SUBJECT_ALL_COLUMNS);
	return subject;
}
