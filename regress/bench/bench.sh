#!/usr/bin/env bash
# The benchmark: each figure beside its peer or its limit, measured in the same run on the same directory. One connection
# (or as many as are said) over a Unix socket, one replica, fsync and synchronous_commit on, the server's default
# shared_buffers; medians of five. TREE_ENTRIES: of the large tree.
set -euo pipefail
cd "$(dirname "$0")/../.."
source regress/lib.sh

exec 3>&2 # a step that fails has its output in a log; what we say then is not for it
WORK=$(mktemp -d "${TMPDIR:-/tmp}/pocket-bench.XXXXXX")
finish()
{
    local status=$?
    trap - EXIT
    if ((status != 0)); then
        for log in build.log server.log pocketd.log; do
            [[ ! -s $WORK/$log ]] || { echo "--- the end of $log"; tail -n 15 "$WORK/$log"; } >&3
        done
        echo "FAILED" >&3
    fi
    HOME_DIR=$WORK
    [[ -z ${BINDIR:-} ]] || server_stop || true
    [[ -z ${POCKETD:-} ]] || sidecar_stop || true
    rm -rf "$WORK"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

source regress/bench/rows.sh

echo "building ..." >&2
{
    make -s -j"$(nproc)" all
    make -s -j"$(nproc)" -f sidecar/Makefile bench-programs
    stage_make "$WORK/stage"
} >"$WORK/build.log" 2>&1
programs=$PWD/.build/release/regress/bench
chown -R "$RUN_USER" "$WORK"

echo "limits of the machine ..." >&2
take "$(cd "$WORK" && "$programs/limits")"

echo "blocks of 4 MiB and files of 8 kB ..." >&2
HOME_DIR=$WORK
sidecar_init drive1
server_init "$WORK" "shared_preload_libraries = 'pocket'
pocket.key_file = '$WORK/keys'
pocket.replicas = 1
pocket.code = 'replicated'
max_wal_size = '8GB'"
server_start
sidecar_start drive1
sql "CREATE EXTENSION pocket"
sql "SELECT pocket.add_node('$NODE_URL')" >/dev/null
take "$("$programs/blocks" "$CONNINFO")"

echo "import of 8,192 files of 8 kB ..." >&2
mkdir "$WORK/tree"
for ((i = 0; i < 32; i++)); do
    mkdir "$WORK/tree/$i"
    head -c $((256 * 8192)) /dev/urandom | split -b 8192 -a 3 -d - "$WORK/tree/$i/file"
done
json=$("$POCKET" -d "$CONNINFO" --json import "$WORK/tree" imported:/ | tail -n 1)
field() { sed -n 's/.*"'"$1"'":\([-0-9.e]*\).*/\1/p' <<<"$json"; }
figure[import]=$(awk -v f="$(field sent_files)" -v s="$(field seconds)" 'BEGIN { printf "%.0f", f / s }')

entries=${TREE_ENTRIES:-1000000}
echo "a tree of $entries entries ..." >&2
take "$("$programs/tree" "$CONNINFO" "$entries")"

echo
row "Pocket" "" "beside" "" "ratio"
row "put, 4 MiB random, 1 connection" "$(mbs "${figure[put_pocket]}")" "bytea EXTERNAL, insert" "$(mbs "${figure[put_bytea]}")" "$(ratio "${figure[put_pocket]}" "${figure[put_bytea]}")"
row "" "" "limit: append 4 MiB + fdatasync" "$(mbs "${figure[append]}")" "$(ratio "${figure[put_pocket]}" "${figure[append]}")"
row "" "" "limit: SHA-256, one core" "$(mbs "${figure[sha256]}")" "$(ratio "${figure[put_pocket]}" "${figure[sha256]}")"
row "get, 4 MiB random, 1 connection" "$(mbs "${figure[get_pocket]}")" "bytea EXTERNAL, select" "$(mbs "${figure[get_bytea]}")" "$(ratio "${figure[get_pocket]}" "${figure[get_bytea]}")"
row "" "" "limit: AES-256-GCM, one core" "$(mbs "${figure[aes256gcm]}")" "$(ratio "${figure[get_pocket]}" "${figure[aes256gcm]}")"
row "WAL per user byte, 4 MiB put" "${figure[wal_put_pocket]}" "bytea EXTERNAL, insert" "${figure[wal_put_bytea]}" "$(ratio "${figure[wal_put_pocket]}" "${figure[wal_put_bytea]}")"
row "put_many, 8 kB by 256, 1 connection" "$(files "${figure[small_pocket]}")" "bytea, insert by 256" "$(files "${figure[small_bytea]}")" "$(ratio "${figure[small_pocket]}" "${figure[small_bytea]}")"
row "WAL per user byte, 8 kB put_many" "${figure[wal_small_pocket]}" "bytea, insert by 256" "${figure[wal_small_bytea]}" "$(ratio "${figure[wal_small_pocket]}" "${figure[wal_small_bytea]}")"
row "pocket import, 8 kB, 4 connections" "$(files "${figure[import]}")" "bytea, insert by 256" "$(files "${figure[small_bytea]}")" "$(ratio "${figure[import]}" "${figure[small_bytea]}")"
row "limits: rs(6,3) encode" "$(mbs "${figure[encode]}")" "rs(6,3) decode of three" "$(mbs "${figure[decode]}")"
row "limits: CRC32C, one core" "$(mbs "${figure[crc32c]}")" "" ""

# a row of both sides' rates: text, figure, what, text of the limit
beside() { row "$1" "$(each "${figure[$2_pocket]}" "$3")" "$4" "$(each "${figure[$2_plain]}" "$3")" "$(ratio "${figure[$2_pocket]}" "${figure[$2_plain]}")"; }
for clients in 1 2 8; do
    beside "mkdir, put, mv: $clients clients" "commits$clients" commits "limit: the same rows by plain SQL"
done
beside "stat, depth 4, of 10,000 entries" stat_small calls "limit: one lookup by primary key"
beside "stat, depth 4, of $entries" stat_large calls "limit: one lookup by primary key"
beside "ls, 100 of a folder of 10,000" ls_small calls "limit: the same rows by keyset"
beside "ls, 100 of a folder of $entries" ls_large calls "limit: the same rows by keyset"
row "stat by a member of a team" "$(each "${figure[stat_member]}" calls)" "by the owner" "$(each "${figure[stat_owner]}" calls)" "$(ratio "${figure[stat_member]}" "${figure[stat_owner]}")"
row "ls, 100, by a member of a team" "$(each "${figure[ls_member]}" calls)" "by the owner" "$(each "${figure[ls_owner]}" calls)" "$(ratio "${figure[ls_member]}" "${figure[ls_owner]}")"
row "mv of a folder of $entries" "${figure[mv_ms]} ms" "rows written" "${figure[mv_rows]}"
row "" "" "bytes of WAL" "${figure[mv_wal]}"
row "changes after 10 edits, of $entries" "${figure[changes_pocket_ms]} ms" "limit: the same rows by plain SQL" "${figure[changes_plain_ms]} ms" "$(ratio "${figure[changes_plain_ms]}" "${figure[changes_pocket_ms]}")"

sidecar_stop
server_stop
regress/bench/coding.sh "$WORK/stage"
