/*
 * package.c
 *	  What a team is told about a lead, frozen when the hand-off is decided.
 *
 * It holds facts, what the lead did, how the score came about, what the lead
 * permits and what is missing; names and contact points stay in nurture.lead.
 */
#include "base/compat.h"

#include "base/plans.h"
#include "catalog/pg_type.h"
#include "facts/attribute.h"
#include "facts/vocabulary.h"
#include "routing/routing_private.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

static KeptPlan build_package = KEPT_PLAN(
										  "SELECT pg_catalog.jsonb_build_object("
										  "'at', $3,"
										  "'trigger', pg_catalog.jsonb_build_object("
										  "  'event_id', $4, 'event_type', $5, 'at', $6, 'asset_id', $7,"
										  "  'title', (SELECT title FROM nurture.event_type WHERE event_type = $5),"
										  "  'asset', (SELECT title FROM nurture.asset WHERE asset_id = $7),"
										  "  'reason', $8),"
										  "'lead', (SELECT pg_catalog.jsonb_build_object("
										  "  'audience_type', l.audience_type, 'verified', l.audience_verified_at IS NOT NULL,"
										  "  'role', l.role, 'specialty', l.specialty, 'therapeutic_area', l.therapeutic_area,"
										  "  'country', l.country, 'region', l.region, 'language', l.language, 'time_zone', l.time_zone,"
										  "  'organization_type', l.organization_type, 'source', l.source, 'campaign', l.campaign,"
										  "  'account', a.name, 'email_known', l.email_known, 'phone_known', l.phone_known)"
										  "  FROM nurture.lead l LEFT JOIN nurture.account a USING (account_id) WHERE l.lead_id = $1),"
										  "'standing', $9::jsonb,"
										  "'explanation', (SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object("
										  "  'dimension', e.dimension, 'rule', e.rule, 'label', e.label, 'points', e.points)"
										  "  ORDER BY e.dimension, pg_catalog.abs(e.points) DESC, e.rule), '[]')"
										  "  FROM @extschema@.nurture_explain($1, $10, $11) e WHERE $10 IS NOT NULL),"
										  "'recent', (SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object("
										  "  'event_type', r.event_type, 'title', r.title, 'at', r.occurred_at,"
										  "  'asset_id', r.asset_id, 'asset', r.asset) ORDER BY r.occurred_at DESC, r.event_id DESC), '[]')"
										  "  FROM (SELECT e.event_id, e.event_type, t.title, e.occurred_at, e.asset_id, s.title AS asset"
										  "    FROM nurture.event e JOIN nurture.event_type t USING (event_type)"
										  "    LEFT JOIN nurture.asset s USING (asset_id)"
										  "    WHERE e.lead_id = $1 AND e.recorded_at > $3 - interval '90 days'"
										  "    AND e.occurred_at BETWEEN $3 - interval '90 days' AND $3"
										  "    AND t.class IN ('content', 'engagement', 'intent') AND NOT t.sensitive"
										  "    ORDER BY e.occurred_at DESC, e.event_id DESC LIMIT 20) r),"
										  "'consent', (SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object("
										  "  'channel', c.channel, 'purpose', c.purpose, 'topic', c.topic,"
										  "  'state', CASE WHEN c.expires_at <= $3 THEN 'expired' ELSE c.state END, 'since', c.since)"
										  "  ORDER BY c.channel, c.purpose, c.topic, c.product), '[]')"
										  "  FROM nurture.consent c WHERE c.lead_id = $1 AND c.product IN ('*', $2)),"
										  "'requests', (SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object("
										  "  'request_no', q.request_no, 'kind', q.request_kind, 'at', q.opened_at) ORDER BY q.request_no), '[]')"
										  "  FROM nurture.request q WHERE q.lead_id = $1 AND q.state = 'open' AND q.request_kind <> ALL ($15)),"
										  "'stops', (SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object("
										  "  'rule', s.rule, 'effect', s.effect, 'since', s.since, 'until', s.until) ORDER BY s.effect_no), '[]')"
										  "  FROM nurture.stop_effect s WHERE s.lead_id = $1 AND s.lifted_at IS NULL"
										  "  AND s.mode = 'enforced' AND s.until > $3),"
										  "'disqualifiers', (SELECT coalesce(pg_catalog.jsonb_agg(DISTINCT d.reason), '[]')"
										  "  FROM nurture.disqualification d WHERE d.lead_id = $1 AND d.product IN ('*', $2) AND d.valid_during @> $3),"
										  "'earlier', (SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object("
										  "  'team', h.team, 'state', h.state, 'reason', h.reason, 'at', h.created_at) ORDER BY h.created_at, h.handoff_id), '[]')"
										  "  FROM nurture.handoff h WHERE h.lead_id = $1),"
										  "'feedback', (SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object("
										  "  'about', f.about, 'team', f.team, 'verdict', f.verdict, 'note', f.note, 'at', f.at)"
										  "  ORDER BY f.feedback_no DESC), '[]')"
										  "  FROM (SELECT * FROM nurture.feedback WHERE lead_id = $1 ORDER BY feedback_no DESC LIMIT 20) f),"
										  "'programs', (SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object("
										  "  'program', p.program, 'kind', p.kind, 'title', p.title) ORDER BY p.program), '[]')"
										  "  FROM nurture.program p WHERE p.program = ANY ($14)),"
										  "'missing', pg_catalog.to_jsonb($12),"
										  "'open_questions', pg_catalog.to_jsonb($13))",
										  INT8OID, TEXTOID, TIMESTAMPTZOID, INT8OID, TEXTOID, TIMESTAMPTZOID, TEXTOID, TEXTOID,
										  TEXTOID, TEXTOID, INT4OID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID);

