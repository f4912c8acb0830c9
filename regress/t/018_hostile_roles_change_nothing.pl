# A role that may create schemas, and set and lock what any role may: others' files, the coordinator and the DBA are none the worse.
use strict;
use warnings;
use PocketTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $cell = PocketTest->new('hostile', drives => 4, preload => 1, conf => "pocket.bucket_size = '4MB'\npocket.client_timeout = '5s'");
my $server = $cell->{server};
$cell->sql('CREATE ROLE mallory LOGIN; CREATE ROLE alice LOGIN; GRANT CREATE ON DATABASE postgres TO mallory');

# What a role gets: exit status, output, and errors with their SQLSTATE.
sub as
{
    my ($role, $sql, $database) = @_;
    my ($out, $err) = ('', '');
    my $rc = $server->psql($database // 'postgres', "\\set VERBOSITY verbose\n$sql", stdout => \$out, stderr => \$err, extra_params => [ '-U', $role ]);
    return ($rc, $out, $err);
}

sub refused
{
    my ($role, $sql, $state, $what) = @_;
    my ($rc, undef, $err) = as($role, $sql);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok($rc && $err =~ /ERROR:  $state:/, $what) or diag("wanted $state: $err");
    return $err;
}

# --- what is another's does not exist ---
my $body = "decode(repeat('5a', 100000), 'hex')";
is((as('alice', "SELECT pocket.create_namespace('alice', quota => 150000); SELECT pocket.put('alice:/plans/secret', $body)"))[0], 0, "alice's file");
for my $call ("get('alice:/%s')", "stat('alice:/%s')", "ls('alice:/%s')", "history('alice:/%s')", "put('alice:/%s', 'x')", "append('alice:/%s', 'x')", "rm('alice:/%s')",
    "mkdir('alice:/%s')", "mv('alice:/%s', 'alice:/x')", "restore('alice:/%s', 3)")
{
    my $there = refused('mallory', sprintf("SELECT pocket.$call", 'plans/secret'), '42704', sprintf("no $call", 'plans/secret'));
    my $not   = refused('mallory', sprintf("SELECT pocket.$call", 'nosuch'), '42704', sprintf("no $call", 'nosuch'));
    s/LINE.*//s, s/psql:<stdin>:\d+: // for $there, $not;
    is($there, $not, 'and the error does not tell which is there');
}
is((as('mallory', 'SELECT (SELECT count(*) FROM pocket.files), (SELECT count(*) FROM pocket.namespaces), (SELECT count(*) FROM pocket.usage)'))[1], '0|0|0', 'the views show nothing');
is((as('mallory', "SELECT count(pocket.path_of(n, f)) FROM generate_series(1, 9) n, generate_series(1, 9) f"))[1], '0', 'nor does path_of');
refused('mallory', "SELECT * FROM pocket_data.$_", '42501', "table $_ is closed") for qw(entry journal block holder namespace cell);
refused('mallory', "SELECT * FROM pocket.$_", '42501', "$_ is the DBA's") for qw(extents verify() coordinate() seal() repair());
unlike(refused('mallory', 'DROP EXTENSION pocket CASCADE', '(2BP01|42501)', 'the extension is not hers to drop'), qr/secret/, 'and nothing is told');

# --- where the keys are is told to the DBA only ---
$cell->sql("ALTER SYSTEM SET pocket.key_file = '$cell->{dir}/nokeys'");
$cell->sql('SELECT pg_reload_conf()');
$server->poll_query_until('postgres', "SELECT current_setting('pocket.key_file') LIKE '%nokeys'");
my $log_at = -s $server->logfile;
unlike(refused('alice', "SELECT pocket.get('alice:/plans/secret')", '28000', 'no key file is an error'), qr/nokeys/, 'that does not name it');
like(slurp_file($server->logfile, $log_at), qr/nokeys/, 'but for the log');
$cell->fails("SELECT pocket.get('alice:/plans/secret')", '28000', qr/nokeys/, 'and for superusers');
$cell->sql('ALTER SYSTEM RESET pocket.key_file');
$cell->sql('SELECT pg_reload_conf()');
$server->poll_query_until('postgres', "SELECT current_setting('pocket.key_file') LIKE '%/keys'");

# --- over the quota, nothing is uploaded ---
sub blocks_put
{
    my $out = '';
    IPC::Run::run([ 'curl', '-s', '--max-time', '5', '--unix-socket', $cell->{sidecars}{one}{socket}, 'http://localhost/metrics' ], '>', \$out);
    my ($n) = $out =~ /^pocketd_blocks_put_total\S* (\d+)/m or die "no counter: $out";
    return $n;
}
my $before = blocks_put();
cmp_ok($before, '>', 0, 'the counter counts');
my $other = "decode(repeat('a5', 100000), 'hex')";
refused('alice', "SELECT pocket.put('alice:/more', $other)", 'PK003', 'put over the quota');
refused('alice', "SELECT pocket.append('alice:/plans/secret', $other)", 'PK003', 'append over it');
refused('alice', "SELECT pocket.append('alice:/new', $other)", 'PK003', 'append to a new file');
refused('alice', "SELECT pocket.put_many(ARRAY['alice:/b', 'alice:/c'], ARRAY['\\x' || repeat('01', 30000), '\\x' || repeat('02', 30000)]::bytea[])", 'PK003', 'put_many over it');
is(blocks_put(), $before, 'and no block has been sent');
is((as('alice', "SELECT outcome FROM pocket.put('alice:/PLANS/secret', substr($other, 1, 90000))"))[1], 'updated', 'what replaces enough fits');
is((as('alice', "SELECT string_agg(outcome, ',') FROM pocket.put_many(ARRAY['alice:/b', 'alice:/plans/Secret', 'alice:/B'], ARRAY['\\x' || repeat('01', 40000), '\\x' || repeat('02', 50000), '\\x' || repeat('03', 90000)]::bytea[])"))[1],
    'created,updated,updated', 'a path that comes twice counts once');
is($cell->sql("SELECT used FROM pocket.namespaces WHERE name = 'alice'"), '140000', 'the exact count');
cmp_ok(blocks_put(), '>', $before, 'these were sent');

# --- her advisory locks ---
my $locks = join ', ', map { my $k = $_; my $h = $k >> 32; my $l = $k & 0xffffffff; $l -= 2**32 if $l >= 2**31; ("pg_advisory_lock($k)", "pg_advisory_lock($h, $l)") }
    map { hex } qw(506f636b00000001 506f636b00000002 506f636b00000003);
my ($out, $err) = ('', '');
my $holder = IPC::Run::start([ 'psql', '-X', '-d', $server->connstr('postgres'), '-U', 'mallory', '-c', "SELECT $locks", '-c', 'SELECT pg_sleep(60)' ], '<', \undef, '>', \$out, '2>', \$err);
ok($server->poll_query_until('postgres', "SELECT count(*) = 6 FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid IN (1, 2)"), 'she holds locks of every name');
$cell->sql("SET statement_timeout = '20s'; SELECT pocket.$_()") for qw(repair seal scrub encode install);
pass('and no duty waits for them');
$cell->sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'mallory'");
$holder->finish;

# --- her settings, as the first user of a database ---
$cell->sql("SET allow_in_place_tablespaces = on; CREATE TABLESPACE hers OWNER mallory LOCATION ''");
$cell->sql('CREATE DATABASE fresh');
$server->safe_psql('fresh', 'CREATE EXTENSION pocket; GRANT CREATE ON DATABASE fresh TO mallory');
my $settings = <<'SQL';
CREATE SCHEMA IF NOT EXISTS evil;
CREATE OR REPLACE FUNCTION evil.never(bigint, bigint) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE LOG 'TRAPPED %', current_user; RETURN false; END $$;
DO $$ BEGIN CREATE OPERATOR evil.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = evil.never); EXCEPTION WHEN duplicate_function THEN NULL; END $$;
SET search_path = evil, pg_catalog;
SET standard_conforming_strings = off;
SET escape_string_warning = off;
SET default_tablespace = 'hers';
SET temp_tablespaces = 'hers';
SET row_security = off;
SET backslash_quote = on;
SQL
(my $rc, $out, $err) = as('mallory', "$settings SELECT pocket.create_namespace('m') > 0; SELECT path FROM pocket.put(\$\$m:/a\\b'c\$\$, 'x'); SELECT count(*) FROM pocket.ls('m:/')", 'fresh');
is("$rc|$out", "0|t\nm:/a\\b'c\n1", 'they work') or diag($err);
is($server->safe_psql('fresh', "SELECT count(*) FROM pg_class WHERE relnamespace = 'pocket_data'::regnamespace AND reltablespace <> 0"), '0', 'but not on the data schema');
is($server->safe_psql('fresh', "SELECT count(*) FROM pg_class WHERE relnamespace = 'pocket_data'::regnamespace AND relowner = 'mallory'::regrole"), '0', 'nor is that hers');
unlike(slurp_file($server->logfile), qr{LOG:  TRAPPED}, 'and no function of hers was called');

