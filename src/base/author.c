/*
 * author.c
 *	  Who acts, and whether two acts are those of two persons.
 *
 * A person is known by two names: the role that logged in, which the server
 * has checked and nothing in a session changes, and the one that the
 * application declares.  The first tells persons apart unless many share a
 * login, which nurture.pooled_logins says.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "base/author.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/settings.h"
#include "base/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/rel.h"

NURTURE_FUNCTION(nurture_version_author);

bool		nurture_loading_preset = false;
bool		nurture_trying_drafts = false;

/*
 * Says who logged in: neither SET SESSION AUTHORIZATION nor SET ROLE nor a
 * security definer changes it.
 */
char	   *
nurture_login(void)
{
	Oid			role = GetAuthenticatedUserId();

	return GetUserNameFromId(OidIsValid(role) ? role : GetSessionUserId(),
							 true);
}

/*
 * Returns who acts, for author, approver and actor columns: the one given,
 * the application's user, or the role that called.
 */
const char *
nurture_actor(const char *given)
{
	if (given != NULL && given[0] != '\0')
		return given;
	if (nurture_app_user != NULL && nurture_app_user[0] != '\0')
		return pstrdup(nurture_app_user);
	return GetUserNameFromId(nurture_caller_role(), false);
}

/*
 * Tells whether an author acts again.  The same name is the same person, and
 * so is the same login, unless it is pooled and the application declares
 * somebody else; what nobody logged in for, a preset's, is told by name.
 */
bool
nurture_same_person(const char *author, const char *author_login,
					const char *actor)
{
	const char *login = nurture_login();

	if (author != NULL && strcmp(author, actor) == 0)
		return true;
	if (author_login == NULL || login == NULL || strcmp(author_login, login) != 0)
		return false;
	return !nurture_pooled_logins || author == NULL ||
		nurture_app_user == NULL || strcmp(nurture_app_user, actor) != 0;
}

/*
 * Raises when the author of a version would publish it, under the setting
 * nurture.two_person_rule.
 */
void
nurture_require_second_person(const char *kind, const char *code, int version,
							  const char *author, const char *author_login,
							  const char *approver)
{
	if (!nurture_two_person_rule ||
		!nurture_same_person(author, author_login, approver))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("the author of version %d of %s \"%s\" cannot publish it",
					version, kind, code),
			 errhint("nurture.two_person_rule is on: another person publishes, with a login of their own; nurture.pooled_logins is for people who share one.")));
}

/*
 * nurture_version_author() returns trigger
 *
 * Before a row of versions is written: keeps who logged in to make it, and
 * that its author stays the author.
 */
Datum
nurture_version_author(PG_FUNCTION_ARGS)
{
	static const char *const fixed[] = {"author", "author_login"};
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_version_author");
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	HeapTuple	row = data->tg_trigtuple;

	if (TRIGGER_FIRED_BY_INSERT(data->tg_event))
	{
		int			column = SPI_fnumber(desc, "author_login");
		char	   *login = nurture_loading_preset ? NULL : nurture_login();
		Datum		value = login ? CStringGetTextDatum(login) : (Datum) 0;
		bool		null = login == NULL;

		if (nurture_deriving())
			row = heap_modify_tuple_by_cols(row, desc, 1, &column, &value, &null);
		return PointerGetDatum(row);
	}
	for (int i = 0; i < lengthof(fixed) && nurture_deriving(); i++)
	{
		int			column = SPI_fnumber(desc, fixed[i]);
		char	   *before = SPI_getvalue(data->tg_trigtuple, desc, column);
		char	   *after = SPI_getvalue(data->tg_newtuple, desc, column);

		if (before == NULL ? after != NULL : after == NULL || strcmp(before, after) != 0)
			ereport(ERROR,
					(errcode(NURTURE_ERRCODE_BAD_STATE),
					 errmsg("column \"%s\" of a version is set when it is made and stays", fixed[i]),
					 errhint("A draft of somebody else is made by them, with nurture_draft or nurture_add_asset.")));
	}
	return PointerGetDatum(data->tg_newtuple);
}
