/*
 * matrix.c
 *	  What each profile may do: one line for each table, view and function.
 *
 * This is the one place.  A test asks the catalogs for every table, view and
 * function and fails for one that has no line here: a new one is given to
 * somebody, or written down as nobody's.
 *
 * admin runs the rules and the machine; marketing owns models, tracks and
 * assets; sales works its own leads; medical and clinical answer requests and
 * take hand-offs; compliance keeps consent, policies and rulings; data_steward
 * keeps leads, their identities and merges; analyst reads reports; sender
 * takes and acknowledges messages; auditor reads what is on record.  Contact
 * points are read by those who write to leads themselves, keep them or rule
 * about them: nobody else needs them.
 */
#include "base/compat.h"

#include "access/access.h"

const char *const nurture_profiles[PROFILES] = {
	"admin", "marketing", "sales", "medical", "clinical", "compliance",
	"data_steward", "analyst", "sender", "auditor"
};

/* Tells whether a profile shows the roles that have it their own leads only. */
bool
nurture_profile_restricted(Profile profile)
{
	return profile == PROFILE_SALES;
}

/* What says who or where a lead is, and what may hold it. */
const PrivateColumns nurture_private_columns[] = {
	{"lead", {"email", "phone", "full_name"}},
	{"message", {"contact_point_hash"}},
	{"consent_event", {"contact_point"}},
	{"event", {"properties"}},
	{"account_event", {"properties"}},
	{"bounce", {"key_hash"}},
	{"suppression", {"key_hash"}},
	{"list_member", {"consent_evidence"}},
	{NULL}
};

/* Tells whether a column is left out for those who read a table in part. */
bool
nurture_column_private(const char *table, const char *column)
{
	for (const PrivateColumns *each = nurture_private_columns; each->table; each++)
	{
		if (strcmp(each->table, table) != 0)
			continue;
		for (int i = 0; i < lengthof(each->columns) && each->columns[i]; i++)
		{
			if (strcmp(each->columns[i], column) == 0)
				return true;
		}
	}
	return false;
}

