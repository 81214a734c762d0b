/*
 * rules.c
 *	  Tracks compiled: steps, entries, branches and cadence, once per backend
 *	  and again only when one of their tables has changed.
 *
 * Retired versions are kept, because leads finish the version they entered.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/plans.h"
#include "base/rulecache.h"
#include "base/settings.h"
#include "catalog/pg_type.h"
#include "core/day.h"
#include "facts/vocabulary.h"
#include "tracks/rules.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#define HIGHEST_SIGNAL PG_INT16_MAX

static void *load_rules(Snapshot snapshot);

static RuleCache tracks_cache = {
	.name = "tracks",
	.tables = {"track", "track_version", "track_step", "track_entry",
	"track_branch", "cadence", "segment", "signal", "event_type", "tag"},
	.load = load_rules
};

static KeptPlan read_tracks = {
	"SELECT track, purpose, product, priority::int4, goal_signal, "
	"audience_types, re_entry, coalesce((extract(epoch FROM "
	"re_entry_after) * 1000000)::int8, 0), wake_signals "
	"FROM nurture.track "
	"ORDER BY priority DESC, track COLLATE \"C\"", {0}, NULL, true
};
static KeptPlan read_versions = {
	"SELECT track, version, status = 'published', encode(content_hash, "
	"'hex') "
	"FROM nurture.track_version "
	"WHERE status IN ('published', 'retired') "
	"ORDER BY track COLLATE \"C\", version", {0}, NULL, true
};
static KeptPlan read_steps = {
	"SELECT track, version, step_no, action, family, required_tags, "
	"preferred_tags, (extract(epoch FROM wait) * 1000000)::int8, "
	"wait_from, channels, condition::text, on_none, target, "
	"coalesce((extract(epoch FROM due_within) * 1000000)::int8, 0) "
	"FROM nurture.track_step "
	"ORDER BY track COLLATE \"C\", version, step_no", {0}, NULL, true
};
static KeptPlan read_entries = {
	"SELECT track, version, entry, condition::text, from_step, "
	"once_goal_unmet, 0, NULL::text, 0, NULL::text, segment, false "
	"FROM nurture.track_entry "
	"ORDER BY track COLLATE \"C\", version, entry COLLATE \"C\"", {0}, NULL, true
};
static KeptPlan read_branches = {
	"SELECT track, version, branch, condition::text, coalesce(from_step, "
	"0), false, coalesce(inactivity_days, 0), to_track, "
	"coalesce(to_step, 0), label, NULL::text, resume "
	"FROM nurture.track_branch "
	"ORDER BY track COLLATE \"C\", version, priority DESC, branch "
	"COLLATE \"C\"", {0}, NULL, true
};
static KeptPlan read_cadence = {
	"SELECT track, level, coalesce(within_days, -1), (factor * "
	"100)::int8, sends, segment, stage, ARRAY(SELECT 'format:' || f "
	"FROM unnest(formats) f) "
	"FROM nurture.cadence "
	"ORDER BY track = '*', segment = '*', stage = '*', segment COLLATE \"C\"",
	{0}, NULL, true
};
static KeptPlan read_segments = {
	"SELECT segment, condition::text "
	"FROM nurture.segment "
	"ORDER BY segment COLLATE \"C\"", {0}, NULL, true
};
static KeptPlan read_engagement = {
	"SELECT s.signal_id::int4 "
	"FROM nurture.signal s "
	"JOIN nurture.event_type t ON t.event_type = s.event_type "
	"WHERE t.class IN ('content', 'intent', 'outcome') "
	"OR (t.class = 'engagement' AND t.event_type NOT IN "
	"('email_delivered', 'email_opened'))", {0}, NULL, true
};

static const char *const levels[CADENCE_LEVELS] = {"active", "warm", "quiet", "cold"};

/* Registers the cache. */
void
nurture_track_rules_init(void)
{
	nurture_rulecache_register(&tracks_cache);
}

/* Returns the tracks, compiled again when their tables have changed. */
const TrackRules *
nurture_track_rules(void)
{
	return nurture_rulecache_get(&tracks_cache);
}

/* Returns a track, NULL when there is none. */
const Track *
nurture_track_find(const TrackRules *rules, const char *code)
{
	for (int i = 0; i < rules->ntracks; i++)
	{
		if (strcmp(rules->tracks[i].code, code) == 0)
			return &rules->tracks[i];
	}
	return NULL;
}

