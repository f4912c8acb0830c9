#!/usr/bin/env bash
# PITR of the database to a moment before deletes, reclaiming, compaction, encoding and a lost drive, over the drives as they are after
# all that: every file of the moment reads back, and the server that was left behind is refused. Everything that is printed was measured
# in this run; it ends with "drill passed", or "FAILED" and exit status 1. All is made in a directory of its own, which a run that
# passed removes.
set -euo pipefail
cd "$(dirname "$0")/../.."
source regress/lib.sh
source regress/print.sh

NODES=(n1 n2 n3)
FILES=480
STEP=preparing
PLACE=$(mktemp -d "${TMPDIR:-/tmp}/pocket-drill.XXXXXX")
declare -A DRIVES=()
exec 3>&2 # a step that fails may have its output in a log; what we say then is not for it

# Does something for a server or a node: HOME_DIR is where it lives.
at()
{
    local HOME_DIR=$PLACE/$1
    shift
    "$@"
}

stop_all()
{
    local name
    [[ -n ${BINDIR:-} ]] || return 0
    for name in former recovered; do at "$name" server_stop || true; done
    for name in "${NODES[@]}"; do at "$name" sidecar_stop || true; done
}

failed()
{
    trap - EXIT
    {
        echo
        echo "FAILED while $STEP"
        for log in step.log former/server.log recovered/server.log n1/pocketd.log; do
            [[ -s $PLACE/$log ]] || continue
            echo "--- the end of $PLACE/$log"
            tail -n 15 "$PLACE/$log"
        done
        stop_all
        echo "files are left in $PLACE"
    } >&3
    exit 1
}

# Runs a command whose words nobody needs unless it fails.
quietly()
{
    "$@" >>"$PLACE/step.log" 2>&1
}

# What must be as it is wanted: prints it, or ends the drill.
want()
{
    [[ $2 == "$3" ]] || die "$1: $2, not $3"
}

# Nothing is wrong.
well()
{
    local problems
    problems=$(sql "SELECT verifier || ' ' || object || ': ' || problem FROM pocket.verify()")
    [[ -z $problems ]] || { echo "$problems" >>"$PLACE/step.log"; die "verify() tells of $(wc -l <<<"$problems") problems: $(head -n 1 <<<"$problems")"; }
}

# --- the cell, and its files ---

start_cell()
{
    local began name
    began=$(now_ms)
    STEP="building"
    quietly make -s -j"$(nproc)" all
    STEP="installing into $PLACE/stage"
    quietly stage_make "$PLACE/stage"
    line build "extension, pocketd and client, into a private copy of the server: $(seconds_since "$began")"

    began=$(now_ms)
    STEP="starting the server and three nodes"
    mkdir "$PLACE/former" "$PLACE/recovered" "$PLACE/archive" "${NODES[@]/#/$PLACE/}"
    chown -R "$RUN_USER" "$PLACE"/{former,recovered,archive,n?}
    at former server_init "$PLACE/former" "shared_preload_libraries = 'pocket'
pocket.key_file = '$PLACE/n1/keys'
pocket.bucket_size = '4MB'
pocket.open_buckets = 6
pocket.drive_timeout = '5s'
wal_level = replica
max_wal_senders = 4
archive_mode = on
archive_command = 'cp %p $PLACE/archive/%f'"
    at former server_start
    quietly sql "CREATE EXTENSION pocket"
    for name in "${NODES[@]}"; do
        [[ $name == n1 ]] || cp -p "$PLACE/n1/keys" "$PLACE/$name/keys"
        DRIVES[$name]="$name-drive1 $name-drive2 $name-drive3"
        # shellcheck disable=SC2086
        at "$name" sidecar_init ${DRIVES[$name]}
        start_node "$name"
    done
    line start "PostgreSQL $(sql 'SHOW server_version') with WAL archive and coordinator, three nodes with three drives each: $(seconds_since "$began")"
}

# shellcheck disable=SC2086
start_node()
{
    at "$1" sidecar_start ${DRIVES[$1]}
    quietly sql "SELECT pocket.add_node('$NODE_URL')"
}

