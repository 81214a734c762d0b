/*
 * state.c
 *	  A lead as the gate sees it: its gate row, then what a second statement
 *	  with a snapshot of its own reads.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "base/plans.h"
#include "base/read.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "gate/contact_policy.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/*
 * What is read of a lead.  One more column is one more line in an enum and its
 * array, and the line below that takes it; read.h tells the rest.
 */
enum
{
	GATE_SEQ, GATE_SUPPRESSED, GATE_MERGED_INTO, GATE_ERASED,
	GATE_STOPPED_UNTIL, GATE_PAUSED_UNTIL, GATE_PREFERENCES, GATE_ABSORBS
};

static KeptRead read_gate = {
	"gate", {{"lead_id", INT8OID}}, {
		[GATE_SEQ] = {"seq", INT8OID},
		[GATE_SUPPRESSED] = {"suppressed", BOOLOID},
		[GATE_MERGED_INTO] = {"merged_into", INT8OID},
		[GATE_ERASED] = {"erased", BOOLOID},
		[GATE_STOPPED_UNTIL] = {"stopped_until", TIMESTAMPTZOID},
		[GATE_PAUSED_UNTIL] = {"paused_until", TIMESTAMPTZOID},
		[GATE_PREFERENCES] = {"preferences", BOOLOID},
		[GATE_ABSORBS] = {"absorbs", BOOLOID}
	}
};

enum
{
	LEAD_EMAIL, LEAD_PHONE, LEAD_COUNTRY, LEAD_AUDIENCE_TYPE, LEAD_LANGUAGE,
	LEAD_VERIFIED_AT, LEAD_ACCOUNT_ID, LEAD_ERASED_AT, LEAD_TIME_ZONE
};

static KeptRead read_lead = {
	"lead", {{"lead_id", INT8OID}}, {
		[LEAD_EMAIL] = {"email", TEXTOID},
		[LEAD_PHONE] = {"phone", TEXTOID},
		[LEAD_COUNTRY] = {"country", TEXTOID},
		[LEAD_AUDIENCE_TYPE] = {"audience_type", TEXTOID},
		[LEAD_LANGUAGE] = {"language", TEXTOID},
		[LEAD_VERIFIED_AT] = {"audience_verified_at", TIMESTAMPTZOID},
		[LEAD_ACCOUNT_ID] = {"account_id", INT8OID},
		[LEAD_ERASED_AT] = {"erased_at", TIMESTAMPTZOID},
		[LEAD_TIME_ZONE] = {"time_zone", TEXTOID}
	}
};

enum
{
	STAGE_STAGE
};

static KeptRead read_stage = {
	"lead_stage", {{"lead_id", INT8OID}, {"product", TEXTOID}}, {
		[STAGE_STAGE] = {"stage", TEXTOID}
	}
};

enum
{
	CONSENT_CHANNEL, CONSENT_PURPOSE, CONSENT_TOPIC, CONSENT_PRODUCT,
	CONSENT_STATE, CONSENT_SINCE, CONSENT_EXPIRES_AT, CONSENT_LEGAL_BASIS,
	CONSENT_HASHES
};

static KeptRead read_consent = {
	"consent", {{"lead_id", INT8OID}}, {
		[CONSENT_CHANNEL] = {"channel", TEXTOID},
		[CONSENT_PURPOSE] = {"purpose", TEXTOID},
		[CONSENT_TOPIC] = {"topic", TEXTOID},
		[CONSENT_PRODUCT] = {"product", TEXTOID},
		[CONSENT_STATE] = {"state", TEXTOID},
		[CONSENT_SINCE] = {"since", TIMESTAMPTZOID},
		[CONSENT_EXPIRES_AT] = {"expires_at", TIMESTAMPTZOID},
		[CONSENT_LEGAL_BASIS] = {"legal_basis", TEXTOID},
		[CONSENT_HASHES] = {"contact_point_hashes", BYTEAARRAYOID}
	}
};

enum
{
	LIVE_CHANNEL, LIVE_CLASS, LIVE_PURPOSE, LIVE_FAMILY, LIVE_TRACK,
	LIVE_OCCURRENCE_KEY, LIVE_STATUS, LIVE_SENT_AT, LIVE_TAKEN_AT,
	LIVE_NOT_BEFORE, LIVE_DECIDED_AT
};

