/*
 * form_answer.c
 *	  Answers in events about consent and preferences.
 *
 * A no always binds.  A yes is recorded as the rule's mode says: fill, while
 * the lead has said nothing about the scope; replace, always; review, unless
 * it stands against a denial, which a person then looks at: anybody may tick
 * a box in the name of somebody who opted out.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "facts/fact_map.h"
#include "gate/gate_private.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/timestamp.h"

static KeptPlan read_states =
KEPT_PLAN("SELECT lead_id, channel, purpose, state, since FROM nurture.consent"
		  " WHERE lead_id = ANY ($1) AND topic = '*' AND product = '*' ORDER BY lead_id", INT8ARRAYOID);

static KeptPlan add_events =
KEPT_PLAN("INSERT INTO nurture.consent_event (lead_id, kind, channel, purpose, source, evidence,"
		  " occurred_at, notice_id, notice_version, recorded_at)"
		  " SELECT u.lead_id, u.kind, u.channel, u.purpose, u.source, u.evidence, u.occurred_at,"
		  " u.notice_id, u.notice_version, $10"
		  " FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9) WITH ORDINALITY"
		  " AS u(lead_id, kind, channel, purpose, source, evidence, occurred_at, notice_id, notice_version, i)"
		  " ORDER BY u.i",
		  INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, JSONBARRAYOID,
		  TIMESTAMPTZARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZOID);

#define EVENT_COLUMNS	9

static const Oid event_types[EVENT_COLUMNS] = {INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, JSONBOID,
TIMESTAMPTZOID, TEXTOID, TEXTOID};

/*
 * What the lead said last of each preference counts; what it said before
 * comes too late.
 */
static KeptPlan write_preferences =
KEPT_PLAN("WITH told AS ("
		  " SELECT DISTINCT ON (u.lead_id, u.target) u.*"
		  " FROM unnest($1, $2, $3, $4, $5, $6, $7) WITH ORDINALITY"
		  " AS u(lead_id, target, channel, col, value, said_at, event_id, i)"
		  " ORDER BY u.lead_id, u.target, u.i DESC),"
		  " taken AS ("
		  " INSERT INTO nurture.fact_source AS s (lead_id, target, said_at, event_id)"
		  " SELECT lead_id, target, said_at, event_id FROM told"
		  " ON CONFLICT (lead_id, target) DO UPDATE SET said_at = EXCLUDED.said_at, event_id = EXCLUDED.event_id"
		  " WHERE s.said_at IS NULL OR s.said_at <= EXCLUDED.said_at"
		  " RETURNING s.lead_id, s.target),"
		  " words AS ("
		  " SELECT told.lead_id, told.channel, jsonb_object_agg(told.col, told.value) AS word, max(told.said_at) AS said_at"
		  " FROM told JOIN taken USING (lead_id, target) GROUP BY told.lead_id, told.channel)"
		  " INSERT INTO nurture.preference AS p (lead_id, channel, max_per_month, topics, format, language, said_at)"
		  " SELECT w.lead_id, w.channel, (w.word ->> 'max_per_month')::int4,"
		  " CASE WHEN w.word ? 'topics' THEN ARRAY(SELECT jsonb_array_elements_text(w.word -> 'topics')) END,"
		  " w.word ->> 'format', w.word ->> 'language', w.said_at"
		  " FROM words AS w ORDER BY w.lead_id, w.channel"
		  " ON CONFLICT (lead_id, channel) DO UPDATE SET"
		  " max_per_month = coalesce(EXCLUDED.max_per_month, p.max_per_month),"
		  " topics = coalesce(EXCLUDED.topics, p.topics),"
		  " format = coalesce(EXCLUDED.format, p.format),"
		  " language = coalesce(EXCLUDED.language, p.language),"
		  " said_at = greatest(EXCLUDED.said_at, p.said_at)",
		  INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, JSONBARRAYOID, TIMESTAMPTZARRAYOID,
		  INT8ARRAYOID);

#define PREFERENCE_COLUMNS	7

static const Oid preference_types[PREFERENCE_COLUMNS] = {INT8OID, TEXTOID, TEXTOID, TEXTOID, JSONBOID,
TIMESTAMPTZOID, INT8OID};

/* What a lead has said so far of a scope. */
typedef struct SaidScope
{
	int64		lead_id;
	const char *channel;
	const char *purpose;
	ConsentState state;
	TimestampTz since;
} SaidScope;

