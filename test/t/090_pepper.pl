# The key of contact point hashes: the file it is read from, what is wrong with
# such a file, another key than the one suppressions were made with, and how a
# generated key moves to a file.
use strict;
use warnings;
use Cwd;
use FindBin;
use lib $FindBin::Bin;
use Nurture;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = cluster('pepper');
my $directory = Cwd::abs_path(PostgreSQL::Test::Utils::tempdir());
my $ask = "SELECT array_to_string(reasons, ' ') FROM nurture_may_contact(1, 'email', 'operations')";
my $other = 'the key of contact point hashes is not the one that the suppressions were made with';

sub key_file
{
	my ($name, $bytes, $mode) = @_;
	my $file = "$directory/$name";

	open(my $handle, '>:raw', $file) or die "$file: $!";
	print $handle $bytes;
	close($handle);
	chmod($mode // 0600, $file) or die "$file: $!";
	return $file;
}

sub use_file
{
	my ($file) = @_;

	$node->append_conf('postgresql.conf', "nurture.pepper_file = '$file'");
	$node->reload;
	# a session that is new has read the file after the reload
	$node->poll_query_until('pepper', "SELECT current_setting('nurture.pepper_file') = '$file'", 't')
	  or die 'not reloaded';
	return;
}

# what a statement says on its error channel
sub told
{
	my ($database, $sql) = @_;
	my ($code, $out, $err) = $node->psql($database, $sql, extra_params => [ '-v', 'VERBOSITY=verbose' ]);

	return $err;
}

# the library is loaded from the start, so that the setting is known to be hidden
$node->append_conf('postgresql.conf', "session_preload_libraries = 'nurture'");
$node->reload;
database($node, 'pepper', 'pharma');
$node->safe_psql('pepper', q{
	INSERT INTO nurture.lead (lead_id, email, country, audience_type, language) VALUES (1, 'anna@example.com', 'US', 'hcp', 'en');
	CREATE ROLE reader LOGIN; });

# files that are refused, while nothing is suppressed yet
for my $case (
	[ 'missing', undef, qr/could not read the file that nurture.pepper_file names: No such file/ ],
	[ 'short', [ 'x' x 31 ], qr/has less than 32 bytes.*openssl rand/s ],
	[ 'long', [ 'x' x 1025 ], qr/has more than 1024 bytes/ ],
	[ 'world', [ 'x' x 32, 0604 ], qr/has group or world access.*0600/s ],
	[ 'group', [ 'x' x 32, 0640 ], qr/has group or world access/ ])
{
	my ($name, $made, $message) = @$case;

	use_file($made ? key_file($name, @$made) : "$directory/$name");
	my $err = told('pepper', $ask);
	like($err, $message, "a file that is $name is refused");
	unlike($err, qr/\Q$directory\E/, 'and its path is not told');
}
use_file($directory);
like(told('pepper', $ask), qr/is not a regular file/, 'a directory is no file');
like(told('pepper', "INSERT INTO nurture.message (lead_id, channel, asset_id) VALUES (1, 'email', 'none')"), qr/F0000: .*is not a regular file/, 'then no message is decided');

# a generated key warns, and moves to a file without losing anything
use_file('');
like(told('pepper', "SELECT nurture_suppress('contact_point', 'Anna\@example.com', 'asked')"), qr/WARNING: .*kept in the database/, 'a generated key warns');
like($node->safe_psql('pepper', $ask), qr/suppressed/, 'it is suppressed');
use_file(key_file('wrong', 'w' x 32));
like(told('pepper', $ask), qr/F0000: .*\Q$other\E.*no message is decided.*pepper_file/s, 'another key is refused');
like(told('pepper', "SELECT nurture_suppress('lead', '1', 'asked')"), qr/\Q$other\E/, 'it suppresses nothing either');
my $key = $node->safe_psql('pepper', "SELECT encode(key, 'hex') FROM nurture.secret WHERE name = 'pepper'");
use_file(key_file('moved', pack('H*', $key)));
is(told('pepper', $ask), '', 'the generated key from a file is the same key');
$node->safe_psql('pepper', "DELETE FROM nurture.secret WHERE name = 'pepper'");
like($node->safe_psql('pepper', $ask), qr/suppressed/, 'and does not need the one in the database');
is(told('pepper', "SELECT nurture_suppress('lead', '1', 'asked')"), '', 'nor does it warn');
use_file('');
like(told('pepper', $ask), qr/there is no key for the hashes/, 'without either no message is decided');

# a session that is there when the file changes
use_file("$directory/moved");
my ($code, $out, $err) = $node->psql('pepper', <<"SQL");
$ask;
ALTER SYSTEM SET nurture.pepper_file = '$directory/wrong';
SELECT pg_reload_conf();
SELECT pg_sleep(1);
$ask;
SQL
like($out, qr/^[^\n]*suppressed/, 'a session has the key');
like($err, qr/\Q$other\E/, 'and asks again when another file is set');
$node->safe_psql('pepper', 'ALTER SYSTEM RESET nurture.pepper_file');

# a dump restored beside another key
use_file("$directory/moved");
my $dump = "$directory/pepper.dump";
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('pepper') ], 'dumped');
$node->safe_psql('postgres', 'CREATE DATABASE restored TEMPLATE template0');
$node->command_ok([ 'pg_restore', '-d', $node->connstr('restored'), $dump ], 'restored');
like($node->safe_psql('restored', $ask), qr/suppressed/, 'with the same key everything is suppressed as before');
use_file("$directory/wrong");
like(told('restored', $ask), qr/\Q$other\E/, 'with another it is refused');

# nobody else reads key or setting
like(told('pepper', 'SET ROLE reader; SHOW nurture.pepper_file'), qr/42501/, 'the name of the file is for superusers');
like(told('pepper', 'SET ROLE reader; SELECT key FROM nurture.secret'), qr/42501/, 'and the keys are for the owner');

$node->stop;
done_testing();
