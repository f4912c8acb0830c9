# The main job: real files in, sealed and coded rs(6,3) on nine drives, three drives destroyed, everything back byte for
# byte, repaired onto three new drives, and three others destroyed.
use strict;
use warnings;
use File::Path qw(remove_tree);
use PocketTest;
use Test::More;

my $cell = PocketTest->new('main', drives => 9, conf => "pocket.bucket_size = '64MB'");
my $tree = $cell->make_tree('tree', 1);
$cell->write_random("$tree/large$_", 7_000_000, "large$_") for 1 .. 40;    # so that one block more or less in a bucket is not what is measured

my ($status, $out, $err) = $cell->pocket('-j', '2', 'import', $tree, 'docs:/');
is($status, 0, 'import') or diag("$out\n$err");
like($cell->sql("SELECT pocket.stat('docs:/one')"), qr/docs:\/one/, 'stat sees an imported file');

ok($cell->encode_all, 'seal, encode, and nothing remains') or diag($cell->sql('SELECT * FROM pocket.coordinate()'));
is($cell->sql("SELECT count(*) FROM pocket.volumes WHERE state = 'coded' AND code <> 'rs(6,3)'"), '0', 'coded volumes are rs(6,3)');
cmp_ok($cell->sql("SELECT count(*) FROM pocket.volumes WHERE code = 'rs(6,3)'"), '>', 0, 'there are coded volumes');
is($cell->sql("SELECT count(*) FROM pocket.volumes WHERE state = 'sealed'"), '0', 'no sealed replicated volume is left');
is($cell->sql('SELECT count(*) FROM pocket.verify()'), '0', 'verify finds nothing') or diag($cell->sql('SELECT * FROM pocket.verify()'));

# What it costs: bytes of all files on the drives for each unique byte of incompressible data.
sub on_drives { my $bytes = 0; for my $file (split /\0/, `find @{[ join ' ', map { quotemeta } $cell->drives ]} -type f -size +0 -print0`) { $bytes += -s $file } return $bytes }
my $unique = $cell->sql('SELECT sum(length) FROM (SELECT DISTINCT ON (hash) length FROM pocket_data.block) b');
my $open = $cell->sql("SELECT count(*) FROM pocket.buckets WHERE state = 'open' AND length > 0");
is($open, '0', 'all that was written is sealed');
my $cost = on_drives() / $unique;
cmp_ok($cost, '<=', 1.55, 'bytes on the drives for each unique byte');
diag(sprintf '%.3f bytes on the drives for each of %.1f MB of unique bytes', $cost, $unique / 1e6);

sub export_is_equal
{
    my ($what) = @_;
    my $to = "$cell->{dir}/export";
    remove_tree($to);
    ($status, $out, $err) = $cell->pocket('export', 'docs:/', $to);
    is($status, 0, "export $what") or diag("$out\n$err");
    is($cell->compare_trees($tree, $to), '', "every byte is back $what");
}

export_is_equal('with all drives');

my @drives = $cell->drives;
my %used;    # the three that hold most members
$used{$_}++ for split /\n/, $cell->sql('SELECT path FROM pocket.extents JOIN pocket.drives USING (drive_id)');
my @lost = (sort { ($used{$b} // 0) <=> ($used{$a} // 0) || $a cmp $b } @drives)[ 0 .. 2 ];
remove_tree($_) for @lost;
export_is_equal('with three drives lost');

$cell->sql('SELECT * FROM pocket.coordinate()');
is($cell->sql("SELECT count(*) FROM pocket.drives WHERE state = 'failed'"), '3', 'the lost drives are failed');
cmp_ok($cell->sql('SELECT count(*) FROM pocket.verify()'), '>', 0, 'verify says what is wrong');

my @new = map { "$cell->{dir}/new$_" } 1 .. 3;
$cell->init_drives(@new);
$cell->kill_sidecar('TERM');
my %is_lost = map { $_ => 1 } @lost;
my @left = grep { !$is_lost{$_} } @drives;
$cell->set_drives('one', @left, @new);
$cell->start_sidecar;
$cell->sql("SELECT pocket.add_node('" . $cell->url . "')");
$cell->sql('SELECT pocket.repair()');
ok($cell->coordinate, 'repair comes to an end');
is($cell->sql("SELECT count(*) FROM pocket.verify() WHERE verifier <> 'drive'"), '0', 'all is whole again') or diag($cell->sql('SELECT * FROM pocket.verify()'));

remove_tree($_) for @left[ 0 .. 2 ];
export_is_equal('after repair, with three other drives lost');

is($cell->kill_sidecar('TERM'), 0, 'pocketd stops cleanly');
done_testing();
