-- The audit trail as lines that nurture-verify checks without PostgreSQL:
--
--     psql -XqAt -d crm -f tools/verify/export.sql > trail.export
--
-- Each line is in COPY's text format: fields parted by tabs, \N for NULL,
-- \b \f \n \r \t \v \\ for these characters; UTF-8. The first field says what
-- the line is; the others are listed in docs/audit.md. No line holds a lead's
-- id or key.
\set ON_ERROR_STOP 1
\encoding UTF8
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL search_path = pg_catalog;
COPY (
    SELECT 'nurture-export', 1, coalesce(max(i.incarnation), 0), pg_snapshot_xmax(pg_current_snapshot())
    FROM nurture.incarnation i
) TO STDOUT;
COPY (
    SELECT 'incarnation', i.incarnation, i.head_block, encode(i.head_hash, 'hex')
    FROM nurture.incarnation i ORDER BY i.incarnation
) TO STDOUT;
COPY (
    SELECT 'seal', s.block, s.incarnation, s.xid_from, s.xid_to, s.entries, encode(timestamptz_send(s.first_at), 'hex'),
        encode(timestamptz_send(s.last_at), 'hex'), encode(s.block_root, 'hex'), s.tree_size, encode(s.root, 'hex'), encode(s.frontier, 'hex'),
        encode(s.previous, 'hex'), encode(timestamptz_send(s.closed_at), 'hex'), encode(s.hash, 'hex'), encode(s.leaves, 'hex'),
        encode(s.nodes, 'hex')
    FROM nurture.seal s ORDER BY s.block
) TO STDOUT;
COPY (
    SELECT 'entry', a.audit_id, encode(timestamptz_send(a.at), 'hex'), a.incarnation, a.xid, encode(a.subject, 'hex'), a.kind, a.object, a.outcome,
        a.reasons, a.trigger, a.versions, a.inputs, a."session_user", a.effective_role, a.app_user, a.reason, a.simulated,
        a.lead_ref IS NOT NULL, encode(a.leaf, 'hex')
    FROM nurture.audit a ORDER BY a.audit_id
) TO STDOUT;
COPY (
    SELECT 'change', c.change_id, c.table_name, jsonb_strip_nulls(jsonb_build_object('old', c.old_row, 'new', c.new_row))
    FROM nurture.change_log c ORDER BY c.change_id
) TO STDOUT;
COPY (
    SELECT 'message', m.message_id, m.status FROM nurture.message m ORDER BY m.message_id
) TO STDOUT;
COMMIT;
