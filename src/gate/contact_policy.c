/*
 * contact_policy.c
 *	  Loads the rows of contact policy, and checks those that are written.
 */
#include "base/compat.h"

#include "base/errors.h"
#include "base/plans.h"
#include "base/trigger.h"
#include "catalog/pg_type.h"
#include "facts/vocabulary.h"
#include "gate/contact_policy.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/rangetypes.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

NURTURE_FUNCTION(nurture_contact_policy_check);

#define DEFAULT_HORIZON	(90 * USECS_PER_DAY)

static KeptPlan read_policy =
KEPT_PLAN_SCAN("SELECT company_zone, horizon FROM nurture.contact_policy", 0);

static KeptPlan read_quiet =
KEPT_PLAN_SCAN("SELECT market, channel, extract(epoch FROM from_time)::int4,"
			   " extract(epoch FROM to_time)::int4,"
			   " (SELECT bit_or(1 << day - 1) FROM unnest(weekdays) AS day)::int4,"
			   " message_classes,"
			   " to_char(from_time::interval, 'HH24:MI') || '-' || to_char(to_time::interval, 'HH24:MI')"
			   " FROM nurture.quiet_hours"
			   " ORDER BY market COLLATE \"C\", channel COLLATE \"C\", from_time, weekdays", 0);

static KeptPlan read_blackouts =
KEPT_PLAN_SCAN("SELECT blackout, market, channel, message_classes, during"
			   " FROM nurture.blackout ORDER BY blackout COLLATE \"C\"", 0);

static KeptPlan read_rests =
KEPT_PLAN_SCAN("SELECT event_type, channels, message_classes, period"
			   " FROM nurture.rest_period ORDER BY event_type COLLATE \"C\"", 0);

static KeptPlan read_holdouts =
KEPT_PLAN_SCAN("SELECT holdout, salt, per_mille, message_classes, valid_during"
			   " FROM nurture.holdout ORDER BY holdout COLLATE \"C\"", 0);

static KeptPlan read_zones =
KEPT_PLAN_SCAN("SELECT country, time_zone FROM nurture.country_zone"
			   " ORDER BY country COLLATE \"C\", time_zone COLLATE \"C\"", 0);

static int32
cell_int(uint64 row, int column)
{
	bool		null;
	Datum		value = nurture_cell(row, column, &null);

	return null ? 0 : DatumGetInt32(value);
}

/* Returns an interval in microseconds; a day has 24 hours, a month 30 days. */
static int64
cell_span(uint64 row, int column)
{
	bool		null;
	Interval   *span = DatumGetIntervalP(nurture_cell(row, column, &null));

	return span->time + (span->day + span->month * INT64CONST(30)) * USECS_PER_DAY;
}

/*
 * Tells an interval, for people: what is on record does not depend on the
 * intervalstyle of who asks.
 */
char	   *
nurture_period_text(uint64 row, int column)
{
	bool		null;
	Interval   *span = DatumGetIntervalP(nurture_cell(row, column, &null));
	int64		days = span->day + span->month * INT64CONST(30);
	StringInfoData text;

	initStringInfo(&text);
	if (days != 0)
		appendStringInfo(&text, INT64_FORMAT " day%s", days, days == 1 ? "" : "s");
	if (span->time != 0 && span->time % USECS_PER_HOUR == 0)
		appendStringInfo(&text, "%s" INT64_FORMAT " hour%s", days ? " " : "",
						 span->time / USECS_PER_HOUR,
						 span->time == USECS_PER_HOUR ? "" : "s");
	else if (span->time != 0)
		appendStringInfo(&text, "%s" INT64_FORMAT " minutes", days ? " " : "",
						 span->time / USECS_PER_MINUTE);
	return text.data;
}

/* Takes a range as a begin and an end that is not included. */
static void
cell_range(uint64 row, int column, TimestampTz *from, TimestampTz *until)
{
	bool		null;
	RangeType  *range = DatumGetRangeTypeP(nurture_cell(row, column, &null));
	RangeBound	lower;
	RangeBound	upper;
	bool		empty;

	range_deserialize(lookup_type_cache(RangeTypeGetOid(range),
										TYPECACHE_RANGE_INFO),
					  range, &lower, &upper, &empty);
	*from = lower.infinite ? DT_NOBEGIN : DatumGetTimestampTz(lower.val);
	if (!TIMESTAMP_NOT_FINITE(*from) && !lower.inclusive)
		(*from)++;
	*until = upper.infinite ? DT_NOEND : DatumGetTimestampTz(upper.val);
	if (!TIMESTAMP_NOT_FINITE(*until) && upper.inclusive)
		(*until)++;
}

