\echo '-- What the demo showed'
\pset border 0
\pset tuples_only on
SELECT rpad(what, 26) || ' ' || said FROM demo.finding ORDER BY place;
\pset tuples_only off
\pset border 1
\echo
\echo 'Try next:'
\echo '  tools/cluster psql -d nurture_demo'
\echo '    SET nurture.clock = ' :'last_clock' ';   -- the day the demo ended'
\echo '    SELECT * FROM nurture_explain(30001);'
\echo '    SELECT * FROM nurture_explain_contact(30002, ''email'');'
\echo '    SELECT * FROM nurture_bi.lead_overview WHERE lead_id BETWEEN 30001 AND 30006;'
\echo '    SELECT * FROM nurture_bi.routing_queue;'
\echo '    SELECT * FROM nurture_bi.refusals;'
