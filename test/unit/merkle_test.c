/*
 * merkle_test.c
 *	  The Merkle tree against the known answers of the Certificate Transparency
 *	  reference tree, against a naive tree at all sizes to 1,024, and its
 *	  proofs against forgers.
 */
#include <stdio.h>
#include <stdlib.h>

#include "merkle.h"
#include "sha256.h"

#define MAX_SIZE	1024
#define MAX_PROOF	130

static int	passed;
static int	failed;
static const MerkleHasher hasher = {sha256, NULL};

static void
check(bool ok, const char *what, unsigned long long a, unsigned long long b)
{
	if (ok)
		passed++;
	else
	{
		failed++;
		if (failed < 20)
			printf("not ok - %s (%llu, %llu)\n", what, a, b);
	}
}

static void
from_hex(const char *hex, unsigned char *out)
{
	for (size_t i = 0; i < strlen(hex) / 2; i++)
	{
		unsigned int byte;

		sscanf(hex + 2 * i, "%2x", &byte);
		out[i] = (unsigned char) byte;
	}
}

static bool
is_hex(const MerkleHash *hash, const char *hex)
{
	MerkleHash	want;

	from_hex(hex, want.byte);
	return strlen(hex) == 64 && nurture_merkle_equal(hash, &want);
}

/* Reads the strings of one array of the fixture; returns their number. */
static int
read_strings(const char *json, const char *key, char out[][80])
{
	const char *p = strstr(json, key);
	int			n = 0;

	if (p == NULL)
		return 0;
	p = strchr(p, '[');
	while (p != NULL && *p != ']')
	{
		if (*p == '"')
		{
			const char *end = strchr(p + 1, '"');
			size_t		len = (size_t) (end - p - 1);

			memcpy(out[n], p + 1, len);
			out[n++][len] = '\0';
			p = end;
		}
		p++;
	}
	return n;
}

/* the leaves that roots are remembered of */
static MerkleHash all_leaves[MAX_SIZE];

/*
 * The definition of RFC 6962, word for word; of all_leaves, each complete
 * subtree is computed once.
 */
static void
naive_root(const MerkleHash *leaves, uint64_t n, MerkleHash *out)
{
	static struct
	{
		bool		known;
		MerkleHash	root;
	}			seen[2 * MAX_SIZE];
	bool		remember = leaves >= all_leaves &&
	leaves + n <= all_leaves + MAX_SIZE && n > 1 && (n & (n - 1)) == 0 &&
	(uint64_t) (leaves - all_leaves) % n == 0;
	uint64_t	place = remember ?
	(MAX_SIZE + (uint64_t) (leaves - all_leaves)) / n : 0;
	MerkleHash	left;
	MerkleHash	right;
	uint64_t	k = 1;

	if (n == 0)
	{
		sha256(NULL, "", 0, out->byte);
		return;
	}
	if (n == 1)
	{
		*out = leaves[0];
		return;
	}
	if (remember && seen[place].known)
	{
		*out = seen[place].root;
		return;
	}
	while (k * 2 < n)
		k *= 2;
	naive_root(leaves, k, &left);
	naive_root(leaves + k, n - k, &right);
	nurture_merkle_node(&hasher, &left, &right, out);
	if (remember)
	{
		seen[place].root = *out;
		seen[place].known = true;
	}
}

/* PATH(m, D[n]) of RFC 6962, word for word. */
static int
naive_path(uint64_t m, const MerkleHash *leaves, uint64_t n, MerkleHash *out)
{
	uint64_t	k = 1;
	int			len;

	if (n <= 1)
		return 0;
	while (k * 2 < n)
		k *= 2;
	if (m < k)
	{
		len = naive_path(m, leaves, k, out);
		naive_root(leaves + k, n - k, &out[len]);
	}
	else
	{
		len = naive_path(m - k, leaves + k, n - k, out);
		naive_root(leaves, k, &out[len]);
	}
	return len + 1;
}

/* SUBPROOF(m, D[n], b) of RFC 6962, word for word. */
static int
naive_subproof(uint64_t m, const MerkleHash *leaves, uint64_t n, bool b,
			   MerkleHash *out)
{
	uint64_t	k = 1;
	int			len;

	if (m == n)
	{
		if (b)
			return 0;
		naive_root(leaves, n, &out[0]);
		return 1;
	}
	while (k * 2 < n)
		k *= 2;
	if (m <= k)
	{
		len = naive_subproof(m, leaves, k, b, out);
		naive_root(leaves + k, n - k, &out[len]);
	}
	else
	{
		len = naive_subproof(m - k, leaves + k, n - k, false, out);
		naive_root(leaves, k, &out[len]);
	}
	return len + 1;
}

