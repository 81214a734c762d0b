/*
 * experiment.c
 *	  Which arm of which experiment a lead is in, and what that changes.
 *
 * The arm is a hash of salt, experiment and lead alone.  Whether a lead takes
 * part is asked at every step, because it may come and go by its facts; when
 * it does, it is always in the same arm.
 */
#include "base/compat.h"

#include "base/errors.h"
#include "base/lot.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/rulecache.h"
#include "catalog/pg_type.h"
#include "content/experiment.h"
#include "core/trial.h"
#include "facts/vocabulary.h"
#include "gate/gate.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_experiment_arm);

typedef struct Experiment
{
	const char *code;
	int32		version;
	const char *variable;
	bool		chooses;
	const char *track;			/* NULL = any */
	Condition  *condition;		/* NULL = every lead */
	TimestampTz from;
	TimestampTz until;			/* excluded */
	const char *salt;
	int			narms;
	ContentArm *arms;
	int32	   *shares;
} Experiment;

typedef struct Experiments
{
	int			n;
	Experiment *list;			/* the one that began first before others */
} Experiments;

static void *load_experiments(Snapshot snapshot);

static RuleCache experiment_cache = {
	.name = "experiments",
	.tables = {"experiment", "experiment_arm", "signal", "tag"},
	.load = load_experiments
};

static KeptPlan read_experiments = {
	"SELECT experiment, version, variable, nullif(track, '*'),"
	" condition::text, greatest(published_at, starts_at) AS began, ends_at,"
	" salt FROM nurture.experiment WHERE status = 'published'"
	" ORDER BY began, experiment COLLATE \"C\"", {0}, NULL, true
};

#define ARM_COLUMNS \
	"SELECT a.arm, (a.share * 1000000)::int4, a.family, a.format," \
	" a.required_tags, a.preferred_tags, a.send_at," \
	" (a.cadence_factor * 100)::int4 FROM nurture.experiment_arm a" \
	" WHERE a.experiment = $1 AND a.version = $2 ORDER BY a.arm COLLATE \"C\""

static KeptPlan read_arms = {ARM_COLUMNS, {TEXTOID, INT4OID}, NULL, true};

/* The run in force, else the latest one. */
static KeptPlan find_run =
KEPT_PLAN("SELECT version, salt, (SELECT array_agg((a.share * 1000000)::int4"
		  " ORDER BY a.arm COLLATE \"C\") FROM nurture.experiment_arm a"
		  " WHERE a.experiment = e.experiment AND a.version = e.version),"
		  " (SELECT array_agg(a.arm ORDER BY a.arm COLLATE \"C\")"
		  " FROM nurture.experiment_arm a"
		  " WHERE a.experiment = e.experiment AND a.version = e.version)"
		  " FROM nurture.experiment e"
		  " WHERE experiment = $1 AND ($2 IS NULL OR version = $2)"
		  " ORDER BY status = 'published' DESC, version DESC LIMIT 1",
		  TEXTOID, INT4OID);

/* The next time a clock in a zone shows this. */
static KeptPlan next_time =
KEPT_PLAN("SELECT CASE WHEN today > $1 THEN today ELSE tomorrow END FROM"
		  " (SELECT (day + $2) AT TIME ZONE $3,"
		  " (day + interval '1 day' + $2) AT TIME ZONE $3"
		  " FROM (SELECT date_trunc('day', $1 AT TIME ZONE $3)) d (day))"
		  " t (today, tomorrow)", TIMESTAMPTZOID, TIMEOID, TEXTOID);

/* Registers the cache. */
void
nurture_experiment_init(void)
{
	nurture_rulecache_register(&experiment_cache);
}

static char *
cell_copy(uint64 row, int column)
{
	char	   *text = nurture_cell_text(row, column);

	return text == NULL ? NULL : pstrdup(text);
}

static ArrayType *
cell_array(uint64 row, int column)
{
	bool		isnull;
	Datum		value = nurture_cell(row, column, &isnull);

	return isnull ? NULL : DatumGetArrayTypePCopy(value);
}

static int32
cell_int(uint64 row, int column, int32 otherwise)
{
	bool		isnull;
	Datum		value = nurture_cell(row, column, &isnull);

	return isnull ? otherwise : DatumGetInt32(value);
}

static void
load_arms(Experiment *x, Snapshot snapshot)
{
	Datum		values[2] = {CStringGetTextDatum(x->code), Int32GetDatum(x->version)};

	nurture_execute_snapshot(&read_arms, values, NULL, snapshot);
	x->narms = SPI_processed;
	x->arms = palloc0(Max(x->narms, 1) * sizeof(ContentArm));
	x->shares = palloc0(Max(x->narms, 1) * sizeof(int32));
	for (int i = 0; i < x->narms; i++)
	{
		ContentArm *arm = &x->arms[i];
		bool		no_time;
		Datum		time = nurture_cell(i, 7, &no_time);

		arm->arm = cell_copy(i, 1);
		arm->share = x->shares[i] = cell_int(i, 2, 0);
		arm->family = cell_copy(i, 3);
		arm->format = cell_copy(i, 4);
		arm->required_tags = cell_array(i, 5);
		arm->preferred_tags = cell_array(i, 6);
		arm->has_send_at = !no_time;
		arm->send_at = no_time ? 0 : DatumGetTimeADT(time);
		arm->pace = cell_int(i, 8, 100);
	}
}

