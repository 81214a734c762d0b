/*
 * manual.c
 *	  nurture_enroll and nurture_exit: what a person does, and ends of
 *	  enrollments that other rooms cause.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "tracks/rules.h"
#include "tracks/tracks.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_enroll);
NURTURE_FUNCTION(nurture_exit);

/* Before enrollments, and so that two writers of one lead take turns. */
static KeptPlan lock_gate =
KEPT_PLAN("SELECT "
		  "FROM nurture.gate "
		  "WHERE lead_id = $1 FOR NO KEY UPDATE",
		  INT8OID);
static KeptPlan list_tracks =
KEPT_PLAN0("SELECT string_agg(track, ', ' ORDER BY track) "
		   "FROM nurture.track");

/*
 * Written as the owner, so whether the caller may is asked here: it takes the
 * right to update enrollments, which no trigger would let it use directly.
 */
static void
check_right(void)
{
	if (pg_class_aclcheck(nurture_table_oid("enrollment", false),
						  nurture_caller_role(), ACL_UPDATE) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, "enrollment");
}

static const Track *
find_track(const char *code)
{
	const Track *track = nurture_track_find(nurture_track_rules(), code);

	if (track == NULL)
	{
		nurture_execute(&list_tracks, NULL, NULL, true);
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("unknown track \"%.64s\"", code),
				 errhint("Tracks are %s.", nurture_cell_text(0, 1) ? nurture_cell_text(0, 1) : "not set up")));
	}
	return track;
}

static void
lock_lead(int64 lead_id)
{
	Datum		argument = Int64GetDatum(lead_id);

	nurture_execute(&lock_gate, &argument, NULL, false);
}

/*
 * nurture_enroll(lead_id bigint, track text, reason text) returns bigint
 *
 * Puts a lead on the published version of a track; answers the number of its
 * enrollment.  Another track of the same purpose ends, whatever its priority:
 * a person decided.
 */
Datum
nurture_enroll(PG_FUNCTION_ARGS)
{
	int64		lead_id = PG_GETARG_INT64(0);
	char	   *code = text_to_cstring(PG_GETARG_TEXT_PP(1));
	char	   *reason = text_to_cstring(PG_GETARG_TEXT_PP(2));
	const Track *track;
	Subject    *subject;
	Enrollment *rows;
	OwnerSwitch save;
	int64		number = 1;
	int			level;
	int			n;

	check_right();
	subject = nurture_subject_load(lead_id, nurture_now_statement(), false);
	if (subject == NULL || !TIMESTAMP_IS_NOBEGIN(subject->erased_at))
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_LEAD),
				 errmsg("there is no lead " INT64_FORMAT, lead_id),
				 errhint("Or you may not see it; nurture.lead lists those you may.")));
	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	track = find_track(code);
	if (track->published == NULL)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BAD_STATE),
				 errmsg("track \"%s\" has no published version", code),
				 errhint("Publish one with nurture_publish('track', '%s', version, reason).", code)));
	lock_lead(subject->lead_id);
	n = nurture_enrollment_read(&subject->lead_id, 1, true, &rows);
	for (int i = 0; i < n; i++)
	{
		number = Max(number, rows[i].enrollment_no + 1);
		if (!rows[i].open || strcmp(rows[i].purpose, track->purpose) != 0)
			continue;
		if (strcmp(rows[i].track, track->code) == 0)
			ereport(ERROR,
					(errcode(NURTURE_ERRCODE_BAD_STATE),
					 errmsg("lead " INT64_FORMAT " is on track \"%s\" already", subject->lead_id, code),
					 errhint("End it with nurture_exit first to begin again.")));
		nurture_enrollment_end(&rows[i], "exited", "enrolled_elsewhere", "manual",
							   reason, subject->now);
	}
	if (!nurture_enrollment_enter(nurture_track_rules(), subject, track->published,
								  0, number, "manual", 0, reason))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("lead " INT64_FORMAT " entered a track at the same moment", subject->lead_id),
				 errhint("Run the transaction again.")));
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	PG_RETURN_INT64(number);
}

/*
 * nurture_exit(lead_id bigint, track text, reason text) returns boolean
 *
 * Ends the lead's enrollment on a track; false when there is none open.
 */
Datum
nurture_exit(PG_FUNCTION_ARGS)
{
	int64		lead_id = PG_GETARG_INT64(0);
	char	   *code = text_to_cstring(PG_GETARG_TEXT_PP(1));
	char	   *reason = text_to_cstring(PG_GETARG_TEXT_PP(2));
	Subject    *subject;
	Enrollment *rows;
	OwnerSwitch save;
	bool		ended = false;
	int			level;
	int			n;

	check_right();
	subject = nurture_subject_load(lead_id, nurture_now_statement(), false);
	if (subject == NULL)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_LEAD),
				 errmsg("there is no lead " INT64_FORMAT, lead_id),
				 errhint("Or you may not see it; nurture.lead lists those you may.")));
	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	(void) find_track(code);
	lock_lead(subject->lead_id);
	n = nurture_enrollment_read(&subject->lead_id, 1, true, &rows);
	for (int i = 0; i < n; i++)
	{
		if (rows[i].open && strcmp(rows[i].track, code) == 0)
			ended = nurture_enrollment_end(&rows[i], "exited", "manual", "manual",
										   reason, subject->now) || ended;
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	PG_RETURN_BOOL(ended);
}

/* Ends every open enrollment of a lead; answers how many. */
int
nurture_tracks_exit_lead(int64 lead_id, const char *reason, const char *by)
{
	Enrollment *rows;
	OwnerSwitch save;
	int			ended = 0;
	int			level;
	int			n;

	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	n = nurture_enrollment_read(&lead_id, 1, true, &rows);
	for (int i = 0; i < n; i++)
	{
		if (rows[i].open &&
			nurture_enrollment_end(&rows[i], "exited", reason, by, NULL,
								   nurture_now_statement()))
			ended++;
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	return ended;
}

/* Puts a lead that came back on a track; see tracks.h. */
bool
nurture_tracks_enter(int64 lead_id, const char *track, const char *by,
					 const char *reason)
{
	const TrackRules *rules = nurture_track_rules();
	const Track *found = nurture_track_find(rules, track);
	Subject    *subject;
	Enrollment *rows;
	int64		number = 1;
	int			n;

	if (found == NULL || found->published == NULL)
		return false;
	subject = nurture_subject_load(lead_id, nurture_now_wall(), true);
	if (subject == NULL || !TIMESTAMP_IS_NOBEGIN(subject->erased_at) ||
		!nurture_track_takes_audience(found, subject))
		return false;
	n = nurture_enrollment_read(&subject->lead_id, 1, true, &rows);
	for (int i = 0; i < n; i++)
	{
		number = Max(number, rows[i].enrollment_no + 1);
		if (rows[i].open && strcmp(rows[i].purpose, found->purpose) == 0)
			return false;
	}
	return nurture_enrollment_enter(rules, subject, found->published, 0, number, by, 0, reason);
}
