#!/usr/bin/env bash
# The main job on real files: a directory goes into PostgreSQL, its bytes to nine drives, three drives are destroyed, all
# comes back. Everything that is printed was measured in this run. DIR: what to import (/usr/share/doc).
set -euo pipefail
cd "$(dirname "$0")/../.."
source regress/lib.sh
source regress/print.sh
source regress/demo/place.sh

DIR=${DIR:-/usr/share/doc}
DRIVES=(drive1 drive2 drive3 drive4 drive5 drive6 drive7 drive8 drive9)
BUCKET_MIN=$((64 << 20))
BUCKET_MAX=$((256 << 20))
STEP=preparing
exec 3>&2 # a step that fails may have its output in a log; what we say then is not for it

failed()
{
    trap - EXIT
    {
        echo
        echo "FAILED while $STEP"
        for log in step.log server.log pocketd.log; do
            [[ -s $PLACE/$log ]] || continue
            echo "--- the end of $PLACE/$log"
            tail -n 15 "$PLACE/$log"
        done
        HOME_DIR=$PLACE
        [[ -z ${BINDIR:-} ]] || server_stop || true
        [[ -z ${POCKETD:-} ]] || sidecar_stop || true
    } >&3
    exit 1
}

# Runs a command whose words nobody needs unless it fails.
quietly()
{
    "$@" >>"$PLACE/step.log" 2>&1
}

# --- steps ---

make_place()
{
    if [[ -e $PLACE ]]; then
        place_is_ours || die "$PLACE exists and was not made by the demo; set POCKET_DEMO to another path"
        ! place_is_running || die "a demo is running in $PLACE: make demo-stop"
        rm -rf "$PLACE"
    fi
    mkdir -m 700 "$PLACE"
    : >"$MARK"
    chown -R "$RUN_USER" "$PLACE"
}

# Sized by the data, so that a demo sees several groups of six, and the last, partly empty one weighs little.
bucket_size()
{
    local size=$(($1 / 24))
    ((size >= BUCKET_MIN)) || size=$BUCKET_MIN
    ((size <= BUCKET_MAX)) || size=$BUCKET_MAX
    echo "$((size / 1024))kB"
}

start_cell()
{
    local began bytes
    began=$(now_ms)
    STEP="building"
    quietly make -s -j"$(nproc)" all
    STEP="installing into $PLACE/stage"
    quietly stage_make "$PLACE/stage"
    stage_use "$PLACE/stage"
    line build "extension, pocketd and client, into a private copy of the server: $(seconds_since "$began")"

    began=$(now_ms)
    bytes=$(find "$DIR" -type f -printf '%s\n' | awk '{ s += $1 } END { printf "%.0f", s }')
    STEP="starting the server and pocketd"
    HOME_DIR=$PLACE
    sidecar_init "${DRIVES[@]}"
    server_init "$PLACE" "shared_preload_libraries = 'pocket'
pocket.key_file = '$PLACE/keys'
pocket.bucket_size = '$(bucket_size "$bytes")'
pocket.open_buckets = 6"
    server_start
    sidecar_start "${DRIVES[@]}"
    sql "CREATE EXTENSION pocket"
    sql "SELECT pocket.add_node('$NODE_URL')" >/dev/null
    line start "PostgreSQL $(sql 'SHOW server_version'), one pocketd with ${#DRIVES[@]} drives: $(seconds_since "$began")"
}

