/*
 * assign.c
 *	  Who in the team takes a hand-off: nurture_assign.
 *
 * The only write that crosses leads, so it has a short transaction of its own
 * and goes by team.  Turns are start-time fair queueing: each member has a
 * virtual time, is served when it is the smallest, and moves on by a step that
 * is inverse to the weight.  With equal weights that is round robin, and the
 * counts of members who are there all the time differ by at most one, among
 * those who speak the language of the leads; who
 * comes back from an absence begins at the team's time and makes up for
 * nothing.  Turns are rows: a rollback gives them back.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "routing/routing.h"
#include "routing/routing_private.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_assign);
NURTURE_FUNCTION(nurture_routing_due);

/* lcm of 1 to 16, so that the step of every weight is whole */
#define TURN_STEP INT64CONST(720720)
#define MAX_ASSIGN 100000

typedef struct Candidate
{
	const char *member;
	int			weight;
	int64		room;			/* hand-offs it may still take */
	int64		load;			/* open ones */
	int64		turn;
	char	  **territories;	/* NULL-terminated */
	char	  **languages;		/* likewise; none = not told */
} Candidate;

static KeptPlan find_teams =
KEPT_PLAN0("SELECT DISTINCT team FROM nurture.handoff WHERE state = 'offered' AND member IS NULL"
		   " AND method <> 'queue' ORDER BY team");
static KeptPlan lock_team =
KEPT_PLAN("SELECT 1 FROM nurture.team WHERE team = $1 FOR NO KEY UPDATE", TEXTOID);

/* a tick passes by a team for which somebody else is naming members */
static KeptPlan lock_team_free =
KEPT_PLAN("SELECT 1 FROM nurture.team WHERE team = $1 FOR NO KEY UPDATE SKIP LOCKED", TEXTOID);
static KeptPlan add_turns =
KEPT_PLAN("INSERT INTO nurture.team_turn (team, member) SELECT $1, m.member FROM nurture.team_member m WHERE m.team = $1"
		  " UNION ALL SELECT $1, '' ON CONFLICT DO NOTHING", TEXTOID);
static KeptPlan read_members =
KEPT_PLAN("SELECT m.member, m.weight::int4, coalesce(m.capacity, 2147483647)::int8,"
		  " (SELECT pg_catalog.count(*) FROM nurture.handoff h WHERE h.team = m.team AND h.member = m.member"
		  " AND h.state IN ('pending', 'offered', 'accepted', 'working', 'met')), t.turn, m.territories, m.languages"
		  " FROM nurture.team_member m JOIN nurture.team_turn t USING (team, member)"
		  " WHERE m.team = $1 AND m.active"
		  " AND NOT EXISTS (SELECT FROM pg_catalog.unnest(m.absence) a (away) WHERE a.away @> $2)"
		  " ORDER BY m.member",
		  TEXTOID, TIMESTAMPTZOID);
static KeptPlan read_team_turn =
KEPT_PLAN("SELECT turn FROM nurture.team_turn WHERE team = $1 AND member = ''", TEXTOID);
static KeptPlan read_waiting =
KEPT_PLAN("SELECT h.lead_id, h.handoff_id, h.method, l.country, l.region, l.language FROM nurture.handoff h"
		  " JOIN nurture.lead l USING (lead_id)"
		  " WHERE h.team = $1 AND h.state = 'offered' AND h.member IS NULL AND h.method <> 'queue'"
		  " ORDER BY h.priority, h.created_at, h.handoff_id LIMIT $2 FOR UPDATE OF h SKIP LOCKED",
		  TEXTOID, INT4OID);
static KeptPlan write_members =
KEPT_PLAN("UPDATE nurture.handoff h SET member = n.member"
		  " FROM unnest($1, $2, $3) n (lead_id, handoff_id, member)"
		  " WHERE h.lead_id = n.lead_id AND h.handoff_id = n.handoff_id",
		  INT8ARRAYOID, INT8ARRAYOID, TEXTARRAYOID);
