/*
 * contact_find.c
 *	  An address of which only the keyed hash is known, because the lead it
 *	  became known for has left it.
 *
 * No index leads from the hash to the address, so all leads are looked at,
 * once per statement, twice where nobody has it.  It is rare: a bounce of what was sent before the lead
 * had another address.
 */
#include "base/compat.h"

#include "base/plans.h"
#include "executor/spi.h"
#include "gate/contact_point.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define FETCHED		1000		/* leads at once */

static KeptPlan read_leads =
KEPT_PLAN_SCAN("SELECT l.email, l.phone, l.country FROM nurture.lead AS l"
			   " WHERE l.email IS NOT NULL OR l.phone IS NOT NULL", 0);

/* Compares one contact point of a lead with those that are wanted. */
static int
compare_point(ContactBlock *blocks, int n, ContactKind kind, char **texts,
			  MemoryContext context)
{
	ContactPoint point;
	uint8		hash[GATE_HASH_LEN];
	bool		asked = false;
	int			found = 0;

	for (int i = 0; i < n; i++)
		asked = asked || (blocks[i].kind == kind && blocks[i].address == NULL);
	if (!asked)
		return 0;
	nurture_contact_read(kind, texts[0], texts[1], texts[2], &point);
	if (point.address == NULL)
		return 0;
	nurture_gate_hash(nurture_gate_rules(), "contact_point", point.address,
					  hash);
	for (int i = 0; i < n; i++)
	{
		if (blocks[i].address == NULL && !blocks[i].lead_only &&
			blocks[i].kind == kind &&
			memcmp(blocks[i].hash, hash, GATE_HASH_LEN) == 0)
		{
			blocks[i].address = MemoryContextStrdup(context, point.address);
			found++;
		}
	}
	return found;
}

/*
 * Looks for them among the addresses that leads have by now; returns how many
 * are still not known.
 */
static int
look(ContactBlock *blocks, int n, int wanted)
{
	MemoryContext context = CurrentMemoryContext;
	MemoryContext batch = AllocSetContextCreate(context, "nurture addresses",
												ALLOCSET_DEFAULT_SIZES);
	Portal		portal;
	uint64		rows = FETCHED;

	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	portal = SPI_cursor_open(NULL, nurture_plan(&read_leads), NULL, NULL, true);
	PopActiveSnapshot();
	while (wanted > 0 && rows > 0)
	{
		CHECK_FOR_INTERRUPTS();
		SPI_cursor_fetch(portal, true, FETCHED);
		rows = SPI_processed;
		MemoryContextSwitchTo(batch);
		for (uint64 row = 0; row < rows && wanted > 0; row++)
		{
			char	   *texts[3];

			for (int i = 0; i < 3; i++)
				texts[i] = nurture_cell_text(row, i + 1);
			for (ContactKind kind = CONTACT_EMAIL; kind <= CONTACT_PHONE; kind++)
				wanted -= compare_point(blocks, n, kind, texts, context);
		}
		MemoryContextSwitchTo(context);
		MemoryContextReset(batch);
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(portal);
	MemoryContextSwitchTo(context);
	MemoryContextDelete(batch);
	return wanted;
}

/*
 * Finds addresses of which the hash alone is known among those that leads
 * have.  What nobody has is sought once more when nobody can be given any: a
 * lead that gets it after that meets the suppression.  Connected to SPI, as
 * the owner.
 */
void
nurture_contact_find(ContactBlock *blocks, int n)
{
	int			wanted = 0;

	for (int i = 0; i < n; i++)
	{
		if (blocks[i].address == NULL && !blocks[i].lead_only)
			wanted++;
	}
	if (wanted == 0)
		return;
	wanted = look(blocks, n, wanted);
	if (wanted == 0)
		return;
	nurture_contact_lock_all();
	(void) look(blocks, n, wanted);
}
