/*
 * sha256.h
 *	  SHA-256 and HMAC with it, as the server's library computes them.
 */
#ifndef NURTURE_SHA256_H
#define NURTURE_SHA256_H

#include "base/compat.h"

#include "common/cryptohash.h"

#define NURTURE_SHA256_LEN	32

/* a place to hash in, used again for each hash */
typedef struct Sha256
{
	pg_cryptohash_ctx *server;	/* NULL: the library is asked directly */
} Sha256;

/*
 * Open, then for each hash start, put and finish, or all at once; close.  One
 * hash is under way at a time in a backend, whatever it is opened with.  When
 * an error is raised in between, nothing is left to free.
 */
extern void nurture_sha256_open(Sha256 *sha);
extern void nurture_sha256_start(Sha256 *sha);
extern void nurture_sha256_put(Sha256 *sha, const void *bytes, size_t len);
extern void nurture_sha256_finish(Sha256 *sha, unsigned char *out);
extern void nurture_sha256_once(Sha256 *sha, const void *bytes, size_t len,
								unsigned char *out);
extern void nurture_sha256_close(Sha256 *sha);

/* HMAC (RFC 2104) of two pieces, the second may be NULL; out has 32 bytes. */
extern void nurture_hmac_sha256(Sha256 *sha, const void *key, size_t keylen,
								const void *first, size_t firstlen,
								const void *second, size_t secondlen,
								unsigned char *out);

#endif							/* NURTURE_SHA256_H */
