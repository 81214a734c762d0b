/*
 * condition_error_test.c
 *	  What is refused, where the error points, and what it says.
 */
#include "condition_fixture.h"
#include "json.h"

static int	passed;
static int	failed;
static FixtureArena blocks;
static CoreArena arena = {fixture_alloc, &blocks};

#define CHECK(cond) \
	((cond) ? (void) passed++ : \
	 (void) (failed++, printf("line %d: %s\n", __LINE__, #cond)))

#define FACT(op, value) \
	"{\"fact\":\"role\",\"op\":\"" op "\",\"value\":" value "}"

/* Document, path, message, hint. */
static const char *const errors[][4] = {
	/* the document */
	{"", "", "the document ends where a value is expected", "Byte 0 of the document."},
	{"{\"all\":[{\"tier\":3},]}", "/all/1", "expected a value: object, array, string, number, true, false or null", "Byte 19 of the document."},
	{"{\"tier\":3} x", "", "there is more text after the document", "Byte 11 of the document."},
	{"{\"tier\":3,\"tier\":3}", "/tier", "the member is given twice", "Byte 16 of the document."},
	{"{\"label\":\"\xff\"}", "/label", "text is not valid UTF-8", "Byte 10 of the document."},
	{"{\"label\":\"\\u0000\"}", "/label", "\\u0000 is not allowed in text", "Byte 12 of the document."},
	{"[]", "", "a condition must be an object", ""},
	{"\"tier\"", "", "a condition must be an object", ""},
	{"{}", "", "the condition is empty", "Write {\"all\": []} for a condition that is always true."},
	/* what an object is */
	{"{\"facts\":\"role\",\"op\":\"known\"}", "/facts", "unknown term \"facts\"", "The nearest known are \"fact\", \"all\" and \"any\"."},
	{"{\"all\":[{\"signl\":1}]}", "/all/0/signl", "unknown term \"signl\"", "The nearest known are \"signal\", \"all\" and \"any\"."},
	{"{\"any\":[],\"all\":[]}", "/all", "\"all\" cannot stand beside \"any\"", "Put each into an object of its own, inside \"all\" or \"any\"."},
	{"{\"all\":{\"tier\":3}}", "/all", "\"all\" needs a list of conditions", ""},
	{"{\"all\":[3]}", "/all/0", "a condition must be an object", ""},
	{"{\"any\":[]}", "/any", "an empty \"any\" is never true", ""},
	{"{\"not\":[]}", "/not", "a condition must be an object", ""},
	{"{\"not\":{\"tier\":3},\"x/y~\":1}", "/x~1y~0", "term \"not\" does not know \"x/y~\"", "The nearest known is \"not\"."},
	/* fact */
	{"{\"fact\":\"contry\",\"op\":\"known\"}", "/fact", "unknown fact \"contry\"", "The nearest known are \"country\", \"attributes.none\" and \"role\"."},
	{"{\"fact\":7,\"op\":\"known\"}", "/fact", "expected a text in double quotes", ""},
	{"{\"fact\":\"\",\"op\":\"known\"}", "/fact", "expected a text that is not empty", ""},
	{"{\"fact\":\"role\"}", "", "term \"fact\" needs \"op\"", ""},
	{"{\"fact\":\"role\",\"op\":\"==\",\"value\":1}", "/op", "unknown operator \"==\"", "The nearest known are \"!=\", \"<=\" and \"=\"."},
	{"{\"fact\":\"role\",\"op\":\"=\"}", "", "operator \"=\" needs a \"value\"", ""},
	{"{\"fact\":\"role\",\"op\":\"=\",\"values\":1}", "/values", "term \"fact\" does not know \"values\"", "The nearest known are \"value\", \"fact\" and \"op\"."},
	{FACT("known", "1"), "/value", "operator \"known\" takes no value", ""},
	{FACT("=", "null"), "/value", "a fact is never equal to null", "Use the operator \"unknown\"."},
	{FACT("=", "[1]"), "/value", "expected one value, not a list", "Use the operator \"in\" or \"any_of\"."},
	{FACT("=", "{}"), "/value", "expected a text, a number, true or false", ""},
	{FACT("=", "\"\""), "/value", "expected a text that is not empty", "An empty text is not known: use the operator \"unknown\"."},
	{FACT("=", "\" x\""), "/value", "the text \" x\" has blanks at an end, which no fact has", "Remove the blanks."},
	{FACT("=", "0.0000001"), "/value", "the number has more than 6 decimals", ""},
	{FACT("=", "4000000000001"), "/value", "the number is beyond 4000000000000", ""},
	{FACT(">=", "-1e300"), "/value", "the number is beyond 4000000000000", ""},
	{FACT(">=", "true"), "/value", "true and false have no order", ""},
	{FACT("<=", "[1]"), "/value", "expected one value, not a list", ""},
	{FACT("in", "\"x\""), "/value", "expected a list", ""},
	{FACT("in", "[]"), "/value", "the list is empty", ""},
	{FACT("in", "[\"a\",1]"), "/value/1", "the value is not of the same type as the first of the list", ""},
	{FACT("any_of", "[\"a\",null]"), "/value/1", "a fact is never equal to null", "Use the operator \"unknown\"."},
	{FACT("between", "[1]"), "/value", "expected a list of two values, from and to", ""},
	{FACT("between", "[2,1]"), "/value", "the range is empty: it ends before it begins", ""},
	{FACT("between", "[\"b\",\"a\"]"), "/value", "the range is empty: it ends before it begins", ""},
	{FACT("between", "[\"2026-01-02\",\"2026-01-01\"]"), "/value", "the range is empty: it ends before it begins", ""},
	{FACT("between", "[false,true]"), "/value", "true and false have no order", ""},
	{FACT("between", "[1,\"2\"]"), "/value/1", "the value is not of the same type as the first of the list", ""},
	{FACT("prefix", "1"), "/value", "expected a text in double quotes", ""},
	{FACT("under", "\"topic:mao\""), "/value", "unknown tag \"topic:mao\"", "The nearest known are \"topic:moa\", \"topic:safety\" and \"therapeutic_area:oncology\"."},
	{FACT("due_within", "[1]"), "/value", "expected a list of two whole numbers, days from today", ""},
	{FACT("due_within", "[1,0.5]"), "/value/1", "expected a whole number", ""},
	{FACT("due_within", "[2,1]"), "/value", "the range is empty: it ends before it begins", ""},
	{FACT("due_within", "[0,1000001]"), "/value/1", "the number must be between -1000000 and 1000000", ""},
	{FACT("older_than", "-1"), "/value", "the number must be between 0 and 1000000", ""},
	{FACT("older_than", "1e99"), "/value", "expected a whole number", ""},
	{FACT("same_as", "\"rolle\""), "/value", "unknown fact \"rolle\"", "The nearest known are \"role\", \"attributes.none\" and \"attributes.huge\"."},
	{FACT("same_as", "\"role\""), "/value", "fact \"role\" is compared with itself", ""},
	{"{\"fact\":\"speciality\",\"op\":\"known\"}", "/fact", "unknown fact \"speciality\"", "The nearest known are \"account.specialty\", \"attributes.capability\" and \"attributes.verified\"."},
	/* signal */
	{"{\"signal\":\"demo_reqested\"}", "/signal", "unknown signal \"demo_reqested\"", "The nearest known are \"demo_requested\", \"never_seen\" and \"meeting_held\"."},
	{"{\"signal\":\"demo_requested\",\"at_least\":0}", "/at_least", "every signal occurs at least 0 times", ""},
	{"{\"signal\":\"demo_requested\",\"at_least\":3,\"at_most\":2}", "/at_least", "\"at_least\" is greater than \"at_most\"", ""},
	{"{\"signal\":\"demo_requested\",\"at_least\":\"1\"}", "/at_least", "expected a whole number", ""},
	{"{\"signal\":\"demo_requested\",\"within_days\":-1}", "/within_days", "the number must be between 0 and 1000000", ""},
	{"{\"signal\":\"demo_requested\",\"within\":1}", "/within", "term \"signal\" does not know \"within\"", "The nearest known are \"within_days\", \"after\" and \"signal\"."},
	{"{\"signal\":\"demo_requested\",\"after\":\"x\"}", "/after", "unknown signal \"x\"", "The nearest known are \"never_seen\", \"meeting_held\" and \"seen_tomorrow\"."},
	/* tag, interest */
	{"{\"tag\":\"topic:moa\",\"present\":1}", "/present", "expected true or false", ""},
	{"{\"tag\":\"topic:moa\",\"present\":true,\"interest_at_least\":0.1}", "/present", "\"present\" cannot stand beside \"interest_at_least\"", "One asks about the event at hand, the other about the lead: write two terms."},
	{"{\"tag\":\"topic:moa\",\"interest_at_least\":0}", "/interest_at_least", "a share is above 0 and at most 1", ""},
	{"{\"tag\":\"topic:moa\",\"interest_at_least\":1.1}", "/interest_at_least", "a share is above 0 and at most 1", ""},
	{"{\"interest\":{\"dimension\":\"topic\",\"value\":\"mao\",\"at_least\":1}}", "/interest/value", "unknown tag \"topic:mao\"", "The nearest known are \"topic:moa\", \"topic:safety\" and \"therapeutic_area:oncology\"."},
	{"{\"interest\":{\"dimension\":\"topic\",\"value\":\"moa\"}}", "/interest", "term \"interest\" needs \"at_least\"", ""},
	{"{\"interest\":\"topic:moa\"}", "/interest", "term \"interest\" needs an object", ""},
	/* standing */
	{"{\"stage\":[]}", "/stage", "the list is empty", ""},
	{"{\"stage\":3}", "/stage", "expected a text in double quotes or a list of them", ""},
	{"{\"stage\":[\"mql\",\"MQL\"]}", "/stage/1", "unknown stage \"MQL\"", "The nearest known are \"mql\", \"sql\" and \"sal\"."},
	{"{\"stage\":\"mql\",\"op\":\"=\"}", "/op", "term \"stage\" does not know \"op\"", "The nearest known is \"stage\"."},
	{"{\"tier\":5}", "/tier", "the number must be between 0 and 4", ""},
	{"{\"tier\":{}}", "/tier", "term \"tier\" needs \"at_least\" or \"at_most\"", ""},
	{"{\"tier\":{\"at_least\":3,\"at_most\":2}}", "/tier/at_least", "\"at_least\" is greater than \"at_most\"", ""},
	{"{\"tier\":\"3\"}", "/tier", "term \"tier\" needs an object", ""},
	{"{\"grade\":\"A5\"}", "/grade", "unknown grade \"A5\"", "The nearest known are \"A1\", \"A2\" and \"A3\"."},
	{"{\"grade\":\"2A\"}", "/grade", "unknown grade \"2A\"", "The nearest known are \"A2\", \"A1\" and \"A3\"."},
	{"{\"score\":{\"dimension\":\"total\"}}", "/score", "term \"score\" needs \"at_least\" or \"at_most\"", ""},
	{"{\"score\":{\"dimension\":\"total\",\"at_most\":\"60\"}}", "/score/at_most", "expected a number", ""},
	{"{\"tier\":{\"at_most\":9}}", "/tier/at_most", "the number must be between 0 and 4", ""},
	{"{\"score\":{\"at_least\":60}}", "/score", "term \"score\" needs \"dimension\"", ""},
	{"{\"score\":{\"dimension\":\"total\",\"at_least\":60.001}}", "/score/at_least", "the number has more than 2 decimals", ""},
	{"{\"score\":{\"dimension\":\"totale\",\"at_least\":60}}", "/score/dimension", "unknown score dimension \"totale\"", "The nearest known are \"total\", \"fit\" and \"intent\"."},
	/* the others */
	{"{\"consent\":{\"channel\":\"email\",\"is\":\"given\"}}", "/consent", "term \"consent\" needs \"purpose\"", ""},
	{"{\"consent\":{\"channel\":\"mail\",\"purpose\":\"marketing\",\"is\":\"given\"}}", "/consent/channel", "unknown channel \"mail\"", "The nearest known are \"email\" and \"phone\"."},
	{"{\"consent\":{\"channel\":\"email\",\"purpose\":\"marketing\",\"is\":\"gvien\"}}", "/consent/is", "unknown consent state \"gvien\"", "The nearest known are \"given\", \"expired\" and \"refused\"."},
	{"{\"label\":[\"high_intent\"]}", "/label", "expected a text in double quotes", ""},
	{"{\"handoff\":{}}", "/handoff", "term \"handoff\" needs \"state\"", ""},
	{"{\"handoff\":{\"state\":\"opened\"}}", "/handoff/state", "unknown hand-off state \"opened\"", "The nearest known are \"open\", \"offered\" and \"expired\"."},
	{"{\"campaign\":{\"last\":\"a\"}}", "/campaign/last", "term \"campaign\" does not know \"last\"", "The nearest known is \"latest\"."},
	{"{\"campaign\":{}}", "/campaign", "term \"campaign\" needs \"latest\"", ""},
	{"{\"campaign\":true}", "/campaign", "expected a text in double quotes or a list of them", ""},
	{"{\"list\":\"congress\"}", "/list", "unknown list \"congress\"", "The nearest known is \"congress_2026\"."},
	{"{\"program\":{\"kind\":\"trial\",\"on\":\"phase\"}}", "/program/kind", "unknown kind of program \"trial\"", "The nearest known are \"study\", \"product\" and \"partnership\"."},
	{"{\"program\":{\"kind\":\"study\",\"on\":[\"region\"]}}", "/program/on/0", "unknown program field \"region\"", "The nearest known are \"phase\", \"country\" and \"modality\"."},
	{"{\"program\":{\"kind\":\"study\"}}", "/program", "term \"program\" needs \"on\"", ""},
};

/* Says whether the document is refused so, showing the difference. */
static bool
refused(const char *json, size_t len, const CondVocabulary *vocabulary,
		const char *path, const char *message, const char *hint)
{
	CondError	error;
	Condition  *c = nurture_cond_compile(json, len, vocabulary, &arena, &error);
	bool		same;

	same = c == NULL && strcmp(error.path, path) == 0 &&
		strcmp(error.message, message) == 0 &&
		(hint == NULL || strcmp(error.hint, hint) == 0);
	if (!same)
		printf("%.200s\n  got      %s: %s | %s\n  expected %s: %s | %s\n", json,
			   error.path, error.message, error.hint, path, message,
			   hint != NULL ? hint : "");
	fixture_reset(&blocks);
	return same;
}

/* Writes before, n times part (with commas between if asked), and after. */
static char *
repeat(const char *before, const char *part, int n, bool commas,
	   const char *after)
{
	char	   *s = malloc(strlen(before) + (strlen(part) + 1) * (size_t) n +
						   strlen(after) + 1);
	char	   *to = s;

	if (s == NULL)
		abort();
	to += sprintf(to, "%s", before);
	for (int i = 0; i < n; i++)
		to += sprintf(to, "%s%s", i > 0 && commas ? "," : "", part);
	sprintf(to, "%s", after);
	return s;
}

/* Limits, each at its last good value and one beyond. */
static void
test_limits(void)
{
	static const struct
	{
		const char *before;
		const char *part;
		bool		commas;
		const char *after;
		int			good;
		const char *message;
	}			limits[] =
	{
		{"{\"all\":[", "{\"tier\":3}", true, "]}", 1000, "the condition has more than 1000 terms"},
		{"{\"all\":[", "{\"all\":[]}", true, "]}", 3999, "the condition has more than 4000 parts"},
		{"{\"fact\":\"role\",\"op\":\"in\",\"value\":[", "7", true, "]}", 1000, "the list has more than 1000 values"},
		{"{\"campaign\":[", "\"x\"", true, "]}", 1000, "the list has more than 1000 values"},
		{"{\"fact\":\"role\",\"op\":\"=\",\"value\":\"", "x", false, "\"}", 512, NULL},
	};
	CondError	error;

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
	{
		for (int over = 0; over < 2; over++)
		{
			char	   *json = repeat(limits[i].before, limits[i].part,
									  limits[i].good + over, limits[i].commas,
									  limits[i].after);
			Condition  *c = nurture_cond_compile(json, strlen(json),
												 &fixture_vocabulary, &arena,
												 &error);

			CHECK((c != NULL) == (over == 0));
			if (over == 1 && limits[i].message != NULL)
				CHECK(strcmp(error.message, limits[i].message) == 0);
			fixture_reset(&blocks);
			free(json);
		}
	}
	for (int over = 0; over < 2; over++)
	{
		char	   *open = repeat("", "{\"not\":", 32 + over, false, "{\"tier\":3}");
		char	   *json = repeat(open, "}", 32 + over, false, "");
		Condition  *c = nurture_cond_compile(json, strlen(json),
											 &fixture_vocabulary, &arena, &error);

		CHECK((c != NULL) == (over == 0));
		if (over == 1)
			CHECK(strcmp(error.message, "the condition is nested more than 32 deep") == 0);
		else
			CHECK(nurture_cond_eval(c, &fixture_source) == NURTURE_TRUE);
		fixture_reset(&blocks);
		free(open);
		free(json);
	}
}

/* Terms without a table, names too long or with an end inside. */
static void
test_names(void)
{
	CondVocabulary young = fixture_vocabulary;
	char		bytes[300];

	young.ctx = bytes;
	CHECK(refused("{\"any\":[{\"tier\":1},{\"label\":\"high_intent\"}]}", 44, &young,
				  "/any/1/label", "term \"label\" is not available yet", ""));
	young = fixture_vocabulary;
	young.each = NULL;
	CHECK(refused("{\"list\":\"x\"}", 12, &young, "/list", "unknown list \"x\"", ""));
	CHECK(refused("{\"list\":\"a\nb\"}", 14, &young, "/list",
				  "a control character must be written as an escape", NULL));
	CHECK(refused("{\"list\":\"a\\nb\"}", 15, &young, "/list", "unknown list \"a?b\"", ""));
	CHECK(refused("{\"list\":\"x\0\"}", 13, &young, "/list",
				  "a control character must be written as an escape", NULL));
	memset(bytes, 0, sizeof(bytes));
	strcpy(bytes, "{\"list\":\"x");
	for (int i = 0; i < 60; i++)
		strcat(bytes, "\xc3\xa4");
	strcat(bytes, "\"}");
	CHECK(refused(bytes, strlen(bytes), &young, "/list",
				  "unknown list \"x\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
				  "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
				  "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4...\"", ""));
}

/* The short form points at its parts. */
static void
test_short_form(void)
{
	static const char *const wrong[][5] = {
		{"rolle", "=", "1", "/fact", "unknown fact \"rolle\""},
		{"role", "eq", "1", "/op", "unknown operator \"eq\""},
		{"role", "=", NULL, "", "operator \"=\" needs a \"value\""},
		{"role", "=", "", "/value", "the document ends where a value is expected"},
		{"role", "=", "x", "/value", "expected a value: object, array, string, number, true, false or null"},
		{"role", "in", "[\"x\",{}]", "/value/1", "expected a text, a number, true or false"},
		{"role", "in", "[\"x\",{\"a\":1,\"a\":1}]", "/value/1/a", "the member is given twice"},
		{"role", "known", "1", "/value", "operator \"known\" takes no value"},
		{"", "known", NULL, "/fact", "expected a text that is not empty"},
	};
	CondError	error;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
	{
		const char *operand = wrong[i][2];
		Condition  *c = nurture_cond_compile_fact(wrong[i][0], strlen(wrong[i][0]),
												  wrong[i][1], strlen(wrong[i][1]),
												  operand,
												  operand ? strlen(operand) : 0,
												  &fixture_vocabulary, &arena,
												  &error);

		CHECK(c == NULL);
		if (strcmp(error.path, wrong[i][3]) != 0 ||
			strcmp(error.message, wrong[i][4]) != 0)
			printf("%s: %s\n", error.path, error.message);
		CHECK(strcmp(error.path, wrong[i][3]) == 0);
		CHECK(strcmp(error.message, wrong[i][4]) == 0);
		fixture_reset(&blocks);
	}
}

int
main(void)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		CHECK(refused(errors[i][0], strlen(errors[i][0]), &fixture_vocabulary,
					  errors[i][1], errors[i][2], errors[i][3]));
	test_limits();
	test_names();
	test_short_form();
	printf("%d passed, %d failed\n", passed, failed);
	return failed != 0;
}
