# shellcheck shell=bash
# How the benchmark's figures are taken and printed. To be sourced.
declare -A figure
take() { local name value; while read -r name value; do figure[$name]=$value; done <<<"$1"; }

mbs() { awk -v v="$1" 'BEGIN { if (v >= 1e10) printf "%.1f GB/s", v / 1e9; else if (v >= 1e9) printf "%.2f GB/s", v / 1e9; else printf "%.0f MB/s", v / 1e6 }'; }
files() { awk -v v="$1" 'BEGIN { printf "%.0f files/s", v }'; }
each() { awk -v v="$1" -v what="$2" 'BEGIN { printf "%.0f %s/s", v, what }'; }
row() { printf '%-38s %14s   %-34s %14s   %6s\n' "$1" "$2" "$3" "$4" "${5:-}"; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { if (b > 0) printf "%.2f", a / b; else printf "-" }'; }
