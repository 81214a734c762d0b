/*
 * condition_fixture.h
 *	  A small vocabulary, an arena that counts, and one lead, shared by the
 *	  tests, the fuzz target and the benchmark of conditions.
 */
#ifndef NURTURE_TEST_CONDITION_FIXTURE_H
#define NURTURE_TEST_CONDITION_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "condition.h"

#define FIXTURE_TODAY	20454	/* 2026-01-01 */

static const char *const fixture_facts[] = {
	"country", "attributes.size", "attributes.verified",
	"attributes.study_start", "attributes.founded", "attributes.beds",
	"attributes.capability", "role", "attributes.blank", "attributes.none",
	"account.specialty", "attributes.huge", "attributes.ratio",
	"attributes.ratio_2", "attributes.size_text", "attributes.markets",
	"attributes.markets_2", NULL
};
static const char *const fixture_signals[] = {
	"demo_requested", "webinar_attended", "clinical_evidence_downloaded",
	"never_seen", "meeting_held", "seen_tomorrow", NULL
};
static const char *const fixture_tags[] = {
	"topic:moa", "topic:safety", "therapeutic_area:oncology",
	"therapeutic_area:breast_cancer", NULL
};
static const char *const fixture_stages[] = {
	"new", "engaged", "nurturing", "mql", "sal", "sql", NULL
};
static const char *const fixture_labels[] = {
	"evidence_engaged", "high_intent", NULL
};
static const char *const fixture_channels[] = {"email", "phone", NULL};
static const char *const fixture_purposes[] = {"marketing", "medical", NULL};
static const char *const fixture_lists[] = {"congress_2026", NULL};

/* Answers the names of an open kind. */
static inline const char *const *
fixture_names(CondNameKind kind)
{
	switch (kind)
	{
		case COND_NAME_FACT:
			return fixture_facts;
		case COND_NAME_SIGNAL:
			return fixture_signals;
		case COND_NAME_TAG:
			return fixture_tags;
		case COND_NAME_STAGE:
			return fixture_stages;
		case COND_NAME_LABEL:
			return fixture_labels;
		case COND_NAME_CHANNEL:
			return fixture_channels;
		case COND_NAME_PURPOSE:
			return fixture_purposes;
		case COND_NAME_LIST:
			return fixture_lists;
		default:
			return NULL;
	}
}

/* CondVocabulary.lookup; a ctx says that labels have no table yet. */
static inline int
fixture_lookup(void *ctx, CondNameKind kind, const char *name, size_t len)
{
	const char *const *names = fixture_names(kind);

	if (ctx != NULL && kind == COND_NAME_LABEL)
		return COND_LOOKUP_NO_TABLE;
	if (kind == COND_NAME_CAMPAIGN)
		return 0;
	if (names == NULL)
		return nurture_cond_standard_lookup(kind, name, len);
	for (int i = 0; names[i] != NULL; i++)
	{
		if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
			return i;
	}
	return COND_LOOKUP_UNKNOWN;
}

/* CondVocabulary.each. */
static inline void
fixture_each(void *ctx, CondNameKind kind, CondNameVisit visit, void *arg)
{
	const char *const *names = fixture_names(kind);

	(void) ctx;
	if (names == NULL)
		nurture_cond_standard_each(kind, visit, arg);
	for (int i = 0; names != NULL && names[i] != NULL; i++)
		visit(arg, names[i], strlen(names[i]));
}

/* CondVocabulary.label: words for one tag and one score. */
static inline const char *
fixture_label(void *ctx, CondNameKind kind, int id)
{
	(void) ctx;
	if (kind == COND_NAME_TAG && id == 0)
		return "mechanism of action";
	if (kind == COND_NAME_STAGE && id == 3)
		return "MQL";
	return NULL;
}

static const CondVocabulary fixture_vocabulary = {
	NULL, fixture_lookup, fixture_each, fixture_label
};

typedef struct FixtureArena
{
	void	   *blocks[20000];	/* what to free */
	int			n;
	size_t		bytes;			/* asked for since the last reset */
} FixtureArena;

/* CoreArena.alloc: one block each, so that sanitizers see every overrun. */
static inline void *
fixture_alloc(void *ctx, size_t size)
{
	FixtureArena *a = ctx;
	void	   *p = malloc(size);

	if (p == NULL || a->n == 20000)
		abort();
	a->blocks[a->n++] = p;
	a->bytes += size;
	return p;
}

/* Frees what the arena gave. */
static inline void
fixture_reset(FixtureArena *a)
{
	while (a->n > 0)
		free(a->blocks[--a->n]);
	a->bytes = 0;
}

/* Makes a text from a string literal. */
static inline CondText
fixture_text(const char *s)
{
	CondText	piece;

	piece.ptr = s;
	piece.len = strlen(s);
	return piece;
}

