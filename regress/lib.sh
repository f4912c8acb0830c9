# shellcheck shell=bash disable=SC2016,SC2034
# Shell functions for the demo and the benchmark (and the stage for `make check`): a private copy of PostgreSQL with Pocket
# installed into it, a server and a sidecar of its own, on Unix sockets. Nothing outside the directory that is given is
# touched. To be sourced by bash scripts that set -euo pipefail.
#
#	stage_make DIR			a relocated server with Pocket in DIR; sets STAGE, BINDIR
#	server_init DIR CONF	initdb in DIR/data, sockets in DIR; sets HOME_DIR; CONF is appended to postgresql.conf
#	server_start, server_stop, sql [psql options] QUERY
#	coordinate				passes until nothing is left to do
#	sidecar_init NAME ...	formats DIR/NAME as drives
#	sidecar_start NAME ..., sidecar_stop		on a Unix socket, or at SIDECAR_URL (http://127.0.0.1:PORT)

PG_CONFIG=${PG_CONFIG:-pg_config}

# A make that calls us must not hand its options and job slots to those that we call.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES

die()
{
    echo "FAILED: $*" >&2
    exit 1
}

# Who runs servers: PostgreSQL refuses root.
if ((EUID == 0)); then
    RUN_USER=$(id -un postgres 2>/dev/null || echo nobody)
    AS_USER=(setpriv "--reuid=$RUN_USER" "--regid=$(id -g "$RUN_USER")" --init-groups --)
else
    RUN_USER=$(id -un)
    AS_USER=()
fi

as_user()
{
    "${AS_USER[@]}" "$@"
}

# The server finds its files relative to its binary, so a copy of its two directories is a server.
stage_make()
{
    local dir=$1 bindir sharedir pkglibdir
    bindir=$("$PG_CONFIG" --bindir)
    sharedir=$("$PG_CONFIG" --sharedir)
    pkglibdir=$("$PG_CONFIG" --pkglibdir)
    mkdir -p "$dir$bindir" "$dir$sharedir" "$dir$pkglibdir"
    cp -a "$bindir/." "$dir$bindir/"
    cp -a "$sharedir/." "$dir$sharedir/"
    cp -a "$pkglibdir/." "$dir$pkglibdir/"
    make -s install DESTDIR="$dir" PREFIX=/usr PG_CONFIG="$PG_CONFIG"
    STAGE=$dir
    BINDIR=$dir$bindir
    POCKET=$dir/usr/bin/pocket
    POCKETD=$dir/usr/bin/pocketd
}

# Names what a stage that was made before holds.
stage_use()
{
    STAGE=$1
    BINDIR=$1$("$PG_CONFIG" --bindir)
    POCKET=$1/usr/bin/pocket
    POCKETD=$1/usr/bin/pocketd
}

server_init()
{
    HOME_DIR=$1
    as_user "$BINDIR/initdb" -D "$HOME_DIR/data" -A trust -U postgres --locale=C.UTF-8 -E UTF8 >"$HOME_DIR/initdb.log" 2>&1 ||
        { tail -n 20 "$HOME_DIR/initdb.log" >&2; die "initdb"; }
    {
        echo "listen_addresses = ''"
        echo "unix_socket_directories = '$HOME_DIR'"
        echo "unix_socket_permissions = 0777"
        echo "cluster_name = 'pocket'"
        printf '%s\n' "$2"
    } | as_user tee -a "$HOME_DIR/data/postgresql.conf" >/dev/null
}

server_start()
{
    as_user "$BINDIR/pg_ctl" -D "$HOME_DIR/data" -l "$HOME_DIR/server.log" -w -t 60 start >/dev/null 3>&- ||
        { tail -n 20 "$HOME_DIR/server.log" >&2; die "the server does not start"; }
    CONNINFO="host=$HOME_DIR user=postgres dbname=postgres"
}

