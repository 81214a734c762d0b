/*
 * lead.h
 *	  Finding leads by their identifiers.
 */
#ifndef NURTURE_LEAD_H
#define NURTURE_LEAD_H

#include "base/compat.h"

/* Tells whether there is such a lead; connected to SPI, as the owner. */
extern bool nurture_lead_exists(int64 lead_id);

#endif							/* NURTURE_LEAD_H */