static KeptRead read_live = {
	"message", {{"lead_id", INT8OID}}, {
		[LIVE_CHANNEL] = {"channel", TEXTOID},
		[LIVE_CLASS] = {"message_class", TEXTOID},
		[LIVE_PURPOSE] = {"purpose", TEXTOID},
		[LIVE_FAMILY] = {"family", TEXTOID},
		[LIVE_TRACK] = {"track", TEXTOID},
		[LIVE_OCCURRENCE_KEY] = {"occurrence_key", TEXTOID},
		[LIVE_STATUS] = {"status", TEXTOID},
		[LIVE_SENT_AT] = {"sent_at", TIMESTAMPTZOID},
		[LIVE_TAKEN_AT] = {"taken_at", TIMESTAMPTZOID},
		[LIVE_NOT_BEFORE] = {"not_before", TIMESTAMPTZOID},
		[LIVE_DECIDED_AT] = {"decided_at", TIMESTAMPTZOID}
	}
};

/* what was merged into a lead, and into that */
static KeptPlan find_absorbed =
KEPT_PLAN("WITH RECURSIVE a AS ("
		  "SELECT l.lead_id, 1 AS merges FROM nurture.lead AS l"
		  " WHERE l.merged_into = $1"
		  " UNION ALL SELECT l.lead_id, a.merges + 1 FROM a"
		  " JOIN nurture.lead AS l ON l.merged_into = a.lead_id"
		  " WHERE a.merges < $2) SELECT a.lead_id FROM a", INT8OID, INT4OID);

/* Returns a hash that settles most comparisons of two texts. */
uint32
nurture_gate_text_hash(const char *text)
{
	return text == NULL ? 0 :
	hash_bytes((const unsigned char *) text, strlen(text));
}

static TimestampTz
read_time(const RowRead *read, int column, TimestampTz when_null)
{
	bool		null;
	Datum		value = nurture_read_cell(read, column, &null);

	return null ? when_null : DatumGetTimestampTz(value);
}

/* Takes a snapshot that shows what this transaction has written. */
static Snapshot
new_snapshot(void)
{
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	return GetActiveSnapshot();
}

/* Reads the gate row without updating it; answers false when there is none. */
static bool
read_gate_row(int64 lead_id, GateLead *lead)
{
	RowRead		read;
	Datum		key = Int64GetDatum(lead_id);
	bool		null;
	Datum		value;
	bool		found;

	nurture_read_open_held(&read, &read_gate, lead->hold, new_snapshot());
	nurture_read_find(&read, &key);
	found = nurture_read_next(&read);
	if (found)
	{
		lead->seq = DatumGetInt64(nurture_read_cell(&read, GATE_SEQ, &null));
		lead->suppressed = DatumGetBool(nurture_read_cell(&read, GATE_SUPPRESSED, &null));
		value = nurture_read_cell(&read, GATE_MERGED_INTO, &null);
		lead->lead_id = null ? lead_id : DatumGetInt64(value);
		lead->erased = DatumGetBool(nurture_read_cell(&read, GATE_ERASED, &null));
		lead->stopped_until = read_time(&read, GATE_STOPPED_UNTIL, DT_NOBEGIN);
		lead->paused_until = read_time(&read, GATE_PAUSED_UNTIL, DT_NOBEGIN);
		lead->prefers = DatumGetBool(nurture_read_cell(&read, GATE_PREFERENCES, &null));
		lead->absorbs = DatumGetBool(nurture_read_cell(&read, GATE_ABSORBS, &null));
	}
	nurture_read_close(&read);
	PopActiveSnapshot();
	return found;
}

