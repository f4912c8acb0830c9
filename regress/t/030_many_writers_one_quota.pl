# Eight writers fill one namespace: never a byte over the quota, and in the end exactly what fits is there. New blocks that two bring
# at once are held by whoever commits.
use strict;
use warnings;
use PocketTest;
use Test::More;
use Time::HiRes qw(sleep);

my $cell = PocketTest->new('quota', drives => 4);
my ($size, $fit, $rest) = (3000, 100, 500);
my $quota = $fit * $size + $rest;
$cell->sql("SELECT pocket.create_namespace('app', quota => $quota), pocket.create_namespace('churn', quota => 20000), pocket.create_namespace('other')");
$cell->sql(<<'SQL');
    CREATE TABLE tried (path text, size bigint, fits boolean);
    CREATE FUNCTION try_put(path text, size integer) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pocket.put(path, convert_to(rpad(path, size, 'x'), 'UTF8'));
        INSERT INTO tried VALUES (path, size, true);
    EXCEPTION WHEN SQLSTATE 'PK003' THEN
        INSERT INTO tried VALUES (path, size, false);
    END $$;
    CREATE FUNCTION churn(client integer, step bigint) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        CASE (random() * 5)::int
            WHEN 0 THEN PERFORM pocket.rm('churn:/' || (random() * 20)::int);
            WHEN 1 THEN PERFORM pocket.append('churn:/' || (random() * 20)::int, convert_to(rpad('', (random() * 3000)::int, 'a'), 'UTF8'));
            WHEN 2 THEN PERFORM pocket.mv('churn:/' || (random() * 20)::int, 'churn:/' || (random() * 20)::int);
            WHEN 3 THEN PERFORM pocket.cp('churn:/' || (random() * 20)::int, 'churn:/' || (random() * 20)::int);
            ELSE PERFORM pocket.put('churn:/' || (random() * 20)::int, convert_to(rpad('', (random() * 5000)::int, 'p'), 'UTF8'));
        END CASE;
    EXCEPTION WHEN SQLSTATE 'PK003' OR undefined_object OR duplicate_object THEN
        NULL;
    END $$;
SQL

# Runs eight clients, and looks at the namespace all the while; returns what was wrong with it, and how often it was looked at.
sub run_clients
{
    my ($namespace, $quota, $times, $statement) = @_;
    my $script = "$cell->{dir}/script.sql";
    open my $file, '>', $script or die "$script: $!";
    print {$file} "$statement;\n";
    close $file or die;
    my ($out, $err, $looks, $worst) = ('', '', 0, '');
    my $run = IPC::Run::start([ 'pgbench', '-n', '-c', '8', '-j', '2', '-t', $times, '-f', $script, $cell->{server}->connstr('postgres') ], '<', \undef, '>', \$out, '2>', \$err);
    do
    {
        $run->pump_nb;
        my $seen = $cell->sql("SELECT h.used, (SELECT coalesce(sum(e.size), 0) FROM pocket_data.entry e WHERE e.ns_id = h.ns_id AND e.kind = 'file')"
            . " FROM pocket_data.namespace_head h JOIN pocket_data.namespace n USING (ns_id) WHERE n.name = '$namespace'");
        my ($used, $sum) = split /\|/, $seen;
        $worst = $seen if $used > $quota || $used != $sum;
        $looks++;
    } while ($run->pumpable);
    $run->finish;
    is($? >> 8, 0, "$namespace: eight writers") or diag($err);
    unlike($err, qr/deadlock|ERROR/, "$namespace: without an error");
    is($worst, '', "$namespace: at no moment over the quota, and always exact");
    cmp_ok($looks, '>', 3, "$namespace: which was looked at");
    return;
}

