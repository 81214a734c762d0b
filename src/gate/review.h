/*
 * review.h
 *	  Private to the gate room: rulings about messages that wait for one.
 */
#ifndef NURTURE_GATE_REVIEW_H
#define NURTURE_GATE_REVIEW_H

#include "base/compat.h"

/* Connected to SPI, as the owner. */
extern bool nurture_review_allows(int64 lead_id, int64 message_id);

#endif							/* NURTURE_GATE_REVIEW_H */
