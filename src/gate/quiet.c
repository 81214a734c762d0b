/*
 * quiet.c
 *	  Quiet hours: which rows bind for a market and channel, and until when.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "gate/contact_policy.h"
#include "utils/builtins.h"

NURTURE_FUNCTION(nurture_quiet_until);

/* Of a lead whose country is not known any row may be meant. */
static bool
row_matches(const QuietRow *row, const char *market, const char *channel,
			int class)
{
	return (row->classes & class) != 0 &&
		(row->market[0] == '*' || market == NULL ||
		 strcmp(row->market, market) == 0) &&
		(row->channel[0] == '*' || strcmp(row->channel, channel) == 0);
}

/*
 * Fills the rule of the quiet hours that bind for a message, in the current
 * memory context; false when none do.  A row gives way to one that names all
 * it names and more; of a lead whose country is not known none does.
 */
bool
nurture_quiet_rule(const ContactPolicy *policy, const char *market,
				   const char *channel, int class, const LeadClocks *where,
				   ContactRule *rule, const char **text)
{
	ContactSpan *spans = NULL;
	int			n = 0;

	for (int i = 0; i < policy->nquiet; i++)
	{
		const QuietRow *row = &policy->quiet[i];
		bool		gives_way = false;

		if (!row_matches(row, market, channel, class))
			continue;
		for (int j = 0; market != NULL && j < policy->nquiet && !gives_way; j++)
		{
			const QuietRow *other = &policy->quiet[j];

			gives_way = other->names != row->names &&
				(other->names & row->names) == row->names &&
				row_matches(other, market, channel, class);
		}
		if (gives_way)
			continue;
		if (spans == NULL)
		{
			spans = palloc(sizeof(ContactSpan) * policy->nquiet);
			*text = row->text;
		}
		else
			*text = psprintf("%s, %s", *text, row->text);
		spans[n++] = row->span;
	}
	if (n == 0)
		return false;
	memset(rule, 0, sizeof(*rule));
	rule->kind = CONTACT_QUIET;
	rule->nclocks = where->n;
	rule->clocks = where->clocks;
	rule->nspans = n;
	rule->spans = spans;
	return true;
}

static char *
text_argument(FunctionCallInfo fcinfo, int i)
{
	return PG_ARGISNULL(i) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(i));
}

/*
 * nurture_quiet_until(market text, channel text, time_zone text, at
 * timestamptz, message_class text) returns timestamptz
 */
Datum
nurture_quiet_until(PG_FUNCTION_ARGS)
{
	char	   *market = text_argument(fcinfo, 0);
	char	   *channel = text_argument(fcinfo, 1);
	char	   *zone = text_argument(fcinfo, 2);
	TimestampTz at = PG_ARGISNULL(3) ? nurture_now_wall() : PG_GETARG_TIMESTAMPTZ(3);
	char	   *class_name = text_argument(fcinfo, 4);
	int			class = nurture_gate_class(class_name);
	const ContactPolicy *policy = nurture_gate_rules()->contact;
	LeadClocks	where;
	ContactRule rule;
	const char *text;
	int64		start;
	int64		next;

	if (channel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("a channel must be given")));
	nurture_require_channel(channel);
	if (zone != NULL && nurture_zone_named(zone) == NULL)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("unknown time zone \"%s\"", zone),
				 errhint("Zones are named as in the tz database, such as Europe/Paris; NULL asks for every zone of the market.")));
	if (class == 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("unknown message class \"%s\"", class_name ? class_name : ""),
				 errhint("Classes are promotional, disease_awareness, medical_information, patient_support and operational.")));
	if (TIMESTAMP_NOT_FINITE(at))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("quiet hours have no infinite instants")));
	nurture_lead_clocks(policy, zone, market, &where);
	if (!nurture_quiet_rule(policy, market, channel, class, &where, &rule, &text))
		PG_RETURN_TIMESTAMPTZ(at);
	if (where.n == 0)
		PG_RETURN_NULL();
	start = contact_instant(at);
	next = nurture_contact_rule_next(&rule, start, start + policy->horizon);
	if (next == NURTURE_CONTACT_NEVER)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(contact_timestamp(next));
}
