# A loaded database, dumped in every way people dump and restored elsewhere:
# same rows, same scores, nothing decided again, and still enforcing.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Nurture;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = cluster('source');
my $other = cluster('target');
my $dir = $node->basedir;

database($node, 'loaded', 'pharma');
load_everything($node, 'loaded');
my $clock = $node->safe_psql('loaded',
	q{SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')});
my $picture = picture($node, 'loaded');
my $scores = scores($node, 'loaded', $clock);
isnt($scores, '', 'there are scores to compare');
is(verify_errors($node, 'loaded'), '', 'the source verifies');

sub dump_to
{
	my ($file, @options) = @_;

	command_ok([ 'pg_dump', '-d', $node->connstr('loaded'), '-f', "$dir/$file", @options ],
		"pg_dump @options");
	return "$dir/$file";
}

sub psql_file
{
	my ($database, $file, @options) = @_;

	command_ok(
		[   'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $other->connstr($database), @options,
			'-o', '/dev/null', '-f', $file
		],
		"psql reads it into $database");
	return;
}

# What must hold of every restored database.
sub check_restored
{
	my ($database, %options) = @_;
	my $as = $options{role} ? [ '-U', $options{role} ] : [];
	my $role = $options{role} ? "SET ROLE $options{role}" : '';

	is(differences($picture, picture($other, $database)), '',
		"$database: every table has the same rows");
	is(scores($other, $database, $clock, $role), $scores, "$database: same scores");
	is(verify_errors($other, $database), '', "$database: the audit trail verifies");

	# still enforcing
	is( $other->safe_psql($database, <<SQL, extra_params => $as), "refused|t|t",
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (3, 'email', 'moa_overview')
    RETURNING status, cardinality(reasons) > 0, message_id > 100
SQL
		"$database: a forbidden message is refused, with reasons and a new number");
	is( $other->safe_psql($database, <<SQL, extra_params => $as), "0|0",
INSERT INTO nurture.event (lead_id, event_type, source, source_key) VALUES (1, 'page_viewed', 'web', 'k1');
SELECT count(*) FILTER (WHERE event_type = 'page_viewed' AND source_key = 'k1') - 1,
       (SELECT count(*) FROM nurture.event) - (SELECT count(DISTINCT (lead_id, event_id)) FROM nurture.event)
FROM nurture.event WHERE lead_id = 1
SQL
		"$database: a repeated key is dropped");
	is( sqlstate($other, $database,
			q{UPDATE nurture.fit_rule SET points = points + 1 WHERE model = 'dump_model' AND version = 1},
			params => $as),
		'NU006',
		"$database: a published model cannot be changed");
	is(sqlstate($other, $database, 'DELETE FROM nurture.audit', params => $as),
		'NU008', "$database: the audit trail is append-only");
	is( sqlstate($other, $database, q{UPDATE nurture.message SET status = 'queued' WHERE status = 'refused'},
			params => $as),
		'NU008',
		"$database: a refused message stays refused");
	my ($old) = row_of($other, $database, 'SELECT nurture_score(1)');
	$other->safe_psql($database, <<SQL, extra_params => $as);
INSERT INTO nurture.event (lead_id, event_type) VALUES (1, 'white_paper_downloaded');
SELECT nurture_audit_seal();
SQL
	is($other->safe_psql($database, "SELECT nurture_score(1, 'dump_model') IS NOT NULL"),
		't', "$database: scores again");
	is($other->safe_psql($database, <<SQL, extra_params => $as), '0', "$database: activity is what a rebuild makes");
CREATE TEMP TABLE kept AS SELECT * FROM nurture.activity;
DO \$\$ BEGIN PERFORM nurture_rebuild(); END \$\$;
SELECT count(*) FROM kept FULL JOIN nurture.activity a USING (lead_id)
WHERE kept.signals IS DISTINCT FROM a.signals OR kept.topics IS DISTINCT FROM a.topics
SQL
	is(verify_errors($other, $database), '', "$database: verifies after new entries too");
	return;
}

# custom format, as superuser, two jobs
my $custom = dump_to('full.custom', '-Fc');
$other->safe_psql('postgres', 'CREATE DATABASE custom TEMPLATE template0');
command_ok([ 'pg_restore', '-d', $other->connstr('custom'), '-j2', '--exit-on-error', $custom ],
	'pg_restore');
check_restored('custom');

# plain text
my $plain = dump_to('full.sql');
$other->safe_psql('postgres', 'CREATE DATABASE plain TEMPLATE template0');
psql_file('plain', $plain);
check_restored('plain');

# schema first, data later, triggers in place
my $schema = dump_to('schema.sql', '--schema-only');
my $data = dump_to('data.sql', '--data-only');
$other->safe_psql('postgres', 'CREATE DATABASE apart TEMPLATE template0');
psql_file('apart', $schema);
psql_file('apart', $data);
check_restored('apart');

# the same as INSERTs with column names
my $inserts = dump_to('inserts.sql', '--data-only', '--column-inserts', '--rows-per-insert=100');
$other->safe_psql('postgres', 'CREATE DATABASE inserts TEMPLATE template0');
psql_file('inserts', $schema);
psql_file('inserts', $inserts);
check_restored('inserts');

# data with --disable-triggers
my $disabled = dump_to('disabled.sql', '--data-only', '--disable-triggers');
$other->safe_psql('postgres', 'CREATE DATABASE disabled TEMPLATE template0');
psql_file('disabled', $schema);
psql_file('disabled', $disabled);
check_restored('disabled');

# by an owner who is no superuser; the extension is there already, and its
# comment is not the owner's to write
$other->safe_psql('postgres', 'CREATE ROLE keeper LOGIN; CREATE DATABASE owned TEMPLATE template0 OWNER keeper');
$other->safe_psql('owned', 'CREATE EXTENSION nurture');
my ($list) = run_command([ 'pg_restore', '-l', $custom ]);
my $listed = "$dir/owned.list";
open(my $handle, '>', $listed) or die "$listed: $!";
print $handle grep { !/(COMMENT - )?EXTENSION / } map { "$_\n" } split(/\n/, $list);
close $handle;
command_ok(
	[   'pg_restore', '-d', $other->connstr('owned'), '-U', 'keeper', '--no-owner', '--no-acl',
		'--exit-on-error', '-L', $listed, $custom
	],
	'pg_restore by the owner of the database');
is($other->safe_psql('owned', <<SQL), 'keeper', 'who owns everything then');
SELECT string_agg(DISTINCT pg_get_userbyid(relowner), ',')
FROM pg_class WHERE relnamespace::regnamespace::text LIKE 'nurture%'
SQL
check_restored('owned', role => 'keeper');

# The mark of a restore is no way around the gate for anybody else: a session
# that looks like pg_dump's but belongs to neither the owner nor a superuser.
$other->safe_psql('owned', <<SQL);
CREATE ROLE writer LOGIN;
GRANT USAGE ON SCHEMA nurture, nurture_part TO writer;
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA nurture TO writer;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA nurture TO writer;
-- while policies restrict somebody, the server refuses row_security = off by itself
SELECT nurture_revoke_access('pg_signal_backend', 'sales');
SQL
is( $other->safe_psql('owned', <<SQL, extra_params => [ '-U', 'writer' ]), "\nrefused",
SELECT set_config('search_path', '', false);
SET row_security = off;
SET check_function_bodies = off;
INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (3, 'email', 'moa_overview') RETURNING status
SQL
	'a writer who imitates a restore meets the gate');

# And where the owner does it, the audit trail tells.
$other->safe_psql('owned', <<SQL, extra_params => [ '-U', 'keeper' ]);
SELECT set_config('search_path', '', false);
SET row_security = off;
SET check_function_bodies = off;
INSERT INTO nurture.message (lead_id, channel, asset_id, version, family, status)
    VALUES (3, 'email', 'moa_overview', 1, 'forged', 'queued');
SQL
isnt($other->safe_psql('owned', <<SQL), '0', 'a message put in past the gate is found by nurture_audit_verify');
SELECT count(*) FROM nurture_audit_verify() WHERE severity = 'error' AND detail LIKE '%message%'
SQL

$other->stop;
$node->stop;
done_testing();
