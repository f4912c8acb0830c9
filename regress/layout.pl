#!/usr/bin/env perl
# The house as a test: which room may use which, that each header compiles alone, that no banned function is called, and
# that files and functions keep their size. Run from the top; prints TAP.
use strict;
use warnings;
use Test::More;

my $file_lines_max     = 900;
my $function_lines_max = 70;

# Each room may use itself and those before it; rooms in one inner list are blind to each other.
my @extension_order =
    (['contract'], ['base'], ['types'], ['placement'], ['journal'], ['access'], ['tree'], ['blocks'], ['files'], ['cell'], ['.']);
my @sidecar_order = (['contract'], ['base'], [qw(net store erasure crypt)], ['remote'], ['volume'], ['api'], ['.']);
my %sidecar_client = map { $_ => 1 } qw(contract base cli);

# What is not called anywhere, and what to use.
my %banned = (
    sprintf => 'snprintf', vsprintf => 'vsnprintf', strcpy => 'strlcpy or memcpy', strcat => 'strlcat or snprintf', strtok => 'strtok_r',
    gets    => 'fgets', system => 'posix_spawn', popen => 'posix_spawn', alloca => 'a bound array', atoi => 'strtol', atol => 'strtol',
    atoll   => 'strtoll', rand => 'the vfs or pg_strong_random', tmpnam => 'mkstemp', localtime => 'localtime_r', gmtime => 'gmtime_r',
    strerror => 'strerror_r or %m');

my @sources = grep { m{^(?:extension|sidecar)/.*\.[ch]$} && -e $_ } split /\n/, `git ls-files --cached --others --exclude-standard`;
cmp_ok(scalar @sources, '>', 50, 'sources are found');

sub rank
{
    my ($order, $room) = @_;
    for my $i (0 .. $#$order) { return $i if grep { $_ eq $room } @{ $order->[$i] } }
    return undef;
}

sub slurp { my ($file) = @_; open my $in, '<', $file or die "$file: $!"; local $/; return <$in>; }

# The text without comments and with string contents blanked, lines kept.
sub bare
{
    my ($text) = @_;
    $text =~ s{(/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])+')}{
        my $match = $1;
        if ($match =~ m{^/}) { (my $lines = $match) =~ s/[^\n]//g; $lines || ' ' } elsif ($match =~ /^"/) { '""' } else { "' '" }
    }gsex;
    return $text;
}

sub room_of
{
    my ($file) = @_;
    my ($side, $room) = $file =~ m{^(extension|sidecar)/(?:([^/]+)/)?[^/]+$};
    return ($side, $room // '.');
}

my (@arrows, @banned_calls, @long_files, @long_functions, @impure);
for my $file (@sources)
{
    my $text = slurp($file);
    my ($side, $room) = room_of($file);
    my $lines = ($text =~ tr/\n//);
    push @long_files, "$file: $lines lines" if $lines > $file_lines_max && $text !~ /clang-format off/;

    for my $include ($text =~ /^\s*#\s*include\s+"([^"]+)"/mg)
    {
        my ($used) = $include =~ m{^([^/]+)/};
        if (!defined $used)
        {
            next if $side eq 'extension' && !-e "extension/$include" && !-e "sidecar/$include";    # the server's own: "fmgr.h"
            $used = '.' if -e "$side/$include";
            $used = $room if -e "$side/$room/$include";
        }
        next unless defined $used;
        if ($side eq 'extension')
        {
            my $to = rank(\@extension_order, $used);
            next unless defined $to;    # the server's own: "access/xact.h" is told apart below
            next unless -e "extension/$include" || $used eq '.';
            push @arrows, "$file uses $include" if $to > rank(\@extension_order, $room);
        }
        elsif ($room eq 'cli')
        {
            push @arrows, "$file uses $include" unless $sidecar_client{$used};
        }
        else
        {
            my ($from, $to) = (rank(\@sidecar_order, $room), rank(\@sidecar_order, $used));
            if (!defined $to || !defined $from) { push @arrows, "$file uses $include"; next; }
            push @arrows, "$file uses $include" if $to > $from || ($to == $from && $used ne $room);
        }
    }

    my $bare = bare($text);
    if ($room eq 'contract')
    {
        push @impure, "$file calls $1" while $bare =~ /\b(malloc|calloc|realloc|free|palloc|open|read|write|printf|fprintf|time|getenv|pthread_\w+)\s*\(/g;
        push @impure, "$file includes postgres.h" if $text =~ /#\s*include\s+"postgres/;
        push @impure, "$file has a variable of its own: $1" while $bare =~ /^(static\s+(?!const\b|inline\b)[\w\s\*]+\w+(?:\[[^\]]*\])*\s*(?:=|;))/mg;
    }
    for my $name ($bare =~ /(?<![\w.>])(\w+)\s*\(/g)
    {
        push @banned_calls, "$file calls $name: use $banned{$name}" if $banned{$name};
    }
    next unless $file =~ /\.c$/;
    my ($start, $name);
    my @line = split /\n/, $text, -1;
    for my $n (0 .. $#line)
    {
        if ($line[$n] =~ /^\{/) { $start = $n; $name = $n ? $line[ $n - 1 ] : ''; }
        if ($line[$n] =~ /^\}/ && defined $start)
        {
            my $length = $n - $start - 1;
            push @long_functions, "$file:" . ($start + 1) . " $length lines: $name" if $length > $function_lines_max && $line[$n] eq '}';
            undef $start;
        }
    }
}

sub none { my ($list, $what) = @_; ok(!@$list, $what) or diag(join "\n", @$list); return; }

none(\@arrows, 'arrows point one way');
none(\@impure, 'the contract is pure: no allocation, I/O, logging or globals');
none(\@banned_calls, 'no banned function is called');
none(\@long_files, "files have at most $file_lines_max lines");
none(\@long_functions, "functions have at most $function_lines_max lines");

chomp(my $server_include = `pg_config --includedir-server`);
chomp(my $client_include = `pg_config --includedir`);
my @not_alone;
for my $header (grep { /\.h$/ } @sources)
{
    my $prelude = $header =~ m{^extension/(?!contract/)} ? '#include "postgres.h"\n' : '';
    my $output = `printf '$prelude#include "$header"\\n' | gcc -fsyntax-only -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Wno-unused-parameter -Werror -I. -Iextension -Isidecar -I$server_include -I$client_include -x c - 2>&1`;
    push @not_alone, "$header: $output" if $? != 0;
}
none(\@not_alone, 'each header compiles alone');

my @unformatted;
for my $file (grep { m{^(?:extension|sidecar|regress)/.*\.[ch]$} && -e $_ } split /\n/, `git ls-files --cached --others --exclude-standard`)
{
    push @unformatted, $file if `clang-format --output-replacements-xml '$file'` =~ /<replacement /;
}
none(\@unformatted, 'sources are formatted (make format)');

my @top = grep { !/^\./ } map { s{/.*}{}r } split /\n/, `git ls-files --cached --others --exclude-standard`;
my %allowed = map { $_ => 1 } qw(extension sql sidecar migrations regress Makefile pocket.control README.md LICENSE META.json);
my %odd = map { $_ => 1 } grep { !$allowed{$_} } @top;
none([ sort keys %odd ], 'the top level is as designed');

done_testing();
