/*
 * standing.c
 *	  Grade, tier and lifecycle stage of leads, decided again when something
 *	  happened that may have changed them.
 *
 * Grade and tier say what is true now.  A stage moves along the rows of
 * nurture.stage_transition, upward only: decay lowers no stage.  Because a
 * stage limits message classes, the lead's gate row is updated before its
 * stage, and what is decided then is decided again behind the gate.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "audit/audit.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "facts/mark.h"
#include "facts/reaction.h"
#include "facts/vocabulary.h"
#include "gate/gate.h"
#include "miscadmin.h"
#include "routing/routing.h"
#include "routing/routing_private.h"
#include "scoring/moment.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_standing_decide_trigger);

#define MAX_HOPS 16				/* stages a lead may climb at once */

/* What is to be written about one lead and product. */
typedef struct Standing
{
	int64		lead_id;
	const char *product;
	const char *audience_type;
	bool		found;			/* it has a row */
	const char *old_stage;
	const char *old_grade;		/* NULL = none */
	int			old_tier;
	const char *stage;
	const char *grade;
	int			tier;
	Datum		fails_with;		/* text[] */
	TimestampTz since;
	const SubjectEvent *event;	/* NULL = no event caused it */
	const char *cause;
	Qualification qualification;
} Standing;

static KeptPlan hold_gate =
KEPT_PLAN("SELECT g.erased FROM nurture.gate g WHERE g.lead_id = $1 FOR NO KEY UPDATE", INT8OID);
static KeptPlan read_standing =
KEPT_PLAN("SELECT s.stage, s.grade, s.tier::int4, s.since, s.fails_with,"
		  " EXISTS (SELECT FROM nurture.disqualification d WHERE d.lead_id = $1 AND d.product IN ('*', $2)"
		  " AND d.excludes AND d.valid_during @> $3)"
		  " FROM (SELECT 1) one LEFT JOIN nurture.lead_stage s ON s.lead_id = $1 AND s.product = $2",
		  INT8OID, TEXTOID, TIMESTAMPTZOID);
static KeptPlan write_standing =
KEPT_PLAN("INSERT INTO nurture.lead_stage AS s (lead_id, product, stage, stage_no, since, tier, grade, cause, tier_since, fails_with)"
		  " VALUES ($1, $2, $3, $4::int2, $5, $6::int2, $7, $8, $9, $10)"
		  " ON CONFLICT (lead_id, product) DO UPDATE SET stage = EXCLUDED.stage, stage_no = EXCLUDED.stage_no,"
		  " since = EXCLUDED.since, tier = EXCLUDED.tier, grade = EXCLUDED.grade, cause = EXCLUDED.cause,"
		  " tier_since = CASE WHEN s.tier = EXCLUDED.tier THEN coalesce(s.tier_since, EXCLUDED.tier_since) ELSE EXCLUDED.tier_since END,"
		  " fails_with = EXCLUDED.fails_with",
		  INT8OID, TEXTOID, TEXTOID, INT4OID, TIMESTAMPTZOID, INT4OID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TEXTARRAYOID);
static KeptPlan write_fails =
KEPT_PLAN("UPDATE nurture.lead_stage SET fails_with = $3 WHERE lead_id = $1 AND product = $2",
		  INT8OID, TEXTOID, TEXTARRAYOID);
static KeptPlan write_history =
KEPT_PLAN("INSERT INTO nurture.stage_history (lead_id, product, old_stage, new_stage, old_grade, new_grade,"
		  " old_tier, new_tier, cause, at) VALUES ($1, $2, $3, $4, $5, $6, $7::int2, $8::int2, $9, $10)",
		  INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, INT4OID, INT4OID, TEXTOID, TIMESTAMPTZOID);
static KeptPlan find_worked =
KEPT_PLAN("SELECT FROM nurture.handoff WHERE lead_id = $1 AND product = $2 AND lane = '" ROUTING_BUSINESS_LANE "' AND is_open",
		  INT8OID, TEXTOID);

