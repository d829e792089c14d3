"""Texts: tables with one or two columns of texts and one of labels, and running text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tuner.data.origins import Origins
from tuner.data.sources.files import broken_line, reason, split_paths
from tuner.data.sources.table_files import missing_column
from tuner.data.table import AnyArray, Table
from tuner.errors import DataError
from tuner.spec.sections import LabelledTextSource, TextSource


def read_labelled(source: LabelledTextSource) -> Table:
    """All rows of the table, or of one table a split; DataError where a column or a label is missing."""
    files = split_paths(source.path)
    texts, labels = zip(*(_read_table(path, source) for _, path in files), strict=True)
    lengths = [len(each) for each in texts]
    return Table(
        np.concatenate(texts),
        np.concatenate(labels),
        parts=None if isinstance(source.path, str) else np.repeat([part for part, _ in files], lengths),
        origins=Origins.of_files([str(path) for _, path in files], lengths),
    )


def read_running(source: TextSource) -> Table:
    """The file, one row; `tuner.data.running_text` reads what is in it."""
    return Table(np.array([Path(source.path)], dtype=object), np.zeros(1, dtype=np.int64))


def read_texts(path: Path, column: str | list[str], delimiter: str) -> AnyArray:
    """New texts, without labels: one a line of a .txt file, or the column of a table, or two of pairs."""
    if path.suffix.lower() == ".txt":
        return read_lines(path)
    frame = read_frame(path, None, delimiter)
    for name in [column] if isinstance(column, str) else column:
        if name not in frame:
            raise missing_column(path, name, list(frame.columns))
    return frame[column].to_numpy(dtype=object)


def _read_table(path: Path, source: LabelledTextSource) -> tuple[AnyArray, AnyArray]:
    frame = read_frame(path, source.columns, source.delimiter)
    check_columns(frame, path, source.columns, [*source.text_columns, source.label])
    missing = np.flatnonzero(frame[source.label].isna())
    if len(missing):
        raise DataError(
            f"every row must have a label, but column '{source.label}' of {path} has none in row "
            f"{missing[0] + 1} (the first one is 1); fill it in or remove the row"
        )
    texts = frame[source.text].to_numpy(dtype=object)
    return texts, np.array(frame[source.label].astype(str), dtype=np.str_)


def read_lines(path: Path) -> AnyArray:
    """A text a line; the last one may have no end."""
    lines = _decode(path).removesuffix("\n").split("\n")
    return np.array([line.removesuffix("\r") for line in lines], dtype=object)


def check_columns(frame: pd.DataFrame, path: Path, columns: list[str] | None, needed: Sequence[str]) -> None:
    """DataError where a needed column is missing, or `columns` is given for a file with a header row."""
    if columns and set(frame.iloc[0]) == set(columns):
        raise DataError(
            f"data.source.columns is for files without a header row, but the first row of {path} is one: "
            f"{', '.join(frame.iloc[0])}; leave columns out"
        )
    for name in needed:
        if name not in frame:
            error = missing_column(path, name, list(frame.columns))
            raise DataError(f"{error}; without a header row data.source.columns names them") from None


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
