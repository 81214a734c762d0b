/*
 * program.c
 *	  Programmes (studies, products, partnerships) that leads can fit, indexed
 *	  once per backend.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/plans.h"
#include "base/rulecache.h"
#include "catalog/pg_type.h"
#include "facts/program.h"
#include "facts/subject_private.h"
#include "facts/vocabulary.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

NURTURE_FUNCTION(nurture_programs);

#define AREA_PREFIX "therapeutic_area:"

/* In the order of program_fields in core/condition_words.c. */
static const struct
{
	const char *fact;			/* of the lead */
	const char *other;			/* that stands for it while it is not known;
								 * both are columns, or both attributes */
	bool		area;			/* tags: one within the other fits */
}			program_fields[NURTURE_PROGRAM_FIELDS] = {
	{"therapeutic_area", NULL, true},
	{"attributes.phase", "attributes.program_stage", false},
	{"attributes.modality", NULL, false},
	{"country", NULL, false},
	{"attributes.site_type", NULL, false},
};

typedef struct Programs
{
	int			n;
	const char **codes;
	const char **titles;
	int		   *kinds;
	ProgramIndex *index;
} Programs;

static void *load_programs(Snapshot snapshot);

static RuleCache programs_cache = {
	.name = "programmes",
	.tables = {"program", "tag"},
	.load = load_programs
};

/*
 * An area stands for itself, everything below it and everything above: a
 * lead in a narrower area fits, and so does one whose area includes it.
 */
static KeptPlan read_programs = KEPT_PLAN0(
										   "WITH RECURSIVE below AS ("
										   " SELECT t.value AS area, t.value FROM nurture.tag t WHERE t.dimension = 'therapeutic_area'"
										   " UNION SELECT b.area, t.value FROM below b JOIN nurture.tag t"
										   "  ON t.dimension = 'therapeutic_area' AND t.parent = b.value),"
										   " line AS (SELECT area, value FROM below UNION SELECT value, area FROM below),"
										   " areas AS (SELECT l.area, array_agg(l.value) AS fitting FROM line l GROUP BY l.area)"
										   " SELECT p.program, p.title, p.kind,"
										   " CASE WHEN lower_inf(p.open_during) THEN '-infinity' ELSE lower(p.open_during) END,"
										   " CASE WHEN upper_inf(p.open_during) THEN 'infinity' ELSE upper(p.open_during) END,"
										   " ARRAY(SELECT u FROM unnest(p.therapeutic_areas) u"
										   "  UNION SELECT unnest(a.fitting) FROM areas a WHERE a.area = ANY (p.therapeutic_areas)),"
										   " p.phases, p.modalities, p.countries, p.site_types"
										   " FROM nurture.program p WHERE p.status = 'open' AND NOT isempty(p.open_during)"
										   " ORDER BY p.program COLLATE \"C\"");

/* Registers the cache. */
void
nurture_program_init(void)
{
	nurture_rulecache_register(&programs_cache);
}

static void *
arena_alloc(void *ctx, size_t size)
{
	return MemoryContextAllocHuge((MemoryContext) ctx, size);
}