/* when a disqualifier begins or ends next, or a lead was in its stage for as long as some edge wants */
static KeptPlan next_by_time =
KEPT_PLAN("SELECT min(t.at) FROM (SELECT b.at FROM nurture.disqualification d,"
		  " LATERAL (VALUES (lower(d.valid_during)), (upper(d.valid_during))) b (at) WHERE d.lead_id = $1"
		  " UNION ALL SELECT s.since + e.after FROM nurture.lead_stage s JOIN nurture.stage_transition e"
		  " ON e.from_stage = s.stage AND e.by = 'rule' AND e.after > interval '0' WHERE s.lead_id = $1) t WHERE t.at > $2",
		  INT8OID, TIMESTAMPTZOID);
static KeptPlan next_consent =
KEPT_PLAN("SELECT min(c.expires_at) FROM nurture.consent c WHERE c.lead_id = $1 AND c.expires_at > $2",
		  INT8OID, TIMESTAMPTZOID);
static KeptPlan write_acceptance =
KEPT_PLAN("UPDATE nurture.lead_stage SET accepted_at = $3 WHERE lead_id = $1 AND product = $2",
		  INT8OID, TEXTOID, TIMESTAMPTZOID);

static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static Datum
text_or_null(const char *text, char *null)
{
	*null = text == NULL ? 'n' : ' ';
	return text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
}

/* Tells whether an array of texts, NULL-terminated, says what a list does. */
static bool
same_words(char **words, const List *list)
{
	ListCell   *cell;

	foreach(cell, list)
	{
		if (*words == NULL || strcmp(*words++, lfirst(cell)) != 0)
			return false;
	}
	return *words == NULL;
}

/* Tells whether a standing is another one than what is written. */
static bool
moved(const Standing *standing)
{
	return strcmp(standing->stage, standing->old_stage) != 0 ||
		standing->tier != standing->old_tier ||
		!same_text(standing->grade, standing->old_grade);
}

/* Tells whether a lead has been in its stage as long as an edge wants. */
static bool
long_enough(const StageEdge *edge, TimestampTz since, TimestampTz now)
{
	TimestampTz from;

	if (edge->after.month == 0 && edge->after.day == 0 && edge->after.time == 0)
		return true;
	from = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
												   TimestampTzGetDatum(since),
												   IntervalPGetDatum(unconstify(Interval *, &edge->after))));
	return from <= now;
}

/*
 * Tells whether an edge leads back to nurture and nobody is working on the
 * lead: the one way down that time alone may open.
 */
static bool
may_recycle(const StageEdge *edge, const Subject *subject)
{
	Datum		values[2];

	if (strcmp(edge->to_stage, "recycled") != 0)
		return false;
	values[0] = Int64GetDatum(subject->lead_id);
	values[1] = CStringGetTextDatum(subject->product);
	nurture_execute_latest(&find_worked, values, NULL, false);
	return SPI_processed == 0;
}

/*
 * Finds the highest stage a rule lets the lead go to from where it is; NULL
 * when it stays.  Upward, out of recycled and disqualified, and back to
 * recycled.
 */
static const char *
next_stage(const StandingRules *rules, Subject *subject, const char *audience,
		   TimestampTz since)
{
	const char *best = NULL;
	int			best_no = 0;
	int			here = nurture_stage_no(audience, subject->stage);

	for (int i = 0; i < rules->nedges; i++)
	{
		const StageEdge *edge = &rules->edges[i];
		int			there;

		if (edge->condition == NULL ||
			strcmp(edge->from_stage, subject->stage) != 0)
			continue;
		/* the audience's own row hides the one for all */
		if (nurture_stage_edge(rules, audience, edge->from_stage,
							   edge->to_stage, edge->by) != edge)
			continue;
		there = nurture_stage_no(audience, edge->to_stage);
		if (there <= best_no && best != NULL)
			continue;
		if (there <= here && here > 0 && !may_recycle(edge, subject))
			continue;
		if (!long_enough(edge, since, subject->now) ||
			nurture_subject_eval(subject, edge->condition) != NURTURE_TRUE)
			continue;
		best = edge->to_stage;
		best_no = there;
	}
	return best;
}

