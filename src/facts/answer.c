/*
 * answer.c
 *	  From what stands in a form to what a fact may be.
 *
 * An answer that does not fit is not forced: it has a problem, in words, and
 * a person looks at it.  No answer at all is JSON null, a text of blanks, an
 * empty list, and nothing at the path.
 */
#include "base/compat.h"

#include "base/zone.h"
#include "catalog/pg_type.h"
#include "core/day.h"
#include "facts/fact_map.h"
#include "facts/vocabulary.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#define MAX_COUNT	1000		/* of max_per_month */
#define MAX_EMAIL	254			/* RFC 5321 */

/* ISO 3166-1 alpha-2, officially assigned codes. */
static const char countries[] =
"AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ "
"CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR "
"GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP "
"KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT "
"MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW "
"SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG "
"UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

/* Tells whether a code is a country of ISO 3166-1 alpha-2. */
bool
nurture_country_known(const char *country)
{
	return strlen(country) == 2 && strchr(country, ' ') == NULL &&
		strstr(countries, country) != NULL;
}

/* ISO 639-1. */
static const char languages[] =
"aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en "
"eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv "
"ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne "
"ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st "
"su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu";

static bool
is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static void
trim(JsonbValue *text)
{
	while (text->val.string.len > 0 && is_blank(text->val.string.val[text->val.string.len - 1]))
		text	  ->val.string.len--;

	while (text->val.string.len > 0 && is_blank(text->val.string.val[0]))
	{
		text	  ->val.string.val++;
		text	  ->val.string.len--;
	}
}

static void
set_text(JsonbValue *value, char *text)
{
	value->type = jbvString;
	value->val.string.val = text;

	value->val.string.len = strlen(text);
}

/* Returns a scalar as text: what translations and text columns are made of. */
static char *
scalar_text(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvString:
			return pnstrdup(value->val.string.val, value->val.string.len);
		case jbvNumeric:
			return DatumGetCString(DirectFunctionCall1(numeric_out,
													   NumericGetDatum(value->val.numeric)));
		case jbvBool:
			return pstrdup(value->val.boolean ? "true" : "false");
		default:
			return NULL;
	}
}

/* Returns what the rule makes of an answer's own word. */
static JsonbValue
translated(const FactRule *rule, JsonbValue value)
{
	char	   *text = rule->translate ? scalar_text(&value) : NULL;
	JsonbValue	found;

	if (text !=NULL &&
		getKeyJsonValueFromContainer(&rule->translate->root, text, strlen(text), &found) != NULL)
		return found;
	return value;
}

/* Takes one item of an answer in; nothing, when it says nothing. */
static void
take_item(const FactRule *rule, JsonbValue value, JsonbValue *items, int *n)
{
	if (value.type == jbvString)
		trim(&value);
	value = translated(rule, value);
	if (value.type == jbvString)
		trim(&value);
	if (value.type == jbvNull || (value.type == jbvString && value.val.string.len == 0))
		return;
	items[(*n)++] = value;
}

/* Counts the items of an answer, those of lists one by one. */
static int
count_items(Jsonb *raw)
{
	JsonbIterator *iterator = JsonbIteratorInit(&raw->root);
	JsonbValue	value;
	int			n = 0;

	(void) JsonbIteratorNext(&iterator, &value, true);	/* WJB_BEGIN_ARRAY */
	while (JsonbIteratorNext(&iterator, &value, true) == WJB_ELEM)
		n += value.type == jbvBinary && JsonContainerIsArray(value.val.binary.data) ?
			JsonContainerSize(value.val.binary.data) : 1;
	return n;
}

/* Takes the items in; returns how many say something. */
static int
take_items(const FactRule *rule, Jsonb *raw, JsonbValue *items)
{
	JsonbIterator *iterator = JsonbIteratorInit(&raw->root);
	JsonbValue	value;
	int			n = 0;

	(void) JsonbIteratorNext(&iterator, &value, true);	/* WJB_BEGIN_ARRAY */
	while (JsonbIteratorNext(&iterator, &value, true) == WJB_ELEM)
	{
		JsonbIterator *inner;
		JsonbValue	item;

		if (value.type != jbvBinary || !JsonContainerIsArray(value.val.binary.data))
		{
			take_item(rule, value, items, &n);
			continue;
		}
		inner = JsonbIteratorInit(value.val.binary.data);
		(void) JsonbIteratorNext(&inner, &item, true);
		while (JsonbIteratorNext(&inner, &item, true) == WJB_ELEM)
			take_item(rule, item, items, &n);
	}
	return n;
}

