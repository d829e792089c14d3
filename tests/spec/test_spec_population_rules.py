"""What a population may search, said before anything starts."""

import re

import pytest
from spec_examples import load_text, plain

from tuner.errors import ExperimentError
from tuner.spec import Choice, Experiment, Float, Int

KINDS = ["pbt", "pb2"]
RATE = {"float": [1e-4, 1e-1], "log": True}


def train(config, trial):
    yield {"loss": 0.0}


def of_file(kind, **changes):
    return Experiment.from_dict(plain(**changes, search__scheduler={"type": kind, "interval": 2}))


def of_function(kind, space, **changes):
    return Experiment(train=train, space=space, metric="loss", scheduler=kind, checkpoints=True, **changes)


def refused(sentence):
    return pytest.raises(ExperimentError, match=f"^{re.escape(sentence)}[^\n]*$")


@pytest.mark.parametrize("kind", KINDS)
def test_rates_and_regularisation_may_be_searched(kind):
    assert of_file(
        kind,
        train__optimizer={"type": "sgd", "lr": RATE, "momentum": {"float": [0, 0.9]}},
        train__l2=RATE,
        model__dropout={"float": [0, 0.5]},
    )


def test_pbt_may_search_whole_numbers_and_choices():
    assert of_file("pbt", train__batch_size={"int": [16, 64]}, train__gradient_clip={"choice": [None, 1.0]})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("path", "domain"),
    [
        ("model__width", {"int": [8, 64]}),
        ("model__activation", {"choice": ["relu", "gelu"]}),
        ("train__optimizer", {"choice": [{"type": "sgd", "lr": RATE}, {"type": "adam", "lr": RATE}]}),
        ("train__zero__stage", {"choice": [0, 1]}),
        ("train__epochs", {"int": [4, 9]}),
        ("data__standardise", {"choice": [True, False]}),
    ],
)
def test_what_cannot_change_on_the_way_is_refused(kind, path, domain):
    name = path.replace("__", ".")
    with refused(f"{name} cannot change while a trial trains, as {kind} needs; found {{"):
        of_file(kind, **{path: domain}, train__l1={"float": [0, 1]})


@pytest.mark.parametrize("domain", [{"int": [16, 64]}, {"choice": [16, 64]}])
def test_pb2_needs_continuous_bounds(domain):
    with refused(
        "train.batch_size must be a float without step, for pb2 fits a Gaussian process; "
        f"found {domain}; use one, or pbt"
    ):
        of_file("pb2", train__batch_size=domain)
    with refused("x must be a float without step"):
        of_function("pb2", {"x": Float(0, 1, step=0.5)})


def test_in_a_function_every_parameter_may_change_that_every_trial_has():
    assert of_function("pbt", {"n": Int(1, 3), "c": Choice(["a", "b"])})
    with refused("kind.a.x must exist in every trial of pbt; found it only where kind is a; move it out"):
        of_function("pbt", {"kind": Choice([{"type": "a", "x": Float(0, 1)}, {"type": "b"}])})


@pytest.mark.parametrize("kind", KINDS)
def test_a_population_needs_something_to_change(kind):
    with refused(f"search.scheduler {kind} changes what is searched; found no domain; search one of"):
        of_file(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_a_population_has_two_trials(kind):
    with refused(f"search.trials must be at least 2, the population in which {kind} copies the better"):
        of_function(kind, {"x": Float(0, 1)}, trials=1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_trial_with_changing_parameters_cannot_be_repeated(kind):
    with refused(
        f"confirm repeats a trial with its parameters, which {kind} changes on the way; "
        f"found it with scheduler {kind}; leave it out"
    ):
        of_function(kind, {"x": Float(0, 1)}, confirm={"top": 1})


def test_a_wrong_parameter_is_found_in_its_line(tmp_path):
    text = """\
name: small
task: tabular_classification
data: {source: {type: sklearn, name: iris}}
model:
  type: mlp
  width: {int: [8, 16]}
train: {epochs: 8}
search: {metric: val/accuracy, scheduler: pbt}
"""
    with pytest.raises(ExperimentError, match=r"e\.yaml:6: model.width cannot change while a trial trains"):
        load_text(tmp_path, text)
