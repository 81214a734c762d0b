/*
 * condition_bench.c
 *	  What a term costs: nanoseconds per term evaluated, and per compilation.
 *
 * Build and run from the top of the tree:
 *	cc -O2 -std=c11 -Isrc/core -o build/condition_bench \
 *		test/bench/condition_bench.c src/core/[a-z]*.c -lm
 *	build/condition_bench [ROUNDS]		2000000 of them unless told
 */
#define _POSIX_C_SOURCE 199309L

#include <stdlib.h>
#include <time.h>

#include "../unit/condition_fixture.h"

static const char *const documents[][2] = {
	{"fact = text", "{\"fact\":\"country\",\"op\":\"=\",\"value\":\"DE\"}"},
	{"fact in 3", "{\"fact\":\"country\",\"op\":\"in\",\"value\":[\"AT\",\"CH\",\"DE\"]}"},
	{"fact in 27", "{\"fact\":\"country\",\"op\":\"in\",\"value\":[\"AT\",\"BE\",\"BG\","
		"\"CY\",\"CZ\",\"DE\",\"DK\",\"EE\",\"ES\",\"FI\",\"FR\",\"GR\",\"HR\",\"HU\","
	"\"IE\",\"IT\",\"LT\",\"LU\",\"LV\",\"MT\",\"NL\",\"PL\",\"PT\",\"RO\",\"SE\",\"SI\",\"SK\"]}"},
	{"fact number between", "{\"fact\":\"attributes.size\",\"op\":\"between\",\"value\":[100,500]}"},
	{"fact text as number", "{\"fact\":\"attributes.beds\",\"op\":\">=\",\"value\":100}"},
	{"fact text as day", "{\"fact\":\"attributes.founded\",\"op\":\"older_than\",\"value\":365}"},
	{"fact list any_of", "{\"fact\":\"attributes.capability\",\"op\":\"any_of\",\"value\":[\"x\",\"bio\"]}"},
	{"signal", "{\"signal\":\"demo_requested\",\"at_least\":2,\"within_days\":30}"},
	{"all of four", "{\"all\":[{\"fact\":\"country\",\"op\":\"in\",\"value\":[\"DE\",\"FR\"]},"
		"{\"fact\":\"attributes.size\",\"op\":\">=\",\"value\":100},"
		"{\"signal\":\"demo_requested\",\"at_least\":2,\"within_days\":30},"
	"{\"not\":{\"signal\":\"never_seen\"}}]}"},
};

/* Answers the time in nanoseconds. */
static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec * 1e9 + (double) t.tv_nsec;
}

int
main(int argc, char **argv)
{
	int			rounds = argc > 1 ? atoi(argv[1]) : 2000000;
	static FixtureArena blocks;
	CoreArena	arena = {fixture_alloc, &blocks};
	volatile int sum = 0;

	printf("%-22s %10s %12s\n", "condition", "ns / term", "ns / compile");
	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++)
	{
		const char *json = documents[i][1];
		CondError	error;
		Condition  *c = NULL;
		double		start = now();
		double		compiling;
		double		evaluating;
		int			terms;

		for (int n = 0; n < rounds / 100 + 1; n++)
		{
			fixture_reset(&blocks);
			c = nurture_cond_compile(json, strlen(json), &fixture_vocabulary,
									 &arena, &error);
			if (c == NULL)
			{
				printf("%s: %s %s\n", documents[i][0], error.path, error.message);
				return 1;
			}
		}
		compiling = (now() - start) / (rounds / 100 + 1);
		terms = nurture_cond_term_count(c);
		start = now();
		for (int n = 0; n < rounds; n++)
			sum += (int) nurture_cond_eval(c, &fixture_source);
		evaluating = (now() - start) / rounds / terms;
		printf("%-22s %10.1f %12.0f\n", documents[i][0], evaluating, compiling);
	}
	return sum < 0;
}