static void *
load_experiments(Snapshot snapshot)
{
	Experiments *all = palloc0(sizeof(Experiments));
	bool		isnull;

	nurture_execute_snapshot(&read_experiments, NULL, NULL, snapshot);
	all->n = SPI_processed;
	all->list = palloc0(Max(all->n, 1) * sizeof(Experiment));
	for (int i = 0; i < all->n; i++)
	{
		Experiment *x = &all->list[i];
		char	   *condition = nurture_cell_text(i, 5);

		x->code = cell_copy(i, 1);
		x->version = cell_int(i, 2, 0);
		x->variable = cell_copy(i, 3);
		x->chooses = strcmp(x->variable, "send_time") != 0 &&
			strcmp(x->variable, "cadence") != 0;
		x->track = cell_copy(i, 4);
		x->from = DatumGetTimestampTz(nurture_cell(i, 6, &isnull));
		x->until = DatumGetTimestampTz(nurture_cell(i, 7, &isnull));
		x->salt = cell_copy(i, 8);
		if (condition != NULL)
			x->condition = nurture_condition_compile(condition,
													 psprintf("experiment \"%s\"", x->code));
	}
	for (int i = 0; i < all->n; i++)
		load_arms(&all->list[i], snapshot);
	return all;
}

/* Copies a draw out of the cache, which may go when it is asked next. */
static ContentDraw *
copy_draw(const Experiment *x, int chosen, const char *time_zone)
{
	ContentDraw *draw = palloc0(sizeof(ContentDraw));
	ContentArm *arms = palloc(x->narms * sizeof(ContentArm));

	for (int i = 0; i < x->narms; i++)
	{
		const ContentArm *arm = &x->arms[i];

		arms[i] = *arm;
		arms[i].arm = pstrdup(arm->arm);
		arms[i].family = arm->family ? pstrdup(arm->family) : NULL;
		arms[i].format = arm->format ? pstrdup(arm->format) : NULL;
		if (arm->required_tags)
			arms[i].required_tags = DatumGetArrayTypePCopy(PointerGetDatum(arm->required_tags));
		if (arm->preferred_tags)
			arms[i].preferred_tags = DatumGetArrayTypePCopy(PointerGetDatum(arm->preferred_tags));
	}
	draw->experiment = pstrdup(x->code);
	draw->version = x->version;
	draw->chooses = x->chooses;
	draw->not_before = DT_NOBEGIN;
	draw->time_zone = time_zone;
	draw->narms = x->narms;
	draw->arms = arms;
	draw->chosen = chosen;
	return draw;
}

/* Returns the lead's time zone when the server knows it. */
static const char *
known_zone(Subject *subject)
{
	char	   *zone = nurture_subject_text(subject, SUBJECT_TIME_ZONE);

	return zone != NULL && pg_tzset(zone) != NULL ? zone : NULL;
}

static TimestampTz
next_clock_time(TimestampTz now, TimeADT time, const char *zone)
{
	Datum		values[3];
	bool		isnull;
	int			level = nurture_spi_connect();
	TimestampTz result;

	values[0] = TimestampTzGetDatum(now);
	values[1] = TimeADTGetDatum(time);
	values[2] = CStringGetTextDatum(zone);
	nurture_execute(&next_time, values, NULL, true);
	result = DatumGetTimestampTz(nurture_cell(0, 1, &isnull));
	nurture_spi_finish(level);
	return result;
}

/* Returns the arm of a lead in the experiment that runs for it, NULL = none. */
const ContentDraw *
nurture_experiment_draw(Subject *subject, const char *track)
{
	const Experiments *all = nurture_rulecache_get(&experiment_cache);
	const char *zone = NULL;

	for (int i = 0; i < all->n; i++)
	{
		const Experiment *x = &all->list[i];
		ContentDraw *draw;
		int			arm;

		if (subject->now < x->from || subject->now >= x->until ||
			(x->track != NULL && strcmp(x->track, track) != 0))
			continue;
		if (strcmp(x->variable, "send_time") == 0 && zone == NULL &&
			(zone = known_zone(subject)) == NULL)
			continue;
		arm = nurture_trial_arm(nurture_lot(x->salt, x->code, subject->lead_id),
								x->shares, x->narms);
		if (arm < 0)
			continue;
		if (x->condition != NULL &&
			nurture_subject_eval(subject, x->condition) != NURTURE_TRUE)
			continue;
		if (nurture_gate_held_out(subject->lead_id, subject->now))
			return NULL;
		draw = copy_draw(x, arm, zone);
		if (draw->arms[arm].has_send_at)
			draw->not_before = next_clock_time(subject->now, draw->arms[arm].send_at, zone);
		return draw;
	}
	return NULL;
}

