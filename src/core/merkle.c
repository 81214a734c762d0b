/*
 * merkle.c
 *	  The Merkle tree of RFC 6962 (merkle.h says what it offers).
 *
 * Generation of proofs follows RFC 6962, sections 2.1.1 and 2.1.2; checking
 * follows RFC 9162, sections 2.1.3.2 and 2.1.4.2, which give the algorithms
 * that RFC 6962 leaves to the reader.  The trees are the same.
 */
#include "merkle.h"

#include <string.h>

#include "canon.h"

/* Returns the largest power of two smaller than n, for n > 1. */
static uint64_t
merkle_split(uint64_t n)
{
	uint64_t	k = 1;

	while (k < n - k)
		k <<= 1;
	return k;
}

/* Computes the hash of an inner node; out may be left or right. */
void
nurture_merkle_node(const MerkleHasher *h, const MerkleHash *left,
					const MerkleHash *right, MerkleHash *out)
{
	unsigned char bytes[1 + 2 * NURTURE_HASH_LEN];

	bytes[0] = NURTURE_CANON_NODE;
	memcpy(bytes + 1, left->byte, NURTURE_HASH_LEN);
	memcpy(bytes + 1 + NURTURE_HASH_LEN, right->byte, NURTURE_HASH_LEN);
	h->sha256(h->ctx, bytes, sizeof(bytes), out->byte);
}

/* Says whether two hashes are the same. */
bool
nurture_merkle_equal(const MerkleHash *a, const MerkleHash *b)
{
	return memcmp(a->byte, b->byte, NURTURE_HASH_LEN) == 0;
}

/* Makes a range without leaves. */
void
nurture_merkle_start(MerkleRange *range)
{
	memset(range, 0, sizeof(*range));
}

/*
 * Adds one leaf at the right and lists the nodes that come about, lowest
 * first; returns their number, one on average.  nodes has room for 63, or is
 * NULL.
 */
int
nurture_merkle_append_nodes(const MerkleHasher *h, MerkleRange *range,
							const MerkleHash *leaf, MerkleHash *nodes)
{
	MerkleHash	carry = *leaf;
	int			level = 0;

	while (range->size >> level & 1)
	{
		nurture_merkle_node(h, &range->node[level], &carry, &carry);
		if (nodes != NULL)
			nodes[level] = carry;
		level++;
	}
	range->node[level] = carry;
	range->size++;
	return level;
}

/* Adds one leaf at the right. */
void
nurture_merkle_append(const MerkleHasher *h, MerkleRange *range,
					  const MerkleHash *leaf)
{
	(void) nurture_merkle_append_nodes(h, range, leaf, NULL);
}

/* Returns how many inner nodes of complete subtrees so many leaves make. */
uint64_t
nurture_merkle_nodes(uint64_t size)
{
	uint64_t	bits = 0;

	for (uint64_t rest = size; rest != 0; rest &= rest - 1)
		bits++;
	return size - bits;
}

/*
 * Takes a span of a proof, or one from 0, apart into complete subtrees, the
 * largest first; returns their number.  parts has room for 64.
 */
int
nurture_merkle_parts(const MerkleSpan *span, MerklePart *parts)
{
	uint64_t	size = span->end - span->start;
	uint64_t	at = span->start;
	int			n = 0;

	for (int level = 63; level >= 0; level--)
	{
		if ((size >> level & 1) == 0)
			continue;
		at += UINT64_C(1) << level;
		parts[n].end = at;
		parts[n].level = level;
		/* the last leaf completes one node on each level, from 1 */
		parts[n].place = level > 0 ?
			nurture_merkle_nodes(at - 1) + (uint64_t) level - 1 : 0;
		n++;
	}
	return n;
}

