"""Earlier experiments' trials: which are used, with which values, and that samplers learn from them."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from search_cases import make_search

from tuner.errors import ExperimentError
from tuner.records.paths import ExperimentPaths
from tuner.records.rows import TrialRow, write_trials
from tuner.records.states import TrialState
from tuner.search.factory import make_searcher
from tuner.search.history import Observation
from tuner.search.optuna_searcher import OptunaSearcher
from tuner.search.warm_start import earlier_trials
from tuner.spec.domains import Choice, Domain, Float, Int
from tuner.spec.experiment import Experiment
from tuner.spec.sections import SearchSpec
from tuner.spec.space import Parameter, Space, space_of

Losses = list[tuple[dict[str, Any], float]]


def own(config: dict[str, Any], trial: Any) -> Iterator[dict[str, float]]:
    raise NotImplementedError
    yield {}


def write_experiment(root: Path, experiment: Experiment, rows: list[TrialRow]) -> Path:
    """A folder as a search leaves it, with a journal in which each trial reported twice its value first."""
    paths = ExperimentPaths(root)
    root.mkdir()
    paths.experiment_yaml.write_text(experiment.to_yaml())
    write_trials(paths.trials_csv, rows)
    searcher = make_searcher(experiment.space, experiment.search, paths.journal, experiment.name)
    for row in rows:
        assert searcher.suggest() is not None
        value = row.last.get(experiment.search.metric)
        if value is not None:
            searcher.report(row.number, 1, 2 * value)
            searcher.report(row.number, 2, value)
        searcher.finish(row.number, row.state, value, row.reason)
    return root


def write_own(root: Path, space: dict[str, Any], rows: Losses, mode: Any = "min") -> Path:
    experiment = Experiment(train=own, name="own", space=space, metric="loss", mode=mode)
    return write_experiment(
        root,
        experiment,
        [
            TrialRow(number, TrialState.COMPLETE, params, "", {"loss": loss}, {"loss": loss}, reports=2)
            for number, (params, loss) in enumerate(rows)
        ],
    )


def read(folder: Path, space: dict[str, Any], **search: Any) -> list[Observation]:
    return earlier_trials(space_of(space), make_search(warm_start=[str(folder)], **search))


BOWL: Losses = [({"x": x / 10, "y": 1}, (x / 10 - 0.5) ** 2) for x in range(-10, 11)]
OLD = {"x": Float(-1.0, 1.0), "y": Int(1, 3)}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_own(tmp_path_factory.mktemp("written") / "old", OLD, BOWL)


@pytest.fixture
def old(written: Path, tmp_path: Path) -> Path:
    """An earlier search of a bowl, to be spoilt at will."""
    return shutil.copytree(written, tmp_path / "old")


def test_trials_come_with_curve_value_and_state(old: Path) -> None:
    seen = read(old, OLD)
    assert len(seen) == 21
    assert seen[0] == Observation(None, {"x": -1.0, "y": 1}, {1: 4.5, 2: 2.25}, TrialState.COMPLETE, 2.25)


def test_a_trial_whose_parameters_changed_on_its_way_is_left_out(old: Path) -> None:
    for number, action in [(0, "EXPLOIT"), (1, "CONTINUE"), (0, "EXPLOIT")]:
        with ExperimentPaths(old).decisions.open("a") as file:
            print(json.dumps({"trial": number, "action": action}), file=file)
    assert [seen.params["x"] for seen in read(old, OLD)][:2] == [-0.9, -0.8]
    assert len(read(old, OLD)) == 20


def test_without_a_journal_a_trial_has_its_last_report(old: Path) -> None:
    (old / "study.journal").unlink()
    assert read(old, OLD)[0].curve == {2: 2.25}


@pytest.mark.parametrize(
    ("space", "num_used", "first"),
    [
        ({"x": Float(0.0, 1.0), "y": Int(1, 3)}, 11, {"x": 0.0, "y": 1}),
        ({"x": Float(-1.0, 1.0)}, 21, {"x": -1.0}),
        ({"x": Float(-1.0, 1.0), "z": Float(1e-4, 1.0, log=True)}, 21, {"x": -1.0, "z": pytest.approx(1e-2)}),
        ({"x": Float(-1.0, 1.0), "z": Choice(["a", "b"])}, 21, {"x": -1.0, "z": "a"}),
        ({"x": Choice([0.5, 1.0])}, 2, {"x": 0.5}),
        ({"x": Float(-1.0, 1.0), "k": Int(4, 6)}, 21, {"x": -1.0, "k": 5}),
    ],
)
def test_an_overlapping_space(
    old: Path, space: dict[str, Domain], num_used: int, first: dict[str, Any]
) -> None:
    seen = read(old, space)
    assert (len(seen), seen[0].params) == (num_used, first)


def test_what_was_fixed_is_known(tmp_path: Path) -> None:
    rows: Losses = [({"x": 0.5}, 1.0)]
    folder = write_own(tmp_path / "old", {"x": Float(0.0, 1.0), "net": {"depth": 3}}, rows)
    space = {"x": Float(0.0, 1.0), "net": {"depth": Int(1, 9)}}
    assert read(folder, space)[0].params == {"x": 0.5, "net.depth": 3}
    with pytest.raises(ExperimentError, match="found no trial of .* inside"):
        read(folder, {"x": Float(0.0, 1.0), "net": {"depth": Int(4, 9)}})


OPTIMIZERS = {"choice": [{"type": "adamw", "lr": {"float": [1e-4, 1.0]}}, {"type": "sgd", "lr": 0.1}]}

SEARCHED = {"type": "adamw", "lr": {"float": [0.1, 0.9]}}
CHOSEN = {"train.optimizer": "adamw", "train.optimizer.adamw.lr": 0.2}


def one_of_ours(**train: Any) -> Experiment:
    tree = {
        "name": "ours",
        "task": "tabular_classification",
        "data": {"source": {"type": "sklearn", "name": "iris"}},
        "model": {"type": "mlp", "depth": {"int": [1, 3]}},
        "train": {"epochs": 2, **train},
        "search": {"metric": "val/loss", "scheduler": "none"},
    }
    return Experiment.from_dict(tree)


@pytest.mark.parametrize(
    ("then", "params", "inside"),
    [
        ({"optimizer": {"type": "adamw"}}, {}, ("adamw", 1e-3)),
        ({"optimizer": {"type": "adamw", "lr": 0.01}}, {}, ("adamw", 0.01)),
        ({"optimizer": SEARCHED}, {"train.optimizer.lr": 0.5}, ("adamw", 0.5)),
        ({"optimizer": {"type": "sgd", "lr": 0.1}}, {}, ("sgd", None)),
        ({"optimizer": OPTIMIZERS}, CHOSEN, ("adamw", 0.2)),
        ({"optimizer": {"type": "adamw", "lr": 1e-5}}, {}, None),
        ({"optimizer": {"type": "adam"}}, {}, None),
    ],
)
def test_a_setting_of_ours_has_what_its_trial_was_trained_with(
    tmp_path: Path, then: dict[str, Any], params: dict[str, Any], inside: tuple[str, float | None] | None
) -> None:
    """The schema's default, what the file says, or what was searched under another path."""
    earlier = one_of_ours(**then)
    row = TrialRow(
        0, TrialState.COMPLETE, {"model.depth": 2, **params}, "", {"val/loss": 1.0}, {"val/loss": 1.0}
    )
    folder = write_experiment(tmp_path / "old", earlier, [row])
    now = one_of_ours(optimizer=OPTIMIZERS).replace(warm_start=[str(folder)])
    if inside is None:
        with pytest.raises(ExperimentError, match="whose space overlaps"):
            earlier_trials(now.space, now.search)
        return
    (seen,) = earlier_trials(now.space, now.search)
    found = seen.params["train.optimizer"], seen.params.get("train.optimizer.adamw.lr")
    assert found == inside
    assert seen.params["model.depth"] == 2