static Datum
make_array(Datum *values, bool *nulls, int n, Oid type)
{
	int			lower = 1;
	bool		by_value = type == INT8OID || type == TIMESTAMPTZOID;

	return PointerGetDatum(construct_md_array(values, nulls, 1, &n, &lower, type,
											  by_value ? 8 : -1, by_value,
											  by_value ? TYPALIGN_DOUBLE : TYPALIGN_INT));
}

/* Updates the gate rows of leads. */
static void
lock_gates(const int64 *lead_ids, int n)
{
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		nurture_gate_lock(lead_ids[i]);
	}
}

static bool
says_yes(const FactForGate *about)
{
	JsonbValue	value;

	(void) JsonbExtractScalar(&about->answer->value->root, &value);
	return value.val.boolean;
}

/* Reads what the leads with a yes that need not be taken have said so far. */
static SaidScope *
read_said(const FactForGate *answers, int n, int *nsaid)
{
	Datum	   *ids = palloc(n * sizeof(Datum));
	SaidScope  *said;
	Datum		value;
	int			nids = 0;
	bool		isnull;

	*nsaid = 0;
	for (int i = 0; i < n; i++)
	{
		if (answers[i].rule->target.kind == FACT_CONSENT &&
			answers[i].rule->mode != FACT_REPLACE && says_yes(&answers[i]) &&
			(nids == 0 || DatumGetInt64(ids[nids - 1]) != answers[i].lead_id))
			ids[nids++] = Int64GetDatum(answers[i].lead_id);
	}
	if (nids == 0)
		return NULL;
	value = PointerGetDatum(construct_array(ids, nids, INT8OID, 8, true, TYPALIGN_DOUBLE));

	/*
	 * the gate rows are ours: a new snapshot sees what others committed
	 * before
	 */
	(void) nurture_execute(&read_states, &value, NULL, false);
	said = palloc(Max(SPI_processed, 1) * sizeof(SaidScope));
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		said[row].lead_id = DatumGetInt64(nurture_cell(row, 1, &isnull));
		said[row].channel = nurture_cell_text(row, 2);
		said[row].purpose = nurture_cell_text(row, 3);
		said[row].state = nurture_consent_state(nurture_cell_text(row, 4));
		said[row].since = DatumGetTimestampTz(nurture_cell(row, 5, &isnull));
	}
	*nsaid = SPI_processed;
	return said;
}

static bool
in_scope(const char *scope, const char *word)
{
	return strcmp(scope, "*") == 0 || strcmp(scope, word) == 0;
}

/* Tells whether a yes is to be recorded; marks one that contradicts. */
static bool
takes_yes(FactForGate *about, const SaidScope *said, int nsaid)
{
	const FactTarget *target = &about->rule->target;

	if (about->rule->mode == FACT_REPLACE)
		return true;
	for (int i = 0; i < nsaid; i++)
	{
		const SaidScope *scope = &said[i];
		bool		same = strcmp(scope->channel, target->channel) == 0 &&
		strcmp(scope->purpose, target->purpose) == 0;
		bool		denied = nurture_consent_forbids(scope->state) &&
		(scope->state == CONSENT_OBJECTED || in_scope(scope->channel, target->channel)) &&
		in_scope(scope->purpose, target->purpose);

		if (scope->lead_id != about->lead_id)
			continue;
		if (about->rule->mode == FACT_FILL && (same || denied))
			return false;
		/* what was said before the denial is on record and changes nothing */
		if (denied && about->event->occurred_at >= scope->since)
		{
			about->contradicts = true;
			return false;
		}
	}
	return true;
}

/* Returns a text property of an event, NULL when it has none. */
static char *
property_text(const SubjectEvent *event, const char *name)
{
	JsonbValue	value;

	if (!JB_ROOT_IS_OBJECT(event->properties) ||
		getKeyJsonValueFromContainer(&event->properties->root, name, strlen(name), &value) == NULL ||
		value.type != jbvString || value.val.string.len == 0 || value.val.string.len > 200)
		return NULL;
	return pnstrdup(value.val.string.val, value.val.string.len);
}

/* Returns what proves a consent: the event, and where in it the answer stands. */
static Datum
evidence_of(const FactForGate *about)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfo(&json, "{\"event_id\": " INT64_FORMAT ", \"path\": ", about->event->event_id);
	escape_json(&json, about->rule->path_text);
	appendStringInfoChar(&json, '}');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
}