/* CondSource.fact: the lead of the table tests. */
static inline void
fixture_fact(void *ctx, int fact, CondValue *out)
{
	static const CondText capability[] = {
		{"assay", 5}, {" bio ", 5}, {"7", 1}
	};
	static const CondText markets[] = {{"DE", 2}, {"FR", 2}, {"DE", 2}};
	static const CondText markets_2[] = {{"FR", 2}, {"DE", 2}};

	(void) ctx;
	switch (fact)
	{
		case 0:
			out->kind = COND_VALUE_TEXT;
			out->text = fixture_text(" DE\n");
			break;
		case 1:
			out->kind = COND_VALUE_NUMBER;
			out->number = nurture_cond_number_of_int(250);
			break;
		case 2:
			out->kind = COND_VALUE_BOOL;
			out->truth = true;
			break;
		case 3:
			out->kind = COND_VALUE_DAY;
			out->day = FIXTURE_TODAY + 30;
			break;
		case 4:
			out->kind = COND_VALUE_TEXT;
			out->text = fixture_text("2020-02-29");
			break;
		case 5:
			out->kind = COND_VALUE_TEXT;
			out->text = fixture_text(" 120.50");
			break;
		case 6:
			out->kind = COND_VALUE_LIST;
			out->items = capability;
			out->nitems = 3;
			break;
		case 8:
			out->kind = COND_VALUE_TEXT;
			out->text = fixture_text(" \t ");
			break;
		case 9:
			out->kind = COND_VALUE_LIST;
			break;
		case 10:
			out->kind = COND_VALUE_TEXT;
			out->text = fixture_text("DE");
			break;
		case 11:
			out->kind = COND_VALUE_NUMBER;
			nurture_cond_number("1e40", 4, &out->number);
			break;
		case 12:
			out->kind = COND_VALUE_NUMBER;
			nurture_cond_number("0.12345671", 10, &out->number);
			break;
		case 13:
			out->kind = COND_VALUE_NUMBER;
			nurture_cond_number("0.12345679", 10, &out->number);
			break;
		case 14:
			out->kind = COND_VALUE_TEXT;
			out->text = fixture_text("2.5e2");
			break;
		case 15:
			out->kind = COND_VALUE_LIST;
			out->items = markets;
			out->nitems = 3;
			break;
		case 16:
			out->kind = COND_VALUE_LIST;
			out->items = markets_2;
			out->nitems = 2;
			break;
		default:				/* role stays unknown */
			break;
	}
}

/* The days on which each signal occurred, ended by NURTURE_COND_EVER. */
static const int32_t fixture_days[][6] = {
	{FIXTURE_TODAY - 40, FIXTURE_TODAY - 30, FIXTURE_TODAY - 2, FIXTURE_TODAY,
	NURTURE_COND_EVER},
	{FIXTURE_TODAY - 30, NURTURE_COND_EVER},
	{FIXTURE_TODAY - 1, FIXTURE_TODAY - 1, FIXTURE_TODAY + 1,
	NURTURE_COND_EVER},
	{NURTURE_COND_EVER},
	{FIXTURE_TODAY - 1, NURTURE_COND_EVER},
	{FIXTURE_TODAY + 1, NURTURE_COND_EVER}
};

/* CondSource.signal_count. */
static inline int64_t
fixture_count(void *ctx, int signal, int32_t from_day, int32_t to_day)
{
	int64_t		n = 0;

	(void) ctx;
	for (const int32_t *d = fixture_days[signal]; *d != NURTURE_COND_EVER; d++)
		n += *d >= from_day && *d <= to_day;
	return n;
}

/* CondSource.signal_last. */
static inline int32_t
fixture_last(void *ctx, int signal)
{
	int32_t		last = NURTURE_COND_EVER;

	(void) ctx;
	for (const int32_t *d = fixture_days[signal]; *d != NURTURE_COND_EVER; d++)
		last = *d > last ? *d : last;
	return last;
}

/* CondSource.other: first of each kind holds, second not, others unknown. */
static inline NurtureTruth
fixture_other(void *ctx, const CondTerm *term)
{
	(void) ctx;
	if (term->nwords > 0)
		return term->words[0].id < 2 ? (NurtureTruth) (1 - term->words[0].id) :
			NURTURE_UNKNOWN;
	if (term->kind == COND_TERM_TIER)
		return 3 >= term->low && 3 <= term->high;
	if (term->kind == COND_TERM_SCORE)
		return 6050 >= term->low && 6050 <= term->high;
	return term->subject.id < 2 ? (NurtureTruth) (1 - term->subject.id) :
		NURTURE_UNKNOWN;
}

/* CondSource.under: oncology stands for itself and for "bio". */
static inline bool
fixture_under(void *ctx, const char *value, size_t len, int tag)
{
	(void) ctx;
	return tag == 2 && ((len == 3 && memcmp(value, "bio", 3) == 0) ||
						(len == 2 && memcmp(value, "DE", 2) == 0));
}

static const CondSource fixture_source = {
	NULL, FIXTURE_TODAY, fixture_fact, fixture_count, fixture_last,
	fixture_other, fixture_under
};

#endif							/* NURTURE_TEST_CONDITION_FIXTURE_H */