/* Computes the root over the roots of nurture_merkle_parts. */
void
nurture_merkle_join(const MerkleHasher *h, const MerkleHash *roots, int n,
					MerkleHash *out)
{
	if (n == 0)
	{
		h->sha256(h->ctx, "", 0, out->byte);
		return;
	}
	*out = roots[n - 1];
	for (int i = n - 2; i >= 0; i--)
		nurture_merkle_node(h, &roots[i], out, out);
}

/* Computes the root of all leaves in the range. */
void
nurture_merkle_root(const MerkleHasher *h, const MerkleRange *range,
					MerkleHash *out)
{
	bool		have = false;

	if (range->size == 0)
	{
		h->sha256(h->ctx, "", 0, out->byte);
		return;
	}
	for (int level = 0; level < 64; level++)
	{
		if ((range->size >> level & 1) == 0)
			continue;
		if (have)
			nurture_merkle_node(h, &range->node[level], out, out);
		else
			*out = range->node[level];
		have = true;
	}
}

/*
 * Writes the range's nodes, largest subtree first, and returns their length;
 * out has room for 64 hashes.
 */
size_t
nurture_merkle_save(const MerkleRange *range, unsigned char *out)
{
	size_t		len = 0;

	for (int level = 63; level >= 0; level--)
	{
		if ((range->size >> level & 1) == 0)
			continue;
		memcpy(out + len, range->node[level].byte, NURTURE_HASH_LEN);
		len += NURTURE_HASH_LEN;
	}
	return len;
}

/* Reads what nurture_merkle_save wrote; false when len does not fit size. */
bool
nurture_merkle_load(MerkleRange *range, uint64_t size,
					const unsigned char *in, size_t len)
{
	size_t		at = 0;

	nurture_merkle_start(range);
	range->size = size;
	for (int level = 63; level >= 0; level--)
	{
		if ((size >> level & 1) == 0)
			continue;
		if (len - at < NURTURE_HASH_LEN)
			return false;
		memcpy(range->node[level].byte, in + at, NURTURE_HASH_LEN);
		at += NURTURE_HASH_LEN;
	}
	return at == len;
}

/* Computes the root of a list of leaf hashes. */
void
nurture_merkle_list_root(const MerkleHasher *h, const MerkleHash *leaves,
						 uint64_t nleaves, MerkleHash *out)
{
	MerkleRange range;

	nurture_merkle_start(&range);
	for (uint64_t i = 0; i < nleaves; i++)
		nurture_merkle_append(h, &range, &leaves[i]);
	nurture_merkle_root(h, &range, out);
}

/* Turns spans collected from the root down into the order of a proof. */
static void
merkle_reverse(MerkleSpan *spans, int n)
{
	for (int i = 0; i < n / 2; i++)
	{
		MerkleSpan	swap = spans[i];

		spans[i] = spans[n - 1 - i];
		spans[n - 1 - i] = swap;
	}
}

/*
 * Lists the spans whose roots prove that a leaf is in a tree: PATH(m, D[n]) of
 * RFC 6962.  Returns their number, or -1 when the tree has no such leaf; spans
 * has room for NURTURE_MERKLE_MAX_PROOF.
 */
int
nurture_merkle_inclusion(uint64_t leaf, uint64_t size, MerkleSpan *spans)
{
	uint64_t	start = 0;
	uint64_t	end = size;
	int			n = 0;

	if (leaf >= size)
		return -1;
	while (end - start > 1)
	{
		uint64_t	middle = start + merkle_split(end - start);

		if (leaf < middle)
		{
			spans[n].start = middle;
			spans[n].end = end;
			end = middle;
		}
		else
		{
			spans[n].start = start;
			spans[n].end = middle;
			start = middle;
		}
		n++;
	}
	merkle_reverse(spans, n);
	return n;
}

/*
 * Lists the spans whose roots prove that the first old_size leaves of a tree
 * of new_size leaves are the old tree: PROOF(m, D[n]) of RFC 6962.  Returns
 * their number, or -1 when the old tree is the larger one.  An empty old tree
 * and one of the same size need no proof.
 */