/* Reads the lead's own row; answers false when there is none. */
static bool
read_facts(GateLead *lead, Snapshot snapshot)
{
	RowRead		read;
	Datum		key = Int64GetDatum(lead->lead_id);
	bool		found;

	nurture_read_open_held(&read, &read_lead, lead->hold, snapshot);
	nurture_read_find(&read, &key);
	found = nurture_read_next(&read);
	if (found)
	{
		bool		null;
		Datum		value;

		lead->email = nurture_read_text(&read, LEAD_EMAIL);
		lead->phone = nurture_read_text(&read, LEAD_PHONE);
		lead->country = nurture_read_text(&read, LEAD_COUNTRY);
		lead->audience_type = nurture_read_text(&read, LEAD_AUDIENCE_TYPE);
		lead->language = nurture_read_text(&read, LEAD_LANGUAGE);
		lead->time_zone = nurture_read_text(&read, LEAD_TIME_ZONE);
		lead->verified_at = read_time(&read, LEAD_VERIFIED_AT, DT_NOBEGIN);
		value = nurture_read_cell(&read, LEAD_ACCOUNT_ID, &null);
		lead->has_account = !null;
		lead->account_id = null ? 0 : DatumGetInt64(value);
		(void) nurture_read_cell(&read, LEAD_ERASED_AT, &null);
		if (!null)
			lead->erased = true;
	}
	nurture_read_close(&read);
	return found;
}

static void
read_stage_of(GateLead *lead, Snapshot snapshot)
{
	RowRead		read;
	Datum		keys[2];

	keys[0] = Int64GetDatum(lead->lead_id);
	keys[1] = CStringGetTextDatum("*");
	nurture_read_open_held(&read, &read_stage, lead->hold, snapshot);
	nurture_read_find(&read, keys);
	lead->stage = nurture_read_next(&read) ?
		nurture_read_text(&read, STAGE_STAGE) : "new";
	nurture_read_close(&read);
}

static void
read_consents(GateLead *lead, Snapshot snapshot)
{
	RowRead		read;
	Datum		key = Int64GetDatum(lead->lead_id);
	int			max = 0;

	nurture_read_open_held(&read, &read_consent, lead->hold, snapshot);
	nurture_read_find(&read, &key);
	while (nurture_read_next(&read))
	{
		GateConsent *consent;
		char	   *state;

		if (lead->nconsents == max)
		{
			max = max ? max * 2 : 4;
			lead->consents = lead->consents ?
				repalloc(lead->consents, sizeof(GateConsent) * max) :
				palloc(sizeof(GateConsent) * max);
		}
		consent = &lead->consents[lead->nconsents++];
		consent->channel = nurture_read_text(&read, CONSENT_CHANNEL);
		consent->purpose = nurture_read_text(&read, CONSENT_PURPOSE);
		consent->topic = nurture_read_text(&read, CONSENT_TOPIC);
		consent->product = nurture_read_text(&read, CONSENT_PRODUCT);
		state = nurture_read_text(&read, CONSENT_STATE);
		consent->state = nurture_consent_state(state);
		pfree(state);
		consent->since = read_time(&read, CONSENT_SINCE, DT_NOBEGIN);
		consent->expires_at = read_time(&read, CONSENT_EXPIRES_AT, DT_NOEND);
		consent->legal_basis = nurture_read_text(&read, CONSENT_LEGAL_BASIS);
		consent->bound = false;
		if (consent->state == CONSENT_CONFIRMED)
		{
			bool		null;
			Datum		hashes = nurture_read_cell(&read, CONSENT_HASHES, &null);

			if (!null)
				nurture_confirmed_read(consent, hashes);
		}
	}
	nurture_read_close(&read);
}

/* Lists the leads merged into one; see gate.h. */
int64	   *
nurture_gate_absorbed(int64 lead_id, bool read_only, MemoryContext context,
					  int *n)
{
	Datum		values[2] = {Int64GetDatum(lead_id),
	Int32GetDatum(GATE_MAX_MERGES)};
	int64	   *absorbed;

	(void) nurture_execute(&find_absorbed, values, NULL, read_only);
	absorbed = MemoryContextAlloc(context, sizeof(int64) * Max(SPI_processed, 1));
	*n = SPI_processed;
	for (int row = 0; row < *n; row++)
	{
		bool		null;

		absorbed[row] = DatumGetInt64(nurture_cell(row, 1, &null));
	}
	return absorbed;
}

/* Forgets what caps count of the live messages: some were taken out of them. */
void
nurture_gate_count_again(GateLead *lead)
{
	for (int i = 0; i < lead->capped->n; i++)
		lead->capped->counted[i].seen = lead->capped->counted[i].ntimes = 0;
}

