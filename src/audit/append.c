/*
 * append.c
 *	  Appends entries to nurture.audit, a statement's worth at a time.
 *
 * Writers never wait for each other: an entry carries its own leaf hash and
 * nothing of its neighbours; blocks are closed later (seal.c).
 */
#include "base/compat.h"

#include "access/transam.h"
#include "access/xact.h"
#include "audit/audit.h"
#include "audit/guard.h"
#include "audit/incarnation.h"
#include "audit/inputs.h"
#include "audit/leaf.h"
#include "audit/store.h"
#include "audit/weakened.h"
#include "base/author.h"
#include "base/clock.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/read.h"
#include "base/settings.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/queryenvironment.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/xid8.h"

/* a lead of the batch and its pseudonym */
typedef struct BatchLead
{
	int64		lead_id;
	bool		known;			/* subject is set */
	MerkleHash	subject;
} BatchLead;

enum
{
	KEY_KEY
};

static KeptRead find_keys = {
	"subject_key", {{"lead_id", INT8OID}}, {
		[KEY_KEY] = {"key", BYTEAOID}
	}
};

static KeptPlan add_keys =
KEPT_PLAN("INSERT INTO nurture.subject_key (lead_id, key)"
		  " SELECT n.lead_id, n.key FROM"
		  " ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) AS n (lead_id, key)"
		  " ON CONFLICT DO NOTHING", INT8ARRAYOID, BYTEAARRAYOID);

/* the rows come as a named tuplestore, the way transition tables do */
static KeptPlan add_entries =
KEPT_PLAN0("INSERT INTO nurture.audit (" AUDIT_COLUMN_LIST ")"
		   " SELECT " AUDIT_COLUMN_LIST " FROM nurture_audit_batch");

void		(*nurture_audit_listener) (const AuditEntry *entries, int n) = NULL;

static TupleDesc batch_desc = NULL; /* columns in the order of AuditColumn */

/* Returns the shape of the rows to append. */
static TupleDesc
batch_shape(void)
{
	static const struct
	{
		const char *name;
		Oid			type;
	}			columns[AUDIT_COLUMNS] = {
		{"audit_id", INT8OID}, {"at", TIMESTAMPTZOID},
		{"incarnation", INT4OID}, {"xid", XID8OID}, {"subject", BYTEAOID},
		{"kind", TEXTOID}, {"object", TEXTOID}, {"outcome", TEXTOID},
		{"reasons", TEXTARRAYOID}, {"trigger", JSONBOID},
		{"versions", JSONBOID}, {"inputs", TEXTOID},
		{"session_user", TEXTOID}, {"effective_role", TEXTOID},
		{"app_user", TEXTOID}, {"reason", TEXTOID}, {"simulated", BOOLOID},
		{"lead_ref", INT8OID}, {"leaf", BYTEAOID}
	};

	if (batch_desc == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
		TupleDesc	desc = CreateTemplateTupleDesc(AUDIT_COLUMNS);

		for (int i = 0; i < AUDIT_COLUMNS; i++)
			TupleDescInitEntry(desc, i + 1, columns[i].name, columns[i].type,
							   -1, 0);
		MemoryContextSwitchTo(old);
		batch_desc = desc;
	}
	return batch_desc;
}

static int
compare_leads(const void *a, const void *b)
{
	int64		x = ((const BatchLead *) a)->lead_id;
	int64		y = ((const BatchLead *) b)->lead_id;

	return x < y ? -1 : x > y;
}

/* Returns the batch's lead of this id. */
static BatchLead *
batch_lead(BatchLead *leads, int nleads, int64 lead_id)
{
	BatchLead	key = {.lead_id = lead_id};

	if (nleads == 1)
		return leads;
	return bsearch(&key, leads, nleads, sizeof(BatchLead), compare_leads);
}

static bytea *
make_bytea(const void *bytes, int len)
{
	bytea	   *result = palloc(VARHDRSZ + len);

	SET_VARSIZE(result, VARHDRSZ + len);
	memcpy(VARDATA(result), bytes, len);
	return result;
}

/* Works out the pseudonym of a lead from its key; false when it has none. */
static bool
read_key(RowRead *read, AuditHasher *hasher, int64 lead_id,
		 MerkleHash *subject)
{
	Datum		id = Int64GetDatum(lead_id);
	bytea	   *key;
	bool		null;

	nurture_read_find(read, &id);
	if (!nurture_read_next(read))
		return false;
	key = DatumGetByteaPP(nurture_read_cell(read, KEY_KEY, &null));
	nurture_audit_subject(hasher, VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key),
						  lead_id, subject);
	return true;
}

