/*
 * check.c
 *	  Compares entries with seals, seals with each other and with digests, and
 *	  entries with the change log and messages: the checks of
 *	  nurture_audit_verify, but for pseudonyms, whose keys never leave the
 *	  database.
 */
#include <stdlib.h>
#include <string.h>

#include "canon.h"
#include "verify.h"

#define MAX_XID UINT64_MAX

/* an entry as a seal lists it */
typedef struct Listed
{
	int64_t		audit_id;
	MerkleHash	leaf;
}			Listed;

static int
order(int64_t a, int64_t b)
{
	return a < b ? -1 : a > b;
}

static int
by_transaction(const void *a, const void *b)
{
	const Entry *x = a;
	const Entry *y = b;

	if (x->incarnation != y->incarnation)
		return order(x->incarnation, y->incarnation);
	if (x->xid != y->xid)
		return x->xid < y->xid ? -1 : 1;
	return order(x->audit_id, y->audit_id);
}

static int
by_id(const void *a, const void *b)
{
	const Entry *x = *(Entry *const *) a;
	const Entry *y = *(Entry *const *) b;

	if (x->audit_id != y->audit_id)
		return order(x->audit_id, y->audit_id);
	return memcmp(x->leaf.byte, y->leaf.byte, NURTURE_HASH_LEN);
}

static int
listed_by_id(const void *a, const void *b)
{
	const		Listed *x = a;
	const		Listed *y = b;

	if (x->audit_id != y->audit_id)
		return order(x->audit_id, y->audit_id);
	return memcmp(x->leaf.byte, y->leaf.byte, NURTURE_HASH_LEN);
}

static int
seals_by_block(const void *a, const void *b)
{
	return order(((const Seal *) a)->block, ((const Seal *) b)->block);
}

static bool
is_hash(const Bytes *stored, const MerkleHash *hash)
{
	return !stored->null && stored->len == NURTURE_HASH_LEN &&
		memcmp(stored->data, hash->byte, NURTURE_HASH_LEN) == 0;
}

/* A root of another length is read as zeros, before it is hashed. */
static MerkleHash
as_hash(const Bytes *stored)
{
	MerkleHash	hash = {{0}};

	if (stored->len == NURTURE_HASH_LEN)
		memcpy(hash.byte, stored->data, NURTURE_HASH_LEN);
	return hash;
}

/* Computes the hash of a seal over its fields. */
static void
hash_seal(const Log * log, const Seal * seal, MerkleHash *hash)
{
	unsigned char buffer[4096];
	CanonWriter w = {.buf = buffer,.cap = sizeof(buffer)};
	MerkleHash	block_root = as_hash(&seal->block_root);
	MerkleHash	root = as_hash(&seal->root);

	nurture_canon_begin(&w, NURTURE_CANON_SEAL);
	nurture_canon_int(&w, 1, seal->block);
	nurture_canon_int(&w, 2, seal->incarnation);
	nurture_canon_uint(&w, 3, seal->xid_from);
	nurture_canon_uint(&w, 4, seal->xid_to);
	nurture_canon_int(&w, 5, seal->entries);
	if (seal->has_at)
	{
		nurture_canon_instant(&w, 6, seal->first_at);
		nurture_canon_instant(&w, 7, seal->last_at);
	}
	else
	{
		nurture_canon_null(&w, 6, CANON_INSTANT);
		nurture_canon_null(&w, 7, CANON_INSTANT);
	}
	nurture_canon_value(&w, 8, CANON_BYTES, block_root.byte, NURTURE_HASH_LEN);
	nurture_canon_int(&w, 9, seal->tree_size);
	nurture_canon_value(&w, 10, CANON_BYTES, root.byte, NURTURE_HASH_LEN);
	nurture_canon_value(&w, 11, CANON_BYTES, seal->frontier.data,
						(uint32_t) seal->frontier.len);
	if (seal->previous.null)
		nurture_canon_null(&w, 12, CANON_BYTES);
	else
		nurture_canon_value(&w, 12, CANON_BYTES, seal->previous.data,
							(uint32_t) seal->previous.len);
	nurture_canon_instant(&w, 13, seal->closed_at);
	(void) nurture_canon_end(&w);
	log->hasher.sha256(log->hasher.ctx, buffer, w.used, hash->byte);
}

