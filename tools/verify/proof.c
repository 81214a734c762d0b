/*
 * proof.c
 *	  Checks inclusion and consistency proofs, and reads digests.
 */
#include <stdlib.h>
#include <string.h>

#include "verify.h"

/* Says whether a proof's bytes are hashes. */
static bool
has_hashes(const Proof * proof)
{
	return proof->first.len == NURTURE_HASH_LEN &&
		proof->root.len == NURTURE_HASH_LEN &&
		proof->path.len % NURTURE_HASH_LEN == 0 &&
		proof->index >= 0 && proof->size >= 0;
}

/* Says whether a digest of this size names another root. */
static bool
contradicts(const Log * log, int64_t size, const Bytes *root)
{
	char		hex[2 * NURTURE_HASH_LEN + 1];

	for (size_t n = 0; n < NURTURE_HASH_LEN; n++)
		snprintf(hex + 2 * n, 3, "%02x", (unsigned) root->data[n]);
	for (size_t i = 0; i < log->digests.n; i++)
	{
		if (log->digests.item[i].tree_size == size &&
			strcmp(log->digests.item[i].root, hex) != 0)
			return true;
	}
	return false;
}

/* Says whether an entry that is here has another leaf than was proved. */
static bool
other_leaf(const Log * log, const Proof * proof)
{
	for (size_t i = 0; i < log->entries.n; i++)
	{
		const Entry *entry = &log->entries.item[i];

		if (entry->audit_id == proof->audit_id &&
			memcmp(entry->leaf.byte, proof->first.data, NURTURE_HASH_LEN) != 0)
			return true;
	}
	return false;
}

/* Checks every proof. */
void
check_proofs(Log * log)
{
	for (size_t i = 0; i < log->proofs.n; i++)
	{
		const		Proof *proof = &log->proofs.item[i];
		const char *class = proof->inclusion ? "proof" : "consistency";
		MerkleHash	first;
		MerkleHash	root;
		const MerkleHash *path = (const MerkleHash *) proof->path.data;
		size_t		n = proof->path.len / NURTURE_HASH_LEN;
		bool		good;

		if (!has_hashes(proof))
		{
			note(log, class, 0, proof->audit_id, "the proof is malformed");
			continue;
		}
		memcpy(first.byte, proof->first.data, NURTURE_HASH_LEN);
		memcpy(root.byte, proof->root.data, NURTURE_HASH_LEN);
		good = proof->inclusion ?
			nurture_merkle_check_inclusion(&log->hasher, &first,
										   (uint64_t) proof->index,
										   (uint64_t) proof->size, path, n,
										   &root) :
			nurture_merkle_check_consistency(&log->hasher,
											 (uint64_t) proof->index,
											 (uint64_t) proof->size, &first,
											 &root, path, n);
		if (!good)
			note(log, class, 0, proof->audit_id,
				 "the hashes do not lead to the root");
		else if (contradicts(log, proof->size, &proof->root) ||
				 (!proof->inclusion &&
				  contradicts(log, proof->index, &proof->first)))
			note(log, class, 0, proof->audit_id,
				 "a digest kept elsewhere names another root");
		else if (proof->inclusion && other_leaf(log, proof))
			note(log, class, 0, proof->audit_id,
				 "the entry is not the one that is proved");
	}
}

/* Takes the text of one JSON string or number; returns what follows it. */
static const char *
take_value(const char *at, char *out, size_t room)
{
	bool		quoted = *at == '"';
	size_t		n = 0;

	if (quoted)
		at++;
	while (*at != '\0' && (quoted ? *at != '"' : strchr(",}] \t\r\n", *at) == NULL))
	{
		if (*at == '\\' && at[1] != '\0')
			at++;
		if (n + 1 < room)
			out[n++] = *at;
		at++;
	}
	out[n] = '\0';
	return quoted && *at == '"' ? at + 1 : at;
}

/*
 * Reads digests: JSON objects as nurture_audit_digest() returns them, one
 * after the other or in an array.
 */
void
read_digests(Log * log, FILE *file, const char *name)
{
	size_t		room = 1 << 16;
	size_t		len = 0;
	char	   *text = malloc(room);
	Digest	   *digest = NULL;

	if (text == NULL)
		fail("out of memory", NULL, 0);
	for (size_t n; (n = fread(text + len, 1, room - len - 1, file)) > 0;)
	{
		len += n;
		if (room - len < 2 && (text = realloc(text, room *= 2)) == NULL)
			fail("out of memory", NULL, 0);
	}
	text[len] = '\0';
	for (const char *at = text; *at != '\0';)
	{
		char		key[32];
		char		value[80];

		if (*at == '{')
		{
			digest = &ADD(log->digests);
			digest->block = -1;
		}
		if (*at == '}')
		{
			if (digest == NULL || digest->block < 0 ||
				(digest->block > 0 && digest->hash[0] == '\0'))
				fail("a digest has no block or no hash", name, 0);
			digest = NULL;
		}
		if (*at != '"')
		{
			if (strchr("{}[],: \t\r\n", *at) == NULL)
				fail("is not what nurture_audit_digest() returns", name, 0);
			at++;
			continue;
		}
		at = take_value(at, key, sizeof(key));
		at += strspn(at, ": \t\r\n");
		at = take_value(at, value, sizeof(value));
		if (digest == NULL)
			fail("is not what nurture_audit_digest() returns", name, 0);
		if (strcmp(key, "block") == 0)
			digest->block = strtoll(value, NULL, 10);
		else if (strcmp(key, "tree_size") == 0)
			digest->tree_size = strtoll(value, NULL, 10);
		else if (strcmp(key, "root") == 0)
			snprintf(digest->root, sizeof(digest->root), "%.64s", value);
		else if (strcmp(key, "hash") == 0)
			snprintf(digest->hash, sizeof(digest->hash), "%.64s", value);
	}
	if (log->digests.n == 0 || digest != NULL)
		fail("holds no digest", name, 0);
	free(text);
}
