# Every parser's fuzzer runs over its committed corpus, under the sanitizers.
use strict;
use warnings;
use Test::More;

my $top = $ENV{TOP} // '.';
my @fuzzers = grep { -x "$top/$_" } map { s{^\Q$top\E/}{}r } grep { !/\.[od]$/ } glob "$top/.build/asan/regress/fuzz/fuzz_*";
cmp_ok(scalar @fuzzers, '>=', 4, 'there are fuzzers');
for my $fuzzer (@fuzzers)
{
    my ($name) = $fuzzer =~ /fuzz_(\w+)$/;
    my @corpus = glob "$top/regress/fuzz/corpus/$name/*";
    cmp_ok(scalar @corpus, '>', 0, "$name has a corpus");
    is(system("$top/$fuzzer", @corpus), 0, "$name survives its corpus");
}
done_testing();
