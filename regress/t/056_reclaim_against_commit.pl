# All orders in which a committer with a receipt, a namespace that lets go, and the reclaimer's passes can meet; then at random also a second committer, who copies
# or puts, and the compactor.  Whatever the order: who has committed reads his bytes, who has not left a trace can be reclaimed, and nobody waits for
# long.  Committers end their transactions by COMMIT, by PREPARE and COMMIT PREPARED, or roll back, at both isolation levels.
use strict;
use warnings;
use Digest::SHA qw(sha256 sha256_hex);
use IPC::Run ();
use PocketTest;
use Test::More;

my $runs = $ENV{POCKET_RUNS} // 40;    # random ones
my $seed = $ENV{POCKET_SEED} // 4242;
my $cell = PocketTest->new('against', drives => 2, conf => "pocket.code = 'replicated'\npocket.replicas = 1\npocket.open_buckets = 2\nmax_prepared_transactions = 20\npocket.inline_limit = 0\npocket.compact_below = 100\nfsync = off");
my $server = $cell->{server};
$cell->sql("SELECT pocket.create_namespace('$_', retention => '0') FROM (SELECT) x") for 'a', 'b', 'filler';
my ($socket) = $cell->url('one') =~ /^unix:(.*)/;
my $serial = 0;

# Bytes that nobody has had, their list, and a receipt for them in namespace a.
sub fresh
{
    my $bytes = join '', map { sha256("$seed $serial $_") } 1 .. 100;
    my $hash  = sha256_hex($bytes);
    my %block = (hash => $hash, list => "{$hash:3200}", hex => unpack('H*', $bytes), id => ++$serial);
    my ($path) = $cell->{admin}->query_safe("SELECT url FROM pocket.upload('a', '$block{list}')") =~ m{^unix:.*?(/block/.*)$};
    open my $out, '>:raw', "$cell->{dir}/block" or die;
    print {$out} $bytes;
    close $out or die;
    my $body = '';
    IPC::Run::run([ 'curl', '-sS', '-T', "$cell->{dir}/block", '--unix-socket', $socket, "http://localhost$path" ], '>', \$body) or die 'curl';
    ($block{receipt}) = $body =~ /"receipt": "([^"]+)"/ or die $body;
    return \%block;
}

$cell->{admin} = $server->background_psql('postgres', on_error_stop => 1);
my %session = map { $_ => $server->background_psql('postgres', on_error_stop => 0) } qw(committer other reclaimer);
$_->query_safe('SET lock_timeout = 200; SET client_min_messages = error') for values %session;

# One statement; its SQLSTATE when it fails, else ''.
sub step
{
    my ($who, $sql) = @_;
    my $psql = $session{$who};
    $psql->{stderr} = '';
    $psql->query("\\set VERBOSITY sqlstate\n$sql");
    return $psql->{stderr} =~ /ERROR:\s+(\w+)/ ? $1 : '';
}

sub admin { return $cell->{admin}->query_safe(@_) }

