"""Tables in files, CSV, JSONL or Parquet: columns of numbers and of text, and one label column.

All files of a source have the same columns. A column is one of numbers where at least half of the values that
the training files know are numbers or booleans; a value of it that is none is a fault of its row. Where the
files are not those of a split, all of them decide.

Files are read twice, and large ones in parts: first it is seen which columns hold numbers, then the values
are taken. In memory are some parts at a time, and of the whole table its labels and eight bytes a text.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tuner.data.origins import Origins
from tuner.data.pool import MapChunks, in_order
from tuner.data.sources import csv_file, jsonl_file, parquet_file
from tuner.data.sources.files import check_file, table_files
from tuner.data.sources.parts import PART_BYTES, Part
from tuner.data.table import AnyArray, Faults, FloatArray, Table, to_float32
from tuner.errors import DataError
from tuner.spec.domains import show
from tuner.spec.sections import CsvSource, JsonlSource, ParquetSource

_MODULES = {"csv": csv_file, "jsonl": jsonl_file, "parquet": parquet_file}
_Source = CsvSource | JsonlSource | ParquetSource
_PLAIN = (str, bool, int, float, Decimal, np.generic)


@dataclass(frozen=True)
class Piece:
    """A file of a source, or a part of one."""

    number: int
    """Of the file, among those of the source."""
    split: str | None
    path: Path
    part: Part | None


@dataclass(frozen=True)
class TableFile:
    """A file of a table, or a part of one, read."""

    path: Path
    frame: pd.DataFrame
    parses: bool
    """Whether text that is written as a number is one: in CSV, where all is text."""
    first_row: int = 0
    """Rows of the file before these."""


@dataclass(frozen=True)
class _Survey:
    """What is seen of the columns of a piece."""

    num_rows: int
    columns: tuple[str, ...]
    counts: Mapping[str, tuple[int, int]]
    """Of each feature that is there: its numbers, and its values that are none."""
    texts: frozenset[str]
    """Features, and the label, that hold text."""


@dataclass(frozen=True)
class _Recipe:
    """How the values of every piece are taken."""

    number_names: tuple[str, ...]
    text_names: tuple[str, ...]
    label: str
    as_written: frozenset[str]
    """Columns of a CSV file that are not to be parsed: 007 is no 7 there."""


@dataclass(frozen=True)
class _Values:
    """The values of a piece."""

    numbers: FloatArray
    """[rows, number_names]"""
    texts: Sequence[tuple[NDArray[np.int64], AnyArray]]
    """Of each column of text: the place of each row's among those that there are; -1: missing."""
    labels: AnyArray
    faults: Sequence[tuple[NDArray[np.int64], str]]


def read(
    source: _Source, *, zeros: Callable[..., AnyArray] = np.zeros, map_chunks: MapChunks = in_order
) -> Table:
    """All rows of the files; DataError where they are no table with the columns of `source`.

    `zeros` makes the array of the numbers.
    """
    pieces = list(_pieces(source))
    surveys = list(map_chunks(partial(_survey, source=source), pieces))
    names = _features(source, _columns_of_files(pieces, surveys))
    text_names = tuple(name for name in names if not _is_numbers(name, pieces, surveys))
    with_text = frozenset[str]().union(*(survey.texts for survey in surveys))
    recipe = _Recipe(
        number_names=tuple(name for name in names if name not in text_names),
        text_names=text_names,
        label=source.label,
        as_written=with_text & {*text_names, source.label},
    )
    lengths = [survey.num_rows for survey in surveys]
    table = _Filling(recipe, sum(lengths), zeros)
    for values in map_chunks(partial(_values, source=source, recipe=recipe), pieces):
        table.add(values)
    return Table(
        features=table.numbers,
        targets=_labels(table.labels),
        feature_names=tuple(names),
        parts=_parts(pieces, lengths),
        text_names=text_names,
        texts=table.texts if text_names else None,
        origins=_origins(pieces, lengths),
        faults=tuple(table.faults),
    )


