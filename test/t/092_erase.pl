# Erasure down to the files: 100 persons among 300 are erased.  What stood in
# heap, TOAST and index files is there until the tables that the certificate
# names were rewritten, which is what it says; then neither their addresses nor
# their names nor the keys of their pseudonyms are in any file of the database,
# and those of the others are.
use strict;
use warnings;
use lib 'test/t';
use Nurture;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = cluster('main', conf => "autovacuum = off\nfsync = off");
my $erased = 100;

database($node, 'crm', 'pharma');
sub query { return $node->safe_psql('crm', shift); }

# every person has a mark that is found as it is stored: in an address, a
# number, a name, and in what was told in events, answers and notes
query(<<'SQL');
SET nurture.change_reason = 'test';
DELETE FROM nurture.quiet_hours;
INSERT INTO nurture.account (account_id, name) SELECT i, 'Clinic ' || i FROM generate_series(1, 20) i;
INSERT INTO nurture.lead (lead_id, account_id, external_ref, email, phone, full_name, audience_type, country, language, postal_code, attributes)
    SELECT i, 1 + i % 20, format('zqr%05sq', 10000 + i), format('Zqe%sq@example%s.org', 10000 + i, i), format('+33 1 9%s', 1000000 + i), format('Zqn%sq Person', 10000 + i), 'hcp', 'FR', 'fr', '75001',
        jsonb_build_object('note', format('zqa%sq', 10000 + i)) FROM generate_series(1, 300) i;
UPDATE nurture.lead SET role = 'prescriber', attributes = attributes || '{"a": 1}';
UPDATE nurture.lead SET email = format('zqe%sq@example%s.org', 10000 + lead_id, lead_id) WHERE lead_id % 3 = 0;
INSERT INTO nurture.identity (kind, value, lead_id) SELECT 'cookie', format('zqc%sq', 10000 + i), i FROM generate_series(1, 300) i;
SELECT nurture_add_asset('{"asset_id": "a", "title": "a", "format": "article", "message_class": "promotional", "channels": ["email"], "markets": ["*"], "languages": ["*"], "audience_types": ["*"], "tags": ["topic:moa"]}');
SELECT nurture_set_asset_status('a', 1, 'in_review', 'x'), nurture_approve('asset', 'a', 1, 'medical', 'approved', 'x');
SELECT count(nurture_consent(i, 'given', 'email', source => 'form', contact_point => format('zqe%sq@example%s.org', 10000 + i, i), evidence => jsonb_build_object('typed', format('zqv%sq', 10000 + i)))) FROM generate_series(1, 300) i;
-- some of it goes to TOAST
INSERT INTO nurture.event (lead_id, event_type, source, source_key, tags, properties)
    SELECT i, CASE k WHEN 1 THEN 'form_submitted' ELSE 'page_viewed' END, 'web', format('zqk%sq-%s', 10000 + i, k), '{topic:moa}',
        jsonb_build_object('typed', format('zqp%sq', 10000 + i), 'role', 'nurse', 'noise', CASE WHEN k = 3 THEN (SELECT string_agg(md5(i::text || j) || format('zqt%sq', 10000 + i), '') FROM generate_series(1, 90) j) END)
    FROM generate_series(1, 300) i, generate_series(1, 3) k;
