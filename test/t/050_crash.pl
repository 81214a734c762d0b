# The server is killed in the middle of writing, again and again: what was
# acknowledged is there, opt-outs above all, nothing is queued against them, no
# message is without its audit entry, activity is what a rebuild makes, no event
# is counted without its row, and the audit trail verifies.
#
# NURTURE_CRASHES says how often.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Nurture;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $crashes = $ENV{NURTURE_CRASHES} // 2;
my $seed = $ENV{NURTURE_SEED} // int(rand(2**31));
my $talkers = 3;			# sessions that note what was acknowledged
my $each = 200;				# leads that each of them opts out in a turn
srand($seed);
note("NURTURE_SEED=$seed");

my $node = cluster('crash', conf => "fsync = on\nsynchronous_commit = on\nmax_wal_size = 64MB");
database($node, 'crash', 'pharma');
load_everything($node, 'crash');
$node->safe_psql('crash', q{CREATE TABLE acknowledged (turn int, kind text, lead_id bigint, message_id bigint)});

my $script = $node->basedir . '/writer.sql';
append_to_file($script, <<'SQL');
\set lead random(:first, :last)
\set key random(1, 1000000000)
BEGIN;
INSERT INTO nurture.event (lead_id, event_type, source, source_key)
    SELECT :lead, 'page_viewed', 'crash', :key::text || '-' || i || '-' || :client_id FROM generate_series(1, 3) i;
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (:lead, 'email', 'evidence');
END;
SQL

# Statements that are transactions of their own: psql prints what one returned
# when its commit was acknowledged, and not before.
sub talk
{
	my ($file, $first) = @_;
	my $text = '';

	foreach my $lead ($first .. $first + $each - 1)
	{
		my $sent = $first + int(rand($each));

		$text .= "INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES ($sent, 'email', 'moa_overview') RETURNING 'message', lead_id, message_id;\n";
		$text .= "SELECT 'opt_out', $lead, 0 * nurture_opt_out($lead);\nSELECT pg_sleep(0.002);\n";
	}
	append_to_file($file, $text);
	return;
}

# The number that a query counts.
sub counted
{
	my ($sql) = @_;

	return $node->safe_psql('crash', $sql);
}

sub zero
{
	my ($turn, $what, $sql) = @_;

	return is(counted($sql), '0', "turn $turn: $what");
}

