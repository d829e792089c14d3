"""What an experiment says of objectives, constraints, points and priors, checked before anything starts."""

import os
from typing import Any

import pytest
from spec_examples import plain

from tuner.errors import ExperimentError
from tuner.spec import Experiment, Float, Int
from tuner.spec.points import complete_point
from tuner.spec.searcher_rules import GRIDS, SEVERAL_OBJECTIVES

OPTIMIZER = {
    "choice": [
        {"type": "adamw", "lr": {"float": [1e-4, 1e-2], "log": True}},
        {"type": "sgd", "lr": {"float": [1e-3, 1.0], "log": True}, "momentum": {"float": [0.0, 0.99]}},
    ]
}


def searched(**search: Any) -> Experiment:
    changes = {f"search__{key}": value for key, value in search.items()}
    return Experiment.from_dict(plain(train__optimizer=OPTIMIZER, model__depth={"int": [1, 3]}, **changes))


@pytest.mark.parametrize(
    ("search", "sentence"),
    [
        (
            {"also": {"val/los": "min"}},
            "search.also.val/los is not reported by task tabular_classification; found 'val/los'; "
            "did you mean 'val/loss'",
        ),
        (
            {"also": {"model/parameters": "max"}},
            "search.also.model/parameters must be min for model/parameters; found max; drop it",
        ),
        (
            {"also": {"val/accuracy": "max"}},
            "search.also.val/accuracy is the metric already; found it twice; drop one",
        ),
        (
            {"also": {"model/parameters": "min"}, "scheduler": "asha"},
            "search.scheduler must be none with several objectives, which no early report can compare; "
            "found asha with also model/parameters; drop one of the two",
        ),
        (
            {"also": {"model/parameters": "min"}, "sampler": "cmaes"},
            "search.sampler must be one of auto, random, tpe, gp, nsgaii, qmc, grid, brute_force with "
            "several objectives; found cmaes with also model/parameters; take one of them",
        ),
        (
            {"also": {"model/parameters": "min"}, "sampler": {"type": "cmaes", "population": 9}},
            "several objectives; found cmaes with also model/parameters; take one of them",
        ),
        (
            {"constraints": {"model/parameter": {"max": 1000}}},
            "search.constraints.model/parameter is not reported by task tabular_classification; found "
            "'model/parameter'; did you mean 'model/parameters'",
        ),
        (
            {"constraints": {"model/parameters": {}}},
            "search.constraints.model/parameters needs max or min; found neither; add one",
        ),
        (
            {"constraints": {"model/parameters": {"min": 3, "max": 1}}},
            "search.constraints.model/parameters needs min <= max; found min 3 and max 1; swap them",
        ),
        (
            {"points": [{"model.depth": 2}, {"model.dept": 2}]},
            "search.points.1 is no point of the space: 'model.dept' is not a parameter of the space; "
            "did you mean 'model.depth'",
        ),
        (
            {"points": [{"model.depth": 4}]},
            "search.points.0 is no point of the space: model.depth must lie in {'int': [1, 3]}; found 4",
        ),
        (
            {"points": [{"train.optimizer": "adamw", "train.optimizer.sgd.momentum": 0.5}]},
            "search.points.0 is no point of the space: train.optimizer.sgd.momentum only exists where "
            "train.optimizer is 'sgd'; found train.optimizer as 'adamw'; leave one of them out",
        ),
        (
            {"priors": {"model.dept": 2}},
            "search.priors.model.dept is not a parameter of the space; did you mean 'model.depth'",
        ),
        (
            {"priors": {"model.depth": 4}},
            "search.priors.model.depth must lie in {'int': [1, 3]}; found 4",
        ),
        (
            {"priors": {"train.optimizer": {"at": "adamw", "spread": 1.0}}},
            "search.priors.train.optimizer.spread of a choice is the share of the other options and must be "
            "< 1; found 1",
        ),
        (
            {"priors": {"model.depth": {"at": 2, "spread": 0}}},
            "search.priors.model.depth.spread must be > 0; found 0",
        ),
        (
            {"priors": {"model.depth": {"at": 2, "spred": 0.1}}},
            "search.priors.model.depth.spred is not a known key of search.priors.model.depth; "
            "did you mean 'spread'? allowed: at, spread",
        ),
        ({"constraints": {"val/loss": {"max": "1"}}}, "search.constraints.val/loss.max must be a number"),
        ({"also": {"val/loss": "most"}}, "search.also.val/loss must be one of min, max; found 'most'"),
        ({"points": [3]}, "search.points.0 must be a mapping; found 3"),
        ({"points": {"model.depth": 3}}, "search.points must be a list; found {'model.depth': 3}"),
        ({"warm_start": "results/a"}, "search.warm_start must be a list; found 'results/a'"),
        ({"also": ["val/loss"]}, "search.also must be a mapping; found ['val/loss']"),
        ({"priors": {"model.depth": [1]}}, "search.priors.model.depth must be a mapping; found [1]"),
        (
            {"priors": {"model.depth": {"at": [1]}}},
            "at must be text, a number, true, false or null; found [1]",
        ),
    ],
)
def test_wrong_searches(search: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ExperimentError) as error:
        searched(**search)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ExperimentError) as error:
        searched(points=[{"x": 1}, {"model.depth": 9}], priors={"y": 1})
    assert len(str(error.value).splitlines()) == 3


