# Every function without each of the rights that it needs: the SQLSTATE, and nothing done; with them, it works.  By a role, by a team, and for a principal.
use strict;
use warnings;
use PocketTest;
use Test::More;

my $cell   = PocketTest->new('rights', drives => 1);
my $server = $cell->{server};
$cell->sql("CREATE ROLE ann LOGIN; CREATE ROLE ben LOGIN; CREATE ROLE pocket_app; CREATE ROLE web LOGIN IN ROLE pocket_app");
$cell->sql("SELECT pocket.create_principal('kim'), pocket.create_principal('eng', 'group'), pocket.create_principal('inner', 'group')");
$cell->sql("SELECT pocket.add_member('eng', 'inner'), pocket.add_member('inner', 'ben'), pocket.add_member('inner', 'kim')");

# What a role gets by the last statement: the SQLSTATE.
sub state_as
{
    my ($setup, $sql) = @_;
    my ($role, $principal) = @$setup;
    my ($out, $err) = ('', '');
    my $speak = $principal ? "SET pocket.principal = '$principal';\n" : '';
    my $rc = $server->psql('postgres', "\\set VERBOSITY verbose\n${speak}$sql", stdout => \$out, stderr => \$err, extra_params => [ '-U', $role ]);
    return ('00000', $out) unless $rc;
    my ($state) = $err =~ /ERROR:\s+([0-9A-Z]{5}):/;
    return ($state // '?', $err);
}

my $acl_of = sub { my ($rights) = @_; return $rights eq '' ? 'NULL' : "'{group:eng=$rights}'"; };

# Gives the team exactly these rights on a folder, or on what is in it.
sub grant_exactly
{
    my ($rights) = @_;
    $cell->sql("UPDATE pocket_data.entry SET acl = " . $acl_of->($rights) . " WHERE ns_id = (SELECT ns_id FROM pocket_data.namespace WHERE name = 'ann') AND file_id = 1");
    return;
}

# function, the rights that it needs on the tree (without r 42704, without another one 42501), statement
my @calls = (
    [ 'get',            'r',   "SELECT pocket.get('ann:/dir/file')" ],
    [ 'get rev',        'r',   "SELECT pocket.get('ann:/dir/file', rev => 3)" ],
    [ 'stat',           'r',   "SELECT pocket.stat('ann:/dir/file')" ],
    [ 'stat at',        'r',   "SELECT pocket.stat('ann:/dir/file', now())" ],
    [ 'ls',             'r',   "SELECT pocket.ls('ann:/dir')" ],
    [ 'ls recursive',   'r',   "SELECT pocket.ls('ann:/', true)" ],
    [ 'ls at',          'r',   "SELECT pocket.ls('ann:/dir', at => now())" ],
    [ 'history',        'r',   "SELECT pocket.history('ann:/dir/file')" ],
    [ 'mkdir (there)',  'r',   "SELECT pocket.mkdir('ann:/dir')" ],
    [ 'first_cursor',   'r',   "SELECT pocket.first_cursor('ann')" ],
    [ 'latest_cursor',  'r',   "SELECT pocket.latest_cursor('ann')" ],
    [ 'changes',        'r',   "SELECT pocket.changes(:'cursor')" ],
    [ 'wait',           'r',   "CALL pocket.wait(:'cursor', '0')" ],
    [ 'cp from',        'r',   "SELECT pocket.cp('ann:/dir', 'mine:/copy')" ],
    [ 'put',            'rw',  "SELECT pocket.put('ann:/dir/file', 'new')" ],
    [ 'put large',      'rw',  "SELECT pocket.put('ann:/dir/file', decode(repeat('5a', 9000), 'hex'))" ],
    [ 'put new',        'rw',  "SELECT pocket.put('ann:/dir/new', 'new')" ],
    [ 'put new folder', 'rw',  "SELECT pocket.put('ann:/more/new', 'new')" ],
    [ 'put beside',     'rw',  "SELECT pocket.put('ann:/dir/file', 'other', mode => 'add')" ],
    [ 'put_many',       'rw',  "SELECT pocket.put_many(ARRAY['mine:/x', 'ann:/dir/file'], ARRAY['1', '2']::bytea[])" ],
    [ 'append',         'rw',  "SELECT pocket.append('ann:/dir/file', '+')" ],
    [ 'append new',     'rw',  "SELECT pocket.append('ann:/dir/new', '+')" ],
    [ 'append large',   'rw',  "SELECT pocket.append('ann:/dir/file', decode(repeat('5a', 9000), 'hex'))" ],
    [ 'mkdir',          'rw',  "SELECT pocket.mkdir('ann:/dir/sub2')" ],
    [ 'symlink',        'rw',  "SELECT pocket.symlink('ann:/dir/link', 'x')" ],
    [ 'symlink there',  'rw',  "SELECT pocket.symlink('ann:/dir/file', 'x')" ],
    [ 'set_attributes', 'rw',  "SELECT pocket.set_attributes('ann:/dir/file', '{}')" ],
    [ 'restore',        'rw',  "SELECT pocket.restore('ann:/dir/file', 3)" ],
    [ 'restore gone',   'rw',  "SELECT pocket.restore('ann:/dir/gone', 6)" ],
    [ 'cp to',          'rw',  "SELECT pocket.cp('mine:/', 'ann:/dir/mine')" ],
    [ 'cp within',      'rw',  "SELECT pocket.cp('ann:/dir/file', 'ann:/dir/file2')" ],
    [ 'lock',           'rw',  "SELECT pocket.lock('{mine,ann}')" ],
    [ 'rm',             'rd',  "SELECT pocket.rm('ann:/dir/file')" ],
    [ 'rm recursive',   'rd',  "SELECT pocket.rm('ann:/dir', true)" ],
    [ 'mv',             'rwd', "SELECT pocket.mv('ann:/dir/file', 'ann:/dir/file2')" ],
    [ 'mv away',        'rd',  "SELECT pocket.mv('ann:/dir', 'mine:/dir')" ],
    [ 'mv to',          'rw',  "SELECT pocket.mv('mine:/m', 'ann:/dir/m')" ],
    [ 'rewind',         'rwd', "SELECT pocket.rewind('ann:/dir', :'moment')" ],
    [ 'share',          'rwds', "SELECT pocket.share('ann:/dir', 'kim', 'owner')" ],
    [ 'unshare',        'rs',  "SELECT pocket.unshare('ann:/dir', 'kim')" ],
    [ 'set_inheritance', 'rs', "SELECT pocket.set_inheritance('ann:/dir', false)" ],
    [ 'may of another', 'rs',  "SELECT pocket.may('ann:/dir', 'r', 'web')" ],
);
my @callers = ([ 'ben', undef ], [ 'web', 'kim' ]);

$cell->sql("SET ROLE ann; SELECT pocket.create_namespace('ann'); SELECT pocket.put('ann:/dir/file', 'content'); SELECT pocket.put('ann:/dir/file', 'changed'); SELECT pocket.put('ann:/dir/sub/deep', 'deep'); SELECT pocket.put('ann:/dir/gone', 'gone'); SELECT pocket.rm('ann:/dir/gone')");
my ($gone) = $cell->sql("SELECT max(rev) FROM pocket.history('ann:/dir/gone') WHERE outcome = 'created'");
my $moment = $cell->sql("SELECT at FROM pocket.stat('ann:/dir/file')");
my $cursor = $cell->sql("SELECT pocket.first_cursor('ann')");
my $before = $cell->sql("SELECT jid FROM pocket_data.namespace_head WHERE ns_id = (SELECT ns_id FROM pocket_data.namespace WHERE name = 'ann')");

for my $caller (@callers)
{
    my ($role, $principal) = @$caller;
    my $who = $principal // $role;
    my $speak = $principal ? "SET pocket.principal = '$principal';" : '';
    $cell->sql("SET ROLE $role; $speak SELECT pocket.create_namespace('mine'); SELECT pocket.put('mine:/m', 'mine')");
    for my $call (@calls)
    {
        my ($name, $needs, $sql) = @$call;
        $sql =~ s/:'cursor'/'$cursor'/;
        $sql =~ s/:'moment'/'$moment'/;
        $sql =~ s/gone', 6/gone', $gone/;
        my $unseen = $name =~ /^may/ ? '00000' : '42704';    # may() says no
        my $in = $sql =~ /^CALL/ ? $sql : "BEGIN; $sql; ROLLBACK";
        for my $lacks (split //, $needs)
        {
            (my $rest = 'rwds') =~ s/$lacks//;
            grant_exactly($rest);
            my ($state, $err) = state_as($caller, $in);
            is($state, $lacks ne 'r' ? '42501' : $unseen, "$who: $name without $lacks") or diag($err);
        }
        grant_exactly($needs);
        my ($state, $err) = state_as($caller, $in);
        is($state, '00000', "$who: $name with $needs") or diag($err);
        grant_exactly('');
        ($state, $err) = state_as($caller, $in);
        is($state, $unseen, "$who: $name without any") or diag($err);
    }
    # of the namespace itself, with all rights on its root
    grant_exactly('rwds');
    for my $sql ("SELECT pocket.alter_namespace('ann', quota => 1)", "SELECT pocket.drop_namespace('ann')")
    {
        is((state_as($caller, "BEGIN; $sql; ROLLBACK"))[0], '42501', "$who: $sql is the owner's");
    }
    grant_exactly('');
    is((state_as($caller, "BEGIN; $_; ROLLBACK"))[0], '42704', "$who: $_ without any") for "SELECT pocket.alter_namespace('ann', quota => 1)", "SELECT pocket.drop_namespace('ann')";
    is((state_as($caller, "SELECT pocket.may('ann:/', 'r'), pocket.may('ann:/dir', 'r', 'ann')"))[1], 'f|f', "$who: may tells that there is nothing");
    $cell->sql("SET ROLE $role; $speak SELECT pocket.drop_namespace('mine')");
}
is($cell->sql("SELECT jid FROM pocket_data.namespace_head WHERE ns_id = (SELECT ns_id FROM pocket_data.namespace WHERE name = 'ann')"), $before, 'nothing has been done');
done_testing();
