/*
 * vocabulary.c
 *	  Codes of the configuration and the numbers that stand for them.
 */
#include "base/compat.h"

#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/rulecache.h"
#include "catalog/pg_type.h"
#include "facts/vocabulary.h"
#include "facts/vocabulary_private.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/varlena.h"

/* longest code that nearest-match looks at, in bytes */
#define MAX_NEAREST_LENGTH 63

typedef struct NamedNumber
{
	const char *name;
	int			number;			/* signal_id, tag_id, stage_no */
	const char *detail;			/* title, class of an event type */
} NamedNumber;

typedef struct NameList
{
	NamedNumber *items;			/* ascending by name, bytewise */
	int			count;
} NameList;

typedef struct TagInfo
{
	const char *text;			/* "dimension:value" */
	int			parent;			/* tag_id, -1 = none */
	bool		sensitive;
} TagInfo;

typedef struct Vocabulary
{
	NameList	signals;
	NameList	tags;
	NameList	event_types;
	NameList	lists;			/* of leads */
	NameList	stages;			/* name is "audience\001stage" or "*\001stage" */
	const NamedNumber **signal_by_id;
	int			max_signal;
	TagInfo    *tag_by_id;
	int			max_tag;
} Vocabulary;

static void *load_vocabulary(Snapshot snapshot);

static RuleCache vocabulary_cache = {
	.name = "vocabulary",
	.tables = {"signal", "tag", "event_type", "stage", "list"},
	.load = load_vocabulary
};

static KeptPlan read_signals = KEPT_PLAN0("SELECT signal, signal_id::int4, coalesce(title, replace(signal, '_', ' ')) "
										  "FROM nurture.signal ORDER BY signal COLLATE \"C\"");
static KeptPlan read_tags = KEPT_PLAN0("SELECT t.dimension || ':' || t.value, t.tag_id, p.tag_id, t.sensitive "
									   "FROM nurture.tag t LEFT JOIN nurture.tag p ON p.dimension = t.dimension AND p.value = t.parent "
									   "ORDER BY (t.dimension || ':' || t.value) COLLATE \"C\"");
static KeptPlan read_event_types = KEPT_PLAN0("SELECT event_type, 0, class FROM nurture.event_type ORDER BY event_type COLLATE \"C\"");
static KeptPlan read_lists = KEPT_PLAN0("SELECT list, 0, title FROM nurture.list ORDER BY list COLLATE \"C\"");
static KeptPlan read_stages = KEPT_PLAN0("SELECT audience_type || E'\\x01' || stage, stage_no::int4, title "
										 "FROM nurture.stage ORDER BY (audience_type || E'\\x01' || stage) COLLATE \"C\"");

/* Registers the cache. */
void
nurture_vocabulary_init(void)
{
	nurture_rulecache_register(&vocabulary_cache);
}

static void
read_names(KeptPlan *plan, Snapshot snapshot, NameList *list)
{
	plan->seqscan = true;
	nurture_execute_snapshot(plan, NULL, NULL, snapshot);
	list->count = SPI_processed;
	list->items = palloc(sizeof(NamedNumber) * Max(list->count, 1));
	for (int i = 0; i < list->count; i++)
	{
		bool		isnull;

		list->items[i].name = nurture_cell_text(i, 1);
		list->items[i].number = DatumGetInt32(nurture_cell(i, 2, &isnull));
		list->items[i].detail = nurture_cell_text(i, 3);
	}
}

static void *
load_vocabulary(Snapshot snapshot)
{
	Vocabulary *v = palloc0(sizeof(Vocabulary));

	read_names(&read_signals, snapshot, &v->signals);
	read_names(&read_event_types, snapshot, &v->event_types);
	read_names(&read_stages, snapshot, &v->stages);
	read_names(&read_lists, snapshot, &v->lists);

	for (int i = 0; i < v->signals.count; i++)
		v->max_signal = Max(v->max_signal, v->signals.items[i].number);
	v->signal_by_id = palloc0(sizeof(NamedNumber *) * (v->max_signal + 1));
	for (int i = 0; i < v->signals.count; i++)
		v->signal_by_id[v->signals.items[i].number] = &v->signals.items[i];

	read_tags.seqscan = true;
	nurture_execute_snapshot(&read_tags, NULL, NULL, snapshot);
	v->tags.count = SPI_processed;
	v->tags.items = palloc(sizeof(NamedNumber) * Max(v->tags.count, 1));
	for (int i = 0; i < v->tags.count; i++)
	{
		bool		isnull;

		v->tags.items[i].name = nurture_cell_text(i, 1);
		v->tags.items[i].number = DatumGetInt32(nurture_cell(i, 2, &isnull));
		v->tags.items[i].detail = NULL;
		v->max_tag = Max(v->max_tag, v->tags.items[i].number);
	}
	v->tag_by_id = palloc0(sizeof(TagInfo) * (v->max_tag + 1));
	for (int i = 0; i < v->tags.count; i++)
	{
		TagInfo    *tag = &v->tag_by_id[v->tags.items[i].number];
		bool		isnull;
		Datum		parent = nurture_cell(i, 3, &isnull);

		tag->text = v->tags.items[i].name;
		tag->parent = isnull ? -1 : DatumGetInt32(parent);
		tag->sensitive = DatumGetBool(nurture_cell(i, 4, &isnull));
	}
	return v;
}

