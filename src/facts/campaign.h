/*
 * campaign.h
 *	  The campaigns that brought a lead: the first is a fact, nurture.lead
 *	  has it; the latest is that of its events.
 */
#ifndef NURTURE_CAMPAIGN_H
#define NURTURE_CAMPAIGN_H

#include "facts/subject.h"

/* The latest campaign of a subject, its first when no event has one; NULL = none. */
extern char *nurture_campaign_latest(Subject *subject);

#endif							/* NURTURE_CAMPAIGN_H */
