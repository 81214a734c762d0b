-- The gate: whether a message may go out, and what forbids it.
-- A message is decided where it is inserted; a refusal is kept as evidence.

CREATE FUNCTION nurture_gate_message() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_gate_message';
COMMENT ON FUNCTION nurture_gate_message() IS 'Trigger: decides about each message before it is inserted.';

CREATE FUNCTION nurture_gate_record() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_gate_record';
COMMENT ON FUNCTION nurture_gate_record() IS 'Trigger: checks that inserted messages say what was decided, and writes their audit entries.';

CREATE FUNCTION nurture_message_guard() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_message_guard';
COMMENT ON FUNCTION nurture_message_guard() IS 'Trigger: messages, consent events and the state of consent are changed by functions of nurture only.';

CREATE FUNCTION nurture_gate_lead() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_gate_lead';
COMMENT ON FUNCTION nurture_gate_lead() IS 'Trigger: gives each lead its gate row and tells the gate of changed facts.';

CREATE FUNCTION nurture_gate_keep() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_gate_keep';
COMMENT ON FUNCTION nurture_gate_keep() IS 'Trigger: gate rows are never removed.';

CREATE FUNCTION nurture_consent_changed() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_consent_changed';
COMMENT ON FUNCTION nurture_consent_changed() IS 'Trigger: from consent events to the state of consent, cancelled messages and lifted stops.';

CREATE FUNCTION nurture_consent(lead_id bigint, kind text, channel text, purpose text DEFAULT 'marketing', topic text DEFAULT '*',
                                source text DEFAULT NULL, evidence jsonb DEFAULT NULL, occurred_at timestamptz DEFAULT NULL,
                                expires_at timestamptz DEFAULT NULL, legal_basis text DEFAULT NULL, notice_id text DEFAULT NULL,
                                notice_version text DEFAULT NULL, contact_point text DEFAULT NULL, actor text DEFAULT NULL,
                                product text DEFAULT '*', jurisdiction text DEFAULT NULL) RETURNS bigint
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_consent';
COMMENT ON FUNCTION nurture_consent(bigint, text, text, text, text, text, jsonb, timestamptz, timestamptz, text, text, text, text, text, text, text) IS 'Records what a lead said about being contacted, as a row of nurture.consent_event; returns its consent_event_id.';

CREATE FUNCTION nurture_opt_in(lead_id bigint, channel text, source text DEFAULT NULL, evidence jsonb DEFAULT NULL) RETURNS bigint
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_opt_in';
COMMENT ON FUNCTION nurture_opt_in(bigint, text, text, jsonb) IS 'The lead gives consent for marketing by a channel, or * for all; returns the consent_event_id.';

CREATE FUNCTION nurture_opt_out(lead_id bigint, channel text DEFAULT '*', source text DEFAULT NULL) RETURNS bigint
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_opt_out';
COMMENT ON FUNCTION nurture_opt_out(bigint, text, text) IS 'The lead withdraws consent for marketing; cancels queued and held messages in the same transaction and returns how many. May be repeated.';

CREATE FUNCTION nurture_consent_at(lead_id bigint, at timestamptz, known_at timestamptz DEFAULT NULL,
                                   OUT channel text, OUT purpose text, OUT topic text, OUT product text, OUT state text,
                                   OUT since timestamptz, OUT expires_at timestamptz, OUT consent_event_id bigint) RETURNS SETOF record
    LANGUAGE c STABLE PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'nurture_consent_at';
COMMENT ON FUNCTION nurture_consent_at(bigint, timestamptz, timestamptz) IS 'State of consent at an instant, from all that is known, or from what was known at known_at. What was entered in error is left out, however late we learned that.';


CREATE FUNCTION nurture_may_contact(lead_id bigint, channel text, purpose text DEFAULT NULL, asset_id text DEFAULT NULL, at timestamptz DEFAULT NULL,
                                    OUT verdict text, OUT reasons text[], OUT not_before timestamptz) RETURNS record
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_may_contact';
COMMENT ON FUNCTION nurture_may_contact(bigint, text, text, text, timestamptz) IS 'What the gate would say to a message now: allow, defer, review or refuse, with its reasons. Without an asset, as for a promotional message. Writes nothing.';

CREATE FUNCTION nurture_explain_contact(lead_id bigint, channel text, purpose text DEFAULT NULL, asset_id text DEFAULT NULL, at timestamptz DEFAULT NULL,
                                        OUT rule text, OUT passed boolean, OUT fact text, OUT passes_from timestamptz, OUT remedy text) RETURNS SETOF record
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_explain_contact';
COMMENT ON FUNCTION nurture_explain_contact(bigint, text, text, text, timestamptz) IS 'Every rule of the gate with pass or fail, the fact it used, when it would pass, and what can be done.';

