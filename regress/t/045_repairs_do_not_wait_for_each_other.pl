# Volumes are repaired several at a time, within a limit for each node; what becomes of one is nothing to the others, and of a volume
# that lacks more than its code bears what the others yield is made anew.
use strict;
use warnings;
use PocketProxy;
use PocketTest;
use Test::More;
use Time::HiRes qw(sleep);

my $volumes = 6;
my $at_once = 4;    # ORDERS_PER_NODE
my $cell = PocketTest->new('several', drives => 5, bare => 1, conf => "pocket.bucket_size = '512kB'\npocket.code = 'rs(2,1)'\npocket.replicas = 2\npocket.open_buckets = 1");
$cell->sql('CREATE EXTENSION pocket');
$cell->add_sidecar('one', 5);
my $proxy = PocketProxy->new($cell, 'one');
$cell->sql("SET client_min_messages = error; SELECT pocket.add_node('" . $proxy->url . "')");
$cell->sql("SELECT pocket.create_namespace('app')");
sub content { my ($n) = @_; return "(SELECT string_agg(sha512(('$n/' || g)::bytea), ''::bytea) FROM generate_series(1, 7000) g)"; }
for my $n (1 .. 2 * $volumes)
{
    $cell->sql("SELECT pocket.put('app:/$n', " . content($n) . ')');
    $cell->sql('SELECT pocket.seal()');
}
ok($cell->encode_all, 'encoded') or diag($cell->sql('SELECT * FROM pocket.coordinate()'));
my @volumes = split /\n/, $cell->sql("SELECT volume_id FROM pocket.volumes WHERE state = 'coded' ORDER BY volume_id");
is(scalar @volumes, $volumes, "there are $volumes volumes");

sub damage
{
    my ($volume, $position, $chunk) = @_;
    my $file = $cell->sql("SELECT path || '/' || file FROM pocket.extents e JOIN pocket.drives USING (drive_id) WHERE volume_id = $volume AND position = $position");
    return $cell->flip_byte($file, 16384 + 65536 * $chunk + 100);
}
sub states { my ($volume) = @_; return $cell->sql("SELECT string_agg(state, ' ' ORDER BY position) FROM pocket.extents WHERE volume_id = $volume"); }

# One has two damages in the same place, which is one too many, and a third one elsewhere; of each other one a member is damaged.
my ($worst, @others) = @volumes;
damage($worst, 0, 1);
damage($worst, 1, 1);
damage($worst, 2, 3);
damage($_, 1, 2) for @others;
$cell->sql('SELECT pocket.scrub()');
is(states($worst), 'damaged damaged damaged', 'all members of a volume are damaged');
is(states($_), 'ok damaged ok', 'and one of another') for @others;

$proxy->set(hold => 'rebuild');
my ($out, $err) = ('', '');
my $repair = IPC::Run::start([ 'psql', '-XAtq', '-d', $cell->{server}->connstr('postgres'), '-c', 'SELECT pocket.repair()' ], '<', \undef, '>', \$out, '2>', \$err);
my $held = sub { my %counts = $proxy->counts; return $counts{held} // 0; };
for (1 .. 600) { last if $held->() >= $at_once; sleep 0.1; }
sleep 0.5;
is($held->(), $at_once, "a node has $at_once orders at a time");
$proxy->set;
ok($repair->finish, 'repair ends') or diag($err);
is($out, "$volumes\n", 'all volumes are repaired, as far as they can be');
is(states($_), 'ok ok ok', 'one that could be is whole') for @others;
is(states($worst), 'lost lost ok', 'of the other one just what cannot be made is lost');
like($err, qr/volume $worst has lost more members than its code bears/, 'and that is told');
unlike($err, qr/could not be repaired/, 'and nothing else');
$cell->sql('SELECT pocket.scrub()');
is(states($_), 'ok ok ok', 'and stays whole') for @others;
is(states($worst), 'lost lost ok', 'what was made of the other one is right');
my %lost = map { $_ => 1 } split /\n/, $cell->sql("SELECT substr(object, 6) FROM pocket.verify() WHERE verifier = 'file'");
is(scalar keys %lost, 2, 'verify names the two files that are lost');
is($cell->sql("SELECT pocket.get('app:/$_') = " . content($_)), 't', "file $_ reads") for grep { !$lost{$_} } 1 .. 2 * $volumes;
done_testing();
