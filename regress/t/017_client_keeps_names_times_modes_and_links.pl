# The client: what it keeps, what it skips, what it refuses; export resumes; several nodes; large files by pieces.
use strict;
use warnings;
use File::Path qw(make_path remove_tree);
use JSON::PP qw(decode_json);
use POSIX qw(mkfifo);
use PocketTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $cell = PocketTest->new('client', drives => 2, conf => "pocket.bucket_size = '256MB'");
$cell->add_sidecar('two', 2);
$cell->sql("SELECT pocket.add_node('" . $cell->url('two') . "', 'elsewhere')");
is($cell->sql('SELECT count(*) FROM pocket.nodes'), '2', 'a cell of two nodes');

my $tree = $cell->make_tree('tree', 7);
$cell->write_random("$tree/seventy MB", 70 << 20, 'large');
my ($status, $out, $err) = $cell->pocket('--json', 'import', $tree, 'docs:/some/where');
is($status, 0, 'import into a folder of a new namespace') or diag("$out\n$err");
my $summary = decode_json((grep { /\S/ } split /\n/, $out)[-1]);
is($summary->{sent_files}, $summary->{files}, 'all files are sent');
is($cell->sql("SELECT case_sensitive FROM pocket_data.namespace WHERE name = 'docs'"), 't', 'the namespace is case sensitive');
is($cell->sql("SELECT size FROM pocket.stat('docs:/some/where/seventy MB')"), 70 << 20, 'a large file');
is($cell->sql("SELECT attributes->>'mode' FROM pocket.stat('docs:/some/where/one')"), '0640', 'modes are kept');
is($cell->sql("SELECT extract(epoch FROM mtime)::bigint FROM pocket.stat('docs:/some/where/one')"), '1234567890', 'modification times are kept');
is($cell->sql("SELECT kind || ' ' || (attributes->>'target') FROM pocket.stat('docs:/some/where/dangling')"), 'symlink nowhere', 'links are links');

($status, $out, $err) = $cell->pocket('--json', 'import', $tree, 'docs:/some/where');
$summary = decode_json((grep { /\S/ } split /\n/, $out)[-1]);
is($summary->{sent_files} . '/' . $summary->{sent_bytes}, '0/0', 'a second import sends nothing');
append_to_file("$tree/one", 'more');
($status, $out, $err) = $cell->pocket('--json', 'import', $tree, 'docs:/some/where');
$summary = decode_json((grep { /\S/ } split /\n/, $out)[-1]);
is($summary->{sent_files}, 1, 'a changed file is sent, and no other');
is($cell->sql("SELECT count(*) FROM pocket.history('docs:/some/where/one')"), '2', 'as a second revision');

my $to = "$cell->{dir}/export";
($status, $out, $err) = $cell->pocket('export', 'docs:/some/where', $to);
is($status, 0, 'export') or diag("$out\n$err");
is($cell->compare_trees($tree, $to), '', 'all is as it was');
unlink "$to/sub/file7", "$to/sub/link";
append_to_file("$to/sub/file8", 'x');
($status, $out, $err) = $cell->pocket('export', 'docs:/some/where', $to);
is($status, 0, 'export again') or diag("$out\n$err");
is($cell->compare_trees($tree, $to), '', 'what was missing or changed is mended');

# What cannot be kept is named; the rest comes in; the exit status says so.
mkfifo("$tree/fifo", 0600);
append_to_file("$tree/bad\xffname", 'x');
append_to_file("$tree/good", 'x');
($status, $out, $err) = $cell->pocket('import', $tree, 'docs:/some/where');
is($status, 1, 'a name that is not UTF-8: exit status 1');
like($out . $err, qr/UTF-8/, 'and why');
is($cell->sql("SELECT count(*) FROM pocket.ls('docs:/some/where') WHERE path LIKE '%good'"), '1', 'the rest is imported');

is(($cell->pocket('import'))[0], 2, 'usage: exit status 2');
is(($cell->pocket('import', "$tree/nosuch", 'docs:/'))[0] != 0, 1, 'a directory that is not there');
is(($cell->pocket('export', 'docs:/nosuch', "$to/x"))[0] != 0, 1, 'a path that is not there');
ok(!-e "$to/x/nosuch", 'nothing is made');
($status, $out, $err) = $cell->pocket('status');
is($status, 0, 'status') or diag($err);
like($out, qr/drive/i, 'tells of drives');
decode_json((grep { /\S/ } split /\n/, ($cell->pocket('--json', 'status'))[1])[-1]);
IPC::Run::run([ $PocketTest::POCKET, '-d', 'host=/nonexistent', 'status' ], '>', \$out, '2>', \$err);
is($? >> 8, 3, 'no server: exit status 3');
is($cell->kill_sidecar('TERM', $_), 0, "$_ stops cleanly") for 'one', 'two';
done_testing();
