/*
 * approve.c
 *	  Signatures on drafts, and whether those that are there are enough.
 *
 * What is signed is the SHA-256 of the canonical text of what a version says
 * (config.h), so that any later edit leaves the signatures behind, and no
 * status has to keep a draft from being edited.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/author.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/settings.h"
#include "catalog/pg_type.h"
#include "content/content.h"
#include "control/config.h"
#include "control/control.h"
#include "control/hand.h"
#include "control/proposal.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

const Person *nurture_publishing_for = NULL;

/*
 * Who wrote rows of a version: all changes of its parts, and those of its own
 * row that say something else than that its life went on.
 */
static KeptPlan find_hands =
KEPT_PLAN("SELECT DISTINCT coalesce(nullif(c.app_user, ''), c.effective_role), c.\"session_user\" FROM nurture.change_log c"
		  " WHERE c.table_name = ANY ($1)"
		  " AND ((c.old_row ->> $2 = $3 AND c.old_row ->> 'version' = $4) OR (c.new_row ->> $2 = $3 AND c.new_row ->> 'version' = $4))"
		  " AND NOT (c.table_name = $6 AND c.operation = 'UPDATE' AND c.old_row - $5 = c.new_row - $5)",
		  TEXTARRAYOID, TEXTOID, TEXTOID, TEXTOID, TEXTARRAYOID, TEXTOID);
static KeptPlan hash_text =
KEPT_PLAN("SELECT encode(sha256(convert_to($1, 'UTF8')), 'hex')", TEXTOID);
static KeptPlan policy_roles =
KEPT_PLAN("SELECT DISTINCT r.role FROM nurture.approval_policy p, unnest(p.roles) r (role) WHERE p.kind = $1 ORDER BY 1", TEXTOID);
static KeptPlan find_signatures =
KEPT_PLAN("SELECT role, decision, signed_by, signer_login FROM nurture.approval"
		  " WHERE kind = $1 AND code = $2 AND version = $3 AND content_hash = decode($4, 'hex') ORDER BY approval_id",
		  TEXTOID, TEXTOID, INT4OID, TEXTOID);
static KeptPlan sign =
KEPT_PLAN("INSERT INTO nurture.approval (kind, code, version, role, decision, signed_by, signer_login, signed_at, meaning, content_hash)"
		  " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, decode($10, 'hex'))",
		  TEXTOID, TEXTOID, INT4OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TEXTOID, TEXTOID);

typedef struct Signature
{
	char	   *role;
	bool		approved;
	Person		person;
} Signature;

/* Tells whether two that are on record are one. */
static bool
same_person(const Person *a, const Person *b)
{
	if (a->name && b->name && strcmp(a->name, b->name) == 0)
		return true;
	return !nurture_pooled_logins && a->login && b->login && strcmp(a->login, b->login) == 0;
}

