"""Starts `python -m tuner.training` under torchrun and reads its reports."""

import json
import os
import subprocess
import sys
from pathlib import Path


def train(
    experiment: Path, out: Path, *, num_ranks: int = 1, arguments: tuple[str, ...] = (), check: bool = True
) -> list[dict]:
    """The reports of one training, as `num_ranks` processes."""
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(num_ranks)),
        *("-m", "tuner.training", "--experiment", str(experiment), "--out", str(out), "--device", "cpu"),
        *arguments,
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=280)
    if check and process.returncode:
        raise AssertionError(process.stderr[-4000:])
    return [json.loads(line) for line in process.stdout.splitlines() if line.startswith("{")]
