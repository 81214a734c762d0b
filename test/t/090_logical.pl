# Logical replication of the whole schema: what the publisher decided arrives
# as it is and is not decided again, the subscriber's caches follow its rules,
# its guards hold for everybody but the apply worker, and after a switch-over
# it goes on where the publisher stopped.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Nurture;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $publisher = cluster('publisher', conf => "wal_level = logical\nmax_wal_senders = 10\nmax_replication_slots = 10");
database($publisher, 'crm', 'pharma');
load_everything($publisher, 'crm');

# the schema alone, as for any subscriber
my $subscriber = cluster('subscriber', conf => "max_logical_replication_workers = 8\nmax_sync_workers_per_subscription = 4");
$subscriber->safe_psql('postgres', 'CREATE DATABASE crm TEMPLATE template0');
my $schema = $publisher->basedir . '/schema.sql';
command_ok([ 'pg_dump', '--schema-only', '--no-publications', '-f', $schema, $publisher->connstr('crm') ], 'the schema is dumped');
command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $schema, $subscriber->connstr('crm') ], 'and restored');
is($subscriber->safe_psql('crm', 'SELECT count(*) FROM nurture.lead'), '0', 'without rows');

$publisher->safe_psql('crm', 'CREATE PUBLICATION everything FOR TABLES IN SCHEMA nurture WITH (publish_via_partition_root = true)');
my $connection = $publisher->connstr('crm');
$subscriber->safe_psql('crm', "CREATE SUBSCRIPTION everything CONNECTION \$c\$$connection\$c\$ PUBLICATION everything");
$subscriber->wait_for_subscription_sync($publisher, 'everything', 'crm');
same('the first copy');

# one session of the subscriber that has read its rules
my $clock = $publisher->safe_psql('crm', q{SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')});
my $reader = $subscriber->background_psql('crm');
my $score = "SELECT string_agg(nurture_score(lead_id, 'dump_model')::text, ' ' ORDER BY lead_id) FROM nurture.lead";
$reader->query_safe("SET nurture.clock = '$clock'");
my $before = $reader->query_safe($score);
is($before, $publisher->safe_psql('crm', "SET nurture.clock = '$clock'; $score"), 'scores are the same');

# decisions of every kind
$publisher->safe_psql('crm', <<'SQL');
INSERT INTO nurture.event (lead_id, event_type, source, source_key) SELECT i, 'demo_requested', 'logical', 'd' || i FROM generate_series(21, 25) i;
INSERT INTO nurture.event (lead_id, event_type, source, source_key) VALUES (30, 'page_viewed', 'logical', 'p30'), (30, 'page_viewed', 'logical', 'p30');
INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) SELECT i, 'email', 'evidence', 'logical' FROM generate_series(1, 60) i;
SELECT nurture_opt_out(i) FROM generate_series(40, 50) i;
SELECT nurture_suppress('contact_point', 'lead51@example.org', 'asked');
UPDATE nurture.lead SET country = 'DE' WHERE lead_id BETWEEN 52 AND 55;
UPDATE nurture.event SET occurred_at = occurred_at - interval '1 day' WHERE source_key = 'd21';
DELETE FROM nurture.event WHERE source_key = 'd22';
SELECT nurture_audit_seal();
SQL
same('decisions arrive as they are');
is(verify_errors($subscriber, 'crm'), '', 'the audit trail verifies there');
cmp_ok($subscriber->safe_psql('crm', "SELECT count(*) FROM nurture.message WHERE occurrence_key = 'logical' AND status IN ('refused', 'cancelled')"),
	'>', 0, 'among them refusals');

# rules: the session that has read the old ones
$publisher->safe_psql('crm', <<'SQL');
SET nurture.app_user = 'somebody';
UPDATE nurture.signal_rule SET points = 3 WHERE model = 'dump_model' AND version = 2 AND rule = 'pages';
SELECT nurture_publish('model', 'dump_model', 2, 'replicated', true);
SQL
same('a published model arrives');
my $after = $reader->query_safe($score);
isnt($after, $before, 'a session with the old rules in its cache');
is($after, $publisher->safe_psql('crm', "SET nurture.clock = '$clock'; $score"), 'scores by the new ones');
$reader->quit;

# guards are for everybody but the apply worker
foreach my $mode ('origin', 'replica')
{
	my $set = "SET session_replication_role = $mode";

	is(sqlstate($subscriber, 'crm', "$set; UPDATE nurture.message SET status = 'queued' WHERE status = 'refused'"), 'NU008', "$mode: states of messages are guarded");
	is(sqlstate($subscriber, 'crm', "$set; DELETE FROM nurture.consent_event"), 'NU008', "$mode: so is what leads said");
	is(sqlstate($subscriber, 'crm', "$set; TRUNCATE nurture.audit"), 'NU008', "$mode: and the audit trail");
	is($subscriber->safe_psql('crm', "BEGIN; $set; INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) VALUES (41, 'email', 'evidence', '$mode') RETURNING status; ROLLBACK"),
		'refused', "$mode: a message of the subscriber's own is decided");
}

# the switch: the subscriber takes over
$publisher->stop;
$subscriber->safe_psql('crm', <<'SQL');
ALTER SUBSCRIPTION everything DISABLE;
ALTER SUBSCRIPTION everything SET (slot_name = NONE);
DROP SUBSCRIPTION everything;
SQL
like($subscriber->safe_psql('crm', 'SELECT string_agg(DISTINCT finding, $$ $$) FROM nurture_selfcheck() WHERE detail !~ $$^(fsync|full_page)$$'),
	qr/^sequence_behind$/, 'numbers would be given again');
$subscriber->safe_psql('crm', 'SELECT count(*) FROM nurture_selfcheck(true)');
is($subscriber->safe_psql('crm', 'SELECT count(*) FROM nurture_selfcheck() WHERE detail !~ $$^(fsync|full_page)$$'), '0', 'until repaired');
$subscriber->safe_psql('crm', <<'SQL');
INSERT INTO nurture.event (lead_id, event_type, source, source_key) VALUES (60, 'page_viewed', 'logical', 'after'), (30, 'page_viewed', 'logical', 'p30');
INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) VALUES (101, 'email', 'evidence', 'after');
SELECT nurture_opt_out(101);
SELECT nurture_audit_seal();
SQL
is($subscriber->safe_psql('crm', q{SELECT count(*) FROM nurture.event WHERE source_key IN ('after', 'p30')}), '2', 'events are counted, repeated ones are known');
is($subscriber->safe_psql('crm', q{SELECT status || ' ' || array_to_string(reasons, ' ') FROM nurture.message WHERE occurrence_key = 'after'}), 'cancelled frequency_cap consent_denied', 'messages are decided and cancelled');
is(verify_errors($subscriber, 'crm'), '', 'and all of it is on record');
is($subscriber->safe_psql('crm', <<'SQL'), '0', 'activity is what a rebuild makes');
CREATE TEMP TABLE kept AS SELECT * FROM nurture.activity;
DO $$ BEGIN PERFORM nurture_rebuild(); END $$;
SELECT count(*) FROM kept FULL JOIN nurture.activity a USING (lead_id)
WHERE nurture_tally_send(kept.signals) IS DISTINCT FROM nurture_tally_send(a.signals)
SQL

$subscriber->stop;
done_testing();

# Both sides have the same rows once all has been applied.
sub same
{
	my ($what) = @_;

	$publisher->wait_for_catchup('everything');
	is(differences(picture($publisher, 'crm'), picture($subscriber, 'crm')), '', $what);
	return;
}