# All merges of several lists that keep each one's order.
sub interleavings
{
    my @lists = grep { @$_ } @_;
    return [] unless @lists;
    my @all;
    for my $i (0 .. $#lists)
    {
        my @rest = map { [@$_] } @lists;
        my $first = shift @{ $rest[$i] };
        push @all, map { [ $first, @$_ ] } interleavings(@rest);
    }
    return @all;
}

sub committing
{
    my ($block, $level, $end) = @_;
    my @begin = ([ committer => "BEGIN ISOLATION LEVEL $level; SELECT 1" ], [ committer => "SELECT outcome FROM pocket.commit('a:/again$block->{id}', '$block->{list}', ARRAY['$block->{receipt}'])" ]);
    return (@begin, [ committer => "PREPARE TRANSACTION 'p$block->{id}'" ], [ committer => "COMMIT PREPARED 'p$block->{id}'" ]) if $end eq 'PREPARE';
    return (@begin, [ committer => $end ]);
}

# What must hold after every order: who holds it reads it, and it resolves; who does not is reclaimed.
sub judge
{
    my ($block, $what, $committed) = @_;
    my @wrong;
    push @wrong, 'not committed' if $committed && admin("SELECT count(*) FROM pocket.ls('a:/') WHERE path = 'a:/again$block->{id}'") ne '1';
    push @wrong, 'unreadable' if admin("SELECT count(*) FROM unnest('{a,b}'::text[]) n, pocket.ls(n || ':/') f WHERE f.content_hash::text = '" . sha256_hex(pack 'H*', $block->{hash}) . "' AND pocket.get(f.path) IS DISTINCT FROM decode('$block->{hex}', 'hex')") ne '0';
    my $held = admin("SELECT count(*) FROM pocket_data.holder WHERE hash::text = '$block->{hash}' AND files > 0");
    my $rows = admin("SELECT count(*) FROM pocket_data.block WHERE hash::text = '$block->{hash}'");
    push @wrong, "$held hold it, $rows rows" if ($held > 0) != ($rows > 0);
    return @wrong ? "$what: " . join(', ', @wrong) : ();
}

my $let_go = "SELECT count(pocket.rm(path)) FROM pocket.ls('a:/') WHERE path LIKE '%%first%d'; SELECT outcome FROM pocket.mkdir('a:/' || clock_timestamp()); SELECT pocket.retain()";
my $reclaim = 'SELECT pocket.reclaim()';

# The namespace has had the block by the very receipt that the committer uses once more: its row is there, live, condemned, or just gone.
my (@wrong, %failed);
my $orders = 0;
for my $case ([ 'READ COMMITTED', 'COMMIT' ], [ 'REPEATABLE READ', 'COMMIT' ], [ 'READ COMMITTED', 'PREPARE' ], [ 'READ COMMITTED', 'ROLLBACK' ])
{
    my ($level, $end) = @$case;
    my @shape = interleavings([ map { "c$_" } 0 .. $#{ [ committing({ id => 0, list => '', receipt => '' }, $level, $end) ] } ], [ 'r0', 'r1', 'r2' ]);
    for my $order (@shape)
    {
        my $block = fresh();
        my @commit = committing($block, $level, $end);
        admin("SELECT outcome FROM pocket.commit('a:/first$block->{id}', '$block->{list}', ARRAY['$block->{receipt}'])");
        admin(sprintf $let_go, $block->{id});
        my $ok = 1;
        for my $at (@$order)
        {
            my ($who, $n) = $at =~ /^(.)(\d)$/;
            my $state = $who eq 'c' ? step(@{ $commit[$n] }) : step('reclaimer', $reclaim);
            $failed{"$who $state"}++ if $state;
            $ok = 0 if $state && $who eq 'c';
        }
        step('committer', 'ROLLBACK') unless $ok;
        admin($reclaim) for 1 .. 3;
        push @wrong, judge($block, "$level $end: @$order", $ok && $end ne 'ROLLBACK');
        $orders++;
    }
}
cmp_ok($orders, '>=', 95, 'all orders of one committer and three passes');
is(join("\n", @wrong), '', 'in none of them a block is lost, or left over');
is(join(', ', sort grep { !/^c 40001$/ } keys %failed), '', 'nobody fails, but a serializable history may');

# What is condemned and held again, or condemned just when somebody begins to hold it, and let go of once more: who has seen it held reads it.
my $seer = $server->background_psql('postgres', on_error_stop => 0);
for my $case ('held again', 'condemned late', 'looked at late')
{
    my $block = fresh();
    my $hold = "SELECT outcome FROM pocket.commit('a:/first$block->{id}', '$block->{list}', ARRAY['$block->{receipt}'])";
    my $drop = sprintf $let_go, $block->{id};
    admin("$hold; $drop");
    step('committer', "BEGIN; $hold") if $case eq 'condemned late';
    step('other', 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1') if $case eq 'looked at late';
    admin($reclaim);
    $case eq 'condemned late' ? step('committer', 'COMMIT') : admin($hold);
    is(admin("SELECT state FROM pocket_data.block WHERE hash::text = '$block->{hash}'"), 'condemned', "$case: condemned, and held");
    $seer->query("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pocket.ls('a:/')");
    admin($drop);
    admin($reclaim);
    step('other', 'COMMIT') if $case eq 'looked at late';
    admin($reclaim) for 1 .. 3;
    is($seer->query("SELECT pocket.get('a:/first$block->{id}') = decode('$block->{hex}', 'hex')"), 't', 'a snapshot that sees it held reads it');
    $seer->query('ROLLBACK');
    admin($reclaim) for 1 .. 2;
    is(admin("SELECT count(*) FROM pocket_data.block WHERE hash::text = '$block->{hash}'"), '0', 'when it has ended the row goes');
}
$seer->quit;

# At random: the committer, another one that puts or copies the same bytes in another namespace, one that lets go, and passes of reclaimer and compactor.
srand $seed;
sub pick { return $_[ int rand @_ ] }
my $old = $server->background_psql('postgres', on_error_stop => 1);
(@wrong, %failed) = ();
for my $run (1 .. $runs)
{
    my $block = fresh();
    admin("SELECT outcome FROM pocket.commit('a:/first$block->{id}', '$block->{list}', ARRAY['$block->{receipt}'])");
    $old->query_safe("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pocket.ls('a:/')");
    if ($run % 3 == 0) { admin('SELECT pocket.seal()'); admin("UPDATE pocket_data.bucket SET sealed_at = sealed_at - interval '2 days' WHERE state = 'sealed'"); }
    my ($level, $end) = (pick('READ COMMITTED', 'REPEATABLE READ'), pick('COMMIT', 'PREPARE', 'ROLLBACK'));
    my @commit = committing($block, $level, $end);
    my @other = ([ other => 'BEGIN' ], [ other => pick("SELECT outcome FROM pocket.put('b:/$block->{id}', decode('$block->{hex}', 'hex'))", "SELECT outcome FROM pocket.cp('a:/first$block->{id}', 'b:/$block->{id}')") ], [ other => pick('COMMIT', 'COMMIT', 'ROLLBACK') ]);
    my @passes = map { [ reclaimer => pick($reclaim, $reclaim, 'SELECT pocket.compact()', sprintf($let_go, $block->{id})) ] } 1 .. 6;
    unshift @passes, [ reclaimer => sprintf $let_go, $block->{id} ] if rand() < 0.7;
    my @lists = (\@commit, \@other, \@passes);
    my (@order, %bad);
    while (my @left = grep { @$_ } @lists)
    {
        my $next = shift @{ pick(@left) };
        # the head of a namespace is held to the end: whoever would wait for it comes later
        my ($who, $sql) = @$next;
        push @order, $sql =~ /pocket\.(\w+)/ ? "$who $1" : "$who $sql";
        next if $bad{$who} && $who ne 'reclaimer';
        my $state = step($who, $sql);
        next unless $state;
        $failed{"$who $state"}++;
        $bad{$who} = 1;
    }
    step($_, 'ROLLBACK') for keys %bad;
    push @wrong, "an old snapshot, run $run: @order" if $old->query_safe("SELECT pocket.get('a:/first$block->{id}') = decode('$block->{hex}', 'hex')") ne 't';
    $old->query_safe('COMMIT');
    step('committer', "ROLLBACK PREPARED 'p$block->{id}'") if admin("SELECT count(*) FROM pg_prepared_xacts") ne '0';
    admin($reclaim) for 1 .. 3;
    push @wrong, judge($block, "run $run, seed $seed: @order", !$bad{committer} && $end ne 'ROLLBACK');
}
is(join("\n", @wrong), '', "in $runs random orders of committers, passes and old snapshots no block is lost, or left over");
note(join ', ', map { "$_: $failed{$_}" } sort keys %failed);
is(join(', ', grep { !/ (?:40001|55P03|42704|25P02|55000)$/ } sort keys %failed), '', 'who fails waited for a head, or found nothing to copy');
admin('SELECT pocket.seal()');
is(admin('SELECT count(*) FROM pocket.verify()'), '0', 'all is well');
$_->quit for values %session, $old, $cell->{admin};
done_testing();
