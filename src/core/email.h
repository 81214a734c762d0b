/*
 * email.h
 *	  E-mail addresses: which of them a message may be sent to, and the one
 *	  form in which two spellings of an address compare equal.
 *
 * The grammar is addr-spec of RFC 5322 section 3.4.1 with its obsolete forms,
 * narrowed by RFC 5321 section 4.1.2, in the severities of Dominic Sayers'
 * is_email, on whose vectors it is tested.  Names are not looked up in the
 * DNS.
 *
 * The normal form has no comments, no folding white space and no quotes that
 * are not needed; ASCII letters are in lower case, those of the local part as
 * well; a domain label outside ASCII is written as an A-label (RFC 3492, with
 * the letters of Latin, Greek and Cyrillic in lower case first, and without
 * Unicode normalisation).  Tags ("+news") and dots are kept: they may name
 * another mailbox.
 */
#ifndef NURTURE_CORE_EMAIL_H
#define NURTURE_CORE_EMAIL_H

#include <stddef.h>

#define NURTURE_EMAIL_MAX		1000	/* bytes of an address that is read */
#define NURTURE_EMAIL_NORMAL	2560	/* bytes that hold any normal form */

/* Ascending: an address is of the last kind that any part of it is. */
typedef enum EmailKind
{
	EMAIL_VALID,				/* a mailbox as RFC 5321 has it, unquoted */
	EMAIL_UTF8,					/* local part outside ASCII (RFC 6531) */
	EMAIL_RFC5321,				/* quoted local part, address literal, domain
								 * of one label or with a number at the top */
	EMAIL_CFWS,					/* comments or folding white space */
	EMAIL_DEPREC,				/* a form that RFC 5322 calls obsolete */
	EMAIL_RFC5322,				/* no mailbox of SMTP: too long, ... */
	EMAIL_ERR					/* no address at all */
} EmailKind;

/*
 * Reads an address; writes its normal form, which ends at '\0', unless it is
 * none.  domain is where in normal the domain begins.
 */
extern EmailKind nurture_email_read(const char *text, size_t len,
									char normal[NURTURE_EMAIL_NORMAL],
									size_t *domain);

/*
 * Reads a domain alone, such as one to be suppressed; the kind is EMAIL_VALID
 * or EMAIL_ERR.
 */
extern EmailKind nurture_domain_read(const char *text, size_t len,
									 char normal[NURTURE_EMAIL_NORMAL]);

/* "valid", "utf8", "rfc5321", "cfws", "deprec", "rfc5322" or "err" */
extern const char *nurture_email_kind_name(EmailKind kind);

#endif							/* NURTURE_CORE_EMAIL_H */
