/*
 * try.h
 *	  Work that may fail because of the data it is given, without the rest of
 *	  the transaction failing with it.
 */
#ifndef NURTURE_TRY_H
#define NURTURE_TRY_H

#include "base/compat.h"
#include "utils/elog.h"

/*
 * Runs work in a subtransaction. NULL when it succeeded; the error, in the
 * current memory context, when about_data says so of its SQLSTATE; any other
 * is raised again.
 */
extern ErrorData *nurture_try(void (*work) (void *arg), void *arg,
							  bool (*about_data) (int sqlstate));

/* The same, and takes back what the work did when it succeeded, too. */
extern ErrorData *nurture_try_undone(void (*work) (void *arg), void *arg,
									 bool (*about_data) (int sqlstate));

/* Tells whether an error of the server's own is about data, not rights or the server. */
extern bool nurture_error_of_data(int sqlstate);

#endif							/* NURTURE_TRY_H */
