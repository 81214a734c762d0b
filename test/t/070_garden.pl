# Every SQL function of the extension with every awkward value of its argument
# types: each call ends in a result or in an error of its own, never in a
# crash, an internal error or a call without end.
#
# Each call runs in a subtransaction that is rolled back. One argument at a
# time is awkward while the others are ordinary, then all are drawn at random.
# NURTURE_SEED repeats a run, NURTURE_GARDEN=n draws n times per function.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Nurture;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{NURTURE_SEED} // int(rand(2**31));
my $draws = $ENV{NURTURE_GARDEN} // 40;
srand($seed);
note("seed $seed (NURTURE_SEED=$seed repeats this run)");

my $node = cluster('garden');
database($node, 'garden', 'pharma');
$node->safe_psql('garden', <<'SQL');
INSERT INTO nurture.account (account_id, name) VALUES (1, 'one');
INSERT INTO nurture.lead (lead_id, account_id, external_ref, email, audience_type, country, attributes)
    SELECT i, 1, 'ref' || i, 'l' || i || '@example.org', 'hcp', 'DE', '{"beds": 3}' FROM generate_series(1, 12) i;
INSERT INTO nurture.lead (lead_id, merged_into) VALUES (13, 1);
INSERT INTO nurture.event (lead_id, event_type, occurred_at, source, source_key)
    SELECT 1 + i % 12, (ARRAY['page_viewed', 'demo_requested', 'email_clicked'])[1 + i % 3],
           now() - i * interval '5 hours', 'web', 'k' || i
    FROM generate_series(1, 120) i;
SQL

my $deep = "(repeat('[', 3000) || repeat(']', 3000))";
my $deep_all = q{(repeat('{"all":[', 500) || repeat(']}', 500))};
my @codes = map { "'$_'" } qw(email model page_viewed hcp DE asset approved lead contact_point marketing ref1
  default withdrawn given opt_in track education sales_development oncology 2026-01-01);
my @json = map { "'$_'" } (
	'null', 'true', '1', '-1e400', '1e-400', '""', '[]', '{}', '[[]]', '[null]', '{"":""}', '{"all":[]}', '{"not":null}',
	'{"all":{"all":1}}', '{"signal":1}', '{"score":{"at_least":"x"}}', '{"attribute":"role","equals":[]}',
	'[{"lead_id":1,"event_type":"page_viewed"}]', '[{"lead_id":"1","event_type":1}]', '[{"lead_id":1e30,"event_type":"page_viewed"}]',
	'[{"lead_id":1,"event_type":"page_viewed","occurred_at":"294276-12-31T23:59:59Z"}]',
	'[{"lead_id":1,"event_type":"page_viewed","occurred_at":"-infinity","tags":[[1]],"properties":7}]',
	'[{"external_ref":"ref1","event_type":"page_viewd","tags":"x"}]', '[{"identity":{"kind":"email"}}]', '[1,"x",[],null]',
	'{"asset_id":"a","version":1}', '{"asset_id":1,"channels":"email","languages":{},"valid_during":"x"}');

# Awkward values by type; the first ones are the ordinary ones.
my %ordinary = (
	bigint => ['1'], integer => ['1'], smallint => ['1::smallint'], text => \@codes, boolean => ['true'],
	numeric => ['1.5'], 'double precision' => ['1.5'], 'timestamp with time zone' => [ 'now()', "'2026-01-02 00:00Z'" ],
	date => ["'2026-01-02'"], interval => ["'1 day'"], jsonb => [ "'{}'", "'[]'" ], 'text[]' => ["'{email}'"],
	nurture_tally => [ "(SELECT nurture_tally_agg(1, '2026-01-02 00:00Z'))", "'{}'" ], regclass => ["'nurture.lead'"], cstring => ["'{}'"],
	name => ["'x'"]);
# what an argument of a name ordinarily is
my %named = (
	model => ['default'], kind => [ 'model', 'asset', 'given' ], code => [ 'default', 'education' ], channel => ['email'],
	signal => ['page_viewed'], preset => ['minimal'], track => ['education'], selection => ['default'],
	scope => [ 'contact_point', 'lead' ], purpose => ['marketing'], asset_id => ['garden'], external_ref => ['ref1']);
