/*
 * score_sweep.c
 *	  Once a day the tick goes over all leads and keeps the scores that changed
 *	  although no decision found them: points fade, old events are told late,
 *	  facts of leads without a standing change.
 *
 * The sweep is the last work of a tick, and rows of history the last it locks.
 * A lead that somebody else decides about is passed by: whoever does keeps its
 * score.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "scoring/model_private.h"
#include "scoring/moment.h"
#include "scoring/pass.h"
#include "tracks/tracks.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define SWEEP_CHUNK 500
#define LEADS_PER_TICK_LEAD 10	/* scoring is cheap beside a tick's work */

/* one tick sweeps at a time; the others find nothing to do */
static KeptPlan lock_sweep =
KEPT_PLAN0("SELECT day, next_lead FROM nurture.score_sweep FOR UPDATE SKIP LOCKED");
static KeptPlan keep_sweep =
KEPT_PLAN("UPDATE nurture.score_sweep SET day = $1, next_lead = $2", DATEOID, INT8OID);
static KeptPlan next_leads =
KEPT_PLAN("SELECT lead_id FROM nurture.lead WHERE lead_id >= $1 AND merged_into IS NULL AND erased_at IS NULL"
		  " AND NOT is_test ORDER BY lead_id LIMIT $2", INT8OID, INT4OID);

/* Leads to score, and what was found. */
typedef struct SweepChunk
{
	TimestampTz now;
	int64		first;
	int64		last;
	FoundScore *scores;
	int			n;
	int			room;
} SweepChunk;

/* Scores a lead by every model that applies to it. */
static void
find_scores(void *arg, Subject *subject)
{
	SweepChunk *chunk = arg;
	text	   *audience;
	ListCell   *cell;

	if (subject->nulls[SUBJECT_AUDIENCE_TYPE])
		return;
	audience = DatumGetTextPP(subject->values[SUBJECT_AUDIENCE_TYPE]);
	foreach(cell, nurture_models_of(VARDATA_ANY(audience), VARSIZE_ANY_EXHDR(audience)))
	{
		const CompiledModel *model = lfirst(cell);
		ScoreSummary summary;
		FoundScore *found;

		subject->product = model->product;
		subject->standing_read = false;
		nurture_score_with(subject, model, &summary);
		if (chunk->n == chunk->room)
			chunk->scores = repalloc(chunk->scores, (chunk->room *= 2) * sizeof(FoundScore));
		found = &chunk->scores[chunk->n++];
		found->lead_id = subject->lead_id;
		found->model = model->model;
		found->version = model->version;
		found->fit = summary.fit;
		found->intent = summary.intent;
		found->total = summary.total;
		strlcpy(found->grade, summary.grade, sizeof(found->grade));
	}
}

/* Keeps the scores of the leads from one to another. */
static void
keep_changed(int64 lead_id, void *arg)
{
	SweepChunk *chunk = arg;
	uint64		generation;

	chunk->n = 0;
	chunk->room = SWEEP_CHUNK;
	chunk->scores = palloc(chunk->room * sizeof(FoundScore));
	/* what this tick did before is seen */
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	nurture_score_pass(nurture_models_mask(&generation),
					   psprintf("AND l.lead_id BETWEEN " INT64_FORMAT " AND " INT64_FORMAT, chunk->first, chunk->last),
					   find_scores, chunk);
	PopActiveSnapshot();
	nurture_scores_keep(chunk->scores, chunk->n, chunk->now, false);
}

/* Keeps the scores of n leads; returns of how many until the deadline. */
static int
sweep_leads(const int64 *leads, int n, TimestampTz now, TimestampTz deadline)
{
	SweepChunk	chunk = {.now = now,.first = leads[0],.last = leads[n - 1]};

	if (nurture_tick_lead(NULL, leads[0], keep_changed, &chunk))
		return n;
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		chunk.first = chunk.last = leads[i];
		(void) nurture_tick_lead("score", leads[i], keep_changed, &chunk);
		if (GetCurrentTimestamp() >= deadline)
			return i + 1;
	}
	return n;
}

/* Goes on with the sweep of a day, or begins one. */
static void
run_scores(TimestampTz now, int max_leads, TimestampTz deadline,
		   int64 *done, int64 *left, TimestampTz *oldest)
{
	int64		room = (int64) max_leads * LEADS_PER_TICK_LEAD;
	int64		leads[SWEEP_CHUNK];
	MemoryContext context;
	Datum		values[2];
	char		nulls[3] = "  ";
	int32		today = nurture_day_of(now);
	int32		day;
	int64		next;
	bool		resting;
	bool		isnull;
	int			gucs;

	nurture_execute(&lock_sweep, NULL, NULL, false);
	if (SPI_processed == 0)
		return;
	values[0] = nurture_cell(0, 1, &isnull);
	day = isnull ? today - 1 : DatumGetDateADT(values[0]) + NURTURE_EPOCH_OFFSET_DAYS;
	next = DatumGetInt64(nurture_cell(0, 2, &resting));
	if (resting && day == today)
		return;
	if (resting)
	{
		day = today;
		next = PG_INT64_MIN;
		resting = false;
	}

	/* nobody waits for a tick that waits for him */
	gucs = NewGUCNestLevel();
	(void) set_config_option("lock_timeout", "10ms", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	context = AllocSetContextCreate(CurrentMemoryContext, "nurture sweep of scores",
									ALLOCSET_DEFAULT_SIZES);
	while (!resting && *done < room)
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		int			n;

		CHECK_FOR_INTERRUPTS();
		values[0] = Int64GetDatum(next);
		values[1] = Int32GetDatum((int32) Min(room - *done, SWEEP_CHUNK));
		nurture_execute(&next_leads, values, NULL, false);
		n = (int) SPI_processed;
		for (int i = 0; i < n; i++)
			leads[i] = DatumGetInt64(nurture_cell(i, 1, &isnull));
		SPI_freetuptable(SPI_tuptable);
		if (n > 0)
		{
			n = sweep_leads(leads, n, now, deadline);
			*done += n;
			next = leads[n - 1] + 1;
		}
		resting = n == 0 || leads[n - 1] == PG_INT64_MAX;
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
		if (GetCurrentTimestamp() >= deadline)
			break;
	}
	MemoryContextDelete(context);
	AtEOXact_GUC(true, gucs);

	*left = resting ? 0 : 1;
	values[0] = DateADTGetDatum(day - NURTURE_EPOCH_OFFSET_DAYS);
	values[1] = Int64GetDatum(next);
	nulls[1] = resting ? 'n' : ' ';
	nurture_execute(&keep_sweep, values, nulls, false);
}

static TickWork score_work = {"score", run_scores, NULL};

/* Registers what the tick does here, last of all. */
void
nurture_score_sweep_init(void)
{
	nurture_tick_register(&score_work);
}
