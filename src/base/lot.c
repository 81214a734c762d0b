/*
 * lot.c
 *	  Drawing lots by hash, for holdouts and experiments.
 *
 * In SQL, the lot of a lead is
 *
 *		('x' || substr(encode(sha256(convert_to(
 *			salt || ':' || code || ':' || lead_id, 'UTF8')), 'hex'), 1, 15)
 *		)::bit(60)::bigint
 */
#include "base/compat.h"

#include "base/lot.h"
#include "base/sha256.h"
#include "port/pg_bswap.h"

/* Returns the lot of a lead: the first bits of SHA-256 of all three. */
uint64
nurture_lot(const char *salt, const char *code, int64 lead_id)
{
	char	   *text = psprintf("%s:%s:" INT64_FORMAT, salt, code, lead_id);
	unsigned char digest[NURTURE_SHA256_LEN];
	uint64		bits;
	Sha256		sha;

	nurture_sha256_open(&sha);
	nurture_sha256_once(&sha, text, strlen(text), digest);
	nurture_sha256_close(&sha);
	pfree(text);
	memcpy(&bits, digest, sizeof(bits));
	return pg_ntoh64(bits) >> (64 - NURTURE_LOT_BITS);
}
