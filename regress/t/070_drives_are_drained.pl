# A drive that shall go is drained while everything goes on, and a write without the protection that is promised is refused.
use strict;
use warnings;
use File::Path qw(remove_tree);
use PocketTest;
use Test::More;

sub random { my ($seed, $kb) = @_; return "(SELECT string_agg(sha512(('$seed' || g)::bytea), ''::bytea) FROM generate_series(1, " . $kb * 16 . ') g)'; }

my $cell = PocketTest->new('drain', drives => 5,
    conf => "pocket.bucket_size = '4MB'\npocket.code = 'rs(2,1)'\npocket.replicas = 2\npocket.open_buckets = 2");
my %kb = map { ("coded$_" => 800) } 1 .. 4;
$cell->sql("SELECT pocket.create_namespace('app')");
$cell->sql("SELECT pocket.put('app:/$_', " . random($_, $kb{$_}) . ')') for sort keys %kb;
ok($cell->encode_all, 'files are coded');
$kb{$_} = 500 for 'replicated', 'open';
$cell->sql("SELECT pocket.put('app:/replicated', " . random('replicated', 500) . ')');
$cell->sql("SET pocket.code = 'replicated'; SELECT pocket.seal()");
$cell->sql("SELECT pocket.put('app:/open', " . random('open', 500) . ')');

sub all_read
{
    my ($what) = @_;
    is($cell->sql('SELECT ' . join(' AND ', map { "pocket.get('app:/$_') = " . random($_, $kb{$_}) } sort keys %kb)), 't', "all files read $what");
    return;
}
sub value { my ($item) = @_; return $cell->sql("SELECT value || ' ' || detail FROM pocket.health WHERE item = '$item'"); }

all_read('at first');
like(value('placement'), qr/^0 .*; \d+ more because there are 1 nodes in 1 zones$/, 'on one node all share it, and cannot do otherwise');
like(value('node_losses'), qr/^0 .*; \d+ bear none, 0 one/, 'so none bears its loss');

# --- drain ---
$cell->fails('SELECT pocket.drain(12345)', '42704', qr/no drive 12345.*pocket\.drives/s, 'a drive that there is not');
my ($drive, $path) = split /\|/, $cell->sql('SELECT drive_id, path FROM pocket.drives ORDER BY extents DESC, drive_id LIMIT 1');
my $members = $cell->sql("SELECT count(*) FROM pocket.extents WHERE drive_id = $drive");
cmp_ok($members, '>', 1, 'the drive has members');
$cell->sql("SELECT pocket.drain($drive)");
is($cell->sql("SELECT state FROM pocket.drives WHERE drive_id = $drive"), 'draining', 'its state');
is($cell->sql("SELECT done || ' ' || remaining FROM pocket.progress WHERE duty = 'drain'"), "0 $members", 'what is left to do');
like(value('draining'), qr/^1 drives; $members members are still to be moved, 0 of them have no drive/, 'health tells it');
unlike(value("status"), qr{^failed}, "that is no failure");
is($cell->sql('SELECT count(*) FROM pocket.verify()'), '0', 'nor anything wrong') or diag($cell->sql('SELECT * FROM pocket.verify()'));
all_read('while it is drained');
$cell->kill_sidecar('KILL');
$cell->start_sidecar;
$cell->{server}->restart;
$cell->sql("SELECT pocket.put('app:/late', " . random('late', 300) . ')');
$kb{late} = 300;
is($cell->sql("SELECT count(*) FROM pocket.extents e JOIN pocket.buckets b USING (bucket_id) WHERE e.drive_id = $drive AND b.opened_at > (SELECT max(at) FROM pocket.history('app:/open'))"), '0', 'it gets nothing new');
ok($cell->coordinate(80), 'draining comes to an end, after restarts') or diag($cell->sql('SELECT * FROM pocket.coordinate()'));
is($cell->sql("SELECT state || ' ' || extents FROM pocket.drives WHERE drive_id = $drive"), 'drained 0', 'and it is empty');
is(`find $path/extents -name '[bp]-*' -size +0 | wc -l` + 0, 0, 'also of files, but for its trash');
is($cell->sql("SELECT remaining FROM pocket.progress WHERE duty = 'drain'"), '0', 'nothing is left to do');
remove_tree($path);
$cell->sql('SELECT * FROM pocket.coordinate()') for 1 .. 2;
all_read('without it');
is($cell->sql("SELECT count(*) FROM pocket.verify()"), '0', 'and nobody misses it') or diag($cell->sql('SELECT * FROM pocket.verify()'));
is($cell->sql("SELECT max(c) FROM (SELECT count(*) AS c FROM pocket.extents WHERE drive_id IS NOT NULL GROUP BY volume_id, drive_id) x"), '1', 'no drive has two members of a volume');

