/*
 * experiment.h
 *	  Experiments as the tick and the reports of the content room see them.
 *
 * A message is part of one experiment at most: of those that run for its track
 * and its lead the one that began first.
 */
#ifndef NURTURE_CONTENT_EXPERIMENT_H
#define NURTURE_CONTENT_EXPERIMENT_H

#include "base/compat.h"
#include "content/content.h"
#include "utils/date.h"

/* What an arm changes of a step. */
typedef struct ContentArm
{
	const char *arm;
	int32		share;			/* millionths */
	const char *family;			/* in place of the step's; NULL = that */
	const char *format;			/* NULL = any */
	ArrayType  *required_tags;	/* besides the step's; NULL = none */
	ArrayType  *preferred_tags; /* likewise */
	bool		has_send_at;
	TimeADT		send_at;		/* by the lead's clock */
	int32		pace;			/* times the waits, in hundredths */
} ContentArm;

/* The arm that the lot of a lead fell on. */
typedef struct ContentDraw
{
	const char *experiment;
	int32		version;
	bool		chooses;		/* the variable is about the asset */
	TimestampTz not_before;		/* DT_NOBEGIN = as the gate decides */
	const char *time_zone;		/* of the lead; NULL = not known */
	int			narms;
	const ContentArm *arms;
	int			chosen;			/* of these */
} ContentDraw;

extern void nurture_experiment_init(void);

/*
 * Draws for a lead at a step of a track, at the subject's time; NULL when no
 * experiment runs for it, or a holdout in force chooses the lead.  The result
 * lives in the current memory context.
 */
extern const ContentDraw *nurture_experiment_draw(Subject *subject,
												  const char *track);

/*
 * Chooses for a step: for each channel in order until there is an asset.  With
 * a draw the arm changes what is asked for; an arm that has nothing to send
 * leaves the step as it is.  propensity: with which probability, in
 * millionths, the lot led to this asset; 0 when no lot was about assets.
 */
extern ContentChoice nurture_content_choose_step(Subject *subject,
												 const ContentRequest *step,
												 const char *const *channels,
												 int nchannels,
												 const ContentDraw *draw,
												 int32 *propensity);

/* Publishing and drafting, for nurture_publish and nurture_draft. */
extern char *nurture_experiment_publish(const char *code, int version,
										const char *reason, const char *actor,
										bool confirm);
extern int	nurture_experiment_draft(const char *code, int from_version);

/* Hands over what is wrong with a draft, errors first; connected to SPI. */
extern void nurture_experiment_findings(const char *code, int version,
										void (*found) (void *arg,
													   const char *finding,
													   const char *severity,
													   const char *path),
										void *arg);

#endif							/* NURTURE_CONTENT_EXPERIMENT_H */
