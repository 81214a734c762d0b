-- From the queue to the provider and back: a message that is due goes to one
-- worker, decided once more, and what became of it is recorded once.

CREATE FUNCTION nurture_take(channel text, n integer, worker text, lease interval DEFAULT NULL,
                             OUT lead_id bigint, OUT message_id bigint, OUT address text, OUT asset_id text, OUT version integer,
                             OUT uri text, OUT language text, OUT blocks jsonb, OUT merge jsonb, OUT unsubscribe_token text,
                             OUT lease_until timestamptz) RETURNS SETOF record
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_take';
COMMENT ON FUNCTION nurture_take(text, integer, text, interval) IS 'Takes up to n messages of a channel that are due, the longest due first; each is decided once more and belongs to the worker until lease_until. Channel test takes those to test leads, no other does.';

CREATE FUNCTION nurture_still_allowed(lead_id bigint, message_id bigint, worker text DEFAULT NULL) RETURNS boolean
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_still_allowed';
COMMENT ON FUNCTION nurture_still_allowed(bigint, bigint, text) IS 'Whether a message that was taken may go out at this moment; to be asked right before it is handed to the provider.';

CREATE FUNCTION nurture_ack(lead_id bigint, message_id bigint, outcome text, provider_id text DEFAULT NULL, detail jsonb DEFAULT NULL) RETURNS text
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_ack';
COMMENT ON FUNCTION nurture_ack(bigint, bigint, text, text, jsonb) IS 'Records what became of a message that was taken: sent, delivered, opened, clicked, soft_bounce, hard_bounce, complaint, unsubscribed or failed; returns its status. May be repeated, late and in any order.';
