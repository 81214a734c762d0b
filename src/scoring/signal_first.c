/*
 * signal_first.c
 *	  nurture_first_signal: when a lead had a signal between two moments, for
 *	  reports of what followed.
 */
#include "base/compat.h"

#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "facts/vocabulary.h"
#include "miscadmin.h"
#include "scoring/signal_match.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_first_signal);

/* with the caller's rights: who may not see the lead gets no answer */
static KeptPlan see_lead =
KEPT_PLAN("SELECT 1 FROM nurture.lead WHERE lead_id = $1", INT8OID);

/* of a lead that was merged also what its survivor did */
static KeptPlan read_events =
KEPT_PLAN("SELECT e.occurred_at, e.tags, e.properties FROM nurture.event e"
		  " WHERE e.lead_id = ANY (ARRAY[$1, (SELECT l.merged_into FROM nurture.lead l"
		  " WHERE l.lead_id = $1)]) AND e.event_type = (SELECT s.event_type"
		  " FROM nurture.signal s WHERE s.signal = $2)"
		  " AND e.occurred_at > $3 AND e.occurred_at <= $4"
		  " ORDER BY e.occurred_at",
		  INT8OID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID);

static KeptPlan type_of_signal =
KEPT_PLAN("SELECT event_type FROM nurture.signal WHERE signal = $1", TEXTOID);

/* Tells whether one of the events counts for a signal, and when. */
static bool
first_of(const char *type, int signal_id, TimestampTz *at)
{
	const MatchRules *rules = nurture_match_rules();
	const MatchType *match_type = nurture_match_type(rules, type, strlen(type));
	EventMatch *match = nurture_match_create(rules);

	if (match_type == NULL)
		return false;
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		isnull;
		bool		no_tags;
		bool		no_properties;
		Datum		tags = nurture_cell(row, 2, &no_tags);
		Datum		properties = nurture_cell(row, 3, &no_properties);

		*at = DatumGetTimestampTz(nurture_cell(row, 1, &isnull));
		nurture_match_event(rules, match_type, tags, no_tags, properties, no_properties,
							*at, match);
		for (int i = 0; i < match->ncounted; i++)
		{
			if (match->signals[i] == signal_id)
				return true;
		}
	}
	return false;
}

/*
 * nurture_first_signal(lead_id bigint, signal text, after timestamptz,
 * until timestamptz) returns timestamptz
 *
 * When a lead first had a signal after one moment, up to and with the other;
 * NULL: not, or not to be seen.  Guarded signals, of sensitive events, count
 * for nobody here: a report does not ask each lead's grant.
 */
Datum
nurture_first_signal(PG_FUNCTION_ARGS)
{
	Datum		values[4];
	text	   *signal = PG_GETARG_TEXT_PP(1);
	int			signal_id;
	OwnerSwitch save;
	TimestampTz at = 0;
	bool		found = false;
	char	   *type;
	int			level;

	if (pg_class_aclcheck(nurture_table_oid("activity", false), GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, "activity");
	signal_id = nurture_signal_id(VARDATA_ANY(signal), VARSIZE_ANY_EXHDR(signal));
	if (signal_id < 0)
		nurture_unknown_code(COND_NAME_SIGNAL, "signal", text_to_cstring(signal));
	for (int i = 0; i < 4; i++)
		values[i] = PG_GETARG_DATUM(i);
	level = nurture_spi_connect();
	nurture_execute(&see_lead, values, NULL, true);
	if (SPI_processed > 0)
	{
		nurture_owner_enter(&save);
		nurture_execute(&type_of_signal, &values[1], NULL, true);
		type = nurture_cell_text(0, 1);
		nurture_execute(&read_events, values, NULL, true);
		found = SPI_processed > 0 && first_of(type, signal_id, &at);
		nurture_owner_leave(&save);
	}
	nurture_spi_finish(level);
	if (!found)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(at);
}
