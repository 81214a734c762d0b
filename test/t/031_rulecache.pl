# The caches of rules in each backend: what one session publishes, another
# uses at its next statement; what is rolled back was never in force; a
# snapshot that is older than a change does not keep old rules in a cache; and
# replicas, parallel workers and restarted servers score alike.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Nurture;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = cluster('rules');
database($node, 'rules', 'pharma');
$node->safe_psql('rules', <<'SQL');
INSERT INTO nurture.lead (lead_id, audience_type, role) SELECT i, 'hcp', 'prescriber' FROM generate_series(1, 5000) i;
INSERT INTO nurture.model (model, reason) VALUES ('m', 'test');
SELECT nurture_draft('model', 'm');
INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points) VALUES ('m', 1, 'r', 'role', '=', '"prescriber"', 1);
INSERT INTO nurture.signal_rule (model, version, rule, signal, points) VALUES ('m', 1, 'page', 'page_viewed', 0.5);
SELECT nurture_publish('model', 'm', 1, 'first', true);
INSERT INTO nurture.event (lead_id, event_type) SELECT i, 'page_viewed' FROM generate_series(1, 5000) i WHERE i % 2 = 0;
-- what a session calls to publish version n, worth n points
CREATE FUNCTION publish(n integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v integer := nurture_draft('model', 'm', 1);
BEGIN
    UPDATE nurture.fit_rule SET points = n WHERE model = 'm' AND version = v;
    PERFORM nurture_publish('model', 'm', v, 'worth ' || n, true);
END $$;
SQL
my $score = q{SELECT nurture_score(1, 'm');};
my $reader = $node->background_psql('rules', on_error_stop => 0);
my $writer = $node->background_psql('rules', on_error_stop => 0);

is($reader->query($score), '1.00', 'the reader has the first version in its cache');
$writer->query('SELECT publish(2);');
is($reader->query($score), '2.00', 'it uses another session\'s version at its next statement');

# nothing before the commit, everything after it
$writer->query('BEGIN; SELECT publish(3);');
is($writer->query($score), '3.00', 'the publisher sees its own version at once');
is($reader->query($score), '2.00', 'others do not before it commits');
$writer->query('COMMIT;');
is($reader->query($score), '3.00', 'and do afterwards');

# rollback and savepoints
$writer->query("BEGIN; SELECT publish(4); $score ROLLBACK;");
is($writer->query($score), '3.00', 'a rollback takes the rules back');
$writer->query("BEGIN; SAVEPOINT s; SELECT publish(5);");
is($writer->query($score), '5.00', 'inside a savepoint they hold');
$writer->query("ROLLBACK TO s;");
is($writer->query($score), '3.00', 'rolled back to it they do not');
$writer->query("SAVEPOINT t; SELECT publish(6); RELEASE t;");
is($writer->query($score), '6.00', 'released they do');
$writer->query('COMMIT;');
is($reader->query($score), '6.00', 'and the reader gets what was committed');

# an error in a function that published
$writer->query(q{DO $$ BEGIN PERFORM publish(7); PERFORM nurture_score(1, 'm'); RAISE EXCEPTION 'no'; EXCEPTION WHEN OTHERS THEN NULL; END $$;});
is($writer->query($score), '6.00', 'a caught error takes the rules back');

# A REPEATABLE READ reader whose snapshot is older than the change. Rules are
# read with the latest snapshot, so that an old one is never kept in a cache;
# the same backend afterwards is right in any case.
$reader->query('BEGIN ISOLATION LEVEL REPEATABLE READ;');
$reader->query('SELECT count(*) FROM nurture.lead;');
$writer->query('SELECT publish(8);');
like($reader->query($score), qr/^[68]\.00$/, 'a REPEATABLE READ reader gets one version or the other');
$reader->query('COMMIT;');
is($reader->query($score), '8.00', 'and its cache is right after it');

# the cache is first filled inside the old snapshot
my $late = $node->background_psql('rules', on_error_stop => 0);
$late->query('BEGIN ISOLATION LEVEL REPEATABLE READ;');
$late->query('SELECT count(*) FROM nurture.lead;');
$writer->query('SELECT publish(9);');
$late->query($score);
$late->query('COMMIT;');
is($late->query($score), '9.00', 'a cache filled under an old snapshot is right after it');
$late->quit;

# logical apply and restores run as replicas: ordinary triggers do not fire
is($reader->query('SELECT nurture_score(1) < 0;'), 'f', 'the reader knows the default model');
$writer->query(q{SET session_replication_role = replica;});
$writer->query(q{UPDATE nurture.model SET is_default = model = 'm';});
$writer->query(q{SET session_replication_role = origin;});
is($reader->query('SELECT nurture_score(1);'), '9.00', 'a change of a replica session is seen');
is( sqlstate($node, 'rules', q{SET session_replication_role = replica; UPDATE nurture.model_version SET status = 'retired' WHERE model = 'm'}),
	'NU006',
	'but a published version is guarded there too');
$writer->query('SELECT publish(12);');
is($reader->query($score), '12.00', 'publishing works on');

is($reader->query('SELECT nurture_score(1);'), '12.00', 'for the default model as well');

# parallel workers
my $sums = q{SELECT count(*), sum(nurture_score(lead_id, 'm')), sum(nurture_intent(lead_id)), min(nurture_grade(lead_id)) FROM nurture.lead};
my $parallel = q{DO $$BEGIN PERFORM set_config(name, 'on', false) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query'); END$$; }
  . q{SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 4;};
like($node->safe_psql('rules', "$parallel EXPLAIN (COSTS OFF) $sums"), qr/Workers Planned/, 'the scan is parallel');
my $alone = $node->safe_psql('rules', "SET max_parallel_workers_per_gather = 0; $sums");
is($node->safe_psql('rules', "$parallel $sums"), $alone, 'parallel workers score as one process does');
is($node->safe_psql('rules', "$parallel SELECT sum(total), count(grade) FROM nurture_bi.lead_score"),
	$node->safe_psql('rules', 'SET max_parallel_workers_per_gather = 0; SELECT sum(total), count(grade) FROM nurture_bi.lead_score'),
	'the view too');
is($node->safe_psql('rules', "BEGIN; SELECT publish(13); $parallel SELECT sum(nurture_fit(lead_id, 'm')) FROM nurture.lead; ROLLBACK;"),
	"\n65000.00", 'and see what their own transaction published');
is($node->safe_psql('rules', <<SQL), "60000.00\n65000.00", 'a leader\'s cache is not spoilt by a parallel query under an old snapshot');
$parallel
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT sum(nurture_fit(lead_id, 'm')) FROM nurture.lead;
\\! psql -XAtq -d "@{[$node->connstr('rules')]}" -c "SELECT publish(13)" -o /dev/null
COMMIT;
SELECT sum(nurture_fit(lead_id, 'm')) FROM nurture.lead;
SQL

# prepared statements keep plans, not rules
$reader->query(q{PREPARE p AS SELECT nurture_score(1, 'm');});
$reader->query('EXECUTE p;') foreach (1 .. 7);
$writer->query('SELECT publish(14);');
is($reader->query('EXECUTE p;'), '14.00', 'a prepared statement uses new rules');

# Many sessions publish while others score: rules of two tables that cancel
# each other out are never seen as a mixture of two versions.
$node->safe_psql('rules', <<'SQL');
INSERT INTO nurture.model (model, reason) VALUES ('pair', 'test');
SELECT nurture_draft('model', 'pair');
INSERT INTO nurture.fit_rule (model, version, rule, attribute, operator, operand, points) VALUES ('pair', 1, 'plus', 'role', '=', '"prescriber"', 1);
INSERT INTO nurture.signal_rule (model, version, rule, signal, points) VALUES ('pair', 1, 'minus', 'page_viewed', -1);
SELECT nurture_publish('model', 'pair', 1, 'first', true);
CREATE TABLE mixture (score numeric);
SQL
$node->pgbench(
	'--no-vacuum --client=6 --jobs=2 --transactions=100',
	0, [qr{processed: 600/600}], [qr{^$}],
	'scoring while others publish',
	{   '031_score@4' => q{
INSERT INTO mixture SELECT s FROM (SELECT nurture_score(2, 'pair') AS s OFFSET 0) q WHERE s <> 0;
},
		'031_publish@1' => q{
\set n random(1, 1000)
BEGIN;
SELECT pg_advisory_xact_lock(1);
SELECT nurture_draft('model', 'pair', 1) AS version \gset
UPDATE nurture.fit_rule SET points = :n WHERE model = 'pair' AND version = :version;
UPDATE nurture.signal_rule SET points = -:n WHERE model = 'pair' AND version = :version;
SELECT nurture_publish('model', 'pair', :version, 'again', true);
END;
} },
	'rules');
is($node->safe_psql('rules', 'SELECT count(*) FROM mixture'), '0', 'never a mixture of two versions');

$reader->quit;
$writer->quit;

# a restart
$node->restart;
is($node->safe_psql('rules', $score), '14.00', 'rules and scores are there after a restart');

$node->stop;
done_testing();
