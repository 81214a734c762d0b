/*
 * account_read.c
 *	  Reads what the leads of an account did, and whether it is a spike.
 *
 * The unit of a spike is a day on which a lead was active, not an event: one
 * person who clicks through twenty pages in one visit is one such day.  Days
 * of different leads come about independently enough to be compared as
 * Poisson counts; clicks do not.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/rulecache.h"
#include "base/settings.h"
#include "catalog/pg_type.h"
#include "common/int.h"
#include "core/curve.h"
#include "core/spike.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "scoring/account_private.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define ROWS_BATCH 1000
#define TOPIC_HORIZON_DAYS 1000

/* what the scheduler writes is no fact about the account it is written to */
#define WRITTEN_COLUMNS \
	((UINT64CONST(1) << SUBJECT_ACCOUNT_ACTIVITY_SCORE) | \
	 (UINT64CONST(1) << SUBJECT_ACCOUNT_SPIKE) | \
	 (UINT64CONST(1) << SUBJECT_ACCOUNT_ACTIVE_LEADS) | \
	 (UINT64CONST(1) << SUBJECT_ACCOUNT_AS_OF))

static void *load_policy(Snapshot snapshot);

static RuleCache policy_cache = {
	.name = "accounts",
	.tables = {"account_policy", "signal", "event_type", "tag"},
	.load = load_policy
};

static KeptPlan read_policy =
KEPT_PLAN0("SELECT active_days, (lead_points * 100)::int8, lead_max, (topic_weight * 1000000)::int8, "
		   "(topic_points * 100)::int8, topic_max, recent_days, baseline_days, min_baseline_days, "
		   "min_recent, (min_ratio * 100)::int8, max_chance::float8, topic_half_life_days "
		   "FROM nurture.account_policy");
static KeptPlan read_wanted =
KEPT_PLAN0("SELECT s.signal_id::int4 FROM nurture.account_policy p "
		   "JOIN nurture.event_type t ON t.class = ANY (p.classes) AND t.event_type <> ALL (p.passive_event_types) "
		   "JOIN nurture.signal s ON s.event_type = t.event_type "
		   "ORDER BY 1 DESC");
static KeptPlan read_topics =
KEPT_PLAN0("SELECT t.tag_id FROM nurture.account_policy p "
		   "JOIN nurture.tag t ON t.dimension = ANY (p.topic_dimensions) "
		   "ORDER BY 1 DESC");

#define ITS_LEADS \
	"FROM nurture.lead l LEFT JOIN nurture.activity a ON a.lead_id = l.lead_id " \
	"WHERE l.account_id = $1 AND l.merged_into IS NULL AND l.erased_at IS NULL AND NOT l.is_test"
#define ITSELF "FROM nurture.account_activity x WHERE x.account_id = $1"

static KeptPlan read_rows =
KEPT_PLAN("SELECT true, l.created_at, a.signals " ITS_LEADS
		  " UNION ALL SELECT false, NULL::timestamptz, x.signals " ITSELF, INT8OID);
static KeptPlan read_sums =
KEPT_PLAN("SELECT @extschema@.nurture_tally_sum(u.signals), @extschema@.nurture_tally_sum(u.topics) "
		  "FROM (SELECT a.signals, a.topics " ITS_LEADS " UNION ALL SELECT x.signals, x.topics " ITSELF ") u",
		  INT8OID);

/* Registers the cache. */
void
nurture_account_init(void)
{
	nurture_rulecache_register(&policy_cache);
}

/* Returns the numbers of a plan's rows, largest first, as bits. */
static uint8 *
read_bits(KeptPlan *plan, Snapshot snapshot, int *nbits)
{
	uint8	   *bits;
	bool		isnull;

	plan->seqscan = true;
	nurture_execute_snapshot(plan, NULL, NULL, snapshot);
	*nbits = SPI_processed == 0 ? 0 : DatumGetInt32(nurture_cell(0, 1, &isnull)) + 1;
	bits = palloc0(*nbits / 8 + 1);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		int			number = DatumGetInt32(nurture_cell(i, 1, &isnull));

		bits[number / 8] |= 1 << number % 8;
	}
	return bits;
}

