/*
 * tally_type.c
 *	  The type nurture_tally: text and binary form, operators, comparing and
 *	  hashing.
 *
 * Values come detoasted with short headers left as they are: the content is
 * read at any alignment, and equal tallies are equal bytes.
 */
#include "base/compat.h"

#include "access/detoast.h"
#include "base/owner.h"
#include "common/hashfn.h"
#include "libpq/pqformat.h"
#include "scoring/tally_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

NURTURE_FUNCTION(nurture_tally_in);
NURTURE_FUNCTION(nurture_tally_out);
NURTURE_FUNCTION(nurture_tally_recv);
NURTURE_FUNCTION(nurture_tally_send);
NURTURE_FUNCTION(nurture_tally_merge);
NURTURE_FUNCTION(nurture_tally_take);
NURTURE_FUNCTION(nurture_tally_eq);
NURTURE_FUNCTION(nurture_tally_ne);
NURTURE_FUNCTION(nurture_tally_lt);
NURTURE_FUNCTION(nurture_tally_le);
NURTURE_FUNCTION(nurture_tally_gt);
NURTURE_FUNCTION(nurture_tally_ge);
NURTURE_FUNCTION(nurture_tally_cmp);
NURTURE_FUNCTION(nurture_tally_hash);
NURTURE_FUNCTION(nurture_tally_hash_extended);

uint64		nurture_tally_late = 0;

/* Returns the oid of the type of column signals of nurture.activity. */
Oid
nurture_tally_type_oid(void)
{
	Oid			activity = nurture_table_oid("activity", false);
	AttrNumber	column = get_attnum(activity, "signals");
	Oid			type = InvalidOid;

	if (column != InvalidAttrNumber)
		type = get_atttype(activity, column);
	if (!OidIsValid(type))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"signals\" of table \"nurture.activity\" does not exist"),
				 errhint("Restore the column and call nurture_rebuild().")));
	return type;
}

/* Raises what a status means as an error. */
void
nurture_tally_raise(TallyStatus status)
{
	int			code = ERRCODE_DATA_CORRUPTED;
	const char *hint = NULL;

	switch (status)
	{
		case TALLY_UNDERFLOW:
			code = ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE;
			hint = "Only what a tally contains can be subtracted from it.";
			break;
		case TALLY_NEEDS_REBUILD:
			code = ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE;
			hint = "Call nurture_rebuild(lead_id) to count the lead's events again.";
			break;
		case TALLY_TOO_LARGE:
			code = ERRCODE_PROGRAM_LIMIT_EXCEEDED;
			hint = "Roll the tally to a later day with nurture_tally_roll.";
			break;
		default:
			break;
	}
	ereport(ERROR,
			(errcode(code),
			 errmsg("%s", nurture_tally_status_text(status)),
			 hint ? errhint("%s", hint) : 0));
}

/* Returns a view of a datum; *detoasted is what holds its bytes. */
Tally
nurture_tally_of(Datum datum, struct varlena **detoasted)
{
	struct varlena *value = PG_DETOAST_DATUM_PACKED(datum);
	const unsigned char *bytes = (const unsigned char *) VARDATA_ANY(value);
	size_t		length = VARSIZE_ANY_EXHDR(value);

	if (unlikely(length < NURTURE_TALLY_HEADER_SIZE))
		nurture_tally_raise(TALLY_TRUNCATED);
	if (unlikely(bytes[0] != NURTURE_TALLY_VERSION))
		nurture_tally_raise(TALLY_BAD_VERSION);
	if (detoasted != NULL)
		*detoasted = value;
	return nurture_tally_view(bytes, length);
}

/* Returns a varlena with room for so many bytes of content. */
struct varlena *
nurture_tally_alloc(size_t bound)
{
	if (bound > MaxAllocSize - VARHDRSZ)
		nurture_tally_raise(TALLY_TOO_LARGE);
	return palloc(VARHDRSZ + bound);
}

/* Sets the length of a varlena whose content was written. */
Datum
nurture_tally_close(struct varlena *result, size_t length)
{
	SET_VARSIZE(result, VARHDRSZ + length);
	return PointerGetDatum(result);
}

/* Returns the tally of entries in any order; sorts them in place. */
Datum
nurture_tally_from_entries(TallyEntry *entries, size_t n, uint16 roll_day)
{
	struct varlena *result;
	TallyStatus status;
	size_t		length;

	result = nurture_tally_alloc(nurture_tally_build_bound(n, roll_day));
	status = nurture_tally_build(entries, n, roll_day,
								 (unsigned char *) VARDATA(result), &length);
	if (status != TALLY_OK)
		nurture_tally_raise(status);
	return nurture_tally_close(result, length);
}