/*
 * Decides where a lead stands; true when that differs from what is written.
 * Reads what other sessions committed up to now.
 */
static bool
decide(Subject *subject, const char *product, Standing *out)
{
	const StandingRules *rules = nurture_standing_rules();
	const char *audience = nurture_subject_text(subject, SUBJECT_AUDIENCE_TYPE);
	MemoryContext context = CurrentMemoryContext;
	Datum		values[3];
	bool		isnull;
	bool		excluded;
	char	   *stage;
	char	  **old_fails;

	out->lead_id = subject->lead_id;
	out->product = product;
	out->audience_type = audience ? audience : "unknown";

	values[0] = Int64GetDatum(subject->lead_id);
	values[1] = CStringGetTextDatum(product);
	values[2] = TimestampTzGetDatum(subject->now);
	nurture_execute_latest(&read_standing, values, NULL, false);
	MemoryContextSwitchTo(context);
	stage = nurture_cell_text(0, 1);
	out->found = stage != NULL;
	out->old_stage = stage ? stage : "new";
	out->old_grade = nurture_cell_text(0, 2);
	out->old_tier = out->found ? DatumGetInt32(nurture_cell(0, 3, &isnull)) : 0;
	out->since = out->found ? DatumGetTimestampTz(nurture_cell(0, 4, &isnull)) : subject->now;
	old_fails = out->found ? nurture_text_items(nurture_cell(0, 5, &isnull)) : NULL;
	excluded = DatumGetBool(nurture_cell(0, 6, &isnull));

	subject->product = product;
	subject->stage = out->old_stage;
	subject->standing_read = true;
	nurture_qualification(subject, product, &out->qualification);
	out->grade = out->qualification.grade;
	out->tier = excluded ? Min(out->qualification.tier, 1) : out->qualification.tier;
	subject->tier = out->tier;

	out->stage = out->old_stage;
	if (excluded)
	{
		if (nurture_stage_edge(rules, out->audience_type, out->stage, "disqualified", "person"))
			out->stage = "disqualified";
	}
	else
	{
		for (int hop = 0; hop < MAX_HOPS; hop++)
		{
			const char *next = next_stage(rules, subject, out->audience_type, out->since);

			if (next == NULL)
				break;
			out->stage = subject->stage = next;
			out->since = subject->now;
		}
	}
	subject->stage = out->stage;
	if (strcmp(out->stage, out->old_stage) != 0)
		out->since = subject->now;
	out->fails_with = nurture_text_array(out->qualification.reasons);
	return moved(out) ||
		(out->found && !same_words(old_fails, out->qualification.reasons));
}

/* Writes a changed standing and its history. */
static void
write_one(const Standing *standing, TimestampTz now)
{
	Datum		values[10];
	char		nulls[11] = "          ";

	values[0] = Int64GetDatum(standing->lead_id);
	values[1] = CStringGetTextDatum(standing->product);
	if (standing->found && !moved(standing))
	{
		values[2] = standing->fails_with;
		nurture_execute_latest(&write_fails, values, NULL, true);
		return;
	}
	values[2] = CStringGetTextDatum(standing->stage);
	values[3] = Int32GetDatum(nurture_stage_no(standing->audience_type, standing->stage));
	values[4] = TimestampTzGetDatum(standing->since);
	values[5] = Int32GetDatum(standing->tier);
	values[6] = text_or_null(standing->grade, &nulls[6]);
	values[7] = CStringGetTextDatum(standing->cause);
	values[8] = TimestampTzGetDatum(now);
	values[9] = standing->fails_with;
	nurture_execute_latest(&write_standing, values, nulls, true);

	memset(nulls, ' ', 10);
	values[2] = text_or_null(standing->found ? standing->old_stage : NULL, &nulls[2]);
	values[3] = CStringGetTextDatum(standing->stage);
	values[4] = text_or_null(standing->old_grade, &nulls[4]);
	values[5] = text_or_null(standing->grade, &nulls[5]);
	values[6] = Int32GetDatum(standing->old_tier);
	values[7] = Int32GetDatum(standing->tier);
	values[8] = CStringGetTextDatum(standing->cause);
	values[9] = TimestampTzGetDatum(now);
	nurture_execute_latest(&write_history, values, nulls, true);
}

