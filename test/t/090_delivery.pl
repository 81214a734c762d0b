# Workers and their connections are killed at random moments. Whatever happens,
# a message of a channel that delivers at most once reaches the provider at most
# once, one of a channel that delivers at least once reaches it once or twice
# unless both of its workers died before they could send it, nobody gets what
# the lead has opted out of, and every message comes to an end that says so.
#
# The provider is a program with a log of its own, outside the database.
# NURTURE_DELIVERY_KILLS makes the test longer.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Nurture;
use PostgreSQL::Test::Utils;
use Test::More;
use POSIX ':sys_wait_h';
use Time::HiRes qw(sleep time);

my $kills = $ENV{NURTURE_DELIVERY_KILLS} // 40;
my $seed = $ENV{NURTURE_SEED} // int(rand(2**31));
srand($seed);
note("NURTURE_SEED=$seed");

my $node = cluster('delivery', conf => "fsync = off\nmax_connections = 40");
database($node, 'delivery', 'pharma');
$node->safe_psql('delivery', slurp_file("$FindBin::Bin/delivery.sql"), on_error_stop => 1);
my $messages = $node->safe_psql('delivery', q{SELECT count(*) FROM nurture.message WHERE status = 'queued'});
is($messages, 480, 'all messages wait');

# The provider: slow, and it writes down what it gets.
my $log = $node->basedir . '/provider.log';
my $provider = $node->basedir . '/provider';
append_to_file($log, '');
append_to_file($provider, <<"SH");
#!/bin/sh
sleep 0.0\$((\$\$ % 5))
# a worker that was killed before it had said what to send
key=\$(sed -nE 's/.*"key": *"([0-9-]+)".*/\\1/p')
[ -n "\$key" ] || exit 1
echo "\$key" >> '$log'
sleep 0.0\$((\$\$ % 3))
echo "id-\$key"
SH
chmod 0755, $provider;

my $worker = "$FindBin::Bin/../../examples/delivery/worker";
my %running;
my $number = 0;

sub start_worker
{
	my ($channel) = @_;
	my $name = "$channel-" . ++$number;
	my $pid = fork // BAIL_OUT("cannot fork: $!");

	if ($pid == 0)
	{
		$ENV{PGHOST} = $node->host;
		$ENV{PGPORT} = $node->port;
		$ENV{PGDATABASE} = 'delivery';
		$ENV{PGAPPNAME} = "worker $channel";
		open STDERR, '>>', $node->basedir . '/workers.err';
		open STDOUT, '>', '/dev/null';
		exec('python3', $worker, $channel, $name, $provider, '--batch', 1 + int(rand(6)), '--lease', '800 milliseconds') or POSIX::_exit(1);
	}
	$running{$pid} = $channel;
	return;
}

start_worker($_) foreach (qw(once once once least least least));
my %killed = (worker => 0, connection => 0);
my $deadline = time + 120;
while ($killed{worker} + $killed{connection} < $kills && time < $deadline)
{
	sleep(0.02 + rand(0.2));
	if (rand() < 0.5)
	{
		my @pids = keys %running;
		my $pid = $pids[ rand @pids ];

		kill 'KILL', $pid;
		waitpid($pid, 0);
		start_worker(delete $running{$pid});
		$killed{worker}++;
	}
	else
	{
		$killed{connection} += $node->safe_psql('delivery', <<'SQL');
SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'worker %' ORDER BY random() LIMIT 1) s
SQL
	}
	if (rand() < 0.3)
	{
		# a lead that leaves in the middle of it; both sides may have to run again
		$node->psql('delivery', q{SELECT nurture_opt_out(lead_id) FROM (SELECT lead_id FROM nurture.message WHERE status IN ('queued', 'taken') ORDER BY random() LIMIT 1) s});
	}
	$node->psql('delivery', 'SELECT done FROM nurture_tick()') if rand() < 0.2;
}
note("killed $killed{worker} workers and $killed{connection} connections");
cmp_ok($killed{worker}, '>', 5, 'workers were killed');
cmp_ok($killed{connection}, '>', 5, 'connections were cut');

