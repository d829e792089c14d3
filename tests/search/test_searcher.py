"""What the searcher promises beyond its suggestions: numbers, states, what stands in the study."""

import subprocess
import sys
import warnings
from pathlib import Path

import optuna
import pytest
from search_cases import (
    CASES,
    NESTED,
    SAMPLERS,
    SPACES,
    TOLD,
    drive,
    end_of,
    make_search,
    open_searcher,
)

from tuner.records.states import TrialState
from tuner.search.factory import make_searcher
from tuner.search.grid import grid_points
from tuner.spec.domains import Float
from tuner.spec.space import Parameter, Space


def load(journal: Path) -> optuna.Study:
    """The study as any reader of Optuna's sees it."""
    backend = optuna.storages.journal.JournalFileBackend(str(journal))
    return optuna.load_study(study_name="study", storage=optuna.storages.JournalStorage(backend))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_many_trials_are_asked_before_one_is_told(tmp_path: Path, sampler: str) -> None:
    searcher = open_searcher(sampler, "steps", tmp_path / "journal")
    drive(searcher, 0, 12)
    pending = [searcher.suggest() for _ in range(4)]
    assert [suggestion.number for suggestion in pending if suggestion] == [12, 13, 14, 15]
    assert searcher.unfinished() == pending


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_all_trials_are_told(tmp_path: Path, sampler: str) -> None:
    drive(open_searcher(sampler, "steps", tmp_path / "journal"), 0, 9)
    ends = [end_of(number) for number in range(9)]
    assert set(ends) == set(TOLD)
    trials = load(tmp_path / "journal").trials
    assert [trial.state for trial in trials] == [TOLD[end] for end in ends]
    assert [trial.user_attrs["tuner_state"] for trial in trials] == [end.value for end in ends]


@pytest.mark.parametrize(
    ("state", "told", "value"),
    [
        (TrialState.COMPLETE, "COMPLETE", 0.25),
        (TrialState.STOPPED, "PRUNED", 0.5),
        (TrialState.DIVERGED, "FAIL", None),
        (TrialState.INFEASIBLE, "PRUNED", 0.5),
        (TrialState.FAILED, "FAIL", None),
    ],
)
def test_an_end_is_told_as_what_it_was(
    tmp_path: Path, state: TrialState, told: str, value: float | None
) -> None:
    searcher = open_searcher("random", "mixed", tmp_path / "journal")
    suggestion = searcher.suggest()
    assert suggestion is not None
    searcher.report(0, 1, 0.75)
    searcher.report(0, 2, 0.5)
    searcher.finish(0, state, 0.25, "the reason")
    trial = load(tmp_path / "journal").trials[0]
    assert (trial.state.name, trial.value) == (told, value)
    assert trial.intermediate_values == {1: 0.75, 2: 0.5}
    assert trial.user_attrs == {"tuner_state": state.value, "reason": "the reason"}
    assert trial.params == suggestion.params
    assert trial.constraints == ({"fits": 1.0} if state is TrialState.INFEASIBLE else {})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_report_that_is_not_finite_is_left_out(tmp_path: Path, value: float) -> None:
    searcher = open_searcher("tpe", "one", tmp_path / "journal")
    searcher.suggest()
    searcher.report(0, 1, value)
    searcher.finish(0, TrialState.DIVERGED, value, f"{value} at report 1")
    trial = load(tmp_path / "journal").trials[0]
    assert trial.state is optuna.trial.TrialState.FAIL
    assert trial.intermediate_values == {}


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_a_complete_trial_has_a_finite_value(tmp_path: Path, value: float | None) -> None:
    searcher = open_searcher("random", "one", tmp_path / "journal")
    searcher.suggest()
    with pytest.raises(AssertionError):
        searcher.finish(0, TrialState.COMPLETE, value, "")


@pytest.mark.parametrize("sampler", ["tpe", "gp", "cmaes", "auto"])
def test_a_trial_stopped_before_its_first_report_harms_no_sampler(tmp_path: Path, sampler: str) -> None:
    searcher = open_searcher(sampler, "square", tmp_path / "journal")
    drive(searcher, 0, 15)
    searcher.suggest()
    searcher.finish(15, TrialState.STOPPED, None, "asked for")
    assert searcher.suggest() is not None


def test_a_report_that_comes_twice_replaces_the_first(tmp_path: Path) -> None:
    searcher = open_searcher("random", "one", tmp_path / "journal")
    searcher.suggest()
    searcher.report(0, 1, 0.5)
    searcher.report(0, 1, 0.25)
    assert load(tmp_path / "journal").trials[0].intermediate_values == {1: 0.25}


@pytest.mark.parametrize(("sampler", "space"), CASES)
def test_a_trial_that_was_half_drawn_is_drawn_to_its_end(tmp_path: Path, sampler: str, space: str) -> None:
    open_searcher(sampler, space, tmp_path / "journal")
    load(tmp_path / "journal").ask()
    (suggestion,) = open_searcher(sampler, space, tmp_path / "journal").unfinished()
    SPACES[space].check(suggestion.params)


def test_mode_max_is_a_study_that_maximises(tmp_path: Path) -> None:
    open_searcher("random", "one", tmp_path / "journal", mode="max")
    assert load(tmp_path / "journal").direction is optuna.study.StudyDirection.MAXIMIZE


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_nothing_is_printed_and_nobody_is_warned(
    tmp_path: Path, sampler: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drive(open_searcher(sampler, "steps", tmp_path / "journal"), 0, 14)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("sampler", ["auto", "grid", "random"])
def test_a_space_without_parameters_has_one_trial(tmp_path: Path, sampler: str) -> None:
    searcher = make_searcher(Space(()), make_search(sampler), tmp_path / "journal")
    first, second = searcher.suggest(), searcher.suggest()
    assert (first.number, first.params) == (0, {})
    assert second is None


def test_a_grid_has_every_point_once_with_trials_in_parallel(tmp_path: Path) -> None:
    searcher = make_searcher(NESTED, make_search("grid"), tmp_path / "journal")
    suggestions = drive(searcher, 0, 16, parallel=4)
    assert [suggestion.params for suggestion in suggestions] == list(grid_points(NESTED))
    assert searcher.suggest() is None
    assert make_searcher(NESTED, make_search("grid"), tmp_path / "journal").suggest() is None


def best_of(sampler: str, journal: Path, seed: int) -> float:
    """The best of 24 trials on a bowl in three dimensions, two at a time."""
    space = Space(tuple(Parameter(name, Float(-5.0, 5.0)) for name in "abc"))
    searcher = make_searcher(space, make_search(sampler, seed=seed, scheduler={"type": "none"}), journal)
    losses: list[float] = []
    for _ in range(12):
        for suggestion in [searcher.suggest(), searcher.suggest()]:
            assert suggestion is not None
            losses.append(sum((value - 1.0) ** 2 for value in suggestion.params.values()))
            searcher.report(suggestion.number, 1, losses[-1])
            searcher.finish(suggestion.number, TrialState.COMPLETE, losses[-1], "")
    return min(losses)


@pytest.mark.parametrize("sampler", ["tpe", "gp", "curve_gp", "cmaes"])
def test_a_model_beats_random_search_on_a_bowl(tmp_path: Path, sampler: str) -> None:
    def mean(name: str) -> float:
        return sum(best_of(name, tmp_path / f"{name}{seed}", seed) for seed in range(3)) / 3

    assert mean(sampler) < 0.6 * mean("random")


def test_importing_the_room_loads_no_optuna() -> None:
    code = "import sys, tuner.search; sys.exit('optuna' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
