/*
 * merkle.h
 *	  The Merkle tree of RFC 6962, section 2.1: roots, appending, proofs.
 *
 * A tree is a list of leaf hashes, numbered from 0.  The root of an empty
 * list is SHA-256(""), of one leaf the leaf hash, and of n > 1 leaves
 * SHA-256(0x01 || root of the first k || root of the rest), k being the
 * largest power of two smaller than n.
 *
 * Proofs are described as spans: the runs of leaves whose roots make up the
 * proof.  The caller can compute these roots from the leaves in one pass
 * (MerkleRange) or look them up where it keeps inner nodes.
 *
 * SHA-256 itself is the caller's: the server brings PostgreSQL's.
 */
#ifndef NURTURE_CORE_MERKLE_H
#define NURTURE_CORE_MERKLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NURTURE_HASH_LEN			32
#define NURTURE_MERKLE_MAX_PROOF	65	/* longest proof for 64-bit sizes */

typedef struct MerkleHash
{
	unsigned char byte[NURTURE_HASH_LEN];
} MerkleHash;

typedef struct MerkleHasher
{
	/* SHA-256 of len bytes; does not return when it cannot compute it */
	void		(*sha256) (void *ctx, const void *data, size_t len,
						   unsigned char *out);
	void	   *ctx;			/* handed to sha256 */
} MerkleHasher;

/*
 * A compact range: all that is needed to append and to know the root.  Bit l
 * of size set means node[l] is the root of a complete subtree of 2^l leaves;
 * larger subtrees lie to the left.
 */
typedef struct MerkleRange
{
	uint64_t	size;			/* leaves so far */
	MerkleHash	node[64];
} MerkleRange;

/* the leaves from start up to, not including, end */
typedef struct MerkleSpan
{
	uint64_t	start;
	uint64_t	end;
} MerkleSpan;

/*
 * A complete subtree of 2^level leaves, the last of them before end.  When
 * leaves are appended one by one, its root is the node number place that comes
 * about (from 0), if level > 0: so a list of nodes in that order is all it
 * takes to look the root up.
 */
typedef struct MerklePart
{
	uint64_t	end;
	int			level;
	uint64_t	place;
} MerklePart;

extern void nurture_merkle_node(const MerkleHasher *h, const MerkleHash *left,
								const MerkleHash *right, MerkleHash *out);
extern bool nurture_merkle_equal(const MerkleHash *a, const MerkleHash *b);

extern void nurture_merkle_start(MerkleRange *range);
extern void nurture_merkle_append(const MerkleHasher *h, MerkleRange *range,
								  const MerkleHash *leaf);
extern int	nurture_merkle_append_nodes(const MerkleHasher *h,
										MerkleRange *range,
										const MerkleHash *leaf,
										MerkleHash *nodes);
extern uint64_t nurture_merkle_nodes(uint64_t size);
extern int	nurture_merkle_parts(const MerkleSpan *span, MerklePart *parts);
extern void nurture_merkle_join(const MerkleHasher *h,
								const MerkleHash *roots, int n,
								MerkleHash *out);
extern void nurture_merkle_root(const MerkleHasher *h,
								const MerkleRange *range, MerkleHash *out);
extern size_t nurture_merkle_save(const MerkleRange *range,
								  unsigned char *out);
extern bool nurture_merkle_load(MerkleRange *range, uint64_t size,
								const unsigned char *in, size_t len);

extern void nurture_merkle_list_root(const MerkleHasher *h,
									 const MerkleHash *leaves,
									 uint64_t nleaves, MerkleHash *out);
extern int	nurture_merkle_inclusion(uint64_t leaf, uint64_t size,
									 MerkleSpan *spans);
extern int	nurture_merkle_consistency(uint64_t old_size, uint64_t new_size,
									   MerkleSpan *spans);
extern bool nurture_merkle_check_inclusion(const MerkleHasher *h,
										   const MerkleHash *leaf_hash,
										   uint64_t leaf, uint64_t size,
										   const MerkleHash *proof,
										   size_t nproof,
										   const MerkleHash *root);
extern bool nurture_merkle_check_consistency(const MerkleHasher *h,
											 uint64_t old_size,
											 uint64_t new_size,
											 const MerkleHash *old_root,
											 const MerkleHash *new_root,
											 const MerkleHash *proof,
											 size_t nproof);

#endif							/* NURTURE_CORE_MERKLE_H */
