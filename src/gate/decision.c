/*
 * decision.c
 *	  A decision as it is kept: its reasons, its text with every rule and the
 *	  fact it used, which is the audit entry's, and the message's short form.
 *
 * A rule that passed is a name and a fact; there are some thirty of them for
 * one that fails, and nobody reads them but to ask why: nurture_why does that
 * from the audit trail.
 */
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "gate/decision.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/memutils.h"

#define SAID_WORDS	(5 + 4 * GATE_MAX_RULES)	/* of the longest decision */

typedef struct TextEntry
{
	uint64		hash;			/* key */
	SaidText   *said;			/* the last one with this hash */
} TextEntry;

/* those of the statements that run, the innermost first */
static dlist_head running = DLIST_STATIC_INIT(running);

/*
 * The texts of this backend's decisions.  Most decisions are alike, those of
 * one row in a statement of its own too.
 */
static MemoryContext text_context = NULL;
static HTAB *texts = NULL;		/* by hash; NULL = none */
static SaidText *few[SAID_FEW]; /* those that came again lately */
static int	nfew = 0;
static int	next_few = 0;		/* the one to be replaced next */

/* Returns the distinct reasons of a decision; NULL when there are none. */
ArrayType  *
nurture_gate_reasons(const GateDecision *decision)
{
	Datum		items[GATE_MAX_RULES];
	const char *seen[GATE_MAX_RULES];
	int			n = 0;

	for (int i = 0; i < decision->nfindings; i++)
	{
		const char *reason = decision->findings[i].reason;
		bool		known = reason == NULL;

		for (int j = 0; !known && j < n; j++)
			known = strcmp(seen[j], reason) == 0;
		if (known)
			continue;
		seen[n] = reason;
		items[n++] = CStringGetTextDatum(reason);
	}
	return n == 0 ? NULL :
		construct_array(items, n, TEXTOID, -1, false, TYPALIGN_INT);
}

/* Appends a JSON string; few hold anything that must be escaped. */
static void
put_string(StringInfo json, const char *value)
{
	const char *p = value;

	if (value == NULL)
	{
		appendBinaryStringInfo(json, "null", 4);
		return;
	}
	while ((unsigned char) *p >= ' ' && *p != '"' && *p != '\\')
		p++;
	if (*p != '\0')
	{
		escape_json(json, value);
		return;
	}
	appendStringInfoChar(json, '"');
	appendBinaryStringInfo(json, value, p - value);
	appendStringInfoChar(json, '"');
}

static void
put_member(StringInfo json, const char *name, const char *value)
{
	char		last = json->data[json->len - 1];

	if (last != '{' && last != '[')
		appendStringInfoChar(json, ',');
	put_string(json, name);
	appendStringInfoChar(json, ':');
	put_string(json, value);
}

static void
put_passed(StringInfo json, const GateFinding *finding)
{
	if (finding->version == NULL)
	{
		put_member(json, finding->rule, finding->fact);
		return;
	}
	if (json->data[json->len - 1] != '{')
		appendStringInfoChar(json, ',');
	put_string(json, finding->rule);
	appendBinaryStringInfo(json, ":{", 2);
	put_member(json, "fact", finding->fact);
	put_member(json, "version", finding->version);
	appendStringInfoChar(json, '}');
}

static void
put_failed(StringInfo json, const GateFinding *finding)
{
	if (json->data[json->len - 1] != '[')
		appendStringInfoChar(json, ',');
	appendStringInfoChar(json, '{');
	put_member(json, "rule", finding->rule);
	put_member(json, "reason", finding->reason);
	if (finding->fact)
		put_member(json, "fact", finding->fact);
	if (finding->version)
		put_member(json, "version", finding->version);
	appendStringInfoChar(json, '}');
}

/*
 * Appends a decision as JSON: {"verdict", "purpose", "failed": [{"rule",
 * "reason", "fact", "version"}], "passed": {rule: fact, or {"fact",
 * "version"}}}, and where they apply "review", the scope of it, "merged", and
 * "blocks" and "claims" with the versions and hashes that were resolved.
 * "passed" comes last: most leads pass by the same facts, and the audit trail
 * keeps those once.  Returns where it begins, 0 without.
 */
