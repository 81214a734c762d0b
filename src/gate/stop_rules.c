/*
 * stop_rules.c
 *	  Stop rules compiled, and what is refused when one is written.
 */
#include "base/compat.h"

#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/rulecache.h"
#include "base/trigger.h"
#include "catalog/pg_type.h"
#include "facts/vocabulary.h"
#include "gate/stop.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_stop_rule_check);

#define MAX_FACTOR		10000	/* of slow_down, hundredths */
#define MAX_DAYS		36500	/* of a duration, and after a signal */

/* What lifts an effect, apart from signals. */
static const char *const causes[] = {"explicit_grant", "handoff_returned",
	"resume", "new_address", "stage_left"
};

/* Rules that functions of the product put in force, by their code. */
static const char *const called[] = {"handoff_open", "no_answer"};

static KeptPlan read_rules =
KEPT_PLAN_SCAN("SELECT rule, condition::text, effect, mode, scope::text,"
			   " duration, lifted_by, coalesce((factor * 100)::int4, 0), to_track"
			   " FROM nurture.stop_rule ORDER BY rule COLLATE \"C\"", 0);

static KeptPlan list_tracks =
KEPT_PLAN0("SELECT coalesce(array_agg(track ORDER BY track COLLATE \"C\"), '{}') FROM nurture.track");

/* where rules lead from: their tracks, or any */
static KeptPlan read_switches =
KEPT_PLAN("SELECT r.rule, r.to_track, coalesce(t.track, '*') FROM nurture.stop_rule AS r"
		  " LEFT JOIN LATERAL jsonb_array_elements_text(r.scope -> 'tracks') AS t(track) ON true"
		  " WHERE r.effect = 'switch_track' AND r.rule <> $1"
		  " ORDER BY r.rule COLLATE \"C\", t.track COLLATE \"C\"", TEXTOID);

static void *load_rules(Snapshot snapshot);

static RuleCache stop_cache = {
	.name = "stop rules",
	.tables = {"stop_rule", "signal", "tag", "stage", "event_type"},
	.load = load_rules
};

/* Registers the cache. */
void
nurture_stop_rules_init(void)
{
	nurture_rulecache_register(&stop_cache);
}

/* Returns the stop rules, ordered by code. */
const StopRules *
nurture_stop_rules(void)
{
	return nurture_rulecache_get(&stop_cache);
}

/* Returns a stop rule by its code, NULL when there is none. */
const StopRule *
nurture_stop_rule_find(const char *code)
{
	const StopRules *all = nurture_stop_rules();

	for (int i = 0; i < all->n; i++)
	{
		if (strcmp(all->rules[i].rule, code) == 0)
			return &all->rules[i];
	}
	return NULL;
}

/*
 * Reads "code" or "code + n days"; days is -1 without them.  False when it is
 * neither.
 */
bool
nurture_stop_parse_lifter(const char *text, char **code, int32 *days)
{
	size_t		len = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_");
	const char *rest = text +len;
	int			consumed = 0;

	*days = -1;
	if (len == 0)
		return false;
	*code = pnstrdup(text, len);
	if (*rest == '\0')
		return true;
	if (sscanf(rest, " + %5d day%n", days, &consumed) != 1 || consumed == 0 ||
		*days < 0 || *days > MAX_DAYS)
		return false;
	rest += consumed;
	return *rest == '\0' || strcmp(rest, "s") == 0;
}

static bool
is_word(const char *word, const char *const *words, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (strcmp(words[i], word) == 0)
			return true;
	}
	return false;
}

/* Notes what has to change for a condition to be asked. */
typedef struct TermVisit
{
	int			nsignals;
	int		   *signals;
	bool		tags;
	int			states;
} TermVisit;