/* Returns the tags of both, NULL when there are none. */
static ArrayType *
join_tags(ArrayType *a, ArrayType *b)
{
	Datum	   *items[2] = {NULL, NULL};
	bool	   *nulls[2] = {NULL, NULL};
	int			n[2] = {0, 0};
	Datum	   *joined;
	int			count = 0;

	if (a == NULL || b == NULL)
		return a == NULL ? b : a;
	deconstruct_array(a, TEXTOID, -1, false, TYPALIGN_INT, &items[0], &nulls[0], &n[0]);
	deconstruct_array(b, TEXTOID, -1, false, TYPALIGN_INT, &items[1], &nulls[1], &n[1]);
	joined = palloc(Max(n[0] + n[1], 1) * sizeof(Datum));
	for (int k = 0; k < 2; k++)
	{
		for (int i = 0; i < n[k]; i++)
		{
			if (!nulls[k][i])
				joined[count++] = items[k][i];
		}
	}
	return construct_array(joined, count, TEXTOID, -1, false, TYPALIGN_INT);
}

static ContentChoice
choose_by_channel(Subject *subject, const ContentRequest *step,
				  const char *const *channels, int nchannels)
{
	ContentRequest request = *step;
	ContentChoice choice = {0};

	if (nchannels == 0)
		return nurture_content_choose(subject, &request);
	for (int i = 0; i < nchannels && choice.chosen == NULL; i++)
	{
		request.channel = channels[i];
		choice = nurture_content_choose(subject, &request);
	}
	return choice;
}

/* Chooses as an arm says; without an asset, as the step says. */
static ContentChoice
choose_in_arm(Subject *subject, const ContentRequest *step,
			  const char *const *channels, int nchannels, const ContentArm *arm)
{
	ContentRequest request = *step;
	ContentChoice choice;

	if (arm->family != NULL)
		request.family = arm->family;
	request.format = arm->format;
	request.required_tags = join_tags(step->required_tags, arm->required_tags);
	request.preferred_tags = join_tags(step->preferred_tags, arm->preferred_tags);
	choice = choose_by_channel(subject, &request, channels, nchannels);
	return choice.chosen != NULL ? choice :
		choose_by_channel(subject, step, channels, nchannels);
}

static bool
same_asset(const ContentChoice *a, const ContentChoice *b)
{
	return a->chosen != NULL && b->chosen != NULL &&
		a->chosen->version == b->chosen->version &&
		strcmp(a->chosen->asset_id, b->chosen->asset_id) == 0;
}

/* Chooses for a step, under the draw if there is one. */
ContentChoice
nurture_content_choose_step(Subject *subject, const ContentRequest *step,
							const char *const *channels, int nchannels,
							const ContentDraw *draw, int32 *propensity)
{
	ContentChoice choice;

	*propensity = 0;
	if (draw == NULL || !draw->chooses)
		return choose_by_channel(subject, step, channels, nchannels);
	choice = choose_in_arm(subject, step, channels, nchannels, &draw->arms[draw->chosen]);
	for (int i = 0; i < draw->narms && choice.chosen != NULL; i++)
	{
		ContentChoice other;

		if (i != draw->chosen)
			other = choose_in_arm(subject, step, channels, nchannels, &draw->arms[i]);
		if (i == draw->chosen || same_asset(&other, &choice))
			*propensity += draw->arms[i].share;
	}
	return choice;
}

/*
 * nurture_experiment_arm(lead_id bigint, experiment text, version integer)
 * returns text: the arm that the lot of a lead falls on, whatever dates and
 * condition.  version NULL is the run in force, else the latest.
 */
Datum
nurture_experiment_arm(PG_FUNCTION_ARGS)
{
	char	   *code;
	Datum		values[2];
	char		nulls[3] = "  ";
	text	   *result = NULL;
	OwnerSwitch save;
	bool		isnull;
	int			level;
	int			arm;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	(void) nurture_schema_oid(false);
	code = text_to_cstring(PG_GETARG_TEXT_PP(1));
	values[0] = PG_GETARG_DATUM(1);
	values[1] = PG_ARGISNULL(2) ? (Datum) 0 : PG_GETARG_DATUM(2);
	nulls[1] = PG_ARGISNULL(2) ? 'n' : ' ';
	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	nurture_execute(&find_run, values, nulls, true);
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 PG_ARGISNULL(2) ? errmsg("unknown experiment \"%.64s\"", code) :
				 errmsg("there is no version %d of experiment \"%.64s\"", PG_GETARG_INT32(2), code),
				 errhint("Experiments are rows of nurture.experiment.")));
	(void) nurture_cell(0, 3, &isnull);
	if (!isnull)
	{
		char	   *salt = nurture_cell_text(0, 2);
		ArrayType  *shares = DatumGetArrayTypeP(nurture_cell(0, 3, &isnull));
		int			narms;
		const char **arms = nurture_cell_strings(0, 4, &narms);

		arm = nurture_trial_arm(nurture_lot(salt, code, PG_GETARG_INT64(0)),
								(int32 *) ARR_DATA_PTR(shares), narms);
		if (arm >= 0)
			result = (text *) DatumGetPointer(SPI_datumTransfer(CStringGetTextDatum(arms[arm]), false, -1));
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	if (result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(result);
}