static char *
points_text(int64 hundredths)
{
	return psprintf("%s%lld.%02d", hundredths < 0 ? "-" : "",
					(long long) (hundredths < 0 ? -hundredths : hundredths) / 100,
					(int) ((hundredths < 0 ? -hundredths : hundredths) % 100));
}

/* Makes the audit entry of a stage or tier that changed. */
static void
describe(const Standing *standing, AuditEntry *entry)
{
	const Qualification *q = &standing->qualification;
	List	   *all = nurture_qualification_reasons(q);
	ListCell   *cell;
	const char **reasons = palloc(sizeof(char *) * (list_length(all) + 1));
	int			n = 0;

	foreach(cell, all)
		reasons[n++] = lfirst(cell);
	memset(entry, 0, sizeof(*entry));
	entry->has_lead = true;
	entry->lead_id = standing->lead_id;
	entry->kind = "stage";
	entry->object = psprintf("stage:%s", standing->product);
	entry->outcome = standing->stage;
	entry->reasons = reasons;
	entry->nreasons = n;
	entry->trigger_json = standing->event ?
		psprintf("{\"event_id\": " INT64_FORMAT ", \"event_type\": \"%s\"}",
				 standing->event->event_id, standing->event->event_type) :
		psprintf("{\"cause\": \"%s\"}", standing->cause);
	if (q->model != NULL)
	{
		entry->versions_json = psprintf("{\"model\": \"%s\", \"version\": %d}",
										q->model, q->version);
		entry->inputs = psprintf("from %s tier %d grade %s to %s tier %d grade %s: fit %s, intent %s, total %s",
								 standing->old_stage, standing->old_tier,
								 standing->old_grade ? standing->old_grade : "none",
								 standing->stage, standing->tier,
								 standing->grade ? standing->grade : "none",
								 points_text(q->fit), points_text(q->intent),
								 points_text(q->total));
	}
	else
		entry->inputs = psprintf("from %s tier %d to %s tier %d",
								 standing->old_stage, standing->old_tier,
								 standing->stage, standing->tier);
}

/* One lead of a batch, with the event that brought it here. */
typedef struct Asked
{
	int64		lead_id;
	const SubjectEvent *event;	/* the lead's last, NULL = none */
} Asked;

/* Returns the score of a lead that was decided. */
static FoundScore
score_of(const Standing *standing)
{
	const Qualification *q = &standing->qualification;
	FoundScore	score = {
		standing->lead_id, q->model, q->version, q->fit, q->intent, q->total
	};

	if (q->grade != NULL)
		strlcpy(score.grade, q->grade, sizeof(score.grade));
	return score;
}

/*
 * Returns when the tick has to decide a lead again because a grade changes, a
 * disqualifier begins or ends, the lead has been in its stage long enough, or
 * a label, a place on a list or a consent that some rule reads begins or ends;
 * DT_NOEND when none does.
 */
