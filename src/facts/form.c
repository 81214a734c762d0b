/*
 * form.c
 *	  Answers in events become facts, consent and preferences of their leads,
 *	  in the statement that stores the events.
 *
 * An event counts whatever its answers are.  All leads of the statement are
 * locked before anything is decided, ascending, and read by the query that
 * locks them; then their gate rows; then everything is written set by set.
 *
 * Events arrive late, and what was said later counts: an answer changes a
 * known fact only if it was not given before the present value.  When that
 * was said is kept in nurture.fact_source for answers, and follows from the
 * history of the lead for what others wrote.
 */
#include "base/compat.h"

#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "facts/form_private.h"
#include "facts/reaction.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define MAX_REASON	200			/* bytes of a reason in the history */

static KeptPlan lock_leads =
KEPT_PLAN("SELECT l.lead_id, l.merged_into, l.erased_at IS NOT NULL, l.created_at, l.attributes,"
		  " l.email, l.phone, l.full_name, l.audience_type, l.role, l.specialty, l.therapeutic_area,"
		  " l.country, l.region, l.postal_code, l.organization_type, l.source, l.campaign,"
		  " l.language, l.time_zone"
		  " FROM nurture.lead AS l WHERE l.lead_id = ANY ($1)"
		  " ORDER BY l.lead_id FOR NO KEY UPDATE", INT8ARRAYOID);

/* in lock_leads the columns of nurture_fact_lead_columns begin here */
#define FIRST_COLUMN	6

/* When a present value was said: by an answer, or when somebody wrote it. */
static KeptPlan read_said =
KEPT_PLAN("SELECT u.i, greatest("
		  " (SELECT s.said_at FROM nurture.fact_source AS s"
		  " WHERE s.lead_id = u.lead_id AND s.target = u.target),"
		  " (SELECT max(w.held_until) FROM"
		  " (SELECT h.held_until, h.event_id, h.changed, h.attributes -> u.key AS was,"
		  " lead(h.attributes -> u.key, 1, u.present) OVER (ORDER BY h.history_no) AS became"
		  " FROM nurture.lead_history AS h WHERE h.lead_id = u.lead_id) AS w"
		  " WHERE w.event_id IS NULL AND u.col = ANY (w.changed)"
		  " AND (u.key IS NULL OR w.was IS DISTINCT FROM w.became)))"
		  " FROM unnest($1, $2, $3, $4, $5) WITH ORDINALITY AS u(lead_id, target, col, key, present, i)",
		  INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, JSONBARRAYOID);

static Jsonb *
copy_jsonb(const Jsonb *value)
{
	Jsonb	   *copy;

	if (value == NULL)
		return NULL;
	copy = palloc(VARSIZE(value));
	memcpy(copy, value, VARSIZE(value));
	return copy;
}

/* Collects what the events answer to; of several paths the first counts. */
static void
collect_answers(FormRun *run, const SubjectEvent *const *events, int nevents)
{
	MemoryContext context = CurrentMemoryContext;
	MemoryContext work = AllocSetContextCreate(context, "nurture answers",
											   ALLOCSET_DEFAULT_SIZES);

	for (int i = 0; i < nevents; i++)
	{
		int			nrules;
		const FactRule *rules;
		const char *answered = NULL;

		CHECK_FOR_INTERRUPTS();
		if (events[i]->properties == NULL)
			continue;
		rules = nurture_fact_rules(events[i]->event_type, &nrules);
		for (int j = 0; j < nrules; j++)
		{
			FactAnswer	answer;
			FormAnswer *kept;
			bool		found;

			if (answered != NULL && strcmp(answered, rules[j].target.text) == 0)
				continue;
			MemoryContextSwitchTo(work);
			found = nurture_fact_answer(&rules[j], events[i]->properties, &answer);
			MemoryContextSwitchTo(context);
			if (!found)
				continue;
			answered = rules[j].target.text;
			if (run->nanswers == run->room)
			{
				run->room = Max(run->room * 2, 64);
				run->answers = run->answers == NULL ? palloc(run->room * sizeof(FormAnswer)) :
					repalloc_huge(run->answers, run->room * sizeof(FormAnswer));
			}
			kept = &run->answers[run->nanswers++];
			kept->lead = NULL;
			kept->rule = &rules[j];
			kept->event = events[i];
			kept->answer.raw = copy_jsonb(answer.raw);
			kept->answer.value = copy_jsonb(answer.value);
			kept->answer.problem = answer.problem ? pstrdup(answer.problem) : NULL;
		}
		MemoryContextReset(work);
	}
	MemoryContextDelete(work);
}

static int
compare_leads(const void *a, const void *b)
{
	int64		x = ((const FormLead *) a)->lead_id;
	int64		y = ((const FormLead *) b)->lead_id;

	return x < y ? -1 : x > y;
}

