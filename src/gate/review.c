/*
 * review.c
 *	  What a person rules about a case of nurture.review, and what follows.
 *
 * A ruling about consent is one about the messages that wait for it: it is
 * kept with their numbers, because they are decided again when they are taken.
 * It never lifts a refusal; only what the policy leaves to a person is a
 * person's.
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
#include "gate/again.h"
#include "gate/review.h"
#include "miscadmin.h"
#include "routing/routing.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_rule);
NURTURE_FUNCTION(nurture_review_record);

typedef struct Case
{
	int64		review_id;
	int64		lead_id;
	char	   *bucket;
	char	   *scope;
	Jsonb	   *evidence;		/* NULL = none */
	const char *ruling;
	char	   *reason;
	const char *actor;
} Case;

typedef int64 (*Act) (const Case *about);

static int64 allow_messages(const Case *about);
static int64 grant_consent(const Case *about);
static int64 deny_consent(const Case *about);
static int64 refuse_messages(const Case *about);
static int64 same_person(const Case *about);
static int64 accept_answer(const Case *about);
static int64 nothing(const Case *about);

static const struct
{
	const char *bucket;
	const char *ruling;
	Act			act;
}			rulings[] = {
	{"consent", "allow", allow_messages},
	{"consent", "grant", grant_consent},
	{"consent", "deny", deny_consent},
	{"consent", "refuse", refuse_messages},
	{"compliance_review", "allow", allow_messages},
	{"compliance_review", "refuse", refuse_messages},
	{"identity", "same", same_person},
	{"identity", "different", nothing},
	{"contradiction", "accept", accept_answer},
	{"contradiction", "keep", nothing},
	{"manual_research", "done", nothing},
	{"manual_research", "dismiss", nothing},
	{"discovery", "done", nothing},
	{"discovery", "dismiss", nothing},
};

static KeptPlan find_case =
KEPT_PLAN("SELECT r.lead_id, r.bucket, r.scope, r.state, r.ruling, r.evidence"
		  " FROM nurture.review AS r WHERE r.review_id = $1", INT8OID);

static KeptPlan close_case =
KEPT_PLAN("UPDATE nurture.review AS r SET state = 'closed', ruling = $3, reason = $4,"
		  " closed_at = $5, closed_by = $6,"
		  " evidence = CASE WHEN $7 IS NULL THEN r.evidence"
		  " ELSE coalesce(r.evidence, '{}') || jsonb_build_object('messages', to_jsonb($7)) END"
		  " WHERE r.lead_id = $1 AND r.review_id = $2 AND r.state = 'open'",
		  INT8OID, INT8OID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TEXTOID, INT8ARRAYOID);

static KeptPlan find_held =
KEPT_PLAN("SELECT m.message_id FROM nurture.message AS m"
		  " WHERE m.lead_id = $1 AND m.status = 'held' AND m.decision ->> 'review' = $2"
		  " ORDER BY m.message_id", INT8OID, TEXTOID);

static KeptPlan refuse_held =
KEPT_PLAN("UPDATE nurture.message AS m SET status = 'refused',"
		  " reasons = array_append(coalesce(m.reasons, '{}'), 'ruled_out')"
		  " WHERE m.lead_id = $1 AND m.status = 'held' AND m.decision ->> 'review' = $2"
		  " RETURNING m.message_id", INT8OID, TEXTOID);

static KeptPlan find_allowed =
KEPT_PLAN("SELECT 1 FROM nurture.review AS r"
		  " WHERE r.lead_id = $1 AND r.state = 'closed' AND r.ruling = 'allow'"
		  " AND r.bucket IN ('consent', 'compliance_review')"
		  " AND r.evidence -> 'messages' @> to_jsonb($2)", INT8OID, INT8OID);

static KeptPlan say_consent =
KEPT_PLAN("INSERT INTO nurture.consent_event (lead_id, kind, channel, purpose, source, evidence, occurred_at, actor)"
		  " VALUES ($1, $2, $3, $4, 'review', jsonb_build_object('review_id', $5), coalesce($6, @extschema@.nurture_now()), $7)",
		  INT8OID, TEXTOID, TEXTOID, TEXTOID, INT8OID, TIMESTAMPTZOID, TEXTOID);

