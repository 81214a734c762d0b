/*
 * arena.h
 *	  Where the core gets memory from: the caller.
 *
 * The core allocates nothing of its own and frees nothing; what it builds
 * lives as long as the caller's memory does (a memory context in the server,
 * a plain block in tests).
 */
#ifndef NURTURE_CORE_ARENA_H
#define NURTURE_CORE_ARENA_H

#include <stddef.h>

typedef struct CoreArena
{
	/*
	 * Returns size bytes aligned for any type.  Never returns NULL: on
	 * exhaustion it does not return at all (ereport in the server, abort in
	 * tests), so the core holds nothing across the call that would leak.
	 */
	void	   *(*alloc) (void *ctx, size_t size);
	void	   *ctx;			/* handed to alloc */
} CoreArena;

#endif							/* NURTURE_CORE_ARENA_H */
