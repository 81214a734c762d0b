/*
 * selfcheck.c
 *	  nurture_selfcheck: what would let something pass that may not, or was
 *	  lost on the way.
 *
 * What nurture forbids it forbids by triggers, constraints and rights, and an
 * owner or superuser can take those away; a restore can, too, without meaning
 * it.  Here it shows.  The queries ask the catalogs and, each once, the
 * tables in which a way around leaves traces.
 */
#include "base/compat.h"

#include "audit/audit.h"
#include "base/meta.h"
#include "base/owner.h"
#include "base/plans.h"
#include "base/try.h"
#include "executor/spi.h"
#include "integration/expected.h"
#include "integration/selfcheck.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "routing/stage_step.h"
#include "utils/acl.h"
#include "utils/builtins.h"

NURTURE_FUNCTION(nurture_selfcheck);

/* Traces of rows that came around the event triggers are looked for so far back. */
#define TRACES "'35 days'::interval"

static const Selfcheck selfchecks[] = {
	{"trigger_disabled", "error",
		"SELECT format('trigger %I on %s is disabled', t.tgname, t.tgrelid::regclass), NULL"
		" FROM pg_trigger t JOIN pg_trigger p ON p.oid = t.tgparentid JOIN pg_class c ON c.oid = p.tgrelid"
	" WHERE c.relnamespace = 'nurture'::regnamespace AND t.tgenabled = 'D' AND p.tgenabled <> 'D'"},
	{"rule_foreign", "error",
		"SELECT format('rule %I on %s', r.rulename, r.ev_class::regclass),"
		" format('DROP RULE %I ON %s', r.rulename, r.ev_class::regclass)"
		" FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class"
	" WHERE c.relnamespace IN ('nurture'::regnamespace, 'nurture_part'::regnamespace, 'nurture_bi'::regnamespace) AND r.rulename <> '_RETURN'"},
	{"partition_foreign", "error",
		"SELECT format('%s is a %s of nurture.%I', c.oid::regclass,"
		"  CASE WHEN p.relkind = 'p' THEN 'partition' ELSE 'child' END, p.relname), NULL"
		" FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent"
		" WHERE p.relnamespace = 'nurture'::regnamespace AND p.relkind IN ('r', 'p')"
	" AND (c.relnamespace <> 'nurture_part'::regnamespace OR c.relkind <> 'r' OR p.relkind <> 'p')"},
	{"owner_differs", "error",
		"SELECT format('%s belongs to %I, schema nurture to %I', c.oid::regclass, c.relowner::regrole, n.nspowner::regrole),"
		" format('ALTER TABLE %s OWNER TO %I', c.oid::regclass, n.nspowner::regrole)"
		" FROM pg_class c CROSS JOIN pg_namespace n"
		" WHERE n.nspname = 'nurture' AND c.relkind IN ('r', 'p', 'v') AND c.relowner <> n.nspowner"
	" AND c.relnamespace IN ('nurture'::regnamespace, 'nurture_part'::regnamespace, 'nurture_bi'::regnamespace)"},
	{"not_logged", "error",
		"SELECT format('%s is unlogged: a crash empties it', c.oid::regclass),"
		" format('ALTER TABLE %s SET LOGGED', c.oid::regclass)"
		" FROM pg_class c WHERE c.relpersistence <> 'p' AND c.relkind IN ('r', 'p')"
	" AND c.relnamespace IN ('nurture'::regnamespace, 'nurture_part'::regnamespace)"},
	{"rights_public", "error",
		"SELECT format('everybody has %s on %s', string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type), c.oid::regclass),"
		" format('REVOKE %s ON %s FROM PUBLIC', string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type), c.oid::regclass)"
		" FROM pg_class c CROSS JOIN aclexplode(c.relacl) a"
		" WHERE c.relkind IN ('r', 'p') AND a.grantee = 0"
		" AND c.relnamespace IN ('nurture'::regnamespace, 'nurture_part'::regnamespace)"
	" AND a.privilege_type <> 'SELECT' GROUP BY c.oid"},
	{"rights_partition", "warning",
		"SELECT format('%I has %s on partition %s, where no trigger of a statement fires',"
		"  CASE WHEN a.grantee = 0 THEN 'public' ELSE a.grantee::regrole::text END,"
		"  string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type), c.oid::regclass),"
		" format('REVOKE %s ON %s FROM %s', string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type), c.oid::regclass,"
		"  CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(a.grantee::regrole::text) END)"
		" FROM pg_class c CROSS JOIN aclexplode(c.relacl) a"
		" WHERE c.relkind IN ('r', 'p') AND a.grantee <> c.relowner AND c.relnamespace = 'nurture_part'::regnamespace"
	" AND a.privilege_type <> 'SELECT' GROUP BY c.oid, a.grantee"},
	{"rights_trigger", "warning",
		"SELECT format('%I may make triggers on %s, which run with the rights of whoever writes there', a.grantee::regrole, c.oid::regclass),"
		" format('REVOKE TRIGGER ON %s FROM %I', c.oid::regclass, a.grantee::regrole)"
		" FROM pg_class c CROSS JOIN aclexplode(c.relacl) a"
		" WHERE c.relkind IN ('r', 'p') AND a.grantee NOT IN (0, c.relowner)"
	" AND c.relnamespace = 'nurture'::regnamespace AND a.privilege_type = 'TRIGGER'"},
	{"function_changed", "error",
		"SELECT format('function %s is not as the extension makes it', p.oid::regprocedure), NULL"
		" FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'"
		" JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid"
		" JOIN pg_language l ON l.oid = p.prolang"
		" WHERE e.extname = 'nurture' AND p.prokind <> 'a'"
		" AND (l.lanname <> 'c' OR p.probin !~ '(^|/)nurture$' OR p.prosrc !~ '^nurture_' OR p.prosecdef"
	" OR p.proconfig IS NOT NULL OR p.proowner <> e.extowner)"},
	{"function_shadow", "warning",
		"SELECT format('%s has the name of a function of nurture and could be called in its place', p.oid::regprocedure), NULL"
		" FROM pg_proc p JOIN pg_namespace s ON s.oid = p.pronamespace CROSS JOIN pg_extension e"
		" WHERE e.extname = 'nurture' AND p.pronamespace <> e.extnamespace"
		" AND s.nspname !~ '^pg_temp_' AND EXISTS (SELECT FROM pg_proc o JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = o.oid"
	"  AND d.deptype = 'e' AND d.refobjid = e.oid WHERE o.proname = p.proname)"},
	{"setting_unsafe", "error",
		"SELECT format('%s is %s: a crash can take acknowledged opt-outs', name, setting), NULL"
	" FROM pg_settings WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off'"},
	{"setting_unsafe", "warning",
		"SELECT format('%s is set for %s%s', s.setting,"
		"  CASE WHEN r.setrole = 0 THEN 'every role' ELSE r.setrole::regrole::text END,"
		"  CASE WHEN r.setdatabase = 0 THEN '' ELSE ' in this database' END), NULL"
		" FROM pg_db_role_setting r CROSS JOIN unnest(r.setconfig) s (setting)"
		" WHERE r.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))"
	" AND s.setting ~ '^(session_replication_role=replica|nurture\\.clock=.|synchronous_commit=off|zero_damaged_pages=on|ignore_checksum_failure=on)'"},
	{"prepared_old", "warning",
		"SELECT format('prepared transaction %L is open since %s: its leads get no messages', gid, date_trunc('second', prepared)), NULL"
	" FROM pg_prepared_xacts WHERE database = current_database() AND prepared < now() - '1 hour'::interval"},
	{"gate_missing", "error",
		"SELECT format('%s leads have no gate row', count(*)),"
		" 'INSERT INTO nurture.gate (lead_id, merged_into, erased) SELECT l.lead_id, l.merged_into, l.erased_at IS NOT NULL"
		" FROM nurture.lead l WHERE NOT EXISTS (SELECT FROM nurture.gate g WHERE g.lead_id = l.lead_id) ON CONFLICT DO NOTHING'"
		" FROM nurture.lead l WHERE NOT EXISTS (SELECT FROM nurture.gate g WHERE g.lead_id = l.lead_id)"
	" HAVING count(*) > 0"},
	{"gate_differs", "error",
		"SELECT format('the gate row of lead %s does not say that the lead was %s', l.lead_id,"
		"  CASE WHEN l.erased_at IS NOT NULL AND NOT g.erased THEN 'erased' ELSE 'merged' END),"
		" format('UPDATE nurture.gate SET seq = seq + 1, erased = erased OR %L, merged_into = %L WHERE lead_id = %s',"
		"  l.erased_at IS NOT NULL, l.merged_into, l.lead_id)"
		" FROM nurture.lead l JOIN nurture.gate g USING (lead_id)"
	" WHERE (l.erased_at IS NOT NULL AND NOT g.erased) OR g.merged_into IS DISTINCT FROM l.merged_into ORDER BY l.lead_id LIMIT 100"},
	{"gate_absorbs", "error",
		"SELECT format('the gate row of lead %s does not say that others were merged into it', g.lead_id),"
		" format('UPDATE nurture.gate SET seq = seq + 1, absorbs = true WHERE lead_id = %s', g.lead_id)"
		" FROM nurture.gate g WHERE NOT g.absorbs"
	" AND EXISTS (SELECT FROM nurture.lead l WHERE l.merged_into = g.lead_id) ORDER BY g.lead_id LIMIT 100"},
	{"lead_seen_gone", "error",
		"SELECT format('activity of lead %s says that the lead was seen, but it %s', a.lead_id,"
		"  CASE WHEN l.lead_id IS NULL THEN 'is gone' ELSE 'was merged' END),"
		" format('UPDATE nurture.activity SET lead_seen = false WHERE lead_id = %s', a.lead_id)"
		" FROM nurture.activity a LEFT JOIN nurture.lead l USING (lead_id)"
	" WHERE a.lead_seen AND (l.lead_id IS NULL OR l.merged_into IS NOT NULL) ORDER BY a.lead_id LIMIT 100"},
	{"event_uncounted", "error",
		"SELECT format('lead %s has an event at %s that its activity does not know', e.lead_id, date_trunc('second', e.last)),"
		" format('SELECT @extschema@.nurture_rebuild(%s)', e.lead_id)"
		" FROM (SELECT lead_id, max(occurred_at) AS last FROM nurture.event"
		"  WHERE recorded_at > now() - " TRACES " GROUP BY lead_id) e"
		" JOIN nurture.lead l ON l.lead_id = e.lead_id AND l.merged_into IS NULL"
		" LEFT JOIN nurture.activity a ON a.lead_id = e.lead_id"
	" WHERE a.last_event_at IS NULL OR a.last_event_at < e.last ORDER BY e.lead_id LIMIT 100"},
	{"stage_step_differs", "warning",
		"SELECT format('the stages that lead %s has reached are not kept as its history says', d.lead_id),"
		" replace($keep$" NURTURE_STAGE_STEPS_KEEP(" AND t.lead_id = ?") "$keep$, '?', d.lead_id::text)"
		" FROM (SELECT lead_id FROM ((TABLE nurture.stage_step EXCEPT (" NURTURE_STAGE_STEPS("") "))"
		" UNION ALL ((" NURTURE_STAGE_STEPS("") ") EXCEPT TABLE nurture.stage_step)) x"
	" GROUP BY lead_id ORDER BY lead_id LIMIT 100) d"},
	{"erasure_misses", "error",
		"SELECT format('nurture.%I may tell of leads, but no erasure knows it', c.relname), NULL"
		" FROM pg_class c WHERE c.relnamespace = 'nurture'::regnamespace AND c.relkind IN ('r', 'p')"
		" AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
		"  AND (a.attname = 'lead_id' OR a.atttypid = 'jsonb'::regtype))"
		" AND NOT EXISTS (SELECT FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid WHERE t.tgrelid = c.oid AND p.proname = 'nurture_invalidate')"
		" AND NOT EXISTS (SELECT FROM @extschema@.nurture_erase_map() m WHERE m.table_name = c.relname)"
		" UNION ALL SELECT format('column %I of nurture.%I may tell of leads, but no erasure knows it', a.attname, m.table_name), NULL"
		" FROM @extschema@.nurture_erase_map() m JOIN pg_class c ON c.relnamespace = 'nurture'::regnamespace AND c.relname = m.table_name"
		" JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
	" WHERE m.act = 'clear' AND NOT a.attname = ANY (m.cleared || m.kept)"},
	{"event_unclaimed", "error",
		"SELECT format('%s events with a source_key are not in nurture.event_key: they came around the trigger, or are there twice', count(*)), NULL"
		" FROM nurture.event e WHERE e.recorded_at > now() - " TRACES
		" AND e.source IS NOT NULL AND e.source_key IS NOT NULL AND NOT EXISTS (SELECT FROM nurture.event_key k"
		"  WHERE k.lead_id = e.lead_id AND k.source = e.source AND k.source_key = e.source_key AND k.event_id = e.event_id)"
	" HAVING count(*) > 0"},
	{"message_undecided", "error",
		"SELECT format('message %s of lead %s was not decided by the gate', m.message_id, m.lead_id), NULL"
		" FROM nurture.message m WHERE m.decision IS NULL OR m.decided_at IS NULL OR (m.gate_seq IS NULL AND m.status <> 'refused')"
	" ORDER BY m.lead_id, m.message_id LIMIT 100"},
	{"message_against_gate", "error",
		"SELECT format('message %s of lead %s is %s, but the lead %s', m.message_id, m.lead_id, m.status,"
		"  CASE WHEN g.erased THEN 'was erased' WHEN g.merged_into IS NOT NULL THEN 'was merged' ELSE 'is suppressed' END), NULL"
		" FROM nurture.message m JOIN nurture.gate g USING (lead_id)"
		" WHERE m.status IN ('queued', 'held') AND (g.erased OR g.merged_into IS NOT NULL OR g.suppressed)"
	" ORDER BY m.lead_id, m.message_id LIMIT 100"},
};