import_files()
{
    local json row blocks unique stored logical inline
    STEP="importing $DIR"
    json=$("$POCKET" -d "$CONNINFO" --json import "$DIR" demo:/ 2>>"$PLACE/step.log" | tee -a "$PLACE/step.log" | tail -n 1)
    FILES=$(json_field "$json" files)
    line import "$(count "$FILES") files, $(count "$(json_field "$json" folders)") folders, $(count "$(json_field "$json" symlinks)") links, $(mb "$(json_field "$json" bytes)") in $(awk -v s="$(json_field "$json" seconds)" 'BEGIN { printf "%.1f", s }') s: $(awk -v f="$FILES" -v b="$(json_field "$json" bytes)" -v s="$(json_field "$json" seconds)" 'BEGIN { printf "%.1f MB/s, %.0f files/s", b / s / 1e6, f / s }')"
    row=$(sql "SELECT count(*), coalesce(sum(length), 0), coalesce(sum(stored_length), 0) FROM pocket_data.block")
    IFS='|' read -r blocks unique stored <<<"$row"
    row=$(sql "SELECT coalesce(sum(size) FILTER (WHERE blocks IS NOT NULL), 0), coalesce(sum(length(inline)), 0) FROM pocket_data.entry WHERE kind = 'file'")
    IFS='|' read -r logical inline <<<"$row"
    UNIQUE=$unique
    STORED=$stored
    more "$(count "$blocks") unique blocks, $(mb "$unique"); deduplication saved $(mb $((logical - unique))); compressed to $(mb "$stored")"
    more "$(mb "$inline") of small files live in their rows"
    STEP="importing $DIR again"
    json=$("$POCKET" -d "$CONNINFO" --json import "$DIR" demo:/ 2>>"$PLACE/step.log" | tail -n 1)
    [[ $(json_field "$json" sent_files) == 0 ]]
    more "imported again: $(json_field "$json" sent_files) files sent in $(awk -v s="$(json_field "$json" seconds)" 'BEGIN { printf "%.1f", s }') s"
}

bytes_on_drives()
{
    local drive dirs=()
    for drive in "${DRIVES[@]}"; do [[ ! -d $PLACE/$drive ]] || dirs+=("$PLACE/$drive"); done
    find "${dirs[@]}" -type f -path '*/extents/*' -printf '%s\n' | awk '{ s += $1 } END { printf "%.0f", s }'
}

encode()
{
    local began before after uncoded row buckets volumes codes
    STEP="sealing and encoding"
    before=$(bytes_on_drives)
    line replicas "$(sql "SELECT count(*) || ' buckets, each on ' || max(n) || ' drives' FROM (SELECT count(*) AS n FROM pocket.extents GROUP BY volume_id) v"): $(mb "$before") on the drives, $(ratio "$before" "$UNIQUE") x unique bytes"
    began=$(now_ms)
    quietly sql "SELECT pocket.seal()"
    quietly sql "SELECT pocket.encode()"
    coordinate
    uncoded=$(sql "SELECT count(*) FROM pocket.volumes v JOIN pocket.buckets b USING (volume_id) WHERE v.code = 'replicated' AND b.state = 'sealed'")
    [[ $uncoded == 0 ]] || die "$uncoded sealed buckets are still replicated"
    after=$(bytes_on_drives)
    row=$(sql "SELECT count(DISTINCT b.bucket_id), count(DISTINCT v.volume_id), string_agg(DISTINCT v.code, ', '), to_char(max(v.changed_at), 'HH24:MI:SS') FROM pocket.volumes v JOIN pocket.buckets b USING (volume_id) WHERE v.code <> 'replicated'")
    IFS='|' read -r buckets volumes codes MOMENT <<<"$row"
    line encode "at $MOMENT $(plural "$buckets" bucket) became $(plural "$volumes" volume) in $codes; surplus replicas dropped: $(seconds_since "$began")"
    more "$(mb "$after") on the drives: $(ratio "$after" "$UNIQUE") x unique bytes, $(ratio "$after" "$STORED") x after compression"
}

