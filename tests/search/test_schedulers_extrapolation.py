"""Extrapolation: the curve model against a Gaussian process written out in full, and its calibration."""

import os
import random
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tuner.search import Action
from tuner.search.curve_model import DRIFTS, HALF_LIVES, NOISES, POWERS, CurveModel
from tuner.search.extrapolation import Extrapolation

Array = NDArray[np.float64]
ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("TUNER_DATA", ROOT.parent / "shared" / "data"))
TASKSET = DATA / "taskset" / "taskset.npz"


def dense_forecast(losses: Array, last_step: int, scale: float) -> tuple[float, float]:
    """Mean and standard deviation of the loss at `last_step`, by each of the models as one big Gaussian."""
    steps = np.append(np.arange(1.0, len(losses) + 1), last_step)
    units = (losses - losses[-1]) / scale
    size = max(1.0, float(np.ptp(units)))
    shapes = (
        [np.zeros_like(steps)] + [steps**-p for p in POWERS] + [np.exp((1 - steps) / h) for h in HALF_LIVES]
    )
    walk = np.minimum(np.log(steps)[:, None], np.log(steps))
    evidence, means, variances = [], [], []
    for noise in NOISES:
        for drift in DRIFTS:
            for shape in shapes:
                joint = (10 * size) ** 2 + (2 * size) ** 2 * np.outer(shape, shape) + drift**2 * walk
                seen = joint[:-1, :-1] + noise**2 * np.eye(len(units))
                gain = np.linalg.solve(seen, joint[:-1, -1])
                means.append(gain @ units)
                variances.append(joint[-1, -1] - gain @ joint[:-1, -1])
                evidence.append(-0.5 * (units @ np.linalg.solve(seen, units) + np.linalg.slogdet(seen)[1]))
    share = np.exp(np.array(evidence) - max(evidence))
    share /= share.sum()
    mean = share @ means
    variance = share @ (np.array(variances) + np.array(means) ** 2) - mean**2
    return losses[-1] + scale * mean, scale * variance**0.5


@pytest.mark.parametrize("num_seen", [3, 8, 20])
@pytest.mark.parametrize("seed", range(4))
def test_the_forecast_against_a_gaussian_process(seed: int, num_seen: int) -> None:
    draw = np.random.default_rng(seed)
    steps = np.arange(1, num_seen + 1)
    losses = draw.random() + steps ** -draw.uniform(0.3, 1.5) + 0.02 * draw.standard_normal(num_seen)
    forecast = CurveModel().extrapolate(
        0, steps.tolist(), losses.tolist(), last_step=27, target=0.0, scale=0.5
    )
    mean, sd = dense_forecast(losses, 27, 0.5)
    assert abs(forecast.final - mean) < 0.25 * sd  # 256 draws
    assert 0.75 * sd < forecast.final_sd < 1.3 * sd


def test_a_long_curve_is_thinned_to_the_same_forecast() -> None:
    """200 reports at 32 places."""
    steps = np.arange(1, 201)
    losses = 0.5 + steps**-0.5
    forecast = CurveModel().extrapolate(
        0, steps.tolist(), losses.tolist(), last_step=400, target=0.0, scale=0.5
    )
    assert forecast.final == pytest.approx(0.55, abs=0.005)


def test_what_other_curves_did_is_expected_of_the_next_one() -> None:
    """A flat start, after curves that stayed flat, and after curves that fell late."""
    flat = [1.0, 1.01, 0.99, 1.0, 1.01, 0.99]
    probabilities = []
    for late in (0.0, 1.0):
        model = CurveModel()
        for number in range(20):
            draw = random.Random(number)
            curve = [1 + draw.gauss(0, 0.01) - late * max(0, step - 6) / 14 for step in range(1, 20)]
            model.extrapolate(number, range(1, 20), curve, last_step=20, target=0.0, scale=1.0)
        forecast = model.extrapolate(20, range(1, 7), flat, last_step=20, target=0.7, scale=1.0)
        probabilities.append(forecast.probability)
    assert probabilities[0] < 0.02
    assert probabilities[1] > 10 * probabilities[0] + 0.05


def with_a_good_trial(max_reports: int | None = 20, **changes: float) -> Extrapolation:
    scheduler = Extrapolation(mode="min", max_reports=max_reports, **changes)
    for step in range(1, 21):
        scheduler.on_report(0, step, 0.2 + 0.8 / step)
    return scheduler


