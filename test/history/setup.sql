-- What the random history works on: a few leads that everybody wants to write
-- to, assets that come and go, and one cap small enough to be met.
CREATE EXTENSION nurture;
SELECT nurture_install('pharma');

BEGIN;
SELECT set_config('search_path', '', true);
SET LOCAL row_security = off;
SET LOCAL check_function_bodies = off;
INSERT INTO nurture.asset (asset_id, family, title, format)
    SELECT 'asset' || i, 'family' || i, 'asset ' || i, 'email' FROM generate_series(1, 12) AS i;
INSERT INTO nurture.asset_version (asset_id, version, status, message_class, channels, languages, markets, audience_types, approved_at, content_hash)
    SELECT 'asset' || i, 1, 'approved', 'promotional', '{email,phone}', '{en}', '{*}', '{hcp}', now(), '\x01' FROM generate_series(1, 12) AS i;
SELECT set_config('search_path', 'public', true);
SET LOCAL row_security = on;
SET LOCAL check_function_bodies = on;
DELETE FROM nurture.frequency_cap;
DELETE FROM nurture.quiet_hours;
UPDATE nurture.contact_policy SET horizon = '1 hour';
INSERT INTO nurture.frequency_cap (cap, n, period) VALUES ('history', 4, '1 hour');
INSERT INTO nurture.lead (lead_id, email, phone, country, audience_type, language)
    SELECT i, 'lead' || i || '@example.com', '+33 1 00 00 00 ' || 10 + i, 'FR', 'hcp', 'en' FROM generate_series(1, 24) AS i;
SELECT count(nurture_opt_in(i, channel)) FROM generate_series(1, 24) AS i, unnest('{email,phone}'::text[]) AS channel;
COMMIT;

-- The hash under which each address is suppressed.
CREATE TABLE public.address (email text PRIMARY KEY, key_hash bytea NOT NULL);
SET client_min_messages = error;
SELECT count(nurture_suppress('contact_point', email, 'to learn its hash', now() + ordinal * interval '1 day'))
FROM (SELECT email, row_number() OVER (ORDER BY lead_id) AS ordinal FROM nurture.lead) l;
INSERT INTO public.address
    SELECT l.email, s.key_hash
    FROM (SELECT email, row_number() OVER (ORDER BY lead_id) AS ordinal FROM nurture.lead) l
    JOIN (SELECT key_hash, row_number() OVER (ORDER BY until) AS ordinal FROM nurture.suppression) s USING (ordinal);
SELECT count(nurture_unsuppress('contact_point', email, 'learned')) FROM public.address;

-- What must hold in every snapshot: messages that are queued or held although
-- something that forbids them has committed, and windows with more messages
-- than the cap allows.
CREATE VIEW public.broken AS
    SELECT 'denied, yet ' || m.status AS what, m.lead_id, m.message_id
    FROM nurture.message m JOIN nurture.consent c USING (lead_id)
    WHERE m.status IN ('queued', 'held') AND c.state IN ('withdrawn', 'objected', 'refused')
      AND (c.channel IN ('*', m.channel) OR c.state = 'objected')
  UNION ALL
    SELECT 'stopped, yet ' || m.status, m.lead_id, m.message_id
    FROM nurture.message m JOIN nurture.stop_effect e USING (lead_id)
    WHERE m.status IN ('queued', 'held') AND e.lifted_at IS NULL AND e.mode = 'enforced' AND e.until = 'infinity'
  UNION ALL
    SELECT 'suppressed, yet ' || m.status, m.lead_id, m.message_id
    FROM nurture.message m JOIN nurture.lead l USING (lead_id) JOIN public.address USING (email) JOIN nurture.suppression s USING (key_hash)
    WHERE m.status IN ('queued', 'held') AND m.channel = 'email' AND s.scope = 'contact_point'
  UNION ALL
    SELECT 'merged, yet ' || m.status, m.lead_id, m.message_id
    FROM nurture.message m JOIN nurture.lead l USING (lead_id)
    WHERE m.status IN ('queued', 'held') AND l.merged_into IS NOT NULL
  UNION ALL
    SELECT 'asset ' || v.status || ', yet ' || m.status, m.lead_id, m.message_id
    FROM nurture.message m JOIN nurture.asset_version v USING (asset_id, version)
    WHERE m.status IN ('queued', 'held') AND v.status <> 'approved'
  UNION ALL
    SELECT 'beyond the cap', lead_id, message_id
    FROM (SELECT lead_id, message_id, not_before,
                 lag(not_before, 4) OVER (PARTITION BY lead_id ORDER BY not_before) AS fifth_last
          FROM nurture.message WHERE status IN ('queued', 'taken', 'sent', 'delivered')) w
    WHERE not_before - fifth_last < interval '1 hour';
