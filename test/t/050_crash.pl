# The server is killed in the middle of writing, twice: what was
# committed is there, activity is what a rebuild makes, no event is counted
# without its row, and the audit trail verifies.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Nurture;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = cluster('crash', conf => "fsync = on\nsynchronous_commit = on");
database($node, 'crash', 'pharma');
load_everything($node, 'crash');

my $script = $node->basedir . '/writer.sql';
append_to_file($script, <<'SQL');
\set lead random(1, 250)
\set key random(1, 1000000000)
BEGIN;
INSERT INTO nurture.event (lead_id, event_type, source, source_key)
    SELECT :lead, 'page_viewed', 'crash', :key::text || '-' || i || '-' || :client_id FROM generate_series(1, 3) i;
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (:lead, 'email', 'evidence');
END;
SQL

foreach my $turn (1 .. 2)
{
	my $committed = $node->safe_psql('crash', q{SELECT count(*) FROM nurture.event WHERE source = 'crash'});
	my $picture = picture($node, 'crash');
	my ($out, $err) = ('', '');
	my $writers = IPC::Run::start(
		[   'pgbench', '-n', '-c', '4', '-j', '2', '-T', '60', '-f', $script,
			'-h', $node->host, '-p', $node->port, 'crash'
		],
		'>' => \$out, '2>' => \$err);
	my $sealer = $node->background_psql('crash', on_error_stop => 0);
	$node->poll_query_until('crash', "SELECT count(*) >= $committed + 150 * $turn FROM nurture.event WHERE source = 'crash'");
	$sealer->query('SELECT nurture_audit_seal();');
	$node->poll_query_until('crash', "SELECT count(*) >= $committed + 300 * $turn FROM nurture.event WHERE source = 'crash'");

	# a transaction that never ends
	$sealer->query(q{BEGIN; INSERT INTO nurture.event (lead_id, event_type, source, source_key) VALUES (7, 'page_viewed', 'open', 'never');});
	$node->kill9;
	$writers->finish;
	eval { $sealer->{run}->finish; };

	# the killed server's children hold its shared memory until they notice
	my $started;
	foreach (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		last if $started = $node->start(fail_ok => 1);
		select(undef, undef, undef, 0.1);
		$node->stop('fast', fail_ok => 1);
	}
	BAIL_OUT('the server does not start again') unless $started;

	cmp_ok($node->safe_psql('crash', q{SELECT count(*) FROM nurture.event WHERE source = 'crash'}),
		'>=', $committed + 300 * $turn, "turn $turn: what was seen committed is there");
	is($node->safe_psql('crash', q{SELECT count(*) FROM nurture.event WHERE source = 'open'}), '0', "turn $turn: what was not committed is not");
	is($node->safe_psql('crash', q{SELECT count(*) FROM nurture.event_key k FULL JOIN nurture.event e ON e.lead_id = k.lead_id AND e.event_id = k.event_id WHERE e.source_key IS NOT NULL AND k.lead_id IS NULL OR e.lead_id IS NULL AND k.source = 'crash'}),
		'0', "turn $turn: every key has its event and every event its key");
	is($node->safe_psql('crash', <<'SQL'), '0', "turn $turn: activity is what a rebuild makes, byte by byte");
CREATE TEMP TABLE kept AS SELECT * FROM nurture.activity;
DO $$ BEGIN PERFORM nurture_rebuild(); END $$;
SELECT count(*) FROM kept FULL JOIN nurture.activity a USING (lead_id)
WHERE nurture_tally_send(kept.signals) IS DISTINCT FROM nurture_tally_send(a.signals)
   OR nurture_tally_send(kept.topics) IS DISTINCT FROM nurture_tally_send(a.topics)
   OR kept.last_event_at IS DISTINCT FROM a.last_event_at
SQL
	is(verify_errors($node, 'crash'), '', "turn $turn: the audit trail verifies");
	$node->safe_psql('crash', 'SELECT nurture_audit_seal()');
	is(verify_errors($node, 'crash'), '', "turn $turn: and can be sealed on");
	is( $node->safe_psql('crash', <<'SQL'), '0', "turn $turn: no cap was passed");
SELECT count(*) FROM (SELECT lead_id FROM nurture.message WHERE status IN ('queued', 'taken', 'sent', 'delivered') AND message_class = 'promotional'
                      AND coalesce(not_before, decided_at) < now() + interval '7 days' GROUP BY 1 HAVING count(*) > 2) s
SQL
}

$node->stop;
done_testing();
