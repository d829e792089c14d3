"""Each scheduler's rule against a table by hand."""

from itertools import groupby

import pytest

from tuner.search import Action, Decision, Scheduler
from tuner.search.hyperband import Hyperband
from tuner.search.iepoch import IEpoch
from tuner.search.median import MedianStopping
from tuner.search.promotion import AshaPromotion
from tuner.search.scheduler import Resume


def report(scheduler: Scheduler, number: int, step: int, value: float) -> tuple[str, float | None]:
    decision = scheduler.on_report(number, step, value)
    return decision.action.value, decision.cutoff


def resumed(scheduler: Scheduler, is_last: bool = False) -> int | None:
    resume = scheduler.resume(is_last=is_last)
    return None if resume is None else resume.number


# --- promotion ---


def promotion_after_nine() -> AshaPromotion:
    """Losses at the first rung, factor 3; of n the best floor(n / 3) go on."""
    table = [
        (0.50, "PAUSE", None),
        (0.60, "PAUSE", None),
        (0.40, "CONTINUE", 0.40),  # 1 of 3: itself
        (0.55, "PAUSE", 0.40),
        (0.58, "PAUSE", 0.40),
        (0.30, "CONTINUE", 0.40),  # 2 of 6: .30 .40
        (0.70, "PAUSE", 0.40),
        (0.45, "PAUSE", 0.40),
        (0.80, "PAUSE", 0.45),  # 3 of 9: .30 .40 and trial 7 with .45, which waits
    ]
    scheduler = AshaPromotion(mode="min", max_reports=27)
    for number, (loss, action, cutoff) in enumerate(table):
        scheduler.on_start(number, {})
        assert report(scheduler, number, 1, loss) == (action, cutoff)
    return scheduler


def test_promotion_by_hand() -> None:
    scheduler = promotion_after_nine()
    assert scheduler.resume(is_last=False) == Resume(7, "0.45 at report 1 goes on: the best 3 of 9 go on")
    assert resumed(scheduler) is None
    for number in (2, 5, 7):
        assert scheduler.on_report(number, 2, 0.4).reason == "no rung at report 2"
    assert report(scheduler, 2, 3, 0.35) == ("PAUSE", None)
    assert report(scheduler, 5, 3, 0.25) == ("PAUSE", None)
    assert report(scheduler, 7, 3, 0.45) == ("PAUSE", 0.25)
    # Trial 9 is now among the best 3 of 10 at rung 1, but the higher rung comes first.
    assert report(scheduler, 9, 1, 0.10) == ("PAUSE", 0.40)
    assert [resumed(scheduler) for _ in range(3)] == [5, 9, None]


def test_promotion_words() -> None:
    scheduler = promotion_after_nine()
    assert scheduler.on_report(9, 1, 0.9) == Decision(
        Action.PAUSE, "0.9 at report 1 waits: the best 3 of 10 go on", rung=1, value=0.9, cutoff=0.45
    )
    assert scheduler.on_report(10, 1, 0.1).reason == "0.1 at report 1 goes on: the best 3 of 11 go on"
    again = scheduler.on_report(2, 1, 0.41)
    assert again.reason == "0.41 at report 1 goes on, as it did from this rung before"


def test_promotion_ends_with_one_winner_trained_in_full() -> None:
    """Of two trials none is promotable; one goes through rungs 3 and 9 to the end."""
    scheduler = AshaPromotion(mode="max", max_reports=27)
    for number in range(2):
        scheduler.on_start(number, {})
    assert report(scheduler, 0, 1, 0.7) == ("PAUSE", None)
    assert resumed(scheduler, is_last=True) is None  # trial 1 still runs
    assert report(scheduler, 1, 1, 0.8) == ("PAUSE", None)
    assert resumed(scheduler) is None
    assert scheduler.resume(is_last=True) == Resume(
        1, "0.8 at report 1 goes on: the best that waits, and no trial has come to the full budget"
    )
    for rung in (3, 9):
        assert report(scheduler, 1, rung, 0.8) == ("PAUSE", None)
        assert resumed(scheduler, is_last=True) == 1
    assert report(scheduler, 1, 27, 0.9) == ("CONTINUE", None)
    scheduler.on_finish(1)
    assert resumed(scheduler, is_last=True) is None


def test_promotion_lets_a_winner_end_early() -> None:
    """It stopped by itself, before the full budget: the search does not go on with all the others."""
    scheduler = AshaPromotion(mode="min", max_reports=None)
    for number in range(2):
        assert report(scheduler, number, 1, 0.5)[0] == "PAUSE"
    assert resumed(scheduler, is_last=True) == 0
    scheduler.on_finish(0)
    assert resumed(scheduler, is_last=True) is None


