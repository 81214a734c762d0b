/*
 * merge.c
 *	  nurture_merge and nurture_unmerge: two leads are one person, or are not.
 *
 * Everything hangs on nurture.lead.merged_into.  Triggers follow it whoever
 * writes it: activity is counted for the survivor (scoring/activity_merge.c),
 * and what the merged lead is denied binds the survivor (gate/gate_row.c).
 * What else a merge resolves the rooms do, each answering what it changed; the
 * answers are kept in nurture.merge, so that it can be taken back.
 *
 * Rows are locked in the lock order, ascending by lead within each step:
 * activity, lead, gate, then what the rooms lock.  Whether the two can be
 * merged is asked again once they are: of two merges that would make a circle
 * the second sees the first.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/author.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/trigger.h"
#include "catalog/pg_type.h"
#include "facts/history.h"
#include "facts/lead.h"
#include "facts/merge.h"
#include "gate/gate.h"
#include "miscadmin.h"
#include "routing/routing.h"
#include "scoring/activity.h"
#include "tracks/tracks.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_merge);
NURTURE_FUNCTION(nurture_unmerge);
NURTURE_FUNCTION(nurture_merge_guard);

static KeptPlan find_survivor =
KEPT_PLAN("WITH RECURSIVE up AS (SELECT lead_id, merged_into, erased_at, is_test, 0 AS depth"
		  " FROM nurture.lead WHERE lead_id = $1 UNION ALL"
		  " SELECT l.lead_id, l.merged_into, l.erased_at, l.is_test, up.depth + 1 FROM up"
		  " JOIN nurture.lead l ON l.lead_id = up.merged_into WHERE up.depth < 64)"
		  " SELECT lead_id, erased_at IS NOT NULL, is_test, depth FROM up"
		  " ORDER BY depth DESC LIMIT 1", INT8OID);
static KeptPlan find_open =
KEPT_PLAN("SELECT merge_id, survivor FROM nurture.merge WHERE absorbed = $1 AND undone_at IS NULL", INT8OID);
static KeptPlan lock_leads =
KEPT_PLAN("SELECT FROM nurture.lead WHERE lead_id = ANY (ARRAY[$1, $2])"
		  " ORDER BY lead_id FOR NO KEY UPDATE", INT8OID, INT8OID);
static KeptPlan add_merge =
KEPT_PLAN("INSERT INTO nurture.merge (absorbed, survivor, reason, actor) VALUES ($1, $2, $3, $4)"
		  " RETURNING merge_id", INT8OID, INT8OID, TEXTOID, TEXTOID);
static KeptPlan write_changed =
KEPT_PLAN("UPDATE nurture.merge SET changed = jsonb_build_object('facts', $3::jsonb, 'gate', $4::jsonb,"
		  " 'enrollments', $5::jsonb, 'routing', $6::jsonb, 'rolled', $7::jsonb)"
		  " WHERE absorbed = $1 AND merge_id = $2",
		  INT8OID, INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID);
static KeptPlan point =
KEPT_PLAN("UPDATE nurture.lead SET merged_into = $2 WHERE lead_id = $1", INT8OID, INT8OID);

/* up to which day a survivor's activity was folded */
static KeptPlan read_rolled =
KEPT_PLAN("SELECT jsonb_build_object('signals', @extschema@.nurture_tally_rolled(signals),"
		  " 'topics', @extschema@.nurture_tally_rolled(topics))::text"
		  " FROM nurture.activity WHERE lead_id = $1", INT8OID);
static KeptPlan describe_rolled =
KEPT_PLAN("SELECT jsonb_build_object('was', $1::jsonb, 'is', $2::jsonb)::text", TEXTOID, TEXTOID);

/* to be counted again at once: only what the merge folded is unfolded */
#define UNROLL(tally) \
	tally " = CASE WHEN @extschema@.nurture_tally_rolled(" tally ") IS DISTINCT FROM" \
	" ($2::jsonb -> 'is' ->> '" tally "')::date THEN " tally \
	" WHEN $2::jsonb -> 'was' ->> '" tally "' IS NULL THEN '{}'::@extschema@.nurture_tally" \
	" ELSE @extschema@.nurture_tally_roll('{}'::@extschema@.nurture_tally, ($2::jsonb -> 'was' ->> '" tally "')::date) END"
static KeptPlan unroll =
KEPT_PLAN("UPDATE nurture.activity SET " UNROLL("signals") ", " UNROLL("topics")
		  " WHERE lead_id = $1 AND $2::jsonb -> 'is' <> $2::jsonb -> 'was'", INT8OID, TEXTOID);

