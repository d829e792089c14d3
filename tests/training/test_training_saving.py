"""A running trial is saved beside its training, also inside an epoch, and goes on to the last bit."""

import shutil

import pytest
from training_cases import OPTIMIZERS, experiment_file

from tuner.records.checkpoints import Checkpoint, sound_checkpoints
from tuner.records.paths import TrialPaths
from tuner.spec.sections import RecoverySpec

pytestmark = pytest.mark.slow

EXACT = ("train/loss", "train/grad_norm", "train/lr", "val/loss", "val/accuracy")
ALWAYS = RecoverySpec(checkpoint_seconds=1e-9, keep_last=100)
"""A checkpoint at each look that finds the last one written."""
HARD = {
    "epochs": 4,
    "batch_size": 64,
    "optimizer": OPTIMIZERS["adam"],
    "schedule": {"type": "cosine", "warmup": 0.1},
    "early_stop": {"patience": 4},
}
DROPPING = {"dropout": 0.3, "normalisation": "batch"}


def exact(reports) -> list[dict]:
    return [{name: report.metrics[name] for name in EXACT} for report in reports]


def alone(checkpoint: Checkpoint, folder) -> TrialPaths:
    """A trial's folder that holds only this checkpoint."""
    trial = TrialPaths(folder)
    shutil.copytree(checkpoint.folder, trial.checkpoints / checkpoint.folder.name)
    return trial


def inside_an_epoch(trial: TrialPaths) -> list[Checkpoint]:
    return [one for one in sound_checkpoints(trial) if one.position["batch"] > 0]


@pytest.mark.parametrize("num_ranks", [1, 2])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_going_on_inside_an_epoch_is_exact(gangs, tmp_path, stage, precision, num_ranks):
    gang = gangs(num_ranks)
    path = experiment_file(tmp_path, model=DROPPING, zero={"stage": stage}, precision=precision, **HARD)
    whole = gang.train(path, tmp_path / "whole")
    saved = gang.train(path, tmp_path / "saved", recovery=ALWAYS)
    assert exact(saved) == exact(whole), "saving changes nothing"
    found = inside_an_epoch(TrialPaths(tmp_path / "saved"))
    for index, checkpoint in enumerate({one.num_reports: one for one in found}.values()):
        trial = alone(checkpoint, tmp_path / f"from_{index}")
        rest = gang.train(path, trial.root, resume=trial.root)
        assert [report.step for report in rest] == list(range(checkpoint.num_reports + 1, 5))
        assert exact(rest) == exact(whole[checkpoint.num_reports :])
    assert found


@pytest.mark.parametrize("micro_batches", [(32, 8), (8, 32)])
@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_the_micro_batch_may_change_inside_an_epoch(gangs, tmp_path, stage, micro_batches):
    gang = gangs(2)
    path, other = (
        experiment_file(folder, zero={"stage": stage}, micro_batch=size, **HARD)
        for folder, size in zip((tmp_path / "a", tmp_path / "b"), micro_batches, strict=True)
    )
    whole = gang.train(path, tmp_path / "saved", recovery=ALWAYS)
    checkpoint = inside_an_epoch(TrialPaths(tmp_path / "saved"))[-1]
    trial = alone(checkpoint, tmp_path / "rest")
    rest = gang.train(other, trial.root, resume=trial.root)
    for expected, found in zip(whole[checkpoint.num_reports :], rest, strict=True):
        assert found.metrics["train/loss"] == pytest.approx(expected.metrics["train/loss"], rel=2e-4)


@pytest.mark.parametrize("num_ranks", [(1, 2), (2, 1)])
@pytest.mark.parametrize(
    ("stage", "precision", "optimizer"),
    [(stage, "fp32", "adam") for stage in range(4)]
    + [(stage, "bf16", "adam") for stage in range(4)]
    + [(1, "fp32", "sgd"), (3, "fp32", "sgd")],
)
def test_going_on_with_another_number_of_ranks(gangs, tmp_path, stage, precision, optimizer, num_ranks):
    before, after = map(gangs, num_ranks)
    changes = {"zero": {"stage": stage}, "precision": precision, "optimizer": OPTIMIZERS[optimizer]}
    path = experiment_file(tmp_path, **(HARD | changes))
    whole = before.train(path, tmp_path / "saved", recovery=ALWAYS)
    found = sound_checkpoints(TrialPaths(tmp_path / "saved"))
    tolerance = 2e-4 if precision == "fp32" else 2e-2
    for is_inside in (False, True):
        checkpoint = next(one for one in found if (one.position["batch"] > 0) is is_inside)
        trial = alone(checkpoint, tmp_path / f"rest_{is_inside}")
        rest = after.train(path, trial.root, resume=trial.root)
        assert len(rest) == 4 - checkpoint.num_reports
        for expected, report in zip(whole[checkpoint.num_reports :], rest, strict=True):
            for name in ("train/loss", "train/grad_norm", "val/loss"):
                assert report.metrics[name] == pytest.approx(expected.metrics[name], rel=tolerance), is_inside