def test_promotion_brackets_have_their_own_rungs() -> None:
    """Of 27 reports, trial 2 is the first of bracket 1, which begins at 3."""
    scheduler = AshaPromotion(mode="min", max_reports=27, brackets=2)
    for number in range(3):
        actions = [scheduler.on_report(number, step, 0.5).action for step in (1, 2, 3)]
        expected = "PAUSE" if number < 2 else "CONTINUE"
        assert actions[0].value == expected


# --- hyperband ---


def shape_of(full: int, grace: int, factor: int) -> list[tuple[int, list[int]]]:
    """The trials and the rungs of each bracket of the first round."""
    scheduler = Hyperband(mode="min", max_reports=full, grace=grace, factor=factor)
    rungs = [
        [step for step in range(1, full) if scheduler.on_report(number, step, 1.0).rung is not None]
        for number in range(200)
    ]
    brackets = [(len(list(trials)), steps) for steps, trials in groupby(rungs)]
    return brackets[: 1 + [steps for _, steps in brackets].index([])]


@pytest.mark.parametrize(
    ("full", "grace", "factor", "brackets"),
    [
        (27, 1, 3, [(27, [1, 3, 9]), (12, [3, 9]), (6, [9]), (4, [])]),
        (81, 1, 3, [(81, [1, 3, 9, 27]), (34, [3, 9, 27]), (15, [9, 27]), (8, [27]), (5, [])]),
        (50, 1, 3, [(27, [2, 6, 17]), (12, [6, 17]), (6, [17]), (4, [])]),
        (27, 2, 3, [(9, [3, 9]), (5, [9]), (3, [])]),
        (4, 1, 2, [(4, [1, 2]), (3, [2]), (3, [])]),
        (1, 1, 3, [(200, [])]),
    ],
)
def test_hyperband_brackets(
    full: int, grace: int, factor: int, brackets: list[tuple[int, list[int]]]
) -> None:
    """81: table 1 of the paper."""
    assert shape_of(full, grace, factor) == brackets


def hyperband_with_nine() -> Hyperband:
    """Bracket 2 of 9 reports: nine trials, rungs 1 and 3."""
    scheduler = Hyperband(mode="max", max_reports=9)
    for number in range(9):
        scheduler.on_start(number, {})
    return scheduler


def test_hyperband_by_hand() -> None:
    scheduler = hyperband_with_nine()
    for number in range(8):
        assert scheduler.on_report(number, 1, number / 10).action is Action.PAUSE
        assert resumed(scheduler) is None
    assert scheduler.on_report(8, 1, 0.65) == Decision(
        Action.PAUSE, "0.65 at report 1 waits: the best 3 of 9 go on when all have come; 9 have", 1, 0.65, 0.6
    )
    resumes = [scheduler.resume(is_last=False) for _ in range(4)]
    assert resumes[0] == Resume(7, "0.7 at report 1 goes on: the best 3 of 9 go on")
    assert [None if one is None else one.number for one in resumes] == [7, 8, 6, None]
    assert scheduler.on_report(7, 3, 0.7).action is Action.PAUSE
    assert scheduler.on_report(8, 3, 0.9).action is Action.PAUSE
    # The last of the rung is its best: it goes on without a pause, and the others wait for good.
    assert scheduler.on_report(6, 3, 0.95).reason == "0.95 at report 3 goes on: the best 1 of 3 go on"
    assert scheduler.on_report(6, 9, 0.95).action is Action.CONTINUE
    scheduler.on_finish(6)
    assert resumed(scheduler, is_last=True) is None


def test_hyperband_begins_the_next_bracket_while_a_rung_is_incomplete() -> None:
    scheduler = hyperband_with_nine()
    scheduler.on_start(9, {})
    assert scheduler.on_report(9, 1, 0.5).reason == "no rung at report 1"
    assert scheduler.on_report(9, 3, 0.5).rung == 3


def test_hyperband_does_not_wait_for_the_dead() -> None:
    scheduler = hyperband_with_nine()
    for number in range(2, 9):
        scheduler.on_report(number, 1, number / 10)
    scheduler.on_report(0, 1, float("nan"))
    assert resumed(scheduler) is None
    scheduler.on_finish(1)
    assert [resumed(scheduler) for _ in range(4)] == [8, 7, 6, None]
    # One of the three is lost on its way: of 3, ended ones counted, 1 goes on.
    scheduler.on_report(8, 3, 0.8)
    scheduler.on_report(7, 3, 0.7)
    scheduler.on_finish(6)
    assert [resumed(scheduler) for _ in range(2)] == [8, None]


def test_hyperband_at_the_end_decides_on_what_it_has() -> None:
    """Five of nine came, one more runs: one of five may go on; with all six there, two."""
    scheduler = Hyperband(mode="min", max_reports=9)
    for number in range(6):
        scheduler.on_start(number, {})
    for number in range(5):
        scheduler.on_report(number, 1, number / 10)
    assert resumed(scheduler) is None
    assert [resumed(scheduler, is_last=True) for _ in range(2)] == [0, None]
    scheduler.on_report(5, 1, 0.5)
    assert [resumed(scheduler, is_last=True) for _ in range(2)] == [1, None]
    scheduler.on_report(0, 3, 0.3)
    assert resumed(scheduler, is_last=True) is None
    scheduler.on_report(1, 3, 0.2)
    assert [resumed(scheduler, is_last=True) for _ in range(2)] == [1, None]  # at least one goes on


