#!/usr/bin/env bash
# Joins this node to a running cluster: cluster/worker.sh HEAD:6379. Further arguments go to `ray start`.
set -euo pipefail
address="${1:?usage: cluster/worker.sh HEAD:PORT [ray start options]}"
shift
PATH="$(cd "$(dirname "$0")/.." && pwd)/.venv/bin:$PATH"
exec ray start --address "$address" --disable-usage-stats "$@"
