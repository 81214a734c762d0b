/*
 * lint.c
 *	  What nurture_lint asks about teams, routes and the graph of stages.
 */
#include "base/compat.h"

#include "integration/lint.h"
#include "routing/routing.h"

#define IN_FORCE "nurture.route_version v WHERE v.status = 'published'"

static const LintCheck checks[] = {
	{"route_without_members", "warning", "Add rows to nurture.team_member, or let another route take the leads.",
		"SELECT v.route, 'route \"' || v.route || '\" goes to team \"' || v.team || '\", which has no active member' FROM " IN_FORCE
		" AND v.method <> 'queue' AND NOT EXISTS (SELECT FROM nurture.team_member m WHERE m.team = v.team AND m.active)"
	" ORDER BY v.priority, v.route"},
	{"team_absent", "warning", "Shorten an absence in nurture.team_member, or add a member.",
		"SELECT v.team, 'everybody in team \"' || v.team || '\" is absent now or has no room' FROM (SELECT DISTINCT w.team FROM nurture.route_version w"
		" WHERE w.status = 'published' AND w.method <> 'queue') v"
		" WHERE EXISTS (SELECT FROM nurture.team_member m WHERE m.team = v.team AND m.active)"
		" AND NOT EXISTS (SELECT FROM nurture.team_member m WHERE m.team = v.team AND m.active"
		"  AND NOT EXISTS (SELECT FROM unnest(m.absence) a (away) WHERE a.away @> @extschema@.nurture_now())"
		"  AND coalesce(m.capacity > (SELECT count(*) FROM nurture.handoff h WHERE h.team = m.team AND h.member = m.member AND h.is_open), true))"
	" ORDER BY v.team"},
	{"route_same_priority", "warning", "Give them different priorities in new versions; until then their codes decide.",
		"SELECT string_agg(v.route, ', ' ORDER BY v.route), 'routes ' || string_agg(v.route, ', ' ORDER BY v.route) || ' have the same priority ' || v.priority"
	" FROM " IN_FORCE " GROUP BY v.priority HAVING count(*) > 1 ORDER BY v.priority"},
	{"route_shadowed", "warning", "Give the route a smaller priority, or retire it.",
		"SELECT v.route, 'route \"' || v.route || '\" is never asked for requests: \"' || b.route || '\" before it takes all'"
		" FROM nurture.route_version v JOIN LATERAL (SELECT w.route FROM nurture.route_version w WHERE w.status = 'published'"
		"  AND w.condition = '{\"all\": []}' AND (w.priority, w.route) < (v.priority, v.route) ORDER BY w.priority, w.route LIMIT 1) b ON true"
	" WHERE v.status = 'published' AND v.condition = '{\"all\": []}' ORDER BY v.priority, v.route"},
	{"no_catch_all", "error", "Publish a route with the condition {\"all\": []} and a large priority to a team that is watched.",
		"SELECT NULL::text, 'requests that no route takes go to nobody' WHERE EXISTS (SELECT FROM " IN_FORCE ")"
	" AND NOT EXISTS (SELECT FROM " IN_FORCE " AND v.condition = '{\"all\": []}')"},
	{"calendar_never_works", "warning", "Add rows to nurture.calendar_hours; until then clocks run round the clock.",
		"SELECT c.calendar, 'calendar \"' || c.calendar || '\" of team \"' || min(t.team) || '\" has no working hours'"
		" FROM nurture.calendar c JOIN nurture.team t USING (calendar) WHERE NOT EXISTS (SELECT FROM nurture.calendar_hours h WHERE h.calendar = c.calendar)"
	" GROUP BY c.calendar ORDER BY c.calendar"},
	{"calendar_without_holidays", "info", "Add the holidays of this year to nurture.calendar_holiday.",
		"SELECT c.calendar, 'calendar \"' || c.calendar || '\" has no holiday in the next 12 months' FROM nurture.calendar c"
		" WHERE EXISTS (SELECT FROM nurture.team t WHERE t.calendar = c.calendar) AND NOT EXISTS (SELECT FROM nurture.calendar_holiday d"
		"  WHERE d.calendar = c.calendar AND d.day BETWEEN @extschema@.nurture_now()::date AND @extschema@.nurture_now()::date + 365)"
	" ORDER BY c.calendar"},
	{"offer_unknown", "warning", "Name values of dimension offer in nurture.tag.",
		"SELECT k.request_kind, 'request kind \"' || k.request_kind || '\" answers offer \"' || o.offer || '\", which is no tag'"
		" FROM nurture.request_kind k CROSS JOIN unnest(k.offers) o (offer) WHERE NOT EXISTS (SELECT FROM nurture.tag t"
	"  WHERE t.dimension = 'offer' AND t.value = o.offer) ORDER BY k.request_kind, o.offer"},
	{"return_track_unknown", "warning", "Publish a version of the track, or name another in a new version of the route.",
		"SELECT v.route, 'route \"' || v.route || '\" sends leads that come back to track \"' || v.return_track || '\", which has no version in force' FROM " IN_FORCE
	" AND v.return_track IS NOT NULL AND NOT EXISTS (SELECT FROM nurture.track_version t WHERE t.track = v.return_track AND t.status = 'published') ORDER BY v.route"},
	{"route_asks_more_than_mql", "info", "Ask for the stage mql instead, or say why the threshold differs.",
		"SELECT v.route, 'route \"' || v.route || '\" has a score threshold of its own beside the MQL rule' FROM " IN_FORCE
	" AND v.condition @? 'strict $.**.score' ORDER BY v.priority, v.route"},
	{NULL}
};

/* Registers what nurture_lint asks about routing. */
void
nurture_routing_lint_init(void)
{
	nurture_lint_register(checks);
}
