/*
 * address.c
 *	  Contact points in one form, their keyed hashes, and the locks that keep
 *	  their suppression apart from leads that come to have them.
 */
#include "base/compat.h"

#include "common/hashfn.h"
#include "base/sha256.h"
#include "core/email.h"
#include "core/phone.h"
#include "gate/contact_point.h"
#include "gate/gate_private.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/builtins.h"

#define ADDRESS_LOCK_CLASS 0x6E757274	/* "nurt", of advisory locks */
#define ADDRESS_LOCKS	64

NURTURE_FUNCTION(nurture_normal_email);
NURTURE_FUNCTION(nurture_normal_phone);
NURTURE_FUNCTION(nurture_email_kind);

/* Reads an e-mail address without the blanks around it. */
static EmailKind
read_email(const char *email, char *normal, size_t *domain)
{
	size_t		len;

	while (*email == ' ' || *email == '\t')
		email++;
	len = strlen(email);
	while (len > 0 && (email[len - 1] == ' ' || email[len - 1] == '\t'))
		len--;
	return nurture_email_read(email, len, normal, domain);
}

/* Returns an e-mail address as it compares; NULL when it is none. */
char	   *
nurture_gate_normal_email(const char *email)
{
	char		normal[NURTURE_EMAIL_NORMAL];
	size_t		domain;

	if (email == NULL || read_email(email, normal, &domain) == EMAIL_ERR)
		return NULL;
	return pstrdup(normal);
}

/* Returns a domain as it compares; NULL when it is none. */
char	   *
nurture_gate_normal_domain(const char *domain)
{
	char		normal[NURTURE_EMAIL_NORMAL];

	if (nurture_domain_read(domain, strlen(domain), normal) != EMAIL_VALID)
		return NULL;
	return pstrdup(normal);
}

/*
 * Returns a phone number as it compares; NULL when it is none.  *e164 tells
 * whether it is one of E.164, which may be called.
 */
char	   *
nurture_gate_normal_phone(const char *phone, const char *country, bool *e164)
{
	char		normal[NURTURE_PHONE_NORMAL];

	*e164 = false;
	if (phone == NULL)
		return NULL;
	*e164 = nurture_phone_read(phone, country, normal);
	return normal[0] != '\0' ? pstrdup(normal) : NULL;
}

/* Reads the contact point of a kind; see contact_point.h. */
void
nurture_contact_read(ContactKind kind, const char *email, const char *phone,
					 const char *country, ContactPoint *point)
{
	memset(point, 0, sizeof(*point));
	if (kind == CONTACT_EMAIL && email != NULL)
	{
		char		normal[NURTURE_EMAIL_NORMAL];
		size_t		domain;
		EmailKind	read = read_email(email, normal, &domain);

		point->known = email[strspn(email, " \t")] != '\0';
		if (read != EMAIL_ERR)
		{
			point->address = pstrdup(normal);
			point->domain = point->address + domain;
		}
		if (point->known && read != EMAIL_VALID)
			point->fault = nurture_email_kind_name(read);
	}
	else if (kind == CONTACT_PHONE && phone != NULL)
	{
		bool		e164;

		point->address = nurture_gate_normal_phone(phone, country, &e164);
		point->known = phone[strspn(phone, " \t")] != '\0';
		if (point->known && !e164)
			point->fault = "not_e164";
	}
}

/*
 * Makes HMAC-SHA-256 of scope, 0x00 and value, with the pepper.
 */
void
nurture_gate_hash(const GateRules *rules, const char *scope,
				  const char *value, uint8 *hash)
{
	Sha256		sha;

	nurture_sha256_open(&sha);
	nurture_hmac_sha256(&sha, rules->pepper, rules->pepper_len,
						scope, strlen(scope) + 1, value, strlen(value), hash);
	nurture_sha256_close(&sha);
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
 * Keeps the suppression of a value, and what gives it to a lead, apart until
 * the transaction ends: whoever suppresses it would not find a lead that is
 * not committed yet, and a message to a lead that comes after the search would
 * not find a suppression that is not.  Few locks for all values, so that a
 * bulk load does not fill the lock table.
 */
void
nurture_contact_lock(const char *scope, const char *value, bool suppressing)
{
	LOCKTAG		tag;
	uint32		hash = hash_bytes((const unsigned char *) value,
								  strlen(value)) + scope[0];

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, ADDRESS_LOCK_CLASS,
						 hash % ADDRESS_LOCKS, 2);
	(void) LockAcquire(&tag, suppressing ? ExclusiveLock : ShareLock, false,
					   false);
}

/*
 * Calls back for a domain and for those it lies in, down to two labels, at
 * most so many as a message looks up.
 */
int
nurture_contact_domains(const char *domain, const char **domains)
{
	int			n = 0;
	int			labels = 1;
	const char *at = domain;

	domains[n++] = domain;
	if (domain[0] == '[')
		return n;
	for (const char *p = domain; *p; p++)
		labels += *p == '.';
	while (--labels >= 2)
	{
		at = strchr(at, '.') + 1;
		if (labels <= CONTACT_MAX_DOMAINS && n < CONTACT_MAX_DOMAINS)
			domains[n++] = at;
	}
	return n;
}

/* Shares the locks of all that a lead has; see nurture_contact_lock. */
void
nurture_contact_share(const char *email, const char *phone,
					  const char *country, bool has_account, int64 account_id)
{
	ContactPoint point;

	nurture_contact_read(CONTACT_EMAIL, email, NULL, NULL, &point);
	if (point.address != NULL)
	{
		const char *domains[CONTACT_MAX_DOMAINS];
		int			n = nurture_contact_domains(point.domain, domains);

		nurture_contact_lock("contact_point", point.address, false);
		for (int i = 0; i < n; i++)
			nurture_contact_lock("domain", domains[i], false);
		pfree(point.address);
	}
	nurture_contact_read(CONTACT_PHONE, NULL, phone, country, &point);
	if (point.address != NULL)
	{
		nurture_contact_lock("contact_point", point.address, false);
		pfree(point.address);
	}
	if (has_account)
	{
		char		id[24];

		snprintf(id, sizeof(id), INT64_FORMAT, account_id);
		nurture_contact_lock("account", id, false);
	}
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

/* nurture_normal_phone(phone text, country text) returns text */
Datum
nurture_normal_phone(PG_FUNCTION_ARGS)
{
	char	   *normal;
	bool		e164;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	normal = nurture_gate_normal_phone(text_to_cstring(PG_GETARG_TEXT_PP(0)),
									   PG_ARGISNULL(1) ? NULL :
									   text_to_cstring(PG_GETARG_TEXT_PP(1)),
									   &e164);
	if (normal == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(normal));
}

/* nurture_email_kind(email text) returns text */
Datum
nurture_email_kind(PG_FUNCTION_ARGS)
{
	char		normal[NURTURE_EMAIL_NORMAL];
	size_t		domain;
	EmailKind	kind = read_email(text_to_cstring(PG_GETARG_TEXT_PP(0)),
								  normal, &domain);

	PG_RETURN_TEXT_P(cstring_to_text(nurture_email_kind_name(kind)));
}
