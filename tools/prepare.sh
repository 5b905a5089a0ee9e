#!/bin/sh
# Sees to it that what a build needs is there: cargo, a C compiler with its headers (SQLite and AWS-LC are C) and perl.
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

missing=""
cc_works || missing="$missing gcc libc6-dev"
command -v perl >/dev/null 2>&1 || missing="$missing perl"
[ -z "$missing" ] && exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    say "Missing: a C compiler with its headers, or perl. Install what your system calls:$missing"
    exit 1
fi

install="apt-get install -y --no-install-recommends$missing"
if [ "$(id -u)" -ne 0 ]; then
    say "Missing packages:$missing. Install them with:"
    say "  sudo $install"
    exit 1
fi

say "Installing:$missing"
export DEBIAN_FRONTEND=noninteractive
# The package lists of a fresh machine are often empty or old: fetch them only when the first try fails.
# shellcheck disable=SC2086
$install >&2 || { apt-get update >&2 && $install >&2; }
