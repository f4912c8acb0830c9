# What nobody holds any more goes, step by step: condemned, let go of, its volume retired, trashed, inspected, emptied.  Each step waits for
# what may still ask for it (snapshots, receipts, URLs, the retention), a rollback or a kill between two of them loses nothing, and
# what others hold is read throughout.
use strict;
use warnings;
use File::Find qw(find);
use IPC::Run ();
use PocketTest;
use Test::More;

my $cell = PocketTest->new('reclaiming', drives => 4, conf => "pocket.code = 'rs(2,1)'\npocket.open_buckets = 1\nmax_prepared_transactions = 5\npocket.inline_limit = 0\nwal_writer_delay = 10s");
my $server = $cell->{server};
$cell->sql("SELECT pocket.create_namespace('app', retention => '0'), pocket.create_namespace('other', retention => '0')");

sub bytes { my ($seed, $size) = @_; return "(SELECT string_agg(sha256(('$seed' || i)::bytea), '' ORDER BY i) FROM generate_series(1, " . ($size >> 5) . ') i)'; }
sub put { my ($path, $seed, $size) = @_; return $cell->sql("SELECT outcome FROM pocket.put('$path', " . bytes($seed, $size) . ')'); }
sub reads { my ($path, $seed, $size) = @_; return $cell->sql("SELECT pocket.get('$path') = " . bytes($seed, $size)); }
sub duty { my ($name, $set) = @_; return $cell->sql(($set // '') . "SELECT done FROM pocket.coordinate('$name')"); }
sub states { return $cell->sql("SELECT string_agg(state || ' ' || n, ', ' ORDER BY state) FROM (SELECT state, count(*) AS n FROM pocket_data.block GROUP BY state) s"); }
sub volumes { return $cell->sql("SELECT string_agg(state || ' ' || n, ', ' ORDER BY state) FROM (SELECT state, count(*) AS n FROM pocket_data.volume WHERE state <> 'open' GROUP BY state) s"); }
sub age { $cell->sql("UPDATE pocket_data.bucket SET sealed_at = sealed_at - interval '2 days' WHERE state = 'sealed'"); return; }

# How many extent files are in place and in the trash of all drives, but for those of open buckets.
sub files
{
    my ($place, $trash) = (0, 0);
    my %open = map { $_ => 1 } split /\n/, $cell->sql("SELECT pocket.extent_file('replica', bucket_id, 0) FROM pocket_data.bucket WHERE state = 'open'");
    for my $drive ($cell->drives) {
        find(sub { $File::Find::name =~ m{/((extents/../|trash/)[bp]-.*)} && ($2 eq 'trash/' ? $trash++ : $open{$1} || $place++) }, $drive);
    }
    return "$place $trash";
}

# The status of a GET of a URL, whose bytes' length it must have.
sub fetch
{
    my ($url, $size) = @_;
    my ($socket, $path) = $url =~ m{^unix:(.*?)(/block/.*)$} or die $url;
    my $out = '';
    IPC::Run::run([ 'curl', '-sS', '--max-time', '30', '-o', '/dev/null', '-w', '%{http_code} %{size_download}', '--unix-socket', $socket, "http://localhost$path" ], '>', \$out) or die 'curl';
    return $out =~ /^200 / ? ($out eq "200 $size" ? 'read' : $out) : 'gone';
}

# --- one volume whose blocks are all let go of, one that another namespace holds on to ---

put('app:/gone', 'gone', 200000);
put('app:/shared', 'shared', 100000);
put('other:/gone', 'gone', 200000);    # a second copy: what this namespace brought itself
is($cell->sql('SELECT count(*), count(DISTINCT hash) FROM pocket_data.block'), '3|2', 'two namespaces brought the same block');
$cell->sql('SELECT pocket.reclaim()');
is($cell->sql('SELECT count(*), count(DISTINCT hash) FROM pocket_data.block'), '2|2', 'one of both copies is enough');
is(reads('app:/gone', 'gone', 200000) . reads('other:/gone', 'gone', 200000), 'tt', 'and serves both');
ok($cell->encode_all, 'encoded');
put('app:/kept', 'kept', 50000);
ok($cell->encode_all, 'and another one');
my $in_place = files();
my ($url) = $cell->sql("SELECT url FROM pocket.download('app:/shared', expires => '1 hour')");
my ($gone_url) = $cell->sql("SELECT url FROM pocket.download('app:/gone', expires => '1 hour')");
my $size = $cell->sql("SELECT size FROM pocket.stat('app:/shared')");

my $old = $server->background_psql('postgres', on_error_stop => 1);
$old->query_safe("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pocket.ls('app:/')");
$cell->sql("SELECT pocket.rm('app:/gone'), pocket.rm('app:/shared'); SELECT pocket.mkdir('app:/later')");
$cell->sql("BEGIN; SELECT pocket.drop_namespace('other'); ROLLBACK");
is($cell->sql('SELECT count(*) FROM pocket_data.review'), '0', 'what is removed is retained: nobody has let go of it yet');
is($cell->sql('SELECT pocket.retain()'), '4', 'then its revisions are dropped');
is($cell->sql('SELECT pocket.reclaim()'), '1', 'only what nobody holds is condemned');
is(states(), 'condemned 1, live 2', 'its row stays');
$cell->sql("SELECT pocket.drop_namespace('other')");
is($cell->sql('BEGIN; SELECT pocket.reclaim(); ROLLBACK'), '1', 'a namespace that is dropped lets go too');
is(states(), 'condemned 1, live 2', 'a rollback takes a step back');
is($cell->sql('SELECT pocket.reclaim()'), '1', 'and it can be taken again');
is($cell->sql('SELECT pocket.reclaim()'), '0', 'an older snapshot keeps what it sees');
is(states(), 'condemned 2, live 1', 'however often one asks');
is($old->query_safe("SELECT octet_length(pocket.get('app:/shared')), octet_length(pocket.get('app:/gone'))"), '100000|200000', 'and reads it');
age();
is($cell->sql('SELECT pocket.reclaim()') . ' ' . volumes(), '0 coded 2', 'no volume retires that has a row');
$old->query_safe('COMMIT');
is($cell->sql('BEGIN; SELECT pocket.reclaim(); ROLLBACK') . ' ' . states(), '3 condemned 2, live 1', 'when it has ended the rows can go, and the volume retire');
$cell->sql('UPDATE pocket_data.bucket SET sealed_at = now()');
is($cell->sql('SELECT pocket.reclaim()') . ' ' . volumes(), '2 coded 2', 'but not while a receipt could still point into it');
is(states(), 'live 1', 'the rows have gone');
is(fetch($url, $size) . ' ' . fetch($gone_url, 200000), 'read read', 'the bytes have not');

# --- the volume retires, its extents go to the trash and are read there ---

age();
$cell->sql("BEGIN; SELECT pocket.reclaim(); SELECT pocket.coordinate('settle'); ROLLBACK");
is(files(), $in_place, 'what one transaction intends, no order of its own carries out');
is($cell->sql('SELECT pocket.reclaim()') . ' ' . volumes(), '1 coded 1, retired 1', 'a day later it retires');
is(files(), $in_place, 'an intent moves nothing');
$cell->sql("BEGIN; SELECT pocket.coordinate('settle'); ROLLBACK");
my ($left) = files() =~ /^(\d+)/;
like(files(), qr/^\d+ [234]$/, 'its order does, whatever becomes of the transaction');
is($cell->sql('SELECT count(*) FROM pocket_data.trash'), '0', 'which is rolled back');
$cell->kill_sidecar('KILL'); $cell->start_sidecar;
is(fetch($url, $size) . ' ' . fetch($gone_url, 200000), 'read read', 'a URL reads it there, after a kill too');
duty('check'); duty('settle');
cmp_ok($cell->sql('SELECT count(*) FROM pocket_data.trash'), '>=', 2, 'the order is given again, and booked');
is($cell->sql("SELECT count(*) FROM pocket_data.extent e JOIN pocket_data.volume v USING (volume_id) WHERE v.state = 'retired'"), '0', 'they are members no more');
is($cell->sql("SELECT detail LIKE '%retired%' FROM pocket.health WHERE item = 'trash'"), 't', 'health tells of them');
my $kept = files();
ok($cell->coordinate, 'nothing is left to do');
is(files(), $kept, 'within the retention nothing goes');
is($cell->sql("SELECT count(*) FROM pocket_data.intent WHERE duty = 'empty'"), '0', 'nor is it intended');
is($cell->sql('SELECT count(*) FROM pocket.verify()'), '0', 'and nothing is wrong with that');
is(reads('app:/kept', 'kept', 50000), 't', 'the other volume is read');

# --- what is held by somebody does not go, whatever the rows say ---

my $now = "SET pocket.trash_retention = 0; ";
$cell->sql("INSERT INTO pocket_data.holder SELECT 1, pocket.digest(" . bytes('gone', 200000) . "), 1");
duty('trash', $now);
like($cell->sql("SELECT problem FROM pocket.verify() WHERE verifier = 'trash'"), qr/is held, and not safe elsewhere/, 'the inspector lets nothing go that is held');
is($cell->sql("SELECT count(*) FROM pocket_data.intent i JOIN pocket_data.trash t ON t.drive_id = i.drive_id AND t.bucket_id = i.bucket_id WHERE i.duty = 'empty' AND t.problem IS NOT NULL"), '0', 'nor intends to');
$cell->sql("DELETE FROM pocket_data.holder WHERE ns_id = 1 AND hash::text = pocket.digest(" . bytes('gone', 200000) . ")::text");
my $slow = $server->background_psql('postgres', on_error_stop => 1);
$slow->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
$cell->sql('UPDATE pocket_data.trash SET bytes = bytes');
$cell->sql('UPDATE pocket_data.trash SET trashed_xid = pg_snapshot_xmax(pg_current_snapshot())');
my $before = $cell->sql("SELECT count(*) FROM pocket_data.intent WHERE duty = 'empty'");
duty('trash', $now);
is($cell->sql("SELECT count(*) FROM pocket_data.intent WHERE duty = 'empty'"), $before, 'nor what an older snapshot could ask for');
$slow->query_safe('COMMIT');

# --- the inspector lets it go, and a later transaction does it ---

cmp_ok(duty('trash', $now . 'BEGIN; '), '>', 0, 'all is proved to be garbage');    # psql ends: that is rolled back
my ($trashed) = files() =~ / (\d+)$/;
duty('trash', $now);
is((files() =~ / (\d+)$/)[0], $trashed, 'an intent removes nothing');
duty('settle'); duty('trash', $now); duty('settle'); duty('trash', $now);
is(files(), "$left 0", 'its order does');
is(fetch($url, $size) . ' ' . fetch($gone_url, 200000), 'gone gone', 'and the bytes are gone');
is(volumes(), 'coded 1', 'the volume with them');
is($cell->sql('SELECT count(*) FROM pocket_data.trash') . $cell->sql("SELECT count(*) FROM pocket_data.bucket WHERE state = 'retired'"), '00', 'and all that was known of it');
is(reads('app:/kept', 'kept', 50000), 't', 'what is held is read');
is($cell->sql("SELECT pocket.scrub() > 0") . ' ' . $cell->sql('SELECT count(*) FROM pocket.verify()'), 't 0', 'and nothing is missed');

# --- a receipt that was not used, and one that is being used ---

my $block = bytes('brought', 70016);
my $list  = $cell->sql("SELECT pocket.chunk($block)");
my @receipts;
open my $out, '>:raw', "$cell->{dir}/brought" or die;
print {$out} pack 'H*', $cell->sql("SELECT encode($block, 'hex')");
close $out or die;
for my $ns ('app', 'app')
{
    my $to = $cell->sql("SELECT url FROM pocket.upload('$ns', '$list')");
    my ($socket, $path) = $to =~ m{^unix:(.*?)(/block/.*)$};
    my $body = '';
    IPC::Run::run([ 'curl', '-sS', '-T', "$cell->{dir}/brought", '--unix-socket', $socket, "http://localhost$path" ], '>', \$body) or die 'curl';
    push @receipts, $body =~ /"receipt": "([^"]+)"/;
}
is(scalar @receipts, 2, 'two receipts');
put('app:/beside', 'beside', 4096);
$cell->sql("SELECT pocket.seal(), pocket.rm('app:/beside'); SELECT pocket.mkdir('app:/later still'); SELECT pocket.retain()");
$cell->sql('SELECT pocket.reclaim()') for 1 .. 2;
age();
my $commit = sub { my ($path, $receipt) = @_; return "SELECT outcome FROM pocket.commit('app:/$path', '$list', ARRAY['$receipt'])"; };
$cell->sql("BEGIN; " . $commit->('prepared', $receipts[0]) . "; PREPARE TRANSACTION 'p'");
my $retired = "SELECT count(*) FROM pocket_data.bucket WHERE state = 'retired'";
$cell->sql('SELECT pocket.reclaim()');
my $others = $cell->sql($retired);
$server->stop; $server->start;
$cell->sql('SELECT pocket.reclaim()');
is($cell->sql($retired), $others, 'a bucket does not retire while a prepared transaction brings a row to it, after a start too');
$cell->sql("ROLLBACK PREPARED 'p'");
is($cell->sql('SELECT pocket.reclaim()'), '1', 'what nobody committed is garbage without ever having had a row');
$cell->fails($commit->('late', $receipts[1]), 'PK002', qr/is needed/, 'and a receipt on it counts no more');
$cell->sql("SELECT pocket.put('app:/late', $block)");
is($cell->sql("SELECT pocket.get('app:/late') = $block"), 't', 'put brings it anew');

# --- a purge is for good ---

$cell->sql("SELECT pocket.purge('app:/late')");
$cell->sql('SELECT pocket.seal()');
age();
$cell->sql('SELECT pocket.reclaim()'); $cell->sql('SELECT pocket.reclaim()');
$cell->coordinate;
duty('trash', $now), duty('settle') for 1 .. 3;
is($cell->sql("SELECT count(*) FROM pocket_data.block WHERE hash::text = pocket.digest($block)::text"), '0', 'no row of it is left');
like(files(), qr/ 0$/, 'nor its bytes');
is(reads('app:/kept', 'kept', 50000), 't', 'what is held is read');
is($cell->sql('SELECT count(*) FROM pocket.verify()'), '0', 'all is well');
$_->quit for $old, $slow;

# --- who does not wait for his commits to be durable may lose them in a crash: not those that orders act upon ---

my $nothing = 'INSERT INTO pocket_data.review (hash) SELECT hash FROM pocket_data.block LIMIT 1';
my $flushed = "SELECT pg_current_wal_insert_lsn() AS written \\gset\n%s; SELECT pg_current_wal_flush_lsn() >= :'written'";
is($cell->sql("SET synchronous_commit = off; $nothing; " . sprintf $flushed, 'SELECT pocket.reclaim()'), "0\nt", 'what a pass does is, and all before it');
is($cell->sql("SET synchronous_commit = off; $nothing; " . sprintf $flushed, q{SELECT done FROM pocket.coordinate('reclaim')}), "0\nt", 'whoever runs it');
put('app:/one more', 'one more', 100000);
is($cell->sql("CHECKPOINT; BEGIN; $nothing; " . sprintf($flushed, 'SELECT pocket.seal()') . '; ROLLBACK'), "1\nt", 'no id that a node was told is given again, even after a crash');
done_testing();
