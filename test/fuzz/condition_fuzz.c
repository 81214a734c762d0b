/*
 * condition_fuzz.c
 *	  Any bytes as a condition: compile, print, evaluate.
 *
 * Input that begins with '{' or a blank is a document; otherwise three lines,
 * fact, operator and operand, are the short form.  What compiles is evaluated
 * for leads whose facts are slices of the input itself, and must say the same
 * whether or not it is explained, and print the same into any buffer.
 */
#include <stdint.h>

#include "../unit/condition_fixture.h"
#include "json.h"
#include "program.h"

#define REQUIRE(cond) \
	do { \
		if (!(cond)) \
		{ \
			fprintf(stderr, "line %d: %s\n", __LINE__, #cond); \
			abort(); \
		} \
	} while (0)

typedef struct Input
{
	const char *data;			/* what the fuzzer gave */
	size_t		size;			/* its bytes */
	uint64_t	state;			/* of the random numbers drawn from it */
	CondText	items[4];		/* of the last list fact */
} Input;

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static FixtureArena blocks;
static FixtureArena program_blocks;

/* Answers the next random number (xorshift64). */
static uint64_t
draw(Input *in)
{
	in->state ^= in->state << 13;
	in->state ^= in->state >> 7;
	in->state ^= in->state << 17;
	return in->state;
}

/* Answers some piece of the input. */
static CondText
slice(Input *in)
{
	size_t		from = (size_t) (draw(in) % (in->size + 1));
	size_t		len = (size_t) (draw(in) % 16);

	CondText	piece;

	piece.ptr = in->data + from;
	piece.len = len < in->size - from ? len : in->size - from;
	return piece;
}

/* CondSource.fact. */
static void
any_fact(void *ctx, int fact, CondValue *out)
{
	Input	   *in = ctx;

	REQUIRE(fact >= 0);
	in->state += (uint64_t) fact * 2;
	out->kind = (CondValueKind) (draw(in) % 6);
	out->text = slice(in);
	out->number = (int64_t) draw(in) >> (draw(in) % 64);
	out->truth = draw(in) % 2;
	out->day = (int32_t) (draw(in) >> (32 + draw(in) % 32));
	out->items = in->items;
	out->nitems = (int) (draw(in) % 5);
	for (int i = 0; i < 4; i++)
		in->items[i] = slice(in);
}

/* CondSource.signal_count. */
static int64_t
any_count(void *ctx, int signal, int32_t from_day, int32_t to_day)
{
	REQUIRE(signal >= 0);
	if (from_day > to_day)
		return 0;
	return (int64_t) (draw(ctx) % 20) - 1;
}

/* CondSource.signal_last. */
static int32_t
any_last(void *ctx, int signal)
{
	return (int32_t) draw(ctx) - signal % 2;
}

/* Answers a program term for programmes and a lead of pieces of the input. */
static NurtureTruth
any_program(Input *in, const CondTerm *term)
{
	CoreArena	arena = {fixture_alloc, &program_blocks};
	CondText	pieces[4] = {slice(in), slice(in), slice(in), {"*", 1}};
	ProgramSpec specs[70];
	ProgramLead fits;
	ProgramIndex *index;
	int			n = (int) (draw(in) % 71);
	int64_t		now = (int64_t) draw(in) >> (draw(in) % 64);
	NurtureTruth truth;
	int			next;

	for (int i = 0; i < n; i++)
	{
		specs[i].kind = (int) (draw(in) % 3);
		specs[i].from = (int64_t) draw(in) >> (draw(in) % 64);
		specs[i].until = (int64_t) draw(in) >> (draw(in) % 64);
		for (int f = 0; f < NURTURE_PROGRAM_FIELDS; f++)
		{
			specs[i].nvalues[f] = (int) (draw(in) % 4);
			specs[i].values[f] = pieces + draw(in) % 2;
		}
	}
	for (int f = 0; f < NURTURE_PROGRAM_FIELDS; f++)
	{
		fits.nvalues[f] = (int) (draw(in) % 4);
		fits.values[f] = pieces;
	}
	REQUIRE(term->fields != 0 && term->fields < 1 << NURTURE_PROGRAM_FIELDS);
	index = nurture_program_index(specs, n, &arena);
	truth = nurture_program_match(index, term->subject.id, term->fields, &fits, now);
	next = nurture_program_next(index, term->subject.id, term->fields, &fits, now, -1);
	REQUIRE((truth == NURTURE_TRUE) == (next >= 0) && next < n);
	fixture_reset(&program_blocks);
	return truth;
}

/* CondSource.other: whatever a term holds must be readable. */
static NurtureTruth
any_other(void *ctx, const CondTerm *term)
{
	for (int i = 0; i < term->nwords; i++)
		REQUIRE(term->words[i].id >= 0 && term->words[i].name.len > 0);
	REQUIRE(term->low <= term->high);
	if (term->kind == COND_TERM_PROGRAM)
		return any_program(ctx, term);
	return (NurtureTruth) (draw(ctx) % 3);
}

/* CondSource.under. */
static bool
any_under(void *ctx, const char *value, size_t len, int tag)
{
	uint64_t	sum = (uint64_t) tag;

	for (size_t i = 0; i < len; i++)
		sum += (unsigned char) value[i];
	return (sum + draw(ctx)) % 2;
}

/* Counts the terms explain shows. */
static void
count_term(void *arg, const CondTerm *term, NurtureTruth truth)
{
	REQUIRE(truth <= NURTURE_UNKNOWN && term->number == *(int *) arg);
	++*(int *) arg;
}

/* Prints into buffers of several sizes. */
static void
check_print(const Condition *c)
{
	size_t		len = nurture_cond_print(c, &fixture_vocabulary, NULL, 0);
	char	   *whole = malloc(len + 1);
	char	   *part = malloc(len / 2 + 1);

	REQUIRE(whole != NULL && part != NULL);
	REQUIRE(nurture_cond_print(c, &fixture_vocabulary, whole, len + 1) == len);
	REQUIRE(strlen(whole) == len && len > 0);
	REQUIRE(nurture_cond_print(c, &fixture_vocabulary, part, len / 2 + 1) == len);
	REQUIRE(strlen(part) <= len / 2 && memcmp(part, whole, strlen(part)) == 0);
	free(whole);
	free(part);
}

/* Compiles the input in its form. */
static Condition *
compile(const char *data, size_t size, CoreArena *arena, CondError *error)
{
	const char *op;
	const char *operand;

	if (size == 0 || *data == '{' || *data == ' ')
		return nurture_cond_compile(data, size, &fixture_vocabulary, arena,
									error);
	op = memchr(data, '\n', size);
	op = op == NULL ? data + size : op + 1;
	operand = memchr(op, '\n', (size_t) (data + size - op));
	return nurture_cond_compile_fact(data, (size_t) (op - data) -
									 (op > data && op[-1] == '\n'), op,
									 operand == NULL ? (size_t) (data + size - op) :
									 (size_t) (operand - op),
									 operand == NULL ? NULL : operand + 1,
									 operand == NULL ? 0 :
									 (size_t) (data + size - operand - 1),
									 &fixture_vocabulary, arena, error);
}

/* The entry point of libFuzzer. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CoreArena	arena = {fixture_alloc, &blocks};
	Input		in = {.data = (const char *) data,.size = size,.state = 88172645463325252};
	CondSource	source = {&in, 0, any_fact, any_count, any_last, any_other,
	any_under};
	CondError	error;
	Condition  *c;
	int64_t		code;

	nurture_cond_number((const char *) data, size, &code);
	for (size_t i = 0; i < size; i++)
		in.state = (in.state ^ data[i]) * UINT64_C(1099511628211);
	in.state |= 1;
	c = compile((const char *) data, size, &arena, &error);
	if (c == NULL)
	{
		REQUIRE(error.message[0] != '\0');
		fixture_reset(&blocks);
		return 0;
	}
	REQUIRE(error.message[0] == '\0');
	check_print(c);
	for (int round = 0; round < 8; round++)
	{
		uint64_t	start = draw(&in) | 1;
		NurtureTruth truth;
		int			n = 0;

		source.today = (int32_t) draw(&in) >> (draw(&in) % 32);
		in.state = start;
		truth = nurture_cond_eval_explain(c, &source, count_term, &n);
		REQUIRE(n == nurture_cond_term_count(c));

		/* stopping early draws other numbers, unless there is one term */
		in.state = start;
		if (n == 1)
			REQUIRE(nurture_cond_eval(c, &source) == truth);
		else
			REQUIRE(nurture_cond_eval(c, &source) <= NURTURE_UNKNOWN);
	}
	fixture_reset(&blocks);
	return 0;
}