INSERT INTO nurture.event (lead_id, event_type, source, source_key) SELECT i, 'demo_requested', 'web', format('zqd%sq', 10000 + i) FROM generate_series(1, 300, 2) i;
-- what was corrected or deleted is kept for scores as they were known
UPDATE nurture.event SET properties = '{}', source_key = NULL WHERE source_key LIKE 'zqk%-2';
DELETE FROM nurture.event WHERE source_key LIKE 'zqk%-3' AND lead_id % 2 = 0;
INSERT INTO nurture.message (lead_id, channel, asset_id, occurrence_key) SELECT i, 'email', 'a', format('zqo%sq', 10000 + i) FROM generate_series(1, 300) i;
SELECT count(nurture_ack(lead_id, message_id, 'sent', format('zqm%sq', 10000 + lead_id))) FROM nurture_take('email', 150, 'w');
INSERT INTO nurture.document (lead_id, kind, uri) SELECT i, 'cv', format('https://dms.example.org/zqu%sq', 10000 + i) FROM generate_series(1, 300) i;
INSERT INTO nurture.review (lead_id, bucket, scope, evidence) SELECT i, 'discovery', 'x', jsonb_build_object('said', format('zqw%sq', 10000 + i)) FROM generate_series(1, 300) i;
INSERT INTO nurture.disqualification (lead_id, reason, excludes, note) SELECT i, 'no_budget', false, format('zqx%sq', 10000 + i) FROM generate_series(1, 300) i;
SELECT count(nurture_pause(i, now() + interval '1 day', format('Zqn%sq is away', 10000 + i))) FROM generate_series(1, 300, 5) i;
SELECT count(*) FROM nurture_ingest((SELECT jsonb_agg(jsonb_build_object('lead_id', i, 'event_type', 'no_such', 'properties', jsonb_build_object('x', format('zqy%sq', 10000 + i)))) FROM generate_series(1, 300) i));
SELECT nurture_merge(i, i + 1, format('Zqn%sq twice', 10000 + i)) FROM generate_series(1, 59, 6) i;
SELECT nurture_opt_out(i, 'email', 'link') FROM generate_series(1, 300, 4) i;
SELECT * FROM nurture_tick(500, '1 min');
SELECT nurture_audit_seal();
ANALYZE;
SQL

is(query(q{SELECT string_agg(DISTINCT concat_ws(' ', kind, outcome, reason, app_user, inputs, trigger), '; ') FROM nurture.audit a WHERE a::text ~* 'zq[a-z]1[0-9]{4}q'}), '', 'the audit trail names nobody');
is(query(q{SELECT string_agg(DISTINCT format('%s.%s', s.schemaname || '.' || s.tablename, s.attname), '; ') FROM pg_stats s WHERE concat(most_common_vals::text, histogram_bounds::text) ~* 'zq[a-z]1[0-9]{4}q'}), '', 'neither do the statistics of the planner');

# whom to erase: every third, the merged with their survivors, and the last row
# of a page, whose bytes stay at the end of the free space
my $last = query('SELECT max(lead_id) FROM (SELECT DISTINCT ON (((ctid::text::point)[0])) lead_id FROM nurture.lead ORDER BY (ctid::text::point)[0], (ctid::text::point)[1] DESC) x WHERE lead_id < 300');
my %gone;
for my $lead (1 .. 300) { $gone{$lead} = 1 if ($lead % 3 == 1 || $lead == $last) && keys %gone < $erased; }
my @merged = split /\n/, query("SELECT l.lead_id FROM nurture.lead l WHERE merged_into IN (" . join(',', keys %gone) . ')');
my %person = map { $_ => 1 } (keys %gone, @merged);
my %key = map { split /\|/ } split /\n/, query("SELECT lead_id, encode(key, 'hex') FROM nurture.subject_key WHERE lead_id <= 300");
my $directory = $node->data_dir . '/base/' . query("SELECT oid FROM pg_database WHERE datname = 'crm'");

# For each mark of a person the files it is found in.
sub found
{
	my (%of, %keys);
	my $keys = join '|', map { quotemeta pack('H*', $key{$_}) } sort keys %key;
	my %lead_of = map { pack('H*', $key{$_}) => $_ } keys %key;

	query('CHECKPOINT');
	for my $file (glob "$directory/*")
	{
		my $bytes = slurp_file($file);

		$of{ $2 - 10000 }{"$1 $file"} = 1 while $bytes =~ /(zq[a-z])(1\d{4})q/gi;
		$of{ $1 - 1000000 }{"phone $file"} = 1 while $bytes =~ /\+33 ?1 ?9(1000\d{3})/g;
		$keys{ $lead_of{$1} }{"key $file"} = 1 while $bytes =~ /($keys)/gs;
	}
	return (\%of, \%keys);
}
# the tables, or the server's own, that files belong to
sub tables_of
{
	my $files = join ',', map { m{/(\d+)(?:\.\d+)?$} ? $1 : () } @_;
	return $files ? query("SELECT string_agg(DISTINCT coalesce(pg_filenode_relation(0, f)::regclass::text, f::text), ' ') FROM unnest('{$files}'::oid[]) f") : '';
}
sub of_persons { my ($of, %persons) = @_; return scalar grep { $persons{$_} } keys %$of; }

