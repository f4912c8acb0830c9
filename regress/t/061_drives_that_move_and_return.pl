# Drives are known by what they hold, not by where they are: swapped, moved, replaced by a wrong one, copied, or back after a
# long time, they change nothing that reads, and the DBA is told what stands where.
use strict;
use warnings;
use File::Path qw(remove_tree);
use PocketTest;
use Test::More;

my $cell = PocketTest->new('moving', drives => 5, conf => "pocket.bucket_size = '2MB'\npocket.code = 'rs(2,1)'\npocket.replicas = 2\npocket.open_buckets = 2\npocket.encode_after = '1d'");
my ($dir, @drives) = ($cell->{dir}, $cell->drives);
$cell->sql("SELECT pocket.create_namespace('app')");
my $files = 0;
sub put { for (1 .. $_[0]) { my $n = ++$files; $cell->sql("SELECT pocket.put('app:/f$n', (SELECT string_agg(sha512((g + $n * 1000000)::text::bytea), ''::bytea) FROM generate_series(1, 4096) g))") } return }
sub all_read
{
    my ($what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is($cell->sql("SELECT count(*) FROM generate_series(1, $files) n WHERE pocket.get('app:/f' || n) = (SELECT string_agg(sha512((g + n * 1000000)::text::bytea), ''::bytea) FROM generate_series(1, 4096) g)"), $files, "all files read $what");
    return;
}
sub restart { my (@with) = @_; $cell->kill_sidecar('TERM'); $cell->set_drives('one', @with); $cell->start_sidecar; $cell->sql("SELECT * FROM pocket.coordinate('check')"); return }
sub drive { my ($uuid) = @_; return $cell->sql("SELECT path || ' ' || state || coalesce(': ' || problem, '') FROM pocket.drives WHERE uuid = '$uuid'") }
sub nothing { my ($what) = @_; local $Test::Builder::Level = $Test::Builder::Level + 1; $cell->sql('SELECT * FROM pocket.coordinate()') for 1 .. 2; $cell->coordinate; $cell->sql('SELECT pocket.verify_now()'); is($cell->sql('SELECT * FROM pocket.verify()'), '', "all is well $what"); return }
my %uuid = map { split /\|/ } split /\n/, $cell->sql('SELECT path, uuid FROM pocket.drives');

put(12);
$cell->encode_all;
put(6);
$cell->sql('SELECT pocket.seal()');
nothing('before');

# --- two drives swapped ---
$cell->kill_sidecar('TERM');
rename $drives[0], "$dir/aside" and rename $drives[1], $drives[0] and rename "$dir/aside", $drives[1] or die;
restart(@drives);
is(drive($uuid{ $drives[0] }), "$drives[1] ok", 'the first drive is where the second was');
is(drive($uuid{ $drives[1] }), "$drives[0] ok", 'and the other way round');
all_read('with two drives swapped');
nothing('with two drives swapped');

# --- a drive moved ---
$cell->kill_sidecar('TERM');
rename $drives[2], "$dir/elsewhere" or die;
restart(@drives[ 0, 1, 3, 4 ], "$dir/elsewhere");
is(drive($uuid{ $drives[2] }), "$dir/elsewhere ok", 'a drive is found at its new path');
all_read('with a drive moved');
nothing('with a drive moved');

# --- the wrong drive in a slot ---
$cell->sql('CREATE DATABASE other');
$cell->{server}->safe_psql('other', 'CREATE EXTENSION pocket');
$cell->add_sidecar('other', 1);
$cell->{server}->safe_psql('other', "SELECT pocket.add_node('" . $cell->url('other') . "')");
$cell->kill_sidecar('TERM', 'other');
my ($foreign) = $cell->drives('other');
sub contents { my ($path) = @_; return scalar `cd '$path' && find . -type f -exec sha256sum {} + | sort` }
my $before = contents($foreign);
$cell->init_drives("$dir/blank");
mkdir "$dir/empty" or die;
my %slot = ($foreign => qr/another drive is in its place: [0-9a-f-]{36}, of another cell/, "$dir/blank" => qr/another drive is in its place: [0-9a-f-]{36}, a new one/, "$dir/empty" => qr/ is empty/);
for my $wrong (sort keys %slot)
{
    $cell->kill_sidecar('TERM');
    rename $drives[3], "$dir/aside" and rename $wrong, $drives[3] or die;
    restart(@drives[ 0, 1, 3, 4 ], "$dir/elsewhere");
    like(drive($uuid{ $drives[3] }), qr/^\Q$drives[3]\E failed: .*$slot{$wrong}/, "$wrong: what stands there is told");
    like($cell->sql("SELECT detail FROM pocket.health WHERE item = 'drives'"), $slot{$wrong}, 'and health tells it');
    like($cell->sql("SELECT problem FROM pocket.verify() WHERE verifier = 'drive'"), $slot{$wrong}, 'and verify');
    all_read('around it');
    $cell->kill_sidecar('TERM');
    rename $drives[3], $wrong and rename "$dir/aside", $drives[3] or die;
    restart(@drives[ 0, 1, 3, 4 ], "$dir/elsewhere");
    is(drive($uuid{ $drives[3] }), "$drives[3] ok", 'with the right one it is well again');
}
is(contents($foreign), $before, 'the other cell\'s drive is as it was');
nothing('with the right drive back');

# --- a copy of a drive beside it ---
system('cp', '-a', $drives[4], "$dir/copy") == 0 or die;
$cell->sql('UPDATE pocket_data.cell SET starts = starts + 1');
$cell->sql("SELECT * FROM pocket.coordinate('check')");    # the copy has not heard of this epoch
put(2);
restart("$dir/copy", @drives[ 0, 1, 3, 4 ], "$dir/elsewhere");
is(drive($uuid{ $drives[4] }), "$drives[4] ok: a copy of it is at $dir/copy, and is not used", 'the younger one is used, and the copy told');
is($cell->sql("SELECT problem FROM pocket.verify() WHERE verifier = 'drive'"), "ok: a copy of it is at $dir/copy, and is not used", 'verify tells it, too');
$before = contents("$dir/copy");
put(2);
all_read('with a copy beside it');
is(contents("$dir/copy"), $before, 'nothing is written to the copy');
restart(@drives[ 0, 1, 3, 4 ], "$dir/elsewhere");
nothing('without the copy');

# --- a drive comes back that others have replaced ---
$cell->sql('SELECT pocket.seal()');
$cell->sql('SELECT * FROM pocket.coordinate()');
$cell->kill_sidecar('TERM');
rename $drives[4], "$dir/aside" or die;
restart(@drives[ 0, 1, 3, 4 ], "$dir/elsewhere");
like(drive($uuid{ $drives[4] }), qr/failed: /, 'it is away');
$cell->sql('SELECT pocket.repair()');
ok($cell->coordinate, 'what it held is made anew elsewhere');
put(4);
$cell->encode_all;
is($cell->sql("SELECT extents FROM pocket.drives WHERE uuid = '$uuid{$drives[4]}'"), '0', 'no row names it any more');
is($cell->sql('SELECT count(*) FROM pocket_data.repaired') > 0, 1, 'how long that took is known');
like($cell->sql("SELECT assumptions FROM pocket.durability() WHERE code = 'rs(2,1)'"), qr/measured: the mean of the last \d+ members/, 'and durability() counts on it');
# what it holds is worse than old: were it served, it would be seen
my @stale = split /\n/, `find '$dir/aside/extents' -type f`;
cmp_ok(scalar @stale, '>', 2, 'it holds what it held');
for my $file (@stale) { $cell->flip_byte($file, 16384 + $_ * 1000 + 200) for 0 .. 100; }
like($cell->sql("SELECT count(*) FROM pocket_data.intent i JOIN pocket.drives d USING (drive_id) WHERE d.uuid = '$uuid{$drives[4]}'"), qr/^[1-9]/, 'its extents are to go when it is back');
$cell->sql('DELETE FROM pocket_data.intent WHERE intent_id = (SELECT min(intent_id) FROM pocket_data.intent i WHERE bucket_id IS NOT NULL)');    # as if that had been lost
$cell->kill_sidecar('TERM');
rename "$dir/aside", $drives[4] or die;
restart(@drives[ 0, 1, 3, 4 ], "$dir/elsewhere");
is(drive($uuid{ $drives[4] }), "$drives[4] ok", 'it is back');
all_read('with stale extents there') for 1 .. 2;
$cell->sql('SELECT * FROM pocket.coordinate()') for 1 .. 3;
is($cell->sql("SELECT count(*) FROM pocket.extents WHERE state <> 'ok'"), '0', 'nothing is damaged by what is stale');
$cell->sql('SELECT pocket.verify_now()');
$cell->sql('UPDATE pocket_data.finding SET told_from = now()');
my @told = split /\n/, $cell->sql("SELECT object || ': ' || problem FROM pocket.verify() WHERE verifier = 'referee'");
my @left = split /\n/, `find '$drives[4]/extents' -type f`;
my %stale = map { s{.*/}{}r => 1 } @stale;
cmp_ok(scalar(grep { $stale{s{.*/}{}r} } @left), '<', scalar @stale, 'what intents named is gone');
my $named = $cell->sql("SELECT extents FROM pocket.drives WHERE uuid = '$uuid{$drives[4]}'");
is(scalar @told, @left - $named, 'the rest is told as strays') or diag("@told\n@left");
like($told[0] // '', qr/on drive \d+: no row names it/, 'with what is known of it');
$cell->kill_sidecar('TERM');
for (@told) { my ($file) = /^(\S+) on/; unlink "$drives[4]/$file" or die $file }
restart(@drives[ 0, 1, 3, 4 ], "$dir/elsewhere");
nothing('without them');
all_read('at the end');
done_testing();
