# What the TAP tests share: clusters of their own, a database with something in
# every table, and a picture of all of it to compare after a restore or crash.
package Nurture;

use strict;
use warnings;
use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(cluster database load_everything picture differences scores
  sqlstate verify_errors row_of);

# A running cluster; settings are lines of postgresql.conf.
sub cluster
{
	my ($name, %options) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(
		allows_streaming => $options{streaming} // 0,
		extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
	$node->append_conf('postgresql.conf', <<CONF);
shared_buffers = 64MB
max_connections = 30
max_prepared_transactions = 5
timezone = 'UTC'
CONF
	$node->append_conf('postgresql.conf', $options{conf}) if $options{conf};
	$node->start;
	return $node;
}

# A database with the extension, and with nurture installed when a preset is named.
sub database
{
	my ($node, $database, $preset) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE template0");
	$node->safe_psql($database, 'CREATE EXTENSION nurture');
	$node->safe_psql($database, "SELECT nurture_install('$preset')") if $preset;
	return $database;
}

# Something in every room: facts, events of every kind of signal, a model of
# its own, assets, consent, messages that pass and messages that do not,
# hand-offs, sealed and unsealed audit entries.
sub load_everything
{
	my ($node, $database) = @_;

	$node->safe_psql($database,
		slurp_file(__FILE__ =~ s{[^/]*$}{loaded.sql}r),
		on_error_stop => 1);
	return;
}

# One line per table of nurture: its name, its number of rows and a digest of
# them, whatever order they are stored in.
sub picture
{
	my ($node, $database, @but) = @_;
	my $but = join(',', map { "'$_'" } ('', @but));
	my $tables = $node->safe_psql($database, <<SQL);
SELECT c.oid::regclass
FROM pg_class c
WHERE relnamespace = 'nurture'::regnamespace AND relkind IN ('r', 'p')
  AND relname NOT IN ($but)
ORDER BY relname COLLATE "C"
SQL
	my $query = join(
		"\nUNION ALL\n",
		map {
			"SELECT '$_', count(*), md5(coalesce(string_agg(md5(t::text), '' ORDER BY md5(t::text) COLLATE \"C\"), '')) FROM $_ t"
		  }
		  split(/\n/, $tables));

	return { map { my ($table, $rows) = split(/\|/, $_, 2); $table => $rows }
		  split(/\n/, $node->safe_psql($database, $query)) };
}

# The tables in which two pictures differ, in words.
sub differences
{
	my ($old, $new) = @_;
	my %tables = map { $_ => 1 } (keys %$old, keys %$new);

	return join('; ',
		map { "$_: " . ($old->{$_} // 'none') . ' -> ' . ($new->{$_} // 'none') }
		  grep { ($old->{$_} // '') ne ($new->{$_} // '') } sort keys %tables);
}

# Every score of every lead at one instant, as text.
sub scores
{
	my ($node, $database, $clock, $before) = @_;

	$before //= '';
	return $node->safe_psql($database, <<SQL);
SET nurture.clock = '$clock';
$before;
SELECT m.model, s.lead_id, s.fit, s.intent, s.total, s.grade, s.confidence
FROM nurture.model m, nurture_scores(m.model) s
ORDER BY 1, 2;
SQL
}

# The SQLSTATE that a statement ends with, 00000 when it succeeds.
sub sqlstate
{
	my ($node, $database, $sql, %options) = @_;
	my ($stdout, $stderr) = ('', '');

	$node->psql(
		$database, $sql,
		stdout => \$stdout,
		stderr => \$stderr,
		on_error_stop => 1,
		extra_params => [ '-v', 'VERBOSITY=sqlstate', @{ $options{params} // [] } ]);
	return $1 if $stderr =~ /(?:ERROR|FATAL|PANIC): +([0-9A-Z]{5})/;
	return $stderr =~ /ERROR|FATAL|PANIC|server closed/ ? $stderr : '00000';
}

# What nurture_audit_verify says is wrong.
sub verify_errors
{
	my ($node, $database) = @_;

	return $node->safe_psql($database,
		"SELECT severity, class, block, audit_id, detail FROM nurture_audit_verify() WHERE severity = 'error'");
}

# The first row of a query, as a list.
sub row_of
{
	my ($node, $database, $sql) = @_;

	return split(/\|/, $node->safe_psql($database, $sql), -1);
}

1;
