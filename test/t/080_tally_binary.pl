# The binary form of a tally: what goes out comes in again as the same bytes,
# and whatever else comes in is refused by name and crashes nothing.
use strict;
use warnings;
use Cwd;
use FindBin;
use lib $FindBin::Bin;
use Nurture;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = cluster('binary');
database($node, 'wire');
my $dir = Cwd::abs_path($node->basedir);
srand(20260615);

# A file of COPY BINARY with one row of one column.
sub copy_in
{
	my ($bytes) = @_;
	my $file = "$dir/in.bin";

	open my $out, '>:raw', $file or die "cannot write $file: $!";
	print $out "PGCOPY\n\xff\r\n\0", pack('NN', 0, 0), pack('nN', 1, length $bytes), $bytes, pack('n', 0xffff);
	close $out;
	my ($code, $stdout, $stderr) = $node->psql('wire',
		"CREATE TEMP TABLE t (v nurture_tally); COPY t FROM '$file' (FORMAT binary); SELECT v FROM t",
		extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);
	return $code == 0 ? $stdout : $stderr =~ /ERROR:\s+(\w+)/ ? $1 : $stderr;
}

sub entry { return pack('nnN', @_); }
my $head = pack('CCn', 1, 0, 0);

is(copy_in($head), '{}', 'an empty tally');
is(copy_in($head . entry(7, 20000, 2) . entry(7, 20001, 0xffffffff)),
	'{7@2024-10-04:2, 7@2024-10-05:max}', 'days and a saturated count');
is(copy_in(pack('CCn', 1, 0, 20000) . entry(7, 0, 5) . entry(7, 1, 3) . entry(7, 20000, 1)),
	'{7@ever:5/3, 7@2024-10-04:1; rolled 2024-10-04}', 'a folded one');
my %bad = (
	'nothing' => '',
	'half a header' => "\1\0",
	'half an entry' => $head . "\0\1\0\2",
	'another version' => pack('CCn', 2, 0, 0),
	'unknown flags' => pack('CCn', 1, 1, 0),
	'entries out of order' => $head . entry(7, 20001, 1) . entry(7, 20000, 1),
	'an entry twice' => $head . entry(7, 20000, 1) . entry(7, 20000, 1),
	'a count of zero' => $head . entry(7, 20000, 0),
	'half an ever pair' => $head . entry(7, 0, 5),
	'days without ever' => $head . entry(7, 1, 5),
	'more days than occurrences' => $head . entry(7, 0, 5) . entry(7, 1, 6),
	'a day before the roll day' => pack('CCn', 1, 0, 20000) . entry(7, 19999, 1),
	'a roll day that is none' => pack('CCn', 1, 0, 1));
is(copy_in($bad{$_}), '22P03', "refused: $_") for sort keys %bad;

# random damage: either refused by name or a tally that is written as it was read
my $good = pack('CCn', 1, 0, 20000) . entry(3, 0, 9) . entry(3, 1, 4) . join('', map { entry(7, 20000 + $_, $_) } 1 .. 8);
my @odd;
for my $try (1 .. 60)
{
	my $bytes = $good;

	substr($bytes, int(rand length $bytes), 1) = chr int rand 256 for 1 .. 1 + int rand 3;
	$bytes = substr($bytes, 0, int rand length $bytes) if rand() < 0.2;
	my $answer = copy_in($bytes);
	next if $answer eq '22P03';
	my $again = $node->safe_psql('wire', "SELECT encode(nurture_tally_send('$answer'), 'hex')");
	push @odd, unpack('H*', $bytes) . " gave $answer" if $again ne unpack('H*', $bytes);
}
is(join("\n", @odd), '', 'sixty damaged values, seed 20260615');
is($node->safe_psql('wire', 'SELECT 1'), '1', 'the server stands');
$node->stop;
done_testing();
