/*
 * event_row.h
 *	  A row of nurture.event as triggers see it.
 */
#ifndef NURTURE_EVENT_ROW_H
#define NURTURE_EVENT_ROW_H

#include "base/compat.h"
#include "access/tupdesc.h"
#include "datatype/timestamp.h"
#include "executor/tuptable.h"
#include "utils/tuplestore.h"

/* Columns that nurture reads, in the order of the table as installed. */
typedef enum EventColumn
{
	EVENT_LEAD_ID,
	EVENT_EVENT_ID,
	EVENT_RECORDED_AT,
	EVENT_EVENT_TYPE,
	EVENT_OCCURRED_AT,
	EVENT_SOURCE,
	EVENT_SOURCE_KEY,
	EVENT_CHANNEL,
	EVENT_CAMPAIGN,
	EVENT_ASSET_ID,
	EVENT_VERSION,
	EVENT_MESSAGE_ID,
	EVENT_TAGS,
	EVENT_PROPERTIES,
	EVENT_COLUMNS				/* how many */
} EventColumn;

/* Where they are: users add columns, and a dropped one leaves a hole. */
typedef struct EventLayout
{
	AttrNumber	numbers[EVENT_COLUMNS];
	AttrNumber	last;			/* largest of them */
} EventLayout;

/* Limits of what a repetition is recognised by: both go into an index. */
#define EVENT_MAX_SOURCE		255 /* bytes */
#define EVENT_MAX_SOURCE_KEY	1024	/* bytes */

/* How far in the future an event may lie: clocks differ. */
#define EVENT_MAX_AHEAD			(5 * USECS_PER_MINUTE)

extern void nurture_event_annotate_init(void);
extern void nurture_event_layout(TupleDesc desc, EventLayout *layout);

static inline Datum
event_value(const EventLayout *layout, TupleTableSlot *slot,
			EventColumn column, bool *isnull)
{
	return slot_getattr(slot, layout->numbers[column], isnull);
}

/* One repetition key of a stored event. */
typedef struct EventKey
{
	int64		lead_id;
	int64		event_id;
	TimestampTz recorded_at;
	struct varlena *source;		/* text, '' when the event has none */
	struct varlena *source_key;
	bool		dropped;		/* a repetition: the event is not to stay */
} EventKey;

typedef struct EventKeys
{
	MemoryContext context;
	EventKey   *keys;
	size_t		n;
	size_t		room;
	size_t		dropped;
	struct varlena *empty;		/* text '' */
	struct varlena *last_source;	/* sources repeat: kept once */
} EventKeys;

extern void nurture_event_keys_start(EventKeys *keys);
extern bool nurture_event_keys_put(EventKeys *keys,
								   const EventLayout *layout,
								   TupleTableSlot *slot);
extern void nurture_event_keys_claim(EventKeys *keys, bool keep);
extern void nurture_event_keys_release(EventKeys *keys);
extern bool nurture_event_dropped(EventKeys *keys, int64 lead_id,
								  int64 event_id, TimestampTz recorded_at);
extern bool nurture_event_dropping(void);

/* Repetitions that this backend has dropped so far. */
extern uint64 nurture_event_repeats;

#endif							/* NURTURE_EVENT_ROW_H */