class _Filling:
    """The values of the pieces, one after the other."""

    def __init__(self, recipe: _Recipe, num_rows: int, zeros: Callable[..., AnyArray]) -> None:
        # A column's values lie side by side, for what is fitted is fitted column by column.
        self.numbers = zeros((len(recipe.number_names), num_rows), np.float32).T
        self.texts = np.empty((num_rows, len(recipe.text_names)), dtype=object)
        self.labels: list[AnyArray] = []
        self.faults: list[Faults] = []
        self._shared: dict[str, str] = {}
        self._num_rows = 0

    def add(self, values: _Values) -> None:
        start, end = self._num_rows, self._num_rows + len(values.labels)
        self.numbers[start:end] = values.numbers
        for place, (codes, found) in enumerate(values.texts):
            self.texts[start:end, place] = self._once(found)[codes]
        self.labels.append(values.labels)
        self.faults += [Faults("value_invalid", start + rows, message) for rows, message in values.faults]
        self._num_rows = end

    def _once(self, found: AnyArray) -> AnyArray:
        """Texts, and None at the end; equal ones are one object, however many pieces have them."""
        return np.array([*(self._shared.setdefault(text, text) for text in found), None], dtype=object)


def _survey(piece: Piece, *, source: _Source) -> _Survey:
    file = _read(piece, source)
    columns = list(file.frame.columns)
    wanted = set(source.features or columns) - {source.label, *(source.drop or [])}
    names = [name for name in columns if name in wanted]
    counts = {}
    for name in names:
        values, others = numbers_of(file, name)
        counts[name] = int(np.count_nonzero(~np.isnan(values))), int(np.count_nonzero(others))
    label = [name for name in columns if name == source.label]
    texts = {name for name in (*names, *label) if _holds_text(file, name)}
    return _Survey(len(file.frame), tuple(columns), counts, frozenset(texts))


def _values(piece: Piece, *, source: _Source, recipe: _Recipe) -> _Values:
    file = _read(piece, source, recipe)
    numbers = np.empty((len(file.frame), len(recipe.number_names)), dtype=np.float32)
    faults = []
    for place, name in enumerate(recipe.number_names):
        numbers[:, place], others = numbers_of(file, name)
        if others.any():
            rows = np.flatnonzero(others)
            faults.append(
                (rows, f"{fault(file, name, int(rows[0]))}, or drop such rows with data.clean.invalid")
            )
    label = _column(file, recipe.label)
    return _Values(
        numbers,
        [pd.factorize(texts_of(file, name)) for name in recipe.text_names],
        label.to_numpy() if pd.api.types.is_numeric_dtype(label) else _as_texts(label),
        faults,
    )


def _read(piece: Piece, source: _Source, recipe: _Recipe | None = None) -> TableFile:
    delimiter = source.delimiter if isinstance(source, CsvSource) else None
    file = read_file(
        piece.path, source.type, delimiter, text=recipe.as_written if recipe else (), part=piece.part
    )
    if recipe is None or piece.part is None:
        return file
    # A key that no line of a part has is missing there.
    names = (*recipe.number_names, *recipe.text_names, recipe.label)
    return replace(file, frame=file.frame.reindex(columns=list(names)))


def _columns_of_files(pieces: Sequence[Piece], surveys: Sequence[_Survey]) -> dict[Path, list[str]]:
    columns: dict[Path, dict[str, None]] = {}
    for piece, survey in zip(pieces, surveys, strict=True):
        columns.setdefault(piece.path, {}).update(dict.fromkeys(survey.columns))
    return {path: list(names) for path, names in columns.items()}


def _pieces(source: _Source) -> Iterator[Piece]:
    for number, (split, path) in enumerate(table_files(source)):
        check_file(path)
        parts = _MODULES[source.type].parts_of(path, PART_BYTES) if path.stat().st_size > PART_BYTES else []
        yield from (Piece(number, split, path, part) for part in parts or [None])


def read_file(
    path: Path, kind: str, delimiter: str | None, *, text: Collection[str] = (), part: Part | None = None
) -> TableFile:
    """A file of the type of a source; in CSV the columns `text` stay as they are written."""
    check_file(path)
    first_row = 0 if part is None else part.first_row
    if kind == "csv":
        frame = csv_file.read_frame(path, delimiter or ",", text, part)
        return TableFile(path, frame, parses=True, first_row=first_row)
    module = jsonl_file if kind == "jsonl" else parquet_file
    return TableFile(path, module.read_frame(path, part), parses=False, first_row=first_row)


