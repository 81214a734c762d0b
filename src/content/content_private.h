/*
 * content_private.h
 *	  What the files of the content room share.
 */
#ifndef NURTURE_CONTENT_PRIVATE_H
#define NURTURE_CONTENT_PRIVATE_H

#include "content/content.h"

/* move.c */
extern void nurture_content_move_init(void);

/* lint.c */
extern void nurture_content_lint_init(void);

#endif							/* NURTURE_CONTENT_PRIVATE_H */