/* Reads the keys of leads that have none yet in leads; returns how many lack. */
static int
read_keys(AuditHasher *hasher, BatchLead *leads, int nleads)
{
	RowRead		read;
	int			lacking = 0;

	/* a key that another session has committed must be seen at any level */
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	nurture_read_open(&read, &find_keys, GetActiveSnapshot());
	for (int i = 0; i < nleads; i++)
	{
		BatchLead  *lead = &leads[i];

		if (lead->known)
			continue;
		lead->known = read_key(&read, hasher, lead->lead_id, &lead->subject);
		if (!lead->known)
			lacking++;
	}
	nurture_read_close(&read);
	PopActiveSnapshot();
	return lacking;
}

bool
nurture_audit_pseudonym(int64 lead_id, Hold *hold, uint8 *subject)
{
	RowRead		read;
	AuditHasher hasher;
	MerkleHash	hash;
	bool		found;

	PushActiveSnapshot(GetLatestSnapshot());
	nurture_read_open_held(&read, &find_keys, hold, GetActiveSnapshot());
	nurture_hasher_open(&hasher);
	found = read_key(&read, &hasher, lead_id, &hash);
	if (found)
		memcpy(subject, hash.byte, NURTURE_HASH_LEN);
	nurture_hasher_close(&hasher);
	nurture_read_close(&read);
	PopActiveSnapshot();
	return found;
}

/* Makes random keys for the leads that have none, in lead order. */
static void
make_keys(BatchLead *leads, int nleads)
{
	Datum	   *ids = palloc(sizeof(Datum) * nleads);
	Datum	   *keys = palloc(sizeof(Datum) * nleads);
	Datum		values[2];
	int			n = 0;
	int			level = nurture_spi_connect_here();

	for (int i = 0; i < nleads; i++)
	{
		unsigned char key[NURTURE_HASH_LEN];

		if (leads[i].known)
			continue;
		if (!pg_strong_random(key, sizeof(key)))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate a random key")));
		ids[n] = Int64GetDatum(leads[i].lead_id);
		keys[n++] = PointerGetDatum(make_bytea(key, sizeof(key)));
	}
	values[0] = PointerGetDatum(construct_array(ids, n, INT8OID, 8, true,
												TYPALIGN_DOUBLE));
	values[1] = PointerGetDatum(construct_array(keys, n, BYTEAOID, -1, false,
												TYPALIGN_INT));
	(void) nurture_execute_latest(&add_keys, values, NULL, true);
	nurture_spi_finish(level);
}

/* Lists the leads of the entries, each once, with their pseudonyms. */
static BatchLead *
collect_leads(AuditHasher *hasher, const AuditEntry *entries, int n,
			  int *nleads)
{
	BatchLead  *leads = palloc(sizeof(BatchLead) * n);
	int			count = 0;
	bool		unknown = false;

	for (int i = 0; i < n; i++)
	{
		if (!entries[i].has_lead ||
			(count > 0 && leads[count - 1].lead_id == entries[i].lead_id))
			continue;
		leads[count].lead_id = entries[i].lead_id;
		leads[count].known = entries[i].subject != NULL;
		if (leads[count].known)
			memcpy(leads[count].subject.byte, entries[i].subject,
				   NURTURE_HASH_LEN);
		else
			unknown = true;
		count++;
	}
	if (count > 1)
	{
		int			unique = 1;

		qsort(leads, count, sizeof(BatchLead), compare_leads);
		for (int i = 1; i < count; i++)
		{
			if (leads[i].lead_id != leads[unique - 1].lead_id)
				leads[unique++] = leads[i];
		}
		count = unique;
	}
	*nleads = count;
	if (unknown && read_keys(hasher, leads, count) > 0)
	{
		make_keys(leads, count);
		if (read_keys(hasher, leads, count) > 0)
			elog(ERROR, "could not make the keys of all leads");
	}
	return leads;
}

/*
 * Sets the object.  What is written under the name of an object may hold
 * the lead's id in second place (message:42:7); it is taken out, for hashed
 * bytes outlive the lead.
 */
static void
set_object(const AuditEntry *entry, Datum *values, bool *nulls)
{
	const char *object = entry->object;

	nulls[AUDIT_OBJECT] = object == NULL;
	if (object == NULL)
		return;
	if (entry->has_lead)
	{
		char		id[32];
		const char *colon = strchr(object, ':');
		int			len = snprintf(id, sizeof(id), ":" INT64_FORMAT ":",
								   entry->lead_id);

		if (colon != NULL && strncmp(colon, id, len) == 0)
			object = psprintf("%.*s%s", (int) (colon - object), object,
							  colon + len - 1);
	}
	values[AUDIT_OBJECT] = CStringGetTextDatum(object);
}

