# Load whose outcome is known: writers that put and remove files by transactions, and write down outside of the servers what they tried and
# what was acknowledged. Whatever was killed, cut off or stopped meanwhile, in the end each path holds its last acknowledged content, or
# one that was tried after it and of which nobody knows.
#
#   my $load = PocketLoad->new($cell, seed => 7);
#   $load->start(3); ...; my $acknowledged = $load->stop;
#   $load->reckon('by kills');      tests: everything is there, and nothing else, and nothing is wrong
package PocketLoad;

use strict;
use warnings;
use Digest::SHA qw(sha256_hex sha512);
use IO::Handle;
use IPC::Open2;
use POSIX ();
use PocketTest;
use Test::More;
use Time::HiRes qw(sleep);

our @writers;    # that run: they end with us

# --- bytes that both sides can make ---
sub content
{
    my ($name, $size) = @_;
    my $text = '';
    for (my $i = 1; length $text < $size; $i++) { $text .= sha512("$name/$i"); }
    return substr $text, 0, $size;
}
our $generate = <<'SQL';
CREATE FUNCTION content(name text, size int) RETURNS bytea LANGUAGE sql IMMUTABLE AS
$$ SELECT substr(coalesce(string_agg(sha512(convert_to(name || '/' || i, 'UTF8')), ''::bytea ORDER BY i), ''), 1, size) FROM generate_series(1, (size + 63) / 64) i $$
SQL

# --- the log of a writer: "N try PATH NAME SIZE" or "N try PATH -" for a removal, then "N ok" or "N no"; no answer: nobody knows ---
sub size_for_test
{
    my $r = rand;
    return $r < 0.15 ? int rand 2100 : $r < 0.7 ? 3000 + int rand 60_000 : $r < 0.97 ? int rand 300_000 : 1_000_000 + int rand 1_000_000;
}

# A transaction of one to four changes; each path at most once.
sub make_transaction
{
    my ($self, $writer, $n) = @_;
    my (@changes, %used);
    for my $i (1 .. (rand() < 0.6 ? 1 : 2 + int rand 3))
    {
        my $path = 'docs:/w' . $writer . '/' . int rand $self->{paths};
        next if $used{$path}++;
        push @changes, rand() < 0.12 ? [ $path, undef, 0 ] : [ $path, "$writer-$n-$i", size_for_test() ];
    }
    return @changes;
}

sub statement
{
    my ($change) = @_;
    my ($path, $name, $size) = @$change;
    return "SELECT 'put', count(*) FROM pocket.put('$path', content('$name', $size));" if defined $name;
    return "SELECT 'rm', count(pocket.rm(path)) FROM pocket.ls(substr('$path', 1, 8)) WHERE path = '$path';";
}

# Writes until it is told to end. Sessions die under its hands.
sub writer
{
    my ($self, $writer) = @_;
    my $cell = $self->{cell};
    my $connection = $cell->{server}->connstr('postgres');
    srand($self->{seed} * 31 + $writer);
    open my $log, '>>', "$cell->{dir}/acknowledged.$writer" or POSIX::_exit(1);
    $log->autoflush(1);
    $SIG{PIPE} = 'IGNORE';
    open STDOUT, '>>', "$cell->{dir}/writer.$writer.log" or POSIX::_exit(1);
    open STDERR, '>&', \*STDOUT or POSIX::_exit(1);
    my ($n, $parent) = (0, getppid);
    my $enough = sub { return -e "$cell->{dir}/enough" || getppid != $parent };
    until ($enough->())
    {
        my $psql = open2(my $from, my $to, 'psql', '-XAt', '-d', $connection);
        $to->autoflush(1);
        until ($enough->())
        {
            my @changes = $self->make_transaction($writer, ++$n);
            print {$log} join(' ', $n, 'try', map { (defined $_ ? $_ : '-') } @$_), "\n" for @changes;
            my $one = @changes == 1;
            my $ends = $one || rand() < 0.9 ? 'COMMIT' : 'ROLLBACK';
            print {$to} ($one ? '' : "BEGIN;\n\\echo begun :SQLSTATE\n"), map({ statement($_) . "\n\\echo did :SQLSTATE\n" } @changes),
                ($one ? '' : "$ends;\n"), "\\echo end :SQLSTATE\n";
            # Done is what the server says is done: psql may skip a statement when its session has ended, and tell the SQLSTATE before it.
            my ($bad, $done, $committed, $ended) = (0, 0, $one, 0);
            while (defined(my $line = <$from>))
            {
                $bad = 1 if $line =~ /^(?:did|begun|end) (\S+)/ && $1 ne '00000';
                $done++ if $line =~ /^(?:put|rm)\|\d/;
                $committed = 1 if $line eq "COMMIT\n";
                if ($line =~ /^end /) { $ended = 1; last; }
            }
            $bad = 1 if $ends eq 'ROLLBACK';
            last unless $ended && ($bad || ($committed && $done == @changes));    # the session has died: nobody knows
            print {$log} "$n ", ($bad ? 'no' : 'ok'), "\n";
            sleep 0.05 if $bad;
        }
        close $to;
        close $from;
        waitpid $psql, 0;
        sleep 0.03;
    }
    POSIX::_exit(0);
}

