/*
 * condition_random_test.c
 *	  Random conditions for random leads, against the evaluator of
 *	  condition_naive.h.
 *
 * NURTURE_SEED repeats a run; NURTURE_CASES sets its length.
 */
#include "condition_naive.h"

#define CONDITIONS		3000	/* random conditions ... */
#define LEADS			10		/* ... each for so many leads */

static const char *const program_values[PROGRAM_VALUES] = {"FR", "phase_2", ""};
static const char *const program_kinds[] = {"study", "product", "partnership"};
static const char *const program_fields[] = {
	"therapeutic_area", "phase", "modality", "country", "site_type"
};

static uint64_t state;
static int	nnodes;
static ProgramIndex *index_of_programs;
static int	failed;

/* Answers a random number below n (splitmix64). */
static int
draw(int n)
{
	uint64_t	z = state += UINT64_C(0x9E3779B97F4A7C15);

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return (int) ((z ^ (z >> 31)) % (uint64_t) n);
}

/* Writes the date of a day from 2026-01-01, counting month by month. */
static void
write_day(int day, char *out)
{
	int			year = 2026;
	int			month = 1;

	while (day < 0)
	{
		year--;
		day += year % 4 == 0 ? 366 : 365;
	}
	for (;;)
	{
		int			last = 31;

		if (month == 2)
			last = year % 4 == 0 ? 29 : 28;
		else if (month == 4 || month == 6 || month == 9 || month == 11)
			last = 30;
		if (day < last)
			break;
		day -= last;
		if (++month > 12)
		{
			month = 1;
			year++;
		}
	}
	sprintf(out, "%04d-%02d-%02d", year % 10000, month % 100, day + 1);
}

/* Answers a number of few different values, close to each other. */
static int64_t
random_tiny(bool operand)
{
	static const int64_t some[] = {0, 10000000, 20000000, 2500000000, -10000000,
	INT64_C(9000000000000000000)};
	int64_t		n = some[draw(6)];

	if (draw(3) == 0)
		n += operand ? 10 * (draw(3) - 1) : draw(21) - 10;
	return n;
}

/* Writes a number in one of the ways decimal text allows. */
static void
write_number(int64_t tiny, char *out)
{
	int64_t		size = tiny < 0 ? -tiny : tiny;

	switch (draw(3))
	{
		case 0:
			sprintf(out, "%s%lld.%07lld", tiny < 0 ? "-" : "",
					(long long) (size / 10000000), (long long) (size % 10000000));
			break;
		case 1:
			sprintf(out, "%llde-7", (long long) tiny);
			break;
		default:
			sprintf(out, "%s0.%019lldE+12", tiny < 0 ? "-" : "", (long long) size);
	}
	if (strncmp(out, "0e", 2) == 0 && draw(2) == 0)
		strcpy(out, "-0");
}

/* Makes a text; a fact's may be blank or have blanks at its ends. */
static void
random_text(Text *t, bool fact, int kind)
{
	static const char *const words[] = {"DE", "FR", "D", "de", "DEX", "assay", "\xc3\xa9"};

	t->kind = kind >= 0 ? (TextKind) kind : (TextKind) (draw(fact ? 4 : 3) + (fact ? 0 : 1));
	t->bare[0] = '\0';
	switch (t->kind)
	{
		case TEXT_BLANK:
			break;
		case TEXT_WORD:
			strcpy(t->bare, words[draw(7)]);
			break;
		case TEXT_NUMBER:
			t->tiny = random_tiny(false);
			write_number(t->tiny, t->bare);
			break;
		case TEXT_DAY:
			t->day = draw(7) == 0 ? draw(800) - 400 : draw(5) - 2;
			write_day(t->day, t->bare);
			break;
	}
	sprintf(t->s, "%s%s%s", fact && draw(3) == 0 ? " \t" : "", t->bare,
			fact && draw(3) == 0 ? "\n" : "");
}

