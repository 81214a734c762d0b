-- The tally: how often each signal occurred on each UTC day. It does not
-- depend on any model; weights are put on it when a score is read.

CREATE TYPE nurture_tally;

CREATE FUNCTION nurture_tally_in(cstring) RETURNS nurture_tally
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_tally_in';
CREATE FUNCTION nurture_tally_out(nurture_tally) RETURNS cstring
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_tally_out';
CREATE FUNCTION nurture_tally_recv(internal) RETURNS nurture_tally
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_tally_recv';
CREATE FUNCTION nurture_tally_send(nurture_tally) RETURNS bytea
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_tally_send';
COMMENT ON FUNCTION nurture_tally_in(cstring) IS 'Reads the text form, such as {12@2026-11-03:2, 15@ever:7/5; rolled 2024-09-01}.';
COMMENT ON FUNCTION nurture_tally_out(nurture_tally) IS 'Writes the text form.';
COMMENT ON FUNCTION nurture_tally_recv(internal) IS 'Reads the binary form, which is checked completely.';
COMMENT ON FUNCTION nurture_tally_send(nurture_tally) IS 'Writes the binary form.';

CREATE TYPE nurture_tally (
    INPUT = nurture_tally_in,
    OUTPUT = nurture_tally_out,
    RECEIVE = nurture_tally_recv,
    SEND = nurture_tally_send,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = int4,
    STORAGE = external
);
COMMENT ON TYPE nurture_tally IS 'Counts by signal (or topic) and UTC day, in canonical bytes: equal tallies rolled to the same day are equal bytes.';

CREATE FUNCTION nurture_tally_merge(nurture_tally, nurture_tally) RETURNS nurture_tally
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_tally_merge';
COMMENT ON FUNCTION nurture_tally_merge(nurture_tally, nurture_tally) IS 'Adds the counts; the later roll day holds for both.';
CREATE FUNCTION nurture_tally_take(nurture_tally, nurture_tally) RETURNS nurture_tally
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_tally_take';
COMMENT ON FUNCTION nurture_tally_take(nurture_tally, nurture_tally) IS 'Takes counts away; an error when they are not contained, or known to the events only.';
CREATE FUNCTION nurture_tally_eq(nurture_tally, nurture_tally) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF
    AS 'MODULE_PATHNAME', 'nurture_tally_eq';
CREATE FUNCTION nurture_tally_ne(nurture_tally, nurture_tally) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF
    AS 'MODULE_PATHNAME', 'nurture_tally_ne';
CREATE FUNCTION nurture_tally_lt(nurture_tally, nurture_tally) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_tally_lt';
CREATE FUNCTION nurture_tally_le(nurture_tally, nurture_tally) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_tally_le';
CREATE FUNCTION nurture_tally_gt(nurture_tally, nurture_tally) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_tally_gt';
CREATE FUNCTION nurture_tally_ge(nurture_tally, nurture_tally) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_tally_ge';
CREATE FUNCTION nurture_tally_cmp(nurture_tally, nurture_tally) RETURNS integer
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_tally_cmp';
CREATE FUNCTION nurture_tally_hash(nurture_tally) RETURNS integer
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_tally_hash';
CREATE FUNCTION nurture_tally_hash_extended(nurture_tally, bigint) RETURNS bigint
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_tally_hash_extended';
COMMENT ON FUNCTION nurture_tally_eq(nurture_tally, nurture_tally) IS 'The same bytes.';
COMMENT ON FUNCTION nurture_tally_ne(nurture_tally, nurture_tally) IS 'Not the same bytes.';
COMMENT ON FUNCTION nurture_tally_lt(nurture_tally, nurture_tally) IS 'Before in the order of the B-tree class, which means nothing else.';
COMMENT ON FUNCTION nurture_tally_le(nurture_tally, nurture_tally) IS 'Before or equal in the order of the B-tree class.';
COMMENT ON FUNCTION nurture_tally_gt(nurture_tally, nurture_tally) IS 'Behind in the order of the B-tree class.';
COMMENT ON FUNCTION nurture_tally_ge(nurture_tally, nurture_tally) IS 'Behind or equal in the order of the B-tree class.';
COMMENT ON FUNCTION nurture_tally_cmp(nurture_tally, nurture_tally) IS 'Compares for the B-tree class: entries by signal, day and count, then roll day.';
COMMENT ON FUNCTION nurture_tally_hash(nurture_tally) IS 'Hashes for the hash class.';
COMMENT ON FUNCTION nurture_tally_hash_extended(nurture_tally, bigint) IS 'Hashes with a seed for the hash class.';