static void *
load_policy(Snapshot snapshot)
{
	AccountPolicy *policy = palloc0(sizeof(AccountPolicy));
	CurveSpec	spec = {CURVE_HALF_LIFE, 1, NULL, 0};

	nurture_execute_snapshot(&read_policy, NULL, NULL, snapshot);
	if (SPI_processed > 0)
	{
		bool		isnull;

		policy->present = true;
		policy->active_days = DatumGetInt32(nurture_cell(0, 1, &isnull));
		policy->lead_points = DatumGetInt64(nurture_cell(0, 2, &isnull));
		policy->lead_max = DatumGetInt32(nurture_cell(0, 3, &isnull));
		policy->topic_weight = DatumGetInt64(nurture_cell(0, 4, &isnull));
		policy->topic_points = DatumGetInt64(nurture_cell(0, 5, &isnull));
		policy->topic_max = DatumGetInt32(nurture_cell(0, 6, &isnull));
		policy->recent_days = DatumGetInt32(nurture_cell(0, 7, &isnull));
		policy->baseline_days = DatumGetInt32(nurture_cell(0, 8, &isnull));
		policy->min_baseline_days = DatumGetInt32(nurture_cell(0, 9, &isnull));
		policy->min_recent = DatumGetInt32(nurture_cell(0, 10, &isnull));
		policy->min_ratio = DatumGetInt64(nurture_cell(0, 11, &isnull));
		policy->max_chance = DatumGetFloat8(nurture_cell(0, 12, &isnull));
		spec.days = DatumGetInt32(nurture_cell(0, 13, &isnull));
	}
	policy->wanted = read_bits(&read_wanted, snapshot, &policy->nsignals);
	policy->topics = read_bits(&read_topics, snapshot, &policy->ntopics);
	policy->nfactor = TOPIC_HORIZON_DAYS;
	policy->factor = palloc(sizeof(int32) * policy->nfactor);
	if (nurture_curve_compile(&spec, policy->factor, policy->nfactor, NULL) != CURVE_OK)
		elog(ERROR, "could not compile the curve of topics");
	return policy;
}

/* What is gathered over the rows of an account's leads. */
typedef struct Gathering
{
	int32		from;			/* first day looked at */
	int			ndays;			/* up to today */
	bool	   *days;			/* of one lead */
	int64	   *counts;			/* leads active by day */
	int32		known_since;	/* first day anything is known of */
	int32		roll_day;		/* days before are folded for some lead */
} Gathering;

/* Adds a row of read_rows. */
static void
gather(AccountFigures *figures, Gathering *g, HeapTuple tuple, TupleDesc desc)
{
	const AccountPolicy *policy = figures->policy;
	int32		today = figures->subject.today;
	Datum		values[3];
	bool		nulls[3];
	bool		is_lead;
	bool		active = false;

	heap_deform_tuple(tuple, desc, values, nulls);
	is_lead = DatumGetBool(values[0]);
	if (is_lead)
		figures->leads++;
	if (!nulls[1])
		g->known_since = Min(g->known_since, nurture_day_of(DatumGetTimestampTz(values[1])));
	if (nulls[2])
		return;
	{
		Tally		tally = nurture_tally_datum(values[2]);
		int32		first;

		memset(g->days, 0, sizeof(bool) * g->ndays);
		first = nurture_spike_days(&tally, policy->wanted, policy->nsignals, g->from, today, g->days);
		g->roll_day = Max(g->roll_day, (int32) tally.roll_day);
		if (first == NURTURE_TALLY_NO_DAY)
			return;
		g->known_since = Min(g->known_since, first);
	}
	for (int i = 0; i < g->ndays; i++)
	{
		g->counts[i] += g->days[i];
		active |= g->days[i] && g->ndays - i <= policy->active_days;
	}
	if (is_lead && active)
		figures->active_leads++;
}

