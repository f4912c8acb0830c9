# What PostgreSQL gives its tables holds for files: foreign keys, joins, savepoints, two-phase commit, isolation levels,
# standbys and promotion, dump and restore, logical replication.
use strict;
use warnings;
use PocketTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $cell = PocketTest->new('with', drives => 3, streaming => 'logical', conf => 'max_prepared_transactions = 8');
my $server = $cell->{server};
my $body = sub { my ($seed) = @_; return "convert_to(repeat('$seed', 30000), 'UTF8')"; };    # 90 kB and more: a block in the sidecar

# A cell's other servers: the same sidecars, keys and directory.
sub beside { my ($server) = @_; return bless { %$cell, server => $server }, 'PocketTest'; }

# Every journal whole: jids without gaps up to the head's, times in order, and the live tree is what it tells.
sub journal_is_whole
{
    my ($cell, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is($cell->sql(<<'SQL'), '', $what);
        SELECT h.ns_id, 'head' FROM pocket_data.namespace_head h WHERE h.jid <> (SELECT count(*) FROM pocket_data.journal j WHERE j.ns_id = h.ns_id)
            OR h.jid <> (SELECT max(jid) FROM pocket_data.journal j WHERE j.ns_id = h.ns_id)
            OR h.used <> (SELECT coalesce(sum(size), 0) FROM pocket_data.entry e WHERE e.ns_id = h.ns_id AND e.kind = 'file')
        UNION ALL SELECT ns_id, 'order of ' || jid FROM (SELECT ns_id, jid, at < lag(at) OVER (PARTITION BY ns_id ORDER BY jid) AS back FROM pocket_data.journal) o WHERE back
        UNION ALL SELECT coalesce(e.ns_id, j.ns_id), 'file ' || coalesce(e.file_id, j.file_id)
            FROM (SELECT DISTINCT ON (ns_id, file_id) * FROM pocket_data.journal ORDER BY ns_id, file_id, jid DESC) j FULL JOIN pocket_data.entry e USING (ns_id, file_id)
            WHERE (j.op = 'deleted') <> (e.file_id IS NULL) OR e.rev <> j.jid OR e.parent_id <> j.parent_id OR e.name <> j.name OR e.size <> j.size
SQL
    return;
}

# --- foreign keys and joins, as a role of the application's ---

$cell->sql('CREATE ROLE stranger LOGIN; CREATE ROLE app LOGIN; CREATE SCHEMA app AUTHORIZATION app; CREATE SCHEMA stranger AUTHORIZATION stranger');
my $invoice = 'invoice (id int PRIMARY KEY, ns_id bigint NOT NULL, file_id bigint NOT NULL, FOREIGN KEY (ns_id, file_id) REFERENCES pocket_data.entry (ns_id, file_id))';
$cell->sql('CREATE ROLE pocket_app');
is($cell->sql('SELECT pocket.install()'), 'f', 'install() again gives the role pocket_app, which is new, its right');
$cell->sql('GRANT pocket_app TO app');
is($cell->sql("SELECT string_agg(grantee || ' ' || privilege_type || ' ' || column_name, ', ' ORDER BY column_name) FROM information_schema.column_privileges WHERE table_schema = 'pocket_data' AND grantee = 'pocket_app'"),
    'pocket_app REFERENCES file_id, pocket_app REFERENCES ns_id', 'which is to refer to files, and no more');
$cell->fails("SET ROLE stranger; CREATE TABLE stranger.$invoice", '42501', qr/permission denied/, 'whoever has no right cannot refer to files');
$cell->sql("SET ROLE app; CREATE TABLE app.$invoice; SELECT pocket.create_namespace('app')");
$cell->fails('SET ROLE app; SELECT * FROM pocket_data.entry', '42501', qr/permission denied/, 'the right to refer is none to read');
$cell->sql("SET ROLE app; BEGIN; INSERT INTO app.invoice SELECT 1, r.ns_id, r.file_id FROM pocket.put('app:/invoices/1', @{[ $body->('one') ]}) r; COMMIT");
$cell->sql("SET ROLE app; INSERT INTO app.invoice SELECT 2, r.ns_id, r.file_id FROM pocket.put('app:/invoices/2', 'inline') r");
is($cell->sql('SET ROLE app; SELECT i.id, f.path, f.size, length(pocket.get(f.path)) FROM app.invoice i JOIN pocket.files f USING (ns_id, file_id) ORDER BY i.id'),
    "1|app:/invoices/1|90000|90000\n2|app:/invoices/2|6|6", 'rows join with files');
my $count = "SET ROLE app; SELECT (SELECT count(*) FROM app.invoice) || ' ' || (SELECT count(*) FROM pocket.files WHERE kind = 'file')";
$cell->fails("SET ROLE app; SELECT pocket.rm('app:/invoices/1')", '23503', qr/invoice_ns_id_file_id_fkey/, 'a file that is referred to is not removed');
$cell->fails("SET ROLE app; SELECT pocket.rm('app:/invoices', true)", '23503', qr/invoice_ns_id_file_id_fkey/, 'nor the folder above');
$cell->fails("SET ROLE app; INSERT INTO app.invoice VALUES (9, 1, 999999)", '23503', qr/not present in table "entry"/, 'nothing refers to a file that is not there');
is($cell->sql($count), '2 2', 'all is as it was');
$cell->sql("SET ROLE app; SELECT pocket.mv('app:/invoices', 'app:/kept'); SELECT pocket.put('app:/kept/2', 'second')");
is($cell->sql('SELECT f.path FROM app.invoice i JOIN pocket.files f USING (ns_id, file_id) WHERE i.id = 2'), 'app:/kept/2', 'a moved and changed file is the same file');
$cell->sql("SET ROLE app; BEGIN; INSERT INTO app.invoice SELECT 3, r.ns_id, r.file_id FROM pocket.put('app:/kept/3', @{[ $body->('three') ]}) r; ROLLBACK");
is($cell->sql($count), '2 2', 'rollback takes both back');
$cell->sql("SET ROLE app; BEGIN; DELETE FROM app.invoice WHERE id = 2; SELECT pocket.rm('app:/kept/2'); ROLLBACK");
is($cell->sql($count), '2 2', 'the removal of both too');
$cell->sql("SET ROLE app; BEGIN; DELETE FROM app.invoice WHERE id = 2; SELECT pocket.rm('app:/kept/2'); COMMIT");
is($cell->sql($count), '1 1', 'and commit keeps it');

# --- savepoints ---

my $tree = "SELECT string_agg(path, ' ' ORDER BY path) FROM pocket.ls('s:/', true)";
$cell->sql("SELECT pocket.create_namespace('s')");
$cell->sql(<<"SQL");
    BEGIN;
    SELECT pocket.put('s:/a/1', @{[ $body->('s1x') ]});
    SAVEPOINT outer_;
    SELECT pocket.mv('s:/a', 's:/b');
    SAVEPOINT inner_;
    SELECT pocket.rm('s:/b', true), pocket.mkdir('s:/gone');
    ROLLBACK TO inner_;
    SELECT pocket.cp('s:/b/1', 's:/b/2');
    RELEASE inner_;
    SAVEPOINT again;
    SELECT pocket.put('s:/b/3', 'x'), pocket.set_attributes('s:/b/1', '{"a": 1}'), pocket.mv('s:/b', 's:/c');
    ROLLBACK TO again;
    SELECT pocket.put('s:/b/4', 'y');
    COMMIT;
SQL
is($cell->sql($tree), 's:/b s:/b/1 s:/b/2 s:/b/4', 'savepoints take back what came after them');
is($cell->sql("SELECT pocket.get('s:/b/2') = @{[ $body->('s1x') ]}"), 't', 'and nothing else');
journal_is_whole($cell, 'the journal has no gap where a savepoint was rolled back');

# --- two-phase commit ---

$cell->sql("SELECT pocket.create_namespace('p'), pocket.put('p:/old/1', 'old'), pocket.put('p:/gone', 'gone')");
my $all = "SELECT pocket.put('p:/new', @{[ $body->('2pc') ]}), pocket.mkdir('p:/folder'), pocket.mv('p:/old', 'p:/moved'), pocket.cp('p:/moved', 'p:/copied'), pocket.rm('p:/gone')";
$tree = "SELECT string_agg(path, ' ' ORDER BY path) FROM pocket.ls('p:/', true)";
my $before = $cell->sql($tree);
my $cursor = $cell->sql("SELECT pocket.latest_cursor('p')");
my $changes = "SELECT string_agg(op || ' ' || path, ', ' ORDER BY rev) FROM pocket.changes('$cursor')";
$cell->sql("BEGIN; $all; PREPARE TRANSACTION 'one'");
is($cell->sql($tree), $before, 'what is prepared is not seen');
is($cell->sql($changes), '', 'nor told');
$cell->fails("SET lock_timeout = '100ms'; SELECT pocket.put('p:/other', 'x')", '55P03', qr/lock timeout/, 'and keeps writers of the namespace waiting');
$cell->sql("ROLLBACK PREPARED 'one'");
is($cell->sql($tree), $before, 'ROLLBACK PREPARED takes all back');
$cell->sql("BEGIN; $all; PREPARE TRANSACTION 'two'");
$server->restart('immediate');
is($cell->sql($tree), $before, 'a crash later it is still prepared');
$cell->sql("COMMIT PREPARED 'two'");
is($cell->sql($tree), 'p:/copied p:/copied/1 p:/folder p:/moved p:/moved/1 p:/new', 'COMMIT PREPARED brings all');
is($cell->sql($changes), 'created p:/new, created p:/folder, moved p:/moved, copied p:/copied, copied p:/copied/1, deleted p:/gone', 'and tells it in order');
is($cell->sql("SELECT pocket.get('p:/new') = @{[ $body->('2pc') ]}"), 't', 'with its bytes');
journal_is_whole($cell, 'the journal is whole');

# --- isolation levels ---

$cell->sql("SELECT pocket.create_namespace('i'), pocket.put('i:/a', '1')");
for my $level ('REPEATABLE READ', 'SERIALIZABLE')
{
    my ($one, $two) = (session(), session());
    $cell->sql("SELECT pocket.put('i:/a', '1')");
    $cursor = $cell->sql("SELECT pocket.latest_cursor('i')");
    my $look = "SELECT (pocket.stat('i:/a')).size || ' ' || (SELECT count(*) FROM pocket.ls('i:/')) || ' ' || (SELECT count(*) FROM pocket.changes('$cursor'))";
    $one->("BEGIN ISOLATION LEVEL $level");
    my $seen = $one->($look);
    $cell->sql("SELECT pocket.put('i:/a', '22'), pocket.put('i:/$level', 'x')");
    is($one->($look), $seen, "$level: stat, ls and changes keep to the transaction's snapshot");
    like($one->("SELECT outcome FROM pocket.put('i:/a', '333')"), qr/could not serialize/, "$level: an older snapshot does not write over what came after it");
    $one->('ROLLBACK');
    $one->("BEGIN ISOLATION LEVEL $level");
    is($one->("SELECT outcome FROM pocket.put('i:/own', repeat('x', length('$level'))::bytea)") . $one->("SELECT size FROM pocket.stat('i:/own')"),
        ($level eq 'SERIALIZABLE' ? 'updated' : 'created') . length $level, "$level: a transaction sees what it wrote");
    $one->("SELECT pocket.mkdir('i:/folder/$level'), pocket.mv('i:/own', 'i:/folder/own'), pocket.cp('i:/folder/own', 'i:/own'), pocket.rm('i:/folder/own')");
    is($one->("SELECT count(*) FROM pocket.changes('$cursor')"), $level eq 'SERIALIZABLE' ? 7 : 8, "$level: and is told of it");
    is($one->('COMMIT'), '', "$level: and commits");
    journal_is_whole($cell, "$level: the journal is whole");

    # two writers of one namespace: one waits, and fails or goes on
    $one->("BEGIN ISOLATION LEVEL $level");
    $two->("BEGIN ISOLATION LEVEL $level");
    $one->("SELECT count(*) FROM pocket.ls('i:/')");
    $two->("SELECT count(*) FROM pocket.ls('i:/')");
    my $jid = $cell->sql("SELECT jid FROM pocket.namespaces WHERE name = 'i'");
    $one->("SELECT pocket.put('i:/one', '$level')");
    is($one->('COMMIT'), '', "$level: the first of two writers commits");
    like($two->("\\set VERBOSITY verbose\nSELECT pocket.put('i:/two', '$level')"), qr/40001/, "$level: the second is told to try again");
    $two->('ROLLBACK');
    is($cell->sql("SELECT jid FROM pocket.namespaces WHERE name = 'i'"), $jid + 1, "$level: one change is in the journal");
    is($two->("BEGIN ISOLATION LEVEL $level; SELECT outcome FROM pocket.put('i:/two', '$level'); COMMIT"), $level eq 'SERIALIZABLE' ? 'updated' : 'created', "$level: and tries again");
    journal_is_whole($cell, "$level: the journal is whole after two writers");
    $_->() for $one, $two;
}

# A session of its own, of the primary unless it is said: call it with statements for what they print; without, to end it.
sub session
{
    my ($on) = @_;
    my ($in, $out) = ('', '');
    my $run = IPC::Run::start([ 'psql', '-XAtq', '-d', ($on // $server)->connstr('postgres') ], '<', \$in, '>', \$out, '2>&1', IPC::Run::timeout(60));
    my $n = 0;
    return sub {
        my ($sql) = @_;
        if (!defined $sql) { $in .= "\\q\n"; $run->finish; return; }
        $out = '';
        $n++;
        $in .= "$sql;\n\\echo done $n\n";
        $run->pump until $out =~ /^done $n$/m;
        $out =~ s/^done $n\n//m;
        chomp $out;
        return $out;
    };
}

# --- many serializable writers ---

{
    my $work = "$cell->{dir}/serializable.sql";
    append_to_file($work, "BEGIN ISOLATION LEVEL SERIALIZABLE;\n\\set n random(1, 12)\nSELECT size FROM pocket.stat('i:/a');\n"
        . "SELECT outcome FROM pocket.put('i:/many/' || :n, int8send(:n + :client_id));\nSELECT outcome FROM pocket.mkdir('i:/many/folder ' || :n);\nCOMMIT;\n");
    my ($out, $err) = ('', '');
    local $ENV{PGOPTIONS} = '';
    ok(IPC::Run::run([ 'pgbench', '-n', '-c', 4, '-t', 40, '--max-tries', 200, '-f', $work, $server->connstr('postgres') ], '>', \$out, '2>', \$err), 'serializable writers try again until they succeed') or diag($err);
    like($out, qr{number of transactions actually processed: 160/160}, 'all of them');
    journal_is_whole($cell, 'and the journal is whole');
}

# --- logical replication of the journal ---

{
    my $to = PocketTest->new('plain', bare => 1);
    $cell->sql("CREATE PUBLICATION journal FOR TABLE pocket_data.journal (ns_id, jid, file_id, op, parent_id, name, kind, size, at)");
    $to->sql('CREATE SCHEMA pocket_data; CREATE TABLE pocket_data.journal (ns_id bigint, jid bigint, file_id bigint, op text, parent_id bigint, name text, kind text, size bigint, at timestamptz, PRIMARY KEY (ns_id, jid))');
    $to->sql('CREATE SUBSCRIPTION journal CONNECTION $c$' . $server->connstr('postgres') . '$c$ PUBLICATION journal');
    $to->{server}->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_subscription_rel WHERE srsubstate <> 'r'") or die 'no sync';
    $cell->sql("SELECT pocket.put('p:/replicated', 'x'), pocket.mv('p:/replicated', 'p:/again')");
    $cell->sql("BEGIN; SELECT pocket.put('p:/never', 'x'); ROLLBACK");
    $server->wait_for_catchup('journal');
    my $rows = "SELECT count(*) || ' ' || md5(string_agg(concat_ws('|', ns_id, jid, file_id, op, parent_id, name, kind, size, at), ',' ORDER BY ns_id, jid)) FROM pocket_data.journal";
    is($to->sql($rows), $cell->sql($rows), 'the journal goes to a plain table of a server without Pocket');
    $to->sql('DROP SUBSCRIPTION journal');
    $to->{server}->stop;
}

# --- dump and restore ---

{
    $server->safe_psql('postgres', "CREATE DATABASE restored TEMPLATE template0");
    my $whole = "SELECT (SELECT md5(string_agg(e::text, ',' ORDER BY ns_id, file_id)) FROM pocket_data.entry e) || (SELECT md5(string_agg(j::text, ',' ORDER BY ns_id, jid)) FROM pocket_data.journal j)"
        . " || (SELECT md5(string_agg(h::text, ',' ORDER BY ns_id, hash)) FROM pocket_data.holder h) || (SELECT md5(string_agg(b::text, ',' ORDER BY hash)) FROM pocket_data.block b)";
    $server->command_ok([ 'pg_dump', '--format', 'custom', '--no-publications', '--file', "$cell->{dir}/dump", $server->connstr('postgres') ], 'pg_dump');
    $server->command_ok([ 'pg_restore', '--exit-on-error', '--dbname', $server->connstr('restored'), "$cell->{dir}/dump" ], 'pg_restore');
    is($server->safe_psql('restored', $whole), $cell->sql($whole), 'every row is restored');
    is($server->safe_psql('restored', "SELECT pocket.get('app:/kept/1') = @{[ $body->('one') ]} AND pocket.get('p:/new') = @{[ $body->('2pc') ]}"), 't', 'and reads its blocks');
    is($server->safe_psql('restored', 'SELECT i.id, f.path FROM app.invoice i JOIN pocket.files f USING (ns_id, file_id)'), '1|app:/kept/1', 'with the rows that refer to files');
    is($server->safe_psql('restored', "SELECT count(*) FROM pocket.changes('$cursor')"), $cell->sql("SELECT count(*) FROM pocket.changes('$cursor')"), 'cursors hold there');
    my ($rc, $out, $err) = $server->psql('restored', "SELECT pocket.rm('app:/kept/1')");
    like($err, qr/invoice_ns_id_file_id_fkey/, 'and so do foreign keys');
    $server->safe_psql('postgres', 'DROP DATABASE restored');
}

# --- a hot standby ---

$server->backup('base');
my $node = PostgreSQL::Test::Cluster->new('standby');
$node->init_from_backup($server, 'base', has_streaming => 1);
$node->start;
my $standby = beside($node);
my $first = $cell->sql('SELECT clock_timestamp()');
$cell->sql("SELECT pocket.put('p:/new', @{[ $body->('later') ]}), pocket.rm('p:/folder')");
$server->wait_for_catchup($node, 'replay', $server->lsn('insert'));
for my $read ("SELECT pocket.stat('p:/new')", "SELECT string_agg(l::text, ',') FROM pocket.ls('p:/', true) l", "SELECT string_agg(h::text, ',') FROM pocket.history('p:/new') h",
    "SELECT string_agg(c::text, ',') FROM pocket.changes('$cursor') c", "SELECT string_agg(c::text, ',') FROM pocket.changes(pocket.first_cursor('p')) c", "SELECT pocket.latest_cursor('p')",
    "SELECT pocket.stat('p:/folder', '$first')", "SELECT string_agg(l::text, ',') FROM pocket.ls('p:/', true, at => '$first') l", "SELECT string_agg(f::text, ',' ORDER BY f.path) FROM pocket.files f",
    "SELECT string_agg(d::text, ',' ORDER BY d.rev) FROM pocket.deleted d", "SELECT string_agg(u::text, ',' ORDER BY u.ns_id) FROM pocket.usage u")
{
    is($standby->sql($read), $cell->sql($read), "a standby answers like the primary: $read");
}
is($standby->sql("SELECT pocket.get('p:/new') = @{[ $body->('later') ]} AND pocket.get('p:/new', rev => min(rev)) = @{[ $body->('2pc') ]} FROM pocket.history('p:/new')"), 't', 'it reads bytes from the sidecar, old ones too');
is($standby->sql("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT size FROM pocket.stat('p:/new'); COMMIT"), '150000', 'with REPEATABLE READ too');
for my $write ("put('p:/x', 'x')", "put('p:/x', @{[ $body->('never') ]})", "mkdir('p:/x')", "mv('p:/new', 'p:/x')", "cp('p:/new', 'p:/x')", "rm('p:/new')", "append('p:/new', 'x')", "symlink('p:/x', 'y')",
    "set_attributes('p:/new', '{}')", "restore('p:/new', 2)", "create_namespace('x')", "drop_namespace('p')", "put_many(ARRAY['p:/x'], ARRAY['x']::bytea[])", "lock(ARRAY['p'])",
    "alter_namespace('p', 'q')")
{
    $standby->fails("SELECT pocket.$write", '25006', qr/read-only transaction|during recovery/, "it refuses $write");
}
$cell->fails("BEGIN READ ONLY; SELECT pocket.put('p:/x', 'x')", '25006', qr/read-only transaction/, 'as a READ ONLY transaction of the primary does');

# What paths lead through is remembered there, too, for as long as nothing comes that changes it.
{
    my $size = "SELECT size FROM pocket.stat('p:/way/down/file')";
    my $replace = sub {
        my ($content) = @_;
        $cell->sql("SELECT pocket.mv('p:/way', 'p:/was ' || length('$content')); SELECT pocket.put('p:/way/down/file', '$content')");
        $server->wait_for_catchup($node, 'replay', $server->lsn('insert'));
    };
    $cell->sql("SELECT pocket.put('p:/way/down/file', '1')");
    $server->wait_for_catchup($node, 'replay', $server->lsn('insert'));
    my $reader = session($node);
    is($reader->($size), '1', 'a session of the standby reads');
    $replace->('22');
    is($reader->($size), '2', 'and sees that a folder on the way is another');
    is($reader->("BEGIN ISOLATION LEVEL REPEATABLE READ; $size"), '2', 'in REPEATABLE READ');
    $replace->('333');
    is($reader->($size), '2', 'it sees what it has seen');
    is($reader->("COMMIT; $size"), '3', 'and what has come when that is over');
    $reader->();
}

# --- promotion ---

# What the standby has not received is lost with the primary; a cursor that has seen it must not take what comes after for it.
$cursor = $standby->sql("SELECT pocket.latest_cursor('p')");
$node->append_conf('postgresql.conf', "primary_conninfo = ''");
$node->reload;
$node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM pg_stat_wal_receiver') or die 'the standby goes on receiving';
$cell->sql("SELECT pocket.put('p:/lost', 'lost')");
my $ahead = $cell->sql("SELECT pocket.latest_cursor('p')");
$server->stop('immediate');
$node->promote;
$node->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'not promoted';
is($standby->sql("SELECT op FROM pocket.changes('$ahead')"), 'reset', 'a cursor from ahead of the promoted server is reset');
is($standby->sql("SELECT outcome FROM pocket.put('p:/promoted', @{[ $body->('promoted') ]})"), 'created', 'writing works on the promoted server');
is($standby->sql("SELECT pocket.get('p:/promoted') = @{[ $body->('promoted') ]} AND pocket.get('p:/new') = @{[ $body->('later') ]}"), 't', 'with old and new bytes');
is($standby->sql("SELECT string_agg(op || ' ' || path, ',') FROM pocket.changes('$cursor')"), 'created p:/promoted', 'a cursor that was taken before goes on');
is($standby->sql("SELECT op FROM pocket.changes('$ahead') LIMIT 1"), 'reset', 'the one from ahead is reset, now that its jid is another row');
$standby->sql("SELECT pocket.put('p:/promoted 2', 'x')");
is($standby->sql("SELECT op FROM pocket.changes('$ahead') LIMIT 1"), 'reset', 'and later');
is($standby->sql("SET ROLE app; SELECT i.id, f.path FROM app.invoice i JOIN pocket.files f USING (ns_id, file_id)"), '1|app:/kept/1', 'rows still refer to their files');
journal_is_whole($standby, 'the journal is whole');
is($standby->sql('SELECT count(*) FROM pocket.verify()'), '0', 'nothing is wrong');
$node->stop;
done_testing();
