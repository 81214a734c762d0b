/*
 * stop_scope.c
 *	  What a stop covers, and what a lead's stops say when a message is
 *	  decided or a track goes on.
 */
#include "base/compat.h"

#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "gate/stop.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"

static KeptPlan read_stops =
KEPT_PLAN("SELECT e.rule, e.effect, e.mode, e.scope::pg_catalog.text, e.until,"
		  " e.lifted_by::pg_catalog.text,"
		  " (e.factor OPERATOR(pg_catalog.*) 100::pg_catalog.numeric)::pg_catalog.int4, e.to_track"
		  " FROM nurture.stop_effect AS e"
		  " WHERE e.lead_id OPERATOR(pg_catalog.=) $1"
		  " AND e.lifted_at IS NULL"
		  " AND e.until OPERATOR(pg_catalog.>) $2"
		  " ORDER BY e.rule COLLATE pg_catalog.\"C\"",
		  INT8OID, TIMESTAMPTZOID);

/* the gate row says most times that there is nothing to read */
static KeptPlan read_hold =
KEPT_PLAN("SELECT e.rule, e.effect, e.mode, e.scope::text, e.until,"
		  " e.lifted_by::text, (e.factor * 100)::int4, e.to_track"
		  " FROM nurture.gate AS g JOIN nurture.stop_effect AS e ON e.lead_id = g.lead_id"
		  " WHERE g.lead_id = $1 AND greatest(g.stopped_until, g.paused_until) > $2"
		  " AND e.lifted_at IS NULL AND e.until > $2 AND e.mode = 'enforced'"
		  " ORDER BY e.rule COLLATE \"C\"",
		  INT8OID, TIMESTAMPTZOID);

/* Returns what an effect is. */
StopEffectKind
nurture_stop_kind(const char *effect)
{
	static const char *const names[] = {
		[STOP_STOP] = "stop",[STOP_SUPPRESS] = "suppress_promotional",
		[STOP_PAUSE] = "pause",[STOP_SLOW] = "slow_down",
		[STOP_EXIT_TRACK] = "exit_track",[STOP_SWITCH_TRACK] = "switch_track"
	};

	for (int i = 0; i < lengthof(names); i++)
	{
		if (strcmp(names[i], effect) == 0)
			return (StopEffectKind) i;
	}
	return STOP_STOP;
}

/* Returns a list of the scope as text[], NULL when it is not named. */
static ArrayType *
scope_list(Jsonb *scope, const char *key)
{
	JsonbValue	list;
	JsonbIterator *iterator;
	JsonbValue	item;
	JsonbIteratorToken token;
	Datum	   *items;
	int			n = 0;

	if (getKeyJsonValueFromContainer(&scope->root, key, strlen(key), &list) == NULL ||
		list.type != jbvBinary)
		return NULL;
	items = palloc(sizeof(Datum) * Max(JsonContainerSize(list.val.binary.data), 1));
	iterator = JsonbIteratorInit(list.val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
	{
		if (token == WJB_ELEM && item.type == jbvString)
			items[n++] = PointerGetDatum(cstring_to_text_with_len(item.val.string.val,
																  item.val.string.len));
	}
	return construct_array(items, n, TEXTOID, -1, false, TYPALIGN_INT);
}

/* Reads a scope, in the current memory context. */
void
nurture_stop_scope(const char *effect, const char *json, const char *to_track,
				   StopScope *scope)
{
	StopEffectKind kind = nurture_stop_kind(effect);
	Jsonb	   *document;
	JsonbValue	named;
	ArrayType  *classes;

	memset(scope, 0, sizeof(*scope));
	scope->classes = kind == STOP_SUPPRESS ?
		CLASS_MARKETING : CLASS_ALL & ~CLASS_OPERATIONAL;
	scope->but_track = to_track;
	if (kind >= STOP_EXIT_TRACK)
	{
		/* messages of tracks only, whichever */
		Datum		any = CStringGetTextDatum("*");

		scope->tracks = construct_array(&any, 1, TEXTOID, -1, false, TYPALIGN_INT);
	}
	if (json == NULL || strcmp(json, "{}") == 0)
		return;
	document = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json)));
	classes = scope_list(document, "message_classes");
	if (classes != NULL)
	{
		scope->classes = 0;
		for (int bit = 1; bit <= CLASS_OPERATIONAL; bit <<= 1)
		{
			if (nurture_gate_listed(classes, nurture_gate_class_name(bit)))
				scope->classes |= bit;
		}
	}
	scope->channels = scope_list(document, "channels");
	scope->purposes = scope_list(document, "purposes");
	scope->products = scope_list(document, "products");
	if (getKeyJsonValueFromContainer(&document->root, "tracks", strlen("tracks"), &named) != NULL)
		scope->tracks = scope_list(document, "tracks");
}

static bool
any_listed(ArrayType *list, ArrayType *items)
{
	Datum	   *values;
	bool	   *nulls;
	int			n;
	bool		listed = false;

	if (items == NULL)
		return false;
	deconstruct_array(items, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &n);
	for (int i = 0; i < n && !listed; i++)
		listed = !nulls[i] && nurture_gate_listed(list, TextDatumGetCString(values[i]));
	return listed;
}

/*
 * Tells whether a message lies in a scope.  What is promotional is marketing,
 * whatever purpose it is given.
 */
