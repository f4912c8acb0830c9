# Sidecar down, wrong key, full drive, damaged or foreign drives, bad command lines: a clear error each, nothing lost or half done.
use strict;
use warnings;
use File::Path qw(remove_tree make_path);
use PocketTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $cell = PocketTest->new('bad', drives => 4, conf => "pocket.client_timeout = '5s'");
my $body = "decode(repeat('5a', 100000), 'hex')";
sub pocketd { my ($out, $err); IPC::Run::run([ 'timeout', '20', $PocketTest::POCKETD, @_ ], '<', \undef, '>', \$out, '2>', \$err); return ($? >> 8, $out . $err); }

# names and paths
$cell->fails("SELECT pocket.put('nosuch:/a', 'x')", '42704', qr/nosuch/, 'unknown namespace');
$cell->sql("SELECT pocket.create_namespace('app'); SELECT pocket.mkdir('app:/folder'); SELECT pocket.put('app:/file', $body)");
$cell->fails("SELECT pocket.get('app:/nosuch')", '42704', qr/app:\/nosuch/, 'missing path');
$cell->fails("SELECT pocket.get('app:/folder')", '42809', qr/folder/, 'a folder where a file is expected');
$cell->fails("SELECT pocket.put('app:/file/below', 'x')", '42809', qr/file/, 'a file where a folder is expected');
$cell->fails("SELECT pocket.put('app:/' || repeat('n', 256), 'x')", '22023', qr/255/, 'a name of 256 bytes');
is($cell->sql("SELECT (r).outcome FROM pocket.put('app:/' || repeat('n', 255), 'x') r"), 'created', 'a name of 255 bytes');
$cell->fails("SELECT pocket.put('app:/..', 'x')", '22023', qr/./, 'dots');
$cell->fails("SELECT pocket.put('app:/a' || chr(7), 'x')", '22023', qr/control/, 'a control character');
$cell->fails("SELECT pocket.create_namespace('app')", '42710', qr/app/, 'a namespace that exists');

# nodes
$cell->fails("SELECT pocket.add_node('unix:$cell->{dir}/nosuch.sock')", '08006', qr/nosuch\.sock/, 'a node that is not there');
$cell->fails("SELECT pocket.add_node('gopher://x')", '22023', qr/HINT/, 'not a url');

# the wrong key
my $right = slurp_file($cell->{keys});
$cell->keygen("$cell->{dir}/otherkeys");
$cell->sql("ALTER SYSTEM SET pocket.key_file = '$cell->{dir}/otherkeys'");
$cell->sql('SELECT pg_reload_conf()');
$cell->{server}->poll_query_until('postgres', "SELECT current_setting('pocket.key_file') LIKE '%otherkeys'");
$cell->fails("SELECT pocket.get('app:/file')", '28000', qr/key/, 'another key is refused');
$cell->fails("SELECT pocket.put('app:/new', 'n'::bytea || $body)", '28000', qr/key/, 'for writing too');
$cell->sql("ALTER SYSTEM SET pocket.key_file = '$cell->{dir}/nokeys'");
$cell->sql('SELECT pg_reload_conf()');
$cell->{server}->poll_query_until('postgres', "SELECT current_setting('pocket.key_file') LIKE '%nokeys'");
$cell->fails("SELECT pocket.get('app:/file')", '28000', qr/nokeys/, 'a key file that is not there');
$cell->sql('ALTER SYSTEM RESET pocket.key_file');
$cell->sql('SELECT pg_reload_conf()');
$cell->{server}->poll_query_until('postgres', "SELECT current_setting('pocket.key_file') LIKE '%/keys'");
is($cell->sql("SELECT length(pocket.get('app:/file'))"), '100000', 'the right key reads again');
chmod 0644, $cell->{keys};
my ($status, $text) = pocketd('run', '--listen', "unix:$cell->{dir}/x.sock", '--keys', $cell->{keys}, '--drive', "$cell->{dir}/x");
isnt($status, 0, 'pocketd refuses keys that others can read');
like($text, qr/keys/, 'and says so');
chmod 0600, $cell->{keys};

