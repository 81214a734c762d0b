/*
 * identity.c
 *	  Identifiers of leads: their kinds, their one written form, their owner.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "base/errors.h"
#include "base/plans.h"
#include "base/trigger.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "facts/identity.h"
#include "facts/lead.h"
#include "gate/gate.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/rel.h"

NURTURE_FUNCTION(nurture_resolve);
NURTURE_FUNCTION(nurture_identity_write);

/* advisory locks: one per key, and one per side for many keys at once */
#define KEY_LOCK_CLASS	0x6E757276
#define SIDE_LOCK_CLASS 0x6E757277
#define MAX_KEY_LOCKS	64		/* more would fill the lock table */
#define SIDE_WAITING	0
#define SIDE_OWNING		1

void		(*nurture_identity_appeared) (const char *const *keys, int n) = NULL;

static const char *const kinds[] = {
	"email", "phone", "professional_number", "crm_id", "cookie"
};

/* merged leads lead to their survivor, however often it was merged itself */
static KeptPlan resolve = KEPT_PLAN(
									"WITH RECURSIVE up AS ("
									" SELECT l.lead_id, l.merged_into, 0 AS depth FROM nurture.identity i"
									" JOIN nurture.lead l ON l.lead_id = i.lead_id WHERE i.kind = $1 AND i.value = $2"
									" UNION ALL"
									" SELECT l.lead_id, l.merged_into, up.depth + 1"
									" FROM up JOIN nurture.lead l ON l.lead_id = up.merged_into WHERE up.depth < 64)"
									" SELECT lead_id FROM up WHERE merged_into IS NULL"
									" UNION ALL SELECT @extschema@.nurture_lead_id($2)"
									" WHERE $1 = 'crm_id' AND NOT EXISTS (SELECT FROM up) LIMIT 1",
									TEXTOID, TEXTOID);

/* Returns the code of a kind as a constant. */
const char *
nurture_identity_kind(const char *kind, size_t len)
{
	for (int i = 0; i < lengthof(kinds); i++)
	{
		if (strlen(kinds[i]) == len && memcmp(kinds[i], kind, len) == 0)
			return kinds[i];
	}
	return NULL;
}

/*
 * Returns a phone number as E.164 has it, + and 7 to 15 digits; NULL when the
 * number does not say its country: which one is meant is not guessed.
 */
static char *
e164(const char *phone)
{
	bool		complete;
	char	   *digits = nurture_gate_normal_phone(phone, NULL, &complete);

	return complete ? digits : NULL;
}

/* Returns a number without what people put between its parts, upper case. */
static char *
professional_number(const char *number)
{
	char	   *normal = palloc(strlen(number) + 1);
	char	   *to = normal;

	for (const char *p = number; *p; p++)
	{
		if (*p == ' ' || *p == '-' || *p == '.' || *p == '/' ||
			(*p >= '\t' && *p <= '\r'))
			continue;
		*to++ = *p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p;
	}
	*to = '\0';
	return normal;
}

/* Returns a value in its normal form; NULL when it is none of its kind. */
char	   *
nurture_identity_normal(const char *kind, const char *value,
						const char **problem)
{
	char	   *normal;

	*problem = NULL;
	if (strlen(value) > IDENTITY_MAX_VALUE)
	{
		*problem = "is longer than 1000 bytes";
		return NULL;
	}
	if (strcmp(kind, "email") == 0)
	{
		normal = nurture_gate_normal_email(value);
		if (normal == NULL)
			*problem = "is no e-mail address";
	}
	else if (strcmp(kind, "phone") == 0)
	{
		normal = e164(value);
		if (normal == NULL)
			*problem = "is no phone number with its country code";
	}
	else
	{
		normal = strcmp(kind, "professional_number") == 0 ?
			professional_number(value) : pstrdup(value);
		if (normal[0] == '\0')
		{
			*problem = "is empty";
			normal = NULL;
		}
	}
	return normal;
}

/* Returns the key of a value in its normal form. */
char	   *
nurture_identity_key(const char *kind, const char *normal)
{
	return psprintf("%s:%s", kind, normal);
}

static void
lock_one(uint32 class, uint32 number, LOCKMODE mode)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, class, number, 2);
	(void) LockAcquire(&tag, mode, false, false);
}

