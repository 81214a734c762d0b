\echo
\echo '-- The audit trail: what was decided, sealed, and whole.'
\set ECHO queries
SELECT kind, outcome, count(*) AS entries FROM nurture.audit WHERE kind <> 'change' GROUP BY kind, outcome ORDER BY kind, outcome;

SELECT nurture_audit_seal() AS entries_sealed_now, (SELECT count(*) FROM nurture.seal) AS blocks_before;
SELECT * FROM nurture_audit_verify();
\set ECHO none
SELECT demo.check('verification finds nothing in a trail nobody touched', NOT EXISTS (SELECT FROM nurture_audit_verify() WHERE severity <> 'info')) \gset
\echo :check

\echo
\echo '-- A superuser forges a row, triggers off: verification names it.'
\set ECHO queries
CREATE TABLE demo.honest AS
SELECT * FROM nurture.audit WHERE lead_ref = 30005 AND kind = 'message' AND outcome = 'refused' ORDER BY audit_id DESC LIMIT 1;

ALTER TABLE nurture.audit DISABLE TRIGGER ALL;
UPDATE nurture.audit a SET outcome = 'queued', reasons = NULL FROM demo.honest h WHERE a.audit_id = h.audit_id;
ALTER TABLE nurture.audit ENABLE ALWAYS TRIGGER nurture_append_only, ENABLE ALWAYS TRIGGER nurture_append_only_all;

SELECT severity, class, block, v.audit_id = h.audit_id AS the_forged_one, detail
FROM nurture_audit_verify() v, demo.honest h;
\set ECHO none
SELECT demo.check('verification names the forged entry and no other', bool_and(v.audit_id = h.audit_id) AND count(*) > 0)
FROM nurture_audit_verify() v, demo.honest h WHERE severity = 'error' AND v.audit_id IS NOT NULL \gset
\echo :check
INSERT INTO demo.finding (what, said)
SELECT 'Audit trail', format('%s entries in %s sealed blocks, verified; a forged entry was named (%s)',
    (SELECT count(*) FROM nurture.audit), (SELECT count(*) FROM nurture.seal),
    (SELECT string_agg(DISTINCT class, ', ') FROM nurture_audit_verify() WHERE severity = 'error'));

-- Put back as it was, so that what you try next begins with a whole trail.
ALTER TABLE nurture.audit DISABLE TRIGGER ALL;
UPDATE nurture.audit a SET outcome = h.outcome, reasons = h.reasons FROM demo.honest h WHERE a.audit_id = h.audit_id;
ALTER TABLE nurture.audit ENABLE ALWAYS TRIGGER nurture_append_only, ENABLE ALWAYS TRIGGER nurture_append_only_all;
SELECT demo.check('put back as it was, the trail is whole again', NOT EXISTS (SELECT FROM nurture_audit_verify() WHERE severity <> 'info')) \gset
\echo :check
