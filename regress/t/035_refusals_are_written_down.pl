# What is refused rolls back, but is written down: by the coordinator, and without him in the server's log; nobody waits for that.
use strict;
use warnings;
use PocketTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $cell = PocketTest->new('refused', drives => 1, preload => 1, conf => "pocket.coordinator_interval = '60s'");
my $server = $cell->{server};
$cell->sql("CREATE ROLE ann; CREATE ROLE ben LOGIN; CREATE ROLE pocket_app; CREATE ROLE web LOGIN IN ROLE pocket_app; SELECT pocket.create_principal('kim')");
$cell->sql("SET ROLE ann; SELECT pocket.create_namespace('ann'); SELECT pocket.put('ann:/Docs/plan', 'x'); SELECT pocket.put('ann:/secret', 'x'); SELECT pocket.share('ann:/Docs', 'ben', 'viewer')");

# Any change wakes the coordinator, who then looks at the refusals too.
sub wait_for
{
    my ($sql, $what) = @_;
    $cell->sql("SET ROLE ann; SELECT pocket.put('ann:/wake', clock_timestamp()::text::bytea)");
    ok($server->poll_query_until('postgres', $sql), $what);
    return;
}

# until he has looked for the first time, nobody would write them
ok($server->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pocket coordinator' AND state = 'idle'"), 'the coordinator is there');
my $try = sub { my ($sql, $role) = @_; my ($out, $err) = ('', ''); $server->psql('postgres', $sql, stdout => \$out, stderr => \$err, extra_params => [ '-U', $role // 'ben' ]); return $err; };
$try->("SELECT pocket.get('ann:/secret')");
$try->("SELECT pocket.get('ann:/Docs/nosuch')");
$try->("SELECT pocket.put('ann:/docs/plan', 'y')");
$try->("SELECT pocket.share('ann:/Docs', 'ben', 'owner')");
$try->("SET pocket.principal = 'kim'; SELECT pocket.ls('ann:/')", 'web');
wait_for("SELECT count(*) >= 4 FROM pocket.audit WHERE action = 'refused'", 'they are written');
my $rows = $cell->sql("SELECT principal, role, path, detail ->> 'action' FROM pocket.audit WHERE action = 'refused' ORDER BY audit_id");
like($rows, qr{^ben\|ben\|ann:/secret\|get$}m, 'what he may not read');
like($rows, qr{^ben\|ben\|ann:/docs/plan\|put$}m, 'what he may not write, as he called it');
like($rows, qr{^ben\|ben\|ann:/Docs\|share$}m, 'what he may not share');
unlike($rows, qr{nosuch}, 'but not what is not there');
like($rows, qr{^kim\|web\|ann:/\|ls$}m, 'for whom who spoke');

# more than there is room for is counted
$try->("DO \$\$ BEGIN FOR i IN 1 .. 400 LOOP BEGIN PERFORM pocket.get('ann:/secret'); EXCEPTION WHEN undefined_object THEN NULL; END; END LOOP; END \$\$");
wait_for("SELECT count(*) > 0 FROM pocket.audit WHERE detail ? 'lost'", 'what there is no room for');
is($cell->sql("SELECT count(*) FILTER (WHERE path = 'ann:/secret') - 1 + sum((detail ->> 'lost')::int) FROM pocket.audit WHERE action = 'refused'"), '400', 'is counted');

# a path of any length
$try->("SELECT pocket.get('ann:/secret' || repeat('/' || repeat(U&'\\00e4', 100), 80))");
wait_for("SELECT count(*) = 1 FROM pocket.audit WHERE action = 'refused' AND octet_length(path) BETWEEN 1000 AND 1023", 'a long path is cut between two characters');

# without the coordinator
my $plain = PocketTest->new('plain', drives => 1);
$plain->sql("CREATE ROLE ben LOGIN; SELECT pocket.create_namespace('ann'); SELECT pocket.put('ann:/secret', 'x')");
my $at = -s $plain->{server}->logfile;
my $err = '';
$plain->{server}->psql('postgres', "SELECT pocket.get('ann:/secret')", stderr => \$err, extra_params => [ '-U', 'ben' ]);
unlike($err, qr/refused/, 'who is refused is not told');
like(slurp_file($plain->{server}->logfile, $at), qr{LOG:  pocket: get of "ann:/secret" was refused to "ben"}, "the server's log is");
is($plain->sql("SELECT count(*) FROM pocket.audit WHERE action = 'refused'"), '0', 'and no row is written');
done_testing();
