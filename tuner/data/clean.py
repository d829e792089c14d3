"""From a source's table to what a task trains on: shapes, classes, and every check on the rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.data.origins import Origins
from tuner.data.table import AnyArray, FloatArray, Table, to_float32
from tuner.errors import DataError
from tuner.tasks import RULES, names_of
from tuner.tasks.rules import TargetKind


@dataclass(frozen=True)
class Cleaned:
    """Checked rows in the shape that the task wants."""

    features: AnyArray
    """Float32 [rows, features] for tables, [rows, channels, height, width] for images; or texts [rows]."""
    targets: NDArray[Any]
    """int64 class indices, or float32 values for regression, [rows]."""
    feature_names: tuple[str, ...] | None
    class_names: tuple[str, ...] | None


def clean(table: Table, task: str) -> Cleaned:
    """Check `table` and shape it for `task`; DataError names the first row or column that breaks a rule.

    Tables may have values that are missing, images not.
    """
    rules = RULES[task]
    are_images = rules.data == "images"
    features, names = _as_images(table, task) if are_images else _as_rows(table)
    if are_images:
        check_finite(features, names, table.origins)
    if rules.targets == "values":
        return Cleaned(features, _values(table, task), names, None)
    targets, class_names = to_classes(table)
    return Cleaned(features, targets, names, class_names)


def check_finite(features: FloatArray, names: tuple[str, ...] | None, origins: Origins | None = None) -> None:
    """DataError at the first NaN or infinite value of `features`."""
    finite = np.isfinite(features)
    if finite.all():
        return
    index = np.argwhere(~finite)[0].tolist()
    row, *place = index
    origins = origins or Origins.of_length(len(features))
    where = f"feature '{names[place[0]]}'" if names else f"the image value at {tuple(place)}"
    raise DataError(
        f"features must be finite, but {where} is {features[tuple(index)]} in {origins.name(row)}; fill it "
        "in or remove the row"
    )


def _as_images(table: Table, task: str) -> tuple[FloatArray, None]:
    features = table.features
    if features.ndim == 2:
        raise DataError(
            f"{task} needs images of shape (rows, height, width) or (rows, channels, height, width), but "
            f"the data has the shape {features.shape}; use {tasks_of_rows('classes')}"
        )
    return features if features.ndim == 4 else features[:, None], None


def tasks_of_rows(targets: TargetKind) -> str:
    """The tasks for rows of a table with such targets."""
    return " or ".join(names_of(lambda rules: rules.data == "rows" and rules.targets == targets))


def _as_rows(table: Table) -> tuple[FloatArray, tuple[str, ...]]:
    rows = table.features.reshape(len(table.features), -1)
    return rows, table.feature_names or tuple(f"x{index}" for index in range(rows.shape[1]))


def _values(table: Table, task: str) -> FloatArray:
    if table.class_names is not None or table.targets.dtype.kind not in "iuf":
        found = "classes" if table.class_names else f"{table.targets[0]!r}"
        raise DataError(f"{task} needs numbers as labels, but found {found}; use {tasks_of_rows('classes')}")
    targets = to_float32(table.targets)
    _check_labels_finite(targets)
    if np.ptp(targets) == 0:
        raise DataError(
            f"labels must differ, but all {len(targets)} rows have the value {targets[0]}; "
            "check the label column"
        )
    return targets


def to_classes(table: Table) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Class indices [rows], and the names of the classes in their order."""
    if table.class_names is not None:
        return table.targets.astype(np.int64), table.class_names
    values, codes = np.unique(_as_labels(table.targets), return_inverse=True)
    if len(values) < 2:
        raise DataError(
            f"classification needs at least two classes, but all {len(codes)} rows have the label "
            f"'{values[0]}'; check the label column"
        )
    return codes.astype(np.int64), tuple(str(value) for value in values)


def _as_labels(targets: AnyArray) -> AnyArray:
    """Labels whose text is a class name: whole numbers lose their decimal point."""
    if targets.dtype.kind != "f":
        return targets
    _check_labels_finite(targets)
    fractions = np.flatnonzero(targets != np.floor(targets))
    if len(fractions):
        raise DataError(
            f"classification needs whole numbers or text as labels, but row {fractions[0] + 1} has "
            f"{targets[fractions[0]]}; use {tasks_of_rows('values')}"
        )
    return targets.astype(np.int64)


def _check_labels_finite(targets: AnyArray) -> None:
    bad = np.flatnonzero(~np.isfinite(targets))
    if len(bad):
        raise DataError(
            f"labels must be finite, but the one of row {bad[0] + 1} (the first one is 1) is "
            f"{targets[bad[0]]}; fill it in or remove the row"
        )