static Vocabulary *
vocabulary(void)
{
	return nurture_rulecache_get(&vocabulary_cache);
}

static const NamedNumber *
find_name(const NameList *list, const char *name, size_t len)
{
	int			low = 0;
	int			high = list->count - 1;

	while (low <= high)
	{
		int			mid = low + (high - low) / 2;
		const char *other = list->items[mid].name;
		int			order = strncmp(name, other, len);

		if (order == 0 && other[len] != '\0')
			order = -1;
		if (order == 0)
			return &list->items[mid];
		if (order < 0)
			high = mid - 1;
		else
			low = mid + 1;
	}
	return NULL;
}

/* Returns the number of a signal, -1 when there is none. */
int
nurture_signal_id(const char *code, size_t len)
{
	const NamedNumber *found = find_name(&vocabulary()->signals, code, len);

	return found ? found->number : -1;
}

static const NamedNumber *
signal_by_id(int signal_id)
{
	Vocabulary *v = vocabulary();

	return signal_id > 0 && signal_id <= v->max_signal ?
		v->signal_by_id[signal_id] : NULL;
}

/* Returns the code of a signal, NULL when there is none. */
const char *
nurture_signal_code(int signal_id)
{
	const NamedNumber *found = signal_by_id(signal_id);

	return found ? found->name : NULL;
}

/* Returns the words for a signal, NULL when there is none. */
const char *
nurture_signal_title(int signal_id)
{
	const NamedNumber *found = signal_by_id(signal_id);

	return found ? found->detail : NULL;
}

/* Returns the number of a tag written dimension:value, -1 when there is none. */
int
nurture_tag_id(const char *tag, size_t len)
{
	const NamedNumber *found = find_name(&vocabulary()->tags, tag, len);

	return found ? found->number : -1;
}

static const TagInfo *
tag_by_id(int tag_id)
{
	Vocabulary *v = vocabulary();

	return tag_id > 0 && tag_id <= v->max_tag && v->tag_by_id[tag_id].text ?
		&v->tag_by_id[tag_id] : NULL;
}

/* Returns a tag as dimension:value, NULL when there is none. */
const char *
nurture_tag_text(int tag_id)
{
	const TagInfo *tag = tag_by_id(tag_id);

	return tag ? tag->text : NULL;
}

/* Returns the broader tag, -1 when there is none. */
int
nurture_tag_parent(int tag_id)
{
	const TagInfo *tag = tag_by_id(tag_id);

	return tag ? tag->parent : -1;
}

/* Tells whether a tag is the other one or below it. */
bool
nurture_tag_under(int tag_id, int ancestor_id)
{
	/* the tree is acyclic by its foreign key only at the end; bound the walk */
	for (int depth = 0; tag_id > 0 && depth < 64; depth++)
	{
		if (tag_id == ancestor_id)
			return true;
		tag_id = nurture_tag_parent(tag_id);
	}
	return false;
}

/* Tells whether a tag is counted with special consent only. */
bool
nurture_tag_sensitive(int tag_id)
{
	const TagInfo *tag = tag_by_id(tag_id);

	return tag && tag->sensitive;
}

/* Tells that a list of leads is there: its place, -1 when there is none. */
int
nurture_list_id(const char *list, size_t len)
{
	const NamedNumber *found = find_name(&vocabulary()->lists, list, len);

	return found ? (int) (found - vocabulary()->lists.items) : -1;
}

/* Returns the class of an event type, NULL when there is none. */
const char *
nurture_event_class(const char *event_type, size_t len)
{
	const NamedNumber *found = find_name(&vocabulary()->event_types, event_type, len);

	return found ? found->detail : NULL;
}

static const NamedNumber *
find_stage(const char *audience_type, const char *stage)
{
	char	   *key = psprintf("%s\001%s", audience_type, stage);
	const NamedNumber *found = find_name(&vocabulary()->stages, key, strlen(key));

	pfree(key);
	return found;
}

