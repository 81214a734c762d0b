/*
 * program_test.c
 *	  Random programmes for random leads, against one programme after the
 *	  other; NURTURE_SEED repeats a run.
 */
#include <string.h>

#include "condition_fixture.h"
#include "program.h"
#include "property.h"

#define MAX_PROGRAMS 200
#define MAX_OF_FIELD 60

static FixtureArena blocks;
static ProgramSpec programs[MAX_PROGRAMS];
static CondText values[MAX_PROGRAMS][NURTURE_PROGRAM_FIELDS][4];
static CondText of_lead[NURTURE_PROGRAM_FIELDS][MAX_OF_FIELD];
static ProgramLead lead;
static int	nprograms;

/* Answers one of few values, so that many match; a programme's may be *. */
static CondText
random_value(bool of_program)
{
	static const char *const few[] = {"DE", "FR", "US", "phase_2", "", "neoplasms", "D", "**"};

	if (of_program && random_below(8) == 0)
		return fixture_text("*");
	return fixture_text(few[random_below(8)]);
}

static void
random_programs(void)
{
	nprograms = (int) (random_below(4) == 0 ? random_below(4) : random_below(MAX_PROGRAMS + 1));
	for (int i = 0; i < nprograms; i++)
	{
		programs[i].kind = (int) random_below(NURTURE_PROGRAM_KINDS);
		programs[i].from = random_below(4) == 0 ? INT64_MIN : (int64_t) random_below(20);
		programs[i].until = random_below(4) == 0 ? INT64_MAX : (int64_t) random_below(20);
		for (int f = 0; f < NURTURE_PROGRAM_FIELDS; f++)
		{
			programs[i].nvalues[f] = (int) random_below(4);
			programs[i].values[f] = values[i][f];
			for (int v = 0; v < programs[i].nvalues[f]; v++)
				values[i][f][v] = random_value(true);
		}
	}
}

static void
random_lead(void)
{
	for (int f = 0; f < NURTURE_PROGRAM_FIELDS; f++)
	{
		lead.nvalues[f] = (int) (random_below(10) == 0 ? random_below(MAX_OF_FIELD + 1) : random_below(3));
		lead.values[f] = of_lead[f];
		for (int v = 0; v < lead.nvalues[f]; v++)
			of_lead[f][v] = random_value(false);
	}
}

/* Answers whether a programme fits on one field: 1, 0, or 2 if unknown. */
static int
naive_field(const ProgramSpec *program, int f)
{
	if (program->nvalues[f] == 0)
		return 0;
	for (int i = 0; i < program->nvalues[f]; i++)
	{
		const CondText *p = &program->values[f][i];

		if (p->len == 1 && *p->ptr == '*')
			return 1;
		for (int j = 0; j < lead.nvalues[f]; j++)
		{
			const CondText *l = &lead.values[f][j];

			if (l->len == p->len && memcmp(l->ptr, p->ptr, l->len) == 0)
				return 1;
		}
	}
	return lead.nvalues[f] == 0 ? 2 : 0;
}

static int
naive_program(int number, int kind, uint32_t fields, int64_t now)
{
	const ProgramSpec *program = &programs[number];
	int			truth = 1;

	if (program->kind != kind || now < program->from || now >= program->until)
		return 0;
	for (int f = 0; f < NURTURE_PROGRAM_FIELDS; f++)
	{
		int			fits = fields >> f & 1 ? naive_field(program, f) : 1;

		if (fits == 0)
			return 0;
		if (fits == 2)
			truth = 2;
	}
	return truth;
}

static void
check_random(ProgramIndex *index, int seen[3])
{
	int			kind = (int) random_below(NURTURE_PROGRAM_KINDS);
	uint32_t	fields = random_below(1 << NURTURE_PROGRAM_FIELDS);
	int64_t		now = (int64_t) random_below(24) - 2;
	int			expected = 0;
	int			next = -1;

	for (int i = 0; i < nprograms; i++)
	{
		int			fits = naive_program(i, kind, fields, now);

		if (fits == 1)
		{
			expected = 1;
			next = nurture_program_next(index, kind, fields, &lead, now, next);
			CHECK(next == i);
		}
		else if (fits == 2 && expected == 0)
			expected = 2;
	}
	CHECK(nurture_program_next(index, kind, fields, &lead, now, next) == -1);
	CHECK((int) nurture_program_match(index, kind, fields, &lead, now) == expected);
	seen[expected]++;
}

int
main(void)
{
	CoreArena	arena = {fixture_alloc, &blocks};
	int			seen[3] = {0};

	property_start();
	for (int i = 0; i < 400; i++)
	{
		ProgramIndex *index;

		random_programs();
		index = nurture_program_index(programs, nprograms, &arena);
		CHECK(nurture_program_match(index, -1, 0, &lead, 0) == NURTURE_UNKNOWN);
		CHECK(nurture_program_match(index, 3, 0, &lead, 0) == NURTURE_UNKNOWN);
		CHECK(nurture_program_next(index, 3, 0, &lead, 0, -1) == -1);
		for (int j = 0; j < 40; j++)
		{
			random_lead();
			check_random(index, seen);
		}
		fixture_reset(&blocks);
	}
	/* a test that hardly ever sees one of the three tells little */
	CHECK(seen[0] > 1000 && seen[1] > 1000 && seen[2] > 1000);
	printf("%d false, %d true, %d unknown\n", seen[0], seen[1], seen[2]);
	return property_finish();
}
