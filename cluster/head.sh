#!/usr/bin/env bash
# Starts the head of a Ray cluster on this node, with its job server on port 8265:
#
#   cluster/head.sh                                   # then, on every other node: cluster/worker.sh HEAD:6379
#   cluster/head.sh --dashboard-host 0.0.0.0          # accept jobs from other machines (a trusted network only)
#
# Further arguments go to `ray start`. `ray stop` ends what runs on a node.
set -euo pipefail
PATH="$(cd "$(dirname "$0")/.." && pwd)/.venv/bin:$PATH" # jobs run with the `python` that is found here
exec ray start --head --disable-usage-stats --include-dashboard=true "$@"