# --- what may be at each path in the end: [name, size], or [undef] for nothing ---
sub read_log
{
    my ($file, $may, $history) = @_;
    my (%tried, $acknowledged);
    open my $in, '<', $file or die "$file: $!";
    while (my $line = <$in>)
    {
        my ($n, $what, $path, $name, $size) = split ' ', $line;
        if ($what eq 'try')
        {
            push @{ $history->{$path} }, [ $n, $name, $size ];
            push @{ $tried{$n} }, [ $path, $name eq '-' ? undef : $name, $size ];
            push @{ $may->{$path} //= [ [undef] ] }, [ $name eq '-' ? undef : $name, $size, $n ];
            next;
        }
        for my $change (@{ $tried{$n} })
        {
            my ($done, $was) = ($change->[0], $may->{ $change->[0] });
            push @{ $_ }, $what for grep { $_->[0] == $n } @{ $history->{$done} };
            $may->{$done} = $what eq 'ok' ? [ [ @$change[ 1, 2 ] ] ] : [ grep { !defined $_->[2] || $_->[2] != $n } @$was ];
            $acknowledged++ if $what eq 'ok';
        }
    }
    return $acknowledged // 0;
}

# A namespace of its own, with a folder for each writer. The cell's server makes the same bytes as we do.
sub new
{
    my ($class, $cell, %options) = @_;
    my $self = bless { cell => $cell, seed => $options{seed}, paths => $options{paths} // 60 }, $class;
    $cell->sql("$generate; SELECT pocket.create_namespace('docs')");
    is($cell->sql("SELECT encode(sha256(content('x-1', 1000)), 'hex')"), sha256_hex(content('x-1', 1000)), 'both sides make the same bytes');
    return $self;
}

sub start
{
    my ($self, $count) = @_;
    $self->{count} = $count;
    $self->{cell}->sql("SELECT pocket.mkdir('docs:/w$_')") for 1 .. $count;
    for my $writer (1 .. $count)
    {
        my $pid = fork // die "fork: $!";
        $self->writer($writer) if !$pid;
        push @writers, $pid;
    }
    return;
}

# How many changes were acknowledged.
sub stop
{
    my ($self) = @_;
    open my $enough, '>', "$self->{cell}{dir}/enough" or die "enough: $!";
    close $enough;
    waitpid $_, 0 for splice @writers;
    my %may;
    my $acknowledged = 0;
    $acknowledged += read_log("$self->{cell}{dir}/acknowledged.$_", \%may, $self->{history} = $self->{history} // {}) for 1 .. $self->{count};
    $self->{may} = \%may;
    return $acknowledged;
}

# When everything is up again.
sub reckon
{
    my ($self, $what) = @_;
    my ($cell, %may) = ($self->{cell}, %{ $self->{may} });
    $what = "$what (seed $self->{seed})";
    ok($cell->coordinate(80), "the duties come to an end $what") or diag($cell->sql('SELECT * FROM pocket.coordinate()') . "\n" . $cell->sql('SELECT * FROM pocket_data.intent'));
    $cell->sql('SELECT pocket.scrub()');
    $cell->sql('SELECT pocket.repair()');
    ok($cell->coordinate(80), "what was damaged is repaired $what") or diag($cell->sql('SELECT * FROM pocket.coordinate()') . "\n" . $cell->sql('SELECT * FROM pocket_data.intent'));
    cmp_ok($cell->sql("SELECT count(*) FROM pocket.volumes WHERE state = 'coded'"), '>', 0, 'some of it was coded');
    my %is = map { split /\|/ } split /\n/, $cell->sql("SELECT path, encode(sha256(pocket.get(path)), 'hex') FROM pocket.ls('docs:/', true) WHERE kind = 'file'");
    my @wrong;
    for my $path (sort keys %may)
    {
        my $got = delete $is{$path};
        next if grep { defined $_->[0] ? defined $got && $got eq sha256_hex(content(@$_[ 0, 1 ])) : !defined $got } @{ $may{$path} };
        diag("$path: " . join ', ', map { join(' ', @$_) . (defined $got && $_->[1] ne '-' && sha256_hex(content(@$_[ 1, 2 ])) eq $got ? ' WHICH IT IS' : '') } @{ $self->{history}{$path} });
        diag($cell->sql("SELECT * FROM pocket.history('$path')")) if defined $got;
        push @wrong, "$path is " . ($got // 'not there') . ', and may be ' . join ' or ', map { defined $_->[0] ? "$_->[0] of $_->[1] bytes" : 'not there' } @{ $may{$path} };
    }
    is(join("\n", @wrong), '', "what was acknowledged is there $what");
    is(join(' ', sort keys %is), '', "and nothing else $what");
    is($cell->sql("SELECT string_agg(v::text, E'\\n') FROM pocket.verify() v"), '', "verify() has nothing to say $what");
    return;
}

END
{
    my $status = $?;
    kill 'KILL', @writers;
    $? = $status;
}

1;
