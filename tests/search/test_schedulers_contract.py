"""What all schedulers promise, over all of them."""

import json
import math
import random
from dataclasses import asdict
from typing import Any

import pytest
from scheduler_driver import SCHEDULERS, SPACE, Run, falling, make, params_of, replay
from search_cases import make_search

from tuner.errors import ExperimentError
from tuner.search import Action, Decision
from tuner.search.factory import make_scheduler
from tuner.spec.space import Space

PAUSING = [
    s
    for s in SCHEDULERS
    if s["type"] in ("hyperband", "iepoch", "freeze_thaw") or s.get("variant") == "promotion"
]
NOT_FINITE = [math.nan, math.inf, -math.inf]


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("step", [1, 2, 3, 26, 27])
@pytest.mark.parametrize("value", NOT_FINITE)
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_value_that_is_not_finite_stops_at_once(
    scheduler: dict[str, object], value: float, step: int, mode: str
) -> None:
    one = make(scheduler, mode)
    one.on_start(0, params_of(0))
    decision = one.on_report(0, step, value)
    assert decision == Decision(Action.STOP, f"{value} at report {step} is not finite")


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_value_that_is_not_finite_changes_no_later_decision(scheduler: dict[str, object]) -> None:
    spoilt, clean = make(scheduler), make(scheduler)
    for number, value in enumerate(NOT_FINITE):
        spoilt.on_start(number, params_of(number))
        spoilt.on_report(number, 1, value)
        spoilt.on_finish(number)
    for number, value in enumerate([3.0, 1.0, 2.0, 0.5], start=3):
        for one in (spoilt, clean):
            one.on_start(number, params_of(number))
        assert spoilt.on_report(number, 1, value) == clean.on_report(number, 1, value)


@pytest.mark.parametrize("max_reports", [1, 2, 27, None])
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_every_decision_has_a_reason_and_is_strict_json(
    scheduler: dict[str, object], max_reports: int | None
) -> None:
    if scheduler["type"] in ("hyperband", "freeze_thaw") and max_reports is None:
        pytest.skip("must know the length")
    one = make(scheduler, max_reports=max_reports)
    draw = random.Random(0)
    for number in range(20):
        one.on_start(number, params_of(number))
        for step in range(1, (max_reports or 30) + 1):
            decision = one.on_report(number, step, draw.choice([draw.random(), math.nan]))
            assert decision.reason
            json.dumps(asdict(decision), allow_nan=False)
        one.on_finish(number)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_the_same_reports_give_the_same_decisions(scheduler: dict[str, object]) -> None:
    draw = random.Random(1)
    reports = [(number, step, draw.random()) for step in (1, 2, 3, 4) for number in range(9)]
    first, second = make(scheduler), make(scheduler)
    for number in range(9):
        first.on_start(number, params_of(number))
        second.on_start(number, params_of(number))
    assert [first.on_report(*report) for report in reports] == [second.on_report(*r) for r in reports]


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_the_full_budget_is_never_cut(scheduler: dict[str, object]) -> None:
    one = make(scheduler, max_reports=9)
    for number in range(30):
        one.on_start(number, params_of(number))
        assert one.on_report(number, 9, float(number)).action is Action.CONTINUE


def run_of(scheduler: dict[str, Any], mode: str = "min", **changes: Any) -> Run:
    """27 reports a training, falling noisy curves; in mode max the same with the sign turned."""
    sign = 1 if mode == "min" else -1
    losses = falling()
    return Run(make(scheduler, mode), lambda *place: sign * losses(*place), 27, **changes)


@pytest.mark.parametrize("num_workers", [1, 4, 40])
@pytest.mark.parametrize("num_trials", [1, 2, 30])
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_search_ends_with_a_trial_trained_in_full(
    scheduler: dict[str, Any], num_trials: int, num_workers: int
) -> None:
    run = run_of(scheduler, num_trials=num_trials, num_workers=num_workers).go()
    assert sorted(run.ended) == list(range(num_trials))
    if scheduler["type"] != "extrapolation":
        assert "COMPLETE" in run.ended.values()
    if scheduler["type"] != "none" and num_trials == 30 and num_workers == 4:
        assert run.num_reports() < 0.75 * 27 * num_trials


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_failures_and_divergence_leave_nothing_dangling(scheduler: dict[str, Any], seed: int) -> None:
    run = run_of(scheduler, failing=0.15, seed=seed)
    losses = run.curve
    run.curve = lambda number, step: math.nan if step == 1 + number % 5 * 2 else losses(number, step)
    run.go()
    assert sorted(run.ended) == list(range(30))
    assert {"FAILED", "DIVERGED"} <= set(run.ended.values())
    assert run.scheduler.resume(is_last=True) is None


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_constant_metric_ends_too(scheduler: dict[str, Any]) -> None:
    run = Run(make(scheduler), lambda number, step: 0.5, 27).go()
    assert sorted(run.ended) == list(range(30))


@pytest.mark.parametrize("value", [1e308, -1e308, 1e-308])
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_enormous_values_raise_nothing(scheduler: dict[str, Any], value: float) -> None:
    losses = falling()
    wild = Run(make(scheduler), lambda n, step: value if n % 3 == 1 else losses(n, step), 27)
    assert sorted(wild.go().ended) == list(range(30))


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_max_is_min_with_the_sign_turned(scheduler: dict[str, Any]) -> None:
    runs = [run_of(scheduler, mode, failing=0.02).go() for mode in ("min", "max")]
    assert runs[0].ended == runs[1].ended
    assert [describe(call, 1) for call in runs[0].calls] == [describe(call, -1) for call in runs[1].calls]