void
nurture_selfcheck_put(SelfcheckSink *sink, const char *finding,
					  const char *severity, const char *detail,
					  const char *statement)
{
	Datum		values[3];
	bool		nulls[3] = {false, false, false};
	bool		repaired = sink->repair && statement != NULL;

	if (repaired)
	{
		/* the detail may name a lead, which an entry must not */
		AuditEntry	entry = {.kind = "selfcheck",.outcome = "repaired"};

		nurture_execute_text(statement);
		entry.object = finding;
		nurture_audit_append(&entry, 1);
		sink->repaired++;
	}
	if (!repaired && strcmp(severity, "error") == 0)
		sink->errors++;
	values[0] = CStringGetTextDatum(finding);
	values[1] = CStringGetTextDatum(severity);
	values[2] = CStringGetTextDatum(repaired ? psprintf("%s (repaired)", detail) : detail);
	tuplestore_putvalues(sink->result->setResult, sink->result->setDesc,
						 values, nulls);
}

/* A query under way. */
typedef struct CheckRun
{
	const char *query;
	SPITupleTable *rows;
	uint64		nrows;
} CheckRun;

static void
run_query(void *arg)
{
	CheckRun   *run = arg;
	int			result = SPI_execute(nurture_with_schema(run->query, nurture_extension_schema()), true, 0);

	if (result != SPI_OK_SELECT)
		elog(ERROR, "could not execute \"%s\": %s", run->query,
			 SPI_result_code_string(result));
	run->rows = SPI_tuptable;
	run->nrows = SPI_processed;
}

