/*
 * lot.h
 *	  Drawing lots by hash: the same in every session and on every server, and
 *	  again years later, by anybody who knows the salt.
 */
#ifndef NURTURE_LOT_H
#define NURTURE_LOT_H

#include "base/compat.h"

/* A lot is a number of so many bits. */
#define NURTURE_LOT_BITS	60

extern uint64 nurture_lot(const char *salt, const char *code, int64 lead_id);

#endif							/* NURTURE_LOT_H */
