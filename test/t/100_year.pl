# A year in a minute: leads with random behaviour under a moving clock, the
# tick and a sender every day. After each week nobody is over a cap, nothing
# was sent outside its consent, nobody is stuck, every message has its
# decision and every end its reason; scores are what a rebuild gives. In short
# by default: NURTURE_YEAR_DAYS and NURTURE_YEAR_LEADS say how long.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Nurture;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $days = $ENV{NURTURE_YEAR_DAYS} // 35;
my $leads = $ENV{NURTURE_YEAR_LEADS} // 120;
my $seed = $ENV{NURTURE_SEED} // time;
note("NURTURE_SEED=$seed NURTURE_YEAR_DAYS=$days NURTURE_YEAR_LEADS=$leads");

my $node = cluster('year', conf => "fsync = off\nsynchronous_commit = off\n");
database($node, 'crm', 'pharma');
$node->safe_psql('crm', <<'SQL');
CREATE SCHEMA year;
CREATE TABLE year.violation (week int, rule text, lead_id bigint, detail text);
CREATE TABLE year.lead (lead_id bigint PRIMARY KEY, busy float8, quiet_after int);
CREATE TABLE year.kind (event_type text, upto float8);
INSERT INTO year.kind
SELECT event_type, sum(share) OVER (ORDER BY event_type) / sum(share) OVER () FROM (VALUES
    ('page_viewed', 300.0), ('product_page_viewed', 80), ('mechanism_page_viewed', 80), ('time_on_page', 60), ('email_opened', 120), ('video_watched', 30),
    ('form_submitted', 30), ('white_paper_downloaded', 40), ('brochure_downloaded', 30), ('clinical_evidence_downloaded', 25), ('webinar_registered', 20),
    ('webinar_attended', 8), ('slide_deck_downloaded', 10), ('technical_document_downloaded', 8), ('trial_page_viewed', 30), ('implementation_page_viewed', 20),
    ('pricing_page_viewed', 15), ('demo_requested', 3), ('meeting_booked', 2), ('meeting_held', 2), ('question_asked', 4), ('opted_out', 2), ('complained', 0.3),
    ('email_hard_bounced', 0.5), ('information_requested', 5)) k (event_type, share);

CREATE FUNCTION year.at(day int, hour numeric) RETURNS text LANGUAGE sql AS
$$ SELECT set_config('nurture.clock', to_char(timestamp '2026-01-05' + day * interval '1 day' + hour * interval '1 hour', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), false) $$;

CREATE PROCEDURE year.begin(leads int) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM year.at(0, 0);
    INSERT INTO year.lead SELECT n, power(random(), 3), CASE WHEN random() < 0.4 THEN (random() * 200)::int END FROM generate_series(1, leads) n;
    INSERT INTO nurture.lead (lead_id, email, audience_type, country, language, role, time_zone)
        SELECT n, 'lead' || n || '@example.org', (ARRAY['hcp', 'hcp', 'hcp', 'investigator', 'payer', 'patient'])[1 + (random() * 5)::int],
            (ARRAY['FR', 'GB', 'US', 'CA'])[1 + (random() * 3)::int], 'en', 'prescriber', (ARRAY['Europe/Paris', 'America/New_York', 'Asia/Tokyo', NULL])[1 + (random() * 3)::int]
        FROM generate_series(1, leads) n;
    PERFORM nurture_opt_in(lead_id, 'email', 'year') FROM year.lead WHERE lead_id % 10 <> 0 ORDER BY lead_id;
    PERFORM nurture_add_asset(jsonb_build_object('asset_id', 'a' || n, 'title', 'a' || n, 'format', 'article', 'message_class', CASE WHEN n % 7 = 0 THEN 'disease_awareness' ELSE 'promotional' END,
        'channels', '["email"]'::jsonb, 'markets', '["*"]'::jsonb, 'languages', '["*"]'::jsonb, 'audience_types', '["*"]'::jsonb,
        'tags', jsonb_build_array('topic:' || (ARRAY['moa', 'efficacy', 'safety', 'disease'])[1 + n % 4], 'funnel_stage:' || (ARRAY['awareness', 'consideration'])[1 + n % 2],
            'offer:' || (ARRAY['overview', 'clinical_evidence', 'webinar', 'qa', 'implementation', 'request_meeting', 'preference', 'library'])[1 + n % 8], 'depth:1', 'reading_level:plain')))
        FROM generate_series(1, 40) n;
    PERFORM nurture_set_asset_status('a' || n, 1, 'in_review', 'year') FROM generate_series(1, 40) n;
    PERFORM nurture_approve('asset', 'a' || n, 1, 'medical', 'approved', 'year') FROM generate_series(1, 40) n;
