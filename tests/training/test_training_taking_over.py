"""A trial that goes on from another one's checkpoint with other values: weights, optimizer's state, rates."""

import pytest
from training_cases import DIGITS, OPTIMIZERS, experiment_file
from training_reference import train_in_parts

from tuner.records.checkpoints import newest_sound, take_over
from tuner.records.paths import TrialPaths
from tuner.spec import Experiment
from tuner.spec.population_rules import CHANGEABLE

ADAMW, SGD = OPTIMIZERS["adamw"], OPTIMIZERS["sgd"]
EXACT = ("train/loss", "train/grad_norm", "train/lr", "val/loss", "val/accuracy")
SCHEDULE = {"type": "cosine", "warmup": 0.1, "final": 0.1}
BEFORE = {"epochs": 4, "gradient_clip": 1.0, "schedule": SCHEDULE, "optimizer": ADAMW}
CHANGES = {
    "train.batch_size": {"batch_size": 64},
    "train.gradient_clip": {"gradient_clip": 0.01},
    "train.l1": {"l1": 1e-2},
    "train.l2": {"l2": 1e-1},
    "train.label_smoothing": {"label_smoothing": 0.4},
    "train.micro_batch": {"micro_batch": 16},
    "train.optimizer.betas": {"optimizer": ADAMW | {"betas": [0.5, 0.9]}},
    "train.optimizer.lr": {"optimizer": ADAMW | {"lr": 0.02}},
    "train.optimizer.weight_decay": {"optimizer": ADAMW | {"weight_decay": 5.0}},
}
ALL = {
    "batch_size": 64,
    "gradient_clip": 0.5,
    "label_smoothing": 0.2,
    "micro_batch": 16,
    "optimizer": {"type": "adamw", "lr": 0.01, "betas": [0.8, 0.99], "weight_decay": 1.0},
}
pytestmark = pytest.mark.slow


def go_on(gang, folder, before, after, model=None, best=None):
    """Two reports of `before`, then the rest of `after` in a folder of its own; both files, both reports."""
    files, outs = [], [TrialPaths(folder / "donor"), TrialPaths(folder / "receiver")]
    for paths, train, changes in zip(outs, (before, after), (None, model), strict=True):
        paths.root.mkdir(parents=True)
        files.append(experiment_file(paths.root, DIGITS, changes, **train))
    first = gang.train(files[0], outs[0].root, reports=2)
    take_over(*outs, best)
    rest = gang.train(files[1], outs[1].root, resume=outs[1].root)
    return files, first, rest


def assert_as_in_plain_torch(gang, folder, before, after):
    files, first, rest = go_on(gang, folder, before, after)
    parts = [(Experiment.load(path), 2) for path in files]
    expected = train_in_parts(parts, folder / "plain")
    found = [report.metrics["train/loss"] for report in first + rest]
    assert [report.step for report in rest] == [3, 4]
    assert found == pytest.approx(expected, rel=2e-4)
    return expected, train_in_parts([(parts[0][0], 4)], folder / "plain")


def test_every_parameter_that_a_population_may_search_is_tried_here():
    assert {*CHANGES, "train.optimizer.momentum", "model.dropout"} == set(CHANGEABLE)


@pytest.mark.parametrize("name", list(CHANGES))
def test_every_change(gangs, tmp_path, name):
    before = BEFORE | {"zero": {"stage": 1}}
    changed, unchanged = assert_as_in_plain_torch(gangs(2), tmp_path, before, before | CHANGES[name])
    if name != "train.micro_batch":
        assert changed[2:] != pytest.approx(unchanged[2:], rel=2e-4)


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_every_stage(gangs, tmp_path, stage):
    before = BEFORE | {"zero": {"stage": stage}}
    assert_as_in_plain_torch(gangs(2), tmp_path, before, before | ALL)


@pytest.mark.parametrize("momenta", [(0.9, 0.3), (0.0, 0.9), (0.9, 0.0)])
@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_momentum_also_from_and_to_none(gangs, tmp_path, stage, momenta):
    plain = {"type": "sgd", "lr": 0.1}
    before, after = (
        BEFORE | {"zero": {"stage": stage}, "optimizer": plain | {"momentum": one}} for one in momenta
    )
    assert_as_in_plain_torch(gangs(2), tmp_path, before, after)


def test_dropout_from_none(gangs, tmp_path):
    before = BEFORE | {"zero": {"stage": 1}}
    _, _, rest = go_on(gangs(2), tmp_path / "with_none", before, before)
    _, _, dropped = go_on(gangs(2), tmp_path / "with_some", before, before, model={"dropout": 0.8})
    assert dropped[0].metrics["train/loss"] > 1.1 * rest[0].metrics["train/loss"]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_a_copy_with_the_same_values_has_the_losses_of_its_donor(gangs, tmp_path, stage, precision):
    before = BEFORE | {"zero": {"stage": stage}, "precision": precision}
    gang = gangs(2)
    files, first, rest = go_on(gang, tmp_path, before, before, model={"dropout": 0.0})
    whole = gang.train(files[0], tmp_path / "whole")
    for expected, found in zip(whole, first + rest, strict=True):
        assert {name: found.metrics[name] for name in EXACT} == {
            name: expected.metrics[name] for name in EXACT
        }


@pytest.mark.parametrize("stage", [1, 3])
def test_without_training_a_copy_is_its_donor(gangs, tmp_path, stage):
    before = BEFORE | {"zero": {"stage": stage}, "optimizer": ADAMW | {"lr": 0.01}}
    frozen = before | {"optimizer": ADAMW | {"lr": 1e-12}}
    _, first, rest = go_on(gangs(2), tmp_path, before, frozen)
    assert rest[0].metrics["val/loss"] == pytest.approx(first[-1].metrics["val/loss"], rel=1e-6)


def test_a_copy_goes_on_to_keep_the_weights_of_its_own_best_report(gangs, tmp_path):
    before = BEFORE | {"zero": {"stage": 1}}
    go_on(gangs(2), tmp_path, before, before, best=2.0)
    donor, receiver = TrialPaths(tmp_path / "donor"), TrialPaths(tmp_path / "receiver")
    assert not (receiver.best_checkpoint / "weights.pt").exists(), "no accuracy is better than 2"
    assert newest_sound(donor).position["best"] < 1
