# Lives of a database: a dump restored into another cluster, recovery to a
# point in time, a promotion and pg_upgrade are each recognised by the next
# append or the next seal, and the log is good before and after, also by
# digests from before.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Nurture;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use File::Spec;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 1, has_archiving => 1);
my $archive = File::Spec->rel2abs($node->archive_dir);
$node->append_conf('postgresql.conf',
	"fsync = off\nmax_prepared_transactions = 5\narchive_command = 'cp \"%p\" \"$archive/%f\"'\n");
$node->start;
database($node, 'crm', 'minimal');

my $changes = 0;
sub change
{
	my ($server, $database) = @_;
	$changes++;
	$server->safe_psql($database // 'crm',
		"INSERT INTO nurture.event_type (event_type, class) VALUES ('life_$changes', 'intent')");
	return;
}

# The findings by all digests.
my @digests;
sub verify
{
	my ($server, $database) = @_;
	return $server->safe_psql($database // 'crm',
		"SELECT * FROM nurture_audit_verify(digests => '[" . join(',', @digests) . "]')");
}

# Incarnations, what each found at its beginning, and whether all is sealed.
sub lives
{
	my ($server, $database) = @_;
	return $server->safe_psql($database // 'crm', <<'SQL');
SELECT string_agg(format('%s from %s', i.incarnation, coalesce(i.head_block::text, 'nothing')), ', ' ORDER BY i.incarnation)
    || CASE WHEN (SELECT count(*) FROM nurture.audit) = (SELECT max(tree_size) FROM nurture.seal) THEN ', all sealed' ELSE ', some open' END
FROM nurture.incarnation i WHERE i.head_hash IS NOT DISTINCT FROM (SELECT hash FROM nurture.seal WHERE block = i.head_block)
SQL
}

# What holds of a database that has just come to another life: it is good as it
# is, and the next append or seal begins an incarnation.
sub reborn
{
	my ($server, $how, %options) = @_;
	my $database = $options{database} // 'crm';
	my $number = $options{number} // 2;
	my $last = $server->safe_psql($database, 'SELECT max(block) FROM nurture.seal');
	my $before = lives($server, $database) =~ s/, [a-z ]+$//r;

	is(verify($server, $database), '', "$how: the log is good as it came");
	if ($options{seal_first})
	{
		$server->safe_psql($database, 'SELECT nurture_audit_seal()');
		is(lives($server, $database), "$before, $number from $last, all sealed", "$how: the next seal begins an incarnation");
		is(verify($server, $database), '', "$how: and the log is good");
		change($server, $database);
	}
	else
	{
		change($server, $database);
		is(lives($server, $database), "$before, $number from $last, some open", "$how: the next append begins an incarnation");
		is(verify($server, $database), '', "$how: and the log is good");
	}
	is($server->safe_psql($database, 'SELECT incarnation FROM nurture.audit ORDER BY audit_id DESC LIMIT 1'),
		$number, "$how: an entry names it");
	$server->safe_psql($database, 'SELECT nurture_audit_seal()');
	is(lives($server, $database), "$before, $number from $last, all sealed", "$how: all is sealed");
	change($server, $database);
	$server->safe_psql($database, 'SELECT nurture_audit_seal()');
	is(lives($server, $database), "$before, $number from $last, all sealed", "$how: and no incarnation more");
	is(verify($server, $database), '', "$how: good after all, also by digests from before");
	return;
}

# some sealed, some not
change($node) for 1 .. 3;
$node->safe_psql('crm', 'SELECT nurture_audit_seal()');
push @digests, $node->safe_psql('crm', 'SELECT nurture_audit_digest()');
change($node);
$node->restart;
change($node);
is(lives($node), '1 from nothing, some open', 'a restart is no other life');
$node->safe_psql('crm', 'SELECT nurture_audit_seal()');
push @digests, $node->safe_psql('crm', 'SELECT nurture_audit_digest()');
change($node);

# ---- a dump in another cluster
my $other = PostgreSQL::Test::Cluster->new('other');
$other->init;
$other->append_conf('postgresql.conf', "fsync = off\n");
$other->start;
my $dump = $node->basedir . '/crm.dump';
command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $node->connstr('crm') ], 'dump');
foreach my $name (qw(appends seals))
{
	$other->safe_psql('postgres', "CREATE DATABASE $name TEMPLATE template0");
	command_ok([ 'pg_restore', '-d', $other->connstr($name), $dump ], 'restore');
	reborn($other, "restored elsewhere, $name", database => $name, seal_first => $name eq 'seals');
}
is($other->safe_psql('appends', 'SELECT count(DISTINCT system_identifier) FROM nurture.incarnation'), '2', 'of another cluster');