static TimestampTz
due_of(Subject *subject, const StandingRules *rules)
{
	int32		first = PG_INT32_MAX;
	TimestampTz due = DT_NOEND;
	Datum		values[2];
	Datum		next;
	bool		isnull;

	for (int product = -1; product < rules->nproducts; product++)
	{
		const CompiledModel *model = nurture_subject_model(subject, product < 0 ? "*" : rules->products[product]);
		int32		day;
		char		grade[3];

		if (model != NULL && nurture_grade_until(subject, model, &day, grade))
			first = Min(first, day);
	}
	/* what changes during a day has changed on the next */
	if (first != PG_INT32_MAX)
		due = nurture_instant_of_day(first == subject->today ? first + 1 : first);
	values[0] = Int64GetDatum(subject->lead_id);
	values[1] = TimestampTzGetDatum(subject->now);
	nurture_execute_latest(&next_by_time, values, NULL, false);
	next = nurture_cell(0, 1, &isnull);
	if (!isnull)
		due = Min(due, DatumGetTimestampTz(next));
	if (rules->names_consent)
	{
		nurture_execute_latest(&next_consent, values, NULL, false);
		next = nurture_cell(0, 1, &isnull);
		if (!isnull)
			due = Min(due, DatumGetTimestampTz(next));
	}
	if (rules->names_marks)
		due = Min(due, nurture_mark_next(subject->lead_id, subject->now));
	return due;
}

/*
 * Tells whether a lead was erased since it was read, holding its gate row
 * against who erases it.  An event holds the row of activity, which is enough.
 */
static bool
was_erased(int64 lead_id)
{
	Datum		value = Int64GetDatum(lead_id);
	bool		isnull;

	nurture_execute_latest(&hold_gate, &value, NULL, true);
	return SPI_processed > 0 && DatumGetBool(nurture_cell(0, 1, &isnull));
}

/* Takes a lead's scores out; answers how many are left. */
static int
drop_scores(FoundScore *scores, int n, int64 lead_id)
{
	int			left = 0;

	for (int i = 0; i < n; i++)
	{
		if (scores[i].lead_id != lead_id)
			scores[left++] = scores[i];
	}
	return left;
}

/*
 * Decides the standing of leads, ascending by lead: first all the gates of
 * those whose stage changes, then all the rows.
 */
