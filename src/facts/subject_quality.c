/*
 * subject_quality.c
 *	  What is wrong with the facts of a lead, as facts of their own.
 *
 * Conditions ask them like others, {"fact": "quality.region", "op": "=",
 * "value": "ok"}; so each tier asks for as much as its rows say.  A fact that
 * is not known is no fault here: that it is missing is asked by itself.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/read.h"
#include "base/rulecache.h"
#include "catalog/pg_type.h"
#include "core/email.h"
#include "core/phone.h"
#include "core/place.h"
#include "facts/subject_private.h"
#include "facts/subject_quality.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

static const char *const quality_facts[] = {
	[QUALITY_ADDRESS] = "quality.address",
	[QUALITY_COUNTRY] = "quality.country",
	[QUALITY_REGION] = "quality.region",
	[QUALITY_ROLE] = "quality.role",
	[QUALITY_DUPLICATE] = "quality.duplicate",
};

StaticAssertDecl(lengthof(quality_facts) == QUALITY_FACTS, "a name for each");

/* A row of nurture.role. */
typedef struct RoleRow
{
	const char *role;
	const char **audience_types;	/* NULL = all */
	int			naudience_types;
	bool		any_specialty;
	const char **specialties;
	int			nspecialties;
} RoleRow;

typedef struct Roles
{
	int			n;
	RoleRow    *rows;
} Roles;

enum
{
	LEAD_EMAIL, LEAD_PHONE, LEAD_COUNTRY
};

static KeptRead read_lead = {
	"lead", {{"lead_id", INT8OID}}, {
		[LEAD_EMAIL] = {"email", TEXTOID},
		[LEAD_PHONE] = {"phone", TEXTOID},
		[LEAD_COUNTRY] = {"country", TEXTOID}
	}
};

enum
{
	REVIEW_BUCKET, REVIEW_OPENED_AT, REVIEW_CLOSED_AT
};

static KeptRead read_review = {
	"review", {{"lead_id", INT8OID}}, {
		[REVIEW_BUCKET] = {"bucket", TEXTOID},
		[REVIEW_OPENED_AT] = {"opened_at", TIMESTAMPTZOID},
		[REVIEW_CLOSED_AT] = {"closed_at", TIMESTAMPTZOID}
	}
};

static KeptPlan read_roles =
KEPT_PLAN0("SELECT role, CASE WHEN NOT '*' = ANY (audience_types) THEN audience_types END, specialties FROM nurture.role");

static void *load_roles(Snapshot snapshot);

static RuleCache roles_cache = {"roles", {"role"}, load_roles};

static void *
load_roles(Snapshot snapshot)
{
	MemoryContext context = CurrentMemoryContext;
	Roles	   *result = palloc0(sizeof(Roles));

	nurture_execute_snapshot(&read_roles, NULL, NULL, snapshot);
	MemoryContextSwitchTo(context);
	result->n = (int) SPI_processed;
	result->rows = palloc0(Max(result->n, 1) * sizeof(RoleRow));
	for (int i = 0; i < result->n; i++)
	{
		RoleRow    *row = &result->rows[i];

		row->role = nurture_cell_text(i, 1);
		row->audience_types = nurture_cell_strings(i, 2, &row->naudience_types);
		row->specialties = nurture_cell_strings(i, 3, &row->nspecialties);
		row->any_specialty = row->specialties == NULL;
	}
	return result;
}

/* Makes the cache known; once per backend. */
void
nurture_subject_quality_init(void)
{
	nurture_rulecache_register(&roles_cache);
}

/* Returns the number of a fact in this file, -1 when it has none. */
int
nurture_subject_quality_fact(const char *name, size_t len)
{
	for (int i = 0; i < QUALITY_FACTS; i++)
	{
		if (strlen(quality_facts[i]) == len && memcmp(quality_facts[i], name, len) == 0)
			return i;
	}
	return -1;
}

/* Visits the names of these facts. */
void
nurture_subject_each_quality(CondNameVisit visit, void *arg)
{
	for (int i = 0; i < QUALITY_FACTS; i++)
		visit(arg, quality_facts[i], strlen(quality_facts[i]));
}

/* Returns the columns that a fact is made of. */
uint64
nurture_subject_quality_mask(int fact)
{
#define COLUMN(column) (UINT64CONST(1) << (column))
	switch (fact)
	{
		case QUALITY_COUNTRY:
		case QUALITY_REGION:
			return COLUMN(SUBJECT_COUNTRY) | COLUMN(SUBJECT_REGION);
		case QUALITY_ROLE:
			return COLUMN(SUBJECT_ROLE) | COLUMN(SUBJECT_AUDIENCE_TYPE) | COLUMN(SUBJECT_SPECIALTY);
		case QUALITY_ADDRESS:
			return COLUMN(SUBJECT_EMAIL_KNOWN) | COLUMN(SUBJECT_PHONE_KNOWN);
	}
	return 0;
#undef COLUMN
}

static bool
listed(const char **words, int n, const char *word)
{
	for (int i = 0; i < n; i++)
	{
		if (strcmp(words[i], word) == 0)
			return true;
	}
	return false;
}

static NurturePlace
place_of(const Subject *subject)
{
	const char *country = nurture_subject_text(subject, SUBJECT_COUNTRY);
	const char *region = nurture_subject_text(subject, SUBJECT_REGION);

	return nurture_place_check(country, country ? strlen(country) : 0,
							   region, region ? strlen(region) : 0);
}

