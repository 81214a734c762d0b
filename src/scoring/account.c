/*
 * account.c
 *	  nurture_account_score, its explanation, and nurture_account_spike.
 *
 * An account is scored as a lead of which only the organisation is known,
 * with the sum of what its leads did.  A model's limits bound that sum, so
 * what a single busy lead cannot reach is added after them: points for each
 * further active lead and each further topic.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "scoring/account_private.h"
#include "utils/builtins.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_account_score);
NURTURE_FUNCTION(nurture_account_explain);
NURTURE_FUNCTION(nurture_account_spike);

#define EXPLAIN_COLUMNS 10
#define SPIKE_COLUMNS 8

/* Reads and scores an account now; false when there is none or no model. */
static bool
score_account(int64 account_id, TimestampTz now, const char *model,
			  AccountFigures *figures, AccountScore *score, ScoreDetail *detail)
{
	uint64		generation;

	return nurture_account_read(account_id, now, nurture_models_mask(&generation), figures) &&
		nurture_account_points(figures, model, score, detail);
}

/* nurture_account_score(account_id bigint [, model text]) returns numeric */
Datum
nurture_account_score(PG_FUNCTION_ARGS)
{
	AccountFigures figures;
	AccountScore score;
	char	   *model = NULL;

	if (PG_ARGISNULL(0) || (PG_NARGS() > 1 && PG_ARGISNULL(1)))
		PG_RETURN_NULL();
	if (PG_NARGS() > 1)
		model = text_to_cstring(PG_GETARG_TEXT_PP(1));
	if (!score_account(PG_GETARG_INT64(0), nurture_now_statement(), model, &figures, &score, NULL))
		PG_RETURN_NULL();
	return nurture_points_datum(score.total);
}

/* Puts the row of what counts beyond the rules. */
static void
put_breadth(ReturnSetInfo *result, const char *rule, char *label, int64 n,
			int64 each, int64 points)
{
	Datum		values[EXPLAIN_COLUMNS];
	bool		nulls[EXPLAIN_COLUMNS] = {false};
	int64		raw = each * Max(n - 1, 0);

	values[0] = values[1] = CStringGetTextDatum("account");
	values[2] = CStringGetTextDatum(rule);
	values[3] = CStringGetTextDatum(label);
	nulls[4] = nulls[6] = true;
	values[5] = Int64GetDatum(n);
	values[7] = values[8] = nurture_points_datum(raw);
	values[9] = nurture_points_datum(points);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * nurture_account_explain(account_id bigint, model text) returns setof record:
 * no row for an unknown account.
 */
Datum
nurture_account_explain(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	AccountFigures figures;
	AccountScore score;
	ScoreDetail detail;
	char	   *model;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	model = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	if (!score_account(PG_GETARG_INT64(0), nurture_now_statement(), model, &figures, &score, &detail))
		return (Datum) 0;
	nurture_explain_rows(result, score.summary.model, &detail);
	put_breadth(result, "active_leads",
				psprintf(INT64_FORMAT " of " INT64_FORMAT " leads active within %d days",
						 figures.active_leads, figures.leads, figures.policy->active_days),
				figures.active_leads, figures.policy->lead_points, score.lead_points);
	put_breadth(result, "topics",
				psprintf(INT64_FORMAT " topics of interest", score.topics),
				score.topics, figures.policy->topic_points, score.topic_points);
	return (Datum) 0;
}

/*
 * nurture_account_spike(account_id bigint) returns setof record: no row for
 * an unknown account.
 */
Datum
nurture_account_spike(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	AccountFigures figures;
	const AccountSpike *spike = &figures.spike;
	Datum		values[SPIKE_COLUMNS];
	bool		nulls[SPIKE_COLUMNS] = {false};

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) ||
		!nurture_account_read(PG_GETARG_INT64(0), nurture_now_statement(), 0, &figures))
		return (Datum) 0;
	nulls[0] = nulls[5] = !spike->has_ratio;
	nulls[4] = spike->baseline_days == 0;
	values[0] = nurture_points_datum(spike->ratio);
	values[1] = Int64GetDatum(spike->recent);
	values[2] = Int64GetDatum(spike->baseline);
	values[3] = BoolGetDatum(spike->is_spike);
	if (!nulls[4])
		values[4] = nurture_points_datum((200 * spike->baseline * spike->recent_days + spike->baseline_days) /
										 (2 * spike->baseline_days));
	values[5] = Float8GetDatum(spike->chance);
	values[6] = Int32GetDatum(spike->recent_days);
	values[7] = Int32GetDatum(spike->baseline_days);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	return (Datum) 0;
}
