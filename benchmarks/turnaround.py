"""How long one trial takes to come and go: stock Ray against `tuner`, on the same work.

    python benchmarks/turnaround.py [--trials 20] [--only stock|stock_tuned|tuner]

The work: 2-rank DeepSpeed ZeRO-1 trials of an MLP on the handwritten digits, 3 epochs with a report
each, fp32 over gloo on CPU, parameters from Optuna's TPE, no early stopping and no checkpoints. The
training itself takes a fraction of a second, so what is measured is everything around it. Stock is the way
Ray documents: `tune.Tuner` over a driver function that builds a `TorchTrainer` and reports through
`TuneReportCallback` (Ray Train V2). How its settings below were chosen stands in `benchmarks/README.md`.

Each part runs in a fresh process. "start included" is that process's whole life divided by the trials;
"start excluded" is the time from the last report of the trial that ended first to the last report of the
one that ended last, divided by the trials after the first.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from _table import write_table

NUM_RANKS = 2
NUM_REPORTS = 3
BATCH_SIZE = 64
HIDDEN = 64
LR = (1e-4, 3e-2)
SEED = 0

STOCK_CONCURRENT = 1
"""trials at once; with more, the first ones end together and "start excluded" comes out too low"""
TUNED_HEALTH_CHECK_S = 0.2
"""how often Ray Train looks at its workers; its default is 2 s"""


# --- stock Ray -----------------------------------------------------------------------------------------


def save_digits(path: Path) -> None:
    """The digits, scaled to 0..1 and cut into 1,257 training and 270 validation rows, as one .npz."""
    import numpy as np
    from sklearn.datasets import load_digits

    features, targets = load_digits(return_X_y=True)
    order = np.random.default_rng(SEED).permutation(len(features))
    features, targets = (features[order] / 16.0).astype(np.float32), targets[order]
    np.savez(path, x=features[:1257], y=targets[:1257], val_x=features[1257:1527], val_y=targets[1257:1527])


def stock_worker(config: dict[str, Any]) -> None:
    """One rank of one trial: an ordinary DeepSpeed training loop that reports to Ray Train."""
    import deepspeed
    import numpy as np
    import ray.train
    import torch
    from torch import nn

    data = {
        key: torch.from_numpy(value) for key, value in np.load(config["data"], allow_pickle=False).items()
    }
    rank, num_ranks = ray.train.get_context().get_world_rank(), ray.train.get_context().get_world_size()
    deepspeed.init_distributed(dist_backend="gloo")
    torch.manual_seed(SEED)
    model = nn.Sequential(
        nn.Linear(64, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 10)
    )
    engine, *_ = deepspeed.initialize(
        model=model,
        optimizer=torch.optim.AdamW(model.parameters(), lr=config["lr"]),
        config={"train_batch_size": BATCH_SIZE, "zero_optimization": {"stage": 1}},
    )
    for epoch in range(NUM_REPORTS):
        for rows in _rank_batches(len(data["x"]), epoch, rank, num_ranks):
            loss = nn.functional.cross_entropy(engine(data["x"][rows]), data["y"][rows])
            engine.backward(loss)
            engine.step()
        with torch.no_grad():
            val_loss = nn.functional.cross_entropy(engine(data["val_x"]), data["val_y"])
        ray.train.report({"loss": val_loss.item()})


def _rank_batches(num_rows: int, epoch: int, rank: int, num_ranks: int) -> Iterator[Any]:
    """This rank's rows of every full global batch of one epoch."""
    import torch

    order = torch.randperm(num_rows, generator=torch.Generator().manual_seed(SEED + epoch))
    for first in range(0, num_rows - BATCH_SIZE + 1, BATCH_SIZE):
        yield order[first + rank : first + BATCH_SIZE : num_ranks]


def stock_driver(config: dict[str, Any]) -> None:
    """One trial as Ray documents it: a Tune function that runs a `TorchTrainer` of its own."""
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer
    from ray.tune.integration.ray_train import TuneReportCallback

    TorchTrainer(
        stock_worker,
        train_loop_config=config,
        scaling_config=ScalingConfig(num_workers=NUM_RANKS, use_gpu=False),
        run_config=RunConfig(storage_path=config["storage"], callbacks=[TuneReportCallback()]),
    ).fit()


def run_stock(num_trials: int, folder: Path, *, is_tuned: bool = False) -> list[float]:
    """Wall-clock time of every trial's last report."""
    import ray
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    if is_tuned:
        os.environ["RAY_TRAIN_HEALTH_CHECK_INTERVAL_S"] = str(TUNED_HEALTH_CHECK_S)
    data = folder / "digits.npz"
    save_digits(data)
    last_report: dict[str, float] = {}

    class Clock(tune.Callback):  # type: ignore[misc]
        def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: Any, **info: Any) -> None:
            last_report[trial.trial_id] = time.time()

    ray.init(num_cpus=(NUM_RANKS + 1) * STOCK_CONCURRENT)
    tune.Tuner(
        stock_driver,
        param_space={"lr": tune.loguniform(*LR), "data": str(data), "storage": str(folder / "train")},
        tune_config=tune.TuneConfig(
            metric="loss",
            mode="min",
            num_samples=num_trials,
            search_alg=OptunaSearch(seed=SEED),
            max_concurrent_trials=STOCK_CONCURRENT,
            reuse_actors=is_tuned,
        ),
        run_config=tune.RunConfig(storage_path=str(folder / "tune"), callbacks=[Clock()], verbose=0),
    ).fit()
    ray.shutdown()
    return list(last_report.values())