/* Returns a published or retired version, NULL when there is none. */
const TrackVersion *
nurture_track_version(const Track *track, int32 version)
{
	for (int i = 0; track != NULL && i < track->nversions; i++)
	{
		if (track->versions[i].version == version)
			return &track->versions[i];
	}
	return NULL;
}

/* Returns the step with this number or the next one, NULL after the last. */
const TrackStep *
nurture_track_step(const TrackVersion *version, int32 step_no)
{
	for (int i = 0; i < version->nsteps; i++)
	{
		if (version->steps[i].step_no >= step_no)
			return &version->steps[i];
	}
	return NULL;
}

static ArrayType *
cell_array(uint64 row, int column)
{
	bool		isnull;
	Datum		array = nurture_cell(row, column, &isnull);

	return isnull ? NULL : DatumGetArrayTypePCopy(array);
}

static int32
cell_int(uint64 row, int column)
{
	bool		isnull;

	return DatumGetInt32(nurture_cell(row, column, &isnull));
}

static int64
cell_int64(uint64 row, int column)
{
	bool		isnull;

	return DatumGetInt64(nurture_cell(row, column, &isnull));
}

static bool
cell_bool(uint64 row, int column)
{
	bool		isnull;

	return DatumGetBool(nurture_cell(row, column, &isnull));
}

static void
load_tracks(TrackRules *rules, Snapshot snapshot)
{
	nurture_execute_snapshot(&read_tracks, NULL, NULL, snapshot);
	rules->ntracks = SPI_processed;
	rules->tracks = palloc0(Max(rules->ntracks, 1) * sizeof(Track));
	for (int i = 0; i < rules->ntracks; i++)
	{
		Track	   *track = &rules->tracks[i];
		const char **wake;
		char	   *goal;
		char	   *re_entry;
		int			n;

		track->code = nurture_cell_text(i, 1);
		track->purpose = nurture_cell_text(i, 2);
		track->product = nurture_cell_text(i, 3);
		track->priority = cell_int(i, 4);
		goal = nurture_cell_text(i, 5);
		track->goal_signal = goal == NULL ? -1 : nurture_signal_id(goal, strlen(goal));
		track->audiences = nurture_cell_strings(i, 6, &track->naudiences);
		re_entry = nurture_cell_text(i, 7);
		track->re_entry = strcmp(re_entry, "always") == 0 ? 'A' : re_entry[0];
		track->re_entry_after = cell_int64(i, 8);
		wake = nurture_cell_strings(i, 9, &n);
		track->wake = palloc(Max(n, 1) * sizeof(int));
		for (int w = 0; w < n; w++)
		{
			int			signal = nurture_signal_id(wake[w], strlen(wake[w]));

			if (signal >= 0)
				track->wake[track->nwake++] = signal;
		}
	}
}

static void
load_segments(TrackRules *rules, Snapshot snapshot)
{
	char	  **conditions;

	nurture_execute_snapshot(&read_segments, NULL, NULL, snapshot);
	rules->nsegments = SPI_processed;
	rules->segments = palloc0(Max(rules->nsegments, 1) * sizeof(TrackSegment));
	conditions = palloc(Max(rules->nsegments, 1) * sizeof(char *));
	for (int i = 0; i < rules->nsegments; i++)
	{
		rules->segments[i].code = nurture_cell_text(i, 1);
		conditions[i] = nurture_cell_text(i, 2);
	}
	for (int i = 0; i < rules->nsegments; i++)
		rules->segments[i].condition =
			nurture_condition_compile(conditions[i], psprintf("segment \"%s\"", rules->segments[i].code));
}

/* Returns the place of a segment, -1 for none of that name. */
static int
find_segment(const TrackRules *rules, const char *code)
{
	for (int i = 0; code != NULL && i < rules->nsegments; i++)
	{
		if (strcmp(rules->segments[i].code, code) == 0)
			return i;
	}
	return -1;
}

