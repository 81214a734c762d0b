/*
 * map.c
 *	  Where something about a lead is held, and what an erasure does to it.
 *
 * What is kept without a name is what reports count: that a message of an
 * asset went out on a day, that a hand-off was accepted.  The lead's number
 * stays with it; what it meant is gone with the facts, and the CRM has to
 * forget it as well.
 */
#include "base/compat.h"

#include "privacy/map.h"

#define OF_LEAD		"t.lead_id = ANY ($1)"

/* words of a person go, codes stay */
#define CODE(column) \
	column " = CASE WHEN " column " ~ " A_CODE " THEN " column " END"
#define NOT_CODE(column) column " !~ " A_CODE
#define A_CODE "'^[a-z][a-z0-9_]*(:[a-z0-9_]+)*$'"

#define OUTBOX_KEYS \
	"'lead_id', 'handoff_id', 'message_id', 'erasure_id', 'state', 'team', 'member', 'reason', 'clock', 'due_at', 'escalate_to'"

/*
 * An event or lead that could not be stored is about somebody when it names
 * his lead, a reference of his, or one of his addresses anywhere.
 */
#define OF_PAYLOAD \
	"(t.payload ->> 'lead_id' = ANY ($1::text[])" \
	" OR t.payload ->> 'external_ref' = ANY ($3)" \
	" OR t.payload #>> '{identity,value}' = ANY ($3)" \
	" OR upper(regexp_replace(t.payload #>> '{identity,value}', '[^A-Za-z0-9]', '', 'g')) = ANY ($3)" \
	" OR ($2 <> '' AND lower(t.payload::text || coalesce(t.detail, '')) ~ $2))"

