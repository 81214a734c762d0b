/*
 * publish.c
 *	  nurture_draft and nurture_publish for every kind of versioned rules.
 */
#include "base/compat.h"

#include "base/errors.h"
#include "content/content.h"
#include "routing/routing.h"
#include "scoring/model.h"
#include "tracks/tracks.h"
#include "utils/builtins.h"
#include "utils/guc.h"

NURTURE_FUNCTION(nurture_draft);
NURTURE_FUNCTION(nurture_publish);

/* Kinds of versioned rules, each with its room's functions. */
static const struct
{
	const char *kind;
	int			(*draft) (const char *code, int from_version);
	char	   *(*publish) (const char *code, int version, const char *reason, const char *actor);
}			kinds[] = {
	{"model", nurture_model_draft, nurture_model_publish},
	{"track", nurture_track_draft, nurture_track_publish},
	{"route", nurture_route_draft, nurture_route_publish},
	{"selection", nurture_selection_draft, nurture_selection_publish},
};

static int
find_kind(text *kind)
{
	char	   *name = text_to_cstring(kind);
	char	   *known = "";

	for (int i = 0; i < lengthof(kinds); i++)
	{
		if (strcmp(kinds[i].kind, name) == 0)
			return i;
		known = psprintf("%s%s%s", known, i > 0 ? ", " : "", kinds[i].kind);
	}
	ereport(ERROR,
			(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
			 errmsg("unknown kind \"%.64s\"", name),
			 errhint("Kinds are: %s.", known)));
	return -1;					/* not reached */
}

/* nurture_draft(kind text, code text, from_version int) returns int: the new version. */
Datum
nurture_draft(PG_FUNCTION_ARGS)
{
	int			kind;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("kind and code must not be null")));
	kind = find_kind(PG_GETARG_TEXT_PP(0));
	PG_RETURN_INT32(kinds[kind].draft(text_to_cstring(PG_GETARG_TEXT_PP(1)),
									  PG_ARGISNULL(2) ? 0 : PG_GETARG_INT32(2)));
}

/*
 * nurture_publish(kind text, code text, version int, reason text, confirm
 * bool, actor text) returns text: what changed.
 */
Datum
nurture_publish(PG_FUNCTION_ARGS)
{
	int			kind;
	int			level;
	char	   *reason;
	char	   *actor = NULL;
	char	   *changed;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("kind, code and version must not be null")));
	kind = find_kind(PG_GETARG_TEXT_PP(0));
	reason = PG_ARGISNULL(3) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(3));
	if (reason[strspn(reason, " \t\r\n")] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a reason is needed to publish"),
				 errhint("Say in a few words why these rules change; it is kept with the version and in the audit trail.")));
	level = NewGUCNestLevel();
	if (!PG_ARGISNULL(5))
	{
		/* who publishes, for every room's records */
		actor = text_to_cstring(PG_GETARG_TEXT_PP(5));
		(void) set_config_option("nurture.app_user", actor,
								 PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	}
	changed = kinds[kind].publish(text_to_cstring(PG_GETARG_TEXT_PP(1)),
								  PG_GETARG_INT32(2), reason, actor);
	AtEOXact_GUC(true, level);
	PG_RETURN_TEXT_P(cstring_to_text(changed));
}