CREATE OPERATOR + (FUNCTION = nurture_tally_merge, LEFTARG = nurture_tally, RIGHTARG = nurture_tally, COMMUTATOR = +);
CREATE OPERATOR - (FUNCTION = nurture_tally_take, LEFTARG = nurture_tally, RIGHTARG = nurture_tally);
CREATE OPERATOR = (FUNCTION = nurture_tally_eq, LEFTARG = nurture_tally, RIGHTARG = nurture_tally,
    COMMUTATOR = =, NEGATOR = <>, RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES);
CREATE OPERATOR <> (FUNCTION = nurture_tally_ne, LEFTARG = nurture_tally, RIGHTARG = nurture_tally,
    COMMUTATOR = <>, NEGATOR = =, RESTRICT = neqsel, JOIN = neqjoinsel);
CREATE OPERATOR < (FUNCTION = nurture_tally_lt, LEFTARG = nurture_tally, RIGHTARG = nurture_tally,
    COMMUTATOR = >, NEGATOR = >=, RESTRICT = scalarltsel, JOIN = scalarltjoinsel);
CREATE OPERATOR <= (FUNCTION = nurture_tally_le, LEFTARG = nurture_tally, RIGHTARG = nurture_tally,
    COMMUTATOR = >=, NEGATOR = >, RESTRICT = scalarlesel, JOIN = scalarlejoinsel);
CREATE OPERATOR > (FUNCTION = nurture_tally_gt, LEFTARG = nurture_tally, RIGHTARG = nurture_tally,
    COMMUTATOR = <, NEGATOR = <=, RESTRICT = scalargtsel, JOIN = scalargtjoinsel);
CREATE OPERATOR >= (FUNCTION = nurture_tally_ge, LEFTARG = nurture_tally, RIGHTARG = nurture_tally,
    COMMUTATOR = <=, NEGATOR = <, RESTRICT = scalargesel, JOIN = scalargejoinsel);
COMMENT ON OPERATOR + (nurture_tally, nurture_tally) IS 'Adds the counts.';
COMMENT ON OPERATOR - (nurture_tally, nurture_tally) IS 'Takes counts away.';
COMMENT ON OPERATOR = (nurture_tally, nurture_tally) IS 'The same bytes.';
COMMENT ON OPERATOR <> (nurture_tally, nurture_tally) IS 'Not the same bytes.';
COMMENT ON OPERATOR < (nurture_tally, nurture_tally) IS 'Before in the order of the B-tree class.';
COMMENT ON OPERATOR <= (nurture_tally, nurture_tally) IS 'Before or equal in the order of the B-tree class.';
COMMENT ON OPERATOR > (nurture_tally, nurture_tally) IS 'Behind in the order of the B-tree class.';
COMMENT ON OPERATOR >= (nurture_tally, nurture_tally) IS 'Behind or equal in the order of the B-tree class.';

CREATE OPERATOR CLASS nurture_tally_ops DEFAULT FOR TYPE nurture_tally USING btree AS
    OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,
    FUNCTION 1 nurture_tally_cmp(nurture_tally, nurture_tally);
COMMENT ON OPERATOR CLASS nurture_tally_ops USING btree IS 'An order for DISTINCT, UNION and ORDER BY.';
CREATE OPERATOR CLASS nurture_tally_ops DEFAULT FOR TYPE nurture_tally USING hash AS
    OPERATOR 1 =,
    FUNCTION 1 nurture_tally_hash(nurture_tally),
    FUNCTION 2 nurture_tally_hash_extended(nurture_tally, bigint);
COMMENT ON OPERATOR CLASS nurture_tally_ops USING hash IS 'For hashed grouping and joins.';

CREATE FUNCTION nurture_tally_count(tally nurture_tally, signal integer, from_day date DEFAULT '-infinity', to_day date DEFAULT 'infinity')
    RETURNS bigint
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_tally_count_number';
COMMENT ON FUNCTION nurture_tally_count(nurture_tally, integer, date, date) IS 'How often a signal (or topic), given by number, occurred from one day to another, both included; from -infinity on includes what was folded.';
CREATE FUNCTION nurture_tally_count(tally nurture_tally, signal text, from_day date DEFAULT '-infinity', to_day date DEFAULT 'infinity')
    RETURNS bigint
    LANGUAGE c STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_tally_count_code';
COMMENT ON FUNCTION nurture_tally_count(nurture_tally, text, date, date) IS 'How often a signal, given by code, occurred from one day to another, both included.';
CREATE FUNCTION nurture_tally_last(tally nurture_tally, signal integer) RETURNS date
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_tally_last_number';
COMMENT ON FUNCTION nurture_tally_last(nurture_tally, integer) IS 'Last day of a signal (or topic): NULL when it never occurred, -infinity when on folded days only.';
CREATE FUNCTION nurture_tally_last(tally nurture_tally, signal text) RETURNS date
    LANGUAGE c STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_tally_last_code';
