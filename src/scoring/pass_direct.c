/*
 * pass_direct.c
 *	  One pass over all leads, without the executor.
 *
 * Leads and activity are walked by key beside each other, which is all that
 * the executor's merge join does; what it costs to carry each column from one
 * node of a plan to the next is more than scoring a lead.  Facts of accounts
 * are looked up in a hash table that has to fit into work_mem.
 *
 * Where one of the tables is not as plain as that, or the user may not read
 * what is read, the query of pass.c does the same, or says why not.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/walk.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "scoring/pass.h"
#include "scoring/tally_type.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* columns of the walk over leads; facts follow */
typedef enum LeadColumn
{
	LEAD_ID,
	LEAD_MERGED_INTO,
	LEAD_ERASED_AT,
	LEAD_IS_TEST,
	LEAD_ACCOUNT_ID,
	LEAD_FIRST_FACT
} LeadColumn;

typedef enum ActivityColumn
{
	ACTIVITY_LEAD_ID,
	ACTIVITY_SIGNALS,
	ACTIVITY_TOPICS,
	ACTIVITY_LAST_EVENT_AT,
	ACTIVITY_COLUMNS
} ActivityColumn;

/* a row of nurture_subject_query has these before the facts */
enum
{
	ROW_LEAD_ID,
	ROW_MERGED_INTO,
	ROW_ERASED_AT,
	ROW_SIGNALS,
	ROW_TOPICS,
	ROW_LAST_EVENT_AT,
	ROW_FIRST_FACT
};

typedef struct AccountRow
{
	int64		account_id;
	HeapTuple	row;
} AccountRow;

typedef struct DirectPass
{
	KeyWalk		leads;
	KeyWalk		activity;
	bool		more_activity;
	int64		activity_lead;	/* of the row of activity at hand */

	/* where the facts of the mask are, in its order */
	int			nfacts;
	int			nlead_facts;	/* those of the lead come first */
	HTAB	   *accounts;		/* NULL = no fact of an account is read */
	TupleTableSlot *account;
	AttrNumber	account_place[SUBJECT_COLUMNS];
	int			account_deepest;
} DirectPass;

/*
 * Copies the accounts into the hash table; false when they do not fit, or a
 * query has to read them.
 */
