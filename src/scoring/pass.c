/*
 * pass.c
 *	  One pass over all leads.
 *
 * The query is that of every score, so the caller's row and column rights
 * decide.  Its rows go to a receiver of ours instead of a table of SPI: each
 * lead is scored from the columns where the executor left them, tallies in the
 * buffer page, and a million leads need the memory of one.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/plans.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "scoring/model_private.h"
#include "scoring/pass.h"
#include "tcop/dest.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"

typedef struct PassReceiver
{
	DestReceiver dest;			/* first: the executor knows this part */
	Subject		subject;
	TimestampTz now;
	uint64		mask;
	MemoryContext per_lead;
	PassVisit	visit;
	void	   *arg;
} PassReceiver;

/* Sets an option until the nest level of options ends. */
static void
set_option(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

static bool
receive_lead(TupleTableSlot *slot, DestReceiver *dest)
{
	PassReceiver *pass = (PassReceiver *) dest;
	MemoryContext old = MemoryContextSwitchTo(pass->per_lead);

	CHECK_FOR_INTERRUPTS();
	slot_getallattrs(slot);
	nurture_subject_begin(&pass->subject, pass->now, pass->per_lead);
	nurture_subject_fill(&pass->subject, slot->tts_values, slot->tts_isnull,
						 pass->mask);
	pass->visit(pass->arg, &pass->subject);
	MemoryContextSwitchTo(old);
	MemoryContextReset(pass->per_lead);
	return true;
}

static void
start_pass(DestReceiver *dest, int operation, TupleDesc desc)
{
}

static void
end_pass(DestReceiver *dest)
{
}

/*
 * Visits every lead that is neither merged nor erased nor a test, by lead_id.
 */
void
nurture_score_pass(uint64 mask, const char *condition, PassVisit visit,
				   void *arg)
{
	PassReceiver pass;
	SPIExecuteOptions options;
	char	   *query;
	int			level;
	int			result;

	if (condition == NULL && nurture_score_pass_direct(mask, visit, arg))
		return;
	query = nurture_subject_query(mask, psprintf("WHERE l.merged_into IS NULL AND l.erased_at IS NULL AND NOT l.is_test %s ORDER BY l.lead_id",
												 condition ? condition : ""));
	pass.dest.receiveSlot = receive_lead;
	pass.dest.rStartup = start_pass;
	pass.dest.rShutdown = end_pass;
	pass.dest.rDestroy = end_pass;
	pass.dest.mydest = DestTuplestore;
	pass.now = nurture_now_statement();
	pass.mask = mask;
	pass.visit = visit;
	pass.arg = arg;
	pass.per_lead = AllocSetContextCreate(CurrentMemoryContext,
										  "nurture score of one lead",
										  ALLOCSET_DEFAULT_SIZES);
	memset(&options, 0, sizeof(options));
	options.read_only = true;
	options.must_return_tuples = true;
	options.dest = &pass.dest;

	/* the join costs enough to be compiled, and would run shorter than that */
	level = NewGUCNestLevel();
	set_option("jit", "off");

	/*
	 * Every page of both tables is read, by key most of them once: that costs
	 * no more than in any other order, and sorting a million leads does.
	 */
	set_option("random_page_cost",
			   GetConfigOption("seq_page_cost", false, false));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	result = SPI_execute_extended(query, &options);
	if (result != SPI_OK_SELECT)
		elog(ERROR, "could not execute \"%s\": %s", query,
			 SPI_result_code_string(result));
	SPI_finish();
	AtEOXact_GUC(true, level);
	MemoryContextDelete(pass.per_lead);
}

/*
 * Numerics, written as the server stores them: making one through its
 * arithmetic costs as much as scoring a short tally.  The form is that of data
 * on disk (NumericShort), which no release has changed since 9.1.
 */
#define NUMERIC_BASE 10000
#define NUMERIC_SHORT_HEADER 0x8000
#define NUMERIC_SHORT_NEGATIVE 0x2000
#define NUMERIC_SHORT_SCALE_SHIFT 7
#define NUMERIC_SHORT_WEIGHT_BITS 0x7F	/* in two's complement */
#define POINTS_DIGITS 6			/* base 10000: five and one of decimals */

struct PointsCache
{
	int32		header;			/* of a varlena */
	uint16		numeric;
	int16		digits[POINTS_DIGITS];
};

/* Makes room for a value in the current memory context. */
PointsCache *
nurture_points_cache(void)
{
	return palloc0(sizeof(PointsCache));
}

/* Writes whole + decimals / 10000, shown with so many decimals. */
static Datum
write_numeric(PointsCache *cache, bool negative, uint64 whole, int decimals, int scale)
{
	int16		digits[POINTS_DIGITS];
	int			first = POINTS_DIGITS - 1;
	int			last = POINTS_DIGITS;
	int			weight;

	digits[first] = (int16) decimals;
	while (whole > 0)
	{
		digits[--first] = (int16) (whole % NUMERIC_BASE);
		whole /= NUMERIC_BASE;
	}
	weight = POINTS_DIGITS - 2 - first;
	/* neither leading nor trailing zeros are stored */
	if (digits[first] == 0)
		first++;
	while (last > first && digits[last - 1] == 0)
		last--;
	if (first == last)
		weight = 0;
	cache->numeric = NUMERIC_SHORT_HEADER | (scale << NUMERIC_SHORT_SCALE_SHIFT) |
		(negative ? NUMERIC_SHORT_NEGATIVE : 0) | (weight & NUMERIC_SHORT_WEIGHT_BITS);
	memcpy(cache->digits, &digits[first], sizeof(int16) * (last - first));
	SET_VARSIZE(cache, VARHDRSZ + sizeof(uint16) + sizeof(int16) * (last - first));
	return PointerGetDatum(cache);
}

/*
 * Returns points in hundredths as numeric with two decimals.  The value is
 * good until the next call with the same cache: each column has its own.
 */
Datum
nurture_points_cached(PointsCache *cache, int64 points)
{
	uint64		size = points < 0 ? -(uint64) points : (uint64) points;

	return write_numeric(cache, points < 0, size / 100, (int) (size % 100 * 100), 2);
}

/* Returns a share in parts of 10000 as numeric with four decimals. */
Datum
nurture_share_cached(PointsCache *cache, int share)
{
	return write_numeric(cache, false, share / NUMERIC_BASE, share % NUMERIC_BASE, 4);
}

/* The grades there are as text: "A1" to "D4". */
struct GradeCache
{
	Datum		cells[4][4];
};

/* Makes the cache in the current memory context. */
GradeCache *
nurture_grade_cache(void)
{
	GradeCache *cache = palloc(sizeof(GradeCache));

	for (int fit = 0; fit < 4; fit++)
	{
		for (int intent = 0; intent < 4; intent++)
			cache->cells[fit][intent] = CStringGetTextDatum(psprintf("%c%c", 'A' + fit, '1' + intent));
	}
	return cache;
}

/* Returns a grade as text; *isnull is set for the empty one. */
Datum
nurture_grade_cached(const GradeCache *cache, const char *grade, bool *isnull)
{
	*isnull = grade[0] == '\0';
	return *isnull ? (Datum) 0 : cache->cells[grade[0] - 'A'][grade[1] - '1'];
}
