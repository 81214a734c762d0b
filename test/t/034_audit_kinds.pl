# Every kind of entry that the code can write comes about, is listed in
# docs/audit.md (tools/check-symbols compares that list with the code), says
# who, and verifies. Every configuration table logs its changes.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Nurture;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = cluster('kinds');
database($node, 'crm', 'pharma');
load_everything($node, 'crm');
$node->safe_psql('crm', <<'SQL');
ALTER TABLE nurture.message DISABLE TRIGGER USER;
SELECT nurture_selfcheck(true);
SELECT nurture_canary();
SELECT nurture_subject_export(5);
SELECT nurture_retire('model', 'dump_model', 'test');
DELETE FROM nurture.lead WHERE lead_id = 292;
INSERT INTO nurture.lead (lead_id, email) VALUES (292, 'another@example.org');
SET nurture.pooled_logins = on;
UPDATE nurture.event_type SET title = 'a setting is weaker' WHERE event_type = 'email_opened';
SQL
# what is due in a week, under a set clock
my $week = $node->safe_psql('crm', q{SELECT to_char(now() + interval '7 days', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')});
$node->safe_psql('crm', "SET nurture.clock = '$week'; SELECT nurture_tick(1000, '10 seconds')");

my @listed = sort grep { $_ ne '' } map { /^\| `([a-z_]+)` \|/ ? $1 : '' } split(/\n/, slurp_file("$FindBin::Bin/../../docs/audit.md"));
cmp_ok(scalar(@listed), '>', 20, 'kinds in docs/audit.md');
is($node->safe_psql('crm', q{SELECT string_agg(DISTINCT kind, ' ' ORDER BY kind) FROM nurture.audit}),
	join(' ', @listed), 'each of them came about, and no other');
is($node->safe_psql('crm', q{SELECT count(*) FROM nurture.audit WHERE "session_user" IS DISTINCT FROM 'postgres' OR effective_role IS NULL}),
	'0', 'each says who');
is($node->safe_psql('crm', q{SELECT count(*) FROM nurture.audit WHERE simulated <> (at > now() + interval '1 day')}),
	'0', 'those under a set clock say so, and only those');
cmp_ok($node->safe_psql('crm', q{SELECT count(*) FROM nurture.audit WHERE simulated}), '>', 0, 'there are such');
is($node->safe_psql('crm', q{SELECT count(*) FROM nurture.audit WHERE subject IS NULL AND lead_ref IS NOT NULL}),
	'0', 'whoever names a lead has its pseudonym');

# configuration is what has a title, an owner and a reason; each change of it is
# logged with both rows, and the log is borne out by an entry
is($node->safe_psql('crm', <<'SQL'), '', 'every configuration table logs its changes');
SELECT string_agg(c.relname, ' ') FROM pg_class c
WHERE c.relnamespace = 'nurture'::regnamespace AND c.relkind IN ('r', 'p')
  AND 3 = (SELECT count(*) FROM pg_attribute WHERE attrelid = c.oid AND attname IN ('title', 'owner', 'reason'))
  AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND tgfoid = 'nurture_log_change'::regproc AND tgenabled IN ('O', 'A')
      AND tgtype & (4 + 8 + 16) = 4 + 8 + 16)
SQL
my @tables = split(/\n/, $node->safe_psql('crm', <<'SQL'));
SELECT c.relname FROM pg_class c JOIN pg_trigger t ON t.tgrelid = c.oid WHERE t.tgfoid = 'nurture_log_change'::regproc
  AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'reason') ORDER BY 1
SQL
my @silent;
my $touched = 0;
foreach my $table (@tables)
{
	# a row that may be changed: one of a published version may not
	my $logged = $node->safe_psql('crm', <<SQL);
CREATE TEMP TABLE logged (n int);
DO \$\$
DECLARE
    place tid;
    before bigint := (SELECT coalesce(max(change_id), 0) FROM nurture.change_log);
BEGIN
    FOR place IN SELECT ctid FROM nurture.$table LIMIT 20 LOOP
        BEGIN
            UPDATE nurture.$table SET reason = 'touched by the test' WHERE ctid = place;
            INSERT INTO logged SELECT count(*) FROM nurture.change_log c JOIN nurture.audit a ON a.kind = 'change' AND a.object = 'change:' || c.change_id
                WHERE c.change_id > before AND c.table_name = '$table' AND c.new_row ->> 'reason' = 'touched by the test' AND c.old_row IS NOT NULL AND a.outcome = '$table';
            RETURN;
        EXCEPTION WHEN OTHERS THEN
            NULL;
        END;
    END LOOP;
END \$\$;
SELECT n FROM logged;
SQL
	next if $logged eq '';
	$touched++;
	push @silent, $table if $logged < 1;
}
is(join(' ', @silent), '', 'a change of one row is logged, table by table');
cmp_ok($touched, '>', 30, "of $touched tables");
$node->safe_psql('crm', 'SELECT nurture_audit_seal()');
is(verify_errors($node, 'crm'), '', 'the trail is good');

# who did it: the login role stays, whatever is in force
$node->safe_psql('crm', <<'SQL');
CREATE ROLE editor;
CREATE ROLE other SUPERUSER LOGIN;
GRANT USAGE ON SCHEMA nurture TO editor;
GRANT SELECT, UPDATE ON nurture.event_type TO editor;
CREATE FUNCTION inner_edit(words text) RETURNS void LANGUAGE sql SECURITY DEFINER AS
    $$ UPDATE nurture.event_type SET title = words WHERE event_type = 'page_viewed' $$;
ALTER FUNCTION inner_edit(text) OWNER TO editor;
CREATE FUNCTION outer_edit(words text) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_temp AS
    $$ SELECT public.inner_edit(words) $$;
SQL
sub who
{
	my ($what, $expected, $sql, %options) = @_;
	$node->safe_psql('crm', $sql, extra_params => [ '-U', $options{login} // 'other' ]);
	is($node->safe_psql('crm', q{SELECT "session_user" || ' ' || effective_role FROM nurture.audit ORDER BY audit_id DESC LIMIT 1}),
		$expected, $what);
	return;
}
my $edit = q{UPDATE nurture.event_type SET title = md5(random()::text) WHERE event_type = 'page_viewed'};
who('a plain login', 'other other', $edit);
who('SET ROLE', 'other editor', "SET ROLE editor; $edit");
who('SET SESSION AUTHORIZATION', 'other editor', "SET SESSION AUTHORIZATION editor; $edit");
who('both', 'other editor', "SET SESSION AUTHORIZATION postgres; SET ROLE editor; $edit");
who('SET LOCAL SESSION AUTHORIZATION', 'other editor', "BEGIN; SET LOCAL SESSION AUTHORIZATION editor; $edit; COMMIT");
who('a security-definer function', 'other editor', q{SELECT inner_edit('one')});
who('one in another', 'other editor', q{SELECT outer_edit('two')});
who('one under SET ROLE', 'other editor', q{SET SESSION AUTHORIZATION postgres; SELECT outer_edit('three')});
who('the setting role of a function', 'other editor', <<'SQL');
CREATE FUNCTION as_editor() RETURNS void LANGUAGE plpgsql SET role = 'editor' AS
    $$ BEGIN UPDATE nurture.event_type SET title = 'four' WHERE event_type = 'page_viewed'; END $$;
SELECT as_editor();
SQL
who('a setting of the session', 'other other', "SET nurture.app_user = 'postgres'; $edit");
is($node->safe_psql('crm', q{SELECT app_user FROM nurture.audit ORDER BY audit_id DESC LIMIT 1}), 'postgres',
	'which is recorded as what the application says');
$node->stop;
done_testing();
