/*
 * leaf.c
 *	  The leaf hash of an audit entry, and the pseudonym of its lead.
 */
#include "base/compat.h"

#include "access/transam.h"
#include "audit/leaf.h"
#include "catalog/pg_type.h"
#include "common/hmac.h"
#include "core/canon.h"
#include "mb/pg_wchar.h"
#include "port/pg_bswap.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

static void
hash_failed(AuditHasher *hasher)
{
	elog(ERROR, "could not compute SHA-256: %s",
		 pg_cryptohash_error(hasher->sha));
}

static void
hash_start(AuditHasher *hasher)
{
	if (pg_cryptohash_init(hasher->sha) < 0)
		hash_failed(hasher);
}

/* Takes canonical bytes: the flush of a CanonWriter. */
static void
hash_bytes(void *ctx, const void *bytes, size_t len)
{
	AuditHasher *hasher = ctx;

	if (pg_cryptohash_update(hasher->sha, bytes, len) < 0)
		hash_failed(hasher);
}

static void
hash_finish(AuditHasher *hasher, unsigned char *out)
{
	if (pg_cryptohash_final(hasher->sha, out, NURTURE_HASH_LEN) < 0)
		hash_failed(hasher);
}

/* Hashes bytes in one call: what the core's tree asks for. */
static void
hash_once(void *ctx, const void *data, size_t len, unsigned char *out)
{
	hash_start(ctx);
	hash_bytes(ctx, data, len);
	hash_finish(ctx, out);
}

/* Makes a hasher ready; the resource owner frees it when an error is raised. */
void
nurture_hasher_open(AuditHasher *hasher)
{
	hasher->sha = pg_cryptohash_create(PG_SHA256);
	if (hasher->sha == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	hasher->merkle.sha256 = hash_once;
	hasher->merkle.ctx = hasher;
}

/* Gives a hasher back. */
void
nurture_hasher_close(AuditHasher *hasher)
{
	pg_cryptohash_free(hasher->sha);
	hasher->sha = NULL;
}

/* Writes text as UTF-8 whatever the database's encoding is. */
static void
put_text(CanonWriter *w, uint8 ordinal, CanonTag tag, const char *text,
		 int len)
{
	char	   *utf8 = pg_server_to_any(text, len, PG_UTF8);

	if (utf8 != text)
		len = strlen(utf8);
	nurture_canon_value(w, ordinal, tag, utf8, len);
}

/*
 * Writes an array of codes.  An array of another shape than a plain list is
 * no list of ours: its NULL mark makes the leaf differ from any stored one.
 */
static void
put_list(CanonWriter *w, uint8 ordinal, Datum value)
{
	ArrayType  *array = DatumGetArrayTypeP(value);
	CanonItem  *items;
	Datum	   *elements;
	bool	   *nulls;
	int			n;

	if (ARR_NDIM(array) > 1 ||
		(ARR_NDIM(array) == 1 && ARR_LBOUND(array)[0] != 1))
	{
		nurture_canon_null(w, ordinal, CANON_BYTES);
		return;
	}
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT,
					  &elements, &nulls, &n);
	items = palloc(sizeof(CanonItem) * (n + 1));
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
		{
			items[i].data = NULL;
			items[i].len = 0;
		}
		else
		{
			text	   *item = DatumGetTextPP(elements[i]);
			char	   *utf8 = pg_server_to_any(VARDATA_ANY(item),
												VARSIZE_ANY_EXHDR(item),
												PG_UTF8);

			items[i].data = utf8;
			items[i].len = utf8 == VARDATA_ANY(item) ?
				VARSIZE_ANY_EXHDR(item) : strlen(utf8);
		}
	}
	nurture_canon_list(w, ordinal, items, n);
}