/* Makes a lead. */
static void
random_lead(void)
{
	for (int f = 0; f < FACTS; f++)
	{
		Fact	   *fact = &lead.facts[f];

		fact->kind = (FactKind) draw(6);
		random_text(&fact->text, true, -1);
		fact->tiny = random_tiny(false);
		fact->truth = draw(2);
		fact->day = draw(7) - 3;
		fact->nitems = draw(MAX_ITEMS + 1);
		for (int i = 0; i < MAX_ITEMS; i++)
		{
			random_text(&fact->items[i], true, 1 + draw(3));
			fact->views[i] = fixture_text(fact->items[i].s);
		}
	}
	for (int s = 0; s < SIGNALS; s++)
	{
		lead.ndays[s] = draw(MAX_DAYS + 1);
		for (int i = 0; i < lead.ndays[s]; i++)
			lead.days[s][i] = draw(12) - 9;
	}
	for (int i = 0; i < 2; i++)
		lead.labels[i] = (NurtureTruth) draw(3);
	for (int i = 0; i < 4; i++)
		lead.tags[i] = (NurtureTruth) draw(3);
	lead.listed = draw(2);
	for (int f = 0; f < NURTURE_PROGRAM_FIELDS; f++)
		lead.fits[f] = (unsigned) (draw(3) == 0 ? 0 : draw(1 << PROGRAM_VALUES));
}

/* Makes programmes and their index. */
static void
random_programs(CoreArena *arena)
{
	static CondText values[PROGRAMS][NURTURE_PROGRAM_FIELDS][PROGRAM_VALUES + 1];
	ProgramSpec specs[PROGRAMS];

	for (int i = 0; i < PROGRAMS; i++)
	{
		programs[i].kind = draw(3);
		programs[i].open = draw(4) > 0;
		specs[i].kind = programs[i].kind;
		specs[i].from = programs[i].open ? 5 : 6;
		specs[i].until = 7;
		for (int f = 0; f < NURTURE_PROGRAM_FIELDS; f++)
		{
			unsigned	names = (unsigned) draw(1 << PROGRAM_VALUES);
			int			n = 0;

			if (draw(8) == 0)
				names |= 1 << PROGRAM_VALUES;
			programs[i].names[f] = names;
			for (int v = 0; v <= PROGRAM_VALUES; v++)
			{
				if (names >> v & 1)
					values[i][f][n++] = fixture_text(v == PROGRAM_VALUES ? "*" : program_values[v]);
			}
			specs[i].nvalues[f] = n;
			specs[i].values[f] = values[i][f];
		}
	}
	index_of_programs = nurture_program_index(specs, PROGRAMS, arena);
}

/* Makes a value of a type; texts of this kind, -1 for any. */
static void
random_value(Value *v, char type, int kind)
{
	v->type = type;
	random_text(&v->text, false, kind);
	v->tiny = random_tiny(true);
	v->truth = draw(2);
}

/* Makes a fact term. */
static void
random_fact(Node *n)
{
	static const char *const ops[] = {
		"=", "!=", "in", "not_in", "between", ">=", "<=", "prefix", "known",
		"unknown", "any_of", "all_of", "under", "due_within", "older_than",
		"same_as", "differs_from"
	};
	int			op = draw(17);
	char		type = "ttnnb"[draw(5)];
	int			kind = draw(2) ? -1 : (int) TEXT_DAY;

	n->id = draw(FACTS);
	n->op = ops[op];
	n->other = -1;
	n->nvalues = 1;
	if (op == 2 || op == 3 || op == 10 || op == 11)
		n->nvalues = 1 + (draw(4) ? draw(3) : draw(MAX_VALUES));
	if (op == 4)
		n->nvalues = 2;
	if ((op == 4 || op == 5 || op == 6) && type == 'b')
		type = 'n';
	if (op == 7)
		type = 't';
	if (op == 8 || op == 9 || op >= 12)
		n->nvalues = 0;
	for (int i = 0; i < n->nvalues; i++)
		random_value(&n->values[i], type, kind);
	if (op == 4 && naive_order(&n->values[0], &n->values[1], all_days(n)) > 0)
	{
		Value		v = n->values[0];

		n->values[0] = n->values[1];
		n->values[1] = v;
	}
	n->from = op == 14 ? draw(4) : draw(6) - 3;
	n->to = n->from + draw(3);
	if (op == 12)
		n->other = 2;
	if (op >= 15)
		n->other = (n->id + 1 + draw(FACTS - 1)) % FACTS;
}

