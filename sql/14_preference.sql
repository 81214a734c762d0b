-- Preferences: what leads said about how they want to hear from us. They bind
-- in the gate like a cap.

CREATE FUNCTION nurture_preference_changed() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_preference_changed';
COMMENT ON FUNCTION nurture_preference_changed() IS 'Trigger: tells the gate of preferences that bind, and cancels what a lead wants no longer.';

CREATE FUNCTION nurture_facts_forget() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_facts_forget';
COMMENT ON FUNCTION nurture_facts_forget() IS 'Trigger: of an erased or deleted lead preferences, documents, sources of facts and answers shown by reviews go.';
