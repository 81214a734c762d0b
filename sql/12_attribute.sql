-- Attributes: the registry of what may stand in lead.attributes and
-- account.attributes, and what keeps leads and accounts to it.

CREATE FUNCTION nurture_attribute_problem(attribute text, value jsonb) RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_attribute_problem';
COMMENT ON FUNCTION nurture_attribute_problem(text, jsonb) IS 'What is wrong with a value of an attribute and what is allowed, in words; NULL when it fits or the attribute is not registered. For imports and forms, before they write.';

CREATE FUNCTION nurture_facts_check() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_facts_check';
COMMENT ON FUNCTION nurture_facts_check() IS 'Trigger: refuses unknown audience types, and values of registered attributes that are not what the registry allows.';