# --- tuner ---------------------------------------------------------------------------------------------


def run_tuner(num_trials: int, folder: Path) -> list[float]:
    """Wall-clock time of every trial's last report."""
    import tuner
    from tuner.records.event_reader import read_scalars
    from tuner.records.paths import ExperimentPaths

    result = tuner.run(tuner.Experiment.from_dict(tuner_experiment(num_trials)), results=folder)
    paths = ExperimentPaths(folder / "turnaround")
    events = [read_scalars(paths.trial(number).root) for number in result.trials["number"]]
    return [float(of_trial["wall_time"].max()) for of_trial in events]


def tuner_experiment(num_trials: int) -> dict[str, Any]:
    return {
        "name": "turnaround",
        "task": "image_classification",
        "data": {
            "source": {"type": "sklearn", "name": "digits"},
            "split": {"train": 0.7, "val": 0.15, "test": 0.15},
        },
        "model": {"type": "mlp", "width": HIDDEN, "depth": 2},
        "train": {
            "epochs": NUM_REPORTS,
            "batch_size": BATCH_SIZE,
            "optimizer": {"type": "adamw", "lr": {"float": list(LR), "log": True}},
            "precision": "fp32",
            "zero": {"stage": 1},
        },
        "search": {
            "metric": "val/loss",
            "mode": "min",
            "trials": num_trials,
            "sampler": "tpe",
            "scheduler": "none",
            "seed": SEED,
        },
        "resources": {"workers": NUM_RANKS, "cpus_per_worker": 1, "gpus_per_worker": 0},
    }


# --- measuring -----------------------------------------------------------------------------------------

PARTS = {"stock": run_stock, "stock_tuned": partial(run_stock, is_tuned=True), "tuner": run_tuner}


@dataclass(frozen=True)
class Figures:
    total_s: float
    trial_with_start_s: float
    trial_s: float


def warm_disk() -> None:
    """Let DeepSpeed compile its gloo kernel (once a machine), which stock would pay for otherwise."""
    with tempfile.TemporaryDirectory(prefix="turnaround_") as folder:
        meeting = f"dist_backend='gloo', init_method='file://{folder}/meeting', rank=0, world_size=1"
        code = f"import deepspeed; deepspeed.init_distributed({meeting}, auto_mpi_discovery=False)"
        subprocess.run([sys.executable, "-c", code], check=True, stdout=sys.stderr)


def measure(part: str, num_trials: int) -> Figures:
    """Run one part in a fresh process; AssertionError when a trial did not come to its last report."""
    with tempfile.TemporaryDirectory(prefix="turnaround_") as folder:
        out = Path(folder) / "ends.json"
        command = [sys.executable, __file__, "--child", part, "--trials", str(num_trials), "--out", str(out)]
        started = time.perf_counter()
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr)
        total_s = time.perf_counter() - started
        ends = json.loads(out.read_text())
    assert len(ends) == num_trials, f"{part}: {len(ends)} of {num_trials} trials reported"
    return Figures(total_s, total_s / num_trials, (max(ends) - min(ends)) / (num_trials - 1))


def child(part: str, num_trials: int, out: Path) -> None:
    out.write_text(json.dumps(PARTS[part](num_trials, out.parent)))


def table_rows(figures: Mapping[str, Figures]) -> Iterator[list[str]]:
    for part, of_part in figures.items():
        yield [part, *(f"{value:.2f}" for value in astuple(of_part))]
    for part in sorted(set(figures) - {"tuner"}) if "tuner" in figures else []:
        pairs = zip(astuple(figures[part]), astuple(figures["tuner"]), strict=True)
        yield [f"{part} / tuner", *(f"{stock / ours:.1f}" for stock, ours in pairs)]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Turnaround of a trial: stock Ray against tuner.")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--only", choices=sorted(PARTS))
    parser.add_argument("--child", choices=sorted(PARTS), help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    if arguments.child:
        child(arguments.child, arguments.trials, arguments.out)
        return
    warm_disk()
    parts = [arguments.only] if arguments.only else sorted(PARTS)
    figures = {part: measure(part, arguments.trials) for part in parts}
    write_table(
        "turnaround",
        "Turnaround of a trial",
        {
            "work": f"{arguments.trials} trials, {NUM_RANKS} ranks each, ZeRO stage 1, {NUM_REPORTS} reports",
            "model": f"MLP 64-{HIDDEN}-{HIDDEN}-10 on the handwritten digits, batch {BATCH_SIZE}, fp32, gloo",
        },
        ["", "total, s", "s a trial, start included", "s a trial, start excluded"],
        table_rows(figures),
        is_complete=len(figures) == len(PARTS),
    )


if __name__ == "__main__":
    main()