/* Returns the sum of two tallies, one of them when the other adds nothing. */
Datum
nurture_tally_plus(Datum a, Datum b)
{
	Tally		x;
	Tally		y = nurture_tally_of(b, NULL);
	struct varlena *result;
	TallyStatus status;
	size_t		length;

	if (y.n == 0 && y.roll_day == 0)
		return a;
	x = nurture_tally_of(a, NULL);
	if (x.n == 0 && x.roll_day == 0)
		return b;
	result = nurture_tally_alloc(nurture_tally_add_bound(&x, &y));
	status = nurture_tally_add(&x, &y, (unsigned char *) VARDATA(result),
							   &length);
	if (status != TALLY_OK)
		nurture_tally_raise(status);
	return nurture_tally_close(result, length);
}

/* Takes b from a; *result is set on TALLY_OK only. */
TallyStatus
nurture_tally_minus(Datum a, Datum b, Datum *result)
{
	Tally		x = nurture_tally_of(a, NULL);
	Tally		y = nurture_tally_of(b, NULL);
	struct varlena *out;
	TallyStatus status;
	size_t		length;

	out = nurture_tally_alloc(nurture_tally_subtract_bound(&x, &y));
	status = nurture_tally_subtract(&x, &y, (unsigned char *) VARDATA(out),
									&length);
	if (status == TALLY_OK)
		*result = nurture_tally_close(out, length);
	return status;
}

/* Returns a tally with its days before a day folded. */
Datum
nurture_tally_fold(Datum datum, uint16 day)
{
	Tally		t = nurture_tally_of(datum, NULL);
	struct varlena *result = nurture_tally_alloc(nurture_tally_roll_bound(&t));
	TallyStatus status;
	size_t		length;

	status = nurture_tally_roll(&t, day, (unsigned char *) VARDATA(result),
								&length);
	if (status != TALLY_OK)
		nurture_tally_raise(status);
	return nurture_tally_close(result, length);
}

/* Returns what a tally holds of one key, or of all others. */
Datum
nurture_tally_part(Datum datum, uint16 key, bool inside)
{
	Tally		t = nurture_tally_of(datum, NULL);
	struct varlena *result = nurture_tally_alloc(nurture_tally_size(&t));
	TallyStatus status;
	size_t		length;

	status = (inside ? nurture_tally_only : nurture_tally_without)
		(&t, key, (unsigned char *) VARDATA(result), &length);
	if (status != TALLY_OK)
		nurture_tally_raise(status);
	return nurture_tally_close(result, length);
}

/* Tells whether two tallies are the same bytes. */
bool
nurture_tally_same(Datum a, Datum b)
{
	Tally		x = nurture_tally_of(a, NULL);
	Tally		y = nurture_tally_of(b, NULL);

	return nurture_tally_equal(&x, &y);
}

/* Tells whether a tally counts nothing. */
bool
nurture_tally_is_empty(Datum datum)
{
	return nurture_tally_of(datum, NULL).n == 0;
}

/* nurture_tally_in(cstring) returns nurture_tally */
Datum
nurture_tally_in(PG_FUNCTION_ARGS)
{
	char	   *text = PG_GETARG_CSTRING(0);
	size_t		len = strlen(text);
	size_t		room = nurture_tally_text_entries(text, len);
	TallyEntry *entries;
	struct varlena *result;
	TallyTextError error = {0, NULL};
	TallyStatus status;
	size_t		length;

	if (room > NURTURE_TALLY_MAX_ENTRIES * (size_t) 2)
		nurture_tally_raise(TALLY_TOO_LARGE);
	entries = palloc(Max(room, 1) * sizeof(TallyEntry));
	result = nurture_tally_alloc(nurture_tally_text_bound(text, len));
	status = nurture_tally_from_text(text, len, entries,
									 (unsigned char *) VARDATA(result),
									 &length, &error);
	if (status == TALLY_TOO_LARGE)
		nurture_tally_raise(status);
	if (status != TALLY_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input syntax for type %s: %s",
						"nurture_tally",
						error.message ? error.message :
						nurture_tally_status_text(status)),
				 errdetail("Reading stopped at byte %zu of %zu.",
						   error.offset + 1, len),
				 errhint("A tally is written as in {12@2026-11-03:2, 15@ever:7/5; rolled 2024-09-01}.")));
	pfree(entries);
	PG_RETURN_DATUM(nurture_tally_close(result, length));
}

/* nurture_tally_out(nurture_tally) returns cstring */
Datum
nurture_tally_out(PG_FUNCTION_ARGS)
{
	Tally		t = nurture_tally_of(PG_GETARG_DATUM(0), NULL);
	char	   *out = palloc(nurture_tally_to_text_bound(&t) + 1);

	out[nurture_tally_to_text(&t, out)] = '\0';
	PG_RETURN_CSTRING(out);
}

/* nurture_tally_recv(internal) returns nurture_tally */
Datum
nurture_tally_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buf = (StringInfo) PG_GETARG_POINTER(0);
	size_t		len = buf->len - buf->cursor;
	const char *wire = pq_getmsgbytes(buf, len);
	struct varlena *result = nurture_tally_alloc(Max(len, NURTURE_TALLY_HEADER_SIZE));
	TallyStatus status;
	size_t		length;

	status = nurture_tally_from_wire((const unsigned char *) wire, len,
									 (unsigned char *) VARDATA(result),
									 &length);
	if (status != TALLY_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid binary form of type %s: %s", "nurture_tally",
						nurture_tally_status_text(status))));
	PG_RETURN_DATUM(nurture_tally_close(result, length));
}

