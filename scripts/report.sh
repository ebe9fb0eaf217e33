#!/usr/bin/env bash
# What happened in a session: a page (HTML) and a picture (PNG), by default of the newest one.
# scripts/report.sh [DATABASE] [--help]
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
"$root/scripts/setup.sh"
exec "$root/.venv/bin/python" -m hummingbot_backpack --instance "${HBOT_PREFIX:-$root/instance}" report "$@"
