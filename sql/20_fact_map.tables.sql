-- Forms: which answers become facts, and which answers facts come from.

CREATE TABLE nurture.fact_map (
    event_type text NOT NULL REFERENCES nurture.event_type,
    target text NOT NULL,
    place smallint NOT NULL DEFAULT 1 CHECK (place > 0),
    path jsonpath NOT NULL,
    mode text NOT NULL DEFAULT 'fill' CHECK (mode IN ('fill', 'replace', 'review')),
    translate jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(translate) = 'object'),
    title text,
    owner text,
    reason text,
    PRIMARY KEY (event_type, target, place)
);
COMMENT ON TABLE nurture.fact_map IS 'Answers in events that become facts, consent and preferences of the lead, in the statement that stores the event.';
COMMENT ON COLUMN nurture.fact_map.event_type IS 'Events that bring the answer.';
COMMENT ON COLUMN nurture.fact_map.target IS 'lead.<column>, attributes.<key>, consent.<channel>.<purpose> or preference.<channel>.<column>.';
COMMENT ON COLUMN nurture.fact_map.place IS 'Order of the paths to one target: the first that gives an answer counts.';
COMMENT ON COLUMN nurture.fact_map.path IS 'Where in the properties the answer stands.';
COMMENT ON COLUMN nurture.fact_map.mode IS 'fill (only what is unknown), replace, or review (a contradicting answer changes nothing and opens a review).';
COMMENT ON COLUMN nurture.fact_map.translate IS 'From the words of the form to values: {"physician": "prescriber"}; a word that is not there stays as it is.';
COMMENT ON COLUMN nurture.fact_map.title IS 'Words for people.';
COMMENT ON COLUMN nurture.fact_map.owner IS 'Who answers for the row.';
COMMENT ON COLUMN nurture.fact_map.reason IS 'Why it is as it is.';
SELECT @extschema@.nurture_config_table('nurture.fact_map');
CREATE TRIGGER nurture_check BEFORE INSERT OR UPDATE ON nurture.fact_map
    FOR EACH ROW EXECUTE FUNCTION @extschema@.nurture_fact_map_check();

CREATE TABLE nurture.fact_source (
    lead_id bigint NOT NULL,
    target text NOT NULL,
    said_at timestamptz,
    event_id bigint,
    ignored_event_id bigint,
    ignored_because text CHECK (ignored_because IN ('older', 'known', 'contradicts', 'does_not_fit')),
    PRIMARY KEY (lead_id, target)
);
COMMENT ON TABLE nurture.fact_source IS 'Per lead and fact the answer that said last what holds, and the last one that changed nothing. Holds no answers.';
COMMENT ON COLUMN nurture.fact_source.lead_id IS 'Lead.';
COMMENT ON COLUMN nurture.fact_source.target IS 'As in nurture.fact_map.';
COMMENT ON COLUMN nurture.fact_source.said_at IS 'When the event occurred that says what holds; NULL: no answer says it.';
COMMENT ON COLUMN nurture.fact_source.event_id IS 'That event.';
COMMENT ON COLUMN nurture.fact_source.ignored_event_id IS 'The last event whose answer changed nothing.';
COMMENT ON COLUMN nurture.fact_source.ignored_because IS 'older (than what holds), known (mode fill), contradicts (mode review) or does_not_fit.';