/* Rows come with the most specific first; those of what is gone are left out. */
static void
load_cadence(TrackRules *rules, Snapshot snapshot)
{
	static const int32 usual_days[CADENCE_LEVELS] = {7, 30, 90, PG_INT32_MAX};

	memcpy(rules->within_days, usual_days, sizeof(usual_days));
	nurture_execute_snapshot(&read_cadence, NULL, NULL, snapshot);
	rules->cadence = palloc0(Max(SPI_processed, 1) * sizeof(CadenceRule));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		CadenceRule *rule = &rules->cadence[rules->ncadence];
		char	   *track = nurture_cell_text(i, 1);
		char	   *level = nurture_cell_text(i, 2);
		char	   *segment = nurture_cell_text(i, 6);
		char	   *stage = nurture_cell_text(i, 7);
		int			l = 0;

		while (l < CADENCE_LEVELS - 1 && strcmp(levels[l], level) != 0)
			l++;
		if (cell_int(i, 3) >= 0)
			rules->within_days[l] = cell_int(i, 3);
		rule->level = l;
		rule->track = strcmp(track, "*") == 0 ? NULL : nurture_track_find(rules, track);
		rule->segment = strcmp(segment, "*") == 0 ? -1 : find_segment(rules, segment);
		rule->stage = strcmp(stage, "*") == 0 ? NULL : stage;
		rule->cadence.factor = cell_int64(i, 4);
		rule->cadence.sends = cell_bool(i, 5);
		rule->cadence.preferred_tags = cell_array(i, 8);
		if (ARR_NDIM(rule->cadence.preferred_tags) == 0)
			rule->cadence.preferred_tags = NULL;
		if ((rule->track == NULL) == (strcmp(track, "*") == 0) &&
			(rule->segment < 0) == (strcmp(segment, "*") == 0))
			rules->ncadence++;
	}
}

static TrackVersion *
find_version(TrackRules *rules, const char *code, int32 version)
{
	return unconstify(TrackVersion *,
					  nurture_track_version(nurture_track_find(rules, code), version));
}

static void
load_versions(TrackRules *rules, Snapshot snapshot)
{
	nurture_execute_snapshot(&read_versions, NULL, NULL, snapshot);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		Track	   *track = unconstify(Track *, nurture_track_find(rules, nurture_cell_text(i, 1)));

		if (track == NULL)
			continue;
		if (track->versions == NULL)
			track->versions = palloc0(SPI_processed * sizeof(TrackVersion));
		track->versions[track->nversions].version = cell_int(i, 2);
		track->versions[track->nversions].published = cell_bool(i, 3);
		track->versions[track->nversions].hash = nurture_cell_text(i, 4);
		track->versions[track->nversions].track = track;
		if (track->versions[track->nversions].published)
			track->published = &track->versions[track->nversions];
		track->nversions++;
	}
}

/* Returns the condition, as JSON, that a fact is known. */
char	   *
nurture_track_known(const char *fact)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoString(&json, "{\"fact\": ");
	escape_json(&json, fact);
	appendStringInfoString(&json, ", \"op\": \"known\"}");
	return json.data;
}

static StepKind
kind_of(const char *action)
{
	if (strcmp(action, "wait") == 0)
		return STEP_WAIT;
	if (strcmp(action, "task") == 0)
		return STEP_TASK;
	if (strcmp(action, "handoff") == 0)
		return STEP_HANDOFF;
	if (strcmp(action, "stage") == 0)
		return STEP_STAGE;
	return STEP_SEND;
}

/* Notes the attribute that a wait counts from, if it does. */
static void
set_date(TrackStep *step, const char *from)
{
	static const char of_lead[] = "attributes.";
	static const char of_account[] = "account.attributes.";

	if (strncmp(from, of_lead, sizeof(of_lead) - 1) == 0)
		step->date_key = from + sizeof(of_lead) - 1;
	else if (strncmp(from, of_account, sizeof(of_account) - 1) == 0)
	{
		step->date_key = from + sizeof(of_account) - 1;
		step->date_of_account = true;
	}
}

static void
load_steps(TrackRules *rules, Snapshot snapshot)
{
	TrackStep  *steps;
	uint64		n;

	nurture_execute_snapshot(&read_steps, NULL, NULL, snapshot);
	n = SPI_processed;
	steps = palloc0(Max(n, 1) * sizeof(TrackStep));
	for (uint64 i = 0; i < n; i++)
	{
		char	   *code = nurture_cell_text(i, 1);
		TrackVersion *version = find_version(rules, code, cell_int(i, 2));
		TrackStep  *step = &steps[i];
		char	   *condition;
		char	   *from;

		if (version == NULL)
			continue;			/* a draft */
		if (version->nsteps++ == 0)
			version->steps = step;
		step->step_no = cell_int(i, 3);
		step->action = nurture_cell_text(i, 4);
		step->kind = kind_of(step->action);
		step->family = nurture_cell_text(i, 5);
		step->required_tags = cell_array(i, 6);
		step->preferred_tags = cell_array(i, 7);
		step->wait = cell_int64(i, 8);
		from = nurture_cell_text(i, 9);
		step->from_enrollment = strcmp(from, "enrollment") == 0;
		set_date(step, from);
		step->channels = nurture_cell_strings(i, 10, &step->nchannels);
		condition = nurture_cell_text(i, 11);
		step->on_none = nurture_cell_text(i, 12)[0];
		if (condition != NULL)
			step->condition = nurture_condition_compile(condition,
														psprintf("step %d of track \"%s\"", step->step_no, code));
		step->target = nurture_cell_text(i, 13);
		step->due_within = cell_int64(i, 14);
		if (step->kind == STEP_SEND && step->target != NULL)
			step->known = nurture_condition_compile(nurture_track_known(step->target),
													psprintf("step %d of track \"%s\"", step->step_no, code));
	}
}

