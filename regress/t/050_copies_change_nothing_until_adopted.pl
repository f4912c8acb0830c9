# A dump that was restored, a template copy, and a history that was rewound read files and change nothing in the cell, until
# somebody says pocket.adopt(); then the former owner only reads.
use strict;
use warnings;
use PocketTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $cell = PocketTest->new('owner', drives => 3, streaming => 1);
my $server = $cell->{server};
$server->enable_archiving;
$server->restart;
my $body = sub { my ($seed) = @_; return "convert_to(repeat('$seed', 100000 / length('$seed')), 'UTF8')"; };    # a block in the sidecar

# The same cell seen from another server or database.
{
    package Elsewhere;
    our @ISA = ('PocketTest');
    sub sql { my ($self, $sql) = @_; return $self->{server}->safe_psql($self->{db}, $sql); }
    sub error
    {
        my ($self, $sql) = @_;
        my ($rc, $out, $err) = $self->{server}->psql($self->{db}, "\\set VERBOSITY verbose\n$sql");
        return $rc ? (($err =~ /(?:ERROR|FATAL):\s+([0-9A-Z]{5}):/)[0] // '?', $err) : ('00000', '');
    }
}
sub elsewhere { my ($server, $db) = @_; return bless { %$cell, server => $server, db => $db }, 'Elsewhere'; }

# Every file on the drives with its size, and what the node has seen.
sub drives
{
    my $out = '';
    IPC::Run::run([ 'find', $cell->drives, $cell->drives('two'), '-type', 'f', '-printf', '%p %s %T@\n' ], '|', ['sort'], '>', \$out) or die 'find';
    return $out;
}

$cell->add_sidecar('two', 3);
$cell->sql("SELECT pocket.add_node('@{[ $cell->url('two') ]}')");
$cell->sql("SELECT pocket.create_namespace('app'), pocket.put('app:/one', @{[ $body->('one') ]}), pocket.put('app:/small', 'inline'), pocket.mkdir('app:/folder')");
my $upload = $cell->sql("SELECT url FROM pocket.upload('app', pocket.chunk(@{[ $body->('brought') ]}))");
my ($socket, $path) = $upload =~ m{^unix:(.*\.sock)(/block/.*)$} or die $upload;
append_to_file("$cell->{dir}/brought", $cell->sql("SELECT convert_from(@{[ $body->('brought') ]}, 'UTF8')"));
my $receipt = '';
IPC::Run::run([ 'curl', '-s', '--max-time', '20', '--unix-socket', $socket, '-T', "$cell->{dir}/brought", "http://localhost$path" ], '>', \$receipt) or die 'curl';
($receipt) = $receipt =~ /"receipt": "([^"]+)"/ or die "no receipt: $receipt";
my $cursor = $cell->sql("SELECT pocket.latest_cursor('app')");
my $identity = "SELECT value FROM pocket.health WHERE item = 'identity'";
is($cell->sql($identity), 'owner', 'where a cell was made is its owner');
is($cell->sql("SELECT value FROM pocket.health WHERE item = 'status'"), 'degraded', 'which is served, as far as there are drives');

# --- copies ---

my $other = PocketTest->new('other', bare => 1, preload => 1);
$other->{server}->append_conf('postgresql.conf', "pocket.key_file = '$cell->{keys}'");
$other->{server}->reload;
$server->safe_psql('postgres', 'CREATE DATABASE restored TEMPLATE template0');
$server->safe_psql('template1', 'CREATE DATABASE template TEMPLATE postgres');
$server->command_ok([ 'pg_dump', '--format', 'custom', '--file', "$cell->{dir}/dump", $server->connstr('postgres') ], 'pg_dump');
$_->{server}->command_ok([ 'pg_restore', '--exit-on-error', '--dbname', $_->{server}->connstr($_->{db}), "$cell->{dir}/dump" ], 'pg_restore')
    for elsewhere($server, 'restored'), elsewhere($other->{server}, 'postgres');
my $row = 'SELECT c::text FROM pocket_data.cell c';
my @writes = ((map { [ $_, "SELECT * FROM pocket.$_" ] } "put('app:/new', @{[ $body->('new') ]})", "append('app:/one', @{[ $body->('more') ]})", "put_many(ARRAY['app:/new'], ARRAY[@{[ $body->('new') ]}])",
        "upload('app', pocket.chunk(@{[ $body->('new') ]}))", "commit('app:/brought', pocket.chunk(@{[ $body->('brought') ]}), ARRAY['$receipt'])", "add_node('@{[ $cell->url ]}')", 'coordinate()', "coordinate('check')",
        "coordinate('open')", 'seal()', 'encode()', 'repair()', 'scrub()'));

