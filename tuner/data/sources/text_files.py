"""Texts: tables with one or two columns of texts and one of labels, and running text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from tuner.data.origins import Origins
from tuner.data.sources.files import broken_line, parts_of, reason, split_files
from tuner.data.sources.table_files import TableFile, missing_column, read_file, texts_of
from tuner.data.table import AnyArray, Table
from tuner.errors import DataError
from tuner.spec.sections import LabelledTextSource, ParallelTableSource, TextSource

_FORMATS = {".jsonl": "jsonl", ".parquet": "parquet"}


def read_labelled(source: LabelledTextSource) -> Table:
    """All rows of the files; DataError where a column is missing."""
    files = split_files(source.path)
    tables = [read_table_of_texts(path, source, [*source.text_columns, source.label]) for _, path in files]
    lengths = [len(table.frame) for table in tables]
    return Table(
        np.concatenate([_columns_of(table, source.text) for table in tables]),
        np.concatenate([_labels_of(table, source.label) for table in tables]),
        parts=parts_of(files, lengths),
        origins=Origins.of_files([str(path) for _, path in files], lengths),
    )


def read_running(source: TextSource) -> Table:
    """The files, a row each; `tuner.data.running_text` reads what is in them."""
    files = split_files(source.path)
    paths = np.array([path for _, path in files], dtype=object)
    return Table(paths, np.zeros(len(files), dtype=np.int64), parts=parts_of(files, [1] * len(files)))


def read_texts(path: Path, column: str | list[str], delimiter: str | None) -> AnyArray:
    """New texts, without labels: one a line of a .txt file, or the column of a table, or two of pairs."""
    if path.suffix.lower() == ".txt":
        return read_lines(path)
    return _columns_of(_read(path, None, delimiter), column)


def format_of(path: Path, delimiter: str | None) -> str:
    """How a table of texts is read: "jsonl", "parquet", or as text with this delimiter."""
    suffix = path.suffix.lower()
    return _FORMATS.get(suffix) or delimiter or ("," if suffix == ".csv" else "\t")


def read_table_of_texts(
    path: Path, source: LabelledTextSource | ParallelTableSource, needed: Sequence[str]
) -> TableFile:
    """These columns of a file of `source`; DataError where it cannot be read, or has none of that name."""
    is_delimited = path.suffix.lower() not in _FORMATS
    if not is_delimited and (source.columns or source.delimiter):
        given = "columns" if source.columns else "delimiter"
        raise DataError(
            f"data.source.{given} must be left out where the ending of a file says how it is read, but it is "
            f"given with {path}; leave it out"
        )
    file = _read(path, source.columns, source.delimiter)
    if source.columns:
        _check_no_header(file, source.columns)
    for name in needed:
        if name not in file.frame:
            error = missing_column(path, name, list(file.frame.columns))
            hint = "; without a header row data.source.columns names them" if is_delimited else ""
            raise DataError(f"{error}{hint}")
    return replace(file, frame=file.frame[list(needed)])


def _read(path: Path, columns: list[str] | None, delimiter: str | None) -> TableFile:
    found = format_of(path, delimiter)
    if found in _FORMATS.values():
        return read_file(path, found, None)
    return TableFile(path, read_frame(path, columns, found))


def _columns_of(file: TableFile, names: str | list[str]) -> AnyArray:
    """Objects [rows] of a column, or [rows, 2] of two: text, or None where missing."""
    columns = [texts_of(file, name) for name in ([names] if isinstance(names, str) else names)]
    return columns[0] if len(columns) == 1 else np.stack(columns, axis=1)


def _labels_of(file: TableFile, name: str) -> AnyArray:
    """As in text with a delimiter, a label without characters is none."""
    return np.array([label or None for label in texts_of(file, name)], dtype=object)


def read_lines(path: Path) -> AnyArray:
    """A text a line; the last one may have no end."""
    lines = _decode(path).removesuffix("\n").split("\n")
    return np.array([line.removesuffix("\r") for line in lines], dtype=object)


def _check_no_header(file: TableFile, columns: list[str]) -> None:
    first = file.frame.iloc[0]
    if set(first) == set(columns):
        raise DataError(
            f"data.source.columns is for files without a header row, but the first row of {file.path} is "
            f"one: {', '.join(first)}; leave columns out"
        )


def read_frame(path: Path, columns: list[str] | None, delimiter: str) -> pd.DataFrame:
    """As text, with quotes taken as they are where tabs delimit, as such files mean them."""
    try:
        frame: pd.DataFrame = pd.read_csv(
            path,
            sep=delimiter,
            names=columns,
            header=None if columns else 0,
            dtype=str,
            keep_default_na=False,
            na_values=[""],
            quoting=3 if delimiter == "\t" else 0,
            encoding="utf-8",
        )
    except UnicodeDecodeError as error:
        raise _unreadable(path, broken_line(path)) from error
    except (ValueError, OSError) as error:
        raise _unreadable(path, reason(error)) from error
    if not isinstance(frame.index, pd.RangeIndex):
        # pandas would take what is in front of the other values as the name of the row.
        raise _unreadable(path, "its rows have more values than there are names of columns")
    if frame.empty:
        raise DataError(f"data must have rows, but {path} has none; give a file with data")
    frame.columns = frame.columns.astype(str)
    return frame


def _decode(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"text must be UTF-8, but {path} is not: {broken_line(path)}; convert it") from error
    except OSError as error:
        raise DataError(f"text must be readable, but {path} is not: {reason(error)}; correct it") from error


def _unreadable(path: Path, found: str) -> DataError:
    return DataError(
        f"data must be readable as a table of texts, but {path} is not: {found}; correct the file"
    )
