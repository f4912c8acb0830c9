# Volumes of which little is alive are emptied into open buckets and go; whoever reads meanwhile, by an old snapshot or an old URL, reads on.
use strict;
use warnings;
use File::Find qw(find);
use IPC::Run ();
use PocketTest;
use Test::More;

my $cell = PocketTest->new('compaction', drives => 4, conf => "wal_writer_delay = '10s'\npocket.code = 'rs(2,1)'\npocket.open_buckets = 1\nmax_prepared_transactions = 5\npocket.inline_limit = 0\nrestart_after_crash = on");
my $server = $cell->{server};
$cell->sql("SELECT pocket.create_namespace('app', retention => '0'), pocket.create_namespace('other', retention => '0')");

my $random = "(SELECT string_agg(sha256((%s || ' ' || j)::bytea), '' ORDER BY j) FROM generate_series(1, 1250) j)";
my $content = sprintf $random, 'i';
my $wrong = "SELECT count(*) FROM pocket.ls('app:/', true) f CROSS JOIN LATERAL (SELECT substring(f.path, '^app:/f([0-9]+)\$')::int AS i) x WHERE f.kind = 'file' AND x.i IS NOT NULL AND pocket.get(f.path) IS DISTINCT FROM $content";
sub put { my ($from, $to) = @_; $cell->sql("SELECT count(pocket.put('app:/f' || i, $content)) FROM generate_series($from, $to) i"); $cell->sql('SELECT pocket.seal()'); return; }
sub let_go { my ($which) = @_; $cell->sql("SELECT count(pocket.rm('app:/f' || i)) FROM $which; SELECT pocket.mkdir('app:/' || clock_timestamp()); SELECT pocket.retain()"); $cell->sql('SELECT pocket.reclaim()') for 1 .. 2; return; }
sub age { $cell->sql("UPDATE pocket_data.bucket SET sealed_at = sealed_at - interval '2 days' WHERE state = 'sealed'"); return; }
sub used { my $bytes = 0; for my $drive ($cell->drives) { find(sub { $bytes += -s $_ if -f $_ && /^[bp]-/ }, $drive) } return $bytes; }
sub sealed { return $cell->sql("SELECT coalesce(string_agg(state || ' ' || code, ', ' ORDER BY state, volume_id), '') FROM pocket_data.volume WHERE state <> 'open'"); }

put(1, 30);
put(31, 60);
$cell->sql('SELECT pocket.encode()');
ok($cell->coordinate, 'two buckets in a coded volume');
put(61, 70);
is(sealed(), 'coded rs(2,1), sealed replicated', 'and one beside it, which waits for others');
my $full = used();

# --- nothing before its time ---

let_go("generate_series(1, 25) i");
is($cell->sql('SELECT pocket.compact()'), '0', 'as long as receipts point into it nothing is moved');
age();
is($cell->sql('SELECT pocket.compact()'), '0', 'nor when more than half of the volume is alive');
let_go("generate_series(31, 55) i");
is($cell->sql('SET pocket.compact_below = 0; SELECT pocket.compact()'), '0', 'nor when it is forbidden');
is($cell->sql("SELECT remaining > 0 FROM pocket.progress WHERE duty = 'compact'") . $cell->sql("SELECT value::bigint > 1900000 FROM pocket.health WHERE item = 'garbage'"), 'tt', 'progress and health tell of the garbage');

# --- who reads while it moves ---

my $old = $server->background_psql('postgres', on_error_stop => 1);
$old->query_safe("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pocket.ls('app:/')");
my $url = $cell->sql("SELECT url FROM pocket.download('app:/f30', expires => '1 hour')");
sub fetch { my ($socket, $path) = $url =~ m{^unix:(.*?)(/block/.*)$}; my $out = ''; IPC::Run::run([ 'curl', '-sS', '-o', '/dev/null', '-w', '%{http_code} %{size_download}', '--unix-socket', $socket, "http://localhost$path" ], '>', \$out); return $out; }
my $rows = "SELECT md5(string_agg(k::text, '' ORDER BY k)) FROM pocket_data.block k";
my $before = $cell->sql($rows);
is($cell->sql('BEGIN; SELECT pocket.compact(); ROLLBACK'), '10', 'what is alive is moved');
is($cell->sql($rows), $before, 'a rollback leaves copies that no row names');
is($cell->sql($wrong), '0', 'and loses nothing');

