#!/usr/bin/env bash
# The main job: pure market making with Hummingbot on a local Backpack, live in the terminal, checked at the end.
# scripts/start.sh [--minutes N] [--help]
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
"$root/scripts/setup.sh"
exec "$root/.venv/bin/python" -m hummingbot_backpack --instance "${HBOT_PREFIX:-$root/instance}" practice "$@"
