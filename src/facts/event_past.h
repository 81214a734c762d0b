/*
 * event_past.h
 *	  Events as they were known at a moment.
 *
 * Of each event the version counts that was known then: the first one in
 * nurture.event_history that nothing known by then had replaced, else the row
 * of nurture.event.  learned_at is since when it was known.
 *
 * Few events are ever corrected: nurture_events_touched tells whether any of
 * some leads was since a moment, and if not, the rows of nurture.event that
 * were recorded by then say the same for less.
 */
#ifndef NURTURE_EVENT_PAST_H
#define NURTURE_EVENT_PAST_H

#include "base/compat.h"
#include "datatype/timestamp.h"

/* The beginning of a query of "known": $1 bigint[] leads, $3 known_at. */
#define EVENTS_KNOWN \
	"WITH h AS MATERIALIZED (SELECT *," \
	" max(history_no) FILTER (WHERE replaced_at <= $3) OVER of_event AS known_no," \
	" greatest(recorded_at, max(replaced_at) FILTER (WHERE replaced_at <= $3) OVER of_event) AS learned_at" \
	" FROM nurture.event_history WHERE lead_id = ANY ($1) AND recorded_at <= $3" \
	" WINDOW of_event AS (PARTITION BY lead_id, event_id, recorded_at))," \
	" r AS MATERIALIZED (SELECT DISTINCT ON (lead_id, event_id, recorded_at) * FROM h" \
	" WHERE history_no > coalesce(known_no, 0) ORDER BY lead_id, event_id, recorded_at, history_no)," \
	" known AS (SELECT lead_id, event_id, event_type, occurred_at, campaign, asset_id, tags, properties, learned_at FROM r" \
	" UNION ALL SELECT e.lead_id, e.event_id, e.event_type, e.occurred_at, e.campaign, e.asset_id, e.tags, e.properties," \
	" coalesce((SELECT max(h.learned_at) FROM h WHERE h.lead_id = e.lead_id AND h.event_id = e.event_id" \
	" AND h.recorded_at = e.recorded_at), e.recorded_at) FROM nurture.event e" \
	" WHERE e.lead_id = ANY ($1) AND e.recorded_at <= $3 AND NOT EXISTS (SELECT FROM r" \
	" WHERE r.lead_id = e.lead_id AND r.event_id = e.event_id AND r.recorded_at = e.recorded_at)) "

/*
 * Tells whether events of leads (a bigint[]) were corrected or deleted after a
 * moment; connected to SPI, as the owner.
 */
extern bool nurture_events_touched(Datum leads, TimestampTz since);

#endif							/* NURTURE_EVENT_PAST_H */
