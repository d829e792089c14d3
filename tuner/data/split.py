"""Which rows go to train, val and test: a seeded split with exact sizes, stratified by class on request.

With groups, whole ones: in shuffled order each goes to the split that lacks most of its share.

Stratified: each class is shuffled, its i-th of n rows gets the key (i + 0.5) / n, and all rows are laid out
by that key and cut at the split sizes. The sizes are exact and each class is within one row of its share.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tuner.data.clean import Cleaned, tasks_of_rows
from tuner.data.table import AnyArray, Table
from tuner.errors import DataError
from tuner.spec.sections import Split as SplitSpec

SPLITS = ("train", "val", "test")
Indices = NDArray[np.int64]


def row_number(row: int) -> str:
    return f"row {row + 1} (the first one is 1)"


def split_rows(
    cleaned: Cleaned,
    spec: SplitSpec,
    groups: AnyArray | None = None,
    name_of: Callable[[int], str] = row_number,
) -> dict[str, Indices]:
    """Sorted row indices of each split, every row in exactly one; none for a test split of 0.

    DataError where another split is empty, or a class is too small to be in every split; that says `name_of`
    a row.
    """
    if groups is not None:
        return _by_group(groups, spec)
    classes = cleaned.class_names is not None
    stratify = classes if spec.stratify is None else spec.stratify
    if stratify and not classes:
        raise DataError(
            f"a stratified split needs classes, but {tasks_of_rows('values')} has none; set "
            "data.split.stratify to false"
        )
    order = np.random.Generator(np.random.Philox(spec.seed)).permutation(len(cleaned.targets))
    if stratify:
        order = _by_share(order, cleaned.targets)
    rows = _cut(order, spec)
    if stratify:
        _check_classes(rows, cleaned, name_of)
    return rows


def rows_of_parts(table: Table, cleaned: Cleaned) -> dict[str, Indices]:
    """Row indices of each split, as the files say; DataError for a label that training does not have."""
    assert table.parts is not None
    rows = {name: np.flatnonzero(table.parts == name) for name in SPLITS}
    is_known = np.isin(cleaned.targets, cleaned.targets[rows["train"]])
    for name in SPLITS:
        unseen = rows[name][~is_known[rows[name]]]
        if len(unseen) and cleaned.class_names is not None:
            label = cleaned.class_names[cleaned.targets[unseen[0]]]
            row = row_number(unseen[0]) if table.origins is None else table.origins.name(unseen[0])
            raise DataError(
                f"every label must stand in the training files, but {row} of {name} has '{label}'; correct "
                "it or remove the row"
            )
    return rows


def groups_of(table: Table, spec: SplitSpec) -> AnyArray | None:
    """Objects [rows]: the group of each row, None where not known; None where rows are split one by one."""
    if spec.group is None:
        return None
    if spec.group not in table.attributes:
        names = ", ".join(table.attributes) or "none"
        raise DataError(
            f"data.split.group must be a column of the table, but found '{spec.group}'; beside file and "
            f"label it has: {names}"
        )
    return table.attributes[spec.group]


def _by_group(groups: AnyArray, spec: SplitSpec) -> dict[str, Indices]:
    missing = [row for row, group in enumerate(groups) if group is None]
    if missing:
        raise DataError(
            f"every row must have a value of data.split.group = '{spec.group}', but row {missing[0] + 1} of "
            f"{len(groups)} that can be used has none; fill it in or remove the row"
        )
    names, members = np.unique(groups.astype(str), return_inverse=True)
    lacking = {name: getattr(spec, name) * len(groups) for name in SPLITS if getattr(spec, name) > 0}
    if len(names) < len(lacking):
        raise DataError(
            f"every split must have a group of its own, but data.split.group = '{spec.group}' has only "
            f"{len(names)} for {len(lacking)} splits; give more groups or split by rows"
        )
    empty = set(lacking)
    parts = np.empty(len(names), dtype=object)
    order = np.random.Generator(np.random.Philox(spec.seed)).permutation(len(names))
    for place, group in enumerate(order):
        must_fill = len(order) - place == len(empty)
        part = max(empty if must_fill else lacking, key=lambda name: (lacking[name], name))
        parts[group] = part
        lacking[part] -= np.count_nonzero(members == group)
        empty.discard(part)
    return {name: np.flatnonzero(parts[members] == name) for name in SPLITS}


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


def _check_classes(rows: dict[str, Indices], cleaned: Cleaned, name_of: Callable[[int], str]) -> None:
    assert cleaned.class_names is not None
    total = np.bincount(cleaned.targets, minlength=len(cleaned.class_names))
    for name, indices in rows.items():
        if len(indices) == 0:
            continue
        missing = np.flatnonzero(np.bincount(cleaned.targets[indices], minlength=len(total)) == 0)
        if len(missing):
            label = int(missing[0])
            mostly_single = 2 * np.count_nonzero(total == 1) > len(total)
            values = f"; numbers are predicted by the task {tasks_of_rows('values')}" if mostly_single else ""
            which = "1 row, which" if total[label] == 1 else f"{total[label]} rows, of which the first"
            first = name_of(int(np.flatnonzero(cleaned.targets == label)[0]))
            raise DataError(
                f"a stratified split needs every class in every split, but class "
                f"'{cleaned.class_names[label]}' has only {which} is {first}, and none falls into {name}; "
                f"correct the label, add rows or set data.split.stratify to false{values}"
            )
