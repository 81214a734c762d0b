/*
 * owner.c
 *	  Finds the installed schema and switches to its owner and back.
 *
 * Writes to protected tables run as their owner the way the server's own
 * foreign-key triggers do (ri_PerformCheck): the user id is switched with
 * SECURITY_LOCAL_USERID_CHANGE, so nothing run meanwhile can SET ROLE.  An
 * error needs no clean-up here, the server restores the user id at abort.
 */
#include "base/compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/xact.h"
#include "base/errors.h"
#include "base/owner.h"
#include "base/settings.h"
#include "catalog/namespace.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_namespace.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

static Oid	schema_oid = InvalidOid;	/* of schema nurture */
static Oid	schema_owner = InvalidOid;	/* its owner */
static Oid	outer_role = InvalidOid;	/* effective role before the switch */
static int	outer_level = 0;	/* nest level of the outermost switch */

/* tables that were looked up, by where their name stands in the library */
#define TABLE_SLOTS 64

static struct
{
	NameData	name;
	Oid			oid;			/* InvalidOid = none */
}			tables[TABLE_SLOTS];

static void
forget_tables(Datum arg, Oid relid)
{
	for (int i = 0; i < TABLE_SLOTS; i++)
	{
		if (!OidIsValid(relid) || tables[i].oid == relid)
			tables[i].oid = InvalidOid;
	}
}

static void
forget_schema(Datum arg, int cacheid, uint32 hashvalue)
{
	schema_oid = InvalidOid;
	schema_owner = InvalidOid;
	forget_tables((Datum) 0, InvalidOid);
}

static void
forget_role_xact(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT ||
		event == XACT_EVENT_PREPARE)
	{
		outer_role = InvalidOid;
		outer_level = 0;
	}
}

static void
forget_role_subxact(SubXactEvent event, SubTransactionId my,
					SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB &&
		OidIsValid(outer_role) &&
		outer_level >= GetCurrentTransactionNestLevel())
	{
		outer_role = InvalidOid;
		outer_level = 0;
	}
}

/* Registers the callbacks that keep the cached ids right. */
void
nurture_owner_init(void)
{
	CacheRegisterSyscacheCallback(NAMESPACEOID, forget_schema, (Datum) 0);
	CacheRegisterRelcacheCallback(forget_tables, (Datum) 0);
	RegisterXactCallback(forget_role_xact, NULL);
	RegisterSubXactCallback(forget_role_subxact, NULL);
}

static void
find_schema(void)
{
	HeapTuple	tuple;
	Oid			oid;

	oid = get_namespace_oid("nurture", true);
	if (!OidIsValid(oid))
		return;
	tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(oid));
	if (!HeapTupleIsValid(tuple))
		return;
	schema_owner = ((Form_pg_namespace) GETSTRUCT(tuple))->nspowner;
	schema_oid = oid;
	ReleaseSysCache(tuple);
}

/* Returns the oid of schema nurture. */
Oid
nurture_schema_oid(bool missing_ok)
{
	if (!OidIsValid(schema_oid))
		find_schema();
	if (!OidIsValid(schema_oid) && !missing_ok)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_NOT_INSTALLED),
				 errmsg("nurture is not installed in this database"),
				 errhint("Call nurture_install('pharma') first.")));
	return schema_oid;
}

/* Returns the role that owns schema nurture. */
Oid
nurture_owner_oid(void)
{
	(void) nurture_schema_oid(false);
	return schema_owner;
}

/* Returns the quoted name of the schema that holds the extension. */
const char *
nurture_extension_schema(void)
{
	Relation	rel;
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	tuple;
	Oid			schema = InvalidOid;

	rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber,
				F_NAMEEQ, CStringGetDatum("nurture"));
	scan = systable_beginscan(rel, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		schema = ((Form_pg_extension) GETSTRUCT(tuple))->extnamespace;
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	if (!OidIsValid(schema))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"nurture\" does not exist"),
				 errhint("Run CREATE EXTENSION nurture first.")));
	return quote_identifier(get_namespace_name(schema));
}

/* Returns the oid of a table of schema nurture. */
Oid
nurture_table_oid(const char *name, bool missing_ok)
{
	int			slot = ((uintptr_t) name >> 3) % TABLE_SLOTS;
	Oid			schema;
	Oid			table;

	if (OidIsValid(tables[slot].oid) &&
		strcmp(NameStr(tables[slot].name), name) == 0)
		return tables[slot].oid;
	schema = nurture_schema_oid(missing_ok);
	if (!OidIsValid(schema))
		return InvalidOid;
	table = get_relname_relid(name, schema);
	if (OidIsValid(table))
	{
		namestrcpy(&tables[slot].name, name);
		tables[slot].oid = table;
	}
	if (!OidIsValid(table) && !missing_ok)
		ereport(ERROR,
				(errcode(NURTURE_ERRCODE_NOT_INSTALLED),
				 errmsg("table \"nurture.%s\" does not exist", name),
				 errhint("The installed tables are of another version than the extension; install the version they are of.")));
	return table;
}

/* Becomes the owner of schema nurture until nurture_owner_leave. */
void
nurture_owner_enter(OwnerSwitch *save)
{
	Oid			owner = nurture_owner_oid();

	GetUserIdAndSecContext(&save->userid, &save->sec_context);
	if (!OidIsValid(outer_role))
	{
		outer_role = save->userid;
		outer_level = GetCurrentTransactionNestLevel();
		save->outermost = true;
	}
	else
		save->outermost = false;
	SetUserIdAndSecContext(owner,
						   save->sec_context |
						   SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_NOFORCE_RLS);
}

/* Goes back to the role from before nurture_owner_enter. */
void
nurture_owner_leave(const OwnerSwitch *save)
{
	if (save->outermost)
	{
		outer_role = InvalidOid;
		outer_level = 0;
	}
	SetUserIdAndSecContext(save->userid, save->sec_context);
}

/* Returns the effective role of the caller, from before any switch. */
Oid
nurture_caller_role(void)
{
	return OidIsValid(outer_role) ? outer_role : GetUserId();
}
