/*
 * owner.h
 *	  Where nurture is installed, and work done with its owner's rights.
 */
#ifndef NURTURE_OWNER_H
#define NURTURE_OWNER_H

#include "base/compat.h"

typedef struct OwnerSwitch
{
	Oid			userid;			/* role to go back to */
	int			sec_context;	/* and its security context */
	bool		outermost;		/* no other switch was in force */
} OwnerSwitch;

extern void nurture_owner_init(void);
extern Oid	nurture_schema_oid(bool missing_ok);
extern Oid	nurture_owner_oid(void);
extern const char *nurture_extension_schema(void);
extern Oid	nurture_table_oid(const char *name, bool missing_ok);
extern void nurture_owner_enter(OwnerSwitch *save);
extern void nurture_owner_leave(const OwnerSwitch *save);
extern Oid	nurture_caller_role(void);

#endif							/* NURTURE_OWNER_H */
