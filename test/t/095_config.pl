# The configuration carried to another database: export, import, approval and
# publication there, and the export from there is the same bytes. The document
# is what its JSON Schema says, by a validator that is not ours.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Nurture;
use File::Temp;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = cluster('config');
database($node, 'source', 'pharma');
database($node, 'target', 'minimal');
$node->safe_psql('source', <<'SQL');
SET nurture.change_reason = 'test';
UPDATE nurture.frequency_cap SET n = 4, title = U&'vier f\00FCr "alle" \1F600\\ und \+01F600' WHERE cap = 'email_week';
INSERT INTO nurture.tag (dimension, value, parent) VALUES ('topic', 'zz_parent', NULL), ('topic', 'aa_child', 'zz_parent');
INSERT INTO nurture.blackout (blackout, market, channel, during) VALUES ('august', 'FR', '*', '[2026-08-01 00:00+02,2026-08-16 00:00+02)');
INSERT INTO nurture.calendar_holiday (calendar, day, title) VALUES ('office', '2026-12-25', 'Christmas');
SELECT nurture_add_asset('{"asset_id": "brief", "title": "A brief", "format": "email", "message_class": "promotional", "channels": ["email"], "languages": ["en"], "markets": ["DE"], "audience_types": ["hcp"], "tags": ["topic:aa_child"]}');
SELECT nurture_set_asset_status('brief', 1, 'in_review', 'test'), nurture_approve('asset', 'brief', 1, 'medical', 'approved', 'right');
SELECT nurture_publish('model', 'default', nurture_draft('model', 'default', 1), 'again', true);
SQL
my $export = q{SELECT nurture_canonical(nurture_export_config())};
my $text = $node->safe_psql('source', $export);
my $file = File::Temp->new;
binmode $file;
print $file $text;
close $file;

# imports the document; what it says of kinds and changes
sub import_document
{
	my $in = File::Temp->new;
	print $in "SELECT kind || ' ' || change || ' ' || count(*) FROM nurture_import_config(\$document\$$text\$document\$, 'carried over') GROUP BY kind, change ORDER BY 1;";
	close $in;
	return $node->safe_psql('target', "SET client_min_messages = warning;\n\\i " . $in->filename);
}

is($node->safe_psql('source', "SELECT nurture_canonical(pg_read_file('" . $file->filename . "')::jsonb)"), $text, 'the text is canonical');
my $before = $node->safe_psql('target', $export);
my $first = import_document();
like($first, qr/^asset waits 1$/m, 'what needs settings waits for them');
like($first, qr/^setting added \d+$/m, 'settings are proposed');
is($node->safe_psql('target', $export), $before, 'nothing is in force yet');
is($node->safe_psql('target', q{SELECT nurture_approve('config', 'import', max(proposal_id)::int, 'qa', 'approved', 'checked') FROM nurture.config_proposal}), 'applied', 'approved');
my $second = import_document();
is($second, "asset added 1\nmodel added 1\nroute added 16\nselection drafted before 1\ntrack added 12", 'then rules become drafts');
isnt($node->safe_psql('target', $export), $text, 'which are not in force');
$node->safe_psql('target', <<'SQL');
SELECT nurture_publish('model', model, version, 'carried over', true) FROM nurture.model_version WHERE status = 'draft';
SELECT nurture_publish('track', track, version, 'carried over') FROM nurture.track_version WHERE status = 'draft';
SELECT nurture_publish('route', route, version, 'carried over') FROM nurture.route_version WHERE status = 'draft';
SELECT nurture_publish('selection', selection, version, 'carried over') FROM nurture.selection_version WHERE status = 'draft';
SELECT nurture_set_asset_status(asset_id, version, 'in_review', 'test'), nurture_approve('asset', asset_id, version, 'medical', 'approved', 'right') FROM nurture.asset_version WHERE status = 'draft';
SQL
ok($node->safe_psql('target', $export) eq $text, 'the export from there is the same, byte by byte');
is(import_document(), '', 'and nothing is left to import');
is($node->safe_psql('target', 'SELECT count(*) FROM nurture_audit_verify()'), '0', 'all of it is on record');
is($node->safe_psql('target', q{SELECT string_agg(finding || detail, ',') FROM nurture_selfcheck() WHERE severity = 'error' AND finding <> 'setting_unsafe'}), '', 'and as it should be');

# in the eyes of another implementation
SKIP:
{
	skip 'python3-jsonschema is not installed', 3
	  if system('python3 -c "import jsonschema" 2>/dev/null') != 0;
	my $schema = File::Temp->new;
	print $schema $node->safe_psql('source', 'SELECT nurture_config_schema()');
	close $schema;
	my $script = <<'PYTHON';
import copy, json, sys
import jsonschema
schema, document = (json.load(open(name, encoding="utf-8")) for name in sys.argv[1:3])
validator = getattr(jsonschema, "Draft202012Validator", jsonschema.Draft7Validator)
validator.check_schema(schema)
print("errors", len(list(validator(schema).iter_errors(document))))
def broken(change):
    other = copy.deepcopy(document)
    change(other)
    print(json.dumps(other, ensure_ascii=False), file=open(sys.argv[3], "a", encoding="utf-8"))
    return not validator(schema).is_valid(other)
changes = [
    lambda d: d.update(format="other"), lambda d: d.update(more=1), lambda d: d.pop("format_version"),
    lambda d: d["settings"].update(unknown=[]), lambda d: d["settings"].update(reason={}),
    lambda d: d["settings"]["reason"][0].update(colour=1), lambda d: d["settings"]["reason"][0].pop("text"),
    lambda d: d["settings"]["frequency_cap"][0].update(n="2"), lambda d: d["settings"]["frequency_cap"][0].update(n=2.5),
    lambda d: d["settings"]["frequency_cap"][0].update(title=None), lambda d: d["settings"]["event_type"][0].update({"class": "x"}),
    lambda d: d["settings"]["event_type"][0].update(event_type="X"), lambda d: d["versioned"].update(policy={}),
    lambda d: d["versioned"]["model"]["default"].pop("version"), lambda d: d["versioned"]["model"]["default"].update(fit_rule={}),
    lambda d: d["versioned"]["model"]["default"]["band"][0].update(min_points="60")]
print("broken", sum(map(broken, changes)), "of", len(changes))
PYTHON
	my $py = File::Temp->new;
	print $py $script;
	close $py;
	my $cases = File::Temp->new;
	close $cases;
	my $found = qx(PYTHONIOENCODING=utf-8 python3 $py $schema $file $cases 2>&1);
	like($found, qr/^errors 0$/m, 'the schema is one, and the export is valid');
	like($found, qr/^broken 16 of 16$/m, 'what is broken is not');
	my $refused = 0;
	open my $in, '<:raw', $cases->filename or die;
	while (my $line = <$in>)
	{
		my $case = File::Temp->new;
		print $case "SELECT * FROM nurture_import_config(\$document\$$line\$document\$);";
		close $case;
		my ($code, $out, $err) = $node->psql('source', "\\set VERBOSITY sqlstate\n\\i " . $case->filename);
		$refused++ if $err =~ /22023/;
	}
	is($refused, 16, 'and refused by the import as well');
}
$node->stop;
done_testing();
