# shellcheck shell=bash
# Where the demo lives. To be sourced after lib.sh; sets PLACE, MARK.
PLACE=${POCKET_DEMO:-/tmp/pocket-demo-$(id -un)}
MARK=$PLACE/.pocket-demo

[[ $PLACE == /* ]] || die "POCKET_DEMO must be an absolute path, not $PLACE"
((${#PLACE} <= 80)) || die "POCKET_DEMO is too long for a Unix socket in it: $PLACE"

# Only what the demo made is ever touched: a directory with its mark, owned by whom its servers run as.
place_is_ours()
{
    [[ -d $PLACE && ! -L $PLACE && -f $MARK && ! -L $MARK && $(stat -c %U "$PLACE") == "$RUN_USER" ]]
}

place_is_running()
{
    HOME_DIR=$PLACE
    stage_use "$PLACE/stage"
    sidecar_running || as_user "$BINDIR/pg_ctl" -D "$PLACE/data" status >/dev/null 2>&1
}
