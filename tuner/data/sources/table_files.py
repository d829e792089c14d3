"""Tables in files, CSV, JSONL or Parquet: columns of numbers and of text, and one label column.

All files of a source have the same columns. A column is one of numbers where at least half of the values that
the training files know are numbers or booleans; a value of it that is none is a fault of its row. Where the
files are not those of a split, all of them decide.

Files are read twice, and large ones in parts: first it is seen which columns hold numbers, then the values
are taken. In memory are some parts at a time, and of the whole table its labels and eight bytes a text.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Mapping, Sequence
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
from tuner.data.sources.files import check_file, split_files
from tuner.data.sources.parts import PART_BYTES, Part
from tuner.data.table import AnyArray, Faults, FloatArray, Table, to_float32
from tuner.errors import DataError
from tuner.spec.domains import show
from tuner.spec.sections import CsvSource, JsonlSource, ParquetSource

_PLAIN = (str, bool, int, float, Decimal, np.generic)

_Kinds = frozenset[str]
"""What CSV holds in a column: "numbers", "booleans", "text", "gaps"."""


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
    parses: bool = False
    """Whether text that is written as a number is one: in CSV, where all is text."""
    first_row: int = 0
    """Rows of the file before these."""


ReadPiece = Callable[[Piece, Collection[str]], TableFile]
"""In CSV the columns of these names stay as they are written."""


@dataclass(frozen=True)
class Wanted:
    """The columns of a table that are used."""

    label: str
    features: Sequence[str] | None
    """None: all but the label and those of `drop`."""
    drop: Sequence[str]


@dataclass(frozen=True)
class _Survey:
    """What is seen of the columns of a piece."""

    num_rows: int
    columns: tuple[str, ...]
    counts: Mapping[str, tuple[int, int]]
    """Of each feature that is there: its numbers, and its values that are none."""
    kinds: Mapping[str, _Kinds]
    """Of each feature, and the label, of CSV."""


@dataclass(frozen=True)
class _Recipe:
    """How the values of every piece are taken."""

    number_names: tuple[str, ...]
    text_names: tuple[str, ...]
    label: str
    as_written: Sequence[Collection[str]]
    """Of each file the columns that are not to be parsed: 007 is no 7 in a column of text."""


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
    source: CsvSource | JsonlSource | ParquetSource,
    *,
    zeros: Callable[..., AnyArray] = np.zeros,
    map_chunks: MapChunks = in_order,
) -> Table:
    """All rows of the files; DataError where they are no table with the columns of `source`.

    `zeros` makes the array of the numbers.
    """
    delimiter = source.delimiter if isinstance(source, CsvSource) else None
    return as_table(
        pieces_of(split_files(source.path), source.type, delimiter),
        partial(_read_piece, kind=source.type, delimiter=delimiter),
        Wanted(source.label, source.features, source.drop or []),
        zeros=zeros,
        map_chunks=map_chunks,
    )


def as_table(
    pieces: Sequence[Piece],
    read_piece: ReadPiece,
    wanted: Wanted,
    *,
    zeros: Callable[..., AnyArray] = np.zeros,
    map_chunks: MapChunks = in_order,
) -> Table:
    """All rows of `pieces`; DataError where they are no table with the columns of `wanted`."""
    surveys = list(map_chunks(partial(_survey, read_piece=read_piece, wanted=wanted), pieces))
    names = _features(wanted, _columns_of_files(pieces, surveys))
    kinds = _kinds_of_files(pieces, surveys)
    text_names = tuple(name for name in names if not _is_numbers(name, pieces, surveys, kinds))
    recipe = _Recipe(
        number_names=tuple(name for name in names if name not in text_names),
        text_names=text_names,
        label=wanted.label,
        as_written=_as_written(kinds, {*text_names, wanted.label}),
    )
    lengths = [survey.num_rows for survey in surveys]
    table = _Filling(recipe, sum(lengths), zeros)
    for values in map_chunks(partial(_values, read_piece=read_piece, recipe=recipe), pieces):
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


def _survey(piece: Piece, *, read_piece: ReadPiece, wanted: Wanted) -> _Survey:
    file = read_piece(piece, ())
    columns = list(file.frame.columns)
    features = set(wanted.features or columns) - {wanted.label, *wanted.drop}
    names = [name for name in columns if name in features]
    counts = {}
    for name in names:
        values, others = numbers_of(file, name)
        counts[name] = int(np.count_nonzero(~np.isnan(values))), int(np.count_nonzero(others))
    kinds = {
        name: _kinds(file.frame[name]) for name in columns if file.parses and name in {*names, wanted.label}
    }
    return _Survey(len(file.frame), tuple(columns), counts, kinds)


def _kinds(column: pd.Series) -> _Kinds:
    gaps = {"gaps"} if column.isna().any() else set()
    if pd.api.types.is_string_dtype(column):
        return frozenset({"text", *gaps})
    first = column.first_valid_index()
    if first is None:
        return frozenset(gaps)
    return frozenset({"booleans" if isinstance(column[first], bool | np.bool_) else "numbers", *gaps})


def _values(piece: Piece, *, read_piece: ReadPiece, recipe: _Recipe) -> _Values:
    file = read_piece(piece, recipe.as_written[piece.number])
    if piece.part is not None:
        # A key that no line of a part has is missing there.
        names = (*recipe.number_names, *recipe.text_names, recipe.label)
        file = replace(file, frame=file.frame.reindex(columns=list(names)))
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


def _columns_of_files(pieces: Sequence[Piece], surveys: Sequence[_Survey]) -> dict[Path, list[str]]:
    columns: dict[Path, dict[str, None]] = {}
    for piece, survey in zip(pieces, surveys, strict=True):
        columns.setdefault(piece.path, {}).update(dict.fromkeys(survey.columns))
    return {path: list(names) for path, names in columns.items()}


def _kinds_of_files(pieces: Sequence[Piece], surveys: Sequence[_Survey]) -> list[dict[str, _Kinds]]:
    """Of each file, all that its parts hold."""
    files: list[dict[str, _Kinds]] = [{} for _ in range(pieces[-1].number + 1)]
    for piece, survey in zip(pieces, surveys, strict=True):
        file = files[piece.number]
        file.update({name: file.get(name, frozenset()) | kinds for name, kinds in survey.kinds.items()})
    return files


def _are_texts(kinds: _Kinds) -> bool:
    """Whether a column, read whole, would be one of text."""
    return "text" in kinds or {"booleans", "numbers"} <= kinds


def _as_written(files: Sequence[Mapping[str, _Kinds]], names: set[str]) -> list[set[str]]:
    """Of each file what is text in it, and those of `names` that hold more than numbers in any."""
    anywhere = {
        name
        for kinds in files
        for name in names & kinds.keys()
        if _are_texts(kinds[name]) or kinds[name] >= {"booleans", "gaps"}
    }
    return [anywhere | {name for name in kinds if _are_texts(kinds[name])} for kinds in files]


def pieces_of(
    files: Sequence[tuple[str | None, Path]], kind: str, delimiter: str | None = None
) -> list[Piece]:
    """The files of a split each, those that are large in parts."""
    pieces = []
    for number, (split, path) in enumerate(files):
        check_file(path)
        is_large = path.stat().st_size > PART_BYTES
        parts: Sequence[Part | None] = _parts_of(path, kind, delimiter) if is_large else []
        pieces += [Piece(number, split, path, part) for part in parts or [None]]
    return pieces


def _parts_of(path: Path, kind: str, delimiter: str | None) -> list[Part]:
    if kind == "csv":
        return csv_file.parts_of(path, PART_BYTES, delimiter or ",")
    if kind == "jsonl":
        return jsonl_file.parts_of(path, PART_BYTES)
    return parquet_file.parts_of(path, PART_BYTES)


def _read_piece(piece: Piece, text: Collection[str], *, kind: str, delimiter: str | None) -> TableFile:
    return read_file(piece.path, kind, delimiter, text=text, part=piece.part)


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
    return TableFile(path, module.read_frame(path, part), first_row=first_row)


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


def _features(wanted: Wanted, columns_of: Mapping[Path, Sequence[str]]) -> list[str]:
    first, columns = next(iter(columns_of.items()))
    known = set(columns)
    for name in [wanted.label, *wanted.drop, *(wanted.features or [])]:
        if name not in known:
            raise missing_column(first, name, columns)
    for path, others in columns_of.items():
        _check_columns(path, set(others), first, known)
    unused = {wanted.label, *wanted.drop}
    names = list(wanted.features or [name for name in columns if name not in unused])
    if not names:
        raise DataError(
            f"data must have features, but {first} has only the label column '{wanted.label}' beside "
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


def _is_numbers(
    name: str, pieces: Sequence[Piece], surveys: Sequence[_Survey], files: Sequence[Mapping[str, _Kinds]]
) -> bool:
    num_numbers = num_others = 0
    for piece, survey in zip(pieces, surveys, strict=True):
        if piece.split in (None, "train"):
            numbers, others = survey.counts.get(name, (0, 0))
            if "booleans" in survey.kinds.get(name, ()) and _are_texts(files[piece.number][name]):
                numbers, others = 0, numbers  # True is a number only where nothing else stands
            num_numbers += numbers
            num_others += others
    return num_numbers >= num_others


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
