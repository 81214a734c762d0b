/*
 * account_private.h
 *	  What the files about accounts share.
 */
#ifndef NURTURE_ACCOUNT_PRIVATE_H
#define NURTURE_ACCOUNT_PRIVATE_H

#include "scoring/account.h"
#include "scoring/model_private.h"

/* The row of nurture.account_policy, points and ratio in hundredths. */
typedef struct AccountPolicy
{
	bool		present;		/* there is a row */
	int			active_days;
	int64		lead_points;
	int			lead_max;
	uint64		topic_weight;	/* millionths of an occurrence */
	int64		topic_points;
	int			topic_max;
	int			recent_days;
	int			baseline_days;
	int			min_baseline_days;
	int			min_recent;
	int64		min_ratio;
	double		max_chance;
	int			nsignals;		/* bits in wanted */
	uint8	   *wanted;			/* signals that are activity */
	int			ntopics;		/* bits in topics */
	uint8	   *topics;			/* tags that are topics */
	int			nfactor;		/* ages in factor */
	int32	   *factor;			/* decay of topics by age, millionths */
} AccountPolicy;

/* Recent days of activity of an account's leads against those before. */
typedef struct AccountSpike
{
	int64		recent;
	int64		baseline;
	int			recent_days;
	int			baseline_days;	/* days of history, at most the policy's */
	bool		has_ratio;		/* history enough */
	bool		is_spike;
	int64		ratio;			/* hundredths */
	double		chance;
} AccountSpike;

/* An account as it was read. */
typedef struct AccountFigures
{
	const AccountPolicy *policy;
	Subject		subject;		/* the account as if it were a lead */
	int64		leads;			/* neither merged, erased nor tests */
	int64		active_leads;
	AccountSpike spike;
} AccountFigures;

/* What an account's score is made of, in hundredths. */
typedef struct AccountScore
{
	ScoreSummary summary;		/* by the rules of the model */
	int64		topics;			/* with weight enough */
	int64		lead_points;
	int64		topic_points;
	int64		total;
} AccountScore;

/*
 * Reads an account and its leads with the rights in force; false when there
 * is none, or it may not be seen.  mask tells which columns of the account
 * are wanted as facts.
 */
extern bool nurture_account_read(int64 account_id, TimestampTz now,
								 uint64 mask, AccountFigures *figures);

/* Scores what was read; false when no model applies. */
extern bool nurture_account_points(AccountFigures *figures, const char *model,
								   AccountScore *score, ScoreDetail *detail);

#endif							/* NURTURE_ACCOUNT_PRIVATE_H */
