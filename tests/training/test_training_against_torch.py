"""The DeepSpeed loop against plain torch: same seed, same losses, for every stage, on 1 and 2 ranks."""

from pathlib import Path

import pytest
import torch
from training_cases import DIABETES, OPTIMIZERS, experiment_file
from training_gang import is_complete
from training_reference import train_plainly
from training_torchrun import train

from tuner import models
from tuner.records.paths import TrialPaths
from tuner.spec import Experiment

pytestmark = pytest.mark.slow

IMAGES = models.DataShape(input_shape=(1, 8, 8))


def assert_same_losses(gang, path: Path, folder: Path) -> None:
    expected = train_plainly(Experiment.load(path), folder / "plain")
    reports = gang.train(path, folder / "out")
    assert [report.step for report in reports] == [1, 2, 3]
    assert is_complete(reports)
    assert [report.metrics["train/loss"] for report in reports] == pytest.approx(expected, rel=2e-4)


@pytest.mark.parametrize("num_ranks", [1, 2])
@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_every_stage(gangs, tmp_path, stage, num_ranks):
    path = experiment_file(tmp_path, zero={"stage": stage}, gradient_clip=1.0)
    assert_same_losses(gangs(num_ranks), path, tmp_path)


@pytest.mark.parametrize("stage", [0, 3])
def test_a_compiled_model(gangs, tmp_path, stage):
    """A small one, for torch makes machine code of it; `test_models_contract.py` traces all the others."""
    path = experiment_file(tmp_path, zero={"stage": stage}, compile=True)
    gang = gangs(2)
    compiled_before = gang.call("compiled_frames")
    assert_same_losses(gang, path, tmp_path)
    assert gang.call("compiled_frames") > compiled_before
    weights = torch.load(TrialPaths(tmp_path / "out").best_checkpoint / "weights.pt", weights_only=True)
    model = models.build(Experiment.load(path).resolve({}).model, IMAGES, 10)
    model.load_state_dict(weights)


def test_stage_3_splits_weights_when_they_are_drawn(gangs):
    config = {"train_micro_batch_size_per_gpu": 1, "zero_optimization": {"stage": 3}}
    assert gangs(2).call("build_split", config) == [(500_000, 1_000_000), (500, 1000)]


@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
@pytest.mark.parametrize("stage", [0, 1, 2])
def test_every_optimizer_with_penalties_schedule_and_accumulation(gangs, tmp_path, optimizer, stage):
    path = experiment_file(
        tmp_path,
        optimizer=OPTIMIZERS[optimizer],
        schedule={"type": "cosine", "warmup": 0.2, "final": 0.1},
        micro_batch=16,
        l1=1.0e-4,
        l2=1.0e-3,
        label_smoothing=0.1,
        zero={"stage": stage},
    )
    assert_same_losses(gangs(2), path, tmp_path)


@pytest.mark.parametrize("stage", [1, 2, 3])
def test_offload_to_the_cpu_changes_no_loss(gangs, tmp_path, stage):
    path = experiment_file(tmp_path, zero={"stage": stage, "offload": "cpu"})
    assert_same_losses(gangs(2), path, tmp_path)


@pytest.mark.parametrize("loss", ["mse", "huber"])
def test_regression_with_a_linear_schedule(gangs, tmp_path, loss):
    path = experiment_file(tmp_path, DIABETES, loss=loss, batch_size=32, schedule="linear")
    assert_same_losses(gangs(2), path, tmp_path)


def test_under_torchrun(tmp_path):
    path = experiment_file(tmp_path, zero={"stage": 1})
    expected = train_plainly(Experiment.load(path), tmp_path / "plain")
    reports = train(path, tmp_path / "out", num_ranks=2)
    assert [report["train/loss"] for report in reports] == pytest.approx(expected, rel=2e-4)
    assert reports[-1]["state"] == "COMPLETE"