/* Holds the role against audience and specialty. */
static const char *
role_quality(const Subject *subject)
{
	const Roles *roles = nurture_rulecache_get(&roles_cache);
	const char *role = nurture_subject_text(subject, SUBJECT_ROLE);
	const char *audience = nurture_subject_text(subject, SUBJECT_AUDIENCE_TYPE);
	const char *specialty = nurture_subject_text(subject, SUBJECT_SPECIALTY);

	for (int i = 0; role != NULL && i < roles->n; i++)
	{
		const RoleRow *row = &roles->rows[i];

		if (strcmp(row->role, role) != 0)
			continue;
		if (audience != NULL && strcmp(audience, "unknown") != 0 && row->audience_types != NULL &&
			!listed(row->audience_types, row->naudience_types, audience))
			return "contradicts_audience";
		if (specialty != NULL && !row->any_specialty &&
			!listed(row->specialties, row->nspecialties, specialty))
			return "contradicts_specialty";
	}
	return "ok";
}

/* Takes the snapshot that rows of the lead are read with. */
static Snapshot
push_snapshot(const Subject *subject)
{
	if (subject->fresh)
	{
		CommandCounterIncrement();
		PushActiveSnapshot(GetTransactionSnapshot());
	}
	else
		PushActiveSnapshot(GetActiveSnapshot());
	return GetActiveSnapshot();
}

/*
 * Looks at the addresses: one that can be written to or called is enough.  Of
 * the past is known that there were some.
 */
static const char *
address_quality(const Subject *subject)
{
	bool		known = (!subject->nulls[SUBJECT_EMAIL_KNOWN] && DatumGetBool(subject->values[SUBJECT_EMAIL_KNOWN])) ||
	(!subject->nulls[SUBJECT_PHONE_KNOWN] && DatumGetBool(subject->values[SUBJECT_PHONE_KNOWN]));
	Datum		key = Int64GetDatum(subject->lead_id);
	const char *result = "ok";
	OwnerSwitch save;
	RowRead		read;

	if (!known)
		return "missing";
	if (subject->past)
		return result;
	nurture_owner_enter(&save);
	nurture_read_open(&read, &read_lead, push_snapshot(subject));
	nurture_read_find(&read, &key);
	if (nurture_read_next(&read))
	{
		char	   *email = nurture_read_text(&read, LEAD_EMAIL);
		char	   *phone = nurture_read_text(&read, LEAD_PHONE);
		char	   *country = nurture_read_text(&read, LEAD_COUNTRY);
		char		normal[NURTURE_EMAIL_NORMAL];
		char		number[NURTURE_PHONE_NORMAL];
		size_t		domain;

		/*
		 * What RFC 5321 has is an address, though nothing is sent to some;
		 * digits of a country that is not known may be a number.
		 */
		if ((email == NULL || nurture_email_read(email, strlen(email), normal, &domain) > EMAIL_RFC5321) &&
			(phone == NULL || (!nurture_phone_read(phone, country, number) &&
							   (country != NULL || number[0] == '\0'))))
			result = "invalid";
	}
	nurture_read_close(&read);
	PopActiveSnapshot();
	nurture_owner_leave(&save);
	return result;
}

/* Tells whether a person has yet to say if the lead is another one. */
static const char *
duplicate_quality(const Subject *subject)
{
	Datum		key = Int64GetDatum(subject->lead_id);
	const char *result = "ok";
	OwnerSwitch save;
	RowRead		read;

	nurture_owner_enter(&save);
	nurture_read_open(&read, &read_review, push_snapshot(subject));
	nurture_read_find(&read, &key);
	while (nurture_read_next(&read))
	{
		bool		open;
		bool		isnull;
		TimestampTz opened = DatumGetTimestampTz(nurture_read_cell(&read, REVIEW_OPENED_AT, &isnull));
		TimestampTz closed = DatumGetTimestampTz(nurture_read_cell(&read, REVIEW_CLOSED_AT, &open));

		if (opened <= subject->now && (open || closed > subject->now) &&
			nurture_read_is(&read, REVIEW_BUCKET, "identity"))
			result = "candidate";
	}
	nurture_read_close(&read);
	PopActiveSnapshot();
	nurture_owner_leave(&save);
	return result;
}

/* Fills *out, which begins as unknown, with one of these facts. */
void
nurture_subject_quality(const Subject *subject, int fact, CondValue *out)
{
	const char *value = NULL;

	if (subject->of_account)
		return;
	switch (fact)
	{
		case QUALITY_ADDRESS:
			value = address_quality(subject);
			break;
		case QUALITY_COUNTRY:
			value = place_of(subject) == PLACE_NO_COUNTRY ? "invalid" : "ok";
			break;
		case QUALITY_REGION:
			{
				NurturePlace place = place_of(subject);

				value = place == PLACE_NO_REGION ? "invalid" : place == PLACE_ELSEWHERE ? "elsewhere" : "ok";
				break;
			}
		case QUALITY_ROLE:
			value = role_quality(subject);
			break;
		case QUALITY_DUPLICATE:
			value = duplicate_quality(subject);
			break;
	}
	if (value == NULL)
		return;
	out->kind = COND_VALUE_TEXT;
	out->text.ptr = value;
	out->text.len = strlen(value);
}
