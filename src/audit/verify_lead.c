/*
 * verify_lead.c
 *	  Checks that lead_ref, the one column that no leaf covers, still names the
 *	  lead of the entry's pseudonym.
 */
#include "base/compat.h"

#include "audit/finding.h"
#include "base/plans.h"
#include "utils/hsearch.h"

/* a lead's key and pseudonym */
typedef struct LeadKey
{
	int64		lead_id;		/* key of the hash table */
	int			keylen;
	char		key[64];
	bool		known;			/* subject is set */
	MerkleHash	subject;
} LeadKey;

struct LeadHash
{
	HTAB	   *by_lead;		/* of LeadKey */
	HTAB	   *by_subject;		/* of MerkleHash; NULL until an entry asks */
};

static KeptPlan find_all_keys =
KEPT_PLAN_SCAN("SELECT k.lead_id, k.key FROM nurture.subject_key k"
			   " WHERE k.lead_id IS NOT NULL AND $1", BOOLOID);

static HTAB *
make_table(Verify *v, const char *name, Size keysize, Size entrysize)
{
	HASHCTL		control = {0};

	control.keysize = keysize;
	control.entrysize = entrysize;
	control.hcxt = v->context;
	return hash_create(name, 1024, &control,
					   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* Reads every key once. */
static struct LeadHash *
load_keys(Verify *v)
{
	struct LeadHash *leads = MemoryContextAllocZero(v->context,
													sizeof(struct LeadHash));
	Datum		values[1] = {BoolGetDatum(true)};

	(void) nurture_execute_snapshot(&find_all_keys, values, NULL, v->snapshot);
	leads->by_lead = make_table(v, "nurture keys of leads", sizeof(int64),
								sizeof(LeadKey));
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		null;
		int64		lead_id = DatumGetInt64(nurture_cell(row, 1, &null));
		bytea	   *key = DatumGetByteaPP(nurture_cell(row, 2, &null));
		LeadKey    *lead = hash_search(leads->by_lead, &lead_id, HASH_ENTER,
									   NULL);

		lead->known = false;
		lead->keylen = Min(VARSIZE_ANY_EXHDR(key), sizeof(lead->key));
		memcpy(lead->key, VARDATA_ANY(key), lead->keylen);
	}
	SPI_freetuptable(SPI_tuptable);
	return leads;
}

static const MerkleHash *
subject_of(LeadKey *lead)
{
	if (!lead->known)
		nurture_audit_subject(lead->key, lead->keylen, lead->lead_id,
							  &lead->subject);
	lead->known = true;
	return &lead->subject;
}

/* Tells whether a pseudonym belongs to a lead that has its key still. */
static bool
is_live_subject(Verify *v, const MerkleHash *subject)
{
	struct LeadHash *leads = v->leads;

	if (leads->by_subject == NULL)
	{
		HASH_SEQ_STATUS scan;
		LeadKey    *lead;

		leads->by_subject = make_table(v, "nurture pseudonyms",
									   NURTURE_HASH_LEN, NURTURE_HASH_LEN);
		hash_seq_init(&scan, leads->by_lead);
		while ((lead = hash_seq_search(&scan)) != NULL)
			(void) hash_search(leads->by_subject, subject_of(lead)->byte,
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
	LeadKey    *lead;
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
	lead = hash_search(v->leads->by_lead, &lead_id, HASH_FIND, NULL);
	if (lead == NULL)
		nurture_finding(v, "subject", block, scan->audit_id,
						"the entry's lead has no key");
	else if (!nurture_merkle_equal(subject_of(lead), &subject))
		nurture_finding(v, "subject", block, scan->audit_id,
						"the entry names another lead than it was about");
}
