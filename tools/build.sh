#!/usr/bin/env bash
# Builds the binary. All of it goes to stderr, so that stdout belongs to what is run afterwards.
# On a terminal cargo shows its own progress; elsewhere a line per crate would drown a log, so every 25th is shown.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -t 2 ]; then
    exec cargo build -p nuncio >&2
fi

cargo build -p nuncio 2>&1 | awk '
    /^ *(Compiling|Downloaded) / { if (++n % 25 == 0) { print "  building: " n " crates so far"; fflush() } next }
    /^ *(Downloading|Locking|Adding|Updating|Blocking) / { next }
    { print; fflush() }
' >&2
