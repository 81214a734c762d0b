# Audit under load: many writers with aborts, savepoints and two-phase commits
# while blocks are closed; then a dump restored elsewhere, a promotion and a
# prepared transaction.  Every committed entry is sealed once, and no block
# changes. NURTURE_WRITER_TRANSACTIONS says how many of each writer.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $transactions = $ENV{NURTURE_WRITER_TRANSACTIONS} // 60;
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf',
	"max_connections = 50\nmax_prepared_transactions = 50\nfsync = off\n");
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE crm');
$node->safe_psql('crm', 'CREATE EXTENSION nurture');
$node->safe_psql('crm', "SELECT nurture_install('minimal')");

sub verify
{
	my ($server, $database, $digest) = @_;
	my $digests = defined $digest ? "digests => '$digest'" : '';
	return $server->safe_psql($database,
		"SELECT * FROM nurture_audit_verify($digests)");
}

# each transaction makes one entry that stays and one that goes; a quarter of
# them roll back whole, and a quarter are prepared first, every third of these
# to be rolled back
my $script = $node->basedir . '/writer.sql';
append_to_file($script, <<'SQL');
\set id random(1, 2000000000)
\set end random(1, 12)
BEGIN;
INSERT INTO nurture.event_type (event_type, class) VALUES ('t' || :id || '_' || :client_id, 'intent') ON CONFLICT DO NOTHING;
SAVEPOINT s;
INSERT INTO nurture.event_type (event_type, class) VALUES ('s' || :id || '_' || :client_id, 'intent') ON CONFLICT DO NOTHING;
ROLLBACK TO s;
\if :end <= 3
ROLLBACK;
\elif :end > 6
COMMIT;
\else
PREPARE TRANSACTION 'w:client_id';
\sleep 2 ms
\if :end = 4
ROLLBACK PREPARED 'w:client_id';
\else
COMMIT PREPARED 'w:client_id';
\endif
\endif
SQL
my $sealer = $node->basedir . '/sealer.sql';
append_to_file($sealer, <<'SQL');
CREATE TABLE IF NOT EXISTS seen (block bigint, hash bytea);
SELECT nurture_audit_seal();
INSERT INTO seen SELECT block, sha256(s::text::bytea) FROM nurture.seal s ORDER BY block DESC LIMIT 1;
\sleep 20 ms
SQL
$node->safe_psql('crm', 'CREATE TABLE seen (block bigint, hash bytea)');
my $writers = IPC::Run::start(
	[ 'pgbench', '-n', '-c', '24', '-j', '2', '-t', $transactions, '-f', $script,
		'-h', $node->host, '-p', $node->port, 'crm' ],
	'>', \my $out, '2>', \my $err);
my $sealers = IPC::Run::start(
	[ 'pgbench', '-n', '-c', '2', '-t', $transactions, '-f', $sealer,
		'-h', $node->host, '-p', $node->port, 'crm' ],
	'>', \my $out2, '2>', \my $err2);
ok($writers->finish, 'writers') or diag($err);
ok($sealers->finish, 'sealers') or diag($err2);
$node->safe_psql('crm', 'SELECT nurture_audit_seal()');

is(verify($node, 'crm'), '', 'the log is good');
is($node->safe_psql('crm', <<'SQL'), '0', 'every entry is sealed once');
SELECT count(*) FROM nurture.audit a FULL JOIN (
    SELECT ('x' || encode(substring(s.leaves, n * 40 + 1, 8), 'hex'))::bit(64)::bigint AS audit_id, count(*) AS times
    FROM nurture.seal s, generate_series(0, s.entries::int - 1) n GROUP BY 1) l USING (audit_id)
WHERE a.leaf IS NULL OR l.times IS DISTINCT FROM 1
SQL
is($node->safe_psql('crm', <<'SQL'), '0', 'and every change that committed has one');
SELECT count(*) FROM nurture.event_type e FULL JOIN (
    SELECT a.inputs::jsonb -> 'new' ->> 'event_type' AS event_type, count(*) AS times
    FROM nurture.audit a WHERE a.kind = 'change' AND a.outcome = 'event_type' GROUP BY 1) l USING (event_type)
