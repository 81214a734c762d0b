-- What the random history works on: a few leads that everybody wants to write
-- to, assets that come and go, and one cap small enough to be met.
CREATE EXTENSION nurture;
SELECT nurture_install('pharma');

BEGIN;
SELECT set_config('search_path', '', true);
SET LOCAL row_security = off;
SET LOCAL check_function_bodies = off;
INSERT INTO nurture.asset (asset_id, family, title, format)
    SELECT 'asset' || i, 'family' || i, 'asset ' || i, 'email' FROM generate_series(1, 12 * 16) AS i;
INSERT INTO nurture.asset_version (asset_id, version, status, message_class, channels, languages, markets, audience_types, approved_at, content_hash)
    SELECT 'asset' || i, 1, 'approved', 'promotional', '{email,phone}', '{en}', '{*}', '{hcp}', now(), '\x01' FROM generate_series(1, 12 * 16) AS i;
SELECT set_config('search_path', 'public', true);
SET LOCAL row_security = on;
SET LOCAL check_function_bodies = on;
DELETE FROM nurture.frequency_cap;
DELETE FROM nurture.quiet_hours;
UPDATE nurture.contact_policy SET horizon = '1 hour';
INSERT INTO nurture.frequency_cap (cap, n, period) VALUES ('history', 4, '1 hour');
-- what was taken by e-mail is taken once more when its worker told nothing
UPDATE nurture.channel SET delivery = 'at_least_once' WHERE channel = 'email';
COMMIT;

-- The hash under which each address is suppressed.
CREATE TABLE public.address (email text PRIMARY KEY, key_hash bytea NOT NULL);

-- Leads that may get everything, each with an address of its own.
CREATE PROCEDURE public.make_leads(first bigint, last bigint) LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO nurture.lead (lead_id, email, phone, country, audience_type, language)
        SELECT i, 'lead' || i || '@example.com', '+33 1 00 ' || to_char(i, 'FM00 00 00'), 'FR', 'hcp', 'en' FROM generate_series(first, last) AS i;
    PERFORM nurture_opt_in(i, channel) FROM generate_series(first, last) AS i, unnest('{email,phone}'::text[]) AS channel;
    PERFORM nurture_suppress('contact_point', 'lead' || i || '@example.com', 'to learn its hash', '2100-01-01'::timestamptz + i * interval '1 day')
        FROM generate_series(first, last) AS i;
    INSERT INTO public.address
        SELECT 'lead' || i || '@example.com', s.key_hash
        FROM generate_series(first, last) AS i JOIN nurture.suppression s ON s.until = '2100-01-01'::timestamptz + i * interval '1 day';
    PERFORM nurture_unsuppress('contact_point', 'lead' || i || '@example.com', 'learned') FROM generate_series(first, last) AS i;
END $$;

-- What must hold in every snapshot: messages that are queued, held or in the
-- hands of a worker who was not told, although something that forbids them has
-- committed, and windows with more messages than the cap allows.
CREATE VIEW public.broken AS
    SELECT 'denied, yet ' || m.status AS what, m.lead_id, m.message_id
    FROM nurture.message m JOIN nurture.consent c USING (lead_id)
    WHERE (m.status IN ('queued', 'held') OR m.status = 'taken' AND NOT m.cancel_requested) AND c.state IN ('withdrawn', 'objected', 'refused')
      AND (c.channel IN ('*', m.channel) OR c.state = 'objected')
  UNION ALL
    SELECT 'stopped, yet ' || m.status, m.lead_id, m.message_id
    FROM nurture.message m JOIN nurture.stop_effect e USING (lead_id)
    WHERE (m.status IN ('queued', 'held') OR m.status = 'taken' AND NOT m.cancel_requested) AND e.lifted_at IS NULL AND e.mode = 'enforced' AND e.until = 'infinity' AND e.scope = '{}'
  UNION ALL
    SELECT 'suppressed, yet ' || m.status, m.lead_id, m.message_id
    FROM nurture.message m JOIN nurture.lead l USING (lead_id) JOIN public.address a USING (email)
    -- a worker has the address it was given, whatever the lead's is by now
    JOIN nurture.suppression s ON s.key_hash = CASE WHEN m.status = 'taken' THEN m.contact_point_hash ELSE a.key_hash END
    WHERE (m.status IN ('queued', 'held') OR m.status = 'taken' AND NOT m.cancel_requested) AND m.channel = 'email' AND s.scope = 'contact_point'
      -- a bounce of an address that its lead has left is known by its hash: who else has it is found when a worker takes
      AND s.reason = 'history'
  UNION ALL
    SELECT 'merged, yet ' || m.status, m.lead_id, m.message_id
    FROM nurture.message m JOIN nurture.lead l USING (lead_id)
    WHERE (m.status IN ('queued', 'held') OR m.status = 'taken' AND NOT m.cancel_requested) AND l.merged_into IS NOT NULL
  UNION ALL
    SELECT 'asset ' || v.status || ', yet ' || m.status, m.lead_id, m.message_id
    FROM nurture.message m JOIN nurture.asset_version v USING (asset_id, version)
    WHERE (m.status IN ('queued', 'held') OR m.status = 'taken' AND NOT m.cancel_requested) AND v.status <> 'approved'
  UNION ALL
    SELECT 'beyond the cap', lead_id, message_id
    FROM (SELECT lead_id, message_id, at, lag(at, 4) OVER (PARTITION BY lead_id ORDER BY at) AS fifth_last
          FROM (SELECT lead_id, message_id, coalesce(taken_at, not_before) AS at FROM nurture.message
                -- what counted as over and was sent all the same had no place kept for it; what was late and
                -- put off once more keeps its place before what was put off for it, which will have to wait
                WHERE (taken_at IS NOT NULL OR decided_at = requested_at) AND status IN ('queued', 'taken', 'sent', 'delivered') AND NOT coalesce(reasons && '{lease_expired,sent_after_opt_out,sent_after_cancel}', false)) t) w
    -- one that was taken late has its hour from then on
    WHERE at - fifth_last < interval '30 minutes';
