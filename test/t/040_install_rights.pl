# Who may install, what an installation that fails leaves behind, and what
# look-alike objects in the search path can do.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Nurture;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = cluster('install');
my $left = q{SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'nurture%'};

$node->safe_psql('postgres', <<SQL);
CREATE ROLE plain LOGIN;
CREATE ROLE boss LOGIN;
CREATE DATABASE shared TEMPLATE template0;
CREATE DATABASE owned TEMPLATE template0 OWNER boss;
CREATE DATABASE foreign_schema TEMPLATE template0;
SQL

# a role that may not create schemas
$node->safe_psql('shared', 'CREATE EXTENSION nurture');
my ($code, $out, $err) = $node->psql('shared', q{SELECT nurture_install('pharma')},
	extra_params => [ '-U', 'plain' ]);
isnt($code, 0, 'a role without CREATE on the database cannot install');
like($err, qr/permission denied to create schemas in this database/, 'and is told why');
like($err, qr/GRANT CREATE ON DATABASE/, 'and what helps');
is($node->safe_psql('shared', $left), '0', 'nothing is left behind');

# the extension itself asks for a superuser
is(sqlstate($node, 'owned', 'CREATE EXTENSION nurture', params => [ '-U', 'boss' ]),
	'42501', 'the owner of a database cannot bring C code into it');
is($node->safe_psql('owned', $left), '0', 'nothing is left behind');

# once it is there, the owner installs and owns everything
$node->safe_psql('owned', 'CREATE EXTENSION nurture');
$node->safe_psql('owned', q{SELECT nurture_install('pharma')}, extra_params => [ '-U', 'boss' ]);
is($node->safe_psql('owned', <<SQL), 'boss', 'every table, view and sequence is the installer\'s');
SELECT string_agg(DISTINCT pg_get_userbyid(relowner), ',')
FROM pg_class WHERE relnamespace::regnamespace::text LIKE 'nurture%'
SQL
is($node->safe_psql('owned', <<SQL), 'boss', 'every schema too');
SELECT string_agg(DISTINCT pg_get_userbyid(nspowner), ',')
FROM pg_namespace WHERE nspname LIKE 'nurture%'
SQL
is($node->safe_psql('owned', <<SQL), '', 'none of them belongs to the extension');
SELECT string_agg(pg_describe_object(classid, objid, objsubid), '; ')
FROM pg_depend
WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
  AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'nurture')
  AND classid IN ('pg_class'::regclass, 'pg_namespace'::regclass)
SQL

# twice
($code, $out, $err) = $node->psql('owned', q{SELECT nurture_install('pharma')},
	extra_params => [ '-U', 'boss' ]);
isnt($code, 0, 'installing twice is refused');
like($err, qr/schema "nurture" exists already/, 'by name');
like($err, qr/nurture_seed\(preset\)/, 'with a hint');

# over a schema of somebody else's
$node->safe_psql('foreign_schema', <<SQL);
CREATE EXTENSION nurture;
CREATE SCHEMA nurture_bi;
CREATE TABLE nurture_bi.mine AS SELECT 1 AS kept;
SQL
($code, $out, $err) = $node->psql('foreign_schema', q{SELECT nurture_install('pharma')});
isnt($code, 0, 'installing over an existing schema is refused');
like($err, qr/schema "nurture_bi" exists already/, 'by name');
is($node->safe_psql('foreign_schema', "$left; SELECT kept FROM nurture_bi.mine"),
	"1\n1", 'the schema and its table stay, and no other came');
$node->safe_psql('foreign_schema', 'DROP SCHEMA nurture_bi CASCADE');

# a failure in the middle: an event trigger of the database says no
$node->safe_psql('foreign_schema', <<'SQL');
CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE object_identity = 'nurture.event') THEN
        RAISE EXCEPTION 'not this one';
    END IF;
END $$;
CREATE EVENT TRIGGER refuse ON ddl_command_end EXECUTE FUNCTION refuse();
SQL
($code, $out, $err) = $node->psql('foreign_schema', q{SELECT nurture_install('pharma')});
isnt($code, 0, 'an error in the middle ends the installation');
like($err, qr/SQL part "20_events\.tables\.sql" of nurture_install/, 'and says in which part');
is($node->safe_psql('foreign_schema', $left), '0', 'nothing is left behind');
$node->safe_psql('foreign_schema', 'DROP EVENT TRIGGER refuse');

# in a schema of its own, under any search path
$node->safe_psql('foreign_schema', <<SQL);
DROP EXTENSION nurture;
CREATE SCHEMA "odd Schema";
CREATE EXTENSION nurture SCHEMA "odd Schema";
SET search_path = '';
SELECT "odd Schema".nurture_install('pharma');
SQL
is($node->safe_psql('foreign_schema', q{SELECT count(*) > 50 FROM nurture.signal}),
	't', 'installs with the extension in a schema of any name');

# Look-alikes: the same data, once in a clean database and once where every
# operator and function that nurture uses has a malicious namesake first in
# the search path and in pg_temp.
my $probe = <<'SQL';
SELECT nurture_rebuild() IS NOT NULL;
SELECT * FROM nurture_ingest('[{"lead_id":1,"event_type":"page_viewed","occurred_at":"2026-01-03T00:00:00Z","source":"h","source_key":"k1"},{"lead_id":1,"event_type":"page_viewed","occurred_at":"2026-01-03T00:00:00Z","source":"h","source_key":"k1"}]');
SELECT lead_id, fit, intent, total, grade FROM nurture_scores() ORDER BY lead_id;
SELECT lead_id, signals, topics FROM nurture.activity ORDER BY lead_id;
SELECT nurture_opt_in(2, 'email') IS NOT NULL;
SELECT lead_id, channel, state FROM nurture.consent ORDER BY 1, 2;
SELECT verdict, reasons FROM nurture_may_contact(1, 'email');
SELECT count(*) FILTER (WHERE severity = 'error') FROM nurture_audit_verify();
SQL
my $facts = <<'SQL';
INSERT INTO nurture.lead (lead_id, email, audience_type, role, specialty, country, language)
    SELECT i, 'l' || i || '@example.org', 'hcp', 'physician', 'oncology', 'DE', 'de' FROM generate_series(1, 20) i;