typedef struct SignalVisit
{
	TrackRules *rules;
	TrackRule  *rule;
} SignalVisit;

static void
want(TrackRules *rules, int signal)
{
	if (signal >= 0 && signal <= HIGHEST_SIGNAL)
		rules->wanted[signal] = true;
}

static void
visit_term(void *arg, const CondTerm *term)
{
	SignalVisit *visit = arg;
	TrackRule  *rule = visit->rule;

	if (term->kind == COND_TERM_TAG)
	{
		want(visit->rules, 0);
		rule->any_signal = true;
	}
	if (term->kind != COND_TERM_SIGNAL)
		return;
	if (rule->signals == NULL)
		rule->signals = palloc(NURTURE_COND_MAX_TERMS * sizeof(int));
	if (rule->nsignals < NURTURE_COND_MAX_TERMS)
		rule->signals[rule->nsignals++] = term->subject.id;
	want(visit->rules, term->subject.id);
}

/* Reads entries or branches, which have the same columns. */
static void
load_rule_rows(TrackRules *rules, Snapshot snapshot, KeptPlan *plan,
			   bool entries)
{
	TrackRule  *rows;
	uint64		n;

	nurture_execute_snapshot(plan, NULL, NULL, snapshot);
	n = SPI_processed;
	rows = palloc0(Max(n, 1) * sizeof(TrackRule));
	for (uint64 i = 0; i < n; i++)
	{
		char	   *code = nurture_cell_text(i, 1);
		TrackVersion *version = find_version(rules, code, cell_int(i, 2));
		TrackRule  *rule = &rows[i];
		char	   *condition = nurture_cell_text(i, 4);
		SignalVisit visit = {rules, rule};

		if (version == NULL)
			continue;			/* a draft */
		if (entries && version->nentries++ == 0)
			version->entries = rule;
		if (!entries && version->nbranches++ == 0)
			version->branches = rule;
		rule->code = nurture_cell_text(i, 3);
		rule->from_step = cell_int(i, 5);
		rule->once_goal_unmet = cell_bool(i, 6);
		rule->inactivity_days = cell_int(i, 7);
		rule->to_track = nurture_cell_text(i, 8);
		rule->to_step = cell_int(i, 9);
		rule->label = nurture_cell_text(i, 10);
		rule->segment = find_segment(rules, nurture_cell_text(i, 11));
		rule->resume = cell_bool(i, 12);
		rules->labels |= rule->label != NULL;
		if (condition == NULL)
			continue;
		rule->condition = nurture_condition_compile(condition,
													psprintf("%s \"%s\" of track \"%s\"",
															 entries ? "entry" : "branch", rule->code, code));
		nurture_cond_visit_terms(rule->condition, visit_term, &visit);
		if (rule->nsignals == 0)
		{
			rule->any_signal = true;
			rules->all_wanted = true;
		}
	}
}

static void *
load_rules(Snapshot snapshot)
{
	TrackRules *rules = palloc0(sizeof(TrackRules));

	rules->wanted = palloc0(HIGHEST_SIGNAL + 1);
	rules->engagement = palloc0(HIGHEST_SIGNAL + 1);
	load_tracks(rules, snapshot);
	load_segments(rules, snapshot);
	load_cadence(rules, snapshot);
	load_versions(rules, snapshot);
	load_steps(rules, snapshot);
	load_rule_rows(rules, snapshot, &read_entries, true);
	load_rule_rows(rules, snapshot, &read_branches, false);
	for (int i = 0; i < rules->ntracks; i++)
	{
		want(rules, rules->tracks[i].goal_signal);
		for (int w = 0; w < rules->tracks[i].nwake; w++)
			want(rules, rules->tracks[i].wake[w]);
	}
	nurture_execute_snapshot(&read_engagement, NULL, NULL, snapshot);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		int32		signal = cell_int(i, 1);

		if (signal >= 0 && signal <= HIGHEST_SIGNAL)
			rules->engagement[signal] = true;
	}
	return rules;
}

