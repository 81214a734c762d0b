/*
 * address.c
 *	  Contact points in one form, and their keyed hashes.
 */
#include "base/compat.h"

#include "common/hmac.h"
#include "common/sha2.h"
#include "gate/gate_private.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/builtins.h"

#define ADDRESS_LOCK_CLASS 0x6E757274	/* "nurt", of advisory locks */
#define ADDRESS_LOCKS	64

NURTURE_FUNCTION(nurture_normal_email);
NURTURE_FUNCTION(nurture_normal_phone);

/*
 * Returns an e-mail address without blanks around it and in lower case (ASCII
 * letters only: nothing here depends on a locale), NULL when it has no local
 * part or no domain.  The local part is folded as well: of two addresses that
 * differ in case alone, both are suppressed.
 */
char	   *
nurture_gate_normal_email(const char *email)
{
	const char *begin = email;
	const char *end;
	const char *at;
	char	   *normal;

	if (email == NULL)
		return NULL;
	while (*begin == ' ' || (*begin >= '\t' && *begin <= '\r'))
		begin++;
	end = begin + strlen(begin);
	while (end > begin && (end[-1] == ' ' || (end[-1] >= '\t' && end[-1] <= '\r')))
		end--;
	at = end;
	while (at > begin && at[-1] != '@')
		at--;
	/* at is behind the last @ */
	if (at <= begin + 1 || at == end)
		return NULL;
	normal = pnstrdup(begin, end - begin);
	for (char *p = normal; *p; p++)
	{
		if (*p >= 'A' && *p <= 'Z')
			*p += 'a' - 'A';
	}
	return normal;
}

/*
 * Returns the digits of a phone number, behind a + when it had one; NULL when
 * there are none.
 */
char	   *
nurture_gate_normal_phone(const char *phone)
{
	char	   *normal;
	char	   *to;
	int			digits = 0;

	if (phone == NULL)
		return NULL;
	normal = palloc(strlen(phone) + 1);
	to = normal;
	for (const char *p = phone; *p; p++)
	{
		if (*p >= '0' && *p <= '9')
		{
			*to++ = *p;
			digits++;
		}
		else if (*p == '+' && to == normal)
			*to++ = '+';
	}
	*to = '\0';
	return digits > 0 ? normal : NULL;
}

/* Makes HMAC-SHA-256 of scope, 0x00 and value, with the pepper. */
void
nurture_gate_hash(const GateRules *rules, const char *scope,
				  const char *value, uint8 *hash)
{
	pg_hmac_ctx *hmac = pg_hmac_create(PG_SHA256);

	if (hmac == NULL ||
		pg_hmac_init(hmac, rules->pepper, rules->pepper_len) < 0 ||
		pg_hmac_update(hmac, (const uint8 *) scope, strlen(scope) + 1) < 0 ||
		pg_hmac_update(hmac, (const uint8 *) value, strlen(value)) < 0 ||
		pg_hmac_final(hmac, hash, GATE_HASH_LEN) < 0)
		elog(ERROR, "could not hash a contact point");
	pg_hmac_free(hmac);
}

/* Returns a hash as bytea. */
Datum
nurture_gate_hash_datum(const uint8 *hash)
{
	bytea	   *result = palloc(VARHDRSZ + GATE_HASH_LEN);

	SET_VARSIZE(result, VARHDRSZ + GATE_HASH_LEN);
	memcpy(VARDATA(result), hash, GATE_HASH_LEN);
	return PointerGetDatum(result);
}

/*
 * Keeps the suppression of an address, and a message that its lead's new
 * address is used for before it is committed, apart until the transaction
 * ends: whoever suppresses it would not find the lead.  Few locks for all
 * addresses, so that a bulk load does not fill the lock table.
 */
void
nurture_gate_lock_address(const uint8 *hash, bool suppressing)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, ADDRESS_LOCK_CLASS,
						 hash[0] % ADDRESS_LOCKS, 2);
	(void) LockAcquire(&tag, suppressing ? ExclusiveLock : ShareLock, false,
					   false);
}

/* nurture_normal_email(email text) returns text */
Datum
nurture_normal_email(PG_FUNCTION_ARGS)
{
	char	   *normal =
	nurture_gate_normal_email(text_to_cstring(PG_GETARG_TEXT_PP(0)));

	if (normal == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(normal));
}

/* nurture_normal_phone(phone text) returns text */
Datum
nurture_normal_phone(PG_FUNCTION_ARGS)
{
	char	   *normal =
	nurture_gate_normal_phone(text_to_cstring(PG_GETARG_TEXT_PP(0)));

	if (normal == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(normal));
}