static KeptPlan write_tasks =
KEPT_PLAN("UPDATE nurture.task t SET member = n.member"
		  " FROM unnest($1, $2, $3) n (lead_id, handoff_id, member)"
		  " WHERE t.lead_id = n.lead_id AND t.handoff_id = n.handoff_id AND t.state = 'open'",
		  INT8ARRAYOID, INT8ARRAYOID, TEXTARRAYOID);
static KeptPlan write_outbox =
KEPT_PLAN("INSERT INTO nurture.outbox (lead_id, topic, payload, created_at)"
		  " SELECT n.lead_id, 'handoff.assigned', pg_catalog.jsonb_build_object('handoff_id', n.handoff_id,"
		  " 'lead_id', n.lead_id, 'state', 'offered', 'team', $4, 'member', n.member), $5"
		  " FROM unnest($1, $2, $3) n (lead_id, handoff_id, member)",
		  INT8ARRAYOID, INT8ARRAYOID, TEXTARRAYOID, TEXTOID, TIMESTAMPTZOID);
static KeptPlan write_turns =
KEPT_PLAN("UPDATE nurture.team_turn t SET turn = n.turn, assigned = t.assigned + n.given"
		  " FROM unnest($2, $3, $4) n (member, turn, given) WHERE t.team = $1 AND t.member = n.member",
		  TEXTOID, TEXTARRAYOID, INT8ARRAYOID, INT8ARRAYOID);

static int64
cell_bigint(uint64 row, int column)
{
	bool		isnull;

	return DatumGetInt64(nurture_cell(row, column, &isnull));
}

static bool
covers(const Candidate *candidate, const char *country, const char *region)
{
	for (char **territory = candidate->territories; *territory != NULL; territory++)
	{
		if ((country != NULL && strcmp(*territory, country) == 0) ||
			(region != NULL && strcmp(*territory, region) == 0))
			return true;
	}
	return candidate->territories[0] == NULL;
}

/*
 * Tells whether a member speaks a lead's language, whatever its region; nobody is said not to whose languages, or whose lead's, are not told.
 */
static bool
speaks(const Candidate *candidate, const char *language)
{
	size_t		primary;

	if (language == NULL || candidate->languages[0] == NULL)
		return true;
	primary = strcspn(language, "-_");
	for (char **spoken = candidate->languages; *spoken != NULL; spoken++)
	{
		if (pg_strncasecmp(*spoken, language, primary) == 0 &&
			strchr("-_", (*spoken)[primary]) != NULL)
			return true;
	}
	return false;
}

/* What of a hand-off says who can take it. */
typedef struct Wanted
{
	const char *method;
	const char *country;
	const char *region;
	const char *language;
} Wanted;

/*
 * Chooses who is served next, of those who speak the lead's language or of
 * all; NULL when nobody can take it.
 */
static Candidate *
choose(Candidate *candidates, int n, int64 team_turn, const Wanted *wanted,
	   bool speaking)
{
	bool		by_territory = strcmp(wanted->method, "territory") == 0;
	bool		by_load = strcmp(wanted->method, "least_loaded") == 0;
	Candidate  *best = NULL;

	for (int i = 0; i < n; i++)
	{
		Candidate  *candidate = &candidates[i];

		if (candidate->room <= 0 ||
			(speaking && !speaks(candidate, wanted->language)) ||
			(by_territory && !covers(candidate, wanted->country, wanted->region)))
			continue;
		if (candidate->turn < team_turn)
			candidate->turn = team_turn;
		if (best == NULL ||
			(by_load && candidate->load < best->load) ||
			((!by_load || candidate->load == best->load) &&
			 candidate->turn < best->turn))
			best = candidate;
	}
	return best;
}

static Datum
bigints(const int64 *items, int n)
{
	Datum	   *datums = palloc(sizeof(Datum) * Max(n, 1));

	for (int i = 0; i < n; i++)
		datums[i] = Int64GetDatum(items[i]);
	return PointerGetDatum(construct_array(datums, n, INT8OID, 8, true, TYPALIGN_DOUBLE));
}

