# sqlsmith (Debian's) makes random queries out of Pocket's functions, operators and views: errors, yes, but no crash and no internal error
# of Pocket's. Each query is rolled back.
use strict;
use warnings;
use PocketTest;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'sqlsmith is not installed: regress/setup.sh installs it' unless grep { -x "$_/sqlsmith" } split /:/, $ENV{PATH};

my $cell = PocketTest->new('sqlsmith', drives => 3, conf => "log_error_verbosity = verbose\nstatement_timeout = '1s'\nlock_timeout = '1s'\nlog_statement = 'none'");
# sqlsmith asks "pg_proc" what there is to be called: here a view, with Pocket's functions and what makes arguments for them. Operators of
# types that no expression has would spoil every other query.
$cell->sql(<<'SQL');
    SET allow_system_table_mods = on;
    DELETE FROM pg_catalog.pg_operator o USING pg_catalog.pg_type t WHERE t.typname IN ('anyrange', 'anymultirange') AND t.oid IN (o.oprleft, o.oprright, o.oprresult);
    RESET allow_system_table_mods;
    CREATE ROLE smith LOGIN;
    CREATE ROLE chief LOGIN SUPERUSER;
    CREATE SCHEMA smith AUTHORIZATION smith;
    SET ROLE smith;
    CREATE VIEW smith.pg_proc AS SELECT * FROM pg_catalog.pg_proc p WHERE p.pronamespace = 'pocket'::regnamespace AND has_function_privilege(current_user, p.oid, 'execute') AND p.prokind = 'f'
        OR (p.pronamespace = 'pg_catalog'::regnamespace AND p.proname IN ('concat', 'lower', 'upper', 'left', 'reverse', 'now', 'sha256', 'convert_to', 'to_jsonb', 'make_interval', 'length', 'abs'));
    SELECT pocket.create_namespace('app');
    SELECT pocket.put('app:/f', convert_to(repeat('x', 5000), 'UTF8')), pocket.put('app:/d/e/f', 'inline'), pocket.symlink('app:/l', 'f'), pocket.mkdir('app:/empty');
    CREATE TABLE smith.given AS SELECT i, 'app:/f' AS path, '/d/e/' || i AS other, ('app:/d/' || i)::pocket.path AS p, pocket.digest(i::text::bytea) AS hash, pocket.chunk(repeat('x', i * 10)::bytea) AS blocks,
        ('{1:' || i + 1 || '}')::pocket.version_vector AS version, '{smith=rw,group:eng=r}'::pocket.acl AS acl, pocket.first_cursor('app') AS first, pocket.latest_cursor('app') AS latest,
        repeat('y', i)::bytea AS content, i::bigint AS big, now() AS at, '1 s'::interval AS span, '{}'::jsonb AS attributes, ARRAY['app:/f', NULL] AS texts, i % 2 = 0 AS yes FROM generate_series(0, 5) i;
    RESET ROLE;
    ALTER ROLE smith SET search_path = smith, pg_catalog, pocket;
    ALTER ROLE chief SET search_path = smith, pg_catalog, pocket;
    ALTER ROLE smith SET pocket.namespace = 'app';
SQL

my $server = $cell->{server};
my $offset = -s $server->logfile;
for my $run ([ 'smith', 11 ], [ 'chief', 12 ])
{
    my ($role, $seed) = @$run;
    my ($out, $err) = ('', '');
    my $target = $server->connstr('postgres') . " user=$role";
    my $status;
    eval {
        $status = IPC::Run::run([ 'sqlsmith', "--target=$target", '--exclude-catalog', "--seed=$seed", '--max-queries=1000', '--verbose' ], '<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout(120)) ? 0 : $?;
    };
    is($status, 0, "$role: it has come to its end") or diag($@, $out, $err);
    unlike($err, qr/broken|no connection|terminated/i, "$role: on one connection") or diag($err);
    is($cell->sql("SELECT count(*) FROM pocket.ls('app:/', true)"), '6', "$role: the server answers, and what was there is there");
}
my $log = substr slurp_file($server->logfile), $offset;
unlike($log, qr/PANIC|terminated by signal|TRAP:|server process .* was terminated/, 'no process has crashed');
cmp_ok(() = $log =~ /^.*(?:ERROR):  [0-9A-Z]{5}:/mg, '>', 50, 'some queries failed, as they should');
# With what is called here, none of PostgreSQL's own is to be expected either.
my @internal = $log =~ /ERROR:  (XX[0-9A-Z]{3}: [^\n]*)/g;
is(join("\n", @internal), '', 'no internal error');
done_testing();