# --- i-epoch ---


def test_iepoch_waits_for_all() -> None:
    scheduler = IEpoch(mode="min", max_reports=9, reports=2, keep=2)
    for number in range(4):
        scheduler.on_start(number, {})
        assert scheduler.on_report(number, 1, 0.0).reason == "no rung at report 1"
    for number, loss in enumerate([0.3, 0.1, 0.4]):
        assert scheduler.on_report(number, 2, loss).action is Action.PAUSE
    assert resumed(scheduler) is None
    assert resumed(scheduler, is_last=True) is None  # trial 3 is still on its way
    assert scheduler.on_report(3, 2, 0.2) == Decision(
        Action.PAUSE, "0.2 at report 2 waits: the best 2 of 4 go on", rung=2, value=0.2, cutoff=0.2
    )
    assert [resumed(scheduler, is_last=True) for _ in range(3)] == [1, 3, None]
    assert scheduler.on_report(1, 3, 0.5).action is Action.CONTINUE


def test_iepoch_after_the_first() -> None:
    scheduler = IEpoch(mode="min", max_reports=9, keep=2, first=3)
    table = [
        (0.3, "PAUSE", None),
        (0.1, "PAUSE", 0.3),
        (0.4, "PAUSE", 0.3),  # the third: now trials 1 and 0 go on
        (0.5, "PAUSE", 0.3),
        (0.2, "PAUSE", 0.2),  # among the best two, but trial 1 comes first
    ]
    for number, (loss, action, cutoff) in enumerate(table):
        scheduler.on_start(number, {})
        assert report(scheduler, number, 1, loss) == (action, cutoff)
    # Trial 0 was not resumed in time: trial 4 has taken its place.
    assert [resumed(scheduler) for _ in range(3)] == [1, 4, None]
    assert scheduler.on_report(5, 1, 0.15).reason == "0.15 at report 1 goes on: the best 2 of 6 go on"


def test_iepoch_does_not_wait_for_the_dead() -> None:
    scheduler = IEpoch(mode="max", max_reports=9, keep=1)
    for number in range(3):
        scheduler.on_start(number, {})
    scheduler.on_report(0, 1, 0.5)
    scheduler.on_report(1, 1, float("nan"))
    scheduler.on_finish(2)
    assert resumed(scheduler, is_last=True) == 0


# --- median ---


def test_median_by_hand() -> None:
    """Running averages of trials 0 to 2: 5 4 3, 4 4 4, 9 6 5; medians 5 4 4 of three."""
    scheduler = MedianStopping(mode="min", max_reports=4, min_trials=3)
    for number, losses in enumerate([(5, 3, 1), (4, 4, 4), (9, 3, 3)]):
        for step, loss in enumerate(losses, start=1):
            decision = scheduler.on_report(number, step, loss)
            assert decision.reason == f"{number} other trials have come to report {step}, 3 are needed"
    assert report(scheduler, 3, 1, 5.0) == ("CONTINUE", 5.0)  # a tie
    assert report(scheduler, 3, 2, 4.5) == ("STOP", 4.0)
    assert scheduler.on_report(4, 1, 4.5) == Decision(
        Action.CONTINUE,
        "the best value up to report 1, 4.5, is not worse than 5, "
        "the median running average of 4 other trials",
        rung=1,
        value=4.5,
        cutoff=5.0,
    )


def test_median_compares_the_best_value_so_far() -> None:
    scheduler = MedianStopping(mode="max", max_reports=4, min_trials=1)
    for step in (1, 2, 3):
        scheduler.on_report(0, step, 0.6)
    scheduler.on_report(1, 1, 0.7)
    assert report(scheduler, 1, 2, 0.1) == ("CONTINUE", 0.6)
    decision = scheduler.on_report(2, 1, 0.5)
    assert decision.action is Action.STOP
    assert decision.reason == (
        "the best value up to report 1, 0.5, is worse than 0.65, the median running average of 2 other trials"
    )


def test_median_waits_for_its_grace_and_spares_the_full_budget() -> None:
    scheduler = MedianStopping(mode="min", max_reports=3, grace=2, min_trials=1)
    for step in (1, 2, 3):
        scheduler.on_report(0, step, 0.1)
    decisions = [scheduler.on_report(1, step, 0.9) for step in (1, 2, 3)]
    assert [one.action.value for one in decisions] == ["CONTINUE", "STOP", "CONTINUE"]
    assert decisions[0].reason == "no decision before report 2"
    assert decisions[2].reason == "report 3 is the full budget"
