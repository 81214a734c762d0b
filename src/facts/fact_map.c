/*
 * fact_map.c
 *	  Rows of nurture.fact_map: checked when they are written, kept per
 *	  backend.
 */
#include "base/compat.h"

#include "base/errors.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/rulecache.h"
#include "base/trigger.h"
#include "catalog/pg_type.h"
#include "facts/fact_map.h"
#include "facts/vocabulary.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/rel.h"

NURTURE_FUNCTION(nurture_fact_map_check);

const FactGate *nurture_fact_gate = NULL;

/*
 * Contact points and the audience decide whom messages reach and which: a
 * form, which anybody may fill in, does not overwrite them.
 */
const FactColumn nurture_fact_lead_columns[] = {
	{"email", FACT_EMAIL, true, true},
	{"phone", FACT_PHONE, true, true},
	{"full_name", FACT_ANY_TEXT, false, false},
	{"audience_type", FACT_AUDIENCE, true, true},
	{"role", FACT_ANY_TEXT, false, false},
	{"specialty", FACT_ANY_TEXT, false, false},
	{"therapeutic_area", FACT_AREA, false, false},
	{"country", FACT_COUNTRY, true, false},
	{"region", FACT_REGION, false, false},
	{"postal_code", FACT_ANY_TEXT, false, false},
	{"organization_type", FACT_ANY_TEXT, false, false},
	{"source", FACT_ANY_TEXT, false, false},
	{"campaign", FACT_ANY_TEXT, false, false},
	{"language", FACT_LANGUAGE, true, false},
	{"time_zone", FACT_ZONE, true, false},
	{NULL}
};

StaticAssertDecl(lengthof(nurture_fact_lead_columns) == FACT_LEAD_COLUMNS + 1,
				 "FACT_LEAD_COLUMNS counts the columns");

static const FactColumn preference_columns[] = {
	{"max_per_month", FACT_COUNT, true, false},
	{"topics", FACT_TOPICS, false, false},
	{"format", FACT_FORMAT, false, false},
	{"language", FACT_LANGUAGE, false, false},
	{NULL}
};

/* Rules of one event type. */
typedef struct TypeRules
{
	const char *event_type;
	int			first;
	int			n;
} TypeRules;

typedef struct FactMap
{
	int			ntypes;
	TypeRules  *types;			/* ascending by event type, bytewise */
	FactRule   *rules;			/* by event type, target, place */
} FactMap;

static void *load_map(Snapshot snapshot);

static RuleCache map_cache = {
	.name = "fact map",
	.tables = {"fact_map", "event_type"},
	.load = load_map
};

/* What became sensitive since the row was written gives no facts either. */
static KeptPlan read_map =
KEPT_PLAN_SCAN("SELECT m.event_type, m.target, m.mode, m.path, m.path::text, m.translate"
			   " FROM nurture.fact_map AS m JOIN nurture.event_type AS t ON t.event_type = m.event_type"
			   " WHERE NOT t.sensitive AND t.class <> 'safety' OR m.target LIKE 'consent.%'"
			   " ORDER BY m.event_type COLLATE \"C\", m.target COLLATE \"C\", m.place", 0);

static KeptPlan read_type =
KEPT_PLAN("SELECT sensitive OR class = 'safety' FROM nurture.event_type WHERE event_type = $1", TEXTOID);

/* Registers the cache. */
void
nurture_fact_map_init(void)
{
	nurture_rulecache_register(&map_cache);
}

static const FactColumn *
find_column(const FactColumn *columns, const char *name)
{
	for (; columns->name != NULL; columns++)
	{
		if (strcmp(columns->name, name) == 0)
			return columns;
	}
	return NULL;
}

static void bad_target(const char *target, const char *what, const char *word,
					   const FactColumn *columns) pg_attribute_noreturn();

/* Raises that a target names what is not there, with the nearest names. */
static void
bad_target(const char *target, const char *what, const char *word,
		   const FactColumn *columns)
{
	const char *names[FACT_LEAD_COLUMNS + 1];
	int			n = 0;

	for (; columns != NULL && columns->name != NULL; columns++)
		names[n++] = columns->name;
	ereport(ERROR,
			(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
			 errmsg("target \"%.100s\" of the fact map: unknown %s \"%.64s\"",
					target, what, word),
			 n > 0 ?
			 errhint("The nearest are %s.", nurture_nearest_names(word, names, n)) :
			 errhint("Targets are lead.<column>, attributes.<key>, consent.<channel>.<purpose> and preference.<channel>.<column>.")));
}

