"""Freeze-thaw by hand: who is paused, who goes on, how it ends; and that it pays."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from scheduler_driver import SPACE, Run, falling, params_of, replay

from tuner.search import Action
from tuner.search.curves import Curve, Reference, reference_of
from tuner.search.distributions import value_at
from tuner.search.factory import make_scheduler
from tuner.search.freeze_thaw import NEW_SHARE, NUM_FIRST, FreezeThaw
from tuner.search.simulator import Settings, regret, replay_seeds
from tuner.search.surrogate import landmarks
from tuner.spec.domains import Choice, Float, Int
from tuner.spec.sections import SearchSpec
from tuner.spec.space import Parameter, Space
from tuner.tasks.metrics import Mode


def make(
    mode: Mode = "min",
    max_reports: int = 9,
    seed: int = 0,
    grace: int = 1,
    space: Space = SPACE,
    trials: int = 10**6,
) -> FreezeThaw:
    return FreezeThaw(mode=mode, max_reports=max_reports, grace=grace, space=space, trials=trials, seed=seed)


def run_of(seed: int = 0, **changes: Any) -> Run:
    return Run(make(seed=seed), falling(seed), 9, **{"num_trials": 25, "seed": seed, **changes})


def by_number(number: int, step: int) -> float:
    """The higher the number the worse, from the first report on, and the order does not change."""
    return number / 20 + 1 / step


def reported(num: int, curve: Any = by_number, **options: Any) -> FreezeThaw:
    """A scheduler under which `num` trials have begun and reported once."""
    scheduler = make(**options)
    for number in range(num):
        scheduler.on_start(number, params_of(number))
        scheduler.on_report(number, 1, curve(number, 1))
    return scheduler


# --- who goes on ---


def test_the_first_trials_are_paused_for_new_ones() -> None:
    scheduler = make()
    for number in range(NUM_FIRST - 1):
        scheduler.on_start(number, params_of(number))
        decision = scheduler.on_report(number, 1, by_number(number, 1))
        assert decision.action is Action.PAUSE
        assert decision.reason == f"{by_number(number, 1):.6g} at report 1: a new trial comes first"
        assert scheduler.resume(is_last=False) is None


def test_the_loser_is_paused_and_the_winner_resumed() -> None:
    """With enough new ones, so that one of those that wait goes on."""
    scheduler = reported(30)
    scheduler.on_start(30, params_of(30))
    decision = scheduler.on_report(30, 1, by_number(30, 1))
    resume = scheduler.resume(is_last=False)
    assert decision.action is Action.PAUSE
    assert resume is not None
    assert resume.number < 10
    assert f"trial {resume.number} comes first" in decision.reason


def test_the_last_trials_make_way_for_each_other_only() -> None:
    """No pause for a new trial that will not come, and no word of one."""
    scheduler = reported(12, trials=12)
    resume = scheduler.resume(is_last=True)
    assert resume is not None
    decision = scheduler.on_report(resume.number, 2, by_number(resume.number, 2))
    assert decision.action is Action.CONTINUE
    assert "no new trial to come" in decision.reason


def test_with_one_trained_in_full_and_no_gain_left_nobody_goes_on() -> None:
    scheduler = make(trials=2)
    for number, level in enumerate((0.1, 50.0)):
        scheduler.on_start(number, params_of(number))
        for step in range(1, 10 if number == 0 else 3):
            decision = scheduler.on_report(number, step, level)
    assert decision.action is Action.PAUSE
    assert "nobody's expected gain is worth going on for" in decision.reason


def test_the_winner_itself_goes_on() -> None:
    scheduler = reported(30)
    scheduler.on_start(30, params_of(30))
    decision = scheduler.on_report(30, 1, -3.0)
    assert decision.action is Action.CONTINUE
    assert decision.rung == 1
    following = scheduler.resume(is_last=False)
    assert following is None or following.number != 30


def test_a_trial_is_named_only_once() -> None:
    scheduler = reported(30)
    named = [resume.number for _ in range(5) if (resume := scheduler.resume(is_last=False)) is not None]
    assert len(set(named)) == len(named) == 5


def test_it_decides_at_landmarks_from_grace_on() -> None:
    scheduler = make(grace=3, max_reports=27)
    scheduler.on_start(0, params_of(0))
    rungs = [scheduler.on_report(0, step, 1 / step).rung for step in range(1, 28)]
    assert [rung for rung in rungs if rung] == [step for step in landmarks(27) if 3 <= step < 27]


def test_new_trials_take_a_share_of_the_reports() -> None:
    """Also where only a new one can be better, as nothing changes after the first report."""
    run = Run(make(), lambda number, step: falling()(number, 1), 9, num_trials=10**6).go(150)
    assert 2 * NUM_FIRST < len(run.steps) <= NEW_SHARE * run.num_reports() + 2 * NUM_FIRST
    assert max(run.steps.values()) == 9


def test_max_is_min_with_the_sign_turned() -> None:
    losses = falling()
    lower = Run(make(), losses, 9, num_trials=25).go()
    higher = Run(make("max"), lambda *place: -losses(*place), 9, num_trials=25).go()
    assert lower.ended == higher.ended
    assert lower.steps == higher.steps


# --- ends ---


@pytest.mark.parametrize("num_trials", [1, 2, NUM_FIRST, 25])
@pytest.mark.parametrize("num_workers", [1, 4])
def test_a_search_ends_and_has_trained_one_in_full(num_trials: int, num_workers: int) -> None:
    run = run_of(num_trials=num_trials, num_workers=num_workers).go()
    assert sorted(run.ended) == list(range(num_trials))
    assert "COMPLETE" in run.ended.values()
    assert run.num_reports() < 9 * num_trials or num_trials <= 2


def test_the_one_that_was_trained_in_full_is_good() -> None:
    """The best of 25 is among those trained to the end, in most of five searches."""
    hits = 0
    for seed in range(5):
        run = run_of(seed).go()
        finals = {number: falling(seed)(number, 9) for number in range(25)}
        complete = [number for number, state in run.ended.items() if state == "COMPLETE"]
        hits += min(finals, key=finals.__getitem__) in complete
    assert hits >= 3


def test_with_no_new_trial_to_come_the_most_promising_goes_on_first() -> None:
    resume = reported(12).resume(is_last=True)
    assert resume is not None
    assert resume.number <= 3
    assert resume.reason.endswith("no new trial to come")


def test_when_nothing_gains_the_rest_stay_paused() -> None:
    scheduler = reported(12, lambda number, step: 0.5)
    for step in range(2, 10):
        scheduler.on_report(0, step, 0.5)
    scheduler.on_finish(0)
    assert scheduler.resume(is_last=True) is None


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_diverged_is_never_resumed(value: float) -> None:
    scheduler = reported(12)
    scheduler.on_start(0, params_of(0))
    assert scheduler.on_report(0, 2, value).action is Action.STOP
    scheduler.on_finish(0)
    named = set()
    while (resume := scheduler.resume(is_last=True)) is not None:
        named.add(resume.number)
    assert 0 not in named


def test_when_all_diverge_it_ends() -> None:
    run = Run(make(), lambda number, step: math.nan, 9).go()
    assert set(run.ended.values()) == {"DIVERGED"}


def test_a_paused_trial_may_end() -> None:
    """As by `tuner stop`; it is never named again, also not where it had just been chosen."""
    scheduler = reported(30)
    scheduler.on_start(30, params_of(30))
    decision = scheduler.on_report(30, 1, by_number(30, 1))
    chosen = next(number for number in range(31) if f"trial {number} comes" in decision.reason)
    scheduler.on_finish(chosen)
    named = []
    while (resume := scheduler.resume(is_last=True)) is not None:
        named.append(resume.number)
    assert named
    assert chosen not in named


def test_a_trial_that_reports_is_not_paused() -> None:
    """Also where nobody said that it goes on, and at a report between landmarks."""
    scheduler = reported(12)
    scheduler.on_report(3, 4, -100.0)
    named = []
    while (resume := scheduler.resume(is_last=True)) is not None:
        named.append(resume.number)
    assert 3 not in named
    assert len(named) == 11


def test_where_nothing_is_searched_it_ends_too() -> None:
    run = Run(make(space=Space(())), falling(), 9, num_trials=25)
    run.scheduler = _Blind(make(space=Space(())))
    assert sorted(run.go().ended) == list(range(25))


class _Blind:
    """A scheduler that hears of no parameters."""

    def __init__(self, inner: FreezeThaw) -> None:
        self._inner = inner
        self.on_report, self.on_finish, self.resume = inner.on_report, inner.on_finish, inner.resume

    def on_start(self, number: int, params: Mapping[str, Any]) -> None:
        self._inner.on_start(number, {})


# --- repeating ---


@pytest.mark.parametrize("num_events", [30, 60, 110])
@pytest.mark.parametrize("seed", range(3))
def test_telling_it_all_again_gives_the_same_decisions(seed: int, num_events: int) -> None:
    """Also where a start stands for each resume, and nobody asks who goes on."""
    run = run_of(seed, failing=0.02).go(num_events)
    fresh = make(seed=seed)
    assert replay(fresh, run.calls) == [call[4] for call in run.calls if call[0] == "report"]
    whole = run_of(seed, failing=0.02).go()
    run.scheduler = fresh
    assert run.go().ended == whole.ended
    assert run.steps == whole.steps


def test_another_seed_is_another_search() -> None:
    runs = [Run(make(seed=seed), falling(), 9, num_trials=25).go() for seed in range(4)]
    assert len({str(run.steps) for run in runs}) > 1


def test_the_factory_makes_it_of_the_section() -> None:
    section = {"type": "freeze_thaw", "grace": 3}
    search = SearchSpec.model_validate({"metric": "loss", "mode": "min", "scheduler": section})
    scheduler = make_scheduler(search, 27, SPACE)
    assert isinstance(scheduler, FreezeThaw)
    scheduler.on_start(0, params_of(0))
    assert [scheduler.on_report(0, step, 1.0).rung for step in (1, 2, 3)] == [None, None, 3]


# --- does it pay ---


class PowerLaws:
    """Learning curves of three parameters: a bowl of final values, reached by a power law."""

    space = Space(
        (
            Parameter("lr", Float(1e-4, 1.0, log=True)),
            Parameter("width", Int(1, 256, log=True)),
            Parameter("act", Choice(["relu", "gelu", "tanh"])),
        )
    )
    num_steps = 27

    def curve(self, params: Mapping[str, Any]) -> Curve:
        rate = np.log10(params["lr"]) + 1.5
        size = np.log2(params["width"]) / 8 - 0.7
        final = 0.1 + 0.15 * rate**2 + size**2 + {"relu": 0.1, "gelu": 0.0, "tanh": 0.2}[params["act"]]
        power = 0.4 + 0.3 * np.exp(-(rate**2))
        curve: Curve = final + (1.5 - 0.2 * size) * np.arange(1, 28) ** -power
        return curve

    def reference(self, mode: Mode) -> Reference:
        rng = np.random.default_rng(0)
        drawn = [self.space.walk(lambda p: value_at(p.domain, rng.random())) for _ in range(1000)]
        return reference_of(np.array([self.curve(params) for params in drawn]), mode)


def test_auto_beats_random_with_promotion_asha() -> None:
    """Mean regret after six full trainings on four workers, eight seeds: .026 against .156."""
    curves = PowerLaws()
    reference = curves.reference("min")

    def mean_regret(sampler: str, scheduler: dict[str, str]) -> float:
        plain = {"metric": "loss", "mode": "min", "sampler": sampler, "scheduler": scheduler}
        replays = replay_seeds(
            curves, SearchSpec.model_validate(plain), Settings(workers=4, budget=6, budgets=(6,)), range(8)
        )
        return float(np.mean([regret(replay.values[-1], reference) for replay in replays]))

    ours = mean_regret("auto", {"type": "auto"})
    theirs = mean_regret("random", {"type": "asha", "variant": "promotion"})
    assert ours < 0.6 * theirs
