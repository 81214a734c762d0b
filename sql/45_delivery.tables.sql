-- From the queue to the provider and back.

-- in the order in which messages are taken
CREATE INDEX message_due ON nurture.message (channel, not_before, lead_id, message_id) WHERE status = 'queued';
CREATE INDEX message_lease ON nurture.message (lease_until) WHERE status = 'taken';
CREATE INDEX lead_test ON nurture.lead (lead_id) WHERE is_test;