static bool
read_accounts(DirectPass *pass, const ReadColumn *columns, int ncolumns,
			  Snapshot snapshot)
{
	KeyWalk		walk;
	Size		room = (Size) work_mem * 1024;
	bool		fits = true;
	HASHCTL		control = {
		.keysize = sizeof(int64),
		.entrysize = sizeof(AccountRow),
		.hcxt = CurrentMemoryContext
	};

	if (!nurture_walk_open(&walk, "account", columns, ncolumns, snapshot))
		return false;
	pass->accounts = hash_create("nurture accounts", 1024, &control,
								 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	while (fits && nurture_walk_next(&walk))
	{
		HeapTuple	row = nurture_walk_row(&walk);
		Size		size = HEAPTUPLESIZE + row->t_len + 4 * sizeof(AccountRow);
		bool		isnull;
		int64		account_id;
		AccountRow *account;

		fits = size <= room;
		room -= Min(room, size);
		nurture_walk_deform(&walk);
		account_id = DatumGetInt64(nurture_walk_cell(&walk, 0, &isnull));
		account = hash_search(pass->accounts, &account_id, HASH_ENTER, NULL);
		account->row = heap_copytuple(row);
	}
	pass->account_deepest = walk.deepest;
	for (int i = 1; i < ncolumns; i++)
		pass->account_place[i - 1] = walk.place[i];
	if (fits)
		pass->account = MakeSingleTupleTableSlot(CreateTupleDescCopy(RelationGetDescr(walk.rel)),
												 &TTSOpsHeapTuple);
	nurture_walk_close(&walk);
	return fits;
}

/* Opens what is read; false when a query has to read it. */
static bool
open_pass(DirectPass *pass, uint64 mask, Snapshot snapshot)
{
	ReadColumn	leads[LEAD_FIRST_FACT + SUBJECT_COLUMNS] = {
		[LEAD_ID] = {"lead_id", INT8OID},
		[LEAD_MERGED_INTO] = {"merged_into", INT8OID},
		[LEAD_ERASED_AT] = {"erased_at", TIMESTAMPTZOID},
		[LEAD_IS_TEST] = {"is_test", BOOLOID},
		[LEAD_ACCOUNT_ID] = {"account_id", INT8OID}
	};
	Oid			tally = nurture_tally_type_oid();
	ReadColumn	activity[ACTIVITY_COLUMNS] = {
		[ACTIVITY_LEAD_ID] = {"lead_id", INT8OID},
		[ACTIVITY_SIGNALS] = {"signals", tally},
		[ACTIVITY_TOPICS] = {"topics", tally},
		[ACTIVITY_LAST_EVENT_AT] = {"last_event_at", TIMESTAMPTZOID}
	};
	ReadColumn	accounts[1 + SUBJECT_COLUMNS] = {{"account_id", INT8OID}};
	int			naccounts = 1;
	int			nleads = LEAD_FIRST_FACT;

	for (uint64 rest = mask; rest != 0; rest &= rest - 1)
	{
		ReadColumn	column;
		bool		of_account;

		column.name = nurture_subject_column(pg_rightmost_one_pos64(rest),
											 &column.type, &of_account);
		if (of_account)
			accounts[naccounts++] = column;
		else
			leads[nleads++] = column;
	}
	pass->nlead_facts = nleads - LEAD_FIRST_FACT;
	pass->nfacts = pass->nlead_facts + naccounts - 1;
	if (!nurture_walk_open(&pass->leads, "lead", leads, nleads, snapshot))
		return false;
	if (nurture_walk_open(&pass->activity, "activity", activity,
						  ACTIVITY_COLUMNS, snapshot))
	{
		if (naccounts == 1 || read_accounts(pass, accounts, naccounts, snapshot))
			return true;
		nurture_walk_close(&pass->activity);
	}
	nurture_walk_close(&pass->leads);
	return false;
}

/* Finds the activity of a lead; false when it has none. */
static bool
find_activity(DirectPass *pass, int64 lead_id)
{
	bool		isnull;

	while (pass->more_activity && pass->activity_lead < lead_id)
	{
		pass->more_activity = nurture_walk_next(&pass->activity);
		if (pass->more_activity)
		{
			nurture_walk_deform(&pass->activity);
			pass->activity_lead = DatumGetInt64(nurture_walk_cell(&pass->activity,
																  ACTIVITY_LEAD_ID, &isnull));
		}
	}
	return pass->more_activity && pass->activity_lead == lead_id;
}

/* Puts the facts of the account of the lead at hand into the row. */
static void
add_account(DirectPass *pass, Datum *values, bool *nulls)
{
	int			nfacts = pass->nfacts - pass->nlead_facts;
	bool		isnull;
	int64		account_id = DatumGetInt64(nurture_walk_cell(&pass->leads, LEAD_ACCOUNT_ID, &isnull));
	AccountRow *found = isnull ? NULL :
	hash_search(pass->accounts, &account_id, HASH_FIND, NULL);

	if (found == NULL)
	{
		memset(nulls, true, nfacts);
		return;
	}
	ExecStoreHeapTuple(found->row, pass->account, false);
	slot_getsomeattrs(pass->account, pass->account_deepest);
	for (int i = 0; i < nfacts; i++)
	{
		values[i] = pass->account->tts_values[pass->account_place[i] - 1];
		nulls[i] = pass->account->tts_isnull[pass->account_place[i] - 1];
	}
}

/* Makes the row that the query would have made of the lead at hand. */
static bool
make_row(DirectPass *pass, Datum *values, bool *nulls)
{
	KeyWalk    *leads = &pass->leads;

	if (!nurture_walk_isnull(leads, LEAD_MERGED_INTO) ||
		!nurture_walk_isnull(leads, LEAD_ERASED_AT))
		return false;
	nurture_walk_deform(leads);
	if (DatumGetBool(nurture_walk_cell(leads, LEAD_IS_TEST, &nulls[0])))
		return false;
	values[ROW_LEAD_ID] = nurture_walk_cell(leads, LEAD_ID, &nulls[ROW_LEAD_ID]);
	nulls[ROW_MERGED_INTO] = nulls[ROW_ERASED_AT] = true;
	if (find_activity(pass, DatumGetInt64(values[ROW_LEAD_ID])))
	{
		for (int i = ACTIVITY_SIGNALS; i < ACTIVITY_COLUMNS; i++)
			values[ROW_SIGNALS + i - ACTIVITY_SIGNALS] =
				nurture_walk_cell(&pass->activity, i,
								  &nulls[ROW_SIGNALS + i - ACTIVITY_SIGNALS]);
	}
	else
		nulls[ROW_SIGNALS] = nulls[ROW_TOPICS] = nulls[ROW_LAST_EVENT_AT] = true;
	for (int i = 0; i < pass->nlead_facts; i++)
		values[ROW_FIRST_FACT + i] = nurture_walk_cell(leads, LEAD_FIRST_FACT + i,
													   &nulls[ROW_FIRST_FACT + i]);
	if (pass->accounts != NULL)
		add_account(pass, &values[ROW_FIRST_FACT + pass->nlead_facts],
					&nulls[ROW_FIRST_FACT + pass->nlead_facts]);
	return true;
}

bool
nurture_score_pass_direct(uint64 mask, PassVisit visit, void *arg)
{
	MemoryContext old = CurrentMemoryContext;
	MemoryContext mine;
	MemoryContext per_lead;
	DirectPass *pass;
	Subject		subject;
	Datum		values[ROW_FIRST_FACT + SUBJECT_COLUMNS];
	bool		nulls[ROW_FIRST_FACT + SUBJECT_COLUMNS];
	bool		opened;

	mine = AllocSetContextCreate(CurrentMemoryContext, "nurture pass",
								 ALLOCSET_DEFAULT_SIZES);
	per_lead = AllocSetContextCreate(mine, "nurture score of one lead",
									 ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(mine);
	pass = palloc0(sizeof(DirectPass));
	opened = open_pass(pass, mask, GetActiveSnapshot());
	if (opened)
	{
		pass->more_activity = true;
		pass->activity_lead = PG_INT64_MIN;
		nurture_subject_begin(&subject, nurture_now_statement(), per_lead);
		MemoryContextSwitchTo(per_lead);
		while (nurture_walk_next(&pass->leads))
		{
			CHECK_FOR_INTERRUPTS();
			if (!make_row(pass, values, nulls))
				continue;
			subject.product = "*";
			nurture_subject_fill(&subject, values, nulls, mask);
			visit(arg, &subject);
			MemoryContextReset(per_lead);
		}
		MemoryContextSwitchTo(mine);
		if (pass->account != NULL)
			ExecDropSingleTupleTableSlot(pass->account);
		nurture_walk_close(&pass->activity);
		nurture_walk_close(&pass->leads);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(mine);
	return opened;
}