/* Writes one hashed column; its type follows from its place. */
static void
put_column(CanonWriter *w, AuditColumn column, Datum value, bool null)
{
	uint8		ordinal = column + 1;

	switch (column)
	{
		case AUDIT_ID:
			if (null)
				nurture_canon_null(w, ordinal, CANON_INT);
			else
				nurture_canon_int(w, ordinal, DatumGetInt64(value));
			break;
		case AUDIT_INCARNATION:
			if (null)
				nurture_canon_null(w, ordinal, CANON_INT);
			else
				nurture_canon_int(w, ordinal, DatumGetInt32(value));
			break;
		case AUDIT_AT:
			if (null)
				nurture_canon_null(w, ordinal, CANON_INSTANT);
			else
				nurture_canon_instant(w, ordinal, DatumGetTimestampTz(value));
			break;
		case AUDIT_XID:
			if (null)
				nurture_canon_null(w, ordinal, CANON_UINT);
			else
				nurture_canon_uint(w, ordinal,
								   U64FromFullTransactionId(DatumGetFullTransactionId(value)));
			break;
		case AUDIT_SIMULATED:
			if (null)
				nurture_canon_null(w, ordinal, CANON_BOOL);
			else
				nurture_canon_bool(w, ordinal, DatumGetBool(value));
			break;
		case AUDIT_SUBJECT:
			if (null)
				nurture_canon_null(w, ordinal, CANON_BYTES);
			else
			{
				bytea	   *bytes = DatumGetByteaPP(value);

				nurture_canon_value(w, ordinal, CANON_BYTES,
									VARDATA_ANY(bytes),
									VARSIZE_ANY_EXHDR(bytes));
			}
			break;
		case AUDIT_REASONS:
			if (null)
				nurture_canon_null(w, ordinal, CANON_LIST);
			else
				put_list(w, ordinal, value);
			break;
		case AUDIT_TRIGGER:
		case AUDIT_VERSIONS:
			if (null)
				nurture_canon_null(w, ordinal, CANON_JSON);
			else
			{
				Jsonb	   *json = DatumGetJsonbP(value);
				StringInfoData buf;

				/* the text of jsonb depends on no setting */
				initStringInfo(&buf);
				(void) JsonbToCString(&buf, &json->root, VARSIZE(json));
				put_text(w, ordinal, CANON_JSON, buf.data, buf.len);
			}
			break;
		default:
			if (null)
				nurture_canon_null(w, ordinal, CANON_TEXT);
			else
			{
				text	   *t = DatumGetTextPP(value);

				put_text(w, ordinal, CANON_TEXT, VARDATA_ANY(t),
						 VARSIZE_ANY_EXHDR(t));
			}
	}
}

/*
 * Computes the leaf of an entry from its columns.  Leaves garbage in the
 * current memory context, which the caller resets.
 */
void
nurture_audit_leaf(AuditHasher *hasher, const Datum *values,
				   const bool *nulls, MerkleHash *leaf)
{
	CanonWriter w = {
		.buf = hasher->buffer,
		.cap = sizeof(hasher->buffer),
		.flush = hash_bytes,
		.ctx = hasher
	};

	hash_start(hasher);
	nurture_canon_begin(&w, NURTURE_CANON_LEAF);
	for (int column = 0; column < AUDIT_LEAD_REF; column++)
		put_column(&w, column, values[column], nulls[column]);
	(void) nurture_canon_end(&w);
	hash_finish(hasher, leaf->byte);
}

/* Computes the pseudonym of a lead: HMAC-SHA-256 of its id in network order. */
void
nurture_audit_subject(const char *key, size_t keylen, int64 lead_id,
					  MerkleHash *subject)
{
	uint64		id = pg_hton64((uint64) lead_id);
	pg_hmac_ctx *hmac = pg_hmac_create(PG_SHA256);

	if (hmac == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	if (pg_hmac_init(hmac, (const uint8 *) key, keylen) < 0 ||
		pg_hmac_update(hmac, (const uint8 *) &id, sizeof(id)) < 0 ||
		pg_hmac_final(hmac, subject->byte, NURTURE_HASH_LEN) < 0)
		elog(ERROR, "could not compute HMAC: %s", pg_hmac_error(hmac));
	pg_hmac_free(hmac);
}
