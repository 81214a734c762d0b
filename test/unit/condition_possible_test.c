/*
 * condition_possible_test.c
 *	  Conditions that no lead can make true, and some that look so.
 */
#include "condition_fixture.h"

static int	passed;
static int	failed;

static void
expect(const char *json, const CondNarrow *only, NurtureTruth wanted)
{
	static FixtureArena blocks;
	CoreArena	arena = {fixture_alloc, &blocks};
	CondError	error;
	Condition  *c = nurture_cond_compile(json, strlen(json), &fixture_vocabulary,
										 &arena, &error);
	NurtureTruth got;

	if (c == NULL)
	{
		failed++;
		printf("%s\n  refused: %s: %s\n", json, error.path, error.message);
	}
	else if ((got = nurture_cond_possible(c, only, &arena)) != wanted)
	{
		failed++;
		printf("%s\n  possible %d, wanted %d\n", json, (int) got, (int) wanted);
	}
	else
		passed++;
	fixture_reset(&blocks);
}

#define COUNTRY(op, value) "{\"fact\": \"country\", \"op\": \"" op "\", \"value\": " value "}"
#define SIZE(op, value) "{\"fact\": \"attributes.size\", \"op\": \"" op "\", \"value\": " value "}"
#define ALL(terms) "{\"all\": [" terms "]}"
#define ANY(terms) "{\"any\": [" terms "]}"
#define NOT(x) "{\"not\": " x "}"
#define DEMO(rest) "{\"signal\": \"demo_requested\"" rest "}"

static const struct
{
	const char *json;
	bool		possible;
}			cases[] = {
	{"{\"all\": []}", true},
	{COUNTRY("=", "\"DE\""), true},
	{ALL(COUNTRY("=", "\"DE\"") "," COUNTRY("=", "\"FR\"")), false},
	{ANY(COUNTRY("=", "\"DE\"") "," COUNTRY("=", "\"FR\"")), true},
	{ALL(COUNTRY("in", "[\"DE\", \"FR\"]") "," COUNTRY("not_in", "[\"DE\", \"FR\", \"US\"]")), false},
	{ALL(COUNTRY("in", "[\"DE\", \"FR\"]") "," COUNTRY("!=", "\"DE\"")), true},
	{ALL(COUNTRY("!=", "\"DE\"") "," COUNTRY("!=", "\"FR\"")), true},
	{ALL(COUNTRY("=", "\"DE\"") "," NOT(COUNTRY("=", "\"DE\""))), false},
	{ALL("{\"fact\": \"country\", \"op\": \"unknown\"}" "," COUNTRY("!=", "\"DE\"")), false},
	{ALL("{\"fact\": \"country\", \"op\": \"known\"}" "," "{\"fact\": \"country\", \"op\": \"unknown\"}"), false},
	{ALL("{\"fact\": \"country\", \"op\": \"known\"}" "," "{\"fact\": \"role\", \"op\": \"unknown\"}"), true},
	{ALL(COUNTRY("prefix", "\"D\"") "," COUNTRY("=", "\"FR\"")), false},
	{ALL(COUNTRY("prefix", "\"D\"") "," COUNTRY("!=", "\"D\"")), true},
	{ALL(COUNTRY("prefix", "\"DE\"") "," NOT(COUNTRY("prefix", "\"D\""))), false},
	{ALL(COUNTRY("prefix", "\"D\"") "," NOT(COUNTRY("prefix", "\"DE\""))), true},
	{ALL(COUNTRY(">=", "\"D\"") "," COUNTRY("<=", "\"E\"") "," NOT(COUNTRY("prefix", "\"D\"")) "," COUNTRY("!=", "\"E\"")), false},
	{ALL(COUNTRY(">=", "\"D\"") "," COUNTRY("<=", "\"F\"") "," NOT(COUNTRY("prefix", "\"D\"")) "," COUNTRY("!=", "\"F\"") "," COUNTRY("!=", "\"E\"")), true},
	{ALL(SIZE(">=", "10") "," SIZE("<=", "9.999999")), false},
	{ALL(SIZE(">=", "10") "," SIZE("<=", "10")), true},
	{ALL(SIZE(">=", "10") "," SIZE("<=", "10") "," SIZE("!=", "10")), false},
	{ALL(SIZE(">=", "10") "," SIZE("<=", "10.000001") "," SIZE("!=", "10") "," SIZE("!=", "10.000001")), true},
	{ALL(SIZE("between", "[1, 5]") "," SIZE("between", "[6, 9]")), false},
	{ALL(SIZE("between", "[1, 5]") "," SIZE("between", "[5, 9]")), true},
	{ALL(SIZE("between", "[1, 9]") "," NOT(SIZE("between", "[1, 5]")) "," NOT(SIZE("between", "[6, 9]"))), true},
	{ALL("{\"fact\": \"attributes.study_start\", \"op\": \">=\", \"value\": \"2026-02-01\"}" "," "{\"fact\": \"attributes.study_start\", \"op\": \"<=\", \"value\": \"2026-01-31\"}"), false},
	{ALL("{\"fact\": \"attributes.verified\", \"op\": \"=\", \"value\": true}" "," "{\"fact\": \"attributes.verified\", \"op\": \"=\", \"value\": false}"), false},
	/* not followed: either */
	{ALL("{\"fact\": \"attributes.capability\", \"op\": \"any_of\", \"value\": [\"bio\"]}" "," "{\"fact\": \"attributes.capability\", \"op\": \"=\", \"value\": \"assay\"}"), true},
	{ALL(COUNTRY("=", "\"DE\"") "," "{\"fact\": \"country\", \"op\": \"differs_from\", \"value\": \"role\"}"), true},
	/* a text may read as a number */
	{ALL(SIZE("=", "\"12\"") "," SIZE(">=", "10")), true},
	{ALL(DEMO(", \"at_least\": 3") "," DEMO(", \"at_most\": 2")), false},
	{ALL(DEMO(", \"at_least\": 5, \"within_days\": 14") "," DEMO(", \"at_most\": 2, \"within_days\": 30")), false},
	{ALL(DEMO(", \"at_least\": 5, \"within_days\": 14") "," DEMO(", \"at_most\": 2")), false},
	{ALL(DEMO(", \"at_least\": 5, \"within_days\": 30") "," DEMO(", \"at_most\": 2, \"within_days\": 14")), true},
	{ALL(DEMO(", \"at_least\": 5") "," DEMO(", \"at_most\": 2, \"within_days\": 14")), true},
	{ALL(DEMO(", \"at_least\": 5") "," "{\"signal\": \"webinar_attended\", \"at_most\": 2}"), true},
	{ALL(DEMO(", \"after\": \"webinar_attended\"") "," DEMO(", \"at_most\": 0")), true},
	{ALL("{\"stage\": [\"mql\"]}" "," "{\"stage\": [\"sql\"]}"), false},
	{ALL("{\"stage\": [\"mql\", \"sql\"]}" "," "{\"stage\": [\"sql\"]}"), true},
	{ALL("{\"stage\": [\"mql\"]}" "," "{\"grade\": [\"A1\"]}"), true},
	{ALL("{\"tier\": {\"at_least\": 3}}" "," "{\"tier\": {\"at_most\": 2}}"), false},
	{ALL("{\"score\": {\"dimension\": \"fit\", \"at_least\": 40}}" "," "{\"score\": {\"dimension\": \"fit\", \"at_most\": 39.99}}"), false},
	{ALL("{\"score\": {\"dimension\": \"fit\", \"at_least\": 40}}" "," "{\"score\": {\"dimension\": \"intent\", \"at_most\": 39.99}}"), true},
	{ALL("{\"label\": \"high_intent\"}" "," NOT("{\"label\": \"high_intent\"}")), false},
	{ALL("{\"label\": \"high_intent\"}" "," NOT("{\"label\": \"evidence_engaged\"}")), true},
	{ALL("{\"tag\": \"topic:moa\", \"present\": true}" "," "{\"tag\": \"topic:moa\", \"present\": false}"), false},
	{ALL("{\"campaign\": [\"a\"]}" "," "{\"campaign\": [\"b\"]}"), true},
	{ALL("{\"campaign\": {\"latest\": \"a\"}}" "," "{\"campaign\": {\"latest\": \"b\"}}"), false},
	{ALL("{\"campaign\": {\"latest\": \"a\"}}" "," "{\"campaign\": [\"b\"]}"), true},
	{ALL("{\"consent\": {\"channel\": \"email\", \"purpose\": \"marketing\", \"is\": \"given\"}}" "," "{\"consent\": {\"channel\": \"email\", \"purpose\": \"marketing\", \"is\": \"withdrawn\"}}"), false},
	{ALL("{\"consent\": {\"channel\": \"email\", \"purpose\": \"marketing\", \"is\": \"given\"}}" "," "{\"consent\": {\"channel\": \"phone\", \"purpose\": \"marketing\", \"is\": \"withdrawn\"}}"), true},
	{ANY(ALL(COUNTRY("=", "\"DE\"") "," COUNTRY("=", "\"FR\"")) "," ALL(SIZE(">=", "5") "," SIZE("<=", "4"))), false},
	{ANY(ALL(COUNTRY("=", "\"DE\"") "," COUNTRY("=", "\"FR\"")) "," SIZE(">=", "5")), true},
};