my @instants = map { "'$_'" } ('-infinity', 'infinity', '294276-12-31 23:59:59.999999+00', '4714-11-24 00:00:00+00 BC',
	'1970-01-01 00:00:00+00', '2000-02-29 23:59:60+00');
my %awkward = (
	bigint => [qw(NULL 0 -1 13 9223372036854775807), q{'-9223372036854775808'}],
	integer => [qw(NULL 0 -1 2147483647), q{'-2147483648'}],
	smallint => [qw(NULL 0::smallint 32767::smallint), q{'-32768'}],
	text => [
		'NULL', "''", "' '", "repeat('x', 1048576)", "repeat(U&'\\00E9', 300)", "E'\\x01\\n\\r\\t'", "U&'\\+01F48A'",
		"'''; DROP TABLE nurture.lead; --'", "'%s%n%d'", "'*'", "'EMAIL'", "'../../etc/passwd'", "'NaN'", "'lead_id'"
	],
	boolean => [qw(NULL false)],
	numeric => [ 'NULL', '0', "'NaN'", "'Infinity'", "'-Infinity'", '1e130000', '1e-16000', '-9999999.99', '0.005' ],
	'double precision' => [ 'NULL', '0', "'NaN'", "'Infinity'", "'-Infinity'", '1e308', '-1e-308' ],
	'timestamp with time zone' => [ 'NULL', @instants ],
	date => [ 'NULL', map { "'$_'" } ('-infinity', 'infinity', '5874897-12-31', '4714-11-24 BC') ],
	interval => [ 'NULL', map { "'$_'" } ('0', '-1 day', '178000000 years', '-178000000 years', '1 month', '1 microsecond') ],
	jsonb => [ 'NULL', @json, "$deep\::jsonb", "$deep_all\::jsonb", "to_jsonb(repeat('x', 1048576))" ],
	'text[]' => [ 'NULL', map { "'$_'" } ('{}', '{NULL}', '{"",x}', '{{a,b},{c,d}}', '[5:6]={a,b}') ],
	'nurture_tally' => [ 'NULL', "(SELECT nurture_tally_agg(32767, '2200-01-01 00:00Z'))", "(SELECT nurture_tally_roll(nurture_tally_agg(1, '1970-01-01 00:00Z'), '2100-01-01'))" ],
	bytea => [ 'NULL', "''", "'\\x00'", "decode(repeat('ff', 100000), 'hex')" ],
	regclass => [ 'NULL', '0', '4294967295', "'pg_class'", "'nurture.message'", "'nurture.lead_pkey'" ],
	tstzrange => [ 'NULL', "'empty'", "'(,)'", "'[-infinity,infinity]'" ],
	cstring => [ "''", "'{'", "'{1@2026-01-01x1}'", "repeat('{', 100000)::cstring", "'{1\@294277-01-01}'" ],
	name => [ 'NULL', "''" ]);

