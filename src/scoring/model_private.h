/*
 * model_private.h
 *	  What the files of the scoring room share about models.
 */
#ifndef NURTURE_MODEL_PRIVATE_H
#define NURTURE_MODEL_PRIVATE_H

#include "nodes/execnodes.h"
#include "scoring/model.h"
#include "utils/snapshot.h"

extern void nurture_model_compile(CompiledModel *m, Snapshot snapshot);
extern int32 *nurture_model_curve(const char *owner, const char *curve,
								  int days, const char *steps_json, int horizon);

/* What is wrong with a curve, in words; NULL when it can be compiled. */
extern char *nurture_model_curve_fault(const char *curve, int days,
									   const char *steps_json, int horizon);

/* What explaining needs beside the summary. */
typedef struct ScoreDetail
{
	ScoreTotals totals;
	ScoreRuleResult *results;	/* per signal rule; NULL = not wanted */
	NurtureTruth *truths;		/* per point rule; NULL = not wanted */
} ScoreDetail;

/* Places of arguments of nurture_score_row. */
#define SCORE_ROW_MODEL			3
#define SCORE_ROW_FIRST_FACT	4	/* in the order of SubjectColumn */
#define SCORE_ROW_COLUMNS		(SCORE_ROW_FIRST_FACT + SUBJECT_COLUMNS)

extern void nurture_require_model(const char *model);
extern Datum nurture_points_datum(int64 points);
extern void nurture_score_overflow(const CompiledModel *model) pg_attribute_noreturn();
extern void nurture_grade_of(const CompiledModel *model, const int places[2],
							 char *grade);
extern void nurture_score_hook_init(void);
extern void nurture_score_detail(Subject *subject, const CompiledModel *model,
								 ScoreSummary *out, ScoreDetail *detail);
extern void nurture_explain_rows(ReturnSetInfo *result,
								 const CompiledModel *model,
								 const ScoreDetail *detail);

#endif							/* NURTURE_MODEL_PRIVATE_H */