static void
visit_term(void *arg, const CondTerm *term)
{
	TermVisit  *visit = arg;

	if (term->kind == COND_TERM_SIGNAL)
		visit->signals[visit->nsignals++] = term->subject.id;
	else if (term->kind == COND_TERM_TAG)
		visit->tags = true;
	else if (term->kind == COND_TERM_STAGE)
		visit->states |= GATE_STATE_STAGE;
	else if (term->kind == COND_TERM_CONSENT)
		visit->states |= GATE_STATE_CONSENT;
}

static void
visit_condition(const Condition *condition, TermVisit *visit)
{
	memset(visit, 0, sizeof(*visit));
	visit->signals = palloc(sizeof(int) * Max(nurture_cond_term_count(condition), 1));
	nurture_cond_visit_terms(condition, visit_term, visit);
	if (visit->nsignals > 0 || visit->tags)
		visit->states = 0;
}

/* Adds the signals that lift what a rule puts in force. */
static void
add_lifters(StopRules *all, Datum lifted_by)
{
	Datum	   *items;
	bool	   *nulls;
	int			n;

	deconstruct_array(DatumGetArrayTypeP(lifted_by), TEXTOID, -1, false,
					  TYPALIGN_INT, &items, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		char	   *word = nulls[i] ? "" : TextDatumGetCString(items[i]);
		char	   *code;
		int32		days;
		int			signal;

		if (!nurture_stop_parse_lifter(word, &code, &days) ||
			(days < 0 && is_word(code, causes, lengthof(causes))))
			continue;
		signal = nurture_signal_id(code, strlen(code));
		if (signal <= 0)
			continue;
		all->lifters = all->lifters == NULL ? palloc(sizeof(StopLifter)) :
			repalloc(all->lifters, sizeof(StopLifter) * (all->nlifters + 1));
		all->lifters[all->nlifters].signal = signal;
		all->lifters[all->nlifters].text = word;
		all->lifters[all->nlifters++].days = days;
	}
}

static void *
load_rules(Snapshot snapshot)
{
	StopRules  *all = palloc0(sizeof(StopRules));
	SPITupleTable *table;
	int			n;

	(void) nurture_execute_snapshot(&read_rules, NULL, NULL, snapshot);
	table = SPI_tuptable;
	n = SPI_processed;
	all->rules = palloc0(sizeof(StopRule) * Max(n, 1));
	for (int row = 0; row < n; row++)
	{
		StopRule   *rule = &all->rules[row];
		TermVisit	visit;
		char	   *text[5];
		Datum		value;
		bool		null;

		for (int i = 0; i < lengthof(text); i++)
			text[		i] = pstrdup(SPI_getvalue(table->vals[row], table->tupdesc, i + 1));

		value = SPI_getbinval(table->vals[row], table->tupdesc, 6, &null);
		rule->has_duration = !null;
		if (!null)
			rule->duration = *DatumGetIntervalP(value);
		value = SPI_getbinval(table->vals[row], table->tupdesc, 7, &null);
		rule->lifted_by = PointerGetDatum(DatumGetArrayTypePCopy(value));
		rule->factor = DatumGetInt32(SPI_getbinval(table->vals[row], table->tupdesc, 8, &null));
		rule->to_track = SPI_getvalue(table->vals[row], table->tupdesc, 9);
		rule->rule = text[0];
		rule->effect = text[2];
		rule->mode = text[3];
		rule->scope = text[4];

		rule->condition =
			nurture_condition_compile(text[1], psprintf("stop rule \"%s\"", text[0]));
		visit_condition(rule->condition, &visit);
		rule->nsignals = visit.nsignals;
		rule->signals = visit.signals;
		rule->tags = visit.tags;
		/* what the product puts in force by itself is not asked besides */
		if (!is_word(rule->rule, called, lengthof(called)))
			rule->states = visit.states;
		all->states |= rule->states;
		all->n++;
		add_lifters(all, rule->lifted_by);
	}
	return all;
}

/* A row of nurture.stop_rule that is being written. */
typedef struct CheckedRule
{
	const char *rule;
	const char *effect;
	const char *to_track;		/* NULL = none */
	Jsonb	   *scope;
	const char **tracks;		/* all there are */
	int			ntracks;
} CheckedRule;