/*
 * Records what the leads said about consent, by one statement.  What is said
 * now, which is when the statement began, is said when the gate rows are ours.
 */
static void
take_consents(FactForGate *answers, int n)
{
	int			nsaid;
	SaidScope  *said = read_said(answers, n, &nsaid);
	Datum	   *columns[EVENT_COLUMNS];
	bool	   *nulls[EVENT_COLUMNS];
	Datum		values[EVENT_COLUMNS + 1];
	TimestampTz statement = nurture_now_statement();
	TimestampTz now = nurture_now_wall();
	int			ntaken = 0;

	for (int i = 0; i < EVENT_COLUMNS; i++)
	{
		columns[i] = palloc0(n * sizeof(Datum));
		nulls[i] = palloc0(n * sizeof(bool));
	}
	for (int i = 0; i < n; i++)
	{
		FactForGate *about = &answers[i];
		bool		yes;
		char	   *notice;
		char	   *version;

		if (about->rule->target.kind != FACT_CONSENT)
			continue;
		yes = says_yes(about);
		if (yes && !takes_yes(about, said, nsaid))
			continue;
		notice = property_text(about->event, "notice_id");
		version = property_text(about->event, "notice_version");
		/* a no said by a merged lead is handed on to its survivor */
		columns[0][ntaken] = Int64GetDatum(yes ? about->lead_id : about->event->came_for);
		columns[1][ntaken] = CStringGetTextDatum(yes ? "given" : "withdrawn");
		columns[2][ntaken] = CStringGetTextDatum(about->rule->target.channel);
		columns[3][ntaken] = CStringGetTextDatum(about->rule->target.purpose);
		columns[4][ntaken] = CStringGetTextDatum(about->event->event_type);
		columns[5][ntaken] = evidence_of(about);
		columns[6][ntaken] = TimestampTzGetDatum(about->event->occurred_at >= statement ? now :
												 about->event->occurred_at);
		columns[7][ntaken] = notice ? CStringGetTextDatum(notice) : (Datum) 0;
		nulls[7][ntaken] = notice == NULL;
		columns[8][ntaken] = version ? CStringGetTextDatum(version) : (Datum) 0;
		nulls[8][ntaken] = version == NULL;
		ntaken++;
	}
	if (ntaken == 0)
		return;
	for (int i = 0; i < EVENT_COLUMNS; i++)
		values[i] = make_array(columns[i], nulls[i], ntaken, event_types[i]);
	values[EVENT_COLUMNS] = TimestampTzGetDatum(now);
	(void) nurture_execute(&add_events, values, NULL, false);
}

/* Writes what the leads said about how they want to hear from us. */
static void
take_preferences(const FactForGate *answers, int n)
{
	Datum	   *columns[PREFERENCE_COLUMNS];
	Datum		values[PREFERENCE_COLUMNS];
	int			ntaken = 0;

	for (int i = 0; i < PREFERENCE_COLUMNS; i++)
		columns[i] = palloc(n * sizeof(Datum));
	for (int i = 0; i < n; i++)
	{
		const FactForGate *about = &answers[i];
		const FactTarget *target = &about->rule->target;

		if (target->kind != FACT_PREFERENCE)
			continue;
		columns[0][ntaken] = Int64GetDatum(about->lead_id);
		columns[1][ntaken] = CStringGetTextDatum(target->text);
		columns[2][ntaken] = CStringGetTextDatum(target->channel);
		columns[3][ntaken] = CStringGetTextDatum(target->column->name);
		columns[4][ntaken] = JsonbPGetDatum(about->answer->value);
		columns[5][ntaken] = TimestampTzGetDatum(about->event->occurred_at);
		columns[6][ntaken] = Int64GetDatum(about->event->event_id);
		ntaken++;
	}
	if (ntaken == 0)
		return;
	for (int i = 0; i < PREFERENCE_COLUMNS; i++)
		values[i] = make_array(columns[i], NULL, ntaken, preference_types[i]);
	(void) nurture_execute(&write_preferences, values, NULL, false);
}

/* Offers the facts room what is the gate's to do. */
void
nurture_form_answer_init(void)
{
	static const FactGate offered = {
		.lock = lock_gates,.consents = take_consents,
		.preferences = take_preferences,.require_channel = nurture_require_channel
	};

	nurture_fact_gate = &offered;
}