static KeptPlan merge_leads =
KEPT_PLAN("SELECT @extschema@.nurture_merge($1, $2, $3, $4)",
		  INT8OID, INT8OID, TEXTOID, TEXTOID);

/* the columns that forms may fill, as in fact_map */
#define COLUMNS(of) \
	of ".email, " of ".phone, " of ".full_name, " of ".audience_type, " of ".role, " \
	of ".specialty, " of ".therapeutic_area, " of ".country, " of ".region, " \
	of ".postal_code, " of ".organization_type, " of ".source, " of ".campaign, " \
	of ".language, " of ".time_zone"

static KeptPlan write_fact =
KEPT_PLAN("UPDATE nurture.lead AS l SET (email, phone, full_name, audience_type, role,"
		  " specialty, therapeutic_area, country, region, postal_code, organization_type,"
		  " source, campaign, language, time_zone) ="
		  " (SELECT " COLUMNS("f") " FROM jsonb_populate_record(l, $2) AS f),"
		  " attributes = l.attributes || $3"
		  " WHERE l.lead_id = $1 AND l.merged_into IS NULL AND l.erased_at IS NULL",
		  INT8OID, JSONBOID, JSONBOID);

static KeptPlan write_source =
KEPT_PLAN("INSERT INTO nurture.fact_source AS s (lead_id, target, said_at, event_id)"
		  " VALUES ($1, $2, $3, $4) ON CONFLICT (lead_id, target) DO UPDATE"
		  " SET said_at = EXCLUDED.said_at, event_id = EXCLUDED.event_id",
		  INT8OID, TEXTOID, TIMESTAMPTZOID, INT8OID);

/* the last answer of a contradiction */
static KeptPlan read_answer =
KEPT_PLAN("SELECT a.answer -> 'answer', (a.answer ->> 'occurred_at')::timestamptz,"
		  " coalesce((a.answer ->> 'event_id')::int8, 0), jsonb_build_object($2, a.answer -> 'answer')"
		  " FROM (SELECT $1 #> '{answers,-1}') AS a(answer) WHERE a.answer IS NOT NULL",
		  JSONBOID, TEXTOID);

/* Answers what nurture_rule takes for a bucket. */
static char *
rulings_of(const char *bucket)
{
	StringInfoData words;

	initStringInfo(&words);
	for (int i = 0; i < lengthof(rulings); i++)
	{
		if (strcmp(rulings[i].bucket, bucket) == 0)
			appendStringInfo(&words, "%s%s", words.len ? ", " : "", rulings[i].ruling);
	}
	return words.data;
}

/* Closes the case; messages are those it lets go, NULL = none. */
static void
close_review(const Case *about, ArrayType *messages)
{
	Datum		values[7] = {Int64GetDatum(about->lead_id), Int64GetDatum(about->review_id),
		CStringGetTextDatum(about->ruling), CStringGetTextDatum(about->reason),
		TimestampTzGetDatum(nurture_now_wall()), CStringGetTextDatum(about->actor),
	PointerGetDatum(messages)};

	(void) nurture_execute(&close_case, values, messages ? NULL : "      n", false);
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BAD_STATE),
				 errmsg("review " INT64_FORMAT " was closed meanwhile", about->review_id),
				 errhint("nurture.review tells what was ruled.")));
}

/* Splits "channel:purpose". */
static void
split_scope(const Case *about, char **channel, char **purpose)
{
	char	   *colon = strchr(about->scope, ':');

	if (colon == NULL)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BAD_STATE),
				 errmsg("review " INT64_FORMAT " does not say which consent it is about", about->review_id),
				 errhint("Record the consent with nurture_consent, then rule allow.")));
	*channel = pnstrdup(about->scope, colon - about->scope);
	*purpose = colon + 1;
}