static void
require_track(const CheckedRule *rule, const char *track)
{
	if (!is_word(track, rule->tracks, rule->ntracks))
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("unknown track \"%.64s\" in stop rule \"%.64s\"", track, rule->rule),
				 errhint("The nearest known ones are %s; new ones are rows of nurture.track.",
						 rule->ntracks == 0 ? "none" :
						 nurture_nearest_names(track, rule->tracks, rule->ntracks))));
}

/* Checks one list of the scope; key says of what. */
static void
check_scope_item(const CheckedRule *rule, const char *key, const char *word)
{
	static const char *const classes[] = {"promotional", "disease_awareness",
	"medical_information", "patient_support", "operational"};

	if (strcmp(key, "message_classes") == 0 && nurture_gate_class(word) == 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("unknown message class \"%.64s\" in stop rule \"%.64s\"", word, rule->rule),
				 errhint("The nearest known ones are %s.",
						 nurture_nearest_names(word, classes, lengthof(classes)))));
	if (strcmp(key, "channels") == 0)
		nurture_require_channel(word);
	if (strcmp(key, "tracks") == 0)
		require_track(rule, word);
}

/* Refuses a scope that names what there is not. */
static void
check_scope(const CheckedRule *rule)
{
	static const char *const keys[] = {"message_classes", "channels", "purposes",
	"products", "tracks"};
	bool		of_track = nurture_stop_kind(rule->effect) >= STOP_EXIT_TRACK;
	JsonbIterator *iterator;
	JsonbValue	value;
	JsonbIteratorToken token;
	char	   *key = NULL;
	int			depth = 0;

	if (!JB_ROOT_IS_OBJECT(rule->scope))
		return;					/* the constraint of the table says so */
	iterator = JsonbIteratorInit(&rule->scope->root);
	while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
	{
		if (token == WJB_KEY && depth == 0)
		{
			key = pnstrdup(value.val.string.val, value.val.string.len);
			if (!is_word(key, keys, lengthof(keys)))
				ereport(ERROR,
						(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
						 errmsg("unknown word \"%.64s\" in the scope of stop rule \"%.64s\"", key, rule->rule),
						 errhint("A scope names message_classes, channels, purposes, products and tracks.")));
			if (of_track && (strcmp(key, "channels") == 0 || strcmp(key, "message_classes") == 0))
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("stop rule \"%.64s\" cannot leave a track for some %s only", rule->rule, key),
						 errhint("Narrow it by tracks, purposes or products, or use the effect stop.")));
		}
		else if (token == WJB_BEGIN_ARRAY)
		{
			depth++;
			if (value.val.array.nElems == 0)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("\"%.64s\" in the scope of stop rule \"%.64s\" names nothing", key, rule->rule),
						 errhint("Leave it out where it is not to narrow the rule.")));
		}
		else if (token == WJB_END_ARRAY)
			depth--;
		else if (token == WJB_ELEM && depth == 1 && value.type == jbvString)
			check_scope_item(rule, key, pnstrdup(value.val.string.val, value.val.string.len));
		else if (token == WJB_ELEM || token == WJB_VALUE || (token == WJB_BEGIN_OBJECT && key != NULL))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("\"%.64s\" in the scope of stop rule \"%.64s\" is no list of words", key, rule->rule),
					 errhint("Write {\"%s\": [\"...\"]}.", key)));
	}
}