@pytest.mark.parametrize("sampler", SEVERAL_OBJECTIVES)
def test_several_objectives_and_a_constraint(sampler: str) -> None:
    search = {
        "search__also": {"model/parameters": "min", "train/step_seconds": "min"},
        "search__constraints": {"system/peak_memory_bytes": {"max": 1e9}},
        "search__sampler": sampler,
        "search__scheduler": "auto",
    }
    search = Experiment.from_dict(plain(model__depth={"int": [1, 3]}, **search)).search
    assert search.constraints["system/peak_memory_bytes"].max == 1e9


@pytest.mark.parametrize("sampler", GRIDS)
def test_a_grid_needs_steps(sampler: str) -> None:
    with pytest.raises(ExperimentError) as error:
        searched(sampler=sampler)
    assert [line.split(" must have finitely many values")[0] for line in str(error.value).splitlines()] == [
        "train.optimizer.adamw.lr",
        "train.optimizer.sgd.lr",
        "train.optimizer.sgd.momentum",
    ]
    with pytest.raises(ExperimentError, match="^space.x must .* sampler grid; found .* without a step; give"):
        Experiment(train=print, space={"x": Float(0.0, 1.0), "y": Int(1, 3)}, metric="m", sampler="grid")
    Experiment(train=print, space={"x": Float(0.0, 1.0, step=0.5)}, metric="loss", sampler=sampler)


def test_a_function_may_report_anything() -> None:
    experiment = Experiment(
        train=lambda config, trial: iter(()),
        name="own",
        space={"lr": Float(0.0, 1.0), "depth": Int(1, 3)},
        metric="loss",
        also={"latency": "min"},
        constraints={"memory": {"max": 3.0}},
        points=[{"depth": 2}],
        priors={"lr": 0.3},
    )
    assert experiment.search.priors["lr"].at == 0.3
    with pytest.raises(ExperimentError, match="search.points.0 is no point of the space: 'width' is not"):
        experiment.replace(points=[{"width": 2}])


def test_a_point_implies_the_choices_that_it_stands_in() -> None:
    space = searched().space
    assert complete_point(space, {"train.optimizer.sgd.lr": 1}) == {
        "train.optimizer": "sgd",
        "train.optimizer.sgd.lr": 1.0,
    }


def test_a_list_stands_for_its_label() -> None:
    space = Experiment.from_dict(
        plain(train__optimizer={"type": "adam", "betas": {"choice": [[0.9, 0.999], [0.5, 0.9]]}})
    ).space
    assert complete_point(space, {"train.optimizer.betas": [0.5, 0.9]}) == {
        "train.optimizer.betas": "[0.5, 0.9]"
    }


def test_folders_to_start_from_are_seen_from_the_working_directory() -> None:
    assert searched(warm_start=["results/a"]).search.warm_start == [os.path.abspath("results/a")]
