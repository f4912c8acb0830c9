# The SQL tests of regress/sql by pg_regress, against a server of our own; one TAP line for each.
use strict;
use warnings;
use PocketTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $cell = PocketTest->new('regress', bare => 1);
my $top = $ENV{TOP} // '.';
my $out = "$cell->{dir}/out";
mkdir $out;
my @tests = map { m{([^/]+)\.sql$} } sort glob "$top/regress/sql/*.sql";
my $server = $cell->{server};

$ENV{POCKET_GOLDEN} = "$top/regress/golden";
my $log = '';
IPC::Run::run(
    [ $ENV{PG_REGRESS}, "--inputdir=$top/regress", "--outputdir=$out", "--bindir=", '--host=' . $server->host, '--port=' . $server->port,
        '--dbname=regress_pocket', '--encoding=UTF8', @tests ],
    '>', \$log, '2>&1');
my %result = map { /^test (\S+)\s+\.\.\. (\S+)/ ? ($1 => $2) : () } split /\n/, $log;
for my $test (@tests)
{
    is($result{$test} // 'did not run', 'ok', "sql/$test.sql");
}
if (grep { ($result{$_} // '') ne 'ok' } @tests)
{
    diag($log);
    diag(slurp_file("$out/regression.diffs")) if -e "$out/regression.diffs";
}
done_testing();
