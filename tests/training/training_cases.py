"""Small experiments to train."""

from pathlib import Path

import yaml

OPTIMIZERS = {
    "sgd": {"type": "sgd", "lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 1.0e-4},
    "adam": {"type": "adam", "lr": 0.003, "weight_decay": 1.0e-4},
    "adamw": {"type": "adamw", "lr": 0.003},
}
DIGITS = {
    "task": "image_classification",
    "data": {"source": {"type": "sklearn", "name": "digits"}},
    "model": {"type": "cnn", "channels": 4, "depth": 1},
    "search": {"metric": "val/accuracy"},
}
DIABETES = {
    "task": "regression",
    "data": {"source": {"type": "sklearn", "name": "diabetes"}},
    "model": {"type": "mlp", "width": 16},
    "search": {"metric": "val/loss"},
}


def experiment_file(
    folder: Path, base: dict = DIGITS, model: dict | None = None, resources: dict | None = None, **train
) -> Path:
    """A file with a concrete experiment: `base` with changes of its model and train sections."""
    section = {"epochs": 3, "batch_size": 128, "optimizer": OPTIMIZERS["adamw"]} | train
    tree = base | {"name": "small", "train": section, "resources": {"workers": 2} | (resources or {})}
    tree["model"] = base["model"] | (model or {})
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "experiment.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path