for my $copy (elsewhere($server, 'restored'), elsewhere($server, 'template'), elsewhere($other->{server}, 'postgres'))
{
    my $name = $copy->{server}->name . '/' . $copy->{db};
    my $before = drives();
    my $cell_row = $copy->sql($row);
    is($copy->sql($row), $cell->sql($row), "$name has the cell's row");
    is($copy->sql("SELECT pocket.get('app:/one') = @{[ $body->('one') ]}"), 't', "$name reads blocks");
    is($copy->sql($identity), 'copy', 'and knows that it is a copy');
    like($copy->sql("SELECT detail FROM pocket.health WHERE item = 'identity'"), qr/pocket\.adopt\(\)/, 'and says the way out');
    is($copy->sql("SELECT value FROM pocket.health WHERE item = 'status'"), 'failed', 'which is no good health');
    is($copy->sql('SELECT count(*) FROM pocket.verify()'), '0', 'nothing is wrong with it');
    $copy->fails($_->[1], '55000', qr/this database is a copy.*HINT:.*pocket\.adopt\(\)/s, "it refuses $_->[0]") for @writes;
    $copy->fails("SELECT pocket.put('app:/new', @{[ $body->('new') ]})", '55000', qr/this database is a copy/, 'a put is refused at once') for 1 .. 2;
    is($copy->sql("SELECT (pocket.put('app:/inline', 'x')).outcome, (pocket.cp('app:/one', 'app:/copied')).outcome, (pocket.mv('app:/folder', 'app:/moved')).outcome, (pocket.rm('app:/small')).outcome, (pocket.put('app:/again', @{[ $body->('one') ]})).outcome"),
        'created|copied|moved|deleted|created', 'what needs no new block is its own affair');
    is($copy->sql("SELECT pocket.get('app:/copied') = @{[ $body->('one') ]} AND pocket.get('app:/again') = @{[ $body->('one') ]}"), 't', 'and reads back');
    is($copy->sql($row), $cell_row, 'its row of the cell is as it was');
    is(drives(), $before, 'and so is every file on the drives');
}
$other->sql("SELECT pocket.alter_namespace('app', retention => '0'); SELECT pocket.put('app:/inline', 'y'); SELECT pocket.put('app:/inline', 'z')");
$other->{server}->poll_query_until('postgres', "SELECT count(*) < 3 FROM pocket.history('app:/inline')") or die 'the worker retains nothing';
is($other->sql('SELECT starts, superseded_at FROM pocket_data.cell'), $cell->sql('SELECT starts, superseded_at FROM pocket_data.cell'), "a copy's worker drops old revisions and counts no start");
unlike(slurp_file($other->{server}->logfile), qr/WARNING:/, 'and complains of nothing');
is($cell->sql("SELECT outcome FROM pocket.put('app:/two', @{[ $body->('two') ]})"), 'created', 'the original goes on undisturbed');
is($cell->sql('SELECT count(*) FROM pocket.verify()'), '0', 'nothing is wrong there');
is($cell->sql("SELECT outcome FROM pocket.commit('app:/brought', pocket.chunk(@{[ $body->('brought') ]}), ARRAY['$receipt'])"), 'created', 'the receipt is good there');

# --- adoption ---

my $new = elsewhere($server, 'restored');
my $put = "SELECT outcome FROM pocket.put('app:/' || clock_timestamp(), convert_to(repeat(clock_timestamp()::text, 5000), 'UTF8'))";
my $incarnation = $cell->sql('SELECT incarnation FROM pocket_data.cell');
$cell->sql('CREATE ROLE someone; GRANT USAGE ON SCHEMA pocket TO someone');
$new->sql('GRANT EXECUTE ON FUNCTION pocket.adopt() TO someone');
$new->fails('SET ROLE someone; SELECT pocket.adopt()', '42501', qr/superuser/, 'only a superuser adopts');
is($new->sql('BEGIN; SELECT pocket.adopt() > 0; ROLLBACK'), 't', 'an adoption that is rolled back');
is($cell->sql($put), 'created', 'takes nothing from the owner');
is($cell->sql('SELECT pocket.adopt()'), $incarnation, 'whose own adoption changes nothing');
$cell->kill_sidecar('TERM', 'two');
cmp_ok($new->sql('SELECT pocket.adopt()'), '>', $incarnation, 'an adoption, one node being away');
is($new->sql($put), 'created', 'it writes, without a pass in between');
is($new->sql("SELECT pocket.get('app:/one') = @{[ $body->('one') ]}"), 't', 'and reads what was there');
is($new->sql($identity), 'owner', 'it is the owner');
$new->sql('SELECT pocket.seal()');
is($new->sql("SELECT max(b.bucket_id) >> 32 = max(c.incarnation) FROM pocket_data.bucket b, pocket_data.cell c WHERE b.state = 'open'"), 't', 'the buckets that it opens carry its incarnation');
is($new->sql("SELECT op FROM pocket.changes('$cursor') LIMIT 1"), 'reset', 'a cursor from before is of another history');
like($cell->sql("SELECT string_agg(op, ',') FROM pocket.changes('$cursor')"), qr/^created,/, 'not for the former owner');
$cell->start_sidecar('two');
my $rest = drives();
$cell->fails($put, '55000', qr/does not own its cell any more.*HINT:.*pocket\.adopt\(\)/s, 'the former owner is refused') for 1 .. 2;
is($cell->sql('SELECT superseded_at IS NULL FROM pocket_data.cell'), 't', 'which it has not written down');
my ($rc, $out, $err) = $server->psql('postgres', 'SELECT sum(done) FROM pocket.coordinate()');
like($err, qr/WARNING:  this database does not own its cell any more: node .* has adopted the cell/, 'until a pass has looked');
is("$rc $out", '0 0', 'and done nothing else');
$cell->fails('SELECT pocket.seal()', '55000', qr/does not own its cell any more/, 'no duty runs there');
$cell->sql('UPDATE pocket_data.cell SET starts = starts + 1000000');
$cell->fails($put, '55000', qr/does not own its cell any more/, 'however often it starts');
is($cell->sql($identity), 'superseded', 'its health says so');
is($cell->sql("SELECT pocket.get('app:/one') = @{[ $body->('one') ]} AND pocket.get('app:/two') = @{[ $body->('two') ]}"), 't', 'it reads on');
is(drives(), $rest, 'and has changed no file on the drives');
is($new->sql("SELECT node_id FROM pocket_data.node WHERE state = 'down'"), '2', 'a node that was away');
$new->coordinate;
is($new->sql("SELECT count(*) FROM pocket_data.node WHERE state = 'down'"), '0', 'has heard of it since');
$cell->fails($put, '55000', qr/does not own its cell any more/, 'the former owner is refused still') for 1 .. 2;
is($new->sql('SELECT count(*) FROM pocket.verify()'), '0', 'nothing is wrong');