run_clients('app', $quota, 40, "SELECT try_put('app:/' || :client_id || '-' || txid_current(), $size)");
is($cell->sql('SELECT count(*) FILTER (WHERE fits), count(*) FILTER (WHERE NOT fits) FROM tried'), $fit . '|' . (320 - $fit), 'exactly as many as fit');
is($cell->sql("SELECT used, (SELECT count(*) FROM pocket.ls('app:/')) FROM pocket.usage WHERE name = 'app'"), $fit * $size . "|$fit", 'are there');
$cell->fails("SELECT pocket.put('app:/last', convert_to(rpad('', $rest + 1, 'x'), 'UTF8'))", 'PK003', qr/@{[ $quota + 1 ]} bytes, $quota are allowed/, 'a byte more than is left');
is($cell->sql("SELECT outcome FROM pocket.put('app:/last', convert_to(rpad('', $rest, 'x'), 'UTF8'))"), 'created', 'what is left');
$cell->fails("SELECT pocket.put('app:/one more', 'x')", 'PK003', qr/quota/, 'then nothing');
is($cell->sql("SELECT outcome FROM pocket.put('app:/none', '')"), 'created', 'but nothing at all');

run_clients('churn', 20000, 120, 'SELECT churn(:client_id, txid_current())');
is($cell->sql(<<'SQL'), '0', 'each block is held as often as files have it');
    WITH recount AS (SELECT j.ns_id, b.hash::text AS hash, count(*) AS files
        FROM (SELECT ns_id, blocks, lag(blocks) OVER (PARTITION BY ns_id, file_id ORDER BY jid) AS before FROM pocket_data.journal) j,
            pocket.blocks(pocket.missing(j.blocks, coalesce(j.before, '{}'))) b GROUP BY j.ns_id, b.hash::text),
        held AS (SELECT ns_id, hash::text AS hash, files FROM pocket_data.holder)
    SELECT (SELECT count(*) FROM (TABLE recount EXCEPT TABLE held) a) + (SELECT count(*) FROM (TABLE held EXCEPT TABLE recount) b)
SQL

# --- two bring one new block by put ---

sub session
{
    my %session = (in => '', out => '', err => '');
    $session{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $cell->{server}->connstr('postgres') ], '<', \$session{in}, '>', \$session{out}, '2>', \$session{err});
    return \%session;
}
sub say_to { my ($session, $sql) = @_; $session->{in} .= "$sql;\n\\echo done\n"; $session->{out} = ''; $session->{run}->pump_nb; return; }
sub hear { my ($session) = @_; $session->{run}->pump until $session->{out} =~ /done\n\z/; return $session->{out} =~ s/done\n\z//r; }

$cell->sql("SELECT pocket.alter_namespace('app', quota => -1)");
my ($left, $right) = (session(), session());
for my $end ('ROLLBACK', 'COMMIT')
{
    my $content = "convert_to(rpad('', 9000, '$end'), 'UTF8')";
    for my $namespace ('app', 'other')
    {
        say_to($left, "BEGIN; SELECT outcome FROM pocket.put('app:/left $namespace $end', $content)");
        is(hear($left), "created\n", "$end: a new block");
        say_to($right, "SELECT outcome FROM pocket.put('$namespace:/right $end', $content)");
        if ($namespace eq 'app')
        {
            until ($cell->sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") eq '1') { $_->{run}->pump_nb for ($left, $right); sleep 0.01; }
        }
        else { is(hear($right), "created\n", "$end: nobody waits for another namespace"); }
        say_to($left, $end);
        hear($left);
        is(hear($right), "created\n", "$end: whoever waited has it") if $namespace eq 'app';
        is($cell->sql("SELECT sha256(pocket.get('$namespace:/right $end')) = sha256($content)"), 't', "$end: and reads it");
    }
}
is($cell->sql("SELECT string_agg(n.name || ' ' || h.files, ', ' ORDER BY n.name) FROM pocket_data.holder h JOIN pocket_data.namespace n USING (ns_id) WHERE h.hash::text = (pocket.digest(convert_to(rpad('', 9000, 'ROLLBACK'), 'UTF8')))::text"),
    'app 1, other 1', 'what was rolled back holds nothing');
is($cell->sql("SELECT string_agg(n.name || ' ' || h.files, ', ' ORDER BY n.name) FROM pocket_data.holder h JOIN pocket_data.namespace n USING (ns_id) WHERE h.hash::text = (pocket.digest(convert_to(rpad('', 9000, 'COMMIT'), 'UTF8')))::text"),
    'app 3, other 1', 'what was committed does');
$_->{run}->finish for ($left, $right);
is($cell->sql('SELECT count(*) FROM pocket.verify()'), '0', 'all is well');
done_testing();