/* Tells whether a list holds the word or "*". */
bool
nurture_contact_listed(const char *const *list, int n, const char *word)
{
	for (int i = 0; i < n; i++)
	{
		if (strcmp(list[i], word) == 0 || strcmp(list[i], "*") == 0)
			return true;
	}
	return false;
}

/* Returns the bits of the message classes in a cell. */
static int
cell_classes(uint64 row, int column)
{
	int			n;
	const char **names = nurture_cell_strings(row, column, &n);
	int			classes = 0;

	for (int i = 0; i < n; i++)
		classes |= nurture_gate_class(names[i]);
	return classes;
}

static void
load_quiet(ContactPolicy *policy, Snapshot snapshot)
{
	(void) nurture_execute_snapshot(&read_quiet, NULL, NULL, snapshot);
	policy->nquiet = SPI_processed;
	policy->quiet = palloc0(sizeof(QuietRow) * Max(SPI_processed, 1));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		QuietRow   *row = &policy->quiet[i];

		row->market = pstrdup(nurture_cell_text(i, 1));
		row->channel = pstrdup(nurture_cell_text(i, 2));
		row->names = 2 * (row->market[0] != '*') + (row->channel[0] != '*');
		row->span.from = cell_int(i, 3);
		row->span.to = cell_int(i, 4);
		/* midnight as an end is that of the day */
		if (row->span.to == 0)
			row->span.to = NURTURE_WALL_DAY;
		row->span.weekdays = cell_int(i, 5);
		row->classes = cell_classes(i, 6);
		row->text = pstrdup(nurture_cell_text(i, 7));
	}
}

static void
load_blackouts(ContactPolicy *policy, Snapshot snapshot)
{
	(void) nurture_execute_snapshot(&read_blackouts, NULL, NULL, snapshot);
	policy->nblackouts = SPI_processed;
	policy->blackouts = palloc0(sizeof(BlackoutRow) * Max(SPI_processed, 1));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		BlackoutRow *row = &policy->blackouts[i];
		TimestampTz from;
		TimestampTz until;

		row->rule = psprintf("blackout:%s", nurture_cell_text(i, 1));
		row->market = pstrdup(nurture_cell_text(i, 2));
		row->channel = pstrdup(nurture_cell_text(i, 3));
		row->classes = cell_classes(i, 4);
		cell_range(i, 5, &from, &until);
		row->begin = contact_instant(from);
		row->end = contact_instant(until);
	}
}

static void
load_rests(ContactPolicy *policy, Snapshot snapshot)
{
	(void) nurture_execute_snapshot(&read_rests, NULL, NULL, snapshot);
	policy->nrests = SPI_processed;
	policy->rests = palloc0(sizeof(RestRow) * Max(SPI_processed, 1));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		RestRow    *row = &policy->rests[i];

		row->event_type = pstrdup(nurture_cell_text(i, 1));
		row->rule = psprintf("rest:%s", row->event_type);
		row->channels = nurture_cell_strings(i, 2, &row->nchannels);
		row->classes = cell_classes(i, 3);
		row->length = cell_span(i, 4);
		row->period_text = nurture_period_text(i, 4);
		policy->longest_rest = Max(policy->longest_rest, row->length);
	}
}

static void
load_holdouts(ContactPolicy *policy, Snapshot snapshot)
{
	(void) nurture_execute_snapshot(&read_holdouts, NULL, NULL, snapshot);
	policy->nholdouts = SPI_processed;
	policy->holdouts = palloc0(sizeof(HoldoutRow) * Max(SPI_processed, 1));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HoldoutRow *row = &policy->holdouts[i];

		row->holdout = pstrdup(nurture_cell_text(i, 1));
		row->rule = psprintf("holdout:%s", row->holdout);
		row->salt = pstrdup(nurture_cell_text(i, 2));
		row->per_mille = cell_int(i, 3);
		row->classes = cell_classes(i, 4);
		cell_range(i, 5, &row->from, &row->until);
	}
}

