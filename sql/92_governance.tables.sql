-- What a QA or DBA watches: every decision on record, and whether the machine
-- that makes them is well.

CREATE VIEW nurture_bi.decision_log WITH (security_invoker = true) AS
SELECT
    a.audit_id,
    a.at,
    a.lead_ref AS lead_id,
    a.kind,
    a.object,
    a.outcome,
    array_to_string(a.reasons, ', ') AS reasons,
    (
        SELECT string_agg(coalesce(r.text, x.reason), ' ' ORDER BY x.place)
        FROM unnest(a.reasons) WITH ORDINALITY AS x (reason, place)
        LEFT JOIN nurture.reason AS r ON r.reason = x.reason
    ) AS explanation,
    a.trigger::text AS trigger,
    a.versions::text AS versions,
    @extschema@.nurture_audit_inputs(a.inputs) AS inputs,
    a.reason AS words,
    a."session_user" AS login,
    a.effective_role,
    a.app_user,
    a.simulated,
    a.incarnation
FROM nurture.audit AS a
WHERE a.lead_ref IS NULL OR EXISTS (SELECT FROM nurture.lead AS l WHERE l.lead_id = a.lead_ref AND NOT l.is_test);
COMMENT ON VIEW nurture_bi.decision_log IS 'Every decision and change on record, one row each, with its reasons in words. Those about test leads, and about leads that were deleted around the functions, are left out; nurture.audit has them.';
COMMENT ON COLUMN nurture_bi.decision_log.audit_id IS 'Entry, for nurture_audit_proof.';
COMMENT ON COLUMN nurture_bi.decision_log.at IS 'When.';
COMMENT ON COLUMN nurture_bi.decision_log.lead_id IS 'Lead it is about; NULL: none, or erased.';
COMMENT ON COLUMN nurture_bi.decision_log.kind IS 'message, consent, stop, stage, change, access, ...';
COMMENT ON COLUMN nurture_bi.decision_log.object IS 'What it is about, such as message:7; NULL: the lead itself.';
COMMENT ON COLUMN nurture_bi.decision_log.outcome IS 'What was decided.';
COMMENT ON COLUMN nurture_bi.decision_log.reasons IS 'Codes of the reasons.';
COMMENT ON COLUMN nurture_bi.decision_log.explanation IS 'The same in the words of nurture.reason.';
COMMENT ON COLUMN nurture_bi.decision_log.trigger IS 'What led to it, as JSON.';
COMMENT ON COLUMN nurture_bi.decision_log.versions IS 'Rules that were used, with version and content hash, as JSON.';
COMMENT ON COLUMN nurture_bi.decision_log.inputs IS 'Facts it was decided on, as they were.';
COMMENT ON COLUMN nurture_bi.decision_log.words IS 'Reason that a person gave.';
COMMENT ON COLUMN nurture_bi.decision_log.login IS 'Role that logged in.';
COMMENT ON COLUMN nurture_bi.decision_log.effective_role IS 'Role in force.';
COMMENT ON COLUMN nurture_bi.decision_log.app_user IS 'User of the application, as it says.';
COMMENT ON COLUMN nurture_bi.decision_log.simulated IS 'Made under the setting nurture.clock.';
COMMENT ON COLUMN nurture_bi.decision_log.incarnation IS 'Life of the database in which it was made.';