INSERT INTO nurture.event (lead_id, event_type, occurred_at, source, source_key)
    SELECT 1 + i % 20, (ARRAY['page_viewed', 'pricing_requested', 'email_clicked'])[1 + i % 3],
           timestamptz '2026-01-01 00:00Z' + i % 30 * interval '1 hour', 's', 'k' || i
    FROM generate_series(1, 200) i;
SQL
my $hostile = <<'SQL';
CREATE SCHEMA hostile;
CREATE FUNCTION hostile.lie(anyelement, anyelement) RETURNS boolean LANGUAGE plpgsql AS
    $$BEGIN RAISE EXCEPTION 'look-alike called'; END$$;
DO $$
DECLARE
    op text;
    ty text;
BEGIN
    FOREACH op IN ARRAY ARRAY['=', '<>', '<', '<=', '>', '>='] LOOP
        FOREACH ty IN ARRAY ARRAY['text', 'bigint', 'integer', 'smallint', 'timestamptz', 'jsonb', 'bytea', 'numeric'] LOOP
            EXECUTE format('CREATE FUNCTION hostile.f(%1$s, %1$s) RETURNS boolean LANGUAGE plpgsql AS $f$BEGIN RAISE EXCEPTION ''look-alike operator''; END$f$', ty);
            EXECUTE format('CREATE OPERATOR hostile.%s (LEFTARG = %2$s, RIGHTARG = %2$s, FUNCTION = hostile.f)', op, ty);
            EXECUTE format('ALTER FUNCTION hostile.f(%1$s, %1$s) RENAME TO f_%2$s', ty, md5(op || ty));
        END LOOP;
    END LOOP;
END $$;
CREATE FUNCTION hostile.now() RETURNS timestamptz LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'look-alike function'; END$$;
CREATE FUNCTION hostile.count(anyelement) RETURNS bigint LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'look-alike function'; END$$;
CREATE FUNCTION hostile.max(bigint) RETURNS bigint LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'look-alike function'; END$$;
CREATE FUNCTION hostile.unnest(text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'look-alike function'; END$$;
CREATE FUNCTION hostile.nurture_now() RETURNS timestamptz LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'look-alike function'; END$$;
CREATE TABLE hostile.lead AS SELECT 0::bigint AS lead_id;
CREATE TABLE hostile.activity AS SELECT 0::bigint AS lead_id;
SET search_path = hostile, public, pg_catalog;
CREATE TEMP TABLE lead (lead_id bigint);
CREATE TEMP TABLE activity (lead_id bigint);
CREATE TEMP TABLE event (lead_id bigint);
CREATE TEMP TABLE signal (signal text);
CREATE TEMP TABLE pg_class (relname name);
CREATE TEMP TABLE message (lead_id bigint);
CREATE FUNCTION pg_temp.nurture_now() RETURNS timestamptz LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'look-alike function'; END$$;
SQL
database($node, 'clean', 'pharma');
database($node, 'dirty', 'pharma');
$node->safe_psql($_, $facts) foreach ('clean', 'dirty');
my $clock = q{SET nurture.clock = '2026-01-05T00:00Z';};
# the probe's own operators must be the real ones: only what nurture runs
# inside may meet the look-alikes
my $dirty_probe = $probe;
$dirty_probe =~ s/ = 'error'/ OPERATOR(pg_catalog.=) 'error'/;
$dirty_probe =~ s/count\(/pg_catalog.count(/;
$dirty_probe =~ s/ORDER BY [^;]*;/;/g;
my $clean_probe = $dirty_probe;
is( join("\n", sort split(/\n/, $node->safe_psql('dirty', "$clock $hostile $dirty_probe"))),
	join("\n", sort split(/\n/, $node->safe_psql('clean', "$clock $clean_probe"))),
	'look-alike operators, functions and tables change no result');

# two persons are two logins with two names, whatever a session says
$node->safe_psql('owned', <<'SQL');
CREATE ROLE mate LOGIN IN ROLE boss;
ALTER DATABASE owned SET nurture.two_person_rule = on;
SQL
my @boss = (params => [ '-U', 'boss' ]);
my @mate = (params => [ '-U', 'mate' ]);
$node->safe_psql('owned', q{SELECT nurture_draft('selection', 'default', 1)}, extra_params => [ '-U', 'boss' ]);
my $publish = q{SELECT nurture_publish('selection', 'default', 2, 'test')};
is(sqlstate($node, 'owned', $publish, @boss), '42501', 'the author does not publish');
is(sqlstate($node, 'owned', "SET nurture.app_user = 'mate'; $publish", @boss), '42501', 'under no other name');
is(sqlstate($node, 'owned', "SET nurture.pooled_logins = on; $publish", @boss), '42501', 'and cannot say that the login is shared');
is(sqlstate($node, 'owned', "SET ROLE boss; $publish", @mate), '42501', 'another login in the name of the author is not two persons');
is($node->safe_psql('owned', $publish, extra_params => [ '-U', 'mate' ]), 'selection default: version 2 published, 24 weights', 'another login with its own name is');

$node->stop;
done_testing();