static void
set_text(AuditColumn column, const char *value, Datum *values, bool *nulls)
{
	nulls[column] = value == NULL || value[0] == '\0';
	if (!nulls[column])
		values[column] = CStringGetTextDatum(value);
}

static void
set_reasons(const AuditEntry *entry, Datum *values, bool *nulls)
{
	Datum	   *items;

	nulls[AUDIT_REASONS] = entry->reasons == NULL;
	if (entry->reasons == NULL)
		return;
	items = palloc(sizeof(Datum) * (entry->nreasons + 1));
	for (int i = 0; i < entry->nreasons; i++)
		items[i] = CStringGetTextDatum(entry->reasons[i]);
	values[AUDIT_REASONS] =
		PointerGetDatum(construct_array(items, entry->nreasons, TEXTOID, -1,
										false, TYPALIGN_INT));
}

/*
 * A JSON text as jsonb: those of a statement's entries are alike, as are those
 * of statements of one row each, and one that is the same as the last is not
 * read again.
 */
typedef struct LastJson
{
	const char *text;			/* NULL = none yet */
	Datum		json;
} LastJson;

/* The same of the statements before, in memory of its own. */
typedef struct KeptJson
{
	MemoryContext context;		/* NULL = none yet */
	LastJson	last;
} KeptJson;

static KeptJson kept_trigger;
static KeptJson kept_versions;

/* Reads a JSON text and keeps it. */
static void
keep_json(KeptJson *kept, const char *text)
{
	MemoryContext old;

	if (kept->context == NULL)
		kept->context = AllocSetContextCreate(TopMemoryContext,
											  "nurture audit json",
											  ALLOCSET_SMALL_SIZES);
	kept->last.text = NULL;
	MemoryContextReset(kept->context);
	old = MemoryContextSwitchTo(kept->context);
	kept->last.json = DirectFunctionCall1(jsonb_in, CStringGetDatum(text));
	kept->last.text = pstrdup(text);
	MemoryContextSwitchTo(old);
}

/* Sets a column; context lives as long as the batch. */
static void
set_json(AuditColumn column, const char *value, LastJson *last, KeptJson *kept,
		 MemoryContext context, Datum *values, bool *nulls)
{
	nulls[column] = value == NULL;
	if (value == NULL)
		return;
	if (last->text == NULL || strcmp(last->text, value) != 0)
	{
		MemoryContext old;

		if (kept->last.text == NULL || strcmp(kept->last.text, value) != 0)
			keep_json(kept, value);
		old = MemoryContextSwitchTo(context);
		last->text = value;
		last->json = datumCopy(kept->last.json, false, -1);
		MemoryContextSwitchTo(old);
	}
	values[column] = last->json;
}

/*
 * Fills the rows of a batch, hashes each, and stores them: where that is
 * possible without a query, else they are gathered for one.
 */