/* Orders zones by what their clocks show at the moment. */
static int
compare_zones(const void *a, const void *b)
{
	int32		x = ((const Zone *) a)->offset;
	int32		y = ((const Zone *) b)->offset;

	return x < y ? -1 : x > y;
}

/* Reads the names of the zones of each country. */
static void
load_countries(ContactPolicy *policy, Snapshot snapshot)
{
	CountryZones *country = NULL;

	(void) nurture_execute_snapshot(&read_zones, NULL, NULL, snapshot);
	policy->countries = palloc0(sizeof(CountryZones) * Max(SPI_processed, 1));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		char	   *code = nurture_cell_text(i, 1);

		if (country == NULL || strcmp(country->country, code) != 0)
		{
			country = &policy->countries[policy->ncountries++];
			country->country = pstrdup(code);
			country->names = palloc(sizeof(char *));
		}
		else
			country->names = repalloc(country->names,
									  sizeof(char *) * (country->nnames + 1));
		country->names[country->nnames++] = pstrdup(nurture_cell_text(i, 2));
	}
}

/* Makes the zones of a country; those the server does not know are left out. */
static void
open_zones(const ContactPolicy *policy, CountryZones *country)
{
	MemoryContext old = MemoryContextSwitchTo(policy->context);
	int64		now = nurture_unix_seconds(GetCurrentTimestamp());

	country->n = 0;
	country->zones = palloc(sizeof(Zone) * country->nnames);
	for (int i = 0; i < country->nnames; i++)
	{
		pg_tz	   *tz = nurture_zone_named(country->names[i]);
		WallClock	clock;
		int64		until;

		if (tz == NULL)
			continue;
		nurture_zone_set(&country->zones[country->n], tz);
		clock = nurture_zone_clock(&country->zones[country->n++]);
		(void) clock.offset(clock.ctx, now, &until);
	}
	/* clocks that show the same stand together: one is asked for all */
	qsort(country->zones, country->n, sizeof(Zone), compare_zones);
	country->clocks = palloc(sizeof(WallClock) * country->nnames);
	for (int i = 0; i < country->n; i++)
		country->clocks[i] = nurture_zone_clock(&country->zones[i]);
	country->text = country->n == 0 ? "no zone known" :
		country->n == 1 ?
		pstrdup(pg_get_timezone_name(country->zones[0].tz)) :
		psprintf("%d zones of %s", country->n, country->country);
	MemoryContextSwitchTo(old);
}

/* Reads all of contact policy into the current memory context. */
ContactPolicy *
nurture_contact_policy_load(Snapshot snapshot)
{
	ContactPolicy *policy = palloc0(sizeof(ContactPolicy));

	policy->context = CurrentMemoryContext;
	policy->horizon = DEFAULT_HORIZON;
	(void) nurture_execute_snapshot(&read_policy, NULL, NULL, snapshot);
	if (SPI_processed > 0)
	{
		nurture_zone_set(&policy->company_zone,
						 nurture_zone_named(nurture_cell_text(0, 1)));
		policy->horizon = cell_span(0, 2);
	}
	policy->company_clock = nurture_zone_clock(&policy->company_zone);
	load_quiet(policy, snapshot);
	load_blackouts(policy, snapshot);
	load_rests(policy, snapshot);
	load_holdouts(policy, snapshot);
	load_countries(policy, snapshot);
	return policy;
}

/*
 * Finds the clocks where a lead is: its own zone, else every zone of its
 * country, else none.  They are good as long as *where and the rules.
 */