/* Refuses what cannot lift anything. */
static void
check_lifted_by(const CheckedRule *rule, Datum lifted_by)
{
	Datum	   *items;
	bool	   *nulls;
	int			n;

	deconstruct_array(DatumGetArrayTypeP(lifted_by), TEXTOID, -1, false,
					  TYPALIGN_INT, &items, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		char	   *word = nulls[i] ? "" : TextDatumGetCString(items[i]);
		char	   *code = word;
		int32		days;

		if (nurture_stop_parse_lifter(word, &code, &days) &&
			((days < 0 && is_word(code, causes, lengthof(causes))) ||
			 nurture_signal_id(code, strlen(code)) > 0))
			continue;
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("nothing is called \"%.64s\" that lifts stop rule \"%.64s\"", word, rule->rule),
				 errhint("Write explicit_grant, handoff_returned, resume, new_address, stage_left, a signal such as meeting_held, or \"meeting_held + 30 days\".")));
	}
}

/* A way from a track to another that a rule takes. */
typedef struct Switch
{
	const char *from;			/* "*" = any other */
	const char *to;
	bool		taken;
} Switch;

/* Tells whether switches lead from a track to a goal, NULL = to any other. */
static bool
leads_to(Switch *switches, int n, const char *at, const char *goal)
{
	for (int i = 0; i < n; i++)
	{
		if (switches[i].taken || strcmp(switches[i].to, at) == 0 ||
			(strcmp(switches[i].from, "*") != 0 && strcmp(switches[i].from, at) != 0))
			continue;
		switches[i].taken = true;
		if (goal == NULL || strcmp(switches[i].to, goal) == 0 ||
			leads_to(switches, n, switches[i].to, goal))
			return true;
	}
	return false;
}

/*
 * Refuses rules that would send a lead from track to track and back: going
 * back and forth is what branches are for.
 */
static void
check_circle(const CheckedRule *rule, ArrayType *from)
{
	Datum		value = CStringGetTextDatum(rule->rule);
	Datum	   *items;
	bool	   *nulls;
	Switch	   *switches;
	int			nfrom = 0;
	int			n;
	bool		circle;

	if (from != NULL && nurture_gate_listed(from, rule->to_track))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("stop rule \"%.64s\" switches from track \"%.64s\" to itself", rule->rule, rule->to_track),
				 errhint("Leave the track out of the scope, or name another one.")));
	(void) nurture_execute(&read_switches, &value, NULL, false);
	n = SPI_processed;
	switches = palloc0(sizeof(Switch) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		switches[i].to = nurture_cell_text(i, 2);
		switches[i].from = nurture_cell_text(i, 3);
	}
	circle = from == NULL && leads_to(switches, n, rule->to_track, NULL);
	if (from != NULL)
		deconstruct_array(from, TEXTOID, -1, false, TYPALIGN_INT, &items, &nulls, &nfrom);
	for (int i = 0; i < nfrom && !circle; i++)
	{
		for (int j = 0; j < n; j++)
			switches[j].taken = false;
		circle = leads_to(switches, n, rule->to_track, TextDatumGetCString(items[i]));
	}
	if (circle)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("stop rule \"%.64s\" would switch leads in a circle", rule->rule),
				 errhint("Another rule leads on from track \"%.64s\"; where leads go back and forth, use branches of the tracks.", rule->to_track)));
}

/* Refuses durations and factors that mean nothing. */
static void
check_numbers(const CheckedRule *rule, Interval *duration, Datum factor, bool has_factor)
{
	Interval	nothing = {0};
	Interval	most = {.day = MAX_DAYS};
	bool		slows = nurture_stop_kind(rule->effect) == STOP_SLOW;

	if (duration != NULL &&
		(!DatumGetBool(DirectFunctionCall2(interval_gt, IntervalPGetDatum(duration),
										   IntervalPGetDatum(&nothing))) ||
		 DatumGetBool(DirectFunctionCall2(interval_gt, IntervalPGetDatum(duration),
										  IntervalPGetDatum(&most)))))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the duration of stop rule \"%.64s\" is not between 0 and %d days", rule->rule, MAX_DAYS),
				 errhint("Give an interval such as 30 days, or NULL for until it is lifted.")));
	if (slows != has_factor)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 slows ? errmsg("stop rule \"%.64s\" slows down without a factor", rule->rule) :
				 errmsg("stop rule \"%.64s\" has a factor and does not slow down", rule->rule),
				 errhint("A factor belongs to the effect slow_down, such as 2.")));
	if (has_factor)
	{
		Numeric		value = DatumGetNumeric(factor);
		double		number = numeric_is_nan(value) ? -1 :
		DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, factor));

		if (!(number > 0 && number * 100 <= MAX_FACTOR))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("the factor of stop rule \"%.64s\" is not between 0 and %d", rule->rule, MAX_FACTOR / 100),
					 errhint("2 doubles the waits.")));
	}
}