/*
 * Reads a target into *out.  With complain what is not right raises; else
 * the answer is false: the cache skips what can no longer be read.
 */
static bool
read_target(const char *text, bool complain, FactTarget *out)
{
	char	   *copy = pstrdup(text);
	char	   *parts[3] = {copy, NULL, NULL};
	int			n = 1;

	memset(out, 0, sizeof(*out));
	out->text = pstrdup(text);
	for (char *p = copy; *p && n < 3; p++)
	{
		if (*p == '.')
		{
			*p = '\0';
			parts[n++] = p + 1;
		}
	}
	if (n == 2 && strcmp(parts[0], "lead") == 0)
	{
		out->kind = FACT_LEAD;
		out->column = find_column(nurture_fact_lead_columns, parts[1]);
		if (out->column == NULL && complain)
			bad_target(text, "column", parts[1], nurture_fact_lead_columns);
		return out->column != NULL;
	}
	if (n == 2 && strcmp(parts[0], "attributes") == 0)
	{
		out->kind = FACT_ATTRIBUTE;
		out->key = parts[1];
		if (complain && nurture_attribute(out->key, strlen(out->key)) == NULL)
		{
			int			nknown;
			const Attribute *known = nurture_attributes(&nknown);
			const char **names = palloc(sizeof(char *) * Max(nknown, 1));

			for (int i = 0; i < nknown; i++)
				names[i] = known[i].attribute;
			ereport(ERROR,
					(errcode(NURTURE_ERRCODE_UNKNOWN_CODE),
					 errmsg("target \"%.100s\" of the fact map: unknown attribute \"%.64s\"",
							text, out->key),
					 errhint("The nearest known ones are %s; new ones are rows of nurture.attribute.",
							 nurture_nearest_names(out->key, names, nknown))));
		}
		return true;
	}
	if (n == 3 && strcmp(parts[0], "consent") == 0)
	{
		out->kind = FACT_CONSENT;
		out->channel = parts[1];
		out->purpose = parts[2];
		if (complain)
		{
			nurture_fact_gate->require_channel(out->channel);
			if (strcmp(out->purpose, "*") != 0 &&
				(out->purpose[0] < 'a' || out->purpose[0] > 'z' ||
				 strspn(out->purpose, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(out->purpose)))
				bad_target(text, "purpose", out->purpose, NULL);
		}
		return true;
	}
	if (n == 3 && strcmp(parts[0], "preference") == 0)
	{
		out->kind = FACT_PREFERENCE;
		out->channel = parts[1];
		out->column = find_column(preference_columns, parts[2]);
		if (complain)
		{
			nurture_fact_gate->require_channel(out->channel);
			if (out->column == NULL)
				bad_target(text, "preference", parts[2], preference_columns);
		}
		return out->column != NULL;
	}
	if (complain)
		bad_target(text, "kind of target", parts[0], NULL);
	return false;
}

static FactMode
read_mode(const char *mode)
{
	return strcmp(mode, "fill") == 0 ? FACT_FILL :
		strcmp(mode, "replace") == 0 ? FACT_REPLACE : FACT_REVIEW;
}

static void *
load_map(Snapshot snapshot)
{
	FactMap    *map = palloc0(sizeof(FactMap));
	int			n = 0;

	(void) nurture_execute_snapshot(&read_map, NULL, NULL, snapshot);
	map->rules = palloc0(sizeof(FactRule) * Max(SPI_processed, 1));
	map->types = palloc0(sizeof(TypeRules) * Max(SPI_processed, 1));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		FactRule   *rule = &map->rules[n];
		TypeRules  *type = map->ntypes > 0 ? &map->types[map->ntypes - 1] : NULL;
		bool		isnull;
		Datum		value;
		Jsonb	   *translate;

		if (!read_target(nurture_cell_text(i, 2), false, &rule->target))
			continue;
		rule->event_type = nurture_cell_text(i, 1);
		rule->mode = read_mode(nurture_cell_text(i, 3));
		value = nurture_cell(i, 4, &isnull);
		rule->path = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
		rule->path_text = nurture_cell_text(i, 5);
		translate = DatumGetJsonbPCopy(nurture_cell(i, 6, &isnull));
		rule->translate = JB_ROOT_COUNT(translate) > 0 ? translate : NULL;
		if (type == NULL || strcmp(type->event_type, rule->event_type) != 0)
		{
			type = &map->types[map->ntypes++];
			type->event_type = rule->event_type;
			type->first = n;
		}
		type->n++;
		n++;
	}
	return map;
}