/* Decides about the held messages again, when the case is closed. */
static int64
send_again(const Case *about, bool allow)
{
	Datum		values[2] = {Int64GetDatum(about->lead_id), CStringGetTextDatum(about->scope)};
	Datum	   *ids;
	int64		n;
	bool		null;

	nurture_gate_lock(about->lead_id);
	(void) nurture_execute(&find_held, values, NULL, false);
	n = SPI_processed;
	ids = palloc(sizeof(Datum) * Max(n, 1));
	for (int64 i = 0; i < n; i++)
		ids[i] = nurture_cell(i, 1, &null);
	close_review(about, allow ? construct_array(ids, n, INT8OID, 8, true, TYPALIGN_DOUBLE) : NULL);
	for (int64 i = 0; i < n; i++)
		(void) nurture_gate_again(about->lead_id, DatumGetInt64(ids[i]), 0, "ruling", about->reason);
	return n;
}

static int64
allow_messages(const Case *about)
{
	return send_again(about, true);
}

static void
record_consent(const Case *about, const char *kind, const char *channel,
			   const char *purpose, Datum occurred_at, bool no_time)
{
	Datum		values[7] = {Int64GetDatum(about->lead_id), CStringGetTextDatum(kind),
		CStringGetTextDatum(channel), CStringGetTextDatum(purpose),
	Int64GetDatum(about->review_id), occurred_at, CStringGetTextDatum(about->actor)};

	(void) nurture_execute(&say_consent, values, no_time ? "     n " : NULL, false);
}

/* The person found that the lead consents: that is recorded, and counts. */
static int64
grant_consent(const Case *about)
{
	char	   *channel;
	char	   *purpose;

	split_scope(about, &channel, &purpose);
	record_consent(about, "given", channel, purpose, (Datum) 0, true);
	return send_again(about, false);
}

/* The person found that the lead does not want it: what waits is cancelled. */
static int64
deny_consent(const Case *about)
{
	char	   *channel;
	char	   *purpose;
	int64		before = nurture_cancelled_messages;

	split_scope(about, &channel, &purpose);
	record_consent(about, "refused", channel, purpose, (Datum) 0, true);
	close_review(about, NULL);
	return nurture_cancelled_messages - before;
}

static int64
refuse_messages(const Case *about)
{
	static const char *const reasons[] = {"ruled_out"};
	Datum		values[2] = {Int64GetDatum(about->lead_id), CStringGetTextDatum(about->scope)};
	AuditEntry *entries;
	int64		n;
	bool		null;

	nurture_gate_lock(about->lead_id);
	nurture_message_write(&refuse_held, values, NULL);
	n = SPI_processed;
	nurture_gate_epoch++;
	entries = palloc0(sizeof(AuditEntry) * Max(n, 1));
	for (int64 i = 0; i < n; i++)
	{
		entries[i].has_lead = true;
		entries[i].lead_id = about->lead_id;
		entries[i].kind = "cancel";
		entries[i].object = psprintf("message:" INT64_FORMAT, DatumGetInt64(nurture_cell(i, 1, &null)));
		entries[i].outcome = "refused";
		entries[i].reasons = reasons;
		entries[i].nreasons = 1;
		entries[i].inputs = psprintf("review:" INT64_FORMAT, about->review_id);
		entries[i].reason = about->reason;
		entries[i].actor = about->actor;
	}
	if (n > 0)
		nurture_audit_append(entries, n);
	close_review(about, NULL);
	return n;
}

/* Two leads are one: the one that was there first stands for both. */
static int64
same_person(const Case *about)
{
	JsonbValue	other;
	Datum		values[4] = {0};

	if (about->evidence == NULL ||
		getKeyJsonValueFromContainer(&about->evidence->root, "lead_id", strlen("lead_id"), &other) == NULL ||
		other.type != jbvNumeric)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BAD_STATE),
				 errmsg("review " INT64_FORMAT " does not name the other lead", about->review_id),
				 errhint("Merge them with nurture_merge, then rule different.")));
	values[0] = DirectFunctionCall1(numeric_int8, NumericGetDatum(other.val.numeric));
	values[1] = Int64GetDatum(about->lead_id);
	values[2] = CStringGetTextDatum(about->reason);
	values[3] = CStringGetTextDatum(about->actor);
	close_review(about, NULL);
	(void) nurture_execute(&merge_leads, values, NULL, false);
	return 1;
}

