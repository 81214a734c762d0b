/*
 * leaf.c
 *	  The leaf hash of an audit entry, and the pseudonym of its lead.
 */
#include "base/compat.h"

#include "access/transam.h"
#include "audit/leaf.h"
#include "catalog/pg_type.h"
#include "core/canon.h"
#include "mb/pg_wchar.h"
#include "port/pg_bswap.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

/* Takes canonical bytes: the flush of a CanonWriter. */
static void
hash_bytes(void *ctx, const void *bytes, size_t len)
{
	nurture_sha256_put(ctx, bytes, len);
}

/* Hashes bytes in one call: what the core's tree asks for. */
static void
hash_once(void *ctx, const void *data, size_t len, unsigned char *out)
{
	nurture_sha256_once(ctx, data, len, out);
}

/* Makes a hasher ready; an error that is raised leaves nothing to free. */
void
nurture_hasher_open(AuditHasher *hasher)
{
	nurture_sha256_open(&hasher->sha);
	hasher->merkle.sha256 = hash_once;
	hasher->merkle.ctx = &hasher->sha;
	hasher->trigger.len = hasher->versions.len = 0;
}

/* Gives a hasher back. */
void
nurture_hasher_close(AuditHasher *hasher)
{
	nurture_sha256_close(&hasher->sha);
}

/* Writes text as UTF-8 whatever the database's encoding is. */
static void
put_text(CanonWriter *w, uint8 ordinal, const char *text, int len)
{
	char	   *utf8 = pg_server_to_any(text, len, PG_UTF8);

	if (utf8 != text)
		len = strlen(utf8);
	nurture_canon_value(w, ordinal, CANON_TEXT, utf8, len);
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

/*
 * Writes the text of a jsonb, which depends on no setting.  Entries of a kind
 * are alike: a value that is the same as the last is not written out again.
 */
static void
put_json(CanonWriter *w, uint8 ordinal, Datum value, KnownJson *known)
{
	const struct varlena *stored = (struct varlena *) DatumGetPointer(value);
	bool		plain = !VARATT_IS_EXTENDED(stored) || VARATT_IS_SHORT(stored);
	int			len = plain ? VARSIZE_ANY_EXHDR(stored) : 0;
	Jsonb	   *json;
	StringInfoData buf;
	char	   *utf8;
	int			textlen;

	if (len > 0 && len == known->len &&
		memcmp(VARDATA_ANY(stored), known->json, len) == 0)
	{
		nurture_canon_value(w, ordinal, CANON_JSON, known->text,
							known->textlen);
		return;
	}
	json = DatumGetJsonbP(value);
	initStringInfo(&buf);
	(void) JsonbToCString(&buf, &json->root, VARSIZE(json));
	utf8 = pg_server_to_any(buf.data, buf.len, PG_UTF8);
	textlen = utf8 == buf.data ? buf.len : strlen(utf8);
	nurture_canon_value(w, ordinal, CANON_JSON, utf8, textlen);
	known->len = 0;
	if (len > 0 && len <= KNOWN_JSON_LEN && textlen <= KNOWN_JSON_LEN)
	{
		memcpy(known->json, VARDATA_ANY(stored), len);
		memcpy(known->text, utf8, textlen);
		known->len = len;
		known->textlen = textlen;
	}
}

/* Writes one hashed column; its type follows from its place. */
static void
put_column(AuditHasher *hasher, CanonWriter *w, AuditColumn column,
		   Datum value, bool null)
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
				put_json(w, ordinal, value, column == AUDIT_TRIGGER ?
						 &hasher->trigger : &hasher->versions);
			break;
		default:
			if (null)
				nurture_canon_null(w, ordinal, CANON_TEXT);
			else
			{
				text	   *t = DatumGetTextPP(value);

				put_text(w, ordinal, VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t));
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
		.ctx = &hasher->sha
	};

	nurture_sha256_start(&hasher->sha);
	nurture_canon_begin(&w, NURTURE_CANON_LEAF);
	for (int column = 0; column < AUDIT_LEAD_REF; column++)
		put_column(hasher, &w, column, values[column], nulls[column]);
	(void) nurture_canon_end(&w);
	nurture_sha256_finish(&hasher->sha, leaf->byte);
}

/* Computes the pseudonym of a lead: HMAC-SHA-256 of its id in network order. */
void
nurture_audit_subject(AuditHasher *hasher, const char *key, size_t keylen,
					  int64 lead_id, MerkleHash *subject)
{
	uint64		id = pg_hton64((uint64) lead_id);

	nurture_hmac_sha256(&hasher->sha, key, keylen, &id, sizeof(id), NULL, 0,
						subject->byte);
}