/* Tells whether a query failed for what became of our tables. */
static bool
about_our_tables(int sqlstate)
{
	return ERRCODE_TO_CATEGORY(sqlstate) == ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION ||
		nurture_error_of_data(sqlstate);
}

static void
run_check(SelfcheckSink *sink, const Selfcheck *check)
{
	CheckRun	run = {.query = check->query};
	ErrorData  *error;

	CHECK_FOR_INTERRUPTS();
	error = nurture_try(run_query, &run, about_our_tables);
	if (error != NULL)
		nurture_selfcheck_put(sink, "check_failed", "error",
							  psprintf("%s cannot be asked for: %s", check->finding, error->message), NULL);
	for (uint64 row = 0; row < run.nrows; row++)
	{
		SPI_tuptable = run.rows;	/* a repair runs queries of its own */
		nurture_selfcheck_put(sink, check->finding, check->severity,
							  nurture_cell_text(row, 1),
							  nurture_cell_text(row, 2));
	}
}

/*
 * Tells of sequences that would give a number again: a restore of rows alone
 * and logical replication leave them behind.  Of events only the last are
 * asked, which have the highest numbers.
 */
static void
check_sequences(SelfcheckSink *sink)
{
	SPITupleTable *rows;
	uint64		nrows;

	nurture_execute_text("SELECT c.relname::text, a.attname::text,"
						 " pg_get_serial_sequence(c.oid::regclass::text, a.attname)"
						 " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
						 " WHERE c.relnamespace = 'nurture'::regnamespace AND c.relkind IN ('r', 'p')"
						 " AND a.attidentity <> '' AND NOT a.attisdropped ORDER BY 1, 2");
	rows = SPI_tuptable;
	nrows = SPI_processed;
	for (uint64 row = 0; row < nrows; row++)
	{
		const char *table;
		const char *column;
		const char *sequence;
		const char *recent = "";
		const char *used = "";

		SPI_tuptable = rows;
		table = quote_identifier(nurture_cell_text(row, 1));
		column = quote_identifier(nurture_cell_text(row, 2));
		sequence = nurture_cell_text(row, 3);
		if (strcmp(table, "event") == 0)
			recent = " WHERE recorded_at > now() - " TRACES;
		/* whose numbers a CRM may give, and ours is never asked */
		if (strcmp(table, "lead") == 0 || strcmp(table, "account") == 0)
			used = " WHERE is_called";
		nurture_execute_text(psprintf("SELECT format('%%s is at %%s, nurture.%s.%s at %%s', %s, s.at, m.last)"
									  " FROM (SELECT max(%s) AS last FROM nurture.%s%s) m,"
									  " (SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END AS at FROM %s%s) s"
									  " WHERE m.last > s.at",
									  table, column, quote_literal_cstr(sequence), column, table, recent, sequence, used));
		if (SPI_processed > 0)
			nurture_selfcheck_put(sink, "sequence_behind", "error", nurture_cell_text(0, 1),
								  psprintf("SELECT setval(%s, (SELECT max(%s) FROM nurture.%s%s))",
										   quote_literal_cstr(sequence), column, table, recent));
	}
}