/* Compares the recent days with those before. */
static void
judge(AccountFigures *figures, const Gathering *g)
{
	const AccountPolicy *policy = figures->policy;
	AccountSpike *spike = &figures->spike;
	int32		today = figures->subject.today;
	int32		recent_from = today - policy->recent_days + 1;
	int32		baseline_from = recent_from - policy->baseline_days;

	/* no baseline from before we knew the account or kept its days */
	baseline_from = Max(baseline_from, Max(g->known_since, g->roll_day));
	spike->recent_days = policy->recent_days;
	spike->baseline_days = Max(recent_from - baseline_from, 0);
	for (int i = 0; i < g->ndays; i++)
	{
		int32		day = g->from + i;

		if (day >= recent_from)
			spike->recent += g->counts[i];
		else if (day >= baseline_from)
			spike->baseline += g->counts[i];
	}
	if (!policy->present || spike->baseline_days < policy->min_baseline_days)
		return;
	spike->has_ratio = true;
	spike->ratio = nurture_spike_ratio(spike->recent, spike->recent_days,
									   spike->baseline, spike->baseline_days);
	spike->chance = nurture_spike_chance(spike->recent, spike->recent_days,
										 spike->baseline, spike->baseline_days);
	spike->is_spike = spike->recent >= policy->min_recent &&
		spike->ratio >= policy->min_ratio && spike->chance <= policy->max_chance;
}

/* Reads the columns of the account itself that are wanted; false: no row. */
static bool
read_facts(int64 account_id, uint64 mask, Datum *values, bool *nulls)
{
	static KeptPlan find = {NULL, {INT8OID}, NULL, false};
	static uint64 of_mask = 0;
	Datum		argument = Int64GetDatum(account_id);

	if (find.query == NULL || of_mask != mask)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
		StringInfoData buf;

		initStringInfo(&buf);
		appendStringInfoString(&buf, "SELECT c.account_id");
		for (int i = SUBJECT_ACCOUNT_NAME; i < SUBJECT_COLUMNS; i++)
		{
			if (mask & (UINT64CONST(1) << i))
				appendStringInfo(&buf, ", %s", nurture_subject_expression(i));
		}
		appendStringInfoString(&buf, " FROM nurture.account c WHERE c.account_id = $1");
		MemoryContextSwitchTo(old);
		if (find.plan)
			SPI_freeplan(find.plan);
		find.plan = NULL;
		if (find.query)
			pfree(unconstify(char *, find.query));
		find.query = buf.data;
		of_mask = mask;
	}
	nurture_execute(&find, &argument, NULL, true);
	if (SPI_processed == 0)
		return false;
	heap_deform_tuple(SPI_copytuple(SPI_tuptable->vals[0]), SPI_tuptable->tupdesc, values, nulls);
	return true;
}

/* Returns a sum of tallies that outlives SPI. */
static Datum
sum_cell(int column, bool *isnull, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	Datum		sum = nurture_cell(0, column, isnull);

	if (!*isnull)
		sum = PointerGetDatum(PG_DETOAST_DATUM_COPY(sum));
	MemoryContextSwitchTo(old);
	return sum;
}