/* Writes what a form said over what is known. */
static void
write_answer(const Case *about, const char *column, Datum fact, Datum event_id)
{
	Datum		empty = DirectFunctionCall1(jsonb_in, CStringGetDatum("{}"));
	Datum		values[3] = {Int64GetDatum(about->lead_id), column ? fact : empty, column ? empty : fact};
	FactCause	cause = {about->lead_id, DatumGetInt64(event_id), about->reason, about->actor};
	FactCauses	because = {&cause, 1};
	const FactCauses *outer = nurture_history_because(&because);

	(void) nurture_execute(&write_fact, values, NULL, false);
	(void) nurture_history_because(outer);
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_LEAD),
				 errmsg("there is no lead " INT64_FORMAT, about->lead_id),
				 errhint("It was merged or erased; rule keep.")));
}

/* The answer that contradicted what is known becomes the fact. */
static int64
accept_answer(const Case *about)
{
	const char *dot = strchr(about->scope, '.');
	const char *key = dot ? dot + 1 : about->scope;
	Datum		values[2];
	Datum		fact;
	Datum		said_at;
	Datum		event_id;
	Datum		source[4];
	char	   *text;
	bool		null = true;
	bool		no_time = true;

	if (about->evidence != NULL && dot != NULL)
	{
		values[0] = JsonbPGetDatum(about->evidence);
		values[1] = CStringGetTextDatum(key);
		(void) nurture_execute(&read_answer, values, NULL, false);
		null = SPI_processed == 0;
	}
	if (null)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BAD_STATE),
				 errmsg("review " INT64_FORMAT " holds no answer", about->review_id),
				 errhint("Write the fact, then rule keep.")));
	text = JsonbToCString(NULL, &DatumGetJsonbP(nurture_cell(0, 1, &null))->root, 64);

	said_at = nurture_cell(0, 2, &no_time);
	event_id = nurture_cell(0, 3, &null);
	fact = JsonbPGetDatum(DatumGetJsonbPCopy(nurture_cell(0, 4, &null)));
	if (strcmp(text, "\"longer than a review shows; see the event\"") == 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BAD_STATE),
				 errmsg("the answer is longer than review " INT64_FORMAT " shows", about->review_id),
				 errhint("Write the fact from the event, then rule keep.")));
	if (strncmp(about->scope, "consent.", strlen("consent.")) == 0)
	{
		char	   *channel = pstrdup(key);
		char	   *purpose = strchr(channel, '.');

		if (purpose != NULL)
			*purpose++ = '\0';
		record_consent(about, "given", channel, purpose ? purpose : "marketing", said_at, no_time);
	}
	else
	{
		write_answer(about, strncmp(about->scope, "lead.", strlen("lead.")) == 0 ? key : NULL, fact, event_id);
		source[0] = Int64GetDatum(about->lead_id);
		source[1] = CStringGetTextDatum(about->scope);
		source[2] = said_at;
		source[3] = event_id;
		(void) nurture_execute(&write_source, source, no_time ? "  n " : NULL, false);
	}
	close_review(about, NULL);
	return 1;
}

static int64
nothing(const Case *about)
{
	close_review(about, NULL);
	return 0;
}

/* Tells whether a person let a message go that waited for a ruling. */
bool
nurture_review_allows(int64 lead_id, int64 message_id)
{
	Datum		values[2] = {Int64GetDatum(lead_id), Int64GetDatum(message_id)};

	(void) nurture_execute(&find_allowed, values, NULL, false);
	return SPI_processed > 0;
}

/* Raises unless the caller may rule. */
static void
check_right(void)
{
	if (pg_class_aclcheck(nurture_table_oid("review", false), GetUserId(),
						  ACL_UPDATE) != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to rule about reviews"),
				 errhint("It needs the right to UPDATE nurture.review.")));
}