/* Reads yes and no in the ways forms say it; -1 when it is neither. */
static int
truth_of(const JsonbValue *value)
{
	static const struct
	{
		const char *word;
		int			truth;
	}			words[] = {
		{"true", 1}, {"yes", 1}, {"y", 1}, {"on", 1}, {"1", 1},
		{"false", 0}, {"no", 0}, {"n", 0}, {"off", 0}, {"0", 0},
	};
	char	   *text = scalar_text(value);

	if (text == NULL)
		return -1;
	for (int i = 0; i < lengthof(words); i++)
	{
		if (pg_strcasecmp(text, words[i].word) == 0)
			return words[i].truth;
	}
	return -1;
}

static bool
all_of(const char *text, const char *set)
{
	return text[strspn(text, set)] == '\0';
}

static void
fold(char *text, bool upper)
{
	for (; *text; text ++)
		*text = upper ? pg_ascii_toupper((unsigned char) *text) : pg_ascii_tolower((unsigned char) *text);
}

static const char *
email_problem(const char *text)
{
	const char *at = strrchr(text, '@');

	if (strlen(text) > MAX_EMAIL)
		return "it is longer than an e-mail address can be";
	for (const char *p = text; *p; p++)
	{
		if (is_blank(*p) || (unsigned char) *p < ' ' || *p == ',' || *p == ';' || *p == '<' || *p == '>')
			return "it is not an e-mail address";
	}
	return at == NULL || at == text ||strchr(at, '.') == NULL || at[1] == '.' ||
	text[strlen(text) - 1] == '.' ? "it is not an e-mail address" : NULL;
}

static const char *
phone_problem(const char *text)
{
	int			digits = 0;

	if (!all_of(text[0] == '+' ? text +1 : text, "0123456789 ()-./"))
		return "it is not a phone number";
	for (const char *p = text; *p; p++)
		digits += *p >= '0' && *p <= '9';
	/* E.164: at most 15 */
	return digits < 5 || digits > 15 ? "it is not a phone number" : NULL;
}

static const char *
zone_problem(const char *text)
{
	return nurture_zone_named(text) == NULL ?
		"it is not an IANA time zone such as Europe/Paris" : NULL;
}

static const char *
tag_problem(const char *dimension, const char *text)
{
	char	   *tag = psprintf("%s:%s", dimension, text);

	return nurture_tag_id(tag, strlen(tag)) < 0 ?
		psprintf("it is no value of nurture.tag in dimension \"%s\"", dimension) : NULL;
}

/* Brings a language into the form "en" or "en-GB". */
static const char *
language_problem(char *text)
{
	size_t		len = strlen(text);

	fold(text, false);
	if ((len != 2 && len != 5) || text[0] == ' ' || text[1] == ' ' ||
		strstr(languages, pnstrdup(text, 2)) == NULL)
		return "it is no language code of ISO 639-1";
	if (len == 5)
	{
		if (text[2] != '-' && text[2] != '_')
			return "it is no language code of ISO 639-1";
		text[		2] = '-';

		fold(text +3, true);
		if (text[3] == ' ' || text[4] == ' ' || strstr(countries, text +3) == NULL)
			return "it is no language code of ISO 639-1 with a country";
	}
	return NULL;
}

