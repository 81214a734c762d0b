/*
 * consent_api.c
 *	  Functions by which consent is recorded and asked, and events that tell
 *	  of it.
 *
 * They insert into nurture.consent_event with the caller's rights; the
 * trigger there does the rest with the owner's.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/read.h"
#include "catalog/pg_type.h"
#include "facts/lead.h"
#include "facts/reaction.h"
#include "facts/vocabulary.h"
#include "funcapi.h"
#include "gate/consent_fold.h"
#include "gate/consent_say.h"
#include "gate/gate_private.h"
#include "scoring/sensitive.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/jsonb.h"

NURTURE_FUNCTION(nurture_consent);
NURTURE_FUNCTION(nurture_opt_in);
NURTURE_FUNCTION(nurture_opt_out);
NURTURE_FUNCTION(nurture_consent_at);

#define CONSENT_ARGS	16		/* of nurture_consent */
#define CONSENT_OCCURRED_AT 7	/* place of an argument, from 0 */

static KeptPlan add_event =
KEPT_PLAN("INSERT INTO nurture.consent_event (lead_id, kind, channel, purpose,"
		  " topic, source, evidence, occurred_at, expires_at, legal_basis,"
		  " notice_id, notice_version, contact_point, actor, product,"
		  " jurisdiction, recorded_at, contact_point_hashes)"
		  " VALUES ($1, $2, $3, COALESCE($4, 'marketing'), COALESCE($5, '*'),"
		  " $6, $7, $8, $9, $10, $11, $12,"
		  " $13, $14, COALESCE($15, '*'), $16, $17, $18) RETURNING consent_event_id",
		  INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, JSONBOID,
		  TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID,
		  TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, BYTEAARRAYOID);

static KeptRead read_channel = {
	"channel", {{"channel", TEXTOID}}, {{"channel", TEXTOID}}
};

static KeptPlan known_channels =
KEPT_PLAN("SELECT string_agg('\"' || channel || '\"', ', ' ORDER BY channel) FROM nurture.channel"
		  " HAVING NOT coalesce(bool_or(channel = $1 OR consent_channel = $1), false)",
		  TEXTOID);

static KeptPlan events_at =
KEPT_PLAN(CONSENT_FOLD_COLUMNS " FROM nurture.consent_event AS e"
		  " WHERE e.lead_id = $1 AND (e.kind = 'entered_in_error'"
		  " OR LEAST(e.occurred_at, e.recorded_at) <= $2)"
		  " AND e.recorded_at <= $3" CONSENT_FOLD_ORDER,
		  INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID);

/* Raises unless the kind is one. */
static void
check_kind(const char *kind)
{
	if (nurture_consent_state(kind) == CONSENT_NONE)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("unknown kind of consent \"%s\"", kind),
				 errhint("Kinds are requested, given, confirmed, refused, withdrawn, objected, expired, renewed and entered_in_error.")));
}

/* Raises unless the channel is one, or * for all. */
void
nurture_require_channel(const char *channel)
{
	Datum		value = CStringGetTextDatum(channel);
	OwnerSwitch save;
	RowRead		read;
	char	   *known = NULL;
	bool		unknown;
	int			level;

	if (strcmp(channel, "*") == 0)
		return;
	nurture_owner_enter(&save);
	nurture_read_open(&read, &read_channel, GetActiveSnapshot());
	nurture_read_find(&read, &value);
	unknown = !nurture_read_next(&read);
	nurture_read_close(&read);
	if (!unknown)
	{
		nurture_owner_leave(&save);
		return;
	}
	level = nurture_spi_connect();
	(void) nurture_execute(&known_channels, &value, NULL, true);
	unknown = SPI_processed > 0;
	if (unknown)
		known = nurture_cell_text(0, 1);
	nurture_owner_leave(&save);
	if (unknown)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("unknown channel \"%.64s\"", channel),
				 errhint("Channels are %s; new ones are rows of nurture.channel.", known ? known : "not set up")));
	nurture_spi_finish(level);
}

/*
 * Inserts an event, recorded at an instant and said then unless it tells when,
 * with the caller's rights; connected to SPI.  confirmed_for is the hash of an
 * address, NULL = not told.
 */
static int64
insert_event_at(const Datum *given, const char *given_nulls, TimestampTz now,
				bytea *confirmed_for)
{
	Datum		values[CONSENT_ARGS + 2];
	char		nulls[CONSENT_ARGS + 2];
	Datum		hash = PointerGetDatum(confirmed_for);
	bool		null;

	nurture_lead_require_seen(DatumGetInt64(given[0]));
	memcpy(values, given, sizeof(Datum) * CONSENT_ARGS);
	memcpy(nulls, given_nulls, CONSENT_ARGS);
	if (nulls[CONSENT_OCCURRED_AT] == 'n')
	{
		values[CONSENT_OCCURRED_AT] = TimestampTzGetDatum(now);
		nulls[CONSENT_OCCURRED_AT] = ' ';
	}
	values[CONSENT_ARGS] = TimestampTzGetDatum(now);
	nulls[CONSENT_ARGS] = ' ';
	if (confirmed_for != NULL)
		values[CONSENT_ARGS + 1] = nurture_confirmed_hashes(&hash, 1);
	nulls[CONSENT_ARGS + 1] = confirmed_for != NULL ? ' ' : 'n';
	(void) nurture_execute(&add_event, values, nulls, false);
	return DatumGetInt64(nurture_cell(0, 1, &null));
}

