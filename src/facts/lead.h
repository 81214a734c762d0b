/*
 * lead.h
 *	  Finding leads by their identifiers.
 */
#ifndef NURTURE_LEAD_H
#define NURTURE_LEAD_H

#include "base/compat.h"

/* Tells whether there is such a lead; connected to SPI, as the owner. */
extern bool nurture_lead_exists(int64 lead_id);

/*
 * Tells whether row-level security on nurture.lead hides a lead that is there
 * from the caller: for functions that read other tables of a lead.
 */
extern bool nurture_lead_hidden(int64 lead_id);

#endif							/* NURTURE_LEAD_H */
