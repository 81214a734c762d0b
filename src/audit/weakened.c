/*
 * weakened.c
 *	  Puts on record that a transaction runs under settings of its own that
 *	  guarantee less than those of the server.
 *
 * Only a superuser, or who was granted SET on them, can choose such a setting.
 * What the configuration file, ALTER ROLE and ALTER DATABASE say is in force
 * for everybody it concerns and no act of the session; entries made under
 * nurture.clock are marked as simulated.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "audit/audit.h"
#include "audit/weakened.h"
#include "base/settings.h"
#include "lib/stringinfo.h"
#include "utils/guc.h"

static FullTransactionId told = {InvalidTransactionId}; /* of which it was put */
static bool telling = false;

static void
add_setting(StringInfo list, const char *name, const char *value)
{
	appendStringInfo(list, "%s%s %s", list->len ? ", " : "", name, value);
}

/* Tells whether a setting of a name is on wherever the session did not change it. */
static bool
on_at_rest(const char *name)
{
	const char *value = GetConfigOptionResetString(name);

	return value != NULL && strcmp(value, "on") == 0;
}

/* Appends an entry, once in a transaction, when its settings are weaker. */
void
nurture_weakened_tell(void)
{
	FullTransactionId xid;
	StringInfoData list;
	AuditEntry	entry = {.kind = "setting",.outcome = "weakened"};

	if (telling)
		return;
	initStringInfo(&list);
	if (nurture_pooled_logins && !on_at_rest("nurture.pooled_logins"))
		add_setting(&list, "pooled_logins", "on");
	if (!nurture_two_person_rule && on_at_rest("nurture.two_person_rule"))
		add_setting(&list, "two_person_rule", "off");
	if (nurture_react_within < atoi(GetConfigOptionResetString("nurture.react_within")))
		add_setting(&list, "react_within", psprintf("%d s", nurture_react_within));
	if (nurture_horizon_days < atoi(GetConfigOptionResetString("nurture.horizon_days")))
		add_setting(&list, "horizon_days", psprintf("%d", nurture_horizon_days));
	if (list.len == 0)
		return;
	xid = GetTopFullTransactionId();
	if (FullTransactionIdEquals(xid, told))
		return;
	entry.inputs = list.data;
	telling = true;
	PG_TRY();
	{
		nurture_audit_append(&entry, 1);
	}
	PG_FINALLY();
	{
		telling = false;
	}
	PG_END_TRY();
	told = xid;
}
