"""Which rows go to train, val and test: a seeded split with exact sizes, stratified by class on request.

Stratified: each class is shuffled, its i-th of n rows gets the key (i + 0.5) / n, and all rows are laid out
by that key and cut at the split sizes. The sizes are exact and each class is within one row of its share.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tuner.data.clean import Cleaned
from tuner.errors import DataError
from tuner.spec.sections import Split as SplitSpec

SPLITS = ("train", "val", "test")
Indices = NDArray[np.int64]


def split_rows(cleaned: Cleaned, spec: SplitSpec) -> dict[str, Indices]:
    """Sorted row indices of each split, every row in exactly one; none for a test split of 0.

    DataError where another split is empty, or a class is too small to be in every split.
    """
    classes = cleaned.class_names is not None
    stratify = classes if spec.stratify is None else spec.stratify
    if stratify and not classes:
        raise DataError(
            "a stratified split needs classes, but regression has none; set data.split.stratify to false"
        )
    order = np.random.Generator(np.random.Philox(spec.seed)).permutation(len(cleaned.targets))
    if stratify:
        order = _by_share(order, cleaned.targets)
    rows = _cut(order, spec)
    if stratify:
        _check_classes(rows, cleaned)
    return rows


def _by_share(order: Indices, targets: Indices) -> Indices:
    """Reorder the shuffled rows so that every stretch holds the classes in their proportion."""
    labels = targets[order]
    by_class = np.argsort(labels, kind="stable")
    counts = np.bincount(labels)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    keys = np.empty(len(order))
    keys[by_class] = (np.arange(len(order)) - starts + 0.5) / np.repeat(counts, counts)
    return order[np.argsort(keys, kind="stable")]


def _cut(order: Indices, spec: SplitSpec) -> dict[str, Indices]:
    fractions = np.array([getattr(spec, name) for name in SPLITS])
    ends = np.rint(np.cumsum(fractions) * len(order)).astype(np.int64)
    rows = dict(zip(SPLITS, np.split(order, ends[:2]), strict=True))
    for name, indices in rows.items():
        if len(indices) == 0 and getattr(spec, name) > 0:
            raise DataError(
                f"every split must have rows, but data.split.{name} = {getattr(spec, name)} of "
                f"{len(order)} rows leaves none; raise the fraction or give more rows"
            )
    return {name: np.sort(indices) for name, indices in rows.items()}


def _check_classes(rows: dict[str, Indices], cleaned: Cleaned) -> None:
    assert cleaned.class_names is not None
    total = np.bincount(cleaned.targets, minlength=len(cleaned.class_names))
    for name, indices in rows.items():
        if len(indices) == 0:
            continue
        missing = np.flatnonzero(np.bincount(cleaned.targets[indices], minlength=len(total)) == 0)
        if len(missing):
            label = int(missing[0])
            raise DataError(
                f"a stratified split needs every class in every split, but class "
                f"'{cleaned.class_names[label]}' has only {total[label]} rows and none falls into {name}; "
                "add rows or set data.split.stratify to false"
            )
