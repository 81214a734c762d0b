# A sealed history, tampered with by a superuser with the triggers off, in one
# way at a time: everything is found, by class and row, and by three programs
# alike: nurture_audit_verify, nurture-verify (C, without PostgreSQL) on an
# export, and verify.py (Python). What is no tampering raises no alarm.
# NURTURE_MUTATIONS and NURTURE_BENIGN say how many; NURTURE_SEED which.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Nurture;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{NURTURE_SEED} // time();
my $mutations = $ENV{NURTURE_MUTATIONS} // 60;
my $benign = $ENV{NURTURE_BENIGN} // 30;
my $tools = "$FindBin::Bin/../../tools/verify";
srand($seed);
diag("seed $seed, $mutations mutations, $benign benign changes");

my $node = cluster('trail', conf => "fsync = off\nautovacuum = off\n");
my $dir = $node->basedir;
database($node, 'first', 'minimal');

# ---- the history: decisions of several kinds over several months, in many
# transactions and blocks, in two lives of the database
my $history = <<'SQL';
CREATE PROCEDURE history(first int, last int) LANGUAGE plpgsql AS $$
BEGIN
    FOR round IN first .. last LOOP
        PERFORM set_config('nurture.clock', CASE WHEN round % 3 = 0 THEN to_char(now() + interval '1 month', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') ELSE '' END, false);
        PERFORM set_config('nurture.change_reason', (ARRAY['', 'ein Grund: "Müller"', E'tab\t and \\N and line\n'])[1 + round % 3], false);
        INSERT INTO nurture.event_type (event_type, class) VALUES ('probe_' || round, 'intent');
        COMMIT;
        INSERT INTO nurture.message (lead_id, channel, asset_id) SELECT l, 'email', 'x' FROM generate_series(1, 20) l WHERE l % 5 = round % 5;
        COMMIT;
        PERFORM nurture_opt_in(1 + round % 20, 'email', 'form');
        PERFORM nurture_opt_out(1 + (round + 7) % 20);
        COMMIT;
        IF round % 4 = 0 THEN
            PERFORM nurture_audit_seal();
            COMMIT;
        END IF;
    END LOOP;
    PERFORM set_config('nurture.clock', '', false);
END $$;
SQL
$node->safe_psql('first', $history);
$node->safe_psql('first', <<'SQL');
SELECT nurture_partition_ahead(2);
INSERT INTO nurture.lead (lead_id, email, country) SELECT i, 'l' || i || '@example.org', 'DE' FROM generate_series(1, 20) i;
CALL history(1, 12);
SQL
my @digests = ($node->safe_psql('first', 'SELECT nurture_audit_digest()'));
$node->safe_psql('postgres', 'CREATE DATABASE trail TEMPLATE first');
$node->safe_psql('trail', 'CALL history(13, 16)');
push @digests, $node->safe_psql('trail', 'SELECT nurture_audit_digest()');
$node->safe_psql('trail', 'CALL history(17, 24)');
push @digests, $node->safe_psql('trail', 'SELECT nurture_audit_digest()');
$node->safe_psql('trail', 'CALL history(25, 26)');
my $digests = '[' . join(',', @digests) . ']';
append_to_file("$dir/digests.json", $digests);

my $canonical = slurp_file("$FindBin::Bin/../sql/audit_verify.sql");
$canonical =~ s/.*?^(-- The canonical bytes)/$1/ms and $canonical =~ s/^-- end\n.*//ms
  or die 'no functions in audit_verify.sql';
$node->safe_psql('trail', $canonical);
$node->safe_psql('trail', slurp_file("$FindBin::Bin/tamper.sql"));
# an entry with all that JSON and lists can hold, sealed as if it had been appended
$node->safe_psql('trail', <<'SQL');
ALTER TABLE nurture.audit DISABLE TRIGGER ALL;
INSERT INTO nurture.audit SELECT (leafed).* FROM (SELECT jsonb_populate_record(e, jsonb_build_object('leaf', leaf(e)::text)) AS leafed FROM (
    SELECT ROW(nextval('nurture.audit_audit_id_seq'), clock_timestamp(), 2, pg_current_xact_id(), NULL, NULL, 'probe', NULL, 'done',
        ARRAY['a', NULL, 'NULL', '', 'b"c', 'd,e{}', E'f\\g\th', 'größer'], '{"kind": "test", "n": 1.50, "s": "\"\\ \u00e9\u2028"}', '{"b": {}, "a": [1, null]}',
        E'two\nlines\tand\\a backslash\b\f\v\r', 'postgres', 'postgres', 'Ana Müller', '', false, '\x')::nurture.audit AS e) f) g;
ALTER TABLE nurture.audit ENABLE TRIGGER ALL;
SQL
$node->safe_psql('trail', 'SELECT nurture_audit_seal()');
push @digests, $node->safe_psql('trail', 'SELECT nurture_audit_digest()');
$node->safe_psql('trail', 'CALL history(27, 27)');
$digests = '[' . join(',', @digests) . ']';
unlink "$dir/digests.json";
append_to_file("$dir/digests.json", $digests);
$node->safe_psql('trail', 'CALL keep()');

cmp_ok($node->safe_psql('trail', 'SELECT count(DISTINCT tableoid) FROM nurture.audit'), '>', 1, 'entries lie in several partitions');
is($node->safe_psql('trail', 'SELECT count(DISTINCT incarnation) FROM nurture.audit'), '2', 'of two lives');
cmp_ok($node->safe_psql('trail', 'SELECT count(*) FROM nurture.audit a WHERE home(a) IS NULL'), '>', 0, 'some not sealed yet');
is($node->safe_psql('trail', 'SELECT count(*) FROM nurture.audit a WHERE a.leaf <> leaf(a)'), '0', 'every leaf is that of the description');

# ---- the three programs on one state each
my $count = 0;

# What a psql session does to have the server's findings and an export in files.
sub looked_at
{
	my ($n, $name) = @_;

	return <<SQL;
\\o $dir/$n.server
SELECT findings(\$name\$$name\$name\$, '$digests');
\\o $dir/$n.export
\\i $tools/export.sql
\\o
SQL
}

# The findings of nurture-verify in an export, with its exit status.
sub outside
{
	my (@arguments) = @_;
	my ($out, $err) = run_command([ "$tools/nurture-verify", @arguments ]);
	my $status = $? >> 8;
	my $found = join(' ', sort map { join(':', (split(/\t/, $_, -1))[ 0 .. 2 ]) } split(/\n/, $out));

	diag($err) if $err ne '';
	return ($found, $status);
}

# The findings of verify.py in many exports.
sub second
{
	my (@files) = @_;
	my %found = map { $_ => [] } @files;
	my ($out, $err) = run_command([ 'python3', "$FindBin::Bin/verify.py", "$dir/digests.json", @files ]);

	diag($err) if $err ne '';
	foreach my $line (split(/\n/, $out))
	{
		my ($file, $finding) = split(/ /, $line);
		push @{ $found{$file} }, $finding;
	}
	return map { $_ => join(' ', sort @{ $found{$_} }) } @files;
}

# The server's findings; with "outside", those that an export can show.
sub server
{
	my ($n, $outside) = @_;
	return join(' ', sort grep { $_ ne '' && !($outside && /^subject:/) } split(/\n/, slurp_file("$dir/$n.server")));
}

my ($found, $status);
$node->safe_psql('trail', looked_at('good', ''), extra_params => ['-qAt']);
is(server('good'), '', 'a good history: the server finds nothing');
($found, $status) = outside('--digest', "$dir/digests.json", "$dir/good.export");
is("$status $found", '0 ', 'nor does nurture-verify');
is({ second("$dir/good.export") }->{"$dir/good.export"}, '', 'nor does verify.py');

# ---- tampering
my @names = split(/,/, $node->safe_psql('trail', q{SELECT array_to_string(tampers(), ',')}));
cmp_ok(scalar(@names), '>=', 15, scalar(@names) . ' ways of tampering');
my (%tried, %right, @unlike);
while ($count < $mutations)
{
	my $script = "\\set QUIET on\nSET client_min_messages = error;\n";
	my @batch;

	for (1 .. 50)
	{
		last if $count >= $mutations;
		my $name = $names[ $count++ % @names ];
		my $own = int(rand(1e6)) / 1e6;

		push @batch, [ $count, $name, $own ];
		$script .= <<SQL . looked_at($count, $name) . "CALL undo();\n";
SELECT setseed($own) \\g /dev/null
\\o $dir/$count.expected
SELECT unnest(tamper(\$name\$$name\$name\$, '$digests'));
\\o
SQL
	}
	append_to_file("$dir/batch.sql", $script);
	my ($out, $err) = run_command([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('trail'), '-f', "$dir/batch.sql" ]);
	BAIL_OUT("psql failed: $err") if $? != 0;
	unlink "$dir/batch.sql";
	my %python = second(map { "$dir/$_->[0].export" } @batch);

	foreach my $mutation (@batch)
	{
		my ($n, $name, $own) = @$mutation;
		my @expected = grep { $_ ne '' } split(/\n/, slurp_file("$dir/$n.expected"));
		# a changed entry no longer fits the message or change it is about, either
		my @actual = grep { !/^(message|change_log):/ || $name =~ /^(message|change)/ } split(/ /, server($n));
		# a forged seal may not fit the next one, or the entries of its block
		my $more = $name =~ /^(seal|last seal|leaves|nodes|insert|copy|detach|cut|rewrite|incarnation gone)/;
		my $good = (@expected > 0 || $name eq 'bit in text') && ($more || @actual == @expected);

		foreach my $e (@expected) { $good &&= grep { /^$e$/ } @actual; }
		$tried{$name}++;
		$right{$name}++ if $good;
		push @unlike, "$n ($name, setseed $own): expected @expected, found @actual" unless $good;

		my ($outside, $outside_status) = outside('--digest', "$dir/digests.json", "$dir/$n.export");
		my $here = server($n, 1);
		push @unlike, "$n ($name, setseed $own): nurture-verify says $outside, the server $here"
		  unless $outside eq $here && $outside_status == ($here eq '' ? 0 : 1);
		push @unlike, "$n ($name, setseed $own): verify.py says " . $python{"$dir/$n.export"} . ", the server $here"
		  unless $python{"$dir/$n.export"} eq $here;
		unlink glob("$dir/$n.*") if $good;
	}
}
my $right = 0;
$right += $_ foreach values %right;
is($right, $mutations, 'every tampering is found and named');
is(join("\n", @unlike), '', 'and the three programs agree');
note('found of tried: ' . join(', ', map { "$_ " . ($right{$_} // 0) . '/' . $tried{$_} } sort keys %tried));
is(scalar(keys %tried), $mutations < @names ? $mutations : scalar(@names), scalar(keys %tried) . ' ways');
$node->safe_psql('trail', looked_at('again', ''), extra_params => ['-qAt']);
is(server('again'), '', 'the history is good again');

# ---- proofs for somebody outside, with an entry and a digest only
sub proofs
{
	my ($file) = @_;
	unlink "$dir/$file";
	append_to_file("$dir/$file", $node->safe_psql('trail', <<'SQL') . "\n");
SET bytea_output = hex;
COPY (SELECT 'proof', a.audit_id, p.leaf_index, p.tree_size, encode(p.leaf, 'hex'), encode(p.root, 'hex'),
    (SELECT coalesce(string_agg(encode(h, 'hex'), '' ORDER BY n), '') FROM unnest(p.proof) WITH ORDINALITY u (h, n))
    FROM nurture.audit a, nurture_audit_proof(a.audit_id) p) TO STDOUT;
COPY (SELECT 'consistency', s.tree_size, t.tree_size, encode(c.root1, 'hex'), encode(c.root2, 'hex'),
    (SELECT coalesce(string_agg(encode(h, 'hex'), '' ORDER BY n), '') FROM unnest(c.proof) WITH ORDINALITY u (h, n))
    FROM nurture.seal s, nurture.seal t, nurture_audit_consistency(s.tree_size, t.tree_size) c WHERE s.block <= t.block) TO STDOUT;
SQL
	return slurp_file("$dir/$file");
}
my $proofs = proofs('proofs');
cmp_ok(scalar(() = $proofs =~ /^proof/mg), '>', 200, 'proofs of every sealed entry');
is(join(' ', reverse outside('--digest', "$dir/digests.json", "$dir/proofs")), '0 ', 'hold, also against digests');
($found, $status) = outside("$dir/proofs", "$dir/again.export");
is("$status $found", '0 ', 'and for the entries of an export');
my @lines = split(/\n/, $proofs);
my $forged = '';
foreach my $line (@lines)
{
	my @f = split(/\t/, $line, -1);
	# a proof does not bind the size of the tree: that comes with the root, in a digest
	my $field = @f - 1 - int(rand(3));

	if ($f[$field] eq '') { $f[$field] = '00' x 32; }
	else { my $at = int(rand(length($f[$field]))); substr($f[$field], $at, 1) = substr($f[$field], $at, 1) eq '0' ? '1' : '0'; }
	$forged .= join("\t", @f) . "\n";
}
append_to_file("$dir/forged", $forged);
($found, $status) = outside("$dir/forged");
my $n = () = $found =~ /(proof|consistency):/g;
is("$status $n", '1 ' . @lines, 'of forged proofs not one holds');
($found, $status) = outside('--digest', "$dir/digests.json", "$dir/nothing");
is($status, 2, 'what cannot be read is no finding');

# ---- what is no tampering
my @benign = (
	(map { my $set = $_; sub { ('', "SET $set;") } }
		q{DateStyle = 'German, DMY'}, q{TimeZone = 'Asia/Kathmandu'}, q{extra_float_digits = -15}, q{bytea_output = 'escape'},
		q{IntervalStyle = 'sql_standard'}, q{search_path = pg_temp, public}, q{lc_messages = 'C'}, q{work_mem = '64kB'}, q{maintenance_work_mem = '1MB'},
		q{enable_indexscan = off}, q{enable_sort = off}, q{quote_all_identifiers = on}, q{default_transaction_isolation = 'serializable'},
		q{standard_conforming_strings = off}, q{xmlbinary = 'hex'}, q{client_encoding = 'LATIN1'}, q{jit = on}),
	sub { ('VACUUM FULL nurture.audit; VACUUM FULL nurture.seal; VACUUM FULL nurture.message', '') },
	sub { ('CLUSTER nurture_part.audit_default USING audit_default_pkey', '') },
	sub { ('REINDEX TABLE nurture.audit; REINDEX TABLE CONCURRENTLY nurture.seal', '') },
	sub { ('VACUUM (FREEZE, ANALYZE) nurture.audit; ANALYZE', '') },
	sub { ('SELECT nurture_partition_ahead(' . (2 + int(rand(9))) . ')', '') },
	sub { my $n = ++$count; ("CREATE INDEX more_$n ON nurture.audit (kind); DROP INDEX nurture.more_$n", '') },
	sub { ('ALTER TABLE nurture_part.audit_default ALTER inputs SET STORAGE ' . (qw(EXTERNAL MAIN EXTENDED))[ int(rand(3)) ] . '; VACUUM FULL nurture_part.audit_default', '') },
	sub { ('ALTER DATABASE trail SET timezone = ' . (qw('Asia/Tokyo' 'UTC' 'America/St_Johns'))[ int(rand(3)) ], '') },
	sub { my $part = $node->safe_psql('trail', 'SELECT partition, bound FROM kept.partition ORDER BY random() LIMIT 1');
		my ($name, $bound) = split(/\|/, $part); ("ALTER TABLE nurture.audit DETACH PARTITION $name; ALTER TABLE nurture.audit ATTACH PARTITION $name $bound", '') },
	sub { ('CHECKPOINT; SELECT pg_switch_wal()', '') },
	sub { ('DROP INDEX nurture.audit_incarnation_xid_audit_id_idx; CREATE INDEX ON nurture.audit (incarnation, xid, audit_id)', '') },
	sub { ('BEGIN; DROP INDEX nurture.audit_incarnation_xid_audit_id_idx; SELECT * FROM nurture_audit_verify(); ROLLBACK', '') },
	sub { ('UPDATE nurture.audit SET lead_ref = NULL WHERE lead_ref = 3; DELETE FROM nurture.subject_key WHERE lead_id = 3', '') },
	sub { $node->restart; ('', '') },
	sub { my $n = ++$count; my $other = "restored_$n"; $node->safe_psql('postgres', "CREATE DATABASE $other TEMPLATE template0");
		command_ok([ 'pg_dump', '-Fc', '-d', $node->connstr('trail'), '-f', "$dir/$n.dump" ], 'dump');
		command_ok([ 'pg_restore', '-d', $node->connstr($other), "$dir/$n.dump" ], 'restore');
		('', '', $other) },
);
my @alarms;
my @exports;
for my $i (0 .. $benign - 1)
{
	my ($change, $setting, $database) = $benign[ $i % @benign ]->();
	$database //= 'trail';
	my @statements = grep { /\S/ } split(/;/, $change);
	@statements = ($change) if $change =~ /^BEGIN/;

	$node->safe_psql($database, $_) foreach @statements;
	my $result = $node->safe_psql($database, "$setting\nSELECT * FROM public.nurture_audit_verify(digests => '$digests')");
	$node->safe_psql($database, "$setting\n\\o $dir/benign$i.export\n\\i $tools/export.sql\n", extra_params => ['-qAt']);
	my ($outside, $outside_status) = outside('--digest', "$dir/digests.json", "$dir/benign$i.export");

	push @alarms, "change $i ($change$setting): $result" if $result ne '';
	push @alarms, "change $i ($change$setting): nurture-verify: $outside" if "$outside_status$outside" ne '0';
	push @exports, "$dir/benign$i.export";
	if (@exports == 50 || $i == $benign - 1)
	{
		my %python = second(@exports);
		push @alarms, map { "$_: verify.py: $python{$_}" } grep { $python{$_} ne '' } @exports;
		unlink @exports;
		@exports = ();
	}
}
is(join("\n", @alarms), '', "$benign changes that are no tampering raise no alarm");

$node->stop;
done_testing();