/* Brings a text into the form of a column; returns what is wrong with it. */
static const char *
form_problem(FactForm form, char *text)
{
	const char *dash;

	switch (form)
	{
		case FACT_EMAIL:
			return email_problem(text);
		case FACT_PHONE:
			return phone_problem(text);
		case FACT_AUDIENCE:
			return nurture_audience_known(text, strlen(text)) ? NULL :
				"it is no row of nurture.audience_type";
		case FACT_AREA:
			return tag_problem("therapeutic_area", text);
		case FACT_FORMAT:
			return tag_problem("format", text);
		case FACT_COUNTRY:
			fold(text, true);
			return nurture_country_known(text) ? NULL : "it is no country code of ISO 3166-1 alpha-2";
		case FACT_REGION:
			fold(text, true);
			dash = strchr(text, '-');
			return dash == text +2 && text[0] != ' ' && text[1] != ' ' &&
						strlen(dash) >= 2 && strlen(dash) <= 4 &&
						all_of(dash + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") &&
						strstr(countries, pnstrdup(text, 2)) != NULL ?
						NULL : "it is no region code of ISO 3166-2";

		case FACT_LANGUAGE:
			return language_problem(text);
		case FACT_ZONE:
			return zone_problem(text);
		case FACT_ANY_TEXT:
		case FACT_TOPICS:
		case FACT_COUNT:
			break;
	}
	return NULL;
}

/* Makes a text of one item; NULL with *problem when it is none. */
static char *
item_text(const JsonbValue *item, const char **problem)
{
	char	   *text;

	if (item->type != jbvString && item->type != jbvNumeric)
	{
		*problem = "it is not a text";
		return NULL;
	}
	text = scalar_text(item);

	if (strlen(text) > ATTRIBUTE_MAX_TEXT)
	{
		*problem = psprintf("it is longer than %d bytes", ATTRIBUTE_MAX_TEXT);
		return NULL;
	}
	return text;
}

static const char *
make_column(const FactColumn *column, JsonbValue *item)
{
	const char *problem = NULL;
	char	   *text = item_text(item, &problem);

	if (text == NULL)
		return problem;
	if (column->form == FACT_COUNT)
	{
		int64		count;

		if (strlen(text) > 4 || !all_of(text, "0123456789") || (count = atoi(text)) > MAX_COUNT)
			return psprintf("it is not a whole number from 0 to %d", MAX_COUNT);
		item->type = jbvNumeric;
		item->val.numeric = int64_to_numeric(count);
		return NULL;
	}
	problem = form_problem(column->form, text);
	set_text(item, text);
	return problem;
}

/* Makes a value of the attribute's type out of one item. */
static void
make_typed(AttributeType type, JsonbValue *item)
{
	int64		code;
	int			truth;
	int32		day;

	switch (type)
	{
		case ATTRIBUTE_NUMBER:
			if (item->type == jbvString && item->val.string.len <= 40)
			{
				char	   *text = scalar_text(item);

				if (!all_of(text, "+-.0123456789") ||
					!nurture_cond_number(text, strlen(text), &code))
					break;
				item->type = jbvNumeric;
				item->val.numeric = DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(text),
																		ObjectIdGetDatum(InvalidOid),
																		Int32GetDatum(-1)));
			}
			break;
		case ATTRIBUTE_BOOLEAN:
			truth = truth_of(item);
			if (truth >= 0)
			{
				item->type = jbvBool;
				item->val.boolean = truth > 0;
			}
			break;
		case ATTRIBUTE_DATE:
			/* of an instant its day, as it is written */
			if (item->type == jbvString && item->val.string.len > NURTURE_DAY_ISO_LEN &&
				(item->val.string.val[NURTURE_DAY_ISO_LEN] == 'T' || item->val.string.val[NURTURE_DAY_ISO_LEN] == ' ') &&
				nurture_day_from_iso(item->val.string.val, NURTURE_DAY_ISO_LEN, &day))
				item->val.string.len = NURTURE_DAY_ISO_LEN;
			break;
		case ATTRIBUTE_TEXT:
		case ATTRIBUTE_LIST:
			if (item->type == jbvNumeric)
				set_text(item, scalar_text(item));
			break;
	}
}

static Jsonb *
list_of(JsonbValue *items, int n)
{
	JsonbParseState *state = NULL;

	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < n; i++)
		(void) pushJsonbValue(&state, WJB_ELEM, &items[i]);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}