/*
 * Returns the days since the lead last engaged, or since it was made when it
 * never did.  Deliveries and openings are no engagement.
 */
int32
nurture_track_quiet_days(const TrackRules *rules, const Subject *subject)
{
	int32		last = PG_INT32_MIN;

	for (uint32 i = 0; i < subject->signals.n; i++)
	{
		TallyEntry	e = nurture_tally_entry(&subject->signals, i);

		if (e.day >= NURTURE_TALLY_FIRST_DAY && e.day <= subject->today &&
			e.day > last && e.key <= HIGHEST_SIGNAL && rules->engagement[e.key])
			last = e.day;
	}
	if (last == PG_INT32_MIN && !subject->nulls[SUBJECT_CREATED_AT])
		last = nurture_day_of(DatumGetTimestampTz(subject->values[SUBJECT_CREATED_AT]));
	if (last == PG_INT32_MIN || last > subject->today)
		return 0;
	return subject->today - last;
}

/* Returns how engaged a lead is. */
CadenceLevel
nurture_track_level(const TrackRules *rules, const Subject *subject)
{
	int32		days = nurture_track_quiet_days(rules, subject);
	CadenceLevel level = LEVEL_ACTIVE;

	while (level < LEVEL_COLD && days > rules->within_days[level])
		level++;
	return level;
}

/* Tells whether a lead is in a segment. */
bool
nurture_track_in_segment(const TrackRules *rules, int segment, Subject *subject)
{
	return nurture_subject_eval(subject, rules->segments[segment].condition) == NURTURE_TRUE;
}

/* Returns how a level of engagement stretches the waits of a lead on a track. */
Cadence
nurture_track_cadence(const TrackRules *rules, const Track *track,
					  Subject *subject, CadenceLevel level)
{
	static const Cadence usual = {.factor = 100,.sends = true};

	for (int i = 0; i < rules->ncadence; i++)
	{
		const CadenceRule *rule = &rules->cadence[i];

		if (rule->level != level || (rule->track != NULL && rule->track != track))
			continue;
		if (rule->stage != NULL)
		{
			nurture_subject_standing(subject);
			if (strcmp(subject->stage, rule->stage) != 0)
				continue;
		}
		if (rule->segment < 0 || nurture_track_in_segment(rules, rule->segment, subject))
			return rule->cadence;
	}
	return usual;
}

/*
 * Returns the date that a wait counts from; DT_NOBEGIN: it is not known, or no
 * date.
 */
TimestampTz
nurture_track_date(const TrackStep *step, const Subject *subject)
{
	SubjectColumn column = step->date_of_account ? SUBJECT_ACCOUNT_ATTRIBUTES : SUBJECT_ATTRIBUTES;
	JsonbValue *value;
	Jsonb	   *attributes;
	TimestampTz instant;
	int32		day;

	if (subject->nulls[column])
		return DT_NOBEGIN;
	attributes = DatumGetJsonbP(subject->values[column]);
	value = getKeyJsonValueFromContainer(&attributes->root, step->date_key, strlen(step->date_key), NULL);
	if (value == NULL || value->type != jbvString)
		return DT_NOBEGIN;
	if (nurture_day_from_iso(value->val.string.val, value->val.string.len, &day))
		return nurture_instant_of_day(day);
	if (nurture_instant_of_text(pnstrdup(value->val.string.val, value->val.string.len), &instant))
		return instant;
	return DT_NOBEGIN;
}

/*
 * Returns when a step is due: its wait, stretched by the cadence and by what
 * slows the lead down, in hundredths.  A wait for a date is looked at every
 * day, because the date may come, go or move.
 */
TimestampTz
nurture_track_due(const TrackRules *rules, const Track *track,
				  const TrackStep *step, Subject *subject, TimestampTz from,
				  TimestampTz entered_at, int32 pace)
{
	TimestampTz start = step->from_enrollment ? entered_at : from;

	if (step->date_key != NULL)
	{
		TimestampTz date = nurture_track_date(step, subject);
		TimestampTz look = subject->now + USECS_PER_DAY;

		return TIMESTAMP_IS_NOBEGIN(date) ? look : Max(Min(date + step->wait, look), subject->now);
	}
	if (step->wait == 0)
		return start;
	return start + step->wait / 100 *
		nurture_track_cadence(rules, track, subject, nurture_track_level(rules, subject)).factor / 100 * pace;
}
