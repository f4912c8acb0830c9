# After kill -9, with 1,000 extents of which 8 buckets' were open and written to, pocketd answers within two seconds, and what was
# acknowledged is there.
use strict;
use warnings;
use PocketTest;
use Test::More;

# A release build: the time is the point. The sanitizers' runs are the other tests'.
$PocketTest::POCKETD = $ENV{POCKETD_RELEASE} if $ENV{POCKETD_RELEASE};
my ($drives, $open, $extents) = (4, 8, 1000);
my $cell = PocketTest->new('quick', drives => $drives, conf => "pocket.bucket_size = '64kB'\npocket.replicas = $drives\npocket.code = 'replicated'\npocket.open_buckets = $open\nfsync = off");
$cell->sql("SELECT pocket.create_namespace('app')");

# One statement each, so that each chooses a bucket.
my $files = 0;
sub put_files
{
    my ($count) = @_;
    $cell->sql(join ';', map { $files++; "SELECT pocket.put('app:/$files', (SELECT string_agg(sha256(('$files/' || g)::bytea), ''::bytea) FROM generate_series(1, 1000) g))" } 1 .. $count);
    return;
}
for (1 .. 400)
{
    last if $cell->sql("SELECT count(*) FROM pocket.extents JOIN pocket.volumes v USING (volume_id) WHERE v.state = 'sealed'") >= $extents - $drives * $open;
    put_files(8);
    $cell->sql('SELECT pocket.seal()');
}
my $written = "SELECT count(DISTINCT bucket_id) FROM pocket_data.block JOIN pocket.buckets b USING (bucket_id) WHERE b.state = 'open'";
for (1 .. 400) { last if $cell->sql($written) >= $open; put_files(1); }
is($cell->sql($written), $open, "$open buckets are open and have blocks");
my $all = $cell->sql('SELECT count(*) FROM pocket.extents');
cmp_ok($all, '>=', $extents, "there are $all extents");
$cell->kill_sidecar('KILL');
my $seconds = $cell->start_sidecar;
cmp_ok($seconds, '<', 2, 'it answers within two seconds');
diag(sprintf '%d extents, %d of them open: up after %.2f s', $all, $drives * $open, $seconds);
is($cell->sql("SELECT count(*) FROM pocket.ls('app:/') f, LATERAL pocket.get(f.path) c WHERE length(c) = 32000"), $files, 'every file is there');
done_testing();
