/*
 * qualify.c
 *	  Tiers: identity, fit, intent, readiness, passed in this order.
 *
 * What each tier asks are the tier rules of the model that applies.  A
 * requirement that is unknown is not met, and what is unknown is named, so
 * that it can be asked for.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "facts/program.h"
#include "facts/vocabulary.h"
#include "fmgr.h"
#include "funcapi.h"
#include "routing/routing_private.h"
#include "scoring/model.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/memutils.h"

NURTURE_FUNCTION(nurture_qualify);

static KeptPlan read_stage =
KEPT_PLAN("SELECT stage FROM nurture.lead_stage WHERE lead_id = $1 AND product = $2",
		  INT8OID, TEXTOID);
static KeptPlan read_disqualifications =
KEPT_PLAN("SELECT reason, pg_catalog.bool_or(excludes) FROM nurture.disqualification"
		  " WHERE lead_id = $1 AND product IN ('*', $2) AND valid_during @> $3"
		  " GROUP BY reason ORDER BY reason",
		  INT8OID, TEXTOID, TIMESTAMPTZOID);

static const char *const tier_status[] = {
	"unidentified", "identified", "fit", "mql", "sql"
};

/* Returns the model of a product for a lead, NULL when none applies. */
const CompiledModel *
nurture_subject_model(const Subject *subject, const char *product)
{
	text	   *audience = NULL;

	if (!subject->nulls[SUBJECT_AUDIENCE_TYPE])
		audience = DatumGetTextPP(subject->values[SUBJECT_AUDIENCE_TYPE]);
	return nurture_model_of(product, audience ? VARDATA_ANY(audience) : "",
							audience ? VARSIZE_ANY_EXHDR(audience) : 0,
							subject->fresh);
}

/* Reads a lead's stage for a product into the subject. */
void
nurture_subject_stage(Subject *subject, const char *product)
{
	OwnerSwitch save;
	Datum		values[2];
	int			level;

	values[0] = Int64GetDatum(subject->lead_id);
	values[1] = CStringGetTextDatum(product);
	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	nurture_execute(&read_stage, values, NULL, !subject->fresh);
	subject->stage = SPI_processed > 0 ?
		MemoryContextStrdup(subject->context, nurture_cell_text(0, 1)) : "new";
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	subject->product = product;
	subject->standing_read = true;
}

/* What noting the programmes of a requirement needs. */
typedef struct ProgramNote
{
	Subject    *subject;
	Qualification *out;
} ProgramNote;

static void
note_programs(void *arg, const CondTerm *term)
{
	ProgramNote *note = arg;
	ListCell   *cell;

	if (term->kind != COND_TERM_PROGRAM)
		return;
	foreach(cell, nurture_program_matches(note->subject, term, QUALIFY_MAX_PROGRAMS))
	{
		ListCell   *known;
		bool		found = list_length(note->out->programs) >= QUALIFY_MAX_PROGRAMS;

		foreach(known, note->out->programs)
			found |= strcmp(lfirst(known), lfirst(cell)) == 0;
		if (!found)
			note->out->programs = lappend(note->out->programs, lfirst(cell));
	}
}

static void
note_unknown(void *arg, const CondTerm *term, NurtureTruth truth)
{
	Qualification *out = arg;
	char	   *text;
	ListCell   *cell;

	if (truth != NURTURE_UNKNOWN)
		return;
	text = nurture_condition_term_text(term);

	foreach(cell, out->unknown)
	{
		if (strcmp(lfirst(cell), text) == 0)
			return;
	}
	out->unknown = lappend(out->unknown, text);
}

/*
 * Asks the tiers of the model that applies.  The subject's grade and tier
 * become what they are now; its stage must have been read.
 */