my %others = map { $_ => 1 } grep { !$person{$_} } 1 .. 300;
my ($of, $keys) = found();
is(of_persons($of, %person) + of_persons($of, %others), 300, 'everybody is found in the files');
is(scalar(keys %$keys), scalar(keys %key), 'and so is every key');
my %kinds = map { map { substr($_, 0, 3) => 1 } keys %$_ } values %$of;
cmp_ok(scalar(keys %kinds), '>=', 16, 'in ' . join(' ', sort keys %kinds));

is(query('SELECT count(nurture_erase(i, \'objection\', \'ticket \' || i)) FROM unnest(ARRAY[' . join(',', sort { $a <=> $b } keys %gone) . ']) i'), $erased, "$erased persons are erased");
is(verify_errors($node, 'crm'), '', 'the audit trail verifies');
is(query('SELECT count(*) FROM nurture.lead WHERE erased_at IS NOT NULL'), scalar(keys %person), 'with their doubles');
is(query("SELECT string_agg(DISTINCT status, ',') FROM nurture.erasure"), 'pending', 'all of it is pending');
is(query("SELECT count(DISTINCT erasure_id) FROM nurture_erase_status() WHERE status = 'pending'"), $erased, 'when asked too');
($of, $keys) = found();
is(of_persons($of, %person), scalar(keys %person), 'for the files hold it still');
cmp_ok(of_persons($keys, %person), '>', 0, 'with keys');
query('VACUUM');
($of, $keys) = found();
cmp_ok(of_persons($of, %person), '>', 0, 'plain VACUUM frees space and does not wipe it');
ok(exists $of->{$last}, 'such as the last row of a page');
is(query("SELECT count(*) FROM nurture_erase_status() WHERE status <> 'pending'"), 0, 'which completes nothing');

my @relations = split /\n/, query('SELECT DISTINCT relation FROM nurture_erase_status() WHERE relation IS NOT NULL ORDER BY 1');
note("@relations");
query("VACUUM FULL $_") for @relations[ 1 .. $#relations ];
is(query('SELECT string_agg(DISTINCT relation, \',\') FROM nurture_erase_status()'), $relations[0], 'what was rewritten is asked for no more');
query("VACUUM FULL $relations[0]");
is(query('SELECT count(*) FROM nurture_erase_status() WHERE status = \'complete\''), $erased, 'then it is complete');
is(query("SELECT string_agg(DISTINCT status, ',') FROM nurture.erasure"), 'complete', 'on record too');
($of, $keys) = found();
is(tables_of(map { keys %{ $of->{$_} } } grep { $person{$_} } keys %$of), '', 'no address, number, name or word of theirs is in any file');
is(of_persons($keys, %person), 0, 'and no key');
is(of_persons($of, %others), scalar(keys %others), 'all others are as they were');
is(verify_errors($node, 'crm'), '', 'the audit trail verifies');
is(query("SELECT count(*) FROM nurture.audit WHERE kind = 'erasure' AND outcome = 'complete' AND lead_ref IS NULL AND subject IS NULL"), $erased, 'which says when it was complete');

# one that an old snapshot still sees
my ($lead) = sort { $a <=> $b } keys %others;
my @reader = ('psql', '-XAtq', '-h', $node->host, '-p', $node->port, 'crm');
my ($stdin, $stdout) = ("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class;\n", '');
my $old = IPC::Run::start(\@reader, '<', \$stdin, '>', \$stdout, IPC::Run::timeout(60));
$old->pump until $stdout =~ /\d/;
my $certificate = query("SELECT nurture_erase($lead, 'objection', 'ticket')");
query("VACUUM FULL $_") for split /\n/, query("SELECT relation FROM nurture_erase_status($certificate) WHERE relation IS NOT NULL");
like(query("SELECT detail FROM nurture_erase_status($certificate) WHERE relation = 'nurture.lead'"), qr/an old snapshot kept rows/, 'a table that was rewritten while somebody could see the row has it still');
($of) = found();
ok(exists $of->{$lead}, 'as the files show');
$stdin = "COMMIT;\n\\q\n";
$old->finish;
query("VACUUM FULL $_") for split /\n/, query("SELECT relation FROM nurture_erase_status($certificate) WHERE relation IS NOT NULL");
is(query("SELECT status FROM nurture_erase_status($certificate)"), 'complete', 'once more completes it');
($of) = found();
ok(!exists $of->{$lead}, 'as the files show');
is(verify_errors($node, 'crm'), '', 'the audit trail verifies');

$node->stop;
done_testing();
