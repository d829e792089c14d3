"""What fresh runs say: mean, standard error, gap, optimism, and who ranks where."""

import math
import statistics
from collections.abc import Sequence

import pytest

from tuner.records.confirmation import Confirmation, confirmation_of, note
from tuner.records.rows import TrialRow
from tuner.records.states import TrialState
from tuner.spec.sections import ConfirmSpec


def searched(number: int, value: float | None, state: str = "COMPLETE") -> TrialRow:
    best = {} if value is None else {"score": value}
    return TrialRow(number, TrialState(state), {}, best=best)


def again(number: int, confirms: int, *values: float, state: str = "COMPLETE") -> list[TrialRow]:
    """Fresh runs of one trial, numbered from `number`."""
    return [
        TrialRow(number + k, TrialState(state), {}, best={"score": value}, confirms=confirms, seed=k)
        for k, value in enumerate(values)
    ]


def confirm(rows: Sequence[TrialRow], *, top: int = 2, seeds: int = 2, mode: str = "max") -> Confirmation:
    return confirmation_of(rows, ConfirmSpec(top=top, seeds=seeds), "score", mode)


def order(confirmation: Confirmation) -> list[int]:
    return [trial.number for trial in confirmation.ranking]


def test_only_the_fresh_runs_rank() -> None:
    rows = [searched(0, 0.99), searched(1, 0.9), *again(2, 0, 0.6, 0.7), *again(4, 1, 0.8, 0.7)]

    found = confirm(rows)

    assert order(found) == [1, 0]
    assert found.winner is not None
    assert (found.winner.number, found.winner.search_value) == (1, 0.9)
    assert (found.winner.runs, found.winner.values) == ((4, 5), (0.8, 0.7))
    assert found.search_best == found.ranking[1]


@pytest.mark.parametrize("mode", ["max", "min"])
def test_the_figures_in_both_directions(mode: str) -> None:
    sign = 1 if mode == "max" else -1
    rows = [searched(0, sign * 0.9), searched(1, sign * 0.8)]
    rows += again(2, 0, *(sign * value for value in (0.7, 0.6, 0.5)))
    rows += again(5, 1, *(sign * value for value in (0.5, 0.4, 0.6)))

    found = confirm(rows, seeds=3, mode=mode)

    first, second = found.ranking
    assert first.score is not None
    assert first.score.mean == pytest.approx(sign * 0.6)
    assert first.score.standard_error == pytest.approx(statistics.stdev([0.7, 0.6, 0.5]) / math.sqrt(3))
    assert first.optimism == pytest.approx(0.3)
    assert second.optimism == pytest.approx(0.3)
    assert first.runs == (2, 3, 4)
    assert second.runs == (7, 5, 6)
    assert found.gap == pytest.approx(0.1 / math.hypot(0.1 / math.sqrt(3), 0.1 / math.sqrt(3)))


def test_a_search_that_was_too_modest_has_negative_optimism() -> None:
    (trial,) = confirm([searched(0, 0.5), *again(1, 0, 0.6, 0.8)]).ranking
    assert trial.optimism == pytest.approx(-0.2)


def test_the_best_of_the_search_are_confirmed_and_no_others() -> None:
    rows = [
        searched(0, 0.2),
        searched(1, 0.9, "DIVERGED"),
        searched(2, 0.8, "STOPPED"),
        searched(3, None),
        searched(4, 0.7),
    ]
    assert order(confirm(rows)) == [2, 4]
    assert confirm(rows, top=9).num_planned == 3 * 2


@pytest.mark.parametrize("state", ["DIVERGED", "FAILED", "INFEASIBLE"])
def test_a_trial_with_a_failed_run_ranks_behind_those_without(state: str) -> None:
    rows = [searched(0, 0.9), searched(1, 0.8)]
    rows += [*again(2, 0, 0.95), *again(3, 0, 0.99, state=state), *again(4, 1, 0.5, 0.4)]

    found = confirm(rows)

    assert order(found) == [1, 0]
    assert [trial.num_failed for trial in found.ranking] == [0, 1]
    assert found.ranking[1].values == (0.95,)
    assert found.gap is None, "a single run has no standard error"
    assert found.num_failed == 1


