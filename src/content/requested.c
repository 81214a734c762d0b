/*
 * requested.c
 *	  Content that offers what a lead has asked for already.
 *
 * A row of nurture.request_kind names the offers that such a request answers.
 * While the lead's request is open, and after it was fulfilled, assets with
 * those offers are not chosen: who asked for a meeting is not asked to ask
 * for one.  A declined request stops nothing.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/read.h"
#include "base/rulecache.h"
#include "catalog/pg_type.h"
#include "content/choose.h"
#include "content/requested.h"
#include "facts/vocabulary.h"
#include "gate/gate.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* A kind of request and an offer that it answers. */
typedef struct OfferRow
{
	const char *request_kind;
	int			tag_id;
} OfferRow;

typedef struct Offers
{
	int			n;
	OfferRow   *rows;
} Offers;

enum
{
	REQUEST_KIND, REQUEST_STATE, REQUEST_OPENED_AT, REQUEST_CLOSED_AT
};

static KeptRead read_request = {
	"request", {{"lead_id", INT8OID}}, {
		[REQUEST_KIND] = {"request_kind", TEXTOID},
		[REQUEST_STATE] = {"state", TEXTOID},
		[REQUEST_OPENED_AT] = {"opened_at", TIMESTAMPTZOID},
		[REQUEST_CLOSED_AT] = {"closed_at", TIMESTAMPTZOID}
	}
};

enum
{
	GATE_ABSORBS
};

static KeptRead read_gate = {
	"gate", {{"lead_id", INT8OID}}, {[GATE_ABSORBS] = {"absorbs", BOOLOID}}
};

static KeptPlan read_offers =
KEPT_PLAN0("SELECT k.request_kind, t.tag_id::int4 FROM nurture.request_kind k"
		   " JOIN nurture.tag t ON t.dimension = 'offer' AND t.value = ANY (k.offers) ORDER BY 1, 2");

static void *load_offers(Snapshot snapshot);

static RuleCache offers_cache = {"offers", {"request_kind", "tag"}, load_offers};

/* Reads which offers each kind of request answers. */
static void *
load_offers(Snapshot snapshot)
{
	MemoryContext context = CurrentMemoryContext;
	Offers	   *result = palloc0(sizeof(Offers));

	nurture_execute_snapshot(&read_offers, NULL, NULL, snapshot);
	result->n = (int) SPI_processed;
	result->rows = MemoryContextAlloc(context, Max(result->n, 1) * sizeof(OfferRow));
	for (int i = 0; i < result->n; i++)
	{
		bool		isnull;

		result->rows[i].request_kind = MemoryContextStrdup(context, nurture_cell_text(i, 1));
		result->rows[i].tag_id = DatumGetInt32(nurture_cell(i, 2, &isnull));
	}
	return result;
}

/* Makes the cache known; once per backend. */
void
nurture_requested_init(void)
{
	nurture_rulecache_register(&offers_cache);
}

/*
 * Notes the offers that the requests of a lead stop as of a moment; true when
 * any does.
 */
static bool
stopped_by_lead(const Offers *offers, int64 lead_id, TimestampTz at,
				Hold *hold, Snapshot snapshot, bool *stopped)
{
	Datum		key = Int64GetDatum(lead_id);
	bool		any = false;
	RowRead		read;

	nurture_read_open_held(&read, &read_request, hold, snapshot);
	nurture_read_find(&read, &key);
	while (nurture_read_next(&read))
	{
		bool		open;
		bool		isnull;
		TimestampTz opened = DatumGetTimestampTz(nurture_read_cell(&read, REQUEST_OPENED_AT, &isnull));
		TimestampTz closed = DatumGetTimestampTz(nurture_read_cell(&read, REQUEST_CLOSED_AT, &open));

		if (opened > at ||
			(!open && closed <= at && nurture_read_is(&read, REQUEST_STATE, "declined")))
			continue;
		for (int i = 0; i < offers->n; i++)
		{
			if (nurture_read_is(&read, REQUEST_KIND, offers->rows[i].request_kind))
				any = stopped[i] = true;
		}
	}
	nurture_read_close(&read);
	return any;
}

/* Tells whether others were merged into a lead. */
static bool
absorbs(int64 lead_id, Hold *hold, Snapshot snapshot)
{
	Datum		key = Int64GetDatum(lead_id);
	bool		result = false;
	bool		isnull;
	RowRead		read;

	nurture_read_open_held(&read, &read_gate, hold, snapshot);
	nurture_read_find(&read, &key);
	if (nurture_read_next(&read))
		result = DatumGetBool(nurture_read_cell(&read, GATE_ABSORBS, &isnull));
	nurture_read_close(&read);
	return result;
}

/* Notes what the requests of a lead, and of those merged into it, stop. */
static bool
read_stopped(const Offers *offers, const Subject *subject, TimestampTz at,
			 bool *stopped)
{
	OwnerSwitch save;
	Snapshot	snapshot;
	bool		any;

	nurture_owner_enter(&save);
	if (subject->fresh)
	{
		CommandCounterIncrement();
		PushActiveSnapshot(GetTransactionSnapshot());
	}
	else
		PushActiveSnapshot(GetActiveSnapshot());
	snapshot = GetActiveSnapshot();
	any = stopped_by_lead(offers, subject->lead_id, at, subject->hold, snapshot, stopped);
	if (absorbs(subject->lead_id, subject->hold, snapshot))
	{
		int			level = nurture_spi_connect();
		int			n;
		int64	   *absorbed = nurture_gate_absorbed(subject->lead_id, true,
													 CurrentMemoryContext, &n);

		for (int i = 0; i < n; i++)
			any = stopped_by_lead(offers, absorbed[i], at, subject->hold, snapshot, stopped) || any;
		nurture_spi_finish(level);
	}
	PopActiveSnapshot();
	nurture_owner_leave(&save);
	return any;
}

/*
 * Notes which tags, by their slots, offer what the lead has asked for as of a
 * moment; NULL when none does.
 */
const bool *
nurture_content_requested(const ContentIndex *index, const Subject *subject,
						  TimestampTz at)
{
	const Offers *offers = nurture_rulecache_get(&offers_cache);
	bool	   *stopped;
	bool	   *slots;

	if (offers->n == 0)
		return NULL;
	stopped = palloc0(offers->n * sizeof(bool));
	if (!read_stopped(offers, subject, at, stopped))
		return NULL;
	slots = palloc0(Max(index->nslots, 1) * sizeof(bool));
	for (int slot = 0; slot < index->nslots; slot++)
	{
		for (int o = 0; o < offers->n && !slots[slot]; o++)
			slots[slot] = stopped[o] &&
				nurture_tag_under(index->tags[slot].tag_id, offers->rows[o].tag_id);
	}
	return slots;
}