static int
put_decision(StringInfo json, const GateDecision *decision,
			 const GateLead *lead, bool passed)
{
	bool		failed = false;
	int			place = 0;

	appendStringInfoChar(json, '{');
	put_member(json, "verdict", nurture_gate_verdict_name(decision->verdict));
	put_member(json, "purpose", decision->purpose);
	if (decision->review_scope)
		put_member(json, "review", decision->review_scope);
	if (lead->asked != lead->lead_id)
		appendStringInfoString(json, ",\"merged\":true");
	if (decision->parts)
	{
		appendStringInfoChar(json, ',');
		appendStringInfoString(json, decision->parts);
	}
	for (int i = 0; i < decision->nfindings && !failed; i++)
		failed = decision->findings[i].reason != NULL;
	if (failed)
	{
		appendStringInfoString(json, ",\"failed\":[");
		for (int i = 0; i < decision->nfindings; i++)
		{
			if (decision->findings[i].reason != NULL)
				put_failed(json, &decision->findings[i]);
		}
		appendStringInfoChar(json, ']');
	}
	if (passed)
	{
		appendStringInfoString(json, ",\"passed\":{");
		place = json->len - 1;
		for (int i = 0; i < decision->nfindings; i++)
		{
			if (decision->findings[i].reason == NULL)
				put_passed(json, &decision->findings[i]);
		}
		appendStringInfoChar(json, '}');
	}
	appendStringInfoChar(json, '}');
	return place;
}

/*
 * Returns a decision as text, with every rule: what the audit trail keeps; in
 * *passed where in it those begin that passed.
 */
char	   *
nurture_gate_decision_json(const GateDecision *decision, const GateLead *lead,
						   int *passed)
{
	StringInfoData json;

	initStringInfo(&json);
	*passed = put_decision(&json, decision, lead, true);
	return json.data;
}

/* Returns it as jsonb without the rules that passed: what the message keeps. */
Datum
nurture_gate_decision_short(const GateDecision *decision, const GateLead *lead)
{
	StringInfoData json;
	Datum		result;

	initStringInfo(&json);
	(void) put_decision(&json, decision, lead, false);
	result = DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
	pfree(json.data);
	return result;
}

/* A statement ends, or is thrown away; too many texts go with the last. */
static void
forget_said(void *arg)
{
	dlist_delete(&((GateSaid *) arg)->node);
	if (texts == NULL || !dlist_is_empty(&running) ||
		hash_get_num_entries(texts) <= SAID_MAX_TEXTS)
		return;
	MemoryContextReset(text_context);
	texts = NULL;
	nfew = next_few = 0;
}

/*
 * Makes the memory of a statement's decisions, in a context of the statement.
 *
 * A message carries its decision in short and its audit entry the whole of it,
 * which the row cannot hand on: rules that pass would be most of every row.
 * So it waits here from the trigger that decides for the one that records.
 * Rows that ON CONFLICT drops in between are never asked for.
 */
void
nurture_said_open(GateSaid *said, MemoryContext context)
{
	memset(said, 0, sizeof(*said));
	said->context = context;
	said->forget.func = forget_said;
	said->forget.arg = said;
	dlist_push_head(&running, &said->node);
	MemoryContextRegisterResetCallback(context, &said->forget);
}

/* Returns the text with this hash, NULL when it is new. */
static SaidText *
find_text(uint64 hash)
{
	TextEntry  *entry = texts == NULL ? NULL :
	hash_search(texts, &hash, HASH_FIND, NULL);

	return entry == NULL ? NULL : entry->said;
}

