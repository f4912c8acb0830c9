# After kill -9, with 1,000 extents, pocketd answers within two seconds, and what was acknowledged is there.
use strict;
use warnings;
use PocketTest;
use Test::More;

# A release build: the time is the point. The sanitizers' runs are the other tests'.
$PocketTest::POCKETD = $ENV{POCKETD_RELEASE} if $ENV{POCKETD_RELEASE};
my $cell = PocketTest->new('quick', drives => 4, conf => "pocket.bucket_size = '64kB'\npocket.replicas = 4\npocket.code = 'replicated'\nfsync = off");
$cell->sql("SELECT pocket.create_namespace('app')");
for my $n (1 .. 245)
{
    $cell->sql(join ';', map { "SELECT pocket.put('app:/$n', (SELECT string_agg(sha256(('$n/' || g)::bytea), ''::bytea) FROM generate_series(1, 1000) g))" } 1);
    $cell->sql("SELECT pocket.seal(); SELECT * FROM pocket.coordinate()") if $n % 1 == 0;
}
my $extents = $cell->sql('SELECT count(*) FROM pocket.extents');
cmp_ok($extents, '>=', 980, "there are $extents extents");
$cell->sql("SELECT pocket.put('app:/last', (SELECT string_agg(sha256(('last/' || g)::bytea), ''::bytea) FROM generate_series(1, 1000) g))");
$cell->kill_sidecar('KILL');
my $seconds = $cell->start_sidecar;
cmp_ok($seconds, '<', 2, 'it answers within two seconds');
diag(sprintf '%d extents: up after %.2f s', $extents, $seconds);
is($cell->sql("SELECT count(*) FROM pocket.ls('app:/') f, LATERAL pocket.get(f.path) c WHERE length(c) = 32000"), '246', 'every file is there');
done_testing();
