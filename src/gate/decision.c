/*
 * decision.c
 *	  A decision as it is kept: its reasons, and its text and jsonb with every
 *	  rule and the fact it used.
 *
 * It is short on purpose: every message carries it, and so does its audit
 * entry.  A rule that passed is a name and a fact.
 */
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "gate/decision.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/memutils.h"

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
 * Writes a decision as JSON: {"verdict", "purpose", "passed": {rule: fact, or
 * {"fact", "version"}}, "failed": [{"rule", "reason", "fact", "version"}]},
 * and "review", the scope of it, and "merged" where they apply.
 */
char	   *
nurture_gate_decision_json(const GateDecision *decision, const GateLead *lead,
						   const GateAsset *asset)
{
	StringInfoData json;
	bool		failed = false;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	put_member(&json, "verdict", nurture_gate_verdict_name(decision->verdict));
	put_member(&json, "purpose", decision->purpose);
	if (decision->review_scope)
		put_member(&json, "review", decision->review_scope);
	if (lead->asked != lead->lead_id)
		appendStringInfoString(&json, ",\"merged\":true");
	appendStringInfoString(&json, ",\"passed\":{");
	for (int i = 0; i < decision->nfindings; i++)
	{
		if (decision->findings[i].reason == NULL)
			put_passed(&json, &decision->findings[i]);
		else
			failed = true;
	}
	appendStringInfoChar(&json, '}');
	if (failed)
	{
		appendStringInfoString(&json, ",\"failed\":[");
		for (int i = 0; i < decision->nfindings; i++)
		{
			if (decision->findings[i].reason != NULL)
				put_failed(&json, &decision->findings[i]);
		}
		appendStringInfoChar(&json, ']');
	}
	appendStringInfoChar(&json, '}');
	return json.data;
}

/* Returns a text as jsonb, the one made before when it is the same. */
Datum
nurture_gate_same_jsonb(SameTexts *same, const char *text)
{
	int			len = strlen(text);
	SameText   *slot = &same->slots[hash_bytes((const unsigned char *) text, len) %
									SAME_TEXTS];
	Datum		json;
	MemoryContext old;

	if (slot->text !=NULL && strcmp(slot->text, text) == 0)
		return PointerGetDatum(slot->json);
	json = DirectFunctionCall1(jsonb_in, CStringGetDatum(text));
	old = MemoryContextSwitchTo(same->context);
	if (slot->text !=NULL)
	{
		pfree(slot->text);
		pfree(slot->json);
	}
	slot->text = pnstrdup(text, len);
	slot->json = DatumGetJsonbPCopy(json);
	MemoryContextSwitchTo(old);
	return json;
}

/*
 * Returns a jsonb as text, the one made before when it is the same.  It lives
 * as long as the context.
 */
const char *
nurture_gate_same_text(SameTexts *same, Jsonb *json)
{
	int			size = VARSIZE(json);
	SameText   *slot = &same->slots[hash_bytes((const unsigned char *) VARDATA(json),
											   size - VARHDRSZ) % SAME_TEXTS];
	MemoryContext old;

	if (slot->json != NULL && VARSIZE(slot->json) == size &&
		memcmp(slot->json, json, size) == 0)
		return slot->text;
	/* the text before it may be in use until the context is reset */
	old = MemoryContextSwitchTo(same->context);
	slot->text = JsonbToCString(NULL, &json->root, size);
	slot->json = palloc(size);
	memcpy(slot->json, json, size);
	MemoryContextSwitchTo(old);
	return slot->text;
}
