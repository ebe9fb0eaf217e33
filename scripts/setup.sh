#!/usr/bin/env bash
# Sets everything up in .venv: a tested Hummingbot, its pinned dependencies, this plugin, the tools of the tests.
# Safe to run again: it does only what is missing. PYTHON=/path/to/python chooses the interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."

HUMMINGBOT=20260922
PINS=requirements/hummingbot-$HUMMINGBOT.txt
VENV=.venv
LOG=$VENV/setup.log

fail() {
    printf '\nSet-up stopped: %s\n' "$1" >&2
    exit 1
}

# Prints a step and how long it took; its output goes to the log, of which the end is shown if it fails.
step() {
    local what=$1 when_it_fails=$2 began=$SECONDS
    shift 2
    printf '  %-52s' "$what"
    if ! "$@" >>"$LOG" 2>&1 </dev/null; then
        printf 'failed\n\n' && tail -n 15 "$LOG" >&2
        fail "$when_it_fails (everything it printed: $LOG)"
    fi
    printf '%4d s\n' $((SECONDS - began))
}

usable() { # an interpreter that runs, of a supported version, that can make environments
    "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] not in ((3, 12), (3, 11)))' 2>/dev/null
}

find_python() {
    if [[ -n ${PYTHON:-} ]]; then
        usable "$PYTHON" || fail "PYTHON=$PYTHON is not a Python 3.12 or 3.11 with the venv module."
        echo "$PYTHON"
        return
    fi
    local version candidate
    for version in 3.12 3.11; do # 3.12 is the reference
        for candidate in "python$version" python3 \
            "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/python \
            "$HOME/.local/share/uv/python/cpython-$version".*/bin/python3 \
            "/opt/homebrew/bin/python$version" "/usr/local/bin/python$version"; do
            if usable "$candidate" && [[ $("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])') == "$version" ]]; then
                "$candidate" -c 'import sys; print(sys.executable)'
                return
            fi
        done
    done
    fail "no Python 3.12 or 3.11 with the venv module was found (looked in PATH, pyenv and uv).
Install one, for instance: apt-get install python3.12-venv, brew install python@3.12, uv python install 3.12,
pyenv install 3.12; or name it: PYTHON=/path/to/python3.12 $0"
}

install() { "$VENV/bin/python" -m pip install --disable-pip-version-check --no-input --no-deps "$@"; }

install_dependencies() { install -r <(grep -v '^hummingbot==' "$PINS"); }

# Where PyPI has no wheel for this system, 60 C++ extensions are compiled: on all cores, and without the costly
# optimisations (a third of the time; CXXFLAGS=-O3 for those who measure).
install_hummingbot() {
    local config
    config=$(mktemp)
    printf '[build_ext]\nparallel = %d\n' "$(getconf _NPROCESSORS_ONLN)" >"$config"
    DIST_EXTRA_CONFIG=$config CXXFLAGS=${CXXFLAGS:--O1 -g0} install "hummingbot==$HUMMINGBOT"
    rm -f "$config"
}

# What the environment was made from; if nothing of it changed, nothing is to be done.
fingerprint() { cat scripts/setup.sh requirements/*.txt setup.py pyproject.toml | cksum; }

if [[ -f $VENV/set-up-from && $(cat "$VENV/set-up-from") == "$(fingerprint)" ]] && "$VENV/bin/python" -c '' 2>/dev/null; then
    exit 0
fi

python=$(find_python)
echo "Setting up Hummingbot $HUMMINGBOT with the Backpack connector in $PWD/$VENV, using $python"
if ! "$VENV/bin/python" -c '' 2>/dev/null; then
    "$python" -m venv --clear "$VENV" || fail "the virtual environment could not be made."
fi
: >"$LOG"
network="a package could not be installed; is there a network (PyPI)? Run it again, it goes on where it was"
compiler="Hummingbot could not be installed; where it must be compiled, it needs a C++ compiler
(Debian, Ubuntu: apt-get install build-essential python3-dev; macOS: xcode-select --install)"
step "dependencies ($(grep -c == "$PINS") pinned packages)" "$network" install_dependencies
step "Hummingbot $HUMMINGBOT (may compile for some minutes)" "$compiler" install_hummingbot
step "matplotlib, for session reports" "$network" install -r requirements/report.txt
step "tools for tests and checks" "$network" install -r requirements/test.txt
step "the Backpack plugin, editable" "the plugin could not be installed" install --no-build-isolation --editable .
fingerprint >"$VENV/set-up-from"
echo "Set up in $SECONDS s."