static KeptPlan find_merge =
KEPT_PLAN("SELECT m.absorbed, m.survivor, m.undone_at IS NOT NULL, m.changed ->> 'facts', m.changed ->> 'gate',"
		  " m.changed ->> 'enrollments', m.changed ->> 'routing', m.changed ->> 'rolled',"
		  " (SELECT l.merged_into FROM nurture.lead l WHERE l.lead_id = m.absorbed)"
		  " FROM nurture.merge m WHERE m.merge_id = $1", INT8OID);
static KeptPlan end_merge =
KEPT_PLAN("UPDATE nurture.merge SET undone_at = @extschema@.nurture_now(), undone_by = $3, undone_reason = $4"
		  " WHERE absorbed = $1 AND merge_id = $2", INT8OID, INT8OID, TEXTOID, TEXTOID);

/* functions of this file are writing */
static int	writing = 0;

/* Runs a write that the guard lets through. */
static void
write_guarded(KeptPlan *plan, Datum *values, const char *nulls)
{
	writing++;
	PG_TRY();
	{
		(void) nurture_execute_latest(plan, values, nulls, true);
	}
	PG_FINALLY();
	{
		writing--;
	}
	PG_END_TRY();
}

/* Sets or clears merged_into, with a reason in the history of the lead. */
static void
point_lead(int64 lead_id, int64 survivor, const char *reason, const char *actor)
{
	FactCause	cause = {.lead_id = lead_id,.reason = reason,.actor = actor};
	FactCauses	causes = {&cause, 1};
	const FactCauses *before = nurture_history_because(&causes);
	Datum		values[2];

	values[0] = Int64GetDatum(lead_id);
	values[1] = Int64GetDatum(survivor);
	write_guarded(&point, values, survivor == 0 ? " n" : NULL);
	(void) nurture_history_because(before);
}

static void
record(int64 lead_id, int64 merge_id, const char *outcome, const char *inputs,
	   const char *reason, const char *actor)
{
	AuditEntry	entry = {0};

	entry.has_lead = true;
	entry.lead_id = lead_id;
	entry.kind = "merge";
	entry.object = psprintf("merge:" INT64_FORMAT, merge_id);
	entry.outcome = outcome;
	entry.inputs = inputs;
	entry.reason = reason;
	entry.actor = actor;
	nurture_audit_append(&entry, 1);
}

/* A lead as far as merging goes. */
typedef struct MergedLead
{
	int64		asked;
	int64		lead_id;		/* who stands for it */
	bool		erased;
	bool		is_test;
	bool		merged;
} MergedLead;

static void
read_lead(int64 lead_id, MergedLead *lead)
{
	Datum		value = Int64GetDatum(lead_id);
	bool		isnull;

	(void) nurture_execute_latest(&find_survivor, &value, NULL, false);
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_LEAD),
				 errmsg("there is no lead " INT64_FORMAT, lead_id),
				 errhint("Or you may not see it; nurture.lead lists those you may.")));
	lead->asked = lead_id;
	lead->lead_id = DatumGetInt64(nurture_cell(0, 1, &isnull));
	lead->erased = DatumGetBool(nurture_cell(0, 2, &isnull));
	lead->is_test = DatumGetBool(nurture_cell(0, 3, &isnull));
	lead->merged = DatumGetInt32(nurture_cell(0, 4, &isnull)) > 0;
}

/* Returns the merge a lead was absorbed by, 0 when there is none. */
static int64
open_merge(int64 absorbed)
{
	Datum		value = Int64GetDatum(absorbed);
	bool		isnull;

	(void) nurture_execute_latest(&find_open, &value, NULL, false);
	return SPI_processed == 0 ? 0 : DatumGetInt64(nurture_cell(0, 1, &isnull));
}

/*
 * Reads both leads and raises when they cannot be merged; tells whether they
 * are one already.
 */