WHERE e.class IS NULL OR l.times IS DISTINCT FROM 1
SQL
cmp_ok($node->safe_psql('crm', "SELECT count(*) FROM nurture.event_type WHERE event_type LIKE 't%'"), '>', $transactions * 10, 'of many');
cmp_ok($node->safe_psql('crm', 'SELECT count(*) FROM nurture.seal WHERE entries > 0'),
	'>', 3, 'in several blocks');
is($node->safe_psql('crm', 'SELECT count(*) FROM seen s JOIN nurture.seal b USING (block) WHERE s.hash <> sha256(b::text::bytea)'),
	'0', 'no block changed after it was closed');
is($node->safe_psql('crm', q{SELECT count(*) FROM nurture.audit WHERE inputs LIKE '%"event_type": "s%' AND outcome = 'event_type' AND reason IS NULL}),
	'0', 'nothing is on record of what was rolled back');

# a prepared transaction holds its block open, and is not forgotten
$node->safe_psql('crm', q{BEGIN; INSERT INTO nurture.event_type (event_type, class) VALUES ('prepared', 'intent'); PREPARE TRANSACTION 'p'});
$node->safe_psql('crm', q{INSERT INTO nurture.event_type (event_type, class) VALUES ('after_prepared', 'intent')});
is($node->safe_psql('crm', 'SELECT nurture_audit_seal()'), '0', 'a prepared transaction keeps the horizon');
is($node->safe_psql('crm', 'SELECT held_back_by_prepared, held_back_by_pid IS NULL, held_back_since < now() FROM nurture_bi.audit_lag'),
	'p|t|t', 'and the lag names it');
my $digest = $node->safe_psql('crm', 'SELECT nurture_audit_digest()');

# restored into another database: another incarnation
my $dump = $node->basedir . '/crm.dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-h', $node->host, '-p', $node->port, 'crm' ], 'dump');
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->command_ok([ 'pg_restore', '-h', $node->host, '-p', $node->port, '-d', 'other', $dump ], 'restore');
is(verify($node, 'other', $digest), '', 'the restored log is good');
my $guards = q{SELECT string_agg(format('%s %s %s', tgrelid::regclass, tgname, tgenabled), ',' ORDER BY tgrelid::regclass::text, tgname)
	FROM pg_trigger WHERE tgfoid = 'nurture_append_only'::regproc};
is($node->safe_psql('other', $guards), $node->safe_psql('crm', $guards), 'and as well guarded');
unlike($node->safe_psql('other', $guards), qr/ [^A](,|$)/, 'always');
$node->safe_psql('other', q{INSERT INTO nurture.event_type (event_type, class) VALUES ('restored', 'intent')});
$node->safe_psql('crm', q{COMMIT PREPARED 'p'});
$node->safe_psql('other', 'SELECT nurture_audit_seal()');
is(verify($node, 'other', $digest), '', 'and after it went on');
is($node->safe_psql('other', 'SELECT count(DISTINCT incarnation), count(*) = (SELECT max(tree_size) FROM nurture.seal) FROM nurture.audit'),
	'2|t', 'in an incarnation of its own, all sealed');

# promoted: a transaction prepared before commits after
my $backup = 'b';
$node->backup($backup);
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, $backup, has_streaming => 1);
$standby->start;
$node->safe_psql('crm', q{BEGIN; INSERT INTO nurture.event_type (event_type, class) VALUES ('prepared2', 'intent'); PREPARE TRANSACTION 'q'});
$node->safe_psql('crm', q{INSERT INTO nurture.event_type (event_type, class) VALUES ('before_promotion', 'intent')});
$node->wait_for_catchup($standby);
$node->stop('immediate');
$standby->promote;
$standby->safe_psql('crm', q{INSERT INTO nurture.event_type (event_type, class) VALUES ('after_promotion', 'intent')});
$standby->safe_psql('crm', 'SELECT nurture_audit_seal()');
is(verify($standby, 'crm', $digest), '', 'the log is good after promotion');
$standby->safe_psql('crm', q{COMMIT PREPARED 'q'});
$standby->safe_psql('crm', 'SELECT nurture_audit_seal()');
is(verify($standby, 'crm', $digest), '', 'and after a transaction from before it committed');
is($standby->safe_psql('crm', 'SELECT max(incarnation), count(*) = (SELECT max(tree_size) FROM nurture.seal) FROM nurture.audit'),
	'2|t', 'in an incarnation of its own, all sealed');
$standby->stop;

done_testing();
