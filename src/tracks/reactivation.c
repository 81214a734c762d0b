/*
 * reactivation.c
 *	  nurture_reactivation: what a cold lead has done since it was approached
 *	  again, apart from its ordinary score.
 *
 * The same rules of the model score it, over the days since the lead entered a
 * track that reactivates.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "core/tally.h"
#include "facts/subject.h"
#include "utils/builtins.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_reactivation);

static KeptPlan find_reactivation =
KEPT_PLAN("SELECT e.entered_at "
		  "FROM nurture.enrollment e JOIN nurture.track t ON t.track = "
		  "e.track "
		  "WHERE e.lead_id = $1 AND t.reactivates AND e.entered_at <= $2 "
		  "ORDER BY e.enrollment_no DESC LIMIT 1",
		  INT8OID, TIMESTAMPTZOID);

/* Leaves in the activity only what occurred from a day on. */
static Tally
since(const Tally *all, int32 day)
{
	TallyEntry *entries = palloc((all->n + 1) * sizeof(TallyEntry));
	unsigned char *bytes;
	size_t		n = 0;
	size_t		size;

	for (uint32 i = 0; i < all->n; i++)
	{
		TallyEntry	e = nurture_tally_entry(all, i);

		if (e.day >= NURTURE_TALLY_FIRST_DAY && e.day >= day)
			entries[n++] = e;
	}
	bytes = palloc(nurture_tally_build_bound(n, 0));
	if (nurture_tally_build(entries, n, 0, bytes, &size) != TALLY_OK)
		elog(ERROR, "could not build the activity of a lead");
	return nurture_tally_view(bytes, size);
}

/*
 * nurture_reactivation(lead_id bigint) returns numeric
 *
 * The points of intent for what the lead did since the day it last entered a
 * track that reactivates; NULL when it never did, or no model applies.
 */
Datum
nurture_reactivation(PG_FUNCTION_ARGS)
{
	TimestampTz now = nurture_now_statement();
	Subject    *subject = nurture_subject_load(PG_GETARG_INT64(0), now, false);
	TimestampTz entered;
	Datum		values[2];
	bool		isnull = true;
	int64		points;
	int			intent = nurture_cond_standard_lookup(COND_NAME_DIMENSION, "intent", 6);
	int			level;

	if (subject == NULL)
		PG_RETURN_NULL();
	values[0] = Int64GetDatum(subject->lead_id);
	values[1] = TimestampTzGetDatum(now);
	level = nurture_spi_connect();
	nurture_execute(&find_reactivation, values, NULL, true);
	entered = SPI_processed > 0 ? DatumGetTimestampTz(nurture_cell(0, 1, &isnull)) : 0;
	nurture_spi_finish(level);
	if (isnull)
		PG_RETURN_NULL();
	subject->signals = since(&subject->signals, nurture_day_of(entered));
	if (nurture_subject_points == NULL || !nurture_subject_points(subject, intent, &points))
		PG_RETURN_NULL();
	PG_RETURN_NUMERIC(int64_div_fast_to_numeric(points, 2));
}
