/*
 * segment.c
 *	  Segments: the check of what is written, and who is in one.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/plans.h"
#include "base/trigger.h"
#include "facts/subject.h"
#include "facts/vocabulary.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "tracks/rules.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

NURTURE_FUNCTION(nurture_segment_check);
NURTURE_FUNCTION(nurture_segment_preview);

#define PREVIEW_BATCH 1000

/*
 * Trigger on nurture.segment: a condition that cannot be understood is refused
 * when it is written.
 */
Datum
nurture_segment_check(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_segment_check");
	HeapTuple	row = nurture_trigger_before_row(data, "nurture_segment_check");
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	char	   *condition;

	if (!nurture_deriving())
		return PointerGetDatum(row);
	condition = SPI_getvalue(row, desc, SPI_fnumber(desc, "condition"));
	if (condition != NULL)
		nurture_condition_accept(condition, psprintf("segment \"%s\"",
													 SPI_getvalue(row, desc, SPI_fnumber(desc, "segment"))));
	return PointerGetDatum(row);
}

static const TrackSegment *
find_segment(const char *code)
{
	const TrackRules *rules = nurture_track_rules();

	for (int i = 0; i < rules->nsegments; i++)
	{
		if (strcmp(rules->segments[i].code, code) == 0)
			return &rules->segments[i];
	}
	ereport(ERROR,
			(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
			 errmsg("unknown segment \"%.64s\"", code),
			 errhint("Segments are rows of nurture.segment.")));
}

/* Puts the leads of a batch that are in the segment. */
static void
put_batch(ReturnSetInfo *result, const TrackSegment *segment, uint64 mask,
		  TimestampTz now, MemoryContext context)
{
	SPITupleTable *table = SPI_tuptable;
	uint64		n = SPI_processed;
	int			natts = table->tupdesc->natts;
	Datum	   *values = palloc(natts * sizeof(Datum));
	bool	   *nulls = palloc(natts * sizeof(bool));
	MemoryContext old = MemoryContextSwitchTo(context);

	for (uint64 i = 0; i < n; i++)
	{
		Subject		subject;

		CHECK_FOR_INTERRUPTS();
		heap_deform_tuple(table->vals[i], table->tupdesc, values, nulls);
		nurture_subject_begin(&subject, now, context);
		nurture_subject_fill(&subject, values, nulls, mask);
		if (nurture_subject_eval(&subject, segment->condition) == NURTURE_TRUE)
		{
			Datum		lead = Int64GetDatum(subject.lead_id);
			bool		null = false;

			tuplestore_putvalues(result->setResult, result->setDesc, &lead, &null);
		}
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(old);
	SPI_freetuptable(table);
}

/*
 * nurture_segment_preview(segment text) returns setof bigint: the leads of whom
 * its condition is true now, as far as the caller may see them.
 */
Datum
nurture_segment_preview(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	char	   *code = text_to_cstring(PG_GETARG_TEXT_PP(0));
	TimestampTz now = nurture_now_statement();
	const TrackSegment *segment = find_segment(code);
	uint64		mask = nurture_subject_mask(segment->condition);
	MemoryContext context;
	Portal		portal;
	int			level;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	level = nurture_spi_connect();
	context = AllocSetContextCreate(CurrentMemoryContext, "nurture segment",
									ALLOCSET_DEFAULT_SIZES);
	portal = SPI_cursor_open_with_args(NULL,
									   nurture_subject_query(mask, "WHERE l.merged_into IS NULL AND l.erased_at IS NULL AND NOT l.is_test ORDER BY l.lead_id"),
									   0, NULL, NULL, NULL, true, 0);
	for (;;)
	{
		SPI_cursor_fetch(portal, true, PREVIEW_BATCH);
		if (SPI_processed == 0)
			break;
		put_batch(result, segment, mask, now, context);
	}
	SPI_cursor_close(portal);
	nurture_spi_finish(level);
	return (Datum) 0;
}