def numbers_of(file: TableFile, name: str) -> tuple[FloatArray, NDArray[np.bool_]]:
    """A column as float32, NaN where it has no number; and where it has something else instead."""
    column = _column(file, name)
    if pd.api.types.is_numeric_dtype(column):  # booleans too
        return to_float32(column.to_numpy(dtype=np.float64, na_value=np.nan)), np.zeros(len(column), bool)
    written = column if file.parses else column.where(column.map(lambda value: not isinstance(value, str)))
    values = pd.to_numeric(written, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return to_float32(values), column.notna().to_numpy() & np.isnan(values)


def texts_of(file: TableFile, name: str) -> AnyArray:
    """A column as objects: text, or None where it is missing."""
    return _as_texts(_column(file, name))


def fault(file: TableFile, name: str, row: int) -> str:
    """What is wrong with a value that is no number, as an error says it."""
    found = show(file.frame[name].iloc[row])
    return (
        f"a column of numbers must hold numbers, but column '{name}' of {file.path} has {found} in row "
        f"{file.first_row + row + 1} (the first one is 1); correct it"
    )


def missing_column(path: Path, name: str, columns: Sequence[str]) -> DataError:
    """The error for a column that is not there, with the nearest name."""
    nearest = difflib.get_close_matches(name, columns, n=1)
    hint = f"did you mean '{nearest[0]}'?" if nearest else f"it has {', '.join(columns)}"
    if len(columns) == 1 and not nearest:
        hint = f"it has one column, {columns[0]}; check the delimiter"
    return DataError(f"the file must have the column '{name}', but {path} has none of that name; {hint}")


def _features(source: _Source, columns_of: Mapping[Path, Sequence[str]]) -> list[str]:
    first, columns = next(iter(columns_of.items()))
    dropped = source.drop or []
    known = set(columns)
    for name in [source.label, *dropped, *(source.features or [])]:
        if name not in known:
            raise missing_column(first, name, columns)
    for path, others in columns_of.items():
        _check_columns(path, set(others), first, known)
    unused = {source.label, *dropped}
    names = source.features or [name for name in columns if name not in unused]
    if not names:
        raise DataError(
            f"data must have features, but {first} has only the label column '{source.label}' beside "
            "what is dropped; add a feature column or correct the delimiter"
        )
    return names


def _check_columns(path: Path, here: set[str], first: Path, there: set[str]) -> None:
    if here != there:
        name = min(here ^ there)
        found = "has" if name in here else "has no"
        raise DataError(
            f"the files of a table must have the same columns, but {path} {found} '{name}' unlike "
            f"{first}; correct one of them"
        )


def _is_numbers(name: str, pieces: Sequence[Piece], surveys: Sequence[_Survey]) -> bool:
    counts = [
        survey.counts.get(name, (0, 0))
        for piece, survey in zip(pieces, surveys, strict=True)
        if piece.split in (None, "train")
    ]
    num_numbers, num_others = np.sum(counts, axis=0)
    return bool(num_numbers >= num_others)


def _holds_text(file: TableFile, name: str) -> bool:
    return not pd.api.types.is_numeric_dtype(_column(file, name))


def _labels(columns: Sequence[AnyArray]) -> AnyArray:
    """Numbers with NaN where all are numbers, booleans where all are; else text with None."""
    kinds = {column.dtype == bool for column in columns}
    if len(kinds) == 1 and not any(column.dtype == object for column in columns):
        return np.concatenate(columns)
    return np.concatenate(
        [column if column.dtype == object else _as_texts(pd.Series(column)) for column in columns]
    )


def _parts(pieces: Sequence[Piece], lengths: Sequence[int]) -> AnyArray | None:
    if pieces[0].split is None:
        return None
    return np.repeat([str(piece.split) for piece in pieces], lengths)


def _origins(pieces: Sequence[Piece], lengths: Sequence[int]) -> Origins:
    files = {piece.number: str(piece.path) for piece in pieces}
    rows = np.bincount([piece.number for piece in pieces], weights=lengths).astype(np.int64)
    return Origins.of_files(list(files.values()), rows.tolist())


def _column(file: TableFile, name: str) -> pd.Series:
    """DataError where it holds lists, times, or the like."""
    if name not in file.frame:
        raise missing_column(file.path, name, list(file.frame.columns))
    column: pd.Series = file.frame[name]
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(object)
    if pd.api.types.is_numeric_dtype(column) or isinstance(column.dtype, pd.StringDtype):
        return column
    for row, value in enumerate(column):
        if not isinstance(value, _PLAIN) and value is not None:
            raise DataError(
                f"a column must hold numbers, text or booleans, but column '{name}' of {file.path} has "
                f"a {type(value).__name__} in row {file.first_row + row + 1} (the first one is 1); convert "
                "it, or leave the column out with data.source.drop"
            )
    return column


def _as_texts(column: pd.Series) -> AnyArray:
    values = column.to_numpy(dtype=object)
    missing = column.isna().to_numpy()
    texts = [None if absent else _as_text(value) for value, absent in zip(values, missing, strict=True)]
    return np.array(texts, dtype=object)


def _as_text(value: Any) -> str:
    """Whole numbers lose their decimal point."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