/*
 * The same, recorded now.
 *
 * What is said now is said when the gate row is ours: the time before the wait
 * for it would put an opt-out that came last behind a grant that came first.
 */
static int64
insert_event(const Datum *values, const char *nulls, bytea *confirmed_for)
{
	TimestampTz now = nurture_now_statement();

	if (nulls[CONSENT_OCCURRED_AT] == 'n')
	{
		nurture_gate_bump(DatumGetInt64(values[0]));
		now = nurture_now_wall();
	}
	return insert_event_at(values, nulls, now, confirmed_for);
}

/*
 * nurture_consent(lead_id bigint, kind text, channel text, purpose text,
 * topic text, source text, evidence jsonb, occurred_at timestamptz,
 * expires_at timestamptz, legal_basis text, notice_id text, notice_version
 * text, contact_point text, actor text, product text, jurisdiction text)
 * returns bigint
 */
Datum
nurture_consent(PG_FUNCTION_ARGS)
{
	Datum		values[CONSENT_ARGS];
	char		nulls[CONSENT_ARGS];
	int			level;
	int64		id;

	for (int i = 0; i < CONSENT_ARGS; i++)
	{
		values[i] = PG_GETARG_DATUM(i);
		nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
	}
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("lead, kind and channel of consent must be given")));
	check_kind(TextDatumGetCString(values[1]));
	nurture_require_channel(TextDatumGetCString(values[2]));
	level = nurture_spi_connect();
	id = insert_event(values, nulls, NULL);
	nurture_spi_finish(level);
	PG_RETURN_INT64(id);
}

/* Records an event; see consent_say.h. */
int64
nurture_consent_say(const ConsentWords *words)
{
	const char *const texts[CONSENT_ARGS] = {
		[1] = words->kind,[2] = words->channel,[3] = words->purpose,
		[4] = words->topic,[5] = words->source,[10] = words->notice_id,
		[11] = words->notice_version,[13] = words->actor,
		[14] = words->product
	};
	Datum		values[CONSENT_ARGS] = {0};
	char		nulls[CONSENT_ARGS];

	values[0] = Int64GetDatum(words->lead_id);
	nulls[0] = ' ';
	for (int i = 1; i < CONSENT_ARGS; i++)
	{
		nulls[i] = texts[i] == NULL ? 'n' : ' ';
		if (texts[i] != NULL)
			values[i] = CStringGetTextDatum(texts[i]);
	}
	if (words->evidence != NULL)
	{
		values[6] = DirectFunctionCall1(jsonb_in,
										CStringGetDatum(words->evidence));
		nulls[6] = ' ';
	}
	return insert_event(values, nulls, words->confirmed_for);
}

/* Tells what may be locked first; see consent_say.h. */
bool
nurture_consent_gate_first(const char *purpose)
{
	return strcmp(purpose, "*") != 0 &&
		strcmp(purpose, NURTURE_INFERENCE_PURPOSE) != 0;
}