/* Returns a list of strings as text[]. */
Datum
nurture_text_array(List *strings)
{
	Datum	   *items = palloc(sizeof(Datum) * Max(list_length(strings), 1));
	int			n = 0;
	ListCell   *cell;

	foreach(cell, strings)
		items[n++] = CStringGetTextDatum(lfirst(cell));
	return PointerGetDatum(construct_array(items, n, TEXTOID, -1, false,
										   TYPALIGN_INT));
}

static char *
points(int64 hundredths)
{
	int64		whole = hundredths < 0 ? -hundredths : hundredths;

	return psprintf("%s%lld.%02d", hundredths < 0 ? "-" : "",
					(long long) whole / 100, (int) (whole % 100));
}

/* Returns {"stage": ..., "tier": ..., ...}; codes need no escaping. */
static char *
standing_json(const Subject *subject, const Qualification *q)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "{\"stage\": \"%s\", \"tier\": %d, \"status\": \"%s\", \"grade\": ",
					 subject->stage, q->tier, q->status);
	if (q->grade != NULL)
		appendStringInfo(&buf, "\"%s\"", q->grade);
	else
		appendStringInfoString(&buf, "null");
	if (q->model != NULL)
		appendStringInfo(&buf, ", \"model\": \"%s\", \"version\": %d, \"fit\": %s, \"intent\": %s, \"total\": %s, \"confidence\": %d.%04d",
						 q->model, q->version, points(q->fit), points(q->intent), points(q->total),
						 q->confidence / 10000, q->confidence % 10000);
	appendStringInfoChar(&buf, '}');
	return buf.data;
}

static Datum
text_or_null(const char *text, char *null)
{
	*null = text == NULL ? 'n' : ' ';
	return text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
}

/*
 * Lists what the team needs and is not known: the fields that the route names,
 * then the attributes that the registry requires for it or for the lead's
 * audience and tier.
 */
static List *
missing_fields(Subject *subject, const RoutingRoute *route, int tier)
{
	const char *audience = nurture_subject_text(subject, SUBJECT_AUDIENCE_TYPE);
	const Attribute *attributes;
	List	   *missing = NIL;
	int			n;

	for (int i = 0; route->required_fields[i] != NULL; i++)
	{
		if (nurture_subject_eval(subject, route->required[i]) != NURTURE_TRUE)
			missing = lappend(missing, unconstify(char *, route->required_fields[i]));
	}
	attributes = nurture_attributes(&n);
	for (int i = 0; i < n; i++)
	{
		char	   *field = psprintf("attributes.%s", attributes[i].attribute);
		bool		listed = false;

		if (!nurture_attribute_required(&attributes[i], audience ? audience : "unknown", tier, route->route))
			continue;
		for (int j = 0; route->required_fields[j] != NULL; j++)
			listed |= strcmp(route->required_fields[j], field) == 0;
		if (!listed &&
			nurture_subject_eval(subject, nurture_condition_compile_fact(field, "known", NULL, field)) != NURTURE_TRUE)
			missing = lappend(missing, field);
	}
	return missing;
}

/*
 * Returns the package of a hand-off to a team, which need not be the route's,
 * as jsonb in the current memory context.
 * The caller is connected to SPI and works as the owner.
 */
Datum
nurture_handoff_package(Subject *subject, const RoutingRoute *route,
						const RoutingTeam *team, const char *product,
						const RoutingTrigger *trigger,
						const Qualification *standing)
{
	const SubjectEvent *event = trigger->event;
	Datum		values[15];
	char		nulls[16] = "               ";
	List	   *missing;
	List	   *unseen = NIL;
	Datum		result;
	bool		isnull;
	int			gucs;

	missing = missing_fields(subject, route, standing->tier);
	for (const char **kind = team->never_requests; *kind != NULL; kind++)
		unseen = lappend(unseen, unconstify(char *, *kind));
	values[0] = Int64GetDatum(subject->lead_id);
	values[1] = CStringGetTextDatum(product);
	values[2] = TimestampTzGetDatum(subject->now);
	values[3] = Int64GetDatum(event ? event->event_id : 0);
	values[4] = text_or_null(event ? event->event_type : NULL, &nulls[4]);
	values[5] = TimestampTzGetDatum(event ? event->occurred_at : 0);
	if (event == NULL)
		nulls[3] = nulls[5] = 'n';
	values[6] = text_or_null(event ? event->asset_id : NULL, &nulls[6]);
	values[7] = text_or_null(trigger->reason, &nulls[7]);
	values[8] = CStringGetTextDatum(standing_json(subject, standing));
	values[9] = text_or_null(standing->model, &nulls[9]);
	values[10] = Int32GetDatum(standing->version);
	values[11] = nurture_text_array(missing);
	values[12] = nurture_text_array(standing->unknown);
	values[13] = nurture_text_array(standing->programs);
	values[14] = nurture_text_array(unseen);
	/* instants read the same whoever caused the hand-off */
	gucs = NewGUCNestLevel();
	(void) set_config_option("TimeZone", "UTC", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	nurture_execute(&build_package, values, nulls, false);
	result = datumCopy(nurture_cell(0, 1, &isnull), false, -1);
	AtEOXact_GUC(true, gucs);
	return result;
}