def test_bad_ends_come_along(tmp_path: Path) -> None:
    experiment = Experiment(train=own, name="own", space=OLD, metric="loss")
    params = {"x": 0.0, "y": 1}
    states = [TrialState.DIVERGED, TrialState.INFEASIBLE, TrialState.STOPPED, TrialState.FAILED]
    last = [{}, {"size": 3.0}, {"loss": 0.5, "size": 1.0}, {}]
    rows = [TrialRow(n, states[n], params, "", {}, last[n], reports=2) for n in range(4)]
    rows.append(TrialRow(4, TrialState.STOPPED, params, confirms=2))
    folder = write_experiment(tmp_path / "old", experiment, rows[:4])
    write_trials(folder / "trials.csv", rows)
    seen = read(folder, OLD, constraints={"size": {"max": 2.0}})
    assert [one.state for one in seen] == states
    assert [one.constraints for one in seen] == [{}, {"size max": 0.5}, {"size max": -0.5}, {}]
    assert [one.value for one in seen] == [None, None, 0.5, None]
    assert read(folder, OLD)[1].constraints == {"fits": 1.0}


def test_a_further_objective_that_was_reported_is_known(tmp_path: Path) -> None:
    experiment = Experiment(train=own, name="own", space=OLD, metric="loss")
    row = TrialRow(
        0, TrialState.COMPLETE, {"x": 0.0, "y": 1}, "", {"loss": 1.0}, {"loss": 1.0, "size": 3.0}, reports=2
    )
    folder = write_experiment(tmp_path / "old", experiment, [row])
    (seen,) = read(folder, OLD, also={"size": "min"}, scheduler={"type": "none"})
    assert (seen.value, seen.metrics) == (1.0, {"size": 3.0})


