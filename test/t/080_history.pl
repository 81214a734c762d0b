# A random concurrent history: clients that send and take, and clients that
# forbid, at every isolation level; nothing that was forbidden may be queued or
# taken, no cap may be exceeded, and every decision must be on record.
#
# NURTURE_SEED repeats a run as far as concurrency allows;
# NURTURE_HISTORY_SECONDS and NURTURE_HISTORY_CLIENTS make it longer or wider,
# NURTURE_HISTORY_OPERATIONS says how many operations have to be committed.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Nurture;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{NURTURE_SEED} // int(rand(2**31));
my $seconds = $ENV{NURTURE_HISTORY_SECONDS} // 15;
my $clients = $ENV{NURTURE_HISTORY_CLIENTS} // 16;
my $operations = $ENV{NURTURE_HISTORY_OPERATIONS} // 0;
my $directory = "$FindBin::Bin/../history";

my $node = cluster('history', conf => "fsync = off\nmax_connections = " . ($clients + 20));
$node->safe_psql('postgres', 'CREATE DATABASE history TEMPLATE template0');
$node->safe_psql('history', slurp_file("$directory/setup.sql"));

local $ENV{PGHOST} = $node->host;
local $ENV{PGPORT} = $node->port;
my ($stdout, $stderr) = ('', '');
my $result = IPC::Run::run(
	[ "$directory/run", 'history', '--seed', $seed, '--seconds', $seconds, '--clients', $clients, '--operations', $operations ],
	'>', \$stdout, '2>', \$stderr);
note($stdout);
ok($result, 'nothing that was forbidden was queued or taken') or diag("$stdout\n$stderr");
like($stdout, qr/history: no violation/, 'the checker judged the whole history');
my ($committed) = $stdout =~ /(\d+) operations in/;
cmp_ok($committed // 0, '>=', $operations || 100, 'a history worth judging');

$node->stop;
done_testing();