/* Makes room for one more live message at least. */
static void
make_room(GateLead *lead)
{
	lead->maxlive = Max(lead->maxlive * 2, 8);
	lead->live = lead->live == NULL ?
		MemoryContextAlloc(lead->context, sizeof(GateLive) * lead->maxlive) :
		repalloc_huge(lead->live, sizeof(GateLive) * lead->maxlive);
}

/* Returns when the message at hand goes out, or went. */
static TimestampTz
live_time(const RowRead *read)
{
	static const int places[] = {LIVE_SENT_AT, LIVE_TAKEN_AT,
	LIVE_NOT_BEFORE, LIVE_DECIDED_AT};

	for (int i = 0; i < lengthof(places); i++)
	{
		TimestampTz at = read_time(read, places[i], DT_NOBEGIN);

		if (!TIMESTAMP_IS_NOBEGIN(at))
			return at;
	}
	return DT_NOBEGIN;
}

/* Adds the messages of one lead that are under the open read's key. */
static void
take_live(GateLead *lead, RowRead *read, int64 lead_id,
		  TimestampTz since, TimestampTz now)
{
	Datum		key = Int64GetDatum(lead_id);

	nurture_read_find(read, &key);
	while (nurture_read_next(read))
	{
		GateLive   *live;
		TimestampTz at;
		bool		keyless;
		char	   *class;

		if (nurture_read_is(read, LIVE_STATUS, "refused") ||
			nurture_read_is(read, LIVE_STATUS, "cancelled") ||
			nurture_read_is(read, LIVE_STATUS, "failed"))
			continue;
		at = live_time(read);
		(void) nurture_read_cell(read, LIVE_OCCURRENCE_KEY, &keyless);
		if (keyless && at <= since)
			continue;
		if (lead->nlive == lead->maxlive)
			make_room(lead);
		live = &lead->live[lead->nlive++];
		live->channel = nurture_read_text(read, LIVE_CHANNEL);
		class = nurture_read_text(read, LIVE_CLASS);
		live->class = nurture_gate_class(class);
		live->purpose = nurture_read_text(read, LIVE_PURPOSE);
		live->family = nurture_read_text(read, LIVE_FAMILY);
		live->track = nurture_read_text(read, LIVE_TRACK);
		live->occurrence_key = nurture_read_text(read, LIVE_OCCURRENCE_KEY);
		live->occurrence_hash = nurture_gate_text_hash(live->occurrence_key);
		/* a message somebody complained about was sent */
		live->counts = !nurture_read_is(read, LIVE_STATUS, "held") &&
			!nurture_read_is(read, LIVE_STATUS, "bounced");
		live->waits = nurture_read_is(read, LIVE_STATUS, "queued") ||
			nurture_read_is(read, LIVE_STATUS, "held");
		live->at = TIMESTAMP_IS_NOBEGIN(at) ? now : at;
	}
}

/*
 * Reads the lead's messages, and those of leads merged into it, that are
 * neither refused, cancelled nor failed.  Older ones than any cap asks for are
 * left out, but for those with an occurrence key, which is used once for good.
 */
static void
read_live_messages(GateLead *lead, TimestampTz since, TimestampTz now,
				   Snapshot snapshot)
{
	RowRead		read;

	lead->nlive = 0;
	lead->nadded = 0;
	nurture_gate_count_again(lead);
	nurture_read_open_held(&read, &read_live, lead->hold, snapshot);
	take_live(lead, &read, lead->lead_id, since, now);
	for (int i = 0; i < lead->nabsorbed; i++)
		take_live(lead, &read, lead->absorbed[i], since, now);
	nurture_read_close(&read);
}

/* Returns from when on messages may count for a cap. */
static TimestampTz
live_since(const GateLead *lead, const GateRules *rules, TimestampTz now)
{
	int64		longest = Max(rules->longest,
							  lead->npreferences > 0 ? PREFERENCE_PERIOD : 0);

	if (lead->slowest > NORMAL_PACE)
		longest = Max(longest, rules->longest_paced / NORMAL_PACE * lead->slowest);
	return now - longest - USECS_PER_DAY;
}

/*
 * Reads the lead's messages that may count, under its gate row: nobody else
 * can add to them.
 */
