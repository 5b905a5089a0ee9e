#!/bin/sh
# Sees to it that what the judges need is there: Node.js, Python and the SDKs, in the versions of the lock files.
# Quick and quiet when nothing is to do. Packages of the system are installed as root; anyone else is told the command.
set -eu
cd "$(dirname "$0")"

say() { printf '%s\n' "$*" >&2; }

missing=""
command -v node >/dev/null 2>&1 || missing="$missing nodejs"
command -v npm >/dev/null 2>&1 || missing="$missing npm"
python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || missing="$missing python3 python3-venv"
command -v ip >/dev/null 2>&1 || missing="$missing iproute2"
command -v unshare >/dev/null 2>&1 || missing="$missing util-linux"
if [ -n "$missing" ]; then
    if ! command -v apt-get >/dev/null 2>&1 || [ "$(id -u)" -ne 0 ]; then
        say "The judges need more packages. On Debian or Ubuntu:"
        say "  sudo apt-get install -y --no-install-recommends$missing"
        exit 1
    fi
    say "Installing:$missing"
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086
    apt-get install -y --no-install-recommends $missing >&2 \
        || { apt-get update >&2 && apt-get install -y --no-install-recommends $missing >&2; }
fi

major=$(node -p 'process.versions.node.split(".")[0]')
if [ "$major" -lt 20 ]; then
    say "Node.js $(node --version) is too old for Microsoft's SDKs: they need 20 or newer."
    exit 1
fi

# A copy of the lock file beside the packages says which ones they are; the tests look at it, too.
if ! cmp -s node/package-lock.json node/node_modules/.installed; then
    say "Installing the SDKs for Node.js (npm ci in judges/node)"
    npm ci --prefix node --loglevel=error >&2
    cp node/package-lock.json node/node_modules/.installed
fi
if ! cmp -s python/requirements.txt python/venv/.installed; then
    say "Installing the SDKs for Python (pip install in judges/python/venv)"
    python3 -m venv --clear python/venv
    python/venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r python/requirements.txt >&2
    cp python/requirements.txt python/venv/.installed
fi
