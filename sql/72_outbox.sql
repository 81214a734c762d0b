-- The outbox: other systems take what they are to learn, and say when they
-- have it. At least once, in order per lead.

CREATE FUNCTION nurture_outbox_take(n integer, consumer text, lease interval DEFAULT '5 minutes', topics text DEFAULT '%',
    OUT outbox_id bigint, OUT lead_id bigint, OUT topic text, OUT payload jsonb, OUT created_at timestamptz, OUT attempts integer, OUT lease_until timestamptz)
    RETURNS SETOF record
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE ROWS 100
    AS 'MODULE_PATHNAME', 'nurture_outbox_take';
COMMENT ON FUNCTION nurture_outbox_take(integer, text, interval, text) IS 'Leases up to n rows of the outbox to a consumer, the oldest first, whose topic is LIKE topics. Consumers that call at the same time get different leads; of one lead nothing is given while an earlier row is with somebody else. What is not done when its lease ends is given again.';

CREATE FUNCTION nurture_outbox_done(consumer text, outbox_ids bigint[]) RETURNS integer
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_outbox_done';
COMMENT ON FUNCTION nurture_outbox_done(text, bigint[]) IS 'Confirms the delivery of rows the consumer took last, and returns how many were still open. Rows that another consumer has taken since stay open.';
