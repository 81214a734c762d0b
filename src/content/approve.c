/*
 * approve.c
 *	  Signatures: with the last one that policy asks for, a version of an asset
 *	  or a claim is approved and takes the place of the one before.
 *
 * Messages that wait with the version before are held here and go on with the
 * new one when the tick comes to them: what decides about a message takes its
 * lead's gate row before the asset version, and here the version is locked.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/author.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/settings.h"
#include "content/content_private.h"
#include "content/index.h"
#include "content/reviewed.h"
#include "control/control.h"
#include "gate/gate.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

NURTURE_FUNCTION(nurture_approve);

/* Takes the versions before the approved one out of use. */
static void
supersede_others(ReviewedKind *kind, const char *code, int32 version,
				 const LockedVersion *others, int n)
{
	for (int i = 0; i < n; i++)
	{
		Datum		values[4];
		int64		held = 0;

		if (others[i].version == version ||
			(strcmp(others[i].status, "approved") != 0 &&
			 strcmp(others[i].status, "suspended") != 0))
			continue;
		values[0] = CStringGetTextDatum(code);
		values[1] = Int32GetDatum(others[i].version);
		values[2] = CStringGetTextDatum("superseded");
		values[3] = CStringGetTextDatum(psprintf("version %d was approved", version));
		nurture_versions_write(&kind->move_status, values, NULL);
		if (kind == &nurture_reviewed_asset)
			held = nurture_gate_hold_superseded(code, others[i].version);
		nurture_record_status(kind, code, others[i].version, "superseded",
							  others[i].status, NULL,
							  TextDatumGetCString(values[3]),
							  psprintf("{\"messages_held\": " INT64_FORMAT "}", held));
	}
}

/* Raises when approval would leave nothing in use for a while. */
static void
require_no_gap(const ReviewedKind *kind, const char *code, int32 version,
			   const LockedVersion *others, int n, const char *valid_from)
{
	for (int i = 0; valid_from != NULL && i < n; i++)
	{
		if (others[i].version != version && strcmp(others[i].status, "approved") == 0)
			ereport(ERROR,
					(errcode(NURTURE_ERRCODE_BAD_STATE),
					 errmsg("validity of version %d of %s \"%s\" begins later, and overlaps that of version %d, which is in use until then",
							version, kind->kind, code, others[i].version),
					 errhint("Approve it when it begins, at %s: what is approved takes the place of the version before.", valid_from)));
	}
}

/* Raises when who signs is the author, or had a hand in the version. */
static void
require_other_person(const ReviewedKind *kind, const char *code, int32 version,
					 const char *author, const char *author_login,
					 const char *signer)
{
	if (!nurture_two_person_rule)
		return;
	if (nurture_same_person(author, author_login, signer))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("the author of version %d of %s \"%s\" cannot sign it",
						version, kind->kind, code),
				 errhint("Another person signs, or nurture.two_person_rule is off.")));
	if (nurture_had_a_hand(kind->kind, code, version, author, author_login, signer))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("who edited version %d of %s \"%s\" cannot sign it",
						version, kind->kind, code),
				 errhint("Another person signs, or nurture.two_person_rule is off.")));
}

/* Raises when this content was signed in this role, or by this person. */
static void
require_not_signed(ReviewedKind *kind, Datum *key, const char *code,
				   int32 version, const char *role, const char *signer)
{
	nurture_execute_latest(&kind->signed_before, key, NULL, false);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		char	   *name = nurture_cell_text(i, 2);

		if (strcmp(nurture_cell_text(i, 1), role) == 0 || strcmp(name, signer) == 0 ||
			(nurture_two_person_rule &&
			 nurture_same_person(name, nurture_cell_text(i, 3), signer)))
			ereport(ERROR,
					(errcode(NURTURE_ERRCODE_BAD_STATE),
					 errmsg("this content of version %d of %s \"%s\" was signed before in role %s",
							version, kind->kind, code, nurture_cell_text(i, 1)),
					 errhint("Each role signs once, each by another person.")));
	}
}

