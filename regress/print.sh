# shellcheck shell=bash
# How the demo and the drill print what they did and measured. To be sourced.
line() { printf '  %-10s %s\n' "$1" "$2"; }
more() { line '' "$1"; }
now_ms() { echo $(($(date +%s%N) / 1000000)); }
seconds_since() { awk -v a="$1" -v b="$(now_ms)" 'BEGIN { printf "%.1f s", (b - a) / 1000 }'; }
count() { sed -E ':a; s/^([0-9]+)([0-9]{3})/\1,\2/; ta' <<<"$1"; }
plural() { if (($1 == 1)); then echo "$(count "$1") $2"; else echo "$(count "$1") $2s"; fi; }
mb() { awk -v b="$1" 'BEGIN { if (b < 1e6) printf "%.1f kB", b / 1e3; else if (b < 1e9) printf "%.1f MB", b / 1e6; else printf "%.2f GB", b / 1e9 }'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { if (b > 0) printf "%.2f", a / b; else printf "-" }'; }
json_field() { sed -n 's/.*"'"$2"'":\([-0-9.e]*\).*/\1/p' <<<"$1"; }