def warm(folder: Path, sampler: str, journal: Path | None, **changes: Any) -> OptunaSearcher:
    space = Space((Parameter("x", Float(-1.0, 1.0)), Parameter("y", Int(1, 3))))
    search: SearchSpec = make_search(sampler, warm_start=[str(folder)], trials=60, **changes)
    return make_searcher(space, search, journal)


@pytest.mark.parametrize("sampler", ["tpe", "gp", "cmaes"])
def test_the_first_suggestions_are_where_earlier_trials_were_good(old: Path, sampler: str) -> None:
    searcher = warm(old, sampler, None)
    found = []
    for number in range(8):
        suggestion = searcher.suggest()
        assert suggestion is not None
        assert suggestion.number == number
        found.append(suggestion.params["x"])
        searcher.finish(number, TrialState.COMPLETE, (found[-1] - 0.5) ** 2, "")
    assert sum(abs(x - 0.5) for x in found) / 8 < 0.4  # .65 at random


@pytest.mark.parametrize("sampler", ["random", "bohb", "nsgaii", "qmc", "auto"])
def test_no_sampler_minds(old: Path, sampler: str) -> None:
    searcher = warm(old, sampler, None)
    suggestion = searcher.suggest()
    assert suggestion is not None
    assert suggestion.number == 0


def test_several_objectives_start_from_one_that_reported_both(old: Path) -> None:
    searcher = warm(
        old,
        "nsgaii",
        None,
        also={"size": "min"},
        scheduler={"type": "none"},
    )
    assert searcher.suggest() is not None


def test_the_study_goes_on_without_the_folder(tmp_path: Path, old: Path) -> None:
    for journal in ("whole", "cut"):
        warm(old, "tpe", tmp_path / journal).suggest()
    whole = warm(old, "tpe", tmp_path / "whole")
    before, second = whole.observations(), whole.suggest()
    shutil.rmtree(old)
    cut = warm(old, "tpe", tmp_path / "cut")
    assert cut.observations() == before
    assert cut.suggest() == second


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match=r"must name folders of earlier experiments, .*; /.* has none;"):
        read(tmp_path, OLD)


def test_an_experiment_without_trials(old: Path) -> None:
    write_trials(old / "trials.csv", [TrialRow(0, TrialState.RUNNING, {"x": 0.0, "y": 1})])
    with pytest.raises(ExperimentError, match=r"needs trials that have ended; found none in .*old"):
        read(old, OLD)
    (old / "trials.csv").unlink()
    with pytest.raises(ExperimentError, match="needs trials that have ended"):
        read(old, OLD)


def test_another_metric(tmp_path: Path) -> None:
    folder = write_own(tmp_path / "old", OLD, BOWL, mode="max")
    with pytest.raises(ExperimentError, match=r"old has loss \(max\), not loss \(min\); leave it out"):
        read(folder, OLD)


@pytest.mark.parametrize("space", [{"z": Float(0.0, 1.0)}, {"x": Float(2.0, 3.0)}, {"x": Choice(["a"])}])
def test_a_space_that_does_not_overlap(old: Path, space: dict[str, Domain]) -> None:
    sentence = r"whose space overlaps with this one; found no trial of .* inside \(it searched x, y; this one"
    with pytest.raises(ExperimentError, match=sentence) as error:
        read(old, space)
    assert "\n" not in str(error.value)


def test_a_refused_start_leaves_the_error_to_the_maker(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="search.warm_start"):
        warm(tmp_path / "nothing", "tpe", tmp_path / "journal")