# --- no place to go: it stays, and health says so ---
my @left = split /\n/, $cell->sql("SELECT drive_id FROM pocket.drives WHERE state = 'ok' ORDER BY extents");
is(scalar @left, 4, 'four drives are left');
$cell->sql("SELECT pocket.drain($_)") for @left[ 0, 1 ];
$cell->coordinate(10);
like(value('draining'), qr/, [1-9]\d* of them have no drive to go to/, 'two drives cannot take what was on four');
all_read('still');
$cell->sql("SELECT pocket.undrain($_)") for @left[ 0, 1 ];
is($cell->sql("SELECT count(*) FROM pocket.drives WHERE state = 'ok'"), '4', 'they need not go');
$cell->coordinate(10);
like(value('draining'), qr/^0 /, 'nothing is drained any more');

# --- the protection that is promised ---
$cell->sql("ALTER SYSTEM SET pocket.replicas = 5; SELECT pg_reload_conf()");
$cell->{server}->poll_query_until('postgres', "SELECT current_setting('pocket.replicas') = '5'");
$cell->fails("SELECT pocket.put('app:/refused', " . random('refused', 100) . ')', 'PK007', qr/pocket\.replicas asks for 5 drives.* 4 are well now/s, 'a write that cannot have it is refused');
$cell->sql('SELECT * FROM pocket.coordinate()') for 1 .. 2;
is($cell->sql("SELECT count(*) FROM pocket.buckets WHERE state = 'open'"), '0', 'no bucket with less is kept open');
$cell->fails("SELECT pocket.put('app:/refused', " . random('refused', 100) . ')', 'PK007', qr/too few drives/, 'nor opened');
all_read('all the while');
$cell->sql("ALTER SYSTEM SET pocket.replicas = 4; SELECT pg_reload_conf()");
$cell->{server}->poll_query_until('postgres', "SELECT current_setting('pocket.replicas') = '4'");
$cell->sql("SELECT pocket.put('app:/accepted', " . random('accepted', 100) . ')');
is($cell->sql("SELECT count(*) FROM pocket.extents e JOIN pocket_data.block k USING (bucket_id) WHERE k.hash OPERATOR(pocket.=) (SELECT hash FROM pocket.download('app:/accepted') LIMIT 1)"), '4', 'with as many drives as it takes it is not');

# --- where members share a node that need not, health says so ---
$cell->sql("INSERT INTO pocket_data.node (url, zone_id, state, added_at, seen_at) SELECT 'http://127.0.0.1:1', zone_id, 'up', now(), now() FROM pocket_data.zone;
    INSERT INTO pocket_data.drive (uuid, node_id, path, state, capacity, available, used, seen_at)
    SELECT gen_random_uuid(), node_id, '/there', 'ok', 1000, 1000, 0, now() FROM pocket_data.node WHERE url = 'http://127.0.0.1:1'");
like(value('placement'), qr/^[1-9]\d* volumes with two members .*; 0 more because there are 2 nodes in 1 zones$/, 'with another node none has to share one');
# it was to work on volumes that have retired: of one the trash of another node has something left
$cell->sql("INSERT INTO pocket_data.volume (volume_id, node_id, code, state, generation, changed_at) SELECT v, node_id, 'replicated', 'retired', 1, now() FROM pocket_data.node, unnest('{7,8}'::int8[]) v WHERE url = 'http://127.0.0.1:1';
    INSERT INTO pocket_data.bucket (bucket_id, volume_id, state, capacity, length, opened_at) SELECT v, v, 'retired', 1, 1, now() FROM unnest('{7,8}'::int8[]) v;
    INSERT INTO pocket_data.trash (drive_id, bucket_id, volume_id, position, bytes, trashed_at, trashed_xid)
    SELECT d.drive_id, v, v, 0, 1, now(), pg_current_xact_id() FROM pocket_data.drive d, unnest('{7,8}'::int8[]) v WHERE path = '/there' OR (v = 8 AND drive_id = (SELECT min(drive_id) FROM pocket_data.drive))");
$cell->sql("SELECT pocket.remove_node('http://127.0.0.1:1/')");
is($cell->sql("SELECT volume_id, n.url FROM pocket_data.volume v JOIN pocket_data.node n USING (node_id) WHERE v.state = 'retired'"), '8|' . $cell->url, 'what is retired keeps no node from going');
like(value('placement'), qr/^0 .* 1 nodes in 1 zones$/, 'a node that holds nothing can be removed, if it answers or not');

# --- a node goes only when it holds nothing ---
my $url = $cell->url;
$cell->fails("SELECT pocket.remove_node('$url')", '55006', qr/have \d+ members of volumes.*pocket\.drain/s, 'a node that holds members stays');
$cell->fails("SELECT pocket.remove_node('unix:/nowhere')", '42704', qr/no node/, 'a node that there is not');
$cell->fails("SELECT pocket.remove_node('nonsense')", '22023', qr/not the url of a node/, 'what is no url');
is($cell->sql("SELECT pocket.remove_node(NULL) IS NULL AND pocket.drain(NULL) IS NULL"), 't', 'NULL is nothing');
done_testing();
