/*
 * choose_sets.c
 *	  The filters that are sets of entries: for a lead each is one set, or two
 *	  that are joined.
 */
#include "base/compat.h"

#include "content/choose_private.h"

/* Returns the message classes allowed in the lead's stage, NULL = all. */
static const IndexStage *
stage_classes(const Choice *c)
{
	const IndexStage *found = NULL;

	for (int i = 0; i < c->index->nstages; i++)
	{
		const IndexStage *s = &c->index->stages[i];

		if (strcmp(s->stage, c->stage) != 0)
			continue;
		if (strcmp(s->audience_type, c->audience) == 0)
		{
			found = s;
			break;
		}
		if (strcmp(s->audience_type, "*") == 0)
			found = s;
	}
	return found;
}

/* Returns the entries that have a code, NULL when none has. */
static const Bits *
entries_of(const IndexCodes *codes, const char *code)
{
	int			place = code == NULL ? -1 :
	nurture_content_code(codes->codes, codes->n, code);

	return place < 0 ? NULL : codes->entries[place];
}

/*
 * Returns the entries in a language, for "de-AT" also those in "de".  One that
 * is not known is none, as the gate sees it.
 */
static const Bits *
entries_in(const Choice *c, const char *language)
{
	const IndexCodes *codes = &c->index->languages;
	size_t		primary;
	const Bits *exact;
	const Bits *broad;
	Bits	   *both;

	if (language == NULL)
		return NULL;
	primary = strcspn(language, "-_");
	exact = entries_of(codes, language);
	broad = language[primary] == '\0' ? NULL :
		entries_of(codes, pnstrdup(language, primary));
	if (exact == NULL || broad == NULL)
		return exact != NULL ? exact : broad;
	both = bits_make(c->index->nentries);
	bits_join(both, exact, c->index->nentries);
	bits_join(both, broad, c->index->nentries);
	return both;
}

/* Finds which entries may say to the lead what they claim. */
static void
prepare_claims(Choice *c, const IndexForce *force)
{
	const ContentIndex *index = c->index;
	FilterSet  *set = &c->sets[FILTER_CLAIM];
	Bits	   *allowed;

	set->all = index->claim_codes.n == 0;
	if (set->all)
		return;
	allowed = bits_make(index->nentries);
	bits_join(allowed, force->claims, index->nentries);
	(void) bits_keep(allowed, index->claim_markets.any,
					 entries_of(&index->claim_markets, c->country), index->nentries);
	(void) bits_keep(allowed, index->claim_audiences.any,
					 entries_of(&index->claim_audiences, c->audience), index->nentries);
	set->a = allowed;
}

/* Finds which entries have what the policies for the lead ask for. */
static void
prepare_policies(Choice *c)
{
	const ContentIndex *index = c->index;
	FilterSet  *set = &c->sets[FILTER_POLICY];
	Bits	   *kept = NULL;

	for (int i = 0; i < index->npolicies; i++)
	{
		const IndexPolicy *policy = &index->policies[i];

		if ((strcmp(policy->market, "*") != 0 &&
			 (c->country == NULL || strcmp(policy->market, c->country) != 0)) ||
			(strcmp(policy->audience, "*") != 0 && strcmp(policy->audience, c->audience) != 0))
			continue;
		if (kept == NULL)
		{
			kept = bits_make(index->nentries);
			bits_join(kept, policy->kept, index->nentries);
		}
		else
			(void) bits_keep(kept, policy->kept, NULL, index->nentries);
	}
	set->all = kept == NULL;
	set->a = kept;
}

/* Returns those of the entries in force that had been approved by then. */
static const Bits *
approved_then(const Choice *c, const Bits *entries)
{
	Bits	   *then = bits_make(c->index->nentries);

	for (int i = 0; i < c->index->nentries; i++)
	{
		if (bits_has(entries, i) && c->index->looks[i].approved_at <= c->request->at)
			bits_add(then, i);
	}
	return then;
}

/* Finds which entries pass the filters that are sets. */
void
nurture_choice_sets(Choice *c)
{
	const ContentIndex *index = c->index;
	const IndexForce *force = nurture_content_force(index, c->request->at);
	const IndexStage *stage = stage_classes(c);

	c->sets[FILTER_NOT_IN_FORCE].a = c->request->past ?
		approved_then(c, force->entries) : force->entries;
	c->sets[FILTER_BLOCK].a = force->blocks;
	c->sets[FILTER_MARKET].a = index->markets.any;
	c->sets[FILTER_MARKET].b = entries_of(&index->markets, c->country);
	c->sets[FILTER_AUDIENCE].a = index->audiences.any;
	c->sets[FILTER_AUDIENCE].b = entries_of(&index->audiences, c->audience);
	c->sets[FILTER_LANGUAGE].a = index->languages.any;
	c->sets[FILTER_LANGUAGE].b = entries_in(c, c->language);
	c->sets[FILTER_CHANNEL].all = c->request->channel == NULL;
	c->sets[FILTER_CHANNEL].a = entries_of(&index->channels, c->request->channel);
	prepare_claims(c, force);
	prepare_policies(c);
	c->sets[FILTER_MESSAGE_CLASS].all = stage == NULL;
	if (stage != NULL)
	{
		Bits	   *allowed = bits_make(index->nentries);

		for (int i = 0; i < stage->nclasses; i++)
		{
			const Bits *entries = entries_of(&index->classes, stage->classes[i]);

			if (entries != NULL)
				bits_join(allowed, entries, index->nentries);
		}
		c->sets[FILTER_MESSAGE_CLASS].a = allowed;
	}
}