# Files from $2 to $3 in directory $1: in the row, of one block and of several, of bytes that do not compress.
make_files()
{
    local size i
    mkdir -p "$1"/folder{0..19}
    openssl enc -aes-128-ctr -nosalt -K "$(printf '%032d' "$2")" -iv "$(printf '%032d' 0)" -in /dev/zero 2>/dev/null | {
        for ((i = $2; i <= $3; i++)); do
            size=$((2500 * (i % 60) + 700))
            ((i % 6 != 0)) || size=$((i * 1000 + 300000))
            ((i % 120 != 0)) || size=$((9 << 20))
            head -c "$size" >"$1/folder$((i % 20))/file$i"
        done
    } || true
}

import()
{
    quietly "$POCKET" -d "$CONNINFO" --json import "$PLACE/source" files:/
}

# Volumes and buckets by state.
states()
{
    sql "SELECT string_agg(n || ' ' || kind, ', ' ORDER BY kind) FROM (SELECT CASE state WHEN 'coded' THEN 'coded ' || code ELSE state END AS kind, count(*) AS n FROM pocket.volumes GROUP BY 1) v"
}

# Of every file and each revision that is retained: its content's hash, computed from what is read.
digests()
{
    sql "SELECT f.path, h.rev, encode(sha256(pocket.get(f.path, rev => h.rev)), 'hex') FROM (VALUES ('files:/'), ('kept:/')) n (root) CROSS JOIN LATERAL pocket.ls(n.root, recursive => true) f CROSS JOIN LATERAL pocket.history(f.path) h WHERE f.kind = 'file' AND h.outcome <> 'deleted' ORDER BY 1, 2"
}

put_files()
{
    local began
    STEP="storing files, and a base backup"
    began=$(now_ms)
    make_files "$PLACE/source" 1 $((FILES * 2 / 3))
    import
    quietly sql "SELECT pocket.create_namespace('kept')"
    quietly sql "SELECT count(pocket.put('kept:/file' || i, decode(repeat(md5(v || '.' || i), 2000), 'hex') || sha256(convert_to(v || ' ' || i, 'UTF8')))) FROM generate_series(1, 2) v, generate_series(1, 40) i"
    quietly sql "SELECT pocket.seal()"
    quietly sql "SELECT pocket.encode()"
    coordinate
    line store "$(count "$(find "$PLACE/source" -type f | wc -l)") files, $(mb "$(find "$PLACE/source" -type f -printf '%s\n' | awk '{ s += $1 } END { print s }')"), sealed and encoded: $(seconds_since "$began")"
    began=$(now_ms)
    quietly as_user "$BINDIR/pg_basebackup" -d "$CONNINFO" -D "$PLACE/recovered/data" -X none --checkpoint=fast
    line backup "by pg_basebackup: $(seconds_since "$began")"

    STEP="storing more files"
    make_files "$PLACE/source" $((FILES * 2 / 3 + 1)) $((FILES - 60))
    import
    quietly sql "SELECT pocket.seal()"
    make_files "$PLACE/source" $((FILES - 59)) "$FILES"
    import
    digests >"$PLACE/digests.then"
    # what is committed after this has a later time
    MOMENT=$(sql "SELECT clock_timestamp()")
    REPLICATED_THEN=$(sql "SELECT string_agg(DISTINCT bucket_id::text, ',') FROM pocket.buckets b JOIN pocket.volumes v USING (volume_id) WHERE v.code = 'replicated' AND EXISTS (SELECT FROM pocket_data.block k WHERE k.bucket_id = b.bucket_id)")
    VOLUMES_THEN=$(sql "SELECT coalesce(string_agg(volume_id::text, ','), '0') FROM pocket.volumes")
    cp -a "$PLACE/source" "$PLACE/source.then"
    line moment "$MOMENT: $(count "$(find "$PLACE/source" -type f | wc -l)") files, with retained ones $(count "$(wc -l <"$PLACE/digests.then")") revisions"
    more "volumes then: $(states)"
}

