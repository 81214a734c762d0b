/*
 * model.h
 *	  Models compiled for scoring, and what other rooms may ask of them.
 */
#ifndef NURTURE_MODEL_H
#define NURTURE_MODEL_H

#include "base/compat.h"
#include "core/score.h"
#include "facts/subject.h"
#include "nodes/pg_list.h"

/* A fit rule or a pattern: points when a condition is true. */
typedef struct PointRule
{
	const char *rule;			/* code */
	const char *title;			/* words for people, NULL = the condition's */
	const char *subject;		/* attribute, NULL for whole conditions */
	const Condition *condition;
	int64		points;			/* hundredths */
	int			group;			/* index or NURTURE_SCORE_NO_GROUP */
	bool		is_pattern;
	const char *label;			/* that leads get, NULL = none; of a pattern */
} PointRule;

/* What a signal rule is called; parallel to the rules of the core's model. */
typedef struct SignalRuleName
{
	const char *rule;
	const char *title;			/* words for people */
	const char *signal;
} SignalRuleName;

typedef struct ModelBands
{
	int			n;
	int64		min_points[4];	/* hundredths, descending */
	char		band[4];
} ModelBands;

typedef struct TierRule
{
	int			tier;			/* 1 to 4 */
	const char *requirement;
	const Condition *condition;
	const char *fails_with;		/* reason code */
	const char *title;			/* words for people, NULL = the condition's */
} TierRule;

typedef struct CompiledModel
{
	const char *model;
	int			version;
	const char *product;
	const char **audience_types;	/* for which it is the default */
	int			n_audience_types;	/* 0 = for those no other names */
	bool		is_default;
	bool		published;
	ScoreModel	core;
	const SignalRuleName *signal_names;
	const char **group_names;
	const PointRule *point_rules;
	int			n_point_rules;
	int64		fit_weight;		/* sum of the absolute points of fit rules */
	ModelBands	bands[NURTURE_SCORE_DIMENSIONS];
	const TierRule *tiers;		/* ascending by tier */
	int			n_tiers;
	uint64		mask;			/* columns that its conditions read */
} CompiledModel;

/* What scoring a subject by a model gives. */
typedef struct ScoreSummary
{
	const CompiledModel *model;
	int64		fit;			/* hundredths, like the next two */
	int64		intent;
	int64		total;
	char		grade[3];		/* such as "A2"; "" when the model has no
								 * bands */
	int			confidence;		/* share of fit points decided by known facts,
								 * 0 to 10000 */
} ScoreSummary;

extern void nurture_scoring_init(void);

/*
 * The model that applies: the named one's published version, or the default
 * for an audience type and no product in particular when model is NULL.  NULL when none applies; a name
 * that is no model raises NU003.  Pointers are good until the transaction
 * ends.
 */
extern const CompiledModel *nurture_model(const char *model,
										  const char *audience_type, size_t audience_len);

/* The published version of a model, NULL when it has none. */
extern const CompiledModel *nurture_model_published(const char *model);

/*
 * The model that applies for a product: of its own, else of "*"; NULL when
 * none does.  All rows of a statement get it from the same set of versions,
 * also when one is published meanwhile; decisions ask for the newest.
 */
extern const CompiledModel *nurture_model_of(const char *product,
											 const char *audience_type,
											 size_t audience_len, bool newest);

/* The models that apply to leads of an audience, one for each product. */
extern List *nurture_models_of(const char *audience_type, size_t audience_len);

/* Whether a version, published or not, is for leads of an audience. */
extern bool nurture_model_is_for(const CompiledModel *m,
								 const char *audience_type,
								 size_t audience_len);

/* A version in any state; raises NU003 when there is none. */
extern const CompiledModel *nurture_model_version(const char *model, int version);

/* Columns that any published model reads. */
extern uint64 nurture_models_mask(uint64 *generation);

/* Scores a subject; false when no model applies. */
extern bool nurture_score_subject(Subject *subject, const char *model,
								  ScoreSummary *out);
extern void nurture_score_with(Subject *subject, const CompiledModel *model,
							   ScoreSummary *out);

/* Called by nurture_draft and nurture_publish for kind model. */
extern int	nurture_model_draft(const char *model, int from_version);
extern char *nurture_model_publish(const char *model, int version,
								   const char *reason, const char *actor,
								   bool confirm);

#endif							/* NURTURE_MODEL_H */