static void *
load_programs(Snapshot snapshot)
{
	Programs   *programs = palloc0(sizeof(Programs));
	CoreArena	arena = {arena_alloc, CurrentMemoryContext};
	ProgramSpec *specs;
	SPITupleTable *rows;
	bool		isnull;

	read_programs.seqscan = true;
	(void) nurture_execute_snapshot(&read_programs, NULL, NULL, snapshot);
	rows = SPI_tuptable;
	programs->n = SPI_processed;
	programs->codes = palloc(Max(programs->n, 1) * sizeof(char *));
	programs->titles = palloc(Max(programs->n, 1) * sizeof(char *));
	programs->kinds = palloc(Max(programs->n, 1) * sizeof(int));
	specs = MemoryContextAllocHuge(CurrentMemoryContext,
								   Max(programs->n, 1) * sizeof(ProgramSpec));
	for (int i = 0; i < programs->n; i++)
	{
		ProgramSpec *spec = &specs[i];
		char	   *kind = nurture_cell_text(i, 3);

		programs->codes[i] = nurture_cell_text(i, 1);
		programs->titles[i] = nurture_cell_text(i, 2);
		spec->kind = programs->kinds[i] =
			nurture_cond_standard_lookup(COND_NAME_PROGRAM_KIND, kind, strlen(kind));
		spec->from = DatumGetTimestampTz(nurture_cell(i, 4, &isnull));
		spec->until = DatumGetTimestampTz(nurture_cell(i, 5, &isnull));
		for (int f = 0; f < NURTURE_PROGRAM_FIELDS; f++)
		{
			const char **values = nurture_cell_strings(i, 6 + f, &spec->nvalues[f]);
			CondText   *texts = palloc(Max(spec->nvalues[f], 1) * sizeof(CondText));

			for (int v = 0; v < spec->nvalues[f]; v++)
			{
				texts[v].ptr = values[v];
				texts[v].len = strlen(values[v]);
			}
			spec->values[f] = texts;
		}
	}
	programs->index = nurture_program_index(specs, programs->n, &arena);
	pfree(specs);
	SPI_freetuptable(rows);
	return programs;
}

/* Returns the number of a fact; it does not change while a backend lives. */
static int
fact_number(const char *name, int *kept)
{
	if (*kept == 0)
		*kept = nurture_subject_fact(name, strlen(name)) + 1;
	return *kept - 1;
}

/* Returns the fact that a field is compared with. */
int
nurture_program_fact(int field)
{
	static int	kept[NURTURE_PROGRAM_FIELDS];

	return fact_number(program_fields[field].fact, &kept[field]);
}

/* Reads what a field is compared with; unknown where it does not compare. */
static void
read_fact(Subject *subject, int field, CondValue *value)
{
	static int	kept[NURTURE_PROGRAM_FIELDS];

	value->kind = COND_VALUE_UNKNOWN;
	nurture_subject_value(subject, nurture_program_fact(field), value);
	if (value->kind == COND_VALUE_UNKNOWN && program_fields[field].other)
		nurture_subject_value(subject,
							  fact_number(program_fields[field].other, &kept[field]),
							  value);
}

static CondText
trimmed(CondText text, bool area)
{
	while (text.len > 0 && (*text.ptr == ' ' || (*text.ptr >= '\t' && *text.ptr <= '\r')))
	{
		text.		ptr++;
		text.		len--;
	}
	while (text.len > 0 && (text.ptr[text.len - 1] == ' ' ||
							(text.ptr[text.len - 1] >= '\t' && text.ptr[text.len - 1] <= '\r')))
		text.		len--;

	if (area && text.len > strlen(AREA_PREFIX) &&
		memcmp(text.ptr, AREA_PREFIX, strlen(AREA_PREFIX)) == 0)
	{
		text.		ptr += strlen(AREA_PREFIX);
		text.		len -= strlen(AREA_PREFIX);
	}
	return text;
}

/*
 * Reads the facts that fields ask for.  Texts and lists of texts are known;
 * anything else does not compare and is as good as not known.
 */
static void
read_lead(Subject *subject, uint32 fields, ProgramLead *lead,
		  CondText *single)
{
	for (int f = 0; f < NURTURE_PROGRAM_FIELDS; f++)
	{
		CondValue	value;
		CondText   *items;
		int			n = 0;

		lead->nvalues[f] = 0;
		if (!(fields & (UINT32_C(1) << f)))
			continue;
		read_fact(subject, f, &value);
		if (value.kind == COND_VALUE_TEXT)
		{
			single[f] = trimmed(value.text, program_fields[f].area);
			lead->values[f] = &single[f];
			lead->nvalues[f] = single[f].len > 0 ? 1 : 0;
		}
		else if (value.kind == COND_VALUE_LIST)
		{
			items = unconstify(CondText *, value.items);
			for (int i = 0; i < value.nitems; i++)
			{
				CondText	item = trimmed(value.items[i], program_fields[f].area);

				if (item.len > 0)
					items[n++] = item;
			}
			lead->values[f] = items;
			lead->nvalues[f] = n;
		}
	}
}