def test_a_hopeless_trial_is_stopped() -> None:
    scheduler = with_a_good_trial()
    decisions = [scheduler.on_report(1, step, 0.9 + 0.1 / step) for step in range(1, 7)]
    assert [one.reason for one in decisions[:3]] == ["no decision before report 4"] * 3
    stops = [one for one in decisions if one.action is Action.STOP]
    assert stops
    assert stops[0].reason.startswith("beats the best so far, 0.24, with probability 0.0")
    assert "below 0.05: 0.9" in stops[0].reason
    assert "is expected at report 20" in stops[0].reason


def test_a_slow_starter_goes_on() -> None:
    """Halving would cut it: it is worse than the good trial until report 17."""
    scheduler = with_a_good_trial()
    losses = [1.0 - 0.045 * step for step in range(1, 20)]
    decisions = [scheduler.on_report(1, step, loss) for step, loss in enumerate(losses, start=1)]
    assert {one.action for one in decisions} == {Action.CONTINUE}


def test_the_full_budget_is_not_judged() -> None:
    scheduler = with_a_good_trial()
    assert scheduler.on_report(1, 20, 5.0).reason == "report 20 is the full budget"


def test_the_longest_trial_stands_for_an_unknown_length() -> None:
    scheduler = with_a_good_trial(max_reports=None)
    assert scheduler.on_report(0, 21, 0.2).reason == "no trial has come further than report 21"
    decisions = [scheduler.on_report(1, step, 0.9) for step in range(1, 9)]
    assert any("is expected at report 21" in one.reason for one in decisions)
    assert decisions[-1].action is Action.STOP


def test_nothing_is_said_before_anything_changes() -> None:
    scheduler = Extrapolation(mode="min", max_reports=9, grace=1)
    assert scheduler.on_report(0, 1, 0.5).reason == "no trial's value has changed so far"


class Watched(Extrapolation):
    """Keeps each forecast and the best loss that it was held against."""

    def __init__(self, max_reports: int) -> None:
        super().__init__(mode="min", max_reports=max_reports)
        self.latest: tuple[float, float] | None = None

    def _decide(self, value, last_step, forecast):
        self.latest = forecast.probability, min(self._best.values())
        return super()._decide(value, last_step, forecast)


def predictions(curves: Array, num_trials: int, seed: int) -> list[tuple[float, bool, bool]]:
    """Probability, whether it came true, whether the trial was stopped; trials one after another."""
    found = []
    scheduler = Watched(curves.shape[1])
    for number, curve in enumerate(np.random.default_rng(seed).permutation(curves)[:num_trials]):
        for step, loss in enumerate(curve, start=1):
            scheduler.latest = None
            is_stopped = scheduler.on_report(number, step, float(loss)).action is Action.STOP
            if scheduler.latest is not None:
                probability, best = scheduler.latest
                rest = curve[step:]
                found.append((probability, bool((rest[np.isfinite(rest)] < best).any()), is_stopped))
            if is_stopped:
                break
    return found


def check_calibration(found: list[tuple[float, bool, bool]]) -> None:
    """Hopeless is hopeless, likely is likely, and in between it errs on the side of going on."""
    probability, came_true, stopped = (np.array(column, dtype=float) for column in zip(*found, strict=True))
    assert stopped.sum() > 50
    assert came_true[stopped == 1].mean() < 0.05
    assert came_true[probability > 0.95].mean() > 0.8
    for low, high in [(0.0, 0.2), (0.2, 0.6), (0.6, 1.0)]:
        between = (probability >= low) & (probability < high)
        assert came_true[between].mean() < probability[between].mean() + 0.05


def made_up_curves(seed: int) -> Array:
    """Power laws and exponentials, noisy, a tenth of them rising at the end; float64[100, 30]."""
    draw = np.random.default_rng(seed)
    steps = np.arange(1, 31)
    curves = []
    for number in range(100):
        level, size, noise = draw.random(), draw.random(), 10 ** draw.uniform(-3, -1.3)
        is_power = draw.random() < 0.5
        shape = steps ** -draw.uniform(0.2, 1.5) if is_power else np.exp(-steps / 10 ** draw.uniform(0, 1.5))
        overfit = 0.02 * np.maximum(0, steps - 15) if number % 10 == 0 else 0.0
        curves.append(level + size * shape + overfit + noise * draw.standard_normal(30))
    return np.array(curves)


def test_calibration_on_made_up_curves() -> None:
    check_calibration([one for seed in range(4) for one in predictions(made_up_curves(seed), 40, seed)])


@pytest.mark.data
@pytest.mark.skipif(not TASKSET.exists(), reason="no taskset/taskset.npz in $TUNER_DATA")
def test_calibration_on_real_curves() -> None:
    with np.load(TASKSET) as archive:
        tasks = [archive[name][:, :, 1] for name in archive.files if name.startswith("curve__")]
    check_calibration([one for curves in tasks for one in predictions(curves.astype(float), 25, 0)])
