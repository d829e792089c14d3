"""Training in a block shuffle, through a cache of shards: the same losses as without the cache."""

import shutil

import pytest
from training_cases import DIGITS, experiment_file
from training_reference import train_plainly

from tuner.records.checkpoints import sound_checkpoints
from tuner.records.paths import TrialPaths
from tuner.spec import Experiment
from tuner.spec.sections import RecoverySpec

pytestmark = pytest.mark.slow

EXACT = ("train/loss", "train/grad_norm", "val/loss", "val/accuracy")
IN_BLOCKS = {"batch_size": 64, "shuffle": {"type": "block", "block_mb": 0.01, "window": 4}}
"""Blocks of 39 of the 1,258 training rows, which have 256 bytes."""
ALWAYS = RecoverySpec(checkpoint_seconds=1e-9, keep_last=100)


def exact(reports) -> list[dict]:
    return [{name: report.metrics[name] for name in EXACT} for report in reports]


@pytest.mark.parametrize("num_ranks", [1, 2])
def test_a_block_shuffle_takes_the_steps_of_plain_torch(gangs, tmp_path, num_ranks):
    path = experiment_file(tmp_path, **IN_BLOCKS)
    reports = gangs(num_ranks).train(path, tmp_path / "out")
    expected = train_plainly(Experiment.load(path), tmp_path / "plain")
    assert [report.metrics["train/loss"] for report in reports] == pytest.approx(expected, rel=2e-4)
    full = train_plainly(
        Experiment.load(experiment_file(tmp_path / "full", batch_size=64)), tmp_path / "plain"
    )
    assert expected != pytest.approx(full, rel=1e-6), "it is another order"


@pytest.mark.parametrize("num_ranks", [1, 2])
@pytest.mark.parametrize("train", [IN_BLOCKS, {"batch_size": 64}], ids=["block", "full"])
def test_the_losses_are_those_without_a_cache(gangs, tmp_path, train, num_ranks):
    gang, folder = gangs(num_ranks), tmp_path / "cache"
    plain = gang.train(experiment_file(tmp_path, **train), tmp_path / "plain")
    cache = {"path": str(folder), "limit_mb": 0.1, "shard_mb": 0.01}
    path = experiment_file(tmp_path, DIGITS, resources={"shard_cache": cache}, **train)
    assert exact(gang.train(path, tmp_path / "cached")) == exact(plain)
    files = list(folder.glob("tuner_shards/*/*"))
    assert files
    assert sum(file.stat().st_size for file in files) <= 100_000
    assert not any(file.name.endswith(".copying") for file in files)


@pytest.mark.parametrize("num_ranks", [1, 2])
def test_going_on_inside_an_epoch_is_exact(gangs, tmp_path, num_ranks):
    gang = gangs(num_ranks)
    cache = {"path": str(tmp_path / "cache"), "limit_mb": 0.05, "shard_mb": 0.01}
    path = experiment_file(
        tmp_path, model={"dropout": 0.3}, resources={"shard_cache": cache}, epochs=2, **IN_BLOCKS
    )
    whole = gang.train(path, tmp_path / "whole", recovery=ALWAYS)
    inside = [one for one in sound_checkpoints(TrialPaths(tmp_path / "whole")) if one.position["batch"] > 0]
    trial = TrialPaths(tmp_path / "inside")
    shutil.copytree(inside[-1].folder, trial.checkpoints / inside[-1].folder.name)
    rest = gang.train(path, trial.root, resume=trial.root)
    assert exact(rest) == exact(whole[inside[-1].num_reports :])
