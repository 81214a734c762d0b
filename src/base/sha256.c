/*
 * sha256.c
 *	  SHA-256 and HMAC with it, as the server's library computes them.
 *
 * The server's own wrapper names the algorithm anew for each hash, and OpenSSL
 * 3 looks a name up behind locks each time: for the few hundred bytes of an
 * audit entry that takes longer than to hash them.  So where the server hashes
 * with OpenSSL 3 and its headers are there, the same library is asked with an
 * algorithm that a backend looks up once.  Else the wrapper serves.
 */
#include "base/compat.h"

#include "base/sha256.h"

#if defined(USE_OPENSSL) && __has_include(<openssl/evp.h>)
#include <openssl/err.h>
#include <openssl/evp.h>
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
#define DIRECT
#endif
#endif

#define BLOCK_LEN	64			/* bytes that SHA-256 takes at a time */

#ifdef DIRECT

static EVP_MD * algorithm = NULL;	/* NULL: not looked up yet, or not there */
static EVP_MD_CTX * under_way = NULL;

/* Makes ready to ask the library; false when it has no SHA-256. */
static bool
have_direct(void)
{
	if (under_way != NULL)
		return true;
	if (algorithm == NULL)
		algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (algorithm != NULL)
		under_way = EVP_MD_CTX_new();
	return under_way != NULL;
}

static void
direct_failed(void)
{
	unsigned long code = ERR_get_error();
	const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;

	elog(ERROR, "could not compute SHA-256: %s", reason ? reason : "no reason given");
}
#endif

static void
server_failed(Sha256 *sha)
{
	elog(ERROR, "could not compute SHA-256: %s",
		 pg_cryptohash_error(sha->server));
}

/* Makes ready to hash. */
void
nurture_sha256_open(Sha256 *sha)
{
	sha->server = NULL;
#ifdef DIRECT
	if (have_direct())
		return;
#endif
	/* the resource owner frees it when an error is raised */
	sha->server = pg_cryptohash_create(PG_SHA256);
	if (sha->server == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
}

/* Starts a hash; one that an error left unfinished is forgotten. */
void
nurture_sha256_start(Sha256 *sha)
{
#ifdef DIRECT
	if (sha->server == NULL)
	{
		if (!EVP_DigestInit_ex2(under_way, algorithm, NULL))
			direct_failed();
		return;
	}
#endif
	if (pg_cryptohash_init(sha->server) < 0)
		server_failed(sha);
}

/* Takes further bytes. */
void
nurture_sha256_put(Sha256 *sha, const void *bytes, size_t len)
{
#ifdef DIRECT
	if (sha->server == NULL)
	{
		if (!EVP_DigestUpdate(under_way, bytes, len))
			direct_failed();
		return;
	}
#endif
	if (pg_cryptohash_update(sha->server, bytes, len) < 0)
		server_failed(sha);
}

/* Writes the hash of what was put. */
void
nurture_sha256_finish(Sha256 *sha, unsigned char *out)
{
#ifdef DIRECT
	if (sha->server == NULL)
	{
		if (!EVP_DigestFinal_ex(under_way, out, NULL))
			direct_failed();
		return;
	}
#endif
	if (pg_cryptohash_final(sha->server, out, NURTURE_SHA256_LEN) < 0)
		server_failed(sha);
}

/* Hashes bytes in one call. */
void
nurture_sha256_once(Sha256 *sha, const void *bytes, size_t len,
					unsigned char *out)
{
	nurture_sha256_start(sha);
	nurture_sha256_put(sha, bytes, len);
	nurture_sha256_finish(sha, out);
}

/* Ends hashing. */
void
nurture_sha256_close(Sha256 *sha)
{
	if (sha->server != NULL)
		pg_cryptohash_free(sha->server);
	sha->server = NULL;
}

/* Computes HMAC-SHA-256 word for word as RFC 2104 has it. */
void
nurture_hmac_sha256(Sha256 *sha, const void *key, size_t keylen,
					const void *first, size_t firstlen,
					const void *second, size_t secondlen, unsigned char *out)
{
	unsigned char block[BLOCK_LEN] = {0};
	unsigned char pad[BLOCK_LEN];

	if (keylen > BLOCK_LEN)
		nurture_sha256_once(sha, key, keylen, block);
	else
		memcpy(block, key, keylen);
	for (int i = 0; i < BLOCK_LEN; i++)
		pad[i] = block[i] ^ 0x36;
	nurture_sha256_start(sha);
	nurture_sha256_put(sha, pad, BLOCK_LEN);
	nurture_sha256_put(sha, first, firstlen);
	if (second != NULL)
		nurture_sha256_put(sha, second, secondlen);
	nurture_sha256_finish(sha, out);
	for (int i = 0; i < BLOCK_LEN; i++)
		pad[i] = block[i] ^ 0x5c;
	nurture_sha256_start(sha);
	nurture_sha256_put(sha, pad, BLOCK_LEN);
	nurture_sha256_put(sha, out, NURTURE_SHA256_LEN);
	nurture_sha256_finish(sha, out);
}