/* Refuses a condition that nothing ever asks. */
static void
check_condition(const CheckedRule *rule, const char *json)
{
	char	   *owner = psprintf("stop rule \"%.64s\"", rule->rule);
	TermVisit	visit;

	if (strcmp(rule->rule, "manual") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a stop rule cannot be called \"manual\""),
				 errhint("The effects of nurture_pause go by that name.")));
	nurture_condition_accept(json, owner);
	visit_condition(nurture_condition_compile(json, owner), &visit);
	if (visit.nsignals == 0 && !visit.tags && visit.states == 0 &&
		!is_word(rule->rule, called, lengthof(called)))
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BAD_CONDITION),
				 errmsg("stop rule \"%.64s\" would never be asked", rule->rule),
				 errhint("Name a signal or tag, which an event brings, or a stage or consent, which changes.")));
}

/* Trigger of nurture.stop_rule, before each row: refuses what cannot be meant. */
Datum
nurture_stop_rule_check(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_stop_rule_check");
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	HeapTuple	row = TRIGGER_FIRED_BY_UPDATE(data->tg_event) ?
	data->tg_newtuple : data->tg_trigtuple;
	CheckedRule rule = {0};
	StopScope	scope;
	OwnerSwitch owner;
	Datum		value;
	Datum		factor;
	bool		null;
	bool		no_factor;
	char	   *condition;
	char	   *json;
	int			level;

#define COLUMN(name) SPI_fnumber(desc, name)
	if (!nurture_deriving())
		return PointerGetDatum(row);
	condition = SPI_getvalue(row, desc, COLUMN("condition"));
	rule.rule = SPI_getvalue(row, desc, COLUMN("rule"));
	rule.effect = SPI_getvalue(row, desc, COLUMN("effect"));
	rule.to_track = SPI_getvalue(row, desc, COLUMN("to_track"));
	json = SPI_getvalue(row, desc, COLUMN("scope"));
	if (condition == NULL || rule.rule == NULL || rule.effect == NULL || json == NULL)
		return PointerGetDatum(row);	/* NOT NULL raises */
	rule.scope = DatumGetJsonbP(SPI_getbinval(row, desc, COLUMN("scope"), &null));
	check_condition(&rule, condition);
	value = SPI_getbinval(row, desc, COLUMN("duration"), &null);
	factor = SPI_getbinval(row, desc, COLUMN("factor"), &no_factor);
	check_numbers(&rule, null ? NULL : DatumGetIntervalP(value), factor, !no_factor);

	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	(void) nurture_execute(&list_tracks, NULL, NULL, false);
	rule.tracks = nurture_cell_strings(0, 1, &rule.ntracks);
	check_scope(&rule);
	value = SPI_getbinval(row, desc, COLUMN("lifted_by"), &null);
	if (!null)
		check_lifted_by(&rule, value);
	if ((nurture_stop_kind(rule.effect) == STOP_SWITCH_TRACK) != (rule.to_track != NULL))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("stop rule \"%.64s\" must name to_track exactly when it switches track", rule.rule),
				 errhint("A track to go to belongs to the effect switch_track.")));
	if (rule.to_track != NULL)
	{
		require_track(&rule, rule.to_track);
		nurture_stop_scope("stop", json, NULL, &scope);
		check_circle(&rule, scope.tracks);
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
#undef COLUMN
	return PointerGetDatum(row);
}
