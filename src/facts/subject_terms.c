/*
 * subject_terms.c
 *	  Conditions evaluated about a subject: facts, counts, interest, standing,
 *	  consent and hand-offs.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "base/clock.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/read.h"
#include "base/settings.h"
#include "catalog/pg_type.h"
#include "core/curve.h"
#include "core/score.h"
#include "facts/campaign.h"
#include "facts/mark.h"
#include "facts/past.h"
#include "facts/program.h"
#include "facts/subject.h"
#include "facts/subject_private.h"
#include "facts/vocabulary.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* how fast interest fades: the default half life of presets.md */
#define INTEREST_HALF_LIFE_DAYS 30
#define INTEREST_HORIZON_DAYS	400

enum
{
	STANDING_STAGE, STANDING_GRADE, STANDING_TIER
};

static KeptRead read_standing = {
	"lead_stage", {{"lead_id", INT8OID}, {"product", TEXTOID}}, {
		[STANDING_STAGE] = {"stage", TEXTOID},
		[STANDING_GRADE] = {"grade", TEXTOID},
		[STANDING_TIER] = {"tier", INT2OID}
	}
};

/*
 * A state counts when the consent in force has it; a permitting one does not
 * count where a denial of a wider or the same scope stands beside it.
 */
static KeptPlan has_consent = KEPT_PLAN("WITH c AS (SELECT state, expires_at FROM nurture.consent "
										"WHERE lead_id OPERATOR(pg_catalog.=) $1 AND channel OPERATOR(pg_catalog.=) ANY (ARRAY[$2, '*'::text]) "
										"AND purpose OPERATOR(pg_catalog.=) ANY (ARRAY[$3, '*'::text]) AND topic OPERATOR(pg_catalog.=) '*'::text) "
										"SELECT 1 FROM c WHERE state OPERATOR(pg_catalog.=) ANY ($4) "
										"AND (expires_at IS NULL OR expires_at OPERATOR(pg_catalog.>) $5) "
										"AND (state OPERATOR(pg_catalog.<>) ALL (ARRAY['given', 'confirmed', 'renewed']::text[]) "
										"OR NOT EXISTS (SELECT FROM c d WHERE d.state OPERATOR(pg_catalog.=) ANY (ARRAY['withdrawn', 'objected', 'refused']::text[]))) LIMIT 1",
										INT8OID, TEXTOID, TEXTOID, TEXTARRAYOID, TIMESTAMPTZOID);

static KeptPlan has_handoff = KEPT_PLAN("SELECT 1 FROM nurture.handoff WHERE lead_id OPERATOR(pg_catalog.=) $1 "
										"AND (product OPERATOR(pg_catalog.=) $2 OR $2 OPERATOR(pg_catalog.=) '*'::text) "
										"AND (state OPERATOR(pg_catalog.=) ANY ($3) OR ('open'::text OPERATOR(pg_catalog.=) ANY ($3) "
										"AND state OPERATOR(pg_catalog.=) ANY (ARRAY['pending', 'offered', 'accepted', 'working', 'met']::text[]))) LIMIT 1",
										INT8OID, TEXTOID, TEXTARRAYOID);

static int32 interest_factor[INTEREST_HORIZON_DAYS];
static bool interest_factor_made = false;

static bool
word_is(const CondWord *word, const char *text)
{
	return text !=NULL && strlen(text) == word->name.len &&
	memcmp(word->name.ptr, text, word->name.len) == 0;
}

static NurtureTruth
any_word(const CondTerm *term, const char *text)
{
	if (text == NULL)
		return NURTURE_FALSE;
	for (int i = 0; i < term->nwords; i++)
	{
		if (word_is(&term->words[i], text))
			return NURTURE_TRUE;
	}
	return NURTURE_FALSE;
}

static Datum
words_array(const CondTerm *term)
{
	Datum	   *items = palloc(sizeof(Datum) * Max(term->nwords, 1));

	for (int i = 0; i < term->nwords; i++)
		items[i] = PointerGetDatum(cstring_to_text_with_len(term->words[i].name.ptr,
															term->words[i].name.len));
	return PointerGetDatum(construct_array(items, term->nwords, TEXTOID, -1,
										   false, TYPALIGN_INT));
}

static void
query(const Subject *subject, KeptPlan *plan, Datum *values, OwnerSwitch *save)
{
	nurture_owner_enter(save);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");

	/*
	 * For decisions, what the statement wrote itself counts; functions that
	 * only read keep the statement's snapshot.
	 */
	nurture_execute(plan, values, NULL, !subject->fresh);
}

static void
end_query(OwnerSwitch *save)
{
	SPI_finish();
	nurture_owner_leave(save);
}