static void
listed(const Seal * seal, size_t n, Listed * out)
{
	const unsigned char *at = seal->leaves.data + n * LIST_LEAF_LEN;
	uint64_t	id = 0;

	for (int i = 0; i < 8; i++)
		id = id << 8 | at[i];
	out->audit_id = (int64_t) id;
	memcpy(out->leaf.byte, at + 8, NURTURE_HASH_LEN);
}

/* Compares roots and nodes with the leaves a seal lists; tree moves on. */
static const char *
check_tree(const Log * log, const Seal * seal, MerkleRange *tree)
{
	const MerkleHasher *h = &log->hasher;
	unsigned char frontier[64 * NURTURE_HASH_LEN];
	const char *wrong = NULL;
	bool		nodes_fit = true;
	size_t		nodes_len = 0;
	size_t		len;
	MerkleRange own;
	MerkleHash	hash;

	if (seal->entries < 0 ||
		seal->leaves.len != (uint64_t) seal->entries * LIST_LEAF_LEN)
		wrong = "leaves are not as many as entries";
	nurture_merkle_start(&own);
	for (size_t n = 0; n < seal->leaves.len / LIST_LEAF_LEN; n++)
	{
		MerkleHash	nodes[64];
		Listed		one;

		listed(seal, n, &one);
		nurture_merkle_append(h, &own, &one.leaf);
		len = sizeof(MerkleHash) *
			(size_t) nurture_merkle_append_nodes(h, tree, &one.leaf, nodes);
		nodes_fit = nodes_fit && nodes_len + len <= seal->nodes.len &&
			memcmp(seal->nodes.data + nodes_len, nodes, len) == 0;
		nodes_len += len;
	}
	nurture_merkle_root(h, &own, &hash);
	if (!is_hash(&seal->block_root, &hash))
		wrong = wrong ? wrong : "block_root is not that of its leaves";
	nurture_merkle_root(h, tree, &hash);
	len = nurture_merkle_save(tree, frontier);
	if (tree->size != (uint64_t) seal->tree_size ||
		!is_hash(&seal->root, &hash) || len != seal->frontier.len ||
		memcmp(frontier, seal->frontier.data, len) != 0)
		wrong = wrong ? wrong : "root is not that of the log up to it";
	if (!nodes_fit || nodes_len != seal->nodes.len)
		wrong = wrong ? wrong : "nodes are not those that its leaves made";
	return wrong;
}

/* Checks one seal against itself and the log up to it, which moves on. */
static void
check_seal(Log * log, const Seal * seal, const Seal * before, MerkleRange *tree,
		   uint64_t *xid_to)
{
	const char *wrong = NULL;
	const char *tree_wrong;
	MerkleHash	hash;

	if (seal->block != (before ? before->block + 1 : 1))
		note(log, "missing_seal", seal->block, 0,
			 "the seal before it is not there");
	else if (before != NULL &&
			 (seal->previous.null || before->hash.len != seal->previous.len ||
			  memcmp(before->hash.data, seal->previous.data,
					 before->hash.len) != 0))
		wrong = "previous is not the hash of the seal before";
	else if (before == NULL && !seal->previous.null)
		wrong = "the first seal names one before";
	hash_seal(log, seal, &hash);
	if (!is_hash(&seal->hash, &hash))
		wrong = "hash is not that of its columns";
	tree_wrong = check_tree(log, seal, tree);
	wrong = wrong ? wrong : tree_wrong;
	if (seal->incarnation < 1 || seal->incarnation > log->incarnations)
		wrong = wrong ? wrong : "it names an incarnation that never was";
	else
	{
		if (seal->xid_from != xid_to[seal->incarnation] ||
			seal->xid_to < seal->xid_from)
			wrong = wrong ? wrong : "its transactions do not follow those of the block before";
		xid_to[seal->incarnation] = seal->xid_to;
	}
	if (wrong != NULL)
	{
		note(log, "forged_seal", seal->block, 0, wrong);
		if (seal->tree_size >= 0)
			(void) nurture_merkle_load(tree, (uint64_t) seal->tree_size,
									   seal->frontier.data,
									   seal->frontier.len);
	}
}