/* Reads who wrote a version, its author apart. */
static Person *
read_hands(const VersionedKind *kind, const char *code, int version, int *n)
{
	static const char *const life[] = {
		"status", "approver", "published_at", "retired_at", "content_hash", "approved_by", "approved_at", "status_reason", "reason"
	};
	const char *tables[MAX_RULE_FAMILIES + 1] = {kind->versions};
	int			ntables = 1;
	Datum		values[6];
	Person	   *persons;
	OwnerSwitch owner;

	for (int i = 0; i < MAX_RULE_FAMILIES && kind->families[i].table; i++)
	{
		if (strcmp(kind->families[i].table, kind->versions) != 0)
			tables[ntables++] = kind->families[i].table;
	}
	values[0] = nurture_strings_array(tables, ntables);
	values[1] = CStringGetTextDatum(kind->code);
	values[2] = CStringGetTextDatum(code);
	values[3] = CStringGetTextDatum(psprintf("%d", version));
	/* the reason of a version is its life too: publishing writes it */
	values[4] = nurture_strings_array(life, strcmp(nurture_config_in_force(kind), "approved") == 0 ? lengthof(life) - 1 : lengthof(life));
	values[5] = CStringGetTextDatum(kind->versions);
	nurture_owner_enter(&owner);
	(void) nurture_execute_latest(&find_hands, values, NULL, false);
	nurture_owner_leave(&owner);
	*n = SPI_processed;
	persons = palloc(sizeof(Person) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
	{
		persons[i].name = nurture_cell_text(i, 1);
		persons[i].login = nurture_cell_text(i, 2);
	}
	return persons;
}

bool
nurture_had_a_hand(const char *kind_name, const char *code, int version,
				   const char *author, const char *author_login, const char *actor)
{
	const VersionedKind *kind = nurture_config_kind(kind_name);
	Person		writer = {author, author_login};
	Person	   *persons;
	bool		found;
	int			level;
	int			n;

	if (nurture_publishing_for == NULL && nurture_same_person(author, author_login, actor))
		return true;
	level = nurture_spi_connect_here();
	persons = read_hands(kind, code, version, &n);
	found = nurture_publishing_for && same_person(&writer, nurture_publishing_for);
	for (int i = 0; i < n && !found; i++)
		found = nurture_publishing_for ? same_person(&persons[i], nurture_publishing_for) :
			nurture_same_person(persons[i].name, persons[i].login, actor);
	nurture_spi_finish(level);
	return found;
}

char	   *
nurture_version_hash(const VersionedKind *kind, const char *code, int version)
{
	OwnerSwitch owner;
	Jsonb	   *content;
	Datum		canonical;

	nurture_owner_enter(&owner);
	content = nurture_config_version_content(nurture_config_tables(), kind, code, version);
	nurture_owner_leave(&owner);
	if (content == NULL)
		return NULL;
	canonical = CStringGetTextDatum(nurture_jsonb_canonical(content, false));
	(void) nurture_execute(&hash_text, &canonical, NULL, true);
	return nurture_cell_text(0, 1);
}

char	   *
nurture_version_status(const VersionedKind *kind, const char *code, int version,
					   bool lock, Person *author)
{
	Oid			types[2] = {TEXTOID, INT4OID};
	Datum		values[2] = {CStringGetTextDatum(code), Int32GetDatum(version)};
	OwnerSwitch owner;

	nurture_owner_enter(&owner);
	if (SPI_execute_with_args(psprintf("SELECT status, author, author_login FROM nurture.%s WHERE %s = $1 AND version = $2%s",
									   kind->versions, kind->code, lock ? " FOR NO KEY UPDATE" : ""),
							  2, types, values, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read nurture.%s", kind->versions);
	nurture_owner_leave(&owner);
	if (SPI_processed == 0)
		return NULL;
	author->name = nurture_cell_text(0, 2);
	author->login = nurture_cell_text(0, 3);
	return nurture_cell_text(0, 1);
}

/* Reads the signatures on what a version says. */
static Signature *
read_signatures(const char *kind, const char *code, int version, const char *hash, int *n)
{
	Datum		values[4] = {CStringGetTextDatum(kind), CStringGetTextDatum(code), Int32GetDatum(version), CStringGetTextDatum(hash)};
	Signature  *signatures;
	OwnerSwitch owner;

	nurture_owner_enter(&owner);
	(void) nurture_execute_latest(&find_signatures, values, NULL, false);
	nurture_owner_leave(&owner);
	*n = SPI_processed;
	signatures = palloc(sizeof(Signature) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
	{
		signatures[i].role = nurture_cell_text(i, 1);
		signatures[i].approved = strcmp(nurture_cell_text(i, 2), "approved") == 0;
		signatures[i].person.name = nurture_cell_text(i, 3);
		signatures[i].person.login = nurture_cell_text(i, 4);
	}
	return signatures;
}

/*
 * Answers the roles of the policy that have not signed, as words; NULL when
 * none is missing.  counted: how many signatures there are that count.  One
 * of somebody who had a hand in it does not, under the two-person rule.
 */
static char *
missing_roles(const char *kind, const Signature *signatures, int n,
			  const Person *hands, int nhands, int *counted, bool *policy)
{
	Datum		value = CStringGetTextDatum(kind);
	bool	   *counts = palloc0(Max(n, 1) * sizeof(bool));
	StringInfoData missing;
	OwnerSwitch owner;

	*counted = 0;
	for (int i = 0; i < n; i++)
	{
		counts[i] = signatures[i].approved;
		for (int k = 0; k < nhands && nurture_two_person_rule; k++)
			counts[i] &= !same_person(&signatures[i].person, &hands[k]);
		*counted += counts[i];
	}
	initStringInfo(&missing);
	nurture_owner_enter(&owner);
	(void) nurture_execute_latest(&policy_roles, &value, NULL, false);
	nurture_owner_leave(&owner);
	*policy = SPI_processed > 0;
	for (uint64 r = 0; r < SPI_processed; r++)
	{
		char	   *role = nurture_cell_text(r, 1);
		bool		signed_by = false;

		for (int i = 0; i < n; i++)
			signed_by |= counts[i] && strcmp(signatures[i].role, role) == 0;
		if (!signed_by)
			appendStringInfo(&missing, "%s%s", missing.len > 0 ? ", " : "", role);
	}
	return missing.len > 0 ? missing.data : NULL;
}

/* Answers the first that did not approve; NULL when all did. */
static const Signature *
sent_back(const Signature *signatures, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (!signatures[i].approved)
			return &signatures[i];
	}
	return NULL;
}

static void
refuse_sent_back(const char *kind, const char *code, int version, const Signature *signature)
{
	ereport(ERROR,
			(errcode(NURTURE_ERRCODE_BAD_STATE),
			 errmsg("version %d of %s \"%s\" was sent back in role %s", version, kind, code, signature->role),
			 errhint("Change it; signatures are for what it says, so they begin anew.")));
}

void
nurture_require_approved(const char *kind_name, const char *code, int version,
						 const char *author, const char *author_login, const char *approver)
{
	const VersionedKind *kind = nurture_config_kind(kind_name);
	Person	   *hands;
	Person	   *all;
	Signature  *signatures;
	const Signature *back;
	char	   *missing;
	bool		policy;
	int			counted;
	int			level;
	int			nhands;
	int			n;

	if (nurture_loading_preset || nurture_trying_drafts)
		return;					/* nobody's and as it is shipped, or tried */
	level = nurture_spi_connect_here();
	hands = read_hands(kind, code, version, &nhands);
	all = palloc(sizeof(Person) * (nhands + 1));
	memcpy(all, hands, sizeof(Person) * nhands);
	all[nhands].name = author;
	all[nhands].login = author_login;
	signatures = read_signatures(kind_name, code, version, nurture_version_hash(kind, code, version), &n);
	back = sent_back(signatures, n);
	if (back)
		refuse_sent_back(kind_name, code, version, back);
	missing = missing_roles(kind_name, signatures, n, all, nhands + 1, &counted, &policy);
	if (missing)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BAD_STATE),
				 errmsg("version %d of %s \"%s\" is not approved in role %s", version, kind_name, code, missing),
				 errhint("nurture.approval_policy asks for it: nurture_approve('%s', '%s', %d, role, 'approved', meaning), by somebody who has not written it.",
						 kind_name, code, version)));
	if (nurture_two_person_rule && counted == 0)
	{
		if (nurture_publishing_for == NULL)
			nurture_require_second_person(kind_name, code, version, author, author_login, approver);
		if (nurture_had_a_hand(kind_name, code, version, author, author_login, approver))
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("who edited version %d of %s \"%s\" cannot publish it", version, kind_name, code),
					 errhint("nurture.two_person_rule is on: somebody signs or publishes who has written none of it.")));
	}
	nurture_spi_finish(level);
}