/* Returns the order of a stage for an audience, -1 when there is none. */
int
nurture_stage_no(const char *audience_type, const char *stage)
{
	const NamedNumber *found = find_stage(audience_type, stage);

	if (found == NULL)
		found = find_stage("*", stage);
	return found ? found->number : -1;
}

/* Visits every known name of a kind that has a table. */
void
nurture_vocabulary_each(CondNameKind kind, CondNameVisit visit, void *arg)
{
	Vocabulary *v = vocabulary();
	const NameList *list;

	if (kind == COND_NAME_SIGNAL)
		list = &v->signals;
	else if (kind == COND_NAME_TAG)
		list = &v->tags;
	else if (kind == COND_NAME_STAGE)
		list = &v->stages;
	else if (kind == COND_NAME_LIST)
		list = &v->lists;
	else
		return;
	for (int i = 0; i < list->count; i++)
	{
		const char *name = list->items[i].name;

		if (kind == COND_NAME_STAGE)
			name = strchr(name, '\001') + 1;
		visit(arg, name, strlen(name));
	}
}

/* Tells whether a stage exists for any audience; its number, else -1. */
int
nurture_vocabulary_stage(const char *name, size_t len)
{
	Vocabulary *v = vocabulary();

	for (int i = 0; i < v->stages.count; i++)
	{
		const char *stage = strchr(v->stages.items[i].name, '\001') + 1;

		if (strlen(stage) == len && memcmp(stage, name, len) == 0)
			return v->stages.items[i].number;
	}
	return -1;
}

typedef struct Nearest
{
	const char *wanted;
	int			wanted_length;
	char		names[3][MAX_NEAREST_LENGTH + 1];
	int			distances[3];
	int			count;
} Nearest;

static void
consider(void *arg, const char *name, size_t len)
{
	Nearest    *nearest = arg;
	int			distance;
	int			place;

	if (len > MAX_NEAREST_LENGTH)
		return;
	distance = varstr_levenshtein(nearest->wanted, nearest->wanted_length,
								  name, len, 1, 1, 1, true);
	for (place = nearest->count; place > 0 && nearest->distances[place - 1] > distance; place--)
	{
		if (place < 3)
		{
			nearest->distances[place] = nearest->distances[place - 1];
			strcpy(nearest->names[place], nearest->names[place - 1]);
		}
	}
	if (place < 3)
	{
		nearest->distances[place] = distance;
		memcpy(nearest->names[place], name, len);
		nearest->names[place][len] = '\0';
		if (nearest->count < 3)
			nearest->count++;
	}
}

static char *
nearest_text(const Nearest *nearest)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < nearest->count; i++)
		appendStringInfo(&buf, "%s\"%s\"",
						 i == 0 ? "" : i == nearest->count - 1 ? " or " : ", ",
						 nearest->names[i]);
	return buf.data;
}

static void
begin_nearest(Nearest *nearest, const char *code)
{
	memset(nearest, 0, sizeof(*nearest));
	nearest->wanted = code;
	nearest->wanted_length = Min(strlen(code), MAX_NEAREST_LENGTH);
}

/* Returns up to three known event types near this code, for a hint. */
char	   *
nurture_nearest_event_types(const char *code)
{
	Vocabulary *v = vocabulary();
	Nearest		nearest;

	begin_nearest(&nearest, code);
	for (int i = 0; i < v->event_types.count; i++)
		consider(&nearest, v->event_types.items[i].name,
				 strlen(v->event_types.items[i].name));
	return nearest_text(&nearest);
}

/* Returns up to three of these names near a code, for a hint. */
char	   *
nurture_nearest_names(const char *code, const char *const *names, int n)
{
	Nearest		nearest;

	begin_nearest(&nearest, code);
	for (int i = 0; i < n; i++)
		consider(&nearest, names[i], strlen(names[i]));
	return nearest_text(&nearest);
}

/* Raises that an event type is not known. */
void
nurture_unknown_event_type(const char *code)
{
	ereport(ERROR,
			(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
			 errmsg("unknown event type \"%.64s\"", code),
			 errhint("The nearest known ones are %s; new ones are rows of nurture.event_type.",
					 nurture_nearest_event_types(code))));
}

/* Raises that a code is not known, with the nearest known ones. */
void
nurture_unknown_code(CondNameKind kind, const char *what, const char *code)
{
	Nearest		nearest;

	begin_nearest(&nearest, code);
	nurture_vocabulary_each(kind, consider, &nearest);
	ereport(ERROR,
			(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
			 errmsg("unknown %s \"%s\"", what, nurture_clipped(code)),
			 nearest.count > 0 ?
			 errhint("The nearest known ones are %s.", nearest_text(&nearest)) : 0));
}