/* *INDENT-OFF* */
const TableRights nurture_table_rights[] = {
	/*
	 * admin   market  sales   medical clinic  compli  steward analyst sender
	 * auditor
	 */
	{"access", {"r", "", "", "", "", "r", "", "", "", "r"}},
	{"access_owner", {"r", "", "", "", "", "r", "", "", "", "r"}},
	{"account", {"r", "r", "r", "r", "r", "r", "raw", "r", "", "r"}},
	{"account_activity", {"r", "r", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"account_event", {"c", "c", "c", "c", "c", "c", "rawd", "c", "", "c"}},
	{"account_figure_history", {"r", "r", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"account_history", {"r", "r", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"account_policy", {"rawd", "r", "r", "r", "r", "r", "rawd", "r", "", "r"}},
	{"account_sweep", {"r", "", "", "", "", "r", "", "", "", "r"}},
	{"activity", {"r", "r", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"address_list", {"rawd", "r", "r", "r", "r", "rawd", "r", "r", "", "r"}},
	{"address_policy", {"rawd", "r", "r", "r", "r", "rawd", "r", "r", "", "r"}},
	{"approval", {"r", "ra", "r", "ra", "r", "ra", "r", "r", "", "r"}},
	{"approval_policy", {"rawd", "r", "r", "r", "r", "rawd", "r", "r", "", "r"}},
	{"asset", {"rawd", "rawd", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"asset_block", {"rawd", "rawd", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"asset_prerequisite", {"rawd", "rawd", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"asset_tag", {"rawd", "rawd", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"asset_version", {"rawd", "rawd", "r", "rw", "r", "rw", "r", "r", "", "r"}},
	{"attempt", {"r", "r", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"attribute", {"rawd", "r", "r", "r", "r", "r", "rawd", "r", "", "r"}},
	{"audience_type", {"rawd", "r", "r", "r", "r", "r", "rawd", "r", "", "r"}},
	{"audit", {"r", "r", "r", "r", "r", "r", "", "", "", "r"}},
	{"backfill", {"r", "", "", "", "", "r", "", "", "", "r"}},
	{"band", {"rawd", "rawd", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"blackout", {"rawd", "r", "r", "r", "r", "rawd", "r", "r", "", "r"}},
	{"bounce", {"c", "c", "", "", "", "r", "c", "c", "", "c"}},
	{"bounce_policy", {"rawd", "r", "r", "r", "r", "rawd", "r", "r", "", "r"}},
	{"cadence", {"rawd", "rawd", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"calendar", {"rawd", "r", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"calendar_holiday", {"rawd", "r", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"calendar_hours", {"rawd", "r", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"change_log", {"r", "r", "", "", "", "r", "", "", "", "r"}},
	{"channel", {"rawd", "r", "r", "r", "r", "rawd", "r", "r", "", "r"}},
	{"consent", {"r", "r", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"consent_event", {"c", "c", "ca", "ca", "ca", "ra", "ra", "c", "", "c"}},
	{"consent_policy", {"rawd", "r", "r", "r", "r", "rawd", "r", "r", "", "r"}},
	{"consent_token", {"", "", "", "", "", "", "", "", "", ""}},
	{"contact_policy", {"rawd", "r", "r", "r", "r", "rawd", "r", "r", "", "r"}},
	{"country_zone", {"rawd", "r", "r", "r", "r", "rawd", "r", "r", "", "r"}},
	{"disqualification", {"r", "r", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"document", {"", "", "r", "raw", "raw", "r", "raw", "", "", ""}},
	{"enrollment", {"rw", "rw", "r", "rw", "rw", "r", "r", "r", "", "r"}},
	{"event", {"c", "c", "r", "r", "r", "r", "rawd", "c", "", "c"}},
	{"event_key", {"r", "", "", "", "", "", "r", "", "", "r"}},
	{"event_quarantine", {"", "", "", "", "", "", "rw", "", "", ""}},
	{"event_type", {"rawd", "r", "r", "r", "r", "r", "rawd", "r", "", "r"}},
	{"fact_map", {"rawd", "r", "r", "r", "r", "r", "rawd", "r", "", "r"}},
	{"fact_source", {"r", "r", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"fit_rule", {"rawd", "rawd", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"frequency_cap", {"rawd", "r", "r", "r", "r", "rawd", "r", "r", "", "r"}},
	{"gate", {"r", "r", "r", "r", "r", "r", "r", "r", "r", "r"}},
	{"handoff", {"rw", "r", "rw", "rw", "rw", "r", "r", "r", "", "r"}},
	{"handoff_cause", {"r", "r", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"holdout", {"rawd", "rawd", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"identity", {"", "", "", "r", "r", "r", "rawd", "", "", ""}},
	{"incarnation", {"r", "", "", "", "", "r", "", "", "", "r"}},
	{"label", {"r", "raw", "raw", "raw", "raw", "r", "raw", "r", "", "r"}},
	{"lead", {"c", "c", "r", "r", "r", "r", "raw", "c", "c", "c"}},
	{"lead_history", {"r", "r", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"lead_quarantine", {"", "", "", "", "", "", "rw", "", "", ""}},
	{"lead_stage", {"r", "r", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"list", {"rawd", "rawd", "r", "r", "rawd", "r", "r", "r", "", "r"}},
	{"list_member", {"r", "rawd", "r", "r", "r", "r", "rawd", "c", "", "r"}},
	{"merge", {"r", "", "", "", "", "r", "raw", "", "", "r"}},
	{"message", {"ca", "ca", "c", "c", "c", "c", "c", "c", "rw", "c"}},
	{"meta", {"r", "", "", "", "", "r", "", "", "", "r"}},
	{"model", {"rawd", "rawd", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"model_limit", {"rawd", "rawd", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"model_version", {"rawd", "rawd", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"outbox", {"r", "", "", "", "", "", "", "", "", "r"}},
	{"pattern", {"rawd", "rawd", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"preference", {"r", "r", "r", "r", "r", "raw", "raw", "r", "", "r"}},
	{"program", {"rawd", "rawd", "r", "r", "rawd", "r", "r", "r", "", "r"}},
	{"quiet_hours", {"rawd", "r", "r", "r", "r", "rawd", "r", "r", "", "r"}},
	{"reason", {"rawd", "r", "r", "r", "r", "rawd", "r", "r", "", "r"}},
	{"request", {"r", "r", "r", "rw", "rw", "r", "r", "r", "", "r"}},
	{"request_kind", {"rawd", "r", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"rest_period", {"rawd", "r", "r", "r", "r", "rawd", "r", "r", "", "r"}},
	{"review", {"r", "r", "", "r", "r", "rw", "raw", "", "", "r"}},
	{"roll", {"r", "", "", "", "", "r", "", "", "", "r"}},
	{"route", {"rawd", "r", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"route_version", {"rawd", "r", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"rule_group", {"rawd", "rawd", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"score_history", {"r", "r", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"score_sweep", {"r", "", "", "", "", "r", "", "", "", "r"}},
	{"seal", {"r", "", "", "", "", "r", "", "", "", "r"}},
	{"secret", {"", "", "", "", "", "", "", "", "", ""}},
	{"selection_version", {"rawd", "rawd", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"selection_weight", {"rawd", "rawd", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"signal", {"rawd", "rawd", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"signal_rule", {"rawd", "rawd", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"stage", {"rawd", "r", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"stage_history", {"r", "r", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"stage_transition", {"rawd", "r", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"standing_sweep", {"r", "", "", "", "", "r", "", "", "", "r"}},
	{"stop_effect", {"r", "ra", "ra", "ra", "ra", "ra", "r", "r", "", "r"}},
	{"stop_rule", {"rawd", "r", "r", "r", "r", "rawd", "r", "r", "", "r"}},
	{"subject_key", {"", "", "", "", "", "", "", "", "", ""}},
	{"suppression", {"c", "c", "", "", "", "rawd", "c", "c", "", "c"}},
	{"tag", {"rawd", "rawd", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"task", {"r", "r", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"team", {"rawd", "r", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"team_member", {"rawd", "r", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"team_turn", {"r", "", "", "", "", "r", "", "", "", "r"}},
	{"tick_error", {"r", "", "", "", "", "r", "", "", "", "r"}},
	{"tier_rule", {"rawd", "rawd", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"track", {"rawd", "rawd", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"track_branch", {"rawd", "rawd", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"track_entry", {"rawd", "rawd", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"track_step", {"rawd", "rawd", "r", "r", "r", "r", "r", "r", "", "r"}},
	{"track_version", {"rawd", "rawd", "r", "r", "r", "r", "r", "r", "", "r"}},
	{NULL}
};

/* admin, marketing, sales, medical, clinical, compliance, data_steward, analyst, sender, auditor */
const NameRights nurture_view_rights[] = {
	{"audit_lag", "x----x---x"},
	{"backfill_progress", "x----x---x"},
	{"consent_funnel", "xx---xxx-x"},
	{"deliverability", "-----xx---"},
	{"lead_overview", "xxxxxxxx-x"},
	{"lead_score", "xxxxxxxx-x"},
	{"message_log", "xxxxxxxx-x"},
	{"refusals", "xxxxxxxx-x"},
	{"review_queue", "xx-xxxx--x"},
	{"routing_queue", "xxxxxxxx-x"},
	{"score_change", "xxxxxxxx-x"},
	{"score_history", "xxxxxxxx-x"},
	{"sent_after_opt_out", "xx---x-x-x"},
	{"sent_before_known", "xx---x-x-x"},
	{"stop_rule_effect", "xx---xxx-x"},
	{"suppression_effect", "xx---xxx-x"},
	{NULL}
};

const NameRights nurture_function_rights[] = {
	{"nurture_accept", "x-xxx-----"},
	{"nurture_access_matrix", "xxxxxxxxxx"},
	{"nurture_account_explain", "xxxxxxxx-x"},
	{"nurture_account_rebuild", "----------"},
	{"nurture_account_score", "xxxxxxxx-x"},
	{"nurture_account_spike", "xxxxxxxx-x"},
	{"nurture_ack", "--------x-"},
	{"nurture_add_asset", "xx--------"},
	{"nurture_approve", "-x-x-x----"},
	{"nurture_asset_recipients", "xxxxxxxxxx"},
	{"nurture_assign", "x-xxx-----"},
	{"nurture_attempt", "x-xxx-----"},
	{"nurture_attribute_problem", "xxxxxxxxxx"},
	{"nurture_audit_consistency", "x----x---x"},
	{"nurture_audit_digest", "x----x---x"},
	{"nurture_audit_proof", "x----x---x"},
	{"nurture_audit_seal", "x----x---x"},
	{"nurture_audit_verify", "xxxxxx---x"},
	{"nurture_backfill", "----------"},
	{"nurture_backfill_run", "----------"},
	{"nurture_canary", "----------"},
	{"nurture_candidates", "xxxxxxxx-x"},
	{"nurture_check_model", "xxxxxxxxxx"},
	{"nurture_confidence", "xxxxxxxx-x"},
	{"nurture_confidence_detail", "xxxxxxxx-x"},
	{"nurture_config_table", "----------"},
	{"nurture_confirm", "xxxxxxxxxx"},
	{"nurture_consent", "--xxxxx---"},
	{"nurture_consent_at", "xxxxxxxx-x"},
	{"nurture_convert", "x-xxx-----"},
	{"nurture_decisions", "xxxxxx---x"},
	{"nurture_diff", "xxxxxxxx-x"},
	{"nurture_draft", "xx--------"},
	{"nurture_email_kind", "xxxxxxxxxx"},
	{"nurture_enroll", "xx-xx-----"},
	{"nurture_exit", "xx-xx-----"},
	{"nurture_explain", "xxxxxxxx-x"},
	{"nurture_explain_contact", "xxxxxxxxxx"},
	{"nurture_find_duplicates", "------x---"},
	{"nurture_fit", "xxxxxxxx-x"},
	{"nurture_fulfil", "---xx-----"},
	{"nurture_grade", "xxxxxxxx-x"},
	{"nurture_grant_access", "----------"},
	{"nurture_handed_leads", "xxxxxxxxxx"},
	{"nurture_held_out", "xxxxxxxxxx"},
	{"nurture_import_leads", "------x---"},
	{"nurture_ingest", "------x---"},
	{"nurture_install", "xxxxxxxxxx"},
	{"nurture_intent", "xxxxxxxx-x"},
	{"nurture_label", "-xxxx-x---"},
	{"nurture_latest_campaign", "xxxxxxxx-x"},
	{"nurture_lead_id", "xxxxxxxxxx"},
	{"nurture_lead_owners", "xxxxxxxxxx"},
	{"nurture_may_contact", "xxxxxxxxxx"},
	{"nurture_merge", "------x---"},
	{"nurture_model_for", "xxxxxxxx-x"},
	{"nurture_next_asset", "xxxxxxxx-x"},
	{"nurture_next_question", "xxxxxxxx-x"},
	{"nurture_normal_email", "xxxxxxxxxx"},
	{"nurture_normal_phone", "xxxxxxxxxx"},
	{"nurture_now", "xxxxxxxxxx"},
	{"nurture_one_click", "xxxxxxxxxx"},
	{"nurture_opt_in", "--xxxxx---"},
	{"nurture_opt_out", "--xxxxx---"},
	{"nurture_partition_ahead", "----------"},
	{"nurture_partition_drop", "----------"},
	{"nurture_pause", "-xxxxx----"},
	{"nurture_programs", "xxxxxxxx-x"},
	{"nurture_publish", "xx--------"},
	{"nurture_qualify", "xxxxxxxx-x"},
	{"nurture_quiet_until", "xxxxxxxxxx"},
	{"nurture_rank_change", "xxxxxxxx-x"},
	{"nurture_reassign", "x-xxx-----"},
	{"nurture_rebuild", "----------"},
	{"nurture_reject", "x-xxx-----"},
	{"nurture_replay", "------x---"},
	{"nurture_request_consent", "--xxxxx---"},
	{"nurture_resolve", "---xxxx---"},
	{"nurture_resume", "-xxxxx----"},
	{"nurture_retire", "xx--------"},
	{"nurture_return", "x-xxx-----"},
	{"nurture_revoke_access", "----------"},
	{"nurture_roll", "----------"},
	{"nurture_route", "x-xxx-----"},
	{"nurture_routing_due", "x-xxx-----"},
	{"nurture_rule", "-----xx---"},
	{"nurture_run", "xx-xx-----"},
	{"nurture_score", "xxxxxxxx-x"},
	{"nurture_score_at", "xxxxxxxx-x"},
	{"nurture_score_change", "xxxxxxxx-x"},
	{"nurture_score_part", "xxxxxxxx-x"},
	{"nurture_score_row", "xxxxxxxx-x"},
	{"nurture_score_support", "xxxxxxxx-x"},
	{"nurture_score_until", "xxxxxxxx-x"},
	{"nurture_scores", "xxxxxxxx-x"},
	{"nurture_scores_at", "xxxxxxxx-x"},
	{"nurture_seed", "----------"},
	{"nurture_selfcheck", "----------"},
	{"nurture_set_asset_status", "xx-x-x----"},
	{"nurture_still_allowed", "--------x-"},
	{"nurture_suppress", "-----x----"},
	{"nurture_take", "--------x-"},
	{"nurture_tally_agg", "xxxxxxxxxx"},
	{"nurture_tally_agg_combine", "xxxxxxxxxx"},
	{"nurture_tally_agg_deserial", "xxxxxxxxxx"},
	{"nurture_tally_agg_final", "xxxxxxxxxx"},
	{"nurture_tally_agg_serial", "xxxxxxxxxx"},
	{"nurture_tally_agg_step", "xxxxxxxxxx"},
	{"nurture_tally_cmp", "xxxxxxxxxx"},
	{"nurture_tally_count", "xxxxxxxxxx"},
	{"nurture_tally_eq", "xxxxxxxxxx"},
	{"nurture_tally_ge", "xxxxxxxxxx"},
	{"nurture_tally_gt", "xxxxxxxxxx"},
	{"nurture_tally_hash", "xxxxxxxxxx"},
	{"nurture_tally_hash_extended", "xxxxxxxxxx"},
	{"nurture_tally_in", "xxxxxxxxxx"},
	{"nurture_tally_last", "xxxxxxxxxx"},
	{"nurture_tally_le", "xxxxxxxxxx"},
	{"nurture_tally_lt", "xxxxxxxxxx"},
	{"nurture_tally_merge", "xxxxxxxxxx"},
	{"nurture_tally_ne", "xxxxxxxxxx"},
	{"nurture_tally_out", "xxxxxxxxxx"},
	{"nurture_tally_recv", "xxxxxxxxxx"},
	{"nurture_tally_roll", "xxxxxxxxxx"},
	{"nurture_tally_rolled", "xxxxxxxxxx"},
	{"nurture_tally_send", "xxxxxxxxxx"},
	{"nurture_tally_sum", "xxxxxxxxxx"},
	{"nurture_tally_sum_combine", "xxxxxxxxxx"},
	{"nurture_tally_sum_deserial", "xxxxxxxxxx"},
	{"nurture_tally_sum_final", "xxxxxxxxxx"},
	{"nurture_tally_sum_serial", "xxxxxxxxxx"},
	{"nurture_tally_sum_step", "xxxxxxxxxx"},
	{"nurture_tally_take", "xxxxxxxxxx"},
	{"nurture_tally_unnest", "xxxxxxxxxx"},
	{"nurture_tick", "xx-xx-----"},
	{"nurture_unlabel", "-xxxx-x---"},
	{"nurture_unmerge", "------x---"},
	{"nurture_unsubscribe_token", "--xxxxx---"},
	{"nurture_unsuppress", "-----x----"},
	{"nurture_versioned_table", "----------"},
	{"nurture_what_if", "xxxxxxxx-x"},
	{"nurture_what_if_matrix", "xxxxxxxx-x"},
	{"nurture_why", "xxxxxx---x"},
	{"nurture_working_due", "xxxxxxxxxx"},
	{"nurture_working_time", "xxxxxxxxxx"},
	{NULL}
};

/* *INDENT-ON* */