/* Raises when this person, or this role, has signed the same content before. */
static void
require_new_signature(const char *what, const Signature *signatures, int n,
					  const char *role, const char *signer)
{
	for (int i = 0; i < n; i++)
	{
		const Person *person = &signatures[i].person;

		if (strcmp(signatures[i].role, role) == 0 || strcmp(person->name, signer) == 0 ||
			(nurture_two_person_rule && nurture_same_person(person->name, person->login, signer)))
			ereport(ERROR,
					(errcode(NURTURE_ERRCODE_BAD_STATE),
					 errmsg("this content of %s was signed before in role %s", what, signatures[i].role),
					 errhint("Each role signs once, each by another person.")));
	}
}

/* Writes a signature and its entry. */
static void
add_signature(const char *kind, const char *code, int version, const char *role,
			  const char *decision, const char *signer, const char *meaning, const char *hash)
{
	char	   *login = nurture_login();
	Datum		values[10] = {CStringGetTextDatum(kind), CStringGetTextDatum(code), Int32GetDatum(version), CStringGetTextDatum(role),
		CStringGetTextDatum(decision), CStringGetTextDatum(signer), login ? CStringGetTextDatum(login) : (Datum) 0,
	TimestampTzGetDatum(nurture_now_wall()), CStringGetTextDatum(meaning), CStringGetTextDatum(hash)};
	char		nulls[11] = "          ";

	nulls[6] = login ? ' ' : 'n';
	nurture_versions_write(&sign, values, nulls);
	nurture_signature_record(kind, code, version, role, decision, hash, meaning);
}

