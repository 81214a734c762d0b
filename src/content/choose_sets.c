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

/* Adds sets that an entry has to be in one of. */
static SetTerm *
add_term(Choice *c, ContentFilter filter, const Bits *a, const Bits *b)
{
	SetTerm    *term = &c->terms[c->nterms++];

	term->filter = filter;
	term->n = 0;
	if (a != NULL)
		term->sets[term->n++] = a;
	if (b != NULL)
		term->sets[term->n++] = b;
	return term;
}

/* Adds one more to them. */
static void
join_term(const Choice *c, SetTerm *term, const Bits *set)
{
	int			n = c->index->nentries;
	Bits	   *joined;

	if (set == NULL)
		return;
	if (term->n < MAX_JOINED)
	{
		term->sets[term->n++] = set;
		return;
	}
	joined = bits_make(n);
	bits_join(joined, term->sets[MAX_JOINED - 1], n);
	bits_join(joined, set, n);
	term->sets[MAX_JOINED - 1] = joined;
}

/* Finds which entries may say to the lead what they claim. */
static void
prepare_claims(Choice *c, const IndexForce *force)
{
	const ContentIndex *index = c->index;

	if (index->claim_codes.n == 0)
		return;
	add_term(c, FILTER_CLAIM, force->claims, NULL);
	add_term(c, FILTER_CLAIM, index->claim_markets.any,
			 entries_of(&index->claim_markets, c->country));
	add_term(c, FILTER_CLAIM, index->claim_audiences.any,
			 entries_of(&index->claim_audiences, c->audience));
}

/* Finds which entries have what the policies for the lead ask for. */
static void
prepare_policies(Choice *c)
{
	const ContentIndex *index = c->index;

	for (int i = 0; i < index->npolicies; i++)
	{
		const IndexPolicy *policy = &index->policies[i];

		if ((strcmp(policy->market, "*") == 0 ||
			 (c->country != NULL && strcmp(policy->market, c->country) == 0)) &&
			(strcmp(policy->audience, "*") == 0 || strcmp(policy->audience, c->audience) == 0))
			add_term(c, FILTER_POLICY, policy->kept, NULL);
	}
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

/* terms there are at most, without those of policies */
#define MAX_TERMS	(SET_FILTERS + 2)

/*
 * Finds the sets that the lead's candidates are in.  The first leave out the
 * most, since they are for few.
 */
void
nurture_choice_sets(Choice *c)
{
	const ContentIndex *index = c->index;
	const IndexForce *force = nurture_content_force(index, c->request->at);
	const IndexStage *stage = stage_classes(c);

	c->nterms = 0;
	c->terms = palloc((MAX_TERMS + index->npolicies) * sizeof(SetTerm));
	add_term(c, FILTER_MARKET, index->markets.any, entries_of(&index->markets, c->country));
	add_term(c, FILTER_AUDIENCE, index->audiences.any,
			 entries_of(&index->audiences, c->audience));
	add_term(c, FILTER_LANGUAGE, index->languages.any, entries_in(c, c->language));
	add_term(c, FILTER_NOT_IN_FORCE, c->request->past ?
			 approved_then(c, force->entries) : force->entries, NULL);
	add_term(c, FILTER_BLOCK, force->blocks, NULL);
	if (c->request->channel != NULL)
		add_term(c, FILTER_CHANNEL, entries_of(&index->channels, c->request->channel), NULL);
	if (stage != NULL)
	{
		SetTerm    *term = add_term(c, FILTER_MESSAGE_CLASS, NULL, NULL);

		for (int i = 0; i < stage->nclasses; i++)
			join_term(c, term, entries_of(&index->classes, stage->classes[i]));
	}
	prepare_claims(c, force);
	prepare_policies(c);
}

/* Returns the members of a term among 64 entries. */
static inline Bits
term_word(const SetTerm *term, int w)
{
	Bits		word = 0;

	for (int i = 0; i < term->n; i++)
		word |= term->sets[i][w];
	return word;
}

/* Returns the entries that pass all of them, NULL = none. */
Bits	   *
nurture_choice_alive(const Choice *c)
{
	int			n = c->index->nentries;
	Bits	   *alive = bits_make(n);
	bool		some = false;

	/* of a large library most words are done with after the first term */
	for (int w = 0; w < BITS_WORDS(n); w++)
	{
		Bits		word = ~c->index->components[w];

		for (int t = 0; t < c->nterms && word != 0; t++)
			word &= term_word(&c->terms[t], w);
		alive[w] = word;
		some |= word != 0;
	}
	return some ? alive : NULL;
}

/* Tells whether an entry passes one filter. */
bool
nurture_choice_in_sets(const Choice *c, ContentFilter filter, int entry)
{
	for (int t = 0; t < c->nterms; t++)
	{
		bool		in = c->terms[t].filter != filter;

		for (int i = 0; i < c->terms[t].n && !in; i++)
			in = bits_has(c->terms[t].sets[i], entry);
		if (!in)
			return false;
	}
	return true;
}

/*
 * Returns the last filter that some entry reached, where none passes them all;
 * -1 when there is none to begin with.
 */
int
nurture_choice_last_set(const Choice *c)
{
	int			n = c->index->nentries;
	Bits	   *alive = bits_make(n);
	bool		some = false;
	int			last = -1;

	for (int w = 0; w < BITS_WORDS(n); w++)
	{
		alive[w] = ~c->index->components[w];
		some |= alive[w] != 0;
	}
	for (int f = 0; some && f < SET_FILTERS; f++)
	{
		for (int t = 0; t < c->nterms; t++)
		{
			if (c->terms[t].filter != f)
				continue;
			last = f;
			some = false;
			for (int w = 0; w < BITS_WORDS(n); w++)
			{
				alive[w] &= term_word(&c->terms[t], w);
				some |= alive[w] != 0;
			}
		}
	}
	return last;
}
