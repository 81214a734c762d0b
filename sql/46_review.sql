-- Reviews: cases that a person has to decide, and what follows from a ruling.

CREATE FUNCTION nurture_rule(review_id bigint, ruling text, reason text, actor text DEFAULT NULL) RETURNS bigint
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_rule';
COMMENT ON FUNCTION nurture_rule(bigint, text, text, text) IS 'Closes a review with a ruling of its bucket (nurture_bi.review_queue tells which) and does what follows: messages that wait go through the gate again, consent is recorded, a fact is written, leads are merged. Returns how many that were.';

CREATE FUNCTION nurture_review_record() RETURNS trigger
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_review_record';
COMMENT ON FUNCTION nurture_review_record() IS 'Trigger: writes to the audit trail that a review was opened, and how it was ruled.';
