/*
 * requested.h
 *	  Private to the content room: what a lead has asked for already.
 */
#ifndef NURTURE_CONTENT_REQUESTED_H
#define NURTURE_CONTENT_REQUESTED_H

#include "content/index.h"
#include "facts/subject.h"

extern void nurture_requested_init(void);
extern const bool *nurture_content_requested(const ContentIndex *index,
											 const Subject *subject,
											 TimestampTz at);

#endif							/* NURTURE_CONTENT_REQUESTED_H */