static void
fill_batch(AuditStore *store, Tuplestorestate *batch,
		   const AuditEntry *entries, int n, TimestampTz at,
		   const char *effective_role)
{
	int			nleads;
	BatchLead  *leads;
	Oid			sequence = nurture_table_oid("audit_audit_id_seq", false);
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext,
													  "nurture audit row",
													  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = CurrentMemoryContext;
	const char *session = nurture_login();
	bool		simulated = nurture_now_simulated();
	Datum		values[AUDIT_COLUMNS] = {0};
	bool		nulls[AUDIT_COLUMNS] = {0};
	LastJson	triggers = {0};
	LastJson	versions = {0};
	AuditHasher hasher;

	nurture_hasher_open(&hasher);
	leads = collect_leads(&hasher, entries, n, &nleads);
	values[AUDIT_AT] = TimestampTzGetDatum(at);
	values[AUDIT_INCARNATION] = Int32GetDatum(nurture_incarnation(false));
	values[AUDIT_XID] = FullTransactionIdGetDatum(GetTopFullTransactionId());
	values[AUDIT_SIMULATED] = BoolGetDatum(simulated);
	set_text(AUDIT_SESSION_USER, session, values, nulls);
	set_text(AUDIT_EFFECTIVE_ROLE, effective_role, values, nulls);

	for (int i = 0; i < n; i++)
	{
		const AuditEntry *entry = &entries[i];
		MerkleHash	leaf;

		MemoryContextSwitchTo(row_context);
		values[AUDIT_ID] = Int64GetDatum(nextval_internal(sequence, false));
		nulls[AUDIT_SUBJECT] = nulls[AUDIT_LEAD_REF] = !entry->has_lead;
		if (entry->has_lead)
		{
			BatchLead  *lead = batch_lead(leads, nleads, entry->lead_id);

			values[AUDIT_SUBJECT] =
				PointerGetDatum(make_bytea(lead->subject.byte,
										   NURTURE_HASH_LEN));
			values[AUDIT_LEAD_REF] = Int64GetDatum(entry->lead_id);
		}
		set_text(AUDIT_KIND, entry->kind, values, nulls);
		set_object(entry, values, nulls);
		set_text(AUDIT_OUTCOME, entry->outcome, values, nulls);
		set_reasons(entry, values, nulls);
		set_json(AUDIT_TRIGGER, entry->trigger_json, &triggers, &kept_trigger,
				 old, values, nulls);
		set_json(AUDIT_VERSIONS, entry->versions_json, &versions,
				 &kept_versions, old, values, nulls);
		set_text(AUDIT_INPUTS,
				 entry->inputs_common > 0 && store != NULL ?
				 nurture_inputs_store(entry, DatumGetInt64(values[AUDIT_ID]),
									  store->table.rel) :
				 entry->inputs, values, nulls);
		set_text(AUDIT_APP_USER,
				 entry->actor ? entry->actor : nurture_app_user,
				 values, nulls);
		set_text(AUDIT_REASON,
				 nurture_audit_screen(entry->reason,
									  entry->has_lead ? &entry->lead_id : NULL),
				 values, nulls);
		nurture_audit_leaf(&hasher, values, nulls, &leaf);
		values[AUDIT_LEAF] = PointerGetDatum(make_bytea(leaf.byte,
														NURTURE_HASH_LEN));
		if (batch != NULL)
			tuplestore_putvalues(batch, batch_shape(), values, nulls);
		else if (!nurture_store_put(store, values, nulls) && i < n - 1)
			continue;			/* what it points to is kept */
		if (batch == NULL && i == n - 1)
			nurture_store_flush(store);
		MemoryContextReset(row_context);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(row_context);
	nurture_hasher_close(&hasher);
}

/* Appends entries by a query. */
static void
append_by_query(const AuditEntry *entries, int n, TimestampTz at,
				const char *effective_role)
{
	EphemeralNamedRelationData relation = {0};
	int			level = nurture_spi_connect();
	Tuplestorestate *batch = tuplestore_begin_heap(false, false, work_mem);
	bool		guarded;

	fill_batch(NULL, batch, entries, n, at, effective_role);
	relation.md.name = pstrdup("nurture_audit_batch");
	relation.md.reliddesc = InvalidOid;
	relation.md.tupdesc = batch_shape();
	relation.md.enrtype = ENR_NAMED_TUPLESTORE;
	relation.md.enrtuples = 1;
	relation.reldata = batch;
	if (SPI_register_relation(&relation) != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not register the rows to append");

	guarded = nurture_guard_open();
	PG_TRY();
	{
		(void) nurture_execute(&add_entries, NULL, NULL, false);
	}
	PG_FINALLY();
	{
		nurture_guard_close(guarded);
	}
	PG_END_TRY();
	if (SPI_processed != n)
		elog(ERROR, "appended " UINT64_FORMAT " audit entries instead of %d",
			 SPI_processed, n);
	tuplestore_end(batch);
	nurture_spi_finish(level);
}

/*
 * Appends entries, in their order, as the owner.  The effective role recorded
 * is the caller's, from before any switch of ours.
 */
void
nurture_audit_append(const AuditEntry *entries, int n)
{
	TimestampTz at = nurture_now_wall();
	const char *effective_role;
	AuditStore	store;
	MemoryContext context;
	MemoryContext old;
	OwnerSwitch owner;

	if (n <= 0)
		return;
	if (nurture_audit_listener != NULL)
		nurture_audit_listener(entries, n);
	nurture_weakened_tell();
	effective_role = GetUserNameFromId(nurture_caller_role(), true);
	nurture_owner_enter(&owner);
	context = AllocSetContextCreate(CurrentMemoryContext, "nurture audit append",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	if (nurture_store_open(&store, at))
	{
		fill_batch(&store, NULL, entries, n, at, effective_role);
		nurture_store_close(&store);
	}
	else
		append_by_query(entries, n, at, effective_role);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	nurture_owner_leave(&owner);
}
