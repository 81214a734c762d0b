/*
 * verify_lead.c
 *	  Checks that lead_ref, the one column that no leaf covers, still names the
 *	  lead of the entry's pseudonym.
 */
#include "base/compat.h"

#include "audit/finding.h"
#include "base/plans.h"
#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/snapmgr.h"

/* a lead and its pseudonym */
typedef struct LeadSubject
{
	int64		lead_id;
	MerkleHash	subject;
	char		status;			/* of the hash table */
} LeadSubject;

#define SH_PREFIX leads
#define SH_ELEMENT_TYPE LeadSubject
#define SH_KEY_TYPE int64
#define SH_KEY lead_id
#define SH_HASH_KEY(table, key) \
	((uint32) (((uint64) (key) * UINT64CONST(0x9E3779B97F4A7C15)) >> 32))
#define SH_EQUAL(table, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
/* the server's own header shadows a variable of itself */
#pragma GCC diagnostic push
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wshadow=compatible-local"
#endif
#include "lib/simplehash.h"
#pragma GCC diagnostic pop

struct LeadHash
{
	leads_hash *by_lead;
	HTAB	   *by_subject;		/* of MerkleHash; NULL until an entry asks */
};

static KeptPlan find_all_keys =
KEPT_PLAN_SCAN("SELECT k.lead_id, k.key FROM nurture.subject_key k"
			   " WHERE k.lead_id IS NOT NULL AND $1", BOOLOID);

#define KEYS_FETCH 1000

/* Reads every key once and makes the pseudonyms. */
static struct LeadHash *
load_keys(Verify *v)
{
	struct LeadHash *result = MemoryContextAllocZero(v->context,
													 sizeof(struct LeadHash));
	Datum		values[1] = {BoolGetDatum(true)};
	Portal		portal;

	result->by_lead = leads_create(v->context, 1024, NULL);
	PushActiveSnapshot(v->snapshot);
	portal = SPI_cursor_open(NULL, nurture_plan(&find_all_keys), values, NULL,
							 true);
	PopActiveSnapshot();
	while (SPI_cursor_fetch(portal, true, KEYS_FETCH), SPI_processed > 0)
	{
		CHECK_FOR_INTERRUPTS();
		for (uint64 row = 0; row < SPI_processed; row++)
		{
			bool		null;
			bool		found;
			int64		lead_id = DatumGetInt64(nurture_cell(row, 1, &null));
			Datum		key = nurture_cell(row, 2, &null);
			bytea	   *bytes = null ? NULL : DatumGetByteaPP(key);
			LeadSubject *lead;

			if (null)
				continue;		/* forged: as if it were gone */
			lead = leads_insert(result->by_lead, lead_id, &found);
			nurture_audit_subject(&v->hasher, VARDATA_ANY(bytes),
								  VARSIZE_ANY_EXHDR(bytes), lead_id,
								  &lead->subject);
		}
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_freetuptable(SPI_tuptable);
	SPI_cursor_close(portal);
	return result;
}

/* Tells whether a pseudonym belongs to a lead that has its key still. */
static bool
is_live_subject(Verify *v, const MerkleHash *subject)
{
	struct LeadHash *leads = v->leads;

	if (leads->by_subject == NULL)
	{
		HASHCTL		control = {0};
		leads_iterator scan;
		LeadSubject *lead;

		control.keysize = control.entrysize = NURTURE_HASH_LEN;
		control.hcxt = v->context;
		leads->by_subject = hash_create("nurture pseudonyms", 1024, &control,
										HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
		leads_start_iterate(leads->by_lead, &scan);
		while ((lead = leads_iterate(leads->by_lead, &scan)) != NULL)
			(void) hash_search(leads->by_subject, lead->subject.byte,
							   HASH_ENTER, NULL);
	}
	return hash_search(leads->by_subject, subject->byte, HASH_FIND, NULL) != NULL;
}

/* Checks the entry at hand. */
void
nurture_verify_lead(Verify *v, const EntryScan *scan, int64 block)
{
	bool		has_lead = !scan->nulls[AUDIT_LEAD_REF];
	bool		has_subject = !scan->nulls[AUDIT_SUBJECT];
	MerkleHash	subject;
	bytea	   *bytes;
	LeadSubject *lead;
	int64		lead_id;

	if (!has_lead && !has_subject)
		return;
	if (!has_subject)
	{
		nurture_finding(v, "subject", block, scan->audit_id,
						"the entry names a lead but was about none");
		return;
	}
	if (v->leads == NULL)
		v->leads = load_keys(v);
	bytes = DatumGetByteaPP(scan->values[AUDIT_SUBJECT]);
	if (VARSIZE_ANY_EXHDR(bytes) != NURTURE_HASH_LEN)
		return;					/* the leaf tells */
	memcpy(subject.byte, VARDATA_ANY(bytes), NURTURE_HASH_LEN);
	if (!has_lead)
	{
		if (is_live_subject(v, &subject))
			nurture_finding(v, "subject", block, scan->audit_id,
							"the entry's lead was taken out, but the lead was not erased");
		return;
	}
	lead_id = DatumGetInt64(scan->values[AUDIT_LEAD_REF]);
	lead = leads_lookup(v->leads->by_lead, lead_id);
	if (lead == NULL)
		nurture_finding(v, "subject", block, scan->audit_id,
						"the entry's lead has no key");
	else if (!nurture_merkle_equal(&lead->subject, &subject))
		nurture_finding(v, "subject", block, scan->audit_id,
						"the entry names another lead than it was about");
}