/* Tells whether an open programme fits the subject. */
NurtureTruth
nurture_program_truth(Subject *subject, const CondTerm *term)
{
	const Programs *programs = nurture_rulecache_get(&programs_cache);
	CondText	single[NURTURE_PROGRAM_FIELDS];
	ProgramLead lead;

	read_lead(subject, term->fields, &lead, single);
	return nurture_program_match(programs->index, term->subject.id,
								 term->fields, &lead, subject->now);
}

/* Returns the codes of the open programmes that fit the subject. */
List	   *
nurture_program_matches(Subject *subject, const CondTerm *term, int most)
{
	const Programs *programs = nurture_rulecache_get(&programs_cache);
	CondText	single[NURTURE_PROGRAM_FIELDS];
	ProgramLead lead;
	List	   *codes = NIL;
	int			at = -1;

	read_lead(subject, term->fields, &lead, single);
	while (list_length(codes) < most)
	{
		at = nurture_program_next(programs->index, term->subject.id,
								  term->fields, &lead, subject->now, at);
		if (at < 0)
			break;
		codes = lappend(codes, pstrdup(programs->codes[at]));
	}
	return codes;
}

/* Reads field names into bits. */
static uint32
fields_of(ArrayType *names)
{
	Datum	   *items;
	bool	   *nulls;
	int			n;
	uint32		fields = 0;

	deconstruct_array(names, TEXTOID, -1, false, TYPALIGN_INT, &items, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		char	   *name = nulls[i] ? "" : TextDatumGetCString(items[i]);
		int			field = nurture_cond_standard_lookup(COND_NAME_PROGRAM_FIELD,
														 name, strlen(name));

		if (field < 0)
			ereport(ERROR,
					(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
					 errmsg("unknown program field \"%.64s\"", name),
					 errhint("Fields are therapeutic_area, phase, modality, country and site_type.")));
		fields |= UINT32_C(1) << field;
	}
	return fields;
}

/*
 * nurture_programs(lead_id bigint, kind text, fields text[]) returns table
 * (program text, title text, program_kind text)
 *
 * The open programmes that fit a lead on all the fields, as the program term
 * of conditions has it.  The lead is read with the caller's rights.
 */
Datum
nurture_programs(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	const Programs *programs;
	CondText	single[NURTURE_PROGRAM_FIELDS];
	ProgramLead lead;
	Subject    *subject;
	uint32		fields;
	int			kind = -1;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	if (!PG_ARGISNULL(1))
	{
		char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(1));

		kind = nurture_cond_standard_lookup(COND_NAME_PROGRAM_KIND, name, strlen(name));
		if (kind < 0)
			ereport(ERROR,
					(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
					 errmsg("unknown kind of program \"%.64s\"", name),
					 errhint("Kinds are study, product and partnership.")));
	}
	fields = fields_of(PG_GETARG_ARRAYTYPE_P(2));
	subject = nurture_subject_load(PG_GETARG_INT64(0), nurture_now_statement(), false);
	if (subject == NULL || !TIMESTAMP_IS_NOBEGIN(subject->erased_at))
		PG_RETURN_NULL();
	programs = nurture_rulecache_get(&programs_cache);
	read_lead(subject, fields, &lead, single);
	for (int k = 0; k < NURTURE_PROGRAM_KINDS; k++)
	{
		int			at = -1;

		while ((kind < 0 || kind == k) &&
			   (at = nurture_program_next(programs->index, k, fields, &lead,
										  subject->now, at)) >= 0)
		{
			Datum		values[3];
			bool		nulls[3] = {false};

			values[0] = CStringGetTextDatum(programs->codes[at]);
			values[1] = CStringGetTextDatum(programs->titles[at]);
			values[2] = CStringGetTextDatum(nurture_cond_standard_name(COND_NAME_PROGRAM_KIND, k));
			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		}
	}
	PG_RETURN_NULL();
}