static bool
check_leads(int64 survivor, int64 absorbed, MergedLead *into, MergedLead *from)
{
	if (survivor == absorbed)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("lead " INT64_FORMAT " cannot be merged into itself", absorbed),
				 errhint("Name two leads.")));
	read_lead(survivor, into);
	read_lead(absorbed, from);
	if (into->lead_id == absorbed)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BAD_STATE),
				 errmsg("lead " INT64_FORMAT " cannot be merged into lead " INT64_FORMAT ", which was merged into it",
						absorbed, survivor),
				 errhint("They are one already; to keep the other, undo merge " INT64_FORMAT " first: nurture_unmerge(merge_id, reason).",
						 open_merge(survivor))));
	if (from->merged && from->lead_id == into->lead_id)
		return true;
	if (from->merged)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BAD_STATE),
				 errmsg("lead " INT64_FORMAT " was merged into lead " INT64_FORMAT " already", absorbed, from->lead_id),
				 errhint("Merge lead " INT64_FORMAT ", or undo merge " INT64_FORMAT " first.",
						 from->lead_id, open_merge(absorbed))));
	if (into->erased || from->erased)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BAD_STATE),
				 errmsg("an erased lead cannot be merged"),
				 errhint("There is nothing left of lead " INT64_FORMAT " that could be merged.",
						 into->erased ? into->lead_id : absorbed)));
	if (into->is_test != from->is_test)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BAD_STATE),
				 errmsg("a test lead and another cannot be merged"),
				 errhint("What a test lead does counts nowhere; set nurture.lead.is_test alike first.")));
	return false;
}

/*
 * Locks two leads in the lock order.  Above READ COMMITTED a lead that others
 * have changed since the transaction's snapshot raises 40001: what follows
 * writes its row, and the transaction would see the one of before beside it.
 */
static void
lock_both(int64 a, int64 b)
{
	int64		leads[2] = {Min(a, b), Max(a, b)};
	Datum		values[2];

	nurture_activity_lock(leads, 2);
	values[0] = Int64GetDatum(leads[0]);
	values[1] = Int64GetDatum(leads[1]);
	(void) nurture_execute(&lock_leads, values, NULL, false);
	nurture_gate_bump(leads[0]);
	nurture_gate_bump(leads[1]);
}

/* Decides anew where both stand. */
static void
decide_both(int64 a, int64 b, const char *cause)
{
	int64		leads[2] = {Min(a, b), Max(a, b)};

	nurture_standing_decide(leads, a == b ? 1 : 2, cause);
}

static char *
rolled_days(int64 lead_id)
{
	Datum		value = Int64GetDatum(lead_id);

	(void) nurture_execute_latest(&read_rolled, &value, NULL, false);
	return nurture_cell_text(0, 1);
}

/* Merges a lead into another; see merge.h. */
int64
nurture_merge_leads(int64 survivor, int64 absorbed, const char *reason,
					const char *actor)
{
	MergedLead	into;
	MergedLead	from;
	OwnerSwitch owner;
	int			level;
	Datum		values[7];
	int64		merge_id;
	int64		locked = 0;
	bool		by_hand;
	bool		isnull;
	char	   *denials;
	char	   *rolled;
	char	   *changed[5];
	const char *told;

	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	for (;;)
	{
		by_hand = check_leads(survivor, absorbed, &into, &from);
		merge_id = by_hand ? open_merge(absorbed) : 0;
		if (merge_id != 0 || locked == into.lead_id)
			break;
		lock_both(into.lead_id, absorbed);
		locked = into.lead_id;
	}
	if (merge_id != 0)
	{
		nurture_spi_finish(level);
		nurture_owner_leave(&owner);
		return merge_id;
	}
	survivor = into.lead_id;

	values[0] = Int64GetDatum(absorbed);
	values[1] = Int64GetDatum(survivor);
	values[2] = CStringGetTextDatum(reason);
	values[3] = CStringGetTextDatum(actor);
	(void) nurture_execute_latest(&add_merge, values, NULL, true);
	merge_id = DatumGetInt64(nurture_cell(0, 1, &isnull));

	rolled = rolled_days(survivor);
	denials = nurture_gate_denials(survivor, by_hand);
	if (!by_hand)
		point_lead(absorbed, survivor, reason, actor);
	changed[0] = nurture_facts_merged(survivor, absorbed, merge_id, reason, actor);
	changed[1] = nurture_gate_merged(survivor, merge_id, denials);
	changed[2] = nurture_tracks_merged(absorbed);
	/* what is said about the two is on record about either */
	told = nurture_audit_screen(nurture_audit_screen(reason, &absorbed), &survivor);
	changed[3] = nurture_routing_merged(absorbed, survivor, told, actor);
	values[0] = CStringGetTextDatum(rolled);
	values[1] = CStringGetTextDatum(rolled_days(survivor));
	(void) nurture_execute_latest(&describe_rolled, values, NULL, false);
	changed[4] = nurture_cell_text(0, 1);

	values[0] = Int64GetDatum(absorbed);
	values[1] = Int64GetDatum(merge_id);
	for (int i = 0; i < lengthof(changed); i++)
		values[2 + i] = CStringGetTextDatum(changed[i]);
	write_guarded(&write_changed, values, NULL);
	record(absorbed, merge_id, "merged", NULL, told, actor);
	record(survivor, merge_id, "absorbed", changed[0], told, actor);
	decide_both(survivor, survivor, "merged");
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
	return merge_id;
}