my %acknowledged = (opt_out => 0, message => 0);
foreach my $turn (1 .. $crashes)
{
	my $committed = counted(q{SELECT count(*) FROM nurture.event WHERE source = 'crash'});
	my ($out, $err) = ('', '');
	my $first = 1000 * $turn;
	my $last = $first + $talkers * $each - 1;

	$node->safe_psql('crash', <<"SQL", on_error_stop => 1);
INSERT INTO nurture.lead (lead_id, email, audience_type, audience_verified_at, country, language, time_zone)
    SELECT i, 'crash' || i || '\@example.org', 'hcp', now(), 'FR', 'fr', 'Europe/Paris' FROM generate_series($first, $last) i;
SELECT count(nurture_opt_in(i, 'email')) FROM generate_series($first, $last) i;
SQL
	my $writers = IPC::Run::start(
		[   'pgbench', '-n', '-c', '4', '-j', '2', '-T', '60', '-f', $script,
			'-D', "first=$first", '-D', "last=$last",
			'-h', $node->host, '-p', $node->port, 'crash'
		],
		'>' => \$out, '2>' => \$err);
	my @said = ('') x $talkers;
	my @errors = ('') x $talkers;
	my @talkers;
	foreach my $i (0 .. $talkers - 1)
	{
		my $file = $node->basedir . "/talk-$turn-$i.sql";

		talk($file, $first + $i * $each);
		push @talkers, IPC::Run::start([ 'psql', '-X', '-A', '-t', '-q', '-f', $file, '-d', $node->connstr('crash') ],
			'>' => \$said[$i], '2>' => \$errors[$i]);
	}
	my $sealer = $node->background_psql('crash', on_error_stop => 0);
	$node->poll_query_until('crash', "SELECT count(*) >= $committed + 100 FROM nurture.event WHERE source = 'crash'");
	$sealer->query('SELECT nurture_audit_seal();');
	$node->poll_query_until('crash', "SELECT count(*) >= $committed + 200 FROM nurture.event WHERE source = 'crash'");

	# a transaction that never ends
	$sealer->query(q{BEGIN; INSERT INTO nurture.event (lead_id, event_type, source, source_key) VALUES (7, 'page_viewed', 'open', 'never');});
	sleep(rand(0.3));
	$node->kill9;
	$writers->finish;
	$_->finish foreach @talkers;
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

	my @lines = grep { /^(opt_out|message)\|\d+\|\d+$/ } map { split(/\n/) } @said;
	my %now = (opt_out => 0, message => 0);
	$now{ (split(/\|/))[0] }++ foreach @lines;
	$acknowledged{$_} += $now{$_} foreach keys %now;
	cmp_ok($now{opt_out}, '>', 0, "turn $turn: opt-outs were acknowledged before the server died");
	$node->safe_psql('crash', 'INSERT INTO acknowledged VALUES ' . join(', ', map { my ($kind, $lead, $message) = split(/\|/); "($turn, '$kind', $lead, $message)" } @lines), on_error_stop => 1)
	  if @lines;

	zero($turn, 'no acknowledged opt-out is lost', <<'SQL');
SELECT count(*) FROM acknowledged a WHERE kind = 'opt_out'
  AND NOT EXISTS (SELECT FROM nurture.consent c WHERE c.lead_id = a.lead_id AND c.channel = '*' AND c.state = 'withdrawn')
SQL
	zero($turn, 'no acknowledged message is lost', <<'SQL');
SELECT count(*) FROM acknowledged a WHERE kind = 'message' AND NOT EXISTS (SELECT FROM nurture.message m WHERE m.lead_id = a.lead_id AND m.message_id = a.message_id)
SQL
	zero($turn, 'nothing is queued against an opt-out', <<'SQL');
SELECT count(*) FROM nurture.message m JOIN nurture.consent c USING (lead_id) WHERE m.status IN ('queued', 'held', 'taken') AND c.channel = '*' AND c.state = 'withdrawn'
SQL
	zero($turn, 'every message has its audit entry, and every decision its message', <<'SQL');
SELECT count(*) FROM (SELECT lead_id, 'message:' || message_id AS object FROM nurture.message WHERE lead_id >= 1000) m
FULL JOIN (SELECT DISTINCT lead_ref AS lead_id, object FROM nurture.audit WHERE kind = 'message' AND lead_ref >= 1000) a USING (lead_id, object)
WHERE m.object IS NULL OR a.object IS NULL
SQL
	cmp_ok(counted(q{SELECT count(*) FROM nurture.event WHERE source = 'crash'}),
		'>=', $committed + 200, "turn $turn: what was seen committed is there");
	zero($turn, 'what was not committed is not', q{SELECT count(*) FROM nurture.event WHERE source = 'open'});
	zero($turn, 'every key has its event and every event its key',
		q{SELECT count(*) FROM nurture.event_key k FULL JOIN nurture.event e ON e.lead_id = k.lead_id AND e.event_id = k.event_id WHERE e.source_key IS NOT NULL AND k.lead_id IS NULL OR e.lead_id IS NULL AND k.source = 'crash'});
	zero($turn, 'activity is what a rebuild makes, byte by byte', <<'SQL');
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
	zero($turn, 'no cap was passed', <<'SQL');
SELECT count(*) FROM (SELECT lead_id FROM nurture.message WHERE status IN ('queued', 'taken', 'sent', 'delivered') AND message_class = 'promotional'
                      AND coalesce(not_before, decided_at) < now() + interval '7 days' GROUP BY 1 HAVING count(*) > 2) s
SQL
}
note("$crashes crashes; acknowledged: $acknowledged{opt_out} opt-outs, $acknowledged{message} messages");
note($node->safe_psql('crash', q{SELECT string_agg(status || ' ' || n, ', ') FROM (SELECT status, count(*) AS n FROM nurture.message WHERE lead_id >= 1000 GROUP BY 1 ORDER BY 1) s}));

$node->stop;
done_testing();