static int
compare_hashes(const void *a, const void *b)
{
	uint32		x = *(const uint32 *) a;
	uint32		y = *(const uint32 *) b;

	return (x > y) - (x < y);
}

/*
 * Keeps the two sides apart.
 *
 * The two lock modes used per key conflict with each other, not with
 * themselves.  A statement about many keys locks the other side as a whole
 * instead, which is why every statement shows that its own side is there.
 */
void
nurture_identity_lock(const char *const *keys, int n, bool waiting)
{
	bool		many = n > MAX_KEY_LOCKS;
	uint32		hashes[MAX_KEY_LOCKS];

	if (n == 0)
		return;
	/* always in this order */
	if (waiting || many)
		lock_one(SIDE_LOCK_CLASS, SIDE_WAITING,
				 waiting ? RowExclusiveLock : ShareLock);
	if (!waiting || many)
		lock_one(SIDE_LOCK_CLASS, SIDE_OWNING,
				 waiting ? ShareLock : RowExclusiveLock);
	if (many)
		return;
	for (int i = 0; i < n; i++)
		hashes[i] = hash_bytes((const unsigned char *) keys[i], strlen(keys[i]));
	qsort(hashes, n, sizeof(uint32), compare_hashes);
	for (int i = 0; i < n; i++)
	{
		if (i == 0 || hashes[i] != hashes[i - 1])
			lock_one(KEY_LOCK_CLASS, hashes[i],
					 waiting ? ShareLock : RowExclusiveLock);
	}
}

static void
unknown_kind(const char *kind)
{
	ereport(ERROR,
			(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
			 errmsg("unknown kind of identity \"%.64s\"", kind),
			 errhint("Kinds are %s.", IDENTITY_KINDS_TEXT)));
}

/*
 * nurture_resolve(kind text, value text) returns bigint
 *
 * The lead that owns an identifier, its survivor when it was merged; NULL
 * when nobody does, also for what is no value of the kind.
 */
Datum
nurture_resolve(PG_FUNCTION_ARGS)
{
	text	   *kind = PG_GETARG_TEXT_PP(0);
	const char *code = nurture_identity_kind(VARDATA_ANY(kind), VARSIZE_ANY_EXHDR(kind));
	const char *problem;
	char	   *normal;
	Datum		values[2];
	int			level;

	if (code == NULL)
		unknown_kind(text_to_cstring(kind));
	normal = nurture_identity_normal(code, text_to_cstring(PG_GETARG_TEXT_PP(1)),
									 &problem);
	if (normal == NULL)
		PG_RETURN_NULL();
	values[0] = CStringGetTextDatum(code);
	values[1] = CStringGetTextDatum(normal);
	level = nurture_spi_connect();
	(void) nurture_execute(&resolve, values, NULL, true);
	return nurture_lead_answer(fcinfo, level);
}

/*
 * nurture_identity_write() returns trigger
 *
 * Before each row: the value takes its normal form.
 */
Datum
nurture_identity_write(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_identity_write");
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	HeapTuple	row;
	int			kind_column = SPI_fnumber(desc, "kind");
	int			value_column = SPI_fnumber(desc, "value");
	const char *problem;
	char	   *kind;
	char	   *value;
	char	   *normal;
	Datum		datum;
	bool		isnull = false;

	row = nurture_trigger_before_row(data, "nurture_identity_write");
	if (!nurture_deriving())
		return PointerGetDatum(row);
	kind = SPI_getvalue(row, desc, kind_column);
	value = SPI_getvalue(row, desc, value_column);
	if (kind == NULL || value == NULL)
		return PointerGetDatum(row);	/* the table refuses it */
	if (nurture_identity_kind(kind, strlen(kind)) == NULL)
		unknown_kind(kind);
	normal = nurture_identity_normal(kind, value, &problem);
	if (normal == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("value of the identity of kind \"%s\" %s", kind, problem),
				 strcmp(kind, "phone") == 0 ?
				 errhint("Write it with + and the country code, such as +4930123456.") : 0));
	if (strcmp(normal, value) == 0)
		return PointerGetDatum(row);
	datum = CStringGetTextDatum(normal);
	return PointerGetDatum(heap_modify_tuple_by_cols(row, desc, 1, &value_column,
													 &datum, &isnull));
}