# those that are left bring everything to its end
foreach (1 .. 600)
{
	last if $node->safe_psql('delivery', q{SELECT count(*) FROM nurture.message WHERE status IN ('queued', 'taken')}) eq '0';
	$node->psql('delivery', 'SELECT done FROM nurture_tick()');
	sleep(0.2);
}
foreach my $pid (keys %running)
{
	kill 'TERM', $pid;
	waitpid($pid, 0);
}
# a provider whose worker died may still be at it
sleep(0.5);

my @sent = split(/\n/, slurp_file($log));
$node->safe_psql('delivery', 'CREATE TABLE provider (lead_id bigint, message_id bigint)');
$node->safe_psql('delivery', 'INSERT INTO provider VALUES ' . join(', ', map { '(' . s/-/, /r . ')' } @sent));
note('the provider got ' . @sent . ' messages');
note($node->safe_psql('delivery', q{SELECT string_agg(concat_ws(' ', channel, status, takes, reasons, n), E'\n' ORDER BY channel, status, takes) FROM (SELECT channel, status, takes, reasons, count(*) AS n FROM nurture.message GROUP BY 1, 2, 3, 4) s}));

is($node->safe_psql('delivery', q{SELECT count(*) FROM nurture.message WHERE status NOT IN ('sent', 'failed', 'cancelled')}), 0, 'every message has come to an end');
is($node->safe_psql('delivery', q{SELECT count(*) FROM nurture.message}), $messages, 'none is lost');
is($node->safe_psql('delivery', q{SELECT count(*) FROM (SELECT FROM provider JOIN nurture.message m USING (lead_id, message_id) WHERE m.channel = 'once' GROUP BY lead_id, message_id HAVING count(*) > 1) s}),
	0, 'at most once: the provider never got a message twice');
is($node->safe_psql('delivery', q{SELECT count(*) FROM (SELECT FROM provider GROUP BY lead_id, message_id HAVING count(*) > 2) s}), 0, 'at least once: at most twice');
is($node->safe_psql('delivery', q{SELECT count(*) FROM nurture.message m WHERE m.channel = 'least' AND NOT EXISTS (SELECT FROM provider p WHERE p.message_id = m.message_id)
	AND NOT (m.status = 'cancelled' OR COALESCE(m.reasons && '{consent_denied}', false) OR (m.status = 'failed' AND m.takes = 2))}),
	0, 'and at least once, unless the lead left or both workers died');
is($node->safe_psql('delivery', q{SELECT count(*) FROM nurture.message m WHERE m.status = 'sent' AND NOT EXISTS (SELECT FROM provider p WHERE p.message_id = m.message_id)}), 0, 'what says that it was sent was sent');
is($node->safe_psql('delivery', q{SELECT count(*) FROM provider p JOIN nurture.message m USING (lead_id, message_id) WHERE m.status <> 'sent' AND NOT COALESCE(m.reasons && '{lease_expired}', false) AND m.takes < 2}),
	0, 'what was sent says so, unless the worker died before it could tell');
is($node->safe_psql('delivery', q{SELECT count(*) FROM nurture.message WHERE takes > CASE channel WHEN 'once' THEN 1 ELSE 2 END}), 0, 'nothing was taken more often than its channel says');
is($node->safe_psql('delivery', q{SELECT count(*) FROM nurture.message m WHERE m.takes <> (SELECT count(*) FROM nurture.audit a WHERE a.object = 'message:' || m.message_id AND a.kind = 'message' AND a.outcome = 'taken')}),
	0, 'each take is on record');
is($node->safe_psql('delivery', q{SELECT count(*) FROM nurture.message m WHERE m.status IN ('sent', 'failed') AND m.cancel_requested IS FALSE AND NOT EXISTS (SELECT FROM nurture.audit a WHERE a.object = 'message:' || m.message_id AND a.kind = 'delivery')}),
	0, 'and so is each end');
is($node->safe_psql('delivery', q{SELECT count(*) FROM nurture.message m WHERE m.status = 'sent' AND m.cancel_requested AND NOT COALESCE(m.reasons && '{sent_after_opt_out}', false)}), 0, 'what went out after an opt-out is marked');
is($node->safe_psql('delivery', q{SELECT count(*) FROM nurture.tick_error}), 0, 'no tick failed');
is(verify_errors($node, 'delivery'), '', 'the audit trail verifies');
$node->stop;
done_testing();