static void
standing(Subject *subject)
{
	OwnerSwitch save;
	Datum		keys[2];
	RowRead		read;

	if (subject->standing_read)
		return;
	subject->stage = "new";
	subject->grade = NULL;
	subject->tier = 0;
	if (subject->past)
	{
		(void) nurture_past_standing(subject);
		subject->standing_read = true;
		return;
	}
	keys[0] = Int64GetDatum(subject->lead_id);
	keys[1] = CStringGetTextDatum(subject->product);
	nurture_owner_enter(&save);
	if (subject->fresh)
	{
		CommandCounterIncrement();
		PushActiveSnapshot(GetTransactionSnapshot());
	}
	else
		PushActiveSnapshot(GetActiveSnapshot());
	nurture_read_open_held(&read, &read_standing, subject->hold, GetActiveSnapshot());
	nurture_read_find(&read, keys);
	if (nurture_read_next(&read))
	{
		MemoryContext old = MemoryContextSwitchTo(subject->context);
		bool		null;

		subject->stage = nurture_read_text(&read, STANDING_STAGE);
		subject->grade = nurture_read_text(&read, STANDING_GRADE);
		subject->tier = DatumGetInt16(nurture_read_cell(&read, STANDING_TIER, &null));
		MemoryContextSwitchTo(old);
	}
	nurture_read_close(&read);
	PopActiveSnapshot();
	nurture_owner_leave(&save);
	subject->standing_read = true;
}

/* Reads stage, grade and tier, which the subject then holds. */
void
nurture_subject_standing(Subject *subject)
{
	standing(subject);
}

static bool
dimension_same(const char *tag, const char *other)
{
	size_t		length = strchr(tag, ':') - tag + 1;

	return strncmp(tag, other, length) == 0;
}

/* Returns the share of one tag in its dimension's decayed interest. */
int64
nurture_subject_interest(const Subject *subject, int tag_id)
{
	const char *wanted = nurture_tag_text(tag_id);
	uint64		of_tag = 0;
	uint64		of_all = 0;
	uint32		i = 0;

	if (wanted == NULL)
		return 0;
	if (!interest_factor_made)
	{
		CurveSpec	spec = {CURVE_HALF_LIFE, INTEREST_HALF_LIFE_DAYS, NULL, 0};

		if (nurture_curve_compile(&spec, interest_factor, INTEREST_HORIZON_DAYS, NULL) != CURVE_OK)
			elog(ERROR, "could not compile the curve of interest");
		interest_factor_made = true;
	}
	while (i < subject->topics.n)
	{
		uint16		key = nurture_tally_entry(&subject->topics, i).key;
		const char *tag = nurture_tag_text(key);

		if (tag != NULL && dimension_same(wanted, tag))
		{
			/* what rolling folds away must have faded before */
			uint64		weight = nurture_score_weight(&subject->topics, key, interest_factor,
													  Min(INTEREST_HORIZON_DAYS, nurture_horizon_days),
													  subject->today);

			weight = Min(weight, (uint64) PG_INT32_MAX * 1000);
			of_all += weight;
			if (nurture_tag_under(key, tag_id))
				of_tag += weight;
		}
		while (i < subject->topics.n && nurture_tally_entry(&subject->topics, i).key == key)
			i++;
	}
	return of_all == 0 ? 0 : (int64) (of_tag * 1000000 / of_all);
}

static NurtureTruth
event_has_tag(const Subject *subject, int tag_id)
{
	Datum	   *items;
	bool	   *nulls;
	int			n;

	if (subject->event == NULL || subject->event->tags == NULL)
		return NURTURE_FALSE;
	deconstruct_array(subject->event->tags, TEXTOID, -1, false, TYPALIGN_INT,
					  &items, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		text	   *tag;

		if (nulls[i])
			continue;
		tag = DatumGetTextPP(items[i]);
		if (nurture_tag_under(nurture_tag_id(VARDATA_ANY(tag), VARSIZE_ANY_EXHDR(tag)), tag_id))
			return NURTURE_TRUE;
	}
	return NURTURE_FALSE;
}

static NurtureTruth
consent_is(Subject *subject, const CondTerm *term)
{
	OwnerSwitch save;
	Datum		values[5];
	bool		found;

	values[0] = Int64GetDatum(subject->lead_id);
	values[1] = PointerGetDatum(cstring_to_text_with_len(term->subject.name.ptr, term->subject.name.len));
	values[2] = term->other.id < 0 ? CStringGetTextDatum("marketing") :
		PointerGetDatum(cstring_to_text_with_len(term->other.name.ptr, term->other.name.len));
	values[3] = words_array(term);
	values[4] = TimestampTzGetDatum(subject->now);
	if (subject->past)
		return nurture_past_consent(subject, values[1], values[2], values[3]);
	query(subject, &has_consent, values, &save);
	found = SPI_processed > 0;
	end_query(&save);
	return found ? NURTURE_TRUE : NURTURE_FALSE;
}