/* nurture_tally_send(nurture_tally) returns bytea */
Datum
nurture_tally_send(PG_FUNCTION_ARGS)
{
	Tally		t = nurture_tally_of(PG_GETARG_DATUM(0), NULL);
	size_t		size = nurture_tally_size(&t);
	struct varlena *result = nurture_tally_alloc(size);

	nurture_tally_to_wire(&t, (unsigned char *) VARDATA(result));
	PG_RETURN_DATUM(nurture_tally_close(result, size));
}

/* Tells whether b counts days that a has folded already. */
static bool
has_late_days(const Tally *a, const Tally *b)
{
	for (uint32 i = 0; i < b->n; i++)
	{
		uint16		day = nurture_tally_entry(b, i).day;

		if (day >= NURTURE_TALLY_FIRST_DAY && day < a->roll_day)
			return true;
	}
	return false;
}

/* Returns the sum, and notes in nurture_tally_late when b is late for a. */
Datum
nurture_tally_gather(Datum a, Datum b)
{
	Tally		u = nurture_tally_of(b, NULL);

	if (u.n > 0)
	{
		Tally		t = nurture_tally_of(a, NULL);

		if (unlikely(t.roll_day != 0) && has_late_days(&t, &u))
			nurture_tally_late++;
	}
	return nurture_tally_plus(a, b);
}

/* nurture_tally_merge(nurture_tally, nurture_tally): the operator + */
Datum
nurture_tally_merge(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(nurture_tally_gather(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)));
}

/* nurture_tally_take(nurture_tally, nurture_tally): the operator - */
Datum
nurture_tally_take(PG_FUNCTION_ARGS)
{
	Datum		result = (Datum) 0;
	TallyStatus status;

	status = nurture_tally_minus(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1),
								 &result);
	if (status != TALLY_OK)
		nurture_tally_raise(status);
	PG_RETURN_DATUM(result);
}

/* Compares two arguments: by entries, then by roll day. */
static int
compare_arguments(FunctionCallInfo fcinfo)
{
	struct varlena *a;
	struct varlena *b;
	Tally		x = nurture_tally_of(PG_GETARG_DATUM(0), &a);
	Tally		y = nurture_tally_of(PG_GETARG_DATUM(1), &b);
	int			order = nurture_tally_compare(&x, &y);

	/* an index may call this very often in one memory context */
	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return order;
}

/* nurture_tally_eq(nurture_tally, nurture_tally) returns boolean */
Datum
nurture_tally_eq(PG_FUNCTION_ARGS)
{
	struct varlena *a;
	struct varlena *b;
	Tally		x;
	Tally		y;
	bool		equal;

	if (toast_raw_datum_size(PG_GETARG_DATUM(0)) !=
		toast_raw_datum_size(PG_GETARG_DATUM(1)))
		PG_RETURN_BOOL(false);
	x = nurture_tally_of(PG_GETARG_DATUM(0), &a);
	y = nurture_tally_of(PG_GETARG_DATUM(1), &b);
	equal = nurture_tally_equal(&x, &y);
	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	PG_RETURN_BOOL(equal);
}

/* nurture_tally_ne(nurture_tally, nurture_tally) returns boolean */
Datum
nurture_tally_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!DatumGetBool(nurture_tally_eq(fcinfo)));
}

/* nurture_tally_lt(nurture_tally, nurture_tally) returns boolean */
Datum
nurture_tally_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) < 0);
}

/* nurture_tally_le(nurture_tally, nurture_tally) returns boolean */
Datum
nurture_tally_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) <= 0);
}

/* nurture_tally_gt(nurture_tally, nurture_tally) returns boolean */
Datum
nurture_tally_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) > 0);
}

/* nurture_tally_ge(nurture_tally, nurture_tally) returns boolean */
Datum
nurture_tally_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) >= 0);
}

/* nurture_tally_cmp(nurture_tally, nurture_tally) returns integer */
Datum
nurture_tally_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare_arguments(fcinfo));
}

/* nurture_tally_hash(nurture_tally) returns integer */
Datum
nurture_tally_hash(PG_FUNCTION_ARGS)
{
	struct varlena *value = PG_GETARG_VARLENA_PP(0);
	Datum		hash;

	hash = hash_any((unsigned char *) VARDATA_ANY(value),
					VARSIZE_ANY_EXHDR(value));
	PG_FREE_IF_COPY(value, 0);
	return hash;
}

/* nurture_tally_hash_extended(nurture_tally, bigint) returns bigint */
Datum
nurture_tally_hash_extended(PG_FUNCTION_ARGS)
{
	struct varlena *value = PG_GETARG_VARLENA_PP(0);
	Datum		hash;

	hash = hash_any_extended((unsigned char *) VARDATA_ANY(value),
							 VARSIZE_ANY_EXHDR(value), PG_GETARG_INT64(1));
	PG_FREE_IF_COPY(value, 0);
	return hash;
}