static void
make_attribute(const char *key, JsonbValue *items, int n, FactAnswer *answer)
{
	const Attribute *attribute = nurture_attribute(key, strlen(key));
	bool		list = attribute ? attribute->type == ATTRIBUTE_LIST : n > 1;
	const char *problem = NULL;

	if (!list && n > 1)
	{
		answer->problem = pstrdup("there is more than one answer");
		return;
	}
	for (int i = 0; i < n; i++)
	{
		if (items[i].type == jbvBinary)
		{
			answer->problem = pstrdup("it is an object or a list of lists");
			return;
		}
		if (attribute != NULL)
			make_typed(attribute->type, &items[i]);
		else if (items[i].type == jbvString && item_text(&items[i], &problem) == NULL)
		{
			answer->problem = pstrdup(problem);
			return;
		}
	}
	answer->value = list ? list_of(items, n) : JsonbValueToJsonb(&items[0]);
	if (attribute != NULL)
	{
		JsonbValue	value = items[0];

		if (list)
		{
			value.type = jbvBinary;
			value.val.binary.data = &answer->value->root;
			value.val.binary.len = VARSIZE(answer->value) - VARHDRSZ;
		}
		answer->problem = nurture_attribute_misfit(attribute, &value);
	}
}

static void
make_topics(JsonbValue *items, int n, FactAnswer *answer)
{
	for (int i = 0; i < n; i++)
	{
		const char *problem = NULL;
		char	   *text = item_text(&items[i], &problem);

		if (text !=NULL)
			problem = tag_problem("topic", text);
		if (problem != NULL)
		{
			answer->problem = psprintf("item %d: %s", i + 1, problem);
			return;
		}
		set_text(&items[i], text);
	}
	answer->value = list_of(items, n);
}

/*
 * Looks for the answer of a rule in the properties of an event; false when
 * there is none.  The result lives in the current memory context.
 */
bool
nurture_fact_answer(const FactRule *rule, const Jsonb *properties, FactAnswer *answer)
{
	static Jsonb *no_variables = NULL;	/* {}, for the life of the backend */
	JsonbValue *items;
	int			n;
	int			truth;
	const char *problem;

	memset(answer, 0, sizeof(*answer));
	if (no_variables == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		no_variables = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")));
		MemoryContextSwitchTo(old);
	}
	answer->raw = DatumGetJsonbP(DirectFunctionCall4(jsonb_path_query_array,
													 JsonbPGetDatum(properties), rule->path,
													 JsonbPGetDatum(no_variables), BoolGetDatum(true)));
	if (JB_ROOT_COUNT(answer->raw) == 0)
		return false;
	n = count_items(answer->raw);
	if (n > ATTRIBUTE_MAX_ITEMS)
	{
		answer->problem = psprintf("it has more than %d items", ATTRIBUTE_MAX_ITEMS);
		return true;
	}
	items = palloc(sizeof(JsonbValue) * Max(n, 1));
	n = take_items(rule, answer->raw, items);
	if (n == 0)
		return false;
	if (rule->target.kind == FACT_ATTRIBUTE)
		make_attribute(rule->target.key, items, n, answer);
	else if (rule->target.kind == FACT_PREFERENCE && rule->target.column->form == FACT_TOPICS)
		make_topics(items, n, answer);
	else if (n > 1)
		answer->problem = pstrdup("there is more than one answer");
	else if (rule->target.kind == FACT_CONSENT)
	{
		truth = truth_of(&items[0]);
		if (truth < 0)
			answer->problem = pstrdup("it is neither yes nor no");
		else
		{
			items[0].type = jbvBool;
			items[0].val.boolean = truth > 0;
			answer->value = JsonbValueToJsonb(&items[0]);
		}
	}
	else
	{
		problem = make_column(rule->target.column, &items[0]);
		answer->problem = problem ? pstrdup(problem) : NULL;
		if (problem == NULL)
			answer->value = JsonbValueToJsonb(&items[0]);
		/* "unknown" is what the column says of those who have not answered */
		if (problem == NULL && rule->target.column->form == FACT_AUDIENCE &&
			strcmp(scalar_text(&items[0]), "unknown") == 0)
			return false;
	}
	if (answer->problem != NULL)
		answer->value = NULL;
	return true;
}