/* Finds a lead among those that are locked. */
FormLead   *
nurture_form_lead(FormLead *leads, int n, int64 lead_id)
{
	FormLead	key;

	key.lead_id = lead_id;
	return n == 0 ? NULL : bsearch(&key, leads, n, sizeof(FormLead), compare_leads);
}

static int
compare_ids(const void *a, const void *b)
{
	int64		x = DatumGetInt64(*(const Datum *) a);
	int64		y = DatumGetInt64(*(const Datum *) b);

	return x < y ? -1 : x > y;
}

/* Locks leads, ascending, and adds them as they are then. */
static void
lock_some(FormRun *run, Datum *ids, int n)
{
	Datum		value = PointerGetDatum(construct_array(ids, n, INT8OID, 8, true, TYPALIGN_DOUBLE));
	int			had = run->nleads;
	bool		isnull;

	(void) nurture_execute(&lock_leads, &value, NULL, false);
	run->leads = run->leads == NULL ?
		palloc(Max(SPI_processed, 1) * sizeof(FormLead)) :
		repalloc_huge(run->leads, (had + SPI_processed) * sizeof(FormLead));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		FormLead   *lead = &run->leads[run->nleads++];
		Datum		cell;

		memset(lead, 0, sizeof(FormLead));
		lead->lead_id = DatumGetInt64(nurture_cell(i, 1, &isnull));
		cell = nurture_cell(i, 2, &isnull);
		lead->merged_into = isnull ? 0 : DatumGetInt64(cell);
		lead->erased = DatumGetBool(nurture_cell(i, 3, &isnull));
		lead->created_at = DatumGetTimestampTz(nurture_cell(i, 4, &isnull));
		lead->attributes = DatumGetJsonbPCopy(nurture_cell(i, 5, &isnull));
		for (int j = 0; j < FACT_LEAD_COLUMNS; j++)
			lead->columns[j] = nurture_cell_text(i, FIRST_COLUMN + j);
	}
	SPI_freetuptable(SPI_tuptable);
	qsort(run->leads, run->nleads, sizeof(FormLead), compare_leads);
}

/* Returns whom a lead was merged into, as far as that is known by now. */
static int64
survivor_of(const FormRun *run, int64 lead_id)
{
	for (int merges = 0; merges < SUBJECT_MAX_MERGE_CHAIN; merges++)
	{
		const FormLead *lead = nurture_form_lead(run->leads, run->nleads, lead_id);

		if (lead == NULL || lead->merged_into == 0)
			break;
		lead_id = lead->merged_into;
	}
	return lead_id;
}

/*
 * Locks the leads of all answers, and the survivors of those that were
 * merged; tells each answer its lead, and forgets those of erased leads.
 */
static void
lock_all(FormRun *run)
{
	Datum	   *ids = palloc(run->nanswers * sizeof(Datum));
	int			kept = 0;
	int			had;

	do
	{
		int			n = 0;
		int			distinct = 0;

		had = run->nleads;
		for (int i = 0; i < run->nanswers; i++)
		{
			int64		lead_id = survivor_of(run, run->answers[i].event->lead_id);

			if (nurture_form_lead(run->leads, run->nleads, lead_id) == NULL)
				ids[n++] = Int64GetDatum(lead_id);
		}
		qsort(ids, n, sizeof(Datum), compare_ids);
		for (int i = 0; i < n; i++)
		{
			if (distinct == 0 || compare_ids(&ids[i], &ids[distinct - 1]) != 0)
				ids[distinct++] = ids[i];
		}
		if (distinct > 0)
			lock_some(run, ids, distinct);
	} while (run->nleads > had);

	for (int i = 0; i < run->nanswers; i++)
	{
		FormAnswer *answer = &run->answers[i];

		answer->lead = nurture_form_lead(run->leads, run->nleads,
										 survivor_of(run, answer->event->lead_id));
		if (answer->lead == NULL || answer->lead->erased || answer->lead->merged_into != 0)
			continue;
		run->answers[kept++] = *answer;
	}
	run->nanswers = kept;
	pfree(ids);
}

/* By lead and fact, then in the order in which they were said. */
static int
compare_answers(const void *a, const void *b)
{
	const FormAnswer *x = a;
	const FormAnswer *y = b;
	int			order;

	if (x->lead->lead_id != y->lead->lead_id)
		return x->lead->lead_id < y->lead->lead_id ? -1 : 1;
	order = strcmp(x->rule->target.text, y->rule->target.text);
	if (order != 0)
		return order;
	if (x->event->occurred_at != y->event->occurred_at)
		return x->event->occurred_at < y->event->occurred_at ? -1 : 1;
	return x->event->event_id < y->event->event_id ? -1 : x->event->event_id > y->event->event_id;
}