COMMENT ON FUNCTION nurture_tally_last(nurture_tally, text) IS 'Last day of a signal given by code.';
CREATE FUNCTION nurture_tally_roll(tally nurture_tally, day date) RETURNS nurture_tally
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_tally_roll_to';
COMMENT ON FUNCTION nurture_tally_roll(nurture_tally, date) IS 'Folds the days before a day into one entry per signal: its count and its number of distinct days.';
CREATE FUNCTION nurture_tally_rolled(tally nurture_tally) RETURNS date
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_tally_rolled';
COMMENT ON FUNCTION nurture_tally_rolled(nurture_tally) IS 'The day before which days are folded; NULL when none are.';
CREATE FUNCTION nurture_tally_unnest(tally nurture_tally, OUT signal integer, OUT day date, OUT count bigint, OUT days bigint)
    RETURNS SETOF record
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE ROWS 20
    AS 'MODULE_PATHNAME', 'nurture_tally_unnest';
COMMENT ON FUNCTION nurture_tally_unnest(nurture_tally) IS 'Its entries as rows; what was folded has no day and tells its number of distinct days.';

CREATE FUNCTION nurture_tally_agg_step(internal, integer, timestamptz) RETURNS internal
    LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_tally_agg_step';
CREATE FUNCTION nurture_tally_agg_combine(internal, internal) RETURNS internal
    LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_tally_agg_combine';
CREATE FUNCTION nurture_tally_agg_serial(internal) RETURNS bytea
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_tally_agg_serial';
CREATE FUNCTION nurture_tally_agg_deserial(bytea, internal) RETURNS internal
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_tally_agg_deserial';
CREATE FUNCTION nurture_tally_agg_final(internal) RETURNS nurture_tally
    LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_tally_agg_final';
COMMENT ON FUNCTION nurture_tally_agg_step(internal, integer, timestamptz) IS 'Step of nurture_tally_agg.';
COMMENT ON FUNCTION nurture_tally_agg_combine(internal, internal) IS 'Combines states of nurture_tally_agg.';
COMMENT ON FUNCTION nurture_tally_agg_serial(internal) IS 'Serialises a state of nurture_tally_agg.';
COMMENT ON FUNCTION nurture_tally_agg_deserial(bytea, internal) IS 'Deserialises a state of nurture_tally_agg.';
COMMENT ON FUNCTION nurture_tally_agg_final(internal) IS 'Result of nurture_tally_agg.';
CREATE AGGREGATE nurture_tally_agg(signal integer, occurred_at timestamptz) (
    SFUNC = nurture_tally_agg_step,
    STYPE = internal,
    COMBINEFUNC = nurture_tally_agg_combine,
    SERIALFUNC = nurture_tally_agg_serial,
    DESERIALFUNC = nurture_tally_agg_deserial,
    FINALFUNC = nurture_tally_agg_final,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE nurture_tally_agg(integer, timestamptz) IS 'The tally of occurrences; rows with a NULL are not counted, no rows give an empty tally.';

CREATE FUNCTION nurture_tally_sum_step(internal, nurture_tally) RETURNS internal
    LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_tally_sum_step';
CREATE FUNCTION nurture_tally_sum_combine(internal, internal) RETURNS internal
    LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_tally_sum_combine';
CREATE FUNCTION nurture_tally_sum_serial(internal) RETURNS bytea
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_tally_sum_serial';
CREATE FUNCTION nurture_tally_sum_deserial(bytea, internal) RETURNS internal
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_tally_sum_deserial';
CREATE FUNCTION nurture_tally_sum_final(internal) RETURNS nurture_tally
    LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'nurture_tally_sum_final';
COMMENT ON FUNCTION nurture_tally_sum_step(internal, nurture_tally) IS 'Step of nurture_tally_sum.';
COMMENT ON FUNCTION nurture_tally_sum_combine(internal, internal) IS 'Combines states of nurture_tally_sum.';
COMMENT ON FUNCTION nurture_tally_sum_serial(internal) IS 'Serialises a state of nurture_tally_sum.';
COMMENT ON FUNCTION nurture_tally_sum_deserial(bytea, internal) IS 'Deserialises a state of nurture_tally_sum.';
COMMENT ON FUNCTION nurture_tally_sum_final(internal) IS 'Result of nurture_tally_sum.';
CREATE AGGREGATE nurture_tally_sum(nurture_tally) (
    SFUNC = nurture_tally_sum_step,
    STYPE = internal,
    COMBINEFUNC = nurture_tally_sum_combine,
    SERIALFUNC = nurture_tally_sum_serial,
    DESERIALFUNC = nurture_tally_sum_deserial,
    FINALFUNC = nurture_tally_sum_final,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE nurture_tally_sum(nurture_tally) IS 'The sum of tallies, such as those of the leads of an account; NULLs are left out.';