const PrivacyTable nurture_privacy_map[] = {
	{"lead", PRIVACY_CLEAR, OF_LEAD,
		"account_id = NULL, external_ref = NULL, email = NULL, phone = NULL, full_name = NULL,"
		" audience_type = 'unknown', audience_verified_at = NULL, role = NULL, specialty = NULL,"
		" therapeutic_area = NULL, country = NULL, region = NULL, postal_code = NULL, organization_type = NULL,"
		" source = NULL, campaign = NULL, language = NULL, time_zone = NULL, owner = NULL, attributes = '{}',"
		" updated_at = $4, erased_at = coalesce(erased_at, $4)",
		"account_id, external_ref, email, phone, full_name, audience_type, audience_verified_at, role, specialty,"
		" therapeutic_area, country, region, postal_code, organization_type, source, campaign, language, time_zone,"
		" owner, attributes",
		"lead_id, is_test, created_at, updated_at, recorded_at, merged_into, erased_at, email_known, phone_known",
		"lead_id", NULL,
		"(t.erased_at IS NULL OR t.account_id IS NOT NULL OR t.external_ref IS NOT NULL OR t.email IS NOT NULL OR t.phone IS NOT NULL"
		" OR t.full_name IS NOT NULL OR t.role IS NOT NULL OR t.owner IS NOT NULL OR t.attributes <> '{}')",
	"Facts of the lead. Its number stays as a tombstone, so that nothing comes back under it."},
	{"lead_history", PRIVACY_DELETE, OF_LEAD, NULL, NULL, NULL, "lead_id, history_no", NULL, NULL,
	"Earlier facts, for scores as of a past moment."},
	{"identity", PRIVACY_DELETE, OF_LEAD, NULL, NULL, NULL, "kind, value", NULL, NULL,
	"Whom identifiers stand for."},
	{"preference", PRIVACY_DELETE, OF_LEAD, NULL, NULL, NULL, "lead_id, channel", NULL, NULL,
	"What the lead wants."},
	{"document", PRIVACY_DELETE, OF_LEAD, NULL, NULL, NULL, "lead_id, document_id", NULL, NULL,
	"References to documents; what they refer to is erased where it is kept."},
	{"label", PRIVACY_DELETE, OF_LEAD, NULL, NULL, NULL, "lead_id, label, since", NULL, NULL,
	"Labels, by which leads are told apart."},
	{"list_member", PRIVACY_DELETE, OF_LEAD, NULL, NULL, NULL, "lead_id, list, since", NULL, NULL,
	"Places on lists, with their origin."},
	{"fact_source", PRIVACY_DELETE, OF_LEAD, NULL, NULL, NULL, "lead_id, target", NULL, NULL,
	"Which answers facts come from."},
	{"disqualification", PRIVACY_DELETE, OF_LEAD, NULL, NULL, NULL, "lead_id, disqualification_no", NULL, NULL,
	"Why a lead is out, or less than it seems."},
	{"score_history", PRIVACY_DELETE, OF_LEAD, NULL, NULL, NULL, "lead_id, model, day", NULL, NULL,
	"What scores were: a profile."},
	{"lead_stage", PRIVACY_DELETE, OF_LEAD, NULL, NULL, NULL, "lead_id, product", NULL, NULL,
	"Where the lead stands: a profile."},
	{"stage_history", PRIVACY_CLEAR, OF_LEAD, CODE("cause"), "cause",
		"lead_id, history_no, product, old_stage, new_stage, old_grade, new_grade, old_tier, new_tier, at",
		"lead_id, history_no", NULL,
		NOT_CODE("cause"),
	"Changes of standing. They stay without words, for conversion rates."},
	{"stage_step", PRIVACY_CLEAR, OF_LEAD,
		"is_now = false, source = NULL, audience_type = 'unknown', country = NULL",
		"is_now, source, audience_type, country",
		"lead_id, product, stage, reached_at, next_at",
		"lead_id, product, stage", NULL,
		"(t.is_now OR t.source IS NOT NULL OR t.audience_type <> 'unknown' OR t.country IS NOT NULL)",
	"When stages were reached first. It stays without facts, for conversion rates."},
	{"event", PRIVACY_DELETE, OF_LEAD, NULL, NULL, NULL, "lead_id, recorded_at, event_id", NULL, NULL,
	"What the lead did, by which it is scored and stopped."},
	{"event_history", PRIVACY_DELETE, OF_LEAD, NULL, NULL, NULL, "lead_id, history_no", NULL, NULL,
	"Events as they were before they were corrected or deleted, for scores as they were known."},
	{"event_key", PRIVACY_DELETE, OF_LEAD, NULL, NULL, NULL, NULL, NULL, NULL,
	"Keys of stored events, by which repeats are known."},
	{"event_quarantine", PRIVACY_DELETE, OF_PAYLOAD, NULL, NULL, NULL, "quarantine_id", NULL, "t.reason <> 'erased'",
	"Events that could not be stored, as they came."},
	{"lead_quarantine", PRIVACY_DELETE, OF_PAYLOAD, NULL, NULL, NULL, "quarantine_id", NULL, NULL,
	"Leads that could not be imported, as they came."},
	{"activity", PRIVACY_CLEAR, OF_LEAD,
		"signals = '{}', topics = '{}', base = '{}', last_event_at = NULL, base_topics = '{}',"
		" base_last_event_at = NULL, lead_seen = false",
		"signals, topics, base, last_event_at, base_topics, base_last_event_at, lead_seen",
		"lead_id, merged_into", "lead_id", "lead_seen",
		"(t.lead_seen OR t.last_event_at IS NOT NULL)",
	"How often the lead did what on which day. The empty row stays: an event that comes beside an erasure waits for it."},
	{"consent_event", PRIVACY_CLEAR, OF_LEAD,
		"contact_point = NULL, actor = NULL, evidence = CASE WHEN kind = 'entered_in_error'"
		" THEN jsonb_build_object('consent_event_id', evidence -> 'consent_event_id') END",
		"contact_point, evidence, actor",
		"lead_id, consent_event_id, channel, purpose, topic, product, kind, occurred_at, recorded_at, source, legal_basis,"
		" notice_id, notice_version, notice_hash, jurisdiction, expires_at,"
		" contact_point_hashes",
		"lead_id, consent_event_id", "contact_point_hashes",
		"(t.contact_point IS NOT NULL OR t.actor IS NOT NULL OR (t.evidence IS NOT NULL AND t.kind <> 'entered_in_error'))",
	"What was said about being contacted. That it was said, when, to which notice and, as keyed hashes, for which address stays as proof (GDPR Art. 7(1), 17(3)(e)) until its retention ends."},
	{"consent", PRIVACY_KEEP, OF_LEAD, NULL, NULL, NULL, "lead_id, channel, purpose, topic, product", "contact_point_hashes", NULL,
	"What follows from that, by scope."},
	{"consent_token", PRIVACY_DELETE, OF_LEAD, NULL, NULL, NULL, "lead_id, issued_at, token_hash", "token_hash, contact_point_hash", NULL,
	"What was asked with a token."},
	{"bounce", PRIVACY_CLEAR, OF_LEAD, "key_hash = NULL", "key_hash",
		"lead_id, bounce_id, kind, status, occurred_at, recorded_at, event_id, message_id, rule",
		"lead_id, bounce_id", "key_hash",
		"t.key_hash IS NOT NULL",
	"Bounces and complaints. They stay without the address, for deliverability."},
	{"stop_effect", PRIVACY_CLEAR, OF_LEAD, "reason = NULL, " CODE("lifted_because"), "reason, lifted_because",
		"lead_id, effect_no, rule, effect, mode, scope, factor, to_track, since, until, recorded_at, event_id, fired,"
		" cancelled, gate_seq, lifted_by, lifted_at, lifted_seq",
		"lead_id, effect_no", "gate_seq, lifted_seq",
		"(t.reason IS NOT NULL OR " NOT_CODE("t.lifted_because") ")",
	"Stops and pauses. They stay without words, for what stop rules did."},
	{"message", PRIVACY_CLEAR, OF_LEAD,
		"contact_point_hash = NULL, provider_id = NULL, occurrence_key = NULL,"
		" decision = jsonb_strip_nulls(jsonb_build_object('verdict', decision -> 'verdict', 'purpose', decision -> 'purpose',"
		" 'failed', (SELECT jsonb_agg(jsonb_build_object('rule', f -> 'rule', 'reason', f -> 'reason'))"
		" FROM jsonb_array_elements(decision -> 'failed') f)))",
		"contact_point_hash, provider_id, occurrence_key, decision",
		"lead_id, message_id, channel, purpose, asset_id, version, family, track, enrollment_no, step_no, experiment, arm, propensity,"
		" status, reasons, not_before, requested_at, decided_at, gate_seq, mark, trigger_kind, trigger_event_id,"
		" message_class, taken_at, taken_by, lease_until, takes, cancel_requested, sent_at, delivered_at, outcome,"
		" outcome_at, requested_by",
		"lead_id, message_id", "contact_point_hash, mark, gate_seq",
		"(t.contact_point_hash IS NOT NULL OR t.provider_id IS NOT NULL OR t.occurrence_key IS NOT NULL OR t.decision @? '$.failed[*].fact')"
		" AND NOT (t.status = 'refused' AND 'lead_erased' = ANY (t.reasons))",
	"Messages and what became of them. They stay without address and facts: what was sent of which asset has to be told to authorities."},
	{"enrollment", PRIVACY_CLEAR, OF_LEAD, CODE("exit_reason"), "exit_reason",
		"lead_id, enrollment_no, track, version, purpose, step_no, state, due_from, next_due_at, refusals, entered_at,"
		" entered_by, trigger_event_id, campaign, exited_at, exited_by",
		"lead_id, enrollment_no", NULL,
		NOT_CODE("t.exit_reason"),
	"Tracks walked. They stay without words, for what tracks did."},
	{"handoff", PRIVACY_CLEAR, OF_LEAD, "package = '{}', " CODE("reason"), "package, reason",
		"lead_id, handoff_id, product, lane, route, version, team, member, state, is_open, method, priority, tier, grade,"
		" total, confidence, created_at, offered_at, accept_due, first_response_due, expires_at, accepted_at, accepted_by,"
		" first_response_at, accept_escalated_at, response_escalated_at, met_at,"
		" closed_at, closed_by, cool_down_until, attempts, unanswered",
		"lead_id, handoff_id", NULL,
		"(t.package <> '{}' OR " NOT_CODE("t.reason") ")",
	"Hand-offs to teams. They stay without the package, for how teams did."},
	{"handoff_cause", PRIVACY_CLEAR, OF_LEAD, "reason = NULL", "reason",
		"lead_id, handoff_id, cause_no, at, route, version, event_id, event_type, asset_id, actor",
		"lead_id, handoff_id, cause_no", NULL,
		"t.reason IS NOT NULL",
	"What led to hand-offs."},
	{"attempt", PRIVACY_CLEAR, OF_LEAD, "note = NULL", "note",
		"lead_id, handoff_id, attempt_no, outcome, at, actor",
		"lead_id, handoff_id, attempt_no", NULL,
		"t.note IS NOT NULL",
	"Trials to reach the lead."},
	{"request", PRIVACY_CLEAR, OF_LEAD, CODE("reason"), "reason",
		"lead_id, request_no, request_kind, product, event_id, asset_id, opened_at, handoff_id, state, closed_at, closed_by",
		"lead_id, request_no", NULL,
		NOT_CODE("t.reason"),
	"What the lead asked for."},
	{"feedback", PRIVACY_CLEAR, OF_LEAD, "note = NULL", "note",
		"lead_id, feedback_no, about, about_id, team, verdict, at, actor",
		"lead_id, feedback_no", NULL,
		"t.note IS NOT NULL",
	"What teams thought of what they were given. It stays without words."},
	{"task", PRIVACY_CLEAR, OF_LEAD, "title = task_kind", "title",
		"lead_id, task_id, handoff_id, request_no, task_kind, team, member, state, due_at, created_at, done_at",
		"lead_id, task_id", NULL,
		"t.title <> t.task_kind",
	"What somebody had to do about the lead."},

	/* other systems have still to learn what became of a hand-off */
	{"outbox", PRIVACY_CLEAR, OF_LEAD,
		"payload = (SELECT coalesce(jsonb_object_agg(p.key, p.value), '{}') FROM jsonb_each(payload) p"
		" WHERE p.key IN (" OUTBOX_KEYS "))",
		"payload",
		"lead_id, outbox_id, topic, created_at, attempts, taken_by, lease_until, done_at",
		"lead_id, outbox_id", NULL,
		"EXISTS (SELECT FROM jsonb_object_keys(t.payload) k WHERE k NOT IN (" OUTBOX_KEYS "))",
	"What other systems are to learn; the numbers stay, so that they learn of the end."},
	{"tick_error", PRIVACY_DELETE, OF_LEAD " AND t.kind <> 'account'", NULL, NULL, NULL, NULL, NULL, NULL,
	"Errors of the tick, with what they name."},
	{"review", PRIVACY_CLEAR, "(" OF_LEAD " OR t.evidence ->> 'lead_id' = ANY ($1::text[]))",
		"evidence = NULL, reason = NULL, state = 'closed', ruling = coalesce(ruling, 'lead_erased'),"
		" closed_at = coalesce(closed_at, $4)",
		"evidence, reason",
		"lead_id, review_id, bucket, scope, state, ruling, opened_at, closed_at, closed_by",
		"lead_id, review_id", NULL,
		"(t.evidence IS NOT NULL OR t.reason IS NOT NULL)",
	"Cases a person had to decide. That there was one stays."},
	{"merge", PRIVACY_CLEAR, "(t.absorbed = ANY ($1) OR t.survivor = ANY ($1))",
		"reason = 'erased', undone_reason = CASE WHEN undone_reason IS NOT NULL THEN 'erased' END, changed = '{}'",
		"reason, undone_reason, changed",
		"absorbed, merge_id, survivor, actor, at, undone_at, undone_by",
		"absorbed, merge_id", NULL,
		"(t.changed <> '{}' OR t.reason <> 'erased')",
	"Which leads are one person."},
	{"gate", PRIVACY_KEEP, OF_LEAD, NULL, NULL, NULL, NULL, NULL, NULL,
	"What forbids messages, as bits; keeps an erased lead from being written to."},
	/* whose they are, only the gate can tell, from what the person has */
	{"suppression", PRIVACY_KEEP, NULL, NULL, NULL, NULL, "scope", "key_hash", NULL,
	"Addresses that are not to be written to, as keyed hashes: they outlive erasure (GDPR Art. 17(3)(b), 21(3))."},
	{"erasure", PRIVACY_KEEP, "t.leads && $1", NULL, NULL, NULL, "lead_id, erasure_id", NULL, NULL,
	"Certificates of erasures; name nobody but by number."},

	/* last: what went before is on record under the pseudonym that ends here */
	{"audit", PRIVACY_CLEAR, "t.lead_ref = ANY ($1)", "lead_ref = NULL", "lead_ref",
		"audit_id, at, incarnation, xid, subject, kind, object, outcome, reasons, trigger, versions, inputs,"
		" session_user, effective_role, app_user, reason, simulated, leaf",
		"audit_id", "subject, leaf, xid, incarnation, lead_ref",
		"(NOT EXISTS (SELECT FROM nurture.subject_key k WHERE k.lead_id = t.lead_ref)"
		" OR EXISTS (SELECT FROM nurture.audit a WHERE a.lead_ref = t.lead_ref AND a.subject <> t.subject))",
	"What was decided, and why. The trail stays as it was written; nothing leads from it to the lead any more."},
	{"subject_key", PRIVACY_DELETE, OF_LEAD, NULL, NULL, NULL, NULL, NULL,
		"NOT EXISTS (SELECT FROM nurture.audit a WHERE a.lead_ref = t.lead_id)",
	"The key of the lead's pseudonym in the audit trail."},

	{"erasure_relation", PRIVACY_KEEP, OF_LEAD, NULL, NULL, NULL, NULL, NULL, NULL,
	"Tables that certificates name."},
	{"account", PRIVACY_NONE, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "Organisations."},
	{"account_activity", PRIVACY_NONE, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "What organisations did, added up."},
	{"account_event", PRIVACY_NONE, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "What organisations did; by nobody who is known."},
	{"account_figure_history", PRIVACY_NONE, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "Figures of organisations."},
	{"account_history", PRIVACY_NONE, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "Earlier facts of organisations."},
	{"account_sweep", PRIVACY_NONE, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "How far the tick has come."},
	{"alert", PRIVACY_NONE, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "Which alert rules hold."},
	{"approval", PRIVACY_NONE, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "Who approved what."},
	{"backfill", PRIVACY_NONE, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "How far a signal was filled."},
	{"change_log", PRIVACY_NONE, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "Changes of configuration."},
	{"config_proposal", PRIVACY_NONE, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "Settings that are proposed."},
	{"incarnation", PRIVACY_NONE, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "Lives of the database."},
	{"meta", PRIVACY_NONE, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "What is installed."},
	{"publish_schedule", PRIVACY_NONE, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "Publications for later."},
	{"retention_run", PRIVACY_NONE, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "What retention did, in numbers."},
	{"roll", PRIVACY_NONE, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "How far days were folded."},
	{"score_sweep", PRIVACY_NONE, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "How far the tick has come."},
	{"seal", PRIVACY_NONE, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "Closed blocks of the audit trail: hashes."},
	{"secret", PRIVACY_NONE, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "The key of the keyed hashes."},
	{"standing_sweep", PRIVACY_NONE, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "How far the tick has come."},
	{"team_turn", PRIVACY_NONE, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "Whose turn it is in a team."},
	{"version_check", PRIVACY_NONE, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "What checks of drafts found."},
};

const int	nurture_privacy_tables = lengthof(nurture_privacy_map);
