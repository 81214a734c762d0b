-- Dry runs: what would be decided, by the code that decides, under another
-- clock and taken back. Both write and roll back: they need a server that may
-- write, and use up numbers of sequences.

CREATE FUNCTION nurture_dry_run(events jsonb, at timestamptz DEFAULT NULL, drafts jsonb DEFAULT NULL)
    RETURNS TABLE (lead_id bigint, kind text, object text, outcome text, reasons text[], trigger jsonb, versions jsonb, inputs text)
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_dry_run';
COMMENT ON FUNCTION nurture_dry_run(jsonb, timestamptz, jsonb) IS 'What events, as nurture_ingest takes them, would lead to at a time (NULL = now), with drafts such as {"track": {"education": 2}} in force: what became of the events, then every decision that would be recorded, about leads the caller may see; what is due then for these leads is worked off too. The real code, rolled back: needs a server that may write and the right to update nurture.enrollment; uses up sequence numbers.';

CREATE FUNCTION nurture_simulate_days(days integer DEFAULT 28, max_leads integer DEFAULT 1000, drafts jsonb DEFAULT NULL)
    RETURNS TABLE (figure text, period date, subject text, leads bigint, n bigint, per_lead numeric)
    LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'nurture_simulate_days';
COMMENT ON FUNCTION nurture_simulate_days(integer, integer, jsonb) IS 'Plays the tick forward day by day for copies of sampled leads that do nothing meanwhile, with drafts in force if there are any, and takes everything back: messages by week and track, refusals by week and reason, how enrollments ended by track, hand-offs by day and team, and the leads copied. Needs a server that may write and the right to update nurture.enrollment.';