static int
span_roots(const MerkleHash *leaves, const MerkleSpan *spans, int n,
		   MerkleHash *out)
{
	for (int i = 0; i < n; i++)
		nurture_merkle_list_root(&hasher, leaves + spans[i].start,
								 spans[i].end - spans[i].start, &out[i]);
	return n;
}

/*
 * Proofs in the reference tree as Certificate Transparency's own tests give
 * them (merkle_tree_test.cc); leaves are numbered from 0 here.
 */
static void
test_known_proofs(const MerkleHash *leaves)
{
#define H0 "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
#define H1 "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
#define H4 "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
#define H01 "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
#define H23 "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
#define H45 "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
#define H67 "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
#define H03 "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"
#define H47 "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
	static const struct
	{
		uint64_t	from;		/* leaf, or size of the old tree */
		uint64_t	size;
		int			n;
		const char *hashes[3];
	}			paths[] = {
		{0, 1, 0, {NULL}}, {0, 8, 3, {H1, H23, H47}},
		{5, 8, 3, {H4, H67, H03}}, {2, 3, 1, {H01}}, {1, 5, 3, {H0, H23, H4}}
	},			proofs[] = {
		{1, 1, 0, {NULL}}, {1, 8, 3, {H1, H23, H47}},
		{6, 8, 3, {H45, H67, H03}}, {2, 5, 2, {H23, H4}}
	};
	MerkleSpan	spans[NURTURE_MERKLE_MAX_PROOF];
	MerkleHash	proof[NURTURE_MERKLE_MAX_PROOF];

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
	{
		int			n = nurture_merkle_inclusion(paths[i].from, paths[i].size,
												 spans);

		check(n == paths[i].n, "length of a known path", paths[i].from,
			  paths[i].size);
		span_roots(leaves, spans, n, proof);
		for (int j = 0; j < n && j < 3; j++)
			check(is_hex(&proof[j], paths[i].hashes[j]), "known path",
				  paths[i].from, paths[i].size);
	}
	for (size_t i = 0; i < sizeof(proofs) / sizeof(proofs[0]); i++)
	{
		int			n = nurture_merkle_consistency(proofs[i].from,
												   proofs[i].size, spans);

		check(n == proofs[i].n, "length of a known proof", proofs[i].from,
			  proofs[i].size);
		span_roots(leaves, spans, n, proof);
		for (int j = 0; j < n && j < 3; j++)
			check(is_hex(&proof[j], proofs[i].hashes[j]), "known proof",
				  proofs[i].from, proofs[i].size);
	}
}

static void
test_known_answers(void)
{
	static char json[8192];
	static char data[16][80];
	static char roots[16][80];
	static char hashes[16][80];
	MerkleHash	leaves[16];
	MerkleHash	root;
	MerkleRange range;
	FILE	   *file = fopen("test/fixtures/ct_reference_tree.json", "r");
	int			nleaves;

	if (file == NULL)
	{
		check(false, "the fixture can be read", 0, 0);
		return;
	}
	json[fread(json, 1, sizeof(json) - 1, file)] = '\0';
	fclose(file);
	nleaves = read_strings(json, "\"leaves_hex\"", data);
	check(nleaves == 8, "eight leaves", (unsigned) nleaves, 8);
	check(read_strings(json, "\"root_hex_by_size\"", roots) == nleaves + 1,
		  "nine roots", 0, 0);
	check(read_strings(json, "\"leaf_hash_hex\"", hashes) == nleaves,
		  "eight leaf hashes", 0, 0);

	nurture_merkle_start(&range);
	for (int i = 0; i <= nleaves; i++)
	{
		nurture_merkle_root(&hasher, &range, &root);
		check(is_hex(&root, roots[i]), "known root", (unsigned) i, 0);
		nurture_merkle_list_root(&hasher, leaves, (uint64_t) i, &root);
		check(is_hex(&root, roots[i]), "known root of list", (unsigned) i, 0);
		if (i == nleaves)
			break;

		unsigned char bytes[64] = {0};

		from_hex(data[i], bytes + 1);
		sha256(NULL, bytes, 1 + strlen(data[i]) / 2, leaves[i].byte);
		check(is_hex(&leaves[i], hashes[i]), "known leaf", (unsigned) i, 0);
		nurture_merkle_append(&hasher, &range, &leaves[i]);
	}
	test_known_proofs(leaves);
}

