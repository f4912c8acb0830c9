#!/usr/bin/env bash
# Every test, on a build of each kind, against servers and sidecars that it starts itself. Ends with "N passed, N failed".
# `check.sh long` runs the longer suites too.
set -euo pipefail
cd "$(dirname "$0")/.."
top=$PWD
long=${1:-}
PG_CONFIG=${PG_CONFIG:-pg_config}
bindir=$("$PG_CONFIG" --bindir)
testlib=$(dirname "$("$PG_CONFIG" --pgxs)")/../test

step() { printf '%s  %s\n' "$(date +%H:%M:%S)" "$*"; }

work=$(mktemp -d "${TMPDIR:-/tmp}/pocket-check.XXXXXX")
small=
small2=
finish()
{
    [[ -z $small ]] || umount "$small" || true
    [[ -z $small2 ]] || umount "$small2" || true
    rm -rf "$work"
}
trap finish EXIT
chmod 755 "$work"

# Quietly, but with everything that it said when it fails.
quietly()
{
    "$@" >"$work/build.log" 2>&1 || { tail -n 60 "$work/build.log"; echo "0 passed, 1 failed"; exit 1; }
}

step "building: gcc, then clang, then with sanitizers"
jobs=-j$(nproc)
quietly make "$jobs" PG_CONFIG="$PG_CONFIG" all
thorough=(.build/release/regress/unit/store/test_crash .build/release/regress/unit/volume/test_damage .build/release/regress/unit/volume/test_nth)
quietly make "$jobs" -f sidecar/Makefile "${thorough[@]}"
quietly make "$jobs" -f sidecar/Makefile VARIANT=clang sidecar unit
quietly clang -fsyntax-only -std=gnu11 -Wall -Wextra -Werror -Wno-unused-parameter -Wno-ignored-attributes -Iextension \
    -I"$("$PG_CONFIG" --includedir-server)" extension/*.c extension/*/*.c
quietly make "$jobs" -f sidecar/Makefile VARIANT=asan sidecar unit fuzz
quietly make "$jobs" -f sidecar/Makefile VARIANT=tsan sidecar unit

# The tests run as somebody who may do nothing else: PostgreSQL refuses root, and so it is seen that none of this needs it.
step "staging a private copy of the server"
source regress/lib.sh
stage_make "$work/stage"
cp -r regress "$work/regress"
mkdir -p "$work/bin" "$work/results" "$work/tmp"
for variant in asan tsan release; do
    mkdir -p "$work/.build/$variant"
    cp -r ".build/$variant/regress" "$work/.build/$variant/" 2>/dev/null || true
    cp ".build/$variant/pocketd" ".build/$variant/pocket" "$work/.build/$variant/"
done
run_as=()
if ((EUID == 0)); then
    user=$(id -un postgres 2>/dev/null || echo nobody)
    chown -R "$user" "$work"
    run_as=(runuser -u "$user" --)
    # Drives that get full, each for one test; only root can make them.
    mkdir "$work/small" "$work/small2"
    if mount -t tmpfs -o size=24m,mode=777 tmpfs "$work/small" 2>/dev/null; then small=$work/small; fi
    if mount -t tmpfs -o size=24m,mode=777 tmpfs "$work/small2" 2>/dev/null; then small2=$work/small2; fi
fi

units=() ; while IFS= read -r file; do units+=("$file"); done < <(cd "$work" && find .build/asan/regress/unit .build/tsan/regress/unit -type f -name 'test_*' ! -name '*.*' | sort)
# Those that look at thousands of crashes and damages look at most of them where it costs least.
units+=("${thorough[@]}")
taps=() ; while IFS= read -r file; do taps+=("$file"); done < <(cd "$work" && ls regress/t/*.pl)
[[ $long == long ]] && taps+=($(cd "$work" && ls regress/t/long/*.pl 2>/dev/null || true))

# What tests are told by variables: how many crashes, kills and damages, and their seeds.
told=() ; for name in ${!POCKET_@}; do told+=("$name=${!name}"); done

step "running"
{
    perl regress/run.pl regress/layout.pl || true
    cd "$work"
    "${run_as[@]}" env -i HOME="$work/tmp" LANG=C.UTF-8 TMPDIR="$work/tmp" TESTDIR="$work/tmp" TOP="$work" \
        PATH="$work/stage$bindir:$work/.build/release:/usr/bin:/bin" \
        PERL5LIB="$work/regress/t:$testlib/perl" PG_REGRESS="$testlib/regress/pg_regress" PG_ISOLATION_REGRESS="$testlib/isolation/pg_isolation_regress" \
        POCKETD="$work/.build/asan/pocketd" POCKET="$work/.build/asan/pocket" POCKETD_RELEASE="$work/.build/release/pocketd" SMALL_FS="$small" SMALL_FS_TWO="$small2" \
        CMOCKA_MESSAGE_OUTPUT=TAP ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:exitcode=86 UBSAN_OPTIONS=print_stacktrace=1 \
        TSAN_OPTIONS="halt_on_error=1 second_deadlock_stack=1" \
        "${told[@]}" perl regress/run.pl --jobs "$(nproc)" "${taps[@]}" "${units[@]}" || true
    cd "$top"
} | tee "$work/output"

# One closing line for all.
awk '/^[0-9]+ passed, [0-9]+ failed/ { p += $1; f += $3; runs++ } END { if (runs != 2) f++; printf "%d passed, %d failed\n", p, f; exit f > 0 || p == 0 }' "$work/output"