# --- what she plants when Pocket has gone is not called by the worker, nor taken over ---
my $name = $cell->sql('SELECT name FROM pocket_data.cell');
$cell->fails('DROP EXTENSION pocket CASCADE', '2BP01', qr/pocket\.uninstall/, 'CASCADE does not take the files');
is((as('alice', "SELECT length(pocket.get('alice:/b'))"))[1], '90000', 'they are there still');
$cell->sql("SELECT pocket.uninstall('$name')");
$cell->sql('DROP EXTENSION pocket');
my $planted = <<'SQL';
CREATE SCHEMA pocket; CREATE SCHEMA pocket_data; GRANT ALL ON SCHEMA pocket, pocket_data TO PUBLIC;
CREATE FUNCTION pocket.trap() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE LOG 'TRAPPED %', current_user; RETURN 'postgres'; END $$;
CREATE FUNCTION pocket.coordinate() RETURNS text LANGUAGE sql AS 'SELECT pocket.trap()';
CREATE FUNCTION pocket.coordinate(text) RETURNS text LANGUAGE sql AS 'SELECT pocket.trap()';
CREATE FUNCTION pocket.data_definition() RETURNS text LANGUAGE sql AS 'SELECT pocket.trap()';
CREATE VIEW pocket_data.cell AS SELECT pocket.trap() AS name, 1 AS schema_version, 1 AS starts, 1 AS incarnation;
CREATE VIEW pocket_data.node AS SELECT 1 AS node_id, pocket.trap() AS url;
GRANT SELECT ON ALL TABLES IN SCHEMA pocket_data TO PUBLIC;
SQL
is((as('mallory', $planted))[0], 0, 'she plants schemas of our names');
sleep 2;
unlike(slurp_file($server->logfile), qr{LOG:  TRAPPED}, 'the worker calls nothing of hers');
is($cell->sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pocket%'"), '1', 'and lives');
$cell->fails('CREATE EXTENSION pocket', '42P06', qr/pocket/, 'her schema does not become the extension');
is((as('mallory', "DROP FUNCTION pocket.coordinate(); DROP FUNCTION pocket.coordinate(text); DROP FUNCTION pocket.data_definition(); CREATE SCHEMA trap; ALTER FUNCTION pocket.trap() SET SCHEMA trap; GRANT USAGE ON SCHEMA trap TO PUBLIC; DROP SCHEMA pocket"))[0],
    0, 'she keeps the data schema only');
$cell->sql('CREATE EXTENSION pocket');
$cell->fails("SELECT pocket.create_namespace('x')", '42501', qr/mallory/, 'which is not worked with');
$cell->fails('SELECT pocket.install()', '42501', qr/mallory/, 'nor taken for installed');
$cell->fails("SELECT pocket.uninstall('postgres')", '42501', qr/mallory/, 'nor read as superuser to be uninstalled');
$cell->fails("SELECT * FROM pocket.coordinate()", '42501', qr/mallory/, 'nor coordinated');
sleep 1;
unlike(slurp_file($server->logfile), qr{LOG:  TRAPPED}, 'nothing of hers was called');
$cell->sql('DROP SCHEMA pocket_data CASCADE');
is($cell->sql("SELECT pocket.create_namespace('x') > 0"), 't', 'without it, Pocket works');
done_testing();
