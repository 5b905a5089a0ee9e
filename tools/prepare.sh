#!/bin/sh
# Sees to it that what a build needs is there: cargo, a C compiler with its headers (SQLite and AWS-LC are C), perl, and
# npm with the two libraries of the simulator's page. `prepare.sh test` adds what only tests need: Chromium, a PostgreSQL
# server and Microsoft's SDKs.
# As root on Debian or Ubuntu the missing packages are installed; anyone else is shown the command and has to run it.
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }

if ! command -v cargo >/dev/null 2>&1; then
    say "cargo is missing. Nuncio is built with Rust: get it from https://rustup.rs, then run this again."
    exit 1
fi

# An older cargo fails on the manifest with words that do not tell what to do.
need=$(sed -n 's/^rust-version = "\([0-9.]*\)"$/\1/p' Cargo.toml)
have=$(cargo --version | cut -d' ' -f2 | cut -d- -f1)
oldest=$(printf '%s\n%s\n' "$need" "$have" | sort -t. -k1,1n -k2,2n | head -n 1)
if [ "$oldest" != "$need" ]; then
    say "Rust $have is too old: Nuncio needs $need or newer. With rustup: rustup update stable"
    exit 1
fi

# A compiler without the C library's headers is as good as none, so try a program, not only the name.
cc_works() {
    command -v cc >/dev/null 2>&1 || return 1
    scratch=$(mktemp -d)
    printf '#include <stdlib.h>\nint main(void) { return EXIT_SUCCESS; }\n' >"$scratch/try.c"
    works=0
    cc -o "$scratch/try" "$scratch/try.c" >/dev/null 2>&1 || works=1
    rm -rf "$scratch"
    return "$works"
}

has() { command -v "$1" >/dev/null 2>&1; }

# Installs packages, or tells which are missing: $1 is what they are for, the rest are their names.
install_packages() {
    what=$1
    shift
    if ! has apt-get; then
        say "Missing: $what. Install what your system calls: $*"
        return 1
    fi
    if [ "$(id -u)" -ne 0 ]; then
        say "Missing: $what. Install it with:"
        say "  sudo apt-get install -y --no-install-recommends $*"
        return 1
    fi
    say "Installing: $*"
    export DEBIAN_FRONTEND=noninteractive
    # The package lists of a fresh machine are often empty or old: fetch them only when the first try fails.
    apt-get install -y --no-install-recommends "$@" >&2 \
        || { apt-get update >&2 && apt-get install -y --no-install-recommends "$@" >&2; }
}

missing=""
cc_works || missing="$missing gcc libc6-dev"
has perl || missing="$missing perl"
# shellcheck disable=SC2086
[ -z "$missing" ] || install_packages "a C compiler with its headers, or perl" $missing

# The page of the simulator draws cards with Microsoft's library. Without it everything else works, so only tests insist.
page=crates/sim/page
stamp=$page/node_modules/.package-lock.json
libraries() {
    [ ! -e "$stamp" ] || [ "$page/package-lock.json" -nt "$stamp" ] || return 0
    if ! has node || ! has npm; then
        install_packages "nodejs and npm, for the simulator's page" nodejs npm || return 1
    fi
    say "Getting the libraries of the simulator's page (npm ci in $page)"
    log=$(mktemp)
    if npm ci --prefix "$page" --omit=optional --no-audit --no-fund --loglevel=error >"$log" 2>&1; then
        # npm keeps the time of an unchanged file; the next run compares it.
        touch "$stamp"
        rm -f "$log"
        return 0
    fi
    cat "$log" >&2
    rm -f "$log"
    say "npm ci failed in $page; its words are above."
    return 1
}

for_tests=${1:-}
if ! libraries; then
    [ "$for_tests" != test ] || exit 1
    say "Going on without them: the simulator's page shows cards as JSON until tools/prepare.sh succeeds."
fi
if [ "$for_tests" = test ] && ! has chromium; then
    install_packages "chromium, in which the simulator's page is tested" chromium || exit 1
fi
# A PostgreSQL server: the tests start one of their own. Debian would make and start another one beside it.
has_postgres() {
    has initdb || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1
}
if [ "$for_tests" = test ] && ! has_postgres; then
    if has apt-get && [ "$(id -u)" -eq 0 ]; then
        install_packages "PostgreSQL's tools" postgresql-common || exit 1
        printf 'create_main_cluster = false\n' >>/etc/postgresql-common/createcluster.conf
    fi
    install_packages "a PostgreSQL server (14 or newer), for the tests of the store" postgresql || exit 1
fi
# Microsoft's SDKs, which judge the simulator.
[ "$for_tests" != test ] || judges/prepare.sh
