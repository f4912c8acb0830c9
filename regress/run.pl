#!/usr/bin/env perl
# Runs programs that print TAP, with a time limit each, and ends with the line "N passed, N failed".
#
#   run.pl [--timeout SECONDS] PROGRAM ...      a .pl file runs under perl; the rest is executed
use strict;
use warnings;
use Time::HiRes qw(time);
use TAP::Parser;

my $timeout = 600;
if (@ARGV && $ARGV[0] eq '--timeout') { shift; $timeout = shift; }

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

my ($passed, $failed, $skipped) = (0, 0, 0);
for my $program (@ARGV)
{
    my $began = time;
    my @command = ($program =~ /\.pl$/) ? ('perl', '-Iregress/t', $program) : ($program);
    (my $name = $program) =~ s{^\.build/}{};
    my ($ok, $bad, $skip, @complaints) = (0, 0, 0);
    my $parser = TAP::Parser->new({ exec => [ 'timeout', '-k', '10', $timeout, @command ], merge => 1 });
    while (my $result = $parser->next)
    {
        if ($result->is_test)
        {
            if    ($result->has_skip) { $skip++; }
            elsif ($result->is_ok)    { $ok++; }
            else                      { $bad++; push @complaints, $result->as_string; }
        }
        elsif (!$result->is_plan) { push @complaints, $result->as_string if length $result->as_string; }
    }
    # A program that broke off, or that planned more than it ran, has failed whatever it printed.
    if (!$parser->has_problems && !$bad && $ok + $skip > 0) { printf "ok      %-60s %4d tests %6.1f s\n", $name, $ok + $skip, time - $began; }
    else
    {
        $bad ||= 1;
        printf "FAILED  %-60s %4d of %d failed, exit status %s, %.1f s\n", $name, $bad, $ok + $bad + $skip, $parser->exit // '?', time - $began;
        my $first = @complaints > 120 ? @complaints - 120 : 0;
        print "        $_\n" for @complaints[ $first .. $#complaints ], $parser->parse_errors, last_words($program);
    }
    $passed += $ok; $failed += $bad; $skipped += $skip;
    $| = 1;
}
print "$passed passed, $failed failed" . ($skipped ? ", $skipped skipped" : '') . "\n";
exit($failed ? 1 : 0);
