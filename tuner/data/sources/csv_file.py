"""CSV files with a header, as frames."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pandas as pd

from tuner.data.sources.files import broken_line, reason
from tuner.data.sources.parts import Part, parts_of_lines
from tuner.errors import DataError


def parts_of(path: Path, part_bytes: int, delimiter: str) -> list[Part]:
    """Lines; none where quotation marks may hide where a row ends."""
    empty = b" \t\r\n".replace(delimiter.encode(), b"")
    parts = parts_of_lines(path, part_bytes, without=b'"', empty=empty)
    return [replace(part, first_row=max(0, part.first_row - 1)) for part in parts]  # the header is none


def read_frame(
    path: Path, delimiter: str, text: Collection[str] = (), part: Part | None = None
) -> pd.DataFrame:
    """A frame with at least one row and text as names; the columns `text` stay as they are written."""
    is_first = part is None or part.start == 0
    try:
        frame: pd.DataFrame = pd.read_csv(
            path if part is None else BytesIO(part.read(path)),
            sep=delimiter,
            names=None if is_first else _names(path, delimiter),
            header=0 if is_first else None,
            low_memory=False,
            dtype=dict.fromkeys(text, "str"),
            encoding="utf-8",
        )
    except UnicodeDecodeError as error:
        raise _unreadable(path, broken_line(path)) from error
    except (ValueError, OSError) as error:
        raise _unreadable(path, _of_file(reason(error), part)) from error
    if not isinstance(frame.index, pd.RangeIndex):
        # pandas would take what is in front of the other values as the name of the row.
        # Of a part that is not the first, this is where its first row is longer.
        rows = "its rows have" if is_first or part is None else f"row {part.first_row + 1} has"
        raise _unreadable(path, f"{rows} more values than its header has names")
    if frame.empty:
        raise DataError(f"data must have rows, but {path} has only a header; give a file with data")
    frame.columns = frame.columns.astype(str)
    _check_names(path, delimiter)
    return frame


def _of_file(found: str, part: Part | None) -> str:
    """What pandas says, with the number of the line in the file."""
    if part is None:
        return found
    return re.sub(r"(?<=in line )\d+", lambda number: str(part.first_line + int(number[0])), found)


def _names(path: Path, delimiter: str) -> list[str]:
    return list(pd.read_csv(path, sep=delimiter, nrows=0, encoding="utf-8").columns)


def _check_names(path: Path, delimiter: str) -> None:
    """DataError where a name stands twice, which pandas would change in silence."""
    first = pd.read_csv(path, sep=delimiter, header=None, nrows=1, dtype=str, keep_default_na=False)
    header: list[str] = first.iloc[0].tolist()
    twice = [name for place, name in enumerate(header) if name and name in header[:place]]
    if twice:
        raise _unreadable(path, f"its header has the name '{twice[0]}' twice")


def _unreadable(path: Path, found: str) -> DataError:
    return DataError(f"data must be readable as CSV, but {path} is not: {found}; correct the file")