END $$;

-- what leads do on a day, in the order of their numbers
CREATE PROCEDURE year.behave(today int) LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO nurture.event (lead_id, event_type, tags, properties)
        SELECT d.lead_id, k.event_type, ARRAY['topic:' || (ARRAY['moa', 'efficacy', 'safety', 'disease'])[1 + d.lead_id % 4]],
            CASE k.event_type WHEN 'time_on_page' THEN '{"seconds": 90}'::jsonb END
        FROM (SELECT l.lead_id, random() AS x FROM year.lead l, generate_series(1, 3)
              WHERE coalesce(today < l.quiet_after, true) AND random() < l.busy * 0.5 ORDER BY l.lead_id) d
        CROSS JOIN LATERAL (SELECT event_type FROM year.kind WHERE upto >= d.x ORDER BY upto LIMIT 1) k
        ORDER BY d.lead_id;
    PERFORM nurture_opt_out(lead_id, 'email', 'year') FROM (SELECT lead_id FROM year.lead WHERE random() < 0.0007 ORDER BY lead_id) o;
    PERFORM nurture_opt_in(lead_id, 'email', 'year') FROM (SELECT lead_id FROM year.lead WHERE random() < 0.0005 ORDER BY lead_id) o;
    PERFORM nurture_pause(lead_id, nurture_now() + interval '9 days', 'year') FROM (SELECT lead_id FROM year.lead WHERE random() < 0.0003 ORDER BY lead_id) o;
END $$;

-- a worker takes what is due and tells what became of it
CREATE PROCEDURE year.send() LANGUAGE plpgsql AS $$
DECLARE m record;
BEGIN
    FOR m IN SELECT lead_id, message_id, random() AS x FROM nurture_take('email', 1000, 'year') ORDER BY lead_id, message_id LOOP
        PERFORM nurture_ack(m.lead_id, m.message_id, 'sent');
        PERFORM nurture_ack(m.lead_id, m.message_id, CASE WHEN m.x < 0.01 THEN 'hard_bounce' WHEN m.x < 0.08 THEN 'clicked' WHEN m.x < 0.3 THEN 'opened' ELSE 'delivered' END);
    END LOOP;
END $$;

CREATE FUNCTION year.scores() RETURNS text LANGUAGE sql AS
$$ SELECT md5(string_agg(s::text, ';' ORDER BY s.lead_id)) FROM nurture_scores() s $$;

-- nothing here asks the functions of the product what they think
CREATE PROCEDURE year.check(week int) LANGUAGE plpgsql AS $$
DECLARE before text;
BEGIN
    INSERT INTO year.violation
        SELECT week, 'cap ' || c.cap, m.lead_id, format('%s messages until %s', x.n, m.t)
        FROM nurture.frequency_cap c
        CROSS JOIN LATERAL (SELECT lead_id, sent_at AS t, channel, message_class, family FROM nurture.message WHERE sent_at IS NOT NULL) m
        CROSS JOIN LATERAL (SELECT count(*) AS n FROM nurture.message o WHERE o.lead_id = m.lead_id AND o.sent_at > m.t - c.period AND o.sent_at <= m.t
                AND ('*' = ANY (c.channels) OR o.channel = ANY (c.channels)) AND ('*' = ANY (c.message_classes) OR o.message_class = ANY (c.message_classes))
                AND (NOT c.same_family OR o.family = m.family)) x
        WHERE c.clock = 'rolling' AND c.track IS NULL AND c.purpose IS NULL AND ('*' = ANY (c.message_classes) OR m.message_class = ANY (c.message_classes))
          AND m.t > nurture_now() - c.period - interval '8 days' AND x.n > c.n;
    INSERT INTO year.violation
        SELECT week, 'consent', m.lead_id, format('message %s', m.message_id)
        FROM nurture.message m
        CROSS JOIN LATERAL (SELECT kind FROM nurture.consent_event e WHERE e.lead_id = m.lead_id AND e.channel IN ('email', '*') AND e.purpose IN ('marketing', '*')
            AND e.recorded_at <= m.sent_at ORDER BY e.recorded_at DESC, e.consent_event_id DESC LIMIT 1) e
        WHERE m.sent_at > nurture_now() - interval '8 days' AND m.message_class = 'promotional' AND e.kind IN ('withdrawn', 'refused', 'objected');
    INSERT INTO year.violation
        SELECT week, 'stuck', lead_id, format('%s %s due %s', track, state, next_due_at)
        FROM nurture.enrollment
        WHERE state IN ('active', 'waiting') AND (next_due_at IS NULL OR next_due_at < nurture_now() - interval '1 day')
           OR state = 'paused' AND NOT EXISTS (SELECT FROM nurture.stop_effect s WHERE s.lead_id = enrollment.lead_id AND s.lifted_at IS NULL AND s.until > nurture_now());
    INSERT INTO year.violation
        SELECT week, 'no decision', m.lead_id, format('message %s', m.message_id)
        FROM nurture.message m
        WHERE m.requested_at > nurture_now() - interval '8 days' AND (m.decision IS NULL OR NOT EXISTS (
            SELECT FROM nurture.audit a WHERE a.lead_ref = m.lead_id AND a.kind = 'message' AND a.object = 'message:' || m.message_id));
    INSERT INTO year.violation
        SELECT week, 'no reason', lead_id, track FROM nurture.enrollment
        WHERE state IN ('exited', 'exhausted', 'completed') AND (coalesce(exit_reason, '') = '' OR exited_at IS NULL);
    INSERT INTO year.violation SELECT week, 'tick', lead_id, kind || ': ' || message FROM nurture.tick_error;
    before := year.scores();
    PERFORM nurture_rebuild();
    IF before IS DISTINCT FROM year.scores() THEN
        INSERT INTO year.violation VALUES (week, 'scores', NULL, 'not what a rebuild gives');
    END IF;
