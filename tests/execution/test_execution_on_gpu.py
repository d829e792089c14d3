"""Real searches on one GPU that several gangs share."""

import numpy as np
import pytest
import torch
import yaml

import tuner
from tuner.execution.decisions import read_decisions
from tuner.records.states import TrialState

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.ray,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU"),
]

NUM_ROWS, SIDE = 2048, 32


def experiment(folder, *, batch_size, share, trials):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, NUM_ROWS)
    images = rng.normal(size=(NUM_ROWS, 1, SIDE, SIDE)) + labels[:, None, None, None]
    np.savez(folder / "rows.npz", x=images.astype(np.float32), y=labels)
    tree = {
        "name": "gpu",
        "task": "image_classification",
        "data": {"source": {"type": "npz", "path": "rows.npz"}},
        "model": {"type": "cnn", "channels": 256, "depth": 1, "dropout": {"float": [0.0, 0.3]}},
        "train": {"epochs": 3, "batch_size": batch_size, "optimizer": {"type": "adamw", "lr": 1e-3}},
        "search": {"metric": "val/accuracy", "mode": "max", "trials": trials, "scheduler": "none"},
        "resources": {"workers": 1, "gpus_per_worker": share},
    }
    path = folder / "gpu.yaml"
    path.write_text(yaml.safe_dump(tree))
    return tuner.Experiment.load(path)


def test_four_gangs_share_a_gpu(tmp_path):
    search = experiment(tmp_path, batch_size=128, share=0.25, trials=8)
    result = tuner.run(search, results=tmp_path / "results")
    trials = result.trials
    assert list(trials["state"]) == [TrialState.COMPLETE.value] * 8
    lines = list(read_decisions(result.paths.decisions))
    assert {line["gang"] for line in lines if line["action"] == "START"} <= set(range(4))
    (devices,) = {tuple(line["devices"]) for line in lines if "nodes" in line}
    assert len(devices) == 1
    assert devices[0]
    assert trials["gpu_seconds"].to_numpy() == pytest.approx(0.25 * trials["seconds"].to_numpy(), rel=0.01)


def test_a_share_of_the_memory_halves_the_micro_batch_and_leaves_the_others_alone(tmp_path):
    """A micro-batch of 1,024 needs more than 1% of the GPU's memory, one of 128 does not."""
    search = experiment(tmp_path, batch_size=1024, share=0.01, trials=2)
    result = tuner.run(search, results=tmp_path / "results")
    assert list(result.trials["state"]) == [TrialState.COMPLETE.value] * 2
    log = "".join(path.read_text() for path in sorted(result.paths.root.glob("trials/*/log.txt")))
    assert "ran out of memory" in log
    assert "micro-batch" in log or "micro_batch" in log