/* Returns the rules of an event type by target and place. */
const FactRule *
nurture_fact_rules(const char *event_type, int *n)
{
	const FactMap *map = nurture_rulecache_get(&map_cache);
	int			low = 0;
	int			high = map->ntypes - 1;

	while (low <= high)
	{
		int			mid = low + (high - low) / 2;
		int			order = strcmp(event_type, map->types[mid].event_type);

		if (order == 0)
		{
			*n = map->types[mid].n;
			return &map->rules[map->types[mid].first];
		}
		if (order < 0)
			high = mid - 1;
		else
			low = mid + 1;
	}
	*n = 0;
	return NULL;
}

/*
 * Refuses what would raise an error when an event comes, however lax and
 * silent the path is evaluated: variables, of which there are none, and dates.
 */
static void
check_path(const char *path)
{
	/* those but the first from 17 on */
	static const char *const dates[] = {".datetime(", ".date(", ".time(", ".time_tz(", ".timestamp(", ".timestamp_tz("};
	bool		inside = false; /* a quoted word */

	for (const char *p = path; *p; p++)
	{
		if (inside && *p == '\\' && p[1] != '\0')
			p++;
		else if (*p == '"')
			inside = !inside;
		else if (!inside && *p == '$' && p[1] == '"')
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("path of the fact map has a variable"),
					 errhint("Answers are found from $, the properties of the event; there are no variables.")));
		for (int i = 0; !inside && *p == '.' && i < lengthof(dates); i++)
		{
			if (strncmp(p, dates[i], strlen(dates[i])) == 0)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("path of the fact map uses a method for dates"),
						 errhint("A date is taken as text YYYY-MM-DD; the attribute's type checks it.")));
		}
	}
}

static char *
column_text(HeapTuple row, TupleDesc desc, const char *column)
{
	return SPI_getvalue(row, desc, SPI_fnumber(desc, column));
}

/* Trigger before rows of nurture.fact_map: refuses what could not work. */
Datum
nurture_fact_map_check(PG_FUNCTION_ARGS)
{
	TriggerData *data = nurture_trigger_data(fcinfo, "nurture_fact_map_check");
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	HeapTuple	row = TRIGGER_FIRED_BY_UPDATE(data->tg_event) ?
	data->tg_newtuple : data->tg_trigtuple;
	char	   *event_type = column_text(row, desc, "event_type");
	char	   *text = column_text(row, desc, "target");
	char	   *mode = column_text(row, desc, "mode");
	char	   *path = column_text(row, desc, "path");
	FactTarget	target;
	Datum		value;
	bool		isnull;
	OwnerSwitch owner;
	int			level;

	if (!nurture_deriving() || event_type == NULL || text == NULL || mode == NULL || path == NULL)
		return PointerGetDatum(row);	/* NOT NULL says it better */
	(void) read_target(text, true, &target);
	if (target.kind == FACT_LEAD && target.column->no_replace && strcmp(mode, "replace") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("target \"%s\" of the fact map cannot have mode \"replace\"", target.text),
				 errdetail("Anybody may fill in a form in the name of a lead; what is known of whom messages reach would be overwritten."),
				 errhint("Use fill, or review, which leaves it to a person.")));
	if (target.kind == FACT_PREFERENCE && strcmp(mode, "replace") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("target \"%s\" of the fact map needs mode \"replace\"", target.text),
				 errhint("A preference is the lead's last word.")));
	check_path(path);

	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	value = CStringGetTextDatum(event_type);
	(void) nurture_execute(&read_type, &value, NULL, false);
	if (SPI_processed == 0)
		nurture_unknown_event_type(event_type);
	if (target.kind != FACT_CONSENT && DatumGetBool(nurture_cell(0, 1, &isnull)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("events of type \"%s\" do not become facts", event_type),
				 errdetail("The type is sensitive or of class safety, and facts are read by scoring and selection."),
				 errhint("Answers about consent may be mapped.")));
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
	return PointerGetDatum(row);
}
