# A file and the row beside it commit or roll back together; a cancelled query ends; a dead sidecar is a clear error.
use strict;
use warnings;
use PocketTest;
use Test::More;
use Time::HiRes qw(time sleep);

my $cell = PocketTest->new('rollback', drives => 3, conf => "pocket.client_timeout = '5s'");
$cell->sql("SELECT pocket.create_namespace('app')");
$cell->sql('CREATE TABLE invoice (id int PRIMARY KEY, file text)');
my $body = "decode(repeat('5a', 100000), 'hex')";

$cell->sql("BEGIN; INSERT INTO invoice VALUES (1, 'app:/a'); SELECT pocket.put('app:/a', $body); ROLLBACK");
is($cell->sql("SELECT count(*) FROM pocket.ls('app:/')"), '0', 'rolled back: no file');
is($cell->sql('SELECT count(*) FROM invoice'), '0', 'rolled back: no row');
is($cell->sql("SELECT (SELECT count(*) FROM pocket_data.journal WHERE kind = 'file') + (SELECT count(*) FROM pocket_data.block) + (SELECT count(*) FROM pocket_data.holder)"), '0', 'rolled back: nothing behind the scenes');

$cell->sql("BEGIN; INSERT INTO invoice VALUES (1, 'app:/a'); SELECT pocket.put('app:/a', $body); COMMIT");
is($cell->sql("SELECT length(pocket.get(file)) FROM invoice"), '100000', 'committed: row and bytes');
$cell->sql("BEGIN; SAVEPOINT s; SELECT pocket.put('app:/b', 'x'::bytea || $body); ROLLBACK TO s; SELECT pocket.put('app:/c', 'y'::bytea || $body); COMMIT");
is($cell->sql("SELECT string_agg(path, ' ' ORDER BY path) FROM pocket.ls('app:/')"), 'app:/a app:/c', 'a savepoint takes its file back');
is($cell->sql("BEGIN; SELECT length(pocket.get('app:/c')) FROM pocket.put('app:/c', '\\x01'); SELECT pocket.get('app:/c'); COMMIT") =~ /\\x01\s*$/ ? 1 : 0, 1, 'a transaction reads its own writes');

# A stopped sidecar: the query can be cancelled at once, and ends by itself with the time-out.
my $pid = $cell->{sidecars}{one}{pid};
kill 'STOP', $pid;
my $began = time;
$cell->fails("SET statement_timeout = '500ms'; SELECT pocket.put('app:/d', 'z'::bytea || $body)", '57014', qr/statement timeout/, 'a put waiting for a stopped sidecar is cancelled');
cmp_ok(time - $began, '<', 1.8, 'within a second');
$began = time;
$cell->fails("SET statement_timeout = '500ms'; SELECT pocket.get('app:/a')", '57014', qr/statement timeout/, 'so is a get');
cmp_ok(time - $began, '<', 1.8, 'within a second');
$cell->fails("SET pocket.client_timeout = '1s'; SELECT pocket.get('app:/a')", '08006', qr/./, 'without cancelling, the time-out ends it');
kill 'CONT', $pid;
is($cell->sql("SELECT length(pocket.get('app:/a'))"), '100000', 'and afterwards it reads again');

$cell->kill_sidecar('TERM');
$cell->fails("SELECT pocket.put('app:/d', $body)", '00000', qr/^$/, 'a dead sidecar does not matter for a block that is held');
$cell->fails("SELECT pocket.put('app:/e', 'e'::bytea || $body)", '08006', qr/unix:.*HINT/s, 'a dead sidecar is a clear error');
$cell->fails("SELECT pocket.get('app:/a')", '08006', qr/unix:/, 'for reading too');
is($cell->sql("SELECT pocket.put('app:/small', 'inline'); SELECT convert_from(pocket.get('app:/small'), 'UTF8')") =~ /inline\s*$/ ? 1 : 0, 1, 'small files need no sidecar');
is($cell->sql("SELECT count(*) FROM pocket.ls('app:/') WHERE path = 'app:/e'"), '0', 'nothing half done');
$cell->start_sidecar;
is($cell->sql("SELECT length(pocket.get('app:/a'))"), '100000', 'and after a restart all is there');
is($cell->sql("SELECT (r).outcome FROM pocket.put('app:/e', 'e'::bytea || $body) r"), 'created', 'and writing goes on in a new bucket');
done_testing();