void
nurture_lead_clocks(const ContactPolicy *policy, const char *time_zone,
					const char *country, LeadClocks *where)
{
	pg_tz	   *tz = nurture_zone_named(time_zone);
	int			low = 0;
	int			high = policy->ncountries;

	where->n = 0;
	where->clocks = NULL;
	where->text = "no zone known";
	if (tz != NULL)
	{
		nurture_zone_set(&where->own, tz);
		where->own_clock = nurture_zone_clock(&where->own);
		where->n = 1;
		where->clocks = &where->own_clock;
		where->text = pg_get_timezone_name(tz);
		return;
	}
	while (country != NULL && low < high)
	{
		int			middle = low + (high - low) / 2;
		int			order = strcmp(policy->countries[middle].country, country);

		if (order == 0)
		{
			CountryZones *found = &policy->countries[middle];

			if (found->text == NULL)
				open_zones(policy, found);
			where->n = found->n;
			where->clocks = found->clocks;
			where->text = found->text;
			return;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
}

/* Returns a column of the row that is written as text, NULL when null or none. */
static char *
written_text(TriggerData *data, HeapTuple row, const char *column)
{
	int			number = SPI_fnumber(RelationGetDescr(data->tg_relation), column);

	return number <= 0 ? NULL :
		SPI_getvalue(row, RelationGetDescr(data->tg_relation), number);
}

static void
check_zone(const char *zone)
{
	if (zone != NULL && nurture_zone_named(zone) == NULL)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("unknown time zone \"%s\"", zone),
				 errhint("Zones are named as in the tz database, such as Europe/Paris.")));
}

static void
check_classes(const char *const *classes, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (nurture_gate_class(classes[i]) == 0)
			ereport(ERROR,
					(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
					 errmsg("unknown message class \"%s\"", classes[i]),
					 errhint("Classes are promotional, disease_awareness, medical_information, patient_support and operational, or * for all.")));
	}
}

/* Returns the words of a text[] column of the row that is written. */
static char **
written_words(TriggerData *data, HeapTuple row, const char *column, int *n)
{
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	int			number = SPI_fnumber(desc, column);
	Datum	   *items;
	bool	   *nulls;
	Datum		value;
	bool		null = true;
	char	  **words;

	*n = 0;
	if (number > 0)
		value = SPI_getbinval(row, desc, number, &null);
	if (null)
		return NULL;
	deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false,
					  TYPALIGN_INT, &items, &nulls, n);
	words = palloc(sizeof(char *) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("column \"%s\" of \"%s\" holds a null", column,
							RelationGetRelationName(data->tg_relation)),
					 errhint("Write '{*}' for all.")));
		words[i] = TextDatumGetCString(items[i]);
	}
	return words;
}

static void
check_market(const char *market)
{
	if (market != NULL && strcmp(market, "*") != 0 && !nurture_country_known(market))
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("unknown market \"%s\"", market),
				 errhint("Markets are countries, such as FR (ISO 3166-1 alpha-2), or * for all.")));
}

/*
 * Trigger of the tables of contact policy and of frequency caps, before each
 * row: what it names exists.  A row that names nothing would bind nobody, and
 * nobody would notice.
 */
Datum
nurture_contact_policy_check(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_contact_policy_check");
	bool		updated = TRIGGER_FIRED_BY_UPDATE(data->tg_event);
	HeapTuple	row = updated ? data->tg_newtuple : data->tg_trigtuple;
	char	   *word;
	char	  **words;
	int			n;

	if (!nurture_deriving())
		return PointerGetDatum(row);
	check_zone(written_text(data, row, "company_zone"));
	check_market(written_text(data, row, "market"));
	word = written_text(data, row, "channel");
	if (word != NULL)
		nurture_require_channel(word);
	words = written_words(data, row, "channels", &n);
	for (int i = 0; i < n; i++)
		nurture_require_channel(words[i]);
	words = written_words(data, row, "message_classes", &n);
	check_classes((const char *const *) words, n);
	word = written_text(data, row, "event_type");
	if (word != NULL && nurture_event_class(word, strlen(word)) == NULL)
		nurture_unknown_event_type(word);
	if (updated && (word = written_text(data, data->tg_trigtuple, "salt")) != NULL &&
		(strcmp(word, written_text(data, row, "salt")) != 0 ||
		 strcmp(written_text(data, data->tg_trigtuple, "holdout"),
				written_text(data, row, "holdout")) != 0))
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BAD_STATE),
				 errmsg("code and salt of a holdout do not change"),
				 errhint("They say which leads are held out, years later too; end this holdout and add another.")));
	return PointerGetDatum(row);
}
