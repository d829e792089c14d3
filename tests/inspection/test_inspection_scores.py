"""The formulas, against scikit-learn and cases that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from tuner.inspection import scores


def drawn(seed: int, rows: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    # Rounded, so that some scores are equal.
    probabilities = draw.dirichlet(np.ones(classes), rows).round(2)
    return draw.integers(0, classes, rows), probabilities


@given(seed=st.integers(0, 10_000), rows=st.integers(2, 60), classes=st.integers(2, 5))
def test_confusion_and_precision_are_those_of_scikit_learn(seed: int, rows: int, classes: int) -> None:
    truth, probabilities = drawn(seed, rows, classes)
    predicted = probabilities.argmax(axis=1)
    matrix = scores.confusion(truth, predicted, classes)
    assert (matrix == reference.confusion_matrix(truth, predicted, labels=np.arange(classes))).all()
    for label in range(classes):
        is_class = truth == label
        curve = scores.precision_recall(is_class, probabilities[:, label])
        if curve is None:
            assert not is_class.any()
            continue
        assert curve.average == pytest.approx(
            reference.average_precision_score(is_class, probabilities[:, label])
        )
        precision, recall, threshold = reference.precision_recall_curve(is_class, probabilities[:, label])
        # The other way round, with a point without rows at the end.
        assert curve.precision[::-1] == pytest.approx(precision[:-1])
        assert curve.recall[::-1] == pytest.approx(recall[:-1])
        assert curve.threshold[::-1] == pytest.approx(threshold)


def test_calibration_by_hand() -> None:
    probabilities = np.array([[0.95, 0.05], [0.95, 0.05], [0.35, 0.65], [0.4, 0.6]])
    found = scores.calibration(np.array([0, 1, 1, 1]), probabilities)
    assert found.counts.tolist() == [0, 0, 0, 0, 0, 1, 1, 0, 0, 2]
    assert found.confidence[[5, 6, 9]] == pytest.approx([0.6, 0.65, 0.95])
    assert found.accuracy[[5, 6, 9]] == pytest.approx([1, 1, 0.5])
    assert np.isnan(found.accuracy[0])
    assert found.error == pytest.approx((0.4 + 0.35 + 2 * 0.45) / 4)


def test_who_is_as_sure_as_right_has_no_error() -> None:
    probabilities = np.array([[1.0, 0.0]] * 3 + [[0.75, 0.25]] * 4)
    assert scores.calibration(np.array([0, 0, 0, 0, 0, 0, 1]), probabilities).error == pytest.approx(0)


def test_losses_are_cross_entropy_and_finite() -> None:
    truth, probabilities = np.array([0, 1]), np.array([[0.25, 0.75], [1.0, 0.0]])
    found = scores.losses(truth, probabilities)
    assert found[0] == pytest.approx(np.log(4))
    assert 80 < found[1] < 90


def test_residuals_are_those_of_scikit_learn() -> None:
    draw = np.random.default_rng(0)
    truth = draw.normal(1e4, 3, 50).astype(np.float32)
    values = truth.astype(np.float64) + draw.normal(0.5, 1, 50)
    found = scores.residuals(truth, values, num_bins=5)
    assert found.r2 == pytest.approx(reference.r2_score(truth.astype(np.float64), values))
    assert found.mae == pytest.approx(reference.mean_absolute_error(truth, values), rel=1e-5)
    assert found.rmse**2 == pytest.approx(reference.mean_squared_error(truth, values), rel=1e-5)
    assert found.mean == pytest.approx((values - truth).mean())
    assert (found.counts.sum(), len(found.edges)) == (50, 6)
    assert scores.residuals(np.ones(3), np.array([1.0, 2.0, 3.0])).r2 is None


def test_largest_and_thinned() -> None:
    assert scores.largest(np.array([1.0, 3.0, 2.0, 3.0]), 3).tolist() == [1, 3, 2]
    assert scores.thinned(3, 5).tolist() == [0, 1, 2]
    chosen = scores.thinned(1000, 7)
    assert (chosen[0], chosen[-1], len(chosen)) == (0, 999, 7)
