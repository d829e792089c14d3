"""Stopping ASHA against a table by hand and a reference by brute force; no stopping."""

import math
import random
from itertools import pairwise
from typing import Literal

import pytest

from tuner.search import Action, Decision
from tuner.search.asha import Asha
from tuner.search.none import NoStopping


def test_no_stopping() -> None:
    assert NoStopping().on_report(4, 2, 0.5) == Decision(Action.CONTINUE, "no early stopping", value=0.5)


def rungs_of(scheduler: Asha, num_reports: int) -> list[int]:
    steps = range(1, num_reports + 1)
    return [step for step in steps if scheduler.on_report(0, step, 1.0).rung is not None]


@pytest.mark.parametrize(
    ("grace", "factor", "max_reports", "rungs"),
    [
        (1, 3, 27, [1, 3, 9]),
        (1, 3, 28, [1, 3, 9, 27]),
        (2, 4, 40, [2, 8, 32]),
        (1, 2, 2, [1]),
        (1, 3, 1, []),
        (5, 3, 5, []),
        (1, 3, None, [1, 3, 9, 27, 81]),
    ],
)
def test_rungs(grace: int, factor: int, max_reports: int | None, rungs: list[int]) -> None:
    scheduler = Asha(mode="min", max_reports=max_reports, grace=grace, factor=factor)
    assert rungs_of(scheduler, max_reports or 100) == rungs


def test_by_hand() -> None:
    """Losses at the first rung, factor 3; k = ceil(n / 3) of n go on."""
    table = [
        (0.50, "CONTINUE", 0.50),  # 1 of 1
        (0.60, "STOP", 0.50),  # 1 of 2
        (0.40, "CONTINUE", 0.40),  # 1 of 3
        (0.50, "CONTINUE", 0.50),  # 2 of 4: .40 .50 | .50 .60, a tie with the cut-off
        (0.45, "CONTINUE", 0.45),  # 2 of 5: .40 .45 | .50 .50 .60
        (0.46, "STOP", 0.45),  # 2 of 6
        (0.46, "CONTINUE", 0.46),  # 3 of 7: .40 .45 .46 | .46 .50 .50 .60
        (0.47, "STOP", 0.46),  # 3 of 8
    ]
    scheduler = Asha(mode="min", max_reports=27)
    for number, (value, action, cutoff) in enumerate(table):
        decision = scheduler.on_report(number, 1, value)
        assert (decision.action.value, decision.cutoff, decision.rung) == (action, cutoff, 1)


def test_reasons_in_words() -> None:
    scheduler = Asha(mode="max", max_reports=27)
    assert scheduler.on_report(0, 2, 0.7).reason == "no rung at report 2"
    assert scheduler.on_report(0, 3, 0.95) == Decision(
        Action.CONTINUE,
        "0.95 at report 3 reaches the cut-off 0.95: the best 1 of 1 trials go on",
        rung=3,
        value=0.95,
        cutoff=0.95,
    )
    assert scheduler.on_report(1, 3, 0.91).reason == (
        "0.91 at report 3 is below the cut-off 0.95: the best 1 of 2 trials go on"
    )
    loss = Asha(mode="min", max_reports=27)
    loss.on_report(0, 1, 0.5)
    assert "is above the cut-off 0.5" in loss.on_report(1, 1, 0.7).reason


def test_a_second_report_at_a_rung_replaces_the_first() -> None:
    scheduler = Asha(mode="min", max_reports=27)
    scheduler.on_report(0, 1, 0.1)
    scheduler.on_report(0, 1, 0.9)
    assert "the best 1 of 2" in scheduler.on_report(1, 1, 0.5).reason
    assert scheduler.on_report(1, 1, 0.5).action is Action.CONTINUE


def test_an_ended_trial_still_counts() -> None:
    scheduler = Asha(mode="min", max_reports=27)
    scheduler.on_report(0, 1, 0.1)
    scheduler.on_finish(0)
    assert scheduler.on_report(1, 1, 0.2).action is Action.STOP


def goes_on(value: float, earlier: list[float], factor: int, mode: Literal["min", "max"]) -> bool:
    """The reference: fewer than ceil(n / factor) of the n trials at the rung are strictly better."""
    better = [other < value if mode == "min" else other > value for other in earlier]
    return sum(better) < math.ceil((len(earlier) + 1) / factor)


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("seed", range(5))
def test_against_brute_force(seed: int, factor: int, mode: Literal["min", "max"]) -> None:
    draw = random.Random(seed)
    scheduler = Asha(mode=mode, max_reports=40, grace=2, factor=factor)
    at_rung: dict[int, list[float]] = {}
    rungs = {2 * factor**k for k in range(10)}
    for number in range(60):
        for step in range(1, 41):
            value = float(draw.randrange(12))  # few values, many ties
            expected = True
            if step in rungs and step < 40:
                expected = goes_on(value, at_rung.setdefault(step, []), factor, mode)
                at_rung[step].append(value)
            assert (scheduler.on_report(number, step, value).action is Action.CONTINUE) == expected
            if not expected:
                break
    assert all(len(upper) < len(lower) for lower, upper in pairwise(at_rung[r] for r in sorted(at_rung)))


def test_each_bracket_has_its_own_rungs() -> None:
    """Levels 1, 3, 9, 27: shares as 1 : 4/3 / 3 : 4/2 / 9, which is 27 : 12 : 6 of 45."""
    scheduler = Asha(mode="min", max_reports=27, brackets=3)
    first_rungs = []
    for number in range(45):
        steps = [step for step in (1, 3, 9) if scheduler.on_report(number, step, -number).rung is not None]
        first_rungs.append(steps[0])
    assert [first_rungs.count(rung) for rung in (1, 3, 9)] == [27, 12, 6]
    assert first_rungs[:8] == [1, 1, 3, 1, 1, 3, 9, 1]
    # Trial 2 is the first of its bracket at rung 3, worse than those of bracket 0, and yet goes on.
    assert Asha(mode="min", max_reports=27, brackets=3).on_report(2, 3, 9.0).cutoff == 9.0


def test_the_share_of_a_bracket_without_a_known_end() -> None:
    scheduler = Asha(mode="min", max_reports=None, brackets=2)
    first = [scheduler.on_report(number, 1, 0.0).rung is not None for number in range(40)]
    assert first.count(True) == 30
