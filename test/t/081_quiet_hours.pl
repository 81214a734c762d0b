# Quiet hours at the edges of daylight saving, against Python's reader of the
# tz database: a few zones, others each time; NURTURE_QUIET_EVERY=1 takes all.
# NURTURE_SEED repeats a choice.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Nurture;
use PostgreSQL::Test::Utils;
use Test::More;

my $every = $ENV{NURTURE_QUIET_EVERY} // 40;
my $seed = $ENV{NURTURE_SEED} // int(rand(2**31));
my $node = cluster('quiet', conf => 'fsync = off');
$node->safe_psql('postgres', 'CREATE DATABASE quiet TEMPLATE template0');
$node->safe_psql('quiet', q{CREATE EXTENSION nurture; SELECT nurture_install('pharma')});

local $ENV{PGHOST} = $node->host;
local $ENV{PGPORT} = $node->port;
my ($stdout, $stderr) = ('', '');
my $result = IPC::Run::run([ "$FindBin::Bin/../oracle/quiet_hours", 'quiet', '--every', $every, '--first', $seed ],
	'>', \$stdout, '2>', \$stderr);
note("seed $seed: $stdout");
ok($result, 'every answer is the first instant that is not quiet') or diag("seed $seed\n$stdout\n$stderr");
my ($edges) = $stdout =~ /(\d+) edges, \d+ questions, 0 wrong$/m;
cmp_ok($edges // 0, '>', 100, 'edges of daylight saving were asked about');

$node->stop;
done_testing();
