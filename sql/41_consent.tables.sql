-- Consent: what was asked with a token, and what became of it.

CREATE TABLE nurture.consent_token (
    lead_id bigint NOT NULL,
    token_hash bytea NOT NULL CHECK (octet_length(token_hash) = 32),
    channel text NOT NULL,
    purpose text NOT NULL,
    topic text NOT NULL,
    product text NOT NULL,
    consent_event_id bigint NOT NULL,
    contact_point_hash bytea,
    issued_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    confirmed_event_id bigint,
    PRIMARY KEY (lead_id, token_hash)
);
COMMENT ON TABLE nurture.consent_token IS 'Tokens of nurture_request_consent, as hashes: what is here confirms nothing. No rights for anybody but the owner.';
COMMENT ON COLUMN nurture.consent_token.lead_id IS 'Lead.';
COMMENT ON COLUMN nurture.consent_token.token_hash IS 'HMAC-SHA-256 of the token with the pepper.';
COMMENT ON COLUMN nurture.consent_token.channel IS 'Channel it is asked for.';
COMMENT ON COLUMN nurture.consent_token.purpose IS 'Purpose it is asked for.';
COMMENT ON COLUMN nurture.consent_token.topic IS 'Topic, or * for all.';
COMMENT ON COLUMN nurture.consent_token.product IS 'Product, or * for all.';
COMMENT ON COLUMN nurture.consent_token.consent_event_id IS 'The request in nurture.consent_event.';
COMMENT ON COLUMN nurture.consent_token.contact_point_hash IS 'Keyed hash of the address it was issued for; NULL: the channel has none.';
COMMENT ON COLUMN nurture.consent_token.issued_at IS 'When it was issued.';
COMMENT ON COLUMN nurture.consent_token.expires_at IS 'Until when it may be used.';
COMMENT ON COLUMN nurture.consent_token.used_at IS 'When it was used.';
COMMENT ON COLUMN nurture.consent_token.confirmed_event_id IS 'The confirmation in nurture.consent_event.';

CREATE TRIGGER nurture_consent_confirmed BEFORE INSERT ON nurture.consent_event
    FOR EACH ROW WHEN (NEW.kind = 'confirmed' AND NEW.contact_point_hashes IS NULL)
    EXECUTE FUNCTION @extschema@.nurture_consent_confirmed();
ALTER TABLE nurture.consent_event
    ENABLE ALWAYS TRIGGER nurture_consent_confirmed;
