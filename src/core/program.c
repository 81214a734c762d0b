/*
 * program.c
 *	  Which programmes fit a lead: one bitmap per value that some name.
 */
#include "program.h"

#include <string.h>

#define CACHED 32				/* values of a field looked up once */

typedef struct ProgramValue
{
	CondText	text;
	int			field;
	const uint64_t *bits;		/* programmes that name it; NULL = free slot */
} ProgramValue;

struct ProgramIndex
{
	int			n;				/* programmes */
	int			nwords;			/* 64-bit words of a bitmap */
	const int64_t *from;
	const int64_t *until;
	uint64_t   *kinds[NURTURE_PROGRAM_KINDS];
	uint64_t   *any[NURTURE_PROGRAM_FIELDS];	/* that name * */
	uint64_t   *some[NURTURE_PROGRAM_FIELDS];	/* that name anything */
	uint64_t   *open;			/* as of the last question */
	int64_t		same_from;		/* instants for which that is right: from ... */
	int64_t		same_until;		/* ... and before */
	uint32_t	mask;			/* slots - 1 */
	ProgramValue *slots;
};

/* The lead's bitmaps of one field. */
typedef struct FieldRows
{
	const uint64_t *any;
	const uint64_t *some;
	const uint64_t *rows[CACHED];
	int			nrows;
	bool		known;
	int			looked_up;		/* the first values of the lead */
} FieldRows;

static uint32_t
hash_value(int field, const CondText *text)
{
	uint32_t	h = UINT32_C(2166136261) + (uint32_t) field;

	for (size_t i = 0; i < text->len; i++)
		h = (h ^ (unsigned char) text->ptr[i]) * UINT32_C(16777619);
	return h ^ (h >> 15);
}

/* Answers the slot of a value, free when nobody names it. */
static ProgramValue *
find_slot(const ProgramIndex *index, int field, const CondText *text)
{
	uint32_t	i = hash_value(field, text) & index->mask;

	while (index->slots[i].bits != NULL &&
		   (index->slots[i].field != field ||
			index->slots[i].text.len != text->len ||
			memcmp(index->slots[i].text.ptr, text->ptr, text->len) != 0))
		i = (i + 1) & index->mask;
	return &index->slots[i];
}

static uint64_t *
make_bits(const ProgramIndex *index, CoreArena *arena)
{
	size_t		size = (size_t) index->nwords * sizeof(uint64_t);
	uint64_t   *bits = arena->alloc(arena->ctx, size);

	memset(bits, 0, size);
	return bits;
}

static void
set_bit(uint64_t *bits, int i)
{
	bits[i / 64] |= UINT64_C(1) << (i % 64);
}

/* Enters one programme's values of one field. */
static void
add_values(ProgramIndex *index, const ProgramSpec *program, int number,
		   int field, CoreArena *arena)
{
	for (int i = 0; i < program->nvalues[field]; i++)
	{
		const CondText *text = &program->values[field][i];
		ProgramValue *slot;

		set_bit(index->some[field], number);
		if (text->len == 1 && text->ptr[0] == '*')
		{
			set_bit(index->any[field], number);
			continue;
		}
		slot = find_slot(index, field, text);
		if (slot->bits == NULL)
		{
			slot->text = *text;
			slot->field = field;
			slot->bits = make_bits(index, arena);
		}
		set_bit((uint64_t *) slot->bits, number);
	}
}

/* Builds an index. */
ProgramIndex *
nurture_program_index(const ProgramSpec *programs, int n, CoreArena *arena)
{
	ProgramIndex *index = arena->alloc(arena->ctx, sizeof(ProgramIndex));
	size_t		nvalues = 0;
	size_t		nslots = 16;
	int64_t    *from = arena->alloc(arena->ctx, sizeof(int64_t) * (size_t) (n + 1));
	int64_t    *until = arena->alloc(arena->ctx, sizeof(int64_t) * (size_t) (n + 1));

	memset(index, 0, sizeof(*index));
	index->n = n;
	index->nwords = n / 64 + 1;
	index->from = from;
	index->until = until;
	for (int i = 0; i < n; i++)
	{
		for (int f = 0; f < NURTURE_PROGRAM_FIELDS; f++)
			nvalues += (size_t) programs[i].nvalues[f];
	}
	while (nslots < nvalues * 2)
		nslots *= 2;
	index->mask = (uint32_t) (nslots - 1);
	index->slots = arena->alloc(arena->ctx, sizeof(ProgramValue) * nslots);
	memset(index->slots, 0, sizeof(ProgramValue) * nslots);
	for (int k = 0; k < NURTURE_PROGRAM_KINDS; k++)
		index->kinds[k] = make_bits(index, arena);
	for (int f = 0; f < NURTURE_PROGRAM_FIELDS; f++)
	{
		index->any[f] = make_bits(index, arena);
		index->some[f] = make_bits(index, arena);
	}
	index->open = make_bits(index, arena);
	index->same_from = 0;
	index->same_until = 0;
	for (int i = 0; i < n; i++)
	{
		from[i] = programs[i].from;
		until[i] = programs[i].until;
		if (programs[i].kind >= 0 && programs[i].kind < NURTURE_PROGRAM_KINDS)
			set_bit(index->kinds[programs[i].kind], i);
		for (int f = 0; f < NURTURE_PROGRAM_FIELDS; f++)
			add_values(index, &programs[i], i, f, arena);
	}
	return index;
}