/* Returns a text argument, NULL when it is not given. */
static char *
text_argument(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

/*
 * nurture_opt_in(lead_id bigint, channel text, source text, evidence jsonb)
 * returns bigint: the lead gives consent for marketing.
 */
Datum
nurture_opt_in(PG_FUNCTION_ARGS)
{
	ConsentWords said = {.kind = "given"};
	int			level;
	int64		id;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	said.lead_id = PG_GETARG_INT64(0);
	said.channel = text_argument(fcinfo, 1);
	said.source = text_argument(fcinfo, 2);
	if (!PG_ARGISNULL(3))
		said.evidence = JsonbToCString(NULL, &PG_GETARG_JSONB_P(3)->root, 0);
	nurture_require_channel(said.channel);
	level = nurture_spi_connect();
	id = nurture_consent_say(&said);
	nurture_spi_finish(level);
	PG_RETURN_INT64(id);
}

/*
 * nurture_opt_out(lead_id bigint, channel text, source text) returns bigint:
 * the lead withdraws consent for marketing.  Returns how many messages that
 * cancelled.  May be repeated.
 */
Datum
nurture_opt_out(PG_FUNCTION_ARGS)
{
	ConsentWords said = {.kind = "withdrawn",.channel = "*"};
	int			level;
	int64		before;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	said.lead_id = PG_GETARG_INT64(0);
	if (!PG_ARGISNULL(1))
		said.channel = text_argument(fcinfo, 1);
	said.source = text_argument(fcinfo, 2);
	nurture_require_channel(said.channel);
	level = nurture_spi_connect();
	before = nurture_cancelled_messages;
	(void) nurture_consent_say(&said);
	nurture_spi_finish(level);
	PG_RETURN_INT64(nurture_cancelled_messages - before);
}

/*
 * nurture_consent_at(lead_id bigint, at timestamptz, known_at timestamptz)
 * returns setof record: the state at an instant, from what was known at
 * another.
 */
Datum
nurture_consent_at(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum		args[3];
	ConsentScope *scopes;
	int			nscopes;
	int			level;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || nurture_lead_hidden(PG_GETARG_INT64(0)))
		return (Datum) 0;
	args[0] = PG_GETARG_DATUM(0);
	args[1] = PG_GETARG_DATUM(1);
	args[2] = PG_ARGISNULL(2) ? TimestampTzGetDatum(DT_NOEND) :
		PG_GETARG_DATUM(2);
	level = nurture_spi_connect();
	(void) nurture_execute(&events_at, args, NULL, true);
	scopes = nurture_consent_fold(&nscopes, PG_GETARG_TIMESTAMPTZ(1));
	for (int i = 0; i < nscopes; i++)
	{
		Datum		values[8] = {0};
		bool		nulls[8] = {false};

		if (scopes[i].state == CONSENT_NONE)
			continue;
		values[0] = CStringGetTextDatum(scopes[i].channel);
		values[1] = CStringGetTextDatum(scopes[i].purpose);
		values[2] = CStringGetTextDatum(scopes[i].topic);
		values[3] = CStringGetTextDatum(scopes[i].product);
		values[4] = CStringGetTextDatum(nurture_consent_state_name(scopes[i].state));
		values[5] = TimestampTzGetDatum(scopes[i].since);
		values[6] = TimestampTzGetDatum(scopes[i].expires_at);
		nulls[6] = scopes[i].expires_at == DT_NOEND;
		values[7] = Int64GetDatum(scopes[i].consent_event_id);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	nurture_spi_finish(level);
	return (Datum) 0;
}

/* What an event type says about consent; NULL when nothing. */
static const char *
event_says(const char *event_type)
{
	if (strcmp(event_type, "opted_out") == 0 ||
		strcmp(event_type, "unsubscribed") == 0)
		return "withdrawn";
	return strcmp(event_type, "complained") == 0 ? "objected" : NULL;
}

static bool
wants_consent(int signal_id)
{
	const char *signal = signal_id > 0 ? nurture_signal_code(signal_id) : NULL;

	return signal != NULL && event_says(signal) != NULL;
}

/* What a lead says binds, whether or not its signal is one that is counted. */
static bool
wants_consent_type(const char *event_type)
{
	return event_says(event_type) != NULL;
}

/*
 * Records what events say: an unsubscription is from the channel it came by,
 * an opt-out or complaint is about all of them.  An event that happens now,
 * which is when its statement began, is said when the gate rows are ours.
 */
static void
react_consent(const SubjectEvent *const *events, int nevents)
{
	TimestampTz statement = nurture_now_statement();
	TimestampTz now;
	OwnerSwitch owner;
	int			level;

	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	/* gates first, ascending, as every statement about many leads does */
	for (int i = 0; i < nevents; i++)
	{
		if (event_says(events[i]->event_type) != NULL &&
			(i == 0 || events[i]->came_for != events[i - 1]->came_for))
			nurture_gate_lock(events[i]->came_for);
	}
	now = nurture_now_wall();
	for (int i = 0; i < nevents; i++)
	{
		const SubjectEvent *event = events[i];
		const char *kind = event_says(event->event_type);
		const char *channel = "*";
		Datum		values[CONSENT_ARGS] = {0};
		char		nulls[CONSENT_ARGS];
		char	   *evidence;

		if (kind == NULL)
			continue;
		if (strcmp(event->event_type, "unsubscribed") == 0)
			channel = event->channel ? event->channel : "email";
		memset(nulls, 'n', sizeof(nulls));
		evidence = psprintf("{\"event_id\": " INT64_FORMAT "}", event->event_id);
		/* said by a merged lead, and handed on to its survivor */
		values[0] = Int64GetDatum(event->came_for);
		values[1] = CStringGetTextDatum(kind);
		values[2] = CStringGetTextDatum(channel);
		values[5] = CStringGetTextDatum("event");
		values[6] = DirectFunctionCall1(jsonb_in, CStringGetDatum(evidence));
		values[CONSENT_OCCURRED_AT] = TimestampTzGetDatum(event->occurred_at);
		nulls[0] = nulls[1] = nulls[2] = nulls[5] = nulls[6] = ' ';
		nulls[CONSENT_OCCURRED_AT] = event->occurred_at >= statement ? 'n' : ' ';
		(void) insert_event_at(values, nulls, now, NULL);
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
}

/* Registers the reactor. */
void
nurture_consent_init(void)
{
	static Reactor reactor = {
		.name = "consent",.order = REACT_CONSENT,.history_too = true,
		.wants = wants_consent,.react = react_consent,
		.wants_type = wants_consent_type
	};

	nurture_reactor_register(&reactor);
}