# command lines
is((pocketd())[0], 2, 'no command: usage');
is((pocketd('frobnicate'))[0], 2, 'an unknown command: usage');
is((pocketd('run', '--listen'))[0], 2, 'a missing argument: usage');
($status, $text) = pocketd('init', '--drive', "$cell->{dir}/one-drive1");
isnt($status, 0, 'init refuses a drive that is one already');
make_path("$cell->{dir}/full of things"); append_to_file("$cell->{dir}/full of things/thing", 'x');
($status, $text) = pocketd('init', '--drive', "$cell->{dir}/fresh", '--drive', "$cell->{dir}/full of things");
isnt($status, 0, 'init refuses a directory that is not empty');
like($text, qr/full of things/, 'and names it');
ok(!-e "$cell->{dir}/fresh/pocket-drive", 'and has not begun with the others');
($status, $text) = pocketd('run', '--listen', '192.0.2.1:7070', '--keys', $cell->{keys}, '--drive', "$cell->{dir}/one-drive1");
isnt($status, 0, 'plaintext off the machine is refused');
($status, $text) = pocketd('check', '--drive', "$cell->{dir}/full of things");
is($status, 1, 'check of a directory that is no drive');

# drives missing, emptied, damaged, of another cell, locked: reported failed, the rest serve
my $other = PocketTest->new('other', drives => 1);
$other->kill_sidecar('TERM');
$cell->kill_sidecar('TERM');
my @drives = $cell->drives;
remove_tree("$drives[1]", { keep_root => 1 });
$cell->flip_byte("$drives[2]/pocket-drive", 20);
$cell->set_drives('one', @drives, "$cell->{dir}/missing", $other->drives, "$cell->{dir}/full of things");
$cell->start_sidecar;
is($cell->sql("SELECT length(pocket.get('app:/file'))"), '100000', 'the rest serve');
is($cell->sql("SELECT (r).outcome FROM pocket.put('app:/new', 'n'::bytea || $body) r"), 'created', 'and take writes');
$cell->sql('SELECT * FROM pocket.coordinate()');
is($cell->sql("SELECT string_agg(state, ',' ORDER BY drive_id) FROM pocket.drives"), 'ok,failed,failed,ok', 'the emptied and the damaged one are failed')
    or diag($cell->sql('SELECT * FROM pocket.drives'));
my $log = $cell->sidecar_log;
like($log, qr/missing.*does not exist/, 'the log says what is missing');
is($cell->sql("SELECT pocket.add_node('" . $cell->url . "') > 0"), 't', 'adding the node again changes nothing');
is($cell->sql("SELECT count(*) FROM pocket.drives"), '4', "another cell's drive is not taken");
is($cell->kill_sidecar('TERM'), 0, 'pocketd stops cleanly');

# a node of another cell
$cell->set_drives('one', $other->drives);
$cell->start_sidecar;
$cell->sql("SET client_min_messages = error; SELECT 1");
$other->{server}->stop;
$cell->fails("SELECT pocket.add_node('" . $cell->url . "')", 'PK008', qr/cell/, 'a node of another cell is refused') if -s $cell->{keys};
$cell->kill_sidecar('TERM');

SKIP:
{
    skip 'no small file system was made (not root)', 6 unless $ENV{SMALL_FS};
    my $full = PocketTest->new('full', drives => 0, bare => 1, conf => "pocket.bucket_size = '16MB'\npocket.replicas = 1");
    my $mine = "$ENV{SMALL_FS}/d1";
    $full->{sidecars}{one} = { drives => [$mine], socket => "$full->{dir}/one.sock", log => "$full->{dir}/one.log" };
    $full->init_drives($mine);
    $full->start_sidecar;
    $full->sql("CREATE EXTENSION pocket; SELECT pocket.add_node('" . $full->url . "'); SELECT pocket.create_namespace('app')");
    my ($state, $n) = ('00000', 0);
    my $message = '';
    while ($n < 60)
    {
        ($state, $message) = $full->error("SELECT pocket.put('app:/f$n', (SELECT string_agg(sha512((g + $n * 1000000)::text::bytea), ''::bytea) FROM generate_series(1, 16384) g))");
        last if $state ne '00000';
        $n++;
    }
    cmp_ok($n, '>', 5, 'some files fit');
    like($state, qr/^(53100|PK007)$/, 'a full drive is a clear error') or diag($message);
    is($full->sql("SELECT count(*) FROM pocket.ls('app:/')"), $n, 'just the committed files are there');
    is($full->sql("SELECT count(*) FROM pocket.ls('app:/') f, LATERAL pocket.get(f.path) c WHERE length(c) = 1048576"), $n, 'and all of them read');
    is($full->kill_sidecar('TERM'), 0, 'it stops cleanly');
    $full->start_sidecar;
    is($full->sql("SELECT count(*) FROM pocket.ls('app:/') f, LATERAL pocket.get(f.path) c WHERE length(c) = 1048576"), $n, 'and after a restart too');
}
done_testing();