static bool
same_value(Jsonb *a, Jsonb *b)
{
	return compareJsonbContainers(&a->root, &b->root) == 0;
}

/* Returns the present value of a fact; NULL when it is not known. */
static Jsonb *
present_value(const FormLead *lead, const FactTarget *target)
{
	JsonbValue	value;

	if (target->kind == FACT_LEAD)
	{
		value.type = jbvString;
		value.val.string.val = lead->columns[target->column - nurture_fact_lead_columns];
		if (value.val.string.val == NULL ||
			(target->column->form == FACT_AUDIENCE && strcmp(value.val.string.val, "unknown") == 0))
			return NULL;
		value.val.string.len = strlen(value.val.string.val);
	}
	else if (getKeyJsonValueFromContainer(&lead->attributes->root, target->key,
										  strlen(target->key), &value) == NULL ||
			 value.type == jbvNull ||
			 (value.type == jbvBinary && JsonContainerIsArray(value.val.binary.data) &&
			  JsonContainerSize(value.val.binary.data) == 0))
		return NULL;
	if (value.type == jbvString &&
		strspn(pnstrdup(value.val.string.val, value.val.string.len), " \t\n\v\f\r") == value.val.string.len)
		return NULL;
	return JsonbValueToJsonb(&value);
}

/* Groups the answers by fact, and reads how old the present values are. */
static void
group_facts(FormRun *run)
{
	FormColumn	columns[5] = {0};
	FormFact  **asked;
	int			nasked = 0;

	run->facts = palloc0(Max(run->nanswers, 1) * sizeof(FormFact));
	for (int i = 0; i < run->nanswers; i++)
	{
		const FactTarget *target = &run->answers[i].rule->target;
		FormFact   *fact = run->nfacts > 0 ? &run->facts[run->nfacts - 1] : NULL;
		const FormAnswer *before = fact ? &run->answers[fact->first] : NULL;

		if (target->kind != FACT_LEAD && target->kind != FACT_ATTRIBUTE)
			continue;
		if (before == NULL || before->lead != run->answers[i].lead ||
			strcmp(before->rule->target.text, target->text) != 0)
		{
			fact = &run->facts[run->nfacts++];
			fact->first = i;
			fact->present = present_value(run->answers[i].lead, target);
			fact->said_at = run->answers[i].lead->created_at;
		}
		fact->n++;
		if (fact->present != NULL && run->answers[i].rule->mode != FACT_FILL &&
			run->answers[i].answer.value != NULL &&
			!same_value(fact->present, run->answers[i].answer.value))
			fact->disputed = true;
	}

	asked = palloc(Max(run->nfacts, 1) * sizeof(FormFact *));
	for (int i = 0; i < run->nfacts; i++)
	{
		FormFact   *fact = &run->facts[i];
		const FactTarget *target = &run->answers[fact->first].rule->target;
		bool		attribute = target->kind == FACT_ATTRIBUTE;

		if (!fact->disputed)
			continue;
		asked[nasked++] = fact;
		nurture_form_put(&columns[0], INT8OID, Int64GetDatum(run->answers[fact->first].lead->lead_id), false);
		nurture_form_put_text(&columns[1], target->text);
		nurture_form_put_text(&columns[2], attribute ? "attributes" : target->column->name);
		nurture_form_put_text(&columns[3], attribute ? target->key : NULL);
		nurture_form_put(&columns[4], JSONBOID, JsonbPGetDatum(fact->present), false);
	}
	if (nasked > 0)
	{
		Datum		values[5];
		bool		isnull;

		values[0] = nurture_form_array(&columns[0], INT8OID);
		for (int i = 1; i < 4; i++)
			values[i] = nurture_form_array(&columns[i], TEXTOID);
		values[4] = nurture_form_array(&columns[4], JSONBOID);
		(void) nurture_execute(&read_said, values, NULL, false);
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			FormFact   *fact = asked[DatumGetInt64(nurture_cell(i, 1, &isnull)) - 1];
			Datum		said_at = nurture_cell(i, 2, &isnull);

			if (!isnull)
				fact->said_at = DatumGetTimestampTz(said_at);
		}
		SPI_freetuptable(SPI_tuptable);
	}
}