/*
 * Tells of rules that the change log has never seen as they are: they were
 * written while its trigger was off.  A column that a row has more than its
 * entry came with a later version.
 */
static void
check_unlogged(SelfcheckSink *sink)
{
	SPITupleTable *rows;
	uint64		nrows;

	nurture_execute_text("SELECT c.relname::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
						 " WHERE t.tgname = 'nurture_change_log' AND c.relnamespace = 'nurture'::regnamespace ORDER BY 1");
	rows = SPI_tuptable;
	nrows = SPI_processed;
	for (uint64 row = 0; row < nrows; row++)
	{
		const char *name;
		const char *table;

		CHECK_FOR_INTERRUPTS();
		SPI_tuptable = rows;
		name = quote_literal_cstr(nurture_cell_text(row, 1));
		table = quote_identifier(nurture_cell_text(row, 1));
		nurture_execute_text(psprintf("SELECT format('%%s rows of nurture.%%I are not in the change log as they are', count(*), %s) FROM nurture.%s t"
									  " WHERE t::text NOT IN (SELECT jsonb_populate_record(NULL::nurture.%s, c.new_row)::text"
									  "  FROM nurture.change_log c WHERE c.table_name = %s AND c.new_row IS NOT NULL)"
									  " AND NOT EXISTS (SELECT FROM nurture.change_log c WHERE c.table_name = %s"
									  "  AND c.new_row IS NOT NULL AND jsonb_populate_record(t, c.new_row)::text = t::text)"
									  " HAVING count(*) > 0", name, table, table, name, name));
		if (SPI_processed > 0)
			nurture_selfcheck_put(sink, "rule_unlogged", "error", nurture_cell_text(0, 1), NULL);
	}
}