# Fast; returns false when it was not running.
server_stop()
{
    [[ -e $HOME_DIR/data/postmaster.pid ]] || return 1
    as_user "$BINDIR/pg_ctl" -D "$HOME_DIR/data" -m fast -w -t 60 stop >/dev/null
}

# One query, its result without decoration.
sql()
{
    "$BINDIR/psql" -X -q -A -t -v ON_ERROR_STOP=1 -d "$CONNINFO" -c "$@"
}

# Passes of the coordinator until a pass has nothing done and nothing left.
coordinate()
{
    local busy
    for ((i = 0; i < 100; i++)); do
        busy=$(sql "SELECT coalesce(sum(done) FILTER (WHERE duty NOT IN ('check', 'scrub')), 0) + coalesce(sum(remaining) FILTER (WHERE duty <> 'scrub'), 0) FROM pocket.coordinate()")
        [[ $busy != 0 ]] || return 0
    done
    die "the coordinator does not come to an end"
}

sidecar_init()
{
    local name options=()
    if [[ ! -e $HOME_DIR/keys ]]; then
        as_user sh -c 'umask 077; "$1" keygen >"$2"' sh "$POCKETD" "$HOME_DIR/keys"
    fi
    for name in "$@"; do
        as_user mkdir -p "$HOME_DIR/$name"
        options+=(--drive "$HOME_DIR/$name")
    done
    as_user touch "$HOME_DIR/pocketd.log"
    as_user "$POCKETD" init "${options[@]}" >>"$HOME_DIR/pocketd.log" 2>&1 ||
        { tail -n 20 "$HOME_DIR/pocketd.log" >&2; die "pocketd init"; }
}

# Starts one sidecar on the drives that are named, and waits until it answers.
sidecar_start()
{
    local name options=() reach=()
    for name in "$@"; do options+=(--drive "$HOME_DIR/$name"); done
    NODE_URL=${SIDECAR_URL:-unix:$HOME_DIR/pocketd.sock}
    [[ $NODE_URL == http:* ]] || reach=(--unix-socket "$HOME_DIR/pocketd.sock")
    rm -f "$HOME_DIR/pocketd.sock"
    # the shell writes its pid and becomes pocketd, whoever it runs as; nothing of ours stays open in it
    "${AS_USER[@]}" sh -c 'log=$1; pid=$2; shift 2; echo $$ >"$pid"; exec "$@" >>"$log" 2>&1' sh \
        "$HOME_DIR/pocketd.log" "$HOME_DIR/pocketd.pid" \
        setsid "$POCKETD" run --listen "${NODE_URL#http://}" --keys "$HOME_DIR/keys" "${options[@]}" </dev/null >/dev/null 2>&1 3>&- &
    disown
    for ((i = 0; i < 200; i++)); do
        curl -s -f -o /dev/null --noproxy '*' --max-time 2 "${reach[@]}" "${SIDECAR_URL:-http://localhost}/healthz" && return 0
        sleep 0.05
    done
    tail -n 20 "$HOME_DIR/pocketd.log" >&2
    die "pocketd does not answer"
}

# Whether the process of the pid file is our pocketd: a pid alone may be somebody else's by now.
sidecar_running()
{
    local pid program
    pid=$(cat "$HOME_DIR/pocketd.pid" 2>/dev/null) || return 1
    # not /proc/PID/exe: pocketd cannot be dumped, so only root may follow that
    { IFS= read -r -d '' program <"/proc/$pid/cmdline"; } 2>/dev/null && [[ $(readlink -f "$program") == "$(readlink -f "$POCKETD")" ]]
}

sidecar_stop()
{
    local pid
    sidecar_running || return 1
    pid=$(cat "$HOME_DIR/pocketd.pid")
    kill -TERM "$pid"
    for ((i = 0; i < 300; i++)); do
        sidecar_running || { rm -f "$HOME_DIR/pocketd.pid"; return 0; }
        sleep 0.1
    done
    die "pocketd (pid $pid) does not stop"
}
