# Sixteen sessions name members at the same time, and a third of them roll
# back: everybody gets the same number, each hand-off one member, and nothing
# is told twice.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Nurture;
use PostgreSQL::Test::Utils;
use Test::More;

my $offers = $ENV{NURTURE_ASSIGN_OFFERS} // 900;
my $seed = $ENV{NURTURE_SEED} // 20261122;
my $node = cluster('assign');
database($node, 'crm', 'pharma');
$node->safe_psql('crm', <<SQL);
INSERT INTO nurture.team (team, title) VALUES ('even', 'even'), ('weights', 'by weight'), ('load', 'by load'), ('small', 'with room for 40 each');
INSERT INTO nurture.team_member (team, member, weight, capacity)
    SELECT 'even', 'e' || i, 1, NULL::integer FROM generate_series(1, 7) i
    UNION ALL SELECT 'weights', 'w' || i, i, NULL FROM generate_series(1, 4) i
    UNION ALL SELECT 'load', 'l' || i, 1, NULL FROM generate_series(1, 5) i
    UNION ALL SELECT 'small', 's' || i, 1, 40 FROM generate_series(1, 3) i;
INSERT INTO nurture.team_member (team, member, active, absence) VALUES ('even', 'gone', false, '{}'), ('even', 'away', true, '{"[2020-01-01,2099-01-01)"}');
INSERT INTO nurture.route (route, title) SELECT 't_' || t, t FROM unnest('{even,weights,load,small}'::text[]) t;
INSERT INTO nurture.route_version (route, version, priority, condition, team, method, sla_accept, sla_first_response)
    SELECT 't_' || t, 1, 1, jsonb_build_object('fact', 'source', 'op', '=', 'value', t), t, m, '8 hours', '16 hours'
    FROM (VALUES ('even', 'round_robin'), ('weights', 'weighted'), ('load', 'least_loaded'), ('small', 'round_robin')) v (t, m);
SELECT nurture_publish('route', 't_' || t, 1, 'test') FROM unnest('{even,weights,load,small}'::text[]) t;
INSERT INTO nurture.lead (lead_id, source) SELECT i, (ARRAY['even', 'even', 'weights', 'load', 'small'])[1 + i % 5] FROM generate_series(1, $offers) i;
SELECT count(nurture_route(i)) FROM generate_series(1, $offers) i;
SQL
my $script = "$PostgreSQL::Test::Utils::tmp_check/assign.pgbench";
append_to_file($script, <<'SQL');
\set n random(1, 12)
\set keep random(0, 2)
BEGIN;
SELECT nurture_assign(:n);
\if :keep
COMMIT;
\else
ROLLBACK;
\endif
SQL
my $ran = IPC::Run::run(
	[ 'pgbench', '-n', '-c', '16', '-j', '2', '-t', 12, '--random-seed', $seed, '-f', $script, '-h', $node->host, '-p', $node->port, 'crm' ],
	'>', \my $out, '2>', \my $err);
ok($ran, 'sixteen sessions') or diag($err);
unlike($err, qr/deadlock|could not serialize/, 'none met in a deadlock');
cmp_ok($node->safe_psql('crm', 'SELECT count(*) FROM nurture.handoff WHERE member IS NULL'), '>', 0, 'some are left') if $offers > 2000;
$node->safe_psql('crm', 'SELECT nurture_assign(100000)');

is($node->safe_psql('crm', q{SELECT max(n) - min(n), count(*) FROM (SELECT count(*) AS n FROM nurture.handoff WHERE team = 'even' GROUP BY member) x}) =~ /^[01]\|7$/, 1,
	'in turn: counts differ by one at most, and who is gone or away has none');
is($node->safe_psql('crm', q{SELECT count(*) FROM nurture.handoff WHERE team = 'even' AND member IS NULL}), '0', 'nobody waits');
is($node->safe_psql('crm', q{SELECT max(abs(n - share)) <= 1 FROM (SELECT count(*) AS n, m.weight * sum(count(*)) OVER () / 10.0 AS share
	FROM nurture.handoff h JOIN nurture.team_member m USING (team, member) WHERE team = 'weights' GROUP BY member, m.weight) x}), 't', 'by weight, to one');
is($node->safe_psql('crm', q{SELECT max(n) - min(n) <= 1 FROM (SELECT count(*) AS n FROM nurture.handoff WHERE team = 'load' GROUP BY member) x}), 't', 'by load, to one');
is($node->safe_psql('crm', q{SELECT string_agg(DISTINCT n::text, ' ') FROM (SELECT count(*) AS n FROM nurture.handoff WHERE team = 'small' AND member IS NOT NULL GROUP BY member) x}), '40', 'up to capacity');
is($node->safe_psql('crm', q{SELECT count(*) FROM nurture.handoff WHERE team = 'small' AND member IS NULL}), $offers / 5 - 120, 'the rest waits');
is($node->safe_psql('crm', q{SELECT count(*) FROM nurture.team_turn t WHERE member <> '' AND assigned <> (SELECT count(*) FROM nurture.handoff h WHERE h.team = t.team AND h.member = t.member)}),
	'0', 'turns count what was given');
is($node->safe_psql('crm', q{SELECT count(*) FROM (SELECT payload ->> 'handoff_id' FROM nurture.outbox WHERE topic = 'handoff.assigned' GROUP BY 1 HAVING count(*) > 1) x}), '0', 'each is told once');
is($node->safe_psql('crm', q{SELECT count(*) FROM nurture.handoff h LEFT JOIN nurture.outbox o ON o.topic = 'handoff.assigned' AND o.lead_id = h.lead_id
	WHERE (h.member IS NULL) <> (o.lead_id IS NULL) OR h.member <> o.payload ->> 'member'}), '0', 'and what is told is what is so');
is($node->safe_psql('crm', q{SELECT count(*) FROM nurture.task t JOIN nurture.handoff h USING (lead_id, handoff_id) WHERE t.member IS DISTINCT FROM h.member}), '0', 'tasks go with it');
$node->stop;
done_testing();