int
nurture_merkle_consistency(uint64_t old_size, uint64_t new_size,
						   MerkleSpan *spans)
{
	uint64_t	start = 0;
	uint64_t	end = new_size;
	int			n = 0;

	if (old_size > new_size)
		return -1;
	if (old_size == 0 || old_size == new_size)
		return 0;
	while (end != old_size)
	{
		uint64_t	middle = start + merkle_split(end - start);

		if (old_size <= middle)
		{
			spans[n].start = middle;
			spans[n].end = end;
			end = middle;
		}
		else
		{
			spans[n].start = start;
			spans[n].end = middle;
			start = middle;
		}
		n++;
	}
	/* a subtree that starts at 0 is the old tree itself: the reader has it */
	if (start > 0)
	{
		spans[n].start = start;
		spans[n].end = end;
		n++;
	}
	merkle_reverse(spans, n);
	return n;
}

/* Checks that leaf_hash is leaf number leaf in the tree with this root. */
bool
nurture_merkle_check_inclusion(const MerkleHasher *h,
							   const MerkleHash *leaf_hash,
							   uint64_t leaf, uint64_t size,
							   const MerkleHash *proof, size_t nproof,
							   const MerkleHash *root)
{
	uint64_t	fn = leaf;
	uint64_t	sn;
	MerkleHash	hash = *leaf_hash;

	if (leaf >= size)
		return false;
	sn = size - 1;
	for (size_t i = 0; i < nproof; i++)
	{
		if (sn == 0)
			return false;
		if ((fn & 1) || fn == sn)
		{
			nurture_merkle_node(h, &proof[i], &hash, &hash);
			/* on the right edge: climb to where it has a left sibling */
			while (fn != 0 && (fn & 1) == 0)
			{
				fn >>= 1;
				sn >>= 1;
			}
		}
		else
			nurture_merkle_node(h, &hash, &proof[i], &hash);
		fn >>= 1;
		sn >>= 1;
	}
	return sn == 0 && nurture_merkle_equal(&hash, root);
}

/* Checks that the tree with old_root is a prefix of the one with new_root. */
bool
nurture_merkle_check_consistency(const MerkleHasher *h,
								 uint64_t old_size, uint64_t new_size,
								 const MerkleHash *old_root,
								 const MerkleHash *new_root,
								 const MerkleHash *proof, size_t nproof)
{
	uint64_t	fn;
	uint64_t	sn;
	size_t		next = 0;
	MerkleHash	fr;
	MerkleHash	sr;

	if (old_size > new_size)
		return false;
	if (old_size == new_size)
		return nproof == 0 && nurture_merkle_equal(old_root, new_root);
	if (old_size == 0)
	{
		MerkleHash	empty;

		h->sha256(h->ctx, "", 0, empty.byte);
		return nproof == 0 && nurture_merkle_equal(old_root, &empty);
	}

	fn = old_size - 1;
	sn = new_size - 1;
	while (fn & 1)
	{
		fn >>= 1;
		sn >>= 1;
	}
	/* an old tree of 2^l leaves is itself the first hash of the proof */
	if (fn == 0)
		fr = *old_root;
	else if (nproof > 0)
		fr = proof[next++];
	else
		return false;
	sr = fr;

	for (; next < nproof; next++)
	{
		if (sn == 0)
			return false;
		if ((fn & 1) || fn == sn)
		{
			nurture_merkle_node(h, &proof[next], &fr, &fr);
			nurture_merkle_node(h, &proof[next], &sr, &sr);
			while (fn != 0 && (fn & 1) == 0)
			{
				fn >>= 1;
				sn >>= 1;
			}
		}
		else
			nurture_merkle_node(h, &sr, &proof[next], &sr);
		fn >>= 1;
		sn >>= 1;
	}
	return sn == 0 &&
		nurture_merkle_equal(&fr, old_root) &&
		nurture_merkle_equal(&sr, new_root);
}
