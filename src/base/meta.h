/*
 * meta.h
 *	  Facts about the installation itself, in nurture.meta.
 */
#ifndef NURTURE_META_H
#define NURTURE_META_H

#include "base/compat.h"

/*
 * Notes the value of a key, in place of an earlier one; NULL is the present.
 * Connected to SPI as the owner; nothing where the transaction cannot write.
 */
extern void nurture_meta_note(const char *key, const char *value);

#endif							/* NURTURE_META_H */