# --- what happens after the moment ---

# As if two days had passed, so that no receipt points into what was sealed until now.
age()
{
    quietly sql "UPDATE pocket_data.bucket SET sealed_at = sealed_at - interval '2 days' WHERE state = 'sealed'"
}

change_files()
{
    local began
    STEP="deleting files"
    began=$(now_ms)
    quietly sql "SELECT pocket.alter_namespace('files', retention => '0'), pocket.alter_namespace('kept', retention => '0')"
    REMOVED=$(sql "SELECT count(pocket.rm(path)) FROM pocket.ls('files:/', recursive => true) CROSS JOIN LATERAL (SELECT substring(path, '[0-9]+\$')::int AS i) n WHERE kind = 'file' AND i % 4 <> 1 AND i % 240 <> 0")
    quietly sql "SELECT count(pocket.put('kept:/file' || i, sha256(convert_to('later' || i, 'UTF8')))) FROM generate_series(1, 40) i"
    rm -rf "$PLACE/source"
    make_files "$PLACE/source" $((FILES + 1)) $((FILES + 60))
    import
    quietly sql "SELECT pocket.retain()"
    quietly sql "SELECT pocket.seal()"
    line delete "$(count "$REMOVED") files, 40 others written anew, retention 0; 60 new ones: $(seconds_since "$began")"
}

let_go()
{
    local began moved=0 before after
    STEP="reclaiming, encoding and compacting"
    began=$(now_ms)
    before=$(sql "SELECT count(*) FROM pocket_data.block")
    quietly sql "SELECT pocket.encode()"
    coordinate
    after=$(sql "SELECT count(*) FROM pocket_data.block")
    age
    # one round moves into buckets that are open; what it empties retires in the next
    for ((round = 0; round < 4; round++)); do
        moved=$((moved + $(sql "SELECT pocket.compact()")))
        quietly sql "SELECT pocket.reclaim()"
        quietly sql "SELECT pocket.seal()"
        quietly sql "SELECT pocket.encode()"
        coordinate
        age
    done
    ((moved > 0)) || die "nothing was compacted"
    line reclaim "$(count $((before - after))) of $(count "$before") block rows went, $(count "$moved") blocks were moved out of sparse volumes: $(seconds_since "$began")"
    more "of the volumes of the moment $(sql "SELECT count(*) FILTER (WHERE v.state NOT IN ('open', 'sealed', 'coded') OR v.state IS NULL) || ' of ' || count(*) FROM unnest(string_to_array('$VOLUMES_THEN', ',')::bigint[]) t (id) LEFT JOIN pocket.volumes v ON v.volume_id = t.id") are gone; $(sql "SELECT count(*) || ' extents' FROM pocket_data.trash") in the trash"
    more "volumes now: $(states)"
    [[ $(sql "SELECT count(*) FROM pocket_data.trash") != 0 ]] || die "nothing went to the trash"
}

# The drive that is gone is silent for pocket.drive_timeout, and failed from then on.
await_failed()
{
    for ((i = 0; i < 300; i++)); do
        quietly sql "SELECT * FROM pocket.coordinate('check')"
        [[ $(sql "SELECT count(*) FILTER (WHERE state = 'failed') || ' of ' || count(*) FILTER (WHERE state <> 'ok') FROM pocket.drives") != "1 of 1" ]] || return 0
        sleep 0.1
    done
    die "of the drives one should be failed: $(sql "SELECT string_agg(drive_id || ' ' || state, ', ') FROM pocket.drives")"
}

