"""Columns of a table: from the features of a store back to raw units, and what they hold.

A one-hot column is one column of text again, and standardised numbers have their own unit; what cleaning
changed (clipped outliers, filled gaps) stays as it is in training.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuner.data.manifest import Column as Recipe
from tuner.data.manifest import Manifest
from tuner.data.table import AnyArray
from tuner.data_report.association import association
from tuner.data_report.numbers import distribution, most_frequent, unscaled
from tuner.data_report.report import Column

OTHER = "(another)"
"""A category that training does not have."""
MOST_CATEGORIES = 20


@dataclass(frozen=True)
class RawColumn:
    """One column of some rows."""

    recipe: Recipe
    values: NDArray[np.float64] | NDArray[np.int64]
    """[rows]: numbers in raw units; of text, places in the categories (their number: another one)."""

    @property
    def is_text(self) -> bool:
        return self.recipe.categories is not None

    @property
    def names(self) -> AnyArray:
        """Of the categories, and of all others."""
        return np.array([*(self.recipe.categories or ()), OTHER], dtype=object)

    def shown(self, row: int) -> float | str:
        value = self.values[row]
        return str(self.names[int(value)]) if self.is_text else rounded(float(value))


def raw_columns(features: AnyArray, manifest: Manifest) -> Iterator[RawColumn]:
    """The columns of `features` [rows, features]."""
    place = 0
    for recipe in recipes(manifest):
        is_onehot = recipe.categories is not None and manifest.categories == "onehot"
        width = len(recipe.categories or ()) if is_onehot else 1
        yield RawColumn(recipe, _raw(features, place, width, recipe, manifest))
        place += width


def recipes(manifest: Manifest) -> Sequence[Recipe]:
    """The columns as the source has them; of a store of version 0.1 its features."""
    if manifest.columns is not None:
        return manifest.columns
    return [Recipe(name=name) for name in manifest.feature_names or ()]


def summarise(features: AnyArray, targets: AnyArray, manifest: Manifest) -> tuple[Column, ...]:
    return tuple(_summary(column, targets, manifest) for column in raw_columns(features, manifest))


def rounded(value: float) -> float:
    """Seven digits: what float32 knows of a number."""
    return float(f"{value:.7g}")


def _raw(
    features: AnyArray, place: int, width: int, recipe: Recipe, manifest: Manifest
) -> NDArray[np.float64] | NDArray[np.int64]:
    if recipe.categories is not None and manifest.categories == "onehot":
        block = features[:, place : place + width]
        return np.where(block.any(axis=1), block.argmax(axis=1), width)
    values = features[:, place].astype(np.float64)
    if manifest.mean is not None and manifest.std is not None:
        values = unscaled(values, manifest.mean[place], manifest.std[place])
    return values if recipe.categories is None else np.rint(values).astype(np.int64)


def _summary(column: RawColumn, targets: AnyArray, manifest: Manifest) -> Column:
    name, categories = column.recipe.name, None
    num_categories = None
    if column.is_text:
        names = column.names
        categories = most_frequent(names, np.bincount(column.values, minlength=len(names)), MOST_CATEGORIES)
        num_categories = len(names) - 1
    missing = None
    if manifest.missing is not None:
        missing = manifest.missing.get(name, dict.fromkeys(manifest.sizes, 0))
    return Column(
        name=name,
        numbers=None if column.is_text else distribution(column.values),
        categories=categories,
        num_categories=num_categories,
        missing=missing,
        fill=column.recipe.fill,
        association=association(
            column.values, targets, is_text=column.is_text, is_classes=manifest.class_names is not None
        ),
    )
