"""What a training says and does besides its losses."""

import math

import pytest
import torch
from training_cases import OPTIMIZERS, experiment_file
from training_gang import is_complete
from training_reference import train_plainly

from tuner.records.event_reader import read_scalars
from tuner.records.states import TrialState
from tuner.spec import Experiment

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_every_precision_learns(gangs, tmp_path, stage, precision):
    gang = gangs(2)
    if precision == "fp16":
        gang.call("override_fp16")
    path = experiment_file(tmp_path, precision=precision, zero={"stage": stage}, epochs=4)
    reports = gang.train(path, tmp_path / "out")
    assert is_complete(reports)
    losses = [report.metrics["train/loss"] for report in reports]
    assert losses[-1] < 0.85 * losses[0]
    # DeepSpeed begins at 2 ** 16 and doubles after 1,000 steps without an overflow.
    assert [report.metrics.get("train/loss_scale") for report in reports] == [
        2.0**16 if precision == "fp16" else None
    ] * len(reports)


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_fp16_takes_the_steps_of_plain_torch(gangs, tmp_path, stage):
    """With an optimizer that feels the size of a gradient, and with clipping, which does so too."""
    gang = gangs(2)
    gang.call("override_fp16")
    path = experiment_file(
        tmp_path,
        precision="fp16",
        zero={"stage": stage},
        optimizer=OPTIMIZERS["sgd"],
        gradient_clip=0.5,
        micro_batch=32,
    )
    expected = train_plainly(Experiment.load(path), tmp_path / "plain")
    reports = gang.train(path, tmp_path / "out")
    assert [report.metrics["train/loss"] for report in reports] == pytest.approx(expected, rel=0.02)
    assert all(0.1 < report.metrics["train/grad_norm"] < 10 for report in reports)


@pytest.mark.parametrize("stage", [0, 1, 2])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_non_finite_loss_on_one_rank_ends_all_ranks_before_the_update(gangs, tmp_path, stage, precision):
    gang = gangs(2)
    path = experiment_file(tmp_path, zero={"stage": stage}, precision=precision)
    gang.call("start", path, tmp_path / "out")
    assert gang.call("step").state is None
    before = gang.call("weights")
    gang.call("break_weights", 1)
    report = gang.call("step")
    assert report.state is TrialState.DIVERGED
    assert math.isnan(report.metrics["train/loss"])
    assert "not finite" in report.reason
    assert gang.call("weights") == before


def test_reports_are_on_disk_as_events_when_step_returns(gangs, tmp_path):
    gang = gangs(1)
    path = experiment_file(tmp_path)
    gang.call("start", path, tmp_path / "out")
    report = gang.call("step")
    written = read_scalars(tmp_path / "out")
    assert set(written["tag"]) == set(report.metrics) | {"system/cpu_percent", "system/memory_bytes"}
    assert {"train/loss", "train/lr", "train/grad_norm", "train/samples_per_s"} <= set(written["tag"])
    assert {"val/loss", "val/accuracy"} <= set(written["tag"])


def test_the_weights_of_the_best_report_are_kept(gangs, tmp_path):
    path = experiment_file(tmp_path, optimizer=OPTIMIZERS["sgd"] | {"lr": 1.0})
    reports = gangs(2).train(path, tmp_path / "out")
    weights = torch.load(tmp_path / "out" / "checkpoints" / "best" / "weights.pt", weights_only=True)
    assert weights
    assert all(value.dtype == torch.float32 for value in weights.values())
    assert len(reports) == 3


def test_patience_ends_a_training_that_does_not_improve(gangs, tmp_path):
    path = experiment_file(
        tmp_path, epochs=20, early_stop={"patience": 2, "min_delta": 1.0}, optimizer=OPTIMIZERS["sgd"]
    )
    reports = gangs(1).train(path, tmp_path / "out")
    assert len(reports) == 3
    assert is_complete(reports)
    assert "no better val/accuracy in 2 reports" in reports[-1].reason


def test_validation_every_few_epochs_and_after_the_last(gangs, tmp_path):
    path = experiment_file(tmp_path, epochs=5, validate_every=2)
    assert len(gangs(1).train(path, tmp_path / "out")) == 3


def test_200_trainings_on_a_warm_gang_do_not_grow(gangs, tmp_path):
    gang = gangs(2)
    path = experiment_file(tmp_path, epochs=1, batch_size=256, zero={"stage": 1})
    for _ in range(10):
        gang.train(path, tmp_path / "out")
    after_ten = gang.call("resident_bytes")
    for _ in range(190):
        gang.train(path, tmp_path / "out")
    assert gang.call("resident_bytes") <= 1.05 * after_ten