/* RFC 6962's example tree and the proofs its section 2.1.3 spells out. */
static void
test_rfc_example(void)
{
	static const struct
	{
		uint64_t	leaf;
		int			n;
		MerkleSpan	spans[3];
	}			paths[] = {
		{0, 3, {{1, 2}, {2, 4}, {4, 7}}},
		{3, 3, {{2, 3}, {0, 2}, {4, 7}}},
		{4, 3, {{5, 6}, {6, 7}, {0, 4}}},
		{6, 2, {{4, 6}, {0, 4}}}
	};
	static const struct
	{
		uint64_t	size;
		int			n;
		MerkleSpan	spans[4];
	}			proofs[] = {
		{3, 4, {{2, 3}, {3, 4}, {0, 2}, {4, 7}}},
		{4, 1, {{4, 7}}},
		{6, 3, {{4, 6}, {6, 7}, {0, 4}}}
	};
	MerkleSpan	spans[NURTURE_MERKLE_MAX_PROOF];

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
	{
		int			n = nurture_merkle_inclusion(paths[i].leaf, 7, spans);

		check(n == paths[i].n &&
			  memcmp(spans, paths[i].spans,
					 (size_t) n * sizeof(MerkleSpan)) == 0,
			  "example path", paths[i].leaf, 7);
	}
	for (size_t i = 0; i < sizeof(proofs) / sizeof(proofs[0]); i++)
	{
		int			n = nurture_merkle_consistency(proofs[i].size, 7, spans);

		check(n == proofs[i].n &&
			  memcmp(spans, proofs[i].spans,
					 (size_t) n * sizeof(MerkleSpan)) == 0,
			  "example proof", proofs[i].size, 7);
	}
}

static void
test_sizes(const MerkleHash *leaves)
{
	static unsigned char saved[64 * NURTURE_HASH_LEN];
	MerkleRange range;
	MerkleRange loaded;
	MerkleHash	root;
	MerkleHash	want;

	nurture_merkle_start(&range);
	for (uint64_t n = 0; n <= MAX_SIZE; n++)
	{
		size_t		len;

		naive_root(leaves, n, &want);
		nurture_merkle_root(&hasher, &range, &root);
		check(nurture_merkle_equal(&root, &want), "root of size", n, 0);

		len = nurture_merkle_save(&range, saved);
		check(nurture_merkle_load(&loaded, n, saved, len), "load", n, len);
		check(memcmp(&loaded, &range, sizeof(range)) == 0 || n == 0 ||
			  (nurture_merkle_root(&hasher, &loaded, &root),
			   nurture_merkle_equal(&root, &want)), "same when loaded", n, 0);
		check(!nurture_merkle_load(&loaded, n, saved, len + 1),
			  "too long to load", n, len);
		check(len == 0 || !nurture_merkle_load(&loaded, n, saved, len - 1),
			  "too short to load", n, len);
		if (n < MAX_SIZE)
			nurture_merkle_append(&hasher, &range, &leaves[n]);
	}
}

/* Tries one forged inclusion proof; none may pass. */
static void
reject_inclusion(const MerkleHash *leaf, uint64_t i, uint64_t n,
				 const MerkleHash *proof, int len, const MerkleHash *root,
				 const char *how)
{
	check(!nurture_merkle_check_inclusion(&hasher, leaf, i, n, proof,
										  (size_t) len, root), how, i, n);
}

static void
test_inclusion(const MerkleHash *leaves)
{
	MerkleSpan	spans[NURTURE_MERKLE_MAX_PROOF];
	MerkleHash	proof[NURTURE_MERKLE_MAX_PROOF + 1];
	MerkleHash	want[NURTURE_MERKLE_MAX_PROOF];
	MerkleHash	root;

	for (uint64_t n = 1; n <= MAX_PROOF; n++)
	{
		naive_root(leaves, n, &root);
		check(nurture_merkle_inclusion(n, n, spans) == -1, "no leaf", n, n);
		for (uint64_t i = 0; i < n; i++)
		{
			int			len = nurture_merkle_inclusion(i, n, spans);
			MerkleHash	bad;

			span_roots(leaves, spans, len, proof);
			check(naive_path(i, leaves, n, want) == len &&
				  memcmp(proof, want, (size_t) len * sizeof(MerkleHash)) == 0,
				  "path of the definition", i, n);
			check(nurture_merkle_check_inclusion(&hasher, &leaves[i], i, n,
												 proof, (size_t) len, &root),
				  "inclusion", i, n);

			bad = leaves[i];
			bad.byte[i % 32] ^= (unsigned char) (1 << i % 8);
			reject_inclusion(&bad, i, n, proof, len, &root, "other leaf");
			bad = root;
			bad.byte[n % 32] ^= 1;
			reject_inclusion(&leaves[i], i, n, proof, len, &bad, "other root");
			if (n > 1)
				reject_inclusion(&leaves[i], (i + 1) % n, n, proof, len, &root,
								 "other place");
			reject_inclusion(&leaves[i], n, n, proof, len, &root, "past end");
			for (int cut = 0; cut < len; cut++)
				reject_inclusion(&leaves[i], i, n, proof, cut, &root,
								 "cut proof");
			proof[len] = root;
			reject_inclusion(&leaves[i], i, n, proof, len + 1, &root,
							 "longer proof");
			for (int k = 0; k < len; k++)
			{
				proof[k].byte[(i + n) % 32] ^= 0x10;
				reject_inclusion(&leaves[i], i, n, proof, len, &root,
								 "flipped bit");
				proof[k].byte[(i + n) % 32] ^= 0x10;
				if (k == 0)
					continue;
				bad = proof[k];
				proof[k] = proof[k - 1];
				proof[k - 1] = bad;
				reject_inclusion(&leaves[i], i, n, proof, len, &root,
								 "swapped");
				proof[k - 1] = proof[k];
				proof[k] = bad;
			}
		}
	}
}

