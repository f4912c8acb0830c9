# A network between a cell and one of its nodes that does what networks do: it delays requests, loses them or their answers, sends them
# twice, sends them again long after they were answered (behind later ones), and is cut.
#
#   my $proxy = PocketProxy->new($cell, 'n1', seed => 7);    $proxy->url is what the cell calls the node
#   $proxy->set(lose => 0.1, unanswered => 0.1, delay => 0.2, twice => 0.2, late => 0.1);     chances for each request; cut => 1: nothing passes
#   $proxy->set(hold => 'rebuild');      orders of that name wait until another mode is set; each is counted as it comes
#   $proxy->set;      a good network
#   $proxy->counts    what it has done, by kind
package PocketProxy;

use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(sleep);

my $delay_max = 0.3;    # seconds
my $late_max  = 2;
our @running;

sub new
{
    my ($class, $cell, $node, %options) = @_;
    my $self = bless { to => $cell->address($node), mode => "$cell->{dir}/proxy.$node", log => "$cell->{dir}/proxy.$node.log", seed => $options{seed} // 1 }, $class;
    $self->{port} = PostgreSQL::Test::Cluster::get_free_port();
    $self->set;
    my $listener = IO::Socket::INET->new(Listen => 64, LocalAddr => '127.0.0.1', LocalPort => $self->{port}, ReuseAddr => 1) or die "port $self->{port}: $!";
    $self->{pid} = fork // die "fork: $!";
    if (!$self->{pid}) { $self->serve($listener); POSIX::_exit(0); }
    push @running, $self->{pid};
    return $self;
}

sub url { my ($self) = @_; return "http://127.0.0.1:$self->{port}"; }

# In one piece, so that nobody reads half of it.
sub set
{
    my ($self, %mode) = @_;
    open my $out, '>', "$self->{mode}.new" or die "$self->{mode}: $!";
    print {$out} join ' ', %mode;
    close $out or die "$self->{mode}: $!";
    rename "$self->{mode}.new", $self->{mode} or die "$self->{mode}: $!";
    return;
}

sub counts
{
    my ($self) = @_;
    my %counts;
    $counts{$_}++ for -e $self->{log} ? split /\n/, slurp_file($self->{log}) : ();
    return %counts;
}

sub stop
{
    my ($self) = @_;
    my $pid = delete $self->{pid} // return;
    kill 'TERM', -$pid;
    waitpid $pid, 0;
    @running = grep { $_ != $pid } @running;
    return;
}

# --- in the proxy's processes: one for each connection ---

sub serve
{
    my ($self, $listener) = @_;
    setpgrp 0, 0;
    $SIG{CHLD} = 'IGNORE';
    $SIG{PIPE} = 'IGNORE';
    $SIG{TERM} = 'DEFAULT';
    open STDIN, '<', '/dev/null';
    open STDOUT, '>', '/dev/null';
    open STDERR, '>>', "$self->{log}.err";
    my ($parent, $connections) = (getppid, 0);
    my $waiting = IO::Select->new($listener);
    while (getppid == $parent)
    {
        next unless $waiting->can_read(0.5);
        my $client = $listener->accept or next;
        $connections++;
        my $pid = fork // next;
        if (!$pid)
        {
            close $listener;
            srand($self->{seed} * 7919 + $connections);
            $self->{server} = getppid;
            $self->serve_client($client);
            POSIX::_exit(0);
        }
        close $client;
    }
    return;
}

sub note
{
    my ($self, $what) = @_;
    open my $log, '>>', $self->{log} or return;
    syswrite $log, "$what\n";
    return;
}

sub mode
{
    my ($self) = @_;
    open my $in, '<', $self->{mode} or return (cut => 1);
    my %mode = split ' ', <$in> // '';
    return %mode;
}

# Head and body of the next request; nothing at the end of the connection, or when the cell has ended.
sub read_request
{
    my ($self, $client, $rest) = @_;
    my $data = $$rest;
    my $waiting = IO::Select->new($client);
    my ($head_end, $body) = (-1, 0);
    while (1)
    {
        if ($head_end < 0 && ($head_end = index $data, "\r\n\r\n") >= 0)
        {
            $head_end += 4;
            $body = $1 if substr($data, 0, $head_end) =~ /^Content-Length:\s*(\d+)/mi;
        }
        last if $head_end >= 0 && length $data >= $head_end + $body;
        until ($waiting->can_read(0.5)) { return if getppid != $self->{server}; }
        return unless sysread $client, $data, 65536, length $data;
    }
    $$rest = substr $data, $head_end + $body;
    my $head = substr $data, 0, $head_end;
    $head =~ s/^Connection:[^\r]*\r\n//mi;
    $head =~ s/\r\n\r\n\z/\r\nConnection: close\r\n\r\n/;
    return $head . substr $data, $head_end, $body;
}

sub write_all
{
    my ($to, $data) = @_;
    for (my $done = 0; $done < length $data;)
    {
        my $n = syswrite $to, $data, 1 << 20, $done;
        return 0 unless $n;
        $done += $n;
    }
    return 1;
}

# Sends a request on a connection of its own; its answer goes to the client, if there is one. Whether all of it came and went.
sub forward
{
    my ($self, $request, $client) = @_;
    my $to = $self->{to} =~ /^unix:(.*)/ ? IO::Socket::UNIX->new(Peer => $1) : IO::Socket::INET->new(PeerAddr => $self->{to});
    return 0 unless $to && write_all($to, $request);
    my ($answer, $head_sent, $left) = ('', 0, undef);
    while (sysread $to, my $piece, 1 << 18)
    {
        next unless $client;
        $answer .= $piece;
        if (!$head_sent)
        {
            my $end = index $answer, "\r\n\r\n";
            next if $end < 0;
            my $head = substr $answer, 0, $end + 4, '';
            $left = $1 if $head =~ /^Content-Length:\s*(\d+)/mi;
            $head =~ s/^Connection:[^\r]*\r\n//mi;
            $left = 0 if $request =~ /^HEAD /;
            return 0 unless write_all($client, $head);
            $head_sent = 1;
        }
        $left -= length $answer if defined $left;
        return 0 unless write_all($client, $answer);
        $answer = '';
    }
    return $head_sent && defined $left && $left == 0;
}

sub serve_client
{
    my ($self, $client) = @_;
    my $rest = '';
    while (defined(my $request = $self->read_request($client, \$rest)))
    {
        my %mode = $self->mode;
        my $happens = sub { my ($what) = @_; return 0 unless rand() < ($mode{$what} // 0); $self->note($what); return 1; };
        if ($happens->('cut'))
        {
            # as when packets go nowhere: whoever asks finds out by himself
            for (1 .. 100) { sleep 0.1; %mode = $self->mode; last if !$mode{cut} || getppid != $self->{server}; }
            return;
        }
        if ($mode{hold} && $request =~ m{^POST /order/\Q$mode{hold}\E })
        {
            $self->note('held');
            while ($mode{hold}) { sleep 0.05; %mode = $self->mode; return if getppid != $self->{server}; }
        }
        return if $happens->('lose');
        sleep rand $delay_max if $happens->('delay');
        if ($happens->('late') && !(my $pid = fork // 1))
        {
            close $client;
            sleep 0.1 + rand $late_max;
            %mode = $self->mode;
            $self->forward($request, undef) unless $mode{cut};
            POSIX::_exit(0);
        }
        $self->forward($request, undef) if $happens->('twice');
        if ($happens->('unanswered')) { $self->forward($request, undef); return; }
        $self->note('passed');
        return unless $self->forward($request, $client);
    }
    return;
}

END
{
    my $status = $?;
    for my $pid (@running) { kill 'KILL', -$pid; waitpid $pid, 0; }
    $? = $status;
}

1;