bool
nurture_stop_covers(const StopScope *scope, int class, const char *channel,
					const char *purpose, const char *track, ArrayType *products)
{
	if ((scope->classes & class) == 0)
		return false;
	if (scope->channels != NULL && !nurture_gate_listed(scope->channels, channel))
		return false;
	if (scope->purposes != NULL &&
		!nurture_gate_listed(scope->purposes, purpose ? purpose : "") &&
		!((class & CLASS_MARKETING) && nurture_gate_listed(scope->purposes, "marketing")))
		return false;
	if (scope->tracks != NULL && (track == NULL || !nurture_gate_listed(scope->tracks, track)))
		return false;
	if (scope->but_track != NULL && track != NULL && strcmp(scope->but_track, track) == 0)
		return false;
	return scope->products == NULL || any_listed(scope->products, products);
}

/* Fills the stops of the last result, in the given context. */
static GateStop *
fill_stops(MemoryContext context, int *n)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	GateStop   *stops;

	*n = SPI_processed;
	stops = *n == 0 ? NULL : palloc0(sizeof(GateStop) * *n);
	for (int row = 0; row < *n; row++)
	{
		GateStop   *stop = &stops[row];
		bool		null;
		char	   *effect = TextDatumGetCString(nurture_cell(row, 2, &null));
		char	   *mode = TextDatumGetCString(nurture_cell(row, 3, &null));
		Datum		factor;
		Datum		to_track;
		bool		no_scope;

		stop->rule = TextDatumGetCString(nurture_cell(row, 1, &null));
		stop->kind = nurture_stop_kind(effect);
		stop->shadow = strcmp(mode, "shadow") == 0;
		to_track = nurture_cell(row, 8, &null);
		nurture_stop_scope(effect, TextDatumGetCString(nurture_cell(row, 4, &no_scope)),
						   null ? NULL : TextDatumGetCString(to_track), &stop->scope);
		stop->until = DatumGetTimestampTz(nurture_cell(row, 5, &null));
		stop->lifted_by = TextDatumGetCString(nurture_cell(row, 6, &null));
		factor = nurture_cell(row, 7, &null);
		stop->factor = null ? NORMAL_PACE : DatumGetInt32(factor);
	}
	MemoryContextSwitchTo(old);
	return stops;
}

/*
 * Reads what is in force for a lead whose gate row says that something is.
 * Connected to SPI, as the owner.
 */
void
nurture_stop_read(GateLead *lead, TimestampTz now)
{
	Datum		values[2] = {Int64GetDatum(lead->lead_id), TimestampTzGetDatum(now)};

	(void) nurture_execute(&read_stops, values, NULL, false);
	lead->stops = fill_stops(lead->context, &lead->nstops);
	for (int i = 0; i < lead->nstops; i++)
	{
		if (lead->stops[i].kind == STOP_SLOW && !lead->stops[i].shadow)
			lead->slowest = Max(lead->slowest, lead->stops[i].factor);
	}
}

/*
 * Returns by how much a lead is slowed down for a message, in hundredths; the
 * strongest counts, and what makes it faster only where nothing slows.
 */
int32
nurture_gate_pace(const GateLead *lead, int class, const char *channel,
				  const char *purpose, const char *track, ArrayType *products,
				  TimestampTz now)
{
	int32		pace = 0;

	for (int i = 0; i < lead->nstops; i++)
	{
		const GateStop *stop = &lead->stops[i];

		if (stop->kind == STOP_SLOW && !stop->shadow && stop->until > now &&
			nurture_stop_covers(&stop->scope, class, channel, purpose, track, products))
			pace = Max(pace, stop->factor);
	}
	return pace == 0 ? NORMAL_PACE : pace;
}

/* Returns what the stops of a lead say about one of its tracks; see gate.h. */
GateHold
nurture_gate_hold(int64 lead_id, const char *track, const char *purpose,
				  const char *product, TimestampTz now)
{
	GateHold	hold = {0};
	Datum		values[2] = {Int64GetDatum(lead_id), TimestampTzGetDatum(now)};
	GateStop   *stops;
	int			n;

	(void) nurture_execute(&read_hold, values, NULL, false);
	stops = fill_stops(CurrentMemoryContext, &n);
	for (int i = 0; i < n; i++)
	{
		const GateStop *stop = &stops[i];

		if (!nurture_stop_covers_track(&stop->scope, track, purpose, product))
			continue;
		if (stop->kind == STOP_SLOW)
			hold.pace = Max(hold.pace, stop->factor);
		else
		{
			if (stop->kind == STOP_PAUSE)
				hold.paused = true;
			else
				hold.stopped = true;
			hold.rule = stop->rule;
		}
	}
	if (hold.pace == 0)
		hold.pace = NORMAL_PACE;
	return hold;
}

/*
 * Tells whether a scope covers all that a track may send: it names no channel,
 * and the classes that the purpose of the track stands for.
 */
bool
nurture_stop_covers_track(const StopScope *scope, const char *track,
						  const char *purpose, const char *product)
{
	int			classes = strcmp(purpose, "marketing") == 0 ? CLASS_MARKETING :
	CLASS_ALL & ~CLASS_OPERATIONAL;

	return (scope->classes & classes) == classes &&
		(scope->channels == NULL || nurture_gate_listed(scope->channels, "*")) &&
		(scope->purposes == NULL || nurture_gate_listed(scope->purposes, purpose)) &&
		(scope->tracks == NULL || nurture_gate_listed(scope->tracks, track)) &&
		(scope->but_track == NULL || strcmp(scope->but_track, track) != 0) &&
		(scope->products == NULL || nurture_gate_listed(scope->products, product));
}