/* Reads an account and its leads; false when there is none to be seen. */
bool
nurture_account_read(int64 account_id, TimestampTz now, uint64 mask,
					 AccountFigures *figures)
{
	MemoryContext context = CurrentMemoryContext;
	uint64		facts = mask & ~WRITTEN_COLUMNS & ~((UINT64CONST(1) << SUBJECT_ACCOUNT_NAME) - 1);
	uint64		given = (UINT64CONST(1) << SUBJECT_AUDIENCE_TYPE) | (UINT64CONST(1) << SUBJECT_ACCOUNT_ID);
	Datum		argument = Int64GetDatum(account_id);
	Datum		row[1 + SUBJECT_COLUMNS];
	bool		row_nulls[1 + SUBJECT_COLUMNS];
	Datum		values[6 + SUBJECT_COLUMNS];
	bool		nulls[6 + SUBJECT_COLUMNS];
	Gathering	g;
	Portal		portal;
	bool		found;
	int			level;

	memset(figures, 0, sizeof(AccountFigures));
	figures->policy = nurture_rulecache_get(&policy_cache);
	nurture_subject_begin(&figures->subject, now, context);

	memset(&g, 0, sizeof(g));
	g.ndays = Max(1, Max(figures->policy->active_days,
						 figures->policy->recent_days + figures->policy->baseline_days));
	g.from = figures->subject.today - g.ndays + 1;
	g.days = palloc(sizeof(bool) * g.ndays);
	g.counts = palloc0(sizeof(int64) * g.ndays);
	g.known_since = figures->subject.today;

	level = nurture_spi_connect();
	MemoryContextSwitchTo(context);
	found = read_facts(account_id, facts, row, row_nulls);
	if (found)
	{
		portal = SPI_cursor_open(NULL, nurture_plan(&read_rows), &argument, NULL, true);
		do
		{
			MemoryContext old;

			CHECK_FOR_INTERRUPTS();
			SPI_cursor_fetch(portal, true, ROWS_BATCH);
			old = MemoryContextSwitchTo(SPI_tuptable->tuptabcxt);
			for (uint64 i = 0; i < SPI_processed; i++)
				gather(figures, &g, SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
			MemoryContextSwitchTo(old);
			SPI_freetuptable(SPI_tuptable);
		} while (SPI_processed > 0);
		SPI_cursor_close(portal);
		nurture_execute(&read_sums, &argument, NULL, true);
		values[3] = sum_cell(1, &nulls[3], context);
		values[4] = sum_cell(2, &nulls[4], context);
	}
	nurture_spi_finish(level);
	MemoryContextSwitchTo(context);
	if (!found)
		return false;

	values[0] = Int64GetDatum(0);
	nulls[0] = false;
	nulls[1] = nulls[2] = nulls[5] = true;
	values[6] = CStringGetTextDatum("unknown");
	values[7] = argument;
	nulls[6] = nulls[7] = false;
	memcpy(values + 8, row + 1, sizeof(Datum) * pg_popcount64(facts));
	memcpy(nulls + 8, row_nulls + 1, sizeof(bool) * pg_popcount64(facts));
	nurture_subject_fill(&figures->subject, values, nulls, given | facts);
	figures->subject.of_account = true;
	judge(figures, &g);
	return true;
}

/* Answers how many topics have weight enough. */
static int64
count_topics(const AccountFigures *figures)
{
	const AccountPolicy *policy = figures->policy;
	const Tally *topics = &figures->subject.topics;
	int64		n = 0;

	for (uint32 i = 0; i < topics->n; i++)
	{
		uint16		key = nurture_tally_entry(topics, i).key;

		if (i > 0 && nurture_tally_entry(topics, i - 1).key == key)
			continue;
		if (key < policy->ntopics && (policy->topics[key / 8] & (1 << key % 8)) &&
			nurture_score_weight(topics, key, policy->factor,
								 Min(policy->nfactor, nurture_horizon_days),
								 figures->subject.today) >= policy->topic_weight)
			n++;
	}
	return n;
}

/* Scores what was read; false when no model applies. */
bool
nurture_account_points(AccountFigures *figures, const char *model,
					   AccountScore *score, ScoreDetail *detail)
{
	const AccountPolicy *policy = figures->policy;
	const CompiledModel *m = nurture_model(model, "unknown", strlen("unknown"));
	ScoreDetail unexplained = {.results = NULL,.truths = NULL};

	if (m == NULL)
		return false;
	if (detail != NULL)
	{
		detail->results = palloc0(sizeof(ScoreRuleResult) * Max(m->core.nrules, 1));
		detail->truths = palloc0(sizeof(NurtureTruth) * Max(m->n_point_rules, 1));
	}
	nurture_score_detail(&figures->subject, m, &score->summary, detail ? detail : &unexplained);
	score->topics = policy->present ? count_topics(figures) : 0;
	score->lead_points = policy->lead_points *
		Max(0, Min(figures->active_leads - 1, (int64) policy->lead_max));
	score->topic_points = policy->topic_points *
		Max(0, Min(score->topics - 1, (int64) policy->topic_max));
	if (pg_add_s64_overflow(score->summary.total, score->lead_points + score->topic_points,
							&score->total))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("points of an account by model \"%s\" are out of range", m->model)));
	return true;
}
