-- Reviews: what is open, and who ruled what is on record.

CREATE INDEX review_number ON nurture.review (review_id);

CREATE TRIGGER nurture_review_record AFTER INSERT OR UPDATE ON nurture.review
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_review_record();
ALTER TABLE nurture.review ENABLE ALWAYS TRIGGER nurture_review_record;

CREATE VIEW nurture_bi.review_queue WITH (security_invoker = true) AS
SELECT
    r.review_id,
    r.lead_id,
    l.external_ref,
    r.bucket,
    r.scope,
    r.opened_at,
    @extschema@.nurture_now() - r.opened_at AS age,
    (SELECT count(*) FROM nurture.message m WHERE m.lead_id = r.lead_id AND m.status = 'held' AND m.decision ->> 'review' = r.scope) AS messages_held,
    CASE r.bucket
        WHEN 'consent' THEN 'allow, grant, deny, refuse'
        WHEN 'compliance_review' THEN 'allow, refuse'
        WHEN 'identity' THEN 'same, different'
        WHEN 'contradiction' THEN 'accept, keep'
        ELSE 'done, dismiss'
    END AS rulings,
    (r.evidence ->> 'lead_id')::bigint AS other_lead_id,
    r.evidence #>> '{answers,-1,answer}' AS answer,
    r.evidence #>> '{answers,-1,present}' AS present,
    r.evidence #>> '{answers,-1,problem}' AS problem
FROM nurture.review r
JOIN nurture.lead l ON l.lead_id = r.lead_id
WHERE r.state = 'open' AND NOT l.is_test;
COMMENT ON VIEW nurture_bi.review_queue IS 'Cases that wait for a person, with the rulings nurture_rule takes; those about test leads are left out.';
COMMENT ON COLUMN nurture_bi.review_queue.review_id IS 'Number, for nurture_rule.';
COMMENT ON COLUMN nurture_bi.review_queue.lead_id IS 'Lead.';
COMMENT ON COLUMN nurture_bi.review_queue.external_ref IS 'Identifier of the CRM.';
COMMENT ON COLUMN nurture_bi.review_queue.bucket IS 'Kind of case.';
COMMENT ON COLUMN nurture_bi.review_queue.scope IS 'What it is about: channel:purpose, email, lead.role, ...';
COMMENT ON COLUMN nurture_bi.review_queue.opened_at IS 'Since when.';
COMMENT ON COLUMN nurture_bi.review_queue.age IS 'For how long.';
COMMENT ON COLUMN nurture_bi.review_queue.messages_held IS 'Messages that wait for the ruling.';
COMMENT ON COLUMN nurture_bi.review_queue.rulings IS 'What nurture_rule takes.';
COMMENT ON COLUMN nurture_bi.review_queue.other_lead_id IS 'Of identity: the lead that may be the same person.';
COMMENT ON COLUMN nurture_bi.review_queue.answer IS 'What the lead answered last.';
COMMENT ON COLUMN nurture_bi.review_queue.present IS 'What is known.';
COMMENT ON COLUMN nurture_bi.review_queue.problem IS 'Why the answer does not fit.';