sub values_of
{
	my ($type, $which) = @_;
	my $list = $which->{$type};
	return $list ? map { /^NULL$/ ? "NULL::$type" : /^'/ ? "$_\::$type" : $_ } @$list : ("NULL::$type");
}

# Functions with an argument of type internal cannot be called from SQL.
my @functions = split(/\n/, $node->safe_psql('garden', <<'SQL'));
SELECT p.oid::regprocedure, p.proname, p.prokind, p.prorettype = 'void'::regtype,
       (SELECT string_agg(format_type(t, NULL), ';' ORDER BY n) FROM unnest(p.proargtypes) WITH ORDINALITY a (t, n)),
       (SELECT string_agg(name, ';' ORDER BY n) FROM unnest(p.proargnames[:p.pronargs]) WITH ORDINALITY a (name, n))
FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND e.extname = 'nurture'
WHERE p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
  AND 'internal'::regtype <> ALL (p.proargtypes)
ORDER BY p.oid::regprocedure::text COLLATE "C"
SQL
cmp_ok(scalar(@functions), '>', 50, 'the functions are found');

sub statement
{
	my ($name, $kind, $void, @arguments) = @_;
	my $call = "$name(" . join(', ', @arguments) . ')';

	return "CALL $call" if $kind eq 'p';
	return "SELECT $call" if $void eq 't';
	return "SELECT format('%s', x) FROM (SELECT $call AS x OFFSET 0) s";
}

sub pick { my @list = @_; return $list[ int(rand(@list)) ]; }

my $calls = 0;
my %states;
foreach my $function (@functions)
{
	my ($signature, $name, $kind, $void, $types, $names) = split(/\|/, $function, -1);
	my @types = split(/;/, $types);
	my @names = split(/;/, $names);
	my %statements;

	my @plain = map {
		my $known = $types[$_] eq 'text' ? $named{ $names[$_] // '' } : undef;
		[ $known ? map { "'$_'" } @$known : values_of($types[$_], \%ordinary) ]
	} 0 .. $#types;
	my @odd = map { [ values_of($_, \%awkward) ] } @types;
	foreach my $i (0 .. $#types)
	{
		foreach my $value (@{ $odd[$i] })
		{
			my @arguments = map { pick(@$_) } @plain;
			$arguments[$i] = $value;
			$statements{ statement($name, $kind, $void, @arguments) } = 1;
		}
	}
	foreach (1 .. (@types ? $draws : 1))
	{
		$statements{ statement($name, $kind, $void,
				map { pick(@{ $plain[$_] }, @{ $plain[$_] }, @{ $odd[$_] }) } 0 .. $#types) } = 1;
	}
	my @statements = sort keys %statements;
	$calls += @statements;

	# one round trip: a result is thrown away by an error of our own
	my $list = join(",\n", map { '$q$' . $_ . '$q$' } @statements);
	my $block = <<SQL;
SET client_min_messages = error;
SET statement_timeout = '60s';
CREATE TEMP TABLE ends (state text, statement text, message text);
DO \$do\$
DECLARE
    statement text;
    text text;
    states text[] := '{}';
BEGIN
    FOREACH statement IN ARRAY ARRAY[$list] LOOP
        BEGIN
            EXECUTE statement;
            RAISE EXCEPTION USING ERRCODE = 'GR001';
        EXCEPTION WHEN OTHERS THEN
            states := states || ARRAY[SQLSTATE, statement, replace(SQLERRM, chr(10), ' ')];
        END;
    END LOOP;
    FOR i IN 1 .. cardinality(states) / 3 LOOP
        INSERT INTO ends VALUES (states[3 * i - 2], states[3 * i - 1], states[3 * i]);
    END LOOP;
END \$do\$;
SELECT state, count(*) FROM ends GROUP BY 1 ORDER BY 1;
SELECT 'bad: ' || left(statement, 300) || ' -> ' || state || ' ' || left(message, 200) FROM ends WHERE state LIKE 'XX%';
SQL
	my ($stdout, $stderr) = ('', '');
	my $code = $node->psql('garden', $block, stdout => \$stdout, stderr => \$stderr, on_error_stop => 1);
	my @bad = grep { /^bad: / } split(/\n/, $stdout);

	foreach (split(/\n/, $stdout))
	{
		$states{$1} += $2 if /^([0-9A-Z]{5})\|(\d+)$/;
	}
	if ($code != 0)
	{
		push @bad, "ended with $code: " . substr($stderr, 0, 600);
		if ($stderr =~ /server closed|terminated|connection to server was lost/)
		{
			# find the call: each by itself
			foreach my $statement (@statements)
			{
				$node->poll_query_until('garden', 'SELECT true') or last;
				$node->psql('garden', "SET statement_timeout = '60s'; BEGIN; $statement; ROLLBACK",
					stderr => \$stderr);
				push @bad, "crash: $statement" if $stderr =~ /server closed|connection to server was lost/;
			}
			$node->poll_query_until('garden', 'SELECT true');
		}
	}
	is(join("\n", @bad), '', "$signature: " . @statements . ' calls');
}
note("$calls calls; how they ended: "
	  . join(', ', map { ($_ eq 'GR001' ? 'result' : $_) . " $states{$_}" } sort { $states{$b} <=> $states{$a} } keys %states));
cmp_ok($states{GR001} // 0, '>', $calls / 20, 'a fair share of the calls had a result');
is($node->safe_psql('garden', 'SELECT count(*) FROM nurture.lead'), '13', 'nothing of it stayed');

$node->stop;
done_testing();
