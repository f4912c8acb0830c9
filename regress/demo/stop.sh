#!/usr/bin/env bash
# Stops what `make demo` left running. Its files stay until the next demo.
set -euo pipefail
cd "$(dirname "$0")/../.."
source regress/lib.sh
source regress/demo/place.sh

if [[ ! -e $PLACE ]]; then
    echo "no demo in $PLACE"
    exit 0
fi
place_is_ours || die "$PLACE was not made by the demo"
HOME_DIR=$PLACE
stage_use "$PLACE/stage"
server_stop && echo "server stopped" || echo "the server was not running"
sidecar_stop && echo "pocketd stopped" || echo "pocketd was not running"
echo "files are left in $PLACE (rm -rf it, or the next demo does)"
