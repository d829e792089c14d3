"""Rows of a table that cannot be used at all: without a label, or with a value that does not fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tuner.data.origins import Indices, Ledger, Origins
from tuner.data.table import AnyArray, Faults, Table
from tuner.errors import DataError
from tuner.spec.domains import show
from tuner.tasks.rules import TargetKind

_FIX = "correct it, or drop such rows with data.clean.invalid"


def usable(table: Table, kind: TargetKind, invalid: str, ledger: Ledger) -> tuple[Table, Indices]:
    """The table with labels as such targets, and the rows that can be used; the others go to `ledger`.

    DataError at the first one where `invalid` is "error", and where none can be used.
    """
    table, of_labels = _check_labels(table, kind, ledger.origins)
    faults = [*of_labels, *table.faults, *_infinite(table, ledger.origins)]
    is_usable = np.ones(len(table.targets), dtype=bool)
    for fault in faults:
        if invalid == "error":
            raise DataError(fault.message)
        ledger.add(fault.reason, fault.rows[is_usable[fault.rows]])
        is_usable[fault.rows] = False
    if not is_usable.any():
        raise DataError("data must have rows that can be used, but none can; correct the labels or values")
    return table, np.flatnonzero(is_usable)


def _check_labels(table: Table, kind: TargetKind, origins: Origins) -> tuple[Table, list[Faults]]:
    missing = np.asarray(pd.isna(table.targets))
    faults = []
    if missing.any():
        rows = np.flatnonzero(missing)
        message = f"every row must have a label, but {origins.name(rows[0])} has none; {_FIX}"
        faults.append(Faults("label_missing", rows, message))
    targets = _as_values(table.targets, missing) if kind == "values" else table.targets
    bad = _are_bad(targets) & ~missing
    if bad.any():
        rows = np.flatnonzero(bad)
        found = _said(table.targets[rows[0]])
        message = f"labels must be finite numbers, but {origins.name(rows[0])} has {found}; {_FIX}"
        faults.append(Faults("label_invalid", rows, message))
    return replace(table, targets=targets), faults


def _as_values(targets: AnyArray, missing: NDArray[np.bool_]) -> AnyArray:
    """Text of which at least half are numbers as numbers, NaN for the others."""
    if targets.dtype != object:
        return targets
    values = pd.to_numeric(pd.Series(targets), errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    mostly_numbers = 2 * np.count_nonzero(~np.isnan(values)) >= np.count_nonzero(~missing)
    return values if mostly_numbers else targets


def _are_bad(targets: AnyArray) -> NDArray[np.bool_]:
    if targets.dtype.kind != "f":
        return np.zeros(len(targets), dtype=bool)
    with np.errstate(over="ignore"):
        return ~np.isfinite(targets.astype(np.float32))


def _infinite(table: Table, origins: Origins) -> list[Faults]:
    if table.features.dtype == object:  # texts
        return []
    features = table.features.reshape(len(table.features), -1)
    infinite = {place: np.flatnonzero(np.isinf(features[:, place])) for place in range(features.shape[1])}
    first = min(((rows[0], place) for place, rows in infinite.items() if len(rows)), default=None)
    if first is None:
        return []
    row, place = first
    texts = set(table.text_names)
    number_names = [name for name in table.feature_names or () if name not in texts]
    name = number_names[place] if number_names else f"x{place}"
    message = f"features must be finite, but feature '{name}' is infinite in {origins.name(row)}; {_FIX}"
    return [Faults("value_invalid", np.unique(np.concatenate([*infinite.values()])), message)]


def _said(value: object) -> str:
    return show(value.item() if isinstance(value, np.generic) else value)
