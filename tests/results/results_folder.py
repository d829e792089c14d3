"""A small results folder made by hand: no Ray, no training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from tuner import models, tasks
from tuner.data import prepare
from tuner.records.events import EventWriter
from tuner.records.files import atomic_write
from tuner.records.paths import ExperimentPaths
from tuner.records.rows import TrialRow, write_trials
from tuner.records.states import TrialState
from tuner.results.result import Result
from tuner.spec import Experiment

TREE: dict[str, Any] = {
    "name": "by_hand",
    "task": "tabular_classification",
    "data": {"source": {"type": "two_class", "samples": 200, "features": 4}},
    "model": {"type": "mlp", "width": {"int": [4, 16]}, "depth": 1},
    "train": {"epochs": 4, "batch_size": 20, "optimizer": {"type": "adam", "lr": {"float": [1e-3, 1e-1]}}},
    "search": {"metric": "val/accuracy", "trials": 4},
}


def experiment(**sections: Any) -> Experiment:
    """The experiment of `TREE` with other sections."""
    return Experiment.from_dict(TREE | sections)


def row(number: int, state: str, *values: float, metric: str = "val/accuracy") -> TrialRow:
    """A trial that reported `values`; the best one is the largest for accuracy, the smallest for a loss."""
    best = min(values, default=None) if metric.endswith("loss") else max(values, default=None)
    return TrialRow(
        number=number,
        state=TrialState(state),
        params={"model.width": 8, "train.optimizer.lr": 0.01},
        reason="made by hand",
        best={} if best is None else {metric: best},
        last={metric: values[-1]} if values else {},
        reports=len(values),
        seconds=1.5,
    )


def write(folder: Path, rows: Sequence[TrialRow], experiment: Experiment) -> Result:
    """An experiment's folder with these trials; without events and weights."""
    paths = ExperimentPaths(folder)
    atomic_write(paths.experiment_yaml, experiment.to_yaml())
    write_trials(paths.trials_csv, rows)
    return Result.open(folder)


def write_curve(result: Result, number: int, tag: str, values: Sequence[float]) -> None:
    writer = EventWriter(result.paths.trial(number).root)
    for step, value in enumerate(values, start=1):
        writer.scalars(step, {tag: value}, wall_time_s=1000.0 + step)
    writer.close()


def write_weights(result: Result) -> torch.nn.Module:
    """Random weights as those that the best trial kept; the network that has them."""
    spec = result.best.experiment.resolve(result.best.params)
    manifest = prepare(spec.data, spec.task, result.paths.store_root).manifest
    num_outputs = tasks.get(spec.task, spec.train, manifest).num_outputs
    network = models.build(spec.model, models.DataShape.of(manifest), num_outputs).eval()
    kept = result.paths.trial(result.best.number).best_checkpoint
    kept.mkdir(parents=True)
    torch.save(network.state_dict(), kept / "weights.pt")
    return network