/* Finds out which programmes are open, and for how long that is right. */
static void
open_at(ProgramIndex *index, int64_t now)
{
	if (now >= index->same_from && now < index->same_until)
		return;
	memset(index->open, 0, (size_t) index->nwords * sizeof(uint64_t));
	index->same_from = INT64_MIN;
	index->same_until = INT64_MAX;
	for (int i = 0; i < index->n; i++)
	{
		int64_t		edges[2] = {index->from[i], index->until[i]};

		if (now >= edges[0] && now < edges[1])
			set_bit(index->open, i);
		for (int e = 0; e < 2; e++)
		{
			if (edges[e] <= now && edges[e] > index->same_from)
				index->same_from = edges[e];
			if (edges[e] > now && edges[e] < index->same_until)
				index->same_until = edges[e];
		}
	}
}

/* Looks up the lead's values; answers how many fields are asked about. */
static int
look_up(const ProgramIndex *index, uint32_t fields, const ProgramLead *lead,
		FieldRows *asked, int *ids)
{
	int			n = 0;

	for (int f = 0; f < NURTURE_PROGRAM_FIELDS; f++)
	{
		FieldRows  *field = &asked[n];

		if (!(fields & (UINT32_C(1) << f)))
			continue;
		ids[n++] = f;
		field->any = index->any[f];
		field->some = index->some[f];
		field->known = lead->nvalues[f] > 0;
		field->nrows = 0;
		field->looked_up = 0;
		while (field->looked_up < lead->nvalues[f] && field->nrows < CACHED)
		{
			const uint64_t *bits =
			find_slot(index, f, &lead->values[f][field->looked_up])->bits;

			field->looked_up++;
			if (bits != NULL)
				field->rows[field->nrows++] = bits;
		}
	}
	return n;
}

/* Answers which of 64 programmes fit; *possible, which might. */
static uint64_t
fit_word(const ProgramIndex *index, int kind, const ProgramLead *lead,
		 const FieldRows *asked, const int *ids, int n, int word,
		 uint64_t *possible)
{
	uint64_t	fits = index->kinds[kind][word] & index->open[word];

	*possible = fits;
	for (int i = 0; i < n && *possible != 0; i++)
	{
		const FieldRows *field = &asked[i];
		uint64_t	named = field->any[word];

		for (int r = 0; r < field->nrows; r++)
			named |= field->rows[r][word];
		for (int v = field->looked_up; v < lead->nvalues[ids[i]]; v++)
		{
			const uint64_t *bits =
			find_slot(index, ids[i], &lead->values[ids[i]][v])->bits;

			if (bits != NULL)
				named |= bits[word];
		}
		fits &= named;
		*possible &= field->known ? named : field->some[word];
	}
	return fits;
}

/* Answers whether an open programme fits. */
NurtureTruth
nurture_program_match(ProgramIndex *index, int kind, uint32_t fields,
					  const ProgramLead *lead, int64_t now)
{
	FieldRows	asked[NURTURE_PROGRAM_FIELDS];
	int			ids[NURTURE_PROGRAM_FIELDS];
	NurtureTruth truth = NURTURE_FALSE;
	int			n;

	if (kind < 0 || kind >= NURTURE_PROGRAM_KINDS)
		return NURTURE_UNKNOWN;
	open_at(index, now);
	n = look_up(index, fields, lead, asked, ids);
	for (int word = 0; word < index->nwords; word++)
	{
		uint64_t	possible;

		if (fit_word(index, kind, lead, asked, ids, n, word, &possible) != 0)
			return NURTURE_TRUE;
		if (possible != 0)
			truth = NURTURE_UNKNOWN;
	}
	return truth;
}

/* Answers the next programme that fits. */
int
nurture_program_next(ProgramIndex *index, int kind, uint32_t fields,
					 const ProgramLead *lead, int64_t now, int after)
{
	FieldRows	asked[NURTURE_PROGRAM_FIELDS];
	int			ids[NURTURE_PROGRAM_FIELDS];
	int			n;

	if (kind < 0 || kind >= NURTURE_PROGRAM_KINDS)
		return -1;
	open_at(index, now);
	n = look_up(index, fields, lead, asked, ids);
	for (int i = after + 1; i < index->n;)
	{
		uint64_t	possible;
		uint64_t	fits = fit_word(index, kind, lead, asked, ids, n, i / 64,
									&possible) >> (i % 64);

		if (fits == 0)
		{
			i = (i / 64 + 1) * 64;
			continue;
		}
		while ((fits & 1) == 0)
		{
			fits >>= 1;
			i++;
		}
		return i;
	}
	return -1;
}