/* Makes a node and what is below it. */
static int
random_node(int depth)
{
	int			at = nnodes++;
	Node	   *n = &nodes[at];

	memset(n, 0, sizeof(*n));
	n->kind = (NodeKind) (depth < 4 && nnodes < MAX_NODES - 20 ? draw(9) : 3 + draw(6));
	if (depth == 0 && draw(2))
		n->kind = NODE_FACT;
	switch (n->kind)
	{
		case NODE_ALL:
		case NODE_ANY:
			n->nchildren = n->kind == NODE_ALL ? draw(4) : 1 + draw(3);
			break;
		case NODE_NOT:
			n->nchildren = 1;
			break;
		case NODE_FACT:
			random_fact(n);
			break;
		case NODE_SIGNAL:
			n->id = draw(SIGNALS);
			n->low = draw(2) ? draw(4) : -1;
			n->high = n->low == 0 || draw(3) == 0 ? n->low + draw(4) + (n->low < 0) : -1;
			n->within = draw(2) ? draw(8) : -1;
			n->other = draw(2) ? draw(SIGNALS) : -1;
			break;
		case NODE_LABEL:
			n->id = draw(2);
			break;
		case NODE_TAG:
			n->id = draw(4);
			n->present = draw(2);
			break;
		case NODE_LIST:
			break;
		case NODE_PROGRAM:
			n->id = draw(3);
			n->fields = (unsigned) (1 + draw((1 << NURTURE_PROGRAM_FIELDS) - 1));
			break;
	}
	for (int i = 0; i < n->nchildren; i++)
		n->children[i] = random_node(depth + 1);
	return at;
}

/* Writes a value as JSON. */
static char *
write_value(const Value *v, char *to)
{
	if (v->type == 't')
		return to + sprintf(to, "\"%s\"", v->text.bare);
	if (v->type == 'b')
		return to + sprintf(to, v->truth ? "true" : "false");
	write_number(v->tiny, to);
	return to + strlen(to);
}

