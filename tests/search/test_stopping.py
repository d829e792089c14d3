"""The rules of `search.stop`, each by a table of numbers; the estimate of the remaining gain."""

import itertools
import statistics

import numpy as np
import pytest

from tuner.search.stopping import MIN_SEEN, Progress, StopRules, Waiting, remaining_gain
from tuner.spec.sections import SearchSpec, StopSearch


def rules(stop, mode="min", trials=100) -> StopRules:
    return StopRules(SearchSpec(metric="loss", mode=mode, trials=trials, stop=StopSearch(**stop)))


def progress(**changes) -> Progress:
    return Progress(**({"hours": 0.0, "gpu_hours": 0.0, "best": None} | changes))


@pytest.mark.parametrize(
    ("stop", "before", "after", "reason"),
    [
        ({"hours": 2}, {"hours": 1.99}, {"hours": 2.0}, "hours: 2 hours are spent"),
        ({"gpu_hours": 0.5}, {"gpu_hours": 0.4}, {"gpu_hours": 0.6}, "gpu_hours: 0.5 GPU hours are spent"),
        ({"target": 0.1}, {"best": 0.11}, {"best": 0.1}, "target: loss 0.1 reaches 0.1"),
        ({"target": 0.1}, {"best": None}, {"best": -3.0}, "target: loss -3 reaches 0.1"),
        (
            {"patience": 2},
            {"waited": 1},
            {"waited": 2},
            "patience: 2 trials finished or paused without a better loss",
        ),
    ],
)
def test_each_rule_before_and_after_it_holds(stop, before, after, reason):
    assert rules(stop).check(progress(**before)) is None
    assert rules(stop).check(progress(**after)) == f"search.stop.{reason}"


def test_a_metric_that_is_to_be_large():
    assert rules({"target": 0.9}, "max").check(progress(best=0.89)) is None
    assert "reaches" in rules({"target": 0.9}, "max").check(progress(best=0.9))


def test_the_first_condition_that_holds_is_named():
    found = rules({"hours": 1, "target": 0.1}).check(progress(hours=2.0, best=0.0))
    assert found.startswith("search.stop.hours")


def test_no_condition():
    assert rules({}).is_empty
    assert rules({}).check(progress(hours=1e9, gpu_hours=1e9, best=-1e9, waited=99)) is None
    assert not rules({"hours": 1}).is_empty


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize(
    ("halts", "expected"),
    [
        ([], 0),
        ([(0, 0, 1.0)], 0),
        ([(0, 0, 1.0), (1, 0, 1.0)], 1),
        ([(0, None, None), (1, None, None)], 2),
        ([(0, 0, 2.0), (1, 0, 2.0), (2, 2, 1.0)], 0),
        # Pausing again and finishing counts no second time.
        ([(0, 0, 1.0), (1, 0, 1.0), (1, 0, 1.0), (0, 0, 1.0), (2, 0, 1.0), (1, 0, 1.0)], 2),
        # A trial that still runs has become better.
        ([(0, 0, 2.0), (1, 0, 2.0), (3, 0, 2.0), (1, 2, 1.0)], 1),
        # The best one diverged; the next one is no better than it was, but better than what is left.
        ([(0, 0, 2.0), (1, 1, 1.0), (1, 0, 2.0), (2, 2, 1.5)], 0),
    ],
)
def test_waiting(halts, expected, mode):
    waiting = Waiting(mode)
    for number, leader, best in halts:
        waiting.note(number, leader, best if mode == "min" or best is None else -best)
    assert waiting.num_trials == expected


@pytest.mark.parametrize("sign", [1, -1])
def test_min_gain_in_both_directions(sign):
    mode = "min" if sign == 1 else "max"
    close = [sign * (1.0 + 0.001 * k) for k in range(20)]
    far = [sign * 2.0**k for k in range(20)]
    search = rules({"min_gain": 0.1}, mode, trials=40)
    assert "20 more trials would gain about" in search.check(progress(seen=close))
    assert search.check(progress(seen=[-value for value in far])) is None


def test_min_gain_waits_for_enough_values_and_for_trials_to_come():
    search = rules({"min_gain": 0.1}, trials=MIN_SEEN)
    assert search.check(progress(seen=[1.0] * (MIN_SEEN - 1))) is None
    assert search.check(progress(seen=[1.0] * MIN_SEEN)) is None
    assert rules({"min_gain": 0.1}, trials=MIN_SEEN + 1).check(progress(seen=[1.0] * MIN_SEEN)) is not None


def test_the_gain_is_the_one_over_random_subsets():
    """As many to come as there are: what the best of all has gained over the best of a random half."""
    values = [0.1, 0.5, 0.7, 2.0, 2.5, 4.0]
    halves = [max(half) for half in itertools.combinations(values, 3)]
    assert remaining_gain(values, 6) == pytest.approx(max(values) - statistics.fmean(halves))


def test_the_gain_is_right_on_average_for_an_exponential_tail():
    rng = np.random.default_rng(0)
    draws = rng.exponential(size=(2000, 48))
    true = (draws.max(axis=1) - draws[:, :32].max(axis=1)).mean()
    estimated = statistics.fmean(remaining_gain(list(row[:32]), 16) for row in draws)
    assert estimated == pytest.approx(true, rel=0.1)


def test_the_gain_is_not_promised_too_small_where_there_is_a_limit():
    rng = np.random.default_rng(1)
    draws = rng.uniform(size=(2000, 48))
    true = (draws.max(axis=1) - draws[:, :32].max(axis=1)).mean()
    estimated = statistics.fmean(remaining_gain(list(row[:32]), 16) for row in draws)
    assert true <= estimated <= 3 * true
