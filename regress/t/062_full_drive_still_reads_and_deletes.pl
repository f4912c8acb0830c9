# A drive that gets full takes no more, and nobody notices: writes go to others, what it has reads, what may go goes, and
# health warns before.
use strict;
use warnings;
use PocketTest;
use Test::More;

plan skip_all => 'no small file system was made (not root)' unless $ENV{SMALL_FS_TWO};

my $cell = PocketTest->new('filling', bare => 1, conf => "pocket.bucket_size = '4MB'\npocket.code = 'rs(2,1)'\npocket.open_buckets = 2\npocket.encode_after = '1d'");
my $small = "$ENV{SMALL_FS_TWO}/d1";
my @drives = ($small, map { "$cell->{dir}/d$_" } 2 .. 4);
$cell->{sidecars}{one} = { drives => \@drives, socket => "$cell->{dir}/one.sock", log => "$cell->{dir}/one.log" };
$cell->init_drives(@drives);
$cell->start_sidecar;
$cell->sql("CREATE EXTENSION pocket; SELECT pocket.add_node('" . $cell->url . "'); SELECT pocket.create_namespace('app')");
sub put { my ($n) = @_; return $cell->sql("SELECT (r).outcome FROM pocket.put('app:/f$n', (SELECT string_agg(sha512((g + $n * 1000000)::text::bytea), ''::bytea) FROM generate_series(1, 16384) g)) r") }
sub all_read { my ($n) = @_; return $cell->sql("SELECT count(*) FROM pocket.ls('app:/') f, LATERAL pocket.get(f.path) c WHERE length(c) = 1048576") }
sub health { my ($item, $column) = @_; return $cell->sql('SELECT ' . ($column // 'value') . " FROM pocket.health WHERE item = '$item'") }

my ($files, $failed) = (0, 0);
put(++$files) eq 'created' or $failed++ for 1 .. 6;
is(health('fill_rate'), 'unknown', 'no rate from one day') if $cell->sql("SELECT * FROM pocket.coordinate('check')");
$cell->sql("INSERT INTO pocket_data.fill VALUES (now() - interval '10 days', 0)");
my $rate = $cell->sql('SELECT sum(used) / 10 FROM pocket.drives');
cmp_ok(abs(health('fill_rate') - $rate), '<=', $rate / 10 + 1, 'the rate of ten days');
cmp_ok(abs(health('days_left') / ($cell->sql('SELECT sum(available) FROM pocket.drives') / $rate) - 1), '<', 0.1, 'and what is left at that rate');
$cell->sql('UPDATE pocket_data.fill SET used = 1000000000000');
is(health('days_left'), 'unlimited', 'what gets emptier lasts');

# buckets are open on it when somebody else takes the rest
my $on = sub { return $cell->sql("SELECT count(*) FROM pocket.extents e JOIN pocket.drives d USING (drive_id) JOIN pocket.volumes v USING (volume_id) WHERE d.path = '$small' AND v.state = '$_[0]'") };
for (1 .. 40) { last if $on->('open') > 0 && $on->('sealed') > 0; put(++$files) eq 'created' or $failed++; $cell->sql('SELECT * FROM pocket.coordinate()'); }
cmp_ok($on->('open'), '>', 0, 'the small drive has open buckets');
open my $ballast, '>', "$ENV{SMALL_FS_TWO}/ballast" or die;
while (syswrite $ballast, 'x' x 65536) { }
while (syswrite $ballast, 'x' x 512) { }
close $ballast;
put(++$files) eq 'created' or $failed++ for 1 .. 12;
is($failed, 0, 'each file was stored, whatever drive was full');
$cell->sql('SELECT * FROM pocket.coordinate()') for 1 .. 2;
is(health('full_drives') >= 1, 1, 'health counts the full drive');
like(health('full_drives', 'detail'), qr/warning: drive \d+ (?:100|9\d|8[5-9]) %/, 'and names it') or diag($cell->sql('TABLE pocket.drives'));
is($on->('open'), '0', 'it has no open bucket any more') or diag($cell->sql('TABLE pocket.extents'));
is($cell->sql("SELECT state FROM pocket.drives WHERE path = '$small'"), 'ok', 'it is no broken drive');
is(all_read(), $files, 'all files read');
ok($cell->coordinate, 'the duties come to an end') or diag($cell->sql('SELECT * FROM pocket.coordinate(); SELECT * FROM pocket.verify()'));
is($cell->sql('SELECT count(*) FROM pocket.verify()'), '0', 'and all is well') or diag($cell->sql('SELECT * FROM pocket.verify()'));

# what may go goes from it, though it is full
my $before = $cell->sql("SELECT extents FROM pocket.drives WHERE path = '$small'");
ok($cell->encode_all, 'encoded') or diag($cell->sql('SELECT * FROM pocket.coordinate(); SELECT * FROM pocket.verify()'));
cmp_ok($cell->sql("SELECT count(*) FROM pocket.volumes WHERE state = 'sealed'"), '<=', 1, 'all of it, but what has no fellow') or diag($cell->sql('TABLE pocket.volumes'));
my @there = split /\n/, `find $small/extents -type f`;
is(scalar @there, $cell->sql("SELECT extents FROM pocket.drives WHERE path = '$small'"), 'surplus has gone from the full drive') or diag("@there");
is(all_read(), $files, 'all files read');
$cell->kill_sidecar('KILL');
$cell->start_sidecar;
is(all_read(), $files, 'and after a restart on a full drive');
unlink "$ENV{SMALL_FS_TWO}/ballast";
$cell->sql("SELECT * FROM pocket.coordinate('check')");
my $id = $cell->sql("SELECT drive_id FROM pocket.drives WHERE path = '$small'");
unlike(health('full_drives', 'detail'), qr/drive $id /, 'with room again it is full no more');
done_testing();