/* Writes a node as JSON. */
static char *
write_node(int at, char *to)
{
	static const char *const words[] = {"all", "any", "not"};
	const Node *n = &nodes[at];

	switch (n->kind)
	{
		case NODE_ALL:
		case NODE_ANY:
		case NODE_NOT:
			to += sprintf(to, "{\"%s\": %s", words[n->kind], n->kind == NODE_NOT ? "" : "[");
			for (int i = 0; i < n->nchildren; i++)
			{
				to += sprintf(to, i > 0 ? ", " : "");
				to = write_node(n->children[i], to);
			}
			return to + sprintf(to, n->kind == NODE_NOT ? "}" : "]}");
		case NODE_FACT:
			to += sprintf(to, "{\"op\":\"%s\",\"fact\":\"%s\"", n->op, fixture_facts[n->id]);
			if (strcmp(n->op, "under") == 0)
				to += sprintf(to, ",\"value\":\"%s\"", fixture_tags[n->other]);
			else if (n->other >= 0)
				to += sprintf(to, ",\"value\":\"%s\"", fixture_facts[n->other]);
			else if (strcmp(n->op, "due_within") == 0)
				to += sprintf(to, ",\"value\":[%d,%d]", n->from, n->to);
			else if (strcmp(n->op, "older_than") == 0)
				to += sprintf(to, ",\"value\":%d", n->from);
			else if (n->nvalues > 0)
			{
				bool		list = strchr("iban", n->op[0]) != NULL;

				to += sprintf(to, ",\"value\":%s", list ? "[" : "");
				for (int i = 0; i < n->nvalues; i++)
				{
					to += sprintf(to, i > 0 ? "," : "");
					to = write_value(&n->values[i], to);
				}
				to += sprintf(to, list ? "]" : "");
			}
			return to + sprintf(to, "}");
		case NODE_SIGNAL:
			to += sprintf(to, "{\"signal\":\"%s\"", fixture_signals[n->id]);
			if (n->low >= 0)
				to += sprintf(to, ",\"at_least\":%d", n->low);
			if (n->high >= 0)
				to += sprintf(to, ",\"at_most\":%d", n->high);
			if (n->within >= 0)
				to += sprintf(to, ",\"within_days\":%d", n->within);
			if (n->other >= 0)
				to += sprintf(to, ",\"after\":\"%s\"", fixture_signals[n->other]);
			return to + sprintf(to, "}");
		case NODE_LABEL:
			return to + sprintf(to, "{\"label\":\"%s\"}", fixture_labels[n->id]);
		case NODE_TAG:
			return to + sprintf(to, "{\"tag\":\"%s\",\"present\":%s}", fixture_tags[n->id],
								n->present ? "true" : "false");
		case NODE_LIST:
			return to + sprintf(to, "{\"list\":\"%s\"}", fixture_lists[0]);
		case NODE_PROGRAM:
			to += sprintf(to, "{\"program\":{\"on\":[");
			for (int f = 0, some = 0; f < NURTURE_PROGRAM_FIELDS; f++)
			{
				if (n->fields >> f & 1)
					to += sprintf(to, "%s\"%s\"", some++ ? "," : "", program_fields[f]);
			}
			return to + sprintf(to, "],\"kind\":\"%s\"}}", program_kinds[n->id]);
	}
	return to;
}

/* CondSource.fact. */
static void
lead_fact(void *ctx, int fact, CondValue *out)
{
	const Fact *f = &lead.facts[fact];
	char		decimal[40];

	(void) ctx;
	out->kind = (CondValueKind) f->kind;
	out->text = fixture_text(f->text.s);
	out->truth = f->truth;
	out->day = FIXTURE_TODAY + f->day;
	out->items = f->views;
	out->nitems = f->nitems;
	sprintf(decimal, "%llde-7", (long long) f->tiny);
	nurture_cond_number(decimal, strlen(decimal), &out->number);
}

/* CondSource.signal_count. */
static int64_t
lead_count(void *ctx, int signal, int32_t from_day, int32_t to_day)
{
	int64_t		n = 0;

	(void) ctx;
	for (int i = 0; i < lead.ndays[signal]; i++)
		n += FIXTURE_TODAY + lead.days[signal][i] >= from_day &&
			FIXTURE_TODAY + lead.days[signal][i] <= to_day;
	return n;
}

/* CondSource.signal_last. */
static int32_t
lead_last(void *ctx, int signal)
{
	int32_t		last = NURTURE_COND_EVER;

	(void) ctx;
	for (int i = 0; i < lead.ndays[signal]; i++)
	{
		if (FIXTURE_TODAY + lead.days[signal][i] > last)
			last = FIXTURE_TODAY + lead.days[signal][i];
	}
	return last;
}

/* Asks the index about the lead. */
static NurtureTruth
lead_program(const CondTerm *term)
{
	CondText	values[NURTURE_PROGRAM_FIELDS][PROGRAM_VALUES];
	ProgramLead fits;

	for (int f = 0; f < NURTURE_PROGRAM_FIELDS; f++)
	{
		fits.nvalues[f] = 0;
		fits.values[f] = values[f];
		for (int v = 0; v < PROGRAM_VALUES; v++)
		{
			if (lead.fits[f] >> v & 1)
				values[f][fits.nvalues[f]++] = fixture_text(program_values[v]);
		}
	}
	return nurture_program_match(index_of_programs, term->subject.id,
								 term->fields, &fits, 5);
}

