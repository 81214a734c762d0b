/*
 * index_rules.c
 *	  Reads what decides about versions: claims, content policies,
 *	  prerequisites and the weights of the rank.
 */
#include "base/compat.h"

#include "base/plans.h"
#include "catalog/pg_type.h"
#include "content/index_private.h"
#include "facts/vocabulary.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

static KeptPlan read_claims =
KEPT_PLAN_SCAN("SELECT claim,"
			   " CASE WHEN lower_inf(valid_during) THEN '-infinity'"
			   "  WHEN lower_inc(valid_during) THEN lower(valid_during)"
			   "  ELSE lower(valid_during) + interval '1 us' END,"
			   " CASE WHEN upper_inf(valid_during) THEN 'infinity'"
			   "  WHEN upper_inc(valid_during)"
			   "  THEN upper(valid_during) + interval '1 us'"
			   "  ELSE upper(valid_during) END, markets, audience_types"
			   " FROM nurture.claim WHERE status = 'approved'", 0);

static KeptPlan read_policies =
KEPT_PLAN_SCAN("SELECT market, message_class, audience_type, safety_block,"
			   " disclaimer, unsubscribe_required FROM nurture.content_policy", 0);

static KeptPlan read_prerequisites = {
	"SELECT asset_id, prerequisite, condition::text "
	"FROM nurture.asset_prerequisite "
	"ORDER BY asset_id COLLATE \"C\", prerequisite COLLATE \"C\"", {0}, NULL, true
};

/* of version 0 those that are published */
static KeptPlan read_weights =
KEPT_PLAN_SCAN("SELECT w.selection, w.version, w.term, w.subject, w.value,"
			   " w.weight, coalesce(w.parameter, 0)"
			   " FROM nurture.selection_version s"
			   " JOIN nurture.selection_weight w ON w.selection = s.selection"
			   " AND w.version = s.version"
			   " WHERE s.selection = $1"
			   " AND CASE $2 WHEN 0 THEN s.status = 'published' ELSE s.version = $2 END"
			   " ORDER BY w.term COLLATE \"C\", w.subject COLLATE \"C\", w.value"
			   " COLLATE \"C\"", TEXTOID, INT4OID);

/* Collects the claims of an entry and of what it is made with. */
static void
collect_claims(const ContentIndex *index, const IndexEntry *entry, int depth,
			   int16 *places, int *n)
{
	for (int i = 0; entry->claims != NULL && i < entry->claims->n; i++)
	{
		bool		known = false;

		for (int k = 0; k < *n && !known; k++)
			known = places[k] == entry->claims->places[i];
		if (!known)
			places[(*n)++] = entry->claims->places[i];
	}
	for (int b = 0; b < entry->nblocks && depth < MAX_BLOCK_DEPTH; b++)
	{
		if (entry->blocks[b] >= 0)
			collect_claims(index, &index->entries[entry->blocks[b]], depth + 1, places, n);
	}
}

/* Adds an entry to the codes for which all its claims are approved. */
static void
add_claimed(const ContentIndex *index, IndexCodes *codes, int e, size_t column)
{
	const IndexEntry *entry = &index->entries[e];
	bool		any = true;

	for (int i = 0; i < entry->nall_claims; i++)
	{
		const IndexClaim *claim = &index->claims[entry->all_claims[i]];

		if (!claim->approved)
			return;				/* it is not in force, whatever the code */
		any &= (*(const IndexList *const *) ((const char *) claim + column))->any;
	}
	if (any)
	{
		bits_add(codes->any, e);
		return;
	}
	for (int code = 0; code < codes->n; code++)
	{
		bool		all = true;

		for (int i = 0; i < entry->nall_claims && all; i++)
		{
			const IndexList *list =
			*(const IndexList *const *) ((const char *) &index->claims[entry->all_claims[i]] + column);

			all = list->any ||
				nurture_content_code(list->codes, list->n, codes->codes[code]) >= 0;
		}
		if (all)
			bits_add(codes->entries[code], e);
	}
}

