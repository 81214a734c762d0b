/*
 * definition_parts.c
 *	  What the definition document says, part by part.
 */
#include "base/compat.h"

#include "control/definition.h"

/* Whether an array of audience types concerns the one that is asked for. */
#define FOR_AUDIENCE(column) \
	"($1 IS NULL OR " column " = '{}' OR " column " && ARRAY['*', $1])"

/* Who answers for a row and when it is looked at again. */
#define STEWARD(object, code, row_owner) \
	"coalesce(" row_owner ", (SELECT steward.owner FROM nurture.review_date steward WHERE steward.object = " object \
	" AND steward.code IN (" code ", '*') ORDER BY steward.code = '*' LIMIT 1)) AS \"owner\"," \
	" (SELECT (steward.reviewed_on + steward.review_every)::date::text FROM nurture.review_date steward WHERE steward.object = " object \
	" AND steward.code IN (" code ", '*') ORDER BY steward.code = '*' LIMIT 1) AS \"review by\""

/* What every versioned rule says of its version. */
#define VERSION(v) \
	v ".version::text AS version, " v ".approver AS \"published by\", (" v ".published_at AT TIME ZONE 'UTC')::date::text AS \"in force since\""

const DefinitionPart nurture_definition_parts[] = {
	{
		"Audiences", NULL,
		"SELECT a.audience_type AS audience, a.title, (SELECT string_agg(s.goal, '; ' ORDER BY s.stage_no, s.stage COLLATE \"C\")"
		" FROM nurture.stage s WHERE s.audience_type = a.audience_type) AS goals, " STEWARD("'audience_type'", "a.audience_type", "a.owner")
		" FROM nurture.audience_type a WHERE $1 IS NULL OR a.audience_type = $1 ORDER BY a.audience_type COLLATE \"C\""
	},
	{
		NULL, "Stages, and what may be sent in each.",
		"SELECT s.audience_type AS audience, s.stage_no::text AS no, s.stage, array_to_string(s.message_classes, ', ') AS \"message classes\", s.goal"
		" FROM nurture.stage s WHERE $1 IS NULL OR s.audience_type IN ('*', $1) ORDER BY s.audience_type COLLATE \"C\", s.stage_no, s.stage COLLATE \"C\""
	},
	{
		"Required fields", "Attributes, and for which audience and tier, or which route, they are needed.",
		"SELECT a.attribute, a.type, array_to_string(a.allowed, ', ') AS allowed, array_to_string(a.required_for, ', ') AS \"required for\","
		" a.source_of_truth AS \"source of truth\", a.stale_after::text AS \"stale after\", CASE WHEN a.personal THEN 'yes' ELSE 'no' END AS personal, "
		STEWARD("'attribute'", "a.attribute", "a.owner")
		" FROM nurture.attribute a ORDER BY a.attribute COLLATE \"C\""
	},
	{
		NULL, "What a team needs to take a lead over.",
		"SELECT v.route, array_to_string(v.required_fields, ', ') AS \"required fields\" FROM nurture.route_version v"
		" WHERE v.status = 'published' AND v.required_fields <> '{}' ORDER BY v.route COLLATE \"C\""
	},
	{
		"Sources", "Events that tell facts.",
		"SELECT m.event_type AS event, string_agg(DISTINCT (m.target || ' (' || m.mode || ')') COLLATE \"C\", ', ' ORDER BY (m.target || ' (' || m.mode || ')') COLLATE \"C\") AS \"facts it tells\""
		" FROM nurture.fact_map m GROUP BY m.event_type ORDER BY m.event_type COLLATE \"C\""
	},
	{
		"Signals", "What is counted, by kind of event.",
		"SELECT t.class, string_agg(s.signal || CASE WHEN s.condition IS NOT NULL THEN ' where ' || s.condition::text ELSE '' END"
		" || CASE WHEN s.tags IS NOT NULL AND s.tags <> '{}' THEN ' tagged ' || array_to_string(s.tags, ', ') ELSE '' END, '; ' ORDER BY s.signal COLLATE \"C\") AS signals,"
		" string_agg(CASE WHEN t.sensitive THEN s.signal END, ', ' ORDER BY s.signal COLLATE \"C\") AS sensitive"
		" FROM nurture.signal s JOIN nurture.event_type t USING (event_type) WHERE s.retired_at IS NULL GROUP BY t.class ORDER BY t.class COLLATE \"C\""
	},
	{
		NULL, "What leads ask for, and the event that says so.",
		"SELECT k.request_kind AS request, k.event_type AS event, k.title FROM nurture.request_kind k ORDER BY k.request_kind COLLATE \"C\""
	},
	{
		"Models", "Points: who a lead is, and what it does.",
		"SELECT m.model, m.title, m.product, array_to_string(m.audience_types, ', ') AS audiences, CASE WHEN m.is_default THEN 'yes' ELSE 'no' END AS \"default\", "
		VERSION("v") ", " STEWARD("'model'", "m.model", "m.owner")
		" FROM nurture.model m JOIN nurture.model_version v USING (model) WHERE v.status = 'published' AND " FOR_AUDIENCE("m.audience_types")
		" ORDER BY m.model COLLATE \"C\""
	},
	{
		NULL, "Fit.",
		"SELECT r.model, r.rule, coalesce(r.condition, jsonb_build_object('fact', r.attribute, 'op', r.operator) || CASE WHEN r.operand IS NULL THEN '{}'"
		" ELSE jsonb_build_object('value', r.operand) END)::text AS \"when *\", r.points::text AS points, r.rule_group AS \"group\", r.reason AS why"
		" FROM nurture.fit_rule r JOIN nurture.model_version v USING (model, version) JOIN nurture.model m USING (model)"
		" WHERE v.status = 'published' AND " FOR_AUDIENCE("m.audience_types") " ORDER BY r.model COLLATE \"C\", r.rule COLLATE \"C\""
	},
	{
		NULL, "Intent.",
		"SELECT r.model, r.rule, r.signal, r.points::text AS points, concat_ws(' ', r.curve, r.curve_days || ' days', r.curve_steps::text) AS \"how it fades\","
		" concat_ws(', ', r.per_day_max || ' a day', 'the last ' || r.count_max, 'at least ' || r.floor, 'at most ' || r.cap) AS limits, r.rule_group AS \"group\", r.reason AS why"
		" FROM nurture.signal_rule r JOIN nurture.model_version v USING (model, version) JOIN nurture.model m USING (model)"
		" WHERE v.status = 'published' AND " FOR_AUDIENCE("m.audience_types") " ORDER BY r.model COLLATE \"C\", r.rule COLLATE \"C\""
	},
	{
		NULL, "Patterns.",
		"SELECT r.model, r.pattern, r.condition::text AS \"when *\", r.points::text AS points, r.rule_group AS \"group\", r.label, r.reason AS why"
		" FROM nurture.pattern r JOIN nurture.model_version v USING (model, version) JOIN nurture.model m USING (model)"
		" WHERE v.status = 'published' AND " FOR_AUDIENCE("m.audience_types") " ORDER BY r.model COLLATE \"C\", r.pattern COLLATE \"C\""
	},
	{
		"Thresholds", "Bands, and the limits of points.",
		"SELECT b.model, b.dimension, b.band, b.min_points::text AS \"from points\", b.reason AS why"
		" FROM nurture.band b JOIN nurture.model_version v USING (model, version) JOIN nurture.model m USING (model)"
		" WHERE v.status = 'published' AND " FOR_AUDIENCE("m.audience_types")
		" ORDER BY b.model COLLATE \"C\", b.dimension COLLATE \"C\", b.min_points DESC, b.band COLLATE \"C\""
	},
	{
		NULL, NULL,
		"SELECT l.model, l.part AS \"limit of\", l.floor::text AS \"at least\", l.cap::text AS \"at most\" FROM ("
		"SELECT model, version, dimension AS part, floor, cap FROM nurture.model_limit UNION ALL SELECT model, version, dimension || ' group ' || rule_group, floor, cap FROM nurture.rule_group) l"
		" JOIN nurture.model_version v USING (model, version) JOIN nurture.model m USING (model)"
		" WHERE v.status = 'published' AND " FOR_AUDIENCE("m.audience_types") " ORDER BY l.model COLLATE \"C\", l.part COLLATE \"C\""
	},
	{
		"Tiers", "All requirements of a tier, and of those before it, must be met.",
		"SELECT r.model, r.tier::text AS tier, r.requirement, r.condition::text AS \"when *\", r.fails_with AS \"else\""
		" FROM nurture.tier_rule r JOIN nurture.model_version v USING (model, version) JOIN nurture.model m USING (model)"
		" WHERE v.status = 'published' AND " FOR_AUDIENCE("m.audience_types") " ORDER BY r.model COLLATE \"C\", r.tier, r.requirement COLLATE \"C\""
	},
	{
		NULL, "How stages follow each other.",
		"SELECT s.audience_type AS audience, s.from_stage AS \"from\", s.to_stage AS \"to\", s.by, s.condition::text AS \"when *\", CASE WHEN s.after > '0' THEN s.after::text END AS \"after\""
		" FROM nurture.stage_transition s WHERE $1 IS NULL OR s.audience_type IN ('*', $1)"
		" ORDER BY s.audience_type COLLATE \"C\", s.from_stage COLLATE \"C\", s.to_stage COLLATE \"C\", s.by COLLATE \"C\""
	},
	{
		"Tracks and goals", NULL,
		"SELECT t.track, t.title, t.goal_signal AS goal, array_to_string(t.audience_types, ', ') AS audiences, t.purpose, t.priority::text AS priority,"
		" concat_ws(' ', t.re_entry, t.re_entry_after::text) AS \"again\", " VERSION("v") ", " STEWARD("'track'", "t.track", "t.owner")
		" FROM nurture.track t JOIN nurture.track_version v USING (track) WHERE v.status = 'published' AND " FOR_AUDIENCE("t.audience_types")
		" ORDER BY t.track COLLATE \"C\""
	},
	{
		NULL, "Entry.",
		"SELECT e.track, e.entry, e.condition::text AS \"when *\", e.segment, e.from_step::text AS \"from step\", CASE WHEN e.once_goal_unmet THEN 'yes' ELSE 'no' END AS \"only before the goal\""
		" FROM nurture.track_entry e JOIN nurture.track_version v USING (track, version) JOIN nurture.track t USING (track)"
		" WHERE v.status = 'published' AND " FOR_AUDIENCE("t.audience_types") " ORDER BY e.track COLLATE \"C\", e.entry COLLATE \"C\""
	},
	{
		NULL, "Steps.",
		"SELECT s.track, s.step_no::text AS step, s.action, concat_ws(' within ', s.target, s.due_within::text) AS target, s.family, array_to_string(s.required_tags, ', ') AS \"must be\", array_to_string(s.preferred_tags, ', ') AS \"better\","
		" s.wait::text || ' after ' || CASE s.wait_from WHEN 'previous' THEN 'the step before' WHEN 'enrollment' THEN 'the entry' ELSE s.wait_from END AS \"when due\", array_to_string(s.channels, ', ') AS channels,"
		" s.condition::text AS \"only when *\", s.on_none AS \"without an asset\""
		" FROM nurture.track_step s JOIN nurture.track_version v USING (track, version) JOIN nurture.track t USING (track)"
		" WHERE v.status = 'published' AND " FOR_AUDIENCE("t.audience_types") " ORDER BY s.track COLLATE \"C\", s.step_no"
	},
	{
		NULL, "Branches and exits.",
		"SELECT b.track, b.branch, b.from_step::text AS \"at step\", b.condition::text AS \"when *\", b.inactivity_days::text AS \"or quiet for days\","
		" coalesce(b.to_track, 'out') || coalesce(' step ' || b.to_step, '') || CASE WHEN b.resume THEN ', where it was left' ELSE '' END AS \"to\", b.label, b.priority::text AS priority"
		" FROM nurture.track_branch b JOIN nurture.track_version v USING (track, version) JOIN nurture.track t USING (track)"
		" WHERE v.status = 'published' AND " FOR_AUDIENCE("t.audience_types") " ORDER BY b.track COLLATE \"C\", b.priority DESC, b.branch COLLATE \"C\""
	},
	{
		NULL, "Cadence.",
		"SELECT c.track, c.segment, c.stage, c.level, c.within_days::text AS \"active within days\", c.factor::text AS \"times the wait\", CASE WHEN c.sends THEN 'yes' ELSE 'no' END AS sends, array_to_string(c.formats, ', ') AS formats"
		" FROM nurture.cadence c ORDER BY c.track COLLATE \"C\", c.segment COLLATE \"C\", c.stage COLLATE \"C\", c.within_days NULLS LAST, c.level COLLATE \"C\""
	},
	{
		NULL, "Segments.",
		"SELECT g.segment, g.title, g.condition::text AS \"when *\", " STEWARD("'segment'", "g.segment", "g.owner")
		" FROM nurture.segment g ORDER BY g.segment COLLATE \"C\""
	},
	{
		"Exclusions", "Consent: what a message needs, by country, audience, channel and class.",
		"SELECT p.country, p.audience_type AS audience, p.channel, p.message_class AS class, p.rule, p.unclear AS \"when unclear\","
		" concat_ws(', ', 'implied for ' || p.implied_months || ' months', 'after an inquiry ' || p.inquiry_months || ' months', 'for ' || p.valid_months || ' months') AS \"how long\","
		" CASE WHEN p.verified_audience THEN 'yes' END AS \"verified audience\", p.legal_source AS source"
		" FROM nurture.consent_policy p WHERE $1 IS NULL OR p.audience_type IN ('*', $1)"
		" ORDER BY p.country COLLATE \"C\", p.audience_type COLLATE \"C\", p.channel COLLATE \"C\", p.message_class COLLATE \"C\""
	},
	{
		NULL, "Addresses.",
		"SELECT a.kind, a.message_class AS class, a.verdict FROM nurture.address_policy a ORDER BY a.kind COLLATE \"C\", a.message_class COLLATE \"C\""
	},
	{
		NULL, "Bounces.",
		"SELECT b.rule, b.kind, b.status, b.count::text AS count, b.within::text AS within, b.action, b.duration::text AS \"for\""
		" FROM nurture.bounce_policy b ORDER BY b.rule COLLATE \"C\""
	},
	{
		"Stops", "What ends, pauses or slows nurturing.",
		"SELECT s.rule, s.title, s.condition::text AS \"when *\", s.effect, s.factor::text AS \"times the wait\", s.to_track AS \"to track\", s.duration::text AS \"for\", s.scope::text AS scope,"
		" s.mode, array_to_string(s.lifted_by, ', ') AS \"lifted by\", " STEWARD("'stop_rule'", "s.rule", "s.owner")
		" FROM nurture.stop_rule s ORDER BY s.rule COLLATE \"C\""
	},
	{
		"Caps", NULL,
		"SELECT f.cap, f.title, f.n::text AS \"at most\", f.period::text AS per, f.clock, array_to_string(f.channels, ', ') AS channels, array_to_string(f.message_classes, ', ') AS classes,"
		" f.purpose, f.track, CASE WHEN f.same_family THEN 'yes' END AS \"same family\", f.reason AS why, " STEWARD("'frequency_cap'", "f.cap", "f.owner")
		" FROM nurture.frequency_cap f ORDER BY f.cap COLLATE \"C\""
	},
	{
		NULL, "Rest after an event.",
		"SELECT r.event_type AS event, r.period::text AS rest, array_to_string(r.channels, ', ') AS channels, array_to_string(r.message_classes, ', ') AS classes"
		" FROM nurture.rest_period r ORDER BY r.event_type COLLATE \"C\""
	},
	{
		NULL, "Quiet hours.",
		"SELECT q.market, q.channel, q.from_time::text AS \"from\", q.to_time::text AS \"to\", array_to_string(q.weekdays, ', ') AS weekdays, array_to_string(q.message_classes, ', ') AS classes"
		" FROM nurture.quiet_hours q ORDER BY q.market COLLATE \"C\", q.channel COLLATE \"C\", q.from_time, q.weekdays"
	},
	{
		NULL, "Blackouts and holdouts.",
		"SELECT x.what, x.code, x.market, x.channel, x.during, x.share FROM (SELECT 'blackout' AS what, blackout AS code, market, channel, during::text AS during, NULL AS share FROM nurture.blackout"
		" UNION ALL SELECT 'holdout', holdout, NULL, NULL, valid_during::text, per_mille || ' per mille' FROM nurture.holdout) x ORDER BY x.what, x.code COLLATE \"C\""
	},
	{
		"Content", "Assets that may be sent.",
		"SELECT a.asset_id AS asset, v.version::text AS version, a.title, v.message_class AS class, array_to_string(v.audience_types, ', ') AS audiences, array_to_string(v.markets, ', ') AS markets,"
		" array_to_string(v.languages, ', ') AS languages, v.approval_ref AS \"approval\", v.approved_by AS \"approved by\", (v.approved_at AT TIME ZONE 'UTC')::date::text AS \"approved on\", v.valid_during::text AS valid,"
		" v.review_due::text AS \"review by\", coalesce(v.owner, a.owner) AS owner"
		" FROM nurture.asset a JOIN nurture.asset_version v USING (asset_id) WHERE v.status = 'approved' AND " FOR_AUDIENCE("v.audience_types")
		" ORDER BY a.asset_id COLLATE \"C\", v.version"
	},
	{
		NULL, "Claims that content makes.",
		"SELECT c.claim, c.version::text AS version, c.text, array_to_string(c.audience_types, ', ') AS audiences, array_to_string(c.markets, ', ') AS markets, c.reference, c.approved_by AS \"approved by\","
		" (c.approved_at AT TIME ZONE 'UTC')::date::text AS \"approved on\", c.valid_during::text AS valid, c.review_due::text AS \"review by\", c.owner"
		" FROM nurture.claim c WHERE c.status = 'approved' AND " FOR_AUDIENCE("c.audience_types") " ORDER BY c.claim COLLATE \"C\""
	},
	{
		NULL, "What content must carry.",
		"SELECT p.market, p.message_class AS class, p.audience_type AS audience, p.safety_block AS \"safety block\", p.disclaimer, CASE WHEN p.unsubscribe_required THEN 'yes' END AS \"how to unsubscribe\","
		" p.legal_source AS source FROM nurture.content_policy p WHERE $1 IS NULL OR p.audience_type IN ('*', $1)"
		" ORDER BY p.market COLLATE \"C\", p.message_class COLLATE \"C\", p.audience_type COLLATE \"C\""
	},
	{
		NULL, "Which comes next: weights of the rank.",
		"SELECT w.selection, w.term, w.subject, w.value, w.weight::text AS weight, w.parameter::text AS parameter, " VERSION("v")
		" FROM nurture.selection_weight w JOIN nurture.selection_version v USING (selection, version) WHERE v.status = 'published'"
		" ORDER BY w.selection COLLATE \"C\", w.term COLLATE \"C\", w.subject COLLATE \"C\", w.value COLLATE \"C\""
	},
	{
		NULL, "Experiments in force, each until its end: what arms change of a step, by lot; + required, ~ preferred tags.",
		"SELECT e.experiment, e.variable, e.hypothesis, e.track, e.condition::text AS \"who *\", e.success_signal AS success, e.success_within::text AS within,"
		" (e.ends_at AT TIME ZONE 'UTC')::date::text AS \"until\","
		" (SELECT string_agg(a.arm || ' ' || trim_scale(a.share * 100) || ' %: ' || coalesce(nullif(concat_ws(', ', 'family ' || a.family, 'format ' || a.format,"
		" '+' || array_to_string(a.required_tags, ' +'), '~' || array_to_string(a.preferred_tags, ' ~'), 'at ' || a.send_at, 'waits x ' || trim_scale(a.cadence_factor)), ''), 'as it is'), '; '"
		" ORDER BY a.arm COLLATE \"C\") FROM nurture.experiment_arm a WHERE a.experiment = e.experiment AND a.version = e.version) AS arms, "
		VERSION("e") ", " STEWARD("'experiment'", "e.experiment", "e.owner")
		" FROM nurture.experiment e WHERE e.status = 'published' ORDER BY e.experiment COLLATE \"C\""
	},
	{
		"Destinations and SLAs", "Teams.",
		"SELECT t.team, t.title, t.lane, t.calendar, array_to_string(t.never_audiences, ', ') AS \"never audiences\", array_to_string(t.never_requests, ', ') AS \"never requests\", "
		STEWARD("'team'", "t.team", "t.owner")
		" FROM nurture.team t WHERE $1 IS NULL OR NOT $1 = ANY (t.never_audiences) ORDER BY t.team COLLATE \"C\""
	},
	{
		NULL, "Routes, in the order in which they are asked. Times are working time of the team.",
		"SELECT v.priority::text AS priority, r.route, r.title, v.condition::text AS \"when *\", v.team, v.method, v.sla_accept::text AS \"accept within\", v.sla_first_response::text AS \"first attempt within\","
		" v.offer_expires::text AS \"offer expires after\", v.attempts_max::text AS attempts, v.cool_down::text AS \"cool-down\", v.hold_until::text AS \"held until *\", "
		VERSION("v") ", " STEWARD("'route'", "r.route", "r.owner")
		" FROM nurture.route r JOIN nurture.route_version v USING (route) WHERE v.status = 'published' ORDER BY v.priority, r.route COLLATE \"C\""
	},
	{
		NULL, "Working hours.",
		"SELECT c.calendar, c.title, c.time_zone AS zone, (SELECT string_agg(h.weekday || ' ' || h.from_time || ' to ' || h.to_time, ', ' ORDER BY h.weekday, h.from_time)"
		" FROM nurture.calendar_hours h WHERE h.calendar = c.calendar) AS \"hours (1 = Monday)\","
		" (SELECT string_agg(h.day || ' ' || h.title, ', ' ORDER BY h.day) FROM nurture.calendar_holiday h WHERE h.calendar = c.calendar) AS holidays"
		" FROM nurture.calendar c ORDER BY c.calendar COLLATE \"C\""
	},
	{
		"Versions and signatures", "What is in force, by its hash.",
		"SELECT x.kind, x.code, x.version::text AS version, x.author, x.approver AS \"published by\", (x.published_at AT TIME ZONE 'UTC')::date::text AS \"in force since\", x.reason AS why, x.hash AS \"content hash\" FROM ("
		"SELECT 'model' AS kind, model AS code, version, author, approver, published_at, reason, content_hash AS hash FROM nurture.model_version WHERE status = 'published'"
		" UNION ALL SELECT 'track', track, version, author, approver, published_at, reason, encode(content_hash, 'hex') FROM nurture.track_version WHERE status = 'published'"
		" UNION ALL SELECT 'route', route, version, author, approver, published_at, reason, encode(content_hash, 'hex') FROM nurture.route_version WHERE status = 'published'"
		" UNION ALL SELECT 'selection', selection, version, author, approver, published_at, reason, encode(content_hash, 'hex') FROM nurture.selection_version WHERE status = 'published'"
		" UNION ALL SELECT 'experiment', experiment, version, author, approver, published_at, reason, encode(content_hash, 'hex') FROM nurture.experiment WHERE status = 'published'"
		") x ORDER BY x.kind, x.code COLLATE \"C\", x.version"
	},
	{
		NULL, "Electronic signatures on them: name, time and meaning (21 CFR 11.50).",
		"SELECT a.kind, a.code, a.version::text AS version, a.role, a.decision, a.signed_by AS \"signed by\", to_char(a.signed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC' AS \"signed at\", a.meaning"
		" FROM nurture.approval a WHERE EXISTS (SELECT FROM nurture.model_version v WHERE a.kind = 'model' AND v.model = a.code AND v.version = a.version AND v.status = 'published'"
		" UNION ALL SELECT FROM nurture.track_version v WHERE a.kind = 'track' AND v.track = a.code AND v.version = a.version AND v.status = 'published'"
		" UNION ALL SELECT FROM nurture.route_version v WHERE a.kind = 'route' AND v.route = a.code AND v.version = a.version AND v.status = 'published'"
		" UNION ALL SELECT FROM nurture.selection_version v WHERE a.kind = 'selection' AND v.selection = a.code AND v.version = a.version AND v.status = 'published'"
		" UNION ALL SELECT FROM nurture.experiment v WHERE a.kind = 'experiment' AND v.experiment = a.code AND v.version = a.version AND v.status = 'published'"
		" UNION ALL SELECT FROM nurture.asset_version v WHERE a.kind = 'asset' AND v.asset_id = a.code AND v.version = a.version AND v.status = 'approved'"
		" UNION ALL SELECT FROM nurture.claim c WHERE a.kind = 'claim' AND c.claim = a.code AND c.version = a.version AND c.status = 'approved')"
		" ORDER BY a.kind, a.code COLLATE \"C\", a.version, a.approval_id"
	},
	{
		NULL, "Who has to sign what.",
		"SELECT p.kind, p.message_class AS class, p.market, array_to_string(p.roles, ', ') AS roles FROM nurture.approval_policy p"
		" ORDER BY p.kind COLLATE \"C\", p.message_class COLLATE \"C\", p.market COLLATE \"C\""
	},
	{
		"Owners and reviews", NULL,
		"SELECT r.object, r.code, r.owner, r.reviewed_on::text AS \"reviewed on\", (r.reviewed_on + r.review_every)::date::text AS \"review by\""
		" FROM nurture.review_date r ORDER BY r.object COLLATE \"C\", r.code COLLATE \"C\""
	},
	{NULL, NULL, NULL}
};
