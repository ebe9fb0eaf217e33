#!/usr/bin/env bash
# Sets up, then runs ruff, mypy and the tests. Further arguments go to pytest: scripts/test.sh -k sequencer
# scripts/test.sh --all also runs the slow tests (fresh installs, end to end), as CI does.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh
marked="not slow and not live"
if [[ ${1:-} == --all ]]; then
    marked="not live"
    shift
fi
.venv/bin/ruff check .
.venv/bin/mypy
exec .venv/bin/python -m pytest -m "$marked" "$@"
