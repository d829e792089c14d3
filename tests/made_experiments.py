"""Experiments' folders with prepared data and one trial that kept weights: no Ray, no search."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import kinds
import torch

from tuner import models, tasks
from tuner.data import Store, prepare
from tuner.records.files import atomic_write
from tuner.records.paths import ExperimentPaths
from tuner.records.rows import TrialRow, write_trials
from tuner.records.states import TrialState
from tuner.results.result import Result
from tuner.spec import Experiment
from tuner.tasks import RULES
from tuner.tasks.base import Task

MODELS = {
    "language_modelling": {"type": "transformer", "kind": "decoder", "width": 16, "depth": 1, "heads": 2},
    "text_classification": {"type": "rnn", "embedding": 8, "width": {"int": [8, 12]}},
    "translation": {"type": "encoder_decoder", "width": 16, "depth": 1, "heads": 2},
}
ADAM = {"type": "adam", "lr": {"float": [1e-3, 1e-1]}}
MLP = {"type": "mlp", "width": {"int": [8, 32]}, "depth": 1}


def made(
    root: Path, name: str, task: str, data: dict[str, Any], *, epochs: int = 0, **more: Any
) -> ExperimentPaths:
    """`epochs`: for which the model is trained, plainly; 0 leaves its first weights."""
    metric = next(name for name in RULES[task].metrics if name.startswith("val/"))
    experiment = Experiment.from_dict(
        {
            "name": name,
            "task": task,
            "data": data,
            "model": MODELS.get(task, MLP),
            "train": {
                "epochs": 1,
                "batch_size": 8,
                "optimizer": ADAM,
            },
            "search": {"metric": metric, "trials": 1},
        }
        | more
    )
    paths = ExperimentPaths(root / name)
    params = next(experiment.space.corners())
    row = TrialRow(
        number=0,
        state=TrialState.COMPLETE,
        params=params,
        reason="made for a test",
        best={metric: 0.5},
        last={metric: 0.5},
        reports=1,
        seconds=1.0,
    )
    atomic_write(paths.experiment_yaml, experiment.to_yaml())
    write_trials(paths.trials_csv, [row])
    _keep_weights(paths, experiment, params, epochs)
    return paths


def made_of_kind(root: Path, source: str, task: str, **more: Any) -> ExperimentPaths:
    """Of a kind of source of `kinds.SOURCES`, whose files lie in `root` too."""
    files = root / "files"
    files.mkdir(parents=True, exist_ok=True)
    return made(root / "results", "made", task, kinds.SOURCES[source].in_one(files), **more)


def make_running(paths: ExperimentPaths, *values: float) -> None:
    """Trials 0, 1, ... of one model train, with one report each; there is no table of them yet."""
    result = Result(paths)
    params = result.rows[0].params
    lines: list[dict[str, Any]] = [
        {"action": "OPEN", "trial": None, "report": None, "pid": 1, "host": "host"}
    ]
    for number, value in enumerate(values):
        report = {"reason": "no early stopping", "rung": None, "value": value, "cutoff": None, "steps": 1}
        told = {"metrics": {result.metric: value}, "nodes": ["host"], "seconds": 1.0, "gpu_seconds": None}
        lines += [
            {"action": "BEGIN", "trial": number, "report": None, "params": params},
            {"action": "START", "trial": number, "report": None},
            {"action": "CONTINUE", "trial": number, "report": 1, "heard": value} | report | told,
        ]
        if number:
            shutil.copytree(paths.trial(0).root, paths.trial(number).root)
    atomic_write(
        paths.decisions, "".join(json.dumps({"time_s": 0.0, "spent_s": 0.0} | line) + "\n" for line in lines)
    )
    paths.trials_csv.unlink()


def _keep_weights(
    paths: ExperimentPaths, experiment: Experiment, params: dict[str, Any], epochs: int
) -> None:
    spec = experiment.resolve(params)
    store = prepare(spec.data, spec.task, paths.store_root)
    task = tasks.get(spec.task, spec.train, store.manifest)
    shape = models.DataShape.of(store.manifest)
    torch.manual_seed(0)
    network = models.build(spec.model, shape, task.num_outputs, per_token=task.is_per_token)
    _train(network, task, store, epochs)
    kept = paths.trial(0).best_checkpoint
    kept.mkdir(parents=True)
    torch.save(network.state_dict(), kept / "weights.pt")


def _train(network: torch.nn.Module, task: Task, store: Store, epochs: int) -> None:
    split = store.split("train")
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(epochs):
        for start in range(0, len(split.targets), 64):
            x, y = (part[start : start + 64] for part in split)
            inputs, targets = task.batch(x.copy(), y.copy(), torch.device("cpu"), torch.float32)
            optimizer.zero_grad()
            task.loss(network(inputs), targets).backward()
            optimizer.step()
