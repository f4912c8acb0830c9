# The specs of regress/specs by pg_isolation_regress: what concurrent sessions may and may not do to each other.
use strict;
use warnings;
use PocketTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $cell = PocketTest->new('isolation', bare => 1);
my $top = $ENV{TOP} // '.';
my $out = "$cell->{dir}/out";
mkdir $out;
my @specs = map { m{([^/]+)\.spec$} } sort glob "$top/regress/specs/*.spec";
my $server = $cell->{server};

my $log = '';
IPC::Run::run(
    [ $ENV{PG_ISOLATION_REGRESS}, "--inputdir=$top/regress", "--outputdir=$out", '--bindir=', '--host=' . $server->host, '--port=' . $server->port,
        '--dbname=isolation_pocket', '--encoding=UTF8', @specs ],
    '>', \$log, '2>&1');
my %result = map { /^test (\S+)\s+\.\.\. (\S+)/ ? ($1 => $2) : () } split /\n/, $log;
is($result{$_} // 'did not run', 'ok', "specs/$_.spec") for @specs;
if (grep { ($result{$_} // '') ne 'ok' } @specs)
{
    diag($log);
    diag(slurp_file("$out/output_iso/regression.diffs")) if -e "$out/output_iso/regression.diffs";
    diag(slurp_file("$out/regression.diffs")) if -e "$out/regression.diffs";
}
done_testing();
