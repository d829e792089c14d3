"""Texts: tables with one or two columns of texts and one of labels, and running text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from tuner.data.sources.files import broken_line, reason
from tuner.data.sources.table_files import missing_column
from tuner.data.table import AnyArray, Table
from tuner.errors import DataError
from tuner.spec.sections import LabelledTextSource, TextSource


def read_labelled(source: LabelledTextSource) -> Table:
    """All rows of the table, or of one table a split; DataError where a column or a label is missing."""
    if isinstance(source.path, str):
        texts, labels = _read_table(Path(source.path), source)
        return Table(texts, labels)
    frames = {
        name: _read_table(Path(path), source)
        for name, path in source.path.model_dump(exclude_none=True).items()
    }
    texts = np.concatenate([texts for texts, _ in frames.values()])
    labels = np.concatenate([labels for _, labels in frames.values()])
    parts = np.concatenate([np.full(len(texts), name) for name, (texts, _) in frames.items()])
    return Table(texts, labels, parts=parts)


def read_running(source: TextSource) -> Table:
    """The whole file as one text."""
    path = Path(source.path)
    return Table(np.array([_decode(path)], dtype=object), np.zeros(1, dtype=np.int64))


def read_texts(path: Path, column: str | list[str], delimiter: str) -> AnyArray:
    """New texts, without labels: one a line of a .txt file, or the column of a table, or two of pairs."""
    if path.suffix == ".txt":
        return read_lines(path)
    frame = read_frame(path, None, delimiter)
    check_columns(frame, path, column)
    return frame[column].to_numpy(dtype=object)


def _read_table(path: Path, source: LabelledTextSource) -> tuple[AnyArray, AnyArray]:
    frame = read_frame(path, source.columns, source.delimiter)
    check_columns(frame, path, source.text)
    check_columns(frame, path, source.label)
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


def check_columns(frame: pd.DataFrame, path: Path, columns: str | list[str]) -> None:
    for name in [columns] if isinstance(columns, str) else columns:
        if name not in frame:
            raise missing_column(path, name, list(frame.columns))


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
