# A flipped byte in a sealed data member and in a parity: reads go around it, scrubbing finds it, verify reports it, repair heals it.
use strict;
use warnings;
use File::Path qw(remove_tree);
use PocketTest;
use Test::More;

my $cell = PocketTest->new('rot', drives => 9, conf => "pocket.bucket_size = '4MB'\npocket.open_buckets = 6");
my $tree = $cell->make_tree('tree', 3);
$cell->write_random("$tree/more$_", 1_500_000, "more$_") for 1 .. 20;
my ($status, $out, $err) = $cell->pocket('import', $tree, 'docs:/');
is($status, 0, 'import') or diag("$out\n$err");
ok($cell->encode_all, 'encoded');

sub extent { my ($role) = @_; return $cell->sql("SELECT path || '/' || file FROM pocket.extents e JOIN pocket.drives USING (drive_id) WHERE role = '$role' AND e.length > 300000 AND volume_id = (SELECT min(volume_id) FROM pocket.volumes WHERE state = 'coded') ORDER BY position LIMIT 1"); }
my ($data, $parity) = (extent('data'), extent('parity'));
ok(-f $data && -f $parity, 'the views name the files') or diag("$data $parity");

# Many places, so that some block that a file needs is hit.
$cell->flip_byte($data, 16384 + $_ * 50_000 + 200) for 0 .. 5;
my $read = sub {
    my ($what) = @_;
    remove_tree("$cell->{dir}/export");
    ($status, $out, $err) = $cell->pocket('export', 'docs:/', "$cell->{dir}/export");
    is($status, 0, "export $what") or diag("$out\n$err");
    is($cell->compare_trees($tree, "$cell->{dir}/export"), '', "every byte is right $what");
};
$read->('around a damaged data member');
$cell->sql("SELECT * FROM pocket.coordinate('check')");
is($cell->sql("SELECT count(*) FROM pocket.extents WHERE state = 'damaged' AND role = 'data'"), 1, 'what readers met is reported');

$cell->flip_byte($parity, 16384 + 100_000);
$cell->flip_byte($data, 16384 + 250);
$cell->sql('SELECT pocket.scrub()');
my $damaged = $cell->sql("SELECT string_agg(role, ',' ORDER BY role) FROM pocket.extents WHERE state = 'damaged'");
is($damaged, 'data,parity', 'scrubbing finds both');
like($cell->sql('SELECT string_agg(object || problem, E\'\n\') FROM pocket.verify()'), qr/p-[0-9a-f]{16}-/, 'verify reports the parity by its file');
$read->('with both damaged');

$cell->sql('SELECT pocket.repair()');
ok($cell->coordinate, 'repaired');
$cell->sql('SELECT pocket.scrub()');
is($cell->sql('SELECT count(*) FROM pocket.verify()'), '0', 'nothing is wrong any more') or diag($cell->sql('SELECT * FROM pocket.verify()'));

# A damaged header is damage like any other.
$cell->flip_byte($data, 100);
$cell->sql('SELECT pocket.scrub()');
cmp_ok($cell->sql('SELECT count(*) FROM pocket.verify()'), '>', 0, 'a damaged header is found');
$read->('with a damaged header');
is($cell->kill_sidecar('TERM'), 0, 'pocketd stops cleanly');
IPC::Run::run([ $PocketTest::POCKETD, 'check', map { ('--drive', $_) } $cell->drives ], '>', \$out, '2>', \$err);
is($? >> 8, 1, 'pocketd check says so too, exit status 1');
my ($name) = $data =~ m{([^/]+)$};
like($out . $err, qr/\Q$name\E/, 'and names the file');
$cell->start_sidecar;
$read->('after a restart with a damaged header');
$cell->sql('SELECT pocket.scrub()');
$cell->sql('SELECT pocket.repair()');
ok($cell->coordinate, 'repaired');
is($cell->sql('SELECT count(*) FROM pocket.verify()'), '0', 'whole') or diag($cell->sql('SELECT * FROM pocket.verify()'));
done_testing();