/* Reads the claims, and gives each entry those it makes. */
void
nurture_index_claims(Loading *loading, Snapshot snapshot)
{
	ContentIndex *index = loading->index;
	int16	   *places;

	index->claims = palloc0(Max(index->claim_codes.n, 1) * sizeof(IndexClaim));
	if (index->claim_codes.n == 0)
		return;
	nurture_execute_snapshot(&read_claims, NULL, NULL, snapshot);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		char	   *code = nurture_cell_text(i, 1);
		int			place = nurture_content_code(index->claim_codes.codes, index->claim_codes.n, code);
		IndexClaim *claim;
		bool		isnull;

		if (place < 0)
			continue;
		claim = &index->claims[place];
		claim->approved = true;
		claim->valid.from = DatumGetTimestampTz(nurture_cell(i, 2, &isnull));
		claim->valid.until = DatumGetTimestampTz(nurture_cell(i, 3, &isnull));
		claim->markets = nurture_index_list(loading, nurture_cell(i, 4, &isnull), &index->claim_markets);
		claim->audiences = nurture_index_list(loading, nurture_cell(i, 5, &isnull), &index->claim_audiences);
	}
	nurture_index_sets(&index->claim_markets, index->nentries);
	nurture_index_sets(&index->claim_audiences, index->nentries);
	places = palloc(index->claim_codes.n * sizeof(int16));
	for (int e = 0; e < index->nentries; e++)
	{
		IndexEntry *entry = &index->entries[e];
		int			n = 0;

		collect_claims(index, entry, 0, places, &n);
		if (n > 0)
		{
			entry->nall_claims = n;
			entry->all_claims = memcpy(palloc(n * sizeof(int16)), places, n * sizeof(int16));
		}
		add_claimed(index, &index->claim_markets, e, offsetof(IndexClaim, markets));
		add_claimed(index, &index->claim_audiences, e, offsetof(IndexClaim, audiences));
	}
	pfree(places);
}

/* Tells whether an entry is made with a block, NULL = none asked for. */
static bool
made_with(const ContentIndex *index, const IndexEntry *entry, const char *block)
{
	for (int b = 0; block != NULL && b < entry->nblocks; b++)
	{
		if (entry->blocks[b] >= 0 &&
			strcmp(index->entries[entry->blocks[b]].asset_id, block) == 0)
			return true;
	}
	return block == NULL;
}

/* Reads the content policies, each with the entries that keep it. */
void
nurture_index_policies(ContentIndex *index, Snapshot snapshot)
{
	nurture_execute_snapshot(&read_policies, NULL, NULL, snapshot);
	index->npolicies = SPI_processed;
	index->policies = palloc0(Max(index->npolicies, 1) * sizeof(IndexPolicy));
	for (int i = 0; i < index->npolicies; i++)
	{
		IndexPolicy *policy = &index->policies[i];
		char	   *class = nurture_cell_text(i, 2);
		char	   *safety_block = nurture_cell_text(i, 4);
		char	   *disclaimer = nurture_cell_text(i, 5);
		bool		isnull;
		bool		unsubscribe = DatumGetBool(nurture_cell(i, 6, &isnull));

		policy->market = nurture_cell_text(i, 1);
		policy->audience = nurture_cell_text(i, 3);
		policy->kept = bits_make(index->nentries);
		for (int e = 0; e < index->nentries; e++)
		{
			const IndexEntry *entry = &index->entries[e];

			if ((strcmp(class, "*") != 0 && strcmp(class, entry->message_class) != 0) ||
				(made_with(index, entry, safety_block) &&
				 made_with(index, entry, disclaimer) &&
				 (entry->unsubscribe || !unsubscribe)))
				bits_add(policy->kept, e);
		}
	}
	index->components = bits_make(index->nentries);
	for (int e = 0; e < index->nentries; e++)
	{
		if (index->entries[e].component)
			bits_add(index->components, e);
	}
}

