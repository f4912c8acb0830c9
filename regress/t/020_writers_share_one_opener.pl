# Many writers, small buckets and hardly a slot for workers: they wait for one opener, and none of them fails.
use strict;
use warnings;
use PocketTest;
use Test::More;

my $cell = PocketTest->new('opener', drives => 6,
    conf => "pocket.bucket_size = '2MB'\npocket.client_timeout = '20s'\nmax_logical_replication_workers = 0\nmax_worker_processes = 1");
$cell->sql("SELECT pocket.create_namespace('app')");
my $random = "(SELECT string_agg(sha256((i || 'S' || random())::bytea), '') FROM generate_series(1, 10000) i)";

my $script = "$cell->{dir}/script.sql";
open my $file, '>', $script or die "$script: $!";
print {$file} "SELECT pocket.put('app:/' || :client_id || '-' || txid_current(), $random);\n";
close $file or die "$script: $!";
my ($out, $err) = ('', '');
IPC::Run::run([ 'pgbench', '-n', '-c', '8', '-j', '2', '-t', '12', '-f', $script, $cell->{server}->connstr('postgres') ], '>', \$out, '2>', \$err);
is($? >> 8, 0, 'eight writers and one slot for a worker') or diag($err);
is($cell->sql("SELECT count(*) FROM pocket.ls('app:/')"), '96', 'every file is there');
cmp_ok($cell->sql("SELECT count(*) FROM pocket_data.bucket WHERE state <> 'open'"), '>', 6, 'buckets have filled under their hands');

$cell->{server}->append_conf('postgresql.conf', "max_worker_processes = 0\n");
$cell->{server}->restart;
$cell->kill_sidecar('TERM');
$cell->start_sidecar;    # closes what is open
$cell->fails("SET pocket.client_timeout = '1s'; SELECT pocket.put('app:/none', $random)", '53400', qr/no worker.*max_worker_processes/s, 'no slot at all is a clear error');
$cell->sql("SELECT * FROM pocket.coordinate('seal')");
is($cell->sql("SELECT string_agg(DISTINCT state, ' ' ORDER BY state) FROM pocket.buckets"), 'sealed', 'sealing asks the node what it takes no more for');
$cell->sql('SELECT * FROM pocket.coordinate()');
is($cell->sql("SELECT (pocket.put('app:/none', $random)).outcome"), 'created', 'and a pass by hand helps');
done_testing();
