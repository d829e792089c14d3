"""The DeepSpeed loop against a plain torch loop: same seed, same losses, for every stage and 1 and 2 ranks."""

from pathlib import Path

import pytest
import yaml
from training_reference import train_plainly
from training_torchrun import train

from tuner.spec import Experiment

OPTIMIZERS = {
    "sgd": {"type": "sgd", "lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 1.0e-4},
    "adam": {"type": "adam", "lr": 0.003, "weight_decay": 1.0e-4},
    "adamw": {"type": "adamw", "lr": 0.003},
}


def experiment_file(folder: Path, **train_section) -> Path:
    tree = {
        "name": "small",
        "task": "image_classification",
        "data": {"source": {"type": "sklearn", "name": "digits"}},
        "model": {"type": "cnn", "channels": 4, "depth": 1},
        "train": {"epochs": 3, "batch_size": 128, "optimizer": OPTIMIZERS["adamw"]} | train_section,
        "search": {"metric": "val/accuracy"},
        "resources": {"workers": 2},
    }
    path = folder / "experiment.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path


def assert_same_losses(path: Path, tmp_path: Path, num_ranks: int) -> None:
    expected = train_plainly(Experiment.load(path), tmp_path / "plain")
    reports = train(path, tmp_path / "out", num_ranks=num_ranks)
    assert [report["step"] for report in reports] == [1, 2, 3]
    assert reports[-1]["state"] == "COMPLETE"
    assert [report["train/loss"] for report in reports] == pytest.approx(expected, rel=2e-4)


@pytest.mark.slow
@pytest.mark.parametrize("num_ranks", [1, 2])
@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_every_stage_trains_as_plain_torch_does(tmp_path, stage, num_ranks):
    path = experiment_file(tmp_path, zero={"stage": stage}, gradient_clip=1.0)
    assert_same_losses(path, tmp_path, num_ranks)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
def test_every_optimizer_with_penalties_schedule_and_accumulation(tmp_path, optimizer):
    path = experiment_file(
        tmp_path,
        optimizer=OPTIMIZERS[optimizer],
        schedule={"type": "cosine", "warmup": 0.2, "final": 0.1},
        micro_batch=16,
        l1=1.0e-4,
        l2=1.0e-3,
        label_smoothing=0.1,
        zero={"stage": 1},
    )
    assert_same_losses(path, tmp_path, num_ranks=2)


@pytest.mark.slow
@pytest.mark.parametrize("stage", [1, 2, 3])
def test_offload_to_the_cpu_changes_no_loss(tmp_path, stage):
    path = experiment_file(tmp_path, zero={"stage": stage, "offload": "cpu"})
    assert_same_losses(path, tmp_path, num_ranks=2)