static Datum
texts(const char *const *items, int n)
{
	Datum	   *datums = palloc(sizeof(Datum) * Max(n, 1));

	for (int i = 0; i < n; i++)
		datums[i] = CStringGetTextDatum(items[i]);
	return PointerGetDatum(construct_array(datums, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/* Reads who may get something now. */
static int
read_candidates(const char *team, TimestampTz now, Candidate **out)
{
	Datum		values[2];
	int			n;
	bool		isnull;

	values[0] = CStringGetTextDatum(team);
	values[1] = TimestampTzGetDatum(now);
	nurture_execute_latest(&read_members, values, NULL, false);
	n = (int) SPI_processed;
	*out = palloc(sizeof(Candidate) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		Candidate  *candidate = &(*out)[i];

		candidate->member = nurture_cell_text(i, 1);
		candidate->weight = DatumGetInt32(nurture_cell(i, 2, &isnull));
		candidate->load = cell_bigint(i, 4);
		candidate->room = cell_bigint(i, 3) - candidate->load;
		candidate->turn = cell_bigint(i, 5);
		candidate->territories = nurture_text_items(nurture_cell(i, 6, &isnull));
		candidate->languages = nurture_text_items(nurture_cell(i, 7, &isnull));
	}
	return n;
}

/* Writes what was assigned in a team. */
static void
write_team(const char *team, const int64 *leads, const int64 *handoffs,
		   const char **members, int n, TimestampTz now)
{
	AuditEntry *entries = palloc0(sizeof(AuditEntry) * n);
	Datum		values[5];

	values[0] = bigints(leads, n);
	values[1] = bigints(handoffs, n);
	values[2] = texts(members, n);
	nurture_handoff_write(&write_members, values, NULL);
	nurture_execute_latest(&write_tasks, values, NULL, true);
	values[3] = CStringGetTextDatum(team);
	values[4] = TimestampTzGetDatum(now);
	nurture_execute_latest(&write_outbox, values, NULL, true);
	for (int i = 0; i < n; i++)
	{
		entries[i].has_lead = true;
		entries[i].lead_id = leads[i];
		entries[i].kind = "handoff";
		entries[i].object = psprintf("handoff:" INT64_FORMAT, handoffs[i]);
		entries[i].outcome = "assigned";
		entries[i].inputs = psprintf("team %s, member %s", team, members[i]);
	}
	nurture_audit_append(entries, n);
}

/* Names members for what waits in a team; returns how many were named. */
static int
assign_team(const char *team, int max, bool wait)
{
	TimestampTz now;
	Candidate  *candidates;
	int			ncandidates;
	int64		team_turn;
	int			waiting;
	int			n = 0;
	int64	   *leads;
	int64	   *handoffs;
	int64	   *given;
	const char **members;
	Datum		values[4];
	Wanted	   *wanted;

	values[0] = CStringGetTextDatum(team);
	values[1] = Int32GetDatum(max);
	nurture_execute_latest(wait ? &lock_team : &lock_team_free, values, NULL, true);
	if (SPI_processed == 0)
		return 0;
	now = nurture_now_wall();
	nurture_execute_latest(&add_turns, values, NULL, true);
	nurture_execute_latest(&read_team_turn, values, NULL, false);
	team_turn = cell_bigint(0, 1);
	ncandidates = read_candidates(team, now, &candidates);

	nurture_execute_latest(&read_waiting, values, NULL, true);
	waiting = (int) SPI_processed;
	leads = palloc(sizeof(int64) * Max(waiting, 1));
	handoffs = palloc(sizeof(int64) * Max(waiting, 1));
	members = palloc(sizeof(char *) * Max(waiting, 1));
	wanted = palloc(sizeof(Wanted) * Max(waiting, 1));
	given = palloc0(sizeof(int64) * (ncandidates + 1));
	for (int i = 0; i < waiting; i++)
	{
		wanted[i].method = nurture_cell_text(i, 3);
		wanted[i].country = nurture_cell_text(i, 4);
		wanted[i].region = nurture_cell_text(i, 5);
		wanted[i].language = nurture_cell_text(i, 6);
		leads[i] = cell_bigint(i, 1);
		handoffs[i] = cell_bigint(i, 2);
	}
	for (int i = 0; i < waiting; i++)
	{
		Candidate  *chosen = choose(candidates, ncandidates, team_turn, &wanted[i], true);

		if (chosen == NULL)
			chosen = choose(candidates, ncandidates, team_turn, &wanted[i], false);
		if (chosen == NULL)
			continue;
		if (chosen->turn > team_turn)
			team_turn = chosen->turn;
		chosen->turn += strcmp(wanted[i].method, "weighted") == 0 ?
			TURN_STEP / chosen->weight : TURN_STEP;
		chosen->room--;
		chosen->load++;
		given[chosen - candidates]++;
		leads[n] = leads[i];
		handoffs[n] = handoffs[i];
		members[n++] = chosen->member;
	}
	if (n > 0)
	{
		const char **names = palloc(sizeof(char *) * (ncandidates + 1));
		int64	   *turns = palloc(sizeof(int64) * (ncandidates + 1));

		for (int i = 0; i < ncandidates; i++)
		{
			names[i] = candidates[i].member;
			turns[i] = candidates[i].turn;
		}
		names[ncandidates] = "";
		turns[ncandidates] = team_turn;
		given[ncandidates] = n;
		values[0] = CStringGetTextDatum(team);
		values[1] = texts(names, ncandidates + 1);
		values[2] = bigints(turns, ncandidates + 1);
		values[3] = bigints(given, ncandidates + 1);
		nurture_execute_latest(&write_turns, values, NULL, true);
		write_team(team, leads, handoffs, members, n, now);
	}
	return n;
}

/*
 * Names members for hand-offs that wait for one, by team; returns how many.
 * Without wait, teams that another transaction is naming members of are left.
 */
int
nurture_handoff_assign(int max, bool wait)
{
	OwnerSwitch save;
	char	  **teams;
	int			nteams;
	int			assigned = 0;
	int			level;

	nurture_owner_enter(&save);
	level = nurture_spi_connect();
	nurture_execute_latest(&find_teams, NULL, NULL, false);
	nteams = (int) SPI_processed;
	teams = palloc(sizeof(char *) * Max(nteams, 1));
	for (int i = 0; i < nteams; i++)
		teams[i] = nurture_cell_text(i, 1);
	for (int i = 0; i < nteams && assigned < max; i++)
	{
		CHECK_FOR_INTERRUPTS();
		assigned += assign_team(teams[i], max - assigned, wait);
	}
	nurture_spi_finish(level);
	nurture_owner_leave(&save);
	return assigned;
}

/* nurture_assign(max int) returns int: how many hand-offs got a member */
Datum
nurture_assign(PG_FUNCTION_ARGS)
{
	int32		max = PG_GETARG_INT32(0);

	if (max < 0 || max > MAX_ASSIGN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("nurture_assign takes 0 to %d hand-offs at once, not %d",
						MAX_ASSIGN, max)));
	nurture_routing_right("handoff");
	PG_RETURN_INT32(max == 0 ? 0 : nurture_handoff_assign(max, true));
}

/* nurture_routing_due(max int) returns int: how many offers ended */
Datum
nurture_routing_due(PG_FUNCTION_ARGS)
{
	int32		max = PG_GETARG_INT32(0);

	if (max < 0 || max > MAX_ASSIGN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("nurture_routing_due ends 0 to %d offers at once, not %d",
						MAX_ASSIGN, max)));
	nurture_routing_right("handoff");
	PG_RETURN_INT32(nurture_handoff_expire(max));
}

/* Ends offers whose time is over, tells of clocks that are up, names members. */
int
nurture_routing_tick(int max)
{
	int			ended = nurture_handoff_expire(max);

	ended += nurture_handoff_escalate(max);
	return ended + nurture_handoff_assign(max, false);
}
