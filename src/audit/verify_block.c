/*
 * verify_block.c
 *	  Compares the entries of one block with what its seal lists, and checks
 *	  those that no seal lists yet.
 */
#include "base/compat.h"

#include "access/transam.h"
#include "audit/finding.h"
#include "miscadmin.h"
#include "utils/memutils.h"

static BlockEntry *
add_entry(BlockEntries *list, MemoryContext context)
{
	if (list->n >= list->room)
	{
		list->room = list->room > 0 ? list->room * 2 : 1024;
		list->entry = list->entry == NULL ?
			MemoryContextAllocHuge(context, list->room * sizeof(BlockEntry)) :
			repalloc_huge(list->entry, list->room * sizeof(BlockEntry));
	}
	return &list->entry[list->n++];
}

static int
compare_entries(const void *a, const void *b)
{
	const BlockEntry *x = a;
	const BlockEntry *y = b;

	if (x->audit_id != y->audit_id)
		return x->audit_id < y->audit_id ? -1 : 1;
	return memcmp(x->leaf.byte, y->leaf.byte, NURTURE_HASH_LEN);
}

/* Compares an entry that is sealed and there. */
static void
compare_pair(Verify *v, const AuditSeal *seal, const BlockEntry *sealed,
			 const BlockEntry *row)
{
	if (!nurture_merkle_equal(&sealed->leaf, &row->leaf))
	{
		if (row->at < seal->first_at || row->at > seal->last_at)
			nurture_finding(v, "retimed", seal->block, row->audit_id,
							"the entry lies outside the time of its block");
		else
			nurture_finding(v, "changed", seal->block, row->audit_id,
							"the entry is not the one that was sealed");
	}
	else if (!row->leaf_fits)
		nurture_finding(v, "leaf", seal->block, row->audit_id,
						"the column leaf was altered; the entry itself is the sealed one");
}

/* Tells whether the rows are what the seal lists, one by one. */
static bool
rows_are_sealed(const BlockEntries *rows, const AuditSeal *seal)
{
	if (VARSIZE_ANY_EXHDR(seal->leaves) != rows->n * SEAL_LEAF_LEN)
		return false;
	for (int64 n = 0; n < rows->n; n++)
	{
		const BlockEntry *row = &rows->entry[n];
		MerkleHash	leaf;

		if (nurture_seal_leaf(seal, n, &leaf) != row->audit_id ||
			!row->leaf_fits || !nurture_merkle_equal(&leaf, &row->leaf))
			return false;
	}
	return true;
}

/*
 * Reports what is only in one of both lists; nurture_audit_verify turns a
 * pair of missing and added into moved.
 */
static void
compare_lists(Verify *v, const AuditSeal *seal, BlockEntries *rows)
{
	BlockEntries sealed = {0};
	int64		i = 0;
	int64		j = 0;

	for (int64 n = 0; n < VARSIZE_ANY_EXHDR(seal->leaves) / SEAL_LEAF_LEN; n++)
	{
		BlockEntry *entry = add_entry(&sealed, CurrentMemoryContext);

		entry->audit_id = nurture_seal_leaf(seal, n, &entry->leaf);
	}
	if (sealed.n > 0)
		qsort(sealed.entry, sealed.n, sizeof(BlockEntry), compare_entries);
	if (rows->n > 0)
		qsort(rows->entry, rows->n, sizeof(BlockEntry), compare_entries);

	while (i < sealed.n || j < rows->n)
	{
		BlockEntry *s = i < sealed.n ? &sealed.entry[i] : NULL;
		BlockEntry *r = j < rows->n ? &rows->entry[j] : NULL;

		if (s != NULL && r != NULL && s->audit_id == r->audit_id)
		{
			/* a copy beside the sealed entry: the one that fits is the entry */
			if (j + 1 < rows->n && r[1].audit_id == r->audit_id &&
				!nurture_merkle_equal(&s->leaf, &r->leaf) &&
				nurture_merkle_equal(&s->leaf, &r[1].leaf))
			{
				nurture_finding(v, "added", seal->block, r->audit_id,
								"the entry is there twice");
				j++;
				continue;
			}
			compare_pair(v, seal, s, r);
			i++;
			j++;
		}
		else if (r == NULL || (s != NULL && s->audit_id < r->audit_id))
		{
			nurture_finding(v, "missing", seal->block, s->audit_id,
							"the entry was sealed and is not there");
			i++;
		}
		else
		{
			nurture_finding(v, "added", seal->block, r->audit_id,
							j > 0 && r[-1].audit_id == r->audit_id ?
							"the entry is there twice" :
							"the entry was not there when the block was closed");
			j++;
		}
	}
	if (sealed.entry != NULL)
		pfree(sealed.entry);
}

/* Compares the entries of a block with what its seal lists. */
void
nurture_verify_block(Verify *v, const AuditSeal *seal)
{
	EntryScan  *scan = &v->scan;
	BlockEntries *rows = &v->rows;

	rows->n = 0;
	nurture_entries_range(scan, seal->incarnation, seal->xid_from,
						  seal->xid_to, true);
	while (nurture_entries_next(scan))
	{
		BlockEntry *entry = add_entry(rows, v->context);

		entry->audit_id = scan->audit_id;
		entry->at = scan->at;
		entry->leaf_fits = scan->leaf_fits;
		entry->leaf = scan->leaf;
		nurture_verify_lead(v, scan, seal->block);
		nurture_verify_claim(v, scan);
	}
	if (!rows_are_sealed(rows, seal))
		compare_lists(v, seal, rows);
}

/* Checks one entry outside all blocks. */
static void
check_open_entry(Verify *v, const EntryScan *scan, bool stray, uint64 next)
{
	if (!scan->leaf_fits)
		nurture_finding(v, "forged", 0, scan->audit_id,
						"the entry does not match its leaf");
	else if (stray)
		nurture_finding(v, "forged", 0, scan->audit_id,
						"the entry names an incarnation that never was");
	else if (scan->xid >= next)
		nurture_finding(v, "forged", 0, scan->audit_id,
						"the entry names a transaction that has not begun");
	else
		nurture_verify_lead(v, scan, 0);
	nurture_verify_claim(v, scan);
}

/* Checks the entries that no seal covers. */
void
nurture_verify_open(Verify *v)
{
	uint64		next = U64FromFullTransactionId(ReadNextFullTransactionId());
	EntryScan  *scan = &v->scan;

	for (int32 i = 1; i <= v->incarnations; i++)
	{
		/* transaction ids of an earlier incarnation say nothing here */
		uint64		bound = i == v->incarnations ? next : PG_UINT64_MAX;

		nurture_entries_range(scan, i, v->xid_to[i], PG_UINT64_MAX, true);
		while (nurture_entries_next(scan))
			check_open_entry(v, scan, false, bound);
	}
	nurture_entries_strays(scan, v->incarnations);
	while (nurture_entries_next(scan))
		check_open_entry(v, scan, true, next);
}
