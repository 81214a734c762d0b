/*
 * message_row.h
 *	  Private to the gate room: the columns of nurture.message.
 */
#ifndef NURTURE_MESSAGE_ROW_H
#define NURTURE_MESSAGE_ROW_H

#include "base/compat.h"
#include "access/tupdesc.h"

/* In the order of column_names in message_guard.c. */
typedef enum MessageColumn
{
	MESSAGE_LEAD_ID,
	MESSAGE_MESSAGE_ID,
	MESSAGE_CHANNEL,
	MESSAGE_PURPOSE,
	MESSAGE_ASSET_ID,
	MESSAGE_VERSION,
	MESSAGE_FAMILY,
	MESSAGE_TRACK,
	MESSAGE_OCCURRENCE_KEY,
	MESSAGE_STATUS,
	MESSAGE_REASONS,
	MESSAGE_NOT_BEFORE,
	MESSAGE_REQUESTED_AT,
	MESSAGE_DECIDED_AT,
	MESSAGE_GATE_SEQ,
	MESSAGE_DECISION,
	MESSAGE_MARK,
	MESSAGE_TRIGGER_KIND,
	MESSAGE_TRIGGER_EVENT_ID,
	MESSAGE_CONTACT_POINT_HASH,
	MESSAGE_CLASS,
	MESSAGE_TAKEN_AT,
	MESSAGE_TAKEN_BY,
	MESSAGE_LEASE_UNTIL,
	MESSAGE_TAKES,
	MESSAGE_CANCEL_REQUESTED,
	MESSAGE_SENT_AT,
	MESSAGE_DELIVERED_AT,
	MESSAGE_OUTCOME,
	MESSAGE_OUTCOME_AT,
	MESSAGE_PROVIDER_ID,
	MESSAGE_REQUESTED_BY,
	MESSAGE_COLUMNS				/* how many */
} MessageColumn;

extern void nurture_message_columns(TupleDesc desc, int *columns);
extern const char *nurture_message_column_name(MessageColumn column);

/* A text column of a row, NULL when null. */
extern char *nurture_message_text(const int *columns, MessageColumn which,
								  const Datum *values, const bool *nulls);

/* A hash of a row, all columns but the mark, with this backend's key. */
extern int64 nurture_message_mark(const int *columns, TupleDesc desc,
								  const Datum *values, const bool *nulls);

#endif							/* NURTURE_MESSAGE_ROW_H */
