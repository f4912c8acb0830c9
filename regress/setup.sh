#!/usr/bin/env bash
# Installs the Debian packages that building and testing need, when run as root; otherwise prints the one line that would.
# Says nothing when all are there.
set -euo pipefail

PG_MAJOR=${PG_MAJOR:-15}
packages=(
    gcc make perl diffutils curl
    clang clang-format libclang-rt-14-dev
    "postgresql-$PG_MAJOR" "postgresql-server-dev-$PG_MAJOR" libpq-dev libipc-run-perl
    sqlsmith
    libcurl4-openssl-dev libmicrohttpd-dev libisal-dev libssl-dev libzstd-dev libjansson-dev libcmocka-dev
)

missing=()
for package in "${packages[@]}"; do
    status=$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null || true)
    [[ $status == ii* ]] || missing+=("$package")
done
((${#missing[@]})) || exit 0

if ((EUID != 0)); then
    echo "These packages are missing; as root, run:" >&2
    echo "    apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
fi

# Debian's package would make and start a cluster "main": not ours to make.
if [[ ! -e /etc/postgresql-common/createcluster.conf ]]; then
    mkdir -p /etc/postgresql-common
    echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
fi
echo "installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq >&2
apt-get install -y -qq --no-install-recommends -o Dpkg::Options::=--force-confold "${missing[@]}" >&2