# A committer that uses a row once more keeps it where it is, to the end of his transaction.
$cell->sql("SELECT pocket.cp('app:/f60', 'other:/f60')");
my $list = $cell->sql(sprintf "SELECT pocket.chunk($random)", 60);
$cell->sql("SELECT pocket.rm('app:/f60'); SELECT pocket.mkdir('app:/x'); SELECT pocket.retain()");
is($cell->sql("SELECT string_agg(n.name, ' ') FROM pocket_data.holder h JOIN pocket_data.namespace n USING (ns_id), pocket.blocks('$list') b WHERE b.hash OPERATOR(pocket.=) h.hash"), 'other', 'one namespace lets go of a block that another one holds');
my $locker = $server->background_psql('postgres', on_error_stop => 1);
$locker->query_safe("BEGIN; SELECT count(*) FROM (SELECT FROM pocket_data.block k WHERE EXISTS (SELECT FROM pocket.blocks('$list') b WHERE b.hash OPERATOR(pocket.=) k.hash) FOR KEY SHARE) k");
is($cell->sql('SELECT pocket.compact()'), '9', 'a row in use stays');
is($cell->sql('SELECT pocket.compact()'), '0', 'as long as it is');
$locker->query_safe('COMMIT');
is($cell->sql('SELECT pocket.compact()'), '1', 'and moves when it is not any more');
is($cell->sql('SELECT pocket.compact()'), '0', 'then there is nothing more to do');
is($cell->sql($wrong), '0', 'all files are read');
is($cell->sql("SELECT pocket.get('other:/f60') = " . sprintf $random, 60), 't', 'the other namespace\'s too');
is($old->query_safe($wrong), '0', 'by an old snapshot as well');
is(fetch(), '200 40000', 'and by an old URL');
age();
is($cell->sql('SELECT pocket.reclaim()'), '1', 'the volume retires');
is(sealed(), 'retired rs(2,1), sealed replicated', 'it alone');
$cell->sql("SELECT pocket.coordinate('settle')");
is($cell->sql('SELECT count(*) FROM pocket_data.trash'), '3', 'its extents go to the trash');
is($cell->sql("SELECT count(*) FROM pocket_data.extent e JOIN pocket_data.volume v USING (volume_id) WHERE v.state = 'retired'"), '0', 'all of them');
is(fetch(), '200 40000', 'where the URL finds them');
is($old->query_safe($wrong), '0', 'the old snapshot reads where they are now');
$old->query_safe('COMMIT');

# --- a kill between copy and flip; then it goes ---

put(71, 72);
let_go('generate_series(61, 68) i');
age();
my $backend = $server->background_psql('postgres', on_error_stop => 0);
my $pid = $backend->query_safe('SELECT pg_backend_pid()');
$cell->sql('CHECKPOINT');
is($backend->query_safe('BEGIN; SELECT pocket.compact()'), '2', 'two more are copied');
$backend->query_safe('SELECT pocket.seal()');
my $given = $backend->query_safe('SELECT last_value FROM pocket_data.placement_id');
kill 'KILL', $pid;
$cell->kill_sidecar('KILL');
my $up = 0;
for (1 .. 100) { last if $up = $server->psql('postgres', 'SELECT 1') == 0; select undef, undef, undef, 0.1; }
is($up, 1, 'the server starts again after its backend was killed');
$cell->start_sidecar;
is($cell->sql($wrong), '0', 'and nothing is lost');
$cell->sql('SELECT pocket.seal()');
cmp_ok($cell->sql('SELECT last_value FROM pocket_data.placement_id'), '>=', $given, 'no id of placement is given once more');
is($cell->sql('SELECT pocket.compact()'), '2', 'they are copied again');
is($cell->sql($wrong), '0', 'all files are read');
$cell->sql('SELECT pocket.seal()');
age();
for (1 .. 5) {
    $cell->sql('SELECT pocket.compact()'); $cell->sql('SELECT pocket.reclaim()'); $cell->sql('SELECT pocket.seal()'); age();
    $cell->sql("SET pocket.trash_retention = 0; SELECT pocket.coordinate('settle')"); $cell->sql("SET pocket.trash_retention = 0; SELECT pocket.coordinate('trash')");
}
cmp_ok(used() * 2, '<', $full, 'less than half of the room is taken');
is($cell->sql("SELECT count(*) FROM pocket_data.trash"), '0', 'nothing is in the trash');
is($cell->sql($wrong), '0', 'and all files are read');
$cell->sql('SELECT pocket.scrub()');
is($cell->sql('SELECT count(*) FROM pocket.verify()'), '0', 'all is well');
eval { $_->quit } for $old, $locker, $backend;
done_testing();