void
nurture_gate_read_live(GateLead *lead, const GateRules *rules,
					   TimestampTz now)
{
	MemoryContext old = MemoryContextSwitchTo(lead->context);

	read_live_messages(lead, live_since(lead, rules, now), now,
					   new_snapshot());
	PopActiveSnapshot();
	MemoryContextSwitchTo(old);
}

static char *
copy_name(MemoryContext context, const char *text)
{
	return text ? MemoryContextStrdup(context, text) : NULL;
}

/* Adds a message that this statement brings to those that are there. */
void
nurture_gate_add_live(GateLead *lead, const GateLive *live)
{
	MemoryContext context = lead->context;
	GateLive   *added;

	if (lead->nlive == lead->maxlive)
		make_room(lead);
	added = &lead->live[lead->nlive++];
	*added = *live;
	added->channel = copy_name(context, live->channel);
	added->purpose = copy_name(context, live->purpose);
	added->family = copy_name(context, live->family);
	added->track = copy_name(context, live->track);
	added->occurrence_key = copy_name(context, live->occurrence_key);
	added->occurrence_hash = nurture_gate_text_hash(live->occurrence_key);
	lead->nadded++;
}

/*
 * Reads the lead lead->asked into *lead.  With bump its gate row is updated
 * first and stays ours until the transaction ends.  now, from before a wait,
 * only bounds what is read: the decision asks the clock again.  As the owner;
 * what asks by a query connects to SPI itself, since most leads need none.
 */
void
nurture_gate_read(GateLead *lead, const GateRules *rules, bool bump,
				  TimestampTz now)
{
	MemoryContext context = lead->context;
	MemoryContext old;
	Snapshot	snapshot;
	int64		lead_id = lead->asked;

	lead->found = false;
	lead->lead_id = lead_id;
	lead->seq = 0;
	lead->erased = lead->has_subject = false;
	lead->suppressed = false;
	lead->stopped_until = lead->paused_until = DT_NOBEGIN;
	lead->verified_at = DT_NOBEGIN;
	lead->email = lead->phone = lead->country = NULL;
	lead->audience_type = lead->language = lead->stage = NULL;
	lead->time_zone = NULL;
	lead->slowest = NORMAL_PACE;
	lead->nrests = lead->nwishes = 0;
	lead->has_account = false;
	lead->prefers = lead->absorbs = false;
	lead->nabsorbed = 0;
	lead->nconsents = lead->nstops = lead->npreferences = lead->nlive = 0;
	lead->maxlive = lead->nadded = 0;
	lead->live = NULL;
	lead->consents = NULL;
	lead->capped = MemoryContextAllocZero(context, sizeof(GateCapped));

	for (int merges = 0; merges < GATE_MAX_MERGES; merges++)
	{
		if (bump)
			lead->found = nurture_gate_update(lead_id, 1, true, lead->hold,
											  lead);
		else
			lead->found = read_gate_row(lead_id, lead);
		if (!lead->found)
		{
			lead->lead_id = lead_id;
			return;
		}
		if (lead->lead_id == lead_id)
			break;
		lead_id = lead->lead_id;
		/* merged in a circle, or too often: nobody to write to */
		lead->found = false;
	}
	if (!lead->found)
		return;
	/* the second statement: its snapshot is from after the wait */
	old = MemoryContextSwitchTo(context);
	snapshot = new_snapshot();
	lead->found = read_facts(lead, snapshot);
	if (lead->found)
	{
		read_stage_of(lead, snapshot);
		read_consents(lead, snapshot);
		if (lead->stopped_until > now || lead->paused_until > now ||
			lead->prefers || lead->absorbs)
		{
			int			level = nurture_spi_connect_here();

			if (lead->stopped_until > now || lead->paused_until > now)
				nurture_stop_read(lead, now);
			if (lead->prefers)
				nurture_preference_read(lead);
			if (lead->absorbs)
				lead->absorbed =
					nurture_gate_absorbed(lead->lead_id, false, lead->context,
										  &lead->nabsorbed);
			MemoryContextSwitchTo(context);
			nurture_spi_finish(level);
			MemoryContextSwitchTo(context);
		}
		if (rules->contact->nrests > 0)
			nurture_rest_read(lead, rules->contact, now, snapshot);
		read_live_messages(lead, live_since(lead, rules, now), now, snapshot);
	}
	PopActiveSnapshot();
	MemoryContextSwitchTo(old);
}