def describe(call: tuple[Any, ...], sign: int) -> Any:
    if call[0] == "resume":
        return call[:2], None if call[2] is None else call[2].number
    if call[0] != "report":
        return call
    decision = call[4]
    numbers = [None if x is None else sign * x for x in (decision.value, decision.cutoff)]
    return call[:3], decision.action, decision.rung, numbers


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_the_same_search_twice_is_the_same(scheduler: dict[str, Any]) -> None:
    assert run_of(scheduler, failing=0.02).go().calls == run_of(scheduler, failing=0.02).go().calls


@pytest.mark.parametrize("num_events", [1, 20, 60])
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_telling_it_all_again_rebuilds_its_state(scheduler: dict[str, Any], num_events: int) -> None:
    """`on_start` stands in for each resume."""
    whole, halved = run_of(scheduler, failing=0.02).go(), run_of(scheduler, failing=0.02).go(num_events)
    fresh = make(scheduler)
    decisions = replay(fresh, halved.calls)
    assert decisions == [call[4] for call in halved.calls if call[0] == "report"]
    halved.scheduler = fresh
    assert told(halved.go()) == told(whole)


def told(run: Run) -> list[tuple[Any, ...]]:
    return [call for call in run.calls if call[0] != "resume" or call[2] is not None]


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_reports_alone_say_who_is_paused(scheduler: dict[str, Any]) -> None:
    """Without a word of resumes, a trial that reports once more is known to run."""
    run = run_of(scheduler, num_workers=1).go(60)
    fresh = make(scheduler)
    replay(fresh, [call for call in run.calls if call[0] in ("start", "report")])
    named = []
    while (resume := fresh.resume(is_last=True)) is not None:
        named.append(resume.number)
    assert len(set(named)) == len(named)
    assert set(named) <= run.paused | set(run.running)


def judged(scheduler: dict[str, Any], *, is_spoilt: bool, comes_again: bool) -> list[Any]:
    """All that is said of trials 6 to 17, and who goes on then, after 0 to 5 have made five reports.

    Half of these 0 to 5 may have `is_spoilt` values, after which the right ones may come, as from an older
    checkpoint.
    """
    one = make(scheduler)
    right, spoilt = falling(1), falling(2)
    for number in range(6):
        one.on_start(number, params_of(number))
        curve = spoilt if is_spoilt and number % 2 else right
        for step in range(1, 6):
            one.on_report(number, step, curve(number, step))
    for number in range(1, 6, 2) if comes_again else ():
        for step in range(1, 6):
            one.on_report(number, step, right(number, step))
    said: list[Any] = []
    for number in range(6, 18):
        one.on_start(number, params_of(number))
        said += [one.on_report(number, step, 0.1 * number - 0.05 * step) for step in range(1, 6)]
    while (resume := one.resume(is_last=True)) is not None:
        said.append(resume)
    return said


@pytest.mark.parametrize("scheduler", [s for s in SCHEDULERS if s["type"] not in ("none", "extrapolation")])
def test_a_report_that_comes_again_replaces_its_value(scheduler: dict[str, Any]) -> None:
    """`none` compares with nothing, and `extrapolation` keeps what it learned about curves."""
    right = judged(scheduler, is_spoilt=False, comes_again=False)
    assert judged(scheduler, is_spoilt=True, comes_again=True) == right
    assert judged(scheduler, is_spoilt=True, comes_again=False) != right


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_an_end_without_a_report_is_fine(scheduler: dict[str, Any]) -> None:
    one = make(scheduler)
    one.on_start(0, params_of(0))
    one.on_finish(0)
    one.on_finish(1)  # it never even began
    assert one.resume(is_last=True) is None


@pytest.mark.parametrize("scheduler", PAUSING)
def test_who_ends_while_paused_is_never_resumed(scheduler: dict[str, Any]) -> None:
    one = make(scheduler)
    for number in range(6):
        one.on_start(number, params_of(number))
    at_rung = [step for step in (1, 2, 3) if one.on_report(5, step, 0.5).rung is not None][0]
    actions = [one.on_report(number, at_rung, 0.6 + number).action for number in range(5)]
    assert actions[-1] is Action.PAUSE
    for number in range(6):
        one.on_finish(number)
    assert one.resume(is_last=True) is None


def test_hyperband_must_know_the_length() -> None:
    with pytest.raises(ExperimentError, match="hyperband plans its brackets .* found max_reports None; give"):
        make({"type": "hyperband"}, max_reports=None)


@pytest.mark.parametrize("kind", ["pbt", "pb2"])
def test_population_based_training_needs_real_trials(kind: str) -> None:
    with pytest.raises(ExperimentError, match=f"{kind} runs on real trials only"):
        make({"type": kind})


@pytest.mark.parametrize(
    ("changes", "max_reports", "space", "kind"),
    [
        ({}, 27, SPACE, "FreezeThaw"),
        ({}, None, SPACE, "AshaPromotion"),
        ({}, 1, SPACE, "AshaPromotion"),
        ({}, 27, Space(()), "AshaPromotion"),
        ({"checkpoints": False}, 27, SPACE, "Asha"),
        ({"also": {"seconds": "min"}}, 27, SPACE, "NoStopping"),
    ],
)
def test_what_auto_is(changes: dict[str, Any], max_reports: int | None, space: Space, kind: str) -> None:
    search = make_search(scheduler={"type": "auto"}, **changes)
    assert type(make_scheduler(search, max_reports, space)).__name__ == kind
