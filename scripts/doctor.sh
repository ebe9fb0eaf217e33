#!/usr/bin/env bash
# Is everything in place to trade? Says what it looked at, what it found and what to do about it.
# scripts/doctor.sh [--offline] [--help]
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
"$root/scripts/setup.sh"
exec "$root/.venv/bin/python" -m hummingbot_backpack --instance "${HBOT_PREFIX:-$root/instance}" doctor "$@"