int
main(void)
{
	static const CondText hcp[] = {{"DE", 2}, {"AT", 2}};
	CondNarrow	only = {0, hcp, 2};
	static char many[65536];
	char	   *to = many;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect(cases[i].json, NULL, cases[i].possible ? NURTURE_TRUE : NURTURE_FALSE);

	/* a fact that is held to some values */
	expect(COUNTRY("=", "\"FR\""), &only, NURTURE_FALSE);
	expect(COUNTRY("!=", "\"FR\""), &only, NURTURE_TRUE);
	expect(COUNTRY("in", "[\"FR\", \"AT\"]"), &only, NURTURE_TRUE);
	expect("{\"fact\": \"country\", \"op\": \"unknown\"}", &only, NURTURE_FALSE);
	expect(SIZE("=", "5"), &only, NURTURE_TRUE);
	expect(ANY(COUNTRY("=", "\"FR\"") "," SIZE("=", "5")), &only, NURTURE_TRUE);

	/* too much to try is left open */
	to += sprintf(to, "{\"all\": [");
	for (int i = 0; i < 199; i++)
		to += sprintf(to, "%s{\"not\": {\"all\": [{\"fact\": \"attributes.markets\", \"op\": \"any_of\", \"value\": [\"m%d\"]}, {\"stage\": [\"new\"]}]}}", i > 0 ? "," : "", i);
	sprintf(to, ", {\"label\": \"high_intent\"}, {\"not\": {\"label\": \"high_intent\"}}]}");
	expect(many, NULL, NURTURE_UNKNOWN);

	printf("%d passed, %d failed\n", passed, failed);
	return failed != 0;
}
