/*
 * condition_test.c
 *	  Every operator on every type of fact, every other term, Kleene's tables,
 *	  the sentences, and the numbers under it all.
 */
#include "condition_fixture.h"

static int	passed;
static int	failed;
static FixtureArena blocks;
static CoreArena arena = {fixture_alloc, &blocks};

#define CHECK(cond) \
	((cond) ? (void) passed++ : \
	 (void) (failed++, printf("line %d: %s\n", __LINE__, #cond)))

/* The facts a row of operator_rows has a letter for, in this order. */
static const char *const columns[] = {
	"country", "attributes.size", "attributes.verified",
	"attributes.study_start", "attributes.founded", "attributes.beds",
	"attributes.capability", "role", "attributes.blank", "attributes.none"
};

/* Operator, operand, and the truth for each column: T, F or ? */
static const char *const operator_rows[][3] = {
	/* text DE, 250, true, day, text day, text number, list, unknown x 3 */
	{"=", "\"DE\"", "T???FF????"},
	{"=", "\"de\"", "F???FF????"},
	{"=", "\"D\"", "F???FF????"},
	{"=", "250", "?T???F????"},
	{"=", "2.5e2", "?T???F????"},
	{"=", "120.5", "?F???T????"},
	{"=", "true", "??T???????"},
	{"=", "false", "??F???????"},
	{"=", "\"2020-02-29\"", "???FT?????"},
	{"=", "\"2026-01-31\"", "???TF?????"},
	{"!=", "\"DE\"", "F???TT????"},
	{"!=", "250", "?F???T????"},
	{"!=", "true", "??F???????"},
	{"!=", "\"2026-01-31\"", "???FT?????"},
	{"in", "[\"FR\",\"DE\"]", "T???FF????"},
	{"in", "[\"FR\"]", "F???FF????"},
	{"in", "[1,250,3]", "?T???F????"},
	{"in", "[120.5]", "?F???T????"},
	{"in", "[true]", "??T???????"},
	{"in", "[\"2020-02-29\",\"2026-01-31\"]", "???TT?????"},
	{"in", "[\"2020-02-29\",\"DE\"]", "T???TF????"},
	{"in", "[\"AT\",\"BE\",\"CH\",\"DE\",\"DK\",\"ES\",\"FR\",\"I\",\"LUX\",\"NL\"]",
	"T???FF????"},
	{"in", "[9,8,7,6,5,250,4,3,2,1,0]", "?T???F????"},
	{"not_in", "[\"FR\",\"DE\"]", "F???TT????"},
	{"not_in", "[1,250,3]", "?F???T????"},
	{"not_in", "[false]", "??T???????"},
	{"between", "[\"DD\",\"DE\"]", "T???FF????"},
	{"between", "[\"DE\",\"DE\"]", "T???FF????"},
	{"between", "[250,250]", "?T???F????"},
	{"between", "[120.500001,249.999999]", "?F???F????"},
	{"between", "[-1,120.5]", "?F???T????"},
	{"between", "[\"2026-01-30\",\"2026-01-31\"]", "???TF?????"},
	{"between", "[\"2020-01-01\",\"2026-01-30\"]", "???FT?????"},
	{">=", "\"DE\"", "T???FF????"},
	{">=", "\"2\"", "T???TF????"},
	{">=", "250", "?T???F????"},
	{">=", "250.000001", "?F???F????"},
	{">=", "\"2026-01-31\"", "???TF?????"},
	{"<=", "\"DE\"", "T???TT????"},
	{"<=", "250", "?T???T????"},
	{"<=", "249.999999", "?F???T????"},
	{"<=", "\"2026-01-30\"", "???FT?????"},
	{"prefix", "\"D\"", "T???FF????"},
	{"prefix", "\"DE\"", "T???FF????"},
	{"prefix", "\"DEX\"", "F???FF????"},
	{"prefix", "\"2020-02-29\"", "F???TF????"},
	{"known", NULL, "TTTTTTTFFF"},
	{"unknown", NULL, "FFFFFFFTTT"},
	{"any_of", "[\"bio\",\"x\"]", "F???FFT???"},
	{"any_of", "[\"x\",\"y\"]", "F???FFF???"},
	{"any_of", "[\"DE\"]", "T???FFF???"},
	{"any_of", "[7]", "?F???FT???"},
	{"any_of", "[8]", "?F???F????"},
	{"any_of", "[true]", "??T???????"},
	{"all_of", "[\"bio\",\"assay\"]", "F???FFT???"},
	{"all_of", "[\"bio\",\"x\"]", "F???FFF???"},
	{"all_of", "[\"DE\"]", "T???FFF???"},
	{"all_of", "[7]", "?F???FT???"},
	{"all_of", "[7,8]", "?F???F????"},
	{"all_of", "[250,250.0]", "?T???F????"},
	{"under", "\"therapeutic_area:oncology\"", "T???FFT???"},
	{"under", "\"topic:moa\"", "F???FFF???"},
	{"due_within", "[0,30]", "???TF?????"},
	{"due_within", "[30,30]", "???TF?????"},
	{"due_within", "[0,29]", "???FF?????"},
	{"due_within", "[-10000,-1]", "???FT?????"},
	{"older_than", "2132", "???FT?????"},
	{"older_than", "2133", "???FF?????"},
	{"older_than", "0", "???FT?????"},
	{"same_as", "\"account.specialty\"", "T???FFF???"},
	{"differs_from", "\"account.specialty\"", "F???TTT???"},
	{"same_as", "\"attributes.size_text\"", "FT??FFF???"},
	{"same_as", "\"attributes.markets\"", "F???FFF???"},
};

/* A condition and what it is for the lead of the fixture. */
static const struct
{
	const char *json;
	char		truth;
}			conditions[] =

{
	/* facts */
	{"{\"fact\":\"attributes.founded\",\"op\":\"older_than\",\"value\":2132}", 'T'},
	{"{\"fact\":\"attributes.markets\",\"op\":\"same_as\",\"value\":\"attributes.markets_2\"}", 'T'},
	{"{\"fact\":\"attributes.markets\",\"op\":\"differs_from\",\"value\":\"country\"}", 'T'},
	{"{\"fact\":\"attributes.ratio\",\"op\":\"same_as\",\"value\":\"attributes.ratio_2\"}", '?'},
	{"{\"fact\":\"attributes.ratio\",\"op\":\"same_as\",\"value\":\"attributes.size\"}", 'F'},
	{"{\"fact\":\"attributes.ratio\",\"op\":\"=\",\"value\":0.123456}", 'F'},
	{"{\"fact\":\"attributes.ratio\",\"op\":\">=\",\"value\":0.123456}", 'T'},
	{"{\"fact\":\"attributes.ratio\",\"op\":\"<=\",\"value\":0.123456}", 'F'},
	{"{\"fact\":\"attributes.ratio\",\"op\":\"<=\",\"value\":0.123457}", 'T'},
	{"{\"fact\":\"attributes.huge\",\"op\":\">=\",\"value\":4000000000000}", 'T'},
	{"{\"fact\":\"attributes.huge\",\"op\":\"=\",\"value\":4000000000000}", 'F'},
	{"{\"fact\":\"attributes.size_text\",\"op\":\"=\",\"value\":250}", 'T'},
	{"{\"fact\":\"attributes.size\",\"op\":\"same_as\",\"value\":\"country\"}", '?'},
	/* signals */
	{"{\"signal\":\"demo_requested\"}", 'T'},
	{"{\"signal\":\"never_seen\"}", 'F'},
	{"{\"signal\":\"demo_requested\",\"at_least\":4}", 'T'},
	{"{\"signal\":\"demo_requested\",\"at_least\":5}", 'F'},
	{"{\"signal\":\"demo_requested\",\"at_most\":3}", 'F'},
	{"{\"signal\":\"demo_requested\",\"at_least\":4,\"at_most\":4}", 'T'},
	{"{\"signal\":\"demo_requested\",\"at_least\":3,\"within_days\":30}", 'T'},
	{"{\"signal\":\"demo_requested\",\"at_least\":3,\"within_days\":29}", 'F'},
	{"{\"signal\":\"demo_requested\",\"at_least\":1,\"within_days\":0}", 'T'},
	{"{\"signal\":\"demo_requested\",\"at_most\":1,\"within_days\":0}", 'T'},
	{"{\"signal\":\"clinical_evidence_downloaded\",\"at_least\":2}", 'T'},
	{"{\"signal\":\"clinical_evidence_downloaded\",\"at_least\":3}", 'F'},
	{"{\"signal\":\"demo_requested\",\"at_least\":3,\"after\":\"webinar_attended\"}", 'T'},
	{"{\"signal\":\"demo_requested\",\"at_least\":4,\"after\":\"webinar_attended\"}", 'F'},
	{"{\"signal\":\"demo_requested\",\"at_least\":1,\"after\":\"meeting_held\"}", 'T'},
	{"{\"signal\":\"demo_requested\",\"at_least\":2,\"after\":\"webinar_attended\",\"within_days\":2}", 'T'},
	{"{\"signal\":\"demo_requested\",\"at_least\":3,\"after\":\"webinar_attended\",\"within_days\":2}", 'F'},
	{"{\"signal\":\"demo_requested\",\"at_most\":9,\"after\":\"never_seen\"}", 'F'},
	{"{\"signal\":\"demo_requested\",\"at_most\":9,\"after\":\"seen_tomorrow\"}", 'F'},
	{"{\"signal\":\"seen_tomorrow\"}", 'F'},
	{"{\"signal\":\"never_seen\",\"at_most\":0}", 'T'},
	/* what the room answers */
	{"{\"tag\":\"topic:moa\"}", 'T'},
	{"{\"tag\":\"topic:moa\",\"present\":true}", 'T'},
	{"{\"tag\":\"topic:moa\",\"present\":false}", 'F'},
	{"{\"tag\":\"topic:safety\",\"present\":false}", 'T'},
	{"{\"tag\":\"therapeutic_area:oncology\",\"present\":false}", '?'},
	{"{\"tag\":\"topic:moa\",\"interest_at_least\":0.3}", 'T'},
	{"{\"interest\":{\"dimension\":\"topic\",\"value\":\"safety\",\"at_least\":1}}", 'F'},
	{"{\"stage\":[\"new\",\"mql\"]}", 'T'},
	{"{\"stage\":\"engaged\"}", 'F'},
	{"{\"tier\":{\"at_least\":3}}", 'T'},
	{"{\"tier\":{\"at_most\":2}}", 'F'},
	{"{\"tier\":3}", 'T'},
	{"{\"grade\":[\"A1\",\"A2\"]}", 'T'},
	{"{\"score\":{\"dimension\":\"total\",\"at_least\":60.5}}", 'T'},
	{"{\"score\":{\"dimension\":\"total\",\"at_least\":60.51}}", 'F'},
	{"{\"score\":{\"dimension\":\"fit\",\"at_least\":-5,\"at_most\":61}}", 'T'},
	{"{\"consent\":{\"channel\":\"email\",\"purpose\":\"marketing\",\"is\":\"given\"}}", 'F'},
	{"{\"consent\":{\"channel\":\"email\",\"purpose\":\"marketing\",\"is\":[\"confirmed\",\"given\"]}}", '?'},
	{"{\"label\":\"evidence_engaged\"}", 'T'},
	{"{\"handoff\":{\"state\":\"open\"}}", '?'},
	{"{\"campaign\":\"Spring 2026\"}", 'T'},
	{"{\"list\":\"congress_2026\"}", 'T'},
	{"{\"program\":{\"kind\":\"study\",\"on\":[\"therapeutic_area\",\"country\"]}}", 'T'},
	/* together */
	{"{\"all\":[]}", 'T'},
	{"{\"not\":{\"all\":[]}}", 'F'},
	{"{\"not\":{\"not\":{\"tier\":3}}}", 'T'},
	{" { \"all\" : [ {\"tier\":3},\n{\"any\":[{\"tier\":2},{\"label\":\"evidence_engaged\"}]} ] } ", 'T'},
};

/* A condition and its sentence. */
static const char *const sentences[][2] = {
	{"{\"all\":[{\"fact\":\"country\",\"op\":\"in\",\"value\":[\"DE\",\"FR\"]},"
		"{\"signal\":\"clinical_evidence_downloaded\",\"at_least\":2,\"within_days\":30}]}",
	"country is DE or FR, and clinical evidence downloaded at least twice within 30 days"},
	{"{\"not\":{\"fact\":\"country\",\"op\":\"in\",\"value\":[\"DE\",\"FR\"]}}",
	"country is neither DE nor FR"},
	{"{\"fact\":\"country\",\"op\":\"not_in\",\"value\":[\"DE\",\"FR\",\"AT\"]}",
	"country is none of DE, FR and AT"},
	{"{\"fact\":\"country\",\"op\":\"in\",\"value\":[\"DE\",\"FR\",\"AT\"]}",
	"country is DE, FR or AT"},
	{"{\"not\":{\"fact\":\"country\",\"op\":\"not_in\",\"value\":[\"DE\"]}}",
	"country is DE"},
	{"{\"fact\":\"account.specialty\",\"op\":\"=\",\"value\":\"x_y\"}",
	"account specialty is x_y"},
	{"{\"fact\":\"role\",\"op\":\"!=\",\"value\":true}", "role is not true"},
	{"{\"not\":{\"fact\":\"role\",\"op\":\"!=\",\"value\":0}}", "role is 0"},
	{"{\"fact\":\"attributes.size\",\"op\":\"between\",\"value\":[-0.50,1.25e2]}",
	"size is between -0.5 and 125"},
	{"{\"fact\":\"attributes.size\",\"op\":\">=\",\"value\":1000}", "size is at least 1000"},
	{"{\"not\":{\"fact\":\"attributes.size\",\"op\":\">=\",\"value\":1000}}", "size is below 1000"},
	{"{\"not\":{\"fact\":\"attributes.size\",\"op\":\"<=\",\"value\":1}}", "size is above 1"},
	{"{\"fact\":\"role\",\"op\":\"prefix\",\"value\":\"Dr. \"}", "role begins with Dr. "},
	{"{\"not\":{\"fact\":\"role\",\"op\":\"known\"}}", "role is not known"},
	{"{\"fact\":\"role\",\"op\":\"unknown\",\"value\":null}", "role is not known"},
	{"{\"fact\":\"role\",\"op\":\"any_of\",\"value\":[\"a\",\"b\"]}", "role includes a or b"},
	{"{\"not\":{\"fact\":\"role\",\"op\":\"any_of\",\"value\":[\"a\",\"b\",\"c\"]}}", "role includes none of a, b and c"},
	{"{\"fact\":\"role\",\"op\":\"all_of\",\"value\":[\"a\",\"b\",\"c\"]}", "role includes a, b and c"},
	{"{\"not\":{\"fact\":\"role\",\"op\":\"all_of\",\"value\":[\"a\",\"b\"]}}", "role does not include all of a and b"},
	{"{\"fact\":\"role\",\"op\":\"under\",\"value\":\"topic:moa\"}", "role falls under mechanism of action"},
	{"{\"fact\":\"attributes.study_start\",\"op\":\"due_within\",\"value\":[-1,180]}",
	"study start lies between 1 day ago and in 180 days"},
	{"{\"fact\":\"attributes.founded\",\"op\":\"older_than\",\"value\":1}", "founded lies more than 1 day back"},
	{"{\"fact\":\"role\",\"op\":\"differs_from\",\"value\":\"account.specialty\"}", "role differs from account specialty"},
	{"{\"not\":{\"fact\":\"role\",\"op\":\"differs_from\",\"value\":\"country\"}}", "role is the same as country"},
	{"{\"fact\":\"role\",\"op\":\"not_in\",\"value\":[\"a\"]}", "role is not a"},
	{"{\"not\":{\"fact\":\"role\",\"op\":\"due_within\",\"value\":[0,1]}}", "role does not lie between today and in 1 day"},
	{"{\"not\":{\"stage\":[\"new\",\"sal\"]}}", "stage is neither new nor sal"},
	{"{\"not\":{\"stage\":[\"new\",\"sal\",\"sql\"]}}", "stage is none of new, sal and sql"},
	{"{\"signal\":\"demo_requested\"}", "demo requested at least once"},
	{"{\"signal\":\"demo_requested\",\"at_most\":0,\"within_days\":0}", "demo requested not at all today"},
	{"{\"signal\":\"demo_requested\",\"at_least\":3,\"at_most\":3}", "demo requested exactly 3 times"},
	{"{\"signal\":\"demo_requested\",\"at_least\":2,\"at_most\":3,\"within_days\":1}", "demo requested between 2 and 3 times within 1 day"},
	{"{\"signal\":\"demo_requested\",\"at_least\":0,\"at_most\":3}", "demo requested at most 3 times"},
	{"{\"not\":{\"signal\":\"demo_requested\",\"after\":\"meeting_held\"}}", "not (demo requested at least once since the last meeting held)"},
	{"{\"tag\":\"topic:moa\",\"present\":false}", "not tagged mechanism of action"},
	{"{\"not\":{\"tag\":\"topic:safety\",\"present\":false}}", "tagged topic:safety"},
	{"{\"tag\":\"topic:moa\",\"interest_at_least\":0.305}", "interest in mechanism of action is at least 30.5 %"},
	{"{\"stage\":[\"mql\",\"sql\"]}", "stage is MQL or sql"},
	{"{\"not\":{\"stage\":[\"mql\"]}}", "stage is not MQL"},
	{"{\"tier\":{\"at_least\":3}}", "tier is at least 3"},
	{"{\"tier\":4}", "tier is 4"},
	{"{\"not\":{\"tier\":{\"at_least\":1,\"at_most\":2}}}", "tier is not between 1 and 2"},
	{"{\"grade\":[\"A1\",\"A2\",\"B1\"]}", "grade is A1, A2 or B1"},
	{"{\"score\":{\"dimension\":\"total\",\"at_least\":60}}", "total score is at least 60"},
	{"{\"score\":{\"dimension\":\"fit\",\"at_most\":-0.05}}", "fit score is at most -0.05"},
	{"{\"consent\":{\"channel\":\"email\",\"purpose\":\"marketing\",\"is\":\"given\"}}", "consent to email for marketing is given"},
	{"{\"label\":\"evidence_engaged\"}", "labelled evidence engaged"},
	{"{\"not\":{\"list\":\"congress_2026\"}}", "not on list congress 2026"},
	{"{\"handoff\":{\"state\":\"open\"}}", "hand-off is open"},
	{"{\"campaign\":[\"a\",\"b\"]}", "campaign is a or b"},
	{"{\"not\":{\"campaign\":{\"latest\":\"a\"}}}", "latest campaign is not a"},
	{"{\"program\":{\"kind\":\"study\",\"on\":[\"therapeutic_area\",\"country\",\"phase\"]}}",
	"an open study matches on therapeutic area, country and phase"},
	{"{\"not\":{\"program\":{\"kind\":\"study\",\"on\":\"phase\"}}}", "no open study matches on phase"},
	{"{\"all\":[]}", "always"},
	{"{\"not\":{\"all\":[]}}", "never"},
	{"{\"all\":[{\"any\":[{\"tier\":1},{\"tier\":2}]},{\"not\":{\"all\":[{\"tier\":3},{\"tier\":4}]}}]}",
	"(tier is 1, or tier is 2), and not (tier is 3, and tier is 4)"},
	{"{\"any\":[{\"all\":[{\"not\":{\"any\":[{\"tier\":1}]}}]}]}", "tier is not 1"},
};

/* Decimal text and its code; "" when it is no number. */
static const char *const numbers[][2] = {
	{"0", "0"}, {"-0", "0"}, {"1", "2000000"}, {"-1", "-2000000"},
	{"+1", "2000000"}, {"1.", "2000000"}, {".5", "1000000"}, {" 7\t", "14000000"},
	{"0.000001", "2"}, {"0.0000001", "1"}, {"-0.0000001", "-1"},
	{"-0.0000015", "-3"}, {"0.0000019", "3"}, {"0.0000010", "2"},
	{"1e3", "2000000000"}, {"1E-6", "2"}, {"1e-7", "1"}, {"12.5e+1", "250000000"},
	{"0e999999999999", "0"}, {"1e-999999999999", "1"},
	{"1e999999999999", "8000000000000000001"},
	{"-1e20", "-8000000000000000001"},
	{"4000000000000", "8000000000000000000"},
	{"4000000000000.0000001", "8000000000000000001"},
	{"-4000000000000", "-8000000000000000000"},
	{"3999999999999.999999", "7999999999999999998"},
	{"3999999999999.9999995", "7999999999999999999"},
	{"99999999999999999999999", "8000000000000000001"},
	{"000000000000000000000000000012", "24000000"},
	{"0.00000000000000000000000000012", "1"},
	{"0.00000000000000000000000000012e26", "24000"},
	{"120000000000000000000000000000e-28", "24000000"},
	{"", ""}, {"-", ""}, {".", ""}, {"e5", ""}, {"1e", ""}, {"1e+", ""},
	{"1.2.3", ""}, {"NaN", ""}, {"Infinity", ""}, {"-inf", ""}, {"0x10", ""},
	{"1 2", ""}, {"1,5", ""}, {"--1", ""}, {"12a", ""}, {"1e5x", ""}, {"1_000", ""},
};

/* Compiles, saying why if that fails. */
static Condition *
compile(const char *json)
{
	CondError	error;
	Condition  *c = nurture_cond_compile(json, strlen(json),
										 &fixture_vocabulary, &arena, &error);

	if (c == NULL)
		printf("%s\n\t%s: %s %s\n", json, error.path, error.message, error.hint);
	return c;
}

/* Answers the letter of a truth value. */
static char
letter(NurtureTruth t)
{
	return t == NURTURE_TRUE ? 'T' : t == NURTURE_FALSE ? 'F' : '?';
}

/* Every operator on every type of fact, in both forms. */
static void
test_operators(void)
{
	for (size_t r = 0; r < sizeof(operator_rows) / sizeof(operator_rows[0]); r++)
	{
		const char *op = operator_rows[r][0];
		const char *operand = operator_rows[r][1];

		for (size_t f = 0; f < sizeof(columns) / sizeof(columns[0]); f++)
		{
			char		json[512];
			char		expected = operator_rows[r][2][f];
			char		got = '-';
			CondError	error;
			Condition  *c;

			snprintf(json, sizeof(json), "{\"fact\":\"%s\",\"op\":\"%s\"%s%s}",
					 columns[f], op, operand != NULL ? ",\"value\":" : "",
					 operand != NULL ? operand : "");
			c = compile(json);
			if (c != NULL)
				got = letter(nurture_cond_eval(c, &fixture_source));
			if (got != expected)
				printf("%s is %c, expected %c\n", json, got, expected);
			CHECK(got == expected);
			c = nurture_cond_compile_fact(columns[f], strlen(columns[f]), op,
										  strlen(op), operand,
										  operand != NULL ? strlen(operand) : 0,
										  &fixture_vocabulary, &arena, &error);
			CHECK(c != NULL &&
				  letter(nurture_cond_eval(c, &fixture_source)) == expected);
			fixture_reset(&blocks);
		}
	}
}

/* Whole conditions. */
static void
test_conditions(void)
{
	for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++)
	{
		Condition  *c = compile(conditions[i].json);
		char		got = '-';

		if (c != NULL)
			got = letter(nurture_cond_eval(c, &fixture_source));
		if (got != conditions[i].truth)
			printf("%s is %c, expected %c\n", conditions[i].json, got,
				   conditions[i].truth);
		CHECK(got == conditions[i].truth);
		fixture_reset(&blocks);
	}
}

/* Counts what explain shows, and the sum of the numbers of its terms. */
static void
count_term(void *arg, const CondTerm *term, NurtureTruth truth)
{
	int		   *seen = arg;

	CHECK(term->number == seen[3]);
	seen[truth]++;
	seen[3]++;
}

/* Counts terms. */
static void
count_visit(void *arg, const CondTerm *term)
{
	CHECK(term->number == *(int *) arg);
	++*(int *) arg;
}

/* CondSource.signal_count of a source that cannot tell. */
static int64_t
count_unknown(void *ctx, int signal, int32_t from_day, int32_t to_day)
{
	(void) ctx;
	(void) signal;
	(void) from_day;
	(void) to_day;
	return -1;
}

/* CondSource.signal_count that wants its days in order. */
static int64_t
count_ordered(void *ctx, int signal, int32_t from_day, int32_t to_day)
{
	(void) ctx;
	return from_day <= to_day ? signal + 1 : 0;
}

/* Shows each term by itself. */
static void
print_visit(void *arg, const CondTerm *term)
{
	char	   *words = arg;

	nurture_cond_print_term(term, &fixture_vocabulary, words + strlen(words), 100);
	strcat(words, "; ");
	CHECK(nurture_cond_eval_term(term, &fixture_source) ==
		  (term->number == 0 ? NURTURE_FALSE : NURTURE_TRUE));
}

/* Keeps the last term. */
static void
keep_visit(void *arg, const CondTerm *term)
{
	*(const CondTerm **) arg = term;
}

/* Answers the only term of a document. */
static const CondTerm *
term_of(const char *json)
{
	const CondTerm *term = NULL;

	nurture_cond_visit_terms(compile(json), keep_visit, &term);
	return term;
}

/* What rooms read in a term. */
static void
test_terms(void)
{
	const CondTerm *t;

	t = term_of("{\"program\":{\"kind\":\"product\",\"on\":[\"country\",\"therapeutic_area\"]}}");
	CHECK(t->kind == COND_TERM_PROGRAM && t->subject.id == 1 && t->fields == 9);
	CHECK(t->op == COND_OP_NONE && t->other.id == -1 && t->within_days == -1);
	CHECK(t->nwords == 2 && t->words[0].id == 3 && t->word_kind == COND_NAME_PROGRAM_FIELD);
	t = term_of("{\"consent\":{\"channel\":\"phone\",\"purpose\":\"medical\",\"is\":[\"given\",\"renewed\"]}}");
	CHECK(t->kind == COND_TERM_CONSENT && t->subject.id == 1 && t->other.id == 1);
	CHECK(t->nwords == 2 && t->words[1].id == 7);
	t = term_of("{\"score\":{\"dimension\":\"intent\",\"at_most\":29.99}}");
	CHECK(t->subject.id == 1 && t->low == NURTURE_COND_OPEN_LOW && t->high == 2999);
	t = term_of("{\"interest\":{\"dimension\":\"topic\",\"value\":\"safety\",\"at_least\":0.3}}");
	CHECK(t->kind == COND_TERM_INTEREST && t->subject.id == 1 && t->low == 300000);
	CHECK(t->subject.name.len == 12 && memcmp(t->subject.name.ptr, "topic:safety", 12) == 0);
	t = term_of("{\"signal\":\"meeting_held\",\"after\":\"never_seen\",\"within_days\":7,\"at_most\":2}");
	CHECK(t->subject.id == 4 && t->other.id == 3 && t->within_days == 7);
	CHECK(t->low == NURTURE_COND_OPEN_LOW && t->high == 2);
	t = term_of("{\"campaign\":[\"Spring\"]}");
	CHECK(!t->latest && t->words[0].name.len == 6 && memcmp(t->words[0].name.ptr, "Spring", 6) == 0);
	t = term_of("{\"campaign\":{\"latest\":[\"Spring\",\"Autumn\"]}}");
	CHECK(t->kind == COND_TERM_CAMPAIGN && t->latest && t->nwords == 2);
	t = term_of("{\"fact\":\"role\",\"op\":\"in\",\"value\":[9,8,7,6,5,4,3,2,1]}");
	CHECK(t->nvalues == 9 && t->values[0].number == 18000000 && t->sorted[0].number == 2000000);
	t = term_of("{\"fact\":\"role\",\"op\":\"=\",\"value\":\"1970-01-02\"}");
	CHECK(t->values[0].kind == COND_OPERAND_DAY && t->values[0].day == 1 && t->sorted == NULL);
	t = term_of("{\"fact\":\"role\",\"op\":\"due_within\",\"value\":[-3,4]}");
	CHECK(t->op == COND_OP_DUE_WITHIN && t->from_day == -3 && t->to_day == 4);
	t = term_of("{\"tag\":\"topic:moa\",\"present\":false}");
	CHECK(t->kind == COND_TERM_TAG && t->absent);
	t = term_of("{\"tier\":2}");
	CHECK(t->low == 2 && t->high == 2);
	fixture_reset(&blocks);
}

/* Terms one by one, and the closed vocabularies. */
static void
test_pieces(void)
{
	char		words[300] = "";
	static const CondNameKind closed[] = {
		COND_NAME_GRADE, COND_NAME_CONSENT_STATE, COND_NAME_PROGRAM_KIND,
		COND_NAME_PROGRAM_FIELD, COND_NAME_DIMENSION, COND_NAME_HANDOFF_STATE
	};

	nurture_cond_visit_terms(compile("{\"not\":{\"any\":[{\"tier\":2},{\"stage\":\"new\"}]}}"),
							 print_visit, words);
	CHECK(strcmp(words, "tier is 2; stage is new; ") == 0);
	for (size_t k = 0; k < sizeof(closed) / sizeof(closed[0]); k++)
	{
		const char *name;
		int			id = 0;

		for (; (name = nurture_cond_standard_name(closed[k], id)) != NULL; id++)
			CHECK(nurture_cond_standard_lookup(closed[k], name, strlen(name)) == id);
		CHECK(id >= 3);
		CHECK(nurture_cond_standard_lookup(closed[k], "", 0) == COND_LOOKUP_UNKNOWN);
	}
	CHECK(nurture_cond_standard_lookup(COND_NAME_FACT, "x", 1) == COND_LOOKUP_NO_TABLE);
	CHECK(nurture_cond_standard_name(COND_NAME_FACT, 0) == NULL);
	fixture_reset(&blocks);
}

/* Kleene's tables, and that nothing a source leaves out is guessed. */
static void
test_kleene(void)
{
	static const char *const terms[] = {
		"{\"label\":\"high_intent\"}", "{\"label\":\"evidence_engaged\"}",
		"{\"fact\":\"role\",\"op\":\"=\",\"value\":\"x\"}"
	};
	static const char and[] = "FFFFT?F??";
	static const char or[] = "FT?TTT?T?";
	CondSource	empty = {.today = FIXTURE_TODAY};
	char		json[512];
	int			seen[4] = {0};
	int			n = 0;
	Condition  *c;

	for (int a = 0; a < 3; a++)
	{
		snprintf(json, sizeof(json), "{\"not\":%s}", terms[a]);
		c = compile(json);
		CHECK(letter(nurture_cond_eval(c, &fixture_source)) == "TF?"[a]);
		CHECK(letter(nurture_truth_not((NurtureTruth) a)) == "TF?"[a]);
		for (int b = 0; b < 3; b++)
		{
			snprintf(json, sizeof(json), "{\"all\":[%s,%s]}", terms[a], terms[b]);
			c = compile(json);
			CHECK(letter(nurture_cond_eval(c, &fixture_source)) == and[a * 3 + b]);
			CHECK(letter(nurture_truth_and((NurtureTruth) a, (NurtureTruth) b)) ==
				  and[a * 3 + b]);
			snprintf(json, sizeof(json), "{\"any\":[%s,%s]}", terms[a], terms[b]);
			c = compile(json);
			CHECK(letter(nurture_cond_eval(c, &fixture_source)) == or[a * 3 + b]);
			CHECK(letter(nurture_truth_or((NurtureTruth) a, (NurtureTruth) b)) ==
				  or[a * 3 + b]);
		}
	}
	snprintf(json, sizeof(json), "{\"any\":[%s,{\"all\":[%s,%s]},%s]}", terms[1],
			 terms[0], terms[2], terms[2]);
	c = compile(json);
	CHECK(nurture_cond_eval_explain(c, &fixture_source, count_term, seen) ==
		  NURTURE_TRUE);
	CHECK(seen[0] == 1 && seen[1] == 1 && seen[2] == 2);
	nurture_cond_visit_terms(c, count_visit, &n);
	CHECK(n == 4 && nurture_cond_term_count(c) == 4);

	CHECK(nurture_cond_eval(compile("{\"fact\":\"country\",\"op\":\"=\",\"value\":\"DE\"}"), &empty) == NURTURE_UNKNOWN);
	CHECK(nurture_cond_eval(compile("{\"fact\":\"country\",\"op\":\"known\"}"), &empty) == NURTURE_FALSE);
	CHECK(nurture_cond_eval(compile("{\"signal\":\"demo_requested\"}"), &empty) == NURTURE_UNKNOWN);
	CHECK(nurture_cond_eval(compile("{\"tier\":3}"), &empty) == NURTURE_UNKNOWN);
	empty.signal_count = fixture_count;
	CHECK(nurture_cond_eval(compile("{\"signal\":\"demo_requested\"}"), &empty) == NURTURE_TRUE);
	CHECK(nurture_cond_eval(compile("{\"signal\":\"demo_requested\",\"after\":\"meeting_held\"}"), &empty) == NURTURE_UNKNOWN);
	empty.today = INT32_MIN + 3;
	empty.signal_count = count_ordered;
	CHECK(nurture_cond_eval(compile("{\"signal\":\"demo_requested\",\"within_days\":9}"), &empty) == NURTURE_TRUE);
	empty.today = FIXTURE_TODAY;
	empty.signal_count = count_unknown;
	CHECK(nurture_cond_eval(compile("{\"signal\":\"demo_requested\",\"at_most\":3}"), &empty) == NURTURE_UNKNOWN);
	empty.fact = fixture_fact;
	CHECK(nurture_cond_eval(compile("{\"fact\":\"country\",\"op\":\"under\",\"value\":\"topic:moa\"}"), &empty) == NURTURE_UNKNOWN);
	fixture_reset(&blocks);
}

/* Sentences, and that a short buffer holds their beginning. */
static void
test_sentences(void)
{
	for (size_t i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++)
	{
		Condition  *c = compile(sentences[i][0]);
		const char *expected = sentences[i][1];
		char		words[512] = "";
		char		start[8];
		size_t		len = 0;

		if (c != NULL)
			len = nurture_cond_print(c, &fixture_vocabulary, words, sizeof(words));
		if (strcmp(words, expected) != 0)
			printf("got      %s\nexpected %s\n", words, expected);
		CHECK(strcmp(words, expected) == 0);
		CHECK(len == strlen(expected));
		CHECK(c != NULL && nurture_cond_print(c, &fixture_vocabulary, start, sizeof(start)) == len);
		CHECK(strncmp(start, expected, 7) == 0 && strlen(start) == (len < 7 ? len : 7));
		CHECK(c != NULL && nurture_cond_print(c, NULL, NULL, 0) > 0);
		fixture_reset(&blocks);
	}
}

/* Numbers as codes. */
static void
test_numbers(void)
{
	int64_t		code;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
	{
		char		got[32] = "";

		if (nurture_cond_number(numbers[i][0], strlen(numbers[i][0]), &code))
			snprintf(got, sizeof(got), "%lld", (long long) code);
		if (strcmp(got, numbers[i][1]) != 0)
			printf("%s is %s, expected %s\n", numbers[i][0], got, numbers[i][1]);
		CHECK(strcmp(got, numbers[i][1]) == 0);
	}
	CHECK(nurture_cond_number_of_int(-3) == -6000000);
	CHECK(nurture_cond_number_of_int(4000000000000) == NURTURE_COND_NUMBER_MAX);
	CHECK(nurture_cond_number_of_int(4000000000001) == NURTURE_COND_NUMBER_MAX + 1);
	CHECK(nurture_cond_number_of_int(INT64_MIN) == -NURTURE_COND_NUMBER_MAX - 1);
	CHECK(nurture_cond_number_of_int(INT64_MAX) == NURTURE_COND_NUMBER_MAX + 1);
}

int
main(void)
{
	test_operators();
	test_conditions();
	test_kleene();
	test_pieces();
	test_terms();
	test_sentences();
	test_numbers();
	printf("%d passed, %d failed\n", passed, failed);
	return failed != 0;
}
