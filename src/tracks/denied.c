/*
 * denied.c
 *	  Ends enrollments that have nothing left to send by: every channel of
 *	  their steps is denied to the lead, in the statement that denied the last.
 *
 * Called by the gate with its row locked, after the messages, as the lock
 * order wants.
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "gate/gate.h"
#include "tracks/rules.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

static KeptPlan message_channels =
KEPT_PLAN0("SELECT array_agg(channel ORDER BY channel) "
		   "FROM nurture.channel WHERE kind = 'message'");

/* Whether the lead has been asked for a consent that would open a channel. */
static KeptPlan consent_asked =
KEPT_PLAN("SELECT 1 "
		  "FROM nurture.consent c JOIN nurture.channel k ON k.channel = $2 "
		  "WHERE c.lead_id = $1 AND c.state = 'requested' AND c.channel IN "
		  "('*', k.consent_channel) AND c.purpose IN ('*', $3) LIMIT 1",
		  INT8OID, TEXTOID, TEXTOID);

/*
 * For purposes other than marketing, whose messages are no advertising: what
 * the lead itself said about all of them.
 */
static KeptPlan purpose_denied =
KEPT_PLAN("SELECT 1 "
		  "FROM nurture.consent c JOIN nurture.channel k ON k.channel = $2 "
		  "WHERE c.lead_id = $1 AND c.state IN ('refused', 'withdrawn', "
		  "'objected') AND c.purpose IN ('*', $3) AND c.topic = '*' AND "
		  "c.product IN ('*', $4) AND (c.state = 'objected' OR c.channel IN "
		  "('*', k.consent_channel)) "
		  "AND NOT EXISTS (SELECT FROM nurture.consent g WHERE g.lead_id = "
		  "c.lead_id AND g.state IN ('given', 'confirmed', 'renewed') AND "
		  "g.purpose = $3 AND g.channel IN ('*', k.consent_channel)) "
		  "LIMIT 1",
		  INT8OID, TEXTOID, TEXTOID, TEXTOID);

/* Lists the channels that the rest of a track may use. */
static const char **
channels_left(const TrackVersion *version, int32 step_no, int *n)
{
	const char **channels = NULL;

	*n = 0;
	for (int i = 0; i < version->nsteps; i++)
	{
		const TrackStep *step = &version->steps[i];

		if (step->step_no < step_no || step->kind != STEP_SEND)
			continue;
		if (step->nchannels == 0)
		{
			bool		isnull;

			nurture_execute(&message_channels, NULL, NULL, false);
			*n = 0;
			(void) nurture_cell(0, 1, &isnull);
			return isnull ? NULL : nurture_cell_strings(0, 1, n);
		}
		if (channels == NULL)
			channels = palloc(sizeof(char *) * version->nsteps * step->nchannels);
		else
			channels = repalloc(channels, sizeof(char *) * (*n + step->nchannels));
		for (int c = 0; c < step->nchannels; c++)
			channels[(*n)++] = step->channels[c];
	}
	return channels;
}

static bool
says(const GateAnswer *answer, const char *const *codes, int ncodes)
{
	for (int i = 0; i < answer->nreasons; i++)
	{
		for (int j = 0; j < ncodes; j++)
		{
			if (strcmp(answer->reasons[i], codes[j]) == 0)
				return true;
		}
	}
	return false;
}

/*
 * Tells whether nothing of a track may reach a lead by a channel; *denied:
 * because of what was denied, not of what was never given.
 */
static bool
is_closed(int64 lead_id, const Track *track, const char *channel,
		  const char *reason, TimestampTz now, bool *denied)
{
	static const char *const closing[] = {"consent_denied", "consent_missing", "consent_expired",
		"class_prohibited", "no_consent_policy", "suppressed", "no_contact_point",
	"contact_point_invalid"};
	Datum		values[4] = {Int64GetDatum(lead_id), CStringGetTextDatum(channel),
	CStringGetTextDatum(track->purpose), CStringGetTextDatum(track->product)};
	GateAnswer	answer;

	if (strcmp(track->purpose, "marketing") != 0)
	{
		nurture_execute(&purpose_denied, values, NULL, false);
		*denied |= SPI_processed > 0;
		return SPI_processed > 0;
	}
	answer = nurture_gate_may_contact(lead_id, channel, track->purpose, NULL, 0, now, NULL);
	if (answer.verdict != GATE_REFUSE || !says(&answer, closing, lengthof(closing)))
		return false;
	*denied |= says(&answer, &reason, 1);
	nurture_execute(&consent_asked, values, NULL, false);
	return SPI_processed == 0;
}

/*
 * Ends the enrollments of a lead that something denied it leaves without a
 * channel; see gate.h.
 */
void
nurture_track_denied(int64 lead_id, const char *reason, const char *by)
{
	const TrackRules *rules = nurture_track_rules();
	TimestampTz now = nurture_now_wall();
	Enrollment *rows;
	int			n = nurture_enrollment_read(&lead_id, 1, true, &rows);

	for (int i = 0; i < n; i++)
	{
		const Track *track;
		const TrackVersion *version;
		const char **channels;
		bool		denied = false;
		bool		closed = true;
		int			nchannels;

		if (!rows[i].open)
			continue;
		track = nurture_track_find(rules, rows[i].track);
		version = nurture_track_version(track, rows[i].version);
		if (version == NULL)
			continue;
		channels = channels_left(version, rows[i].step_no, &nchannels);
		for (int c = 0; c < nchannels && closed; c++)
			closed = is_closed(lead_id, track, channels[c], reason, now, &denied);
		if (closed && denied)
			(void) nurture_enrollment_end(&rows[i], "exited", reason, by, NULL, now);
	}
}
