/*
 * choose.h
 *	  Private to the content room: the ledger of candidates.
 */
#ifndef NURTURE_CONTENT_CHOOSE_H
#define NURTURE_CONTENT_CHOOSE_H

#include "content/content.h"
#include "content/index.h"

extern ContentCandidate *nurture_content_ledger(Subject *subject,
												const ContentRequest *request,
												int *n);

extern const ContentIndex *nurture_content_weighed(int32 version);

#endif							/* NURTURE_CONTENT_CHOOSE_H */
