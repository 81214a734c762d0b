-- The first open row of a lead is found by this.

CREATE INDEX outbox_lead ON nurture.outbox (lead_id, outbox_id) WHERE done_at IS NULL;
