#!/usr/bin/env perl
# Runs programs that print TAP, with a time limit each, and ends with the line "N passed, N failed".
#
#   run.pl [--timeout SECONDS] [--jobs N] PROGRAM ...      a .pl file runs under perl; the rest is executed
use strict;
use warnings;
use Time::HiRes qw(time);
use TAP::Parser;

my ($timeout, $jobs) = (600, 1);
while (@ARGV > 1 && $ARGV[0] =~ /^--(timeout|jobs)$/) { shift; ($1 eq 'jobs' ? $jobs : $timeout) = shift; }
$| = 1;

# PostgreSQL::Test keeps standard error in a file of its own.
sub last_words
{
    my ($program) = @_;
    my ($name) = $program =~ m{([^/]+)\.pl$} or return ();
    open my $in, '<', ($ENV{TESTDIR} // '.') . "/tmp_check/log/regress_log_$name" or return ();
    my @lines = <$in>;
    chomp @lines;
    return map { substr $_, 0, 400 } @lines > 12 ? @lines[ -12 .. -1 ] : @lines;
}

# Returns what is to be printed; its first line is the three counts.
sub run_program
{
    my ($program) = @_;
    my $began = time;
    my @command = ($program =~ /\.pl$/) ? ('perl', '-Iregress/t', $program) : ($program);
    (my $name = $program) =~ s{^\.build/}{};
    my ($ok, $bad, $skip, @complaints, @told) = (0, 0, 0);
    my $parser = TAP::Parser->new({ exec => [ 'timeout', '-k', '10', $timeout, @command ], merge => 1 });
    while (my $result = $parser->next)
    {
        if ($result->is_test)
        {
            if    ($result->has_skip) { $skip++; }
            elsif ($result->is_ok)    { $ok++; }
            else                      { $bad++; push @complaints, $result->as_string; }
        }
        elsif ($result->is_comment && $result->comment =~ /^told: (.*)/) { push @told, $1; }
        elsif (!$result->is_plan) { push @complaints, $result->as_string if length $result->as_string; }
    }
    return "0 0 1\n" . sprintf "skipped %-60s %s\n", $name, $parser->skip_all if $parser->skip_all && !$parser->has_problems;
    # A program that broke off, or that planned more than it ran, has failed whatever it printed.
    return join '', "$ok $bad $skip\n", sprintf("ok      %-60s %4d tests %6.1f s\n", $name, $ok + $skip, time - $began),
      map { "        $_\n" } @told
      if !$parser->has_problems && !$bad && $ok + $skip > 0;
    $bad ||= 1;
    my $first = @complaints > 120 ? @complaints - 120 : 0;
    return join '', "$ok $bad $skip\n",
      sprintf("FAILED  %-60s %4d of %d failed, exit status %s, %.1f s\n", $name, $bad, $ok + $bad + $skip, $parser->exit // '?', time - $began),
      map { "        $_\n" } @told, @complaints[ $first .. $#complaints ], $parser->parse_errors, last_words($program);
}

# Each program has a process of its own that looks after it, so that several run at once.
my @waiting = @ARGV;
my ($passed, $failed, $skipped) = (0, 0, 0);
my %running;
while (@waiting || %running)
{
    while (@waiting && keys %running < $jobs)
    {
        my $program = shift @waiting;
        my $pid = open(my $from, '-|') // die "fork: $!\n";
        if (!$pid) { print run_program($program); exit 0; }
        $running{ fileno $from } = { from => $from, text => '' };
    }
    my $ready = '';
    vec($ready, $_, 1) = 1 for keys %running;
    next if select($ready, undef, undef, undef) < 1;
    for my $fd (grep { vec $ready, $_, 1 } keys %running)
    {
        my $run = $running{$fd};
        next if sysread $run->{from}, $run->{text}, 65536, length $run->{text};
        delete $running{$fd};
        close $run->{from};
        my ($ok, $bad, $skip, $report) = $run->{text} =~ /\A(\d+) (\d+) (\d+)\n(.*)\z/s;
        ($ok, $bad, $skip, $report) = (0, 1, 0, "FAILED  a program's keeper ended without a word\n") unless defined $report;
        print $report;
        $passed += $ok; $failed += $bad; $skipped += $skip;
    }
}
print "$passed passed, $failed failed" . ($skipped ? ", $skipped skipped" : '') . "\n";
exit($failed ? 1 : 0);