/*
 * nurture_selfcheck(repair boolean) returns setof (finding text, severity
 * text, detail text): no row when all is well.
 */
Datum
nurture_selfcheck(PG_FUNCTION_ARGS)
{
	SelfcheckSink sink = {0};
	OwnerSwitch owner;
	int			level;

	if (!has_privs_of_role(GetUserId(), nurture_owner_oid()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to check nurture"),
				 errhint("Only the owner of schema nurture may call nurture_selfcheck.")));
	sink.repair = PG_GETARG_BOOL(0);
	InitMaterializedSRF(fcinfo, 0);
	sink.result = (ReturnSetInfo *) fcinfo->resultinfo;
	nurture_owner_enter(&owner);
	level = nurture_spi_connect();
	nurture_selfcheck_schema(&sink);
	for (int i = 0; i < lengthof(selfchecks); i++)
		run_check(&sink, &selfchecks[i]);
	for (const Selfcheck *check = nurture_selfcheck_catalog; check->finding; check++)
		run_check(&sink, check);
	check_unlogged(&sink);
	check_sequences(&sink);
	nurture_meta_note("selfcheck_at", NULL);
	nurture_meta_note("selfcheck_errors", psprintf("%d", sink.errors));
	nurture_spi_finish(level);
	nurture_owner_leave(&owner);
	return (Datum) 0;
}