static void
reject_consistency(uint64_t m, uint64_t n, const MerkleHash *old_root,
				   const MerkleHash *new_root, const MerkleHash *proof,
				   int len, const char *how)
{
	check(!nurture_merkle_check_consistency(&hasher, m, n, old_root, new_root,
											proof, (size_t) len), how, m, n);
}

static void
test_consistency(const MerkleHash *leaves)
{
	MerkleSpan	spans[NURTURE_MERKLE_MAX_PROOF];
	MerkleHash	proof[NURTURE_MERKLE_MAX_PROOF + 1];
	MerkleHash	want[NURTURE_MERKLE_MAX_PROOF];
	MerkleHash	old_root;
	MerkleHash	new_root;
	MerkleHash	bad;

	for (uint64_t n = 0; n <= MAX_PROOF; n++)
	{
		naive_root(leaves, n, &new_root);
		check(nurture_merkle_consistency(n + 1, n, spans) == -1,
			  "shrinking", n + 1, n);
		for (uint64_t m = 0; m <= n; m++)
		{
			int			len = nurture_merkle_consistency(m, n, spans);

			naive_root(leaves, m, &old_root);
			span_roots(leaves, spans, len, proof);
			if (m > 0)
				check(naive_subproof(m, leaves, n, true, want) == len &&
					  memcmp(proof, want,
							 (size_t) len * sizeof(MerkleHash)) == 0,
					  "proof of the definition", m, n);
			check(nurture_merkle_check_consistency(&hasher, m, n, &old_root,
												   &new_root, proof,
												   (size_t) len),
				  "consistency", m, n);

			bad = old_root;
			bad.byte[m % 32] ^= 0x40;
			reject_consistency(m, n, &bad, &new_root, proof, len,
							   "other old root");
			if (m > 0)
			{
				bad = new_root;
				bad.byte[n % 32] ^= 0x04;
				reject_consistency(m, n, &old_root, &bad, proof, len,
								   "other new root");
			}
			if (m < n)
				reject_consistency(n, m, &new_root, &old_root, proof, len,
								   "the wrong way round");
			for (int cut = 0; cut < len; cut++)
				reject_consistency(m, n, &old_root, &new_root, proof, cut,
								   "cut proof");
			proof[len] = new_root;
			reject_consistency(m, n, &old_root, &new_root, proof, len + 1,
							   "longer proof");
			for (int k = 0; k < len; k++)
			{
				proof[k].byte[(m + n) % 32] ^= 0x80;
				reject_consistency(m, n, &old_root, &new_root, proof, len,
								   "flipped bit");
				proof[k].byte[(m + n) % 32] ^= 0x80;
			}
		}
	}
}

/* Inner nodes in the order in which they came about, as seals keep them. */
static MerkleHash nodes[MAX_SIZE];

/* Computes the root of a span from kept leaves and nodes. */
static void
root_of_parts(const MerkleHash *leaves, const MerkleSpan *span,
			  MerkleHash *out)
{
	MerklePart	parts[64];
	MerkleHash	roots[64];
	int			n = nurture_merkle_parts(span, parts);

	for (int i = 0; i < n; i++)
		roots[i] = parts[i].level == 0 ? leaves[parts[i].end - 1] :
			nodes[parts[i].place];
	nurture_merkle_join(&hasher, roots, n, out);
}

/*
 * At every size, proofs of some leaves and old sizes from kept nodes: they are
 * those of the definition, and are accepted.
 */