void
nurture_qualification(Subject *subject, const char *product,
					  Qualification *out)
{
	const CompiledModel *model = nurture_subject_model(subject, product);
	ScoreSummary summary;
	bool		failed = false;

	memset(out, 0, sizeof(*out));
	out->status = tier_status[0];
	if (model == NULL)
	{
		subject->grade = NULL;
		subject->tier = 0;
		return;
	}
	nurture_score_with(subject, model, &summary);
	out->model = summary.model->model;
	out->version = summary.model->version;
	out->fit = summary.fit;
	out->intent = summary.intent;
	out->total = summary.total;
	out->confidence = summary.confidence;
	out->grade = summary.grade[0] != '\0' ? pstrdup(summary.grade) : NULL;
	subject->grade = out->grade;
	subject->tier = 0;
	for (int i = 0; i < summary.model->n_point_rules; i++)
	{
		const PointRule *rule = &summary.model->point_rules[i];

		if (rule->label != NULL &&
			nurture_subject_eval(subject, rule->condition) == NURTURE_TRUE)
			out->labelling = lappend(out->labelling, unconstify(PointRule *, rule));
	}
	for (int i = 0; i < summary.model->n_tiers; i++)
	{
		const TierRule *rule = &summary.model->tiers[i];

		if (rule->tier > out->tier + 1)
		{
			/* the tiers before this one are passed unless one failed */
			if (failed)
				break;
			out->tier = subject->tier = rule->tier - 1;
		}
		if (nurture_subject_eval(subject, rule->condition) == NURTURE_TRUE)
		{
			ProgramNote note = {subject, out};

			nurture_cond_visit_terms(rule->condition, note_programs, &note);
			continue;
		}
		failed = true;
		out->reasons = lappend(out->reasons, pstrdup(rule->fails_with));
		(void) nurture_subject_explain(subject, rule->condition, note_unknown, out);
	}
	if (!failed && summary.model->n_tiers > 0)
		out->tier = summary.model->tiers[summary.model->n_tiers - 1].tier;
	subject->tier = out->tier;
	out->status = tier_status[out->tier];
}

/*
 * Returns the reasons of a qualification: what failed, and which programmes
 * met a requirement, as program:<code>.
 */
List	   *
nurture_qualification_reasons(const Qualification *q)
{
	List	   *reasons = list_copy(q->reasons);
	ListCell   *cell;

	foreach(cell, q->programs)
		reasons = lappend(reasons, psprintf("program:%s", (char *) lfirst(cell)));
	return reasons;
}

/*
 * nurture_qualify(lead_id bigint, product text) returns (tier int, status
 * text, reasons text[], unknown text[])
 */
Datum
nurture_qualify(PG_FUNCTION_ARGS)
{
	int64		lead_id = PG_GETARG_INT64(0);
	char	   *product = text_to_cstring(PG_GETARG_TEXT_PP(1));
	MemoryContext context = CurrentMemoryContext;
	TupleDesc	desc;
	Subject    *subject;
	Qualification standing;
	OwnerSwitch save;
	List	   *disqualifiers = NIL;
	bool		excluded = false;
	Datum		query[3];
	Datum		values[4];
	bool		nulls[4] = {0};
	int			level;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	subject = nurture_subject_load(lead_id, nurture_now_statement(), false);
	if (subject == NULL)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_LEAD),
				 errmsg("there is no lead %lld", (long long) lead_id),
				 errhint("Or you may not see it; nurture.lead lists those you may.")));
	nurture_subject_stage(subject, product);

	query[0] = Int64GetDatum(subject->lead_id);
	query[1] = CStringGetTextDatum(product);
	query[2] = TimestampTzGetDatum(subject->now);
	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	nurture_execute(&read_disqualifications, query, NULL, true);
	MemoryContextSwitchTo(context);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		isnull;

		disqualifiers = lappend(disqualifiers, nurture_cell_text(row, 1));
		excluded |= DatumGetBool(nurture_cell(row, 2, &isnull));
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&save);

	nurture_qualification(subject, product, &standing);
	if (excluded)
	{
		standing.tier = Min(standing.tier, 1);
		standing.status = "disqualified";
		standing.reasons = disqualifiers;
	}
	else
		standing.reasons = list_concat(nurture_qualification_reasons(&standing), disqualifiers);

	desc = BlessTupleDesc(desc);
	values[0] = Int32GetDatum(standing.tier);
	values[1] = CStringGetTextDatum(standing.status);
	values[2] = nurture_text_array(standing.reasons);
	values[3] = nurture_text_array(standing.unknown);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}
