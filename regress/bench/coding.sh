#!/usr/bin/env bash
# What coding costs, and what pocketd needs: each figure beside its limit in the same run. Drives are folders in memory, the
# one that is repaired onto lies on disk. Part of bench.sh, and to be run by itself: regress/bench/coding.sh [STAGE]
set -euo pipefail
cd "$(dirname "$0")/../.."
source regress/lib.sh
source regress/bench/rows.sh

WORK=$(mktemp -d "${TMPDIR:-/tmp}/pocket-coding.XXXXXX")
MEMORY=$(mktemp -d /dev/shm/pocket-coding.XXXXXX)
finish()
{
    local status=$?
    trap - EXIT
    ((status == 0)) || { echo "FAILED" >&2; tail -n 15 "$WORK"/*.log >&2 || true; }
    HOME_DIR=$WORK
    [[ -z ${BINDIR:-} ]] || server_stop || true
    [[ -z ${POCKETD:-} ]] || sidecar_stop || true
    rm -rf "$WORK" "$MEMORY"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

if [[ -n ${1:-} ]]; then
    stage_use "$1"
else
    { make -s -j"$(nproc)" all; make -s -j"$(nproc)" -f sidecar/Makefile bench-programs; stage_make "$WORK/stage"; } >"$WORK/build.log" 2>&1
fi
program=$PWD/.build/release/regress/bench/cell
chown -R "$RUN_USER" "$WORK" "$MEMORY"
HOME_DIR=$WORK

echo "codes, and volumes of six buckets of 64 MiB ..." >&2
mkdir "$MEMORY/cell"
take "$("$program" "$MEMORY/cell" "$WORK")"
rm -rf "$MEMORY/cell" "$WORK"/cell-drive*

echo "a drive with 1,000,000 blocks ..." >&2
as_user mkdir "$MEMORY/many"
as_user "$program" blocks "$MEMORY/many" "$WORK/keys"
as_user ln -s "$MEMORY/many" "$WORK/many"
as_user chmod 600 "$WORK/keys"
as_user touch "$WORK/pocketd.log"
sidecar_start many
figure[many_kb]=$(awk '$1 == "VmHWM:" { print $2 }' "/proc/$(cat "$WORK/pocketd.pid")/status")
sidecar_stop
rm -rf "$MEMORY/many" "$WORK/keys"

echo "files whose drive is lost ..." >&2
drives=(d1 d2 d3 d4 d5 d6 d7 d8 d9)
for name in "${drives[@]}"; do as_user mkdir "$MEMORY/$name"; as_user ln -s "$MEMORY/$name" "$WORK/$name"; done
sidecar_init "${drives[@]}"
server_init "$WORK" "pocket.key_file = '$WORK/keys'
pocket.bucket_size = '16MB'
pocket.open_buckets = 6"
server_start
sidecar_start "${drives[@]}"
sql "CREATE EXTENSION pocket"
sql "SELECT pocket.add_node('$NODE_URL')" >/dev/null
sql "SELECT pocket.create_namespace('c')" >/dev/null
sql "SELECT pocket.put('c:/' || i, (SELECT string_agg(sha512((i || '/' || g)::bytea), ''::bytea) FROM generate_series(1, 65536) g)) FROM generate_series(1, 18) i" >/dev/null
sql "SELECT pocket.seal()" >/dev/null
sql "SELECT pocket.encode()" >/dev/null
for ((i = 0; i < 5; i++)); do sql "SELECT * FROM pocket.coordinate()" >/dev/null; done
# the data of one drive: files with a block there
lost=$(sql "SELECT path FROM pocket.drives WHERE drive_id = (SELECT drive_id FROM pocket.extents WHERE role = 'data' AND drive_id IS NOT NULL ORDER BY length DESC LIMIT 1)")
sql "CREATE TABLE there AS SELECT DISTINCT f.path FROM pocket.files f JOIN pocket_data.entry e USING (ns_id, file_id), pocket.blocks(e.blocks) b
    JOIN pocket_data.block k ON k.hash OPERATOR(pocket.=) b.hash JOIN pocket.extents x ON x.bucket_id = k.bucket_id JOIN pocket.drives d USING (drive_id)
    WHERE x.role = 'data' AND d.path = '$lost'"
sql "CREATE FUNCTION read_us() RETURNS numeric LANGUAGE plpgsql AS \$\$
    DECLARE began timestamptz; times float8[] := '{}'; file text;
    BEGIN
        FOR i IN 1 .. 60 LOOP
            FOR file IN SELECT path FROM there LOOP
                began := clock_timestamp();
                PERFORM length(pocket.get(file));
                IF i > 10 THEN times := times || extract(epoch FROM clock_timestamp() - began)::float8; END IF;
            END LOOP;
        END LOOP;
        RETURN round((SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY t) * 1e6 FROM unnest(times) t)::numeric);
    END \$\$"
counter() { curl -s --unix-socket "$WORK/pocketd.sock" http://localhost/metrics | awk -v name="pocketd_$1" '$1 == name { print $2 }'; }
figure[get_plain_us]=$(sql "SELECT read_us()")
[[ $(counter decoded_bytes_total) == 0 ]] || die "a plain read was decoded"
sidecar_stop
as_user mv "$MEMORY/$(basename "$lost")" "$MEMORY/away"
sidecar_start "${drives[@]}"
figure[get_decoded_us]=$(sql "SELECT read_us()")
[[ $(counter decoded_bytes_total) -gt 0 ]] || die "nothing was decoded"
figure[fetched]=$(awk -v r="$(counter decode_read_bytes_total)" -v d="$(counter decoded_bytes_total)" 'BEGIN { printf "%.2f", r / d }')

us() { awk -v v="$1" 'BEGIN { printf "%.1f ms", v / 1000 }'; }
echo
row "Pocket" "" "beside" "" "ratio"
row "erasure/, rs(6,3) encode" "$(mbs "${figure[rs63_pocket]}")" "limit: isa-l, the same buffers" "$(mbs "${figure[rs63_isal]}")" "$(ratio "${figure[rs63_pocket]}" "${figure[rs63_isal]}")"
row "erasure/, lrc(12,2,2) encode" "$(mbs "${figure[lrc1222_pocket]}")" "limit: isa-l, the same buffers" "$(mbs "${figure[lrc1222_isal]}")" "$(ratio "${figure[lrc1222_pocket]}" "${figure[lrc1222_isal]}")"
row "encode and prove rs(6,3), in memory" "$(mbs "${figure[volume_encode]}")" "limit: cp, 6 read and 3 written" "$(mbs "${figure[volume_cp]}")" "$(ratio "${figure[volume_encode]}" "${figure[volume_cp]}")"
row "get, 4 MiB, decoded" "$(us "${figure[get_decoded_us]}")" "limit: the same files, plain" "$(us "${figure[get_plain_us]}")" "$(ratio "${figure[get_decoded_us]}" "${figure[get_plain_us]}")"
row "" "" "bytes fetched for each decoded" "${figure[fetched]}"
row "inside pocketd, 4 MiB, decoded" "$(us "${figure[read_decoded_us]}")" "limit: plain" "$(us "${figure[read_plain_us]}")" "$(ratio "${figure[read_decoded_us]}" "${figure[read_plain_us]}")"
row "repair of a drive of 512 MiB" "$(mbs "${figure[repair]}")" "limit: written to the target drive" "$(mbs "${figure[repair_write]}")" "$(ratio "${figure[repair]}" "${figure[repair_write]}")"
row "  one volume at a time" "$(mbs "${figure[repair_single]}")" "limit: the same" "$(mbs "${figure[repair_write]}")" "$(ratio "${figure[repair_single]}" "${figure[repair_write]}")"
row "scrub, in memory" "$(mbs "${figure[scrub]}")" "limit: read in pieces of 1 MiB" "$(mbs "${figure[scrub_read]}")" "$(ratio "${figure[scrub]}" "${figure[scrub_read]}")"
row "pocketd with 1,000,000 blocks" "$((figure[many_kb] / 1024)) MiB" "limit: without a request" "64 MiB" "$(ratio "$((figure[many_kb] / 1024))" 64)"
