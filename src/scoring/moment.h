/*
 * moment.h
 *	  Scores at other moments than now.
 */
#ifndef NURTURE_MOMENT_H
#define NURTURE_MOMENT_H

#include "base/compat.h"
#include "scoring/model.h"

/* A lead at a moment, with the version that scores it. */
typedef struct ScoredMoment
{
	Subject    *subject;		/* with its activity of then */
	const CompiledModel *model;
} ScoredMoment;

extern void nurture_model_at_init(void);

/*
 * The version in force at a moment: of the named model, or of the default for
 * an audience when model is NULL.  NULL when there was none; a name that is no
 * model raises NU003.
 */
extern const CompiledModel *nurture_model_at(const char *model, const char *audience,
											 size_t len, TimestampTz at);

/*
 * Reads what a lead was at a moment, as known at another (DT_NOEND: now), with
 * the rights of the caller on the lead as it is now.  version NULL is the one in
 * force then.  False when there was no such lead, the caller may not see it,
 * or no model applied.
 */
extern bool nurture_moment_load(int64 lead_id, TimestampTz at,
								TimestampTz known_at, const char *model,
								const int32 *version, ScoredMoment *out);

/*
 * The same without a model, for who decides again: a lead with its activity as
 * a decision of that moment found it, by what was recorded before; NULL when
 * there was none or the caller may not see it.
 */
extern Subject *nurture_moment_subject(int64 lead_id, TimestampTz at);

/*
 * The first day from now on whose end finds the subject with another grade if
 * nothing happens, and that grade; false when there is none within
 * nurture.horizon_days, or the model has no bands.  Today is one of them:
 * consent may run out before it ends.
 */
extern bool nurture_grade_until(Subject *subject, const CompiledModel *model,
								int32 *day, char *grade);

/* A score that was found. */
typedef struct FoundScore
{
	int64		lead_id;
	const char *model;
	int			version;
	int64		fit;			/* hundredths, like the next two */
	int64		intent;
	int64		total;
	char		grade[3];		/* "" = none */
} FoundScore;

/*
 * Keeps scores in nurture.score_history that differ from the last ones kept;
 * of equal leads and models the first.  What a decision found differs by its
 * version alone, too.  Connected to SPI, as the owner.
 */
extern void nurture_scores_keep(const FoundScore *scores, int n,
								TimestampTz at, bool decided);

extern void nurture_score_sweep_init(void);

#endif							/* NURTURE_MOMENT_H */
