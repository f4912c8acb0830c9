# With shared_preload_libraries = 'pocket' the coordinator does everything by itself: nobody calls a duty here.
use strict;
use warnings;
use File::Path qw(remove_tree);
use PocketTest;
use Test::More;

my $cell = PocketTest->new('worker', drives => 10, preload => 1, conf => "pocket.bucket_size = '2MB'\npocket.bucket_idle = '1s'\npocket.open_buckets = 6\npocket.drive_timeout = '2s'");
is($cell->sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pocket%'"), '1', 'there is one coordinator');
my $tree = $cell->make_tree('tree', 5);
my ($status, $out, $err) = $cell->pocket('import', $tree, 'docs:/');
is($status, 0, 'import') or diag("$out\n$err");
ok($cell->{server}->poll_query_until('postgres', "SELECT count(*) FILTER (WHERE state = 'coded') > 0 AND count(*) FILTER (WHERE state = 'sealed') <= 1 FROM pocket.volumes"), 'buckets are sealed and coded, but for one that would save nothing');
ok($cell->{server}->poll_query_until('postgres', 'SELECT count(*) = 0 FROM pocket_data.intent'), 'and the surplus goes');
remove_tree(($cell->drives)[0]);
ok($cell->{server}->poll_query_until('postgres', "SELECT count(*) = 1 FROM pocket.drives WHERE state = 'failed'"), 'a lost drive is noticed');
ok($cell->{server}->poll_query_until('postgres', "SELECT count(*) = 0 FROM pocket.verify() WHERE verifier <> 'drive'"), 'and repaired onto the tenth') or diag($cell->sql('SELECT * FROM pocket.verify()'));
($status, $out, $err) = $cell->pocket('export', 'docs:/', "$cell->{dir}/export");
is($status, 0, 'export') or diag("$out\n$err");
is($cell->compare_trees($tree, "$cell->{dir}/export"), '', 'every byte is right');

# The worker outlives a sidecar that is gone, and a database without Pocket.
$cell->kill_sidecar('KILL');
ok($cell->{server}->poll_query_until('postgres', "SELECT bool_and(state = 'down') FROM pocket.nodes"), 'a dead node is noticed');
$cell->start_sidecar;
ok($cell->{server}->poll_query_until('postgres', "SELECT bool_and(state = 'up') FROM pocket.nodes"), 'and its return');
my $name = $cell->sql('SELECT name FROM pocket_data.cell');
$cell->sql("SELECT pocket.uninstall('$name')");
$cell->sql('DROP EXTENSION pocket');
sleep 1;
is($cell->sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pocket%'"), '1', 'the coordinator waits for Pocket to come back');
done_testing();
