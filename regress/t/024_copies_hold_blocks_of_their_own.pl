# cp and mv between namespaces write rows only: no byte is sent, each namespace holds the blocks, and reads them alone.
use strict;
use warnings;
use PocketTest;
use Test::More;

my $cell = PocketTest->new('copies', drives => 3);
$cell->sql("SELECT pocket.create_namespace('a'), pocket.create_namespace('b'), pocket.create_namespace('c')");
my $large = "convert_to(repeat('0123456789abcdef', 500000), 'UTF8')";    # 8 MB: two blocks
my $small = "convert_to(repeat('x', 100000), 'UTF8')";
$cell->sql("SELECT pocket.put('a:/f/large', $large), pocket.put('a:/f/small', $small), pocket.put('a:/f/inline', 'tiny')");
my $holders = "SELECT string_agg(n.name || ':' || h.files, ' ' ORDER BY n.name, h.files) FROM pocket_data.holder h JOIN pocket_data.namespace n USING (ns_id)";
my $blocks = $cell->sql('SELECT count(*) FROM pocket_data.block');
is($blocks, '3', 'three blocks are stored');
is($cell->sql($holders), 'a:1 a:1 a:1', 'held once each');

$cell->sql("SELECT pocket.cp('a:/f', 'a:/g')");
is($cell->sql($holders), 'a:2 a:2 a:2', 'a copy holds them again');
$cell->kill_sidecar('TERM');
is($cell->sql("SELECT outcome FROM pocket.cp('a:/f', 'b:/f')"), 'copied', 'copying between namespaces needs no sidecar');
is($cell->sql($holders), 'a:2 a:2 a:2 b:1 b:1 b:1', 'the other namespace holds them too');
is($cell->sql("SELECT outcome FROM pocket.mv('a:/g', 'c:/g')"), 'moved', 'nor does moving');
is($cell->sql($holders), 'a:2 a:2 a:2 b:1 b:1 b:1 c:1 c:1 c:1', 'where it came from, its revisions keep them');
is($cell->sql('SELECT count(*) FROM pocket_data.block'), $blocks, 'no block row is new');
$cell->start_sidecar;

my $same = sub { my ($folder) = @_; return "SELECT pocket.get('$folder/large') = $large AND pocket.get('$folder/small') = $small AND pocket.get('$folder/inline') = 'tiny'"; };
is($cell->sql($same->($_)), 't', "$_ has every byte") for qw(a:/f b:/f c:/g);

# The holder of one namespace does not depend on another.
$cell->sql("SELECT pocket.drop_namespace('a')");
is($cell->sql($same->($_)), 't', "$_ outlives its origin") for qw(b:/f c:/g);
is($cell->sql($holders), 'b:1 b:1 b:1 c:1 c:1 c:1', 'a dropped namespace holds nothing');
is($cell->sql('SELECT count(*) FROM pocket.verify()'), '0', 'nothing is wrong');

# Invariant 8: whoever cannot read the source can name none of its blocks.
$cell->sql("CREATE ROLE mallory LOGIN; SET ROLE mallory; SELECT pocket.create_namespace('m')");
$cell->fails("SET ROLE mallory; SELECT pocket.cp('b:/f', 'm:/f')", '42704', qr/namespace "b" does not exist/, 'what cannot be read cannot be copied');
is($cell->sql($holders), 'b:1 b:1 b:1 c:1 c:1 c:1', 'and gives no hold');

# A block that is lost in every copy: its file is not copied, and the error says why.
$cell->sql("UPDATE pocket_data.extent e SET state = 'lost' WHERE bucket_id = (SELECT bucket_id FROM pocket_data.block LIMIT 1)");
$cell->fails("SELECT pocket.cp('b:/f', 'c:/lost')", 'PK004', qr/is lost.*HINT:.*verify/s, 'what is lost is not copied');
is($cell->sql("SELECT count(*) FROM pocket.ls('c:/')"), '1', 'nothing half done');
is($cell->sql("SELECT outcome FROM pocket.cp('b:/f/inline', 'c:/inline')"), 'copied', 'what is not lost is');
done_testing();
