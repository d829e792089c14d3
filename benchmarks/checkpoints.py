"""How long training stands still for a checkpoint: DeepSpeed's `save_checkpoint` against `tuner`'s.

    python benchmarks/checkpoints.py [--rounds 5]     # writes results/benchmarks/checkpoints.md

One network, AdamW, fp32, ZeRO stage 1, one thread a rank. `torchrun` starts the ranks once for each number of
them; there the same engine is saved in both ways in turn, with steps of training in between, so that a slow
moment of the machine hits both alike. DeepSpeed's own way returns when its files are written, without an
fsync; `tuner`'s when the state is copied in memory, and then it writes, fsyncs and checksums beside the
steps. The next round waits for the end of the writing, which is measured too.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from _table import write_table

NUM_RANKS = (1, 2)
ROUNDS = 5
MODEL = {"type": "mlp", "width": 2560, "depth": 4}
BATCH_SIZE = 128
SEED = 0


@dataclass(frozen=True)
class Round:
    """Seconds of one round, on rank 0."""

    deepspeed: float
    """training stands still, DeepSpeed's way"""
    tuner: float
    """training stands still, ours"""
    step_alone: float
    step_beside: float
    """of training while the checkpoint is written"""
    written: float
    """from the start of ours until the checkpoint has its name"""


def experiment() -> dict[str, Any]:
    return {
        "name": "checkpoints",
        "task": "image_classification",
        "data": {"source": {"type": "sklearn", "name": "digits"}},
        "model": MODEL,
        "train": {
            "epochs": 10_000,
            "batch_size": BATCH_SIZE,
            "optimizer": {"type": "adamw", "lr": 1e-4},
            "precision": "fp32",
            "zero": {"stage": 1},
            "seed": SEED,
        },
        "search": {"metric": "val/loss"},
        "resources": {"workers": 2},
    }


# --- on a rank -----------------------------------------------------------------------------------------


def run_rank(folder: Path, num_rounds: int) -> None:
    """Prints the rounds as JSON, on rank 0."""
    from tuner.data import prepare
    from tuner.spec import Experiment
    from tuner.spec.sections import RecoverySpec
    from tuner.training.deepspeed_training import DeepSpeedTraining
    from tuner.training.job import TrialJob
    from tuner.training.ranks import Ranks, join, leave
    from tuner.training.report import Objective

    ranks = Ranks.from_environment("cpu")
    join(ranks, threads=1)
    spec = Experiment.from_dict(experiment()).resolve({})
    job = TrialJob(
        number=0,
        params={},
        objective=Objective("val/loss", "min"),
        folder=folder / "trial",
        recovery=RecoverySpec(checkpoint_seconds=1e9, keep_last=1),
        spec=spec,
        store=prepare(spec.data, spec.task, folder / "store").path,
    )
    training = DeepSpeedTraining(job, ranks)
    rounds = [run_round(training, folder / "deepspeed") for _ in range(num_rounds + 1)][1:]
    if ranks.is_first:
        num_parameters = training._num_parameters
        print(json.dumps({"parameters": num_parameters, "rounds": [asdict(one) for one in rounds]}))
    training.close()
    leave()


def run_round(training: Any, folder: Path) -> Round:
    from deepspeed.runtime.checkpoint_engine import TorchCheckpointEngine

    engine = training._engine
    alone = timed(lambda: train(training))
    ours, engine.checkpoint_engine = engine.checkpoint_engine, TorchCheckpointEngine()
    deepspeed = timed(lambda: engine.save_checkpoint(str(folder), tag="state"))
    engine.checkpoint_engine = ours
    train(training)
    started = perf_counter()
    tuner = timed(lambda: training.save(wait=False))
    beside = timed(lambda: train(training))
    training._keeper.close()
    return Round(deepspeed, tuner, alone / STEPS, beside / STEPS, perf_counter() - started)


STEPS = 2


def train(training: Any) -> None:
    for micro_batches in list(training._batches.epoch(0))[:STEPS]:
        training._train_batch(micro_batches, is_last=False)


def timed(call: Any) -> float:
    """Seconds of `call`, begun by all ranks together."""
    import torch

    torch.distributed.barrier()
    started = perf_counter()
    call()
    torch.distributed.barrier()
    return perf_counter() - started


# --- measuring -----------------------------------------------------------------------------------------


def measure(num_ranks: int, num_rounds: int) -> tuple[int, list[Round]]:
    """Parameters of the network, and the rounds; in fresh processes."""
    with tempfile.TemporaryDirectory(prefix="checkpoints_") as folder:
        command = [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
            *("--nproc-per-node", str(num_ranks), __file__, "--rank-folder", folder),
            *("--rounds", str(num_rounds)),
        ]
        process = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
        )
    found = json.loads(next(line for line in process.stdout.splitlines() if line.startswith("{")))
    return found["parameters"], [Round(**one) for one in found["rounds"]]


def rows(num_ranks: int, rounds: Sequence[Round]) -> Iterator[str]:
    yield str(num_ranks)
    for name in ("deepspeed", "tuner"):
        values = [getattr(one, name) for one in rounds]
        yield f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f})"
    yield f"{median(one.deepspeed / one.tuner for one in rounds):.1f}"
    yield f"{median(one.written for one in rounds):.2f}"
    yield f"{median(one.step_alone for one in rounds):.2f}"
    yield f"{median(one.step_beside for one in rounds):.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--rank-folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rank_folder:
        run_rank(options.rank_folder, options.rounds)
        return
    before = os.getloadavg()[0]
    found = {num_ranks: measure(num_ranks, options.rounds) for num_ranks in NUM_RANKS}
    millions = found[1][0] / 1e6
    write_table(
        "checkpoints",
        "Training stands still for a checkpoint",
        {
            "model": f"MLP 64-2560-2560-2560-2560-10, {millions:.1f} M parameters, AdamW, fp32, ZeRO stage 1",
            "work": f"{options.rounds} rounds, median (and range) of seconds; both in turn on one engine",
            "load average": f"{before:.1f} before, {os.getloadavg()[0]:.1f} after, this run's own included",
        },
        [
            "ranks",
            "DeepSpeed, stands still, s",
            "tuner, stands still, s",
            "DeepSpeed / tuner",
            "tuner, written after, s",
            "step alone, s",
            "step beside writing, s",
        ],
        [list(rows(num_ranks, rounds)) for num_ranks, (_, rounds) in found.items()],
        is_complete=options.rounds >= ROUNDS,
    )


if __name__ == "__main__":
    main()