/* Compiles the prerequisites; they belong to the asset, so to each entry. */
void
nurture_index_prerequisites(ContentIndex *index, Snapshot snapshot)
{
	Condition **conditions;
	char	  **assets;
	uint64		n;

	nurture_execute_snapshot(&read_prerequisites, NULL, NULL, snapshot);
	n = SPI_processed;
	conditions = palloc(Max(n, 1) * sizeof(Condition *));
	assets = palloc(Max(n, 1) * sizeof(char *));
	for (uint64 i = 0; i < n; i++)
	{
		assets[i] = nurture_cell_text(i, 1);
		conditions[i] = nurture_condition_compile(nurture_cell_text(i, 3),
												  psprintf("prerequisite \"%s\" of asset \"%s\"",
														   nurture_cell_text(i, 2), assets[i]));
	}
	for (uint64 i = 0; i < n; i++)
	{
		int32		e = index->places[nurture_index_place(index, assets[i], strlen(assets[i]))];

		for (; e >= 0; e = index->entries[e].next)
		{
			if (index->entries[e].nprerequisites++ == 0)
				index->entries[e].prerequisites = &conditions[i];
			index->looks[e].has_prerequisites = true;
		}
	}
}

/* Returns the slot of a tag that a weight names. */
static int
weight_slot(const Loading *loading, const char *dimension, const char *value)
{
	return nurture_index_slot(loading, cstring_to_text(dimension), cstring_to_text(value));
}

/* Gives the entries of an asset one more row of what it achieved. */
static void
add_performance(ContentIndex *index, IndexPerformance *row, const char *asset_id,
				const char *audience, int32 points)
{
	int32		e = index->places[nurture_index_place(index, asset_id, strlen(asset_id))];

	row->audience = strcmp(audience, "*") == 0 ? -1 : nurture_index_intern(&index->performers, audience);
	row->points = points;
	for (; e >= 0; e = index->entries[e].next)
	{
		if (index->entries[e].nperformance++ == 0)
			index->entries[e].performance = row;
		index->looks[e].has_performance = true;
	}
}

void
nurture_index_weights(Loading *loading, Snapshot snapshot)
{
	static const struct
	{
		const char *name;
		IndexTerm	term;
	}			terms[] = {
		{"general", WEIGHT_GENERAL}, {"stage", WEIGHT_STAGE},
		{"preferred", WEIGHT_PREFERRED}, {"depth_next", WEIGHT_DEPTH_NEXT},
		{"depth_same", WEIGHT_DEPTH_SAME}, {"freshness", WEIGHT_FRESHNESS},
		{"format", WEIGHT_FORMAT}, {"priority", WEIGHT_PRIORITY}
	};
	ContentIndex *index = loading->index;
	IndexPerformance *performance;
	Datum		values[2];
	bool		isnull;

	index->selection = pstrdup(loading->selection);
	values[0] = CStringGetTextDatum(loading->selection);
	values[1] = Int32GetDatum(loading->version);
	nurture_execute_snapshot(&read_weights, values, NULL, snapshot);
	index->weights = palloc(Max(SPI_processed, 1) * sizeof(IndexWeight));
	performance = palloc(Max(SPI_processed, 1) * sizeof(IndexPerformance));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		char	   *term = nurture_cell_text(i, 3);
		char	   *subject = nurture_cell_text(i, 4);
		char	   *value = nurture_cell_text(i, 5);
		int32		weight = DatumGetInt32(nurture_cell(i, 6, &isnull));
		IndexWeight *w;

		index->selection_version = DatumGetInt32(nurture_cell(i, 2, &isnull));
		if (strcmp(term, "interest") == 0)
		{
			for (int t = 0; t < index->nslots; t++)
			{
				if (strcmp(index->dimensions.codes[index->tags[t].dimension], subject) == 0)
					index->tags[t].interest = weight;
			}
			continue;
		}
		if (strcmp(term, "performance") == 0)
		{
			/* those of an asset come one after the other */
			add_performance(index, &performance[i], subject, value, weight);
			continue;
		}
		w = &index->weights[index->nweights++];
		memset(w, 0, sizeof(*w));
		for (int t = 0; t < lengthof(terms); t++)
		{
			if (strcmp(terms[t].name, term) == 0)
				w->term = terms[t].term;
		}
		w->weight = weight;
		w->parameter = DatumGetInt32(nurture_cell(i, 7, &isnull));
		w->slot = -1;
		if (w->term == WEIGHT_GENERAL)
			w->slot = weight_slot(loading, subject, value);
		else if (w->term == WEIGHT_STAGE)
		{
			w->stage = pstrdup(subject);
			w->slot = weight_slot(loading, "funnel_stage", value);
		}
	}
}
