/*
 * inputs.c
 *	  What the inputs of entries have in common is stored once.
 *
 * A message that is allowed has passed some thirty rules, and most leads pass
 * them by the same facts: told in full, these are three quarters of its entry.
 * An entry whose "passed" some earlier one has word for word holds that one's
 * number in its place.  Both are hashed as they are stored, so that neither can
 * be altered, and the number is under the leaf.
 *
 * The earlier entry is of this backend and the same partition: of this
 * transaction, or of one that has committed.  So whoever sees the later one
 * sees it too, nobody waits, and a partition is dropped with both.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "audit/inputs.h"
#include "base/plans.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#define MEMBER			"\"passed\":"	/* the member that may be a number */
#define MAX_COMMON		512		/* texts that a backend remembers */
#define MAX_COMMON_LEN	2000	/* longer ones are stored in full */
#define MAX_KNOWN		1024	/* entries that a query remembers */
#define NUMBER_LEN		20		/* digits of an audit_id and a brace */

NURTURE_FUNCTION(nurture_audit_inputs);

/* A text that an entry of this backend has in full. */
typedef struct CommonText
{
	uint64		hash;			/* key */
	int64		audit_id;		/* the entry */
	const char *text;
	int			len;
} CommonText;

static MemoryContext common_context = NULL;
static HTAB *common_texts = NULL;	/* NULL = none */
static Oid	common_file = InvalidOid;	/* of the partition they are in */
static bool common_added = false;	/* some by the present transaction */

static KeptPlan find_whole =
KEPT_PLAN("SELECT a.inputs FROM nurture.audit AS a"
		  " WHERE a.audit_id OPERATOR(pg_catalog.=) $1", INT8OID);

/* Forgets all texts. */
static void
forget_common(void)
{
	if (common_context != NULL)
		MemoryContextReset(common_context);
	common_texts = NULL;
	common_added = false;
}

/* Entries that were not committed, or not yet, are none to refer to. */
static void
forget_xact(XactEvent event, void *arg)
{
	if (common_added && (event == XACT_EVENT_ABORT ||
						 event == XACT_EVENT_PREPARE))
		forget_common();
	if (event == XACT_EVENT_COMMIT)
		common_added = false;
}

static void
forget_subxact(SubXactEvent event, SubTransactionId my,
			   SubTransactionId parent, void *arg)
{
	if (common_added && event == SUBXACT_EVENT_ABORT_SUB)
		forget_common();
}

/* Registers what tells of transactions that are rolled back. */
void
nurture_inputs_init(void)
{
	RegisterXactCallback(forget_xact, NULL);
	RegisterSubXactCallback(forget_subxact, NULL);
}

/* Makes the memory of texts, for a partition as it is now. */
static void
open_common(Oid file)
{
	HASHCTL		control = {
		.keysize = sizeof(uint64),.entrysize = sizeof(CommonText)
	};

	forget_common();
	if (common_context == NULL)
		common_context = AllocSetContextCreate(TopMemoryContext,
											   "nurture audit inputs",
											   ALLOCSET_DEFAULT_SIZES);
	control.hcxt = common_context;
	common_texts = hash_create("nurture audit inputs", 64, &control,
							   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	common_file = file;
}

const char *
nurture_inputs_store(const AuditEntry *entry, int64 audit_id,
					 Relation partition)
{
	const char *text = entry->inputs + entry->inputs_common;
	int			len = strlen(text);

	/* another one once the table was truncated or written anew */
	Oid			file = partition->rd_rel->relfilenode;
	uint64		hash;
	CommonText *common;
	bool		known;
	char	   *result;

	if (len > MAX_COMMON_LEN)
		return entry->inputs;
	if (common_texts == NULL || common_file != file ||
		hash_get_num_entries(common_texts) >= MAX_COMMON)
		open_common(file);
	hash = entry->inputs_hash != 0 ? entry->inputs_hash :
		hash_bytes_extended((const unsigned char *) text, len, 0);
	common = hash_search(common_texts, &hash, HASH_ENTER, &known);
	if (!known)
	{
		/* an error on the way leaves nothing that could be referred to */
		common->len = -1;
		common->audit_id = audit_id;
		common->text = memcpy(MemoryContextAlloc(common_context, len), text,
							  len);
		common->len = len;
		common_added = true;
	}
	else if (common->len == len && memcmp(common->text, text, len) == 0)
	{
		result = palloc(entry->inputs_common + NUMBER_LEN + 1);
		memcpy(result, entry->inputs, entry->inputs_common);
		strcpy(result + entry->inputs_common +
			   pg_lltoa(common->audit_id, result + entry->inputs_common), "}");
		return result;
	}
	return entry->inputs;
}

/* Returns where the member begins in inputs, NULL without. */
static const char *
find_member(const char *inputs)
{
	const char *member = strstr(inputs, MEMBER);

	return member ? member + strlen(MEMBER) : NULL;
}

/* An entry that is referred to, as a query remembers it. */
typedef struct KnownWhole
{
	int64		audit_id;		/* key */
	const char *passed;			/* NULL = there is no such entry */
} KnownWhole;

/*
 * Returns what an entry has in full, up to the end of its inputs; NULL when it
 * is not there.
 */
static const char *
find_passed(FmgrInfo *info, int64 audit_id)
{
	HTAB	   *known = info->fn_extra;
	KnownWhole *whole;
	Datum		value = Int64GetDatum(audit_id);
	const char *passed = NULL;
	char	   *inputs;
	int			level;

	if (known != NULL &&
		(whole = hash_search(known, &audit_id, HASH_FIND, NULL)) != NULL)
		return whole->passed;
	level = nurture_spi_connect_here();
	(void) nurture_execute(&find_whole, &value, NULL, true);
	inputs = SPI_processed > 0 ? nurture_cell_text(0, 1) : NULL;
	if (inputs != NULL)
		passed = find_member(inputs);
	if (passed != NULL && *passed == '{')
		passed = MemoryContextStrdup(info->fn_mcxt, passed);
	else
		passed = NULL;
	nurture_spi_finish(level);
	if (known == NULL)
	{
		HASHCTL		control = {
			.keysize = sizeof(int64),.entrysize = sizeof(KnownWhole),
			.hcxt = info->fn_mcxt
		};

		known = hash_create("nurture audit inputs read", 16, &control,
							HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
		info->fn_extra = known;
	}
	if (hash_get_num_entries(known) < MAX_KNOWN)
	{
		whole = hash_search(known, &audit_id, HASH_ENTER, NULL);
		whole->passed = passed;
	}
	return passed;
}

/*
 * nurture_audit_inputs(inputs text) returns text: the inputs of an entry in
 * full.
 */
Datum
nurture_audit_inputs(PG_FUNCTION_ARGS)
{
	char	   *inputs = text_to_cstring(PG_GETARG_TEXT_PP(0));
	const char *member = find_member(inputs);
	const char *passed;
	char	   *end;
	int64		audit_id;

	if (member == NULL || *member < '1' || *member > '9')
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	errno = 0;
	audit_id = strtoi64(member, &end, 10);
	if (errno != 0 || strcmp(end, "}") != 0)
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	passed = find_passed(fcinfo->flinfo, audit_id);
	if (passed == NULL)
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("%.*s%s",
											  (int) (member - inputs), inputs,
											  passed)));
}