def test_a_better_runner_up_with_failures_leaves_a_negative_gap() -> None:
    rows = [searched(0, 0.9), searched(1, 0.8), *again(2, 0, 0.9, 0.8), *again(4, 0, 0.9, state="FAILED")]
    rows += again(5, 1, 0.5, 0.4, 0.6)

    found = confirm(rows, seeds=3)

    assert found.winner is not None
    assert found.winner.number == 1
    assert found.gap is not None
    assert found.gap < 0


def test_nobody_wins_while_runs_are_missing() -> None:
    rows = [searched(0, 0.9), searched(1, 0.8), *again(2, 0, 0.9, 0.8), *again(4, 1, 0.7)]
    running = again(5, 1, 0.99, state="RUNNING")
    interrupted = again(5, 1, 0.99, state="STOPPED")

    for more in ([], running, interrupted):
        found = confirm([*rows, *more])
        assert (found.winner, found.gap) == (None, None)
        assert (found.num_missing, found.num_planned) == (1, 4)
    assert confirm([*rows, *interrupted, *again(6, 1, 0.2)]).winner is not None


def test_nobody_wins_when_every_run_failed() -> None:
    rows = [searched(0, 0.9), *again(1, 0, 0.9, 0.9, state="DIVERGED")]
    found = confirm(rows)
    assert (found.winner, found.num_missing, found.num_failed) == (None, 0, 2)
    assert found.ranking[0].score is None
    assert found.ranking[0].optimism is None


def test_there_is_nothing_to_confirm_without_a_sound_trial() -> None:
    found = confirm([searched(0, 0.9, "FAILED")])
    assert (found.ranking, found.winner, found.search_best) == ((), None, None)
    assert (found.num_planned, found.num_missing) == (0, 0)


def test_runs_without_spread_measure_no_gap() -> None:
    rows = [searched(0, 0.9), searched(1, 0.8), *again(2, 0, 0.5, 0.5), *again(4, 1, 0.25, 0.25)]
    found = confirm(rows)
    assert found.winner is not None
    assert found.gap is None
    assert found.winner.score is not None
    assert found.winner.score.standard_error == 0


def test_a_single_seed_has_no_standard_error() -> None:
    found = confirm([searched(0, 0.9), *again(1, 0, 0.5)], seeds=1)
    assert found.winner is not None
    assert found.winner.score is not None
    assert (found.winner.score.mean, found.winner.score.standard_error, found.gap) == (0.5, None, None)


def test_the_rows_are_noted_as_they_come_in() -> None:
    rows = [searched(0, 0.75), searched(1, 0.5), searched(2, 0.25)]
    noted = ConfirmSpec(top=2, seeds=2)

    rows += [*again(3, 0, 0.5, 0.25), *again(5, 1, 0.5)]
    note(rows, noted, "score", "max")
    assert rows[0].confirmed == {
        "runs": 2,
        "failed": 0,
        "mean": 0.375,
        "standard_error": 0.125,
        "optimism": 0.375,
    }
    assert rows[1].confirmed == {"runs": 1, "failed": 0, "mean": 0.5, "optimism": 0.0}
    assert not any(row.confirmed for row in rows[2:])

    rows += again(6, 1, 0.75)
    note(rows, noted, "score", "max")
    assert rows[1].confirmed.keys() == {
        *("runs", "failed", "mean", "standard_error", "optimism", "rank", "gap")
    }
    assert (rows[1].confirmed["rank"], rows[0].confirmed["rank"]) == (1, 2)
    assert rows[1].confirmed["gap"] == pytest.approx(0.25 / math.hypot(0.125, 0.125))
    assert "gap" not in rows[0].confirmed
