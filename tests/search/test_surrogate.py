"""What the surrogate believes: scaled values, bad and flat places, who gains most."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from scipy.stats import rankdata

from tuner.search.curve_gp import Array
from tuner.search.surrogate import (
    MAX_POINTS,
    Belief,
    Seen,
    Surrogate,
    _scaled,
    candidates,
    flat_places,
    landmarks,
    ranks,
    scores,
)
from tuner.spec.domains import Choice, Float
from tuner.spec.space import Parameter, Space

LINE = Space((Parameter("x", Float(0.0, 1.0)),))
SQUARE = Space((Parameter("x", Float(0.0, 1.0)), Parameter("y", Float(0.0, 1.0))))
BIG = 1.7e308


def learn(trials: Sequence[Seen], mode: str = "min", space: Space = LINE, max_reports: int = 9) -> Belief:
    return Surrogate(space, mode=mode, max_reports=max_reports, seed=0).learn(trials)


def curve(final: float, num_reports: int = 9, start: float = 1.0) -> dict[int, float]:
    """From `start` down to `final` at report 9, of which `num_reports` are there."""
    shares = [(1 - math.log(step) / math.log(9)) for step in range(1, num_reports + 1)]
    return {step: final + share * (start - final) for step, share in enumerate(shares, start=1)}


def bowl(num: int = 12, num_reports: int = 9, sign: float = 1.0) -> list[Seen]:
    """Trials along the line whose final values are best at .3."""
    places = [(k + 0.5) / num for k in range(num)]
    curves = [curve((x - 0.3) ** 2, num_reports, 1 + (x - 0.3) ** 2) for x in places]
    return [
        Seen({"x": x}, {step: sign * value for step, value in one.items()})
        for x, one in zip(places, curves, strict=True)
    ]


def gain_at(belief: Belief, *places: float) -> Array:
    return belief.gain_of_new(np.array(places)[:, None])


# --- skill ---


def test_a_process_has_skill_where_near_trials_are_alike() -> None:
    assert learn(bowl(20)).skill() > 0.9


def test_a_process_has_no_skill_where_values_are_random() -> None:
    rng = np.random.default_rng(0)
    trials = [Seen({"x": rng.random()}, curve(rng.random())) for _ in range(40)]
    assert learn(trials).skill() < 0.4


@pytest.mark.parametrize("trials", [bowl(1), bowl(2), [Seen(seen.params, {1: 0.5}) for seen in bowl(9)]])
def test_without_differences_there_is_no_skill(trials: list[Seen]) -> None:
    assert learn(trials).skill() == 0.0


# --- landmarks ---


@pytest.mark.parametrize("max_reports", [1, 2, 3, 9, 27, 100, 1000])
def test_landmarks_begin_at_1_and_end_at_the_last_report(max_reports: int) -> None:
    steps = landmarks(max_reports)
    assert steps[0] == 1
    assert steps[-1] == max_reports
    assert list(steps) == sorted(set(steps))
    assert len(steps) <= 2 + 3 * math.log(max_reports)


# --- the scale ---


def test_the_scale_is_0_at_the_best_and_1_at_the_third_quartile() -> None:
    reached = np.array([5.0, 1.0, 2.0, 4.0, 3.0])
    np.testing.assert_allclose(_scaled(np.array([1.0, 2.5, 4.0]), reached), [0, 0.5, 1])


@pytest.mark.parametrize(
    "values",
    [
        [1.0, 2.0, 3.0, 4.0, 1e16],
        [1.0, 2.0, 3.0, 4.0, BIG],
        [1.0, 2.0, 3.0, 4.0, math.inf],
        [1e35, 2e35, 3e35, 4e35, 1e300],
        [-BIG, -1.0, 0.0, 1.0, BIG],
        [-BIG, 1.0, BIG, BIG, math.inf],
        [1e-320, 2e-320, 3e-320, 4e-320, 1.0],
        [0.1, math.inf, math.inf, math.inf, math.inf],
        [0.1, 0.2, math.inf, math.inf, math.inf],
    ],
)
@pytest.mark.filterwarnings("error")
def test_the_scale_keeps_the_order_and_ends_at_one_and_a_half(values: list[float]) -> None:
    scaled = _scaled(np.array(values), np.array(values))
    assert scaled[0] == 0
    assert (np.diff(scaled) >= 0).all()
    assert 0 < scaled[-1] <= 1.5
    assert scaled[-1] == 1.5 or math.isfinite(values[-1])


def test_what_is_worse_than_the_third_quartile_still_has_an_order() -> None:
    scaled = _scaled(np.array([4.0, 5.0, 6.0, 8.0]), np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    assert 1 == scaled[0] < scaled[1] < scaled[2] < scaled[3] < 1.5


def test_equal_values_are_all_the_best() -> None:
    assert _scaled(np.full(4, 7.0), np.full(4, 7.0)).tolist() == [0, 0, 0, 0]


def test_without_a_finite_value_all_are_bad() -> None:
    assert _scaled(np.full(3, math.inf), np.full(3, math.inf)).tolist() == [1.5, 1.5, 1.5]


def test_scores_keep_the_order_and_are_centred() -> None:
    values = np.array([0.3, 0.2, 0.1, 0.2, math.inf, 1e300])
    got = scores(values, _scaled(values, values))
    np.testing.assert_array_equal(np.argsort(got, kind="stable"), np.argsort(values, kind="stable"))
    assert got[1] == got[3]
    assert abs(got.mean()) < 0.2


def test_ranks_are_scipy_s() -> None:
    values = np.random.default_rng(0).integers(0, 9, 40).astype(float)
    assert ranks(values).tolist() == rankdata(values).tolist()


def test_scores_tell_a_plateau_s_values_apart() -> None:
    """The linear scale alone puts them within a thousandth of its width."""
    values = np.array([*(0.6931 + 1e-5 * np.arange(20)), 0.3, 2.0, 5.0, 9.0, 30.0, 90.0, 1e9, 1e9])
    got = scores(values, _scaled(values, values))
    assert got[19] - got[0] > 0.3


def test_a_curve_that_rises_again_keeps_its_best() -> None:
    falling, rising = ([Seen(one.params, {**one.curve, 9: at}) for one in bowl()] for at in (1.0, 9.0))
    grid = np.linspace(0, 1, 20)
    np.testing.assert_array_equal(gain_at(learn(falling), *grid), gain_at(learn(rising), *grid))


# --- gains ---


def test_the_gain_is_largest_near_the_best() -> None:
    belief = learn(bowl())
    grid = np.linspace(0, 1, 101)
    assert abs(grid[gain_at(belief, *grid).argmax()] - 0.3) < 0.1


def test_early_values_tell_where_it_will_end_well() -> None:
    trials = [Seen({"x": k / 12}, {1: 1 + (k / 12 - 0.3) ** 2}) for k in range(12)]
    near, far = gain_at(learn(trials), 0.3, 0.95)
    assert near > far


def test_max_is_min_with_the_sign_turned() -> None:
    grid = np.linspace(0, 1, 50)
    positions = np.arange(12)
    lower, higher = learn(bowl(num_reports=4)), learn(bowl(num_reports=4, sign=-1.0), "max")
    np.testing.assert_array_equal(gain_at(lower, *grid), gain_at(higher, *grid))
    np.testing.assert_array_equal(lower.gain_of_known(positions), higher.gain_of_known(positions))


def test_the_unit_of_the_metric_does_not_matter() -> None:
    plain = bowl()
    scaled = [Seen(seen.params, {k: 8 * value + 256 for k, value in seen.curve.items()}) for seen in plain]
    grid = np.linspace(0, 1, 20)
    np.testing.assert_allclose(gain_at(learn(plain), *grid), gain_at(learn(scaled), *grid), atol=1e-3)


def test_who_is_ahead_early_gains_more() -> None:
    trials = [Seen({"x": k / 12}, curve(0.5 + 0.04 * k, 3)) for k in range(12)]
    gains = learn(trials).gain_of_known(np.arange(12))
    assert gains[:3].min() > gains[-3:].max()


def test_bad_trials_lower_the_gain_near_them() -> None:
    trials = bowl()
    bad = [Seen({"x": 0.3 + shift}, {}, is_bad=True) for shift in (-0.02, 0.0, 0.02)]
    grid = np.linspace(0, 1, 101)
    without, with_bad = gain_at(learn(trials), *grid), gain_at(learn([*trials, *bad]), *grid)
    assert with_bad[30] / with_bad.max() < without[30] / without.max()


def test_who_diverged_late_counts_as_bad_and_is_no_best() -> None:
    trials = bowl()
    trials[3] = Seen(trials[3].params, {1: -100.0, 2: -100.0}, is_bad=True)
    belief = learn(trials)
    assert belief.reached[3] == math.inf
    assert 3 not in np.argsort(belief.reached)[:6]


def test_a_running_trial_makes_the_same_place_less_worthwhile() -> None:
    running = Seen({"x": 0.55}, {}, is_running=True)
    trials = bowl()
    [alone], [beside] = gain_at(learn(trials), 0.55), gain_at(learn([*trials, running]), 0.55)
    assert beside < alone


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize(
    "values",
    [
        [1e16, 1.0, 2.0, 3.0, 4.0, 5.0],
        [BIG, -BIG, 1.0, 2.0, 3.0, 4.0],
        [1e35, 2e35, 3e35, 4e35, 5e35, 1e308],
        [7.0] * 6,
        [0.0, 5e-324, 1e-300, 1.0, 2.0, 3.0],
    ],
)
@pytest.mark.filterwarnings("error")
def test_strange_values_give_finite_gains(values: list[float], mode: str) -> None:
    trials = [Seen({"x": k / 7}, {1: value, 2: value}) for k, value in enumerate(values)]
    belief = learn(trials, mode)
    for gains in (gain_at(belief, 0.0, 0.31, 1.0), belief.gain_of_known(np.arange(6))):
        assert np.isfinite(gains).all()
        assert (gains >= 0).all()
    assert math.isfinite(belief.best)


@pytest.mark.filterwarnings("error")
def test_with_bad_trials_only_there_are_still_candidates_and_gains() -> None:
    belief = learn([Seen({"x": k / 12}, {}, is_bad=True) for k in range(12)])
    drawn = belief.candidates(np.random.default_rng(0))
    assert len(drawn) > 0
    assert np.isfinite(belief.gain_of_new(drawn)).all()


@pytest.mark.parametrize("trials", [[Seen({"x": 0.5}, {1: 3.0})], [Seen({"x": 0.5}, {}, is_bad=True)]])
def test_one_trial_is_enough_to_learn(trials: list[Seen]) -> None:
    assert np.isfinite(gain_at(learn(trials), 0.1, 0.5)).all()


def test_a_space_of_nothing_can_be_learnt() -> None:
    belief = learn([Seen({}, {1: float(k)}) for k in range(12)], space=Space(()))
    assert np.isfinite(belief.gain_of_new(belief.candidates(np.random.default_rng(0)))).all()


def test_curves_that_are_longer_than_a_full_training_end_there() -> None:
    """As those of an earlier experiment that trained for longer."""
    belief = learn([Seen({"x": k / 12}, {step: 1 / step + k for step in range(1, 30)}) for k in range(12)])
    assert belief.process.points.s.max() == 1


def test_candidates_are_random_and_near_the_best() -> None:
    belief = learn(bowl())
    drawn = belief.candidates(np.random.default_rng(0))
    plain = candidates(np.empty((0, 1)), np.random.default_rng(0))
    assert len(drawn) > len(plain)
    assert np.abs(drawn[len(plain) :] - 0.3).mean() < np.abs(plain - 0.3).mean()
    assert drawn.min() >= 0
    assert drawn.max() < 1


def test_a_proposal_gains_more_than_all_it_was_chosen_from() -> None:
    belief = learn(bowl(), space=LINE)
    fractions, gain = belief.propose(np.random.default_rng(0))
    drawn = belief.candidates(np.random.default_rng(0))
    assert fractions.shape == (1,)
    assert gain >= belief.gain_of_new(drawn).max()
    assert gain == pytest.approx(gain_at(belief, *fractions)[0])


# --- flat places ---


def spread_out(first: Callable[[float, float], float]) -> tuple[Array, list[dict[int, float]]]:
    places = np.random.default_rng(0).random((40, 2))
    return places, [{1: first(x, y)} for x, y in places]


def test_a_corner_with_one_value_is_flat() -> None:
    vectors, curves = spread_out(lambda x, y: 2.5 if x < 0.2 and y < 0.4 else x + y)
    [flat] = flat_places(vectors, curves)
    assert sorted(flat.members) == [k for k, (x, y) in enumerate(vectors) if x < 0.2 and y < 0.4]
    assert 0 < flat.radius < math.hypot(0.2, 0.4)


def test_values_that_far_configurations_share_are_not_flat() -> None:
    """As accuracies of a few hundred rows do."""
    vectors, curves = spread_out(lambda x, y: round(math.sin(40 * x + 23 * y)))
    assert flat_places(vectors, curves) == []


def test_different_values_are_not_flat() -> None:
    assert flat_places(*spread_out(lambda x, y: x + y)) == []


def test_trials_without_a_report_are_not_flat() -> None:
    assert flat_places(np.zeros((4, 2)), [{}] * 4) == []


def test_in_a_flat_place_only_the_furthest_goes_on_and_nothing_new_begins() -> None:
    flat = {0.1: {1: 0.1}, 0.15: {1: 0.1, 2: 0.09}, 0.2: {1: 0.1}}
    places = (np.random.default_rng(0).permutation(20) / 20).tolist()
    trials = [Seen({"x": x, "y": 0.0}, flat.get(x, {1: 1 + x})) for x in places]
    belief = learn(trials, space=SQUARE)
    gains = belief.gain_of_known(np.array([places.index(x) for x in flat]))
    assert gains[0] == gains[2] == 0 < gains[1]
    near, outside = belief.gain_of_new(np.array([[0.125, 0.01], [0.5, 0.0]]))
    assert near == 0 < outside


# --- many trials ---


def test_thinning_keeps_the_last_value_of_each_trial() -> None:
    rng = np.random.default_rng(0)
    trials = [Seen({"x": float(x)}, curve((x - 0.3) ** 2)) for x in rng.random(120)]
    points = learn(trials).process.points
    assert len(points) == MAX_POINTS
    assert (points.s == 1).sum() == 120


def test_with_more_trials_than_points_the_best_stay() -> None:
    finals = np.random.default_rng(0).permutation(600) / 600
    trials = [Seen({"x": k / 600}, curve(final)) for k, final in enumerate(finals)]
    points = learn(trials).process.points
    assert len(points) == MAX_POINTS
    assert set(np.argsort(finals)[:50]) <= set(points.trial[points.s == 1])


def test_hyperparameters_are_kept_until_there_is_a_fifth_more() -> None:
    surrogate = Surrogate(LINE, mode="min", max_reports=9, seed=0)
    trials = bowl(40)
    fitted = [surrogate.learn(trials[:num]).process.given for num in (30, 31, 40)]
    assert fitted[0] is fitted[1]
    assert fitted[2] is not fitted[1]


def test_the_same_trials_give_the_same_belief() -> None:
    space = Space((Parameter("act", Choice(["relu", "gelu"])), Parameter("x", Float(1e-4, 1.0, log=True))))
    rng = np.random.default_rng(0)
    trials = [
        Seen({"act": "relu" if k % 2 else "gelu", "x": 10 ** -(4 * rng.random())}, curve(rng.random(), 5))
        for k in range(80)
    ]
    vectors = rng.random((20, 3))
    one, other = (learn(trials, space=space).gain_of_new(vectors) for _ in range(2))
    np.testing.assert_array_equal(one, other)