/* Keeps a text, in place of another that has its hash by chance. */
static void
keep_text(SaidText *said)
{
	TextEntry  *entry;

	if (texts == NULL)
	{
		HASHCTL		control = {
			.keysize = sizeof(uint64),.entrysize = sizeof(TextEntry),
			.hcxt = text_context
		};

		texts = hash_create("nurture decisions", 256, &control,
							HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	entry = hash_search(texts, &said->hash, HASH_ENTER, NULL);
	entry->said = said;
}

/* Lists all that the text of a decision is made of, in its order. */
static int
list_words(const GateDecision *decision, const GateLead *lead,
		   const char **words)
{
	int			n = 0;

	words[n++] = nurture_gate_verdict_name(decision->verdict);
	words[n++] = decision->purpose;
	words[n++] = decision->review_scope;
	words[n++] = lead->asked != lead->lead_id ? "merged" : NULL;
	words[n++] = decision->parts;
	for (int i = 0; i < decision->nfindings; i++)
	{
		const GateFinding *finding = &decision->findings[i];

		words[n++] = finding->rule;
		words[n++] = finding->reason;
		words[n++] = finding->fact;
		words[n++] = finding->version;
	}
	return n;
}

/* Tells whether two lists hold the same words. */
static bool
same_words(const char *const *a, const char *const *b, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (a[i] != b[i] &&
			(a[i] == NULL || b[i] == NULL || strcmp(a[i], b[i]) != 0))
			return false;
	}
	return true;
}

/*
 * Keeps the words of a text that is made for the second time: it is found by
 * them from now on.
 */
static void
keep_words(SaidText *said, const char *const *words, int n)
{
	const char **kept = palloc(sizeof(char *) * n);

	for (int i = 0; i < n; i++)
		kept[i] = words[i] ? pstrdup(words[i]) : NULL;
	said->nwords = n;
	said->words = kept;
}

/* Makes the texts of a decision; json is the whole of it. */
static SaidText *
make_text(const GateDecision *decision, const GateLead *lead,
		  const StringInfoData *json, uint64 hash, int passed)
{
	SaidText   *made = palloc0(sizeof(SaidText));

	made->hash = hash;
	made->text = pnstrdup(json->data, json->len);
	made->passed = passed;
	made->passed_hash = hash_bytes_extended((unsigned char *) json->data + passed,
											json->len - passed, 0);
	made->json = nurture_gate_decision_short(decision, lead);
	return made;
}

/* Returns the texts of a decision, those made before when they are the same. */
const SaidText *
nurture_said_text(const GateDecision *decision, const GateLead *lead)
{
	const char *words[SAID_WORDS];
	int			nwords = list_words(decision, lead, words);
	StringInfoData json;
	uint64		hash;
	SaidText   *said;
	MemoryContext old;
	int			passed;

	for (int i = 0; i < nfew; i++)
	{
		if (few[i]->nwords == nwords && same_words(few[i]->words, words, nwords))
			return few[i];
	}
	if (text_context == NULL)
		text_context = AllocSetContextCreate(TopMemoryContext,
											 "nurture decisions",
											 ALLOCSET_DEFAULT_SIZES);
	initStringInfo(&json);
	passed = put_decision(&json, decision, lead, true);
	hash = hash_bytes_extended((unsigned char *) json.data, json.len, 0);
	said = find_text(hash);
	old = MemoryContextSwitchTo(text_context);
	if (said == NULL || strcmp(said->text, json.data) != 0)
	{
		said = make_text(decision, lead, &json, hash, passed);
		keep_text(said);
	}
	else
	{
		if (said->words == NULL)
			keep_words(said, words, nwords);
		few[next_few] = said;
		next_few = (next_few + 1) % SAID_FEW;
		nfew = Min(nfew + 1, SAID_FEW);
	}
	MemoryContextSwitchTo(old);
	return said;
}

/* Keeps what was said of the row with this mark. */
void
nurture_said_keep(GateSaid *said, int64 mark, const SaidText *text,
				  const GateLead *lead)
{
	SaidRow    *row;

	if (said->nrows == said->maxrows)
	{
		said->maxrows = Max(said->maxrows * 2, SAID_FEW);
		said->rows = said->rows == NULL ?
			MemoryContextAlloc(said->context, said->maxrows * sizeof(SaidRow)) :
			repalloc_huge(said->rows, said->maxrows * sizeof(SaidRow));
	}
	row = &said->rows[said->nrows++];
	row->mark = mark;
	row->said = text;

	row->has_subject = lead->has_subject;
	if (lead->has_subject)
		memcpy(row->subject, lead->subject, GATE_HASH_LEN);
	said->sorted = false;
}

static int
compare_rows(const void *a, const void *b)
{
	int64		x = ((const SaidRow *) a)->mark;
	int64		y = ((const SaidRow *) b)->mark;

	return x < y ? -1 : x > y;
}

/*
 * Returns what was said of a row of a statement that runs.  There may be
 * several: two of them in one query, or one that a trigger runs.
 */
const SaidRow *
nurture_said_find(int64 mark)
{
	SaidRow		key = {.mark = mark};
	dlist_iter	iter;

	dlist_foreach(iter, &running)
	{
		GateSaid   *said = dlist_container(GateSaid, node, iter.cur);

		if (said->next < said->nrows && said->rows[said->next].mark == mark)
			return &said->rows[said->next++];
	}
	/* a row before it was dropped, or two statements take turns */
	dlist_foreach(iter, &running)
	{
		GateSaid   *said = dlist_container(GateSaid, node, iter.cur);
		SaidRow    *found;

		if (said->nrows == 0)
			continue;
		if (!said->sorted)
			qsort(said->rows, said->nrows, sizeof(SaidRow), compare_rows);
		said->sorted = true;
		found = bsearch(&key, said->rows, said->nrows, sizeof(SaidRow),
						compare_rows);
		if (found != NULL)
			return found;
	}
	elog(ERROR, "what the gate decided about a message is gone");
	return NULL;
}
