"""Experiments that the tests of this room share."""

from pathlib import Path
from typing import Any

from tuner.spec import Experiment

DESIGN = """\
name: digits_cnn
task: image_classification
data:
  source: {type: sklearn, name: digits}
  split: {train: 0.7, val: 0.15, test: 0.15}
model: {type: cnn, channels: {choice: [16, 32, 64]}, depth: {int: [1, 3]}, dropout: {float: [0.0, 0.5]}}
train:
  epochs: 27
  batch_size: {choice: [32, 64, 128]}
  optimizer:
    choice:
      - type: adamw
        lr: {float: [1.0e-4, 3.0e-2], log: true}
        weight_decay: {float: [1.0e-6, 1.0e-1], log: true}
      - {type: sgd, lr: {float: [1.0e-3, 1.0], log: true}, momentum: {float: [0.0, 0.99]}}
  precision: auto
  zero: {stage: 1}
search: {metric: val/accuracy, mode: max, trials: 32, sampler: auto, scheduler: asha, seed: 0}
resources: {workers: 2, cpus_per_worker: 1, gpus_per_worker: auto}
"""

ADAMW = {
    "model.channels": 32,
    "model.depth": 2,
    "model.dropout": 0.25,
    "train.batch_size": 64,
    "train.optimizer": "adamw",
    "train.optimizer.adamw.lr": 1e-3,
    "train.optimizer.adamw.weight_decay": 1e-2,
}


def plain(**changes: Any) -> dict[str, Any]:
    """A small experiment without domains; `train__epochs=3` changes `train.epochs`, `data=...` a section."""
    tree: dict[str, Any] = {
        "name": "small",
        "task": "tabular_classification",
        "data": {"source": {"type": "sklearn", "name": "iris"}},
        "model": {"type": "mlp"},
        "train": {"epochs": 4},
        "search": {"metric": "val/accuracy"},
    }
    for path, value in changes.items():
        node = tree
        *parents, last = path.split("__")
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = value
    return tree


def load_text(folder: Path, text: str, *overrides: str) -> Experiment:
    path = folder / "e.yaml"
    path.write_text(text)
    return Experiment.load(path, overrides)
