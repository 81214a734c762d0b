-- Consent: asking for it, confirming it, and leaving a list with one click.
-- What leads said is in nurture.consent_event; a lead may always withdraw.

CREATE FUNCTION nurture_request_consent(lead_id bigint, channel text, purpose text DEFAULT 'marketing', topic text DEFAULT '*', product text DEFAULT '*',
                                        valid interval DEFAULT '7 days', source text DEFAULT NULL, evidence jsonb DEFAULT NULL,
                                        notice_id text DEFAULT NULL, notice_version text DEFAULT NULL, actor text DEFAULT NULL) RETURNS text
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_request_consent';
COMMENT ON FUNCTION nurture_request_consent(bigint, text, text, text, text, interval, text, jsonb, text, text, text) IS 'Asks a lead for consent: records the request and returns the token by which the lead confirms. It is good once, for as long as valid says, for the address the lead has now; only a hash of it is kept.';

CREATE FUNCTION nurture_confirm(token text, evidence jsonb DEFAULT NULL) RETURNS bigint
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_confirm';
COMMENT ON FUNCTION nurture_confirm(text, jsonb) IS 'The lead confirms with the token of nurture_request_consent; returns the consent_event_id. NU012 when it was used, has expired, was issued for another address, or the lead has said no since. Needs no right but EXECUTE.';

CREATE FUNCTION nurture_unsubscribe_token(lead_id bigint, channel text, purpose text DEFAULT 'marketing', topic text DEFAULT '*', product text DEFAULT '*',
                                          message_id bigint DEFAULT NULL) RETURNS text
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_unsubscribe_token';
COMMENT ON FUNCTION nurture_unsubscribe_token(bigint, text, text, text, text, bigint) IS 'The token by which a lead leaves a list (a scope of consent) with one click. Nothing is stored for it. Asks for INSERT on nurture.consent_event.';

CREATE FUNCTION nurture_one_click(token text) RETURNS bigint
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_one_click';
COMMENT ON FUNCTION nurture_one_click(text) IS 'The lead leaves the list of the token, as a POST to a List-Unsubscribe URL says (RFC 8058); returns how many messages that cancelled. May be repeated; needs no right but EXECUTE. NU012 when the token is not ours.';


CREATE FUNCTION nurture_consent_confirmed() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_consent_confirmed';
COMMENT ON FUNCTION nurture_consent_confirmed() IS 'Trigger: notes which addresses a confirmation is about.';