# Loses the three drives that hold most members.
destroy()
{
    local paths path row coded open
    STEP="destroying three drives"
    paths=$(sql "SELECT path FROM pocket.drives JOIN pocket.extents USING (drive_id) GROUP BY path ORDER BY count(*) FILTER (WHERE role <> 'replica') DESC, count(*) DESC, path LIMIT 3")
    row=$(sql "SELECT count(*) FILTER (WHERE role <> 'replica'), count(*) FILTER (WHERE role = 'replica') FROM pocket.extents JOIN pocket.drives USING (drive_id) WHERE path = ANY (string_to_array('${paths//$'\n'/|}', '|'))")
    IFS='|' read -r coded open <<<"$row"
    LEFT=("${DRIVES[@]}")
    LOST=()
    while IFS= read -r path; do
        [[ $path == "$PLACE"/drive? ]] || die "a drive is not where it was made: $path"
        rm -rf "$path"
        LOST+=("$(basename "$path")")
    done <<<"$paths"
    ((${#LOST[@]} == 3)) || die "${#LOST[@]} drives hold members, not three"
    for path in "${LOST[@]}"; do
        for i in "${!LEFT[@]}"; do [[ ${LEFT[i]} != "$path" ]] || unset "LEFT[i]"; done
    done
    LEFT=("${LEFT[@]}")
    line destroy "rm -rf ${LOST[*]}: $coded of $(sql "SELECT count(*) FROM pocket.extents WHERE role <> 'replica'") coded members are gone, and $open replicas of open buckets"
}

# Modes (permissions), sizes, times (microseconds) and names of files; names of folders; targets of links.
listing()
{
    (cd "$1" && find . -mindepth 1 \( -type f -printf '%m %s %T@ %P\n' -o -type d -printf 'folder %P\n' -o -type l -printf 'link %P -> %l\n' \)) |
        sed -E 's/^[0-7]*([0-7]{3} [0-9]+ -?[0-9]+\.[0-9]{6})[0-9]*/\1/' | LC_ALL=C sort
}

export_and_compare()
{
    local json began different
    STEP="exporting"
    rm -rf "$PLACE/export"
    json=$("$POCKET" -d "$CONNINFO" --json export demo:/ "$PLACE/export" 2>>"$PLACE/step.log" | tee -a "$PLACE/step.log" | tail -n 1)
    line export "$(count "$(json_field "$json" sent_files)") files, $(mb "$(json_field "$json" sent_bytes)") in $(awk -v s="$(json_field "$json" seconds)" 'BEGIN { printf "%.1f", s }') s$1"
    STEP="comparing the export with $DIR"
    began=$(now_ms)
    quietly diff -r --no-dereference "$DIR" "$PLACE/export"
    listing "$DIR" >"$PLACE/listing.source"
    listing "$PLACE/export" >"$PLACE/listing.export"
    quietly diff "$PLACE/listing.source" "$PLACE/listing.export"
    different=$(diff "$PLACE/listing.source" "$PLACE/listing.export" | wc -l)
    more "compared all $(count "$(wc -l <"$PLACE/listing.export")") names, contents, links, modes and times: $different differences ($(seconds_since "$began"))"
}

repair()
{
    local began problems
    STEP="repairing onto three new drives"
    # the loss is noted while the node still reports it; there is no room yet to repair it
    quietly sql "SELECT * FROM pocket.coordinate()"
    problems=$(sql "SELECT count(*) FROM pocket.verify()")
    line repair "verify() reports $problems problems; three new, empty drives take the places"
    began=$(now_ms)
    sidecar_stop || die "pocketd was not running"
    sidecar_init drive10 drive11 drive12
    DRIVES=("${LEFT[@]}" drive10 drive11 drive12)
    sidecar_start "${DRIVES[@]}"
    sql "SELECT pocket.add_node('$NODE_URL')" >/dev/null
    quietly sql "SELECT pocket.repair()"
    coordinate
    problems=$(sql "SELECT count(*) FROM pocket.verify() WHERE verifier <> 'drive'")
    if [[ $problems != 0 ]]; then
        sql "SELECT * FROM pocket.verify()" >>"$PLACE/step.log"
        die "verify() still reports $problems problems"
    fi
    more "$(sql "SELECT count(*) FILTER (WHERE e.state = 'ok') || ' of ' || count(*) || ' members are whole' FROM pocket.extents e"), verify() finds no damage: $(seconds_since "$began")"
    more "drives now: $(sql "SELECT string_agg(n || ' ' || state, ', ' ORDER BY state DESC) FROM (SELECT state, count(*) AS n FROM pocket.drives GROUP BY state) d")"
}

[[ -d $DIR ]] || die "DIR is not a directory: $DIR"
command -v make >/dev/null || die "make is missing"
make_place
trap 'status=$?; ((status == 0)) || failed' EXIT
trap 'STEP="$STEP (interrupted)"; failed' INT TERM

echo "Pocket, with the files of $DIR"
began_all=$(now_ms)
start_cell
import_files
encode
destroy
export_and_compare ", read around the loss"
repair
rm -rf "$PLACE/export"
line 'done' "in $(seconds_since "$began_all"); server and pocketd are running:"
trap - EXIT INT TERM
echo
echo "    $BINDIR/psql '$CONNINFO'"
echo "    $POCKET -d '$CONNINFO' status"
echo "    make demo-stop"