/* Returns the first entry that is not before a transaction. */
static size_t
first_entry(const Log * log, int64_t incarnation, uint64_t xid)
{
	size_t		low = 0;
	size_t		high = log->entries.n;

	while (low < high)
	{
		size_t		middle = low + (high - low) / 2;
		const Entry *entry = &log->entries.item[middle];

		if (entry->incarnation < incarnation ||
			(entry->incarnation == incarnation && entry->xid < xid))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void
compare_pair(Log * log, const Seal * seal, const Listed * sealed,
			 const Entry *row)
{
	if (!nurture_merkle_equal(&sealed->leaf, &row->leaf))
	{
		if (row->at < seal->first_at || row->at > seal->last_at)
			note(log, "retimed", seal->block, row->audit_id,
				 "the entry lies outside the time of its block");
		else
			note(log, "changed", seal->block, row->audit_id,
				 "the entry is not the one that was sealed");
	}
	else if (!row->leaf_fits)
		note(log, "leaf", seal->block, row->audit_id,
			 "the column leaf was altered; the entry itself is the sealed one");
}

/* Compares the entries of a block with what its seal lists. */
static void
check_block(Log * log, const Seal * seal)
{
	size_t		from = first_entry(log, seal->incarnation, seal->xid_from);
	size_t		to = seal->xid_to == MAX_XID ?
	first_entry(log, seal->incarnation + 1, 0) :
	first_entry(log, seal->incarnation, seal->xid_to);
	size_t		nsealed = seal->leaves.len / LIST_LEAF_LEN;
	size_t		nrows = to > from ? to - from : 0;
	Listed	   *sealed = malloc(sizeof(Listed) * (nsealed + 1));
	Entry	  **rows = malloc(sizeof(Entry *) * (nrows + 1));
	size_t		i = 0;
	size_t		j = 0;

	if (sealed == NULL || rows == NULL)
		fail("out of memory", NULL, 0);
	for (size_t n = 0; n < nsealed; n++)
		listed(seal, n, &sealed[n]);
	for (size_t n = 0; n < nrows; n++)
		rows[n] = &log->entries.item[from + n];
	qsort(sealed, nsealed, sizeof(Listed), listed_by_id);
	qsort(rows, nrows, sizeof(Entry *), by_id);
	while (i < nsealed || j < nrows)
	{
		const		Listed *s = i < nsealed ? &sealed[i] : NULL;
		const Entry *r = j < nrows ? rows[j] : NULL;

		if (s != NULL && r != NULL && s->audit_id == r->audit_id)
		{
			/* a copy beside the sealed entry: the one that fits is the entry */
			if (j + 1 < nrows && rows[j + 1]->audit_id == r->audit_id &&
				!nurture_merkle_equal(&s->leaf, &r->leaf) &&
				nurture_merkle_equal(&s->leaf, &rows[j + 1]->leaf))
			{
				note(log, "added", seal->block, r->audit_id,
					 "the entry is there twice");
				j++;
				continue;
			}
			compare_pair(log, seal, s, r);
			i++;
			j++;
		}
		else if (r == NULL || (s != NULL && s->audit_id < r->audit_id))
		{
			note(log, "missing", seal->block, s->audit_id,
				 "the entry was sealed and is not there");
			i++;
		}
		else
		{
			note(log, "added", seal->block, r->audit_id,
				 j > 0 && rows[j - 1]->audit_id == r->audit_id ?
				 "the entry is there twice" :
				 "the entry was not there when the block was closed");
			j++;
		}
	}
	free(sealed);
	free(rows);
}

/* Checks the entries that no seal covers. */
static void
check_open(Log * log, const uint64_t *xid_to)
{
	for (size_t i = 0; i < log->entries.n; i++)
	{
		const Entry *entry = &log->entries.item[i];
		bool		stray = entry->incarnation < 1 ||
		entry->incarnation > log->incarnations;

		if (!stray && entry->xid < xid_to[entry->incarnation])
			continue;
		if (!entry->leaf_fits)
			note(log, "forged", 0, entry->audit_id,
				 "the entry does not match its leaf");
		else if (stray)
			note(log, "forged", 0, entry->audit_id,
				 "the entry names an incarnation that never was");
		else if (entry->incarnation == log->incarnations &&
				 entry->xid >= log->next_xid)
			note(log, "forged", 0, entry->audit_id,
				 "the entry names a transaction that has not begun");
	}
}

static int
by_object(const void *a, const void *b)
{
	const Entry *x = *(Entry *const *) a;
	const Entry *y = *(Entry *const *) b;
	int			result = strcmp(x->object, y->object);

	return result ? result : order(x->audit_id, y->audit_id);
}

static int
changes_by_object(const void *a, const void *b)
{
	return strcmp(((const Change *) a)->object, ((const Change *) b)->object);
}

static int
messages_by_object(const void *a, const void *b)
{
	return strcmp(((const Message *) a)->object,
				  ((const Message *) b)->object);
}

/* Lists the entries of a kind by their objects. */
static Entry **
entries_about(const Log * log, bool changes, size_t *n)
{
	Entry	  **list = malloc(sizeof(Entry *) * (log->entries.n + 1));

	if (list == NULL)
		fail("out of memory", NULL, 0);
	*n = 0;
	for (size_t i = 0; i < log->entries.n; i++)
	{
		Entry	   *entry = &log->entries.item[i];

		if (entry->object != NULL && entry->is_change == changes)
			list[(*n)++] = entry;
	}
	qsort(list, *n, sizeof(Entry *), by_object);
	return list;
}

/* Compares the change log with the entries about it. */
static void
check_changes(Log * log)
{
	size_t		n;
	Entry	  **entries = entries_about(log, true, &n);
	size_t		i = 0;
	size_t		j = 0;

	qsort(log->changes.item, log->changes.n, sizeof(Change),
		  changes_by_object);
	while (i < n || j < log->changes.n)
	{
		Change	   *change = j < log->changes.n ? &log->changes.item[j] : NULL;
		int			side = i >= n ? 1 : change == NULL ? -1 :
		strcmp(entries[i]->object, change->object);

		if (side < 0)
			note(log, "change_log", 0, entries[i++]->audit_id,
				 "the change of this entry is not in the change log");
		else if (side > 0)
		{
			note(log, "change_log", 0, 0, "a change has no audit entry");
			j++;
		}
		else
		{
			for (; i < n && strcmp(entries[i]->object, change->object) == 0; i++)
			{
				if (!nurture_merkle_equal(&entries[i]->content,
										  &change->content))
					note(log, "change_log", 0, entries[i]->audit_id,
						 "the change is not the one on record");
			}
			j++;
		}
	}
	free(entries);
}

/* Compares messages with the last decision about each. */
static void
check_messages(Log * log)
{
	size_t		n;
	Entry	  **entries = entries_about(log, false, &n);
	size_t		i = 0;
	size_t		j = 0;

	qsort(log->messages.item, log->messages.n, sizeof(Message),
		  messages_by_object);
	while (i < n || j < log->messages.n)
	{
		Message    *message = j < log->messages.n ?
		&log->messages.item[j] : NULL;
		int			side;

		if (i + 1 < n && strcmp(entries[i]->object, entries[i + 1]->object) == 0)
		{
			i++;				/* not the last about it */
			continue;
		}
		side = i >= n ? 1 : message == NULL ? -1 :
			strcmp(entries[i]->object, message->object);
		if (side < 0)
		{
			if (entries[i]->has_lead)
				note(log, "message", 0, entries[i]->audit_id,
					 "the message of this entry is not there");
			i++;
		}
		else if (side > 0)
		{
			note(log, "message", 0, 0, "a message has no decision on record");
			j++;
		}
		else
		{
			if (entries[i]->refused && !message->refused)
				note(log, "message", 0, entries[i]->audit_id,
					 "the message was refused and is not any more");
			i++;
			j++;
		}
	}
	free(entries);
}

static const Seal *
find_seal(const Log * log, int64_t block)
{
	Seal		key = {.block = block};

	if (log->seals.n == 0)
		return NULL;
	return bsearch(&key, log->seals.item, log->seals.n, sizeof(Seal),
				   seals_by_block);
}

static void
check_incarnations(Log * log)
{
	for (size_t i = 0; i < log->lives.n; i++)
	{
		const		Incarnation *life = &log->lives.item[i];
		const		Seal *seal;

		if (!life->has_head)
			continue;
		seal = find_seal(log, life->head_block);
		if (seal == NULL || seal->hash.null != life->head_hash.null ||
			seal->hash.len != life->head_hash.len ||
			memcmp(seal->hash.data, life->head_hash.data, seal->hash.len) != 0)
			note(log, "incarnation", 0, 0,
				 "the seal that an incarnation began with is not there");
	}
}

/* Compares seals with digests that were kept elsewhere. */
static void
check_digests(Log * log)
{
	for (size_t i = 0; i < log->digests.n; i++)
	{
		const		Digest *digest = &log->digests.item[i];
		const		Seal *seal;
		char		hex[2 * NURTURE_HASH_LEN + 1] = "";

		if (digest->block == 0)
			continue;			/* taken before anything was sealed */
		seal = find_seal(log, digest->block);
		if (seal == NULL)
		{
			note(log, "truncated", digest->block, 0,
				 "a digest kept elsewhere names this block, which is not there");
			continue;
		}
		for (size_t n = 0; n < seal->hash.len && n < NURTURE_HASH_LEN; n++)
			snprintf(hex + 2 * n, 3, "%02x", (unsigned) seal->hash.data[n]);
		if (seal->hash.len != NURTURE_HASH_LEN || strcmp(hex, digest->hash) != 0)
			note(log, "digest", digest->block, 0,
				 "the seal is not the one of the digest kept elsewhere: the log was rewritten");
	}
}

static int
findings_by_entry(const void *a, const void *b)
{
	const Finding *x = a;
	const Finding *y = b;

	if (x->audit_id != y->audit_id)
		return order(x->audit_id, y->audit_id);
	/* missing before where it turned up */
	return (strcmp(y->class, "missing") == 0) -
		(strcmp(x->class, "missing") == 0);
}

/* Turns an entry that is missing in its block and elsewhere into one: moved. */
static void
join_moved(Log * log)
{
	Finding    *f = log->findings.item;
	size_t		kept = 0;

	if (log->findings.n < 2)
		return;
	qsort(f, log->findings.n, sizeof(Finding), findings_by_entry);
	for (size_t i = 0; i < log->findings.n; i++)
	{
		if (kept > 0 && f[i].audit_id != 0 &&
			f[kept - 1].audit_id == f[i].audit_id &&
			(strcmp(f[kept - 1].class, "missing") == 0 ||
			 strcmp(f[kept - 1].class, "moved") == 0) &&
			(strcmp(f[i].class, "added") == 0 ||
			 strcmp(f[i].class, "forged") == 0))
		{
			f[kept - 1].class = "moved";
			f[kept - 1].detail =
				"the entry was sealed in this block and is now elsewhere";
			continue;
		}
		f[kept++] = f[i];
	}
	log->findings.n = kept;
}

/* Runs every check of a whole log. */
void
check_log(Log * log)
{
	uint64_t   *xid_to = calloc((size_t) log->incarnations + 1,
								sizeof(uint64_t));
	const		Seal *before = NULL;
	MerkleRange tree;

	if (xid_to == NULL)
		fail("out of memory", NULL, 0);
	if (log->entries.n > 0)
		qsort(log->entries.item, log->entries.n, sizeof(Entry),
			  by_transaction);
	if (log->seals.n > 0)
		qsort(log->seals.item, log->seals.n, sizeof(Seal), seals_by_block);
	nurture_merkle_start(&tree);
	for (size_t i = 0; i < log->seals.n; i++)
	{
		const		Seal *seal = &log->seals.item[i];

		check_seal(log, seal, before, &tree, xid_to);
		check_block(log, seal);
		before = seal;
	}
	check_open(log, xid_to);
	check_changes(log);
	check_messages(log);
	check_incarnations(log);
	check_digests(log);
	join_moved(log);
	free(xid_to);
}