END $$;

CREATE PROCEDURE year.play(from_day int, to_day int) LANGUAGE plpgsql AS $$
BEGIN
    FOR day IN from_day .. to_day LOOP
        PERFORM year.at(day, 9);
        CALL year.behave(day);
        COMMIT;
        FOR hour IN 10 .. 11 LOOP
            PERFORM year.at(day, hour);
            PERFORM nurture_tick(10000, '1 hour');
            COMMIT;
            CALL year.send();
            COMMIT;
        END LOOP;
        IF day % 7 = 6 THEN
            CALL year.check(day / 7);
            COMMIT;
        END IF;
    END LOOP;
END $$;
SQL
my $begin = time;
$node->safe_psql('crm', "SELECT setseed(($seed % 1000000) / 1000000.0); CALL year.begin($leads)");
$node->safe_psql('crm', 'VACUUM ANALYZE');
$node->safe_psql('crm', "SELECT setseed(($seed % 999983) / 1000000.0); CALL year.play(0, @{[ $days - 1 ]})", timeout => 3600);
my $took = time - $begin;

is($node->safe_psql('crm', 'SELECT rule, count(*), min(week), min(lead_id), min(detail) FROM year.violation GROUP BY 1 ORDER BY 1'),
	'', "$days days of $leads leads without a violation");
my %did = map { split(/\|/, $_, 2) } split(/\n/, $node->safe_psql('crm', <<'SQL'));
SELECT 'events', count(*) FROM nurture.event UNION ALL SELECT 'sent', count(*) FROM nurture.message WHERE sent_at IS NOT NULL
UNION ALL SELECT 'refused', count(*) FROM nurture.message WHERE status = 'refused' UNION ALL SELECT 'enrolled', count(*) FROM nurture.enrollment
UNION ALL SELECT 'tracks', count(DISTINCT track) FROM nurture.enrollment UNION ALL SELECT 'ended', count(*) FROM nurture.enrollment WHERE exit_reason IS NOT NULL
UNION ALL SELECT 'handoffs', count(*) FROM nurture.handoff UNION ALL SELECT 'entries', count(*) FROM nurture.audit
SQL
note("$took s: ", join(', ', map { "$_ $did{$_}" } sort keys %did));
cmp_ok($did{$_}, '>', 0, "there were $_") foreach qw(events sent enrolled ended handoffs);
is(verify_errors($node, 'crm'), '', 'the audit trail of the year is whole');

# the checks can fail
$node->safe_psql('crm', "SET nurture.clock = '2026-01-08T00:00:00Z'; UPDATE nurture.frequency_cap SET n = 1, period = '3650 days' WHERE cap = (SELECT min(cap) FROM nurture.frequency_cap WHERE clock = 'rolling' AND NOT same_family)");
$node->safe_psql('crm', "SELECT year.at($days, 12); CALL year.check(-1)");
isnt($node->safe_psql('crm', "SELECT count(*) FROM year.violation WHERE week = -1 AND rule LIKE 'cap%'"), '0', 'a stricter cap than the one that was kept is seen as broken');
$node->stop;
done_testing();