CREATE VIEW nurture_bi.health WITH (security_invoker = true) AS
WITH now AS (
    SELECT @extschema@.nurture_now() AS at
), measured (item, title, value, unit, warn, bad, remedy) AS (
    SELECT 'seal_lag', 'Oldest audit entry that no seal covers', (SELECT extract(epoch FROM n.at - g.oldest_unsealed) FROM nurture_bi.audit_lag AS g), 's', 600, 7200,
        'Run nurture_tick or nurture_audit_seal(); nurture_bi.audit_lag names the transaction that holds it back.' FROM now AS n
    UNION ALL
    SELECT 'seal_silent', 'Time since a block was sealed', (SELECT coalesce(extract(epoch FROM n.at - g.closed_at), 1e9) FROM nurture_bi.audit_lag AS g), 's', 900, 7200,
        'The tick seals once a minute: is nurture_run scheduled?' FROM now AS n
    UNION ALL
    SELECT 'step_due', 'Track step that is overdue longest', (SELECT extract(epoch FROM n.at - min(e.next_due_at)) FROM nurture.enrollment AS e WHERE e.state IN ('active', 'waiting') AND e.next_due_at <= n.at), 's', 900, 14400,
        'Is nurture_run scheduled? nurture.tick_error has what failed.' FROM now AS n
    UNION ALL
    SELECT 'message_due', 'Message that waits longest to be taken', (SELECT extract(epoch FROM n.at - min(m.not_before)) FROM nurture.message AS m WHERE m.status = 'queued' AND m.not_before <= n.at), 's', 3600, 86400,
        'Do the senders run, for every channel? nurture_bi.message_log has what is queued.' FROM now AS n
    UNION ALL
    SELECT 'message_queue', 'Messages due and not taken', (SELECT count(*) FROM nurture.message AS m WHERE m.status = 'queued' AND m.not_before <= n.at), 'messages', 10000, 100000,
        'Let more senders take, or take more at once.' FROM now AS n
    UNION ALL
    SELECT 'message_held', 'Message that is held longest', (SELECT extract(epoch FROM n.at - min(m.decided_at)) / 86400 FROM nurture.message AS m WHERE m.status = 'held'), 'days', 3, 14,
        'Somebody rules: nurture_bi.review_queue, nurture_rule.' FROM now AS n
    UNION ALL
    SELECT 'lease_expired', 'Messages taken whose lease is over', (SELECT count(*) FROM nurture.message AS m WHERE m.status = 'taken' AND m.lease_until < n.at), 'messages', 1, 100,
        'A sender stopped before it acknowledged; the tick ends such leases.' FROM now AS n
    UNION ALL
    SELECT 'sent_after_opt_out', 'Messages sent after an opt-out, 30 days', (SELECT count(*) FROM nurture_bi.sent_after_opt_out AS s WHERE s.sent_at > n.at - interval '30 days'), 'messages', 1, 1,
        'Senders ask nurture_still_allowed right before the provider call; nurture_bi.sent_after_opt_out names them.' FROM now AS n
    UNION ALL
    SELECT 'event_quarantine', 'Events in quarantine', (SELECT count(*) FROM nurture.event_quarantine AS q WHERE q.resolved_at IS NULL), 'rows', 1, 1000,
        'Look at nurture.event_quarantine, mend what it names and call nurture_replay.' FROM now AS n
    UNION ALL
    SELECT 'lead_quarantine', 'Leads in quarantine', (SELECT count(*) FROM nurture.lead_quarantine AS q WHERE q.resolved_at IS NULL), 'rows', 1, 100,
        'Look at nurture.lead_quarantine and import the mended rows.' FROM now AS n
    UNION ALL
    SELECT 'tick_error', 'Errors of the tick, 24 hours', (SELECT count(*) FROM nurture.tick_error AS t WHERE t.at > n.at - interval '1 day'), 'errors', 1, 100,
        'nurture.tick_error says for which lead and why; the tick tries again.' FROM now AS n
    UNION ALL
    SELECT 'handoff_overdue', 'Hand-offs overdue', (SELECT count(*) FROM nurture_bi.routing_queue AS q WHERE q.overdue), 'hand-offs', 1, 25,
        'nurture_bi.routing_queue names team and member; nurture_reassign moves one.' FROM now AS n
    UNION ALL
    SELECT 'review_open', 'Review that is open longest', (SELECT extract(epoch FROM n.at - min(q.opened_at)) / 86400 FROM nurture_bi.review_queue AS q), 'days', 3, 14,
        'nurture_bi.review_queue lists them with the rulings that nurture_rule takes.' FROM now AS n
    UNION ALL
    SELECT 'content_expired', 'Approved content that is out of force or past its review', (SELECT count(*) FROM nurture.asset_version AS v WHERE v.status = 'approved' AND (upper(v.valid_during) <= n.at OR v.review_due <= n.at)), 'versions', 1, 25,
        'It is not sent while out of force: approve a new version, or withdraw it with nurture_set_asset_status.' FROM now AS n
    UNION ALL
    SELECT 'erasure_pending', 'Erasure that is pending longest', (SELECT extract(epoch FROM n.at - min(e.at)) / 86400 FROM nurture.erasure AS e WHERE e.status = 'pending'), 'days', 7, 25,
        'Run VACUUM FULL on the tables that the certificate names, in nurture.erasure.' FROM now AS n
    UNION ALL
    SELECT 'selfcheck_age', 'Time since nurture_selfcheck ran', (SELECT coalesce(extract(epoch FROM n.at - max(m.value)::timestamptz) / 86400, 1e9) FROM nurture.meta AS m WHERE m.key = 'selfcheck_at'), 'days', 2, 8,
        'Schedule SELECT * FROM nurture_selfcheck() daily, as the owner.' FROM now AS n
    UNION ALL
    SELECT 'selfcheck_errors', 'Errors it found', (SELECT m.value::numeric FROM nurture.meta AS m WHERE m.key = 'selfcheck_errors'), 'findings', 1, 1,
        'SELECT * FROM nurture_selfcheck(); nurture_selfcheck(true) repairs what can be.' FROM now AS n
    UNION ALL
    SELECT 'canary_age', 'Time since nurture_canary ran', (SELECT coalesce(extract(epoch FROM n.at - max(m.value)::timestamptz) / 86400, 1e9) FROM nurture.meta AS m WHERE m.key = 'canary_at'), 'days', 2, 8,
        'Schedule SELECT * FROM nurture_canary() daily, as the owner.' FROM now AS n
    UNION ALL
    SELECT 'canary_failed', 'The last canary was sent to', (SELECT (m.value <> 'passed')::integer FROM nurture.meta AS m WHERE m.key = 'canary'), 'failures', 1, 1,
        'Stop the senders, and look at nurture_selfcheck().' FROM now AS n
    UNION ALL
    SELECT 'partitions_ahead', 'Days until events or entries have no partition of their month', (
            SELECT min(coalesce((
                SELECT extract(epoch FROM max(substring(pg_get_expr(c.relpartbound, c.oid) FROM 'TO \(''([^'']+)''\)')::timestamptz) - n.at) / 86400
                FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid WHERE i.inhparent = p.oid
            ), 0))
            FROM pg_class AS p WHERE p.relnamespace = 'nurture'::regnamespace AND p.relname IN ('event', 'audit')
        ), 'days', 31, 7,
        'SELECT nurture_partition_ahead(3) once a month, as the owner.' FROM now AS n
    UNION ALL
    SELECT 'default_partition', 'Rows in default partitions, about', (SELECT sum(greatest(c.reltuples, 0)) FROM pg_class AS c WHERE c.relnamespace = 'nurture_part'::regnamespace AND c.relname IN ('event_default', 'audit_default')), 'rows', 1, 1000000,
        'nurture_partition_ahead moves events of the months it makes partitions for.' FROM now AS n
    UNION ALL
    SELECT 'prepared_transaction', 'Prepared transaction that is open longest', (SELECT extract(epoch FROM clock_timestamp() - min(x.prepared)) FROM pg_prepared_xacts AS x WHERE x.database = current_database()), 's', 600, 3600,
        'Its leads get no messages and nothing is sealed: COMMIT PREPARED or ROLLBACK PREPARED.' FROM now AS n
    UNION ALL
    SELECT 'multixact_age', 'Age of the oldest multixact', (SELECT mxid_age(d.datminmxid) FROM pg_database AS d WHERE d.datname = current_database()), 'multixacts', 300000000, 1000000000,
        'Locks on content cost multixacts: VACUUM FREEZE nurture.asset_version.' FROM now AS n
    UNION ALL
    SELECT 'transaction_age', 'Age of the oldest transaction id', (SELECT age(d.datfrozenxid) FROM pg_database AS d WHERE d.datname = current_database()), 'transactions', 300000000, 1000000000,
        'VACUUM FREEZE; look for what holds autovacuum back.' FROM now AS n
)
SELECT
    m.item,
    m.title,
    CASE
        WHEN m.value IS NULL THEN 'ok'
        WHEN m.value = 1e9 THEN 'warn'
        WHEN m.warn <= m.bad AND m.value >= m.bad OR m.warn > m.bad AND m.value < m.bad THEN 'bad'
        WHEN m.warn <= m.bad AND m.value >= m.warn OR m.warn > m.bad AND m.value < m.warn THEN 'warn'
        ELSE 'ok'
    END AS status,
    round(nullif(m.value, 1e9)::numeric, 1) AS value,
    m.unit,
    m.warn::numeric AS warn,
    m.bad::numeric AS bad,
    m.remedy
FROM measured AS m;
COMMENT ON VIEW nurture_bi.health IS 'What to watch, one row each, with a status and what to do: alert on rows whose status is not ok.';
COMMENT ON COLUMN nurture_bi.health.item IS 'Code of what is watched.';
COMMENT ON COLUMN nurture_bi.health.title IS 'What it is.';
COMMENT ON COLUMN nurture_bi.health.status IS 'ok, warn or bad.';
COMMENT ON COLUMN nurture_bi.health.value IS 'Now; NULL: there is nothing of the kind, or, with status warn, it never ran.';
COMMENT ON COLUMN nurture_bi.health.unit IS 'Unit of value, warn and bad.';
COMMENT ON COLUMN nurture_bi.health.warn IS 'From where the status is warn; above bad: below where.';
COMMENT ON COLUMN nurture_bi.health.bad IS 'From where the status is bad; below warn: below where.';
COMMENT ON COLUMN nurture_bi.health.remedy IS 'What to do.';