# The hardest one: what was replicated at the moment, and coded, compacted and trashed since, has lost its surplus replicas; of such
# buckets the drive has the one extent that was left.
lose_drive()
{
    local began lost count node name left=()
    STEP="losing a drive"
    began=$(now_ms)
    IFS='|' read -r count lost < <(sql "SELECT count(*), path FROM pocket.drives JOIN pocket_data.trash USING (drive_id) WHERE bucket_id = ANY (ARRAY[$REPLICATED_THEN]::bigint[]) GROUP BY path ORDER BY 1 DESC, 2 LIMIT 1")
    ((count > 0)) || die "no bucket that was replicated then is in the trash"
    node=$(basename "$(dirname "$lost")")
    [[ $lost == "$PLACE/$node/$node-drive"? ]] || die "a drive is not where it was made: $lost"
    at "$node" sidecar_stop || die "pocketd was not running"
    rm -rf "$lost"
    for name in ${DRIVES[$node]}; do [[ $name == "$(basename "$lost")" ]] || left+=("$name"); done
    at "$node" sidecar_init "$node-drive4"
    DRIVES[$node]="${left[*]} $node-drive4"
    start_node "$node"
    await_failed
    quietly sql "SELECT pocket.repair()"
    coordinate
    line repair "rm -rf $(basename "$lost"), which had $(sql "SELECT count(*) FROM pocket_data.trash t JOIN pocket.drives d USING (drive_id) WHERE d.path = '$lost'") extents in its trash, $count of buckets that were replicated then; what it had in place was made anew on a new drive: $(seconds_since "$began")"
    well
}

# --- back ---

# By itself the database that was recovered has no coordinator, so that reconcile() alone does it; POCKET_DRILL_WORKER=1: one that does it.
recover()
{
    local began lacking i=0
    STEP="recovering the database"
    digests >"$PLACE/digests.undone"
    quietly sql "SELECT pg_switch_wal()"
    at former server_stop
    began=$(now_ms)
    as_user tee -a "$PLACE/recovered/data/postgresql.conf" >/dev/null <<END
unix_socket_directories = '$PLACE/recovered'
shared_preload_libraries = '${POCKET_DRILL_WORKER:+pocket}'
archive_mode = off
restore_command = 'cp $PLACE/archive/%f %p'
recovery_target_time = '$MOMENT'
recovery_target_action = 'promote'
END
    as_user touch "$PLACE/recovered/data/recovery.signal"
    at recovered server_start
    for ((i = 0; i < 600; i++)); do
        [[ $(sql "SELECT pg_is_in_recovery()") == t ]] || break
        sleep 0.1
    done
    want "in recovery" "$(sql "SELECT pg_is_in_recovery()")" f
    line recover "to $MOMENT, from the base backup and the archive, promoted to timeline $(sql "SELECT timeline_id FROM pg_control_checkpoint()"): $(seconds_since "$began")"
    more "volumes of the rows: $(states)"

    STEP="reconciling"
    await_failed
    began=$(now_ms)
    if [[ -n ${POCKET_DRILL_WORKER:-} ]]; then
        until [[ $(sql "SELECT reconciling IS NULL AND reconciled = incarnation || '/' || (SELECT timeline_id FROM pg_control_checkpoint()) FROM pocket_data.cell") == t ]]; do
            ((++i < 1200)) || die "the coordinator does not reconcile"
            sleep 0.1
        done
        line reconcile "by the coordinator, by itself: $(seconds_since "$began")"
        more "volumes now: $(states)"
        return 0
    fi
    lacking=$(sql "SELECT object || ': ' || problem FROM pocket.reconcile()" 2>>"$PLACE/step.log")
    echo "$lacking" >>"$PLACE/step.log"
    [[ -z $lacking ]] || die "of what rows need drives lack: $(head -n 1 <<<"$lacking")"
    line reconcile "drives lack nothing that rows need: $(seconds_since "$began")"
    more "volumes now: $(states)"
}

compare()
{
    local began
    STEP="comparing $1"
    began=$(now_ms)
    rm -rf "$PLACE/export"
    quietly "$POCKET" -d "$CONNINFO" --json export files:/ "$PLACE/export"
    quietly diff -r "$PLACE/source.then" "$PLACE/export"
    digests >"$PLACE/digests.now"
    quietly diff "$PLACE/digests.then" "$PLACE/digests.now"
    line compare "$1: all $(count "$(find "$PLACE/export" -type f | wc -l)") files byte by byte, and $(count "$(wc -l <"$PLACE/digests.now")") revisions by their hashes: 0 differences ($(seconds_since "$began"))"
}