static char *
text_argument(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

/* Both functions want to know why. */
static char *
needed_reason(FunctionCallInfo fcinfo, int n, const char *function)
{
	char	   *reason = text_argument(fcinfo, n);

	if (reason == NULL || reason[strspn(reason, " \t\n")] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s needs a reason", function),
				 errhint("Say why, in words that an auditor understands.")));
	return reason;
}

/* Raises unless the caller may merge. */
static void
check_right(AclMode right)
{
	if (pg_class_aclcheck(nurture_table_oid("merge", false),
						  nurture_caller_role(), right) != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to merge leads"),
				 errhint("It needs the right to %s nurture.merge.",
						 right == ACL_INSERT ? "INSERT into" : "UPDATE")));
}

static void
check_visible(int64 lead_id)
{
	if (nurture_lead_hidden(lead_id))
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_LEAD),
				 errmsg("there is no lead " INT64_FORMAT, lead_id),
				 errhint("Or you may not see it; nurture.lead lists those you may.")));
}

/*
 * nurture_merge(survivor bigint, absorbed bigint, reason text, actor text)
 * returns bigint: the merge_id
 */
Datum
nurture_merge(PG_FUNCTION_ARGS)
{
	char	   *reason;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("survivor and absorbed lead must be given")));
	reason = needed_reason(fcinfo, 2, "nurture_merge");
	check_right(ACL_INSERT);
	check_visible(PG_GETARG_INT64(0));
	check_visible(PG_GETARG_INT64(1));
	PG_RETURN_INT64(nurture_merge_leads(PG_GETARG_INT64(0), PG_GETARG_INT64(1),
										reason, nurture_actor(text_argument(fcinfo, 3))));
}

/* A merge as nurture.merge holds it. */
typedef struct Merge
{
	int64		absorbed;
	int64		survivor;
	bool		undone;
	int64		points_to;		/* the absorbed lead's merged_into, 0 = none */
	char	   *changed[5];
} Merge;

static void
read_merge(int64 merge_id, Merge *merge)
{
	Datum		value = Int64GetDatum(merge_id);
	bool		isnull;

	(void) nurture_execute_latest(&find_merge, &value, NULL, false);
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("there is no merge " INT64_FORMAT, merge_id),
				 errhint("Merges are rows of nurture.merge.")));
	merge->absorbed = DatumGetInt64(nurture_cell(0, 1, &isnull));
	merge->survivor = DatumGetInt64(nurture_cell(0, 2, &isnull));
	merge->undone = DatumGetBool(nurture_cell(0, 3, &isnull));
	for (int i = 0; i < lengthof(merge->changed); i++)
		merge->changed[i] = nurture_cell_text(0, 4 + i);
	merge->points_to = DatumGetInt64(nurture_cell(0, 9, &isnull));
	if (isnull)
		merge->points_to = 0;
}

/* Raises when a merge cannot be taken back as things are. */
static void
check_merge(int64 merge_id, const Merge *merge)
{
	MergedLead	survivor;

	read_lead(merge->survivor, &survivor);
	if (survivor.merged)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BAD_STATE),
				 errmsg("merge " INT64_FORMAT " cannot be taken back: its survivor was merged itself", merge_id),
				 errhint("Undo merge " INT64_FORMAT " first.", open_merge(merge->survivor))));
	if (survivor.erased)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BAD_STATE),
				 errmsg("merge " INT64_FORMAT " cannot be taken back: its survivor was erased", merge_id),
				 errhint("What was theirs is gone.")));
	if (merge->points_to != merge->survivor)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BAD_STATE),
				 errmsg("merge " INT64_FORMAT " cannot be taken back: lead " INT64_FORMAT " points elsewhere",
						merge_id, merge->absorbed),
				 errhint("Set nurture.lead.merged_into back to " INT64_FORMAT " first.", merge->survivor)));
}

/*
 * nurture_unmerge(merge_id bigint, reason text, actor text) returns boolean:
 * whether it was there to be taken back
 */
