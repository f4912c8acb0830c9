# A coordinator that starts anew ends the epoch while blocks are on their way: the writer signs again, and nobody else gets in by that.
use strict;
use warnings;
use PocketTest;
use Test::More;

my $cell = PocketTest->new('epoch', drives => 4);
$cell->sql("SELECT pocket.create_namespace('app')");
my $blocks = 24;
my $script = "$cell->{dir}/put.sql";
open my $file, '>', $script or die "$script: $!";
print {$file} "SELECT size FROM pocket.put('app:/long', (SELECT string_agg(convert_to(rpad(i::text, 4194304, 'x'), 'UTF8'), '' ORDER BY i) FROM generate_series(1, $blocks) i));\n";
close $file or die "$script: $!";

my ($out, $err) = ('', '');
my $epochs = 0;
my $writer = IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $cell->{server}->connstr('postgres'), '-f', $script ], '<', \undef, '>', \$out, '2>', \$err);
while ($writer->pump_nb, $writer->pumpable)
{
    $cell->sql('UPDATE pocket_data.cell SET starts = starts + 1');
    $cell->sql("SELECT * FROM pocket.coordinate('check')");    # from here on the node knows of it
    $epochs++;
}
$writer->finish;
is($out, $blocks * 4194304 . "\n", "a put of $blocks blocks across $epochs epochs") or diag($err);
is($cell->sql("SELECT sha256(pocket.get('app:/long')) = sha256((SELECT string_agg(convert_to(rpad(i::text, 4194304, 'x'), 'UTF8'), '' ORDER BY i) FROM generate_series(1, $blocks) i))"), 't', 'and is whole');

$cell->sql('UPDATE pocket_data.cell SET starts = starts - 1');
$cell->fails("SELECT pocket.put('app:/late', convert_to(repeat('y', 100000), 'UTF8'))", '55000', qr/does not own its cell any more/, 'whoever is of a superseded epoch for good is refused');
done_testing();