after()
{
    local began outcome
    STEP="running every duty and verifier"
    began=$(now_ms)
    quietly sql "SELECT pocket.repair()"
    quietly sql "SELECT pocket.seal()"
    quietly sql "SELECT pocket.encode()"
    coordinate
    quietly sql "SELECT pocket.verify_now()"
    coordinate
    well
    line verify "after every duty, verify_now() and what it led to: verify() has no row: $(seconds_since "$began")"

    STEP="storing new files"
    outcome=$(sql "SELECT string_agg(DISTINCT (r).outcome, ',') FROM (SELECT pocket.put('kept:/new' || i, decode(repeat(md5('new' || i), 20000), 'hex')) AS r FROM generate_series(1, 20) i OFFSET 0) p")
    want "what became of new files" "$outcome" created
    want "wrong new files" "$(sql "SELECT count(*) FROM generate_series(1, 20) i WHERE pocket.get('kept:/new' || i) IS DISTINCT FROM decode(repeat(md5('new' || i), 20000), 'hex')")" 0
    more "20 new files are stored, and read"
    quietly sql "SELECT count(pocket.rm('kept:/new' || i)) FROM generate_series(1, 20) i"
}

# What the future that was undone has left on the drives goes at last.
empty_trash()
{
    local began before
    STEP="emptying the trash"
    began=$(now_ms)
    quietly sql "SELECT pocket.seal()"
    age
    quietly sql "SELECT pocket.reclaim()"
    coordinate
    before=$(sql "SELECT count(*) FROM pocket_data.trash")
    ((before > 0)) || die "nothing of the undone future is in the trash"
    for ((i = 0; i < 3; i++)); do
        quietly sql "SET pocket.trash_retention = 0; SELECT * FROM pocket.coordinate('trash')"
        quietly sql "SELECT * FROM pocket.coordinate('settle')"
    done
    line empty "as if days had passed: $before extents of the undone future went to the trash, and $((before - $(sql "SELECT count(*) FROM pocket_data.trash"))) left it: $(seconds_since "$began")"
}

start_former()
{
    local recovered=$CONNINFO err
    STEP="starting the server that was left behind"
    at former server_start
    for ((i = 0; i < 3; i++)); do
        err=$(sql "SELECT pocket.put('kept:/refused', sha256('$i') || decode(repeat(md5('refused'), 20000), 'hex'))" 2>&1) && die "the former server stores files"
        echo "$err" >>"$PLACE/step.log"
        [[ $err == *"does not own its cell any more"* ]] || die "the former server says: $err"
    done
    line former "the server that was left behind is refused: $(sed -n 's/^ERROR: *//p' <<<"$err")"
    digests >"$PLACE/digests.now"
    quietly diff "$PLACE/digests.undone" "$PLACE/digests.now"
    more "and reads the $(count "$(wc -l <"$PLACE/digests.now")") files of its own"
    at former server_stop
    CONNINFO=$recovered
    well
}

check_drives()
{
    local name drive options=()
    STEP="checking the drives"
    at recovered server_stop
    for name in "${NODES[@]}"; do
        at "$name" sidecar_stop
        for drive in ${DRIVES[$name]}; do options+=(--drive "$PLACE/$name/$drive"); done
    done
    quietly as_user "$POCKETD" check "${options[@]}"
    line check "pocketd check finds every extent on the drives whole"
}

chmod 755 "$PLACE"
trap 'status=$?; ((status == 0)) || failed' EXIT
trap 'STEP="$STEP (interrupted)"; failed' INT TERM

echo "Pocket: recovery of the database to a moment, over the drives of a later one"
began_all=$(now_ms)
start_cell
put_files
change_files
let_go
lose_drive
recover
compare "as recovered"
after
compare "after every duty"
start_former
empty_trash
compare "without the trash"
check_drives
rm -rf "$PLACE"
trap - EXIT INT TERM
echo
echo "drill passed in $(seconds_since "$began_all")"
