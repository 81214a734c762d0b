/*
 * dry_run.c
 *	  For which leads the weights of a draft would choose another asset.
 */
#include "base/compat.h"

#include "content/content.h"
#include "content/index.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/json.h"
#include "utils/memutils.h"

/* Leads whose asset is one now and would be another. */
typedef struct Move
{
	char	   *from;			/* NULL = none */
	char	   *to;				/* likewise */
	int			leads;
} Move;

static int
compare_names(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return (a != NULL) - (b != NULL);
	return strcmp(a, b);
}

/* Orders by how many leads, the most first. */
static int
compare_moves(const void *a, const void *b)
{
	const Move *x = a;
	const Move *y = b;
	int			from = compare_names(x->from, y->from);

	if (x->leads != y->leads)
		return x->leads > y->leads ? -1 : 1;
	return from != 0 ? from : compare_names(x->to, y->to);
}

static void
add_move(Move *moves, int *n, const char *from, const char *to)
{
	for (int i = 0; i < *n; i++)
	{
		if (compare_names(moves[i].from, from) == 0 &&
			compare_names(moves[i].to, to) == 0)
		{
			moves[i].leads++;
			return;
		}
	}
	moves[*n].from = from ? pstrdup(from) : NULL;
	moves[*n].to = to ? pstrdup(to) : NULL;
	moves[(*n)++].leads = 1;
}

static void
put_name(StringInfo json, const char *key, const char *name)
{
	appendStringInfo(json, "\"%s\": ", key);
	if (name == NULL)
		appendStringInfoString(json, "null");
	else
		escape_json(json, name);
}

/* Returns the asset chosen for a lead, NULL when none fits. */
static char *
chosen(Subject *subject, const ContentRequest *request)
{
	ContentChoice choice = nurture_content_choose(subject, request);

	/* what it points to may go with the library it was chosen from */
	return choice.chosen ? pstrdup(choice.chosen->asset_id) : NULL;
}

char	   *
nurture_selection_dry_run(const char *code, int version, const int64 *leads,
						  int n, TimestampTz at)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "nurture dry run",
												  ALLOCSET_DEFAULT_SIZES);
	const ContentIndex *draft = nurture_content_index_with(code, version);
	Move	   *moves = palloc(sizeof(Move) * Max(n, 1));
	StringInfoData json;
	int			asked = 0;
	int			changed = 0;
	int			nmoves = 0;

	for (int i = 0; i < n; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		ContentRequest now = {.at = at};
		ContentRequest then = {.at = at,.index = draft};
		Subject    *subject = nurture_subject_load(leads[i], at, true);
		char	   *from = NULL;
		char	   *to = NULL;

		CHECK_FOR_INTERRUPTS();
		if (subject != NULL)
		{
			asked++;
			from = chosen(subject, &now);
			to = chosen(subject, &then);
		}
		MemoryContextSwitchTo(old);
		if (compare_names(from, to) != 0)
		{
			changed++;
			add_move(moves, &nmoves, from, to);
		}
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
	qsort(moves, nmoves, sizeof(Move), compare_moves);

	initStringInfo(&json);
	appendStringInfo(&json, "{\"leads\": %d, \"changed\": %d, \"moves\": [",
					 asked, changed);
	for (int i = 0; i < nmoves; i++)
	{
		appendStringInfoString(&json, i > 0 ? ", {" : "{");
		put_name(&json, "from", moves[i].from);
		appendStringInfoString(&json, ", ");
		put_name(&json, "to", moves[i].to);
		appendStringInfo(&json, ", \"leads\": %d}", moves[i].leads);
	}
	appendStringInfoString(&json, "]}");
	return json.data;
}
