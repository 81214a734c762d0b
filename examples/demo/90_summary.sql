\pset border 0
\pset tuples_only on
\pset format unaligned
\echo
\echo '-- What the demo showed'
SELECT rpad(what, 28) || said FROM demo.finding ORDER BY place;
SELECT rpad('Checked on the way', 28) || 'every claim above that says "checked" stops the demo when it does not hold';
\echo
\echo '-- Try next'
\echo 'tools/cluster psql -d nurture_demo'
SELECT format('  SET nurture.clock = %L;', at) FROM demo.clock;
\echo '  SELECT * FROM nurture_explain(30001);'
\echo '  SELECT * FROM nurture_explain_contact(30002, ''email'');'
\echo '  SELECT asset_id, verdict, failed, rank FROM nurture_candidates(30004, 20, ''email'');'
\echo '  SELECT at, kind, object, outcome, reasons FROM nurture_decisions(30003);'
\echo '  SELECT * FROM nurture_bi.routing_queue;'
\echo '  SELECT * FROM nurture_audit_verify();'
\echo '  \\df nurture_*'