/* Signs a proposal of settings, and applies it with the last signature. */
static char *
sign_proposal(const char *code, int number, const char *role, const char *decision, const char *meaning)
{
	Proposal   *proposal;
	const char *signer = nurture_actor(NULL);
	char	   *what = psprintf("proposal %d", number);
	Signature  *signatures;
	Person		author;
	bool		policy;
	int			counted;
	int			n;
	OwnerSwitch owner;

	if (strcmp(code, "import") != 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("\"%.64s\" is no configuration that is signed", code),
				 errhint("Sign nurture_approve('config', 'import', proposal, ...).")));
	nurture_owner_enter(&owner);
	proposal = nurture_proposal_find(number);
	nurture_owner_leave(&owner);
	if (proposal == NULL)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("there is no proposal %d", number),
				 errhint("Proposals are rows of nurture.config_proposal; nurture_import_config makes them.")));
	if (strcmp(proposal->state, "open") != 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BAD_STATE),
				 errmsg("%s is %s already", what, proposal->state),
				 errhint("Import the document again where it still differs.")));
	author.name = proposal->author;
	author.login = proposal->author_login;
	if (nurture_two_person_rule && nurture_same_person(author.name, author.login, signer))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("the author of %s cannot sign it", what),
				 errhint("Another person signs, or nurture.two_person_rule is off.")));
	signatures = read_signatures("config", code, number, proposal->hash, &n);
	if (strcmp(decision, "approved") == 0)
		require_new_signature(what, signatures, n, role, signer);
	add_signature("config", code, number, role, decision, signer, meaning, proposal->hash);
	if (strcmp(decision, "approved") != 0)
		return "rejected";
	signatures = read_signatures("config", code, number, proposal->hash, &n);
	if (missing_roles("config", signatures, n, &author, 1, &counted, &policy) != NULL)
		return "open";
	nurture_proposal_apply(number, psprintf("proposal %d: %s", number, meaning));
	return "applied";
}

char	   *
nurture_control_sign(const char *kind_name, const char *code, int version,
					 const char *role, const char *decision, const char *meaning)
{
	const VersionedKind *kind;
	const char *signer = nurture_actor(NULL);
	char	   *what;
	char	   *status;
	char	   *hash;
	Person		author;
	Person	   *hands;
	Person	   *all;
	Signature  *signatures;
	const Signature *back;
	bool		policy;
	int			counted;
	int			nhands;
	int			n;

	if (strcmp(kind_name, "config") == 0)
		return sign_proposal(code, version, role, decision, meaning);
	kind = nurture_versioned_kind(kind_name);
	what = psprintf("version %d of %s \"%s\"", version, kind_name, code);
	status = nurture_version_status(kind, code, version, true, &author);
	if (status == NULL)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("%s \"%.64s\" has no version %d", kind_name, code, version),
				 errhint("Versions are rows of nurture.%s.", kind->versions)));
	if (strcmp(status, "draft") != 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BAD_STATE),
				 errmsg("%s is %s; only a draft is signed", what, status),
				 errhint("Make a new version with nurture_draft('%s', '%s', %d).", kind_name, code, version)));
	if (nurture_two_person_rule &&
		nurture_had_a_hand(kind_name, code, version, author.name, author.login, signer))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("who wrote %s cannot sign it", what),
				 errhint("Another person signs, or nurture.two_person_rule is off.")));
	/* what is signed is something that could be published */
	if (nurture_control_check(kind_name, code, version, &hash) > 0 && strcmp(decision, "approved") == 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_MODEL_CHECK),
				 errmsg("%s has errors and cannot be approved", what),
				 errhint("See nurture_check_version('%s', '%s', %d).", kind_name, code, version)));
	signatures = read_signatures(kind_name, code, version, hash, &n);
	if (strcmp(decision, "approved") == 0)
	{
		back = sent_back(signatures, n);
		if (back)
			refuse_sent_back(kind_name, code, version, back);
		require_new_signature(what, signatures, n, role, signer);
	}
	add_signature(kind_name, code, version, role, decision, signer, meaning, hash);
	if (strcmp(decision, "approved") != 0)
		return "draft";
	signatures = read_signatures(kind_name, code, version, hash, &n);
	hands = read_hands(kind, code, version, &nhands);
	all = palloc(sizeof(Person) * (nhands + 1));
	memcpy(all, hands, sizeof(Person) * nhands);
	all[nhands] = author;
	return missing_roles(kind_name, signatures, n, all, nhands + 1, &counted, &policy) ? "draft" : "approved";
}