static void
decide_leads(const Asked *asked, int n, const char *cause)
{
	MemoryContext batch = AllocSetContextCreate(CurrentMemoryContext,
												"nurture standing",
												ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(batch);
	const StandingRules *rules = nurture_standing_rules();
	TimestampTz now = nurture_now_wall();
	int			room = n * (1 + rules->nproducts);
	Standing   *changed = palloc(sizeof(Standing) * room);
	Subject   **subjects = palloc(sizeof(Subject *) * room);
	AuditEntry *entries = palloc(sizeof(AuditEntry) * room);
	int64	   *leads = palloc(sizeof(int64) * n);
	TimestampTz *due = palloc(sizeof(TimestampTz) * n);
	FoundScore *scores = palloc(sizeof(FoundScore) * room);
	int			nleads = 0;
	int			nscores = 0;
	MarkGiven  *given = NULL;
	int			nchanged = 0;
	int			nentries = 0;
	int			ngiven = 0;
	OwnerSwitch save;
	int			level;

	for (int i = 0; i < n; i++)
	{
		Subject    *subject = nurture_subject_load(asked[i].lead_id, now, true);

		CHECK_FOR_INTERRUPTS();
		if (subject == NULL || !TIMESTAMP_IS_NOBEGIN(subject->erased_at))
			continue;
		subject->event = asked[i].event;
		nurture_owner_enter(&save);
		level = nurture_spi_connect();
		MemoryContextSwitchTo(batch);
		for (int product = -1; product < rules->nproducts; product++)
		{
			Standing   *standing = &changed[nchanged];
			bool		differs;
			ListCell   *cell;

			memset(standing, 0, sizeof(*standing));
			standing->event = asked[i].event;
			standing->cause = asked[i].event ? asked[i].event->event_type : cause;
			differs = decide(subject, product < 0 ? "*" : rules->products[product], standing);
			foreach(cell, standing->qualification.labelling)
			{
				const PointRule *rule = lfirst(cell);

				given = given == NULL ? palloc(sizeof(MarkGiven)) :
					repalloc(given, (ngiven + 1) * sizeof(MarkGiven));
				given[ngiven].lead_id = subject->lead_id;
				given[ngiven].label = pstrdup(rule->label);
				given[ngiven++].by = psprintf("pattern:%s", rule->rule);
			}
			if (differs)
				subjects[nchanged++] = subject;
			if (standing->qualification.model != NULL)
				scores[nscores++] = score_of(standing);
		}
		leads[nleads] = subject->lead_id;
		due[nleads++] = due_of(subject, rules);
		nurture_spi_finish(level);
		nurture_owner_leave(&save);
		MemoryContextSwitchTo(batch);
	}

	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	MemoryContextSwitchTo(batch);
	for (int i = 0, c = 0; i < nleads; i++)
	{
		int			first = c;

		for (; c < nchanged && changed[c].lead_id == leads[i]; c++)
		{
			if (strcmp(changed[c].stage, changed[c].old_stage) != 0)
				nurture_gate_bump(leads[i]);
		}
		if (cause != NULL && was_erased(leads[i]))
		{
			/* nothing is kept of it: it has no changes and no scores */
			memmove(&changed[first], &changed[c], (nchanged - c) * sizeof(Standing));
			memmove(&subjects[first], &subjects[c], (nchanged - c) * sizeof(Subject *));
			nchanged -= c - first;
			c = first;
			nscores = drop_scores(scores, nscores, leads[i]);
			continue;
		}
		nurture_gate_due(leads[i], due[i], now);
	}
	for (int i = 0; i < nchanged; i++)
	{
		Standing   *standing = &changed[i];

		/* behind the gate nobody else moves the stage */
		if (strcmp(standing->stage, standing->old_stage) != 0 &&
			!decide(subjects[i], standing->product, standing))
			continue;
		write_one(standing, now);
		if (strcmp(standing->stage, standing->old_stage) != 0 ||
			standing->tier != standing->old_tier)
			describe(standing, &entries[nentries++]);
	}
	nurture_scores_keep(scores, nscores, now, true);
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	MemoryContextSwitchTo(batch);
	if (nentries > 0)
		nurture_audit_append(entries, nentries);
	if (nentries > 0)
	{
		nurture_owner_enter(&save);
		level = nurture_spi_connect();
		MemoryContextSwitchTo(batch);
		for (int i = 0; i < nchanged; i++)
		{
			if (strcmp(changed[i].stage, changed[i].old_stage) != 0)
				nurture_gate_state_changed(changed[i].lead_id, GATE_STATE_STAGE);
		}
		nurture_spi_finish(level);
		nurture_owner_leave(&save);
		MemoryContextSwitchTo(batch);
	}
	if (ngiven > 0)
	{
		/* where rules read labels, this decides about their leads once more */
		nurture_owner_enter(&save);
		level = nurture_spi_connect();
		MemoryContextSwitchTo(batch);
		nurture_mark_give(given, ngiven, now);
		nurture_spi_finish(level);
		nurture_owner_leave(&save);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(batch);
}

/*
 * Decides standing and routes of leads again, ascending by lead; cause is a
 * code such as facts_changed, published or due.
 */
void
nurture_standing_decide(const int64 *leads, int n, const char *cause)
{
	Asked	   *asked = palloc(sizeof(Asked) * Max(n, 1));

	if (n == 0)
		return;
	for (int i = 0; i < n; i++)
	{
		asked[i].lead_id = leads[i];
		asked[i].event = NULL;
	}
	decide_leads(asked, n, cause);
	nurture_route_standing(leads, n);
	pfree(asked);
}

static bool
standing_wants(int signal_id)
{
	const StandingRules *rules = nurture_standing_rules();

	return signal_id == 0 ? rules->names_tags : bms_is_member(signal_id, rules->signals);
}

static void
standing_react(const SubjectEvent *const *events, int nevents)
{
	Asked	   *asked = palloc(sizeof(Asked) * nevents);
	int			n = 0;

	for (int i = 0; i < nevents; i++)
	{
		if (n == 0 || asked[n - 1].lead_id != events[i]->lead_id)
			n++;
		asked[n - 1].lead_id = events[i]->lead_id;
		asked[n - 1].event = events[i];
	}
	decide_leads(asked, n, NULL);
	pfree(asked);
}

static Reactor standing_reactor = {
	"standing", REACT_STANDING, false, standing_wants, standing_react
};

/* Registers the reactor; once per backend. */
void
nurture_standing_init(void)
{
	nurture_reactor_register(&standing_reactor);
}

/*
 * Moves a lead's stage along the graph for a hand-off or a person; false when
 * the graph has no such row from where the lead is.  The caller has updated
 * the lead's gate row, is connected to SPI and works as the owner.
 * accepted_at is written whether or not the stage moves, unless DT_NOBEGIN.
 */
bool
nurture_stage_move(int64 lead_id, const char *product,
				   const char *audience_type, const char *to_stage,
				   const char *by, const char *cause, TimestampTz accepted_at)
{
	Standing	standing = {0};
	AuditEntry	entry;
	TimestampTz now = nurture_now_wall();
	Datum		values[3];
	bool		isnull;
	bool		changed = false;

	values[0] = Int64GetDatum(lead_id);
	values[1] = CStringGetTextDatum(product);
	values[2] = TimestampTzGetDatum(now);
	nurture_execute_latest(&read_standing, values, NULL, false);
	standing.lead_id = lead_id;
	standing.product = product;
	standing.audience_type = audience_type;
	standing.old_stage = nurture_cell_text(0, 1);
	standing.found = standing.old_stage != NULL;
	if (!standing.found)
		standing.old_stage = "new";
	standing.grade = standing.old_grade = nurture_cell_text(0, 2);
	standing.tier = standing.old_tier = standing.found ? DatumGetInt32(nurture_cell(0, 3, &isnull)) : 0;
	standing.fails_with = standing.found ? nurture_cell(0, 5, &isnull) : nurture_text_array(NIL);
	standing.stage = to_stage;
	standing.since = now;
	standing.cause = cause;
	if (strcmp(standing.old_stage, to_stage) != 0 &&
		nurture_stage_edge(nurture_standing_rules(), audience_type,
						   standing.old_stage, to_stage, by) != NULL)
	{
		write_one(&standing, now);
		describe(&standing, &entry);
		nurture_audit_append(&entry, 1);
		nurture_gate_state_changed(lead_id, GATE_STATE_STAGE);
		changed = true;
	}
	if (!TIMESTAMP_IS_NOBEGIN(accepted_at))
	{
		values[2] = TimestampTzGetDatum(accepted_at);
		nurture_execute_latest(&write_acceptance, values, NULL, true);
	}
	return changed;
}

/*
 * Trigger on nurture.disqualification, nurture.lead, nurture.account,
 * nurture.consent_event, nurture.review and the tables of labels and lists:
 * decides the
 * standing of the leads whose rows changed.  For leads only columns that rules
 * may read count; labels, lists and consent, which may come by the hundred
 * thousand, only where some rule reads any.  A review that an erasure closes
 * is left to the next decision: its lead is another one, whose gate the erasure
 * has not locked.
 */
Datum
nurture_standing_decide_trigger(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_standing_decide_trigger");
	const char *of = data->tg_trigger->tgnargs > 0 ? data->tg_trigger->tgargs[0] : "";
	bool		of_leads = strcmp(of, "lead") == 0;
	bool		of_account = strcmp(of, "account") == 0;
	bool		of_marks = strcmp(of, "label") == 0 || strcmp(of, "list") == 0;
	bool		of_consent = strcmp(of, "consent") == 0;
	bool		of_identity = strcmp(of, "identity") == 0;
	const char *query;
	int64	   *leads;
	int			n;
	MemoryContext context = CurrentMemoryContext;

	if (!nurture_deriving() ||
		(of_marks && !nurture_standing_rules()->names_marks) ||
		(of_consent && !nurture_standing_rules()->names_consent) ||
		(of_identity && nurture_erasing()))
		return PointerGetDatum(NULL);
	query = of_leads ?
		"SELECT n.lead_id FROM new_rows n JOIN old_rows o USING (lead_id)"
		" WHERE n.merged_into IS NULL AND n.erased_at IS NULL AND"
		" (n.account_id, n.audience_type, n.audience_verified_at, n.role, n.specialty, n.therapeutic_area,"
		" n.country, n.region, n.postal_code, n.organization_type, n.source, n.campaign, n.language,"
		" n.time_zone, n.owner, n.attributes, n.email_known, n.phone_known) IS DISTINCT FROM"
		" (o.account_id, o.audience_type, o.audience_verified_at, o.role, o.specialty, o.therapeutic_area,"
		" o.country, o.region, o.postal_code, o.organization_type, o.source, o.campaign, o.language,"
		" o.time_zone, o.owner, o.attributes, o.email_known, o.phone_known)"
		" AND (EXISTS (SELECT FROM nurture.lead_stage s WHERE s.lead_id = n.lead_id)"
		" OR EXISTS (SELECT FROM nurture.handoff h WHERE h.lead_id = n.lead_id AND h.is_open)) ORDER BY 1" :
		of_account ?
		"SELECT l.lead_id FROM new_rows n JOIN old_rows o USING (account_id) JOIN nurture.lead l USING (account_id)"
		" WHERE l.merged_into IS NULL AND l.erased_at IS NULL AND"
		" (n.name, n.organization_type, n.country, n.region, n.domain, n.owner, n.attributes) IS DISTINCT FROM"
		" (o.name, o.organization_type, o.country, o.region, o.domain, o.owner, o.attributes)"
		" AND EXISTS (SELECT FROM nurture.lead_stage s WHERE s.lead_id = l.lead_id) ORDER BY 1" :
		of_identity && TRIGGER_FIRED_BY_UPDATE(data->tg_event) ?
		"SELECT DISTINCT c.lead_id FROM changed c JOIN old_rows o USING (lead_id, review_id)"
		" WHERE c.bucket = 'identity' AND c.state <> o.state"
		" AND EXISTS (SELECT FROM nurture.lead_stage s WHERE s.lead_id = c.lead_id) ORDER BY 1" :
		of_identity ?
		"SELECT DISTINCT lead_id FROM changed c WHERE c.bucket = 'identity'"
		" AND EXISTS (SELECT FROM nurture.lead_stage s WHERE s.lead_id = c.lead_id) ORDER BY 1" :
		"SELECT DISTINCT lead_id FROM changed ORDER BY 1";
	{
		OwnerSwitch save;
		int			level;

		nurture_owner_enter(&save);
		level = nurture_spi_connect();
		if (SPI_register_trigger_data(data) != SPI_OK_TD_REGISTER)
			elog(ERROR, "could not register transition tables");
		if (SPI_execute(query, false, 0) != SPI_OK_SELECT)
			elog(ERROR, "could not read transition tables");
		n = (int) SPI_processed;
		leads = MemoryContextAlloc(context, sizeof(int64) * Max(n, 1));
		for (int i = 0; i < n; i++)
		{
			bool		isnull;

			leads[i] = DatumGetInt64(nurture_cell(i, 1, &isnull));
		}
		nurture_spi_finish(level);
		nurture_owner_leave(&save);
	}
	MemoryContextSwitchTo(context);
	/* a disqualification may forbid a message whatever the stage becomes */
	for (int i = 0; !of_leads && !of_account && !of_marks && !of_consent && !of_identity && i < n; i++)
		nurture_gate_bump(leads[i]);
	nurture_standing_decide(leads, n, of_leads || of_account ? "facts_changed" :
							of_marks || of_consent || of_identity ? of : "disqualification");
	return PointerGetDatum(NULL);
}