static NurtureTruth
handoff_is(Subject *subject, const CondTerm *term)
{
	OwnerSwitch save;
	Datum		values[3];
	bool		found;

	values[0] = Int64GetDatum(subject->lead_id);
	values[1] = CStringGetTextDatum(subject->product);
	values[2] = words_array(term);
	if (subject->past)
		return nurture_past_handoff(subject, values[2]);
	query(subject, &has_handoff, values, &save);
	found = SPI_processed > 0;
	end_query(&save);
	return found ? NURTURE_TRUE : NURTURE_FALSE;
}

static NurtureTruth
between(const CondTerm *term, int64 value)
{
	return value >= term->low && value <= term->high ? NURTURE_TRUE : NURTURE_FALSE;
}

/* Answers any term that is neither a fact nor a signal. */
NurtureTruth
nurture_subject_other(void *ctx, const CondTerm *term)
{
	Subject    *subject = ctx;
	int64		points;
	char	   *text;

	if (subject->of_account && term->kind != COND_TERM_INTEREST && term->kind != COND_TERM_SCORE)
		return NURTURE_UNKNOWN;
	switch (term->kind)
	{
		case COND_TERM_TAG:
			return event_has_tag(subject, term->subject.id);
		case COND_TERM_INTEREST:
			return nurture_subject_interest(subject, term->subject.id) >= term->low ?
				NURTURE_TRUE : NURTURE_FALSE;
		case COND_TERM_STAGE:
			standing(subject);
			return any_word(term, subject->stage);
		case COND_TERM_TIER:
			standing(subject);
			return between(term, subject->tier);
		case COND_TERM_GRADE:
			standing(subject);
			return subject->grade ? any_word(term, subject->grade) : NURTURE_UNKNOWN;
		case COND_TERM_SCORE:
			if (nurture_subject_points == NULL ||
				!nurture_subject_points(subject, term->subject.id, &points))
				return NURTURE_UNKNOWN;
			return between(term, points);
		case COND_TERM_CONSENT:
			return consent_is(subject, term);
		case COND_TERM_HANDOFF:
			return handoff_is(subject, term);
		case COND_TERM_CAMPAIGN:
			if (term->latest)
				return any_word(term, nurture_campaign_latest(subject));
			text = nurture_subject_text(subject, SUBJECT_CAMPAIGN);

			if (any_word(term, text) == NURTURE_TRUE)
				return NURTURE_TRUE;
			return any_word(term, subject->event ? subject->event->campaign : NULL);
		case COND_TERM_PROGRAM:
			return nurture_program_truth(subject, term);
		case COND_TERM_LABEL:
		case COND_TERM_LIST:
			return nurture_mark_truth(subject, term);
		default:
			return NURTURE_UNKNOWN;
	}
}

static void
fact_value(void *ctx, int fact, CondValue *out)
{
	nurture_subject_value(ctx, fact, out);
}

/*
 * Days count back to the horizon, or all of them with those that are folded:
 * whether a tally is rolled makes no difference.
 */
static int64_t
signal_count(void *ctx, int signal, int32_t from_day, int32_t to_day)
{
	Subject    *subject = ctx;

	if (from_day != NURTURE_COND_EVER)
		from_day = Max(from_day, subject->today - nurture_horizon_days + 1);
	return nurture_tally_count(&subject->signals, signal, from_day, to_day);
}

static int32_t
signal_last(void *ctx, int signal)
{
	Subject    *subject = ctx;
	int32		last = nurture_tally_last(&subject->signals, signal);

	if (last == NURTURE_TALLY_NO_DAY)
		return NURTURE_COND_EVER;
	if (last == NURTURE_TALLY_EVER)
		return subject->signals.roll_day - 1;	/* before the first day kept */
	return last;
}

static bool
value_under(void *ctx, const char *value, size_t len, int tag)
{
	const char *wanted = nurture_tag_text(tag);
	int			id = nurture_tag_id(value, len);

	if (id < 0 && wanted != NULL)
	{
		int			dimension = strchr(wanted, ':') - wanted;
		char	   *full = psprintf("%.*s:%.*s", dimension, wanted, (int) len, value);

		id = nurture_tag_id(full, strlen(full));
		pfree(full);
	}
	return id > 0 && nurture_tag_under(id, tag);
}

/* Fills a source for the core's evaluator. */
void
nurture_subject_source(Subject *subject, CondSource *source)
{
	source->ctx = subject;
	source->today = subject->today;
	source->fact = fact_value;
	source->signal_count = signal_count;
	source->signal_last = signal_last;
	source->other = nurture_subject_other;
	source->under = value_under;
}

/* Evaluates a condition about a subject. */
NurtureTruth
nurture_subject_eval(Subject *subject, const Condition *condition)
{
	CondSource	source;

	nurture_subject_source(subject, &source);
	return nurture_cond_eval(condition, &source);
}

/* Evaluates every term and visits each. */
NurtureTruth
nurture_subject_explain(Subject *subject, const Condition *condition,
						void (*visit) (void *arg, const CondTerm *term, NurtureTruth truth),
						void *arg)
{
	CondSource	source;

	nurture_subject_source(subject, &source);
	return nurture_cond_eval_explain(condition, &source, visit, arg);
}