static void
test_nodes(const MerkleHash *leaves)
{
	MerkleRange range;
	MerkleSpan	spans[NURTURE_MERKLE_MAX_PROOF];
	MerkleHash	proof[NURTURE_MERKLE_MAX_PROOF];
	MerkleHash	want[NURTURE_MERKLE_MAX_PROOF];
	MerkleHash	roots[MAX_SIZE + 1];
	uint64_t	kept = 0;

	nurture_merkle_start(&range);
	for (uint64_t n = 0; n <= MAX_SIZE; n++)
	{
		MerkleSpan	all = {0, n};
		uint64_t	some[] = {0, n / 3, n / 2, n - 1, n * 7 % (n + 1), n ^ 1};
		MerkleHash	root;

		nurture_merkle_root(&hasher, &range, &roots[n]);
		check(nurture_merkle_nodes(n) == kept, "number of nodes", n, kept);
		root_of_parts(leaves, &all, &root);
		check(nurture_merkle_equal(&root, &roots[n]), "root from nodes", n, 0);
		for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++)
		{
			uint64_t	m = some[i];
			int			len;

			if (m >= n)
				continue;
			len = nurture_merkle_inclusion(m, n, spans);
			for (int j = 0; j < len; j++)
				root_of_parts(leaves, &spans[j], &proof[j]);
			check(naive_path(m, leaves, n, want) == len &&
				  memcmp(proof, want, (size_t) len * sizeof(MerkleHash)) == 0,
				  "path from nodes", m, n);
			check(nurture_merkle_check_inclusion(&hasher, &leaves[m], m, n,
												 proof, (size_t) len,
												 &roots[n]),
				  "inclusion from nodes", m, n);
			len = nurture_merkle_consistency(m, n, spans);
			for (int j = 0; j < len; j++)
				root_of_parts(leaves, &spans[j], &proof[j]);
			check(m == 0 ||
				  (naive_subproof(m, leaves, n, true, want) == len &&
				   memcmp(proof, want, (size_t) len * sizeof(MerkleHash)) == 0),
				  "proof from nodes", m, n);
			check(nurture_merkle_check_consistency(&hasher, m, n, &roots[m],
												   &roots[n], proof,
												   (size_t) len),
				  "consistency from nodes", m, n);
		}
		if (n < MAX_SIZE)
			kept += (uint64_t) nurture_merkle_append_nodes(&hasher, &range,
														   &leaves[n],
														   &nodes[kept]);
	}
}

/* Spans at sizes no test can build: they still cover each leaf once. */
static void
test_huge(void)
{
	static const uint64_t sizes[] = {
		UINT64_MAX, UINT64_MAX - 1, UINT64_C(1) << 63,
		(UINT64_C(1) << 63) + 1, UINT64_C(1) << 40
	};
	MerkleSpan	spans[NURTURE_MERKLE_MAX_PROOF];

	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
	{
		uint64_t	leaf[] = {0, 1, sizes[s] / 2, sizes[s] / 3, sizes[s] - 1};

		for (size_t l = 0; l < sizeof(leaf) / sizeof(leaf[0]); l++)
		{
			int			n = nurture_merkle_inclusion(leaf[l], sizes[s], spans);
			uint64_t	covered = 1;

			for (int i = 0; i < n; i++)
				covered += spans[i].end - spans[i].start;
			check(n <= 64 && covered == sizes[s], "covers", leaf[l], sizes[s]);
			n = nurture_merkle_consistency(leaf[l], sizes[s], spans);
			check(n >= 0 && n <= NURTURE_MERKLE_MAX_PROOF, "fits", leaf[l],
				  sizes[s]);
		}
	}
}

int
main(void)
{
	MerkleHash *leaves = all_leaves;
	MerkleHash	abc;

	sha256(NULL, "abc", 3, abc.byte);
	check(is_hex(&abc, "ba7816bf8f01cfea414140de5dae2223"
				 "b00361a396177a9cb410ff61f20015ad"), "FIPS 180-4", 0, 0);
	for (unsigned int i = 0; i < MAX_SIZE; i++)
	{
		unsigned char data[5] = {0, (unsigned char) (i >> 24),
			(unsigned char) (i >> 16), (unsigned char) (i >> 8),
		(unsigned char) i};

		sha256(NULL, data, sizeof(data), leaves[i].byte);
	}
	test_known_answers();
	test_rfc_example();
	test_sizes(leaves);
	test_inclusion(leaves);
	test_consistency(leaves);
	test_nodes(leaves);
	test_huge();
	printf("merkle: %d passed, %d failed\n", passed, failed);
	return failed == 0 ? 0 : 1;
}