# a restored database dumped and restored again: one more
command_ok([ 'pg_dump', '-Fc', '-f', "$dump.2", '-d', $other->connstr('seals') ], 'dump again');
$other->safe_psql('postgres', 'CREATE DATABASE again TEMPLATE template0');
command_ok([ 'pg_restore', '-d', $other->connstr('again'), "$dump.2" ], 'restore again');
reborn($other, 'restored again', database => 'again', number => 3);

# ---- pg_upgrade, with the same version on both sides
my $upgraded = PostgreSQL::Test::Cluster->new('upgraded');
$upgraded->init;
$upgraded->append_conf('postgresql.conf', "fsync = off\n");
$other->safe_psql('postgres', "DROP DATABASE $_") foreach qw(seals again);
$other->stop;
my $bin = $node->config_data('--bindir');
my $pwd = $node->basedir;
my ($out, $err) = run_command(
	[   'sh', '-c', 'cd "$1" && shift && exec "$@"', 'sh', $pwd, 'pg_upgrade', '--no-sync', '-b', $bin, '-B', $bin,
		'-d', File::Spec->rel2abs($other->data_dir), '-D', File::Spec->rel2abs($upgraded->data_dir),
		'-p', $other->port, '-P', $upgraded->port, '-s', $other->host
	]);
is($?, 0, 'pg_upgrade') or diag("$out\n$err");
$upgraded->start;
reborn($upgraded, 'upgraded', database => 'appends', number => 3);
$upgraded->stop;

# ---- recovery to a point in time: what came after it is lost, and a digest of
# what is lost shows that
$node->backup('base');
change($node);
$node->safe_psql('crm', 'SELECT nurture_audit_seal()');
push @digests, $node->safe_psql('crm', 'SELECT nurture_audit_digest()');
change($node);
my $target = $node->safe_psql('postgres', 'SELECT pg_current_wal_lsn()');
change($node);
$node->safe_psql('crm', 'SELECT nurture_audit_seal()');
my $late = $node->safe_psql('crm', 'SELECT nurture_audit_digest()');
my $segment = $node->safe_psql('postgres', 'SELECT pg_walfile_name(pg_current_wal_lsn())');
$node->safe_psql('postgres', 'SELECT pg_switch_wal()');
$node->poll_query_until('postgres', "SELECT last_archived_wal >= '$segment' FROM pg_stat_archiver")
  or die 'nothing was archived';
my $recovered = PostgreSQL::Test::Cluster->new('recovered');
$recovered->init_from_backup($node, 'base', has_restoring => 1, standby => 0);
$recovered->append_conf('postgresql.conf', 
	"restore_command = 'cp \"$archive/%f\" \"%p\"'\nrecovery_target_lsn = '$target'\nrecovery_target_action = promote\n");
$recovered->start;
$recovered->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'no end of recovery';
reborn($recovered, 'recovered to a point in time');
like($recovered->safe_psql('crm', "SELECT class FROM nurture_audit_verify(digests => '$late')"), qr/^(truncated|digest)$/,
	'recovered to a point in time: a digest from after it tells');
is(verify($node), '', 'and the first goes on as it was');

# ---- promotion, with a block under way on the primary
$node->backup('stream');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'stream', has_streaming => 1);
$standby->start;
change($node);
$node->safe_psql('crm', 'SELECT nurture_audit_seal()');
push @digests, $node->safe_psql('crm', 'SELECT nurture_audit_digest()');
change($node);
$node->wait_for_catchup($standby);
is(verify($standby), '', 'a standby verifies');
$node->stop('immediate');
$standby->promote;
reborn($standby, 'promoted', seal_first => 1);
$standby->stop;
$recovered->stop;

done_testing();
