"""The simulator: order of calls, budgets, pauses, the price of asking, and the real objects in it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from search_cases import SPACES

from tuner.errors import UsageError
from tuner.records.states import TrialState
from tuner.search.ahead import num_ahead
from tuner.search.curves import Reference
from tuner.search.scheduler import Action, Decision, Resume
from tuner.search.searcher import NO_METRICS, Suggestion
from tuner.search.simulator import (
    Settings,
    best_known,
    default_budgets,
    mean_and_error,
    regret,
    replay_seeds,
    simulate,
)
from tuner.spec.sections import SearchSpec


class Lines:
    """Curves that fall by one a step, from the parameter `start`."""

    space = SPACES["one"]

    def __init__(self, num_steps: int = 4, diverges_at: int | None = None) -> None:
        self.num_steps = num_steps
        self._diverges_at = diverges_at

    def curve(self, params: Mapping[str, Any]) -> np.ndarray:
        curve = params["start"] - np.arange(1.0, self.num_steps + 1)
        if self._diverges_at is not None:
            curve[self._diverges_at - 1 :] = np.nan
        return curve

    def reference(self, mode: str) -> Reference:
        return Reference(0.0, 10.0)


class Script:
    """A searcher that proposes starts 100, 90, 80 ..., and a scheduler with decisions by report.

    `calls` is what both heard, in order; `decisions`: step -> action.
    """

    def __init__(self, num_trials: int | None = None, decisions: Mapping[int, Action] | None = None) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.paused: list[int] = []
        self.lasts: list[bool] = []
        self._num_trials, self._decisions = num_trials, decisions or {}
        self._num_asked = 0

    def suggest(self) -> Suggestion | None:
        if self._num_asked == self._num_trials:
            return None
        self._num_asked += 1
        return Suggestion(self._num_asked - 1, {"start": 110.0 - 10 * self._num_asked})

    def on_start(self, number: int, params: Mapping[str, Any]) -> None:
        self.calls.append(("start", number, params["start"]))

    def on_report(self, number: int, step: int, value: float) -> Decision:
        self.calls.append(("decide", number, step))
        action = self._decisions.get(step, Action.CONTINUE)
        if action is Action.PAUSE:
            self.paused.append(number)
        return Decision(action, "scripted", rung=step if action is not Action.CONTINUE else None)

    def report(self, number: int, step: int, value: float) -> None:
        self.calls.append(("report", number, step))

    def finish(
        self,
        number: int,
        state: TrialState,
        value: float | None,
        reason: str,
        metrics: Mapping[str, float] = NO_METRICS,
    ) -> None:
        assert reason
        self.calls.append(("finish", number, state, value))

    def on_finish(self, number: int) -> None:
        self.calls.append(("end", number))
        self.paused = [other for other in self.paused if other != number]

    def resume(self, *, is_last: bool) -> Resume | None:
        self.lasts.append(is_last)
        return Resume(self.paused.pop(0), "scripted") if is_last and self.paused else None


def play(script: Script, curves: Lines | None = None, **settings: Any):
    return simulate(curves or Lines(), script, script, Settings(**settings), "min")


def test_one_trial_goes_the_conductors_way() -> None:
    script = Script(num_trials=1)
    replay = play(script, Lines(num_steps=2), workers=1, budget=5)
    assert script.calls == [
        ("start", 0, 100.0),
        ("decide", 0, 1), ("report", 0, 1),
        ("decide", 0, 2), ("report", 0, 2),
        ("finish", 0, TrialState.COMPLETE, 98.0), ("end", 0),
    ]  # fmt: skip
    assert (replay.states, replay.reports, replay.trials) == ({"COMPLETE": 1}, 2, 1)
    assert replay.best_params == {"start": 100.0}


def test_workers_take_turns_in_time_and_then_by_number() -> None:
    script = Script()
    play(script, Lines(num_steps=2), workers=3, budget=3)
    decided = [call[1:] for call in script.calls if call[0] == "decide"]
    assert decided == [(0, 1), (1, 1), (2, 1), (0, 2), (1, 2), (2, 2)]


@pytest.mark.parametrize(("budget", "reports"), [(1, 4), (2.5, 10), (0.25, 1), (2.6, 10)])
def test_the_budget_is_spent_to_the_report(budget: float, reports: int) -> None:
    replay = play(Script(), workers=3, budget=budget)
    assert replay.reports == reports
    assert sum(replay.states.values()) == replay.trials


def test_values_are_the_best_seen_within_each_budget() -> None:
    # One worker: 99..96 with the first trial, 89..86 with the second.
    replay = play(Script(), workers=1, budget=2, budgets=(0.25, 1, 1.25, 2))
    assert replay.values == (99.0, 96.0, 89.0, 86.0)


def test_a_value_that_is_not_finite_ends_the_trial_and_is_no_value() -> None:
    script = Script(num_trials=2)
    replay = play(script, Lines(diverges_at=2), workers=1, budget=9)
    assert ("finish", 0, TrialState.DIVERGED, 99.0) in script.calls
    assert (replay.states, replay.reports, replay.values[-1]) == ({"DIVERGED": 2}, 4, 89.0)
    nothing = play(Script(num_trials=1), Lines(diverges_at=1), workers=1, budget=9, budgets=(9,))
    assert nothing.values == (None,)


def test_a_stopped_trial_gives_its_worker_to_the_next() -> None:
    script = Script(num_trials=3, decisions={2: Action.STOP})
    replay = play(script, workers=1, budget=9)
    assert replay.states == {"STOPPED": 3}
    assert (replay.reports, replay.rungs) == (6, {2: 3})
    assert ("finish", 1, TrialState.STOPPED, 88.0) in script.calls


def test_a_paused_trial_goes_on_where_it_was() -> None:
    script = Script(num_trials=2, decisions={1: Action.PAUSE})
    replay = play(script, Lines(num_steps=3), workers=1, budget=9)
    decided = [call[1:] for call in script.calls if call[0] == "decide"]
    assert decided == [(0, 1), (1, 1), (0, 2), (0, 3), (1, 2), (1, 3)]
    assert [call[1] for call in script.calls if call[0] == "start"] == [0, 1]
    assert replay.states == {"COMPLETE": 2}


@pytest.mark.parametrize("limit", ["trials", "exhausted"])
def test_the_scheduler_hears_when_no_new_trial_will_come(limit: str) -> None:
    script = Script(num_trials=2 if limit == "exhausted" else None)
    trials = 2 if limit == "trials" else None
    replay = play(script, workers=1, budget=9, trials=trials)
    assert (replay.trials, replay.states) == (2, {"COMPLETE": 2})
    assert script.lasts[-1]
    assert not script.lasts[0]


def test_a_pause_at_the_last_report_is_the_end() -> None:
    replay = play(Script(num_trials=1, decisions={4: Action.PAUSE}), workers=1, budget=9)
    assert replay.states == {"COMPLETE": 1}


def test_paused_trials_that_nobody_resumes_stay_paused() -> None:
    script = Script(num_trials=2, decisions={1: Action.PAUSE})
    script.resume = lambda *, is_last: None
    assert play(script, workers=1, budget=9).states == {"PAUSED": 2}


# --- the price of asking ---

TEN_SECONDS = {"workers": 8, "budget": 200, "report_seconds": 1.0}


def test_without_asking_ahead_slow_asks_keep_workers_idle() -> None:
    replay = play(Script(), Lines(num_steps=10), **TEN_SECONDS, ask_seconds=0.6)
    assert replay.idle > 0.05


@pytest.mark.parametrize("num_steps", [1, 10])
def test_asking_ahead_keeps_eight_workers_busy(num_steps: int) -> None:
    settings = {**TEN_SECONDS, "report_seconds": 10 / num_steps}
    replay = play(Script(), Lines(num_steps), **settings, ask_seconds=0.6, ahead=num_ahead(8))
    assert replay.idle < 0.02


def test_free_asks_take_no_time() -> None:
    replay = play(Script(), workers=4, budget=4, report_seconds=2.0)
    assert (replay.idle, replay.seconds) == (0.0, 8.0)


def test_what_is_asked_ahead_is_known_to_the_searcher_before_it_starts() -> None:
    script = Script(num_trials=3)
    asked = []
    suggest = script.suggest
    script.suggest = lambda: asked.append(len(script.calls)) or suggest()
    play(script, Lines(num_steps=1), workers=1, budget=9, ahead=1)
    # The second is drawn when the first has only started.
    assert asked[:2] == [0, 1]


def test_measured_asks_are_charged() -> None:
    replay = play(Script(num_trials=3), workers=1, budget=9, ask_seconds="measured")
    assert replay.ask_seconds > 0
    assert 12 < replay.seconds < 13
    assert 0 < replay.idle < 0.1


# --- what is made of it ---


@pytest.mark.parametrize(
    ("value", "expected"), [(10.0, 1.0), (5.0, 0.5), (0.0, 0.0), (-1.0, 0.0), (99.0, 1.0), (None, 1.0)]
)
def test_regret_is_0_at_the_best_and_1_at_the_median(value: float | None, expected: float) -> None:
    assert regret(value, Reference(0.0, 10.0)) == expected
    if value is not None:
        assert regret(-value, Reference(0.0, -10.0)) == expected


def test_regret_where_best_and_median_are_one() -> None:
    assert regret(1.0, Reference(1.0, 1.0)) == 0.0
    assert regret(2.0, Reference(1.0, 1.0)) == 1.0


def test_nobody_is_better_than_the_best_known() -> None:
    replay = play(Script(), workers=1, budget=1)
    assert best_known(Reference(500.0, 600.0), [replay], "min") == (96.0, 600.0)
    assert best_known(Reference(0.0, 600.0), [replay], "min") == (0.0, 600.0)
    assert best_known(Reference(0.0, -1.0), [replay], "max").best == 99.0 - 3


def test_default_budgets() -> None:
    assert default_budgets(30) == (1, 2, 5, 10, 20, 30)
    assert default_budgets(5) == (1, 2, 5)
    assert default_budgets(0.5) == (0.5,)


def test_mean_and_standard_error() -> None:
    assert mean_and_error([1.0, 3.0]) == (2.0, 1.0)
    assert mean_and_error([2.0]) == (2.0, None)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"budget": 5, "budgets": (10,)}, "must not exceed the whole budget; found 10 with budget 5"),
        ({"budget": 0}, "--budget must be a number above 0; found 0"),
        ({"budget": float("nan")}, "--budget must be a number above 0; found nan"),
        ({"workers": 0}, "--workers must be a number above 0"),
        ({"budgets": (0.0,)}, "--budgets must be a number above 0"),
        ({"report_seconds": -1.0}, "--report-seconds must be a number above 0; found -1"),
        ({"trials": 0}, "--trials must be a number above 0"),
    ],
)
def test_settings_that_contradict_are_one_sentence(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        Settings(**settings)


# --- with the objects of a real run ---


class Bowl:
    """Curves that fall towards a bowl's value; the best is at x = y = 0.3."""

    space = SPACES["square"]
    num_steps = 9

    def curve(self, params: Mapping[str, Any]) -> np.ndarray:
        height = (params["x"] - 0.3) ** 2 + (params["y"] - 0.3) ** 2
        return height + (1 + height) / np.arange(1.0, 10.0)

    def reference(self, mode: str) -> Reference:
        return Reference(1 / 9, 1.0)


def search(**changes: Any) -> SearchSpec:
    return SearchSpec.model_validate({"metric": "loss", "mode": "min", **changes})


@pytest.mark.parametrize("sampler", ["random", "tpe", "qmc"])
@pytest.mark.parametrize("scheduler", ["none", "asha"])
def test_the_same_seed_is_the_same_run(sampler: str, scheduler: str) -> None:
    settings = Settings(workers=3, budget=5)
    spec = search(sampler=sampler, scheduler=scheduler)
    first, second, other = replay_seeds(Bowl(), spec, settings, [3, 3, 4])
    assert (first.values, first.states, first.rungs) == (second.values, second.states, second.rungs)
    assert first.values != other.values
    assert first.reports == 45


def test_stopping_leaves_compute_for_more_trials() -> None:
    settings = Settings(workers=4, budget=20)
    [full] = replay_seeds(Bowl(), search(sampler="random", scheduler="none"), settings, [0])
    [stopped] = replay_seeds(Bowl(), search(sampler="random", scheduler="asha"), settings, [0])
    assert full.states["COMPLETE"] == 20
    assert stopped.trials > 60
    assert set(stopped.rungs) == {1, 3}