/* Signs a version that is in review; returns its status afterwards. */
static const char *
sign_version(ReviewedKind *kind, char *code, int32 version, char *role,
			 const char *decision, const char *meaning)
{
	const char *signer = nurture_actor(NULL);
	char	   *status = NULL;
	char	   *hash;
	char	   *valid_from;
	LockedVersion *versions;
	int			n;
	char	   *login;
	Datum		key[3];
	Datum		values[8];
	Datum		move[5];

	key[0] = CStringGetTextDatum(code);
	key[1] = Int32GetDatum(version);
	key[2] = TimestampTzGetDatum(nurture_now_wall());
	nurture_execute_latest(&kind->lock_all_versions, key, NULL, true);
	n = SPI_processed;
	versions = palloc(Max(n, 1) * sizeof(LockedVersion));
	for (int i = 0; i < n; i++)
	{
		bool		isnull;

		versions[i].version = DatumGetInt32(nurture_cell(i, 1, &isnull));
		versions[i].status = nurture_cell_text(i, 2);
		if (versions[i].version == version)
			status = versions[i].status;
	}
	if (status == NULL)
		nurture_unknown_version(kind, code, version);
	if (strcmp(status, "in_review") != 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_BAD_STATE),
				 errmsg("version %d of %s \"%s\" is %s; only what is in review is signed",
						version, kind->kind, code, status),
				 strcmp(status, "draft") == 0 ?
				 errhint("Submit it with nurture_set_%s_status('%s', %d, 'in_review', reason).", kind->kind, code, version) :
				 errhint("To have another, %s.", kind->add)));

	nurture_execute_latest(&kind->read_version, key, NULL, false);
	hash = nurture_cell_text(0, 2);
	valid_from = nurture_cell_text(0, 5);
	require_other_person(kind, code, version, nurture_cell_text(0, 3), nurture_cell_text(0, 4), signer);
	if (strcmp(decision, "approved") == 0)
		require_not_signed(kind, key, code, version, role, signer);

	values[0] = key[0];
	values[1] = key[1];
	values[2] = CStringGetTextDatum(role);
	values[3] = CStringGetTextDatum(decision);
	values[4] = CStringGetTextDatum(signer);
	values[5] = key[2];
	values[6] = CStringGetTextDatum(meaning);
	login = nurture_login();
	values[7] = login ? CStringGetTextDatum(login) : (Datum) 0;
	nurture_versions_write(&kind->sign, values, login ? NULL : "       n");
	nurture_signature_record(kind->kind, code, version, role, decision, hash,
							 meaning);

	move[0] = key[0];
	move[1] = key[1];
	if (strcmp(decision, "approved") != 0)
	{
		move[2] = CStringGetTextDatum("draft");
		move[3] = values[6];
		nurture_versions_write(&kind->move_status, move, NULL);
		nurture_record_status(kind, code, version, "draft", "in_review", hash,
							  meaning, "{\"messages_cancelled\": 0}");
		return "draft";
	}
	nurture_execute_latest(&kind->missing_roles, key, NULL, false);
	if (nurture_cell_text(0, 1) != NULL)
		return status;
	require_no_gap(kind, code, version, versions, n, valid_from);
	if (kind == &nurture_reviewed_asset)
		nurture_require_content_policy(code, version);
	supersede_others(kind, code, version, versions, n);
	move[2] = values[4];
	move[3] = values[5];
	move[4] = values[6];
	nurture_versions_write(&kind->approve_version, move, NULL);
	nurture_record_status(kind, code, version, "approved", "in_review", hash,
						  meaning, "{\"messages_cancelled\": 0}");
	return "approved";
}

/* Appends the entry of a signature for a version with this content. */
void
nurture_signature_record(const char *kind, const char *code, int version,
						 const char *role, const char *decision,
						 const char *hash, const char *meaning)
{
	AuditEntry	entry = {0};

	entry.kind = "approval";
	entry.object = psprintf("%s:%s:%d", kind, code, version);
	entry.outcome = decision;
	entry.reasons = &role;
	entry.nreasons = 1;
	entry.versions_json = psprintf("{\"content_hash\": \"%s\"}", hash);
	entry.reason = meaning;
	nurture_audit_append(&entry, 1);
}

/*
 * nurture_approve(kind text, code text, version integer, role text,
 * decision text, meaning text) returns text
 *
 * Signs a version for exactly its present content; answers its status
 * afterwards.
 */
Datum
nurture_approve(PG_FUNCTION_ARGS)
{
	static const char *const kinds[] = {"asset", "claim", "model", "track", "route", "selection", "experiment", "config"};
	static const char *const roles[] = {"medical", "legal", "regulatory", "marketing", "sales", "qa"};
	static const char *const decisions[] = {"approved", "changes_requested", "rejected"};
	char	   *kind = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *code = text_to_cstring(PG_GETARG_TEXT_PP(1));
	int32		version = PG_GETARG_INT32(2);
	char	   *role = text_to_cstring(PG_GETARG_TEXT_PP(3));
	char	   *decision = text_to_cstring(PG_GETARG_TEXT_PP(4));
	char	   *meaning = text_to_cstring(PG_GETARG_TEXT_PP(5));
	text	   *state;
	int			level;

	(void) nurture_schema_oid(false);
	if (nurture_content_code(kinds, lengthof(kinds), kind) < 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("\"%s\" is nothing that is signed", nurture_clipped(kind)),
				 errhint("The kinds that are signed are asset, claim, model, track, route, selection, experiment and config.")));
	if (nurture_content_code(roles, lengthof(roles), role) < 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("unknown role \"%s\" of a signature", nurture_clipped(role)),
				 errhint("Roles are medical, legal, regulatory, marketing, sales and qa.")));
	if (nurture_content_code(decisions, lengthof(decisions), decision) < 0)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
				 errmsg("unknown decision \"%s\"", nurture_clipped(decision)),
				 errhint("Decisions are approved, changes_requested and rejected.")));

	if (meaning[strspn(meaning, " \t\r\n")] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a signature needs its meaning"),
				 errhint("Say in a few words what it stands for, such as 'medically correct' (21 CFR 11.50).")));

	level = nurture_spi_connect();
	if (strcmp(kind, "asset") == 0)
		state = cstring_to_text(sign_version(&nurture_reviewed_asset, code, version, role, decision, meaning));
	else if (strcmp(kind, "claim") == 0)
		state = cstring_to_text(sign_version(&nurture_reviewed_claim, code, version, role, decision, meaning));
	else
		state = cstring_to_text(nurture_control_sign(kind, code, version, role, decision, meaning));
	state = (text *) DatumGetPointer(SPI_datumTransfer(PointerGetDatum(state), false, -1));
	nurture_spi_finish(level);
	PG_RETURN_TEXT_P(state);
}