Datum
nurture_unmerge(PG_FUNCTION_ARGS)
{
	int64		merge_id;
	char	   *reason;
	const char *told;
	const char *actor;
	Merge		merge;
	OwnerSwitch owner;
	Datum		values[4];
	int			level;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the merge must be given")));
	merge_id = PG_GETARG_INT64(0);
	reason = needed_reason(fcinfo, 1, "nurture_unmerge");
	check_right(ACL_UPDATE);
	actor = nurture_actor(text_argument(fcinfo, 2));
	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	read_merge(merge_id, &merge);
	if (!merge.undone)
	{
		lock_both(merge.survivor, merge.absorbed);
		read_merge(merge_id, &merge);
	}
	if (!merge.undone)
	{
		check_merge(merge_id, &merge);
		told = nurture_audit_screen(nurture_audit_screen(reason, &merge.absorbed), &merge.survivor);
		values[0] = Int64GetDatum(merge.survivor);
		values[1] = CStringGetTextDatum(merge.changed[4]);
		(void) nurture_execute_latest(&unroll, values, NULL, true);
		point_lead(merge.absorbed, 0, reason, actor);
		nurture_facts_unmerged(merge.survivor, merge.absorbed, merge_id,
							   merge.changed[0], reason, actor);
		nurture_gate_unmerged(merge.survivor, merge.absorbed, merge_id,
							  merge.changed[1], told, actor);
		nurture_tracks_unmerged(merge.absorbed, merge.changed[2]);
		nurture_routing_unmerged(merge.absorbed, merge.survivor,
								 merge.changed[3], told, actor);
		values[0] = Int64GetDatum(merge.absorbed);
		values[1] = Int64GetDatum(merge_id);
		values[2] = CStringGetTextDatum(actor);
		values[3] = CStringGetTextDatum(reason);
		write_guarded(&end_merge, values, NULL);
		record(merge.absorbed, merge_id, "unmerged", NULL, told, actor);
		record(merge.survivor, merge_id, "parted", NULL, told, actor);
		decide_both(merge.survivor, merge.absorbed, "unmerged");
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
	PG_RETURN_BOOL(!merge.undone);
}

/* Refuses to delete leads that stand for others. */
static void
check_gone(TriggerData *data)
{
	OwnerSwitch owner;
	int			level;
	bool		isnull;

	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	if (SPI_register_trigger_data(data) != SPI_OK_TD_REGISTER)
		elog(ERROR, "could not register transition tables");
	if (SPI_execute("SELECT l.merged_into FROM gone g JOIN nurture.lead l ON l.merged_into = g.lead_id LIMIT 1",
					false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read transition tables");
	if (SPI_processed > 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BAD_STATE),
				 errmsg("lead " INT64_FORMAT " cannot be deleted: others were merged into it",
						DatumGetInt64(nurture_cell(0, 1, &isnull))),
				 errhint("Undo the merges with nurture_unmerge, or delete the merged leads too.")));
	writing++;
	PG_TRY();
	{
		if (SPI_execute("DELETE FROM nurture.merge m USING gone g"
						" WHERE g.lead_id IN (m.absorbed, m.survivor)", false, 0) != SPI_OK_DELETE)
			elog(ERROR, "could not delete from nurture.merge");
	}
	PG_FINALLY();
	{
		writing--;
	}
	PG_END_TRY();
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
}

/*
 * nurture_merge_guard() returns trigger
 *
 * Of nurture.lead, before merged_into is taken away or changed, and after
 * deletions; of nurture.merge, before any change.
 */
Datum
nurture_merge_guard(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_merge_guard");
	bool		update = TRIGGER_FIRED_BY_UPDATE(data->tg_event);
	HeapTuple	result = update ? data->tg_newtuple : data->tg_trigtuple;
	OwnerSwitch owner;
	int64		merge_id;
	bool		isnull;
	int			level;

	if (!nurture_deriving() || (TRIGGER_FIRED_FOR_ROW(data->tg_event) && (writing > 0 || nurture_erasing())))
		return PointerGetDatum(result);
	if (TRIGGER_FIRED_FOR_STATEMENT(data->tg_event))
	{
		check_gone(data);
		return PointerGetDatum(NULL);
	}
	if (strcmp(RelationGetRelationName(data->tg_relation), "merge") == 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_APPEND_ONLY),
				 errmsg("merges are changed by functions only"),
				 errhint("Use nurture_unmerge(merge_id, reason).")));
	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	merge_id = open_merge(DatumGetInt64(SPI_getbinval(data->tg_trigtuple, RelationGetDescr(data->tg_relation),
													  SPI_fnumber(RelationGetDescr(data->tg_relation), "lead_id"), &isnull)));
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
	if (merge_id != 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BYPASS),
				 errmsg("merged_into was set by merge " INT64_FORMAT " and is taken back by nurture_unmerge only", merge_id),
				 errhint("SELECT nurture_unmerge(" INT64_FORMAT ", reason)", merge_id)));
	return PointerGetDatum(result);
}
