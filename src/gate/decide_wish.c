/*
 * decide_wish.c
 *	  What the lead wants: topics and format of what is sent to it.
 *
 * What a preference says about a channel comes before what it says about all.
 * Topics and format bind for promotional and disease awareness messages: an
 * answer to a question is what the lead asked for.
 */
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "gate/decide.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"

/* Returns the format or language a lead asked for, NULL when it did not. */
const char *
nurture_gate_wish(const GateLead *lead, const char *channel, GateWishKind kind)
{
	const char *found = NULL;

	for (int i = 0; i < lead->nwishes; i++)
	{
		const GateWish *wish = &lead->wishes[i];
		const char *word = kind == GATE_WISH_FORMAT ? wish->format : wish->language;

		if (word == NULL)
			continue;
		if (strcmp(wish->channel, channel) == 0)
			return word;
		if (strcmp(wish->channel, "*") == 0)
			found = word;
	}
	return found;
}

static ArrayType *
topics_wanted(const GateLead *lead, const char *channel)
{
	ArrayType  *found = NULL;

	for (int i = 0; i < lead->nwishes; i++)
	{
		const GateWish *wish = &lead->wishes[i];

		if (wish->topics == NULL)
			continue;
		if (strcmp(wish->channel, channel) == 0)
			return wish->topics;
		if (strcmp(wish->channel, "*") == 0)
			found = wish->topics;
	}
	return found;
}

/* Tells whether two text[] share an item; *words lists the first of them. */
static bool
share(ArrayType *items, ArrayType *others, char **words)
{
	ArrayIterator iterator = array_create_iterator(items, 0, NULL);
	StringInfoData list;
	Datum		value;
	bool		null;
	bool		shared = false;

	initStringInfo(&list);
	while (array_iterate(iterator, &value, &null))
	{
		char	   *word;

		if (null)
			continue;
		word = TextDatumGetCString(value);
		shared = shared || nurture_gate_listed(others, word);
		appendStringInfo(&list, "%s%s", list.len ? ", " : "", word);
	}
	array_free_iterator(iterator);
	*words = list.data;
	return shared;
}

/* Asks whether the asset is what the lead wants. */
void
nurture_gate_decide_wishes(const GateLead *lead, const GateAsset *asset,
						   const GateAsk *ask, int class,
						   GateDecision *decision)
{
	const char *format;
	ArrayType  *topics;
	GateFinding *finding;
	char	   *words;

	if (lead->nwishes == 0 || (class & CLASS_MARKETING) == 0)
		return;
	topics = topics_wanted(lead, ask->channel);
	/* what is about no topic in particular is about none that is unwanted */
	if (topics != NULL && asset->topics != NULL)
	{
		bool		wanted = share(asset->topics, topics, &words);

		finding = nurture_gate_found(decision, "preference:topics", wanted,
									 GATE_REFUSE, "preference", words);
		if (ask->remedies && !wanted)
			finding->remedy = "Choose an asset about what the lead wants to hear of, as in nurture.preference.topics.";
	}
	format = nurture_gate_wish(lead, ask->channel, GATE_WISH_FORMAT);
	if (format != NULL && asset->formats != NULL)
	{
		bool		wanted = nurture_gate_listed(asset->formats, format);

		(void) share(asset->formats, asset->formats, &words);
		finding = nurture_gate_found(decision, "preference:format", wanted,
									 GATE_REFUSE, "preference", words);
		if (ask->remedies && !wanted)
			finding->remedy = psprintf("Choose an asset of format %s, as the lead wants it.", format);
	}
}