/* Takes an answer as the fact. */
static void
take(FormFact *fact, const FormAnswer *answer)
{
	FormLead   *lead = answer->lead;
	const FactTarget *target = &answer->rule->target;

	fact->present = answer->answer.value;
	if (!lead->changed)
		initStringInfo(&lead->why);
	lead->changed = true;
	if (lead->event == NULL || answer->event->occurred_at >= lead->said_at)
	{
		lead->said_at = answer->event->occurred_at;
		lead->event = answer->event;
	}
	if (lead->why.len < MAX_REASON)
	{
		bool		same = lead->why_type != NULL && strcmp(lead->why_type, answer->event->event_type) == 0;

		appendStringInfo(&lead->why, "%s%s%s%s", lead->why.len == 0 ? "" : same ? ", " : "; ",
						 same ? "" : answer->event->event_type, same ? "" : ": ", target->text);
		lead->why_type = answer->event->event_type;
	}
	if (target->kind == FACT_LEAD)
	{
		lead->facts[target->column - nurture_fact_lead_columns] = answer->answer.value;
		lead->of_gate = lead->of_gate || target->column->of_gate;
	}
}

/* Decides about the answers to one fact, in the order they were given. */
static void
decide_fact(FormRun *run, FormFact *fact)
{
	Jsonb	   *before = fact->present;
	FormLead   *lead = run->answers[fact->first].lead;
	const FactTarget *target = &run->answers[fact->first].rule->target;

	for (int i = fact->first; i < fact->first + fact->n; i++)
	{
		const FormAnswer *answer = &run->answers[i];
		const SubjectEvent *event = answer->event;
		const char *ignored = NULL;

		if (answer->answer.problem != NULL)
		{
			nurture_form_review(run, answer, "manual_research", NULL, answer->answer.problem);
			ignored = "does_not_fit";
		}
		else if (fact->present != NULL && same_value(fact->present, answer->answer.value))
		{
			if (!fact->disputed || event->occurred_at >= fact->said_at)
			{
				fact->said_at = event->occurred_at;
				fact->event_id = event->event_id;
			}
		}
		else if (fact->present != NULL && event->occurred_at < fact->said_at)
			ignored = "older";
		else if (fact->present != NULL && answer->rule->mode == FACT_FILL)
			ignored = "known";
		else if (fact->present != NULL && answer->rule->mode == FACT_REVIEW)
		{
			nurture_form_review(run, answer, "contradiction", fact->present, NULL);
			ignored = "contradicts";
		}
		else
		{
			take(fact, answer);
			fact->taken = true;
			fact->said_at = event->occurred_at;
			fact->event_id = event->event_id;
		}
		if (ignored != NULL)
		{
			fact->ignored_event_id = event->event_id;
			fact->ignored_because = ignored;
		}
	}
	if (target->kind == FACT_ATTRIBUTE && fact->present != NULL && fact->present != before)
	{
		JsonbValue	key;
		JsonbValue	value;

		if (lead->more == NULL)
			(void) pushJsonbValue(&lead->more, WJB_BEGIN_OBJECT, NULL);
		key.type = jbvString;
		key.val.string.val = unconstify(char *, target->key);
		key.val.string.len = strlen(target->key);
		(void) pushJsonbValue(&lead->more, WJB_KEY, &key);
		if (JB_ROOT_IS_SCALAR(fact->present))
			(void) JsonbExtractScalar(&fact->present->root, &value);
		else
		{
			value.type = jbvBinary;
			value.val.binary.data = &fact->present->root;
			value.val.binary.len = VARSIZE(fact->present) - VARHDRSZ;
		}
		(void) pushJsonbValue(&lead->more, WJB_VALUE, &value);
	}
}

static bool
wants_no_signal(int signal_id)
{
	return false;
}

static bool
wants_type(const char *event_type)
{
	int			n;

	return nurture_fact_rules(event_type, &n) != NULL;
}

static void
react_facts(const SubjectEvent *const *events, int nevents)
{
	FormRun		run = {0};
	OwnerSwitch owner;
	MemoryContext context;
	MemoryContext old;
	int			level;

	context = AllocSetContextCreate(CurrentMemoryContext, "nurture forms",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	collect_answers(&run, events, nevents);
	if (run.nanswers > 0)
	{
		nurture_owner_enter(&owner);
		level = nurture_spi_connect();
		MemoryContextSwitchTo(context);
		lock_all(&run);
		if (run.nanswers > 1)
			qsort(run.answers, run.nanswers, sizeof(FormAnswer), compare_answers);
		group_facts(&run);
		for (int i = 0; i < run.nfacts; i++)
			decide_fact(&run, &run.facts[i]);
		nurture_form_write(&run);
		nurture_spi_finish(level);
		nurture_owner_leave(&owner);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* Registers the reactor: before the others, which then see the new facts. */
void
nurture_form_init(void)
{
	static Reactor reactor = {
		.name = "facts",.order = REACT_FACTS,.history_too = true,
		.wants = wants_no_signal,.wants_type = wants_type,.react = react_facts
	};

	nurture_reactor_register(&reactor);
}