/* Reads the case that is to be ruled, which must be open. */
static void
read_case(Case *about)
{
	Datum		value = Int64GetDatum(about->review_id);
	bool		null;
	char	   *ruled;

	(void) nurture_execute_latest(&find_case, &value, NULL, false);
	if (SPI_processed > 0)
		about->lead_id = DatumGetInt64(nurture_cell(0, 1, &null));
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("there is no review " INT64_FORMAT, about->review_id),
				 errhint("nurture_bi.review_queue lists those that are open.")));
	about->bucket = nurture_cell_text(0, 2);
	about->scope = nurture_cell_text(0, 3);
	ruled = nurture_cell_text(0, 5);
	if (strcmp(nurture_cell_text(0, 4), "open") != 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BAD_STATE),
				 errmsg("review " INT64_FORMAT " is closed", about->review_id),
				 errhint("It was ruled %s.", ruled ? ruled : "nothing")));
	value = nurture_cell(0, 6, &null);
	about->evidence = null ? NULL : DatumGetJsonbPCopy(value);
}

/*
 * nurture_rule(review_id bigint, ruling text, reason text, actor text) returns
 * bigint: how many messages were decided, facts written or leads merged.
 */
Datum
nurture_rule(PG_FUNCTION_ARGS)
{
	Case		about = {0};
	OwnerSwitch owner;
	int			level;
	int64		n = 0;
	int			i = 0;

	for (int arg = 0; arg < 3; arg++)
	{
		if (PG_ARGISNULL(arg))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("review, ruling and reason must be given"),
					 errhint("nurture_bi.review_queue tells which rulings a review takes.")));
	}
	check_right();
	about.review_id = PG_GETARG_INT64(0);
	about.ruling = text_to_cstring(PG_GETARG_TEXT_PP(1));
	about.reason = text_to_cstring(PG_GETARG_TEXT_PP(2));
	about.actor = nurture_actor(PG_ARGISNULL(3) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(3)));
	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	read_case(&about);
	nurture_owner_leave(&owner);
	if (nurture_lead_hidden(about.lead_id))
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("there is no review " INT64_FORMAT, about.review_id),
				 errhint("nurture_bi.review_queue lists those that are open.")));
	nurture_owner_enter(&owner);
	while (i < lengthof(rulings) &&
		   (strcmp(rulings[i].bucket, about.bucket) != 0 ||
			strcmp(rulings[i].ruling, about.ruling) != 0))
		i++;
	if (i == lengthof(rulings))
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("unknown ruling \"%.64s\" for a review of bucket %s", about.ruling, about.bucket),
				 errhint("Rulings are %s.", rulings_of(about.bucket))));
	n = rulings[i].act(&about);
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
	/* a route waited for it */
	if (strncmp(about.scope, "route:", strlen("route:")) == 0)
		nurture_standing_decide(&about.lead_id, 1, "ruling");
	PG_RETURN_INT64(n);
}

/*
 * Trigger of nurture.review, after each row: that a case was opened, and what
 * was ruled, is on record.
 */
Datum
nurture_review_record(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_review_record");
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	bool		opened = TRIGGER_FIRED_BY_INSERT(data->tg_event);
	HeapTuple	row = opened ? data->tg_trigtuple : data->tg_newtuple;
	AuditEntry	entry = {0};
	const char *ruling;
	bool		null;

	if (!nurture_deriving())
		return PointerGetDatum(NULL);
#define COLUMN(of, name) SPI_getvalue(of, desc, SPI_fnumber(desc, name))
	if (!opened && (strcmp(COLUMN(data->tg_trigtuple, "state"), "open") != 0 ||
					strcmp(COLUMN(row, "state"), "open") == 0))
		return PointerGetDatum(NULL);
	ruling = COLUMN(row, "ruling");
	entry.has_lead = true;
	entry.lead_id = DatumGetInt64(SPI_getbinval(row, desc, SPI_fnumber(desc, "lead_id"), &null));
	entry.kind = "review";
	entry.object = psprintf("review:%s", COLUMN(row, "review_id"));
	entry.outcome = opened ? "opened" : "closed";
	entry.inputs = psprintf("bucket %s, scope %s", COLUMN(row, "bucket"), COLUMN(row, "scope"));
	if (!opened && ruling != NULL)
	{
		entry.reasons = &ruling;
		entry.nreasons = 1;
	}
	entry.reason = COLUMN(row, "reason");
	if (!opened)
		entry.actor = COLUMN(row, "closed_by");
#undef COLUMN
	nurture_audit_append(&entry, 1);
	return PointerGetDatum(NULL);
}
