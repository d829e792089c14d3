"""The task decides shapes and targets; each broken row is named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tuner.data import Table
from tuner.data.clean import clean
from tuner.errors import DataError

TABULAR, IMAGES, REGRESSION = "tabular_classification", "image_classification", "regression"


def table(targets: Any, shape: tuple[int, ...] = (2,), **names: Any) -> Table:
    targets = np.asarray(targets)
    return Table(np.ones((len(targets), *shape), np.float32), targets, **names)


@pytest.mark.parametrize(
    ("task", "shape", "expected"),
    [
        (IMAGES, (8, 6), (1, 8, 6)),
        (IMAGES, (3, 8, 6), (3, 8, 6)),
        (TABULAR, (3, 8, 6), (144,)),
        (TABULAR, (8,), (8,)),
        (REGRESSION, (8, 6), (48,)),
    ],
)
def test_shapes(task: str, shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    cleaned = clean(table([0, 1], shape), task)
    assert cleaned.features.shape[1:] == expected
    assert (cleaned.feature_names is None) == (task == IMAGES)


@pytest.mark.parametrize(
    ("labels", "names", "codes"),
    [
        ([10, 9, 10], ("9", "10"), [1, 0, 1]),
        (["b", "a", "b"], ("a", "b"), [1, 0, 1]),
        ([2.0, -1.0, 2.0], ("-1", "2"), [1, 0, 1]),
        ([True, False, True], ("False", "True"), [1, 0, 1]),
    ],
)
def test_classes_are_sorted(labels: list[Any], names: tuple[str, ...], codes: list[int]) -> None:
    cleaned = clean(table(labels), TABULAR)
    assert cleaned.class_names == names
    assert cleaned.targets.dtype == np.int64
    assert cleaned.targets.tolist() == codes


def test_classes_of_the_source_keep_its_order() -> None:
    cleaned = clean(table([0, 1], class_names=("z", "a")), TABULAR)
    assert cleaned.class_names == ("z", "a")
    assert cleaned.targets.tolist() == [0, 1]


def test_values_are_float32() -> None:
    cleaned = clean(table([1, 5, 7]), REGRESSION)
    assert cleaned.class_names is None
    assert cleaned.targets.dtype == np.float32


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_images_that_are_not_finite(value: float) -> None:
    with pytest.raises(DataError, match=r"the image value at \(0, 1, 0\) is .* in row 2"):
        clean(Table(np.array([[[0.0, 0], [0, 0]], [[0, 0], [value, 0]]], np.float32), np.arange(2)), IMAGES)


@pytest.mark.parametrize(
    ("task", "labels", "match"),
    [
        (TABULAR, ["a", "a"], r"at least two classes, but all 2 rows have the label 'a'"),
        (TABULAR, [1.5, 2.0], r"needs whole numbers or text as labels, but row 1 has 1.5; use regression"),
        (TABULAR, [1.0, np.nan], r"the one of row 2 .* is nan"),
        (REGRESSION, ["a", "b"], r"regression needs numbers as labels, but found .*'a'.*; use tabular"),
        (REGRESSION, [1.0, np.inf], r"the one of row 2 .* is inf"),
        (REGRESSION, [2.0, 2.0], r"labels must differ, but all 2 rows have the value 2.0"),
        (IMAGES, [0, 1], r"needs images of shape .* has the shape \(2, 2\); use tabular_classification"),
    ],
)
def test_bad_rows(task: str, labels: list[Any], match: str) -> None:
    with pytest.raises(DataError, match=match):
        clean(table(labels), task)


def test_regression_on_classes() -> None:
    with pytest.raises(DataError, match="but found classes; use tabular_classification"):
        clean(table([0, 1], class_names=("a", "b")), REGRESSION)
