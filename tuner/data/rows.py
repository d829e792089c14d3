"""Rows of a table: cleaned, split and encoded, with all that is fitted taken from the training rows.

The order of the steps: rows that cannot be used; the split; duplicates; rows with something missing, where
those are dropped; outliers; missing values; categories; rows that all this made equal, where duplicates are
dropped; labels that training does not have. `apply` does with new rows what was done with these: bounds,
missing values, categories.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tuner.data import duplicates, encode, fill, outliers
from tuner.data.clean import Cleaned, clean
from tuner.data.columns import Columns, StoredColumns, no_texts
from tuner.data.invalid import usable
from tuner.data.manifest import Column, Dropped
from tuner.data.origins import Indices, Ledger, Origins
from tuner.data.scratch import Rows, block_slices
from tuner.data.split import SPLITS, split_rows
from tuner.data.table import AnyArray, FloatArray, Table
from tuner.errors import DataError
from tuner.spec.sections import CleanSpec, DataSpec
from tuner.tasks import RULES

Places = dict[str, Indices]


@dataclass(frozen=True)
class EncodedRows(Rows):
    """Features of rows, made from their columns some rows at a time."""

    columns: StoredColumns
    recipe: tuple[Column, ...]
    how: str

    dtype = np.dtype(np.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        return len(self.columns), len(encode.feature_names(self.recipe, self.how))

    def blocks(self) -> Iterator[FloatArray]:
        num_rows, num_features = self.shape
        for block in block_slices(num_rows, 4 * num_features):
            rows = self.columns.take(np.arange(num_rows)[block])
            yield apply(rows.load(), self.recipe, self.how)


@dataclass(frozen=True)
class TableRows:
    """Prepared splits: (features float32 [rows, features], targets [rows]); not standardised yet."""

    splits: Mapping[str, tuple[EncodedRows, AnyArray]]
    columns: tuple[Column, ...]
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...] | None
    is_scaled: NDArray[np.bool_]
    """[features]: whether standardisation is for it."""
    dropped: Mapping[str, Dropped]
    missing: Mapping[str, Mapping[str, int]]
    """Of each column that has gaps, how many in each split, before anything was dropped or filled in."""


def prepare_rows(table: Table, spec: DataSpec, task: str) -> TableRows:
    """DataError for a table that the task cannot use."""
    ledger = Ledger(table.origins or Origins.of_length(len(table.targets)))
    table, kept = usable(table, RULES[task].targets, spec.clean.invalid, ledger)
    cleaned = clean(replace(table, targets=table.targets[kept]), task)
    texts = no_texts(len(table.targets)) if table.texts is None else table.texts
    whole = Columns(cleaned.feature_names or (), table.text_names, cleaned.features, texts)
    columns = StoredColumns(whole, kept)
    work = Work(columns, cleaned, kept, ledger)
    rows = split(work, table.parts, spec)
    missing = fill.count_missing(columns, rows)
    is_unique = spec.clean.duplicates == "drop"
    if is_unique:  # so that they weigh nothing in what is fitted
        rows = without(work, rows, duplicates.find(columns, cleaned.targets, rows))
    rows = _without_gaps(work, rows, spec.clean)
    rows, limits = _without_outliers(work, rows, spec.clean)
    check_training(rows)
    recipe, how = _fit(columns.take(rows["train"]), spec, limits), spec.encode.categories
    if is_unique:
        rows = without(work, rows, _find_encoded(work, rows, recipe, how))
    rows = with_known_labels(work, rows, spec.clean)
    check_sizes(rows, len(ledger.origins), spec, is_cut=table.parts is None)
    targets, class_names = known_classes(cleaned, rows["train"])
    return TableRows(
        {name: (EncodedRows(columns.take(rows[name]), recipe, how), targets[rows[name]]) for name in SPLITS},
        recipe,
        encode.feature_names(recipe, how),
        class_names,
        encode.are_scaled(recipe, how),
        ledger.dropped(),
        missing,
    )


def apply(columns: Columns, recipe: tuple[Column, ...], how: str) -> FloatArray:
    """Float32 [rows, features] of raw rows, as training had them before standardisation."""
    return encode.apply(fill.apply(outliers.clip(columns, recipe), recipe), recipe, how)


@dataclass(frozen=True)
class Work:
    """What the steps look at; their rows are places in it."""

    columns: StoredColumns
    cleaned: Cleaned
    kept: Indices
    """Of each row its place in the table as it was read."""
    ledger: Ledger

    def drop(self, reason: str, rows: Indices) -> None:
        self.ledger.add(reason, self.kept[rows])

    def name(self, row: int) -> str:
        return self.ledger.origins.name(int(self.kept[row]))


def split(work: Work, parts: AnyArray | None, spec: DataSpec) -> Places:
    """By `parts`, those of the table as it was read, where the source has them."""
    if parts is None:
        return split_rows(work.cleaned, spec.split, name_of=work.name)
    return {name: np.flatnonzero(parts[work.kept] == name) for name in SPLITS}


def _find_encoded(work: Work, rows: Places, recipe: tuple[Column, ...], how: str) -> duplicates.Found:
    def rows_at(places: Indices) -> FloatArray:
        return apply(work.columns.take(places).load(), recipe, how)

    num_features = len(encode.feature_names(recipe, how))
    return duplicates.find_encoded(rows_at, num_features, work.cleaned.targets, rows)


def without(work: Work, rows: Places, found: duplicates.Found) -> Places:
    again, elsewhere = found
    for name in SPLITS:
        work.drop("duplicate", again[name])
        work.drop("in_another_split", elsewhere[name])
    gone = np.concatenate([*again.values(), *elsewhere.values()])
    left = {name: np.setdiff1d(rows[name], gone) for name in SPLITS}
    if not len(left["train"]):
        raise DataError(
            f"training must have rows of its own, but all {len(rows['train'])} stand in val or test too and "
            "data.clean.duplicates: drop leaves them there; give training other rows"
        )
    return left


def _without_gaps(work: Work, rows: Places, spec: CleanSpec) -> Places:
    """Without rows in which something is missing, where it is not to be filled in; DataError on "error"."""
    if spec.missing not in ("error", "drop"):
        return rows
    gaps = fill.has_gaps(work.columns)
    if spec.missing == "error" and gaps.any():
        row = int(np.flatnonzero(gaps)[0])
        raise missing_value(work.columns.take(np.array([row])).load(), 0, work.name(row))
    for name in SPLITS:
        work.drop("value_missing", rows[name][gaps[rows[name]]])
    return {name: rows[name][~gaps[rows[name]]] for name in SPLITS}


def missing_value(columns: Columns, row: int, row_name: str) -> DataError:
    """The error for something missing in a row that is not filled in."""
    numbers, texts = fill.is_missing(columns)
    names = [
        *(name for name, gap in zip(columns.number_names, numbers[row], strict=True) if gap),
        *(name for name, gap in zip(columns.text_names, texts[row], strict=True) if gap),
    ]
    return DataError(
        f"features must have values, but feature '{names[0]}' has none in {row_name}; fill it in, or train "
        "with data.clean.missing"
    )


def _without_outliers(work: Work, rows: Places, spec: CleanSpec) -> tuple[Places, outliers.Bounds | None]:
    """Bounds to clip to; or only the training rows within them, the other splits being as new rows are."""
    if spec.outliers is None:
        return rows, None
    check_training(rows)
    train = work.columns.take(rows["train"])
    limits = outliers.bounds(train, spec.outliers)
    if spec.outliers.action == "clip":
        return rows, limits
    outside = outliers.are_outside(train, limits)
    work.drop("outlier", rows["train"][outside])
    return {**rows, "train": rows["train"][~outside]}, None


def with_known_labels(work: Work, rows: Places, spec: CleanSpec) -> Places:
    names, targets = work.cleaned.class_names, work.cleaned.targets
    if names is None:
        return rows
    is_known = np.isin(targets, targets[rows["train"]])
    known = {}
    for name in SPLITS:
        unseen = rows[name][~is_known[rows[name]]]
        if len(unseen) and spec.invalid == "error":
            raise DataError(
                f"every label must stand in the training rows, but {work.name(int(unseen[0]))} of {name} has "
                f"'{names[targets[unseen[0]]]}'; correct it, or drop such rows with data.clean.invalid"
            )
        work.drop("label_unseen", unseen)
        known[name] = rows[name][is_known[rows[name]]]
    return known


def check_training(rows: Places) -> None:
    if not len(rows["train"]):
        raise DataError("the training split must have rows, but cleaning leaves none; relax data.clean")


def check_sizes(rows: Places, num_read: int, spec: DataSpec, is_cut: bool) -> None:
    """DataError for a split without rows, but for a test split that was not asked for."""
    for name in SPLITS:
        may_be_empty = name == "test" and (not is_cut or spec.split.test == 0)
        if not len(rows[name]) and not may_be_empty:
            raise DataError(
                f"every split must have rows, but of {num_read} rows cleaning leaves none in {name}; "
                "relax data.clean or give more rows"
            )


def _fit(train: StoredColumns, spec: DataSpec, limits: outliers.Bounds | None) -> tuple[Column, ...]:
    bounds = {} if limits is None else dict(zip(train.number_names, zip(*limits, strict=True), strict=True))
    recipe = {name: Column(name=name) for name in train.whole.names}
    for name, (low, high) in bounds.items():
        recipe[name] = replace(recipe[name], low=float(low), high=float(high))
    fills = fill.fit(train, spec.clean.missing, limits)
    for name, value in fills.items():
        recipe[name] = replace(recipe[name], fill=value)
    for place, name in enumerate(train.text_names):
        texts = fill.texts_of(train, place, fills.get(name))
        categories = encode.fit(texts, name, spec.encode.categories)
        recipe[name] = replace(recipe[name], categories=categories)
    return tuple(recipe.values())


def known_classes(cleaned: Cleaned, train: Indices) -> tuple[AnyArray, tuple[str, ...] | None]:
    """Targets over the classes that training has."""
    if cleaned.class_names is None:
        return cleaned.targets, None
    known = np.unique(cleaned.targets[train])
    if len(known) < 2:
        raise DataError(
            f"classification needs at least two classes in the training rows, but all {len(train)} have the "
            f"label '{cleaned.class_names[known[0]]}'; relax data.clean or give more rows"
        )
    # The place of a class that training does not have is that of the next one; no row has it any more.
    return np.searchsorted(known, cleaned.targets), tuple(cleaned.class_names[place] for place in known)
