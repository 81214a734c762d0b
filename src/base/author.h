/*
 * author.h
 *	  Who acts, and whether two acts are those of two persons.
 */
#ifndef NURTURE_AUTHOR_H
#define NURTURE_AUTHOR_H

#include "base/compat.h"

/* Versions that are made while this is set are nobody's: a preset's. */
extern bool nurture_loading_preset;

/* What is published while this is set is taken back: nobody need approve it. */
extern bool nurture_trying_drafts;

extern char *nurture_login(void);
extern const char *nurture_actor(const char *given);
extern bool nurture_same_person(const char *author, const char *author_login,
								const char *actor);
extern void nurture_require_second_person(const char *kind, const char *code,
										  int version, const char *author,
										  const char *author_login,
										  const char *approver);

#endif							/* NURTURE_AUTHOR_H */
