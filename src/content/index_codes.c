/*
 * index_codes.c
 *	  Values of the library as its index keeps them: codes and lists of codes,
 *	  each once, short texts, ranges.
 */
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "content/bits.h"
#include "content/index_private.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/rangetypes.h"
#include "utils/timestamp.h"

#define TEXT_BLOCK 16384		/* bytes taken at once for short texts */

/* Returns the place of a code, which is added when it is new. */
int
nurture_index_intern(IndexCodes *codes, const char *code)
{
	int			found = nurture_content_code(codes->codes, codes->n, code);

	if (found >= 0)
		return found;
	if (codes->n == codes->max)
	{
		codes->max = Max(codes->max * 2, 16);
		codes->codes = codes->codes == NULL ?
			palloc(codes->max * sizeof(char *)) :
			repalloc(codes->codes, codes->max * sizeof(char *));
	}
	codes->codes[codes->n] = pstrdup(code);
	return codes->n++;
}

/* Keeps a text for the index's life; thousands of them take no more than that. */
const char *
nurture_index_text(Loading *loading, Datum value)
{
	struct varlena *bytes = PG_DETOAST_DATUM_PACKED(value);
	size_t		len = VARSIZE_ANY_EXHDR(bytes);
	char	   *kept;

	if (len >= loading->textroom)
	{
		loading->textroom = Max(TEXT_BLOCK, len + 1);
		loading->texts = palloc(loading->textroom);
	}
	kept = loading->texts;
	memcpy(kept, VARDATA_ANY(bytes), len);
	kept[len] = '\0';
	loading->texts += len + 1;
	loading->textroom -= len + 1;
	return kept;
}

/* Reads a column that says codes. */
static IndexList *
make_list(Datum array, IndexCodes *codes)
{
	IndexList  *list = palloc0(sizeof(IndexList));
	ArrayType  *items = DatumGetArrayTypeP(array);
	Datum	   *values;
	bool	   *nulls;
	int			n;

	deconstruct_array(items, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &n);
	list->codes = palloc(Max(n, 1) * sizeof(char *));
	list->places = palloc(Max(n, 1) * sizeof(int16));
	for (int i = 0; i < n; i++)
	{
		char	   *code;

		if (nulls[i])
			continue;
		code = TextDatumGetCString(values[i]);
		if (strcmp(code, "*") == 0)
			list->any = true;
		list->places[list->n] = nurture_index_intern(codes, code);
		list->codes[list->n] = codes->codes[list->places[list->n]];
		list->n++;
		pfree(code);
	}
	return list;
}

/* Finds where a list is, or is to be. */
static ListEntry *
list_place(const Loading *loading, const IndexCodes *column, uint32 hash,
		   const struct varlena *bytes)
{
	size_t		len = VARSIZE_ANY_EXHDR(bytes);

	for (uint32 place = hash;; place++)
	{
		ListEntry  *entry = &loading->lists[place & (loading->nlistplaces - 1)];

		if (entry->column == NULL ||
			(entry->hash == hash && entry->column == column &&
			 VARSIZE_ANY_EXHDR(entry->array) == len &&
			 memcmp(VARDATA_ANY(entry->array), VARDATA_ANY(bytes), len) == 0))
			return entry;
	}
}

static void
grow_lists(Loading *loading)
{
	ListEntry  *old = loading->lists;
	int			n = loading->nlistplaces;

	loading->nlistplaces = Max(n * 2, 256);
	loading->lists = palloc0(loading->nlistplaces * sizeof(ListEntry));
	for (int i = 0; i < n; i++)
	{
		if (old[i].column != NULL)
			*list_place(loading, old[i].column, old[i].hash, old[i].array) = old[i];
	}
	if (old != NULL)
		pfree(old);
}

/* Returns a column that says codes; the lists of a library are few. */
const IndexList *
nurture_index_list(Loading *loading, Datum array, IndexCodes *codes)
{
	struct varlena *bytes = PG_DETOAST_DATUM_PACKED(array);
	uint32		hash = hash_bytes((unsigned char *) VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
	ListEntry  *entry;

	if (loading->nlists * 2 >= loading->nlistplaces)
		grow_lists(loading);
	entry = list_place(loading, codes, hash, bytes);
	if (entry->column == NULL)
	{
		loading->nlists++;
		entry->hash = hash;
		entry->column = codes;
		entry->array = memcpy(palloc(VARSIZE_ANY(bytes)), bytes, VARSIZE_ANY(bytes));
		entry->list = make_list(array, codes);
	}
	return entry->list;
}

/* Returns the place of a code that many rows have. */
int
nurture_index_code(Datum value, IndexCodes *codes)
{
	struct varlena *bytes = PG_DETOAST_DATUM_PACKED(value);
	int			len = VARSIZE_ANY_EXHDR(bytes);

	for (int i = 0; i < codes->n; i++)
	{
		if (nurture_index_is(codes->codes[i], VARDATA_ANY(bytes), len))
			return i;
	}
	return nurture_index_intern(codes, TextDatumGetCString(value));
}

/* Returns an end of a range, or the instant after it. */
static TimestampTz
take_end(const RangeBound * bound, bool after)
{
	TimestampTz at;

	if (bound->infinite)
		return bound->lower ? DT_NOBEGIN : DT_NOEND;
	at = DatumGetTimestampTz(bound->val);
	return after && !TIMESTAMP_NOT_FINITE(at) ? at + 1 : at;
}

/* Returns a range of instants whose end is excluded; an empty one is none. */
IndexRange
nurture_index_range(Loading *loading, Datum value, bool null)
{
	IndexRange	result = {0, 0};
	RangeType  *range;
	RangeBound	lower;
	RangeBound	upper;
	bool		empty;

	if (null)
		return result;
	range = DatumGetRangeTypeP(value);
	if (loading->range == NULL)
		loading->range = lookup_type_cache(RangeTypeGetOid(range), TYPECACHE_RANGE_INFO);
	range_deserialize(loading->range, range, &lower, &upper, &empty);
	if (!empty)
	{
		result.from = take_end(&lower, !lower.inclusive);
		result.until = take_end(&upper, upper.inclusive);
	}
	if ((Pointer) range != DatumGetPointer(value))
		pfree(range);
	return result;
}

/* Forgets what lists were made from. */
void
nurture_index_lists_end(Loading *loading)
{
	for (int i = 0; i < loading->nlistplaces; i++)
	{
		if (loading->lists[i].column != NULL)
			pfree(loading->lists[i].array);
	}
	if (loading->lists != NULL)
		pfree(loading->lists);
}

/* Gives each code a set of entries, with none in it. */
void
nurture_index_sets(IndexCodes *codes, int nentries)
{
	codes->any = bits_make(nentries);
	codes->entries = palloc(Max(codes->n, 1) * sizeof(Bits *));
	for (int i = 0; i < codes->n; i++)
		codes->entries[i] = bits_make(nentries);
}
