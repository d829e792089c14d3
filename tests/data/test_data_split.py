"""Split sizes are exact, strata are kept, and moments come from the rows that they are fitted on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tuner.data import standardise
from tuner.data.clean import Cleaned
from tuner.data.split import split_rows
from tuner.errors import DataError
from tuner.spec.sections import Split as SplitSpec


def cleaned(targets: Any, classes: int | None) -> Cleaned:
    names = None if classes is None else tuple(f"class {index}" for index in range(classes))
    return Cleaned(np.zeros((len(targets), 1), np.float32), np.asarray(targets), ("x",), names)


@pytest.mark.parametrize("num_rows", [40, 101, 1797])
@pytest.mark.parametrize("classes", [None, 2])
def test_every_row_once_with_exact_sizes(num_rows: int, classes: int | None) -> None:
    rows = split_rows(cleaned(np.arange(num_rows) % 2, classes), SplitSpec(train=0.7, val=0.15, test=0.15))
    assert sorted(np.concatenate(list(rows.values()))) == list(range(num_rows))
    for name, fraction in {"train": 0.7, "val": 0.15, "test": 0.15}.items():
        assert abs(len(rows[name]) - fraction * num_rows) <= 1


def test_strata_are_within_one_row() -> None:
    targets = np.repeat([0, 1, 2], [500, 90, 47])
    rows = split_rows(cleaned(targets, 3), SplitSpec(train=0.6, val=0.2, test=0.2))
    counts = np.bincount(targets[rows["val"]])
    np.testing.assert_allclose(counts, [100, 18, 9.4], atol=1.0)


def test_seed_decides() -> None:
    first, again, other = (
        split_rows(cleaned(np.arange(100) % 2, 2), SplitSpec(seed=seed))["val"].tolist() for seed in (0, 0, 1)
    )
    assert first == again != other


def test_the_split_never_changes() -> None:
    """Guards `store.CODE_VERSION`: raise it when this must change."""
    rows = split_rows(cleaned(np.arange(40) % 2, 2), SplitSpec(seed=7))
    assert rows["val"].tolist() == [6, 11, 14, 16, 17, 19]


@pytest.mark.parametrize(
    ("targets", "classes", "fields", "match"),
    [
        ([0, 1, 0, 1], None, {"stratify": True}, "needs classes, but regression has none"),
        ([0, 1, 0], 2, {"stratify": False}, r"data.split.test = 0.15 of 3 rows leaves none"),
        ([*range(30), 0, 0], 30, {}, "only 1 row, which is .*; numbers are predicted by the task regression"),
        (
            [0] * 50 + [1] * 2,
            2,
            {},
            "class 'class 1' has only 2 rows, of which the first is row 51 .*; correct the label, add",
        ),
    ],
)
def test_bad_splits(targets: list[int], classes: int | None, fields: dict[str, Any], match: str) -> None:
    with pytest.raises(DataError, match=match):
        split_rows(cleaned(targets, classes), SplitSpec(**fields))


def test_standardise_tables_per_feature() -> None:
    features = np.random.default_rng(0).normal([3, -100], [0.5, 40], (500, 2)).astype(np.float32)
    scaled = standardise.apply(features, *standardise.fit(features))
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(scaled.std(axis=0), 1, atol=1e-5)


def test_standardise_images_per_channel() -> None:
    images = np.random.default_rng(0).normal(5, 2, (50, 3, 4, 4)).astype(np.float32)
    mean, std = standardise.fit(images)
    assert len(mean) == len(std) == 3
    np.testing.assert_allclose(standardise.apply(images, mean, std).mean(axis=(0, 2, 3)), 0, atol=1e-5)


def test_robust_images_per_channel() -> None:
    images = np.random.default_rng(0).normal(5, 2, (200, 3, 4, 4)).astype(np.float32)
    mean, std = standardise.fit(images, robust=True)
    assert mean == pytest.approx(np.median(images, axis=(0, 2, 3)))
    assert std == pytest.approx([2, 2, 2], rel=0.1)


def test_constant_features_stay_finite() -> None:
    features = np.full((1000, 1), 0.1, np.float32)
    mean, std = standardise.fit(features)
    assert std == (1.0,)
    np.testing.assert_allclose(standardise.apply(features, mean, std), 0, atol=1e-6)
