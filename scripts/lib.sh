# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# lib.sh: what scripts/run and scripts/test share: the packages of Debian 12 and 13, a Redis without a service, builds.
#
# 1. Nothing is installed that is there already, and sudo is asked for only if something is missing.
# 2. No service is started or enabled, and no file outside the tree is written but by apt.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD

say() {
        printf '%s\n' "$*" >&2
}

die() {
        say "error: $*"
        exit 1
}

# need PACKAGE…: installs the missing ones.
need() {
        local package missing=() as_root=()
        command -v apt-get >/dev/null || { say "There is no apt-get here; these packages of Debian are taken to be there: $*"; return; }
        for package; do
                [ "$(dpkg-query -Wf '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
        done
        [ ${#missing[@]} -gt 0 ] || return 0
        if [ "$(id -u)" -ne 0 ]; then
                command -v sudo >/dev/null || die "as root, run: apt-get update && apt-get install --no-install-recommends ${missing[*]}"
                as_root=(sudo)
        fi
        say "Installing ${missing[*]}"
        if [ -z "$(find .cache/apt-updated -mmin -60 2>/dev/null)" ]; then
                "${as_root[@]}" apt-get -qq update >&2
                mkdir -p .cache
                touch .cache/apt-updated
        fi
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 install --no-install-recommends "${missing[@]}" >/dev/null
}

# What it takes to compile, and to run the unit tests.
need_build() {
        need gcc libc6-dev meson ninja-build pkg-config python3 libwebsockets-dev libwebsockets-evlib-uv libuv1-dev libhiredis-dev \
                liblua5.1-0-dev libssl-dev libcurl4-openssl-dev libjansson-dev libinih-dev libcmocka-dev uthash-dev libsqlite3-dev tzdata
}

# A redis-server in PATH. Debian's package of that name would start a service on port 6379, now and at each boot, and nothing but
# undoing it afterwards would help. But the program itself comes with redis-tools, under the name redis-check-rdb: it looks
# at how it was called, and /usr/bin/redis-server is only a link to it. So we make that link in our own folder.
need_redis() {
        if ! command -v redis-server >/dev/null; then
                need redis-tools
                mkdir -p .cache/bin
                ln -sfn "$(command -v redis-check-rdb)" .cache/bin/redis-server
                export PATH="$root/.cache/bin:$PATH"
        fi
        redis-server --version | grep -Eq 'v=([7-9]|[1-9][0-9])\.' || die "Redis 7.0 or later is needed, not: $(redis-server --version)"
}

# Node 18 or later, and the pinned packages of tests/.
need_node() {
        local major
        major=$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)
        [ "$major" -ge 18 ] || need nodejs
        if [ ! -e tests/node_modules/.package-lock.json ] || [ tests/package-lock.json -nt tests/node_modules/.package-lock.json ]; then
                command -v npm >/dev/null || need npm ca-certificates
                npm ci --prefix tests --no-audit --no-fund >&2
                touch tests/node_modules/.package-lock.json
        fi
}

need_chromium() {
        command -v chromium >/dev/null || command -v google-chrome >/dev/null || need chromium
}

# configure FOLDER COMPILER [OPTION…]: once; what changes in the tree later, ninja sees by itself.
configure() {
        local folder=$1 compiler=$2 output
        shift 2
        [ ! -e "$folder/build.ninja" ] || return 0
        output=$(CC=$compiler meson setup "$folder" "$@" 2>&1) || die "$output"
}