/* CondSource.other. */
static NurtureTruth
lead_other(void *ctx, const CondTerm *term)
{
	(void) ctx;
	switch (term->kind)
	{
		case COND_TERM_LABEL:
			return lead.labels[term->subject.id];
		case COND_TERM_LIST:
			return lead.listed ? NURTURE_TRUE : NURTURE_FALSE;
		case COND_TERM_PROGRAM:
			return lead_program(term);
		default:
			return lead.tags[term->subject.id];
	}
}

/* Explain needs no more here than to visit. */
static void
ignore(void *arg, const CondTerm *term, NurtureTruth truth)
{
	(void) term;
	(void) truth;
	++*(int *) arg;
}

int
main(void)
{
	static FixtureArena blocks;
	static char json[65536];
	CoreArena	arena = {fixture_alloc, &blocks};
	const char *setting = getenv("NURTURE_SEED");
	uint64_t	seed = setting != NULL ? strtoull(setting, NULL, 10) : 20260101;
	int			conditions = CONDITIONS;
	int			seen[3] = {0};
	int			possible[3] = {0};
	long		cases = 0;

	setting = getenv("NURTURE_CASES");
	if (setting != NULL)
		conditions = atoi(setting) / LEADS;
	printf("seed %llu\n", (unsigned long long) seed);
	state = seed;
	for (int i = 0; i < conditions && failed < 10; i++)
	{
		CondError	error;
		Condition  *c;
		NurtureTruth can;

		nnodes = 0;
		random_node(0);
		random_programs(&arena);
		write_node(0, json);
		c = nurture_cond_compile(json, strlen(json), &fixture_vocabulary,
								 &arena, &error);
		if (c == NULL)
		{
			failed++;
			printf("%s\n  refused: %s: %s\n", json, error.path, error.message);
			fixture_reset(&blocks);
			continue;
		}
		can = nurture_cond_possible(c, NULL, &arena);
		possible[can]++;
		for (int j = 0; j < LEADS; j++)
		{
			CondSource	source = {NULL, 0, lead_fact, lead_count, lead_last,
			lead_other, fixture_under};
			NurtureTruth truth;
			int			visits = 0;
			int			expected;

			random_lead();
			today = draw(7) - 3;
			source.today = (int32_t) (FIXTURE_TODAY + today);
			truth = nurture_cond_eval(c, &source);
			expected = naive(0);
			seen[expected]++;
			cases++;
			if (truth == NURTURE_TRUE && can == NURTURE_FALSE)
			{
				failed++;
				printf("%s\n  condition %d, lead %d: true, and said to be impossible\n", json, i, j);
			}
			if ((int) truth != expected ||
				nurture_cond_eval_explain(c, &source, ignore, &visits) != truth ||
				visits != nurture_cond_term_count(c))
			{
				failed++;
				printf("%s\n  condition %d, lead %d: %d, naively %d\n", json, i,
					   j, (int) truth, expected);
			}
		}
		fixture_reset(&blocks);
	}
	if (seen[0] * 10 < cases || seen[1] * 10 < cases || seen[2] * 10 < cases)
	{
		failed++;
		printf("%d false, %d true, %d unknown: hardly a test\n", seen[0],
			   seen[1], seen[2]);
	}
	printf("%d conditions possible, %d not, %d left open\n", possible[1],
		   possible[0], possible[2]);
	printf("%ld passed, %d failed (seed %llu: %d false, %d true, %d unknown)\n",
		   cases - failed, failed, (unsigned long long) seed, seen[0], seen[1],
		   seen[2]);
	return failed != 0;
}
