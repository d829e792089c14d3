"""Rules between the scheduler, the budgets and the length of a training."""

import re

import pytest
from spec_examples import load_text, plain

from tuner.errors import ExperimentError
from tuner.spec import Experiment, Float

PAUSING = [{"type": "asha", "variant": "promotion"}, "hyperband", "iepoch", "freeze_thaw", "pbt", "pb2"]
NAMES = ["asha with variant promotion", "hyperband", "iepoch", "freeze_thaw", "pbt", "pb2"]


def train(config, trial):
    yield {"loss": config["x"]}


def of_function(**changes):
    return Experiment(train=train, space={"x": Float(0, 1)}, metric="loss", **changes)


def of_file(scheduler="none", **changes):
    """Nine reports, one parameter; `search` is changed by the others."""
    tree = plain(train__epochs=9, model__dropout={"float": [0.0, 0.5]})
    tree["search"] |= {"scheduler": scheduler, "trials": 8, **changes}
    return Experiment.from_dict(tree)


@pytest.mark.parametrize(("scheduler", "name"), list(zip(PAUSING, NAMES, strict=True)))
def test_a_scheduler_that_pauses_needs_checkpoints(scheduler, name):
    sentence = (
        "search.scheduler must not pause trials where none can be saved and loaded; "
        f"found {name} with search.checkpoints false; turn checkpoints on, or use asha with variant stopping"
    )
    with pytest.raises(ExperimentError, match=f"^{re.escape(sentence)}$"):
        of_file(scheduler, checkpoints=False)
    with pytest.raises(ExperimentError, match=re.escape(sentence)):
        of_function(scheduler=scheduler, max_reports=9)
    assert of_file(scheduler).search.checkpoints
    assert of_function(scheduler=scheduler, checkpoints=True, max_reports=9)


@pytest.mark.parametrize("scheduler", ["none", "auto", "asha", "median", "extrapolation"])
def test_the_others_need_none(scheduler):
    assert of_file(scheduler, checkpoints=False)
    assert of_function(scheduler=scheduler)


WRONG = [
    ({"type": "asha", "grace": 9}, "grace must be below the 9 reports of a full training, or there would be"),
    ({"type": "asha", "variant": "promotion", "grace": 12}, "grace must be below the 9 reports"),
    ({"type": "hyperband", "grace": 9}, "grace must be below the 9 reports"),
    ({"type": "median", "grace": 9}, "grace must be below the 9 reports"),
    ({"type": "iepoch", "reports": 9}, "reports must be below the 9 reports"),
    ({"type": "extrapolation", "grace": 9}, "grace must be below the 9 reports"),
    ({"type": "freeze_thaw", "grace": 9}, "grace must be below the 9 reports"),
    ({"type": "pbt", "interval": 9}, "interval must be below the 9 reports"),
    ({"type": "pb2", "interval": 10}, "interval must be below the 9 reports"),
    (
        {"type": "hyperband", "grace": 4},
        "factor x grace must be at most the 9 reports of a full training; found 3 x 4; lower one of them",
    ),
    (
        {"type": "asha", "brackets": 3},
        "brackets must each have a rung below the 9 reports of a full training; "
        "found 3 with grace 1 and factor 3; use at most 2",
    ),
    ({"type": "iepoch", "keep": 9}, "keep must be at most search.trials = 8; found 9; lower it"),
    ({"type": "iepoch", "first": 9}, "first must be at most search.trials = 8; found 9; lower it, or leave"),
    ({"type": "iepoch", "first": 2}, "first must be at least keep = 3; found 2; raise it, or lower keep"),
]


@pytest.mark.parametrize(("scheduler", "rest"), WRONG)
def test_a_scheduler_that_could_not_work(scheduler, rest):
    with pytest.raises(ExperimentError, match=re.escape(f"search.scheduler.{rest}")) as caught:
        of_file(scheduler)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "scheduler",
    [
        {"type": "asha", "grace": 8},
        {"type": "asha", "brackets": 2},
        {"type": "hyperband", "grace": 3},
        {"type": "iepoch", "keep": 8, "first": 8, "reports": 8},
    ],
)
def test_the_last_that_fits(scheduler):
    assert of_file(scheduler)


def test_the_length_of_a_searched_training_is_its_longest():
    tree = plain(train__epochs={"choice": [2, 9]}, search__scheduler={"type": "asha", "grace": 5})
    assert Experiment.from_dict(tree)


def test_hyperband_needs_to_know_the_length():
    with pytest.raises(
        ExperimentError, match="hyperband plans its brackets by .*; found max_reports None; give max_reports"
    ):
        of_function(scheduler="hyperband", checkpoints=True)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"patience": 8},
            "search.stop.patience must be below search.trials = 8, or it never",
        ),
        (
            {"gpu_hours": 2.0},
            "search.stop.gpu_hours needs GPUs to count; found 2 with",
        ),
    ],
)
def test_stopping_rules_that_contradict_the_rest(changes, sentence):
    tree = plain(search__trials=8, search__stop=changes, resources__gpus_per_worker=0)
    with pytest.raises(ExperimentError, match=re.escape(sentence)):
        Experiment.from_dict(tree)


def test_more_to_confirm_than_there_are_trials():
    with pytest.raises(
        ExperimentError, match=r"confirm.top must be at most search.trials = 2; found 3; lower it"
    ):
        of_function(trials=2, confirm={"top": 3})


def test_a_wrong_scheduler_is_found_in_its_line(tmp_path):
    text = """\
name: small
task: tabular_classification
data: {source: {type: sklearn, name: iris}}
model: {type: mlp}
train: {epochs: 4}
search:
  metric: val/accuracy
  scheduler:
    type: asha
    grace: 7
"""
    with pytest.raises(ExperimentError, match=r"e\.yaml:10: search.scheduler.grace must be below the 4"):
        load_text(tmp_path, text)