# Back again; what the other one has placed is not placed again.
my $last = $new->sql('SELECT max(bucket_id) FROM pocket_data.bucket');
cmp_ok($cell->sql('SELECT pocket.adopt()'), '>', $new->sql('SELECT incarnation FROM pocket_data.cell'), 'the former owner adopts its cell again');
is($cell->sql($put), 'created', 'writes');
$cell->sql('SELECT pocket.seal()');
cmp_ok($cell->sql('SELECT max(bucket_id) FROM pocket_data.bucket'), '>', $last, 'with higher ids than anybody before');
$new->fails($put, '55000', qr/does not own its cell any more/, 'and the other one does not');
$cell->coordinate;

# --- a history that was rewound ---

$server->backup('base');
$cell->sql("SELECT pocket.put('app:/kept', @{[ $body->('kept') ]})");
my $target = $cell->sql('SELECT pg_create_restore_point($$here$$)');
$cell->sql('SELECT pocket.seal()');
$cell->sql("SELECT pocket.put('app:/undone', @{[ $body->('undone') ]})");
my $highest = $cell->sql('SELECT max(bucket_id) FROM pocket_data.bucket');
$server->safe_psql('postgres', 'SELECT pg_switch_wal()');
my $node = PostgreSQL::Test::Cluster->new('rewound');
$node->init_from_backup($server, 'base', has_restoring => 1, standby => 0);
$node->append_conf('postgresql.conf', "recovery_target_name = 'here'\nrecovery_target_action = 'promote'\narchive_mode = off\n");
$node->start;
$node->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'not recovered';
my $rewound = elsewhere($node, 'postgres');
is($rewound->sql($identity), 'owner', 'a database that was recovered to a point in time is no copy');
is($rewound->sql($put), 'created', 'and writes on its new timeline without an adoption');
is($rewound->sql("SELECT pocket.get('app:/kept') = @{[ $body->('kept') ]}"), 't', 'it reads what was there then');
$rewound->sql("SET pocket.open_buckets = 30; SELECT * FROM pocket.coordinate('open')");
is($rewound->sql("SELECT count(*) > 0, min(bucket_id) > $highest + 60000 FROM pocket_data.bucket WHERE opened_at > pg_postmaster_start_time()"), 't|t', 'no id that the future it lost has given is given again');
$cell->fails($put, '55000', qr/does not own its cell any more/, 'the one that it was rewound from, alive or not, is refused');
is($cell->sql("SELECT pocket.get('app:/undone') = @{[ $body->('undone') ]}"), 't', 'and reads');
$rewound->coordinate;
is($rewound->sql('SELECT object, problem FROM pocket.verify()'), '', 'nothing is wrong');

# Rewound behind what nodes have seen, on one timeline: as files that were copied back.
$rewound->sql('UPDATE pocket_data.cell SET starts = starts + 3');
$rewound->coordinate;
$rewound->sql('UPDATE pocket_data.cell SET starts = starts - 1');
$rewound->fails($put, '55000', qr/does not own its cell any more/, 'a lower epoch is refused');
$rewound->sql("SELECT * FROM pocket.coordinate('check')");
$rewound->sql('UPDATE pocket_data.cell SET starts = starts + 1');
$rewound->fails($put, '55000', qr/does not own its cell any more/, 'also when it has caught up');
$rewound->sql('SELECT pocket.adopt()');
is($rewound->sql($put), 'created', 'until it is adopted');

$node->stop;
$cell->kill_sidecar('TERM', $_) for qw(one two);
command_ok([ $PocketTest::POCKETD, 'check', map { ('--drive', $_) } $cell->drives, $cell->drives('two') ], 'every extent is whole');
done_testing();
