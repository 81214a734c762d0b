/*
 * verify.h
 *	  nurture-verify: checks an exported audit trail without PostgreSQL.
 *
 * read.c reads the lines of export.sql, check.c compares them as
 * nurture_audit_verify does, proof.c checks proofs and reads digests, main.c
 * has the options and prints.
 */
#ifndef NURTURE_VERIFY_H
#define NURTURE_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "merkle.h"

#define LEAF_FIELDS		17		/* of an entry that are hashed */
#define LIST_LEAF_LEN	(8 + NURTURE_HASH_LEN)	/* in leaves of a seal */

/* one field of a line, its escapes taken out */
typedef struct Field
{
	char	   *data;			/* NULL when the field is NULL; ends with 0 */
	size_t		len;
} Field;

typedef struct Bytes
{
	unsigned char *data;
	size_t		len;
	bool		null;
} Bytes;

typedef struct Entry
{
	int64_t		audit_id;
	int64_t		at;				/* microseconds since 2000-01-01 UTC */
	int64_t		incarnation;
	uint64_t	xid;
	MerkleHash	leaf;			/* computed */
	bool		leaf_fits;		/* the stored one is the same */
	bool		has_lead;
	bool		refused;		/* outcome */
	char	   *object;			/* kept for kinds message and change, else
								 * NULL */
	bool		is_change;		/* its kind: change, else message */
	MerkleHash	content;		/* of a change: outcome and inputs */
} Entry;

typedef struct Seal
{
	int64_t		block;
	int64_t		incarnation;
	uint64_t	xid_from;
	uint64_t	xid_to;
	int64_t		entries;
	bool		has_at;
	int64_t		first_at;
	int64_t		last_at;
	Bytes		block_root;
	int64_t		tree_size;
	Bytes		root;
	Bytes		frontier;
	Bytes		previous;
	int64_t		closed_at;
	Bytes		hash;
	Bytes		leaves;
	Bytes		nodes;
}			Seal;

typedef struct Incarnation
{
	int64_t		incarnation;
	int64_t		head_block;
	bool		has_head;
	Bytes		head_hash;
}			Incarnation;

typedef struct Change
{
	char	   *object;			/* change:number */
	MerkleHash	content;
}			Change;

typedef struct Message
{
	char	   *object;			/* message:number */
	bool		refused;
}			Message;

/* nurture_audit_proof, or nurture_audit_consistency */
typedef struct Proof
{
	bool		inclusion;
	int64_t		audit_id;		/* of an inclusion */
	int64_t		index;			/* of the leaf; size of the old tree */
	int64_t		size;
	Bytes		first;			/* leaf; root of the old tree */
	Bytes		root;
	Bytes		path;
}			Proof;

typedef struct Digest
{
	int64_t		block;
	int64_t		tree_size;
	char		root[65];
	char		hash[65];
}			Digest;

typedef struct Finding
{
	const char *class;
	int64_t		block;			/* 0 when in none */
	int64_t		audit_id;		/* 0 when about no entry */
	const char *detail;
} Finding;

/* a list that grows */
#define LIST(type) struct { type *item; size_t n; size_t room; }

typedef struct Log
{
	MerkleHasher hasher;
	bool		whole;			/* there was a first line: all is here */
	int64_t		incarnations;
	uint64_t	next_xid;		/* no entry can be of this or a later one */
				LIST(Entry) entries;
				LIST(Seal) seals;
				LIST(Incarnation) lives;
				LIST(Change) changes;
				LIST(Message) messages;
				LIST(Proof) proofs;
				LIST(Digest) digests;
				LIST(Finding) findings;
}			Log;

/* Makes room for one more and returns it, zeroed. */
#define ADD(list) \
	(*(((list).item = grow((list).item, &(list).room, (list).n, \
						   sizeof(*(list).item))), \
	   &(list).item[(list).n++]))

extern void *grow(void *items, size_t *room, size_t n, size_t size);
extern void fail(const char *what, const char *where, long line);
extern void note(Log * log, const char *class, int64_t block, int64_t audit_id,
				 const char *detail);
extern void read_export(Log * log, FILE *file, const char *name);
extern void read_digests(Log * log, FILE *file, const char *name);
extern void check_log(Log * log);
extern void check_proofs(Log * log);

#endif							/* NURTURE_VERIFY_H */
